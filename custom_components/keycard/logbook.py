"""Describe the notices of outages in the logbook."""

from collections.abc import Callable

from homeassistant.components.logbook import (
    LOGBOOK_ENTRY_ENTITY_ID,
    LOGBOOK_ENTRY_ICON,
    LOGBOOK_ENTRY_MESSAGE,
    LOGBOOK_ENTRY_NAME,
)
from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import Event, HomeAssistant, callback

from .const import DOMAIN
from .notifications.publisher import ATTR_TEXT, ATTR_TITLE, EVENT_NOTICE


@callback
def async_describe_events(
    hass: HomeAssistant,
    async_describe_event: Callable[[str, str, Callable[[Event], dict[str, str]]], None],
) -> None:
    """Describe the events of notices."""

    @callback
    def describe(event: Event) -> dict[str, str]:
        """Return the title of a notice, and its first line."""
        data = event.data
        described = {
            LOGBOOK_ENTRY_NAME: str(data[ATTR_TITLE]),
            LOGBOOK_ENTRY_MESSAGE: str(data[ATTR_TEXT]).partition("\n")[0],
            LOGBOOK_ENTRY_ICON: "mdi:key-wireless",
        }
        if entity_id := data.get(ATTR_ENTITY_ID):
            described[LOGBOOK_ENTRY_ENTITY_ID] = entity_id
        return described

    async_describe_event(DOMAIN, EVENT_NOTICE, describe)
