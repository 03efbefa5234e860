"""Tests of vehicle states from recorded and invalid responses."""

from dataclasses import fields, replace
from datetime import UTC, datetime
import json
import math
from random import Random
from typing import Any

import pytest

from custom_components.keycard.vehicle.state import (
    FIELDS,
    ConnectivityState,
    VehicleConfig,
    VehicleState,
    data_time,
    has_data,
)

from .recorded import MODEL_3, PRODUCTS, SLEEPER, VIN, recorded

RECORDED = VehicleState(
    vin=VIN,
    name="Test",
    model="modelx",
    year=2019,
    presence=ConnectivityState.ONLINE,
    in_service=False,
    data_at=datetime(2024, 1, 19, 23, 38, 40, 649000, tzinfo=UTC),
    locked=False,
    climate_on=True,
    inside_temp=29.8,
    outside_temp=30.0,
    target_temp=22.0,
    passenger_temp=22.0,
    min_temp=15.0,
    max_temp=28.0,
    keeper_mode="keep",
    preconditioning=False,
    cabin_preconditioning=False,
    fan_status=0,
    latitude=-30.222626,
    longitude=-97.6236871,
    heading=185,
    speed=None,
    battery_level=77,
    battery_range=266.87,
    charging_state="Stopped",
    sw_version="2023.44.30.8",
    equipment=VehicleConfig(
        trunks=True,
        power_liftgate=True,
        motorized_port=True,
        rear_seat_heaters=True,
        seat_cooling=False,
        third_row=False,
        sun_roof=True,
        overheat_temp=True,
    ),
    overheat_mode="on",
    overheat_temp=40,
    overheat_cooling=False,
    overheat_fan_only=True,
    seat_heater_left=0,
    seat_heater_right=0,
    seat_heater_rear_left=0,
    seat_heater_rear_center=0,
    seat_heater_rear_right=0,
    wheel_heater=0,
    wheel_heater_on=False,
    auto_seat_left=True,
    auto_seat_right=True,
    auto_wheel=False,
    front_defroster=False,
    rear_defroster=False,
    mirror_heaters=False,
    wiper_heater=False,
    shift_state="p",
    power=-7.0,
    route_destination="Home",
    route_latitude=30.2226265,
    route_longitude=-97.6236871,
    route_distance=0.039491,
    route_time=0.103577,
    route_delay=0.0,
    estimated_range=275.04,
    ideal_range=266.87,
    energy_remaining=46.92,
    lifetime_energy=20505.629,
    battery_temp_min=16.5,
    battery_temp_max=18.0,
    usable_battery_level=77,
    battery_heater=False,
    charge_limit=80,
    charge_limit_min=50,
    charge_limit_max=100,
    charge_amps=16,
    charge_amps_max=16,
    charger_power=0.0,
    charger_voltage=2.0,
    charger_current=0.0,
    charge_rate=0.0,
    energy_added=0.0,
    minutes_to_full=0,
    scheduled_charging=False,
    charge_schedule="off",
    departure_at=datetime(2024, 1, 9, 22, 0, tzinfo=UTC),
    preconditions=False,
    off_peak_charging=False,
    trip_charging=False,
    fast_charger=False,
    fast_charger_type="ACSingleWireCAN",
    port_open=True,
    cable_connected=True,
    cable_type="IEC",
    cable_locked=True,
    port_cold_weather=False,
    front_driver_door_open=False,
    front_passenger_door_open=False,
    rear_driver_door_open=False,
    rear_passenger_door_open=False,
    front_driver_window_open=False,
    front_passenger_window_open=False,
    rear_driver_window_open=False,
    rear_passenger_window_open=False,
    front_trunk_open=False,
    rear_trunk_open=False,
    sun_roof_open=True,
    front_left_pressure=2.775,
    front_right_pressure=2.8,
    rear_left_pressure=2.775,
    rear_right_pressure=2.775,
    front_left_pressure_low=False,
    front_right_pressure_low=False,
    rear_left_pressure_low=False,
    rear_right_pressure_low=False,
    odometer=6481.019282,
    user_present=False,
    dashcam=True,
    sentry_mode=False,
    valet_mode=False,
    keyless_driving=False,
    speed_limit_mode=False,
    speed_limit=69.0,
    update_status="available",
    update_version="2024.12.0.0",
    update_progress=1,
)
# What a sleeping car of the recorded account is fitted with
SLEEPERS = VehicleConfig(
    trunks=True,
    power_liftgate=True,
    motorized_port=True,
    rear_seat_heaters=True,
    seat_cooling=False,
    third_row=False,
    sun_roof=False,
    overheat_temp=False,
)
# Recorded as nothing: not moving, and without what this car lacks
UNTOLD = {
    "speed": float,
    "route_battery": int,
    "several_phases": bool,
    "charging_at": datetime,
    "low_power_mode": bool,
    "seat_cooler_left": int,
    "seat_cooler_right": int,
    "bioweapon": bool,
    "pin_to_drive": bool,
    "homelink_nearby": bool,
    "seat_heater_third_row_left": int,
    "seat_heater_third_row_right": int,
}


def test_recorded_data() -> None:
    assert VehicleState.from_data(recorded(MODEL_3)) == RECORDED


def test_recorded_summary() -> None:
    product = recorded(PRODUCTS)["response"][0]
    state = RECORDED.with_summary(product)
    # This account's cars take commands unsigned, too.
    assert state == replace(
        RECORDED,
        presence=ConnectivityState.ASLEEP,
        equipment=SLEEPERS,
        needs_signing=False,
    )
    assert VehicleState.from_data(product) == VehicleState(
        equipment=SLEEPERS,
        vin=SLEEPER,
        name="Test",
        model="model3",
        year=2022,
        presence=ConnectivityState.ASLEEP,
        needs_signing=False,
    )
    assert not has_data(product)
    assert data_time(product) is None


@pytest.mark.parametrize(
    ("section", "key", "value", "field", "expected"),
    [
        ("vehicle_state", "locked", 1, "locked", None),
        ("vehicle_state", "locked", "true", "locked", None),
        ("vehicle_state", "locked", None, "locked", None),
        ("vehicle_state", "car_version", "2026.2.1", "sw_version", "2026.2.1"),
        ("vehicle_state", "car_version", "  ", "sw_version", None),
        ("vehicle_state", "car_version", 2026, "sw_version", None),
        ("vehicle_state", "vehicle_name", "A\x00d\na", "name", "Ada"),
        ("vehicle_state", "vehicle_name", "Ada" * 100, "name", "Ada" * 85),
        ("climate_state", "inside_temp", 21, "inside_temp", 21.0),
        ("climate_state", "inside_temp", True, "inside_temp", None),
        ("climate_state", "inside_temp", "21", "inside_temp", None),
        ("climate_state", "inside_temp", math.nan, "inside_temp", None),
        ("climate_state", "inside_temp", math.inf, "inside_temp", None),
        ("climate_state", "inside_temp", 10**400, "inside_temp", None),
        ("climate_state", "inside_temp", [21], "inside_temp", None),
        ("climate_state", "defrost_mode", 2, "preconditioning", True),
        ("climate_state", "defrost_mode", -1, "preconditioning", None),
        ("climate_state", "climate_keeper_mode", "party", "keeper_mode", None),
        ("climate_state", "climate_keeper_mode", "dog", "keeper_mode", "dog"),
        ("climate_state", "min_avail_temp", None, "max_temp", None),
        ("climate_state", "min_avail_temp", 40, "min_temp", None),
        ("drive_state", "latitude", 91, "longitude", None),
        ("drive_state", "longitude", None, "latitude", None),
        ("drive_state", "speed", 65, "speed", 65.0),
        ("drive_state", "heading", 359.6, "heading", 360),
        ("drive_state", "active_route_latitude", None, "route_longitude", None),
        ("drive_state", "active_route_destination", "", "route_latitude", None),
        ("drive_state", "active_route_destination", "", "route_time", None),
        ("drive_state", "active_route_energy_at_arrival", 40, "route_battery", 40),
        ("charge_state", "battery_level", 101, "battery_level", None),
        ("charge_state", "battery_level", 76.7, "battery_level", 77),
        ("charge_state", "battery_range", -1, "battery_range", None),
        ("charge_state", "charging_state", {}, "charging_state", None),
        ("charge_state", "charge_port_latch", "SNA", "cable_locked", None),
        ("charge_state", "charge_port_latch", "Disengaged", "cable_locked", False),
        ("charge_state", "conn_charge_cable", "<invalid>", "cable_connected", False),
        ("charge_state", "conn_charge_cable", None, "cable_connected", None),
        ("charge_state", "conn_charge_cable", "<invalid>", "cable_type", None),
        ("charge_state", "charger_phases", 2, "several_phases", True),
        ("charge_state", "charger_phases", 1, "several_phases", False),
        ("charge_state", "scheduled_charging_mode", "Never", "charge_schedule", None),
        (
            "charge_state",
            "scheduled_charging_start_time",
            1767225600,
            "charging_at",
            datetime(2026, 1, 1, tzinfo=UTC),
        ),
        ("charge_state", "scheduled_charging_start_time", 600, "charging_at", None),
        ("climate_state", "bioweapon_mode", False, "bioweapon", False),
        ("climate_state", "seat_fan_front_right", 2, "seat_cooler_right", 2),
        ("vehicle_state", "speed_limit_mode", None, "speed_limit", None),
        ("vehicle_state", "homelink_nearby", True, "homelink_nearby", True),
        ("climate_state", "cabin_overheat_protection", "Off", "overheat_mode", "off"),
        (
            "climate_state",
            "cabin_overheat_protection",
            "FanOnly",
            "overheat_mode",
            "fan_only",
        ),
        ("climate_state", "cop_activation_temperature", "Low", "overheat_temp", 30),
        ("climate_state", "cop_activation_temperature", 30, "overheat_temp", None),
        ("climate_state", "seat_heater_left", 3, "seat_heater_left", 3),
        ("climate_state", "seat_heater_left", "SNA", "seat_heater_left", None),
        ("drive_state", "shift_state", "D", "shift_state", "d"),
        ("drive_state", "shift_state", "SNA", "shift_state", None),
        ("vehicle_state", "df", 1, "front_driver_door_open", True),
        ("vehicle_state", "dr", 1, "rear_driver_door_open", True),
        ("vehicle_state", "pf", 1, "front_passenger_door_open", True),
        ("vehicle_state", "rp_window", 2, "rear_passenger_window_open", True),
        ("vehicle_state", "rt", 127, "rear_trunk_open", None),
        ("vehicle_state", "sun_roof_state", "unknown", "sun_roof_open", None),
        ("vehicle_state", "sun_roof_state", "closed", "sun_roof_open", False),
        ("vehicle_state", "dashcam_state", "Unavailable", "dashcam", False),
        ("vehicle_state", "dashcam_state", "Paused", "dashcam", False),
        ("vehicle_state", "tpms_pressure_rl", 200, "rear_left_pressure", None),
        ("vehicle_state", "software_update", None, "update_status", None),
        ("vehicle_state", "software_update", {"status": ""}, "update_status", None),
        ("charge_state", "timestamp", "now", "data_at", RECORDED.data_at),
        ("charge_state", "timestamp", 10**30, "data_at", RECORDED.data_at),
        (
            "charge_state",
            "timestamp",
            1767225600000,
            "data_at",
            datetime(2026, 1, 1, tzinfo=UTC),
        ),
    ],
)
def test_invalid_value(
    *, section: str, key: str, value: object, field: str, expected: object
) -> None:
    answer = recorded(MODEL_3)
    answer["response"][section][key] = value
    found = getattr(VehicleState.from_data(answer), field)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("key", "value", "name", "expected"),
    [
        ("can_actuate_trunks", False, "trunks", False),
        ("can_actuate_trunks", None, "trunks", True),
        ("plg", False, "power_liftgate", False),
        ("plg", None, "power_liftgate", False),
        ("motorized_charge_port", False, "motorized_port", False),
        ("rear_seat_heaters", 0, "rear_seat_heaters", False),
        ("rear_seat_heaters", 3, "rear_seat_heaters", True),
        ("has_seat_cooling", True, "seat_cooling", True),
        ("has_seat_cooling", None, "seat_cooling", False),
        ("third_row_seats", "SixSeats", "third_row", True),
        ("third_row_seats", "<invalid>", "third_row", False),
        ("sun_roof_installed", None, "sun_roof", False),
        ("sun_roof_installed", 1, "sun_roof", True),
        ("sun_roof_installed", [1], "sun_roof", False),
        ("cop_user_set_temp_supported", False, "overheat_temp", False),
    ],
)
def test_equipment(*, key: str, value: object, name: str, expected: bool) -> None:
    answer = recorded(MODEL_3)
    answer["response"]["vehicle_config"][key] = value
    equipment = VehicleState.from_data(answer).equipment
    assert getattr(equipment, name) is expected


def test_missing_equipment_keeps_its_value() -> None:
    summary = {"response": {"state": "online"}}
    assert RECORDED.with_summary(summary).equipment == RECORDED.equipment
    assert VehicleState.from_data(summary).equipment is None


def test_model_from_car_type_if_vin_has_none() -> None:
    answer = recorded(MODEL_3)
    answer["response"]["vin"] = "5YJ?F7EK4KC700000"
    for reported, model in (
        ("model3", "model3"),
        ("models2", "models"),
        ("lychee", "models"),
        ("tamarind", "modelx"),
        ("unicycle", "unknown"),
        (["model3"], "unknown"),
    ):
        answer["response"]["vehicle_config"]["car_type"] = reported
        assert VehicleState.from_data(answer).model == model


@pytest.mark.parametrize(
    ("reported", "presence"),
    [
        ("online", ConnectivityState.ONLINE),
        ("asleep", ConnectivityState.ASLEEP),
        ("offline", ConnectivityState.OFFLINE),
        ("waking", ConnectivityState.UNKNOWN),
        (None, ConnectivityState.UNKNOWN),
        ({}, ConnectivityState.UNKNOWN),
    ],
)
def test_connectivity_state(reported: object, presence: ConnectivityState) -> None:
    answer = {"response": {"state": reported, "in_service": True}}
    state = VehicleState(vin=VIN).with_summary(answer)
    assert state == VehicleState(vin=VIN, presence=presence, in_service=True)


@pytest.mark.parametrize("section", ["charge", "climate", "drive", "vehicle"])
def test_missing_section(section: str) -> None:
    answer = recorded(MODEL_3)
    del answer["response"][f"{section}_state"]
    state = VehicleState.from_data(answer)
    lost = {
        name for name, field in FIELDS.items() if field.section == f"{section}_state"
    } | ({"name"} if section == "vehicle" else set())
    nothing: dict[str, Any] = dict.fromkeys(lost)
    assert state == replace(RECORDED, **nothing)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"response": None},
        {"response": []},
        {"response": "<html>"},
        {"response": {"vin": 17, "charge_state": [], "drive_state": "x"}},
    ],
)
def test_response_without_data(answer: dict[str, Any]) -> None:
    assert VehicleState.from_data(answer) == VehicleState(vin="")
    assert not has_data(answer)


def odd(random: Random, value: object, depth: int = 0) -> object:
    """Return a value with random parts replaced."""
    roll = random.random()
    if roll < 0.12 and depth:
        return random.choice(
            [
                None,
                True,
                -1,
                10**300,
                10**25,
                math.nan,
                -math.inf,
                "",
                "NaN",
                "\ud800",
                "9" * 5000,
                [],
                [{}],
                {},
                {"response": {}},
            ]
        )
    if isinstance(value, dict):
        return {
            key: odd(random, item, depth + 1)
            for key, item in value.items()
            if random.random() > 0.05
        }
    if isinstance(value, list):
        return [odd(random, item, depth + 1) for item in value]
    return value


@pytest.mark.parametrize("seed", range(20))
def test_random_responses_raise_nothing(seed: int) -> None:
    random = Random(seed)
    kinds = {
        item.name: {type(getattr(RECORDED, item.name)), type(None)}
        for item in fields(VehicleState)
    } | {name: {kind, type(None)} for name, kind in UNTOLD.items()}
    for _ in range(50):
        answer = odd(random, recorded(MODEL_3))
        assert isinstance(answer, dict)
        state = VehicleState.from_data(answer)
        for name, allowed in kinds.items():
            assert type(getattr(state, name)) in allowed
        again = json.loads(json.dumps(state.to_json(), allow_nan=False))
        assert VehicleState.from_json(again) == state
        restored_state = odd(random, again)
        assert isinstance(restored_state, dict)
        restored = VehicleState.from_json(restored_state)
        for name, allowed in kinds.items():
            assert type(getattr(restored, name)) in allowed


def test_storage() -> None:
    assert (
        VehicleState.from_json(json.loads(json.dumps(RECORDED.to_json()))) == RECORDED
    )
    assert VehicleState.from_json({"data_at": "2024-01-19T23:38:40"}).data_at is None
    assert VehicleState.from_json({"data_at": "soon"}) == VehicleState(vin="")


@pytest.mark.parametrize(
    ("timestamps", "expected"),
    [
        (({}, {"timestamp": 1_700_000_000_000}), True),
        (({"timestamp": [7]}, {"timestamp": 1_700_000_000_000}), True),
        (({}, {}), True),
        (({"timestamp": [7]}, {"timestamp": "never"}), False),
    ],
)
def test_data_whose_times_are_unreadable_are_no_data(
    timestamps: tuple[dict[str, object], dict[str, object]], *, expected: bool
) -> None:
    vehicle, charge = timestamps
    answer = {
        "vehicle_state": {"locked": True, **vehicle},
        "charge_state": {"battery_level": 50, **charge},
    }
    assert has_data({"response": answer}) is expected
