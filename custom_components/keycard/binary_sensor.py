"""Binary sensors for Keycard."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, override

from homeassistant.components.binary_sensor import (
    BinarySensorDeviceClass,
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import ATTR_DRILL
from .coordinator import KeycardConfigEntry
from .entity import (
    CloudEntity,
    VehicleEntity,
    VehicleEntityDescription,
    async_add_vehicle_entities,
)
from .outage.models import OUTAGES
from .runtime.presentation import CloudData, VehicleData
from .vehicle.api_field import DOORS, TIRES, WINDOWS
from .vehicle.state import ConnectivityState, VehicleState

# Entities read the data of their coordinator.
PARALLEL_UPDATES = 0

_IS_ONLINE = {
    ConnectivityState.ONLINE: True,
    ConnectivityState.ASLEEP: False,
    ConnectivityState.OFFLINE: False,
}


@dataclass(frozen=True, kw_only=True)
class CloudBinarySensorDescription(BinarySensorEntityDescription):
    """Describe a binary sensor of the cloud."""

    is_on_fn: Callable[[CloudData], bool]


@dataclass(frozen=True, kw_only=True)
class VehicleBinarySensorDescription(
    BinarySensorEntityDescription, VehicleEntityDescription
):
    """Describe a binary sensor of a vehicle."""

    is_on_fn: Callable[[VehicleData], bool | None]


def _outage(data: CloudData) -> bool:
    """Return whether an outage is active, also while evidence is inconclusive."""
    assessment = data.assessment
    return assessment.status in OUTAGES or assessment.since is not None


def _online(data: VehicleData) -> bool | None:
    """Return whether the vehicle is online, None if unknown."""
    return _IS_ONLINE.get(data.usable_state.presence) if data.usable_state else None


def _measurement(
    key: str,
    field: str,
    device_class: BinarySensorDeviceClass | None = None,
    category: EntityCategory | None = None,
    *,
    supported_fn: Callable[[VehicleState], object] | None = None,
) -> VehicleBinarySensorDescription:
    """Describe a binary sensor of one field, disabled by default."""

    def is_on(data: VehicleData) -> bool | None:
        value: bool | None = getattr(data.usable_state, field, None)
        return value

    return VehicleBinarySensorDescription(
        key=key,
        translation_key=key,
        device_class=device_class,
        entity_category=category,
        entity_registry_enabled_default=False,
        supported_fn=supported_fn,
        is_on_fn=is_on,
    )


CLOUD_SENSORS = (
    CloudBinarySensorDescription(
        key="api_reachable",
        translation_key="api_reachable",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on_fn=lambda data: data.api_reachable,
    ),
    CloudBinarySensorDescription(
        key="outage",
        translation_key="outage",
        device_class=BinarySensorDeviceClass.PROBLEM,
        is_on_fn=_outage,
    ),
    CloudBinarySensorDescription(
        key="early_warning",
        translation_key="early_warning",
        is_on_fn=lambda data: data.assessment.warning,
    ),
    CloudBinarySensorDescription(
        key="drill",
        translation_key="drill",
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on_fn=lambda data: data.drill,
    ),
)
VEHICLE_SENSORS = (
    VehicleBinarySensorDescription(
        key="online",
        translation_key="online",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on_fn=_online,
    ),
    VehicleBinarySensorDescription(
        key="cloud_link",
        translation_key="cloud_link",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        is_on_fn=lambda data: data.cloud_works,
    ),
    VehicleBinarySensorDescription(
        key="bluetooth_link",
        translation_key="bluetooth_link",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        entity_category=EntityCategory.DIAGNOSTIC,
        bluetooth_only=True,
        is_on_fn=lambda data: data.bluetooth is not None and data.bluetooth.in_range,
    ),
    *(
        _measurement(f"{door}_door", f"{door}_door_open", BinarySensorDeviceClass.DOOR)
        for door in DOORS
    ),
    *(
        _measurement(
            f"{window}_window", f"{window}_window_open", BinarySensorDeviceClass.WINDOW
        )
        for window in WINDOWS
    ),
    *(
        _measurement(
            f"{wheel}_pressure_low",
            f"{wheel}_pressure_low",
            BinarySensorDeviceClass.PROBLEM,
            EntityCategory.DIAGNOSTIC,
        )
        for wheel in TIRES
    ),
    _measurement("charge_cable", "cable_connected", BinarySensorDeviceClass.PLUG),
    _measurement("user_present", "user_present", BinarySensorDeviceClass.OCCUPANCY),
    *(
        _measurement(
            heater, heater, BinarySensorDeviceClass.RUNNING, EntityCategory.DIAGNOSTIC
        )
        for heater in (
            "battery_heater",
            "front_defroster",
            "rear_defroster",
            "mirror_heaters",
            "wiper_heater",
        )
    ),
    _measurement("cabin_preconditioning", "cabin_preconditioning"),
    _measurement(
        "overheat_cooling", "overheat_cooling", BinarySensorDeviceClass.RUNNING
    ),
    _measurement("fast_charger", "fast_charger", BinarySensorDeviceClass.PLUG),
    _measurement(
        "several_phases", "several_phases", category=EntityCategory.DIAGNOSTIC
    ),
    *(
        _measurement(key, key)
        for key in (
            "scheduled_charging",
            "preconditions",
            "off_peak_charging",
            "trip_charging",
            "port_cold_weather",
            "keyless_driving",
            "speed_limit_mode",
        )
    ),
    _measurement(
        "homelink_nearby",
        "homelink_nearby",
        supported_fn=lambda state: state.homelink_nearby,
    ),
    _measurement(
        "dashcam",
        "dashcam",
        BinarySensorDeviceClass.RUNNING,
        EntityCategory.DIAGNOSTIC,
    ),
)


async def async_setup_entry(
    _hass: HomeAssistant,
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the binary sensors of the cloud and of its vehicles."""
    async_add_entities(
        CloudBinarySensor(entry, description) for description in CLOUD_SENSORS
    )
    async_add_vehicle_entities(
        entry, async_add_entities, VEHICLE_SENSORS, VehicleBinarySensor
    )


class CloudBinarySensor(CloudEntity, BinarySensorEntity):
    """Binary sensor of the cloud."""

    entity_description: CloudBinarySensorDescription

    @property
    @override
    def is_on(self) -> bool:
        """Return the value from the assessment."""
        return self.entity_description.is_on_fn(self.coordinator.data)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return whether a drill is shown."""
        return {ATTR_DRILL: self.coordinator.data.drill}


class VehicleBinarySensor(VehicleEntity, BinarySensorEntity):
    """Binary sensor of a vehicle."""

    entity_description: VehicleBinarySensorDescription

    @property
    @override
    def shown_value(self) -> object:
        """Return the value."""
        return (self.is_on,)

    @property
    @override
    def is_on(self) -> bool | None:
        """Return the value, None if unknown."""
        return self.entity_description.is_on_fn(self.coordinator.data)
