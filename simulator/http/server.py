"""HTTP port that can be closed, held or cut off."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
import json
import socket
import struct
from typing import Literal, override

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from .certificates import CertificateAuthority, SelfSignedCertificate

HOST = "127.0.0.1"
JSON = "application/json"
_KEEPALIVE_SECONDS = 10.0**8  # idle connections survive jumps of the clock
_NOISE = b"\x16\x03\x01\x00\xff\xfe no HTTP \x00\r\n\r\n"
# The header of gzip, and the start of a block of a type that does not exist: some
# decompressors wait for more if a body is too short for a header.
_NO_GZIP = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x07"
_PIECES = 20  # of a reply that takes a time
_END_OF_BODY = b"0\r\n\r\n"
_NO_LINGER = struct.pack("ii", 1, 0)  # no linger: the peer sees a reset


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An HTTP reply or a cut connection.

    `cut` is "" for a complete reply, "before" for none, "middle" for half a body,
    "noise" for bytes that are no HTTP and "encoding" for a body that claims to be
    compressed. `seconds` is the time in which a reply arrives in pieces. `events` are
    the pieces of a body without an end, after the headers.
    """

    status: int = 200
    body: str = ""
    content_type: str = "text/plain"
    headers: dict[str, str] = field(default_factory=dict)
    cut: Literal["", "before", "middle", "noise", "encoding"] = ""
    seconds: float = 0.0
    events: AsyncIterator[str] | None = None


def json_reply(data: object, status: int = 200) -> Reply:
    """Return a JSON reply."""
    body = json.dumps(data, separators=(",", ":"))
    return Reply(status=status, body=body, content_type=JSON)


def failure(status: int, error: str) -> Reply:
    """Return an error in the format of the Fleet API."""
    return json_reply(
        {"response": None, "error": error, "error_description": ""}, status
    )


REFUSED = Reply(cut="before")


class _Connection(RequestHandler):
    """Connection that ignores the end of a body after a request without one.

    aiohttp's client sends it after a GET with `chunked=True`. A server that reads the
    next request after its answer never sees it while a stream lasts.
    """

    @override
    def data_received(self, data: bytes) -> None:
        """Parse data without a stray end of a body."""
        if data.startswith(b"GET ") or data == _END_OF_BODY:
            data = data.removesuffix(_END_OF_BODY)
        if data:
            super().data_received(data)


class _Server(web.Server):
    """Server whose connections ignore a stray end of a body."""

    @override
    def __call__(self) -> RequestHandler:
        """Return the handler of a new connection."""
        return _Connection(self, loop=asyncio.get_running_loop(), **self._kwargs)


@dataclass(kw_only=True)
class Traffic:
    """Counters of requests in progress and of requests held by a condition."""

    busy: int = 0
    held: int = 0

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request as in progress."""
        self.busy += 1
        try:
            yield
        finally:
            self.busy -= 1

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Count the current request as neither in progress nor held."""
        self.busy -= 1
        try:
            yield
        finally:
            self.busy += 1

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Count the current request as held."""
        self.busy -= 1
        self.held += 1
        try:
            yield
        finally:
            self.held -= 1
            self.busy += 1


type ReplyHandler = Callable[[web.BaseRequest], Awaitable[Reply]]


class Listener:
    """HTTP port that keeps its number while it is closed and opened."""

    def __init__(
        self,
        name: str,
        handler: ReplyHandler,
        traffic: Traffic,
        *,
        port: int = 0,
        tls: CertificateAuthority | SelfSignedCertificate | None = None,
    ) -> None:
        self.name = name
        self.port = port
        self.foreign_certificate = False
        self._handler = handler
        self._traffic = traffic
        self._tls = tls
        self._web: web.Server | None = None
        self._server: asyncio.Server | None = None
        self._opening: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None  # bound; listens while open
        self._listening = False
        self._active: set[asyncio.BaseTransport] = set()
        self._streaming: set[asyncio.BaseTransport] = set()
        self._closing: set[asyncio.BaseTransport] = set()

    @property
    def url(self) -> str:
        """Return the base URL."""
        return f"http{'s' if self._tls else ''}://{HOST}:{self.port}"

    def reserve(self) -> None:
        """Reserve the port without listening; raise OSError if it is taken."""
        if self.port:
            # SO_REUSEPORT below would hide that another simulator has the port.
            with socket.socket() as probe:
                probe.bind((HOST, self.port))
        self._socket = _bind(self.port)
        self.port = self._socket.getsockname()[1]

    async def start(self, *, closed: bool) -> None:
        """Start serving, unless the port is closed."""
        self._web = _Server(
            self._handle_request,
            handler_cancellation=True,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            access_log=None,
        )
        if not closed:
            self.open_port()
            await self.settle()

    async def stop(self) -> None:
        """End all connections and release the port."""
        self.close_port()
        await self.settle()
        if self._web is not None:
            self._abort(self._web.connections)
            await self._web.shutdown(0.1)
            self._web = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def settle(self) -> None:
        """Wait until the port is open if it is being opened."""
        if self._opening is not None:
            await asyncio.wait([self._opening])

    def open_port(self) -> None:
        """Listen; connections are queued from now on."""
        if self._listening or self._socket is None or self._web is None:
            return
        self._listening = True
        self._socket.listen(128)
        self._opening = asyncio.create_task(
            self._serve(self._socket, self._web), eager_start=True
        )

    def close_port(self) -> None:
        """Stop listening, keep the port and drop idle connections."""
        if self._listening and self._socket is not None:
            # Both sockets share the port for a moment, so that it is never free.
            listening, self._socket = self._socket, _bind(self.port)
            if self._opening is not None and not self._opening.done():
                self._opening.cancel()
            if self._server is not None:
                self._server.close()
            listening.close()
            self._server, self._listening = None, False
        self.drop_idle()

    def drop_idle(self) -> None:
        """Reset idle connections and streams; close others after their request."""
        if self._web is None:
            return
        self._closing |= self._active
        self._abort(
            connection
            for connection in self._web.connections
            if connection.transport not in self._active
            or connection.transport in self._streaming
        )

    async def _serve(self, sock: socket.socket, server: web.Server) -> None:
        loop = asyncio.get_running_loop()
        tls = None
        if self._tls is not None:
            tls = self._tls.context(lambda: self.foreign_certificate)
        self._server = await loop.create_server(
            server, sock=sock, ssl=tls, start_serving=False
        )
        await self._server.start_serving()

    async def _handle_request(self, request: web.BaseRequest) -> web.StreamResponse:
        transport = request.transport
        if transport is None:
            return web.Response()
        self._active.add(transport)
        try:
            with self._traffic.request():
                reply = await self._handler(request)
                return await self._send(request, reply, transport)
        except ConnectionResetError:
            # The client has closed the connection.
            return web.Response()
        finally:
            self._active.discard(transport)
            self._streaming.discard(transport)
            self._closing.discard(transport)

    async def _send(
        self,
        request: web.BaseRequest,
        reply: Reply,
        transport: asyncio.BaseTransport,
    ) -> web.StreamResponse:
        body = reply.body.encode()
        response = web.StreamResponse(status=reply.status, headers=reply.headers)
        if reply.events is not None:
            response.content_type = reply.content_type
            await response.prepare(request)
            self._streaming.add(transport)
            async for event in reply.events:
                await response.write(event.encode())
            await response.write_eof()
            return response
        if reply.cut == "before":
            _reset(transport)
            return response
        if reply.cut == "noise":
            if isinstance(transport, asyncio.WriteTransport):
                transport.write(_NOISE)
                transport.close()
            return response
        if reply.cut == "encoding":
            response.headers["Content-Encoding"] = "gzip"
            body = _NO_GZIP + body
        if reply.status not in {204, 304}:
            response.content_type = reply.content_type
            if reply.content_type != JSON:
                response.charset = "utf-8"
            response.content_length = len(body)
        if transport in self._closing:
            response.force_close()
        await response.prepare(request)
        if reply.cut == "middle":
            await response.write(body[: len(body) // 2] or b" ")
            _reset(transport)
            return response
        if reply.status not in {204, 304} and request.method != "HEAD":
            await self._write(response, body, reply.seconds)
        await response.write_eof()
        return response

    async def _write(
        self, response: web.StreamResponse, body: bytes, seconds: float
    ) -> None:
        """Write a body, in pieces if it is to take a time."""
        size = len(body) // _PIECES + 1 if seconds else len(body)
        for start in range(0, len(body), size or 1):
            if start:
                # A client that records answers waits for the whole body.
                with self._traffic.hold():
                    await asyncio.sleep(seconds / _PIECES)
            await response.write(body[start : start + size])

    def _abort(self, connections: Iterable[RequestHandler]) -> None:
        for connection in list(connections):
            if connection.transport is not None:
                _reset(connection.transport)


def _bind(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        sock.bind((HOST, port))
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def _reset(transport: asyncio.BaseTransport) -> None:
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
