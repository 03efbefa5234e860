"""Plays the month of both integrations side by side, compares and prints."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
import subprocess
import sys

from rich.console import Console
from rich.table import Table

from custom_components.keycard.cost.pricing import Charge
from harness.clock import OffsetClock, install

from .commuter import Doing, Story
from .played import TARIFF, Ages, Played

KEYCARD, PEER = "keycard", "tesla_fleet"
ROOT = Path(__file__).parents[1]
LIMIT = 3600.0  # seconds for one play


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, print and judge; returns the exit status."""
    options = _parse(arguments)
    if options.play:
        return _play(options)
    console = Console(soft_wrap=True)
    plays = {name: _start(name, options) for name in (KEYCARD, PEER)}
    try:
        keycard, peer = (_read(process) for process in plays.values())
    finally:
        for process in plays.values():
            process.kill()
            process.wait()
    console.print(table(keycard, peer, options.story))
    misses = list(missed(keycard, peer))
    for miss in misses:
        console.print(f"Missed: {miss}")
    if not misses:
        console.print("Keycard is the cheaper, and the fresher while driving.")
    return 1 if misses else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/month.py", description=__doc__)
    parser.add_argument("--days", type=int, default=30, help="how many to play (30)")
    parser.add_argument(
        "--story",
        type=Story,
        choices=list(Story),
        default=Story.GUARDED,
        help="what the car does at work: it is on guard, and so online, or it sleeps",
    )
    parser.add_argument("--play", choices=(KEYCARD, PEER), help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _play(options: argparse.Namespace) -> int:
    clock = OffsetClock()
    install(clock)
    from .stand import play  # noqa: PLC0415 - after the clock is in place

    print(play(options.play, options.story, options.days, clock).to_json())
    return 0


def _start(name: str, options: argparse.Namespace) -> subprocess.Popen[str]:
    """Play one of them in a process of its own."""
    command = [
        *(sys.executable, "-m", "benchmarks.month", "--play", name),
        *("--days", str(options.days), "--story", options.story.value),
    ]
    return subprocess.Popen(  # noqa: S603 - this very program
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _read(process: subprocess.Popen[str]) -> Played:
    out, err = process.communicate(timeout=LIMIT)
    if process.returncode:
        raise SystemExit(f"a play broke down:\n{err.strip()[-3000:]}")
    return Played.from_json(out.splitlines()[-1])


def table(keycard: Played, peer: Played, story: Story) -> Table:
    """Set both side by side."""
    found = Table(title=f"{keycard.days} days of one car, {story} at work")
    for column in ("", "Keycard", "tesla_fleet", "ratio"):
        found.add_column(column, justify="right" if column else "left")

    def add(name: str, form: str, figure: Callable[[Played], float]) -> None:
        ours, theirs = figure(keycard), figure(peer)
        ratio = f"{ours / theirs:.2f}" if theirs else ""
        found.add_row(name, format(ours, form), format(theirs, form), ratio)

    for charge in TARIFF.calls_per_dollar:
        add(f"billed: {charge}", "d", _billed(charge))
    add("cost before the discount, USD", ".2f", lambda one: one.cost)
    for doing, name in (
        (Doing.DRIVING, "while driving"),
        (Doing.CHARGING, "while charging"),
        (Doing.PARKED, "while parked awake"),
    ):
        add(f"hours {name}", ".1f", _hours(doing))
        add(f"mean age {name}, s", ".0f", _age(doing, lambda ages: ages.mean))
        for share in (50, 95):
            add(f"{share}% of ages {name}, s", "d", _age(doing, _percentile(share)))
    found.add_row(
        "cost by its own sensor, USD",
        "none" if keycard.shown is None else f"{keycard.shown:.2f}",
        "none",
    )
    return found


def _billed(charge: Charge) -> Callable[[Played], int]:
    return lambda one: one.billed[charge]


def _hours(doing: Doing) -> Callable[[Played], float]:
    return lambda one: one.hours(doing)


def _age(doing: Doing, figure: Callable[[Ages], float]) -> Callable[[Played], float]:
    return lambda one: figure(one.ages[doing])


def _percentile(share: int) -> Callable[[Ages], int]:
    return lambda ages: ages.percentile(share)


def missed(keycard: Played, peer: Played) -> Iterator[str]:
    """Say what Keycard is not better at, and whether its own count is wrong."""
    if keycard.cost >= peer.cost:
        yield f"it costs {keycard.cost:.2f} USD, not less than {peer.cost:.2f}"
    ours, theirs = keycard.ages[Doing.DRIVING], peer.ages[Doing.DRIVING]
    for what, mine, other in (
        ("mean age", ours.mean, theirs.mean),
        ("half of the ages", ours.percentile(50), theirs.percentile(50)),
        ("95% of the ages", ours.percentile(95), theirs.percentile(95)),
    ):
        if mine >= other:
            yield f"{what} while driving: {mine:.0f} s, not below {other:.0f}"
    if keycard.shown is None or abs(keycard.shown - keycard.cost) > 0.01:
        yield f"its sensor says {keycard.shown} USD, the cloud {keycard.cost:.2f}"
