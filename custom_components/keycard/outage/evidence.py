"""What one answer tells: the table of meanings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
import json
from typing import NamedTuple
from urllib.parse import urlsplit

from ..transport.http import Answer, Failure
from .models import Missing

CAR_PHRASES = (
    "vehicle is offline or asleep",
    "vehicle is not available",
    "vehicle unavailable",
)

# What Tesla's own HTTP proxy says of the car, the key, the command or the account.
_PROXY_PHRASES = (
    "vehicle rejected request",
    "public key has not been paired",
    "messagefault_",
    "pin codes must be",
    "vehicle busy",
    "context deadline exceeded",
    "account credentials",
    "invalid_command",
)
_MISSING_SCOPES = ("missing scopes", "invalid_scope", "insufficient_scope")


class Kind(StrEnum):
    """What was asked."""

    STATUS = "status"
    UNRELATED = "unrelated"
    TOKEN = "token"
    AUTHORIZE = "authorize"
    CALL = "call"
    DATA = "data"
    WAKE = "wake"
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
    THIRD_PARTY = "third_party"


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
    CACHED = "cached"
    ASLEEP = "asleep"
    IN_SERVICE = "in_service"
    COMMANDS_FAIL = "commands_fail"
    REFUSED = "refused"
    NOT_FOUND = "not_found"
    SIGN_IN = "sign_in"
    UNAUTHORIZED = "unauthorized"
    MOBILE_ACCESS = "mobile_access"
    LIMIT = "limit"
    PAYMENT = "payment"
    POLICY = "policy"
    NOT_REGISTERED = "not_registered"
    WRONG_REGION = "wrong_region"
    RATE_LIMITED = "rate_limited"
    SCOPE = "scope"
    UNSIGNED = "unsigned"
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
    `kind` is what was asked, None where no request stands behind it.
    """

    meaning: Meaning
    asked_at: float
    at: float
    car: str | None = None
    model: str | None = None
    retry_after: float | None = None
    answered: bool = True
    kind: Kind | None = None

    @property
    def good(self) -> bool:
        """Tell whether the subject works."""
        return self.meaning.verdict is not Verdict.BAD

    def of_calls(self, *, car: str, model: str) -> Evidence:
        """Return the same of a car's calls, if it spoke of a sign-in of their own."""
        meaning = self.meaning
        if meaning.subject is Subject.AUTH:
            meaning = replace(meaning, subject=Subject.API)
        return replace(self, meaning=meaning, car=car, model=model)


STALE = Meaning(subject=Subject.DATA, verdict=Verdict.BAD, reason=Reason.STALE)
CACHED = Meaning(
    subject=Subject.THIRD_PARTY, verdict=Verdict.GOOD, reason=Reason.CACHED
)
"""Data of a third party that are no newer than what is known."""

RENEWED = Meaning(subject=Subject.AUTH, verdict=Verdict.GOOD, reason=Reason.OK)

_STATUS = frozenset({Kind.STATUS})
_UNRELATED = frozenset({Kind.UNRELATED})
_TOKEN = frozenset({Kind.TOKEN})
_SIGN_IN = frozenset({Kind.TOKEN, Kind.AUTHORIZE})
_PROBES = frozenset({Kind.STATUS, Kind.TOKEN, Kind.AUTHORIZE})
_COMMAND = frozenset({Kind.COMMAND})
_DATA = frozenset({Kind.DATA})
_CALLS = frozenset({Kind.CALL, Kind.DATA, Kind.WAKE, Kind.COMMAND})
_BEHIND = _CALLS | {Kind.STATUS, Kind.AUTHORIZE}
_ALL = frozenset(Kind)

_ITSELF = None
_ACCOUNT = Subject.ACCOUNT
_CAR = Subject.CAR
_NETWORK = Subject.NETWORK

_SUBJECTS = {
    Kind.STATUS: Subject.STATUS,
    Kind.UNRELATED: Subject.UNRELATED,
    Kind.TOKEN: Subject.AUTH,
    Kind.AUTHORIZE: Subject.AUTH,
    Kind.CALL: Subject.API,
    Kind.DATA: Subject.DATA,
    Kind.WAKE: Subject.API,
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
    third_party: bool

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
    def content(self) -> Mapping[str, object]:
        """Return the JSON object that came, empty without one or if it was cut."""
        if self.answer.truncated or not self.text.startswith("{"):
            return {}
        try:
            content = json.loads(self.answer.body)
        except ValueError, RecursionError:
            return {}
        return content if isinstance(content, dict) else {}

    @property
    def elsewhere(self) -> bool:
        """Tell whether the answer sends us to another host, or to none at all."""
        try:
            host = urlsplit(self.answer.location or "").hostname
        except ValueError:
            return True
        return bool(host) and host != urlsplit(self.url).hostname


class _Row(NamedTuple):
    """One row of the table: what was asked, what came, of whom that tells what."""

    kinds: frozenset[Kind]
    when: Callable[[_Asked], bool]
    subject: Subject | None
    verdict: Verdict
    reason: Reason


def _failed(*failures: Failure) -> Callable[[_Asked], bool]:
    return lambda asked: asked.answer.failure in failures


def _status(*codes: int) -> Callable[[_Asked], bool]:
    return lambda asked: asked.status in codes


def _says(*phrases: str) -> Callable[[_Asked], bool]:
    return lambda asked: any(phrase in asked.text for phrase in phrases)


def _both(*tests: Callable[[_Asked], bool]) -> Callable[[_Asked], bool]:
    return lambda asked: all(test(asked) for test in tests)


def _from_to(first: int, last: int) -> Callable[[_Asked], bool]:
    return lambda asked: first <= asked.status <= last


def _always(_asked: _Asked) -> bool:
    return True


def _html(asked: _Asked) -> bool:
    return asked.html


def _json(asked: _Asked) -> bool:
    return asked.json


def _elsewhere(asked: _Asked) -> bool:
    return asked.elsewhere


def _ok(asked: _Asked) -> bool:
    return asked.text == "ok"


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


def _third_party(asked: _Asked) -> bool:
    return asked.third_party


def _told_offline(asked: _Asked) -> bool:
    """Tell whether a 2xx says that the car is offline instead of what is due."""
    content = asked.content
    told = content.get("response", content)
    if told is None:
        return _out_of_reach_words(asked)
    if asked.kind is not Kind.DATA or not isinstance(told, Mapping):
        return False
    without_data = not any(isinstance(value, Mapping) for value in told.values())
    return without_data and told.get("state") in _NOT_ONLINE


_NOT_ONLINE = frozenset({"offline", "asleep", "waking"})
_out_of_reach_words = _says(*CAR_PHRASES)
_refused_sign_in = _both(
    _from_to(0, 499), _json, _says('"invalid_grant"', '"login_required"')
)
_out_of_reach = _both(_status(500, 503), _out_of_reach_words)


def _left_out(asked: _Asked) -> bool:
    """Tell a command that fails for a car whose data come."""
    unavailable = _says("vehicle is not available")
    return asked.status == 503 and asked.data_works and unavailable(asked)


# First match wins. A row of the subject itself speaks of what was asked.
_TABLE = (
    _Row(_UNRELATED, _unrelated_good, _ITSELF, Verdict.GOOD, Reason.OK),
    _Row(_UNRELATED, _always, _ITSELF, Verdict.BAD, Reason.NO_ANSWER),
    # No HTTP answer came.
    _Row(_ALL, _failed(Failure.NAME), _NETWORK, Verdict.BAD, Reason.NAME),
    _Row(_ALL, _failed(Failure.ADDRESS), _NETWORK, Verdict.BAD, Reason.ADDRESS),
    _Row(_ALL, _failed(Failure.CERTIFICATE), _NETWORK, Verdict.BAD, Reason.CERTIFICATE),
    _Row(
        _COMMAND,
        _both(_third_party, _failed(*Failure)),
        Subject.THIRD_PARTY,
        Verdict.BAD,
        Reason.NO_ANSWER,
    ),
    _Row(_ALL, _failed(Failure.TOO_LARGE), _ITSELF, Verdict.BAD, Reason.MALFORMED),
    _Row(_ALL, _failed(*Failure), _ITSELF, Verdict.BAD, Reason.NO_ANSWER),
    # The owner's network answers in the host's place.
    _Row(
        _ALL,
        _both(_from_to(300, 399), _elsewhere),
        _NETWORK,
        Verdict.BAD,
        Reason.PORTAL,
    ),
    _Row(_ALL, _both(_fine, _html), _NETWORK, Verdict.BAD, Reason.PORTAL),
    _Row(_ALL, _status(407, 511), _NETWORK, Verdict.BAD, Reason.PORTAL),
    # Signing in.
    _Row(_TOKEN, _refused_sign_in, _ACCOUNT, Verdict.BAD, Reason.SIGN_IN),
    _Row(_TOKEN, _status(403, 404, 408), _ITSELF, Verdict.BAD, Reason.CLOUD_FAILS),
    _Row(_TOKEN, _from_to(500, 599), _ITSELF, Verdict.BAD, Reason.CLOUD_FAILS),
    _Row(_SIGN_IN, _both(_fine, _json), _ITSELF, Verdict.GOOD, Reason.OK),
    _Row(_TOKEN, _both(_status(400, 401), _json), _ITSELF, Verdict.GOOD, Reason.OK),
    _Row(_TOKEN, _html, _ITSELF, Verdict.BAD, Reason.CLOUD_FAILS),
    # Probes of a host.
    _Row(_STATUS, _both(_status(200), _ok), _ITSELF, Verdict.GOOD, Reason.OK),
    _Row(_BEHIND, _both(_status(403), _html), _NETWORK, Verdict.BAD, Reason.BLOCKED),
    _Row(_PROBES, _from_to(300, 499), _ITSELF, Verdict.WEAK, Reason.GATEWAY),
    # Calls: the car.
    _Row(_COMMAND, _left_out, _ITSELF, Verdict.BAD, Reason.COMMANDS_FAIL),
    _Row(_CALLS, _out_of_reach, _CAR, Verdict.BAD, Reason.ASLEEP),
    _Row(_CALLS, _status(408, 540), _CAR, Verdict.BAD, Reason.ASLEEP),
    _Row(
        _CALLS,
        _both(_status(405), _says("in service")),
        _CAR,
        Verdict.BAD,
        Reason.IN_SERVICE,
    ),
    _Row(_CALLS, _both(_fine, _told_offline), _CAR, Verdict.BAD, Reason.ASLEEP),
    _Row(
        _CALLS,
        _both(_status(400, 412, 500), _says(*_PROXY_PHRASES)),
        _CAR,
        Verdict.BAD,
        Reason.REFUSED,
    ),
    # Commands: what this car, or this sign-in, takes. The others are not hit.
    _Row(
        _COMMAND | _DATA,
        _both(_status(403), _says(*_MISSING_SCOPES)),
        _CAR,
        Verdict.BAD,
        Reason.SCOPE,
    ),
    _Row(
        _COMMAND,
        _both(_status(403), _says("command protocol required")),
        _CAR,
        Verdict.BAD,
        Reason.UNSIGNED,
    ),
    # Calls: the account.
    _Row(
        _CALLS,
        _both(_status(401), _says("login_required")),
        _ACCOUNT,
        Verdict.BAD,
        Reason.SIGN_IN,
    ),
    _Row(
        _CALLS,
        _both(_status(401), _says("mobile_access_disabled")),
        _ACCOUNT,
        Verdict.BAD,
        Reason.MOBILE_ACCESS,
    ),
    _Row(_CALLS, _status(401), Subject.AUTH, Verdict.BAD, Reason.UNAUTHORIZED),
    _Row(
        _CALLS,
        _both(_status(402), _says("vehicle_subscription_required")),
        _CAR,
        Verdict.BAD,
        Reason.PAYMENT,
    ),
    _Row(_CALLS, _status(402), _ACCOUNT, Verdict.BAD, Reason.PAYMENT),
    _Row(
        _CALLS,
        _both(_status(403), _says("exceeded_limit")),
        _ACCOUNT,
        Verdict.BAD,
        Reason.LIMIT,
    ),
    _Row(_CALLS, _status(403), _ACCOUNT, Verdict.BAD, Reason.POLICY),
    _Row(_CALLS, _status(412), _ACCOUNT, Verdict.BAD, Reason.NOT_REGISTERED),
    _Row(_CALLS, _status(421), _ACCOUNT, Verdict.BAD, Reason.WRONG_REGION),
    _Row(_CALLS, _status(429), _ACCOUNT, Verdict.BAD, Reason.RATE_LIMITED),
    # Calls: the cloud.
    # A third party's gateway failed: Tesla need not have had the command.
    _Row(
        _COMMAND,
        _both(_third_party, _status(502, 504, 520, 521, 522, 524)),
        Subject.THIRD_PARTY,
        Verdict.BAD,
        Reason.CLOUD_FAILS,
    ),
    _Row(_CALLS, _both(_fine, _json), _ITSELF, Verdict.GOOD, Reason.OK),
    _Row(_CALLS, _status(404), _CAR, Verdict.BAD, Reason.NOT_FOUND),
    _Row(_CALLS, _from_to(300, 499), _CAR, Verdict.BAD, Reason.REFUSED),
    _Row(_ALL, _fine, _ITSELF, Verdict.BAD, Reason.MALFORMED),
    _Row(_ALL, _always, _ITSELF, Verdict.BAD, Reason.CLOUD_FAILS),
)


def read(
    kind: Kind,
    answer: Answer,
    *,
    url: str = "",
    data_works: bool = False,
    readable: bool | None = None,
    third_party: bool = False,
) -> Meaning:
    """Read what an answer means.

    `url` is what was asked, to know a redirect to another host. `data_works` tells
    that fresh data of the same car came lately: it turns a command's `vehicle is not
    available` into a failure of the command plane. `readable` tells whether the whole
    body was the JSON that is due; without it the part that was kept decides.
    `third_party` tells that somebody else than Tesla answered.
    """
    asked = _Asked(
        kind=kind,
        answer=answer,
        url=url,
        data_works=data_works,
        readable=readable,
        third_party=third_party,
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
    kind: Kind | None = None,
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
        kind=kind,
    )
