"""Bases of Keycard's entities."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, override

from homeassistant.core import Context, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity import Entity, EntityDescription
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import (
    CoordinatorEntity,
    DataUpdateCoordinator,
)

from .const import ATTR_PROVISIONAL, DOMAIN, MANUFACTURER, MODEL_NAMES
from .coordinator import KeycardConfigEntry, KeycardCoordinator, VehicleCoordinator
from .runtime.caller import async_note_caller
from .vehicle.commands import Command, CommandCall, command_call
from .vehicle.state import VehicleConfig, VehicleState

_CLIMATE_ON = command_call(Command.CLIMATE_ON)


@dataclass(frozen=True, kw_only=True)
class VehicleEntityDescription(EntityDescription):
    """Describes an entity of a car."""

    equipped_fn: Callable[[VehicleConfig], bool] | None = None
    """Whether a car has what it takes; without it, every car has."""

    supported_fn: Callable[[VehicleState], object] | None = None
    """What a car tells only if it has what it takes."""

    signed_only: bool = False
    """Whether a car does it only when a signed command says so."""

    bluetooth_only: bool = False
    """Whether only a car with a Bluetooth key has it."""

    without_account: bool = False
    """Whether a car has it that is only watched for, and takes no commands."""


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

    @override
    async def async_update(self) -> None:
        """Ask the hosts, as the owner wants it; for all entities once."""
        if self.enabled and not self.coordinator.watcher.check_cooldown:
            await self.coordinator.watcher.async_check()


class VehicleEntity(KeycardEntity[VehicleCoordinator]):
    """Base of the entities of one car."""

    def __init__(
        self,
        entry: KeycardConfigEntry,
        coordinator: VehicleCoordinator,
        description: EntityDescription,
    ) -> None:
        """Attach the entity to the car's device."""
        super().__init__(coordinator)
        car = coordinator.vehicle
        self.entity_description = description
        self._attr_unique_id = f"{car.id}_{description.key}"
        cloud = dr.async_get(coordinator.hass).async_get_or_create(
            config_entry_id=entry.entry_id, **cloud_device(entry)
        )
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, car.id)},
            manufacturer=MANUFACTURER,
            model=MODEL_NAMES.get(car.model),
            name=car.device_name or car.name,
            serial_number=car.id if coordinator.commandable else None,
            sw_version=car.state.sw_version if car.state else None,
            via_device_id=cloud.id,
        )

    @override
    async def async_update(self) -> None:
        """Ask the car, as the owner wants it; what it tells shows by itself."""
        if self.enabled:
            self.coordinator.async_request_update()

    @callback
    @override
    def async_set_context(self, context: Context) -> None:
        """Note who calls: what is provisional opens and locks nothing by itself."""
        super().async_set_context(context)
        async_note_caller(context)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Return whether the state rests on a car that nobody has confirmed yet."""
        return {ATTR_PROVISIONAL: True} if self.coordinator.data.provisional else None

    @property
    def usable_state(self) -> VehicleState | None:
        """Return the car's state without what may have changed since."""
        return self.coordinator.data.usable_state

    @property
    def equipment(self) -> VehicleConfig | None:
        """Return what the car is fitted with, None if nobody told."""
        state = self.coordinator.data.state
        return state.equipment if state else None

    async def async_send_command(self, *orders: CommandCall) -> None:
        """Have the car do something, or several things in turn."""
        await self.coordinator.async_send_all(*orders)

    async def async_order_with_climate(self, wanted: CommandCall) -> None:
        """Have the car do something with its climate, which is started if it is off."""
        first = (
            [] if self.usable_state and self.usable_state.climate_on else [_CLIMATE_ON]
        )
        await self.async_send_command(*first, wanted)


def cloud_device(entry: KeycardConfigEntry) -> DeviceInfo:
    """Describe the device of the maker's cloud."""
    return DeviceInfo(
        entry_type=DeviceEntryType.SERVICE,
        identifiers={(DOMAIN, entry.entry_id)},
        manufacturer=MANUFACTURER,
        name=entry.title,
    )


def _is_supported(
    car: VehicleCoordinator, description: VehicleEntityDescription
) -> bool | None:
    """Tell whether a car has what an entity takes, None while nobody knows."""
    state = car.data.state
    if description.signed_only and not car.supports_signing:
        return None
    if description.bluetooth_only and car.bluetooth is None:
        return False
    if description.supported_fn is not None and (
        state is None or description.supported_fn(state) is None
    ):
        return None
    if description.equipped_fn is None:
        return True
    if state is None or state.equipment is None:
        return None
    return description.equipped_fn(state.equipment)


def async_add_vehicle_entities[DescriptionT: VehicleEntityDescription](
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    descriptions: Iterable[DescriptionT],
    build: Callable[[KeycardConfigEntry, VehicleCoordinator, DescriptionT], Entity],
) -> None:
    """Add the entities of the cars that are there and of those that come.

    What a car may lack waits until somebody tells what it is fitted with.
    """

    def fit(car: VehicleCoordinator) -> None:
        waiting = [
            description
            for description in descriptions
            if car.commandable or description.without_account
        ]

        @callback
        def add() -> None:
            settled = [
                (description, has)
                for description in waiting
                if (has := _is_supported(car, description)) is not None
            ]
            if not settled:
                return
            for description, _ in settled:
                waiting.remove(description)
            async_add_entities(
                build(entry, car, description) for description, has in settled if has
            )

        add()
        if waiting:
            entry.async_on_unload(car.async_add_listener(add))

    @callback
    def add(cars: list[VehicleCoordinator]) -> None:
        for car in cars:
            fit(car)

    entry.async_on_unload(entry.runtime_data.garage.async_add_new_vehicle_listener(add))
