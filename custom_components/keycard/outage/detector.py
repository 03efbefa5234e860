"""Detector that turns evidence over time into an assessment."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NotRequired, TypedDict

from .account import AccountStatus, StoredAccount
from .account_calls import AccountCallHealth, StoredVehicle, VehicleTally
from .confirmation import RECENT, RENEWALS, Health, HealthTracker
from .evidence import CACHED, STALE, Evidence, Reason, RequestType, Subject
from .external_data import StaleDataDetector, StoredStaleData
from .host_monitor import HostMonitor
from .models import (
    INCONCLUSIVE,
    OUTAGES,
    Assessment,
    MissingEvidence,
    Scope,
    Status,
    Subsystem,
)
from .stored_values import LONGEST_GAP, check_type, parse_stored_time
from .vehicle_calls import FailureExtent


class StoredDetector(TypedDict):
    """Stored data of the detector."""

    status: str
    scope: str
    planes: list[str]
    elsewhere: list[str]
    models: list[str]
    affected: list[str] | None
    since: str | None
    verified: bool
    cars: dict[str, StoredVehicle]
    account: StoredAccount
    renewals_fail: NotRequired[bool]
    beside: NotRequired[StoredStaleData]


class OutageDetector:
    """Detect outages of Tesla's cloud for one account, or without one.

    A pure state machine: `observe_call` takes the evidence of calls, `HostMonitor`
    that of hosts. Times are monotonic seconds, `utcnow` is UTC.
    """

    def __init__(
        self,
        watch: HostMonitor,
        *,
        region: str,
        third_party: bool,
        monotonic: float,
        issues_tokens: bool = False,
        renews_tokens: bool = False,
        vehicle_ids: Collection[str] = (),
        stale_data: StaleDataDetector | None = None,
    ) -> None:
        """Initialize for a region; `third_party` if a third party answers calls.

        It `issues_tokens` of its own, or forwards those of Tesla. The account
        `renews_tokens`, or has one without an end. `vehicle_ids` are those of the
        account, which may change.
        """
        self.host_monitor = watch
        self.region = region
        self.third_party = third_party
        self.issues_tokens = issues_tokens
        self.account = AccountStatus(
            vehicle_ids=vehicle_ids, renews_tokens=renews_tokens
        )
        self.stale_data = stale_data or StaleDataDetector()
        self.assessment = Assessment(missing_evidence=(MissingEvidence.FIRST_ANSWER,))
        self._calls = AccountCallHealth(third_party=third_party)
        # Refreshing some tokens may fail while their host seems healthy.
        self._token_refresh = HealthTracker(rule=RENEWALS, verified=True)
        self._started_at = monotonic
        self._host_suspected_at: float | None = None
        self._internet_was_down = False

    # Evidence

    def observe_call(self, evidence: Evidence) -> None:
        """Update from a call; its vehicle is None for calls for the account."""
        if (
            self.third_party
            and evidence.classification == STALE
            and self.assessment.since is None
        ):
            # A stale cache is a problem of the third party.
            evidence = replace(evidence, classification=CACHED)
        if (
            evidence.request_type is RequestType.CALL
            and evidence.vehicle_id is not None
            and not self.third_party
        ):
            self.host_monitor.record_call(self.region, evidence.sent_at)
        doubts = self.account.observe_answer(evidence)
        # While the host is down, a gateway in front of it may refuse calls.
        refused = evidence.classification.subject is Subject.ACCOUNT
        if not (refused and self.host_monitor.tracker(self.region).down):
            doubts = self._calls.observe_vehicle_call(evidence) or doubts
        if doubts:
            self.host_monitor.probe_now(evidence.at)
        elif not evidence.good and not evidence.answered:
            # A timeout is evidence only if the host answers probes meanwhile.
            self.host_monitor.probe_region(self.region, evidence.at)

    def observe_slow_call(self, monotonic: float) -> None:
        """Probe the region, as a call has no answer yet.

        A third party may be slow by itself.
        """
        if not self.third_party:
            self.host_monitor.probe_region(self.region, monotonic)

    def observe_token_refresh(self, evidence: Evidence) -> None:
        """Update from a token refresh."""
        if evidence.classification.subject is Subject.AUTH:
            self._token_refresh.add_evidence(evidence)
        else:
            self.account.observe_answer(evidence)
        if not evidence.good:
            self.host_monitor.probe_now(evidence.at)

    def forget(self, vehicle_id: str) -> None:
        """Remove a vehicle that left the account."""
        self._calls.forget_vehicle(vehicle_id)
        self.account.forget_vehicle(vehicle_id)

    def calls_due(self, monotonic: float) -> list[tuple[str | None, Subsystem]]:
        """Return the calls that are due to settle a suspicion, each once."""
        return self._calls.due(monotonic)

    def next_call(self) -> float:
        """Return when `calls_due` next returns something."""
        return self._calls.next_at()

    def waive_recovery_proof(self, vehicle_id: str) -> None:
        """Require no recovery proof from the data of a vehicle that is not online."""
        calls = self._calls.get_or_create(vehicle_id)
        calls.waive_recovery_proof()
        calls.can_confirm_recovery = False

    def calls_work(self, vehicle_id: str, monotonic: float) -> bool:
        """Return whether calls for a vehicle work."""
        works = self._calls.get_or_create(vehicle_id).is_working(monotonic, None)
        return bool(works) and self.account.refusal_of(vehicle_id) is None

    def vehicles_with_working_calls(self, monotonic: float) -> frozenset[str]:
        """Return the vehicles of which `calls_work` is True."""
        return frozenset(
            vehicle_id
            for vehicle_id in self._calls.working_vehicles(monotonic)
            if self.account.refusal_of(vehicle_id) is None
        )

    def calls_steady(self, vehicle_id: str) -> bool:
        """Return whether calls for a vehicle work, without any doubt of its cloud."""
        return (
            self.assessment.since is None
            and not self.host_monitor.tracker(self.region).failing
            and self._calls.is_steady(vehicle_id)
        )

    @property
    def account_refusal(self) -> Reason | None:
        """Return why calls for all vehicles are refused, None if they are not."""
        return self.account.refusal_of("")

    def refusal_of(self, vehicle_id: str) -> Reason | None:
        """Return why calls for a vehicle are refused, None if they are not."""
        return self.account.refusal_of(vehicle_id)

    def calls_paused(self, monotonic: float) -> bool:
        """Return whether calls of any kind are paused for the account."""
        return monotonic < self.account.paused_until

    @property
    def auth_invalid(self) -> bool:
        """Return whether the user must sign in again."""
        return self.account.auth_invalid

    # Assessment

    def assess(self, monotonic: float, utcnow: datetime) -> Assessment:
        """Return the current assessment."""
        own_host = self.host_monitor.tracker(self.region)
        self._update_trackers(own_host, monotonic)
        found = self._evaluate_rules(own_host, monotonic)
        if found is None:
            return self.assessment
        if (since := self._since(found, monotonic, utcnow)) != found.since:
            found = replace(found, since=since)
        if found != self.assessment:
            self.assessment = found
        self.host_monitor.set_outage_active(self, on=self.assessment.status in OUTAGES)
        return self.assessment

    def _update_trackers(self, own_host: HealthTracker, monotonic: float) -> None:
        self._follow_host(own_host, monotonic)
        if not self.host_monitor.internet_down:
            outage = self.assessment.since is not None or own_host.down
            self._calls.confirm(own_host, outage=outage)
        self._calls.update(monotonic)
        if own_host.health(monotonic) is Health.UP:
            if self._token_refresh.confirmable:
                self._token_refresh.confirm()
            since = max(self._started_at, own_host.last_bad or self._started_at)
            self._calls.release_refused(self.account, monotonic, since=since)
        if own_host.failing or self.host_monitor.internet_down:
            self.stale_data.reset_timers(monotonic)
        self.stale_data.evaluate(monotonic)
        self.account.expire_limits(monotonic)
        if (refused := self.account.auth_refused_at) is not None:
            self.account.evaluate_auth(
                sign_in_healthy=self.issues_tokens
                or self.host_monitor.sign_in_healthy_since(refused)
            )

    def _follow_host(self, own_host: HealthTracker, monotonic: float) -> None:
        """Restart or request calls when their host is suspected."""
        if own_host.suspected_at is None:
            if self._host_suspected_at is not None and not own_host.down:
                self._calls.restart_suspicions(
                    monotonic, silent=not self._internet_was_down
                )
            self._internet_was_down = False
        else:
            if own_host.suspected_at != self._host_suspected_at:
                self._calls.request_now(monotonic)
            self._internet_was_down = (
                self._internet_was_down or self.host_monitor.internet_down
            )
        self._host_suspected_at = own_host.suspected_at

    def _evaluate_rules(
        self, own_host: HealthTracker, monotonic: float
    ) -> Assessment | None:
        """Evaluate the decision table; None keeps the last assessment."""
        if not self._has_evidence(own_host, monotonic):
            return None
        health = own_host.health(monotonic)
        count = self._calls.count(monotonic, self._counts_since(own_host, health))
        outcome = self._outcome(count)
        other_regions = self._other_regions()

        if (
            self.host_monitor.internet_down
            and (health in _UNWELL or outcome is FailureExtent.ALL_FAIL)
            and not count.fine
        ):
            return Assessment(
                status=Status.INTERNET_DOWN,
                scope=Scope.NONE,
                affected=self.assessment.affected,
            )
        if (
            self.third_party
            and outcome is FailureExtent.ALL_FAIL
            and health is Health.UP
        ):
            if not own_host.is_settled(monotonic) or self._is_catching_up(
                own_host, monotonic
            ):
                return None
            return Assessment(
                status=Status.PROVIDER_DOWN,
                scope=Scope.NONE,
                other_regions=other_regions,
            )
        calls_prove = outcome is FailureExtent.ALL_FAIL and not self.third_party
        if calls_prove or (own_host.down and not count.fine):
            return Assessment(
                status=Status.OUTAGE,
                scope=self._scope(other_regions),
                subsystems=_subsystems(
                    (Subsystem.STATUS, own_host.down),
                    (Subsystem.API, outcome is FailureExtent.ALL_FAIL),
                ),
                other_regions=other_regions,
                affected=None,
            )
        if outcome is FailureExtent.SOME_FAIL and (
            # Through a third party the cause is unknown, unless an outage is active.
            not self.third_party or self.assessment.since is not None
        ):
            known = self.assessment.affected
            if self._calls.is_settling(
                count, count.failing if known is None else known, monotonic
            ):
                return None
            return self._find_partial(count, other_regions, monotonic)
        if (degraded := self._find_degraded(monotonic, other_regions)) is not None:
            return degraded
        if own_host.verified and not own_host.is_settled(monotonic):
            return None
        if self.host_monitor.sign_in_down or self._token_refresh.down:
            return Assessment(
                status=Status.SIGN_IN_OUTAGE,
                scope=Scope.WORLDWIDE,
                subsystems=(Subsystem.AUTH,),
                other_regions=other_regions,
                affected=None,
            )
        if self.account.reason is not None:
            return Assessment(
                status=Status.ACCOUNT_PROBLEM,
                scope=Scope.ACCOUNT,
                other_regions=other_regions,
            )
        if self.stale_data.stale_vehicles and health is Health.UP:
            return Assessment(
                status=Status.DEGRADED,
                scope=Scope.VEHICLE,
                subsystems=(Subsystem.DATA,),
                other_regions=other_regions,
                stale_vehicles=self.stale_data.stale_vehicles,
            )
        if count.fine or health is Health.UP:
            if self.assessment.since is not None and self._calls.awaits_recovery_proof(
                monotonic
            ):
                return None
            return Assessment(
                status=Status.OPERATIONAL, scope=Scope.NONE, other_regions=other_regions
            )
        return Assessment(
            missing_evidence=self._missing(own_host),
            other_regions=other_regions,
            affected=self.assessment.affected,
        )

    def _has_evidence(self, own_host: HealthTracker, monotonic: float) -> bool:
        """Return whether there is evidence since the start."""
        return (
            own_host.last_good is not None
            or own_host.failing
            or self._calls.has_evidence(monotonic)
        )

    def _counts_since(self, own_host: HealthTracker, health: Health) -> float | None:
        """Return the time since which calls count during the current failure."""
        if health not in _UNWELL:
            return self._calls.started_at()
        return self._started_at if own_host.started_at is None else own_host.started_at

    def _outcome(self, count: VehicleTally) -> FailureExtent:
        if not count.failing:
            return FailureExtent.FINE if count.fine else FailureExtent.NONE
        # Missing evidence of the others does not make a partial failure a full one.
        partial = bool(self.assessment.affected) and count.unknown
        return (
            FailureExtent.SOME_FAIL if count.fine or partial else FailureExtent.ALL_FAIL
        )

    def _is_catching_up(self, own_host: HealthTracker, monotonic: float) -> bool:
        """Return whether a third party may still be recovering from an outage."""
        return (
            self.assessment.status in OUTAGES
            and own_host.cleared_at is not None
            and monotonic - own_host.cleared_at < RECENT
        )

    def _other_regions(self) -> tuple[str, ...]:
        return tuple(
            region
            for region in self.host_monitor.failing_regions()
            if region != self.region
        )

    def _scope(self, other_regions: tuple[str, ...]) -> Scope:
        if not other_regions:
            return Scope.REGION
        others = len(self.host_monitor.regions) - 1
        return Scope.WORLDWIDE if len(other_regions) == others else Scope.REGIONS

    def _find_partial(
        self, count: VehicleTally, other_regions: tuple[str, ...], monotonic: float
    ) -> Assessment:
        models = self._calls.models(count.failing)
        fine = self._calls.models(
            self._calls.working_vehicles(monotonic, count.sent_since)
        )
        by_model = not models & fine and None not in models
        return Assessment(
            status=Status.DEGRADED,
            scope=Scope.MODEL if by_model else Scope.VEHICLE,
            subsystems=(Subsystem.API,),
            models=_names(models) if by_model else (),
            other_regions=other_regions,
            affected=count.failing,
        )

    def _find_degraded(
        self, monotonic: float, other_regions: tuple[str, ...]
    ) -> Assessment | None:
        if not self._calls.degraded:
            return None
        by_subsystem = {
            # Intermittent failures may be caused by a third party.
            Subsystem.API: frozenset()
            if self.third_party
            else self._calls.intermittent(),
            Subsystem.DATA: self._calls.down(Subsystem.DATA),
            Subsystem.COMMANDS: self._calls.down(Subsystem.COMMANDS),
        }
        hit = frozenset[str]().union(*by_subsystem.values())
        if not hit:
            return None
        scope, models = self._find_scope(hit, monotonic)
        return Assessment(
            status=Status.DEGRADED,
            scope=scope,
            subsystems=_subsystems(
                *(
                    (subsystem, bool(vehicle_ids))
                    for subsystem, vehicle_ids in by_subsystem.items()
                )
            ),
            models=models,
            other_regions=other_regions,
            affected=by_subsystem[Subsystem.API] | by_subsystem[Subsystem.COMMANDS],
        )

    def _find_scope(
        self, hit: frozenset[str], monotonic: float
    ) -> tuple[Scope, tuple[str, ...]]:
        """Return scope and models of a subsystem's failure."""
        if self.assessment.status is Status.DEGRADED and self._calls.is_recovering(
            hit, monotonic
        ):
            # Vehicles recover one by one.
            return self.assessment.scope, self.assessment.models
        unaffected = self._calls.unaffected(hit)
        if not unaffected:
            return Scope.REGION, ()
        models = self._calls.models(hit)
        if None in models or models & self._calls.models(unaffected):
            return Scope.VEHICLE, ()
        return Scope.MODEL, _names(models)

    def _missing(self, own_host: HealthTracker) -> tuple[MissingEvidence, ...]:
        if own_host.inconclusive_reason is not None:
            return (MissingEvidence(own_host.inconclusive_reason.value),)
        if not own_host.verified:
            return (MissingEvidence.FIRST_ANSWER,)
        if own_host.exhausted:
            return (MissingEvidence.UNRELATED_ANSWER,)
        return (MissingEvidence.RECENT_ANSWER,)

    def _since(
        self, found: Assessment, monotonic: float, utcnow: datetime
    ) -> datetime | None:
        if found.status in INCONCLUSIVE:
            return self.assessment.since
        if found.status not in OUTAGES:
            return None
        if self.assessment.since is not None:
            return self.assessment.since
        began = [self._calls.started_at()]
        if found.status is Status.OUTAGE:
            began.append(self.host_monitor.tracker(self.region).started_at)
        if found.status is Status.SIGN_IN_OUTAGE:
            began += [
                self.host_monitor.sign_in_failing_since,
                self._token_refresh.started_at,
            ]
        if found.stale_vehicles:
            began.append(self.stale_data.started_at)
        seen = min((at for at in began if at is not None), default=monotonic)
        return utcnow - timedelta(seconds=monotonic - seen)

    # Storage

    def dump_state(self, monotonic: float) -> StoredDetector:
        """Return the data to store."""
        assessment = self.assessment
        return StoredDetector(
            status=assessment.status,
            scope=assessment.scope,
            planes=list(assessment.subsystems),
            elsewhere=list(assessment.other_regions),
            models=list(assessment.models),
            affected=(
                None if assessment.affected is None else sorted(assessment.affected)
            ),
            since=assessment.since.isoformat() if assessment.since else None,
            verified=self._calls.verified,
            cars=self._calls.dump_vehicles(),
            account=self.account.dump_refusals(monotonic),
            renewals_fail=self._token_refresh.down,
            beside=self.stale_data.dump_intervals(),
        )

    def restore_state(
        self, stored: StoredDetector, *, monotonic: float, away: float
    ) -> None:
        """Restore stored data completely or raise; `away` is their age in seconds.

        Failures older than a day are dropped.
        """
        check_type(stored, StoredDetector)
        if away > LONGEST_GAP.total_seconds():
            stored = _without_failures(stored)
        # Invalid data raise here, before anything is changed.
        trial = OutageDetector(
            self.host_monitor,
            region=self.region,
            third_party=self.third_party,
            monotonic=monotonic,
        )
        trial._restore(stored, monotonic=monotonic, away=away)
        self._restore(stored, monotonic=monotonic, away=away)

    def _restore(
        self, stored: StoredDetector, *, monotonic: float, away: float
    ) -> None:
        affected = stored["affected"]
        if (external := stored.get("beside")) is not None:
            self.stale_data.restore_intervals(external, monotonic)
        self.assessment = Assessment(
            status=Status(stored["status"]),
            scope=Scope(stored["scope"]),
            subsystems=tuple(Subsystem(subsystem) for subsystem in stored["planes"]),
            other_regions=tuple(stored["elsewhere"]),
            models=tuple(stored["models"]),
            affected=None if affected is None else frozenset(affected),
            since=parse_stored_time(stored["since"]) if stored["since"] else None,
            stale_vehicles=self.stale_data.stale_vehicles,
        )
        self._calls.verified = stored["verified"]
        self._calls.restore_vehicles(stored["cars"], monotonic)
        self.account.restore_refusals(stored["account"], monotonic=monotonic, away=away)
        self._token_refresh.down = stored.get("renewals_fail") is True


_UNWELL = frozenset({Health.DOWN, Health.DOUBTFUL})


def _without_failures(stored: StoredDetector) -> StoredDetector:
    """Return the data that stay valid after a long gap."""
    empty = Assessment()
    valid = StoredDetector(
        status=empty.status,
        scope=empty.scope,
        planes=[],
        elsewhere=[],
        models=[],
        affected=None if empty.affected is None else sorted(empty.affected),
        since=None,
        verified=stored["verified"],
        cars={
            vehicle_id: {**vehicle, "down": [], "flawed": False}
            for vehicle_id, vehicle in stored["cars"].items()
        },
        account=stored["account"],
    )
    if (external := stored.get("beside")) is not None:
        valid["beside"] = {**external, "still": []}
    return valid


def _subsystems(*found: tuple[Subsystem, bool]) -> tuple[Subsystem, ...]:
    return tuple(subsystem for subsystem, fails in found if fails)


def _names(models: frozenset[str | None]) -> tuple[str, ...]:
    return tuple(sorted(model for model in models if model is not None))
