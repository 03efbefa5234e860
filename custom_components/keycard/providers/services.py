"""Third parties with an API like the Fleet API."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from homeassistant.const import CONF_REGION

from ..const import CONF_BASE_URL
from ..transport.cloud import FleetClient, TokenSource
from .provider import Provider, configured_keys


@dataclass(frozen=True, kw_only=True)
class Service:
    """Third party that users subscribe to.

    `console` is where its tokens are made, `authorize_url` and `exchange_url` where one
    signs in without a token, if one can. One that `refreshes` serves data that it
    keeps, and renews them when told to.
    """

    name: str
    base_url: str
    console: str
    authorize_url: str | None = None
    exchange_url: str | None = None
    refreshes: bool = False


def create_service_provider(
    data: Mapping[str, Any],
    options: Mapping[str, Any],
    session: aiohttp.ClientSession,
    token: TokenSource,
    *,
    refreshes: bool = False,
) -> Provider:
    """Return the provider of an entry whose cars a service speaks for.

    It signs commands itself where a car requires that.
    """
    return Provider(
        region=data[CONF_REGION],
        link=FleetClient(
            session, data[CONF_BASE_URL], token, supports_refresh=refreshes
        ),
        keys=configured_keys(options),
    )


TESLEMETRY: Final = Service(
    name="Teslemetry",
    base_url="https://api.teslemetry.com",
    console="https://teslemetry.com/console",
    authorize_url="https://teslemetry.com/connect",
    exchange_url="https://api.teslemetry.com/oauth/token",
    refreshes=True,
)


TESSIE: Final = Service(
    name="Tessie",
    base_url="https://api.tessie.com",
    console="https://my.tessie.com/settings/api",
)
