"""Counts the billed calls where they leave: beneath whatever library makes them."""

from collections.abc import Awaitable, Callable
import re

import aiohttp

from .pricing import Charge

# How the paths of billed calls end, with the maker and with Tessie.
_BILLED = (
    (re.compile(r"/(vehicle_data|state)$|/api/refresh/\w+$"), Charge.DATA),
    (re.compile(r"/(command/\w+|signed_command)$"), Charge.COMMANDS),
    (re.compile(r"/(wake_up|wake)$"), Charge.WAKES),
)


_CACHED = re.compile(r"/vehicle_data$")


def charge_of(path: str, *, cached: bool = False) -> Charge | None:
    """Return as what a request is billed, None where it is free.

    Where data are `cached`, reading them is free.
    """
    if cached and _CACHED.search(path):
        return None
    return next((charge for end, charge in _BILLED if end.search(path)), None)


class UsageMiddleware:
    """A client middleware that tells of each call which the maker bills.

    That is every data call, command and wake that was answered below 500. It belongs
    below what bounds the answers, and sees each request that really is made.
    """

    def __init__(
        self, count: Callable[[Charge], None], *, cached: bool = False
    ) -> None:
        """Take who is told, and whether reading data is free."""
        self._count = count
        self._cached = cached

    async def __call__(
        self,
        request: aiohttp.ClientRequest,
        handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]],
    ) -> aiohttp.ClientResponse:
        """Send the request and count it."""
        response = await handler(request)
        charge = charge_of(request.url.path, cached=self._cached)
        if charge is not None and response.status < 500:
            self._count(charge)
        return response
