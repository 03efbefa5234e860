"""The climate of a car, and what keeps its cabin from overheating."""

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
from .vehicle.commands import Command, CommandCall, command_call
from .vehicle.fields import OVERHEAT_TEMPS
from .vehicle.state import VehicleState

# A car takes its commands one after the other in its own link; cars do not wait
# for each other.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class VehicleClimateDescription(ClimateEntityDescription, VehicleEntityDescription):
    """Describes a climate of a car."""


CLIMATES = (VehicleClimateDescription(key="climate", translation_key="climate"),)
OVERHEAT = (
    VehicleClimateDescription(
        key="overheat_protection",
        translation_key="overheat_protection",
        entity_registry_enabled_default=False,
    ),
)

# "Defrost car" of the maker's app: everything hot at once.
PRESET_DEFROST = "defrost"
KEEPER_OFF = "off"
KEEPER_PRESETS = ("keep", "dog", "camp")

# What every model can do; a car that says otherwise is believed.
DEFAULT_MIN_TEMP = 15.0
DEFAULT_MAX_TEMP = 28.0

OVERHEAT_HVAC = {
    "off": HVACMode.OFF,
    "on": HVACMode.COOL,
    "fan_only": HVACMode.FAN_ONLY,
}


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the climate of each car."""
    async_add_vehicle_entities(entry, async_add_entities, CLIMATES, VehicleClimate)
    async_add_vehicle_entities(entry, async_add_entities, OVERHEAT, OverheatProtection)


def action_of(state: VehicleState) -> HVACAction | None:
    """Tell what the climate does now.

    The car does not say whether it heats or cools: the distance between the
    cabin and the wish does.
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
    distance = state.target_temp - state.inside_temp
    if abs(distance) <= PRECISION_HALVES:
        return HVACAction.FAN
    return HVACAction.HEATING if distance > 0 else HVACAction.COOLING


def preset_of(state: VehicleState) -> str | None:
    """Tell the preset that is on."""
    if state.preconditioning:
        return PRESET_DEFROST
    if state.keeper_mode in KEEPER_PRESETS:
        return state.keeper_mode
    return PRESET_NONE if state.keeper_mode == KEEPER_OFF else None


class CelsiusClimate(VehicleEntity, ClimateEntity):
    """Base of the climates of a car, whose temperatures are in °C.

    Home Assistant 2026.11 knows the temperatures by other names than 2026.10; where
    one class has both, it takes the new ones.
    """

    @property
    def _cabin_temperature(self) -> float | None:
        return self.usable_state.inside_temp if self.usable_state else None

    @property
    def _wanted_temperature(self) -> float | None:
        raise NotImplementedError

    # Type checks allow the names of one version only.
    if not TYPE_CHECKING:
        _attr_native_temperature_unit = UnitOfTemperature.CELSIUS
        _attr_temperature_unit = UnitOfTemperature.CELSIUS

        @property
        def native_current_temperature(self) -> float | None:
            """Return the temperature in the cabin."""
            return self._cabin_temperature

        @property
        def current_temperature(self) -> float | None:
            """Return the temperature in the cabin, for Home Assistant 2026.10."""
            return self._cabin_temperature

        @property
        def native_target_temperature(self) -> float | None:
            """Return the temperature that is wanted."""
            return self._wanted_temperature

        @property
        def target_temperature(self) -> float | None:
            """Return the temperature that is wanted, for Home Assistant 2026.10."""
            return self._wanted_temperature


class VehicleClimate(CelsiusClimate):
    """The climate of a car."""

    _attr_supported_features = (
        ClimateEntityFeature.TARGET_TEMPERATURE
        | ClimateEntityFeature.PRESET_MODE
        | ClimateEntityFeature.TURN_ON
        | ClimateEntityFeature.TURN_OFF
    )
    _attr_target_temperature_step = PRECISION_HALVES

    @property
    @override
    def hvac_modes(self) -> list[HVACMode]:
        """Return that the car heats or cools by itself, or does neither."""
        return [HVACMode.OFF, HVACMode.HEAT_COOL]

    @property
    @override
    def preset_modes(self) -> list[str]:
        """Return what keeps the climate on, and defrosting."""
        return [PRESET_NONE, *KEEPER_PRESETS, PRESET_DEFROST]

    @property
    @override
    def min_temp(self) -> float:
        """Return the lowest temperature that this car takes."""
        state = self.coordinator.data.state
        if state is None or state.min_temp is None:
            return DEFAULT_MIN_TEMP
        return state.min_temp

    @property
    @override
    def max_temp(self) -> float:
        """Return the highest temperature that this car takes."""
        state = self.coordinator.data.state
        if state is None or state.max_temp is None:
            return DEFAULT_MAX_TEMP
        return state.max_temp

    @property
    @override
    def hvac_mode(self) -> HVACMode | None:
        """Return whether the climate runs, None when nobody knows."""
        if self.usable_state is None or self.usable_state.climate_on is None:
            return None
        return HVACMode.HEAT_COOL if self.usable_state.climate_on else HVACMode.OFF

    @property
    @override
    def hvac_action(self) -> HVACAction | None:
        """Return what the climate does now."""
        return action_of(self.usable_state) if self.usable_state else None

    @property
    @override
    def _wanted_temperature(self) -> float | None:
        """Return the temperature that the driver wants."""
        return self.usable_state.target_temp if self.usable_state else None

    @property
    @override
    def preset_mode(self) -> str | None:
        """Return the preset that is on."""
        return preset_of(self.usable_state) if self.usable_state else None

    @override
    async def async_turn_on(self) -> None:
        """Start the climate."""
        await self.coordinator.async_send(Command.CLIMATE_ON)

    @override
    async def async_turn_off(self) -> None:
        """Stop the climate."""
        await self.coordinator.async_send(Command.CLIMATE_OFF)

    @override
    async def async_set_hvac_mode(self, hvac_mode: HVACMode) -> None:
        """Start or stop the climate."""
        if hvac_mode is HVACMode.OFF:
            await self.async_turn_off()
        else:
            await self.async_turn_on()

    @override
    async def async_set_temperature(self, **kwargs: Any) -> None:
        """Set the temperature for driver and passenger, and the mode if asked."""
        temperature = kwargs[ATTR_TEMPERATURE]
        orders = [
            command_call(
                Command.SET_TEMPS, driver_temp=temperature, passenger_temp=temperature
            )
        ]
        if (hvac_mode := kwargs.get(ATTR_HVAC_MODE)) is not None:
            off = hvac_mode is HVACMode.OFF
            orders.append(
                command_call(Command.CLIMATE_OFF if off else Command.CLIMATE_ON)
            )
        await self.async_send_command(*orders)

    @override
    async def async_set_preset_mode(self, preset_mode: str) -> None:
        """Keep the climate on, defrost, or end both."""
        if preset_mode == PRESET_DEFROST:
            await self.coordinator.async_send(Command.PRECONDITION_MAX, on=True)
            return
        orders = []
        if self.preset_mode == PRESET_DEFROST:
            orders.append(command_call(Command.PRECONDITION_MAX, on=False))
        if not orders or preset_mode != PRESET_NONE:
            mode = KEEPER_OFF if preset_mode == PRESET_NONE else preset_mode
            orders.append(command_call(Command.KEEPER, mode=mode))
        await self.async_send_command(*orders)


def _protect(hvac_mode: HVACMode) -> CommandCall:
    """Return what has the car protect its cabin in a mode."""
    mode = next(name for name, mode in OVERHEAT_HVAC.items() if mode is hvac_mode)
    return command_call(Command.OVERHEAT, mode=mode)


class OverheatProtection(CelsiusClimate):
    """What keeps the cabin of a parked car from overheating."""

    _attr_max_temp = OVERHEAT_TEMPS[-1]
    _attr_min_temp = OVERHEAT_TEMPS[0]
    _attr_target_temperature_step = OVERHEAT_TEMPS[1] - OVERHEAT_TEMPS[0]

    @property
    @override
    def supported_features(self) -> ClimateEntityFeature:
        """Return what can be chosen: not every car lets the temperature be."""
        features = ClimateEntityFeature.TURN_ON | ClimateEntityFeature.TURN_OFF
        if self.equipment is not None and self.equipment.overheat_temp:
            features |= ClimateEntityFeature.TARGET_TEMPERATURE
        return features

    @property
    @override
    def hvac_modes(self) -> list[HVACMode]:
        """Return the modes: not every car has the fan alone."""
        state = self.coordinator.data.state
        modes = list(OVERHEAT_HVAC.values())
        if state is not None and state.overheat_fan_only is False:
            modes.remove(HVACMode.FAN_ONLY)
        return modes

    @property
    @override
    def hvac_mode(self) -> HVACMode | None:
        """Return what it would do against heat, None when nobody knows."""
        if self.usable_state is None or self.usable_state.overheat_mode is None:
            return None
        return OVERHEAT_HVAC[self.usable_state.overheat_mode]

    @property
    @override
    def hvac_action(self) -> HVACAction | None:
        """Return what it does now."""
        if self.usable_state is None or self.hvac_mode is None:
            return None
        if self.hvac_mode is HVACMode.OFF:
            return HVACAction.OFF
        if not self.usable_state.overheat_cooling:
            return HVACAction.IDLE
        cooling = self.hvac_mode is HVACMode.COOL
        return HVACAction.COOLING if cooling else HVACAction.FAN

    @property
    @override
    def _wanted_temperature(self) -> float | None:
        """Return the temperature that the cabin is kept below."""
        return self.usable_state.overheat_temp if self.usable_state else None

    @override
    async def async_turn_on(self) -> None:
        """Protect the cabin, with all there is."""
        await self.async_set_hvac_mode(HVACMode.COOL)

    @override
    async def async_turn_off(self) -> None:
        """Protect the cabin no more."""
        await self.async_set_hvac_mode(HVACMode.OFF)

    @override
    async def async_set_hvac_mode(self, hvac_mode: HVACMode) -> None:
        """Choose what is done against heat."""
        await self.async_send_command(_protect(hvac_mode))

    @override
    async def async_set_temperature(self, **kwargs: Any) -> None:
        """Set the temperature, the next one that the car knows, and the mode."""
        wanted: float = kwargs[ATTR_TEMPERATURE]
        nearest = min(OVERHEAT_TEMPS, key=lambda known: abs(known - wanted))
        orders = [command_call(Command.OVERHEAT_TEMP, temp=nearest)]
        if (hvac_mode := kwargs.get(ATTR_HVAC_MODE)) is not None:
            orders.append(_protect(hvac_mode))
        await self.async_send_command(*orders)
