"""Publish outage events to listeners."""

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from homeassistant.components.event import DOMAIN as EVENT_DOMAIN
from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util

from ..const import ATTR_DRILL, DOMAIN
from ..helpers.isolation import isolated
from ..outage.models import Assessment
from ..outage.outage_log import EventType, NoticeType, OutageEvent
from ..vehicle.keys import PhysicalKey
from .text import (
    NoticeVehicle,
    Translations,
    async_load_translations,
    mark_as_drill,
    render_notice,
)

# Maximum number of events that wait for a listener.
MAX_PENDING = 16

# Fired once per notice.
EVENT_NOTICE: Final = f"{DOMAIN}_outage"
ATTR_NOTICE: Final = "notice"
ATTR_TITLE: Final = "title"
ATTR_TEXT: Final = "text"


@dataclass(frozen=True, kw_only=True)
class OutageNotice:
    """Event with its notice; `keys` are the keys to take by vehicle name."""

    kind: str
    notice: str
    title: str
    text: str
    assessment: Assessment
    keys: Mapping[str, PhysicalKey]
    drill: bool = False


class OutageEventPublisher:
    """Publisher of one entry's events, which wait for the first listener.

    `get_stale_vehicles` returns the names of vehicles whose stale data only other
    integrations show, `describe_vehicles` the vehicles for keys by name.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        *,
        get_stale_vehicles: Callable[[Assessment], Collection[str]],
        describe_vehicles: Callable[
            [Mapping[str, PhysicalKey]], Sequence[NoticeVehicle]
        ],
    ) -> None:
        """Initialize without translations or listeners."""
        self.listeners: list[Callable[[OutageNotice], None]] = []
        self.words: Translations
        self._get_stale_vehicles = get_stale_vehicles
        self._describe_vehicles = describe_vehicles
        self._hass = hass
        self._pending: deque[OutageNotice] = deque(maxlen=MAX_PENDING)

    async def async_load_translations(self) -> None:
        """Load the translations of Home Assistant's language."""
        self.words = await async_load_translations(self._hass)

    @callback
    def async_add_listener(
        self, listener: Callable[[OutageNotice], None]
    ) -> CALLBACK_TYPE:
        """Call a listener with each event, pending ones first."""
        self.listeners.append(listener)
        while self._pending:
            with isolated("a listener of the notices"):
                listener(self._pending.popleft())
        return lambda: self.listeners.remove(listener)

    def render(
        self,
        kind: EventType,
        assessment: Assessment,
        keys: Mapping[str, PhysicalKey],
        *,
        start: datetime | None,
        length: timedelta | None = None,
        drill: bool = False,
        early: str | None = None,
    ) -> tuple[str, str]:
        """Render title and text of a notice.

        If a `drill` ends early, `early` is the key of the text with the reason.
        """
        notice = render_notice(
            self.words,
            kind=kind,
            assessment=assessment,
            vehicles=self._describe_vehicles(keys),
            stale_vehicles=self._get_stale_vehicles(assessment),
            start=start,
            length=length,
            utcnow=dt_util.utcnow(),
            drill=drill,
        )
        return mark_as_drill(self.words, kind, notice, early=early) if drill else notice

    @callback
    def async_publish(
        self,
        event: OutageEvent,
        assessment: Assessment,
        keys: Mapping[str, PhysicalKey],
        *,
        drill: bool = False,
        early: str | None = None,
    ) -> None:
        """Publish an event; `keys` are the keys to take by vehicle name."""
        title, text = self.render(
            event.kind,
            assessment,
            keys,
            start=event.start,
            length=event.length,
            drill=drill,
            early=early,
        )
        notice = OutageNotice(
            kind=event.kind,
            notice=event.notice,
            title=title,
            text=text,
            assessment=assessment,
            keys=keys,
            drill=drill,
        )
        if event.notice is not NoticeType.NONE or event.kind is EventType.WARNING:
            self._hass.bus.async_fire(
                EVENT_NOTICE,
                {
                    ATTR_ENTITY_ID: self._entity_id(event.entry_id),
                    ATTR_NOTICE: event.notice.value,
                    ATTR_TITLE: title,
                    ATTR_TEXT: text,
                    ATTR_DRILL: drill,
                },
            )
        if not self.listeners:
            self._pending.append(notice)
        for listener in list(self.listeners):
            with isolated("a listener of the notices"):
                listener(notice)

    def _entity_id(self, entry_id: str) -> str | None:
        """Return the event entity of an entry."""
        return er.async_get(self._hass).async_get_entity_id(
            EVENT_DOMAIN, DOMAIN, f"{entry_id}_outage"
        )
