"""Moves the clock on, but only while nobody waits for an answer.

A jump while a request is under way would make it time out for no fault of the host.
So the clock jumps when all that is left to wait for are timers, and requests that
the simulator holds on purpose.
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

# A clock that no story moves, for what must not take longer than it may.
_real_monotonic = time.perf_counter


class HarnessError(Exception):
    """The stage itself fails, not what is played on it."""


class PendingWork(Protocol):
    """What the simulator tells about the requests that reached it."""

    @property
    def busy(self) -> int:
        """Return how many requests are being answered."""

    @property
    def held(self) -> int:
        """Return how many requests are held on purpose."""


class Traffic:
    """Counts the requests that the clients of this process have under way."""

    def __init__(self) -> None:
        self.under_way = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count every request of every aiohttp session."""
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
    """Lets the story go on, from one timer to the next."""

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
        """Return how many requests are under way that nobody holds on purpose."""
        if self.backstage is None:
            return self.traffic.under_way
        unheld = self.traffic.under_way - self.backstage.held
        return max(unheld, 0) + self.backstage.busy

    async def settle(self) -> None:
        """Let everything finish that needs no more than a moment of real time."""
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
        """Go to the next timer, but not beyond a monotonic time of the story.

        What is under way must have settled before, as it has after this.
        """
        due = self.loop.next_due()
        target = until if due is None else min(due, until)
        ahead = target - self.clock.monotonic()
        if ahead > 0:
            await self.pass_time(ahead)
        await self.settle()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass in which nothing happens."""
        self.jumps += 1
        self.clock.jump(seconds)

    async def reach(
        self, until: float, seen: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Go on until a monotonic time of the story, looking after every timer."""
        await self.settle()
        while self.clock.monotonic() < until:
            await self.advance(until)
            if seen is not None:
                await seen()

    async def drive[T](self, task: asyncio.Task[T], limit: float) -> T:
        """Let time pass until something is done that waits for timers itself.

        Raises TimeoutError when it takes longer than so many seconds of the story.
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
