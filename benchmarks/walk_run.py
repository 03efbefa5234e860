"""One random walk through the life of a home, in this process.

The clock must be installed before this module is imported; see `harness/clock.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
import resource
from typing import Any

from homeassistant.config_entries import RELOAD_AFTER_UPDATE_DELAY, ConfigEntryState
from homeassistant.const import CONF_TOKEN
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er

from custom_components.keycard.const import CONF_BUDGET, CONF_PACE, DOMAIN
from harness import fake_network
from harness.checked_home import OUTAGES, SETTLED, CheckedHome, open_home
from harness.clock import OffsetClock
from harness.event_loop import HarnessLoop, open_event_loop
from harness.time_control import HarnessError
from simulator.scenarios.conditions import CAR_CONDITIONS, ConditionError
from simulator.scenarios.scenario import CarSpec, Home, PhoneSpec
from simulator.vehicle.models import default_signing

from .walk_steps import Step

USER = er.RegistryEntryDisabler.USER
SETTLING = 150.0
# Seconds in which everything must be well after all faults have ended.
RECOVERY = 1800.0
# Seconds after a failure of Tesla in which an outage may still be shown.
CLEARING = 900.0
# A car that was used stays awake for so long, and its data are read meanwhile.
USED_SECONDS = 2700.0
# A clock that was set back makes stored states younger by so much.
CLOCK_SECONDS = 86400.0
_REAUTH = ("401", "403", "412", "421")
_TESLA = ("status", "api", "data", "commands")


@dataclass(frozen=True, kw_only=True)
class Walk:
    """Homes, and what happens to them."""

    homes: tuple[Home, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True, kw_only=True)
class WalkResult:
    """Broken invariants with their steps, and the simulated seconds."""

    broken: tuple[tuple[int, str], ...] = ()
    simulated: float = 0.0


def run_walk(walk: Walk, clock: OffsetClock) -> WalkResult:
    """Run a walk until something breaks."""
    fake_network.install()
    with open_event_loop() as loop:
        return loop.run_until_complete(_run(walk, clock, loop))


async def _run(walk: Walk, clock: OffsetClock, loop: HarnessLoop) -> WalkResult:
    start = clock.monotonic()
    async with open_home(walk.homes, clock, loop, phone=PhoneSpec()) as checked:
        run = Walker(checked, walk.homes)
        broken: list[tuple[int, str]] = []
        await run.install()
        for number, step in enumerate([*walk.steps, Step(kind="finish")]):
            try:
                await run.play(step)
            except (HarnessError, TimeoutError) as err:
                checked.report("no leak of errors", f"no end: {err}")
            checked.check()
            if checked.violations:
                broken = [(number, str(one)) for one in checked.violations]
                break
        set_disk_full(full=False)
        return WalkResult(broken=tuple(broken), simulated=clock.monotonic() - start)


def set_disk_full(*, full: bool) -> None:
    """Let every write to a file of this process fail, or succeed again."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0 if full else hard, hard))


class Walker:
    """Plays the steps, each of which does nothing where it does not fit."""

    def __init__(self, checked: CheckedHome, homes: Sequence[Home]) -> None:
        self.checked = checked
        self.simulator = checked.simulator
        self.homes = {home.name: home for home in homes}
        self._failed_at = float("-inf")  # of Tesla
        self._disturbed_at = float("-inf")
        self._outages: set[str] = set()
        self._used_at: dict[str, float] = {}
        checked.trust_seconds = USED_SECONDS
        checked.check_status = self.check_status

    @property
    def hass(self) -> Any:
        """Return Home Assistant."""
        return self.checked.instance.hass

    async def install(self) -> None:
        """Set all homes up, with the cars paired that can be."""
        for home in self.homes.values():
            pairs = home.provider != "watch_only"
            near = [
                car.name
                for car in home.cars
                if pairs and default_signing(car.model, car.year) != "off"
            ]
            await self.checked.install(home, near)
        await self.checked.run(SETTLING)

    async def play(self, step: Step) -> None:
        """Play a step."""
        self._note_conditions()
        await getattr(self, f"_{step.kind}")(step)
        self._note_conditions()

    # Which party is to blame

    def _note_conditions(self) -> None:
        """Note what fails now."""
        now = self.checked.now
        for subject, condition in self.simulator.conditions.items():
            if condition == "ok":
                continue
            self._disturbed_at = now
            host, _, part = subject.partition(".")
            if part.partition("@")[0] in _TESLA and host != "tesla_proxy":
                third = host in {"proxy", "teslemetry", "tessie"}
                if not third:
                    self._failed_at = now
            if host in {"auth", "car"}:
                self._failed_at = now
            if condition.startswith(_REAUTH):
                self.checked.reauth_allowed = True

    def check_status(self, home: Home, status: str) -> str | None:
        """Return why a status is wrong, None if it may be right."""
        if self.simulator.conditions:
            self._note_conditions()
        if status in SETTLED:
            self._outages.discard(home.name)
        if status not in OUTAGES:
            return None
        now = self.checked.now
        failed_at = self._failed_at
        if home.name in self._outages:
            failed_at = max(failed_at, self._disturbed_at)
        self._outages.add(home.name)
        if now - failed_at > CLEARING:
            return f"{status}, but Tesla has failed {now - failed_at:.0f} s ago"
        return None

    def disturb(self) -> None:
        """Note that what is known may be read anew."""
        self._disturbed_at = self.checked.now

    # Steps

    async def _run(self, step: Step) -> None:
        await self.checked.run(float(step.value))

    async def _fault(self, step: Step) -> None:
        for subject in step.subject.split():
            try:
                self.simulator.set(subject, step.value)
            except ConditionError:
                # Not every fault exists for every subject, or the car is gone.
                continue

    async def _end(self, _step: Step) -> None:
        # Rate limits of cars and hosts end with all others.
        self._end_faults()

    def _end_faults(self) -> None:
        conditions = dict.fromkeys(self.simulator.conditions, "ok")
        self.simulator.apply(conditions)

    async def _press(self, step: Step) -> None:
        if step.subject not in self.simulator.cars:
            return
        for pressed in self.checked.commands:
            same = (pressed.car.name, pressed.action) == (step.subject, step.value)
            if same and pressed.ended_at is None:
                return
        waits = any(pressed.ended_at is None for pressed in self.checked.commands)
        new = self.checked.press(step.value, step.subject)
        # A contrary one replaces one that waits, or comes just after it.
        if new is not None and not waits:
            await self.checked.run(2.0)

    async def _car(self, step: Step) -> None:
        name, move = step.subject, step.value
        if name not in self.simulator.cars:
            return
        car = self.simulator.cars[name]
        car.advance()
        used_at = self._used_at.get(name, float("-inf"))
        in_use = self.checked.now - used_at < USED_SECONDS or car.route is not None
        if move in {"asleep", "offline"} and in_use:
            return
        if move in CAR_CONDITIONS:
            self.simulator.set(f"car.{name}", move)
            return
        self._used_at[name] = self.checked.now
        car.set_connectivity("online")
        match move:
            case "drive":
                self.simulator.set(f"car.{name}", "gone")
                car.drive()
            case "card":
                car.locked = not car.locked
                car.on_change()
            case "plug" if car.route is None:
                car.plug()

    def _expect_old_storage(self) -> None:
        if self.checked.disk_full:
            # What is stored may be an outage that has ended.
            self.checked.expect_outage()
            self._failed_at = self.checked.now

    async def _restart(self, _step: Step) -> None:
        self.disturb()
        self._expect_old_storage()
        await self.checked.restart()
        self.checked.check()

    async def _power_cut(self, _step: Step) -> None:
        self.disturb()
        self._expect_old_storage()
        await self.checked.restart(power_cut=True)
        self.checked.check()

    async def _reload(self, step: Step) -> None:
        await self._unload(step)
        await self._load(step)

    async def _unload(self, step: Step) -> None:
        entry = self.checked.entry(self.homes[step.subject])
        if entry.state is ConfigEntryState.LOADED:
            entries = self.hass.config_entries
            await self.checked.run_task(entries.async_unload(entry.entry_id))
            state = self.checked.entry(self.homes[step.subject]).state
            if state is not ConfigEntryState.NOT_LOADED:
                self.checked.report("no leak of errors", f"unload: {state.value}")

    async def _load(self, step: Step) -> None:
        self.disturb()
        entry = self.checked.entry(self.homes[step.subject])
        if entry.state is ConfigEntryState.NOT_LOADED:
            entries = self.hass.config_entries
            await self.checked.run_task(entries.async_setup(entry.entry_id))

    async def _clock(self, step: Step) -> None:
        self.disturb()
        # States that are stored meanwhile seem to be younger or older than they are.
        self.checked.trust_seconds = CLOCK_SECONDS
        clock = self.checked.clock
        seconds = (
            -clock.wall_clock_error if step.value == "right" else float(step.value)
        )
        clock.shift_wall_clock(seconds)

    async def _disk(self, step: Step) -> None:
        set_disk_full(full=step.value == "full")
        # What was written before is said later.
        self.checked.disk_full = True

    async def _token(self, step: Step) -> None:
        self.checked.reauth_allowed = True
        self.disturb()
        self.simulator.set_token(step.value)

    async def _option(self, step: Step) -> None:
        budget = None if step.value == "none" else float(step.value)
        await self._set_option(step.subject, CONF_BUDGET, budget)

    async def _pace(self, step: Step) -> None:
        await self._set_option(step.subject, CONF_PACE, step.value)

    async def _set_option(self, home: str, key: str, value: object) -> None:
        """Set an option, or remove it if there is no value."""
        self.disturb()
        entry = self.checked.entry(self.homes[home])
        if entry.state is not ConfigEntryState.LOADED:
            return
        options = {one: old for one, old in entry.options.items() if one != key}
        if value is not None:
            options[key] = value
        self.hass.config_entries.async_update_entry(entry, options=options)
        entries = self.hass.config_entries
        await self.checked.run_task(entries.async_reload(entry.entry_id))

    async def _entity(self, step: Step) -> None:
        """Disable an entity, or enable it and reload the entry."""
        domain, key = step.value.split(".")
        entity_id = self.checked.environment.vehicle_entity(domain, step.subject, key)
        registry = er.async_get(self.hass)
        entity = registry.async_get(entity_id) if entity_id else None
        if entity is None or entity.disabled_by not in {None, USER}:
            return
        self.disturb()
        disabled_by = USER if entity.disabled_by is None else None
        await self._set_disabled([entity.entity_id], disabled_by)
        entries = self.hass.config_entries
        entry = entries.async_get_entry(entity.config_entry_id)
        if disabled_by is None and entry.state is ConfigEntryState.LOADED:
            # Home Assistant does so in 30 s.
            await self.checked.run_task(entries.async_reload(entry.entry_id))

    async def _sign_in(self, step: Step) -> None:
        """Enter the token where Keycard asks for a new one."""
        home = self.homes[step.subject]
        entry_id = self.checked.environment.entries[home.name]
        manager = self.hass.config_entries.flow
        for flow in manager.async_progress_by_handler(DOMAIN):
            asks = flow["step_id"] == "reauth_confirm"
            if asks and flow["context"].get("entry_id") == entry_id:
                token = self.checked.environment.token(home)
                answer = manager.async_configure(flow["flow_id"], {CONF_TOKEN: token})
                await self.checked.run_task(answer)

    async def _phone(self, step: Step) -> None:
        if self.checked.phone is not None:
            self.checked.phone.status = int(step.value)

    async def _drill(self, step: Step) -> None:
        # Until its end it shows an outage that there is not.
        self.checked.check_status = None
        await self._call("start_drill", step.subject)
        await self.checked.run(float(step.value))
        await self._call("stop_drill", step.subject)
        self.checked.check_status = self.check_status
        self.disturb()

    async def _service(self, step: Step) -> None:
        await self._call(step.value, step.subject)

    async def _call(self, service: str, home: str, **data: Any) -> None:
        entry_id = self.checked.environment.entries[home]
        response = service.startswith("get_")

        async def call() -> None:
            try:
                await self.hass.services.async_call(
                    DOMAIN,
                    service,
                    {"config_entry_id": entry_id, **data},
                    blocking=True,
                    return_response=response,
                )
            except HomeAssistantError:
                # It says what is wrong.
                return

        await self.checked.run_task(call())

    async def _add(self, step: Step) -> None:
        home = self.homes[step.subject]
        if home.provider == "watch_only" or step.value in self.simulator.cars:
            return
        spec = CarSpec(name=step.value, model="model3", year=2022)
        self.simulator.add_car(spec, home.name)

    async def _remove(self, step: Step) -> None:
        if step.value in self.simulator.cars:
            self.simulator.remove_car(step.value)

    async def _finish(self, _step: Step) -> None:
        """End everything; all must be well again without help."""
        checked = self.checked
        set_disk_full(full=False)
        self._end_faults()
        self.simulator.set_token("ok")
        await self._clock(Step(kind="clock", value="right"))
        if checked.phone is not None:
            checked.phone.status = 201
        for name in self.simulator.cars:
            self.simulator.set(f"car.{name}", "online")
        await self._set_disabled(self._disabled_entities(), None)
        # They are reloaded, also if that was asked for before an unload.
        await checked.run(RELOAD_AFTER_UPDATE_DELAY + 5.0)
        for home in self.homes.values():
            await self._set_option(home.name, CONF_BUDGET, None)
            await self._load(Step(kind="load", subject=home.name))
        for home in self.homes.values():
            ended = await checked.run_while(partial(self._ailing, home), RECOVERY)
            if not ended:
                checked.report("it recovers by itself", self._describe(home))
        for pressed in list(checked.commands):
            checked.check_result(pressed)
        await checked.check_diagnostics()
        for home in self.homes.values():
            await self._unload(Step(kind="unload", subject=home.name))
        # A request that was under way may still arrive.
        await checked.run(1.0)
        before = self.simulator.usage.by_endpoint.total()
        await checked.run(300.0)
        if self.simulator.usage.by_endpoint.total() > before:
            checked.report("no leak of errors", "requests after unload")
        if tasks := checked.leftover_tasks():
            checked.report("no leak of errors", f"after unload: {tasks}")

    def _disabled_entities(self) -> list[str]:
        """Return the entities that the user has disabled."""
        return [
            entity.entity_id
            for entity in er.async_get(self.hass).entities.values()
            if entity.platform == DOMAIN and entity.disabled_by is USER
        ]

    async def _set_disabled(
        self, entity_ids: Sequence[str], disabled_by: er.RegistryEntryDisabler | None
    ) -> None:
        """Disable or enable entities, as a task that ends with Home Assistant."""
        registry = er.async_get(self.hass)

        async def update() -> None:
            for entity_id in entity_ids:
                registry.async_update_entity(entity_id, disabled_by=disabled_by)

        await self.checked.run_task(update())

    def _ailing(self, home: Home) -> bool:
        if self.checked.status(home) != "operational":
            return True
        return home.provider != "watch_only" and any(
            self.checked.shown_lock(car.name) not in {"locked", "unlocked"}
            for car in home.cars
        )

    def _describe(self, home: Home) -> str:
        locks = {car.name: self.checked.shown_lock(car.name) for car in home.cars}
        return f"{self.checked.status(home)}, locks {locks}"
