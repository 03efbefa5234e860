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
from .coordinator import KeycardConfigEntry, VehicleCoordinator
from .drill.runner import DrillRunner
from .drill.scenario import DrillRequest
from .entity import (
    CloudEntity,
    VehicleEntity,
    VehicleEntityDescription,
    async_add_vehicle_entities,
)
from .vehicle.commands import Command, CommandCall, command_call

# A car takes its commands one after the other in its own link; cars do not wait
# for each other.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class VehicleButtonDescription(ButtonEntityDescription, VehicleEntityDescription):
    """Describes a button of a car."""

    press_command: CommandCall
    sends_place: bool = False
    """Whether the car wants to be told where it is."""


@dataclass(frozen=True, kw_only=True)
class KeyTestedDescription(ButtonEntityDescription, VehicleEntityDescription):
    """Describes a button that only notes something."""


BUTTONS = (
    # The maker bills it.
    VehicleButtonDescription(
        key="wake", translation_key="wake", press_command=command_call(Command.WAKE)
    ),
    VehicleButtonDescription(
        key="flash_lights",
        translation_key="flash_lights",
        entity_registry_enabled_default=False,
        press_command=command_call(Command.FLASH),
    ),
    VehicleButtonDescription(
        key="honk_horn",
        translation_key="honk_horn",
        entity_registry_enabled_default=False,
        press_command=command_call(Command.HONK),
    ),
    VehicleButtonDescription(
        key="keyless_driving",
        translation_key="keyless_driving",
        entity_registry_enabled_default=False,
        press_command=command_call(Command.KEYLESS_DRIVING),
    ),
    VehicleButtonDescription(
        key="homelink",
        translation_key="homelink",
        entity_registry_enabled_default=False,
        supported_fn=lambda state: state.homelink_nearby,
        press_command=command_call(Command.HOMELINK),
        sends_place=True,
    ),
)


@dataclass(frozen=True, kw_only=True)
class DrillButtonDescription(ButtonEntityDescription):
    """Describes a button that begins or ends a drill."""

    entity_category: EntityCategory | None = EntityCategory.CONFIG
    press_fn: Callable[[DrillRunner], Awaitable[object]]


async def _async_start_drill(rehearsal: DrillRunner) -> None:
    rehearsal.async_start(DrillRequest())


DRILL_BUTTONS = (
    DrillButtonDescription(
        key="start_drill", translation_key="start_drill", press_fn=_async_start_drill
    ),
    DrillButtonDescription(
        key="stop_drill",
        translation_key="stop_drill",
        press_fn=lambda rehearsal: rehearsal.async_stop(),
    ),
)
KEY_TESTED = KeyTestedDescription(
    key="key_tried",
    translation_key="key_tried",
    entity_category=EntityCategory.CONFIG,
    without_account=True,
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
    async_add_vehicle_entities(entry, async_add_entities, BUTTONS, VehicleButton)
    async_add_vehicle_entities(entry, async_add_entities, [KEY_TESTED], KeyTestedButton)


class DrillButton(CloudEntity, ButtonEntity):
    """A button that begins or ends a drill."""

    entity_description: DrillButtonDescription

    @override
    async def async_press(self) -> None:
        """Begin or end a drill; raise a translated error if that cannot be now."""
        await self.entity_description.press_fn(self.coordinator.rehearsal)


class KeyTestedButton(VehicleEntity, ButtonEntity):
    """A button by which an owner notes that card or fob have been tried."""

    entity_description: KeyTestedDescription

    def __init__(
        self,
        entry: KeycardConfigEntry,
        coordinator: VehicleCoordinator,
        description: KeyTestedDescription,
    ) -> None:
        """Attach the button to a car's device."""
        super().__init__(entry, coordinator, description)
        self._rehearsal = entry.runtime_data.rehearsal

    @override
    async def async_press(self) -> None:
        """Note it."""
        self._rehearsal.async_mark_key_tried(self.coordinator)


class VehicleButton(VehicleEntity, ButtonEntity):
    """A button of a car."""

    entity_description: VehicleButtonDescription

    @override
    async def async_press(self) -> None:
        """Have the car do it."""
        press = self.entity_description.press_command
        await self.coordinator.async_send(
            press.command, **press.params, **self._location_params()
        )

    def _location_params(self) -> dict[str, float]:
        """Return where the car is, if it wants to be told."""
        if not self.entity_description.sends_place:
            return {}
        known = self.usable_state if self.coordinator.data.holds("latitude") else None
        if known is None or known.latitude is None or known.longitude is None:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key="place_not_known",
                translation_placeholders={"car": self.coordinator.vehicle.title},
            )
        return {"latitude": known.latitude, "longitude": known.longitude}
