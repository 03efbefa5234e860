"""Other integrations that still ask Tesla's Owner API, which is closed."""

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

TESLA_CUSTOM = "tesla_custom"
TESLA_CUSTOM_NAME = "Tesla Custom Integration"

# With the address of a proxy it asks the Fleet API.
_PROXY = "api_proxy_url"

_FAILED = frozenset({ConfigEntryState.SETUP_ERROR, ConfigEntryState.SETUP_RETRY})


@callback
def async_find_users(hass: HomeAssistant) -> list[str]:
    """Return the names of the integrations that ask the Owner API and get nothing."""
    entries = hass.config_entries.async_entries(TESLA_CUSTOM, include_disabled=False)
    uses = any(
        not entry.data.get(_PROXY) and _gets_nothing(hass, entry) for entry in entries
    )
    return [TESLA_CUSTOM_NAME] if uses else []


def _gets_nothing(hass: HomeAssistant, entry: ConfigEntry) -> bool:
    """Return whether an entry did not start, or all its entities are unavailable."""
    if entry.state in _FAILED:
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
