"""Pictures of the frontend for README and docs, made with headless Chromium."""

import argparse
import asyncio
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
import signal
import socket
import sys
import tempfile

import aiohttp

from .browser import Page, await_line, end, find_browser, open_browser, piped
from .clock import OffsetClock
from .frontend_client import DASHBOARD, HOST
from .home_assistant import ROOT
from .time_control import HarnessError

IMAGES = ROOT / "docs" / "images"
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
        "--browser", help="path of Chromium or Chrome", default=find_browser()
    )
    options = parser.parse_args(arguments)
    if options.browser is None:
        print("No Chromium or Chrome was found: name one with --browser.")
        return 2
    try:
        asyncio.run(_take_all(options.browser))
    except HarnessError as err:
        print(err)
        return 1
    return 0


async def _take_all(program: str) -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="keycard-pictures-") as folder:
        async with (
            _demo(Path(folder)) as url,
            aiohttp.ClientSession() as session,
            open_browser(program, Path(folder), session) as page,
        ):
            for picture in PICTURES:
                target = IMAGES / f"{picture.name}.png"
                target.write_bytes(await _take(page, url, picture))
                print(f"{target.relative_to(ROOT)}: {target.stat().st_size:,} bytes")


async def _take(page: Page, url: str, picture: Picture) -> bytes:
    """Open a page and return its picture (PNG)."""
    await page.resize(picture.width, picture.height, mobile=picture.mobile)
    await page.open(url + picture.path)
    await page.until(f"return visible('{picture.element}').length >= {picture.count}")
    await asyncio.sleep(PAINT_SECONDS)
    return await page.picture()


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
        await await_line(demo, piped(demo.stdout), r"stays up at")
        yield f"http://{HOST}:{port}"
    finally:
        await end(demo, signal.SIGINT)
