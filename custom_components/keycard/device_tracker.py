"""Where a car is."""

from dataclasses import dataclass
from typing import Any, override

from homeassistant.components.device_tracker import (
    TrackerEntity,
    TrackerEntityDescription,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import KeycardConfigEntry
from .entity import CarDescription, CarEntity, follow_cars

# Reads what the coordinator holds; nothing is asked.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class CarTrackerDescription(TrackerEntityDescription, CarDescription):
    """Describes the tracker of a car."""


TRACKERS = (CarTrackerDescription(key="location", translation_key="location"),)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the tracker of each car."""
    follow_cars(entry, async_add_entities, TRACKERS, CarTracker)


class CarTracker(CarEntity, TrackerEntity):
    """The place of a car."""

    @property
    @override
    def force_update(self) -> bool:
        """Return that an unchanged place is not written again."""
        return False

    @property
    @override
    def latitude(self) -> float | None:
        """Return the latitude, None when nobody knows."""
        return self.known.latitude if self.known else None

    @property
    @override
    def longitude(self) -> float | None:
        """Return the longitude, None when nobody knows."""
        return self.known.longitude if self.known else None

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Return where the car points and how fast it is."""
        if self.known is None:
            return None
        return {"heading": self.known.heading, "speed": self.known.speed}
