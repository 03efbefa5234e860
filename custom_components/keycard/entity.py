"""Bases of Keycard's entities."""

from collections.abc import Callable, Iterable
from typing import Any, override

from homeassistant.core import callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity import Entity, EntityDescription
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import (
    CoordinatorEntity,
    DataUpdateCoordinator,
)

from .const import DOMAIN, MANUFACTURER, MODEL_NAMES
from .coordinator import CarCoordinator, KeycardConfigEntry, KeycardCoordinator
from .vehicle.state import CarState


class KeycardEntity[CoordinatorT: DataUpdateCoordinator[Any]](
    CoordinatorEntity[CoordinatorT]
):
    """Base of every entity: always available (laws 1 and 3 of the design)."""

    _attr_has_entity_name = True

    @property
    @override
    def available(self) -> bool:
        """Return that the entity is available, whatever has failed."""
        return True


class CloudEntity(KeycardEntity[KeycardCoordinator]):
    """Base of the entities of the maker's cloud."""

    def __init__(
        self, coordinator: KeycardCoordinator, description: EntityDescription
    ) -> None:
        """Attach the entity to the cloud's device."""
        super().__init__(coordinator)
        entry = coordinator.config_entry
        self.entity_description = description
        self._attr_unique_id = f"{entry.entry_id}_{description.key}"
        self._attr_device_info = cloud_device(entry)


class CarEntity(KeycardEntity[CarCoordinator]):
    """Base of the entities of one car."""

    def __init__(
        self,
        entry: KeycardConfigEntry,
        coordinator: CarCoordinator,
        description: EntityDescription,
    ) -> None:
        """Attach the entity to the car's device."""
        super().__init__(coordinator)
        car = coordinator.car
        self.entity_description = description
        self._attr_unique_id = f"{car.id}_{description.key}"
        cloud = dr.async_get(coordinator.hass).async_get_or_create(
            config_entry_id=entry.entry_id, **cloud_device(entry)
        )
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, car.id)},
            manufacturer=MANUFACTURER,
            model=MODEL_NAMES.get(car.model),
            name=car.name,
            serial_number=car.id if coordinator.commandable else None,
            sw_version=car.state.sw_version if car.state else None,
            via_device_id=cloud.id,
        )

    @property
    def known(self) -> CarState | None:
        """Return the car's state, or None when it is too old to be trusted."""
        view = self.coordinator.data
        return view.state if view.trusted else None


def cloud_device(entry: KeycardConfigEntry) -> DeviceInfo:
    """Describe the device of the maker's cloud."""
    return DeviceInfo(
        entry_type=DeviceEntryType.SERVICE,
        identifiers={(DOMAIN, entry.entry_id)},
        manufacturer=MANUFACTURER,
        name=entry.title,
    )


def follow_cars(
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    build: Callable[[CarCoordinator], Iterable[Entity]],
) -> None:
    """Add the entities of the cars that are there and of those that come."""

    @callback
    def add(cars: list[CarCoordinator]) -> None:
        async_add_entities(entity for car in cars for entity in build(car))

    entry.async_on_unload(entry.runtime_data.async_add_cars_listener(add))
