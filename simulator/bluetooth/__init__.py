"""Cars near a home, heard and connected to over Bluetooth.

Only the radio is simulated: what goes over it are the bytes of the vehicle protocol.
"""

from .adversary import Adversary
from .connection import Connection, ConnectionCutError
from .environment import (
    LIMIT,
    Advertisement,
    BluetoothEnvironment,
    ConnectionRefusedByCarError,
    LinkStatistics,
    NoConnectionLeftError,
    NotInRangeError,
    address_of,
    name_of,
)
from .link_conditions import LinkConditions, LinkConditionsError
from .strangers import Recorder, Replayer, Stranger, broadcaster, denier, impostor

__all__ = [
    "LIMIT",
    "Adversary",
    "Advertisement",
    "BluetoothEnvironment",
    "Connection",
    "ConnectionCutError",
    "ConnectionRefusedByCarError",
    "LinkConditions",
    "LinkConditionsError",
    "LinkStatistics",
    "NoConnectionLeftError",
    "NotInRangeError",
    "Recorder",
    "Replayer",
    "Stranger",
    "address_of",
    "broadcaster",
    "denier",
    "impostor",
    "name_of",
]
