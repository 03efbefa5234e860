"""Base entities for Keycard."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, override

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import Context, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity import Entity, EntityDescription
from homeassistant.helpers.entity_platform import (
    AddConfigEntryEntitiesCallback,
    async_get_current_platform,
)
from homeassistant.helpers.update_coordinator import (
    CoordinatorEntity,
    DataUpdateCoordinator,
)

from .const import ATTR_PROVISIONAL, DOMAIN, MANUFACTURER, MODEL_NAMES
from .coordinator import KeycardConfigEntry, KeycardCoordinator, VehicleCoordinator
from .notifications.text import cached_region_name
from .runtime.caller import async_note_caller
from .vehicle.commands import Command, CommandCall, command_call
from .vehicle.state import VehicleConfig, VehicleState

# Translation key of the device of the cloud
CLOUD_DEVICE = "cloud"

_CLIMATE_ON = command_call(Command.CLIMATE_ON)


@dataclass(frozen=True, kw_only=True)
class VehicleEntityDescription(EntityDescription):
    """Describe an entity of a vehicle."""

    equipped_fn: Callable[[VehicleConfig], bool] | None = None
    """Whether the configuration of a vehicle supports the entity, None for all."""

    supported_fn: Callable[[VehicleState], object] | None = None
    """A value that only vehicles with the needed equipment report."""

    signed_only: bool = False
    """Whether the entity needs signed commands."""

    bluetooth_only: bool = False
    """Whether the entity needs a Bluetooth key."""

    without_account: bool = False
    """Whether the entity also exists for a vehicle that takes no commands."""


class KeycardEntity[CoordinatorT: DataUpdateCoordinator[Any]](
    CoordinatorEntity[CoordinatorT]
):
    """Base of all entities.

    They are always available: outage entities must not disappear in an outage, and
    Home Assistant skips commands to unavailable entities without an error.
    """

    _attr_has_entity_name = True

    @property
    @override
    def available(self) -> bool:
        """Return True; outages must stay visible."""
        return True


class CloudEntity(KeycardEntity[KeycardCoordinator]):
    """Base of the entities of the cloud."""

    def __init__(
        self, entry: KeycardConfigEntry, description: EntityDescription
    ) -> None:
        """Initialize the entity."""
        super().__init__(entry.runtime_data.coordinator)
        self._runtime_data = entry.runtime_data
        self.entity_description = description
        self._attr_unique_id = f"{entry.entry_id}_{description.key}"
        self._attr_device_info = cloud_device(self.coordinator.hass, entry)

    @override
    async def async_update(self) -> None:
        """Probe the hosts on request, once for all entities."""
        poller = self._runtime_data.host_poller
        if self.enabled and not poller.check_cooldown:
            await poller.async_check()


class VehicleEntity(KeycardEntity[VehicleCoordinator]):
    """Base of the entities of a vehicle."""

    def __init__(
        self,
        _entry: KeycardConfigEntry,
        coordinator: VehicleCoordinator,
        description: EntityDescription,
    ) -> None:
        """Initialize the entity; the device is set when it is added."""
        super().__init__(coordinator)
        self._written: tuple[object, bool] | None = None
        """The value that was written last, but for commands under way."""

        vehicle = coordinator.vehicle
        self.entity_description = description
        self._attr_unique_id = f"{vehicle.id}_{description.key}"

    @override
    async def async_update(self) -> None:
        """Request an update of the vehicle."""
        if self.enabled:
            self.coordinator.async_request_update()

    @callback
    @override
    def async_set_context(self, context: Context) -> None:
        """Store the caller; automations must not use a provisional key."""
        super().async_set_context(context)
        async_note_caller(context)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Return whether the state is provisional."""
        return {ATTR_PROVISIONAL: True} if self.coordinator.data.provisional else None

    @property
    def shown_value(self) -> object:
        """Return the value of which state and attributes depend, besides `provisional`.

        None if there is none, so that each update is written.
        """
        return None

    @override
    async def async_added_to_hass(self) -> None:
        """Note the value that Home Assistant is about to write."""
        await super().async_added_to_hass()
        self._written = self._shown()

    def _shown(self) -> tuple[object, bool]:
        return self.shown_value, self.coordinator.data.provisional

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        """Write the state, unless it is the same as before."""
        shown = self._shown()
        if shown[0] is None or shown != self._written:
            self._written = shown
            super()._handle_coordinator_update()

    @property
    def usable_state(self) -> VehicleState | None:
        """Return the state without fields that may have changed since."""
        return self.coordinator.data.usable_state

    @property
    def equipment(self) -> VehicleConfig | None:
        """Return the configuration of the vehicle, None if unknown."""
        state = self.coordinator.data.state
        return state.equipment if state else None

    async def async_send_command(self, *calls: CommandCall) -> None:
        """Send one or more commands, one after the other."""
        await self.coordinator.async_execute(*calls)

    async def async_send_with_climate(self, call: CommandCall) -> None:
        """Send a command that needs the climate control, which is turned on first."""
        climate_on = self.usable_state is not None and self.usable_state.climate_on
        calls = [call] if climate_on else [_CLIMATE_ON, call]
        await self.async_send_command(*calls)


def cloud_device(hass: HomeAssistant, entry: KeycardConfigEntry) -> DeviceInfo:
    """Return the device info of the cloud, named after its entry if it has others."""
    device = DeviceInfo(
        entry_type=DeviceEntryType.SERVICE,
        identifiers={(DOMAIN, entry.entry_id)},
        manufacturer=MANUFACTURER,
        model=cached_region_name(hass, entry.runtime_data.region),
    )
    if _is_only_entry(hass, entry):
        device["translation_key"] = CLOUD_DEVICE
    else:
        device["name"] = entry.title
    return device


def _is_only_entry(hass: HomeAssistant, entry: ConfigEntry) -> bool:
    """Return whether no other entry is enabled."""
    others = hass.config_entries.async_entries(
        DOMAIN, include_ignore=False, include_disabled=False
    )
    return all(other.entry_id == entry.entry_id for other in others)


def _cloud_device_id(hass: HomeAssistant, entry: KeycardConfigEntry) -> str:
    """Return the id of the cloud's device, which is created for the first vehicle."""
    registry = dr.async_get(hass)
    device = registry.async_get_device_by_identifier(
        (DOMAIN, entry.entry_id), entry.entry_id
    )
    if device is None:
        device = registry.async_get_or_create(
            config_entry_id=entry.entry_id, **cloud_device(hass, entry)
        )
    return device.id


def _vehicle_device(
    entry: KeycardConfigEntry, coordinator: VehicleCoordinator
) -> dr.DeviceEntry:
    """Return the device of a vehicle, which is created or updated."""
    hass, vehicle = coordinator.hass, coordinator.vehicle
    return dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id,
        identifiers={(DOMAIN, vehicle.id)},
        manufacturer=MANUFACTURER,
        model=MODEL_NAMES.get(vehicle.model),
        name=vehicle.device_name or vehicle.name,
        serial_number=vehicle.id if coordinator.commandable else None,
        sw_version=vehicle.state.sw_version if vehicle.state else None,
        via_device_id=_cloud_device_id(hass, entry),
    )


def _is_supported(
    coordinator: VehicleCoordinator, description: VehicleEntityDescription, domain: str
) -> bool | None:
    """Return whether a vehicle supports an entity of a domain, None while unknown.

    A registered entity has been supported before: it must exist even if the state of
    the vehicle could not be stored.
    """
    state = coordinator.data.state
    if description.signed_only and not coordinator.supports_signing:
        return None
    if description.bluetooth_only and coordinator.bluetooth is None:
        return False
    if state is None and _is_registered(coordinator, description, domain):
        return True
    if description.supported_fn is not None and (
        state is None or description.supported_fn(state) is None
    ):
        return None
    if description.equipped_fn is None:
        return True
    if state is None or state.equipment is None:
        return None
    return description.equipped_fn(state.equipment)


def _is_registered(
    coordinator: VehicleCoordinator, description: VehicleEntityDescription, domain: str
) -> bool:
    unique_id = f"{coordinator.vehicle.id}_{description.key}"
    registry = er.async_get(coordinator.hass)
    return registry.async_get_entity_id(domain, DOMAIN, unique_id) is not None


def async_add_vehicle_entities[DescriptionT: VehicleEntityDescription](
    entry: KeycardConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    descriptions: Iterable[DescriptionT],
    entity_class: Callable[
        [KeycardConfigEntry, VehicleCoordinator, DescriptionT], Entity
    ],
) -> None:
    """Add the entities of current and future vehicles.

    An entity is added once it is known that the vehicle supports it.
    """
    manager = entry.runtime_data.vehicle_manager
    domain = async_get_current_platform().domain

    def add_vehicle(coordinator: VehicleCoordinator) -> None:
        if manager.vehicles.get(coordinator.vehicle.id) is not coordinator:
            # It has left the account meanwhile.
            return
        pending = [
            description
            for description in descriptions
            if coordinator.commandable or description.without_account
        ]

        @callback
        def add_supported() -> None:
            checked = [
                (description, supported)
                for description in pending
                if (supported := _is_supported(coordinator, description, domain))
                is not None
            ]
            if not checked:
                return
            for description, _ in checked:
                pending.remove(description)
            entities = [
                entity_class(entry, coordinator, description)
                for description, supported in checked
                if supported
            ]
            if not entities:
                return
            # One look at the registry for all of them takes an eighth off a set-up.
            device = _vehicle_device(entry, coordinator)
            for entity in entities:
                entity.device_entry = device
            async_add_entities(entities)

        add_supported()
        if pending:
            entry.async_on_unload(coordinator.async_add_listener(add_supported))

    @callback
    def add_vehicles(coordinators: list[VehicleCoordinator]) -> None:
        for coordinator in coordinators:
            manager.async_add_step(partial(add_vehicle, coordinator))

    entry.async_on_unload(manager.async_add_new_vehicle_listener(add_vehicles))
