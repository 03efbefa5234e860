"""Buttons for Keycard."""

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
from .notifications.notifier import DATA_NOTIFIER
from .vehicle.commands import Command, CommandCall, command_call

# Each vehicle queues its own commands.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class VehicleButtonDescription(ButtonEntityDescription, VehicleEntityDescription):
    """Describe a button that sends a command to a vehicle."""

    press_command: CommandCall
    sends_location: bool = False
    """Whether the command needs the location of the vehicle."""


@dataclass(frozen=True, kw_only=True)
class KeyTestedButtonDescription(ButtonEntityDescription, VehicleEntityDescription):
    """Describe a button that records a test of the physical key."""


@dataclass(frozen=True, kw_only=True)
class DrillButtonDescription(ButtonEntityDescription):
    """Describe a button that starts or stops a drill."""

    entity_category: EntityCategory | None = EntityCategory.CONFIG
    press_fn: Callable[[DrillRunner], Awaitable[object]]


async def _async_start_drill(drill: DrillRunner) -> None:
    """Start a drill with the defaults."""
    drill.async_start(DrillRequest())


BUTTONS = (
    # Tesla bills each wake.
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
        sends_location=True,
    ),
)
DRILL_BUTTONS = (
    DrillButtonDescription(
        key="start_drill", translation_key="start_drill", press_fn=_async_start_drill
    ),
    DrillButtonDescription(
        key="stop_drill",
        translation_key="stop_drill",
        press_fn=lambda drill: drill.async_stop(),
    ),
)
SEND_TEST = ButtonEntityDescription(
    key="send_test",
    translation_key="send_test",
    entity_category=EntityCategory.CONFIG,
)
KEY_TESTED = KeyTestedButtonDescription(
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
    """Set up the buttons of the cloud and of its vehicles."""
    async_add_entities(DrillButton(entry, description) for description in DRILL_BUTTONS)
    async_add_entities([SendTestButton(entry, SEND_TEST)])
    async_add_vehicle_entities(entry, async_add_entities, BUTTONS, VehicleButton)
    async_add_vehicle_entities(entry, async_add_entities, [KEY_TESTED], KeyTestedButton)


class SendTestButton(CloudEntity, ButtonEntity):
    """Button that sends a test notification."""

    @override
    async def async_press(self) -> None:
        """Send a test to the receivers of the entry."""
        notifier = self.hass.data[DATA_NOTIFIER]
        await notifier.async_send_test(self.coordinator.config_entry)


class DrillButton(CloudEntity, ButtonEntity):
    """Button that starts or stops a drill."""

    entity_description: DrillButtonDescription

    @override
    async def async_press(self) -> None:
        """Start or stop a drill."""
        await self.entity_description.press_fn(self._runtime_data.drill)


class _VehicleButtonEntity(VehicleEntity, ButtonEntity):
    """Button whose state is the time of the last press."""

    @property
    @override
    def shown_value(self) -> object:
        """Return the same always: only a press changes the state."""
        return ()


class KeyTestedButton(_VehicleButtonEntity):
    """Button that records that the user has tested the key card or fob."""

    entity_description: KeyTestedButtonDescription

    def __init__(
        self,
        entry: KeycardConfigEntry,
        coordinator: VehicleCoordinator,
        description: KeyTestedButtonDescription,
    ) -> None:
        """Initialize the button."""
        super().__init__(entry, coordinator, description)
        self._drill = entry.runtime_data.drill

    @override
    async def async_press(self) -> None:
        """Record the test."""
        self._drill.async_mark_key_tried(self.coordinator)


class VehicleButton(_VehicleButtonEntity):
    """Button of a vehicle."""

    entity_description: VehicleButtonDescription

    @override
    async def async_press(self) -> None:
        """Send the command."""
        command = self.entity_description.press_command
        await self.async_send_command(
            command_call(command.command, **command.params, **self._location_params())
        )

    def _location_params(self) -> dict[str, float]:
        """Return the location of the vehicle if the command needs it."""
        if not self.entity_description.sends_location:
            return {}
        state = self.usable_state if self.coordinator.data.holds("latitude") else None
        if state is None or state.latitude is None or state.longitude is None:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key="place_not_known",
                translation_placeholders={"car": self.coordinator.vehicle.title},
            )
        return {"latitude": state.latitude, "longitude": state.longitude}
