"""Tesla's vehicle command protocol: the computers of a car.

They take and return bytes of a RoutableMessage, independent of the transport.
"""

from .command_decoder import DecodedCommand, UnknownCommandError, decode_commands
from .faults import CommandFault
from .vcsec import Confirmation
from .vehicle_protocol import SendLater, Transport, VehicleComputers, public_keys
from .whitelist import (
    CARD_TIMEOUT,
    Entry,
    Key,
    PairingState,
    Role,
    Whitelist,
    WhitelistError,
    public_point,
)

__all__ = [
    "CARD_TIMEOUT",
    "CommandFault",
    "Confirmation",
    "DecodedCommand",
    "Entry",
    "Key",
    "PairingState",
    "Role",
    "SendLater",
    "Transport",
    "UnknownCommandError",
    "VehicleComputers",
    "Whitelist",
    "WhitelistError",
    "decode_commands",
    "public_keys",
    "public_point",
]
