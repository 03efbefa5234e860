"""What one HTTP request brought, raw and bounded."""

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

import aiohttp
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import ContentEncodingError
from yarl import URL

MAX_BODY = 4096  # bytes
_LOOKUP_TIMEOUT = 2.0  # seconds, after a failure
_RETRY_AFTER_MOST = 30 * 24 * 3600.0  # seconds

# A number beyond this is a time of the clock, no length of time.
_SINCE_1970 = 1e9

# How limits name their end: all together, or each category its own.
_RESET = re.compile(r"(?:x-)?ratelimit-(?:[\w-]+-)?reset", re.IGNORECASE)
_RETRY_IN = re.compile(
    r'retry in (\d{1,9}) seconds?|"after"\s*:\s*(\d{1,9})', re.IGNORECASE
)

# Where no public host lives. Not `is_private`: that holds networks, like those for
# documentation, which nobody uses to block a name.
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

# Names that may well live at a private address, like a proxy's at home.
_LOCAL_NAMES = (".arpa", ".home", ".internal", ".lan", ".local", ".localhost")


class Failure(StrEnum):
    """Why no usable HTTP answer came."""

    REFUSED = "refused"
    RESET = "reset"
    TIMEOUT = "timeout"
    NAME = "name"
    ADDRESS = "address"
    CERTIFICATE = "certificate"
    TOO_LARGE = "too_large"
    OTHER = "other"


_BY_ERRNO = {
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
    """What one request brought.

    Look at `failure` first: beside one, the rest is what had come before it.
    """

    sent_at: float
    """Monotonic time of sending."""

    elapsed: float
    """Seconds until the answer was there or had failed."""

    status: int | None = None
    content_type: str = ""
    """In lower case, without parameters."""

    body: str = ""
    """At most 4 KiB unless more was asked for, decoded leniently as UTF-8."""

    truncated: bool = False
    """Whether the body was longer than what is kept of it."""

    location: str | None = None
    """Where a 3xx points to; it is never followed."""

    retry_after: float | None = None
    """Seconds."""

    failure: Failure | None = None
    family: socket.AddressFamily | None = None
    """Of the connection, if known; after a failure, of the host if it has only one."""


class RequestFailedError(aiohttp.ClientError):
    """A recorded request brought nothing of use.

    No kind of error on which aiohttp would send an idempotent request again.
    """


class RequestWithheldError(RequestFailedError):
    """A request was not sent, since it may not be any more."""


class _TooLargeError(Exception):
    """A body is longer than it may be."""


@dataclass(kw_only=True)
class Record:
    """Holds the answer to the request that is made while recording."""

    timeout: Callable[[], float]
    """Return the seconds that a request may take from now on."""

    may_send: Callable[[], bool] = lambda: True
    """Whether a request may still be sent; checked last."""

    answer: HttpResult | None = None

    def check(self) -> None:
        """Raise a RequestWithheldError if no request may be sent any more."""
        if not self.may_send():
            raise RequestWithheldError("Too late to be sent")


_record: ContextVar[Record | None] = ContextVar("keycard_record", default=None)


@contextmanager
def recording(
    *,
    timeout: float | Callable[[], float],
    may_send: Callable[[], bool] = lambda: True,
) -> Generator[Record]:
    """Collect the answer to the request that the current task makes in here.

    `timeout` are seconds for each request, `may_send` tells whether one may still be
    sent.
    """
    seconds = timeout if callable(timeout) else lambda: timeout
    record = Record(timeout=seconds, may_send=may_send)
    token = _record.set(record)
    try:
        yield record
    finally:
        _record.reset(token)


class Recorder:
    """Client middleware that records answers, bounds them, and refuses redirects.

    For the session of a library that drops the answers it has no use for.
    """

    def __init__(self, *, timeout: float = 30.0, limit: int = 1 << 20) -> None:
        self._timeout = timeout
        self._limit = limit

    async def __call__(
        self,
        request: aiohttp.ClientRequest,
        handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]],
    ) -> aiohttp.ClientResponse:
        """Send the request once and keep its answer."""
        record = _record.get() or Record(timeout=lambda: self._timeout)
        record.check()
        asking = _PendingResult(url=request.url)
        try:
            async with asyncio.timeout(record.timeout()):
                response = await handler(request)
                body = await asking.receive(response, self._limit)
        except RequestWithheldError:
            raise
        except Exception as err:
            record.answer = await asking.failed(err)
            raise RequestFailedError(f"No answer: {record.answer.failure}") from err
        record.answer = asking.answered()
        if 300 <= response.status < 400:
            raise RequestFailedError("A redirect is not followed")
        response.content = _stream(body)
        # The session sets the class of its responses: one is changed in its place.
        response.get_encoding = _encoding  # type: ignore[method-assign]
        return response


def connection_check() -> aiohttp.TraceConfig:
    """Return what checks once more, when there is a connection, before it is used.

    A request may wait long for its connection.
    """

    async def check(*_: object) -> None:
        if (record := _record.get()) is not None:
            record.check()

    config = aiohttp.TraceConfig()
    config.on_connection_create_end.append(check)
    config.on_connection_reuseconn.append(check)
    return config


async def request(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    timeout: float = 10.0,
    data: Mapping[str, str] | str | None = None,
    headers: Mapping[str, str] | None = None,
    limit: int = 65536,
    max_body: int = MAX_BODY,
) -> HttpResult:
    """Make one bounded request that follows no redirect and never raises.

    Of the body at most `kept` bytes are kept.
    """
    asking = _PendingResult(url=url, max_body=max_body)
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
            await asking.receive(response, limit)
    except Exception as err:  # noqa: BLE001 - each way to fail is an answer
        return await asking.failed(err)
    return asking.answered()


@dataclass(kw_only=True)
class _PendingResult:
    """Gathers an answer while its request is under way."""

    url: str | URL
    max_body: int = MAX_BODY
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

    async def receive(self, response: aiohttp.ClientResponse, limit: int) -> bytes:
        """Read a response, but no more than the limit."""
        self.family = _family_of(response)
        self.status = response.status
        content_type = response.headers.get("Content-Type", "")
        self.content_type = content_type.partition(";")[0].strip().lower()[:128]
        self.retry_after = _retry_after(response.headers)
        if 300 <= response.status < 400:
            location = response.headers.get("Location", "")
            self.location = location.encode(errors="replace").decode()[:2048] or None
        try:
            body = await _read(response.content, limit)
        except BaseException:
            response.close()
            raise
        self.body = body[: self.max_body].decode(_encoding(), errors="replace")
        if self.status == 429 and self.retry_after is None:
            self.retry_after = _told_to_retry(self.body)
        self.truncated = len(body) > self.max_body
        if len(body) > limit:
            response.close()
            # A long page is an answer all the same.
            if response.ok and self.content_type != "text/html":
                raise _TooLargeError
        return body

    def answered(self, failure: Failure | None = None) -> HttpResult:
        """Return the answer as far as it came."""
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

    async def failed(self, err: Exception) -> HttpResult:
        """Return the answer to a request that ended in an error."""
        failure = _failure_of(err)
        answer = self.answered(failure)
        if self.status is not None:
            return answer
        addresses = await _addresses_of(self.url)
        families = {_FAMILIES[address.version] for address in addresses or ()}
        if addresses is None and failure is Failure.TIMEOUT:
            failure = Failure.NAME
        elif any(map(_is_private, addresses or ())) and not _may_be_private(self.url):
            failure = Failure.ADDRESS
        return replace(
            answer,
            failure=failure,
            family=families.pop() if len(families) == 1 else None,
        )


async def _read(content: aiohttp.StreamReader, limit: int) -> bytes:
    """Read a body, or so much of it that it is known to be too long."""
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > limit:
            break
    return bytes(body[: limit + 1])


def _failure_of(err: Exception) -> Failure:
    """Tell why a request ended in an error."""
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
            return _failure_to_connect(err.os_error)
        case TimeoutError():
            return Failure.TIMEOUT
        case aiohttp.ServerDisconnectedError() | ConnectionError():
            return Failure.RESET
        case aiohttp.ClientPayloadError():
            # Cut short, or packed in a way that nobody can unpack.
            broken = isinstance(err.__cause__, ContentEncodingError)
            return Failure.OTHER if broken else Failure.RESET
        case OSError():
            return _BY_ERRNO.get(err.errno or 0, Failure.OTHER)
        case _:
            return Failure.OTHER


def _failure_to_connect(err: OSError) -> Failure:
    match err:
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError() | ConnectionResetError():
            return Failure.RESET
        case ssl.SSLError():
            # No certificate was seen, but whoever speaks there is not the host.
            return Failure.CERTIFICATE
        case TimeoutError():
            return Failure.TIMEOUT
        case OSError(errno=None):
            # Several addresses failed, each for a reason of its own.
            return Failure.REFUSED
        case _:
            return _BY_ERRNO.get(err.errno or 0, Failure.OTHER)


async def _addresses_of(url: str | URL) -> list[IPv4Address | IPv6Address] | None:
    """Return the addresses of a host, None if its name leads nowhere in time."""
    loop = asyncio.get_running_loop()
    try:
        host = URL(url).host or ""
        async with asyncio.timeout(_LOOKUP_TIMEOUT):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    except Exception:  # noqa: BLE001 - whatever it is, the name leads nowhere
        return None


def _is_private(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return any(address in network for network in _PRIVATE_V6)
        address = address.ipv4_mapped
    return any(address in network for network in _PRIVATE_V4)


def _may_be_private(url: str | URL) -> bool:
    """Return whether a private address is no surprise for a host."""
    host = (URL(url).host or "").rstrip(".").lower()
    try:
        ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_LOCAL_NAMES)
    return True


def _family_of(response: aiohttp.ClientResponse) -> socket.AddressFamily | None:
    """Return the family of a connection that is still at hand."""
    connection = response.connection
    if connection is None or connection.transport is None:
        return None
    peer = connection.transport.get_extra_info("socket")
    return None if peer is None else socket.AddressFamily(peer.family)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds headers ask to wait, the longest of several."""
    if (told := _seconds(headers.get("Retry-After"))) is not None:
        return told
    resets = [
        _seconds(value) for name, value in headers.items() if _RESET.fullmatch(name)
    ]
    return max((reset for reset in resets if reset is not None), default=None)


def _told_to_retry(body: str) -> float | None:
    """Return for how many seconds a body asks to wait."""
    told = _RETRY_IN.search(body)
    return _seconds(told[1] or told[2]) if told else None


def _seconds(header: str | None) -> float | None:
    """Read a Retry-After, which is seconds or a date."""
    if header is None:
        return None
    try:
        if header.strip().isdecimal():
            seconds = float(int(header))
            if seconds > _SINCE_1970:
                seconds -= time.time()
        else:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
    except ValueError, OverflowError, OSError:
        return None
    return min(max(seconds, 0.0), _RETRY_AFTER_MOST)


def _encoding() -> str:
    """Return how every body is decoded, whatever its charset: some take minutes."""
    return "utf-8"


def _stream(body: bytes) -> aiohttp.StreamReader:
    """Return a stream that holds a body which was read before."""
    loop = asyncio.get_running_loop()
    stream = aiohttp.StreamReader(BaseProtocol(loop), limit=len(body) + 1, loop=loop)
    stream.feed_data(body)
    stream.feed_eof()
    return stream
