"""Measure one integration with a number of vehicles in this process.

The clock must be installed before this module is imported; see `harness/clock.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from datetime import datetime, timedelta
import gc
from itertools import batched, cycle
import logging
from math import ceil
from pathlib import Path
import tempfile
import time
from typing import Any, Protocol
from unittest.mock import patch

from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.event import async_track_time_interval

from custom_components.keycard.vehicle.product_list import MAX_VEHICLES
from harness import fake_network
from harness.clock import OffsetClock
from harness.event_loop import HarnessLoop, open_event_loop
from harness.home_assistant import HomeAssistantInstance
from harness.ports import reserved_port
from harness.time_control import TimeControl, Traffic
from simulator import Simulator
from simulator.scenarios.scenario import CarSpec, Home
from simulator.vehicle.models import build_vin

from .memory import resident_memory
from .month_run import INSTALL as INTEGRATIONS, REGION, Install

MINUTE = 60.0
# Seconds to simulate before the hour: the first calls belong to the set-up.
SETTLING = 300.0
# The simulator answers all vehicles in this process, perhaps on a busy machine.
SETTLE_TIMEOUT = 1800.0

# Whether a callback belongs to the simulator or the harness, not to Home Assistant.
_OUTSIDE: ContextVar[bool] = ContextVar("outside", default=False)


class Handle(Protocol):
    """Callback of an event loop."""

    _context: Context


class LoopTime:
    """Processor time (s) of the event loop's callbacks that are Home Assistant's.

    Pauses of the garbage collector belong to the whole process, and are not included.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        """Longest callback."""

        self.longest_pause = 0.0
        self.garbage = 0
        """Number of objects in cycles that were collected since the restart."""

        self._spent = 0.0
        self._forced = False
        self._paused = 0.0
        self._paused_start = 0.0
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
            if not handle._context.get(_OUTSIDE, False):  # noqa: SLF001 - no other way
                spent -= self._paused - paused
                self._spent += spent
                self.longest = max(self.longest, spent)

        gc.callbacks.append(self._record_pause)
        try:
            with patch.object(asyncio.Handle, "_run", timed):
                yield
        finally:
            gc.callbacks.remove(self._record_pause)

    def _record_pause(self, phase: str, info: Mapping[str, int]) -> None:
        if phase == "start":
            self._paused_at = time.thread_time()
            return
        self.garbage += info["collected"]
        pause = time.thread_time() - self._paused_at
        self._paused += pause
        if not self._forced:
            self.longest_pause = max(self.longest_pause, pause)

    def collect(self) -> None:
        """Collect all garbage, so that it is counted."""
        self._forced = True
        gc.collect()
        self._forced = False

    def restart(self) -> None:
        """Start to measure all but the longest callback and pause."""
        self._spent, self.garbage = 0.0, 0
        self._paused_start = self._paused
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
    def paused(self) -> float:
        """Return the pauses of the garbage collector since the restart."""
        return self._paused - self._paused_start

    @property
    def spent_by_process(self) -> float:
        """Return the same of the process, with the simulator and the harness."""
        return time.process_time() - self._process_start


def measure(
    name: str,
    count: int,
    seconds: float,
    clock: OffsetClock,
    *,
    on_minute: Callable[[], None],
) -> dict[str, float]:
    """Run an integration with so many vehicles, and return the figures by name.

    `on_minute` is called after each simulated minute.
    """
    fake_network.install()
    with open_event_loop() as loop:
        return loop.run_until_complete(
            _measure(name, count, seconds, clock, loop, on_minute=on_minute)
        )


async def _measure(
    name: str,
    count: int,
    seconds: float,
    clock: OffsetClock,
    loop: HarnessLoop,
    *,
    on_minute: Callable[[], None],
) -> dict[str, float]:
    traffic = Traffic()
    homes = build_homes(count)
    with (
        tempfile.TemporaryDirectory(prefix="keycard-scale-") as folder,
        traffic.count_requests(),
        reserved_port() as port,
    ):
        instance = HomeAssistantInstance(Path(folder), loop, port)
        instance.configure(REGION, {"time_zone": "UTC"})
        simulator = Simulator(homes, get_time=clock.true_time)
        with outside():
            await simulator.start()
        control = TimeControl(
            clock, loop, traffic, simulator, settle_timeout=SETTLE_TIMEOUT
        )
        await instance.start()
        logging.getLogger().setLevel(logging.CRITICAL)

        async def install() -> None:
            for home in homes:
                await INSTALL[name](instance.hass, simulator, home.name)

        try:
            return await measure_load(
                install, instance.hass, simulator, control, seconds, on_minute=on_minute
            )
        finally:
            await instance.stop()
            await simulator.stop()


@contextmanager
def outside() -> Iterator[None]:
    """Let what is started count as the simulator's or the harness's."""
    token = _OUTSIDE.set(True)
    try:
        yield
    finally:
        _OUTSIDE.reset(token)


async def measure_load(
    install: Callable[[], Awaitable[None]],
    hass: HomeAssistant,
    simulator: Simulator,
    control: TimeControl,
    seconds: float,
    *,
    on_minute: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """Set an integration up, and return what it and the time after it cost by name.

    The simulator must have been started `outside`. `on_minute` is called after each
    simulated minute.
    """
    context = copy_context()
    context.run(_OUTSIDE.set, True)

    async def run(duration: float) -> None:
        await control.loop.create_task(
            control.run_until(control.clock.monotonic() + duration), context=context
        )

    changes = 0

    @callback
    def count_change(_event: Event[Any]) -> None:
        nonlocal changes
        changes += 1

    loop_time = LoopTime()
    memory, collection_before = resident_memory(), _timed_collection()
    with loop_time.measured():
        loop_time.restart()
        await install()
        await run(MINUTE)
        set_up = loop_time.spent
        on_minute()
        await run(SETTLING)
        loop_time.collect()
        requests = simulator.usage.by_endpoint.total()
        stop_counting = hass.bus.async_listen(EVENT_STATE_CHANGED, count_change)
        loop_time.restart()
        minutes = []
        for _ in range(ceil(seconds / MINUTE)):
            before = loop_time.spent
            await run(MINUTE)
            minutes.append(loop_time.spent - before)
            on_minute()
        spent, paused = loop_time.spent, loop_time.paused
        of_process = loop_time.spent_by_process
        stop_counting()
        loop_time.collect()
    collection_after = _timed_collection()
    return {
        "set_up": set_up,
        "spent": spent,
        "longest_minute": max(minutes),
        "of_process": of_process,
        "longest_block": loop_time.longest * 1000,
        "paused": paused,
        "longest_pause": loop_time.longest_pause * 1000,
        "collection_before": collection_before * 1000,
        "collection_after": collection_after * 1000,
        "garbage": loop_time.garbage,
        "memory": (resident_memory() - memory) / 2**20,
        "requests": simulator.usage.by_endpoint.total() - requests,
        "changes": changes,
    }


def build_homes(
    count: int, *, model: str = "model3", year: int = 2022, provider: str = "compatible"
) -> list[Home]:
    """Return homes with so many vehicles in all, each with its account."""
    cars: dict[str, CarSpec] = {}
    numbers = iter(range(2 * count))
    while len(cars) < count:
        car = CarSpec(name=f"Car {next(numbers)}", model=model, year=year)
        # The VINs of some names are the same.
        cars.setdefault(build_vin(car.name, car.model, car.year), car)
    return [
        Home(name=f"home {number}", region=REGION, cars=some, provider=provider)
        for number, some in enumerate(
            batched(cars.values(), MAX_VEHICLES, strict=False)
        )
    ]


def _timed_collection() -> float:
    """Return the seconds that a collection of all garbage takes."""
    gc.collect()
    before = time.thread_time()
    gc.collect()
    return time.thread_time() - before


async def _install_nothing(
    _hass: HomeAssistant, _simulator: Simulator, _home: str
) -> str:
    """Leave Home Assistant as it is."""
    return ""


async def _install_requests(
    hass: HomeAssistant, simulator: Simulator, home: str
) -> str:
    """Request the status of the host and the products of the account in turn.

    One of them is requested every half minute, and the answer is dropped.
    """
    session = async_get_clientsession(hass)
    headers = {"Authorization": f"Bearer {simulator.tokens[home]}"}
    paths = cycle(("status", "api/1/products"))

    async def request() -> None:
        url = f"{simulator.urls[REGION]}/{next(paths)}"
        async with session.get(url, headers=headers) as response:
            await response.read()

    async def request_on_time(_now: datetime) -> None:
        await request()

    async_track_time_interval(hass, request_on_time, timedelta(seconds=30))
    return ""


INSTALL: dict[str, Install] = {
    **INTEGRATIONS,
    "nothing": _install_nothing,
    "requests": _install_requests,
}
