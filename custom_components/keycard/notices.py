"""The words of a notice."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .outage.journal import Kind, Notice
from .outage.words import Judgement, Plane, Scope, Status
from .vehicle.keys import Key

_CATEGORY = "common"
_PREFIX = f"component.{DOMAIN}.{_CATEGORY}."

_SINCE = {
    Scope.REGION: "notice_hits_region",
    Scope.REGIONS: "notice_hits_regions",
    Scope.WORLDWIDE: "notice_hits_worldwide",
    Scope.MODEL: "notice_hits_model",
    Scope.VEHICLE: "notice_hits_vehicle",
}
_TAKE_TITLES = {
    frozenset({Key.KEYCARD}): "notice_title_keycard",
    frozenset({Key.FOB}): "notice_title_fob",
    frozenset({Key.KEYCARD, Key.FOB}): "notice_title_both",
}


@dataclass(frozen=True, kw_only=True)
class Words:
    """The words of a language, with their placeholders."""

    language: str
    texts: Mapping[str, str]

    def say(self, key: str, **values: str) -> str:
        """Return a text with its placeholders filled in."""
        return self.texts[f"{_PREFIX}{key}"].format(**values)

    def regions(self, regions: Iterable[str]) -> str:
        """Return the names of regions in a row."""
        return ", ".join(self.say(f"region_{region}") for region in regions)


async def async_get_words(hass: HomeAssistant) -> Words:
    """Return the words in Home Assistant's language."""
    language = hass.config.language
    texts = await async_get_translations(hass, language, _CATEGORY, [DOMAIN])
    return Words(language=language, texts=texts)


def compose(
    words: Words,
    *,
    kind: Kind,
    notice: Notice,
    judgement: Judgement,
    keys: Mapping[str, Key],
    start: datetime | None,
    now: datetime,
) -> tuple[str, str]:
    """Write title and text of a notice.

    `keys` holds the key to take by the name of each car; `start` is when the outage
    began (UTC) and `now` is the present.
    """
    if kind is Kind.WARNING:
        regions = words.regions(judgement.elsewhere)
        return (
            words.say("notice_title_warning"),
            words.say("notice_warning", regions=regions),
        )
    if kind is Kind.ENDED:
        over = words.say(
            "notice_over",
            since=_moment(start or now, now),
            duration=_duration(words, now - (start or now)),
        )
        return words.say("notice_title_all_clear"), over
    lines = [_what(words, judgement, start or now, now)]
    wanted = {name: key for name, key in keys.items() if key is not Key.USUAL}
    if not wanted:
        if judgement.affected == frozenset():
            lines.append(words.say("notice_usual"))
        title = (
            "notice_title_other" if notice is Notice.NONE else "notice_title_keycard"
        )
        return words.say(title), "\n".join(lines)
    for key, text in ((Key.KEYCARD, "notice_keycard"), (Key.FOB, "notice_fob")):
        if cars := [name for name, taken in wanted.items() if taken is key]:
            lines.append(words.say(text, cars=", ".join(cars)))
    lines.append(words.say("notice_phone"))
    if Key.KEYCARD in wanted.values():
        lines.append(words.say("notice_card"))
    lines.append(words.say("notice_leave"))
    return words.say(_TAKE_TITLES[frozenset(wanted.values())]), "\n".join(lines)


def _what(words: Words, judgement: Judgement, start: datetime, now: datetime) -> str:
    since = _moment(start, now)
    if judgement.status is Status.SIGN_IN_OUTAGE:
        return words.say("notice_sign_in", since=since)
    if judgement.status is Status.DEGRADED and judgement.scope is not Scope.MODEL:
        if judgement.planes == (Plane.DATA,):
            return words.say("notice_data", since=since)
        return words.say("notice_fits", since=since)
    return words.say(
        _SINCE.get(judgement.scope, "notice_hits_region"),
        since=since,
        regions=words.regions(judgement.elsewhere),
        models=", ".join(words.say(f"model_{model}") for model in judgement.models),
    )


def _moment(at: datetime, now: datetime) -> str:
    local = dt_util.as_local(at)
    if local.date() == dt_util.as_local(now).date():
        return f"{local:%H:%M}"
    return f"{local:%Y-%m-%d %H:%M}"


def _duration(words: Words, length: timedelta) -> str:
    minutes = max(1, round(length.total_seconds() / 60))
    hours, minutes = divmod(minutes, 60)
    if hours:
        return words.say("duration_hours", hours=str(hours), minutes=f"{minutes:02}")
    return words.say("duration_minutes", minutes=str(minutes))
