"""Hands the events of the cloud, in words, to whoever listens."""

from collections.abc import Callable, Collection, Mapping

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .notices import Words, async_get_words, compose
from .outage.journal import Happening
from .outage.words import Judgement
from .vehicle.keys import Key
from .views import OutageEvent


class Bulletin:
    """The events of one entry; what nobody heard yet waits for a listener."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Start without words or listeners."""
        self.listeners: list[Callable[[OutageEvent], None]] = []
        self._hass = hass
        self._words: Words
        self._unheard: OutageEvent | None = None

    async def async_load_words(self) -> None:
        """Take the words of Home Assistant's language."""
        self._words = await async_get_words(self._hass)

    @callback
    def async_add_listener(
        self, listener: Callable[[OutageEvent], None]
    ) -> CALLBACK_TYPE:
        """Call back with each event, and with the last one if nobody heard it."""
        self.listeners.append(listener)
        if self._unheard is not None:
            unheard, self._unheard = self._unheard, None
            listener(unheard)
        return lambda: self.listeners.remove(listener)

    @callback
    def async_tell(
        self,
        happening: Happening,
        judgement: Judgement,
        keys: Mapping[str, Key],
        seen: Collection[str] = (),
    ) -> None:
        """Tell of a happening; `keys` are to be taken, by the name of a car.

        `seen` are the names of the cars by which only other integrations show it.
        """
        title, text = compose(
            self._words,
            kind=happening.kind,
            judgement=judgement,
            keys=keys,
            seen=seen,
            start=happening.start,
            now=dt_util.utcnow(),
        )
        event = OutageEvent(
            kind=happening.kind,
            notice=happening.notice,
            title=title,
            text=text,
            judgement=judgement,
            keys=keys,
        )
        if not self.listeners:
            self._unheard = event
        for listener in list(self.listeners):
            listener(event)
