"""The key of this home: it signs commands; its public half is shown to the maker."""

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

# Where the maker looks for the public key of an application, on its domain.
PUBLIC_KEY_PATH = "/.well-known/appspecific/com.tesla.3p.public-key.pem"

# Which entries sign with it.
_SIGNING = frozenset({PROVIDER_FLEET})

_SIGNING_KEY: HassKey[PrivateKey] = HassKey(f"{DOMAIN}.signing_key")
_LOCK: HassKey[asyncio.Lock] = HassKey(f"{DOMAIN}.key_lock")
_SHOWN: HassKey[bool] = HassKey(f"{DOMAIN}.signing_key_shown")


def signing_key_path(hass: HomeAssistant) -> Path:
    """Return where the key is kept."""
    return Path(hass.config.path(STORAGE_DIR, SIGNING_KEY_FILE))


async def async_get_key(hass: HomeAssistant) -> PrivateKey:
    """Return the key of this home; raises UnusableKeyError."""
    return await async_keep_key(hass, _SIGNING_KEY, signing_key_path(hass))


async def async_keep_key(
    hass: HomeAssistant, kept: HassKey[PrivateKey], path: Path
) -> PrivateKey:
    """Return a key of this home, which is made when it is first wanted.

    It is read from its file once, and `kept` from then on. Raises UnusableKeyError.
    """
    # Two entries that start together must not make a key each.
    async with hass.data.setdefault(_LOCK, asyncio.Lock()):
        if kept not in hass.data:
            try:
                await hass.async_add_executor_job(_make_folder, path)
            except OSError as err:
                raise UnusableKeyError(str(err)) from err
            hass.data[kept] = await load_or_create_key(path)
    return hass.data[kept]


def _make_folder(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)


def pairing_link(domain: str, vin: str) -> str:
    """Return what an owner opens on the phone to have a car know the key."""
    return f"https://tesla.com/_ak/{domain}?vin={vin}"


@callback
def async_show_public_key(hass: HomeAssistant) -> None:
    """Show the public key where the maker looks for it on a domain that leads here."""
    if _SHOWN not in hass.data:
        hass.data[_SHOWN] = True
        hass.http.register_view(PublicKeyView())


async def async_forget_key(hass: HomeAssistant) -> None:
    """Delete the key with the last entry that uses it."""
    entries = hass.config_entries.async_entries(DOMAIN)
    if any(entry.data[CONF_PROVIDER] in _SIGNING for entry in entries):
        return
    hass.data.pop(_SIGNING_KEY, None)
    await async_remove_key_file(hass, signing_key_path(hass))


async def async_remove_key_file(hass: HomeAssistant, path: Path) -> None:
    """Delete the file of a key; one that cannot be deleted keeps no entry here."""
    try:
        await hass.async_add_executor_job(lambda: path.unlink(missing_ok=True))
    except OSError as err:
        _LOGGER.warning("The file of a key cannot be deleted: %s", err)


class PublicKeyView(HomeAssistantView):
    """Shows the public key to whoever asks: it is no secret."""

    url = PUBLIC_KEY_PATH
    name = f"api:{DOMAIN}:public_key"
    requires_auth = False

    async def get(self, request: web.Request) -> web.Response:
        """Return the public key, if there is one."""
        key = request.app[KEY_HASS].data.get(_SIGNING_KEY)
        if key is None:
            raise web.HTTPNotFound
        return web.Response(text=public_pem(key), content_type="application/x-pem-file")


# A key of its own: a car gives it a role of its own, and may forget it alone.
BLUETOOTH_KEY_FILE = f"{DOMAIN}_bluetooth.key"

_BLUETOOTH_KEY: HassKey[PrivateKey] = HassKey(f"{DOMAIN}.bluetooth_key")


def bluetooth_key_path(hass: HomeAssistant) -> Path:
    """Return where the key is kept."""
    return Path(hass.config.path(STORAGE_DIR, BLUETOOTH_KEY_FILE))


async def async_get_bluetooth_key(hass: HomeAssistant) -> PrivateKey:
    """Return the key for Bluetooth; raises UnusableKeyError."""
    return await async_keep_key(hass, _BLUETOOTH_KEY, bluetooth_key_path(hass))


async def async_forget_bluetooth_key(hass: HomeAssistant) -> None:
    """Delete the key with the last entry: until then, a car may be paired again."""
    if hass.config_entries.async_entries(DOMAIN):
        return
    hass.data.pop(_BLUETOOTH_KEY, None)
    await async_remove_key_file(hass, bluetooth_key_path(hass))
