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
Hosts: the Fleet API of three regions, Tesla's sign-in, two control hosts unrelated to
Tesla, third parties (proxy, which speaks the Fleet API; Teslemetry; Tessie; Tesla's own
tesla-http-proxy, over https with a self-signed certificate) and the domain of an app's
public key, each on its own port on 127.0.0.1, and a control port. GET the control port
for its help, or try:

  curl -H 'Content-Type: application/json' -d '{"na.api": "503 upstream error"}' \\
       http://127.0.0.1:8407/set

Subjects: REGION.status, REGION.api, REGION.data, REGION.commands (REGION: na, eu, cn,
all; @MODEL narrows all but status), auth.token, auth.authorize, controls, controls1,
controls2, dns.tesla, proxy.api, tesla_proxy.api, teslemetry.api, tessie.api,
domain.key, car.NAME.
Conditions: ok, refuse, timeout, reset, dns, null, tls (with --tls), CODE, CODE BODY,
retry-after:SECONDS, stale, portal, garbage, empty, slow:SECONDS, late:SECONDS; for
cars also online, asleep, offline, near, gone.
dns and null apply to host names: this program only closes the ports.

A case file may define homes without a timeline:

  home:
    region: eu
    lively: true        # cars drive, charge and fall asleep
    cars:
      - {name: Ada, model: model3, year: 2021}
      - {name: Bo, model: modely, year: 2023, signing: required}

Cars support Tesla's vehicle command protocol at /signed_command. The control port sets
the keys of a car (/keys), whether commands must be signed (/signing), faults of the
next commands (/mishap), the registration of the app (/app), and a daily schedule with
drives, charging and sleep (/days).

Bluetooth is only available to code in the same process, as there is no radio. GET
/state shows the connections and keys of a car and whether it waits for a keycard; /pair
taps it, /air sets the link conditions.

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
        description="Simulate Tesla's cloud and cars on this machine, with faults.",
        epilog=EPILOG + (scenario.__doc__ or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--case", type=Path, metavar="FILE", help="load the homes from this file"
    )
    parser.add_argument(
        "--play",
        action="store_true",
        help="apply the conditions of the case's timeline in real time",
    )
    parser.add_argument(
        "--speed", type=float, default=1.0, help="speed of the timeline (default 1)"
    )
    parser.add_argument(
        "--port",
        type=int,
        default=8400,
        help="first of 14 consecutive ports (default 8400); 0 selects free ports",
    )
    parser.add_argument(
        "--tls",
        action="store_true",
        help="serve https, with certificates of a temporary authority",
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
            _print_hosts(simulator, control, console)
            if case is None:
                await stopped.wait()
            else:
                await play(simulator, case, speed, console, stopped)
        finally:
            await control.stop()
    console.print("Stopped.")


def _print_hosts(simulator: Simulator, control: ControlApi, console: Console) -> None:
    table = Table("host", "address", box=None, pad_edge=False)
    for name, url in {**simulator.urls, "control": control.url}.items():
        table.add_row(name, url)
    console.print(table)
    if simulator.ca_file is not None:
        console.print(f"CA certificate: {simulator.ca_file}")
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
        remaining = started + step.at / speed - asyncio.get_running_loop().time()
        if await _wait_until_set(stopped, remaining):
            return
        simulator.apply(step.set)
        if step.token is not None:
            simulator.set_token(step.token)
        console.print(f"{_format_time(step.at)}  {_describe(step)}")
    console.print("The timeline is over; its conditions stay active.")
    await stopped.wait()


async def _wait_until_set(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            return await event.wait()
    except TimeoutError:
        return False


def _describe(step: Step) -> str:
    parts = [f"{subject}: {condition}" for subject, condition in step.set.items()]
    if step.token is not None:
        parts.append(f"token: {step.token}")
    replay_only = {
        "do": step.do is not None,
        "restart": step.restart,
        "clock": step.clock != 0,
    }
    parts += [f"({name}: replays only)" for name, used in replay_only.items() if used]
    return ", ".join(parts) or "no change"


def _format_time(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{second:02}"


if __name__ == "__main__":
    sys.exit(main())
