"""A Bluetooth client connected to a simulated vehicle, without Home Assistant."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from bleak.backends.device import BLEDevice
from bleak.exc import BleakError

from simulator.bluetooth import BluetoothEnvironment, Connection, ConnectionLostError


class AirClient:
    """Part of bleak's client that the library uses."""

    def __init__(self, line: Connection) -> None:
        self.line = line

    @property
    def is_connected(self) -> bool:
        return self.line.is_open

    async def start_notify(
        self, uuid: str, callback: Callable[[Any, bytearray], None]
    ) -> None:
        sender = SimpleNamespace(uuid=uuid)
        self.line.on_chunk = lambda chunk: callback(sender, bytearray(chunk))

    async def write_gatt_char(
        self, _uuid: str, data: bytearray, response: bool
    ) -> None:
        del response
        try:
            await self.line.write(bytes(data))
        except ConnectionLostError as err:
            raise BleakError(str(err)) from err

    async def disconnect(self) -> None:
        await self.line.close()


def connector(air: BluetoothEnvironment) -> Callable[..., Any]:
    """Return a replacement of `establish_connection` for simulated vehicles."""

    async def establish_connection(
        _kind: object, device: BLEDevice, *_args: object, **_kwargs: object
    ) -> AirClient:
        try:
            return AirClient(await air.connect(device.address))
        except ConnectionError as err:
            raise BleakError(str(err)) from err

    return establish_connection
