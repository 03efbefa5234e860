"""States of vehicle entities for a recorded answer of the Fleet API."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import pytest
from pytest import Subtests  # noqa: PT013 - the fixture's type has no other home

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.binary_sensor import (
    VEHICLE_SENSORS as CAR_BINARY_SENSORS,
)
from custom_components.keycard.button import BUTTONS, KEY_TESTED
from custom_components.keycard.climate import CLIMATES, OVERHEAT_PROTECTIONS
from custom_components.keycard.cover import COVERS
from custom_components.keycard.device_tracker import TRACKERS
from custom_components.keycard.entity import VehicleEntityDescription
from custom_components.keycard.lock import LOCKS
from custom_components.keycard.number import NUMBERS
from custom_components.keycard.select import SELECTS
from custom_components.keycard.sensor import VEHICLE_SENSORS
from custom_components.keycard.switch import SWITCHES
from custom_components.keycard.update import UPDATES
from simulator.vehicle.car import Car

from .conftest import car_of, show_state, state_of
from .repository_files import KEYCARD, has_path, read_json, translations
from .vehicle.recorded import MODEL_3, recorded

TABLES: dict[Platform, tuple[VehicleEntityDescription, ...]] = {
    Platform.BINARY_SENSOR: CAR_BINARY_SENSORS,
    Platform.BUTTON: (*BUTTONS, KEY_TESTED),
    Platform.CLIMATE: (*CLIMATES, *OVERHEAT_PROTECTIONS),
    Platform.COVER: COVERS,
    Platform.DEVICE_TRACKER: TRACKERS,
    Platform.LOCK: LOCKS,
    Platform.NUMBER: NUMBERS,
    Platform.SELECT: SELECTS,
    Platform.SENSOR: VEHICLE_SENSORS,
    Platform.SWITCH: SWITCHES,
    Platform.UPDATE: UPDATES,
}
DESCRIBED = [
    pytest.param(platform, description, id=f"{platform}.{description.key}")
    for platform, table in TABLES.items()
    for description in table
]

# Entity -> state for the recorded car, a Model 3 that is parked and plugged in
SHOWN = {
    "binary_sensor.ada_battery_heater": "off",
    "binary_sensor.ada_charge_port_cold_weather_mode": "off",
    "binary_sensor.ada_charger_phases": "unknown",
    "binary_sensor.ada_charging_cable": "on",
    "binary_sensor.ada_dashcam": "on",
    "binary_sensor.ada_fast_charger": "off",
    "binary_sensor.ada_front_defroster": "off",
    "binary_sensor.ada_front_driver_door": "off",
    "binary_sensor.ada_front_driver_window": "off",
    "binary_sensor.ada_front_passenger_door": "off",
    "binary_sensor.ada_front_passenger_window": "off",
    "binary_sensor.ada_keyless_driving": "off",
    "binary_sensor.ada_mirror_heaters": "off",
    "binary_sensor.ada_off_peak_charging": "off",
    "binary_sensor.ada_cabin_overheat_protection_running": "off",
    "binary_sensor.ada_preconditioning": "off",
    "binary_sensor.ada_departure_preconditioning": "off",
    "binary_sensor.ada_rear_defroster": "off",
    "binary_sensor.ada_rear_driver_side_door": "off",
    "binary_sensor.ada_rear_driver_side_window": "off",
    "binary_sensor.ada_rear_passenger_side_door": "off",
    "binary_sensor.ada_rear_passenger_side_window": "off",
    "binary_sensor.ada_scheduled_charging": "off",
    "binary_sensor.ada_speed_limit_mode": "off",
    "binary_sensor.ada_trip_charging": "off",
    "binary_sensor.ada_tire_pressure_warning_front_left": "off",
    "binary_sensor.ada_tire_pressure_warning_front_right": "off",
    "binary_sensor.ada_tire_pressure_warning_rear_left": "off",
    "binary_sensor.ada_tire_pressure_warning_rear_right": "off",
    "binary_sensor.ada_user_present": "off",
    "binary_sensor.ada_wiper_heater": "off",
    "climate.ada_cabin_overheat_protection": "cool",
    "climate.ada_climate": "heat_cool",
    "cover.ada_charge_port": "open",
    "cover.ada_front_trunk": "closed",
    "cover.ada_rear_trunk": "closed",
    "cover.ada_sun_roof": "open",
    "cover.ada_windows": "closed",
    "device_tracker.ada_destination_location": "not_home",
    "lock.ada_charging_cable": "locked",
    "lock.ada_lock": "unlocked",
    "number.ada_charge_current": "16",
    "number.ada_charge_limit": "80",
    "select.ada_seat_heater_front_left": "off",
    "select.ada_seat_heater_front_right": "off",
    "select.ada_seat_heater_rear_center": "off",
    "select.ada_seat_heater_rear_left": "off",
    "select.ada_seat_heater_rear_right": "off",
    "select.ada_steering_wheel_heater": "off",
    "sensor.ada_battery": "77",
    "sensor.ada_battery_at_destination": "unknown",
    "sensor.ada_highest_battery_temperature": "18.0",
    "sensor.ada_lowest_battery_temperature": "16.5",
    "sensor.ada_charge_schedule": "off",
    "sensor.ada_charger_current": "0.0",
    "sensor.ada_charger_type": "ACSingleWireCAN",
    "sensor.ada_charger_voltage": "2.0",
    "sensor.ada_charging_cable_type": "IEC",
    "sensor.ada_charging_power": "0.0",
    "sensor.ada_charging_rate": "0.0",
    "sensor.ada_charging_starts": "unknown",
    "sensor.ada_charging_state": "stopped",
    "sensor.ada_departure": "unknown",
    "sensor.ada_destination": "Home",
    "sensor.ada_distance_to_destination": "0.063554603904",
    "sensor.ada_energy_added": "0.0",
    "sensor.ada_energy_left": "46.92",
    "sensor.ada_estimated_range": "442.63397376",
    "sensor.ada_gear": "p",
    "sensor.ada_ideal_range": "429.48563328",
    "sensor.ada_inside_temperature": "29.8",
    "sensor.ada_last_contact": "2024-01-19T23:38:40+00:00",
    "sensor.ada_lifetime_energy_used": "20505.629",
    "sensor.ada_odometer": "10430.189495371",
    "sensor.ada_outside_temperature": "30.0",
    "sensor.ada_power": "-7.0",
    "sensor.ada_range": "429.48563328",
    "sensor.ada_speed": "0.0",
    "sensor.ada_speed_limit": "111.044736",
    "sensor.ada_target_temperature_driver": "22.0",
    "sensor.ada_target_temperature_passenger": "22.0",
    "sensor.ada_time_to_destination": "0.103577",
    "sensor.ada_time_to_full": "0",
    "sensor.ada_traffic_delay": "0.0",
    "sensor.ada_tire_pressure_front_left": "2.775",
    "sensor.ada_tire_pressure_front_right": "2.8",
    "sensor.ada_tire_pressure_rear_left": "2.775",
    "sensor.ada_tire_pressure_rear_right": "2.775",
    "sensor.ada_usable_battery": "77",
    "switch.ada_automatic_seat_climate_left": "on",
    "switch.ada_automatic_seat_climate_right": "on",
    "switch.ada_automatic_steering_wheel_heater": "off",
    "switch.ada_charging": "off",
    "switch.ada_guest_mode": "unknown",
    "switch.ada_sentry_mode": "off",
    "switch.ada_valet_mode": "off",
    "update.ada_software": "on",
}
# Entities that show their last value, however old the data are
KEEP_THEIR_VALUE = {
    "binary_sensor.ada_keyless_driving",
    "binary_sensor.ada_off_peak_charging",
    "binary_sensor.ada_departure_preconditioning",
    "binary_sensor.ada_scheduled_charging",
    "binary_sensor.ada_speed_limit_mode",
    "binary_sensor.ada_tire_pressure_warning_front_left",
    "binary_sensor.ada_tire_pressure_warning_front_right",
    "binary_sensor.ada_tire_pressure_warning_rear_left",
    "binary_sensor.ada_tire_pressure_warning_rear_right",
    "number.ada_charge_current",
    "number.ada_charge_limit",
    "sensor.ada_battery",
    "sensor.ada_charge_schedule",
    "sensor.ada_energy_added",
    "sensor.ada_energy_left",
    "sensor.ada_estimated_range",
    "sensor.ada_ideal_range",
    "sensor.ada_last_contact",
    "sensor.ada_lifetime_energy_used",
    "sensor.ada_odometer",
    "sensor.ada_range",
    "sensor.ada_speed_limit",
    "sensor.ada_tire_pressure_front_left",
    "sensor.ada_tire_pressure_front_right",
    "sensor.ada_tire_pressure_rear_left",
    "sensor.ada_tire_pressure_rear_right",
    "sensor.ada_usable_battery",
    "switch.ada_valet_mode",
    "update.ada_software",
}
# States of a car with default settings
ON_BY_DEFAULT = {
    "cover.ada_charge_port",
    "cover.ada_front_trunk",
    "cover.ada_rear_trunk",
    "sensor.ada_inside_temperature",
    "switch.ada_sentry_mode",
    "binary_sensor.ada_online",
    "button.ada_i_tried_the_card_or_fob",
    "button.ada_wake",
    "climate.ada_climate",
    "device_tracker.ada_location",
    "lock.ada_lock",
    "number.ada_charge_limit",
    "sensor.ada_battery",
    "sensor.ada_card_or_fob_last_tried",
    "sensor.ada_connection",
    "sensor.ada_key_to_take",
    "sensor.ada_last_contact",
    "sensor.ada_range",
    "switch.ada_charging",
    "update.ada_software",
}


@pytest.fixture
def as_recorded() -> Iterator[datetime]:
    """Make the simulated cloud return the recorded data with current times."""
    taken = datetime.now(UTC).replace(microsecond=0)

    def described(car: Car, _now: float) -> dict[str, Any]:
        answer: dict[str, Any] = recorded(MODEL_3)["response"]
        for section in answer.values():
            if isinstance(section, dict) and "timestamp" in section:
                section["timestamp"] = int(taken.timestamp() * 1000)
        answer["vin"] = car.vin
        answer["vehicle_state"]["vehicle_name"] = car.name
        return answer

    def made_of(_car: Car, _now: float) -> dict[str, Any]:
        config: dict[str, Any] = recorded(MODEL_3)["response"]["vehicle_config"]
        return config

    with (
        patch("simulator.cloud.fleet_api.vehicle_data", described),
        patch("simulator.vehicle.payloads.vehicle_config", made_of),
    ):
        yield taken


@pytest.mark.usefixtures("every_entity")
async def test_recorded_answer(
    hass: HomeAssistant, as_recorded: datetime, account: MockConfigEntry
) -> None:
    shown = {entity_id: state_of(hass, entity_id).state for entity_id in SHOWN}
    assert shown == SHOWN | {"sensor.ada_last_contact": as_recorded.isoformat()}
    overheat = state_of(hass, "climate.ada_cabin_overheat_protection").attributes
    assert overheat["temperature"] == 40
    assert overheat["current_temperature"] == 29.8
    assert overheat["hvac_action"] == "idle"
    assert overheat["hvac_modes"] == ["off", "cool", "fan_only"]
    software = state_of(hass, "update.ada_software").attributes
    assert software["installed_version"] == "2023.44.30.8"
    assert software["latest_version"] == "2024.12.0.0"
    assert software["in_progress"] is False
    pressure = state_of(hass, "sensor.ada_tire_pressure_front_left").attributes
    assert pressure["unit_of_measurement"] == "bar"
    current = state_of(hass, "number.ada_charge_current").attributes
    assert (current["min"], current["max"]) == (0, 16)
    limit = state_of(hass, "number.ada_charge_limit").attributes
    assert (limit["min"], limit["max"]) == (50, 100)


@pytest.mark.usefixtures("as_recorded", "every_entity")
async def test_every_entity_is_tested_and_has_an_age_limit(
    hass: HomeAssistant, account: MockConfigEntry
) -> None:
    entities = {state.entity_id for state in hass.states.async_all()}
    told_otherwise = {
        "binary_sensor.ada_cloud_link",
        *ON_BY_DEFAULT,
        *(entity_id for entity_id in entities if entity_id.startswith("button.")),
    }
    of_ada = {entity_id for entity_id in entities if ".ada_" in entity_id}
    assert of_ada - told_otherwise == SHOWN.keys() - told_otherwise
    car = car_of(account, "Ada")
    car.async_set_updated_data(replace(car.data, is_current=False))
    for entity_id in SHOWN:
        state = state_of(hass, entity_id).state
        assert (state == "unknown") is (entity_id not in KEEP_THEIR_VALUE), entity_id


async def test_no_flood(
    hass: HomeAssistant, account: MockConfigEntry, entity_registry: er.EntityRegistry
) -> None:
    entries = er.async_entries_for_config_entry(entity_registry, account.entry_id)
    of_ada = [entry for entry in entries if ".ada_" in entry.entity_id]
    assert len(of_ada) > 90
    shown = {entry.entity_id for entry in of_ada if entry.disabled_by is None}
    assert shown == ON_BY_DEFAULT


# Entity, fields of the state, and the state of the entity then.
OTHER_VALUES: list[tuple[str, dict[str, Any], str]] = [
    ("cover.ada_windows", {"rear_driver_window_open": True}, "open"),
    ("cover.ada_windows", {"rear_driver_window_open": None}, "unknown"),
    ("cover.ada_charge_port", {"port_open": False}, "closed"),
    ("cover.ada_charge_port", {"port_open": None}, "unknown"),
    ("climate.ada_cabin_overheat_protection", {"overheat_mode": None}, "unknown"),
    ("number.ada_charge_limit", {"charge_limit": None}, "unknown"),
    ("select.ada_seat_heater_front_left", {"seat_heater_left": 2}, "medium"),
    ("select.ada_seat_heater_front_left", {"seat_heater_left": 4}, "high"),
    ("select.ada_seat_heater_front_left", {"seat_heater_left": None}, "unknown"),
    ("select.ada_steering_wheel_heater", {"wheel_heater": 2}, "high"),
    ("sensor.ada_charging_state", {"charging_state": "NoPower"}, "no_power"),
    ("sensor.ada_charging_state", {"charging_state": "Calibrating"}, "unknown"),
    ("sensor.ada_speed", {"speed": 31.0, "shift_state": "d"}, "49.889664"),
    ("sensor.ada_speed", {"speed": None, "shift_state": None}, "unknown"),
    ("switch.ada_charging", {"charging_state": "Starting"}, "on"),
    ("switch.ada_charging", {"charging_state": None}, "unknown"),
    ("binary_sensor.ada_charger_phases", {"several_phases": True}, "on"),
    ("binary_sensor.ada_homelink", {"homelink_nearby": True}, "on"),
    (
        "device_tracker.ada_destination_location",
        {"route_latitude": None},
        "unknown",
    ),
    ("sensor.ada_departure", {"charge_schedule": "start_at"}, "unknown"),
    (
        "sensor.ada_departure",
        {"charge_schedule": "depart_by"},
        "2024-01-09T22:00:00+00:00",
    ),
    ("switch.ada_bioweapon_defense_mode", {"bioweapon": True}, "on"),
    (
        "switch.ada_steering_wheel_heater",
        {"wheel_heater": None, "wheel_heater_on": True},
        "on",
    ),
    ("update.ada_software", {"update_status": None}, "off"),
    ("update.ada_software", {"update_version": None}, "off"),
]


@pytest.mark.usefixtures("as_recorded", "every_entity")
async def test_other_values(
    hass: HomeAssistant, account: MockConfigEntry, subtests: Subtests
) -> None:
    car = car_of(account, "Ada")
    recorded = car.data.state
    for entity_id, known, shown in OTHER_VALUES:
        with subtests.test(entity_id=entity_id, known=known):
            show_state(car, **known)
            await hass.async_block_till_done()
            assert state_of(hass, entity_id).state == shown
        show_state(car, **{name: getattr(recorded, name) for name in known})


@pytest.mark.parametrize(
    ("mode", "cooling", "action"),
    [
        ("off", False, "off"),
        ("on", False, "idle"),
        ("on", True, "cooling"),
        ("fan_only", True, "fan"),
    ],
)
@pytest.mark.usefixtures("as_recorded", "every_entity")
async def test_overheat_protection(
    hass: HomeAssistant,
    *,
    account: MockConfigEntry,
    mode: str,
    cooling: bool,
    action: str,
) -> None:
    show_state(car_of(account, "Ada"), overheat_mode=mode, overheat_cooling=cooling)
    climate = state_of(hass, "climate.ada_cabin_overheat_protection")
    assert climate.attributes["hvac_action"] == action


@pytest.mark.usefixtures("as_recorded", "every_entity")
async def test_an_update_that_is_installed_now(
    hass: HomeAssistant, account: MockConfigEntry
) -> None:
    car = car_of(account, "Ada")
    show_state(car, update_status="installing", update_progress=40)
    software = state_of(hass, "update.ada_software").attributes
    assert (software["in_progress"], software["update_percentage"]) == (True, 40)


@pytest.mark.parametrize(("platform", "description"), DESCRIBED)
def test_every_entity_has_a_name_and_an_icon(
    platform: Platform, description: VehicleEntityDescription
) -> None:
    key = description.translation_key
    if key is None:
        assert description.device_class is not None
        return
    for language in ("en", "de"):
        assert has_path(translations(language), "entity", platform, key, "name")
    assert has_path(read_json(KEYCARD / "icons.json"), "entity", platform, key)


@pytest.mark.parametrize(("platform", "description"), DESCRIBED)
def test_every_option_has_a_name(
    platform: Platform, description: VehicleEntityDescription
) -> None:
    for option in getattr(description, "options", None) or ():
        path = ("entity", platform, str(description.translation_key), "state", option)
        for language in ("en", "de"):
            assert has_path(translations(language), *path)


def test_no_name_is_left_over() -> None:
    for platform, table in TABLES.items():
        named = translations("en")["entity"]
        assert isinstance(named, dict)
        mine = named[platform]
        assert isinstance(mine, dict)
        of_the_cloud = {
            Platform.BINARY_SENSOR: {
                "api_reachable",
                "drill",
                "early_warning",
                "outage",
            },
            Platform.BUTTON: {"send_test", "start_drill", "stop_drill"},
            Platform.SENSOR: {
                "api_latency",
                "credit_used",
                "estimated_cost",
                "last_drill",
                "last_outage",
                "last_outage_length",
                "outage_since",
                "scope",
                "status",
                "uptime_30_days",
                "uptime_365_days",
            },
        }
        assert set(mine) - of_the_cloud.get(platform, set()) == {
            description.translation_key for description in table
        } - {None}
