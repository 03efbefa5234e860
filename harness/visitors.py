"""Page loads of browsers, during which the clock must not run fast.

Home Assistant drops a connection whose browser takes too long to answer, by its own
clock.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import time

from aiohttp import web

from homeassistant.components.http.server import HomeAssistantApplication

BROWSER = "Mozilla/"
WEB_SOCKET = "/api/websocket"
# Real seconds after a request in which a browser may send the next one, or sign in over
# its web socket and load the states.
PAUSE_SECONDS = 1.0
SIGN_IN_SECONDS = 3.0


class Visitors:
    """Browsers that load a page of Home Assistant."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        """Initialize with a clock of real time."""
        self._now = now
        self._requests = 0
        self._until = 0.0

    @property
    def loading(self) -> bool:
        """Return whether a browser loads a page."""
        return self._requests > 0 or self._now() < self._until

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Observe the requests to each Home Assistant of this process."""
        handle = HomeAssistantApplication._handle  # noqa: SLF001 - also of web sockets

        async def observe(
            application: HomeAssistantApplication, request: web.Request
        ) -> web.StreamResponse:
            if BROWSER not in request.headers.get("User-Agent", ""):
                return await handle(application, request)
            if request.path == WEB_SOCKET:
                self._extend(SIGN_IN_SECONDS)
                return await handle(application, request)
            self._requests += 1
            try:
                return await handle(application, request)
            finally:
                self._requests -= 1
                self._extend(PAUSE_SECONDS)

        setattr(HomeAssistantApplication, "_handle", observe)  # noqa: B010 - private
        try:
            yield
        finally:
            setattr(HomeAssistantApplication, "_handle", handle)  # noqa: B010 - private

    def _extend(self, seconds: float) -> None:
        self._until = max(self._until, self._now() + seconds)
