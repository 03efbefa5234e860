"""A server's certificate that the user trusts: this one and no other."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast, override

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ..const import CONF_FINGERPRINT

_TIMEOUT = 10.0
_NOTHING = bytes(hashes.SHA256.digest_size)


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What a server shows; the fingerprint is its SHA-256, in lower case."""

    fingerprint: str
    subject: str
    expires: datetime | None = None


class Pin(aiohttp.Fingerprint):
    """Accept one certificate, whatever its name and date, before anything is sent.

    `refused` is the other one that the server has shown last.
    """

    def __init__(self, fingerprint: bytes) -> None:
        """Take the SHA-256 of the certificate."""
        super().__init__(fingerprint)
        self.refused: Certificate | None = None
        self._listeners: list[Callable[[], None]] = []

    def add_listener(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have a listener called when another certificate came or went."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @override
    def check(self, transport: asyncio.Transport) -> None:
        """Raise a ServerFingerprintMismatch unless the certificate is the one."""
        try:
            super().check(transport)
        except aiohttp.ServerFingerprintMismatch:
            tls = transport.get_extra_info("ssl_object")
            self._note(read_certificate(tls.getpeercert(binary_form=True)))
            raise
        self._note(None)

    def _note(self, refused: Certificate | None) -> None:
        if refused == self.refused:
            return
        self.refused = refused
        for listener in list(self._listeners):
            listener()


class PinnedSession:
    """A session whose every request goes to a server with the pinned certificate."""

    def __init__(self, session: aiohttp.ClientSession, pin: Pin) -> None:
        """Take the session that makes the requests."""
        self._session = session
        self._pin = pin

    def request(self, method: str, url: str, **options: Any) -> Any:
        """Make a request as `aiohttp.ClientSession` does."""
        return self._session.request(method, url, **{**options, "ssl": self._pin})


def read_pin(data: Mapping[str, Any]) -> Pin | None:
    """Return the pin that an entry's data hold, None without one."""
    fingerprint = data.get(CONF_FINGERPRINT)
    return None if fingerprint is None else pin_of(fingerprint)


def pin_of(fingerprint: str) -> Pin:
    """Return the pin of a certificate, by its SHA-256 in hexadecimal."""
    return Pin(bytes.fromhex(fingerprint))


def pinned(session: aiohttp.ClientSession, pin: Pin | None) -> aiohttp.ClientSession:
    """Return a session for a library that makes requests, and nothing else, with it."""
    if pin is None:
        return session
    return cast(aiohttp.ClientSession, PinnedSession(session, pin))


async def async_read_certificate(
    session: aiohttp.ClientSession, url: str
) -> Certificate | None:
    """Return the certificate that a server shows, None if it shows none.

    Nothing is sent: the connection ends at the certificate.
    """
    pin = Pin(_NOTHING)
    try:
        async with (
            asyncio.timeout(_TIMEOUT),
            session.request("HEAD", url, ssl=pin, allow_redirects=False),
        ):
            return None
    except Exception:  # noqa: BLE001 - being refused is how it ends well
        return pin.refused


def read_certificate(der: bytes) -> Certificate:
    """Read a certificate; one that cannot be parsed has a fingerprint all the same."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(der)
    fingerprint = digest.finalize().hex()
    try:
        parsed = x509.load_der_x509_certificate(der)
        subject = parsed.subject.rfc4514_string()
        expires = parsed.not_valid_after_utc
    except ValueError:
        return Certificate(fingerprint=fingerprint, subject="")
    return Certificate(fingerprint=fingerprint, subject=subject, expires=expires)


def spell_fingerprint(fingerprint: str) -> str:
    """Return a fingerprint as other programs show it: AB:CD:..."""
    pairs = (fingerprint[at : at + 2] for at in range(0, len(fingerprint), 2))
    return ":".join(pairs).upper()
