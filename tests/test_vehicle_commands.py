"""Commands of vehicle entities: sent once, and shown as executed."""

from dataclasses import replace
from functools import partial
from unittest.mock import patch

import pytest

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from simulator import Simulator

from .command_table import act, shown
from .conftest import SetUp, car_of, show_state, state_of, until

pytestmark = pytest.mark.usefixtures("every_entity")


async def test_the_charging_cable_locks_itself(
    hass: HomeAssistant, simulator: Simulator, account: MockConfigEntry
) -> None:
    with pytest.raises(ServiceValidationError) as error:
        await act(hass, "lock.ada_charging_cable", "lock")
    assert error.value.translation_key == "cable_locks_itself"
    assert not simulator.cars["Ada"].executed


@pytest.mark.parametrize("action", ["open_cover", "close_cover"])
async def test_a_liftgate_in_an_unknown_state_is_not_moved(
    hass: HomeAssistant, simulator: Simulator, account: MockConfigEntry, action: str
) -> None:
    show_state(car_of(account, "Ada"), rear_trunk_open=None)
    with pytest.raises(HomeAssistantError) as error:
        await act(hass, "cover.ada_rear_trunk", action)
    assert error.value.translation_key == "trunk_not_known"
    assert not simulator.cars["Ada"].executed


@pytest.mark.parametrize(
    ("is_open", "action"), [(True, "open_cover"), (False, "close_cover")]
)
async def test_a_liftgate_that_is_there_already_is_left_alone(
    hass: HomeAssistant,
    *,
    simulator: Simulator,
    account: MockConfigEntry,
    is_open: bool,
    action: str,
) -> None:
    show_state(car_of(account, "Ada"), rear_trunk_open=is_open)
    await act(hass, "cover.ada_rear_trunk", action)
    assert not simulator.cars["Ada"].executed


async def test_a_trunk_without_a_motor_only_opens(
    hass: HomeAssistant, simulator: Simulator, account: MockConfigEntry
) -> None:
    car = car_of(account, "Ada")
    state = car.data.state
    assert state is not None
    assert state.equipment is not None
    show_state(
        car,
        rear_trunk_open=None,
        equipment=replace(state.equipment, power_liftgate=False),
    )
    assert shown(hass, "cover.ada_rear_trunk", "supported_features") == 1
    await act(hass, "cover.ada_rear_trunk", "open_cover")
    assert simulator.cars["Ada"].rear_trunk


@pytest.mark.parametrize("known", [False, None])
async def test_heating_starts_the_climate(
    hass: HomeAssistant,
    *,
    simulator: Simulator,
    account: MockConfigEntry,
    known: bool | None,
) -> None:
    show_state(car_of(account, "Ada"), climate_on=known)
    heater = "select.ada_seat_heater_front_left"
    await act(hass, heater, "select_option", {"option": "high"})
    car = simulator.cars["Ada"]
    assert car.executed == {
        "auto_conditioning_start": 1,
        "remote_seat_heater_request": 1,
    }
    assert (car.climate_on, car.seat_heaters[0]) == (True, 3)
    assert shown(hass, heater) == "high"
    assert shown(hass, "climate.ada_climate") == "heat_cool"


async def test_temperature_and_mode_of_the_overheat_protection(
    hass: HomeAssistant, simulator: Simulator, account: MockConfigEntry
) -> None:
    overheat = "climate.ada_cabin_overheat_protection"
    data = {"temperature": 30, "hvac_mode": "fan_only"}
    await act(hass, overheat, "set_temperature", data)
    car = simulator.cars["Ada"]
    assert (car.overheat_protection, car.overheat_level) == ("FanOnly", 0)
    assert shown(hass, overheat) == "fan_only"
    assert shown(hass, overheat, "temperature") == 30


async def test_an_overheat_protection_that_leaves_no_choice(
    hass: HomeAssistant, account: MockConfigEntry
) -> None:
    car = car_of(account, "Ada")
    state = car.data.state
    assert state is not None
    assert state.equipment is not None
    show_state(
        car,
        overheat_fan_only=False,
        equipment=replace(state.equipment, overheat_temp=False),
    )
    overheat = state_of(hass, "climate.ada_cabin_overheat_protection").attributes
    assert overheat["hvac_modes"] == ["off", "cool"]
    assert "temperature" not in overheat


async def test_the_error_contains_the_reason_of_the_car(
    hass: HomeAssistant, simulator: Simulator, account: MockConfigEntry
) -> None:
    with pytest.raises(HomeAssistantError) as error:
        await act(hass, "switch.ada_charging", "turn_on")
    assert error.value.translation_key == "command_failed"
    assert error.value.translation_placeholders is not None
    assert error.value.translation_placeholders["reason"] == "disconnected"


async def test_missing_equipment_has_no_entity(
    hass: HomeAssistant,
    simulator: Simulator,
    compatible_entry: MockConfigEntry,
    set_up: SetUp,
    entity_registry: er.EntityRegistry,
) -> None:
    car = simulator.cars["Ada"]
    car.config |= {"can_actuate_trunks": False, "rear_seat_heaters": 0}
    await set_up(compatible_entry)
    lacked = [
        "cover.ada_front_trunk",
        "cover.ada_rear_trunk",
        "cover.ada_sun_roof",
        "select.ada_seat_heater_rear_left",
        "select.ada_seat_heater_third_row_left",
    ]
    await until(hass, lambda: hass.states.get("cover.cy_sun_roof") is not None)
    await until(hass, lambda: state_of(hass, "lock.ada_lock").state == "locked")
    assert [name for name in lacked if entity_registry.async_get(name)] == []
    assert entity_registry.async_get("cover.cy_rear_trunk")


async def test_optional_equipment_waits_for_the_vehicle_config(
    hass: HomeAssistant, compatible_entry: MockConfigEntry, set_up: SetUp
) -> None:
    with patch("simulator.vehicle.payloads.vehicle_config", return_value={}):
        await set_up(compatible_entry)
        await until(hass, lambda: hass.states.get("cover.ada_windows") is not None)
        for name in ("ada", "cy"):
            lock = f"lock.{name}_lock"
            await until(hass, partial(hass.states.is_state, lock, "locked"))
        assert hass.states.get("cover.ada_front_trunk") is None
    answer = await compatible_entry.runtime_data.provider.client.products()
    compatible_entry.runtime_data.vehicle_manager.async_update_products(answer)
    compatible_entry.runtime_data.coordinator._async_assess()
    await hass.async_block_till_done()
    assert shown(hass, "cover.ada_front_trunk") == "closed"
    assert hass.states.get("cover.ada_sun_roof") is None
    assert shown(hass, "cover.cy_sun_roof") == "closed"


async def test_entities_of_signed_commands_wait_for_signing_support(
    hass: HomeAssistant, account: MockConfigEntry
) -> None:
    car = car_of(account, "Ada")
    assert hass.states.get("switch.ada_pin_to_drive") is None
    car.supports_signing = True
    car.async_update_listeners()
    await hass.async_block_till_done()
    # Its state is not reported.
    assert shown(hass, "switch.ada_pin_to_drive") == "unknown"
    show_state(car, pin_to_drive=True)
    assert shown(hass, "switch.ada_pin_to_drive") == "on"


async def test_a_wheel_without_levels_starts_the_climate_too(
    hass: HomeAssistant, simulator: Simulator, account: MockConfigEntry
) -> None:
    car = simulator.cars["Cy"]
    assert car_of(account, "Cy").data.is_current
    assert hass.states.get("select.cy_steering_wheel_heater") is None
    await act(hass, "switch.cy_steering_wheel_heater", "turn_on")
    assert car.executed == {
        "auto_conditioning_start": 1,
        "remote_steering_wheel_heater_request": 1,
    }
    assert car.steering_wheel_heater == 3


async def test_seats_that_do_not_cool_make_no_entity(
    hass: HomeAssistant, account: MockConfigEntry
) -> None:
    assert car_of(account, "Ada").data.is_current
    assert hass.states.get("select.ada_seat_cooler_front_left") is None
    assert hass.states.get("switch.ada_bioweapon_defense_mode") is None
