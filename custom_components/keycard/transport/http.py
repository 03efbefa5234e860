"""Bounded HTTP requests that return a result instead of raising."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from enum import StrEnum
import errno
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
import re
import socket
import ssl
import time
from typing import override

import aiohttp
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import ContentEncodingError
from yarl import URL

MAX_BODY = 4096  # bytes
_LOOKUP_TIMEOUT = 2.0  # seconds, after a failure
_MAX_RETRY_AFTER = 30 * 24 * 3600.0  # seconds

# A larger number is a time since the epoch, not a duration.
_MIN_EPOCH_TIME = 1e9

# Headers with the end of a rate limit, for all or for one category of calls.
_RESET_HEADER = re.compile(r"(?:x-)?ratelimit-(?:[\w-]+-)?reset", re.IGNORECASE)
_RETRY_IN_BODY = re.compile(
    r'retry in (\d{1,9}) seconds?|"after"\s*:\s*(\d{1,9})', re.IGNORECASE
)

# Networks of addresses that block a name. `is_private` would add networks that are
# not used for that, such as those for documentation.
_PRIVATE_V4 = (
    IPv4Network("0.0.0.0/32"),
    IPv4Network("10.0.0.0/8"),
    IPv4Network("127.0.0.0/8"),
    IPv4Network("169.254.0.0/16"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
)
_PRIVATE_V6 = (
    IPv6Network("::/128"),
    IPv6Network("::1/128"),
    IPv6Network("fc00::/7"),
    IPv6Network("fe80::/10"),
)

_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}

# Suffixes of names that may resolve to a private address, such as a proxy at home.
_LOCAL_NAMES = (".arpa", ".home", ".internal", ".lan", ".local", ".localhost")


class Failure(StrEnum):
    """Why a request got no usable answer."""

    REFUSED = "refused"
    RESET = "reset"
    TIMEOUT = "timeout"
    NAME = "name"
    ADDRESS = "address"
    CERTIFICATE = "certificate"
    TOO_LARGE = "too_large"
    OTHER = "other"


_FAILURE_BY_ERRNO = {
    errno.EADDRNOTAVAIL: Failure.REFUSED,
    errno.ECONNABORTED: Failure.RESET,
    errno.ECONNREFUSED: Failure.REFUSED,
    errno.ECONNRESET: Failure.RESET,
    errno.EHOSTUNREACH: Failure.REFUSED,
    errno.ENETUNREACH: Failure.REFUSED,
    errno.EPIPE: Failure.RESET,
    errno.ETIMEDOUT: Failure.TIMEOUT,
}


@dataclass(frozen=True, kw_only=True)
class HttpResult:
    """Result of one request.

    With a `failure`, the other fields hold what was received before it.
    """

    sent_at: float
    """Monotonic time of sending."""

    elapsed: float
    """Seconds until the answer was received or the request failed."""

    status: int | None = None
    content_type: str = ""
    """In lower case, without parameters."""

    body: str = ""
    """At most `max_body` bytes, decoded as UTF-8 with replacement characters."""

    truncated: bool = False
    """Whether `body` is only the beginning."""

    location: str | None = None
    """Target of a redirect, which is never followed."""

    retry_after: float | None = None
    """Seconds."""

    failure: Failure | None = None
    family: socket.AddressFamily | None = None
    """Of the connection, or of the host's addresses if the request failed."""


class RequestFailedError(aiohttp.ClientError):
    """Raised when a recorded request got no usable answer.

    Not an error after which aiohttp would send an idempotent request again.
    """


class RequestWithheldError(RequestFailedError):
    """Raised when a request may no longer be sent."""


class _TooLargeError(Exception):
    """Raised when a body exceeds its maximum size."""


@dataclass(kw_only=True)
class RequestRecord:
    """Result of the request that is made while recording."""

    timeout: Callable[[], float]
    """Return the seconds that a request may take."""

    may_send: Callable[[], bool] = lambda: True
    """Return whether a request may still be sent."""

    answer: HttpResult | None = None

    def check(self) -> None:
        """Raise a RequestWithheldError if no request may be sent."""
        if not self.may_send():
            raise RequestWithheldError("Too late to be sent")


_record: ContextVar[RequestRecord | None] = ContextVar("keycard_record", default=None)


@contextmanager
def recording(
    *,
    timeout: float | Callable[[], float],
    may_send: Callable[[], bool] = lambda: True,
) -> Generator[RequestRecord]:
    """Record the result of the request that the current task makes in this context.

    `timeout` is in seconds and applies to each request; `may_send` returns whether one
    may still be sent.
    """
    seconds = timeout if callable(timeout) else lambda: timeout
    record = RequestRecord(timeout=seconds, may_send=may_send)
    token = _record.set(record)
    try:
        yield record
    finally:
        _record.reset(token)


class RecordingMiddleware:
    """Client middleware that records and bounds answers and rejects redirects.

    For the session of a library that discards bodies of failed requests. `own_host` is
    that of the user's own server, which may have a private address.
    """

    def __init__(
        self,
        *,
        timeout: float = 30.0,
        max_size: int = 1 << 20,
        own_host: str | None = None,
    ) -> None:
        self._timeout = timeout
        self._max_size = max_size
        self._own_host = own_host

    async def __call__(
        self,
        request: aiohttp.ClientRequest,
        handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]],
    ) -> aiohttp.ClientResponse:
        """Send the request once and record its result."""
        record = _record.get() or RequestRecord(timeout=lambda: self._timeout)
        record.check()
        own_server = request.url.host == self._own_host
        pending = _PendingResult(url=request.url, own_server=own_server)
        try:
            async with asyncio.timeout(record.timeout()):
                response = await handler(request)
                body = await pending.read_response(response, self._max_size)
        except RequestWithheldError:
            raise
        except Exception as err:
            record.answer = await pending.to_failed_result(err)
            raise RequestFailedError(f"No answer: {record.answer.failure}") from err
        record.answer = pending.to_result()
        if 300 <= response.status < 400:
            raise RequestFailedError("A redirect is not followed")
        response.content = _body_stream(body)
        # The session determines the response class, so the instance is patched.
        response.get_encoding = _encoding  # type: ignore[method-assign]
        return response


class DeadlineRequest(aiohttp.ClientRequest):
    """Client request that checks its deadline once it has a connection.

    It may have waited long for it.
    """

    @override
    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        """Send the request, unless it is too late."""
        if (record := _record.get()) is not None:
            record.check()
        return await super().send(conn)


async def request(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    timeout: float = 10.0,
    data: Mapping[str, str] | str | None = None,
    headers: Mapping[str, str] | None = None,
    max_size: int = 65536,
    max_body: int = MAX_BODY,
    own_server: bool = False,
) -> HttpResult:
    """Make one request without redirects; errors are in the result.

    At most `max_size` bytes of the body are read, and `max_body` bytes returned. The
    user's own server (`own_server`) may have a private address.
    """
    pending = _PendingResult(url=url, max_body=max_body, own_server=own_server)
    try:
        async with (
            asyncio.timeout(timeout),
            session.request(
                method,
                url,
                data=data,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None),
            ) as response,
        ):
            await pending.read_response(response, max_size)
    except Exception as err:  # noqa: BLE001 - every failure is a result
        return await pending.to_failed_result(err)
    return pending.to_result()


@dataclass(kw_only=True)
class _PendingResult:
    """Result of a request that is under way."""

    url: str | URL
    max_body: int = MAX_BODY
    own_server: bool = False
    sent_at: float = field(init=False)
    status: int | None = None
    content_type: str = ""
    body: str = ""
    truncated: bool = False
    location: str | None = None
    retry_after: float | None = None
    family: socket.AddressFamily | None = None

    def __post_init__(self) -> None:
        self.sent_at = time.monotonic()

    async def read_response(
        self, response: aiohttp.ClientResponse, max_size: int
    ) -> bytes:
        """Read a response up to `max_size` bytes."""
        self.family = _address_family(response)
        self.status = response.status
        content_type = response.headers.get("Content-Type", "")
        self.content_type = content_type.partition(";")[0].strip().lower()[:128]
        self.retry_after = _retry_after_from_headers(response.headers)
        if 300 <= response.status < 400:
            location = response.headers.get("Location", "")
            self.location = location.encode(errors="replace").decode()[:2048] or None
        try:
            body = await _read_body(response.content, max_size)
        except BaseException:
            response.close()
            raise
        self.body = body[: self.max_body].decode(_encoding(), errors="replace")
        if self.status == 429 and self.retry_after is None:
            self.retry_after = _retry_after_from_body(self.body)
        self.truncated = len(body) > self.max_body
        if len(body) > max_size:
            response.close()
            # A long HTML page can still be classified.
            if response.ok and self.content_type != "text/html":
                raise _TooLargeError
        return body

    def to_result(self, failure: Failure | None = None) -> HttpResult:
        """Return the result with the data received so far."""
        return HttpResult(
            sent_at=self.sent_at,
            elapsed=time.monotonic() - self.sent_at,
            status=self.status,
            content_type=self.content_type,
            body=self.body,
            truncated=self.truncated,
            location=self.location,
            retry_after=self.retry_after,
            failure=failure,
            family=self.family,
        )

    async def to_failed_result(self, err: Exception) -> HttpResult:
        """Return the result of a request that raised an error."""
        failure = _classify_error(err)
        answer = self.to_result(failure)
        if self.status is not None:
            return answer
        addresses = await _resolve_addresses(self.url)
        families = {_FAMILIES[address.version] for address in addresses or ()}
        if addresses is None and failure is Failure.TIMEOUT:
            failure = Failure.NAME
        elif any(map(_is_private, addresses or ())) and not (
            self.own_server or _allows_private_address(self.url)
        ):
            failure = Failure.ADDRESS
        return replace(
            answer,
            failure=failure,
            family=families.pop() if len(families) == 1 else None,
        )


async def _read_body(content: aiohttp.StreamReader, max_size: int) -> bytes:
    """Read a body, at most one byte more than the limit."""
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > max_size:
            break
    return bytes(body[: max_size + 1])


def _classify_error(err: Exception) -> Failure:
    """Return the failure for an error."""
    match err:
        case _TooLargeError():
            return Failure.TOO_LARGE
        case aiohttp.ClientConnectorDNSError() | socket.gaierror():
            return Failure.NAME
        case (
            aiohttp.ClientConnectorCertificateError()
            | aiohttp.ServerFingerprintMismatch()
            | ssl.SSLCertVerificationError()
        ):
            return Failure.CERTIFICATE
        case aiohttp.ClientConnectorError():
            return _classify_connection_error(err.os_error)
        case TimeoutError():
            return Failure.TIMEOUT
        case aiohttp.ServerDisconnectedError() | ConnectionError():
            return Failure.RESET
        case aiohttp.ClientPayloadError():
            # Incomplete, or with an invalid content encoding.
            broken = isinstance(err.__cause__, ContentEncodingError)
            return Failure.OTHER if broken else Failure.RESET
        case OSError():
            return _FAILURE_BY_ERRNO.get(err.errno or 0, Failure.OTHER)
        case _:
            return Failure.OTHER


def _classify_connection_error(err: OSError) -> Failure:
    match err:
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError() | ConnectionResetError():
            return Failure.RESET
        case ssl.SSLError():
            # The server is not the host, even without a certificate.
            return Failure.CERTIFICATE
        case TimeoutError():
            return Failure.TIMEOUT
        case OSError(errno=None):
            # Several addresses failed for different reasons.
            return Failure.REFUSED
        case _:
            return _FAILURE_BY_ERRNO.get(err.errno or 0, Failure.OTHER)


async def _resolve_addresses(url: str | URL) -> list[IPv4Address | IPv6Address] | None:
    """Return the addresses of a host, None if it cannot be resolved in time."""
    loop = asyncio.get_running_loop()
    try:
        host = URL(url).host or ""
        async with asyncio.timeout(_LOOKUP_TIMEOUT):
            infos = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return [ip_address(str(entry[4][0]).partition("%")[0]) for entry in infos]
    except Exception:  # noqa: BLE001 - every error means not resolved
        return None


def _is_private(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return any(address in network for network in _PRIVATE_V6)
        address = address.ipv4_mapped
    return any(address in network for network in _PRIVATE_V4)


def _allows_private_address(url: str | URL) -> bool:
    """Return whether a host may have a private address."""
    host = (URL(url).host or "").rstrip(".").lower()
    try:
        ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_LOCAL_NAMES)
    return True


def _address_family(response: aiohttp.ClientResponse) -> socket.AddressFamily | None:
    """Return the address family of an open connection."""
    connection = response.connection
    if connection is None or connection.transport is None:
        return None
    peer = connection.transport.get_extra_info("socket")
    return None if peer is None else socket.AddressFamily(peer.family)


def _retry_after_from_headers(headers: Mapping[str, str]) -> float | None:
    """Return the longest delay that headers request, in seconds."""
    retry_after = headers.get("Retry-After")
    resets = [value for name, value in headers.items() if _RESET_HEADER.fullmatch(name)]
    if retry_after is None and not resets:
        return None
    server_time = _parse_time(headers.get("Date")) or time.time()
    seconds = _parse_retry_after(retry_after, server_time)
    if seconds is not None:
        return seconds
    delays = [_parse_retry_after(reset, server_time) for reset in resets]
    return max((delay for delay in delays if delay is not None), default=None)


def _retry_after_from_body(body: str) -> float | None:
    """Return the delay that a body requests, in seconds."""
    match = _RETRY_IN_BODY.search(body)
    return _parse_retry_after(match[1] or match[2], time.time()) if match else None


def _parse_retry_after(header: str | None, server_time: float) -> float | None:
    """Parse a Retry-After header (seconds or a date) to seconds.

    A date is compared with the server's own time (epoch): the system clock may be
    wrong by days.
    """
    if header is None:
        return None
    if header.strip().isdecimal():
        try:
            seconds = float(int(header))
        except ValueError, OverflowError:
            return None
        if seconds > _MIN_EPOCH_TIME:
            seconds -= server_time
    else:
        if (at := _parse_time(header)) is None:
            return None
        seconds = at - server_time
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER)


def _parse_time(header: str | None) -> float | None:
    """Parse a date of a header to seconds since the epoch."""
    if header is None:
        return None
    try:
        return parsedate_to_datetime(header).timestamp()
    except ValueError, OverflowError, OSError:
        return None


def _encoding() -> str:
    """Return UTF-8 for every body; decoding some other charsets takes minutes."""
    return "utf-8"


def _body_stream(body: bytes) -> aiohttp.StreamReader:
    """Return a stream of a body that was already read."""
    loop = asyncio.get_running_loop()
    stream = aiohttp.StreamReader(BaseProtocol(loop), limit=len(body) + 1, loop=loop)
    stream.feed_data(body)
    stream.feed_eof()
    return stream
