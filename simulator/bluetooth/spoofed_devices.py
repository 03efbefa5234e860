"""Devices that advertise the local name of a car without being that car.

The local name is a hash of the VIN and is advertised in the clear, so that anyone can
use it. A session key derives from an exchange of the car's key and the client's: a
device that has neither cannot forge a session info or a sealed answer of the car, but
can open a session with a key of its own and send unauthenticated messages.
"""

from collections import Counter
from collections.abc import Callable
import copy
from dataclasses import dataclass, field
from typing import override

from cryptography.hazmat.primitives.asymmetric import ec
from tesla_protocol.command.universal_message_pb2 import RoutableMessage

from ..protocol import Key, Role, SendLater, VehicleComputers, Whitelist
from ..vehicle.car import Car
from .connection import Device

SPOOFED_RSSI = -40  # stronger than the car's


class _PermissiveWhitelist(Whitelist):
    """A whitelist that contains every key."""

    @override
    def role_of(self, key: Key) -> Role | None:
        return Role.DRIVER


@dataclass(kw_only=True)
class SpoofedDevice:
    """A device that advertises the local name of a car with another address.

    `car` is the impersonated car: same VIN, separate state. `device` answers messages.
    """

    car: Car
    device: Device
    address: str = "C0:FF:EE:00:00:01"
    rssi: int = SPOOFED_RSSI


def copy_car(car: Car) -> Car:
    """Return a copy of a car with the same VIN and name and a separate state."""
    copied = copy.copy(car)
    copied.executed = Counter()
    copied.doors, copied.windows = dict(car.doors), dict(car.windows)
    copied.seat_heaters = dict(car.seat_heaters)
    copied.on_change = lambda: None
    return copied


class _SilentDevice:
    """A device without unsolicited messages."""

    def unsolicited_messages(self) -> list[bytes]:
        """Return no messages."""
        return []

    def response_too_long(self, data: bytes) -> bytes:
        """Return an invalid answer."""
        return data


@dataclass
class BroadcastingDevice(_SilentDevice):
    """A device that answers nothing and broadcasts an unsealed status."""

    car: Car
    whitelist: Whitelist
    received: int = field(default=0, init=False)
    """Number of messages received."""

    def answer_bluetooth(self, _data: bytes, send_later: SendLater) -> bytes | None:
        """Broadcast the status instead of answering."""
        self.received += 1
        send_later(self.broadcast())
        return None

    def broadcast(self) -> bytes:
        """Return the unsealed status."""
        return VehicleComputers(self.car, lambda: 0.0).broadcast()


@dataclass
class ReplayingDevice(_SilentDevice):
    """A device that replays recorded answers of the car.

    `recorded` holds the answers, the oldest first. A request is answered with the next
    answer of the same type.
    """

    recorded: list[bytes]
    status: Callable[[], bytes]
    whitelist: Whitelist
    replayed: int = field(default=0, init=False)

    def answer_bluetooth(self, data: bytes, send_later: SendLater) -> bytes | None:
        """Return a recorded answer of the same type, None if there is none."""
        del send_later
        is_session_request = RoutableMessage.FromString(data).HasField(
            "session_info_request"
        )
        for index, recorded_answer in enumerate(self.recorded):
            if (
                bool(RoutableMessage.FromString(recorded_answer).session_info)
                is is_session_request
            ):
                self.recorded.append(self.recorded.pop(index))
                self.replayed += 1
                return recorded_answer
        return None

    def broadcast(self) -> bytes:
        """Return the recorded broadcast."""
        return self.status()


def broadcasting_device(car: Car, get_time: Callable[[], float]) -> SpoofedDevice:
    """Return a device that only broadcasts an unsealed status."""
    copied = copy_car(car)
    return SpoofedDevice(
        car=copied, device=BroadcastingDevice(copied, Whitelist(get_time))
    )


def spoofed_vehicle(car: Car, get_time: Callable[[], float]) -> SpoofedDevice:
    """Return a device with key pairs of its own that accepts every key."""
    copied = copy_car(car)
    device = VehicleComputers(
        copied,
        get_time,
        whitelist=_PermissiveWhitelist(get_time),
        keys=lambda _vin, _domain: ec.generate_private_key(ec.SECP256R1()),
    )
    return SpoofedDevice(car=copied, device=device)


def rejecting_device(car: Car, get_time: Callable[[], float]) -> SpoofedDevice:
    """Return a device that rejects every key as not on its whitelist."""
    copied = copy_car(car)
    return SpoofedDevice(car=copied, device=VehicleComputers(copied, get_time))


@dataclass
class Relay:
    """A relay between a home and a car."""

    computers: VehicleComputers

    @property
    def whitelist(self) -> Whitelist:
        """Return the whitelist of the car."""
        return self.computers.whitelist

    def answer_bluetooth(self, data: bytes, send_later: SendLater) -> bytes | None:
        """Return the answer of the car."""
        return self.computers.answer_bluetooth(data, send_later)

    def broadcast(self) -> bytes:
        """Return the broadcast of the car."""
        return self.computers.broadcast()

    def unsolicited_messages(self) -> list[bytes]:
        """Return the unsolicited messages of the car."""
        return self.computers.unsolicited_messages()

    def response_too_long(self, data: bytes) -> bytes:
        """Return the car's fault for an answer that exceeds the MTU."""
        return self.computers.response_too_long(data)


@dataclass
class RecordingRelay(Relay):
    """A relay that records the answers of the car."""

    recorded: list[bytes] = field(default_factory=list)
    unsigned: set[str] = field(default_factory=set)
    """Types of the messages sent to the car without a signature."""

    @override
    def answer_bluetooth(self, data: bytes, send_later: SendLater) -> bytes | None:
        """Return and record the answer of the car."""
        message = RoutableMessage.FromString(data)
        if not message.HasField("signature_data"):
            self.unsigned.add(str(message.WhichOneof("payload")))
        answer = super().answer_bluetooth(data, send_later)
        if answer is not None:
            self.recorded.append(answer)
        return answer
