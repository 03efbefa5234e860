"""Try every fault of every host with every provider, in every phase of a home.

Each fault meets a home of its own, in a real Home Assistant with real HTTP: while it
runs, at a command, at the renewal of the token, when the entry is unloaded, at a
restart, at the first set-up and in the config flow. After each phase the fault ends and
all must be well again. The invariants of docs/architecture.md are checked all the time;
printed are the cases tried and held, and what broke.
"""

import argparse
from collections import Counter
from collections.abc import Collection, Sequence
from importlib import import_module
import os
from random import Random, SystemRandom
from statistics import median
import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.clock import OffsetClock, install
from harness.progress import track

from .faults import PROVIDERS, Fault, list_faults
from .processes import run_each

PHASES = ("running", "command", "renewal", "unload", "restart", "set-up", "flow")
GROUP_TIMEOUT = 900
TABLE_WIDTH = 120


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="script/benchmark fault_matrix", description=__doc__
    )
    parser.add_argument("--provider", choices=PROVIDERS, action="append")
    parser.add_argument("--phase", choices=PHASES, action="append")
    parser.add_argument(
        "--only", default="", help="part of PROVIDER/PLACE/FAULT, as printed"
    )
    parser.add_argument(
        "--sample", type=int, help="number of faults, chosen at random (all)"
    )
    parser.add_argument("--seed", type=int, help="seed of the sample (random)")
    parser.add_argument("--list", action="store_true", help="print the faults, and end")
    parser.add_argument(
        *("-j", "--jobs"),
        type=int,
        default=min(os.cpu_count() or 1, 8),
        help="number of parallel homes (number of processors)",
    )
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False)
    if not console.is_terminal:
        console.width = TABLE_WIDTH
    faults = [
        fault
        for provider in options.provider or PROVIDERS
        for fault in list_faults(provider)
        if options.only in fault.name
    ]
    if options.sample is not None:
        seed = options.seed
        if seed is None:
            seed = SystemRandom().randrange(1 << 32)
        console.print(f"{options.sample} of {len(faults)} faults, --seed {seed}")
        faults = Random(seed).sample(faults, min(options.sample, len(faults)))
    if options.list:
        for fault in faults:
            console.print(escape(fault.name))
        return 0
    return _run(console, faults, options.phase or PHASES, options.jobs)


def _run(
    console: Console, faults: Sequence[Fault], phases: Collection[str], jobs: int
) -> int:
    clock = OffsetClock()
    install(clock)
    # Each process would take its time to import Home Assistant.
    run_group = import_module("benchmarks.fault_matrix_run").run_group
    results = run_each(
        lambda fault: run_group(fault, phases, clock),
        faults,
        jobs=max(jobs, 1),
        timeout=GROUP_TIMEOUT,
    )
    tried, held = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    recoveries: list[tuple[float, str]] = []
    for fault, result in track(console, "faults", results, len(faults)):
        if isinstance(result, str):
            tried[fault.provider, "running"] += 1
            console.print(f"[red]{escape(fault.name)} stopped[/red]\n{escape(result)}")
            continue
        held.update((fault.provider, phase) for phase in result.held)
        tried.update(
            (fault.provider, phase) for phase in (*result.held, *result.broken)
        )
        recoveries += [
            (seconds, f"{fault.name}, {phase}")
            for phase, seconds in result.recoveries.items()
        ]
        for phase, violations in result.broken.items():
            console.print(f"[red]{escape(fault.name)}, {phase}[/red]")
            for violation in violations:
                console.print(f"    {escape(violation)}")
    table = Table("held of tried", *phases, "all")
    for provider in dict.fromkeys(fault.provider for fault in faults):
        counts = [
            [count[provider, phase] for phase in phases] for count in (held, tried)
        ]
        columns = [*zip(*counts, strict=True), (sum(counts[0]), sum(counts[1]))]
        cells = [f"{one}/{all_}" if all_ else "-" for one, all_ in columns]
        table.add_row(provider, *cells)
    console.print(table)
    if recoveries:
        middle = median(seconds for seconds, _ in recoveries)
        slowest, name = max(recoveries)
        console.print(
            f"All is well again {middle:.0f} s after a fault (median),"
            f" at most {slowest:.0f} s ({escape(name)})"
        )
    failed = tried.total() - held.total()
    console.print(f"{tried.total()} cases tried, {held.total()} held, {failed} did not")
    return 1 if failed or not tried else 0


if __name__ == "__main__":
    sys.exit(main())
