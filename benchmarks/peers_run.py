"""Run the story of an outage with one integration in this process.

The clock must be installed before this module is imported; see `harness/clock.py`.
"""

from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
import logging
from random import Random

from homeassistant.config_entries import SOURCE_REAUTH
from homeassistant.const import STATE_ON, STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er

from harness import fake_network
from harness.clock import OffsetClock
from harness.environment import ScenarioEnvironment, open_environment
from harness.event_loop import HarnessLoop, open_event_loop
from simulator.scenarios.scenario import Home

from .month_run import SEED, add_entry, install_tesla_fleet
from .peer_integrations import INTEGRATIONS, Integration
from .peer_result import Load, Nuisance, PeerResult
from .peer_story import CASES, MINUTE, OUTAGE, Case
from .scale_run import SETTLE_TIMEOUT, build_homes, measure_load, outside

NEW_SIGN_IN = "asks for a new sign-in"


def measure(
    name: str,
    vehicles: int,
    outages: int,
    clock: OffsetClock,
    *,
    seconds: float,
    nuisances: bool,
) -> PeerResult:
    """Run the story with an integration; so many seconds of it are measured."""
    fake_network.install()
    with open_event_loop() as loop:
        return loop.run_until_complete(
            _measure(
                name,
                vehicles,
                outages,
                clock,
                loop,
                seconds=seconds,
                nuisances=nuisances,
            )
        )


async def _measure(
    name: str,
    vehicles: int,
    outages: int,
    clock: OffsetClock,
    loop: HarnessLoop,
    *,
    seconds: float,
    nuisances: bool,
) -> PeerResult:
    integration = INTEGRATIONS[name]
    homes = build_homes(
        vehicles,
        model=integration.model,
        year=integration.year,
        provider=integration.provider or Home.provider,
    )
    async with AsyncExitStack() as stack:
        with outside():
            environment = await stack.enter_async_context(
                open_environment(
                    homes,
                    clock,
                    loop,
                    core_settings={"time_zone": "UTC"},
                    settle_timeout=SETTLE_TIMEOUT,
                )
            )
        await environment.instance.start()
        logging.getLogger().setLevel(logging.CRITICAL)
        hass = environment.instance.hass

        async def install() -> None:
            for home in homes:
                await _install(integration, home, environment)

        load = await measure_load(
            install, hass, environment.simulator, environment.time_control, seconds
        )
        entries = hass.config_entries.async_entries(integration.domain)
        story = Story(integration, [one.entry_id for one in entries], environment)
        await story.begin()
        cases = await story.play_nuisances() if nuisances else {}
        known, well = await story.play_outages(outages)
        return PeerResult(
            name=name,
            vehicles=vehicles,
            entities=story.entities,
            known=known,
            told=story.told,
            in_outage=story.in_outage,
            after_restart=story.after_restart,
            well=well,
            load=Load(
                set_up=load["set_up"],
                hour=load["spent"],
                longest_block=load["longest_block"],
                requests=round(load["requests"]),
                state_changes=round(load["changes"]),
                memory=load["memory"],
            ),
            nuisances=cases,
        )


async def _install(
    integration: Integration, home: Home, environment: ScenarioEnvironment
) -> None:
    """Set an integration up for a home."""
    hass, simulator = environment.instance.hass, environment.simulator
    match integration.domain:
        case "keycard":
            await environment.install(home)
        case "tesla_fleet":
            await install_tesla_fleet(hass, simulator, home.name)
        case "teslemetry":
            token = {
                "access_token": "long gone",
                "refresh_token": simulator.teslemetry_refresh_token(home.name),
                "expires_at": 0,
                "expires_in": 28800,
                "token_type": "Bearer",
            }
            data = {"auth_implementation": "teslemetry", "token": token}
            await add_entry(hass, "teslemetry", data=data, version=2)
        case domain:
            data = {"access_token": simulator.tessie_token(home.name)}
            await add_entry(hass, domain, data=data)


class Story:
    """Cases that are no outage, then outages, the last with a restart."""

    def __init__(
        self,
        integration: Integration,
        entry_ids: Sequence[str],
        environment: ScenarioEnvironment,
    ) -> None:
        """Initialize with an integration that is set up."""
        self._random = Random(SEED)
        self._integration = integration
        self._entry_ids = entry_ids
        self._environment = environment
        self._control = environment.time_control
        self._simulator = environment.simulator
        self._before = frozenset[str]()
        self.told = ""
        self.in_outage = self.after_restart = 0

    @property
    def _hass(self) -> HomeAssistant:
        return self._environment.instance.hass

    @property
    def entities(self) -> int:
        """Return the number of entities that could be used in the beginning."""
        return len(self._before)

    async def begin(self) -> None:
        """Look at what can be used while all is well."""
        await self._run(10 * MINUTE)
        self._before = self._usable()

    async def play_nuisances(self) -> dict[str, Nuisance]:
        """Play the cases that can occur with the integration."""
        cars = tuple(self._simulator.cars)
        found = {}
        for name, case in CASES.items():
            conditions = case.apply_to(self._integration, cars)
            if conditions:
                found[name] = await self._play_case(case, conditions)
        return found

    async def _play_case(self, case: Case, conditions: dict[str, str]) -> Nuisance:
        await self._run(10 * MINUTE)
        end = self._environment.monotonic + case.minutes * MINUTE
        self._simulator.apply(conditions)
        alarm = await self._control.advance_until(self._alarmed, case.minutes * MINUTE)
        await self._environment.run_until(end)
        known = self._known()
        self._simulator.apply(
            {
                subject: "online" if subject.startswith("car.") else "ok"
                for subject in conditions
            }
        )
        seconds = await self._control.advance_until(self._well, 60 * MINUTE)
        well = seconds is not None and not self._reauth_flows()
        if not well:
            await self._repair()
        return Nuisance(alarmed=alarm is not None, known=known, well=well)

    async def play_outages(
        self, count: int
    ) -> tuple[tuple[float | None, ...], tuple[float | None, ...]]:
        """Return the seconds until each is known, and until all is well after it."""
        known, well = [], []
        for number in range(1, count + 1):
            await self._run(self._random.uniform(10 * MINUTE, 20 * MINUTE))
            self._simulator.apply(OUTAGE)
            seconds = await self._control.advance_until(self._alarmed, 20 * MINUTE)
            known.append(seconds)
            await self._run(20 * MINUTE - (20 * MINUTE if seconds is None else seconds))
            self.told, self.in_outage = self._known(), self._usable_of_before()
            if number == count:
                await self._environment.restart()
            await self._run(20 * MINUTE)
            self.after_restart = self._usable_of_before()
            self._simulator.apply(dict.fromkeys(OUTAGE, "ok"))
            well.append(await self._control.advance_until(self._well, 60 * MINUTE))
        return tuple(known), tuple(well)

    async def _repair(self) -> None:
        """Do what the user would have to do, so that the next case begins well."""
        for flow_id in self._reauth_flows():
            self._hass.config_entries.flow.async_abort(flow_id)
        for entry_id in self._entry_ids:
            reload = self._hass.config_entries.async_reload(entry_id)
            task = self._environment.instance.task(reload)
            await self._control.run_task(task, 10 * MINUTE)
        await self._control.advance_until(self._well, 30 * MINUTE)

    async def _run(self, seconds: float) -> None:
        await self._environment.run_until(self._environment.monotonic + seconds)

    def _usable(self) -> frozenset[str]:
        """Return the enabled entities that can be used."""
        return frozenset(
            entity.entity_id
            for entity in self._registered()
            if (state := self._hass.states.get(entity.entity_id)) is not None
            and state.state != STATE_UNAVAILABLE
        )

    def _registered(self) -> Iterator[er.RegistryEntry]:
        registry = er.async_get(self._hass)
        for entry_id in self._entry_ids:
            yield from er.async_entries_for_config_entry(registry, entry_id)

    def _usable_of_before(self) -> int:
        return len(self._before & self._usable())

    def _own(self, domain: str, key: str) -> str | None:
        """Return the state of an entity of Keycard's cloud, None without one."""
        entity_id = er.async_get(self._hass).async_get_entity_id(
            domain, "keycard", f"{self._entry_ids[0]}_{key}"
        )
        state = self._hass.states.get(entity_id) if entity_id else None
        return None if state is None else state.state

    def _alarmed(self) -> bool:
        """Return whether an outage can be known.

        Keycard has an entity for it; of any other, lost entities are the only sign.
        """
        if self._integration.is_keycard:
            return self._own("binary_sensor", "outage") == STATE_ON
        return not self._before <= self._usable()

    def _well(self) -> bool:
        """Return whether all entities can be used and no outage is known."""
        return self._before <= self._usable() and not self._alarmed()

    def _known(self) -> str:
        """Return what an integration shows, "" for nothing."""
        if not self._integration.is_keycard:
            return ", ".join(self._signs())
        reauth = [NEW_SIGN_IN] if self._reauth_flows() else []
        keys = {
            state.state
            for entity in self._registered()
            if entity.unique_id.endswith("_key_to_take")
            and (state := self._hass.states.get(entity.entity_id)) is not None
        }
        status, scope = self._own("sensor", "status"), self._own("sensor", "scope")
        found = [str(status).replace("_", " ")]
        if scope not in {None, "none", "account", "undetermined"}:
            found.append(str(scope))
        if keys - {"usual"}:
            found.append(f"key: {' or '.join(sorted(keys))}")
        return ", ".join(found + reauth)

    def _signs(self) -> list[str]:
        found = []
        if lost := len(self._before - self._usable()):
            found.append(f"{lost} of {len(self._before)} entities unavailable")
        if self._reauth_flows():
            found.append(NEW_SIGN_IN)
        return found

    def _reauth_flows(self) -> list[str]:
        """Return the IDs of flows that ask for a new sign-in."""
        return [
            flow["flow_id"]
            for flow in self._hass.config_entries.flow.async_progress()
            if flow["context"].get("entry_id") in self._entry_ids
            and flow["context"].get("source") == SOURCE_REAUTH
        ]
