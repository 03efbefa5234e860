"""A car's computers as a client meets them: Tesla's vehicle command protocol.

Bytes of a RoutableMessage go in and bytes come out; who carries them, the cloud or
Bluetooth, is no matter of this package.
"""

from .command_decoder import Order, UnknownOrderError, orders_in
from .faults import Mishap
from .vcsec import Confirmation
from .vehicle_protocol import Computers, Transport, public_keys
from .whitelist import (
    TAP_TIME,
    Entry,
    Key,
    PairingState,
    Role,
    Whitelist,
    WhitelistError,
    point_of,
)

__all__ = [
    "TAP_TIME",
    "Computers",
    "Confirmation",
    "Entry",
    "Key",
    "Mishap",
    "Order",
    "PairingState",
    "Role",
    "Transport",
    "UnknownOrderError",
    "Whitelist",
    "WhitelistError",
    "orders_in",
    "point_of",
    "public_keys",
]
