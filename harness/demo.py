"""The demo: a full Home Assistant on this machine during a scenario."""

import argparse
import asyncio
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
import signal
import socket
import tempfile
import time
from typing import override

import aiohttp
from rich.console import Console

from homeassistant.runner import configure_event_loop

from simulator import CaseError, Simulator, load_case
from simulator.scenarios.scenario import Home, Scenario

from . import fake_network
from .clock import OffsetClock
from .console import StoryConsole
from .environment import ScenarioEnvironment, build_network, trust
from .event_loop import HarnessLoop
from .frontend_client import (
    DASHBOARD,
    HOST,
    PARTS,
    SIGN_IN,
    FrontendClient,
    complete_onboarding,
    seed,
)
from .home_assistant import ROOT, HomeAssistantInstance, LogCollector, boot_whole
from .narrator import Narrator, Tempo
from .scenario_runner import SETTLE_SECONDS, ScenarioRunner
from .time_control import HarnessError, TimeControl, Traffic

STORY = ROOT / "tests" / "cases" / "2021-11-19-worldwide.yaml"
STOP_SECONDS = 10.0
MOST_PORT = 65_535


def main(arguments: Sequence[str], clock: OffsetClock) -> int:
    """Run a scenario in a Home Assistant that can be visited."""
    options = _options(arguments)
    screen = StoryConsole(Console())
    try:
        case = load_case(options.case)
    except CaseError as err:
        screen.fail(str(err))
        return 2
    if reason := _taken(options.port):
        screen.fail(
            f"port {options.port} is taken ({reason}): choose another with --port, or"
            " stop what listens there"
        )
        return 2
    fake_network.install()
    loop = HarnessLoop()
    configure_event_loop(loop)
    asyncio.set_event_loop(loop)
    demo = loop.create_task(Demo(case, clock, loop, screen, options).run())

    def end() -> None:
        """Cancel the demo once, however often a signal arrives."""
        if not demo.cancelling():
            screen.write("\nStopping...")
            demo.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, end)
    try:
        return loop.run_until_complete(demo)
    except asyncio.CancelledError:
        screen.write("The demo has ended: nothing is left running.")
        return 130
    except HarnessError as err:
        screen.fail(str(err))
        return 1
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="script/demo",
        description="Plays an outage to Keycard in a real Home Assistant on 127.0.0.1.",
    )
    parser.add_argument(
        "--case", type=Path, default=STORY, metavar="FILE", help="tell another case"
    )
    parser.add_argument(
        "--port", type=_port, default=8123, help="where Home Assistant listens (8123)"
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help="play to the end at full speed and stop; fails if an expectation does",
    )
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= MOST_PORT:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is no port: 1 to {MOST_PORT} are")


def _taken(port: int) -> str | None:
    """Return the reason why a port is unavailable, None if it is available."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as err:
            return err.strerror
    return None


class Demo:
    """One run of the demo."""

    def __init__(
        self,
        case: Scenario,
        clock: OffsetClock,
        loop: HarnessLoop,
        screen: StoryConsole,
        options: argparse.Namespace,
    ) -> None:
        self._case = case
        self._clock = clock
        self._loop = loop
        self._screen = screen
        self._once: bool = options.once
        self._port: int = options.port
        self._log = LogCollector()

    @property
    def url(self) -> str:
        """Return the URL of Home Assistant."""
        return f"http://{HOST}:{self._port}"

    async def run(self) -> int:
        """Set up the environment, run the case and keep Home Assistant running."""
        self._log.attach()
        self._screen.title(self._case)
        # The scenario starts in the past, so that it can end now.
        self._clock.wall_offset = -(SETTLE_SECONDS + self._case.end)
        simulator = Simulator(self._case.homes, now=self._clock.true_time, tls=True)
        traffic = Traffic()
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(
                    prefix="keycard-demo-", ignore_cleanup_errors=True
                )
            )
            stack.enter_context(traffic.counted())
            await stack.enter_async_context(simulator)
            trust(simulator)
            self._loop.network = build_network(simulator)
            self._screen.write(
                "Starting the simulated cloud and Home Assistant (ten seconds)..."
            )
            house = HomeAssistantInstance(Path(folder), self._loop, boot_whole)
            self._furnish(house, Path(folder))
            stack.push_async_callback(self._stop, house)
            await self._start(house)
            session = await stack.enter_async_context(aiohttp.ClientSession())
            hands = FrontendClient(
                session, self.url, await complete_onboarding(house.hass)
            )
            tempo = Tempo(self._clock, self._loop, traffic, simulator)
            self._screen.write(f"Home Assistant is at {self.url} (you are signed in).")
            showing = Showing(
                simulator, house, tempo, hands, screen=self._screen, url=self.url
            )
            return await self._tell(showing, tempo)

    def _furnish(self, house: HomeAssistantInstance, folder: Path) -> None:
        house.configure(
            self._case.homes[0].region,
            {"auth_providers": SIGN_IN, "internal_url": self.url},
            PARTS,
        )
        seed(folder, self._port)

    async def _tell(self, theatre: Showing, tempo: Tempo) -> int:
        begin = time.perf_counter()
        reader = Narrator(self._case, theatre, tempo, self._screen, slow=not self._once)
        passed = await ScenarioRunner(self._case, theatre, reader).play()
        tempo.rate = 0
        minutes, seconds = divmod(round(time.perf_counter() - begin), 60)
        self._screen.write(
            f"\nThe story took {minutes}:{seconds:02} minutes, everything"
            f" {'went as expected' if passed else 'but what is marked above'}."
        )
        for error in (errors := self._log.errors_of_keycard):
            self._screen.fail(error)
        if not self._once:
            await self._stay(theatre)
        return 0 if passed and not errors else 1

    async def _stay(self, theatre: Showing) -> None:
        """Advance to the current time and keep Home Assistant running."""
        behind = -self._clock.wall_offset
        if behind > 0:
            await theatre.reach(theatre.now + behind)
        self._screen.write(
            f"Home Assistant stays up at {self.url} (you are signed in)."
            " Ctrl-C ends the demo."
        )
        await self._loop.create_future()

    async def _start(self, house: HomeAssistantInstance) -> None:
        """Start Home Assistant; an incomplete start could not be stopped."""
        starting = house.start()
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait([starting])
            raise

    async def _stop(self, house: HomeAssistantInstance) -> None:
        """Stop Home Assistant without waiting for its timeouts."""
        stopping = house.stop()
        while not stopping.done():
            await asyncio.wait([stopping], timeout=STOP_SECONDS)
            # Let its own timeouts fall due at once.
            self._clock.jump(STOP_SECONDS * 12)
        await stopping


class Showing(ScenarioEnvironment):
    """Scenario environment with a dashboard of all homes."""

    def __init__(
        self,
        simulator: Simulator,
        house: HomeAssistantInstance,
        pace: TimeControl,
        hands: FrontendClient,
        *,
        screen: StoryConsole,
        url: str,
    ) -> None:
        """Initialize with the frontend's client, the console and the frontend's URL."""
        super().__init__(simulator, house, pace, hands)
        self._front = hands
        self._screen = screen
        self._url = url

    @override
    async def install(self, home: Home, near: Collection[str] = ()) -> None:
        """Set Keycard up for a home; create the wall view with the first one."""
        first = not self.entries
        await super().install(home, near)
        if first:
            await self._front.save_wall_view()
            self._screen.write(f"Open the wall view: {self._url}/{DASHBOARD}")
