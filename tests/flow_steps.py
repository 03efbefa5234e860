"""Helpers for the tests of the config and options flows."""

from typing import Any

from yarl import URL

from homeassistant.config_entries import SOURCE_USER, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.const import DOMAIN
from simulator import Simulator

from .repository_files import strings, translations


async def choose_provider(hass: HomeAssistant, provider: str) -> ConfigFlowResult:
    """Start a flow and choose a provider."""
    menu = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    assert menu["type"] is FlowResultType.MENU
    return await hass.config_entries.flow.async_configure(
        menu["flow_id"], {"next_step_id": provider}
    )


async def submit(
    hass: HomeAssistant, form: ConfigFlowResult, **values: Any
) -> ConfigFlowResult:
    """Submit a form."""
    return await notify_nobody(
        hass,
        await hass.config_entries.flow.async_configure(form["flow_id"], values),
    )


async def notify_nobody(
    hass: HomeAssistant, result: ConfigFlowResult
) -> ConfigFlowResult:
    """Choose no receiver if that is asked, which is the last step of a set-up."""
    if result.get("step_id") != "receivers":
        return result
    return await hass.config_entries.flow.async_configure(
        result["flow_id"], {"phones": [], "others": [], "bell": False}
    )


def assert_leads_to_drill(hass: HomeAssistant, created: ConfigFlowResult) -> None:
    """Check that the last page of a set-up links to the action that starts a drill."""
    assert created["type"] is FlowResultType.CREATE_ENTRY
    # Home Assistant shows the default text.
    assert created["description"] is None
    for language in ("en", "de"):
        text = dict(strings(translations(language)))["config.create_entry.default"]
        link = text.format(**(created["description_placeholders"] or {}))
        url = URL(link.rpartition("](")[2].partition(")")[0])
        assert url.path == "/config/tools/action"
        assert hass.services.has_service(*url.query["service"].split("."))


def suggested_values(form: ConfigFlowResult) -> dict[str, Any]:
    """Return the suggested values of a form."""
    schema = form["data_schema"]
    assert schema is not None
    return {
        str(key): key.description["suggested_value"]
        for key in schema.schema
        if key.description
    }


def fields(form: ConfigFlowResult) -> set[str]:
    """Return the fields of a form."""
    schema = form["data_schema"]
    assert schema is not None
    return {str(key) for key in schema.schema}


def server_input(simulator: Simulator, **changes: Any) -> dict[str, Any]:
    """Return the user input for the simulated cloud."""
    return {
        "base_url": simulator.urls["eu"],
        "token": simulator.token,
        "region": "eu",
        **changes,
    }


async def open_options(
    hass: HomeAssistant, entry: MockConfigEntry, step: str
) -> ConfigFlowResult:
    """Start the options flow and choose a step."""
    menu = await hass.config_entries.options.async_init(entry.entry_id)
    assert menu["type"] is FlowResultType.MENU
    return await hass.config_entries.options.async_configure(
        menu["flow_id"], {"next_step_id": step}
    )


async def submit_options(
    hass: HomeAssistant, form: ConfigFlowResult, **values: Any
) -> ConfigFlowResult:
    """Submit a form of the options flow."""
    return await hass.config_entries.options.async_configure(form["flow_id"], values)
