"""What the maker holds against the owner's account."""

from dataclasses import dataclass
from typing import TypedDict

from .evidence import Evidence, Reason, Subject

LIMIT_PAUSE = 900.0
RATE_PAUSE = 60.0
_PROOF_AFTER = 30.0

_PAUSES = {
    Reason.RATE_LIMITED: RATE_PAUSE,
    Reason.LIMIT: LIMIT_PAUSE,
    Reason.PAYMENT: LIMIT_PAUSE,
    Reason.POLICY: LIMIT_PAUSE,
    Reason.NOT_REGISTERED: LIMIT_PAUSE,
    Reason.WRONG_REGION: LIMIT_PAUSE,
}
_CALLS = frozenset({Subject.API, Subject.DATA, Subject.COMMANDS})


class StoredAccount(TypedDict):
    """What is kept of an account over a restart; `paused` is in seconds."""

    reason: str | None
    paused: float


@dataclass(kw_only=True)
class Account:
    """The standing of one account with the maker.

    `reason` is the problem that is on; `paused_until` (monotonic) is when the next call
    may be made; `proven` tells that the sign-in is bad beyond doubt.
    """

    reason: Reason | None = None
    paused_until: float = 0.0
    proven: bool = False
    _at: float = float("-inf")
    _began: float = float("-inf")
    _car: str | None = None
    _refused: Evidence | None = None
    _first_refused: float | None = None

    def observe(self, evidence: Evidence) -> bool:
        """Take in a call's evidence, and tell whether it casts doubt on the sign-in."""
        meaning = evidence.meaning
        if meaning.reason in (Reason.UNAUTHORIZED, Reason.SIGN_IN):
            if self._first_refused is None:
                self._first_refused = evidence.at
            self._refused = evidence
            return True
        if meaning.subject is Subject.ACCOUNT:
            if self.reason is not meaning.reason:
                self._began = evidence.at
            self.reason = meaning.reason
            self._at = evidence.at
            pause = _PAUSES.get(meaning.reason, 0.0)
            if meaning.reason is Reason.RATE_LIMITED and evidence.retry_after:
                pause = evidence.retry_after
            self.paused_until = max(self.paused_until, evidence.at + pause)
            self._car = evidence.car
        elif (
            evidence.good
            and meaning.subject in _CALLS
            and evidence.asked_at >= self._at
            and self._lifts(evidence)
        ):
            self.reason = None
            self.proven = False
            self._first_refused = self._refused = None
        return False

    def _lifts(self, evidence: Evidence) -> bool:
        """Tell whether a good answer lifts the problem: one car's is not another's."""
        return self.reason is not Reason.MOBILE_ACCESS or evidence.car == self._car

    def weigh(self, *, sign_in_healthy: bool) -> None:
        """Hold a refused sign-in for proven, if it is.

        A plain 401 must repeat: on a bad day the maker hands them out by itself.
        """
        if self._refused is None or self._first_refused is None or not sign_in_healthy:
            return
        repeated = self._refused.asked_at - self._first_refused >= _PROOF_AFTER
        if self._refused.meaning.reason is Reason.SIGN_IN or repeated:
            self.reason = Reason.SIGN_IN
            self._at = self._refused.at
            self.proven = True

    @property
    def lasting(self) -> bool:
        """Tell whether the problem that is on was named again after a pause."""
        return self.reason is not None and self._at - self._began >= RATE_PAUSE

    @property
    def first_refused(self) -> float | None:
        """Return when the sign-in was first refused, if it still is."""
        return self._first_refused

    def refused_at(self, car: str | None) -> float | None:
        """Return when calls for a car were last refused, None if they are not."""
        if self.reason is None:
            return None
        others = self.reason is Reason.MOBILE_ACCESS and car != self._car
        return None if others else self._at

    def dump(self, now: float) -> StoredAccount:
        """Return what is to be kept over a restart."""
        return StoredAccount(
            reason=self.reason, paused=max(0.0, self.paused_until - now)
        )

    def restore(self, stored: StoredAccount, *, now: float, away: float) -> None:
        """Take up what was kept, `away` seconds later."""
        self.reason = Reason(stored["reason"]) if stored["reason"] else None
        self.paused_until = now + max(0.0, stored["paused"] - max(0.0, away))
