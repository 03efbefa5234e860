"""Event loops with the checks of asyncio's debug mode, without its cost.

Debug mode also records where each future, task and callback was created, which takes
about as long as everything else in a test, and logs callbacks that are slow.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context
import threading
from types import CoroutineType
from typing import override

from harness.event_loop import HarnessLoop


class CheckedLoop(asyncio.SelectorEventLoop):
    """Event loop that accepts callbacks from its own thread only."""

    _thread_id: int | None

    @override
    def call_soon[*Ts](
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Schedule a callback; raise RuntimeError in another thread."""
        self._check(callback)
        return super().call_soon(callback, *args, context=context)

    @override
    def call_at[*Ts](
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Schedule a callback at a time; raise RuntimeError in another thread."""
        self._check(callback)
        return super().call_at(when, callback, *args, context=context)

    def _check(self, callback: Callable[..., object]) -> None:
        if self._thread_id not in {None, threading.get_ident()}:
            raise RuntimeError(f"{callback!r} was scheduled from another thread")
        if isinstance(callback, CoroutineType):
            raise TypeError(f"{callback!r} is a coroutine, not a callback")


class CheckedHarnessLoop(CheckedLoop, HarnessLoop):
    """Event loop of the harness with the same checks."""
