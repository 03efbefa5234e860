"""Keycard's triggers: what an owner wants to hear of."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
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
    REACHABLE,
    STATUS,
    filter_entities,
)
from .outage.models import Status
from .outage.outage_log import EventType
from .runtime.connection import Connection
from .vehicle.keys import PhysicalKey

type RunAction = Callable[[dict[str, Any], str, Context | None], object]
"""Runs the actions of an automation with variables, a description and a context."""


class OutageDurationTracker:
    """Runs an action once for each outage that lasts; restarts do not begin anew."""

    def __init__(
        self, hass: HomeAssistant, duration: timedelta, run_action: RunAction
    ) -> None:
        """Wait for outages that last for `duration`."""
        self._hass = hass
        self._duration = duration
        self._run_action = run_action
        self._attached = dt_util.utcnow()
        self._starting = hass.state is not CoreState.running
        self._told: dict[str, datetime] = {}
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
        """See whether an outage is on, and how long it still has to last.

        One that is `news` may have lasted long enough before anybody could see it.
        """
        if (cancel := self._timers.pop(entity_id, None)) is not None:
            cancel()
        if state is None or (since := _open_since(state)) is None:
            return
        due = since + self._duration
        if self._told.get(entity_id) == since:
            return
        if due <= self._told_until(entity_id) and not is_new:
            return
        now = dt_util.utcnow()
        if now < due:
            self._timers[entity_id] = async_call_later(
                self._hass, due - now, self._look_again(entity_id, state)
            )
            return
        self._told[entity_id] = since
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

    def _look_again(self, entity_id: str, state: State) -> Callable[[datetime], None]:
        @callback
        def look(_now: datetime) -> None:
            self._timers.pop(entity_id, None)
            self.async_update(entity_id, state, state.context)

        return look

    def _told_until(self, entity_id: str) -> datetime:
        """Return until when others listened, and told what was due.

        At a start of Home Assistant these were the automations before it.
        """
        stored = _stored_state(self._hass, entity_id) if self._starting else None
        return stored.last_seen if stored else self._attached

    @callback
    def async_cancel(self) -> None:
        """Wait no longer."""
        while self._timers:
            self._timers.popitem()[1]()


@callback
def _stored_state(hass: HomeAssistant, entity_id: str) -> StoredState | None:
    """Return what Home Assistant had stored of an entity when it started."""
    data = async_get_restore_data(hass)
    # Home Assistant 2026.10 has no method for it.
    get: Callable[[str], StoredState | None] = (
        getattr(data, "async_get_stored_state", None)
        or getattr(data, "last_states", {}).get
    )
    return get(entity_id)


def _open_since(state: State) -> datetime | None:
    """Return when the outage that an entity told of last began, None if it is over."""
    if state.attributes.get(ATTR_EVENT_TYPE) not in (
        EventType.STARTED,
        EventType.CHANGED,
    ):
        return None
    return dt_util.parse_datetime(str(state.attributes.get(ATTR_SINCE)))


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

    _domain_specs = EVENT_SPEC
    _kind: ClassVar[EventType]

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Keep the event entities of Keycard."""
        return filter_entities(self._hass, super().entity_filter(entities), OUTAGE)

    @override
    def is_valid_state(
        self, state: State, report_not_triggered: NotTriggeredReasonReporter
    ) -> bool:
        """Tell whether the entity tells of such an event."""
        return state.attributes.get(ATTR_EVENT_TYPE) == self._kind


class OutageChanged(OutageEventTrigger):
    """An outage hits others, or by other parts of the cloud, than before."""

    _kind = EventType.CHANGED


class OutageEnded(OutageEventTrigger):
    """An outage is over."""

    _kind = EventType.ENDED


class EarlyWarningStarted(OutageEventTrigger):
    """Another region fails."""

    _kind = EventType.WARNING


class OutageStarted(OutageEventTrigger):
    """An outage has begun, or has lasted for as long as is asked."""

    _schema = ENTITY_STATE_TRIGGER_SCHEMA.extend(
        {vol.Required(CONF_OPTIONS, default={}): _FOR}
    )
    _kind = EventType.STARTED

    @override
    async def async_attach_runner(
        self,
        run_action: TriggerActionRunner,
        did_not_trigger: TriggerNotTriggeredReporter | None = None,
    ) -> CALLBACK_TYPE:
        """Attach the trigger to an action runner."""
        if not self._duration:
            return await super().async_attach_runner(run_action, did_not_trigger)
        vigil = OutageDurationTracker(self._hass, self._duration, run_action)

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
            vigil.async_update(event.data["entity_id"], new, event.context, is_new=news)

        @callback
        def targeted(
            added: set[str], removed: set[str], states: Mapping[str, State | None]
        ) -> None:
            for entity_id in removed:
                vigil.async_update(entity_id, None)
            for entity_id in added:
                vigil.async_update(entity_id, states[entity_id])

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
            vigil.async_cancel()

        return detach


class KeyToTakeChanged(EntityTriggerBase):
    """A car wants another key than before."""

    _domain_specs = ENUM_SPEC
    _schema = ENTITY_STATE_TRIGGER_SCHEMA.extend(
        {
            vol.Required(CONF_OPTIONS, default={}): {
                vol.Optional(CONF_KEY_TO_TAKE, default=list(PhysicalKey)): vol.All(
                    cv.ensure_list, vol.Length(min=1), [vol.Coerce(PhysicalKey)]
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
        return filter_entities(self._hass, super().entity_filter(entities), KEY_TO_TAKE)

    @override
    def is_valid_state(
        self, state: State, report_not_triggered: NotTriggeredReasonReporter
    ) -> bool:
        """Tell whether this key is waited for."""
        return state.state in self._keys


class VehicleReachTrigger(EntityTransitionTriggerBase):
    """Base of what a car's connection tells; who knows nothing tells nothing."""

    _domain_specs = REACHABLE

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Keep the connections of cars."""
        return filter_entities(self._hass, super().entity_filter(entities), CONNECTION)


class VehicleBecameReachable(VehicleReachTrigger):
    """A car can be reached again."""

    _from_states = _NO
    _to_states = _YES


class VehicleBecameUnreachable(VehicleReachTrigger):
    """A car can be reached no more."""

    _from_states = _YES
    _to_states = _NO


class BluetoothBecameOnlyWay(EntityTransitionTriggerBase):
    """The cloud reaches a car no more, and Bluetooth still does."""

    _domain_specs = ENUM_SPEC
    _from_states = _NOT_BLUETOOTH
    _to_states = _BLUETOOTH

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Keep the connections of cars."""
        return filter_entities(self._hass, super().entity_filter(entities), CONNECTION)


class AccountNeedsAttention(EntityTargetStateTriggerBase):
    """The maker refuses the account."""

    _domain_specs = ENUM_SPEC
    _to_states = _REFUSED

    @override
    def entity_filter(self, entities: set[str]) -> set[str]:
        """Keep what tells the status of a cloud."""
        return filter_entities(self._hass, super().entity_filter(entities), STATUS)


TRIGGERS: dict[str, type[Trigger]] = {
    "account_needs_attention": AccountNeedsAttention,
    "bluetooth_became_only_way": BluetoothBecameOnlyWay,
    "car_became_reachable": VehicleBecameReachable,
    "car_became_unreachable": VehicleBecameUnreachable,
    "early_warning_started": EarlyWarningStarted,
    "key_to_take_changed": KeyToTakeChanged,
    "outage_changed": OutageChanged,
    "outage_ended": OutageEnded,
    "outage_started": OutageStarted,
}


async def async_get_triggers(_hass: HomeAssistant) -> dict[str, type[Trigger]]:
    """Return Keycard's triggers."""
    return TRIGGERS
