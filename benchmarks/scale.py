"""Measure what 1, 10 and 100 vehicles cost Home Assistant's event loop.

Print for Keycard and Home Assistant's tesla_fleet integration: processor time of the
set-up, of an hour (or `--seconds`) and of its longest minute, longest block of the
event loop, added memory, requests and changed states. Each runs in a process of its
own, against the simulator. Processor time is Home Assistant's alone; that of the
process includes the simulator and the harness.

Two more rows at the smallest number of vehicles say what Home Assistant needs without
either, and what it needs to request something every half minute and do nothing else.

The garbage collector pauses the process for all that it holds, so processor time and
block do not include it. The table has its time in the hour and its longest pause, the
ms of a full collection before the set-up and after the hour, and the number of objects
in cycles that it found in the hour.

An account has at most 200 vehicles, so more are in several entries.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
import json
from math import ceil
import sys

from rich.console import Console
from rich.table import Table

from harness.clock import OffsetClock, install
from harness.progress import track

from .child_process import start_module

INTEGRATIONS = ("keycard", "tesla_fleet")
# Measured once, as they do not depend on the number of vehicles.
REFERENCES = ("nothing", "requests")
WIDTH = 150  # where the output is no terminal
MINUTE = 60.0

# Title and format of each figure.
COLUMNS: Mapping[str, tuple[str, str]] = {
    "set_up": ("set-up s", ".2f"),
    "spent": ("run s", ".2f"),
    "longest_minute": ("minute s", ".2f"),
    "of_process": ("process s", ".2f"),
    "longest_block": ("block ms", ".0f"),
    "paused": ("gc s", ".2f"),
    "longest_pause": ("pause ms", ".0f"),
    "collection_before": ("before", ".0f"),
    "collection_after": ("after", ".0f"),
    "garbage": ("garbage", ".0f"),
    "memory": ("memory MB", ".0f"),
    "requests": ("requests", ".0f"),
    "changes": ("changes", ".0f"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="script/benchmark scale", description=__doc__)
    parser.add_argument(
        *("--vehicles", "-n"),
        type=int,
        nargs="+",
        default=[1, 10, 100],
        help="numbers of vehicles (1 10 100)",
    )
    parser.add_argument(
        "--seconds", type=float, default=3600.0, help="simulated seconds (3600)"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=(*REFERENCES, *INTEGRATIONS),
        default=[*REFERENCES, *INTEGRATIONS],
        help="integrations",
    )
    parser.add_argument("--run", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    return _run(options) if options.run else _compare(options)


def _run(options: argparse.Namespace) -> int:
    clock = OffsetClock()
    install(clock)
    from .scale_run import measure  # noqa: PLC0415 - after the clock

    figures = measure(
        options.run,
        options.vehicles[0],
        options.seconds,
        clock,
        on_minute=lambda: print(flush=True),
    )
    print(json.dumps(figures))
    return 0


def _compare(options: argparse.Namespace) -> int:
    console = Console(soft_wrap=True)
    if not console.is_terminal:
        console.width = WIDTH
    smallest = min(options.vehicles)
    runs = [
        (name, count)
        for count in options.vehicles
        for name in options.only
        if name in INTEGRATIONS or count == smallest
    ]
    results: dict[tuple[str, int], dict[str, float]] = {}

    def steps() -> Iterator[None]:
        for name, count in runs:
            for figures in _figures(name, count, options.seconds):
                if figures is not None:
                    results[name, count] = figures
                else:
                    yield

    # One more minute for the set-up of each.
    total = len(runs) * (ceil(options.seconds / MINUTE) + 1)
    for _ in track(console, "simulated minutes", steps(), total):
        pass
    console.print(table(results))
    return 0


def _figures(
    name: str, count: int, seconds: float
) -> Iterator[dict[str, float] | None]:
    """Yield None for each minute of a run, then its figures."""
    with start_module(
        *("benchmarks.scale", "--run", name),
        *("--vehicles", count, "--seconds", seconds),
    ) as run:
        for line in run.lines():
            yield json.loads(line) if line else None
        run.wait()


def table(results: Mapping[tuple[str, int], Mapping[str, float]]) -> Table:
    """Return a table of the figures by integration and number of vehicles."""
    found = Table()
    found.add_column("", no_wrap=True)
    found.add_column("cars", justify="right")
    for title, _ in COLUMNS.values():
        found.add_column(title, justify="right")
    for (name, count), figures in results.items():
        cells = (format(figures[key], form) for key, (_, form) in COLUMNS.items())
        found.add_row(name, str(count), *cells)
    return found


if __name__ == "__main__":
    sys.exit(main())
