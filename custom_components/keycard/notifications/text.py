"""Texts of notices."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import reduce

from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util import dt as dt_util

from ..const import DOMAIN
from ..outage.models import Assessment, Scope, Status, Subsystem
from ..outage.outage_log import EventType
from ..vehicle.keys import UNKNOWN_MODEL, PhysicalKey, is_pre_refresh
from ..vehicle.urgency import UrgentCondition
from .record import FailedCommand

_CATEGORY = "common"
_PREFIX = f"component.{DOMAIN}.{_CATEGORY}."

MAX_TITLE = 40
MAX_ORDER = 110

_OUTAGES = {
    Scope.REGION: "notice_region",
    Scope.REGIONS: "notice_regions",
    Scope.WORLDWIDE: "notice_worldwide",
}
_AFFECTED = {Scope.MODEL: "whom_model", Scope.VEHICLE: "whom_vehicle"}
_TITLES = {
    Status.OUTAGE: "notice_title_outage",
    Status.SIGN_IN_OUTAGE: "notice_title_sign_in",
}
# From this model year on, the card reader of a Model 3 or Y may lie elsewhere.
_NEW_CONSOLE_YEAR = 2024
_TAKE_TITLES = {
    frozenset({PhysicalKey.KEYCARD}): "notice_title_keycard",
    frozenset({PhysicalKey.FOB}): "notice_title_fob",
    frozenset({PhysicalKey.KEYCARD, PhysicalKey.FOB}): "notice_title_both",
}


@dataclass(frozen=True, kw_only=True)
class Translations:
    """Translated texts of a language."""

    texts: Mapping[str, str]

    def format(self, key: str, /, **values: str) -> str:
        """Return a text with its placeholders filled in."""
        return self.texts[f"{_PREFIX}{key}"].format(**values)

    def regions(self, regions: Iterable[str]) -> str:
        """Return the names of regions in a row."""
        return "; ".join(self.format(f"region_{region}") for region in regions)

    def list_of(self, names: Iterable[str]) -> str:
        """Return names in a row, as in a sentence."""
        *others, last = names
        if not others:
            return last
        first = reduce(lambda one, two: self.format("list", one=one, two=two), others)
        return self.format("list_end", one=first, two=last)

    def command(self, command: str) -> str:
        """Return the name of a command."""
        name = f"{_PREFIX}command_{command}"
        return self.texts[name if name in self.texts else f"{_PREFIX}command_other"]


async def async_load_translations(
    hass: HomeAssistant, language: str | None = None
) -> Translations:
    """Return the texts in a language, by default that of Home Assistant."""
    texts = await async_get_translations(
        hass, language or hass.config.language, _CATEGORY, [DOMAIN]
    )
    return Translations(texts=texts)


class CardReader(StrEnum):
    """Where a keycard is laid to drive."""

    CUP_HOLDERS = "cup_holders"
    CHARGER = "charger"
    CONSOLE = "console"


@dataclass(frozen=True, kw_only=True)
class NoticeVehicle:
    """A vehicle as a notice names it."""

    name: str
    key: PhysicalKey
    reader: CardReader = CardReader.CONSOLE
    phone_key: bool = True
    """Whether a phone can be its key."""

    bluetooth: bool = False
    """Whether Home Assistant reaches it over Bluetooth now."""

    urgent: tuple[UrgentCondition, ...] = ()


def notice_vehicle(
    name: str,
    key: PhysicalKey,
    *,
    model: str = UNKNOWN_MODEL,
    year: int | None = None,
    vin: str = "",
    bluetooth: bool = False,
    urgent: Iterable[UrgentCondition] = (),
) -> NoticeVehicle:
    """Return a vehicle for a notice; its ID may be a VIN."""
    older = is_pre_refresh(model, year, vin)
    reader = CardReader.CONSOLE
    if model in ("model3", "modely") and year is not None and year < _NEW_CONSOLE_YEAR:
        reader = CardReader.CUP_HOLDERS
    elif model in ("models", "modelx") and older is False:
        reader = CardReader.CHARGER
    return NoticeVehicle(
        name=name,
        key=key,
        reader=reader,
        phone_key=older is False,
        bluetooth=bluetooth,
        urgent=tuple(urgent),
    )


def render_notice(
    words: Translations,
    *,
    kind: EventType,
    judgement: Assessment,
    vehicles: Sequence[NoticeVehicle],
    start: datetime | None,
    now: datetime,
    length: timedelta | None = None,
    stale_vehicles: Collection[str] = (),
    failed: Sequence[FailedCommand] = (),
    drill: bool = False,
) -> tuple[str, str]:
    """Render title and text of a notice; the first line says what to do.

    `start` is when the outage began (UTC), `now` is the present and `length` how long
    it was, once it is over. `stale_vehicles` are the names of the vehicles by which
    only other integrations show it, `failed` the commands that failed meanwhile. The
    title of a `drill` leaves room for the mark.
    """
    since = _moment(start or now, now)
    if kind is EventType.WARNING:
        regions = words.regions(judgement.other_regions)
        return words.format("notice_title_warning"), "\n".join(
            [
                words.format("notice_warning", regions=regions),
                words.format("notice_yours"),
            ]
        )
    if kind is EventType.ENDED:
        duration = _duration(words, length or timedelta())
        return words.format("notice_title_all_clear"), "\n".join(
            [
                words.format("notice_over", since=since, duration=duration),
                words.format("notice_over_key"),
                *_failed(words, failed, now),
            ]
        )
    wanted = [one for one in vehicles if one.key is not PhysicalKey.NONE]
    spared = not wanted and judgement.affected == frozenset()
    room = MAX_TITLE - (len(words.format("drill_title", title="")) if drill else 0)
    lines = [*_order(words, wanted)]
    if spared:
        lines.append(words.format("notice_usual"))
    lines += [_cause(words, judgement, since), *_beside(words, judgement)]
    if stale_vehicles:
        lines.append(words.format("notice_seen", cars=words.list_of(stale_vehicles)))
    lines += _advice(words, wanted)
    return _title(words, judgement, wanted, room), "\n".join(lines)


def _title(
    words: Translations,
    judgement: Assessment,
    wanted: Sequence[NoticeVehicle],
    room: int,
) -> str:
    """Return the title: what to take, for which vehicles if that fits."""
    if not wanted:
        key = "notice_title_other"
        if judgement.affected != frozenset():
            key = _TITLES.get(judgement.status, key)
        return words.format(key)
    titles = _orders(words, wanted)
    short = words.format(_TAKE_TITLES[frozenset(one.key for one in wanted)])
    return next((title for title in titles if len(title) <= room), short)


def _orders(words: Translations, wanted: Sequence[NoticeVehicle]) -> Iterator[str]:
    """Yield what to take, for which vehicles and then for how many."""
    card, fob = (
        [one.name for one in wanted if one.key is key]
        for key in (PhysicalKey.KEYCARD, PhysicalKey.FOB)
    )
    if card and fob:
        yield words.format(
            "order_both",
            card_cars=words.list_of(card),
            fob_cars=words.list_of(fob),
        )
        return
    key = "order_keycard" if card else "order_fob"
    yield words.format(key, cars=words.list_of(card or fob))
    if len(wanted) > 1:
        yield words.format(f"{key}_many", count=str(len(wanted)))


def _order(words: Translations, wanted: Sequence[NoticeVehicle]) -> Iterator[str]:
    """Yield the first lines: what to take, and for which vehicles if that fits."""
    if not wanted:
        return
    short = words.format(_TAKE_TITLES[frozenset(one.key for one in wanted)])
    orders = [words.format("sentence", text=text) for text in _orders(words, wanted)]
    if len(orders[0]) <= MAX_ORDER:
        yield orders[0]
        return
    yield next(
        (order for order in orders if len(order) <= MAX_ORDER),
        words.format("sentence", text=short),
    )
    for key, text in (
        (PhysicalKey.KEYCARD, "notice_keycard"),
        (PhysicalKey.FOB, "notice_fob"),
    ):
        if cars := [one.name for one in wanted if one.key is key]:
            yield words.format(text, cars=words.list_of(cars))


def _failed(
    words: Translations, failed: Sequence[FailedCommand], now: datetime
) -> Iterator[str]:
    """Yield what failed in the outage."""
    if items := [
        words.format(
            "failed_item",
            car=one.car,
            command=words.command(one.command),
            time=_moment(one.at, now),
        )
        for one in failed
    ]:
        yield words.format("notice_failed", commands="; ".join(items))


def mark_as_drill(
    words: Translations,
    kind: EventType,
    notice: tuple[str, str],
    *,
    early: str | None = None,
) -> tuple[str, str]:
    """Mark a notice as that of a drill; `early` names why one ends before its time."""
    title, text = notice
    if kind is EventType.ENDED:
        title = words.format("drill_title_early" if early else "drill_title_over")
    text = words.format(early) if early else f"{text}\n{words.format('drill_text')}"
    return words.format("drill_title", title=title), text


def render_state(
    words: Translations, vehicles: Iterable[NoticeVehicle]
) -> Iterator[str]:
    """Yield what about the vehicles cannot wait; not for a locked screen."""
    for condition in UrgentCondition:
        if cars := [one.name for one in vehicles if condition in one.urgent]:
            yield words.format(f"state_{condition}", cars=words.list_of(cars))


def _cause(words: Translations, judgement: Assessment, since: str) -> str:
    """Tell what fails, since when and for whom."""
    if judgement.status is Status.OUTAGE:
        return words.format(_OUTAGES.get(judgement.scope, "notice_region"), since=since)
    if judgement.status is Status.SIGN_IN_OUTAGE:
        return words.format("notice_sign_in", since=since)
    models = ", ".join(words.format(f"model_{model}") for model in judgement.models)
    whom = words.format(_AFFECTED.get(judgement.scope, "whom_all"), models=models)
    return words.format(_degraded(judgement), since=since, whom=whom)


def _degraded(judgement: Assessment) -> str:
    if Subsystem.API in judgement.subsystems:
        # All cars fail intermittently; some cars may just as well fail for good.
        return "notice_part" if judgement.scope in _AFFECTED else "notice_fits"
    if Subsystem.COMMANDS in judgement.subsystems:
        return "notice_commands"
    return "notice_data"


def _beside(words: Translations, judgement: Assessment) -> Iterable[str]:
    """Tell what else is known to fail."""
    if judgement.status is Status.OUTAGE and judgement.scope is Scope.REGIONS:
        yield words.format(
            "notice_elsewhere", regions=words.regions(judgement.other_regions)
        )
    if Subsystem.DATA in judgement.subsystems:
        yield words.format("notice_old")


def _advice(words: Translations, wanted: Sequence[NoticeVehicle]) -> Iterator[str]:
    """Yield what to leave alone, what still works, and how to use a card."""
    phones = [one.name for one in wanted if one.phone_key]
    yield words.format("notice_leave_old" if wanted and not phones else "notice_leave")
    if phones and len(phones) < len(wanted):
        yield words.format(
            "of_cars", cars=words.list_of(phones), text=words.format("notice_phone")
        )
    elif phones:
        yield words.format("notice_phone")
    if reached := [one.name for one in wanted if one.bluetooth]:
        yield words.format("notice_near", cars=words.list_of(reached))
    if cards := [one for one in wanted if one.key is PhysicalKey.KEYCARD]:
        yield words.format("notice_card")
        yield from _by_reader(words, cards)


def _by_reader(words: Translations, cards: Sequence[NoticeVehicle]) -> Iterator[str]:
    """Yield where to lay the card to drive."""
    readers = dict.fromkeys(one.reader for one in cards)
    for reader in readers:
        text = words.format(f"notice_drive_{reader}")
        if len(readers) > 1:
            cars = words.list_of(one.name for one in cards if one.reader is reader)
            text = words.format("of_cars", cars=cars, text=text)
        yield text


def _moment(at: datetime, now: datetime) -> str:
    local = dt_util.as_local(at)
    if local.date() == dt_util.as_local(now).date():
        return f"{local:%H:%M}"
    return f"{local:%Y-%m-%d %H:%M}"


def _duration(words: Translations, length: timedelta) -> str:
    minutes = max(1, round(length.total_seconds() / 60))
    hours, minutes = divmod(minutes, 60)
    if hours:
        return words.format("duration_hours", hours=str(hours), minutes=f"{minutes:02}")
    return words.format("duration_minutes", minutes=str(minutes))
