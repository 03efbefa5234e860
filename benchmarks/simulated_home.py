"""A simulated home: real host monitor and detectors on a simulated clock."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop, heappush
from random import Random

from custom_components.keycard.outage.account import Category
from custom_components.keycard.outage.detector import OutageDetector, StoredDetector
from custom_components.keycard.outage.endpoints import (
    Endpoint,
    Endpoints,
    default_hosts,
)
from custom_components.keycard.outage.evidence import RequestType
from custom_components.keycard.outage.external_data import StaleDataDetector
from custom_components.keycard.outage.host_monitor import (
    GOOD_WITHIN,
    HostMonitor,
    StoredHost,
)
from custom_components.keycard.outage.models import OUTAGES, Assessment, Subsystem
from custom_components.keycard.outage.outage_log import (
    OutageEvent,
    OutageLog,
    StoredOutage,
)

from .simulated_network import OK, TIMEOUT, Noise, Request, World, evidence_of

# Intervals of calls in seconds, as in the integration.
PRODUCTS_INTERVAL = 600.0
SUMMARY_INTERVAL = 60.0
DATA_INTERVAL = 600.0
POLL_JITTER = 0.05

# Delay of a request after it is due.
SEND_DELAY = 0.01

type Poll = tuple[RequestType, str | None]
"""A regular request and its vehicle, None for the account."""

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_FOREVER = float("inf")


@dataclass(kw_only=True)
class Vehicle:
    """A vehicle with its model and connectivity."""

    name: str
    model: str = "model3"
    online: bool = True


@dataclass(kw_only=True)
class Entry:
    """An entry of the home: region, detector, and possibly an account."""

    name: str
    detector: OutageDetector
    region: str
    vehicles: dict[str, Vehicle]
    account: bool
    third_party: bool
    at_home: bool = False
    next_polls: dict[Poll, float] = field(default_factory=dict)
    running: set[Poll] = field(default_factory=set)
    started: set[Poll] = field(default_factory=set)
    calls: int = 0
    data_calls: int = 0

    def next_call(self) -> float:
        """Return the time of the next call."""
        if not self.account:
            return _FOREVER
        soonest = max(self.detector.next_call(), self.detector.account.paused_until)
        for key, at in self.next_polls.items():
            if at < soonest and key not in self.running and self.wanted(key):
                soonest = min(soonest, max(at, self.paused(key)))
        return soonest

    def paused(self, key: Poll) -> float:
        """Return the end of a poll's pause."""
        kind, vehicle = key
        category = Category.DATA if kind is RequestType.DATA else Category.CALLS
        return self.detector.account.pause(category, vehicle)[0]

    def leave(self, vehicle: str) -> None:
        """Remove a vehicle from the account."""
        del self.vehicles[vehicle]
        self.detector.forget(vehicle)
        for kind in (RequestType.CALL, RequestType.DATA):
            self.next_polls.pop((kind, vehicle), None)

    def wanted(self, key: Poll) -> bool:
        """Return whether a poll is due: data only for an online vehicle."""
        kind, vehicle = key
        return (
            kind is not RequestType.DATA
            or vehicle is None
            or self.vehicles[vehicle].online
        )


@dataclass(kw_only=True, slots=True)
class PendingRequest:
    """A request in progress."""

    sent_at: float
    request: Request
    condition: str = OK
    ends_at: float = 0.0
    target: Endpoint | None = None
    entry: Entry | None = None
    poll: Poll | None = None
    late: bool = False


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Stored data of a home."""

    hosts: dict[str, StoredHost]
    detectors: dict[str, StoredDetector]
    outages: list[StoredOutage]


@dataclass(frozen=True, kw_only=True)
class AssessmentChange:
    """A changed assessment and its time."""

    at: float
    entry: str
    assessment: Assessment


class Home:
    """Run host monitor, detectors and outage log of a home against a world.

    Times are seconds since the home began; the monotonic clock of the detectors starts
    at a random value. `noise` may replace the condition of each request.
    """

    def __init__(
        self,
        world: World,
        *,
        hosts: Endpoints | None = None,
        region: str = "na",
        began: float = 0.0,
        noise: Noise | None = None,
        jump: Callable[[Home, float], int] | None = None,
    ) -> None:
        """Initialize without entries.

        `jump` skips time in which nothing can happen.
        """
        self.world = world
        self.random = world.random
        self.monotonic = began
        self.clock_offset = timedelta()
        self.outage_log = OutageLog()
        self.entries: list[Entry] = []
        self.changes: list[AssessmentChange] = []
        self.outage_events: list[tuple[float, OutageEvent]] = []
        self.sent_requests: list[tuple[float, str]] | None = None
        self.requests = 0
        self.jumped = 0
        self.bad_at = began
        self.noise = noise
        self.flights: list[tuple[float, int, PendingRequest]] = []
        self.slow: list[tuple[float, int, PendingRequest]] = []
        self.order = 0
        self._jump = jump
        self._may_jump = False
        self._hosts = hosts or default_hosts(region)
        self._requests: dict[object, Request] = {}
        self._script: list[tuple[float, int, Callable[[], None]]] = []
        self.host_monitor = self._new_host_monitor()

    def without_unrelated(self) -> None:
        """Switch the unrelated hosts off, before anything is added."""
        self._hosts = replace(self._hosts, unrelated=())
        self.host_monitor = self._new_host_monitor()

    def add(
        self,
        name: str = "home",
        *,
        region: str = "na",
        vehicles: tuple[Vehicle, ...] = (),
        account: bool | None = None,
        third_party: bool = False,
        issues_tokens: bool = False,
        at_home: bool = False,
    ) -> Entry:
        """Add an entry; one with vehicles has an account unless told otherwise.

        A third party (`third_party`) `issues_tokens` of its own, or forwards Tesla's.
        It is reached without the internet if it is a proxy `at_home`.
        """
        entry = Entry(
            name=name,
            detector=OutageDetector(
                self.host_monitor,
                region=region,
                third_party=third_party,
                issues_tokens=issues_tokens,
                monotonic=self.monotonic,
                vehicle_ids=(
                    by_name := {vehicle.name: vehicle for vehicle in vehicles}
                ),
                stale_data=StaleDataDetector(direct=("tesla_fleet",)),
            ),
            region=region,
            vehicles=by_name,
            account=bool(vehicles) if account is None else account,
            third_party=third_party,
            at_home=at_home,
        )
        self.host_monitor.home_regions[region] += 1
        self.entries.append(entry)
        if entry.account:
            entry.next_polls[RequestType.CALL, None] = self.monotonic
            for vehicle in vehicles:
                entry.next_polls[RequestType.CALL, vehicle.name] = self.monotonic
                entry.next_polls[RequestType.DATA, vehicle.name] = self.monotonic
        return entry

    @property
    def utcnow(self) -> datetime:
        """Return the wall clock, which may have been set."""
        return _EPOCH + timedelta(seconds=self.monotonic) + self.clock_offset

    def shift_clock(self, seconds: float) -> None:
        """Set the wall clock forward or back."""
        self.clock_offset += timedelta(seconds=seconds)

    @property
    def assessment(self) -> Assessment:
        """Return the assessment of the first entry."""
        return self.entries[0].detector.assessment

    # Storage

    def store(self) -> Stored:
        """Return the stored data."""
        return Stored(
            hosts=self.host_monitor.dump_hosts(),
            detectors={
                entry.name: entry.detector.dump_state(self.monotonic)
                for entry in self.entries
            },
            outages=self.outage_log.dump_outages(),
        )

    def restore(self, stored: Stored, *, away: float = 0.0) -> None:
        """Restore stored data before the first request."""
        self.host_monitor.restore_hosts(stored.hosts)
        self.outage_log.restore_outages(stored.outages)
        for entry in self.entries:
            if (stored_detector := stored.detectors.get(entry.name)) is not None:
                entry.detector.restore_state(
                    stored_detector, monotonic=self.monotonic, away=away
                )
                self.outage_log.restore_last(entry.name, entry.detector.assessment)

    def restart(self, *, away: float = 0.0) -> None:
        """Restart after `away` seconds; requests in progress are lost."""
        stored = self.store()
        self.flights.clear()
        self.slow.clear()
        self.monotonic += away
        self.host_monitor = self._new_host_monitor()
        self.outage_log = OutageLog()
        entries, self.entries = self.entries, []
        for entry in entries:
            self.add(
                entry.name,
                region=entry.region,
                vehicles=tuple(entry.vehicles.values()),
                account=entry.account,
                third_party=entry.third_party,
                issues_tokens=entry.detector.issues_tokens,
                at_home=entry.at_home,
            )
        self.restore(stored, away=away)

    def _new_host_monitor(self) -> HostMonitor:
        return HostMonitor(
            self._hosts, random=Random(self.random.random()), monotonic=self.monotonic
        )

    # Run

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Schedule an action."""
        self.order += 1
        heappush(self._script, (when, self.order, act))

    def set(self, subject: str, condition: str, *, at: float | None = None) -> None:
        """Set a condition, now or at a time."""
        if at is None:
            self.world.set(subject, condition)
            self._disturb(subject, condition)
        else:
            self.at(at, lambda: self.set(subject, condition))

    def _disturb(self, subject: str, condition: str) -> None:
        """Apply a change to requests in progress, which may fail by it."""
        disturbed = False
        for _, _, pending in sorted(self.flights):
            if subject not in pending.request.subjects:
                continue
            lucky = self.random.random() < 0.5
            if condition != OK and pending.condition == OK:
                pending.condition = "timeout" if lucky else "reset"
                pending.ends_at = (
                    pending.sent_at + TIMEOUT if lucky else self.monotonic + 0.001
                )
                disturbed = True
            elif condition == OK and pending.condition == "timeout" and lucky:
                # The transport retries it successfully.
                pending.condition = OK
                pending.ends_at = min(
                    pending.ends_at, self.monotonic + 3.0 * self.random.random()
                )
                disturbed = True
            self._expect(pending)
        if disturbed:
            self.flights = [
                (pending.ends_at, order, pending) for _, order, pending in self.flights
            ]
            heapify(self.flights)

    def run(self, until: float, *, stop: Callable[[], bool] | None = None) -> None:
        """Run until a time, or until `stop` returns True after an answer."""
        self._may_jump = True
        while True:
            if self._may_jump and self._jump is not None:
                self._may_jump = False
                self.jumped += self._jump(self, until)
            lands = self.flights[0][0] if self.flights else _FOREVER
            acts = self._script[0][0] if self._script else _FOREVER
            asks = self.host_monitor.next_due()
            calls = min(entry.next_call() for entry in self.entries)
            slow = self.slow[0][0] if self.slow else _FOREVER
            soonest = min(lands, acts, asks, calls, slow)
            if soonest > until:
                self.monotonic = max(self.monotonic, until)
                return
            self.monotonic = max(self.monotonic, soonest)
            if acts == soonest:
                heappop(self._script)[2]()
            elif lands == soonest:
                self._land(heappop(self.flights)[2])
                if stop is not None and stop():
                    return
            elif slow == soonest:
                self._observe_slow(heappop(self.slow)[2])
            elif asks == soonest:
                for target in self.host_monitor.due(self.monotonic):
                    self._send_probe(target)
            else:
                for entry in self.entries:
                    if entry.next_call() <= self.monotonic:
                        self._call(entry)

    @property
    def undisturbed(self) -> bool:
        """Return whether nothing fails but single requests."""
        return not (
            self.world.conditions or self._script or self.sent_requests is not None
        )

    def _send(self, pending: PendingRequest) -> None:
        self.requests += 1
        self.order += 1
        condition = self.world.condition(pending.request)
        if self.noise is not None and (spoilt := self.noise()) and condition == OK:
            condition = spoilt
        pending.condition = condition
        pending.ends_at = pending.sent_at + self.world.duration(condition)
        heappush(self.flights, (pending.ends_at, self.order, pending))
        self._expect(pending)

    def _expect(self, pending: PendingRequest) -> None:
        """Remember a call that will have no answer in time."""
        late_at = pending.sent_at + GOOD_WITHIN
        if (
            pending.entry is not None
            and pending.request.kind is RequestType.CALL
            and self.monotonic < late_at < pending.ends_at
            and not pending.late
        ):
            pending.late = True
            self.order += 1
            heappush(self.slow, (late_at, self.order, pending))

    def _observe_slow(self, pending: PendingRequest) -> None:
        if pending.entry is not None and pending.ends_at > self.monotonic:
            pending.entry.detector.observe_slow_call(self.monotonic)

    def _sent_at(self) -> float:
        return self.monotonic + SEND_DELAY * self.random.random()

    def _send_probe(self, target: Endpoint) -> None:
        request = self.probe_of(target)
        if self.sent_requests is not None:
            self.sent_requests.append((self.monotonic, request.subjects[-1]))
        self._send(
            PendingRequest(request=request, sent_at=self._sent_at(), target=target)
        )

    def probe_of(self, target: Endpoint) -> Request:
        """Return the probe of an endpoint."""
        if (request := self._requests.get(target)) is None:
            request = Request(kind=target.kind, subjects=self._subjects(target))
            self._requests[target] = request
        return request

    def _subjects(self, target: Endpoint) -> tuple[str, ...]:
        if target.kind is RequestType.UNRELATED:
            number = self._hosts.unrelated.index(target.url) + 1
            return "net", "controls", f"controls{number}"
        if target.kind is RequestType.STATUS:
            return "net", "dns.tesla", f"{target.region}.status"
        return "net", "dns.tesla", f"auth.{target.kind}"

    # Calls

    def _call(self, entry: Entry) -> None:
        """Send the calls that are due, as the integration does."""
        due = entry.detector.account.paused_until <= self.monotonic
        for vehicle, subsystem in (
            entry.detector.calls_due(self.monotonic) if due else ()
        ):
            if subsystem is Subsystem.API or vehicle is None:
                self._send_call(entry, RequestType.CALL, vehicle, poll=None)
            elif (RequestType.DATA, vehicle) in entry.next_polls and entry.vehicles[
                vehicle
            ].online:
                entry.next_polls[RequestType.DATA, vehicle] = self.monotonic
        for key, at in entry.next_polls.items():
            allowed = max(at, entry.paused(key)) <= self.monotonic
            if allowed and key not in entry.running and entry.wanted(key):
                kind, vehicle = key
                jitter = self.random.random()
                if kind is RequestType.DATA or key in entry.started:
                    jitter = 1 + POLL_JITTER * jitter
                entry.started.add(key)
                entry.next_polls[key] = self.monotonic + interval_of(key) * jitter
                entry.running.add(key)
                self._send_call(entry, kind, vehicle, poll=key)

    def command(self, vehicle: str, *, entry: Entry | None = None) -> None:
        """Send a command of the user to a vehicle."""
        self._send_call(
            entry or self.entries[0], RequestType.COMMAND, vehicle, poll=None
        )

    def _send_call(
        self,
        entry: Entry,
        kind: RequestType,
        vehicle: str | None,
        *,
        poll: Poll | None,
    ) -> None:
        entry.calls += 1
        entry.data_calls += kind is RequestType.DATA
        if self.sent_requests is not None:
            self.sent_requests.append(
                (self.monotonic, f"{entry.name}.{kind}.{vehicle or ''}")
            )
        request = self.call_of(entry, kind, vehicle)
        self._send(
            PendingRequest(
                request=request, sent_at=self._sent_at(), entry=entry, poll=poll
            )
        )

    def call_of(self, entry: Entry, kind: RequestType, vehicle: str | None) -> Request:
        """Return a call for a vehicle, or for the account."""
        online = vehicle is not None and entry.vehicles[vehicle].online
        model = entry.vehicles[vehicle].model if vehicle is not None else None
        key = entry.name, kind, vehicle, model, online
        if (request := self._requests.get(key)) is None:
            request = self._requests[key] = Request(
                kind=kind,
                subjects=_call_subjects(entry, kind, model),
                vehicle=vehicle,
                model=model,
                data_works=online,
                third_party=entry.third_party,
            )
        return request

    # Answers

    def _land(self, pending: PendingRequest) -> None:
        request, sent_at = pending.request, pending.sent_at
        found = evidence_of(
            request, pending.condition, sent_at, pending.ends_at - sent_at
        )
        if found.good:
            self._may_jump = True
        else:
            self.bad_at = self.monotonic
        if pending.target is not None:
            self.host_monitor.observe_probe(pending.target, found)
            for entry in self.entries:
                self._assess(entry)
        elif (caller := pending.entry) is not None:
            if pending.poll is not None:
                caller.running.discard(pending.poll)
            if request.vehicle is not None and request.vehicle not in caller.vehicles:
                return
            if (
                request.vehicle is not None
                and not caller.vehicles[request.vehicle].online
            ):
                caller.detector.waive_recovery_proof(request.vehicle)
            caller.detector.observe_call(found)
            self._assess(caller)

    def _assess(self, entry: Entry) -> None:
        before = entry.detector.assessment
        assessment = entry.detector.assess(self.monotonic, self.utcnow)
        if assessment is before or assessment == before:
            return
        self.changes.append(
            AssessmentChange(at=self.monotonic, entry=entry.name, assessment=assessment)
        )
        for event in self.outage_log.report(
            entry.name,
            entry.region,
            assessment,
            wanted=self._wanted(entry, assessment),
            utcnow=self.utcnow,
            monotonic=self.monotonic,
        ):
            self.outage_events.append((self.monotonic, event))

    def _wanted(self, entry: Entry, assessment: Assessment) -> frozenset[str]:
        """Return the region's vehicles whose key to take is not the usual one.

        An entry without vehicles stands for a watched one.
        """
        if assessment.status not in OUTAGES:
            return frozenset()
        vehicles = {
            vehicle
            for other in self.entries
            if other.region == entry.region
            for vehicle in (other.vehicles or {other.name})
        }
        if assessment.affected is not None:
            vehicles &= assessment.affected
        return frozenset(vehicles)


def interval_of(poll: Poll) -> float:
    """Return the interval of a poll in seconds."""
    kind, vehicle = poll
    if vehicle is None:
        return PRODUCTS_INTERVAL
    return DATA_INTERVAL if kind is RequestType.DATA else SUMMARY_INTERVAL


def _call_subjects(
    entry: Entry, kind: RequestType, model: str | None
) -> tuple[str, ...]:
    region = entry.region
    subjects = ["token"]
    if not entry.at_home:
        subjects.append("net")
    subjects.append("proxy.api" if entry.third_party else "dns.tesla")
    subsystems = {
        RequestType.DATA: ("api", "data"),
        RequestType.COMMAND: ("api", "commands"),
    }
    for subsystem in subsystems.get(kind, ("api",)):
        subjects += [f"{region}.{subsystem}@{model}", f"{region}.{subsystem}"]
    return tuple(subjects)
