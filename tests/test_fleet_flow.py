"""The flow that signs in with Tesla, with real HTTP requests to the simulator."""

import asyncio
import time
from typing import Any
from unittest.mock import AsyncMock
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
import pytest

from homeassistant.config_entries import SOURCE_RECONFIGURE, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.keycard.application_credentials import (
    async_get_description_placeholders,
)
from custom_components.keycard.auth.keys import PUBLIC_KEY_PATH, async_get_signing_key
from custom_components.keycard.const import DOMAIN
from custom_components.keycard.flows import server_check
from custom_components.keycard.flows.fleet import (
    DATA_ABORTED,
    MAX_CREDENTIALS_SECONDS,
    AbortedStep,
)
from custom_components.keycard.outage import endpoints
from custom_components.keycard.providers.scopes import SCOPES
from custom_components.keycard.transport.key_pair import public_pem
from simulator import Simulator

from .config_entries import APPLICATION, add_application, fleet_entry
from .conftest import SignIn, state_of, until
from .flow_steps import (
    assert_leads_to_device,
    choose,
    choose_provider,
    fields,
    start_flow,
    submit,
    suggested_values,
)
from .repository_files import strings, translations

HERE = "https://home.example.org"
DOMAIN_NAME = "home.example.org"


@pytest.fixture(autouse=True)
def tesla(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """Use the simulator for Tesla's endpoints."""
    urls = simulator.urls
    auth = f"{urls['auth']}/oauth2/v3"
    regions = {region: urls[region] for region in endpoints.REGIONS}
    monkeypatch.setattr(endpoints, "_REGION_HOSTS", regions)
    monkeypatch.setattr(endpoints, "_SIGN_IN", (f"{auth}/token",))
    monkeypatch.setattr(endpoints, "_SIGN_IN_CN", (f"{auth}/token",))
    authorize = dict.fromkeys(endpoints.REGIONS, f"{auth}/authorize")
    monkeypatch.setattr(endpoints, "_AUTHORIZE", authorize)
    monkeypatch.setattr(
        "custom_components.keycard.flows.server_check.public_key_url",
        lambda _domain: f"{urls['domain']}{PUBLIC_KEY_PATH}",
    )
    simulator.apps.credentials["client-id"] = "client-secret"
    return simulator


@pytest.fixture
async def application(hass: HomeAssistant) -> None:
    """Add application credentials."""
    await add_application(hass)


@pytest.fixture
async def hosted(hass: HomeAssistant, simulator: Simulator) -> str:
    """Host the public key of this home."""
    pem = public_pem(await async_get_signing_key(hass))
    simulator.apps.host(pem)
    return pem


async def begin(hass: HomeAssistant, **changes: Any) -> ConfigFlowResult:
    """Choose Tesla and submit the first form."""
    form = await choose_provider(hass, "fleet")
    assert form["step_id"] == "fleet"
    values = {"region": "eu", "domain": DOMAIN_NAME, **changes}
    return await submit(hass, form, **values)


@pytest.mark.usefixtures("application", "hosted")
async def test_sign_in(
    hass: HomeAssistant,
    simulator: Simulator,
    sign_in: SignIn,
    set_up_entry: AsyncMock,
) -> None:
    hass.config.country = "DE"
    hass.config.external_url = HERE
    form = await choose_provider(hass, "fleet")
    assert suggested_values(form) == {"region": "eu", "domain": DOMAIN_NAME}
    assert fields(form) == {"region", "domain"}

    page = await submit(hass, form, region="eu", domain=f"https://{DOMAIN_NAME}/")
    query_params = parse_qs(urlsplit(page["url"]).query)
    assert query_params["client_id"] == ["client-id"]
    assert query_params["scope"] == [" ".join(SCOPES)]
    assert query_params["prompt_missing_scopes"] == ["true"]
    # The application is registered in the region before the sign-in.
    assert simulator.apps.registration("client-id", "eu") is not None

    created = await sign_in(page)
    assert_leads_to_device(hass, created)
    assert created["title"] == "Tesla cloud (Europe)"
    data = dict(created["data"])
    token = data.pop("token")
    assert data == {
        "provider": "fleet",
        "region": "eu",
        "base_url": simulator.urls["eu"],
        "domain": DOMAIN_NAME,
        "auth_implementation": APPLICATION,
    }
    assert set(token) >= {"access_token", "refresh_token", "expires_at"}
    assert len(set_up_entry.mock_calls) == 1


@pytest.mark.usefixtures("application", "hosted")
async def test_the_cars_come_and_obey(
    hass: HomeAssistant, simulator: Simulator, sign_in: SignIn
) -> None:
    created = await sign_in(await begin(hass))
    entry = created["result"]
    await hass.async_block_till_done()
    await until(hass, lambda: len(entry.runtime_data.vehicles) == 2)
    await until(hass, lambda: hass.states.get("lock.ada_lock") is not None)
    await hass.services.async_call(
        "lock", "unlock", {"entity_id": "lock.ada_lock"}, blocking=True
    )
    assert simulator.cars["Ada"].executed["door_unlock"] == 1


async def test_without_an_application(hass: HomeAssistant) -> None:
    result = await choose_provider(hass, "fleet")
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "missing_credentials"


@pytest.mark.usefixtures("application")
@pytest.mark.parametrize(
    "domain", ["", "home", "http://", "home example.org", "192.168.1.5", "-a.example"]
)
async def test_invalid_domains(hass: HomeAssistant, domain: str) -> None:
    form = await begin(hass, domain=domain)
    assert form["step_id"] == "fleet"
    assert form["errors"] == {"domain": "invalid_domain"}


# Public key at the domain


@pytest.mark.usefixtures("application")
@pytest.mark.parametrize(
    ("condition", "error", "may_pass"),
    [
        ("404 not found", "key_not_shown", True),
        ("503 <html>down</html>", "key_not_shown", True),
        ("refuse", "domain_unreachable", True),
        ("timeout", "domain_unreachable", True),
        ("200 <html>welcome</html>", "key_not_pem", False),
        ("200 -----BEGIN PUBLIC KEY-----", "key_not_pem", False),
    ],
)
async def test_a_key_that_is_not_shown(
    hass: HomeAssistant,
    simulator: Simulator,
    sign_in: SignIn,
    set_up_entry: AsyncMock,
    monkeypatch: pytest.MonkeyPatch,
    *,
    condition: str,
    error: str,
    may_pass: bool,
) -> None:
    simulator.set("domain.key", condition)
    with monkeypatch.context() as patched:
        if condition == "timeout":
            patched.setattr(server_check, "_TIMEOUT", 1.0)
        form = await begin(hass)
    assert form["step_id"] == "fleet_key"
    assert form["errors"] == {"base": error}
    assert ("anyway" in fields(form)) is may_pass
    pem = public_pem(await async_get_signing_key(hass))
    assert form["description_placeholders"] is not None
    assert pem in form["description_placeholders"]["pem"]

    # The user fixes it and submits again.
    simulator.set("domain.key", "ok")
    simulator.apps.host(pem)
    page = await submit(hass, form, **({"anyway": False} if may_pass else {}))
    created = await sign_in(page)
    assert created["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.usefixtures("application")
async def test_a_hosted_key_of_another_home_is_an_error(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    simulator.apps.host(public_pem(ec.generate_private_key(ec.SECP256R1())))
    form = await begin(hass)
    assert form["errors"] == {"base": "key_of_another"}
    assert fields(form) == set()


@pytest.mark.usefixtures("application", "hosted", "current_request_with_host")
async def test_a_domain_that_only_tesla_reaches(
    hass: HomeAssistant, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "custom_components.keycard.flows.server_check.public_key_url",
        lambda _domain: f"http://127.0.0.1:9{PUBLIC_KEY_PATH}",
    )
    form = await begin(hass)
    assert form["errors"] == {"base": "domain_unreachable"}
    form = await submit(hass, form, anyway=True)
    assert form["type"] is FlowResultType.EXTERNAL_STEP


@pytest.mark.usefixtures("application")
async def test_a_key_file_that_is_broken(hass: HomeAssistant, key_file: Any) -> None:
    key_file.write_text("not a key")
    result = await begin(hass)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "key_file"


@pytest.mark.usefixtures("application")
async def test_home_assistant_shows_the_key_itself(
    hass: HomeAssistant, hass_client_no_auth: ClientSessionGenerator
) -> None:
    await begin(hass)
    client = await hass_client_no_auth()
    response = await client.get(PUBLIC_KEY_PATH)
    assert response.status == 200
    assert await response.text() == public_pem(await async_get_signing_key(hass))
    assert "PRIVATE" not in await response.text()


# Registration


@pytest.mark.usefixtures("application", "hosted")
@pytest.mark.parametrize(
    ("conditions", "error", "may_pass"),
    [
        (
            {"auth.token": '401 {"error":"invalid_client"}'},
            "application_refused",
            False,
        ),
        ({"auth.token": "503 <html>down</html>"}, "sign_in_disturbed", True),
        ({"auth.token": "403 <html>denied</html>"}, "sign_in_disturbed", True),
        (
            {"eu.api": '500 {"error":"upstream internal error"}'},
            "registration_failed",
            True,
        ),
        ({"eu.api": '400 {"error":"invalid domain"}'}, "registration_refused", False),
        ({"eu.api": '403 {"error":"forbidden"}'}, "application_not_allowed", False),
        ({"eu.api": "retry-after:60"}, "rate_limited", True),
        ({"eu.api": "refuse"}, "cut_off", True),
    ],
)
async def test_a_registration_that_fails(
    hass: HomeAssistant,
    simulator: Simulator,
    sign_in: SignIn,
    set_up_entry: AsyncMock,
    *,
    conditions: dict[str, str],
    error: str,
    may_pass: bool,
) -> None:
    simulator.apply(conditions)
    form = await begin(hass)
    assert form["step_id"] == "fleet_register"
    assert form["errors"] == {"base": error}
    assert ("anyway" in fields(form)) is may_pass
    # An error that quotes the answer has one to quote.
    text = dict(strings(translations("en")))[f"config.error.{error}"]
    assert "{said}" not in text or (form["description_placeholders"] or {})["said"]
    simulator.apply(dict.fromkeys(conditions, "ok"))
    page = await submit(hass, form, **({"anyway": False} if may_pass else {}))
    assert (await sign_in(page))["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.usefixtures("application", "current_request_with_host")
async def test_a_key_that_tesla_does_not_find(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    form = await begin(hass)
    assert form["errors"] == {"base": "key_not_shown"}
    form = await submit(hass, form, anyway=True)
    assert form["step_id"] == "fleet_register"
    assert form["errors"] == {"base": "key_not_found"}
    assert form["description_placeholders"] is not None
    said = form["description_placeholders"]["said"]
    assert said.startswith("Public key download failed")
    assert "{" not in said


@pytest.mark.usefixtures("hosted")
async def test_a_wrong_secret(hass: HomeAssistant, simulator: Simulator) -> None:
    await add_application(hass)
    simulator.apps.credentials["client-id"] = "another"
    form = await begin(hass)
    assert form["errors"] == {"base": "application_refused"}


# Signed in


@pytest.mark.usefixtures("application", "hosted")
async def test_a_scope_that_is_missing_is_named(
    hass: HomeAssistant,
    simulator: Simulator,
    sign_in: SignIn,
    set_up_entry: AsyncMock,
) -> None:
    scopes = "openid offline_access vehicle_device_data vehicle_cmds"
    menu = await sign_in(await begin(hass), scope=scopes)
    assert menu["type"] is FlowResultType.MENU
    assert menu["step_id"] == "fleet_scopes"
    assert menu["menu_options"] == ["fleet_again", "fleet_region"]
    assert menu["description_placeholders"] == {
        "missing": "- vehicle location: without it, Keycard does not know where the "
        "car is\n- vehicle charging management: without it, Keycard cannot control "
        "charging"
    }
    # Another attempt, and then without it.
    page = await submit(hass, menu, next_step_id="fleet_again")
    menu = await sign_in(page, scope=scopes)
    created = await submit(hass, menu, next_step_id="fleet_region")
    assert created["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.usefixtures("application", "hosted")
async def test_a_sign_in_without_a_required_scope(
    hass: HomeAssistant, sign_in: SignIn
) -> None:
    menu = await sign_in(await begin(hass), scope="openid vehicle_cmds")
    assert menu["menu_options"] == ["fleet_again"]


@pytest.mark.usefixtures("application", "hosted")
async def test_an_account_of_another_region(
    hass: HomeAssistant,
    simulator: Simulator,
    sign_in: SignIn,
    set_up_entry: AsyncMock,
) -> None:
    created = await sign_in(await begin(hass, region="na"))
    assert created["data"]["region"] == "eu"
    assert created["data"]["base_url"] == simulator.urls["eu"]
    # It had to be registered there, too.
    assert simulator.apps.registration("client-id", "eu") is not None


@pytest.mark.usefixtures("application", "hosted")
async def test_a_sign_in_in_the_middle_of_an_outage(
    hass: HomeAssistant,
    simulator: Simulator,
    sign_in: SignIn,
    set_up_entry: AsyncMock,
) -> None:
    page = await begin(hass)
    simulator.set("eu.api", '500 {"error":"upstream internal error"}')
    created = await sign_in(page)
    assert created["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.usefixtures("application", "hosted")
async def test_cars_that_want_the_key(
    hass: HomeAssistant,
    simulator: Simulator,
    sign_in: SignIn,
    set_up_entry: AsyncMock,
) -> None:
    simulator.set_signing("Ada", "required")
    form = await sign_in(await begin(hass))
    assert form["step_id"] == "fleet_done"
    vin = simulator.cars["Ada"].vin
    assert form["description_placeholders"] == {
        "links": f"- [Ada](https://tesla.com/_ak/{DOMAIN_NAME}?vin={vin})"
    }
    assert fields(form) == {"qr_code"}
    created = await submit(hass, form)
    assert created["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.usefixtures("application", "hosted")
async def test_paired_cars_need_no_action(
    hass: HomeAssistant,
    simulator: Simulator,
    sign_in: SignIn,
    set_up_entry: AsyncMock,
) -> None:
    simulator.set_signing("Ada", "required")
    simulator.pair("Ada", await async_get_signing_key(hass))
    created = await sign_in(await begin(hass))
    assert created["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.usefixtures("application", "hosted")
async def test_an_account_is_set_up_once(
    hass: HomeAssistant, sign_in: SignIn, set_up_entry: AsyncMock
) -> None:
    assert (await sign_in(await begin(hass)))["type"] is FlowResultType.CREATE_ENTRY
    again = await sign_in(await begin(hass))
    assert again["type"] is FlowResultType.ABORT
    assert again["reason"] == "already_configured"


@pytest.mark.usefixtures("application", "hosted", "sign_in")
async def test_a_denied_consent_aborts_the_flow(
    hass: HomeAssistant, hass_client_no_auth: ClientSessionGenerator
) -> None:
    page = await begin(hass)
    state = parse_qs(urlsplit(page["url"]).query)["state"][0]
    client = await hass_client_no_auth()
    await client.get(
        "/auth/external/callback", params={"state": state, "error": "access_denied"}
    )
    result = await hass.config_entries.flow.async_configure(page["flow_id"])
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "user_rejected_authorize"


@pytest.mark.usefixtures("application", "hosted")
async def test_a_sign_in_host_that_fails_at_the_last_moment(
    hass: HomeAssistant, simulator: Simulator, sign_in: SignIn
) -> None:
    page = await begin(hass)
    simulator.set("auth.token", "503 <html>down</html>")
    result = await sign_in(page)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "oauth_failed"


# Reauth and reconfiguration


@pytest.mark.usefixtures("application", "hosted")
async def test_signing_in_again(
    hass: HomeAssistant,
    simulator: Simulator,
    sign_in: SignIn,
    set_up_entry: AsyncMock,
) -> None:
    created = await sign_in(await begin(hass))
    entry = created["result"]
    before = entry.data["token"]
    entry.async_start_reauth(hass)
    await hass.async_block_till_done()
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["step_id"] == "reauth_sign_in"
    page = await hass.config_entries.flow.async_configure(flow["flow_id"], {})
    result = await sign_in(page)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reauth_successful"
    assert entry.data["token"] != before
    assert entry.data["domain"] == DOMAIN_NAME


@pytest.mark.usefixtures("application", "hosted")
async def test_reauth_with_another_account_is_rejected(
    hass: HomeAssistant, simulator: Simulator, sign_in: SignIn, set_up_entry: AsyncMock
) -> None:
    entry = await fleet_entry(hass, simulator)
    entry.add_to_hass(hass)
    entry.async_start_reauth(hass)
    await hass.async_block_till_done()
    (flow,) = hass.config_entries.flow.async_progress()
    page = await hass.config_entries.flow.async_configure(flow["flow_id"], {})
    result = await sign_in(page)
    assert result["reason"] == "other_account"


async def test_signing_in_again_without_an_application(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    entry = MockConfigEntry(
        domain=DOMAIN,
        unique_id="owner",
        data={"provider": "fleet", "region": "eu", "auth_implementation": "gone"},
    )
    entry.add_to_hass(hass)
    entry.async_start_reauth(hass)
    await hass.async_block_till_done()
    (flow,) = hass.config_entries.flow.async_progress()
    result = await hass.config_entries.flow.async_configure(flow["flow_id"], {})
    assert result["reason"] == "missing_credentials"


@pytest.mark.usefixtures("application", "hosted")
async def test_reconfiguring(
    hass: HomeAssistant,
    simulator: Simulator,
    sign_in: SignIn,
    set_up_entry: AsyncMock,
) -> None:
    created = await sign_in(await begin(hass))
    entry = created["result"]
    form = (
        await entry.start_reconfigure_flow(hass)
        if hasattr(entry, "start_reconfigure_flow")
        else await hass.config_entries.flow.async_init(
            DOMAIN, context={"source": "reconfigure", "entry_id": entry.entry_id}
        )
    )
    assert form["step_id"] == "fleet"
    assert suggested_values(form) == {"region": "eu", "domain": DOMAIN_NAME}
    page = await submit(hass, form, region="eu", domain="car.example.org")
    result = await sign_in(page)
    assert result["reason"] == "reconfigure_successful"
    assert entry.data["domain"] == "car.example.org"


@pytest.mark.usefixtures("application", "hosted")
async def test_one_of_two_applications(
    hass: HomeAssistant, simulator: Simulator, sign_in: SignIn, set_up_entry: AsyncMock
) -> None:
    from homeassistant.components.application_credentials import (
        ClientCredential,
        async_import_client_credential,
    )

    simulator.apps.credentials["other-id"] = "other-secret"
    credential = ClientCredential("other-id", "other-secret", "The other")
    await async_import_client_credential(hass, DOMAIN, credential, "other")
    form = await choose_provider(hass, "fleet")
    assert "auth_implementation" in fields(form)
    page = await submit(
        hass, form, region="eu", domain=DOMAIN_NAME, auth_implementation="other"
    )
    created = await sign_in(page)
    assert created["data"]["auth_implementation"] == "other"
    assert parse_qs(urlsplit(page["url"]).query)["client_id"] == ["other-id"]


@pytest.mark.parametrize(
    ("loaded", "outside", "redirect"),
    [
        ("my", HERE, "https://my.home-assistant.io/redirect/oauth"),
        ("", HERE, f"{HERE}/auth/external/callback"),
        ("", None, "https://home.example.org/auth/external/callback"),
    ],
)
async def test_redirect_url_of_an_application(
    hass: HomeAssistant, loaded: str, outside: str | None, redirect: str
) -> None:
    hass.config.components.add(loaded)
    hass.config.external_url = outside
    hass.config.internal_url = None
    assert await async_get_description_placeholders(hass) == {
        "dashboard": "https://developer.tesla.com/dashboard",
        "redirect": redirect,
    }


async def test_the_menus(hass: HomeAssistant) -> None:
    """Each provider can be reached."""
    menu = await choose(hass, await start_flow(hass), "connect")
    assert menu["menu_options"] == [
        "watch_only",
        "bluetooth_only",
        "teslemetry",
        "tessie",
        "fleet",
        "server",
    ]
    menu = await choose(hass, menu, "server")
    assert menu["menu_options"] == ["fleet_server", "compatible"]


@pytest.mark.parametrize("step", ["fleet", "fleet_server"])
async def test_credentials_are_entered_on_the_way(
    hass: HomeAssistant, step: str
) -> None:
    """Home Assistant asks for them and starts a new flow, which goes on from there."""
    aborted = await choose_provider(hass, step)
    assert aborted["reason"] == "missing_credentials"
    menu = await start_flow(hass)
    assert menu["step_id"] == "user"

    aborted = await choose_provider(hass, step)
    await add_application(hass)
    form = await start_flow(hass)
    assert form["step_id"] == step
    # Only once: the user may have changed their mind.
    assert (await start_flow(hass))["step_id"] == "user"

    hass.data[DATA_ABORTED] = AbortedStep(
        step_id=step, at=time.monotonic() - MAX_CREDENTIALS_SECONDS - 1
    )
    assert (await start_flow(hass))["step_id"] == "user"


# With Tesla's own proxy


def through_server(simulator: Simulator, **changes: Any) -> dict[str, Any]:
    """Return the user input for a server that signs the commands."""
    url = simulator.urls["tesla_proxy"]
    return {"server": url, "region": "eu", "all_calls": False, **changes}


async def trust(
    hass: HomeAssistant, simulator: Simulator, **changes: Any
) -> ConfigFlowResult:
    """Choose the server and trust its certificate."""
    asyncio.get_running_loop().set_debug(False)  # a rejected handshake is no error
    form = await choose_provider(hass, "fleet_server")
    assert form["step_id"] == "fleet_server"
    form = await submit(hass, form, **through_server(simulator, **changes))
    assert form["step_id"] == "certificate"
    return await submit(hass, form, trust=True)


@pytest.mark.usefixtures("application")
@pytest.mark.parametrize("all_calls", [False, True])
async def test_sign_in_with_a_server_between(
    *,
    hass: HomeAssistant,
    simulator: Simulator,
    sign_in: SignIn,
    all_calls: bool,
) -> None:
    simulator.set_signing("Ada", "required")
    simulator.pair("Ada", simulator.tesla_proxy.key)
    created = await sign_in(await trust(hass, simulator, all_calls=all_calls))
    assert_leads_to_device(hass, created)
    entry = created["result"]
    data = dict(entry.data)
    assert set(data.pop("token")) >= {"access_token", "refresh_token", "expires_at"}
    assert data == {
        "provider": "fleet",
        "region": "eu",
        "base_url": simulator.urls["eu"],
        "server": simulator.urls["tesla_proxy"],
        "all_calls": all_calls,
        "fingerprint": simulator.tesla_proxy_certificate.fingerprint,
        "auth_implementation": APPLICATION,
    }
    await until(hass, lambda: len(entry.runtime_data.vehicles) == 2)
    await until(hass, lambda: hass.states.get("lock.ada_lock") is not None)
    await hass.services.async_call(
        "lock", "unlock", {"entity_id": "lock.ada_lock"}, blocking=True
    )
    assert simulator.cars["Ada"].executed["door_unlock"] == 1
    assert simulator.usage.count("tesla_proxy.door_unlock") == 1
    data_calls = simulator.usage.count("tesla_proxy.vehicle_data")
    assert bool(data_calls) is all_calls
    # No repair about the key of this home: the server signs.
    assert not [one for one in ir.async_get(hass).issues if one[0] == DOMAIN]


@pytest.mark.usefixtures("application")
async def test_the_server_fails_and_tesla_is_not_blamed(
    hass: HomeAssistant, simulator: Simulator, sign_in: SignIn
) -> None:
    created = await sign_in(await trust(hass, simulator))
    entry = created["result"]
    await until(hass, lambda: len(entry.runtime_data.vehicles) == 2)
    await until(hass, lambda: hass.states.get("lock.ada_lock") is not None)

    def judged() -> str:
        return str(entry.runtime_data.coordinator.data.assessment.status)

    await until(hass, lambda: judged() == "operational")
    simulator.set("tesla_proxy.api", "503 down")
    for _ in range(4):
        with pytest.raises(HomeAssistantError):
            await hass.services.async_call(
                "lock", "unlock", {"entity_id": "lock.ada_lock"}, blocking=True
            )
    assert judged() == "operational"
    assert state_of(hass, "sensor.ada_key_to_take").state == "usual"


@pytest.mark.usefixtures("application", "current_request_with_host")
@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"server": "no address"}, {"server": "invalid_url"}),
        ({"server": "http://proxy.example.org"}, {"server": "not_encrypted"}),
    ],
)
async def test_no_server_there(
    hass: HomeAssistant,
    simulator: Simulator,
    changes: dict[str, Any],
    errors: dict[str, str],
) -> None:
    form = await choose_provider(hass, "fleet_server")
    form = await submit(hass, form, **through_server(simulator, **changes))
    assert form["errors"] == errors
    teslas = through_server(simulator, server=simulator.urls["eu"])
    form = await submit(hass, form, **teslas)
    assert form["errors"] == {"server": "invalid_url"}
    simulator.set("tesla_proxy.api", "refuse")
    form = await submit(hass, form, **through_server(simulator))
    assert form["errors"] == {"base": "cannot_connect"}
    page = await submit(hass, form, **through_server(simulator), anyway=True)
    assert page["type"] is FlowResultType.EXTERNAL_STEP


@pytest.mark.usefixtures("application")
async def test_a_servers_new_certificate_needs_no_new_sign_in(
    hass: HomeAssistant, simulator: Simulator, sign_in: SignIn
) -> None:
    created = await sign_in(await trust(hass, simulator))
    entry = created["result"]
    token = entry.data["token"]
    simulator.renew_certificate()
    form = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_RECONFIGURE, "entry_id": entry.entry_id}
    )
    assert form["step_id"] == "fleet_server"
    assert suggested_values(form)["server"] == simulator.urls["tesla_proxy"]
    form = await submit(hass, form, **through_server(simulator, all_calls=True))
    assert form["step_id"] == "certificate_changed"
    result = await submit(hass, form, trust=True)
    assert result["reason"] == "reconfigure_successful"
    assert entry.data["token"] == token
    assert entry.data["all_calls"] is True
    fingerprint = simulator.tesla_proxy_certificate.fingerprint
    assert entry.data["fingerprint"] == fingerprint
