"""A day of churn in a real Home Assistant in this process.

The clock must be installed before this module is imported; see `harness/clock.py`.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
import gc
from pathlib import Path
from random import Random
import sys
from typing import Any

from homeassistant.config_entries import ConfigEntryState
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
)

from custom_components.keycard.const import DOMAIN
from custom_components.keycard.notifications import record
from custom_components.keycard.outage import outage_log
from harness import fake_network
from harness.checked_home import CheckedHome, open_home
from harness.clock import OffsetClock
from harness.event_loop import HarnessLoop, open_event_loop
from simulator.scenarios.scenario import CarSpec, Home, PhoneSpec

from .memory import resident_memory

SAMPLE_SECONDS = 1800.0
COMMAND_SECONDS = 60.0
OUTAGE_EVERY = 7  # minutes
OUTAGE_SECONDS = 150.0
RELOAD_EVERY = 15  # minutes
# As many as happen in the first two hours; otherwise the logs grow for long, to their
# limits.
OUTAGES_KEPT = 15
_ACTIONS = ("lock", "unlock", "climate_on", "climate_off", "wake")
_FAILURES = ("refuse", "timeout", "503 Server Maintenance", "reset", "garbage")
_HOME = Home(
    region="eu",
    provider="fleet",
    cars=(
        CarSpec(name="Ada", model="model3", year=2021),
        CarSpec(name="Di", model="modely", year=2023),
    ),
)
_PACKAGE = f"custom_components.{DOMAIN}"


class ChurnRun:
    """A home in which everything happens often."""

    def __init__(self, hours: float, seed: int, clock: OffsetClock) -> None:
        self.done: Counter[str] = Counter()
        self._seconds = hours * 3600.0
        self._random = Random(seed)
        self._clock = clock

    def samples(self) -> Iterator[dict[str, float]]:
        """Yield a sample of all sizes after each half hour."""
        fake_network.install()
        vars(outage_log)["MAX_OUTAGES"] = OUTAGES_KEPT
        vars(record)["MAX_SITUATIONS"] = OUTAGES_KEPT
        with open_event_loop() as loop:
            run = self._run(loop)
            try:
                while True:
                    try:
                        yield loop.run_until_complete(anext(run))
                    except StopAsyncIteration:
                        return
            finally:
                loop.run_until_complete(run.aclose())

    async def _run(self, loop: HarnessLoop) -> AsyncGenerator[dict[str, float]]:
        async with open_home([_HOME], self._clock, loop, phone=PhoneSpec()) as checked:
            paired = [car.name for car in _HOME.cars]
            await checked.install(_HOME, paired)
            await checked.run(120.0)
            end = checked.now + self._seconds
            # A run that is shorter has one sample.
            interval = min(SAMPLE_SECONDS, self._seconds)
            due, minute = checked.now + interval, 0
            while checked.now < end:
                await self._live_minute(checked, minute)
                minute += 1
                if checked.now >= due:
                    due += interval
                    self.done["violations"] = len(checked.violations)
                    yield self._sample(checked, loop)

    async def _live_minute(self, checked: CheckedHome, minute: int) -> None:
        simulator, random = checked.simulator, self._random
        if minute % OUTAGE_EVERY == 0:
            self.done["outages"] += 1
            failure = random.choice(_FAILURES)
            simulator.apply({"all.status": failure, "all.api": failure})
        if minute % OUTAGE_EVERY == OUTAGE_SECONDS // 60:
            simulator.apply({"all.status": "ok", "all.api": "ok"})
        if minute % RELOAD_EVERY == 5:
            self.done["reloads"] += 1
            entry = checked.entry(_HOME)
            entries = checked.instance.hass.config_entries
            await checked.run_task(entries.async_reload(entry.entry_id))
            if entry.state is not ConfigEntryState.LOADED:
                checked.report("no leak of errors", f"reload: {entry.state.value}")
        car = simulator.cars[random.choice(_HOME.cars).name]
        match random.randrange(8):
            case 0:
                car.drive()
            case 1:
                car.plug()
            case 2:
                car.unplug()
            case 3:
                simulator.set(f"car.{car.name}", random.choice(("near", "gone")))
            case 4:
                simulator.set(f"car.{car.name}", random.choice(("asleep", "online")))
            case _:
                car.locked = not car.locked
        self.done["commands"] += 1
        checked.press(random.choice(_ACTIONS), car.name)
        if checked.phone is not None:
            self.done["pushes"] += len(checked.phone.pushed)
            checked.phone.pushed.clear()
            checked.phone.pushed_at.clear()
        await checked.environment.run_until(checked.now + COMMAND_SECONDS)
        checked.forget_locks()
        checked.commands.clear()

    def _sample(self, checked: CheckedHome, loop: HarnessLoop) -> dict[str, float]:
        self.done["requests"] = checked.simulator.usage.by_endpoint.total()
        checked.check_log()
        hass = checked.instance.hass
        gc.collect()
        links = _open_files()
        storage = checked.instance.folder / ".storage"
        return {
            "memory (MB)": resident_memory() / 2**20,
            "memory blocks": sys.getallocatedblocks(),
            "objects of Keycard": sum(
                _module(one).startswith(_PACKAGE) for one in gc.get_objects()
            ),
            "tasks": len(asyncio.all_tasks(loop)),
            "timers": loop.timers,
            "sockets": sum(link.startswith("socket:") for link in links),
            "open files": sum(link.startswith("/") for link in links),
            "listeners": sum(hass.bus.async_listeners().values()),
            "entities": len(er.async_get(hass).entities),
            "devices": len(_devices(hass)),
            "issues": len(ir.async_get(hass).issues),
            "states": len(hass.states.async_entity_ids()),
            "storage (kB)": sum(
                path.stat().st_size for path in storage.iterdir() if path.is_file()
            )
            / 1024,
        }


def _module(value: object) -> str:
    # Some types have a descriptor instead of a name.
    return str(getattr(type(value), "__module__", ""))


def _devices(hass: Any) -> list[object]:
    registry = dr.async_get(hass)
    return [
        device
        for entry in hass.config_entries.async_entries()
        for device in dr.async_entries_for_config_entry(registry, entry.entry_id)
    ]


def _open_files() -> list[str]:
    """Return what the open files of this process are, such as `socket:[1]`."""
    links: list[str] = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(link.readlink()))
        except OSError:
            # It was open for the list itself.
            continue
    return links
