"""Tests of the queue and the deadlines of commands."""

from random import Random

import pytest

from custom_components.keycard.vehicle.command_queue import (
    CommandQueue,
    NotSent,
    NotSentError,
    PendingCommand,
)
from custom_components.keycard.vehicle.commands import (
    Command,
    CommandCall,
    command_call,
)

LOCK, UNLOCK = command_call(Command.LOCK), command_call(Command.UNLOCK)

ACCESS = {
    Command.LOCK,
    Command.UNLOCK,
    Command.WINDOWS,
    Command.SUN_ROOF,
    Command.FRONT_TRUNK,
    Command.REAR_TRUNK,
    Command.PORT,
    Command.KEYLESS_DRIVING,
    Command.HOMELINK,
}
PARAMS = {"seat": "left", "open": True, "on": True}


@pytest.mark.parametrize("command", Command)
def test_access_commands_have_shorter_deadlines(command: Command) -> None:
    pending = PendingCommand(call=command_call(command, **PARAMS), pressed_at=100.0)
    assert pending.deadline == (120.0 if command in ACCESS else 130.0)
    pending.allow_wake()
    assert pending.deadline == (130.0 if command in ACCESS else 160.0)


def test_nothing_is_sent_past_its_deadline() -> None:
    changes: list[tuple[bool, float]] = []
    pending = PendingCommand(call=UNLOCK, pressed_at=0.0)
    pending.on_change = lambda: changes.append((pending.sent, pending.deadline))
    with pytest.raises(NotSentError, match="late"):
        pending.mark_sent(20.0)
    pending.allow_wake()
    pending.mark_sent(29.9)
    pending.mark_sent(29.9)
    pending.mark_not_sent()
    with pytest.raises(NotSentError) as error:
        pending.mark_sent(30.0)
    assert error.value.reason is NotSent.LATE
    assert changes == [(False, 30.0), (True, 30.0), (False, 30.0)]


def test_equal_press_joins_waiting_command_and_keeps_its_deadline() -> None:
    queue = CommandQueue()
    first = queue.add(UNLOCK, 0.0).pending
    again = queue.add(UNLOCK, 15.0)
    assert (again.pending, again.joined, again.replaced) == (first, True, ())
    assert first.deadline == 20.0
    # What is too late is not joined.
    late = queue.add(UNLOCK, 20.0)
    assert (late.joined, late.replaced) == (False, (first,))


def test_contrary_press_replaces_waiting_but_not_sent_commands() -> None:
    queue = CommandQueue()
    sent = queue.add(UNLOCK, 0.0).pending
    sent.mark_sent(1.0)
    waiting = queue.add(UNLOCK, 2.0)
    assert not waiting.joined
    assert queue.preceding(waiting.pending) == [sent]
    contrary = queue.add(LOCK, 3.0)
    assert contrary.replaced == (waiting.pending,)
    assert waiting.pending.withdrawn is NotSent.REPLACED
    assert sent.withdrawn is None
    with pytest.raises(NotSentError, match="replaced"):
        waiting.pending.mark_sent(3.0)
    # What the vehicle has surely not got can be replaced again.
    sent.mark_not_sent()
    last = queue.add(UNLOCK, 4.0)
    assert last.replaced == (sent, contrary.pending)
    for one in (sent, waiting.pending, contrary.pending):
        queue.remove(one)
    assert queue.preceding(last.pending) == []


@pytest.mark.parametrize(
    ("first", "second", "joined", "replaced"),
    [
        (
            command_call(Command.SENTRY, on=True),
            command_call(Command.VALET, on=True),
            False,
            False,
        ),
        (
            command_call(Command.SENTRY, on=True),
            command_call(Command.SENTRY, on=True),
            True,
            False,
        ),
        (
            command_call(Command.SENTRY, on=True),
            command_call(Command.SENTRY, on=False),
            False,
            True,
        ),
        (
            command_call(Command.SEAT_HEATER, seat="left", level=1),
            command_call(Command.SEAT_HEATER, seat="right", level=1),
            False,
            False,
        ),
        (
            command_call(Command.CHARGE_LIMIT, percent=70),
            command_call(Command.CHARGE_LIMIT, percent=80),
            False,
            True,
        ),
        # Each press of these counts.
        (command_call(Command.HONK), command_call(Command.HONK), False, False),
        (command_call(Command.HOMELINK), command_call(Command.HOMELINK), False, False),
    ],
)
def test_commands_of_other_subjects_are_independent(
    first: CommandCall, second: CommandCall, *, joined: bool, replaced: bool
) -> None:
    queue = CommandQueue()
    queue.add(first, 0.0)
    press = queue.add(second, 1.0)
    assert (press.joined, bool(press.replaced)) == (joined, replaced)


def test_second_step_has_deadline_of_its_press() -> None:
    pending = CommandQueue().add(LOCK, 9.0, pressed_at=5.0, needs_wake=True).pending
    assert pending.deadline == 35.0


@pytest.mark.parametrize("seed", range(20))
def test_last_press_is_sent_last(seed: int) -> None:
    """Random presses on a slow transport."""
    dice, queue, now = Random(seed), CommandQueue(), 0.0
    sent: list[tuple[CommandCall, float]] = []
    wish, wished_at, pressed = LOCK, 0.0, []
    for _ in range(300):
        now += dice.choice((0.0, 0.5, 3.0, 9.0))
        if dice.random() < 0.5:
            wish, wished_at = dice.choice((LOCK, UNLOCK)), now
            pressed.append(queue.add(wish, now).pending)
        for one in [one for one in queue.commands if one.withdrawn is not None]:
            queue.remove(one)
        under_way = [one for one in queue.commands if one.sent]
        if under_way and dice.random() < 0.4:
            queue.remove(under_way[0])
        free = [one for one in queue.commands if not queue.preceding(one)]
        for one in free:
            if one.sent or dice.random() < 0.5:
                continue
            try:
                one.mark_sent(now)
            except NotSentError:
                queue.remove(one)
            else:
                sent.append((one.call, now))
                assert now < one.deadline <= one.pressed_at + 20.0
                # Nothing newer and contrary has been pressed before it.
                newer = [two for two in pressed if two.pressed_at > one.pressed_at]
                assert all(two.call == one.call for two in newer)
        # At most one is under way, and at most one waits.
        assert sum(one.sent for one in queue.commands) <= 1
        assert sum(not one.sent for one in queue.commands) <= 1
    assert sent
    if sent[-1][1] > wished_at:
        assert sent[-1][0] == wish
