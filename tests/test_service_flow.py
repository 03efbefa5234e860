"""Flows for Teslemetry and Tessie, with real HTTP requests to the simulator."""

from dataclasses import replace
from unittest.mock import AsyncMock
from urllib.parse import parse_qs, urlsplit

import pytest

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.providers import SERVICES
from simulator import Simulator

from .config_entries import service_entry
from .conftest import SignIn, until
from .flow_steps import (
    assert_leads_to_device,
    choose_provider,
    fields,
    submit,
    suggested_values,
)

REGISTER = "tesla_fleet_api.teslemetry.teslemetry.REGISTER_URL"

each_service = pytest.mark.parametrize("service", ["teslemetry", "tessie"])


@pytest.fixture(autouse=True)
def services(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the simulator for the third parties."""
    for name, service in SERVICES.items():
        url = simulator.urls[name]
        there = replace(
            service,
            base_url=url,
            authorize_url=service.authorize_url and f"{url}/connect",
            exchange_url=service.exchange_url and f"{url}/oauth/token",
        )
        monkeypatch.setitem(SERVICES, name, there)
    monkeypatch.setattr(REGISTER, f"{simulator.urls['teslemetry']}/oauth/register")


def token_of(simulator: Simulator, service: str) -> str:
    if service == "tessie":
        return simulator.tessie_token()
    return simulator.teslemetry_token()


async def ask_for_token(hass: HomeAssistant, service: str) -> ConfigFlowResult:
    """Choose a third party and sign-in by token."""
    form = await choose_provider(hass, service)
    if service == "teslemetry":
        assert form["menu_options"] == ["teslemetry_sign_in", "teslemetry_token"]
        form = await submit(hass, form, next_step_id="teslemetry_token")
    return form


# Token


@each_service
async def test_a_token(
    hass: HomeAssistant,
    simulator: Simulator,
    set_up_entry: AsyncMock,
    service: str,
) -> None:
    form = await ask_for_token(hass, service)
    assert form["description_placeholders"] == {
        "service": SERVICES[service].name,
        "console": SERVICES[service].console_url,
    }
    token = token_of(simulator, service)
    created = await submit(hass, form, token=f" {token} ")
    assert_leads_to_device(hass, created)
    assert created["title"] == SERVICES[service].name
    assert created["data"] == {
        "provider": service,
        "region": "eu",
        "base_url": simulator.urls[service],
        "token": token,
    }
    assert len(set_up_entry.mock_calls) == 1


@each_service
async def test_the_cars_come_and_obey(
    hass: HomeAssistant, simulator: Simulator, service: str
) -> None:
    form = await ask_for_token(hass, service)
    created = await submit(hass, form, token=token_of(simulator, service))
    entry = created["result"]
    await hass.async_block_till_done()
    await until(hass, lambda: len(entry.runtime_data.vehicles) == 2)
    await until(hass, lambda: hass.states.get("lock.ada_lock") is not None)
    await hass.services.async_call(
        "lock", "unlock", {"entity_id": "lock.ada_lock"}, blocking=True
    )
    assert simulator.cars["Ada"].executed["door_unlock"] == 1


@each_service
async def test_a_wrong_token_can_be_put_right(
    hass: HomeAssistant,
    simulator: Simulator,
    set_up_entry: AsyncMock,
    service: str,
) -> None:
    form = await ask_for_token(hass, service)
    form = await submit(hass, form, token="wrong")
    assert form["errors"] == {"token": "invalid_auth"}
    assert suggested_values(form) == {"token": "wrong"}
    assert fields(form) == {"token"}
    form = await submit(hass, form, token="two\nlines")
    assert form["errors"] == {"token": "token_form"}
    created = await submit(hass, form, token=token_of(simulator, service))
    assert created["type"] is FlowResultType.CREATE_ENTRY


@each_service
@pytest.mark.parametrize(
    ("condition", "error"),
    [
        ("503 <html>down</html>", "server_error"),
        ("refuse", "cannot_connect"),
        ("402 payment", "payment"),
        ("retry-after:60", "rate_limited"),
    ],
)
async def test_a_service_that_is_down_can_be_set_up_anyway(
    hass: HomeAssistant,
    simulator: Simulator,
    set_up_entry: AsyncMock,
    *,
    service: str,
    condition: str,
    error: str,
) -> None:
    hass.config.country = "DE"
    token = token_of(simulator, service)
    simulator.set(f"{service}.api", condition)
    form = await submit(hass, await ask_for_token(hass, service), token=token)
    assert form["errors"] == {"base": error}
    assert fields(form) == {"token", "anyway"}
    created = await submit(hass, form, token=token, anyway=True)
    assert created["type"] is FlowResultType.CREATE_ENTRY
    # The region was not entered: it follows from the country.
    assert created["data"]["region"] == "eu"
    assert created["data"]["token"] == token


@each_service
async def test_an_account_is_set_up_once(
    hass: HomeAssistant,
    simulator: Simulator,
    set_up_entry: AsyncMock,
    service: str,
) -> None:
    form = await ask_for_token(hass, service)
    created = await submit(hass, form, token=token_of(simulator, service))
    assert created["type"] is FlowResultType.CREATE_ENTRY
    form = await ask_for_token(hass, service)
    again = await submit(hass, form, token=token_of(simulator, service))
    assert again["type"] is FlowResultType.ABORT
    assert again["reason"] == "already_configured"


@each_service
async def test_a_new_token_when_the_old_one_is_refused(
    hass: HomeAssistant,
    simulator: Simulator,
    set_up_entry: AsyncMock,
    service: str,
) -> None:
    entry = service_entry(simulator, service)
    entry.add_to_hass(hass)
    entry.async_start_reauth(hass)
    await hass.async_block_till_done()
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["step_id"] == "reauth_confirm"
    configure = hass.config_entries.flow.async_configure
    form = await configure(flow["flow_id"], {"token": "wrong"})
    assert form["errors"] == {"token": "invalid_auth"}
    token = token_of(simulator, service)
    hass.config_entries.async_update_entry(entry, unique_id=simulator.urls[service])
    result = await configure(flow["flow_id"], {"token": token})
    assert result["reason"] == "reauth_successful"
    assert entry.data["token"] == token


@each_service
async def test_reconfiguring(
    hass: HomeAssistant,
    simulator: Simulator,
    set_up_entry: AsyncMock,
    service: str,
) -> None:
    form = await ask_for_token(hass, service)
    created = await submit(hass, form, token=token_of(simulator, service))
    entry = created["result"]
    form = await hass.config_entries.flow.async_init(
        "keycard", context={"source": "reconfigure", "entry_id": entry.entry_id}
    )
    assert form["step_id"] == "token"
    form = await submit(hass, form, token="wrong")
    assert form["errors"] == {"token": "invalid_auth"}
    fresh = token_of(simulator, service)
    result = await submit(hass, form, token=fresh)
    assert result["reason"] == "reconfigure_successful"
    assert entry.data["token"] == fresh


async def test_a_token_of_another_account_is_rejected(
    hass: HomeAssistant, simulator: Simulator, set_up_entry: AsyncMock
) -> None:
    entry = MockConfigEntry(
        domain="keycard",
        unique_id="somebody@else",
        data=dict(service_entry(simulator, "tessie").data),
    )
    entry.add_to_hass(hass)
    form = await hass.config_entries.flow.async_init(
        "keycard", context={"source": "reconfigure", "entry_id": entry.entry_id}
    )
    form = await submit(hass, form, token=simulator.tessie_token())
    assert form["errors"] == {"token": "other_account"}


# Sign-in


async def test_signing_in_with_teslemetry(
    hass: HomeAssistant,
    simulator: Simulator,
    sign_in: SignIn,
    set_up_entry: AsyncMock,
) -> None:
    menu = await choose_provider(hass, "teslemetry")
    page = await submit(hass, menu, next_step_id="teslemetry_sign_in")
    query_params = parse_qs(urlsplit(page["url"]).query)
    assert query_params["code_challenge_method"] == ["S256"]
    assert query_params["name"] == [hass.config.location_name]
    created = await sign_in(page)
    assert created["type"] is FlowResultType.CREATE_ENTRY
    data = dict(created["data"])
    token = data.pop("token")
    assert set(token) >= {"access_token", "refresh_token", "expires_at"}
    assert data == {
        "provider": "teslemetry",
        "region": "eu",
        "base_url": simulator.urls["teslemetry"],
        "auth_implementation": "teslemetry",
        "client_id": query_params["client_id"][0],
    }


async def test_a_service_that_does_not_answer(
    hass: HomeAssistant,
    simulator: Simulator,
    sign_in: SignIn,
    set_up_entry: AsyncMock,
) -> None:
    simulator.set("teslemetry.api", "503 <html>down</html>")
    menu = await choose_provider(hass, "teslemetry")
    form = await submit(hass, menu, next_step_id="teslemetry_sign_in")
    assert form["errors"] == {"base": "service_unreachable"}
    simulator.set("teslemetry.api", "ok")
    page = await submit(hass, form)
    assert (await sign_in(page))["type"] is FlowResultType.CREATE_ENTRY


async def test_signing_in_again(
    hass: HomeAssistant,
    simulator: Simulator,
    sign_in: SignIn,
    set_up_entry: AsyncMock,
) -> None:
    menu = await choose_provider(hass, "teslemetry")
    page = await submit(hass, menu, next_step_id="teslemetry_sign_in")
    entry = (await sign_in(page))["result"]
    before = entry.data["token"]
    entry.async_start_reauth(hass)
    await hass.async_block_till_done()
    (flow,) = hass.config_entries.flow.async_progress()
    page = await hass.config_entries.flow.async_configure(flow["flow_id"], {})
    result = await sign_in(page)
    assert result["reason"] == "reauth_successful"
    assert entry.data["token"] != before
    assert entry.data["client_id"]


async def test_the_sign_in_is_renewed(
    hass: HomeAssistant, simulator: Simulator, sign_in: SignIn
) -> None:
    menu = await choose_provider(hass, "teslemetry")
    page = await submit(hass, menu, next_step_id="teslemetry_sign_in")
    entry = (await sign_in(page))["result"]
    await hass.async_block_till_done()
    before = entry.data["token"]["access_token"]
    hass.config_entries.async_update_entry(
        entry,
        data={**entry.data, "token": {**entry.data["token"], "expires_at": 0}},
    )
    await hass.config_entries.async_reload(entry.entry_id)
    await until(hass, lambda: entry.data["token"]["access_token"] != before)
    await until(hass, lambda: len(entry.runtime_data.vehicles) == 2)
