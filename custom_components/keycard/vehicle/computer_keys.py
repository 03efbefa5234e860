"""Public keys of a vehicle's computers, and what is believed over Bluetooth."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from typing import Self

from tesla_protocol.command.universal_message_pb2 import Domain

from .parsing import read_text

# An uncompressed point of P-256.
_POINT_LENGTH = 65

# Seconds. A key is said to be gone after so many refusals over so long.
REFUSALS = 3
REFUSED_FOR = 3600.0

# Seconds. A stranger that was met so lately may still be near.
STRANGER_FOR = 3600.0


class Computer(StrEnum):
    """A computer of a vehicle that makes sessions with a key of its own."""

    VEHICLE_SECURITY = "vehicle_security"
    INFOTAINMENT = "infotainment"


class KeySource(StrEnum):
    """How the public key of a computer became known."""

    CLOUD = "cloud"
    PAIRING = "pairing"
    FIRST_SEEN = "first_seen"


COMPUTERS: Mapping[int, Computer] = {
    Domain.DOMAIN_VEHICLE_SECURITY: Computer.VEHICLE_SECURITY,
    Domain.DOMAIN_INFOTAINMENT: Computer.INFOTAINMENT,
}


@dataclass(frozen=True, kw_only=True)
class ComputerKey:
    """The public key of a computer: an uncompressed point of P-256, and its source."""

    point: bytes
    source: KeySource

    @property
    def settled(self) -> bool:
        """Return whether the key is more than what was first seen over Bluetooth."""
        return self.source is not KeySource.FIRST_SEEN


@dataclass(frozen=True, kw_only=True)
class ComputerKeys:
    """The known public keys of a vehicle's computers, None while unknown.

    `seals_status` and `seals_infotainment` tell whether the security computer was ever
    seen to seal the status, and infotainment an answer. `paired_at` tells which pairing
    the keys were last reset by (ISO 8601, UTC).
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
        """Return whether a computer is known to have another key."""
        known = self.get(computer)
        return known is not None and known.point != point

    def settled(self, computer: Computer) -> bool:
        """Return whether the key of a computer is known for sure."""
        known = self.get(computer)
        return known is not None and known.settled

    @property
    def provisional(self) -> bool:
        """Return whether what comes over Bluetooth rests on a key first seen there."""
        keys = (self.vehicle_security, self.infotainment)
        return any(key is not None and not key.settled for key in keys)

    def seen(self, computer: Computer, point: bytes) -> Self:
        """Return the keys after a session over Bluetooth; known keys stay."""
        if self.get(computer) is not None:
            return self
        return self.with_key(computer, point, KeySource.FIRST_SEEN)

    def received(self, computer: Computer, point: bytes) -> Self:
        """Return the keys after a session through Tesla's cloud, which wins."""
        return self.with_key(computer, point, KeySource.CLOUD)

    def seals(self, computer: Computer) -> bool:
        """Return whether a computer was ever seen to seal what it is asked for."""
        if computer is Computer.VEHICLE_SECURITY:
            return self.seals_status
        return self.seals_infotainment

    def sealing(self, computer: Computer) -> Self:
        """Return the keys of a vehicle one of whose computers has sealed an answer."""
        if self.seals(computer):
            return self
        if computer is Computer.VEHICLE_SECURITY:
            return replace(self, seals_status=True)
        return replace(self, seals_infotainment=True)

    def of_cloud(self) -> Self:
        """Return only the keys that were received through Tesla's cloud."""
        keys = type(self)()
        for computer in Computer:
            key = self.get(computer)
            if key is not None and key.source is KeySource.CLOUD:
                keys = keys.received(computer, key.point)
        return keys

    def paired(self, pairing: Pairing) -> Self:
        """Return the keys after a pairing: what the cloud did not tell begins anew."""
        if pairing.at == self.paired_at:
            return self
        keys = replace(self.of_cloud(), paired_at=pairing.at)
        for computer, point in pairing.points.items():
            if keys.get(computer) is None:
                keys = keys.with_key(computer, point, KeySource.PAIRING)
        return keys

    def as_pairing(self, at: str) -> Pairing:
        """Return the keys as those of a pairing (`at` in ISO 8601, UTC)."""
        keys = {computer: self.get(computer) for computer in Computer}
        return Pairing(
            at=at,
            points={computer: key.point for computer, key in keys.items() if key},
        )

    def with_key(self, computer: Computer, point: bytes, source: KeySource) -> Self:
        """Return the keys with another key of one computer."""
        key = ComputerKey(point=point, source=source)
        if computer is Computer.VEHICLE_SECURITY:
            return replace(self, vehicle_security=key)
        return replace(self, infotainment=key)

    def to_json(self) -> dict[str, object]:
        """Return what storage can hold."""
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
        """Return stored keys; what cannot be read is unknown."""
        if not isinstance(stored, Mapping):
            return cls()
        keys = cls(
            seals_status=stored.get("seals_status") is True,
            seals_infotainment=stored.get("seals_infotainment") is True,
            paired_at=read_text(stored.get("paired_at")),
        )
        for computer in Computer:
            key = stored.get(computer.value)
            if not isinstance(key, Mapping) or key.get("source") not in KeySource:
                continue
            if (point := read_point(key.get("point"))) is not None:
                keys = keys.with_key(computer, point, KeySource(key["source"]))
        return keys


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """The public keys that the computers of a vehicle had when it was paired.

    `at` is when that was (ISO 8601, UTC). A computer that made no session is missing.
    """

    at: str
    points: Mapping[Computer, bytes]

    def to_json(self) -> dict[str, str]:
        """Return what a config subentry can hold."""
        points = self.points.items()
        return {
            "paired_at": self.at,
            **{computer.value: point.hex() for computer, point in points},
        }

    @classmethod
    def from_json(cls, stored: object) -> Self | None:
        """Return a stored pairing, None if nothing of it can be read."""
        if not isinstance(stored, Mapping):
            return None
        at = read_text(stored.get("paired_at"))
        found = {
            computer: read_point(stored.get(computer.value)) for computer in Computer
        }
        points = {computer: point for computer, point in found.items() if point}
        return cls(at=at, points=points) if at and points else None


def read_point(value: object) -> bytes | None:
    """Return a public key from its hexadecimal digits, None if it is none."""
    if not isinstance(value, str):
        return None
    try:
        point = bytes.fromhex(value)
    except ValueError:
        return None
    return point if len(point) == _POINT_LENGTH and point[0] == 4 else None


@dataclass(frozen=True, kw_only=True)
class BluetoothHistory:
    """Recent attempts to talk to a vehicle; times are monotonic seconds."""

    stranger_at: float = -inf
    """When a device was met last that is not the vehicle."""

    refusals: tuple[float, ...] = ()
    """When a device said that the key is not on its list, since the last proof."""

    unsealed_computers: frozenset[Computer] = frozenset()
    """Computers that seal their answers, and whose last answer was an open one."""

    def proven(self, now: float) -> Self:
        """Return the history after a session that a known key has proven."""
        met = self.stranger_at if now - self.stranger_at < STRANGER_FOR else -inf
        return replace(self, stranger_at=met, refusals=())

    def met_stranger(self, now: float) -> Self:
        """Return the history after a session with another key, or a forged one."""
        return replace(self, stranger_at=now)

    def refused(self, now: float) -> Self:
        """Return the history after "not on the list", which cannot be sealed."""
        # The first one and the last ones: more are not needed to decide.
        first, *later = (*self.refusals, now)
        return replace(self, refusals=(first, *later[1 - REFUSALS :]))

    def answered(self, computer: Computer, *, sealed: bool) -> Self:
        """Return the history after an answer of a computer that seals its answers."""
        others = self.unsealed_computers - {computer}
        unsealed = others if sealed else others | {computer}
        return replace(self, unsealed_computers=unsealed)

    @property
    def unsealed(self) -> bool:
        """Return whether a computer that seals its answers sent an open one instead."""
        return bool(self.unsealed_computers)

    @property
    def pretender(self) -> bool:
        """Return whether something near may pretend to be the vehicle."""
        return self.stranger_at > -inf

    @property
    def key_lost(self) -> bool:
        """Return whether the vehicle may have lost the key."""
        if len(self.refusals) < REFUSALS:
            return False
        return self.refusals[-1] - self.refusals[0] >= REFUSED_FOR


class ComputerTrust:
    """Decide which device is believed to be a vehicle, over all connections to it.

    `changed` is called when the keys have changed and are to be stored.
    """

    def __init__(self, keys: ComputerKeys | None = None) -> None:
        self.keys = keys or ComputerKeys()
        self.history = BluetoothHistory()
        self.changed: Callable[[], None] = lambda: None

    def admits(self, computer: Computer, point: bytes, now: float) -> bool:
        """Tell whether a session with a public key may be made, and note if not."""
        if self.keys.contradicts(computer, point):
            self.meet_stranger(now)
            return False
        return True

    def prove(self, computer: Computer, point: bytes, now: float) -> None:
        """Note that a session was made with an admitted public key."""
        self.history = self.history.proven(now)
        self._keep(self.keys.seen(computer, point))

    def receive(self, computer: Computer, point: bytes) -> None:
        """Take the public key of a session that was made through Tesla's cloud."""
        self._keep(self.keys.received(computer, point))

    def meet_stranger(self, now: float) -> None:
        """Note that a device answered that is not the vehicle."""
        self.history = self.history.met_stranger(now)

    def refuse(self, now: float) -> None:
        """Note that a device said that the key is not on its list."""
        self.history = self.history.refused(now)

    def record_answer(self, computer: Computer, *, sealed: bool) -> None:
        """Note whether a computer sealed the answer to a request."""
        if sealed:
            self._keep(self.keys.sealing(computer))
        if self.keys.seals(computer):
            self.history = self.history.answered(computer, sealed=sealed)

    def pair(self, pairing: Pairing) -> None:
        """Take the public keys of a pairing, once."""
        keys = self.keys.paired(pairing)
        if keys is not self.keys:
            self.history = BluetoothHistory()
            self._keep(keys)

    def _keep(self, keys: ComputerKeys) -> None:
        if keys != self.keys:
            self.keys = keys
            self.changed()
