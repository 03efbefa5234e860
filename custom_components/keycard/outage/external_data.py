"""Stale data of vehicles in other integrations, which are weak evidence.

They are evidence for the data subsystem only, while the region's host is healthy: data
of a vehicle that is reported as online and driving or charging do not change. The
integration must continue to report, enough earlier changes must show the usual interval
between changes, no other vehicle's data may change meanwhile, and a third party needs a
second integration that shows the same (`direct` are the integrations that call Tesla).
Changing data end it.

Not used as evidence are:

- unavailable vehicles: an expired token, a new password, a reload and the user's own
  internet have the same effect, even while a host fails;
- changing data while a host fails: they may arrive on another path, such as a vehicle's
  own stream, and other integrations poll every ten minutes, while the detector decides
  within one;
- unchanged data of a parked vehicle, and an integration that stops reporting.

So nothing here starts, delays or ends an outage of a host.
"""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TypedDict

# The interval is known after so many gaps between changes; the longest of the last ones
# counts. Changes within a burst are one change.
GAPS_NEEDED = 12
GAPS_KEPT = 32
BURST = 5.0

# Data are stale after so many seconds, and so many intervals.
STALE_AFTER = 2700.0
STALE_GAPS = 6.0

# An integration still polls if it reports without a longer gap.
REPORTED_WITHIN = 1200.0

# Two changes with this gap end it, and so does an hour without a stale source.
MOVES_APART = 60.0
EXPIRES_AFTER = 3600.0


class StoredInterval(TypedDict):
    """Stored interval between changes of a vehicle's data in one integration."""

    car: str
    path: str
    pace: float


class StoredStaleData(TypedDict):
    """Stored data of other integrations."""

    still: list[str]
    paces: list[StoredInterval]


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceUpdate:
    """Update of a vehicle in one integration (`domain`); `at` is monotonic.

    `changed` is whether a value changed, `active` whether the vehicle is reported as
    online, and driving or charging.
    """

    vehicle_id: str
    domain: str
    at: float
    changed: bool
    active: bool


@dataclass(frozen=True, kw_only=True)
class SourceStatus:
    """Status of an integration as a source for a vehicle; times are in seconds."""

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
            # An integration that did not report has not polled all the time.
            self.start_timer(sight.at)
        self.reported_at = sight.at
        if sight.changed:
            self._move(sight.at)

    def _move(self, at: float) -> None:
        self.start_timer(at)
        if self.moved_at is None:
            self.moved_at = at
        elif at - self.moved_at >= BURST:
            self.gaps.append(at - self.moved_at)
            self.moved_at = at

    def start_timer(self, at: float) -> None:
        """Start the timer for unchanged data."""
        self.unchanged_since = self.reported_at = at

    def pause(self) -> None:
        """Stop the timer; the gap does not count as an interval."""
        self.unchanged_since = self.moved_at = None

    def is_stale(self, monotonic: float, *, since: float) -> bool:
        """Return whether data have been unchanged for too long."""
        pace = self.interval
        if pace is None or self.unchanged_since is None:
            return False
        return (
            monotonic - max(self.unchanged_since, since)
            >= max(STALE_AFTER, STALE_GAPS * pace)
            and monotonic - self.reported_at <= REPORTED_WITHIN
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
        """Vehicles with stale data."""

        self.started_at: float | None = None
        self._sources: dict[tuple[str, str], _Source] = {}
        self._moved_at = float("-inf")
        self._first_moved_at: float | None = None
        self._moves_again = False
        self._stale_at = float("-inf")

    def retain(self, named: Collection[tuple[str, str]]) -> None:
        """Keep only these vehicles and integrations as sources."""
        self._sources = {key: self._sources.get(key, _Source()) for key in named}
        self.stale_vehicles &= {vehicle_id for vehicle_id, _ in named}
        if not self.stale_vehicles:
            self.started_at = None

    # Updates

    def observe_update(self, sight: SourceUpdate) -> None:
        """Update from an integration."""
        self._source(sight.vehicle_id, sight.domain).record(sight)
        if not sight.changed:
            return
        self._moved_at = sight.at
        if self._first_moved_at is None:
            self._first_moved_at = sight.at
        elif sight.at - self._first_moved_at >= MOVES_APART:
            self._moves_again = True

    def mark_unavailable(self, vehicle_id: str, path: str) -> None:
        """Mark a vehicle as unavailable in an integration."""
        self._source(vehicle_id, path).pause()

    def reset(self, vehicle_id: str, path: str) -> None:
        """Reset a source after its measured entities have changed."""
        self._sources[vehicle_id, path] = _Source()

    def _source(self, vehicle_id: str, path: str) -> _Source:
        return self._sources.setdefault((vehicle_id, path), _Source())

    def reset_timers(self, monotonic: float) -> None:
        """Restart the timers, as data may be unchanged while a host fails."""
        for witness in self._sources.values():
            if witness.unchanged_since is not None:
                witness.pause()
                witness.start_timer(monotonic)

    # Evaluation

    def evaluate(self, monotonic: float) -> None:
        """Update which vehicles have stale data."""
        found = {
            key
            for key, witness in self._sources.items()
            if witness.is_stale(monotonic, since=self._moved_at)
        }
        vehicle_ids = frozenset(vehicle_id for vehicle_id, _ in found)
        if found:
            self._stale_at = monotonic
        if self.stale_vehicles:
            if self._moves_again or monotonic - self._stale_at > EXPIRES_AFTER:
                self.stale_vehicles, self.started_at = frozenset(), None
            else:
                self.stale_vehicles |= vehicle_ids
            return
        paths = {path for _, path in found}
        if len(paths) > 1 or any(path in self._direct for path in paths):
            since = [self._sources[key].unchanged_since for key in found]
            self.started_at = max(
                self._moved_at, min(at for at in since if at is not None)
            )
            self.stale_vehicles = vehicle_ids
            self._first_moved_at, self._moves_again = None, False

    def source_status(
        self, vehicle_id: str, path: str, monotonic: float
    ) -> SourceStatus:
        """Return the status of an integration as a source."""
        witness = self._source(vehicle_id, path)
        since = witness.unchanged_since
        return SourceStatus(
            active=since is not None,
            learned=witness.learned,
            interval=witness.interval,
            unchanged_for=None if since is None else monotonic - since,
        )

    # Storage

    def dump_intervals(self) -> StoredStaleData:
        """Return the data to store; intervals in whole minutes."""
        return StoredStaleData(
            still=sorted(self.stale_vehicles),
            paces=[
                StoredInterval(
                    car=vehicle_id, path=path, pace=-(-witness.interval // 60.0) * 60.0
                )
                for (vehicle_id, path), witness in self._sources.items()
                if witness.interval is not None
            ],
        )

    def restore_intervals(self, stored: StoredStaleData, monotonic: float) -> None:
        """Restore stored data."""
        self.stale_vehicles = frozenset(stored["still"])
        self._stale_at = monotonic
        for interval in stored["paces"]:
            witness = self._source(interval["car"], interval["path"])
            witness.gaps.extend([interval["pace"]] * GAPS_NEEDED)
