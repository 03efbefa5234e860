"""The key with which this home opens its cars over Bluetooth."""

from pathlib import Path

from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import STORAGE_DIR
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN
from .signing_key import async_keep_key, async_remove_key_file
from .vehicle.key_pair import PrivateKey

# A key of its own: a car gives it a role of its own, and may forget it alone.
KEY_FILE = f"{DOMAIN}_bluetooth.key"

_KEY: HassKey[PrivateKey] = HassKey(f"{DOMAIN}.bluetooth_key")


def key_path(hass: HomeAssistant) -> Path:
    """Return where the key is kept."""
    return Path(hass.config.path(STORAGE_DIR, KEY_FILE))


async def async_get_bluetooth_key(hass: HomeAssistant) -> PrivateKey:
    """Return the key for Bluetooth; raises UnusableKeyError."""
    return await async_keep_key(hass, _KEY, key_path(hass))


async def async_forget_bluetooth_key(hass: HomeAssistant) -> None:
    """Delete the key with the last entry: until then, a car may be paired again."""
    if hass.config_entries.async_entries(DOMAIN):
        return
    hass.data.pop(_KEY, None)
    await async_remove_key_file(hass, key_path(hass))
