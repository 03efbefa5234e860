"""A server that speaks like the Fleet API: a proxy of the owner's, or the maker's."""

from collections.abc import Mapping
from typing import Any

import aiohttp

from homeassistant.const import CONF_REGION, CONF_TOKEN

from ..const import CONF_BASE_URL
from ..vehicle.links import CloudLink, TokenSource
from .provider import Provider, owners_keys


def compatible(
    data: Mapping[str, Any], options: Mapping[str, Any], session: aiohttp.ClientSession
) -> Provider:
    """Return the provider of an entry with an address and a token."""
    return Provider(
        region=data[CONF_REGION],
        link=token_link(session, data[CONF_BASE_URL], data[CONF_TOKEN]),
        keys=owners_keys(options),
    )


def token_link(session: aiohttp.ClientSession, base_url: str, token: str) -> CloudLink:
    """Return a link that shows the same token to its server each time."""
    return CloudLink(session, base_url, fixed(token))


def fixed(token: str) -> TokenSource:
    """Return the source of a token that stays the same."""

    async def show() -> str:
        return token

    return show
