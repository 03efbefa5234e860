"""Run one case in this process and print results as lines of JSON."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
import json
from pathlib import Path
import signal
import sys
import tempfile
import time
from typing import Any

from homeassistant.runner import configure_event_loop

from simulator import Simulator
from simulator.scenarios.scenario import (
    DEFAULT_PROVIDER,
    PhoneSpec,
    Scenario,
    Step,
    load_case,
)

from . import fake_network
from .clock import OffsetClock
from .environment import ScenarioEnvironment, build_network, trust
from .event_loop import HarnessLoop
from .frontend_client import complete_onboarding
from .home_assistant import HomeAssistantInstance, LogCollector
from .outcome_report import to_json
from .phone import Phone, user_phone
from .ports import reserved_port
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
    task = loop.create_task(_run_case(case, clock, loop))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        passed = loop.run_until_complete(task)
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


async def _run_case(case: Scenario, clock: OffsetClock, loop: HarnessLoop) -> bool:
    log = LogCollector()
    log.attach()
    traffic = Traffic()
    started_at = time.perf_counter()
    simulator = Simulator(case.homes, get_time=clock.true_time, tls=True)
    with (
        tempfile.TemporaryDirectory(prefix="keycard-house-") as folder,
        traffic.count_requests(),
        reserved_port() as port,
    ):
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(simulator)
            trust(simulator)
            loop.network = build_network(simulator)
            time_control = TimeControl(clock, loop, traffic, simulator)
            instance = HomeAssistantInstance(Path(folder), loop, port)
            integrations = () if case.phone is None else ("mobile_app",)
            instance.configure(case.homes[0].region, integrations=integrations)

            async def add_phone(phone: PhoneSpec) -> Phone:
                token = await instance.task(complete_onboarding(instance.hass))
                return await stack.enter_async_context(
                    user_phone(
                        instance.hass,
                        phone,
                        url=instance.url,
                        token=token,
                        monotonic=clock.monotonic,
                    )
                )

            environment = ScenarioEnvironment(
                simulator, instance, time_control, add_phone=add_phone
            )
            start = clock.monotonic()
            passed = False
            try:
                await instance.start()
                passed = await ScenarioRunner(case, environment, JsonObserver()).run()
            except HarnessError as err:
                _print({"problem": str(err)})
            finally:
                await instance.stop()
            for error in log.errors:
                _print({"problem": f"logged: {error}"})
            _print(
                {
                    "simulated": clock.monotonic() - start,
                    "seconds": time.perf_counter() - started_at,
                    "jumps": time_control.jumps,
                    "calls": sum(simulator.usage.by_endpoint.values()),
                    "billed": simulator.usage.billed,
                    "notices": [
                        [notice.at - environment.started_at, notice.tag, notice.title]
                        for notice in instance.notices
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
