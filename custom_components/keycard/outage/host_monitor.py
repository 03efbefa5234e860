"""The watch over the hosts: when to ask which, and which of them fail."""

from collections import Counter, deque
from dataclasses import dataclass, field, replace
from random import Random
from typing import TypedDict
from weakref import WeakSet

from .endpoints import Endpoint, Endpoints, list_endpoints
from .evidence import Evidence, Reason, RequestType, Subject, Verdict
from .health import PROBES, Health, HealthTracker

GOOD_WITHIN = 3.0
SERIES = (0.0, 4.0, 8.0, 12.0, 15.0, 18.0)
JITTER = 0.1

HOME_INTERVAL = 60.0
INTERVAL = 300.0
ALERT_INTERVAL = 120.0
CONTROL_INTERVAL = 60.0
UNRELATED_RETRY = 5.0

# Contrast: a witness answered well to an ask of about the time of the last failing one,
# and to another, this much earlier, of the same suspicion.
_CONTRAST_BEFORE = 5.0
_CONTRAST_AFTER = 2.0
_CONTRAST_SPAN = 8.0
_GOODS_KEPT = 16

# A witness is not asked twice within so many seconds for two hosts that fail.
_CONTROLS = 2.0
_ROUNDS = 2

# An ask without an answer for so long has been lost.
_LOST = 60.0


class StoredHost(TypedDict):
    """What is kept of a host over a restart."""

    verified: bool
    down: bool


@dataclass(kw_only=True, eq=False)
class _HostState:
    """One target with its history and its next asks."""

    target: Endpoint
    track: HealthTracker
    next_at: float
    series: list[float] = field(default_factory=list)
    pending: list[float] = field(default_factory=list)
    goods: deque[float] = field(default_factory=lambda: deque(maxlen=_GOODS_KEPT))
    asked_at: float = float("-inf")
    bad: int = 0
    unrelated: bool = field(init=False)

    def __post_init__(self) -> None:
        self.unrelated = self.target.kind is RequestType.UNRELATED

    def asks_at(self) -> float:
        return min(self.next_at, self.series[0]) if self.series else self.next_at

    def take(self, now: float) -> None:
        """Take what is due of the series; a late one keeps its distances."""
        if self.series and self.series[0] <= now:
            late = now - self.series[0]
            self.series = [at + late for at in self.series[1:]]
        self.pending.append(now)
        self.asked_at = now

    def answered(self, evidence: Evidence) -> None:
        """Strike off the ask that an answer belongs to: it went out a bit later."""
        before = [at for at in self.pending if at <= evidence.sent_at]
        if evidence.good:
            # It settles what was asked earlier, too.
            self.pending = self.pending[len(before) :]
            self.goods.append(evidence.sent_at)
        elif before:
            self.pending.remove(before[-1])

    def overdue_at(self) -> float:
        """Return when the oldest ask since the last good answer should be answered.

        A host that answers slowly does answer: what was sent before does not count.
        """
        heard = self.track.last_good
        waiting = (at for at in self.pending if heard is None or at > heard)
        return next(waiting, float("inf")) + GOOD_WITHIN

    def drop_lost(self, now: float) -> None:
        while self.pending and now - self.pending[0] > _LOST:
            self.pending.pop(0)


class HostMonitor:
    """Watch the maker's hosts and unrelated ones for every entry of a home.

    A pure state machine: `due` says what to ask now, `observe` takes what came. Times
    are monotonic seconds, randomness is handed in.
    """

    def __init__(self, hosts: Endpoints, *, random: Random, now: float) -> None:
        """Start watching; everything is asked once at the beginning."""
        self.own: Counter[str] = Counter()
        self._alarmists: WeakSet[object] = WeakSet()
        self._random = random
        self._alarmed = False
        self._started: set[Endpoint] = set()
        self._watched = {
            target: _HostState(
                target=target, track=HealthTracker(rule=PROBES), next_at=now
            )
            for target in list_endpoints(hosts)
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

    def track(self, region: str) -> HealthTracker:
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

    @property
    def sign_in_began(self) -> float | None:
        """Return when sign-in began to fail, if that was seen since the start."""
        began = [item.track.began for item in self._sign_in if item.track.down]
        return min((at for at in began if at is not None), default=None)

    def sign_in_healthy_since(self, since: float) -> bool:
        """Tell whether every sign-in host answered well to an ask since then."""
        return all(
            (item.track.last_good_asked or 0.0) > since and not item.track.failing
            for item in self._sign_in
        )

    @property
    def internet_down(self) -> bool:
        """Tell whether every unrelated host that ever answered fails."""
        witnesses = [item for item in self._unrelated if item.track.verified]
        return bool(witnesses) and min(item.bad for item in witnesses) >= _ROUNDS

    def _control_hosts_of(self, suspect: _HostState) -> list[_HostState]:
        """Return who can testify: without unrelated hosts, the other regions."""
        found = [item for item in self._unrelated if item.track.verified]
        return found or [
            item
            for item in self._regions.values()
            if item is not suspect and item.track.verified and not item.track.down
        ]

    # Asking

    def due(self, now: float) -> list[Endpoint]:
        """Say what is to be asked now; every target is taken as asked."""
        self._suspect_overdue(now)
        asked = [item for item in self._watched.values() if item.asks_at() <= now]
        asked += self._control_probes(asked, now)
        for item in asked:
            item.take(now)
            item.next_at = now + self._interval(item)
        return [item.target for item in asked]

    def _control_probes(self, asked: list[_HostState], now: float) -> list[_HostState]:
        """Return who is asked beside the hosts that are suspected, to compare."""
        found: list[_HostState] = []
        for suspect in asked:
            if suspect.unrelated or suspect.track.suspected_at is None:
                continue
            for item in (*self._unrelated, *self._control_hosts_of(suspect)):
                if item not in (*asked, *found) and now - item.asked_at >= _CONTROLS:
                    found.append(item)
        return found

    def next_due(self) -> float:
        """Return when `due` has something to say next."""
        times = [item.asks_at() for item in self._watched.values()]
        times += [
            item.overdue_at()
            for item in self._makers
            if item.pending and not item.track.failing
        ]
        return min(times, default=float("inf"))

    def probe_now(self, now: float) -> None:
        """Ask every host at once, because a call failed."""
        for item in self._watched.values():
            self._probe_soon(item, now)

    def probe_region(self, region: str, now: float) -> None:
        """Ask a region's host at once, to compare it with a call."""
        self._probe_soon(self._regions[region], now)

    def is_settled_since(self, asked_at: float, now: float) -> bool:
        """Tell whether every host was asked since then, and what came is beyond doubt.

        What was just asked is not asked again, so that counts, too.
        """
        return all(
            item.asked_at > asked_at - GOOD_WITHIN
            and not item.pending
            and not item.series
            and (item.unrelated or item.track.is_settled(now))
            for item in self._watched.values()
        )

    def _probe_soon(self, item: _HostState, at: float) -> None:
        if not item.series and not any(at - ask < GOOD_WITHIN for ask in item.pending):
            item.next_at = min(item.next_at, at)

    def _suspect_overdue(self, now: float) -> None:
        for item in self._makers:
            if not item.pending:
                continue
            item.drop_lost(now)
            if item.overdue_at() <= now and item.track.suspect(now):
                self._begin_series(item, now)

    def _begin_series(self, item: _HostState, now: float) -> None:
        item.series = [now + self._jittered(offset) for offset in SERIES]
        for other in self._makers:
            if other is not item:
                self._probe_soon(other, now)

    def _jittered(self, seconds: float) -> float:
        return seconds * (1 + self._random.uniform(-JITTER, JITTER))

    def _interval(self, item: _HostState) -> float:
        if item.unrelated:
            if not item.track.verified:
                return self._jittered(INTERVAL)
            if not self._failing:
                return float("inf")
            return (
                UNRELATED_RETRY if item.bad == 1 else self._jittered(CONTROL_INTERVAL)
            )
        if self.own[item.target.region or ""]:
            pace = HOME_INTERVAL
        else:
            pace = ALERT_INTERVAL if self.outage_active else INTERVAL
        if item.target not in self._started:
            # A random phase: homes that start together do not ask together.
            self._started.add(item.target)
            return self._random.uniform(0, pace)
        return self._jittered(pace)

    @property
    def _failing(self) -> bool:
        return any(item.track.failing for item in self._makers)

    @property
    def outage_active(self) -> bool:
        """Tell whether an outage is on, here or for an entry's account."""
        return bool(self._alarmists) or any(item.track.down for item in self._makers)

    @property
    def _own_doubted(self) -> bool:
        """Tell whether something stands between this home and a region of its own."""
        return any(
            item.track.doubt is not None
            for region, item in self._regions.items()
            if self.own[region]
        )

    def set_outage_active(self, by: object, *, on: bool) -> None:
        """Note whether somebody sees an outage; who is gone sees none."""
        if on:
            self._alarmists.add(by)
        else:
            self._alarmists.discard(by)

    # Observing

    def observe(self, target: Endpoint, evidence: Evidence) -> None:
        """Take in what one ask brought."""
        item = self._watched[target]
        if not item.unrelated and evidence.classification.subject is Subject.ACCOUNT:
            # Refused in the host's own words, so the host is well.
            meaning = replace(
                evidence.classification,
                subject=Subject.AUTH,
                verdict=Verdict.GOOD,
                reason=Reason.OK,
            )
            evidence = replace(evidence, classification=meaning)
        item.answered(evidence)
        if item.unrelated:
            self._observe_control(item, evidence)
        else:
            self._observe_tesla(item, evidence)
        for other in self._makers:
            if (
                other.track.confirmable
                and other.track.verified
                and self._confirmed_by_controls(other)
            ):
                other.track.confirm()
                other.series = []
        self._apply_alert_interval(evidence.at)

    def _observe_tesla(self, item: _HostState, evidence: Evidence) -> None:
        was_doubted = self._own_doubted
        if item.track.observe(evidence):
            self._begin_series(item, evidence.at)
        if not evidence.good:
            if was_doubted and not self._own_doubted:
                # What sign-in failed by so far was the owner's network.
                for other in self._sign_in:
                    if other.track.suspected_at is not None:
                        other.track.restart(evidence.at)
            return
        item.series = []
        if not self._failing:
            for other in self._unrelated:
                other.bad = 0
        elif self.internet_down:
            # Somebody answers again: see whether it is the internet that is back.
            for other in self._unrelated:
                self._probe_soon(other, evidence.at)
        if was_doubted and not self._own_doubted:
            self._restart_suspicions(evidence.at)

    def _observe_control(self, item: _HostState, evidence: Evidence) -> None:
        was_down = self.internet_down
        item.track.observe(evidence)
        if not evidence.good:
            item.bad += 1
            if item.bad == 1 and item.track.verified:
                item.next_at = min(item.next_at, evidence.at + UNRELATED_RETRY)
            return
        item.bad = 0
        if was_down:
            self._restart_suspicions(evidence.at)

    def _restart_suspicions(self, now: float) -> None:
        """Begin all suspicions anew: what failed was the owner's network."""
        for item in self._makers:
            if item.track.suspected_at is not None:
                item.track.restart(now)
                self._begin_series(item, now)

    def _confirmed_by_controls(self, suspect: _HostState) -> bool:
        """Tell whether others answered all along while this host failed."""
        if suspect in self._sign_in and self._own_doubted:
            return False
        first, last = suspect.track.failed_asks
        goods = [
            asked_at
            for witness in self._control_hosts_of(suspect)
            for asked_at in witness.goods
            if first - _CONTRAST_BEFORE <= asked_at <= last + _CONTRAST_AFTER
        ]
        if not goods:
            return False
        latest = max(goods)
        return (
            latest >= last - _CONTRAST_BEFORE and latest - min(goods) >= _CONTRAST_SPAN
        )

    def _apply_alert_interval(self, now: float) -> None:
        if self.outage_active and not self._alarmed:
            for item in self._makers:
                item.next_at = min(item.next_at, now + self._jittered(ALERT_INTERVAL))
        self._alarmed = self.outage_active

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
