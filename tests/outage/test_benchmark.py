"""The detection benchmark measures, and reports missed bounds."""

from collections import deque
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from random import Random
from weakref import WeakSet

import pytest

from benchmarks import detection, false_alarms, random_outages
from benchmarks.false_alarms import HomeYear
from benchmarks.simulated_home import Home, Vehicle
from benchmarks.simulated_network import World
from custom_components.keycard.outage.models import OUTAGES, Status

from .home_helpers import SETTLED, statuses

FEW = ["--outages", "40", "--years", "0", "--jobs", "1"]


def test_a_few_outages_are_seen_in_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert detection.main(FEW) == 0

    printed = capsys.readouterr().out
    assert "All bounds are met." in printed
    assert "seeds 20211119 to 20211158" in printed


def test_a_missed_bound_is_an_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detection, "ENOUGH", 1)
    monkeypatch.setattr(detection, "MEDIAN", 1.0)
    monkeypatch.setattr(detection, "WORST", 2.0)

    assert detection.main(FEW) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "Missed: median of refuse or answer with errors, with cars" in printed
    assert "Missed: worst" in printed


def test_a_home_whose_internet_failures_stay_unrecognized_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = false_alarms.simulate_year

    def simulate(seed: int) -> false_alarms.Year:
        named = 1 if seed == 9 else 3
        return replace(known(seed), internet_failures=3, internet_named=named)

    monkeypatch.setattr(false_alarms, "YEAR", false_alarms.HOUR)
    monkeypatch.setattr(false_alarms, "simulate_year", simulate)
    arguments = ["--outages", "0", "--years", "10", "--seed", "0", "--jobs", "1"]
    assert detection.main(arguments) == 1

    printed = " ".join(capsys.readouterr().out.split())
    assert "recognized in the year of seed 9" in printed
    assert printed.count("Missed:") == 1


def test_a_seed_repeats_its_outage() -> None:
    assert random_outages.simulate(7) == random_outages.simulate(7)


def test_a_month_of_nuisance_is_no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(false_alarms, "YEAR", 30 * 24 * false_alarms.HOUR)
    year = false_alarms.simulate_year(5)

    assert year.false == ()
    assert not year.reauth
    assert year.internet_failures == false_alarms.INTERNET_FAILURES
    assert year.internet_named > 0.9 * year.internet_failures
    assert year.statuses["internet_down"] >= year.internet_named
    assert not {status.value for status in OUTAGES} & set(year.statuses)
    assert year.jumped > 0


# A home without cars; with two; behind a service; behind a proxy at home.
@pytest.mark.parametrize(
    ("seed", "third_party", "at_home"),
    [(1, False, False), (5, False, False), (0, True, False), (4, True, True)],
)
def test_a_home_that_jumps_lives_the_same_life(
    monkeypatch: pytest.MonkeyPatch, seed: int, third_party: bool, at_home: bool
) -> None:
    monkeypatch.setattr(false_alarms, "YEAR", 24 * false_alarms.HOUR)
    monkeypatch.setattr(false_alarms, "INTERNET_FAILURES", 3)
    monkeypatch.setattr(false_alarms, "BURST_EVERY", 300 * false_alarms.MINUTE)
    jumps, plays = HomeYear(seed=seed), HomeYear(seed=seed, jump=None)
    assert (jumps.third_party, jumps.proxy_at_home) == (third_party, at_home)
    for year in (jumps, plays):
        year.run()

    assert jumps.home.jumped > 0 == plays.home.jumped
    assert jumps.home.requests == plays.home.requests
    assert jumps.home.changes == plays.home.changes
    assert jumps.home.outage_events == plays.home.outage_events
    assert _known(jumps.home) == _known(plays.home)


def test_a_third_party_is_reached_over_the_internet() -> None:
    for at_home, expected in ((False, Status.INTERNET_DOWN), (True, None)):
        home = Home(World(random=Random(1)))
        home.add(vehicles=(Vehicle(name="Ada"),), third_party=True, at_home=at_home)
        home.run(SETTLED)
        home.set("net", "refuse")
        home.run(SETTLED + 300)
        assert statuses(home) == ([] if expected is None else [expected])


def _known(value: object) -> object:
    """Return all that an object knows, in a form that compares."""
    if isinstance(value, Random):
        return value.getstate()
    if isinstance(value, Enum):
        return value
    if isinstance(value, Mapping):
        return [(_known(key), _known(item)) for key, item in value.items()]
    if isinstance(value, Home):
        # A heap can be ordered in several ways.
        value.flights.sort()
    if isinstance(value, list | tuple | deque):
        return [_known(item) for item in value]
    if isinstance(value, WeakSet | set | frozenset):
        return len(value)
    if is_dataclass(value):
        names = [one.name for one in fields(value)]
    elif hasattr(value, "__dict__"):
        names = list(vars(value))
    else:
        return value
    known = {name: getattr(value, name) for name in names if name not in _OWN}
    return _known({name: item for name, item in known.items() if not callable(item)})


# How a home jumps, and how often, is its own.
_OWN = frozenset({"jumped", "_jump", "_may_jump", "_asks", "seen", "happenings"})
