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

QUIET_ROUNDS = 6
JOB_SECONDS = 0.0005
STUCK_SECONDS = 20.0

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
        self.under_way = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the requests of all aiohttp sessions."""
        ask: Callable[..., Awaitable[aiohttp.ClientResponse]]
        ask = vars(aiohttp.ClientSession)["_request"]

        async def counting(*args: Any, **kwargs: Any) -> aiohttp.ClientResponse:
            self.under_way += 1
            try:
                return await ask(*args, **kwargs)
            finally:
                self.under_way -= 1

        setattr(aiohttp.ClientSession, "_request", counting)  # noqa: B010 - private
        try:
            yield
        finally:
            setattr(aiohttp.ClientSession, "_request", ask)  # noqa: B010 - private


class TimeControl:
    """Advances the clock from timer to timer."""

    def __init__(
        self,
        clock: OffsetClock,
        loop: HarnessLoop,
        traffic: Traffic,
        backstage: PendingWork | None = None,
    ) -> None:
        self.clock = clock
        self.loop = loop
        self.traffic = traffic
        self.backstage = backstage
        self.jumps = 0

    @property
    def waiting(self) -> int:
        """Return the number of requests in progress that are not held."""
        if self.backstage is None:
            return self.traffic.under_way
        unheld = self.traffic.under_way - self.backstage.held
        return max(unheld, 0) + self.backstage.busy

    async def settle(self) -> None:
        """Wait for all work that needs no timer; raise HarnessError on a timeout."""
        begin = _real_monotonic()
        quiet = 0
        while quiet < QUIET_ROUNDS:
            await asyncio.sleep(JOB_SECONDS if self.loop.jobs else 0)
            quiet = quiet + 1 if self.loop.idle and not self.waiting else 0
            if _real_monotonic() - begin > STUCK_SECONDS:
                raise HarnessError(
                    f"nothing comes to rest: {self.waiting} requests and"
                    f" {self.loop.jobs} jobs of threads are under way"
                )

    async def advance(self, until: float) -> None:
        """Advance to the next timer, at most to a monotonic time.

        All work must have settled before, and has settled afterwards.
        """
        due = self.loop.next_due()
        target = until if due is None else min(due, until)
        ahead = target - self.clock.monotonic()
        if ahead > 0:
            await self.pass_time(ahead)
        await self.settle()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.jumps += 1
        self.clock.jump(seconds)

    async def reach(
        self, until: float, seen: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Advance to a monotonic time, timer by timer; call `on_advance` after each."""
        await self.settle()
        while self.clock.monotonic() < until:
            await self.advance(until)
            if seen is not None:
                await seen()

    async def drive[T](self, task: asyncio.Task[T], limit: float) -> T:
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
