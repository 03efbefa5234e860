"""Software update for Keycard."""

from dataclasses import dataclass
from typing import Any, override

from homeassistant.components.update import (
    UpdateEntity,
    UpdateEntityDescription,
    UpdateEntityFeature,
)
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import KeycardConfigEntry
from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .vehicle.commands import Command, command_call

# Each vehicle queues its own commands.
PARALLEL_UPDATES = 0

STATUS_AVAILABLE = "available"
STATUS_INSTALLING = "installing"
# Tesla's states of an update that is pending
PENDING_STATUSES = frozenset(
    {
        STATUS_AVAILABLE,
        "downloading",
        "downloading_wifi_wait",
        "scheduled",
        STATUS_INSTALLING,
    }
)


@dataclass(frozen=True, kw_only=True)
class VehicleUpdateDescription(UpdateEntityDescription, VehicleEntityDescription):
    """Describe the software update of a vehicle."""


UPDATES = (
    VehicleUpdateDescription(
        key="software",
        translation_key="software",
        entity_category=EntityCategory.CONFIG,
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the software update of each vehicle."""
    async_add_vehicle_entities(entry, async_add_entities, UPDATES, VehicleUpdate)


class VehicleUpdate(VehicleEntity, UpdateEntity):
    """Software update of a vehicle."""

    @property
    @override
    def shown_value(self) -> object:
        """Return the values of which versions, progress and features depend."""
        if (state := self.usable_state) is None:
            return ()
        return (
            state.sw_version,
            state.update_version,
            state.update_status,
            state.update_progress,
            self.coordinator.data.holds("update_status"),
        )

    @property
    def _status(self) -> str | None:
        return self.usable_state.update_status if self.usable_state else None

    @property
    @override
    def supported_features(self) -> UpdateEntityFeature:
        """Return the features; only a downloaded version can be installed."""
        if self._status == STATUS_AVAILABLE:
            return UpdateEntityFeature.PROGRESS | UpdateEntityFeature.INSTALL
        return UpdateEntityFeature.PROGRESS

    @property
    @override
    def installed_version(self) -> str | None:
        """Return the installed version, None if unknown."""
        return self.usable_state.sw_version if self.usable_state else None

    @property
    @override
    def latest_version(self) -> str | None:
        """Return the pending version, else the installed one."""
        if self.usable_state is not None and self._status in PENDING_STATUSES:
            return self.usable_state.update_version or self.usable_state.sw_version
        return self.installed_version

    @property
    @override
    def in_progress(self) -> bool:
        """Return whether the update is being installed."""
        data = self.coordinator.data
        return self._status == STATUS_INSTALLING and data.holds("update_status")

    @property
    @override
    def update_percentage(self) -> int | None:
        """Return the progress of the installation."""
        return (
            self.usable_state.update_progress
            if self.usable_state and self.in_progress
            else None
        )

    @override
    async def async_install(
        self, version: str | None, backup: bool, **kwargs: Any
    ) -> None:
        """Install the update as soon as possible."""
        await self.async_send_command(command_call(Command.INSTALL_UPDATE))
