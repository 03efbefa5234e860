"""All phases of a home under one fault, in this process.

The clock must be installed before this module is imported; see `harness/clock.py`.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from random import Random
from types import MappingProxyType
from typing import Any

import aiohttp

from homeassistant.config_entries import SOURCE_USER, ConfigEntry, ConfigEntryState
from homeassistant.const import STATE_UNKNOWN

from custom_components.keycard.const import DOMAIN
from harness import fake_network
from harness.checked_home import CheckedHome, open_home
from harness.clock import OffsetClock
from harness.event_loop import HarnessLoop, open_event_loop
from harness.time_control import HarnessError
from simulator.scenarios.scenario import CarSpec, Home

from .faults import CAR, LATE, REGION, Fault

CARS = (
    CarSpec(name=CAR, model="model3", year=2021),
    CarSpec(name="Cy", model="models", year=2018),
)
SETTLING = 150.0
FAULT_SECONDS = 300.0
# Data of an idle car are read every 20 to 25 minutes.
RECOVERY = 1600.0
# Names of hosts are cached for ten seconds.
NAMES_CACHED = 15.0
# An entry that is set up anew has nothing but the data of the cloud, which may be a
# third party's from before the last command. They count as current for so long, and
# until they are looked at again.
CURRENT_SECONDS = 1890.0
# The state is read again a minute and five after a command of unknown result.
LATE_SECONDS = 420.0
# What a restart may change: whether a car is online and calls work is asked anew.
ASKED_ANEW = ("_online", "_cloud_link", "_api_reachable", "_connection")
FLOW_PROBLEMS = ("set-up", "could not sign in")


@dataclass(kw_only=True)
class GroupResult:
    """Result of all phases under one fault."""

    fault: str
    held: list[str] = field(default_factory=list)
    broken: dict[str, list[str]] = field(default_factory=dict)
    recoveries: dict[str, float] = field(default_factory=dict)
    """Seconds from the end of the fault until all was well, by phase."""


def run_group(fault: Fault, phases: Collection[str], clock: OffsetClock) -> GroupResult:
    """Run the phases of a fault in a home of its own."""
    fake_network.install()
    result = GroupResult(fault=fault.name)
    with open_event_loop() as loop:
        loop.run_until_complete(_run_group(fault, phases, clock, loop, result))
    return result


async def _run_group(
    fault: Fault,
    phases: Collection[str],
    clock: OffsetClock,
    loop: HarnessLoop,
    result: GroupResult,
) -> None:
    home = Home(region=REGION, cars=CARS, provider=fault.provider)
    async with open_home((home,), clock, loop) as checked:
        run = _Group(checked, home, fault, Random(fault.name))
        await checked.install(home)
        await checked.run(SETTLING)
        for phase, play in PHASES.items():
            if phase not in phases or not applies(phase, fault):
                continue
            checked.violations.clear()
            try:
                await play(run)
                result.recoveries[phase] = await run.recover()
            except HarnessError as err:
                checked.report("no leak of errors", f"the harness stopped: {err}")
            except TimeoutError as err:
                checked.report("no leak of errors", f"no end: {err}")
            if checked.violations:
                result.broken[phase] = list(map(str, checked.violations))
            else:
                result.held.append(phase)


class _Group:
    """A home, and the fault that it meets in each phase."""

    def __init__(
        self, checked: CheckedHome, home: Home, fault: Fault, random: Random
    ) -> None:
        self.checked = checked
        self.home = home
        self.fault = fault
        self.random = random
        self.simulator = checked.simulator

    @property
    def entry(self) -> ConfigEntry[Any]:
        """Return the config entry."""
        return self.checked.entry(self.home)

    @property
    def commands(self) -> bool:
        """Return whether the home can send commands."""
        return self.home.provider != "watch_only"

    def begin(self) -> None:
        """Let the fault begin."""
        self.checked.seen_statuses.clear()
        self.checked.allowed = self.fault.allowed | {"operational", "undetermined"}
        self.checked.reauth_allowed = self.fault.reauth
        self.simulator.apply(self.fault.conditions)

    async def recover(self) -> float:
        """End the fault; everything must be well again without help.

        Only the user can trust another certificate than that of the set-up. Return the
        seconds that it took.
        """
        checked, simulator = self.checked, self.simulator
        before = simulator.usage.by_endpoint.total()
        simulator.apply(dict.fromkeys(self.fault.conditions, "ok"))
        began = checked.now
        only_commands = self.fault.place == "commands"
        if (only_commands or self.fault.kind == "other types") and self.commands:
            # Only a command shows that commands work again. Calls for which values of
            # other types do not matter have worked all the time.
            pressed = checked.press("climate_off", CAR)
            if pressed is not None:
                await checked.run_while(partial(_runs, pressed), 130.0, least=1.0)
        limit = RECOVERY + self.fault.pause
        ended = await checked.run_while(
            lambda: not (self.well() or checked.untrusted), limit, least=10.0
        )
        if checked.untrusted:
            await checked.trust_certificates()
            ended = await checked.run_while(lambda: not self.well(), limit, least=10.0)
        seconds = checked.now - began
        if not ended:
            checked.report("it recovers by itself", self.describe())
        # What still waits comes now, such as an all-clear.
        await checked.run(max(130.0 - seconds, 5.0))
        if simulator.usage.by_endpoint.total() == before:
            checked.report("no leak of errors", "nothing is asked any more")
        for pressed in list(checked.commands):
            checked.check_result(pressed)
        await checked.check_diagnostics()
        checked.allowed = frozenset({"operational"})
        await checked.run(5.0)
        if checked.reauth_allowed:
            self.close_flows()
        checked.reauth_allowed = False
        return seconds

    def forget(self) -> None:
        """Let a third party's cached data be shown until they are too old."""
        self.checked.trust_seconds = CURRENT_SECONDS

    def close_flows(self) -> None:
        """Close the flows for a new sign-in, which had its reason."""
        manager = self.checked.instance.hass.config_entries.flow
        for flow in manager.async_progress_by_handler(DOMAIN):
            manager.async_abort(flow["flow_id"])
        self.checked.environment.forget_reauth()

    def well(self) -> bool:
        """Return whether all is well."""
        if self.checked.status(self.home) != "operational":
            return False
        return not self.commands or all(
            self.checked.shown_lock(car.name) in {"locked", "unlocked"}
            for car in self.home.cars
        )

    def describe(self) -> str:
        """Return what is shown."""
        locks = {car.name: self.checked.shown_lock(car.name) for car in self.home.cars}
        return f"{self.checked.status(self.home)}, locks {locks}"

    def states(self) -> dict[str, str]:
        """Return the states of all entities of the entry."""
        hass = self.checked.instance.hass
        entities = self.checked.environment.entities(self.entry.entry_id)
        return {
            entity_id: state.state
            for device in entities.values()
            for entity_id in device.values()
            if (state := hass.states.get(entity_id)) is not None
        }

    # Phases

    async def running(self) -> None:
        """Let the fault begin while all is well; it is seen for what it is."""
        self.begin()
        await self.checked.run(FAULT_SECONDS)
        seen = self.fault.seen
        if seen is not None and self.checked.status(self.home) != seen:
            self.checked.report("what happens is seen", self.describe())

    async def command(self) -> None:
        """Commands are sent when the fault begins, and while it lasts."""
        if self.fault.kind in LATE:
            self.checked.trust_seconds = max(self.checked.trust_seconds, LATE_SECONDS)
        for wait in (0.0, self.random.uniform(5.0, 120.0)):
            self.begin()
            await self.checked.run(wait)
            action = self.random.choice(("lock", "unlock", "climate_on"))
            pressed = self.checked.press(action, CAR)
            if pressed is None:
                self.checked.report("commands always reachable", f"no {action}")
                return
            await self.checked.run_while(partial(_runs, pressed), 130.0, least=1.0)
            await self.checked.run(5.0)
            self.checked.check_result(pressed)

    async def renewal(self) -> None:
        """Let the access token end while the fault lasts."""
        self.begin()
        await self.checked.run(20.0)
        self.simulator.set_token("expired")
        await self.checked.run(FAULT_SECONDS)

    async def unload(self) -> None:
        """Unload the entry while the fault lasts and a command is under way."""
        checked, hass = self.checked, self.checked.instance.hass
        self.begin()
        await checked.run(self.random.uniform(0.0, 30.0))
        if self.fault.kind in LATE:
            # Nothing tells of a command that a car executes after its data were read.
            self.forget()
        pressed = checked.press("unlock", CAR) if self.commands else None
        await checked.run(self.random.uniform(0.0, 2.0))
        entry = self.entry
        began = checked.now
        await checked.run_task(hass.config_entries.async_unload(entry.entry_id))
        if entry.state is not ConfigEntryState.NOT_LOADED:
            checked.report("no leak of errors", f"unloaded: {entry.state.value}")
        if (seconds := checked.now - began) > 30.0:
            checked.report("no leak of errors", f"unloaded after {seconds:.0f} s")
        await checked.run(30.0)
        if pressed is not None and pressed.ended_at is None:
            checked.report("no leak of errors", f"{pressed} has no end after unload")
        before = self.simulator.usage.by_endpoint.total()
        await checked.run(120.0)
        if (asked := self.simulator.usage.by_endpoint.total() - before) > 0:
            checked.report("no leak of errors", f"{asked} requests after unload")
        if tasks := checked.leftover_tasks():
            checked.report("no leak of errors", f"after unload: {tasks}")
        await checked.run_task(hass.config_entries.async_setup(entry.entry_id))
        await checked.run(1.0)

    async def restart(self) -> None:
        """Home Assistant restarts while the fault lasts."""
        checked = self.checked
        self.begin()
        await checked.run(self.random.choice((1.0, 45.0, 130.0)))
        before = self.states()
        await checked.restart()
        after = self.states()
        changed = {
            entity_id: f"{state} -> {after.get(entity_id)}"
            for entity_id, state in before.items()
            if state != after.get(entity_id) and not entity_id.endswith(ASKED_ANEW)
        }
        # Data that came in a moment before may be newer than what was stored.
        lost = {
            entity_id: change
            for entity_id, change in changed.items()
            if change.endswith((STATE_UNKNOWN, "unavailable", "None"))
        }
        if lost:
            checked.report("set-up without the cloud", f"after a restart: {lost}")
        checked.check()
        await checked.run(60.0)

    async def set_up(self) -> None:
        """Set the entry up for the first time while the fault lasts."""
        checked = self.checked
        entries = checked.instance.hass.config_entries
        old = self.entry
        data, options = dict(old.data), dict(old.options)
        self.forget()
        await checked.run_task(entries.async_remove(old.entry_id))
        self.begin()
        entry: ConfigEntry[Any] = ConfigEntry(
            data=data,
            discovery_keys=MappingProxyType({}),
            domain=DOMAIN,
            minor_version=old.minor_version,
            options=options,
            source=SOURCE_USER,
            subentries_data=None,
            title=old.title,
            unique_id=old.unique_id,
            version=old.version,
        )
        checked.environment.entries[self.home.name] = entry.entry_id
        await checked.run_task(entries.async_add(entry))
        checked.check()
        if entry.state is not ConfigEntryState.LOADED:
            checked.report("set-up without the cloud", f"{entry.state.value}")
        await checked.run(180.0)

    async def flow(self) -> None:
        """Go through the config flow while the fault lasts."""
        checked, hass = self.checked, self.checked.instance.hass
        await checked.run_task(hass.config_entries.async_remove(self.entry.entry_id))
        self.forget()
        checked.homes.clear()
        self.begin()
        checked.allowed = None
        try:
            await checked.install(self.home)
        except aiohttp.ClientError:
            # The page of the sign-in is what fails.
            pass
        except HarnessError as err:
            # The flow has told the user what is wrong.
            if not any(problem in str(err) for problem in FLOW_PROBLEMS):
                raise
        else:
            await checked.run(10.0)
            return
        self.close_flows()
        self.simulator.apply(dict.fromkeys(self.fault.conditions, "ok"))
        await checked.run(max(self.fault.pause, NAMES_CACHED))
        await checked.install(self.home)


def _runs(pressed: Any) -> bool:
    return pressed.ended_at is None


type Phase = Callable[[_Group], Awaitable[None]]
PHASES: dict[str, Phase] = {
    "running": _Group.running,
    "command": _Group.command,
    "renewal": _Group.renewal,
    "unload": _Group.unload,
    "restart": _Group.restart,
    "set-up": _Group.set_up,
    "flow": _Group.flow,
}


def applies(phase: str, fault: Fault) -> bool:
    """Return whether a phase exists with the provider of a fault."""
    if phase == "command":
        return fault.provider != "watch_only"
    # Other tokens have no end, and are renewed by nobody.
    return phase != "renewal" or fault.provider in {"fleet", "fleet_server"}
