"""Teslemetry's stream of server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import json
from typing import Any

import aiohttp
import pytest

from simulator import Simulator
from simulator.http import router
from tests.wait import TIMEOUT_SECONDS

from .conftest import Clock


@pytest.fixture(autouse=True)
def quick_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for changes all the time."""
    monkeypatch.setattr(router, "INTERVAL", 0.01)


class Events:
    """Events of a connection."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        """Initialize with an open connection."""
        self._response = response

    async def next(self, topic: str) -> dict[str, Any]:
        """Return the next event of a topic."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            name = ""
            async for line in self._response.content:
                field, _, value = line.decode().rstrip("\n").partition(": ")
                if field == "event":
                    name = value
                elif field == "data" and name == topic:
                    event: dict[str, Any] = json.loads(value)
                    return event
        raise AssertionError("the stream has ended")

    async def wait_for_keep_alive(self) -> None:
        """Wait for a sign of life."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            async for line in self._response.content:
                if line.startswith(b":"):
                    return
        raise AssertionError("the stream has ended")

    async def wait_for_end(self) -> None:
        """Wait for the end of the stream."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            async for _ in self._response.content:
                pass


@asynccontextmanager
async def connected(
    sim: Simulator, session: aiohttp.ClientSession, **query: str
) -> AsyncIterator[Events]:
    """Connect to the stream."""
    url = f"{sim.urls['teslemetry']}/sse"
    # The client of Teslemetry announces a body in chunks, and sends none.
    async with session.get(
        url, headers=headers(sim), params=query, chunked=True
    ) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        yield Events(response)


def headers(sim: Simulator) -> dict[str, str]:
    return {"Authorization": f"Bearer {sim.teslemetry_token()}"}


async def configure(
    sim: Simulator, session: aiohttp.ClientSession, *fields: str
) -> dict[str, Any]:
    """Configure fields of the first car."""
    url = f"{sim.urls['teslemetry']}/api/config/{sim.cars['Ada'].vin}"
    body = {"fields": dict.fromkeys(fields)}
    async with session.patch(url, headers=headers(sim), json=body) as response:
        answer: dict[str, Any] = await response.json()
    return answer


async def test_stored_state_comes_first_and_changes_follow(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    ada = sim.cars["Ada"]
    assert await configure(sim, session, "Locked", "BatteryLevel") == {
        "updated_vehicles": 1
    }
    async with connected(sim, session) as events:
        state = await events.next("state")
        assert (state["vin"], state["state"]) == (ada.vin, "online")
        assert state["isCache"] is True
        assert state["createdAt"].endswith("Z")
        data = await events.next("data")
        assert data["data"] == {"Locked": True, "BatteryLevel": 64.0}
        ada.locked = False
        changed = await events.next("data")
        assert changed["data"] == {"Locked": False}
        assert "isCache" not in changed
        ada.set_connectivity("asleep")
        gone = await events.next("connectivity")
        assert gone["status"] == "DISCONNECTED"
        assert gone["networkInterface"] == "cellular"
        assert (await events.next("state"))["state"] == "asleep"


async def test_signals_go_on_while_teslas_api_fails(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    ada = sim.cars["Ada"]
    await configure(sim, session, "Locked")
    async with connected(sim, session, topics="data,state,errors") as events:
        await events.next("data")
        sim.set("all.api", "503 down")
        ada.locked = False
        assert (await events.next("data"))["data"] == {"Locked": False}
        ada.set_connectivity("asleep")
        sim.teslemetry.report_error(ada, "VehicleOffline")
        # The state, which is read from the API, would have come before.
        error = await events.next("errors")
        assert error["errors"] == [{"name": "VehicleOffline", "tags": {}}]
    async with connected(sim, session, topics="state") as events:
        state = await events.next("state")
        assert (state["state"], state["isCache"]) == ("online", True)


async def test_the_stream_ends_when_teslemetry_fails(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    async with connected(sim, session) as events:
        await events.wait_for_keep_alive()
        sim.set("teslemetry.api", "503 down")
        await events.wait_for_end()
    sim.set("teslemetry.api", "ok")
    async with connected(sim, session) as events:
        await events.wait_for_keep_alive()
        sim.set("teslemetry.api", "refuse")
        with pytest.raises(aiohttp.ClientError):
            await events.wait_for_end()


async def test_a_stream_that_hangs_is_silent(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    async with connected(sim, session) as events:
        await events.wait_for_keep_alive()
        sim.set("teslemetry.api", "timeout")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await events.wait_for_end()
        assert sim.busy == 0


async def test_data_of_a_polled_car_come_at_the_pace_of_the_service(
    sim: Simulator, session: aiohttp.ClientSession, clock: Clock
) -> None:
    ada = sim.cars["Ada"]
    sim.teslemetry.non_streaming.add("Ada")
    await configure(sim, session, "Locked")
    async with connected(sim, session, topics="vehicle_data,data") as events:
        first = await events.next("vehicle_data")
        assert first["vehicle_data"]["vehicle_state"]["locked"] is True
        ada.locked = False
        clock.pass_minutes(1)
        await events.wait_for_keep_alive()
        clock.pass_minutes(14)
        second = await events.next("vehicle_data")
        assert second["vehicle_data"]["vehicle_state"]["locked"] is False


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/sse?topics=weather", None, 400),
        ("/sse?topics=", None, 400),
        ("/sse", "wrong", 401),
        ("/api/config/unknown", None, 402),
    ],
)
async def test_refusals(
    sim: Simulator,
    session: aiohttp.ClientSession,
    path: str,
    token: str | None,
    status: int,
) -> None:
    bearer = {"Authorization": f"Bearer {token}"} if token else headers(sim)
    async with session.get(
        f"{sim.urls['teslemetry']}{path}", headers=bearer
    ) as response:
        assert response.status == status


async def test_a_configuration_is_added_to(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    url = f"{sim.urls['teslemetry']}/api/config/{sim.cars['Ada'].vin}"
    async with session.get(url, headers=headers(sim)) as response:
        assert response.status == 404
    await configure(sim, session, "Locked")
    await configure(sim, session, "Soc")
    async with session.get(url, headers=headers(sim)) as response:
        assert await response.json() == {"fields": {"Locked": {}, "Soc": {}}}
    async with session.patch(url, headers=headers(sim), json={}) as response:
        assert response.status == 400
