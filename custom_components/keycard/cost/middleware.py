"""aiohttp client middleware that counts billed requests."""

from collections.abc import Awaitable, Callable
import re

import aiohttp

from .pricing import Charge

# Ends of the paths of billed requests, of Tesla and of Tessie.
_BILLED_PATHS = (
    (re.compile(r"/(vehicle_data|state)$|/api/refresh/\w+$"), Charge.DATA),
    (re.compile(r"/(command/\w+|signed_command)$"), Charge.COMMANDS),
    (re.compile(r"/(wake_up|wake)$"), Charge.WAKES),
)

_CACHED_PATH = re.compile(r"/vehicle_data$")


def charge_of(path: str, *, cached: bool = False) -> Charge | None:
    """Return the charge for a request, None if it is free.

    Reading data is free if the provider serves them `cached`.
    """
    if cached and _CACHED_PATH.search(path):
        return None
    return next(
        (charge for pattern, charge in _BILLED_PATHS if pattern.search(path)), None
    )


class UsageMiddleware:
    """Client middleware that reports each billed request.

    Tesla bills data requests, commands and wakes that are answered below 500. The
    middleware must be the innermost one to see each request that is made.
    """

    def __init__(
        self, count: Callable[[Charge], None], *, cached: bool = False
    ) -> None:
        """Initialize the middleware; `cached` data are free to read."""
        self._count = count
        self._cached = cached

    async def __call__(
        self,
        request: aiohttp.ClientRequest,
        handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]],
    ) -> aiohttp.ClientResponse:
        """Send the request and count it if it is billed."""
        response = await handler(request)
        charge = charge_of(request.url.path, cached=self._cached)
        if charge is not None and response.status < 500:
            self._count(charge)
        return response
