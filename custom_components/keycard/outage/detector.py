"""The judge: evidence over time becomes a judgement."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NotRequired, TypedDict

from .account import Account, StoredAccount
from .account_calls import Cars, Count, StoredCar
from .evidence import CACHED, STALE, Evidence, Subject
from .health import RECENT, RENEWALS, Health, Track
from .host_monitor import Watch
from .models import FROZEN, OUTAGES, Judgement, Missing, Plane, Scope, Status
from .stale_data import Beside, StoredBeside
from .stored_values import LONGEST_GAP, check_form, read_time
from .vehicle_calls import Outcome


class StoredJudge(TypedDict):
    """What is kept of a judge over a restart."""

    status: str
    scope: str
    planes: list[str]
    elsewhere: list[str]
    models: list[str]
    affected: list[str] | None
    since: str | None
    verified: bool
    cars: dict[str, StoredCar]
    account: StoredAccount
    renewals_fail: NotRequired[bool]
    beside: NotRequired[StoredBeside]


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
        self.beside = Beside()
        self.judgement = Judgement(missing=(Missing.FIRST_ANSWER,))
        self._cars = Cars(third_party=in_between)
        # Some sign-ins may not be renewed while their host seems well.
        self._renewals = Track(rule=RENEWALS, verified=True)
        self._started = now
        self._suspected: float | None = None
        self._cut_off = False

    # Evidence

    def observe(self, evidence: Evidence) -> None:
        """Take in what a call told; the car is None for calls about the account."""
        if (
            self.in_between
            and evidence.meaning == STALE
            and self.judgement.since is None
        ):
            # A cache that stands still is a third party's own.
            evidence = replace(evidence, meaning=CACHED)
        doubts = self.account.observe(evidence)
        # While their host is down, who refuses calls may just stand in front of it.
        refused = evidence.meaning.subject is Subject.ACCOUNT
        if not (refused and self.watch.track(self.region).down):
            doubts = self._cars.observe(evidence) or doubts
        if doubts:
            self.watch.ask_now(evidence.at)
        elif not evidence.good and not evidence.answered:
            # Silence tells something only beside a host that does answer.
            self.watch.ask_region(self.region, evidence.at)

    def observe_renewal(self, evidence: Evidence) -> None:
        """Take in how renewing the owner's sign-in with the maker went."""
        if evidence.meaning.subject is Subject.AUTH:
            self._renewals.observe(evidence)
        else:
            self.account.observe(evidence)
        if not evidence.good:
            self.watch.ask_now(evidence.at)

    def forget(self, car: str) -> None:
        """Forget a car that left the account."""
        self._cars.forget(car)
        self.account.forget(car)

    def calls_due(self, now: float) -> list[tuple[str | None, Plane]]:
        """Say which calls would settle a suspicion now; each is said once."""
        return self._cars.due(now)

    def next_call(self) -> float:
        """Return when `calls_due` has something to say next."""
        return self._cars.next_at()

    def wants_proof(self, car: str, now: float) -> bool:
        """Tell whether a car's data must show that an outage is over."""
        return self._cars.wants_proof(car, now)

    def excuse(self, car: str) -> None:
        """Ask no proof of a car's data with its next evidence: it is not online."""
        calls = self._cars.of(car)
        calls.excuse()
        calls.provable = False

    def calls_work(self, car: str, now: float) -> bool:
        """Tell whether calls for a car get through."""
        works = self._cars.of(car).works(now, None)
        return bool(works) and self.account.refuses(car) is None

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
            return self.judgement
        if (since := self._since(found, now, wall)) != found.since:
            found = replace(found, since=since)
        self.judgement = found
        self.watch.raise_alarm(self, on=self.judgement.status in OUTAGES)
        return self.judgement

    def _settle(self, own: Track, now: float) -> None:
        self._follow_host(own, now)
        if not self.watch.internet_down:
            outage = self.judgement.since is not None or own.down
            self._cars.confirm(own, outage=outage)
        self._cars.weigh(now)
        if own.health(now) is Health.UP:
            if self._renewals.ripe:
                self._renewals.confirm()
            since = max(self._started, own.last_bad or self._started)
            self._cars.let_go(self.account, now, since=since)
        if own.failing or self.watch.internet_down:
            self.beside.interrupt(now)
        self.beside.weigh(now)
        self.account.fade(now)
        if (refused := self.account.first_refused) is not None:
            self.account.weigh(
                sign_in_healthy=self.in_between
                or self.watch.sign_in_healthy_since(refused)
            )

    def _follow_host(self, own: Track, now: float) -> None:
        """Set the calls beside their host: ask both, and doubt both."""
        if own.suspected_at is None:
            if self._suspected is not None and not own.down:
                self._cars.begin_anew(now, silent=not self._cut_off)
            self._cut_off = False
        else:
            if own.suspected_at != self._suspected:
                self._cars.ask(now)
            self._cut_off = self._cut_off or self.watch.internet_down
        self._suspected = own.suspected_at

    def _find(self, own: Track, now: float) -> Judgement | None:
        """Walk the decision table; None holds what was judged before."""
        if not self._heard(own, now):
            return None
        health = own.health(now)
        count = self._cars.count(now, self._counts_since(own, health))
        outcome = self._outcome(count)
        elsewhere = self._elsewhere()

        if (
            self.watch.internet_down
            and (health in _UNWELL or outcome is Outcome.ALL_FAIL)
            and not count.fine
        ):
            return Judgement(
                status=Status.INTERNET_DOWN,
                scope=Scope.NONE,
                affected=self.judgement.affected,
            )
        if self.in_between and outcome is Outcome.ALL_FAIL and health is Health.UP:
            if not own.settled(now) or self._catching_up(own, now):
                return None
            return Judgement(
                status=Status.PROVIDER_DOWN, scope=Scope.NONE, elsewhere=elsewhere
            )
        calls_prove = outcome is Outcome.ALL_FAIL and not self.in_between
        if calls_prove or (own.down and not count.fine):
            return Judgement(
                status=Status.OUTAGE,
                scope=self._reach(elsewhere),
                planes=_planes(
                    (Plane.STATUS, own.down), (Plane.API, outcome is Outcome.ALL_FAIL)
                ),
                elsewhere=elsewhere,
                affected=None,
            )
        if outcome is Outcome.SOME_FAIL and (
            # Through a service it is nobody's, unless the maker's outage began it.
            not self.in_between or self.judgement.since is not None
        ):
            if self._cars.settling(count, now):
                return None
            return self._find_partial(count, elsewhere)
        if (degraded := self._find_degraded(now, elsewhere)) is not None:
            return degraded
        if own.verified and not own.settled(now):
            return None
        if self.watch.sign_in_down or self._renewals.down:
            return Judgement(
                status=Status.SIGN_IN_OUTAGE,
                scope=Scope.WORLDWIDE,
                planes=(Plane.AUTH,),
                elsewhere=elsewhere,
                affected=None,
            )
        if self.account.reason is not None:
            return Judgement(
                status=Status.ACCOUNT_PROBLEM, scope=Scope.ACCOUNT, elsewhere=elsewhere
            )
        if self.beside.still and health is Health.UP:
            return Judgement(
                status=Status.DEGRADED,
                scope=Scope.VEHICLE,
                planes=(Plane.DATA,),
                elsewhere=elsewhere,
                seen=self.beside.still,
            )
        if count.fine or health is Health.UP:
            if self.judgement.since is not None and self._cars.unproven(now):
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
        return own.last_good is not None or own.failing or self._cars.heard(now)

    def _counts_since(self, own: Track, health: Health) -> float | None:
        """Return from when on calls count beside what fails."""
        if health not in _UNWELL:
            return self._cars.began()
        return self._started if own.began is None else own.began

    def _outcome(self, count: Count) -> Outcome:
        if not count.failing:
            return Outcome.FINE if count.fine else Outcome.NONE
        # Where only some were hit, silence about the others does not make it all.
        partial = bool(self.judgement.affected) and count.unknown
        return Outcome.SOME_FAIL if count.fine or partial else Outcome.ALL_FAIL

    def _catching_up(self, own: Track, now: float) -> bool:
        """Tell whether a service may still suffer from an outage of the maker's."""
        return (
            self.judgement.status in OUTAGES
            and own.cleared_at is not None
            and now - own.cleared_at < RECENT
        )

    def _elsewhere(self) -> tuple[str, ...]:
        return tuple(
            region for region in self.watch.failing_regions() if region != self.region
        )

    def _reach(self, elsewhere: tuple[str, ...]) -> Scope:
        if not elsewhere:
            return Scope.REGION
        others = len(self.watch.regions) - 1
        return Scope.WORLDWIDE if len(elsewhere) == others else Scope.REGIONS

    def _find_partial(self, count: Count, elsewhere: tuple[str, ...]) -> Judgement:
        models = self._cars.models(count.failing)
        by_model = not models & self._cars.models(count.fine) and None not in models
        return Judgement(
            status=Status.DEGRADED,
            scope=Scope.MODEL if by_model else Scope.VEHICLE,
            planes=(Plane.API,),
            models=_names(models) if by_model else (),
            elsewhere=elsewhere,
            affected=count.failing,
        )

    def _find_degraded(
        self, now: float, elsewhere: tuple[str, ...]
    ) -> Judgement | None:
        if not self._cars.ailing:
            return None
        by_plane = {
            # What comes through a service in between by fits may be its own doing.
            Plane.API: frozenset() if self.in_between else self._cars.flawed(),
            Plane.DATA: self._cars.down(Plane.DATA),
            Plane.COMMANDS: self._cars.down(Plane.COMMANDS),
        }
        hit = frozenset[str]().union(*by_plane.values())
        if not hit:
            return None
        scope, models = self._find_scope(hit, now)
        return Judgement(
            status=Status.DEGRADED,
            scope=scope,
            planes=_planes(*((plane, bool(cars)) for plane, cars in by_plane.items())),
            models=models,
            elsewhere=elsewhere,
            affected=by_plane[Plane.API] | by_plane[Plane.COMMANDS],
        )

    def _find_scope(
        self, hit: frozenset[str], now: float
    ) -> tuple[Scope, tuple[str, ...]]:
        """Tell whom a plane's failure hits, and which models if it is theirs only."""
        if self.judgement.status is Status.DEGRADED and self._cars.fading(hit, now):
            # The cars come back one by one.
            return self.judgement.scope, self.judgement.models
        spared = self._cars.spared(hit)
        if not spared:
            return Scope.REGION, ()
        models = self._cars.models(hit)
        if None in models or models & self._cars.models(spared):
            return Scope.VEHICLE, ()
        return Scope.MODEL, _names(models)

    def _missing(self, own: Track) -> tuple[Missing, ...]:
        if own.doubt is not None:
            return (Missing(own.doubt.value),)
        if not own.verified:
            return (Missing.FIRST_ANSWER,)
        if own.spent:
            return (Missing.UNRELATED_ANSWER,)
        return (Missing.RECENT_ANSWER,)

    def _since(self, found: Judgement, now: float, wall: datetime) -> datetime | None:
        if found.status in FROZEN:
            return self.judgement.since
        if found.status not in OUTAGES:
            return None
        if self.judgement.since is not None:
            return self.judgement.since
        began = [self._cars.began()]
        if found.status is Status.OUTAGE:
            began.append(self.watch.track(self.region).began)
        if found.status is Status.SIGN_IN_OUTAGE:
            began += [self.watch.sign_in_began, self._renewals.began]
        if found.seen:
            began.append(self.beside.began)
        seen = min((at for at in began if at is not None), default=now)
        return wall - timedelta(seconds=now - seen)

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
            verified=self._cars.verified,
            cars=self._cars.dump(),
            account=self.account.dump(now),
            renewals_fail=self._renewals.down,
            beside=self.beside.dump(),
        )

    def restore(self, stored: StoredJudge, *, now: float, away: float) -> None:
        """Take up what was kept, whole or not at all; `away` are the seconds since.

        After a day in which nobody watched, no failure of before says anything of now.
        """
        check_form(stored, StoredJudge)
        if away > LONGEST_GAP.total_seconds():
            stored = _without_failures(stored)
        # What cannot be read raises here, and leaves all as it is.
        trial = Judge(
            self.watch, region=self.region, in_between=self.in_between, now=now
        )
        trial._restore(stored, now=now, away=away)
        self._restore(stored, now=now, away=away)

    def _restore(self, stored: StoredJudge, *, now: float, away: float) -> None:
        affected = stored["affected"]
        if (beside := stored.get("beside")) is not None:
            self.beside.restore(beside, now)
        self.judgement = Judgement(
            status=Status(stored["status"]),
            scope=Scope(stored["scope"]),
            planes=tuple(Plane(plane) for plane in stored["planes"]),
            elsewhere=tuple(stored["elsewhere"]),
            models=tuple(stored["models"]),
            affected=None if affected is None else frozenset(affected),
            since=read_time(stored["since"]) if stored["since"] else None,
            seen=self.beside.still,
        )
        self._cars.verified = stored["verified"]
        self._cars.restore(stored["cars"])
        self.account.restore(stored["account"], now=now, away=away)
        self._renewals.down = stored.get("renewals_fail") is True


_UNWELL = frozenset({Health.DOWN, Health.DOUBTFUL})


def _without_failures(stored: StoredJudge) -> StoredJudge:
    """Return what is to be kept of a judge though nobody watched for long."""
    fresh = Judgement()
    cars = stored["cars"].items()
    kept = StoredJudge(
        status=fresh.status,
        scope=fresh.scope,
        planes=[],
        elsewhere=[],
        models=[],
        affected=None if fresh.affected is None else sorted(fresh.affected),
        since=None,
        verified=stored["verified"],
        cars={name: {**car, "down": [], "flawed": False} for name, car in cars},
        account=stored["account"],
    )
    if (beside := stored.get("beside")) is not None:
        kept["beside"] = {**beside, "still": []}
    return kept


def _planes(*found: tuple[Plane, bool]) -> tuple[Plane, ...]:
    return tuple(plane for plane, fails in found if fails)


def _names(models: frozenset[str | None]) -> tuple[str, ...]:
    return tuple(sorted(model for model in models if model is not None))
