"""Plugin for pytest: lets the tests run under a Home Assistant newer than they pin.

pytest-homeassistant-custom-component belongs to one version of Home Assistant. What it
wants of that version and what has moved since is put back here, before it is loaded.
"""

from typing import Any

# Home Assistant replaces httpx as it is imported, so it comes before all others.
from homeassistant.components import logger
from homeassistant.components.logger import helpers
from homeassistant.helpers import entity_registry as er, restore_state

if not hasattr(logger, "_clear_logger_overwrites"):
    # Since 2026.11 it is only there.
    logger._clear_logger_overwrites = helpers._clear_logger_overwrites

# Typed as Any: it has these members in 2026.11 only.
_restore_state: Any = restore_state


def _index_states(data: Any, states: dict[str, restore_state.StoredState]) -> None:
    """Store states by entity ID until their registry entries are created."""
    data.last_states_by_entity_id = states
    data.hass.bus.async_listen(
        er.EVENT_ENTITY_REGISTRY_UPDATED,
        data._async_entity_registry_entry_created,
        event_filter=_restore_state._entity_registry_entry_created_filter,
    )


if hasattr(restore_state.RestoreStateData, "async_get_stored_state"):
    # Since 2026.11 there are two indexes; the test package fills the earlier one.
    _restore_state.RestoreStateData.last_states = property(
        lambda data: data.last_states_by_entity_id, _index_states
    )
