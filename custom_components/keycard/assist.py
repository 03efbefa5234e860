"""Answer questions about Tesla's cloud and the key to take."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from homeassistant.core import HomeAssistant, callback
from homeassistant.setup import async_when_setup
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .coordinator import KeycardConfigEntry, describe_vehicle
from .notifications.text import (
    Translations,
    async_load_translations,
    mark_as_drill,
    render_notice,
)
from .outage.models import INCONCLUSIVE, OUTAGES
from .outage.outage_log import EventType
from .vehicle.keys import PhysicalKey

if TYPE_CHECKING:
    from homeassistant.components.conversation import ConversationInput

type Answer = Callable[[KeycardConfigEntry, Translations], str]

# Home Assistant matches them in any language; sentence files are the user's own.
CLOUD_SENTENCES = (
    "is tesla['s] [cloud] down",
    "er (tesla|teslas (cloud|skytjeneste)) nede",
    "ist (tesla|teslas cloud|die tesla[ ]cloud) (ausgefallen|gestört|down)",
    "(está caída la nube de tesla|está caído tesla)",
    "[est-ce que] (tesla|le cloud [de] tesla) est en panne",
    "il cloud [di] tesla [non] funziona",
    "ligt (tesla|tesla's cloud|de cloud van tesla) plat",
    "czy (tesla|chmura tesli) nie działa",
    "a nuvem da tesla (caiu|está fora do ar)",
    "ligger (tesla|teslas molntjänst) nere",
    "(tesla|特斯拉)[的]云服务(中断|故障)了吗",
)
KEY_SENTENCES = (
    "which [car] key do i need",
    "hvilken [bil]nøgle skal jeg bruge",
    "welchen [auto]schlüssel brauche ich",
    "qué llave [del coche] necesito",
    "de quelle clé [de voiture] ai-je besoin",
    "quale chiave [dell'auto] mi serve",
    "hvilken [bil]nøkkel trenger jeg",
    "welke [auto]sleutel heb ik nodig",
    "którego kluczyka potrzebuję",
    "de qual chave [do carro] [eu] preciso",
    "vilken [bil]nyckel behöver jag",
    "我需要(哪把|什么)[车]钥匙",
)


def answer_cloud(entry: KeycardConfigEntry, translations: Translations) -> str:
    """Return what is known of the cloud of an entry."""
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
        monotonic=dt_util.utcnow(),
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


async def _async_answer(
    answer: Answer,
    hass: HomeAssistant,
    user_input: ConversationInput,
    _result: object,
) -> str | None:
    return await async_answers(hass, user_input.language, answer)


@callback
def async_setup_assist(hass: HomeAssistant) -> None:
    """Answer questions once the conversation integration is set up."""

    async def register(hass: HomeAssistant, _component: str) -> None:
        from homeassistant.components.conversation import get_agent_manager  # noqa: PLC0415 - installed where it is set up

        manager = get_agent_manager(hass)
        for sentences, answer in (
            (CLOUD_SENTENCES, answer_cloud),
            (KEY_SENTENCES, answer_key),
        ):
            manager.register_trigger(
                list(sentences), partial(_async_answer, answer, hass)
            )

    async_when_setup(hass, "conversation", register)
