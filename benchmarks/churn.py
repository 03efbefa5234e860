"""Live a day in which everything happens a hundred times as often.

There is an outage each seven minutes, a command a minute and a reload each quarter of
an hour; cars drive, charge and are locked all the time. Show memory, tasks, timers,
sockets, files, registries, states and storage as curves; exit non-zero if one grows.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from statistics import median
import sys

from rich.console import Console
from rich.table import Table

from harness.clock import OffsetClock, install
from harness.progress import track

from .bounds import report_misses

TABLE_WIDTH = 120
BARS = "▁▂▃▄▅▆▇█"
# The first quarter fills caches and histories.
_WARM_UP = 4


@dataclass(frozen=True, kw_only=True)
class Limit:
    """Growth that is no leak, from the second quarter to the last one."""

    share: float = 0.0
    number: float = 0.0

    def allows(self, before: float, after: float) -> bool:
        """Return whether a change is no growth."""
        return after - before <= max(self.number, before * self.share)


LIMITS: Mapping[str, Limit] = {
    "memory (MB)": Limit(share=0.05, number=8),
    "memory blocks": Limit(share=0.02),
    "objects of Keycard": Limit(share=0.02, number=20),
    "tasks": Limit(number=4),
    "timers": Limit(share=0.05, number=8),
    "sockets": Limit(number=4),
    "open files": Limit(number=2),
    "listeners": Limit(number=2),
    "entities": Limit(),
    "devices": Limit(),
    "issues": Limit(number=1),
    "states": Limit(),
    "storage (kB)": Limit(share=0.05, number=2),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="script/benchmark churn", description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0, help="simulated (24)")
    parser.add_argument("--seed", type=int, default=20211119)
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False)
    if not console.is_terminal:
        console.width = TABLE_WIDTH
    clock = OffsetClock()
    install(clock)
    module = import_module("benchmarks.churn_run")
    run = module.ChurnRun(options.hours, options.seed, clock)
    samples = list(
        track(console, "half hours", run.samples(), max(round(options.hours * 2), 1))
    )
    table = Table("", "curve", "begin", "end", "least", "most")
    for name in LIMITS:
        values = [sample[name] for sample in samples]
        ends = (f"{value:.0f}" for value in (*_quarters(values), *_extremes(values)))
        table.add_row(name, curve(values), *ends)
    console.print(table)
    console.print(", ".join(f"{count} {name}" for name, count in run.done.items()))
    return report_misses(console, list(grown(samples)))


def grown(samples: Sequence[Mapping[str, float]]) -> Iterator[str]:
    """Yield what has grown."""
    for name, limit in LIMITS.items():
        before, after = _quarters([sample[name] for sample in samples])
        if not limit.allows(before, after):
            yield f"{name} grew from {before:.0f} to {after:.0f}"


def _quarters(values: Sequence[float]) -> tuple[float, float]:
    """Return the medians of the second and of the last quarter."""
    size = max(len(values) // _WARM_UP, 1)
    return median(values[size : 2 * size] or values), median(values[-size:])


def _extremes(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def curve(values: Sequence[float], width: int = 48) -> str:
    """Return values as a line of bars, from zero on."""
    edges = [round(number * len(values) / width) for number in range(width + 1)]
    means = [
        sum(values[start:end]) / (end - start)
        for start, end in pairwise(edges)
        if end > start
    ]
    most = max(means, default=0.0)
    if most <= 0:
        return BARS[0] * len(means)
    return "".join(BARS[min(int(mean / most * 8), 7)] for mean in means)


if __name__ == "__main__":
    sys.exit(main())
