"""Tests of the player, on a stage that only pretends."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.narrator import FAR_REAL_SECONDS, far_rate
from harness.report import clock_text, from_json, to_json
from harness.scenario_runner import (
    SETTLE_SECONDS,
    Observation,
    Outcome,
    RequestResult,
    ScenarioRunner,
)
from simulator.scenarios.scenario import Home, Request, Scenario, Step, load_case

WELL = Observation(status="operational", scope="none", keys={"Ada": "usual"})
ILL = Observation(status="outage", scope="region", keys={"Ada": "keycard"}, notified=1)


class Pretence:
    """A stage whose home shows what a table says, by seconds of the case."""

    def __init__(
        self, shows: Mapping[float, Observation], asked: RequestResult | None = None
    ) -> None:
        self.now = 1000.0
        self.start = 0.0
        self.shows = shows
        self.asked = asked or RequestResult()
        self.deeds: list[str] = []

    async def install(self, home: Home, near: Collection[str] = ()) -> None:
        self.near = frozenset(near)
        self.deeds.append(f"install {home.name}")

    def begin(self) -> None:
        self.start = self.now

    def set(self, conditions: Mapping[str, str]) -> None:
        self.deeds.append(f"set {dict(conditions)} at {self.now - self.start:.0f}")

    def set_clock(self, seconds: float) -> None:
        self.deeds.append(f"clock {seconds:.0f}")

    def set_token(self, token: str) -> None:
        self.deeds.append(f"token {token}")

    async def restart(self) -> None:
        self.deeds.append("restart")

    def request(self, request: Request) -> Callable[[], RequestResult]:
        self.deeds.append(f"{request.action} {request.car}")
        return lambda: self.asked

    def look(self, home: Home) -> Observation:
        at = self.now - self.start
        return self.shows[max(since for since in self.shows if since <= at)]

    async def reach(
        self, until: float, seen: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        while self.now < until:
            self.now = min(self.now + 1, until)
            if seen is not None:
                await seen()


class Notes:
    """Follows a case and writes everything down."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.begun = 0
        self.ends: list[float] = []
        self.looked: list[float] = []

    def begins(self) -> None:
        self.begun += 1

    def steps(self, step: Step, end: float) -> None:
        self.ends.append(end)

    def looks(self, at: float) -> None:
        self.looked.append(at)

    def hears(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


@pytest.fixture
def case(tmp_path: Path) -> Callable[..., Scenario]:
    def make(*timeline: dict[str, Any], **home: Any) -> Scenario:
        car = {"name": "Ada", "model": "model3", "year": 2021}
        path = tmp_path / "case.yaml"
        data = {
            "name": "a-case",
            "source": "made up",
            "home": {"region": "na", "cars": [car], **home},
            "timeline": list(timeline),
        }
        path.write_text(yaml.safe_dump(data))
        return load_case(path)

    return make


FAILS = {
    "at": "0:10",
    "set": {"na.api": "refuse"},
    "expect": {"status": "outage", "key": "keycard", "notified": 1, "within": "0:02"},
}
RECOVERS = {
    "at": "0:20",
    "set": {"na.api": "ok"},
    "expect": {"status": "operational", "within": "0:05"},
}


async def play(case: Scenario, stage: Pretence) -> tuple[bool, Notes]:
    notes = Notes()
    return await ScenarioRunner(case, stage, notes).play(), notes


async def test_what_is_seen_in_time_and_stays_passes(
    case: Callable[..., Scenario],
) -> None:
    stage = Pretence({0: WELL, 640: ILL, 1300: WELL})
    passed, notes = await play(case(FAILS, RECOVERS), stage)
    assert passed
    assert [outcome.seconds for outcome in notes.outcomes] == [40, 100]
    assert notes.begun == 1
    assert notes.ends == [1200, 1500]
    assert notes.looked[-1] == 1500


async def test_keycard_is_settled_before_the_clock_starts(
    case: Callable[..., Scenario],
) -> None:
    stage = Pretence({0: ILL})
    await play(case(FAILS), stage)
    assert stage.start == 1000 + SETTLE_SECONDS
    assert stage.deeds == ["install home", "set {'na.api': 'refuse'} at 600"]


@pytest.mark.parametrize(
    ("shows", "at"),
    [
        ({0: WELL}, 120),
        ({0: WELL, 721: ILL}, 120),
        ({0: WELL, 640: ILL, 900: WELL, 901: ILL}, 300),
        ({0: WELL, 640: replace(ILL, keys={"Ada": "fob"})}, 120),
        ({0: WELL, 640: replace(ILL, notified=2)}, 120),
    ],
    ids=["never", "too late", "not kept", "wrong key", "told twice"],
)
async def test_a_miss_is_told(
    case: Callable[..., Scenario], shows: Mapping[float, Observation], at: float
) -> None:
    passed, notes = await play(case(FAILS, RECOVERS), Pretence({**shows, 1200: WELL}))
    assert not passed
    missed, recovered = notes.outcomes
    assert missed.missed_at == at
    assert any(not check.holds for check in missed.checks)
    assert recovered.passed


async def test_what_comes_and_goes_before_the_deadline_counts_from_the_last_time(
    case: Callable[..., Scenario],
) -> None:
    stage = Pretence({0: WELL, 610: ILL, 620: WELL, 700: ILL})
    passed, notes = await play(case(FAILS), stage)
    assert passed
    assert notes.outcomes[0].seconds == 100


@pytest.mark.parametrize(
    ("expect", "seen", "holds"),
    [
        ({"scope": "region"}, ILL, True),
        ({"scope": "regions"}, ILL, False),
        ({"planes": ["data"]}, replace(ILL, planes=frozenset({"data"})), True),
        ({"planes": ["data"]}, replace(ILL, planes=frozenset({"data", "api"})), False),
        ({"models": ["modely"]}, ILL, False),
        ({"elsewhere": []}, ILL, True),
        ({"elsewhere": []}, replace(ILL, elsewhere=frozenset({"eu"})), False),
        ({"key": {"Ada": "keycard"}}, ILL, True),
        ({"key": "usual"}, ILL, False),
        ({"reauth": False}, ILL, True),
        ({"reauth": False}, replace(ILL, reauth=True), False),
        ({"reauth": True}, ILL, False),
        ({"entities": "available"}, ILL, True),
        ({"entities": "available"}, replace(ILL, unavailable=("lock.ada",)), False),
        ({"billed": 3}, replace(ILL, billed=3), True),
        ({"billed": 3}, replace(ILL, billed=4), False),
        ({"notified": 1}, ILL, True),
        ({"notified": 0}, ILL, False),
        ({"status": "outage"}, ILL, True),
        ({"status": "outage"}, replace(ILL, repairs=("billing_limit",)), False),
        ({"status": "operational"}, replace(WELL, repairs=("key_file",)), True),
    ],
)
async def test_every_expectation_is_compared(
    case: Callable[..., Scenario],
    expect: dict[str, Any],
    seen: Observation,
    holds: bool,
) -> None:
    step = {"at": "0:00", "expect": {**expect, "within": "0:01"}}
    passed, _ = await play(case(step), Pretence({0: seen}))
    assert passed is holds


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        (RequestResult(ended=True, done=True, executed=1, via="cloud"), True),
        (RequestResult(), False),
        (RequestResult(ended=True, done=False, executed=1, via="cloud"), False),
        (RequestResult(ended=True, done=True, executed=2, via="cloud"), False),
        (RequestResult(ended=True, done=True, executed=1, via="bluetooth"), False),
    ],
    ids=["done once", "not ended", "failed", "done twice", "over the other link"],
)
async def test_a_request_is_done_once(
    case: Callable[..., Scenario], asked: RequestResult, holds: bool
) -> None:
    step = {
        "at": "0:01",
        "do": "unlock.Ada",
        "expect": {"done": True, "via": "cloud", "executed": 1, "within": "0:01"},
    }
    stage = Pretence({0: WELL}, asked)
    passed, _ = await play(case(step), stage)
    assert passed is holds
    assert stage.deeds[-1] == "unlock Ada"


async def test_cars_that_come_near_are_paired_at_the_set_up(
    case: Callable[..., Scenario],
) -> None:
    steps = [
        {"at": "0:01", "set": {"car.Ada": condition}}
        for condition in ("online", "near", "gone")
    ]
    stage = Pretence({0: WELL})
    await play(case(steps[0]), stage)
    assert stage.near == frozenset()
    await play(case({**steps[1], "at": "0:02"}), stage)
    assert stage.near == {"Ada"}
    await play(case(steps[2]), stage)
    assert stage.near == frozenset()


async def test_all_deeds_of_a_step_are_done_and_told(
    case: Callable[..., Scenario],
) -> None:
    step = {
        "at": "0:01",
        "set": {"na.api": "refuse"},
        "clock": "-2:00",
        "token": "expired",
        "restart": True,
        "expect": {"status": "outage", "within": "0:01"},
    }
    stage = Pretence({0: ILL})
    _, notes = await play(case(step), stage)
    assert stage.deeds == [
        "install home",
        "set {'na.api': 'refuse'} at 60",
        "clock -7200",
        "token expired",
        "restart",
    ]
    assert notes.outcomes[0].deed == (
        "na.api: refuse; clock -7200 s; token expired; restart"
    )


async def test_a_home_can_be_set_up_when_the_first_conditions_are_set(
    case: Callable[..., Scenario],
) -> None:
    stage = Pretence({0: ILL})
    await play(case({**FAILS, "at": "0:00"}, settled=False), stage)
    assert stage.deeds == ["set {'na.api': 'refuse'} at 0", "install home"]


async def test_an_outcome_survives_the_way_between_processes(
    case: Callable[..., Scenario],
) -> None:
    _, notes = await play(case(FAILS), Pretence({0: WELL}))
    (outcome,) = notes.outcomes
    data = yaml.safe_load(to_json(outcome))
    assert from_json(data["outcome"]) == outcome


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (5400, "1:30"), (49_215, "13:40:15")]
)
def test_story_time_reads_as_in_the_cases(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text


def test_the_quiet_hours_of_a_story_are_short(case: Callable[..., Scenario]) -> None:
    story = case(FAILS, {**RECOVERS, "at": "5:00"})
    quiet = story.end - 2 * 180
    assert quiet / far_rate(story) == pytest.approx(FAR_REAL_SECONDS)
