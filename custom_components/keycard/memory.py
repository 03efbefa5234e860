"""What one entry keeps over a restart: its judgement, its cars, their keys."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NotRequired, TypedDict

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store

from .const import DOMAIN
from .outage.judge import StoredJudge
from .spending import StoredSpending

STORE_VERSION = 1
SOON = 1.0
LATER = 60.0

# What comes of reading a storage that somebody else has written.
UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class StoredRehearsal(TypedDict):
    """What is kept of drills: the last list, and, to end it, the one that is on."""

    tried: dict[str, str]
    on_since: NotRequired[str]
    told: NotRequired[bool]
    last: NotRequired[str]
    readiness: NotRequired[dict[str, Any]]


class StoredEntry(TypedDict):
    """An entry on disk; `saved` is in ISO 8601, cars and keys are by the car's id."""

    saved: str
    judge: StoredJudge
    cars: dict[str, dict[str, object]]
    keys: dict[str, str]
    spending: NotRequired[StoredSpending]
    rehearsal: NotRequired[StoredRehearsal]


class Keeper[StoredT: Mapping[str, Any]]:
    """Writes a store by the soonest time that somebody wished for.

    The store itself would let a later wish put off a sooner one.
    """

    def __init__(
        self, hass: HomeAssistant, store: Store[StoredT], dump: Callable[[], StoredT]
    ) -> None:
        """Keep what `dump` returns at the time of writing."""
        self._hass = hass
        self._store = store
        self._dump = dump
        self._due: float | None = None

    @callback
    def async_save_in(self, delay: float) -> None:
        """Write within so many seconds."""
        due = self._hass.loop.time() + delay
        if self._due is None or due < self._due:
            self._due = due
            self._store.async_delay_save(self._take, delay)

    def _take(self) -> StoredT:
        self._due = None
        return self._dump()

    async def async_save(self) -> None:
        """Write now."""
        await self._store.async_save(self._take())


class Memory:
    """The memory of one entry, kept beside its configuration."""

    def __init__(
        self, hass: HomeAssistant, entry_id: str, dump: Callable[[], StoredEntry]
    ) -> None:
        """Keep what `dump` returns at the time of writing."""
        self._store: Store[StoredEntry] = Store(
            hass, STORE_VERSION, _key(entry_id), private=True
        )
        self._keeper = Keeper(hass, self._store, dump)

    async def async_load(self) -> StoredEntry | None:
        """Read what was kept."""
        return await self._store.async_load()

    @callback
    def async_save_soon(self) -> None:
        """Write within a second."""
        self._keeper.async_save_in(SOON)

    @callback
    def async_save_later(self) -> None:
        """Write within a minute: what is lost until then is asked again."""
        self._keeper.async_save_in(LATER)

    async def async_save(self) -> None:
        """Write now."""
        await self._keeper.async_save()


async def async_forget(hass: HomeAssistant, entry_id: str) -> None:
    """Forget what an entry kept."""
    store: Store[StoredEntry] = Store(hass, STORE_VERSION, _key(entry_id))
    await store.async_remove()


async def async_rename(
    hass: HomeAssistant, entry_id: str, names: Mapping[str, str]
) -> None:
    """Keep the keys that an entry named last for some cars under their new ids."""
    store: Store[StoredEntry] = Store(hass, STORE_VERSION, _key(entry_id), private=True)
    with suppress(*UNREADABLE):
        if (stored := await store.async_load()) is not None:
            keys = stored["keys"].items()
            stored["keys"] = {names.get(car, car): key for car, key in keys}
            await store.async_save(stored)


def _key(entry_id: str) -> str:
    return f"{DOMAIN}.{entry_id}"
