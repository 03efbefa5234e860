"""The words of a notice, for all that can be judged, in every language."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import combinations, product

import pytest

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from custom_components.keycard.notifications.text import (
    Words,
    as_drill,
    async_get_words,
    compose,
)
from custom_components.keycard.outage.endpoints import REGIONS
from custom_components.keycard.outage.models import Judgement, Plane, Scope, Status
from custom_components.keycard.outage.outage_log import Kind
from custom_components.keycard.vehicle.keys import MODELS, Key

from ..tree import LANGUAGES, leaves, texts

NOW = datetime(2021, 11, 20, 3, 30, tzinfo=UTC)
START = datetime(2021, 11, 19, 21, 41, tzinfo=UTC)
SINCE = "Since 2021-11-19 21:41"
KEYS: tuple[dict[str, Key], ...] = (
    {},
    {"Ada": Key.USUAL},
    {"Ada": Key.KEYCARD},
    {"Cy": Key.FOB},
    {"Ada": Key.KEYCARD, "Bo": Key.KEYCARD, "Cy": Key.FOB, "Dot": Key.USUAL},
)
BY_CALLS = (Plane.API, Plane.DATA, Plane.COMMANDS)
DEGRADED_PLANES = tuple(
    tuple(planes) for count in (1, 2, 3) for planes in combinations(BY_CALLS, count)
)


def judgements() -> Iterator[Judgement]:
    """Yield every judgement that an owner can be told of."""
    others = [(), ("na",), ("na", "cn")]
    for scope, elsewhere in zip(
        (Scope.REGION, Scope.REGIONS, Scope.WORLDWIDE), others, strict=True
    ):
        for seen in ((Plane.STATUS,), (Plane.API,), (Plane.STATUS, Plane.API)):
            yield Judgement(
                status=Status.OUTAGE,
                scope=scope,
                planes=tuple(seen),
                elsewhere=elsewhere,
                affected=None,
            )
    yield Judgement(
        status=Status.SIGN_IN_OUTAGE,
        scope=Scope.WORLDWIDE,
        planes=(Plane.AUTH,),
        affected=None,
    )
    for planes, (scope, models) in product(
        DEGRADED_PLANES,
        (
            (Scope.REGION, ()),
            (Scope.VEHICLE, ()),
            (Scope.MODEL, ("model3",)),
            (Scope.MODEL, tuple(MODELS[:-1])),
            (Scope.MODEL, ("unknown",)),
        ),
    ):
        yield Judgement(
            status=Status.DEGRADED,
            scope=scope,
            planes=planes,
            models=models,
            affected=frozenset() if planes == (Plane.DATA,) else frozenset({"ada"}),
        )


CASES = [
    (kind, judgement, keys)
    for kind in (Kind.STARTED, Kind.CHANGED)
    for judgement in judgements()
    for keys in KEYS
    if judgement.affected != frozenset() or set(keys.values()) <= {Key.USUAL}
]


def is_never_said(text: str) -> bool:
    """Tell whether a text promises what nobody has checked."""
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
    words: Words,
    judgement: Judgement,
    keys: Mapping[str, Key],
    kind: Kind = Kind.STARTED,
    now: datetime = NOW,
) -> tuple[str, list[str]]:
    title, text = compose(
        words,
        kind=kind,
        judgement=judgement,
        keys=keys,
        start=START,
        now=now,
        length=now - START,
    )
    return title, text.split("\n")


@pytest.fixture(params=LANGUAGES)
def words(request: pytest.FixtureRequest) -> Words:
    found = dict(leaves(texts(request.param)))
    return Words(
        texts={f"component.keycard.{key}": text for key, text in found.items()}
    )


@pytest.fixture(autouse=True)
def utc() -> Iterator[None]:
    before = dt_util.get_default_time_zone()
    dt_util.set_default_time_zone(UTC)
    yield
    dt_util.set_default_time_zone(before)


@pytest.fixture
async def english(hass: HomeAssistant) -> Words:
    await hass.config.async_update(time_zone="UTC")
    return await async_get_words(hass)


def test_every_notice_fits_and_promises_nothing(words: Words) -> None:
    for kind, judgement, keys in CASES:
        title, lines = tell(words, judgement, keys, kind)
        assert 0 < len(title) <= 40, title
        assert len(lines[0]) <= 110, lines[0]
        assert "2021-11-19 21:41" in lines[0]
        for line in lines:
            assert line, lines
            assert "{" not in line, line
            assert not is_never_said(line), line
        text = "\n".join(lines)
        # Each car that wants a key is named with it, each other car is not.
        for name, key in keys.items():
            assert (f"{name}" in text) is (key is not Key.USUAL)
        # What not to do now.
        assert words.say("notice_leave") in lines
        # How to use the card, for those who are to take one.
        assert (words.say("notice_card") in lines) is (Key.KEYCARD in keys.values())
        assert (words.say("notice_phone") in lines) is (Key.KEYCARD in keys.values())
        assert (words.say("notice_usual") in lines) is (
            judgement.affected == frozenset()
        )


def test_every_notice_of_a_drill_fits_and_says_so(words: Words) -> None:
    drill = words.say("drill_text")
    for kind, judgement, keys in CASES:
        said, lines = tell(words, judgement, keys, kind)
        title, text = as_drill(words, kind, (said, "\n".join(lines)))
        assert len(title) <= 40, title
        assert title == words.say("drill_title", title=said)
        assert text.split("\n") == [drill, *lines]
    well = Judgement(status=Status.OPERATIONAL, scope=Scope.NONE)
    said, lines = tell(words, well, {}, Kind.ENDED)
    title, text = as_drill(words, Kind.ENDED, (said, "\n".join(lines)))
    assert len(title) <= 40
    assert text.split("\n") == [drill, *lines]


@pytest.mark.parametrize("early", ["drill_broken", "drill_restarted"])
def test_a_drill_that_ends_early_gives_no_all_clear(words: Words, early: str) -> None:
    said = ("All clear", words.say("notice_over_key"))
    title, text = as_drill(words, Kind.ENDED, said, early=early)
    assert title == words.say("drill_title", title=words.say("drill_title_early"))
    assert len(title) <= 40
    assert text == words.say(early)
    assert len(text) <= 110


def test_every_end_and_every_warning_fits(words: Words) -> None:
    well = Judgement(status=Status.OPERATIONAL, scope=Scope.NONE)
    for hours in (0.0, 0.2, 5.8, 400.0):
        now = START + timedelta(hours=hours)
        title, lines = tell(words, well, {}, Kind.ENDED, now)
        assert len(title) <= 40
        assert len(lines[0]) <= 110
        assert "21:41" in lines[0]
    for count in (1, 2):
        for elsewhere in combinations(REGIONS, count):
            judgement = Judgement(
                status=Status.OPERATIONAL, scope=Scope.NONE, elsewhere=elsewhere
            )
            title, lines = tell(words, judgement, {}, Kind.WARNING)
            assert len(title) <= 40
            assert len(lines[0]) <= 110, lines[0]
            for region in elsewhere:
                assert words.say(f"region_{region}") in lines[0]


TOLD = [
    (
        Judgement(status=Status.OUTAGE, scope=Scope.REGION, affected=None),
        {"Ada": Key.KEYCARD, "Cy": Key.FOB},
        "Take your keys along",
        [
            f"{SINCE} Tesla's cloud is down in your region.",
            "Ada: take the keycard as well.",
            "Cy: take the key fob as well.",
        ],
    ),
    (
        Judgement(
            status=Status.OUTAGE,
            scope=Scope.REGIONS,
            elsewhere=("eu",),
            affected=None,
        ),
        {"Cy": Key.FOB},
        "Take your key fob",
        [
            f"{SINCE} Tesla's cloud is down in your region and elsewhere.",
            "It is down there, too: Europe, Middle East and Africa.",
            "Cy: take the key fob as well.",
        ],
    ),
    (
        Judgement(
            status=Status.OUTAGE,
            scope=Scope.WORLDWIDE,
            elsewhere=("eu", "cn"),
            affected=None,
        ),
        {"Ada": Key.KEYCARD},
        "Take your keycard",
        [f"{SINCE} Tesla's cloud is down worldwide."],
    ),
    (
        Judgement(status=Status.OUTAGE, scope=Scope.REGION, affected=None),
        {},
        "Tesla's cloud is down",
        [f"{SINCE} Tesla's cloud is down in your region."],
    ),
    (
        Judgement(
            status=Status.SIGN_IN_OUTAGE,
            scope=Scope.WORLDWIDE,
            planes=(Plane.AUTH,),
            affected=None,
        ),
        {},
        "Tesla's sign-in is down",
        [
            f"{SINCE} Tesla's sign-in is down: whoever is signed out stays out.",
        ],
    ),
    (
        Judgement(status=Status.DEGRADED, scope=Scope.REGION, planes=(Plane.DATA,)),
        {"Ada": Key.USUAL},
        "Tesla's cloud is disturbed",
        [
            f"{SINCE} Tesla's cloud delivers old data or none for your cars.",
            "What is shown of your car may be out of date.",
            "No command is known to fail, so your usual key will do for now.",
        ],
    ),
    (
        Judgement(
            status=Status.DEGRADED,
            scope=Scope.MODEL,
            planes=(Plane.API,),
            models=("model3", "modely"),
            affected=frozenset({"ada"}),
        ),
        {"Ada": Key.KEYCARD, "Cy": Key.USUAL},
        "Take your keycard",
        [
            f"{SINCE} Tesla's cloud fails for Model 3, Model Y.",
            "Ada: take the keycard as well.",
        ],
    ),
    (
        Judgement(
            status=Status.DEGRADED,
            scope=Scope.VEHICLE,
            planes=(Plane.DATA, Plane.COMMANDS),
            affected=frozenset({"ada"}),
        ),
        {"Ada": Key.KEYCARD},
        "Take your keycard",
        [
            f"{SINCE} commands through Tesla's cloud fail for some cars.",
            "What is shown of your car may be out of date.",
            "Ada: take the keycard as well.",
        ],
    ),
    (
        Judgement(
            status=Status.DEGRADED,
            scope=Scope.REGION,
            planes=(Plane.API,),
            affected=frozenset({"ada"}),
        ),
        {"Ada": Key.KEYCARD},
        "Take your keycard",
        [
            f"{SINCE} Tesla's cloud works only by fits and starts for your cars.",
        ],
    ),
]


@pytest.mark.parametrize(("judgement", "keys", "title", "lines"), TOLD)
async def test_what_is_said(
    english: Words,
    judgement: Judgement,
    keys: Mapping[str, Key],
    title: str,
    lines: list[str],
) -> None:
    told = tell(english, judgement, keys)
    assert told[0] == title
    assert told[1][: len(lines)] == lines


async def test_what_others_show_names_the_cars_and_its_doubt(words: Words) -> None:
    judgement = Judgement(
        status=Status.DEGRADED,
        scope=Scope.VEHICLE,
        planes=(Plane.DATA,),
        seen=frozenset({"ada", "cy"}),
    )
    _, text = compose(
        words,
        kind=Kind.STARTED,
        judgement=judgement,
        keys={},
        start=START,
        now=NOW,
        seen=["Ada", "Cy"],
    )
    line = words.say("notice_seen", cars="Ada, Cy")
    assert "Ada, Cy" in line
    assert line in text.split("\n")
    _, lines = tell(words, judgement, {})
    assert line not in lines


async def test_the_day_is_left_out_when_it_is_today(english: Words) -> None:
    outage = Judgement(status=Status.OUTAGE, scope=Scope.REGION, affected=None)
    _, lines = tell(english, outage, {}, now=START + timedelta(minutes=3))
    assert lines[0] == "Since 21:41 Tesla's cloud is down in your region."
    _, lines = tell(english, outage, {}, Kind.ENDED, START + timedelta(minutes=3))
    assert lines == [
        "Tesla's cloud is back after 3 min. It had failed since 21:41.",
        "Your usual key will do again.",
    ]
    _, lines = tell(english, outage, {}, Kind.ENDED, NOW)
    assert lines[0].startswith("Tesla's cloud is back after 5 h 49 min.")


async def test_a_clock_that_was_set_changes_no_length(english: Words) -> None:
    outage = Judgement(status=Status.OUTAGE, scope=Scope.REGION, affected=None)
    _, text = compose(
        english,
        kind=Kind.ENDED,
        judgement=outage,
        keys={},
        start=START,
        now=START - timedelta(days=1),
        length=timedelta(hours=2, minutes=3),
    )
    assert text.startswith("Tesla's cloud is back after 2 h 03 min.")
