"""Switches for Keycard."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, override

from homeassistant.components.switch import (
    SwitchDeviceClass,
    SwitchEntity,
    SwitchEntityDescription,
)
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import KeycardConfigEntry
from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .vehicle.commands import CHARGING_STATES, Command, CommandCall, command_call
from .vehicle.state import ConnectivityState, VehicleState

# Each vehicle queues its own commands.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class VehicleSwitchDescription(SwitchEntityDescription, VehicleEntityDescription):
    """Describe a switch of a vehicle."""

    is_on_fn: Callable[[VehicleState], bool | None]
    on_command: CommandCall
    off_command: CommandCall
    needs_climate: bool = False
    """Whether it works only while the climate control is on."""


def _charging(state: VehicleState) -> bool | None:
    """Return whether the vehicle charges; it does not while asleep."""
    if state.presence is ConnectivityState.ASLEEP:
        return False
    return (
        None
        if state.charging_state is None
        else state.charging_state in CHARGING_STATES
    )


SWITCHES = (
    VehicleSwitchDescription(
        key="charging",
        translation_key="charging",
        device_class=SwitchDeviceClass.SWITCH,
        is_on_fn=_charging,
        on_command=command_call(Command.CHARGE, on=True),
        off_command=command_call(Command.CHARGE, on=False),
    ),
    VehicleSwitchDescription(
        key="sentry_mode",
        translation_key="sentry_mode",
        device_class=SwitchDeviceClass.SWITCH,
        supported_fn=lambda state: state.sentry_mode,
        is_on_fn=lambda state: state.sentry_mode,
        on_command=command_call(Command.SENTRY, on=True),
        off_command=command_call(Command.SENTRY, on=False),
    ),
    VehicleSwitchDescription(
        key="valet_mode",
        translation_key="valet_mode",
        device_class=SwitchDeviceClass.SWITCH,
        entity_registry_enabled_default=False,
        is_on_fn=lambda state: state.valet_mode,
        on_command=command_call(Command.VALET, on=True),
        off_command=command_call(Command.VALET, on=False),
    ),
    # A vehicle does not report guest mode, so its state stays unknown.
    VehicleSwitchDescription(
        key="guest_mode",
        translation_key="guest_mode",
        device_class=SwitchDeviceClass.SWITCH,
        entity_registry_enabled_default=False,
        is_on_fn=lambda _: None,
        on_command=command_call(Command.GUEST, on=True),
        off_command=command_call(Command.GUEST, on=False),
    ),
    VehicleSwitchDescription(
        key="pin_to_drive",
        translation_key="pin_to_drive",
        device_class=SwitchDeviceClass.SWITCH,
        entity_registry_enabled_default=False,
        signed_only=True,
        is_on_fn=lambda state: state.pin_to_drive,
        on_command=command_call(Command.PIN_TO_DRIVE, on=True),
        off_command=command_call(Command.PIN_TO_DRIVE, on=False),
    ),
    VehicleSwitchDescription(
        key="bioweapon",
        translation_key="bioweapon",
        device_class=SwitchDeviceClass.SWITCH,
        entity_registry_enabled_default=False,
        supported_fn=lambda state: state.bioweapon,
        is_on_fn=lambda state: state.bioweapon,
        on_command=command_call(Command.BIOWEAPON, on=True),
        off_command=command_call(Command.BIOWEAPON, on=False),
    ),
    # For vehicles with a steering wheel heater that has no levels.
    VehicleSwitchDescription(
        key="wheel_heater",
        translation_key="wheel_heater",
        device_class=SwitchDeviceClass.SWITCH,
        entity_registry_enabled_default=False,
        supported_fn=lambda state: (
            state.wheel_heater_on if state.wheel_heater is None else None
        ),
        is_on_fn=lambda state: state.wheel_heater_on,
        on_command=command_call(Command.WHEEL_HEATER_ON, on=True),
        off_command=command_call(Command.WHEEL_HEATER_ON, on=False),
        needs_climate=True,
    ),
    VehicleSwitchDescription(
        key="auto_seat_left",
        translation_key="auto_seat_left",
        device_class=SwitchDeviceClass.SWITCH,
        entity_category=EntityCategory.CONFIG,
        entity_registry_enabled_default=False,
        supported_fn=lambda state: state.auto_seat_left,
        is_on_fn=lambda state: state.auto_seat_left,
        on_command=command_call(Command.AUTO_SEAT, seat="left", on=True),
        off_command=command_call(Command.AUTO_SEAT, seat="left", on=False),
    ),
    VehicleSwitchDescription(
        key="auto_seat_right",
        translation_key="auto_seat_right",
        device_class=SwitchDeviceClass.SWITCH,
        entity_category=EntityCategory.CONFIG,
        entity_registry_enabled_default=False,
        supported_fn=lambda state: state.auto_seat_right,
        is_on_fn=lambda state: state.auto_seat_right,
        on_command=command_call(Command.AUTO_SEAT, seat="right", on=True),
        off_command=command_call(Command.AUTO_SEAT, seat="right", on=False),
    ),
    VehicleSwitchDescription(
        key="auto_wheel",
        translation_key="auto_wheel",
        device_class=SwitchDeviceClass.SWITCH,
        entity_category=EntityCategory.CONFIG,
        entity_registry_enabled_default=False,
        supported_fn=lambda state: state.auto_wheel,
        is_on_fn=lambda state: state.auto_wheel,
        on_command=command_call(Command.AUTO_WHEEL, on=True),
        off_command=command_call(Command.AUTO_WHEEL, on=False),
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the switches of each vehicle."""
    async_add_vehicle_entities(entry, async_add_entities, SWITCHES, VehicleSwitch)


class VehicleSwitch(VehicleEntity, SwitchEntity):
    """Switch of a vehicle."""

    entity_description: VehicleSwitchDescription

    @property
    @override
    def shown_value(self) -> object:
        """Return the value."""
        return (self.is_on,)

    @property
    @override
    def is_on(self) -> bool | None:
        """Return whether the switch is on, None if unknown."""
        return (
            self.entity_description.is_on_fn(self.usable_state)
            if self.usable_state
            else None
        )

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Turn the switch on."""
        if self.entity_description.needs_climate:
            await self.async_send_with_climate(self.entity_description.on_command)
        else:
            await self.async_send_command(self.entity_description.on_command)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Turn the switch off."""
        await self.async_send_command(self.entity_description.off_command)
