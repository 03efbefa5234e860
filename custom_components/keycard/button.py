"""The buttons of a car."""

from dataclasses import dataclass
from typing import override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import DOMAIN
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
    sends_place: bool = False
    """Whether the car wants to be told where it is."""


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
    CarButtonDescription(
        key="homelink",
        translation_key="homelink",
        entity_registry_enabled_default=False,
        told=lambda state: state.homelink_nearby,
        press=order(Command.HOMELINK),
        sends_place=True,
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
        press = self.entity_description.press
        await self.coordinator.async_send(
            press.command, **press.params, **self._place()
        )

    def _place(self) -> dict[str, float]:
        """Return where the car is, if it wants to be told."""
        if not self.entity_description.sends_place:
            return {}
        known = self.known
        if known is None or known.latitude is None or known.longitude is None:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key="place_not_known",
                translation_placeholders={"car": self.coordinator.car.name},
            )
        return {"latitude": known.latitude, "longitude": known.longitude}
