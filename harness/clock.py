"""A clock that runs at its usual pace and can be moved by an offset.

The clocks are left running, so real sockets work; a jump makes timers fall due. The
offset of the wall clock is kept apart from the monotonic one: a story can begin in
the past, and somebody can set the clock of the house.
"""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
import time
from typing import Self, override


class OffsetClock:
    """Wall and monotonic time, each with an offset of its own in seconds."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self.wall_offset = 0.0
        self.monotonic_offset = 0.0
        self.wrong_by = 0.0

    def time(self) -> float:
        """Return the seconds since the epoch that the clock of the house shows."""
        return self.true_time() + self.wrong_by

    def true_time(self) -> float:
        """Return the seconds since the epoch for all who are not of the house."""
        return self._wall() + self.wall_offset

    def monotonic(self) -> float:
        """Return the monotonic seconds, as the story sees them."""
        return self._monotonic() + self.monotonic_offset

    def now(self, zone: tzinfo | None = None) -> datetime:
        """Return the wall time of the story with a time zone, UTC by default."""
        return datetime.fromtimestamp(self.time(), zone or UTC)

    def jump(self, seconds: float) -> None:
        """Let time pass at once."""
        if seconds < 0:
            raise ValueError("time does not run backwards: set the wall clock instead")
        self.wall_offset += seconds
        self.monotonic_offset += seconds

    def set_wall(self, seconds: float) -> None:
        """Set the clock of the house forward or back; durations do not notice."""
        self.wrong_by += seconds


def install(clock: OffsetClock) -> None:
    """Make this process read the clock.

    To be called before Home Assistant, aiohttp and whoever else keeps a reference to
    the functions of the time module are imported.
    """
    vars(time).update(time=clock.time, monotonic=clock.monotonic)

    from homeassistant import util  # noqa: PLC0415 - reads the clock when imported
    from homeassistant.util import dt as dt_util  # noqa: PLC0415 - as above

    def now(time_zone: tzinfo | None = None) -> datetime:
        return clock.now(time_zone or dt_util.get_default_time_zone())

    vars(dt_util).update(utcnow=clock.now, now=now)
    vars(util).update(utcnow=clock.now)
    # It asks the kernel; Bluetooth tells by it what has not been heard for long.
    import bluetooth_data_tools  # noqa: PLC0415 - after the clock is in place

    vars(bluetooth_data_tools).update(monotonic_time_coarse=clock.monotonic)
    _install_for_tokens(clock)


def _install_for_tokens(clock: OffsetClock) -> None:
    """Let the library that checks Home Assistant's own tokens read the clock."""
    from jwt import api_jwt  # noqa: PLC0415 - after the clock is in place

    vars(api_jwt).update(datetime=datetime_of(clock))


def datetime_of(clock: OffsetClock) -> type[datetime]:
    """Return what tells the time of the story where a datetime is asked for it."""

    class AnyDatetime(type):
        @override
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, datetime)

    class StoryDatetime(datetime, metaclass=AnyDatetime):
        @override
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(clock.time(), tz)

    return StoryDatetime
