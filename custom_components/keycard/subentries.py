"""Follows which cars have a Bluetooth key: an entry is loaded anew for each change."""

from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
    ConfigEntryState,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.dispatcher import async_dispatcher_connect

from .binary_sensor import CAR_SENSORS as BINARY_SENSORS
from .car_sensors import CAR_SENSORS
from .const import DOMAIN
from .coordinator import KeycardConfigEntry

_OF_LINKS = frozenset(
    description.key
    for description in (*BINARY_SENSORS, *CAR_SENSORS)
    if description.bluetooth_only
)


@callback
def async_forget_links(hass: HomeAssistant, entry: KeycardConfigEntry) -> None:
    """Remove what there is of links that are no more."""
    cars = entry.runtime_data.cars
    gone = {
        f"{car_id}_{key}"
        for car_id, car in cars.items()
        if car.local is None
        for key in _OF_LINKS
    }
    entities = er.async_get(hass)
    for entity in er.async_entries_for_config_entry(entities, entry.entry_id):
        if entity.unique_id in gone:
            entities.async_remove(entity.entity_id)
    if entry.runtime_data.provider.cars_from_account:
        return
    # Without an account, a car may have been there for its key only.
    present = {(DOMAIN, name) for name in (entry.entry_id, *cars)}
    devices = dr.async_get(hass)
    for device in dr.async_entries_for_config_entry(devices, entry.entry_id):
        if not device.identifiers & present:
            devices.async_remove_device(device.id)


@callback
def async_follow_subentries(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Load an entry anew whenever it has other subentries than now."""
    before = frozenset(entry.subentries)

    @callback
    def changed(change: ConfigEntryChange, of: ConfigEntry) -> None:
        if (
            of.entry_id == entry.entry_id
            and change is ConfigEntryChange.UPDATED
            and of.state is ConfigEntryState.LOADED
            and frozenset(of.subentries) != before
        ):
            hass.config_entries.async_schedule_reload(entry.entry_id)

    entry.async_on_unload(
        async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, changed)
    )
