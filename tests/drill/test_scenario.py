"""Tests of the simulated outage of a drill and its interruptions."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from custom_components.keycard.drill.scenario import (
    MAX_DURATION,
    MIN_DURATION,
    SCOPES,
    Drill,
    DrillRequest,
    InvalidDrillError,
    InvalidDrillReason,
    create_drill,
)
from custom_components.keycard.outage.models import (
    OUTAGES,
    Assessment,
    Scope,
    Status,
    Subsystem,
)

WALL = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
NOW = 5000.0
MODELS = {"ada": "model3", "bo": "model3", "cy": "models"}
FINE = Assessment(status=Status.OPERATIONAL, scope=Scope.NONE)


def made(
    *, before: Assessment = FINE, models: dict[str, str] | None = None, **plan: Any
) -> Drill:
    return create_drill(
        DrillRequest(**plan),
        region="eu",
        others=frozenset({"na", "cn"}),
        models=MODELS if models is None else models,
        actual=before,
        utcnow=WALL,
        monotonic=NOW,
    )


def some(*items: str) -> frozenset[str]:
    return frozenset(items)


@pytest.mark.parametrize(
    ("plan", "scope", "other_regions", "models", "affected"),
    [
        ({}, Scope.REGION, (), (), None),
        ({"scope": Scope.WORLDWIDE}, Scope.WORLDWIDE, ("cn", "na"), (), None),
        (
            {"scope": Scope.REGIONS, "other_regions": some("na")},
            Scope.REGIONS,
            ("na",),
            (),
            None,
        ),
        ({"status": Status.SIGN_IN_OUTAGE}, Scope.WORLDWIDE, (), (), None),
        ({"status": Status.DEGRADED}, Scope.REGION, (), (), None),
        (
            {"status": Status.DEGRADED, "scope": Scope.VEHICLE, "vehicles": some("cy")},
            Scope.VEHICLE,
            (),
            (),
            some("cy"),
        ),
        (
            {"status": Status.DEGRADED, "scope": Scope.VEHICLE},
            Scope.VEHICLE,
            (),
            (),
            some("ada", "bo", "cy"),
        ),
        (
            # A model is hit whole, whichever of its cars is named.
            {"status": Status.DEGRADED, "scope": Scope.MODEL, "vehicles": some("ada")},
            Scope.MODEL,
            (),
            ("model3",),
            some("ada", "bo"),
        ),
        (
            {"status": Status.DEGRADED, "scope": Scope.MODEL},
            Scope.MODEL,
            (),
            ("model3", "models"),
            some("ada", "bo", "cy"),
        ),
    ],
)
def test_assessment_of_a_drill(
    *,
    plan: dict[str, Any],
    scope: Scope,
    other_regions: tuple[str, ...],
    models: tuple[str, ...],
    affected: frozenset[str] | None,
) -> None:
    drill = made(**plan)
    subsystems = {
        Status.OUTAGE: (Subsystem.STATUS, Subsystem.API),
        Status.DEGRADED: (Subsystem.COMMANDS,),
        Status.SIGN_IN_OUTAGE: (Subsystem.AUTH,),
    }
    status = plan.get("status", Status.OUTAGE)
    assert drill.assessment == Assessment(
        status=status,
        scope=scope,
        subsystems=subsystems[status],
        other_regions=other_regions,
        models=models,
        since=WALL,
        affected=affected,
    )
    assert drill.started_at == NOW
    assert drill.length(NOW + 90) == timedelta(seconds=90)


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        (
            {"duration": MIN_DURATION - timedelta(seconds=1)},
            InvalidDrillReason.DEFAULT_DURATION,
        ),
        (
            {"duration": MAX_DURATION + timedelta(seconds=1)},
            InvalidDrillReason.DEFAULT_DURATION,
        ),
        ({"duration": -MIN_DURATION}, InvalidDrillReason.DEFAULT_DURATION),
        *(
            ({"status": status, "scope": scope}, InvalidDrillReason.SCOPE)
            for status, scopes in SCOPES.items()
            for scope in set(Scope) - set(scopes)
        ),
        ({"scope": Scope.REGIONS}, InvalidDrillReason.OTHER_REGIONS_MISSING),
        (
            {"scope": Scope.REGIONS, "other_regions": some("eu")},
            InvalidDrillReason.OWN_REGION,
        ),
        (
            {"scope": Scope.REGIONS, "other_regions": some("na", "cn")},
            InvalidDrillReason.ALL_OTHER_REGIONS,
        ),
        ({"other_regions": some("na")}, InvalidDrillReason.OTHER_REGIONS_UNUSED),
        (
            {"scope": Scope.WORLDWIDE, "other_regions": some("na")},
            InvalidDrillReason.OTHER_REGIONS_UNUSED,
        ),
        (
            {"status": Status.DEGRADED, "other_regions": some("na")},
            InvalidDrillReason.OTHER_REGIONS_UNUSED,
        ),
        ({"vehicles": some("ada")}, InvalidDrillReason.VEHICLES_UNUSED),
        (
            {"status": Status.DEGRADED, "vehicles": some("ada")},
            InvalidDrillReason.VEHICLES_UNUSED,
        ),
        (
            {"status": Status.DEGRADED, "scope": Scope.VEHICLE, "models": {}},
            InvalidDrillReason.NO_VEHICLES,
        ),
        (
            {"status": Status.DEGRADED, "scope": Scope.MODEL, "models": {}},
            InvalidDrillReason.NO_VEHICLES,
        ),
    ],
)
def test_invalid_requests(plan: dict[str, Any], why: InvalidDrillReason) -> None:
    with pytest.raises(InvalidDrillError) as caught:
        made(**plan)
    assert caught.value.reason is why


@pytest.mark.parametrize("duration", [MIN_DURATION, MAX_DURATION])
def test_shortest_and_longest_durations_are_valid(duration: timedelta) -> None:
    assert made(duration=duration).started_at == NOW


def test_every_outage_status_has_a_drill() -> None:
    assert set(SCOPES) == OUTAGES


def assessed(status: Status, **more: Any) -> Assessment:
    return Assessment(status=status, **more)


@pytest.mark.parametrize(
    ("before", "real", "broken"),
    [
        (FINE, FINE, False),
        *((FINE, assessed(status, since=WALL), True) for status in OUTAGES),
        # An outage whose end nobody can see is one.
        (FINE, assessed(Status.UNDETERMINED, since=WALL), True),
        (FINE, assessed(Status.UNDETERMINED), False),
        (FINE, assessed(Status.INTERNET_DOWN), True),
        (FINE, assessed(Status.PROVIDER_DOWN), True),
        (FINE, assessed(Status.ACCOUNT_PROBLEM), True),
        (FINE, assessed(Status.OPERATIONAL, other_regions=("na",)), True),
        # What was so before is no news, nor is that it is over.
        (assessed(Status.ACCOUNT_PROBLEM), assessed(Status.ACCOUNT_PROBLEM), False),
        (assessed(Status.ACCOUNT_PROBLEM), FINE, False),
        (assessed(Status.ACCOUNT_PROBLEM), assessed(Status.INTERNET_DOWN), True),
        (assessed(Status.UNDETERMINED), FINE, False),
        (
            assessed(Status.OPERATIONAL, other_regions=("na",)),
            assessed(Status.OPERATIONAL, other_regions=("na",)),
            False,
        ),
        (
            assessed(Status.OPERATIONAL, other_regions=("na",)),
            assessed(Status.OPERATIONAL, other_regions=("cn", "na")),
            True,
        ),
        (assessed(Status.OPERATIONAL, other_regions=("na",)), FINE, False),
    ],
)
def test_new_real_problem_interrupts_a_drill(
    *, before: Assessment, real: Assessment, broken: bool
) -> None:
    assert made(before=before).interrupted_by(real) is broken
