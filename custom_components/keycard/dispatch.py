"""Brings a command to a car over whichever link serves it now, and in time."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
import time

from homeassistant.exceptions import HomeAssistantError

from .caller import is_automatic
from .commands import NotReachedError, Sender, error_of
from .local import LocalLink
from .vehicle.command_queue import CommandQueue, NotSent, PendingCommand
from .vehicle.outcome import RadioOutcome, Refusal, Trouble
from .vehicle.repertoire import OPENING, Order
from .vehicle.vehicle import Car
from .vehicle.ways import CloudHealth, Preference, Way, ways

_TROUBLES: Mapping[Trouble, str] = {
    Trouble.NO_ADAPTER: "bluetooth_no_adapter",
    Trouble.OUT_OF_RANGE: "bluetooth_out_of_range",
    Trouble.NO_SLOT: "bluetooth_no_slot",
    Trouble.NO_CONNECTION: "bluetooth_no_connection",
    Trouble.NO_ANSWER: "bluetooth_no_answer",
    Trouble.NO_SESSION: "bluetooth_no_session",
    Trouble.PAIRING: "bluetooth_pairing",
    Trouble.STRANGER: "bluetooth_stranger",
    Trouble.UNSEALED: "bluetooth_unsealed",
}
# What an owner can do something about is said, whatever else fails.
_ADVICE = frozenset({"bluetooth_no_session", "bluetooth_provisional"})
# The key is not the car's last word: that of another link may do.
_OF_THE_KEY: Mapping[Refusal, str] = {
    Refusal.KEY_NOT_PAIRED: "bluetooth_key_not_paired",
    Refusal.KEY_NOT_ALLOWED: "bluetooth_key_not_allowed",
}
_NOT_SENT: Mapping[NotSent, str] = {
    NotSent.LATE: "command_too_late",
    NotSent.REPLACED: "command_replaced",
    NotSent.STOPPED: "command_stopped",
}


@dataclass(kw_only=True, eq=False)
class _Run:
    """A command that waits or is under way, and how many callers await its result."""

    pending: PendingCommand
    task: asyncio.Task[HomeAssistantError | None] = field(init=False)
    callers: int = 0
    interrupted: bool = False
    """Whether its caller has gone, or the car is let go, after it was sent."""

    automatic: bool = True
    """Whether no person is among its callers."""


@dataclass(frozen=True, kw_only=True)
class Dispatcher:
    """Send the commands of an owner to one car, each in time or not at all.

    `sender` sends over the cloud, `local` over Bluetooth, if there are such links.
    `sent`, `done` and `ended` are called with a command when it may have been sent,
    when the car has done it, and when it is over; `interrupted` when nobody waits for
    the result any more of one that may have been sent.
    """

    car: Car
    sender: Sender | None
    local: LocalLink | None
    preference: Preference
    cloud_health: Callable[[], CloudHealth]
    sent: Callable[[PendingCommand], None]
    done: Callable[[Order], None]
    ended: Callable[[PendingCommand], None]
    interrupted: Callable[[Order], None]
    _queue: CommandQueue = field(default_factory=CommandQueue, init=False)
    _runs: dict[PendingCommand, _Run] = field(default_factory=dict, init=False)

    async def async_send(
        self, order: Order, *, pressed_at: float, wakes: bool = False
    ) -> bool:
        """Send a command; raise a translated error unless the car did it.

        A command goes on when its caller is cancelled after it may have been sent.
        `wakes` tells whether the press has woken the car before; so does the result.
        """
        if self.sender is None and self.local is None:
            raise RuntimeError("The car takes no commands")
        run = self._press(order, pressed_at, wakes=wakes)
        run.callers += 1
        try:
            await asyncio.wait({run.task})
        except asyncio.CancelledError:
            if run.callers == 1:
                self._abandon(run)
            raise
        finally:
            run.callers -= 1
        if run.task.cancelled():
            raise self._not_done(run)
        if (error := run.task.result()) is not None:
            raise error
        return run.pending.wakes

    def _press(self, order: Order, pressed_at: float, *, wakes: bool) -> _Run:
        press = self._queue.press(
            order, time.monotonic(), pressed_at=pressed_at, wakes=wakes
        )
        for one in press.replaced:
            self._runs[one].task.cancel()
        if press.joined:
            run = self._runs[press.pending]
            run.automatic = run.automatic and is_automatic()
            return run
        run = self._runs[press.pending] = _Run(
            pending=press.pending, automatic=is_automatic()
        )
        ahead = [self._runs[one].task for one in self._queue.ahead_of(press.pending)]
        run.task = asyncio.create_task(self._async_run(run, ahead))
        return run

    def _abandon(self, run: _Run) -> None:
        """Go on without a caller: drop what waits, and ask what became of the rest."""
        if run.task.done():
            return
        if run.pending.sent:
            run.interrupted = True
            self.interrupted(run.pending.order)
            return
        run.pending.withdraw(NotSent.STOPPED)
        run.task.cancel()

    async def async_stop(self) -> None:
        """Send nothing any more, and let go of what is under way."""
        runs = list(self._runs.values())
        for run in runs:
            run.pending.withdraw(NotSent.STOPPED)
            run.task.cancel()
        await asyncio.gather(*(run.task for run in runs), return_exceptions=True)
        for run in runs:
            if run.pending.sent and run.task.cancelled():
                self.interrupted(run.pending.order)

    def _not_done(self, run: _Run) -> HomeAssistantError:
        """Say what became of a command that was cut off."""
        if run.pending.withdrawn is None:
            return error_of("command_unconfirmed", self.car)
        return error_of(_NOT_SENT[run.pending.withdrawn], self.car)

    # One command

    async def _async_run(
        self, run: _Run, ahead: list[asyncio.Task[HomeAssistantError | None]]
    ) -> HomeAssistantError | None:
        pending = run.pending
        try:
            error = await self._async_try(pending, ahead)
        finally:
            pending.on_change = _nothing
            self._queue.remove(pending)
            del self._runs[pending]
            self.ended(pending)
        if error is None:
            self.done(pending.order)
        elif run.interrupted:
            self.interrupted(pending.order)
        return error

    async def _async_try(
        self,
        pending: PendingCommand,
        ahead: list[asyncio.Task[HomeAssistantError | None]],
    ) -> HomeAssistantError | None:
        """Send a command when it is its turn; return why it was not done."""
        left = pending.deadline - time.monotonic()
        if ahead:
            _, unfinished = await asyncio.wait(ahead, timeout=max(0.0, left))
            if unfinished:
                return error_of("command_too_late", self.car)
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._watch(pending, limit)
                await self._async_send_over_ways(pending)
        except TimeoutError:
            if not limit.expired():
                raise
            return error_of("command_too_late", self.car)
        except HomeAssistantError as err:
            return err
        return None

    def _watch(self, pending: PendingCommand, limit: asyncio.Timeout) -> None:
        """End a command at its deadline, as long as it was not sent."""
        loop = asyncio.get_running_loop()

        def set_limit() -> None:
            if limit.expired():
                return
            if pending.sent:
                limit.reschedule(None)
                self.sent(pending)
            else:
                left = pending.deadline - time.monotonic()
                limit.reschedule(loop.time() + left)

        pending.on_change = set_limit
        set_limit()

    async def _async_send_over_ways(self, pending: PendingCommand) -> None:
        """Send a command; another link serves only if the car has surely not got it."""
        cloud = self.cloud_health() if self.sender else CloudHealth.NONE
        first: NotReachedError | None = None
        for way in self._ways(cloud):
            try:
                await self._async_send_over(way, pending)
            except NotReachedError as err:
                pending.note_not_sent()
                if first is not None and first.translation_key in _ADVICE:
                    raise first from err
                if first is not None and cloud is CloudHealth.FAILS:
                    raise error_of("nothing_reaches", self.car) from err
                first = err
            else:
                return
        # Nobody is left who would bring it: the car has forgotten the key.
        raise first or error_of("bluetooth_key_not_paired", self.car)

    def _ways(self, cloud: CloudHealth) -> tuple[Way, ...]:
        if self.local is None:
            return (Way.CLOUD,) if self.sender else ()
        return ways(cloud, self.local.nearness, self.preference)

    async def _async_send_over(self, way: Way, pending: PendingCommand) -> None:
        if way is Way.CLOUD and self.sender is not None:
            await self.sender.async_send(self.car, pending)
        elif way is Way.BLUETOOTH and self.local is not None:
            if not self._may_go(pending):
                raise error_of("bluetooth_provisional", self.car, NotReachedError)
            outcome = await self.local.link.command(
                pending.order.command,
                known=self.car.state,
                pending=pending,
                **pending.order.params,
            )
            self._note(self.local, outcome)
            if (error := _error(outcome, self.car)) is not None:
                raise error

    def _may_go(self, pending: PendingCommand) -> bool:
        """Return whether a command may go over Bluetooth.

        What opens or locks wants a person, or a computer whose key is known for sure.
        """
        computer = OPENING.get(pending.order.command)
        if computer is None or not self._runs[pending].automatic:
            return True
        return self.car.trust.keys.settled(computer)

    def _note(self, local: LocalLink, outcome: RadioOutcome) -> None:
        if outcome.trouble is None and not outcome.withheld:
            local.async_want()


def _nothing() -> None:
    pass


def _error(outcome: RadioOutcome, car: Car) -> HomeAssistantError | None:
    """Say why a command was not done, None if it was."""
    if outcome.done and outcome.confirmed:
        return None
    if outcome.withheld:
        return error_of("command_too_late", car, NotReachedError)
    if not outcome.confirmed:
        return error_of("command_unconfirmed", car)
    if outcome.reason:
        return error_of("command_failed", car, reason=outcome.reason)
    if outcome.trouble is not None:
        return error_of(_TROUBLES[outcome.trouble], car, NotReachedError)
    refusal = outcome.refusal or Refusal.OTHER
    if (key := _OF_THE_KEY.get(refusal)) is not None:
        return error_of(key, car, NotReachedError)
    return error_of(refusal.value, car)
