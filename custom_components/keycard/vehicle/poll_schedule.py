"""How often a car's data are worth their price."""

from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import NamedTuple, Self

from .fields import DOORS, PARKED
from .state import ConnectivityState, VehicleState

# Seconds between two asks for the data of a car that is online.
DRIVING = 120.0
CHANGED = 180.0
IDLE = 1200.0
# An old car stays awake while its data are asked for; this is long enough for it to
# fall asleep in between.
LET_SLEEP = 1500.0
CHARGING_LEAST = 120.0
CHARGING_MOST = 900.0

# Percent of the battery that are worth a look.
CHARGE_STEP = 2.0

# Whether a car falls asleep although its data are asked for.
SLEEPS_BY_ITSELF = 2021

# For how long something that changed may go on changing.
UNSETTLED = 300.0
ATTENDED = 900.0

# A car that comes online may be about to leave; but it may as well come and go.
ONLINE_AGAIN = 600.0
# After a command its owner is on the way, or the car is about to show what it did.
AFTER_COMMAND = 30.0

_DOUBLINGS = 4


class IntervalReason(StrEnum):
    """Why a car's data are asked for at a pace, or not at all."""

    AWAY = "away"
    SPENT = "spent"
    DRIVING = "driving"
    CHARGING = "charging"
    CHANGED = "changed"
    LET_SLEEP = "let_sleep"
    IDLE = "idle"


class PollInterval(NamedTuple):
    """Seconds from one ask to the next, infinite where none makes sense, and why."""

    seconds: float
    why: IntervalReason


class Activity(NamedTuple):
    """What goes on with a car, as far as its data tell."""

    driving: bool
    charging: bool
    attended: bool
    """Somebody sits in it, or has opened something."""

    @classmethod
    def of(cls, state: VehicleState) -> Self:
        """Tell what goes on; what nobody told does not."""
        return cls(
            driving=state.shift_state not in (None, PARKED) or bool(state.speed),
            charging=state.charging_state in ("Starting", "Charging"),
            attended=any(getattr(state, name) for name in _ATTENDED_BY),
        )


_ATTENDED_BY = (
    "user_present",
    "front_trunk_open",
    "rear_trunk_open",
    *(f"{place}_door_open" for place in DOORS),
)


def pace(
    state: VehicleState | None,
    *,
    year: int | None,
    quiet: float,
    unchanged_polls: int = 0,
    interval_factor: float = 1.0,
) -> PollInterval:
    """Say how often to ask for the data of a car.

    `quiet` are the seconds since something changed, `fruitless` the asks in a row that
    brought nothing new. `slower` is how much slower money makes it: 1 is not at all,
    infinite that it is spent. Driving is slowed by it, everything else by its square.
    """
    if state is None or state.presence is not ConnectivityState.ONLINE:
        return PollInterval(inf, IntervalReason.AWAY)
    if interval_factor == inf:
        return PollInterval(inf, IntervalReason.SPENT)
    seconds, why = _usual(state, year or state.year, quiet)
    patient = seconds * 2 ** min(unchanged_polls, _DOUBLINGS)
    seconds = max(seconds, min(patient, IDLE))
    return PollInterval(
        seconds
        * (interval_factor if why is IntervalReason.DRIVING else interval_factor**2),
        why,
    )


def _usual(state: VehicleState, year: int | None, quiet: float) -> PollInterval:
    now = Activity.of(state)
    if now.driving:
        return PollInterval(DRIVING, IntervalReason.DRIVING)
    if now.charging:
        return PollInterval(_charging(state), IntervalReason.CHARGING)
    if quiet < (ATTENDED if now.attended else UNSETTLED):
        return PollInterval(CHANGED, IntervalReason.CHANGED)
    sleeps_by_itself = year is not None and year >= SLEEPS_BY_ITSELF
    stays_awake = now.attended or state.sentry_mode or state.climate_on
    if sleeps_by_itself or stays_awake:
        return PollInterval(IDLE, IntervalReason.IDLE)
    return PollInterval(LET_SLEEP, IntervalReason.LET_SLEEP)


def _charging(state: VehicleState) -> float:
    """Return how long the battery takes for a step, or until it should be full."""
    seconds = CHARGING_MOST
    if state.battery_level and state.battery_range and state.charge_rate:
        step = state.battery_range / state.battery_level * CHARGE_STEP
        seconds = step / state.charge_rate * 3600
    if state.minutes_to_full:
        seconds = min(seconds, (state.minutes_to_full + 1) * 60)
    return min(max(seconds, CHARGING_LEAST), CHARGING_MOST)


@dataclass(kw_only=True)
class DataPollSchedule:
    """When the data of one car are asked for next; times are monotonic seconds."""

    asked_at: float = -inf
    _wanted_at: float = field(default=inf, init=False)
    _soon: tuple[float, float] | None = field(default=None, init=False)
    _changed_at: float = field(default=-inf, init=False)
    _unchanged_polls: int = field(default=0, init=False)
    _late: float = field(default=1.0, init=False)
    _away: bool = field(default=False, init=False)
    _activity: Activity | None = field(default=None, init=False)

    def request(self, at: float) -> None:
        """Ask at a time, whatever the pace and the money say: somebody must know."""
        self._wanted_at = min(self._wanted_at, at)

    def wanted(self, now: float) -> bool:
        """Tell whether somebody must know now."""
        return self._wanted_at <= now

    @property
    def stirred(self) -> bool:
        """Tell whether the car has just done something, or come online."""
        return self._soon is not None

    def expect_change(self, now: float) -> None:
        """Ask soon: the car has done what it was told."""
        self._soon = (now + AFTER_COMMAND, CHANGED)

    def asked(self, now: float, *, late: float = 1.0) -> None:
        """Note an ask; the next comes `late` times the pace after it."""
        self.asked_at, self._late = now, late
        self._wanted_at, self._soon = inf, None

    def record_result(self, *, news: bool) -> None:
        """Note whether an ask brought anything new."""
        self._unchanged_polls = 0 if news else self._unchanged_polls + 1

    def due(
        self,
        state: VehicleState | None,
        *,
        year: int | None,
        slower: float = 1.0,
        now: float,
    ) -> float:
        """Say when to ask next, as far as that can be known now."""
        if state is None:
            return inf
        self._follow(state, now)
        found = pace(
            state,
            year=year,
            quiet=now - self._changed_at,
            unchanged_polls=self._unchanged_polls,
            interval_factor=slower,
        )
        if found.why is IntervalReason.AWAY:
            return inf
        at = self.asked_at + found.seconds * self._late
        if self._soon is not None and found.why is not IntervalReason.SPENT:
            soon, least = self._soon
            at = min(at, max(soon, self.asked_at + least * slower))
        return min(at, self._wanted_at)

    def _follow(self, state: VehicleState, now: float) -> None:
        """Notice what has changed since the last look."""
        if state.presence is ConnectivityState.ONLINE:
            if self._away:
                self._soon = self._soon or (now, ONLINE_AGAIN)
            self._away = False
        elif state.presence is not ConnectivityState.UNKNOWN:
            self._away = True
        if state.data_at is None:
            return
        activity = Activity.of(state)
        if self._activity is not None and activity != self._activity:
            self._changed_at = now
        self._activity = activity


# Seconds between two looks at a car that no cloud tells of.
LOOK = 120.0
# A car, or an adapter, that had no time is left alone for longer each time.
LONGEST = 1800.0
# What a command has done shows after a moment.
SOON = 2.0


@dataclass(kw_only=True)
class BluetoothPollSchedule:
    """When one car is asked next; times are monotonic seconds.

    A look at its locks wakes nothing and costs nothing, but it takes a connection. So a
    car is looked at when it comes into range, after commands, and from time to time
    only while no cloud tells of it; its data are asked for at the pace of what goes on
    with it, as over the cloud, for they keep a car awake.
    """

    data: DataPollSchedule = field(default_factory=DataPollSchedule)
    _near: bool = field(default=False, init=False)
    _next_at: float = field(default=inf, init=False)
    _hint_after: float = field(default=-inf, init=False)
    _pause_until: float = field(default=-inf, init=False)
    _failed: int = field(default=0, init=False)
    _wanted: bool = field(default=False, init=False)
    """Whether the data are asked for, whoever else tells of the car."""

    def follow(self, *, near: bool, alone: bool, now: float) -> None:
        """Note whether the car is near, and whether nobody else tells of it."""
        came, self._near = near and not self._near, near
        if came:
            self._failed, self._pause_until = 0, -inf
            self._next_at = min(self._next_at, now)
        if alone:
            self._next_at = min(self._next_at, now + LOOK)

    def request(self, now: float, *, data: bool = False) -> None:
        """Look soon: the car was told something, or somebody asks for its `data`."""
        self._next_at = min(self._next_at, now + SOON)
        if data:
            self._wanted = True
            self.data.request(now)

    def hint(self, now: float) -> None:
        """Look soon: something was broadcast that is not known yet.

        Anybody can broadcast, so this counts once in the time between two looks.
        """
        if now >= self._hint_after:
            self._hint_after = now + LOOK
            self._next_at = min(self._next_at, now + SOON)

    def due(self) -> float:
        """Return when the next look is due, infinite while there is nobody to ask."""
        return max(self._next_at, self._pause_until) if self._near else inf

    def data_due(
        self, state: VehicleState | None, *, year: int | None, alone: bool, now: float
    ) -> bool:
        """Tell whether a look is to bring the data, too, of a car that is awake."""
        wanted = alone or self._wanted
        return wanted and self.data.due(state, year=year, now=now) <= now

    def record_poll(self, now: float, *, heard: bool, alone: bool) -> None:
        """Note a look, and whether the car answered."""
        self._next_at = now + LOOK if alone else inf
        self._wanted = self._wanted and not heard
        self._failed = 0 if heard else self._failed + 1
        if self._failed:
            self._pause_until = now + min(LOOK * 2**self._failed, LONGEST)
            # Whoever came and did not answer is asked again, ever more rarely.
            self._next_at = now
