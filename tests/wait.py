"""Waits for conditions, however slow the machine is."""

import asyncio
from collections.abc import Callable
import time

TIMEOUT_SECONDS = 60.0


async def wait_until(holds: Callable[[], bool]) -> None:
    """Run the event loop until a condition holds."""
    end = time.monotonic() + TIMEOUT_SECONDS
    while not holds():
        assert time.monotonic() < end, "the condition never held"
        await asyncio.sleep(0)
