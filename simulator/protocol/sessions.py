"""Clocks and replay counters of sessions."""

from collections.abc import Callable
import secrets

EPOCH_LENGTH = 1 << 30
COUNTER_WINDOW = 32  # late counters accepted by infotainment
MAX_LATE_SECONDS = 30  # remaining lifetime of a message out of order


class Clock:
    """Clock of a computer: seconds since its start."""

    def __init__(self, get_time: Callable[[], float], ran: float = 3600.0) -> None:
        self._get_time = get_time
        self.epoch = b""
        self._zero = 0.0
        self.restart(ran)

    def restart(self, ran: float = 0.0) -> None:
        """Begin a new epoch, `ran` seconds ago."""
        self.epoch = secrets.token_bytes(16)
        self._zero = self._get_time() - ran

    @property
    def time(self) -> int:
        """Return the time in this epoch."""
        return max(0, int(self._get_time() - self._zero))


class ReplayCounter:
    """Counters used by a key in this epoch.

    VCSEC only accepts increasing counters; infotainment keeps a window for late ones.
    """

    def __init__(self, *, ordered: bool) -> None:
        self.highest = 0
        self._ordered = ordered
        self._used: set[int] = set()

    def is_late(self, counter: int) -> bool:
        """Return whether a higher counter was used before."""
        return counter < self.highest

    def use(self, counter: int) -> bool:
        """Use a counter; return False if it is or may be used."""
        if counter <= 0 or counter in self._used:
            return False
        if counter < self.highest and (
            self._ordered or self.highest - counter > COUNTER_WINDOW
        ):
            return False
        self.highest = max(self.highest, counter)
        self._used = {
            one
            for one in self._used | {counter}
            if self.highest - one <= COUNTER_WINDOW
        }
        return True
