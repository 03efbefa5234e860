"""Process that runs one case; imports nothing before its clock is installed."""

from collections.abc import Sequence
from importlib import import_module
from multiprocessing.connection import Connection
import os
import sys
import time

from .clock import OffsetClock, install


def run(path: str, providers: Sequence[str], streams: Sequence[Connection]) -> None:
    """Run a case, with standard output and error redirected to two connections."""
    for number, stream in enumerate(streams, start=1):
        os.dup2(stream.fileno(), number)
        stream.close()
    clock = _inherited_clock()
    if clock is None:
        clock = OffsetClock()
        install(clock)
    worker = import_module(".replay_worker", __package__)
    sys.exit(worker.main([path, *providers], clock))


def _inherited_clock() -> OffsetClock | None:
    """Return the clock that the parent installed before it forked this process."""
    clock = getattr(time.monotonic, "__self__", None)
    return clock if isinstance(clock, OffsetClock) else None
