"""Measure the requests of a million homes at Tesla's hosts."""

import argparse
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from multiprocessing import get_context
import os
from random import Random
import sys
import time

from rich.console import Console
from rich.table import Table

from harness.progress import track

from .bounds import report_misses
from .random_outages import FAILURES
from .simulated_home import Home, Vehicle
from .simulated_network import OK, World

HOMES = 2_000
MILLION = 1_000_000
SEED = 20211119

# Peaks are those of buckets of so many seconds; a sampled home stands for many.
BUCKET = 20.0
MINUTE = 60.0
_WARM_UP = 20 * MINUTE
_REST = 30 * MINUTE
_OUTAGE = 60 * MINUTE
_ONSET = 5 * MINUTE
_RECOVERY = 10 * MINUTE
_AFTER = 40 * MINUTE

# Bound of the peak at rest and after recovery, as a multiple of the mean at rest.
PEAK = 1.2

# Seconds after a single failed probe in which a home asks more than otherwise, and
# one home in so many of which this is measured.
SUSPICION = 2 * MINUTE
_SUSPECTING = 5

_START = 10 * MINUTE

_MODELS = ("model3", "modely", "models")
_REGIONS = ("na", "na", "eu", "eu", "cn")
_UNRELATED = ("controls",)

_MODEL = """\
Every home is the real host monitor and detector without sockets; a sample of homes
stands for a million. 40 % have no account, else one to three vehicles, awake half of
the time; two fifths each are in North America and in Europe, one fifth in China. All
start within {start:.0f} min, and are counted from {warm_up:.0f} min on: {rest:.0f} min
at rest; {outage:.0f} min in which all hosts of North America fail ({failure});
{after:.0f} min afterwards. Counted are probes and calls
at Tesla's hosts, in buckets of {bucket:.0f} s. The last
table is of homes in which one probe fails once: their requests in the {suspicion:.0f} s
from it, beside homes in which none fails.
"""


@dataclass(kw_only=True)
class Load:
    """Requests by bucket and host, and those that follow a suspicion."""

    requests: Counter[tuple[int, str]] = field(default_factory=Counter)
    suspected: list[int] = field(default_factory=list)
    usual: list[int] = field(default_factory=list)

    def add(self, other: Load) -> None:
        """Add the load of other homes."""
        self.requests.update(other.requests)
        self.suspected += other.suspected
        self.usual += other.usual


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of the measurement; times are seconds from the start of the homes."""

    name: str
    start: float
    end: float
    bounded: bool = False


def phases() -> tuple[Phase, ...]:
    """Return the phases in order."""
    outage = _WARM_UP + _REST
    end = outage + _OUTAGE
    return (
        Phase(name="at rest", start=_WARM_UP, end=outage, bounded=True),
        Phase(name="outage begins", start=outage, end=outage + _ONSET),
        Phase(name="outage lasts", start=outage + _ONSET, end=end),
        Phase(name="outage ends", start=end, end=end + _RECOVERY),
        Phase(
            name="afterwards",
            start=end + _RECOVERY,
            end=end + _AFTER,
            bounded=True,
        ),
    )


def simulate(seed: int, failure: str) -> Load:
    """Simulate a home through all phases, and its twin with one failed probe."""
    load = Load()
    home = _new_home(seed)
    outage = _WARM_UP + _REST
    status, calls = FAILURES[failure]
    for subject, condition in (("na.status", status), ("na.api", calls)):
        home.set(subject, condition, at=outage)
        home.set(subject, OK, at=outage + _OUTAGE)
    home.run(outage + _OUTAGE + _AFTER)
    load.requests.update(
        (int(at // BUCKET), _host(subject))
        for at, subject in _at_tesla(home)
        if at >= _WARM_UP
    )
    if seed % _SUSPECTING == 0:
        load.usual.append(_count(_new_home(seed), fail=False))
        load.suspected.append(_count(_new_home(seed), fail=True))
    return load


def _new_home(seed: int) -> Home:
    random = Random(seed)
    region = random.choice(_REGIONS)
    cars = random.choice((0, 0, 1, 2, 3))
    home = Home(World(random=random), region=region, began=random.uniform(0.0, _START))
    home.sent_requests = []
    home.add(
        region=region,
        vehicles=tuple(
            Vehicle(name=f"car{n}", model=_MODELS[n], online=random.random() < 0.5)
            for n in range(cars)
        ),
    )
    return home


def _count(home: Home, *, fail: bool) -> int:
    """Return the requests of a home from a probe on, which may fail."""
    subject = f"{home.entries[0].region}.status"
    home.run(_WARM_UP, stop=None)
    requests = home.sent_requests = []
    while not any(requested == subject for _, requested in requests):
        home.run(home.host_monitor.next_due())
    began = next(at for at, requested in requests if requested == subject)
    if fail:
        home.set(subject, "500 oops")
        home.run(began + 1.0)
        home.set(subject, OK)
    home.run(began + SUSPICION)
    return sum(at >= began for at, _ in _at_tesla(home))


def _at_tesla(home: Home) -> Iterable[tuple[float, str]]:
    return (
        (at, subject)
        for at, subject in home.sent_requests or ()
        if not subject.startswith(_UNRELATED)
    )


def _host(subject: str) -> str:
    """Return the host of a request, or `calls` for those of an entry."""
    if subject.startswith("home."):
        return "calls"
    return "sign-in" if subject.startswith("auth.") else subject.removesuffix(".status")


def main(arguments: list[str] | None = None) -> int:
    """Run the measurement and print the results."""
    options = _options(arguments)
    console = Console()
    console.rule("Requests of a million homes")
    console.print(
        " ".join(_MODEL.split()).format(
            start=_START / MINUTE,
            warm_up=_WARM_UP / MINUTE,
            rest=_REST / MINUTE,
            outage=_OUTAGE / MINUTE,
            after=_AFTER / MINUTE,
            failure=options.failure,
            bucket=BUCKET,
            suspicion=SUSPICION,
        )
    )
    began = time.perf_counter()
    load = _simulate_all(console, options)
    misses = [*_print_phases(console, load, options.homes)]
    _print_suspicions(console, load)
    console.print(f"Took {time.perf_counter() - began:.0f} s.")
    return report_misses(console, misses)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="script/benchmark million_homes", description=__doc__
    )
    parser.add_argument("--homes", type=int, default=HOMES, help="sampled homes")
    parser.add_argument(
        "--failure", choices=tuple(FAILURES), default="hang", help="how hosts fail"
    )
    parser.add_argument(
        "--seed", type=int, default=SEED, help="random seed of the first home"
    )
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes to use"
    )
    return parser.parse_args(arguments)


def _simulate_all(console: Console, options: argparse.Namespace) -> Load:
    load = Load()
    tasks = [
        (seed, options.failure)
        for seed in range(options.seed, options.seed + options.homes)
    ]
    with get_context("spawn").Pool(options.jobs) as pool:
        results = pool.imap_unordered(_simulate_task, tasks, chunksize=20)
        for found in track(console, "homes", results, len(tasks)):
            load.add(found)
    return load


def _simulate_task(task: tuple[int, str]) -> Load:
    return simulate(*task)


def _print_phases(console: Console, load: Load, homes: int) -> Iterable[str]:
    """Print the rates in each phase; yield the missed bounds."""
    scale = MILLION / homes / BUCKET / 1000
    hosts = sorted({host for _, host in load.requests})
    table = Table(
        title=f"Thousand requests per second of a million homes ({homes} sampled)"
    )
    table.add_column("Phase")
    for heading in ("mean", "peak", "/ rest", *hosts):
        table.add_column(heading, justify="right")
    rest = 0.0
    misses: list[str] = []
    for phase in phases():
        buckets = range(int(phase.start // BUCKET), int(phase.end // BUCKET))
        counts = [
            sum(load.requests[bucket, host] for host in hosts) for bucket in buckets
        ]
        mean, peak = sum(counts) / len(counts) * scale, max(counts) * scale
        rest = rest or mean
        by_host = (
            sum(load.requests[bucket, host] for bucket in buckets) / len(buckets)
            for host in hosts
        )
        table.add_row(
            phase.name,
            f"{mean:.1f}",
            f"{peak:.1f}",
            f"{peak / rest:.2f}",
            *(f"{count * scale:.1f}" for count in by_host),
        )
        if phase.bounded and peak > PEAK * rest:
            misses.append(f"{phase.name}: a peak of {peak / rest:.2f} times the mean")
    console.print(table)
    return misses


def _print_suspicions(console: Console, load: Load) -> None:
    table = Table(title=f"Requests of a home in {SUSPICION:.0f} s")
    for heading in ("Homes", "mean", "most"):
        table.add_column(heading, justify="left" if heading == "Homes" else "right")
    for name, counts in (
        ("no probe fails", load.usual),
        ("one probe fails once", load.suspected),
    ):
        table.add_row(name, f"{sum(counts) / len(counts):.1f}", str(max(counts)))
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
