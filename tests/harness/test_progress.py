"""Long runs say how long the rest takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
import sys
import threading
from types import SimpleNamespace

import pytest
from rich.console import Console

from harness import progress, replay
from simulator.scenarios.scenario import Scenario, load_case
from tests.repository_files import ROOT


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: float = 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Replace the clock."""
    clock = Clock()
    monkeypatch.setattr(
        progress, "time", SimpleNamespace(perf_counter=lambda: clock.now)
    )
    return clock


def output() -> tuple[Console, StringIO]:
    """Return a console that is no terminal, and what it prints."""
    file = StringIO()
    return Console(file=file, force_terminal=False, width=200), file


def test_the_time_left() -> None:
    assert progress.time_left(elapsed=10.0, completed=0.25) == "about 30 s left"
    assert progress.time_left(elapsed=60.0, completed=0.1) == "about 9 min left"
    assert progress.time_left(elapsed=60.0, completed=1.0001) == "about 0 s left"
    assert progress.time_left(elapsed=60.0, completed=0.0005) == ""


def test_lines_are_rare_and_the_last_result_needs_none(clock: Clock) -> None:
    console, file = output()
    for seconds, _ in enumerate(progress.track(console, "years", range(70), 70), 1):
        clock.now = float(seconds)
    assert file.getvalue().splitlines() == [
        "years: 31 of 70, about 38 s left",
        "years: 61 of 70, about 9 s left",
    ]


def test_the_first_of_many_results_is_no_estimate(clock: Clock) -> None:
    console, file = output()
    clock.now = 0.0
    for _ in progress.track(console, "homes", iter_late(clock), 1000):
        pass
    assert file.getvalue().splitlines() == ["homes: 1 of 1000"]


def iter_late(clock: Clock) -> Iterator[int]:
    """Yield a result after a minute, and the others at once."""
    clock.now += 60.0
    yield from range(1000)


@dataclass
class EndedProcess:
    """A process of a case that takes a second for each simulated minute."""

    clock: Clock
    case: Scenario
    open_streams: tuple[()] = ()
    remaining: float = 0.0

    def result(self) -> replay.ReplayResult:
        """Return the result of the case."""
        self.clock.now += self.case.end / 60.0
        return replay.ReplayResult(case=self.case, problems=["none was run"])


@pytest.mark.parametrize(
    ("lengths", "lines"),
    [
        # A longer case is more of the work, so that the estimate is right at once.
        (
            {"own-internet-before-an-outage": 15, "many-cars": 75, "hiccups": 90},
            ["cases: 1 of 3, about 2 min left", "cases: 2 of 3, about 15 s left"],
        ),
        ({"many-cars": 75}, []),
    ],
)
def test_a_replay_of_several_cases_says_how_long_it_takes(
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    lengths: dict[str, int],
    lines: list[str],
) -> None:
    monkeypatch.setattr(
        replay, "_CaseProcess", lambda case, _providers: EndedProcess(clock, case)
    )
    folder = ROOT / "tests" / "cases"
    cases = [load_case(folder / f"{name}.yaml") for name in lengths]
    assert [case.end for case in cases] == [60 * end for end in lengths.values()]
    console, file = output()
    results = replay.ReplayRunner(console).run(cases, 1)
    assert [result.case for result in results] == cases
    printed = file.getvalue().splitlines()
    assert [line for line in printed if line.endswith(" left")] == lines


def test_a_process_may_be_forked_while_a_terminal_shows_progress() -> None:
    before = sys.stdout, sys.stderr, threading.active_count()
    console = Console(file=StringIO(), force_terminal=True)
    for _ in progress.track(console, "cases", range(2), 2):
        assert (sys.stdout, sys.stderr, threading.active_count()) == before
