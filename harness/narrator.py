"""Tells a story to somebody who reads along."""

import asyncio
from datetime import timedelta
from typing import override

from homeassistant.util import dt as dt_util

from simulator.scenarios.scenario import Scenario, Step

from .console import StoryConsole
from .environment import ScenarioEnvironment
from .scenario_runner import Outcome
from .time_control import TimeControl

NEAR_SECONDS = 180.0  # of the story after each step are told slowly
NEAR_RATE = 15.0
FAR_REAL_SECONDS = 150.0  # all the quiet hours together take this long


class Tempo(TimeControl):
    """A pace that can be followed: so many story seconds for each real one."""

    rate = 0.0  # as fast as it goes

    @override
    async def pass_time(self, seconds: float) -> None:
        """Let time pass at the rate of the moment."""
        end = self.clock.monotonic() + seconds
        if self.rate:
            await asyncio.sleep(seconds / self.rate)
        await super().pass_time(max(0.0, end - self.clock.monotonic()))


class Narrator:
    """Follows a story and prints what happens, in a time that suits a reader."""

    def __init__(
        self,
        case: Scenario,
        theatre: ScenarioEnvironment,
        tempo: Tempo,
        screen: StoryConsole,
        *,
        slow: bool,
    ) -> None:
        """Take where the story is played, and where it is told."""
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
        """Begin to tell."""
        self._start = self._theatre.now
        self._told = len(self._theatre.house.notices)

    def steps(self, step: Step, end: float) -> None:
        """Tell what happens in the world, and slow down."""
        self._screen.step(step.at, step)
        self._near_until = min(step.at + NEAR_SECONDS, end)
        self._set_rate(step.at)

    def looks(self, at: float) -> None:
        """Tell what Keycard says, if that is new."""
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
        """Tell whether a step went as expected."""
        self._screen.outcome(outcome)

    def _set_rate(self, at: float) -> None:
        if self._slow:
            near = at < self._near_until
            self._tempo.rate = NEAR_RATE if near else self._far_rate


def far_rate(case: Scenario) -> float:
    """Return how fast the quiet hours must pass for a story to stay short."""
    ends = [*(step.at for step in case.timeline[1:]), case.end]
    near = sum(
        min(NEAR_SECONDS, end - step.at)
        for step, end in zip(case.timeline, ends, strict=True)
    )
    return max((case.end - near) / FAR_REAL_SECONDS, NEAR_RATE)
