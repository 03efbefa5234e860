"""Daily schedules of cars.

A schedule is a list of days that repeats. Each drive goes to the other end: from home
to work, or from work home. The car is awake while it drives, charges or was used in the
last quarter of an hour, and asleep otherwise.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import re

from ..scenarios.conditions import ConditionError

DAY = 24 * 3600.0
type Position = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Drive:
    """A drive: its start as seconds of the day, and its duration in seconds."""

    at: float
    duration: float


@dataclass(frozen=True, kw_only=True)
class Day:
    """A day: its drives, and when the car is plugged in at home."""

    drives: tuple[Drive, ...] = ()
    plug_in_at: float | None = None


@dataclass(frozen=True, kw_only=True)
class ScheduledEvent:
    """A scheduled drive, or plugging in if `drive` is None."""

    at: float
    drive: Drive | None = None


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Days that repeat from a midnight (Unix time) on."""

    days: tuple[Day, ...]
    midnight: float

    def events_between(self, after: float, until: float) -> Iterator[ScheduledEvent]:
        """Yield the events after `after` up to and including `until`, in order."""
        first = max(0, int((after - self.midnight) // DAY))
        last = int((until - self.midnight) // DAY)
        for number in range(first, last + 1):
            start = self.midnight + number * DAY
            for event in _events_of_day(self.days[number % len(self.days)], start):
                if after < event.at <= until:
                    yield event


def _events_of_day(day: Day, start: float) -> list[ScheduledEvent]:
    events = [ScheduledEvent(at=start + one.at, drive=one) for one in day.drives]
    if day.plug_in_at is not None:
        events.append(ScheduledEvent(at=start + day.plug_in_at))
    return sorted(events, key=lambda event: event.at)


@dataclass(frozen=True, kw_only=True)
class Trip:
    """A drive in progress along a line of positions."""

    started_at: float
    duration: float
    positions: tuple[Position, ...]

    def position_at(self, timestamp: float) -> tuple[Position, int]:
        """Return the position and the heading."""
        legs = len(self.positions) - 1
        progress = min(1.0, (timestamp - self.started_at) / self.duration) * legs
        leg = min(legs - 1, int(progress))
        start, end = self.positions[leg], self.positions[leg + 1]
        fraction = progress - leg
        position = (
            start[0] + (end[0] - start[0]) * fraction,
            start[1] + (end[1] - start[1]) * fraction,
        )
        return position, 45 if end[0] > start[0] else 225

    def is_over(self, timestamp: float) -> bool:
        """Return whether the trip is over."""
        return timestamp >= self.started_at + self.duration


DEFAULT_DAY = Day(
    drives=(
        Drive(at=7.5 * 3600, duration=30 * 60),
        Drive(at=17 * 3600, duration=35 * 60),
    ),
    plug_in_at=18 * 3600,
)


def parse_days(data: object) -> tuple[Day, ...]:
    """Parse days: [{"drives": [{"at": "7:30", "minutes": 30}], "plug": "18:00"}]."""
    if not isinstance(data, list) or not data:
        message = "days must be a list that is not empty"
        raise ConditionError(message)
    return tuple(_parse_day(one) for one in data)


def _parse_day(data: object) -> Day:
    match data:
        case {**keys} if set(keys) <= {"drives", "plug"}:
            drives = keys.get("drives", [])
            plug = keys.get("plug")
        case _:
            message = f"a day may have drives and plug: {data!r}"
            raise ConditionError(message)
    if not isinstance(drives, Sequence) or isinstance(drives, str):
        message = f"drives must be a list: {drives!r}"
        raise ConditionError(message)
    return Day(
        drives=tuple(_parse_drive(one) for one in drives),
        plug_in_at=None if plug is None else _parse_time(plug),
    )


def _parse_drive(data: object) -> Drive:
    match data:
        case {"at": at, "minutes": int() | float() as minutes, **rest} if (
            not rest and 0 < minutes <= 12 * 60
        ):
            return Drive(at=_parse_time(at), duration=minutes * 60)
        case _:
            message = f'a drive is {{"at": "H:MM", "minutes": up to 720}}: {data!r}'
            raise ConditionError(message)


def _parse_time(text: object) -> float:
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", str(text))
    if match is None:
        message = f'a time of the day is "H:MM": {text!r}'
        raise ConditionError(message)
    return int(match[1]) * 3600.0 + int(match[2]) * 60.0
