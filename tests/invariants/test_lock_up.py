"""Vehicles are locked by an automation only if nothing speaks against it."""

from typing import Any

import pytest

from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry

from simulator.vehicle.car import Car

from .home import HomeUnderTest, assert_explained, status_of
from .paired_vehicle import NearVehicle, with_paired_vehicle
from .test_actions import DOWN, act, device_id, refusal


def with_key_places(
    home: HomeUnderTest, entry: MockConfigEntry, **places: str
) -> MockConfigEntry:
    """Return an entry whose user said where the keys of cars are kept."""
    entry.add_to_hass(home.hass)
    cars = {
        home.simulator.cars[name].vin: {"key_place": place}
        for name, place in places.items()
    }
    home.hass.config_entries.async_update_entry(
        entry, options={**entry.options, "cars": cars}
    )
    return entry


@pytest.fixture
async def configured_entry(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> MockConfigEntry:
    """Return an entry with an unlocked car whose card is in a wallet."""
    home.simulator.cars["Ada"].locked = False
    entry = with_key_places(home, compatible_entry, Ada="wallet")
    return await home.set_up_operational(entry)


async def lock_up(home: HomeUnderTest, **given: Any) -> tuple[str, str | None]:
    """Lock Ada up and return the result with its reason."""
    cars = [device_id(home, "Ada")]
    report = await act(home, "lock_up", cars=cars, **given)
    (car,) = report["cars"]
    assert car["name"] == "Ada"
    assert car["text"] == report["text"]
    assert "Ada" in car["text"]
    locked = car["result"] in ("locked", "already_locked")
    assert report["title"].removeprefix("Drill: ") == (
        "All cars are locked" if locked else "Check whether all cars are locked"
    )
    return car["result"], car["reason"]


def commands(home: HomeUnderTest) -> int:
    return home.simulator.cars["Ada"].executed["door_lock"]


async def test_an_empty_car_is_locked_once(
    home: HomeUnderTest, configured_entry: MockConfigEntry
) -> None:
    assert await lock_up(home) == ("locked", None)
    assert home.simulator.cars["Ada"].locked
    assert home.states()["lock.ada_lock"] == "locked"
    assert await lock_up(home) == ("already_locked", None)
    assert commands(home) == 1


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
async def test_reasons_against_locking(
    home: HomeUnderTest, configured_entry: MockConfigEntry, change: Any, reason: str
) -> None:
    """The status of half an hour ago is asked for again."""
    await home.run(600)
    change(home.simulator.cars["Ada"])
    assert await lock_up(home) == ("not_locked", reason)
    assert commands(home) == 0


@pytest.mark.parametrize(
    ("place", "reason"), [(None, "key_place_unknown"), ("car", "key_in_car")]
)
async def test_a_car_with_its_card_inside_is_left_alone(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    place: str | None,
    reason: str,
) -> None:
    home.simulator.cars["Ada"].locked = False
    places = {} if place is None else {"Ada": place}
    await home.set_up_operational(with_key_places(home, compatible_entry, **places))
    calls = home.simulator.usage.count("vehicle_data")
    assert await lock_up(home) == ("not_locked", reason)
    assert (commands(home), home.simulator.usage.count("vehicle_data")) == (0, calls)


async def test_a_status_is_requested_only_if_it_is_old(
    home: HomeUnderTest, configured_entry: MockConfigEntry
) -> None:
    home.simulator.cars["Ada"].locked = True
    await home.run(900)
    home.simulator.cars["Ada"].locked = False
    calls = home.simulator.usage.count("vehicle_data")
    assert await lock_up(home) == ("locked", None)
    assert home.simulator.usage.count("vehicle_data") == calls + 1


async def test_in_an_outage_an_old_status_locks_nothing(
    home: HomeUnderTest, configured_entry: MockConfigEntry
) -> None:
    home.simulator.apply(DOWN)
    await home.run(300)
    assert status_of(configured_entry) == "outage"
    began = home.clock.monotonic()
    assert await lock_up(home) == ("not_locked", "status_unknown")
    # Nothing could bring a newer one.
    assert home.clock.monotonic() - began < 1
    assert commands(home) == 0


async def test_a_command_that_fails_is_no_lock(
    home: HomeUnderTest, configured_entry: MockConfigEntry
) -> None:
    answer = '200 {"response":{"result":false,"reason":"busy {now}"}}'
    home.simulator.set("eu.commands", answer)
    assert await lock_up(home) == ("failed", "command_failed")
    assert home.states()["lock.ada_lock"] == "unlocked"
    assert commands(home) == 0


async def test_an_unconfirmed_command_is_reported_as_unconfirmed(
    home: HomeUnderTest, configured_entry: MockConfigEntry
) -> None:
    home.simulator.set("eu.commands", "reset")
    assert await lock_up(home) == ("unconfirmed", "command_unconfirmed")
    assert home.states()["lock.ada_lock"] != "locked"


async def test_a_drill_touches_no_car(
    home: HomeUnderTest, configured_entry: MockConfigEntry
) -> None:
    await act(home, "start_drill")
    assert await lock_up(home) == ("not_locked", "drill")
    await home.run_task(
        home.hass.services.async_call("keycard", "lock_up", blocking=True)
    )
    assert commands(home) == 0


async def test_without_a_response_it_raises(
    home: HomeUnderTest, configured_entry: MockConfigEntry
) -> None:
    open_door(home.simulator.cars["Ada"])
    home.simulator.cars["Cy"].locked = True
    await home.run(200)
    with pytest.raises(HomeAssistantError) as caught:
        await home.run_task(
            home.hass.services.async_call("keycard", "lock_up", blocking=True)
        )
    assert_explained(caught.value)
    assert caught.value.translation_key == "lock_up_not_all"
    assert caught.value.translation_placeholders == {"cars": "Ada"}
    home.simulator.cars["Ada"].doors["pr"] = False
    await home.run(200)
    await home.run_task(
        home.hass.services.async_call("keycard", "lock_up", blocking=True)
    )
    assert commands(home) == 1


async def test_only_cars_that_take_commands(
    home: HomeUnderTest, watching_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(watching_entry)
    (cloud,) = [
        device.id
        for device in dr.async_get(home.hass).devices
        if ("keycard", entry.entry_id) in device.identifiers
    ]
    for cars in ([], [device_id(home, "Ada")], [cloud], ["nothing"]):
        error = await refusal(home, "lock_up", cars=cars)
        assert error.translation_key == "lock_up_not_a_car"
        assert_explained(error)


async def test_bluetooth_locks_in_an_outage(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, near: NearVehicle
) -> None:
    near.car.locked = False
    entry = with_paired_vehicle(compatible_entry, near.car)
    entry = await home.set_up_operational(with_key_places(home, entry, Ada="home"))
    home.simulator.apply(dict.fromkeys(("all.status", "all.api"), "timeout"))
    await home.until(lambda: status_of(entry) == "outage", 120)
    await home.run(600)
    assert await lock_up(home) == ("locked", None)
    assert near.car.locked
    assert home.simulator.usage.count("door_lock") == 0
