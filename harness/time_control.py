"""Advance the clock while no request is in progress.

A jump during a request would make it time out. So the clock only jumps while nothing
but timers and requests held by the simulator is pending.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
import time
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp

from .clock import OffsetClock
from .event_loop import HarnessLoop

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTLE_TIMEOUT = 120.0  # real seconds

# Real time, unaffected by jumps of the clock.
_real_monotonic = time.perf_counter


class HarnessError(Exception):
    """Error of the harness itself, not of the code under test."""


class PendingWork(Protocol):
    """Pending work of the simulator."""

    @property
    def busy(self) -> int:
        """Return the number of requests being answered."""

    @property
    def held(self) -> int:
        """Return the number of requests held by a condition."""


class Traffic:
    """Counter of client requests of this process."""

    def __init__(self) -> None:
        self.in_progress = 0

    @contextmanager
    def count_requests(self) -> Iterator[None]:
        """Count the requests of all aiohttp sessions."""
        original: Callable[..., Awaitable[aiohttp.ClientResponse]]
        original = vars(aiohttp.ClientSession)["_request"]

        async def counting(*args: Any, **kwargs: Any) -> aiohttp.ClientResponse:
            self.in_progress += 1
            try:
                return await original(*args, **kwargs)
            finally:
                self.in_progress -= 1

        setattr(aiohttp.ClientSession, "_request", counting)  # noqa: B010 - private
        try:
            yield
        finally:
            setattr(aiohttp.ClientSession, "_request", original)  # noqa: B010 - private


class TimeControl:
    """Advances the clock from timer to timer."""

    def __init__(
        self,
        clock: OffsetClock,
        loop: HarnessLoop,
        traffic: Traffic,
        pending_work: PendingWork | None = None,
        *,
        settle_timeout: float = SETTLE_TIMEOUT,
    ) -> None:
        """Initialize with the real seconds in which all work must settle."""
        self.clock = clock
        self.loop = loop
        self.traffic = traffic
        self.pending_work = pending_work
        self.jumps = 0
        self._settle_timeout = settle_timeout

    @property
    def pending_requests(self) -> int:
        """Return the number of requests in progress that are not held."""
        if self.pending_work is None:
            return self.traffic.in_progress
        not_held = self.traffic.in_progress - self.pending_work.held
        return max(not_held, 0) + self.pending_work.busy

    async def settle(self) -> None:
        """Wait for all work that needs no timer; raise HarnessError on a timeout."""
        deadline = _real_monotonic() + self._settle_timeout
        settled = False

        def is_settled_or_late(busy: bool) -> bool:
            nonlocal settled
            settled = not (busy or self.loop.executor_jobs or self.pending_requests)
            return settled or _real_monotonic() > deadline

        await self.loop.wait_for(is_settled_or_late)
        if not settled:
            raise HarnessError(
                f"not settled: {self.pending_requests} requests and"
                f" {self.loop.executor_jobs} executor jobs in progress"
            )

    async def advance(self, until: float) -> None:
        """Advance to the next timer, at most to a monotonic time.

        All work must have settled before, and has settled afterwards.
        """
        due = self.loop.next_due()
        target = until if due is None else min(due, until)
        seconds = target - self.clock.monotonic()
        if seconds > 0:
            await self.pass_time(seconds)
        await self.settle()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.jumps += 1
        self.clock.jump(seconds)

    async def run_until(
        self, until: float, on_advance: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Advance to a monotonic time, timer by timer; call `on_advance` after each."""
        await self.settle()
        while self.clock.monotonic() < until:
            await self.advance(until)
            if on_advance is not None:
                await on_advance()

    async def advance_until(
        self, holds: Callable[[], bool], limit: float
    ) -> float | None:
        """Advance until a condition holds, and return the seconds that it took.

        Return None if it does not hold after `limit` simulated seconds.
        """
        start = self.clock.monotonic()
        await self.settle()
        while not holds():
            if self.clock.monotonic() >= start + limit:
                return None
            await self.advance(start + limit)
        return self.clock.monotonic() - start

    async def run_task[T](self, task: asyncio.Task[T], limit: float) -> T:
        """Advance until a task is done, and return its result.

        Raise TimeoutError after `limit` simulated seconds.
        """
        end = self.clock.monotonic() + limit
        try:
            while not task.done() and self.clock.monotonic() < end:
                await self.settle()
                if not task.done():
                    await self.advance(end)
            if not task.done():
                raise TimeoutError(f"not done after {limit:.0f} seconds")
            return await task
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
