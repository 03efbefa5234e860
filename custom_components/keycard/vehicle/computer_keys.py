"""Public keys of a vehicle's computers, and trust in Bluetooth devices."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from typing import Self

from tesla_protocol.command.universal_message_pb2 import Domain

from .parsing import parse_text

# An uncompressed point of P-256.
_POINT_LENGTH = 65

# A key counts as removed after so many refusals over so many seconds.
MIN_REFUSALS = 3
MIN_REFUSAL_TIME = 3600.0

# Seconds for which another device may still be in range.
STRANGER_TIMEOUT = 3600.0


class Computer(StrEnum):
    """A computer of a vehicle with its own key pair."""

    VEHICLE_SECURITY = "vehicle_security"
    INFOTAINMENT = "infotainment"


class KeySource(StrEnum):
    """Source of the public key of a computer."""

    CLOUD = "cloud"
    PAIRING = "pairing"
    FIRST_SEEN = "first_seen"


COMPUTERS: Mapping[int, Computer] = {
    Domain.DOMAIN_VEHICLE_SECURITY: Computer.VEHICLE_SECURITY,
    Domain.DOMAIN_INFOTAINMENT: Computer.INFOTAINMENT,
}


@dataclass(frozen=True, kw_only=True)
class ComputerKey:
    """Public key of a computer (an uncompressed point of P-256) and its source."""

    point: bytes
    source: KeySource

    @property
    def is_verified(self) -> bool:
        """Return whether the key was not only first seen over Bluetooth."""
        return self.source is not KeySource.FIRST_SEEN


@dataclass(frozen=True, kw_only=True)
class ComputerKeys:
    """Public keys of a vehicle's computers, None while unknown.

    `seals_status` and `seals_infotainment` are True once the vehicle security computer
    has sealed a status, or infotainment a reply. `paired_at` is the time of the pairing
    that last reset the keys (ISO 8601, UTC).
    """

    vehicle_security: ComputerKey | None = None
    infotainment: ComputerKey | None = None
    seals_status: bool = False
    seals_infotainment: bool = False
    paired_at: str | None = None

    def get(self, computer: Computer) -> ComputerKey | None:
        """Return the key of a computer."""
        if computer is Computer.VEHICLE_SECURITY:
            return self.vehicle_security
        return self.infotainment

    def contradicts(self, computer: Computer, point: bytes) -> bool:
        """Return whether another key of a computer is known."""
        key = self.get(computer)
        return key is not None and key.point != point

    def is_verified(self, computer: Computer) -> bool:
        """Return whether a verified key of a computer is known."""
        key = self.get(computer)
        return key is not None and key.is_verified

    @property
    def is_provisional(self) -> bool:
        """Return whether a key was only first seen over Bluetooth."""
        keys = (self.vehicle_security, self.infotainment)
        return any(key is not None and not key.is_verified for key in keys)

    def with_bluetooth_key(self, computer: Computer, point: bytes) -> Self:
        """Return the keys after a Bluetooth session; known keys stay."""
        if self.get(computer) is not None:
            return self
        return self.with_key(computer, point, KeySource.FIRST_SEEN)

    def with_cloud_key(self, computer: Computer, point: bytes) -> Self:
        """Return the keys after a session through Tesla's cloud; its key wins."""
        return self.with_key(computer, point, KeySource.CLOUD)

    def has_sealed(self, computer: Computer) -> bool:
        """Return whether a computer has ever sealed a reply."""
        if computer is Computer.VEHICLE_SECURITY:
            return self.seals_status
        return self.seals_infotainment

    def with_sealed_answer(self, computer: Computer) -> Self:
        """Return the keys after a computer has sealed a reply."""
        if self.has_sealed(computer):
            return self
        if computer is Computer.VEHICLE_SECURITY:
            return replace(self, seals_status=True)
        return replace(self, seals_infotainment=True)

    def only_cloud_keys(self) -> Self:
        """Return only the keys received through Tesla's cloud."""
        keys = type(self)()
        for computer in Computer:
            key = self.get(computer)
            if key is not None and key.source is KeySource.CLOUD:
                keys = keys.with_cloud_key(computer, key.point)
        return keys

    def with_pairing(self, pairing: Pairing) -> Self:
        """Return the keys after a pairing, which resets those not from the cloud."""
        if pairing.at == self.paired_at:
            return self
        keys = replace(self.only_cloud_keys(), paired_at=pairing.at)
        for computer, point in pairing.points.items():
            if keys.get(computer) is None:
                keys = keys.with_key(computer, point, KeySource.PAIRING)
        return keys

    def to_pairing(self, at: str) -> Pairing:
        """Return the keys as a pairing (`at` in ISO 8601, UTC)."""
        keys = {computer: self.get(computer) for computer in Computer}
        return Pairing(
            at=at,
            points={computer: key.point for computer, key in keys.items() if key},
        )

    def with_key(self, computer: Computer, point: bytes, source: KeySource) -> Self:
        """Return the keys with the key of one computer replaced."""
        key = ComputerKey(point=point, source=source)
        if computer is Computer.VEHICLE_SECURITY:
            return replace(self, vehicle_security=key)
        return replace(self, infotainment=key)

    def to_json(self) -> dict[str, object]:
        """Return the keys as JSON for storage."""
        return {
            **{
                computer.value: {"point": key.point.hex(), "source": key.source.value}
                for computer in Computer
                if (key := self.get(computer)) is not None
            },
            "seals_status": self.seals_status,
            "seals_infotainment": self.seals_infotainment,
            "paired_at": self.paired_at,
        }

    @classmethod
    def from_json(cls, stored: object) -> Self:
        """Restore stored keys, ignoring invalid ones."""
        if not isinstance(stored, Mapping):
            return cls()
        keys = cls(
            seals_status=stored.get("seals_status") is True,
            seals_infotainment=stored.get("seals_infotainment") is True,
            paired_at=parse_text(stored.get("paired_at")),
        )
        for computer in Computer:
            key = stored.get(computer.value)
            if not isinstance(key, Mapping) or key.get("source") not in KeySource:
                continue
            if (point := parse_point(key.get("point"))) is not None:
                keys = keys.with_key(computer, point, KeySource(key["source"]))
        return keys


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """Public keys of the computers of a vehicle at the time of its pairing.

    `at` is that time (ISO 8601, UTC). A computer without a session is missing.
    """

    at: str
    points: Mapping[Computer, bytes]

    def to_json(self) -> dict[str, str]:
        """Return the pairing as JSON for a config subentry."""
        points = self.points.items()
        return {
            "paired_at": self.at,
            **{computer.value: point.hex() for computer, point in points},
        }

    @classmethod
    def from_json(cls, stored: object) -> Self | None:
        """Restore a stored pairing, None if it is invalid."""
        if not isinstance(stored, Mapping):
            return None
        at = parse_text(stored.get("paired_at"))
        found = {
            computer: parse_point(stored.get(computer.value)) for computer in Computer
        }
        points = {computer: point for computer, point in found.items() if point}
        return cls(at=at, points=points) if at and points else None


def parse_point(value: object) -> bytes | None:
    """Parse a hexadecimal public key."""
    if not isinstance(value, str):
        return None
    try:
        point = bytes.fromhex(value)
    except ValueError:
        return None
    return point if len(point) == _POINT_LENGTH and point[0] == 4 else None


@dataclass(frozen=True, kw_only=True)
class BluetoothHistory:
    """Recent connections to a vehicle; times are monotonic seconds."""

    stranger_at: float = -inf
    """When a device other than the vehicle last answered."""

    refusals: tuple[float, ...] = ()
    """When the key was reported as not on the list, since the last proven session."""

    unsealed_computers: frozenset[Computer] = frozenset()
    """Computers that seal their replies, and whose last reply was unsealed."""

    def with_proven_session(self, monotonic: float) -> Self:
        """Return the history after a session proven by a known key."""
        stranger_at = (
            self.stranger_at
            if monotonic - self.stranger_at < STRANGER_TIMEOUT
            else -inf
        )
        return replace(self, stranger_at=stranger_at, refusals=())

    def with_stranger(self, monotonic: float) -> Self:
        """Return the history after a session with another key or a forged one."""
        return replace(self, stranger_at=monotonic)

    def with_refusal(self, monotonic: float) -> Self:
        """Return the history after an (unsealed) "key not on the list"."""
        # The first and the last ones suffice.
        first, *later = (*self.refusals, monotonic)
        return replace(self, refusals=(first, *later[1 - MIN_REFUSALS :]))

    def with_answer(self, computer: Computer, *, sealed: bool) -> Self:
        """Return the history after a reply of a computer that seals its replies."""
        others = self.unsealed_computers - {computer}
        unsealed = others if sealed else others | {computer}
        return replace(self, unsealed_computers=unsealed)

    @property
    def has_unsealed_answer(self) -> bool:
        """Return whether a computer that seals its replies has sent an unsealed one."""
        return bool(self.unsealed_computers)

    @property
    def has_impostor(self) -> bool:
        """Return whether a device in range may impersonate the vehicle."""
        return self.stranger_at > -inf

    @property
    def is_key_removed(self) -> bool:
        """Return whether the key was probably removed from the vehicle."""
        if len(self.refusals) < MIN_REFUSALS:
            return False
        return self.refusals[-1] - self.refusals[0] >= MIN_REFUSAL_TIME


class ComputerTrust:
    """Trust in devices that answer as a vehicle, over all connections."""

    def __init__(self, keys: ComputerKeys | None = None) -> None:
        self.keys = keys or ComputerKeys()
        self.history = BluetoothHistory()
        self._listeners: list[Callable[[], None]] = []

    def add_listener(self, listener: Callable[[], None]) -> None:
        """Call a listener whenever the keys change."""
        self._listeners.append(listener)

    def accept_session(
        self, computer: Computer, point: bytes, monotonic: float
    ) -> bool:
        """Return whether to accept a session with a public key; record a rejection."""
        if self.keys.contradicts(computer, point):
            self.record_stranger(monotonic)
            return False
        return True

    def record_session(
        self, computer: Computer, point: bytes, monotonic: float
    ) -> None:
        """Record a session with an accepted public key."""
        self.history = self.history.with_proven_session(monotonic)
        self._set_keys(self.keys.with_bluetooth_key(computer, point))

    def set_cloud_key(self, computer: Computer, point: bytes) -> None:
        """Set the public key of a session through Tesla's cloud."""
        self._set_keys(self.keys.with_cloud_key(computer, point))

    def record_stranger(self, monotonic: float) -> None:
        """Record that a device other than the vehicle answered."""
        self.history = self.history.with_stranger(monotonic)

    def record_refusal(self, monotonic: float) -> None:
        """Record that the key was reported as not on the list."""
        self.history = self.history.with_refusal(monotonic)

    def record_answer(self, computer: Computer, *, sealed: bool) -> None:
        """Record whether a computer sealed the reply to a request."""
        if sealed:
            self._set_keys(self.keys.with_sealed_answer(computer))
        if self.keys.has_sealed(computer):
            self.history = self.history.with_answer(computer, sealed=sealed)

    def apply_pairing(self, pairing: Pairing) -> None:
        """Apply the public keys of a pairing, once."""
        keys = self.keys.with_pairing(pairing)
        if keys is not self.keys:
            self.history = BluetoothHistory()
            self._set_keys(keys)

    def _set_keys(self, keys: ComputerKeys) -> None:
        if keys != self.keys:
            self.keys = keys
            for listener in self._listeners:
                listener()
