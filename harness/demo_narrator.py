"""Run the demo at a speed that can be followed."""

import asyncio
from datetime import datetime, timedelta
import time
from typing import override

from homeassistant.util import dt as dt_util

from simulator import Simulator
from simulator.scenarios.scenario import Scenario, Step

from .clock import OffsetClock
from .demo_console import DemoConsole
from .environment import ScenarioEnvironment
from .event_loop import HarnessLoop
from .scenario_runner import Outcome
from .time_control import TimeControl, Traffic
from .visitors import Visitors

TICK_SECONDS = 0.1
STEP_SECONDS = 180.0  # seconds after each step that pass slowly
STEP_RATE = 15.0
IDLE_REAL_SECONDS = 150.0  # real seconds for all time between steps


class RateControl(TimeControl):
    """Time control with a limited rate.

    While a browser loads a page, time passes as it really does.
    """

    rate = 0.0  # simulated seconds per real second, 0 for unlimited

    def __init__(
        self,
        clock: OffsetClock,
        loop: HarnessLoop,
        traffic: Traffic,
        simulator: Simulator,
        visitors: Visitors,
    ) -> None:
        """Initialize with the visitors of Home Assistant."""
        super().__init__(clock, loop, traffic, simulator)
        self._visitors = visitors

    @override
    async def pass_time(self, seconds: float) -> None:
        """Advance at the current rate."""
        end = self.clock.monotonic() + seconds
        while (remaining := end - self.clock.monotonic()) > 0:
            rate = 1.0 if self._visitors.loading else self.rate
            if not rate:
                break
            pause = min(remaining / rate, TICK_SECONDS)
            await asyncio.sleep(pause)
            remaining = end - self.clock.monotonic()
            # The clock has already advanced by the pause.
            self.clock.jump(max(0.0, min(remaining, pause * (rate - 1))))
        await super().pass_time(max(0.0, end - self.clock.monotonic()))


class Narrator:
    """Prints the progress of a scenario and controls its rate."""

    def __init__(
        self,
        case: Scenario,
        environment: ScenarioEnvironment,
        rate_control: RateControl,
        console: DemoConsole,
        *,
        url: str,
        slow: bool,
    ) -> None:
        """Initialize with the environment, the console and the URL of the wall view."""
        self._case = case
        self._environment = environment
        self._rate_control = rate_control
        self._console = console
        self._url = url
        self._slow = slow
        self._begin = time.perf_counter()
        self._printed_states: dict[str, tuple[object, ...]] = {}
        self._printed_on_phone = 0
        self._printed_on_bell = 0
        self._step_until = 0.0
        self._idle_rate = idle_rate(case)

    @property
    def elapsed(self) -> float:
        """Return the real seconds since the start of the scenario."""
        return time.perf_counter() - self._begin

    def case_started(self) -> None:
        """Start the output."""
        self._printed_on_phone = len(self._environment.received())
        self._printed_on_bell = len(self._environment.instance.notices)
        self._begin = time.perf_counter()
        self._console.write(f"Open the wall view: {self._url} (you are signed in)")
        if self._slow:
            minutes = round(duration_seconds(self._case) / 60)
            self._console.write(
                f"The demo takes about {minutes} minutes. Time runs faster than real"
                " time, except while a page loads."
            )

    def step_started(self, step: Step, end: float) -> None:
        """Print the changes of a step and slow down."""
        self._console.step(step.at, dt_util.now(), step)
        self._step_until = min(step.at + STEP_SECONDS, end)
        self._set_rate(step.at)

    def time_passed(self, at: float) -> None:
        """Print the state of each home if it changed, and new notifications."""
        for home in self._case.homes:
            if home.name not in self._environment.entries:
                continue
            observation = self._environment.observe(home)
            if self._printed_states.get(home.name) != (
                state := self._console.shown_state(observation)
            ):
                self._printed_states[home.name] = state
                several = len(self._case.homes) > 1
                self._console.state(
                    dt_util.now(), home.name, observation, several=several
                )
        self.show_notifications()
        self._set_rate(at)

    def show_notifications(self) -> None:
        """Print what the phone and the bell show since the last time."""
        environment = self._environment
        received = environment.received()
        on_phone = received[self._printed_on_phone :]
        self._printed_on_phone = len(received)
        for notice in on_phone:
            ago = environment.monotonic - environment.started_at - notice.at
            self._console.phone(_moment(ago), notice)
        on_bell = environment.instance.notices[self._printed_on_bell :]
        self._printed_on_bell += len(on_bell)
        shown = {notice.title for notice in on_phone}
        for notification in on_bell:
            ago = environment.monotonic - notification.at
            self._console.bell(
                _moment(ago), notification, repeated=notification.title in shown
            )

    def step_finished(self, outcome: Outcome) -> None:
        """Print whether a step passed."""
        self._console.outcome(outcome)

    def _set_rate(self, at: float) -> None:
        if self._slow:
            in_step = at < self._step_until
            self._rate_control.rate = STEP_RATE if in_step else self._idle_rate


def _moment(seconds_ago: float) -> datetime:
    return dt_util.now() - timedelta(seconds=seconds_ago)


def idle_rate(case: Scenario) -> float:
    """Return the rate between steps for the intended total duration."""
    idle_seconds = case.end - _step_seconds(case)
    return max(idle_seconds / IDLE_REAL_SECONDS, STEP_RATE)


def duration_seconds(case: Scenario) -> float:
    """Return the real seconds that a case takes."""
    step_seconds = _step_seconds(case)
    return step_seconds / STEP_RATE + (case.end - step_seconds) / idle_rate(case)


def _step_seconds(case: Scenario) -> float:
    """Return the simulated seconds that pass slowly."""
    ends = [*(step.at for step in case.timeline[1:]), case.end]
    return sum(
        min(STEP_SECONDS, end - step.at)
        for step, end in zip(case.timeline, ends, strict=True)
    )
