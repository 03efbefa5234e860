"""Keycard: knows when the maker's cloud is down, and keeps the car yours."""

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.helpers.typing import ConfigType

from .auth.credentials import async_load_credentials
from .auth.keys import (
    async_publish_public_key,
    async_remove_bluetooth_key,
    async_remove_signing_key,
)
from .blueprint_installer import async_install_blueprints
from .const import DOMAIN, ENTRY_VERSION
from .coordinator import KeycardConfigEntry, KeycardCoordinator, async_report
from .issues import async_track_issues
from .registry import (
    async_migrate_to_vin,
    async_remove_stale_entities,
    async_track_devices,
    async_track_subentries,
)
from .runtime.storage import DATA_STORE, HomeStore, async_forget
from .services import async_setup_services

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)

PLATFORMS = [
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.CLIMATE,
    Platform.COVER,
    Platform.DEVICE_TRACKER,
    Platform.EVENT,
    Platform.LOCK,
    Platform.NUMBER,
    Platform.SELECT,
    Platform.SENSOR,
    Platform.SWITCH,
    Platform.UPDATE,
]


async def async_setup(hass: HomeAssistant, _config: ConfigType) -> bool:
    """Read the ledger, and offer the actions, the public key and the blueprints."""
    ledger = HomeStore(hass)
    await ledger.async_load()
    hass.data[DATA_STORE] = ledger
    async_setup_services(hass)
    async_publish_public_key(hass)
    await async_install_blueprints(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: KeycardConfigEntry) -> bool:
    """Set up an entry from what is kept: no host needs to answer for that."""
    await async_migrate_to_vin(hass, entry)
    entrance = await async_load_credentials(hass, entry)
    coordinator = KeycardCoordinator(hass, entry, entrance)
    await coordinator.async_restore()
    entry.runtime_data = coordinator
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    async_remove_stale_entities(hass, entry)
    coordinator.async_start()
    async_track_issues(entry)
    async_track_subentries(hass, entry)
    async_track_devices(hass, entry)
    return True


async def async_migrate_entry(_hass: HomeAssistant, entry: KeycardConfigEntry) -> bool:
    """Take entries of this major version; a minor one only adds to them."""
    # An entry of a newer Keycard is left as it is until that is installed again.
    return entry.version == ENTRY_VERSION


async def async_unload_entry(hass: HomeAssistant, entry: KeycardConfigEntry) -> bool:
    """Unload an entry and write down what it knows."""
    if not await hass.config_entries.async_unload_platforms(entry, PLATFORMS):
        return False
    await entry.runtime_data.async_stop()
    if entry.disabled_by is not None:
        # Nobody is to wait for its all-clear.
        async_report(hass, hass.data[DATA_STORE].async_forget(entry.entry_id))
    return True


async def async_remove_entry(hass: HomeAssistant, entry: KeycardConfigEntry) -> None:
    """Forget what an entry kept, and let go of its outages."""
    async_report(hass, hass.data[DATA_STORE].async_forget(entry.entry_id))
    await async_forget(hass, entry.entry_id)
    await async_remove_signing_key(hass)
    await async_remove_bluetooth_key(hass)


async def async_remove_config_entry_device(
    _hass: HomeAssistant, entry: KeycardConfigEntry, device: DeviceEntry
) -> bool:
    """Let an owner remove the device of a car that is no longer there."""
    present = {entry.entry_id, *entry.runtime_data.garage.vins}
    return not any(
        domain == DOMAIN and name in present for domain, name in device.identifiers
    )
