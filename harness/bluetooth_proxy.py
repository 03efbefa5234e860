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

_GENERIC_ACCESS_SERVICE = "00001800-0000-1000-8000-00805f9b34fb"
_DEVICE_NAME = "00002a00-0000-1000-8000-00805f9b34fb"
_VEHICLE_SERVICE = "00000211-b2d1-43f0-9b88-960cebf8b91e"
_WRITE_CHARACTERISTIC = "00000212-b2d1-43f0-9b88-960cebf8b91e"
_READ_CHARACTERISTIC = "00000213-b2d1-43f0-9b88-960cebf8b91e"
_VERSION_CHARACTERISTIC = "00000214-b2d1-43f0-9b88-960cebf8b91e"
_SERVICES: dict[str, dict[str, list[CharacteristicPropertyName]]] = {
    _GENERIC_ACCESS_SERVICE: {_DEVICE_NAME: ["read"]},
    _VEHICLE_SERVICE: {
        _WRITE_CHARACTERISTIC: ["write"],
        _READ_CHARACTERISTIC: ["indicate"],
        _VERSION_CHARACTERISTIC: ["read"],
    },
}


class ConnectionSlots(Protocol):
    """The part of a proxy that a connection uses."""

    async def connect(self, client: ProxyClient, timeout: float) -> Connection:
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
        self._connection: Connection | None = None

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
        return self._connection is not None and self._connection.is_open

    @override
    async def connect(self, pair: bool, **kwargs: Any) -> None:
        """Connect and resolve the services."""
        connection = await self._proxy.connect(
            self, kwargs.get("timeout", self._timeout)
        )
        self._connection = connection
        connection.on_disconnect = self._disconnected
        self.services = _services()

    @override
    async def disconnect(self) -> None:
        """Disconnect."""
        if self._connection is not None:
            await self._connection.close()
            self._disconnected()

    def drop(self) -> None:
        """Drop the connection, as the proxy is removed."""
        if self._connection is not None:
            self._connection.drop()

    @override
    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool
    ) -> None:
        """Write to the car."""
        if characteristic.uuid != _WRITE_CHARACTERISTIC:
            raise BleakError(f"{characteristic.uuid} cannot be written")
        try:
            await self._open_connection().write(bytes(data))
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
        device_name = self._open_connection().device_name
        match characteristic.uuid:
            case uuid if uuid == _DEVICE_NAME:
                return bytearray(device_name.encode())
            case uuid if uuid == _VERSION_CHARACTERISTIC:
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
        self._open_connection().on_chunk = lambda chunk: callback(bytearray(chunk))

    @override
    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """Unsubscribe."""
        self._open_connection().on_chunk = None

    @override
    async def pair(self, *args: Any, **kwargs: Any) -> None:
        """Raise NotImplementedError; cars do not use Bluetooth pairing."""
        raise NotImplementedError("cars do not use Bluetooth pairing")

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

    def _open_connection(self) -> Connection:
        if self._connection is None or not self._connection.is_open:
            raise BleakError(f"{self.address} is not connected")
        return self._connection

    def _disconnected(self) -> None:
        self._connection = None
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
        for characteristic_uuid, properties in characteristics.items():
            handle += 1
            services.add_characteristic(
                BleakGATTCharacteristic(
                    None,
                    handle,
                    characteristic_uuid,
                    properties,
                    lambda: MTU - 3,
                    service,
                )
            )
        handle += 1
    return services


ADVERTISING_INTERVAL = 2.0  # seconds between advertisements of a car
CONNECT_TIMEOUT = 20.0  # seconds until an unanswered connection attempt times out
_RANDOM_ADDRESS = 1

type RssiFunction = Callable[[Advertisement], int | None]


class BluetoothProxy:
    """A proxy with a limited number of connection slots."""

    def __init__(
        self,
        environment: BluetoothEnvironment,
        *,
        source: str,
        slots: int,
        rssi_of: RssiFunction,
        interval: float,
    ) -> None:
        self.source = source
        self.connect_timeout = CONNECT_TIMEOUT
        self._interval = interval
        self._environment = environment
        self._slots = slots
        self._rssi_of = rssi_of
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
        self._notify_allocations()

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
        def handle_stop(_event: Event) -> None:
            cancel_stop.clear()
            self.remove()

        # Home Assistant logs an error if a listener that has run is canceled.
        cancel_stop = [
            hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, handle_stop)
        ]

        def cancel_stop_listener() -> None:
            for cancel in cancel_stop:
                cancel()

        self._cancel = [
            cancel_stop_listener,
            async_register_scanner(hass, self.scanner),
            self.scanner.async_setup(),
            self._environment.subscribe(self._receive),
        ]
        self._notify_allocations()
        self._receive()

    @callback
    def remove(self) -> None:
        """Remove the proxy and drop its connections."""
        self._stop_receiving()
        for client in tuple(self._clients):
            client.drop()
        while self._cancel:
            self._cancel.pop()()

    async def connect(self, client: ProxyClient, timeout: float) -> Connection:
        """Connect to a car in a connection slot."""
        if not self.free:
            raise BleakError(f"{self.source} has no connection slot left")
        self._clients.add(client)
        self._notify_allocations()
        try:
            return await self._connect(client.address)
        except BaseException as err:
            self.release(client)
            if isinstance(err, DeviceNotFoundError):
                # A missing device does not reject the attempt: it times out.
                await asyncio.sleep(min(timeout, self.connect_timeout))
                raise TimeoutError("the connection timed out") from err
            if isinstance(err, ConnectionError):
                raise BleakError(
                    f"{client.address}: ESP_GATT_CONN_FAIL_ESTABLISH"
                ) from err
            raise

    async def _connect(self, address: str) -> Connection:
        if not any(
            advertisement.address == address for advertisement, _ in self._received()
        ):
            raise DeviceNotFoundError(f"nothing is heard of {address}")
        return await self._environment.connect(address)

    @callback
    def release(self, client: ProxyClient) -> None:
        """Release the connection slot."""
        if client in self._clients:
            self._clients.remove(client)
            self._notify_allocations()

    def _received(self) -> list[tuple[Advertisement, int]]:
        return [
            (advertisement, rssi)
            for advertisement in self._environment.advertisements()
            if (rssi := self._rssi_of(advertisement)) is not None
        ]

    @callback
    def _receive(self) -> None:
        """Report the received advertisements, and repeat while there are any."""
        self._stop_receiving()
        if received := self._received():
            for advertisement, rssi in received:
                self.scanner.report(advertisement, rssi)
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._interval, self._receive)

    def _stop_receiving(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _notify_allocations(self) -> None:
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

    def report(self, advertisement: Advertisement, rssi: int) -> None:
        """Report an advertisement to Home Assistant."""
        self._async_on_advertisement(
            advertisement.address,
            rssi,
            advertisement.name,
            [],
            {},
            {},
            None,
            {"address_type": _RANDOM_ADDRESS},
            monotonic_time_coarse(),
        )


@callback
def async_add_proxy(
    hass: HomeAssistant,
    environment: BluetoothEnvironment,
    *,
    source: str = "AA:BB:CC:00:00:01",
    slots: int = 3,
    rssi_of: RssiFunction = lambda advert: advert.rssi,
    interval: float = ADVERTISING_INTERVAL,
) -> BluetoothProxy:
    """Add a proxy.

    `rssi_of` returns the received signal strength of an advertisement, None if it is
    not received.
    """
    proxy = BluetoothProxy(
        environment, source=source, slots=slots, rssi_of=rssi_of, interval=interval
    )
    proxy.start(hass)
    return proxy
