"""Loads an entry anew when a car gets a Bluetooth key, or loses it."""

from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
    ConfigEntryState,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.dispatcher import async_dispatcher_connect


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
