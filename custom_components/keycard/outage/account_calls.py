"""Health of the API calls of an account."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypedDict

from .account import AccountStatus
from .evidence import Evidence
from .confirmation import RECENT, HealthTracker
from .models import Subsystem
from .vehicle_calls import VehicleCallHealth

# Key of the calls without a vehicle, such as the product list.
_ACCOUNT = ""

_NEVER = float("inf")


class StoredVehicle(TypedDict):
    """Stored data of the calls for a vehicle."""

    model: str | None
    down: list[str]
    flawed: bool


@dataclass(frozen=True, kw_only=True)
class VehicleTally:
    """Vehicles whose calls fail, and whether those of others work or are unknown."""

    failing: frozenset[str]
    fine: bool
    unknown: bool
    sent_since: float
    """The time (monotonic) of the oldest request that counts."""


class AccountCallHealth:
    """Health of each vehicle's calls, or of the account's without vehicles.

    Calls count once one had a good answer in this installation (`verified`). Vehicles
    whose calls just work are kept apart, so that the work for an answer does not grow
    with their number.
    """

    def __init__(self, *, third_party: bool = False) -> None:
        """Initialize without vehicles."""
        self.third_party = third_party
        self.verified = False
        self.counted: Mapping[str, VehicleCallHealth] = {}
        """Calls that are assessed: the vehicles', or the account's without vehicles."""

        self._calls: dict[str, VehicleCallHealth] = {}
        self._active: dict[str, VehicleCallHealth] = {}
        """Calls that can change with time."""

        self._quiet: list[tuple[float, str]] = []
        """All others, by the time of the last request with a good answer."""

    def get_or_create(self, car: str | None) -> VehicleCallHealth:
        """Return the calls for a vehicle, or for the account."""
        key = car or _ACCOUNT
        if key not in self._calls:
            self._calls[key] = VehicleCallHealth(
                can_confirm_recovery=car is not None, third_party=self.third_party
            )
            self._active[key] = self._calls[key]
            self._recount()
        return self._calls[key]

    def forget_vehicle(self, car: str) -> None:
        """Remove a vehicle that left the account."""
        self._activate(car)
        self._active.pop(car, None)
        self._calls.pop(car, None)
        self._recount()

    def _recount(self) -> None:
        cars = {car: calls for car, calls in self._calls.items() if car != _ACCOUNT}
        self.counted = cars or dict(self._calls)

    def _activate(self, key: str) -> None:
        """Let calls change with time."""
        if key in self._calls and key not in self._active:
            calls = self._active[key] = self._calls[key]
            at = bisect_left(self._quiet, (calls.api.last_good_sent or 0.0, key))
            del self._quiet[at]

    def _deactivate_quiet(self) -> None:
        """Set calls aside that just work."""
        for key, calls in list(self._active.items()):
            if key != _ACCOUNT and calls.is_quiet:
                del self._active[key]
                insort(self._quiet, (calls.api.last_good_sent or 0.0, key))

    def _counted_active(self) -> Iterator[tuple[str, VehicleCallHealth]]:
        """Yield the calls that are assessed and can change with time."""
        return (item for item in self._active.items() if item[0] in self.counted)

    # Requests

    def request_now(self, now: float) -> None:
        """Schedule a call for every vehicle now."""
        for key, calls in self.counted.items():
            self._activate(key)
            calls.request_now(now)

    def due(self, now: float) -> list[tuple[str | None, Subsystem]]:
        """Return the calls that are due to settle a suspicion, each once."""
        return [
            (car or None, plane)
            for car, calls in self._active.items()
            for plane in calls.due(now)
        ]

    def next_at(self) -> float:
        """Return when `due` next returns something."""
        return min([calls.next_at() for calls in self._active.values()], default=_NEVER)

    # Evidence

    def observe_vehicle_call(self, evidence: Evidence) -> bool:
        """Update from a call; return whether it starts a suspicion."""
        calls = self.get_or_create(evidence.car)
        self._activate(evidence.car or _ACCOUNT)
        calls.model = evidence.model or calls.model
        begins = calls.observe_answer(evidence)
        calls.can_confirm_recovery = evidence.car is not None
        if not begins:
            self.verified = self.verified or calls.api.last_good is not None
            if calls.trackers[Subsystem.DATA].is_recovering(evidence.at):
                self._ask_data(evidence.at)
            return False
        # Check whether other vehicles are affected.
        self.request_now(evidence.at)
        return True

    def _ask_data(self, now: float) -> None:
        """Request the data of all vehicles with failing data, as one's recovered."""
        for _, calls in self._counted_active():
            track = calls.trackers[Subsystem.DATA]
            if (
                track.down
                and not track.is_recovering(now)
                and calls.next_data_call is None
            ):
                calls.next_data_call = now

    def restart_suspicions(self, now: float, *, silent: bool) -> None:
        """Restart suspicions, if `silent` only those without an HTTP answer."""
        for calls in self._active.values():
            calls.restart_suspicions(now, silent=silent)

    def confirm(self, host: HealthTracker, *, outage: bool) -> None:
        """Confirm failures that lasted long enough.

        Without an `outage`, data and commands that fail only through a third party are
        no evidence against Tesla.
        """
        if not self.verified or not any(
            calls.failing for calls in self._active.values()
        ):
            return
        planes = {Subsystem.API, Subsystem.DATA, Subsystem.COMMANDS}
        if self.third_party and not outage:
            planes -= {Subsystem.DATA}
            if not self._commands_fail_together():
                planes -= {Subsystem.COMMANDS}
        for calls in self._active.values():
            calls.confirm(host, planes=planes)

    def _commands_fail_together(self) -> bool:
        """Return whether commands of several vehicles fail at the same time."""
        tracks = [
            calls.trackers[Subsystem.COMMANDS] for _, calls in self._counted_active()
        ]
        bad = [one.last_bad for one in tracks if one.failing and one.last_bad]
        return len(bad) > 1 and max(bad) - min(bad) <= RECENT

    def update(self, now: float) -> None:
        """Update time-dependent state."""
        for calls in self._active.values():
            calls.expire_commands(now)
            calls.update_intermittent()
        self._deactivate_quiet()

    def release_refused(
        self, account: AccountStatus, now: float, *, since: float
    ) -> None:
        """Reset calls that failed and were then refused.

        `since` is when their host started to answer well; that must be ten minutes ago.
        """
        for car, calls in self._active.items():
            if not calls.api.down:
                continue
            refused = account.refused_at(car or None)
            failed = calls.api.last_bad or since
            if (
                refused is not None
                and refused > failed
                and now - max(failed, since) > RECENT
            ):
                calls.api.reset()

    # State

    def has_evidence(self, now: float) -> bool:
        """Return whether there is evidence since the start."""
        return bool(self._quiet) or any(
            calls.api.last_good is not None or calls.is_working(now, None) is False
            for calls in self._active.values()
        )

    def count(self, now: float, since: float | None) -> VehicleTally:
        """Count the vehicles by health; `since` limits it to later requests."""
        works = {
            car: calls.is_working(now, since) for car, calls in self._counted_active()
        }
        sent_since = now - RECENT if since is None else max(since, now - RECENT)
        quiet = self._quiet
        return VehicleTally(
            failing=frozenset(car for car, fine in works.items() if fine is False),
            fine=any(works.values()) or bool(quiet and quiet[-1][0] >= sent_since),
            unknown=None in works.values() or bool(quiet and quiet[0][0] < sent_since),
            sent_since=sent_since,
        )

    def fine_vehicles(self, count: VehicleTally, now: float) -> frozenset[str]:
        """Return the vehicles that a count found fine."""
        since = count.sent_since
        active = [
            car for car, calls in self._counted_active() if calls.is_working(now, since)
        ]
        quiet = self._quiet[bisect_left(self._quiet, (since, "")) :]
        return frozenset([*active, *(car for _, car in quiet)])

    def is_settling(self, count: VehicleTally, now: float) -> bool:
        """Return whether vehicles are just failing or recovering one by one."""
        return any(
            calls.api.suspected_at is not None
            and calls.is_working(now, count.sent_since)
            for _, calls in self._counted_active()
        ) or all(self._calls[car].api.is_recovering(now) for car in count.failing)

    @property
    def degraded(self) -> bool:
        """Return whether any subsystem is down or fails intermittently."""
        return any(calls.degraded for _, calls in self._counted_active())

    def down(self, plane: Subsystem) -> frozenset[str]:
        """Return the vehicles for which a subsystem is down."""
        return frozenset(
            car for car, calls in self._counted_active() if calls.trackers[plane].down
        )

    def unaffected(self, hit: frozenset[str]) -> frozenset[str]:
        """Return the vehicles that work while others are affected.

        Data are polled rarely, so only data since the others became stale count.
        """
        down = [
            self._calls[car].trackers[Subsystem.DATA]
            for car in self.down(Subsystem.DATA)
        ]
        since = min((track.started_at or 0.0 for track in down), default=None)
        return frozenset(
            car
            for car, calls in self.counted.items()
            if car not in hit
            and (
                since is None
                or (calls.trackers[Subsystem.DATA].last_good_sent or since) > since
            )
        )

    def is_recovering(self, hit: frozenset[str], now: float) -> bool:
        """Return whether all failing subsystems have begun to recover."""
        tracks = [track for car in hit for track in self._calls[car].trackers.values()]
        return all(track.is_recovering(now) for track in tracks if track.down)

    def intermittent(self) -> frozenset[str]:
        """Return the vehicles whose calls fail intermittently."""
        return frozenset(
            car for car, calls in self._counted_active() if calls.intermittent
        )

    def models(self, cars: Iterable[str]) -> frozenset[str | None]:
        """Return the models of vehicles, None for an unknown one."""
        return frozenset(self._calls[car].model for car in cars)

    def started_at(self) -> float | None:
        """Return the earliest start of current failures, None if unknown."""
        began = [
            track.started_at
            for _, calls in self._counted_active()
            for track in calls.trackers.values()
            if track.down
        ]
        return min((at for at in began if at is not None), default=None)

    def awaits_recovery_proof(self, now: float) -> bool:
        """Return whether an end of the outage awaits proof from a vehicle's data."""
        return any(
            car != _ACCOUNT
            and calls.recovery_proof_until is not None
            and now < calls.recovery_proof_until
            for car, calls in self._counted_active()
        )

    # Storage

    def dump_vehicles(self) -> dict[str, StoredVehicle]:
        """Return the data to store."""
        return {
            car: StoredVehicle(
                model=calls.model,
                down=[plane for plane, track in calls.trackers.items() if track.down],
                flawed=calls.intermittent,
            )
            for car, calls in self._calls.items()
        }

    def restore_vehicles(self, stored: dict[str, StoredVehicle]) -> None:
        """Restore stored data."""
        for car, kept in stored.items():
            calls = self.get_or_create(car or None)
            self._activate(car)
            calls.model = kept["model"]
            calls.intermittent = kept["flawed"]
            for plane in kept["down"]:
                calls.trackers[Subsystem(plane)].down = True
