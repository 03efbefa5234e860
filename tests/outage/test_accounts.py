"""Accounts: first installation, sign-in, limits, and several accounts."""

import pytest

from benchmarks.simulated_home import Entry, Home, Vehicle
from benchmarks.simulated_network import OK
from custom_components.keycard.outage.models import Assessment, MissingEvidence, Status
from custom_components.keycard.outage.outage_log import EventType, NoticeType

from .home_helpers import (
    ADA,
    CY,
    ERROR,
    HOUR,
    LIMIT,
    SETTLED,
    auth_invalid,
    change,
    notices,
    outage_active,
    settle,
    status,
    statuses,
)


def test_a_first_installation_in_an_outage_is_undetermined(home: Home) -> None:
    change(home, {"all.status": "503 busy", "all.api": "503 busy"})
    home.add(vehicles=(Vehicle(name="Ada"),))
    home.run(2 * HOUR)
    assert home.assessment == Assessment(
        missing_evidence=(MissingEvidence.FIRST_ANSWER,)
    )
    assert home.outage_events == []
    change(home, {"all.status": OK, "all.api": OK})
    home.run(2 * HOUR + 300)
    assert status(home) is Status.OPERATIONAL
    change(home, {"na.status": "503 busy", "na.api": "503 busy"})
    home.run(2 * HOUR + 420)
    assert status(home) is Status.OUTAGE


def test_an_account_without_known_cars_is_assessed_by_its_own_calls(home: Home) -> None:
    home.add(account=True)
    home.run(SETTLED)
    change(home, {"na.api": ERROR})
    home.run(SETTLED + 700)
    assert status(home) is Status.OUTAGE
    change(home, {"na.api": OK})
    home.run(SETTLED + 700 + 900)
    assert status(home) is Status.OPERATIONAL


@pytest.mark.parametrize("third_party", [False, True])
def test_plain_refusals_wait_for_a_healthy_sign_in(
    home: Home, *, third_party: bool
) -> None:
    # A proxy passes on tokens of Tesla.
    entry = settle(home, ADA, third_party=third_party)
    change(
        home,
        {
            "token": '401 {"error":"token expired (401)"}',
            "auth.token": "timeout",
            "auth.authorize": "503 busy",
        },
    )
    home.run(SETTLED + 2 * HOUR)
    assert status(home) is Status.SIGN_IN_OUTAGE
    assert not auth_invalid(entry)
    change(home, {"auth.token": OK, "auth.authorize": OK})
    home.run(SETTLED + 2 * HOUR + 900)

    assert auth_invalid(entry)
    assert status(home) is Status.ACCOUNT_PROBLEM


def test_a_few_refusals_on_a_bad_day_are_no_proof(home: Home) -> None:
    entry = settle(home, ADA)
    change(home, {"token": "401 no"})
    home.run(SETTLED + 62)
    change(home, {"token": OK})
    home.run(SETTLED + HOUR)

    assert not auth_invalid(entry)
    assert statuses(home) == []


def test_a_service_refuses_its_own_tokens_in_a_sign_in_outage(home: Home) -> None:
    entry = settle(home, ADA, third_party=True, issues_tokens=True)
    change(home, {"proxy.api": "401 no", "auth.token": "503 busy"})
    home.run(SETTLED + 200)

    assert auth_invalid(entry)


def test_retry_after_is_honoured_for_hours(home: Home) -> None:
    entry = settle(home, ADA)
    change(home, {"na.api": "retry-after:50400"})
    home.run(SETTLED + 120)
    calls_before = entry.calls
    change(home, {"na.api": OK})
    home.run(SETTLED + 13.9 * HOUR)
    assert entry.calls == calls_before
    assert statuses(home) == [Status.ACCOUNT_PROBLEM]
    home.run(SETTLED + 14.2 * HOUR)

    assert status(home) is Status.OPERATIONAL


def test_a_limit_is_tried_again_after_a_quarter_of_an_hour(home: Home) -> None:
    entry = settle(home, ADA)
    change(home, {"na.api": LIMIT})
    home.run(SETTLED + 120)
    calls_before = entry.calls
    home.run(SETTLED + 800)
    assert entry.calls == calls_before
    home.run(SETTLED + 1100)
    assert entry.calls > calls_before


def test_two_entries_of_one_region_get_one_notice(home: Home) -> None:
    home.add("first", vehicles=(Vehicle(name="Ada"),))
    home.add("second")
    home.run(SETTLED)
    change(home, {"na.status": "503 busy", "na.api": "503 busy"})
    home.run(SETTLED + 300)
    assert notices(home) == [NoticeType.TAKE]
    change(home, {"na.status": OK, "na.api": OK})
    home.run(SETTLED + 900)

    assert notices(home) == [NoticeType.TAKE, NoticeType.ALL_CLEAR]
    for name in ("first", "second"):
        events = [item.kind for _, item in home.outage_events if item.entry_id == name]
        assert events.count(EventType.STARTED) == events.count(EventType.ENDED) == 1
        assert events[0] is EventType.STARTED
        assert events[-1] is EventType.ENDED


def test_entries_of_one_watch_do_not_fight_over_its_pace(home: Home) -> None:
    home.add("first", vehicles=(Vehicle(name="Ada"),))
    home.add("second")
    home.run(SETTLED)
    change(home, {"na.api": ERROR})
    home.run(SETTLED + 300)
    first, second = home.entries
    assert first.detector.assessment.status is Status.OUTAGE
    assert second.detector.assessment.status is Status.OPERATIONAL

    assert outage_active(home)
    home.entries.remove(first)
    del first
    assert not outage_active(home)


def test_a_car_removed_from_the_account_is_not_assessed(home: Home) -> None:
    entry = settle(home, ADA, CY)
    change(home, {"na.api@model3": ERROR})
    home.run(SETTLED + 300)
    assert status(home) is Status.DEGRADED
    entry.leave("Ada")
    home.run(SETTLED + 400)

    assert status(home) is Status.OPERATIONAL


def test_calls_work_is_evaluated_for_each_car(home: Home) -> None:
    entry = settle(home, ADA, CY)
    assert works(home, entry, "Ada")
    change(home, {"na.api@model3": ERROR})
    home.run(SETTLED + 300)

    assert not works(home, entry, "Ada")
    assert works(home, entry, "Cy")


def works(home: Home, entry: Entry, car: str) -> bool:
    return entry.detector.calls_work(car, home.monotonic)
