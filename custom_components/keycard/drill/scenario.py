"""The drill: an outage that is rehearsed, made of what an owner asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ..outage.models import OUTAGES, Judgement, Plane, Scope, Status

DURATION = timedelta(minutes=10)
SHORTEST = timedelta(minutes=1)
LONGEST = timedelta(hours=24)

# Whom a failure may hit; the first is meant when nobody says.
SCOPES: Mapping[Status, tuple[Scope, ...]] = {
    Status.OUTAGE: (Scope.REGION, Scope.REGIONS, Scope.WORLDWIDE),
    Status.DEGRADED: (Scope.REGION, Scope.MODEL, Scope.VEHICLE),
    Status.SIGN_IN_OUTAGE: (Scope.WORLDWIDE,),
}
_PLANES: Mapping[Status, tuple[Plane, ...]] = {
    Status.OUTAGE: (Plane.STATUS, Plane.API),
    Status.DEGRADED: (Plane.COMMANDS,),
    Status.SIGN_IN_OUTAGE: (Plane.AUTH,),
}
# What an owner has to hear of, unless it was so before.
_TROUBLES = frozenset(
    {Status.PROVIDER_DOWN, Status.INTERNET_DOWN, Status.ACCOUNT_PROBLEM}
)


class Unfit(StrEnum):
    """Why nothing can be rehearsed of what was asked for."""

    DURATION = "drill_duration"
    SCOPE = "drill_scope"
    ELSEWHERE_MISSING = "drill_elsewhere_missing"
    ELSEWHERE_OWN = "drill_elsewhere_own"
    ELSEWHERE_ALL = "drill_elsewhere_all"
    ELSEWHERE_UNUSED = "drill_elsewhere_unused"
    CARS_UNUSED = "drill_cars_unused"
    NO_CARS = "drill_no_cars"


class UnfitError(Exception):
    """What was asked for makes no drill."""

    def __init__(self, why: Unfit) -> None:
        """Say why."""
        super().__init__(why)
        self.why = why


class Ending(StrEnum):
    """What ended a drill."""

    OVER = "over"
    STOPPED = "stopped"
    BROKEN = "broken"
    RESTARTED = "restarted"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be rehearsed; `cars` are hit where the scope is a part of them."""

    status: Status = Status.OUTAGE
    scope: Scope | None = None
    elsewhere: frozenset[str] = frozenset()
    cars: frozenset[str] = frozenset()
    duration: timedelta = DURATION


@dataclass(frozen=True, kw_only=True)
class Drill:
    """An outage that is rehearsed, from `began` to `ends` (monotonic seconds).

    `before` is what was really judged when it began.
    """

    judgement: Judgement
    before: Judgement
    began: float
    ends: float

    def length(self, now: float) -> timedelta:
        """Return how long it has lasted."""
        return timedelta(seconds=now - self.began)

    def broken_by(self, real: Judgement) -> bool:
        """Tell whether something real has happened that an owner has to hear of."""
        if on(real):
            return True
        if real.warning and set(real.elsewhere) - set(self.before.elsewhere):
            return True
        return real.status in _TROUBLES and real.status is not self.before.status


def on(real: Judgement) -> bool:
    """Tell whether an outage is really on, also while nobody can see its end."""
    return real.status in OUTAGES or real.since is not None


def rehearse(
    plan: Plan,
    *,
    region: str,
    others: frozenset[str],
    models: Mapping[str, str],
    real: Judgement,
    wall: datetime,
    now: float,
) -> Drill:
    """Make a drill for a home in a region; raise if the plan makes none.

    `others` are the other regions, `models` those of the home's cars by their ids.
    """
    if not SHORTEST <= plan.duration <= LONGEST:
        raise UnfitError(Unfit.DURATION)
    scope = plan.scope or SCOPES[plan.status][0]
    if scope not in SCOPES[plan.status]:
        raise UnfitError(Unfit.SCOPE)
    affected, named = _hit(plan, scope, models)
    judgement = Judgement(
        status=plan.status,
        scope=scope,
        planes=_PLANES[plan.status],
        elsewhere=_elsewhere(plan, scope, region, others),
        models=named,
        since=wall,
        affected=affected,
    )
    return Drill(
        judgement=judgement,
        before=real,
        began=now,
        ends=now + plan.duration.total_seconds(),
    )


def _elsewhere(
    plan: Plan, scope: Scope, region: str, others: frozenset[str]
) -> tuple[str, ...]:
    """Return the other regions that fail, too."""
    if region in plan.elsewhere:
        raise UnfitError(Unfit.ELSEWHERE_OWN)
    if scope is Scope.REGIONS:
        if not plan.elsewhere:
            raise UnfitError(Unfit.ELSEWHERE_MISSING)
        if plan.elsewhere >= others:
            raise UnfitError(Unfit.ELSEWHERE_ALL)
        return tuple(sorted(plan.elsewhere))
    if plan.elsewhere:
        raise UnfitError(Unfit.ELSEWHERE_UNUSED)
    # A sign-in that fails everywhere is no failure of the regions.
    whole = plan.status is Status.OUTAGE and scope is Scope.WORLDWIDE
    return tuple(sorted(others)) if whole else ()


def _hit(
    plan: Plan, scope: Scope, models: Mapping[str, str]
) -> tuple[frozenset[str] | None, tuple[str, ...]]:
    """Return the cars that are hit, None for all, and which models these are."""
    if scope not in (Scope.VEHICLE, Scope.MODEL):
        if plan.cars:
            raise UnfitError(Unfit.CARS_UNUSED)
        return None, ()
    cars = plan.cars or frozenset(models)
    if not cars:
        raise UnfitError(Unfit.NO_CARS)
    if scope is Scope.VEHICLE:
        return cars, ()
    hit = {models[car] for car in cars}
    affected = frozenset(car for car, model in models.items() if model in hit)
    return affected, tuple(sorted(hit))
