"""Application credentials for Keycard."""

from homeassistant.components.application_credentials import ClientCredential
from homeassistant.core import HomeAssistant
from homeassistant.helpers.config_entry_oauth2_flow import (
    AUTH_CALLBACK_PATH,
    MY_AUTH_CALLBACK_PATH,
    AbstractOAuth2Implementation,
)
from homeassistant.helpers.network import NoURLAvailableError, get_url

from .auth.oauth import TeslaOAuthImplementation
from .const import DASHBOARD
from .outage.endpoints import region_of_country


async def async_get_auth_implementation(
    hass: HomeAssistant, auth_domain: str, credential: ClientCredential
) -> AbstractOAuth2Implementation:
    """Return the OAuth implementation for the region of this home."""
    region = region_of_country(hass.config.country)
    return TeslaOAuthImplementation(hass, auth_domain, credential, region=region)


async def async_get_description_placeholders(hass: HomeAssistant) -> dict[str, str]:
    """Return the placeholders of the description of the credentials."""
    return {"dashboard": DASHBOARD, "redirect": _redirect_url(hass)}


def _redirect_url(hass: HomeAssistant) -> str:
    if "my" in hass.config.components:
        return MY_AUTH_CALLBACK_PATH
    try:
        base_url = get_url(hass, prefer_external=True)
    except NoURLAvailableError:
        base_url = "https://home.example.org"
    return f"{base_url}{AUTH_CALLBACK_PATH}"
