"""Measure one integration with a number of vehicles in this process.

The clock must be installed before this module is imported; see `harness/clock.py`.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
import logging
from pathlib import Path
import tempfile
import time
from typing import Any
from unittest.mock import patch

from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import Event
from homeassistant.runner import configure_event_loop

from harness import fake_network, time_control
from harness.clock import OffsetClock
from harness.event_loop import HarnessLoop
from harness.home_assistant import HomeAssistantInstance
from harness.ports import reserved_port
from harness.time_control import TimeControl, Traffic
from simulator import Simulator
from simulator.scenarios.scenario import CarSpec, Home

from .month_run import INSTALL, REGION

# Seconds to simulate before the hour: the first calls belong to the set-up.
SETTLING = 300.0


class LongestTurn:
    """Longest turn of the event loop in seconds of processor time."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure the callbacks of all event loops."""
        run = vars(asyncio.Handle)["_run"]

        def timed(handle: asyncio.Handle) -> None:
            before = time.thread_time()
            run(handle)
            self.seconds = max(self.seconds, time.thread_time() - before)

        with patch.object(asyncio.Handle, "_run", timed):
            yield


def measure(name: str, count: int, seconds: float, clock: OffsetClock) -> str:
    """Run an integration with so many vehicles, and return its row of the table."""
    fake_network.install()
    # The simulator answers all vehicles in this process.
    vars(time_control)["SETTLE_TIMEOUT"] = 300.0
    loop = HarnessLoop()
    configure_event_loop(loop)
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(_measure(name, count, seconds, clock, loop))
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def _measure(
    name: str, count: int, seconds: float, clock: OffsetClock, loop: HarnessLoop
) -> str:
    traffic, longest = Traffic(), LongestTurn()
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
        async with Simulator(home, get_time=clock.true_time) as simulator:
            control = TimeControl(clock, loop, traffic, simulator)
            await instance.start()
            logging.getLogger().setLevel(logging.CRITICAL)
            changes = 0

            def count_change(_event: Event[Any]) -> None:
                nonlocal changes
                changes += 1

            try:
                with longest.measured():
                    started = time.process_time()
                    await INSTALL[name](instance.hass, simulator)
                    await control.run_until(clock.monotonic() + 60.0)
                    set_up = time.process_time() - started
                    await control.run_until(clock.monotonic() + SETTLING)
                    requests = simulator.usage.by_endpoint.total()
                    instance.hass.bus.async_listen(EVENT_STATE_CHANGED, count_change)
                    started = time.process_time()
                    await control.run_until(clock.monotonic() + seconds)
                    spent = time.process_time() - started
            finally:
                await instance.stop()
            requests = simulator.usage.by_endpoint.total() - requests
    return (
        f"{set_up:8.2f}  {longest.seconds * 1000:8.0f}  {spent:6.2f}"
        f"  {requests:8}  {changes:13}"
    )
