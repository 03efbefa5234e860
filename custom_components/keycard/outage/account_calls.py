"""Health of the API calls of an account."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypedDict

from .account import AccountStatus
from .confirmation import RECENT, HealthTracker
from .evidence import Evidence
from .models import Subsystem
from .vehicle_calls import SERIES, VehicleCallHealth

# Key of the calls without a vehicle, such as the product list.
_ACCOUNT = ""

# At a vehicle's first failure the others are called, too: suspicions that begin within
# so many seconds belong together. A call may take ten of them.
_TOGETHER = 15.0

# Seconds in which a suspicion of a vehicle is confirmed, if it is.
_CONFIRMED_WITHIN = SERIES[-1] + 11.0

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

    def get_or_create(self, vehicle_id: str | None) -> VehicleCallHealth:
        """Return the calls for a vehicle, or for the account."""
        key = vehicle_id or _ACCOUNT
        if key not in self._calls:
            self._calls[key] = VehicleCallHealth(
                can_confirm_recovery=vehicle_id is not None,
                third_party=self.third_party,
            )
            self._active[key] = self._calls[key]
            self._recount()
        return self._calls[key]

    def forget_vehicle(self, vehicle_id: str) -> None:
        """Remove a vehicle that left the account."""
        self._activate(vehicle_id)
        self._active.pop(vehicle_id, None)
        self._calls.pop(vehicle_id, None)
        self._recount()

    def _recount(self) -> None:
        vehicles = {
            vehicle_id: calls
            for vehicle_id, calls in self._calls.items()
            if vehicle_id != _ACCOUNT
        }
        self.counted = vehicles or dict(self._calls)

    def _activate(self, key: str) -> None:
        """Mark calls as active, so that they change with time."""
        if key in self._calls and key not in self._active:
            calls = self._active[key] = self._calls[key]
            at = bisect_left(self._quiet, (calls.api.last_good_sent or 0.0, key))
            del self._quiet[at]

    def _deactivate_quiet(self) -> None:
        """Mark calls without any failure as quiet."""
        for key, calls in list(self._active.items()):
            if key != _ACCOUNT and calls.is_quiet:
                del self._active[key]
                insort(self._quiet, (calls.api.last_good_sent or 0.0, key))

    def _counted_active(self) -> Iterator[tuple[str, VehicleCallHealth]]:
        """Yield the calls that are assessed and can change with time."""
        return (item for item in self._active.items() if item[0] in self.counted)

    # Requests

    def request_now(self, monotonic: float) -> None:
        """Schedule a call for every vehicle now."""
        for key, calls in self.counted.items():
            self._activate(key)
            calls.request_now(monotonic)

    def due(self, monotonic: float) -> list[tuple[str | None, Subsystem]]:
        """Return the calls that are due to settle a suspicion, each once."""
        return [
            (vehicle_id or None, subsystem)
            for vehicle_id, calls in self._active.items()
            for subsystem in calls.due(monotonic)
        ]

    def next_at(self) -> float:
        """Return when `due` next returns something."""
        return min([calls.next_at() for calls in self._active.values()], default=_NEVER)

    # Evidence

    def observe_vehicle_call(self, evidence: Evidence) -> bool:
        """Update from a call; return whether it starts a suspicion."""
        calls = self.get_or_create(evidence.vehicle_id)
        self._activate(evidence.vehicle_id or _ACCOUNT)
        calls.model = evidence.model or calls.model
        begins = calls.observe_answer(evidence)
        calls.can_confirm_recovery = evidence.vehicle_id is not None
        if not begins:
            self.verified = self.verified or calls.api.last_good is not None
            if calls.trackers[Subsystem.DATA].is_recovering(evidence.at):
                self._request_data(evidence.at)
            return False
        # Check whether other vehicles are affected.
        self.request_now(evidence.at)
        return True

    def _request_data(self, monotonic: float) -> None:
        """Request the data of all vehicles with failing data, as one's recovered."""
        for _, calls in self._counted_active():
            track = calls.trackers[Subsystem.DATA]
            if (
                track.down
                and not track.is_recovering(monotonic)
                and calls.next_data_call is None
            ):
                calls.next_data_call = monotonic

    def restart_suspicions(self, monotonic: float, *, silent: bool) -> None:
        """Restart suspicions, if `silent` only those without an HTTP answer."""
        for calls in self._active.values():
            calls.restart_suspicions(monotonic, silent=silent)

    def confirm(self, host: HealthTracker, *, outage: bool) -> None:
        """Confirm failures that lasted long enough.

        Without an `outage`, data and commands that fail only through a third party are
        no evidence against Tesla.
        """
        if not self.verified or not any(
            calls.failing for calls in self._active.values()
        ):
            return
        subsystems = {Subsystem.API, Subsystem.DATA, Subsystem.COMMANDS}
        if self.third_party and not outage:
            subsystems -= {Subsystem.DATA}
            if not self._commands_fail_together():
                subsystems -= {Subsystem.COMMANDS}
        for calls in self._active.values():
            calls.confirm(host, subsystems=subsystems)

    def _commands_fail_together(self) -> bool:
        """Return whether commands of several vehicles fail at the same time."""
        tracks = [
            calls.trackers[Subsystem.COMMANDS] for _, calls in self._counted_active()
        ]
        bad = [one.last_bad for one in tracks if one.failing and one.last_bad]
        return len(bad) > 1 and max(bad) - min(bad) <= RECENT

    def update(self, monotonic: float) -> None:
        """Update time-dependent state."""
        for calls in self._active.values():
            calls.expire_commands(monotonic)
            calls.update_intermittent()
        self._deactivate_quiet()

    def release_refused(
        self, account: AccountStatus, monotonic: float, *, since: float
    ) -> None:
        """Reset calls that failed and were then refused.

        `since` is when their host started to answer well; that must be ten minutes ago.
        """
        for vehicle_id, calls in self._active.items():
            if not calls.api.down:
                continue
            refused = account.refused_at(vehicle_id or None)
            failed = calls.api.last_bad or since
            if (
                refused is not None
                and refused > failed
                and monotonic - max(failed, since) > RECENT
            ):
                calls.api.reset()

    # State

    def is_steady(self, vehicle_id: str) -> bool:
        """Return whether the calls for a vehicle work, and none failed recently."""
        calls = self._calls.get(vehicle_id)
        return calls is not None and calls.is_steady

    def has_evidence(self, monotonic: float) -> bool:
        """Return whether there is evidence since the start."""
        return bool(self._quiet) or any(
            calls.api.last_good is not None
            or calls.is_working(monotonic, None) is False
            for calls in self._active.values()
        )

    def count(self, monotonic: float, since: float | None) -> VehicleTally:
        """Count the vehicles by health; `since` limits it to later requests."""
        works = {
            vehicle_id: calls.is_working(monotonic, since)
            for vehicle_id, calls in self._counted_active()
        }
        sent_since = (
            monotonic - RECENT if since is None else max(since, monotonic - RECENT)
        )
        quiet = self._quiet
        return VehicleTally(
            failing=frozenset(
                vehicle_id for vehicle_id, fine in works.items() if fine is False
            ),
            fine=any(works.values()) or bool(quiet and quiet[-1][0] >= sent_since),
            unknown=None in works.values() or bool(quiet and quiet[0][0] < sent_since),
            sent_since=sent_since,
        )

    def working_vehicles(
        self, monotonic: float, since: float | None = None
    ) -> frozenset[str]:
        """Return the vehicles whose calls work; `since` limits it to later requests."""
        since = monotonic - RECENT if since is None else since
        active = [
            vehicle_id
            for vehicle_id, calls in self._counted_active()
            if calls.is_working(monotonic, since)
        ]
        quiet = self._quiet[bisect_left(self._quiet, (since, "")) :]
        return frozenset([*active, *(vehicle_id for _, vehicle_id in quiet)])

    def is_settling(
        self, count: VehicleTally, known: frozenset[str], monotonic: float
    ) -> bool:
        """Return whether vehicles are just failing or recovering one by one.

        `known` are the vehicles that are assessed as failing already.
        """
        starts = [self._calls[one].api.started_at for one in count.failing - known]
        first = min((at for at in starts if at is not None), default=-_NEVER)
        return any(
            calls.api.suspected_at is not None
            and (
                calls.is_working(monotonic, count.sent_since)
                or (
                    calls.api.suspected_at - first <= _TOGETHER
                    and monotonic - calls.api.suspected_at <= _CONFIRMED_WITHIN
                )
            )
            for _, calls in self._counted_active()
        ) or all(
            self._calls[vehicle_id].api.is_recovering(monotonic)
            for vehicle_id in count.failing
        )

    @property
    def degraded(self) -> bool:
        """Return whether any subsystem is down or fails intermittently."""
        return any(calls.degraded for _, calls in self._counted_active())

    def down(self, subsystem: Subsystem) -> frozenset[str]:
        """Return the vehicles for which a subsystem is down."""
        return frozenset(
            vehicle_id
            for vehicle_id, calls in self._counted_active()
            if calls.trackers[subsystem].down
        )

    def unaffected(self, hit: frozenset[str]) -> frozenset[str]:
        """Return the vehicles that work while others are affected.

        Data are polled rarely, so only data since the others became stale count.
        """
        down = [
            self._calls[vehicle_id].trackers[Subsystem.DATA]
            for vehicle_id in self.down(Subsystem.DATA)
        ]
        since = min((track.started_at or 0.0 for track in down), default=None)
        return frozenset(
            vehicle_id
            for vehicle_id, calls in self.counted.items()
            if vehicle_id not in hit
            and (
                since is None
                or (calls.trackers[Subsystem.DATA].last_good_sent or since) > since
            )
        )

    def is_recovering(self, hit: frozenset[str], monotonic: float) -> bool:
        """Return whether all failing subsystems have begun to recover."""
        tracks = [
            track
            for vehicle_id in hit
            for track in self._calls[vehicle_id].trackers.values()
        ]
        return all(track.is_recovering(monotonic) for track in tracks if track.down)

    def intermittent(self) -> frozenset[str]:
        """Return the vehicles whose calls fail intermittently."""
        return frozenset(
            vehicle_id
            for vehicle_id, calls in self._counted_active()
            if calls.intermittent
        )

    def models(self, vehicle_ids: Iterable[str]) -> frozenset[str | None]:
        """Return the models of vehicles, None for an unknown one."""
        return frozenset(self._calls[vehicle_id].model for vehicle_id in vehicle_ids)

    def started_at(self) -> float | None:
        """Return the earliest start of current failures, None if unknown."""
        began = [
            track.started_at
            for _, calls in self._counted_active()
            for track in calls.trackers.values()
            if track.down
        ]
        return min((at for at in began if at is not None), default=None)

    def awaits_recovery_proof(self, monotonic: float) -> bool:
        """Return whether an end of the outage awaits proof from a vehicle's data."""
        return any(
            vehicle_id != _ACCOUNT
            and calls.recovery_proof_until is not None
            and monotonic < calls.recovery_proof_until
            for vehicle_id, calls in self._counted_active()
        )

    # Storage

    def dump_vehicles(self) -> dict[str, StoredVehicle]:
        """Return the data to store."""
        return {
            vehicle_id: StoredVehicle(
                model=calls.model,
                down=[
                    subsystem
                    for subsystem, track in calls.trackers.items()
                    if track.down
                ],
                flawed=calls.intermittent,
            )
            for vehicle_id, calls in self._calls.items()
        }

    def restore_vehicles(
        self, stored: dict[str, StoredVehicle], monotonic: float
    ) -> None:
        """Restore stored data, and schedule calls that show whether data still fail."""
        for vehicle_id, vehicle_data in stored.items():
            calls = self.get_or_create(vehicle_id or None)
            self._activate(vehicle_id)
            calls.model = vehicle_data["model"]
            calls.intermittent = vehicle_data["flawed"]
            for subsystem in vehicle_data["down"]:
                calls.trackers[Subsystem(subsystem)].down = True
            if calls.trackers[Subsystem.DATA].down and not self.third_party:
                calls.next_data_call = monotonic
