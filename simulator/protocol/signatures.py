"""Signatures and encryption with the shared secret of a car and a key."""

from collections.abc import Mapping
import hashlib
import hmac
import secrets
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tesla_protocol.command.signatures_pb2 import Tag

_TAG_LENGTH = 16


def metadata(values: Mapping[int, bytes | int]) -> bytes:
    """Return metadata for signing: tag, length and value, sorted by tag."""
    parts = bytearray()
    for tag in sorted(values):
        value = values[tag]
        packed = struct.pack(">I", value) if isinstance(value, int) else value
        parts += bytes((tag, len(packed))) + packed
    return bytes(parts) + bytes((Tag.TAG_END,))


class SharedSecret:
    """Shared secret of a car and a client."""

    def __init__(self, private_key: ec.EllipticCurvePrivateKey, point: bytes) -> None:
        other = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        exchanged = private_key.exchange(ec.ECDH(), other)
        # The protocol requires SHA-1; the key is only used for this session.
        self._key = hashlib.sha1(exchanged, usedforsecurity=False).digest()[:16]

    def command_tag(self, signed: bytes) -> bytes:
        """Return the HMAC tag of an unencrypted command."""
        return self._tag(b"authenticated command", signed)

    def session_tag(self, signed: bytes) -> bytes:
        """Return the HMAC tag of a session info."""
        return self._tag(b"session info", signed)

    def decrypt(
        self, sealed: bytes, nonce: bytes, tag: bytes, signed_metadata: bytes
    ) -> bytes | None:
        """Return the decrypted payload, None if it was not sealed with this key."""
        try:
            return AESGCM(self._key).decrypt(
                nonce, sealed + tag, hashlib.sha256(signed_metadata).digest()
            )
        except InvalidTag, ValueError:
            return None

    def encrypt(
        self, plain: bytes, signed_metadata: bytes
    ) -> tuple[bytes, bytes, bytes]:
        """Return the sealed payload, the nonce and the tag."""
        nonce = secrets.token_bytes(12)
        sealed = AESGCM(self._key).encrypt(
            nonce, plain, hashlib.sha256(signed_metadata).digest()
        )
        return sealed[:-_TAG_LENGTH], nonce, sealed[-_TAG_LENGTH:]

    def _tag(self, purpose: bytes, signed: bytes) -> bytes:
        key = hmac.new(self._key, purpose, hashlib.sha256).digest()
        return hmac.new(key, signed, hashlib.sha256).digest()
