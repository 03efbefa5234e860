"""Services in between: they hold the owner's sign-in and ask the maker themselves."""

from .service import Forward, Refresh, Service, ServiceTokens
from .teslemetry import Teslemetry
from .tessie import Tessie

__all__ = [
    "Forward",
    "Refresh",
    "Service",
    "ServiceTokens",
    "Teslemetry",
    "Tessie",
]
