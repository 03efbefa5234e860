"""Evidence of one probe or one call."""

from dataclasses import dataclass, replace
from enum import StrEnum

from ..transport.http import Failure, HttpResult
from .models import MissingEvidence


class RequestType(StrEnum):
    """Type of a request."""

    STATUS = "status"
    UNRELATED = "unrelated"
    TOKEN = "token"
    AUTHORIZE = "authorize"
    CALL = "call"
    DATA = "data"
    WAKE = "wake"
    COMMAND = "command"


class Subject(StrEnum):
    """Subject that an answer is evidence about."""

    STATUS = "status"
    UNRELATED = "unrelated"
    AUTH = "auth"
    API = "api"
    DATA = "data"
    COMMANDS = "commands"
    CAR = "car"
    ACCOUNT = "account"
    NETWORK = "network"
    THIRD_PARTY = "third_party"


class Verdict(StrEnum):
    """Verdict of an answer about its subject."""

    GOOD = "good"
    WEAK = "weak"
    BAD = "bad"


class Reason(StrEnum):
    """Reason for a verdict."""

    OK = "ok"
    GATEWAY = "gateway"
    CLOUD_FAILS = "cloud_fails"
    NO_ANSWER = "no_answer"
    MALFORMED = "malformed"
    STALE = "stale"
    CACHED = "cached"
    ASLEEP = "asleep"
    IN_SERVICE = "in_service"
    COMMANDS_FAIL = "commands_fail"
    REFUSED = "refused"
    NOT_FOUND = "not_found"
    SIGN_IN = "sign_in"
    UNAUTHORIZED = "unauthorized"
    MOBILE_ACCESS = "mobile_access"
    BILLING_LIMIT = "limit"
    PAYMENT = "payment"
    FORBIDDEN = "policy"
    NOT_REGISTERED = "not_registered"
    WRONG_REGION = "wrong_region"
    RATE_LIMITED = "rate_limited"
    SCOPE = "scope"
    UNSIGNED = "unsigned"
    NAME = MissingEvidence.NAME.value
    ADDRESS = MissingEvidence.ADDRESS.value
    CERTIFICATE = MissingEvidence.CERTIFICATE.value
    PORTAL = MissingEvidence.PORTAL.value
    BLOCKED = MissingEvidence.BLOCKED.value


@dataclass(frozen=True, kw_only=True)
class Classification:
    """Subject, verdict and reason of an answer."""

    subject: Subject
    verdict: Verdict
    reason: Reason


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """Result of one probe or call about one subject, at one time.

    Times are monotonic seconds; `retry_after` is in seconds. The detector only compares
    `vehicle_id` and `model`. `answered` is False without a whole HTTP answer;
    `request_type` is None without a request.
    """

    classification: Classification
    sent_at: float
    at: float
    vehicle_id: str | None = None
    model: str | None = None
    retry_after: float | None = None
    answered: bool = True
    request_type: RequestType | None = None

    @property
    def good(self) -> bool:
        """Return whether the verdict is not bad."""
        return self.classification.verdict is not Verdict.BAD

    def as_vehicle_evidence(self, *, vehicle_id: str, model: str) -> Evidence:
        """Return it as a vehicle's evidence, an auth failure as one of the API."""
        meaning = self.classification
        if meaning.subject is Subject.AUTH:
            meaning = replace(meaning, subject=Subject.API)
        return replace(self, classification=meaning, vehicle_id=vehicle_id, model=model)


STALE = Classification(subject=Subject.DATA, verdict=Verdict.BAD, reason=Reason.STALE)
CACHED = Classification(
    subject=Subject.THIRD_PARTY, verdict=Verdict.GOOD, reason=Reason.CACHED
)
"""Cached data of a third party that are no newer than before."""

# A connection that is cut before the end of an answer shows no more than silence.
_AFTER_ANSWERS = (None, Failure.TOO_LARGE)

RENEWED = Classification(subject=Subject.AUTH, verdict=Verdict.GOOD, reason=Reason.OK)


def make_evidence(
    meaning: Classification,
    answer: HttpResult,
    *,
    vehicle_id: str | None = None,
    model: str | None = None,
    kind: RequestType | None = None,
) -> Evidence:
    """Create evidence from an HTTP result and its classification."""
    return Evidence(
        classification=meaning,
        sent_at=answer.sent_at,
        at=answer.sent_at + answer.elapsed,
        vehicle_id=vehicle_id,
        model=model,
        retry_after=answer.retry_after,
        answered=answer.status is not None and answer.failure in _AFTER_ANSWERS,
        request_type=kind,
    )
