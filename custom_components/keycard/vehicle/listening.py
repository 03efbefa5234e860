"""How often a car is asked for its state over Bluetooth."""

from dataclasses import dataclass, field
from math import inf

from .pace import Rhythm
from .state import CarState

# Seconds between two looks at a car that no cloud tells of.
LOOK = 120.0
# A car, or an adapter, that had no time is left alone for longer each time.
LONGEST = 1800.0
# What a command has done shows after a moment.
SOON = 2.0


@dataclass(kw_only=True)
class Listening:
    """When one car is asked next; times are monotonic seconds.

    A look at its locks wakes nothing and costs nothing, but it takes a connection. So a
    car is looked at when it comes into range, after commands, and from time to time
    only while no cloud tells of it; its data are asked for at the pace of what goes on
    with it, as over the cloud, for they keep a car awake.
    """

    data: Rhythm = field(default_factory=Rhythm)
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

    def want(self, now: float, *, data: bool = False) -> None:
        """Look soon: the car was told something, or somebody asks for its `data`."""
        self._next_at = min(self._next_at, now + SOON)
        if data:
            self._wanted = True
            self.data.want(now)

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
        self, state: CarState | None, *, year: int | None, alone: bool, now: float
    ) -> bool:
        """Tell whether a look is to bring the data, too, of a car that is awake."""
        wanted = alone or self._wanted
        return wanted and self.data.due(state, year=year, now=now) <= now

    def looked(self, now: float, *, heard: bool, alone: bool) -> None:
        """Note a look, and whether the car answered."""
        self._next_at = now + LOOK if alone else inf
        self._wanted = self._wanted and not heard
        self._failed = 0 if heard else self._failed + 1
        if self._failed:
            self._pause_until = now + min(LOOK * 2**self._failed, LONGEST)
            # Whoever came and did not answer is asked again, ever more rarely.
            self._next_at = now
