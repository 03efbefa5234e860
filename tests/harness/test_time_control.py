"""Tests of the event loop and of time control."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextvars import copy_context
import socket
import time
from typing import Any

import aiohttp
from aiohttp import web
import pytest

from harness.clock import OffsetClock
from harness.event_loop import INSTANCE, HarnessLoop
from harness.fake_network import FakeNetwork
from harness.time_control import TimeControl, Traffic

type Play = Callable[[Coroutine[Any, Any, None]], None]


class FakePendingWork:
    """A stand-in for the counters of the simulator."""

    busy = 0
    held = 0


@pytest.fixture
def clock() -> OffsetClock:
    return OffsetClock()


@pytest.fixture
def loop(clock: OffsetClock) -> Iterator[HarnessLoop]:
    loop = HarnessLoop()
    vars(loop)["time"] = clock.monotonic
    yield loop
    loop.close()


@pytest.fixture
def behind() -> FakePendingWork:
    return FakePendingWork()


@pytest.fixture
def pace(clock: OffsetClock, loop: HarnessLoop, behind: FakePendingWork) -> TimeControl:
    return TimeControl(clock, loop, Traffic(), behind)


@pytest.fixture
def play(loop: HarnessLoop, socket_enabled: None) -> Play:
    return loop.run_until_complete


def test_a_day_of_timers_passes_in_a_moment(
    play: Play, pace: TimeControl, clock: OffsetClock
) -> None:
    rung: list[float] = []

    async def ring() -> None:
        while True:
            await asyncio.sleep(600)
            rung.append(clock.monotonic())

    async def scenario() -> None:
        task = asyncio.create_task(ring())
        await pace.run_until(clock.monotonic() + 86_400 + 10)
        task.cancel()

    begin = time.process_time()
    play(scenario())
    assert len(rung) == 144
    assert time.process_time() - begin < 20


def test_a_step_ends_at_the_requested_time(
    play: Play, pace: TimeControl, clock: OffsetClock, loop: HarnessLoop
) -> None:
    async def scenario() -> None:
        start = clock.monotonic()
        loop.call_at(start + 100, lambda: None)
        await pace.advance(start + 30)
        assert 30 <= clock.monotonic() - start < 100
        await pace.advance(start + 1000)
        assert 100 <= clock.monotonic() - start < 1000

    play(scenario())


def test_a_cancelled_timer_is_no_timer(loop: HarnessLoop) -> None:
    handle = loop.call_later(5, lambda: None)
    assert loop.next_due() == handle.when()
    handle.cancel()
    assert loop.next_due() is None


def test_a_request_is_waited_for_and_one_that_is_held_is_not(
    play: Play, pace: TimeControl, behind: FakePendingWork, clock: OffsetClock
) -> None:
    release = asyncio.Event()

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def hold(_request: web.Request) -> web.Response:
        behind.held += 1
        await release.wait()
        behind.held -= 1
        return web.Response(text="late")

    async def scenario() -> None:
        app = web.Application()
        app.router.add_get("/", answer)
        app.router.add_get("/held", hold)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession() as session:
            first = asyncio.create_task(session.get(f"{url}/"))
            await pace.settle()
            assert first.done()
            start = clock.monotonic()
            limit = aiohttp.ClientTimeout(total=10)
            second = asyncio.create_task(session.get(f"{url}/held", timeout=limit))
            await pace.run_until(start + 60)
            assert isinstance(second.exception(), TimeoutError)
            release.set()
        await runner.cleanup()

    with pace.traffic.count_requests():
        play(scenario())
    assert pace.traffic.in_progress == 0


def test_an_action_that_waits_for_timers_is_driven_to_its_end(
    play: Play, pace: TimeControl, loop: HarnessLoop
) -> None:
    async def slow() -> str:
        await asyncio.sleep(50)
        return "done"

    async def scenario() -> None:
        assert await pace.run_task(loop.create_task(slow()), 100) == "done"
        with pytest.raises(TimeoutError):
            await pace.run_task(loop.create_task(slow()), 10)

    play(scenario())


def test_tasks_and_timers_of_an_instance_end_with_it(
    play: Play, loop: HarnessLoop
) -> None:
    rung: list[str] = []
    instance = object()

    async def begin(name: str) -> None:
        loop.call_later(0.01, rung.append, f"timer of {name}")
        asyncio.create_task(asyncio.sleep(0.01)).add_done_callback(
            lambda task: rung.append(f"{name} {task.cancelled()}")
        )

    async def scenario() -> None:
        context = copy_context()
        context.run(INSTANCE.set, instance)
        await loop.create_task(begin("house"), context=context)
        await begin("town")
        await loop.cancel_all(instance)
        await asyncio.sleep(0.05)

    play(scenario())
    assert sorted(rung) == ["house True", "timer of town", "town False"]


def test_names_and_connections_go_through_the_pretend_internet(
    play: Play, loop: HarnessLoop
) -> None:
    async def scenario() -> None:
        server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        internet = FakeNetwork(lambda _subject: None)
        internet.add("http://host.example", f"http://127.0.0.1:{port}", "host")
        loop.network = internet
        ((family, _, _, _, (address, _)),) = await loop.getaddrinfo("host.example", 80)
        assert family is socket.AF_INET
        assert address == internet.resolve("host.example")
        _, writer = await asyncio.open_connection("host.example", 80)
        assert writer.get_extra_info("peername") == ("127.0.0.1", port)
        writer.close()
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("elsewhere.example", 80)
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("host.example", 80, family=socket.AF_INET6)
        server.close()

    play(scenario())
