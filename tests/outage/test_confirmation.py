"""Confirmation of failures."""

import pytest

from benchmarks.simulated_home import Home
from benchmarks.simulated_network import OK
from custom_components.keycard.outage.models import OUTAGES, Status, Subsystem
from custom_components.keycard.outage.outage_log import EventType, NoticeType

from .home_helpers import (
    ADA,
    BO,
    CY,
    ERROR,
    EVE,
    HOUR,
    SETTLED,
    change,
    event_types,
    notices,
    settle,
    status,
    statuses,
)


@pytest.mark.parametrize("condition", ["refuse", "timeout", "503 busy", "reset"])
@pytest.mark.parametrize("phase", [0.0, 17.0, 41.0])
def test_a_hiccup_of_ten_seconds_is_no_outage(
    home: Home, condition: str, phase: float
) -> None:
    settle(home, ADA, BO)
    for start in range(20):
        begins = SETTLED + phase + 200.0 * start
        for subject in ("all.status", "all.api", "auth.token", "auth.authorize"):
            home.set(subject, condition, at=begins)
            home.set(subject, OK, at=begins + 10)
    home.run(SETTLED + 4200)

    assert statuses(home) == []


def test_slow_answers_are_good_answers(home: Home) -> None:
    settle(home, ADA)
    change(home, {"na.status": "slow:8", "na.api": "slow:8", "auth.token": "slow:6"})
    requests_before = home.requests
    home.run(SETTLED + HOUR)

    assert statuses(home) == []
    # A slow host is suspected repeatedly, but not flooded with probes.
    assert home.requests - requests_before < 3000


def test_one_request_that_hangs_begins_no_siege(home: Home) -> None:
    settle(home)
    home.sent_requests = []
    change(home, {"na.status": "timeout"})
    home.run(home.host_monitor.next_due() + 61.0, stop=lambda: bool(home.sent_requests))
    home.run(home.monotonic + 0.5)
    before = len(home.sent_requests)
    for _, _, flight in home.flights:
        flight.condition = "timeout"
    home.world.set("na.status", OK)
    home.run(home.monotonic + 30.0)

    assert len(home.sent_requests) - before < 20
    assert statuses(home) == []


def test_requests_sent_before_the_suspicion_do_not_count(home: Home) -> None:
    settle(home)
    change(home, {"na.status": "timeout"})
    host_tracker = home.host_monitor.tracker("na")
    home.run(SETTLED + 100.0, stop=lambda: host_tracker.suspected_at is not None)
    assert host_tracker.suspected_at is not None
    begun = host_tracker.suspected_at
    # The overdue probe fails as well, as the seventh.
    home.run(SETTLED + 200.0, stop=lambda: host_tracker.down)

    assert host_tracker.failed_between[0] >= begun
    assert host_tracker.failed_between[1] - host_tracker.failed_between[0] >= 15.0
    assert home.monotonic >= begun + 15.0 + 10.0


@pytest.mark.parametrize("seconds", [0.05, 1.0, 3.0, 5.0, 10.0, 14.0])
@pytest.mark.parametrize("mode", ["refuse", "timeout", "reset"])
@pytest.mark.parametrize("length", [17.0, 21.0, 24.0, 31.0, 45.0, 90.0])
def test_a_failure_just_before_an_internet_failure_is_no_outage(
    home: Home, seconds: float, mode: str, length: float
) -> None:
    settle(home, ADA)
    change(home, {"na.status": "503 busy", "na.api": "timeout"})
    home.run(
        SETTLED + 70.0,
        stop=lambda: home.host_monitor.tracker("na").suspected_at is not None,
    )
    fails = home.monotonic + seconds
    home.set("net", mode, at=fails)
    home.set("na.status", OK, at=fails)
    home.set("na.api", OK, at=fails)
    home.set("net", OK, at=fails + length)
    home.run(fails + length + 600.0)

    assert not OUTAGES & set(statuses(home))
    assert status(home) is Status.OPERATIONAL


@pytest.mark.parametrize("mode", ["refuse", "timeout", "reset", "dns", "portal", "tls"])
@pytest.mark.parametrize("length", [61.0, 700.0, 3600.0])
def test_the_internet_fails_and_comes_back_with_a_stutter(
    home: Home, mode: str, length: float
) -> None:
    settle(home, ADA, BO)
    back = SETTLED + length
    home.set("net", mode)
    home.set("net", OK, at=back)
    home.set("net", mode, at=back + 7.0)
    home.set("net", OK, at=back + 30.0)
    home.run(back + 600.0)

    assert set(statuses(home)) <= {Status.INTERNET_DOWN, Status.OPERATIONAL}
    assert status(home) is Status.OPERATIONAL


def test_two_refused_commands_tell_of_the_subsystem_of_commands(home: Home) -> None:
    settle(home, ADA, CY)
    change(home, {"na.commands@model3": "503 vehicle is not available"})
    home.command("Ada")
    home.run(SETTLED + 5)
    assert status(home) is Status.OPERATIONAL
    home.command("Ada")
    home.run(SETTLED + 10)

    assert status(home) is Status.DEGRADED
    assert home.assessment.subsystems == (Subsystem.COMMANDS,)
    assert home.assessment.affected == frozenset({"Ada"})
    assert notices(home) == [NoticeType.TAKE]

    change(home, {"na.commands@model3": OK})
    home.command("Ada")
    home.run(SETTLED + 15)
    assert status(home) is Status.OPERATIONAL


def test_commands_to_a_car_that_is_out_of_reach_for_all_calls(home: Home) -> None:
    settle(home, ADA, CY)
    change(home, {"na.api@model3": "503 vehicle is not available"})
    home.command("Ada")
    home.run(SETTLED + 20)
    home.command("Ada")
    home.run(SETTLED + 600)
    assert statuses(home) == []


def test_refused_commands_are_forgotten_after_an_hour(home: Home) -> None:
    settle(home, ADA)
    change(home, {"na.commands": "503 vehicle is not available"})
    home.command("Ada")
    home.run(SETTLED + 5)
    home.command("Ada")
    home.run(SETTLED + 3500)
    assert status(home) is Status.DEGRADED

    home.run(SETTLED + 3800)
    assert status(home) is Status.OPERATIONAL


def test_commands_in_an_outage_are_no_evidence_against_their_subsystem(
    home: Home,
) -> None:
    settle(home, ADA)
    change(home, {"na.status": "503 busy", "na.api": "503 busy"})
    for at in (30.0, 90.0, 200.0, 205.0, 210.0):
        home.at(SETTLED + at, lambda: home.command("Ada"))
    home.run(SETTLED + 400)
    assert status(home) is Status.OUTAGE
    change(home, {"na.status": OK, "na.api": OK})
    home.run(SETTLED + 800)

    assert statuses(home) == [Status.OUTAGE, Status.OPERATIONAL]


def test_commands_in_two_hiccups_of_all_calls(home: Home) -> None:
    settle(home, ADA, CY)
    for begins in (SETTLED, SETTLED + 300):
        for subject in ("na.status", "na.api"):
            home.set(subject, ERROR, at=begins)
            home.set(subject, OK, at=begins + 10)
        home.at(begins + 1, lambda: home.command("Ada"))
    home.run(SETTLED + 900)

    assert statuses(home) == []


@pytest.mark.parametrize("condition", [ERROR, "timeout"])
def test_commands_at_the_beginning_of_an_outage(home: Home, condition: str) -> None:
    settle(home, ADA, CY)
    change(home, {"na.status": condition, "na.api": condition})
    for second in range(1, 35):
        home.at(SETTLED + second, lambda: home.command("Ada"))
    home.run(SETTLED + 300)
    assert status(home) is Status.OUTAGE
    change(home, {"na.status": OK, "na.api": OK})
    home.run(SETTLED + 800)

    assert status(home) is Status.OPERATIONAL


def test_commands_that_failed_before_an_outage_may_fail_after_it(home: Home) -> None:
    settle(home, ADA, CY)
    change(home, {"na.commands": ERROR})
    for second in (0.0, 5.0):
        home.at(SETTLED + second, lambda: home.command("Ada"))
    home.run(SETTLED + 700)
    assert status(home) is Status.DEGRADED
    change(home, {"na.status": ERROR, "na.api": ERROR})
    home.run(SETTLED + 1000)
    assert status(home) is Status.OUTAGE
    change(home, {"na.status": OK, "na.api": OK})
    home.run(SETTLED + 1500)

    assert status(home) is Status.DEGRADED
    assert home.assessment.subsystems == (Subsystem.COMMANDS,)


def test_calls_that_fail_by_fits(home: Home) -> None:
    settle(home, ADA)
    for second in range(0, 3600, 45):
        home.set("na.api", "503 busy", at=SETTLED + second)
        home.set("na.api", OK, at=SETTLED + second + 15)
    home.run(SETTLED + 3600, stop=lambda: status(home) is Status.DEGRADED)

    assert home.monotonic < SETTLED + 1800
    assert home.assessment.subsystems == (Subsystem.API,)
    assert home.assessment.affected == frozenset({"Ada"})

    home.run(SETTLED + 3600)
    home.set("na.api", OK)
    home.run(SETTLED + 3600 + 1500)
    assert status(home) is Status.OPERATIONAL
    assert event_types(home).count(EventType.STARTED) == 1
    assert notices(home) == [NoticeType.TAKE, NoticeType.ALL_CLEAR]


def test_one_failing_car_of_a_model_is_a_matter_of_that_car(home: Home) -> None:
    settle(home, ADA, EVE)
    home.entries[0].vehicles["Ada"].model = "broken"
    change(home, {"na.api@broken": ERROR})
    home.run(SETTLED + 300)

    assert status(home) is Status.DEGRADED
    assert home.assessment.affected == frozenset({"Ada"})


@pytest.mark.parametrize("mode", ["refuse", "timeout"])
def test_calls_that_hang_when_the_internet_is_back_are_seen(
    home: Home, mode: str
) -> None:
    settle(home, ADA)
    change(home, {"net": mode})
    home.run(SETTLED + 400)
    change(home, {"net": OK, "na.api": "timeout"})
    home.run(SETTLED + 400 + 240)

    assert status(home) is Status.OUTAGE
    assert home.assessment.subsystems == (Subsystem.API,)


def test_a_probe_that_fails_once_hides_no_failing_calls(home: Home) -> None:
    settle(home, ADA)
    change(home, {"na.api": "timeout"})
    home.run(SETTLED + 100, stop=lambda: home.bad_at > SETTLED)
    host_tracker = home.host_monitor.tracker("na")
    change(home, {"na.status": "500 oops"})
    home.run(home.monotonic + 5.0, stop=lambda: host_tracker.suspected_at is not None)
    assert host_tracker.suspected_at is not None
    change(home, {"na.status": OK})
    home.run(home.monotonic + 120.0)

    assert not host_tracker.failing
    assert status(home) is Status.OUTAGE
