"""A home that is checked for the invariants while anything goes wrong.

All checks look from outside: at states, events, logs, flows and diagnostics of Home
Assistant, and at what the simulated cloud and cars received.
"""

import asyncio
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
import json
import logging
import os
import re
import shutil
import stat
from typing import Any, override

from homeassistant.components.repairs import DOMAIN as REPAIRS, RepairsFlowManager
from homeassistant.components.repairs.models import RepairsFlowResult
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import (
    EVENT_STATE_CHANGED,
    STATE_ON,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
)
from homeassistant.core import Event, EventStateChangedData, callback
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er, issue_registry as ir
from homeassistant.setup import async_setup_component

from custom_components.keycard.const import DOMAIN
from custom_components.keycard.diagnostics import async_get_config_entry_diagnostics
from simulator.scenarios.scenario import REQUEST_COMMANDS, Home, PhoneSpec
from simulator.vehicle.car import Car

from .clock import OffsetClock
from .environment import ACTIONS, ScenarioEnvironment, open_environment
from .event_loop import HarnessLoop
from .home_assistant import ROOT, HomeAssistantInstance, LogCollector
from .phone import Phone

COMPONENT = ROOT / "custom_components" / DOMAIN
OUTAGES = frozenset({"outage", "degraded", "sign_in_outage"})
# With these, no key is needed, and an outage is over.
SETTLED = frozenset({"operational", "account_problem", "provider_down"})
UNKNOWN = frozenset({STATE_UNKNOWN, STATE_UNAVAILABLE})

# Seconds from the press in which a command may be sent: awake, and with a wake.
LIMITS = {"lock": (20.0, 30.0), "unlock": (20.0, 30.0)}
OTHER_LIMITS = (30.0, 60.0)
# A machine that is busy takes its time to hand over a request.
LIMIT_SLACK = 3.0
# Seconds after which a command that has no result hangs.
LONGEST_COMMAND = 120.0
EXECUTION_WATCH = 600.0
STOPPED = "command_stopped"
UNCONFIRMED = frozenset({"command_unconfirmed", "current_unconfirmed"})
HOLDS: dict[str, Callable[[Car], bool]] = {
    "lock": lambda car: car.locked,
    "unlock": lambda car: not car.locked,
    "climate_on": lambda car: car.climate_on,
    "climate_off": lambda car: not car.climate_on,
    "wake": lambda car: car.connectivity == "online",
}
_MAX_EXCERPT = 1500
_NUMBERS = re.compile(r"[\d.-]+")
# Other homes may share the machine.
_SETTLE_TIMEOUT = 300.0
_CERTIFICATE_ISSUES = frozenset({"certificate_untrusted", "certificate_changed"})
_PUSHES = "homeassistant.components.mobile_app.notify"
_SIGN_IN = "homeassistant.helpers.config_entry_oauth2_flow"
_WRITERS = ("homeassistant.helpers.storage", "homeassistant.util.file")


@dataclass(frozen=True, kw_only=True)
class Violation:
    """An invariant that did not hold, and what was seen instead."""

    invariant: str
    seen: str

    @override
    def __str__(self) -> str:
        return f"{self.invariant}: {self.seen}"


@dataclass(kw_only=True, eq=False)
class PressedCommand:
    """A command of the user, its result, and its executions by the car."""

    car: Car
    action: str
    pressed_at: float
    limit: float
    late_cloud: bool
    """The cloud may deliver the command late, which nothing can prevent."""

    executed_before: int
    ambiguous: bool = False
    """An earlier command may still be executed."""

    executed_at: list[float] = field(default_factory=list)
    ended_at: float | None = None
    error: str | None = None
    """Translation key of the error, None without one."""

    task: asyncio.Task[None] | None = None

    @override
    def __str__(self) -> str:
        return f"{self.action} of {self.car.name}"

    @property
    def command(self) -> str:
        """Return the command that the car executes."""
        return REQUEST_COMMANDS[self.action]


class PrivateDataScanner(logging.Handler):
    """Handler that looks for secrets in everything that Keycard logs."""

    LOGGERS = (f"custom_components.{DOMAIN}", "tesla_fleet_api", "bleak")

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[str] = []
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def attach(self) -> None:
        """Look at the debug log of Keycard and its library."""
        for name in self.LOGGERS:
            logger = logging.getLogger(name)
            logger.setLevel(logging.DEBUG)
            logger.addHandler(self)

    def add(self, secrets: Iterable[str]) -> None:
        """Add secrets to look for."""
        if new := {one.lower() for one in secrets if one} - self._secrets:
            self._secrets |= new
            parts = sorted(map(re.escape, self._secrets), key=len, reverse=True)
            self._pattern = re.compile("|".join(parts))

    def search(self, text: str) -> str | None:
        """Return the first secret in a text, None without one."""
        if self._pattern is None:
            return None
        found = self._pattern.search(text.lower())
        return found[0] if found else None

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Search a message and its traceback."""
        text = record.getMessage()
        if record.exc_info:
            text += logging.Formatter().formatException(record.exc_info)
        if secret := self.search(text):
            self.found.append(f"{record.name} logged {secret!r} in: {record.msg}")


class CheckedHome:
    """A running home, with everything that was seen to break an invariant."""

    def __init__(self, environment: ScenarioEnvironment, log: LogCollector) -> None:
        """Initialize with a started environment."""
        self.environment = environment
        self.simulator = environment.simulator
        self.clock = environment.time_control.clock
        self.homes: dict[str, Home] = {}
        self.allowed: frozenset[str] | None = None
        """Statuses that the assessment may have now, None for any."""

        self.reauth_allowed = False
        self.trust_seconds = 0.0
        """How long a state of a car may be shown that others have changed."""

        self.phone: Phone | None = None
        self.disk_full = False
        self.check_status: Callable[[Home, str], str | None] | None = None
        """Return why a status of a home is wrong, None if it may be right."""

        self.seen_statuses: set[str] = set()
        self.violations: list[Violation] = []
        self.commands: list[PressedCommand] = []
        self.scanner = PrivateDataScanner()
        self.scanner.attach()
        self._log = log
        self._outage_seen: set[str] = set()
        self._notices: dict[str, list[str]] = {}
        self._noticed_cars: dict[str, frozenset[str]] = {}
        self._unseen: tuple[str, ...] = ()
        """Records before the first notice of an entity that was seen."""

        self._locked: dict[str, list[tuple[float, bool]]] = {}
        self._texts = json.loads((COMPONENT / "translations" / "en.json").read_text())

    @property
    def now(self) -> float:
        """Return the monotonic time."""
        return self.environment.monotonic

    @property
    def instance(self) -> HomeAssistantInstance:
        """Return the Home Assistant instance."""
        return self.environment.instance

    def entry(self, home: Home) -> ConfigEntry[Any]:
        """Return the config entry of a home."""
        return self.instance.hass.config_entries.async_get_known_entry(
            self.environment.entries[home.name]
        )

    def report(self, invariant: str, seen: str) -> None:
        """Record that an invariant did not hold, once, whatever the numbers."""
        violation = Violation(invariant=invariant, seen=seen[:_MAX_EXCERPT])
        known = {_NUMBERS.sub("", str(one)) for one in self.violations}
        if _NUMBERS.sub("", str(violation)) not in known:
            self.violations.append(violation)

    # Actions

    async def start(self) -> None:
        """Start Home Assistant."""
        await self.instance.start()
        self._attach()

    def _attach(self) -> None:
        self.instance.hass.bus.async_listen(EVENT_STATE_CHANGED, self._handle_state)

    async def install(self, home: Home, near: Collection[str] = ()) -> None:
        """Set a home up through the config flow."""
        self.homes[home.name] = home
        await self.environment.install(home, near)

    async def run(self, seconds: float) -> None:
        """Let time pass, and check at each timer."""
        await self.environment.run_until(self.now + seconds, self._check_at_timer)
        self.check()

    async def run_while(
        self, holds: Callable[[], bool], seconds: float, *, least: float = 0.0
    ) -> bool:
        """Let time pass while something holds; return whether it ended in time."""
        start = self.now
        await self.run(least)
        while holds() and self.now < start + seconds:
            await self.run(min(10.0, start + seconds - self.now))
        return not holds()

    async def restart(self, *, power_cut: bool = False) -> None:
        """Restart Home Assistant; after a power cut, it has written nothing more."""
        storage = self.instance.folder / ".storage"
        written = storage.with_name("written")
        if power_cut:
            # Home Assistant replaces files, so links keep what was written.
            shutil.copytree(storage, written, copy_function=os.link)
        await self.instance.stop()
        if power_cut:
            shutil.rmtree(storage)
            written.rename(storage)
        self._check_files()
        # A notice may come before anybody listens.
        self._unseen = ("restart",)
        for notices in self._notices.values():
            notices.extend(self._unseen)
        await self.environment.time_control.run_task(self.instance.start(), 120.0)
        self._attach()

    @property
    def untrusted(self) -> list[str]:
        """Return the issues of servers whose certificate the user has to trust."""
        issues = ir.async_get(self.instance.hass).issues.values()
        return [
            issue.issue_id
            for issue in issues
            if issue.active and issue.translation_key in _CERTIFICATE_ISSUES
        ]

    async def trust_certificates(self) -> None:
        """Trust the certificates of servers in Repairs, as a user does."""
        hass = self.instance.hass
        for issue_id in self.untrusted:
            await self.run_task(async_setup_component(hass, REPAIRS, {}))
            manager: RepairsFlowManager = hass.data[REPAIRS]["flow_manager"]
            form: RepairsFlowResult = await self.run_task(
                manager.async_init(DOMAIN, context={"issue_id": issue_id})
            )
            if form["type"] is FlowResultType.FORM:
                trust = manager.async_configure(form["flow_id"], {"trust": True})
                await self.run_task(trust)

    async def run_task[T](self, coroutine: Any, limit: float = 120.0) -> T:
        """Let time pass until a coroutine of this Home Assistant is done."""
        task: asyncio.Task[T] = self.instance.task(coroutine)
        return await self.environment.time_control.run_task(task, limit)

    def press(self, action: str, name: str) -> PressedCommand | None:
        """Start a command, None if there is no entity for it."""
        domain, service, key = ACTIONS[action]
        entity_id = self.environment.vehicle_entity(domain, name, key)
        state = self.instance.hass.states.get(entity_id) if entity_id else None
        # Home Assistant sends nothing to the entities of an unloaded entry.
        if state is None or state.state == STATE_UNAVAILABLE:
            return None
        car = self.simulator.cars[name]
        car.advance()
        ambiguous = self.forget_commands(name, action)
        awake, asleep = LIMITS.get(action, OTHER_LIMITS)
        # After a restart it is unknown whether the car is awake: it is woken, too.
        known_online = self.shown("binary_sensor", name, "online") == STATE_ON
        pressed = PressedCommand(
            car=car,
            action=action,
            pressed_at=self.now,
            limit=awake if car.connectivity == "online" and known_online else asleep,
            late_cloud=car.signing == "off"
            or any("late" in one for one in self.simulator.conditions.values()),
            executed_before=car.executed[REQUEST_COMMANDS[action]],
            ambiguous=ambiguous,
        )

        async def send() -> None:
            try:
                await self.instance.hass.services.async_call(
                    domain, service, {"entity_id": entity_id}, blocking=True
                )
            except HomeAssistantError as err:
                pressed.error = self._explained(pressed, err)
            except asyncio.CancelledError:
                pressed.error = STOPPED
                raise
            except BaseException as err:  # noqa: BLE001 - the library raises any
                pressed.error = type(err).__name__
                self.report("no leak of errors", f"{pressed} raised {err!r}")
            finally:
                pressed.ended_at = self.now

        pressed.task = self.instance.task(send())
        self.commands.append(pressed)
        return pressed

    def _explained(self, pressed: PressedCommand, err: HomeAssistantError) -> str:
        key = err.translation_key or ""
        text = self._texts["exceptions"].get(key, {}).get("message")
        if err.translation_domain != DOMAIN or text is None:
            self.report("no unproven state", f"{pressed}: no translation for {err!r}")
            return key or type(err).__name__
        names = set(re.findall(r"{(\w+)}", text))
        if missing := names - set(err.translation_placeholders or {}):
            self.report("no unproven state", f"{pressed}: {key} lacks {missing}")
        return key

    def expect_outage(self) -> None:
        """Let keys be shown until an end of an outage is seen."""
        self._outage_seen.update(self.homes)

    # Checks

    @callback
    def _handle_state(self, event: Event[EventStateChangedData]) -> None:
        if not self.instance.is_running:
            return
        entity_id, new = event.data["entity_id"], event.data["new_state"]
        old = event.data["old_state"]
        entity = er.async_get(self.instance.hass).async_get(entity_id)
        if new is None or entity is None or entity.platform != DOMAIN:
            return
        entry = self.instance.hass.config_entries.async_get_entry(
            entity.config_entry_id or ""
        )
        if entry is None or entry.state is not ConfigEntryState.LOADED:
            return
        if new.state == STATE_UNAVAILABLE:
            self.report("outage entities never unavailable", entity_id)
        if entity.domain != "event" or old is None or old.state == STATE_UNAVAILABLE:
            return
        notice = new.attributes.get("notice")
        if old.state != new.state and notice in {"take", "all_clear"}:
            notices = self._notices.setdefault(entity_id, list(self._unseen))
            cars = frozenset(new.attributes.get("keys") or ())
            # A car that is added needs a key, too.
            is_repeated = notices[-1:] == [notice] and not (
                cars - self._noticed_cars.get(entity_id, cars)
            )
            if is_repeated or (not notices and notice == "all_clear"):
                self.report("told once", f"{notice} after {notices[-3:]}")
            self._noticed_cars[entity_id] = cars
            notices.append(str(notice))

    async def _check_at_timer(self) -> None:
        self._check_commands()
        self._check_assessments()

    def check(self) -> None:
        """Check everything that can be seen now."""
        self._check_commands()
        self._check_assessments()
        self._check_locks()
        self.check_log()
        for home in self.homes.values():
            self._check_entities(home)
        if self.simulator.usage.leaked_tokens:
            hosts = dict(self.simulator.usage.leaked_tokens)
            self.report("secrets stay", f"a token was sent to {hosts}")

    def _check_commands(self) -> None:
        self._record_locks()
        for pressed in list(self.commands):
            count = pressed.car.executed[pressed.command] - pressed.executed_before
            while len(pressed.executed_at) < count:
                pressed.executed_at.append(self.now)
                self._check_execution(pressed)
            age = self.now - pressed.pressed_at
            if pressed.ended_at is None and age > LONGEST_COMMAND:
                self.report("no leak of errors", f"{pressed} has no end")
                pressed.ended_at = self.now
            if pressed.ended_at is not None and age > EXECUTION_WATCH:
                self.commands.remove(pressed)

    def _check_execution(self, pressed: PressedCommand) -> None:
        if pressed.action == "wake":
            return
        if len(pressed.executed_at) > 1 and not pressed.ambiguous:
            times = [round(at - pressed.pressed_at, 1) for at in pressed.executed_at]
            self.report("at most once", f"{pressed} after {times} s")
        after = self.now - pressed.pressed_at
        may_be_late = pressed.late_cloud or pressed.ambiguous
        if after > pressed.limit + LIMIT_SLACK and not may_be_late:
            self.report("never late", f"{pressed} after {after:.0f} s")
        if (
            pressed.ended_at is not None
            and pressed.error is not None
            and pressed.error not in UNCONFIRMED | {STOPPED}
            and not pressed.ambiguous
        ):
            self.report("no unproven state", f"{pressed}: {pressed.error}, then done")

    def forget_commands(self, name: str, action: str) -> bool:
        """Forget earlier commands; return whether one may still be executed."""
        ambiguous = False
        for earlier in list(self.commands):
            if (earlier.car.name, earlier.action) == (name, action):
                self._check_commands()
                if earlier in self.commands:
                    self.commands.remove(earlier)
                known = earlier.executed_at or (
                    earlier.error and earlier.error not in UNCONFIRMED | {STOPPED}
                )
                ambiguous = ambiguous or not known
        return ambiguous

    def check_result(self, pressed: PressedCommand) -> None:
        """Check the result of a command that was alone."""
        self._check_commands()
        executed = len(pressed.executed_at)
        if pressed.ended_at is None or pressed.action == "wake":
            return
        if pressed.error is None:
            if not executed and not HOLDS[pressed.action](pressed.car):
                self.report("no unproven state", f"{pressed} is done, but was not sent")
        elif executed and pressed.error not in UNCONFIRMED | {STOPPED}:
            self.report("no unproven state", f"{pressed}: {pressed.error}, but is done")

    def _record_locks(self) -> None:
        for name, car in self.simulator.cars.items():
            history = self._locked.setdefault(name, [(self.now, car.locked)])
            if history[-1][1] is not car.locked:
                history.append((self.now, car.locked))

    def forget_locks(self) -> None:
        """Let only the present state of the locks count."""
        self._locked.clear()

    def _check_locks(self) -> None:
        """Check that no lock shows a state that the car has not."""
        if any(pressed.ended_at is None for pressed in self.commands):
            return
        for name in list(self.simulator.cars):
            shown = self.shown_lock(name)
            if shown is None or shown in UNKNOWN:
                continue
            history = self._locked.get(name, [])
            now = end = self.now
            true = False
            for at, locked in reversed(history):
                if end < now - self.trust_seconds:
                    break
                true = true or shown == ("locked" if locked else "unlocked")
                end = at
            if not true:
                was = [(round(at - now), locked) for at, locked in history[-3:]]
                seen = f"the lock of {name} shows {shown}, but was locked {was}"
                self.report("no unproven state", seen)

    def shown_lock(self, name: str) -> str | None:
        """Return the state of a lock, None if there is none."""
        return self.shown("lock", name, "lock")

    def shown(self, domain: str, name: str, key: str) -> str | None:
        """Return the state of an entity of a car, None if there is none."""
        entity_id = self.environment.vehicle_entity(domain, name, key)
        state = self.instance.hass.states.get(entity_id) if entity_id else None
        return None if state is None else state.state

    def status(self, home: Home) -> str | None:
        """Return the status that a home shows."""
        entry_id = self.environment.entries[home.name]
        entity_id = self.environment.entity("sensor", f"{entry_id}_status")
        state = self.instance.hass.states.get(entity_id or "")
        return None if state is None else state.state

    def _check_assessments(self) -> None:
        for home in self.homes.values():
            if (status := self.status(home)) is None or status in UNKNOWN:
                continue
            self.seen_statuses.add(status)
            if self.allowed is not None and status not in self.allowed:
                self.report("the right party is blamed", f"{status} was shown")
            if self.check_status and (wrong := self.check_status(home, status)):
                self.report("the right party is blamed", wrong)
            if status in OUTAGES:
                self._outage_seen.add(home.name)
            elif status in SETTLED:
                self._outage_seen.discard(home.name)
            if home.name not in self._outage_seen:
                self._check_keys(home, status)

    def _check_keys(self, home: Home, status: str) -> None:
        for car in home.cars:
            key = self.shown("sensor", car.name, "key_to_take")
            if key not in {None, "usual", *UNKNOWN}:
                seen = f"{key} for {car.name} while {status}"
                self.report("usual key when nothing is down", seen)

    def _check_entities(self, home: Home) -> None:
        entry_id = self.environment.entries.get(home.name)
        entry = self.instance.hass.config_entries.async_get_entry(entry_id or "")
        if entry is None or entry.state is ConfigEntryState.NOT_LOADED:
            return
        if entry.state is not ConfigEntryState.LOADED:
            seen = f"the entry is {entry.state.value}: {entry.reason}"
            self.report("set-up without the cloud", seen)
            return
        seen_state = self.environment.observe(home)
        if seen_state.unavailable:
            seen = ", ".join(seen_state.unavailable)
            self.report("outage entities never unavailable", seen)
        if seen_state.reauth and not self.reauth_allowed:
            self.report("reauth on proof only", f"while {seen_state.status}")
        # The certificate of the user's own server has nothing to do with Tesla.
        repairs = set(seen_state.repairs) - _CERTIFICATE_ISSUES
        if seen_state.status in OUTAGES and repairs:
            self.report("the right party is blamed", f"repairs {sorted(repairs)}")

    def check_log(self) -> None:
        """Check what was logged, and forget it."""
        self.scanner.add(self._private_data())
        for found in self.scanner.found:
            self.report("secrets stay", found)
        self.scanner.found.clear()
        for error in self._log.errors:
            # Home Assistant itself logs each push, sign-in and file that fails.
            is_expected = error.startswith((_PUSHES, _SIGN_IN)) or (
                self.disk_full and error.startswith(_WRITERS)
            )
            if not is_expected:
                self.report("no leak of errors", error)
        for record in self._log.records:
            if record.exc_info and record.levelno < logging.ERROR:
                self.report("no leak of errors", self._log.format(record))
        self._log.records.clear()

    def _private_data(self) -> set[str]:
        private = set(self.simulator.tokens.values())
        for car in self.simulator.cars.values():
            private |= {car.vin, str(car.id), f"{car.home_position[0]:.3f}"}
        for entry in self.instance.hass.config_entries.async_entries(DOMAIN):
            token = entry.data.get("token")
            if isinstance(token, str):
                private.add(token)
            elif isinstance(token, Mapping):
                names = ("access_token", "refresh_token")
                private |= {str(token[name]) for name in names if name in token}
        return private

    async def check_diagnostics(self) -> None:
        """Check that diagnostics can be taken, and contain no secrets."""
        self.scanner.add(self._private_data())
        for home in self.homes.values():
            entry = self.entry(home)
            if entry.state is not ConfigEntryState.LOADED:
                continue
            diagnostics = await async_get_config_entry_diagnostics(
                self.instance.hass, entry
            )
            if secret := self.scanner.search(json.dumps(diagnostics, default=str)):
                self.report("secrets stay", f"diagnostics contain {secret!r}")

    def _check_files(self) -> None:
        """Check the files of a Home Assistant that has stopped."""
        for path in (self.instance.folder / ".storage").glob(f"{DOMAIN}*"):
            if path.suffix == ".key":
                if stat.S_IMODE(path.stat().st_mode) != stat.S_IRUSR | stat.S_IWUSR:
                    self.report("secrets stay", f"mode of {path.name}")
            elif path.is_file() and ".unreadable" not in path.name:
                try:
                    json.loads(path.read_text())
                except ValueError:
                    self.report(
                        "nothing that is stored stops the watch", f"{path.name} broken"
                    )

    def leftover_tasks(self) -> list[str]:
        """Return the tasks of Keycard that still run."""
        return [
            str(task.get_coro())
            for task in asyncio.all_tasks()
            if str(COMPONENT) in getattr(_code(task), "co_filename", "")
        ]


def _code(task: asyncio.Task[Any]) -> object:
    return getattr(task.get_coro(), "cr_code", None)


@asynccontextmanager
async def open_home(
    homes: Sequence[Home],
    clock: OffsetClock,
    loop: HarnessLoop,
    *,
    phone: PhoneSpec | None = None,
) -> AsyncIterator[CheckedHome]:
    """Start the simulated cloud of some homes and a Home Assistant without entries."""
    log = LogCollector()
    log.attach()
    async with open_environment(
        homes,
        clock,
        loop,
        phone=phone is not None,
        settle_timeout=_SETTLE_TIMEOUT,
    ) as environment:
        home = CheckedHome(environment, log)
        await home.start()
        if phone is not None:
            await environment.add_phone(phone)
            home.phone = environment.phone
        yield home
