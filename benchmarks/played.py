"""What came of a month that was played: the calls, and how old the data were."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
import json
from typing import Any, Self

from custom_components.keycard.cost.middleware import charge_of
from custom_components.keycard.cost.pricing import Charge, tariff_of

from .commuter import HOUR, LOOK, Doing

TARIFF = tariff_of("fleet", third_party=False)


@dataclass(kw_only=True)
class Ages:
    """How old data were, looked at again and again; in whole seconds."""

    counts: Counter[int] = field(default_factory=Counter)

    def add(self, age: float) -> None:
        """Take in one look."""
        self.counts[round(age)] += 1

    @property
    def mean(self) -> float:
        """Return the mean age."""
        looks = self.counts.total()
        return sum(age * count for age, count in self.counts.items()) / max(looks, 1)

    def percentile(self, share: int) -> int:
        """Return the age that so many of 100 looks did not exceed."""
        left = share / 100 * self.counts.total()
        for age in sorted(self.counts):
            left -= self.counts[age]
            if left <= 0:
                return age
        return 0


@dataclass(kw_only=True)
class Played:
    """One integration's month."""

    name: str
    days: float
    billed: Counter[Charge] = field(default_factory=Counter)
    requests: int = 0
    ages: dict[Doing, Ages] = field(
        default_factory=lambda: {doing: Ages() for doing in Doing}
    )
    shown: float | None = None
    """What the integration itself says that it costs, in US dollars."""

    @property
    def cost(self) -> float:
        """Return what Tesla asks for the calls, before its discount."""
        return TARIFF.cost(self.billed) or 0.0

    def hours(self, doing: Doing) -> float:
        """Return for how long the car did something."""
        return self.ages[doing].counts.total() * LOOK / HOUR

    def to_json(self) -> str:
        """Return one line."""
        return json.dumps(
            {
                "name": self.name,
                "days": self.days,
                "billed": self.billed,
                "requests": self.requests,
                "ages": {doing: ages.counts for doing, ages in self.ages.items()},
                "shown": self.shown,
            }
        )

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Read that line."""
        told: dict[str, Any] = json.loads(line)
        return cls(
            name=told["name"],
            days=told["days"],
            billed=Counter({Charge(one): n for one, n in told["billed"].items()}),
            requests=told["requests"],
            ages={
                Doing(one): Ages(counts=Counter({int(a): n for a, n in ages.items()}))
                for one, ages in told["ages"].items()
            },
            shown=told["shown"],
        )


def billed_in(by_status: Mapping[str, int]) -> Counter[Charge]:
    """Sort what a simulated cloud answered, like "eu.vehicle_data 200", by its price.

    It knows neither probes nor free calls by other names.
    """
    found: Counter[Charge] = Counter()
    for line, count in by_status.items():
        endpoint, _, status = line.partition(" ")
        charge = charge_of(f"/{endpoint.partition('.')[2]}")
        if charge is not None and status.isdecimal() and int(status) < 500:
            found[charge] += count
    return found
