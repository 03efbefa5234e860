"""Uptime of each region's cloud."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from .models import INCONCLUSIVE, OUTAGES, Assessment, Status

# Number of stored days: a year, and a margin for a wrong clock.
DAYS_KEPT = 400

# Seconds for which an assessment counts; a region is probed once a minute.
VALID_FOR = 300.0

# Minimum of watched seconds for statistics.
MIN_WATCHED = 3600.0

_DAY = 86400.0

type DayTotals = defaultdict[Status, float]
"""Seconds by status; all statuses without an outage count as `OPERATIONAL`."""

type StoredDays = dict[str, dict[str, dict[str, float]]]
"""Seconds by region, by day (ISO 8601, UTC), and by status."""


@dataclass(frozen=True, kw_only=True)
class UptimeStats:
    """Uptime statistics of a period, in percent.

    All but `watched` are shares of the watched time. Only an `outage` counts against
    `uptime`, which is None if the watched time is too short.
    """

    uptime: float | None
    watched: float
    outage: float
    degraded: float
    sign_in_outage: float


@dataclass(frozen=True, kw_only=True)
class DayUptime:
    """Uptime of a day (UTC) in percent, None without watched time.

    `watched` is in seconds.
    """

    day: date
    uptime: float | None
    watched: float


@dataclass(kw_only=True)
class _Region:
    """Days of one region, and its last status by entry with the time."""

    days: dict[date, DayTotals] = field(default_factory=dict)
    last_status: dict[str, tuple[Status, float]] = field(default_factory=dict)
    counted_at: float | None = None
    up_for: float = 0.0
    """Seconds for which it has been up continuously until `counted_at`."""


class Uptime:
    """Count the time by status for each region.

    Only time with a conclusive assessment counts, not while Home Assistant is off or
    the user's internet is down. Seconds are monotonic; the system clock sets the day.
    """

    def __init__(self) -> None:
        """Initialize without days."""
        self._regions: dict[str, _Region] = {}

    def report(
        self,
        entry_id: str,
        region: str,
        assessment: Assessment,
        *,
        utcnow: datetime,
        monotonic: float,
    ) -> None:
        """Count the time since the last report, and update the status."""
        known = self._regions.setdefault(region, _Region())
        before = _worst_status(known, monotonic)
        day = known.days.setdefault(utcnow.date(), defaultdict(float))
        _count_time(known, day, before, monotonic)
        known.last_status[entry_id] = (assessment.status, monotonic)
        began = assessment.since
        if assessment.status in OUTAGES and before not in OUTAGES and began is not None:
            # The outage started before it was confirmed.
            seen = (utcnow - began).total_seconds()
            moved = max(0.0, min(seen, known.up_for, day[Status.OPERATIONAL]))
            day[Status.OPERATIONAL] -= moved
            day[assessment.status] += moved
        if assessment.status in OUTAGES:
            known.up_for = 0.0
        if len(known.days) > DAYS_KEPT:
            known.days = dict(sorted(known.days.items())[-DAYS_KEPT:])

    def forget_entry(self, entry_id: str) -> None:
        """Remove a config entry."""
        for known in self._regions.values():
            known.last_status.pop(entry_id, None)

    def stats(self, region: str, days: int, utcnow: datetime) -> UptimeStats:
        """Return statistics of the last `days`, today included."""
        known = self._regions.get(region, _Region())
        today = utcnow.date()
        first = today - timedelta(days=days - 1)
        total: DayTotals = defaultdict(float)
        for day, counted in known.days.items():
            if first <= day <= today:
                for status, seconds in counted.items():
                    total[status] += seconds
        watched = sum(total.values())
        midnight = utcnow.replace(hour=0, minute=0, second=0, microsecond=0)
        span = (days - 1) * _DAY + (utcnow - midnight).total_seconds()

        def share(status: Status) -> float:
            return 100 * total[status] / watched if watched else 0.0

        return UptimeStats(
            uptime=100 - share(Status.OUTAGE) if watched >= MIN_WATCHED else None,
            watched=min(100.0, 100 * watched / span) if span else 0.0,
            outage=share(Status.OUTAGE),
            degraded=share(Status.DEGRADED),
            sign_in_outage=share(Status.SIGN_IN_OUTAGE),
        )

    def daily(self, region: str, days: int, utcnow: datetime) -> list[DayUptime]:
        """Return the uptime of each of the last `days`, oldest first, with today."""
        known = self._regions.get(region, _Region())
        today = utcnow.date()
        found = []
        for ago in reversed(range(days)):
            day = today - timedelta(days=ago)
            totals: Mapping[Status, float] = known.days.get(day, {})
            watched = sum(totals.values())
            outage = totals.get(Status.OUTAGE, 0.0)
            uptime = 100 * (1 - outage / watched) if watched else None
            found.append(DayUptime(day=day, uptime=uptime, watched=watched))
        return found

    def dump_days(self) -> StoredDays:
        """Return the data to store."""
        return {
            region: {
                day.isoformat(): {
                    status.value: round(seconds, 1)
                    for status, seconds in counted.items()
                    if seconds
                }
                for day, counted in known.days.items()
            }
            for region, known in self._regions.items()
        }

    def restore_days(self, stored: StoredDays) -> None:
        """Restore stored data."""
        self._regions = {
            region: _Region(
                days={
                    date.fromisoformat(day): defaultdict(
                        float,
                        {Status(status): spent for status, spent in counted.items()},
                    )
                    for day, counted in days.items()
                }
            )
            for region, days in stored.items()
        }


# From bad to good. Other entries count while one is undetermined.
_RANKS = (
    Status.OUTAGE,
    Status.SIGN_IN_OUTAGE,
    Status.DEGRADED,
    Status.OPERATIONAL,
)


def _worst_status(known: _Region, monotonic: float) -> Status | None:
    """Return the worst status of a region, None without a conclusive one."""
    found = {
        status if status in OUTAGES else Status.OPERATIONAL
        for status, at in known.last_status.values()
        if monotonic - at <= VALID_FOR and status not in INCONCLUSIVE
    }
    return next((status for status in _RANKS if status in found), None)


def _count_time(
    known: _Region, day: DayTotals, status: Status | None, monotonic: float
) -> None:
    """Count the time since the last report for the status at that time."""
    spent = 0.0 if known.counted_at is None else monotonic - known.counted_at
    known.counted_at = monotonic
    if status is None or spent > VALID_FOR:
        known.up_for = 0.0
        return
    day[status] += spent
    known.up_for = known.up_for + spent if status is Status.OPERATIONAL else 0.0
