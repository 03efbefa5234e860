"""Every case, run with the detector only."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from benchmarks.simulated_home import Entry, Home, Vehicle
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
        from_now = len(home.changes)
        home.run(began + end)
        for seen in home.changes[from_now:]:
            expect = step.expect.get(seen.entry, Expectation(within=0.0))
            misses += [
                f"{seen.at - began:.0f} s, {seen.entry}: {miss}"
                for miss in _wrong(seen.assessment, expect)
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
            vehicles=tuple(
                Vehicle(name=car.name, model=car.model) for car in spec.cars
            ),
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
                if name in entry.vehicles and condition not in {"near", "gone"}:
                    entry.vehicles[name].online = condition == "online"
        else:
            home.set(subject, condition)
    if step.token is not None:
        home.set("token", OK if step.token == OK else EXPIRED)
    home.shift_clock(step.clock)
    if step.restart:
        home.restart(away=AWAY)
    if step.do is not None and step.do.action != "wake":
        entry = next(entry for entry in home.entries if step.do.car in entry.vehicles)
        if entry.account:
            home.command(step.do.car, entry=entry)


def _misses(
    home: Home, entry: Entry, expect: Expectation, keys: dict[str, set[str]]
) -> Iterator[str]:
    assessment = entry.detector.assessment
    yield from _wrong(assessment, expect)
    if assessment.status not in INCONCLUSIVE:
        keys[entry.name] = _wanting(assessment, entry)
    if expect.key is not None:
        wanted = {car for car, key in expect.key.items() if key != "usual"}
        if keys[entry.name] != wanted:
            yield f"key wanted for {keys[entry.name]}, expected {wanted}"
    if expect.notified is not None:
        notified = sum(
            happening.notice is not NoticeType.NONE
            for _, happening in home.outage_events
            if happening.entry_id == entry.name
        )
        if notified != expect.notified:
            yield f"notified {notified}, expected {expect.notified}"
    if expect.reauth is not None and entry.detector.auth_invalid != expect.reauth:
        yield f"reauth {not expect.reauth}"
    if expect.billed is not None and entry.data_calls > expect.billed:
        yield f"billed {entry.data_calls}, expected at most {expect.billed}"


def _wanting(assessment: Assessment, entry: Entry) -> set[str]:
    if assessment.status not in OUTAGES:
        return set()
    cars = set(entry.vehicles)
    return cars if assessment.affected is None else cars & assessment.affected


def _wrong(assessment: Assessment, expect: Expectation) -> Iterator[str]:
    found = {
        "status": assessment.status.value,
        "scope": assessment.scope.value,
        "subsystems": sorted(assessment.subsystems),
        "models": sorted(assessment.models),
        "other_regions": sorted(assessment.other_regions),
    }
    for name, value in found.items():
        expected = getattr(expect, name)
        if isinstance(expected, tuple):
            expected = sorted(expected)
        if expected is not None and value != expected:
            yield f"{name} {value}, expected {expected}"
