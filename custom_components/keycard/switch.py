"""What can be switched on and off in a car."""

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
from .entity import CarDescription, CarEntity, follow_cars
from .vehicle.commands import CHARGING, Command, Order, order
from .vehicle.state import CarState, Presence

# A car takes its commands one after the other in its own link; cars do not wait
# for each other.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class CarSwitchDescription(SwitchEntityDescription, CarDescription):
    """Describes a switch of a car."""

    is_on: Callable[[CarState], bool | None]
    turn_on: Order
    turn_off: Order
    with_climate: bool = False
    """Whether it runs only while the climate does."""


def _charging(state: CarState) -> bool | None:
    if state.presence is Presence.ASLEEP:
        return False
    return None if state.charging_state is None else state.charging_state in CHARGING


SWITCHES = (
    CarSwitchDescription(
        key="charging",
        translation_key="charging",
        device_class=SwitchDeviceClass.SWITCH,
        is_on=_charging,
        turn_on=order(Command.CHARGE, on=True),
        turn_off=order(Command.CHARGE, on=False),
    ),
    CarSwitchDescription(
        key="sentry_mode",
        translation_key="sentry_mode",
        device_class=SwitchDeviceClass.SWITCH,
        entity_registry_enabled_default=False,
        told=lambda state: state.sentry_mode,
        is_on=lambda state: state.sentry_mode,
        turn_on=order(Command.SENTRY, on=True),
        turn_off=order(Command.SENTRY, on=False),
    ),
    CarSwitchDescription(
        key="valet_mode",
        translation_key="valet_mode",
        device_class=SwitchDeviceClass.SWITCH,
        entity_registry_enabled_default=False,
        is_on=lambda state: state.valet_mode,
        turn_on=order(Command.VALET, on=True),
        turn_off=order(Command.VALET, on=False),
    ),
    # A car does not tell whether it is on: it is never claimed.
    CarSwitchDescription(
        key="guest_mode",
        translation_key="guest_mode",
        device_class=SwitchDeviceClass.SWITCH,
        entity_registry_enabled_default=False,
        is_on=lambda _: None,
        turn_on=order(Command.GUEST, on=True),
        turn_off=order(Command.GUEST, on=False),
    ),
    CarSwitchDescription(
        key="pin_to_drive",
        translation_key="pin_to_drive",
        device_class=SwitchDeviceClass.SWITCH,
        entity_registry_enabled_default=False,
        signed_only=True,
        is_on=lambda state: state.pin_to_drive,
        turn_on=order(Command.PIN_TO_DRIVE, on=True),
        turn_off=order(Command.PIN_TO_DRIVE, on=False),
    ),
    CarSwitchDescription(
        key="bioweapon",
        translation_key="bioweapon",
        device_class=SwitchDeviceClass.SWITCH,
        entity_registry_enabled_default=False,
        told=lambda state: state.bioweapon,
        is_on=lambda state: state.bioweapon,
        turn_on=order(Command.BIOWEAPON, on=True),
        turn_off=order(Command.BIOWEAPON, on=False),
    ),
    # Of cars that heat the wheel, but know no levels.
    CarSwitchDescription(
        key="wheel_heater",
        translation_key="wheel_heater",
        device_class=SwitchDeviceClass.SWITCH,
        entity_registry_enabled_default=False,
        told=lambda state: (
            state.wheel_heater_on if state.wheel_heater is None else None
        ),
        is_on=lambda state: state.wheel_heater_on,
        turn_on=order(Command.WHEEL_HEATER_ON, on=True),
        turn_off=order(Command.WHEEL_HEATER_ON, on=False),
        with_climate=True,
    ),
    CarSwitchDescription(
        key="auto_seat_left",
        translation_key="auto_seat_left",
        device_class=SwitchDeviceClass.SWITCH,
        entity_category=EntityCategory.CONFIG,
        entity_registry_enabled_default=False,
        told=lambda state: state.auto_seat_left,
        is_on=lambda state: state.auto_seat_left,
        turn_on=order(Command.AUTO_SEAT, seat="left", on=True),
        turn_off=order(Command.AUTO_SEAT, seat="left", on=False),
    ),
    CarSwitchDescription(
        key="auto_seat_right",
        translation_key="auto_seat_right",
        device_class=SwitchDeviceClass.SWITCH,
        entity_category=EntityCategory.CONFIG,
        entity_registry_enabled_default=False,
        told=lambda state: state.auto_seat_right,
        is_on=lambda state: state.auto_seat_right,
        turn_on=order(Command.AUTO_SEAT, seat="right", on=True),
        turn_off=order(Command.AUTO_SEAT, seat="right", on=False),
    ),
    CarSwitchDescription(
        key="auto_wheel",
        translation_key="auto_wheel",
        device_class=SwitchDeviceClass.SWITCH,
        entity_category=EntityCategory.CONFIG,
        entity_registry_enabled_default=False,
        told=lambda state: state.auto_wheel,
        is_on=lambda state: state.auto_wheel,
        turn_on=order(Command.AUTO_WHEEL, on=True),
        turn_off=order(Command.AUTO_WHEEL, on=False),
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the switches of each car."""
    follow_cars(entry, async_add_entities, SWITCHES, CarSwitch)


class CarSwitch(CarEntity, SwitchEntity):
    """A switch of a car."""

    entity_description: CarSwitchDescription

    @property
    @override
    def is_on(self) -> bool | None:
        """Return whether it is on, None when nobody knows."""
        return self.entity_description.is_on(self.known) if self.known else None

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Switch it on."""
        if self.entity_description.with_climate:
            await self.async_order_with_climate(self.entity_description.turn_on)
        else:
            await self.async_order(self.entity_description.turn_on)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Switch it off."""
        await self.async_order(self.entity_description.turn_off)
