"""Conditions that end an outage, and others that do not."""

import pytest

from benchmarks.simulated_home import Home
from benchmarks.simulated_network import OK
from custom_components.keycard.outage.models import Status, Subsystem
from custom_components.keycard.outage.outage_log import EventType, NoticeType

from .home_helpers import (
    ADA,
    ASLEEP,
    BO,
    CY,
    ERROR,
    HOUR,
    SETTLED,
    change,
    event_types,
    notices,
    settle,
    status,
    statuses,
)


def test_an_outage_ends_after_three_good_answers_over_two_minutes(home: Home) -> None:
    settle(home)
    change(home, {"na.status": "refuse"})
    home.run(SETTLED + 600)
    back = home.monotonic
    change(home, {"na.status": OK})
    home.run(back + 119)
    assert status(home) is Status.OUTAGE
    home.run(back + 270)
    assert status(home) is Status.OPERATIONAL


def test_a_bad_answer_restarts_the_count(home: Home) -> None:
    settle(home)
    change(home, {"na.status": "refuse"})
    home.run(SETTLED + 600)
    for minute in range(10):
        home.set("na.status", OK, at=home.monotonic + 120 * minute)
        home.set("na.status", "refuse", at=home.monotonic + 120 * minute + 50)
    home.run(SETTLED + 600 + 1200)

    assert statuses(home) == [Status.OUTAGE]


@pytest.mark.parametrize("between", [{"net": "refuse"}, {"dns.tesla": "null"}])
def test_undetermined_statuses_never_end_an_outage(
    home: Home, between: dict[str, str]
) -> None:
    settle(home, ADA)
    change(home, {"na.status": "503 busy", "na.api": "503 busy"})
    home.run(SETTLED + 300)
    since = home.assessment.since
    change(home, between)
    home.run(SETTLED + 2 * HOUR)
    assert home.assessment.since == since
    change(home, dict.fromkeys(between, OK))
    home.run(SETTLED + 3 * HOUR)
    assert status(home) is Status.OUTAGE
    assert home.assessment.since == since
    change(home, {"na.status": OK, "na.api": OK})
    home.run(SETTLED + 4 * HOUR)

    assert status(home) is Status.OPERATIONAL
    assert notices(home) == [NoticeType.TAKE, NoticeType.ALL_CLEAR]
    assert event_types(home).count(EventType.STARTED) == 1


def test_an_outage_with_changing_parts_gets_one_notice(home: Home) -> None:
    settle(home, ADA, BO, CY)
    change(home, {"all.status": "timeout", "all.api": "timeout"})
    home.run(SETTLED + 1500)
    change(home, {"all.status": OK, "all.api": OK})
    home.run(SETTLED + 1550)
    change(home, {"all.status": "503 busy", "all.api": "503 busy"})
    home.run(SETTLED + 3000)
    change(home, {"all.status": OK, "all.api": OK})
    home.run(SETTLED + 4000)

    assert statuses(home) == [Status.OUTAGE, Status.OPERATIONAL]
    assert (
        event_types(home).count(EventType.STARTED)
        == event_types(home).count(EventType.ENDED)
        == 1
    )
    assert notices(home) == [NoticeType.TAKE, NoticeType.ALL_CLEAR]


def test_an_end_waits_for_the_proof_of_the_data(home: Home) -> None:
    settle(home, ADA)
    change(home, {"na.status": "503 busy", "na.api": "503 busy"})
    home.run(SETTLED + 900)
    change(home, {"na.status": OK, "na.api": OK, "na.data": "stale"})
    home.run(SETTLED + 1800)

    assert statuses(home) == [Status.OUTAGE, Status.DEGRADED]
    assert home.assessment.subsystems == (Subsystem.DATA,)
    assert home.assessment.affected == frozenset()
    assert notices(home) == [NoticeType.TAKE]


def test_a_sleeping_car_needs_no_confirmation(home: Home) -> None:
    entry = settle(home, ADA)
    change(home, {"na.status": "503 busy", "na.api": "503 busy"})
    home.run(SETTLED + 900)
    entry.vehicles["Ada"].online = False
    calls_before = entry.data_calls
    change(home, {"na.status": OK, "na.api": OK})
    home.run(SETTLED + 1200)

    assert status(home) is Status.OPERATIONAL
    assert entry.data_calls == calls_before


def test_since_is_the_time_of_the_first_failure(home: Home) -> None:
    settle(home)
    start = home.utcnow
    change(home, {"na.status": "refuse"})
    home.run(SETTLED + 120)

    assert home.assessment.since is not None
    assert 0 <= (home.assessment.since - start).total_seconds() <= 67


def test_missing_evidence_about_others_makes_no_partial_failure_complete(
    home: Home,
) -> None:
    entry = settle(home, ADA, CY)
    change(home, {"na.api@model3": ERROR})
    home.run(SETTLED + 300)
    assert status(home) is Status.DEGRADED
    # From now on the other car only reports that it sleeps.
    entry.vehicles["Cy"].online = False
    change(home, {"na.api@models": ASLEEP})
    home.run(SETTLED + HOUR)

    assert status(home) is Status.DEGRADED
    assert home.assessment.affected == frozenset({"Ada"})
