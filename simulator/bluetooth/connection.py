"""One connection to a car."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from contextvars import Context
from random import Random
from typing import Protocol

from ..protocol import Transport, Whitelist
from ..vehicle.car import Car
from . import framing
from .link_conditions import LinkConditions


class ConnectionLostError(ConnectionError):
    """The line was cut; nobody can say whether the car got the message."""


class ConnectionEnvironment(Protocol):
    """What a line has of the air around it."""

    random: Random
    sleep: Callable[[float], Awaitable[None]]

    def link_conditions_of(self, car: Car) -> LinkConditions:
        """Return what may go wrong for a car."""

    def count_lost_message(self, car: Car) -> None:
        """Count a message that is lost."""

    def connection_ended(self, line: Connection) -> None:
        """Be told that a line is no more."""

    def start_card_timeout(self, whitelist: Whitelist) -> None:
        """Give the owner some time to tap."""

    def transfer(self) -> AbstractContextManager[None]:
        """Count what needs but a moment to arrive."""


class Device(Protocol):
    """What is at the other end of a line: a car's computers, or a stranger."""

    @property
    def whitelist(self) -> Whitelist:
        """Return the list of the keys that it obeys."""

    def answer(
        self,
        data: bytes,
        over: Transport = Transport.BLUETOOTH,
        tell_later: Callable[[bytes], None] = lambda message: None,
    ) -> bytes | None:
        """Answer a message; None if there is no answer."""

    def broadcast(self) -> bytes:
        """Return what it tells everybody who is connected."""

    def unsolicited_messages(self) -> list[bytes]:
        """Return what it says besides to everybody."""

    def response_too_long(self, data: bytes) -> bytes:
        """Return the answer to a message whose answer is too long for the line."""


class Connection:
    """A connection: framed messages go in, chunks of framed messages come out."""

    def __init__(
        self, ether: ConnectionEnvironment, car: Car, computers: Device
    ) -> None:
        self.car = car
        self.on_disconnect: Callable[[], None] = lambda: None
        self.is_open = True
        self._ether = ether
        self._computers = computers
        self._on_chunk: Callable[[bytes], None] | None = None
        self._heard = framing.FrameDecoder()
        self._to_say: asyncio.Queue[bytes] = asyncio.Queue()
        # It belongs to the car, not to who has connected.
        self._loop = asyncio.get_running_loop()
        self._talking = self._loop.create_task(self._send_queue(), context=Context())

    @property
    def device_name(self) -> str:
        """Return what the car has as the name of its device."""
        return f"🔑 {self.car.name}"

    @property
    def on_chunk(self) -> Callable[[bytes], None] | None:
        """Return who hears what the car sends."""
        return self._on_chunk

    @on_chunk.setter
    def on_chunk(self, on_chunk: Callable[[bytes], None] | None) -> None:
        self._on_chunk = on_chunk
        if on_chunk is not None:
            for message in (
                self._computers.broadcast(),
                *self._computers.unsolicited_messages(),
            ):
                self.notify(message)

    async def write(self, data: bytes) -> None:
        """Send a framed message, or a part of one; raise a CutError if it is cut."""
        self._check()
        for message in self._heard.feed(data):
            await self._deliver(message)

    async def close(self) -> None:
        """Hang up."""
        self._end()

    def drop(self) -> None:
        """Be cut off by the car or by the weather."""
        if self.is_open:
            self._end()
            self.on_disconnect()

    def notify(self, message: bytes) -> None:
        """Let the car send a message, after those that are still to be sent."""
        if self.is_open:
            self._to_say.put_nowait(message)

    def _check(self) -> None:
        if not self.is_open:
            message = f"the line to {self.car.name} is cut"
            raise ConnectionLostError(message)

    async def _deliver(self, message: bytes) -> None:
        weather, chance = self._ether.link_conditions_of(self.car), self._ether.random
        with self._ether.transfer():
            await self._ether.sleep(weather.latency)
        self._check()
        if chance.random() < weather.cut_before:
            self.drop()
        elif chance.random() < weather.lose_to_car:
            self._ether.count_lost_message(self.car)
        elif weather.late:
            # The radio has it, and brings it whether the line stays or not.
            self._loop.call_later(weather.late, self._reach, message, context=Context())
        else:
            self._reach(message)
            if chance.random() < weather.cut_after:
                self.drop()
        self._check()

    def _reach(self, message: bytes) -> None:
        whitelist = self._computers.whitelist
        asked = whitelist.pending
        answer = self._computers.answer(message, Transport.BLUETOOTH, self.notify)
        if answer is not None and len(answer) > framing.MAX_MESSAGE_BYTES:
            answer = self._computers.response_too_long(message)
        if answer is not None:
            self.notify(answer)
        if whitelist.pending is not None and whitelist.pending is not asked:
            self._ether.start_card_timeout(whitelist)

    def _end(self) -> None:
        if self.is_open:
            self.is_open = False
            self._talking.cancel()
            self._ether.connection_ended(self)

    async def _send_queue(self) -> None:
        while True:
            message = await self._to_say.get()
            weather, chance = (
                self._ether.link_conditions_of(self.car),
                self._ether.random,
            )
            if weather.slow and chance.random() < weather.slow_rate:
                await self._ether.sleep(weather.slow)
            with self._ether.transfer():
                await self._ether.sleep(weather.latency)
            if chance.random() < weather.lose_to_phone:
                self._ether.count_lost_message(self.car)
                continue
            for chunk in framing.split_message(message):
                if self._on_chunk is not None:
                    self._on_chunk(chunk)
