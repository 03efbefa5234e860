"""What the entities of a car do: once, in the car, and shown as it then is."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any
from unittest.mock import patch

import pytest

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from simulator import Simulator
from simulator.cars import WINDOWS, Car
from simulator.commands import COMMANDS

from .conftest import SetUp, car_of, show_state, state_of, until

pytestmark = pytest.mark.usefixtures("every_entity")


@dataclass(frozen=True, kw_only=True)
class Case:
    """An action, what it makes of the car, and what is shown of it then.

    `car` and `known` are what the car is, and is known to be, before.
    """

    entity: str
    action: str
    data: dict[str, Any] = field(default_factory=dict)
    command: str
    done: Callable[[Car], object]
    result: object
    shown: object
    attribute: str | None = None
    car: dict[str, Any] = field(default_factory=dict)
    known: dict[str, Any] = field(default_factory=dict)
    of: str = "Ada"


PLUGGED = {"port_open": True, "cable": True, "latched": True}
CASES = [
    Case(
        entity="lock.ada_charging_cable",
        action="unlock",
        command="charge_port_door_open",
        done=attrgetter("latched"),
        result=False,
        shown="unlocked",
        car=PLUGGED,
        known={"cable_locked": True},
    ),
    Case(
        entity="cover.ada_windows",
        action="open_cover",
        command="window_control",
        done=attrgetter("windows"),
        result=dict.fromkeys(WINDOWS, 1),
        shown="open",
    ),
    Case(
        entity="cover.ada_windows",
        action="close_cover",
        command="window_control",
        done=attrgetter("windows"),
        result=dict.fromkeys(WINDOWS, 0),
        shown="closed",
        car={"windows": dict.fromkeys(WINDOWS, 2)},
        known={"rear_driver_window_open": True},
    ),
    Case(
        entity="cover.ada_front_trunk",
        action="open_cover",
        command="actuate_trunk",
        done=attrgetter("front_trunk"),
        result=True,
        shown="open",
    ),
    Case(
        entity="cover.ada_rear_trunk",
        action="open_cover",
        command="actuate_trunk",
        done=attrgetter("rear_trunk"),
        result=True,
        shown="open",
    ),
    Case(
        entity="cover.ada_rear_trunk",
        action="close_cover",
        command="actuate_trunk",
        done=attrgetter("rear_trunk"),
        result=False,
        shown="closed",
        car={"rear_trunk": True},
        known={"rear_trunk_open": True},
    ),
    Case(
        entity="cover.ada_charge_port",
        action="open_cover",
        command="charge_port_door_open",
        done=attrgetter("port_open"),
        result=True,
        shown="open",
    ),
    Case(
        entity="cover.ada_charge_port",
        action="close_cover",
        command="charge_port_door_close",
        done=attrgetter("port_open"),
        result=False,
        shown="closed",
        car={"port_open": True},
        known={"port_open": True},
    ),
    Case(
        entity="cover.cy_sun_roof",
        action="open_cover",
        command="sun_roof_control",
        done=attrgetter("sun_roof"),
        result="vent",
        shown="open",
        of="Cy",
    ),
    Case(
        entity="cover.cy_sun_roof",
        action="close_cover",
        command="sun_roof_control",
        done=attrgetter("sun_roof"),
        result="closed",
        shown="closed",
        car={"sun_roof": "vent"},
        known={"sun_roof_open": True},
        of="Cy",
    ),
    Case(
        entity="switch.ada_charging",
        action="turn_on",
        command="charge_start",
        done=attrgetter("charging"),
        result=True,
        shown="on",
        car=PLUGGED,
        known={"charging_state": "Stopped"},
    ),
    Case(
        entity="switch.ada_charging",
        action="turn_off",
        command="charge_stop",
        done=attrgetter("charging"),
        result=False,
        shown="off",
        car=PLUGGED | {"charging": True},
        known={"charging_state": "Charging"},
    ),
    Case(
        entity="switch.ada_sentry_mode",
        action="turn_on",
        command="set_sentry_mode",
        done=attrgetter("sentry"),
        result=True,
        shown="on",
    ),
    Case(
        entity="switch.ada_sentry_mode",
        action="turn_off",
        command="set_sentry_mode",
        done=attrgetter("sentry"),
        result=False,
        shown="off",
        car={"sentry": True},
        known={"sentry_mode": True},
    ),
    Case(
        entity="switch.ada_valet_mode",
        action="turn_on",
        command="set_valet_mode",
        done=attrgetter("valet"),
        result=True,
        shown="on",
    ),
    Case(
        entity="switch.ada_valet_mode",
        action="turn_off",
        command="set_valet_mode",
        done=attrgetter("valet"),
        result=False,
        shown="off",
        car={"valet": True},
        known={"valet_mode": True},
    ),
    Case(
        entity="switch.ada_automatic_seat_climate_left",
        action="turn_off",
        command="remote_auto_seat_climate_request",
        done=attrgetter("auto_seats"),
        result={1: False, 2: True},
        shown="off",
    ),
    Case(
        entity="switch.ada_automatic_seat_climate_right",
        action="turn_off",
        command="remote_auto_seat_climate_request",
        done=attrgetter("auto_seats"),
        result={1: True, 2: False},
        shown="off",
    ),
    Case(
        entity="switch.ada_automatic_steering_wheel_heater",
        action="turn_on",
        command="remote_auto_steering_wheel_heat_climate_request",
        done=attrgetter("auto_wheel"),
        result=True,
        shown="on",
    ),
    Case(
        entity="number.ada_charge_limit",
        action="set_value",
        data={"value": 85},
        command="set_charge_limit",
        done=attrgetter("charge_limit"),
        result=85,
        shown="85",
    ),
    Case(
        entity="number.ada_charge_current",
        action="set_value",
        data={"value": 8},
        command="set_charging_amps",
        done=attrgetter("charge_amps"),
        result=8,
        shown="8",
    ),
    *(
        Case(
            entity=f"select.ada_seat_heater_{name}",
            action="select_option",
            data={"option": "medium"},
            command="remote_seat_heater_request",
            done=lambda car: {seat for seat, level in car.seats.items() if level == 2},
            result={number},
            shown="medium",
            car={"climate_on": True},
            known={"climate_on": True},
        )
        for name, number in (
            ("front_left", 0),
            ("front_right", 1),
            ("rear_left", 2),
            ("rear_center", 4),
            ("rear_right", 5),
        )
    ),
    Case(
        entity="select.ada_steering_wheel_heater",
        action="select_option",
        data={"option": "high"},
        command="remote_steering_wheel_heat_level_request",
        done=attrgetter("wheel"),
        result=3,
        shown="high",
        car={"climate_on": True},
        known={"climate_on": True},
    ),
    Case(
        entity="select.ada_steering_wheel_heater",
        action="select_option",
        data={"option": "off"},
        command="remote_steering_wheel_heat_level_request",
        done=attrgetter("wheel"),
        result=0,
        shown="off",
        car={"climate_on": True, "wheel": 3},
        known={"climate_on": True, "wheel_heater": 3},
    ),
    *(
        Case(
            entity="climate.ada_cabin_overheat_protection",
            action="set_hvac_mode",
            data={"hvac_mode": mode},
            command="set_cabin_overheat_protection",
            done=attrgetter("overheat"),
            result=result,
            shown=mode,
        )
        for mode, result in (("cool", "On"), ("fan_only", "FanOnly"), ("off", "Off"))
    ),
    Case(
        entity="climate.ada_cabin_overheat_protection",
        action="turn_on",
        command="set_cabin_overheat_protection",
        done=attrgetter("overheat"),
        result="On",
        shown="cool",
    ),
    Case(
        entity="climate.ada_cabin_overheat_protection",
        action="turn_off",
        command="set_cabin_overheat_protection",
        done=attrgetter("overheat"),
        result="Off",
        shown="off",
        car={"overheat": "On"},
        known={"overheat_mode": "on"},
    ),
    Case(
        entity="climate.ada_cabin_overheat_protection",
        action="set_temperature",
        data={"temperature": 34},
        command="set_cop_temp",
        done=attrgetter("overheat_level"),
        result=1,
        attribute="temperature",
        shown=35,
    ),
    Case(
        entity="update.ada_software",
        action="install",
        command="schedule_software_update",
        done=attrgetter("update_status"),
        result="scheduled",
        shown="on",
        car={"offered": "2026.38.1"},
        known={"update_status": "available", "update_version": "2026.38.1"},
    ),
    *(
        Case(
            entity=f"button.ada_{name}",
            action="press",
            command=command,
            done=lambda car: car.may_drive_until > 0,
            result=command == "remote_start_drive",
            attribute="friendly_name",
            shown=f"Ada {name.replace('_', ' ').capitalize()}",
        )
        for name, command in (
            ("flash_lights", "flash_lights"),
            ("honk_horn", "honk_horn"),
            ("allow_keyless_driving", "remote_start_drive"),
        )
    ),
]


async def act(
    hass: HomeAssistant, entity: str, action: str, data: dict[str, Any] | None = None
) -> None:
    await hass.services.async_call(
        entity.partition(".")[0],
        action,
        {"entity_id": entity, **(data or {})},
        blocking=True,
    )


def named(item: Case) -> str:
    return f"{item.entity} {item.action} {'-'.join(map(str, item.data.values()))}"


def shown(hass: HomeAssistant, entity: str, attribute: str | None = None) -> object:
    state = state_of(hass, entity)
    return state.attributes[attribute] if attribute else state.state


def prepare(simulator: Simulator, account: MockConfigEntry, item: Case) -> Car:
    """Let the car be as the case wants it, and known to be so."""
    car = simulator.cars[item.of]
    for name, value in item.car.items():
        setattr(car, name, value)
    if item.known:
        known = car_of(account, item.of)
        assert known.car.state is not None
        known.car.state = replace(known.car.state, **item.known)
        show_state(known, **item.known)
    return car


@pytest.mark.parametrize("item", CASES, ids=named)
async def test_done_once_and_shown(
    hass: HomeAssistant, simulator: Simulator, account: MockConfigEntry, item: Case
) -> None:
    car = prepare(simulator, account, item)
    await act(hass, item.entity, item.action, item.data)
    assert item.done(car) == item.result
    assert car.executed == {item.command: 1}
    assert simulator.calls.count(f"eu.{item.command}") == 1
    assert shown(hass, item.entity, item.attribute) == item.shown


@pytest.mark.parametrize("item", CASES, ids=named)
async def test_what_fails_raises_and_changes_nothing(
    hass: HomeAssistant, simulator: Simulator, account: MockConfigEntry, item: Case
) -> None:
    car = prepare(simulator, account, item)
    before = shown(hass, item.entity, item.attribute)
    simulator.set("eu.commands", "503 upstream connect error")
    with pytest.raises(HomeAssistantError) as error:
        await act(hass, item.entity, item.action, item.data)
    assert error.value.translation_domain == "keycard"
    assert not car.executed
    assert shown(hass, item.entity, item.attribute) == before


async def test_the_charging_cable_locks_itself(
    hass: HomeAssistant, simulator: Simulator, account: MockConfigEntry
) -> None:
    with pytest.raises(ServiceValidationError) as error:
        await act(hass, "lock.ada_charging_cable", "lock")
    assert error.value.translation_key == "cable_locks_itself"
    assert not simulator.cars["Ada"].executed


@pytest.mark.parametrize("action", ["open_cover", "close_cover"])
async def test_a_liftgate_of_which_nobody_knows_is_left_alone(
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
    assert (car.climate_on, car.seats[0]) == (True, 3)
    assert shown(hass, heater) == "high"
    assert shown(hass, "climate.ada_climate") == "heat_cool"


async def test_temperature_and_mode_of_the_overheat_protection(
    hass: HomeAssistant, simulator: Simulator, account: MockConfigEntry
) -> None:
    overheat = "climate.ada_cabin_overheat_protection"
    data = {"temperature": 30, "hvac_mode": "fan_only"}
    await act(hass, overheat, "set_temperature", data)
    car = simulator.cars["Ada"]
    assert (car.overheat, car.overheat_level) == ("FanOnly", 0)
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


async def test_the_car_says_why_it_refuses(
    hass: HomeAssistant, simulator: Simulator, account: MockConfigEntry
) -> None:
    with pytest.raises(HomeAssistantError) as error:
        await act(hass, "switch.ada_charging", "turn_on")
    assert error.value.translation_key == "command_failed"
    assert error.value.translation_placeholders is not None
    assert error.value.translation_placeholders["reason"] == "disconnected"


async def test_what_a_car_lacks_makes_no_entity(
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


async def test_what_a_car_may_lack_waits_until_that_is_told(
    hass: HomeAssistant, compatible_entry: MockConfigEntry, set_up: SetUp
) -> None:
    with patch("simulator.shapes.vehicle_config", return_value={}):
        await set_up(compatible_entry)
        await until(hass, lambda: hass.states.get("cover.ada_windows") is not None)
        await until(hass, lambda: shown(hass, "lock.ada_lock") == "locked")
        assert hass.states.get("cover.ada_front_trunk") is None
    answer = await compatible_entry.runtime_data.provider.link.products()
    compatible_entry.runtime_data._async_follow_roster(answer)
    compatible_entry.runtime_data._async_judge()
    await hass.async_block_till_done()
    assert shown(hass, "cover.ada_front_trunk") == "closed"
    assert hass.states.get("cover.ada_sun_roof") is None
    assert shown(hass, "cover.cy_sun_roof") == "closed"


def test_every_command_of_the_simulator_is_given_by_an_entity() -> None:
    elsewhere = {
        "auto_conditioning_start",
        "auto_conditioning_stop",
        "door_lock",
        "door_unlock",
        "set_climate_keeper_mode",
        "set_preconditioning_max",
        "set_temps",
    }
    assert {item.command for item in CASES} | elsewhere == set(COMMANDS)
