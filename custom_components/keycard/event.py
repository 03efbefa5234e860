"""Event entity for Keycard."""

from datetime import datetime
from typing import Final, override

from homeassistant.components.event import (
    EventEntity,
    EventEntityDescription,
    EventExtraStoredData,
)
from homeassistant.core import HomeAssistant, State, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.start import async_at_started
from homeassistant.util import dt as dt_util

from .const import ATTR_DRILL, ATTR_SINCE
from .coordinator import KeycardConfigEntry
from .entity import CloudEntity
from .notifications.publisher import OutageNotice
from .outage.outage_log import EventType, NoticeType
from .runtime.storage import StoredEvent

# The entity follows the events of its coordinator.
PARALLEL_UPDATES = 0

ATTR_TOLD_SINCE: Final = "told_since"

OUTAGE_EVENT = EventEntityDescription(
    key="outage",
    translation_key="outage",
    event_types=[event_type.value for event_type in EventType],
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the event entity of the cloud."""
    async_add_entities([OutageEventEntity(entry, OUTAGE_EVENT)])


class OutageEventEntity(CloudEntity, EventEntity):
    """Outage events of the cloud, each with its notice."""

    # Time of the first notice of the open outage, over restarts too. Automations that
    # delay a notification count from here.
    _notified_since: datetime | None = None

    @override
    async def async_added_to_hass(self) -> None:
        """Restore the last event and subscribe to new ones."""
        await super().async_added_to_hass()
        if (last := await self._async_last()) is not None:
            attributes = last.last_event_attributes or {}
            if attributes.get("notice") != NoticeType.ALL_CLEAR:
                self._notified_since = dt_util.parse_datetime(
                    str(attributes.get(ATTR_TOLD_SINCE))
                )
        # Automations attach their triggers just before; earlier events wait for them.
        self.async_on_remove(async_at_started(self.hass, self._started))

    @override
    async def async_get_last_state(self) -> State | None:
        """Return the last state; Home Assistant may not have stored it."""
        last = await super().async_get_last_state()
        event = self.coordinator.last_event
        if event is None or (last is not None and last.state >= event["at"]):
            return last
        return State(self.entity_id, event["at"])

    async def _async_last(self) -> EventExtraStoredData | None:
        """Return the last event, from Keycard's storage if that is newer."""
        last, event = await self.async_get_last_state(), self.coordinator.last_event
        if last is None or event is None or last.state != event["at"]:
            return await super().async_get_last_event_data()
        return EventExtraStoredData(event["type"], event["attributes"])

    @override
    async def async_get_last_event_data(self) -> EventExtraStoredData | None:
        """Return the last event, unless it belongs to a drill that a restart ended."""
        last = await self._async_last()
        if last is None or last.last_event_type == EventType.ENDED:
            return last
        drill = (last.last_event_attributes or {}).get(ATTR_DRILL)
        return None if drill else last

    @callback
    def _started(self, hass: HomeAssistant) -> None:
        # Other listeners read the restored event at the start, before a new one.
        self.async_on_remove(hass.loop.call_soon(self._subscribe).cancel)

    @callback
    def _subscribe(self) -> None:
        self.async_on_remove(
            self._runtime_data.publisher.async_add_listener(self._handle_event)
        )

    @callback
    def _handle_event(self, event: OutageNotice) -> None:
        """Trigger an event."""
        if event.kind == EventType.STARTED:
            self._notified_since = None
        if event.notice == NoticeType.TAKE and self._notified_since is None:
            self._notified_since = dt_util.utcnow()
        since = event.assessment.since
        attributes = {
            "notice": event.notice,
            "title": event.title,
            "text": event.text,
            "status": event.assessment.status.value,
            "scope": event.assessment.scope.value,
            "keys": {name: key.value for name, key in event.keys.items()},
            ATTR_DRILL: event.drill,
            ATTR_SINCE: since and since.isoformat(),
            ATTR_TOLD_SINCE: self._notified_since and self._notified_since.isoformat(),
        }
        self._trigger_event(event.kind, attributes)
        self.coordinator.async_store_event(
            StoredEvent(type=event.kind, at=self.state or "", attributes=attributes)
        )
        if event.notice == NoticeType.ALL_CLEAR:
            self._notified_since = None
        self.async_write_ha_state()

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        """Do nothing; only an event changes this entity."""
