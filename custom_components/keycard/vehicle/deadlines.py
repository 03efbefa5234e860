"""Deadlines of commands, from the press of a button."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TimeLimit:
    """Time after the press within which a command may be sent, in seconds.

    `asleep` applies if the vehicle has to be woken first.
    """

    awake: float = 30.0
    asleep: float = 60.0


DEFAULT_LIMIT = TimeLimit()

# A late command could open a vehicle whose user has left.
ACCESS_LIMIT = TimeLimit(awake=20.0, asleep=30.0)
