"""Where a car is, and where it is going."""

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
from .entity import CarDescription, CarEntity, follow_cars
from .vehicle.state import CarState

# Reads what the coordinator holds; nothing is asked.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class CarTrackerDescription(TrackerEntityDescription, CarDescription):
    """Describes a tracker of a car, or of where it is going."""

    latitude: Callable[[CarState], float | None]
    longitude: Callable[[CarState], float | None]
    attributes: Callable[[CarState], dict[str, Any]]


TRACKERS = (
    CarTrackerDescription(
        key="location",
        translation_key="location",
        latitude=lambda state: state.latitude,
        longitude=lambda state: state.longitude,
        attributes=lambda state: {"heading": state.heading},
    ),
    CarTrackerDescription(
        key="destination",
        translation_key="destination",
        entity_registry_enabled_default=False,
        latitude=lambda state: state.route_latitude,
        longitude=lambda state: state.route_longitude,
        attributes=lambda state: {"destination": state.route_destination},
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the trackers of each car."""
    follow_cars(entry, async_add_entities, TRACKERS, CarTracker)


class CarTracker(CarEntity, TrackerEntity):
    """The place of a car, or of where it is going."""

    entity_description: CarTrackerDescription

    @property
    @override
    def entity_category(self) -> EntityCategory | None:
        """Return that this is no detail, as a tracker otherwise is."""
        return self.entity_description.entity_category

    @property
    @override
    def force_update(self) -> bool:
        """Return that an unchanged place is not written again."""
        return False

    @property
    @override
    def latitude(self) -> float | None:
        """Return the latitude, None when nobody knows."""
        return self.entity_description.latitude(self.known) if self.known else None

    @property
    @override
    def longitude(self) -> float | None:
        """Return the longitude, None when nobody knows."""
        return self.entity_description.longitude(self.known) if self.known else None

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Return what else is known of the place."""
        if self.known is None:
            return None
        told = self.entity_description.attributes(self.known)
        return {**told, **(super().extra_state_attributes or {})}
