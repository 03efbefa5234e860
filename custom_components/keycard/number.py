"""Numbers for Keycard."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components.number import (
    NumberDeviceClass,
    NumberEntity,
    NumberEntityDescription,
    NumberMode,
)
from homeassistant.const import PERCENTAGE, UnitOfElectricCurrent
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import KeycardConfigEntry
from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .vehicle.commands import Command, command_call
from .vehicle.state import VehicleState

# Each vehicle queues its own commands.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class VehicleNumberDescription(NumberEntityDescription, VehicleEntityDescription):
    """Describe a number of a vehicle, with the limits if it reports none."""

    native_min_value: float
    native_max_value: float
    value_fn: Callable[[VehicleState], int | None]
    min_fn: Callable[[VehicleState], int | None] = lambda _: None
    max_fn: Callable[[VehicleState], int | None]
    command: Command
    param: str


NUMBERS = (
    VehicleNumberDescription(
        key="charge_limit",
        translation_key="charge_limit",
        device_class=NumberDeviceClass.BATTERY,
        native_unit_of_measurement=PERCENTAGE,
        native_min_value=50,
        native_max_value=100,
        native_step=1,
        mode=NumberMode.AUTO,
        value_fn=lambda state: state.charge_limit,
        min_fn=lambda state: state.charge_limit_min,
        max_fn=lambda state: state.charge_limit_max,
        command=Command.CHARGE_LIMIT,
        param="percent",
    ),
    VehicleNumberDescription(
        key="charge_current",
        translation_key="charge_current",
        device_class=NumberDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        native_min_value=0,
        native_max_value=32,
        native_step=1,
        mode=NumberMode.AUTO,
        entity_registry_enabled_default=False,
        value_fn=lambda state: state.charge_amps,
        max_fn=lambda state: state.charge_amps_max,
        command=Command.CHARGE_AMPS,
        param="amps",
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the numbers of each vehicle."""
    async_add_vehicle_entities(entry, async_add_entities, NUMBERS, VehicleNumber)


class VehicleNumber(VehicleEntity, NumberEntity):
    """Number of a vehicle."""

    entity_description: VehicleNumberDescription

    @property
    @override
    def shown_value(self) -> object:
        """Return value and limits."""
        return self.native_value, self.native_min_value, self.native_max_value

    @property
    @override
    def native_value(self) -> float | None:
        """Return the value, None if unknown."""
        return (
            self.entity_description.value_fn(self.usable_state)
            if self.usable_state
            else None
        )

    @property
    @override
    def native_min_value(self) -> float:
        """Return the minimum value of this vehicle."""
        return self._limit(
            self.entity_description.min_fn, self.entity_description.native_min_value
        )

    @property
    @override
    def native_max_value(self) -> float:
        """Return the maximum value of this vehicle."""
        return self._limit(
            self.entity_description.max_fn, self.entity_description.native_max_value
        )

    def _limit(
        self, limit_fn: Callable[[VehicleState], int | None], default: float
    ) -> float:
        state = self.coordinator.data.state
        limit = None if state is None else limit_fn(state)
        return default if limit is None else limit

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Set the value."""
        description = self.entity_description
        if description.command is Command.CHARGE_AMPS:
            await self.coordinator.async_set_charge_current(round(value))
            return
        await self.async_send_command(
            command_call(description.command, **{description.param: value})
        )
