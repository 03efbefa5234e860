"""Simulator of Tesla's cloud and vehicles on localhost."""

from .scenarios.conditions import ConditionError
from .scenarios.scenario import CaseError, Scenario, load_case
from .simulator import DEFAULT_HOME, PortTakenError, Simulator

__all__ = [
    "DEFAULT_HOME",
    "CaseError",
    "ConditionError",
    "PortTakenError",
    "Scenario",
    "Simulator",
    "load_case",
]
