"""Walk at random through the lives of homes, and find the shortest walk that fails.

Hosts fail and come back, cars drive, sleep and are opened with a card, commands are
sent, phones lose their push service, Home Assistant restarts, entries are reloaded,
clocks are set, the disk is full, options change. After each step the invariants of
docs/architecture.md are checked, and in the end all must be well again. A walk that
breaks one is replayed with fewer and fewer steps, and the shortest list that still
breaks it is printed.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from itertools import count
import os
from pathlib import Path
from random import Random, SystemRandom
import re
import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from harness.clock import OffsetClock, install

from .processes import run_each

if TYPE_CHECKING:
    from .walk_run import Walk, WalkResult
    from .walk_steps import Step

WALK_TIMEOUT = 1200.0
LINE_INTERVAL = 30.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="script/benchmark home_walk", description=__doc__
    )
    parser.add_argument("--hours", type=float, help="real hours to walk (2 minutes)")
    parser.add_argument("--walks", type=int, help="number of walks, instead of a time")
    parser.add_argument("--steps", type=int, default=60, help="steps of a walk (60)")
    parser.add_argument("--seed", type=int, help="seed of the first walk (random)")
    parser.add_argument(
        "--replay", type=Path, help="file with steps as printed; needs its --seed"
    )
    parser.add_argument(
        "--no-shrinking", action="store_true", help="print a walk as it was"
    )
    parser.add_argument(
        *("-j", "--jobs"),
        type=int,
        default=min(os.cpu_count() or 1, 8),
        help="number of parallel walks (number of processors)",
    )
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False)
    seed = options.seed
    if seed is None:
        seed = SystemRandom().randrange(1 << 32)
    clock = OffsetClock()
    install(clock)
    # Each process would take its time to import Home Assistant.
    module = import_module("benchmarks.walk_run")
    steps_module = import_module("benchmarks.walk_steps")
    walker = _Walker(console, lambda walk: module.run_walk(walk, clock), options.jobs)

    def make(number: int) -> tuple[int, Walk]:
        random = Random(number)
        homes = steps_module.random_homes(random)
        if options.replay:
            lines = options.replay.read_text().splitlines()
            steps = tuple(
                steps_module.parse_step(line) for line in lines if line.strip()
            )
        else:
            steps = steps_module.random_steps(homes, options.steps, random)
        return number, module.Walk(homes=homes, steps=steps)

    seconds = 120.0 if options.hours is None else options.hours * 3600.0
    if options.replay:
        options.walks = 1
    numbers: Iterable[int] = range(seed, seed + options.walks) if options.walks else ()
    console.print(f"--seed {seed}, {options.steps} steps each")
    walks = (
        (make(number) for number in numbers)
        if options.walks
        else walker.until(seconds, (make(number) for number in count(seed)))
    )
    return walker.walk(walks, shrink=not options.no_shrinking)


class _Walker:
    """Runs walks in processes of their own."""

    def __init__(
        self, console: Console, run: Callable[[Walk], WalkResult], jobs: int
    ) -> None:
        self._console = console
        self._run = run
        self._jobs = max(jobs, 1)
        self._began = time.perf_counter()

    def until(
        self, seconds: float, walks: Iterator[tuple[int, Walk]]
    ) -> Iterator[tuple[int, Walk]]:
        """Yield walks until the time is over."""
        shown_at = self._began
        for number, walk in enumerate(walks):
            now = time.perf_counter()
            if now - self._began >= seconds:
                return
            if now - shown_at >= LINE_INTERVAL:
                shown_at = now
                left = (seconds - (now - self._began)) / 60.0
                self._console.print(f"{number} walks begun, about {left:.0f} min left")
            yield walk

    def walk(self, walks: Iterator[tuple[int, Walk]], *, shrink: bool) -> int:
        """Run walks and print what breaks; return the exit status."""
        tried = steps = 0
        simulated = 0.0
        broken: list[tuple[int, Walk, str]] = []
        results = run_each(
            lambda seeded: self._run(seeded[1]),
            walks,
            jobs=self._jobs,
            timeout=WALK_TIMEOUT,
        )
        for (seed, walk), result in results:
            tried += 1
            if isinstance(result, str):
                self._console.print(f"[red]--seed {seed} stopped[/red]")
                self._console.print(escape(result))
                broken.append((seed, walk, _kind(result)))
                continue
            simulated += result.simulated
            if not result.broken:
                steps += len(walk.steps)
                continue
            number, seen = result.broken[0]
            steps += number
            self._console.print(f"[red]--seed {seed}, step {number}[/red]")
            for _, one in result.broken:
                self._console.print(f"    {escape(one)}")
            shorter = replace(walk, steps=walk.steps[: number + 1])
            broken.append((seed, shorter, _kind(seen)))
        if shrink:
            for kind in dict.fromkeys(kind for _, _, kind in broken):
                self._shrink(*next(one for one in broken if one[2] == kind))
        hours = simulated / 3600.0
        self._console.print(
            f"{tried} walks, {steps} steps, {hours:.0f} simulated hours:"
            f" {len(broken)} broke"
        )
        return 1 if broken or not tried else 0

    def _shrink(self, seed: int, walk: Walk, kind: str) -> None:
        """Print the shortest list of steps that breaks the same."""
        self._console.print(f"Looking for the shortest walk of --seed {seed}...")

        def candidates(lists: Sequence[Sequence[Step]]) -> Sequence[Step] | None:
            """Return the first list that breaks the same, None if none does."""
            walks = [replace(walk, steps=tuple(steps)) for steps in lists]
            for tried, result in run_each(
                self._run, walks, jobs=self._jobs, timeout=WALK_TIMEOUT
            ):
                seen = result if isinstance(result, str) else _seen(result)
                if seen and _kind(seen) == kind:
                    return tried.steps
            return None

        steps = shrink(walk.steps, candidates)
        homes = "; ".join(
            f"{home.name}: {home.provider} in {home.region},"
            f" {', '.join(f'{car.name} ({car.model} {car.year})' for car in home.cars)}"
            for home in walk.homes
        )
        self._console.print(f"{escape(kind)}\n--seed {seed} ({escape(homes)})")
        for step in steps:
            self._console.print(f"    {escape(str(step))}")


def shrink[T](
    steps: Sequence[T],
    first_failing: Callable[[Sequence[Sequence[T]]], Sequence[T] | None],
) -> Sequence[T]:
    """Return a short list that still fails, by leaving out more and more parts.

    `first_failing` returns one of several lists that fails, None if none does.
    """
    size = max(len(steps) // 2, 1)
    while steps:
        lists = [
            [*steps[:start], *steps[start + size :]]
            for start in range(0, len(steps), size)
        ]
        if (shorter := first_failing(lists)) is not None:
            steps = shorter
            size = min(size, max(len(steps) // 2, 1))
        elif size == 1:
            break
        else:
            size //= 2
    return steps


def _seen(result: WalkResult) -> str:
    return result.broken[0][1] if result.broken else ""


def _kind(seen: str) -> str:
    """Return what broke, without the numbers and names of one walk."""
    last = seen.strip().splitlines()[-1] if "Traceback" in seen else seen
    return re.sub(r"[\d.]+|\b(Ada|Cy|Di|Ed|Flo|Gus|Hal)\b", "#", last)[:60]


if __name__ == "__main__":
    sys.exit(main())
