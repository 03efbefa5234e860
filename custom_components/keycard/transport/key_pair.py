"""Key pair that signs commands, stored in a file."""

import asyncio
import os
from pathlib import Path
import tempfile

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

type PrivateKey = ec.EllipticCurvePrivateKey


class UnusableKeyError(Exception):
    """Raised when the key file cannot be read or written, or holds no usable key."""


async def load_or_create_key(path: Path) -> PrivateKey:
    """Load the key from a file, or create it, readable by its owner only.

    Raises UnusableKeyError. A file with any content is never replaced, as vehicles may
    have its key; an empty one, as left by a full disk, is.
    """
    try:
        return await asyncio.to_thread(_load_or_create, path)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as err:
        raise UnusableKeyError(str(err)) from err


def _load_or_create(path: Path) -> PrivateKey:
    try:
        pem = path.read_bytes()
    except FileNotFoundError:
        pem = b""
    if not pem.strip():
        return _create(path)
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("The file holds a key of another type")
    if not isinstance(key.curve, ec.SECP256R1):
        raise TypeError("The file holds a key on another curve")
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    return key


def _create(path: Path) -> PrivateKey:
    """Create a key and write its file atomically."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    # A temporary file is readable by its owner only from the start.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return key


def public_pem(key: PrivateKey) -> str:
    """Return the public key in PEM, as published on a domain."""
    return (
        key.public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def public_key_hex(key: PrivateKey) -> str:
    """Return the public key in Tesla's format: uncompressed, in hexadecimal."""
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return point.hex()


def matches_public_key(pem: str, key: PrivateKey) -> bool | None:
    """Return whether a PEM is the public key of a key, None if it is no public key."""
    try:
        public_key = load_pem_public_key(pem.encode())
    except ValueError:
        return None
    own = key.public_key()
    return isinstance(public_key, ec.EllipticCurvePublicKey) and (
        public_key.public_numbers() == own.public_numbers()
    )
