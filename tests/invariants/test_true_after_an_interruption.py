"""Invariant "true after an interruption", and one wake for all that wait."""

import asyncio

import pytest

from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry

from simulator.bluetooth import LinkConditions

from .paired_vehicle import NearVehicle, with_paired_vehicle
from .story import LOCK, Story, assert_explained

CLIMATE = "climate.ada_climate"
DOWN = dict.fromkeys(("all.status", "all.api"), "timeout")


@pytest.fixture
def near(near_without_latency: NearVehicle) -> NearVehicle:
    return near_without_latency


def call(
    story: Story, action: str = "unlock", entity_id: str = LOCK
) -> asyncio.Task[object]:
    """Perform an action in a task that can be canceled."""
    return asyncio.create_task(
        story.hass.services.async_call(
            entity_id.partition(".")[0],
            action,
            {"entity_id": entity_id},
            blocking=True,
        )
    )


async def test_a_command_of_a_stopped_automation_is_shown_once_executed(
    story: Story, compatible_entry: MockConfigEntry
) -> None:
    await story.settled(compatible_entry)
    story.simulator.set("eu.commands", "slow:4")
    data = story.simulator.usage.count("vehicle_data")
    task = call(story)
    await story.go(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    # The state is unknown, and the car is asked.
    assert story.states()[LOCK] == "unknown"
    await story.go(2.5)
    assert story.simulator.usage.count("vehicle_data") == data + 1
    took = await story.until(lambda: story.states()[LOCK] == "unlocked", 30)
    assert took < 5
    assert story.simulator.cars["Ada"].executed["door_unlock"] == 1


async def test_a_stopped_automation_of_which_nothing_is_confirmed(
    story: Story, compatible_entry: MockConfigEntry
) -> None:
    await story.settled(compatible_entry)
    story.simulator.set("eu.commands", "timeout")
    task = call(story)
    await story.go(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert story.states()[LOCK] == "unknown"
    # It is asked at once, and once more after the command.
    await story.until(lambda: story.states()[LOCK] == "locked", 10)
    data = story.simulator.usage.count("vehicle_data")
    await story.go(17)
    story.simulator.cars["Ada"].locked = False
    await story.until(lambda: story.states()[LOCK] == "unlocked", 10)
    assert story.simulator.usage.count("vehicle_data") == data + 1


async def test_a_stopped_automation_sends_nothing_that_has_not_left(
    story: Story, compatible_entry: MockConfigEntry
) -> None:
    await story.settled(compatible_entry)
    story.simulator.set("car.Ada", "asleep")
    await story.go(120)
    task = call(story)
    await story.go(5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert story.states()[LOCK] == "locked"
    await story.go(60)
    assert story.simulator.cars["Ada"].executed["door_unlock"] == 0


async def test_a_caller_that_goes_takes_nothing_from_another(
    story: Story, compatible_entry: MockConfigEntry
) -> None:
    await story.settled(compatible_entry)
    story.simulator.set("car.Ada", "asleep")
    await story.go(120)
    first, second = call(story), call(story)
    await story.go(5)
    first.cancel()
    await story.until(second.done, 30)
    assert second.exception() is None
    assert story.simulator.cars["Ada"].executed["door_unlock"] == 1
    assert story.states()[LOCK] == "unlocked"


@pytest.mark.parametrize("does", [True, False])
async def test_a_reload_in_the_middle_of_a_command(
    story: Story, compatible_entry: MockConfigEntry, *, does: bool
) -> None:
    entry = await story.settled(compatible_entry)
    # A delivered command may be executed although its caller has gone.
    story.simulator.set("eu.commands", "late:1" if does else "timeout")
    task = call(story)
    await story.go(0.5)
    assert await story.hass.config_entries.async_unload(entry.entry_id)
    (error,) = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(error, HomeAssistantError)
    assert error.translation_key == "command_unconfirmed"
    await story.set_up(entry)
    assert story.states()[LOCK] == "unknown"
    story.simulator.set("eu.commands", "ok")
    shown = "unlocked" if does else "locked"
    assert await story.until(lambda: story.states()[LOCK] == shown, 30) < 5


async def test_bluetooth_is_asked_where_the_cloud_cannot_be(
    story: Story, compatible_entry: MockConfigEntry, near: NearVehicle
) -> None:
    entry = await story.settled(with_paired_vehicle(compatible_entry, near.car))
    story.simulator.set("eu.commands", "timeout")
    near.simulator.bluetooth.set_link_conditions(LinkConditions(refuse=1.0))
    task = call(story)
    await story.until(lambda: story.simulator.held > 0, 30)
    task.cancel()
    assert await story.hass.config_entries.async_unload(entry.entry_id)
    story.simulator.apply({**DOWN, "eu.commands": "ok"})
    near.simulator.bluetooth.set_link_conditions(
        LinkConditions(latency=0.0, connect=0.0)
    )
    near.car.locked = False
    await story.set_up(entry)
    assert story.states()[LOCK] == "unknown"
    assert await story.until(lambda: story.states()[LOCK] == "unlocked", 60) < 30


async def test_a_kill_in_the_middle_of_a_command_is_known_at_the_next_start(
    story: Story, compatible_entry: MockConfigEntry
) -> None:
    entry = await story.settled(compatible_entry)
    story.simulator.set("eu.commands", "timeout")
    task = call(story)
    await story.pace.settle()
    # It is stored before anything can stop it.
    vin = story.simulator.cars["Ada"].vin
    stored = await entry.runtime_data.store.async_load()
    assert stored["cars"][vin]["unsettled"] == ["locked"]
    await story.until(task.done, 60)
    assert isinstance(task.exception(), HomeAssistantError)
    await story.go(70)
    stored = await entry.runtime_data.store.async_load()
    assert stored["cars"][vin]["unsettled"] == []


async def test_twenty_commands_share_one_wake(
    story: Story, compatible_entry: MockConfigEntry
) -> None:
    await story.settled(compatible_entry)
    story.simulator.set("car.Ada", "asleep")
    await story.go(120)
    car = story.simulator.cars["Ada"]
    flash = "button.ada_wake"
    tasks = [call(story, "press", flash) for _ in range(18)]
    tasks += [call(story), call(story, "turn_on", CLIMATE)]
    await story.until(lambda: all(task.done() for task in tasks), 90)
    assert [task.exception() for task in tasks] == [None] * 20
    assert story.simulator.usage.count("wake_up") == 1
    assert (car.locked, car.climate_on) == (False, True)


async def test_twenty_commands_share_the_failure_of_a_wake(
    story: Story, compatible_entry: MockConfigEntry
) -> None:
    await story.settled(compatible_entry)
    story.simulator.set("car.Ada", "asleep")
    await story.go(120)
    story.simulator.set("eu.commands", "503 down")
    tasks = [call(story, "press", "button.ada_wake") for _ in range(18)]
    tasks += [call(story), call(story, "turn_on", CLIMATE)]
    await story.until(lambda: all(task.done() for task in tasks), 90)
    for task in tasks:
        error = task.exception()
        assert isinstance(error, HomeAssistantError)
        assert_explained(error)
    assert story.simulator.usage.count("wake_up") == 1
