"""Other integrations that still use Tesla's closed Owner API."""

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

TESLA_CUSTOM = "tesla_custom"
TESLA_CUSTOM_NAME = "Tesla Custom Integration"

# With the URL of a proxy it uses the Fleet API.
_PROXY_URL = "api_proxy_url"

_FAILED_STATES = frozenset({ConfigEntryState.SETUP_ERROR, ConfigEntryState.SETUP_RETRY})


@callback
def async_find_affected_integrations(hass: HomeAssistant) -> list[str]:
    """Return the names of failing integrations that use the Owner API."""
    entries = hass.config_entries.async_entries(TESLA_CUSTOM, include_disabled=False)
    affected = any(
        not entry.data.get(_PROXY_URL) and _is_failing(hass, entry) for entry in entries
    )
    return [TESLA_CUSTOM_NAME] if affected else []


def _is_failing(hass: HomeAssistant, entry: ConfigEntry) -> bool:
    """Return whether an entry failed to set up, or all its entities are unavailable."""
    if entry.state in _FAILED_STATES:
        return True
    if entry.state is not ConfigEntryState.LOADED:
        return False
    registry = er.async_get(hass)
    states = [
        hass.states.get(entity.entity_id)
        for entity in er.async_entries_for_config_entry(registry, entry.entry_id)
        if entity.disabled_by is None
    ]
    return bool(states) and all(
        state is None or state.state == STATE_UNAVAILABLE for state in states
    )
