"""The event loop of the stage: it tells what it waits for and who is asked where."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import Context, ContextVar
import socket
from typing import Any, Protocol, override
from weakref import WeakSet

type AddressInfo = tuple[
    socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int]
]


# For whom a task runs: what it begins belongs to the same owner.
OWNER: ContextVar[object | None] = ContextVar("OWNER", default=None)


class Network(Protocol):
    """Who is behind a name, and where a connection really goes."""

    def resolve(self, host: str) -> str:
        """Return the address of a host; raises socket.gaierror."""

    def route(self, address: str, port: int) -> tuple[str, int]:
        """Return the loopback end of an address; raises OSError."""


class HarnessLoop(asyncio.SelectorEventLoop):
    """An event loop that knows its next timer and reaches a pretend internet only."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        super().__init__()
        self.network: Network | None = None
        self.jobs = 0
        self._timers: dict[object, WeakSet[asyncio.TimerHandle]] = {}

    @property
    def idle(self) -> bool:
        """Return whether nothing is to be run but timers of later."""
        return not self._ready and not self.jobs

    def next_due(self) -> float | None:
        """Return when the next timer falls due, in the loop's own time."""
        return min(
            (handle.when() for handle in self._scheduled if not handle.cancelled()),
            default=None,
        )

    @override
    def call_at[*Ts](
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Remember whose timer it is."""
        handle = super().call_at(when, callback, *args, context=context)
        if (owner := OWNER.get()) is not None:
            self._timers.setdefault(owner, WeakSet()).add(handle)
        return handle

    async def end_all_of(self, owner: object) -> None:
        """End the timers and tasks of an owner, as the end of its process would."""
        for handle in self._timers.pop(owner, ()):
            handle.cancel()
        tasks = [
            task
            for task in asyncio.all_tasks(self)
            if task.get_context().get(OWNER) is owner
        ]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @override
    def run_in_executor[*Ts, T](
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Count the jobs that threads do for the loop."""
        future = super().run_in_executor(executor, func, *args)
        self.jobs += 1
        future.add_done_callback(self._job_done)
        return future

    def _job_done(self, _future: asyncio.Future[Any]) -> None:
        self.jobs -= 1

    @override
    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """Look a name up in the pretend internet."""
        if self.network is None or not isinstance(host, str) or literal(host):
            return await super().getaddrinfo(
                host, port, family=family, type=type, proto=proto, flags=flags
            )
        if family not in {0, socket.AF_INET}:
            raise socket.gaierror(socket.EAI_NONAME, "no address of this family")
        address = self.network.resolve(host)
        kind = type or socket.SOCK_STREAM
        found: AddressInfo = (
            socket.AF_INET,
            socket.SocketKind(kind),
            proto,
            "",
            (address, int(port or 0)),
        )
        return [found]

    @override
    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect to the loopback end of an address of the pretend internet."""
        if self.network is not None and sock.family in {
            socket.AF_INET,
            socket.AF_INET6,
        }:
            address = self.network.route(address[0], address[1])
        await super().sock_connect(sock, address)


def literal(host: str) -> bool:
    """Tell whether a host is an address already."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except OSError:
            continue
        return True
    return False
