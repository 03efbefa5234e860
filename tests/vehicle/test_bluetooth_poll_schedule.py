"""Tests of the Bluetooth poll schedule."""

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


def test_vehicle_coming_into_range_is_polled_at_once() -> None:
    schedule = BluetoothPollSchedule()
    assert schedule.next_poll_at() == inf
    schedule.update_reachability(in_range=False, cloud_unavailable=False, monotonic=0)
    assert schedule.next_poll_at() == inf
    schedule.update_reachability(in_range=True, cloud_unavailable=False, monotonic=10)
    assert schedule.next_poll_at() == 10
    schedule.record_poll(11, answered=True, cloud_unavailable=False)
    schedule.update_reachability(in_range=True, cloud_unavailable=False, monotonic=5000)
    assert schedule.next_poll_at() == inf
    schedule.update_reachability(
        in_range=False, cloud_unavailable=False, monotonic=6000
    )
    schedule.update_reachability(in_range=True, cloud_unavailable=False, monotonic=7000)
    assert schedule.next_poll_at() == 7000


def test_vehicle_is_polled_regularly_while_cloud_is_unavailable() -> None:
    schedule = BluetoothPollSchedule()
    schedule.update_reachability(in_range=True, cloud_unavailable=True, monotonic=0)
    for now in (0, BLUETOOTH_INTERVAL, 2 * BLUETOOTH_INTERVAL):
        assert schedule.next_poll_at() == now
        schedule.record_poll(now, answered=True, cloud_unavailable=True)
    # Once the cloud tells again, it is left alone.
    schedule.record_poll(3 * BLUETOOTH_INTERVAL, answered=True, cloud_unavailable=False)
    assert schedule.next_poll_at() == inf
    schedule.update_reachability(in_range=True, cloud_unavailable=True, monotonic=1000)
    assert schedule.next_poll_at() == 1000 + BLUETOOTH_INTERVAL


def test_vehicle_out_of_range_is_not_polled() -> None:
    schedule = BluetoothPollSchedule()
    schedule.update_reachability(in_range=True, cloud_unavailable=True, monotonic=0)
    schedule.update_reachability(in_range=False, cloud_unavailable=True, monotonic=1)
    assert schedule.next_poll_at() == inf


def test_vehicle_is_polled_soon_after_a_command() -> None:
    schedule = BluetoothPollSchedule()
    schedule.update_reachability(in_range=True, cloud_unavailable=False, monotonic=0)
    schedule.record_poll(0, answered=True, cloud_unavailable=False)
    schedule.request(100)
    assert schedule.next_poll_at() == 100 + BLUETOOTH_DELAY


@pytest.mark.parametrize("unavailable", [True, False])
def test_delay_grows_with_each_failed_poll(unavailable: bool) -> None:
    schedule, now, waits = BluetoothPollSchedule(), 0.0, []
    schedule.update_reachability(
        in_range=True, cloud_unavailable=unavailable, monotonic=now
    )
    for _ in range(6):
        schedule.record_poll(now, answered=False, cloud_unavailable=unavailable)
        waits.append(schedule.next_poll_at() - now)
        now = schedule.next_poll_at()
    assert waits == [
        2 * BLUETOOTH_INTERVAL,
        4 * BLUETOOTH_INTERVAL,
        8 * BLUETOOTH_INTERVAL,
        MAX_RETRY_DELAY,
        MAX_RETRY_DELAY,
        MAX_RETRY_DELAY,
    ]
    schedule.record_poll(now, answered=True, cloud_unavailable=True)
    assert schedule.next_poll_at() == now + BLUETOOTH_INTERVAL
    # Whoever goes and comes back is asked at once.
    schedule.record_poll(now, answered=False, cloud_unavailable=unavailable)
    schedule.update_reachability(
        in_range=False, cloud_unavailable=unavailable, monotonic=now + 1
    )
    schedule.update_reachability(
        in_range=True, cloud_unavailable=unavailable, monotonic=now + 2
    )
    assert schedule.next_poll_at() <= now + BLUETOOTH_INTERVAL


@pytest.mark.parametrize(
    ("state", "unavailable", "due"),
    [
        (AWAKE, True, True),
        (AWAKE, False, False),
        (VehicleState(vin="A", presence=ConnectivityState.ASLEEP), True, False),
        (None, True, False),
    ],
)
def test_data_are_polled_only_while_awake_and_cloud_is_unavailable(
    state: VehicleState | None, *, unavailable: bool, due: bool
) -> None:
    schedule = BluetoothPollSchedule()
    assert (
        schedule.is_data_due(
            state, year=2022, cloud_unavailable=unavailable, monotonic=0
        )
        is due
    )
    schedule.data.record_poll(0)
    assert not schedule.is_data_due(
        state, year=2022, cloud_unavailable=unavailable, monotonic=600
    )
    assert (
        schedule.is_data_due(
            state, year=2022, cloud_unavailable=unavailable, monotonic=1300
        )
        is due
    )
