"""Calls through a third party alone are no evidence against Tesla."""

from random import Random

import pytest

from benchmarks.simulated_home import Home
from benchmarks.simulated_network import OK, World
from custom_components.keycard.outage.models import Status, Subsystem

from .home_helpers import (
    ADA,
    BO,
    ERROR,
    HOUR,
    SETTLED,
    change,
    settle,
    status,
    statuses,
)

GATEWAY = "502 <html>Bad gateway</html>"


def test_data_that_stand_still_are_the_service_s(home: Home) -> None:
    settle(home, ADA, BO, third_party=True)
    change(home, {"na.data": "stale"})
    home.run(SETTLED + 2 * HOUR)
    assert statuses(home) == []


def test_stale_data_end_with_the_first_newer_timestamp(
    home: Home,
) -> None:
    entry = settle(home, ADA, third_party=True)
    failing = {"na.status": "503 busy", "na.api": "503 busy"}
    change(home, failing)
    home.run(SETTLED + 900)
    change(home, {**dict.fromkeys(failing, OK), "na.data": "stale"})
    home.run(SETTLED + 2400)
    assert statuses(home) == [Status.OUTAGE, Status.DEGRADED]
    assert home.assessment.subsystems == (Subsystem.DATA,)
    calls_before = entry.data_calls
    change(home, {"na.data": OK})
    while status(home) is Status.DEGRADED and home.monotonic < SETTLED + 3600:
        home.run(home.monotonic + 5)
    assert status(home) is Status.OPERATIONAL
    assert entry.data_calls == calls_before + 1


def test_a_permanently_frozen_cache_does_not_stay_evidence() -> None:
    home = Home(World(random=Random(1)))
    settle(home, ADA, third_party=True)
    failing = {"na.status": "503 busy", "na.api": "503 busy"}
    change(home, failing)
    home.run(SETTLED + 900)
    change(home, {**dict.fromkeys(failing, OK), "na.data": "stale"})
    home.run(SETTLED + 900 + 8 * HOUR)
    assert statuses(home) == [Status.OUTAGE, Status.DEGRADED, Status.OPERATIONAL]


@pytest.mark.parametrize("third_party", [False, True])
@pytest.mark.parametrize("answer", [ERROR, GATEWAY, "garbage", "timeout"])
def test_data_that_fail_for_hours_are_not_requested_repeatedly(
    home: Home, answer: str, third_party: bool
) -> None:
    entry = settle(home, ADA, third_party=third_party)
    change(home, {"na.data": answer})
    before = entry.data_calls
    home.run(SETTLED + 4 * HOUR)
    # Six settle a suspicion; then it is the usual pace, of ten minutes.
    assert entry.data_calls - before <= 4 * 6 + 6 + 2


@pytest.mark.parametrize("answer", [ERROR, GATEWAY, "timeout"])
def test_data_alone_that_fail_are_the_service_s(home: Home, answer: str) -> None:
    settle(home, ADA, third_party=True)
    change(home, {"na.data": answer})
    home.run(SETTLED + HOUR)
    assert statuses(home) == []


@pytest.mark.parametrize(
    "answer",
    [
        ERROR,
        GATEWAY,
        "timeout",
        "503 vehicle is not available",
        '500 {"error":"PIN codes must be four digits"}',
        '500 {"error":"context deadline exceeded"}',
    ],
)
def test_commands_of_one_car_that_fail_are_the_service_s(
    home: Home, answer: str
) -> None:
    settle(home, ADA, BO, third_party=True)
    change(home, {"na.commands": answer})
    for _ in range(5):
        home.command("Ada")
        home.run(home.monotonic + 60)
    assert statuses(home) == []


def test_commands_of_several_cars_that_fail_are_tesla_s(home: Home) -> None:
    settle(home, ADA, BO, third_party=True)
    change(home, {"na.commands": ERROR})
    for _ in range(3):
        home.command("Ada")
        home.command("Bo")
        home.run(home.monotonic + 60)
    assert statuses(home) == [Status.DEGRADED]
    assert home.assessment.subsystems == (Subsystem.COMMANDS,)
    change(home, {"na.commands": OK})
    home.command("Ada")
    home.command("Bo")
    home.run(home.monotonic + 60)
    assert status(home) is Status.OPERATIONAL
