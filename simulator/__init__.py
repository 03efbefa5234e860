"""Tesla's cloud and cars on localhost, with faults on demand."""

from .cases import Case, CaseError, load_case
from .conditions import ConditionError
from .world import DEFAULT_HOME, PortTakenError, Simulator

__all__ = [
    "DEFAULT_HOME",
    "Case",
    "CaseError",
    "ConditionError",
    "PortTakenError",
    "Simulator",
    "load_case",
]
