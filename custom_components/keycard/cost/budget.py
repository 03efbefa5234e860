"""What the calls of a calendar month cost so far, and how much may still be asked."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from math import inf
from typing import TypedDict

from .pricing import Billing, Charge, Tariff

# By how much money must be behind time before anything is slowed, and how sharply it
# is then: with a power of one, three times the budget would be gone too soon.
TOLERANCE = 1.1
SHARPNESS = 3


class BudgetState(StrEnum):
    """What a budget does to the polling."""

    NORMAL = "usual"
    SLOWED = "slowed"
    STOPPED = "stopped"


class StoredSpending(TypedDict):
    """What is kept of a month over a restart: its first day (ISO 8601), the calls."""

    month: str
    counts: dict[str, int]


@dataclass(kw_only=True)
class MonthlyUsage:
    """Count the billed calls of one account; all times are local times of the home."""

    tariff: Tariff
    budget: float | None = None
    month: datetime
    counts: Counter[Charge] = field(default_factory=Counter)

    def add(self, charge: Charge, now: datetime) -> None:
        """Count a call."""
        self.roll(now)
        self.counts[charge] += 1

    def roll(self, now: datetime) -> bool:
        """Begin a month anew if it is a new one; a clock set back begins none."""
        month = begin_of_month(now)
        if month.date() <= self.month.date():
            return False
        self.month = month
        self.counts.clear()
        return True

    @property
    def cost(self) -> float | None:
        """Return what the month's calls cost (USD), None where they have no price."""
        return self.tariff.cost(self.counts)

    def interval_factor(self, now: datetime) -> float:
        """Return how much slower the budget makes the polling: 1 is not at all.

        It grows with the share of the month that is left by the share of the money, so
        that whoever is slowed by it spends the last of both together.
        """
        if self.budget is None or (cost := self.cost) is None:
            return 1.0
        money = 1 - cost / self.budget
        if money <= 0:
            return inf
        over = end_of_month(self.month) - self.month
        left = min(1.0, max(0.0, (end_of_month(self.month) - now) / over))
        behind = left / money
        return behind**SHARPNESS if behind >= TOLERANCE else 1.0

    def budget_state(self, now: datetime) -> BudgetState:
        """Say in a word what the budget does."""
        slower = self.interval_factor(now)
        if slower == inf:
            return BudgetState.STOPPED
        return BudgetState.NORMAL if slower == 1 else BudgetState.SLOWED

    @property
    def can_be_limited(self) -> bool:
        """Tell whether a budget makes sense: calls have a price."""
        return self.tariff.billing is Billing.BY_CALL

    def dump(self) -> StoredSpending:
        """Return what is to be kept over a restart."""
        return StoredSpending(
            month=self.month.date().isoformat(),
            counts={charge.value: count for charge, count in self.counts.items()},
        )

    def restore(self, stored: StoredSpending, now: datetime) -> None:
        """Take up what was kept, unless its month is over."""
        counts = {Charge(name): int(count) for name, count in stored["counts"].items()}
        kept = datetime.fromisoformat(stored["month"]).replace(tzinfo=now.tzinfo)
        self.month, self.counts = begin_of_month(kept), Counter(counts)
        self.roll(now)


def begin_of_month(moment: datetime) -> datetime:
    """Return when the month of a local time began."""
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)


def end_of_month(month: datetime) -> datetime:
    """Return when the month that begins at a local time is over."""
    year, number = divmod(month.year * 12 + month.month, 12)
    return month.replace(year=year, month=number + 1)
