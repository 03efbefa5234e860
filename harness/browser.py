"""Headless Chromium, controlled with the DevTools protocol."""

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, Process
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
import json
import os
from pathlib import Path
import re
import shutil
import signal
from typing import Any, Final

import aiohttp

from .time_control import HarnessError

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
START_SECONDS = 300.0
LOAD_SECONDS = 120.0
POLL_SECONDS = 0.1
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
_PLACE = """
element?.scrollIntoView?.({block: "center", inline: "center", behavior: "instant"});
const {x, y, width, height} = element?.getBoundingClientRect?.() ?? {};
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
        """Open an address."""
        await self.call("Page.navigate", {"url": url})

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
        try:
            async with asyncio.timeout(seconds):
                while True:
                    if value := await self._evaluate_while_loading(body):
                        return value
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError as err:
            shown = await self.texts()
            raise HarnessError(
                f"not within {seconds:.0f} s: {body}\nThe page shows:\n{shown}"
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
        """Click the center of an element once it has stopped moving."""
        body = f"""
            const element = {expression}; {_PLACE}
            return width ? [x + width / 2, y + height / 2] : null;
        """
        place = await self.until(body)
        while (moved := await self.until(body)) != place:
            place = moved
        for kind in ("mousePressed", "mouseReleased"):
            await self.call(
                "Input.dispatchMouseEvent",
                {
                    "type": kind,
                    "x": place[0],
                    "y": place[1],
                    "button": "left",
                    "clickCount": 1,
                },
            )

    async def type(self, text: str) -> None:
        """Type a text where the focus is."""
        await self.call("Input.insertText", {"text": text})

    async def picture(self) -> bytes:
        """Return a picture of the page (PNG)."""
        shot = await self.call("Page.captureScreenshot", {"format": "png"})
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


@asynccontextmanager
async def open_browser(
    program: str, folder: Path, session: aiohttp.ClientSession, language: str = "en-US"
) -> AsyncIterator[Page]:
    """Start a headless browser with a profile in a folder and yield its page."""
    browser = await asyncio.create_subprocess_exec(
        *(program, "--headless=new", "--remote-debugging-port=0"),
        *(f"--lang={language}", f"--accept-lang={language}", "--disable-gpu"),
        *(f"--user-data-dir={folder / 'profile'}", "--hide-scrollbars"),
        *("--no-first-run", "--disable-background-networking", "--disable-sync"),
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
        "about:blank",
        stdout=DEVNULL,
        stderr=PIPE,
    )
    try:
        found = await await_line(browser, piped(browser.stderr), r"ws://([^/]+)/")
        async with session.get(f"http://{found[1]}/json/list") as response:
            pages = await response.json()
        page = next(one for one in pages if one["type"] == "page")
        async with session.ws_connect(
            page["webSocketDebuggerUrl"], max_msg_size=0
        ) as socket:
            yield Page(socket)
    finally:
        await end(browser, signal.SIGTERM)


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
            async with asyncio.timeout(60):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
