"""Simulated answers to a home's requests, by conditions instead of sockets."""

from dataclasses import dataclass, field, replace
from functools import cache
import json
from math import log
from random import Random
import socket

from custom_components.keycard.outage.classifier import classify
from custom_components.keycard.outage.evidence import (
    STALE,
    Classification,
    Evidence,
    RequestType,
    Verdict,
    make_evidence,
)
from custom_components.keycard.transport.http import Failure, HttpResult

TIMEOUT = 10.0
OK = "ok"
STALE_DATA = "stale"

# Latency of answers and of failures, in seconds.
LATENCY = (0.05, 0.4)
_FAST = (0.002, 0.05)

_FAILURES = {
    "refuse": Failure.REFUSED,
    "reset": Failure.RESET,
    "timeout": Failure.TIMEOUT,
    "dns": Failure.NAME,
    "null": Failure.ADDRESS,
    "tls": Failure.CERTIFICATE,
}
_GOOD_BODIES = {
    RequestType.STATUS: (200, "text/plain", "ok"),
    RequestType.UNRELATED: (204, "", ""),
    RequestType.TOKEN: (400, "application/json", '{"error":"invalid_request"}'),
    RequestType.AUTHORIZE: (
        200,
        "application/json",
        '{"issuer":"https://auth.example/"}',
    ),
}
_GOOD_CALL = (200, "application/json", '{"response":{"state":"online"}}')
_PORTAL = (200, "text/html", "<!doctype html><title>Welcome</title>")
_GARBAGE = (200, "application/json", '{"response": {"sta')
_EMPTY = (200, "application/json", '{"response":[],"count":0}')


# Share of single requests that fail, and their failures.
NOISE = 1 / 200
NOISE_KINDS = ("500 oops", "503 busy", "reset", "timeout")


@dataclass(kw_only=True)
class Noise:
    """Random failures of single requests; `left` succeed before the next one."""

    random: Random
    left: int = 0

    def __post_init__(self) -> None:
        """Draw the first failure."""
        self._draw()

    def _draw(self) -> None:
        self.left = int(log(1.0 - self.random.random()) / log(1.0 - NOISE))

    def __call__(self) -> str:
        """Return a condition for one request, empty for most."""
        if self.left > 0:
            self.left -= 1
            return ""
        self._draw()
        return self.random.choice(NOISE_KINDS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A repeated request: its kind and subjects."""

    kind: RequestType
    subjects: tuple[str, ...]
    vehicle: str | None = None
    model: str | None = None
    data_works: bool = False
    third_party: bool = False


@dataclass(kw_only=True)
class World:
    """Conditions of all hosts and calls.

    Subjects and conditions are those of the case format, including `proxy.api`. Two
    more subjects are `net` (all requests that leave the home) and `token` (the answer
    to a rejected token).
    """

    random: Random
    conditions: dict[str, str] = field(default_factory=dict)

    def set(self, subject: str, condition: str) -> None:
        """Change the condition of a subject; `all` stands for the three regions."""
        if subject.startswith("all."):
            for region in ("na", "eu", "cn"):
                self.set(region + subject[3:], condition)
        elif condition == OK:
            self.conditions.pop(subject, None)
        else:
            self.conditions[subject] = condition

    def condition(self, request: Request) -> str:
        """Return the current condition of a request."""
        if self.conditions:
            for subject in request.subjects:
                if (found := self.conditions.get(subject)) is not None:
                    return found
        return OK

    def duration(self, condition: str) -> float:
        """Draw the duration of a request under a condition, in seconds."""
        if condition == "timeout":
            return TIMEOUT
        if condition.startswith("slow:"):
            return min(float(condition[5:]), TIMEOUT)
        low, high = _FAST if condition in _FAILURES else LATENCY
        return low + (high - low) * self.random.random()


@cache
def template(
    kind: RequestType, condition: str, *, data_works: bool, third_party: bool
) -> tuple[Classification, HttpResult]:
    """Return the classification and the answer under a condition."""
    answer = _answer(kind, condition)
    classification = classify(
        kind,
        answer,
        url="https://host.example/",
        data_works=data_works,
        third_party=third_party,
    )
    if condition == STALE_DATA and kind is RequestType.DATA:
        classification = STALE
    return classification, answer


def evidence_of(
    request: Request, condition: str, sent_at: float, elapsed: float
) -> Evidence:
    """Return the evidence of a request."""
    classification, answer = template(
        request.kind,
        condition,
        data_works=request.data_works,
        third_party=request.third_party,
    )
    if classification.verdict is Verdict.GOOD:
        # A shortcut for the most frequent answer.
        return Evidence(
            classification=classification,
            sent_at=sent_at,
            at=sent_at + elapsed,
            vehicle_id=request.vehicle,
            model=request.model,
            request_type=request.kind,
        )
    answer = replace(answer, sent_at=sent_at, elapsed=elapsed)
    return make_evidence(
        classification,
        answer,
        vehicle_id=request.vehicle,
        model=request.model,
        kind=request.kind,
    )


def _answer(kind: RequestType, condition: str) -> HttpResult:
    if condition.startswith("slow:") and float(condition[5:]) >= TIMEOUT:
        condition = "timeout"
    if condition in _FAILURES:
        return HttpResult(sent_at=0.0, elapsed=0.0, failure=_FAILURES[condition])
    retry_after = None
    if condition in (OK, STALE_DATA) or condition.startswith("slow:"):
        status, content_type, body = _GOOD_BODIES.get(kind, _GOOD_CALL)
    elif condition == "portal":
        status, content_type, body = _PORTAL
    elif condition == "garbage":
        status, content_type, body = _GARBAGE
    elif condition == "empty":
        status, content_type, body = _EMPTY
    elif condition.startswith("retry-after:"):
        status, content_type, body = 429, "text/plain", "Too many requests"
        retry_after = float(condition.partition(":")[2])
    else:
        code, _, body = condition.partition(" ")
        status, content_type = int(code), _content_type(body)
    return HttpResult(
        sent_at=0.0,
        elapsed=0.0,
        status=status,
        content_type=content_type,
        body=body,
        retry_after=retry_after,
        family=socket.AF_INET,
    )


def _content_type(body: str) -> str:
    if body.startswith("<"):
        return "text/html"
    if body.startswith("{"):
        json.loads(body)
        return "application/json"
    return "text/plain"
