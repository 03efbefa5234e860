"""The buttons of a car, and those that begin and end a drill."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import DOMAIN
from .coordinator import CarCoordinator, KeycardConfigEntry
from .drill.runner import Rehearsal
from .drill.scenario import Plan
from .entity import CarDescription, CarEntity, CloudEntity, follow_cars
from .vehicle.commands import Command, Order, order

# A car takes its commands one after the other in its own link; cars do not wait
# for each other.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class CarButtonDescription(ButtonEntityDescription, CarDescription):
    """Describes a button of a car."""

    press: Order
    sends_place: bool = False
    """Whether the car wants to be told where it is."""


@dataclass(frozen=True, kw_only=True)
class CarTickDescription(ButtonEntityDescription, CarDescription):
    """Describes a button that only notes something."""


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


@dataclass(frozen=True, kw_only=True)
class DrillButtonDescription(ButtonEntityDescription):
    """Describes a button that begins or ends a drill."""

    entity_category: EntityCategory | None = EntityCategory.CONFIG
    press: Callable[[Rehearsal], Awaitable[object]]


async def _async_start_drill(rehearsal: Rehearsal) -> None:
    rehearsal.async_start(Plan())


DRILL_BUTTONS = (
    DrillButtonDescription(
        key="start_drill", translation_key="start_drill", press=_async_start_drill
    ),
    DrillButtonDescription(
        key="stop_drill",
        translation_key="stop_drill",
        press=lambda rehearsal: rehearsal.async_stop(),
    ),
)
TICK = CarTickDescription(
    key="key_tried",
    translation_key="key_tried",
    entity_category=EntityCategory.CONFIG,
    watched_too=True,
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the buttons of the cloud and of each car."""
    async_add_entities(
        DrillButton(entry.runtime_data, description) for description in DRILL_BUTTONS
    )
    follow_cars(entry, async_add_entities, BUTTONS, CarButton)
    follow_cars(entry, async_add_entities, [TICK], KeyTriedButton)


class DrillButton(CloudEntity, ButtonEntity):
    """A button that begins or ends a drill."""

    entity_description: DrillButtonDescription

    @override
    async def async_press(self) -> None:
        """Begin or end a drill; raise a translated error if that cannot be now."""
        await self.entity_description.press(self.coordinator.rehearsal)


class KeyTriedButton(CarEntity, ButtonEntity):
    """A button by which an owner notes that card or fob have been tried."""

    entity_description: CarTickDescription

    def __init__(
        self,
        entry: KeycardConfigEntry,
        coordinator: CarCoordinator,
        description: CarTickDescription,
    ) -> None:
        """Attach the button to a car's device."""
        super().__init__(entry, coordinator, description)
        self._rehearsal = entry.runtime_data.rehearsal

    @override
    async def async_press(self) -> None:
        """Note it."""
        self._rehearsal.async_tick(self.coordinator)


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
        known = self.known if self.coordinator.data.holds("latitude") else None
        if known is None or known.latitude is None or known.longitude is None:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key="place_not_known",
                translation_placeholders={"car": self.coordinator.car.title},
            )
        return {"latitude": known.latitude, "longitude": known.longitude}
