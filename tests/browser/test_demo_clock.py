"""Pages of the demo show its time, not that of the browser."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from aiohttp import web
from aiohttp.test_utils import TestServer

from harness.browser import Page
from harness.demo import CLOCK_SCRIPT

START = datetime(2021, 11, 19, 16, tzinfo=UTC)
LATER = START + timedelta(hours=3)
LOAD = """
window.hassConnection = Promise.resolve({
  conn: {subscribeEvents: (handle) => { window.handle = handle; }},
});
await import("/clock.js");
"""
TELL = """
const ended = new Date(0);
return [
  new Date().getTime(), Date.now(), Date.parse(Date()), ended.getTime(),
  ended instanceof Date,
];
"""


async def script(request: web.Request) -> web.FileResponse:
    date = format_datetime(START, usegmt=True)
    return web.FileResponse(CLOCK_SCRIPT, headers={"Date": date})


async def empty(request: web.Request) -> web.Response:
    return web.Response(content_type="text/html")


async def test_pages_show_the_time_of_the_demo(page: Page) -> None:
    app = web.Application()
    app.router.add_get("/clock.js", script)
    app.router.add_get("/", empty)
    async with TestServer(app) as server:
        await page.open(str(server.make_url("/")))
        for body, shown in (
            (LOAD, START),
            (f"handle({{time_fired: '{LATER.isoformat()}'}});", LATER),
        ):
            *times, zero, is_date = await page.evaluate(body + TELL)
            for time in times:
                assert 0 <= time / 1000 - shown.timestamp() < 3600
            assert zero == 0
            assert is_date
