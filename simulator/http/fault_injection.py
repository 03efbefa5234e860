"""Effects of conditions on requests.

Conditions in front of Tesla's API (refuse, timeout, portal, CODE...) keep a command
from the car; when only the answer is damaged (reset, garbage, noise, encoding, types,
huge, drip), the command has run. A late command is accepted at once and delivered after
the delay, even if the client has disconnected, like a queue in a cloud.
"""

import asyncio
from collections.abc import Callable, Collection
from contextvars import Context
from dataclasses import dataclass, replace
import json

from ..scenarios.conditions import (
    LOCAL_NETWORK,
    MODELS,
    OK,
    UNREACHABLE,
    Condition,
    ConditionKind,
    Conditions,
)
from .server import JSON, REFUSED, Reply, Traffic

PORTAL = (
    "<!doctype html><html><head><title>Welcome to the guest network</title></head>"
    "<body><h1>Welcome</h1><p>Please accept our terms to go online.</p></body></html>"
)
RATE_LIMITS = frozenset({ConditionKind.RETRY_AFTER, ConditionKind.RATELIMIT})
GARBAGE = '{"response":{"result":tr'
HUGE = '{"response":[' + '"' + "x" * (4 << 20) + '"]}'


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Combined conditions of the subjects of one request."""

    condition: Condition = OK
    stale: bool = False
    delay: float = 0.0  # seconds until the request is delivered to the car
    hidden_models: frozenset[str] = frozenset()  # models missing from product lists


class FaultInjector:
    """Finds the fault of a request and holds it for `slow` and `timeout`."""

    def __init__(
        self, conditions: Conditions, traffic: Traffic, get_time: Callable[[], float]
    ) -> None:
        self._conditions = conditions
        self._traffic = traffic
        self._get_time = get_time
        self._delayed_replies: set[asyncio.Task[Reply]] = set()

    async def find_fault(
        self,
        subjects: Collection[str],
        *,
        list_subjects: Collection[str] = (),
        remote: bool = False,
    ) -> Fault:
        """Return the fault of a request; `subjects` start with the broadest.

        `list_subjects` are subjects of single models that only hide cars in product
        lists. A remote request does not come from the user's network: local network
        faults do not apply to it, and it does not wait for a host that hangs.
        """
        held: set[str] = set()
        while True:
            stale, delay, hidden = False, 0.0, self._hidden_models(list_subjects)
            for subject in subjects:
                condition = self._conditions.get(subject)
                kind = condition.kind
                if self._is_inactive(condition, remote=remote) or subject in held:
                    continue
                if kind is ConditionKind.STALE:
                    stale = True
                elif kind is ConditionKind.LATE:
                    delay = condition.seconds
                elif kind is ConditionKind.EMPTY:
                    hidden |= self._hidden_models([subject])
                elif kind is ConditionKind.SLOW:
                    held.add(subject)
                    with self._traffic.hold():
                        await asyncio.sleep(condition.seconds)
                    break
                elif kind is ConditionKind.TIMEOUT and not remote:
                    with self._traffic.hold():
                        await self._conditions.wait_for_change()
                    break
                else:
                    return Fault(condition=condition)
            else:
                return Fault(stale=stale, delay=delay, hidden_models=hidden)

    async def delay_reply(
        self, seconds: float, make_reply: Callable[[], Reply]
    ) -> Reply:
        """Return a reply after a delay; a disconnect does not cancel it."""

        async def reply_later() -> Reply:
            await asyncio.sleep(seconds)
            return make_reply()

        task = asyncio.get_running_loop().create_task(reply_later(), context=Context())
        self._delayed_replies.add(task)
        task.add_done_callback(self._delayed_replies.discard)
        with self._traffic.hold():
            return await asyncio.shield(task)

    def condition(
        self, subjects: Collection[str], *, remote: bool = False
    ) -> Condition:
        """Return the first active condition of subjects, without holding a request."""
        for subject in subjects:
            condition = self._conditions.get(subject)
            if not self._is_inactive(condition, remote=remote):
                return condition
        return OK

    async def pause(self, seconds: float) -> None:
        """Let time pass in a request that has been answered in part."""
        with self._traffic.pause():
            await asyncio.sleep(seconds)

    def close(self) -> None:
        """Cancel delayed replies."""
        for task in self._delayed_replies:
            task.cancel()

    def _is_inactive(self, condition: Condition, *, remote: bool) -> bool:
        if condition.kind in RATE_LIMITS:
            return condition.seconds_left(self._get_time()) == 0
        return condition.kind is ConditionKind.OK or (
            remote and condition.kind in LOCAL_NETWORK
        )

    def _hidden_models(self, subjects: Collection[str]) -> frozenset[str]:
        hidden = frozenset[str]()
        for subject in subjects:
            if self._conditions.get(subject).kind is ConditionKind.EMPTY:
                model = subject.partition("@")[2]
                hidden |= {model} if model else set(MODELS)
        return hidden

    def apply_fault(self, fault: Fault, make_reply: Callable[[], Reply]) -> Reply:
        """Return the reply under a fault; `make_reply` creates the regular one."""
        condition = fault.condition
        if condition.kind in UNREACHABLE | {ConditionKind.TLS, ConditionKind.TIMEOUT}:
            return REFUSED
        match condition.kind:
            case ConditionKind.RESET:
                return replace(make_reply(), cut="middle")
            case ConditionKind.GARBAGE:
                make_reply()
                return Reply(body=GARBAGE, content_type=JSON)
            case ConditionKind.NOISE:
                return replace(make_reply(), cut="noise")
            case ConditionKind.ENCODING:
                return replace(make_reply(), cut="encoding")
            case ConditionKind.TYPES:
                return _confuse_types(make_reply())
            case ConditionKind.HUGE:
                make_reply()
                return Reply(body=HUGE, content_type=JSON)
            case ConditionKind.DRIP:
                return replace(make_reply(), seconds=condition.seconds)
            case ConditionKind.PORTAL:
                return Reply(body=PORTAL, content_type="text/html")
            case ConditionKind.RETRY_AFTER | ConditionKind.RATELIMIT:
                return _rate_limited(
                    condition, condition.seconds_left(self._get_time())
                )
            case ConditionKind.HTTP:
                return _http_reply(condition)
            case _:
                return make_reply()


def _confuse_types(reply: Reply) -> Reply:
    """Return a reply whose values are of other types, names and structure kept."""
    try:
        data = json.loads(reply.body)
    except ValueError:
        return replace(reply, body="[]", content_type=JSON)
    return replace(reply, body=json.dumps(_confused(data)))


def _confused(value: object) -> object:
    match value:
        case dict():
            return {name: _confused(one) for name, one in value.items()}
        case list():
            return [_confused(one) for one in value]
        case bool():
            return "maybe"
        case int() | float():
            return [value]
        case str():
            return {"value": 7}
        case _:
            return True


def _rate_limited(condition: Condition, seconds: int) -> Reply:
    body = {"response": None, "error": "rate limited", "error_description": ""}
    # Not all limits come with a Retry-After.
    names = ["Retry-After", "RateLimit-Reset"]
    if condition.kind is ConditionKind.RATELIMIT:
        names = [condition.text.partition(":")[0]]
    return Reply(
        status=429,
        body=json.dumps(body),
        content_type=JSON,
        headers={name: str(seconds) for name in names},
    )


def _http_reply(condition: Condition) -> Reply:
    body = condition.body
    if 300 <= condition.status < 400:
        return Reply(status=condition.status, headers={"Location": body})
    content_type = {"{": JSON, "<": "text/html"}.get(body[:1], "text/plain")
    return Reply(status=condition.status, body=body, content_type=content_type)
