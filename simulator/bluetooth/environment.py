"""The air around a home: which cars are heard there, and who is connected to them."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
import hashlib
from random import Random

from ..protocol import TAP_TIME, Computers, Whitelist
from ..vehicle.car import Car
from .connection import Device, Line
from .link_conditions import Weather
from .strangers import Stranger

LIMIT = 3  # connections that a car takes
RSSI = -60
_RANDOM_STATIC = 0xC0  # the kind of address that the car has


class NotHeardError(ConnectionError):
    """No car of this address answers."""


class FullError(ConnectionError):
    """The car has as many connections as it takes."""


class RefusedError(ConnectionError):
    """The connection does not come about."""


@dataclass(frozen=True, kw_only=True)
class Advert:
    """What is heard of one car."""

    address: str
    name: str
    rssi: int
    connectable: bool


@dataclass(frozen=True, kw_only=True)
class Tally:
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


class Air:
    """The cars that are heard at a home.

    `chance` and `sleep` can be handed in, so that all that goes wrong can be replayed.
    """

    def __init__(
        self,
        cars: Mapping[str, Car],
        computers: Mapping[str, Computers],
        now: Callable[[], float],
        chance: Random | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.chance = chance or Random()
        self.sleep = sleep
        self.weather = Weather()
        self.phones: Counter[str] = Counter()  # lines of others, by VIN
        self.rssi: dict[str, int] = {}  # by VIN
        self.busy = 0  # messages that will have arrived in a moment
        self.lines: list[Line] = []
        self.strangers: list[Stranger] = []
        self.between: dict[str, Device] = {}
        """What relays the messages of a car, by the name of the car."""

        self._cars = cars
        self._computers = computers
        self._now = now
        self._local: dict[str, Weather] = {}
        self._since: dict[Line, float] = {}
        self._connections: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._longest: defaultdict[str, float] = defaultdict(float)
        self._listeners: list[Callable[[], None]] = []
        self._heard: dict[str, bool] = {}
        self._timers: set[asyncio.Task[None]] = set()

    def adverts(self) -> list[Advert]:
        """Return what is heard now."""
        return [
            Advert(
                address=address_of(car.vin),
                name=name_of(car.vin),
                rssi=self.rssi.get(car.vin, RSSI),
                connectable=self._taken(car) < LIMIT,
            )
            for car in self._cars.values()
            if car.on_air
        ] + [
            Advert(
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

    async def connect(self, address: str) -> Line:
        """Connect to a car; raise a NotHeardError, FullError or RefusedError."""
        for stranger in self.strangers:
            if stranger.address == address:
                return self._open(stranger.car, stranger.device)
        weather = self.weather_of(self._car_at(address))
        with self.under_way():
            await self.sleep(weather.connect)
        car = self._car_at(address)
        if weather.ignore and self.chance.random() < weather.ignore:
            message = f"{car.name} is heard, and does not react"
            raise NotHeardError(message)
        if self.chance.random() < weather.refuse:
            message = f"{car.name} does not answer"
            raise RefusedError(message)
        if self._taken(car) >= LIMIT:
            message = f"{car.name} has {LIMIT} connections and takes no more"
            raise FullError(message)
        line = self._open(car, self.between.get(car.name, self._computers[car.name]))
        if weather.hang_up and self.chance.random() < weather.hang_up:
            line.cut()
        return line

    def _open(self, car: Car, device: Device) -> Line:
        line = Line(self, car, device)
        self.lines.append(line)
        self._since[line] = self._now()
        self._connections[car.vin] += 1
        return line

    def set_weather(self, weather: Weather, car: str | None = None) -> None:
        """Let the messages of one car fare so, or of all that have no own weather."""
        if car is None:
            self.weather = weather
        else:
            self._local[car] = weather

    def weather_of(self, car: Car) -> Weather:
        """Return what may go wrong for a car."""
        return self._local.get(car.name, self.weather)

    def tally(self, car: Car) -> Tally:
        """Return what has been on the air between a car and this home."""
        lines = [line for line in self.lines if line.car is car]
        held = [self._now() - self._since[line] for line in lines]
        return Tally(
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
                line.say(message)

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
        self.weather = Weather()
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

    def ended(self, line: Line) -> None:
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
    def under_way(self) -> Iterator[None]:
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
        raise NotHeardError(message)

    def _taken(self, car: Car) -> int:
        own = sum(line.car is car for line in self.lines)
        return own + self.phones[car.vin]
