"""The air around a home: which cars are heard there, and who is connected to them."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
import hashlib
from random import Random

from ..protocol import TAP_TIME, VehicleComputers, Whitelist
from ..vehicle.car import Car
from .connection import Connection, Device
from .link_conditions import LinkConditions
from .strangers import Stranger

LIMIT = 3  # connections that a car takes
RSSI = -60
_RANDOM_STATIC = 0xC0  # the kind of address that the car has


class NotInRangeError(ConnectionError):
    """No car of this address answers."""


class NoConnectionLeftError(ConnectionError):
    """The car has as many connections as it takes."""


class ConnectionRefusedByCarError(ConnectionError):
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


def address_of(vin: str) -> str:
    """Return the address of a car's radio."""
    digest = bytearray(hashlib.sha256(vin.encode()).digest()[:6])
    digest[0] |= _RANDOM_STATIC
    return digest.hex(":").upper()


def name_of(vin: str) -> str:
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
        self.chance = chance or Random()
        self.sleep = sleep
        self.weather = LinkConditions()
        self.phones: Counter[str] = Counter()  # lines of others, by VIN
        self.rssi: dict[str, int] = {}  # by VIN
        self.busy = 0  # messages that will have arrived in a moment
        self.lines: list[Connection] = []
        self.strangers: list[Stranger] = []
        self.between: dict[str, Device] = {}
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

    def adverts(self) -> list[Advertisement]:
        """Return what is heard now."""
        return [
            Advertisement(
                address=address_of(car.vin),
                name=name_of(car.vin),
                rssi=self.rssi.get(car.vin, RSSI),
                connectable=self._taken(car) < LIMIT,
            )
            for car in self._cars.values()
            if car.on_air
        ] + [
            Advertisement(
                address=stranger.address,
                name=name_of(stranger.car.vin),
                rssi=stranger.rssi,
                connectable=True,
            )
            for stranger in self.strangers
        ]

    def place(self, stranger: Stranger) -> None:
        """Let a stranger come in range."""
        self.strangers.append(stranger)
        for listener in tuple(self._listeners):
            listener()

    def listen(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Be told when a car comes in range or leaves it; return how to end that."""
        self._listeners.append(changed)
        return lambda: self._listeners.remove(changed)

    async def connect(self, address: str) -> Connection:
        """Connect to a car; raise a NotHeardError, FullError or RefusedError."""
        for stranger in self.strangers:
            if stranger.address == address:
                return self._open(stranger.car, stranger.device)
        weather = self.link_conditions_of(self._car_at(address))
        with self.transfer():
            await self.sleep(weather.connect)
        car = self._car_at(address)
        if weather.ignore and self.chance.random() < weather.ignore:
            message = f"{car.name} is heard, and does not react"
            raise NotInRangeError(message)
        if self.chance.random() < weather.refuse:
            message = f"{car.name} does not answer"
            raise ConnectionRefusedByCarError(message)
        if self._taken(car) >= LIMIT:
            message = f"{car.name} has {LIMIT} connections and takes no more"
            raise NoConnectionLeftError(message)
        line = self._open(car, self.between.get(car.name, self._computers[car.name]))
        if weather.hang_up and self.chance.random() < weather.hang_up:
            line.cut()
        return line

    def _open(self, car: Car, device: Device) -> Connection:
        line = Connection(self, car, device)
        self.lines.append(line)
        self._since[line] = self._now()
        self._connections[car.vin] += 1
        return line

    def set_link_conditions(
        self, weather: LinkConditions, car: str | None = None
    ) -> None:
        """Let the messages of one car fare so, or of all that have no own weather."""
        if car is None:
            self.weather = weather
        else:
            self._local[car] = weather

    def link_conditions_of(self, car: Car) -> LinkConditions:
        """Return what may go wrong for a car."""
        return self._local.get(car.name, self.weather)

    def statistics(self, car: Car) -> LinkStatistics:
        """Return what has been on the air between a car and this home."""
        lines = [line for line in self.lines if line.car is car]
        held = [self._now() - self._since[line] for line in lines]
        return LinkStatistics(
            connections=self._connections[car.vin],
            longest=max(*held, self._longest[car.vin], 0.0),
            open=len(lines),
            lost=self._lost[car.vin],
        )

    def broadcast(self, car: Car) -> None:
        """Let a car tell its status to all that it has a line to."""
        if lines := [line for line in self.lines if line.car is car]:
            message = self._computers[car.name].broadcast()
            for line in lines:
                line.notify(message)

    def look(self, car: Car) -> None:
        """Look at a car that has moved, or that something was done to."""
        lines = [line for line in self.lines if line.car is car]
        if not car.on_air:
            for line in lines:
                line.cut()
        elif lines:
            # What the car answers comes before what it tells everybody.
            asyncio.get_running_loop().call_soon(self.broadcast, car)
        if self._heard.get(car.vin, False) is not car.on_air:
            self._heard[car.vin] = car.on_air
            for listener in tuple(self._listeners):
                listener()

    def reset(self) -> None:
        """Let the weather be fine and the other phones be away."""
        self.weather = LinkConditions()
        self._local.clear()
        self.phones.clear()
        self.strangers.clear()
        self.between.clear()

    def close(self) -> None:
        """Cut every line."""
        for line in tuple(self.lines):
            line.cut()
        for timer in self._timers:
            timer.cancel()

    def lost(self, car: Car) -> None:
        """Count a message that is lost."""
        self._lost[car.vin] += 1

    def connection_ended(self, line: Connection) -> None:
        """Be told that a line is no more."""
        self.lines.remove(line)
        held = self._now() - self._since.pop(line)
        self._longest[line.car.vin] = max(self._longest[line.car.vin], held)

    def await_card(self, whitelist: Whitelist) -> None:
        """Give the owner some time to tap."""
        asking = whitelist.asking

        async def time_out() -> None:
            await self.sleep(TAP_TIME)
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
            if car.on_air and address_of(car.vin) == address:
                return car
        message = f"no car is heard at {address}"
        raise NotInRangeError(message)

    def _taken(self, car: Car) -> int:
        own = sum(line.car is car for line in self.lines)
        return own + self.phones[car.vin]
