"""When a vehicle is polled over the cloud or Bluetooth."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil, inf
from typing import NamedTuple, Self

from .api_field import DOORS, PARKED
from .state import ConnectivityState, VehicleState

# Seconds between two requests of the product list, and of whether a vehicle is online.
# The latter is not billed and does not wake a sleeping vehicle.
PRODUCTS_INTERVAL = 600.0
SUMMARY_INTERVAL = 60.0

# The summaries of more vehicles are read from the product list, in one request. It does
# not tell whether the requests for a vehicle work, so each vehicle still has a turn
# within so many seconds, and each model one in each summary interval.
MAX_SINGLE_SUMMARIES = 5
TURN_INTERVAL = 450.0

# Seconds between two polls of the data of an online vehicle that is not in use.
IDLE_INTERVAL = 1200.0
# Polling keeps an older vehicle awake; in this time it falls asleep.
LET_SLEEP_INTERVAL = 1500.0

# From this model year on, vehicles fall asleep while they are polled.
FIRST_YEAR_SLEEPING_WHILE_POLLED = 2021

# Further changes are likely for so long after a change, and while in use.
CHANGED_FOR = 300.0
IN_USE_FOR = 900.0

# A vehicle has parked within this time after the arrival that its navigation predicts.
AFTER_ARRIVAL = 60.0

# A vehicle that comes online may be about to leave, but may also do so repeatedly.
MIN_INTERVAL_AFTER_ONLINE = 600.0
# A command shows its effect, or its user arrives, after so long.
DELAY_AFTER_COMMAND = 30.0
MIN_INTERVAL_AFTER_COMMAND = 180.0

_MAX_DOUBLINGS = 4

# Seconds until failed data are requested again, growing as long as they fail.
RETRY_DELAY = 180.0


class Pace(StrEnum):
    """Pace of data polls, as chosen by the user."""

    FRESHER = "fresher"
    BALANCED = "balanced"
    CHEAPER = "cheaper"


DEFAULT_PACE = Pace.BALANCED


@dataclass(frozen=True, kw_only=True)
class PaceIntervals:
    """Seconds between two polls of the data of an online vehicle.

    While driving, they are shorter than the quarter of an hour in which a parked
    vehicle falls asleep, so that its place is known.
    """

    departed: float
    """After the first poll that shows the vehicle driving."""

    driving: float
    min_charging: float
    max_charging: float

    charge_step: float
    """Battery percent charged between two polls."""

    changed: float
    """After a change, and while in use."""

    only_if_not_left: bool
    """No such poll if the vehicle is locked with nobody in it."""

    awake: float
    """While something keeps the parked vehicle awake, such as sentry mode."""


INTERVALS: Mapping[Pace, PaceIntervals] = {
    Pace.FRESHER: PaceIntervals(
        departed=120.0,
        driving=120.0,
        min_charging=120.0,
        max_charging=900.0,
        charge_step=2.0,
        changed=180.0,
        only_if_not_left=False,
        awake=600.0,
    ),
    Pace.BALANCED: PaceIntervals(
        departed=360.0,
        driving=540.0,
        min_charging=300.0,
        max_charging=1200.0,
        charge_step=10.0,
        changed=240.0,
        only_if_not_left=True,
        awake=900.0,
    ),
    Pace.CHEAPER: PaceIntervals(
        departed=600.0,
        driving=600.0,
        min_charging=600.0,
        max_charging=1500.0,
        charge_step=20.0,
        changed=600.0,
        only_if_not_left=True,
        awake=1500.0,
    ),
}


class IntervalReason(StrEnum):
    """Reason for an interval between polls."""

    NOT_ONLINE = "away"
    BUDGET_SPENT = "spent"
    DRIVING = "driving"
    CHARGING = "charging"
    CHANGED = "changed"
    LET_SLEEP = "let_sleep"
    IDLE = "idle"


class PollInterval(NamedTuple):
    """Seconds between polls (infinite for no polls) and the reason."""

    seconds: float
    reason: IntervalReason


class Activity(NamedTuple):
    """Reported activity of a vehicle."""

    driving: bool
    charging: bool
    in_use: bool
    """Whether a user is present, or a door or trunk is open."""

    @classmethod
    def from_state(cls, state: VehicleState) -> Self:
        """Derive the activity; unknown fields count as inactive."""
        return cls(
            driving=state.shift_state not in (None, PARKED) or bool(state.speed),
            charging=state.charging_state in ("Starting", "Charging"),
            in_use=any(getattr(state, name) for name in _FIELDS_OF_USE),
        )


_FIELDS_OF_USE = (
    "user_present",
    "front_trunk_open",
    "rear_trunk_open",
    *(f"{place}_door_open" for place in DOORS),
)


def poll_interval(
    state: VehicleState | None,
    *,
    pace: Pace,
    year: int | None,
    unchanged_for: float,
    departed: bool = False,
    unchanged_polls: int = 0,
    interval_factor: float = 1.0,
    activity: Activity | None = None,
) -> PollInterval:
    """Return how often to poll the data of a vehicle.

    `unchanged_for` are the seconds since the last change, `departed` is whether only
    the last poll showed the vehicle driving, `unchanged_polls` the consecutive polls
    without new data. `interval_factor` stretches the interval to save budget: 1 for not
    at all, infinite if the budget is spent. The interval while driving is multiplied by
    it, all others by its square. Without an `activity`, it is derived from the state.
    """
    if state is None or state.presence is not ConnectivityState.ONLINE:
        return PollInterval(inf, IntervalReason.NOT_ONLINE)
    if interval_factor == inf:
        return PollInterval(inf, IntervalReason.BUDGET_SPENT)
    intervals = INTERVALS[pace]
    activity = activity or Activity.from_state(state)
    if activity.driving:
        seconds = _driving_interval(state, intervals, departed=departed)
        reason = IntervalReason.DRIVING
    elif activity.charging:
        seconds = _charging_interval(state, intervals)
        reason = IntervalReason.CHARGING
    elif _may_change(state, activity, intervals, unchanged_for):
        seconds, reason = intervals.changed, IntervalReason.CHANGED
    else:
        seconds, reason = _idle_interval(state, activity, intervals, year or state.year)
    doubled = seconds * 2 ** min(unchanged_polls, _MAX_DOUBLINGS)
    seconds = max(seconds, min(doubled, IDLE_INTERVAL))
    return PollInterval(
        seconds
        * (interval_factor if reason is IntervalReason.DRIVING else interval_factor**2),
        reason,
    )


def _driving_interval(
    state: VehicleState, intervals: PaceIntervals, *, departed: bool
) -> float:
    """Return the seconds until the drive has changed, or its end is predicted."""
    seconds = intervals.departed if departed else intervals.driving
    if state.route_destination and state.route_time is not None:
        arrival = state.route_time * 60 + AFTER_ARRIVAL
        seconds = min(seconds, max(arrival, INTERVALS[Pace.FRESHER].driving))
    return seconds


def _charging_interval(state: VehicleState, intervals: PaceIntervals) -> float:
    """Return the seconds until the battery gains a step or should be full."""
    seconds = intervals.max_charging
    if state.battery_level and state.battery_range and state.charge_rate:
        step = state.battery_range / state.battery_level * intervals.charge_step
        seconds = step / state.charge_rate * 3600
    if state.minutes_to_full:
        seconds = min(seconds, (state.minutes_to_full + 1) * 60)
    return min(max(seconds, intervals.min_charging), intervals.max_charging)


def _may_change(
    state: VehicleState,
    activity: Activity,
    intervals: PaceIntervals,
    unchanged_for: float,
) -> bool:
    """Return whether the state of a parked vehicle is likely to change again."""
    if activity.in_use:
        return unchanged_for < IN_USE_FOR
    is_left = state.locked is not False
    return unchanged_for < CHANGED_FOR and not (intervals.only_if_not_left and is_left)


def _idle_interval(
    state: VehicleState, activity: Activity, intervals: PaceIntervals, year: int | None
) -> PollInterval:
    if activity.in_use or state.sentry_mode or state.climate_on:
        return PollInterval(intervals.awake, IntervalReason.IDLE)
    if year is not None and year >= FIRST_YEAR_SLEEPING_WHILE_POLLED:
        return PollInterval(IDLE_INTERVAL, IntervalReason.IDLE)
    return PollInterval(LET_SLEEP_INTERVAL, IntervalReason.LET_SLEEP)


def next_turns(
    models: Mapping[str, str], due_at: Mapping[str, float], monotonic: float
) -> list[str]:
    """Return the vehicles to request one by one in the next summary interval.

    `models`, and when the turn of each vehicle is due at the latest, are by vehicle.
    There are as few as possible, as other requests may come before a turn is due, but
    never more in one interval than if the turns were spread evenly.
    """
    by_model: defaultdict[str, list[str]] = defaultdict(list)
    for vin in sorted(models, key=due_at.__getitem__):
        by_model[models[vin]].append(vin)
    turns: list[str] = []
    for vins in by_model.values():
        most = ceil(len(vins) * SUMMARY_INTERVAL / TURN_INTERVAL)
        needed = 1
        for number, vin in enumerate(vins, 1):
            later = max(0.0, due_at[vin] - monotonic) // SUMMARY_INTERVAL
            if later == inf:
                break
            needed = max(needed, number - most * int(later))
        turns += vins[: min(needed, most)]
    return turns


def turn_due_at(requested_at: float, data_due_at: float) -> float:
    """Return when a vehicle must be requested by itself at the latest.

    The last such request was at `requested_at`; data that are due until then count as
    another one.
    """
    due_at = requested_at + TURN_INTERVAL
    return data_due_at + TURN_INTERVAL if data_due_at <= due_at else due_at


@dataclass(kw_only=True)
class DataPollSchedule:
    """Schedule of data polls of one vehicle; times are monotonic seconds."""

    polled_at: float = -inf
    _requested_at: float = field(default=inf, init=False)
    _early_poll: tuple[float, float] | None = field(default=None, init=False)
    _changed_at: float = field(default=-inf, init=False)
    _polls_since_change: int = field(default=1, init=False)
    _unchanged_polls: int = field(default=0, init=False)
    _failing_since: float | None = field(default=None, init=False)
    _jitter: float = field(default=1.0, init=False)
    _is_away: bool = field(default=False, init=False)
    _activity: Activity | None = field(default=None, init=False)
    _derived: tuple[VehicleState, Activity] | None = field(default=None, init=False)
    """The last state and the activity that was derived from it."""

    def request(self, at: float) -> None:
        """Request a poll at a time, regardless of interval and budget."""
        self._requested_at = min(self._requested_at, at)

    def is_requested(self, monotonic: float) -> bool:
        """Return whether a requested poll is due."""
        return self._requested_at <= monotonic

    @property
    def expects_change(self) -> bool:
        """Return whether an early poll is planned after a command or coming online."""
        return self._early_poll is not None

    def expect_change(self, monotonic: float) -> None:
        """Plan an early poll after a command."""
        self._early_poll = (monotonic + DELAY_AFTER_COMMAND, MIN_INTERVAL_AFTER_COMMAND)

    def record_poll(self, monotonic: float, *, jitter: float = 1.0) -> None:
        """Record a poll; `jitter` multiplies the interval until the next one."""
        self.polled_at, self._jitter = monotonic, jitter
        self._requested_at, self._early_poll = inf, None
        self._polls_since_change += 1

    def record_result(
        self, *, is_new: bool | None, failed: bool = False, requested: bool = False
    ) -> None:
        """Record whether a poll returned new data; `is_new` is None without data.

        One that `failed` is retried; it stays `requested` if it was.
        """
        if is_new is not None:
            self._unchanged_polls = 0 if is_new else self._unchanged_polls + 1
        if not failed:
            self._failing_since = None
            return
        if self._failing_since is None:
            self._failing_since = self.polled_at
        if requested:
            self.request(self.polled_at + self._retry_delay(self._failing_since))

    def _retry_delay(self, failing_since: float) -> float:
        return max(RETRY_DELAY, self.polled_at - failing_since)

    def next_poll_at(
        self,
        state: VehicleState | None,
        *,
        pace: Pace,
        year: int | None,
        interval_factor: float = 1.0,
        monotonic: float,
    ) -> float:
        """Return when to poll next, infinite for not at all."""
        if state is None:
            return inf
        self._update_state(state, monotonic)
        interval = poll_interval(
            state,
            pace=pace,
            year=year,
            unchanged_for=monotonic - self._changed_at,
            departed=self._polls_since_change == 0,
            unchanged_polls=self._unchanged_polls,
            interval_factor=interval_factor,
            activity=self._activity_of(state),
        )
        if interval.reason is IntervalReason.NOT_ONLINE:
            return inf
        seconds = interval.seconds
        if self._failing_since is not None and seconds < inf:
            delay = self._retry_delay(self._failing_since)
            seconds = min(seconds, delay * interval_factor**2)
        next_at = self.polled_at + seconds * self._jitter
        if (
            self._early_poll is not None
            and interval.reason is not IntervalReason.BUDGET_SPENT
        ):
            earliest, min_interval = self._early_poll
            next_at = min(
                next_at, max(earliest, self.polled_at + min_interval * interval_factor)
            )
        return min(next_at, self._requested_at)

    def _activity_of(self, state: VehicleState) -> Activity:
        if self._derived is None or self._derived[0] is not state:
            self._derived = state, Activity.from_state(state)
        return self._derived[1]

    def _update_state(self, state: VehicleState, monotonic: float) -> None:
        """Update online state and activity."""
        if state.presence is ConnectivityState.ONLINE:
            if self._is_away:
                self._early_poll = self._early_poll or (
                    monotonic,
                    MIN_INTERVAL_AFTER_ONLINE,
                )
            self._is_away = False
        elif state.presence is not ConnectivityState.UNKNOWN:
            self._is_away = True
        if state.data_at is None:
            return
        activity = self._activity_of(state)
        if self._activity is not None and activity != self._activity:
            self._changed_at, self._polls_since_change = monotonic, 0
        self._activity = activity


# Seconds between two polls of a vehicle while the cloud is unavailable.
BLUETOOTH_INTERVAL = 120.0
# The delay after a failed poll doubles up to this.
MAX_RETRY_DELAY = 1800.0
# A command shows its effect after so long.
BLUETOOTH_DELAY = 2.0


@dataclass(kw_only=True)
class BluetoothPollSchedule:
    """Schedule of Bluetooth polls of one vehicle; times are monotonic seconds.

    A poll of the status wakes nothing, but takes a connection: it is due when the
    vehicle comes into range, after commands, and regularly only while the cloud is
    unavailable. Data keep a vehicle awake, so they follow the intervals of the cloud
    for polls that are not billed.
    """

    data: DataPollSchedule = field(default_factory=DataPollSchedule)
    _in_range: bool = field(default=False, init=False)
    _next_at: float = field(default=inf, init=False)
    _hint_after: float = field(default=-inf, init=False)
    _pause_until: float = field(default=-inf, init=False)
    _failures: int = field(default=0, init=False)
    _data_requested: bool = field(default=False, init=False)
    """Whether data were requested although the cloud is available."""

    def update_reachability(
        self, *, in_range: bool, cloud_unavailable: bool, monotonic: float
    ) -> None:
        """Update whether the vehicle is in range and the cloud unavailable."""
        came_into_range, self._in_range = in_range and not self._in_range, in_range
        if came_into_range:
            self._failures, self._pause_until = 0, -inf
            self._next_at = min(self._next_at, monotonic)
        if cloud_unavailable:
            self._next_at = min(self._next_at, monotonic + BLUETOOTH_INTERVAL)

    def request(self, monotonic: float, *, data: bool = False) -> None:
        """Request a poll soon, optionally with `data`."""
        self._next_at = min(self._next_at, monotonic + BLUETOOTH_DELAY)
        if data:
            self._data_requested = True
            self.data.request(monotonic)

    def record_broadcast(self, monotonic: float) -> None:
        """Plan a poll soon after a broadcast with a new value.

        Any device can broadcast, so this counts once per interval.
        """
        if monotonic >= self._hint_after:
            self._hint_after = monotonic + BLUETOOTH_INTERVAL
            self._next_at = min(self._next_at, monotonic + BLUETOOTH_DELAY)

    def next_poll_at(self) -> float:
        """Return when to poll next, infinite while the vehicle is out of range."""
        return max(self._next_at, self._pause_until) if self._in_range else inf

    def is_data_due(
        self,
        state: VehicleState | None,
        *,
        year: int | None,
        cloud_unavailable: bool,
        monotonic: float,
    ) -> bool:
        """Return whether a poll of an awake vehicle should include its data."""
        needed = cloud_unavailable or self._data_requested
        due_at = self.data.next_poll_at(
            state, pace=Pace.FRESHER, year=year, monotonic=monotonic
        )
        return needed and due_at <= monotonic

    def record_poll(
        self, monotonic: float, *, answered: bool, cloud_unavailable: bool
    ) -> None:
        """Record a poll, and whether the vehicle answered."""
        self._next_at = monotonic + BLUETOOTH_INTERVAL if cloud_unavailable else inf
        self._data_requested = self._data_requested and not answered
        self._failures = 0 if answered else self._failures + 1
        if self._failures:
            self._pause_until = monotonic + min(
                BLUETOOTH_INTERVAL * 2**self._failures, MAX_RETRY_DELAY
            )
            # Retry until it answers, with growing delays.
            self._next_at = monotonic
