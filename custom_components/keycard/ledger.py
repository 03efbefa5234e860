"""What a home keeps over restarts: its outages, its uptime, its notices, its hosts."""

from collections.abc import Mapping
import logging
import time
from typing import NotRequired, TypedDict

from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN
from .memory import Keeper, VersionedStore, async_load_or_set_aside
from .outage.journal import Happening, Journal, StoredOutage
from .outage.uptime import StoredDays
from .outage.watch import StoredHost, Watch
from .stored import LONGEST_GAP, Skipped, check_form, read_time

_LOGGER = logging.getLogger(__name__)

STORE_KEY = f"{DOMAIN}.ledger"
SOON = 1.0
# What is lost after a crash counts as not watched.
LATER = 900.0


class StoredLedger(TypedDict):
    """The ledger on disk."""

    hosts: dict[str, StoredHost]
    outages: list[StoredOutage]
    days: NotRequired[StoredDays]
    saved: NotRequired[str]


class Ledger:
    """The journal of outages and the hosts that ever answered, kept on disk."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Start an empty ledger."""
        self.journal = Journal()
        self._hass = hass
        self._hosts: dict[str, StoredHost] = {}
        self._store = VersionedStore[StoredLedger](hass, STORE_KEY)
        self._keeper = Keeper(hass, self._store, self._dump)

    async def async_load(self) -> None:
        """Read what was kept; what makes no sense is no reason to stand still."""
        stored = await async_load_or_set_aside(self._hass, self._store)
        if stored is None:
            return
        skipped = Skipped()
        with skipped.part("outages"):
            self.journal.restore(stored["outages"], skipped)
        with skipped.part("uptime"):
            days = stored.get("days", {})
            check_form(days, StoredDays)
            self.journal.uptime.restore(days)
        recent = True
        with skipped.part("saved"):
            if (saved := stored.get("saved")) is not None:
                recent = dt_util.utcnow() - read_time(saved) <= LONGEST_GAP
        with skipped.part("hosts"):
            for url, host in stored["hosts"].items():
                with skipped.part("a host"):
                    check_form(host, StoredHost)
                    self._hosts[url] = StoredHost(
                        verified=host["verified"], down=host["down"] and recent
                    )
        if skipped:
            _LOGGER.warning("The outages that were kept cannot be read: %s", skipped)

    def restore(self, watch: Watch) -> None:
        """Give a watch what is known of its hosts."""
        watch.restore(self._hosts)

    @callback
    def keep(self, watch: Watch) -> None:
        """Take what a watch learnt about its hosts; while it does, time is counted."""
        hosts = {**self._hosts, **watch.dump()}
        if hosts != self._hosts:
            self._hosts = hosts
            self.async_save()
        self._keeper.async_save_in(LATER)

    @callback
    def async_forget(self, reporter: str) -> list[Happening]:
        """Let go of an entry, and return what the others are to report for it."""
        happenings = self.journal.forget(
            reporter, wall=dt_util.utcnow(), now=time.monotonic()
        )
        self.async_save()
        return happenings

    @callback
    def async_rename(self, names: Mapping[str, str]) -> None:
        """Know cars under their new ids."""
        self.journal.rename(names)
        self.async_save()

    @callback
    def async_save(self) -> None:
        """Write the ledger to disk soon."""
        self._keeper.async_save_in(SOON)

    def _dump(self) -> StoredLedger:
        return StoredLedger(
            hosts=self._hosts,
            outages=self.journal.dump(),
            days=self.journal.uptime.dump(),
            saved=dt_util.utcnow().isoformat(),
        )


LEDGER: HassKey[Ledger] = HassKey(f"{DOMAIN}.ledger")
