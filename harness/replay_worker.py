"""Run one case in this process and print results as lines of JSON."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
import json
import signal
import sys
import time
from typing import Any

from homeassistant.components.device_tracker import legacy

from simulator.scenarios.scenario import DEFAULT_PROVIDER, Scenario, Step, load_case

from . import fake_network
from .clock import OffsetClock
from .environment import open_environment
from .event_loop import HarnessLoop, open_event_loop
from .home_assistant import LogCollector
from .outcome_report import to_json
from .scenario_runner import Outcome, ScenarioRunner
from .time_control import HarnessError


def main(arguments: Sequence[str], clock: OffsetClock) -> int:
    """Run the given case, optionally with another provider."""
    path, *providers = arguments
    case = load_case(path)
    for provider in providers:
        case = with_provider(case, provider)
    fake_network.install()
    # It looks for stale devices of legacy trackers every five seconds: half of all
    # timers, and there are no such devices.
    vars(legacy).update(async_track_utc_time_change=lambda *_, **__: lambda: None)
    with open_event_loop() as loop:
        task = loop.create_task(_run_case(case, clock, loop))
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        try:
            passed = loop.run_until_complete(task)
        except asyncio.CancelledError:
            return 130
    return 0 if passed else 1


def with_provider(case: Scenario, provider: str) -> Scenario:
    """Return a case with another provider instead of the default one."""
    homes = tuple(
        replace(home, provider=provider) if home.provider == DEFAULT_PROVIDER else home
        for home in case.homes
    )
    return replace(case, homes=homes)


async def _run_case(case: Scenario, clock: OffsetClock, loop: HarnessLoop) -> bool:
    log = LogCollector()
    log.attach()
    started_at = time.perf_counter()
    start = clock.monotonic()
    passed = False
    async with open_environment(
        case.homes, clock, loop, phone=case.phone is not None
    ) as environment:
        try:
            await environment.instance.start()
            passed = await ScenarioRunner(case, environment, JsonObserver()).run()
        except HarnessError as err:
            _print({"problem": str(err)})
    for error in log.errors:
        _print({"problem": f"logged: {error}"})
    usage = environment.simulator.usage
    _print(
        {
            "simulated": clock.monotonic() - start,
            "seconds": time.perf_counter() - started_at,
            "jumps": environment.time_control.jumps,
            "calls": sum(usage.by_endpoint.values()),
            "billed": usage.billed,
            "notices": [
                [notice.at - environment.started_at, notice.tag, notice.title]
                for notice in environment.instance.notices
            ],
        }
    )
    return passed and not log.errors


class JsonObserver:
    """Prints the outcome of each step."""

    def case_started(self) -> None:
        """Ignore the start."""

    def step_started(self, step: Step, end: float) -> None:
        """Ignore the step."""

    def time_passed(self, at: float) -> None:
        """Ignore the time."""

    def step_finished(self, outcome: Outcome) -> None:
        """Print the outcome of a step."""
        print(to_json(outcome), flush=True)


def _print(message: dict[str, Any]) -> None:
    print(json.dumps(message), file=sys.stdout, flush=True)
