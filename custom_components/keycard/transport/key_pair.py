"""The key pair that signs commands: made once, kept in a file of the owner's."""

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
    """The file of the key cannot be read or written, or holds something else."""


async def load_key(path: Path) -> PrivateKey:
    """Return the key in a file; make it, for its owner's eyes only, if there is none.

    Raises UnusableKeyError. A file that holds anything is never replaced: cars know
    its key. An empty one is no key: a full disk left it.
    """
    try:
        return await asyncio.to_thread(_load_or_make, path)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as err:
        raise UnusableKeyError(str(err)) from err


def _load_or_make(path: Path) -> PrivateKey:
    try:
        pem = path.read_bytes()
    except FileNotFoundError:
        pem = b""
    if not pem.strip():
        return _make(path)
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("The file holds a key of another kind")
    if not isinstance(key.curve, ec.SECP256R1):
        raise TypeError("The file holds a key of another curve")
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    return key


def _make(path: Path) -> PrivateKey:
    """Make a key, whose file is there whole or not at all."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    # A temporary file is its owner's alone from the start.
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return key


def public_pem(key: PrivateKey) -> str:
    """Return the public half, as a domain shows it."""
    return (
        key.public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def public_key_hex(key: PrivateKey) -> str:
    """Return the public half as the maker names it: uncompressed, in hexadecimal."""
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return point.hex()


def matches_public_key(pem: str, key: PrivateKey) -> bool | None:
    """Return whether a PEM is the public half of a key, None if it is no public key."""
    try:
        shown = load_pem_public_key(pem.encode())
    except ValueError:
        return None
    own = key.public_key()
    return isinstance(shown, ec.EllipticCurvePublicKey) and (
        shown.public_numbers() == own.public_numbers()
    )
