"""Client that sets Keycard up through its config flow."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import aiohttp
from yarl import URL

from homeassistant.components.application_credentials import (
    ClientCredential,
    async_import_client_credential,
)
from homeassistant.config_entries import SOURCE_USER
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.config_entry_oauth2_flow import _decode_jwt
from homeassistant.setup import async_setup_component

from custom_components.keycard.auth.keys import async_get_signing_key
from custom_components.keycard.const import DOMAIN
from custom_components.keycard.transport.key_pair import public_pem
from simulator import Simulator
from simulator.scenarios.scenario import CarSpec, Home

from .home_assistant import HomeAssistantInstance
from .time_control import HarnessError

MAX_STEPS = 20
_PAGE_TIMEOUT = aiohttp.ClientTimeout(total=30.0)
APP_DOMAIN = "home.example.org"
CLIENT_ID = "client-id"

# Menu options by provider.
MENU_OPTIONS = {
    "watch_only": ("connect", "watch_only"),
    "compatible": ("connect", "server", "compatible"),
    "proxy": ("connect", "server", "compatible"),
    "fleet": ("connect", "fleet"),
    "fleet_server": ("connect", "server", "fleet_server"),
    "tesla_proxy": ("connect", "server", "compatible"),
    "teslemetry": ("connect", "teslemetry", "teslemetry_token"),
    "tessie": ("connect", "tessie"),
}

type Result = Mapping[str, Any]
type SignIn = Callable[[Result], Awaitable[Result]]


class FlowClient(Protocol):
    """Runs config flows, in process or over HTTP."""

    async def start(self, handler: str) -> Result:
        """Start a flow and return its first result."""

    async def submit(self, flow_id: str, user_input: dict[str, Any]) -> Result:
        """Submit a step and return the next result."""

    def fields(self, result: Result) -> frozenset[str]:
        """Return the names of a step's fields."""


async def set_up(
    client: FlowClient,
    home: Home,
    base_url: str,
    token: str,
    sign_in: SignIn | None = None,
) -> str:
    """Complete the config flow for a home and return the entry id.

    `sign_in` follows an external step and returns the next result.
    """
    choices = iter(MENU_OPTIONS[home.provider])
    cars = iter(home.cars)
    result = await client.start(DOMAIN)
    # Cars that are only watched have a form each.
    for _ in range(MAX_STEPS + len(home.cars)):
        kind = result["type"]
        if kind == "create_entry":
            return _entry_id(result)
        if kind == "menu":
            user_input: dict[str, Any] = {"next_step_id": next(choices)}
        elif kind == "form":
            fields = client.fields(result)
            _raise_for_errors(result, fields)
            user_input = _user_input(fields, home, cars, base_url, token)
        elif kind == "external" and sign_in is not None:
            result = await sign_in(result)
            continue
        else:
            raise HarnessError(
                f"set-up of {home.name} ended with {kind}: {result.get('reason')}"
            )
        result = await client.submit(result["flow_id"], user_input)
    raise HarnessError(f"set-up of {home.name} does not end")


def _user_input(
    fields: frozenset[str],
    home: Home,
    cars: Iterator[CarSpec],
    base_url: str,
    token: str,
) -> dict[str, Any]:
    if "another" in fields:
        car = next(cars)
        return {
            "name": car.name,
            "model": car.model,
            "year": car.year,
            "another": car != home.cars[-1],
        }
    values: dict[str, Any] = {
        "region": home.region,
        "base_url": base_url,
        "domain": APP_DOMAIN,
        "token": token,
        "anyway": True,
        "server": base_url,
        "all_calls": False,
        "trust": True,
    }
    return {name: value for name, value in values.items() if name in fields}


def _raise_for_errors(result: Result, fields: frozenset[str]) -> None:
    """Raise HarnessError for errors, unless the flow offers to continue anyway."""
    if (errors := result.get("errors")) and "anyway" not in fields:
        raise HarnessError(f"set-up failed with errors: {errors}")


def _entry_id(result: Result) -> str:
    entry = result["result"]
    entry_id = entry["entry_id"] if isinstance(entry, Mapping) else entry.entry_id
    return str(entry_id)


class UserClient(Protocol):
    """Changes settings of Home Assistant as a user."""

    @property
    def flow_client(self) -> FlowClient:
        """Return the client for config flows."""


class InProcessClient:
    """Changes settings in process, without a frontend."""

    def __init__(self, instance: HomeAssistantInstance) -> None:
        self._instance = instance
        self.flow_client = self

    async def start(self, handler: str) -> Result:
        """Start a flow and return its first result."""
        return await self._instance.hass.config_entries.flow.async_init(
            handler, context={"source": SOURCE_USER}
        )

    async def submit(self, flow_id: str, user_input: dict[str, Any]) -> Result:
        """Submit a step and return the next result."""
        flow = self._instance.hass.config_entries.flow
        result = await flow.async_configure(flow_id, user_input)
        await self._instance.hass.async_block_till_done()
        return result

    def fields(self, result: Result) -> frozenset[str]:
        """Return the names of a step's fields."""
        schema = result.get("data_schema")
        return frozenset(str(name) for name in schema.schema) if schema else frozenset()


async def prepare_sign_in(
    instance: HomeAssistantInstance, simulator: Simulator, home: Home
) -> SignIn:
    """Register an application and host its key; return the sign-in function."""
    hass = instance.hass
    await instance.task(_register_application(instance))
    key = await instance.task(async_get_signing_key(hass))
    simulator.apps.host(public_pem(key))

    async def sign_in(result: Result) -> Result:
        url = URL(result["url"]).update_query(consent="allow", account=home.name)
        session = async_get_clientsession(hass)
        try:
            async with session.get(
                url, allow_redirects=False, timeout=_PAGE_TIMEOUT
            ) as response:
                location = response.headers.get("Location", "")
        except TimeoutError as err:
            raise HarnessError(f"{home.name} could not sign in: no answer") from err
        parameters = parse_qs(urlsplit(location).query)
        if "code" not in parameters:
            raise HarnessError(f"{home.name} could not sign in: {response.status}")
        flow = hass.config_entries.flow
        state = _decode_jwt(hass, parameters["state"][0])
        user_input = {"state": state, "code": parameters["code"][0]}
        await flow.async_configure(result["flow_id"], user_input)
        return await flow.async_configure(result["flow_id"])

    return sign_in


async def _register_application(instance: HomeAssistantInstance) -> None:
    hass = instance.hass
    await async_setup_component(hass, "application_credentials", {})
    # With it, the redirect URI does not depend on a request.
    hass.config.components.add("my")
    await async_import_client_credential(
        hass, DOMAIN, ClientCredential(CLIENT_ID, "client-secret"), "application"
    )
