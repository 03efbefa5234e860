"""Sentences that the conversation integration answers."""

from functools import partial
from typing import TYPE_CHECKING

from homeassistant.core import HomeAssistant, callback
from homeassistant.setup import async_when_setup

from .answers import Answer, answer_cloud, answer_key, async_answers

if TYPE_CHECKING:
    from homeassistant.components.conversation import ConversationInput

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
    "(which|what) [car] key (do i need|should i take)",
    "hvilken [bil]nøgle skal jeg bruge",
    "welchen [auto]schlüssel (brauche ich|soll ich mitnehmen)",
    "qué llave [del coche] necesito",
    "(de quelle clé [de voiture] ai-je besoin|quelle clé [de voiture] dois-je prendre)",
    "quale chiave [dell'auto] mi serve",
    "hvilken [bil]nøkkel trenger jeg",
    "welke [auto]sleutel heb ik nodig",
    "którego kluczyka potrzebuję",
    "de qual chave [do carro] [eu] preciso",
    "vilken [bil]nyckel behöver jag",
    "我需要(哪把|什么)[车]钥匙",
)


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
