"""Keycard's sensors: the judgement, and what is known of a car."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import EntityCategory, UnitOfTime
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .car_sensors import CAR_SENSORS, CarSensorDescription, Value
from .const import ATTR_DRILL
from .coordinator import KeycardConfigEntry
from .cost import CostSensor
from .entity import CarEntity, CloudEntity, follow_cars
from .history_sensors import history_sensors
from .outage.words import Scope, Status
from .views import CloudView

# Reads what the coordinator holds; nothing is asked.
PARALLEL_UPDATES = 0

ATTR_READINESS = "readiness"


@dataclass(frozen=True, kw_only=True)
class CloudSensorDescription(SensorEntityDescription):
    """Describes a sensor of the cloud."""

    value: Callable[[CloudView], Value]
    attributes: Callable[[CloudView], dict[str, Any]] | None = None


def _details(view: CloudView) -> dict[str, Any]:
    """Tell what stands behind a status."""
    judgement = view.judgement
    return {
        "planes": [plane.value for plane in judgement.planes],
        "elsewhere": list(judgement.elsewhere),
        "models": list(judgement.models),
        "missing": [missing.value for missing in judgement.missing],
    }


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
LAST_DRILL = SensorEntityDescription(
    key="last_drill",
    translation_key="last_drill",
    device_class=SensorDeviceClass.TIMESTAMP,
    entity_category=EntityCategory.DIAGNOSTIC,
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
            LastDrillSensor(entry.runtime_data, LAST_DRILL),
            LatencySensor(entry.runtime_data, LATENCY),
            *history_sensors(entry.runtime_data),
        ]
    )
    if entry.runtime_data.provider.cars_from_account:
        async_add_entities([CostSensor(entry.runtime_data)])
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
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return what stands behind the value, and whether it is but a drill's."""
        view = self.coordinator.data
        attributes = self.entity_description.attributes
        return {ATTR_DRILL: view.drill, **(attributes(view) if attributes else {})}


class LastDrillSensor(CloudEntity, SensorEntity):
    """When the last drill came to its end, and how ready the household was."""

    # It is a list, and long.
    _unrecorded_attributes = frozenset({ATTR_READINESS})

    @property
    @override
    def native_value(self) -> datetime | None:
        """Return when the last drill was over."""
        return self.coordinator.rehearsal.last

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return what the drill has shown."""
        return {ATTR_READINESS: self.coordinator.rehearsal.readiness}


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

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Return what stands behind the value."""
        if self.entity_description.attributes is None:
            return super().extra_state_attributes
        return self.entity_description.attributes(self.coordinator.data)
