"""A 429 pauses the calls it is about, for as long as it says, and no others."""

import pytest

from pytest_homeassistant_custom_component.common import MockConfigEntry

from .home import LOCK, HomeUnderTest, assert_explained, assert_no_errors, status_of

HOUR = 3600.0
CY_LOCK = "lock.cy_lock"
RATE_LIMITED = "eu.vehicle_data 429"

# Two hours, however it is told.
HINTS = {
    "Retry-After": "retry-after:7200",
    "RateLimit-Reset": "ratelimit-reset:7200",
    "RateLimit-Day-Reset": "ratelimit-day-reset:7200",
    "body": '429 {"error":"Retry in 7200 seconds"}',
}


@pytest.mark.parametrize("hint", HINTS.values(), ids=list(HINTS))
async def test_limited_data_of_one_car_pause_these_alone(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    hint: str,
) -> None:
    simulator = home.simulator
    entry = await home.set_up_operational(compatible_entry)
    usage = simulator.usage
    simulator.set("eu.data@models", hint)
    await home.until(lambda: usage.by_status[RATE_LIMITED] > 0, 2000)
    simulator.set("eu.data@models", "ok")
    good = usage.by_status["eu.vehicle_data 200"]
    for lock in (LOCK, CY_LOCK):
        assert await home.perform("unlock", lock) is None
    for car in simulator.cars.values():
        assert car.executed["door_unlock"] == 1
    await home.run(HOUR / 2)
    assert usage.by_status["eu.vehicle_data 200"] > good
    # A car that sleeps is asked for nothing: what follows is the other one's.
    simulator.set("car.Ada", "asleep")
    await home.run(120)
    asleep = usage.by_status["eu.vehicle_data 200"]
    await home.skip(HOUR)
    assert usage.by_status["eu.vehicle_data 200"] == asleep
    assert usage.by_status[RATE_LIMITED] == 1
    assert status_of(entry) == "operational"
    await home.skip(HOUR)
    assert usage.by_status["eu.vehicle_data 200"] > asleep
    assert_no_errors(caplog)


async def test_without_a_hint_the_pause_doubles_to_fifteen_minutes(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    simulator = home.simulator
    await home.set_up_operational(compatible_entry)
    simulator.set("car.Ada", "asleep")
    simulator.set("eu.data@models", "429 slow down")
    limited = []
    for _ in range(4 * 60):
        await home.run(60)
        limited.append(simulator.usage.by_status[RATE_LIMITED])
    # At first every minute or two, at last once in 15 minutes.
    assert limited[-1] <= 4 + 4 * 4
    assert limited[-1] - limited[2 * 60] <= 2 * 4 + 1
    assert await home.perform("unlock", CY_LOCK) is None


async def test_a_limit_of_wakes_refuses_no_unlock(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    simulator = home.simulator
    entry = await home.set_up_operational(compatible_entry)
    simulator.set("car.Cy", "asleep")
    await home.run(120)
    simulator.set("eu.commands@models", HINTS["RateLimit-Reset"])
    error = await home.perform("unlock", CY_LOCK)
    assert error is not None
    assert error.translation_key == "rate_limited"
    assert_explained(error)
    simulator.set("eu.commands@models", "ok")
    wakes = simulator.usage.count("wake_up")
    assert wakes == 1

    # It is not woken again, and the other car is nobody's business.
    error = await home.perform("unlock", CY_LOCK)
    assert error is not None
    assert error.translation_key == "rate_limited"
    assert simulator.usage.count("wake_up") == wakes
    assert await home.perform("unlock") is None

    # Whoever woke it otherwise unlocks it.
    simulator.set("car.Cy", "online")
    await home.run(120)
    assert await home.perform("unlock", CY_LOCK) is None
    assert simulator.cars["Cy"].executed["door_unlock"] == 1
    assert status_of(entry) == "operational"
    assert_no_errors(caplog)


async def test_limited_commands_of_one_car_leave_data_and_the_other_car_alone(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    simulator = home.simulator
    entry = await home.set_up_operational(compatible_entry)
    simulator.set("eu.commands@models", HINTS["body"])
    for _ in range(2):
        error = await home.perform("unlock", CY_LOCK)
        assert error is not None
        assert error.translation_key == "rate_limited"
    # The second press was not sent.
    assert simulator.usage.by_status["eu.door_unlock 429"] == 1
    assert await home.perform("unlock") is None
    good = simulator.usage.by_status["eu.vehicle_data 200"]
    await home.run(HOUR)
    assert simulator.usage.by_status["eu.vehicle_data 200"] > good
    assert status_of(entry) == "operational"


async def test_a_pause_of_fourteen_hours_is_kept(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    simulator = home.simulator
    simulator.set("eu.api", "retry-after:50400")
    await home.run(300)
    assert status_of(entry) == "account_problem"
    simulator.set("eu.api", "ok")
    calls = simulator.usage.count("eu.vehicle")
    await home.skip(13.5 * HOUR)
    assert status_of(entry) == "account_problem"
    assert simulator.usage.count("eu.vehicle") == calls
    await home.run(HOUR)
    assert status_of(entry) == "operational"
    assert simulator.usage.count("eu.vehicle") > calls
