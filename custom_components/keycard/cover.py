"""What opens and closes on a car: windows, trunks, charge port, sun roof."""

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
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import DOMAIN
from .coordinator import KeycardConfigEntry
from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .vehicle.commands import Command, CommandCall, command_call
from .vehicle.fields import WINDOWS
from .vehicle.state import VehicleConfig, VehicleState

# A car takes its commands one after the other in its own link; cars do not wait
# for each other.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class VehicleCoverDescription(CoverEntityDescription, VehicleEntityDescription):
    """Describes a cover of a car."""

    is_open_fn: Callable[[VehicleState], bool | None]
    open_command: CommandCall
    close_command: CommandCall | None = None
    closes_fn: Callable[[VehicleConfig], bool] = lambda _: True
    """Whether it closes on command, too."""

    toggles: bool = False
    """Whether one command does both, so that it must be known what it does."""


def _any_window(state: VehicleState) -> bool | None:
    """Return whether any window is open, None if that cannot be told."""
    known = [getattr(state, f"{place}_window_open") for place in WINDOWS]
    if any(known):
        return True
    return None if None in known else False


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
        entity_registry_enabled_default=False,
        equipped_fn=lambda equipment: equipment.trunks,
        is_open_fn=lambda state: state.front_trunk_open,
        open_command=command_call(Command.FRONT_TRUNK),
    ),
    VehicleCoverDescription(
        key="rear_trunk",
        translation_key="rear_trunk",
        device_class=CoverDeviceClass.DOOR,
        entity_registry_enabled_default=False,
        equipped_fn=lambda equipment: equipment.trunks,
        is_open_fn=lambda state: state.rear_trunk_open,
        open_command=command_call(Command.REAR_TRUNK, open=True),
        close_command=command_call(Command.REAR_TRUNK, open=False),
        closes_fn=lambda equipment: equipment.power_liftgate,
        toggles=True,
    ),
    VehicleCoverDescription(
        key="charge_port",
        translation_key="charge_port",
        device_class=CoverDeviceClass.DOOR,
        entity_registry_enabled_default=False,
        is_open_fn=lambda state: state.port_open,
        open_command=command_call(Command.PORT, open=True),
        close_command=command_call(Command.PORT, open=False),
        closes_fn=lambda equipment: equipment.motorized_port,
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
    """Add the covers of each car."""
    async_add_vehicle_entities(entry, async_add_entities, COVERS, VehicleCover)


class VehicleCover(VehicleEntity, CoverEntity):
    """A cover of a car."""

    entity_description: VehicleCoverDescription

    @property
    @override
    def supported_features(self) -> CoverEntityFeature:
        """Return what it does on command."""
        if self._closes:
            return CoverEntityFeature.OPEN | CoverEntityFeature.CLOSE
        return CoverEntityFeature.OPEN

    @property
    def _closes(self) -> bool:
        if self.entity_description.close_command is None:
            return False
        return self.equipment is None or self.entity_description.closes_fn(
            self.equipment
        )

    @property
    @override
    def is_closed(self) -> bool | None:
        """Return whether it is closed, None when nobody knows."""
        if self.usable_state is None:
            return None
        is_open = self.entity_description.is_open_fn(self.usable_state)
        return None if is_open is None else not is_open

    @override
    async def async_open_cover(self, **kwargs: Any) -> None:
        """Open it."""
        await self._async_move(self.entity_description.open_command, closed=False)

    @override
    async def async_close_cover(self, **kwargs: Any) -> None:
        """Close it."""
        close = self.entity_description.close_command
        if TYPE_CHECKING:
            assert close is not None
        await self._async_move(close, closed=True)

    async def _async_move(self, wanted: CommandCall, *, closed: bool) -> None:
        if self.entity_description.toggles and self._closes:
            if self.is_closed is None:
                raise HomeAssistantError(
                    translation_domain=DOMAIN,
                    translation_key="trunk_not_known",
                    translation_placeholders={"car": self.coordinator.vehicle.title},
                )
            if self.is_closed is closed:
                return
        await self.async_send_command(wanted)
