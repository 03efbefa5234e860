"""Invariant "true after an interruption", and one wake for all that wait."""

import asyncio

import pytest

from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry

from simulator.bluetooth import LinkConditions

from .home import LOCK, HomeUnderTest, assert_explained
from .paired_vehicle import NearVehicle, with_paired_vehicle

CLIMATE = "climate.ada_climate"
DOWN = dict.fromkeys(("all.status", "all.api"), "timeout")


@pytest.fixture
def near(near_without_latency: NearVehicle) -> NearVehicle:
    return near_without_latency


def call(
    home: HomeUnderTest, action: str = "unlock", entity_id: str = LOCK
) -> asyncio.Task[object]:
    """Perform an action in a task that can be canceled."""
    return asyncio.create_task(
        home.hass.services.async_call(
            entity_id.partition(".")[0],
            action,
            {"entity_id": entity_id},
            blocking=True,
        )
    )


async def test_a_command_of_a_stopped_automation_is_shown_once_executed(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(compatible_entry)
    home.simulator.set("eu.commands", "slow:4")
    data = home.simulator.usage.count("vehicle_data")
    task = call(home)
    await home.run(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    # The state is unknown, and the car is asked.
    assert home.states()[LOCK] == "unknown"
    await home.run(2.5)
    assert home.simulator.usage.count("vehicle_data") == data + 1
    took = await home.until(lambda: home.states()[LOCK] == "unlocked", 30)
    assert took < 5
    assert home.simulator.cars["Ada"].executed["door_unlock"] == 1


async def test_a_stopped_automation_without_confirmations(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(compatible_entry)
    home.simulator.set("eu.commands", "timeout")
    task = call(home)
    await home.run(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert home.states()[LOCK] == "unknown"
    # It is asked at once, and once more after the command.
    await home.until(lambda: home.states()[LOCK] == "locked", 10)
    data = home.simulator.usage.count("vehicle_data")
    await home.run(17)
    home.simulator.cars["Ada"].locked = False
    await home.until(lambda: home.states()[LOCK] == "unlocked", 10)
    assert home.simulator.usage.count("vehicle_data") == data + 1


async def test_a_stopped_automation_sends_nothing_that_has_not_left(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(compatible_entry)
    home.simulator.set("car.Ada", "asleep")
    await home.run(120)
    task = call(home)
    await home.run(5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert home.states()[LOCK] == "locked"
    await home.run(60)
    assert home.simulator.cars["Ada"].executed["door_unlock"] == 0


async def test_a_caller_that_goes_takes_nothing_from_another(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(compatible_entry)
    home.simulator.set("car.Ada", "asleep")
    await home.run(120)
    first, second = call(home), call(home)
    await home.run(5)
    first.cancel()
    await home.until(second.done, 30)
    assert second.exception() is None
    assert home.simulator.cars["Ada"].executed["door_unlock"] == 1
    assert home.states()[LOCK] == "unlocked"


@pytest.mark.parametrize("does", [True, False])
async def test_a_reload_in_the_middle_of_a_command(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, *, does: bool
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    # A delivered command may be executed although its caller has gone.
    home.simulator.set("eu.commands", "late:1" if does else "timeout")
    task = call(home)
    await home.run(0.5)
    assert await home.hass.config_entries.async_unload(entry.entry_id)
    (error,) = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(error, HomeAssistantError)
    assert error.translation_key == "command_unconfirmed"
    await home.set_up(entry)
    assert home.states()[LOCK] == "unknown"
    home.simulator.set("eu.commands", "ok")
    shown = "unlocked" if does else "locked"
    assert await home.until(lambda: home.states()[LOCK] == shown, 30) < 5


async def test_bluetooth_is_polled_while_the_cloud_is_unavailable(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, near: NearVehicle
) -> None:
    entry = await home.set_up_operational(
        with_paired_vehicle(compatible_entry, near.car)
    )
    home.simulator.set("eu.commands", "timeout")
    near.simulator.bluetooth.set_link_conditions(LinkConditions(refuse=1.0))
    task = call(home)
    await home.until(lambda: home.simulator.held > 0, 30)
    task.cancel()
    assert await home.hass.config_entries.async_unload(entry.entry_id)
    home.simulator.apply({**DOWN, "eu.commands": "ok"})
    near.simulator.bluetooth.set_link_conditions(
        LinkConditions(latency=0.0, connect=0.0)
    )
    near.car.locked = False
    await home.set_up(entry)
    assert home.states()[LOCK] == "unknown"
    assert await home.until(lambda: home.states()[LOCK] == "unlocked", 60) < 30


async def test_a_kill_in_the_middle_of_a_command_is_known_at_the_next_start(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.set("eu.commands", "timeout")
    task = call(home)
    await home.time_control.settle()
    # It is stored before anything can stop it.
    vin = home.simulator.cars["Ada"].vin
    stored = await entry.runtime_data.store.async_load()
    assert stored["cars"][vin]["unsettled"] == ["locked"]
    await home.until(task.done, 60)
    assert isinstance(task.exception(), HomeAssistantError)
    await home.run(70)
    stored = await entry.runtime_data.store.async_load()
    assert stored["cars"][vin]["unsettled"] == []


async def test_twenty_commands_share_one_wake(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(compatible_entry)
    home.simulator.set("car.Ada", "asleep")
    await home.run(120)
    car = home.simulator.cars["Ada"]
    flash = "button.ada_wake"
    tasks = [call(home, "press", flash) for _ in range(18)]
    tasks += [call(home), call(home, "turn_on", CLIMATE)]
    await home.until(lambda: all(task.done() for task in tasks), 90)
    assert [task.exception() for task in tasks] == [None] * 20
    assert home.simulator.usage.count("wake_up") == 1
    assert (car.locked, car.climate_on) == (False, True)


async def test_twenty_commands_share_the_failure_of_a_wake(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(compatible_entry)
    home.simulator.set("car.Ada", "asleep")
    await home.run(120)
    home.simulator.set("eu.commands", "503 down")
    tasks = [call(home, "press", "button.ada_wake") for _ in range(18)]
    tasks += [call(home), call(home, "turn_on", CLIMATE)]
    await home.until(lambda: all(task.done() for task in tasks), 90)
    for task in tasks:
        error = task.exception()
        assert isinstance(error, HomeAssistantError)
        assert_explained(error)
    assert home.simulator.usage.count("wake_up") == 1
