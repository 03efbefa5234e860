"""Stale data of vehicles, as other integrations show them: weak evidence.

It speaks of the data subsystem only, and only while the region's own host is well: data
that stand still for a car that is said to be online and to drive or charge. The
integration must go on writing what it gets, the data must have moved often enough
before to know their pace, nothing may have moved for any other car meanwhile, and a
third party (`direct` names the others) is believed only when a second
integration shows the same. Data that move again end it.

What is left out:

- That cars become unavailable. A token that ran out, a new password, a reload and the
  own internet look the same, alone or beside a host that fails.
- That data move while a host fails. They may come by a way of their own, such as a
  stream of the car's; and who asks Tesla itself does so every ten minutes, while
  the detector decides within one. To wait for that would keep users from their keys.
- That a parked car's data do not change, and that an integration falls silent.

So nothing here begins, puts off or ends an outage of a host.
"""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TypedDict

# The pace is known after so many gaps between moves; the longest of the last ones
# counts. What moves within a burst is one move.
GAPS_NEEDED = 12
GAPS_KEPT = 32
BURST = 5.0

# Data stand still after so long, and after so many times their pace.
STALE_AFTER = 2700.0
STALE_GAPS = 6.0

# Somebody still asks: what he got was written without a longer break.
REPORTED_WITHIN = 1200.0

# Two moves, so far apart, end it. So does an hour in which nobody can tell any more.
MOVES_APART = 60.0
EXPIRES_AFTER = 3600.0


class StoredInterval(TypedDict):
    """How long a car's data stand still at most, as one integration shows them."""

    car: str
    path: str
    pace: float


class StoredStaleData(TypedDict):
    """Stored data of other integrations."""

    still: list[str]
    paces: list[StoredInterval]


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceUpdate:
    """What one integration (`domain`) wrote of a car at one time (monotonic seconds).

    `moved` tells that a value of the car's is another than before, `active` that the
    car is said to be online and to drive or charge.
    """

    car: str
    domain: str
    at: float
    moved: bool
    active: bool


@dataclass(frozen=True, kw_only=True)
class SourceStatus:
    """How one integration does as a witness for a car; times are in seconds."""

    active: bool
    learned: bool
    interval: float | None
    unchanged_for: float | None


@dataclass(kw_only=True)
class _Source:
    """One vehicle in one integration."""

    gaps: deque[float] = field(default_factory=lambda: deque(maxlen=GAPS_KEPT))
    moved_at: float | None = None
    unchanged_since: float | None = None
    reported_at: float = float("-inf")

    @property
    def learned(self) -> bool:
        return len(self.gaps) >= GAPS_NEEDED

    @property
    def interval(self) -> float | None:
        return max(self.gaps) if self.learned else None

    def record(self, sight: SourceUpdate) -> None:
        if not sight.active:
            self.pause()
            return
        if (
            self.unchanged_since is None
            or sight.at - self.reported_at > REPORTED_WITHIN
        ):
            # Who was silent has not asked all the time.
            self.start_timer(sight.at)
        self.reported_at = sight.at
        if sight.moved:
            self._move(sight.at)

    def _move(self, at: float) -> None:
        self.start_timer(at)
        if self.moved_at is None:
            self.moved_at = at
        elif at - self.moved_at >= BURST:
            self.gaps.append(at - self.moved_at)
            self.moved_at = at

    def start_timer(self, at: float) -> None:
        """Count from here how long data stand still."""
        self.unchanged_since = self.reported_at = at

    def pause(self) -> None:
        """Expect nothing to move, and learn nothing over the break."""
        self.unchanged_since = self.moved_at = None

    def is_stale(self, now: float, *, since: float) -> bool:
        """Return whether data are unchanged for too long."""
        pace = self.interval
        if pace is None or self.unchanged_since is None:
            return False
        return (
            now - max(self.unchanged_since, since)
            >= max(STALE_AFTER, STALE_GAPS * pace)
            and now - self.reported_at <= REPORTED_WITHIN
        )


class StaleDataDetector:
    """Detect stale data by updates of other integrations.

    A pure state machine: `observe_update` takes updates, `evaluate` the time.
    """

    def __init__(self, *, direct: Collection[str] = frozenset()) -> None:
        """Initialize without a source.

        `direct` are the integrations that call Tesla itself.
        """
        self._direct = direct
        self.stale_vehicles: frozenset[str] = frozenset()
        """The cars whose data stand still, and should not."""

        self.started_at: float | None = None
        self._sources: dict[tuple[str, str], _Source] = {}
        self._moved_at = float("-inf")
        self._first_moved_at: float | None = None
        self._moves_again = False
        self._stale_at = float("-inf")

    def retain(self, named: Collection[tuple[str, str]]) -> None:
        """Forget all cars and integrations but these, which may come to testify."""
        self._sources = {key: self._sources.get(key, _Source()) for key in named}
        self.stale_vehicles &= {car for car, _ in named}
        if not self.stale_vehicles:
            self.started_at = None

    # Observing

    def observe_update(self, sight: SourceUpdate) -> None:
        """Update from an integration."""
        self._source(sight.car, sight.domain).record(sight)
        if not sight.moved:
            return
        self._moved_at = sight.at
        if self._first_moved_at is None:
            self._first_moved_at = sight.at
        elif sight.at - self._first_moved_at >= MOVES_APART:
            self._moves_again = True

    def mark_unavailable(self, car: str, path: str) -> None:
        """Mark a vehicle as unavailable in an integration."""
        self._source(car, path).pause()

    def reset(self, car: str, path: str) -> None:
        """Forget a pace: other values are looked at from now on."""
        self._sources[car, path] = _Source()

    def _source(self, car: str, path: str) -> _Source:
        return self._sources.setdefault((car, path), _Source())

    def reset_timers(self, now: float) -> None:
        """Restart the timers: data may stand still while a host fails."""
        for witness in self._sources.values():
            if witness.unchanged_since is not None:
                witness.pause()
                witness.start_timer(now)

    # Weighing

    def evaluate(self, now: float) -> None:
        """Update which vehicles have stale data."""
        found = {
            key
            for key, witness in self._sources.items()
            if witness.is_stale(now, since=self._moved_at)
        }
        cars = frozenset(car for car, _ in found)
        if found:
            self._stale_at = now
        if self.stale_vehicles:
            if self._moves_again or now - self._stale_at > EXPIRES_AFTER:
                self.stale_vehicles, self.started_at = frozenset(), None
            else:
                self.stale_vehicles |= cars
            return
        paths = {path for _, path in found}
        if len(paths) > 1 or any(path in self._direct for path in paths):
            since = [self._sources[key].unchanged_since for key in found]
            self.started_at = max(
                self._moved_at, min(at for at in since if at is not None)
            )
            self.stale_vehicles = cars
            self._first_moved_at, self._moves_again = None, False

    def source_status(self, car: str, path: str, now: float) -> SourceStatus:
        """Return the status of an integration as a source."""
        witness = self._source(car, path)
        since = witness.unchanged_since
        return SourceStatus(
            active=since is not None,
            learned=witness.learned,
            interval=witness.interval,
            unchanged_for=None if since is None else now - since,
        )

    # Keeping

    def dump_intervals(self) -> StoredStaleData:
        """Return the data to store; intervals in whole minutes."""
        return StoredStaleData(
            still=sorted(self.stale_vehicles),
            paces=[
                StoredInterval(
                    car=car, path=path, pace=-(-witness.interval // 60.0) * 60.0
                )
                for (car, path), witness in self._sources.items()
                if witness.interval is not None
            ],
        )

    def restore_intervals(self, stored: StoredStaleData, now: float) -> None:
        """Restore stored data."""
        self.stale_vehicles = frozenset(stored["still"])
        self._stale_at = now
        for kept in stored["paces"]:
            witness = self._source(kept["car"], kept["path"])
            witness.gaps.extend([kept["pace"]] * GAPS_NEEDED)
