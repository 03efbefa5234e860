"""What a car tells over Bluetooth, read as if the cloud had told it."""

from collections.abc import Iterator, Mapping
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

from ..vehicle.fields import PARKED
from ..vehicle.parsing import lookup, parse_milliseconds, parse_text
from ..vehicle.state import FIELDS, ConnectivityState, parse_bluetooth_fields

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
_CLOSURES: Mapping[str, str] = {
    name: spec.closure for name, spec in FIELDS.items() if spec.closure is not None
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
    """Parse the data of the infotainment computer as changes of a `VehicleState`."""
    messages = {name: _as_dict(message) for name, message in _messages(data)}
    changes = parse_bluetooth_fields(messages)
    if name := parse_text(lookup(messages, _NAME)):
        changes["name"] = name
    return changes


def time_of(data: VehicleData) -> datetime | None:
    """Return when the car took the data (UTC)."""
    times = [
        parse_milliseconds(_as_dict(message).get("timestamp"))
        for _, message in _messages(data)
    ]
    return max((time for time in times if time is not None), default=None)


_MESSAGES = frozenset(
    path.partition(".")[0] for spec in FIELDS.values() for path in spec.bluetooth
)
_NAME = "legacy_vehicle_state.vehicle_name"


def _fields_of(name: str) -> frozenset[str]:
    """Return the fields that a message reports."""
    return frozenset(
        field
        for field, spec in FIELDS.items()
        if any(path.startswith(f"{name}.") for path in spec.bluetooth)
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


def _messages(data: VehicleData) -> Iterator[tuple[str, Message]]:
    """Return the messages that report something, by name."""
    for field, message in data.ListFields():
        if field.name in _MESSAGES and message.ListFields():
            yield field.name, message


def _as_dict(message: Message) -> dict[str, object]:
    return {
        field.name: _value(field, value)
        for field, value in message.ListFields()
        if not field.is_repeated
    }


def _value(field: FieldDescriptor, value: object) -> object:
    match value:
        case Timestamp():
            return value.seconds * 1000 + value.nanos // 1_000_000
        case Message() if "type" in value.DESCRIPTOR.oneofs_by_name:
            return value.WhichOneof("type")
        case Message():
            return _as_dict(value)
        case float() if field.cpp_type == FieldDescriptor.CPPTYPE_FLOAT:
            # As many digits as it has: 21.6 rather than 21.600000381469727.
            return float(f"{value:.7g}")
        case int() if field.enum_type is not None:
            known = field.enum_type.values_by_number.get(value)
            return None if known is None else known.name
    return value
