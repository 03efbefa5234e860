"""Tests of the movable clock."""

from datetime import UTC, datetime
import subprocess
import sys

import pytest

from harness.clock import OffsetClock
from harness.home_assistant import ROOT

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()

INSTALLED = """
from harness.clock import OffsetClock, install
clock = OffsetClock()
install(clock)
import asyncio, time
from datetime import timedelta
from homeassistant.util import dt as dt_util
import bluetooth_data_tools, jwt
advertised = bluetooth_data_tools.monotonic_time_coarse()
before, wall, ticks = dt_util.utcnow(), time.time(), time.monotonic()
loop = asyncio.new_event_loop()
due = loop.time() + 86400
token = jwt.encode({"exp": int(time.time()) + 3600}, "k" * 32, algorithm="HS256")
clock.jump(86400)
assert timedelta(days=1) <= dt_util.utcnow() - before < timedelta(days=1, seconds=30)
assert timedelta(days=1) <= dt_util.now() - before < timedelta(days=1, seconds=30)
assert 86400 <= time.time() - wall < 90000
assert 86400 <= time.monotonic() - ticks < 90000
assert loop.time() >= due
from habluetooth import manager
assert 86400 <= manager.monotonic_time_coarse() - advertised < 90000
try:
    jwt.decode(token, "k" * 32, algorithms=["HS256"])
except jwt.ExpiredSignatureError:
    print("the offset clock everywhere")
"""


@pytest.fixture
def real() -> dict[str, float]:
    return {"wall": NOON, "monotonic": 100.0}


@pytest.fixture
def clock(real: dict[str, float]) -> OffsetClock:
    return OffsetClock(lambda: real["wall"], lambda: real["monotonic"])


def test_the_clock_runs_at_its_usual_pace(
    clock: OffsetClock, real: dict[str, float]
) -> None:
    real["wall"] += 5
    real["monotonic"] += 5
    assert clock.time() == NOON + 5
    assert clock.monotonic() == 105


def test_a_jump_moves_every_clock(clock: OffsetClock) -> None:
    clock.jump(3600)
    assert clock.time() == clock.true_time() == NOON + 3600
    assert clock.monotonic() == 3700
    assert clock.now() == datetime(2026, 11, 23, 13, tzinfo=UTC)


def test_time_does_not_run_backwards(clock: OffsetClock) -> None:
    with pytest.raises(ValueError, match="backwards"):
        clock.jump(-1)


def test_the_clock_of_the_house_can_be_set_without_durations_noticing(
    clock: OffsetClock,
) -> None:
    clock.shift_wall_clock(-7200)
    assert clock.time() == NOON - 7200
    assert clock.true_time() == NOON
    assert clock.monotonic() == 100


def test_a_scenario_can_start_in_the_past_and_end_now(clock: OffsetClock) -> None:
    clock.time_offset = -600
    assert clock.time() == NOON - 600
    clock.jump(600)
    assert clock.time() == NOON


def test_an_installed_clock_is_read_by_everybody() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INSTALLED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.stderr == ""
    assert done.stdout == "the offset clock everywhere\n"
