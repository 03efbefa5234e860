"""What an owner left at a car: whether it is in use, and what cannot wait."""

from enum import StrEnum

from .fields import PARKED, WINDOWS
from .state import CarState

DOG_MODE = "dog"


class Matter(StrEnum):
    """What cannot wait when nobody can reach a car."""

    DOG_MODE = "dog_mode"
    UNLOCKED = "unlocked"
    WINDOW_OPEN = "window_open"


def in_use(state: CarState | None) -> bool | None:
    """Return whether somebody was in the car or drove it, None if nobody told."""
    if state is None:
        return None
    if state.shift_state not in (None, PARKED):
        return True
    return state.user_present


def cannot_wait(state: CarState | None) -> list[Matter]:
    """List what cannot wait, as the car was last seen.

    A car that is in use is not left, so it is nobody's worry.
    """
    if state is None or in_use(state):
        return []
    windows = (getattr(state, f"{place}_window_open") for place in WINDOWS)
    found = {
        Matter.DOG_MODE: state.keeper_mode == DOG_MODE,
        Matter.UNLOCKED: state.locked is False,
        Matter.WINDOW_OPEN: any(windows),
    }
    return [matter for matter, holds in found.items() if holds]
