"""Climate control and cabin overheat protection for Keycard."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, override

from homeassistant.components.climate import (
    ATTR_HVAC_MODE,
    PRESET_NONE,
    ClimateEntity,
    ClimateEntityDescription,
    ClimateEntityFeature,
    HVACAction,
    HVACMode,
)
from homeassistant.const import ATTR_TEMPERATURE, PRECISION_HALVES, UnitOfTemperature
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import KeycardConfigEntry
from .entity import VehicleEntity, VehicleEntityDescription, async_add_vehicle_entities
from .vehicle.api_field import OVERHEAT_TEMPS
from .vehicle.commands import Command, CommandCall, command_call
from .vehicle.state import VehicleState

# Each vehicle queues its own commands.
PARALLEL_UPDATES = 0

# "Defrost car" of Tesla's app, sent as maximum preconditioning
PRESET_DEFROST = "defrost"
KEEPER_OFF = "off"
KEEPER_PRESETS = ("keep", "dog", "camp")

# Defaults for a vehicle that does not report its limits
DEFAULT_MIN_TEMP = 15.0
DEFAULT_MAX_TEMP = 28.0

OVERHEAT_MODES = {
    "off": HVACMode.OFF,
    "on": HVACMode.COOL,
    "fan_only": HVACMode.FAN_ONLY,
}


@dataclass(frozen=True, kw_only=True)
class VehicleClimateDescription(ClimateEntityDescription, VehicleEntityDescription):
    """Describe a climate entity of a vehicle."""

    target_temperature_fn: Callable[[VehicleState], float | None]


CLIMATES = (
    VehicleClimateDescription(
        key="climate",
        translation_key="climate",
        target_temperature_fn=lambda state: state.target_temp,
    ),
)
OVERHEAT_PROTECTIONS = (
    VehicleClimateDescription(
        key="overheat_protection",
        translation_key="overheat_protection",
        entity_registry_enabled_default=False,
        target_temperature_fn=lambda state: state.overheat_temp,
    ),
)


def get_hvac_action(state: VehicleState) -> HVACAction | None:
    """Return the HVAC action, None if unknown.

    A vehicle does not report whether it heats or cools, so this is derived from the
    difference between inside and target temperature.
    """
    if state.climate_on is None:
        return None
    if not state.climate_on:
        return HVACAction.OFF
    if state.preconditioning:
        return HVACAction.DEFROSTING
    if state.fan_status == 0:
        return HVACAction.IDLE
    if state.inside_temp is None or state.target_temp is None:
        return None
    difference = state.target_temp - state.inside_temp
    if abs(difference) <= PRECISION_HALVES:
        return HVACAction.FAN
    return HVACAction.HEATING if difference > 0 else HVACAction.COOLING


def get_preset_mode(state: VehicleState) -> str | None:
    """Return the active preset, None if unknown."""
    if state.preconditioning:
        return PRESET_DEFROST
    if state.keeper_mode in KEEPER_PRESETS:
        return state.keeper_mode
    return PRESET_NONE if state.keeper_mode == KEEPER_OFF else None


def _overheat_command(hvac_mode: HVACMode) -> CommandCall:
    """Return the command that sets the overheat protection to a mode."""
    mode = next(name for name, mode in OVERHEAT_MODES.items() if mode is hvac_mode)
    return command_call(Command.OVERHEAT, mode=mode)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the climate entities of each vehicle."""
    async_add_vehicle_entities(entry, async_add_entities, CLIMATES, VehicleClimate)
    async_add_vehicle_entities(
        entry, async_add_entities, OVERHEAT_PROTECTIONS, VehicleOverheatProtection
    )


class VehicleClimateBase(VehicleEntity, ClimateEntity):
    """Base of the climate entities of a vehicle, with temperatures in °C.

    Home Assistant 2026.11 renames the temperature properties and prefers the new
    names where a class has both.
    """

    entity_description: VehicleClimateDescription

    @property
    @override
    def shown_value(self) -> tuple[object, ...]:
        """Return modes, temperatures in the unit of the home, and features."""
        return (
            self.hvac_mode,
            self.hvac_modes,
            self.hvac_action,
            self._inside_temperature,
            self._requested_temperature,
            self.min_temp,
            self.max_temp,
            self.hass.config.units.temperature_unit,
            self.supported_features,
        )

    @property
    def _inside_temperature(self) -> float | None:
        return self.usable_state.inside_temp if self.usable_state else None

    @property
    def _requested_temperature(self) -> float | None:
        if self.usable_state is None:
            return None
        return self.entity_description.target_temperature_fn(self.usable_state)

    # Type checks accept the names of one version only.
    if not TYPE_CHECKING:
        _attr_native_temperature_unit = UnitOfTemperature.CELSIUS
        _attr_temperature_unit = UnitOfTemperature.CELSIUS

        @property
        def native_current_temperature(self) -> float | None:
            """Return the inside temperature."""
            return self._inside_temperature

        @property
        def current_temperature(self) -> float | None:
            """Return the inside temperature, for Home Assistant 2026.10."""
            return self._inside_temperature

        @property
        def native_target_temperature(self) -> float | None:
            """Return the target temperature."""
            return self._requested_temperature

        @property
        def target_temperature(self) -> float | None:
            """Return the target temperature, for Home Assistant 2026.10."""
            return self._requested_temperature


class VehicleClimate(VehicleClimateBase):
    """Climate control of a vehicle."""

    _attr_supported_features = (
        ClimateEntityFeature.TARGET_TEMPERATURE
        | ClimateEntityFeature.PRESET_MODE
        | ClimateEntityFeature.TURN_ON
        | ClimateEntityFeature.TURN_OFF
    )
    _attr_target_temperature_step = PRECISION_HALVES

    @property
    @override
    def shown_value(self) -> tuple[object, ...]:
        """Return the preset as well."""
        return *super().shown_value, self.preset_mode

    @property
    @override
    def hvac_modes(self) -> list[HVACMode]:
        """Return the modes; the vehicle chooses between heating and cooling."""
        return [HVACMode.OFF, HVACMode.HEAT_COOL]

    @property
    @override
    def preset_modes(self) -> list[str]:
        """Return the climate keeper modes and defrosting."""
        return [PRESET_NONE, *KEEPER_PRESETS, PRESET_DEFROST]

    @property
    @override
    def min_temp(self) -> float:
        """Return the minimum temperature of this vehicle."""
        state = self.coordinator.data.state
        if state is None or state.min_temp is None:
            return DEFAULT_MIN_TEMP
        return state.min_temp

    @property
    @override
    def max_temp(self) -> float:
        """Return the maximum temperature of this vehicle."""
        state = self.coordinator.data.state
        if state is None or state.max_temp is None:
            return DEFAULT_MAX_TEMP
        return state.max_temp

    @property
    @override
    def hvac_mode(self) -> HVACMode | None:
        """Return the mode, None if unknown."""
        if self.usable_state is None or self.usable_state.climate_on is None:
            return None
        return HVACMode.HEAT_COOL if self.usable_state.climate_on else HVACMode.OFF

    @property
    @override
    def hvac_action(self) -> HVACAction | None:
        """Return the current action, None if unknown."""
        return get_hvac_action(self.usable_state) if self.usable_state else None

    @property
    @override
    def preset_mode(self) -> str | None:
        """Return the active preset, None if unknown."""
        return get_preset_mode(self.usable_state) if self.usable_state else None

    @override
    async def async_turn_on(self) -> None:
        """Turn the climate control on."""
        await self.async_send_command(command_call(Command.CLIMATE_ON))

    @override
    async def async_turn_off(self) -> None:
        """Turn the climate control off."""
        await self.async_send_command(command_call(Command.CLIMATE_OFF))

    @override
    async def async_set_hvac_mode(self, hvac_mode: HVACMode) -> None:
        """Turn the climate control on or off."""
        if hvac_mode is HVACMode.OFF:
            await self.async_turn_off()
        else:
            await self.async_turn_on()

    @override
    async def async_set_temperature(self, **kwargs: Any) -> None:
        """Set the temperature of driver and passenger, and the mode if given."""
        temperature = kwargs[ATTR_TEMPERATURE]
        calls = [
            command_call(
                Command.SET_TEMPS, driver_temp=temperature, passenger_temp=temperature
            )
        ]
        if (hvac_mode := kwargs.get(ATTR_HVAC_MODE)) is not None:
            off = hvac_mode is HVACMode.OFF
            calls.append(
                command_call(Command.CLIMATE_OFF if off else Command.CLIMATE_ON)
            )
        await self.async_send_command(*calls)

    @override
    async def async_set_preset_mode(self, preset_mode: str) -> None:
        """Set the climate keeper mode, or start or stop defrosting."""
        if preset_mode == PRESET_DEFROST:
            await self.async_send_command(
                command_call(Command.PRECONDITION_MAX, on=True)
            )
            return
        calls = []
        if self.preset_mode == PRESET_DEFROST:
            calls.append(command_call(Command.PRECONDITION_MAX, on=False))
        if not calls or preset_mode != PRESET_NONE:
            mode = KEEPER_OFF if preset_mode == PRESET_NONE else preset_mode
            calls.append(command_call(Command.KEEPER, mode=mode))
        await self.async_send_command(*calls)


class VehicleOverheatProtection(VehicleClimateBase):
    """Cabin overheat protection of a parked vehicle."""

    _attr_max_temp = OVERHEAT_TEMPS[-1]
    _attr_min_temp = OVERHEAT_TEMPS[0]
    _attr_target_temperature_step = OVERHEAT_TEMPS[1] - OVERHEAT_TEMPS[0]

    @property
    @override
    def supported_features(self) -> ClimateEntityFeature:
        """Return the features; not every vehicle has a target temperature."""
        features = ClimateEntityFeature.TURN_ON | ClimateEntityFeature.TURN_OFF
        if self.equipment is not None and self.equipment.overheat_temp:
            features |= ClimateEntityFeature.TARGET_TEMPERATURE
        return features

    @property
    @override
    def hvac_modes(self) -> list[HVACMode]:
        """Return the modes; not every vehicle supports the fan only."""
        state = self.coordinator.data.state
        modes = list(OVERHEAT_MODES.values())
        if state is not None and state.overheat_fan_only is False:
            modes.remove(HVACMode.FAN_ONLY)
        return modes

    @property
    @override
    def hvac_mode(self) -> HVACMode | None:
        """Return the mode, None if unknown."""
        if self.usable_state is None or self.usable_state.overheat_mode is None:
            return None
        return OVERHEAT_MODES[self.usable_state.overheat_mode]

    @property
    @override
    def hvac_action(self) -> HVACAction | None:
        """Return the current action, None if unknown."""
        if self.usable_state is None or self.hvac_mode is None:
            return None
        if self.hvac_mode is HVACMode.OFF:
            return HVACAction.OFF
        if not self.usable_state.overheat_cooling:
            return HVACAction.IDLE
        cooling = self.hvac_mode is HVACMode.COOL
        return HVACAction.COOLING if cooling else HVACAction.FAN

    @override
    async def async_turn_on(self) -> None:
        """Turn the overheat protection on, with cooling."""
        await self.async_set_hvac_mode(HVACMode.COOL)

    @override
    async def async_turn_off(self) -> None:
        """Turn the overheat protection off."""
        await self.async_set_hvac_mode(HVACMode.OFF)

    @override
    async def async_set_hvac_mode(self, hvac_mode: HVACMode) -> None:
        """Set the mode of the overheat protection."""
        await self.async_send_command(_overheat_command(hvac_mode))

    @override
    async def async_set_temperature(self, **kwargs: Any) -> None:
        """Set the temperature to the nearest supported one, and the mode if given."""
        temperature: float = kwargs[ATTR_TEMPERATURE]
        nearest = min(OVERHEAT_TEMPS, key=lambda temp: abs(temp - temperature))
        calls = [command_call(Command.OVERHEAT_TEMP, temp=nearest)]
        if (hvac_mode := kwargs.get(ATTR_HVAC_MODE)) is not None:
            calls.append(_overheat_command(hvac_mode))
        await self.async_send_command(*calls)
