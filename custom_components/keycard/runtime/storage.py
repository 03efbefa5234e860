"""What one entry keeps over a restart: its judgement, its cars, their keys."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
import logging
from pathlib import Path
import time
from typing import Any, NotRequired, TypedDict, cast, override

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.issue_registry import IssueSeverity
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

from ..const import DOMAIN
from ..cost.budget import StoredSpending
from ..outage.detector import StoredDetector
from ..outage.host_monitor import HostMonitor, StoredHost
from ..outage.outage_log import OutageEvent, OutageLog, StoredOutage
from ..outage.stored_values import (
    INVALID_DATA_ERRORS,
    LONGEST_GAP,
    Skipped,
    check_type,
    parse_stored_time,
)
from ..outage.uptime import StoredDays

_LOGGER = logging.getLogger(__name__)

ENTRY_STORE_VERSION = 1
STORE_MINOR_VERSION = 1
SAVE_DELAY = 1.0
VEHICLES_DELAY = 60.0


class StoredRehearsal(TypedDict):
    """What is kept of drills: the last list, and, to end it, the one that is on."""

    tried: dict[str, str]
    on_since: NotRequired[str]
    told: NotRequired[bool]
    last: NotRequired[str]
    readiness: NotRequired[dict[str, Any]]


class StoredEvent(TypedDict):
    """What was told last: type, time (ISO 8601) and attributes of the event."""

    type: str
    at: str
    attributes: dict[str, Any]


class StoredEntry(TypedDict):
    """An entry on disk; `saved` is in ISO 8601, cars and keys are by the car's id."""

    saved: str
    judge: StoredDetector
    cars: dict[str, dict[str, object]]
    keys: dict[str, str]
    spending: NotRequired[StoredSpending]
    rehearsal: NotRequired[StoredRehearsal]
    event: NotRequired[StoredEvent]


class VersionedStore[StoredT: Mapping[str, Any]](Store[StoredT]):
    """A store that a later version may have written.

    A minor version only adds to the form, and what is added is ignored. A major one
    cannot be read, and is set aside.
    """

    def __init__(self, hass: HomeAssistant, key: str, *, private: bool = False) -> None:
        """Open the store of a key at the version of today."""
        super().__init__(
            hass,
            ENTRY_STORE_VERSION,
            key,
            private=private,
            minor_version=STORE_MINOR_VERSION,
        )

    @override
    async def _async_migrate_func(
        self, old_major_version: int, old_minor_version: int, old_data: Any
    ) -> Any:
        """Return what another version stored in the form of this one."""
        if old_major_version != ENTRY_STORE_VERSION:
            raise NotImplementedError
        return old_data


class MinDelayWriter[StoredT: Mapping[str, Any]]:
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


class EntryStore:
    """The memory of one entry, kept beside its configuration."""

    def __init__(
        self, hass: HomeAssistant, entry_id: str, dump: Callable[[], StoredEntry]
    ) -> None:
        """Keep what `dump` returns at the time of writing."""
        self._hass = hass
        self._store = VersionedStore[StoredEntry](hass, _key(entry_id), private=True)
        self._keeper = MinDelayWriter(hass, self._store, dump)

    async def async_load(self) -> Mapping[str, Any] | None:
        """Read what was kept; its parts may be of any form."""
        return await async_load_or_set_aside(self._hass, self._store)

    @callback
    def async_save_soon(self) -> None:
        """Write within a second."""
        self._keeper.async_save_in(SAVE_DELAY)

    @callback
    def async_save_later(self) -> None:
        """Write within a minute: what is lost until then is asked again."""
        self._keeper.async_save_in(VEHICLES_DELAY)

    async def async_save(self) -> None:
        """Write now."""
        await self._keeper.async_save()


async def async_forget(hass: HomeAssistant, entry_id: str) -> None:
    """Forget what an entry kept."""
    store = VersionedStore[StoredEntry](hass, _key(entry_id))
    ir.async_delete_issue(hass, DOMAIN, _issue(store))
    try:
        await store.async_remove()
    except OSError as err:
        _LOGGER.warning("What was stored of an entry cannot be removed: %s", err)


async def async_rename(
    hass: HomeAssistant, entry_id: str, names: Mapping[str, str]
) -> None:
    """Keep the keys that an entry named last for some cars under their new ids."""
    store = VersionedStore[StoredEntry](hass, _key(entry_id), private=True)
    if (stored := await async_load_or_set_aside(hass, store)) is None:
        return
    with suppress(*INVALID_DATA_ERRORS):
        keys = {names.get(car, car): key for car, key in stored["keys"].items()}
        await store.async_save(cast(StoredEntry, {**stored, "keys": keys}))


async def async_load_or_set_aside(
    hass: HomeAssistant, store: Store[Any]
) -> Mapping[str, Any] | None:
    """Return what a store holds, None if that is nothing.

    What cannot be read, for whatever reason, is set aside under another name and said
    so in a repair: it is begun anew.
    """
    try:
        stored = await store.async_load()
        if stored is None or isinstance(stored, Mapping):
            return stored
        reason = "another form"
    except Exception as err:  # noqa: BLE001 - nothing that is stored stops the watch
        reason = type(err).__name__
    path = Path(store.path)
    aside = await hass.async_add_executor_job(_set_aside, path)
    _LOGGER.warning(
        "%s could not be read (%s): it is kept as %s and begun anew",
        path.name,
        reason,
        aside.name,
    )
    ir.async_create_issue(
        hass,
        DOMAIN,
        _issue(store),
        is_fixable=False,
        severity=IssueSeverity.WARNING,
        translation_key="store_unreadable",
        translation_placeholders={"file": path.name, "aside": aside.name},
    )
    return None


def _set_aside(path: Path) -> Path:
    """Rename a file, or a folder in its place; return its name."""
    names = (path.with_name(f"{path.name}.unreadable.{n}") for n in count(1))
    aside = next(name for name in names if not name.exists())
    try:
        path.rename(aside)
    except OSError:
        # Then it cannot be written over either.
        return path
    return aside


def _issue(store: Store[Any]) -> str:
    return f"{store.key}_unreadable"


def _key(entry_id: str) -> str:
    return f"{DOMAIN}.{entry_id}"


STORE_KEY = f"{DOMAIN}.ledger"
SAVE_DELAY = 1.0
# What is lost after a crash counts as not watched.
HOSTS_DELAY = 900.0


class StoredHome(TypedDict):
    """The ledger on disk."""

    hosts: dict[str, StoredHost]
    outages: list[StoredOutage]
    days: NotRequired[StoredDays]
    saved: NotRequired[str]


class HomeStore:
    """The journal of outages and the hosts that ever answered, kept on disk."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Start an empty ledger."""
        self.journal = OutageLog()
        self._hass = hass
        self._hosts: dict[str, StoredHost] = {}
        self._store = VersionedStore[StoredHome](hass, STORE_KEY)
        self._keeper = MinDelayWriter(hass, self._store, self._dump)

    async def async_load(self) -> None:
        """Read what was kept; what makes no sense is no reason to stand still."""
        stored = await async_load_or_set_aside(self._hass, self._store)
        if stored is None:
            return
        skipped = Skipped()
        with skipped.part("outages"):
            self.journal.restore_outages(stored["outages"], skipped)
        with skipped.part("uptime"):
            days = stored.get("days", {})
            check_type(days, StoredDays)
            self.journal.uptime.restore_days(days)
        recent = True
        with skipped.part("saved"):
            if (saved := stored.get("saved")) is not None:
                recent = dt_util.utcnow() - parse_stored_time(saved) <= LONGEST_GAP
        with skipped.part("hosts"):
            for url, host in stored["hosts"].items():
                with skipped.part("a host"):
                    check_type(host, StoredHost)
                    self._hosts[url] = StoredHost(
                        verified=host["verified"], down=host["down"] and recent
                    )
        if skipped:
            _LOGGER.warning("The outages that were kept cannot be read: %s", skipped)

    def restore(self, watch: HostMonitor) -> None:
        """Give a watch what is known of its hosts."""
        watch.restore_hosts(self._hosts)

    @callback
    def update_hosts(self, watch: HostMonitor) -> None:
        """Take what a watch learnt about its hosts; while it does, time is counted."""
        hosts = {**self._hosts, **watch.dump_hosts()}
        if hosts != self._hosts:
            self._hosts = hosts
            self.async_save()
        self._keeper.async_save_in(HOSTS_DELAY)

    @callback
    def async_forget(self, reporter: str) -> list[OutageEvent]:
        """Let go of an entry, and return what the others are to report for it."""
        happenings = self.journal.forget_entry(
            reporter, wall=dt_util.utcnow(), now=time.monotonic()
        )
        self.async_save()
        return happenings

    @callback
    def async_rename(self, names: Mapping[str, str]) -> None:
        """Know cars under their new ids."""
        self.journal.rename_vehicles(names)
        self.async_save()

    @callback
    def async_save(self) -> None:
        """Write the ledger to disk soon."""
        self._keeper.async_save_in(SAVE_DELAY)

    def _dump(self) -> StoredHome:
        return StoredHome(
            hosts=self._hosts,
            outages=self.journal.dump_outages(),
            days=self.journal.uptime.dump_days(),
            saved=dt_util.utcnow().isoformat(),
        )


DATA_STORE: HassKey[HomeStore] = HassKey(f"{DOMAIN}.ledger")
