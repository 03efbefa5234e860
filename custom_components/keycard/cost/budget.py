"""Usage, cost and budget of the billed calls of a calendar month."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from math import inf
from typing import TypedDict

from .pricing import Billing, Charge, Tariff

# Polling slows down once the remaining share of the month is this multiple of the
# remaining share of the budget. With an exponent of one, a user whose polling costs
# three times the budget would run out of it before the end of the month.
TOLERANCE = 1.1
EXPONENT = 3


class BudgetState(StrEnum):
    """Effect of a budget on polling."""

    NORMAL = "usual"
    SLOWED = "slowed"
    STOPPED = "stopped"


class StoredUsage(TypedDict):
    """Stored usage: the first day of the month (ISO 8601) and the number of calls."""

    month: str
    counts: dict[str, int]


@dataclass(kw_only=True)
class MonthlyUsage:
    """Billed calls of one account in a month; all times are local."""

    tariff: Tariff
    budget: float | None = None
    month: datetime
    counts: Counter[Charge] = field(default_factory=Counter)
    _clock_month: datetime | None = field(default=None, init=False, compare=False)
    """The month that the system clock last showed."""

    _previous: tuple[datetime, Counter[Charge]] | None = field(
        default=None, init=False, compare=False
    )
    """The month before the current one, with its calls."""

    def add(self, charge: Charge, local_now: datetime) -> None:
        """Count a call."""
        self.roll_month(local_now)
        self.counts[charge] += 1

    def roll_month(self, local_now: datetime) -> bool:
        """Start a new month if one has begun.

        A clock that is set back starts none. If it had been ahead, the month continues
        that it had left; if that is not known, the next month of the clock is new.
        """
        month, shown = start_of_month(local_now), self._clock_month
        self._clock_month = month
        if month.date() == self.month.date():
            return False
        if month.date() < self.month.date():
            if self._previous and self._previous[0].date() == month.date():
                self.month, counts = self._previous
                self.counts += counts
                self._previous = None
                return False
            if shown is None or month.date() != end_of_month(shown).date():
                return False
        self._previous = self.month, self.counts.copy()
        self.month = month
        self.counts.clear()
        return True

    @property
    def cost(self) -> float | None:
        """Return the cost of the month's calls (USD), None without prices."""
        return self.tariff.cost(self.counts)

    @property
    def credit_used(self) -> float | None:
        """Return the cost as a share of the monthly credit, None without a credit."""
        cost = self.cost
        if cost is None or not self.tariff.monthly_credit:
            return None
        return cost / self.tariff.monthly_credit

    def interval_factor(self, local_now: datetime) -> float:
        """Return the factor by which the budget lengthens polling intervals.

        It is 1 while the budget suffices and infinite once it is spent. In between it
        grows with the ratio of the remaining share of the month to the remaining share
        of the budget, so that both run out together.
        """
        if self.budget is None or (cost := self.cost) is None:
            return 1.0
        money = 1 - cost / self.budget
        if money <= 0:
            return inf
        end = end_of_month(self.month)
        time = min(1.0, max(0.0, (end - local_now) / (end - self.month)))
        ratio = time / money
        return ratio**EXPONENT if ratio >= TOLERANCE else 1.0

    def budget_state(self, local_now: datetime) -> BudgetState:
        """Return the effect of the budget on polling."""
        factor = self.interval_factor(local_now)
        if factor == inf:
            return BudgetState.STOPPED
        return BudgetState.NORMAL if factor == 1 else BudgetState.SLOWED

    @property
    def can_be_limited(self) -> bool:
        """Return whether a budget is possible, that is, whether calls have a price."""
        return self.tariff.billing is Billing.BY_CALL

    def dump_usage(self) -> StoredUsage:
        """Return the data to store."""
        return StoredUsage(
            month=self.month.date().isoformat(),
            counts={charge.value: count for charge, count in self.counts.items()},
        )

    def restore_usage(self, stored: StoredUsage, local_now: datetime) -> None:
        """Restore stored usage, unless its month is over."""
        counts = {Charge(name): int(count) for name, count in stored["counts"].items()}
        stored_month = datetime.fromisoformat(stored["month"]).replace(
            tzinfo=local_now.tzinfo
        )
        self.month, self.counts = start_of_month(stored_month), Counter(counts)
        self.roll_month(local_now)


def start_of_month(moment: datetime) -> datetime:
    """Return the local time at which a month began."""
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)


def end_of_month(month: datetime) -> datetime:
    """Return the local time at which a month ends, from its beginning."""
    year, number = divmod(month.year * 12 + month.month, 12)
    return month.replace(year=year, month=number + 1)
