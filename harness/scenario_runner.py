"""Run a case and check its expectations."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from simulator.scenarios.scenario import Expectation, Home, Request, Scenario, Step

# Keycard has probed every host at least twice by then.
SETTLE_SECONDS = 720.0
# Statuses without anything for a user to repair.
OUTAGES = frozenset({"outage", "degraded", "sign_in_outage"})


@dataclass(frozen=True, kw_only=True)
class RequestResult:
    """Result of a command so far."""

    ended: bool = False
    done: bool = False
    executed: int = 0
    via: str | None = None  # transport of the last execution


@dataclass(frozen=True, kw_only=True)
class Observation:
    """State of a home at one moment."""

    status: str | None = None
    scope: str | None = None
    planes: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    elsewhere: frozenset[str] = frozenset()
    keys: Mapping[str, str | None] = field(default_factory=dict)
    notified: int = 0
    reauth: bool = False
    unavailable: tuple[str, ...] = ()
    billed: int = 0
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """Comparison of an expected and an actual value."""

    name: str
    expected: str
    seen: str
    holds: bool


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Outcome of a step for one home."""

    home: str
    at: float
    deed: str
    checks: tuple[CheckResult, ...] = ()
    seconds: float | None = None  # until all expectations held
    missed_at: float | None = None

    @property
    def passed(self) -> bool:
        """Return whether all expectations held in time."""
        return self.missed_at is None


class ScenarioTarget(Protocol):
    """Environment in which a case runs."""

    @property
    def now(self) -> float:
        """Return the monotonic time in seconds."""

    async def install(self, home: Home, near: Collection[str] = ()) -> None:
        """Set Keycard up for a home.

        `near` names the cars that come into Bluetooth range during the case, which are
        paired.
        """

    def set(self, conditions: Mapping[str, str]) -> None:
        """Set several conditions at once."""

    def set_clock(self, seconds: float) -> None:
        """Set the wall clock of Home Assistant forward or back."""

    def set_token(self, token: str) -> None:
        """Set the state of the access tokens: "expired" or "ok"."""

    async def restart(self) -> None:
        """Restart Home Assistant."""

    def request(self, request: Request) -> Callable[[], RequestResult]:
        """Send a command; return a function that returns its result so far."""

    def look(self, home: Home) -> Observation:
        """Return the current state of a home."""

    def begin(self) -> None:
        """Start counting notices and billed calls."""

    async def reach(
        self, until: float, seen: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Advance to a monotonic time, timer by timer; call `on_advance` after each."""


class RunObserver(Protocol):
    """Observer of a run; times are seconds since the start of the case."""

    def begins(self) -> None:
        """Handle the start of the case, after set-up."""

    def steps(self, step: Step, end: float) -> None:
        """Handle the start of a step that lasts until `end`."""

    def looks(self, at: float) -> None:
        """Handle the passing of time."""

    def hears(self, outcome: Outcome) -> None:
        """Handle the outcome of a finished step."""


class ScenarioRunner:
    """Runs one case."""

    def __init__(
        self, case: Scenario, stage: ScenarioTarget, audience: RunObserver
    ) -> None:
        """Initialize with a case, its environment and an observer."""
        self._case = case
        self._stage = stage
        self._audience = audience

    async def play(self) -> bool:
        """Run the case; return whether all expectations held."""
        stage, homes, audience = self._stage, self._case.homes, self._audience
        late = [home for home in homes if not home.settled]
        for home in homes:
            if home.settled:
                await stage.install(home, near_in(self._case))
        await stage.reach(stage.now + SETTLE_SECONDS)
        start = stage.now
        stage.begin()
        audience.begins()

        async def look() -> None:
            audience.looks(stage.now - start)

        passed = True
        for number, step in enumerate(self._case.timeline):
            await stage.reach(start + step.at, look)
            following = self._case.timeline[number + 1 :]
            end = following[0].at if following else self._case.end
            audience.steps(step, end)
            for outcome in await self._step(step, start, end, late):
                audience.hears(outcome)
                passed = passed and outcome.passed
            late = []
        return passed

    async def _step(
        self, step: Step, start: float, end: float, late: list[Home]
    ) -> list[Outcome]:
        stage = self._stage
        if step.set:
            stage.set(step.set)
        if step.clock:
            stage.set_clock(step.clock)
        if step.token:
            stage.set_token(step.token)
        for home in late:
            await stage.install(home, near_in(self._case))
        if step.restart:
            await stage.restart()
        asked = stage.request(step.do) if step.do else None
        watches = [
            ExpectationCheck(home, expect, step, start=start, end=end, asked=asked)
            for home in self._case.homes
            if (expect := step.expect.get(home.name))
        ]

        async def look() -> None:
            for watch in watches:
                watch.look(stage.now, stage.look(watch.home))
            self._audience.looks(stage.now - start)

        await look()
        for moment in sorted({start + end, *(watch.deadline for watch in watches)}):
            await stage.reach(moment, look)
            for watch in watches:
                watch.look(stage.now, stage.look(watch.home), final=True)
        return [watch.outcome() for watch in watches]


class ExpectationCheck:
    """Checks the expectation of one step for one home."""

    def __init__(
        self,
        home: Home,
        expect: Expectation,
        step: Step,
        *,
        start: float,
        end: float,
        asked: Callable[[], RequestResult] | None,
    ) -> None:
        """Initialize with the start times of case and step and the end of the step."""
        self.home = home
        self._expect = expect
        self._step = step
        self._asked = asked
        self._begin = start + step.at
        self.deadline = min(self._begin + expect.within, start + end)
        self._checks: tuple[CheckResult, ...] = ()
        self._held_since: float | None = None
        self._missed_at: float | None = None

    def look(self, now: float, seen: Observation, *, final: bool = False) -> None:
        """Compare the state; from the deadline on, all checks must hold."""
        if self._missed_at is not None:
            return
        asked = self._asked() if self._asked else None
        self._checks = tuple(checks(self._expect, seen, asked))
        if all(check.holds for check in self._checks):
            if self._held_since is None:
                self._held_since = now
            return
        self._held_since = None
        if now > self.deadline or (final and now >= self.deadline):
            self._missed_at = now - self._begin

    def outcome(self) -> Outcome:
        """Return the outcome."""
        since = self._held_since
        return Outcome(
            home=self.home.name,
            at=self._step.at,
            deed=describe(self._step),
            checks=self._checks,
            seconds=None if since is None else since - self._begin,
            missed_at=self._missed_at,
        )


def checks(
    expect: Expectation, seen: Observation, asked: RequestResult | None
) -> list[CheckResult]:
    """Return the checks of an expectation."""
    found: list[CheckResult] = []

    def add(name: str, expected: str, actual: str, *, holds: bool) -> None:
        found.append(
            CheckResult(name=name, expected=expected, seen=actual, holds=holds)
        )

    for name, wanted, actual in (
        ("status", expect.status, seen.status),
        ("scope", expect.scope, seen.scope),
        ("notified", expect.notified, seen.notified),
        ("reauth", expect.reauth, seen.reauth),
    ):
        if wanted is not None:
            add(name, _text(wanted), _text(actual), holds=wanted == actual)
    for name, several, there in (
        ("planes", expect.planes, seen.planes),
        ("models", expect.models, seen.models),
        ("elsewhere", expect.elsewhere, seen.elsewhere),
    ):
        if several is not None:
            add(name, _list(several), _list(there), holds={*several} == {*there})
    for car, key in (expect.key or {}).items():
        shown = seen.keys.get(car)
        add(f"key {car}", key, _text(shown), holds=key == shown)
    if expect.entities is not None:
        lost = ", ".join(seen.unavailable)
        add("entities", "available", lost or "available", holds=not lost)
    if expect.status in OUTAGES and seen.repairs:
        add("repairs", "none", ", ".join(seen.repairs), holds=False)
    if expect.billed is not None:
        holds = seen.billed <= expect.billed
        add("billed", f"≤ {expect.billed}", str(seen.billed), holds=holds)
    if asked is not None:
        found.extend(_checks_of_request(expect, asked))
    return found


def near_in(case: Scenario) -> frozenset[str]:
    """Return the names of the cars that come into Bluetooth range in a case."""
    return frozenset(
        subject.removeprefix("car.")
        for step in case.timeline
        for subject, condition in step.set.items()
        if condition == "near"
    )


def _checks_of_request(expect: Expectation, asked: RequestResult) -> list[CheckResult]:
    found: list[CheckResult] = []
    if expect.done is not None:
        actual = _text(asked.done) if asked.ended else "not ended"
        found.append(
            CheckResult(
                name="done",
                expected=_text(expect.done),
                seen=actual,
                holds=asked.ended and asked.done == expect.done,
            )
        )
    if expect.via is not None:
        found.append(
            CheckResult(
                name="via",
                expected=expect.via,
                seen=_text(asked.via),
                holds=asked.via == expect.via,
            )
        )
    if expect.executed is not None:
        found.append(
            CheckResult(
                name="executed",
                expected=str(expect.executed),
                seen=str(asked.executed),
                holds=asked.executed == expect.executed,
            )
        )
    return found


def describe(step: Step) -> str:
    """Return a short description of the changes of a step."""
    deeds = [f"{subject}: {condition}" for subject, condition in step.set.items()]
    if step.clock:
        deeds.append(f"clock {step.clock:+.0f} s")
    if step.token:
        deeds.append(f"token {step.token}")
    if step.restart:
        deeds.append("restart")
    if step.do:
        deeds.append(_deed(step.do))
    return "; ".join(deeds)


def _deed(request: Request) -> str:
    return f"{request.action}.{request.car}"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _list(values: frozenset[str] | tuple[str, ...]) -> str:
    return ", ".join(sorted(values)) or "none"
