"""Result of a simulated month: billed calls and the age of the data."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
import json
from typing import Any, Self

from custom_components.keycard.cost.middleware import charge_of
from custom_components.keycard.cost.pricing import Charge, tariff_of

from .daily_commute import HOUR, SAMPLE_SECONDS, Activity

TARIFF = tariff_of("fleet", third_party=False)


@dataclass(kw_only=True)
class Ages:
    """Ages of data, sampled at regular intervals, in whole seconds."""

    counts: Counter[int] = field(default_factory=Counter)

    def add(self, age: float) -> None:
        """Add a sample."""
        self.counts[round(age)] += 1

    @property
    def mean(self) -> float:
        """Return the mean age."""
        samples = self.counts.total()
        return sum(age * count for age, count in self.counts.items()) / max(samples, 1)

    def percentile(self, share: int) -> int:
        """Return the given percentile of the ages."""
        remaining = share / 100 * self.counts.total()
        for age in sorted(self.counts):
            remaining -= self.counts[age]
            if remaining <= 0:
                return age
        return 0


@dataclass(kw_only=True)
class MonthResult:
    """Result of one integration."""

    name: str
    days: float
    billed: Counter[Charge] = field(default_factory=Counter)
    requests: int = 0
    ages: dict[Activity, Ages] = field(
        default_factory=lambda: {activity: Ages() for activity in Activity}
    )
    shown_cost: float | None = None
    """Cost shown by the integration itself, in US dollars."""

    @property
    def cost(self) -> float:
        """Return the cost of the calls before Tesla's discount, in US dollars."""
        return TARIFF.cost(self.billed) or 0.0

    def hours(self, activity: Activity) -> float:
        """Return the hours of an activity."""
        return self.ages[activity].counts.total() * SAMPLE_SECONDS / HOUR

    def to_json(self) -> str:
        """Return the result as a line of JSON."""
        return json.dumps(
            {
                "name": self.name,
                "days": self.days,
                "billed": self.billed,
                "requests": self.requests,
                "ages": {activity: ages.counts for activity, ages in self.ages.items()},
                "shown": self.shown_cost,
            }
        )

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Return a result from a line of JSON."""
        data: dict[str, Any] = json.loads(line)
        return cls(
            name=data["name"],
            days=data["days"],
            billed=Counter({Charge(one): n for one, n in data["billed"].items()}),
            requests=data["requests"],
            ages={
                Activity(one): Ages(
                    counts=Counter({int(a): n for a, n in ages.items()})
                )
                for one, ages in data["ages"].items()
            },
            shown_cost=data["shown"],
        )


def count_billed(by_status: Mapping[str, int]) -> Counter[Charge]:
    """Count billed calls by price, from counters like "eu.vehicle_data 200".

    Probes and calls without a price are ignored.
    """
    billed: Counter[Charge] = Counter()
    for line, count in by_status.items():
        endpoint, _, status = line.partition(" ")
        charge = charge_of(f"/{endpoint.partition('.')[2]}")
        if charge is not None and status.isdecimal() and int(status) < 500:
            billed[charge] += count
    return billed
