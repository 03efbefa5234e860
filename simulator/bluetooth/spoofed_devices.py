"""Devices near a home that advertise the name of a car and are not that car.

The name is a hash of the VIN and goes over the air in the clear, so that anybody can
advertise it. A session is keyed by an exchange of the car's key and the client's: who
has neither cannot forge a session info or a sealed answer of the car, but can make a
session with a key of its own, and can send whatever the protocol leaves open.
"""

from collections import Counter
from collections.abc import Callable
import copy
from dataclasses import dataclass, field
from typing import override

from cryptography.hazmat.primitives.asymmetric import ec
from tesla_protocol.command.universal_message_pb2 import RoutableMessage

from ..protocol import Key, Role, Transport, VehicleComputers, Whitelist
from ..vehicle.car import Car
from .connection import Device

SPOOFED_RSSI = -40  # nearer than the car


class _Everybody(Whitelist):
    """A list that has every key on it."""

    @override
    def role_of(self, key: Key) -> Role | None:
        return Role.DRIVER


@dataclass(kw_only=True)
class SpoofedDevice:
    """A device that advertises the name of a car under an address of its own.

    `car` is what the device claims to be: it has the VIN of the car and a state of
    its own. `device` answers what is sent to it.
    """

    car: Car
    device: Device
    address: str = "C0:FF:EE:00:00:01"
    rssi: int = SPOOFED_RSSI


def copy_car(car: Car) -> Car:
    """Return a car of the same VIN and name, with a state of its own."""
    other = copy.copy(car)
    other.executed = Counter()
    other.doors, other.windows = dict(car.doors), dict(car.windows)
    other.seat_heaters = dict(car.seat_heaters)
    other.on_change = lambda: None
    return other


class _Quiet:
    """A device that says no more than its kind makes it say."""

    def unsolicited_messages(self) -> list[bytes]:
        """Return nothing besides."""
        return []

    def response_too_long(self, data: bytes) -> bytes:
        """Return nothing that a client would understand."""
        return data


@dataclass
class BroadcastingDevice(_Quiet):
    """A device that answers nothing and broadcasts the open status of its car."""

    car: Car
    whitelist: Whitelist
    received: int = field(default=0, init=False)
    """How many messages were sent to it."""

    def answer(
        self,
        _data: bytes,
        over: Transport = Transport.BLUETOOTH,
        tell_later: Callable[[bytes], None] = lambda message: None,
    ) -> bytes | None:
        """Broadcast once more, and answer nothing."""
        del over
        self.received += 1
        tell_later(self.broadcast())
        return None

    def broadcast(self) -> bytes:
        """Return the open status."""
        return VehicleComputers(self.car, lambda: 0.0).broadcast()


@dataclass
class ReplayingDevice(_Quiet):
    """A device that answers with what the car answered to an earlier request.

    `recorded` are answers of the car, the oldest first: each request is answered with
    the next one that holds the same kind of content.
    """

    recorded: list[bytes]
    status: Callable[[], bytes]
    whitelist: Whitelist
    replayed: int = field(default=0, init=False)

    def answer(
        self,
        data: bytes,
        over: Transport = Transport.BLUETOOTH,
        tell_later: Callable[[bytes], None] = lambda message: None,
    ) -> bytes | None:
        """Return an old answer to the same kind of request, if there is one."""
        del over, tell_later
        greets = RoutableMessage.FromString(data).HasField("session_info_request")
        for index, old in enumerate(self.recorded):
            if bool(RoutableMessage.FromString(old).session_info) is greets:
                self.recorded.append(self.recorded.pop(index))
                self.replayed += 1
                return old
        return None

    def broadcast(self) -> bytes:
        """Return the open status that the car broadcast."""
        return self.status()


def broadcasting_device(car: Car, now: Callable[[], float]) -> SpoofedDevice:
    """Return a device that only broadcasts an open status."""
    claimed = copy_car(car)
    return SpoofedDevice(
        car=claimed, device=BroadcastingDevice(claimed, Whitelist(now))
    )


def spoofed_vehicle(car: Car, now: Callable[[], float]) -> SpoofedDevice:
    """Return a device with key pairs of its own, which knows the key of everybody."""
    claimed = copy_car(car)
    device = VehicleComputers(
        claimed,
        now,
        whitelist=_Everybody(now),
        keys=lambda _vin, _domain: ec.generate_private_key(ec.SECP256R1()),
    )
    return SpoofedDevice(car=claimed, device=device)


def rejecting_device(car: Car, now: Callable[[], float]) -> SpoofedDevice:
    """Return a device that answers everybody that the key is not on its list."""
    claimed = copy_car(car)
    return SpoofedDevice(car=claimed, device=VehicleComputers(claimed, now))


@dataclass
class RecordingRelay:
    """A device between a home and the car that keeps what the car answers."""

    computers: VehicleComputers
    recorded: list[bytes] = field(default_factory=list)
    unsigned: set[str] = field(default_factory=set)
    """Which kinds of content were sent to the car without a signature."""

    @property
    def whitelist(self) -> Whitelist:
        """Return the list of the car."""
        return self.computers.whitelist

    def answer(
        self,
        data: bytes,
        over: Transport = Transport.BLUETOOTH,
        tell_later: Callable[[bytes], None] = lambda message: None,
    ) -> bytes | None:
        """Return what the car answers, and keep it."""
        message = RoutableMessage.FromString(data)
        if not message.HasField("signature_data"):
            self.unsigned.add(str(message.WhichOneof("payload")))
        answer = self.computers.answer(data, over, tell_later)
        if answer is not None:
            self.recorded.append(answer)
        return answer

    def broadcast(self) -> bytes:
        """Return what the car broadcasts."""
        return self.computers.broadcast()

    def unsolicited_messages(self) -> list[bytes]:
        """Return what the car says besides."""
        return self.computers.unsolicited_messages()

    def response_too_long(self, data: bytes) -> bytes:
        """Return the car's answer to a message whose answer is too long."""
        return self.computers.response_too_long(data)
