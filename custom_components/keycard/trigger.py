"""Triggers of Keycard."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
import time
from typing import Any, ClassVar, override

import voluptuous as vol

from homeassistant.components.event import ATTR_EVENT_TYPE
from homeassistant.const import (
    ATTR_ENTITY_ID,
    CONF_FOR,
    CONF_OPTIONS,
    STATE_UNAVAILABLE,
)
from homeassistant.core import (
    CALLBACK_TYPE,
    Context,
    CoreState,
    HomeAssistant,
    State,
    callback,
)
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.restore_state import (
    StoredState,
    async_get as async_get_restore_data,
)
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
from homeassistant.util import dt as dt_util

from .const import ATTR_SINCE
from .entity_filter import (
    CONF_KEY_TO_TAKE,
    CONNECTION,
    ENUM_SPEC,
    EVENT_SPEC,
    KEY_TO_TAKE,
    OUTAGE,
    REACHABLE_SPEC,
    STATUS,
    filter_entities,
)
from .outage.models import Status
from .outage.outage_log import EventType
from .runtime.presentation import Connection
from .vehicle.keys import PhysicalKey

type RunAction = Callable[[dict[str, Any], str, Context | None], object]
"""Run the actions with variables, a description and a context."""

# The base classes declare mutable sets, but change none of them.
_REACHABLE: set[str | bool] = {True}
_UNREACHABLE: set[str | bool] = {False}
_ACCOUNT_PROBLEM: set[str] = {Status.ACCOUNT_PROBLEM}
_BLUETOOTH: set[str | bool] = {Connection.BLUETOOTH}
# A change from an unknown connection is no loss of the cloud.
_NOT_BLUETOOTH: set[str | bool] = {*Connection} - {
    Connection.BLUETOOTH,
    Connection.OUT_OF_RANGE,
    Connection.UNDETERMINED,
}

_FOR_SCHEMA = {vol.Optional(CONF_FOR): cv.positive_time_period}


class OutageDurationTracker:
    """Run an action once for each outage that lasts for a duration.

    The duration is counted from the start of the outage, over restarts too.
    """

    def __init__(
        self, hass: HomeAssistant, duration: timedelta, run_action: RunAction
    ) -> None:
        """Initialize the tracker."""
        self._hass = hass
        self._duration = duration
        self._run_action = run_action
        self._attached_at = dt_util.utcnow()
        self._starting = hass.state is not CoreState.running
        self._triggered: dict[str, datetime] = {}
        self._due: dict[str, tuple[datetime, float]] = {}
        """Start of the last outage of an entity, and when it is due (monotonic)."""

        self._timers: dict[str, CALLBACK_TYPE] = {}

    @callback
    def async_update(
        self,
        entity_id: str,
        state: State | None,
        context: Context | None = None,
        *,
        is_new: bool = False,
    ) -> None:
        """Trigger if an outage has lasted long enough, else set a timer.

        An outage that `is_new` may have lasted long enough before it was detected.
        """
        if (cancel := self._timers.pop(entity_id, None)) is not None:
            cancel()
        if state is None or (since := _outage_start(state)) is None:
            return
        due = since + self._duration
        if self._triggered.get(entity_id) == since:
            return
        if due <= self._active_since(entity_id) and not is_new:
            return
        if (left := self._seconds_left(entity_id, since)) > 0:
            self._timers[entity_id] = async_call_later(
                self._hass, left, self._timer_expired(entity_id, state)
            )
            return
        self._triggered[entity_id] = since
        self._run_action(
            {
                ATTR_ENTITY_ID: entity_id,
                "from_state": None,
                "to_state": state,
                "for": self._duration,
            },
            f"state of {entity_id}",
            context,
        )

    def _seconds_left(self, entity_id: str, since: datetime) -> float:
        """Return the seconds until an outage is due.

        The system clock is read once, as it may be set during the outage.
        """
        known, due_at = self._due.get(entity_id, (None, 0.0))
        monotonic = time.monotonic()
        if known != since:
            left = min(since + self._duration - dt_util.utcnow(), self._duration)
            due_at = monotonic + left.total_seconds()
            self._due[entity_id] = since, due_at
        return due_at - monotonic

    def _timer_expired(
        self, entity_id: str, state: State
    ) -> Callable[[datetime], None]:
        @callback
        def expired(_now: datetime) -> None:
            self._timers.pop(entity_id, None)
            self.async_update(entity_id, state, state.context)

        return expired

    def _active_since(self, entity_id: str) -> datetime:
        """Return the time after which this tracker triggers.

        At a start of Home Assistant, the trackers of the previous run have triggered
        for outages that were due before it stopped.
        """
        stored = _stored_state(self._hass, entity_id) if self._starting else None
        return stored.last_seen if stored else self._attached_at

    @callback
    def async_cancel(self) -> None:
        """Cancel all timers."""
        while self._timers:
            self._timers.popitem()[1]()


@callback
def _stored_state(hass: HomeAssistant, entity_id: str) -> StoredState | None:
    """Return the state of an entity that Home Assistant stored before its start."""
    data = async_get_restore_data(hass)
    # Home Assistant 2026.10 has no method to get it.
    get: Callable[[str], StoredState | None] = (
        getattr(data, "async_get_stored_state", None)
        or getattr(data, "last_states", {}).get
    )
    return get(entity_id)


def _outage_start(state: State) -> datetime | None:
    """Return the start of the open outage of an event entity, None without one."""
    if state.attributes.get(ATTR_EVENT_TYPE) not in (
        EventType.STARTED,
        EventType.CHANGED,
    ):
        return None
    return dt_util.parse_datetime(str(state.attributes.get(ATTR_SINCE)))


class OutageEventTriggerBase(StatelessEntityTriggerBase):
    """Base of the triggers for one event type of the event entity."""

    _domain_specs = EVENT_SPEC
    _event_type: ClassVar[EventType]

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Filter the event entities of Keycard."""
        return filter_entities(self._hass, super().entity_filter(entities), OUTAGE)

    @override
    def is_valid_state(
        self, state: State, report_not_triggered: NotTriggeredReasonReporter
    ) -> bool:
        """Check that the event is of this type."""
        return state.attributes.get(ATTR_EVENT_TYPE) == self._event_type


class OutageChangedTrigger(OutageEventTriggerBase):
    """Trigger when scope or subsystems of an outage change."""

    _event_type = EventType.CHANGED


class OutageEndedTrigger(OutageEventTriggerBase):
    """Trigger when an outage ends."""

    _event_type = EventType.ENDED


class EarlyWarningStartedTrigger(OutageEventTriggerBase):
    """Trigger when another region fails."""

    _event_type = EventType.WARNING


class OutageStartedTrigger(OutageEventTriggerBase):
    """Trigger when an outage starts, or has lasted for a duration."""

    _schema = ENTITY_STATE_TRIGGER_SCHEMA.extend(
        {vol.Required(CONF_OPTIONS, default={}): _FOR_SCHEMA}
    )
    _event_type = EventType.STARTED

    @override
    async def async_attach_runner(
        self,
        run_action: TriggerActionRunner,
        did_not_trigger: TriggerNotTriggeredReporter | None = None,
    ) -> CALLBACK_TYPE:
        """Attach the trigger to an action runner."""
        if not self._duration:
            return await super().async_attach_runner(run_action, did_not_trigger)
        tracker = OutageDurationTracker(self._hass, self._duration, run_action)

        @callback
        def state_changed(data: TargetStateChangedData) -> None:
            event = data.state_change_event
            old, new = event.data["old_state"], event.data["new_state"]
            is_new = (
                old is not None
                and old.state != STATE_UNAVAILABLE
                and new is not None
                and new.attributes.get(ATTR_EVENT_TYPE) == self._event_type
            )
            tracker.async_update(
                event.data["entity_id"], new, event.context, is_new=is_new
            )

        @callback
        def entities_changed(
            added: set[str], removed: set[str], states: Mapping[str, State | None]
        ) -> None:
            for entity_id in removed:
                tracker.async_update(entity_id, None)
            for entity_id in added:
                tracker.async_update(entity_id, states[entity_id])

        unsub = await async_track_target_selector_state_change_event(
            self._hass,
            self._target,
            state_changed,
            self.entity_filter,
            entities_changed,
            primary_entities_only=self._primary_entities_only,
        )

        @callback
        def detach() -> None:
            unsub()
            tracker.async_cancel()

        return detach


class KeyToTakeChangedTrigger(EntityTriggerBase):
    """Trigger when the key to take changes."""

    _domain_specs = ENUM_SPEC
    _schema = ENTITY_STATE_TRIGGER_SCHEMA.extend(
        {
            vol.Required(CONF_OPTIONS, default={}): {
                vol.Optional(CONF_KEY_TO_TAKE, default=list(PhysicalKey)): vol.All(
                    cv.ensure_list, vol.Length(min=1), [vol.Coerce(PhysicalKey)]
                ),
                **_FOR_SCHEMA,
            }
        }
    )

    def __init__(self, hass: HomeAssistant, config: TriggerConfig) -> None:
        """Initialize the trigger."""
        super().__init__(hass, config)
        self._keys = frozenset(self._options[CONF_KEY_TO_TAKE])

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Filter the key to take sensors."""
        return filter_entities(self._hass, super().entity_filter(entities), KEY_TO_TAKE)

    @override
    def is_valid_state(
        self, state: State, report_not_triggered: NotTriggeredReasonReporter
    ) -> bool:
        """Check that the key is one of the configured keys."""
        return state.state in self._keys


class VehicleReachableTriggerBase(EntityTransitionTriggerBase):
    """Base of the triggers for vehicles that become reachable or unreachable."""

    _domain_specs = REACHABLE_SPEC

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Filter the connection sensors."""
        return filter_entities(self._hass, super().entity_filter(entities), CONNECTION)


class VehicleBecameReachableTrigger(VehicleReachableTriggerBase):
    """Trigger when a vehicle becomes reachable."""

    _from_states = _UNREACHABLE
    _to_states = _REACHABLE


class VehicleBecameUnreachableTrigger(VehicleReachableTriggerBase):
    """Trigger when a vehicle becomes unreachable."""

    _from_states = _REACHABLE
    _to_states = _UNREACHABLE


class BluetoothBecameOnlyTransportTrigger(EntityTransitionTriggerBase):
    """Trigger when a vehicle can be reached over Bluetooth only."""

    _domain_specs = ENUM_SPEC
    _from_states = _NOT_BLUETOOTH
    _to_states = _BLUETOOTH

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Filter the connection sensors."""
        return filter_entities(self._hass, super().entity_filter(entities), CONNECTION)


class AccountNeedsAttentionTrigger(EntityTargetStateTriggerBase):
    """Trigger when Tesla refuses the account."""

    _domain_specs = ENUM_SPEC
    _to_states = _ACCOUNT_PROBLEM

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Filter the status sensors."""
        return filter_entities(self._hass, super().entity_filter(entities), STATUS)


TRIGGERS: dict[str, type[Trigger]] = {
    "account_needs_attention": AccountNeedsAttentionTrigger,
    "bluetooth_became_only_way": BluetoothBecameOnlyTransportTrigger,
    "car_became_reachable": VehicleBecameReachableTrigger,
    "car_became_unreachable": VehicleBecameUnreachableTrigger,
    "early_warning_started": EarlyWarningStartedTrigger,
    "key_to_take_changed": KeyToTakeChangedTrigger,
    "outage_changed": OutageChangedTrigger,
    "outage_ended": OutageEndedTrigger,
    "outage_started": OutageStartedTrigger,
}


async def async_get_triggers(_hass: HomeAssistant) -> dict[str, type[Trigger]]:
    """Return Keycard's triggers."""
    return TRIGGERS
