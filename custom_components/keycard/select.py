"""The heaters of a car: its seats and its steering wheel."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import override

from homeassistant.components.select import SelectEntity, SelectEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import KeycardConfigEntry
from .entity import CarDescription, CarEntity, follow_cars
from .vehicle.equipment import Equipment
from .vehicle.fields import SEATS
from .vehicle.repertoire import Command, Order, order
from .vehicle.state import CarState

# A car takes its commands one after the other in its own link; cars do not wait
# for each other.
PARALLEL_UPDATES = 0

OFF = "off"
SEAT_LEVELS = {OFF: 0, "low": 1, "medium": 2, "high": 3}
WHEEL_LEVELS = {OFF: 0, "low": 1, "high": 3}


@dataclass(frozen=True, kw_only=True)
class CarHeaterDescription(SelectEntityDescription, CarDescription):
    """Describes a heater of a car."""

    levels: Mapping[str, int]
    level: Callable[[CarState], int | None]
    heat: Order
    """What is sent, but for the level."""


def _fitted(seat: str) -> Callable[[Equipment], bool] | None:
    if seat.startswith("third_row"):
        return lambda equipment: equipment.third_row
    if seat.startswith("rear"):
        return lambda equipment: equipment.rear_seat_heaters
    return None


def _seat_level(seat: str) -> Callable[[CarState], int | None]:
    def read(state: CarState) -> int | None:
        level: int | None = getattr(state, f"seat_heater_{seat}")
        return level

    return read


HEATERS = (
    *(
        CarHeaterDescription(
            key=f"seat_heater_{seat}",
            translation_key=f"seat_heater_{seat}",
            entity_registry_enabled_default=False,
            options=list(SEAT_LEVELS),
            levels=SEAT_LEVELS,
            fitted=_fitted(seat),
            level=_seat_level(seat),
            heat=order(Command.SEAT_HEATER, seat=seat),
        )
        for seat in SEATS
    ),
    CarHeaterDescription(
        key="wheel_heater",
        translation_key="wheel_heater",
        entity_registry_enabled_default=False,
        options=list(WHEEL_LEVELS),
        levels=WHEEL_LEVELS,
        level=lambda state: state.wheel_heater,
        heat=order(Command.WHEEL_HEATER),
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the heaters of each car."""
    follow_cars(entry, async_add_entities, HEATERS, CarHeater)


class CarHeater(CarEntity, SelectEntity):
    """A heater of a car."""

    entity_description: CarHeaterDescription

    @property
    @override
    def current_option(self) -> str | None:
        """Return how much it heats, None when nobody knows.

        A level between two is the higher one, one above all is the highest.
        """
        if self.known is None:
            return None
        if (level := self.entity_description.level(self.known)) is None:
            return None
        levels = self.entity_description.levels
        return next(
            (name for name in levels if levels[name] >= level), list(levels)[-1]
        )

    @override
    async def async_select_option(self, option: str) -> None:
        """Heat that much; a car heats only while its climate is on."""
        if option != OFF and not (self.known and self.known.climate_on):
            await self.coordinator.async_send(Command.CLIMATE_ON)
        heat = self.entity_description.heat
        await self.coordinator.async_send(
            heat.command, **heat.params, level=self.entity_description.levels[option]
        )
