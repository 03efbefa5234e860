"""Schedule of host probes, and health of the hosts."""

from collections import Counter, deque
from dataclasses import dataclass, field, replace
from random import Random
from typing import TypedDict
from weakref import WeakSet

from .confirmation import PROBES, Health, HealthTracker
from .endpoints import Endpoint, Endpoints, list_endpoints
from .evidence import Evidence, Reason, RequestType, Subject, Verdict

GOOD_WITHIN = 3.0
SERIES = (0.0, 4.0, 8.0, 12.0, 15.0, 18.0)
JITTER = 0.1

HOME_INTERVAL = 60.0
INTERVAL = 300.0
ALERT_INTERVAL = 120.0
CONTROL_INTERVAL = 60.0
UNRELATED_RETRY = 5.0

# Seconds from a call for a vehicle to its region's next probe, so that one or the other
# tests the region every half minute, and the mean interval of such calls. Their jitter
# adds as much to the spread as that of the probes.
CALL_OFFSET = 30.0
CALL_OFFSET_SPREAD = 1.5
CALL_INTERVAL = 61.5

# Contrast: a control host had a good answer to a request at about the time of the last
# failed one, and to another one this much earlier during the same suspicion.
_CONTRAST_BEFORE = 5.0
_CONTRAST_AFTER = 2.0
_CONTRAST_SPAN = 8.0
_MAX_GOOD = 16

# Seconds between two control probes of a host for several failing hosts.
_CONTROL_GAP = 2.0
_CONTROL_FAILURES = 2

# A request without a result for so many seconds is lost.
_LOST_AFTER = 60.0


def home_interval(called_at: float, monotonic: float, random: Random) -> float:
    """Return the seconds to the next probe, half a minute after the next call.

    The last call was at `called_at`. The interval stays within its jitter, so it may
    take some probes until they lie between the calls.
    """
    spread = random.uniform(-CALL_OFFSET_SPREAD, CALL_OFFSET_SPREAD)
    wanted = called_at + CALL_INTERVAL + CALL_OFFSET + spread - monotonic
    return min(max(wanted, HOME_INTERVAL * (1 - JITTER)), HOME_INTERVAL * (1 + JITTER))


class StoredHost(TypedDict):
    """Stored data of a host."""

    verified: bool
    down: bool


@dataclass(kw_only=True, eq=False)
class _HostState:
    """Endpoint with its health and its next probes."""

    endpoint: Endpoint
    tracker: HealthTracker
    next_at: float
    series: list[float] = field(default_factory=list)
    pending: list[float] = field(default_factory=list)
    good_sent: deque[float] = field(default_factory=lambda: deque(maxlen=_MAX_GOOD))
    sent_at: float = float("-inf")
    called_at: float = float("-inf")
    failures: int = 0
    unrelated: bool = field(init=False)

    def __post_init__(self) -> None:
        self.unrelated = self.endpoint.kind is RequestType.UNRELATED

    def due_at(self) -> float:
        return min(self.next_at, self.series[0]) if self.series else self.next_at

    def mark_sent(self, monotonic: float) -> None:
        """Record a probe; a late one shifts the rest of its series."""
        if self.series and self.series[0] <= monotonic:
            late = monotonic - self.series[0]
            self.series = [at + late for at in self.series[1:]]
        self.pending.append(monotonic)
        self.sent_at = monotonic

    def settle(self, evidence: Evidence) -> None:
        """Remove the pending probe of an answer, which was sent slightly later."""
        before = [at for at in self.pending if at <= evidence.sent_at]
        if evidence.good:
            # It also settles earlier probes.
            self.pending = self.pending[len(before) :]
            self.good_sent.append(evidence.sent_at)
        elif before:
            self.pending.remove(before[-1])

    def overdue_at(self) -> float:
        """Return when the oldest probe since the last good answer is overdue.

        A slow answer is a good answer, so probes sent before it do not count.
        """
        last_good = self.tracker.last_good
        waiting = (at for at in self.pending if last_good is None or at > last_good)
        return next(waiting, float("inf")) + GOOD_WITHIN

    def drop_lost(self, monotonic: float) -> None:
        while self.pending and monotonic - self.pending[0] > _LOST_AFTER:
            self.pending.pop(0)


class HostMonitor:
    """Monitor Tesla's and unrelated hosts for all entries.

    A pure state machine: `due` returns what to probe, `observe_probe` takes results.
    Times are monotonic seconds.
    """

    def __init__(self, hosts: Endpoints, *, random: Random, monotonic: float) -> None:
        """Initialize with all hosts due."""
        self.home_regions: Counter[str] = Counter()
        self._outage_reporters: WeakSet[object] = WeakSet()
        self._random = random
        self._alert = False
        self._started: set[Endpoint] = set()
        self._hosts = {
            target: _HostState(
                endpoint=target, tracker=HealthTracker(rule=PROBES), next_at=monotonic
            )
            for target in list_endpoints(hosts)
        }
        self._regions = {
            target.region: watched
            for target, watched in self._hosts.items()
            if target.region is not None
        }
        self._control_hosts = [item for item in self._hosts.values() if item.unrelated]
        self._tesla_hosts = [
            item for item in self._hosts.values() if not item.unrelated
        ]
        self._sign_in = [
            item for item in self._tesla_hosts if item.endpoint.region is None
        ]

    @property
    def regions(self) -> tuple[str, ...]:
        """Return the probed regions."""
        return tuple(self._regions)

    def tracker(self, region: str) -> HealthTracker:
        """Return the health tracker of a region's host."""
        return self._regions[region].tracker

    def failing_regions(self) -> tuple[str, ...]:
        """Return the regions whose host is down."""
        return tuple(
            region for region, item in self._regions.items() if item.tracker.down
        )

    @property
    def sign_in_down(self) -> bool:
        """Return whether a sign-in host is down."""
        return any(item.tracker.down for item in self._sign_in)

    @property
    def sign_in_failing_since(self) -> float | None:
        """Return when sign-in started to fail, None if unknown."""
        began = [item.tracker.started_at for item in self._sign_in if item.tracker.down]
        return min((at for at in began if at is not None), default=None)

    def sign_in_healthy_since(self, since: float) -> bool:
        """Return whether every sign-in host answered a later probe well."""
        return all(
            (item.tracker.last_good_sent or 0.0) > since and not item.tracker.failing
            for item in self._sign_in
        )

    @property
    def internet_down(self) -> bool:
        """Return whether all unrelated hosts that have ever answered fail."""
        failures = [
            item.failures for item in self._control_hosts if item.tracker.verified
        ]
        return bool(failures) and min(failures) >= _CONTROL_FAILURES

    def _control_hosts_of(self, suspect: _HostState) -> list[_HostState]:
        """Return the control hosts; without unrelated ones, those of other regions."""
        found = [item for item in self._control_hosts if item.tracker.verified]
        return found or [
            item
            for item in self._regions.values()
            if item is not suspect and item.tracker.verified and not item.tracker.down
        ]

    # Probes

    def due(self, monotonic: float) -> list[Endpoint]:
        """Return the endpoints to probe now, and mark them as sent."""
        self._suspect_overdue(monotonic)
        due_hosts = [
            item for item in self._hosts.values() if item.due_at() <= monotonic
        ]
        due_hosts += self._control_probes(due_hosts, monotonic)
        for item in due_hosts:
            item.mark_sent(monotonic)
            item.next_at = monotonic + self._interval(item, monotonic)
        return [item.endpoint for item in due_hosts]

    def _control_probes(
        self, due_hosts: list[_HostState], monotonic: float
    ) -> list[_HostState]:
        """Return the control hosts to probe together with suspected hosts."""
        found: list[_HostState] = []
        for suspect in due_hosts:
            if suspect.unrelated or suspect.tracker.suspected_at is None:
                continue
            for item in (*self._control_hosts, *self._control_hosts_of(suspect)):
                if (
                    item not in (*due_hosts, *found)
                    and monotonic - item.sent_at >= _CONTROL_GAP
                ):
                    found.append(item)
        return found

    def next_due(self) -> float:
        """Return when `due` next returns something."""
        soonest = float("inf")
        for item in self._hosts.values():
            soonest = min(soonest, item.due_at())
            if item.pending and not item.unrelated and not item.tracker.failing:
                soonest = min(soonest, item.overdue_at())
        return soonest

    def probe_now(self, monotonic: float) -> None:
        """Probe every host now, because a call failed."""
        for item in self._hosts.values():
            self._probe_soon(item, monotonic)

    def probe_region(self, region: str, monotonic: float) -> None:
        """Probe a region's host now, to compare it with a call."""
        self._probe_soon(self._regions[region], monotonic)

    def record_call(self, region: str, sent_at: float) -> None:
        """Record a call for a vehicle of a region, which its probes are set between."""
        item = self._regions[region]
        item.called_at = max(item.called_at, sent_at)

    def is_settled_since(self, since: float, monotonic: float) -> bool:
        """Return whether every host was probed since then, and its health is settled.

        A probe just before also counts, as it is not repeated.
        """
        return all(
            item.sent_at > since - GOOD_WITHIN
            and not item.pending
            and not item.series
            and (item.unrelated or item.tracker.is_settled(monotonic))
            for item in self._hosts.values()
        )

    def _probe_soon(self, item: _HostState, at: float) -> None:
        if not item.series and not any(
            at - sent_at < GOOD_WITHIN for sent_at in item.pending
        ):
            item.next_at = min(item.next_at, at)

    def _suspect_overdue(self, monotonic: float) -> None:
        for item in self._tesla_hosts:
            if not item.pending:
                continue
            item.drop_lost(monotonic)
            if item.overdue_at() <= monotonic and item.tracker.suspect(monotonic):
                self._begin_series(item, monotonic)

    def _begin_series(self, item: _HostState, monotonic: float) -> None:
        item.series = [monotonic + self._jittered(offset) for offset in SERIES]
        for other in self._tesla_hosts:
            if other is not item:
                self._probe_soon(other, monotonic)

    def _jittered(self, seconds: float) -> float:
        return seconds * (1 + self._random.uniform(-JITTER, JITTER))

    def _interval(self, item: _HostState, monotonic: float) -> float:
        if item.unrelated:
            if not item.tracker.verified:
                return self._jittered(INTERVAL)
            if not self._failing:
                return float("inf")
            return (
                UNRELATED_RETRY
                if item.failures == 1
                else self._jittered(CONTROL_INTERVAL)
            )
        if self.home_regions[item.endpoint.region or ""]:
            pace = HOME_INTERVAL
        else:
            pace = ALERT_INTERVAL if self.outage_active else INTERVAL
        if item.endpoint not in self._started:
            # Homes that start together must not probe together.
            self._started.add(item.endpoint)
            return self._random.uniform(0, pace)
        if pace == HOME_INTERVAL and monotonic - item.called_at < CALL_INTERVAL:
            return home_interval(item.called_at, monotonic, self._random)
        return self._jittered(pace)

    @property
    def _failing(self) -> bool:
        return any(item.tracker.failing for item in self._tesla_hosts)

    @property
    def outage_active(self) -> bool:
        """Return whether a host is down or an entry sees an outage."""
        return bool(self._outage_reporters) or any(
            item.tracker.down for item in self._tesla_hosts
        )

    @property
    def _home_doubted(self) -> bool:
        """Return whether a network problem hides a home region."""
        return any(
            item.tracker.inconclusive_reason is not None
            for region, item in self._regions.items()
            if self.home_regions[region]
        )

    def set_outage_active(self, by: object, *, on: bool) -> None:
        """Set whether a detector sees an outage."""
        if on:
            self._outage_reporters.add(by)
        else:
            self._outage_reporters.discard(by)

    # Results

    def observe_probe(self, target: Endpoint, evidence: Evidence) -> None:
        """Update from the result of one probe."""
        item = self._hosts[target]
        if not item.unrelated and evidence.classification.subject is Subject.ACCOUNT:
            # The host itself refused, so it works.
            meaning = replace(
                evidence.classification,
                subject=Subject.AUTH,
                verdict=Verdict.GOOD,
                reason=Reason.OK,
            )
            evidence = replace(evidence, classification=meaning)
        item.settle(evidence)
        if item.unrelated:
            self._observe_control(item, evidence)
        else:
            self._observe_tesla(item, evidence)
        for other in self._tesla_hosts:
            if (
                other.tracker.confirmable
                and other.tracker.verified
                and self._confirmed_by_controls(other)
            ):
                other.tracker.confirm()
                other.series = []
        self._apply_alert_interval(evidence.at)

    def _observe_tesla(self, item: _HostState, evidence: Evidence) -> None:
        was_doubted = self._home_doubted
        if item.tracker.add_evidence(evidence):
            self._begin_series(item, evidence.at)
        if not evidence.good:
            if was_doubted and not self._home_doubted:
                # Earlier failures of sign-in were caused by the user's network.
                for other in self._sign_in:
                    if other.tracker.suspected_at is not None:
                        other.tracker.restart(evidence.at)
            return
        item.series = []
        if not self._failing:
            for other in self._control_hosts:
                other.failures = 0
        elif self.internet_down:
            # A host answers again, so check the internet connection.
            for other in self._control_hosts:
                self._probe_soon(other, evidence.at)
        if was_doubted and not self._home_doubted:
            self._restart_suspicions(evidence.at)

    def _observe_control(self, item: _HostState, evidence: Evidence) -> None:
        was_down = self.internet_down
        item.tracker.add_evidence(evidence)
        if not evidence.good:
            item.failures += 1
            if item.failures == 1 and item.tracker.verified:
                item.next_at = min(item.next_at, evidence.at + UNRELATED_RETRY)
            return
        item.failures = 0
        if was_down:
            self._restart_suspicions(evidence.at)

    def _restart_suspicions(self, monotonic: float) -> None:
        """Restart all suspicions after a problem of the user's network."""
        for item in self._tesla_hosts:
            if item.tracker.suspected_at is not None:
                item.tracker.restart(monotonic)
                self._begin_series(item, monotonic)

    def _confirmed_by_controls(self, suspect: _HostState) -> bool:
        """Return whether control hosts answered while this host failed."""
        if suspect in self._sign_in and self._home_doubted:
            return False
        first, last = suspect.tracker.failed_between
        good_sent = [
            sent_at
            for witness in self._control_hosts_of(suspect)
            for sent_at in witness.good_sent
            if first - _CONTRAST_BEFORE <= sent_at <= last + _CONTRAST_AFTER
        ]
        if not good_sent:
            return False
        latest = max(good_sent)
        return (
            latest >= last - _CONTRAST_BEFORE
            and latest - min(good_sent) >= _CONTRAST_SPAN
        )

    def _apply_alert_interval(self, monotonic: float) -> None:
        if self.outage_active and not self._alert:
            for item in self._tesla_hosts:
                item.next_at = min(
                    item.next_at, monotonic + self._jittered(ALERT_INTERVAL)
                )
        self._alert = self.outage_active

    def health(self, region: str, monotonic: float) -> Health:
        """Return the health of a region's host."""
        return self._regions[region].tracker.health(monotonic)

    # Storage

    def dump_hosts(self) -> dict[str, StoredHost]:
        """Return the data to store, by URL."""
        return {
            target.url: StoredHost(
                verified=item.tracker.verified, down=item.tracker.down
            )
            for target, item in self._hosts.items()
        }

    def restore_hosts(self, stored: dict[str, StoredHost]) -> None:
        """Restore stored data of the hosts that are still probed."""
        for target, item in self._hosts.items():
            if (host_data := stored.get(target.url)) is not None:
                item.tracker.verified = host_data["verified"]
                item.tracker.down = host_data["down"] and not item.unrelated
