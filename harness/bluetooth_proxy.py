"""A simulated Bluetooth proxy.

Only the radio is simulated: Home Assistant, habluetooth and bleak are real. As with a
real proxy, a car that leaves is just no longer heard, and Home Assistant forgets it by
its own rules.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, cast, override

from bleak.args import SizedBuffer
from bleak.assigned_numbers import CharacteristicPropertyName
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakError
from bleak_retry_connector.bluez import Allocations
from bluetooth_data_tools import monotonic_time_coarse
from habluetooth import (
    BaseHaRemoteScanner,
    BluetoothScanningMode,
    HaBluetoothConnector,
    get_manager,
)

from homeassistant.components.bluetooth import async_register_scanner
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback

from simulator.bluetooth import (
    Advertisement,
    BluetoothEnvironment,
    Connection,
    ConnectionLostError,
    DeviceNotFoundError,
)

MTU = 247

_ACCESS = "00001800-0000-1000-8000-00805f9b34fb"
_NAME = "00002a00-0000-1000-8000-00805f9b34fb"
_VEHICLE = "00000211-b2d1-43f0-9b88-960cebf8b91e"
_TO_CAR = "00000212-b2d1-43f0-9b88-960cebf8b91e"
_FROM_CAR = "00000213-b2d1-43f0-9b88-960cebf8b91e"
_VERSION = "00000214-b2d1-43f0-9b88-960cebf8b91e"
_SERVICES: dict[str, dict[str, list[CharacteristicPropertyName]]] = {
    _ACCESS: {_NAME: ["read"]},
    _VEHICLE: {_TO_CAR: ["write"], _FROM_CAR: ["indicate"], _VERSION: ["read"]},
}


class ConnectionSlots(Protocol):
    """The part of a proxy that a connection uses."""

    async def connect(self, client: ProxyClient, patience: float) -> Connection:
        """Connect to a car in a connection slot of the proxy."""

    def release(self, client: ProxyClient) -> None:
        """Release the connection slot."""


class ProxyClient(BaseBleakClient):
    """A bleak client of a proxy."""

    def __init__(
        self,
        proxy: ConnectionSlots,
        address_or_ble_device: BLEDevice | str,
        **kwargs: Any,
    ) -> None:
        super().__init__(address_or_ble_device, **kwargs)
        self._proxy = proxy
        self._line: Connection | None = None

    @property
    @override
    def name(self) -> str:
        """Return the address of the device."""
        return self.address

    @property
    @override
    def mtu_size(self) -> int:
        """Return the MTU."""
        return MTU

    @property
    @override
    def is_connected(self) -> bool:
        """Return whether the connection is open."""
        return self._line is not None and self._line.is_open

    @override
    async def connect(self, pair: bool, **kwargs: Any) -> None:
        """Connect and resolve the services."""
        line = await self._proxy.connect(self, kwargs.get("timeout", self._timeout))
        self._line = line
        line.on_disconnect = self._ended
        self.services = _services()

    @override
    async def disconnect(self) -> None:
        """Disconnect."""
        if self._line is not None:
            await self._line.close()
            self._ended()

    def drop(self) -> None:
        """Drop the connection, as the proxy is removed."""
        if self._line is not None:
            self._line.drop()

    @override
    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool
    ) -> None:
        """Write to the car."""
        if characteristic.uuid != _TO_CAR:
            raise BleakError(f"{characteristic.uuid} cannot be written")
        try:
            await self._open().write(bytes(data))
        except ConnectionLostError as err:
            raise BleakError(f"{self.address} disconnected: {err}") from err

    @override
    async def read_gatt_char(
        self,
        characteristic: BleakGATTCharacteristic,
        *,
        use_cached: bool = False,
        **kwargs: Any,
    ) -> bytearray:
        """Read the device name or the protocol version."""
        title = self._open().device_name
        match characteristic.uuid:
            case uuid if uuid == _NAME:
                return bytearray(title.encode())
            case uuid if uuid == _VERSION:
                return bytearray(b"\x01")
            case uuid:
                raise BleakError(f"{uuid} cannot be read")

    @override
    async def start_notify(
        self,
        characteristic: BleakGATTCharacteristic,
        callback: NotifyCallback,
        **kwargs: Any,
    ) -> None:
        """Subscribe to messages of the car."""
        self._open().on_chunk = lambda chunk: callback(bytearray(chunk))

    @override
    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """Unsubscribe."""
        self._open().on_chunk = None

    @override
    async def pair(self, *args: Any, **kwargs: Any) -> None:
        """Raise NotImplementedError; cars do not use Bluetooth pairing."""
        raise NotImplementedError("cars are not paired so")

    @override
    async def unpair(self) -> None:
        """Raise NotImplementedError; cars do not use Bluetooth pairing."""
        raise NotImplementedError("cars are not paired so")

    @override
    async def read_gatt_descriptor(
        self,
        descriptor: BleakGATTDescriptor,
        *,
        use_cached: bool = False,
        **kwargs: Any,
    ) -> bytearray:
        """Raise BleakError; there are no descriptors."""
        raise BleakError("there is no descriptor")

    @override
    async def write_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, data: SizedBuffer
    ) -> None:
        """Raise BleakError; there are no descriptors."""
        raise BleakError("there is no descriptor")

    def _open(self) -> Connection:
        if self._line is None or not self._line.is_open:
            raise BleakError(f"{self.address} is not connected")
        return self._line

    def _ended(self) -> None:
        self._line = None
        self.services = None
        self._proxy.release(self)
        if self._disconnected_callback is not None:
            self._disconnected_callback()


def _services() -> BleakGATTServiceCollection:
    services = BleakGATTServiceCollection()
    handle = 1
    for uuid, characteristics in _SERVICES.items():
        service = BleakGATTService(None, handle, uuid)
        services.add_service(service)
        for its_uuid, properties in characteristics.items():
            handle += 1
            services.add_characteristic(
                BleakGATTCharacteristic(
                    None, handle, its_uuid, properties, lambda: MTU - 3, service
                )
            )
        handle += 1
    return services


PERIOD = 2.0  # seconds between advertisements of a car
PATIENCE = 20.0  # seconds until an unanswered connection attempt times out
_RANDOM_ADDRESS = 1

type Hears = Callable[[Advertisement], int | None]


class BluetoothProxy:
    """A proxy with a limited number of connection slots."""

    def __init__(
        self,
        air: BluetoothEnvironment,
        *,
        source: str,
        slots: int,
        hears: Hears,
        period: float,
    ) -> None:
        self.source = source
        self.patience = PATIENCE
        self._period = period
        self._air = air
        self._slots = slots
        self._hears = hears
        self._clients: set[ProxyClient] = set()
        connector = HaBluetoothConnector(
            # A partial behaves like a class here.
            client=cast("type[BaseBleakClient]", partial(ProxyClient, self)),
            source=source,
            can_connect=lambda: self.free > 0,
        )
        self.scanner = ProxyScanner(self, connector)
        self._cancel: list[CALLBACK_TYPE] = []
        self._timer: asyncio.TimerHandle | None = None

    @property
    def slots(self) -> int:
        """Return the number of connection slots."""
        return self._slots

    @slots.setter
    def slots(self, slots: int) -> None:
        self._slots = slots
        self._advertise_changes()

    @property
    def free(self) -> int:
        """Return the number of free connection slots."""
        return max(0, self._slots - len(self._clients))

    @property
    def allocations(self) -> Allocations:
        """Return the allocated connection slots."""
        return Allocations(
            self.source,
            self._slots,
            self.free,
            [client.address for client in self._clients],
        )

    @callback
    def start(self, hass: HomeAssistant) -> None:
        """Register the scanner with a running Home Assistant."""

        @callback
        def stopped(_event: Event) -> None:
            cancel_stop.clear()
            self.remove()

        # Home Assistant logs an error if a listener that has run is canceled.
        cancel_stop = [hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, stopped)]

        def forget_stop() -> None:
            for cancel in cancel_stop:
                cancel()

        self._cancel = [
            forget_stop,
            async_register_scanner(hass, self.scanner),
            self.scanner.async_setup(),
            self._air.subscribe(self._hear),
        ]
        self._advertise_changes()
        self._hear()

    @callback
    def remove(self) -> None:
        """Remove the proxy and drop its connections."""
        self._stop_hearing()
        for client in tuple(self._clients):
            client.drop()
        while self._cancel:
            self._cancel.pop()()

    async def connect(self, client: ProxyClient, patience: float) -> Connection:
        """Connect to a car in a connection slot."""
        if not self.free:
            raise BleakError(f"{self.source} has no connection slot left")
        self._clients.add(client)
        self._advertise_changes()
        try:
            return await self._reach(client.address)
        except BaseException as err:
            self.release(client)
            if isinstance(err, DeviceNotFoundError):
                # A missing device does not reject the attempt: it times out.
                await asyncio.sleep(min(patience, self.patience))
                raise TimeoutError("the connection timed out") from err
            if isinstance(err, ConnectionError):
                raise BleakError(
                    f"{client.address}: ESP_GATT_CONN_FAIL_ESTABLISH"
                ) from err
            raise

    async def _reach(self, address: str) -> Connection:
        if not any(advert.address == address for advert, _ in self._heard()):
            raise DeviceNotFoundError(f"nothing is heard of {address}")
        return await self._air.connect(address)

    @callback
    def release(self, client: ProxyClient) -> None:
        """Release the connection slot."""
        if client in self._clients:
            self._clients.remove(client)
            self._advertise_changes()

    def _heard(self) -> list[tuple[Advertisement, int]]:
        return [
            (advert, rssi)
            for advert in self._air.advertisements()
            if (rssi := self._hears(advert)) is not None
        ]

    @callback
    def _hear(self) -> None:
        """Report the received advertisements, and repeat while there are any."""
        self._stop_hearing()
        if heard := self._heard():
            for advert, rssi in heard:
                self.scanner.hear(advert, rssi)
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._period, self._hear)

    def _stop_hearing(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _advertise_changes(self) -> None:
        if self._cancel:
            get_manager().async_on_allocation_changed(self.allocations)


class ProxyScanner(BaseHaRemoteScanner):
    """Scanner of a proxy for Home Assistant."""

    def __init__(self, proxy: BluetoothProxy, connector: HaBluetoothConnector) -> None:
        super().__init__(
            proxy.source,
            proxy.source,
            connector,
            connectable=True,
            requested_mode=BluetoothScanningMode.ACTIVE,
            current_mode=BluetoothScanningMode.ACTIVE,
        )
        self._proxy = proxy

    @override
    def get_allocations(self) -> Allocations:
        """Return the allocated connection slots."""
        return self._proxy.allocations

    def hear(self, advert: Advertisement, rssi: int) -> None:
        """Report an advertisement to Home Assistant."""
        self._async_on_advertisement(
            advert.address,
            rssi,
            advert.name,
            [],
            {},
            {},
            None,
            {"address_type": _RANDOM_ADDRESS},
            monotonic_time_coarse(),
        )


@callback
def async_place_proxy(
    hass: HomeAssistant,
    air: BluetoothEnvironment,
    *,
    source: str = "AA:BB:CC:00:00:01",
    slots: int = 3,
    hears: Hears = lambda advert: advert.rssi,
    period: float = PERIOD,
) -> BluetoothProxy:
    """Add a proxy.

    `rssi_of` returns the received signal strength of an advertisement, None if it is
    not received.
    """
    proxy = BluetoothProxy(air, source=source, slots=slots, hears=hears, period=period)
    proxy.start(hass)
    return proxy
