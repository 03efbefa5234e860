"""Waits whether an outage lasts."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from homeassistant.components.event import ATTR_EVENT_TYPE
from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import (
    CALLBACK_TYPE,
    Context,
    CoreState,
    HomeAssistant,
    State,
    callback,
)
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.restore_state import (
    StoredState,
    async_get as async_get_restore_data,
)
from homeassistant.util import dt as dt_util

from .event import ATTR_SINCE
from .outage.journal import Kind

type RunAction = Callable[[dict[str, Any], str, Context | None], object]
"""Runs the actions of an automation with variables, a description and a context."""


class Vigil:
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
    def look(
        self,
        entity_id: str,
        state: State | None,
        context: Context | None = None,
        *,
        news: bool = False,
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
        if due <= self._told_until(entity_id) and not news:
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
            self.look(entity_id, state, state.context)

        return look

    def _told_until(self, entity_id: str) -> datetime:
        """Return until when others listened, and told what was due.

        At a start of Home Assistant these were the automations before it.
        """
        stored = _stored_state(self._hass, entity_id) if self._starting else None
        return stored.last_seen if stored else self._attached

    @callback
    def end(self) -> None:
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
    if state.attributes.get(ATTR_EVENT_TYPE) not in (Kind.STARTED, Kind.CHANGED):
        return None
    return dt_util.parse_datetime(str(state.attributes.get(ATTR_SINCE)))
