"""Uptime of a region: counted time, and gaps."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from custom_components.keycard.outage.models import OUTAGES, Assessment, Status
from custom_components.keycard.outage.uptime import (
    DAYS_KEPT,
    MIN_WATCHED,
    VALID_FOR,
    Uptime,
    UptimeStats,
)

START = datetime(2021, 11, 19, 6, 0, tzinfo=UTC)
HOUR = 3600.0


class WatchingHome:
    """A home that reports every minute, with its clocks."""

    def __init__(self, uptime: Uptime | None = None) -> None:
        self.uptime = uptime or Uptime()
        self.utcnow = START
        self.monotonic = 5000.0

    def wait(self, seconds: float) -> None:
        self.utcnow += timedelta(seconds=seconds)
        self.monotonic += seconds

    def report(
        self, status: Status, by: str = "home", seen: float | None = None
    ) -> None:
        """Report a status with an outage since `seen` seconds."""
        since = None
        if status in OUTAGES:
            since = self.utcnow - timedelta(seconds=seen or 0)
        self.uptime.report(
            by,
            "na",
            Assessment(status=status, since=since),
            utcnow=self.utcnow,
            monotonic=self.monotonic,
        )

    def watch(self, seconds: float, status: Status, *by: str) -> None:
        """Repeat a report for a duration, including one at its end."""
        end = self.monotonic + seconds
        while True:
            for name in by or ("home",):
                self.report(status, name)
            if self.monotonic >= end:
                return
            self.wait(min(60.0, end - self.monotonic))

    def figures(self, days: int = 30) -> UptimeStats:
        return self.uptime.stats("na", days, self.utcnow)


UP, OUTAGE, DEGRADED = Status.OPERATIONAL, Status.OUTAGE, Status.DEGRADED
SIGN_IN, OFFLINE, UNSURE = (
    Status.SIGN_IN_OUTAGE,
    Status.INTERNET_DOWN,
    Status.UNDETERMINED,
)
PROVIDER, ACCOUNT = Status.PROVIDER_DOWN, Status.ACCOUNT_PROBLEM

# Hours each of uptime, outage, degraded, sign-in outage, and watched time.
DAYS: dict[str, tuple[Sequence[tuple[float, Status]], tuple[float, ...]]] = {
    "all is well": ([(10, UP)], (100, 0, 0, 0, 10)),
    "an outage": ([(9, UP), (1, OUTAGE)], (90, 10, 0, 0, 10)),
    "an outage and its end": ([(6, UP), (1, OUTAGE), (3, UP)], (90, 10, 0, 0, 10)),
    "a degradation": ([(9, UP), (1, DEGRADED)], (100, 0, 10, 0, 10)),
    "a sign-in outage": ([(9, UP), (1, SIGN_IN)], (100, 0, 0, 10, 10)),
    "from bad to worse": (
        [(7, UP), (1, DEGRADED), (2, OUTAGE)],
        (80, 20, 10, 0, 10),
    ),
    "a third party is down": ([(9, UP), (1, PROVIDER)], (100, 0, 0, 0, 10)),
    "the account is refused": ([(9, UP), (1, ACCOUNT)], (100, 0, 0, 0, 10)),
    "the internet is down": ([(9, UP), (7, OFFLINE)], (100, 0, 0, 0, 9)),
    "nobody can tell": ([(9, UP), (7, UNSURE), (1, OUTAGE)], (90, 10, 0, 0, 10)),
    "the internet is down in an outage": (
        [(5, UP), (1, OUTAGE), (3, OFFLINE), (1, OUTAGE), (3, UP)],
        (80, 20, 0, 0, 10),
    ),
    "an outage from the first moment": ([(4, OUTAGE)], (0, 100, 0, 0, 4)),
}


@pytest.mark.parametrize(("seen", "expected"), DAYS.values(), ids=list(DAYS))
def test_counted_statuses(
    seen: Sequence[tuple[float, Status]], expected: tuple[float, ...]
) -> None:
    home = WatchingHome()
    for hours, status in seen:
        home.watch(hours * HOUR, status)

    found = home.figures(days=2)
    assert (
        found.uptime,
        found.outage,
        found.degraded,
        found.sign_in_outage,
    ) == pytest.approx(expected[:4], abs=0.01)
    # The day before counts completely, this one up to now.
    span = 24 + (home.utcnow - START).total_seconds() / HOUR + 6
    assert found.watched == pytest.approx(100 * expected[4] / span, abs=0.01)


def test_an_outage_counts_from_its_start_not_from_its_confirmation() -> None:
    home = WatchingHome()
    home.watch(HOUR, UP)
    home.wait(30)
    home.report(OUTAGE, seen=90)
    home.watch(HOUR - 90, OUTAGE)
    assert home.figures().uptime == pytest.approx(100 * (HOUR - 60) / (2 * HOUR - 60))


@pytest.mark.parametrize(
    ("between", "moved", "counted"),
    [
        ([UP], 90, {UP: 60}),
        ([OFFLINE], 0, {}),
        ([OUTAGE], 0, {OUTAGE: 60}),
        ([OFFLINE, UP], 60, {UP: 60}),
    ],
)
def test_no_time_is_taken_that_did_not_count_as_up(
    between: Sequence[Status], moved: float, counted: dict[Status, float]
) -> None:
    home = WatchingHome()
    home.watch(2 * HOUR, UP)
    for status in between:
        home.report(status)
        home.wait(60)
    home.report(OUTAGE, seen=90)
    assert home.uptime.dump_days()["na"]["2021-11-19"] == {
        status: seconds
        for status, seconds in (
            (UP, 2 * HOUR + counted.get(UP, 0) - moved),
            (OUTAGE, counted.get(OUTAGE, 0) + moved),
        )
        if seconds
    }


def test_silence_is_not_watching() -> None:
    home = WatchingHome()
    home.watch(2 * HOUR, UP)
    home.wait(VALID_FOR + 1)
    home.watch(2 * HOUR, OUTAGE)
    assert home.figures().uptime == pytest.approx(50)
    home.wait(VALID_FOR)
    home.report(UP)
    assert home.figures().outage > 50


def test_time_without_a_running_process_is_unknown() -> None:
    home = WatchingHome()
    home.watch(3 * HOUR, UP)
    home.watch(HOUR, OUTAGE)
    later = WatchingHome()
    later.uptime.restore_days(home.uptime.dump_days())
    later.utcnow, later.monotonic = home.utcnow + timedelta(hours=16), 3.0
    assert later.figures().uptime == pytest.approx(75)
    later.watch(4 * HOUR, UP)
    assert later.figures().uptime == pytest.approx(87.5)
    assert later.figures(days=2).watched == pytest.approx(100 * 8 / (24 + 6))


def test_a_clock_change_lengthens_no_duration() -> None:
    home = WatchingHome()
    home.watch(2 * HOUR, UP)
    for days in (-2, 400, -396, -36525, 36523):
        home.utcnow += timedelta(days=days)
        home.watch(HOUR, OUTAGE)
    # The clock is right again. One day was in the month before, one is in the next.
    found = home.figures()
    assert found.uptime == pytest.approx(100 * 2 / 4, abs=0.1)
    assert 0 <= found.watched <= 100
    dump = home.uptime.dump_days()["na"]
    assert sum(sum(day.values()) for day in dump.values()) == pytest.approx(7 * HOUR)


def test_days_come_and_go() -> None:
    home = WatchingHome()
    for day in range(40):
        home.watch(2 * HOUR, OUTAGE if day == 9 else UP)
        home.wait(22 * HOUR)
    # The tenth day is the 31st from here, then the 30th.
    home.wait(-12 * HOUR)
    for days, uptime in ((30, 100), (31, 100 * 30 / 31), (365, 100 * 39 / 40)):
        assert home.figures(days).uptime == pytest.approx(uptime, abs=0.01), days
    assert home.figures(30).watched == pytest.approx(100 * 60 / (29 * 24 + 18), abs=0.1)


def test_a_short_time_gives_no_uptime() -> None:
    home = WatchingHome()
    assert home.figures() == UptimeStats(
        uptime=None, watched=0.0, outage=0.0, degraded=0.0, sign_in_outage=0.0
    )
    home.watch(MIN_WATCHED - 60, UP)
    assert home.figures().uptime is None
    home.watch(60, UP)
    assert home.figures().uptime == 100


def test_the_worst_that_the_entries_of_a_home_see_counts() -> None:
    home = WatchingHome()
    home.watch(HOUR, UP, "a", "b")
    end = home.monotonic + HOUR
    while home.monotonic < end:
        home.report(OUTAGE, "a")
        home.wait(20)
        home.report(OFFLINE, "b")
        home.wait(40)
    home.report(UP, "a")
    assert home.figures().uptime == pytest.approx(50)
    # An undetermined report takes nothing from others; a removed entry has none.
    home.report(OUTAGE, "b")
    home.uptime.forget_entry("b")
    home.watch(2 * HOUR, UP, "a")
    assert home.figures().uptime == pytest.approx(75)


def test_stored_days_are_bounded() -> None:
    home = WatchingHome()
    for _ in range(DAYS_KEPT + 30):
        home.watch(120, UP)
        home.wait(24 * HOUR - 120)
    dump = home.uptime.dump_days()["na"]
    assert len(dump) == DAYS_KEPT
    assert max(dump) == (home.utcnow - timedelta(days=1)).date().isoformat()
    # A temporarily wrong clock must not drop the past year.
    home.utcnow += timedelta(days=30000)
    home.watch(120, UP)
    home.utcnow -= timedelta(days=30000)
    home.watch(120, UP)
    assert home.figures(365).watched > 0.9 * 100 * 120 / (24 * HOUR)
    assert len(home.uptime.dump_days()["na"]) == DAYS_KEPT
