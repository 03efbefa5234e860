"""How often a car is asked over Bluetooth."""

from datetime import UTC, datetime
from math import inf

import pytest

from custom_components.keycard.vehicle.poll_schedule import (
    LONGEST,
    LOOK,
    SOON,
    BluetoothPollSchedule,
)
from custom_components.keycard.vehicle.state import ConnectivityState, VehicleState

AWAKE = VehicleState(
    vin="A",
    presence=ConnectivityState.ONLINE,
    data_at=datetime(2026, 11, 1, tzinfo=UTC),
)


def test_a_car_that_comes_is_looked_at_once() -> None:
    listening = BluetoothPollSchedule()
    assert listening.due() == inf
    listening.follow(near=False, alone=False, now=0)
    assert listening.due() == inf
    listening.follow(near=True, alone=False, now=10)
    assert listening.due() == 10
    listening.record_poll(11, heard=True, alone=False)
    listening.follow(near=True, alone=False, now=5000)
    assert listening.due() == inf
    listening.follow(near=False, alone=False, now=6000)
    listening.follow(near=True, alone=False, now=7000)
    assert listening.due() == 7000


def test_a_car_of_which_nobody_else_tells_is_looked_at_again_and_again() -> None:
    listening = BluetoothPollSchedule()
    listening.follow(near=True, alone=True, now=0)
    for now in (0, LOOK, 2 * LOOK):
        assert listening.due() == now
        listening.record_poll(now, heard=True, alone=True)
    # Once the cloud tells again, it is left alone.
    listening.record_poll(3 * LOOK, heard=True, alone=False)
    assert listening.due() == inf
    listening.follow(near=True, alone=True, now=1000)
    assert listening.due() == 1000 + LOOK


def test_nobody_looks_for_a_car_that_is_away() -> None:
    listening = BluetoothPollSchedule()
    listening.follow(near=True, alone=True, now=0)
    listening.follow(near=False, alone=True, now=1)
    assert listening.due() == inf


def test_after_a_command_it_is_looked_at_soon() -> None:
    listening = BluetoothPollSchedule()
    listening.follow(near=True, alone=False, now=0)
    listening.record_poll(0, heard=True, alone=False)
    listening.request(100)
    assert listening.due() == 100 + SOON


@pytest.mark.parametrize("alone", [True, False])
def test_who_does_not_answer_is_left_alone_for_longer_each_time(alone: bool) -> None:
    listening, now, waits = BluetoothPollSchedule(), 0.0, []
    listening.follow(near=True, alone=alone, now=now)
    for _ in range(6):
        listening.record_poll(now, heard=False, alone=alone)
        waits.append(listening.due() - now)
        now = listening.due()
    assert waits == [2 * LOOK, 4 * LOOK, 8 * LOOK, LONGEST, LONGEST, LONGEST]
    listening.record_poll(now, heard=True, alone=True)
    assert listening.due() == now + LOOK
    # Whoever goes and comes back is asked at once.
    listening.record_poll(now, heard=False, alone=alone)
    listening.follow(near=False, alone=alone, now=now + 1)
    listening.follow(near=True, alone=alone, now=now + 2)
    assert listening.due() <= now + LOOK


@pytest.mark.parametrize(
    ("state", "alone", "due"),
    [
        (AWAKE, True, True),
        (AWAKE, False, False),
        (VehicleState(vin="A", presence=ConnectivityState.ASLEEP), True, False),
        (None, True, False),
    ],
)
def test_data_are_asked_for_only_while_awake_and_alone(
    state: VehicleState | None, *, alone: bool, due: bool
) -> None:
    listening = BluetoothPollSchedule()
    assert listening.data_due(state, year=2022, alone=alone, now=0) is due
    listening.data.asked(0)
    assert not listening.data_due(state, year=2022, alone=alone, now=600)
    assert listening.data_due(state, year=2022, alone=alone, now=1300) is due
