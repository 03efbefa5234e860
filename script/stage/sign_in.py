"""Signs in with the maker as an owner does, where there is no browser."""

from urllib.parse import parse_qs, urlsplit

from yarl import URL

from homeassistant.components.application_credentials import (
    ClientCredential,
    async_import_client_credential,
)
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.config_entry_oauth2_flow import _decode_jwt
from homeassistant.setup import async_setup_component

from custom_components.keycard.const import DOMAIN
from custom_components.keycard.signing_key import async_get_key
from custom_components.keycard.vehicle.key_pair import public_pem
from simulator import Simulator
from simulator.cases import Home

from .flow import Result, SignIn
from .house import House
from .pace import StageError


async def prepare_sign_in(house: House, simulator: Simulator, home: Home) -> SignIn:
    """Name an application and show its key; returns what goes to the sign-in page."""
    hass = house.hass
    await house.task(_name_application(house))
    key = await house.task(async_get_key(hass))
    simulator.apps.host(public_pem(key))

    async def sign_in(result: Result) -> Result:
        url = URL(result["url"]).update_query(consent="allow", account=home.name)
        session = async_get_clientsession(hass)
        async with session.get(url, allow_redirects=False) as response:
            back = parse_qs(urlsplit(response.headers.get("Location", "")).query)
        if "code" not in back:
            raise StageError(f"{home.name} could not sign in: {response.status}")
        flow = hass.config_entries.flow
        state = _decode_jwt(hass, back["state"][0])
        answer = {"state": state, "code": back["code"][0]}
        await flow.async_configure(result["flow_id"], answer)
        return await flow.async_configure(result["flow_id"])

    return sign_in


async def _name_application(house: House) -> None:
    hass = house.hass
    await async_setup_component(hass, "application_credentials", {})
    # Then it is this page that leads back, whatever request there is.
    hass.config.components.add("my")
    await async_import_client_credential(
        hass, DOMAIN, ClientCredential("client-id", "client-secret"), "application"
    )
