"""Bluetooth data of real vehicles: omitted fields and meaningless values."""

import pytest

from homeassistant.const import EVENT_STATE_CHANGED
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from simulator.bluetooth import LinkConditions
from tests.conftest import car_of

from .home import LOCK, HomeUnderTest, assert_no_errors, states_of, status_of
from .paired_vehicle import NearVehicle, with_paired_vehicle

DOOR = "binary_sensor.ada_front_driver_door"
TRUNK = "cover.ada_rear_trunk"
PORT = "cover.ada_charge_port"
GEAR = "sensor.ada_gear"
CLIMATE = "climate.ada_climate"
DOWN = dict.fromkeys(("all.status", "all.api"), "timeout")


@pytest.fixture
async def entry(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    near: NearVehicle,
    every_entity: None,
) -> MockConfigEntry:
    """Set up an account with a car read over Bluetooth only, in an outage."""
    entry = await home.set_up_operational(
        with_paired_vehicle(compatible_entry, near.car)
    )
    home.simulator.apply(DOWN)
    await home.until(lambda: status_of(entry) == "outage", 120)
    return entry


async def test_a_door_that_is_shut_again_is_shown_shut(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle
) -> None:
    near.car.doors["df"] = near.car.user_present = True
    await home.until(lambda: home.states()[DOOR] == "on", 300)
    near.car.doors["df"] = near.car.user_present = False
    await home.until(lambda: home.states()[DOOR] == "off", 300)


async def test_a_sleeping_car_keeps_the_state_of_its_doors(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle
) -> None:
    near.car.rear_trunk = near.car.charge_port_open = True
    await home.until(lambda: home.states()[TRUNK] == "open", 300)
    assert home.states()[PORT] == "open"
    events = async_capture_events(home.hass, EVENT_STATE_CHANGED)
    near.car.set_connectivity("asleep")
    await home.run(2 * 3600)
    for entity, state in ((TRUNK, "open"), (PORT, "open"), (DOOR, "off")):
        assert home.states()[entity] == state
        assert states_of(events, entity) == []


async def test_fields_omitted_by_a_sleeping_car_imply_no_absence(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle
) -> None:
    """Someone may have used the card meanwhile."""
    near.simulator.set("car.Ada", "gone")
    await home.until(lambda: home.states()[DOOR] == "unknown", 3600)
    near.car.set_connectivity("asleep")
    near.simulator.set("car.Ada", "near")
    await home.until(lambda: home.states()[LOCK] == "locked", 600)
    assert (home.states()[DOOR], home.states()[PORT]) == ("unknown", "unknown")
    near.car.set_connectivity("online")
    await home.until(lambda: home.states()[DOOR] == "off", 300)


async def test_fields_omitted_by_a_sleeping_car_confirm_no_command(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle
) -> None:
    """The trunk stays open, and the answer to the command is lost."""
    near.car.rear_trunk = True
    await home.until(lambda: home.states()[TRUNK] == "open", 300)
    near.car.set_connectivity("asleep")
    near.car._closures_open_asleep = frozenset()
    near.simulator.computers["Ada"].inject_fault("lost")
    error = await home.perform("close_cover", TRUNK)
    assert error is not None
    assert error.translation_key == "command_unconfirmed"
    assert home.states()[TRUNK] != "closed"


async def test_a_car_without_gear_is_shown_as_parked(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle
) -> None:
    near.car.drive()
    await home.until(lambda: home.states()[GEAR] == "d", 300)
    await home.until(lambda: home.states()[GEAR] == "p", 3600)
    await home.run(600)
    assert not near.car.reports_gear
    assert home.states()[GEAR] == "p"


@pytest.mark.parametrize("slow", [0.0, 0.3])
async def test_an_acknowledgment_before_the_answer_ends_no_request(
    home: HomeUnderTest,
    entry: MockConfigEntry,
    near: NearVehicle,
    caplog: pytest.LogCaptureFixture,
    slow: float,
) -> None:
    near.simulator.computers["Ada"].sends_acknowledgments = True
    near.simulator.bluetooth.set_link_conditions(LinkConditions(slow=slow))
    near.car.inside_temp = 31.0
    near.car.doors["df"] = True
    local = car_of(entry, "Ada").bluetooth
    assert local is not None
    polled = await home.run_task(local.client.poll(lambda _values: True))
    assert polled.error is None, polled
    assert polled.values["front_driver_door_open"] is True
    assert polled.values["inside_temp"] == pytest.approx(31.0, abs=2)
    assert await home.perform("turn_on", CLIMATE) is None
    assert await home.perform("unlock") is None
    assert not near.car.locked
    assert near.car.executed["door_unlock"] == 1
    assert near.car.executed["auto_conditioning_start"] == 1
    assert_no_errors(caplog)
