"""Jumps over stretches of a home's life in which nothing can happen.

While every host and every call is well and nothing is suspected, a good answer only
renews what is known already. The requests of such a stretch are drawn one after the
other, with the random numbers that a home without jumps draws, and what they leave
behind is written into the product's state at its end. So a home that jumps lives the
same life as one that does not: a test compares all that the two know.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heapify, heappush, heapreplace
from operator import itemgetter

from custom_components.keycard.outage.confirmation import RECENT, HealthTracker
from custom_components.keycard.outage.evidence import RequestType
from custom_components.keycard.outage.host_monitor import (
    _MAX_GOOD,
    HOME_INTERVAL,
    INTERVAL,
    JITTER,
    _HostState,
)
from custom_components.keycard.outage.models import Status, Subsystem
from custom_components.keycard.outage.vehicle_calls import VehicleCallHealth

from .simulated_home import POLL_JITTER, SEND_DELAY, Entry, Flight, Home, Poll, pace_of
from .simulated_network import LATENCY, OK, Ask

_FOREVER = float("inf")
# Calls fail by fits from six failures on; so far from it nothing else counts.
_FEW_FAILURES = 5
_POLLED = frozenset({RequestType.CALL, RequestType.DATA})

_ENDS_AT = itemgetter(0)

type _Landing = tuple[float, float, Ask]
"""When an answer comes, when it was asked for, and what it answers."""


@dataclass(kw_only=True, slots=True)
class _Stream:
    """Requests of one kind that follow each other."""

    ask: Ask
    pace: float
    host: _HostState | None = None
    entry: Entry | None = None
    calls: VehicleCallHealth | None = None
    poll: Poll | None = None
    sent: list[tuple[float, float, float, int]] = field(default_factory=list)
    """When each lands, when it went out and fell due, and its number."""


def jump(home: Home, until: float) -> int:
    """Jump as far as nothing can happen; return over how many requests.

    That is before the next request that fails by itself, and not beyond `until`.
    """
    if not _is_settled(home):
        return 0
    streams = list(_streams(home))
    count, next_at = _draw(home, streams, until)
    if count:
        _land(home, streams, min(until, next_at))
    return count


# When nothing can happen


def _is_settled(home: Home) -> bool:
    """Return whether all is well, nothing is suspected and nothing is pending."""
    if not home.undisturbed or (home.noise is not None and not home.noise.left):
        return False
    return (
        all(map(_is_host_settled, home.watch._hosts.values()))
        and all(
            flight.condition == OK
            and (flight.target is not None or flight.ask.kind in _POLLED)
            for _, _, flight in home.flights
        )
        and all(_is_entry_settled(entry) for entry in home.entries)
    )


def _is_host_settled(item: _HostState) -> bool:
    tracker = item.tracker
    if tracker.suspected_at is not None or tracker.down or not tracker.verified:
        return False
    if item.unrelated:
        return not item.failures and item.next_at == _FOREVER
    return not item.series and tracker.last_good is not None


def _is_entry_settled(entry: Entry) -> bool:
    judge = entry.judge
    account, calls = judge.account, judge._calls
    judgement = judge.assessment
    return (
        judgement.status is Status.OPERATIONAL
        and not judgement.other_regions
        and judgement.since is None
        and judge._host_suspected_at is None
        and not (judge._internet_was_down or judge._token_refresh.failing)
        and not judge.stale_data._sources
        and not (account._refusals or account.auth_invalid)
        and account.auth_refused_at is None
        and (calls.verified or not entry.account)
        and all(map(_are_calls_settled, calls._calls.values()))
        and all((car or "") in calls._calls for _, car in entry.next_polls)
    )


def _are_calls_settled(calls: VehicleCallHealth) -> bool:
    recent = calls.recent
    return (
        not calls.confirmation_calls
        and calls.next_data_call is None
        and calls.recovery_proof_until is None
        and calls.data_failing_since is None
        and not calls.degraded
        and all(track.suspected_at is None for track in calls.trackers.values())
        and not (recent and not recent[-1][1])
        and sum(not good for _, good in recent) <= _FEW_FAILURES
    )


# What is asked meanwhile


def _streams(home: Home) -> Iterator[tuple[float, _Stream]]:
    """Return the streams of requests, each with the time of its next one."""
    for item in home.watch._tesla_hosts:
        own = home.watch.home_regions[item.endpoint.region or ""]
        yield (
            item.next_at,
            _Stream(
                ask=home.probe_of(item.endpoint),
                pace=HOME_INTERVAL if own else INTERVAL,
                host=item,
            ),
        )
    for entry in home.entries:
        for poll, at in entry.next_polls.items():
            if entry.wanted(poll):
                ask = home.call_of(entry, *poll)
                # What was not wanted so far is asked for at once.
                yield (
                    max(at, home.now),
                    _Stream(ask=ask, pace=pace_of(poll), entry=entry, poll=poll),
                )
        for car, calls in entry.judge._calls._calls.items():
            if calls.later_calls:
                ask = home.call_of(entry, RequestType.CALL, car or None)
                yield (
                    calls.later_calls[0],
                    _Stream(ask=ask, pace=0.0, entry=entry, calls=calls),
                )


def _draw(
    home: Home, streams: list[tuple[float, _Stream]], until: float
) -> tuple[int, float]:
    """Draw all requests that go out; return their number, and when the next is due.

    The random numbers are drawn as `HostMonitor` and `Home` draw them.
    """
    rand, jitter = home.random.random, home.watch._random.random
    low, spread = LATENCY[0], LATENCY[1] - LATENCY[0]
    first, second = -JITTER, JITTER - -JITTER
    left = _FOREVER if home.noise is None else home.noise.left
    order = began = home.order
    heap = [(at, number, stream) for number, (at, stream) in enumerate(streams)]
    heapify(heap)
    while True:
        at, number, stream = heap[0]
        if at > until or left <= 0:
            break
        left -= 1
        order += 1
        if stream.host is not None:
            next_at = at + stream.pace * (1 + (first + second * jitter()))
        elif stream.calls is not None:
            later = stream.calls.later_calls = stream.calls.later_calls[1:]
            next_at = later[0] if later else _FOREVER
        else:
            next_at = at + stream.pace * (1 + POLL_JITTER * rand())
        asked_at = at + SEND_DELAY * rand()
        stream.sent.append((asked_at + (low + spread * rand()), asked_at, at, order))
        heapreplace(heap, (next_at, number, stream))
    count = order - began
    home.order = order
    home.requests += count
    if home.noise is not None:
        home.noise.left -= count
    for next_at, _, stream in heap:
        if stream.host is not None:
            stream.host.next_at = next_at
        elif stream.poll is not None and stream.entry is not None:
            stream.entry.next_polls[stream.poll] = next_at
    return count, heap[0][0]


# What they leave behind


def _land(home: Home, streams: list[tuple[float, _Stream]], end: float) -> None:
    """Write down what is known at the end, and what is under way then."""
    by_host: dict[_HostState, list[_Landing]] = {}
    by_calls: dict[tuple[str, str | None], list[_Landing]] = {}
    landed, home.flights = _split(home.flights, end)
    for ends_at, _, flight in landed:
        landing = ends_at, flight.asked_at, flight.ask
        if flight.target is not None:
            by_host.setdefault(home.watch._hosts[flight.target], []).append(landing)
        elif flight.entry is not None:
            by_calls.setdefault((flight.entry.name, flight.ask.car), []).append(landing)
            if flight.poll is not None:
                flight.entry.running.discard(flight.poll)
    for _, stream in streams:
        sent = stream.sent
        if not sent:
            continue
        home.now = max(home.now, sent[-1][2])
        if stream.host is not None:
            stream.host.pending += [at for _, _, at, _ in sent]
            stream.host.sent_at = sent[-1][2]
        elif stream.entry is not None:
            stream.entry.calls += len(sent)
            stream.entry.data_calls += (
                len(sent) if stream.ask.kind is RequestType.DATA else 0
            )
        while sent and sent[-1][0] > end:
            _take_off(home, stream, sent.pop())
        landings = [(ends_at, asked_at, stream.ask) for ends_at, asked_at, *_ in sent]
        if stream.host is not None:
            by_host.setdefault(stream.host, []).extend(landings)
        elif stream.entry is not None:
            key = stream.entry.name, stream.ask.car
            by_calls.setdefault(key, []).extend(landings)
    for host, landings in by_host.items():
        home.watch._alert = False
        if landings:
            landings.sort(key=_ENDS_AT)
            _land_probes(host, landings)
            home.now = max(home.now, landings[-1][0])
    for entry in home.entries:
        account_calls = entry.judge._calls
        for car, calls in account_calls._calls.items():
            if landings := by_calls.get((entry.name, car or None), []):
                account_calls._activate(car)
                landings.sort(key=_ENDS_AT)
                _land_calls(calls, landings)
                home.now = max(home.now, landings[-1][0])
        account_calls._deactivate_quiet()


def _split(
    flights: list[tuple[float, int, Flight]], end: float
) -> tuple[list[tuple[float, int, Flight]], list[tuple[float, int, Flight]]]:
    """Part what has landed by a time from what is still under way."""
    landed = [item for item in flights if item[0] <= end]
    under_way = [item for item in flights if item[0] > end]
    heapify(under_way)
    return landed, under_way


def _take_off(
    home: Home, stream: _Stream, sent: tuple[float, float, float, int]
) -> None:
    ends_at, asked_at, _, order = sent
    flight = Flight(
        ask=stream.ask,
        asked_at=asked_at,
        ends_at=ends_at,
        target=None if stream.host is None else stream.host.endpoint,
        entry=stream.entry,
        poll=stream.poll,
    )
    heappush(home.flights, (ends_at, order, flight))
    if stream.entry is not None and stream.poll is not None:
        stream.entry.running.add(stream.poll)


def _land_probes(host: _HostState, landings: list[_Landing]) -> None:
    latest = _renew(host.tracker, landings)
    host.pending = [at for at in host.pending if at > latest]
    host.good_sent.extend([asked_at for _, asked_at, _ in landings[-_MAX_GOOD:]])


def _land_calls(calls: VehicleCallHealth, landings: list[_Landing]) -> None:
    model = landings[-1][2].model
    calls.model = model or calls.model
    calls.can_confirm_recovery = landings[-1][2].car is not None
    data = [item for item in landings if item[2].kind is RequestType.DATA]
    if data:
        _renew(calls.trackers[Subsystem.DATA], data)
        if calls.third_party:
            # Its data are no evidence for Tesla's calls.
            landings = [item for item in landings if item[2].kind is RequestType.CALL]
    if not landings:
        return
    _renew(calls.api, landings)
    recent = calls.recent
    recent.extend([(_at(landing), True) for landing in landings])
    while recent[-1][0] - recent[0][0] > RECENT:
        recent.popleft()


def _renew(tracker: HealthTracker, landings: list[_Landing]) -> float:
    """Write good answers down; return when the last of them was asked for."""
    latest = max(asked_at for _, asked_at, _ in landings)
    if tracker.last_good_sent is not None:
        latest = max(latest, tracker.last_good_sent)
    tracker.last_good, tracker.last_good_sent = _at(landings[-1]), latest
    return latest


def _at(landing: _Landing) -> float:
    """Return when an answer came, as evidence of it says."""
    ends_at, asked_at, _ = landing
    return asked_at + (ends_at - asked_at)
