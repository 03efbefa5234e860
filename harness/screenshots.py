"""Pictures of the frontend for README and docs, made with headless Chromium."""

import argparse
import asyncio
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
import json
from pathlib import Path
import signal
import sys
import tempfile

import aiohttp

from .browser import (
    Page,
    await_line,
    end,
    find_browser,
    open_page,
    piped,
    start_browser,
)
from .clock import OffsetClock
from .frontend_client import DASHBOARD
from .home_assistant import ROOT
from .phone_page import render_push
from .ports import HOST, reserved_port
from .time_control import HarnessError

PUSHES = "pushes.json"
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
    """Picture of a page, taken once something on it is drawn."""

    name: str
    path: str
    ready: str
    """Body of a function that returns whether the page is drawn."""

    width: int
    height: int
    mobile: bool = False


_BANNERS = "return visible('keycard-key-card').length >= 3"
PHONE = "notification"
PICTURES = (
    Picture(name="wall", path=f"/{DASHBOARD}", ready=_BANNERS, width=1280, height=800),
    Picture(
        name="wall-phone",
        path=f"/{DASHBOARD}",
        ready=_BANNERS,
        width=390,
        height=800,
        mobile=True,
    ),
)


def main(arguments: Sequence[str], _clock: OffsetClock) -> int:
    """Take all pictures; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="script/screenshots",
        description="Take the pictures of README and docs in a simulated outage.",
    )
    parser.add_argument(
        "--browser", help="path of Chromium or Chrome", default=find_browser()
    )
    options = parser.parse_args(arguments)
    if options.browser is None:
        print("No Chromium or Chrome was found: name one with --browser.")
        return 2
    try:
        with (
            tempfile.TemporaryDirectory(prefix="keycard-pictures-") as folder,
            start_browser(options.browser, Path(folder)) as browser,
        ):
            asyncio.run(_take_all(browser, Path(folder)))
    except HarnessError as err:
        print(err)
        return 1
    return 0


async def _take_all(browser: str, folder: Path) -> None:
    IMAGES.mkdir(exist_ok=True)
    async with (
        _demo(folder) as url,
        aiohttp.ClientSession() as session,
        open_page(browser, session) as page,
    ):
        (folder / "phone.html").write_text(_notification(folder / PUSHES))
        drawn = Picture(
            name=PHONE,
            path=(folder / "phone.html").as_uri(),
            ready="return true",
            width=390,
            height=640,
        )
        await _take(page, "", drawn)
        for picture in PICTURES:
            await _take(page, url, picture)


def _notification(pushes: Path) -> str:
    """Return a page with the notification that the phone of the demo received."""
    push = next(
        push for push in json.loads(pushes.read_text()) if push["data"].get("actions")
    )
    since = datetime.fromtimestamp(push["data"]["when"], UTC).astimezone()
    return render_push(push, f"{since:%H:%M}")


async def _take(page: Page, url: str, picture: Picture) -> None:
    """Open a page and write its picture."""
    await page.resize(picture.width, picture.height, mobile=picture.mobile)
    await page.open(url + picture.path)
    await page.until(picture.ready)
    await asyncio.sleep(PAINT_SECONDS)
    target = IMAGES / f"{picture.name}.png"
    target.write_bytes(await page.picture())
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size:,} bytes", flush=True)


@asynccontextmanager
async def _demo(folder: Path) -> AsyncIterator[str]:
    """Run the demo until its outage is on; yields the address of Home Assistant."""
    case = folder / "pictures.yaml"
    case.write_text(SCENE)
    with reserved_port() as port:
        demo = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "harness", "demo", "--port", str(port)),
            *("--case", str(case), "--pushes", str(folder / PUSHES)),
            stdout=PIPE,
            cwd=ROOT,
        )
        try:
            await await_line(demo, piped(demo.stdout), r"stays up at")
            yield f"http://{HOST}:{port}"
        finally:
            await end(demo, signal.SIGINT)
