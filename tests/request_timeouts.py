"""Timeouts of requests that expire when a test says so."""

import asyncio
from types import SimpleNamespace

import pytest


class ManualTimeouts:
    """Timeouts of `transport.http` that never expire by themselves."""

    def __init__(self) -> None:
        self.delays: list[float | None] = []
        self._open: list[asyncio.Timeout] = []

    def timeout(self, delay: float | None) -> asyncio.Timeout:
        """Replace `asyncio.timeout`."""
        self.delays.append(delay)
        limit = asyncio.timeout(None)
        self._open.append(limit)
        return limit

    def expire(self) -> None:
        """Let the open timeouts expire."""
        now = asyncio.get_running_loop().time()
        for limit in self._open:
            try:
                limit.reschedule(now)
            except RuntimeError:
                # It is closed already.
                continue
        self._open.clear()


def patch_timeouts(monkeypatch: pytest.MonkeyPatch) -> ManualTimeouts:
    """Patch the timeouts of requests."""
    deadlines = ManualTimeouts()
    names = {name: getattr(asyncio, name) for name in dir(asyncio)}
    names["timeout"] = deadlines.timeout
    monkeypatch.setattr(
        "custom_components.keycard.transport.http.asyncio", SimpleNamespace(**names)
    )
    return deadlines
