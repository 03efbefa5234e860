"""A clock that can be moved by an offset while it runs.

The real clocks keep running, so real sockets work; a jump makes timers fall due. Wall
clock and monotonic clock have separate offsets: a scenario can start in the past, and
the wall clock of Home Assistant can be wrong.
"""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
import sys
import time
from typing import Self, override


class OffsetClock:
    """Wall clock and monotonic clock, with separate offsets in seconds."""

    def __init__(
        self,
        unix_time: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._unix_time = unix_time
        self._monotonic = monotonic
        self.time_offset = 0.0
        self.monotonic_offset = 0.0
        self.wall_clock_error = 0.0

    def time(self) -> float:
        """Return the Unix time shown by Home Assistant's wall clock."""
        return self.true_time() + self.wall_clock_error

    def true_time(self) -> float:
        """Return the correct Unix time, which the simulator uses."""
        return self._unix_time() + self.time_offset

    def monotonic(self) -> float:
        """Return the monotonic time in seconds."""
        return self._monotonic() + self.monotonic_offset

    def now(self, zone: tzinfo | None = None) -> datetime:
        """Return the wall clock time with a time zone, UTC by default."""
        return datetime.fromtimestamp(self.time(), zone or UTC)

    def jump(self, seconds: float) -> None:
        """Advance both clocks; raise ValueError for negative seconds."""
        if seconds < 0:
            raise ValueError("time does not run backwards: set the wall clock instead")
        self.time_offset += seconds
        self.monotonic_offset += seconds

    def shift_wall_clock(self, seconds: float) -> None:
        """Set the wall clock forward or back, and not the monotonic one."""
        self.wall_clock_error += seconds


def install(clock: OffsetClock) -> None:
    """Make this process use the clock.

    Call it before Home Assistant, aiohttp and other modules that keep references to
    functions of the time module are imported. Raise RuntimeError if it is too late.
    """
    if "aiohttp" in sys.modules:
        raise RuntimeError("aiohttp was imported before the clock was installed")
    vars(time).update(time=clock.time, monotonic=clock.monotonic)

    from homeassistant import util  # noqa: PLC0415 - reads the clock when imported
    from homeassistant.util import dt as dt_util  # noqa: PLC0415 - as above

    def now(time_zone: tzinfo | None = None) -> datetime:
        return clock.now(time_zone or dt_util.get_default_time_zone())

    vars(dt_util).update(utcnow=clock.now, now=now)
    vars(util).update(utcnow=clock.now)
    # It reads the kernel's clock to expire advertisements.
    import bluetooth_data_tools  # noqa: PLC0415 - after the clock is installed

    vars(bluetooth_data_tools).update(monotonic_time_coarse=clock.monotonic)
    _install_in_jwt(clock)


def _install_in_jwt(clock: OffsetClock) -> None:
    """Make the JWT library for Home Assistant's tokens use the clock."""
    from jwt import api_jwt  # noqa: PLC0415 - after the clock is installed

    vars(api_jwt).update(datetime=datetime_class(clock))


def datetime_class(clock: OffsetClock) -> type[datetime]:
    """Return a datetime class whose `now` reads the clock."""

    class DatetimeType(type):
        @override
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, datetime)

    class OffsetDatetime(datetime, metaclass=DatetimeType):
        @override
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(clock.time(), tz)

    return OffsetDatetime
