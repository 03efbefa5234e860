"""Keycard's sensors: the judgement, and what is known of a car."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    PERCENTAGE,
    EntityCategory,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfLength,
    UnitOfPower,
    UnitOfPressure,
    UnitOfSpeed,
    UnitOfTemperature,
    UnitOfTime,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.typing import StateType

from .coordinator import KeycardConfigEntry
from .entity import CarDescription, CarEntity, CloudEntity, follow_cars
from .outage.words import Scope, Status
from .vehicle.fields import PARKED, SHIFT_STATES, TYRES
from .vehicle.keys import Key
from .vehicle.state import CarState
from .views import CarView, CloudView

# Reads what the coordinator holds; nothing is asked.
PARALLEL_UPDATES = 0

type Value = StateType | datetime

CHARGING_STATES = {
    "Starting": "starting",
    "Charging": "charging",
    "Stopped": "stopped",
    "Complete": "complete",
    "Disconnected": "disconnected",
    "NoPower": "no_power",
}


@dataclass(frozen=True, kw_only=True)
class CloudSensorDescription(SensorEntityDescription):
    """Describes a sensor of the cloud."""

    value: Callable[[CloudView], Value]
    attributes: Callable[[CloudView], dict[str, Any]] | None = None


@dataclass(frozen=True, kw_only=True)
class CarSensorDescription(SensorEntityDescription, CarDescription):
    """Describes a sensor of a car."""

    value: Callable[[CarView], Value]


def _details(view: CloudView) -> dict[str, Any]:
    """Tell what stands behind a status."""
    judgement = view.judgement
    return {
        "planes": [plane.value for plane in judgement.planes],
        "elsewhere": list(judgement.elsewhere),
        "models": list(judgement.models),
        "missing": [missing.value for missing in judgement.missing],
    }


def _trusted(value: Callable[[CarState], Value]) -> Callable[[CarView], Value]:
    """Read a value of the car's state, None when the state is too old."""

    def read(view: CarView) -> Value:
        return value(view.state) if view.state and view.trusted else None

    return read


def _told(
    key: str,
    device_class: SensorDeviceClass,
    unit: str | None,
    *,
    state_class: SensorStateClass | None = SensorStateClass.MEASUREMENT,
    category: EntityCategory | None = None,
    precision: int = 0,
    value: Callable[[CarState], Value] | None = None,
) -> CarSensorDescription:
    """Describe what a car tells as it is, off by default."""
    return CarSensorDescription(
        key=key,
        translation_key=key,
        device_class=device_class,
        entity_category=category,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=unit,
        state_class=state_class,
        suggested_display_precision=precision,
        value=_trusted(value or attrgetter(key)),
    )


def _charging_state(state: CarState) -> str | None:
    return CHARGING_STATES.get(state.charging_state or "")


def _speed(state: CarState) -> float | None:
    """Return the speed; a parked car tells none."""
    if state.speed is None and state.shift_state == PARKED:
        return 0.0
    return state.speed


TOLD_SENSORS = (
    CarSensorDescription(
        key="charging_state",
        translation_key="charging_state",
        device_class=SensorDeviceClass.ENUM,
        entity_registry_enabled_default=False,
        options=list(CHARGING_STATES.values()),
        value=_trusted(_charging_state),
    ),
    CarSensorDescription(
        key="shift_state",
        translation_key="shift_state",
        device_class=SensorDeviceClass.ENUM,
        entity_registry_enabled_default=False,
        options=list(SHIFT_STATES),
        value=_trusted(lambda state: state.shift_state),
    ),
    _told("usable_battery_level", SensorDeviceClass.BATTERY, PERCENTAGE),
    _told("charger_power", SensorDeviceClass.POWER, UnitOfPower.KILO_WATT),
    _told("charge_rate", SensorDeviceClass.SPEED, UnitOfSpeed.MILES_PER_HOUR),
    _told(
        "energy_added",
        SensorDeviceClass.ENERGY,
        UnitOfEnergy.KILO_WATT_HOUR,
        # It starts anew with each charge.
        state_class=SensorStateClass.TOTAL_INCREASING,
        precision=1,
    ),
    _told("minutes_to_full", SensorDeviceClass.DURATION, UnitOfTime.MINUTES),
    _told(
        "charger_voltage",
        SensorDeviceClass.VOLTAGE,
        UnitOfElectricPotential.VOLT,
        category=EntityCategory.DIAGNOSTIC,
    ),
    _told(
        "charger_current",
        SensorDeviceClass.CURRENT,
        UnitOfElectricCurrent.AMPERE,
        category=EntityCategory.DIAGNOSTIC,
    ),
    _told(
        "inside_temp",
        SensorDeviceClass.TEMPERATURE,
        UnitOfTemperature.CELSIUS,
        precision=1,
    ),
    _told(
        "outside_temp",
        SensorDeviceClass.TEMPERATURE,
        UnitOfTemperature.CELSIUS,
        precision=1,
    ),
    _told(
        "odometer",
        SensorDeviceClass.DISTANCE,
        UnitOfLength.MILES,
        state_class=SensorStateClass.TOTAL_INCREASING,
    ),
    _told("speed", SensorDeviceClass.SPEED, UnitOfSpeed.MILES_PER_HOUR, value=_speed),
    _told("power", SensorDeviceClass.POWER, UnitOfPower.KILO_WATT),
    *(
        _told(
            f"{place}_pressure",
            SensorDeviceClass.PRESSURE,
            UnitOfPressure.BAR,
            category=EntityCategory.DIAGNOSTIC,
            precision=1,
        )
        for place in TYRES
    ),
)
CLOUD_SENSORS = (
    CloudSensorDescription(
        key="status",
        translation_key="status",
        device_class=SensorDeviceClass.ENUM,
        options=[status.value for status in Status],
        value=lambda view: view.judgement.status.value,
        attributes=_details,
    ),
    CloudSensorDescription(
        key="scope",
        translation_key="scope",
        device_class=SensorDeviceClass.ENUM,
        options=[scope.value for scope in Scope],
        value=lambda view: view.judgement.scope.value,
    ),
    CloudSensorDescription(
        key="outage_since",
        translation_key="outage_since",
        device_class=SensorDeviceClass.TIMESTAMP,
        value=lambda view: view.judgement.since,
    ),
)
LATENCY = SensorEntityDescription(
    key="api_latency",
    translation_key="api_latency",
    device_class=SensorDeviceClass.DURATION,
    entity_category=EntityCategory.DIAGNOSTIC,
    entity_registry_enabled_default=False,
    native_unit_of_measurement=UnitOfTime.MILLISECONDS,
    state_class=SensorStateClass.MEASUREMENT,
    suggested_display_precision=0,
)
CAR_SENSORS = (
    CarSensorDescription(
        key="key_to_take",
        translation_key="key_to_take",
        device_class=SensorDeviceClass.ENUM,
        options=[key.value for key in Key],
        value=lambda view: view.key_to_take.value,
        watched_too=True,
    ),
    CarSensorDescription(
        key="last_contact",
        translation_key="last_contact",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value=lambda view: view.state.data_at if view.state else None,
    ),
    CarSensorDescription(
        key="battery_level",
        device_class=SensorDeviceClass.BATTERY,
        native_unit_of_measurement=PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        value=_trusted(lambda state: state.battery_level),
    ),
    CarSensorDescription(
        key="battery_range",
        translation_key="battery_range",
        device_class=SensorDeviceClass.DISTANCE,
        native_unit_of_measurement=UnitOfLength.MILES,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value=_trusted(lambda state: state.battery_range),
    ),
    *TOLD_SENSORS,
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the sensors of the cloud and of its cars."""
    async_add_entities(
        [
            *(
                CloudSensor(entry.runtime_data, description)
                for description in CLOUD_SENSORS
            ),
            LatencySensor(entry.runtime_data, LATENCY),
        ]
    )
    follow_cars(entry, async_add_entities, CAR_SENSORS, CarSensor)


class CloudSensor(CloudEntity, SensorEntity):
    """A sensor of the maker's cloud."""

    entity_description: CloudSensorDescription

    @property
    @override
    def native_value(self) -> Value:
        """Return what the judgement says."""
        return self.entity_description.value(self.coordinator.data)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Return what stands behind the value."""
        if self.entity_description.attributes is None:
            return None
        return self.entity_description.attributes(self.coordinator.data)


class LatencySensor(CloudEntity, SensorEntity):
    """How long the maker's host takes to answer.

    It changes with every answer, so it follows the answers and not the judgement.
    """

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the answers of the hosts."""
        await super().async_added_to_hass()
        watcher = self.coordinator.watcher
        self.async_on_remove(watcher.async_add_listener(self._handle_answer))

    @callback
    def _handle_answer(self) -> None:
        """Show the last good answer's latency, if that is news."""
        latency = self.coordinator.watcher.latencies.get(self.coordinator.region)
        value = None if latency is None else round(latency * 1000)
        if value != self._attr_native_value:
            self._attr_native_value = value
            self.async_write_ha_state()


class CarSensor(CarEntity, SensorEntity):
    """A sensor of a car."""

    entity_description: CarSensorDescription

    @property
    @override
    def native_value(self) -> Value:
        """Return what is known of the car."""
        return self.entity_description.value(self.coordinator.data)
