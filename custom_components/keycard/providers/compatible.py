"""A server that speaks like the Fleet API: a proxy of the owner's, or the maker's."""

from collections.abc import Mapping
from typing import Any

import aiohttp

from homeassistant.const import CONF_REGION, CONF_TOKEN

from ..const import CONF_BASE_URL
from ..outage.hosts import Hosts
from ..pinning import pinned, read_pin
from ..vehicle.links import CloudLink, TokenSource
from .provider import Provider, is_teslas, owners_keys


def compatible(
    data: Mapping[str, Any],
    options: Mapping[str, Any],
    session: aiohttp.ClientSession,
    hosts: Hosts,
) -> Provider:
    """Return the provider of an entry with an address and a token."""
    base_url, pin = data[CONF_BASE_URL], read_pin(data)
    return Provider(
        region=data[CONF_REGION],
        link=CloudLink(
            pinned(session, pin),
            base_url,
            fixed(data[CONF_TOKEN]),
            through_server=not is_teslas(base_url, hosts),
        ),
        keys=owners_keys(options),
        pin=pin,
    )


def token_link(session: aiohttp.ClientSession, base_url: str, token: str) -> CloudLink:
    """Return a link that shows the same token to its server each time."""
    return CloudLink(session, base_url, fixed(token))


def fixed(token: str) -> TokenSource:
    """Return the source of a token that stays the same."""

    async def show() -> str:
        return token

    return show
