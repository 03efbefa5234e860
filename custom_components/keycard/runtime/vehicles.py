"""Manager of the vehicles of a config entry."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Set as AbstractSet
from datetime import datetime
from functools import partial
from itertools import batched
import logging
import time

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.const import CONF_ADDRESS
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.util import dt as dt_util

from ..bluetooth.vehicle_link import BluetoothVehicle
from ..const import (
    CONF_CARS,
    CONF_COMPUTERS,
    CONF_KEY_PLACE,
    CONF_LEFT_OUT,
    CONF_LINK,
    DOMAIN,
    MANUFACTURER,
    SUBENTRY_BLUETOOTH_KEY,
)
from ..helpers.isolation import isolated
from ..outage.detector import OutageDetector
from ..outage.models import Assessment
from ..providers import Provider
from ..transport.key_pair import PrivateKey
from ..transport.result import ApiCall
from ..transport.routing import Preference
from ..vehicle.computer_keys import Computer, Pairing
from ..vehicle.keys import KeyPlace, PhysicalKey, is_vin
from ..vehicle.parsing import JsonObject, parse_text
from ..vehicle.product_list import (
    MAX_VEHICLES,
    AccountVehicles,
    parse_products,
    unique_labels,
)
from ..vehicle.vehicle import Vehicle
from .commands import CloudCommandSender
from .vehicle_coordinator import VehicleCoordinator

# Vehicles that are updated in one turn of the event loop.
_MAX_UPDATES = 20

DISABLED_BY_USER = dr.DeviceEntryDisabler.USER

_LOGGER = logging.getLogger(__name__)

type NewVehicleListener = Callable[[list[VehicleCoordinator]], None]


class VehicleManager:
    """Manage the vehicles of an entry, and follow the list of its account."""

    def __init__(
        self,
        *,
        hass: HomeAssistant,
        entry: ConfigEntry,
        provider: Provider,
        detector: OutageDetector,
        vehicles: dict[str, VehicleCoordinator],
        other_vins: Callable[[], set[str]],
        command_sender: CloudCommandSender | None,
        bluetooth_key: PrivateKey | None,
        on_added: Callable[[VehicleCoordinator], None],
        on_removed: Callable[[str], None],
        on_listed: Callable[[str], None],
        on_bluetooth_update: Callable[[str], None],
        save: Callable[[], None],
        schedule_save: Callable[[], None],
    ) -> None:
        """Initialize without a vehicle; `vehicles` is filled.

        `other_vins` returns the vehicles of other entries: a vehicle of two accounts
        belongs to the entry that added it first. An entry without an account has no
        `command_sender`. `on_added` and `on_removed` are called when a vehicle comes to
        the account or leaves it, `on_listed` when the product list had its summary,
        `on_bluetooth_update` after news over Bluetooth.
        `save` stores the vehicles at once.
        """
        self.vehicles = vehicles
        self.left_out: dict[str, Vehicle] = {}
        """The vehicles that the user disabled, by VIN."""

        self.too_many: int | None = None
        """The length of the last list of vehicles, if that was too long."""

        self._hass = hass
        self._entry = entry
        self._provider = provider
        self._detector = detector
        self._other_vins = other_vins
        self._on_added = on_added
        self._on_removed = on_removed
        self._on_listed = on_listed
        self._on_bluetooth_update = on_bluetooth_update
        self._command_sender = command_sender
        self._bluetooth_key = bluetooth_key
        self._save = save
        self._schedule_save = schedule_save
        self._running = False
        self._account_vehicles = AccountVehicles()
        self._listeners: list[NewVehicleListener] = []
        self._steps: deque[Callable[[], None]] = deque()
        self._steps_task: asyncio.Task[None] | None = None
        if provider.client is not None:
            provider.client.add_session_listener(self._async_handle_session)

    @property
    def can_sign(self) -> bool:
        """Return whether Keycard, a server or a third party signs commands."""
        client = self._provider.client
        return client is not None and (
            client.can_sign
            or client.only_commands_through_server
            or self._detector.third_party
        )

    @callback
    def async_restore_vehicles(
        self, vehicles: Iterable[Vehicle], keys: dict[str, PhysicalKey]
    ) -> None:
        """Add the known vehicles, with their last keys to take."""
        for vehicle in vehicles:
            if self._is_left_out(vehicle.id):
                self._leave_out(vehicle)
            else:
                self._add(vehicle, keys.get(vehicle.id, PhysicalKey.NONE))
        self.async_update_names()
        self._account_vehicles = AccountVehicles(known=set(self.vins))

    @property
    def vins(self) -> AbstractSet[str]:
        """Return the vehicles, including disabled ones."""
        return self.vehicles.keys() | self.left_out.keys()

    def _is_left_out(self, vin: str) -> bool:
        """Return whether the user disabled a vehicle."""
        if vin in self._entry.options.get(CONF_LEFT_OUT, ()):
            return True
        device = self._device(vin)
        return device is not None and device.disabled_by is DISABLED_BY_USER

    def _leave_out(self, vehicle: Vehicle) -> None:
        self.left_out[vehicle.id] = vehicle
        self._detector.forget(vehicle.id)
        device = self._device(vehicle.id)
        if device is not None and device.disabled_by is not DISABLED_BY_USER:
            dr.async_get(self._hass).async_remove_device(device.id)

    def _device(self, vin: str) -> dr.DeviceEntry | None:
        return dr.async_get(self._hass).async_get_device_by_identifier(
            (DOMAIN, vin), self._entry.entry_id
        )

    # Names

    @callback
    def async_update_names(self) -> None:
        """Update the names, so that the user can tell the vehicles apart."""
        vehicles = {
            vin: coordinator.vehicle for vin, coordinator in self.vehicles.items()
        }
        labels = unique_labels({vin: one.name for vin, one in vehicles.items()})
        names = dict[str, str]()
        for vin, vehicle in vehicles.items():
            label = None if vehicle.has_name else labels[vin]
            # The ID of a vehicle without a VIN says nothing to a user.
            vehicle.device_name = label if is_vin(vin) else None
            names[vin] = self._name_by_user(vin) or label or vehicle.name
        for vin, name in unique_labels(names).items():
            vehicles[vin].set_label(name)

    def _name_added(self, vehicle: Vehicle, others: Iterable[Vehicle]) -> None:
        """Update the name of a new vehicle, and those of all if another is like it."""
        name = vehicle.name
        label = self._name_by_user(vehicle.id) or name
        taken = {
            taken for one in others for taken in (one.name, one.device_name, one.label)
        }
        if taken.isdisjoint((name, label)):
            is_named = vehicle.has_name or not is_vin(vehicle.id)
            vehicle.device_name = None if is_named else name
            vehicle.set_label(label)
            return
        self.async_update_names()
        for vin in self.vehicles:
            self._async_update_device(vin)

    def _name_by_user(self, vin: str) -> str | None:
        """Return the name that the user gave the device of a vehicle."""
        device = self._device(vin)
        return None if device is None else parse_text(device.name_by_user)

    @callback
    def _async_update_device(self, vin: str) -> None:
        """Update name and software version of a vehicle's device."""
        if (coordinator := self.vehicles.get(vin)) is None:
            return
        vehicle, device = coordinator.vehicle, self._device(vin)
        if device is None:
            return
        name = vehicle.device_name or vehicle.name
        if vehicle.has_name and device.name != vehicle.name:
            self.async_update_names()
            name = vehicle.name
        version = vehicle.state.sw_version if vehicle.state else None
        version = version or device.sw_version
        if (name, version) != (device.name, device.sw_version):
            dr.async_get(self._hass).async_update_device(
                device.id, name=name, sw_version=version
            )

    def _add(self, vehicle: Vehicle, key: PhysicalKey) -> VehicleCoordinator:
        vehicle.trust.add_listener(self._schedule_save)
        vehicle.key_place = self._key_place(vehicle.id)
        coordinator = VehicleCoordinator(
            self._hass,
            self._entry,
            vehicle,
            command_sender=self._command_sender,
            key_to_take=key,
            supports_signing=self.can_sign,
            bluetooth=self._bluetooth_vehicle(vehicle),
            preference=Preference(
                self._entry.options.get(CONF_LINK, Preference.CHEAPEST)
            ),
            save=self._save,
        )
        self.vehicles[vehicle.id] = coordinator
        coordinator.async_add_listener(partial(self._async_update_device, vehicle.id))
        if self._running and coordinator.bluetooth is not None:
            coordinator.bluetooth.async_start()
        return coordinator

    def _key_place(self, vin: str) -> KeyPlace | None:
        """Return the place of the card or fob of a vehicle, None if unknown."""
        options = self._entry.options.get(CONF_CARS, {}).get(vin, {})
        place = options.get(CONF_KEY_PLACE)
        return KeyPlace(place) if place in list(KeyPlace) else None

    def stale_vehicles(self, assessment: Assessment) -> list[str]:
        """Return the names of the vehicles whose stale data show an outage."""
        return [
            coordinator.vehicle.title
            for vin, coordinator in self.vehicles.items()
            if vin in assessment.stale_vehicles
        ]

    @property
    def registered_names(self) -> dict[str, str]:
        """Return the names of the vehicles that have a device or a key, by VIN.

        Their entities must exist even if the vehicles could not be stored.
        """
        names = {vin: one.title for vin, one in self.paired_subentries.items()}
        if not self._provider.has_account:
            return names
        devices, others = dr.async_get(self._hass), self._other_vins()
        for device in dr.async_entries_for_config_entry(devices, self._entry.entry_id):
            for domain, vin in device.identifiers:
                if domain == DOMAIN and is_vin(vin) and vin not in others:
                    names.setdefault(vin, device.name or MANUFACTURER)
        return names

    # Bluetooth

    @property
    def paired_subentries(self) -> dict[str, ConfigSubentry]:
        """Return the subentries of the vehicles with a Bluetooth key, by VIN."""
        found = self._entry.get_subentries_of_type(SUBENTRY_BLUETOOTH_KEY)
        return {one.unique_id: one for one in found if one.unique_id}

    @property
    def key_lost(self) -> bool:
        """Return whether vehicles are paired, but the Bluetooth key is unusable."""
        return self._bluetooth_key is None and bool(self.paired_subentries)

    def _bluetooth_vehicle(self, vehicle: Vehicle) -> BluetoothVehicle | None:
        vin, subentry = vehicle.id, self.paired_subentries.get(vehicle.id)
        if subentry is None or self._bluetooth_key is None:
            return None
        pairing = Pairing.from_json(subentry.data.get(CONF_COMPUTERS))
        if pairing is not None:
            vehicle.trust.apply_pairing(pairing)
        return BluetoothVehicle(
            hass=self._hass,
            vehicle=vehicle,
            key=self._bluetooth_key,
            address=subentry.data.get(CONF_ADDRESS),
            cloud_unavailable=lambda: self.vehicles[vin].cloud_unavailable,
            on_range_change=lambda: self._async_handle_bluetooth(vin),
            on_data=lambda: self._async_handle_bluetooth(vin),
        )

    @callback
    def _async_handle_bluetooth(self, vin: str) -> None:
        """Publish news over Bluetooth, and store the address of the vehicle."""
        coordinator = self.vehicles.get(vin)
        subentry = self.paired_subentries.get(vin)
        if coordinator is None or coordinator.bluetooth is None or not self._running:
            return
        coordinator.async_publish()
        self._on_bluetooth_update(vin)
        address = coordinator.bluetooth.scanner.address
        if subentry is not None and subentry.data.get(CONF_ADDRESS) != address:
            self._hass.config_entries.async_update_subentry(
                self._entry, subentry, data={**subentry.data, CONF_ADDRESS: address}
            )

    @callback
    def _async_handle_session(self, vin: str, computer: Computer, point: bytes) -> None:
        """Update the public key of a computer from a session over the cloud."""
        if (coordinator := self.vehicles.get(vin)) is not None:
            coordinator.vehicle.trust.set_cloud_key(computer, point)

    # Start and stop

    @callback
    def async_start(self) -> None:
        """Start Bluetooth for the paired vehicles."""
        self._running = True
        for coordinator in self.vehicles.values():
            if coordinator.bluetooth is not None:
                with isolated("the Bluetooth of a vehicle"):
                    coordinator.bluetooth.async_start()

    @callback
    def async_request_unsettled(self) -> None:
        """Request the fields that commands before a restart left unknown."""
        for coordinator in self.vehicles.values():
            with isolated("a vehicle"):
                coordinator.async_request_unsettled()

    async def async_stop(self) -> None:
        """Stop commands and Bluetooth."""
        self._running = False
        await asyncio.gather(
            *(coordinator.async_stop() for coordinator in self.vehicles.values()),
            return_exceptions=True,
        )
        if self._command_sender is not None:
            await self._command_sender.async_stop()
        await asyncio.gather(
            *(
                _async_stop(coordinator.bluetooth)
                for coordinator in self.vehicles.values()
                if coordinator.bluetooth is not None
            )
        )

    @callback
    def async_add_new_vehicle_listener(
        self, listener: NewVehicleListener
    ) -> CALLBACK_TYPE:
        """Call a listener with the vehicles, and with new ones."""
        self._listeners.append(listener)
        listener(list(self.vehicles.values()))
        return lambda: self._listeners.remove(listener)

    @callback
    def async_add_step(self, step: Callable[[], None]) -> None:
        """Take a step of adding vehicles in a later turn of the event loop.

        Each turn takes one step, so that many vehicles do not block the loop. Steps
        that a step adds come before those that wait already.
        """
        self._steps.append(step)
        if self._steps_task is None:
            self._steps_task = self._entry.async_create_task(
                self._hass,
                self._async_take_steps(),
                f"{DOMAIN} add vehicles",
                eager_start=False,
            )

    async def _async_take_steps(self) -> None:
        try:
            while self._steps:
                step = self._steps.popleft()
                waiting, self._steps = self._steps, deque()
                with isolated("a vehicle that is added"):
                    step()
                self._steps.extend(waiting)
                await asyncio.sleep(0)
        finally:
            self._steps_task = None

    @callback
    def async_update_each(
        self,
        update: Callable[[VehicleCoordinator], None],
        coordinators: Collection[VehicleCoordinator],
    ) -> None:
        """Update vehicles; many of them in several turns of the event loop."""
        if len(coordinators) <= _MAX_UPDATES:
            self._update(update, coordinators)
            return
        for some in batched(coordinators, _MAX_UPDATES, strict=False):
            self.async_add_step(partial(self._update, update, some))

    def _update(
        self,
        update: Callable[[VehicleCoordinator], None],
        coordinators: Iterable[VehicleCoordinator],
    ) -> None:
        for coordinator in coordinators:
            if self.vehicles.get(coordinator.vehicle.id) is coordinator:
                with isolated("a vehicle that is updated"):
                    update(coordinator)

    async def async_wait_until_added(self) -> None:
        """Wait until all steps of adding vehicles are taken."""
        if self._steps_task is not None:
            await asyncio.wait([self._steps_task])

    @callback
    def async_stop_adding(self) -> None:
        """Drop the steps that are not taken yet."""
        self._steps.clear()

    # The account

    @callback
    def async_update_products(self, call: ApiCall) -> None:
        """Update the vehicles from the list of the account."""
        listed = parse_products(call.body)
        if listed is None:
            return
        self.too_many = len(listed) if len(listed) > MAX_VEHICLES else None
        if self.too_many is not None:
            return
        utcnow = dt_util.utcnow()
        change = self._account_vehicles.update(
            set(listed) - self._other_vins(), time.monotonic()
        )
        self.async_update_each(
            partial(self._update_listed, listed=listed, utcnow=utcnow),
            [self.vehicles[vin] for vin in listed if vin in self.vehicles],
        )
        for vin in change.added:
            self.async_add_step(partial(self._discover, listed[vin], utcnow))
        for vin in change.removed:
            self.async_remove(vin)

    def _update_listed(
        self,
        coordinator: VehicleCoordinator,
        listed: Mapping[str, JsonObject],
        utcnow: datetime,
    ) -> None:
        """Update a vehicle from a product list."""
        vin = coordinator.vehicle.id
        if coordinator.vehicle.apply_product(listed[vin], utcnow):
            coordinator.async_publish()
        if "state" in listed[vin]:
            self._on_listed(vin)

    def _discover(self, summary: JsonObject, utcnow: datetime) -> None:
        """Add a vehicle of the account."""
        vehicle = self._provider.vehicle_from_product(summary, utcnow)
        if self._is_left_out(vehicle.id):
            self._leave_out(vehicle)
            return
        others = [coordinator.vehicle for coordinator in self.vehicles.values()]
        coordinator = self._add(vehicle, PhysicalKey.NONE)
        self._name_added(vehicle, others)
        self._on_added(coordinator)
        for listener in list(self._listeners):
            with isolated("a platform that adds a vehicle"):
                listener([coordinator])

    @callback
    def async_remove(self, vin: str) -> None:
        """Remove a vehicle and its device."""
        _LOGGER.info("%s: A vehicle has left the account", self._entry.title)
        self.left_out.pop(vin, None)
        removed = self.vehicles.pop(vin, None)
        if removed is not None and (bluetooth := removed.bluetooth) is not None:
            self._entry.async_create_background_task(
                self._hass, bluetooth.async_stop(), f"{DOMAIN} Bluetooth stop"
            )
        self._detector.forget(vin)
        if self._provider.client is not None:
            self._provider.client.remove_vehicle(vin)
        self._on_removed(vin)
        if (device := self._device(vin)) is not None:
            dr.async_get(self._hass).async_remove_device(device.id)


async def _async_stop(bluetooth: BluetoothVehicle) -> None:
    with isolated("the Bluetooth of a vehicle"):
        await bluetooth.async_stop()
