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
    LIVE = "live"
    LIVE_END = "live_end"


# These count for the daily limit, those are also held back by it.
_COUNTED = frozenset(
    {Reason.TAKE, Reason.AGAIN, Reason.REMINDER, Reason.LATER, Reason.WARNING}
)
_LIMITED = frozenset({Reason.AGAIN, Reason.REMINDER, Reason.WARNING})

# These show a live update, and remove it.
_LIVE = frozenset({Reason.LIVE, Reason.LIVE_END})


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Current state of an outage, an early warning or a drill.

    `keys` holds the vehicles that need another key than usual, `urgent` the urgent
    conditions of these. While the keys are not `known`, nothing is due.
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
    superseded_by: str | None = None
    """ID of the open outage of the same region, after this one is over."""


@dataclass(frozen=True, kw_only=True)
class DueNotification:
    """A notification that is due."""

    situation: Situation
    receiver: ReceiverSettings
    reason: Reason


@dataclass(kw_only=True)
class Decision:
    """Due notifications, and the time of the next decision."""

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
        utcnow: datetime,
        time_zone: tzinfo,
        busy: Collection[str] = (),
        live: Collection[str] = (),
    ) -> Decision:
        """Return the due notifications.

        `places` holds by person whether they are at home; nothing is due for the
        receivers in `busy`, to which a notification is being sent. Those in `live`
        support live updates.
        """
        decision = Decision()
        for situation in situations:
            record = self._record.situation(situation.id, situation.kind, utcnow)
            for receiver in situation.receivers:
                one = _Case(
                    situation=situation,
                    record=record,
                    receiver=receiver,
                    state=self._record.receiver(record, receiver.receiver.id),
                    superseded=self._superseded(situation, receiver.receiver.id),
                    utcnow=utcnow,
                    local=utcnow.astimezone(time_zone),
                )
                one.state.name = receiver.receiver.name
                one.state.limit_to(utcnow)
                one.state.observe_place(home=places.get(receiver.receiver.person or ""))
                if receiver.receiver.id in busy:
                    continue
                reason = self._limited(one.due(decision), one, decision)
                if reason is None:
                    reason = one.live_due(supported=receiver.receiver.id in live)
                if reason is None:
                    continue
                if one.state.retry is not None and utcnow < one.state.retry:
                    decision.wait_until(one.state.retry)
                    continue
                decision.due.append(
                    DueNotification(
                        situation=situation, receiver=receiver, reason=reason
                    )
                )
        return decision

    def _superseded(self, situation: Situation, receiver_id: str) -> bool:
        """Return whether a receiver was notified of the outage that followed."""
        following = self._record.situations.get(situation.superseded_by or "")
        if following is None:
            return False
        state = following.receivers.get(receiver_id)
        return state is not None and state.notified

    def _limited(
        self, reason: Reason | None, case: _Case, decision: Decision
    ) -> Reason | None:
        """Replace notifications beyond the daily limit by one summary."""
        if reason not in _LIMITED or case.situation.kind is SituationKind.DRILL:
            return reason
        day = self._record.day(case.receiver.receiver.limit_id, case.local.date())
        if day.count < DAILY_LIMIT:
            return reason
        decision.wait_until(case.midnight)
        if not day.summary:
            return Reason.SUMMARY
        # A departure of today needs no notification tomorrow.
        case.state.left = False
        return None

    def mark_sent(
        self, due: DueNotification, *, utcnow: datetime, time_zone: tzinfo
    ) -> None:
        """Record that a notification was sent."""
        record = self._record.situation(due.situation.id, due.situation.kind, utcnow)
        receiver = due.receiver.receiver
        state = self._record.receiver(record, receiver.id)
        state.mark_reached()
        if due.reason in _LIVE:
            state.live = state.keys if due.reason is Reason.LIVE else None
            return
        day = self._record.day(receiver.limit_id, utcnow.astimezone(time_zone).date())
        if due.reason is Reason.SUMMARY:
            day.summary, state.left = True, False
            return
        drill = due.situation.kind is SituationKind.DRILL
        # Phones of one person get the same notification within seconds.
        if (
            due.reason in _COUNTED
            and not drill
            and not self._person_just_notified(due, utcnow)
        ):
            day.count += 1
        state.at, state.left, state.calmer = utcnow, False, None
        if due.reason in (Reason.ALL_CLEAR, Reason.CLEAR):
            state.closed = True
            return
        if due.reason in (Reason.TAKE, Reason.WARNING):
            state.got_it, state.later = False, None
        if due.reason is Reason.LATER:
            state.later = None
        state.keys = dict(due.situation.keys)
        state.regions = due.situation.regions

    def _person_just_notified(self, due: DueNotification, utcnow: datetime) -> bool:
        """Return whether another receiver of the person has just been notified."""
        limit_id = due.receiver.receiver.limit_id
        record = self._record.situations[due.situation.id]
        return any(
            other.receiver.limit_id == limit_id
            and other.receiver.id != due.receiver.receiver.id
            and (state := record.receivers.get(other.receiver.id)) is not None
            and state.at is not None
            and timedelta() <= utcnow - state.at < timedelta(minutes=1)
            for other in due.situation.receivers
        )

    def mark_failed(self, due: DueNotification, utcnow: datetime) -> None:
        """Record that a notification could not be sent."""
        record = self._record.situation(due.situation.id, due.situation.kind, utcnow)
        self._record.receiver(record, due.receiver.receiver.id).mark_failed(utcnow)

    def press(
        self,
        button: Button,
        situation_id: str,
        receiver_id: str,
        *,
        same_person: Collection[str],
        utcnow: datetime,
    ) -> None:
        """Apply a pressed button to all receivers of the same person."""
        situation = self._record.situations[situation_id]
        pressed = self._record.receiver(situation, receiver_id)
        pressed.presses = [*pressed.presses, (button, utcnow)][-MAX_PRESSES:]
        for one in {receiver_id, *same_person}:
            if (state := situation.receivers.get(one)) is None:
                continue
            state.got_it = button is Button.GOT_IT
            later = button is Button.LATER and one == receiver_id
            state.later = utcnow + REMIND_LATER if later else None


@dataclass(kw_only=True)
class _Case:
    """One receiver in one situation."""

    situation: Situation
    record: SituationRecord
    receiver: ReceiverSettings
    state: ReceiverState
    superseded: bool
    """True if the receiver was notified of a later outage."""

    utcnow: datetime
    local: datetime

    @property
    def midnight(self) -> datetime:
        """Return when the local day ends."""
        following = self.local.date() + timedelta(days=1)
        return datetime.combine(following, time(), self.local.tzinfo).astimezone(
            self.utcnow.tzinfo
        )

    @property
    def _drill(self) -> bool:
        return self.situation.kind is SituationKind.DRILL

    @property
    def _stays(self) -> bool:
        """Return whether notifications wait for the person to leave home."""
        leaving = self.receiver.receiver.when is When.LEAVING
        return leaving and self.state.home is True and not self._drill

    def due(self, decision: Decision) -> Reason | None:
        """Return the reason for a due notification, and set the next decision."""
        if self.situation.over:
            return self._when_over(decision)
        if not self.situation.known:
            return None
        if self.situation.kind is SituationKind.WARNING:
            return self._when_warned(decision)
        notified = self.state.keys
        if self._needs_new_key(notified):
            self.state.calmer = None
            return self._when_new(decision)
        if notified is None:
            return None
        if dict(notified) != dict(self.situation.keys):
            return self._when_calmer(decision)
        self.state.calmer = None
        return self._when_unchanged(decision) if self.situation.keys else None

    def live_due(self, *, supported: bool) -> Reason | None:
        """Return why an update of the live update is due, None if it is current."""
        state = self.state
        if self.situation.over or state.closed or state.got_it or not state.keys:
            return None if state.live is None else Reason.LIVE_END
        if not supported or not self.situation.known:
            return None
        return None if state.live == state.keys else Reason.LIVE

    def _needs_new_key(self, notified: Mapping[str, PhysicalKey] | None) -> bool:
        return any(
            notified is None or notified.get(vehicle) is not key
            for vehicle, key in self.situation.keys.items()
        )

    def _when_over(self, decision: Decision) -> Reason | None:
        if not self.state.notified or self.state.closed:
            return None
        if self.superseded:
            # The notification of the outage has taken its place.
            self.state.closed = True
            return None
        if self.situation.superseded_by is not None:
            return None
        if not self.receiver.settings.all_clear and not self._drill:
            return Reason.CLEAR
        return None if self._quiet(decision) else Reason.ALL_CLEAR

    def _when_warned(self, decision: Decision) -> Reason | None:
        if not self.receiver.settings.warnings:
            return None
        notified = self.state.regions if self.state.notified else frozenset()
        if not self.situation.regions - notified or self._quiet(decision):
            return None
        return Reason.WARNING

    def _when_new(self, decision: Decision) -> Reason | None:
        if self._drill:
            return Reason.TAKE
        begins = self.record.seen + self.receiver.settings.wait
        if self.utcnow < begins:
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
        """Return whether its person has left home and wants a notification then."""
        return self.receiver.receiver.when is When.LEAVING and self.state.left

    def _when_calmer(self, decision: Decision) -> Reason | None:
        if self.state.got_it:
            return None
        since = self.state.calmer = self.state.calmer or self.utcnow
        if self.utcnow < since + SETTLING and not self._drill:
            decision.wait_until(since + SETTLING)
            return None
        return None if self._quiet(decision) else Reason.CALMER

    def _when_unchanged(self, decision: Decision) -> Reason | None:
        """Return the reason for a further notification about the same keys."""
        state = self.state
        if state.later is not None:
            if self.utcnow >= state.later:
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
        if self.utcnow < state.at + interval:
            decision.wait_until(state.at + interval)
            return None
        return None if self._quiet(decision) else Reason.REMINDER

    def _quiet(self, decision: Decision) -> bool:
        """Return whether quiet hours are on."""
        left = self.receiver.settings.quiet_left(self.local)
        if not left or self._drill:
            return False
        decision.wait_until(self.utcnow + left)
        return True


def open_situations(record: NotificationRecord) -> Iterator[tuple[str, SituationKind]]:
    """Yield the situations whose end is still to be notified."""
    for situation_id, situation in record.situations.items():
        if situation.open:
            yield situation_id, situation.kind
