"""Lock vehicles for an automation, unless something speaks against it."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum

from homeassistant.core import callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util import dt as dt_util

from ..vehicle.commands import Command, command_call
from ..vehicle.lock_up import (
    LockUpDecision,
    LockUpStatus,
    decide_lock_up,
    required_fields,
)
from .commands import CommandUnconfirmedError
from .presentation import REACHABLE
from .vehicle_coordinator import VehicleCoordinator

# Seconds to wait for a recent status.
STATUS_TIMEOUT = 20.0

_LOCK = command_call(Command.LOCK)

# Decisions that a recent status would not change.
_WITHOUT_STATUS = frozenset(
    {
        LockUpDecision.DRILL,
        LockUpDecision.KEY_PLACE_UNKNOWN,
        LockUpDecision.KEY_IN_CAR,
    }
)


class LockUpOutcome(StrEnum):
    """Outcome for a vehicle."""

    LOCKED = "locked"
    ALREADY_LOCKED = "already_locked"
    NOT_LOCKED = "not_locked"
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, kw_only=True)
class LockUpResult:
    """Outcome for a vehicle, and the decision or the error that led to it."""

    outcome: LockUpOutcome
    decision: LockUpDecision
    error: HomeAssistantError | None = None


async def async_lock_up(
    coordinator: VehicleCoordinator, *, drill: bool
) -> LockUpResult:
    """Lock a vehicle if its status allows it, and return the result."""
    status = _status(coordinator, drill=drill)
    if not status.recent and decide_lock_up(status) not in _WITHOUT_STATUS:
        await _async_update_status(coordinator)
    decision = decide_lock_up(_status(coordinator, drill=drill))
    if decision is LockUpDecision.ALREADY_LOCKED:
        return LockUpResult(outcome=LockUpOutcome.ALREADY_LOCKED, decision=decision)
    if decision is not LockUpDecision.LOCK:
        return LockUpResult(outcome=LockUpOutcome.NOT_LOCKED, decision=decision)
    try:
        await coordinator.async_execute(_LOCK)
    except HomeAssistantError as err:
        unconfirmed = isinstance(err, CommandUnconfirmedError)
        return LockUpResult(
            outcome=LockUpOutcome.UNCONFIRMED if unconfirmed else LockUpOutcome.FAILED,
            decision=decision,
            error=err,
        )
    return LockUpResult(outcome=LockUpOutcome.LOCKED, decision=decision)


def _status(coordinator: VehicleCoordinator, *, drill: bool) -> LockUpStatus:
    data, vehicle = coordinator.actual, coordinator.vehicle
    state = data.usable_state
    return LockUpStatus(
        state=state,
        age=vehicle.confirmation_age(required_fields(state), dt_util.utcnow()),
        key_place=vehicle.key_place,
        provisional=data.provisional,
        drill=drill,
    )


async def _async_update_status(coordinator: VehicleCoordinator) -> None:
    """Request the status of a vehicle that can be reached, and wait for it."""
    if coordinator.actual.connection not in REACHABLE:
        return
    updated = asyncio.Event()

    @callback
    def check() -> None:
        if _status(coordinator, drill=False).recent:
            updated.set()

    remove_listener = coordinator.async_add_listener(check)
    try:
        coordinator.async_request_update()
        async with asyncio.timeout(STATUS_TIMEOUT):
            await updated.wait()
    except TimeoutError:
        pass
    finally:
        remove_listener()
