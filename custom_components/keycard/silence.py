"""Tells that a car at home answers on no link: it may be without power."""

from dataclasses import dataclass, field
import math

from homeassistant.util.location import distance

from .connection import Connection
from .views import CarView

# Seconds: a garage may be without coverage for a while, and an adapter be off.
LASTING = 6 * 3600.0

# Metres around the home within which a car counts as parked there.
NEARBY = 200.0

_SILENT = frozenset({Connection.OFFLINE, Connection.POWER_LOW})


def is_silent(view: CarView, home: tuple[float, float]) -> bool:
    """Return whether a car that can be heard at home answers on no link.

    It must have been heard over Bluetooth before, so that its silence says something,
    and be known to stand near the `home` (latitude, longitude).
    """
    near = view.bluetooth
    if near is None or near.near or near.heard_at is None:
        return False
    if view.cloud not in _SILENT or view.state is None:
        return False
    latitude, longitude = view.state.latitude, view.state.longitude
    if latitude is None or longitude is None:
        return False
    apart = distance(*home, latitude, longitude)
    return apart is not None and apart <= NEARBY


@dataclass(kw_only=True)
class Silence:
    """For how long a car has been silent; times are monotonic seconds."""

    _since: float = field(default=math.inf, init=False)

    def note(self, *, silent: bool, now: float) -> None:
        """Note whether the car is silent."""
        self._since = min(self._since, now) if silent else math.inf

    def lasts(self, now: float) -> bool:
        """Return whether it has been for so long that its owner should look."""
        return now - self._since >= LASTING
