"""Tesla's cloud and cars on localhost, with faults on demand."""

from .scenarios.conditions import ConditionError
from .scenarios.scenario import Case, CaseError, load_case
from .simulator import DEFAULT_HOME, PortTakenError, Simulator

__all__ = [
    "DEFAULT_HOME",
    "Case",
    "CaseError",
    "ConditionError",
    "PortTakenError",
    "Simulator",
    "load_case",
]
