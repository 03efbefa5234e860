"""The benchmarks of faults: a part of the matrix, a short walk, and their shrinking."""

from collections.abc import Sequence
import os
from pathlib import Path
from random import Random
import subprocess
import sys

import pytest

from benchmarks.faults import PROVIDERS, list_faults
from benchmarks.home_walk import shrink
from benchmarks.walk_steps import CARS, parse_step, random_homes, random_steps
from harness.home_assistant import ROOT
from simulator import Simulator
from simulator.scenarios.scenario import Home

# Another part of the matrix is tried by KEYCARD_FAULTS_SEED, or by the program itself.
SEED = os.environ.get("KEYCARD_FAULTS_SEED", "20211119")


def run(program: str, *arguments: str, folder: Path) -> str:
    """Run a benchmark and return what it printed."""
    result = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{program}", "--jobs", "1", *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.timeout(600)
def test_a_part_of_the_matrix_holds(tmp_path: Path) -> None:
    phases = ("--phase", "command", "--phase", "restart")
    words = run(
        "fault_matrix", "--sample", "3", "--seed", SEED, *phases, folder=tmp_path
    )
    assert words.strip().endswith("0 did not")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.timeout(600)
def test_a_short_walk_holds(tmp_path: Path) -> None:
    words = run(
        "home_walk", "--walks", "1", "--steps", "15", "--seed", SEED, folder=tmp_path
    )
    assert words.strip().endswith("0 broke")
    assert list(tmp_path.iterdir()) == []


async def test_each_fault_can_be_simulated(socket_enabled: None) -> None:
    async with Simulator(Home(cars=CARS), tls=True) as simulator:
        for provider in PROVIDERS:
            faults = list(list_faults(provider))
            assert len({fault.name for fault in faults}) == len(faults)
            for fault in faults:
                simulator.apply(fault.conditions)
                assert simulator.conditions
                simulator.reset()


def test_steps_are_read_as_printed() -> None:
    homes = random_homes(Random(SEED))
    steps = random_steps(homes, 500, Random(SEED))
    assert {step.kind for step in steps} >= {"run", "fault", "press", "restart"}
    assert [parse_step(str(step)) for step in steps] == list(steps)


def test_a_list_is_shrunk_to_what_fails() -> None:
    tried: list[Sequence[int]] = []

    def first_failing(lists: Sequence[Sequence[int]]) -> Sequence[int] | None:
        tried.extend(lists)
        return next((one for one in lists if {7, 23, 24} <= {*one}), None)

    assert shrink(range(40), first_failing) == [7, 23, 24]
    assert len(tried) < 200
    assert shrink([1], lambda lists: lists[0]) == []
