"""Conditions of a vehicle that need attention while it cannot be reached."""

from enum import StrEnum

from .api_field import PARKED, WINDOWS
from .state import VehicleState

DOG_MODE = "dog"


class UrgentCondition(StrEnum):
    """Condition of a vehicle that needs attention while it cannot be reached."""

    DOG_MODE = "dog_mode"
    UNLOCKED = "unlocked"
    WINDOW_OPEN = "window_open"


def in_use(state: VehicleState | None) -> bool | None:
    """Return whether a vehicle is occupied or driven, None if unknown."""
    if state is None:
        return None
    if state.shift_state not in (None, PARKED):
        return True
    return state.user_present


def urgent_conditions(state: VehicleState | None) -> list[UrgentCondition]:
    """Return the urgent conditions of a vehicle, none while it is in use."""
    if state is None or in_use(state):
        return []
    windows = (getattr(state, f"{place}_window_open") for place in WINDOWS)
    conditions = {
        UrgentCondition.DOG_MODE: state.keeper_mode == DOG_MODE,
        UrgentCondition.UNLOCKED: state.locked is False,
        UrgentCondition.WINDOW_OPEN: any(windows),
    }
    return [condition for condition, met in conditions.items() if met]
