"""Who speaks for the cars of an entry."""

from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from homeassistant.const import CONF_HOSTS, CONF_REGION

from ..answer import Recorder
from ..const import (
    CONF_PROVIDER,
    CONF_SIGN_IN,
    CONF_UNRELATED,
    PROVIDER_COMPATIBLE,
    PROVIDER_WATCH_ONLY,
)
from ..outage.hosts import Hosts, default_hosts
from .compatible import compatible, token_link
from .provider import Provider
from .watch_only import watch_only

__all__ = ["OpenSession", "Provider", "hosts_of", "provider_of", "token_link"]

type OpenSession = Callable[[Recorder], aiohttp.ClientSession]
"""Opens a session with a recorder among its middlewares."""


def provider_of(
    data: Mapping[str, Any], options: Mapping[str, Any], open_session: OpenSession
) -> Provider:
    """Return the provider that an entry's data name; nothing is asked for it."""
    name = data[CONF_PROVIDER]
    if name == PROVIDER_WATCH_ONLY:
        return watch_only(data, options)
    if name == PROVIDER_COMPATIBLE:
        return compatible(data, options, open_session(Recorder()))
    raise ValueError(f"Nobody provides {name!r}")


def hosts_of(data: Mapping[str, Any], options: Mapping[str, Any]) -> Hosts:
    """Return the hosts that an entry asks; an option that is missing is its default."""
    default = default_hosts(data[CONF_REGION])
    return Hosts(
        regions={**default.regions, **options.get(CONF_HOSTS, {})},
        sign_in=tuple(options.get(CONF_SIGN_IN, default.sign_in)),
        unrelated=tuple(options.get(CONF_UNRELATED, default.unrelated)),
    )
