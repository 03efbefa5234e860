"""Ports, connections and certificates."""

import asyncio
from collections.abc import AsyncIterator
import ssl

import aiohttp
from aiohttp import web
import pytest

from simulator import PortTakenError, Simulator
from simulator.http.certificates import CertificateAuthority
from simulator.http.server import Listener, Reply, Traffic
from simulator.scenarios.conditions import ConditionError
from tests.wait import wait_until

from .conftest import HOME

TESLA = "fleet-api.prd.na.vn.cloud.tesla.com"


@pytest.fixture
async def tls_sim(socket_enabled: None) -> AsyncIterator[Simulator]:
    async with Simulator(HOME, tls=True) as simulator:
        yield simulator


@pytest.fixture
async def trusting(tls_sim: Simulator) -> AsyncIterator[aiohttp.ClientSession]:
    context = ssl.create_default_context(cafile=tls_sim.ca_file)
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector) as client:
        yield client


async def status(
    session: aiohttp.ClientSession, url: str, name: str | None = None
) -> str:
    async with (
        asyncio.timeout(60),
        session.get(f"{url}/status", server_hostname=name) as response,
    ):
        return await response.text()


@pytest.mark.parametrize("name", [None, "localhost", TESLA, "anything.example"])
async def test_certificates_fit_any_name(
    tls_sim: Simulator, trusting: aiohttp.ClientSession, name: str | None
) -> None:
    assert await status(trusting, tls_sim.urls["na"], name) == "ok"


async def test_a_certificate_of_an_unknown_authority(
    tls_sim: Simulator, trusting: aiohttp.ClientSession
) -> None:
    for host, subject in (("na", "na.api"), ("eu", "eu.status")):
        url = tls_sim.urls[host]
        assert await status(trusting, url, TESLA) == "ok"
        tls_sim.set(subject, "tls")
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await status(trusting, url, TESLA)
        tls_sim.set(subject, "ok")
        assert await status(trusting, url, TESLA) == "ok"


async def test_clients_without_verification_get_no_answer_either(
    tls_sim: Simulator, session: aiohttp.ClientSession
) -> None:
    tls_sim.set("na.status", "tls")
    with pytest.raises(aiohttp.ClientOSError):
        await session.get(f"{tls_sim.urls['na']}/status", ssl=False)


async def test_unrelated_hosts_speak_plainly_too(
    tls_sim: Simulator, session: aiohttp.ClientSession
) -> None:
    url = f"{tls_sim.urls['controls1_http']}/success.txt"
    async with session.get(url) as response:
        assert await response.text() == "success\n"
    tls_sim.set("controls", "refuse")
    with pytest.raises(aiohttp.ClientConnectorError):
        await session.get(url)


async def test_an_authority_can_serve_several_simulators(socket_enabled: None) -> None:
    authority = CertificateAuthority()
    context = ssl.create_default_context(cafile=authority.ca_file)
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session:
        for _ in range(2):
            async with Simulator(HOME, tls=authority) as sim:
                assert await status(session, sim.urls["cn"]) == "ok"
    authority.close()
    assert not authority.ca_file.exists()


async def test_without_tls_there_is_no_authority(sim: Simulator) -> None:
    assert sim.ca_file is None


async def test_connections_are_kept(sim: Simulator, socket_enabled: None) -> None:
    made = 0

    async def count(*_: object) -> None:
        nonlocal made
        made += 1

    tracing = aiohttp.TraceConfig()
    tracing.on_connection_create_end.append(count)
    async with aiohttp.ClientSession(trace_configs=[tracing]) as session:
        url = sim.urls["na"]
        for condition in ("ok", "503 x", "portal", "garbage", "slow:0.01", "ok"):
            sim.set("na.status", condition)
            await status(session, url)
        assert made == 1
        # A closed port has dropped its connections.
        sim.apply({"na.status": "refuse", "na.api": "refuse"})
        with pytest.raises(aiohttp.ClientConnectorError):
            await status(session, url)
        sim.apply({"na.status": "ok", "na.api": "ok"})
        assert await status(session, url) == "ok"
        assert made == 2


async def test_a_port_can_shut_and_open_in_one_breath(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    for _ in range(5):
        sim.set("controls1", "refuse")
        sim.set("controls1", "ok")
    sim.set("controls2", "refuse")
    sim.set("controls2", "ok")
    sim.set("controls2", "refuse")
    async with session.get(sim.urls["controls1"] + "/generate_204") as response:
        assert response.status == 204
    with pytest.raises(aiohttp.ClientConnectorError):
        await session.get(sim.urls["controls2"] + "/generate_204")


async def test_a_simulator_can_start_in_an_outage(
    socket_enabled: None, session: aiohttp.ClientSession
) -> None:
    sim = Simulator(HOME)
    sim.apply({"all.status": "refuse", "all.api": "refuse", "auth.token": "503 x"})
    async with sim:
        with pytest.raises(aiohttp.ClientConnectorError):
            await status(session, sim.urls["na"])
        sim.apply({"all.status": "ok", "all.api": "ok"})
        assert await status(session, sim.urls["na"]) == "ok"


async def test_a_taken_port_is_named(sim: Simulator) -> None:
    taken = int(sim.urls["eu"].rpartition(":")[2])
    second = Simulator(HOME, ports={"cn": taken})
    with pytest.raises(PortTakenError, match=f"port {taken} for cn is taken"):
        await second.start()


def test_ports_have_names() -> None:
    with pytest.raises(ConditionError, match="na, eu, cn, auth"):
        Simulator(HOME, ports={"us": 1234})


async def test_unrelated_hosts(sim: Simulator, session: aiohttp.ClientSession) -> None:
    seen = {}
    for path in ("generate_204", "success.txt", "hotspot-detect.html", "other"):
        async with session.get(f"{sim.urls['controls2']}/{path}") as response:
            seen[path] = (response.status, "success" in (await response.text()).lower())
    assert seen == {
        "generate_204": (204, False),
        "success.txt": (200, True),
        "hotspot-detect.html": (200, True),
        "other": (404, False),
    }


async def test_stopping_ends_held_requests(
    socket_enabled: None, session: aiohttp.ClientSession
) -> None:
    async with Simulator(HOME) as sim:
        sim.set("na.status", "timeout")
        task = asyncio.create_task(status(session, sim.urls["na"]))
        await wait_until(lambda: sim.held == 1)
    with pytest.raises(aiohttp.ClientError):
        await task
    assert sim.held == 0


async def test_a_client_that_closes_before_its_answer_is_no_error(
    socket_enabled: None,
    session: aiohttp.ClientSession,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The connection is closing, but the server has not been told so far."""

    async def answer(request: web.BaseRequest) -> Reply:
        assert request.transport is not None
        request.transport.close()
        return Reply(body="ok")

    listener = Listener("host", answer, Traffic())
    listener.reserve()
    await listener.start(closed=False)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        async with asyncio.timeout(60):
            await session.get(listener.url)
    await listener.stop()
    assert not caplog.records
