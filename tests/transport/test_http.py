"""Tests of HTTP requests to local servers."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
import errno
import gzip
import ipaddress
from pathlib import Path
import socket
import ssl
import time
from typing import Any, override
import zlib

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_reqrep import ConnectionKey
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
import pytest

from custom_components.keycard.transport.http import (
    Failure,
    HttpResult,
    _read_body,
    request,
)

from ..raw_server import Serve, http, sending, serving
from ..request_timeouts import ManualTimeouts

pytestmark = pytest.mark.usefixtures("socket_enabled")


async def request_from(serve: Serve, **kwargs: Any) -> HttpResult:
    """Make one request to a server."""
    async with serving(serve) as port, aiohttp.ClientSession() as session:
        return await request(
            session, "GET", f"http://127.0.0.1:{port}/status", **kwargs
        )


class Names(AbstractResolver):
    """Resolver of every name to localhost."""

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host="127.0.0.1",
                port=port,
                family=socket.AF_INET,
                proto=0,
                flags=0,
            )
        ]

    @override
    async def close(self) -> None:
        pass


@pytest.fixture
async def named_session() -> AsyncGenerator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(resolver=Names())
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


def lookup_of(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Resolve every name to these addresses."""

    async def getaddrinfo(host: str, *args: Any, **kwargs: Any) -> list[Any]:
        try:
            found = [str(ipaddress.ip_address(host))]
        except ValueError:
            found = list(addresses)
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, 0),
            )
            for address in found
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def certificate(folder: Path) -> ssl.SSLContext:
    """Return an SSL context with a self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "elsewhere")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def test_good_answer() -> None:
    answer = await request_from(
        sending(http("200 OK", b"ok", "Content-Type: Text/Plain; charset=utf-8"))
    )
    assert answer.failure is None
    assert (answer.status, answer.content_type, answer.body) == (
        200,
        "text/plain",
        "ok",
    )
    assert answer.location is None
    assert answer.retry_after is None
    assert answer.elapsed >= 0


async def test_family_of_an_open_connection() -> None:
    head = http("200 OK", b"ok")[:-2]
    answer = await request_from(sending(head, b"ok", pause=0.1))
    assert answer.family is socket.AF_INET


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        ("503 Gone", b"upstream connect error", ()),
        ("404 Not Found", b"", ()),
        ("401 Unauthorized", b'{"error":"login_required"}', ()),
        ("204 No Content", b"", ()),
    ],
)
async def test_other_answers(status: str, body: bytes, headers: tuple[str]) -> None:
    answer = await request_from(sending(http(status, body, *headers)))
    assert (answer.failure, answer.status) == (None, int(status[:3]))
    assert answer.body == body.decode()


async def test_redirect_is_reported_and_not_followed() -> None:
    asks = 0

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asks
        asks += 1
        writer.write(http("302 Found", b"", "Location: http://127.0.0.1:1/portal"))
        await writer.drain()

    answer = await request_from(serve)
    assert (answer.status, answer.location) == (302, "http://127.0.0.1:1/portal")
    assert (answer.failure, asks) == (None, 1)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("50400", 50400.0),
        ("  7 ", 7.0),
        ("9" * 30, 2592000.0),
        ("9" * 5000, None),
        ("-5", None),
        ("soon", None),
        ("²", None),
        ("Fri, 32 Foo 2026 99:99:99 GMT", None),
        (format_datetime(datetime(2001, 1, 1, tzinfo=UTC), usegmt=True), 0.0),
        (format_datetime(datetime(9999, 1, 1, tzinfo=UTC), usegmt=True), 2592000.0),
    ],
)
async def test_retry_after(header: str, seconds: float | None) -> None:
    head = http("429 Slow down", b"", f"Retry-After: {header}")
    assert (await request_from(sending(head))).retry_after == seconds


async def test_retry_after_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=14), usegmt=True)
    answer = await request_from(
        sending(http("429 Slow down", b"", f"Retry-After: {date}"))
    )
    assert answer.retry_after == pytest.approx(14 * 3600, abs=5)


@pytest.mark.parametrize("epoch", [False, True])
async def test_retry_after_a_date_with_a_wrong_clock(epoch: bool) -> None:
    there = datetime(2031, 5, 4, tzinfo=UTC)
    then = there + timedelta(minutes=2)
    reset = str(int(then.timestamp())) if epoch else format_datetime(then, usegmt=True)
    head = http(
        "429 Slow down",
        b"",
        f"Retry-After: {reset}\r\nDate: {format_datetime(there, usegmt=True)}",
    )
    assert (await request_from(sending(head))).retry_after == 120


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("käse".encode("latin-1"), "text/plain; charset=latin-1", "k\ufffdse"),
        ("käse".encode(), "text/plain; charset=latin-1", "käse"),
        ("ok".encode("utf-16-le"), "text/plain; charset=utf-16-le", "o\x00k\x00"),
        (b"k\xe4se", "text/plain", "k\ufffdse"),
        (b"ok", "text/plain; charset=klingon", "ok"),
        (b"6f6b", "text/plain; charset=hex", "6f6b"),
        (b"xn--", "text/plain; charset=idna", "xn--"),
        (b"ok", "text/plain; charset=\x00", "ok"),
        (b"ok", ";;;=", "ok"),
        (b"\xff\xfe\x00", "text/plain; charset=undefined", "\ufffd\ufffd\x00"),
    ],
)
async def test_unusual_charsets(body: bytes, content_type: str, text: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n"
    head += f"Content-Type: {content_type}\r\n\r\n"
    if "\x00" in head:
        assert (
            await request_from(sending(head.encode() + body))
        ).failure is Failure.OTHER
        return
    answer = await request_from(sending(head.encode() + body))
    assert (answer.failure, answer.body) == (None, text)


async def test_a_charset_does_not_block_the_loop() -> None:
    """Decoding punycode takes quadratic time."""
    body = b"-" + b"a" * 900_000
    kind = "Content-Type: text/html; charset=punycode"
    began = time.process_time()
    answer = await request_from(
        sending(http("200 OK", body, kind)), max_size=1 << 20, max_body=1 << 20
    )
    assert time.process_time() - began < 2
    assert len(answer.body) == len(body)


@pytest.mark.parametrize(
    ("answer", "status", "failure"),
    [
        (http("200 OK", b"x" * 70000), 200, Failure.TOO_LARGE),
        (http("503 Gone", b"x" * 70000), 503, None),
        (http("200 OK", b"<" * 70000, "Content-Type: text/html"), 200, None),
        (
            http("200 OK", gzip.compress(bytes(10**8)), "Content-Encoding: gzip"),
            200,
            Failure.TOO_LARGE,
        ),
        (http("200 OK", b"plain words", "Content-Encoding: gzip"), 200, Failure.OTHER),
        (
            http("200 OK", zlib.compress(b"ok"), "Content-Encoding: deflate"),
            200,
            None,
        ),
        (http("200 OK", b"ok")[:-1], 200, Failure.RESET),
        (b"HTTP/1.1 200 OK\r\n", None, Failure.RESET),
        (b"", None, Failure.RESET),
        (b"SSH-2.0-OpenSSH\r\n\r\n", None, Failure.OTHER),
        (b"HTTP/1.1 2xx OK\r\n\r\n", None, Failure.OTHER),
        (b"HTTP/1.1 200 OK\r\nNo colon\r\n\r\n", None, Failure.OTHER),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 9000 + b"\r\n\r\n", None, Failure.OTHER),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", None, Failure.OTHER),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\n\r\n", 200, None),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            None,
            Failure.OTHER,
        ),
    ],
)
async def test_broken_answers(
    answer: bytes, status: int | None, failure: Failure | None
) -> None:
    got = await request_from(sending(answer))
    assert (got.status, got.failure) == (status, failure)
    assert len(got.body) <= 4096
    assert got.truncated is (got.body != "" and len(answer) > 5000)


async def test_silent_server_times_out(deadlines: ManualTimeouts) -> None:
    answer = await request_from(
        sending(hang=True, arrived=deadlines.expire), timeout=7.0
    )
    assert (answer.failure, answer.status) == (Failure.TIMEOUT, None)
    assert answer.family is socket.AF_INET
    assert deadlines.delays[0] == 7.0
    assert answer.elapsed >= 0


async def test_slow_body_times_out(
    deadlines: ManualTimeouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def begin(content: aiohttp.StreamReader, limit: int) -> bytes:
        deadlines.expire()
        return await _read_body(content, limit)

    # The head is there when the body begins to be read, and the limit ends.
    monkeypatch.setattr("custom_components.keycard.transport.http._read_body", begin)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"
    answer = await request_from(sending(head, b"x", hang=True))
    assert (answer.failure, answer.status) == (Failure.TIMEOUT, 200)


async def test_cut_connection() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    assert (await request_from(serve)).failure is Failure.RESET


async def test_refused(unused_port: int) -> None:
    async with aiohttp.ClientSession() as session:
        answer = await request(session, "GET", f"http://127.0.0.1:{unused_port}/")
    assert (answer.failure, answer.family) == (Failure.REFUSED, socket.AF_INET)


@pytest.mark.parametrize(
    ("host", "addresses", "failure", "family"),
    [
        ("tesla.example", ["192.0.2.7"], Failure.REFUSED, socket.AF_INET),
        ("tesla.example", ["2001:db8::7"], Failure.REFUSED, socket.AF_INET6),
        ("tesla.example", ["2001:db8::7", "192.0.2.7"], Failure.REFUSED, None),
        ("tesla.example", ["0.0.0.0"], Failure.ADDRESS, socket.AF_INET),
        ("tesla.example", ["192.0.2.7", "::"], Failure.ADDRESS, None),
        ("tesla.example", ["192.168.1.2"], Failure.ADDRESS, socket.AF_INET),
        ("tesla.example", ["172.31.0.1"], Failure.ADDRESS, socket.AF_INET),
        ("tesla.example", ["172.32.0.1"], Failure.REFUSED, socket.AF_INET),
        ("tesla.example", ["fe80::1%2"], Failure.ADDRESS, socket.AF_INET6),
        ("tesla.example", ["fd00::1"], Failure.ADDRESS, socket.AF_INET6),
        ("tesla.example", ["::ffff:10.0.0.1"], Failure.ADDRESS, socket.AF_INET6),
        ("proxy.lan", ["192.168.1.2"], Failure.REFUSED, socket.AF_INET),
        ("proxy", ["192.168.1.2"], Failure.REFUSED, socket.AF_INET),
    ],
)
async def test_addresses_of_a_name(
    *,
    host: str,
    addresses: list[str],
    failure: Failure,
    family: socket.AddressFamily | None,
    unused_port: int,
    named_session: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lookup_of(monkeypatch, *addresses)
    answer = await request(named_session, "GET", f"http://{host}:{unused_port}/")
    assert (answer.failure, answer.family) == (failure, family)


async def test_name_not_found() -> None:
    class Unknown(Names):
        @override
        async def resolve(
            self,
            host: str,
            port: int = 0,
            family: socket.AddressFamily = socket.AF_INET,
        ) -> list[ResolveResult]:
            raise OSError("not known")

    connector = aiohttp.TCPConnector(resolver=Unknown())
    async with aiohttp.ClientSession(connector=connector) as session:
        answer = await request(session, "GET", "https://tesla.example/status")
    assert answer.failure is Failure.NAME


async def test_hanging_lookup(
    named_session: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
    deadlines: ManualTimeouts,
) -> None:
    lookup_of(monkeypatch)
    async with serving(sending(hang=True, arrived=deadlines.expire)) as port:
        answer = await request(named_session, "GET", f"http://tesla.example:{port}/")
    assert answer.failure is Failure.NAME


async def test_certificate_of_another_host(
    tmp_path: Path, named_session: aiohttp.ClientSession
) -> None:
    async with serving(sending(http("200 OK")), ssl=certificate(tmp_path)) as port:
        answer = await request(named_session, "GET", f"https://tesla.example:{port}/")
    assert (answer.failure, answer.status) == (Failure.CERTIFICATE, None)


async def test_certificate_behind_a_null_address(
    tmp_path: Path,
    named_session: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lookup_of(monkeypatch, "0.0.0.0")
    async with serving(sending(http("200 OK")), ssl=certificate(tmp_path)) as port:
        answer = await request(named_session, "GET", f"https://tesla.example:{port}/")
    assert answer.failure is Failure.ADDRESS


@pytest.mark.parametrize(
    ("own_server", "failure"),
    [(True, Failure.CERTIFICATE), (False, Failure.ADDRESS)],
)
async def test_certificate_behind_a_private_address(
    tmp_path: Path,
    named_session: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
    *,
    own_server: bool,
    failure: Failure,
) -> None:
    lookup_of(monkeypatch, "192.168.1.5")
    async with serving(sending(http("200 OK")), ssl=certificate(tmp_path)) as port:
        url = f"https://proxy.example:{port}/"
        answer = await request(named_session, "GET", url, own_server=own_server)
    assert answer.failure is failure


async def test_plain_text_instead_of_tls() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(http("400 Bad", b"no TLS here"))
        await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, aiohttp.ClientSession() as session:
        answer = await request(session, "GET", f"https://127.0.0.1:{port}/")
    assert answer.failure is Failure.CERTIFICATE


@pytest.mark.parametrize(
    "url",
    ["", "status", "ftp://tesla.example/", "http://", "http://[::/", "http://a:99999/"],
)
async def test_invalid_urls_are_failures(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        assert (await request(session, "GET", url)).failure is Failure.OTHER


async def test_closed_session() -> None:
    session = aiohttp.ClientSession()
    await session.close()
    assert (await request(session, "GET", "http://127.0.0.1/")).failure is Failure.OTHER


KEY = ConnectionKey("tesla.example", 443, True, True, None, None, None)


@pytest.mark.parametrize(
    ("err", "failure"),
    [
        (
            aiohttp.ClientConnectorError(KEY, OSError(errno.EHOSTUNREACH, "no route")),
            Failure.REFUSED,
        ),
        (
            aiohttp.ClientConnectorError(KEY, OSError(errno.ENETUNREACH, "no net")),
            Failure.REFUSED,
        ),
        (aiohttp.ClientConnectorError(KEY, OSError("Multiple")), Failure.REFUSED),
        (
            aiohttp.ClientConnectorError(KEY, OSError(errno.ETIMEDOUT, "late")),
            Failure.TIMEOUT,
        ),
        (aiohttp.ClientConnectorError(KEY, TimeoutError()), Failure.TIMEOUT),
        (aiohttp.ClientConnectorError(KEY, ConnectionResetError()), Failure.RESET),
        (
            aiohttp.ClientConnectorError(KEY, OSError(errno.ECONNRESET, "reset")),
            Failure.RESET,
        ),
        (
            aiohttp.ClientConnectorError(KEY, OSError(errno.EMFILE, "files")),
            Failure.OTHER,
        ),
        (aiohttp.ClientConnectorSSLError(KEY, ssl.SSLEOFError()), Failure.RESET),
        (aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError()), Failure.CERTIFICATE),
        (aiohttp.ConnectionTimeoutError(), Failure.TIMEOUT),
        (aiohttp.SocketTimeoutError(), Failure.TIMEOUT),
        (aiohttp.ServerDisconnectedError(), Failure.RESET),
        (aiohttp.ClientOSError(errno.ECONNRESET, "reset"), Failure.RESET),
        (aiohttp.ClientOSError(errno.ETIMEDOUT, "late"), Failure.TIMEOUT),
        (OSError(errno.EIO, "odd"), Failure.OTHER),
        (RuntimeError(), Failure.OTHER),
    ],
)
async def test_rare_errors(
    err: Exception, failure: Failure, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(
        _: aiohttp.ClientRequest, __: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        raise err

    lookup_of(monkeypatch, "192.0.2.7")
    async with aiohttp.ClientSession(middlewares=(fail,)) as session:
        answer = await request(session, "POST", "https://tesla.example/")
    assert (answer.failure, answer.status) == (failure, None)


async def test_cancellation_propagates() -> None:
    arrived = asyncio.Event()
    serve = sending(hang=True, arrived=arrived.set)
    async with serving(serve) as port, aiohttp.ClientSession() as session:
        task = asyncio.create_task(request(session, "GET", f"http://127.0.0.1:{port}/"))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
