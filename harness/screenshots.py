"""Pictures of the frontend for README and docs, made with headless Chromium."""

import argparse
import asyncio
from asyncio.subprocess import DEVNULL, PIPE, Process
import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
import os
from pathlib import Path
import re
import shutil
import signal
import socket
import sys
import tempfile
from typing import Any

import aiohttp

from .clock import OffsetClock
from .frontend_client import DASHBOARD, HOST
from .home_assistant import ROOT
from .time_control import HarnessError

IMAGES = ROOT / "docs" / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
START_SECONDS = 300.0
LOAD_SECONDS = 120.0
# Fonts and icons are drawn after the cards.
PAINT_SECONDS = 3.0

SCENE = """\
name: pictures
source: made for the pictures of the documentation
home:
  region: eu
  cars:
    - {name: Ada, model: model3, year: 2021}
    - {name: Cy, model: models, year: 2018}
    - {name: Eve, model: modely, year: 2023}
timeline:
  - at: "0:05"
    set: {eu.status: "503 down", eu.api: "503 down"}
    expect: {status: outage, scope: region, within: "0:10"}
"""

# Elements lie in shadow roots, each in that of the element around it.
FIND = """\
(() => {
  const found = [];
  const search = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.localName === "%s") found.push(element);
      if (element.shadowRoot) search(element.shadowRoot);
    }
  };
  search(document);
  return found.filter((element) => element.offsetHeight > 0).length;
})()
"""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Picture of a page, taken once enough elements of a kind are drawn."""

    name: str
    path: str
    width: int
    height: int
    element: str
    count: int
    mobile: bool = False


PICTURES = (
    Picture(
        name="wall",
        path=f"/{DASHBOARD}",
        width=1280,
        height=800,
        element="keycard-key-card",
        count=3,
    ),
    Picture(
        name="phone",
        path=f"/{DASHBOARD}",
        width=390,
        height=800,
        element="keycard-key-card",
        count=3,
        mobile=True,
    ),
)


def main(arguments: Sequence[str], _clock: OffsetClock) -> int:
    """Take all pictures; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="script/screenshots",
        description="Takes the pictures of README and docs from a simulated outage.",
    )
    parser.add_argument(
        "--browser", help="path of Chromium or Chrome", default=_find_browser()
    )
    options = parser.parse_args(arguments)
    if options.browser is None:
        print(f"none of {', '.join(BROWSERS)} is installed: give one with --browser")
        return 2
    try:
        asyncio.run(_take_all(options.browser))
    except HarnessError as err:
        print(err)
        return 1
    return 0


def _find_browser() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


async def _take_all(program: str) -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="keycard-pictures-") as folder:
        async with (
            _demo(Path(folder)) as url,
            aiohttp.ClientSession() as session,
            _browser(program, Path(folder), session) as browser,
        ):
            for picture in PICTURES:
                target = IMAGES / f"{picture.name}.png"
                target.write_bytes(await browser.take(url, picture))
                print(f"{target.relative_to(ROOT)}: {target.stat().st_size:,} bytes")


@asynccontextmanager
async def _demo(folder: Path) -> AsyncIterator[str]:
    """Run the demo until its outage is on; yields the address of Home Assistant."""
    case = folder / "pictures.yaml"
    case.write_text(SCENE)
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "harness", "demo"),
        *("--port", str(port), "--case", str(case)),
        stdout=PIPE,
        cwd=ROOT,
    )
    try:
        await _await_line(demo, _piped(demo.stdout), r"stays up at")
        yield f"http://{HOST}:{port}"
    finally:
        await _end(demo, signal.SIGINT)


class Browser:
    """Page of a browser, controlled with the DevTools protocol."""

    def __init__(self, page: aiohttp.ClientWebSocketResponse) -> None:
        """Take the web socket of the page."""
        self._page = page
        self._number = 0

    async def take(self, url: str, picture: Picture) -> bytes:
        """Open a page and return its picture (PNG)."""
        await self._call(
            "Emulation.setDeviceMetricsOverride",
            {
                "width": picture.width,
                "height": picture.height,
                "deviceScaleFactor": 1,
                "mobile": picture.mobile,
            },
        )
        await self._call("Page.navigate", {"url": url + picture.path})
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                await self._await_elements(picture.element, picture.count)
        except TimeoutError as err:
            raise HarnessError(
                f"{picture.name}: no {picture.count} {picture.element} were drawn"
                f" within {LOAD_SECONDS:.0f} s"
            ) from err
        await asyncio.sleep(PAINT_SECONDS)
        shot = await self._call("Page.captureScreenshot", {"format": "png"})
        return base64.b64decode(shot["data"])

    async def _await_elements(self, element: str, count: int) -> None:
        while True:
            if await self._count(element) >= count:
                return
            await asyncio.sleep(0.5)

    async def _count(self, element: str) -> int:
        """Return how many elements of a kind are visible."""
        found = await self._call("Runtime.evaluate", {"expression": FIND % element})
        return int(found["result"].get("value") or 0)

    async def _call(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        self._number += 1
        await self._page.send_json(
            {"id": self._number, "method": method, "params": params}
        )
        while (answer := await self._page.receive_json())["id"] != self._number:
            pass
        if "error" in answer:
            raise HarnessError(f"{method}: {answer['error'].get('message')}")
        result: dict[str, Any] = answer["result"]
        return result


@asynccontextmanager
async def _browser(
    program: str, folder: Path, session: aiohttp.ClientSession
) -> AsyncIterator[Browser]:
    """Start a headless browser and yield its page."""
    browser = await asyncio.create_subprocess_exec(
        *(program, "--headless=new", "--remote-debugging-port=0", "--lang=en-US"),
        *(f"--user-data-dir={folder / 'profile'}", "--hide-scrollbars"),
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
        "about:blank",
        stdout=DEVNULL,
        stderr=PIPE,
    )
    try:
        found = await _await_line(browser, _piped(browser.stderr), r"ws://([^/]+)/")
        async with session.get(f"http://{found[1]}/json/list") as response:
            pages = await response.json()
        page = next(one for one in pages if one["type"] == "page")
        async with session.ws_connect(
            page["webSocketDebuggerUrl"], max_msg_size=0
        ) as socket_:
            yield Browser(socket_)
    finally:
        await _end(browser, signal.SIGTERM)


def _piped(stream: asyncio.StreamReader | None) -> asyncio.StreamReader:
    """Return the stream of a pipe that was asked for."""
    if stream is None:
        raise HarnessError("a process was started without its pipe")
    return stream


async def _await_line(
    process: Process, stream: asyncio.StreamReader, pattern: str
) -> re.Match[str]:
    """Return the match of the first line of a stream that has the pattern."""
    lines: list[str] = []
    try:
        async with asyncio.timeout(START_SECONDS):
            while line := (await stream.readline()).decode(errors="replace"):
                if found := re.search(pattern, line):
                    return found
                lines.append(line)
    except TimeoutError:
        lines.append(f"(no more within {START_SECONDS:.0f} s)")
    raise HarnessError(f"{process.pid} did not start:\n{''.join(lines)}")


async def _end(process: Process, number: signal.Signals) -> None:
    """End a process that this program started."""
    if process.returncode is None:
        process.send_signal(number)
        try:
            async with asyncio.timeout(60):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
