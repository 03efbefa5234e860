"""Parsing of Bluetooth messages to the fields of a `VehicleState`."""

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

from ..vehicle.api_field import PARKED
from ..vehicle.parsing import lookup, parse_milliseconds, parse_text
from ..vehicle.state import FIELDS, ConnectivityState, parse_bluetooth_fields

# Locked means that it cannot be opened from outside.
_LOCKED: Mapping[int, bool] = {
    VehicleLockState_E.VEHICLELOCKSTATE_UNLOCKED: False,
    VehicleLockState_E.VEHICLELOCKSTATE_LOCKED: True,
    VehicleLockState_E.VEHICLELOCKSTATE_INTERNAL_LOCKED: True,
    VehicleLockState_E.VEHICLELOCKSTATE_SELECTIVE_UNLOCKED: False,
}
# Open means not completely closed. After a failed unlatch it is unknown.
_OPEN: Mapping[int, bool] = {
    ClosureState_E.CLOSURESTATE_CLOSED: False,
    ClosureState_E.CLOSURESTATE_OPEN: True,
    ClosureState_E.CLOSURESTATE_AJAR: True,
    ClosureState_E.CLOSURESTATE_OPENING: True,
    ClosureState_E.CLOSURESTATE_CLOSING: True,
}
_CONNECTIVITY: Mapping[int, ConnectivityState] = {
    VehicleSleepStatus_E.VEHICLE_SLEEP_STATUS_AWAKE: ConnectivityState.ONLINE,
    VehicleSleepStatus_E.VEHICLE_SLEEP_STATUS_ASLEEP: ConnectivityState.ASLEEP,
}
# A vehicle without a sleep status is awake.
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


def parse_status(status: VehicleStatus, *, is_reply: bool = True) -> Mapping[str, Any]:
    """Parse the status of the vehicle security computer as changes of a `VehicleState`.

    A reply omits closed closures, and the gear once the vehicle was parked for a while.
    A broadcast may omit anything, so omitted fields are unknown unless `is_reply`.
    """
    # Unlocked and closed are zero, the same as an unset field.
    if not status.ListFields():
        return {}
    connectivity = _CONNECTIVITY.get(status.vehicleSleepStatus)
    values: dict[str, Any] = {
        "locked": _LOCKED.get(status.vehicleLockState),
        "presence": connectivity,
        "user_present": _USER_PRESENT.get(status.userPresence),
        "shift_state": _GEARS.get(status.gear),
        **_parse_closures(status, is_reply=is_reply),
    }
    changes = {name: value for name, value in values.items() if value is not None}
    unoccupied = (
        changes.get("user_present") is False or connectivity is ConnectivityState.ASLEEP
    )
    if is_reply and unoccupied and not status.gear:
        changes["shift_state"] = PARKED
    if changes.get("shift_state") == PARKED:
        # As in the cloud's data: no speed instead of the last one.
        changes["speed"] = None
    return changes


def _parse_closures(status: VehicleStatus, *, is_reply: bool) -> Mapping[str, Any]:
    closures = {
        name: _OPEN.get(getattr(status.closureStatuses, closure))
        for name, closure in _CLOSURES.items()
    }
    if status.vehicleSleepStatus == VehicleSleepStatus_E.VEHICLE_SLEEP_STATUS_ASLEEP:
        # A sleeping vehicle always reports the charge port as closed, and may report
        # other closures as they were before: only open ones are reliable.
        del closures["port_open"]
        return {name: True for name, is_open in closures.items() if is_open}
    awake = status.vehicleSleepStatus in _AWAKE
    return (
        closures if status.HasField("closureStatuses") or (is_reply and awake) else {}
    )


def parse_data(data: VehicleData) -> Mapping[str, Any]:
    """Parse the data of the infotainment computer as changes of a `VehicleState`."""
    messages = {name: _as_dict(message) for name, message in _messages(data)}
    changes = parse_bluetooth_fields(messages)
    if name := parse_text(lookup(messages, _NAME)):
        changes["name"] = name
    return changes


def data_timestamp(data: VehicleData) -> datetime | None:
    """Return the latest timestamp of the data (UTC)."""
    times = [
        parse_milliseconds(_as_dict(message).get("timestamp"))
        for _, message in _messages(data)
    ]
    return max((time for time in times if time is not None), default=None)


_MESSAGES = frozenset(
    path.partition(".")[0] for spec in FIELDS.values() for path in spec.bluetooth
)
_NAME = "legacy_vehicle_state.vehicle_name"


def _reported_fields(name: str) -> frozenset[str]:
    """Return the fields that a message reports."""
    return frozenset(
        field
        for field, spec in FIELDS.items()
        if any(path.startswith(f"{name}.") for path in spec.bluetooth)
    )


# Requests to infotainment in order of importance, and the fields that each reports and
# none before. Each is sent by itself: a reply must fit into a frame of 1,024 bytes, and
# vehicles have rejected two requests in one.
DATA_REQUESTS: dict[BluetoothVehicleData, frozenset[str]] = {
    BluetoothVehicleData.CLOSURES_STATE: _reported_fields("closures_state"),
    BluetoothVehicleData.CHARGE_STATE: _reported_fields("charge_state"),
    BluetoothVehicleData.CLIMATE_STATE: _reported_fields("climate_state"),
    BluetoothVehicleData.DRIVE_STATE: _reported_fields("drive_state"),
    BluetoothVehicleData.LOCATION_STATE: _reported_fields("location_state"),
    BluetoothVehicleData.TIRE_PRESSURE_STATE: _reported_fields("tire_pressure_state"),
    BluetoothVehicleData.SOFTWARE_UPDATE_STATE: _reported_fields(
        "software_update_state"
    ),
}
# With media titles it may not fit; no other request depends on it.
DATA_REQUESTS[BluetoothVehicleData.LEGACY_VEHICLE_STATE] = _reported_fields(
    "legacy_vehicle_state"
).difference(*DATA_REQUESTS.values())


def _messages(data: VehicleData) -> Iterator[tuple[str, Message]]:
    """Yield the messages with values, by name."""
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
            # The precision of a float: 21.6 instead of 21.600000381469727.
            return float(f"{value:.7g}")
        case int() if field.enum_type is not None:
            member = field.enum_type.values_by_number.get(value)
            return None if member is None else member.name
    return value
