"""Keycard's binary sensors: the maker's cloud, and how a car is reached."""

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
from .entity import CarDescription, CarEntity, CloudEntity, follow_cars
from .outage.models import OUTAGES
from .runtime.views import CarView, CloudView
from .vehicle.fields import DOORS, TYRES, WINDOWS
from .vehicle.state import CarState, Presence

# Reads what the coordinator holds; nothing is asked.
PARALLEL_UPDATES = 0

_PRESENCE = {Presence.ONLINE: True, Presence.ASLEEP: False, Presence.OFFLINE: False}


@dataclass(frozen=True, kw_only=True)
class CloudBinarySensorDescription(BinarySensorEntityDescription):
    """Describes a binary sensor of the cloud."""

    is_on: Callable[[CloudView], bool]


@dataclass(frozen=True, kw_only=True)
class CarBinarySensorDescription(BinarySensorEntityDescription, CarDescription):
    """Describes a binary sensor of a car."""

    is_on: Callable[[CarView], bool | None]


def _outage(view: CloudView) -> bool:
    """Return whether an outage is on, also while nobody can see its end."""
    judgement = view.judgement
    return judgement.status in OUTAGES or judgement.since is not None


def _online(view: CarView) -> bool | None:
    """Return whether the car is online, None when nobody knows."""
    return _PRESENCE.get(view.known.presence) if view.known else None


def _told(
    key: str,
    field: str,
    device_class: BinarySensorDeviceClass | None = None,
    category: EntityCategory | None = None,
    *,
    told: Callable[[CarState], object] | None = None,
) -> CarBinarySensorDescription:
    """Describe what a car tells as it is: off by default."""

    def is_on(view: CarView) -> bool | None:
        value: bool | None = getattr(view.known, field, None)
        return value

    return CarBinarySensorDescription(
        key=key,
        translation_key=key,
        device_class=device_class,
        entity_category=category,
        entity_registry_enabled_default=False,
        told=told,
        is_on=is_on,
    )


CLOUD_SENSORS = (
    CloudBinarySensorDescription(
        key="api_reachable",
        translation_key="api_reachable",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        is_on=lambda view: view.api_reachable,
    ),
    CloudBinarySensorDescription(
        key="outage",
        translation_key="outage",
        device_class=BinarySensorDeviceClass.PROBLEM,
        is_on=_outage,
    ),
    CloudBinarySensorDescription(
        key="early_warning",
        translation_key="early_warning",
        is_on=lambda view: view.judgement.warning,
    ),
    CloudBinarySensorDescription(
        key="drill",
        translation_key="drill",
        is_on=lambda view: view.drill,
    ),
)
CAR_SENSORS = (
    CarBinarySensorDescription(
        key="online",
        translation_key="online",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        is_on=_online,
    ),
    CarBinarySensorDescription(
        key="cloud_link",
        translation_key="cloud_link",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        is_on=lambda view: view.cloud_link,
    ),
    CarBinarySensorDescription(
        key="bluetooth_link",
        translation_key="bluetooth_link",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        entity_category=EntityCategory.DIAGNOSTIC,
        bluetooth_only=True,
        is_on=lambda view: view.bluetooth is not None and view.bluetooth.near,
    ),
    *(
        _told(f"{place}_door", f"{place}_door_open", BinarySensorDeviceClass.DOOR)
        for place in DOORS
    ),
    *(
        _told(f"{place}_window", f"{place}_window_open", BinarySensorDeviceClass.WINDOW)
        for place in WINDOWS
    ),
    *(
        _told(
            f"{place}_pressure_low",
            f"{place}_pressure_low",
            BinarySensorDeviceClass.PROBLEM,
            EntityCategory.DIAGNOSTIC,
        )
        for place in TYRES
    ),
    _told("charge_cable", "cable_connected", BinarySensorDeviceClass.PLUG),
    _told("user_present", "user_present", BinarySensorDeviceClass.OCCUPANCY),
    *(
        _told(
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
    _told("cabin_preconditioning", "cabin_preconditioning"),
    _told("overheat_cooling", "overheat_cooling", BinarySensorDeviceClass.RUNNING),
    _told("fast_charger", "fast_charger", BinarySensorDeviceClass.PLUG),
    _told("several_phases", "several_phases", category=EntityCategory.DIAGNOSTIC),
    *(
        _told(key, key)
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
    _told(
        "homelink_nearby",
        "homelink_nearby",
        told=lambda state: state.homelink_nearby,
    ),
    _told(
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
    """Add the binary sensors of the cloud and of its cars."""
    async_add_entities(
        CloudBinarySensor(entry.runtime_data, description)
        for description in CLOUD_SENSORS
    )
    follow_cars(entry, async_add_entities, CAR_SENSORS, CarBinarySensor)


class CloudBinarySensor(CloudEntity, BinarySensorEntity):
    """A binary sensor of the maker's cloud."""

    entity_description: CloudBinarySensorDescription

    @property
    @override
    def is_on(self) -> bool:
        """Return what the judgement says."""
        return self.entity_description.is_on(self.coordinator.data)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return whether it is but a drill that says so."""
        return {ATTR_DRILL: self.coordinator.data.drill}


class CarBinarySensor(CarEntity, BinarySensorEntity):
    """A binary sensor of a car."""

    entity_description: CarBinarySensorDescription

    @property
    @override
    def is_on(self) -> bool | None:
        """Return what is known of the car."""
        return self.entity_description.is_on(self.coordinator.data)
