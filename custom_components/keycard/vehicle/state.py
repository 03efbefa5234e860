"""Typed state of a vehicle, parsed from the Fleet API or Bluetooth."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from copy import copy
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from .api_field import (
    CHARGE_SCHEDULES,
    KEEPER_MODES,
    OVERHEAT_MODES,
    PARKED,
    SHIFT_STATES,
    FieldSpec,
    api_field,
)
from .keys import MODELS, UNKNOWN_MODEL, decode_vin
from .parsing import (
    MISSING,
    JsonObject,
    Parser,
    enum_map,
    has_kind,
    hundredths,
    integer,
    kind,
    lookup,
    number,
    one_of,
    parse_bool,
    parse_datetime,
    parse_milliseconds,
    parse_multiple,
    parse_open,
    parse_seconds,
    parse_temperature,
    parse_text,
    parse_version,
    parse_year,
    section,
)

_NO_THIRD_ROW = (None, "None", "<invalid>")


@dataclass(frozen=True, kw_only=True)
class VehicleConfig:
    """Equipment of a vehicle."""

    trunks: bool
    """Whether the trunks open on command."""

    power_liftgate: bool
    """Whether the rear trunk also closes on command."""

    motorized_port: bool
    """Whether the charge port closes on command."""

    rear_seat_heaters: bool
    seat_cooling: bool
    third_row: bool
    sun_roof: bool
    overheat_temp: bool
    """Whether the temperature of the overheat protection can be chosen."""

    @classmethod
    def from_config(cls, config: JsonObject) -> Self | None:
        """Parse a `vehicle_config`, None if it is empty.

        Missing values default to the equipment of most vehicles.
        """
        if not config:
            return None
        return cls(
            trunks=config.get("can_actuate_trunks") is not False,
            power_liftgate=config.get("plg") is True,
            motorized_port=config.get("motorized_charge_port") is not False,
            rear_seat_heaters=config.get("rear_seat_heaters") != 0,
            seat_cooling=config.get("has_seat_cooling") is True,
            third_row=config.get("third_row_seats") not in _NO_THIRD_ROW,
            sun_roof=config.get("sun_roof_installed") in (True, 1, 2),
            overheat_temp=config.get("cop_user_set_temp_supported") is True,
        )

    @classmethod
    def from_json(cls, json: object) -> Self | None:
        """Restore the stored equipment, None if it is invalid."""
        if not isinstance(json, dict):
            return None
        return cls(**{item.name: json.get(item.name) is True for item in fields(cls)})

    def to_json(self) -> dict[str, bool]:
        """Return the equipment as JSON for storage."""
        return asdict(self)


__all__ = [
    "PERSISTENT_FIELDS",
    "ConnectivityState",
    "JsonObject",
    "VehicleState",
    "data_time",
    "has_data",
    "parse_fields",
    "parse_model",
    "summary_values",
    "unwrap_response",
]

# Models by the `car_type` of a `vehicle_config`.
_MODEL_BY_CAR_TYPE = {
    **{model: model for model in MODELS},
    "models2": "models",
    "lychee": "models",
    "tamarind": "modelx",
}


# Fields that keep their value if a response omits them.
PERSISTENT_FIELDS = frozenset(
    {"name", "min_temp", "max_temp", "sw_version", "equipment", "needs_signing"}
)


class Transport(StrEnum):
    """Way to reach a vehicle."""

    CLOUD = "cloud"
    BLUETOOTH = "bluetooth"


class ConnectivityState(StrEnum):
    """Connectivity of a vehicle, as reported by the cloud."""

    ONLINE = "online"
    ASLEEP = "asleep"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


_parse_power = number(-1000, 1000)
_parse_pressure = number(0, 10)
_parse_miles = number(0, 2000)
_parse_energy = number(0, 1000)
_parse_percent = integer(0, 100)
_parse_minutes = integer(0, 100_000)
_parse_heat = integer(0, 10)
_parse_gear = enum_map({state.upper(): state for state in SHIFT_STATES})


def _parse_shift_state(value: object) -> str | None:
    """Parse a shift state; a parked vehicle reports null."""
    return PARKED if value is None else _parse_gear(value)


def _parse_bluetooth_charging(value: object) -> str | None:
    """Parse the charging state of a Bluetooth message."""
    return None if value == "Unknown" else parse_text(value)


@dataclass(frozen=True, kw_only=True)
class VehicleState:
    """State of a vehicle; None for unknown or invalid values.

    Temperatures are in °C, distances in miles, speeds in mph, levels in percent,
    pressures in bar, powers in kW, energy in kWh.
    """

    vin: str
    name: str | None = None
    model: str = UNKNOWN_MODEL
    year: int | None = None
    presence: ConnectivityState = ConnectivityState.UNKNOWN
    in_service: bool = False
    data_at: datetime | None = None
    """The vehicle's own timestamp of its data (UTC)."""

    equipment: VehicleConfig | None = None
    needs_signing: bool | None = None
    """Whether the vehicle accepts only signed commands."""

    locked: bool | None = api_field(
        "vehicle_state.locked",
        parse_bool,
        bluetooth=("closures_state.locked",),
        current_only=True,
    )
    climate_on: bool | None = api_field(
        "climate_state.is_climate_on", parse_bool, asleep=False, current_only=True
    )
    inside_temp: float | None = api_field(
        "climate_state.inside_temp",
        parse_temperature,
        bluetooth=("climate_state.inside_temp_celsius",),
        current_only=True,
    )
    outside_temp: float | None = api_field(
        "climate_state.outside_temp",
        parse_temperature,
        bluetooth=("climate_state.outside_temp_celsius",),
        current_only=True,
    )
    target_temp: float | None = api_field(
        "climate_state.driver_temp_setting", parse_temperature, current_only=True
    )
    passenger_temp: float | None = api_field(
        "climate_state.passenger_temp_setting", parse_temperature, current_only=True
    )
    min_temp: float | None = api_field(
        "climate_state.min_avail_temp",
        parse_temperature,
        bluetooth=("climate_state.min_avail_temp_celsius",),
    )
    max_temp: float | None = api_field(
        "climate_state.max_avail_temp",
        parse_temperature,
        bluetooth=("climate_state.max_avail_temp_celsius",),
    )
    keeper_mode: str | None = api_field(
        "climate_state.climate_keeper_mode",
        one_of(*KEEPER_MODES),
        parse_bluetooth=enum_map(
            {"Off": "off", "On": "keep", "Dog": "dog", "Party": "camp"}
        ),
        asleep="off",
        current_only=True,
    )
    preconditioning: bool | None = api_field(
        "climate_state.defrost_mode",
        parse_open,
        stored=parse_bool,
        parse_bluetooth=enum_map({"Off": False, "Normal": True, "Max": True}),
        asleep=False,
        current_only=True,
    )
    """Whether the vehicle defrosts or preconditions at full power."""

    cabin_preconditioning: bool | None = api_field(
        "climate_state.is_preconditioning", parse_bool, asleep=False, current_only=True
    )
    """Whether the cabin is preconditioned for a departure."""

    fan_status: int | None = api_field(
        "climate_state.fan_status", integer(0, 20), asleep=0, current_only=True
    )
    overheat_mode: str | None = api_field(
        "climate_state.cabin_overheat_protection",
        enum_map({"Off": "off", "On": "on", "FanOnly": "fan_only"}),
        stored=one_of(*OVERHEAT_MODES),
        parse_bluetooth=enum_map(
            {
                "CabinOverheatProtectionOff": "off",
                "CabinOverheatProtectionOn": "on",
                "CabinOverheatProtectionFanOnly": "fan_only",
            }
        ),
        current_only=True,
    )
    overheat_temp: int | None = api_field(
        "climate_state.cop_activation_temperature",
        enum_map({"Low": 30, "Medium": 35, "High": 40}),
        stored=integer(30, 40),
        parse_bluetooth=enum_map(
            {
                "CopActivationTempLow": 30,
                "CopActivationTempMedium": 35,
                "CopActivationTempHigh": 40,
            }
        ),
        current_only=True,
    )
    overheat_cooling: bool | None = api_field(
        "climate_state.cabin_overheat_protection_actively_cooling",
        parse_bool,
        asleep=False,
        current_only=True,
    )
    overheat_fan_only: bool | None = api_field(
        "climate_state.supports_fan_only_cabin_overheat_protection",
        parse_bool,
        current_only=True,
    )
    """Whether the fan alone can keep the cabin from overheating."""

    seat_heater_left: int | None = api_field(
        "climate_state.seat_heater_left", _parse_heat, asleep=0, current_only=True
    )
    seat_heater_right: int | None = api_field(
        "climate_state.seat_heater_right", _parse_heat, asleep=0, current_only=True
    )
    seat_heater_rear_left: int | None = api_field(
        "climate_state.seat_heater_rear_left", _parse_heat, asleep=0, current_only=True
    )
    seat_heater_rear_center: int | None = api_field(
        "climate_state.seat_heater_rear_center",
        _parse_heat,
        asleep=0,
        current_only=True,
    )
    seat_heater_rear_right: int | None = api_field(
        "climate_state.seat_heater_rear_right", _parse_heat, asleep=0, current_only=True
    )
    seat_heater_third_row_left: int | None = api_field(
        "climate_state.seat_heater_third_row_left",
        _parse_heat,
        asleep=0,
        current_only=True,
    )
    seat_heater_third_row_right: int | None = api_field(
        "climate_state.seat_heater_third_row_right",
        _parse_heat,
        asleep=0,
        current_only=True,
    )
    seat_cooler_left: int | None = api_field(
        "climate_state.seat_fan_front_left", _parse_heat, asleep=0, current_only=True
    )
    seat_cooler_right: int | None = api_field(
        "climate_state.seat_fan_front_right", _parse_heat, asleep=0, current_only=True
    )
    wheel_heater: int | None = api_field(
        "climate_state.steering_wheel_heat_level",
        _parse_heat,
        parse_bluetooth=enum_map(
            {"StwHeatLevel_Off": 0, "StwHeatLevel_Low": 1, "StwHeatLevel_High": 3}
        ),
        asleep=0,
        current_only=True,
    )
    wheel_heater_on: bool | None = api_field(
        "climate_state.steering_wheel_heater",
        parse_bool,
        asleep=False,
        current_only=True,
    )
    auto_seat_left: bool | None = api_field(
        "climate_state.auto_seat_climate_left", parse_bool, current_only=True
    )
    auto_seat_right: bool | None = api_field(
        "climate_state.auto_seat_climate_right", parse_bool, current_only=True
    )
    auto_wheel: bool | None = api_field(
        "climate_state.auto_steering_wheel_heat", parse_bool, current_only=True
    )
    bioweapon: bool | None = api_field(
        "climate_state.bioweapon_mode",
        parse_bool,
        bluetooth=("climate_state.bioweapon_mode_on",),
        current_only=True,
    )
    front_defroster: bool | None = api_field(
        "climate_state.is_front_defroster_on",
        parse_bool,
        asleep=False,
        current_only=True,
    )
    rear_defroster: bool | None = api_field(
        "climate_state.is_rear_defroster_on",
        parse_bool,
        asleep=False,
        current_only=True,
    )
    mirror_heaters: bool | None = api_field(
        "climate_state.side_mirror_heaters", parse_bool, asleep=False, current_only=True
    )
    wiper_heater: bool | None = api_field(
        "climate_state.wiper_blade_heater", parse_bool, asleep=False, current_only=True
    )

    latitude: float | None = api_field(
        "drive_state.latitude", number(-90, 90), bluetooth=("location_state.latitude",)
    )
    longitude: float | None = api_field(
        "drive_state.longitude",
        number(-180, 180),
        bluetooth=("location_state.longitude",),
    )
    heading: int | None = api_field(
        "drive_state.heading", integer(0, 360), bluetooth=("location_state.heading",)
    )
    speed: float | None = api_field(
        "drive_state.speed",
        number(0, 300),
        bluetooth=("drive_state.speed", "drive_state.speed_float"),
        omitted_if_none=True,
        asleep=0.0,
        current_only=True,
    )
    shift_state: str | None = api_field(
        "drive_state.shift_state",
        _parse_shift_state,
        stored=one_of(*SHIFT_STATES),
        asleep=PARKED,
        current_only=True,
    )
    power: float | None = api_field(
        "drive_state.power", _parse_power, asleep=0.0, current_only=True
    )
    route_destination: str | None = api_field(
        "drive_state.active_route_destination",
        parse_text,
        omitted_if_none=True,
        current_only=True,
    )
    """Destination of the navigation, None without an active route."""

    route_latitude: float | None = api_field(
        "drive_state.active_route_latitude",
        number(-90, 90),
        bluetooth=("drive_state.active_route_coordinates.latitude",),
        current_only=True,
    )
    route_longitude: float | None = api_field(
        "drive_state.active_route_longitude",
        number(-180, 180),
        bluetooth=("drive_state.active_route_coordinates.longitude",),
        current_only=True,
    )
    route_distance: float | None = api_field(
        "drive_state.active_route_miles_to_arrival",
        number(0, 20_000),
        current_only=True,
    )
    route_time: float | None = api_field(
        "drive_state.active_route_minutes_to_arrival",
        number(0, 100_000),
        current_only=True,
    )
    """Minutes including the traffic delay."""

    route_delay: float | None = api_field(
        "drive_state.active_route_traffic_minutes_delay",
        number(0, 100_000),
        current_only=True,
    )
    route_battery: int | None = api_field(
        "drive_state.active_route_energy_at_arrival", _parse_percent, current_only=True
    )

    battery_level: int | None = api_field("charge_state.battery_level", _parse_percent)
    usable_battery_level: int | None = api_field(
        "charge_state.usable_battery_level", _parse_percent
    )
    battery_range: float | None = api_field("charge_state.battery_range", _parse_miles)
    estimated_range: float | None = api_field(
        "charge_state.est_battery_range", _parse_miles
    )
    ideal_range: float | None = api_field(
        "charge_state.ideal_battery_range", _parse_miles
    )
    energy_remaining: float | None = api_field(
        "charge_state.energy_remaining", _parse_energy, bluetooth=()
    )
    lifetime_energy: float | None = api_field(
        "charge_state.lifetime_energy_used", number(0, 10_000_000), bluetooth=()
    )
    battery_temp_min: float | None = api_field(
        "charge_state.module_temp_min",
        parse_temperature,
        bluetooth=(),
        current_only=True,
    )
    battery_temp_max: float | None = api_field(
        "charge_state.module_temp_max",
        parse_temperature,
        bluetooth=(),
        current_only=True,
    )
    battery_heater: bool | None = api_field(
        "charge_state.battery_heater_on",
        parse_bool,
        bluetooth=(),
        asleep=False,
        current_only=True,
    )
    low_power_mode: bool | None = api_field("charge_state.low_power_mode", parse_bool)
    charging_state: str | None = api_field(
        "charge_state.charging_state",
        parse_text,
        parse_bluetooth=_parse_bluetooth_charging,
        current_only=True,
    )
    charge_limit: int | None = api_field(
        "charge_state.charge_limit_soc", _parse_percent
    )
    charge_limit_min: int | None = api_field(
        "charge_state.charge_limit_soc_min", _parse_percent
    )
    charge_limit_max: int | None = api_field(
        "charge_state.charge_limit_soc_max", _parse_percent
    )
    charge_amps: int | None = api_field(
        "charge_state.charge_current_request", integer(0, 200)
    )
    charge_amps_max: int | None = api_field(
        "charge_state.charge_current_request_max", integer(0, 200)
    )
    charger_power: float | None = api_field(
        "charge_state.charger_power", _parse_power, asleep=0.0, current_only=True
    )
    charger_voltage: float | None = api_field(
        "charge_state.charger_voltage", number(0, 2000), current_only=True
    )
    charger_current: float | None = api_field(
        "charge_state.charger_actual_current",
        number(0, 2000),
        asleep=0.0,
        current_only=True,
    )
    several_phases: bool | None = api_field(
        "charge_state.charger_phases",
        parse_multiple,
        stored=parse_bool,
        omitted_if_none=True,
        current_only=True,
    )
    charge_rate: float | None = api_field(
        "charge_state.charge_rate",
        _parse_miles,
        bluetooth=(
            "charge_state.charge_rate_mph",
            "charge_state.charge_rate_mph_float",
        ),
        asleep=0.0,
        current_only=True,
    )
    energy_added: float | None = api_field(
        "charge_state.charge_energy_added", _parse_energy
    )
    minutes_to_full: int | None = api_field(
        "charge_state.minutes_to_full_charge", _parse_minutes, current_only=True
    )
    scheduled_charging: bool | None = api_field(
        "charge_state.scheduled_charging_pending", parse_bool
    )
    charge_schedule: str | None = api_field(
        "charge_state.scheduled_charging_mode",
        enum_map({"Off": "off", "StartAt": "start_at", "DepartBy": "depart_by"}),
        stored=one_of(*CHARGE_SCHEDULES),
        parse_bluetooth=enum_map(
            {
                "ScheduledChargingModeOff": "off",
                "ScheduledChargingModeStartAt": "start_at",
                "ScheduledChargingModeDepartBy": "depart_by",
            }
        ),
    )
    charging_at: datetime | None = api_field(
        "charge_state.scheduled_charging_start_time",
        parse_seconds,
        stored=parse_datetime,
        omitted_if_none=True,
    )
    departure_at: datetime | None = api_field(
        "charge_state.scheduled_departure_time",
        parse_seconds,
        stored=parse_datetime,
        parse_bluetooth=parse_milliseconds,
        omitted_if_none=True,
    )
    preconditions: bool | None = api_field(
        "charge_state.preconditioning_enabled", parse_bool
    )
    """Whether the cabin is preconditioned for scheduled departures."""

    off_peak_charging: bool | None = api_field(
        "charge_state.off_peak_charging_enabled", parse_bool, bluetooth=()
    )
    trip_charging: bool | None = api_field(
        "charge_state.trip_charging", parse_bool, current_only=True
    )
    fast_charger: bool | None = api_field(
        "charge_state.fast_charger_present", parse_bool, current_only=True
    )
    fast_charger_type: str | None = api_field(
        "charge_state.fast_charger_type",
        kind(none_value="<invalid>"),
        parse_bluetooth=kind(none_value="SNA"),
        current_only=True,
    )
    port_open: bool | None = api_field(
        "charge_state.charge_port_door_open",
        parse_bool,
        closure="chargePort",
        current_only=True,
    )
    cable_connected: bool | None = api_field(
        "charge_state.conn_charge_cable",
        has_kind(none_value="<invalid>"),
        stored=parse_bool,
        parse_bluetooth=has_kind(none_value="SNA"),
        current_only=True,
    )
    cable_type: str | None = api_field(
        "charge_state.conn_charge_cable",
        kind(none_value="<invalid>"),
        parse_bluetooth=kind(none_value="SNA"),
        current_only=True,
    )
    cable_locked: bool | None = api_field(
        "charge_state.charge_port_latch",
        enum_map({"Engaged": True, "Disengaged": False}),
        stored=parse_bool,
        current_only=True,
    )
    port_cold_weather: bool | None = api_field(
        "charge_state.charge_port_cold_weather_mode", parse_bool, current_only=True
    )

    front_driver_door_open: bool | None = api_field(
        "vehicle_state.df",
        parse_open,
        stored=parse_bool,
        bluetooth=("closures_state.door_open_driver_front",),
        parse_bluetooth=parse_bool,
        closure="frontDriverDoor",
        current_only=True,
    )
    front_passenger_door_open: bool | None = api_field(
        "vehicle_state.pf",
        parse_open,
        stored=parse_bool,
        bluetooth=("closures_state.door_open_passenger_front",),
        parse_bluetooth=parse_bool,
        closure="frontPassengerDoor",
        current_only=True,
    )
    rear_driver_door_open: bool | None = api_field(
        "vehicle_state.dr",
        parse_open,
        stored=parse_bool,
        bluetooth=("closures_state.door_open_driver_rear",),
        parse_bluetooth=parse_bool,
        closure="rearDriverDoor",
        current_only=True,
    )
    rear_passenger_door_open: bool | None = api_field(
        "vehicle_state.pr",
        parse_open,
        stored=parse_bool,
        bluetooth=("closures_state.door_open_passenger_rear",),
        parse_bluetooth=parse_bool,
        closure="rearPassengerDoor",
        current_only=True,
    )
    front_driver_window_open: bool | None = api_field(
        "vehicle_state.fd_window",
        parse_open,
        stored=parse_bool,
        bluetooth=("closures_state.window_open_driver_front",),
        parse_bluetooth=parse_bool,
        current_only=True,
    )
    front_passenger_window_open: bool | None = api_field(
        "vehicle_state.fp_window",
        parse_open,
        stored=parse_bool,
        bluetooth=("closures_state.window_open_passenger_front",),
        parse_bluetooth=parse_bool,
        current_only=True,
    )
    rear_driver_window_open: bool | None = api_field(
        "vehicle_state.rd_window",
        parse_open,
        stored=parse_bool,
        bluetooth=("closures_state.window_open_driver_rear",),
        parse_bluetooth=parse_bool,
        current_only=True,
    )
    rear_passenger_window_open: bool | None = api_field(
        "vehicle_state.rp_window",
        parse_open,
        stored=parse_bool,
        bluetooth=("closures_state.window_open_passenger_rear",),
        parse_bluetooth=parse_bool,
        current_only=True,
    )
    front_trunk_open: bool | None = api_field(
        "vehicle_state.ft",
        parse_open,
        stored=parse_bool,
        bluetooth=("closures_state.door_open_trunk_front",),
        parse_bluetooth=parse_bool,
        closure="frontTrunk",
        current_only=True,
    )
    rear_trunk_open: bool | None = api_field(
        "vehicle_state.rt",
        parse_open,
        stored=parse_bool,
        bluetooth=("closures_state.door_open_trunk_rear",),
        parse_bluetooth=parse_bool,
        closure="rearTrunk",
        current_only=True,
    )
    sun_roof_open: bool | None = api_field(
        "vehicle_state.sun_roof_state",
        enum_map({"open": True, "vent": True, "closed": False}),
        stored=parse_bool,
        bluetooth=("closures_state.sun_roof_state",),
        parse_bluetooth=enum_map({"Open": True, "Vent": True, "Closed": False}),
        current_only=True,
    )

    front_left_pressure: float | None = api_field(
        "vehicle_state.tpms_pressure_fl",
        _parse_pressure,
        bluetooth=(
            "legacy_vehicle_state.tpms_pressure_fl",
            "tire_pressure_state.tpms_pressure_fl",
        ),
    )
    front_right_pressure: float | None = api_field(
        "vehicle_state.tpms_pressure_fr",
        _parse_pressure,
        bluetooth=(
            "legacy_vehicle_state.tpms_pressure_fr",
            "tire_pressure_state.tpms_pressure_fr",
        ),
    )
    rear_left_pressure: float | None = api_field(
        "vehicle_state.tpms_pressure_rl",
        _parse_pressure,
        bluetooth=(
            "legacy_vehicle_state.tpms_pressure_rl",
            "tire_pressure_state.tpms_pressure_rl",
        ),
    )
    rear_right_pressure: float | None = api_field(
        "vehicle_state.tpms_pressure_rr",
        _parse_pressure,
        bluetooth=(
            "legacy_vehicle_state.tpms_pressure_rr",
            "tire_pressure_state.tpms_pressure_rr",
        ),
    )
    front_left_pressure_low: bool | None = api_field(
        "vehicle_state.tpms_soft_warning_fl",
        parse_bool,
        bluetooth=(
            "legacy_vehicle_state.tpms_soft_warning_fl",
            "tire_pressure_state.tpms_soft_warning_fl",
        ),
    )
    front_right_pressure_low: bool | None = api_field(
        "vehicle_state.tpms_soft_warning_fr",
        parse_bool,
        bluetooth=(
            "legacy_vehicle_state.tpms_soft_warning_fr",
            "tire_pressure_state.tpms_soft_warning_fr",
        ),
    )
    rear_left_pressure_low: bool | None = api_field(
        "vehicle_state.tpms_soft_warning_rl",
        parse_bool,
        bluetooth=(
            "legacy_vehicle_state.tpms_soft_warning_rl",
            "tire_pressure_state.tpms_soft_warning_rl",
        ),
    )
    rear_right_pressure_low: bool | None = api_field(
        "vehicle_state.tpms_soft_warning_rr",
        parse_bool,
        bluetooth=(
            "legacy_vehicle_state.tpms_soft_warning_rr",
            "tire_pressure_state.tpms_soft_warning_rr",
        ),
    )

    odometer: float | None = api_field(
        "vehicle_state.odometer",
        number(0, 10_000_000),
        bluetooth=("drive_state.odometer_in_hundredths_of_a_mile",),
        parse_bluetooth=hundredths(0, 10_000_000),
    )
    user_present: bool | None = api_field(
        "vehicle_state.is_user_present",
        parse_bool,
        bluetooth=("closures_state.is_user_present",),
        current_only=True,
    )
    dashcam: bool | None = api_field(
        "vehicle_state.dashcam_state",
        enum_map(
            {
                "Recording": True,
                "Available": False,
                "Paused": False,
                "Unavailable": False,
            }
        ),
        stored=parse_bool,
        bluetooth=("legacy_vehicle_state.dashcam_state",),
        parse_bluetooth=enum_map(
            {
                "DashCamState_RECORDING": True,
                "DashCamState_AVAILABLE": False,
                "DashCamState_PAUSED": False,
                "DashCamState_UNAVAILABLE": False,
            }
        ),
        current_only=True,
    )
    sentry_mode: bool | None = api_field(
        "vehicle_state.sentry_mode",
        parse_bool,
        bluetooth=("closures_state.sentry_mode_state",),
        parse_bluetooth=enum_map(
            {
                "Off": False,
                "Idle": True,
                "Armed": True,
                "Aware": True,
                "Panic": True,
                "Quiet": True,
            }
        ),
        current_only=True,
    )
    valet_mode: bool | None = api_field(
        "vehicle_state.valet_mode", parse_bool, bluetooth=("closures_state.valet_mode",)
    )
    pin_to_drive: bool | None = api_field(
        "vehicle_state.pin_to_drive_enabled",
        parse_bool,
        bluetooth=("legacy_vehicle_state.pin_to_drive_enabled",),
    )
    keyless_driving: bool | None = api_field(
        "vehicle_state.remote_start",
        parse_bool,
        bluetooth=("closures_state.remote_start",),
    )
    homelink_nearby: bool | None = api_field(
        "vehicle_state.homelink_nearby",
        parse_bool,
        bluetooth=("location_state.homelink_nearby",),
        current_only=True,
    )
    speed_limit_mode: bool | None = api_field(
        "vehicle_state.speed_limit_mode.active",
        parse_bool,
        bluetooth=("closures_state.speed_limit_mode.active",),
    )
    speed_limit: float | None = api_field(
        "vehicle_state.speed_limit_mode.current_limit_mph",
        number(0, 300),
        bluetooth=("closures_state.speed_limit_mode.current_limit_mph",),
    )
    sw_version: str | None = api_field(
        "vehicle_state.car_version",
        parse_version,
        bluetooth=("legacy_vehicle_state.car_version",),
    )
    update_status: str | None = api_field(
        "vehicle_state.software_update.status",
        parse_text,
        bluetooth=(
            "legacy_vehicle_state.software_update_state.status",
            "software_update_state.status",
        ),
        parse_bluetooth=enum_map(
            {
                "Available": "available",
                "Scheduled": "scheduled",
                "Installing": "installing",
                "Downloading": "downloading",
                "DownloadingWifiWait": "downloading_wifi_wait",
            }
        ),
    )
    update_version: str | None = api_field(
        "vehicle_state.software_update.version",
        parse_version,
        bluetooth=(
            "legacy_vehicle_state.software_update_state.version",
            "software_update_state.version",
        ),
    )
    update_progress: int | None = api_field(
        "vehicle_state.software_update.install_perc",
        _parse_percent,
        bluetooth=(
            "legacy_vehicle_state.software_update_state.install_perc",
            "software_update_state.install_perc",
        ),
        current_only=True,
    )

    @classmethod
    def from_data(cls, json: JsonObject) -> Self:
        """Parse a `vehicle_data` response."""
        vehicle_json = unwrap_response(json)
        vin = parse_text(vehicle_json.get("vin")) or ""
        model, year = decode_vin(vin)
        if model == UNKNOWN_MODEL:
            car_type = (
                parse_text(section(vehicle_json, "vehicle_config").get("car_type"))
                or ""
            )
            model = _MODEL_BY_CAR_TYPE.get(car_type, UNKNOWN_MODEL)
        values = parse_fields(vehicle_json) | _parse_summary(vehicle_json)
        return cls(vin=vin, model=model, year=year, data_at=data_time(json), **values)

    def with_summary(self, json: JsonObject) -> Self:
        """Return the state updated from a `vehicle` or `products` response."""
        summary = _parse_summary(unwrap_response(json))
        if self.has_values(summary):
            return self
        return self.with_values(summary)

    def has_values(self, values: Mapping[str, Any]) -> bool:
        """Return whether some fields have these values."""
        return all(getattr(self, name) == value for name, value in values.items())

    def with_values(self, values: Mapping[str, Any]) -> Self:
        """Return a copy with other values of some fields.

        `dataclasses.replace` needs eight times as long for so many fields.
        """
        state = copy(self)
        vars(state).update(values)
        return state

    def only_confirmed(self, names: Collection[str]) -> Self:
        """Return the state without unconfirmed `current_only` fields.

        `names` are the confirmed fields.
        """
        return self.with_values(dict.fromkeys(CURRENT_ONLY.difference(names)))

    def to_json(self) -> dict[str, object]:
        """Return the state as JSON for storage."""
        return {
            name: _PLAIN_VALUES[type(value)](value)
            if type(value) in _PLAIN_VALUES
            else value
            for name, value in vars(self).items()
            if value is not None
        }

    @classmethod
    def from_json(cls, json: JsonObject) -> Self:
        """Restore a stored state, ignoring invalid values."""
        values: dict[str, Any] = {
            name: parse(json.get(name)) for name, parse in _STORED_PARSERS.items()
        }
        return cls(vin=parse_text(json.get("vin")) or "", **values)


FIELDS: Mapping[str, FieldSpec] = {
    item.name: spec
    for item in fields(VehicleState)
    if (spec := item.metadata.get("spec")) is not None
}


def _fields_by_parent() -> dict[tuple[str, ...], list[tuple[str, str, Parser]]]:
    """Return key, name and parser of each field by the path of the object it is in."""
    found: defaultdict[tuple[str, ...], list[tuple[str, str, Parser]]]
    found = defaultdict(list)
    for name, spec in FIELDS.items():
        *parents, key = spec.path.split(".")
        found[tuple(parents)].append((key, name, spec.parse))
    return dict(found)


_FIELDS_BY_PARENT = _fields_by_parent()

CURRENT_ONLY = frozenset(name for name, spec in FIELDS.items() if spec.current_only)

# Values of a sleeping vehicle.
ASLEEP: Mapping[str, object] = {
    name: spec.asleep for name, spec in FIELDS.items() if spec.asleep is not None
}


def parse_fields(vehicle_json: JsonObject) -> dict[str, Any]:
    """Parse the reported fields of a vehicle from the Fleet API's sections."""
    values: dict[str, Any] = {}
    for parents, specs in _FIELDS_BY_PARENT.items():
        content = vehicle_json
        for parent in parents:
            content = section(content, parent)
        for key, name, parse in specs:
            if (value := content.get(key, MISSING)) is not MISSING:
                values[name] = parse(value)
    return _validated(values)


def parse_bluetooth_fields(messages: JsonObject) -> dict[str, Any]:
    """Parse the reported fields of a vehicle from Bluetooth messages by name."""
    return _validated(
        {
            name: spec.bluetooth_parser(value)
            for name, spec in FIELDS.items()
            if (value := _bluetooth_value(messages, spec)) is not MISSING
        }
    )


def _bluetooth_value(messages: JsonObject, spec: FieldSpec) -> object:
    reported: object = MISSING
    for path in spec.bluetooth:
        if spec.omitted_if_none and path.partition(".")[0] in messages:
            reported = None if reported is MISSING else reported
        if (value := lookup(messages, path)) is not MISSING:
            reported = value
    return reported


def _validated(values: dict[str, Any]) -> dict[str, Any]:
    """Drop values that are invalid in combination."""
    if values.get("route_destination") is None:
        _drop_fields(values, _ROUTE_FIELDS, mark_unknown="route_destination" in values)
    for pair in _PAIRED_FIELDS:
        if any(values.get(name) is None for name in pair):
            _drop_fields(
                values, pair, mark_unknown=all(name in values for name in pair)
            )
    lowest, highest = values.get("min_temp"), values.get("max_temp")
    if lowest is not None and lowest >= highest:
        _drop_fields(values, ("min_temp", "max_temp"), mark_unknown=True)
    return values


def _drop_fields(
    values: dict[str, Any], names: Iterable[str], *, mark_unknown: bool
) -> None:
    """Drop fields, or set them to None if `mark_unknown`."""
    for name in names:
        values.pop(name, None)
    if mark_unknown:
        values |= dict.fromkeys(names)


def parse_model(value: object) -> str:
    """Parse the name of a known model."""
    return value if isinstance(value, str) and value in MODELS else UNKNOWN_MODEL


def _parse_connectivity(value: object) -> ConnectivityState:
    try:
        return ConnectivityState(str(value))
    except ValueError:
        return ConnectivityState.UNKNOWN


_parse_needs_signing = enum_map({"required": True, "allowed": False, "off": False})

# Fields that are valid only together.
_PAIRED_FIELDS = (
    ("latitude", "longitude"),
    ("route_latitude", "route_longitude"),
    ("min_temp", "max_temp"),
)

# Fields that a vehicle still reports after the navigation has ended.
_ROUTE_FIELDS = tuple(name for name in FIELDS if name.startswith("route_"))

# Sections with a timestamp of their data.
_TIMESTAMPED_SECTIONS = (
    "charge_state",
    "climate_state",
    "drive_state",
    "vehicle_state",
)

_STORED_PARSERS: Mapping[str, Callable[[object], object]] = {
    **{name: spec.stored_parser for name, spec in FIELDS.items()},
    "name": parse_text,
    "model": parse_model,
    "year": parse_year,
    "presence": _parse_connectivity,
    "in_service": lambda value: value is True,
    "data_at": parse_datetime,
    "equipment": VehicleConfig.from_json,
    "needs_signing": parse_bool,
}


def unwrap_response(json: JsonObject) -> JsonObject:
    """Return the content of a wrapped response, or the object itself."""
    inner = json.get("response", json)
    return inner if isinstance(inner, dict) else {}


def _parse_summary(vehicle_json: JsonObject) -> dict[str, Any]:
    """Parse the reported fields that a summary of a vehicle has."""
    name = parse_text(section(vehicle_json, "vehicle_state").get("vehicle_name"))
    reported: dict[str, Any] = {
        "name": name or parse_text(vehicle_json.get("display_name")),
        "equipment": VehicleConfig.from_config(section(vehicle_json, "vehicle_config")),
        "needs_signing": _parse_needs_signing(vehicle_json.get("command_signing")),
    }
    return {
        "presence": _parse_connectivity(vehicle_json.get("state")),
        "in_service": vehicle_json.get("in_service") is True,
        **{name: value for name, value in reported.items() if value is not None},
    }


def summary_values(vehicle_json: JsonObject) -> tuple[object, ...]:
    """Return the values that `VehicleState.with_summary` reads, without parsing them.

    The time of the configuration differs in each response.
    """
    config = dict(section(vehicle_json, "vehicle_config"))
    config.pop("timestamp", None)
    return (
        vehicle_json.get("state"),
        vehicle_json.get("in_service"),
        vehicle_json.get("display_name"),
        vehicle_json.get("command_signing"),
        section(vehicle_json, "vehicle_state").get("vehicle_name"),
        config,
    )


def has_data(json: JsonObject) -> bool:
    """Return whether a response contains vehicle data, not only a summary.

    Values are not trusted if all times beside them have another type.
    """
    vehicle_json = unwrap_response(json)
    return any(
        "timestamp" not in part or parse_milliseconds(part["timestamp"]) is not None
        for name in _TIMESTAMPED_SECTIONS
        if (part := section(vehicle_json, name))
    )


def data_time(json: JsonObject) -> datetime | None:
    """Return the latest timestamp of the data in a response (UTC)."""
    vehicle_json = unwrap_response(json)
    times = [
        parse_milliseconds(section(vehicle_json, name).get("timestamp"))
        for name in _TIMESTAMPED_SECTIONS
    ]
    return max((time for time in times if time is not None), default=None)


# Functions that convert the values of these types to JSON for storage.
_PLAIN_VALUES: Mapping[type, Callable[[Any], object]] = {
    datetime: datetime.isoformat,
    VehicleConfig: VehicleConfig.to_json,
    ConnectivityState: str,
}
