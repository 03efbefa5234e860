"""Publish outage events to listeners."""

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.util import dt as dt_util

from ..outage.models import Assessment
from ..outage.outage_log import EventType, OutageEvent
from ..runtime.isolation import isolated
from ..vehicle.keys import PhysicalKey
from .text import (
    NoticeVehicle,
    Translations,
    async_load_translations,
    mark_as_drill,
    render_notice,
)

# As many events wait for somebody who can hear them.
MAX_PENDING = 16


@dataclass(frozen=True, kw_only=True)
class OutageNotice:
    """An event and its notice; `keys` are those to take, by the name of a vehicle."""

    kind: str
    notice: str
    title: str
    text: str
    assessment: Assessment
    keys: Mapping[str, PhysicalKey]
    drill: bool = False


class OutageEventPublisher:
    """Publisher of one entry's events, which wait for the first listener.

    `seen` names the vehicles by which only other integrations show the assessment,
    `describe` returns the vehicles of keys by name.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        *,
        seen: Callable[[Assessment], Collection[str]],
        describe: Callable[[Mapping[str, PhysicalKey]], Sequence[NoticeVehicle]],
    ) -> None:
        """Initialize without translations or listeners."""
        self.listeners: list[Callable[[OutageNotice], None]] = []
        self.words: Translations
        self._seen = seen
        self._describe = describe
        self._hass = hass
        self._unheard: deque[OutageNotice] = deque(maxlen=MAX_PENDING)

    async def async_load_translations(self) -> None:
        """Load the translations of Home Assistant's language."""
        self.words = await async_load_translations(self._hass)

    @callback
    def async_add_listener(
        self, listener: Callable[[OutageNotice], None]
    ) -> CALLBACK_TYPE:
        """Call a listener with each event, pending ones first."""
        self.listeners.append(listener)
        while self._unheard:
            with isolated("a listener of the notices"):
                listener(self._unheard.popleft())
        return lambda: self.listeners.remove(listener)

    def render(
        self,
        kind: EventType,
        judgement: Assessment,
        keys: Mapping[str, PhysicalKey],
        *,
        start: datetime | None,
        length: timedelta | None = None,
        drill: bool = False,
        early: str | None = None,
    ) -> tuple[str, str]:
        """Render title and text of a notice.

        If a `drill` ends early, `early` names the words that say why.
        """
        notice = render_notice(
            self.words,
            kind=kind,
            judgement=judgement,
            vehicles=self._describe(keys),
            stale_vehicles=self._seen(judgement),
            start=start,
            length=length,
            now=dt_util.utcnow(),
            drill=drill,
        )
        return mark_as_drill(self.words, kind, notice, early=early) if drill else notice

    @callback
    def async_publish(
        self,
        happening: OutageEvent,
        judgement: Assessment,
        keys: Mapping[str, PhysicalKey],
        *,
        drill: bool = False,
        early: str | None = None,
    ) -> None:
        """Publish an event; `keys` are to be taken, by the name of a car."""
        title, text = self.render(
            happening.kind,
            judgement,
            keys,
            start=happening.start,
            length=happening.length,
            drill=drill,
            early=early,
        )
        event = OutageNotice(
            kind=happening.kind,
            notice=happening.notice,
            title=title,
            text=text,
            assessment=judgement,
            keys=keys,
            drill=drill,
        )
        if not self.listeners:
            self._unheard.append(event)
        for listener in list(self.listeners):
            with isolated("a listener of the notices"):
                listener(event)
