"""Typed snapshot of a car, read from whatever the cloud says."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from .fields import CURRENT_ONLY, FIELDS, PARKED
from .keys import MODELS, UNKNOWN_MODEL, decode_vin
from .parsing import (
    JsonObject,
    enum_map,
    milliseconds,
    read_flag,
    read_moment,
    read_text,
    read_year,
    section,
)

_NO_SEATS = (None, "None", "<invalid>")


@dataclass(frozen=True, kw_only=True)
class VehicleConfig:
    """What a car is fitted with."""

    trunks: bool
    """Whether the trunks open on command."""

    power_liftgate: bool
    """Whether the rear trunk closes on command, too."""

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
        """Read a `vehicle_config`, None if there is none.

        What a car does not say is taken as most cars have it.
        """
        if not config:
            return None
        return cls(
            trunks=config.get("can_actuate_trunks") is not False,
            power_liftgate=config.get("plg") is True,
            motorized_port=config.get("motorized_charge_port") is not False,
            rear_seat_heaters=config.get("rear_seat_heaters") != 0,
            seat_cooling=config.get("has_seat_cooling") is True,
            third_row=config.get("third_row_seats") not in _NO_SEATS,
            sun_roof=config.get("sun_roof_installed") in (True, 1, 2),
            overheat_temp=config.get("cop_user_set_temp_supported") is True,
        )

    @classmethod
    def from_json(cls, json: object) -> Self | None:
        """Read what storage held."""
        if not isinstance(json, dict):
            return None
        return cls(**{item.name: json.get(item.name) is True for item in fields(cls)})

    def to_json(self) -> dict[str, bool]:
        """Return what storage can hold."""
        return asdict(self)


__all__ = [
    "PERSISTENT_FIELDS",
    "ConnectivityState",
    "JsonObject",
    "VehicleState",
    "data_time",
    "has_data",
    "parse_fields",
    "read_model",
    "unwrapped",
]

# What the cloud calls the models, beside the names used here.
_CAR_TYPES = {
    **{model: model for model in MODELS},
    "models2": "models",
    "lychee": "models",
    "tamarind": "modelx",
}


# What an answer may leave out without its being unknown.
PERSISTENT_FIELDS = frozenset(
    {"name", "min_temp", "max_temp", "sw_version", "equipment", "needs_signing"}
)


class Transport(StrEnum):
    """How a vehicle is reached."""

    CLOUD = "cloud"
    BLUETOOTH = "bluetooth"


class ConnectivityState(StrEnum):
    """Whether the cloud reaches a car."""

    ONLINE = "online"
    ASLEEP = "asleep"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class VehicleState:
    """What is known of a car; None is what nobody told or what made no sense.

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
    """When the car took its own data (UTC)."""

    equipment: VehicleConfig | None = None
    needs_signing: bool | None = None
    """Whether the car takes only signed commands."""

    locked: bool | None = None
    climate_on: bool | None = None
    inside_temp: float | None = None
    outside_temp: float | None = None
    target_temp: float | None = None
    passenger_temp: float | None = None
    min_temp: float | None = None
    max_temp: float | None = None
    keeper_mode: str | None = None
    preconditioning: bool | None = None
    """Whether the car defrosts or preconditions at full power."""

    cabin_preconditioning: bool | None = None
    """Whether the cabin is made ready for a departure."""

    fan_status: int | None = None
    overheat_mode: str | None = None
    overheat_temp: int | None = None
    overheat_cooling: bool | None = None
    overheat_fan_only: bool | None = None
    """Whether the fan alone can keep the cabin from overheating."""

    seat_heater_left: int | None = None
    seat_heater_right: int | None = None
    seat_heater_rear_left: int | None = None
    seat_heater_rear_center: int | None = None
    seat_heater_rear_right: int | None = None
    seat_heater_third_row_left: int | None = None
    seat_heater_third_row_right: int | None = None
    seat_cooler_left: int | None = None
    seat_cooler_right: int | None = None
    wheel_heater: int | None = None
    wheel_heater_on: bool | None = None
    auto_seat_left: bool | None = None
    auto_seat_right: bool | None = None
    auto_wheel: bool | None = None
    bioweapon: bool | None = None
    front_defroster: bool | None = None
    rear_defroster: bool | None = None
    mirror_heaters: bool | None = None
    wiper_heater: bool | None = None

    latitude: float | None = None
    longitude: float | None = None
    heading: int | None = None
    speed: float | None = None
    shift_state: str | None = None
    power: float | None = None
    route_destination: str | None = None
    """Where the car navigates to; without it nothing else is known of a route."""

    route_latitude: float | None = None
    route_longitude: float | None = None
    route_distance: float | None = None
    route_time: float | None = None
    """In minutes, with the delay by the traffic."""

    route_delay: float | None = None
    route_battery: int | None = None

    battery_level: int | None = None
    usable_battery_level: int | None = None
    battery_range: float | None = None
    estimated_range: float | None = None
    ideal_range: float | None = None
    energy_remaining: float | None = None
    lifetime_energy: float | None = None
    battery_temp_min: float | None = None
    battery_temp_max: float | None = None
    battery_heater: bool | None = None
    low_power_mode: bool | None = None
    charging_state: str | None = None
    charge_limit: int | None = None
    charge_limit_min: int | None = None
    charge_limit_max: int | None = None
    charge_amps: int | None = None
    charge_amps_max: int | None = None
    charger_power: float | None = None
    charger_voltage: float | None = None
    charger_current: float | None = None
    several_phases: bool | None = None
    charge_rate: float | None = None
    energy_added: float | None = None
    minutes_to_full: int | None = None
    scheduled_charging: bool | None = None
    charge_schedule: str | None = None
    charging_at: datetime | None = None
    departure_at: datetime | None = None
    preconditions: bool | None = None
    """Whether the cabin is made ready for scheduled departures."""

    off_peak_charging: bool | None = None
    trip_charging: bool | None = None
    fast_charger: bool | None = None
    fast_charger_type: str | None = None
    port_open: bool | None = None
    cable_connected: bool | None = None
    cable_type: str | None = None
    cable_locked: bool | None = None
    port_cold_weather: bool | None = None

    front_driver_door_open: bool | None = None
    front_passenger_door_open: bool | None = None
    rear_driver_door_open: bool | None = None
    rear_passenger_door_open: bool | None = None
    front_driver_window_open: bool | None = None
    front_passenger_window_open: bool | None = None
    rear_driver_window_open: bool | None = None
    rear_passenger_window_open: bool | None = None
    front_trunk_open: bool | None = None
    rear_trunk_open: bool | None = None
    sun_roof_open: bool | None = None

    front_left_pressure: float | None = None
    front_right_pressure: float | None = None
    rear_left_pressure: float | None = None
    rear_right_pressure: float | None = None
    front_left_pressure_low: bool | None = None
    front_right_pressure_low: bool | None = None
    rear_left_pressure_low: bool | None = None
    rear_right_pressure_low: bool | None = None

    odometer: float | None = None
    user_present: bool | None = None
    dashcam: bool | None = None
    sentry_mode: bool | None = None
    valet_mode: bool | None = None
    pin_to_drive: bool | None = None
    keyless_driving: bool | None = None
    homelink_nearby: bool | None = None
    speed_limit_mode: bool | None = None
    speed_limit: float | None = None
    sw_version: str | None = None
    update_status: str | None = None
    update_version: str | None = None
    update_progress: int | None = None

    @classmethod
    def from_data(cls, json: JsonObject) -> Self:
        """Read a `vehicle_data` answer."""
        car = unwrapped(json)
        vin = read_text(car.get("vin")) or ""
        model, year = decode_vin(vin)
        if model == UNKNOWN_MODEL:
            car_type = read_text(section(car, "vehicle_config").get("car_type")) or ""
            model = _CAR_TYPES.get(car_type, UNKNOWN_MODEL)
        values = parse_fields(car)
        state = cls(vin=vin, model=model, year=year, data_at=data_time(json), **values)
        return state.with_summary(json)

    def with_summary(self, json: JsonObject) -> Self:
        """Return this state with what a `vehicle` or `products` answer tells."""
        car = unwrapped(json)
        name = read_text(section(car, "vehicle_state").get("vehicle_name"))
        equipment = VehicleConfig.from_config(section(car, "vehicle_config"))
        signing = _read_signing(car.get("command_signing"))
        return replace(
            self,
            name=name or read_text(car.get("display_name")) or self.name,
            presence=_presence(car.get("state")),
            in_service=car.get("in_service") is True,
            equipment=equipment or self.equipment,
            needs_signing=self.needs_signing if signing is None else signing,
        )

    def confirmed(self, names: Collection[str]) -> Self:
        """Return this state without what holds only while confirmed, save `names`."""
        nothing: dict[str, Any] = dict.fromkeys(CURRENT_ONLY.difference(names))
        return replace(self, **nothing)

    def to_json(self) -> dict[str, object]:
        """Return what storage can hold."""
        return {
            item.name: _plain(value)
            for item in fields(self)
            if (value := getattr(self, item.name)) is not None
        }

    @classmethod
    def from_json(cls, json: JsonObject) -> Self:
        """Read what storage held."""
        values: dict[str, Any] = {
            name: read(json.get(name)) for name, read in _STORED.items()
        }
        return cls(vin=read_text(json.get("vin")) or "", **values)


def parse_fields(car: JsonObject) -> dict[str, Any]:
    """Read what is told of a car, and only that, as far as it makes sense together."""
    values: dict[str, Any] = {
        name: field.told(car) for name, field in FIELDS.items() if field.is_told(car)
    }
    if section(car, "drive_state").get("shift_state", "") is None:
        # That is how a parked car says it.
        values["shift_state"] = PARKED
    if values.get("route_destination") is None:
        _forget(values, _ROUTE, told="route_destination" in values)
    for pair in _PAIRS:
        if any(values.get(name) is None for name in pair):
            _forget(values, pair, told=all(name in values for name in pair))
    lowest, highest = values.get("min_temp"), values.get("max_temp")
    if lowest is not None and lowest >= highest:
        _forget(values, ("min_temp", "max_temp"), told=True)
    return values


def _forget(values: dict[str, Any], names: Iterable[str], *, told: bool) -> None:
    """Drop what says nothing by itself: as unknown if so much is told."""
    for name in names:
        values.pop(name, None)
    if told:
        values |= dict.fromkeys(names)


def read_model(value: object) -> str:
    """Read one of the models that have a name here."""
    return value if isinstance(value, str) and value in MODELS else UNKNOWN_MODEL


def _presence(value: object) -> ConnectivityState:
    try:
        return ConnectivityState(str(value))
    except ValueError:
        return ConnectivityState.UNKNOWN


_read_signing = enum_map({"required": True, "allowed": False, "off": False})

# Where one alone says nothing.
_PAIRS = (
    ("latitude", "longitude"),
    ("route_latitude", "route_longitude"),
    ("min_temp", "max_temp"),
)

# What a car goes on to tell when it navigates no more.
_ROUTE = tuple(name for name in FIELDS if name.startswith("route_"))

# Sections that bear the time when the car took the data in them.
_DATED = ("charge_state", "climate_state", "drive_state", "vehicle_state")

_STORED: Mapping[str, Callable[[object], object]] = {
    **{name: field.stored for name, field in FIELDS.items()},
    "name": read_text,
    "model": read_model,
    "year": read_year,
    "presence": _presence,
    "in_service": lambda value: value is True,
    "data_at": read_moment,
    "equipment": VehicleConfig.from_json,
    "needs_signing": read_flag,
}


def unwrapped(json: JsonObject) -> JsonObject:
    """Return what an answer wraps, or the object itself."""
    inner = json.get("response", json)
    return inner if isinstance(inner, Mapping) else {}


def has_data(json: JsonObject) -> bool:
    """Return whether an answer holds data of a car, and not only its name."""
    car = unwrapped(json)
    return any(section(car, name) for name in _DATED)


def data_time(json: JsonObject) -> datetime | None:
    """Return when the car took the data of an answer (UTC)."""
    car = unwrapped(json)
    times = [milliseconds(section(car, name).get("timestamp")) for name in _DATED]
    return max((time for time in times if time is not None), default=None)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, VehicleConfig):
        return value.to_json()
    return value.value if isinstance(value, StrEnum) else value
