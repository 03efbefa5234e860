"""Simulated outage of a drill, and the reasons that interrupt it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ..outage.models import OUTAGES, Assessment, Scope, Status, Subsystem

DEFAULT_DURATION = timedelta(minutes=10)
MIN_DURATION = timedelta(minutes=1)
MAX_DURATION = timedelta(hours=24)

# Scopes by status; the first one is the default.
SCOPES: Mapping[Status, tuple[Scope, ...]] = {
    Status.OUTAGE: (Scope.REGION, Scope.REGIONS, Scope.WORLDWIDE),
    Status.DEGRADED: (Scope.REGION, Scope.MODEL, Scope.VEHICLE),
    Status.SIGN_IN_OUTAGE: (Scope.WORLDWIDE,),
}
_SUBSYSTEMS: Mapping[Status, tuple[Subsystem, ...]] = {
    Status.OUTAGE: (Subsystem.STATUS, Subsystem.API),
    Status.DEGRADED: (Subsystem.COMMANDS,),
    Status.SIGN_IN_OUTAGE: (Subsystem.AUTH,),
}
# Problems that interrupt a drill, unless they existed before it.
_INTERRUPTING_STATUSES = frozenset(
    {Status.PROVIDER_DOWN, Status.INTERNET_DOWN, Status.ACCOUNT_PROBLEM}
)


class InvalidDrillReason(StrEnum):
    """Reason why a drill request is invalid."""

    DEFAULT_DURATION = "drill_duration"
    SCOPE = "drill_scope"
    OTHER_REGIONS_MISSING = "drill_elsewhere_missing"
    OWN_REGION = "drill_elsewhere_own"
    ALL_OTHER_REGIONS = "drill_elsewhere_all"
    OTHER_REGIONS_UNUSED = "drill_elsewhere_unused"
    VEHICLES_UNUSED = "drill_cars_unused"
    NO_VEHICLES = "drill_no_cars"


class InvalidDrillError(Exception):
    """Raised when a drill request is invalid."""

    def __init__(self, reason: InvalidDrillReason) -> None:
        """Initialize with the reason."""
        super().__init__(reason)
        self.reason = reason


class EndReason(StrEnum):
    """Reason for the end of a drill."""

    COMPLETED = "over"
    STOPPED = "stopped"
    INTERRUPTED = "broken"
    RESTARTED = "restarted"


@dataclass(frozen=True, kw_only=True)
class DrillRequest:
    """Request for a drill; `vehicles` apply to the scopes vehicle and model."""

    status: Status = Status.OUTAGE
    scope: Scope | None = None
    other_regions: frozenset[str] = frozenset()
    vehicles: frozenset[str] = frozenset()
    duration: timedelta = DEFAULT_DURATION


@dataclass(frozen=True, kw_only=True)
class Drill:
    """Simulated outage since `started_at` (monotonic seconds).

    `previous` is the real assessment at its start.
    """

    assessment: Assessment
    previous: Assessment
    started_at: float

    def length(self, monotonic: float) -> timedelta:
        """Return the duration so far."""
        return timedelta(seconds=monotonic - self.started_at)

    def interrupted_by(self, actual: Assessment) -> bool:
        """Return whether the real assessment must end the drill."""
        if outage_active(actual):
            return True
        if actual.warning and set(actual.other_regions) - set(
            self.previous.other_regions
        ):
            return True
        return (
            actual.status in _INTERRUPTING_STATUSES
            and actual.status is not self.previous.status
        )


def outage_active(actual: Assessment) -> bool:
    """Return whether a real outage is active, also while its end is unknown."""
    return actual.status in OUTAGES or actual.since is not None


def create_drill(
    request: DrillRequest,
    *,
    region: str,
    others: frozenset[str],
    models: Mapping[str, str],
    actual: Assessment,
    utcnow: datetime,
    monotonic: float,
) -> Drill:
    """Create a drill; raise InvalidDrillError if the request is invalid.

    `others` are the other regions, `models` those of the vehicles by ID.
    """
    if not MIN_DURATION <= request.duration <= MAX_DURATION:
        raise InvalidDrillError(InvalidDrillReason.DEFAULT_DURATION)
    scope = request.scope or SCOPES[request.status][0]
    if scope not in SCOPES[request.status]:
        raise InvalidDrillError(InvalidDrillReason.SCOPE)
    affected, affected_models = _affected_vehicles(request, scope, models)
    assessment = Assessment(
        status=request.status,
        scope=scope,
        subsystems=_SUBSYSTEMS[request.status],
        other_regions=_other_regions(request, scope, region, others),
        models=affected_models,
        since=utcnow,
        affected=affected,
    )
    return Drill(assessment=assessment, previous=actual, started_at=monotonic)


def _other_regions(
    request: DrillRequest, scope: Scope, region: str, others: frozenset[str]
) -> tuple[str, ...]:
    """Return the other regions that fail."""
    if region in request.other_regions:
        raise InvalidDrillError(InvalidDrillReason.OWN_REGION)
    if scope is Scope.REGIONS:
        if not request.other_regions:
            raise InvalidDrillError(InvalidDrillReason.OTHER_REGIONS_MISSING)
        if request.other_regions >= others:
            raise InvalidDrillError(InvalidDrillReason.ALL_OTHER_REGIONS)
        return tuple(sorted(request.other_regions))
    if request.other_regions:
        raise InvalidDrillError(InvalidDrillReason.OTHER_REGIONS_UNUSED)
    # A worldwide sign-in outage is no failure of the regions.
    all_fail = request.status is Status.OUTAGE and scope is Scope.WORLDWIDE
    return tuple(sorted(others)) if all_fail else ()


def _affected_vehicles(
    request: DrillRequest, scope: Scope, models: Mapping[str, str]
) -> tuple[frozenset[str] | None, tuple[str, ...]]:
    """Return the affected vehicles (None for all) and their models."""
    if scope not in (Scope.VEHICLE, Scope.MODEL):
        if request.vehicles:
            raise InvalidDrillError(InvalidDrillReason.VEHICLES_UNUSED)
        return None, ()
    vehicles = request.vehicles or frozenset(models)
    if not vehicles:
        raise InvalidDrillError(InvalidDrillReason.NO_VEHICLES)
    if scope is Scope.VEHICLE:
        return vehicles, ()
    affected_models = {models[vehicle_id] for vehicle_id in vehicles}
    affected = frozenset(
        vehicle_id for vehicle_id, model in models.items() if model in affected_models
    )
    return affected, tuple(sorted(affected_models))
