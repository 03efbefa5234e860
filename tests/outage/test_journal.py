"""The journal: what is told of an outage, by whom, and how often."""

from datetime import UTC, datetime, timedelta

from custom_components.keycard.outage.journal import (
    KEPT,
    Happening,
    Journal,
    Kind,
    Notice,
)
from custom_components.keycard.outage.words import Judgement, Plane, Scope, Status

START = datetime(2021, 11, 19, 21, 40, tzinfo=UTC)

OUTAGE = Judgement(status=Status.OUTAGE, scope=Scope.REGION, since=START, affected=None)
WORLDWIDE = Judgement(
    status=Status.OUTAGE,
    scope=Scope.WORLDWIDE,
    elsewhere=("eu", "cn"),
    since=START,
    affected=None,
)
STALE = Judgement(
    status=Status.DEGRADED, scope=Scope.REGION, planes=(Plane.DATA,), since=START
)
FINE = Judgement(status=Status.OPERATIONAL, scope=Scope.NONE)
WARNED = Judgement(status=Status.OPERATIONAL, scope=Scope.NONE, elsewhere=("na",))
OFFLINE = Judgement(status=Status.INTERNET_DOWN, scope=Scope.NONE, since=START)


class Book:
    """A journal with a clock that goes on by a minute for each report."""

    def __init__(self, journal: Journal | None = None) -> None:
        self.journal = journal or Journal()
        self.wall = START + timedelta(minutes=1)

    def report(
        self,
        judgement: Judgement,
        *,
        by: str = "home",
        region: str = "na",
        key: bool | None = None,
        cars: tuple[str, ...] = ("Ada",),
    ) -> list[tuple[str, Kind, Notice]]:
        self.wall += timedelta(minutes=1)
        wanted = judgement.affected is None if key is None else key
        return _told(
            self.journal.report(
                by,
                region,
                judgement,
                wanted=frozenset(cars if wanted else ()),
                wall=self.wall,
            )
        )


def _told(happenings: list[Happening]) -> list[tuple[str, Kind, Notice]]:
    return [(item.reporter, item.kind, item.notice) for item in happenings]


def test_a_car_that_is_hit_later_is_told_later() -> None:
    book = Book()
    told = [
        book.report(judgement, key=True, cars=cars)
        for judgement, cars in (
            (STALE, ("Ada",)),
            (OUTAGE, ("Ada", "Cy")),
            (STALE, ("Cy",)),
            (OUTAGE, ("Ada", "Cy")),
        )
    ]
    told.append(book.report(FINE, key=False))

    assert told == [
        [("home", Kind.STARTED, Notice.TAKE)],
        [("home", Kind.CHANGED, Notice.TAKE)],
        [("home", Kind.CHANGED, Notice.NONE)],
        [("home", Kind.CHANGED, Notice.NONE)],
        [("home", Kind.ENDED, Notice.ALL_CLEAR)],
    ]


def test_one_notice_and_one_all_clear() -> None:
    book = Book()
    told = [
        book.report(judgement)
        for judgement in (FINE, OUTAGE, OUTAGE, WORLDWIDE, STALE, OFFLINE, STALE, FINE)
    ]

    assert told == [
        [],
        [("home", Kind.STARTED, Notice.TAKE)],
        [],
        [("home", Kind.CHANGED, Notice.NONE)],
        [("home", Kind.CHANGED, Notice.NONE)],
        [],
        [],
        [("home", Kind.ENDED, Notice.ALL_CLEAR)],
    ]
    (outage,) = book.journal.outages
    assert (outage.start, outage.end) == (START, book.wall)
    assert (outage.status, outage.scope) == (Status.OUTAGE, Scope.WORLDWIDE)


def test_an_outage_that_asks_for_no_key_is_no_notice() -> None:
    book = Book()

    assert book.report(STALE) == [("home", Kind.STARTED, Notice.NONE)]
    assert book.report(FINE) == [("home", Kind.ENDED, Notice.NONE)]


def test_a_key_that_is_wanted_later_is_told_then() -> None:
    book = Book()
    book.report(STALE)

    assert book.report(OUTAGE) == [("home", Kind.CHANGED, Notice.TAKE)]
    assert book.report(OUTAGE) == []
    assert book.report(FINE) == [("home", Kind.ENDED, Notice.ALL_CLEAR)]


def test_a_warning_is_given_once_for_a_region() -> None:
    book = Book()

    assert book.report(WARNED) == [("home", Kind.WARNING, Notice.NONE)]
    assert book.report(WARNED) == []
    assert book.report(OFFLINE) == []
    assert book.report(WARNED) == []
    assert book.report(FINE) == []
    assert book.report(WARNED) == [("home", Kind.WARNING, Notice.NONE)]


def test_two_entries_of_a_region_share_a_notice() -> None:
    book = Book()

    assert book.report(OUTAGE, by="a") == [("a", Kind.STARTED, Notice.TAKE)]
    assert book.report(OUTAGE, by="b") == [("b", Kind.STARTED, Notice.NONE)]
    assert book.report(FINE, by="a") == []
    # Back in it, it was never told that it is over.
    assert book.report(OUTAGE, by="a") == [("a", Kind.CHANGED, Notice.NONE)]
    assert book.report(FINE, by="a") == []
    assert book.report(FINE, by="b") == [
        ("a", Kind.ENDED, Notice.ALL_CLEAR),
        ("b", Kind.ENDED, Notice.NONE),
    ]
    assert len(book.journal.outages) == 1


def test_two_regions_are_two_outages() -> None:
    book = Book()

    assert book.report(OUTAGE, by="a") == [("a", Kind.STARTED, Notice.TAKE)]
    assert book.report(OUTAGE, by="b", region="eu") == [
        ("b", Kind.STARTED, Notice.TAKE)
    ]
    assert book.report(FINE, by="a") == [("a", Kind.ENDED, Notice.ALL_CLEAR)]
    assert book.report(FINE, by="b", region="eu") == [
        ("b", Kind.ENDED, Notice.ALL_CLEAR)
    ]


def test_a_restart_repeats_nothing() -> None:
    book = Book()
    book.report(OUTAGE)
    journal = Journal()
    journal.restore(book.journal.dump())
    journal.resume("home", OUTAGE)
    later = Book(journal)

    assert later.report(OUTAGE) == []
    assert later.report(OFFLINE) == []
    assert later.report(FINE) == [("home", Kind.ENDED, Notice.ALL_CLEAR)]
    assert journal.outages[0].start == START


def test_a_clock_set_back_ends_no_outage_before_it_began() -> None:
    book = Book()
    book.report(OUTAGE)
    book.wall = START - timedelta(days=2)
    book.report(FINE)

    assert book.journal.outages[0].end == START


def test_the_journal_is_bounded() -> None:
    book = Book()
    for _ in range(KEPT + 25):
        book.report(OUTAGE)
        book.report(FINE)

    assert len(book.journal.outages) == KEPT
    journal = Journal()
    journal.restore(book.journal.dump() * 2)
    assert len(journal.outages) == KEPT


def test_an_entry_that_goes_hands_its_notice_on() -> None:
    book = Book()
    book.report(OUTAGE, by="a")
    book.report(OUTAGE, by="b")

    assert _told(book.journal.forget("a", book.wall)) == []
    assert book.report(FINE, by="b") == [("b", Kind.ENDED, Notice.ALL_CLEAR)]


def test_so_does_one_that_waited_for_the_others() -> None:
    book = Book()
    book.report(OUTAGE, by="a")
    book.report(OUTAGE, by="b")
    book.report(FINE, by="a")
    book.journal.forget("a", book.wall)

    assert book.report(FINE, by="b") == [("b", Kind.ENDED, Notice.ALL_CLEAR)]


def test_an_outage_ends_with_the_last_entry_that_saw_it() -> None:
    book = Book()
    book.report(OUTAGE, by="a")

    assert _told(book.journal.forget("a", book.wall)) == []
    assert book.journal.open_outage("na") is None
    # Without an open outage there is nothing to hand on.
    assert _told(book.journal.forget("b", book.wall)) == []
