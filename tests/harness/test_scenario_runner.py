"""Tests of the scenario runner with a fake environment."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.demo_narrator import (
    IDLE_REAL_SECONDS,
    STEP_RATE,
    duration_seconds,
    idle_rate,
)
from harness.outcome_report import format_time, from_json, to_json
from harness.scenario_runner import (
    SETTLE_SECONDS,
    Observation,
    Outcome,
    ReceivedNotice,
    RequestResult,
    ScenarioRunner,
)
from simulator.scenarios.scenario import (
    Home,
    PhoneSpec,
    Request,
    Scenario,
    Step,
    load_case,
)

OPERATIONAL = Observation(status="operational", scope="none", keys={"Ada": "usual"})
OUTAGE = Observation(
    status="outage", scope="region", keys={"Ada": "keycard"}, notified=1
)


class FakeTarget:
    """A fake environment that shows given states by seconds of the case."""

    def __init__(
        self,
        observations: Mapping[float, Observation],
        request_result: RequestResult | None = None,
    ) -> None:
        self.monotonic = 1000.0
        self.start = 0.0
        self.observations = observations
        self.request_result = request_result or RequestResult()
        self.calls: list[str] = []
        self.notices: list[ReceivedNotice] = []

    async def install(self, home: Home, near: Collection[str] = ()) -> None:
        self.near = frozenset(near)
        self.calls.append(f"install {home.name}")

    def start_counting(self) -> None:
        self.start = self.monotonic

    def set(self, conditions: Mapping[str, str]) -> None:
        self.calls.append(
            f"set {dict(conditions)} at {self.monotonic - self.start:.0f}"
        )

    def set_clock(self, seconds: float) -> None:
        self.calls.append(f"clock {seconds:.0f}")

    def set_token(self, token: str) -> None:
        self.calls.append(f"token {token}")

    async def restart(self) -> None:
        self.calls.append("restart")

    def request(self, request: Request) -> Callable[[], RequestResult]:
        self.calls.append(f"{request.action} {request.car}")
        return lambda: self.request_result

    async def add_phone(self, phone: PhoneSpec) -> None:
        self.calls.append(f"phone {phone.system}")

    async def press(self, button: str) -> None:
        self.calls.append(f"press {button}")

    def received(self) -> list[ReceivedNotice]:
        return self.notices

    def observe(self, home: Home) -> Observation:
        at = self.monotonic - self.start
        return self.observations[
            max(since for since in self.observations if since <= at)
        ]

    async def run_until(
        self, until: float, seen: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        while self.monotonic < until:
            self.monotonic = min(self.monotonic + 1, until)
            if seen is not None:
                await seen()


class RecordingObserver:
    """An observer that records everything."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.begun = 0
        self.ends: list[float] = []
        self.looked: list[float] = []

    def case_started(self) -> None:
        self.begun += 1

    def step_started(self, step: Step, end: float) -> None:
        self.ends.append(end)

    def time_passed(self, at: float) -> None:
        self.looked.append(at)

    def step_finished(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


@pytest.fixture
def case(tmp_path: Path) -> Callable[..., Scenario]:
    def make(
        *timeline: dict[str, Any], phone: dict[str, Any] | None = None, **home: Any
    ) -> Scenario:
        car = {"name": "Ada", "model": "model3", "year": 2021}
        path = tmp_path / "case.yaml"
        data: dict[str, Any] = {
            "name": "a-case",
            "source": "made up",
            "home": {"region": "na", "cars": [car], **home},
            **({} if phone is None else {"phone": phone}),
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


async def play(case: Scenario, stage: FakeTarget) -> tuple[bool, RecordingObserver]:
    notes = RecordingObserver()
    return await ScenarioRunner(case, stage, notes).run(), notes


async def test_an_expected_state_that_is_reached_in_time_and_stays_passes(
    case: Callable[..., Scenario],
) -> None:
    stage = FakeTarget({0: OPERATIONAL, 640: OUTAGE, 1300: OPERATIONAL})
    passed, notes = await play(case(FAILS, RECOVERS), stage)
    assert passed
    assert [outcome.seconds for outcome in notes.outcomes] == [40, 100]
    assert notes.begun == 1
    assert notes.ends == [1200, 1500]
    assert notes.looked[-1] == 1500


async def test_keycard_is_settled_before_the_clock_starts(
    case: Callable[..., Scenario],
) -> None:
    stage = FakeTarget({0: OUTAGE})
    await play(case(FAILS), stage)
    assert stage.start == 1000 + SETTLE_SECONDS
    assert stage.calls == ["install home", "set {'na.api': 'refuse'} at 600"]


@pytest.mark.parametrize(
    ("shows", "at"),
    [
        ({0: OPERATIONAL}, 120),
        ({0: OPERATIONAL, 721: OUTAGE}, 120),
        ({0: OPERATIONAL, 640: OUTAGE, 900: OPERATIONAL, 901: OUTAGE}, 300),
        ({0: OPERATIONAL, 640: replace(OUTAGE, keys={"Ada": "fob"})}, 120),
        ({0: OPERATIONAL, 640: replace(OUTAGE, notified=2)}, 120),
    ],
    ids=["never", "too late", "not kept", "wrong key", "told twice"],
)
async def test_a_missed_expectation_is_reported(
    case: Callable[..., Scenario], shows: Mapping[float, Observation], at: float
) -> None:
    passed, notes = await play(
        case(FAILS, RECOVERS), FakeTarget({**shows, 1200: OPERATIONAL})
    )
    assert not passed
    missed, recovered = notes.outcomes
    assert missed.missed_at == at
    assert any(not check.holds for check in missed.checks)
    assert recovered.passed


async def test_a_repeated_state_counts_from_its_last_start(
    case: Callable[..., Scenario],
) -> None:
    stage = FakeTarget({0: OPERATIONAL, 610: OUTAGE, 620: OPERATIONAL, 700: OUTAGE})
    passed, notes = await play(case(FAILS), stage)
    assert passed
    assert notes.outcomes[0].seconds == 100


@pytest.mark.parametrize(
    ("expect", "seen", "holds"),
    [
        ({"scope": "region"}, OUTAGE, True),
        ({"scope": "regions"}, OUTAGE, False),
        ({"planes": ["data"]}, replace(OUTAGE, subsystems=frozenset({"data"})), True),
        (
            {"planes": ["data"]},
            replace(OUTAGE, subsystems=frozenset({"data", "api"})),
            False,
        ),
        ({"models": ["modely"]}, OUTAGE, False),
        ({"elsewhere": []}, OUTAGE, True),
        ({"elsewhere": []}, replace(OUTAGE, other_regions=frozenset({"eu"})), False),
        ({"key": {"Ada": "keycard"}}, OUTAGE, True),
        ({"key": "usual"}, OUTAGE, False),
        ({"reauth": False}, OUTAGE, True),
        ({"reauth": False}, replace(OUTAGE, reauth=True), False),
        ({"reauth": True}, OUTAGE, False),
        ({"entities": "available"}, OUTAGE, True),
        ({"entities": "available"}, replace(OUTAGE, unavailable=("lock.ada",)), False),
        ({"billed": 3}, replace(OUTAGE, billed=3), True),
        ({"billed": 3}, replace(OUTAGE, billed=4), False),
        ({"notified": 1}, OUTAGE, True),
        ({"notified": 0}, OUTAGE, False),
        ({"status": "outage"}, OUTAGE, True),
        ({"status": "outage"}, replace(OUTAGE, repairs=("billing_limit",)), False),
        ({"status": "operational"}, replace(OPERATIONAL, repairs=("key_file",)), True),
    ],
)
async def test_every_expectation_is_compared(
    case: Callable[..., Scenario],
    expect: dict[str, Any],
    seen: Observation,
    holds: bool,
) -> None:
    step = {"at": "0:00", "expect": {**expect, "within": "0:01"}}
    passed, _ = await play(case(step), FakeTarget({0: seen}))
    assert passed is holds


@pytest.mark.parametrize(
    ("result", "holds"),
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
    case: Callable[..., Scenario], result: RequestResult, holds: bool
) -> None:
    step = {
        "at": "0:01",
        "do": "unlock.Ada",
        "expect": {"done": True, "via": "cloud", "executed": 1, "within": "0:01"},
    }
    stage = FakeTarget({0: OPERATIONAL}, result)
    passed, _ = await play(case(step), stage)
    assert passed is holds
    assert stage.calls[-1] == "unlock Ada"


async def test_cars_that_come_near_are_paired_at_the_set_up(
    case: Callable[..., Scenario],
) -> None:
    steps = [
        {"at": "0:01", "set": {"car.Ada": condition}}
        for condition in ("online", "near", "gone")
    ]
    stage = FakeTarget({0: OPERATIONAL})
    await play(case(steps[0]), stage)
    assert stage.near == frozenset()
    await play(case({**steps[1], "at": "0:02"}), stage)
    assert stage.near == {"Ada"}
    await play(case(steps[2]), stage)
    assert stage.near == frozenset()


async def test_all_changes_of_a_step_are_applied_and_reported(
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
    stage = FakeTarget({0: OUTAGE})
    _, notes = await play(case(step), stage)
    assert stage.calls == [
        "install home",
        "set {'na.api': 'refuse'} at 60",
        "clock -7200",
        "token expired",
        "restart",
    ]
    assert notes.outcomes[0].changes == (
        "na.api: refuse; clock -7200 s; token expired; restart"
    )


async def test_a_home_can_be_set_up_when_the_first_conditions_are_set(
    case: Callable[..., Scenario],
) -> None:
    stage = FakeTarget({0: OUTAGE})
    await play(case({**FAILS, "at": "0:00"}, settled=False), stage)
    assert stage.calls == ["set {'na.api': 'refuse'} at 0", "install home"]


NOTICES = [
    ReceivedNotice(
        at=640,
        kind="alert",
        tag="keycard_na",
        title="Take it",
        text="Take the keycard.\nIt is down.",
        buttons=("Got it",),
    ),
    ReceivedNotice(at=700, kind="quiet", tag="keycard_na", title="", text="Better."),
]
LIST: dict[str, Any] = {
    "system": "ios",
    "notices": [
        {
            "at": "0:10",
            "within": "0:02",
            "tag": "keycard_na",
            "title": "Take it",
            "order": "Take the keycard.",
            "says": ["down"],
            "buttons": ["Got it"],
        },
        {"at": "0:11", "within": "0:01", "kind": "quiet", "tag": "keycard_na"},
    ],
}


@pytest.mark.parametrize(
    ("notices", "wrong"),
    [
        (NOTICES, []),
        (NOTICES[:1], [2]),
        ([*NOTICES, NOTICES[1]], [3]),
        ([], [1, 2]),
        (NOTICES[::-1], [1, 2]),
        ([replace(NOTICES[0], at=599), NOTICES[1]], [1]),
        ([replace(NOTICES[0], at=721), NOTICES[1]], [1]),
        ([replace(NOTICES[0], kind="quiet"), NOTICES[1]], [1]),
        ([replace(NOTICES[0], tag="keycard_eu"), NOTICES[1]], [1]),
        ([replace(NOTICES[0], title="Take"), NOTICES[1]], [1]),
        ([replace(NOTICES[0], text="Take it.\nIt is down."), NOTICES[1]], [1]),
        ([replace(NOTICES[0], text="Take the keycard."), NOTICES[1]], [1]),
        ([replace(NOTICES[0], buttons=()), NOTICES[1]], [1]),
        ([NOTICES[0], replace(NOTICES[1], buttons=("Got it",))], [2]),
    ],
)
async def test_a_phone_gets_the_listed_notices_and_no_others(
    case: Callable[..., Scenario], notices: list[ReceivedNotice], wrong: list[int]
) -> None:
    stage = FakeTarget({0: OPERATIONAL})
    stage.notices = notices
    press = {"at": "0:20", "press": "Got it"}
    passed, notes = await play(case({"at": "0:00"}, press, phone=LIST), stage)
    assert stage.calls == ["phone ios", "install home", "press Got it"]
    assert [one.changes for one in notes.outcomes if one.home != "phone"] == []
    outcome = notes.outcomes[-1]
    assert (outcome.home, outcome.at, outcome.passed) == ("phone", 1200, passed)
    assert [
        number
        for number, check in enumerate(outcome.checks, start=1)
        if not check.holds
    ] == wrong
    assert passed is not bool(wrong)


async def test_a_phone_may_have_to_stay_silent(case: Callable[..., Scenario]) -> None:
    stage = FakeTarget({0: OPERATIONAL})
    played_case = case({"at": "0:10"}, phone={"notices": []})
    assert (await play(played_case, stage))[0]
    stage.notices = NOTICES
    passed, notes = await play(played_case, stage)
    assert not passed
    assert [check.expected for check in notes.outcomes[-1].checks] == ["none", "none"]


async def test_an_outcome_survives_the_way_between_processes(
    case: Callable[..., Scenario],
) -> None:
    _, notes = await play(case(FAILS), FakeTarget({0: OPERATIONAL}))
    (outcome,) = notes.outcomes
    data = yaml.safe_load(to_json(outcome))
    assert from_json(data["outcome"]) == outcome


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (5400, "1:30"), (49_215, "13:40:15")]
)
def test_times_are_formatted_as_in_the_cases(seconds: float, text: str) -> None:
    assert format_time(seconds) == text


def test_idle_time_of_a_demo_is_short(case: Callable[..., Scenario]) -> None:
    played_case = case(FAILS, {**RECOVERS, "at": "5:00"})
    quiet = played_case.end - 2 * 180
    assert quiet / idle_rate(played_case) == pytest.approx(IDLE_REAL_SECONDS)
    slow = 2 * 180 / STEP_RATE
    assert duration_seconds(played_case) == pytest.approx(IDLE_REAL_SECONDS + slow)
