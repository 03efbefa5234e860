"""Signing key and Bluetooth key, and the view that publishes the public key."""

import asyncio
import logging
from pathlib import Path

from aiohttp import web

from homeassistant.components.http import KEY_HASS, HomeAssistantView
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import STORAGE_DIR
from homeassistant.util.hass_dict import HassKey

from ..const import CONF_PROVIDER, DOMAIN, PROVIDER_FLEET
from ..transport.key_pair import (
    PrivateKey,
    UnusableKeyError,
    load_or_create_key,
    public_pem,
)

_LOGGER = logging.getLogger(__name__)

SIGNING_KEY_FILE = f"{DOMAIN}.key"

# Path of an application's public key on its domain.
PUBLIC_KEY_PATH = "/.well-known/appspecific/com.tesla.3p.public-key.pem"

# Providers whose entries use the signing key.
_SIGNING_PROVIDERS = frozenset({PROVIDER_FLEET})

_SIGNING_KEY: HassKey[PrivateKey] = HassKey(f"{DOMAIN}.signing_key")
_LOCK: HassKey[asyncio.Lock] = HassKey(f"{DOMAIN}.key_lock")
_PUBLISHED: HassKey[bool] = HassKey(f"{DOMAIN}.signing_key_shown")


def signing_key_path(hass: HomeAssistant) -> Path:
    """Return the path of the signing key."""
    return Path(hass.config.path(STORAGE_DIR, SIGNING_KEY_FILE))


async def async_get_signing_key(hass: HomeAssistant) -> PrivateKey:
    """Return the signing key; raise UnusableKeyError on failure."""
    return await _async_load_key(hass, _SIGNING_KEY, signing_key_path(hass))


async def _async_load_key(
    hass: HomeAssistant, data_key: HassKey[PrivateKey], path: Path
) -> PrivateKey:
    """Return a key from `hass.data`, its file, or a new one if there is none.

    Raises UnusableKeyError.
    """
    # Two entries that start at the same time must not create two keys.
    async with hass.data.setdefault(_LOCK, asyncio.Lock()):
        if data_key not in hass.data:
            try:
                await hass.async_add_executor_job(_create_folder, path)
            except OSError as err:
                raise UnusableKeyError(str(err)) from err
            hass.data[data_key] = await load_or_create_key(path)
    return hass.data[data_key]


def _create_folder(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)


def pairing_url(domain: str, vin: str) -> str:
    """Return the URL that the user opens on a phone to add the key to a vehicle."""
    return f"https://tesla.com/_ak/{domain}?vin={vin}"


@callback
def async_publish_public_key(hass: HomeAssistant) -> None:
    """Publish the public key at the path that Tesla requests."""
    if _PUBLISHED not in hass.data:
        hass.data[_PUBLISHED] = True
        hass.http.register_view(PublicKeyView())


async def async_remove_signing_key(hass: HomeAssistant) -> None:
    """Delete the signing key if no entry uses it."""
    entries = hass.config_entries.async_entries(DOMAIN)
    if any(entry.data[CONF_PROVIDER] in _SIGNING_PROVIDERS for entry in entries):
        return
    hass.data.pop(_SIGNING_KEY, None)
    await _async_remove_key_file(hass, signing_key_path(hass))


async def _async_remove_key_file(hass: HomeAssistant, path: Path) -> None:
    """Delete a key file; a failure does not prevent the removal of an entry."""
    try:
        await hass.async_add_executor_job(lambda: path.unlink(missing_ok=True))
    except OSError as err:
        _LOGGER.warning("Cannot delete key file %s: %s", path, err)


class PublicKeyView(HomeAssistantView):
    """View of the public key."""

    url = PUBLIC_KEY_PATH
    name = f"api:{DOMAIN}:public_key"
    requires_auth = False

    async def get(self, request: web.Request) -> web.Response:
        """Return the public key in PEM, 404 without a key."""
        key = request.app[KEY_HASS].data.get(_SIGNING_KEY)
        if key is None:
            raise web.HTTPNotFound
        return web.Response(text=public_pem(key), content_type="application/x-pem-file")


# Separate from the signing key, so that a vehicle can give it another role.
BLUETOOTH_KEY_FILE = f"{DOMAIN}_bluetooth.key"

_BLUETOOTH_KEY: HassKey[PrivateKey] = HassKey(f"{DOMAIN}.bluetooth_key")


def bluetooth_key_path(hass: HomeAssistant) -> Path:
    """Return the path of the Bluetooth key."""
    return Path(hass.config.path(STORAGE_DIR, BLUETOOTH_KEY_FILE))


async def async_get_bluetooth_key(hass: HomeAssistant) -> PrivateKey:
    """Return the Bluetooth key; raise UnusableKeyError on failure."""
    return await _async_load_key(hass, _BLUETOOTH_KEY, bluetooth_key_path(hass))


async def async_remove_bluetooth_key(hass: HomeAssistant) -> None:
    """Delete the Bluetooth key with the last entry; a vehicle may be paired again."""
    if hass.config_entries.async_entries(DOMAIN):
        return
    hass.data.pop(_BLUETOOTH_KEY, None)
    await _async_remove_key_file(hass, bluetooth_key_path(hass))
