"""Teslemetry: a service in between, by sign-in or by token.

It serves a car's data from a cache, free of charge. It renews the cache about every 15
min (about every 90 s for cars that Tesla bills less for), not at all for a car that
streams, and at once for 2 credits (`teslemetry.com/blog/vehicle-data-caching`,
documentation of Home Assistant's `teslemetry`).
"""

from typing import Final

from .service import Service

TESLEMETRY: Final = Service(
    name="Teslemetry",
    base_url="https://api.teslemetry.com",
    console="https://teslemetry.com/console",
    authorize_url="https://teslemetry.com/connect",
    exchange_url="https://api.teslemetry.com/oauth/token",
    refreshes=True,
)
