"""Texts of notices."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util import dt as dt_util

from ..const import DOMAIN
from ..outage.models import Assessment, Scope, Status, Subsystem
from ..outage.outage_log import EventType
from ..vehicle.keys import PhysicalKey

_CATEGORY = "common"
_PREFIX = f"component.{DOMAIN}.{_CATEGORY}."

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


async def async_load_translations(
    hass: HomeAssistant, language: str | None = None
) -> Translations:
    """Return the texts in a language, by default that of Home Assistant."""
    texts = await async_get_translations(
        hass, language or hass.config.language, _CATEGORY, [DOMAIN]
    )
    return Translations(texts=texts)


def render_notice(
    words: Translations,
    *,
    kind: EventType,
    judgement: Assessment,
    keys: Mapping[str, PhysicalKey],
    start: datetime | None,
    now: datetime,
    length: timedelta | None = None,
    stale_vehicles: Collection[str] = (),
    bluetooth_vehicles: Collection[str] = (),
) -> tuple[str, str]:
    """Render title and text of a notice.

    `keys` holds the key to take by the name of each car; `start` is when the outage
    began (UTC), `now` is the present and `length` how long it was, once it is over;
    `seen` are the names of the cars by which only other integrations show it, `near`
    those of the cars that Home Assistant reaches over Bluetooth.
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
            ]
        )
    lines = [_cause(words, judgement, since), *_beside(words, judgement)]
    if stale_vehicles:
        lines.append(words.format("notice_seen", cars=", ".join(stale_vehicles)))
    wanted = {name: key for name, key in keys.items() if key is not PhysicalKey.NONE}
    lines += _advice(
        words, wanted, near=bluetooth_vehicles, spared=judgement.affected == frozenset()
    )
    title = _TAKE_TITLES.get(frozenset(wanted.values())) or _TITLES.get(
        judgement.status, "notice_title_other"
    )
    return words.format(title), "\n".join(lines)


def mark_as_drill(
    words: Translations,
    kind: EventType,
    notice: tuple[str, str],
    *,
    early: str | None = None,
) -> tuple[str, str]:
    """Say of a notice that it is but a drill's; one that ends `early` says why."""
    title, text = notice
    if kind is EventType.ENDED:
        title = words.format("drill_title_early" if early else "drill_title_over")
    text = words.format(early) if early else f"{words.format('drill_text')}\n{text}"
    return words.format("drill_title", title=title), text


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


def _advice(
    words: Translations,
    wanted: Mapping[str, PhysicalKey],
    *,
    near: Collection[str],
    spared: bool,
) -> Iterable[str]:
    """Tell what to take, how to use it, and what to leave alone."""
    for key, text in (
        (PhysicalKey.KEYCARD, "notice_keycard"),
        (PhysicalKey.FOB, "notice_fob"),
    ):
        if cars := [name for name, taken in wanted.items() if taken is key]:
            yield words.format(text, cars=", ".join(cars))
    if PhysicalKey.KEYCARD in wanted.values():
        yield words.format("notice_phone")
    if reached := [name for name in wanted if name in near]:
        yield words.format("notice_near", cars=", ".join(reached))
    if PhysicalKey.KEYCARD in wanted.values():
        yield words.format("notice_card")
    if spared:
        yield words.format("notice_usual")
    yield words.format("notice_leave")


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
