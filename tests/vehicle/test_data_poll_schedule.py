"""Tests of the data poll schedule."""

from datetime import UTC, datetime
from math import inf
from typing import Any

import pytest

from custom_components.keycard.vehicle.freshness import CURRENT_FOR
from custom_components.keycard.vehicle.poll_schedule import (
    IDLE_INTERVAL,
    INTERVALS,
    LET_SLEEP_INTERVAL,
    DataPollSchedule,
    IntervalReason,
    Pace,
    PaceIntervals,
    PollInterval,
    poll_interval,
)
from custom_components.keycard.vehicle.state import ConnectivityState, VehicleState

LONG = 3600.0
DRIVING_INTERVAL = INTERVALS[Pace.FRESHER].driving
# A vehicle falls asleep so long after it has parked.
FALLS_ASLEEP_AFTER = 900.0
CHARGING: dict[str, Any] = {
    "charging_state": "Charging",
    "battery_level": 50,
    "battery_range": 150.0,
}


def car(**values: Any) -> VehicleState:
    return VehicleState(
        **{
            "vin": "A",
            "presence": ConnectivityState.ONLINE,
            "data_at": datetime(2026, 11, 1, tzinfo=UTC),
            "shift_state": "p",
            **values,
        }
    )


@pytest.mark.parametrize(
    ("state", "year", "quiet", "expected"),
    [
        (None, 2022, LONG, PollInterval(inf, IntervalReason.NOT_ONLINE)),
        (
            car(presence=ConnectivityState.ASLEEP),
            2022,
            LONG,
            PollInterval(inf, IntervalReason.NOT_ONLINE),
        ),
        (
            car(presence=ConnectivityState.OFFLINE, speed=60),
            2022,
            0,
            PollInterval(inf, IntervalReason.NOT_ONLINE),
        ),
        (
            car(presence=ConnectivityState.UNKNOWN),
            2022,
            LONG,
            PollInterval(inf, IntervalReason.NOT_ONLINE),
        ),
        (
            car(shift_state="d", speed=0),
            2022,
            LONG,
            PollInterval(120, IntervalReason.DRIVING),
        ),
        (car(shift_state="r"), 2015, LONG, PollInterval(120, IntervalReason.DRIVING)),
        (
            car(shift_state=None, speed=31),
            2022,
            LONG,
            PollInterval(120, IntervalReason.DRIVING),
        ),
        (car(speed=9, **CHARGING), 2022, 0, PollInterval(120, IntervalReason.DRIVING)),
        # 6 miles are two percent: as long as they take.
        (
            car(**CHARGING, charge_rate=30.0),
            2022,
            0,
            PollInterval(720, IntervalReason.CHARGING),
        ),
        (
            car(**CHARGING, charge_rate=600.0),
            2022,
            0,
            PollInterval(120, IntervalReason.CHARGING),
        ),
        (
            car(**CHARGING, charge_rate=5.0),
            2015,
            0,
            PollInterval(900, IntervalReason.CHARGING),
        ),
        (car(**CHARGING), 2022, 0, PollInterval(900, IntervalReason.CHARGING)),
        (
            car(**CHARGING, minutes_to_full=4),
            2022,
            0,
            PollInterval(300, IntervalReason.CHARGING),
        ),
        (
            car(**CHARGING, minutes_to_full=0),
            2022,
            0,
            PollInterval(900, IntervalReason.CHARGING),
        ),
        (
            car(charging_state="Complete"),
            2022,
            LONG,
            PollInterval(1200, IntervalReason.IDLE),
        ),
        (car(), 2022, 299, PollInterval(180, IntervalReason.CHANGED)),
        (car(), 2015, 299, PollInterval(180, IntervalReason.CHANGED)),
        (car(), 2022, 301, PollInterval(1200, IntervalReason.IDLE)),
        (car(user_present=True), 2022, 899, PollInterval(180, IntervalReason.CHANGED)),
        (
            car(rear_driver_door_open=True),
            2015,
            899,
            PollInterval(180, IntervalReason.CHANGED),
        ),
        (car(rear_trunk_open=True), 2022, 901, PollInterval(600, IntervalReason.IDLE)),
        (car(), 2021, LONG, PollInterval(1200, IntervalReason.IDLE)),
        (car(), 2020, LONG, PollInterval(1500, IntervalReason.LET_SLEEP)),
        (car(year=2024), None, LONG, PollInterval(1200, IntervalReason.IDLE)),
        (car(), None, LONG, PollInterval(1500, IntervalReason.LET_SLEEP)),
        # It does not sleep anyway.
        (car(sentry_mode=True), 2020, LONG, PollInterval(600, IntervalReason.IDLE)),
        (car(climate_on=True), 2020, LONG, PollInterval(600, IntervalReason.IDLE)),
        (car(user_present=True), 2020, LONG, PollInterval(600, IntervalReason.IDLE)),
    ],
)
def test_poll_interval(
    state: VehicleState | None, year: int | None, quiet: float, expected: PollInterval
) -> None:
    found = poll_interval(state, pace=Pace.FRESHER, year=year, unchanged_for=quiet)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("state", "quiet", "departed", "balanced", "cheaper"),
    [
        # A drive that has just begun says more than its middle.
        (car(speed=31), 0, True, 360, 600),
        (car(speed=31), 400, False, 540, 600),
        # The end of a drive says more than its middle, if it is known.
        (car(speed=31, route_destination="Home", route_time=6.5), 0, False, 450, 450),
        (car(speed=31, route_destination="Home", route_time=0.0), 0, False, 120, 120),
        (car(speed=31, route_destination="Home", route_time=55.0), 0, False, 540, 600),
        (car(speed=31, route_destination=None, route_time=0.0), 0, False, 540, 600),
        # 6 miles are two percent: ten percent take an hour.
        (car(**CHARGING, charge_rate=30.0), 0, False, 1200, 1500),
        (car(**CHARGING, charge_rate=150.0), 0, False, 720, 1440),
        (car(**CHARGING, charge_rate=900.0), 0, False, 300, 600),
        (car(**CHARGING, minutes_to_full=14), 0, False, 900, 900),
        # Nobody is in it, and it is locked: it was left.
        (car(locked=True), 0, False, 1200, 1200),
        (car(locked=False), 0, False, 240, 600),
        (car(locked=False), 301, False, 1200, 1200),
        (car(locked=True, user_present=True), 899, False, 240, 600),
        (car(locked=True, user_present=True), 901, False, 900, 1500),
        (car(sentry_mode=True), LONG, False, 900, 1500),
    ],
)
def test_slower_paces(
    state: VehicleState, quiet: float, departed: bool, balanced: float, cheaper: float
) -> None:
    found = [
        poll_interval(
            state, pace=pace, year=2022, unchanged_for=quiet, departed=departed
        ).seconds
        for pace in (Pace.BALANCED, Pace.CHEAPER)
    ]
    assert found == pytest.approx([balanced, cheaper])


@pytest.mark.parametrize(
    ("state", "factor", "expected"),
    [
        (car(speed=31), 1.5, PollInterval(810, IntervalReason.DRIVING)),
        (car(), 1.5, PollInterval(2700, IntervalReason.IDLE)),
        (car(**CHARGING), 2.0, PollInterval(4800, IntervalReason.CHARGING)),
        (car(speed=31), inf, PollInterval(inf, IntervalReason.BUDGET_SPENT)),
        (car(), inf, PollInterval(inf, IntervalReason.BUDGET_SPENT)),
        (
            car(presence=ConnectivityState.ASLEEP),
            inf,
            PollInterval(inf, IntervalReason.NOT_ONLINE),
        ),
    ],
)
def test_budget_stretches_every_interval_and_driving_least(
    state: VehicleState, factor: float, expected: PollInterval
) -> None:
    assert (
        poll_interval(
            state,
            pace=Pace.BALANCED,
            year=2022,
            unchanged_for=LONG,
            interval_factor=factor,
        )
        == expected
    )


@pytest.mark.parametrize(
    ("unchanged_polls", "seconds"),
    [(0, 120), (1, 240), (3, 960), (4, 1200), (99, 1200)],
)
def test_interval_grows_with_unchanged_polls(
    unchanged_polls: int, seconds: float
) -> None:
    found = poll_interval(
        car(speed=31),
        pace=Pace.FRESHER,
        year=2022,
        unchanged_for=LONG,
        unchanged_polls=unchanged_polls,
    )
    assert found == PollInterval(seconds, IntervalReason.DRIVING)
    old = poll_interval(
        car(),
        pace=Pace.FRESHER,
        year=2015,
        unchanged_for=LONG,
        unchanged_polls=unchanged_polls,
    )
    assert old == PollInterval(1500, IntervalReason.LET_SLEEP)


@pytest.mark.parametrize("intervals", INTERVALS.values(), ids=INTERVALS)
def test_data_stay_current_until_the_next_poll(intervals: PaceIntervals) -> None:
    parked = (IDLE_INTERVAL, LET_SLEEP_INTERVAL, intervals.awake)
    for seconds in (*parked, intervals.changed, intervals.max_charging):
        assert seconds * 1.05 + 60 < CURRENT_FOR.total_seconds()
    assert intervals.departed <= intervals.driving
    assert intervals.driving <= intervals.max_charging


@pytest.mark.parametrize("intervals", INTERVALS.values(), ids=INTERVALS)
def test_vehicle_is_polled_after_a_drive_before_it_sleeps(
    intervals: PaceIntervals,
) -> None:
    assert intervals.driving * 1.05 + 60 < FALLS_ASLEEP_AFTER


class ScheduleAt:
    """Poll schedule of a vehicle of 2022, at the time that a test sets."""

    def __init__(
        self, schedule: DataPollSchedule, *, pace: Pace = Pace.FRESHER
    ) -> None:
        self.schedule = schedule
        self.pace = pace

    def __call__(self, state: VehicleState | None, now: float, **kwargs: Any) -> float:
        return self.schedule.next_poll_at(
            state, pace=self.pace, year=2022, monotonic=now, **kwargs
        )


def test_new_vehicle_is_polled_at_once() -> None:
    due = ScheduleAt(DataPollSchedule())
    assert due(None, 1000) == inf
    assert due(car(data_at=None), 1000) < 1000
    due.schedule.record_poll(1000, jitter=1.05)
    assert due(car(), 1001) == 1000 + 1.05 * IDLE_INTERVAL


def test_restart_is_no_change() -> None:
    due = ScheduleAt(DataPollSchedule(polled_at=400))
    assert due(car(presence=ConnectivityState.UNKNOWN), 1000) == inf
    assert due(car(), 1001) == 1600


@pytest.mark.parametrize("away", [ConnectivityState.ASLEEP, ConnectivityState.OFFLINE])
@pytest.mark.parametrize(("asked_at", "expected"), [(4200, 5000), (4700, 5300)])
def test_vehicle_coming_online_is_polled_at_once_but_not_repeatedly(
    away: ConnectivityState, asked_at: float, expected: float
) -> None:
    due = ScheduleAt(DataPollSchedule(polled_at=asked_at))
    assert due(car(presence=away), 4940) == inf
    assert due(car(), 5000) == expected
    assert due(car(), 5001) == expected
    due.schedule.record_poll(expected)
    assert due(car(), expected + 1) == expected + IDLE_INTERVAL


def test_change_is_followed_by_another_poll() -> None:
    due = ScheduleAt(DataPollSchedule(polled_at=0))
    assert due(car(speed=31), 0) == DRIVING_INTERVAL
    due.schedule.record_poll(120)
    # It has just been parked.
    assert due(car(), 121) == 300
    due.schedule.record_poll(300)
    assert due(car(), 301) == 480
    assert due(car(), 480) == 300 + IDLE_INTERVAL


def test_departure_is_followed_sooner_than_the_rest_of_a_drive() -> None:
    due = ScheduleAt(DataPollSchedule(polled_at=0), pace=Pace.BALANCED)
    assert due(car(), 0) == IDLE_INTERVAL
    due.schedule.record_poll(IDLE_INTERVAL)
    assert due(car(speed=31), 1201) == 1200 + 360
    assert due(car(speed=31), 1560) == 1560
    due.schedule.record_poll(1560)
    assert due(car(speed=31), 1561) == 1560 + 540
    due.schedule.record_poll(2100)
    # It is parked, locked, and nobody is in it.
    assert due(car(locked=True), 2101) == 2100 + IDLE_INTERVAL
    # A drive that was under way before a restart has not just begun.
    due = ScheduleAt(DataPollSchedule(polled_at=0), pace=Pace.BALANCED)
    assert due(car(speed=31), 1) == 540


def test_pace_can_change_at_any_time() -> None:
    due = ScheduleAt(DataPollSchedule(polled_at=0), pace=Pace.CHEAPER)
    assert due(car(speed=31), 0) == 600
    due.pace = Pace.FRESHER
    assert due(car(speed=31), 1) == 120


def test_first_data_are_no_change() -> None:
    due = ScheduleAt(DataPollSchedule())
    assert due(car(data_at=None), 0) == -inf
    due.schedule.record_poll(0)
    assert due(car(user_present=True), 1) == INTERVALS[Pace.FRESHER].awake


def test_command_is_followed_by_an_early_poll() -> None:
    due = ScheduleAt(DataPollSchedule(polled_at=0))
    due.schedule.expect_change(500)
    assert due(car(), 500) == 530
    # Several commands in a row are one reason.
    due.schedule.record_poll(530)
    due.schedule.expect_change(560)
    assert due(car(), 560) == 710
    due.schedule.record_poll(710)
    assert due(car(), 711) == 710 + IDLE_INTERVAL


def test_requested_poll_ignores_the_budget() -> None:
    due = ScheduleAt(DataPollSchedule(polled_at=0))
    assert due(car(), 100, interval_factor=inf) == inf
    due.schedule.expect_change(100)
    assert due(car(), 100, interval_factor=inf) == inf
    due.schedule.request(102)
    due.schedule.request(150)
    assert due(car(), 100, interval_factor=inf) == 102
    assert due(car(presence=ConnectivityState.ASLEEP), 100, interval_factor=inf) == inf
    due.schedule.record_poll(102)
    assert due(car(), 103, interval_factor=inf) == inf


def test_new_data_reset_the_interval() -> None:
    due = ScheduleAt(DataPollSchedule(polled_at=0))
    due.schedule.record_result(is_new=False)
    due.schedule.record_result(is_new=False)
    assert due(car(speed=31), 10) == 4 * DRIVING_INTERVAL
    due.schedule.record_result(is_new=True)
    assert due(car(speed=31), 10) == DRIVING_INTERVAL


def test_failed_polls_are_retried_with_growing_delays() -> None:
    schedule, monotonic, delays = DataPollSchedule(), 0.0, []
    for _ in range(5):
        schedule.record_poll(monotonic)
        schedule.record_result(is_new=None, failed=True)
        due = schedule.next_poll_at(
            car(), pace=Pace.BALANCED, year=2022, monotonic=monotonic
        )
        delays.append(due - monotonic)
        monotonic = due
    assert delays == [180.0, 180.0, 360.0, 720.0, IDLE_INTERVAL]
    schedule.record_poll(monotonic)
    schedule.record_result(is_new=True)
    due = schedule.next_poll_at(
        car(), pace=Pace.BALANCED, year=2022, monotonic=monotonic
    )
    assert due - monotonic == IDLE_INTERVAL


@pytest.mark.parametrize(("factor", "delay"), [(2.0, 720.0), (inf, inf)])
def test_retries_are_bounded_by_the_budget(factor: float, delay: float) -> None:
    schedule = DataPollSchedule()
    schedule.record_poll(0.0)
    schedule.record_result(is_new=None, failed=True)
    due = schedule.next_poll_at(
        car(), pace=Pace.BALANCED, year=2022, interval_factor=factor, monotonic=0.0
    )
    assert due == delay


def test_a_requested_poll_that_failed_stays_requested() -> None:
    schedule = DataPollSchedule()
    schedule.record_poll(0.0)
    schedule.record_result(is_new=None, failed=True, requested=True)
    assert not schedule.is_requested(179.0)
    assert schedule.is_requested(180.0)
    schedule.record_poll(180.0)
    schedule.record_result(is_new=False, requested=True)
    assert not schedule.is_requested(1e9)


def test_polls_without_data_do_not_lengthen_the_interval() -> None:
    due = ScheduleAt(DataPollSchedule(polled_at=0))
    for _ in range(4):
        due.schedule.record_result(is_new=None)
    assert due(car(speed=31), 10) == DRIVING_INTERVAL


def test_failed_polls_of_a_car_that_is_asleep_are_not_retried() -> None:
    schedule = DataPollSchedule()
    schedule.record_poll(0.0)
    schedule.record_result(is_new=None, failed=True)
    asleep = car(presence=ConnectivityState.ASLEEP)
    due = schedule.next_poll_at(asleep, pace=Pace.FRESHER, year=2022, monotonic=0.0)
    assert due == inf
