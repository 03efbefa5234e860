"""Vehicle data cached by a third party, and when to have them refreshed."""

from dataclasses import dataclass

from .freshness import CURRENT_FOR

# A third party refreshes a vehicle that does not stream about every 15 minutes.
MAX_REFRESH_INTERVAL = 1020.0

# Seconds until the next try without credits.
NO_CREDITS_DELAY = 3600.0


@dataclass(kw_only=True)
class ThirdPartyCache:
    """Cached data of one vehicle; times are monotonic seconds."""

    is_stale: bool = False
    """Whether the third party does not refresh the data by itself."""

    _first_is_old: bool = False
    _online_since: float | None = None
    _refused_until: float = float("-inf")

    def update_online(self, *, online: bool, monotonic: float) -> None:
        """Update whether the vehicle is online; otherwise its data cannot change."""
        if not online:
            self._online_since = None
        elif self._online_since is None:
            self._online_since = monotonic

    def record_data(
        self, *, is_new: bool, is_first: bool, age: float | None, monotonic: float
    ) -> None:
        """Record returned data; `age` are the seconds since their own timestamp.

        It is None as long as there were none; `is_first` is whether there were none
        before.
        """
        self._first_is_old = is_first and (age or 0.0) > CURRENT_FOR.total_seconds()
        if is_new:
            self.is_stale = False
        elif self._online_since is not None:
            online_for = monotonic - self._online_since
            stale_for = online_for if age is None else min(age, online_for)
            self.is_stale |= stale_for > MAX_REFRESH_INTERVAL

    def record_no_credits(self, monotonic: float) -> None:
        """Record that the credits are used up."""
        self._refused_until = monotonic + NO_CREDITS_DELAY

    def should_refresh(
        self, monotonic: float, *, is_new: bool, requested: bool, budget_spent: bool
    ) -> bool:
        """Return whether to have the data refreshed."""
        if monotonic < self._refused_until:
            return False
        wanted = self._first_is_old or (self.is_stale and not is_new)
        return requested or (wanted and not budget_spent)
