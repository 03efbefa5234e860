"""The key pair that signs commands: made once, kept in a file of the owner's."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from tesla_fleet_api.exceptions import PrivateKeyError
from tesla_fleet_api.tesla import TeslaBluetooth

type PrivateKey = ec.EllipticCurvePrivateKey


class UnusableKeyError(Exception):
    """The file of the key cannot be read or written, or holds something else."""


async def load_key(path: Path) -> PrivateKey:
    """Return the key in a file; make it, for its owner's eyes only, if there is none.

    Raises UnusableKeyError. A file that is there is never replaced: cars know its key.
    """
    try:
        return await TeslaBluetooth().get_private_key(str(path))
    except (PrivateKeyError, OSError, ValueError, AssertionError, TypeError) as err:
        raise UnusableKeyError(str(err)) from err


def public_pem(key: PrivateKey) -> str:
    """Return the public half, as a domain shows it."""
    return (
        key.public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def public_point(key: PrivateKey) -> str:
    """Return the public half as the maker names it: uncompressed, in hexadecimal."""
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return point.hex()


def is_public_half(pem: str, key: PrivateKey) -> bool | None:
    """Return whether a PEM is the public half of a key, None if it is no public key."""
    try:
        shown = load_pem_public_key(pem.encode())
    except ValueError:
        return None
    own = key.public_key()
    return isinstance(shown, ec.EllipticCurvePublicKey) and (
        shown.public_numbers() == own.public_numbers()
    )
