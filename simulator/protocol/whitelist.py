"""Whitelist of a car: keys, roles and pairing."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

SLOTS = 20
CARD_TIMEOUT = 30.0  # seconds until the car stops waiting for a keycard


class Role(IntEnum):
    """Roles of keys, with the protocol's numbers."""

    NONE = 0
    SERVICE = 1
    OWNER = 2
    DRIVER = 3
    FLEET_MANAGER = 4
    VEHICLE_MONITOR = 5
    CHARGING_MANAGER = 6
    SERVICE_TECH = 7
    GUEST = 8


class Privilege(Enum):
    """Privileges that a command requires of its key."""

    READ = "read"
    CHARGE = "charge"
    LOCK = "lock"
    DRIVE = "drive"
    PIN = "pin"
    KEYS = "keys"


_DRIVER_PRIVILEGES = frozenset(
    {Privilege.READ, Privilege.CHARGE, Privilege.LOCK, Privilege.DRIVE}
)
PRIVILEGES: dict[Role, frozenset[Privilege]] = {
    Role.NONE: frozenset(),
    Role.SERVICE: frozenset({Privilege.LOCK}),
    Role.OWNER: frozenset(Privilege),
    Role.DRIVER: _DRIVER_PRIVILEGES,
    Role.FLEET_MANAGER: frozenset(Privilege) - {Privilege.KEYS},
    Role.VEHICLE_MONITOR: frozenset({Privilege.READ}),
    Role.CHARGING_MANAGER: frozenset({Privilege.READ, Privilege.CHARGE}),
    Role.SERVICE_TECH: frozenset(),
    Role.GUEST: _DRIVER_PRIVILEGES,
}


class PairingState(StrEnum):
    """State of pairing a key."""

    IDLE = "idle"
    WAITING = "waiting for the card"
    ADDED = "added"
    REFUSED = "refused"
    TIMED_OUT = "timed out"


class WhitelistError(ValueError):
    """Error raised for an invalid change of the whitelist."""


class WhitelistFullError(WhitelistError):
    """Error raised when all slots are taken."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A key on the whitelist: an uncompressed point of P-256 and its role."""

    point: bytes
    role: Role
    form_factor: int = 0  # with the protocol's number


type Key = bytes | str | ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey


def public_point(key: Key) -> bytes:
    """Return a key as uncompressed point; raise WhitelistError if it is invalid."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return public_point(key.public_key())
    if isinstance(key, ec.EllipticCurvePublicKey):
        if not isinstance(key.curve, ec.SECP256R1):
            message = "the key is not on the curve P-256"
            raise WhitelistError(message)
        return key.public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
    try:
        if isinstance(key, bytes):
            curve = ec.SECP256R1()
            return public_point(
                ec.EllipticCurvePublicKey.from_encoded_point(curve, key)
            )
        loaded = serialization.load_pem_public_key(key.encode())
    except ValueError as err:
        message = f"this is no public key: {err}"
        raise WhitelistError(message) from err
    if not isinstance(loaded, ec.EllipticCurvePublicKey):
        message = "the key is no elliptic curve key"
        raise WhitelistError(message)
    return public_point(loaded)


class Whitelist:
    """The keys of a car."""

    def __init__(self, get_time: Callable[[], float], slots: int = SLOTS) -> None:
        self.slots = slots
        self._get_time = get_time
        self._entries: dict[bytes, Entry] = {}
        self.pending: Entry | None = None
        self._requested_at = 0.0
        self._on_result: Callable[[PairingState], None] | None = None
        self._result = PairingState.IDLE

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Return the entries in the order of their slots."""
        return tuple(self._entries.values())

    def role_of(self, key: Key) -> Role | None:
        """Return the role of a key, None if it is not on the whitelist."""
        entry = self._entries.get(public_point(key))
        return None if entry is None else entry.role

    def add(self, key: Key, role: Role = Role.OWNER, form_factor: int = 0) -> Entry:
        """Add a key or change its role; raise WhitelistFullError if it is full."""
        entry = Entry(point=public_point(key), role=role, form_factor=form_factor)
        if entry.point not in self._entries and self.is_full:
            message = f"all {self.slots} slots are taken"
            raise WhitelistFullError(message)
        self._entries[entry.point] = entry
        return entry

    def remove(self, key: Key) -> None:
        """Remove a key; raise WhitelistError if it is not on the whitelist."""
        if self._entries.pop(public_point(key), None) is None:
            message = "the key is not on the list"
            raise WhitelistError(message)

    @property
    def pairing(self) -> PairingState:
        """Return the pairing state of the last requested key."""
        if self._get_time() - self._requested_at > CARD_TIMEOUT:
            self.time_out(self.pending)
        return PairingState.WAITING if self.pending else self._result

    @property
    def is_full(self) -> bool:
        """Return whether all slots are taken."""
        return len(self._entries) >= self.slots

    def request_add(
        self,
        key: Key,
        role: Role,
        form_factor: int = 0,
        on_result: Callable[[PairingState], None] | None = None,
    ) -> None:
        """Request to add a key, which waits for a keycard on the console.

        `on_result` is called with the result.
        """
        self.pending = Entry(
            point=public_point(key), role=role, form_factor=form_factor
        )
        self._requested_at = self._get_time()
        self._on_result = on_result

    def tap_card(self) -> PairingState:
        """Tap a keycard on the console, which adds the pending key."""
        if self.pairing is not PairingState.WAITING or self.pending is None:
            return self.pairing
        entry = self.pending
        try:
            self.add(entry.point, entry.role, entry.form_factor)
        except WhitelistFullError:
            self._finish(PairingState.REFUSED)
        else:
            self._finish(PairingState.ADDED)
        return self.pairing

    def cancel_pairing(self) -> PairingState:
        """Press Cancel on the car's screen."""
        if self.pairing is PairingState.WAITING:
            self._finish(PairingState.REFUSED)
        return self.pairing

    def time_out(self, entry: Entry | None) -> None:
        """Stop waiting for a keycard if this key is still pending."""
        if entry is not None and entry is self.pending:
            self._finish(PairingState.TIMED_OUT)

    def _finish(self, result: PairingState) -> None:
        self.pending, self._result = None, result
        on_result, self._on_result = self._on_result, None
        if on_result is not None:
            on_result(result)
