"""Compare Keycard in an outage with the other integrations of Home Assistant.

Print for each integration, in the same story: seconds until an outage of Tesla's cloud
can be known, what is known then, the entities that can be used in it and after a
restart in it, seconds until all is well again, what is shown in cases that are no
outage, and at each number of vehicles what it costs Home Assistant. Each runs in a
process of its own, against the simulator. The packages that the others need are
installed beside the environment. Months are simulated with Tesla's own API. Exit
non-zero if Keycard knows later than promised, takes anything else for an outage, does
not recover by itself, or has fewer entities in an outage.
"""

import argparse
from collections.abc import Iterator, Sequence
import os
import subprocess
import sys
import time

from rich.console import Console

from harness.clock import OffsetClock, install
from harness.progress import track

from .bounds import report_misses
from .child_process import run_module
from .peer_integrations import (
    INTEGRATIONS,
    PackagesError,
    install_packages,
    missing_requirements,
)
from .peer_result import PeerResult

WIDTH = 160  # columns of the table in a file
LATEST = 100.0  # seconds in which Keycard promises to know
HOUR = 3600.0  # seconds of which the load is measured
STORY_SIZE = 10  # largest number of vehicles with all cases and outages
# Share of a run that does not depend on the number of vehicles, in vehicles.
BASE_STEPS = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; return the exit status."""
    options = _parse(arguments)
    if options.run:
        return _run(options)
    # They import aiohttp, before which a run must install its clock.
    from .daily_commute import WorkState  # noqa: PLC0415 - as said above
    from .month import simulate  # noqa: PLC0415 - as said above
    from .peer_table import sections  # noqa: PLC0415 - as said above

    console = Console(soft_wrap=True)
    if not console.is_terminal:
        console.width = WIDTH
    names = _installed(console, options.only)
    results: list[PeerResult] = []
    failures: list[str] = []
    sizes = sorted(set(options.vehicles))
    steps = _steps(names, sizes, options, results, failures)
    total = sum(_weight(size) for size in sizes) * len(names)
    for _ in track(console, "vehicles and integrations", steps, total):
        pass
    months = {
        work_state: simulate(console, options.days, work_state)
        for work_state in (WorkState if options.days else ())
    }
    for section in sections(results, months):
        section.write(console, markdown=options.markdown)
    found = [*failures, *(miss for one in results for miss in misses(one))]
    return report_misses(console, found)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script/benchmark peers", description=__doc__)
    parser.add_argument(
        *("--vehicles", "-n"),
        type=int,
        nargs="+",
        default=[1, 3, 10, 100],
        help="numbers of vehicles (1 3 10 100)",
    )
    parser.add_argument(
        "--outages",
        type=int,
        default=5,
        help="outages at the first number of vehicles from 2 to 10, one at others (5)",
    )
    parser.add_argument(
        *("--minutes", "-m"),
        type=float,
        default=60.0,
        help="time after which no further run begins, but those of a month (60)",
    )
    parser.add_argument(
        "--days", type=int, default=7, help="days of each month; 0 for none (7)"
    )
    parser.add_argument(
        "--only",
        choices=INTEGRATIONS,
        metavar="NAME",
        nargs="+",
        default=list(INTEGRATIONS),
        help=f"of {', '.join(INTEGRATIONS)} (all)",
    )
    parser.add_argument(
        "--markdown", action="store_true", help="print tables for the docs"
    )
    parser.add_argument("--run", choices=INTEGRATIONS, help=argparse.SUPPRESS)
    parser.add_argument("--nuisances", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=HOUR, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace) -> int:
    clock = OffsetClock()
    install(clock)
    from .peers_run import measure  # noqa: PLC0415 - after the clock

    result = measure(
        options.run,
        options.vehicles[0],
        options.outages,
        clock,
        seconds=options.seconds,
        nuisances=options.nuisances,
    )
    print(result.to_json())
    return 0


def _installed(console: Console, names: Sequence[str]) -> list[str]:
    """Return the integrations whose packages are there, installed if need be."""
    missing = {name: missing_requirements(INTEGRATIONS[name].domain) for name in names}
    if not any(missing.values()):
        return list(names)
    try:
        folder = install_packages(
            sorted({one for of in missing.values() for one in of})
        )
    except PackagesError as err:
        found = [name for name in names if not missing[name]]
        left_out = ", ".join(name for name in names if missing[name])
        console.print(
            f"{left_out}: left out, as packages could not be installed: {err}"
        )
        return found
    # After the environment's own: only what is missing comes from the folder.
    paths = [*filter(None, [os.environ.get("PYTHONPATH")]), str(folder)]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    return list(names)


def _steps(
    names: Sequence[str],
    sizes: Sequence[int],
    options: argparse.Namespace,
    results: list[PeerResult],
    failures: list[str],
) -> Iterator[None]:
    """Run each integration at each size; yield its share of the work when done.

    A run that fails, or that would begin after the time limit, has no result.
    """
    end = time.perf_counter() + options.minutes * 60
    story_size = next((size for size in sizes if 1 < size <= STORY_SIZE), sizes[0])
    for size in sizes:
        for name in names:
            if time.perf_counter() > end:
                continue
            story = size == story_size
            try:
                line = run_module(
                    *("benchmarks.peers", "--run", name, "--vehicles", size),
                    *("--outages", options.outages if story else 1),
                    *(["--nuisances"] if story else []),
                )
            except (SystemExit, subprocess.TimeoutExpired) as err:
                failures.append(f"{name} with {size} vehicles: {err}")
            else:
                results.append(PeerResult.from_json(line))
            yield from [None] * _weight(size)


def _weight(size: int) -> int:
    return BASE_STEPS + size


def misses(result: PeerResult) -> Iterator[str]:
    """Yield what Keycard misses."""
    name = f"{result.name} with {result.vehicles} vehicles"
    if not INTEGRATIONS[result.name].is_keycard:
        return
    if any(seconds is None or seconds > LATEST for seconds in result.known):
        yield f"{name} does not know within {LATEST:.0f} s: {result.known}"
    if None in result.well:
        yield f"{name} is not well again after an outage"
    if {result.in_outage, result.after_restart} != {result.entities}:
        yield f"{name} has fewer entities in an outage"
    for case, nuisance in result.nuisances.items():
        if nuisance.alarmed:
            yield f"{name} takes {case} for an outage of Tesla's cloud"
        if not nuisance.well:
            yield f"{name} is not well again after {case}"


if __name__ == "__main__":
    sys.exit(main())
