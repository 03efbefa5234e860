"""Locks for Keycard."""

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

# Each vehicle queues its own commands.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class VehicleLockDescription(LockEntityDescription, VehicleEntityDescription):
    """Describe a lock of a vehicle."""

    is_locked_fn: Callable[[VehicleState], bool | None]
    unlock_command: CommandCall
    lock_command: CommandCall | None = None
    """None for a lock that only the vehicle closes."""


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
    """Set up the locks of each vehicle."""
    async_add_vehicle_entities(entry, async_add_entities, LOCKS, VehicleLock)


class VehicleLock(VehicleEntity, LockEntity):
    """Lock of a vehicle."""

    entity_description: VehicleLockDescription

    @property
    @override
    def shown_value(self) -> object:
        """Return the value; a command under way is written by itself."""
        return (self.is_locked,)

    @property
    @override
    def is_locked(self) -> bool | None:
        """Return whether the lock is locked, None if unknown."""
        return (
            self.entity_description.is_locked_fn(self.usable_state)
            if self.usable_state
            else None
        )

    @override
    async def async_lock(self, **kwargs: Any) -> None:
        """Lock the lock."""
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
        """Unlock the lock."""
        self._attr_is_unlocking = True
        self.async_write_ha_state()
        try:
            await self.async_send_command(self.entity_description.unlock_command)
        finally:
            self._attr_is_unlocking = False
            self.async_write_ha_state()
