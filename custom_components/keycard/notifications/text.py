"""The words of a notice."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util import dt as dt_util

from ..const import DOMAIN
from ..outage.models import Judgement, Plane, Scope, Status
from ..outage.outage_log import Kind
from ..vehicle.keys import Key

_CATEGORY = "common"
_PREFIX = f"component.{DOMAIN}.{_CATEGORY}."

_OUTAGES = {
    Scope.REGION: "notice_region",
    Scope.REGIONS: "notice_regions",
    Scope.WORLDWIDE: "notice_worldwide",
}
_WHOM = {Scope.MODEL: "whom_model", Scope.VEHICLE: "whom_vehicle"}
_TITLES = {
    Status.OUTAGE: "notice_title_outage",
    Status.SIGN_IN_OUTAGE: "notice_title_sign_in",
}
_TAKE_TITLES = {
    frozenset({Key.KEYCARD}): "notice_title_keycard",
    frozenset({Key.FOB}): "notice_title_fob",
    frozenset({Key.KEYCARD, Key.FOB}): "notice_title_both",
}


@dataclass(frozen=True, kw_only=True)
class Words:
    """The words of a language, with their placeholders."""

    texts: Mapping[str, str]

    def say(self, key: str, /, **values: str) -> str:
        """Return a text with its placeholders filled in."""
        return self.texts[f"{_PREFIX}{key}"].format(**values)

    def regions(self, regions: Iterable[str]) -> str:
        """Return the names of regions in a row."""
        return "; ".join(self.say(f"region_{region}") for region in regions)


async def async_get_words(hass: HomeAssistant) -> Words:
    """Return the words in Home Assistant's language."""
    texts = await async_get_translations(
        hass, hass.config.language, _CATEGORY, [DOMAIN]
    )
    return Words(texts=texts)


def compose(
    words: Words,
    *,
    kind: Kind,
    judgement: Judgement,
    keys: Mapping[str, Key],
    start: datetime | None,
    now: datetime,
    length: timedelta | None = None,
    seen: Collection[str] = (),
    near: Collection[str] = (),
) -> tuple[str, str]:
    """Write title and text of a notice; its first line tells the most.

    `keys` holds the key to take by the name of each car; `start` is when the outage
    began (UTC), `now` is the present and `length` how long it was, once it is over;
    `seen` are the names of the cars by which only other integrations show it, `near`
    those of the cars that Home Assistant reaches over Bluetooth.
    """
    since = _moment(start or now, now)
    if kind is Kind.WARNING:
        regions = words.regions(judgement.elsewhere)
        return words.say("notice_title_warning"), "\n".join(
            [words.say("notice_warning", regions=regions), words.say("notice_yours")]
        )
    if kind is Kind.ENDED:
        duration = _duration(words, length or timedelta())
        return words.say("notice_title_all_clear"), "\n".join(
            [
                words.say("notice_over", since=since, duration=duration),
                words.say("notice_over_key"),
            ]
        )
    lines = [_what(words, judgement, since), *_beside(words, judgement)]
    if seen:
        lines.append(words.say("notice_seen", cars=", ".join(seen)))
    wanted = {name: key for name, key in keys.items() if key is not Key.USUAL}
    lines += _advice(words, wanted, near=near, spared=judgement.affected == frozenset())
    title = _TAKE_TITLES.get(frozenset(wanted.values())) or _TITLES.get(
        judgement.status, "notice_title_other"
    )
    return words.say(title), "\n".join(lines)


def as_drill(
    words: Words, kind: Kind, notice: tuple[str, str], *, early: str | None = None
) -> tuple[str, str]:
    """Say of a notice that it is but a drill's; one that ends `early` says why."""
    title, text = notice
    if kind is Kind.ENDED:
        title = words.say("drill_title_early" if early else "drill_title_over")
    text = words.say(early) if early else f"{words.say('drill_text')}\n{text}"
    return words.say("drill_title", title=title), text


def _what(words: Words, judgement: Judgement, since: str) -> str:
    """Tell what fails, since when and for whom."""
    if judgement.status is Status.OUTAGE:
        return words.say(_OUTAGES.get(judgement.scope, "notice_region"), since=since)
    if judgement.status is Status.SIGN_IN_OUTAGE:
        return words.say("notice_sign_in", since=since)
    models = ", ".join(words.say(f"model_{model}") for model in judgement.models)
    whom = words.say(_WHOM.get(judgement.scope, "whom_all"), models=models)
    return words.say(_degraded(judgement), since=since, whom=whom)


def _degraded(judgement: Judgement) -> str:
    if Plane.API in judgement.planes:
        # All cars fail by fits; some cars may just as well fail for good.
        return "notice_part" if judgement.scope in _WHOM else "notice_fits"
    if Plane.COMMANDS in judgement.planes:
        return "notice_commands"
    return "notice_data"


def _beside(words: Words, judgement: Judgement) -> Iterable[str]:
    """Tell what else is known to fail."""
    if judgement.status is Status.OUTAGE and judgement.scope is Scope.REGIONS:
        yield words.say("notice_elsewhere", regions=words.regions(judgement.elsewhere))
    if Plane.DATA in judgement.planes:
        yield words.say("notice_old")


def _advice(
    words: Words,
    wanted: Mapping[str, Key],
    *,
    near: Collection[str],
    spared: bool,
) -> Iterable[str]:
    """Tell what to take, how to use it, and what to leave alone."""
    for key, text in ((Key.KEYCARD, "notice_keycard"), (Key.FOB, "notice_fob")):
        if cars := [name for name, taken in wanted.items() if taken is key]:
            yield words.say(text, cars=", ".join(cars))
    if Key.KEYCARD in wanted.values():
        yield words.say("notice_phone")
    if reached := [name for name in wanted if name in near]:
        yield words.say("notice_near", cars=", ".join(reached))
    if Key.KEYCARD in wanted.values():
        yield words.say("notice_card")
    if spared:
        yield words.say("notice_usual")
    yield words.say("notice_leave")


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
