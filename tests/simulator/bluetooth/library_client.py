"""The library's Bluetooth client, connected to the simulated environment."""

from typing import Any, cast, override

from bleak.backends.device import BLEDevice
from bleak.exc import BleakError
from cryptography.hazmat.primitives.asymmetric import ec
from tesla_fleet_api.exceptions import BluetoothTransportError
from tesla_fleet_api.tesla.tesla import Tesla
from tesla_fleet_api.tesla.vehicle.bluetooth import VehicleBluetooth
from tesla_protocol.command.universal_message_pb2 import RoutableMessage

from simulator.bluetooth import (
    BluetoothEnvironment,
    Connection,
    ConnectionLostError,
    device_address,
)
from simulator.vehicle.car import Car


class FakeBleakClient:
    """The part of bleak's client that the library uses."""

    def __init__(self, line: Connection) -> None:
        self.line = line

    @property
    def is_connected(self) -> bool:
        return self.line.is_open

    async def write_gatt_char(self, _uuid: str, data: bytearray, _reply: bool) -> None:
        try:
            await self.line.write(bytes(data))
        except ConnectionLostError as err:
            raise BleakError(str(err)) from err

    async def disconnect(self) -> None:
        await self.line.close()


class LibraryClient(VehicleBluetooth[Tesla]):
    """A client that sends over a simulated connection and records what it receives."""

    def __init__(
        self, air: BluetoothEnvironment, car: Car, key: ec.EllipticCurvePrivateKey
    ) -> None:
        super().__init__(
            Tesla(),
            car.vin,
            key,
            BLEDevice(device_address(car.vin), None, None),
            confirmation="verify",
            keepalive_interval=None,
            raise_unconfirmed=True,
        )
        self.air = air
        self.line: Connection | None = None
        self.received: list[RoutableMessage] = []

    @override
    async def connect(self, max_attempts: int = 1) -> None:
        assert self.device is not None
        try:
            line = await self.air.connect(self.device.address)
        except ConnectionError as err:
            raise BluetoothTransportError from err
        self.line = line
        self.client = cast(
            Any, FakeBleakClient(line)
        )  # only the used part of bleak's client
        line.on_chunk = lambda chunk: self._buffer.receive_data(bytearray(chunk))

    @override
    def _on_message(self, msg: RoutableMessage) -> None:
        self.received.append(msg)
        super()._on_message(msg)
