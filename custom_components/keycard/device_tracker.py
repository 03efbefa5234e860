"""Device trackers for Keycard."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, override

from homeassistant.components.device_tracker import (
    TrackerEntity,
    TrackerEntityDescription,
)
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import KeycardConfigEntry
from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .vehicle.state import VehicleState

# Entities read the data of their coordinator.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class VehicleTrackerDescription(TrackerEntityDescription, VehicleEntityDescription):
    """Describe a tracker of a vehicle or of its destination."""

    latitude_fn: Callable[[VehicleState], float | None]
    longitude_fn: Callable[[VehicleState], float | None]
    attributes_fn: Callable[[VehicleState], dict[str, Any]]


TRACKERS = (
    VehicleTrackerDescription(
        key="location",
        translation_key="location",
        latitude_fn=lambda state: state.latitude,
        longitude_fn=lambda state: state.longitude,
        attributes_fn=lambda state: {"heading": state.heading},
    ),
    VehicleTrackerDescription(
        key="destination",
        translation_key="destination",
        entity_registry_enabled_default=False,
        latitude_fn=lambda state: state.route_latitude,
        longitude_fn=lambda state: state.route_longitude,
        attributes_fn=lambda state: {"destination": state.route_destination},
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the device trackers of each vehicle."""
    async_add_vehicle_entities(entry, async_add_entities, TRACKERS, VehicleTracker)


class VehicleTracker(VehicleEntity, TrackerEntity):
    """Location of a vehicle or of its destination."""

    entity_description: VehicleTrackerDescription

    @property
    @override
    def entity_category(self) -> EntityCategory | None:
        """Return the category; the default of trackers is diagnostic."""
        return self.entity_description.entity_category

    @property
    @override
    def force_update(self) -> bool:
        """Return False; an unchanged location needs no state update."""
        return False

    @property
    @override
    def latitude(self) -> float | None:
        """Return the latitude, None if unknown."""
        return (
            self.entity_description.latitude_fn(self.usable_state)
            if self.usable_state
            else None
        )

    @property
    @override
    def longitude(self) -> float | None:
        """Return the longitude, None if unknown."""
        return (
            self.entity_description.longitude_fn(self.usable_state)
            if self.usable_state
            else None
        )

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Return the attributes of the location."""
        if self.usable_state is None:
            return None
        attributes = self.entity_description.attributes_fn(self.usable_state)
        return {**attributes, **(super().extra_state_attributes or {})}
