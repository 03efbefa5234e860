"""Storage of the record of notifications."""

from collections.abc import Callable
import logging

from homeassistant.core import HomeAssistant, callback
from homeassistant.util.hass_dict import HassKey

from ..const import DOMAIN
from ..outage.stored_values import Skipped
from ..runtime.storage import MinDelayWriter, VersionedStore, async_load_or_set_aside
from .record import NotificationRecord, StoredRecord

_LOGGER = logging.getLogger(__name__)

STORE_KEY = f"{DOMAIN}.notifications"
SAVE_DELAY = 1.0


class RecordStore:
    """The record of notifications of a home, on disk."""

    def __init__(self, hass: HomeAssistant, new_token: Callable[[], str]) -> None:
        """Start with an empty record."""
        self.record = NotificationRecord(new_token)
        self._hass = hass
        self._store = VersionedStore[StoredRecord](hass, STORE_KEY, private=True)
        self._writer = MinDelayWriter(hass, self._store, self.record.dump_record)

    async def async_load(self) -> None:
        """Load the record."""
        stored = await async_load_or_set_aside(self._hass, self._store)
        if stored is None:
            return
        skipped = Skipped()
        self.record.restore_record(stored, skipped)
        if skipped:
            _LOGGER.warning("Ignoring invalid records of notifications: %s", skipped)

    @callback
    def async_save_soon(self) -> None:
        """Save the record within a second."""
        self._writer.async_save_in(SAVE_DELAY)


DATA_RECORD: HassKey[RecordStore] = HassKey(f"{DOMAIN}.notifications")
