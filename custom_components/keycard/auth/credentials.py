"""Credentials of a config entry: OAuth session and keys."""

from dataclasses import dataclass, replace
import logging

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant

from ..const import (
    CONF_IMPLEMENTATION,
    CONF_PROVIDER,
    CONF_SERVER,
    PROVIDER_FLEET,
    SUBENTRY_BLUETOOTH_KEY,
)
from ..providers import ProviderCredentials
from ..transport.key_pair import PrivateKey, UnusableKeyError
from ..transport.library import missing_members
from .keys import async_get_bluetooth_key, async_get_signing_key
from .oauth import OAuthSession, async_implementation

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Credentials of a config entry.

    `reauth_required` is True if the OAuth implementation is no longer available.
    """

    session: OAuthSession | None = None
    private_key: PrivateKey | None = None
    bluetooth_key: PrivateKey | None = None
    reauth_required: bool = False

    @property
    def provider_credentials(self) -> ProviderCredentials:
        """Return the credentials in the form that providers use."""
        if self.reauth_required:
            return ProviderCredentials(token=_no_token, private_key=self.private_key)
        return ProviderCredentials(
            token=self.session.async_token if self.session else None,
            private_key=self.private_key,
        )


async def _no_token() -> None:
    """Return no token."""


async def async_load_credentials(
    hass: HomeAssistant, entry: ConfigEntry
) -> Credentials:
    """Load credentials and keys of a config entry without making a request."""
    private_key = None
    if entry.data[CONF_PROVIDER] == PROVIDER_FLEET and CONF_SERVER not in entry.data:
        try:
            private_key = await async_get_signing_key(hass)
        except UnusableKeyError as err:
            _LOGGER.warning("Cannot sign commands of %s: %s", entry.title, err)
    credentials = Credentials(
        private_key=private_key, bluetooth_key=await _async_bluetooth_key(hass, entry)
    )
    if CONF_IMPLEMENTATION not in entry.data:
        return credentials
    implementation = await async_implementation(hass, entry)
    if implementation is None:
        return replace(credentials, reauth_required=True)
    return replace(credentials, session=OAuthSession(hass, entry, implementation))


async def _async_bluetooth_key(
    hass: HomeAssistant, entry: ConfigEntry
) -> PrivateKey | None:
    """Return the key of paired vehicles, None without any."""
    if not entry.get_subentries_of_type(SUBENTRY_BLUETOOTH_KEY):
        return None
    if missing := missing_members():
        _LOGGER.warning(
            "Cannot use Bluetooth for %s: tesla-fleet-api lacks %s",
            entry.title,
            ", ".join(missing),
        )
        return None
    try:
        return await async_get_bluetooth_key(hass)
    except UnusableKeyError as err:
        _LOGGER.warning("Cannot use Bluetooth for %s: %s", entry.title, err)
        return None
