"""Waits for conditions, however slow the machine is."""

import asyncio
from collections.abc import Callable
import time

PATIENCE = 60.0  # seconds, after which it never comes


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop run until something holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        await asyncio.sleep(0)
