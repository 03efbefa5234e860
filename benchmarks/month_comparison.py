"""Simulate a month of both integrations in parallel, and compare the results."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
import subprocess
import sys

from rich.console import Console
from rich.table import Table

from custom_components.keycard.cost.pricing import Charge
from harness.clock import OffsetClock, install

from .daily_commute import Activity, WorkState
from .month_result import TARIFF, Ages, MonthResult

KEYCARD, PEER = "keycard", "tesla_fleet"
ROOT = Path(__file__).parents[1]
RUN_TIMEOUT = 3600.0  # seconds for one run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print and compare; return the exit status."""
    options = _parse(arguments)
    if options.play:
        return _run(options)
    console = Console(soft_wrap=True)
    processes = {name: _start(name, options) for name in (KEYCARD, PEER)}
    try:
        keycard, peer = (_read(process) for process in processes.values())
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    console.print(comparison_table(keycard, peer, options.work_state))
    misses = list(missed_criteria(keycard, peer))
    for miss in misses:
        console.print(f"Missed: {miss}")
    if not misses:
        console.print("Keycard is cheaper, and its data is newer while driving.")
    return 1 if misses else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script/benchmark month", description=__doc__)
    parser.add_argument("--days", type=int, default=30, help="days to simulate (30)")
    parser.add_argument(
        "--work-state",
        type=WorkState,
        choices=list(WorkState),
        default=WorkState.GUARDED,
        help="state of the car at work: online in sentry mode, or asleep",
    )
    parser.add_argument("--play", choices=(KEYCARD, PEER), help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace) -> int:
    clock = OffsetClock()
    install(clock)
    from .month_run import run_month  # noqa: PLC0415 - after the clock is installed

    print(run_month(options.play, options.work_state, options.days, clock).to_json())
    return 0


def _start(name: str, options: argparse.Namespace) -> subprocess.Popen[str]:
    """Run one integration in its own process."""
    command = [
        *(sys.executable, "-m", "benchmarks.month", "--play", name),
        *("--days", str(options.days), "--work-state", options.work_state.value),
    ]
    return subprocess.Popen(  # noqa: S603 - this program itself
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _read(process: subprocess.Popen[str]) -> MonthResult:
    out, err = process.communicate(timeout=RUN_TIMEOUT)
    if process.returncode:
        raise SystemExit(f"a run failed:\n{err.strip()[-3000:]}")
    return MonthResult.from_json(out.splitlines()[-1])


def comparison_table(
    keycard: MonthResult, peer: MonthResult, work_state: WorkState
) -> Table:
    """Return a table of both results."""
    result = Table(title=f"{keycard.days} days of one car, {work_state} at work")
    for column in ("", "Keycard", "tesla_fleet", "ratio"):
        result.add_column(column, justify="right" if column else "left")

    def add(name: str, form: str, figure: Callable[[MonthResult], float]) -> None:
        ours, theirs = figure(keycard), figure(peer)
        ratio = f"{ours / theirs:.2f}" if theirs else ""
        result.add_row(name, format(ours, form), format(theirs, form), ratio)

    for charge in TARIFF.calls_per_dollar:
        add(f"billed: {charge}", "d", _billed(charge))
    add("cost before the discount, USD", ".2f", lambda one: one.cost)
    for activity, name in (
        (Activity.DRIVING, "while driving"),
        (Activity.CHARGING, "while charging"),
        (Activity.PARKED, "while parked awake"),
    ):
        add(f"hours {name}", ".1f", _hours(activity))
        add(f"mean age {name}, s", ".0f", _age(activity, lambda ages: ages.mean))
        for share in (50, 95):
            add(f"{share}% of ages {name}, s", "d", _age(activity, _percentile(share)))
    result.add_row(
        "cost shown by its sensor, USD",
        "none" if keycard.shown_cost is None else f"{keycard.shown_cost:.2f}",
        "none",
    )
    return result


def _billed(charge: Charge) -> Callable[[MonthResult], int]:
    return lambda one: one.billed[charge]


def _hours(activity: Activity) -> Callable[[MonthResult], float]:
    return lambda one: one.hours(activity)


def _age(
    activity: Activity, figure: Callable[[Ages], float]
) -> Callable[[MonthResult], float]:
    return lambda one: figure(one.ages[activity])


def _percentile(share: int) -> Callable[[Ages], int]:
    return lambda ages: ages.percentile(share)


def missed_criteria(keycard: MonthResult, peer: MonthResult) -> Iterator[str]:
    """Yield the criteria that Keycard misses, and a wrong cost shown by itself."""
    if keycard.cost >= peer.cost:
        yield f"it costs {keycard.cost:.2f} USD, not less than {peer.cost:.2f}"
    ours, theirs = keycard.ages[Activity.DRIVING], peer.ages[Activity.DRIVING]
    for criterion, own_value, peer_value in (
        ("mean age", ours.mean, theirs.mean),
        ("half of the ages", ours.percentile(50), theirs.percentile(50)),
        ("95% of the ages", ours.percentile(95), theirs.percentile(95)),
    ):
        if own_value >= peer_value:
            yield (
                f"{criterion} while driving: {own_value:.0f} s, "
                f"not below {peer_value:.0f}"
            )
    if keycard.shown_cost is None or abs(keycard.shown_cost - keycard.cost) > 0.01:
        yield f"its sensor says {keycard.shown_cost} USD, the cloud {keycard.cost:.2f}"
