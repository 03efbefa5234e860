"""Client that sets Keycard up through its config flow."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

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

MOST_STEPS = 20
APP_DOMAIN = "home.example.org"

# Menu options by provider.
MENUS = {
    "watch_only": ("watch_only",),
    "compatible": ("compatible",),
    "proxy": ("compatible",),
    "fleet": ("fleet",),
    "fleet_server": ("fleet_server",),
    "tesla_proxy": ("compatible",),
    "teslemetry": ("teslemetry", "teslemetry_token"),
    "tessie": ("tessie",),
}

type Result = Mapping[str, Any]
type SignIn = Callable[[Result], Awaitable[Result]]


class FlowClient(Protocol):
    """Runs config flows, in process or over HTTP."""

    async def begin(self, handler: str) -> Result:
        """Start a flow and return its first result."""

    async def answer(self, flow_id: str, answers: dict[str, Any]) -> Result:
        """Submit a step and return the next result."""

    def fields(self, result: Result) -> frozenset[str]:
        """Return the names of a step's fields."""


async def set_up(
    desk: FlowClient,
    home: Home,
    base_url: str,
    token: str,
    sign_in: SignIn | None = None,
) -> str:
    """Complete the config flow for a home and return the entry id.

    `sign_in` follows an external step and returns the next result.
    """
    choices = iter(MENUS[home.provider])
    cars = iter(home.cars)
    result = await desk.begin(DOMAIN)
    for _ in range(MOST_STEPS):
        kind = result["type"]
        if kind == "create_entry":
            return _entry_id(result)
        if kind == "menu":
            answers: dict[str, Any] = {"next_step_id": next(choices)}
        elif kind == "form":
            asked = desk.fields(result)
            _refuse_errors(result, asked)
            answers = _answers(asked, home, cars, base_url, token)
        elif kind == "external" and sign_in is not None:
            result = await sign_in(result)
            continue
        else:
            raise HarnessError(
                f"the set-up of {home.name} ended with {kind}: {result.get('reason')}"
            )
        result = await desk.answer(result["flow_id"], answers)
    raise HarnessError(f"the set-up of {home.name} does not come to its end")


def _answers(
    asked: frozenset[str],
    home: Home,
    cars: Iterator[CarSpec],
    base_url: str,
    token: str,
) -> dict[str, Any]:
    if "another" in asked:
        car = next(cars)
        return {
            "name": car.name,
            "model": car.model,
            "year": car.year,
            "another": car != home.cars[-1],
        }
    known: dict[str, Any] = {
        "region": home.region,
        "base_url": base_url,
        "domain": APP_DOMAIN,
        "token": token,
        "anyway": True,
        "server": base_url,
        "all_calls": False,
        "trust": True,
    }
    return {name: value for name, value in known.items() if name in asked}


def _refuse_errors(result: Result, asked: frozenset[str]) -> None:
    """Raise HarnessError for errors, unless the flow offers to continue anyway."""
    if (errors := result.get("errors")) and "anyway" not in asked:
        raise HarnessError(f"the set-up asks again: {errors}")


def _entry_id(result: Result) -> str:
    entry = result["result"]
    entry_id = entry["entry_id"] if isinstance(entry, Mapping) else entry.entry_id
    return str(entry_id)


class OwnerClient(Protocol):
    """Changes settings of Home Assistant as a user."""

    @property
    def desk(self) -> FlowClient:
        """Return the client for config flows."""

    async def save_automation(self, automation: dict[str, Any]) -> None:
        """Save and load an automation."""


class InProcessClient:
    """Changes settings in process, without a frontend."""

    def __init__(self, house: HomeAssistantInstance) -> None:
        self._house = house
        self.desk = self

    async def save_automation(self, automation: dict[str, Any]) -> None:
        """Save and load an automation."""
        await self._house.add_automation(automation)

    async def begin(self, handler: str) -> Result:
        """Start a flow and return its first result."""
        return await self._house.hass.config_entries.flow.async_init(
            handler, context={"source": SOURCE_USER}
        )

    async def answer(self, flow_id: str, answers: dict[str, Any]) -> Result:
        """Submit a step and return the next result."""
        flow = self._house.hass.config_entries.flow
        result = await flow.async_configure(flow_id, answers)
        await self._house.hass.async_block_till_done()
        return result

    def fields(self, result: Result) -> frozenset[str]:
        """Return the names of a step's fields."""
        schema = result.get("data_schema")
        return frozenset(str(name) for name in schema.schema) if schema else frozenset()


async def prepare_sign_in(
    house: HomeAssistantInstance, simulator: Simulator, home: Home
) -> SignIn:
    """Register an application and host its key; return the sign-in function."""
    hass = house.hass
    await house.task(_name_application(house))
    key = await house.task(async_get_signing_key(hass))
    simulator.apps.host(public_pem(key))

    async def sign_in(result: Result) -> Result:
        url = URL(result["url"]).update_query(consent="allow", account=home.name)
        session = async_get_clientsession(hass)
        async with session.get(url, allow_redirects=False) as response:
            back = parse_qs(urlsplit(response.headers.get("Location", "")).query)
        if "code" not in back:
            raise HarnessError(f"{home.name} could not sign in: {response.status}")
        flow = hass.config_entries.flow
        state = _decode_jwt(hass, back["state"][0])
        answer = {"state": state, "code": back["code"][0]}
        await flow.async_configure(result["flow_id"], answer)
        return await flow.async_configure(result["flow_id"])

    return sign_in


async def _name_application(house: HomeAssistantInstance) -> None:
    hass = house.hass
    await async_setup_component(hass, "application_credentials", {})
    # With it, the redirect URI does not depend on a request.
    hass.config.components.add("my")
    await async_import_client_credential(
        hass, DOMAIN, ClientCredential("client-id", "client-secret"), "application"
    )
