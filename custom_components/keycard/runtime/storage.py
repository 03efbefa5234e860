"""Storage of the entries and of the home."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
import logging
from pathlib import Path
import time
from typing import Any, NotRequired, TypedDict, cast

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.issue_registry import IssueSeverity
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

from ..const import DOMAIN
from ..cost.budget import StoredUsage
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


class StoredDrill(TypedDict):
    """Stored data of drills: the last report, and the start of an active drill."""

    tried: dict[str, str]
    on_since: NotRequired[str]
    told: NotRequired[bool]
    last: NotRequired[str]
    readiness: NotRequired[dict[str, Any]]


class StoredEvent(TypedDict):
    """Stored last event: type, time (ISO 8601) and attributes."""

    type: str
    at: str
    attributes: dict[str, Any]


class StoredEntry(TypedDict):
    """Stored data of an entry; `saved` is in ISO 8601."""

    saved: str
    judge: StoredDetector
    cars: dict[str, dict[str, object]]
    keys: dict[str, str]
    spending: NotRequired[StoredUsage]
    rehearsal: NotRequired[StoredDrill]
    event: NotRequired[StoredEvent]


class VersionedStore[StoredT: Mapping[str, Any]](Store[StoredT]):
    """Store that reads later minor versions, which only add to the data."""

    def __init__(self, hass: HomeAssistant, key: str, *, private: bool = False) -> None:
        """Initialize the store with the current version."""
        super().__init__(
            hass,
            ENTRY_STORE_VERSION,
            key,
            private=private,
            minor_version=STORE_MINOR_VERSION,
        )


class MinDelayWriter[StoredT: Mapping[str, Any]]:
    """Write a store after the shortest requested delay.

    A store itself lets a later request postpone an earlier one.
    """

    def __init__(
        self, hass: HomeAssistant, store: Store[StoredT], dump: Callable[[], StoredT]
    ) -> None:
        """Initialize; `dump` returns the data when they are written."""
        self._hass = hass
        self._store = store
        self._dump = dump
        self._due: float | None = None

    @callback
    def async_save_in(self, delay: float) -> None:
        """Write within a delay (s)."""
        due = self._hass.loop.time() + delay
        if self._due is None or due < self._due:
            self._due = due
            self._store.async_delay_save(self._dump_now, delay)

    def _dump_now(self) -> StoredT:
        self._due = None
        return self._dump()

    async def async_save(self) -> None:
        """Write the data now."""
        await self._store.async_save(self._dump_now())


class EntryStore:
    """Storage of an entry."""

    def __init__(
        self, hass: HomeAssistant, entry_id: str, dump: Callable[[], StoredEntry]
    ) -> None:
        """Initialize; `dump` returns the data when they are written."""
        self._hass = hass
        self._store = VersionedStore[StoredEntry](hass, _key(entry_id), private=True)
        self._writer = MinDelayWriter(hass, self._store, dump)

    async def async_load(self) -> Mapping[str, Any] | None:
        """Load the data, whose parts may be of any form."""
        return await async_load_or_set_aside(self._hass, self._store)

    @callback
    def async_save_soon(self) -> None:
        """Write the data within a second."""
        self._writer.async_save_in(SAVE_DELAY)

    @callback
    def async_save_later(self) -> None:
        """Write data within a minute that would be requested again if lost."""
        self._writer.async_save_in(VEHICLES_DELAY)

    async def async_save(self) -> None:
        """Write the data now."""
        await self._writer.async_save()


async def async_forget(hass: HomeAssistant, entry_id: str) -> None:
    """Remove the stored data of an entry."""
    store = VersionedStore[StoredEntry](hass, _key(entry_id))
    ir.async_delete_issue(hass, DOMAIN, _issue(store))
    try:
        await store.async_remove()
    except OSError as err:
        _LOGGER.warning("Cannot remove storage data of an entry: %s", err)


async def async_rename(
    hass: HomeAssistant, entry_id: str, names: Mapping[str, str]
) -> None:
    """Rename vehicles in the stored keys to take of an entry."""
    store = VersionedStore[StoredEntry](hass, _key(entry_id), private=True)
    if (stored := await async_load_or_set_aside(hass, store)) is None:
        return
    with suppress(*INVALID_DATA_ERRORS):
        keys = {names.get(car, car): key for car, key in stored["keys"].items()}
        await store.async_save(cast(StoredEntry, {**stored, "keys": keys}))


async def async_load_or_set_aside(
    hass: HomeAssistant, store: Store[Any]
) -> Mapping[str, Any] | None:
    """Return the data of a store, None without any.

    An unreadable file is renamed and reported in a repair issue.
    """
    try:
        stored = await store.async_load()
        if stored is None or isinstance(stored, Mapping):
            return stored
        reason = "invalid data"
    except Exception as err:  # noqa: BLE001 - nothing that is stored stops the set-up
        reason = type(err).__name__
    path = Path(store.path)
    aside = await hass.async_add_executor_job(_set_aside, path)
    _LOGGER.warning(
        "Ignoring unreadable storage file %s (%s), renamed to %s",
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
    """Rename a file, or a folder in its place, and return its path."""
    names = (path.with_name(f"{path.name}.unreadable.{n}") for n in count(1))
    aside = next(name for name in names if not name.exists())
    try:
        path.rename(aside)
    except OSError:
        # It cannot be overwritten either.
        return path
    return aside


def _issue(store: Store[Any]) -> str:
    return f"{store.key}_unreadable"


def _key(entry_id: str) -> str:
    return f"{DOMAIN}.{entry_id}"


STORE_KEY = f"{DOMAIN}.ledger"
SAVE_DELAY = 1.0
# Uptime that is lost in a crash counts as not watched.
HOSTS_DELAY = 900.0


class StoredHome(TypedDict):
    """Stored data of the home."""

    hosts: dict[str, StoredHost]
    outages: list[StoredOutage]
    days: NotRequired[StoredDays]
    saved: NotRequired[str]


class HomeStore:
    """Storage of the outage log and of the hosts of all entries."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Initialize without data."""
        self.outage_log = OutageLog()
        self._hass = hass
        self._hosts: dict[str, StoredHost] = {}
        self._store = VersionedStore[StoredHome](hass, STORE_KEY)
        self._writer = MinDelayWriter(hass, self._store, self._dump)

    async def async_load(self) -> None:
        """Load stored data, ignoring invalid content."""
        stored = await async_load_or_set_aside(self._hass, self._store)
        if stored is None:
            return
        skipped = Skipped()
        with skipped.part("outages"):
            self.outage_log.restore_outages(stored["outages"], skipped)
        with skipped.part("uptime"):
            days = stored.get("days", {})
            check_type(days, StoredDays)
            self.outage_log.uptime.restore_days(days)
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
            _LOGGER.warning("Ignoring invalid storage data of outages: %s", skipped)

    def restore_hosts(self, monitor: HostMonitor) -> None:
        """Restore the hosts of a monitor."""
        monitor.restore_hosts(self._hosts)

    @callback
    def update_hosts(self, monitor: HostMonitor) -> None:
        """Update from the hosts of a monitor, and save the uptime."""
        hosts = {**self._hosts, **monitor.dump_hosts()}
        if hosts != self._hosts:
            self._hosts = hosts
            self.async_save()
        self._writer.async_save_in(HOSTS_DELAY)

    @callback
    def async_forget(self, entry_id: str) -> list[OutageEvent]:
        """Remove an entry, and return the events that others are to report."""
        events = self.outage_log.forget_entry(
            entry_id, utcnow=dt_util.utcnow(), monotonic=time.monotonic()
        )
        self.async_save()
        return events

    @callback
    def async_rename(self, names: Mapping[str, str]) -> None:
        """Rename vehicles in the outage log."""
        self.outage_log.rename_vehicles(names)
        self.async_save()

    @callback
    def async_save(self) -> None:
        """Write the data soon."""
        self._writer.async_save_in(SAVE_DELAY)

    def _dump(self) -> StoredHome:
        return StoredHome(
            hosts=self._hosts,
            outages=self.outage_log.dump_outages(),
            days=self.outage_log.uptime.dump_days(),
            saved=dt_util.utcnow().isoformat(),
        )


DATA_STORE: HassKey[HomeStore] = HassKey(f"{DOMAIN}.ledger")
