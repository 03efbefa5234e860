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
from custom_components.keycard.outage.host_monitor import HostMonitor, StoredHost
from custom_components.keycard.outage.models import OUTAGES, Assessment, Subsystem
from custom_components.keycard.outage.outage_log import (
    OutageEvent,
    OutageLog,
    StoredOutage,
)

from .simulated_network import OK, TIMEOUT, Ask, Noise, World, told

# Intervals of calls in seconds, as in the integration.
PRODUCTS_PACE = 600.0
SUMMARY_PACE = 60.0
DATA_PACE = 600.0
POLL_JITTER = 0.05

# Delay of a request after it is due.
SEND_DELAY = 0.01

type Poll = tuple[RequestType, str | None]
"""A regular request and its car, None for the account."""

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_FOREVER = float("inf")


@dataclass(kw_only=True)
class Car:
    """A car with its model and connectivity."""

    name: str
    model: str = "model3"
    online: bool = True


@dataclass(kw_only=True)
class Entry:
    """An entry of the home: region, detector, and possibly an account."""

    name: str
    judge: OutageDetector
    region: str
    cars: dict[str, Car]
    account: bool
    third_party: bool
    at_home: bool = False
    next_polls: dict[Poll, float] = field(default_factory=dict)
    running: set[Poll] = field(default_factory=set)
    calls: int = 0
    data_calls: int = 0

    def next_call(self) -> float:
        """Return the time of the next call."""
        if not self.account:
            return _FOREVER
        soonest = max(self.judge.next_call(), self.judge.account.paused_until)
        for key, at in self.next_polls.items():
            if at < soonest and key not in self.running and self.wanted(key):
                soonest = min(soonest, max(at, self.paused(key)))
        return soonest

    def paused(self, key: Poll) -> float:
        """Return the end of a poll's pause."""
        kind, car = key
        category = Category.DATA if kind is RequestType.DATA else Category.CALLS
        return self.judge.account.pause(category, car)[0]

    def leave(self, car: str) -> None:
        """Remove a car from the account."""
        del self.cars[car]
        self.judge.forget(car)
        for kind in (RequestType.CALL, RequestType.DATA):
            self.next_polls.pop((kind, car), None)

    def wanted(self, key: Poll) -> bool:
        """Return whether a poll is due: data only for an online car."""
        kind, car = key
        return kind is not RequestType.DATA or car is None or self.cars[car].online


@dataclass(kw_only=True, slots=True)
class Flight:
    """A request in progress."""

    asked_at: float
    ask: Ask
    condition: str = OK
    ends_at: float = 0.0
    target: Endpoint | None = None
    entry: Entry | None = None
    poll: Poll | None = None


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Stored data of a home."""

    hosts: dict[str, StoredHost]
    judges: dict[str, StoredDetector]
    outages: list[StoredOutage]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A changed assessment and its time."""

    at: float
    entry: str
    judgement: Assessment


class Home:
    """Run watch, judges and journal of a home against a world.

    Times are seconds since the home began; the product's monotonic clock starts at a
    random value. `noise` is asked for each request and may spoil it.
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
        """Start a home; add entries before it runs.

        With a `jump` it goes over stretches in which nothing can happen.
        """
        self.world = world
        self.random = world.random
        self.now = began
        self.wall_offset = timedelta()
        self.journal = OutageLog()
        self.entries: list[Entry] = []
        self.seen: list[Seen] = []
        self.happenings: list[tuple[float, OutageEvent]] = []
        self.asked: list[tuple[float, str]] | None = None
        self.requests = 0
        self.jumped = 0
        self.bad_at = began
        self.noise = noise
        self.flights: list[tuple[float, int, Flight]] = []
        self.order = 0
        self._jump = jump
        self._may_jump = False
        self._hosts = hosts or default_hosts(region)
        self._asks: dict[object, Ask] = {}
        self._script: list[tuple[float, int, Callable[[], None]]] = []
        self.watch = self._new_watch()

    def without_unrelated(self) -> None:
        """Switch the unrelated hosts off, before anything is added."""
        self._hosts = replace(self._hosts, unrelated=())
        self.watch = self._new_watch()

    def add(
        self,
        name: str = "home",
        *,
        region: str = "na",
        cars: tuple[Car, ...] = (),
        account: bool | None = None,
        third_party: bool = False,
        issues_tokens: bool = False,
        at_home: bool = False,
    ) -> Entry:
        """Add an entry; one with cars has an account unless told otherwise.

        A third party (`third_party`) `issues_tokens` of its own, or forwards Tesla's.
        It is reached without the internet if it is a proxy `at_home`.
        """
        entry = Entry(
            name=name,
            judge=OutageDetector(
                self.watch,
                region=region,
                third_party=third_party,
                issues_tokens=issues_tokens,
                monotonic=self.now,
                vehicle_ids=(by_name := {car.name: car for car in cars}),
                stale_data=StaleDataDetector(direct=("tesla_fleet",)),
            ),
            region=region,
            cars=by_name,
            account=bool(cars) if account is None else account,
            third_party=third_party,
            at_home=at_home,
        )
        self.watch.home_regions[region] += 1
        self.entries.append(entry)
        if entry.account:
            entry.next_polls[RequestType.CALL, None] = self.now
            for car in cars:
                entry.next_polls[RequestType.CALL, car.name] = self.now
                entry.next_polls[RequestType.DATA, car.name] = self.now
        return entry

    @property
    def wall(self) -> datetime:
        """Return the wall clock, which may have been set."""
        return _EPOCH + timedelta(seconds=self.now) + self.wall_offset

    def wall_shift(self, seconds: float) -> None:
        """Set the wall clock forward or back."""
        self.wall_offset += timedelta(seconds=seconds)

    @property
    def judgement(self) -> Assessment:
        """Return the assessment of the first entry."""
        return self.entries[0].judge.assessment

    # Storage

    def store(self) -> Stored:
        """Return the stored data."""
        return Stored(
            hosts=self.watch.dump_hosts(),
            judges={
                entry.name: entry.judge.dump_state(self.now) for entry in self.entries
            },
            outages=self.journal.dump_outages(),
        )

    def restore(self, stored: Stored, *, away: float = 0.0) -> None:
        """Restore stored data before the first request."""
        self.watch.restore_hosts(stored.hosts)
        self.journal.restore_outages(stored.outages)
        for entry in self.entries:
            if (kept := stored.judges.get(entry.name)) is not None:
                entry.judge.restore_state(kept, monotonic=self.now, away=away)
                self.journal.restore_last(entry.name, entry.judge.assessment)

    def restart(self, *, away: float = 0.0) -> None:
        """Stop and start again: what was under way is lost, what was kept comes back.

        `away` are the seconds in between. Nothing of the product's memory survives.
        """
        stored = self.store()
        self.flights.clear()
        self.now += away
        self.watch = self._new_watch()
        self.journal = OutageLog()
        entries, self.entries = self.entries, []
        for entry in entries:
            self.add(
                entry.name,
                region=entry.region,
                cars=tuple(entry.cars.values()),
                account=entry.account,
                third_party=entry.third_party,
                issues_tokens=entry.judge.issues_tokens,
                at_home=entry.at_home,
            )
        self.restore(stored, away=away)

    def _new_watch(self) -> HostMonitor:
        return HostMonitor(
            self._hosts, random=Random(self.random.random()), monotonic=self.now
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
        for _, _, flight in sorted(self.flights):
            if subject not in flight.ask.subjects:
                continue
            lucky = self.random.random() < 0.5
            if condition != OK and flight.condition == OK:
                flight.condition = "timeout" if lucky else "reset"
                flight.ends_at = (
                    flight.asked_at + TIMEOUT if lucky else self.now + 0.001
                )
                disturbed = True
            elif condition == OK and flight.condition == "timeout" and lucky:
                # The transport retries it successfully.
                flight.condition = OK
                flight.ends_at = min(
                    flight.ends_at, self.now + 3.0 * self.random.random()
                )
                disturbed = True
        if disturbed:
            self.flights = [
                (flight.ends_at, order, flight) for _, order, flight in self.flights
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
            asks = self.watch.next_due()
            calls = min(entry.next_call() for entry in self.entries)
            soonest = min(lands, acts, asks, calls)
            if soonest > until:
                self.now = max(self.now, until)
                return
            self.now = max(self.now, soonest)
            if acts == soonest:
                heappop(self._script)[2]()
            elif lands == soonest:
                self._land(heappop(self.flights)[2])
                if stop is not None and stop():
                    return
            elif asks == soonest:
                for target in self.watch.due(self.now):
                    self._send_probe(target)
            else:
                for entry in self.entries:
                    if entry.next_call() <= self.now:
                        self._call(entry)

    @property
    def undisturbed(self) -> bool:
        """Return whether nothing fails but single requests."""
        return not (self.world.conditions or self._script or self.asked is not None)

    def _send(self, flight: Flight) -> None:
        self.requests += 1
        self.order += 1
        condition = self.world.condition(flight.ask)
        if self.noise is not None and (spoilt := self.noise()) and condition == OK:
            condition = spoilt
        flight.condition = condition
        flight.ends_at = flight.asked_at + self.world.duration(condition)
        heappush(self.flights, (flight.ends_at, self.order, flight))

    def _sent_at(self) -> float:
        return self.now + SEND_DELAY * self.random.random()

    def _send_probe(self, target: Endpoint) -> None:
        ask = self.probe_of(target)
        if self.asked is not None:
            self.asked.append((self.now, ask.subjects[-1]))
        self._send(Flight(ask=ask, asked_at=self._sent_at(), target=target))

    def probe_of(self, target: Endpoint) -> Ask:
        """Return the probe of an endpoint."""
        if (ask := self._asks.get(target)) is None:
            ask = Ask(kind=target.kind, subjects=self._subjects(target))
            self._asks[target] = ask
        return ask

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
        due = entry.judge.account.paused_until <= self.now
        for car, plane in entry.judge.calls_due(self.now) if due else ():
            if plane is Subsystem.API or car is None:
                self._send_call(entry, RequestType.CALL, car, poll=None)
            elif (RequestType.DATA, car) in entry.next_polls and entry.cars[car].online:
                entry.next_polls[RequestType.DATA, car] = self.now
        for key, at in entry.next_polls.items():
            allowed = max(at, entry.paused(key)) <= self.now
            if allowed and key not in entry.running and entry.wanted(key):
                kind, car = key
                jitter = 1 + POLL_JITTER * self.random.random()
                entry.next_polls[key] = self.now + pace_of(key) * jitter
                entry.running.add(key)
                self._send_call(entry, kind, car, poll=key)

    def command(self, car: str, *, entry: Entry | None = None) -> None:
        """Send a command of the user to a car."""
        self._send_call(entry or self.entries[0], RequestType.COMMAND, car, poll=None)

    def _send_call(
        self,
        entry: Entry,
        kind: RequestType,
        car: str | None,
        *,
        poll: Poll | None,
    ) -> None:
        entry.calls += 1
        entry.data_calls += kind is RequestType.DATA
        if self.asked is not None:
            self.asked.append((self.now, f"{entry.name}.{kind}.{car or ''}"))
        ask = self.call_of(entry, kind, car)
        self._send(Flight(ask=ask, asked_at=self._sent_at(), entry=entry, poll=poll))

    def call_of(self, entry: Entry, kind: RequestType, car: str | None) -> Ask:
        """Return a call for a car, or for the account."""
        online = car is not None and entry.cars[car].online
        model = entry.cars[car].model if car is not None else None
        key = entry.name, kind, car, model, online
        if (ask := self._asks.get(key)) is None:
            ask = self._asks[key] = Ask(
                kind=kind,
                subjects=_call_subjects(entry, kind, model),
                car=car,
                model=model,
                data_works=online,
                third_party=entry.third_party,
            )
        return ask

    # Answers

    def _land(self, flight: Flight) -> None:
        ask, asked_at = flight.ask, flight.asked_at
        found = told(ask, flight.condition, asked_at, flight.ends_at - asked_at)
        if found.good:
            self._may_jump = True
        else:
            self.bad_at = self.now
        if flight.target is not None:
            self.watch.observe_probe(flight.target, found)
            for entry in self.entries:
                self._judge(entry)
        elif (caller := flight.entry) is not None:
            if flight.poll is not None:
                caller.running.discard(flight.poll)
            if ask.car is not None and ask.car not in caller.cars:
                return
            if ask.car is not None and not caller.cars[ask.car].online:
                caller.judge.waive_recovery_proof(ask.car)
            caller.judge.observe_call(found)
            self._judge(caller)

    def _judge(self, entry: Entry) -> None:
        before = entry.judge.assessment
        judgement = entry.judge.assess(self.now, self.wall)
        if judgement is before or judgement == before:
            return
        self.seen.append(Seen(at=self.now, entry=entry.name, judgement=judgement))
        for happening in self.journal.report(
            entry.name,
            entry.region,
            judgement,
            wanted=self._wanted(entry, judgement),
            utcnow=self.wall,
            monotonic=self.now,
        ):
            self.happenings.append((self.now, happening))

    def _wanted(self, entry: Entry, judgement: Assessment) -> frozenset[str]:
        """Return the region's cars whose key to take is not the usual one.

        An entry without cars stands for a watched one.
        """
        if judgement.status not in OUTAGES:
            return frozenset()
        cars = {
            car
            for other in self.entries
            if other.region == entry.region
            for car in (other.cars or {other.name})
        }
        if judgement.affected is not None:
            cars &= judgement.affected
        return frozenset(cars)


def pace_of(poll: Poll) -> float:
    """Return the interval of a poll in seconds."""
    kind, car = poll
    if car is None:
        return PRODUCTS_PACE
    return DATA_PACE if kind is RequestType.DATA else SUMMARY_PACE


def _call_subjects(
    entry: Entry, kind: RequestType, model: str | None
) -> tuple[str, ...]:
    region = entry.region
    subjects = ["token"]
    if not entry.at_home:
        subjects.append("net")
    subjects.append("proxy.api" if entry.third_party else "dns.tesla")
    planes = {
        RequestType.DATA: ("api", "data"),
        RequestType.COMMAND: ("api", "commands"),
    }
    for plane in planes.get(kind, ("api",)):
        subjects += [f"{region}.{plane}@{model}", f"{region}.{plane}"]
    return tuple(subjects)
