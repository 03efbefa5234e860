"""The doors of a car."""

from typing import Any, override

from homeassistant.components.lock import LockEntity, LockEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import KeycardConfigEntry
from .entity import CarEntity, follow_cars
from .vehicle.links import Command

# A car takes its commands one after the other in its own link; cars do not wait
# for each other.
PARALLEL_UPDATES = 0

DESCRIPTION = LockEntityDescription(key="lock", translation_key="lock")


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the lock of each car."""
    follow_cars(
        entry,
        async_add_entities,
        lambda car: [CarLock(entry, car, DESCRIPTION)] if car.commandable else [],
    )


class CarLock(CarEntity, LockEntity):
    """The doors of a car."""

    @property
    @override
    def is_locked(self) -> bool | None:
        """Return whether the doors are locked, None when nobody knows."""
        return self.known.locked if self.known else None

    @override
    async def async_lock(self, **kwargs: Any) -> None:
        """Lock the doors."""
        self._attr_is_locking = True
        self.async_write_ha_state()
        try:
            await self.coordinator.async_send(Command.LOCK)
        finally:
            self._attr_is_locking = False
            self.async_write_ha_state()

    @override
    async def async_unlock(self, **kwargs: Any) -> None:
        """Unlock the doors."""
        self._attr_is_unlocking = True
        self.async_write_ha_state()
        try:
            await self.coordinator.async_send(Command.UNLOCK)
        finally:
            self._attr_is_unlocking = False
            self.async_write_ha_state()
