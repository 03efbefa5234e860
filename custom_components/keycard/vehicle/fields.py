"""Where the cloud tells what of a car, and what that may be."""

from collections.abc import Mapping
from typing import NamedTuple

from .parsing import (
    JsonObject,
    Reader,
    enum_map,
    integer,
    number,
    one_of,
    parse_multiple,
    parse_open,
    read_cable,
    read_flag,
    read_kind,
    read_moment,
    read_seconds,
    read_temperature,
    read_text,
    read_version,
    section,
)

KEEPER_MODES = ("off", "keep", "dog", "camp")
OVERHEAT_MODES = ("off", "on", "fan_only")
SHIFT_STATES = ("p", "r", "n", "d")
CHARGE_SCHEDULES = ("off", "start_at", "depart_by")
PARKED = "p"

# Degrees (°C) from which the cabin is kept from getting hotter, by the level's number.
OVERHEAT_TEMPS = (30, 35, 40)

DOORS = {
    "front_driver": "df",
    "front_passenger": "pf",
    "rear_driver": "dr",
    "rear_passenger": "pr",
}
WINDOWS = {
    "front_driver": "fd_window",
    "front_passenger": "fp_window",
    "rear_driver": "rd_window",
    "rear_passenger": "rp_window",
}
TYRES = {"front_left": "fl", "front_right": "fr", "rear_left": "rl", "rear_right": "rr"}

# Seats that heat, and seats that cool -> their number in a command.
SEATS = {
    "left": 0,
    "right": 1,
    "rear_left": 2,
    "rear_center": 4,
    "rear_right": 5,
    "third_row_left": 7,
    "third_row_right": 8,
}
COOLED_SEATS = {"left": 1, "right": 2}


class Field(NamedTuple):
    """Where a value stands, how it is read, and how it is read from storage."""

    section: str
    key: str
    read: Reader
    kept: Reader | None = None

    def is_told(self, car: JsonObject) -> bool:
        """Return whether anything is told of it, be it nonsense."""
        place, key = self._find(car)
        return key in place

    def told(self, car: JsonObject) -> object:
        """Read what is told of a car."""
        place, key = self._find(car)
        return self.read(place.get(key))

    def stored(self, value: object) -> object:
        """Read what storage held."""
        return (self.kept or self.read)(value)

    def _find(self, car: JsonObject) -> tuple[JsonObject, str]:
        place = section(car, self.section)
        *path, key = self.key.split(".")
        for name in path:
            place = section(place, name)
        return place, key


_OVERHEAT = enum_map({"Off": "off", "On": "on", "FanOnly": "fan_only"})
_OVERHEAT_TEMP = enum_map(
    dict(zip(("Low", "Medium", "High"), OVERHEAT_TEMPS, strict=True))
)
_LATCH = enum_map({"Engaged": True, "Disengaged": False})
_SUN_ROOF = enum_map({"open": True, "vent": True, "closed": False})
_DASHCAM = enum_map(
    {"Recording": True, "Available": False, "Paused": False, "Unavailable": False}
)
_SHIFT = enum_map({state.upper(): state for state in SHIFT_STATES})
_SCHEDULE = enum_map(
    dict(zip(("Off", "StartAt", "DepartBy"), CHARGE_SCHEDULES, strict=True))
)

_power = number(-1000, 1000)
_pressure = number(0, 10)
_miles = number(0, 2000)
_energy = number(0, 1000)
_percent = integer(0, 100)
_minutes = integer(0, 100_000)
_heat = integer(0, 10)

_CHARGE = "charge_state"
_CLIMATE = "climate_state"
_DRIVE = "drive_state"
_VEHICLE = "vehicle_state"

FIELDS: Mapping[str, Field] = {
    "locked": Field(_VEHICLE, "locked", read_flag),
    "climate_on": Field(_CLIMATE, "is_climate_on", read_flag),
    "inside_temp": Field(_CLIMATE, "inside_temp", read_temperature),
    "outside_temp": Field(_CLIMATE, "outside_temp", read_temperature),
    "target_temp": Field(_CLIMATE, "driver_temp_setting", read_temperature),
    "passenger_temp": Field(_CLIMATE, "passenger_temp_setting", read_temperature),
    "min_temp": Field(_CLIMATE, "min_avail_temp", read_temperature),
    "max_temp": Field(_CLIMATE, "max_avail_temp", read_temperature),
    "keeper_mode": Field(_CLIMATE, "climate_keeper_mode", one_of(*KEEPER_MODES)),
    "preconditioning": Field(_CLIMATE, "defrost_mode", parse_open, read_flag),
    "cabin_preconditioning": Field(_CLIMATE, "is_preconditioning", read_flag),
    "fan_status": Field(_CLIMATE, "fan_status", integer(0, 20)),
    "overheat_mode": Field(
        _CLIMATE, "cabin_overheat_protection", _OVERHEAT, one_of(*OVERHEAT_MODES)
    ),
    "overheat_temp": Field(
        _CLIMATE, "cop_activation_temperature", _OVERHEAT_TEMP, integer(30, 40)
    ),
    "overheat_cooling": Field(
        _CLIMATE, "cabin_overheat_protection_actively_cooling", read_flag
    ),
    "overheat_fan_only": Field(
        _CLIMATE, "supports_fan_only_cabin_overheat_protection", read_flag
    ),
    **{
        f"seat_heater_{seat}": Field(_CLIMATE, f"seat_heater_{seat}", _heat)
        for seat in SEATS
    },
    **{
        f"seat_cooler_{seat}": Field(_CLIMATE, f"seat_fan_front_{seat}", _heat)
        for seat in COOLED_SEATS
    },
    "wheel_heater": Field(_CLIMATE, "steering_wheel_heat_level", _heat),
    "wheel_heater_on": Field(_CLIMATE, "steering_wheel_heater", read_flag),
    "auto_seat_left": Field(_CLIMATE, "auto_seat_climate_left", read_flag),
    "auto_seat_right": Field(_CLIMATE, "auto_seat_climate_right", read_flag),
    "auto_wheel": Field(_CLIMATE, "auto_steering_wheel_heat", read_flag),
    "bioweapon": Field(_CLIMATE, "bioweapon_mode", read_flag),
    "front_defroster": Field(_CLIMATE, "is_front_defroster_on", read_flag),
    "rear_defroster": Field(_CLIMATE, "is_rear_defroster_on", read_flag),
    "mirror_heaters": Field(_CLIMATE, "side_mirror_heaters", read_flag),
    "wiper_heater": Field(_CLIMATE, "wiper_blade_heater", read_flag),
    "latitude": Field(_DRIVE, "latitude", number(-90, 90)),
    "longitude": Field(_DRIVE, "longitude", number(-180, 180)),
    "heading": Field(_DRIVE, "heading", integer(0, 360)),
    "speed": Field(_DRIVE, "speed", number(0, 300)),
    "shift_state": Field(_DRIVE, "shift_state", _SHIFT, one_of(*SHIFT_STATES)),
    "power": Field(_DRIVE, "power", _power),
    "route_destination": Field(_DRIVE, "active_route_destination", read_text),
    "route_latitude": Field(_DRIVE, "active_route_latitude", number(-90, 90)),
    "route_longitude": Field(_DRIVE, "active_route_longitude", number(-180, 180)),
    "route_distance": Field(_DRIVE, "active_route_miles_to_arrival", number(0, 20_000)),
    "route_time": Field(_DRIVE, "active_route_minutes_to_arrival", number(0, 100_000)),
    "route_delay": Field(
        _DRIVE, "active_route_traffic_minutes_delay", number(0, 100_000)
    ),
    "route_battery": Field(_DRIVE, "active_route_energy_at_arrival", _percent),
    "battery_level": Field(_CHARGE, "battery_level", _percent),
    "usable_battery_level": Field(_CHARGE, "usable_battery_level", _percent),
    "battery_range": Field(_CHARGE, "battery_range", _miles),
    "estimated_range": Field(_CHARGE, "est_battery_range", _miles),
    "ideal_range": Field(_CHARGE, "ideal_battery_range", _miles),
    "energy_remaining": Field(_CHARGE, "energy_remaining", _energy),
    "lifetime_energy": Field(_CHARGE, "lifetime_energy_used", number(0, 10_000_000)),
    "battery_temp_min": Field(_CHARGE, "module_temp_min", read_temperature),
    "battery_temp_max": Field(_CHARGE, "module_temp_max", read_temperature),
    "battery_heater": Field(_CHARGE, "battery_heater_on", read_flag),
    "low_power_mode": Field(_CHARGE, "low_power_mode", read_flag),
    "charging_state": Field(_CHARGE, "charging_state", read_text),
    "charge_limit": Field(_CHARGE, "charge_limit_soc", _percent),
    "charge_limit_min": Field(_CHARGE, "charge_limit_soc_min", _percent),
    "charge_limit_max": Field(_CHARGE, "charge_limit_soc_max", _percent),
    "charge_amps": Field(_CHARGE, "charge_current_request", integer(0, 200)),
    "charge_amps_max": Field(_CHARGE, "charge_current_request_max", integer(0, 200)),
    "charger_power": Field(_CHARGE, "charger_power", _power),
    "charger_voltage": Field(_CHARGE, "charger_voltage", number(0, 2000)),
    "charger_current": Field(_CHARGE, "charger_actual_current", number(0, 2000)),
    # Cars do not agree on how they count three.
    "several_phases": Field(_CHARGE, "charger_phases", parse_multiple, read_flag),
    "charge_rate": Field(_CHARGE, "charge_rate", _miles),
    "energy_added": Field(_CHARGE, "charge_energy_added", _energy),
    "minutes_to_full": Field(_CHARGE, "minutes_to_full_charge", _minutes),
    "scheduled_charging": Field(_CHARGE, "scheduled_charging_pending", read_flag),
    "charge_schedule": Field(
        _CHARGE, "scheduled_charging_mode", _SCHEDULE, one_of(*CHARGE_SCHEDULES)
    ),
    "charging_at": Field(
        _CHARGE, "scheduled_charging_start_time", read_seconds, read_moment
    ),
    "departure_at": Field(
        _CHARGE, "scheduled_departure_time", read_seconds, read_moment
    ),
    "preconditions": Field(_CHARGE, "preconditioning_enabled", read_flag),
    "off_peak_charging": Field(_CHARGE, "off_peak_charging_enabled", read_flag),
    "trip_charging": Field(_CHARGE, "trip_charging", read_flag),
    "fast_charger": Field(_CHARGE, "fast_charger_present", read_flag),
    "fast_charger_type": Field(_CHARGE, "fast_charger_type", read_kind),
    "port_open": Field(_CHARGE, "charge_port_door_open", read_flag),
    "cable_connected": Field(_CHARGE, "conn_charge_cable", read_cable, read_flag),
    "cable_type": Field(_CHARGE, "conn_charge_cable", read_kind),
    "cable_locked": Field(_CHARGE, "charge_port_latch", _LATCH, read_flag),
    "port_cold_weather": Field(_CHARGE, "charge_port_cold_weather_mode", read_flag),
    **{
        f"{place}_door_open": Field(_VEHICLE, key, parse_open, read_flag)
        for place, key in DOORS.items()
    },
    **{
        f"{place}_window_open": Field(_VEHICLE, key, parse_open, read_flag)
        for place, key in WINDOWS.items()
    },
    "front_trunk_open": Field(_VEHICLE, "ft", parse_open, read_flag),
    "rear_trunk_open": Field(_VEHICLE, "rt", parse_open, read_flag),
    "sun_roof_open": Field(_VEHICLE, "sun_roof_state", _SUN_ROOF, read_flag),
    **{
        f"{place}_pressure": Field(_VEHICLE, f"tpms_pressure_{tyre}", _pressure)
        for place, tyre in TYRES.items()
    },
    **{
        f"{place}_pressure_low": Field(_VEHICLE, f"tpms_soft_warning_{tyre}", read_flag)
        for place, tyre in TYRES.items()
    },
    "odometer": Field(_VEHICLE, "odometer", number(0, 10_000_000)),
    "user_present": Field(_VEHICLE, "is_user_present", read_flag),
    "dashcam": Field(_VEHICLE, "dashcam_state", _DASHCAM, read_flag),
    "sentry_mode": Field(_VEHICLE, "sentry_mode", read_flag),
    "valet_mode": Field(_VEHICLE, "valet_mode", read_flag),
    # The Fleet API has not been seen to tell it.
    "pin_to_drive": Field(_VEHICLE, "pin_to_drive_enabled", read_flag),
    "keyless_driving": Field(_VEHICLE, "remote_start", read_flag),
    "homelink_nearby": Field(_VEHICLE, "homelink_nearby", read_flag),
    "speed_limit_mode": Field(_VEHICLE, "speed_limit_mode.active", read_flag),
    "speed_limit": Field(
        _VEHICLE, "speed_limit_mode.current_limit_mph", number(0, 300)
    ),
    "sw_version": Field(_VEHICLE, "car_version", read_version),
    "update_status": Field(_VEHICLE, "software_update.status", read_text),
    "update_version": Field(_VEHICLE, "software_update.version", read_version),
    "update_progress": Field(_VEHICLE, "software_update.install_perc", _percent),
}

# Fields that are shown only while they are confirmed: somebody may have opened, driven
# or plugged in the vehicle since. All others keep their last value.
CURRENT_ONLY = frozenset(
    name for name, field in FIELDS.items() if field.section in (_CLIMATE, _DRIVE)
) - {"min_temp", "max_temp", "latitude", "longitude", "heading"} | {
    "locked",
    *(f"{place}_door_open" for place in DOORS),
    *(f"{place}_window_open" for place in WINDOWS),
    "front_trunk_open",
    "rear_trunk_open",
    "sun_roof_open",
    "port_open",
    "user_present",
    "sentry_mode",
    "dashcam",
    "homelink_nearby",
    "update_progress",
    "battery_heater",
    "battery_temp_min",
    "battery_temp_max",
    "charging_state",
    "charger_power",
    "charger_voltage",
    "charger_current",
    "several_phases",
    "charge_rate",
    "minutes_to_full",
    "trip_charging",
    "fast_charger",
    "fast_charger_type",
    "cable_connected",
    "cable_type",
    "cable_locked",
    "port_cold_weather",
}

# What holds for a vehicle that is asleep: all of it keeps a vehicle awake.
ASLEEP: Mapping[str, object] = {
    "climate_on": False,
    "keeper_mode": "off",
    "preconditioning": False,
    "cabin_preconditioning": False,
    "fan_status": 0,
    "overheat_cooling": False,
    **{f"seat_heater_{seat}": 0 for seat in SEATS},
    **{f"seat_cooler_{seat}": 0 for seat in COOLED_SEATS},
    "wheel_heater": 0,
    "wheel_heater_on": False,
    "front_defroster": False,
    "rear_defroster": False,
    "mirror_heaters": False,
    "wiper_heater": False,
    "battery_heater": False,
    "shift_state": PARKED,
    "speed": 0.0,
    "power": 0.0,
    "charger_power": 0.0,
    "charger_current": 0.0,
    "charge_rate": 0.0,
}
