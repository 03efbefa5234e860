"""The Keycard integration."""

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.helpers.typing import ConfigType

from .assist.sentences import async_setup_assist
from .auth.credentials import async_load_credentials
from .auth.keys import (
    async_publish_public_key,
    async_remove_bluetooth_key,
    async_remove_signing_key,
)
from .blueprint_installer import async_install_blueprints, old_relays
from .const import DOMAIN, ENTRY_VERSION
from .coordinator import KeycardConfigEntry, KeycardCoordinator, async_report
from .dashboard import async_setup_frontend
from .issues import async_track_issues
from .notifications.notifier import DATA_NOTIFIER, TrackedEntry, async_setup_notifier
from .registry import (
    async_add_default_receiver,
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
    """Load the outage log; set up actions, the public key and the blueprints."""
    store = HomeStore(hass)
    await store.async_load()
    hass.data[DATA_STORE] = store
    await async_setup_notifier(hass)
    async_setup_assist(hass)
    async_setup_services(hass)
    async_publish_public_key(hass)
    await async_setup_frontend(hass)
    await async_install_blueprints(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: KeycardConfigEntry) -> bool:
    """Set up an entry from its storage, without a request."""
    await async_migrate_to_vin(hass, entry)
    async_add_default_receiver(hass, entry, enabled=not old_relays(hass))
    credentials = await async_load_credentials(hass, entry)
    coordinator = KeycardCoordinator(hass, entry, credentials)
    await coordinator.async_restore_entry()
    entry.runtime_data = coordinator.runtime_data
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    data = entry.runtime_data
    await data.vehicle_manager.async_wait_until_added()
    async_remove_stale_entities(hass, entry)
    coordinator.async_start()
    async_track_issues(hass, entry)
    hass.data[DATA_NOTIFIER].async_track(
        TrackedEntry(
            entry=entry,
            region=data.region,
            detector=data.detector,
            coordinator=coordinator,
            vehicle_manager=data.vehicle_manager,
            vehicles=data.vehicles,
            drill=data.drill,
        )
    )
    async_track_subentries(hass, entry)
    async_track_devices(hass, entry)
    return True


async def async_migrate_entry(_hass: HomeAssistant, entry: KeycardConfigEntry) -> bool:
    """Return whether this major version reads the entry; minor ones only add to it."""
    # An entry of a newer version is left as it is.
    return entry.version == ENTRY_VERSION


async def async_unload_entry(hass: HomeAssistant, entry: KeycardConfigEntry) -> bool:
    """Unload an entry and store its data."""
    entry.runtime_data.vehicle_manager.async_stop_adding()
    if not await hass.config_entries.async_unload_platforms(entry, PLATFORMS):
        return False
    await entry.runtime_data.coordinator.async_stop()
    if entry.disabled_by is not None:
        # Other entries must not wait for its all-clear.
        async_report(hass, hass.data[DATA_STORE].async_forget(entry.entry_id))
    return True


async def async_remove_entry(hass: HomeAssistant, entry: KeycardConfigEntry) -> None:
    """Remove the stored data and the hints of an entry."""
    hass.data[DATA_NOTIFIER].async_forget_entry(entry.entry_id)
    async_report(hass, hass.data[DATA_STORE].async_forget(entry.entry_id))
    await async_forget(hass, entry.entry_id)
    await async_remove_signing_key(hass)
    await async_remove_bluetooth_key(hass)


async def async_remove_config_entry_device(
    _hass: HomeAssistant, entry: KeycardConfigEntry, device: DeviceEntry
) -> bool:
    """Return whether the user may remove a device: its vehicle must be gone."""
    present = {entry.entry_id, *entry.runtime_data.vehicle_manager.vins}
    return not any(
        domain == DOMAIN and name in present for domain, name in device.identifiers
    )
