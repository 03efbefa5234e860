"""Command-line interface of the simulator."""

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
import signal
import sys

from rich.console import Console
from rich.table import Table

from .http.control_api import ControlApi
from .scenarios import scenario
from .scenarios.conditions import ConditionError
from .scenarios.scenario import CaseError, Scenario, Step, load_case, load_homes
from .simulator import DEFAULT_HOME, PortTakenError, Simulator

PORTS = (
    "na",
    "eu",
    "cn",
    "auth",
    "controls1",
    "controls2",
    "proxy",
    "control",
    "controls1_http",
    "controls2_http",
    "domain",
    "teslemetry",
    "tessie",
    "tesla_proxy",
)
EPILOG = """\
What is served: the Fleet API of three regions, its sign-in, two hosts unrelated to it
services in between (proxy, which speaks the Fleet API; Teslemetry; Tessie; Tesla's own
tesla-http-proxy, over https with a certificate that its owner made) and the domain that
holds an app's public key, each on a port of its own on 127.0.0.1, and a control port.
GET the control port for its help, or try:

  curl -H 'Content-Type: application/json' -d '{"na.api": "503 upstream error"}' \\
       http://127.0.0.1:8407/set

Subjects: REGION.status, REGION.api, REGION.data, REGION.commands (REGION: na, eu, cn,
all; @MODEL narrows all but status), auth.token, auth.authorize, controls, controls1,
controls2, dns.tesla, proxy.api, tesla_proxy.api, teslemetry.api, tessie.api,
domain.key, car.NAME.
Conditions: ok, refuse, timeout, reset, dns, null, tls (with --tls), CODE, CODE BODY,
retry-after:SECONDS, stale, portal, garbage, empty, slow:SECONDS, late:SECONDS; for
cars also online, asleep, offline, near, gone.
dns and null are about names: this program only closes the ports.

A case file without a timeline may tell the homes alone:

  home:
    region: eu
    lively: true        # cars drive, charge and fall asleep by themselves
    cars:
      - {name: Ada, model: model3, year: 2021}
      - {name: Bo, model: modely, year: 2023, signing: required}

Cars speak Tesla's vehicle command protocol under /signed_command. Over the control
port: keys that a car obeys (/keys), whether commands must be signed (/signing), what
goes wrong with the next ones (/mishap), what Tesla knows of the app (/app), and days
with drives, a charge and sleep that a car lives by the clock (/days).

A car that is near is heard over Bluetooth, by whoever runs in the same program: this
one has no radio. GET /state tells who is connected, which keys a car obeys and whether
it waits for a card; /pair taps it, /air is for what goes wrong on the way.

"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the simulator until it is interrupted."""
    options = _options(arguments)
    console = Console(highlight=False, soft_wrap=True)
    try:
        case = load_case(options.case) if options.play else None
        homes = load_homes(options.case) if options.case else (DEFAULT_HOME,)
        simulator = Simulator(
            homes, tls=options.tls, ports=_ports(options.port, tls=options.tls)
        )
        control = ControlApi(simulator, _port_of("control", options.port))
        asyncio.run(_run(simulator, control, case, options.speed, console))
    except (CaseError, ConditionError, PortTakenError) as err:
        print(f"simulator: {err}", file=sys.stderr)
        return 1
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="Tesla's cloud and cars on this machine, with faults on demand.",
        epilog=EPILOG + (scenario.__doc__ or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--case", type=Path, metavar="FILE", help="take the homes from this file"
    )
    parser.add_argument(
        "--play",
        action="store_true",
        help="set the conditions of the case's timeline, in real time",
    )
    parser.add_argument(
        "--speed", type=float, default=1.0, help="play that much faster (default 1)"
    )
    parser.add_argument(
        "--port",
        type=int,
        default=8400,
        help="the first of 14 ports in a row (default 8400); 0 takes any free ones",
    )
    parser.add_argument(
        "--tls",
        action="store_true",
        help="serve https, with certificates of an authority that is thrown away",
    )
    options = parser.parse_args(arguments)
    if options.play and options.case is None:
        parser.error("--play needs --case FILE")
    if not 0 < options.speed < 1e6:
        parser.error("--speed must be above 0")
    if options.port and not 1024 <= options.port <= 65535 - len(PORTS):
        parser.error(f"--port must be 0, or 1024 to {65535 - len(PORTS)}")
    return options


def _port_of(name: str, first: int) -> int:
    return first and first + PORTS.index(name)


def _ports(first: int, *, tls: bool) -> dict[str, int]:
    return {
        name: _port_of(name, first)
        for name in PORTS
        if name != "control" and (tls or not name.endswith("_http"))
    }


async def _run(
    simulator: Simulator,
    control: ControlApi,
    case: Scenario | None,
    speed: float,
    console: Console,
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with simulator:
        try:
            await control.start()
            _introduce(simulator, control, console)
            if case is None:
                await stopped.wait()
            else:
                await play(simulator, case, speed, console, stopped)
        finally:
            await control.stop()
    console.print("Stopped.")


def _introduce(simulator: Simulator, control: ControlApi, console: Console) -> None:
    table = Table("host", "address", box=None, pad_edge=False)
    for name, url in {**simulator.urls, "control": control.url}.items():
        table.add_row(name, url)
    console.print(table)
    if simulator.ca_file is not None:
        console.print(f"authority to trust: {simulator.ca_file}")
    for home in simulator.homes:
        cars = ", ".join(f"{car.name} ({car.model}, {car.year})" for car in home.cars)
        console.print(f"\n{home.name}: region {home.region}; {cars}")
        console.print(f"token: {simulator.tokens[home.name]}")
        console.print(f"refresh token: {simulator.refresh_token(home.name)}")
        console.print(f"Teslemetry token: {simulator.teslemetry_token(home.name)}")
        console.print(f"Tessie token: {simulator.tessie_token(home.name)}")
    console.print("\nCtrl-C stops.")


async def play(
    simulator: Simulator,
    case: Scenario,
    speed: float,
    console: Console,
    stopped: asyncio.Event,
) -> None:
    """Apply the conditions of a case's timeline in real time.

    Steps that only a replay can run (`do`, `restart`, `clock`) are printed and skipped.
    """
    started = asyncio.get_running_loop().time()
    for step in case.timeline:
        left = started + step.at / speed - asyncio.get_running_loop().time()
        if await _is_set(stopped, left):
            return
        simulator.apply(step.set)
        if step.token is not None:
            simulator.set_token(step.token)
        console.print(f"{_clock(step.at)}  {_told(step)}")
    console.print("The timeline is over; what it set stays.")
    await stopped.wait()


async def _is_set(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            return await event.wait()
    except TimeoutError:
        return False


def _told(step: Step) -> str:
    told = [f"{subject}: {condition}" for subject, condition in step.set.items()]
    if step.token is not None:
        told.append(f"token: {step.token}")
    for_replays = {
        "do": step.do is not None,
        "restart": step.restart,
        "clock": step.clock != 0,
    }
    told += [f"({name}: for replays only)" for name, on in for_replays.items() if on]
    return ", ".join(told) or "nothing changes"


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{second:02}"


if __name__ == "__main__":
    sys.exit(main())
