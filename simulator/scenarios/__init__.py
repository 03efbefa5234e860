"""Scenarios: outages as data, and the conditions that they set."""

from .conditions import Condition, ConditionError, Conditions
from .scenario import CarSpec, CaseError, Home, Scenario, Step, load_case, load_homes

__all__ = [
    "CarSpec",
    "CaseError",
    "Condition",
    "ConditionError",
    "Conditions",
    "Home",
    "Scenario",
    "Step",
    "load_case",
    "load_homes",
]
