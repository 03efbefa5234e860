"""Compare a month of Keycard with Home Assistant's tesla_fleet integration.

Print the costs of both and the age of their data; exit non-zero if Keycard costs more,
or if its data are older while the car drives.
"""

import argparse
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from queue import Empty, Queue
import sys
from threading import Thread

from rich.console import Console
from rich.table import Table

from custom_components.keycard.cost.pricing import Charge
from harness.progress import track

from .bounds import report_misses
from .child_process import ModuleRun, start_module
from .daily_commute import Activity, WorkState
from .month_result import TARIFF, Ages, MonthResult

KEYCARD, PEER = "keycard", "tesla_fleet"
DAY_TIMEOUT = 1800.0  # seconds until a day of one of the runs is over


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print and compare; return the exit status."""
    options = _parse(arguments)
    console = Console(soft_wrap=True)
    keycard, peer = simulate(console, options.days, options.work_state)
    console.print(comparison_table(keycard, peer, options.work_state))
    return report_misses(console, list(missed_criteria(keycard, peer)))


def simulate(
    console: Console, days: int, work_state: WorkState
) -> tuple[MonthResult, MonthResult]:
    """Simulate a month of Keycard and of the peer, and return the results."""
    with ExitStack() as stack:
        keycard, peer = runs = [
            _Run(
                stack.enter_context(
                    start_module(
                        *("benchmarks.month_play", name, work_state.value, days),
                    )
                )
            )
            for name in (KEYCARD, PEER)
        ]
        steps = len(runs) * (days + 1)
        for _ in track(console, "days", _completed_days(runs), steps):
            pass
        return keycard.result(), peer.result()


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
    return parser.parse_args(arguments)


class _Run:
    """Run of one integration."""

    def __init__(self, run: ModuleRun) -> None:
        self._run = run
        self._line = ""

    def read(self, queue: Queue[_Run | None]) -> None:
        """Put None for each day that is over, and the run itself at its end."""
        for line in self._run.lines():
            self._line = line
            if not line:
                queue.put(None)
        queue.put(self)

    def result(self) -> MonthResult:
        """Return the result of a process that has ended, or end the program."""
        self._run.wait()
        return MonthResult.from_json(self._line)


def _completed_days(runs: Collection[_Run]) -> Iterator[None]:
    """Yield each time that a day of one of the runs is over."""
    queue: Queue[_Run | None] = Queue()
    for run in runs:
        Thread(target=run.read, args=(queue,), daemon=True).start()
    running = len(runs)
    while running:
        try:
            ended = queue.get(timeout=DAY_TIMEOUT)
        except Empty:
            raise SystemExit(f"no day was over in {DAY_TIMEOUT:.0f} s") from None
        if ended is None:
            yield
        else:
            ended.result()  # A failure ends the comparison.
            running -= 1


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


if __name__ == "__main__":
    sys.exit(main())
