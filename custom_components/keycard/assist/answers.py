"""Answers to questions about Tesla's cloud and the key to take."""

from collections.abc import Callable

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from ..const import DOMAIN
from ..coordinator import KeycardConfigEntry
from ..notifications.text import (
    Translations,
    async_load_translations,
    describe_vehicle,
    mark_as_drill,
    render_notice,
)
from ..outage.models import INCONCLUSIVE, OUTAGES
from ..outage.outage_log import EventType
from ..vehicle.keys import PhysicalKey

type Answer = Callable[[KeycardConfigEntry, Translations], str]


def answer_cloud(entry: KeycardConfigEntry, translations: Translations) -> str:
    """Return the answer about the cloud of an entry."""
    assessment = entry.runtime_data.coordinator.data.assessment
    if assessment.status in INCONCLUSIVE:
        return translations.format("assist_unknown")
    if assessment.status not in OUTAGES and not assessment.warning:
        return translations.format("assist_fine")
    return " ".join(_notice(entry, translations)[1].split("\n")[:2])


def answer_key(entry: KeycardConfigEntry, translations: Translations) -> str:
    """Return which keys to take for the vehicles of an entry."""
    vehicles = entry.runtime_data.vehicles.values()
    if all(one.data.key_to_take is PhysicalKey.NONE for one in vehicles):
        return translations.format("assist_usual")
    return _notice(entry, translations)[1].partition("\n")[0]


def _notice(entry: KeycardConfigEntry, translations: Translations) -> tuple[str, str]:
    """Render the current notice of an entry."""
    data = entry.runtime_data
    cloud = data.coordinator.data
    kind = EventType.WARNING if cloud.assessment.warning else EventType.CHANGED
    notice = render_notice(
        translations,
        kind=kind,
        assessment=cloud.assessment,
        vehicles=[
            describe_vehicle(one, one.data.key_to_take)
            for one in data.vehicles.values()
        ],
        start=cloud.assessment.since,
        utcnow=dt_util.utcnow(),
        drill=cloud.drill,
    )
    return mark_as_drill(translations, kind, notice) if cloud.drill else notice


async def async_answers(
    hass: HomeAssistant, language: str | None, answer: Answer
) -> str | None:
    """Return the answers of all entries, None without one."""
    entries: list[KeycardConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    if not entries:
        return None
    translations = await async_load_translations(hass, language)
    return " ".join(dict.fromkeys(answer(entry, translations) for entry in entries))
