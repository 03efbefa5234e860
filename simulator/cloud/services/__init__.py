"""Services in between: they hold the owner's sign-in and ask the maker themselves."""

from .service import (
    CachedRequest,
    CacheRefresh,
    ForwardedRequest,
    Service,
    ServiceTokens,
)
from .tesla_proxy import TeslaProxy
from .teslemetry import Teslemetry
from .tessie import Tessie

__all__ = [
    "CacheRefresh",
    "CachedRequest",
    "ForwardedRequest",
    "Service",
    "ServiceTokens",
    "TeslaProxy",
    "Teslemetry",
    "Tessie",
]
