"""How an entry gets in: its sign-in, and the key that signs its commands."""

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
from .keys import async_get_bluetooth_key, async_get_key
from .oauth import OAuthSession, async_implementation

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The way in for one entry.

    `lost` tells that the owner has to sign in again: how it was done is not known.
    """

    sign_in: OAuthSession | None = None
    private_key: PrivateKey | None = None
    bluetooth_key: PrivateKey | None = None
    reauth_required: bool = False

    @property
    def access(self) -> ProviderCredentials:
        """Return what the provider of the entry needs."""
        if self.reauth_required:
            return ProviderCredentials(token=_no_token, private_key=self.private_key)
        return ProviderCredentials(
            token=self.sign_in.async_token if self.sign_in else None,
            private_key=self.private_key,
        )


async def _no_token() -> None:
    """Return that nobody is signed in."""


async def async_load_credentials(
    hass: HomeAssistant, entry: ConfigEntry
) -> Credentials:
    """Return the way in for an entry; nothing is asked for it, nothing keeps it out."""
    private_key = None
    if entry.data[CONF_PROVIDER] == PROVIDER_FLEET and CONF_SERVER not in entry.data:
        try:
            private_key = await async_get_key(hass)
        except UnusableKeyError as err:
            _LOGGER.warning("%s: commands cannot be signed: %s", entry.title, err)
    entrance = Credentials(
        private_key=private_key, bluetooth_key=await _async_bluetooth_key(hass, entry)
    )
    if CONF_IMPLEMENTATION not in entry.data:
        return entrance
    implementation = await async_implementation(hass, entry)
    if implementation is None:
        return replace(entrance, reauth_required=True)
    return replace(entrance, sign_in=OAuthSession(hass, entry, implementation))


async def _async_bluetooth_key(
    hass: HomeAssistant, entry: ConfigEntry
) -> PrivateKey | None:
    """Return the key for the cars that are paired, None without any."""
    if not entry.get_subentries_of_type(SUBENTRY_BLUETOOTH_KEY):
        return None
    if missing := missing_members():
        _LOGGER.warning(
            "%s: no car is reached over Bluetooth, tesla-fleet-api lacks %s",
            entry.title,
            ", ".join(missing),
        )
        return None
    try:
        return await async_get_bluetooth_key(hass)
    except UnusableKeyError as err:
        _LOGGER.warning("%s: no car is reached over Bluetooth: %s", entry.title, err)
        return None
