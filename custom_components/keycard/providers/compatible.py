"""A server that speaks like the Fleet API: a proxy of the owner's, or the maker's."""

from collections.abc import Mapping
from typing import Any

import aiohttp

from homeassistant.const import CONF_REGION, CONF_TOKEN

from ..const import CONF_BASE_URL, CONF_CARS, CONF_KEY
from ..vehicle.keys import Key
from ..vehicle.links import CloudLink
from .provider import Provider


def compatible(
    data: Mapping[str, Any], options: Mapping[str, Any], session: aiohttp.ClientSession
) -> Provider:
    """Return the provider of an entry with an address and a token."""
    return Provider(
        region=data[CONF_REGION],
        link=token_link(session, data[CONF_BASE_URL], data[CONF_TOKEN]),
        keys={
            vin: Key(car[CONF_KEY])
            for vin, car in options.get(CONF_CARS, {}).items()
            if CONF_KEY in car
        },
    )


def token_link(session: aiohttp.ClientSession, base_url: str, token: str) -> CloudLink:
    """Return a link that shows the same token to its server each time."""

    async def show() -> str:
        return token

    return CloudLink(session, base_url, show)
