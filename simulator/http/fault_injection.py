"""What a condition makes of a request.

What comes before the maker (refuse, timeout, portal, CODE...) keeps a command from the
car; when only the answer is cut or spoiled (reset, garbage), the command has run. One
that is late is taken at once and brought to the car so many seconds after, whether its
client still waits or not, as a queue in a cloud does.
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
GARBAGE = '{"response":{"result":tr'


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What the conditions of a request's subjects come to."""

    condition: Condition = OK
    stale: bool = False
    delay: float = 0.0  # seconds after which it is brought to the car
    hidden_models: frozenset[str] = frozenset()  # models that product lists leave out


class FaultInjector:
    """Finds the fault of a request; holds it up where a condition says so."""

    def __init__(
        self, conditions: Conditions, traffic: Traffic, now: Callable[[], float]
    ) -> None:
        self._conditions = conditions
        self._traffic = traffic
        self._now = now
        self._late: set[asyncio.Task[Reply]] = set()

    async def find_fault(
        self,
        subjects: Collection[str],
        *,
        lists: Collection[str] = (),
        remote: bool = False,
    ) -> Fault:
        """Return the fault of a request; the broadest subject comes first.

        `lists` are subjects of single models: they can leave cars out of a list, and
        nothing else. A remote request does not come from the owner's network: what
        is wrong there is not for it, and it does not wait for a host that hangs.
        """
        waited: set[str] = set()
        while True:
            stale, late, hidden = False, 0.0, self._hidden(lists)
            for subject in subjects:
                condition = self._conditions.get(subject)
                kind = condition.kind
                if self._passes(condition, remote=remote) or subject in waited:
                    continue
                if kind is ConditionKind.STALE:
                    stale = True
                elif kind is ConditionKind.LATE:
                    late = condition.seconds
                elif kind is ConditionKind.EMPTY:
                    hidden |= self._hidden([subject])
                elif kind is ConditionKind.SLOW:
                    waited.add(subject)
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
                return Fault(stale=stale, delay=late, hidden_models=hidden)

    async def delay_reply(self, seconds: float, good: Callable[[], Reply]) -> Reply:
        """Return an answer of after a while; it is made even if nobody waits for it."""

        async def bring() -> Reply:
            await asyncio.sleep(seconds)
            return good()

        task = asyncio.get_running_loop().create_task(bring(), context=Context())
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        with self._traffic.hold():
            return await asyncio.shield(task)

    def close(self) -> None:
        """Bring nothing any more."""
        for task in self._late:
            task.cancel()

    def _passes(self, condition: Condition, *, remote: bool) -> bool:
        if condition.kind is ConditionKind.RETRY_AFTER:
            return condition.seconds_left(self._now()) == 0
        return condition.kind is ConditionKind.OK or (
            remote and condition.kind in LOCAL_NETWORK
        )

    def _hidden(self, subjects: Collection[str]) -> frozenset[str]:
        hidden = frozenset[str]()
        for subject in subjects:
            if self._conditions.get(subject).kind is ConditionKind.EMPTY:
                model = subject.partition("@")[2]
                hidden |= {model} if model else set(MODELS)
        return hidden

    def apply_fault(self, fault: Fault, good: Callable[[], Reply]) -> Reply:
        """Return the answer under a fault; `good` gives the one without."""
        condition = fault.condition
        if condition.kind in UNREACHABLE | {ConditionKind.TLS, ConditionKind.TIMEOUT}:
            return REFUSED
        match condition.kind:
            case ConditionKind.RESET:
                return replace(good(), cut="middle")
            case ConditionKind.GARBAGE:
                good()
                return Reply(body=GARBAGE, content_type=JSON)
            case ConditionKind.PORTAL:
                return Reply(body=PORTAL, content_type="text/html")
            case ConditionKind.RETRY_AFTER:
                return _too_many(condition.seconds_left(self._now()))
            case ConditionKind.HTTP:
                return _spelled(condition)
            case _:
                return good()


def _too_many(seconds: int) -> Reply:
    body = {"response": None, "error": "rate limited", "error_description": ""}
    return Reply(
        status=429,
        body=json.dumps(body),
        content_type=JSON,
        headers={"Retry-After": str(seconds), "RateLimit-Reset": str(seconds)},
    )


def _spelled(condition: Condition) -> Reply:
    body = condition.body
    if 300 <= condition.status < 400:
        return Reply(status=condition.status, headers={"Location": body})
    content_type = {"{": JSON, "<": "text/html"}.get(body[:1], "text/plain")
    return Reply(status=condition.status, body=body, content_type=content_type)
