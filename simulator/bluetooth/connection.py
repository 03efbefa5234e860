"""A Bluetooth connection to a car."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from random import Random
from typing import Protocol

from ..protocol import SendLater, Whitelist
from ..vehicle.car import Car
from . import framing
from .link_conditions import LinkConditions


class ConnectionLostError(ConnectionError):
    """Error raised when the connection is lost; the message may have arrived."""


class ConnectionEnvironment(Protocol):
    """The part of the Bluetooth environment that a connection uses."""

    random: Random
    sleep: Callable[[float], Awaitable[None]]

    def link_conditions_of(self, car: Car) -> LinkConditions:
        """Return the link conditions of a car."""

    def count_lost_message(self, car: Car) -> None:
        """Count a lost message."""

    def connection_ended(self, connection: Connection) -> None:
        """Remove a closed connection."""

    def start_card_timeout(self, whitelist: Whitelist) -> None:
        """Start the time limit for tapping a keycard."""


class Device(Protocol):
    """The peer of a connection: a car's computers or a spoofed device."""

    @property
    def whitelist(self) -> Whitelist:
        """Return the whitelist of the device."""

    def answer_bluetooth(self, data: bytes, send_later: SendLater) -> bytes | None:
        """Return the answer to a message, None if there is none.

        `send_later` receives messages sent besides the answer.
        """

    def broadcast(self) -> bytes:
        """Return the broadcast of the status."""

    def unsolicited_messages(self) -> list[bytes]:
        """Return the messages sent to every new connection."""

    def response_too_long(self, data: bytes) -> bytes:
        """Return the fault for an answer that exceeds the MTU."""


class Connection:
    """A connection that takes framed messages and returns chunks of framed messages."""

    def __init__(
        self, environment: ConnectionEnvironment, car: Car, device: Device
    ) -> None:
        self.car = car
        self.on_disconnect: Callable[[], None] = lambda: None
        self.is_open = True
        self._environment = environment
        self._device = device
        self._on_chunk: Callable[[bytes], None] | None = None
        self._decoder = framing.FrameDecoder()
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        # Keep the task out of the client's context, as it belongs to the car.
        self._loop = asyncio.get_running_loop()
        self._sender = self._loop.create_task(self._send_queue(), context=Context())

    @property
    def device_name(self) -> str:
        """Return the device name of the car."""
        return f"🔑 {self.car.name}"

    @property
    def on_chunk(self) -> Callable[[bytes], None] | None:
        """Return the callback for chunks sent by the car."""
        return self._on_chunk

    @on_chunk.setter
    def on_chunk(self, on_chunk: Callable[[bytes], None] | None) -> None:
        self._on_chunk = on_chunk
        if on_chunk is not None:
            for message in (
                self._device.broadcast(),
                *self._device.unsolicited_messages(),
            ):
                self.notify(message)

    async def write(self, data: bytes) -> None:
        """Send a framed message or a part of one.

        Raise ConnectionLostError if the connection is closed before or meanwhile.
        """
        self._ensure_open()
        for message in self._decoder.feed(data):
            await self._deliver(message)

    async def close(self) -> None:
        """Close the connection."""
        self._close()

    def drop(self) -> None:
        """Drop the connection, as the car or bad reception does."""
        if self.is_open:
            self._close()
            self.on_disconnect()

    def notify(self, message: bytes) -> None:
        """Queue a message of the car."""
        if self.is_open:
            self._outgoing.put_nowait(message)

    def _ensure_open(self) -> None:
        if not self.is_open:
            message = f"the connection to {self.car.name} is closed"
            raise ConnectionLostError(message)

    async def _deliver(self, message: bytes) -> None:
        conditions, random = (
            self._environment.link_conditions_of(self.car),
            self._environment.random,
        )
        await self._environment.sleep(conditions.latency)
        self._ensure_open()
        if random.random() < conditions.cut_before:
            self.drop()
        elif random.random() < conditions.lose_to_car:
            self._environment.count_lost_message(self.car)
        elif conditions.late:
            # A message on its way arrives even if the connection is closed.
            self._loop.call_later(
                conditions.late, self._receive, message, context=Context()
            )
        else:
            self._receive(message)
            if random.random() < conditions.cut_after:
                self.drop()
        self._ensure_open()

    def _receive(self, message: bytes) -> None:
        whitelist = self._device.whitelist
        pending = whitelist.pending
        answer = self._device.answer_bluetooth(message, self.notify)
        if answer is not None and len(answer) > framing.MAX_MESSAGE_BYTES:
            answer = self._device.response_too_long(message)
        if answer is not None:
            self.notify(answer)
        if whitelist.pending is not None and whitelist.pending is not pending:
            self._environment.start_card_timeout(whitelist)

    def _close(self) -> None:
        if self.is_open:
            self.is_open = False
            self._sender.cancel()
            self._environment.connection_ended(self)

    async def _send_queue(self) -> None:
        while True:
            message = await self._outgoing.get()
            conditions, random = (
                self._environment.link_conditions_of(self.car),
                self._environment.random,
            )
            if conditions.slow and random.random() < conditions.slow_rate:
                await self._environment.sleep(conditions.slow)
            await self._environment.sleep(conditions.latency)
            if random.random() < conditions.lose_to_phone:
                self._environment.count_lost_message(self.car)
                continue
            for chunk in framing.split_message(message):
                if self._on_chunk is not None:
                    self._on_chunk(chunk)
