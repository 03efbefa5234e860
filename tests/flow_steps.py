"""Helpers for the tests of the config and options flows."""

from typing import Any

from homeassistant.components.repairs import DOMAIN as REPAIRS, RepairsFlowManager
from homeassistant.components.repairs.models import RepairsFlowResult
from homeassistant.config_entries import SOURCE_USER, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.issue_registry import IssueEntry
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.const import DOMAIN
from simulator import Simulator

from .repository_files import LANGUAGES, strings, translations

SERVERS = ("fleet_server", "compatible")


async def start_flow(hass: HomeAssistant) -> ConfigFlowResult:
    """Start a flow and return its first page."""
    return await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )


async def choose(
    hass: HomeAssistant, menu: ConfigFlowResult, *steps: str
) -> ConfigFlowResult:
    """Choose a step in each menu, one after the other."""
    for step in steps:
        assert menu["type"] is FlowResultType.MENU
        menu = await hass.config_entries.flow.async_configure(
            menu["flow_id"], {"next_step_id": step}
        )
    return menu


async def choose_provider(hass: HomeAssistant, provider: str) -> ConfigFlowResult:
    """Start a flow and choose a provider."""
    steps = ("connect", *(("server",) if provider in SERVERS else ()), provider)
    return await choose(hass, await start_flow(hass), *steps)


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


async def open_repair(hass: HomeAssistant, issue: IssueEntry) -> RepairsFlowResult:
    """Open the fix flow of a repair."""
    manager: RepairsFlowManager = hass.data[REPAIRS]["flow_manager"]
    return await manager.async_init(DOMAIN, context={"issue_id": issue.issue_id})


async def submit_repair(
    hass: HomeAssistant, form: RepairsFlowResult, **values: Any
) -> RepairsFlowResult:
    """Submit a form of a fix flow."""
    manager: RepairsFlowManager = hass.data[REPAIRS]["flow_manager"]
    return await manager.async_configure(form["flow_id"], values)


def assert_texts_fit(form: RepairsFlowResult, issue: IssueEntry) -> None:
    """Check that a form of a fix flow has all placeholders of its texts."""
    placeholders = dict(form["description_placeholders"] or {})
    step = f"issues.{issue.translation_key}.fix_flow.step.{form['step_id']}."
    for language in LANGUAGES:
        texts = [
            text
            for path, text in strings(translations(language))
            if path.startswith(step)
        ]
        assert texts
        for text in texts:
            text.format(**placeholders)


def assert_leads_to_device(hass: HomeAssistant, created: ConfigFlowResult) -> None:
    """Check that the last page of a set-up links to the device of the cloud."""
    assert created["type"] is FlowResultType.CREATE_ENTRY
    # Home Assistant shows the default text.
    assert created["description"] is None
    entry_id = created["result"].entry_id
    device = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, entry_id), entry_id
    )
    # A mocked set-up creates no device.
    page = (
        f"devices/device/{device.id}"
        if device
        else f"integrations/integration/{DOMAIN}"
    )
    for language in LANGUAGES:
        text = dict(strings(translations(language)))["config.create_entry.default"]
        link = text.format(**(created["description_placeholders"] or {}))
        assert f"](/config/{page})" in link


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
