"""What a car tells over Bluetooth, read as if the cloud had told it."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from tesla_fleet_api.const import BluetoothVehicleData
from tesla_protocol.command.vcsec_pb2 import (
    ClosureState_E,
    Gear_E,
    UserPresence_E,
    VehicleLockState_E,
    VehicleSleepStatus_E,
    VehicleStatus,
)
from tesla_protocol.command.vehicle_pb2 import VehicleData

from ..vehicle.fields import DOORS, FIELDS, PARKED, WINDOWS
from ..vehicle.parsing import (
    JsonObject,
    Reader,
    enum_map,
    milliseconds,
    read_text,
    section,
)
from ..vehicle.state import ConnectivityState, parse_fields

# Locked is what nobody can get into from outside.
_LOCKED: Mapping[int, bool] = {
    VehicleLockState_E.VEHICLELOCKSTATE_UNLOCKED: False,
    VehicleLockState_E.VEHICLELOCKSTATE_LOCKED: True,
    VehicleLockState_E.VEHICLELOCKSTATE_INTERNAL_LOCKED: True,
    VehicleLockState_E.VEHICLELOCKSTATE_SELECTIVE_UNLOCKED: False,
}
# Open is what is not shut yet, or no more. What failed to unlatch says neither.
_OPEN: Mapping[int, bool] = {
    ClosureState_E.CLOSURESTATE_CLOSED: False,
    ClosureState_E.CLOSURESTATE_OPEN: True,
    ClosureState_E.CLOSURESTATE_AJAR: True,
    ClosureState_E.CLOSURESTATE_OPENING: True,
    ClosureState_E.CLOSURESTATE_CLOSING: True,
}
_PRESENCE: Mapping[int, ConnectivityState] = {
    VehicleSleepStatus_E.VEHICLE_SLEEP_STATUS_AWAKE: ConnectivityState.ONLINE,
    VehicleSleepStatus_E.VEHICLE_SLEEP_STATUS_ASLEEP: ConnectivityState.ASLEEP,
}
# A car that does not say that it sleeps does not.
_AWAKE = (
    VehicleSleepStatus_E.VEHICLE_SLEEP_STATUS_UNKNOWN,
    VehicleSleepStatus_E.VEHICLE_SLEEP_STATUS_AWAKE,
)
_USER_PRESENT: Mapping[int, bool] = {
    UserPresence_E.VEHICLE_USER_PRESENCE_NOT_PRESENT: False,
    UserPresence_E.VEHICLE_USER_PRESENCE_PRESENT: True,
}
_GEARS: Mapping[int, str] = {
    Gear_E.GEAR_PARK: PARKED,
    Gear_E.GEAR_DRIVE: "d",
    Gear_E.GEAR_REVERSE: "r",
    Gear_E.GEAR_NEUTRAL: "n",
}
_CLOSURES = {
    "front_driver_door_open": "frontDriverDoor",
    "front_passenger_door_open": "frontPassengerDoor",
    "rear_driver_door_open": "rearDriverDoor",
    "rear_passenger_door_open": "rearPassengerDoor",
    "front_trunk_open": "frontTrunk",
    "rear_trunk_open": "rearTrunk",
    "port_open": "chargePort",
}


def read_status(status: VehicleStatus, *, answered: bool = True) -> Mapping[str, Any]:
    """Read what the vehicle security computer tells: changes of a `CarState`.

    In the answer to a request, a car leaves out closures that are shut, and the gear
    once it has been parked for a while. A broadcast need not hold either, so what it
    leaves out is not told; `answered` says which of the two it is.
    """
    # Unlocked and closed are zeros, which look the same when they are not told at all.
    if not status.ListFields():
        return {}
    presence = _PRESENCE.get(status.vehicleSleepStatus)
    told: dict[str, Any] = {
        "locked": _LOCKED.get(status.vehicleLockState),
        "presence": presence,
        "user_present": _USER_PRESENT.get(status.userPresence),
        "shift_state": _GEARS.get(status.gear),
        **_read_closures(status, answered=answered),
    }
    changes = {name: value for name, value in told.items() if value is not None}
    left = changes.get("user_present") is False or presence is ConnectivityState.ASLEEP
    if answered and left and not status.gear:
        changes["shift_state"] = PARKED
    if changes.get("shift_state") == PARKED:
        # As the cloud tells it: no speed, rather than the last one.
        changes["speed"] = None
    return changes


def _read_closures(status: VehicleStatus, *, answered: bool) -> Mapping[str, Any]:
    found = {
        name: _OPEN.get(getattr(status.closureStatuses, closure))
        for name, closure in _CLOSURES.items()
    }
    if status.vehicleSleepStatus == VehicleSleepStatus_E.VEHICLE_SLEEP_STATUS_ASLEEP:
        # Asleep, a car reports the charge port as closed whatever it is, and may report
        # the others as they were before: only what it says to be open is told.
        del found["port_open"]
        return {name: True for name, is_open in found.items() if is_open}
    awake = status.vehicleSleepStatus in _AWAKE
    return found if status.HasField("closureStatuses") or (answered and awake) else {}


def read_data(data: VehicleData) -> Mapping[str, Any]:
    """Read what infotainment tells: changes of a `CarState`."""
    car = _to_fleet_json(data)
    changes = parse_fields(car)
    if name := read_text(section(car, _VEHICLE).get("vehicle_name")):
        changes["name"] = name
    return changes


def time_of(data: VehicleData) -> datetime | None:
    """Return when the car took the data (UTC)."""
    times = [milliseconds(_plain(part).get("timestamp")) for _, part in _parts(data)]
    return max((time for time in times if time is not None), default=None)


_CHARGE = "charge_state"
_DRIVE = "drive_state"
_VEHICLE = "vehicle_state"

# Messages -> where the cloud tells the same; the later ones outdo the earlier ones.
_SECTIONS = {
    "legacy_vehicle_state": _VEHICLE,
    "closures_state": _VEHICLE,
    "tire_pressure_state": _VEHICLE,
    "software_update_state": _VEHICLE,
    "charge_state": _CHARGE,
    "climate_state": "climate_state",
    "drive_state": _DRIVE,
    "location_state": _DRIVE,
}
_ELSEWHERE = {"odometer": _VEHICLE, "homelink_nearby": _VEHICLE}

# What the cloud tells as null, and a car leaves out, while there is none of it.
_DEFAULT_NULL = {
    "drive_state": ("speed", "active_route_destination"),
    "charge_state": (
        "charger_phases",
        "scheduled_charging_start_time",
        "scheduled_departure_time",
    ),
}

# What the cloud calls by another name. Of two, the finer one has the higher number, and
# so comes later.
_NAMES = {
    "charge_rate_mph": "charge_rate",
    "charge_rate_mph_float": "charge_rate",
    "speed_float": "speed",
    "inside_temp_celsius": "inside_temp",
    "outside_temp_celsius": "outside_temp",
    "min_avail_temp_celsius": "min_avail_temp",
    "max_avail_temp_celsius": "max_avail_temp",
    "bioweapon_mode_on": "bioweapon_mode",
    "odometer_in_hundredths_of_a_mile": "odometer",
    "door_open_driver_front": DOORS["front_driver"],
    "door_open_passenger_front": DOORS["front_passenger"],
    "door_open_driver_rear": DOORS["rear_driver"],
    "door_open_passenger_rear": DOORS["rear_passenger"],
    "door_open_trunk_front": "ft",
    "door_open_trunk_rear": "rt",
    "window_open_driver_front": WINDOWS["front_driver"],
    "window_open_passenger_front": WINDOWS["front_passenger"],
    "window_open_driver_rear": WINDOWS["rear_driver"],
    "window_open_passenger_rear": WINDOWS["rear_passenger"],
    "sentry_mode_state": "sentry_mode",
    "software_update_state": "software_update",
}


def _words(prefix: str, *words: str) -> Reader:
    """Read the number of a word as the word."""
    return enum_map({f"{prefix}{word}": word for word in words})


def _level(is_open: object) -> object:
    return int(is_open) if isinstance(is_open, bool) else None


def _known(word: object) -> object:
    return None if word == "Unknown" else word


def _kind(word: object) -> object:
    return "<invalid>" if word == "SNA" else word


def _part_of(per_one: int) -> Callable[[object], object]:
    def read(value: object) -> object:
        return value / per_one if isinstance(value, int) else None

    return read


# How the cloud words it, by the cloud's names.
_READ: Mapping[str, Callable[[object], object]] = {
    **dict.fromkeys((*DOORS.values(), *WINDOWS.values(), "ft", "rt"), _level),
    "charging_state": _known,
    "conn_charge_cable": _kind,
    "fast_charger_type": _kind,
    "scheduled_charging_mode": _words(
        "ScheduledChargingMode", "Off", "StartAt", "DepartBy"
    ),
    "scheduled_departure_time": _part_of(1000),
    "climate_keeper_mode": enum_map(
        {"Off": "off", "On": "keep", "Dog": "dog", "Party": "camp"}
    ),
    "defrost_mode": enum_map({"Off": 0, "Normal": 1, "Max": 2}),
    "cabin_overheat_protection": _words(
        "CabinOverheatProtection", "Off", "On", "FanOnly"
    ),
    "cop_activation_temperature": _words("CopActivationTemp", "Low", "Medium", "High"),
    "steering_wheel_heat_level": enum_map(
        {"StwHeatLevel_Off": 0, "StwHeatLevel_Low": 1, "StwHeatLevel_High": 3}
    ),
    "odometer": _part_of(100),
    "sun_roof_state": enum_map({"Closed": "closed", "Open": "open", "Vent": "vent"}),
    "sentry_mode": enum_map(
        {"Off": False}
        | dict.fromkeys(("Idle", "Armed", "Aware", "Panic", "Quiet"), True)
    ),
    "dashcam_state": enum_map(
        {
            f"DashCamState_{word.upper()}": word
            for word in ("Recording", "Available", "Paused", "Unavailable")
        }
    ),
    "status": enum_map(
        {
            "Available": "available",
            "Scheduled": "scheduled",
            "Installing": "installing",
            "Downloading": "downloading",
            "DownloadingWifiWait": "downloading_wifi_wait",
        }
    ),
}


def _fields_of(name: str) -> frozenset[str]:
    """Return the fields that a message has a place for."""
    message = VehicleData.DESCRIPTOR.fields_by_name[name].message_type
    keys = {_NAMES.get(field.name, field.name) for field in message.fields}
    if name == "software_update_state":
        keys = {"software_update"}
    if "active_route_coordinates" in keys:
        keys |= {"active_route_latitude", "active_route_longitude"}
    places = {(_ELSEWHERE.get(key, _SECTIONS[name]), key) for key in keys}
    return frozenset(
        field
        for field, place in FIELDS.items()
        if (place.section, place.key.split(".")[0]) in places
    )


# What infotainment is asked for, and which fields each part tells that none before it
# does. Each is asked for by itself: an answer has to fit into one frame of 1,024 bytes,
# and cars have been seen to refuse two in one. What matters most comes first.
DATA_REQUESTS: dict[BluetoothVehicleData, frozenset[str]] = {
    BluetoothVehicleData.CLOSURES_STATE: _fields_of("closures_state"),
    BluetoothVehicleData.CHARGE_STATE: _fields_of("charge_state"),
    BluetoothVehicleData.CLIMATE_STATE: _fields_of("climate_state"),
    BluetoothVehicleData.DRIVE_STATE: _fields_of("drive_state"),
    BluetoothVehicleData.LOCATION_STATE: _fields_of("location_state"),
    BluetoothVehicleData.TIRE_PRESSURE_STATE: _fields_of("tire_pressure_state"),
    BluetoothVehicleData.SOFTWARE_UPDATE_STATE: _fields_of("software_update_state"),
}
# With the names of what is played it may not fit; nothing else depends on it.
DATA_REQUESTS[BluetoothVehicleData.LEGACY_VEHICLE_STATE] = _fields_of(
    "legacy_vehicle_state"
).difference(*DATA_REQUESTS.values())


def _to_fleet_json(data: VehicleData) -> JsonObject:
    """Return the sections that the cloud would tell."""
    car: dict[str, dict[str, object]] = {}
    for name, part in _parts(data):
        told = _plain(part)
        if name == "software_update_state":
            told = {"software_update": told}
        place = told.pop("active_route_coordinates", None)
        if isinstance(place, dict):
            told |= {f"active_route_{key}": value for key, value in place.items()}
        told = dict.fromkeys(_DEFAULT_NULL.get(name, ())) | told
        for key, value in told.items():
            car.setdefault(_ELSEWHERE.get(key, _SECTIONS[name]), {})[key] = value
    return car


def _parts(data: VehicleData) -> Iterator[tuple[str, Message]]:
    """Return the messages that say something."""
    for name in _SECTIONS:
        part: Message = getattr(data, name)
        if part.ListFields():
            yield name, part


def _plain(message: Message) -> dict[str, object]:
    told: dict[str, object] = {}
    for field, found in message.ListFields():
        if not field.is_repeated:
            name = _NAMES.get(field.name, field.name)
            value = _value(field, found)
            told[name] = _READ[name](value) if name in _READ else value
    return told


def _value(field: FieldDescriptor, value: object) -> object:
    match value:
        case Timestamp():
            return value.seconds * 1000 + value.nanos // 1_000_000
        case Message() if "type" in value.DESCRIPTOR.oneofs_by_name:
            return value.WhichOneof("type")
        case Message():
            return _plain(value)
        case float() if field.cpp_type == FieldDescriptor.CPPTYPE_FLOAT:
            # As many digits as it has: 21.6 rather than 21.600000381469727.
            return float(f"{value:.7g}")
        case int() if field.enum_type is not None:
            known = field.enum_type.values_by_number.get(value)
            return None if known is None else known.name
    return value
