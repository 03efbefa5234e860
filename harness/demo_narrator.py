"""Run the demo at a speed that can be followed."""

import asyncio
from datetime import timedelta
from typing import override

from homeassistant.util import dt as dt_util

from simulator.scenarios.scenario import Scenario, Step

from .demo_console import DemoConsole
from .environment import ScenarioEnvironment
from .scenario_runner import Outcome
from .time_control import TimeControl

STEP_SECONDS = 180.0  # seconds after each step that pass slowly
STEP_RATE = 15.0
IDLE_REAL_SECONDS = 150.0  # real seconds for all time between steps


class RateControl(TimeControl):
    """Time control with a limited rate."""

    rate = 0.0  # simulated seconds per real second, 0 for unlimited

    @override
    async def pass_time(self, seconds: float) -> None:
        """Advance at the current rate."""
        end = self.clock.monotonic() + seconds
        if self.rate:
            await asyncio.sleep(seconds / self.rate)
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
        slow: bool,
    ) -> None:
        """Initialize with the environment and the console."""
        self._case = case
        self._environment = environment
        self._rate_control = rate_control
        self._console = console
        self._slow = slow
        self._printed_states: dict[str, tuple[object, ...]] = {}
        self._printed_notices = 0
        self._start = 0.0
        self._step_until = 0.0
        self._idle_rate = idle_rate(case)

    def case_started(self) -> None:
        """Start the output."""
        self._start = self._environment.now
        self._printed_notices = len(self._environment.instance.notices)

    def step_started(self, step: Step, end: float) -> None:
        """Print the changes of a step and slow down."""
        self._console.step(step.at, step)
        self._step_until = min(step.at + STEP_SECONDS, end)
        self._set_rate(step.at)

    def time_passed(self, at: float) -> None:
        """Print the state of each home if it changed, and new notices."""
        for home in self._case.homes:
            if home.name not in self._environment.entries:
                continue
            observation = self._environment.observe(home)
            state = (
                *(
                    observation.status,
                    observation.scope,
                    observation.subsystems,
                    observation.models,
                    observation.other_regions,
                ),
                *observation.keys.items(),
            )
            if self._printed_states.get(home.name) != state:
                self._printed_states[home.name] = state
                several = len(self._case.homes) > 1
                self._console.state(at, home.name, observation, several=several)
        notices = self._environment.instance.notices
        for notice in notices[self._printed_notices :]:
            ago = timedelta(seconds=self._environment.now - notice.at)
            self._console.notice(notice.at - self._start, dt_util.now() - ago, notice)
        self._printed_notices = len(notices)
        self._set_rate(at)

    def step_finished(self, outcome: Outcome) -> None:
        """Print whether a step passed."""
        self._console.outcome(outcome)

    def _set_rate(self, at: float) -> None:
        if self._slow:
            in_step = at < self._step_until
            self._rate_control.rate = STEP_RATE if in_step else self._idle_rate


def idle_rate(case: Scenario) -> float:
    """Return the rate between steps for the intended total duration."""
    ends = [*(step.at for step in case.timeline[1:]), case.end]
    step_seconds = sum(
        min(STEP_SECONDS, end - step.at)
        for step, end in zip(case.timeline, ends, strict=True)
    )
    return max((case.end - step_seconds) / IDLE_REAL_SECONDS, STEP_RATE)
