"""A connection over a proxy: what bleak reads and writes, on a line to a car."""

from typing import Any, Protocol, override

from bleak.args import SizedBuffer
from bleak.assigned_numbers import CharacteristicPropertyName
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakError

from simulator.radio import CutError, Line

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


class Slots(Protocol):
    """What a proxy is to a connection."""

    async def connect(self, client: ProxyClient, patience: float) -> Line:
        """Connect to a car, in a slot of the proxy."""

    def release(self, client: ProxyClient) -> None:
        """Have a slot back."""


class ProxyClient(BaseBleakClient):
    """A connection over a proxy, as bleak has it."""

    def __init__(
        self, proxy: Slots, address_or_ble_device: BLEDevice | str, **kwargs: Any
    ) -> None:
        super().__init__(address_or_ble_device, **kwargs)
        self._proxy = proxy
        self._line: Line | None = None

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
        line.on_cut = self._ended
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
            self._line.cut()

    @override
    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool
    ) -> None:
        """Write to the car."""
        if characteristic.uuid != _TO_CAR:
            raise BleakError(f"{characteristic.uuid} cannot be written")
        try:
            await self._open().write(bytes(data))
        except CutError as err:
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
        title = self._open().title
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

    def _open(self) -> Line:
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
