"""What warms and cools in a car: its seats and its steering wheel."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import override

from homeassistant.components.select import SelectEntity, SelectEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import KeycardConfigEntry
from .entity import CarDescription, CarEntity, follow_cars
from .vehicle.commands import Command, Order, order
from .vehicle.fields import COOLED_SEATS, SEATS
from .vehicle.state import CarState, Equipment

# A car takes its commands one after the other in its own link; cars do not wait
# for each other.
PARALLEL_UPDATES = 0

OFF = "off"
SEAT_LEVELS = {OFF: 0, "low": 1, "medium": 2, "high": 3}
WHEEL_LEVELS = {OFF: 0, "low": 1, "high": 3}


@dataclass(frozen=True, kw_only=True)
class CarLevelDescription(SelectEntityDescription, CarDescription):
    """Describes what warms or cools in a car, by levels."""

    levels: Mapping[str, int]
    level: Callable[[CarState], int | None]
    choose: Order
    """What is sent, but for the level."""


def _fitted(seat: str) -> Callable[[Equipment], bool] | None:
    if seat.startswith("third_row"):
        return lambda equipment: equipment.third_row
    if seat.startswith("rear"):
        return lambda equipment: equipment.rear_seat_heaters
    return None


def _level(field: str) -> Callable[[CarState], int | None]:
    def read(state: CarState) -> int | None:
        level: int | None = getattr(state, field)
        return level

    return read


LEVELS = (
    *(
        CarLevelDescription(
            key=f"seat_heater_{seat}",
            translation_key=f"seat_heater_{seat}",
            entity_registry_enabled_default=False,
            options=list(SEAT_LEVELS),
            levels=SEAT_LEVELS,
            fitted=_fitted(seat),
            level=_level(f"seat_heater_{seat}"),
            choose=order(Command.SEAT_HEATER, seat=seat),
        )
        for seat in SEATS
    ),
    *(
        CarLevelDescription(
            key=f"seat_cooler_{seat}",
            translation_key=f"seat_cooler_{seat}",
            entity_registry_enabled_default=False,
            options=list(SEAT_LEVELS),
            levels=SEAT_LEVELS,
            fitted=lambda equipment: equipment.seat_cooling,
            level=_level(f"seat_cooler_{seat}"),
            choose=order(Command.SEAT_COOLER, seat=seat),
        )
        for seat in COOLED_SEATS
    ),
    CarLevelDescription(
        key="wheel_heater",
        translation_key="wheel_heater",
        entity_registry_enabled_default=False,
        options=list(WHEEL_LEVELS),
        levels=WHEEL_LEVELS,
        told=lambda state: state.wheel_heater,
        level=lambda state: state.wheel_heater,
        choose=order(Command.WHEEL_HEATER),
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add what warms and cools in each car."""
    follow_cars(entry, async_add_entities, LEVELS, CarLevel)


class CarLevel(CarEntity, SelectEntity):
    """How much a car warms or cools a seat, or its steering wheel."""

    entity_description: CarLevelDescription

    @property
    @override
    def current_option(self) -> str | None:
        """Return how much that is, None when nobody knows.

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
        """Choose how much; more than nothing it does only while the climate is on."""
        chosen = self.entity_description.choose
        level = self.entity_description.levels[option]
        wanted = order(chosen.command, **chosen.params, level=level)
        if option == OFF:
            await self.async_order(wanted)
        else:
            await self.async_order_with_climate(wanted)
