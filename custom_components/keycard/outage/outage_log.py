"""The outages that were, and the notices that were sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NotRequired, TypedDict

from .models import FROZEN, OUTAGES, Judgement, Scope, Status
from .stored_values import LONGEST_GAP, Skipped, check_form, read_time
from .uptime import Uptime

# How many outages are kept; the newest, and whatever is still on.
KEPT = 200
_LONGEST = 10 * 365 * 86400.0  # seconds


class Kind(StrEnum):
    """What happened to an outage."""

    STARTED = "started"
    CHANGED = "changed"
    ENDED = "ended"
    WARNING = "warning"


class Notice(StrEnum):
    """What the owner is told by it."""

    TAKE = "take"
    ALL_CLEAR = "all_clear"
    NONE = "none"


class StoredOutage(TypedDict):
    """One outage as it is kept: times as ISO 8601 in UTC, `length` in seconds."""

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
class Happening:
    """Something that the entry of `reporter` is to report."""

    reporter: str
    kind: Kind
    notice: Notice
    start: datetime | None = None
    length: timedelta | None = None
    """How long the outage lasted, once it is over."""


@dataclass(kw_only=True)
class Outage:
    """One outage of a region: from `start` to `end` (UTC), as bad as it got.

    `length` is how long it has lasted when it was last reported; an end is always the
    start and that. `seen` (UTC) is when that was.
    """

    region: str
    start: datetime
    status: Status
    scope: Scope
    length: timedelta
    seen: datetime
    end: datetime | None = None
    told_by: str | None = None
    told: set[str] = field(default_factory=set)
    reporters: set[str] = field(default_factory=set)
    left: bool = False
    """Whether it ended only because whoever watched it was disabled or removed."""

    _at: float | None = field(default=None, compare=False)

    def go_on(self, wall: datetime, now: float) -> None:
        """Let it last until now.

        The wall clock is believed only for the time in which nothing ran: it may be
        set meanwhile, and then neither it nor the start says how long it was. Nor does
        a time that is too long to have been spent in it.
        """
        if self.old(wall):
            return
        if self._at is None:
            spent = (wall - self.seen).total_seconds()
        else:
            spent = now - self._at
        self.length += timedelta(seconds=max(0.0, spent))
        self.seen, self._at = wall, now

    def old(self, wall: datetime) -> bool:
        """Tell whether it was last watched so long ago that it says nothing of now."""
        return self._at is None and wall - self.seen > LONGEST_GAP


class Journal:
    """Keep the outages of a home and the ledger of its notices.

    Entries report their judgements; what is new comes back as happenings. Each outage
    is told once for each car and cleared once, whichever entry sees it first.
    """

    def __init__(self) -> None:
        """Start with an empty journal."""
        self.outages: list[Outage] = []
        self.uptime = Uptime()
        self._seen: dict[str, Judgement] = {}

    def open_outage(self, region: str) -> Outage | None:
        """Return the outage of a region that is on."""
        return next(
            (
                outage
                for outage in reversed(self.outages)
                if outage.region == region and outage.end is None
            ),
            None,
        )

    def last_outage(self, region: str) -> Outage | None:
        """Return the outage of a region that was over last."""
        over = [
            outage
            for outage in self.outages
            if outage.region == region and outage.end is not None
        ]
        return over[-1] if over else None

    def resume(self, reporter: str, judgement: Judgement) -> None:
        """Take up an entry's judgement of before a restart: it is no news."""
        self._seen[reporter] = judgement

    def rename(self, names: Mapping[str, str]) -> None:
        """Know cars under their new ids: what was told of them was told."""
        for outage in self.outages:
            outage.told = {names.get(car, car) for car in outage.told}

    def report(
        self,
        reporter: str,
        region: str,
        judgement: Judgement,
        *,
        wanted: frozenset[str],
        wall: datetime,
        now: float,
    ) -> list[Happening]:
        """Take in an entry's judgement and return what is to be reported.

        `wanted` names the region's cars whose key is no longer the usual one; `wall`
        (UTC) and `now` (monotonic seconds) are the present.
        """
        self.uptime.report(reporter, region, judgement, wall=wall, now=now)
        if (outage := self.open_outage(region)) is not None:
            outage.go_on(wall, now)
        if judgement.status in FROZEN:
            return []
        before = self._seen.get(reporter, Judgement())
        self._seen[reporter] = judgement
        if judgement.status in OUTAGES:
            return self._report_on(
                reporter, region, judgement, before, wanted=wanted, wall=wall, now=now
            )
        happenings = self._report_over(reporter, region)
        if judgement.warning and set(judgement.elsewhere) - set(before.elsewhere):
            happenings.append(
                Happening(reporter=reporter, kind=Kind.WARNING, notice=Notice.NONE)
            )
        return happenings

    def _report_on(
        self,
        reporter: str,
        region: str,
        judgement: Judgement,
        before: Judgement,
        *,
        wanted: frozenset[str],
        wall: datetime,
        now: float,
    ) -> list[Happening]:
        outage = self.open_outage(region)
        if outage is not None and outage.old(wall):
            outage.end, outage = outage.start + outage.length, None
        if outage is None and (outage := self._left(region, judgement)) is not None:
            outage.end, outage.left = None, False
            outage.go_on(wall, now)
        if outage is None:
            start = judgement.since or wall
            outage = Outage(
                region=region,
                start=start,
                status=judgement.status,
                scope=judgement.scope,
                length=timedelta(),
                seen=start,
            )
            outage.go_on(wall, now)
            self.outages = _bounded([*self.outages, outage])
        # Who told of it and waits for the others is in it still.
        new = reporter not in outage.reporters | {outage.told_by}
        outage.reporters.add(reporter)
        if _rank(judgement.status, judgement.scope) > _rank(
            outage.status, outage.scope
        ):
            outage.status, outage.scope = judgement.status, judgement.scope
        notice = Notice.NONE
        if not wanted <= outage.told:
            outage.told_by = outage.told_by or reporter
            outage.told |= wanted
            notice = Notice.TAKE
        if not new and notice is Notice.NONE and _same(judgement, before):
            return []
        return [
            Happening(
                reporter=reporter,
                kind=Kind.STARTED if new else Kind.CHANGED,
                notice=notice,
                start=outage.start,
            )
        ]

    def _left(self, region: str, judgement: Judgement) -> Outage | None:
        """Return the outage that is judged, if it was left while it was on."""
        last, since = self.last_outage(region), judgement.since
        if last is None or not last.left or last.end is None or since is None:
            return None
        return last if since <= last.end else None

    def _report_over(self, reporter: str, region: str) -> list[Happening]:
        outage = self.open_outage(region)
        if outage is None or reporter not in outage.reporters:
            return []
        outage.reporters.discard(reporter)
        if outage.reporters:
            if outage.told_by == reporter:
                # Its all-clear follows when the last entry is out of it.
                return []
            return [_ended(reporter, Notice.NONE, outage)]
        outage.end = outage.start + outage.length
        if outage.told_by is None:
            return [_ended(reporter, Notice.NONE, outage)]
        happenings = [_ended(outage.told_by, Notice.ALL_CLEAR, outage)]
        if outage.told_by != reporter:
            happenings.append(_ended(reporter, Notice.NONE, outage))
        return happenings

    def forget(self, reporter: str, *, wall: datetime, now: float) -> list[Happening]:
        """Let go of an entry that was removed."""
        self._seen.pop(reporter, None)
        self.uptime.forget(reporter)
        happenings = []
        for outage in self.outages:
            if outage.end is not None:
                continue
            outage.go_on(wall, now)
            others = sorted(outage.reporters - {reporter})
            if outage.told_by == reporter and others:
                outage.told_by = others[0]
            happenings += self._report_over(reporter, outage.region)
            outage.left = outage.end is not None
        return [item for item in happenings if item.reporter != reporter]

    def dump(self) -> list[StoredOutage]:
        """Return what is to be kept over a restart."""
        return [
            StoredOutage(
                region=outage.region,
                start=outage.start.isoformat(),
                end=outage.end.isoformat() if outage.end else None,
                length=outage.length.total_seconds(),
                seen=outage.seen.isoformat(),
                status=outage.status,
                scope=outage.scope,
                told_by=outage.told_by,
                told=sorted(outage.told),
                reporters=sorted(outage.reporters),
                left=outage.left,
            )
            for outage in self.outages
        ]

    def restore(
        self, stored: list[StoredOutage], skipped: Skipped | None = None
    ) -> None:
        """Take up what was kept, but for outages that cannot be read."""
        outages: list[Outage] = []
        if skipped is None:
            skipped = Skipped()
        for kept in stored:
            with skipped.part("an outage"):
                check_form(kept, StoredOutage)
                outages.append(_restored(kept))
        self.outages = _bounded(outages)


def _restored(kept: StoredOutage) -> Outage:
    start = read_time(kept["start"])
    end = read_time(kept["end"]) if kept["end"] else None
    # What was kept before there were lengths has a start and perhaps an end.
    length = kept.get("length", ((end or start) - start).total_seconds())
    if not 0 <= length < _LONGEST:
        raise ValueError("a length is of another form")
    seen = kept.get("seen", kept["end"] or kept["start"])
    return Outage(
        region=kept["region"],
        start=start,
        end=end,
        status=Status(kept["status"]),
        scope=Scope(kept["scope"]),
        length=timedelta(seconds=length),
        seen=read_time(seen),
        told_by=kept["told_by"],
        told=set(kept["told"]),
        reporters=set(kept["reporters"]),
        left=kept.get("left", False),
    )


def _bounded(outages: list[Outage]) -> list[Outage]:
    """Drop the oldest that are over; whoever is in one still needs it."""
    over = [outage for outage in outages if outage.end is not None]
    dropped = {id(outage) for outage in over[: max(0, len(outages) - KEPT)]}
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


def _ended(reporter: str, notice: Notice, outage: Outage) -> Happening:
    return Happening(
        reporter=reporter,
        kind=Kind.ENDED,
        notice=notice,
        start=outage.start,
        length=outage.length,
    )


def _same(judgement: Judgement, before: Judgement) -> bool:
    return (
        judgement.status,
        judgement.scope,
        judgement.planes,
        judgement.models,
        judgement.elsewhere,
    ) == (
        before.status,
        before.scope,
        before.planes,
        before.models,
        before.elsewhere,
    )
