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
from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .vehicle.commands import Command, CommandCall, command_call
from .vehicle.state import VehicleState

# A car takes its commands one after the other in its own link; cars do not wait
# for each other.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class VehicleLockDescription(LockEntityDescription, VehicleEntityDescription):
    """Describes a lock of a car."""

    is_locked_fn: Callable[[VehicleState], bool | None]
    unlock_command: CommandCall
    lock_command: CommandCall | None = None
    """None for what locks by itself only."""


LOCKS = (
    VehicleLockDescription(
        key="lock",
        translation_key="lock",
        is_locked_fn=lambda state: state.locked,
        lock_command=command_call(Command.LOCK),
        unlock_command=command_call(Command.UNLOCK),
    ),
    VehicleLockDescription(
        key="charge_cable",
        translation_key="charge_cable",
        entity_registry_enabled_default=False,
        is_locked_fn=lambda state: state.cable_locked,
        unlock_command=command_call(Command.PORT, open=True),
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the locks of each car."""
    async_add_vehicle_entities(entry, async_add_entities, LOCKS, VehicleLock)


class VehicleLock(VehicleEntity, LockEntity):
    """A lock of a car."""

    entity_description: VehicleLockDescription

    @property
    @override
    def is_locked(self) -> bool | None:
        """Return whether it is locked, None when nobody knows."""
        return (
            self.entity_description.is_locked_fn(self.usable_state)
            if self.usable_state
            else None
        )

    @override
    async def async_lock(self, **kwargs: Any) -> None:
        """Lock it."""
        if self.entity_description.lock_command is None:
            raise ServiceValidationError(
                translation_domain=DOMAIN, translation_key="cable_locks_itself"
            )
        self._attr_is_locking = True
        self.async_write_ha_state()
        try:
            await self.async_send_command(self.entity_description.lock_command)
        finally:
            self._attr_is_locking = False
            self.async_write_ha_state()

    @override
    async def async_unlock(self, **kwargs: Any) -> None:
        """Unlock it."""
        self._attr_is_unlocking = True
        self.async_write_ha_state()
        try:
            await self.async_send_command(self.entity_description.unlock_command)
        finally:
            self._attr_is_unlocking = False
            self.async_write_ha_state()
