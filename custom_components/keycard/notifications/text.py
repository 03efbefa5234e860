"""Texts of notices."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import reduce

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.translation import (
    async_get_cached_translations,
    async_get_translations,
)
from homeassistant.util import dt as dt_util

from ..const import DOMAIN
from ..outage.models import Assessment, Scope, Status, Subsystem
from ..outage.outage_log import EventType
from ..runtime.vehicle_coordinator import VehicleCoordinator
from ..vehicle.keys import UNKNOWN_MODEL, PhysicalKey, is_pre_refresh
from ..vehicle.urgent_conditions import UrgentCondition, urgent_conditions
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
_PARTIAL_SCOPES = frozenset({Scope.MODEL, Scope.VEHICLE})
_TITLES = {
    Status.OUTAGE: "notice_title_outage",
    Status.SIGN_IN_OUTAGE: "notice_title_sign_in",
}
# From this model year on, the card reader of a Model 3 or Y may be in the console.
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
        """Return a list of region names."""
        return "; ".join(self.format(f"region_{region}") for region in regions)

    def list_of(self, names: Iterable[str]) -> str:
        """Return a list of names, as in a sentence."""
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


@callback
def cached_region_name(hass: HomeAssistant, region: str) -> str | None:
    """Return the name of a region, None until the texts of its language are loaded."""
    texts = async_get_cached_translations(hass, hass.config.language, _CATEGORY, DOMAIN)
    return texts.get(f"{_PREFIX}region_{region}")


class CardReader(StrEnum):
    """Place of the card reader that allows driving."""

    CUP_HOLDERS = "cup_holders"
    CHARGER = "charger"
    CONSOLE = "console"


@dataclass(frozen=True, kw_only=True)
class NoticeVehicle:
    """Vehicle in a notice."""

    name: str
    key: PhysicalKey
    reader: CardReader = CardReader.CONSOLE
    phone_key: bool = True
    """Whether the vehicle supports phone keys."""

    bluetooth: bool = False
    """Whether Home Assistant can reach it over Bluetooth."""

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
    """Return a vehicle for a notice; `vin` may also be another ID."""
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


def describe_vehicle(
    coordinator: VehicleCoordinator, key: PhysicalKey
) -> NoticeVehicle:
    """Return the vehicle of a coordinator for a notice."""
    vehicle, bluetooth = coordinator.vehicle, coordinator.actual.bluetooth
    return notice_vehicle(
        vehicle.title,
        key,
        model=vehicle.model,
        year=vehicle.year,
        vin=vehicle.id,
        bluetooth=bluetooth is not None and bluetooth.usable,
        urgent=urgent_conditions(vehicle.state),
    )


def render_notice(
    translations: Translations,
    *,
    kind: EventType,
    assessment: Assessment,
    vehicles: Sequence[NoticeVehicle],
    start: datetime | None,
    utcnow: datetime,
    length: timedelta | None = None,
    stale_vehicles: Collection[str] = (),
    failed: Sequence[FailedCommand] = (),
    drill: bool = False,
) -> tuple[str, str]:
    """Render title and text of a notice; the first line says what to do.

    `start` is the start of the outage (UTC), `length` the duration of an ended one.
    `stale_vehicles` are the names of vehicles whose stale data only other integrations
    show, `failed` the commands that failed during the outage. The title of a `drill`
    leaves room for its mark.
    """
    start_time = _format_time(start or utcnow, utcnow)
    if kind is EventType.WARNING:
        regions = translations.regions(assessment.other_regions)
        return translations.format("notice_title_warning"), "\n".join(
            [
                translations.format("notice_warning", regions=regions),
                translations.format("notice_yours"),
            ]
        )
    if kind is EventType.ENDED:
        duration = _format_duration(translations, length or timedelta())
        return translations.format("notice_title_all_clear"), "\n".join(
            [
                translations.format("notice_over", since=start_time, duration=duration),
                translations.format("notice_over_key"),
                *_failed_commands(translations, failed, utcnow),
            ]
        )
    affected = [one for one in vehicles if one.key is not PhysicalKey.NONE]
    usual_keys = not affected and assessment.affected == frozenset()
    room = MAX_TITLE - (
        len(translations.format("drill_title", title="")) if drill else 0
    )
    lines = [*_order_lines(translations, affected)]
    if usual_keys:
        lines.append(translations.format("notice_usual"))
    lines += [
        _cause_line(translations, assessment, start_time),
        *_other_failures(translations, assessment),
    ]
    if stale_vehicles:
        lines.append(
            translations.format(
                "notice_seen", cars=translations.list_of(stale_vehicles)
            )
        )
    lines += _advice_lines(translations, affected)
    return _title(translations, assessment, affected, room), "\n".join(lines)


def _title(
    translations: Translations,
    assessment: Assessment,
    vehicles: Sequence[NoticeVehicle],
    room: int,
) -> str:
    """Return the title: the key to take, with the vehicles if they fit."""
    if not vehicles:
        key = "notice_title_other"
        if assessment.affected != frozenset():
            key = _TITLES.get(assessment.status, key)
        return translations.format(key)
    titles = _orders(translations, vehicles)
    short = translations.format(_TAKE_TITLES[frozenset(one.key for one in vehicles)])
    return next((title for title in titles if len(title) <= room), short)


def _orders(
    translations: Translations, vehicles: Sequence[NoticeVehicle]
) -> Iterator[str]:
    """Yield the key to take, with the vehicles and then with their number."""
    card, fob = (
        [one.name for one in vehicles if one.key is key]
        for key in (PhysicalKey.KEYCARD, PhysicalKey.FOB)
    )
    if card and fob:
        yield translations.format(
            "order_both",
            card_cars=translations.list_of(card),
            fob_cars=translations.list_of(fob),
        )
        return
    key = "order_keycard" if card else "order_fob"
    yield translations.format(key, cars=translations.list_of(card or fob))
    if len(vehicles) > 1:
        yield translations.format(f"{key}_many", count=str(len(vehicles)))


def _order_lines(
    translations: Translations, vehicles: Sequence[NoticeVehicle]
) -> Iterator[str]:
    """Yield the first lines: the key to take, with the vehicles if they fit."""
    if not vehicles:
        return
    short = translations.format(_TAKE_TITLES[frozenset(one.key for one in vehicles)])
    orders = [
        translations.format("sentence", text=text)
        for text in _orders(translations, vehicles)
    ]
    if len(orders[0]) <= MAX_ORDER:
        yield orders[0]
        return
    yield next(
        (order for order in orders if len(order) <= MAX_ORDER),
        translations.format("sentence", text=short),
    )
    for key, text in (
        (PhysicalKey.KEYCARD, "notice_keycard"),
        (PhysicalKey.FOB, "notice_fob"),
    ):
        if cars := [one.name for one in vehicles if one.key is key]:
            yield translations.format(text, cars=translations.list_of(cars))


def _failed_commands(
    translations: Translations, failed: Sequence[FailedCommand], utcnow: datetime
) -> Iterator[str]:
    """Yield a line with the commands that failed during the outage."""
    if items := [
        translations.format(
            "failed_item",
            car=one.vehicle,
            command=translations.command(one.command),
            time=_format_time(one.at, utcnow),
        )
        for one in failed
    ]:
        yield translations.format("notice_failed", commands="; ".join(items))


def mark_as_drill(
    translations: Translations,
    kind: EventType,
    notice: tuple[str, str],
    *,
    early: str | None = None,
) -> tuple[str, str]:
    """Mark a notice as that of a drill; `early` is the text key of an early end."""
    title, text = notice
    if kind is EventType.ENDED:
        title = translations.format(
            "drill_title_early" if early else "drill_title_over"
        )
    text = (
        translations.format(early)
        if early
        else f"{text}\n{translations.format('drill_text')}"
    )
    return translations.format("drill_title", title=title), text


def render_state(
    translations: Translations, vehicles: Iterable[NoticeVehicle]
) -> Iterator[str]:
    """Yield the urgent conditions of the vehicles; not for a locked screen."""
    for condition in UrgentCondition:
        if cars := [one.name for one in vehicles if condition in one.urgent]:
            yield translations.format(
                f"state_{condition}", cars=translations.list_of(cars)
            )


def _cause_line(translations: Translations, assessment: Assessment, since: str) -> str:
    """Return the line with the failure, its start and the affected vehicles."""
    if assessment.status is Status.OUTAGE:
        return translations.format(
            _OUTAGES.get(assessment.scope, "notice_region"), since=since
        )
    if assessment.status is Status.SIGN_IN_OUTAGE:
        return translations.format("notice_sign_in", since=since)
    return translations.format(
        _degraded_text(assessment),
        since=since,
        whom=_affected(translations, assessment),
    )


def _affected(translations: Translations, assessment: Assessment) -> str:
    """Return the affected vehicles, as in a sentence."""
    if assessment.scope is Scope.MODEL and assessment.models:
        return translations.list_of(
            translations.format(f"model_{model}") for model in assessment.models
        )
    vehicle = assessment.scope is Scope.VEHICLE
    return translations.format("whom_vehicle" if vehicle else "whom_all")


def _degraded_text(assessment: Assessment) -> str:
    if Subsystem.API in assessment.subsystems:
        # For some vehicles, failures may be intermittent or permanent.
        return "notice_part" if assessment.scope in _PARTIAL_SCOPES else "notice_fits"
    if Subsystem.COMMANDS in assessment.subsystems:
        return "notice_commands"
    return "notice_data"


def _other_failures(
    translations: Translations, assessment: Assessment
) -> Iterable[str]:
    """Yield lines about other failures."""
    if assessment.status is Status.OUTAGE and assessment.scope is Scope.REGIONS:
        yield translations.format(
            "notice_elsewhere", regions=translations.regions(assessment.other_regions)
        )
    if Subsystem.DATA in assessment.subsystems:
        yield translations.format("notice_old")


def _advice_lines(
    translations: Translations, vehicles: Sequence[NoticeVehicle]
) -> Iterator[str]:
    """Yield advice on phones and Bluetooth, and how to use a keycard."""
    phones = [one.name for one in vehicles if one.phone_key]
    yield translations.format(
        "notice_leave_old" if vehicles and not phones else "notice_leave"
    )
    if phones and len(phones) < len(vehicles):
        yield translations.format(
            "of_cars",
            cars=translations.list_of(phones),
            text=translations.format("notice_phone"),
        )
    elif phones:
        yield translations.format("notice_phone")
    if reached := [one.name for one in vehicles if one.bluetooth]:
        yield translations.format("notice_near", cars=translations.list_of(reached))
    if cards := [one for one in vehicles if one.key is PhysicalKey.KEYCARD]:
        yield translations.format("notice_card")
        yield from _reader_lines(translations, cards)


def _reader_lines(
    translations: Translations, cards: Sequence[NoticeVehicle]
) -> Iterator[str]:
    """Yield where to place the keycard for driving."""
    readers = dict.fromkeys(one.reader for one in cards)
    for reader in readers:
        text = translations.format(f"notice_drive_{reader}")
        if len(readers) > 1:
            cars = translations.list_of(
                one.name for one in cards if one.reader is reader
            )
            text = translations.format("of_cars", cars=cars, text=text)
        yield text


def _format_time(at: datetime, utcnow: datetime) -> str:
    local = dt_util.as_local(at)
    if local.date() == dt_util.as_local(utcnow).date():
        return f"{local:%H:%M}"
    return f"{local:%Y-%m-%d %H:%M}"


def _format_duration(translations: Translations, length: timedelta) -> str:
    minutes = max(1, round(length.total_seconds() / 60))
    hours, minutes = divmod(minutes, 60)
    if hours:
        return translations.format(
            "duration_hours", hours=str(hours), minutes=f"{minutes:02}"
        )
    return translations.format("duration_minutes", minutes=str(minutes))
