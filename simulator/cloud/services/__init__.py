"""Third parties that call the Fleet API with the user's authorization."""

from .service import (
    CachedRequest,
    CacheRefresh,
    EventStream,
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
    "EventStream",
    "ForwardedRequest",
    "Service",
    "ServiceTokens",
    "TeslaProxy",
    "Teslemetry",
    "Tessie",
]
