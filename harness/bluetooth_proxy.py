"""A Bluetooth proxy near the cars, as Home Assistant sees one.

Only the radio behind it is simulated: Home Assistant, habluetooth and bleak are real.
A proxy says no more than real ones do: that a car has left is not told, but nothing is
heard of it any more, and Home Assistant forgets it when its own rules say so.
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
    """What a proxy is to a connection."""

    async def connect(self, client: ProxyClient, patience: float) -> Connection:
        """Connect to a car, in a slot of the proxy."""

    def release(self, client: ProxyClient) -> None:
        """Have a slot back."""


class ProxyClient(BaseBleakClient):
    """A connection over a proxy, as bleak has it."""

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
        """Return the name of what it connects to."""
        return self.address

    @property
    @override
    def mtu_size(self) -> int:
        """Return how much fits in a packet."""
        return MTU

    @property
    @override
    def is_connected(self) -> bool:
        """Return whether the line is open."""
        return self._line is not None and self._line.is_open

    @override
    async def connect(self, pair: bool, **kwargs: Any) -> None:
        """Connect, and find out what the car has."""
        line = await self._proxy.connect(self, kwargs.get("timeout", self._timeout))
        self._line = line
        line.on_disconnect = self._ended
        self.services = _services()

    @override
    async def disconnect(self) -> None:
        """Hang up."""
        if self._line is not None:
            await self._line.close()
            self._ended()

    def drop(self) -> None:
        """Lose the line, as the proxy is gone."""
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
        """Read what the car says of itself."""
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
        """Hear what the car sends."""
        self._open().on_chunk = lambda chunk: callback(bytearray(chunk))

    @override
    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """Hear it no more."""
        self._open().on_chunk = None

    @override
    async def pair(self, *args: Any, **kwargs: Any) -> None:
        """Refuse: the cars know no such thing."""
        raise NotImplementedError("cars are not paired so")

    @override
    async def unpair(self) -> None:
        """Refuse: the cars know no such thing."""
        raise NotImplementedError("cars are not paired so")

    @override
    async def read_gatt_descriptor(
        self,
        descriptor: BleakGATTDescriptor,
        *,
        use_cached: bool = False,
        **kwargs: Any,
    ) -> bytearray:
        """Refuse: there is none."""
        raise BleakError("there is no descriptor")

    @override
    async def write_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, data: SizedBuffer
    ) -> None:
        """Refuse: there is none."""
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


PERIOD = 2.0  # seconds between two advertisements of one car
PATIENCE = 20.0  # seconds that a proxy tries to reach a car that does not answer
_RANDOM_ADDRESS = 1

type Hears = Callable[[Advertisement], int | None]


class BluetoothProxy:
    """A proxy: it hears the air, and connects to as many cars as it has slots."""

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
            # A class with its first argument filled in does for a class.
            client=cast("type[BaseBleakClient]", partial(ProxyClient, self)),
            source=source,
            can_connect=lambda: self.free > 0,
        )
        self.scanner = ProxyScanner(self, connector)
        self._cancel: list[CALLBACK_TYPE] = []
        self._timer: asyncio.TimerHandle | None = None

    @property
    def slots(self) -> int:
        """Return how many connections the proxy can have at a time."""
        return self._slots

    @slots.setter
    def slots(self, slots: int) -> None:
        self._slots = slots
        self._advertise_changes()

    @property
    def free(self) -> int:
        """Return how many more connections it can have."""
        return max(0, self._slots - len(self._clients))

    @property
    def allocations(self) -> Allocations:
        """Return what has the slots."""
        return Allocations(
            self.source,
            self._slots,
            self.free,
            [client.address for client in self._clients],
        )

    @callback
    def start(self, hass: HomeAssistant) -> None:
        """Begin to hear the air, for a running Home Assistant."""

        @callback
        def stopped(_event: Event) -> None:
            cancel_stop.clear()
            self.remove()

        # Home Assistant minds if what has been called once is cancelled.
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
        """Pull the plug: its lines are gone, and Home Assistant sees it no more."""
        self._stop_hearing()
        for client in tuple(self._clients):
            client.drop()
        while self._cancel:
            self._cancel.pop()()

    async def connect(self, client: ProxyClient, patience: float) -> Connection:
        """Connect to a car, in a slot of this proxy."""
        if not self.free:
            raise BleakError(f"{self.source} has no connection slot left")
        self._clients.add(client)
        self._advertise_changes()
        try:
            return await self._reach(client.address)
        except BaseException as err:
            self.release(client)
            if isinstance(err, DeviceNotFoundError):
                # Nobody answers, so nobody says no: only time tells.
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
        """Have a slot back."""
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
        """Hear who is there, and again in a while if anybody is."""
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
    """What Home Assistant has of a proxy that hears."""

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
        """Return what has the slots."""
        return self._proxy.allocations

    def hear(self, advert: Advertisement, rssi: int) -> None:
        """Pass on what a car advertises."""
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
    """Place a proxy; `hears` tells how strong an advertisement arrives, if at all."""
    proxy = BluetoothProxy(air, source=source, slots=slots, hears=hears, period=period)
    proxy.start(hass)
    return proxy
