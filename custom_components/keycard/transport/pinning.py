"""Certificates of the user's own servers, and their pins."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast, override

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from yarl import URL

from ..const import CONF_FINGERPRINT
from .http import request

_TIMEOUT = 10.0
_NO_FINGERPRINT = bytes(hashes.SHA256.digest_size)


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """Certificate of a server; the fingerprint is its SHA-256 in lower case."""

    fingerprint: str
    subject: str
    expires: datetime | None = None


class CertificatePin(aiohttp.Fingerprint):
    """Accepts one certificate, regardless of its name and date, before sending.

    `rejected` is the last other certificate that the server presented.
    """

    def __init__(self, fingerprint: bytes) -> None:
        """Initialize with the SHA-256 of the certificate."""
        super().__init__(fingerprint)
        self.rejected: Certificate | None = None

    @override
    def check(self, transport: asyncio.Transport) -> None:
        """Raise a ServerFingerprintMismatch for another certificate."""
        try:
            super().check(transport)
        except aiohttp.ServerFingerprintMismatch:
            tls = transport.get_extra_info("ssl_object")
            self.rejected = parse_certificate(tls.getpeercert(binary_form=True))
            raise


class ServerCertificate:
    """Client middleware that tells whether a server's certificate is rejected.

    Without a `pin` it must be one that Home Assistant accepts. A server that does not
    answer changes nothing.
    """

    def __init__(self, url: str, pin: CertificatePin | None) -> None:
        """Initialize with the URL of the user's own server."""
        self.url = url
        self.pin = pin
        self.rejected = False
        self._origin = URL(url).origin()
        self._listeners: list[Callable[[], None]] = []

    def add_listener(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call a listener when `rejected` changes."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def __call__(
        self,
        request: aiohttp.ClientRequest,
        handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]],
    ) -> aiohttp.ClientResponse:
        """Send the request, and note whether the server's certificate is accepted."""
        if request.url.origin() != self._origin:
            return await handler(request)
        try:
            response = await handler(request)
        except (
            aiohttp.ClientConnectorCertificateError,
            aiohttp.ServerFingerprintMismatch,
        ):
            self._set_rejected(rejected=True)
            raise
        self._set_rejected(rejected=False)
        return response

    def _set_rejected(self, *, rejected: bool) -> None:
        if rejected is self.rejected:
            return
        self.rejected = rejected
        for listener in list(self._listeners):
            listener()


class PinnedSession:
    """Session that makes requests only to a server with the pinned certificate."""

    def __init__(self, session: aiohttp.ClientSession, pin: CertificatePin) -> None:
        """Initialize with the session that makes the requests."""
        self._session = session
        self._pin = pin

    def request(self, method: str, url: str, **options: Any) -> Any:
        """Make a request as `aiohttp.ClientSession` does."""
        return self._session.request(method, url, **{**options, "ssl": self._pin})


def pin_from_data(data: Mapping[str, Any]) -> CertificatePin | None:
    """Return the pin of a config entry's data, None without one."""
    fingerprint = data.get(CONF_FINGERPRINT)
    return None if fingerprint is None else create_pin(fingerprint)


def create_pin(fingerprint: str) -> CertificatePin:
    """Return the pin of a certificate from its SHA-256 in hexadecimal."""
    return CertificatePin(bytes.fromhex(fingerprint))


def pin_session(
    session: aiohttp.ClientSession, pin: CertificatePin | None
) -> aiohttp.ClientSession:
    """Return a session with a pin, for a library that only calls `request`."""
    if pin is None:
        return session
    return cast(aiohttp.ClientSession, PinnedSession(session, pin))


async def async_fetch_certificate(
    session: aiohttp.ClientSession, url: str
) -> Certificate | None:
    """Fetch the certificate of a server, None if it presents none.

    Nothing is sent: the connection ends after the certificate.
    """
    pin = CertificatePin(_NO_FINGERPRINT)
    try:
        async with (
            asyncio.timeout(_TIMEOUT),
            session.request("HEAD", url, ssl=pin, allow_redirects=False),
        ):
            return None
    except Exception:  # noqa: BLE001 - the rejection is the expected end
        return pin.rejected


async def async_is_accepted(session: aiohttp.ClientSession, url: str) -> bool:
    """Return whether a server answers with a certificate that needs no pin."""
    return (await request(session, "HEAD", url, timeout=_TIMEOUT)).status is not None


def parse_certificate(der: bytes) -> Certificate:
    """Parse a certificate; an invalid one has only a fingerprint."""
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


def format_fingerprint(fingerprint: str) -> str:
    """Return a fingerprint in the common notation AB:CD:..."""
    pairs = (fingerprint[at : at + 2] for at in range(0, len(fingerprint), 2))
    return ":".join(pairs).upper()
