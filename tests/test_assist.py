"""Questions to Assist, and the row of a notice in the logbook."""

from typing import Any

import pytest

from homeassistant.components.conversation import async_converse
from homeassistant.core import Context, Event, HomeAssistant
from homeassistant.helpers import llm
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.assist.sentences import CLOUD_SENTENCES, KEY_SENTENCES
from custom_components.keycard.logbook import async_describe_events

from .conftest import SetUp, assessment_status
from .repository_files import LANGUAGES, strings, translations

QUESTIONS = {
    "da": ("Er Teslas cloud nede?", "Hvilken bilnøgle skal jeg bruge?"),
    "de": ("Ist Teslas Cloud ausgefallen?", "Welchen Schlüssel brauche ich?"),
    "en": ("Is Tesla's cloud down?", "Which key do I need?"),
    "es": ("¿Está caída la nube de Tesla?", "¿Qué llave necesito?"),
    "fr": ("Le cloud Tesla est en panne ?", "De quelle clé ai-je besoin ?"),
    "it": ("Il cloud Tesla non funziona?", "Quale chiave mi serve?"),
    "nb": ("Er Teslas skytjeneste nede?", "Hvilken nøkkel trenger jeg?"),
    "nl": ("Ligt Tesla's cloud plat?", "Welke sleutel heb ik nodig?"),
    "pl": ("Czy chmura Tesli nie działa?", "Którego kluczyka potrzebuję?"),
    "pt-BR": ("A nuvem da Tesla caiu?", "De qual chave eu preciso?"),
    "sv": ("Ligger Teslas molntjänst nere?", "Vilken nyckel behöver jag?"),
    "zh-Hans": ("特斯拉的云服务中断了吗", "我需要哪把钥匙"),
}


async def ask_assist(hass: HomeAssistant, question: str, language: str) -> str:
    """Ask the default agent."""
    result = await async_converse(hass, question, None, Context(), language=language)
    return str(result.response.speech["plain"]["speech"])


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_default_agent_answers(
    hass: HomeAssistant, watch: MockConfigEntry, language: str
) -> None:
    assert await async_setup_component(hass, "homeassistant", {})
    assert await async_setup_component(hass, "conversation", {})
    await hass.async_block_till_done()
    texts = dict(strings(translations(language)))
    cloud, key = QUESTIONS[language]
    assert assessment_status(watch) == "operational"
    assert await ask_assist(hass, cloud, language) == texts["common.assist_fine"]
    assert await ask_assist(hass, key, language) == texts["common.assist_usual"]


@pytest.mark.parametrize(
    ("language", "question"),
    [
        ("en", "What key should I take?"),
        ("en", "Which car key do I need?"),
        ("de", "Welchen Autoschlüssel soll ich mitnehmen?"),
        ("fr", "Quelle clé dois-je prendre ?"),
    ],
)
async def test_other_wordings(
    hass: HomeAssistant, watch: MockConfigEntry, language: str, question: str
) -> None:
    assert await async_setup_component(hass, "homeassistant", {})
    assert await async_setup_component(hass, "conversation", {})
    await hass.async_block_till_done()
    usual = dict(strings(translations(language)))["common.assist_usual"]
    assert await ask_assist(hass, question, language) == usual


def test_there_is_a_sentence_for_every_language() -> None:
    # Danish and Norwegian share one about the cloud.
    assert len(CLOUD_SENTENCES) == len(LANGUAGES) - 1
    assert len(KEY_SENTENCES) == len(LANGUAGES)


async def test_llm_agents_get_tools(
    hass: HomeAssistant, watching_entry: MockConfigEntry, set_up: SetUp
) -> None:
    assert await async_setup_component(hass, "homeassistant", {})
    assert await async_setup_component(hass, "llm", {})
    await set_up(watching_entry)
    context = llm.LLMContext(
        platform="test",
        context=Context(),
        language="en",
        assistant="conversation",
        device_id=None,
    )
    api = await llm.async_get_api(hass, llm.LLM_API_ASSIST, context)
    tools = {tool.name: tool for tool in api.tools if tool.integration == "keycard"}
    assert set(tools) == {"keycard__get_cloud_status", "keycard__get_key_to_take"}
    answer = await api.async_call_tool(
        llm.ToolInput(tool_name="keycard__get_key_to_take", tool_args={})
    )
    assert "Your usual key is enough." in str(answer)


async def test_a_notice_has_a_row_in_the_logbook(hass: HomeAssistant) -> None:
    described: dict[str, Any] = {}

    def describe(domain: str, event_type: str, function: Any) -> None:
        described[event_type] = domain, function

    async_describe_events(hass, describe)
    domain, function = described["keycard_outage"]
    assert domain == "keycard"
    event = Event(
        "keycard_outage",
        {
            "entity_id": "event.outage",
            "title": "Drill: Take the keycard for Ada",
            "text": "Take the keycard for Ada.\nMore.",
        },
    )
    assert function(event) == {
        "name": "Drill: Take the keycard for Ada",
        "message": "Take the keycard for Ada.",
        "icon": "mdi:key-wireless",
        "entity_id": "event.outage",
    }
