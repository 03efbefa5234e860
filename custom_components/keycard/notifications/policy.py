"""Decide which notifications are due for which receiver."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, tzinfo
from enum import StrEnum

from ..vehicle.keys import PhysicalKey
from ..vehicle.urgent_conditions import UrgentCondition
from .receivers import ReceiverSettings, When
from .record import (
    MAX_PRESSES,
    REMIND_LATER,
    Button,
    NotificationRecord,
    ReceiverState,
    SituationKind,
    SituationRecord,
)

# Notifications of a person per day, without those that are always sent.
DAILY_LIMIT = 6

# Fewer needed keys are notified once they have been stable for so long.
SETTLING = timedelta(minutes=3)


class Reason(StrEnum):
    """Reason for a notification."""

    TAKE = "take"
    CALMER = "calmer"
    AGAIN = "again"
    REMINDER = "reminder"
    LATER = "later"
    WARNING = "warning"
    SUMMARY = "summary"
    ALL_CLEAR = "all_clear"
    CLEAR = "clear"


# These count for the daily limit, those are also held back by it.
_COUNTED = frozenset(
    {Reason.TAKE, Reason.AGAIN, Reason.REMINDER, Reason.LATER, Reason.WARNING}
)
_LIMITED = frozenset({Reason.AGAIN, Reason.REMINDER, Reason.WARNING})


@dataclass(frozen=True, kw_only=True)
class Situation:
    """An outage, an early warning or a drill, as it is now.

    `keys` holds the vehicles that need another key than usual, `urgent` what about
    them cannot wait. While the keys are not `known`, nothing changes.
    """

    id: str
    kind: SituationKind
    receivers: Sequence[ReceiverSettings]
    keys: Mapping[str, PhysicalKey] = field(default_factory=dict)
    urgent: frozenset[UrgentCondition] = frozenset()
    regions: frozenset[str] = frozenset()
    """The other regions that fail, of an early warning."""

    known: bool = True
    over: bool = False
    superseded: bool = False
    """Whether it is over because it has reached the region of the user."""


@dataclass(frozen=True, kw_only=True)
class DueNotification:
    """A notification that is due."""

    situation: Situation
    receiver: ReceiverSettings
    reason: Reason


@dataclass(kw_only=True)
class Decision:
    """What is due now, and when to decide again."""

    due: list[DueNotification] = field(default_factory=list)
    next_at: datetime | None = None

    def wait_until(self, at: datetime) -> None:
        """Decide again at a time at the latest."""
        self.next_at = at if self.next_at is None else min(self.next_at, at)


class NotificationPolicy:
    """Decide which notifications are due."""

    def __init__(self, record: NotificationRecord) -> None:
        """Initialize with a record."""
        self._record = record

    def decide(
        self,
        situations: Collection[Situation],
        *,
        places: Mapping[str, bool | None],
        now: datetime,
        time_zone: tzinfo,
        busy: Collection[str] = (),
    ) -> Decision:
        """Return what is due.

        `places` tells which persons are at home, `busy` names the receivers that are
        being sent something.
        """
        decision = Decision()
        for situation in situations:
            record = self._record.situation(situation.id, situation.kind, now)
            for receiver in situation.receivers:
                one = _Case(
                    situation=situation,
                    record=record,
                    receiver=receiver,
                    state=self._record.receiver(record, receiver.receiver.id),
                    now=now,
                    local=now.astimezone(time_zone),
                )
                one.state.name = receiver.receiver.name
                one.state.limit_to(now)
                one.state.observe_place(home=places.get(receiver.receiver.person or ""))
                if receiver.receiver.id in busy:
                    continue
                if (reason := self._limited(one.due(decision), one, decision)) is None:
                    continue
                if one.state.retry is not None and now < one.state.retry:
                    decision.wait_until(one.state.retry)
                    continue
                decision.due.append(
                    DueNotification(
                        situation=situation, receiver=receiver, reason=reason
                    )
                )
        return decision

    def _limited(
        self, reason: Reason | None, case: _Case, decision: Decision
    ) -> Reason | None:
        """Replace notifications beyond the daily limit by one summary."""
        if reason not in _LIMITED or case.situation.kind is SituationKind.DRILL:
            return reason
        day = self._record.day(case.receiver.receiver.owner, case.local.date())
        if day.count < DAILY_LIMIT:
            return reason
        decision.wait_until(case.midnight)
        if not day.summary:
            return Reason.SUMMARY
        # Who left today needs no notification of it tomorrow.
        case.state.left = False
        return None

    def mark_sent(
        self, due: DueNotification, *, now: datetime, time_zone: tzinfo
    ) -> None:
        """Record that a notification was sent."""
        record = self._record.situation(due.situation.id, due.situation.kind, now)
        receiver = due.receiver.receiver
        state = self._record.receiver(record, receiver.id)
        state.mark_reached()
        day = self._record.day(receiver.owner, now.astimezone(time_zone).date())
        if due.reason is Reason.SUMMARY:
            day.summary, state.left = True, False
            return
        drill = due.situation.kind is SituationKind.DRILL
        # Phones of one person get the same notification within seconds.
        if due.reason in _COUNTED and not drill and not self._told_owner(due, now):
            day.count += 1
        state.at, state.left, state.calmer = now, False, None
        if due.reason in (Reason.ALL_CLEAR, Reason.CLEAR):
            state.closed = True
            return
        if due.reason in (Reason.TAKE, Reason.WARNING):
            state.got_it, state.later = False, None
        if due.reason is Reason.LATER:
            state.later = None
        state.keys = dict(due.situation.keys)
        state.regions = due.situation.regions

    def _told_owner(self, due: DueNotification, now: datetime) -> bool:
        """Return whether another receiver of the person has just been told."""
        owner = due.receiver.receiver.owner
        record = self._record.situations[due.situation.id]
        return any(
            other.receiver.owner == owner
            and other.receiver.id != due.receiver.receiver.id
            and (state := record.receivers.get(other.receiver.id)) is not None
            and state.at is not None
            and timedelta() <= now - state.at < timedelta(minutes=1)
            for other in due.situation.receivers
        )

    def mark_failed(self, due: DueNotification, now: datetime) -> None:
        """Record that a notification could not be sent."""
        record = self._record.situation(due.situation.id, due.situation.kind, now)
        self._record.receiver(record, due.receiver.receiver.id).mark_failed(now)

    def press(
        self,
        button: Button,
        situation_id: str,
        receiver_id: str,
        *,
        same_owner: Collection[str],
        now: datetime,
    ) -> None:
        """Apply a pressed button to all receivers of the same person."""
        situation = self._record.situations[situation_id]
        pressed = self._record.receiver(situation, receiver_id)
        pressed.presses = [*pressed.presses, (button, now)][-MAX_PRESSES:]
        for one in {receiver_id, *same_owner}:
            if (state := situation.receivers.get(one)) is None:
                continue
            state.got_it = button is Button.GOT_IT
            later = button is Button.LATER and one == receiver_id
            state.later = now + REMIND_LATER if later else None


@dataclass(kw_only=True)
class _Case:
    """One receiver in one situation."""

    situation: Situation
    record: SituationRecord
    receiver: ReceiverSettings
    state: ReceiverState
    now: datetime
    local: datetime

    @property
    def midnight(self) -> datetime:
        """Return when the local day ends."""
        following = self.local.date() + timedelta(days=1)
        return datetime.combine(following, time(), self.local.tzinfo).astimezone(
            self.now.tzinfo
        )

    @property
    def _drill(self) -> bool:
        return self.situation.kind is SituationKind.DRILL

    @property
    def _stays(self) -> bool:
        """Return whether it waits for its person to leave home."""
        leaving = self.receiver.receiver.when is When.LEAVING
        return leaving and self.state.home is True and not self._drill

    def due(self, decision: Decision) -> Reason | None:
        """Return why a notification is due, and set when to decide again."""
        if self.situation.over:
            return self._when_over(decision)
        if not self.situation.known:
            return None
        if self.situation.kind is SituationKind.WARNING:
            return self._when_warned(decision)
        told = self.state.keys
        if self._needs_new_key(told):
            self.state.calmer = None
            return self._when_new(decision)
        if told is None:
            return None
        if dict(told) != dict(self.situation.keys):
            return self._when_calmer(decision)
        self.state.calmer = None
        return self._when_told(decision) if self.situation.keys else None

    def _needs_new_key(self, told: Mapping[str, PhysicalKey] | None) -> bool:
        return any(
            told is None or told.get(vehicle) is not key
            for vehicle, key in self.situation.keys.items()
        )

    def _when_over(self, decision: Decision) -> Reason | None:
        if not self.state.told or self.state.closed:
            return None
        if self.situation.superseded:
            # The notification of the outage has taken its place.
            self.state.closed = True
            return None
        if not self.receiver.settings.all_clear and not self._drill:
            return Reason.CLEAR
        return None if self._quiet(decision) else Reason.ALL_CLEAR

    def _when_warned(self, decision: Decision) -> Reason | None:
        if not self.receiver.settings.warnings:
            return None
        told = self.state.regions if self.state.told else frozenset()
        if not self.situation.regions - told or self._quiet(decision):
            return None
        return Reason.WARNING

    def _when_new(self, decision: Decision) -> Reason | None:
        if self._drill:
            return Reason.TAKE
        begins = self.record.seen + self.receiver.settings.wait
        if self.now < begins:
            decision.wait_until(begins)
            return None
        if self._stays:
            return None
        urgent = self.situation.urgent & self.receiver.settings.breaks_quiet
        if not urgent and not self._has_left and self._quiet(decision):
            return None
        return Reason.TAKE

    @property
    def _has_left(self) -> bool:
        """Return whether its person has left home and is to be told of it."""
        return self.receiver.receiver.when is When.LEAVING and self.state.left

    def _when_calmer(self, decision: Decision) -> Reason | None:
        if self.state.got_it:
            return None
        since = self.state.calmer = self.state.calmer or self.now
        if self.now < since + SETTLING and not self._drill:
            decision.wait_until(since + SETTLING)
            return None
        return None if self._quiet(decision) else Reason.CALMER

    def _when_told(self, decision: Decision) -> Reason | None:
        """Return whether one who was told is to be told again."""
        state = self.state
        if state.later is not None:
            if self.now >= state.later:
                return Reason.LATER
            decision.wait_until(state.later)
            return None
        if state.got_it or self._drill:
            return None
        if self._has_left:
            return Reason.AGAIN
        interval = self.receiver.settings.reminder
        if not interval or self._stays or state.at is None:
            return None
        if self.now < state.at + interval:
            decision.wait_until(state.at + interval)
            return None
        return None if self._quiet(decision) else Reason.REMINDER

    def _quiet(self, decision: Decision) -> bool:
        """Return whether quiet hours are on."""
        left = self.receiver.settings.quiet_left(self.local)
        if not left or self._drill:
            return False
        decision.wait_until(self.now + left)
        return True


def open_situations(record: NotificationRecord) -> Iterator[tuple[str, SituationKind]]:
    """Yield the situations of which a receiver has still to hear the end."""
    for situation_id, situation in record.situations.items():
        if situation.open:
            yield situation_id, situation.kind
