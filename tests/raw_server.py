"""Local servers that send raw bytes."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

type Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve, **kwargs: Any) -> AsyncGenerator[int]:
    """Serve raw bytes and yield the port."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            await serve(reader, writer)
            writer.close()
        except ConnectionError, asyncio.IncompleteReadError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, **kwargs)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def sending(
    *parts: bytes,
    pause: float = 0.0,
    hang: bool = False,
    arrived: Callable[[], None] = lambda: None,
) -> Serve:
    """Send the parts of an answer one after another; call `arrived` first."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived()
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        if hang:
            await asyncio.Event().wait()

    return serve


def http(status: str, body: bytes = b"", *headers: str) -> bytes:
    """Return the bytes of an HTTP response."""
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
