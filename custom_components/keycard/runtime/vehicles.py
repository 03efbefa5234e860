"""The cars of one entry: those that are there, that come, and that go."""

import asyncio
from collections.abc import Callable, Iterable, Set as AbstractSet
from datetime import datetime
from functools import partial
import logging

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.const import CONF_ADDRESS
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.util import dt as dt_util

from ..bluetooth.vehicle_link import BluetoothVehicle
from ..const import (
    CONF_COMPUTERS,
    CONF_LEFT_OUT,
    CONF_LINK,
    DOMAIN,
    SUBENTRY_BLUETOOTH_KEY,
)
from ..outage.detector import OutageDetector
from ..outage.models import Assessment
from ..providers import Provider
from ..transport.key_pair import PrivateKey
from ..transport.result import ApiCall
from ..transport.routing import Preference
from ..vehicle.computer_keys import Computer, Pairing
from ..vehicle.keys import PhysicalKey, is_vin
from ..vehicle.parsing import JsonObject, parse_text
from ..vehicle.product_list import (
    MAX_VEHICLES,
    AccountVehicles,
    parse_products,
    unique_labels,
)
from ..vehicle.vehicle import Vehicle
from .commands import CloudCommandSender
from .isolation import isolated
from .vehicle_coordinator import VehicleCoordinator
from .vehicle_poller import VehiclePoller

DISABLED_BY_USER = dr.DeviceEntryDisabler.USER

_LOGGER = logging.getLogger(__name__)

# As many vehicles are added at once; more come one by one, for each takes a while.
AT_ONCE = 10


class VehicleManager:
    """Keep the cars of an entry, and follow the account that tells of them.

    `sender` and `poller` are those of the account, if there is one. `elsewhere` names
    the cars of other entries: what two accounts share is the entry's that had it first.
    With the `key` it reaches the cars that are paired over Bluetooth. `save` writes
    down what is known of the cars at once, `keep` soon.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        provider: Provider,
        judge: OutageDetector,
        elsewhere: Callable[[], set[str]],
        *,
        key: PrivateKey | None = None,
        save: Callable[[], None] = lambda: None,
        keep: Callable[[], None] = lambda: None,
    ) -> None:
        """Start without a car."""
        self.cars: dict[str, VehicleCoordinator] = {}
        self.left_out: dict[str, Vehicle] = {}
        """The cars that the owner has nothing done with, by VIN."""

        self.sender: CloudCommandSender | None = None
        self.poller: VehiclePoller | None = None
        self._hass = hass
        self._entry = entry
        self._provider = provider
        self._judge = judge
        self._elsewhere = elsewhere
        self._key = key
        self._save = save
        self.too_many: int | None = None
        """How many vehicles the last list held, if they were too many."""

        self._keep = keep
        if provider.link is not None:
            provider.link.on_session = self._async_session_made
        self._running = False
        self._roster = AccountVehicles()
        self._listeners: list[Callable[[list[VehicleCoordinator]], None]] = []

    @property
    def can_sign(self) -> bool:
        """Tell whether somebody signs commands: the link, or a service in between."""
        link = self._provider.link
        return link is not None and (
            link.can_sign
            or link.only_commands_through_server
            or self._judge.third_party
        )

    @callback
    def async_restore(
        self, cars: Iterable[Vehicle], keys: dict[str, PhysicalKey]
    ) -> None:
        """Put the cars in that are known from before, with the keys named last."""
        for car in cars:
            if self._is_left_out(car.id):
                self._leave_out(car)
            else:
                self._add(car, keys.get(car.id, PhysicalKey.NONE))
        self.async_name()
        self._roster = AccountVehicles(known=set(self.vins))

    @property
    def vins(self) -> AbstractSet[str]:
        """Return the cars, with those that are left out."""
        return self.cars.keys() | self.left_out.keys()

    def _is_left_out(self, vin: str) -> bool:
        """Tell whether the owner wants nothing done with a car."""
        if vin in self._entry.options.get(CONF_LEFT_OUT, ()):
            return True
        device = self._device(vin)
        return device is not None and device.disabled_by is DISABLED_BY_USER

    def _leave_out(self, car: Vehicle) -> None:
        self.left_out[car.id] = car
        self._judge.forget(car.id)
        device = self._device(car.id)
        if device is not None and device.disabled_by is not DISABLED_BY_USER:
            dr.async_get(self._hass).async_remove_device(device.id)

    def _device(self, vin: str) -> dr.DeviceEntry | None:
        return dr.async_get(self._hass).async_get_device_by_identifier(
            (DOMAIN, vin), self._entry.entry_id
        )

    # Names

    @callback
    def async_name(self) -> None:
        """Find a name for each car that its owner knows and no other car has."""
        cars = {vin: coordinator.vehicle for vin, coordinator in self.cars.items()}
        told_apart = unique_labels({vin: car.name for vin, car in cars.items()})
        names = dict[str, str]()
        for vin, car in cars.items():
            label = None if car.has_name else told_apart[vin]
            # The ID of a vehicle without a VIN says nothing to a user.
            car.device_name = label if is_vin(vin) else None
            device = self._device(vin)
            own = device and device.name_by_user and parse_text(device.name_by_user)
            names[vin] = own or label or car.name
        for vin, name in unique_labels(names).items():
            cars[vin].label = name

    @callback
    def _async_describe(self, vin: str) -> None:
        """Let the device of a car have the name and the software that it tells."""
        if (coordinator := self.cars.get(vin)) is None:
            return
        car, device = coordinator.vehicle, self._device(vin)
        if device is None:
            return
        name = car.device_name or car.name
        if car.has_name and device.name != car.name:
            self.async_name()
            name = car.name
        version = car.state.sw_version if car.state else None
        version = version or device.sw_version
        if (name, version) != (device.name, device.sw_version):
            dr.async_get(self._hass).async_update_device(
                device.id, name=name, sw_version=version
            )

    def _add(self, car: Vehicle, key: PhysicalKey) -> VehicleCoordinator:
        car.trust.on_change = self._keep
        coordinator = VehicleCoordinator(
            self._hass,
            self._entry,
            car,
            self.sender,
            key,
            local=self._local(car),
            preference=Preference(
                self._entry.options.get(CONF_LINK, Preference.CHEAPEST)
            ),
            save=self._save,
        )
        coordinator.supports_signing = self.can_sign
        self.cars[car.id] = coordinator
        coordinator.async_add_listener(partial(self._async_describe, car.id))
        if self._running and coordinator.bluetooth is not None:
            coordinator.bluetooth.async_start()
        return coordinator

    def stale_vehicles(self, judgement: Assessment) -> list[str]:
        """Return the names of the cars by which only other integrations show it."""
        return [
            car.vehicle.title
            for vin, car in self.cars.items()
            if vin in judgement.stale_vehicles
        ]

    # Bluetooth

    def bluetooth_reachable(self) -> list[str]:
        """Return the names of the cars that Bluetooth reaches now."""
        return [
            car.vehicle.title
            for car in self.cars.values()
            if car.actual.bluetooth is not None and car.actual.bluetooth.usable
        ]

    @property
    def paired_subentries(self) -> dict[str, ConfigSubentry]:
        """Return the cars that know the Bluetooth key, by VIN."""
        found = self._entry.get_subentries_of_type(SUBENTRY_BLUETOOTH_KEY)
        return {one.unique_id: one for one in found if one.unique_id}

    @property
    def key_lost(self) -> bool:
        """Tell whether cars are paired, and the key cannot be used."""
        return self._key is None and bool(self.paired_subentries)

    def _local(self, car: Vehicle) -> BluetoothVehicle | None:
        vin, subentry = car.id, self.paired_subentries.get(car.id)
        if subentry is None or self._key is None:
            return None
        pairing = Pairing.from_json(subentry.data.get(CONF_COMPUTERS))
        if pairing is not None:
            car.trust.apply_pairing(pairing)
        return BluetoothVehicle(
            hass=self._hass,
            vehicle=car,
            key=self._key,
            address=subentry.data.get(CONF_ADDRESS),
            cloud_unavailable=lambda: self.cars[vin].cloud_unavailable,
            on_range_change=lambda: self._async_noticed(vin),
            on_data=lambda: self._async_noticed(vin),
        )

    @callback
    def _async_noticed(self, vin: str) -> None:
        """Show what Bluetooth tells, and keep the address of the car."""
        coordinator, subentry = self.cars.get(vin), self.paired_subentries.get(vin)
        if coordinator is None or coordinator.bluetooth is None or not self._running:
            return
        coordinator.async_publish()
        address = coordinator.bluetooth.scanner.address
        if subentry is not None and subentry.data.get(CONF_ADDRESS) != address:
            self._hass.config_entries.async_update_subentry(
                self._entry, subentry, data={**subentry.data, CONF_ADDRESS: address}
            )

    @callback
    def _async_session_made(self, vin: str, computer: Computer, point: bytes) -> None:
        """Take the public key of a computer that a session through the cloud has."""
        if (coordinator := self.cars.get(vin)) is not None:
            coordinator.vehicle.trust.set_cloud_key(computer, point)

    @callback
    def async_start(self) -> None:
        """Begin to listen for the cars that are paired."""
        self._running = True
        for coordinator in self.cars.values():
            if coordinator.bluetooth is not None:
                with isolated("the Bluetooth of a vehicle"):
                    coordinator.bluetooth.async_start()

    @callback
    def async_ask(self) -> None:
        """Ask the cars of which a command has left something unknown."""
        for coordinator in self.cars.values():
            with isolated("a vehicle"):
                coordinator.async_start()

    async def async_stop(self) -> None:
        """Let go of the cars."""
        self._running = False
        await asyncio.gather(
            *(car.async_stop() for car in self.cars.values()), return_exceptions=True
        )
        if self.sender is not None:
            await self.sender.async_stop()
        await asyncio.gather(
            *(
                _async_stop(coordinator.bluetooth)
                for coordinator in self.cars.values()
                if coordinator.bluetooth is not None
            )
        )

    @callback
    def async_add_new_vehicle_listener(
        self, listener: Callable[[list[VehicleCoordinator]], None]
    ) -> CALLBACK_TYPE:
        """Call back with the cars that are there, and with each that comes."""
        self._listeners.append(listener)
        cars = list(self.cars.values())
        listener(cars[:AT_ONCE])
        if later := cars[AT_ONCE:]:
            self._async_in_steps(later, lambda car: self._present(listener, car))
        return lambda: self._listeners.remove(listener)

    def _present(
        self,
        listener: Callable[[list[VehicleCoordinator]], None],
        car: VehicleCoordinator,
    ) -> None:
        if self.cars.get(car.vehicle.id) is car:
            listener([car])

    @callback
    def async_update_products(self, call: ApiCall) -> None:
        """Follow what the account lists."""
        listed = parse_products(call.body)
        if listed is None or self.poller is None:
            return
        self.too_many = len(listed) if len(listed) > MAX_VEHICLES else None
        if self.too_many is not None:
            return
        now = dt_util.utcnow()
        change = self._roster.update(set(listed) - self._elsewhere(), now)
        for vin, summary in listed.items():
            if vin in self.cars:
                with isolated("what an account tells of a vehicle"):
                    self.cars[vin].vehicle.apply_product(summary, now)
        came = [listed[vin] for vin in change.added]
        for summary in came[:AT_ONCE]:
            self._discover(summary, now)
        if later := came[AT_ONCE:]:
            self._async_in_steps(later, lambda summary: self._discover(summary, now))
        for vin in change.removed:
            self.async_remove(vin)

    def _discover(self, summary: JsonObject, now: datetime) -> None:
        """Take in a car that an account tells of."""
        found = self._provider.vehicle_from_product(summary, now)
        if self._is_left_out(found.id):
            self._leave_out(found)
            return
        car = self._add(found, PhysicalKey.NONE)
        self.async_name()
        if self.poller is not None:
            self.poller.async_add_car(car.vehicle.id)
        for listener in list(self._listeners):
            with isolated("a platform that adds a vehicle"):
                listener([car])

    @callback
    def _async_in_steps[T](self, items: list[T], take: Callable[[T], None]) -> None:
        """Take one item after another, and let others run in between."""

        async def run() -> None:
            for item in items:
                await asyncio.sleep(0)
                with isolated("a vehicle that is added"):
                    take(item)

        self._entry.async_create_background_task(
            self._hass, run(), f"{DOMAIN} adds vehicles", eager_start=False
        )

    @callback
    def async_remove(self, vin: str) -> None:
        """Let a car go, with all that is known of it."""
        _LOGGER.info("%s: a car has left the account", self._entry.title)
        self.left_out.pop(vin, None)
        gone = self.cars.pop(vin, None)
        if gone is not None and (local := gone.bluetooth) is not None:
            self._entry.async_create_background_task(
                self._hass, local.async_stop(), f"{DOMAIN} lets go of a car"
            )
        self._judge.forget(vin)
        if self._provider.link is not None:
            self._provider.link.remove_vehicle(vin)
        if self.poller is not None:
            self.poller.async_remove_car(vin)
        if (device := self._device(vin)) is not None:
            dr.async_get(self._hass).async_remove_device(device.id)


async def _async_stop(local: BluetoothVehicle) -> None:
    with isolated("the Bluetooth of a vehicle"):
        await local.async_stop()
