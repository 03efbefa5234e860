"""The air around a home: which cars are heard there, and who is connected to them."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
import hashlib
from random import Random

from ..protocol import CARD_TIMEOUT, VehicleComputers, Whitelist
from ..vehicle.car import Car
from .connection import Connection, Device
from .link_conditions import LinkConditions
from .spoofed_devices import SpoofedDevice

MAX_CONNECTIONS = 3  # connections that a car takes
DEFAULT_RSSI = -60
_RANDOM_STATIC = 0xC0  # the kind of address that the car has


class DeviceNotFoundError(ConnectionError):
    """No car of this address answers."""


class ConnectionSlotsFullError(ConnectionError):
    """The car has as many connections as it takes."""


class ConnectionRejectedError(ConnectionError):
    """The connection does not come about."""


@dataclass(frozen=True, kw_only=True)
class Advertisement:
    """What is heard of one car."""

    address: str
    name: str
    rssi: int
    connectable: bool


@dataclass(frozen=True, kw_only=True)
class LinkStatistics:
    """What has been on the air between a car and this home."""

    connections: int
    longest: float  # seconds that a line was held
    open: int
    lost: int


def device_address(vin: str) -> str:
    """Return the address of a car's radio."""
    digest = bytearray(hashlib.sha256(vin.encode()).digest()[:6])
    digest[0] |= _RANDOM_STATIC
    return digest.hex(":").upper()


def local_name(vin: str) -> str:
    """Return the name that a car advertises."""
    digest = hashlib.sha1(vin.encode(), usedforsecurity=False).hexdigest()
    return f"S{digest[:16]}C"


class BluetoothEnvironment:
    """The cars that are heard at a home.

    `chance` and `sleep` can be handed in, so that all that goes wrong can be replayed.
    """

    def __init__(
        self,
        cars: Mapping[str, Car],
        computers: Mapping[str, VehicleComputers],
        now: Callable[[], float],
        chance: Random | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.random = chance or Random()
        self.sleep = sleep
        self.link_conditions = LinkConditions()
        self.phones: Counter[str] = Counter()  # lines of others, by VIN
        self.rssi: dict[str, int] = {}  # by VIN
        self.busy = 0  # messages that will have arrived in a moment
        self.connections: list[Connection] = []
        self.spoofed_devices: list[SpoofedDevice] = []
        self.relays: dict[str, Device] = {}
        """What relays the messages of a car, by the name of the car."""

        self._cars = cars
        self._computers = computers
        self._now = now
        self._local: dict[str, LinkConditions] = {}
        self._since: dict[Connection, float] = {}
        self._connections: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._longest: defaultdict[str, float] = defaultdict(float)
        self._listeners: list[Callable[[], None]] = []
        self._heard: dict[str, bool] = {}
        self._timers: set[asyncio.Task[None]] = set()

    def advertisements(self) -> list[Advertisement]:
        """Return what is heard now."""
        return [
            Advertisement(
                address=device_address(car.vin),
                name=local_name(car.vin),
                rssi=self.rssi.get(car.vin, DEFAULT_RSSI),
                connectable=self._taken(car) < MAX_CONNECTIONS,
            )
            for car in self._cars.values()
            if car.advertising
        ] + [
            Advertisement(
                address=stranger.address,
                name=local_name(stranger.car.vin),
                rssi=stranger.rssi,
                connectable=True,
            )
            for stranger in self.spoofed_devices
        ]

    def add_spoofed_device(self, stranger: SpoofedDevice) -> None:
        """Let a stranger come in range."""
        self.spoofed_devices.append(stranger)
        for listener in tuple(self._listeners):
            listener()

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Be told when a car comes in range or leaves it; return how to end that."""
        self._listeners.append(changed)
        return lambda: self._listeners.remove(changed)

    async def connect(self, address: str) -> Connection:
        """Connect to a car; raise a NotHeardError, FullError or RefusedError."""
        for stranger in self.spoofed_devices:
            if stranger.address == address:
                return self._open(stranger.car, stranger.device)
        weather = self.link_conditions_of(self._car_at(address))
        with self.transfer():
            await self.sleep(weather.connect)
        car = self._car_at(address)
        if weather.ignore and self.random.random() < weather.ignore:
            message = f"{car.name} is heard, and does not react"
            raise DeviceNotFoundError(message)
        if self.random.random() < weather.refuse:
            message = f"{car.name} does not answer"
            raise ConnectionRejectedError(message)
        if self._taken(car) >= MAX_CONNECTIONS:
            message = f"{car.name} has {MAX_CONNECTIONS} connections and takes no more"
            raise ConnectionSlotsFullError(message)
        line = self._open(car, self.relays.get(car.name, self._computers[car.name]))
        if weather.hang_up and self.random.random() < weather.hang_up:
            line.drop()
        return line

    def _open(self, car: Car, device: Device) -> Connection:
        line = Connection(self, car, device)
        self.connections.append(line)
        self._since[line] = self._now()
        self._connections[car.vin] += 1
        return line

    def set_link_conditions(
        self, weather: LinkConditions, car: str | None = None
    ) -> None:
        """Let the messages of one car fare so, or of all that have no own weather."""
        if car is None:
            self.link_conditions = weather
        else:
            self._local[car] = weather

    def link_conditions_of(self, car: Car) -> LinkConditions:
        """Return what may go wrong for a car."""
        return self._local.get(car.name, self.link_conditions)

    def statistics(self, car: Car) -> LinkStatistics:
        """Return what has been on the air between a car and this home."""
        lines = [line for line in self.connections if line.car is car]
        held = [self._now() - self._since[line] for line in lines]
        return LinkStatistics(
            connections=self._connections[car.vin],
            longest=max(*held, self._longest[car.vin], 0.0),
            open=len(lines),
            lost=self._lost[car.vin],
        )

    def broadcast(self, car: Car) -> None:
        """Let a car tell its status to all that it has a line to."""
        if lines := [line for line in self.connections if line.car is car]:
            message = self._computers[car.name].broadcast()
            for line in lines:
                line.notify(message)

    def update_car(self, car: Car) -> None:
        """Look at a car that has moved, or that something was done to."""
        lines = [line for line in self.connections if line.car is car]
        if not car.advertising:
            for line in lines:
                line.drop()
        elif lines:
            # What the car answers comes before what it tells everybody.
            asyncio.get_running_loop().call_soon(self.broadcast, car)
        if self._heard.get(car.vin, False) is not car.advertising:
            self._heard[car.vin] = car.advertising
            for listener in tuple(self._listeners):
                listener()

    def reset(self) -> None:
        """Let the weather be fine and the other phones be away."""
        self.link_conditions = LinkConditions()
        self._local.clear()
        self.phones.clear()
        self.spoofed_devices.clear()
        self.relays.clear()

    def close(self) -> None:
        """Cut every line."""
        for line in tuple(self.connections):
            line.drop()
        for timer in self._timers:
            timer.cancel()

    def count_lost_message(self, car: Car) -> None:
        """Count a message that is lost."""
        self._lost[car.vin] += 1

    def connection_ended(self, line: Connection) -> None:
        """Be told that a line is no more."""
        self.connections.remove(line)
        held = self._now() - self._since.pop(line)
        self._longest[line.car.vin] = max(self._longest[line.car.vin], held)

    def start_card_timeout(self, whitelist: Whitelist) -> None:
        """Give the owner some time to tap."""
        asking = whitelist.pending

        async def time_out() -> None:
            await self.sleep(CARD_TIMEOUT)
            whitelist.time_out(asking)

        timer = asyncio.get_running_loop().create_task(time_out(), context=Context())
        self._timers.add(timer)
        timer.add_done_callback(self._timers.discard)

    @contextmanager
    def transfer(self) -> Iterator[None]:
        """Count what needs but a moment to arrive."""
        self.busy += 1
        try:
            yield
        finally:
            self.busy -= 1

    def _car_at(self, address: str) -> Car:
        for car in self._cars.values():
            if car.advertising and device_address(car.vin) == address:
                return car
        message = f"no car is heard at {address}"
        raise DeviceNotFoundError(message)

    def _taken(self, car: Car) -> int:
        own = sum(line.car is car for line in self.connections)
        return own + self.phones[car.vin]
