"""Private members of the library that this package overrides or uses.

A range of versions is accepted, and a newer one may lack some of them.
"""

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric import ec
import tesla_fleet_api
from tesla_fleet_api.tesla import TeslaBluetooth
from tesla_fleet_api.tesla.vehicle.bluetooth import VehicleBluetooth
from tesla_fleet_api.tesla.vehicle.commands import Session
from tesla_protocol.command.universal_message_pb2 import Domain

LIBRARY_VERSION = tesla_fleet_api.__version__

_VIN = "5YJ30123456789ABC"

REQUIRED_MEMBERS: Mapping[type, frozenset[str]] = {
    VehicleBluetooth: frozenset(
        {
            "_authenticate_session_info",
            "_command",
            "_default_timeout",
            "_ensure_handshake",
            "_from_destination",
            "_getInfotainment",
            "_getVehicleSecurity",
            "_handshake",
            "_on_message",
            "_public_key",
            "_queues",
            "_resolve_timeout",
            "_send",
            "_sendInfotainment",
            "_sendVehicleSecurity",
            "_sessions",
            "connect_if_needed",
            "validate_msg",
        }
    ),
    Session: frozenset(
        {
            "aes_gcm_personalized",
            "commit",
            "counter",
            "hmac_personalized",
            "publicKey",
            "ready",
        }
    ),
}


def missing_members() -> tuple[str, ...]:
    """Return the names of the members that the installed library lacks."""
    key = ec.generate_private_key(ec.SECP256R1())
    vehicle = VehicleBluetooth(TeslaBluetooth(), _VIN, key)
    session = Session(vehicle, Domain.DOMAIN_VEHICLE_SECURITY)
    return tuple(
        f"{kind.__name__}.{name}"
        for kind, instance in ((VehicleBluetooth, vehicle), (Session, session))
        for name in sorted(REQUIRED_MEMBERS[kind])
        if not hasattr(instance, name)
    )
