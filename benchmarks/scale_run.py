"""Measure one integration with a number of vehicles in this process.

The clock must be installed before this module is imported; see `harness/clock.py`.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
import gc
import logging
from pathlib import Path
import tempfile
import time
from typing import Any, Protocol
from unittest.mock import patch

from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import Event, callback

from harness import fake_network
from harness.clock import OffsetClock
from harness.event_loop import HarnessLoop, open_event_loop
from harness.home_assistant import HomeAssistantInstance
from harness.ports import reserved_port
from harness.time_control import TimeControl, Traffic
from simulator import Simulator
from simulator.scenarios.scenario import CarSpec, Home

from .month_run import INSTALL, REGION

# Seconds to simulate before the hour: the first calls belong to the set-up.
SETTLING = 300.0
# The simulator answers all vehicles in this process.
SETTLE_TIMEOUT = 300.0

# Whether a callback belongs to the simulator, which is no part of Home Assistant.
_SIMULATOR: ContextVar[bool] = ContextVar("simulator", default=False)


class Handle(Protocol):
    """Callback of an event loop."""

    _context: Context


class LoopTime:
    """Processor time (s) of the event loop's callbacks, without the simulator's.

    Pauses of the garbage collector belong to the whole process.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        """Longest callback, without pauses of the garbage collector."""

        self.longest_pause = 0.0
        self._spent = 0.0
        self._paused = 0.0
        self._paused_at = 0.0
        self._thread_start = 0.0
        self._process_start = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure the callbacks of all event loops."""
        run = vars(asyncio.Handle)["_run"]

        def timed(handle: Handle) -> None:
            before, paused = time.thread_time(), self._paused
            run(handle)
            spent = time.thread_time() - before
            if not handle._context.get(_SIMULATOR, False):  # noqa: SLF001 - no other way
                self._spent += spent
                self.longest = max(self.longest, spent - (self._paused - paused))

        gc.callbacks.append(self._record_pause)
        try:
            with patch.object(asyncio.Handle, "_run", timed):
                yield
        finally:
            gc.callbacks.remove(self._record_pause)

    def _record_pause(self, phase: str, _info: object) -> None:
        if phase == "start":
            self._paused_at = time.thread_time()
            return
        pause = time.thread_time() - self._paused_at
        self._paused += pause
        self.longest_pause = max(self.longest_pause, pause)

    def restart(self) -> None:
        """Start to measure `spent` and `spent_by_process`."""
        self._spent = 0.0
        self._thread_start, self._process_start = (
            time.thread_time(),
            time.process_time(),
        )

    @property
    def spent(self) -> float:
        """Return the processor time since the restart, other threads included."""
        this_thread = time.thread_time() - self._thread_start
        return self._spent + self.spent_by_process - this_thread

    @property
    def spent_by_process(self) -> float:
        """Return the same of the process, with the simulator and the harness."""
        return time.process_time() - self._process_start


def measure(name: str, count: int, seconds: float, clock: OffsetClock) -> str:
    """Run an integration with so many vehicles, and return its row of the table."""
    fake_network.install()
    with open_event_loop() as loop:
        return loop.run_until_complete(_measure(name, count, seconds, clock, loop))


async def _measure(
    name: str, count: int, seconds: float, clock: OffsetClock, loop: HarnessLoop
) -> str:
    traffic, loop_time = Traffic(), LoopTime()
    cars = tuple(
        CarSpec(name=f"Car {number}", model="model3", year=2022)
        for number in range(count)
    )
    with (
        tempfile.TemporaryDirectory(prefix="keycard-scale-") as folder,
        traffic.count_requests(),
        reserved_port() as port,
    ):
        instance = HomeAssistantInstance(Path(folder), loop, port)
        instance.configure(REGION, {"time_zone": "UTC"})
        home = Home(region=REGION, cars=cars)
        token = _SIMULATOR.set(True)
        async with Simulator(home, get_time=clock.true_time) as simulator:
            _SIMULATOR.reset(token)
            control = TimeControl(
                clock, loop, traffic, simulator, settle_timeout=SETTLE_TIMEOUT
            )
            await instance.start()
            logging.getLogger().setLevel(logging.CRITICAL)
            changes = 0

            @callback
            def count_change(_event: Event[Any]) -> None:
                nonlocal changes
                changes += 1

            try:
                with loop_time.measured():
                    loop_time.restart()
                    await INSTALL[name](instance.hass, simulator)
                    await control.run_until(clock.monotonic() + 60.0)
                    set_up = loop_time.spent
                    await control.run_until(clock.monotonic() + SETTLING)
                    requests = simulator.usage.by_endpoint.total()
                    instance.hass.bus.async_listen(EVENT_STATE_CHANGED, count_change)
                    loop_time.restart()
                    await control.run_until(clock.monotonic() + seconds)
                    spent, of_process = loop_time.spent, loop_time.spent_by_process
            finally:
                await instance.stop()
            requests = simulator.usage.by_endpoint.total() - requests
    return (
        f"{set_up:8.2f}  {loop_time.longest * 1000:8.0f}"
        f"  {loop_time.longest_pause * 1000:5.0f}  {spent:6.2f}  {of_process:9.2f}"
        f"  {requests:8}  {changes:13}"
    )
