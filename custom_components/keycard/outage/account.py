"""Refusals and limits of an account and its vehicles."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NotRequired, TypedDict

from .evidence import Evidence, Reason, RequestType, Subject

LIMIT_PAUSE = 900.0
RATE_PAUSE = 60.0
RATE_PAUSE_MOST = 900.0
_PROOF_AFTER = 30.0

# Reasons that apply to the whole account, with any request.
_WHOLE_ACCOUNT = frozenset(
    {Reason.BILLING_LIMIT, Reason.PAYMENT, Reason.NOT_REGISTERED, Reason.WRONG_REGION}
)
_PAUSES = {
    Reason.BILLING_LIMIT: LIMIT_PAUSE,
    Reason.PAYMENT: LIMIT_PAUSE,
    Reason.FORBIDDEN: LIMIT_PAUSE,
    Reason.NOT_REGISTERED: LIMIT_PAUSE,
    Reason.WRONG_REGION: LIMIT_PAUSE,
}
_CALLS = frozenset({Subject.API, Subject.DATA, Subject.COMMANDS, Subject.THIRD_PARTY})


class Category(StrEnum):
    """Category of calls with limits of its own."""

    CALLS = "calls"
    DATA = "data"
    WAKES = "wakes"
    COMMANDS = "commands"


_CATEGORIES: Mapping[RequestType | None, Category] = {
    RequestType.DATA: Category.DATA,
    RequestType.WAKE: Category.WAKES,
    RequestType.COMMAND: Category.COMMANDS,
}

type Key = tuple[Category, str | None] | None
"""Calls of one category, for one vehicle or for the account; None is all calls."""


class StoredRefusal(TypedDict):
    """Stored refusal; `paused` is in seconds."""

    category: str | None
    car: str | None
    reason: str
    paused: float
    times: int


class StoredAccount(TypedDict):
    """Stored data of an account; `paused` is in seconds."""

    reason: str | None
    paused: float
    refusals: NotRequired[list[StoredRefusal]]


@dataclass(kw_only=True)
class _Refusal:
    """Refusal of some calls; times are monotonic seconds."""

    reason: Reason
    started_at: float = float("-inf")
    last_at: float = float("-inf")
    until: float = float("-inf")
    count: int = 0


@dataclass(kw_only=True)
class AccountStatus:
    """Refusals and limits of one account.

    The account has a problem if calls for it, or for all its vehicles, are refused; a
    refusal of one vehicle's calls affects only that vehicle. `auth_invalid` is True
    once the sign-in is proven invalid.
    """

    vehicle_ids: Collection[str] = ()
    """The vehicles of the account, as far as they are known."""

    auth_invalid: bool = False
    renews_tokens: bool = False
    """Access tokens expire and are renewed."""

    _refusals: dict[Key, _Refusal] = field(default_factory=dict)
    _auth_refusal: Evidence | None = None
    _auth_refused_at: float | None = None
    _renewed_at: float = float("-inf")

    def observe_renewal(self, monotonic: float) -> None:
        """Update from a renewal of the access token."""
        self._renewed_at = monotonic

    def observe_answer(self, evidence: Evidence) -> bool:
        """Update from a call; return whether it may be an auth failure."""
        meaning = evidence.classification
        if meaning.reason in (Reason.UNAUTHORIZED, Reason.SIGN_IN):
            if self._auth_refused_at is None:
                self._auth_refused_at = evidence.at
            self._auth_refusal = evidence
            return True
        if meaning.subject is Subject.ACCOUNT:
            self._refuse(evidence)
        elif evidence.good and meaning.subject in _CALLS:
            self._lift(evidence)
        return False

    def _refuse(self, evidence: Evidence) -> None:
        reason = evidence.classification.reason
        key = self._key(evidence)
        known = self._refusals.get(key)
        if known is None or known.reason is not reason:
            known = self._refusals[key] = _Refusal(
                reason=reason, started_at=evidence.at
            )
        known.last_at = evidence.at
        hint = evidence.retry_after if reason is Reason.RATE_LIMITED else None
        if evidence.at >= known.until:
            known.count += 1
            pause = hint or _pause(reason, key, known.count)
            known.until = evidence.at + pause
        elif hint:
            known.until = max(known.until, evidence.at + hint)

    def _key(self, evidence: Evidence) -> Key:
        reason = evidence.classification.reason
        if reason in _WHOLE_ACCOUNT:
            return None
        if reason is Reason.MOBILE_ACCESS:
            return Category.CALLS, evidence.vehicle_id
        category = _CATEGORIES.get(evidence.request_type, Category.CALLS)
        if category is Category.CALLS and reason is Reason.RATE_LIMITED:
            # Calls that are free are limited for all vehicles together.
            return category, None
        return category, evidence.vehicle_id

    def _lift(self, evidence: Evidence) -> None:
        """Clear the refusals that a good answer disproves."""
        category = _CATEGORIES.get(evidence.request_type, Category.CALLS)
        for key, refusal in list(self._refusals.items()):
            if evidence.sent_at < refusal.last_at:
                continue
            if (
                key is None
                or key == (category, evidence.vehicle_id)
                or (key[1] is None and key[0] is category)
                # A vehicle with data or commands has mobile access enabled.
                or (
                    refusal.reason is Reason.MOBILE_ACCESS
                    and key[1] == evidence.vehicle_id
                )
            ):
                del self._refusals[key]
        invalid_since = None if self._auth_refusal is None else self._auth_refusal.at
        # An invalid sign-in that was restored has no refusal of its own.
        if invalid_since is None or evidence.sent_at >= invalid_since:
            self.auth_invalid = False
            self._auth_refused_at = self._auth_refusal = None

    def forget_vehicle(self, vehicle_id: str) -> None:
        """Remove a vehicle that left the account."""
        for key in [key for key in self._refusals if key and key[1] == vehicle_id]:
            del self._refusals[key]

    def evaluate_auth(self, *, sign_in_healthy: bool) -> None:
        """Set `auth_invalid` once a refused sign-in is proven.

        A plain 401 must repeat, as Tesla also returns them during outages, with a token
        that was renewed in between: one that has expired proves nothing.
        """
        if (
            self._auth_refusal is None
            or self._auth_refused_at is None
            or not sign_in_healthy
        ):
            return
        refused_at, sent_at = self._auth_refused_at, self._auth_refusal.sent_at
        renewed = not self.renews_tokens or refused_at <= self._renewed_at <= sent_at
        repeated = renewed and sent_at - refused_at >= _PROOF_AFTER
        if self._auth_refusal.classification.reason is Reason.SIGN_IN or repeated:
            self.auth_invalid = True

    def expire_limits(self, monotonic: float) -> None:
        """Remove expired rate limits; no call would clear them."""
        for key, refusal in list(self._refusals.items()):
            limited = refusal.reason is Reason.RATE_LIMITED
            if limited and monotonic - refusal.until > RATE_PAUSE_MOST:
                del self._refusals[key]

    # State

    @property
    def reason(self) -> Reason | None:
        """Return the current problem of the account."""
        if self.auth_invalid:
            return Reason.SIGN_IN
        found = self._of_account()
        return found.reason if found else None

    def _of_account(self) -> _Refusal | None:
        """Return the current refusal of the account, None without one."""
        return max(
            self._all_of_account(), key=lambda refusal: refusal.last_at, default=None
        )

    def _all_of_account(self) -> list[_Refusal]:
        """Return the refusals that together are one of the account."""
        if not self._refusals:
            return []
        found = [self._refusals.get(None)]
        for category in _OF_ACCOUNT:
            found.append(self._refusals.get((category, None)))
            hit = [
                self._refusals.get((category, vehicle_id))
                for vehicle_id in self.vehicle_ids
            ]
            if all(hit):
                # Refused data alone concern the vehicles.
                found += [one for one in hit if one and _counts(category, one.reason)]
        return [refusal for refusal in found if refusal is not None]

    def refused_vehicles(self) -> dict[str, Reason]:
        """Return the vehicles whose calls are refused, not those of the account."""
        return {
            key[1]: refusal.reason
            for key, refusal in self._refusals.items()
            if key is not None
            and key[1] is not None
            and key[0] in _OF_ACCOUNT
            and refusal.reason is Reason.FORBIDDEN
            and refusal.last_at - refusal.started_at >= RATE_PAUSE
        }

    @property
    def persistent(self) -> bool:
        """Return whether the current problem recurred after a pause."""
        if self.auth_invalid:
            return True
        reason = self.reason
        return any(
            refusal.last_at - refusal.started_at >= RATE_PAUSE
            for refusal in self._all_of_account()
            if refusal.reason is reason
        )

    @property
    def refuses(self) -> bool:
        """Return whether calls of any kind were refused or limited lately."""
        return bool(self._refusals)

    @property
    def paused_until(self) -> float:
        """Return when the next call of any kind may be made (monotonic)."""
        found = self._refusals.get(None)
        return found.until if found else 0.0

    def pause(
        self, category: Category, vehicle_id: str | None
    ) -> tuple[float, Reason | None]:
        """Return until when calls of a category for a vehicle are paused, and why."""
        if not self._refusals:
            return 0.0, None
        found = list(self._covering(category, vehicle_id))
        last = max(found, key=lambda refusal: refusal.until, default=None)
        return (last.until, last.reason) if last else (0.0, None)

    def _covering(
        self, category: Category, vehicle_id: str | None
    ) -> Iterator[_Refusal]:
        keys: set[Key] = {None, (category, vehicle_id), (category, None)}
        if category is Category.DATA:
            # Refused calls also apply to data.
            keys |= {(Category.CALLS, vehicle_id), (Category.CALLS, None)}
        yield from (one for key, one in self._refusals.items() if key in keys)

    def refusal_of(self, vehicle_id: str) -> Reason | None:
        """Return why calls for a vehicle are refused, including commands.

        Rate limits of other calls and refused data do not affect commands.
        """
        if self.auth_invalid:
            return Reason.SIGN_IN
        if not self._refusals:
            return None
        for key in (None, (Category.CALLS, None), (Category.CALLS, vehicle_id)):
            found = self._refusals.get(key)
            if found is not None and found.reason is not Reason.RATE_LIMITED:
                return found.reason
        return None

    @property
    def auth_refused_at(self) -> float | None:
        """Return when the sign-in was first refused, if it still is."""
        return self._auth_refused_at

    def refused_at(self, vehicle_id: str | None) -> float | None:
        """Return when calls for a vehicle were last refused, None if they are not."""
        found = [
            refusal.last_at
            for key, refusal in self._refusals.items()
            if key is None or key[1] is None or key[1] == vehicle_id
        ]
        if self.auth_invalid and self._auth_refusal is not None:
            found.append(self._auth_refusal.at)
        return max(found, default=None)

    # Storage

    def dump_refusals(self, monotonic: float) -> StoredAccount:
        """Return the data to store."""
        return StoredAccount(
            reason=self.reason,
            paused=max(0.0, self.paused_until - monotonic),
            refusals=[
                StoredRefusal(
                    category=key[0] if key else None,
                    car=key[1] if key else None,
                    reason=refusal.reason,
                    paused=max(0.0, refusal.until - monotonic),
                    times=refusal.count,
                )
                for key, refusal in self._refusals.items()
            ],
        )

    def restore_refusals(
        self, stored: StoredAccount, *, monotonic: float, away: float
    ) -> None:
        """Restore stored data, `away` seconds later."""
        away = max(0.0, away)
        self.auth_invalid = stored["reason"] == Reason.SIGN_IN
        refusals = stored.get("refusals")
        if refusals is None:
            refusals = _refusals_of(stored)
        for refusal_data in refusals:
            category, vehicle_id = refusal_data["category"], refusal_data["car"]
            key = None if category is None else (Category(category), vehicle_id)
            self._refusals[key] = _Refusal(
                reason=Reason(refusal_data["reason"]),
                until=monotonic + max(0.0, refusal_data["paused"] - away),
                count=refusal_data["times"],
            )


# Refused commands and wakes raise an error at their caller.
_ON_DEMAND = frozenset({Category.WAKES, Category.COMMANDS})
_OF_ACCOUNT = (Category.CALLS, Category.DATA)


def _counts(category: Category, reason: Reason) -> bool:
    """Return whether a refusal of all vehicles' calls counts for the account."""
    return category is Category.CALLS or reason is Reason.RATE_LIMITED


def _pause(reason: Reason, key: Key, times: int) -> float:
    """Return how long to pause after a refusal without a hint, in seconds."""
    if reason is Reason.RATE_LIMITED:
        return min(RATE_PAUSE * 2.0 ** min(times - 1, 10), RATE_PAUSE_MOST)
    if reason is Reason.FORBIDDEN and key is not None and key[0] in _ON_DEMAND:
        # The user may have resolved the reason before sending it again.
        return 0.0
    return _PAUSES.get(reason, 0.0)


def _refusals_of(stored: StoredAccount) -> list[StoredRefusal]:
    """Return the refusal that an earlier version stored."""
    reason = stored["reason"]
    if reason is None or reason == Reason.SIGN_IN:
        return []
    return [
        StoredRefusal(
            category=None, car=None, reason=reason, paused=stored["paused"], times=1
        )
    ]
