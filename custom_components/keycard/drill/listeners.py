"""Track automations and notify calls triggered by a drill."""

from homeassistant.components.automation import (
    EVENT_AUTOMATION_TRIGGERED,
    automations_with_device,
    automations_with_entity,
)
from homeassistant.components.notify import DOMAIN as NOTIFY_DOMAIN
from homeassistant.const import (
    ATTR_DOMAIN,
    ATTR_ENTITY_ID,
    ATTR_SERVICE,
    EVENT_CALL_SERVICE,
    STATE_OFF,
)
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er

from ..const import ATTR_DRILL, DOMAIN
from .report import AutomationResult, NotificationResult

# Translation keys of the entities that automations for outages use.
_OUTAGE_KEYS = frozenset({"outage", "status", "key_to_take"})


class DrillListeners:
    """Track automations that a drill triggers, by the contexts of its states."""

    def __init__(self, hass: HomeAssistant, entry_id: str) -> None:
        """Start listening."""
        self._hass = hass
        self._entry_id = entry_id
        self._triggered: set[str] = set()
        self._receivers: dict[str, None] = {}
        self._contexts: set[str] = set()
        self._unsubs: list[CALLBACK_TYPE] = [
            hass.bus.async_listen(
                EVENT_AUTOMATION_TRIGGERED, self._async_handle_automation
            ),
            hass.bus.async_listen(EVENT_CALL_SERVICE, self._async_handle_service_call),
        ]

    @callback
    def async_stop(self) -> None:
        """Stop listening."""
        while self._unsubs:
            self._unsubs.pop()()

    @callback
    def async_result(self) -> NotificationResult:
        """Return the automations and receivers reached so far."""
        names = {
            entity_id: state.name if state else entity_id
            for entity_id in self._triggered | self._subscribed_automations()
            for state in [self._hass.states.get(entity_id)]
        }
        return NotificationResult(
            automations=tuple(
                AutomationResult(
                    entity_id=entity_id,
                    name=name,
                    triggered=entity_id in self._triggered,
                    disabled=self._hass.states.is_state(entity_id, STATE_OFF),
                )
                for entity_id, name in sorted(names.items(), key=lambda item: item[1])
            ),
            receivers=tuple(self._receivers),
        )

    def _subscribed_automations(self) -> set[str]:
        """Return the automations that use outage entities or the device."""
        automations: set[str] = set()
        for entity in self._entities():
            if entity.translation_key in _OUTAGE_KEYS:
                automations.update(
                    automations_with_entity(self._hass, entity.entity_id)
                )
        cloud = dr.async_get(self._hass).async_get_device_by_identifier(
            (DOMAIN, self._entry_id), self._entry_id
        )
        if cloud is not None:
            automations.update(automations_with_device(self._hass, cloud.id))
        return automations

    def _entities(self) -> list[er.RegistryEntry]:
        return er.async_entries_for_config_entry(
            er.async_get(self._hass), self._entry_id
        )

    def _triggered_by_drill(self, context_id: str | None) -> bool:
        """Return whether a context belongs to a state that a drill set or reset."""
        return context_id is not None and any(
            state.context.id == context_id
            for entity in self._entities()
            if (state := self._hass.states.get(entity.entity_id)) is not None
            and ATTR_DRILL in state.attributes
        )

    @callback
    def _async_handle_automation(self, event: Event) -> None:
        parent = event.context.parent_id
        if parent in self._contexts or self._triggered_by_drill(parent):
            self._triggered.add(event.data[ATTR_ENTITY_ID])
            self._contexts.add(event.context.id)

    @callback
    def _async_handle_service_call(self, event: Event) -> None:
        if event.data[ATTR_DOMAIN] != NOTIFY_DOMAIN:
            return
        if event.context.id not in self._contexts:
            return
        entity_ids = event.data["service_data"].get(ATTR_ENTITY_ID)
        action = f"{NOTIFY_DOMAIN}.{event.data[ATTR_SERVICE]}"
        for receiver in (
            [entity_ids] if isinstance(entity_ids, str) else entity_ids or [action]
        ):
            state = self._hass.states.get(receiver)
            self._receivers[state.name if state else receiver] = None
