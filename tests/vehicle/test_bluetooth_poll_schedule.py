"""How often a car is asked over Bluetooth."""

from datetime import UTC, datetime
from math import inf

import pytest

from custom_components.keycard.vehicle.poll_schedule import (
    BLUETOOTH_DELAY,
    BLUETOOTH_INTERVAL,
    MAX_RETRY_DELAY,
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
    assert listening.next_poll_at() == inf
    listening.update_reachability(in_range=False, cloud_unavailable=False, monotonic=0)
    assert listening.next_poll_at() == inf
    listening.update_reachability(in_range=True, cloud_unavailable=False, monotonic=10)
    assert listening.next_poll_at() == 10
    listening.record_poll(11, answered=True, cloud_unavailable=False)
    listening.update_reachability(
        in_range=True, cloud_unavailable=False, monotonic=5000
    )
    assert listening.next_poll_at() == inf
    listening.update_reachability(
        in_range=False, cloud_unavailable=False, monotonic=6000
    )
    listening.update_reachability(
        in_range=True, cloud_unavailable=False, monotonic=7000
    )
    assert listening.next_poll_at() == 7000


def test_a_car_of_which_nobody_else_tells_is_looked_at_again_and_again() -> None:
    listening = BluetoothPollSchedule()
    listening.update_reachability(in_range=True, cloud_unavailable=True, monotonic=0)
    for now in (0, BLUETOOTH_INTERVAL, 2 * BLUETOOTH_INTERVAL):
        assert listening.next_poll_at() == now
        listening.record_poll(now, answered=True, cloud_unavailable=True)
    # Once the cloud tells again, it is left alone.
    listening.record_poll(
        3 * BLUETOOTH_INTERVAL, answered=True, cloud_unavailable=False
    )
    assert listening.next_poll_at() == inf
    listening.update_reachability(in_range=True, cloud_unavailable=True, monotonic=1000)
    assert listening.next_poll_at() == 1000 + BLUETOOTH_INTERVAL


def test_nobody_looks_for_a_car_that_is_away() -> None:
    listening = BluetoothPollSchedule()
    listening.update_reachability(in_range=True, cloud_unavailable=True, monotonic=0)
    listening.update_reachability(in_range=False, cloud_unavailable=True, monotonic=1)
    assert listening.next_poll_at() == inf


def test_after_a_command_it_is_looked_at_soon() -> None:
    listening = BluetoothPollSchedule()
    listening.update_reachability(in_range=True, cloud_unavailable=False, monotonic=0)
    listening.record_poll(0, answered=True, cloud_unavailable=False)
    listening.request(100)
    assert listening.next_poll_at() == 100 + BLUETOOTH_DELAY


@pytest.mark.parametrize("alone", [True, False])
def test_who_does_not_answer_is_left_alone_for_longer_each_time(alone: bool) -> None:
    listening, now, waits = BluetoothPollSchedule(), 0.0, []
    listening.update_reachability(in_range=True, cloud_unavailable=alone, monotonic=now)
    for _ in range(6):
        listening.record_poll(now, answered=False, cloud_unavailable=alone)
        waits.append(listening.next_poll_at() - now)
        now = listening.next_poll_at()
    assert waits == [
        2 * BLUETOOTH_INTERVAL,
        4 * BLUETOOTH_INTERVAL,
        8 * BLUETOOTH_INTERVAL,
        MAX_RETRY_DELAY,
        MAX_RETRY_DELAY,
        MAX_RETRY_DELAY,
    ]
    listening.record_poll(now, answered=True, cloud_unavailable=True)
    assert listening.next_poll_at() == now + BLUETOOTH_INTERVAL
    # Whoever goes and comes back is asked at once.
    listening.record_poll(now, answered=False, cloud_unavailable=alone)
    listening.update_reachability(
        in_range=False, cloud_unavailable=alone, monotonic=now + 1
    )
    listening.update_reachability(
        in_range=True, cloud_unavailable=alone, monotonic=now + 2
    )
    assert listening.next_poll_at() <= now + BLUETOOTH_INTERVAL


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
    assert (
        listening.is_data_due(state, year=2022, cloud_unavailable=alone, monotonic=0)
        is due
    )
    listening.data.record_poll(0)
    assert not listening.is_data_due(
        state, year=2022, cloud_unavailable=alone, monotonic=600
    )
    assert (
        listening.is_data_due(state, year=2022, cloud_unavailable=alone, monotonic=1300)
        is due
    )
