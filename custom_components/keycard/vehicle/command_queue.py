"""Queue and deadlines of the commands to a vehicle; times are monotonic seconds."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import StrEnum

from .commands import COMMANDS, CommandCall


class NotSent(StrEnum):
    """Reason for not sending a command."""

    LATE = "late"
    REPLACED = "replaced"
    STOPPED = "stopped"


class NotSentError(Exception):
    """Raised when a command may no longer be sent."""

    def __init__(self, reason: NotSent) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(kw_only=True, eq=False)
class PendingCommand:
    """A command that waits or is under way."""

    call: CommandCall
    pressed_at: float
    needs_wake: bool = False
    """Whether the vehicle must be woken first, which extends the deadline."""

    sent: bool = False
    """Whether the command may have been sent and can no longer be replaced."""

    withdrawn: NotSent | None = None
    on_change: Callable[[], None] = lambda: None
    """Called when the deadline or `sent` changes."""

    @property
    def subject(self) -> Hashable:
        """Return the function that the command sets, None if every press counts."""
        return COMMANDS[self.call.command].subject(self.call.params)

    @property
    def deadline(self) -> float:
        """Return the time after which the command must not be sent."""
        limit = COMMANDS[self.call.command].limit
        return self.pressed_at + (limit.asleep if self.needs_wake else limit.awake)

    def allow_wake(self) -> None:
        """Extend the deadline by the time that waking the vehicle takes."""
        if not self.needs_wake:
            self.needs_wake = True
            self.on_change()

    def check(self, monotonic: float) -> None:
        """Raise a NotSentError if the command may not be sent now."""
        if self.withdrawn is not None:
            raise NotSentError(self.withdrawn)
        if monotonic >= self.deadline:
            raise NotSentError(NotSent.LATE)

    def mark_sent(self, monotonic: float) -> None:
        """Mark the command as sent; raise a NotSentError if it may not be."""
        self.check(monotonic)
        if not self.sent:
            self.sent = True
            self.on_change()

    def mark_not_sent(self) -> None:
        """Mark the command as waiting again: the vehicle has not received it."""
        if self.sent:
            self.sent = False
            self.on_change()

    def withdraw(self, reason: NotSent) -> None:
        """Prevent the command from being sent, unless it already was."""
        if not self.sent and self.withdrawn is None:
            self.withdrawn = reason


@dataclass(frozen=True, kw_only=True)
class QueueResult:
    """Result of queueing: the command, whether it was joined, and those replaced."""

    pending: PendingCommand
    joined: bool = False
    replaced: tuple[PendingCommand, ...] = ()


@dataclass(kw_only=True)
class CommandQueue:
    """Commands to one vehicle that wait or are under way, in order of their press.

    An equal command joins the newest waiting one of its subject and keeps that one's
    deadline; a different one replaces all waiting ones of the subject. A command that
    may have been sent is neither joined nor replaced.
    """

    commands: list[PendingCommand] = field(default_factory=list)

    def add(
        self,
        call: CommandCall,
        monotonic: float,
        *,
        pressed_at: float | None = None,
        needs_wake: bool = False,
    ) -> QueueResult:
        """Add a command, pressed now or as a later step of an earlier press."""
        pressed_at = monotonic if pressed_at is None else pressed_at
        new = PendingCommand(call=call, pressed_at=pressed_at, needs_wake=needs_wake)
        if new.subject is None:
            self.commands.append(new)
            return QueueResult(pending=new)
        waiting = [
            pending
            for pending in self.commands
            if pending.subject == new.subject
            and not pending.sent
            and pending.withdrawn is None
        ]
        if waiting and waiting[-1].call == call and monotonic < waiting[-1].deadline:
            return QueueResult(pending=waiting[-1], joined=True)
        for pending in waiting:
            pending.withdraw(NotSent.REPLACED)
        self.commands.append(new)
        return QueueResult(pending=new, replaced=tuple(waiting))

    def preceding(self, pending: PendingCommand) -> list[PendingCommand]:
        """Return the earlier commands of the same subject."""
        if pending.subject is None:
            return []
        earlier = self.commands[: self.commands.index(pending)]
        return [other for other in earlier if other.subject == pending.subject]

    def remove(self, pending: PendingCommand) -> None:
        """Remove a command that has ended."""
        self.commands.remove(pending)
