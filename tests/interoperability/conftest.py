"""Fixtures that skip the timeouts of Bluetooth."""

import asyncio
from collections.abc import Awaitable, Coroutine
import time
from typing import Any, Protocol

import pytest

from harness.clock import OffsetClock
from harness.time_control import TimeControl, Traffic
from simulator import Simulator
from tests.event_loop import CheckedHarnessLoop


class Drive(Protocol):
    """Function that lets time pass until a coroutine is done."""

    def __call__[T](self, what: Coroutine[Any, Any, T]) -> Awaitable[T]:
        """Return the result of the coroutine."""


@pytest.fixture
def drive(world: Simulator, monkeypatch: pytest.MonkeyPatch) -> Drive:
    """Return a function that moves the clock on while only timers are pending."""
    clock = OffsetClock()
    monkeypatch.setattr(time, "time", clock.time)
    monkeypatch.setattr(time, "monotonic", clock.monotonic)

    async def run[T](what: Coroutine[Any, Any, T]) -> T:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CheckedHarnessLoop)
        pace = TimeControl(clock, loop, Traffic(), world)
        return await pace.run_task(loop.create_task(what), 300)

    return run
