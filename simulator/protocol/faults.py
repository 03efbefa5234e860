"""What can go wrong inside a car on purpose, for the next few commands."""

from collections import deque
from enum import StrEnum


class CommandFault(StrEnum):
    """What becomes of one command that is otherwise in order."""

    WAIT = "wait"  # answers that it is at work, and does nothing
    WAIT_DONE = "wait-done"  # answers that it is at work, and has done it
    BUSY = "busy"
    BUSY_DONE = "busy-done"
    LOST = "lost"  # never arrives
    LOST_DONE = "lost-done"  # is executed, and the answer never arrives

    @property
    def executes(self) -> bool:
        """Return whether the command is executed all the same."""
        return self.value.endswith("-done")


class CommandFaults:
    """Those that are still to come, in order."""

    def __init__(self) -> None:
        self._coming: deque[CommandFault] = deque()

    def inject_fault(self, fault: CommandFault, times: int = 1) -> None:
        """Let something go wrong with the next commands."""
        self._coming.extend([fault] * times)

    def clear(self) -> None:
        """Let nothing more go wrong."""
        self._coming.clear()

    def next_fault(self) -> CommandFault | None:
        """Return what goes wrong with the command at hand."""
        return self._coming.popleft() if self._coming else None
