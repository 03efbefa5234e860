"""Every case, run with the detector only."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from benchmarks.simulated_home import Car, Entry, Home
from benchmarks.simulated_network import OK, World
from custom_components.keycard.outage.models import INCONCLUSIVE, OUTAGES, Assessment
from custom_components.keycard.outage.outage_log import NoticeType
from simulator.scenarios.scenario import Expectation, Scenario, Step, load_case

CASES = sorted((Path(__file__).parent.parent / "cases").glob("*.yaml"))
SETTLED = 700.0
AWAY = 30.0
EXPIRED = '401 {"error":"token expired (401)"}'


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_case_is_assessed_as_expected(path: Path, seed: int) -> None:
    case = load_case(path)
    home = _home(case, seed)
    if case.homes[0].settled:
        home.run(SETTLED)
        began = SETTLED
    else:
        began = 0.0
    keys = {entry.name: set[str]() for entry in home.entries}
    misses = []
    ends = [step.at for step in case.timeline[1:]] + [case.end]
    for step, end in zip(case.timeline, ends, strict=True):
        home.run(began + step.at)
        _act(home, step)
        for name, expect in step.expect.items():
            home.run(began + step.at + expect.within)
            misses += [
                f"{step.at:.0f} s, {name}: {miss}"
                for miss in _misses(home, _entry(home, name), expect, keys)
            ]
        from_now = len(home.seen)
        home.run(began + end)
        for seen in home.seen[from_now:]:
            expect = step.expect.get(seen.entry, Expectation(within=0.0))
            misses += [
                f"{seen.at - began:.0f} s, {seen.entry}: {miss}"
                for miss in _wrong(seen.judgement, expect)
            ]
    assert not misses


def _home(case: Scenario, seed: int) -> Home:
    home = Home(World(random=Random(seed)), region=case.homes[0].region)
    if not case.homes[0].settled:
        _act(home, case.timeline[0])
    for spec in case.homes:
        home.add(
            spec.name,
            region=spec.region,
            cars=tuple(Car(name=car.name, model=car.model) for car in spec.cars),
            account=spec.provider != "watch_only",
            third_party=spec.provider == "proxy",
        )
    return home


def _entry(home: Home, name: str) -> Entry:
    return next(entry for entry in home.entries if entry.name == name)


def _act(home: Home, step: Step) -> None:
    for subject, condition in step.set.items():
        kind, _, name = subject.partition(".")
        if kind == "car":
            for entry in home.entries:
                if name in entry.cars and condition not in {"near", "gone"}:
                    entry.cars[name].online = condition == "online"
        else:
            home.set(subject, condition)
    if step.token is not None:
        home.set("token", OK if step.token == OK else EXPIRED)
    home.wall_shift(step.clock)
    if step.restart:
        home.restart(away=AWAY)
    if step.do is not None and step.do.action != "wake":
        entry = next(entry for entry in home.entries if step.do.car in entry.cars)
        if entry.account:
            home.command(step.do.car, entry=entry)


def _misses(
    home: Home, entry: Entry, expect: Expectation, keys: dict[str, set[str]]
) -> Iterator[str]:
    judgement = entry.judge.assessment
    yield from _wrong(judgement, expect)
    if judgement.status not in INCONCLUSIVE:
        keys[entry.name] = _wanting(judgement, entry)
    if expect.key is not None:
        wanted = {car for car, key in expect.key.items() if key != "usual"}
        if keys[entry.name] != wanted:
            yield f"key wanted for {keys[entry.name]}, expected {wanted}"
    if expect.notified is not None:
        notified = sum(
            happening.notice is not NoticeType.NONE
            for _, happening in home.happenings
            if happening.entry_id == entry.name
        )
        if notified != expect.notified:
            yield f"notified {notified}, expected {expect.notified}"
    if expect.reauth is not None and entry.judge.auth_invalid != expect.reauth:
        yield f"reauth {not expect.reauth}"
    if expect.billed is not None and entry.data_calls > expect.billed:
        yield f"billed {entry.data_calls}, expected at most {expect.billed}"


def _wanting(judgement: Assessment, entry: Entry) -> set[str]:
    if judgement.status not in OUTAGES:
        return set()
    cars = set(entry.cars)
    return cars if judgement.affected is None else cars & judgement.affected


def _wrong(judgement: Assessment, expect: Expectation) -> Iterator[str]:
    found = {
        "status": judgement.status.value,
        "scope": judgement.scope.value,
        "subsystems": sorted(judgement.subsystems),
        "models": sorted(judgement.models),
        "other_regions": sorted(judgement.other_regions),
    }
    for name, value in found.items():
        expected = getattr(expect, name)
        if isinstance(expected, tuple):
            expected = sorted(expected)
        if expected is not None and value != expected:
            yield f"{name} {value}, expected {expected}"
