"""Confirmation and recovery of one subject, as a state machine."""

from dataclasses import dataclass
from enum import StrEnum

from .evidence import Evidence, Reason, Subject

RECENT = 600.0


class Health(StrEnum):
    """Current health of a subject."""

    UNKNOWN = "unknown"
    UP = "up"
    DOUBTFUL = "doubtful"
    DOWN = "down"


@dataclass(frozen=True, kw_only=True)
class ConfirmationRule:
    """Conditions that confirm and end a failure.

    Failures with a total `weight`, of requests sent over at least `span` seconds since
    the suspicion started, confirm it; `good_answers` over at least `good_span` seconds
    end it.
    """

    weight: int
    span: float
    good_answers: int = 3
    good_span: float = 120.0


PROBES = ConfirmationRule(weight=6, span=15.0)
CALLS = ConfirmationRule(weight=6, span=30.0)
DATA = ConfirmationRule(weight=6, span=0.0)
RENEWALS = ConfirmationRule(weight=5, span=240.0, good_answers=1, good_span=0.0)
COMMANDS = ConfirmationRule(weight=1, span=0.0, good_answers=1, good_span=0.0)

# A second stale response suffices, as each one is billed.
_WEIGHTS = {Reason.STALE: 6}

_RECOVERS_WITHIN = 300.0
_CONTROLS_WITHIN = 11.0
_NEVER = float("-inf")


@dataclass(kw_only=True)
class HealthTracker:
    """Health of one subject over time.

    All times are monotonic seconds. A subject counts only once it had a good answer
    (`verified`). `suspected_at` is set from the first failure to the next good answer,
    `down` once the failure is confirmed; `cleared_at` is the end of the last failure.
    """

    rule: ConfirmationRule
    verified: bool = False
    down: bool = False
    suspected_at: float | None = None
    last_good: float | None = None
    last_good_sent: float | None = None
    last_bad: float | None = None
    cleared_at: float | None = None
    inconclusive_reason: Reason | None = None
    answered: bool = True
    _weight: int = 0
    _failed_count: int = 0
    _exhausted_at: float = 0.0
    _first_failed_sent: float = 0.0
    _last_failed_sent: float = 0.0
    _good_answers: int = 0
    _first_good: float = 0.0
    _started_at: float | None = None

    @property
    def failing(self) -> bool:
        """Return whether the last answers were bad, confirmed or not."""
        return self.down or self.suspected_at is not None

    @property
    def started_at(self) -> float | None:
        """Return the start of the current failure, None if unknown."""
        return self._started_at if self.down else self.suspected_at

    @property
    def failed_between(self) -> tuple[float, float]:
        """Return when the first and the last failed request that count were sent."""
        return self._first_failed_sent, self._last_failed_sent

    @property
    def exhausted(self) -> bool:
        """Return whether a whole series of requests had no good answer."""
        return self.suspected_at is not None and self._failed_count >= self.rule.weight

    @property
    def has_answered_failures(self) -> bool:
        """Return whether requests failed that count, each with an HTTP answer."""
        return self.answered and self._weight > 0

    def is_settled(self, monotonic: float) -> bool:
        """Return whether no further evidence is pending.

        Pending are the rest of a series, and the control probes at its end.
        """
        if self.suspected_at is None:
            return True
        return self.exhausted and not (
            self.confirmable and monotonic - self._exhausted_at < _CONTROLS_WITHIN
        )

    @property
    def confirmable(self) -> bool:
        """Return whether enough has failed for long enough to confirm."""
        return (
            self.suspected_at is not None
            and not self.down
            and self._weight >= self.rule.weight
            and self._last_failed_sent - self._first_failed_sent >= self.rule.span
        )

    def suspect(self, monotonic: float) -> bool:
        """Start a suspicion; return whether it is new."""
        if self.down or self.suspected_at is not None:
            return False
        self.restart(monotonic)
        return True

    def restart(self, monotonic: float) -> None:
        """Restart the suspicion; earlier requests no longer count."""
        self.suspected_at = monotonic
        self.inconclusive_reason = None
        self._failed_count = 0
        self._forget_failures()

    def _forget_failures(self) -> None:
        self._weight = 0
        self.answered = True

    def dismiss(self) -> None:
        """Dismiss a suspicion that something else explains."""
        self.suspected_at = None
        self.inconclusive_reason = None

    def add_evidence(self, evidence: Evidence) -> bool:
        """Update from evidence; return whether it starts a suspicion."""
        if evidence.good:
            self._count_good(evidence)
            return False
        if evidence.sent_at < (self.last_good_sent or _NEVER):
            # A later request had a good answer before this one failed.
            return False
        last_evidence_at = max(self.last_bad or _NEVER, self.suspected_at or _NEVER)
        self.last_bad = evidence.at
        self._good_answers = 0
        if self.down:
            return False
        if self.suspected_at is None or evidence.at - last_evidence_at > RECENT:
            self.restart(evidence.at)
            return True
        if evidence.sent_at >= self.suspected_at:
            self._count_bad(evidence)
        return False

    def _count_bad(self, evidence: Evidence) -> None:
        self._failed_count += 1
        if self._failed_count == self.rule.weight:
            self._exhausted_at = evidence.at
        if evidence.classification.subject is Subject.NETWORK:
            # A network problem may also explain the earlier failures.
            self.inconclusive_reason = evidence.classification.reason
            self._forget_failures()
            return
        self.inconclusive_reason = None
        if not self._weight:
            self._first_failed_sent = self._last_failed_sent = evidence.sent_at
        self._weight += _WEIGHTS.get(evidence.classification.reason, 1)
        # Answers may arrive in another order than their requests.
        self._first_failed_sent = min(self._first_failed_sent, evidence.sent_at)
        self._last_failed_sent = max(self._last_failed_sent, evidence.sent_at)
        self.answered = self.answered and evidence.answered

    def _count_good(self, evidence: Evidence) -> None:
        self.verified = True
        self.last_good = evidence.at
        self.last_good_sent = max(self.last_good_sent or _NEVER, evidence.sent_at)
        self.dismiss()
        if not self.down:
            return
        if not self._good_answers:
            self._first_good = evidence.at
        self._good_answers += 1
        if (
            self._good_answers >= self.rule.good_answers
            and evidence.at - self._first_good >= self.rule.good_span
        ):
            self.reset()
            self.cleared_at = evidence.at

    def confirm(self) -> None:
        """Confirm the failure."""
        self._started_at = self.suspected_at
        self.suspected_at = None
        self.down = True
        self._good_answers = 0

    def reset(self) -> None:
        """End the failure."""
        self.down = False
        self._started_at = None

    def is_recovering(self, monotonic: float) -> bool:
        """Return whether a failed subject has recently started to answer well."""
        return (
            self.down
            and self._good_answers > 0
            and monotonic - (self.last_good or _NEVER) < _RECOVERS_WITHIN
        )

    def health(self, monotonic: float) -> Health:
        """Return the current health; good answers count for ten minutes."""
        if self.down:
            return Health.DOWN
        if self.exhausted:
            return Health.DOUBTFUL
        if self.last_good is None or monotonic - self.last_good > RECENT:
            return Health.UNKNOWN
        return Health.UP
