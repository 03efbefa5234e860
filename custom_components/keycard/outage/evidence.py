"""What one answer tells: the table of meanings."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
import json
from urllib.parse import urlsplit

from ..answer import Answer, Failure
from .words import Missing

CAR_PHRASES = (
    "vehicle is offline or asleep",
    "vehicle is not available",
    "vehicle unavailable",
)


class Kind(StrEnum):
    """What was asked."""

    STATUS = "status"
    UNRELATED = "unrelated"
    TOKEN = "token"
    AUTHORIZE = "authorize"
    CALL = "call"
    DATA = "data"
    COMMAND = "command"


class Subject(StrEnum):
    """Whom an answer speaks of."""

    STATUS = "status"
    UNRELATED = "unrelated"
    AUTH = "auth"
    API = "api"
    DATA = "data"
    COMMANDS = "commands"
    CAR = "car"
    ACCOUNT = "account"
    NETWORK = "network"


class Verdict(StrEnum):
    """What an answer says of its subject."""

    GOOD = "good"
    WEAK = "weak"
    BAD = "bad"


class Reason(StrEnum):
    """Why an answer counts as it does."""

    OK = "ok"
    GATEWAY = "gateway"
    CLOUD_FAILS = "cloud_fails"
    NO_ANSWER = "no_answer"
    MALFORMED = "malformed"
    STALE = "stale"
    ASLEEP = "asleep"
    IN_SERVICE = "in_service"
    COMMANDS_FAIL = "commands_fail"
    REFUSED = "refused"
    NOT_FOUND = "not_found"
    SIGN_IN = "sign_in"
    UNAUTHORIZED = "unauthorized"
    MOBILE_ACCESS = "mobile_access"
    LIMIT = "limit"
    POLICY = "policy"
    NOT_REGISTERED = "not_registered"
    WRONG_REGION = "wrong_region"
    RATE_LIMITED = "rate_limited"
    NAME = Missing.NAME.value
    ADDRESS = Missing.ADDRESS.value
    CERTIFICATE = Missing.CERTIFICATE.value
    PORTAL = Missing.PORTAL.value
    BLOCKED = Missing.BLOCKED.value


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What an answer means, and of whom."""

    subject: Subject
    verdict: Verdict
    reason: Reason


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What one probe or one call tells about one subject, at one time.

    Times are monotonic seconds; `retry_after` is in seconds. `car` and `model` are
    names that the judge only compares. `answered` is False where no HTTP answer came.
    """

    meaning: Meaning
    asked_at: float
    at: float
    car: str | None = None
    model: str | None = None
    retry_after: float | None = None
    answered: bool = True

    @property
    def good(self) -> bool:
        """Tell whether the subject works."""
        return self.meaning.verdict is not Verdict.BAD


STALE = Meaning(subject=Subject.DATA, verdict=Verdict.BAD, reason=Reason.STALE)

_CALLS = frozenset({Kind.CALL, Kind.DATA, Kind.COMMAND})
_SIGN_IN = frozenset({Kind.TOKEN, Kind.AUTHORIZE})
_PROBES = frozenset({Kind.STATUS, Kind.AUTHORIZE})
_ALL = frozenset(Kind)

_SUBJECTS = {
    Kind.STATUS: Subject.STATUS,
    Kind.UNRELATED: Subject.UNRELATED,
    Kind.TOKEN: Subject.AUTH,
    Kind.AUTHORIZE: Subject.AUTH,
    Kind.CALL: Subject.API,
    Kind.DATA: Subject.DATA,
    Kind.COMMAND: Subject.COMMANDS,
}

_UNRELATED_BODIES = frozenset({"ok", "success"})
_UNRELATED_MARK = "success</body>"


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """An answer with what was asked for, and its body read once."""

    kind: Kind
    answer: Answer
    url: str
    data_works: bool
    readable: bool | None

    @property
    def status(self) -> int:
        return self.answer.status or 0

    @property
    def text(self) -> str:
        return self.answer.body.strip().lower()

    @property
    def html(self) -> bool:
        return self.answer.content_type == "text/html" or self.text.startswith(
            ("<!doctype", "<html")
        )

    @property
    def json(self) -> bool:
        if self.readable is not None:
            return self.readable
        body = self.answer.body.strip()
        if not body.startswith(("{", "[")):
            return False
        if self.answer.truncated:
            # The rest was not kept.
            return True
        try:
            json.loads(body)
        except ValueError, RecursionError:
            return False
        return True

    @property
    def elsewhere(self) -> bool:
        location = urlsplit(self.answer.location or "")
        return bool(location.hostname) and (
            location.hostname != urlsplit(self.url).hostname
        )


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One row of the table: where it applies, and what it means."""

    kinds: frozenset[Kind]
    when: Callable[[_Asked], bool]
    reason: Reason
    verdict: Verdict = Verdict.BAD
    subject: Subject | None = None


def _failed(*failures: Failure) -> Callable[[_Asked], bool]:
    return lambda asked: asked.answer.failure in failures


def _status(*codes: int) -> Callable[[_Asked], bool]:
    return lambda asked: asked.status in codes


def _says(*phrases: str) -> Callable[[_Asked], bool]:
    return lambda asked: any(phrase in asked.text for phrase in phrases)


def _both(*tests: Callable[[_Asked], bool]) -> Callable[[_Asked], bool]:
    return lambda asked: all(test(asked) for test in tests)


def _fine(asked: _Asked) -> bool:
    return 200 <= asked.status < 300


def _unrelated_good(asked: _Asked) -> bool:
    if asked.answer.failure is not None:
        return False
    if asked.status == 204:
        return not asked.text
    return asked.status == 200 and (
        asked.text in _UNRELATED_BODIES or _UNRELATED_MARK in asked.text
    )


# First match wins. A row without a subject speaks of what was asked.
_TABLE: tuple[_Row, ...] = (
    _Row(
        kinds=frozenset({Kind.UNRELATED}),
        when=_unrelated_good,
        verdict=Verdict.GOOD,
        reason=Reason.OK,
    ),
    _Row(
        kinds=frozenset({Kind.UNRELATED}),
        when=lambda asked: True,
        reason=Reason.NO_ANSWER,
    ),
    # No HTTP answer came.
    _Row(
        kinds=_ALL,
        when=_failed(Failure.NAME),
        subject=Subject.NETWORK,
        reason=Reason.NAME,
    ),
    _Row(
        kinds=_ALL,
        when=_failed(Failure.ADDRESS),
        subject=Subject.NETWORK,
        reason=Reason.ADDRESS,
    ),
    _Row(
        kinds=_ALL,
        when=_failed(Failure.CERTIFICATE),
        subject=Subject.NETWORK,
        reason=Reason.CERTIFICATE,
    ),
    _Row(
        kinds=_ALL,
        when=_failed(Failure.TOO_LARGE),
        reason=Reason.MALFORMED,
    ),
    _Row(
        kinds=_ALL,
        when=lambda asked: asked.answer.failure is not None,
        reason=Reason.NO_ANSWER,
    ),
    # The owner's network answers in the host's place.
    _Row(
        kinds=_ALL,
        when=lambda asked: 300 <= asked.status < 400 and asked.elsewhere,
        subject=Subject.NETWORK,
        reason=Reason.PORTAL,
    ),
    _Row(
        kinds=_ALL,
        when=lambda asked: _fine(asked) and asked.html,
        subject=Subject.NETWORK,
        reason=Reason.PORTAL,
    ),
    _Row(
        kinds=_ALL,
        when=_status(407, 511),
        subject=Subject.NETWORK,
        reason=Reason.PORTAL,
    ),
    # Signing in.
    _Row(
        kinds=frozenset({Kind.TOKEN}),
        when=_both(
            lambda asked: asked.status < 500 and asked.json,
            _says('"invalid_grant"', '"login_required"'),
        ),
        subject=Subject.ACCOUNT,
        reason=Reason.SIGN_IN,
    ),
    _Row(
        kinds=frozenset({Kind.TOKEN}),
        when=lambda asked: asked.status in (403, 404, 408) or asked.status >= 500,
        reason=Reason.CLOUD_FAILS,
    ),
    _Row(
        kinds=_SIGN_IN,
        when=lambda asked: _fine(asked) and asked.json,
        verdict=Verdict.GOOD,
        reason=Reason.OK,
    ),
    _Row(
        kinds=frozenset({Kind.TOKEN}),
        when=lambda asked: asked.status in (400, 401) and asked.json,
        verdict=Verdict.GOOD,
        reason=Reason.OK,
    ),
    _Row(
        kinds=frozenset({Kind.TOKEN}),
        when=lambda asked: asked.html,
        reason=Reason.CLOUD_FAILS,
    ),
    # Probes of a host.
    _Row(
        kinds=frozenset({Kind.STATUS}),
        when=lambda asked: asked.status == 200 and asked.text == "ok",
        verdict=Verdict.GOOD,
        reason=Reason.OK,
    ),
    _Row(
        kinds=_PROBES | _CALLS,
        when=_both(_status(403), lambda asked: asked.html),
        subject=Subject.NETWORK,
        reason=Reason.BLOCKED,
    ),
    _Row(
        kinds=_PROBES,
        when=lambda asked: asked.status in (401, 403) and asked.json,
        verdict=Verdict.WEAK,
        reason=Reason.GATEWAY,
    ),
    _Row(
        kinds=_PROBES | {Kind.TOKEN},
        when=lambda asked: 300 <= asked.status < 500,
        verdict=Verdict.WEAK,
        reason=Reason.GATEWAY,
    ),
    # Calls: the car.
    _Row(
        kinds=frozenset({Kind.COMMAND}),
        when=_both(
            _status(503),
            _says("vehicle is not available"),
            lambda asked: asked.data_works,
        ),
        reason=Reason.COMMANDS_FAIL,
    ),
    _Row(
        kinds=_CALLS,
        when=_both(_status(500, 503), _says(*CAR_PHRASES)),
        subject=Subject.CAR,
        reason=Reason.ASLEEP,
    ),
    _Row(
        kinds=_CALLS,
        when=_status(408, 540),
        subject=Subject.CAR,
        reason=Reason.ASLEEP,
    ),
    _Row(
        kinds=_CALLS,
        when=_both(_status(405), _says("in service")),
        subject=Subject.CAR,
        reason=Reason.IN_SERVICE,
    ),
    # Calls: the account.
    _Row(
        kinds=_CALLS,
        when=_both(_status(401), _says("login_required")),
        subject=Subject.ACCOUNT,
        reason=Reason.SIGN_IN,
    ),
    _Row(
        kinds=_CALLS,
        when=_both(_status(401), _says("mobile_access_disabled")),
        subject=Subject.ACCOUNT,
        reason=Reason.MOBILE_ACCESS,
    ),
    _Row(
        kinds=_CALLS,
        when=_status(401),
        subject=Subject.AUTH,
        reason=Reason.UNAUTHORIZED,
    ),
    _Row(
        kinds=_CALLS,
        when=lambda asked: (
            asked.status == 402
            or (asked.status == 403 and "exceeded_limit" in asked.text)
        ),
        subject=Subject.ACCOUNT,
        reason=Reason.LIMIT,
    ),
    _Row(
        kinds=_CALLS,
        when=_status(403),
        subject=Subject.ACCOUNT,
        reason=Reason.POLICY,
    ),
    _Row(
        kinds=_CALLS,
        when=_status(412),
        subject=Subject.ACCOUNT,
        reason=Reason.NOT_REGISTERED,
    ),
    _Row(
        kinds=_CALLS,
        when=_status(421),
        subject=Subject.ACCOUNT,
        reason=Reason.WRONG_REGION,
    ),
    _Row(
        kinds=_CALLS,
        when=_status(429),
        subject=Subject.ACCOUNT,
        reason=Reason.RATE_LIMITED,
    ),
    # Calls: the cloud.
    _Row(
        kinds=_CALLS,
        when=lambda asked: _fine(asked) and asked.json,
        verdict=Verdict.GOOD,
        reason=Reason.OK,
    ),
    _Row(
        kinds=_CALLS,
        when=_status(404),
        subject=Subject.CAR,
        reason=Reason.NOT_FOUND,
    ),
    _Row(
        kinds=_CALLS,
        when=lambda asked: 300 <= asked.status < 500,
        subject=Subject.CAR,
        reason=Reason.REFUSED,
    ),
    _Row(kinds=_ALL, when=_fine, reason=Reason.MALFORMED),
    _Row(kinds=_ALL, when=lambda asked: True, reason=Reason.CLOUD_FAILS),
)


def read(
    kind: Kind,
    answer: Answer,
    *,
    url: str = "",
    data_works: bool = False,
    readable: bool | None = None,
) -> Meaning:
    """Read what an answer means.

    `url` is what was asked, to know a redirect to another host. `data_works` tells
    that fresh data of the same car came lately: it turns a command's `vehicle is not
    available` into a failure of the command plane. `readable` tells whether the whole
    body was the JSON that is due; without it the part that was kept decides.
    """
    asked = _Asked(
        kind=kind, answer=answer, url=url, data_works=data_works, readable=readable
    )
    row = next(row for row in _TABLE if kind in row.kinds and row.when(asked))
    return Meaning(
        subject=row.subject or _SUBJECTS[kind], verdict=row.verdict, reason=row.reason
    )


def evidence(
    meaning: Meaning,
    answer: Answer,
    *,
    car: str | None = None,
    model: str | None = None,
) -> Evidence:
    """Turn an answer and its meaning into a piece of evidence."""
    return Evidence(
        meaning=meaning,
        asked_at=answer.asked_at,
        at=answer.asked_at + answer.elapsed,
        car=car,
        model=model,
        retry_after=answer.retry_after,
        answered=answer.status is not None,
    )
