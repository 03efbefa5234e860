"""Flow for a server with a self-signed certificate: shown, pinned and renewed."""

import asyncio
import socket
from typing import Any
from unittest.mock import AsyncMock, patch

import aiohttp
import pytest
from yarl import URL

from homeassistant.components.repairs import DOMAIN as REPAIRS
from homeassistant.components.repairs.models import RepairsFlowResult
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.issue_registry import IssueEntry, IssueSeverity
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.const import DOMAIN
from custom_components.keycard.diagnostics import async_get_config_entry_diagnostics
from custom_components.keycard.transport.pinning import (
    format_fingerprint,
    parse_certificate,
)
from simulator import Simulator

from .command_table import act
from .config_entries import tesla_proxy_entry
from .conftest import SetUp, state_of, until
from .flow_steps import (
    assert_leads_to_device,
    assert_texts_fit,
    choose_provider,
    open_repair,
    server_input,
    submit,
    submit_repair,
    suggested_values,
)


@pytest.fixture(autouse=True)
async def refusing_is_no_error() -> None:
    """Disable debug mode, in which a rejected handshake is an error."""
    asyncio.get_running_loop().set_debug(False)


def own_server(simulator: Simulator, **changes: Any) -> dict[str, Any]:
    """Return the user input for Tesla's own proxy."""
    return server_input(simulator, base_url=simulator.urls["tesla_proxy"], **changes)


def certificate_issue(hass: HomeAssistant, entry: MockConfigEntry) -> IssueEntry | None:
    """Return the repair about a changed certificate."""
    issue_id = f"{entry.entry_id}_certificate_changed"
    return ir.async_get(hass).async_get_issue(DOMAIN, issue_id)


def assert_shows(
    form: ConfigFlowResult | RepairsFlowResult,
    simulator: Simulator,
    *,
    step: str = "certificate",
    before: str | None = None,
) -> None:
    """Check that a form shows the current certificate, and the one trusted so far."""
    assert form["type"] is FlowResultType.FORM
    assert form["step_id"] == step
    schema = form["data_schema"]
    assert schema is not None
    assert {str(key) for key in schema.schema} == {"trust"}
    shown = dict(form["description_placeholders"] or {})
    now = simulator.tesla_proxy_certificate.fingerprint
    assert shown["fingerprint"] == format_fingerprint(now)
    assert shown.get("before") == (before and format_fingerprint(before))
    assert shown["subject"] == r"CN\=localhost"
    assert shown["expires"] == "2100-01-01"


def tokens_shown(simulator: Simulator) -> int:
    """Return the number of requests the proxy received."""
    return sum(
        count
        for name, count in simulator.usage.by_endpoint.items()
        if name.startswith("tesla_proxy.")
    )


async def test_a_certificate_is_shown_and_pinned(
    hass: HomeAssistant, simulator: Simulator, set_up_entry: AsyncMock
) -> None:
    form = await submit(
        hass, await choose_provider(hass, "compatible"), **own_server(simulator)
    )
    assert_shows(form, simulator)
    form = await submit(hass, form, trust=False)
    assert form["errors"] == {"trust": "not_trusted"}
    # No request has been sent yet.
    assert tokens_shown(simulator) == 0
    created = await submit(hass, form, trust=True)
    assert_leads_to_device(hass, created)
    assert created["data"] == {
        "provider": "compatible",
        "region": "eu",
        "base_url": simulator.urls["tesla_proxy"],
        "token": simulator.token,
        "fingerprint": simulator.tesla_proxy_certificate.fingerprint,
    }


async def test_a_certificate_that_changes_during_the_flow(
    hass: HomeAssistant, simulator: Simulator, set_up_entry: AsyncMock
) -> None:
    form = await submit(
        hass, await choose_provider(hass, "compatible"), **own_server(simulator)
    )
    simulator.renew_certificate()
    form = await submit(hass, form, trust=True)
    assert tokens_shown(simulator) == 0
    assert_shows(form, simulator)
    created = await submit(hass, form, trust=True)
    fingerprint = simulator.tesla_proxy_certificate.fingerprint
    assert created["data"]["fingerprint"] == fingerprint


async def test_errors_behind_a_trusted_certificate_are_reported(
    hass: HomeAssistant, simulator: Simulator, set_up_entry: AsyncMock
) -> None:
    form = await choose_provider(hass, "compatible")
    form = await submit(hass, form, **own_server(simulator, token="wrong"))
    form = await submit(hass, form, trust=True)
    assert form["step_id"] == "compatible"
    assert form["errors"]
    assert suggested_values(form)["token"] == "wrong"
    # It is asked once in a flow.
    created = await submit(hass, form, **own_server(simulator))
    assert created["type"] is FlowResultType.CREATE_ENTRY


async def test_teslas_own_hosts_are_never_pinned(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    url = simulator.urls["tesla_proxy"]
    with (
        patch.dict(
            "custom_components.keycard.outage.endpoints._REGION_HOSTS", {"eu": url}
        ),
    ):
        form = await submit(
            hass, await choose_provider(hass, "compatible"), **own_server(simulator)
        )
    assert form["step_id"] == "compatible"
    assert form["errors"] == {"base_url": "certificate"}


@pytest.mark.parametrize("where", ["repair", "reconfigure"])
async def test_a_changed_certificate_stops_all_calls_until_it_is_trusted(
    hass: HomeAssistant, simulator: Simulator, set_up: SetUp, where: str
) -> None:
    assert await async_setup_component(hass, REPAIRS, {})
    simulator.pair("Ada", simulator.tesla_proxy.key)
    entry = tesla_proxy_entry(simulator)
    await set_up(entry)
    await until(hass, lambda: len(entry.runtime_data.vehicles) == 2)
    await until(hass, lambda: state_of(hass, "lock.ada_lock").state == "locked")
    before = entry.data["fingerprint"]
    assert certificate_issue(hass, entry) is None

    simulator.renew_certificate()
    # Kept connections are dropped, which takes a moment to arrive.
    await asyncio.sleep(0.05)
    answered = tokens_shown(simulator)
    with pytest.raises(HomeAssistantError) as caught:
        await act(hass, "lock.ada_lock", "unlock")
    assert caught.value.translation_key == "server_certificate"
    assert tokens_shown(simulator) == answered
    await hass.async_block_till_done()
    issue = certificate_issue(hass, entry)
    assert issue is not None
    assert issue.severity is IssueSeverity.ERROR
    assert issue.is_fixable

    if where == "reconfigure":
        form = await entry.start_reconfigure_flow(hass)
        assert form["step_id"] == "compatible"
        form = await submit(hass, form, **own_server(simulator))
        assert_shows(form, simulator, step="certificate_changed", before=before)
        result = await submit(hass, form, trust=True)
        assert result["reason"] == "reconfigure_successful"
    else:
        opened = await open_repair(hass, issue)
        assert_shows(opened, simulator, step="confirm", before=before)
        assert_texts_fit(opened, issue)
        opened = await submit_repair(hass, opened, trust=False)
        assert opened["errors"] == {"trust": "not_trusted"}
        assert (tokens_shown(simulator), entry.data["fingerprint"]) == (
            answered,
            before,
        )
        done = await submit_repair(hass, opened, trust=True)
        assert done["type"] is FlowResultType.CREATE_ENTRY
    now = simulator.tesla_proxy_certificate.fingerprint
    assert entry.data["fingerprint"] == now
    await hass.async_block_till_done()
    assert certificate_issue(hass, entry) is None
    await act(hass, "lock.ada_lock", "unlock")
    assert simulator.cars["Ada"].executed["door_unlock"] == 1


async def test_a_repair_of_a_certificate_that_is_shown_no_more(
    hass: HomeAssistant, simulator: Simulator, set_up: SetUp
) -> None:
    assert await async_setup_component(hass, REPAIRS, {})
    entry = tesla_proxy_entry(simulator)
    await set_up(entry)
    await until(hass, lambda: len(entry.runtime_data.vehicles) == 2)
    certificate = entry.runtime_data.provider.certificate
    simulator.renew_certificate()
    await asyncio.sleep(0.05)
    with pytest.raises(HomeAssistantError):
        await act(hass, "lock.ada_lock", "unlock")
    await hass.async_block_till_done()
    issue = certificate_issue(hass, entry)
    assert issue is not None
    # The server that is off shows nothing.
    simulator.set("tesla_proxy.api", "refuse")
    opened = await open_repair(hass, issue)
    assert (opened["type"], opened["reason"]) == (
        FlowResultType.ABORT,
        "no_certificate",
    )
    assert certificate.rejected
    assert certificate_issue(hass, entry) is not None
    simulator.set("tesla_proxy.api", "ok")
    # One that Home Assistant accepts needs no pin.
    opened = await open_repair(hass, issue)
    with patch(
        "custom_components.keycard.repairs.async_is_accepted", return_value=True
    ):
        await submit_repair(hass, opened, trust=True)
    assert "fingerprint" not in entry.data


async def test_a_server_may_have_a_public_name_and_a_private_address(
    hass: HomeAssistant,
    simulator: Simulator,
    set_up: SetUp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = ("127.0.0.1", URL(simulator.urls["tesla_proxy"]).port or 0)

    async def resolve(_connector: object, host: str, port: int, **_: object) -> object:
        return [
            {
                "hostname": host,
                "host": address[0],
                "port": port,
                "family": socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
        ]

    async def getaddrinfo(*_: object, **__: object) -> object:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)]

    monkeypatch.setattr(aiohttp.TCPConnector, "_resolve_host", resolve)
    monkeypatch.setattr(hass.loop, "getaddrinfo", getaddrinfo)
    url = f"https://proxy.example.org:{address[1]}"
    form = await choose_provider(hass, "compatible")
    form = await submit(hass, form, **server_input(simulator, base_url=url))
    assert_shows(form, simulator)
    created = await submit(hass, form, trust=True)
    entry = created["result"]
    await until(hass, lambda: len(entry.runtime_data.vehicles) == 2)
    simulator.renew_certificate()
    await asyncio.sleep(0.05)
    with pytest.raises(HomeAssistantError) as caught:
        await act(hass, "lock.ada_lock", "unlock")
    assert caught.value.translation_key == "server_certificate"


async def test_a_token_is_renewed_behind_the_pinned_certificate(
    hass: HomeAssistant,
    simulator: Simulator,
    set_up_entry: AsyncMock,
) -> None:
    entry = tesla_proxy_entry(simulator)
    entry.add_to_hass(hass)
    form = await entry.start_reauth_flow(hass)
    fresh = simulator.access_token("openid", "vehicle_device_data")
    simulator.renew_certificate()
    form = await submit(hass, form, token=fresh)
    assert form["errors"] == {"base": "certificate"}
    assert tokens_shown(simulator) == 0
    hass.config_entries.async_update_entry(
        entry,
        data={
            **entry.data,
            "fingerprint": simulator.tesla_proxy_certificate.fingerprint,
        },
    )
    result = await submit(hass, form, token=fresh)
    assert result["reason"] == "reauth_successful"


async def test_a_server_that_moved_needs_no_pin(
    hass: HomeAssistant, simulator: Simulator, set_up_entry: AsyncMock
) -> None:
    entry = tesla_proxy_entry(simulator)
    entry.add_to_hass(hass)
    form = await entry.start_reconfigure_flow(hass)
    url = simulator.urls["proxy"]
    result = await submit(hass, form, **server_input(simulator, base_url=url))
    assert result["reason"] == "reconfigure_successful"
    assert entry.data["base_url"] == url
    assert "fingerprint" not in entry.data


async def test_diagnostics_do_not_name_the_server(
    hass: HomeAssistant, simulator: Simulator, set_up: SetUp
) -> None:
    entry = tesla_proxy_entry(simulator)
    await set_up(entry)
    described = str(await async_get_config_entry_diagnostics(hass, entry))
    for secret in ("base_url", "fingerprint", "token"):
        assert entry.data[secret] not in described


async def test_an_invalid_certificate_has_a_fingerprint() -> None:
    odd = parse_certificate(b"\x30\x03odd")
    assert len(odd.fingerprint) == 64
    assert (odd.subject, odd.expires) == ("", None)
    assert format_fingerprint("ab01") == "AB:01"


@pytest.mark.parametrize("token", ["wrong", "a.b.c"])
async def test_a_token_that_is_none_of_teslas(
    hass: HomeAssistant, simulator: Simulator, token: str
) -> None:
    form = await choose_provider(hass, "compatible")
    form = await submit(hass, form, **own_server(simulator, token=token))
    form = await submit(hass, form, trust=True)
    assert form["errors"] == {"token": "invalid_auth"}


async def test_a_token_of_eight_hours_is_requested_again(
    hass: HomeAssistant, simulator: Simulator, set_up: SetUp
) -> None:
    entry = tesla_proxy_entry(simulator)
    await set_up(entry)
    await until(hass, lambda: len(entry.runtime_data.vehicles) == 2)
    simulator.set_token("expired")
    with patch("custom_components.keycard.outage.account._PROOF_AFTER", 0.0):
        for _ in range(2):
            with pytest.raises(HomeAssistantError):
                await act(hass, "lock.ada_lock", "unlock")
            await hass.async_block_till_done()
    await until(hass, lambda: bool(hass.config_entries.flow.async_progress()))
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == "reauth"
