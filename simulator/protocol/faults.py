"""Injected faults of the next commands."""

from collections import deque
from enum import StrEnum


class CommandFault(StrEnum):
    """Fault of a command that is otherwise valid."""

    WAIT = "wait"  # replies that it is busy, and does not execute
    WAIT_DONE = "wait-done"  # replies that it is busy, and executes
    BUSY = "busy"
    BUSY_DONE = "busy-done"
    LOST = "lost"  # never arrives
    LOST_DONE = "lost-done"  # is executed, and the answer is lost

    @property
    def executes(self) -> bool:
        """Return whether the command is executed despite the fault."""
        return self.value.endswith("-done")


class CommandFaults:
    """Queue of faults."""

    def __init__(self) -> None:
        self._queue: deque[CommandFault] = deque()

    def inject_fault(self, fault: CommandFault, times: int = 1) -> None:
        """Inject a fault into the next commands."""
        self._queue.extend([fault] * times)

    def clear(self) -> None:
        """Remove all pending faults."""
        self._queue.clear()

    def next_fault(self) -> CommandFault | None:
        """Return the fault of the current command."""
        return self._queue.popleft() if self._queue else None
