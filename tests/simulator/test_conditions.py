"""Effect of every condition on every subject that allows it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
import json

import aiohttp
import pytest

from simulator import ConditionError, Simulator
from simulator.http.fault_injection import HUGE
from simulator.scenarios.conditions import (
    CAR_CONDITIONS,
    ConditionKind,
    validate_condition,
)
from tests.wait import TIMEOUT_SECONDS, wait_until

from .conftest import Clock

GOOD_STATUS = (200, "text/plain", "ok")


@dataclass(frozen=True, kw_only=True)
class RequestSpec:
    """A request that succeeds without a condition."""

    host: str
    path: str
    method: str = "GET"
    good: int = 200
    headers: dict[str, str] = field(default_factory=dict)


VIN = "5YJ3E1E56MF553848"
SURFACES = {
    "na.status": RequestSpec(host="na", path="/status"),
    "na.api": RequestSpec(host="na", path="/api/1/products"),
    "na.api@model3": RequestSpec(host="na", path=f"/api/1/vehicles/{VIN}"),
    "na.data": RequestSpec(host="na", path=f"/api/1/vehicles/{VIN}/vehicle_data"),
    "na.data@model3": RequestSpec(
        host="na", path=f"/api/1/vehicles/{VIN}/vehicle_data"
    ),
    "na.commands": RequestSpec(
        host="na", path=f"/api/1/vehicles/{VIN}/command/door_lock", method="POST"
    ),
    "na.commands@model3": RequestSpec(
        host="na", path=f"/api/1/vehicles/{VIN}/wake_up", method="POST"
    ),
    "car.Ada": RequestSpec(host="na", path=f"/api/1/vehicles/{VIN}"),
    "auth.token": RequestSpec(
        host="auth", path="/oauth2/v3/token", method="POST", good=400
    ),
    "auth.authorize": RequestSpec(
        host="auth", path="/oauth2/v3/.well-known/openid-configuration"
    ),
    "controls": RequestSpec(host="controls1", path="/generate_204", good=204),
    "controls2": RequestSpec(host="controls2", path="/success.txt"),
    "proxy.api": RequestSpec(host="proxy", path="/api/1/products"),
    "tesla_proxy.api": RequestSpec(host="tesla_proxy", path="/api/1/products"),
    "teslemetry.api": RequestSpec(host="teslemetry", path="/api/ping"),
    "tessie.api": RequestSpec(host="tessie", path="/vehicles", good=401),
    "domain.key": RequestSpec(host="domain", path="/", good=404),
}
# Conditions, and the error or status, type and body that the client sees.
OUTCOMES: dict[str, object] = {
    "refuse": aiohttp.ClientOSError,
    "reset": aiohttp.ClientPayloadError,
    "timeout": TimeoutError,
    "503": (503, "text/plain", ""),
    "503 upstream connect error": (503, "text/plain", "upstream connect error"),
    "503 <html>503 Server Maintenance</html>": (
        503,
        "text/html",
        "<html>503 Server Maintenance</html>",
    ),
    '500 {"error":"upstream internal error"}': (
        500,
        "application/json",
        '{"error":"upstream internal error"}',
    ),
    "garbage": (200, "application/json", '{"response":{"result":tr'),
    "noise": aiohttp.ClientError,
    "encoding": aiohttp.ClientPayloadError,
    "huge": (200, "application/json", HUGE),
}


async def send_request(
    session: aiohttp.ClientSession,
    sim: Simulator,
    surface: RequestSpec,
    limit: float = TIMEOUT_SECONDS,
) -> tuple[int, str, str]:
    async with (
        asyncio.timeout(limit),
        session.request(
            surface.method,
            sim.urls[surface.host] + surface.path,
            headers={"Authorization": f"Bearer {sim.token}"},
            allow_redirects=False,
            ssl=False,  # tesla_proxy has a self-signed certificate
        ) as response,
    ):
        return response.status, response.content_type, await response.text()


@pytest.mark.parametrize("subject", SURFACES)
@pytest.mark.parametrize("condition", OUTCOMES)
async def test_a_condition_shows_and_goes(
    sim: Simulator, session: aiohttp.ClientSession, subject: str, condition: str
) -> None:
    surface, outcome = SURFACES[subject], OUTCOMES[condition]
    assert (await send_request(session, sim, surface))[0] == surface.good
    sim.set(subject, condition)
    assert sim.condition(subject).text == condition
    if isinstance(outcome, tuple):
        assert await send_request(session, sim, surface) == outcome
    elif surface.good == 204 and condition == "encoding":
        # It has no body.
        assert (await send_request(session, sim, surface))[0] == surface.good
    elif surface.good == 204 and condition == "reset":
        with pytest.raises(aiohttp.ClientError):
            await send_request(session, sim, surface)
    else:
        assert isinstance(outcome, type)
        # A held request is never answered, however short the timeout.
        limit = 0.1 if condition == "timeout" else TIMEOUT_SECONDS
        with pytest.raises(outcome):
            await send_request(session, sim, surface, limit)
    sim.set(subject, "ok")
    assert (await send_request(session, sim, surface))[0] == surface.good
    assert sim.conditions == {}
    await wait_until(lambda: (sim.busy, sim.held) == (0, 0))


@pytest.mark.parametrize("subject", SURFACES)
async def test_a_portal_answers_for_everybody(
    sim: Simulator, session: aiohttp.ClientSession, subject: str
) -> None:
    sim.set(subject, "portal")
    status, content_type, body = await send_request(session, sim, SURFACES[subject])
    assert (status, content_type) == (200, "text/html")
    assert "guest network" in body
    assert sim.usage.billed == 0


@pytest.mark.parametrize("subject", SURFACES)
async def test_slow_is_late_and_good(
    sim: Simulator, session: aiohttp.ClientSession, subject: str
) -> None:
    sim.set(subject, "slow:0.2")
    task = asyncio.create_task(send_request(session, sim, SURFACES[subject]))
    await wait_until(lambda: (sim.busy, sim.held) == (0, 1))
    assert not task.done()
    assert (await task)[0] == SURFACES[subject].good


@pytest.mark.parametrize("subject", SURFACES)
async def test_a_dripping_answer_is_complete_in_the_end(
    sim: Simulator, session: aiohttp.ClientSession, subject: str
) -> None:
    good = await send_request(session, sim, SURFACES[subject])
    sim.set(subject, "drip:0.1")
    answer = await send_request(session, sim, SURFACES[subject])
    assert (answer[:2], len(answer[2])) == (good[:2], len(good[2]))
    sim.set(subject, "drip:3600")
    if len(good[2]) > 1:
        with pytest.raises(TimeoutError):
            await send_request(session, sim, SURFACES[subject], 0.1)
    await wait_until(lambda: (sim.busy, sim.held) == (0, 0))


async def test_types_keeps_the_names_and_no_value(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    for subject in ("na.api", "na.data", "proxy.api"):
        surface = SURFACES[subject]
        sim.set(subject, "ok")
        good = json.loads((await send_request(session, sim, surface))[2])
        sim.set(subject, "types")
        data = json.loads((await send_request(session, sim, surface))[2])
        assert data.keys() == good.keys()
        one, other = data["response"], good["response"]
        if isinstance(one, list):
            one, other = one[0], other[0]
        assert one.keys() == other.keys()
        assert all(type(one[name]) is not type(other[name]) for name in ("vin", "id"))
        sim.set(subject, "ok")


async def test_held_requests_continue_when_the_condition_changes(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    sim.set("na.api", "timeout")
    tasks = [
        asyncio.create_task(send_request(session, sim, SURFACES["na.api"]))
        for _ in range(3)
    ]
    await wait_until(lambda: (sim.busy, sim.held) == (0, 3))
    sim.set("na.api", "503 later")
    assert {(await task)[2] for task in tasks} == {"later"}
    assert (sim.busy, sim.held) == (0, 0)


async def test_a_command_of_a_disconnected_client_is_not_executed(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    sim.set("na.commands", "timeout")
    task = asyncio.create_task(send_request(session, sim, SURFACES["na.commands"]))
    await wait_until(lambda: sim.held == 1)
    task.cancel()
    await wait_until(lambda: (sim.busy, sim.held) == (0, 0))
    sim.set("na.commands", "ok")
    # Once another call is answered, the command would have been executed.
    assert (await send_request(session, sim, SURFACES["na.api"]))[0] == 200
    assert sim.cars["Ada"].executed["door_lock"] == 0


async def test_a_command_with_a_cut_answer_is_executed(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    sim.set("na.commands", "reset")
    with pytest.raises(aiohttp.ClientPayloadError):
        await send_request(session, sim, SURFACES["na.commands"])
    assert sim.cars["Ada"].executed["door_lock"] == 1


async def test_retry_after_counts_down(
    sim: Simulator, session: aiohttp.ClientSession, clock: Clock
) -> None:
    sim.set("na.api", "retry-after:600")
    left = []
    for minutes in (0, 3, 6):
        clock.pass_minutes(minutes)
        async with session.get(
            sim.urls["na"] + "/api/1/products",
            headers={"Authorization": f"Bearer {sim.token}"},
        ) as response:
            assert response.status == 429
            left.append(response.headers["Retry-After"])
    assert left == ["600", "420", "60"]
    clock.pass_minutes(1)
    assert (await send_request(session, sim, SURFACES["na.api"]))[0] == 200


async def test_a_redirect_names_its_place(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    sim.set("na.api", "302 https://portal.invalid/login")
    async with session.get(
        sim.urls["na"] + "/api/1/products", allow_redirects=False
    ) as response:
        assert response.status == 302
        assert response.headers["Location"] == "https://portal.invalid/login"


async def test_planes_and_models_fail_apart(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    async def seen(name: str, tail: str, method: str = "GET") -> int:
        path = f"/api/1/vehicles/{sim.cars[name].vin}{tail}"
        surface = RequestSpec(host="na", path=path, method=method)
        return (await send_request(session, sim, surface))[0]

    sim.set("na.data@modely", "503")
    assert await seen("Bo", "/vehicle_data") == 503
    assert await seen("Bo", "") == 200
    assert await seen("Bo", "/command/door_lock", "POST") == 200
    assert await seen("Ada", "/vehicle_data") == 200

    sim.apply({"na.data@modely": "ok", "all.api@model3": "500", "na.commands": "502"})
    assert await seen("Ada", "") == 500
    assert await seen("Bo", "/wake_up", "POST") == 502
    assert await seen("Bo", "/vehicle_data") == 200
    assert await send_request(session, sim, SURFACES["na.status"]) == GOOD_STATUS
    assert (await send_request(session, sim, SURFACES["na.api"]))[0] == 200


async def test_the_broader_condition_comes_first(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    sim.apply({"na.api": "503", "na.data": "stale", "car.Ada": "405"})
    assert (await send_request(session, sim, SURFACES["na.data"]))[0] == 503
    sim.set("na.api", "ok")
    assert (await send_request(session, sim, SURFACES["na.data"]))[0] == 405
    sim.set("car.Ada", "online")
    assert (await send_request(session, sim, SURFACES["na.data"]))[0] == 200


@pytest.mark.parametrize(
    ("subject", "left"),
    [("na.api", []), ("na.api@modely", ["Ada", "Cy"]), ("proxy.api", [])],
)
async def test_empty_leaves_cars_out_of_lists_only(
    sim: Simulator, session: aiohttp.ClientSession, subject: str, left: list[str]
) -> None:
    host = subject.partition(".")[0]
    sim.set(subject, "empty")
    for path in ("/api/1/products", "/api/1/vehicles"):
        answer = await send_request(session, sim, RequestSpec(host=host, path=path))
        data = json.loads(answer[2])
        assert [one["display_name"] for one in data["response"]] == left
        assert data["count"] == len(left)
    one = RequestSpec(host=host, path=f"/api/1/vehicles/{sim.cars['Bo'].vin}")
    assert (await send_request(session, sim, one))[0] == 200


async def test_stale_returns_the_data_served_before_the_first_condition(
    sim: Simulator, session: aiohttp.ClientSession, clock: Clock
) -> None:
    async def data() -> tuple[int, bool]:
        body = json.loads((await send_request(session, sim, SURFACES["na.data"]))[2])
        state = body["response"]["vehicle_state"]
        return state["timestamp"] / 1000 - start, state["locked"]

    start = clock.now
    clock.pass_minutes(5)
    assert await data() == (300, True)
    clock.pass_minutes(5)
    sim.set("eu.api", "503")  # any condition of the case, even of another region
    clock.pass_minutes(5)
    assert await data() == (900, True)
    sim.set("eu.api", "ok")
    sim.cars["Ada"].locked = False
    sim.set("na.data", "stale")
    clock.pass_minutes(5)
    assert await data() == (300, True)
    sim.set("na.data", "ok")
    assert await data() == (1200, False)
    sim.set("na.data@model3", "stale")
    assert await data() == (300, True)
    sim.reset()
    assert await data() == (1200, False)
    sim.set("car.Ada", "stale")
    assert await data() == (1200, False)


async def test_stale_without_anything_served_shows_the_start(
    sim: Simulator, session: aiohttp.ClientSession, clock: Clock
) -> None:
    sim.set("na.data", "stale")
    start = clock.now
    clock.pass_minutes(30)
    body = json.loads((await send_request(session, sim, SURFACES["na.data"]))[2])
    assert body["response"]["drive_state"]["timestamp"] == start * 1000


@pytest.mark.parametrize("word", ["dns", "null"])
async def test_hosts_with_name_faults_refuse_connections(
    sim: Simulator, session: aiohttp.ClientSession, word: str
) -> None:
    sim.set("dns.tesla", word)
    assert sim.condition("dns.tesla").kind is ConditionKind(word)
    for subject in ("na.status", "na.api", "auth.token", "auth.authorize"):
        with pytest.raises(aiohttp.ClientConnectorError):
            await send_request(session, sim, SURFACES[subject])
    # Names only fail in the user's home: other names and homes still work.
    for subject in ("controls", "proxy.api"):
        surface = SURFACES[subject]
        assert (await send_request(session, sim, surface))[0] == surface.good
    sim.set("dns.tesla", "ok")
    assert await send_request(session, sim, SURFACES["na.status"]) == GOOD_STATUS

    sim.set("na.status", word)
    with pytest.raises(aiohttp.ClientOSError):
        await send_request(session, sim, SURFACES["na.status"])
    assert (await send_request(session, sim, SURFACES["na.api"]))[0] == 200


@pytest.mark.parametrize(
    ("conditions", "closed"),
    [
        ({"na.status": "refuse", "na.api": "refuse"}, "na"),
        ({"all.status": "refuse", "all.api": "dns"}, "eu"),
        ({"auth.token": "refuse", "auth.authorize": "null"}, "auth"),
        ({"controls": "refuse"}, "controls2"),
        ({"controls1": "refuse"}, "controls1"),
        ({"proxy.api": "refuse"}, "proxy"),
        ({"teslemetry.api": "refuse"}, "teslemetry"),
        ({"tessie.api": "refuse"}, "tessie"),
        ({"domain.key": "refuse"}, "domain"),
        ({"dns.tesla": "dns"}, "cn"),
    ],
)
async def test_a_port_closes_when_all_its_subjects_are_refused(
    sim: Simulator,
    session: aiohttp.ClientSession,
    conditions: dict[str, str],
    closed: str,
) -> None:
    url = sim.urls[closed]
    await (await session.get(url)).read()
    sim.apply(conditions)
    with pytest.raises(aiohttp.ClientConnectorError):
        await session.get(url)
    sim.apply(dict.fromkeys(conditions, "ok"))
    assert sim.urls[closed] == url
    assert (await session.get(url)).status in {401, 404}


@pytest.mark.parametrize("subject", SURFACES)
async def test_tls_needs_tls(sim: Simulator, subject: str) -> None:
    with pytest.raises(ConditionError, match="tls"):
        sim.set(subject, "tls")


@pytest.mark.parametrize("word", CAR_CONDITIONS)
def test_conditions_of_cars_are_only_allowed_for_cars(word: str) -> None:
    validate_condition("car.Ada", word, ["Ada"])
    with pytest.raises(ConditionError):
        validate_condition("na.api", word, ["Ada"])


async def test_a_car_can_be_near_and_asleep(sim: Simulator) -> None:
    ada = sim.cars["Ada"]
    sim.apply({"car.Ada": "near"})
    sim.apply({"car.Ada": "asleep"})
    assert (ada.in_range, ada.connectivity) == (True, "asleep")
    sim.set("car.Ada", "gone")
    assert (ada.in_range, ada.connectivity) == (False, "asleep")


async def test_a_mistake_among_several_changes_nothing(sim: Simulator) -> None:
    with pytest.raises(ConditionError):
        sim.apply({"na.api": "503", "na.data": "tired"})
    assert sim.conditions == {}


@pytest.mark.parametrize(
    "condition", ["garbage", "types", "200 [1]", "200", '200 {"response":"AAAA"}']
)
async def test_teslas_proxy_reports_a_command_whose_answer_it_cannot_read(
    sim: Simulator, session: aiohttp.ClientSession, condition: str
) -> None:
    sim.pair("Ada", sim.tesla_proxy.key)
    path = f"/api/1/vehicles/{VIN}/command/door_lock"
    surface = RequestSpec(host="tesla_proxy", path=path, method="POST")
    sim.set("na.commands", condition)
    assert (await send_request(session, sim, surface))[0] == 500
    sim.set("na.commands", "ok")
    assert (await send_request(session, sim, surface))[0] == 200


REGION_FAILS: list[tuple[str, int, Callable[[str], bool]]] = [
    ("noise", 502, lambda body: "bad gateway" in body),
    ("encoding", 502, lambda body: "bad gateway" in body),
    ("refuse", 502, lambda body: "bad gateway" in body),
    ("timeout", 502, lambda body: "bad gateway" in body),
    ("reset", 502, lambda body: "bad gateway" in body),
    ("garbage", 502, lambda body: "bad gateway" in body),
    ("503 <html>Maintenance</html>", 502, lambda body: "bad gateway" in body),
    ('500 {"error":"upstream internal error"}', 502, lambda body: "gateway" in body),
    ('500 {"error":"vehicle unavailable: x"}', 500, lambda body: "vehicle" in body),
    ("retry-after:60", 429, lambda body: "rate limited" in body),
    ("dns", 200, lambda body: VIN in body),
    ("portal", 200, lambda body: VIN in body),
    ("slow:0.05", 200, lambda body: VIN in body),
]


@pytest.mark.parametrize(("condition", "status", "fits"), REGION_FAILS)
async def test_the_proxy_passes_on_failures_of_its_region(
    sim: Simulator,
    session: aiohttp.ClientSession,
    condition: str,
    status: int,
    fits: Callable[[str], bool],
) -> None:
    sim.set("na.api", condition)
    answer = await send_request(session, sim, SURFACES["proxy.api"])
    assert answer[:2] == (status, "application/json")
    assert fits(answer[2])
    assert (
        await send_request(session, sim, RequestSpec(host="proxy", path="/status"))
        == GOOD_STATUS
    )
