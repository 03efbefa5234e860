"""Pictures of the frontend for README and docs, made with headless Chromium."""

import argparse
import asyncio
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
import json
from pathlib import Path
import signal
import sys
import tempfile

import aiohttp
from PIL import Image

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
# Cards are drawn before their icons and texts, which come later.
DRAWN = """
return document.fonts.status === "loaded"
  && [...visible("ha-icon"), ...visible("ha-state-icon")].every((icon) =>
    everything(icon.shadowRoot).some(
      (part) => part.localName === "ha-svg-icon" && part.path
    ))
  && visible("ha-markdown-element").every((text) => text.childElementCount);
"""
STEADY_SECONDS = 1.0
STEADY_ATTEMPTS = 60
COLORS = 128

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
    clicks: tuple[str, ...] = ()
    """Texts or labels of what is clicked, one after the other, before it is ready."""

    search: str = ""
    """Text that is typed into the search field of a dialog."""

    frame: str = ""
    """Expression of the element that the picture shows, by default the page."""


INTEGRATIONS = "/config/integrations"
_DIALOG = "visible('dialog').at(-1)"
# The first element around a notification that is as high as the page.
_DRAWER = """(() => {
  let part = visible("notification-item")[0];
  while (!(part.getBoundingClientRect?.().height >= innerHeight)) {
    part = part.assignedSlot ?? part.parentNode ?? part.host;
  }
  return part;
})()"""
_SEARCH_FIELD = f"{_DIALOG} && visible('input').at(-1)"
_WALL = "return visible('keycard-key-card').length >= 3 && visible('ha-alert').length"
PHONE = "notification"
PICTURES = (
    Picture(name="wall", path=f"/{DASHBOARD}", ready=_WALL, width=1280, height=800),
    Picture(
        name="wall-phone",
        path=f"/{DASHBOARD}",
        ready=_WALL,
        width=390,
        height=800,
        mobile=True,
    ),
    Picture(
        name="set-up",
        path=f"{INTEGRATIONS}/dashboard/add?domain=keycard",
        clicks=("OK",),
        ready="return withText('Yes').length",
        width=700,
        height=700,
        frame=_DIALOG,
    ),
    Picture(
        name="connections",
        path=f"{INTEGRATIONS}/dashboard/add?domain=keycard",
        clicks=("OK", "No"),
        ready="return withText('Your own server').length",
        width=700,
        height=800,
        frame=_DIALOG,
    ),
    Picture(
        name="notification-settings",
        path=f"{INTEGRATIONS}/integration/keycard",
        clicks=("Configure", "Notifications"),
        ready="return withText('Quiet hours').length",
        width=700,
        height=1300,
        frame=_DIALOG,
    ),
    Picture(
        name="bell",
        path=f"/{DASHBOARD}",
        clicks=("Notifications",),
        ready="return visible('notification-item').length",
        width=1280,
        height=500,
        frame=_DRAWER,
    ),
    Picture(
        name="automation-editor",
        path="/config/automation/edit/new",
        clicks=("Add trigger",),
        search="Keycard",
        ready="return withText('Outage started').length",
        width=800,
        height=700,
        frame=_DIALOG,
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
    for text in picture.clicks:
        await page.click(text)
    if picture.search:
        await page.click_element(_SEARCH_FIELD)
        await page.type(picture.search)
    await page.until(picture.ready)
    await page.until(DRAWN)
    await page.leave()
    target = IMAGES / f"{picture.name}.png"
    target.write_bytes(_compress(await _steady_picture(page, picture.frame)))
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size:,} bytes", flush=True)


async def _steady_picture(page: Page, frame: str) -> bytes:
    """Return a picture once nothing moves any more."""
    before = b""
    for _ in range(STEADY_ATTEMPTS):
        if (now := await page.picture(frame)) == before:
            return now
        before = now
        await asyncio.sleep(STEADY_SECONDS)
    raise HarnessError("the page never stops moving")


def _compress(picture: bytes) -> bytes:
    """Return a picture with the colors of a palette, which suffice for a page."""
    content = BytesIO()
    with Image.open(BytesIO(picture)) as image:
        palette = image.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
        palette.save(content, "PNG", optimize=True)
    return content.getvalue()


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
