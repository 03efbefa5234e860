"""Record of the notifications sent to each receiver."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, NotRequired, TypedDict

from ..outage.stored_values import Skipped, check_type, parse_stored_time
from ..vehicle.keys import PhysicalKey

# Maximum numbers of stored situations and failed commands.
MAX_SITUATIONS = 50
MAX_FAILED = 20
MAX_PRESSES = 10

REMIND_LATER = timedelta(hours=1)
REPAIR_AFTER = timedelta(hours=1)

_RETRIES = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 20, 30))


class SituationKind(StrEnum):
    """Kind of a situation that is notified."""

    OUTAGE = "outage"
    WARNING = "warning"
    DRILL = "drill"


class Button(StrEnum):
    """Button of a notification."""

    GOT_IT = "got_it"
    LATER = "later"


class StoredReceiver(TypedDict):
    """Stored state of a receiver in a situation; times are in ISO 8601."""

    token: str
    name: NotRequired[str]
    keys: NotRequired[dict[str, str] | None]
    regions: NotRequired[list[str]]
    at: NotRequired[str | None]
    received: NotRequired[str | None]
    presses: NotRequired[list[list[str]]]
    got_it: NotRequired[bool]
    later: NotRequired[str | None]
    home: NotRequired[bool | None]
    left: NotRequired[bool]
    calmer: NotRequired[str | None]
    closed: NotRequired[bool]
    live: NotRequired[dict[str, str] | None]
    failures: NotRequired[int]
    failed: NotRequired[str | None]
    retry: NotRequired[str | None]


class StoredFailure(TypedDict):
    """A command that failed in an outage."""

    at: str
    car: str
    command: str


class StoredSituation(TypedDict):
    """Stored situation with its receivers by their ID."""

    kind: str
    seen: str
    receivers: dict[str, Any]
    failed: NotRequired[list[Any]]


class StoredDay(TypedDict):
    """Number of notifications of a person on a day."""

    day: str
    count: int
    summary: bool


class StoredRecord(TypedDict):
    """The stored record."""

    situations: dict[str, Any]
    days: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class FailedCommand:
    """A command that failed in an outage."""

    at: datetime
    vehicle: str
    command: str


@dataclass(kw_only=True)
class ReceiverState:
    """State of one receiver in one situation; times are in UTC.

    `at`, `received` and `presses` are separate: a notification may have been handed
    over but not received, or received but not seen.
    """

    token: str
    name: str = ""
    keys: Mapping[str, PhysicalKey] | None = None
    """Notified keys to take by vehicle, None before the first notification."""

    regions: frozenset[str] = frozenset()
    at: datetime | None = None
    """When the last notification was sent."""

    received: datetime | None = None
    presses: list[tuple[Button, datetime]] = field(default_factory=list)
    got_it: bool = False
    later: datetime | None = None
    """Time of the requested reminder."""

    home: bool | None = None
    """Last known presence of the person at home."""

    left: bool = False
    """Whether the person has left home since the last notification."""

    calmer: datetime | None = None
    """Time since which fewer keys are needed than were notified."""

    closed: bool = False
    live: Mapping[str, PhysicalKey] | None = None
    """The keys in the live update that it shows, by vehicle; None without one."""

    failures: int = 0
    failed: datetime | None = None
    """Time since which every delivery has failed."""

    retry: datetime | None = None

    @property
    def notified(self) -> bool:
        """Return whether the receiver has been notified of the situation."""
        return self.keys is not None

    @property
    def shown(self) -> bool:
        """Return whether the receiver shows a notification of the present situation."""
        return (self.notified and not self.closed) or self.live is not None

    def limit_to(self, utcnow: datetime) -> None:
        """Correct times after the clock was set back."""
        self.at = _not_after(self.at, utcnow)
        self.calmer = _not_after(self.calmer, utcnow)
        self.failed = _not_after(self.failed, utcnow)
        self.later = _not_after(self.later, utcnow + REMIND_LATER)
        self.retry = _not_after(self.retry, utcnow + _RETRIES[-1])

    def observe_place(self, *, home: bool | None) -> None:
        """Update whether the person is at home; unknown changes nothing."""
        if home is None:
            return
        if home:
            self.left = False
        elif self.home:
            self.left = True
        self.home = home

    def mark_failed(self, utcnow: datetime) -> None:
        """Record that a notification could not be sent, and plan a retry."""
        self.failed = self.failed or utcnow
        self.retry = utcnow + _RETRIES[min(self.failures, len(_RETRIES) - 1)]
        self.failures += 1

    def mark_reached(self) -> None:
        """Record that the receiver can be reached."""
        self.failures, self.failed, self.retry = 0, None, None

    def unreachable(self, utcnow: datetime) -> bool:
        """Return whether deliveries have failed for so long that the user must act."""
        return self.failed is not None and utcnow - self.failed >= REPAIR_AFTER

    def as_stored(self) -> StoredReceiver:
        """Return the data to store."""
        return StoredReceiver(
            token=self.token,
            name=self.name,
            keys=_dump_keys(self.keys),
            regions=sorted(self.regions),
            at=_text(self.at),
            received=_text(self.received),
            presses=[[button.value, at.isoformat()] for button, at in self.presses],
            got_it=self.got_it,
            later=_text(self.later),
            home=self.home,
            left=self.left,
            calmer=_text(self.calmer),
            closed=self.closed,
            live=_dump_keys(self.live),
            failures=self.failures,
            failed=_text(self.failed),
            retry=_text(self.retry),
        )

    @classmethod
    def from_stored(cls, stored: StoredReceiver) -> ReceiverState:
        """Return a stored state; raise an error if it is invalid."""
        check_type(stored, StoredReceiver)
        return cls(
            token=stored["token"],
            name=stored.get("name", ""),
            keys=_load_keys(stored.get("keys")),
            regions=frozenset(stored.get("regions", ())),
            at=_time(stored.get("at")),
            received=_time(stored.get("received")),
            presses=[
                (Button(button), parse_stored_time(at))
                for button, at in stored.get("presses", [])
            ],
            got_it=stored.get("got_it", False),
            later=_time(stored.get("later")),
            home=stored.get("home"),
            left=stored.get("left", False),
            calmer=_time(stored.get("calmer")),
            closed=stored.get("closed", False),
            live=_load_keys(stored.get("live")),
            failures=max(0, stored.get("failures", 0)),
            failed=_time(stored.get("failed")),
            retry=_time(stored.get("retry")),
        )


@dataclass(kw_only=True)
class SituationRecord:
    """Record of a situation with its receivers."""

    kind: SituationKind
    seen: datetime
    receivers: dict[str, ReceiverState] = field(default_factory=dict)
    failed: list[FailedCommand] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Return whether the end is still to be notified to a receiver."""
        return any(one.shown for one in self.receivers.values())

    def as_stored(self) -> StoredSituation:
        """Return the data to store."""
        return StoredSituation(
            kind=self.kind.value,
            seen=self.seen.isoformat(),
            receivers={
                receiver: state.as_stored()
                for receiver, state in self.receivers.items()
            },
            failed=[
                StoredFailure(
                    at=one.at.isoformat(), car=one.vehicle, command=one.command
                )
                for one in self.failed
            ],
        )

    @classmethod
    def from_stored(cls, stored: StoredSituation, skipped: Skipped) -> SituationRecord:
        """Restore a stored situation, skipping invalid parts."""
        check_type(stored, StoredSituation)
        found = cls(
            kind=SituationKind(stored["kind"]), seen=parse_stored_time(stored["seen"])
        )
        for receiver, state in stored["receivers"].items():
            with skipped.part("a receiver"):
                found.receivers[receiver] = ReceiverState.from_stored(state)
        for one in stored.get("failed", []):
            with skipped.part("a command"):
                check_type(one, StoredFailure)
                at = parse_stored_time(one["at"])
                found.failed.append(
                    FailedCommand(at=at, vehicle=one["car"], command=one["command"])
                )
        return found


@dataclass(kw_only=True)
class Day:
    """Number of notifications of a person on a local day."""

    day: date
    count: int = 0
    summary: bool = False


class NotificationRecord:
    """Record of all situations of a home.

    Each situation has an ID that lasts over restarts; `new_token` returns a secret.
    """

    def __init__(self, new_token: Callable[[], str]) -> None:
        """Start with an empty record."""
        self.situations: dict[str, SituationRecord] = {}
        self._days: dict[str, Day] = {}
        self._new_token = new_token

    def situation(
        self, situation_id: str, kind: SituationKind, utcnow: datetime
    ) -> SituationRecord:
        """Return the record of a situation; create it if needed."""
        if (found := self.situations.get(situation_id)) is None:
            found = self.situations[situation_id] = SituationRecord(
                kind=kind, seen=utcnow
            )
            self._prune(new=situation_id)
        found.seen = min(found.seen, utcnow)
        return found

    def receiver(self, situation: SituationRecord, receiver_id: str) -> ReceiverState:
        """Return the state of a receiver; create it if needed."""
        if (found := situation.receivers.get(receiver_id)) is None:
            found = situation.receivers[receiver_id] = ReceiverState(
                token=self._new_token()
            )
        return found

    def find_token(self, token: str) -> tuple[str, str, ReceiverState] | None:
        """Return situation, receiver and state of a token."""
        for situation_id, situation in self.situations.items():
            for receiver_id, state in situation.receivers.items():
                if state.token == token:
                    return situation_id, receiver_id, state
        return None

    def add_failed(self, situation_id: str, failed: FailedCommand) -> None:
        """Record the last failure of a command, if the situation is recorded."""
        if (situation := self.situations.get(situation_id)) is not None:
            self.remove_failed(situation_id, failed.vehicle, failed.command)
            situation.failed = [*situation.failed, failed][-MAX_FAILED:]

    def remove_failed(self, situation_id: str, car: str, command: str) -> None:
        """Remove the failure of a command that has been executed since."""
        if (situation := self.situations.get(situation_id)) is not None:
            situation.failed = [
                one
                for one in situation.failed
                if (one.vehicle, one.command) != (car, command)
            ]

    def forget_receivers(
        self, known: Collection[str]
    ) -> list[tuple[str, str, ReceiverState]]:
        """Remove the receivers that no longer exist.

        Return the situation, the ID and the state of each.
        """
        return [
            (situation_id, receiver_id, situation.receivers.pop(receiver_id))
            for situation_id, situation in self.situations.items()
            for receiver_id in situation.receivers.keys() - known
        ]

    # Daily limit

    def day(self, limit_id: str, today: date) -> Day:
        """Return the notifications of a person today."""
        found = self._days.get(limit_id)
        if found is None or found.day != today:
            found = self._days[limit_id] = Day(day=today)
        return found

    # Storage

    def _prune(self, new: str | None = None) -> None:
        """Remove the oldest situations, ended ones first, but not a new one."""
        surplus = len(self.situations) - MAX_SITUATIONS
        oldest = sorted(
            self.situations, key=lambda one: (one == new, self.situations[one].open)
        )
        for situation_id in oldest[: max(0, surplus)]:
            del self.situations[situation_id]

    def dump_record(self) -> StoredRecord:
        """Return the data to store."""
        return StoredRecord(
            situations={
                situation_id: situation.as_stored()
                for situation_id, situation in self.situations.items()
            },
            days={
                limit_id: StoredDay(
                    day=day.day.isoformat(), count=day.count, summary=day.summary
                )
                for limit_id, day in self._days.items()
            },
        )

    def restore_record(self, stored: Mapping[str, Any], skipped: Skipped) -> None:
        """Restore stored data, skipping invalid parts."""
        for situation_id, situation in _items(stored, "situations", skipped):
            with skipped.part("a situation"):
                self.situations[situation_id] = SituationRecord.from_stored(
                    situation, skipped
                )
        for limit_id, day in _items(stored, "days", skipped):
            with skipped.part("a day"):
                check_type(day, StoredDay)
                self._days[limit_id] = Day(
                    day=date.fromisoformat(day["day"]),
                    count=day["count"],
                    summary=day["summary"],
                )
        self._prune()


def drill_id(entry_id: str, since: datetime | None) -> str:
    """Return the ID of a drill."""
    return f"drill|{entry_id}|{since.isoformat() if since else ''}"


def _items(
    stored: Mapping[str, Any], name: str, skipped: Skipped
) -> Iterator[tuple[str, Any]]:
    found: dict[str, Any] = {}
    with skipped.part(name):
        check_type(stored[name], dict[str, object])
        found = stored[name]
    yield from found.items()


def _not_after(at: datetime | None, latest: datetime) -> datetime | None:
    return at if at is None else min(at, latest)


def _dump_keys(keys: Mapping[str, PhysicalKey] | None) -> dict[str, str] | None:
    if keys is None:
        return None
    return {vehicle: key.value for vehicle, key in keys.items()}


def _load_keys(stored: Mapping[str, str] | None) -> dict[str, PhysicalKey] | None:
    if stored is None:
        return None
    return {vehicle: PhysicalKey(key) for vehicle, key in stored.items()}


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else parse_stored_time(text)
