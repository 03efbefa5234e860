"""Unauthenticated probes of hosts."""

from collections.abc import Callable
import socket

import aiohttp

from ..transport.http import request
from .classifier import classify
from .endpoints import Endpoint
from .evidence import Evidence, RequestType, make_evidence

TIMEOUT = 10.0
MAX_BODY = 64 * 1024

type SessionSource = Callable[[socket.AddressFamily], aiohttp.ClientSession]

# HTTP method for each type of endpoint.
_METHODS = {
    RequestType.STATUS: "GET",
    RequestType.AUTHORIZE: "GET",
    RequestType.TOKEN: "POST",
    RequestType.UNRELATED: "GET",
}


class Prober:
    """Probe hosts; errors are returned as evidence."""

    def __init__(self, sessions: SessionSource) -> None:
        """Initialize with a function that returns a session for an address family."""
        self._sessions = sessions
        self._families: dict[str, socket.AddressFamily] = {}

    async def probe(self, target: Endpoint) -> Evidence:
        """Probe an endpoint and return its evidence."""
        answer = await request(
            self._sessions(self._family(target)),
            _METHODS[target.kind],
            target.url,
            timeout=TIMEOUT,
            max_size=MAX_BODY,
        )
        if answer.family is not None and target.region is not None:
            self._families[target.url] = answer.family
        meaning = classify(target.kind, answer, url=target.url)
        return make_evidence(meaning, answer)

    def _family(self, target: Endpoint) -> socket.AddressFamily:
        """Return the address family; unrelated hosts use that of Tesla's hosts."""
        families = set(self._families.values())
        if target.kind is RequestType.UNRELATED and len(families) == 1:
            return families.pop()
        return socket.AF_UNSPEC
