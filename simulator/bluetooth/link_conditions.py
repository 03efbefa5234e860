"""Link conditions between a car and a client."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

from ..scenarios.conditions import ConditionError

_DURATIONS = frozenset({"latency", "connect", "slow", "late"})
MAX_SECONDS = 600.0


class LinkConditionsError(ConditionError):
    """Error raised for invalid link conditions."""


@dataclass(frozen=True, kw_only=True)
class LinkConditions:
    """Probabilities for each message or connection attempt, and delays in seconds.

    A client cannot tell a connection lost before the car got the message from one lost
    after it. Users report of firmware of 2026 that rejects connections for a while,
    disconnects at once, or ignores connection requests while it advertises.
    """

    lose_to_car: float = 0.0
    lose_to_phone: float = 0.0
    cut_before: float = 0.0
    cut_after: float = 0.0
    refuse: float = 0.0  # rejects a connection attempt
    hang_up: float = 0.0  # disconnects after connecting
    ignore: float = 0.0  # ignores a connection attempt
    slow_rate: float = 1.0  # share of the car's messages delayed by `slow`
    slow: float = 0.0
    late: float = 0.0  # until the car receives a message
    latency: float = 0.01  # of each message
    connect: float = 0.05  # duration of a connection attempt

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of the fields."""
        return [field.name for field in fields(cls)]

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Self:
        """Return link conditions from a dict; raise LinkConditionsError if invalid."""
        names = cls.names()
        numbers: dict[str, float] = {}
        for name, value in values.items():
            maximum = MAX_SECONDS if name in _DURATIONS else 1.0
            if (
                name not in names
                or not isinstance(value, int | float)
                or isinstance(value, bool)
                or not 0 <= value <= maximum
            ):
                message = (
                    f"invalid link condition {name!r}: {value!r}; allowed:"
                    f" {', '.join(sorted(names))} (probabilities from 0 to 1;"
                    f" seconds up to {MAX_SECONDS:.0f}:"
                    f" {', '.join(sorted(_DURATIONS))})"
                )
                raise LinkConditionsError(message)
            numbers[name] = float(value)
        return cls(**numbers)
