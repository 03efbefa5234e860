"""The watch over the hosts: when to ask which, and which of them fail."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import TypedDict

from .evidence import Evidence, Kind
from .hosts import Hosts, Target, targets
from .track import PROBES, Health, Track

GOOD_WITHIN = 3.0
SERIES = (0.0, 4.0, 8.0, 12.0, 15.0, 18.0)
JITTER = 0.1

OWN_PACE = 60.0
PACE = 300.0
ALARM_PACE = 120.0
UNRELATED_PACE = 60.0
UNRELATED_RETRY = 5.0

# The unrelated hosts are asked beside these asks of a series.
_BESIDE = (0, 2, 4, 5)
# How long before the last failing ask an unrelated host may have answered well.
_CONTRAST = 5.0
_ROUNDS = 2


class StoredHost(TypedDict):
    """What is kept of a host over a restart."""

    verified: bool
    down: bool


@dataclass(kw_only=True)
class _Watched:
    """One target with its history and its next asks."""

    target: Target
    track: Track
    next_at: float
    series: list[float] = field(default_factory=list)
    pending: list[float] = field(default_factory=list)
    bad: int = 0

    @property
    def unrelated(self) -> bool:
        return self.target.kind is Kind.UNRELATED

    def asks_at(self) -> float:
        return min(self.next_at, self.series[0]) if self.series else self.next_at


class Watch:
    """Watch the maker's hosts and unrelated ones for every entry of a home.

    A pure state machine: `due` says what to ask now, `observe` takes what came. Times
    are monotonic seconds, randomness is handed in.
    """

    def __init__(self, hosts: Hosts, *, random: Random, now: float) -> None:
        """Start watching; everything is asked once at the beginning."""
        self.own: Counter[str] = Counter()
        self.alarms: set[str] = set()
        self._random = random
        self._alarmed = False
        self._started: set[Target] = set()
        self._watched = {
            target: _Watched(target=target, track=Track(rule=PROBES), next_at=now)
            for target in targets(hosts)
        }
        self._regions = {
            target.region: watched
            for target, watched in self._watched.items()
            if target.region is not None
        }
        self._unrelated = [item for item in self._watched.values() if item.unrelated]
        self._makers = [item for item in self._watched.values() if not item.unrelated]
        self._sign_in = [item for item in self._makers if item.target.region is None]

    @property
    def regions(self) -> tuple[str, ...]:
        """Return the regions that are watched."""
        return tuple(self._regions)

    def track(self, region: str) -> Track:
        """Return the history of a region's host."""
        return self._regions[region].track

    def failing_regions(self) -> tuple[str, ...]:
        """Return the regions whose host is down."""
        return tuple(
            region for region, item in self._regions.items() if item.track.down
        )

    @property
    def sign_in_down(self) -> bool:
        """Tell whether a sign-in host is down."""
        return any(item.track.down for item in self._sign_in)

    def sign_in_healthy_since(self, since: float) -> bool:
        """Tell whether every sign-in host answered well to an ask since then."""
        return all(
            (item.track.last_good_asked or 0.0) > since and not item.track.down
            for item in self._sign_in
        )

    @property
    def internet_down(self) -> bool:
        """Tell whether every unrelated host that ever answered fails."""
        witnesses = self._witnesses()
        return bool(witnesses) and min(item.bad for item in witnesses) >= _ROUNDS

    @property
    def witnessed(self) -> bool:
        """Tell whether an unrelated host can testify."""
        return bool(self._witnesses())

    def _witnesses(self) -> list[_Watched]:
        return [item for item in self._unrelated if item.track.verified]

    # Asking

    def due(self, now: float) -> list[Target]:
        """Say what is to be asked now; every target is taken as asked."""
        self._suspect_overdue(now)
        asked = []
        for item in self._watched.values():
            if item.asks_at() > now:
                continue
            if item.series and item.series[0] <= now:
                item.series = [at for at in item.series if at > now]
            item.pending.append(now)
            item.next_at = now + self._pace(item)
            asked.append(item.target)
        return asked

    def next_due(self) -> float:
        """Return when `due` has something to say next."""
        return min(self._next_times(), default=float("inf"))

    def _next_times(self) -> Iterator[float]:
        for item in self._watched.values():
            yield item.asks_at()
            if (
                item.pending
                and not item.unrelated
                and not item.track.down
                and item.track.suspected_at is None
            ):
                yield item.pending[0] + GOOD_WITHIN

    def ask_now(self, now: float) -> None:
        """Ask every host at once, because a call failed."""
        for item in self._watched.values():
            self._ask_beside(item, now)

    def _ask_beside(self, item: _Watched, at: float) -> None:
        if not item.series and not any(at - ask < GOOD_WITHIN for ask in item.pending):
            item.next_at = min(item.next_at, at)

    def _suspect_overdue(self, now: float) -> None:
        for item in self._makers:
            if (
                item.pending
                and now - item.pending[0] >= GOOD_WITHIN
                and item.track.suspect(now)
            ):
                self._begin_series(item, now)

    def _begin_series(self, item: _Watched, now: float) -> None:
        if not any(other.track.failing for other in self._makers if other is not item):
            for other in self._unrelated:
                other.bad = 0
        item.series = [now + self._jittered(offset) for offset in SERIES]
        for other in self._unrelated:
            other.series = sorted({*other.series, *(item.series[n] for n in _BESIDE)})
        for other in self._makers:
            if other is not item:
                self._ask_beside(other, now)

    def _jittered(self, seconds: float) -> float:
        return seconds * (1 + self._random.uniform(-JITTER, JITTER))

    def _pace(self, item: _Watched) -> float:
        if item.unrelated:
            if not item.track.verified:
                return self._jittered(PACE)
            if not any(other.track.failing for other in self._makers):
                return float("inf")
            return UNRELATED_RETRY if item.bad == 1 else self._jittered(UNRELATED_PACE)
        if self.own[item.target.region or ""]:
            pace = OWN_PACE
        else:
            pace = ALARM_PACE if self.alarm else PACE
        if item.target not in self._started:
            # A random phase: homes that start together do not ask together.
            self._started.add(item.target)
            return self._random.uniform(0, pace)
        return self._jittered(pace)

    @property
    def alarm(self) -> bool:
        """Tell whether an outage is on, here or for an entry's account."""
        return bool(self.alarms) or any(item.track.down for item in self._makers)

    # Observing

    def observe(self, target: Target, evidence: Evidence) -> None:
        """Take in what one ask brought."""
        item = self._watched[target]
        # A request leaves a moment after it fell due.
        if begun := [at for at in item.pending if at <= evidence.asked_at]:
            item.pending.remove(max(begun))
        if item.unrelated:
            self._observe_unrelated(item, evidence)
        else:
            self._observe_maker(item, evidence)
        for other in self._makers:
            if other.track.ripe and other.track.verified and self._contrasts(other):
                other.track.confirm()
        self._follow_alarm(evidence.at)

    def _observe_maker(self, item: _Watched, evidence: Evidence) -> None:
        track = item.track
        was_suspected = track.suspected_at is not None
        track.observe(evidence)
        if evidence.good:
            item.series = []
            if not any(other.track.failing for other in self._makers):
                for other in self._unrelated:
                    other.series = []
        elif track.suspected_at is not None and not was_suspected:
            self._begin_series(item, evidence.at)

    def _observe_unrelated(self, item: _Watched, evidence: Evidence) -> None:
        was_down = self.internet_down
        item.track.observe(evidence)
        if not evidence.good:
            item.bad += 1
            if item.bad == 1 and item.track.verified:
                item.next_at = min(item.next_at, evidence.at + UNRELATED_RETRY)
            return
        item.bad = 0
        if not was_down:
            return
        # What failed while the owner's internet was down says nothing of the maker.
        for other in self._makers:
            if other.track.suspected_at is not None:
                other.track.restart(evidence.at)
                self._begin_series(other, evidence.at)

    def _contrasts(self, item: _Watched) -> bool:
        since = item.track.last_failed_ask - _CONTRAST
        witnesses = self._witnesses()
        if not witnesses:
            began = item.track.began or 0.0
            return any(
                not other.track.down and (other.track.last_good_asked or 0.0) >= began
                for other in self._regions.values()
                if other is not item
            )
        return any((other.track.last_good_asked or 0.0) >= since for other in witnesses)

    def _follow_alarm(self, now: float) -> None:
        if self.alarm and not self._alarmed:
            for item in self._makers:
                item.next_at = min(item.next_at, now + self._jittered(ALARM_PACE))
        self._alarmed = self.alarm

    def health(self, region: str, now: float) -> Health:
        """Tell what holds of a region's host."""
        return self._regions[region].track.health(now)

    # Keeping

    def dump(self) -> dict[str, StoredHost]:
        """Return what is to be kept over a restart, by URL."""
        return {
            target.url: StoredHost(verified=item.track.verified, down=item.track.down)
            for target, item in self._watched.items()
        }

    def restore(self, stored: dict[str, StoredHost]) -> None:
        """Take up what was kept; hosts that are no longer asked are forgotten."""
        for target, item in self._watched.items():
            if (kept := stored.get(target.url)) is not None:
                item.track.verified = kept["verified"]
                item.track.down = kept["down"] and not item.unrelated
