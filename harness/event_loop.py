"""Event loop of the harness, with simulated name resolution and connections."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import Context, ContextVar
import selectors
import socket
from typing import Any, Protocol, override
from weakref import WeakSet

from homeassistant.runner import configure_event_loop

type AddressInfo = tuple[
    socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int]
]

# Looks for events before the loop counts as idle, and the seconds between two checks
# while it does not although it is: the kernel, a thread or a process has work.
IDLE_ROUNDS = 6
WAIT_SECONDS = 0.05

# Home Assistant instance of a task, inherited by the tasks and timers it creates.
INSTANCE: ContextVar[object | None] = ContextVar("INSTANCE", default=None)


class Network(Protocol):
    """Name resolution and routing of connections."""

    def resolve(self, host: str) -> str:
        """Return the address of a host; raise socket.gaierror if there is none."""

    def route(self, address: str, port: int) -> tuple[str, int]:
        """Return the loopback address and port of a target; raise OSError if none."""


class _IdleSelector(selectors.DefaultSelector):
    """Selector that tells when the loop has nothing to do, without a turn of the loop.

    `on_wait` is called with whether callbacks are ready, and returns whether it has
    made one ready; it is None while nobody waits.
    """

    on_wait: Callable[[bool], bool] | None = None

    @override
    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """Return the events; look several times before the loop counts as idle."""
        if self.on_wait is None:
            return super().select(timeout)
        busy = timeout is not None and timeout <= 0
        if not busy:
            for _ in range(IDLE_ROUNDS):
                if events := super().select(0):
                    return events
        if self.on_wait(busy):
            return []
        if timeout is None or timeout > WAIT_SECONDS:
            timeout = WAIT_SECONDS
        return super().select(timeout)


class HarnessLoop(asyncio.SelectorEventLoop):
    """Event loop that exposes its next timer and only reaches a simulated network."""

    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        self._idle_selector = _IdleSelector()
        super().__init__(self._idle_selector)
        self._waiters: dict[asyncio.Future[None], Callable[[bool], bool]] = {}
        self.network: Network | None = None
        self.executor_jobs = 0
        self._timers: dict[object, WeakSet[asyncio.TimerHandle]] = {}

    async def wait_for(self, condition: Callable[[bool], bool]) -> None:
        """Wait for a condition that is checked before the loop waits for events.

        It is called with whether callbacks are ready, which the loop does not wait for.
        """
        waiter = self.create_future()
        self._waiters[waiter] = condition
        self._idle_selector.on_wait = self._check_waiters
        try:
            await waiter
        finally:
            del self._waiters[waiter]
            if not self._waiters:
                self._idle_selector.on_wait = None

    def _check_waiters(self, busy: bool) -> bool:
        fulfilled = [
            waiter
            for waiter, condition in self._waiters.items()
            if not waiter.done() and condition(busy)
        ]
        for waiter in fulfilled:
            waiter.set_result(None)
        return bool(fulfilled)

    def next_due(self) -> float | None:
        """Return the loop time of the next timer, None if there is none."""
        if self._scheduled and not self._scheduled[0].cancelled():
            # The list is a heap.
            return self._scheduled[0].when()
        return min(
            (handle.when() for handle in self._scheduled if not handle.cancelled()),
            default=None,
        )

    @property
    def timers(self) -> int:
        """Return the number of timers that have not been canceled."""
        return sum(not handle.cancelled() for handle in self._scheduled)

    @override
    def call_at[*Ts](
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Record the instance of the timer."""
        handle = super().call_at(when, callback, *args, context=context)
        if (instance := INSTANCE.get()) is not None:
            self._timers.setdefault(instance, WeakSet()).add(handle)
        return handle

    async def cancel_all(self, instance: object) -> None:
        """Cancel all timers and tasks of an instance, like the end of its process."""
        for handle in self._timers.pop(instance, ()):
            handle.cancel()
        tasks = [
            task
            for task in asyncio.all_tasks(self)
            if task.get_context().get(INSTANCE) is instance
        ]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @override
    def run_in_executor[*Ts, T](
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Count running executor jobs."""
        future = super().run_in_executor(executor, func, *args)
        self.executor_jobs += 1
        future.add_done_callback(self._job_done)
        return future

    def _job_done(self, _future: asyncio.Future[Any]) -> None:
        self.executor_jobs -= 1

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
        """Resolve a name in the simulated network."""
        if self.network is None or not isinstance(host, str) or is_ip_address(host):
            return await super().getaddrinfo(
                host, port, family=family, type=type, proto=proto, flags=flags
            )
        if family not in {0, socket.AF_INET}:
            raise socket.gaierror(socket.EAI_NONAME, "no address of this family")
        address = self.network.resolve(host)
        kind = type or socket.SOCK_STREAM
        info: AddressInfo = (
            socket.AF_INET,
            socket.SocketKind(kind),
            proto,
            "",
            (address, int(port or 0)),
        )
        return [info]

    @override
    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect to the loopback destination of an address."""
        if self.network is not None and sock.family in {
            socket.AF_INET,
            socket.AF_INET6,
        }:
            address = self.network.route(address[0], address[1])
        await super().sock_connect(sock, address)


@contextmanager
def open_event_loop() -> Iterator[HarnessLoop]:
    """Open the event loop of a program, configured like Home Assistant's own."""
    loop = HarnessLoop()
    configure_event_loop(loop)
    asyncio.set_event_loop(loop)
    try:
        yield loop
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def is_ip_address(host: str) -> bool:
    """Return whether a host is an IP address."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except OSError:
            continue
        return True
    return False
