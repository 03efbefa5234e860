"""Classification of HTTP results: the table of answers and their meanings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
import json
from typing import NamedTuple
from urllib.parse import urlsplit

from ..transport.http import Failure, HttpResult
from .evidence import Classification, Reason, RequestType, Subject, Verdict

CAR_PHRASES = (
    "vehicle is offline or asleep",
    "vehicle is not available",
    "vehicle unavailable",
)

# Errors of Tesla's HTTP proxy about the vehicle, key, command or account.
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

_STATUS = frozenset({RequestType.STATUS})
_UNRELATED = frozenset({RequestType.UNRELATED})
_TOKEN = frozenset({RequestType.TOKEN})
_SIGN_IN = frozenset({RequestType.TOKEN, RequestType.AUTHORIZE})
_PROBES = frozenset({RequestType.STATUS, RequestType.TOKEN, RequestType.AUTHORIZE})
_COMMAND = frozenset({RequestType.COMMAND})
_DATA = frozenset({RequestType.DATA})
_CALLS = frozenset(
    {RequestType.CALL, RequestType.DATA, RequestType.WAKE, RequestType.COMMAND}
)
_BEHIND_GATEWAY = _CALLS | {RequestType.STATUS, RequestType.AUTHORIZE}
_ALL = frozenset(RequestType)

_GATEWAY = None
_ACCOUNT = Subject.ACCOUNT
_CAR = Subject.CAR
_NETWORK = Subject.NETWORK

_SUBJECTS = {
    RequestType.STATUS: Subject.STATUS,
    RequestType.UNRELATED: Subject.UNRELATED,
    RequestType.TOKEN: Subject.AUTH,
    RequestType.AUTHORIZE: Subject.AUTH,
    RequestType.CALL: Subject.API,
    RequestType.DATA: Subject.DATA,
    RequestType.WAKE: Subject.API,
    RequestType.COMMAND: Subject.COMMANDS,
}

_UNRELATED_BODIES = frozenset({"ok", "success"})
_UNRELATED_MARK = "success</body>"


@dataclass(frozen=True, kw_only=True)
class _Request:
    """HTTP result with the context of its request."""

    kind: RequestType
    answer: HttpResult
    url: str
    data_works: bool
    readable: bool | None
    third_party: bool

    @property
    def status(self) -> int:
        return self.answer.status or 0

    @cached_property
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
            # The rest of the body was dropped.
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
    def redirected(self) -> bool:
        """Return whether the answer redirects to another or an invalid host."""
        try:
            host = urlsplit(self.answer.location or "").hostname
        except ValueError:
            return True
        return bool(host) and host != urlsplit(self.url).hostname


type _OutcomeTest = Callable[[int, Failure | None], bool]
"""Test of the HTTP status, 0 without one, and of the failure."""

type _ContentTest = Callable[[_Request], bool]


class _Rule(NamedTuple):
    """Row of the table: request types, tests of the result, and classification."""

    kinds: frozenset[RequestType]
    outcome: _OutcomeTest
    content: _ContentTest
    subject: Subject | None
    verdict: Verdict
    reason: Reason


def _failed(*failures: Failure) -> _OutcomeTest:
    return lambda _, failure: failure in failures


def _status(*codes: int) -> _OutcomeTest:
    return lambda status, _: status in codes


def _from_to(first: int, last: int) -> _OutcomeTest:
    return lambda status, _: first <= status <= last


def _any_outcome(_status: int, _failure: Failure | None) -> bool:
    return True


_fine = _from_to(200, 299)


def _says(*phrases: str) -> _ContentTest:
    return lambda request: any(phrase in request.text for phrase in phrases)


def _both(*tests: _ContentTest) -> _ContentTest:
    return lambda request: all(test(request) for test in tests)


def _any_content(_request: _Request) -> bool:
    return True


def _html(request: _Request) -> bool:
    return request.html


def _json(request: _Request) -> bool:
    return request.json


def _redirected(request: _Request) -> bool:
    return request.redirected


def _ok(request: _Request) -> bool:
    return request.text == "ok"


def _unrelated_good(request: _Request) -> bool:
    if request.answer.failure is not None:
        return False
    if request.status == 204:
        return not request.text
    return request.status == 200 and (
        request.text in _UNRELATED_BODIES or _UNRELATED_MARK in request.text
    )


def _third_party(request: _Request) -> bool:
    return request.third_party


def _reports_offline(request: _Request) -> bool:
    """Return whether a 2xx reports an offline vehicle instead of the expected data."""
    content = request.content
    vehicle = content.get("response", content)
    if vehicle is None:
        return _out_of_reach_words(request)
    if request.kind is not RequestType.DATA or not isinstance(vehicle, Mapping):
        return False
    without_data = not any(isinstance(value, Mapping) for value in vehicle.values())
    return without_data and vehicle.get("state") in _NOT_ONLINE


# A tuple: a host may answer with anything, and a list has no hash.
_NOT_ONLINE = ("offline", "asleep", "waking")
_out_of_reach_words = _says(*CAR_PHRASES)
_refused_sign_in = _both(_json, _says('"invalid_grant"', '"login_required"'))
_unavailable = _says("vehicle is not available")


def _without_token(request: _Request) -> bool:
    """Return whether a vehicle that delivers data is said not to be available."""
    return request.data_works and _unavailable(request)


# The first matching rule applies. Without a subject, it is that of the request type.
_RULES = (
    _Rule(_UNRELATED, _any_outcome, _unrelated_good, _GATEWAY, Verdict.GOOD, Reason.OK),
    _Rule(
        _UNRELATED, _any_outcome, _any_content, _GATEWAY, Verdict.BAD, Reason.NO_ANSWER
    ),
    # No HTTP answer came.
    _Rule(
        _ALL, _failed(Failure.NAME), _any_content, _NETWORK, Verdict.BAD, Reason.NAME
    ),
    _Rule(
        _ALL,
        _failed(Failure.ADDRESS),
        _any_content,
        _NETWORK,
        Verdict.BAD,
        Reason.ADDRESS,
    ),
    _Rule(
        _ALL,
        _failed(Failure.CERTIFICATE),
        _any_content,
        _NETWORK,
        Verdict.BAD,
        Reason.CERTIFICATE,
    ),
    _Rule(
        _COMMAND,
        _failed(*Failure),
        _third_party,
        Subject.THIRD_PARTY,
        Verdict.BAD,
        Reason.NO_ANSWER,
    ),
    _Rule(
        _ALL,
        _failed(Failure.TOO_LARGE),
        _any_content,
        _GATEWAY,
        Verdict.BAD,
        Reason.MALFORMED,
    ),
    _Rule(
        _ALL, _failed(*Failure), _any_content, _GATEWAY, Verdict.BAD, Reason.NO_ANSWER
    ),
    # The user's network answers in the host's place.
    _Rule(
        _ALL,
        _from_to(300, 399),
        _redirected,
        _NETWORK,
        Verdict.BAD,
        Reason.PORTAL,
    ),
    _Rule(_ALL, _fine, _html, _NETWORK, Verdict.BAD, Reason.PORTAL),
    _Rule(_ALL, _status(407, 511), _any_content, _NETWORK, Verdict.BAD, Reason.PORTAL),
    # Signing in.
    _Rule(
        _TOKEN,
        _from_to(0, 499),
        _refused_sign_in,
        _ACCOUNT,
        Verdict.BAD,
        Reason.SIGN_IN,
    ),
    _Rule(
        _TOKEN,
        _status(403, 404, 408),
        _any_content,
        _GATEWAY,
        Verdict.BAD,
        Reason.CLOUD_FAILS,
    ),
    _Rule(
        _TOKEN,
        _from_to(500, 599),
        _any_content,
        _GATEWAY,
        Verdict.BAD,
        Reason.CLOUD_FAILS,
    ),
    _Rule(_SIGN_IN, _fine, _json, _GATEWAY, Verdict.GOOD, Reason.OK),
    _Rule(_TOKEN, _status(400, 401), _json, _GATEWAY, Verdict.GOOD, Reason.OK),
    _Rule(_TOKEN, _any_outcome, _html, _GATEWAY, Verdict.BAD, Reason.CLOUD_FAILS),
    # Probes of a host.
    _Rule(_STATUS, _status(200), _ok, _GATEWAY, Verdict.GOOD, Reason.OK),
    _Rule(
        _BEHIND_GATEWAY,
        _status(403),
        _html,
        _NETWORK,
        Verdict.BAD,
        Reason.BLOCKED,
    ),
    _Rule(
        _PROBES,
        _from_to(300, 499),
        _any_content,
        _GATEWAY,
        Verdict.WEAK,
        Reason.GATEWAY,
    ),
    # Calls: the vehicle.
    _Rule(
        _COMMAND,
        _status(503),
        _without_token,
        _GATEWAY,
        Verdict.BAD,
        Reason.COMMANDS_FAIL,
    ),
    _Rule(
        _CALLS, _status(500, 503), _out_of_reach_words, _CAR, Verdict.BAD, Reason.ASLEEP
    ),
    _Rule(_CALLS, _status(408, 540), _any_content, _CAR, Verdict.BAD, Reason.ASLEEP),
    _Rule(
        _CALLS,
        _status(405),
        _says("in service"),
        _CAR,
        Verdict.BAD,
        Reason.IN_SERVICE,
    ),
    _Rule(_CALLS, _fine, _reports_offline, _CAR, Verdict.BAD, Reason.ASLEEP),
    _Rule(
        _CALLS,
        _status(400, 412, 500),
        _says(*_PROXY_PHRASES),
        _CAR,
        Verdict.BAD,
        Reason.REFUSED,
    ),
    # Commands: limits of this vehicle or token, which affect no others.
    _Rule(
        _COMMAND | _DATA,
        _status(403),
        _says(*_MISSING_SCOPES),
        _CAR,
        Verdict.BAD,
        Reason.SCOPE,
    ),
    _Rule(
        _COMMAND,
        _status(403),
        _says("command protocol required"),
        _CAR,
        Verdict.BAD,
        Reason.UNSIGNED,
    ),
    # Calls: the account.
    _Rule(
        _CALLS,
        _status(401),
        _says("login_required"),
        _ACCOUNT,
        Verdict.BAD,
        Reason.SIGN_IN,
    ),
    _Rule(
        _CALLS,
        _status(401),
        _says("mobile_access_disabled"),
        _ACCOUNT,
        Verdict.BAD,
        Reason.MOBILE_ACCESS,
    ),
    _Rule(
        _CALLS,
        _status(401),
        _any_content,
        Subject.AUTH,
        Verdict.BAD,
        Reason.UNAUTHORIZED,
    ),
    _Rule(
        _CALLS,
        _status(402),
        _says("vehicle_subscription_required"),
        _CAR,
        Verdict.BAD,
        Reason.PAYMENT,
    ),
    _Rule(_CALLS, _status(402), _any_content, _ACCOUNT, Verdict.BAD, Reason.PAYMENT),
    _Rule(
        _CALLS,
        _status(403),
        _says("exceeded_limit"),
        _ACCOUNT,
        Verdict.BAD,
        Reason.BILLING_LIMIT,
    ),
    _Rule(_CALLS, _status(403), _any_content, _ACCOUNT, Verdict.BAD, Reason.FORBIDDEN),
    _Rule(
        _CALLS, _status(412), _any_content, _ACCOUNT, Verdict.BAD, Reason.NOT_REGISTERED
    ),
    _Rule(
        _CALLS, _status(421), _any_content, _ACCOUNT, Verdict.BAD, Reason.WRONG_REGION
    ),
    _Rule(
        _CALLS, _status(429), _any_content, _ACCOUNT, Verdict.BAD, Reason.RATE_LIMITED
    ),
    # Calls: the cloud.
    # A third party's gateway failed: Tesla need not have had the command.
    _Rule(
        _COMMAND,
        _status(502, 504, 520, 521, 522, 524),
        _third_party,
        Subject.THIRD_PARTY,
        Verdict.BAD,
        Reason.CLOUD_FAILS,
    ),
    _Rule(_CALLS, _fine, _json, _GATEWAY, Verdict.GOOD, Reason.OK),
    _Rule(_CALLS, _status(404), _any_content, _CAR, Verdict.BAD, Reason.NOT_FOUND),
    _Rule(_CALLS, _from_to(300, 499), _any_content, _CAR, Verdict.BAD, Reason.REFUSED),
    _Rule(_ALL, _fine, _any_content, _GATEWAY, Verdict.BAD, Reason.MALFORMED),
    _Rule(_ALL, _any_outcome, _any_content, _GATEWAY, Verdict.BAD, Reason.CLOUD_FAILS),
)


@lru_cache
def _rules(
    kind: RequestType, status: int, failure: Failure | None
) -> tuple[_Rule, ...]:
    """Return the rules for a request type whose test of the outcome passes."""
    return tuple(
        row for row in _RULES if kind in row.kinds and row.outcome(status, failure)
    )


def classify(
    request_type: RequestType,
    answer: HttpResult,
    *,
    url: str = "",
    data_works: bool = False,
    readable: bool | None = None,
    third_party: bool = False,
) -> Classification:
    """Classify an HTTP result; the first matching rule applies.

    `url` is the requested URL, to detect a redirect to another host. With
    `data_works`, the vehicle has returned data recently, so a command's `vehicle is not
    available` is a failure of `commands`. `readable` is whether the whole body was the
    expected JSON; None checks the recorded part. `third_party` is whether a third party
    answered.
    """
    request = _Request(
        kind=request_type,
        answer=answer,
        url=url,
        data_works=data_works,
        readable=readable,
        third_party=third_party,
    )
    rules = _rules(request_type, request.status, answer.failure)
    row = next(row for row in rules if row.content(request))
    return Classification(
        subject=row.subject or _SUBJECTS[request_type],
        verdict=row.verdict,
        reason=row.reason,
    )
