"""Headless Chromium, controlled with the DevTools protocol."""

import asyncio
from asyncio.subprocess import Process
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
import json
import os
from pathlib import Path
import re
import shutil
import signal
import subprocess
import time
from typing import Any, Final

import aiohttp

from .time_control import HarnessError

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
START_SECONDS = 300.0
END_SECONDS = 60.0
LOAD_SECONDS = 120.0
POLL_SECONDS = 0.1
STEADY_FRAMES = 5
# Errors of an evaluation whose page is being replaced.
REPLACED: Final = ("context was destroyed", "Cannot find", "navigated or closed")

# Elements lie in shadow roots, each in that of the element around it.
_SEARCH = """
const everything = (root) => [...root.querySelectorAll("*")].flatMap(
  (element) =>
    [element, ...(element.shadowRoot ? everything(element.shadowRoot) : [])]
);
const visible = (name) => everything(document).filter((element) =>
  (!name || element.localName === name) && element.getClientRects().length
  && getComputedStyle(element).visibility !== "hidden"
);
const ownText = (element) => [...element.childNodes]
  .filter((node) => node.nodeType === Node.TEXT_NODE)
  .map((node) => node.textContent).join("").replace(/\\s+/g, " ").trim();
const withText = (text) => visible().filter((element) =>
  ownText(element) === text || element.getAttribute("aria-label") === text
);
"""
# Returns where to click an element, null while it moves or is covered. The page may
# still change: until the end of the click, events that reach others are swallowed.
_AIM = """
const around = function* (node) {
  for (; node; node = node.assignedSlot ?? node.parentNode ?? node.host) yield node;
};
const hit = (x, y) => {
  let found = null;
  for (let root = document; root; root = found?.shadowRoot) {
    const next = root.elementFromPoint(x, y);
    if (!next || next === found) break;
    found = next;
  }
  return found;
};
if (!element) return null;
// Within a button another part may cover its text.
const control = [...around(element)].find(
  (node) => ["button", "a"].includes(node.localName)
) ?? element;
element.scrollIntoView({block: "center", inline: "center", behavior: "instant"});
let place;
for (let frame = 0; frame < FRAMES; frame++) {
  await new Promise(requestAnimationFrame);
  const {x, y, width, height} = element.getBoundingClientRect();
  const center = [x + width / 2, y + height / 2];
  if (!width || ![...around(hit(...center))].includes(control)) return null;
  if (place && String(place) !== String(center)) return null;
  place = center;
}
let clicked = false;
const listen = (event) => {
  if (clicked) return;
  if (event.composedPath().includes(control)) {
    clicked = event.type === "click";
    return;
  }
  event.stopImmediatePropagation();
  event.preventDefault();
};
const types = ["pointerdown", "mousedown", "pointerup", "mouseup", "click"];
for (const type of types) addEventListener(type, listen, true);
window.endClick = () => {
  for (const type of types) removeEventListener(type, listen, true);
  return clicked;
};
return place;
"""


def find_browser() -> str | None:
    """Return the path of an installed browser, None without one."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


class Page:
    """Page of a browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Initialize with the web socket of the page."""
        self._socket = socket
        self._number = 0

    async def resize(self, width: int, height: int, *, mobile: bool = False) -> None:
        """Set the size of the page."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            {
                "width": width,
                "height": height,
                "deviceScaleFactor": 1,
                "mobile": mobile,
            },
        )

    async def open(self, url: str) -> None:
        """Open an address; raise HarnessError if nothing answers there."""
        opened = await self.call("Page.navigate", {"url": url})
        if error := opened.get("errorText"):
            raise HarnessError(f"{url}: {error}")

    async def evaluate(self, body: str) -> Any:
        """Return the value of a function with this body, which can search elements.

        `visible(name)`, `withText(text)` and `everything(root)` look into shadow roots.
        """
        found = await self.call(
            "Runtime.evaluate",
            {
                "expression": f"(async () => {{ {_SEARCH} {body} }})()",
                "awaitPromise": True,
                "returnByValue": True,
            },
        )
        if (error := found.get("exceptionDetails")) is not None:
            description = error.get("exception", {}).get("description")
            raise HarnessError(description or error["text"])
        return found["result"].get("value")

    async def until(self, body: str, seconds: float = LOAD_SECONDS) -> Any:
        """Return the first value of a function that is true, and fail without one."""
        return await self._retry(
            lambda: self._evaluate_while_loading(body), body, seconds
        )

    async def _retry(
        self, attempt: Callable[[], Awaitable[Any]], wanted: str, seconds: float
    ) -> Any:
        """Return the first result of attempts that is true, and fail without one."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    if value := await attempt():
                        return value
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError as err:
            shown = await self.texts()
            raise HarnessError(
                f"not within {seconds:.0f} s: {wanted}\nThe page shows:\n{shown}"
            ) from err

    async def _evaluate_while_loading(self, body: str) -> Any:
        """Return the value of a function, None if the page is being replaced."""
        try:
            return await self.evaluate(body)
        except HarnessError as err:
            if any(reason in str(err) for reason in REPLACED):
                return None
            raise

    async def text(self, text: str, seconds: float = LOAD_SECONDS) -> None:
        """Wait until an element with exactly this text or label is visible."""
        await self.until(f"return withText({json.dumps(text)}).length", seconds)

    async def texts(self) -> str:
        """Return all visible text, a line for each element."""
        lines = await self.evaluate("return visible().map(ownText).filter(Boolean)")
        return "\n".join(lines)

    async def click(self, text: str) -> None:
        """Click the last element with exactly this text or label, once it is there."""
        await self.click_element(f"withText({json.dumps(text)}).at(-1)")

    async def click_element(self, expression: str) -> None:
        """Click the center of an element, again while something else is hit."""
        await self._retry(
            lambda: self._try_click(expression), f"click {expression}", LOAD_SECONDS
        )

    async def _try_click(self, expression: str) -> bool:
        """Return whether a click has reached an element."""
        place = await self._evaluate_while_loading(
            f"const element = {expression}; const FRAMES = {STEADY_FRAMES}; {_AIM}"
        )
        if place is None:
            return False
        for kind in ("mousePressed", "mouseReleased"):
            await self._use_mouse(kind, *place, button="left", clickCount=1)
        return bool(await self._evaluate_while_loading("return window.endClick?.()"))

    async def leave(self) -> None:
        """Move the mouse to the corner, away from what it was over."""
        await self._use_mouse("mouseMoved", 0, 0)

    async def _use_mouse(self, kind: str, x: float, y: float, **details: Any) -> None:
        """Send an event of the mouse."""
        await self.call(
            "Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, **details}
        )

    async def type(self, text: str) -> None:
        """Type a text where the focus is."""
        await self.call("Input.insertText", {"text": text})

    async def clear(self, origin: str) -> None:
        """Remove all that pages of an origin have stored, but not downloaded files."""
        types = "cookies,local_storage,indexeddb,service_workers,cache_storage"
        await self.call(
            "Storage.clearDataForOrigin", {"origin": origin, "storageTypes": types}
        )

    async def picture(self, expression: str = "") -> bytes:
        """Return a picture (PNG) of an element, by default of the page."""
        clip: dict[str, Any] = {}
        if expression:
            place = await self.evaluate(
                f"const {{x, y, width, height}} = ({expression})"
                ".getBoundingClientRect(); return {x, y, width, height};"
            )
            clip = {"clip": {**place, "scale": 1}}
        shot = await self.call("Page.captureScreenshot", {"format": "png", **clip})
        return base64.b64decode(shot["data"])

    async def call(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._number += 1
        await self._socket.send_json(
            {"id": self._number, "method": method, "params": params}
        )
        while (answer := await self._socket.receive_json()).get("id") != self._number:
            pass
        if "error" in answer:
            raise HarnessError(f"{method}: {answer['error'].get('message')}")
        result: dict[str, Any] = answer["result"]
        return result


@contextmanager
def start_browser(program: str, folder: Path, language: str = "en-US") -> Iterator[str]:
    """Run a headless browser with a profile in a folder and yield its address."""
    profile = folder / "profile"
    process = subprocess.Popen(  # noqa: S603 - the browser that the user names
        [
            *(program, "--headless=new", "--remote-debugging-port=0"),
            *(f"--lang={language}", f"--accept-lang={language}", "--disable-gpu"),
            *(f"--user-data-dir={profile}", "--hide-scrollbars"),
            *("--no-first-run", "--disable-background-networking", "--disable-sync"),
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            "about:blank",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{_debugging_port(process, profile)}"
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _debugging_port(process: subprocess.Popen[bytes], profile: Path) -> int:
    """Return the port that a browser writes to its profile when it listens."""
    written = profile / "DevToolsActivePort"
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        # The file is there before its two lines are.
        if written.exists() and len(lines := written.read_text().splitlines()) == 2:
            return int(lines[0])
        time.sleep(POLL_SECONDS)
    raise HarnessError(f"the browser did not start (exit status {process.returncode})")


@asynccontextmanager
async def open_page(
    address: str, session: aiohttp.ClientSession
) -> AsyncIterator[Page]:
    """Open a page of a running browser and close it afterwards."""
    async with session.put(f"{address}/json/new?about:blank") as response:
        opened = await response.json()
    async with session.ws_connect(
        opened["webSocketDebuggerUrl"], max_msg_size=0
    ) as socket:
        yield Page(socket)
        async with session.get(f"{address}/json/close/{opened['id']}") as response:
            response.raise_for_status()


def piped(stream: asyncio.StreamReader | None) -> asyncio.StreamReader:
    """Return the stream of a pipe that was requested."""
    if stream is None:
        raise HarnessError("a process was started without its pipe")
    return stream


async def await_line(
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


async def end(process: Process, number: signal.Signals) -> None:
    """End a process that this program started."""
    if process.returncode is None:
        process.send_signal(number)
        try:
            async with asyncio.timeout(END_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
