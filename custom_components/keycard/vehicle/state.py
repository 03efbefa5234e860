"""Typed snapshot of a car, read from whatever the cloud says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from .keys import MODELS, UNKNOWN_MODEL, describe_vin

type JsonObject = Mapping[str, object]

KEEPER_MODES = ("off", "keep", "dog", "camp")

_EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_LONGEST_TEXT = 255  # what a state of Home Assistant holds

# What the cloud calls the models, beside the names used here.
_CAR_TYPES = {
    **{model: model for model in MODELS},
    "models2": "models",
    "lychee": "models",
    "tamarind": "modelx",
}


class Presence(StrEnum):
    """Whether the cloud reaches a car."""

    ONLINE = "online"
    ASLEEP = "asleep"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class CarState:
    """What is known of a car; None is what nobody told or what made no sense.

    Temperatures are in °C, distances in miles, speed in mph, levels in percent.
    """

    vin: str
    name: str | None = None
    model: str = UNKNOWN_MODEL
    year: int | None = None
    presence: Presence = Presence.UNKNOWN
    in_service: bool = False
    data_at: datetime | None = None
    """When the car took its own data (UTC)."""

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
    latitude: float | None = None
    longitude: float | None = None
    heading: int | None = None
    speed: float | None = None
    battery_level: int | None = None
    battery_range: float | None = None
    charging_state: str | None = None
    sw_version: str | None = None

    @classmethod
    def from_data(cls, json: JsonObject) -> Self:
        """Read a `vehicle_data` answer."""
        car = unwrapped(json)
        vin = read_text(car.get("vin")) or ""
        model, year = describe_vin(vin)
        if model == UNKNOWN_MODEL:
            car_type = read_text(_section(car, "vehicle_config").get("car_type")) or ""
            model = _CAR_TYPES.get(car_type, UNKNOWN_MODEL)
        values: dict[str, Any] = {
            name: read(_section(car, section).get(key))
            for name, (section, key, read) in _FIELDS.items()
        }
        for one, other in _PAIRS:
            if values[one] is None or values[other] is None:
                values[one] = values[other] = None
        if values["min_temp"] is not None and values["min_temp"] >= values["max_temp"]:
            values["min_temp"] = values["max_temp"] = None
        state = cls(vin=vin, model=model, year=year, data_at=data_time(json), **values)
        return state.with_summary(json)

    def with_summary(self, json: JsonObject) -> Self:
        """Return this state with what a `vehicle` or `products` answer tells."""
        car = unwrapped(json)
        name = read_text(_section(car, "vehicle_state").get("vehicle_name"))
        return replace(
            self,
            name=name or read_text(car.get("display_name")) or self.name,
            presence=_presence(car.get("state")),
            in_service=car.get("in_service") is True,
        )

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


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _number(low: float, high: float) -> Callable[[object], float | None]:
    def read(value: object) -> float | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if low <= value <= high else None

    return read


def _whole(low: int, high: int) -> Callable[[object], int | None]:
    number = _number(low, high)

    def read(value: object) -> int | None:
        found = number(value)
        return None if found is None else round(found)

    return read


def read_text(value: object) -> str | None:
    """Read a short text, without what does not print."""
    if not isinstance(value, str):
        return None
    clean = "".join(letter for letter in value if letter.isprintable()).strip()
    return clean[:_LONGEST_TEXT] or None


def _version(value: object) -> str | None:
    """Read a version without the build hash behind it."""
    text = read_text(value)
    return None if text is None else text.split(" ", maxsplit=1)[0]


def _keeper(value: object) -> str | None:
    return value if isinstance(value, str) and value in KEEPER_MODES else None


def _defrost(value: object) -> bool | None:
    mode = _whole(0, 10)(value)
    return None if mode is None else mode > 0


def read_model(value: object) -> str:
    """Read one of the models that have a name here."""
    return value if isinstance(value, str) and value in MODELS else UNKNOWN_MODEL


def _presence(value: object) -> Presence:
    try:
        return Presence(str(value))
    except ValueError:
        return Presence.UNKNOWN


def _milliseconds(value: object) -> datetime | None:
    seconds = _number(_EARLIEST.timestamp() * 1000, _LATEST.timestamp() * 1000)(value)
    return None if seconds is None else datetime.fromtimestamp(seconds / 1000, UTC)


def read_moment(value: object) -> datetime | None:
    """Read a stored time."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return None if moment is None or moment.tzinfo is None else moment


_temperature = _number(-90, 100)
read_year = _whole(2008, 2100)

# Field of a snapshot -> where the cloud tells it, and what it may be.
_FIELDS: Mapping[str, tuple[str, str, Callable[[object], object]]] = {
    "locked": ("vehicle_state", "locked", _flag),
    "climate_on": ("climate_state", "is_climate_on", _flag),
    "inside_temp": ("climate_state", "inside_temp", _temperature),
    "outside_temp": ("climate_state", "outside_temp", _temperature),
    "target_temp": ("climate_state", "driver_temp_setting", _temperature),
    "passenger_temp": ("climate_state", "passenger_temp_setting", _temperature),
    "min_temp": ("climate_state", "min_avail_temp", _temperature),
    "max_temp": ("climate_state", "max_avail_temp", _temperature),
    "keeper_mode": ("climate_state", "climate_keeper_mode", _keeper),
    "preconditioning": ("climate_state", "defrost_mode", _defrost),
    "cabin_preconditioning": ("climate_state", "is_preconditioning", _flag),
    "fan_status": ("climate_state", "fan_status", _whole(0, 20)),
    "latitude": ("drive_state", "latitude", _number(-90, 90)),
    "longitude": ("drive_state", "longitude", _number(-180, 180)),
    "heading": ("drive_state", "heading", _whole(0, 360)),
    "speed": ("drive_state", "speed", _number(0, 300)),
    "battery_level": ("charge_state", "battery_level", _whole(0, 100)),
    "battery_range": ("charge_state", "battery_range", _number(0, 2000)),
    "charging_state": ("charge_state", "charging_state", read_text),
    "sw_version": ("vehicle_state", "car_version", _version),
}

# Where one alone says nothing.
_PAIRS = (("latitude", "longitude"), ("min_temp", "max_temp"))

# Sections that bear the time when the car took the data in them.
_DATED = ("charge_state", "climate_state", "drive_state", "vehicle_state")

_STORED: Mapping[str, Callable[[object], object]] = {
    **{name: read for name, (_, _, read) in _FIELDS.items()},
    "name": read_text,
    "model": read_model,
    "year": read_year,
    "presence": _presence,
    "in_service": lambda value: value is True,
    "data_at": read_moment,
    "preconditioning": _flag,
}


def unwrapped(json: JsonObject) -> JsonObject:
    """Return what an answer wraps, or the object itself."""
    inner = json.get("response", json)
    return inner if isinstance(inner, Mapping) else {}


def has_data(json: JsonObject) -> bool:
    """Return whether an answer holds data of a car, and not only its name."""
    car = unwrapped(json)
    return any(_section(car, section) for section in _DATED)


def data_time(json: JsonObject) -> datetime | None:
    """Return when the car took the data of an answer (UTC)."""
    car = unwrapped(json)
    times = [_milliseconds(_section(car, name).get("timestamp")) for name in _DATED]
    return max((time for time in times if time is not None), default=None)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, StrEnum) else value


def _section(car: JsonObject, name: str) -> JsonObject:
    section = car.get(name)
    return section if isinstance(section, Mapping) else {}
