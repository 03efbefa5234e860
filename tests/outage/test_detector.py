"""The decision table of the detector."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from benchmarks.simulated_home import Home, Vehicle
from custom_components.keycard.outage.account_calls import AccountCallHealth
from custom_components.keycard.outage.confirmation import PROBES, HealthTracker
from custom_components.keycard.outage.evidence import (
    Classification,
    Evidence,
    Reason,
    Subject,
    Verdict,
)
from custom_components.keycard.outage.models import (
    OUTAGES,
    MissingEvidence,
    Scope,
    Status,
    Subsystem,
)
from custom_components.keycard.outage.outage_log import NoticeType
from custom_components.keycard.outage.vehicle_calls import SERIES

from .home_helpers import (
    ADA,
    ASLEEP,
    BLOCKED,
    BO,
    CY,
    ERROR,
    EVE,
    HOUR,
    LIMIT,
    SETTLED,
    change,
    notices,
    settle,
    status,
    statuses,
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the decision table: a home, conditions and the assessment."""

    name: str
    conditions: Mapping[str, str]
    status: Status
    scope: Scope
    cars: tuple[Vehicle, ...] = ()
    third_party: bool = False
    asleep: bool = False
    subsystems: tuple[Subsystem, ...] = ()
    other_regions: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    missing: tuple[MissingEvidence, ...] = ()
    affected: frozenset[str] | None = field(default=frozenset())
    within: float = 120.0


ROWS = [
    Row(
        name="1: every unrelated host fails, too",
        conditions={"net": "refuse"},
        status=Status.INTERNET_DOWN,
        scope=Scope.NONE,
    ),
    Row(
        name="1: so do the calls",
        cars=(ADA, BO),
        conditions={"net": "timeout"},
        status=Status.INTERNET_DOWN,
        scope=Scope.NONE,
        within=180.0,
    ),
    Row(
        name="1: a portal answers everything",
        cars=(ADA,),
        conditions={"net": "portal"},
        status=Status.INTERNET_DOWN,
        scope=Scope.NONE,
    ),
    Row(
        name="2: the third party is gone",
        cars=(ADA,),
        third_party=True,
        conditions={"proxy.api": "refuse"},
        status=Status.PROVIDER_DOWN,
        scope=Scope.NONE,
    ),
    Row(
        name="2: the third party answers with errors",
        cars=(ADA, BO),
        third_party=True,
        conditions={"proxy.api": "502 <html>Bad gateway</html>"},
        status=Status.PROVIDER_DOWN,
        scope=Scope.NONE,
    ),
    Row(
        name="3: no calls, the own region fails",
        conditions={"na.status": "refuse"},
        status=Status.OUTAGE,
        scope=Scope.REGION,
        subsystems=(Subsystem.STATUS,),
        affected=None,
    ),
    Row(
        name="3: all calls fail, the probe is good",
        cars=(ADA, BO),
        conditions={"na.api": ERROR},
        status=Status.OUTAGE,
        scope=Scope.REGION,
        subsystems=(Subsystem.API,),
        affected=None,
    ),
    Row(
        name="3: all calls hang, the probe is good",
        cars=(ADA, BO),
        conditions={"na.api": "timeout"},
        status=Status.OUTAGE,
        scope=Scope.REGION,
        subsystems=(Subsystem.API,),
        affected=None,
        within=180.0,
    ),
    Row(
        name="3: calls and probe fail",
        cars=(ADA,),
        conditions={"na.status": "timeout", "na.api": "timeout"},
        status=Status.OUTAGE,
        scope=Scope.REGION,
        subsystems=(Subsystem.STATUS, Subsystem.API),
        affected=None,
        within=240.0,
    ),
    Row(
        name="3: Tesla's own hosts fail behind a third party",
        cars=(ADA,),
        third_party=True,
        conditions={"na.status": "503 busy", "na.api": "503 busy"},
        status=Status.OUTAGE,
        scope=Scope.REGION,
        subsystems=(Subsystem.STATUS, Subsystem.API),
        affected=None,
    ),
    Row(
        name="3: some other region fails as well",
        conditions={"na.status": "503 busy", "eu.status": "503 busy"},
        status=Status.OUTAGE,
        scope=Scope.REGIONS,
        subsystems=(Subsystem.STATUS,),
        other_regions=("eu",),
        affected=None,
    ),
    Row(
        name="3: all regions fail",
        conditions={"all.status": "503 busy", "auth.token": "503 busy"},
        status=Status.OUTAGE,
        scope=Scope.WORLDWIDE,
        subsystems=(Subsystem.STATUS,),
        other_regions=("eu", "cn"),
        affected=None,
    ),
    Row(
        name="4: calls fail for one model",
        cars=(ADA, EVE, CY),
        conditions={"na.api@model3": ERROR},
        status=Status.DEGRADED,
        scope=Scope.MODEL,
        subsystems=(Subsystem.API,),
        models=("model3",),
        affected=frozenset({"Ada", "Eve"}),
    ),
    Row(
        name="5: data stand still",
        cars=(ADA, CY),
        conditions={"na.data": "stale"},
        status=Status.DEGRADED,
        scope=Scope.REGION,
        subsystems=(Subsystem.DATA,),
        within=900.0,
    ),
    Row(
        name="5: data fail",
        cars=(ADA, CY),
        conditions={"na.data": "503 busy"},
        status=Status.DEGRADED,
        scope=Scope.REGION,
        subsystems=(Subsystem.DATA,),
        within=900.0,
    ),
    Row(
        name="5: data fail for one model",
        cars=(ADA, CY),
        conditions={"na.data@model3": "503 busy"},
        status=Status.DEGRADED,
        scope=Scope.MODEL,
        subsystems=(Subsystem.DATA,),
        models=("model3",),
        within=1500.0,
    ),
    Row(
        name="6: sign-in fails",
        cars=(ADA,),
        conditions={"auth.token": "503 busy"},
        status=Status.SIGN_IN_OUTAGE,
        scope=Scope.WORLDWIDE,
        subsystems=(Subsystem.AUTH,),
        affected=None,
        within=400.0,
    ),
    Row(
        name="6: the sign-in page hangs",
        conditions={"auth.authorize": "timeout"},
        status=Status.SIGN_IN_OUTAGE,
        scope=Scope.WORLDWIDE,
        subsystems=(Subsystem.AUTH,),
        affected=None,
        within=400.0,
    ),
    *(
        Row(
            name=f"7: {condition}",
            cars=(ADA, BO),
            conditions={"na.api": condition},
            status=Status.ACCOUNT_PROBLEM,
            scope=Scope.ACCOUNT,
        )
        for condition in (
            "retry-after:37829",
            LIMIT,
            '403 {"error":"forbidden, see the fleet-api"}',
            "412 not registered",
            "421 other region",
            '401 {"error":"mobile_access_disabled"}',
            '401 {"error":"login_required"}',
        )
    ),
    Row(
        name="8: all is well",
        cars=(ADA,),
        conditions={},
        status=Status.OPERATIONAL,
        scope=Scope.NONE,
    ),
    Row(
        name="8: calls are fine though the probe fails",
        cars=(ADA,),
        conditions={"na.status": "503 busy"},
        status=Status.OPERATIONAL,
        scope=Scope.NONE,
        within=HOUR,
    ),
    Row(
        name="8: another region fails",
        conditions={"eu.status": "timeout", "eu.api": "timeout"},
        status=Status.OPERATIONAL,
        scope=Scope.NONE,
        other_regions=("eu",),
        within=400.0,
    ),
    Row(
        name="8: every car sleeps, in whatever words",
        cars=(ADA, BO),
        asleep=True,
        conditions={"na.api": ASLEEP},
        status=Status.OPERATIONAL,
        scope=Scope.NONE,
        within=HOUR,
    ),
    Row(
        name="8: one of two unrelated hosts fails",
        conditions={"controls1": "timeout"},
        status=Status.OPERATIONAL,
        scope=Scope.NONE,
        within=HOUR,
    ),
    Row(
        name="9: names are not found",
        cars=(ADA,),
        conditions={"dns.tesla": "dns"},
        status=Status.UNDETERMINED,
        scope=Scope.UNDETERMINED,
        missing=(MissingEvidence.NAME,),
    ),
    Row(
        name="9: names lead to a null address",
        conditions={"dns.tesla": "null"},
        status=Status.UNDETERMINED,
        scope=Scope.UNDETERMINED,
        missing=(MissingEvidence.ADDRESS,),
    ),
    Row(
        name="9: somebody else's certificate",
        conditions={"dns.tesla": "tls"},
        status=Status.UNDETERMINED,
        scope=Scope.UNDETERMINED,
        missing=(MissingEvidence.CERTIFICATE,),
    ),
    Row(
        name="9: this address is blocked",
        cars=(ADA,),
        conditions={"dns.tesla": BLOCKED},
        status=Status.UNDETERMINED,
        scope=Scope.UNDETERMINED,
        missing=(MissingEvidence.BLOCKED,),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_decision_table(home: Home, row: Row) -> None:
    entry = settle(home, *row.cars, third_party=row.third_party)
    if row.asleep:
        for car in entry.vehicles.values():
            car.online = False
    change(home, row.conditions)

    home.run(SETTLED + row.within)

    assessment = home.assessment
    assert (assessment.status, assessment.scope) == (row.status, row.scope)
    assert assessment.subsystems == row.subsystems
    assert assessment.other_regions == row.other_regions
    assert assessment.models == row.models
    assert assessment.missing_evidence == row.missing
    assert assessment.affected == row.affected
    assert (assessment.since is not None) is (row.status in OUTAGES)
    # There was no other status in between.
    assert set(statuses(home)) <= {row.status, Status.OPERATIONAL}


def test_affected_vehicles_stay_affected_while_undetermined(home: Home) -> None:
    settle(home, ADA, CY)
    change(home, {"na.api@model3": ERROR})
    home.run(SETTLED + 120)
    began = home.assessment.since
    change(home, {"net": "refuse"})
    home.run(SETTLED + 300)

    assert status(home) is Status.INTERNET_DOWN
    assert home.assessment.affected == frozenset({"Ada"})
    assert home.assessment.since == began


@pytest.mark.parametrize("condition", [ERROR, "timeout"])
def test_vehicles_that_fail_together_are_reported_together(
    home: Home, condition: str
) -> None:
    flo, gus = (Vehicle(name=name, model="modely") for name in ("Flo", "Gus"))
    hal = Vehicle(name="Hal", model="models")
    settle(home, ADA, flo, gus, CY, hal)
    change(home, {"na.api@modely": condition})
    home.run(SETTLED + 120)
    change(home, {"na.api@models": condition})
    home.run(SETTLED + 240)
    assert [seen.assessment.affected for seen in home.changes if seen.at > SETTLED] == [
        frozenset({"Flo", "Gus"}),
        frozenset({"Flo", "Gus", "Cy", "Hal"}),
    ]
    assert notices(home) == [NoticeType.TAKE, NoticeType.TAKE]


def failing(
    calls: AccountCallHealth, name: str, began: float, until: float, *, lasts: float
) -> None:
    """Let the calls for a vehicle fail from a time on."""
    good = Classification(subject=Subject.API, verdict=Verdict.GOOD, reason=Reason.OK)
    bad = Classification(
        subject=Subject.API, verdict=Verdict.BAD, reason=Reason.CLOUD_FAILS
    )
    told = [(good, began - 60.0), (bad, began)]
    told += [(bad, began + lasts + offset) for offset in SERIES]
    for meaning, sent_at in told:
        if sent_at + lasts <= until:
            calls.observe_vehicle_call(
                Evidence(
                    classification=meaning,
                    sent_at=sent_at,
                    at=sent_at + lasts,
                    vehicle_id=name,
                    model="modely",
                )
            )


@pytest.mark.parametrize(
    ("began", "lasts", "monotonic", "waits"),
    [
        # Found at once, and confirmed a moment later.
        (1000.3, 0.2, 1031.5, True),
        # Found by a call that got no answer.
        (1000.3, 10.0, 1031.5, True),
        # Found later: it does not delay the report.
        (1016.0, 0.2, 1031.5, False),
        # Not confirmed in time, such as without an answer of its host meanwhile.
        (1000.3, 0.2, 1043.0, False),
        (1000.3, 10.0, 1052.0, True),
        (1000.3, 10.0, 1053.0, False),
    ],
)
def test_how_long_a_report_waits_for_another_vehicle(
    began: float, lasts: float, monotonic: float, *, waits: bool
) -> None:
    calls = AccountCallHealth()
    failing(calls, "Gus", 1000.0, 1031.3, lasts=0.1)
    calls.confirm(HealthTracker(rule=PROBES), outage=False)
    failing(calls, "Flo", began, monotonic, lasts=lasts)
    count = calls.count(monotonic, calls.started_at())
    assert count.failing == {"Gus"}
    assert calls.is_settling(count, frozenset(), monotonic) is waits
    # Gus was reported before.
    assert not calls.is_settling(count, count.failing, monotonic)
