"""The buttons of a car."""

from dataclasses import dataclass
from typing import override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import KeycardConfigEntry
from .entity import CarDescription, CarEntity, follow_cars
from .vehicle.repertoire import Command, Order, order

# A car takes its commands one after the other in its own link; cars do not wait
# for each other.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class CarButtonDescription(ButtonEntityDescription, CarDescription):
    """Describes a button of a car."""

    press: Order


BUTTONS = (
    # The maker bills it.
    CarButtonDescription(key="wake", translation_key="wake", press=order(Command.WAKE)),
    CarButtonDescription(
        key="flash_lights",
        translation_key="flash_lights",
        entity_registry_enabled_default=False,
        press=order(Command.FLASH),
    ),
    CarButtonDescription(
        key="honk_horn",
        translation_key="honk_horn",
        entity_registry_enabled_default=False,
        press=order(Command.HONK),
    ),
    CarButtonDescription(
        key="keyless_driving",
        translation_key="keyless_driving",
        entity_registry_enabled_default=False,
        press=order(Command.KEYLESS_DRIVING),
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the buttons of each car."""
    follow_cars(entry, async_add_entities, BUTTONS, CarButton)


class CarButton(CarEntity, ButtonEntity):
    """A button of a car."""

    entity_description: CarButtonDescription

    @override
    async def async_press(self) -> None:
        """Have the car do it."""
        await self.async_order(self.entity_description.press)
