"""Texts of notices for every assessment in every language."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import combinations, product

import pytest

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from custom_components.keycard.notifications.record import FailedCommand
from custom_components.keycard.notifications.text import (
    MAX_TITLE,
    CardReader,
    NoticeVehicle,
    Translations,
    async_load_translations,
    mark_as_drill,
    notice_vehicle,
    render_notice,
    render_state,
)
from custom_components.keycard.outage.endpoints import REGIONS
from custom_components.keycard.outage.models import Assessment, Scope, Status, Subsystem
from custom_components.keycard.outage.outage_log import EventType
from custom_components.keycard.vehicle.commands import Command
from custom_components.keycard.vehicle.keys import MODELS, PhysicalKey
from custom_components.keycard.vehicle.urgent_conditions import UrgentCondition

from ..repository_files import LANGUAGES, strings, translations

KEY = PhysicalKey
NOW = datetime(2021, 11, 20, 3, 30, tzinfo=UTC)
START = datetime(2021, 11, 19, 21, 41, tzinfo=UTC)
SINCE = "2021-11-19 21:41"
KEYS: tuple[dict[str, PhysicalKey], ...] = (
    {},
    {"Ada": PhysicalKey.NONE},
    {"Ada": PhysicalKey.KEYCARD},
    {"Cy": PhysicalKey.FOB},
    {
        "Ada": PhysicalKey.KEYCARD,
        "Bo": PhysicalKey.KEYCARD,
        "Cy": PhysicalKey.FOB,
        "Dot": PhysicalKey.NONE,
    },
)
BY_CALLS = (Subsystem.API, Subsystem.DATA, Subsystem.COMMANDS)
DEGRADED_PLANES = tuple(
    tuple(subsystems)
    for count in (1, 2, 3)
    for subsystems in combinations(BY_CALLS, count)
)


def judgements() -> Iterator[Assessment]:
    """Yield every assessment that leads to a notice."""
    others = [(), ("na",), ("na", "cn")]
    for scope, other_regions in zip(
        (Scope.REGION, Scope.REGIONS, Scope.WORLDWIDE), others, strict=True
    ):
        for seen in (
            (Subsystem.STATUS,),
            (Subsystem.API,),
            (Subsystem.STATUS, Subsystem.API),
        ):
            yield Assessment(
                status=Status.OUTAGE,
                scope=scope,
                subsystems=tuple(seen),
                other_regions=other_regions,
                affected=None,
            )
    yield Assessment(
        status=Status.SIGN_IN_OUTAGE,
        scope=Scope.WORLDWIDE,
        subsystems=(Subsystem.AUTH,),
        affected=None,
    )
    for subsystems, (scope, models) in product(
        DEGRADED_PLANES,
        (
            (Scope.REGION, ()),
            (Scope.VEHICLE, ()),
            (Scope.MODEL, ("model3",)),
            (Scope.MODEL, tuple(MODELS[:-1])),
            (Scope.MODEL, ("unknown",)),
        ),
    ):
        yield Assessment(
            status=Status.DEGRADED,
            scope=scope,
            subsystems=subsystems,
            models=models,
            affected=frozenset()
            if subsystems == (Subsystem.DATA,)
            else frozenset({"ada"}),
        )


CASES = [
    (kind, assessment, keys)
    for kind in (EventType.STARTED, EventType.CHANGED)
    for assessment in judgements()
    for keys in KEYS
    if assessment.affected != frozenset() or set(keys.values()) <= {PhysicalKey.NONE}
]


def is_never_said(text: str) -> bool:
    """Check that a text makes no claim that was not checked."""
    lowered = text.lower()
    return any(
        words in lowered
        for words in (
            "app works",
            "app still",
            "commands work",
            "commands still work",
            "still opens",
            "will be back",
            "app funktioniert",
            "befehle funktionieren",
            "öffnet weiter",
        )
    )


def tell(
    words: Translations,
    assessment: Assessment,
    keys: Mapping[str, PhysicalKey],
    kind: EventType = EventType.STARTED,
    now: datetime = NOW,
    *,
    drill: bool = False,
) -> tuple[str, list[str]]:
    title, text = render_notice(
        words,
        kind=kind,
        assessment=assessment,
        vehicles=vehicles(keys),
        start=START,
        utcnow=now,
        length=now - START,
        drill=drill,
    )
    return title, text.split("\n")


def vehicles(keys: Mapping[str, PhysicalKey]) -> list[NoticeVehicle]:
    """Return a Model 3 for each keycard, and an old Model S for each fob."""
    return [
        notice_vehicle(name, key, model="models", year=2018)
        if key is PhysicalKey.FOB
        else notice_vehicle(name, key, model="model3", year=2021)
        for name, key in keys.items()
    ]


@pytest.fixture(params=LANGUAGES)
def words(request: pytest.FixtureRequest) -> Translations:
    found = dict(strings(translations(request.param)))
    return Translations(
        texts={f"component.keycard.{key}": text for key, text in found.items()}
    )


@pytest.fixture(autouse=True)
def utc() -> Iterator[None]:
    before = dt_util.get_default_time_zone()
    dt_util.set_default_time_zone(UTC)
    yield
    dt_util.set_default_time_zone(before)


@pytest.fixture
async def english(hass: HomeAssistant) -> Translations:
    await hass.config.async_update(time_zone="UTC")
    return await async_load_translations(hass)


def test_every_notice_fits_and_promises_nothing(words: Translations) -> None:
    for kind, assessment, keys in CASES:
        title, lines = tell(words, assessment, keys, kind)
        assert 0 < len(title) <= 40, title
        assert len(lines[0]) <= 110, lines[0]
        for line in lines:
            assert line, lines
            assert "{" not in line, line
            assert not is_never_said(line), line
        text = "\n".join(lines)
        wanted = {name: key for name, key in keys.items() if key is not KEY.NONE}
        # The first line is what to do, the second says why and since when.
        spared = assessment.affected == frozenset()
        assert ("2021-11-19 21:41" in lines[0]) is not (bool(wanted) or spared)
        assert "2021-11-19 21:41" in "".join(lines[:2])
        # Each car that needs a key is named in the first line, others in none.
        for name in keys:
            assert (name in lines[0]) is (name in wanted)
            assert (name in text) is (name in wanted)
        # What to avoid; an old Model S has no phone key.
        no_phone = bool(wanted) and set(wanted.values()) == {KEY.FOB}
        assert (words.format("notice_leave") in lines) is not no_phone
        assert (words.format("notice_leave_old") in lines) is no_phone
        # How to use the card, for users who need one.
        cards = KEY.KEYCARD in wanted.values()
        assert (words.format("notice_card") in lines) is cards
        assert (words.format("notice_drive_cup_holders") in lines) is cards
        assert (words.format("notice_phone") in text) is cards
        assert (words.format("notice_usual") in lines) is (spared and not wanted)


@pytest.mark.parametrize("count", [2, 4, 9, 30])
@pytest.mark.parametrize("key", [PhysicalKey.KEYCARD, PhysicalKey.FOB])
def test_more_cars_than_fit_are_counted_and_their_names_follow(
    words: Translations, count: int, key: PhysicalKey
) -> None:
    names = [f"The car of the neighbor {number}" for number in range(count)]
    outage = Assessment(status=Status.OUTAGE, scope=Scope.REGION, affected=None)
    for drill in (False, True):
        title, lines = tell(words, outage, dict.fromkeys(names, key), drill=drill)
        if drill:
            title, _ = mark_as_drill(words, EventType.STARTED, (title, ""))
        assert len(title) <= 40, title
        assert len(lines[0]) <= 110
        assert all(name in lines[0] + lines[1] for name in names)
        if count > 4:
            assert str(count) in lines[0]
    mixed = dict.fromkeys(names, key) | {"Ada": KEY.KEYCARD, "Cy": KEY.FOB}
    title, lines = tell(words, outage, mixed)
    assert len(title) <= 40
    assert len(lines[0]) <= 110
    assert all(name in "".join(lines[:3]) for name in mixed)


@pytest.mark.parametrize(
    ("model", "year", "reader", "phone_key"),
    [
        ("model3", 2021, CardReader.CUP_HOLDERS, True),
        ("modely", 2023, CardReader.CUP_HOLDERS, True),
        ("modely", 2026, CardReader.CONSOLE, True),
        ("model3", None, CardReader.CONSOLE, True),
        ("models", 2022, CardReader.CHARGER, True),
        ("modelx", 2022, CardReader.CHARGER, True),
        ("models", 2018, CardReader.CONSOLE, False),
        ("modelx", None, CardReader.CONSOLE, False),
        ("cybertruck", 2024, CardReader.CONSOLE, True),
        ("unknown", None, CardReader.CONSOLE, True),
    ],
)
async def test_where_the_card_is_laid_follows_the_model(
    english: Translations,
    model: str,
    year: int | None,
    reader: CardReader,
    *,
    phone_key: bool,
) -> None:
    car = notice_vehicle("Ada", KEY.KEYCARD, model=model, year=year)
    assert (car.reader, car.phone_key) == (reader, phone_key)
    outage = Assessment(status=Status.OUTAGE, scope=Scope.REGION, affected=None)
    _, text = render_notice(
        english,
        kind=EventType.STARTED,
        assessment=outage,
        vehicles=[car],
        start=START,
        utcnow=NOW,
    )
    assert english.format(f"notice_drive_{reader}") in text.split("\n")
    assert ("phone" in text.replace("wireless phone charger", "")) is phone_key


async def test_differences_between_cars_are_named(english: Translations) -> None:
    outage = Assessment(status=Status.OUTAGE, scope=Scope.REGION, affected=None)
    _, text = render_notice(
        english,
        kind=EventType.STARTED,
        assessment=outage,
        vehicles=[
            notice_vehicle("Ada", KEY.KEYCARD, model="model3", year=2021),
            notice_vehicle("Dot", KEY.KEYCARD, model="modelx", year=2022),
            notice_vehicle("Cy", KEY.FOB, model="models", year=2018, bluetooth=True),
        ],
        start=START,
        utcnow=NOW,
    )
    lines = text.split("\n")
    assert lines[0] == "Take the keycard for Ada and Dot and the key fob for Cy."
    phone = english.format("notice_phone")
    assert f"Ada and Dot: {phone}" in lines
    assert f"Ada: {english.format('notice_drive_cup_holders')}" in lines
    assert f"Dot: {english.format('notice_drive_charger')}" in lines
    assert english.format("notice_near", cars="Cy") in lines


def test_the_all_clear_lists_what_failed(words: Translations) -> None:
    well = Assessment(status=Status.OPERATIONAL, scope=Scope.NONE)
    at = START + timedelta(minutes=29)
    _, text = render_notice(
        words,
        kind=EventType.ENDED,
        assessment=well,
        vehicles=[],
        start=START,
        utcnow=NOW,
        length=timedelta(hours=6),
        failed=[
            FailedCommand(at=at, vehicle="Ada", command=command.value)
            for command in Command
        ],
    )
    line = text.split("\n")[-1]
    assert line.count("Ada") == len(Command)
    assert words.format("command_lock") in line
    assert words.format("command_other") in line
    assert "22:10" in line


def test_urgent_conditions_are_listed_separately(words: Translations) -> None:
    cars = [
        notice_vehicle("Ada", KEY.KEYCARD, urgent=UrgentCondition),
        notice_vehicle("Cy", KEY.FOB, urgent=[UrgentCondition.UNLOCKED]),
        notice_vehicle("Dot", KEY.FOB),
    ]
    lines = list(render_state(words, cars))
    assert len(lines) == len(UrgentCondition)
    assert ["Cy" in line for line in lines] == [False, True, False]
    assert not any("Dot" in line for line in lines)


def test_every_notice_of_a_drill_fits_and_says_so(words: Translations) -> None:
    drill = words.format("drill_text")
    for kind, assessment, keys in CASES:
        said, lines = tell(words, assessment, keys, kind, drill=True)
        title, text = mark_as_drill(words, kind, (said, "\n".join(lines)))
        assert len(title) <= 40, title
        assert title == words.format("drill_title", title=said)
        assert text.split("\n") == [*lines, drill]
    well = Assessment(status=Status.OPERATIONAL, scope=Scope.NONE)
    said, lines = tell(words, well, {}, EventType.ENDED)
    title, text = mark_as_drill(words, EventType.ENDED, (said, "\n".join(lines)))
    assert len(title) <= 40
    assert text.split("\n") == [*lines, drill]


def test_titles_of_reports_and_limits_fit(words: Translations) -> None:
    titles = [
        words.format(key)
        for key in ("lock_up_title_locked", "lock_up_title_check", "limit_title")
    ]
    # In a drill, no car is locked.
    titles.append(words.format("drill_title", title=titles[1]))
    for title in (*titles, words.format("test_title")):
        assert 0 < len(title) <= MAX_TITLE, title


@pytest.mark.parametrize("early", ["drill_broken", "drill_restarted"])
def test_a_drill_that_ends_early_gives_no_all_clear(
    words: Translations, early: str
) -> None:
    said = ("All clear", words.format("notice_over_key"))
    title, text = mark_as_drill(words, EventType.ENDED, said, early=early)
    assert title == words.format("drill_title", title=words.format("drill_title_early"))
    assert len(title) <= 40
    assert text == words.format(early)
    assert len(text) <= 110


def test_every_end_and_every_warning_fits(words: Translations) -> None:
    well = Assessment(status=Status.OPERATIONAL, scope=Scope.NONE)
    for hours in (0.0, 0.2, 5.8, 400.0):
        now = START + timedelta(hours=hours)
        title, lines = tell(words, well, {}, EventType.ENDED, now)
        assert len(title) <= 40
        assert len(lines[0]) <= 110
        assert "21:41" in lines[0]
    for count in (1, 2):
        for other_regions in combinations(REGIONS, count):
            assessment = Assessment(
                status=Status.OPERATIONAL, scope=Scope.NONE, other_regions=other_regions
            )
            title, lines = tell(words, assessment, {}, EventType.WARNING)
            assert len(title) <= 40
            assert len(lines[0]) <= 110, lines[0]
            for region in other_regions:
                assert words.format(f"region_{region}") in lines[0]


NOTICE_CASES = [
    (
        Assessment(status=Status.OUTAGE, scope=Scope.REGION, affected=None),
        {"Ada": PhysicalKey.KEYCARD, "Cy": PhysicalKey.FOB},
        "Take your keycard and key fob",
        [
            "Take the keycard for Ada and the key fob for Cy.",
            f"Tesla's cloud has been down in your region since {SINCE}.",
        ],
    ),
    (
        Assessment(
            status=Status.OUTAGE,
            scope=Scope.REGIONS,
            other_regions=("eu",),
            affected=None,
        ),
        {"Cy": PhysicalKey.FOB},
        "Take the key fob for Cy",
        [
            "Take the key fob for Cy.",
            f"Tesla's cloud has been down in your region and others since {SINCE}.",
            "Also down: Europe, Middle East and Africa.",
        ],
    ),
    (
        Assessment(
            status=Status.OUTAGE,
            scope=Scope.WORLDWIDE,
            other_regions=("eu", "cn"),
            affected=None,
        ),
        {"Ada": PhysicalKey.KEYCARD},
        "Take the keycard for Ada",
        [
            "Take the keycard for Ada.",
            f"Tesla's cloud has been down worldwide since {SINCE}.",
        ],
    ),
    (
        Assessment(status=Status.OUTAGE, scope=Scope.REGION, affected=None),
        {},
        "Tesla's cloud is down",
        [f"Tesla's cloud has been down in your region since {SINCE}."],
    ),
    (
        Assessment(
            status=Status.SIGN_IN_OUTAGE,
            scope=Scope.WORLDWIDE,
            subsystems=(Subsystem.AUTH,),
            affected=None,
        ),
        {},
        "Tesla's sign-in is down",
        [
            (
                f"Tesla's sign-in has been down since {SINCE}. "
                "If you are signed out, you cannot sign back in."
            ),
        ],
    ),
    (
        Assessment(
            status=Status.DEGRADED, scope=Scope.REGION, subsystems=(Subsystem.DATA,)
        ),
        {"Ada": PhysicalKey.NONE},
        "Tesla's cloud has problems",
        [
            "No commands are known to fail, so your usual key is enough for now.",
            f"Since {SINCE}, Tesla's cloud has sent old data or none for your cars.",
            "The data shown for your car may be out of date.",
        ],
    ),
    (
        Assessment(
            status=Status.DEGRADED,
            scope=Scope.MODEL,
            subsystems=(Subsystem.API,),
            models=("model3", "modely"),
            affected=frozenset({"ada"}),
        ),
        {"Ada": PhysicalKey.KEYCARD, "Cy": PhysicalKey.NONE},
        "Take the keycard for Ada",
        [
            "Take the keycard for Ada.",
            f"Since {SINCE}, Tesla's cloud has been failing for Model 3 and Model Y.",
        ],
    ),
    (
        Assessment(
            status=Status.DEGRADED,
            scope=Scope.VEHICLE,
            subsystems=(Subsystem.DATA, Subsystem.COMMANDS),
            affected=frozenset({"ada"}),
        ),
        {"Ada": PhysicalKey.KEYCARD},
        "Take the keycard for Ada",
        [
            "Take the keycard for Ada.",
            (
                f"Since {SINCE}, commands through Tesla's cloud have failed for some "
                "cars."
            ),
            "The data shown for your car may be out of date.",
        ],
    ),
    (
        Assessment(
            status=Status.DEGRADED,
            scope=Scope.REGION,
            subsystems=(Subsystem.API,),
            affected=frozenset({"ada"}),
        ),
        {"Ada": PhysicalKey.KEYCARD},
        "Take the keycard for Ada",
        [
            "Take the keycard for Ada.",
            (
                f"Since {SINCE}, Tesla's cloud has worked only intermittently for your "
                "cars."
            ),
        ],
    ),
]


@pytest.mark.parametrize(("assessment", "keys", "title", "lines"), NOTICE_CASES)
async def test_notice_texts(
    english: Translations,
    assessment: Assessment,
    keys: Mapping[str, PhysicalKey],
    title: str,
    lines: list[str],
) -> None:
    notice = tell(english, assessment, keys)
    assert notice[0] == title
    assert notice[1][: len(lines)] == lines


async def test_weak_evidence_names_the_cars_and_the_doubt(
    words: Translations,
) -> None:
    assessment = Assessment(
        status=Status.DEGRADED,
        scope=Scope.VEHICLE,
        subsystems=(Subsystem.DATA,),
        stale_vehicles=frozenset({"ada", "cy"}),
    )
    _, text = render_notice(
        words,
        kind=EventType.STARTED,
        assessment=assessment,
        vehicles=[],
        start=START,
        utcnow=NOW,
        stale_vehicles=["Ada", "Cy"],
    )
    line = words.format("notice_seen", cars=words.list_of(["Ada", "Cy"]))
    assert line in text.split("\n")
    _, lines = tell(words, assessment, {})
    assert line not in lines


async def test_the_date_is_omitted_today(english: Translations) -> None:
    outage = Assessment(status=Status.OUTAGE, scope=Scope.REGION, affected=None)
    _, lines = tell(english, outage, {}, now=START + timedelta(minutes=3))
    assert lines[0] == "Tesla's cloud has been down in your region since 21:41."
    _, lines = tell(english, outage, {}, EventType.ENDED, START + timedelta(minutes=3))
    assert lines == [
        "Tesla's cloud is back. The problems began at 21:41 and lasted 3 min.",
        "Your usual key is enough again.",
    ]
    _, lines = tell(english, outage, {}, EventType.ENDED, NOW)
    assert lines[0].endswith("and lasted 5 h 49 min.")


async def test_a_clock_that_was_set_changes_no_length(english: Translations) -> None:
    outage = Assessment(status=Status.OUTAGE, scope=Scope.REGION, affected=None)
    _, text = render_notice(
        english,
        kind=EventType.ENDED,
        assessment=outage,
        vehicles=[],
        start=START,
        utcnow=START - timedelta(days=1),
        length=timedelta(hours=2, minutes=3),
    )
    assert "and lasted 2 h 03 min." in text
