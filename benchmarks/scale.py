"""Measure what 1, 10 and 100 vehicles cost Home Assistant's event loop.

Print for Keycard and Home Assistant's tesla_fleet integration: processor time of the
set-up, longest block of the event loop, longest pause of the garbage collector,
processor time of an hour, requests and changed states. Both run one after the other in
processes of their own, against the simulator. The processor time is Home Assistant's,
and that of the process, which includes the simulator and the harness. The garbage
collector pauses the process for all that it holds, so the block does not include it.
"""

import argparse
from collections.abc import Sequence
import sys

from harness.clock import OffsetClock, install

from .child_process import run_module

INTEGRATIONS = ("keycard", "tesla_fleet")


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
    parser.add_argument("--run", choices=INTEGRATIONS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.run:
        clock = OffsetClock()
        install(clock)
        from .scale_run import measure  # noqa: PLC0415 - after the clock

        print(measure(options.run, options.vehicles[0], options.seconds, clock))
        return 0
    print(
        f"{'':11} cars  set-up s  block ms  gc ms   CPU s  process s"
        "  requests  state changes"
    )
    runs = [(name, count) for count in options.vehicles for name in INTEGRATIONS]
    for index, (name, count) in enumerate(runs, 1):
        progress = f"run {index} of {len(runs)}: {name}, {count} cars"
        print(progress, file=sys.stderr, flush=True)
        row = run_module(
            *("benchmarks.scale", "--run", name),
            *("--vehicles", count, "--seconds", options.seconds),
        )
        print(f"{name:11} {count:4}  {row}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
