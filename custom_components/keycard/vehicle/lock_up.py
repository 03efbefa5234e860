"""Decide whether a vehicle may be locked by an automation."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from .api_field import DOORS, PARKED
from .keys import KeyPlace
from .state import ASLEEP, ConnectivityState, VehicleState

# Maximum age of a status by which a vehicle is locked.
MAX_STATUS_AGE = timedelta(minutes=2)

CLOSURES = (
    *(f"{place}_door_open" for place in DOORS),
    "front_trunk_open",
    "rear_trunk_open",
)
# A sleeping vehicle is in park, and its climate control is off.
_KNOWN_ASLEEP = ("shift_state", "keeper_mode")
_REQUIRED = ("locked", "user_present", *CLOSURES, *_KNOWN_ASLEEP)

_OCCUPIED_MODES = ("camp", "dog")


class LockUpDecision(StrEnum):
    """Decision to lock a vehicle, or the reason not to."""

    LOCK = "lock"
    ALREADY_LOCKED = "already_locked"
    DRILL = "drill"
    KEY_PLACE_UNKNOWN = "key_place_unknown"
    KEY_IN_CAR = "key_in_car"
    IN_USE = "in_use"
    OPEN = "open"
    KEEPER_MODE = "keeper_mode"
    STATUS_UNKNOWN = "status_unknown"
    PROVISIONAL = "provisional"


@dataclass(frozen=True, kw_only=True)
class LockUpStatus:
    """Status of a vehicle that may be locked.

    `state` has the fields that may have changed as None.
    """

    state: VehicleState | None
    age: timedelta | None
    """Age of the oldest required field, None if one was never confirmed."""

    key_place: KeyPlace | None
    provisional: bool = False
    """Whether it rests on a Bluetooth key that the user has not confirmed."""

    drill: bool = False

    @property
    def recent(self) -> bool:
        """Return whether the status is recent enough."""
        return self.age is not None and self.age < MAX_STATUS_AGE


def required_fields(state: VehicleState | None) -> tuple[str, ...]:
    """Return the fields that must be known to lock a vehicle."""
    if state is None or state.presence is not ConnectivityState.ASLEEP:
        return _REQUIRED
    return ("presence", *(name for name in _REQUIRED if name not in _KNOWN_ASLEEP))


def decide_lock_up(status: LockUpStatus) -> LockUpDecision:
    """Return whether to lock a vehicle, or why not; unknown means not."""
    state = status.state
    values = _required_values(state)
    if status.drill:
        return LockUpDecision.DRILL
    if values["locked"]:
        return LockUpDecision.ALREADY_LOCKED
    if status.key_place is None:
        return LockUpDecision.KEY_PLACE_UNKNOWN
    if status.key_place is KeyPlace.CAR:
        return LockUpDecision.KEY_IN_CAR
    if values["user_present"] or values["shift_state"] not in (None, PARKED):
        return LockUpDecision.IN_USE
    if any(values[name] for name in CLOSURES):
        return LockUpDecision.OPEN
    if values["keeper_mode"] in _OCCUPIED_MODES:
        return LockUpDecision.KEEPER_MODE
    if not status.recent or None in values.values():
        return LockUpDecision.STATUS_UNKNOWN
    if status.provisional:
        return LockUpDecision.PROVISIONAL
    return LockUpDecision.LOCK


def _required_values(state: VehicleState | None) -> dict[str, Any]:
    """Return the required fields of a state, None for unknown values."""
    values = {name: getattr(state, name, None) for name in _REQUIRED}
    if state is not None and state.presence is ConnectivityState.ASLEEP:
        values |= {name: ASLEEP[name] for name in _KNOWN_ASLEEP}
    return values
