"""Tools of Keycard for LLM agents."""

from typing import override

from homeassistant.components.llm import LLMTools
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.llm import (
    LLM_API_ASSIST,
    LLMContext,
    Tool,
    ToolAnnotations,
    ToolInput,
)
from homeassistant.util.json import JsonObjectType

from .assist.answers import Answer, answer_cloud, answer_key, async_answers
from .const import DOMAIN


class AnswerTool(Tool):
    """Tool that answers a question about the cloud or the keys."""

    annotations = ToolAnnotations(read_only=True, open_world=False)
    integration = DOMAIN

    def __init__(self, name: str, title: str, description: str, answer: Answer) -> None:
        """Initialize the tool."""
        self.name = f"{DOMAIN}__{name}"
        self.title = title
        self.description = description
        self._answer = answer

    @override
    async def async_call(
        self, hass: HomeAssistant, tool_input: ToolInput, llm_context: LLMContext
    ) -> JsonObjectType:
        """Return the answer in the language of the conversation."""
        return {"answer": await async_answers(hass, llm_context.language, self._answer)}


@callback
def async_get_tools(
    hass: HomeAssistant, llm_context: LLMContext, api_id: str
) -> LLMTools | None:
    """Return the tools of Keycard for the Assist API."""
    if api_id != LLM_API_ASSIST or not hass.config_entries.async_loaded_entries(DOMAIN):
        return None
    return LLMTools(
        tools=[
            AnswerTool(
                "get_cloud_status",
                "Tesla cloud status",
                "Returns whether Tesla's cloud works, and since when it is down.",
                answer_cloud,
            ),
            AnswerTool(
                "get_key_to_take",
                "Tesla key to take",
                "Returns which key to take along for each Tesla: keycard, fob or the"
                " usual one.",
                answer_key,
            ),
        ]
    )
