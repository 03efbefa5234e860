"""What may go wrong between a car and who talks to it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

from ..scenarios.conditions import ConditionError

_SECONDS = frozenset({"latency", "connect", "slow", "late"})
MAX_SECONDS = 600.0


class LinkConditionsError(ConditionError):
    """There is no such weather."""


@dataclass(frozen=True, kw_only=True)
class LinkConditions:
    """How messages fare: probabilities, each of one whole message, and seconds.

    A line that is cut before the car got the message and one that is cut after it
    look the same from the other end. Owners report of firmware of 2026 that refuses
    connections for a while, hangs up at once, or lets the wish for a connection go
    unanswered, and is heard all the same.
    """

    lose_to_car: float = 0.0
    lose_to_phone: float = 0.0
    cut_before: float = 0.0
    cut_after: float = 0.0
    refuse: float = 0.0  # a connection
    hang_up: float = 0.0  # as soon as it has come about
    ignore: float = 0.0  # the wish for one: nobody answers
    slow_rate: float = 1.0  # how many of the car's messages take `slow` seconds more
    slow: float = 0.0
    late: float = 0.0  # how long what was sent takes until the car gets to it
    latency: float = 0.01  # of each message
    connect: float = 0.05  # the time that it takes to connect

    @classmethod
    def names(cls) -> list[str]:
        """Return what can be told of it."""
        return [field.name for field in fields(cls)]

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Self:
        """Return a weather by its words; raise a WeatherError if there is none such."""
        names = cls.names()
        numbers: dict[str, float] = {}
        for name, value in values.items():
            most = MAX_SECONDS if name in _SECONDS else 1.0
            if (
                name not in names
                or not isinstance(value, int | float)
                or isinstance(value, bool)
                or not 0 <= value <= most
            ):
                message = (
                    f"no such weather: {name!r}: {value!r}; allowed:"
                    f" {', '.join(sorted(names))} (probabilities from 0 to 1;"
                    f" seconds up to {MAX_SECONDS:.0f}: {', '.join(sorted(_SECONDS))})"
                )
                raise LinkConditionsError(message)
            numbers[name] = float(value)
        return cls(**numbers)
