"""Sets Keycard up through its own config flow, as an owner would."""

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

# What is chosen in each menu, by the provider.
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
    """Where a flow is begun and answered: inside Home Assistant, or over HTTP."""

    async def begin(self, handler: str) -> Result:
        """Begin a flow; returns its first result."""

    async def answer(self, flow_id: str, answers: dict[str, Any]) -> Result:
        """Answer a step; returns the next result."""

    def fields(self, result: Result) -> frozenset[str]:
        """Return the names of the fields that a step asks for."""


async def set_up(
    desk: FlowClient,
    home: Home,
    base_url: str,
    token: str,
    sign_in: SignIn | None = None,
) -> str:
    """Go through the flow for a home; returns the id of the entry.

    `sign_in` goes to the page that the flow opens, and returns the next result.
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
    """Go on after an error only where the flow asks whether to go on."""
    if (errors := result.get("errors")) and "anyway" not in asked:
        raise HarnessError(f"the set-up asks again: {errors}")


def _entry_id(result: Result) -> str:
    entry = result["result"]
    entry_id = entry["entry_id"] if isinstance(entry, Mapping) else entry.entry_id
    return str(entry_id)


class OwnerClient(Protocol):
    """How the owner of the house changes its settings."""

    @property
    def desk(self) -> FlowClient:
        """Return where config flows are answered."""

    async def save_automation(self, automation: dict[str, Any]) -> None:
        """Save an automation and load it."""


class InProcessClient:
    """Change settings inside Home Assistant, where there is no screen."""

    def __init__(self, house: HomeAssistantInstance) -> None:
        self._house = house
        self.desk = self

    async def save_automation(self, automation: dict[str, Any]) -> None:
        """Save an automation and load it."""
        await self._house.add_automation(automation)

    async def begin(self, handler: str) -> Result:
        """Begin a flow; returns its first result."""
        return await self._house.hass.config_entries.flow.async_init(
            handler, context={"source": SOURCE_USER}
        )

    async def answer(self, flow_id: str, answers: dict[str, Any]) -> Result:
        """Answer a step; returns the next result."""
        flow = self._house.hass.config_entries.flow
        result = await flow.async_configure(flow_id, answers)
        await self._house.hass.async_block_till_done()
        return result

    def fields(self, result: Result) -> frozenset[str]:
        """Return the names of the fields that a step asks for."""
        schema = result.get("data_schema")
        return frozenset(str(name) for name in schema.schema) if schema else frozenset()


async def prepare_sign_in(
    house: HomeAssistantInstance, simulator: Simulator, home: Home
) -> SignIn:
    """Name an application and show its key; returns what goes to the sign-in page."""
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
    # Then it is this page that leads back, whatever request there is.
    hass.config.components.add("my")
    await async_import_client_credential(
        hass, DOMAIN, ClientCredential("client-id", "client-secret"), "application"
    )
