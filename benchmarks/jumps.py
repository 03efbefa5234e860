"""Jumps over time in which nothing can happen.

While every host and every call works and nothing is suspected, a good answer changes
nothing but its time. The requests of such a time are drawn one after the other, with
the random numbers that a home without jumps draws, and the state of host monitor and
detectors is set as they would leave it. A test compares the states with and without
jumps.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush, heapreplace
from operator import itemgetter

from custom_components.keycard.outage.confirmation import RECENT, HealthTracker
from custom_components.keycard.outage.evidence import RequestType
from custom_components.keycard.outage.host_monitor import (
    _MAX_GOOD,
    CALL_INTERVAL,
    HOME_INTERVAL,
    INTERVAL,
    JITTER,
    _HostState,
    home_interval,
)
from custom_components.keycard.outage.models import Status, Subsystem
from custom_components.keycard.outage.vehicle_calls import VehicleCallHealth

from .simulated_home import (
    POLL_JITTER,
    SEND_DELAY,
    Entry,
    Home,
    PendingRequest,
    Poll,
    interval_of,
)
from .simulated_network import LATENCY, OK, Request

_FOREVER = float("inf")
# Calls count as intermittent from six failures on.
_FEW_FAILURES = 5
_POLLED = frozenset({RequestType.CALL, RequestType.DATA})

_ENDS_AT = itemgetter(0)

type _Landing = tuple[float, float, Request]
"""Times of an answer and of its request, and the request."""


@dataclass(kw_only=True, slots=True)
class _Stream:
    """Requests of one kind that follow each other."""

    request: Request
    interval: float
    host: _HostState | None = None
    entry: Entry | None = None
    calls: VehicleCallHealth | None = None
    poll: Poll | None = None
    follows: str | None = None
    """The region whose probes follow these calls."""

    sent: list[tuple[float, float, float, int]] = field(default_factory=list)
    """Times of answer, sending and due date of each request, and its number."""


def jump(home: Home, until: float) -> int:
    """Jump over time in which nothing can happen; return the number of requests.

    A jump ends before the next request that fails by itself, and at `until`.
    """
    if not _is_settled(home):
        return 0
    streams = list(_streams(home))
    count, next_at = _draw(home, streams, until)
    if count:
        _land(home, streams, min(until, next_at))
    return count


# Conditions for a jump


def _is_settled(home: Home) -> bool:
    """Return whether everything works, and nothing is suspected or pending."""
    if (
        not home.undisturbed
        or home.slow
        or (home.noise is not None and not home.noise.left)
    ):
        return False
    return (
        all(map(_is_host_settled, home.host_monitor._hosts.values()))
        and all(
            pending.condition == OK
            and (pending.target is not None or pending.request.kind in _POLLED)
            for _, _, pending in home.flights
        )
        and all(_is_entry_settled(entry) for entry in home.entries)
    )


def _is_host_settled(item: _HostState) -> bool:
    tracker = item.tracker
    if tracker.suspected_at is not None or tracker.down or not tracker.verified:
        return False
    if item.unrelated:
        return not item.failures
    return not item.series and tracker.last_good is not None


def _is_entry_settled(entry: Entry) -> bool:
    detector = entry.detector
    account, calls = detector.account, detector._calls
    assessment = detector.assessment
    return (
        assessment.status is Status.OPERATIONAL
        and not assessment.other_regions
        and assessment.since is None
        and detector._host_suspected_at is None
        and not (detector._internet_was_down or detector._token_refresh.failing)
        and not detector.stale_data._sources
        and not (account._refusals or account.auth_invalid)
        and account.auth_refused_at is None
        and (calls.verified or not entry.account)
        and all(map(_are_calls_settled, calls._calls.values()))
        and all((vehicle or "") in calls._calls for _, vehicle in entry.next_polls)
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


# Requests


def _streams(home: Home) -> Iterator[tuple[float, _Stream]]:
    """Return the streams of requests, each with the time of its next one."""
    for item in home.host_monitor._hosts.values():
        if item.next_at == _FOREVER:
            continue
        own = home.host_monitor.home_regions[item.endpoint.region or ""]
        interval = HOME_INTERVAL if own else INTERVAL
        yield (
            item.next_at,
            _Stream(
                request=home.probe_of(item.endpoint),
                # Unrelated hosts are only probed while something fails.
                interval=0.0 if item.unrelated else interval,
                host=item,
            ),
        )
    for entry in home.entries:
        for poll, at in entry.next_polls.items():
            if entry.wanted(poll):
                request = home.call_of(entry, *poll)
                # A request that was not wanted so far is sent at once.
                yield (
                    max(at, home.monotonic),
                    _Stream(
                        request=request,
                        interval=interval_of(poll),
                        entry=entry,
                        poll=poll,
                        follows=_followed(entry, request),
                    ),
                )
        for vehicle, calls in entry.detector._calls._calls.items():
            if calls.later_calls:
                request = home.call_of(entry, RequestType.CALL, vehicle or None)
                yield (
                    calls.later_calls[0],
                    _Stream(
                        request=request,
                        interval=0.0,
                        entry=entry,
                        calls=calls,
                        follows=_followed(entry, request),
                    ),
                )


def _draw(
    home: Home, streams: list[tuple[float, _Stream]], until: float
) -> tuple[int, float]:
    """Draw all requests; return their number, and the time of the next one.

    The random numbers are drawn as `HostMonitor` and `Home` draw them.
    """
    rand, jitter = home.random.random, home.host_monitor._random.random
    low, spread = LATENCY[0], LATENCY[1] - LATENCY[0]
    first, second = -JITTER, JITTER - -JITTER
    left = _FOREVER if home.noise is None else home.noise.left
    calls = _calls_under_way(home)
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
            if not stream.interval:
                next_at = _FOREVER
            elif stream.interval == HOME_INTERVAL and _is_called(
                stream.host, calls, at
            ):
                called_at = stream.host.called_at
                next_at = at + home_interval(called_at, at, home.host_monitor._random)
            else:
                next_at = at + stream.interval * (1 + (first + second * jitter()))
        elif stream.calls is not None:
            later = stream.calls.later_calls = stream.calls.later_calls[1:]
            next_at = later[0] if later else _FOREVER
        else:
            next_at = at + stream.interval * (1 + POLL_JITTER * rand())
        sent_at = at + SEND_DELAY * rand()
        ends_at = sent_at + (low + spread * rand())
        stream.sent.append((ends_at, sent_at, at, order))
        if stream.follows is not None:
            heappush(calls[stream.follows], (ends_at, sent_at))
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


def _calls_under_way(home: Home) -> dict[str, list[tuple[float, float]]]:
    """Return when the calls that probes follow land and were sent, by region."""
    calls: dict[str, list[tuple[float, float]]] = {
        entry.region: [] for entry in home.entries
    }
    for ends_at, _, pending in home.flights:
        if pending.entry is not None and (
            region := _followed(pending.entry, pending.request)
        ):
            heappush(calls[region], (ends_at, pending.sent_at))
    return calls


def _followed(entry: Entry, request: Request) -> str | None:
    """Return the region whose probes follow a call, None if none do."""
    follows = request.kind is RequestType.CALL and request.vehicle is not None
    return entry.region if follows and not entry.third_party else None


def _is_called(
    host: _HostState, calls: dict[str, list[tuple[float, float]]], at: float
) -> bool:
    """Record the calls that have landed, and return whether one was recent."""
    landed = calls.get(host.endpoint.region or "", [])
    while landed and landed[0][0] <= at:
        host.called_at = max(host.called_at, heappop(landed)[1])
    return at - host.called_at < CALL_INTERVAL


# State after a jump


def _land(home: Home, streams: list[tuple[float, _Stream]], end: float) -> None:
    """Set the state at the end, including requests in progress."""
    by_host: dict[_HostState, list[_Landing]] = {}
    by_calls: dict[tuple[str, str | None], list[_Landing]] = {}
    landed, home.flights = _split(home.flights, end)
    for ends_at, _, pending in landed:
        landing = ends_at, pending.sent_at, pending.request
        if pending.target is not None:
            by_host.setdefault(home.host_monitor._hosts[pending.target], []).append(
                landing
            )
        elif pending.entry is not None:
            by_calls.setdefault(
                (pending.entry.name, pending.request.vehicle), []
            ).append(landing)
            if pending.poll is not None:
                pending.entry.running.discard(pending.poll)
    for _, stream in streams:
        sent = stream.sent
        if not sent:
            continue
        home.monotonic = max(home.monotonic, sent[-1][2])
        if stream.host is not None:
            stream.host.pending += [at for _, _, at, _ in sent]
            stream.host.sent_at = sent[-1][2]
        elif stream.entry is not None:
            stream.entry.calls += len(sent)
            stream.entry.data_calls += (
                len(sent) if stream.request.kind is RequestType.DATA else 0
            )
        while sent and sent[-1][0] > end:
            _take_off(home, stream, sent.pop())
        landings = [(ends_at, sent_at, stream.request) for ends_at, sent_at, *_ in sent]
        if stream.host is not None:
            by_host.setdefault(stream.host, []).extend(landings)
        elif stream.entry is not None:
            key = stream.entry.name, stream.request.vehicle
            by_calls.setdefault(key, []).extend(landings)
    for host, landings in by_host.items():
        home.host_monitor._alert = False
        if landings:
            landings.sort(key=_ENDS_AT)
            _land_probes(host, landings)
            home.monotonic = max(home.monotonic, landings[-1][0])
    for entry in home.entries:
        account_calls = entry.detector._calls
        for vehicle, calls in account_calls._calls.items():
            if landings := by_calls.get((entry.name, vehicle or None), []):
                account_calls._activate(vehicle)
                landings.sort(key=_ENDS_AT)
                _land_calls(calls, landings)
                _record_calls(home, entry, landings)
                home.monotonic = max(home.monotonic, landings[-1][0])
        account_calls._deactivate_quiet()


def _split(
    flights: list[tuple[float, int, PendingRequest]], end: float
) -> tuple[
    list[tuple[float, int, PendingRequest]], list[tuple[float, int, PendingRequest]]
]:
    """Separate answered requests from those in progress at a time."""
    landed = [item for item in flights if item[0] <= end]
    pending_requests = [item for item in flights if item[0] > end]
    heapify(pending_requests)
    return landed, pending_requests


def _take_off(
    home: Home, stream: _Stream, sent: tuple[float, float, float, int]
) -> None:
    ends_at, sent_at, _, order = sent
    pending = PendingRequest(
        request=stream.request,
        sent_at=sent_at,
        ends_at=ends_at,
        target=None if stream.host is None else stream.host.endpoint,
        entry=stream.entry,
        poll=stream.poll,
    )
    heappush(home.flights, (ends_at, order, pending))
    if stream.entry is not None and stream.poll is not None:
        stream.entry.running.add(stream.poll)


def _land_probes(host: _HostState, landings: list[_Landing]) -> None:
    latest = _renew(host.tracker, landings)
    host.pending = [at for at in host.pending if at > latest]
    host.good_sent.extend([sent_at for _, sent_at, _ in landings[-_MAX_GOOD:]])


def _land_calls(calls: VehicleCallHealth, landings: list[_Landing]) -> None:
    model = landings[-1][2].model
    calls.model = model or calls.model
    calls.can_confirm_recovery = landings[-1][2].vehicle is not None
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


def _record_calls(home: Home, entry: Entry, landings: list[_Landing]) -> None:
    sent = [sent_at for _, sent_at, request in landings if _followed(entry, request)]
    if sent:
        home.host_monitor.record_call(entry.region, max(sent))


def _renew(tracker: HealthTracker, landings: list[_Landing]) -> float:
    """Record good answers; return the time of the last request."""
    latest = max(sent_at for _, sent_at, _ in landings)
    if tracker.last_good_sent is not None:
        latest = max(latest, tracker.last_good_sent)
    tracker.last_good, tracker.last_good_sent = _at(landings[-1]), latest
    return latest


def _at(landing: _Landing) -> float:
    """Return the time of an answer as its evidence does."""
    ends_at, sent_at, _ = landing
    return sent_at + (ends_at - sent_at)
