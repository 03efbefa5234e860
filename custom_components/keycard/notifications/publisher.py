"""Hands the events of the cloud, in words, to whoever listens."""

from collections import deque
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.util import dt as dt_util

from ..outage.models import Judgement
from ..outage.outage_log import Happening, Kind
from ..runtime.isolation import isolated
from ..runtime.views import OutageEvent
from ..vehicle.keys import Key
from .text import Words, as_drill, async_get_words, compose

# As many events wait for somebody who can hear them.
UNHEARD = 16


class Bulletin:
    """The events of one entry; what nobody heard yet waits for a listener.

    `seen` names the cars by which only other integrations show what is judged, `near`
    those that Home Assistant reaches over Bluetooth now.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        *,
        seen: Callable[[Judgement], Collection[str]],
        near: Callable[[], Collection[str]],
    ) -> None:
        """Start without words or listeners."""
        self.listeners: list[Callable[[OutageEvent], None]] = []
        self.words: Words
        self._seen = seen
        self._near = near
        self._hass = hass
        self._unheard: deque[OutageEvent] = deque(maxlen=UNHEARD)

    async def async_load_words(self) -> None:
        """Take the words of Home Assistant's language."""
        self.words = await async_get_words(self._hass)

    @callback
    def async_add_listener(
        self, listener: Callable[[OutageEvent], None]
    ) -> CALLBACK_TYPE:
        """Call back with each event, and with those that nobody heard yet."""
        self.listeners.append(listener)
        while self._unheard:
            with isolated("a listener of the notices"):
                listener(self._unheard.popleft())
        return lambda: self.listeners.remove(listener)

    def word(
        self,
        kind: Kind,
        judgement: Judgement,
        keys: Mapping[str, Key],
        *,
        start: datetime | None,
        length: timedelta | None = None,
        drill: bool = False,
        early: str | None = None,
    ) -> tuple[str, str]:
        """Put a notice into words, as it would be told now.

        If a `drill` ends early, `early` names the words that say why.
        """
        notice = compose(
            self.words,
            kind=kind,
            judgement=judgement,
            keys=keys,
            seen=self._seen(judgement),
            near=self._near(),
            start=start,
            length=length,
            now=dt_util.utcnow(),
        )
        return as_drill(self.words, kind, notice, early=early) if drill else notice

    @callback
    def async_tell(
        self,
        happening: Happening,
        judgement: Judgement,
        keys: Mapping[str, Key],
        *,
        drill: bool = False,
        early: str | None = None,
    ) -> None:
        """Tell of a happening; `keys` are to be taken, by the name of a car."""
        title, text = self.word(
            happening.kind,
            judgement,
            keys,
            start=happening.start,
            length=happening.length,
            drill=drill,
            early=early,
        )
        event = OutageEvent(
            kind=happening.kind,
            notice=happening.notice,
            title=title,
            text=text,
            judgement=judgement,
            keys=keys,
            drill=drill,
        )
        if not self.listeners:
            self._unheard.append(event)
        for listener in list(self.listeners):
            with isolated("a listener of the notices"):
                listener(event)
