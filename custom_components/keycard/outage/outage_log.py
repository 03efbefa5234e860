"""Log of outages and of the notices sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NotRequired, TypedDict

from .models import INCONCLUSIVE, OUTAGES, Assessment, Scope, Status
from .stored_values import LONGEST_GAP, Skipped, check_type, parse_stored_time
from .uptime import Uptime

# Number of stored outages; open ones are never dropped.
MAX_OUTAGES = 200
_LONGEST = 10 * 365 * 86400.0  # seconds


class EventType(StrEnum):
    """Type of an outage event."""

    STARTED = "started"
    CHANGED = "changed"
    ENDED = "ended"
    WARNING = "warning"


class NoticeType(StrEnum):
    """Type of the notice that an event sends."""

    TAKE = "take"
    ALL_CLEAR = "all_clear"
    NONE = "none"


class StoredOutage(TypedDict):
    """Stored outage: times in ISO 8601 and UTC, `length` in seconds."""

    region: str
    start: str
    end: str | None
    length: NotRequired[float]
    seen: NotRequired[str]
    status: str
    scope: str
    told_by: str | None
    told: list[str]
    reporters: list[str]
    left: NotRequired[bool]


@dataclass(frozen=True, kw_only=True)
class OutageEvent:
    """Event for a config entry to report."""

    entry_id: str
    kind: EventType
    notice: NoticeType
    start: datetime | None = None
    length: timedelta | None = None
    """Duration of an ended outage."""


@dataclass(kw_only=True)
class Outage:
    """Outage of a region from `start` to `end` (UTC), with its worst status and scope.

    `length` is its duration at the last report, at `last_seen` (UTC); `end` is always
    the start plus this duration.
    """

    region: str
    start: datetime
    status: Status
    scope: Scope
    length: timedelta
    last_seen: datetime
    end: datetime | None = None
    notified_by: str | None = None
    notified_vehicles: set[str] = field(default_factory=set)
    entry_ids: set[str] = field(default_factory=set)
    abandoned: bool = False
    """Whether it ended only because its last entry was disabled or removed."""

    _extended_at: float | None = field(default=None, compare=False)

    def extend(self, utcnow: datetime, monotonic: float) -> None:
        """Extend the outage until now.

        The system clock may be changed at any time, so it is used only for the time
        before the start of Home Assistant; a gap that is too long is not counted.
        """
        if self.is_outdated(utcnow):
            return
        if self._extended_at is None:
            spent = (utcnow - self.last_seen).total_seconds()
        else:
            spent = monotonic - self._extended_at
        self.length += timedelta(seconds=max(0.0, spent))
        self.last_seen, self._extended_at = utcnow, monotonic

    def is_outdated(self, utcnow: datetime) -> bool:
        """Return whether it was last seen too long ago to continue."""
        return self._extended_at is None and utcnow - self.last_seen > LONGEST_GAP


class OutageLog:
    """Log of a home's outages and notices.

    Entries report their assessments and get events for changes. Each outage is notified
    once per vehicle and cleared once, whichever entry sees it first.
    """

    def __init__(self) -> None:
        """Start with an empty log."""
        self.outages: list[Outage] = []
        self.uptime = Uptime()
        self._assessments: dict[str, Assessment] = {}

    def open_outage(self, region: str) -> Outage | None:
        """Return the open outage of a region."""
        return next(
            (
                outage
                for outage in reversed(self.outages)
                if outage.region == region and outage.end is None
            ),
            None,
        )

    def last_outage(self, region: str) -> Outage | None:
        """Return the last ended outage of a region."""
        over = [
            outage
            for outage in self.outages
            if outage.region == region and outage.end is not None
        ]
        return over[-1] if over else None

    def restore_last(self, entry_id: str, assessment: Assessment) -> None:
        """Restore an entry's last assessment without an event."""
        self._assessments[entry_id] = assessment

    def rename_vehicles(self, names: Mapping[str, str]) -> None:
        """Rename vehicles that were notified."""
        for outage in self.outages:
            outage.notified_vehicles = {
                names.get(vehicle_id, vehicle_id)
                for vehicle_id in outage.notified_vehicles
            }

    def report(
        self,
        entry_id: str,
        region: str,
        assessment: Assessment,
        *,
        wanted: frozenset[str],
        utcnow: datetime,
        monotonic: float,
    ) -> list[OutageEvent]:
        """Update from an entry's assessment and return the events to report.

        `wanted` are the region's vehicles whose key to take is not the usual one;
        `utcnow` is in UTC, `monotonic` in seconds.
        """
        self.uptime.report(
            entry_id, region, assessment, utcnow=utcnow, monotonic=monotonic
        )
        if (outage := self.open_outage(region)) is not None:
            outage.extend(utcnow, monotonic)
        if assessment.status in INCONCLUSIVE:
            return []
        before = self._assessments.get(entry_id, Assessment())
        self._assessments[entry_id] = assessment
        if assessment.status in OUTAGES:
            return self._report_on(
                entry_id,
                region,
                assessment,
                before,
                wanted=wanted,
                utcnow=utcnow,
                monotonic=monotonic,
            )
        happenings = self._report_over(entry_id, region)
        if assessment.warning and set(assessment.other_regions) - set(
            before.other_regions
        ):
            happenings.append(
                OutageEvent(
                    entry_id=entry_id, kind=EventType.WARNING, notice=NoticeType.NONE
                )
            )
        return happenings

    def _report_on(
        self,
        entry_id: str,
        region: str,
        assessment: Assessment,
        before: Assessment,
        *,
        wanted: frozenset[str],
        utcnow: datetime,
        monotonic: float,
    ) -> list[OutageEvent]:
        outage = self.open_outage(region)
        if outage is not None and outage.is_outdated(utcnow):
            outage.end, outage = outage.start + outage.length, None
        if (
            outage is None
            and (outage := self._abandoned(region, assessment)) is not None
        ):
            outage.end, outage.abandoned = None, False
            outage.extend(utcnow, monotonic)
        if outage is None:
            start = assessment.since or utcnow
            outage = Outage(
                region=region,
                start=start,
                status=assessment.status,
                scope=assessment.scope,
                length=timedelta(),
                last_seen=start,
            )
            outage.extend(utcnow, monotonic)
            self.outages = _bounded([*self.outages, outage])
        # An entry that notified and awaits the others' end still belongs to it.
        new = entry_id not in outage.entry_ids | {outage.notified_by}
        outage.entry_ids.add(entry_id)
        if _rank(assessment.status, assessment.scope) > _rank(
            outage.status, outage.scope
        ):
            outage.status, outage.scope = assessment.status, assessment.scope
        notice = NoticeType.NONE
        if not wanted <= outage.notified_vehicles:
            outage.notified_by = outage.notified_by or entry_id
            outage.notified_vehicles |= wanted
            notice = NoticeType.TAKE
        if not new and notice is NoticeType.NONE and _is_same(assessment, before):
            return []
        return [
            OutageEvent(
                entry_id=entry_id,
                kind=EventType.STARTED if new else EventType.CHANGED,
                notice=notice,
                start=outage.start,
            )
        ]

    def _abandoned(self, region: str, assessment: Assessment) -> Outage | None:
        """Return the abandoned outage that the assessment continues."""
        last, since = self.last_outage(region), assessment.since
        if last is None or not last.abandoned or last.end is None or since is None:
            return None
        return last if since <= last.end else None

    def _report_over(self, entry_id: str, region: str) -> list[OutageEvent]:
        outage = self.open_outage(region)
        if outage is None or entry_id not in outage.entry_ids:
            return []
        outage.entry_ids.discard(entry_id)
        if outage.entry_ids:
            if outage.notified_by == entry_id:
                # The all-clear follows when it ends for the last entry.
                return []
            return [_ended(entry_id, NoticeType.NONE, outage)]
        outage.end = outage.start + outage.length
        if outage.notified_by is None:
            return [_ended(entry_id, NoticeType.NONE, outage)]
        happenings = [_ended(outage.notified_by, NoticeType.ALL_CLEAR, outage)]
        if outage.notified_by != entry_id:
            happenings.append(_ended(entry_id, NoticeType.NONE, outage))
        return happenings

    def forget_entry(
        self, entry_id: str, *, utcnow: datetime, monotonic: float
    ) -> list[OutageEvent]:
        """Remove a config entry."""
        self._assessments.pop(entry_id, None)
        self.uptime.forget_entry(entry_id)
        happenings = []
        for outage in self.outages:
            if outage.end is not None:
                continue
            outage.extend(utcnow, monotonic)
            others = sorted(outage.entry_ids - {entry_id})
            if outage.notified_by == entry_id and others:
                outage.notified_by = others[0]
            happenings += self._report_over(entry_id, outage.region)
            outage.abandoned = outage.end is not None
        return [item for item in happenings if item.entry_id != entry_id]

    def dump_outages(self) -> list[StoredOutage]:
        """Return the data to store."""
        return [
            StoredOutage(
                region=outage.region,
                start=outage.start.isoformat(),
                end=outage.end.isoformat() if outage.end else None,
                length=outage.length.total_seconds(),
                seen=outage.last_seen.isoformat(),
                status=outage.status,
                scope=outage.scope,
                told_by=outage.notified_by,
                told=sorted(outage.notified_vehicles),
                reporters=sorted(outage.entry_ids),
                left=outage.abandoned,
            )
            for outage in self.outages
        ]

    def restore_outages(
        self, stored: list[StoredOutage], skipped: Skipped | None = None
    ) -> None:
        """Restore stored data, skipping invalid outages."""
        outages: list[Outage] = []
        if skipped is None:
            skipped = Skipped()
        for outage_data in stored:
            with skipped.part("an outage"):
                check_type(outage_data, StoredOutage)
                outages.append(_outage_from_stored(outage_data))
        self.outages = _bounded(outages)


def _outage_from_stored(outage_data: StoredOutage) -> Outage:
    start = parse_stored_time(outage_data["start"])
    end = parse_stored_time(outage_data["end"]) if outage_data["end"] else None
    # Earlier versions stored no length.
    length = outage_data.get("length", ((end or start) - start).total_seconds())
    if not 0 <= length < _LONGEST:
        raise ValueError("a length has an invalid format")
    seen = outage_data.get("seen", outage_data["end"] or outage_data["start"])
    return Outage(
        region=outage_data["region"],
        start=start,
        end=end,
        status=Status(outage_data["status"]),
        scope=Scope(outage_data["scope"]),
        length=timedelta(seconds=length),
        last_seen=parse_stored_time(seen),
        notified_by=outage_data["told_by"],
        notified_vehicles=set(outage_data["told"]),
        entry_ids=set(outage_data["reporters"]),
        abandoned=outage_data.get("left", False),
    )


def _bounded(outages: list[Outage]) -> list[Outage]:
    """Drop the oldest ended outages beyond the maximum number."""
    over = [outage for outage in outages if outage.end is not None]
    dropped = {id(outage) for outage in over[: max(0, len(outages) - MAX_OUTAGES)]}
    return [outage for outage in outages if id(outage) not in dropped]


# From bad to worst.
_STATUSES = (Status.DEGRADED, Status.SIGN_IN_OUTAGE, Status.OUTAGE)
_SCOPES = (
    Scope.VEHICLE,
    Scope.MODEL,
    Scope.REGION,
    Scope.REGIONS,
    Scope.WORLDWIDE,
)


def _rank(status: Status, scope: Scope) -> tuple[int, int]:
    return _STATUSES.index(status), _SCOPES.index(scope)


def _ended(entry_id: str, notice: NoticeType, outage: Outage) -> OutageEvent:
    return OutageEvent(
        entry_id=entry_id,
        kind=EventType.ENDED,
        notice=notice,
        start=outage.start,
        length=outage.length,
    )


def _is_same(assessment: Assessment, before: Assessment) -> bool:
    return (
        assessment.status,
        assessment.scope,
        assessment.subsystems,
        assessment.models,
        assessment.other_regions,
    ) == (
        before.status,
        before.scope,
        before.subsystems,
        before.models,
        before.other_regions,
    )
