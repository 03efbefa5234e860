"""Covers for Keycard."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, override

from homeassistant.components.cover import (
    CoverDeviceClass,
    CoverEntity,
    CoverEntityDescription,
    CoverEntityFeature,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import KeycardConfigEntry
from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .vehicle.api_field import WINDOWS
from .vehicle.commands import Command, CommandCall, command_call
from .vehicle.state import VehicleConfig, VehicleState

# Each vehicle queues its own commands.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class VehicleCoverDescription(CoverEntityDescription, VehicleEntityDescription):
    """Describe a cover of a vehicle."""

    is_open_fn: Callable[[VehicleState], bool | None]
    open_command: CommandCall
    close_command: CommandCall | None = None
    can_close_fn: Callable[[VehicleConfig], bool] = lambda _: True
    """Whether the vehicle can close it."""


def _any_window(state: VehicleState) -> bool | None:
    """Return whether any window is open, None if unknown."""
    windows = [getattr(state, f"{window}_window_open") for window in WINDOWS]
    if any(windows):
        return True
    return None if None in windows else False


COVERS = (
    VehicleCoverDescription(
        key="windows",
        translation_key="windows",
        device_class=CoverDeviceClass.WINDOW,
        entity_registry_enabled_default=False,
        is_open_fn=_any_window,
        open_command=command_call(Command.WINDOWS, open=True),
        close_command=command_call(Command.WINDOWS, open=False),
    ),
    VehicleCoverDescription(
        key="front_trunk",
        translation_key="front_trunk",
        device_class=CoverDeviceClass.DOOR,
        equipped_fn=lambda equipment: equipment.trunks,
        is_open_fn=lambda state: state.front_trunk_open,
        open_command=command_call(Command.FRONT_TRUNK),
    ),
    VehicleCoverDescription(
        key="rear_trunk",
        translation_key="rear_trunk",
        device_class=CoverDeviceClass.DOOR,
        equipped_fn=lambda equipment: equipment.trunks,
        is_open_fn=lambda state: state.rear_trunk_open,
        open_command=command_call(Command.REAR_TRUNK, open=True),
        close_command=command_call(Command.REAR_TRUNK, open=False),
        can_close_fn=lambda equipment: equipment.power_liftgate,
    ),
    VehicleCoverDescription(
        key="charge_port",
        translation_key="charge_port",
        device_class=CoverDeviceClass.DOOR,
        is_open_fn=lambda state: state.port_open,
        open_command=command_call(Command.PORT, open=True),
        close_command=command_call(Command.PORT, open=False),
        can_close_fn=lambda equipment: equipment.motorized_port,
    ),
    VehicleCoverDescription(
        key="sun_roof",
        translation_key="sun_roof",
        device_class=CoverDeviceClass.WINDOW,
        entity_registry_enabled_default=False,
        equipped_fn=lambda equipment: equipment.sun_roof,
        is_open_fn=lambda state: state.sun_roof_open,
        open_command=command_call(Command.SUN_ROOF, open=True),
        close_command=command_call(Command.SUN_ROOF, open=False),
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the covers of each vehicle."""
    async_add_vehicle_entities(entry, async_add_entities, COVERS, VehicleCover)


class VehicleCover(VehicleEntity, CoverEntity):
    """Cover of a vehicle."""

    entity_description: VehicleCoverDescription

    @property
    @override
    def shown_value(self) -> object:
        """Return value and features."""
        return self.is_closed, self.supported_features

    @property
    @override
    def supported_features(self) -> CoverEntityFeature:
        """Return the supported features."""
        if self._can_close:
            return CoverEntityFeature.OPEN | CoverEntityFeature.CLOSE
        return CoverEntityFeature.OPEN

    @property
    def _can_close(self) -> bool:
        if self.entity_description.close_command is None:
            return False
        return self.equipment is None or self.entity_description.can_close_fn(
            self.equipment
        )

    @property
    @override
    def is_closed(self) -> bool | None:
        """Return whether the cover is closed, None if unknown."""
        if self.usable_state is None:
            return None
        is_open = self.entity_description.is_open_fn(self.usable_state)
        return None if is_open is None else not is_open

    @override
    async def async_open_cover(self, **kwargs: Any) -> None:
        """Open the cover."""
        await self.async_send_command(self.entity_description.open_command)

    @override
    async def async_close_cover(self, **kwargs: Any) -> None:
        """Close the cover."""
        close_command = self.entity_description.close_command
        if TYPE_CHECKING:
            assert close_command is not None
        await self.async_send_command(close_command)
