"""Usage of billed calls of one account in local time."""

from collections.abc import Callable, Mapping
from typing import Any

from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.util import dt as dt_util

from ..const import CONF_BUDGET
from ..cost.budget import MonthlyUsage, StoredUsage, start_of_month
from ..cost.pricing import Charge, Tariff
from ..helpers.isolation import isolated


class UsageTracker:
    """Track the billed calls of an account and its budget."""

    def __init__(self, options: Mapping[str, Any], tariff: Tariff) -> None:
        """Initialize the tracker with the current month."""
        self.monthly_usage = MonthlyUsage(
            tariff=tariff,
            budget=options.get(CONF_BUDGET),
            month=start_of_month(dt_util.now()),
        )
        self._listeners: list[Callable[[], None]] = []

    @callback
    def async_restore_usage(self, stored: StoredUsage) -> None:
        """Restore stored usage."""
        self.monthly_usage.restore_usage(stored, dt_util.now())

    @callback
    def async_add_listener(self, listener: Callable[[], None]) -> CALLBACK_TYPE:
        """Add a listener for changes; return a function that removes it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @callback
    def async_count(self, charge: Charge) -> None:
        """Count a call and notify listeners."""
        self.monthly_usage.add(charge, dt_util.now())
        self._notify()

    @callback
    def async_roll_month(self) -> bool:
        """Start a new month if one has begun, and return whether it has."""
        if not self.monthly_usage.roll_month(dt_util.now()):
            return False
        self._notify()
        return True

    def _notify(self) -> None:
        for listener in list(self._listeners):
            with isolated("a listener of the usage"):
                listener()

    def interval_factor(self) -> float:
        """Return the factor by which the budget lengthens polling intervals now."""
        if self.monthly_usage.budget is None:
            return 1.0
        return self.monthly_usage.interval_factor(dt_util.now())
