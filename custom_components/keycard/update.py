"""The software of a car."""

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
from .vehicle.commands import Command

# A car takes its commands one after the other in its own link; cars do not wait
# for each other.
PARALLEL_UPDATES = 0

AVAILABLE = "available"
INSTALLING = "installing"
# In words of the car, how far a new version is that it will have.
ON_ITS_WAY = frozenset(
    {AVAILABLE, "downloading", "downloading_wifi_wait", "scheduled", INSTALLING}
)


@dataclass(frozen=True, kw_only=True)
class VehicleUpdateDescription(UpdateEntityDescription, VehicleEntityDescription):
    """Describes the software of a car."""


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
    """Add the software of each car."""
    async_add_vehicle_entities(entry, async_add_entities, UPDATES, VehicleUpdate)


class VehicleUpdate(VehicleEntity, UpdateEntity):
    """The software of a car."""

    @property
    def _status(self) -> str | None:
        return self.usable_state.update_status if self.usable_state else None

    @property
    @override
    def supported_features(self) -> UpdateEntityFeature:
        """Return that a loaded version can be installed."""
        if self._status == AVAILABLE:
            return UpdateEntityFeature.PROGRESS | UpdateEntityFeature.INSTALL
        return UpdateEntityFeature.PROGRESS

    @property
    @override
    def installed_version(self) -> str | None:
        """Return the version that the car has, None when nobody knows."""
        return self.usable_state.sw_version if self.usable_state else None

    @property
    @override
    def latest_version(self) -> str | None:
        """Return the version that the car could have."""
        if self.usable_state is not None and self._status in ON_ITS_WAY:
            return self.usable_state.update_version or self.usable_state.sw_version
        return self.installed_version

    @property
    @override
    def in_progress(self) -> bool:
        """Return whether the car installs it now."""
        view = self.coordinator.data
        return self._status == INSTALLING and view.holds("update_status")

    @property
    @override
    def update_percentage(self) -> int | None:
        """Return how far that is."""
        return (
            self.usable_state.update_progress
            if self.usable_state and self.in_progress
            else None
        )

    @override
    async def async_install(
        self, version: str | None, backup: bool, **kwargs: Any
    ) -> None:
        """Have the car install it as soon as it can."""
        await self.coordinator.async_send(Command.INSTALL_UPDATE)
