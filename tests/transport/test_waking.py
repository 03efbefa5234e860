"""Tests of waking a vehicle."""

from collections import Counter

import aiohttp
from aiohttp import web
import pytest

from custom_components.keycard.transport.cloud import FleetClient, wake_and_wait
from custom_components.keycard.transport.http import (
    DeadlineRequest,
    RecordingMiddleware,
)

from ..vehicle.recorded import VIN
from .cloud import TOKEN, Cloud, Handler, replying, saying

pytestmark = pytest.mark.usefixtures("socket_enabled")


def waking(*states: str, wake: Handler | None = None) -> Handler:
    """Answer to the wake, then with one state after another."""
    left = list(states)

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.method == "POST" and wake is not None:
            return await wake(request)
        state = left.pop(0) if len(left) > 1 else left[0]
        return web.json_response({"response": {"vin": VIN, "state": state}})

    return handle


@pytest.mark.parametrize(
    ("handler", "deadline", "online", "looks"),
    [
        (waking("online"), 60, True, 0),
        (waking("asleep", "asleep", "online"), 60, True, 2),
        (waking("asleep"), 9, False, 3),
        (waking("asleep"), 0, False, 0),
        (waking("asleep", "online", wake=replying(504, "")), 60, True, 2),
        (waking("asleep", wake=saying({"error": "no"}, 403)), 60, False, 0),
        (
            waking("asleep", wake=saying({"response": {"result": False}})),
            60,
            False,
            0,
        ),
    ],
)
async def test_wake_and_wait(
    *,
    cloud: Cloud,
    link: FleetClient,
    handler: Handler,
    deadline: float,
    online: bool,
    looks: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal slept
        slept += seconds

    monkeypatch.setattr(
        "custom_components.keycard.transport.cloud.time.monotonic", lambda: slept
    )
    cloud.handler = handler
    woken = await wake_and_wait(link, VIN, deadline=deadline, sleep=sleep)
    assert woken.online is online
    assert len(woken.calls) == looks + 1
    methods = Counter(method for method, _, _ in cloud.seen)
    assert methods == Counter({"POST": 1, "GET": looks})


async def test_a_wake_is_not_sent_after_its_deadline(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(
        "custom_components.keycard.transport.cloud.time.monotonic", lambda: now
    )

    async def late_token() -> str:
        nonlocal now
        now += 31.0
        return TOKEN

    cloud.handler = waking("online")
    async with aiohttp.ClientSession(
        middlewares=(RecordingMiddleware(),), request_class=DeadlineRequest
    ) as session:
        woken = await wake_and_wait(
            FleetClient(session, cloud.url, late_token), VIN, deadline=60
        )
    assert not woken.online
    assert [call.withheld for call in woken.calls] == [True]
    assert cloud.seen == []
