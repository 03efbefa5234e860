"""The outage log: events, notices and their receivers."""

from datetime import UTC, datetime, timedelta

import pytest

from custom_components.keycard.outage.models import Assessment, Scope, Status, Subsystem
from custom_components.keycard.outage.outage_log import (
    MAX_OUTAGES,
    EventType,
    NoticeType,
    Outage,
    OutageEvent,
    OutageLog,
    StoredOutage,
)

START = datetime(2021, 11, 19, 21, 40, tzinfo=UTC)

OUTAGE = Assessment(
    status=Status.OUTAGE, scope=Scope.REGION, since=START, affected=None
)
WORLDWIDE = Assessment(
    status=Status.OUTAGE,
    scope=Scope.WORLDWIDE,
    other_regions=("eu", "cn"),
    since=START,
    affected=None,
)
STALE = Assessment(
    status=Status.DEGRADED,
    scope=Scope.REGION,
    subsystems=(Subsystem.DATA,),
    since=START,
)
FINE = Assessment(status=Status.OPERATIONAL, scope=Scope.NONE)
WARNED = Assessment(status=Status.OPERATIONAL, scope=Scope.NONE, other_regions=("na",))
OFFLINE = Assessment(status=Status.INTERNET_DOWN, scope=Scope.NONE, since=START)


class ClockedLog:
    """An outage log with clocks that advance by a minute for each report."""

    def __init__(self, outage_log: OutageLog | None = None) -> None:
        self.outage_log = outage_log or OutageLog()
        self.utcnow = START + timedelta(minutes=1)
        self.monotonic = 5000.0

    def report(
        self,
        assessment: Assessment,
        *,
        by: str = "home",
        region: str = "na",
        key: bool | None = None,
        cars: tuple[str, ...] = ("Ada",),
    ) -> list[tuple[str, EventType, NoticeType]]:
        self.wait(minutes=1)
        wanted = assessment.affected is None if key is None else key
        return _notified(
            self.outage_log.report(
                by,
                region,
                assessment,
                wanted=frozenset(cars if wanted else ()),
                utcnow=self.utcnow,
                monotonic=self.monotonic,
            )
        )

    def forget(self, name: str) -> list[tuple[str, EventType, NoticeType]]:
        return _notified(
            self.outage_log.forget_entry(
                name, utcnow=self.utcnow, monotonic=self.monotonic
            )
        )

    def wait(self, **time: float) -> None:
        self.utcnow += timedelta(**time)
        self.monotonic += timedelta(**time).total_seconds()

    def restart(self, **away: float) -> ClockedLog:
        """Return the log after a restart, whose duration only the wall clock knows."""
        outage_log = OutageLog()
        outage_log.restore_outages(self.outage_log.dump_outages())
        later = ClockedLog(outage_log)
        later.utcnow = self.utcnow + timedelta(**away)
        later.monotonic = 7.0
        return later

    @property
    def outage(self) -> Outage:
        (outage,) = self.outage_log.outages
        return outage


def _notified(happenings: list[OutageEvent]) -> list[tuple[str, EventType, NoticeType]]:
    return [(item.entry_id, item.kind, item.notice) for item in happenings]


def test_a_car_affected_later_gets_a_later_notice() -> None:
    book = ClockedLog()
    events = [
        book.report(assessment, key=True, cars=cars)
        for assessment, cars in (
            (STALE, ("Ada",)),
            (OUTAGE, ("Ada", "Cy")),
            (STALE, ("Cy",)),
            (OUTAGE, ("Ada", "Cy")),
        )
    ]
    events.append(book.report(FINE, key=False))

    assert events == [
        [("home", EventType.STARTED, NoticeType.TAKE)],
        [("home", EventType.CHANGED, NoticeType.TAKE)],
        [("home", EventType.CHANGED, NoticeType.NONE)],
        [("home", EventType.CHANGED, NoticeType.NONE)],
        [("home", EventType.ENDED, NoticeType.ALL_CLEAR)],
    ]


def test_one_notice_and_one_all_clear() -> None:
    book = ClockedLog()
    events = [
        book.report(assessment)
        for assessment in (FINE, OUTAGE, OUTAGE, WORLDWIDE, STALE, OFFLINE, STALE, FINE)
    ]

    assert events == [
        [],
        [("home", EventType.STARTED, NoticeType.TAKE)],
        [],
        [("home", EventType.CHANGED, NoticeType.NONE)],
        [("home", EventType.CHANGED, NoticeType.NONE)],
        [],
        [],
        [("home", EventType.ENDED, NoticeType.ALL_CLEAR)],
    ]
    (outage,) = book.outage_log.outages
    assert (outage.start, outage.end) == (START, book.utcnow)
    assert (outage.status, outage.scope) == (Status.OUTAGE, Scope.WORLDWIDE)


def test_an_outage_that_asks_for_no_key_is_no_notice() -> None:
    book = ClockedLog()

    assert book.report(STALE) == [("home", EventType.STARTED, NoticeType.NONE)]
    assert book.report(FINE) == [("home", EventType.ENDED, NoticeType.NONE)]


def test_a_key_needed_later_gets_a_later_notice() -> None:
    book = ClockedLog()
    book.report(STALE)

    assert book.report(OUTAGE) == [("home", EventType.CHANGED, NoticeType.TAKE)]
    assert book.report(OUTAGE) == []
    assert book.report(FINE) == [("home", EventType.ENDED, NoticeType.ALL_CLEAR)]


def test_a_warning_is_given_once_for_a_region() -> None:
    book = ClockedLog()

    assert book.report(WARNED) == [("home", EventType.WARNING, NoticeType.NONE)]
    assert book.report(WARNED) == []
    assert book.report(OFFLINE) == []
    assert book.report(WARNED) == []
    assert book.report(FINE) == []
    assert book.report(WARNED) == [("home", EventType.WARNING, NoticeType.NONE)]


def test_two_entries_of_a_region_share_a_notice() -> None:
    book = ClockedLog()

    assert book.report(OUTAGE, by="a") == [("a", EventType.STARTED, NoticeType.TAKE)]
    assert book.report(OUTAGE, by="b") == [("b", EventType.STARTED, NoticeType.NONE)]
    assert book.report(FINE, by="a") == []
    # It is affected again before it got an all-clear.
    assert book.report(OUTAGE, by="a") == [("a", EventType.CHANGED, NoticeType.NONE)]
    assert book.report(FINE, by="a") == []
    assert book.report(FINE, by="b") == [
        ("a", EventType.ENDED, NoticeType.ALL_CLEAR),
        ("b", EventType.ENDED, NoticeType.NONE),
    ]
    assert len(book.outage_log.outages) == 1


def test_two_regions_are_two_outages() -> None:
    book = ClockedLog()

    assert book.report(OUTAGE, by="a") == [("a", EventType.STARTED, NoticeType.TAKE)]
    assert book.report(OUTAGE, by="b", region="eu") == [
        ("b", EventType.STARTED, NoticeType.TAKE)
    ]
    assert book.report(FINE, by="a") == [("a", EventType.ENDED, NoticeType.ALL_CLEAR)]
    assert book.report(FINE, by="b", region="eu") == [
        ("b", EventType.ENDED, NoticeType.ALL_CLEAR)
    ]


def test_a_restart_repeats_nothing() -> None:
    book = ClockedLog()
    book.report(OUTAGE)
    outage_log = OutageLog()
    outage_log.restore_outages(book.outage_log.dump_outages())
    outage_log.restore_last("home", OUTAGE)
    later = ClockedLog(outage_log)

    assert later.report(OUTAGE) == []
    assert later.report(OFFLINE) == []
    assert later.report(FINE) == [("home", EventType.ENDED, NoticeType.ALL_CLEAR)]
    assert outage_log.outages[0].start == START


SET = {
    "back by two days": timedelta(days=-2),
    "back to 1970": -(START - datetime(1970, 1, 1, tzinfo=UTC)),
    "forth by three hours": timedelta(hours=3),
    "forth by a hundred years": timedelta(days=36525),
}


@pytest.mark.parametrize("step", SET.values(), ids=list(SET))
def test_a_clock_that_is_set_changes_no_length(step: timedelta) -> None:
    book = ClockedLog()
    book.report(OUTAGE)
    book.wait(minutes=56)
    book.utcnow += step
    book.report(FINE)

    assert book.outage.length == timedelta(hours=1) - timedelta(minutes=1)
    assert book.outage.start == START
    assert book.outage.end == START + book.outage.length


RESTARTS = {
    "at once": ({}, {"minutes": 12}),
    "after two hours": ({"hours": 2}, {"hours": 2, "minutes": 12}),
    # The duration is unknown: the time until the next report is omitted.
    "with a clock that went back": ({"hours": -9}, {"minutes": 8}),
}


@pytest.mark.parametrize(("away", "length"), RESTARTS.values(), ids=list(RESTARTS))
def test_an_outage_lasts_over_a_restart(
    away: dict[str, float], length: dict[str, float]
) -> None:
    book = ClockedLog()
    book.report(OUTAGE)
    book.wait(minutes=4)
    book.report(OUTAGE)
    later = book.restart(**away)
    later.wait(minutes=3)
    later.report(OUTAGE)
    # The wall clock only counts for the time without a running process.
    later.utcnow += timedelta(hours=5)
    later.report(FINE)

    assert later.outage.length == timedelta(**length)
    assert later.outage.end == START + timedelta(**length)


def test_undetermined_time_belongs_to_the_outage() -> None:
    book = ClockedLog()
    book.report(OUTAGE)
    book.wait(minutes=57)
    book.report(OFFLINE)
    assert book.outage.length == timedelta(hours=1)
    assert book.outage.end is None
    later = book.restart()
    later.report(FINE)
    assert later.outage.length == timedelta(hours=1, minutes=1)


def test_the_all_clear_contains_the_duration() -> None:
    book = ClockedLog()
    book.report(OUTAGE)
    book.utcnow -= timedelta(days=2)
    (happening,) = book.outage_log.report(
        "home",
        "na",
        FINE,
        wanted=frozenset(),
        utcnow=book.utcnow,
        monotonic=book.monotonic + 600,
    )
    assert happening.length == timedelta(minutes=12)


@pytest.mark.parametrize(
    ("end", "length"),
    [
        (None, timedelta()),
        (START + timedelta(hours=2), timedelta(hours=2)),
        (START, timedelta()),
    ],
)
def test_stored_outages_without_durations_can_be_read(
    end: datetime | None, length: timedelta
) -> None:
    kept = StoredOutage(
        region="na",
        start=START.isoformat(),
        end=end.isoformat() if end else None,
        status="outage",
        scope="region",
        told_by=None,
        told=[],
        reporters=["home"],
    )
    book = ClockedLog()
    book.outage_log.restore_outages([kept])
    assert book.outage.length == length
    book.report(FINE)
    assert book.outage.end == (end or START + timedelta(minutes=2))


def test_a_current_outage_is_never_dropped() -> None:
    book = ClockedLog()
    book.report(OUTAGE, by="far", region="cn")
    for _ in range(MAX_OUTAGES + 3):
        book.report(OUTAGE)
        book.report(FINE)
    book.report(OUTAGE)

    assert len(book.outage_log.outages) == MAX_OUTAGES
    assert book.outage_log.open_outage("cn") is book.outage_log.outages[0]
    assert book.outage_log.open_outage("na") is book.outage_log.outages[-1]
    assert book.report(FINE, by="far", region="cn") == [
        ("far", EventType.ENDED, NoticeType.ALL_CLEAR)
    ]


def test_the_journal_is_bounded() -> None:
    book = ClockedLog()
    for _ in range(MAX_OUTAGES + 25):
        book.report(OUTAGE)
        book.report(FINE)

    assert len(book.outage_log.outages) == MAX_OUTAGES
    outage_log = OutageLog()
    outage_log.restore_outages(book.outage_log.dump_outages() * 2)
    assert len(outage_log.outages) == MAX_OUTAGES


def test_an_entry_that_goes_hands_its_notice_on() -> None:
    book = ClockedLog()
    book.report(OUTAGE, by="a")
    book.report(OUTAGE, by="b")

    assert book.forget("a") == []
    assert book.report(FINE, by="b") == [("b", EventType.ENDED, NoticeType.ALL_CLEAR)]


def test_an_outage_ends_when_the_last_remaining_entry_recovers() -> None:
    book = ClockedLog()
    book.report(OUTAGE, by="a")
    book.report(OUTAGE, by="b")
    book.report(FINE, by="a")
    book.forget("a")

    assert book.report(FINE, by="b") == [("b", EventType.ENDED, NoticeType.ALL_CLEAR)]


def test_an_outage_ends_with_the_last_entry_that_reported_it() -> None:
    book = ClockedLog()
    book.report(OUTAGE, by="a")

    assert book.forget("a") == []
    assert book.outage_log.open_outage("na") is None
    # Without a current outage there is nothing to transfer.
    assert book.forget("b") == []
