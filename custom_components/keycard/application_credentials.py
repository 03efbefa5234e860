"""Takes the application of an owner, which signs in with the maker."""

from homeassistant.components.application_credentials import ClientCredential
from homeassistant.core import HomeAssistant
from homeassistant.helpers.config_entry_oauth2_flow import AbstractOAuth2Implementation

from .flow_fields import region_of
from .sign_in import TeslaSignIn


async def async_get_auth_implementation(
    hass: HomeAssistant, auth_domain: str, credential: ClientCredential
) -> AbstractOAuth2Implementation:
    """Return the sign-in with an application, for the region of this home."""
    region = region_of(hass.config.country)
    return TeslaSignIn(hass, auth_domain, credential, region=region)


async def async_get_description_placeholders(hass: HomeAssistant) -> dict[str, str]:
    """Return where an owner makes an application."""
    return {"dashboard": "https://developer.tesla.com/dashboard"}
