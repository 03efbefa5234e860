"""Parts of the demo: its speed, its clock and its console."""

from io import StringIO
from pathlib import Path
import time
from typing import Any, cast

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
import pytest
from rich.console import Console

from homeassistant.components.http.server import HomeAssistantApplication

from harness import demo_console, frontend_client
from harness.clock import OffsetClock
from harness.demo_console import DemoConsole
from harness.demo_narrator import RateControl
from harness.event_loop import HarnessLoop
from harness.frontend_client import local_time_zone
from harness.phone_page import render_push
from harness.time_control import Traffic
from harness.visitors import PAUSE_SECONDS, SIGN_IN_SECONDS, Visitors

BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"}


class RealTime:
    """Real time that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_browser_that_loads_a_page_is_noticed(socket_enabled: None) -> None:
    real_time = RealTime()
    visitors = Visitors(real_time)
    seen: list[bool] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(visitors.loading)
        return web.Response()

    app = HomeAssistantApplication()
    app.router.add_get("/page", answer)
    app.router.add_get("/api/websocket", answer)
    with visitors.watch():
        async with TestClient(TestServer(app)) as client:
            await client.get("/page")
            seen.append(visitors.loading)
            await client.get("/page", headers=BROWSER)
            seen.append(visitors.loading)
            real_time.now += PAUSE_SECONDS
            seen.append(visitors.loading)
            await client.get("/api/websocket", headers=BROWSER)
            real_time.now += SIGN_IN_SECONDS / 2
            seen.append(visitors.loading)
            real_time.now += SIGN_IN_SECONDS / 2
            seen.append(visitors.loading)
    without_browser, page, web_socket = [False] * 2, [True] * 2, [True] * 2
    assert seen == [*without_browser, *page, False, *web_socket, False]


@pytest.mark.parametrize("rate", [0.0, 100.0])
async def test_time_passes_as_in_reality_while_a_page_loads(rate: float) -> None:
    real_time = RealTime()
    visitors = Visitors(real_time)
    clock = OffsetClock()
    control = RateControl(
        clock, cast(HarnessLoop, None), Traffic(), cast(Any, None), visitors
    )
    control.rate = rate
    begin, start = time.monotonic(), clock.monotonic()
    await control.pass_time(60)
    assert clock.monotonic() - start >= 60
    assert time.monotonic() - begin < 30
    vars(visitors)["_requests"] = 1
    begin, start = time.monotonic(), clock.monotonic()
    await control.pass_time(0.5)
    passed = clock.monotonic() - start
    assert passed >= 0.5
    assert time.monotonic() - begin >= 0.5


@pytest.mark.parametrize(
    ("variable", "link", "zone"),
    [
        ("Asia/Kolkata", "Europe/Berlin", "Asia/Kolkata"),
        (":Asia/Kolkata", "Europe/Berlin", "Asia/Kolkata"),
        ("nowhere", "Europe/Berlin", "Europe/Berlin"),
        ("", "Europe/Berlin", "Europe/Berlin"),
    ],
)
def test_the_time_zone_is_that_of_this_machine(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variable: str,
    link: str,
    zone: str,
) -> None:
    target = tmp_path / "zoneinfo" / link
    target.parent.mkdir(parents=True)
    target.touch()
    local_time = tmp_path / "localtime"
    local_time.symlink_to(target)
    monkeypatch.setattr(frontend_client, "LOCAL_TIME", local_time)
    monkeypatch.setenv("TZ", variable)
    assert local_time_zone() == zone


@pytest.mark.parametrize(
    ("variable", "zone"),
    [("<+05>-5", "Etc/GMT-5"), ("<-03>3", "Etc/GMT+3"), ("", "UTC")],
)
def test_a_time_zone_without_a_name_is_an_offset(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, zone: str
) -> None:
    monkeypatch.setattr(frontend_client, "LOCAL_TIME", tmp_path / "none")
    monkeypatch.setenv("TZ", variable or "UTC0")
    time.tzset()
    try:
        assert local_time_zone() == zone
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_push_is_drawn_as_it_is_and_escaped() -> None:
    push = {
        "title": "Take <b>",
        "message": "first\nsecond & last",
        "data": {"color": "#c62828", "actions": [{"title": "Got it"}]},
    }
    page = render_push(push, "16:41")
    for part in ("Take &lt;b&gt;", "first\nsecond &amp; last", "#c62828", "16:41"):
        assert part in page
    assert "<span>Got it</span>" in page


def test_silence_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_console, "SILENCE_SECONDS", 0.0)
    output = StringIO()
    console = DemoConsole(Console(file=output))
    with console.break_silence():
        console.begin("Starting", 30)
        deadline = time.monotonic() + 60
        while "still working" not in output.getvalue():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert output.getvalue().startswith("Starting (up to 30 seconds)...")
