"""Vehicles are locked by an automation only if nothing speaks against it."""

from typing import Any

import pytest

from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry

from simulator.vehicle.car import Car

from .paired_vehicle import NearVehicle, with_paired_vehicle
from .story import Story, assert_explained, status_of
from .test_actions import DOWN, act, device_id, refusal


def with_key_places(
    story: Story, entry: MockConfigEntry, **places: str
) -> MockConfigEntry:
    """Return an entry whose user said where the keys of cars are kept."""
    entry.add_to_hass(story.hass)
    cars = {
        story.simulator.cars[name].vin: {"key_place": place}
        for name, place in places.items()
    }
    story.hass.config_entries.async_update_entry(
        entry, options={**entry.options, "cars": cars}
    )
    return entry


@pytest.fixture
async def home(story: Story, compatible_entry: MockConfigEntry) -> MockConfigEntry:
    """Return an entry with an unlocked car whose card is in a wallet."""
    story.simulator.cars["Ada"].locked = False
    entry = with_key_places(story, compatible_entry, Ada="wallet")
    return await story.settled(entry)


async def lock_up(story: Story, **given: Any) -> tuple[str, str | None]:
    """Lock Ada up and return the result with its reason."""
    cars = [device_id(story, "Ada")]
    report = await act(story, "lock_up", cars=cars, **given)
    (car,) = report["cars"]
    assert car["name"] == "Ada"
    assert car["text"] == report["text"]
    assert "Ada" in car["text"]
    locked = car["result"] in ("locked", "already_locked")
    assert report["title"].removeprefix("Drill: ") == (
        "All cars are locked" if locked else "Check whether all cars are locked"
    )
    return car["result"], car["reason"]


def commands(story: Story) -> int:
    return story.simulator.cars["Ada"].executed["door_lock"]


async def test_an_empty_car_is_locked_once(story: Story, home: MockConfigEntry) -> None:
    assert await lock_up(story) == ("locked", None)
    assert story.simulator.cars["Ada"].locked
    assert story.states()["lock.ada_lock"] == "locked"
    assert await lock_up(story) == ("already_locked", None)
    assert commands(story) == 1


def open_door(car: Car) -> None:
    car.doors["pr"] = True


def sit_down(car: Car) -> None:
    car.user_present = True


def keep_the_dog(car: Car) -> None:
    car.climate_on, car.climate_keeper = True, 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [(open_door, "open"), (sit_down, "in_use"), (keep_the_dog, "keeper_mode")],
)
async def test_what_speaks_against_it(
    story: Story, home: MockConfigEntry, change: Any, reason: str
) -> None:
    """The status of half an hour ago is asked for again."""
    await story.go(600)
    change(story.simulator.cars["Ada"])
    assert await lock_up(story) == ("not_locked", reason)
    assert commands(story) == 0


@pytest.mark.parametrize(
    ("place", "reason"), [(None, "key_place_unknown"), ("car", "key_in_car")]
)
async def test_a_car_with_its_card_inside_is_left_alone(
    story: Story, compatible_entry: MockConfigEntry, place: str | None, reason: str
) -> None:
    story.simulator.cars["Ada"].locked = False
    places = {} if place is None else {"Ada": place}
    await story.settled(with_key_places(story, compatible_entry, **places))
    calls = story.simulator.usage.count("vehicle_data")
    assert await lock_up(story) == ("not_locked", reason)
    assert (commands(story), story.simulator.usage.count("vehicle_data")) == (0, calls)


async def test_a_status_is_asked_for_only_if_it_is_old(
    story: Story, home: MockConfigEntry
) -> None:
    story.simulator.cars["Ada"].locked = True
    await story.go(900)
    story.simulator.cars["Ada"].locked = False
    calls = story.simulator.usage.count("vehicle_data")
    assert await lock_up(story) == ("locked", None)
    assert story.simulator.usage.count("vehicle_data") == calls + 1


async def test_in_an_outage_an_old_status_locks_nothing(
    story: Story, home: MockConfigEntry
) -> None:
    story.simulator.apply(DOWN)
    await story.go(300)
    assert status_of(home) == "outage"
    began = story.clock.monotonic()
    assert await lock_up(story) == ("not_locked", "status_unknown")
    # Nothing could bring a newer one.
    assert story.clock.monotonic() - began < 1
    assert commands(story) == 0


async def test_a_command_that_fails_is_no_lock(
    story: Story, home: MockConfigEntry
) -> None:
    answer = '200 {"response":{"result":false,"reason":"busy {now}"}}'
    story.simulator.set("eu.commands", answer)
    assert await lock_up(story) == ("failed", "command_failed")
    assert story.states()["lock.ada_lock"] == "unlocked"
    assert commands(story) == 0


async def test_an_unconfirmed_command_is_told_as_such(
    story: Story, home: MockConfigEntry
) -> None:
    story.simulator.set("eu.commands", "reset")
    assert await lock_up(story) == ("unconfirmed", "command_unconfirmed")
    assert story.states()["lock.ada_lock"] != "locked"


async def test_a_drill_touches_no_car(story: Story, home: MockConfigEntry) -> None:
    await act(story, "start_drill")
    assert await lock_up(story) == ("not_locked", "drill")
    await story.drive(
        story.hass.services.async_call("keycard", "lock_up", blocking=True)
    )
    assert commands(story) == 0


async def test_without_a_response_it_raises(
    story: Story, home: MockConfigEntry
) -> None:
    open_door(story.simulator.cars["Ada"])
    story.simulator.cars["Cy"].locked = True
    await story.go(200)
    with pytest.raises(HomeAssistantError) as caught:
        await story.drive(
            story.hass.services.async_call("keycard", "lock_up", blocking=True)
        )
    assert_explained(caught.value)
    assert caught.value.translation_key == "lock_up_not_all"
    assert caught.value.translation_placeholders == {"cars": "Ada"}
    story.simulator.cars["Ada"].doors["pr"] = False
    await story.go(200)
    await story.drive(
        story.hass.services.async_call("keycard", "lock_up", blocking=True)
    )
    assert commands(story) == 1


async def test_only_cars_that_take_commands(
    story: Story, watching_entry: MockConfigEntry
) -> None:
    entry = await story.settled(watching_entry)
    (cloud,) = [
        device.id
        for device in dr.async_get(story.hass).devices
        if ("keycard", entry.entry_id) in device.identifiers
    ]
    for cars in ([], [device_id(story, "Ada")], [cloud], ["nothing"]):
        error = await refusal(story, "lock_up", cars=cars)
        assert error.translation_key == "lock_up_not_a_car"
        assert_explained(error)


async def test_bluetooth_locks_in_an_outage(
    story: Story, compatible_entry: MockConfigEntry, near: NearVehicle
) -> None:
    near.car.locked = False
    entry = with_paired_vehicle(compatible_entry, near.car)
    entry = await story.settled(with_key_places(story, entry, Ada="home"))
    story.simulator.apply(dict.fromkeys(("all.status", "all.api"), "timeout"))
    await story.until(lambda: status_of(entry) == "outage", 120)
    await story.go(600)
    assert await lock_up(story) == ("locked", None)
    assert near.car.locked
    assert story.simulator.usage.count("door_lock") == 0
