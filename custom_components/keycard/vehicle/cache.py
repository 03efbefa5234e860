"""Data that a third party keeps: whether they move, and when to have them renewed."""

from dataclasses import dataclass

# A third party renews the data of a car that does not stream about every 15 minutes.
RENEWED_WITHIN = 1020.0

# Without credits, try again after so many seconds.
WITHOUT_CREDITS = 3600.0


@dataclass(kw_only=True)
class Cache:
    """The data of one car that a third party keeps; times are monotonic seconds."""

    stands_still: bool = False
    """Whether the data do not move by themselves: the car streams, or nobody polls."""

    _online_since: float | None = None
    _refused_until: float = float("-inf")

    def follow(self, *, online: bool, now: float) -> None:
        """Note whether the car is online: nothing else can move its data."""
        if not online:
            self._online_since = None
        elif self._online_since is None:
            self._online_since = now

    def observe(self, *, news: bool, age: float | None, now: float) -> None:
        """Note what was served; `age` are the seconds since the car took the data."""
        if news:
            self.stands_still = False
        elif self._online_since is not None and age is not None:
            online_for = now - self._online_since
            self.stands_still |= min(age, online_for) > RENEWED_WITHIN

    def refuse(self, now: float) -> None:
        """Note that there are no credits."""
        self._refused_until = now + WITHOUT_CREDITS

    def wants(self, now: float, *, news: bool, wanted: bool, spent: bool) -> bool:
        """Tell whether to have the data renewed.

        `wanted` tells that somebody must know, `spent` that the budget is.
        """
        if now < self._refused_until:
            return False
        return wanted or (self.stands_still and not news and not spent)
