"""Simulated Bluetooth between a home and its cars.

Only the radio is simulated: it carries the bytes of the vehicle protocol.
"""

from .adversary import Adversary
from .connection import Connection, ConnectionLostError
from .environment import (
    MAX_CONNECTIONS,
    Advertisement,
    BluetoothEnvironment,
    ConnectionRejectedError,
    ConnectionSlotsFullError,
    DeviceNotFoundError,
    LinkStatistics,
    device_address,
    local_name,
)
from .link_conditions import LinkConditions, LinkConditionsError
from .spoofed_devices import (
    RecordingRelay,
    ReplayingDevice,
    SpoofedDevice,
    broadcasting_device,
    rejecting_device,
    spoofed_vehicle,
)

__all__ = [
    "MAX_CONNECTIONS",
    "Adversary",
    "Advertisement",
    "BluetoothEnvironment",
    "Connection",
    "ConnectionLostError",
    "ConnectionRejectedError",
    "ConnectionSlotsFullError",
    "DeviceNotFoundError",
    "LinkConditions",
    "LinkConditionsError",
    "LinkStatistics",
    "RecordingRelay",
    "ReplayingDevice",
    "SpoofedDevice",
    "broadcasting_device",
    "device_address",
    "local_name",
    "rejecting_device",
    "spoofed_vehicle",
]
