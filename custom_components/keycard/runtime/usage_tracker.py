"""The bill of one account: what its calls cost this month, by the clock of the home."""

from collections.abc import Callable, Mapping
from typing import Any

from homeassistant.core import CALLBACK_TYPE, callback
from homeassistant.util import dt as dt_util

from ..const import CONF_BUDGET
from ..cost.budget import MonthlyUsage, StoredSpending, begin_of_month
from ..cost.pricing import Charge, Tariff
from .isolation import isolated


class UsageTracker:
    """Count what is billed to an account, and say what its budget still allows."""

    def __init__(self, options: Mapping[str, Any], tariff: Tariff) -> None:
        """Begin a month; what was kept of it can be restored."""
        self.spending = MonthlyUsage(
            tariff=tariff,
            budget=options.get(CONF_BUDGET),
            month=begin_of_month(dt_util.now()),
        )
        self._listeners: list[Callable[[], None]] = []

    @callback
    def async_restore(self, stored: StoredSpending) -> None:
        """Take up what was kept."""
        self.spending.restore(stored, dt_util.now())

    @callback
    def async_add_listener(self, listener: Callable[[], None]) -> CALLBACK_TYPE:
        """Call back when the bill changes."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @callback
    def async_count(self, charge: Charge) -> None:
        """Count a call."""
        self.spending.add(charge, dt_util.now())
        self._notify()

    @callback
    def async_roll_month(self) -> None:
        """Begin a month anew if it is a new one."""
        if self.spending.roll(dt_util.now()):
            self._notify()

    def _notify(self) -> None:
        for listener in list(self._listeners):
            with isolated("a listener of the bill"):
                listener()

    def interval_factor(self) -> float:
        """Return how much slower the budget makes the polling now."""
        return self.spending.interval_factor(dt_util.now())
