"""Which commands wait for a vehicle, and until when each may be sent.

All times are monotonic seconds and handed in.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import StrEnum

from .commands import COMMANDS, CommandCall


class NotSent(StrEnum):
    """Why a command was not sent."""

    LATE = "late"
    REPLACED = "replaced"
    STOPPED = "stopped"


class NotSentError(Exception):
    """A command may not be sent any more."""

    def __init__(self, reason: NotSent) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(kw_only=True, eq=False)
class PendingCommand:
    """A command on its way to a vehicle."""

    order: CommandCall
    pressed_at: float
    wakes: bool = False
    """Whether the vehicle has to be woken for it, which takes longer."""

    sent: bool = False
    """Whether it may have been sent; until then it can be replaced."""

    withdrawn: NotSent | None = None
    on_change: Callable[[], None] = lambda: None
    """Called when the deadline or `sent` has changed."""

    @property
    def subject(self) -> Hashable:
        """Return what the command sets, None where each press counts."""
        return COMMANDS[self.order.command].subject(self.order.params)

    @property
    def deadline(self) -> float:
        """Return the last moment at which it may be sent."""
        limit = COMMANDS[self.order.command].limit
        return self.pressed_at + (limit.asleep if self.wakes else limit.awake)

    def allow_wake(self) -> None:
        """Give the command the time that waking the vehicle takes."""
        if not self.wakes:
            self.wakes = True
            self.on_change()

    def check(self, now: float) -> None:
        """Raise a NotSentError if the command may not be sent now."""
        if self.withdrawn is not None:
            raise NotSentError(self.withdrawn)
        if now >= self.deadline:
            raise NotSentError(NotSent.LATE)

    def start_sending(self, now: float) -> None:
        """Note that it is sent now; raise a NotSentError if it may not be."""
        self.check(now)
        if not self.sent:
            self.sent = True
            self.on_change()

    def note_not_sent(self) -> None:
        """Note that the vehicle has surely not got it: it waits again."""
        if self.sent:
            self.sent = False
            self.on_change()

    def withdraw(self, reason: NotSent) -> None:
        """Never send it, unless it was sent before."""
        if not self.sent and self.withdrawn is None:
            self.withdrawn = reason


@dataclass(frozen=True, kw_only=True)
class Press:
    """What becomes of a press: the command that stands for it, and those replaced."""

    pending: PendingCommand
    joined: bool = False
    replaced: tuple[PendingCommand, ...] = ()


@dataclass(kw_only=True)
class CommandQueue:
    """The commands to one vehicle that wait or are under way, in order of the press.

    A press joins the newest waiting command of the same subject if that asks for the
    same, and keeps its deadline; else it replaces all that wait for the subject. One
    that may have been sent is neither joined nor replaced.
    """

    commands: list[PendingCommand] = field(default_factory=list)

    def press(
        self,
        order: CommandCall,
        now: float,
        *,
        pressed_at: float | None = None,
        wakes: bool = False,
    ) -> Press:
        """Take in a press of now, or what one of before asks for in its turn."""
        pressed_at = now if pressed_at is None else pressed_at
        new = PendingCommand(order=order, pressed_at=pressed_at, wakes=wakes)
        if new.subject is None:
            self.commands.append(new)
            return Press(pending=new)
        waiting = [
            one
            for one in self.commands
            if one.subject == new.subject and not one.sent and one.withdrawn is None
        ]
        if waiting and waiting[-1].order == order and now < waiting[-1].deadline:
            return Press(pending=waiting[-1], joined=True)
        for one in waiting:
            one.withdraw(NotSent.REPLACED)
        self.commands.append(new)
        return Press(pending=new, replaced=tuple(waiting))

    def ahead_of(self, pending: PendingCommand) -> list[PendingCommand]:
        """Return the commands of the same subject that must end first."""
        if pending.subject is None:
            return []
        before = self.commands[: self.commands.index(pending)]
        return [one for one in before if one.subject == pending.subject]

    def remove(self, pending: PendingCommand) -> None:
        """Forget a command that has ended."""
        self.commands.remove(pending)
