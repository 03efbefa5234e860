"""The button that wakes a car."""

from typing import override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import KeycardConfigEntry
from .entity import CarEntity, follow_cars
from .vehicle.links import Command

# A car takes its commands one after the other in its own link; cars do not wait
# for each other.
PARALLEL_UPDATES = 0

DESCRIPTION = ButtonEntityDescription(key="wake", translation_key="wake")


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the button of each car."""
    follow_cars(
        entry,
        async_add_entities,
        lambda car: [WakeButton(entry, car, DESCRIPTION)] if car.commandable else [],
    )


class WakeButton(CarEntity, ButtonEntity):
    """Wakes a sleeping car, which the maker bills."""

    @override
    async def async_press(self) -> None:
        """Wake the car."""
        await self.coordinator.async_send(Command.WAKE)
