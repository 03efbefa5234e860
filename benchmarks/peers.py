"""Compare Keycard in an outage with the other integrations of Home Assistant.

Print for each integration, in the same story: seconds until an outage of Tesla's cloud
can be known, what is known then, the entities that can be used in it and after a
restart in it, seconds until all of them can be used after it, requests to Tesla, and
whether a failure of the user's own internet looks like an outage. Each runs in a
process of its own, against the simulator. Exit non-zero if Keycard knows later than
promised, takes the user's internet for Tesla, or has fewer entities in an outage.
"""

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
import json
import math
from statistics import median
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from harness.clock import OffsetClock, install

from .bounds import report_misses
from .child_process import run_module
from .progress import track

# Integrations, and the package without which a peer cannot be set up.
RUNS: dict[str, str | None] = {
    "keycard-watching": None,
    "keycard-fleet": None,
    "keycard-teslemetry": None,
    "keycard-tessie": None,
    "tesla_fleet": None,
    "tessie": "tessie_api",
}
WIDTH = 160  # columns of the table in a file
LATEST = 100.0  # seconds in which Keycard promises to know


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="script/benchmark peers", description=__doc__)
    parser.add_argument(
        "--vehicles", "-n", type=int, default=2, help="number of vehicles (2)"
    )
    parser.add_argument("--outages", type=int, default=5, help="number of outages (5)")
    parser.add_argument(
        "--only",
        choices=RUNS,
        metavar="NAME",
        nargs="+",
        default=list(RUNS),
        help=f"of {', '.join(RUNS)} (all)",
    )
    parser.add_argument("--run", choices=RUNS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.run:
        return _run(options)
    console = Console(soft_wrap=True)
    if not console.is_terminal:
        console.width = WIDTH
    names = [name for name in options.only if _installed(console, name)]
    started = (_start(name, options) for name in names)
    results = list(track(console, "integrations", started, len(names)))
    console.print(table(results, options))
    return report_misses(console, list(misses(results)))


def _run(options: argparse.Namespace) -> int:
    clock = OffsetClock()
    install(clock)
    from .peers_run import measure  # noqa: PLC0415 - after the clock

    found = measure(options.run, options.vehicles, options.outages, clock)
    print(json.dumps(found))
    return 0


def _installed(console: Console, name: str) -> bool:
    package = RUNS[name]
    if package is None or find_spec(package) is not None:
        return True
    console.print(f"{name} is left out: the package {package} is not installed.")
    return False


def _start(name: str, options: argparse.Namespace) -> dict[str, Any]:
    line = run_module(
        "benchmarks.peers",
        *("--run", name, "--vehicles", options.vehicles),
        *("--outages", options.outages),
    )
    found: dict[str, Any] = json.loads(line)
    return found


def table(results: Sequence[dict[str, Any]], options: argparse.Namespace) -> Table:
    """Return a table of the results."""
    title = f"{options.outages} outages of 40 minutes, {options.vehicles} vehicles"
    found = Table(title=f"{title}; seconds: median and longest")
    for column in (
        "",
        "known after",
        "what is known",
        "usable in it",
        "after a restart",
        "well again after",
        "requests",
        "own internet",
    ):
        found.add_column(column)
    for one in results:
        found.add_row(
            str(one["name"]),
            _seconds(one["known"]),
            str(one["told"]),
            f"{one['in_it']} of {one['before']}",
            f"{one['restarted']} of {one['before']}",
            _seconds(one["well"]),
            str(one["requests"]),
            "taken for an outage" if one["mistaken"] else "told apart",
        )
    return found


def _seconds(values: Sequence[float | None]) -> str:
    """Return median and longest of several times, some of which may be endless."""
    times = [math.inf if value is None else value for value in values]
    return " / ".join(
        "never" if math.isinf(value) else f"{value:.0f}"
        for value in (median(times), max(times))
    )


def misses(results: Sequence[dict[str, Any]]) -> list[str]:
    """Return what Keycard misses."""
    found = []
    for one in results:
        name, before = one["name"], one["before"]
        if not name.startswith("keycard"):
            continue
        if any(seconds is None or seconds > LATEST for seconds in one["known"]):
            found.append(f"{name} does not know within {LATEST:.0f} s: {one['known']}")
        if one["mistaken"]:
            found.append(f"{name} takes the user's internet for Tesla's cloud")
        if one["in_it"] != before or one["restarted"] != before:
            found.append(f"{name} has fewer entities in an outage")
    return found


if __name__ == "__main__":
    sys.exit(main())
