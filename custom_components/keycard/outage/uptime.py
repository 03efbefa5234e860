"""Uptime of each region's cloud."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from .models import INCONCLUSIVE, OUTAGES, Assessment, Status

# How many days are kept: a year, and some to spare for a clock that was wrong.
DAYS_KEPT = 400

# An assessment counts for so many seconds: a region is asked once a minute.
VALID_FOR = 300.0

# After so many seconds of watching there is something to tell.
MIN_WATCHED = 3600.0

_DAY = 86400.0

type DayTotals = defaultdict[Status, float]
"""Seconds by status; up is `OPERATIONAL`, whatever else it was."""

type StoredDays = dict[str, dict[str, dict[str, float]]]
"""Seconds by region, by day (ISO 8601, UTC), and by status."""


@dataclass(frozen=True, kw_only=True)
class UptimeStats:
    """Uptime statistics of a period, in percent.

    All but `watched` are shares of the watched time. Only an `outage` counts against
    `uptime`, which is None where too little was watched.
    """

    uptime: float | None
    watched: float
    outage: float
    degraded: float
    sign_in_outage: float


@dataclass(kw_only=True)
class _Region:
    """The days of one region, and what is judged of it now, by whom and when."""

    days: dict[date, DayTotals] = field(default_factory=dict)
    last_status: dict[str, tuple[Status, float]] = field(default_factory=dict)
    counted_at: float | None = None
    up_for: float = 0.0
    """How long it has been up, without a break, until `at`."""


class Uptime:
    """Count the time by status for each region.

    Only time in which somebody judges counts: not while Home Assistant is off, and not
    while the user's internet is down. Seconds are monotonic; the system clock only says
    of which day they are.
    """

    def __init__(self) -> None:
        """Start without a day."""
        self._regions: dict[str, _Region] = {}

    def report(
        self,
        reporter: str,
        region: str,
        judgement: Assessment,
        *,
        wall: datetime,
        now: float,
    ) -> None:
        """Count the time since the last report, and update the status."""
        known = self._regions.setdefault(region, _Region())
        before = _worst_status(known, now)
        day = known.days.setdefault(wall.date(), defaultdict(float))
        _count_time(known, day, before, now)
        known.last_status[reporter] = (judgement.status, now)
        began = judgement.since
        if judgement.status in OUTAGES and before not in OUTAGES and began is not None:
            # It took a while to be sure.
            seen = (wall - began).total_seconds()
            moved = max(0.0, min(seen, known.up_for, day[Status.OPERATIONAL]))
            day[Status.OPERATIONAL] -= moved
            day[judgement.status] += moved
        if judgement.status in OUTAGES:
            known.up_for = 0.0
        if len(known.days) > DAYS_KEPT:
            known.days = dict(sorted(known.days.items())[-DAYS_KEPT:])

    def forget_entry(self, reporter: str) -> None:
        """Remove a config entry."""
        for known in self._regions.values():
            known.last_status.pop(reporter, None)

    def stats(self, region: str, days: int, wall: datetime) -> UptimeStats:
        """Return statistics of the last `days`, today included."""
        known = self._regions.get(region, _Region())
        today = wall.date()
        first = today - timedelta(days=days - 1)
        total: DayTotals = defaultdict(float)
        for day, counted in known.days.items():
            if first <= day <= today:
                for status, seconds in counted.items():
                    total[status] += seconds
        watched = sum(total.values())
        midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
        span = (days - 1) * _DAY + (wall - midnight).total_seconds()

        def share(status: Status) -> float:
            return 100 * total[status] / watched if watched else 0.0

        return UptimeStats(
            uptime=100 - share(Status.OUTAGE) if watched >= MIN_WATCHED else None,
            watched=min(100.0, 100 * watched / span) if span else 0.0,
            outage=share(Status.OUTAGE),
            degraded=share(Status.DEGRADED),
            sign_in_outage=share(Status.SIGN_IN_OUTAGE),
        )

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


# From bad to good. What others tell counts where one entry is undetermined.
_RANKS = (
    Status.OUTAGE,
    Status.SIGN_IN_OUTAGE,
    Status.DEGRADED,
    Status.OPERATIONAL,
)


def _worst_status(known: _Region, now: float) -> Status | None:
    """Return the worst that is judged of a region, None if nobody can."""
    found = {
        status if status in OUTAGES else Status.OPERATIONAL
        for status, at in known.last_status.values()
        if now - at <= VALID_FOR and status not in INCONCLUSIVE
    }
    return next((status for status in _RANKS if status in found), None)


def _count_time(
    known: _Region, day: DayTotals, status: Status | None, now: float
) -> None:
    """Count the time since the last report for what was judged meanwhile."""
    spent = 0.0 if known.counted_at is None else now - known.counted_at
    known.counted_at = now
    if status is None or spent > VALID_FOR:
        known.up_for = 0.0
        return
    day[status] += spent
    known.up_for = known.up_for + spent if status is Status.OPERATIONAL else 0.0
