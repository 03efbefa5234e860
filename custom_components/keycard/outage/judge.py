"""The judge: evidence over time becomes a judgement."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypedDict

from .account import Account, StoredAccount
from .calls import CarCalls, Outcome
from .evidence import Evidence
from .track import Health, Track
from .watch import Watch
from .words import OUTAGES, Judgement, Missing, Plane, Scope, Status

_ACCOUNT = ""


class StoredJudge(TypedDict):
    """What is kept of a judge over a restart."""

    status: str
    scope: str
    planes: list[str]
    elsewhere: list[str]
    models: list[str]
    affected: list[str] | None
    since: str | None
    down: dict[str, list[str]]
    car_models: dict[str, str | None]
    account: StoredAccount
    answered: bool


class Judge:
    """Judge the maker's cloud for the owner of one account, or of none.

    A pure state machine: `observe` takes the evidence of calls, the watch that of the
    hosts; `judge` says what holds. Times are monotonic seconds, but for `wall` (UTC).
    """

    def __init__(
        self, watch: Watch, *, region: str, in_between: bool, now: float
    ) -> None:
        """Judge for a home in a region; `in_between` where a service answers calls."""
        self.watch = watch
        self.region = region
        self.in_between = in_between
        self.account = Account()
        self.judgement = Judgement(missing=(Missing.FIRST_ANSWER,))
        self._cars: dict[str, CarCalls] = {}
        self._started = now
        # A server that never answered well here cannot call an outage.
        self._answered = False

    # Evidence

    def observe(self, evidence: Evidence) -> None:
        """Take in what a call told; the car is None for calls about the account."""
        calls = self._calls(evidence.car or _ACCOUNT)
        calls.model = evidence.model or calls.model
        suspected = calls.tracks[Plane.API].suspected_at
        calls.observe(evidence)
        self._answered = self._answered or evidence.good
        doubts_sign_in = self.account.observe(evidence)
        begun = suspected is None and calls.tracks[Plane.API].suspected_at is not None
        if begun or doubts_sign_in:
            self.watch.ask_now(evidence.at)

    def _calls(self, car: str) -> CarCalls:
        return self._cars.setdefault(car, CarCalls())

    def forget(self, car: str) -> None:
        """Forget a car that left the account."""
        self._cars.pop(car, None)

    def calls_due(self, now: float) -> list[tuple[str | None, Plane]]:
        """Say which calls would settle a suspicion now; each is said once."""
        due: list[tuple[str | None, Plane]] = []
        for car, calls in self._cars.items():
            if calls.series and calls.series[0] <= now:
                calls.series = [at for at in calls.series if at > now]
                due.append((car or None, Plane.API))
            if calls.data_again is not None and calls.data_again <= now:
                calls.data_again = None
                due.append((car or None, Plane.DATA))
        return due

    def next_call(self) -> float:
        """Return when `calls_due` has something to say next."""
        times = [calls.series[0] for calls in self._cars.values() if calls.series]
        times += [
            calls.data_again
            for calls in self._cars.values()
            if calls.data_again is not None
        ]
        return min(times, default=float("inf"))

    def wants_proof(self, car: str, now: float) -> bool:
        """Tell whether a car's data must show that an outage is over."""
        calls = self._cars.get(car)
        return (
            calls is not None
            and calls.proof_until is not None
            and now < calls.proof_until
        )

    def excuse(self, car: str) -> None:
        """Ask no proof of a car's data: it is not online."""
        calls = self._calls(car)
        calls.proof_until = calls.data_again = None

    def calls_work(self, car: str, now: float) -> bool:
        """Tell whether calls for a car get through."""
        return self.account.reason is None and self._calls(car).api(now, None) is True

    @property
    def sign_in_proven_bad(self) -> bool:
        """Tell whether the owner must sign in again, beyond doubt."""
        return self.account.proven

    # Judgement

    def judge(self, now: float, wall: datetime) -> Judgement:
        """Say what holds now."""
        own = self.watch.track(self.region)
        self._settle(own, now)
        found = self._find(own, now)
        if found is None:
            found = replace(self.judgement, elsewhere=self._elsewhere())
        self.judgement = replace(found, since=self._since(found, now, wall))
        if self.judgement.status in OUTAGES:
            self.watch.alarms.add(self.region)
        else:
            self.watch.alarms.discard(self.region)
        return self.judgement

    def _settle(self, own: Track, now: float) -> None:
        contrast = own.health(now) is Health.UP and not own.failing
        for calls in self._cars.values():
            calls.confirm(contrast=contrast or own.down)
            calls.fade(now)
        since = self.account.first_refused
        if since is not None:
            self.account.weigh(
                sign_in_healthy=self.in_between
                or self.watch.sign_in_healthy_since(since)
            )

    def _find(self, own: Track, now: float) -> Judgement | None:
        """Walk the decision table; None holds what was judged before."""
        health = own.health(now)
        if not self._heard(own, now):
            return None
        doubtful = health in (Health.DOWN, Health.DOUBTFUL)
        failing, fine = self._count(now, self._counts_since(own) if doubtful else None)
        outcome = _outcome(failing, fine)
        elsewhere = self._elsewhere()

        if (
            self.watch.internet_down
            and (doubtful or outcome is Outcome.ALL_FAIL)
            and not fine
        ):
            return Judgement(
                status=Status.INTERNET_DOWN,
                scope=Scope.NONE,
                affected=self.judgement.affected,
            )
        if self.in_between and outcome is Outcome.ALL_FAIL and health is Health.UP:
            return Judgement(
                status=Status.PROVIDER_DOWN, scope=Scope.NONE, elsewhere=elsewhere
            )
        calls_prove = outcome is Outcome.ALL_FAIL and not self.in_between
        if calls_prove or (own.down and not fine):
            return Judgement(
                status=Status.OUTAGE,
                scope=self._reach(elsewhere),
                planes=_planes(
                    (Plane.STATUS, own.down), (Plane.API, outcome is Outcome.ALL_FAIL)
                ),
                elsewhere=elsewhere,
                affected=None,
            )
        if outcome is Outcome.SOME_FAIL and not self.in_between:
            return self._find_partial(failing, fine, elsewhere)
        if (degraded := self._find_degraded(elsewhere)) is not None:
            return degraded
        if self.watch.sign_in_down:
            return Judgement(
                status=Status.SIGN_IN_OUTAGE,
                scope=Scope.WORLDWIDE,
                planes=(Plane.AUTH,),
                elsewhere=elsewhere,
                affected=None,
            )
        if self.account.reason is not None:
            return Judgement(
                status=Status.ACCOUNT_PROBLEM,
                scope=Scope.ACCOUNT,
                elsewhere=elsewhere,
            )
        if fine or health is Health.UP:
            if self._unproven(now):
                return None
            return Judgement(
                status=Status.OPERATIONAL, scope=Scope.NONE, elsewhere=elsewhere
            )
        return Judgement(
            missing=self._missing(own),
            elsewhere=elsewhere,
            affected=self.judgement.affected,
        )

    def _heard(self, own: Track, now: float) -> bool:
        """Tell whether anything was learnt since the start."""
        if own.last_good is not None or own.failing:
            return True
        return any(
            calls.tracks[Plane.API].last_good is not None
            or calls.api(now, None) is False
            for calls in self._cars.values()
        )

    def _counts_since(self, own: Track) -> float:
        return self._started if own.began is None else own.began

    def _count(self, now: float, since: float | None) -> tuple[set[str], set[str]]:
        """Return the cars whose calls fail, and those whose calls work."""
        states = {car: self._cars[car].api(now, since) for car in self._counted()}
        failing = {car for car, works in states.items() if works is False}
        fine = {car for car, works in states.items() if works}
        return failing if self._answered else set(), fine

    def _counted(self) -> set[str]:
        """Return whose calls count: the cars', the account's own only without cars."""
        return set(self._cars) - {_ACCOUNT} or set(self._cars)

    def _elsewhere(self) -> tuple[str, ...]:
        return tuple(
            region for region in self.watch.failing_regions() if region != self.region
        )

    def _reach(self, elsewhere: tuple[str, ...]) -> Scope:
        if not elsewhere:
            return Scope.REGION
        others = len(self.watch.regions) - 1
        return Scope.WORLDWIDE if len(elsewhere) == others else Scope.REGIONS

    def _find_partial(
        self, failing: set[str], fine: set[str], elsewhere: tuple[str, ...]
    ) -> Judgement | None:
        tracks = {car: self._cars[car].tracks[Plane.API] for car in failing | fine}
        if any(tracks[car].suspected_at is not None for car in fine) or all(
            tracks[car].recovering for car in failing
        ):
            # The cars follow one another within seconds: wait for the last of them.
            return None
        models = self._models(failing)
        by_model = not models & self._models(fine) and None not in models
        return Judgement(
            status=Status.DEGRADED,
            scope=Scope.MODEL if by_model else Scope.VEHICLE,
            planes=(Plane.API,),
            models=_names(models) if by_model else (),
            elsewhere=elsewhere,
            affected=frozenset(failing),
        )

    def _models(self, cars: Iterable[str]) -> set[str | None]:
        return {self._cars[car].model for car in cars}

    def _find_degraded(self, elsewhere: tuple[str, ...]) -> Judgement | None:
        cars = self._counted()
        by_plane = {
            # What comes through a service in between by fits may be its own doing.
            Plane.API: {
                car for car in cars if self._cars[car].flawed and not self.in_between
            },
            Plane.DATA: self._down(Plane.DATA, cars),
            Plane.COMMANDS: self._down(Plane.COMMANDS, cars),
        }
        hit = set().union(*by_plane.values())
        if not hit:
            return None
        whole = hit == cars
        models = self._models(hit)
        by_model = not models & self._models(cars - hit)
        scope = Scope.VEHICLE
        if whole:
            scope = Scope.REGION
        elif by_model and None not in models:
            scope = Scope.MODEL
        return Judgement(
            status=Status.DEGRADED,
            scope=scope,
            planes=_planes(*((plane, bool(cars)) for plane, cars in by_plane.items())),
            models=_names(models) if scope is Scope.MODEL else (),
            elsewhere=elsewhere,
            affected=frozenset(by_plane[Plane.API] | by_plane[Plane.COMMANDS]),
        )

    def _down(self, plane: Plane, cars: set[str]) -> set[str]:
        return {car for car in cars if self._cars[car].tracks[plane].down}

    def _unproven(self, now: float) -> bool:
        return self.judgement.status in OUTAGES and any(
            self.wants_proof(car, now) for car in self._cars
        )

    def _missing(self, own: Track) -> tuple[Missing, ...]:
        if own.doubt is not None:
            return (Missing(own.doubt.value),)
        if not own.verified:
            return (Missing.FIRST_ANSWER,)
        if own.spent:
            return (Missing.UNRELATED_ANSWER,)
        return (Missing.RECENT_ANSWER,)

    def _since(self, found: Judgement, now: float, wall: datetime) -> datetime | None:
        if found.status not in OUTAGES:
            frozen = found.status in (Status.INTERNET_DOWN, Status.UNDETERMINED)
            return self.judgement.since if frozen else None
        if self.judgement.since is not None:
            return self.judgement.since
        tracks = (
            [self.watch.track(self.region)] if found.status is Status.OUTAGE else []
        )
        for calls in self._cars.values():
            tracks += calls.tracks.values()
        began = [track.began for track in tracks if track.down and track.began]
        return wall - timedelta(seconds=now - min(began, default=now))

    # Keeping

    def dump(self, now: float) -> StoredJudge:
        """Return what is to be kept over a restart."""
        held = self.judgement
        return StoredJudge(
            status=held.status,
            scope=held.scope,
            planes=list(held.planes),
            elsewhere=list(held.elsewhere),
            models=list(held.models),
            affected=None if held.affected is None else sorted(held.affected),
            since=held.since.isoformat() if held.since else None,
            down={
                car: [plane for plane, track in calls.tracks.items() if track.down]
                for car, calls in self._cars.items()
            },
            car_models={car: calls.model for car, calls in self._cars.items()},
            account=self.account.dump(now),
            answered=self._answered,
        )

    def restore(self, stored: StoredJudge, *, now: float, away: float) -> None:
        """Take up what was kept; `away` are the seconds since."""
        affected = stored["affected"]
        self.judgement = Judgement(
            status=Status(stored["status"]),
            scope=Scope(stored["scope"]),
            planes=tuple(Plane(plane) for plane in stored["planes"]),
            elsewhere=tuple(stored["elsewhere"]),
            models=tuple(stored["models"]),
            affected=None if affected is None else frozenset(affected),
            since=datetime.fromisoformat(stored["since"]) if stored["since"] else None,
        )
        for car, planes in stored["down"].items():
            calls = self._calls(car)
            calls.model = stored["car_models"].get(car)
            for plane in planes:
                calls.tracks[Plane(plane)].down = True
        self.account.restore(stored["account"], now=now, away=away)
        self._answered = stored["answered"]


def _outcome(failing: set[str], fine: set[str]) -> Outcome:
    if failing:
        return Outcome.SOME_FAIL if fine else Outcome.ALL_FAIL
    return Outcome.FINE if fine else Outcome.NONE


def _planes(*found: tuple[Plane, bool]) -> tuple[Plane, ...]:
    return tuple(plane for plane, fails in found if fails)


def _names(models: set[str | None]) -> tuple[str, ...]:
    return tuple(sorted(model for model in models if model is not None))
