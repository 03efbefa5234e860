"""A server with configurable answers."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TOKEN = "a-token"
DONE = {"response": {"result": True, "reason": ""}}


def replying(status: int, text: str, content_type: str = "application/json") -> Handler:
    """Return a handler with a constant answer."""

    async def handle(_: web.Request) -> web.Response:
        return web.Response(
            status=status, body=text.encode(), headers={"Content-Type": content_type}
        )

    return handle


def saying(body: object, status: int = 200) -> Handler:
    """Return a handler with a constant JSON answer."""

    async def handle(_: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    return handle


async def hang(_: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    return web.Response()


async def drop(request: web.Request) -> web.StreamResponse:
    """Close the connection instead of answering."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def cut(request: web.Request) -> web.StreamResponse:
    """Close the connection in the middle of the body."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = 500
    await response.prepare(request)
    await response.write(b'{"response":')
    return await drop(request)


async def redirecting(_: web.Request) -> web.StreamResponse:
    """Answer with a redirect that preserves the method and body."""
    raise web.HTTPTemporaryRedirect("/elsewhere")


@dataclass
class Cloud:
    """Server with configurable answers."""

    handler: Handler = hang
    late: Callable[[], None] = lambda: None
    """Called when a request arrives that is never answered."""

    seen: list[tuple[str, str, Any]] = field(default_factory=list)
    running: Counter[str] = field(default_factory=Counter)
    most_at_once: int = 0
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        body = await request.json() if request.can_read_body else None
        self.seen.append((request.method, request.path, body))
        car = "".join(request.path.split("/")[4:5])
        self.running[car] += 1
        self.most_at_once = max(self.most_at_once, *self.running.values())
        if self.handler is hang:
            self.late()
        try:
            return await self.handler(request)
        finally:
            self.running[car] -= 1


async def token() -> str:
    """Return the only valid token."""
    return TOKEN
