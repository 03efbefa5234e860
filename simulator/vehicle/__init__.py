"""Simulated vehicles: their state over time, their commands and their data."""

from .car import Car
from .commands import CHARGING_COMMANDS, COMMANDS, CommandResult
from .schedule import DAY, Day, Drive

__all__ = [
    "CHARGING_COMMANDS",
    "COMMANDS",
    "DAY",
    "Car",
    "CommandResult",
    "Day",
    "Drive",
]
