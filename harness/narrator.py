"""Run the demo at a speed that can be followed."""

import asyncio
from datetime import timedelta
from typing import override

from homeassistant.util import dt as dt_util

from simulator.scenarios.scenario import Scenario, Step

from .console import StoryConsole
from .environment import ScenarioEnvironment
from .scenario_runner import Outcome
from .time_control import TimeControl

NEAR_SECONDS = 180.0  # seconds after each step that pass slowly
NEAR_RATE = 15.0
FAR_REAL_SECONDS = 150.0  # real seconds for all time between steps


class Tempo(TimeControl):
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
        theatre: ScenarioEnvironment,
        tempo: Tempo,
        screen: StoryConsole,
        *,
        slow: bool,
    ) -> None:
        """Initialize with the environment and the console."""
        self._case = case
        self._theatre = theatre
        self._tempo = tempo
        self._screen = screen
        self._slow = slow
        self._last: dict[str, tuple[object, ...]] = {}
        self._told = 0
        self._start = 0.0
        self._near_until = 0.0
        self._far_rate = far_rate(case)

    def begins(self) -> None:
        """Start the output."""
        self._start = self._theatre.now
        self._told = len(self._theatre.house.notices)

    def steps(self, step: Step, end: float) -> None:
        """Print the changes of a step and slow down."""
        self._screen.step(step.at, step)
        self._near_until = min(step.at + NEAR_SECONDS, end)
        self._set_rate(step.at)

    def looks(self, at: float) -> None:
        """Print the state of each home if it changed, and new notices."""
        for home in self._case.homes:
            if home.name not in self._theatre.entries:
                continue
            seen = self._theatre.look(home)
            shown = (
                *(seen.status, seen.scope, seen.planes, seen.models, seen.elsewhere),
                *seen.keys.items(),
            )
            if self._last.get(home.name) != shown:
                self._last[home.name] = shown
                several = len(self._case.homes) > 1
                self._screen.state(at, home.name, seen, several=several)
        notices = self._theatre.house.notices
        for notice in notices[self._told :]:
            ago = timedelta(seconds=self._theatre.now - notice.at)
            self._screen.notice(notice.at - self._start, dt_util.now() - ago, notice)
        self._told = len(notices)
        self._set_rate(at)

    def hears(self, outcome: Outcome) -> None:
        """Print whether a step passed."""
        self._screen.outcome(outcome)

    def _set_rate(self, at: float) -> None:
        if self._slow:
            near = at < self._near_until
            self._tempo.rate = NEAR_RATE if near else self._far_rate


def far_rate(case: Scenario) -> float:
    """Return the rate between steps for the intended total duration."""
    ends = [*(step.at for step in case.timeline[1:]), case.end]
    near = sum(
        min(NEAR_SECONDS, end - step.at)
        for step, end in zip(case.timeline, ends, strict=True)
    )
    return max((case.end - near) / FAR_REAL_SECONDS, NEAR_RATE)
