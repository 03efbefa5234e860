"""Run a case and check its expectations."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Protocol

from simulator.scenarios.scenario import (
    Expectation,
    ExpectedNotice,
    Home,
    PhoneSpec,
    Request,
    Scenario,
    Step,
)

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
    subsystems: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    other_regions: frozenset[str] = frozenset()
    keys: Mapping[str, str | None] = field(default_factory=dict)
    notified: int = 0
    reauth: bool = False
    unavailable: tuple[str, ...] = ()
    billed: int = 0
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReceivedNotice:
    """A notice on a phone, at seconds since the start of the case."""

    at: float
    kind: str
    tag: str
    title: str
    text: str
    buttons: tuple[str, ...] = ()

    @property
    def order(self) -> str:
        """Return the first line."""
        return self.text.split("\n", maxsplit=1)[0]


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
    changes: str
    checks: tuple[CheckResult, ...] = ()
    seconds: float | None = None  # until all expectations held
    missed_at: float | None = None

    @property
    def passed(self) -> bool:
        """Return whether all expectations held in time."""
        return self.missed_at is None


NO_NOTICES = CheckResult(name="notices", expected="none", seen="none", holds=True)


class ScenarioTarget(Protocol):
    """Environment in which a case runs."""

    @property
    def monotonic(self) -> float:
        """Return the monotonic time in seconds."""

    async def install(self, home: Home, near: Collection[str] = ()) -> None:
        """Set Keycard up for a home.

        `near` names the cars that come into Bluetooth range during the case, which are
        paired.
        """

    async def add_phone(self, phone: PhoneSpec) -> None:
        """Register a phone of the user."""

    async def press(self, button: str) -> None:
        """Press a button of a notice on the phone."""

    def received(self) -> Sequence[ReceivedNotice]:
        """Return the notices that the phone has received since the start."""

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

    def observe(self, home: Home) -> Observation:
        """Return the current state of a home."""

    def start_counting(self) -> None:
        """Start counting notices and billed calls."""

    async def run_until(
        self, until: float, on_advance: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Advance to a monotonic time, timer by timer; call `on_advance` after each."""


class RunObserver(Protocol):
    """Observer of a run; times are seconds since the start of the case."""

    def case_started(self) -> None:
        """Handle the start of the case, after set-up."""

    def step_started(self, step: Step, end: float) -> None:
        """Handle the start of a step that lasts until `end`."""

    def time_passed(self, at: float) -> None:
        """Handle the passing of time."""

    def step_finished(self, outcome: Outcome) -> None:
        """Handle the outcome of a finished step."""


class ScenarioRunner:
    """Runs one case."""

    def __init__(
        self, case: Scenario, target: ScenarioTarget, observer: RunObserver
    ) -> None:
        """Initialize with a case, its environment and an observer."""
        self._case = case
        self._target = target
        self._observer = observer

    async def run(self) -> bool:
        """Run the case; return whether all expectations held."""
        target, homes, observer = self._target, self._case.homes, self._observer
        new_homes = [home for home in homes if not home.settled]
        if (phone := self._case.phone) is not None:
            await target.add_phone(phone)
        for home in homes:
            if home.settled:
                await target.install(home, cars_in_range(self._case))
        await target.run_until(target.monotonic + SETTLE_SECONDS)
        start = target.monotonic
        target.start_counting()
        observer.case_started()

        async def notify() -> None:
            observer.time_passed(target.monotonic - start)

        passed = True
        for number, step in enumerate(self._case.timeline):
            await target.run_until(start + step.at, notify)
            following = self._case.timeline[number + 1 :]
            end = following[0].at if following else self._case.end
            observer.step_started(step, end)
            for outcome in await self._step(step, start, end, new_homes):
                observer.step_finished(outcome)
                passed = passed and outcome.passed
            new_homes = []
        if phone is not None:
            outcome = check_notices(phone.notices, target.received(), self._case.end)
            observer.step_finished(outcome)
            passed = passed and outcome.passed
        return passed

    async def _step(
        self, step: Step, start: float, end: float, new_homes: list[Home]
    ) -> list[Outcome]:
        target = self._target
        if step.set:
            target.set(step.set)
        if step.clock:
            target.set_clock(step.clock)
        if step.token:
            target.set_token(step.token)
        for home in new_homes:
            await target.install(home, cars_in_range(self._case))
        if step.restart:
            await target.restart()
        if step.press:
            await target.press(step.press)
        request_result = target.request(step.do) if step.do else None
        expectation_checks = [
            ExpectationCheck(
                home, expect, step, start=start, end=end, request_result=request_result
            )
            for home in self._case.homes
            if (expect := step.expect.get(home.name))
        ]

        async def update() -> None:
            for check in expectation_checks:
                check.update(target.monotonic, target.observe(check.home))
            self._observer.time_passed(target.monotonic - start)

        await update()
        for moment in sorted(
            {start + end, *(check.deadline for check in expectation_checks)}
        ):
            await target.run_until(moment, update)
            for check in expectation_checks:
                check.update(target.monotonic, target.observe(check.home), final=True)
        return [check.outcome() for check in expectation_checks]


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
        request_result: Callable[[], RequestResult] | None,
    ) -> None:
        """Initialize with the start times of case and step and the end of the step."""
        self.home = home
        self._expect = expect
        self._step = step
        self._request_result = request_result
        self._started_at = start + step.at
        self.deadline = min(self._started_at + expect.within, start + end)
        self._checks: tuple[CheckResult, ...] = ()
        self._passed_since: float | None = None
        self._missed_at: float | None = None

    def update(
        self, now: float, observation: Observation, *, final: bool = False
    ) -> None:
        """Compare the state; from the deadline on, all checks must hold."""
        if self._missed_at is not None:
            return
        request_result = self._request_result() if self._request_result else None
        self._checks = tuple(checks(self._expect, observation, request_result))
        if all(check.holds for check in self._checks):
            if self._passed_since is None:
                self._passed_since = now
            return
        self._passed_since = None
        if now > self.deadline or (final and now >= self.deadline):
            self._missed_at = now - self._started_at

    def outcome(self) -> Outcome:
        """Return the outcome."""
        passed_since = self._passed_since
        return Outcome(
            home=self.home.name,
            at=self._step.at,
            changes=describe(self._step),
            checks=self._checks,
            seconds=None if passed_since is None else passed_since - self._started_at,
            missed_at=self._missed_at,
        )


def checks(
    expect: Expectation, observation: Observation, request_result: RequestResult | None
) -> list[CheckResult]:
    """Return the checks of an expectation."""
    results: list[CheckResult] = []

    def add(name: str, expected: str, actual: str, *, holds: bool) -> None:
        results.append(
            CheckResult(name=name, expected=expected, seen=actual, holds=holds)
        )

    for name, expected_value, actual in (
        ("status", expect.status, observation.status),
        ("scope", expect.scope, observation.scope),
        ("notified", expect.notified, observation.notified),
        ("reauth", expect.reauth, observation.reauth),
    ):
        if expected_value is not None:
            add(
                name,
                _text(expected_value),
                _text(actual),
                holds=expected_value == actual,
            )
    for name, expected_values, actual_values in (
        ("planes", expect.subsystems, observation.subsystems),
        ("models", expect.models, observation.models),
        ("elsewhere", expect.other_regions, observation.other_regions),
    ):
        if expected_values is not None:
            add(
                name,
                _list(expected_values),
                _list(actual_values),
                holds={*expected_values} == {*actual_values},
            )
    for car, key in (expect.key or {}).items():
        actual_key = observation.keys.get(car)
        add(f"key {car}", key, _text(actual_key), holds=key == actual_key)
    if expect.entities is not None:
        unavailable = ", ".join(observation.unavailable)
        add("entities", "available", unavailable or "available", holds=not unavailable)
    if expect.status in OUTAGES and observation.repairs:
        add("repairs", "none", ", ".join(observation.repairs), holds=False)
    if expect.billed is not None:
        holds = observation.billed <= expect.billed
        add("billed", f"≤ {expect.billed}", str(observation.billed), holds=holds)
    if request_result is not None:
        results.extend(_request_checks(expect, request_result))
    return results


def check_notices(
    expected: Sequence[ExpectedNotice], received: Sequence[ReceivedNotice], end: float
) -> Outcome:
    """Compare the notices on the phone with the list of the case."""
    results = [
        _notice_check(f"notice {number}", wanted, seen)
        for number, (wanted, seen) in enumerate(zip_longest(expected, received), 1)
    ]
    return Outcome(
        home="phone",
        at=end,
        changes="",
        checks=tuple(results) or (NO_NOTICES,),
        seconds=0.0,
        missed_at=None if all(result.holds for result in results) else 0.0,
    )


def _notice_check(
    name: str, expected: ExpectedNotice | None, received: ReceivedNotice | None
) -> CheckResult:
    wanted = "none" if expected is None else describe_notice(expected)
    if expected is not None and received is not None and _matches(expected, received):
        return CheckResult(name=name, expected=wanted, seen=wanted, holds=True)
    seen = "none" if received is None else describe_received(received)
    return CheckResult(name=name, expected=wanted, seen=seen, holds=False)


def _matches(expected: ExpectedNotice, received: ReceivedNotice) -> bool:
    return (
        expected.at <= received.at <= expected.at + expected.within
        and expected.kind == received.kind
        and expected.tag == received.tag
        and expected.title in (None, received.title)
        and expected.order in (None, received.order)
        and all(part in received.text for part in expected.says)
        and expected.buttons == received.buttons
    )


def describe_notice(notice: ExpectedNotice) -> str:
    """Return an expected notice as a text."""
    parts = (notice.title, notice.order, *notice.says)
    return _notice_text(
        f"{format_seconds(notice.at)} to {format_seconds(notice.at + notice.within)}",
        notice,
        [part for part in parts if part is not None],
    )


def describe_received(notice: ReceivedNotice) -> str:
    """Return a received notice as a text."""
    return _notice_text(
        format_seconds(notice.at), notice, [notice.title, *notice.text.split("\n")]
    )


def _notice_text(
    when: str, notice: ExpectedNotice | ReceivedNotice, parts: Sequence[str]
) -> str:
    buttons = f" [{', '.join(notice.buttons)}]" if notice.buttons else ""
    return f"{when} {notice.kind} {notice.tag} {' | '.join(parts)}{buttons}"


def format_seconds(seconds: float) -> str:
    """Return seconds as H:MM:SS."""
    minutes, second = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{second:02}"


def cars_in_range(case: Scenario) -> frozenset[str]:
    """Return the names of the cars that come into Bluetooth range in a case."""
    return frozenset(
        subject.removeprefix("car.")
        for step in case.timeline
        for subject, condition in step.set.items()
        if condition == "near"
    )


def _request_checks(
    expect: Expectation, request_result: RequestResult
) -> list[CheckResult]:
    results: list[CheckResult] = []
    if expect.done is not None:
        actual = _text(request_result.done) if request_result.ended else "not ended"
        results.append(
            CheckResult(
                name="done",
                expected=_text(expect.done),
                seen=actual,
                holds=request_result.ended and request_result.done == expect.done,
            )
        )
    if expect.via is not None:
        results.append(
            CheckResult(
                name="via",
                expected=expect.via,
                seen=_text(request_result.via),
                holds=request_result.via == expect.via,
            )
        )
    if expect.executed is not None:
        results.append(
            CheckResult(
                name="executed",
                expected=str(expect.executed),
                seen=str(request_result.executed),
                holds=request_result.executed == expect.executed,
            )
        )
    return results


def describe(step: Step) -> str:
    """Return a short description of the changes of a step."""
    changes = [f"{subject}: {condition}" for subject, condition in step.set.items()]
    if step.clock:
        changes.append(f"clock {step.clock:+.0f} s")
    if step.token:
        changes.append(f"token {step.token}")
    if step.restart:
        changes.append("restart")
    if step.press:
        changes.append(f"press {step.press}")
    if step.do:
        changes.append(_format_request(step.do))
    return "; ".join(changes)


def _format_request(request: Request) -> str:
    return f"{request.action}.{request.car}"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _list(values: frozenset[str] | tuple[str, ...]) -> str:
    return ", ".join(sorted(values)) or "none"
