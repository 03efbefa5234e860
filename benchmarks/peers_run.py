"""Run the story of an outage with one integration in this process.

The clock must be installed before this module is imported; see `harness/clock.py`.
"""

from collections.abc import Callable
import logging
from random import Random

from homeassistant.const import STATE_ON, STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er

from harness import fake_network
from harness.clock import OffsetClock
from harness.environment import ScenarioEnvironment, open_environment
from harness.event_loop import HarnessLoop, open_event_loop
from simulator.scenarios.scenario import CarSpec, Home

from .month_run import REGION, SEED, add_entry, install_tesla_fleet

MINUTE = 60.0
HOSTS = ("all.status", "all.api", "auth.token", "auth.authorize", "controls")
SERVICES = ("teslemetry.api", "tessie.api")
OUTAGE = {f"{REGION}.status": "503 down", f"{REGION}.api": "503 down"}
PROVIDERS = {
    "keycard-watching": "watch_only",
    "keycard-fleet": "fleet",
    "keycard-teslemetry": "teslemetry",
    "keycard-tessie": "tessie",
}


def measure(
    name: str, vehicles: int, outages: int, clock: OffsetClock
) -> dict[str, object]:
    """Run the story with an integration, and return the figures by name."""
    fake_network.install()
    with open_event_loop() as loop:
        return loop.run_until_complete(_measure(name, vehicles, outages, clock, loop))


async def _measure(
    name: str, vehicles: int, outages: int, clock: OffsetClock, loop: HarnessLoop
) -> dict[str, object]:
    cars = tuple(
        CarSpec(name=f"Car {number}", model="model3", year=2022)
        for number in range(vehicles)
    )
    home = Home(region=REGION, cars=cars, provider=PROVIDERS.get(name, Home.provider))
    async with open_environment(
        [home], clock, loop, core_settings={"time_zone": "UTC"}
    ) as environment:
        await environment.instance.start()
        logging.getLogger().setLevel(logging.CRITICAL)
        entry_id = await _install(name, home, environment)
        return await Story(name, entry_id, environment, outages=outages).play()


async def _install(name: str, home: Home, environment: ScenarioEnvironment) -> str:
    """Set an integration up and return the ID of its entry."""
    hass, simulator = environment.instance.hass, environment.simulator
    if name in PROVIDERS:
        await environment.install(home)
        return environment.entries[home.name]
    if name == "tesla_fleet":
        await install_tesla_fleet(hass, simulator, home.name)
    else:
        await add_entry(hass, name, data={"access_token": simulator.tessie_token()})
    (entry,) = hass.config_entries.async_entries(name)
    return entry.entry_id


class Story:
    """A failure of the user's own internet, then outages, the last with a restart."""

    def __init__(
        self,
        name: str,
        entry_id: str,
        environment: ScenarioEnvironment,
        *,
        outages: int,
    ) -> None:
        """Initialize with an integration that is set up."""
        self._outages = outages
        self._random = Random(SEED)
        self._name = name
        self._entry_id = entry_id
        self._environment = environment
        self._simulator = environment.simulator

    @property
    def _hass(self) -> HomeAssistant:
        return self._environment.instance.hass

    async def play(self) -> dict[str, object]:
        """Play the story and return the figures by name."""
        await self._run(10 * MINUTE)
        before = self._usable()
        requests = self._simulator.usage.by_endpoint.total()

        self._simulator.apply(dict.fromkeys((*HOSTS, *SERVICES), "refuse"))
        mistaken = await self._until(lambda: self._alarmed(before), 10 * MINUTE)
        self._simulator.apply(dict.fromkeys((*HOSTS, *SERVICES), "ok"))
        await self._until(lambda: self._well(before), 30 * MINUTE)
        await self._run(10 * MINUTE)

        known, well = [], []
        told, in_it, restarted = "", 0, 0
        for number in range(1, self._outages + 1):
            await self._run(self._random.uniform(10 * MINUTE, 20 * MINUTE))
            self._simulator.apply(OUTAGE)
            seconds = await self._until(lambda: self._alarmed(before), 20 * MINUTE)
            known.append(seconds)
            await self._run(20 * MINUTE - (20 * MINUTE if seconds is None else seconds))
            told, in_it = self._told(before), len(self._usable())
            if number == self._outages:
                await self._environment.restart()
            await self._run(20 * MINUTE)
            restarted = len(self._usable())
            self._simulator.apply(dict.fromkeys(OUTAGE, "ok"))
            well.append(await self._until(lambda: self._well(before), 60 * MINUTE))
        return {
            "name": self._name,
            "known": known,
            "told": told,
            "before": len(before),
            "in_it": in_it,
            "restarted": restarted,
            "well": well,
            "requests": self._simulator.usage.by_endpoint.total() - requests,
            "mistaken": mistaken is not None,
        }

    async def _run(self, seconds: float) -> None:
        await self._environment.run_until(self._environment.monotonic + seconds)

    async def _until(self, holds: Callable[[], bool], limit: float) -> float | None:
        """Let time pass until a condition holds; return the seconds, None if never."""
        start = self._environment.monotonic
        control = self._environment.time_control
        await control.settle()
        while not holds():
            if self._environment.monotonic >= start + limit:
                return None
            await control.advance(start + limit)
        return self._environment.monotonic - start

    def _usable(self) -> frozenset[str]:
        """Return the enabled entities that can be used."""
        registry = er.async_get(self._hass)
        return frozenset(
            entity.entity_id
            for entity in er.async_entries_for_config_entry(registry, self._entry_id)
            if (state := self._hass.states.get(entity.entity_id)) is not None
            and state.state != STATE_UNAVAILABLE
        )

    def _own(self, domain: str, key: str) -> str | None:
        """Return the state of an entity of Keycard's cloud, None without one."""
        entity_id = er.async_get(self._hass).async_get_entity_id(
            domain, "keycard", f"{self._entry_id}_{key}"
        )
        state = self._hass.states.get(entity_id) if entity_id else None
        return None if state is None else state.state

    def _alarmed(self, before: frozenset[str]) -> bool:
        """Return whether an outage can be known.

        Keycard has an entity for it; of any other, lost entities are the only sign.
        """
        if self._name in PROVIDERS:
            return self._own("binary_sensor", "outage") == STATE_ON
        return not before <= self._usable()

    def _well(self, before: frozenset[str]) -> bool:
        """Return whether all entities can be used and no outage is known."""
        return before <= self._usable() and not self._alarmed(before)

    def _told(self, before: frozenset[str]) -> str:
        """Return what an integration tells."""
        if self._name not in PROVIDERS:
            lost = len(before - self._usable())
            return f"{lost} entities are unavailable" if lost else "nothing"
        registry = er.async_get(self._hass)
        keys = {
            state.state
            for entity in er.async_entries_for_config_entry(registry, self._entry_id)
            if entity.unique_id.endswith("_key_to_take")
            and (state := self._hass.states.get(entity.entity_id)) is not None
        }
        status, scope = self._own("sensor", "status"), self._own("sensor", "scope")
        return f"{status} ({scope}), key: {' or '.join(sorted(keys))}"
