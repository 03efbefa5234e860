"""Drill of an outage, as requested."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ..outage.models import OUTAGES, Assessment, Scope, Status, Subsystem

DURATION = timedelta(minutes=10)
SHORTEST = timedelta(minutes=1)
LONGEST = timedelta(hours=24)

# Whom a failure may hit; the first is meant when nobody says.
SCOPES: Mapping[Status, tuple[Scope, ...]] = {
    Status.OUTAGE: (Scope.REGION, Scope.REGIONS, Scope.WORLDWIDE),
    Status.DEGRADED: (Scope.REGION, Scope.MODEL, Scope.VEHICLE),
    Status.SIGN_IN_OUTAGE: (Scope.WORLDWIDE,),
}
_PLANES: Mapping[Status, tuple[Subsystem, ...]] = {
    Status.OUTAGE: (Subsystem.STATUS, Subsystem.API),
    Status.DEGRADED: (Subsystem.COMMANDS,),
    Status.SIGN_IN_OUTAGE: (Subsystem.AUTH,),
}
# What a user has to hear of, unless it was so before.
_TROUBLES = frozenset(
    {Status.PROVIDER_DOWN, Status.INTERNET_DOWN, Status.ACCOUNT_PROBLEM}
)


class InvalidDrill(StrEnum):
    """Reason why a drill request is invalid."""

    DURATION = "drill_duration"
    SCOPE = "drill_scope"
    ELSEWHERE_MISSING = "drill_elsewhere_missing"
    ELSEWHERE_OWN = "drill_elsewhere_own"
    ELSEWHERE_ALL = "drill_elsewhere_all"
    ELSEWHERE_UNUSED = "drill_elsewhere_unused"
    CARS_UNUSED = "drill_cars_unused"
    NO_CARS = "drill_no_cars"


class InvalidDrillError(Exception):
    """The drill request is invalid."""

    def __init__(self, why: InvalidDrill) -> None:
        """Say why."""
        super().__init__(why)
        self.why = why


class EndReason(StrEnum):
    """Reason for the end of a drill."""

    OVER = "over"
    STOPPED = "stopped"
    BROKEN = "broken"
    RESTARTED = "restarted"


@dataclass(frozen=True, kw_only=True)
class DrillRequest:
    """Request for a drill; `cars` are hit where the scope is a part of them."""

    status: Status = Status.OUTAGE
    scope: Scope | None = None
    elsewhere: frozenset[str] = frozenset()
    cars: frozenset[str] = frozenset()
    duration: timedelta = DURATION


@dataclass(frozen=True, kw_only=True)
class Drill:
    """An outage that is rehearsed since `began` (monotonic seconds).

    `before` is the real assessment when it began.
    """

    assessment: Assessment
    before: Assessment
    began: float

    def length(self, now: float) -> timedelta:
        """Return the duration so far."""
        return timedelta(seconds=now - self.began)

    def interrupted_by(self, real: Assessment) -> bool:
        """Return whether the real assessment must end the drill."""
        if outage_active(real):
            return True
        if real.warning and set(real.other_regions) - set(self.before.other_regions):
            return True
        return real.status in _TROUBLES and real.status is not self.before.status


def outage_active(real: Assessment) -> bool:
    """Return whether a real outage is active, also while its end is unknown."""
    return real.status in OUTAGES or real.since is not None


def create_drill(
    plan: DrillRequest,
    *,
    region: str,
    others: frozenset[str],
    models: Mapping[str, str],
    real: Assessment,
    wall: datetime,
    now: float,
) -> Drill:
    """Create a drill; raise InvalidDrillError if the request is invalid.

    `others` are the other regions, `models` those of the home's cars by their ids.
    """
    if not SHORTEST <= plan.duration <= LONGEST:
        raise InvalidDrillError(InvalidDrill.DURATION)
    scope = plan.scope or SCOPES[plan.status][0]
    if scope not in SCOPES[plan.status]:
        raise InvalidDrillError(InvalidDrill.SCOPE)
    affected, named = _hit(plan, scope, models)
    judgement = Assessment(
        status=plan.status,
        scope=scope,
        subsystems=_PLANES[plan.status],
        other_regions=_elsewhere(plan, scope, region, others),
        models=named,
        since=wall,
        affected=affected,
    )
    return Drill(assessment=judgement, before=real, began=now)


def _elsewhere(
    plan: DrillRequest, scope: Scope, region: str, others: frozenset[str]
) -> tuple[str, ...]:
    """Return the other regions that fail."""
    if region in plan.elsewhere:
        raise InvalidDrillError(InvalidDrill.ELSEWHERE_OWN)
    if scope is Scope.REGIONS:
        if not plan.elsewhere:
            raise InvalidDrillError(InvalidDrill.ELSEWHERE_MISSING)
        if plan.elsewhere >= others:
            raise InvalidDrillError(InvalidDrill.ELSEWHERE_ALL)
        return tuple(sorted(plan.elsewhere))
    if plan.elsewhere:
        raise InvalidDrillError(InvalidDrill.ELSEWHERE_UNUSED)
    # A sign-in that fails everywhere is no failure of the regions.
    whole = plan.status is Status.OUTAGE and scope is Scope.WORLDWIDE
    return tuple(sorted(others)) if whole else ()


def _hit(
    plan: DrillRequest, scope: Scope, models: Mapping[str, str]
) -> tuple[frozenset[str] | None, tuple[str, ...]]:
    """Return the cars that are hit, None for all, and which models these are."""
    if scope not in (Scope.VEHICLE, Scope.MODEL):
        if plan.cars:
            raise InvalidDrillError(InvalidDrill.CARS_UNUSED)
        return None, ()
    cars = plan.cars or frozenset(models)
    if not cars:
        raise InvalidDrillError(InvalidDrill.NO_CARS)
    if scope is Scope.VEHICLE:
        return cars, ()
    hit = {models[car] for car in cars}
    affected = frozenset(car for car, model in models.items() if model in hit)
    return affected, tuple(sorted(hit))
