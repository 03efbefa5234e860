"""Seat and steering wheel heater selects for Keycard."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import override

from homeassistant.components.select import SelectEntity, SelectEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import KeycardConfigEntry
from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .vehicle.api_field import COOLED_SEATS, SEATS
from .vehicle.commands import Command, CommandCall, command_call
from .vehicle.state import VehicleConfig, VehicleState

# Each vehicle queues its own commands.
PARALLEL_UPDATES = 0

OFF = "off"
SEAT_LEVELS = {OFF: 0, "low": 1, "medium": 2, "high": 3}
WHEEL_LEVELS = {OFF: 0, "low": 1, "high": 3}


@dataclass(frozen=True, kw_only=True)
class VehicleHeaterSelectDescription(SelectEntityDescription, VehicleEntityDescription):
    """Describe a heater or cooler of a vehicle with its levels."""

    levels: Mapping[str, int]
    level_fn: Callable[[VehicleState], int | None]
    select_command: CommandCall
    """The command without the level."""


def _equipped(seat: str) -> Callable[[VehicleConfig], bool] | None:
    """Return a function that returns whether a seat can be heated."""
    if seat.startswith("third_row"):
        return lambda equipment: equipment.third_row
    if seat.startswith("rear"):
        return lambda equipment: equipment.rear_seat_heaters
    return None


def _level(field: str) -> Callable[[VehicleState], int | None]:
    """Return a function that returns a level."""

    def value_fn(state: VehicleState) -> int | None:
        level: int | None = getattr(state, field)
        return level

    return value_fn


SELECTS = (
    *(
        VehicleHeaterSelectDescription(
            key=f"seat_heater_{seat}",
            translation_key=f"seat_heater_{seat}",
            entity_registry_enabled_default=False,
            options=list(SEAT_LEVELS),
            levels=SEAT_LEVELS,
            equipped_fn=_equipped(seat),
            level_fn=_level(f"seat_heater_{seat}"),
            select_command=command_call(Command.SEAT_HEATER, seat=seat),
        )
        for seat in SEATS
    ),
    *(
        VehicleHeaterSelectDescription(
            key=f"seat_cooler_{seat}",
            translation_key=f"seat_cooler_{seat}",
            entity_registry_enabled_default=False,
            options=list(SEAT_LEVELS),
            levels=SEAT_LEVELS,
            equipped_fn=lambda equipment: equipment.seat_cooling,
            level_fn=_level(f"seat_cooler_{seat}"),
            select_command=command_call(Command.SEAT_COOLER, seat=seat),
        )
        for seat in COOLED_SEATS
    ),
    VehicleHeaterSelectDescription(
        key="wheel_heater",
        translation_key="wheel_heater",
        entity_registry_enabled_default=False,
        options=list(WHEEL_LEVELS),
        levels=WHEEL_LEVELS,
        supported_fn=lambda state: state.wheel_heater,
        level_fn=lambda state: state.wheel_heater,
        select_command=command_call(Command.WHEEL_HEATER),
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the heater selects of each vehicle."""
    async_add_vehicle_entities(entry, async_add_entities, SELECTS, VehicleHeaterSelect)


class VehicleHeaterSelect(VehicleEntity, SelectEntity):
    """Level of a seat heater, a seat cooler or the steering wheel heater."""

    entity_description: VehicleHeaterSelectDescription

    @property
    @override
    def shown_value(self) -> object:
        """Return the value."""
        return (self.current_option,)

    @property
    @override
    def current_option(self) -> str | None:
        """Return the level, None if unknown.

        A level between two options is shown as the higher one, and one above all
        options as the highest.
        """
        if self.usable_state is None:
            return None
        if (level := self.entity_description.level_fn(self.usable_state)) is None:
            return None
        levels = self.entity_description.levels
        return next(
            (name for name in levels if levels[name] >= level), list(levels)[-1]
        )

    @override
    async def async_select_option(self, option: str) -> None:
        """Set the level; the vehicle heats only while the climate control is on."""
        command = self.entity_description.select_command
        level = self.entity_description.levels[option]
        call = command_call(command.command, **command.params, level=level)
        if option == OFF:
            await self.async_send_command(call)
        else:
            await self.async_send_with_climate(call)
