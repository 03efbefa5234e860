"""The config flow, with real HTTP requests."""

from typing import Any
from unittest.mock import AsyncMock, patch

import pytest

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.flows.fields import is_https_or_local, normalize_url
from custom_components.keycard.flows.server_check import ConnectionCheck
from custom_components.keycard.outage import endpoints
from custom_components.keycard.outage.endpoints import default_hosts, region_of_country
from custom_components.keycard.transport.http import Failure, HttpResult
from custom_components.keycard.transport.result import ApiCall
from simulator import Simulator
from simulator.scenarios.scenario import CarSpec

from .conftest import SetUp, until
from .flow_steps import (
    assert_leads_to_device,
    choose_provider,
    fields,
    server_input,
    submit,
    suggested_values,
)

ADA = {"name": "Ada", "model": "model3", "year": 2021, "key": "keycard"}


# Fields


@pytest.mark.parametrize(
    ("country", "region"),
    [
        ("US", "na"),
        ("JP", "na"),
        ("AU", "na"),
        ("CL", "na"),
        ("DE", "eu"),
        ("GB", "eu"),
        ("IL", "eu"),
        ("ZA", "eu"),
        ("CN", "cn"),
        ("HK", "na"),
        (None, "na"),
    ],
)
def test_region_of_a_country(country: str | None, region: str) -> None:
    assert region_of_country(country) == region


@pytest.mark.parametrize(
    ("url", "form"),
    [
        (" https://Proxy.Example.org/ ", "https://proxy.example.org"),
        ("https://proxy.example.org:443/tesla/", "https://proxy.example.org/tesla"),
        ("http://192.168.1.5:8080#part", "http://192.168.1.5:8080"),
        ("https://[fd00::5]", "https://[fd00::5]"),
        ("proxy.example.org", None),
        ("ftp://proxy.example.org", None),
        ("https://", None),
        ("https://owner:secret@proxy.example.org", None),
        ("https://:secret@proxy.example.org", None),
        ("https://proxy.example.org?x=1", None),
        ("https://proxy.example.org/tesla?x=1", None),
        ("https://proxy.example.org:port", None),
        ("", None),
    ],
)
def test_urls_take_one_form(url: str, form: str | None) -> None:
    assert normalize_url(url) == form


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://proxy.example.org", True),
        ("http://proxy.example.org", False),
        ("http://8.8.8.8", False),
        ("http://240.0.0.1", False),
        ("http://198.51.100.7", False),
        ("http://0.0.0.0", False),
        ("http://[2001:db8::1]", False),
        ("http://[::ffff:8.8.8.8]", False),
        ("http://[::ffff:192.168.1.5]", True),
        ("http://169.254.1.1", True),
        ("http://127.0.0.1:8080", True),
        ("http://10.1.2.3", True),
        ("http://[fd00::5]", True),
        ("http://tesla-proxy:8080", True),
        ("http://proxy.local", True),
        ("http://local.example.org", False),
    ],
)
def test_unencrypted_stays_at_home(url: str, safe: bool) -> None:
    assert is_https_or_local(url) is safe


# Without an account


async def test_watch_only(hass: HomeAssistant, set_up_entry: AsyncMock) -> None:
    hass.config.country = "DE"
    form = await choose_provider(hass, "watch_only")
    assert form["step_id"] == "watch_only"
    assert suggested_values(form) == {"region": "eu"}

    form = await submit(hass, form, region="eu")
    assert form["step_id"] == "car"
    assert form["description_placeholders"] == {"cars": "-"}

    form = await submit(hass, form, name="  ", model="model3", another=False)
    assert form["errors"] == {"name": "no_name"}
    assert suggested_values(form)["model"] == "model3"

    form = await submit(hass, form, **ADA, another=True)
    assert form["step_id"] == "car"
    assert form["errors"] == {}
    assert suggested_values(form) == {}
    assert form["description_placeholders"] == {"cars": "Ada"}

    # A duplicate name, and no year and key.
    form = await submit(hass, form, name="Ada", model="models", another=True)
    created = await submit(hass, form, name="Bo", model="modely", another=False)
    assert_leads_to_device(hass, created)
    assert created["title"] == "Tesla cloud (Europe)"
    assert created["data"] == {"provider": "watch_only", "region": "eu"}
    assert created["options"] == {
        "cars": {
            "ada": ADA,
            # Their keys follow from the model.
            "ada_2": {"name": "Ada", "model": "models", "year": None},
            "bo": {"name": "Bo", "model": "modely", "year": None},
        },
        "notifications": {},
    }
    assert created["result"].unique_id == "watch_eu"
    assert len(set_up_entry.mock_calls) == 1


async def test_title_is_in_the_language_of_home_assistant(
    hass: HomeAssistant, set_up_entry: AsyncMock
) -> None:
    hass.config.language = "de"
    form = await choose_provider(hass, "watch_only")
    form = await submit(hass, form, region="eu")
    created = await submit(hass, form, **ADA, another=False)
    assert created["title"] == "Tesla-Cloud (Europa)"


async def test_a_region_is_watched_once(
    hass: HomeAssistant, watching_entry: MockConfigEntry
) -> None:
    watching_entry.add_to_hass(hass)
    form = await choose_provider(hass, "watch_only")
    result = await submit(hass, form, region="eu")
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"


async def test_cars_of_two_entries_keep_apart(
    hass: HomeAssistant, watching_entry: MockConfigEntry, set_up_entry: AsyncMock
) -> None:
    watching_entry.add_to_hass(hass)
    form = await choose_provider(hass, "watch_only")
    form = await submit(hass, form, region="na")
    created = await submit(hass, form, **ADA, another=False)
    assert list(created["options"]["cars"]) == ["ada_2"]


# A server


async def test_compatible(
    hass: HomeAssistant, simulator: Simulator, set_up_entry: AsyncMock
) -> None:
    hass.config.country = "DE"
    form = await choose_provider(hass, "compatible")
    assert form["step_id"] == "compatible"
    assert suggested_values(form) == {"region": "eu"}
    assert "anyway" not in fields(form)

    url = simulator.urls["eu"]
    created = await submit(hass, form, **server_input(simulator, base_url=f" {url}/ "))
    assert created["type"] is FlowResultType.CREATE_ENTRY
    assert created["title"] == "Tesla cloud (127.0.0.1)"
    assert created["data"] == {
        "provider": "compatible",
        "region": "eu",
        "base_url": url,
        "token": simulator.token,
    }
    assert created["result"].unique_id is not None
    assert created["result"].unique_id.endswith(f"@{url.removeprefix('http://')}")
    assert len(set_up_entry.mock_calls) == 1


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"base_url": "no address"}, {"base_url": "invalid_url"}),
        ({"base_url": "http://proxy.example.org"}, {"base_url": "not_encrypted"}),
        ({"base_url": "https://:pw@host"}, {"base_url": "invalid_url"}),
        ({"base_url": "http://240.0.0.1"}, {"base_url": "not_encrypted"}),
        ({"token": "wrong"}, {"token": "invalid_auth"}),
        ({"token": "two\nlines"}, {"token": "token_form"}),
        ({"token": "Bearer abc"}, {"token": "token_form"}),
        ({"token": "t\u00f6ken"}, {"token": "token_form"}),
    ],
)
async def test_wrong_answers_can_be_put_right(
    hass: HomeAssistant,
    simulator: Simulator,
    set_up_entry: AsyncMock,
    changes: dict[str, Any],
    errors: dict[str, str],
) -> None:
    form = await choose_provider(hass, "compatible")
    form = await submit(hass, form, **server_input(simulator, **changes))
    assert form["type"] is FlowResultType.FORM
    assert form["errors"] == errors
    assert suggested_values(form) == server_input(simulator, **changes)
    assert "anyway" not in fields(form)

    created = await submit(hass, form, **server_input(simulator))
    assert_leads_to_device(hass, created)


FAULTS = [
    ("refuse", "base", "cannot_connect", True),
    ("reset", "base", "cut_off", True),
    ("503 upstream connect error", "base", "server_error", True),
    ("retry-after:60", "base", "rate_limited", True),
    ('403 {"error":"account disabled: EXCEEDED_LIMIT"}', "base", "limit", True),
    ('401 {"error":"mobile_access_disabled"}', "base", "mobile_access_disabled", True),
    ("portal", "base_url", "web_page", False),
    ("garbage", "base_url", "not_fleet_api", False),
    ('404 {"error":"not_found"}', "base_url", "not_fleet_api", False),
    ('200 {"response":"none"}', "base_url", "not_fleet_api", False),
    ("403 <html><body>blocked</body></html>", "base", "blocked", False),
    ('403 {"error":"forbidden, see fleet-api"}', "base", "policy", False),
    ('412 {"error":"not registered"}', "base", "not_registered", False),
    ('401 {"error":"login_required"}', "token", "invalid_auth", False),
]


@pytest.mark.parametrize(("condition", "where", "error", "may_pass"), FAULTS)
async def test_faults_of_a_server(
    *,
    hass: HomeAssistant,
    simulator: Simulator,
    set_up_entry: AsyncMock,
    condition: str,
    where: str,
    error: str,
    may_pass: bool,
) -> None:
    simulator.set("eu.api", condition)
    if condition == "refuse":
        simulator.set("eu.status", condition)
    form = await choose_provider(hass, "compatible")
    form = await submit(hass, form, **server_input(simulator))
    assert form["type"] is FlowResultType.FORM
    assert form["errors"] == {where: error}
    assert ("anyway" in fields(form)) is may_pass

    if may_pass:
        # Without confirmation by the user the error stays.
        form = await submit(hass, form, **server_input(simulator), anyway=False)
        assert form["errors"] == {where: error}

    simulator.reset()
    created = await submit(
        hass, form, **server_input(simulator), **({"anyway": False} if may_pass else {})
    )
    assert created["type"] is FlowResultType.CREATE_ENTRY


async def test_set_up_in_an_outage(
    hass: HomeAssistant, simulator: Simulator, set_up_entry: AsyncMock
) -> None:
    simulator.set("eu.api", "503 upstream connect error")
    form = await choose_provider(hass, "compatible")
    form = await submit(hass, form, **server_input(simulator))
    created = await submit(hass, form, **server_input(simulator), anyway=True)
    assert created["type"] is FlowResultType.CREATE_ENTRY
    assert created["result"].unique_id == simulator.urls["eu"]
    assert "anyway" not in created["data"]


async def test_a_wrong_token_does_not_pass_in_an_outage(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    simulator.set("eu.api", "503 upstream connect error")
    form = await choose_provider(hass, "compatible")
    form = await submit(hass, form, **server_input(simulator))
    simulator.reset()
    form = await submit(
        hass, form, **server_input(simulator, token="wrong"), anyway=True
    )
    assert form["errors"] == {"token": "invalid_auth"}


@pytest.mark.parametrize(
    ("failure", "error", "may_pass"),
    [
        ("timeout", "timeout", True),
        ("name", "name_not_found", False),
        ("address", "blocked_name", False),
        ("certificate", "certificate", False),
        ("too_large", "not_fleet_api", False),
        ("other", "not_fleet_api", False),
    ],
)
async def test_failures_that_loopback_does_not_show(
    *,
    hass: HomeAssistant,
    simulator: Simulator,
    set_up_entry: AsyncMock,
    failure: str,
    error: str,
    may_pass: bool,
) -> None:
    call = ApiCall(
        answer=HttpResult(sent_at=0.0, elapsed=1.0, failure=Failure(failure))
    )
    form = await choose_provider(hass, "compatible")
    with patch(
        "custom_components.keycard.transport.cloud.FleetClient.products",
        return_value=call,
    ):
        form = await submit(hass, form, **server_input(simulator))
    assert list((form["errors"] or {}).values()) == [error]
    assert ("anyway" in fields(form)) is may_pass
    created = await submit(hass, form, **server_input(simulator))
    assert created["type"] is FlowResultType.CREATE_ENTRY


async def test_another_region_is_offered(
    hass: HomeAssistant,
    simulator: Simulator,
    set_up_entry: AsyncMock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        endpoints,
        "_REGION_HOSTS",
        {name: simulator.urls[name] for name in endpoints.REGIONS},
    )
    form = await choose_provider(hass, "compatible")
    form = await submit(
        hass,
        form,
        **server_input(simulator, base_url=simulator.urls["na"], region="na"),
    )
    assert form["errors"] == {"base_url": "wrong_region"}
    assert suggested_values(form)["base_url"] == simulator.urls["eu"]
    assert suggested_values(form)["region"] == "eu"

    created = await submit(hass, form, **server_input(simulator))
    assert created["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize(
    "named", ["", "nowhere", "http://8.8.8.8", "https://collector.example.org"]
)
async def test_no_bad_address_is_offered(
    hass: HomeAssistant, simulator: Simulator, named: str
) -> None:
    simulator.set("eu.api", f'421 {{"error":"use base URL: {named}"}}')
    form = await choose_provider(hass, "compatible")
    form = await submit(hass, form, **server_input(simulator))
    assert form["errors"] == {"base_url": "wrong_region"}
    assert suggested_values(form)["base_url"] == simulator.urls["eu"]


async def test_the_same_account_is_set_up_once(
    hass: HomeAssistant, simulator: Simulator, set_up_entry: AsyncMock
) -> None:
    form = await choose_provider(hass, "compatible")
    created = await submit(hass, form, **server_input(simulator))
    assert created["type"] is FlowResultType.CREATE_ENTRY

    form = await choose_provider(hass, "compatible")
    result = await submit(hass, form, **server_input(simulator))
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"

    # Not with a new token, either.
    form = await choose_provider(hass, "compatible")
    other = simulator.access_token("openid", "vehicle_device_data")
    result = await submit(hass, form, **server_input(simulator, token=other))
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"


async def test_the_same_cars_are_set_up_once(
    hass: HomeAssistant,
    simulator: Simulator,
    compatible_entry: MockConfigEntry,
    set_up: SetUp,
) -> None:
    await set_up(compatible_entry)
    await until(hass, lambda: len(compatible_entry.runtime_data.vehicles) == 2)
    form = await choose_provider(hass, "compatible")
    proxy = server_input(simulator, base_url=simulator.urls["proxy"])
    result = await submit(hass, form, **proxy)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"

    # With another car it is another entry.
    simulator.add_car(CarSpec(name="Bo", model="modely", year=2022))
    form = await choose_provider(hass, "compatible")
    with patch("custom_components.keycard.async_setup_entry", return_value=True):
        result = await submit(hass, form, **proxy)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_an_account_without_cars(
    hass: HomeAssistant, simulator: Simulator, set_up_entry: AsyncMock
) -> None:
    simulator.set("eu.api", "empty")
    form = await choose_provider(hass, "compatible")
    created = await submit(hass, form, **server_input(simulator))
    assert created["result"].unique_id == simulator.urls["eu"]


async def test_the_region_follows_from_teslas_address(
    hass: HomeAssistant, simulator: Simulator, set_up_entry: AsyncMock
) -> None:
    na_hosts = default_hosts("na").regions["na"]
    with patch(
        "custom_components.keycard.flows.services.check_server",
        return_value=ConnectionCheck(account="7"),
    ):
        result = await submit(
            hass,
            await choose_provider(hass, "compatible"),
            **server_input(simulator, base_url=f"{na_hosts}/", region="eu"),
        )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "Tesla cloud (North America, Asia-Pacific)"
    assert result["data"]["region"] == "na"
    assert len(set_up_entry.mock_calls) == 1
