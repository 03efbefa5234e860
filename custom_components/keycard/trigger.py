"""Keycard's triggers: what an owner wants to hear of."""

from collections.abc import Mapping
from typing import ClassVar, override

import voluptuous as vol

from homeassistant.components.event import ATTR_EVENT_TYPE
from homeassistant.const import CONF_FOR, CONF_OPTIONS, STATE_UNAVAILABLE
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, State, callback
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.target import (
    TargetStateChangedData,
    async_track_target_selector_state_change_event,
)
from homeassistant.helpers.trigger import (
    ENTITY_STATE_TRIGGER_SCHEMA,
    EntityTargetStateTriggerBase,
    EntityTransitionTriggerBase,
    EntityTriggerBase,
    NotTriggeredReasonReporter,
    StatelessEntityTriggerBase,
    Trigger,
    TriggerActionRunner,
    TriggerConfig,
    TriggerNotTriggeredReporter,
)

from .carriers import (
    CONF_KEY_TO_TAKE,
    CONNECTION,
    EVENTS,
    KEY_TO_TAKE,
    OUTAGE,
    REACHABLE,
    STATUS,
    WORDS,
    carriers,
)
from .connection import Connection
from .outage.journal import Kind
from .outage.words import Status
from .vehicle.keys import Key
from .vigil import Vigil

# Home Assistant wants sets, and changes none of them.
_YES: set[str | bool] = {True}
_NO: set[str | bool] = {False}
_REFUSED: set[str] = {Status.ACCOUNT_PROBLEM}
_BLUETOOTH: set[str | bool] = {Connection.BLUETOOTH}
# Who knew nothing before has nothing to compare with.
_NOT_BLUETOOTH: set[str | bool] = {*Connection} - {
    Connection.BLUETOOTH,
    Connection.OUT_OF_RANGE,
    Connection.UNDETERMINED,
}

_FOR = {vol.Optional(CONF_FOR): cv.positive_time_period}


class OutageEventTrigger(StatelessEntityTriggerBase):
    """Base of what the event entity tells; the ledger sees that it tells it once."""

    _domain_specs = EVENTS
    _kind: ClassVar[Kind]

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Keep the event entities of Keycard."""
        return carriers(self._hass, super().entity_filter(entities), OUTAGE)

    @override
    def is_valid_state(
        self, state: State, report_not_triggered: NotTriggeredReasonReporter
    ) -> bool:
        """Tell whether the entity tells of such an event."""
        return state.attributes.get(ATTR_EVENT_TYPE) == self._kind


class OutageChanged(OutageEventTrigger):
    """An outage hits others, or by other parts of the cloud, than before."""

    _kind = Kind.CHANGED


class OutageEnded(OutageEventTrigger):
    """An outage is over."""

    _kind = Kind.ENDED


class EarlyWarningStarted(OutageEventTrigger):
    """Another region fails."""

    _kind = Kind.WARNING


class OutageStarted(OutageEventTrigger):
    """An outage has begun, or has lasted for as long as is asked."""

    _schema = ENTITY_STATE_TRIGGER_SCHEMA.extend(
        {vol.Required(CONF_OPTIONS, default={}): _FOR}
    )
    _kind = Kind.STARTED

    @override
    async def async_attach_runner(
        self,
        run_action: TriggerActionRunner,
        did_not_trigger: TriggerNotTriggeredReporter | None = None,
    ) -> CALLBACK_TYPE:
        """Attach the trigger to an action runner."""
        if not self._duration:
            return await super().async_attach_runner(run_action, did_not_trigger)
        vigil = Vigil(self._hass, self._duration, run_action)

        @callback
        def changed(data: TargetStateChangedData) -> None:
            event = data.state_change_event
            old, new = event.data["old_state"], event.data["new_state"]
            news = (
                old is not None
                and old.state != STATE_UNAVAILABLE
                and new is not None
                and new.attributes.get(ATTR_EVENT_TYPE) == self._kind
            )
            vigil.look(event.data["entity_id"], new, event.context, news=news)

        @callback
        def targeted(
            added: set[str], removed: set[str], states: Mapping[str, State | None]
        ) -> None:
            for entity_id in removed:
                vigil.look(entity_id, None)
            for entity_id in added:
                vigil.look(entity_id, states[entity_id])

        unsub = await async_track_target_selector_state_change_event(
            self._hass,
            self._target,
            changed,
            self.entity_filter,
            targeted,
            primary_entities_only=self._primary_entities_only,
        )

        @callback
        def detach() -> None:
            unsub()
            vigil.end()

        return detach


class KeyToTakeChanged(EntityTriggerBase):
    """A car wants another key than before."""

    _domain_specs = WORDS
    _schema = ENTITY_STATE_TRIGGER_SCHEMA.extend(
        {
            vol.Required(CONF_OPTIONS, default={}): {
                vol.Optional(CONF_KEY_TO_TAKE, default=list(Key)): vol.All(
                    cv.ensure_list, vol.Length(min=1), [vol.Coerce(Key)]
                ),
                **_FOR,
            }
        }
    )

    def __init__(self, hass: HomeAssistant, config: TriggerConfig) -> None:
        """Take the keys that are waited for."""
        super().__init__(hass, config)
        self._keys = frozenset(self._options[CONF_KEY_TO_TAKE])

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Keep the keys to take."""
        return carriers(self._hass, super().entity_filter(entities), KEY_TO_TAKE)

    @override
    def is_valid_state(
        self, state: State, report_not_triggered: NotTriggeredReasonReporter
    ) -> bool:
        """Tell whether this key is waited for."""
        return state.state in self._keys


class CarReachTrigger(EntityTransitionTriggerBase):
    """Base of what a car's connection tells; who knows nothing tells nothing."""

    _domain_specs = REACHABLE

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Keep the connections of cars."""
        return carriers(self._hass, super().entity_filter(entities), CONNECTION)


class CarBecameReachable(CarReachTrigger):
    """A car can be reached again."""

    _from_states = _NO
    _to_states = _YES


class CarBecameUnreachable(CarReachTrigger):
    """A car can be reached no more."""

    _from_states = _YES
    _to_states = _NO


class BluetoothBecameOnlyWay(EntityTransitionTriggerBase):
    """The cloud reaches a car no more, and Bluetooth still does."""

    _domain_specs = WORDS
    _from_states = _NOT_BLUETOOTH
    _to_states = _BLUETOOTH

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Keep the connections of cars."""
        return carriers(self._hass, super().entity_filter(entities), CONNECTION)


class AccountNeedsAttention(EntityTargetStateTriggerBase):
    """The maker refuses the account."""

    _domain_specs = WORDS
    _to_states = _REFUSED

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Keep what tells the status of a cloud."""
        return carriers(self._hass, super().entity_filter(entities), STATUS)


TRIGGERS: dict[str, type[Trigger]] = {
    "account_needs_attention": AccountNeedsAttention,
    "bluetooth_became_only_way": BluetoothBecameOnlyWay,
    "car_became_reachable": CarBecameReachable,
    "car_became_unreachable": CarBecameUnreachable,
    "early_warning_started": EarlyWarningStarted,
    "key_to_take_changed": KeyToTakeChanged,
    "outage_changed": OutageChanged,
    "outage_ended": OutageEnded,
    "outage_started": OutageStarted,
}


async def async_get_triggers(_hass: HomeAssistant) -> dict[str, type[Trigger]]:
    """Return Keycard's triggers."""
    return TRIGGERS
