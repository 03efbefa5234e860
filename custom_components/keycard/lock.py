"""The locks of a car: its doors, and its charging cable."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, override

from homeassistant.components.lock import LockEntity, LockEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import DOMAIN
from .coordinator import KeycardConfigEntry
from .entity import CarDescription, CarEntity, follow_cars
from .vehicle.commands import Command, Order, order
from .vehicle.state import CarState

# A car takes its commands one after the other in its own link; cars do not wait
# for each other.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class CarLockDescription(LockEntityDescription, CarDescription):
    """Describes a lock of a car."""

    is_locked: Callable[[CarState], bool | None]
    unlock: Order
    lock: Order | None = None
    """None for what locks by itself only."""


LOCKS = (
    CarLockDescription(
        key="lock",
        translation_key="lock",
        is_locked=lambda state: state.locked,
        lock=order(Command.LOCK),
        unlock=order(Command.UNLOCK),
    ),
    CarLockDescription(
        key="charge_cable",
        translation_key="charge_cable",
        entity_registry_enabled_default=False,
        is_locked=lambda state: state.cable_locked,
        unlock=order(Command.PORT, open=True),
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the locks of each car."""
    follow_cars(entry, async_add_entities, LOCKS, CarLock)


class CarLock(CarEntity, LockEntity):
    """A lock of a car."""

    entity_description: CarLockDescription

    @property
    @override
    def is_locked(self) -> bool | None:
        """Return whether it is locked, None when nobody knows."""
        return self.entity_description.is_locked(self.known) if self.known else None

    @override
    async def async_lock(self, **kwargs: Any) -> None:
        """Lock it."""
        if self.entity_description.lock is None:
            raise ServiceValidationError(
                translation_domain=DOMAIN, translation_key="cable_locks_itself"
            )
        self._attr_is_locking = True
        self.async_write_ha_state()
        try:
            await self.async_order(self.entity_description.lock)
        finally:
            self._attr_is_locking = False
            self.async_write_ha_state()

    @override
    async def async_unlock(self, **kwargs: Any) -> None:
        """Unlock it."""
        self._attr_is_unlocking = True
        self.async_write_ha_state()
        try:
            await self.async_order(self.entity_description.unlock)
        finally:
            self._attr_is_unlocking = False
            self.async_write_ha_state()
