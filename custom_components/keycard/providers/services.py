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

    `console_url` is the page that issues tokens; `authorize_url` and `exchange_url` are
    those of its OAuth, if any. With `supports_refresh` it caches data and can refresh
    them.
    """

    name: str
    base_url: str
    console_url: str
    authorize_url: str | None = None
    exchange_url: str | None = None
    supports_refresh: bool = False


def create_service_provider(
    data: Mapping[str, Any],
    options: Mapping[str, Any],
    session: aiohttp.ClientSession,
    token: TokenSource,
    *,
    supports_refresh: bool = False,
) -> Provider:
    """Create the provider of an entry with a service, which signs commands itself."""
    return Provider(
        region=data[CONF_REGION],
        client=FleetClient(
            session, data[CONF_BASE_URL], token, supports_refresh=supports_refresh
        ),
        keys=configured_keys(options),
        issues_tokens=True,
    )


TESLEMETRY: Final = Service(
    name="Teslemetry",
    base_url="https://api.teslemetry.com",
    console_url="https://teslemetry.com/console",
    authorize_url="https://teslemetry.com/connect",
    exchange_url="https://api.teslemetry.com/oauth/token",
    supports_refresh=True,
)


TESSIE: Final = Service(
    name="Tessie",
    base_url="https://api.tessie.com",
    console_url="https://my.tessie.com/settings/api",
)
