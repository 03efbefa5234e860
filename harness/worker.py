"""Run one case in this process and print results as lines of JSON."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
import json
from pathlib import Path
import signal
import socket
import sys
import tempfile
import time
from typing import Any

from homeassistant.runner import configure_event_loop

from simulator import Simulator
from simulator.scenarios.scenario import DEFAULT_PROVIDER, Scenario, Step, load_case

from . import fake_network
from .clock import OffsetClock
from .environment import ScenarioEnvironment, build_network, trust
from .event_loop import HarnessLoop
from .frontend_client import HOST, seed
from .home_assistant import HomeAssistantInstance, LogCollector
from .report import to_json
from .scenario_runner import Outcome, ScenarioRunner
from .time_control import HarnessError, TimeControl, Traffic


def main(arguments: Sequence[str], clock: OffsetClock) -> int:
    """Run the given case, optionally with another provider."""
    path, *providers = arguments
    case = load_case(path)
    for provider in providers:
        case = with_provider(case, provider)
    fake_network.install()
    loop = HarnessLoop()
    configure_event_loop(loop)
    asyncio.set_event_loop(loop)
    play = loop.create_task(_play(case, clock, loop))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, play.cancel)
    try:
        passed = loop.run_until_complete(play)
    except asyncio.CancelledError:
        return 130
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
    return 0 if passed else 1


def with_provider(case: Scenario, provider: str) -> Scenario:
    """Return a case with another provider instead of the default one."""
    homes = tuple(
        replace(home, provider=provider) if home.provider == DEFAULT_PROVIDER else home
        for home in case.homes
    )
    return replace(case, homes=homes)


async def _play(case: Scenario, clock: OffsetClock, loop: HarnessLoop) -> bool:
    log = LogCollector()
    log.attach()
    traffic = Traffic()
    begin = time.perf_counter()
    simulator = Simulator(case.homes, now=clock.true_time, tls=True)
    with (
        tempfile.TemporaryDirectory(prefix="keycard-house-") as folder,
        traffic.counted(),
    ):
        async with simulator:
            trust(simulator)
            loop.network = build_network(simulator)
            pace = TimeControl(clock, loop, traffic, simulator)
            house = HomeAssistantInstance(Path(folder), loop)
            house.configure(case.homes[0].region)
            # Each process listens on its own port, which is not used.
            seed(Path(folder), free_port())
            theatre = ScenarioEnvironment(simulator, house, pace)
            start = clock.monotonic()
            passed = False
            try:
                await house.start()
                passed = await ScenarioRunner(case, theatre, LineObserver()).play()
            except HarnessError as err:
                _print({"problem": str(err)})
            finally:
                await house.stop()
            for error in log.errors:
                _print({"problem": f"logged: {error}"})
            _print(
                {
                    "story": clock.monotonic() - start,
                    "seconds": time.perf_counter() - begin,
                    "jumps": pace.jumps,
                    "calls": sum(simulator.usage.by_endpoint.values()),
                    "billed": simulator.usage.billed,
                    "notices": [
                        [notice.at - theatre.begun, notice.tag, notice.title]
                        for notice in house.notices
                    ],
                }
            )
    return passed and not log.errors


def free_port() -> int:
    """Return an unused port of this machine."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


class LineObserver:
    """Prints the outcome of each step."""

    def begins(self) -> None:
        """Ignore the start."""

    def steps(self, step: Step, end: float) -> None:
        """Ignore the step."""

    def looks(self, at: float) -> None:
        """Ignore the time."""

    def hears(self, outcome: Outcome) -> None:
        """Print the outcome of a step."""
        print(to_json(outcome), flush=True)


def _print(told: dict[str, Any]) -> None:
    print(json.dumps(told), file=sys.stdout, flush=True)
