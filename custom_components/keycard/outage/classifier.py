"""Classification of HTTP results: the table of answers and their meanings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
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


class _Rule(NamedTuple):
    """Row of the table: request types, condition, and classification."""

    kinds: frozenset[RequestType]
    when: Callable[[_Request], bool]
    subject: Subject | None
    verdict: Verdict
    reason: Reason


def _failed(*failures: Failure) -> Callable[[_Request], bool]:
    return lambda request: request.answer.failure in failures


def _status(*codes: int) -> Callable[[_Request], bool]:
    return lambda request: request.status in codes


def _says(*phrases: str) -> Callable[[_Request], bool]:
    return lambda request: any(phrase in request.text for phrase in phrases)


def _both(*tests: Callable[[_Request], bool]) -> Callable[[_Request], bool]:
    return lambda request: all(test(request) for test in tests)


def _from_to(first: int, last: int) -> Callable[[_Request], bool]:
    return lambda request: first <= request.status <= last


def _always(_request: _Request) -> bool:
    return True


def _html(request: _Request) -> bool:
    return request.html


def _json(request: _Request) -> bool:
    return request.json


def _redirected(request: _Request) -> bool:
    return request.redirected


def _ok(request: _Request) -> bool:
    return request.text == "ok"


def _fine(request: _Request) -> bool:
    return 200 <= request.status < 300


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
_refused_sign_in = _both(
    _from_to(0, 499), _json, _says('"invalid_grant"', '"login_required"')
)
_out_of_reach = _both(_status(500, 503), _out_of_reach_words)


def _without_token(request: _Request) -> bool:
    """Return whether a command fails for a vehicle that delivers data."""
    unavailable = _says("vehicle is not available")
    return request.status == 503 and request.data_works and unavailable(request)


# The first matching rule applies. Without a subject, it is that of the request type.
_RULES = (
    _Rule(_UNRELATED, _unrelated_good, _GATEWAY, Verdict.GOOD, Reason.OK),
    _Rule(_UNRELATED, _always, _GATEWAY, Verdict.BAD, Reason.NO_ANSWER),
    # No HTTP answer came.
    _Rule(_ALL, _failed(Failure.NAME), _NETWORK, Verdict.BAD, Reason.NAME),
    _Rule(_ALL, _failed(Failure.ADDRESS), _NETWORK, Verdict.BAD, Reason.ADDRESS),
    _Rule(
        _ALL, _failed(Failure.CERTIFICATE), _NETWORK, Verdict.BAD, Reason.CERTIFICATE
    ),
    _Rule(
        _COMMAND,
        _both(_third_party, _failed(*Failure)),
        Subject.THIRD_PARTY,
        Verdict.BAD,
        Reason.NO_ANSWER,
    ),
    _Rule(_ALL, _failed(Failure.TOO_LARGE), _GATEWAY, Verdict.BAD, Reason.MALFORMED),
    _Rule(_ALL, _failed(*Failure), _GATEWAY, Verdict.BAD, Reason.NO_ANSWER),
    # The user's network answers in the host's place.
    _Rule(
        _ALL,
        _both(_from_to(300, 399), _redirected),
        _NETWORK,
        Verdict.BAD,
        Reason.PORTAL,
    ),
    _Rule(_ALL, _both(_fine, _html), _NETWORK, Verdict.BAD, Reason.PORTAL),
    _Rule(_ALL, _status(407, 511), _NETWORK, Verdict.BAD, Reason.PORTAL),
    # Signing in.
    _Rule(_TOKEN, _refused_sign_in, _ACCOUNT, Verdict.BAD, Reason.SIGN_IN),
    _Rule(_TOKEN, _status(403, 404, 408), _GATEWAY, Verdict.BAD, Reason.CLOUD_FAILS),
    _Rule(_TOKEN, _from_to(500, 599), _GATEWAY, Verdict.BAD, Reason.CLOUD_FAILS),
    _Rule(_SIGN_IN, _both(_fine, _json), _GATEWAY, Verdict.GOOD, Reason.OK),
    _Rule(_TOKEN, _both(_status(400, 401), _json), _GATEWAY, Verdict.GOOD, Reason.OK),
    _Rule(_TOKEN, _html, _GATEWAY, Verdict.BAD, Reason.CLOUD_FAILS),
    # Probes of a host.
    _Rule(_STATUS, _both(_status(200), _ok), _GATEWAY, Verdict.GOOD, Reason.OK),
    _Rule(
        _BEHIND_GATEWAY,
        _both(_status(403), _html),
        _NETWORK,
        Verdict.BAD,
        Reason.BLOCKED,
    ),
    _Rule(_PROBES, _from_to(300, 499), _GATEWAY, Verdict.WEAK, Reason.GATEWAY),
    # Calls: the vehicle.
    _Rule(_COMMAND, _without_token, _GATEWAY, Verdict.BAD, Reason.COMMANDS_FAIL),
    _Rule(_CALLS, _out_of_reach, _CAR, Verdict.BAD, Reason.ASLEEP),
    _Rule(_CALLS, _status(408, 540), _CAR, Verdict.BAD, Reason.ASLEEP),
    _Rule(
        _CALLS,
        _both(_status(405), _says("in service")),
        _CAR,
        Verdict.BAD,
        Reason.IN_SERVICE,
    ),
    _Rule(_CALLS, _both(_fine, _reports_offline), _CAR, Verdict.BAD, Reason.ASLEEP),
    _Rule(
        _CALLS,
        _both(_status(400, 412, 500), _says(*_PROXY_PHRASES)),
        _CAR,
        Verdict.BAD,
        Reason.REFUSED,
    ),
    # Commands: limits of this vehicle or token, which affect no others.
    _Rule(
        _COMMAND | _DATA,
        _both(_status(403), _says(*_MISSING_SCOPES)),
        _CAR,
        Verdict.BAD,
        Reason.SCOPE,
    ),
    _Rule(
        _COMMAND,
        _both(_status(403), _says("command protocol required")),
        _CAR,
        Verdict.BAD,
        Reason.UNSIGNED,
    ),
    # Calls: the account.
    _Rule(
        _CALLS,
        _both(_status(401), _says("login_required")),
        _ACCOUNT,
        Verdict.BAD,
        Reason.SIGN_IN,
    ),
    _Rule(
        _CALLS,
        _both(_status(401), _says("mobile_access_disabled")),
        _ACCOUNT,
        Verdict.BAD,
        Reason.MOBILE_ACCESS,
    ),
    _Rule(_CALLS, _status(401), Subject.AUTH, Verdict.BAD, Reason.UNAUTHORIZED),
    _Rule(
        _CALLS,
        _both(_status(402), _says("vehicle_subscription_required")),
        _CAR,
        Verdict.BAD,
        Reason.PAYMENT,
    ),
    _Rule(_CALLS, _status(402), _ACCOUNT, Verdict.BAD, Reason.PAYMENT),
    _Rule(
        _CALLS,
        _both(_status(403), _says("exceeded_limit")),
        _ACCOUNT,
        Verdict.BAD,
        Reason.BILLING_LIMIT,
    ),
    _Rule(_CALLS, _status(403), _ACCOUNT, Verdict.BAD, Reason.FORBIDDEN),
    _Rule(_CALLS, _status(412), _ACCOUNT, Verdict.BAD, Reason.NOT_REGISTERED),
    _Rule(_CALLS, _status(421), _ACCOUNT, Verdict.BAD, Reason.WRONG_REGION),
    _Rule(_CALLS, _status(429), _ACCOUNT, Verdict.BAD, Reason.RATE_LIMITED),
    # Calls: the cloud.
    # A third party's gateway failed: Tesla need not have had the command.
    _Rule(
        _COMMAND,
        _both(_third_party, _status(502, 504, 520, 521, 522, 524)),
        Subject.THIRD_PARTY,
        Verdict.BAD,
        Reason.CLOUD_FAILS,
    ),
    _Rule(_CALLS, _both(_fine, _json), _GATEWAY, Verdict.GOOD, Reason.OK),
    _Rule(_CALLS, _status(404), _CAR, Verdict.BAD, Reason.NOT_FOUND),
    _Rule(_CALLS, _from_to(300, 499), _CAR, Verdict.BAD, Reason.REFUSED),
    _Rule(_ALL, _fine, _GATEWAY, Verdict.BAD, Reason.MALFORMED),
    _Rule(_ALL, _always, _GATEWAY, Verdict.BAD, Reason.CLOUD_FAILS),
)
_RULES_BY_TYPE = {
    kind: tuple(row for row in _RULES if kind in row.kinds) for kind in RequestType
}


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
    row = next(row for row in _RULES_BY_TYPE[request_type] if row.when(request))
    return Classification(
        subject=row.subject or _SUBJECTS[request_type],
        verdict=row.verdict,
        reason=row.reason,
    )
