"""A home: the real watch and the real judges on a clock that only jumps."""

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
from custom_components.keycard.outage.host_monitor import HostMonitor, StoredHost
from custom_components.keycard.outage.models import OUTAGES, Assessment, Subsystem
from custom_components.keycard.outage.outage_log import (
    OutageEvent,
    OutageLog,
    StoredOutage,
)
from custom_components.keycard.outage.stale_data import StaleDataDetector

from .simulated_network import OK, TIMEOUT, Ask, World, told

# How an account is called, as the integration does it (seconds).
PRODUCTS_PACE = 600.0
SUMMARY_PACE = 60.0
DATA_PACE = 600.0
POLL_JITTER = 0.05

# Until a request is on its way after it fell due.
_SEND_DELAY = 0.01

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_FOREVER = float("inf")


@dataclass(kw_only=True)
class Car:
    """A car: its model, and whether it is online."""

    name: str
    model: str = "model3"
    online: bool = True


@dataclass(kw_only=True)
class Entry:
    """One entry of the home: a region, perhaps an account, and its judge."""

    name: str
    judge: OutageDetector
    region: str
    cars: dict[str, Car]
    account: bool
    in_between: bool
    next_polls: dict[tuple[RequestType, str | None], float] = field(
        default_factory=dict
    )
    running: set[tuple[RequestType, str | None]] = field(default_factory=set)
    calls: int = 0
    data_calls: int = 0

    def next_call(self) -> float:
        """Return when this entry calls next."""
        if not self.account:
            return _FOREVER
        soonest = max(self.judge.next_call(), self.judge.account.paused_until)
        for key, at in self.next_polls.items():
            if at < soonest and key not in self.running and self.wanted(key):
                soonest = min(soonest, max(at, self.paused(key)))
        return soonest

    def paused(self, key: tuple[RequestType, str | None]) -> float:
        """Return until when a poll may not be made."""
        kind, car = key
        category = Category.DATA if kind is RequestType.DATA else Category.CALLS
        return self.judge.account.pause(category, car)[0]

    def leave(self, car: str) -> None:
        """Let a car leave the account."""
        del self.cars[car]
        self.judge.forget(car)
        for kind in (RequestType.CALL, RequestType.DATA):
            self.next_polls.pop((kind, car), None)

    def wanted(self, key: tuple[RequestType, str | None]) -> bool:
        """Tell whether a poll makes sense: data only of a car that is online."""
        kind, car = key
        return kind is not RequestType.DATA or car is None or self.cars[car].online


@dataclass(kw_only=True)
class Flight:
    """A request on its way."""

    ends_at: float
    order: int
    ask: Ask
    condition: str
    target: Endpoint | None = None
    entry: Entry | None = None
    poll: tuple[RequestType, str | None] | None = None

    def __lt__(self, other: Flight) -> bool:
        """Order by the time of landing."""
        return (self.ends_at, self.order) < (other.ends_at, other.order)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What a home keeps over a restart."""

    hosts: dict[str, StoredHost]
    judges: dict[str, StoredDetector]
    outages: list[StoredOutage]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A judgement that differs from the one before, and when it was seen."""

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
        noise: Callable[[], str] | None = None,
    ) -> None:
        """Start a home; add entries before it runs."""
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
        self.bad_at = began
        self.bad_call_at = float("-inf")
        self._noise = noise
        self._hosts = hosts or default_hosts(region)
        self._flights: list[Flight] = []
        self._order = 0
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
        in_between: bool = False,
    ) -> Entry:
        """Add an entry; one with cars has an account unless told otherwise."""
        entry = Entry(
            name=name,
            judge=OutageDetector(
                self.watch,
                region=region,
                in_between=in_between,
                now=self.now,
                vehicle_ids=(by_name := {car.name: car for car in cars}),
                stale_data=StaleDataDetector(direct=("tesla_fleet",)),
            ),
            region=region,
            cars=by_name,
            account=bool(cars) if account is None else account,
            in_between=in_between,
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
        """Return the wall clock, which somebody may have set."""
        return _EPOCH + timedelta(seconds=self.now) + self.wall_offset

    def wall_shift(self, seconds: float) -> None:
        """Set the wall clock forward, or back; nothing else runs by it."""
        self.wall_offset += timedelta(seconds=seconds)

    @property
    def judgement(self) -> Assessment:
        """Return the judgement of the first entry."""
        return self.entries[0].judge.assessment

    # Keeping

    def store(self) -> Stored:
        """Return what is kept over a restart."""
        return Stored(
            hosts=self.watch.dump_hosts(),
            judges={
                entry.name: entry.judge.dump_state(self.now) for entry in self.entries
            },
            outages=self.journal.dump_outages(),
        )

    def restore(self, stored: Stored, *, away: float = 0.0) -> None:
        """Take up what was kept, before anything is asked."""
        self.watch.restore_hosts(stored.hosts)
        self.journal.restore_outages(stored.outages)
        for entry in self.entries:
            if (kept := stored.judges.get(entry.name)) is not None:
                entry.judge.restore_state(kept, now=self.now, away=away)
                self.journal.restore_last(entry.name, entry.judge.assessment)

    def restart(self, *, away: float = 0.0) -> None:
        """Stop and start again: what was under way is lost, what was kept comes back.

        `away` are the seconds in between. Nothing of the product's memory survives.
        """
        stored = self.store()
        self._flights.clear()
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
                in_between=entry.in_between,
            )
        self.restore(stored, away=away)

    def _new_watch(self) -> HostMonitor:
        return HostMonitor(
            self._hosts, random=Random(self.random.random()), now=self.now
        )

    # Running

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Do something at a time."""
        self._order += 1
        heappush(self._script, (when, self._order, act))

    def set(self, subject: str, condition: str, *, at: float | None = None) -> None:
        """Change a condition, now or later."""
        if at is None:
            self.world.set(subject, condition)
            self._disturb(subject, condition)
        else:
            self.at(at, lambda: self.set(subject, condition))

    def _disturb(self, subject: str, condition: str) -> None:
        """Let a change reach what is under way: it need not be for the better."""
        disturbed = False
        for flight in self._flights:
            if subject not in flight.ask.subjects:
                continue
            lucky = self.random.random() < 0.5
            if condition != OK and flight.condition == OK:
                flight.condition = "timeout" if lucky else "reset"
                flight.ends_at = (
                    flight.ask.asked_at + TIMEOUT if lucky else self.now + 0.001
                )
                disturbed = True
            elif condition == OK and flight.condition == "timeout" and lucky:
                # Sent again underneath, it comes through after all.
                flight.condition = OK
                flight.ends_at = min(
                    flight.ends_at, self.now + 3.0 * self.random.random()
                )
                disturbed = True
        if disturbed:
            heapify(self._flights)

    def run(self, until: float, *, stop: Callable[[], bool] | None = None) -> None:
        """Run until a time, or until `stop` says so after an answer."""
        while True:
            lands = self._flights[0].ends_at if self._flights else _FOREVER
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
                self._land(heappop(self._flights))
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
    def idle(self) -> bool:
        """Tell whether nothing is under way or about to be called for."""
        return not self._flights and all(
            entry.judge.next_call() == _FOREVER
            and entry.judge.account.paused_until <= self.now
            for entry in self.entries
        )

    def _send(self, flight: Flight) -> None:
        self.requests += 1
        condition = self.world.condition(flight.ask)
        if self._noise is not None and (spoilt := self._noise()) and condition == OK:
            condition = spoilt
        flight.condition = condition
        flight.ends_at = flight.ask.asked_at + self.world.duration(condition)
        heappush(self._flights, flight)

    def _sent_at(self) -> float:
        return self.now + _SEND_DELAY * self.random.random()

    def _send_probe(self, target: Endpoint) -> None:
        self._order += 1
        subjects = self._subjects(target)
        if self.asked is not None:
            self.asked.append((self.now, subjects[-1]))
        self._send(
            Flight(
                ends_at=0.0,
                order=self._order,
                ask=Ask(kind=target.kind, subjects=subjects, asked_at=self._sent_at()),
                condition=OK,
                target=target,
            )
        )

    def _subjects(self, target: Endpoint) -> tuple[str, ...]:
        if target.kind is RequestType.UNRELATED:
            number = self._hosts.unrelated.index(target.url) + 1
            return "net", "controls", f"controls{number}"
        if target.kind is RequestType.STATUS:
            return "net", "dns.tesla", f"{target.region}.status"
        return "net", "dns.tesla", f"auth.{target.kind}"

    # Calls

    def _call(self, entry: Entry) -> None:
        """Make the calls that are due, as the integration does."""
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
                pace = DATA_PACE if kind is RequestType.DATA else SUMMARY_PACE
                if car is None:
                    pace = PRODUCTS_PACE
                jitter = 1 + POLL_JITTER * self.random.random()
                entry.next_polls[key] = self.now + pace * jitter
                entry.running.add(key)
                self._send_call(entry, kind, car, poll=key)

    def command(self, car: str, *, entry: Entry | None = None) -> None:
        """Let the owner send a command to a car."""
        self._send_call(entry or self.entries[0], RequestType.COMMAND, car, poll=None)

    def _send_call(
        self,
        entry: Entry,
        kind: RequestType,
        car: str | None,
        *,
        poll: tuple[RequestType, str | None] | None,
    ) -> None:
        self._order += 1
        entry.calls += 1
        entry.data_calls += kind is RequestType.DATA
        model = entry.cars[car].model if car is not None else None
        if self.asked is not None:
            self.asked.append((self.now, f"{entry.name}.{kind}.{car or ''}"))
        self._send(
            Flight(
                ends_at=0.0,
                order=self._order,
                ask=Ask(
                    kind=kind,
                    subjects=_call_subjects(entry, kind, model),
                    asked_at=self._sent_at(),
                    car=car,
                    model=model,
                    data_works=car is not None and entry.cars[car].online,
                    third_party=entry.in_between,
                ),
                condition=OK,
                entry=entry,
                poll=poll,
            )
        )

    # Landing

    def _land(self, flight: Flight) -> None:
        ask = flight.ask
        found = told(ask, flight.condition, flight.ends_at - ask.asked_at)
        if not found.good:
            self.bad_at = self.now
            if flight.entry is not None and found.answered:
                self.bad_call_at = self.now
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
            wall=self.wall,
            now=self.now,
        ):
            self.happenings.append((self.now, happening))

    def _wanted(self, entry: Entry, judgement: Assessment) -> frozenset[str]:
        """Return the region's cars whose key is not the usual one.

        An entry without cars stands for one that it only watches for.
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


def _call_subjects(
    entry: Entry, kind: RequestType, model: str | None
) -> tuple[str, ...]:
    region = entry.region
    subjects = ["token"]
    subjects += ["proxy.api"] if entry.in_between else ["net", "dns.tesla"]
    planes = {
        RequestType.DATA: ("api", "data"),
        RequestType.COMMAND: ("api", "commands"),
    }
    for plane in planes.get(kind, ("api",)):
        subjects += [f"{region}.{plane}@{model}", f"{region}.{plane}"]
    return tuple(subjects)
