"""Behavior of 2026 firmware over Bluetooth, as users report it."""

import pytest

from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.transport.bluetooth import BluetoothClient
from simulator.bluetooth import LinkConditions

from .home import HomeUnderTest, assert_explained, status_of
from .paired_vehicle import NearVehicle, with_paired_vehicle

DOOR = "binary_sensor.ada_front_driver_door"
CLIMATE = "climate.ada_climate"
CONNECTION = "sensor.ada_connection"
DOWN = dict.fromkeys(("all.status", "all.api"), "refuse")


@pytest.fixture
async def link(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    near: NearVehicle,
    every_entity: None,
) -> BluetoothClient:
    """Return the only transport of a car in an outage."""
    entry = await home.set_up_operational(
        with_paired_vehicle(compatible_entry, near.car)
    )
    home.simulator.apply(DOWN)
    await home.until(lambda: status_of(entry) == "outage", 120)
    local = entry.runtime_data.vehicles[near.car.vin].bluetooth
    assert local is not None
    link: BluetoothClient = local.client
    return link


def screen_answers(home: HomeUnderTest) -> object:
    state = home.hass.states.get(CONNECTION)
    assert state is not None
    return state.attributes.get("screen_over_bluetooth")


@pytest.mark.parametrize("had_session", [False, True])
async def test_the_locks_work_while_the_screen_gives_no_session(
    home: HomeUnderTest, link: BluetoothClient, near: NearVehicle, had_session: bool
) -> None:
    computers = near.simulator.computers["Ada"]
    if had_session:
        assert await home.perform("turn_on", CLIMATE) is None
    computers.infotainment_hangs = True
    near.car.doors["df"] = True
    # Data are requested in vain, and the state of the locks is shown.
    await home.until(lambda: home.states()[DOOR] == "on", 300)
    await home.until(lambda: screen_answers(home) is False, 1500)
    near.car.doors["df"] = False
    await home.until(lambda: home.states()[DOOR] == "off", 300)
    ran = near.car.executed["auto_conditioning_stop"]
    began = home.clock.monotonic()
    error = await home.perform("turn_off", CLIMATE)
    assert error is not None
    assert error.translation_key == "bluetooth_no_session"
    assert_explained(error)
    assert near.car.executed["auto_conditioning_stop"] == ran
    assert await home.perform("unlock") is None
    assert not near.car.locked
    computers.restart()
    assert await home.perform("turn_off", CLIMATE) is None
    assert near.car.executed["auto_conditioning_stop"] == ran + 1
    await home.until(lambda: screen_answers(home) is True, 300)
    assert home.clock.monotonic() - began < 400


async def test_the_error_without_an_account_suggests_to_restart_the_screen(
    home: HomeUnderTest, watching_entry: MockConfigEntry, near: NearVehicle
) -> None:
    entry = await home.set_up_operational(with_paired_vehicle(watching_entry, near.car))
    near.simulator.computers["Ada"].infotainment_hangs = True
    climate = climate_of(home, entry)
    error = await home.perform("turn_on", climate)
    assert error is not None
    assert error.translation_key == "bluetooth_no_session"
    assert_explained(error)
    assert near.car.executed["auto_conditioning_start"] == 0


def climate_of(home: HomeUnderTest, entry: MockConfigEntry) -> str:
    """Return the climate entity of a car without an account."""
    (climate,) = (
        one for one in home.states() if one.startswith("climate.") and "over" not in one
    )
    return climate


@pytest.mark.parametrize(
    "weather",
    [
        LinkConditions(refuse=1.0),
        LinkConditions(ignore=1.0),
        LinkConditions(hang_up=1.0),
    ],
    ids=["refuses", "does not react", "hangs up"],
)
async def test_a_car_that_refuses_connections_for_a_while_is_not_away(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    near: NearVehicle,
    weather: LinkConditions,
) -> None:
    entry = await home.set_up_operational(with_paired_vehicle(watching_entry, near.car))
    near.simulator.bluetooth.set_link_conditions(weather)
    link = entry.runtime_data.vehicles[near.car.vin].bluetooth.client
    polled = await home.run_task(link.poll(lambda _values: False))
    assert polled.error == "no_connection"
    locks = [one for one in home.states() if one.startswith("lock.")]
    (lock,) = (one for one in locks if "cable" not in one)
    error = await home.perform("unlock", lock)
    assert error is not None
    assert error.translation_key == "bluetooth_no_connection"
    assert_explained(error)
    near.simulator.bluetooth.set_link_conditions(LinkConditions())
    assert await home.perform("unlock", lock) is None
    assert near.car.executed["door_unlock"] == 1
