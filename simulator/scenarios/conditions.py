"""Conditions of the simulator and the subjects they apply to.

Subjects: REGION.status, REGION.api, REGION.data, REGION.commands (REGION is na, eu,
cn, or all), auth.token, auth.authorize, controls (or one of controls1, controls2),
dns.tesla, proxy.api, tesla_proxy.api (Tesla's own proxy), teslemetry.api, tessie.api
(third parties), domain.key (the host of an app's public key) and car.NAME. A suffix
@MODEL narrows api, data and commands to cars of that model.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
import re

REGIONS = ("na", "eu", "cn")
MODELS = ("model3", "modely", "models", "modelx", "cybertruck")
CONTROLS = ("controls1", "controls2")
AUTH = ("auth.token", "auth.authorize")
DNS = "dns.tesla"
PROXY = "proxy.api"
TESLA_PROXY = "tesla_proxy.api"
DOMAIN = "domain.key"
SERVICES = ("teslemetry", "tessie")
_SERVICE_SUBJECTS = tuple(f"{name}.api" for name in SERVICES)
CAR_CONDITIONS = ("online", "asleep", "offline", "near", "gone")


class ConditionError(ValueError):
    """Error raised for an invalid subject, condition or combination of both."""


class ConditionKind(StrEnum):
    """Kinds of conditions."""

    OK = "ok"
    REFUSE = "refuse"
    TIMEOUT = "timeout"
    RESET = "reset"
    DNS = "dns"
    NULL = "null"
    TLS = "tls"
    STALE = "stale"
    PORTAL = "portal"
    GARBAGE = "garbage"
    NOISE = "noise"
    ENCODING = "encoding"
    TYPES = "types"
    HUGE = "huge"
    EMPTY = "empty"
    HTTP = "CODE BODY"
    RETRY_AFTER = "retry-after:SECONDS"
    RATELIMIT = "ratelimit-reset:SECONDS"
    SLOW = "slow:SECONDS"
    DRIP = "drip:SECONDS"
    LATE = "late:SECONDS"


# No request reaches a host with one of these conditions.
UNREACHABLE = frozenset({ConditionKind.REFUSE, ConditionKind.DNS, ConditionKind.NULL})
# These affect the user's network: third parties do not see them.
LOCAL_NETWORK = frozenset(
    {ConditionKind.DNS, ConditionKind.NULL, ConditionKind.TLS, ConditionKind.PORTAL}
)

_NAME_KINDS = frozenset({ConditionKind.DNS, ConditionKind.NULL, ConditionKind.TLS})
# A request with one of these conditions is executed; its answer is damaged.
ANSWER_DAMAGED = frozenset(
    {
        ConditionKind.RESET,
        ConditionKind.GARBAGE,
        ConditionKind.NOISE,
        ConditionKind.ENCODING,
        ConditionKind.TYPES,
        ConditionKind.HUGE,
        ConditionKind.DRIP,
    }
)

_HOST_KINDS = frozenset(ConditionKind) - {
    ConditionKind.STALE,
    ConditionKind.EMPTY,
    ConditionKind.LATE,
}
_VEHICLE_KINDS = _HOST_KINDS - _NAME_KINDS
_COMMAND_KINDS = _VEHICLE_KINDS | {ConditionKind.LATE}
_PLAIN_KINDS = frozenset({kind for kind in ConditionKind if kind.value.isalpha()})

# Conditions allowed for each part of a host, and for cars of one model.
_ALLOWED = {
    "status": _HOST_KINDS,
    "api": frozenset(ConditionKind) - {ConditionKind.LATE},
    "data": _VEHICLE_KINDS | {ConditionKind.STALE},
    "commands": _COMMAND_KINDS,
    "api@": _VEHICLE_KINDS | {ConditionKind.STALE, ConditionKind.EMPTY},
    "data@": _VEHICLE_KINDS | {ConditionKind.STALE},
    "commands@": _COMMAND_KINDS,
    "proxy": _HOST_KINDS | {ConditionKind.EMPTY},
    # Its certificate is self-signed: it changes by renewal, not by a condition.
    "tesla_proxy": _HOST_KINDS - {ConditionKind.TLS} | {ConditionKind.EMPTY},
    "teslemetry": _HOST_KINDS | {ConditionKind.EMPTY},
    "tessie": _HOST_KINDS | {ConditionKind.EMPTY, ConditionKind.STALE},
    "dns": frozenset({ConditionKind.OK, ConditionKind.DNS, ConditionKind.NULL}),
    "car": _VEHICLE_KINDS | {ConditionKind.STALE},
    "other": _HOST_KINDS,
}

# A limit of calls may be one of several: ratelimit-day-reset.
_SECONDS = re.compile(
    r"(slow|drip|late|retry-after|ratelimit-(?:[a-z]+-)?reset):(\d{1,7}(?:\.\d+)?)"
)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A parsed condition."""

    text: str
    kind: ConditionKind
    status: int = 200
    body: str = ""
    seconds: float = 0.0
    set_at: float = 0.0

    def seconds_left(self, timestamp: float) -> int:
        """Return the remaining whole seconds of a rate limit."""
        return max(0, round(self.seconds - (timestamp - self.set_at)))


OK = Condition(text="ok", kind=ConditionKind.OK)


def parse_condition(text: str, timestamp: float = 0.0) -> Condition:
    """Parse a condition; raise ConditionError if it is invalid."""
    text = text.strip()
    if text in _PLAIN_KINDS:
        return Condition(text=text, kind=ConditionKind(text))
    if match := re.fullmatch(r"([2-5]\d\d)(?:\s+(.+))?", text, re.DOTALL):
        return Condition(
            text=text,
            kind=ConditionKind.HTTP,
            status=int(match[1]),
            body=match[2] or "",
        )
    if match := _SECONDS.fullmatch(text):
        name = "ratelimit-reset" if match[1].startswith("ratelimit") else match[1]
        kind = next(one for one in ConditionKind if one.value == f"{name}:SECONDS")
        return Condition(
            text=text, kind=kind, seconds=float(match[2]), set_at=timestamp
        )
    allowed = ", ".join(kind.value for kind in ConditionKind)
    message = f"unknown condition {text!r}; allowed: {allowed} (CODE is 200 to 599)"
    raise ConditionError(message)


def expand_subject(subject: str, cars: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the single subjects of a subject; raise ConditionError if invalid."""
    host, dot, rest = subject.partition(".")
    part, at, model = rest.partition("@")
    if host == "car" and dot:
        if rest not in (car_names := tuple(cars)):
            message = f"unknown car {rest!r}; the cars are: {', '.join(car_names)}"
            raise ConditionError(message)
        return (subject,)
    if subject == "controls":
        return CONTROLS
    if subject in (
        *CONTROLS,
        *AUTH,
        DNS,
        PROXY,
        TESLA_PROXY,
        DOMAIN,
        *_SERVICE_SUBJECTS,
    ):
        return (subject,)
    if host not in (*REGIONS, "all") or part not in (
        "status",
        "api",
        "data",
        "commands",
    ):
        message = (
            f"unknown subject {subject!r}; allowed: REGION.status, REGION.api,"
            " REGION.data, REGION.commands (REGION: na, eu, cn, all; @MODEL narrows"
            f" all but status), {', '.join(AUTH)}, controls, {', '.join(CONTROLS)},"
            f" {DNS}, {PROXY}, {TESLA_PROXY}, {', '.join(_SERVICE_SUBJECTS)},"
            f" {DOMAIN}, car.NAME"
        )
        raise ConditionError(message)
    if at and (part == "status" or model not in MODELS):
        message = (
            f"{subject!r} cannot be narrowed so; @MODEL goes with api, data and"
            f" commands, and the models are: {', '.join(MODELS)}"
        )
        raise ConditionError(message)
    return tuple(f"{name}.{rest}" for name in (REGIONS if host == "all" else (host,)))


def validate_condition(subject: str, condition: str, cars: Iterable[str] = ()) -> None:
    """Raise ConditionError unless the condition is allowed for the subject."""
    single = expand_subject(subject, cars)[0]
    if single.startswith("car.") and condition.strip() in CAR_CONDITIONS:
        return
    try:
        kind = parse_condition(condition).kind
    except ConditionError as err:
        if single.startswith("car."):
            message = f"{err}; for cars also: {', '.join(CAR_CONDITIONS)}"
            raise ConditionError(message) from err
        raise
    host, _, rest = single.partition(".")
    part, at, _ = rest.partition("@")
    if host in REGIONS:
        allowed = _ALLOWED[f"{part}{at}"]
    else:
        allowed = _ALLOWED[host if host in _ALLOWED else "other"]
    if kind not in allowed:
        names = ", ".join(kind.value for kind in ConditionKind if kind in allowed)
        message = f"{kind.value!r} means nothing for {subject!r}; allowed: {names}"
        raise ConditionError(message)


class Conditions:
    """Active conditions by subject, with a signal for changes."""

    def __init__(self, get_time: Callable[[], float]) -> None:
        self._get_time = get_time
        self._active: dict[str, Condition] = {}
        self._changed = asyncio.Event()

    def set(self, subject: str, condition: str) -> None:
        """Set the condition of a single subject."""
        parsed = parse_condition(condition, self._get_time())
        if parsed.kind is ConditionKind.OK:
            self._active.pop(subject, None)
        else:
            self._active[subject] = parsed
        self.notify()

    def notify(self) -> None:
        """Wake all waiting requests."""
        self._changed.set()
        self._changed = asyncio.Event()

    def get(self, subject: str) -> Condition:
        """Return the condition of a single subject."""
        return self._active.get(subject, OK)

    def first_of(self, subjects: Iterable[str]) -> Condition:
        """Return the first active condition of the subjects."""
        return next((self._active[one] for one in subjects if one in self._active), OK)

    def as_dict(self) -> dict[str, str]:
        """Return the active conditions."""
        return {subject: condition.text for subject, condition in self._active.items()}

    async def wait_for_change(self) -> None:
        """Wait for the next change."""
        await self._changed.wait()
