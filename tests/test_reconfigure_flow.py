"""The reconfigure and reauth flows."""

from unittest.mock import AsyncMock

import pytest

from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.const import DOMAIN
from simulator import Simulator

from .flow_steps import server_input, submit, suggested_values


async def test_reconfigure_the_region(
    hass: HomeAssistant, watching_entry: MockConfigEntry, set_up_entry: AsyncMock
) -> None:
    watching_entry.add_to_hass(hass)
    form = await watching_entry.start_reconfigure_flow(hass)
    assert form["step_id"] == "reconfigure_region"
    assert suggested_values(form) == {"region": "eu"}
    result = await submit(hass, form, region="na")
    assert result["reason"] == "reconfigure_successful"
    assert watching_entry.data == {"provider": "watch_only", "region": "na"}
    assert watching_entry.unique_id == "watch_na"
    assert watching_entry.title == "Tesla cloud (North America, Asia-Pacific)"
    assert list(watching_entry.options["cars"]) == ["ada", "cy"]


@pytest.mark.parametrize("title", ["Tesla-Cloud (Europa)", "Tesla cloud (Europe)"])
async def test_reconfigure_translates_a_title_that_keycard_chose(
    hass: HomeAssistant,
    watching_entry: MockConfigEntry,
    set_up_entry: AsyncMock,
    title: str,
) -> None:
    hass.config.language = "de"
    watching_entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(watching_entry, title=title)
    form = await watching_entry.start_reconfigure_flow(hass)
    await submit(hass, form, region="na")
    assert watching_entry.title == "Tesla-Cloud (Nordamerika, Asien-Pazifik)"


async def test_reconfigure_keeps_a_title_of_the_user(
    hass: HomeAssistant, watching_entry: MockConfigEntry, set_up_entry: AsyncMock
) -> None:
    watching_entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(watching_entry, title="My cars")
    form = await watching_entry.start_reconfigure_flow(hass)
    await submit(hass, form, region="eu")
    assert watching_entry.title == "My cars"


async def test_reconfigure_to_a_region_that_is_watched(
    hass: HomeAssistant, watching_entry: MockConfigEntry
) -> None:
    watching_entry.add_to_hass(hass)
    MockConfigEntry(domain=DOMAIN, unique_id="watch_na").add_to_hass(hass)
    form = await watching_entry.start_reconfigure_flow(hass)
    result = await submit(hass, form, region="na")
    assert result["reason"] == "already_configured"
    assert watching_entry.unique_id == "watch_eu"


async def test_reconfigure_the_server(
    hass: HomeAssistant,
    simulator: Simulator,
    compatible_entry: MockConfigEntry,
    set_up_entry: AsyncMock,
) -> None:
    compatible_entry.add_to_hass(hass)
    form = await compatible_entry.start_reconfigure_flow(hass)
    assert form["step_id"] == "compatible"
    assert suggested_values(form) == server_input(simulator)

    form = await submit(hass, form, **server_input(simulator, token="wrong"))
    assert form["errors"] == {"token": "invalid_auth"}

    proxy = simulator.urls["proxy"]
    result = await submit(hass, form, **server_input(simulator, base_url=proxy))
    assert result["reason"] == "reconfigure_successful"
    assert compatible_entry.data["base_url"] == proxy
    assert compatible_entry.unique_id is not None
    assert compatible_entry.unique_id.endswith(f"@{proxy.removeprefix('http://')}")


async def test_reconfigure_in_an_outage_keeps_the_account(
    hass: HomeAssistant,
    simulator: Simulator,
    compatible_entry: MockConfigEntry,
    set_up_entry: AsyncMock,
) -> None:
    compatible_entry.add_to_hass(hass)
    host = simulator.urls["eu"].removeprefix("http://")
    hass.config_entries.async_update_entry(compatible_entry, unique_id=f"42@{host}")
    simulator.set("eu.api", "503 no")
    form = await compatible_entry.start_reconfigure_flow(hass)
    form = await submit(hass, form, **server_input(simulator))
    assert form["errors"] == {"base": "server_error"}
    result = await submit(hass, form, **server_input(simulator), anyway=True)
    assert result["reason"] == "reconfigure_successful"
    assert compatible_entry.unique_id == f"42@{host}"


async def test_reconfigure_takes_no_other_account(
    hass: HomeAssistant, simulator: Simulator, compatible_entry: MockConfigEntry
) -> None:
    compatible_entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(compatible_entry, unique_id="42@elsewhere")
    form = await compatible_entry.start_reconfigure_flow(hass)
    form = await submit(hass, form, **server_input(simulator))
    assert form["errors"] == {"token": "other_account"}


async def test_reauth(
    hass: HomeAssistant,
    simulator: Simulator,
    compatible_entry: MockConfigEntry,
    set_up_entry: AsyncMock,
) -> None:
    compatible_entry.add_to_hass(hass)
    form = await compatible_entry.start_reauth_flow(hass)
    assert form["step_id"] == "reauth_confirm"

    form = await submit(hass, form, token="wrong")
    assert form["errors"] == {"token": "invalid_auth"}
    form = await submit(hass, form, token="two\r\nlines")
    assert form["errors"] == {"token": "token_form"}

    simulator.set("eu.api", "503 no")
    form = await submit(hass, form, token=simulator.token)
    assert form["errors"] == {"base": "server_error"}

    simulator.set("eu.api", "portal")
    form = await submit(hass, form, token=simulator.token)
    assert form["errors"] == {"base": "web_page"}

    simulator.reset()
    fresh = simulator.access_token("openid", "vehicle_device_data")
    result = await submit(hass, form, token=f" {fresh} ")
    assert result["reason"] == "reauth_successful"
    assert compatible_entry.data["token"] == fresh


async def test_reauth_takes_no_other_account(
    hass: HomeAssistant, simulator: Simulator, compatible_entry: MockConfigEntry
) -> None:
    compatible_entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(compatible_entry, unique_id="42@elsewhere")
    form = await compatible_entry.start_reauth_flow(hass)
    form = await submit(hass, form, token=simulator.token)
    assert form["errors"] == {"token": "other_account"}
