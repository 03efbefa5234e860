"""The demo: a full Home Assistant on this machine during a scenario."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack, ExitStack
import json
from pathlib import Path
import signal
import sys
import tempfile
import threading
from typing import Any, override

import aiohttp
from rich.console import Console

from homeassistant.components.frontend import add_extra_js_url
from homeassistant.components.http import StaticPathConfig
from homeassistant.core import HomeAssistant

from simulator import CaseError, Simulator, load_case
from simulator.scenarios.scenario import Home, PhoneSpec, Scenario, join_cases

from . import fake_network
from .clock import OffsetClock
from .demo_console import DemoConsole
from .demo_narrator import Narrator, RateControl
from .environment import ScenarioEnvironment, build_network, trust
from .event_loop import HarnessLoop, open_event_loop
from .frontend_client import (
    AUTH_PROVIDERS,
    DASHBOARD,
    EXTRA_INTEGRATIONS,
    FrontendClient,
    complete_onboarding,
    keep_signed_in,
    local_time_zone,
)
from .home_assistant import ROOT, HomeAssistantInstance, LogCollector, boot_full
from .phone import Phone, user_phone
from .ports import ANY, HOST, port_error, reserved_port
from .scenario_runner import SETTLE_SECONDS, ScenarioRunner
from .time_control import HarnessError, TimeControl, Traffic
from .visitors import Visitors

CASES = ROOT / "tests" / "cases"
DEFAULT_CASES = (
    CASES / "own-internet-before-an-outage.yaml",
    CASES / "2021-11-19-worldwide.yaml",
)
CLOCK_SCRIPT = Path(__file__).with_name("demo_clock.js")
# The frontend's service worker never caches the API.
CLOCK_URL = "/api/keycard_demo/clock.js"
STOP_SECONDS = 10.0
MAX_PORT = 65_535
DEFAULT_PORTS = (*range(8123, 8133), ANY)


def main(arguments: Sequence[str], clock: OffsetClock) -> int:
    """Run a scenario in a Home Assistant that can be visited."""
    options = _options(arguments)
    console = DemoConsole(Console(), verbose=options.verbose)
    try:
        case = join_cases([load_case(path) for path in options.case or DEFAULT_CASES])
    except CaseError as err:
        console.fail(str(err))
        return 2
    if options.port is not None and (reason := port_error(options.port)):
        console.fail(
            f"port {options.port} is taken ({reason}): choose another with --port, or"
            " stop the program that uses it"
        )
        return 2
    with ExitStack() as stack:
        if options.port is None:
            options.port = stack.enter_context(reserved_port(DEFAULT_PORTS))
        return _run(case, clock, console, options)


def _run(
    case: Scenario,
    clock: OffsetClock,
    console: DemoConsole,
    options: argparse.Namespace,
) -> int:
    """Run the demo until it ends or is interrupted; return the exit status."""
    fake_network.install()
    with open_event_loop() as loop:
        demo = loop.create_task(Demo(case, clock, loop, console, options).run())

        def cancel() -> None:
            """Cancel the demo once, however often a signal arrives."""
            if not demo.cancelling():
                console.write("\nStopping...")
                demo.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, cancel)
        try:
            return loop.run_until_complete(demo)
        except asyncio.CancelledError:
            console.write("The demo has ended.")
            return 130
        except HarnessError as err:
            console.fail(str(err))
            return 1
        finally:
            # Home Assistant logs what nothing catches, and the log is not printed.
            sys.excepthook, threading.excepthook = (
                sys.__excepthook__,
                threading.__excepthook__,
            )


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="script/demo",
        description="Run Keycard through an outage in a Home Assistant on 127.0.0.1.",
    )
    parser.add_argument(
        "--case",
        action="append",
        type=Path,
        metavar="FILE",
        help="case to run; several of the same home run one after another",
    )
    parser.add_argument(
        "--port",
        type=_port,
        help="port of Home Assistant (8123, or another if that is taken)",
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help="run at full speed and stop; fail if an expectation does not hold",
    )
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="print the conditions of the simulated cloud and all checks, too",
    )
    # For script/screenshots: what the phone received, as JSON, at the end of the case.
    parser.add_argument("--pushes", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= MAX_PORT:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is not a port: choose 1 to {MAX_PORT}")


class Demo:
    """One run of the demo."""

    def __init__(
        self,
        case: Scenario,
        clock: OffsetClock,
        loop: HarnessLoop,
        console: DemoConsole,
        options: argparse.Namespace,
    ) -> None:
        self._case = case
        self._clock = clock
        self._loop = loop
        self._console = console
        self._once: bool = options.once
        self._port: int = options.port
        self._pushes: Path | None = options.pushes
        self._log = LogCollector()

    @property
    def url(self) -> str:
        """Return the URL of Home Assistant."""
        return f"http://{HOST}:{self._port}"

    async def run(self) -> int:
        """Set up the environment, run the case and keep Home Assistant running."""
        self._log.attach()
        self._console.title(self._case)
        # The scenario starts in the past, so that it can end now.
        self._clock.time_offset = -(SETTLE_SECONDS + self._case.end)
        simulator = Simulator(
            self._case.homes, get_time=self._clock.true_time, tls=True
        )
        traffic, visitors = Traffic(), Visitors()
        async with AsyncExitStack() as stack:
            stack.enter_context(self._console.break_silence())
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(
                    prefix="keycard-demo-", ignore_cleanup_errors=True
                )
            )
            stack.enter_context(traffic.count_requests())
            stack.enter_context(visitors.watch())
            await stack.enter_async_context(simulator)
            trust(simulator)
            self._loop.network = build_network(simulator)
            self._console.begin("Starting a simulated Tesla and Home Assistant", 30)
            instance = HomeAssistantInstance(
                Path(folder), self._loop, self._port, _boot
            )
            self._configure(instance)
            stack.push_async_callback(self._stop, instance)
            await self._start(instance)
            session = await stack.enter_async_context(aiohttp.ClientSession())
            token = await complete_onboarding(instance.hass)
            client = FrontendClient(session, self.url, token)

            async def add_phone(phone: PhoneSpec) -> Phone:
                return await stack.enter_async_context(
                    user_phone(
                        instance.hass,
                        phone,
                        url=self.url,
                        token=token,
                        monotonic=self._clock.monotonic,
                    )
                )

            rate_control = RateControl(
                self._clock, self._loop, traffic, simulator, visitors
            )
            environment = DemoEnvironment(
                simulator,
                instance,
                rate_control,
                client,
                add_phone=add_phone,
            )
            self._console.begin(
                "Setting Keycard up with a simulated phone, as you would", 30
            )
            if self._case.phone is None:
                await environment.add_phone(PhoneSpec())
            return await self._run_case(environment, rate_control)

    def _configure(self, instance: HomeAssistantInstance) -> None:
        instance.configure(
            self._case.homes[0].region,
            {
                "auth_providers": AUTH_PROVIDERS,
                "time_zone": local_time_zone(),
            },
            EXTRA_INTEGRATIONS,
        )

    async def _run_case(
        self, environment: DemoEnvironment, rate_control: RateControl
    ) -> int:
        """Run the case; return the exit status."""
        narrator = Narrator(
            self._case,
            environment,
            rate_control,
            self._console,
            url=f"{self.url}/{DASHBOARD}",
            slow=not self._once,
        )
        passed = await ScenarioRunner(self._case, environment, narrator).run()
        rate_control.rate = 0
        minutes, seconds = divmod(round(narrator.elapsed), 60)
        self._console.write(
            f"\nThe case took {minutes}:{seconds:02} minutes:"
            f" {'everything went as expected' if passed else 'checks failed'}."
        )
        for error in (errors := self._log.keycard_errors):
            self._console.fail(error)
        if not self._once:
            await self._keep_running(environment, narrator)
        return 0 if passed and not errors else 1

    async def _keep_running(
        self, environment: DemoEnvironment, narrator: Narrator
    ) -> None:
        """Advance to the current time and keep Home Assistant running."""
        remaining = -self._clock.time_offset
        if remaining > 0:
            await environment.run_until(environment.monotonic + remaining)
        if self._pushes is not None:
            self._pushes.write_text(json.dumps(environment.pushes))
        self._console.activity = None
        self._console.write(
            f"Home Assistant stays up at {self.url} (you are signed in): try"
            " Start a drill on the device Tesla cloud. Ctrl-C ends the demo."
        )
        while True:
            narrator.show_notifications()
            await asyncio.sleep(1)

    async def _start(self, instance: HomeAssistantInstance) -> None:
        """Start Home Assistant; an incomplete start could not be stopped."""
        starting = instance.start()
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait([starting])
            raise

    async def _stop(self, instance: HomeAssistantInstance) -> None:
        """Stop Home Assistant without waiting for its timeouts."""
        stopping = instance.stop()
        while not stopping.done():
            await asyncio.wait([stopping], timeout=STOP_SECONDS)
            # Let its own timeouts fall due at once.
            self._clock.jump(STOP_SECONDS * 12)
        await stopping


class DemoEnvironment(ScenarioEnvironment):
    """Scenario environment with a wall view of all homes."""

    def __init__(
        self,
        simulator: Simulator,
        instance: HomeAssistantInstance,
        time_control: TimeControl,
        client: FrontendClient,
        *,
        add_phone: Callable[[PhoneSpec], Awaitable[Phone]],
    ) -> None:
        """Initialize with the frontend's client."""
        super().__init__(simulator, instance, time_control, client, add_phone)
        self._front = client

    @property
    def pushes(self) -> list[dict[str, Any]]:
        """Return what was pushed to the phone."""
        return [] if self.phone is None else self.phone.pushed

    @override
    async def install(self, home: Home, near: Collection[str] = ()) -> None:
        """Set Keycard up for a home; create the wall view with the first one."""
        first = not self.entries
        await super().install(home, near)
        if first:
            await self._front.save_wall_view()

    @override
    async def restart(self) -> None:
        """Restart Home Assistant; a full one needs real time."""
        await self.instance.stop()
        await self.instance.start()


async def _boot(folder: Path) -> HomeAssistant:
    """Start Home Assistant for a clock that runs fast."""
    hass = await boot_full(folder)
    keep_signed_in(hass)
    await serve_clock(hass)
    return hass


async def serve_clock(hass: HomeAssistant) -> None:
    """Add a script that shows pages the time of Home Assistant."""
    await hass.http.async_register_static_paths(
        [StaticPathConfig(CLOCK_URL, str(CLOCK_SCRIPT), cache_headers=False)]
    )
    add_extra_js_url(hass, CLOCK_URL)
