"""A restart keeps assessment and notices."""

from collections.abc import Mapping
import json

import pytest

from benchmarks.simulated_home import Home, Vehicle
from benchmarks.simulated_network import OK
from custom_components.keycard.outage.account import Category
from custom_components.keycard.outage.evidence import RequestType
from custom_components.keycard.outage.models import (
    Assessment,
    MissingEvidence,
    Scope,
    Status,
)
from custom_components.keycard.outage.outage_log import EventType, NoticeType

from .home_helpers import (
    ADA,
    CY,
    ERROR,
    HOUR,
    LIMIT,
    SETTLED,
    change,
    event_types,
    notices,
    settle,
    status,
    statuses,
)


@pytest.mark.parametrize(
    ("conditions", "expected", "scope"),
    [
        ({"all.status": "timeout"}, Status.OUTAGE, Scope.WORLDWIDE),
        ({"na.status": "503 busy", "na.api": ERROR}, Status.OUTAGE, Scope.REGION),
        ({"na.api": ERROR}, Status.OUTAGE, Scope.REGION),
        ({"na.api@model3": ERROR}, Status.DEGRADED, Scope.MODEL),
        ({"na.data": "stale"}, Status.DEGRADED, Scope.REGION),
        ({"auth.token": "503 busy"}, Status.SIGN_IN_OUTAGE, Scope.WORLDWIDE),
    ],
)
@pytest.mark.parametrize("away", [20.0, 5 * HOUR])
def test_a_restart_in_an_outage_is_no_news(
    home: Home,
    conditions: Mapping[str, str],
    expected: Status,
    scope: Scope,
    away: float,
) -> None:
    calls = "all.status" not in conditions
    settle(home, *((ADA, CY) if calls else ()))
    change(home, conditions)
    home.run(SETTLED + 1500)
    before = home.assessment
    assert (before.status, before.scope) == (expected, scope)
    events_before = event_types(home)
    home.restart(away=away)

    # From the first moment, before any probe.
    assert home.assessment == before
    began = home.monotonic
    home.run(began + 1500)
    assert statuses(home, since=began) in ([], [expected])
    assert home.assessment.since == before.since
    assert EventType.STARTED not in event_types(home)[len(events_before) :]
    assert len(notices(home)) <= 1

    change(home, dict.fromkeys(conditions, OK))
    home.run(began + 1500 + HOUR)
    assert status(home) is Status.OPERATIONAL
    assert (
        event_types(home).count(EventType.STARTED)
        == event_types(home).count(EventType.ENDED)
        == 1
    )


def test_data_that_failed_are_requested_after_a_restart(home: Home) -> None:
    settle(home, ADA, CY)
    change(home, {"na.data@model3": "stale"})
    home.run(SETTLED + 1500)
    assert status(home) is Status.DEGRADED
    change(home, {"na.data@model3": OK})
    home.restart(away=20.0)
    # They may have been read just before: the next regular poll is late.
    for key in home.entries[0].next_polls:
        if key[0] is RequestType.DATA:
            home.entries[0].next_polls[key] += HOUR
    home.run(home.monotonic + 300.0)

    assert status(home) is Status.OPERATIONAL


def test_intermittent_failures_stay_intermittent_after_a_restart(home: Home) -> None:
    settle(home, ADA)
    for second in range(0, 3600, 45):
        home.set("na.api", "503 busy", at=SETTLED + second)
        home.set("na.api", OK, at=SETTLED + second + 15)
    home.run(SETTLED + 1800)
    assert status(home) is Status.DEGRADED
    home.restart(away=10.0)
    home.run(SETTLED + 1800 + 60)
    assert status(home) is Status.DEGRADED
    home.run(SETTLED + 3600 + 1500)

    assert status(home) is Status.OPERATIONAL
    assert event_types(home).count(EventType.STARTED) == 1


@pytest.mark.parametrize("mode", ["refuse", "timeout", "dns"])
def test_a_restart_without_internet_keeps_an_outage(home: Home, mode: str) -> None:
    settle(home, ADA)
    change(home, {"na.status": "503 busy", "na.api": ERROR})
    home.run(SETTLED + 300)
    since = home.assessment.since
    change(home, {"net": mode})
    home.run(SETTLED + 500)
    home.restart(away=60.0)
    home.run(SETTLED + 1500)
    assert home.assessment.since == since
    change(home, {"net": OK})
    home.run(SETTLED + 2000)
    assert status(home) is Status.OUTAGE
    assert home.assessment.since == since
    change(home, {"na.status": OK, "na.api": OK})
    home.run(SETTLED + 3000)

    assert status(home) is Status.OPERATIONAL
    assert notices(home) == [NoticeType.TAKE, NoticeType.ALL_CLEAR]
    assert event_types(home).count(EventType.STARTED) == 1


@pytest.mark.parametrize("mode", ["refuse", "timeout"])
def test_a_restart_without_internet_reports_no_premature_status(
    home: Home, mode: str
) -> None:
    settle(home, ADA)
    change(home, {"net": mode})
    home.restart(away=60.0)
    began = home.monotonic
    assert status(home) is Status.OPERATIONAL
    home.run(began + 300)

    assert statuses(home, since=began) == [Status.INTERNET_DOWN]


def test_an_outage_that_ended_while_away_ends_after_the_restart(home: Home) -> None:
    settle(home)
    change(home, {"na.status": "503 busy"})
    home.run(SETTLED + 300)
    change(home, {"na.status": OK})
    home.restart(away=HOUR)
    began = home.monotonic
    home.run(began + 100)
    assert status(home) is Status.OUTAGE
    home.run(began + 300)

    assert status(home) is Status.OPERATIONAL
    assert notices(home) == [NoticeType.TAKE, NoticeType.ALL_CLEAR]


def test_a_host_that_answered_before_a_restart_still_counts(home: Home) -> None:
    settle(home)
    change(home, {"na.status": "503 busy"})
    home.restart()
    home.run(home.monotonic + 60)

    assert status(home) is Status.OUTAGE


def test_a_host_that_never_answered_does_not_count_after_a_restart(home: Home) -> None:
    change(home, {"na.status": "503 busy"})
    home.add()
    home.run(HOUR)
    home.restart()
    home.run(3 * HOUR)

    assert home.assessment == Assessment(
        missing_evidence=(MissingEvidence.FIRST_ANSWER,)
    )


def test_a_pause_goes_on_after_a_restart(home: Home) -> None:
    settle(home, ADA)
    change(home, {"na.api": "retry-after:7200"})
    home.run(SETTLED + 120)
    home.restart(away=600.0)
    entry = home.entries[0]
    paused, _ = entry.detector.account.pause(Category.CALLS, ADA.name)
    assert 6300 < paused - home.monotonic < 6700
    change(home, {"na.api": OK})
    home.run(home.monotonic + 6000)
    assert entry.calls == 0
    assert status(home) is Status.ACCOUNT_PROBLEM
    home.run(home.monotonic + 1200)
    assert status(home) is Status.OPERATIONAL


def test_a_clock_set_back_while_away_lengthens_no_pause(home: Home) -> None:
    settle(home, ADA)
    change(home, {"na.api": LIMIT})
    home.run(SETTLED + 120)
    left = home.entries[0].detector.account.paused_until - home.monotonic
    stored = home.store()
    home.restart()
    home.restore(stored, away=-86400.0)

    assert home.entries[
        0
    ].detector.account.paused_until - home.monotonic == pytest.approx(left)


def test_stored_state_is_json(home: Home) -> None:
    settle(home, ADA, Vehicle(name="Bo", model="modely"))
    change(home, {"all.status": "503 busy", "na.api": ERROR, "auth.token": "timeout"})
    home.run(SETTLED + 600)
    stored = home.store()

    for kept in (stored.hosts, stored.detectors, stored.outages):
        assert json.loads(json.dumps(kept)) == kept


def test_a_clock_set_back_moves_no_start_and_ends_no_outage(home: Home) -> None:
    settle(home)
    change(home, {"na.status": "503 busy"})
    home.run(SETTLED + 300)
    since = home.assessment.since
    home.shift_clock(-3 * HOUR)
    home.run(SETTLED + 900)
    assert status(home) is Status.OUTAGE
    assert home.assessment.since == since
    change(home, {"na.status": OK})
    home.run(SETTLED + 1500)

    assert status(home) is Status.OPERATIONAL
    outage = home.outage_log.outages[0]
    assert outage.start == since
    assert outage.end == since + outage.length
    # The answers that ended it were sent within two minutes, one per minute.
    assert 900 < outage.length.total_seconds() < 900 + 300
