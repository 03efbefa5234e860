"""Bluetooth environment of a home: advertisements and connections."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from dataclasses import dataclass
import hashlib
from random import Random

from ..protocol import CARD_TIMEOUT, VehicleComputers, Whitelist
from ..vehicle.car import Car
from .connection import Connection, Device
from .link_conditions import LinkConditions
from .spoofed_devices import SpoofedDevice

MAX_CONNECTIONS = 3  # accepted by a car
DEFAULT_RSSI = -60
_RANDOM_STATIC_ADDRESS = 0xC0  # address type of cars


class DeviceNotFoundError(ConnectionError):
    """No connectable car has this address."""


class ConnectionSlotsFullError(ConnectionError):
    """The car accepts no further connection."""


class ConnectionRejectedError(ConnectionError):
    """The connection attempt failed."""


@dataclass(frozen=True, kw_only=True)
class Advertisement:
    """Advertisement of a car."""

    address: str
    name: str
    rssi: int
    connectable: bool


@dataclass(frozen=True, kw_only=True)
class LinkStatistics:
    """Statistics of the connections between a car and this home."""

    connections: int
    longest: float  # seconds that a connection was open
    open: int
    lost: int


def device_address(vin: str) -> str:
    """Return the Bluetooth address of a car."""
    digest = bytearray(hashlib.sha256(vin.encode()).digest()[:6])
    digest[0] |= _RANDOM_STATIC_ADDRESS
    return digest.hex(":").upper()


def local_name(vin: str) -> str:
    """Return the local name that a car advertises."""
    digest = hashlib.sha1(vin.encode(), usedforsecurity=False).hexdigest()
    return f"S{digest[:16]}C"


class BluetoothEnvironment:
    """The cars and spoofed devices in range of a home.

    Pass `random` and `sleep` for reproducible link conditions.
    """

    def __init__(
        self,
        cars: Mapping[str, Car],
        computers: Mapping[str, VehicleComputers],
        get_time: Callable[[], float],
        random: Random | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.random = random or Random()
        self.sleep = sleep
        self.link_conditions = LinkConditions()
        self.phones: Counter[str] = Counter()  # connections of others, by VIN
        self.rssi: dict[str, int] = {}  # by VIN
        self.connections: list[Connection] = []
        self.spoofed_devices: list[SpoofedDevice] = []
        self.relays: dict[str, Device] = {}
        """What relays the messages of a car, by the name of the car."""

        self._cars = cars
        self._computers = computers
        self._get_time = get_time
        self._car_link_conditions: dict[str, LinkConditions] = {}
        self._opened_at: dict[Connection, float] = {}
        self._connection_counts: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._longest: defaultdict[str, float] = defaultdict(float)
        self._listeners: list[Callable[[], None]] = []
        self._advertising: dict[str, bool] = {}
        self._timers: set[asyncio.Task[None]] = set()

    def advertisements(self) -> list[Advertisement]:
        """Return the current advertisements."""
        return [
            Advertisement(
                address=device_address(car.vin),
                name=local_name(car.vin),
                rssi=self.rssi.get(car.vin, DEFAULT_RSSI),
                connectable=self._connection_count(car) < MAX_CONNECTIONS,
            )
            for car in self._cars.values()
            if car.advertising
        ] + [
            Advertisement(
                address=spoofed.address,
                name=local_name(spoofed.car.vin),
                rssi=spoofed.rssi,
                connectable=True,
            )
            for spoofed in self.spoofed_devices
        ]

    def add_spoofed_device(self, spoofed: SpoofedDevice) -> None:
        """Add a spoofed device in range."""
        self.spoofed_devices.append(spoofed)
        for listener in tuple(self._listeners):
            listener()

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call a listener when a car enters or leaves the range.

        Return a function that ends the subscription.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def connect(self, address: str) -> Connection:
        """Connect to a device.

        Raise DeviceNotFoundError, ConnectionSlotsFullError or ConnectionRejectedError.
        """
        for spoofed in self.spoofed_devices:
            if spoofed.address == address:
                return self._open(spoofed.car, spoofed.device)
        conditions = self.link_conditions_of(self._car_at(address))
        await self.sleep(conditions.connect)
        car = self._car_at(address)
        if conditions.ignore and self.random.random() < conditions.ignore:
            message = f"{car.name} advertises, but ignores the connection attempt"
            raise DeviceNotFoundError(message)
        if self.random.random() < conditions.refuse:
            message = f"{car.name} rejected the connection attempt"
            raise ConnectionRejectedError(message)
        if self._connection_count(car) >= MAX_CONNECTIONS:
            message = f"{car.name} has reached its {MAX_CONNECTIONS} connections"
            raise ConnectionSlotsFullError(message)
        connection = self._open(
            car, self.relays.get(car.name, self._computers[car.name])
        )
        if conditions.hang_up and self.random.random() < conditions.hang_up:
            connection.drop()
        return connection

    def _open(self, car: Car, device: Device) -> Connection:
        connection = Connection(self, car, device)
        self.connections.append(connection)
        self._opened_at[connection] = self._get_time()
        self._connection_counts[car.vin] += 1
        return connection

    def set_link_conditions(
        self, conditions: LinkConditions, car: str | None = None
    ) -> None:
        """Set the link conditions of one car, or of all others."""
        if car is None:
            self.link_conditions = conditions
        else:
            self._car_link_conditions[car] = conditions

    def link_conditions_of(self, car: Car) -> LinkConditions:
        """Return the link conditions of a car."""
        return self._car_link_conditions.get(car.name, self.link_conditions)

    def statistics(self, car: Car) -> LinkStatistics:
        """Return the statistics of a car."""
        connections = [
            connection for connection in self.connections if connection.car is car
        ]
        durations = [
            self._get_time() - self._opened_at[connection] for connection in connections
        ]
        return LinkStatistics(
            connections=self._connection_counts[car.vin],
            longest=max(*durations, self._longest[car.vin], 0.0),
            open=len(connections),
            lost=self._lost[car.vin],
        )

    def broadcast(self, car: Car) -> None:
        """Broadcast the status of a car to all its connections."""
        if connections := [
            connection for connection in self.connections if connection.car is car
        ]:
            message = self._computers[car.name].broadcast()
            for connection in connections:
                connection.notify(message)

    def update_car(self, car: Car) -> None:
        """Update connections and advertisements after a change of a car."""
        connections = [
            connection for connection in self.connections if connection.car is car
        ]
        if not car.advertising:
            for connection in connections:
                connection.drop()
        elif connections:
            # The answer of the car is sent before its broadcast.
            asyncio.get_running_loop().call_soon(self.broadcast, car)
        if self._advertising.get(car.vin, False) is not car.advertising:
            self._advertising[car.vin] = car.advertising
            for listener in tuple(self._listeners):
                listener()

    def reset(self) -> None:
        """Reset link conditions, other phones, spoofed devices and relays."""
        self.link_conditions = LinkConditions()
        self._car_link_conditions.clear()
        self.phones.clear()
        self.spoofed_devices.clear()
        self.relays.clear()

    def close(self) -> None:
        """Drop all connections."""
        for connection in tuple(self.connections):
            connection.drop()
        for timer in self._timers:
            timer.cancel()

    def count_lost_message(self, car: Car) -> None:
        """Count a lost message."""
        self._lost[car.vin] += 1

    def connection_ended(self, connection: Connection) -> None:
        """Remove a closed connection."""
        self.connections.remove(connection)
        duration = self._get_time() - self._opened_at.pop(connection)
        self._longest[connection.car.vin] = max(
            self._longest[connection.car.vin], duration
        )

    def start_card_timeout(self, whitelist: Whitelist) -> None:
        """Start the time limit for tapping a keycard."""
        entry = whitelist.pending

        async def time_out() -> None:
            await self.sleep(CARD_TIMEOUT)
            whitelist.time_out(entry)

        timer = asyncio.get_running_loop().create_task(time_out(), context=Context())
        self._timers.add(timer)
        timer.add_done_callback(self._timers.discard)

    def _car_at(self, address: str) -> Car:
        for car in self._cars.values():
            if car.advertising and device_address(car.vin) == address:
                return car
        message = f"no car advertises the address {address}"
        raise DeviceNotFoundError(message)

    def _connection_count(self, car: Car) -> int:
        count = sum(connection.car is car for connection in self.connections)
        return count + self.phones[car.vin]
