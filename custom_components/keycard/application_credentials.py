"""Takes the application of an owner, which signs in with the maker."""

from homeassistant.components.application_credentials import ClientCredential
from homeassistant.core import HomeAssistant
from homeassistant.helpers.config_entry_oauth2_flow import (
    AUTH_CALLBACK_PATH,
    MY_AUTH_CALLBACK_PATH,
    AbstractOAuth2Implementation,
)
from homeassistant.helpers.network import NoURLAvailableError, get_url

from .auth.oauth import TeslaSignIn
from .const import DASHBOARD
from .outage.endpoints import region_of_country


async def async_get_auth_implementation(
    hass: HomeAssistant, auth_domain: str, credential: ClientCredential
) -> AbstractOAuth2Implementation:
    """Return the sign-in with an application, for the region of this home."""
    region = region_of_country(hass.config.country)
    return TeslaSignIn(hass, auth_domain, credential, region=region)


async def async_get_description_placeholders(hass: HomeAssistant) -> dict[str, str]:
    """Return where an owner makes an application, and where it leads back to."""
    return {"dashboard": DASHBOARD, "redirect": _redirect(hass)}


def _redirect(hass: HomeAssistant) -> str:
    if "my" in hass.config.components:
        return MY_AUTH_CALLBACK_PATH
    try:
        here = get_url(hass, prefer_external=True)
    except NoURLAvailableError:
        here = "https://home.example.org"
    return f"{here}{AUTH_CALLBACK_PATH}"
