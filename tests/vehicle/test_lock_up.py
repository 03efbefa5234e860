"""When a vehicle may be locked by an automation."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from custom_components.keycard.vehicle.keys import KeyPlace
from custom_components.keycard.vehicle.lock_up import (
    CLOSURES,
    MAX_STATUS_AGE,
    LockUpDecision,
    LockUpStatus,
    decide_lock_up,
    required_fields,
)
from custom_components.keycard.vehicle.state import ConnectivityState, VehicleState

CLOSED: dict[str, Any] = dict.fromkeys(CLOSURES, False)
UNLOCKED = VehicleState(
    vin="VIN",
    presence=ConnectivityState.ONLINE,
    locked=False,
    user_present=False,
    shift_state="p",
    keeper_mode="off",
    **CLOSED,
)
ASLEEP = replace(UNLOCKED, presence=ConnectivityState.ASLEEP)
READY = LockUpStatus(
    state=UNLOCKED, age=timedelta(seconds=20), key_place=KeyPlace.WALLET
)


def state(**changes: Any) -> dict[str, VehicleState]:
    """Return a status with a changed state."""
    return {"state": replace(UNLOCKED, **changes)}


def asleep(**changes: Any) -> dict[str, VehicleState]:
    """Return a status of a sleeping vehicle with a changed state."""
    return {"state": replace(ASLEEP, **changes)}


@pytest.mark.parametrize(
    ("changes", "decision"),
    [
        ({}, LockUpDecision.LOCK),
        ({"key_place": KeyPlace.HOME}, LockUpDecision.LOCK),
        (state(keeper_mode="keep"), LockUpDecision.LOCK),
        # Windows do not matter, and a sleeping vehicle is in park.
        (state(front_driver_window_open=True), LockUpDecision.LOCK),
        (asleep(shift_state=None, keeper_mode=None), LockUpDecision.LOCK),
        (asleep(keeper_mode="dog"), LockUpDecision.LOCK),
        # Nothing is left to do, however old the status is.
        (state(locked=True), LockUpDecision.ALREADY_LOCKED),
        ({**state(locked=True), "age": None}, LockUpDecision.ALREADY_LOCKED),
        ({**state(locked=True), "key_place": None}, LockUpDecision.ALREADY_LOCKED),
        ({"drill": True}, LockUpDecision.DRILL),
        ({**state(locked=True), "drill": True}, LockUpDecision.DRILL),
        ({"key_place": None}, LockUpDecision.KEY_PLACE_UNKNOWN),
        ({"key_place": KeyPlace.CAR}, LockUpDecision.KEY_IN_CAR),
        (state(user_present=True), LockUpDecision.IN_USE),
        *((state(shift_state=gear), LockUpDecision.IN_USE) for gear in "rnd"),
        *((state(**{name: True}), LockUpDecision.OPEN) for name in CLOSURES),
        (state(keeper_mode="dog"), LockUpDecision.KEEPER_MODE),
        (state(keeper_mode="camp"), LockUpDecision.KEEPER_MODE),
        ({"state": None}, LockUpDecision.STATUS_UNKNOWN),
        ({"age": None}, LockUpDecision.STATUS_UNKNOWN),
        ({"age": MAX_STATUS_AGE}, LockUpDecision.STATUS_UNKNOWN),
        (
            {"age": MAX_STATUS_AGE - timedelta(seconds=1)},
            LockUpDecision.LOCK,
        ),
        *(
            (state(**{name: None}), LockUpDecision.STATUS_UNKNOWN)
            for name in (
                "locked",
                "user_present",
                "shift_state",
                "keeper_mode",
                *CLOSURES,
            )
        ),
        *(
            (asleep(**{name: None}), LockUpDecision.STATUS_UNKNOWN)
            for name in ("locked", "user_present", *CLOSURES)
        ),
        ({"provisional": True}, LockUpDecision.PROVISIONAL),
    ],
)
def test_decision(changes: dict[str, Any], decision: LockUpDecision) -> None:
    assert decide_lock_up(replace(READY, **changes)) is decision


def test_the_age_of_every_field_that_decides_counts() -> None:
    assert set(required_fields(UNLOCKED)) == {
        *("locked", "user_present", "shift_state", "keeper_mode"),
        *CLOSURES,
    }
    assert required_fields(None) == required_fields(UNLOCKED)
    # Asleep, gear and climate mode follow from that.
    assert set(required_fields(ASLEEP)) == {
        *("presence", "locked", "user_present"),
        *CLOSURES,
    }
