"""Health of the API calls of one vehicle."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise

from .confirmation import (
    CALLS,
    COMMANDS,
    DATA,
    RECENT,
    ConfirmationRule,
    Health,
    HealthTracker,
)
from .evidence import Classification, Evidence, Reason, RequestType, Subject, Verdict
from .models import Subsystem

# Seconds after which calls are repeated to confirm or dismiss a suspicion.
SERIES = (0.0, 6.0, 12.0, 18.0, 24.0, 31.0)
# Seconds after a passed failure, to detect intermittent ones.
AFTERWARDS = (15.0, 30.0, 45.0)
# Seconds after the first good call of a recovery, to confirm it.
RETURN = (61.0, 122.0)
DATA_AGAIN = 65.0
COMMANDS_FADE = 3600.0
PROOF_WITHIN = 900.0

# Intermittent: so many separate failures in ten minutes, at least a fifth of the calls.
# It ends when less than a tenth of enough calls fail.
_INTERMITTENT = 6
_INTERMITTENT_SHARE = 0.2
_INTERMITTENT_SPAN = 0.1
_INTERMITTENT_CALLS = 8

# Stale data of a third party expire after so many seconds without proof, as its cache
# may never be refreshed.
THIRD_PARTY_FADES = 6 * 3600.0

_NEVER = float("inf")

# Seconds in which a call is sent to check whether only commands fail.
_CHECK_WITHIN = 30.0

# Seconds before the last failed call in which a good answer of its host counts.
_CONTRAST = 5.0

_RULES: dict[Subsystem, ConfirmationRule] = {
    Subsystem.API: CALLS,
    Subsystem.DATA: DATA,
    Subsystem.COMMANDS: COMMANDS,
}
_SUBSYSTEMS = {
    Subject.API: Subsystem.API,
    Subject.DATA: Subsystem.DATA,
    Subject.COMMANDS: Subsystem.COMMANDS,
}
# Reasons that only the subsystem itself can cause.
_SUBSYSTEM_SPECIFIC = frozenset({Reason.STALE, Reason.COMMANDS_FAIL})
_WORKS = Classification(subject=Subject.API, verdict=Verdict.GOOD, reason=Reason.OK)


class FailureExtent(StrEnum):
    """Extent of failing calls."""

    ALL_FAIL = "all_fail"
    SOME_FAIL = "some_fail"
    FINE = "fine"
    NONE = "none"


@dataclass(kw_only=True)
class VehicleCallHealth:
    """Health of one vehicle's calls, tracked by subsystem.

    `can_confirm_recovery` is whether the vehicle's data can prove the end of an outage;
    those of a sleeping vehicle cannot. With a `third_party`, the age of Tesla's
    response is unknown.
    """

    model: str | None = None
    third_party: bool = False
    trackers: dict[Subsystem, HealthTracker] = field(
        default_factory=lambda: {
            subsystem: HealthTracker(rule=rule, verified=True)
            for subsystem, rule in _RULES.items()
        }
    )
    confirmation_calls: list[float] = field(default_factory=list)
    later_calls: list[float] = field(default_factory=list)
    next_data_call: float | None = None
    recovery_proof_until: float | None = None
    can_confirm_recovery: bool = True
    intermittent: bool = False
    recent: deque[tuple[float, bool]] = field(default_factory=deque)
    data_failing_since: float | None = None
    """When stale data of a third party were first confirmed."""

    def __post_init__(self) -> None:
        """Accept the first newer data of a third party as the end of a failure."""
        if self.third_party:
            self.trackers[Subsystem.DATA].rule = replace(
                DATA, good_answers=1, good_span=0.0
            )

    @property
    def api(self) -> HealthTracker:
        """Return the health tracker of the calls in general."""
        return self.trackers[Subsystem.API]

    @property
    def degraded(self) -> bool:
        """Return whether a subsystem is down or calls fail intermittently."""
        return self.intermittent or any(track.down for track in self.trackers.values())

    @property
    def failing(self) -> bool:
        """Return whether a subsystem fails, confirmed or not."""
        return any(track.failing for track in self.trackers.values())

    @property
    def is_quiet(self) -> bool:
        """Return whether the calls work, and only another call can change that.

        But for their age: good answers count for a limited time.
        """
        return (
            self.api.last_good_sent is not None
            and not self.intermittent
            and self.recovery_proof_until is None
            and self.data_failing_since is None
            and not self.failing
            and self.next_at() == float("inf")
        )

    @property
    def is_steady(self) -> bool:
        """Return whether the calls work, and none of the last ten minutes failed."""
        return self.is_quiet and all(good for _, good in self.recent)

    # Requests

    def request_now(self, monotonic: float) -> None:
        """Schedule a call now, unless one is due."""
        if not self.confirmation_calls:
            self.confirmation_calls = [monotonic]

    def due(self, monotonic: float) -> list[Subsystem]:
        """Return the requests that are due, each once."""
        due = []
        if any(at <= monotonic for at in (*self.confirmation_calls, *self.later_calls)):
            due.append(Subsystem.API)
            late = (
                max(0.0, monotonic - self.confirmation_calls[0])
                if self.confirmation_calls
                else 0.0
            )
            if self.confirmation_calls and self.confirmation_calls[0] <= monotonic:
                self.confirmation_calls = [
                    at + late for at in self.confirmation_calls[1:]
                ]
            self.later_calls = [at for at in self.later_calls if at > monotonic]
        if self.next_data_call is not None and self.next_data_call <= monotonic:
            self.next_data_call = None
            due.append(Subsystem.DATA)
        return due

    def next_at(self) -> float:
        """Return when `due` next returns something."""
        if not (
            self.confirmation_calls
            or self.later_calls
            or self.next_data_call is not None
        ):
            return _NEVER
        times = [*self.confirmation_calls[:1], *self.later_calls]
        if self.next_data_call is not None:
            times.append(self.next_data_call)
        return min(times)

    def _begin_series(self, monotonic: float) -> None:
        self.confirmation_calls = [monotonic + offset for offset in SERIES]
        self.later_calls = []

    # Evidence

    def observe_answer(self, evidence: Evidence) -> bool:
        """Update from a call; return whether it starts a suspicion."""
        subsystem = _SUBSYSTEMS.get(evidence.classification.subject)
        if subsystem is None:
            return self._observe_other_subject(evidence)
        peculiar = (
            evidence.good or evidence.classification.reason in _SUBSYSTEM_SPECIFIC
        )
        if self.api.failing and not peculiar:
            subsystem = Subsystem.API
        if subsystem is Subsystem.API:
            return self._observe_api(evidence)
        track = self.trackers[subsystem]
        began = track.add_evidence(evidence)
        if subsystem is Subsystem.DATA:
            self._schedule_data_call(evidence, track)
        if peculiar:
            if self.third_party and subsystem is Subsystem.DATA:
                return False
            began_api = self._observe_api_working(evidence)
            if began and evidence.classification.reason is Reason.COMMANDS_FAIL:
                # Check whether the vehicle has just gone out of reach.
                self.request_now(evidence.at)
            return began_api
        if began:
            # Check whether only this subsystem fails.
            self.request_now(evidence.at)
        return False

    def _observe_other_subject(self, evidence: Evidence) -> bool:
        if evidence.classification.reason in (Reason.ASLEEP, Reason.IN_SERVICE):
            self.waive_recovery_proof()
            if evidence.request_type is not RequestType.COMMAND:
                # It is out of reach for all calls: commands do not fail by themselves.
                self.trackers[Subsystem.COMMANDS].dismiss()
        if evidence.classification.subject is Subject.ACCOUNT and not self.api.down:
            # Tesla itself refused, so its cloud works.
            return self._observe_api_working(evidence)
        return False

    def _observe_api_working(self, evidence: Evidence) -> bool:
        return self._observe_api(
            Evidence(classification=_WORKS, sent_at=evidence.sent_at, at=evidence.at)
        )

    def _observe_api(self, evidence: Evidence) -> bool:
        was_down = self.api.down
        began = self.api.add_evidence(evidence)
        passed = self._record_recent(evidence)
        if began:
            self._begin_series(evidence.at)
        if not evidence.good:
            self._dismiss_commands(evidence)
            return began
        self.confirmation_calls = []
        if not was_down:
            if passed:
                self.later_calls = [evidence.at + offset for offset in AFTERWARDS]
            return False
        if self.api.down:
            if not self.later_calls:
                self.later_calls = [evidence.at + offset for offset in RETURN]
            return False
        self.later_calls = []
        if self.can_confirm_recovery:
            # The end also needs proof from the data: in 2021 they were stale for hours
            # after the calls worked again.
            self.recovery_proof_until = evidence.at + PROOF_WITHIN
            self.next_data_call = evidence.at
        return False

    def _dismiss_commands(self, evidence: Evidence) -> None:
        """Dismiss a suspicion of commands if the call that checks it fails, too."""
        commands = self.trackers[Subsystem.COMMANDS]
        suspected_at = commands.suspected_at
        if suspected_at is not None and evidence.sent_at - suspected_at < _CHECK_WITHIN:
            commands.dismiss()

    def _schedule_data_call(self, evidence: Evidence, track: HealthTracker) -> None:
        if evidence.good:
            self.recovery_proof_until = None
            self.next_data_call = evidence.at + DATA_AGAIN if track.down else None
            return
        if track.down:
            return
        # No call settles a suspicion about data of a third party, unless an outage
        # of Tesla's has just ended.
        unsettled = self.third_party and self.recovery_proof_until is None
        if unsettled or track.exhausted:
            self.next_data_call = None
        else:
            self.next_data_call = evidence.at + (
                DATA_AGAIN
                if evidence.classification.reason is Reason.STALE
                else SERIES[1] - SERIES[0]
            )

    def _record_recent(self, evidence: Evidence) -> bool:
        """Record an answer; return whether a failure has passed."""
        passed = evidence.good and bool(self.recent) and not self.recent[-1][1]
        if evidence.good or evidence.answered:
            self.recent.append((evidence.at, evidence.good))
        while self.recent and evidence.at - self.recent[0][0] > RECENT:
            self.recent.popleft()
        return passed

    def waive_recovery_proof(self) -> None:
        """End an outage without proof from this vehicle's data."""
        self.recovery_proof_until = self.next_data_call = None

    # Evaluation

    def restart_suspicions(self, monotonic: float, *, silent: bool) -> None:
        """Restart suspicions, if `silent` only those without an HTTP answer."""
        for subsystem, track in self.trackers.items():
            if track.suspected_at is None or (silent and track.has_answered_failures):
                continue
            track.restart(monotonic)
            if subsystem is Subsystem.API:
                self._begin_series(monotonic)
            if subsystem is Subsystem.DATA:
                self.next_data_call = monotonic

    def confirm(
        self, host: HealthTracker, *, subsystems: Collection[Subsystem]
    ) -> None:
        """Confirm failures of some subsystems that lasted long enough.

        Bad answers suffice; timeouts count only if the host has answered meanwhile, or
        is down as well.
        """
        for subsystem in subsystems:
            track = self.trackers[subsystem]
            if track.confirmable and (
                track.answered or host.down or _host_answered_meanwhile(track, host)
            ):
                track.confirm()
                if subsystem is Subsystem.API:
                    self._dismiss_others()
                if subsystem is Subsystem.DATA:
                    self.next_data_call = self.recovery_proof_until = None

    def _dismiss_others(self) -> None:
        self.confirmation_calls = []
        self.later_calls = []
        self.next_data_call = None
        for subsystem in (Subsystem.DATA, Subsystem.COMMANDS):
            self.trackers[subsystem].dismiss()

    def expire_commands(self, monotonic: float) -> None:
        """Expire failures that no call would clear."""
        track = self.trackers[Subsystem.COMMANDS]
        if track.down and monotonic - (track.last_bad or monotonic) > COMMANDS_FADE:
            track.reset()
        data = self.trackers[Subsystem.DATA]
        if not (self.third_party and data.down):
            self.data_failing_since = None
        elif self.data_failing_since is None:
            self.data_failing_since = monotonic
        elif monotonic - self.data_failing_since > THIRD_PARTY_FADES:
            data.reset()

    def update_intermittent(self) -> None:
        """Update whether calls fail intermittently."""
        if self.api.failing:
            # Repeated calls show whether all fail.
            return
        count = len(self.recent)
        if not self.intermittent and count < _INTERMITTENT:
            return
        results = [good for _, good in self.recent]
        bad = count - sum(results)
        if self.intermittent:
            self.intermittent = (
                count < _INTERMITTENT_CALLS or bad >= count * _INTERMITTENT_SPAN
            )
            return
        if bad < _INTERMITTENT:
            return
        fits = sum(was and not good for was, good in pairwise([True, *results]))
        self.intermittent = fits >= _INTERMITTENT and bad >= count * _INTERMITTENT_SHARE

    def is_working(self, monotonic: float, since: float | None) -> bool | None:
        """Return whether the calls work, None without evidence.

        Requests count for ten minutes, with `since` only later ones.
        """
        api = self.api
        if api.down:
            return False
        sent_at = api.last_good_sent
        oldest = monotonic - RECENT if since is None else max(since, monotonic - RECENT)
        if sent_at is None or sent_at < oldest:
            return None
        return None if api.health(monotonic) is Health.DOUBTFUL else True


def _host_answered_meanwhile(track: HealthTracker, host: HealthTracker) -> bool:
    first, last = track.failed_between
    return (
        not host.failing
        and (host.last_bad is None or host.last_bad < first)
        and (host.last_good_sent or 0.0) >= last - _CONTRAST
    )
