"""Providers of a config entry's vehicles."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from homeassistant.const import CONF_HOSTS, CONF_REGION, CONF_TOKEN

from ..const import (
    CONF_PROVIDER,
    CONF_SIGN_IN,
    CONF_UNRELATED,
    NO_ACCOUNT,
    PROVIDER_COMPATIBLE,
    PROVIDER_FLEET,
    PROVIDER_TESLEMETRY,
    PROVIDER_TESSIE,
)
from ..outage.endpoints import Endpoints, default_hosts
from ..transport.cloud import TokenSource
from ..transport.http import RecordingMiddleware
from ..transport.key_pair import PrivateKey
from .fleet import fleet
from .provider import Provider, compatible, static_token, token_link, watch_only
from .services import TESLEMETRY, TESSIE, Service, create_service_provider

__all__ = [
    "SERVICES",
    "OpenSession",
    "Provider",
    "ProviderCredentials",
    "Service",
    "hosts_of",
    "provider_of",
    "token_link",
]

type OpenSession = Callable[[RecordingMiddleware], aiohttp.ClientSession]
"""Opens a session with a recorder among its middlewares."""

SERVICES: Mapping[str, Service] = {
    PROVIDER_TESLEMETRY: TESLEMETRY,
    PROVIDER_TESSIE: TESSIE,
}


@dataclass(frozen=True, kw_only=True)
class ProviderCredentials:
    """Token and signing key of a config entry."""

    token: TokenSource | None = None
    private_key: PrivateKey | None = None


def provider_of(
    data: Mapping[str, Any],
    options: Mapping[str, Any],
    open_session: OpenSession,
    access: ProviderCredentials | None = None,
) -> Provider:
    """Return the provider that an entry's data name; nothing is asked for it.

    A token that stands in the data as a text stays the same.
    """
    name = data[CONF_PROVIDER]
    if name in NO_ACCOUNT:
        return watch_only(data, options)
    if name not in {PROVIDER_COMPATIBLE, PROVIDER_FLEET, *SERVICES}:
        raise ValueError(f"Nobody provides {name!r}")
    session = open_session(RecordingMiddleware())
    if name == PROVIDER_COMPATIBLE:
        return compatible(data, options, session, hosts_of(data, options))
    access = access or ProviderCredentials()
    token = access.token or static_token(str(data[CONF_TOKEN]))
    if name in SERVICES:
        refreshes = SERVICES[name].refreshes
        return create_service_provider(
            data, options, session, token, refreshes=refreshes
        )
    return fleet(data, options, session, token=token, private_key=access.private_key)


def hosts_of(data: Mapping[str, Any], options: Mapping[str, Any]) -> Endpoints:
    """Return the hosts that an entry asks; an option that is missing is its default."""
    default = default_hosts(data[CONF_REGION])
    return Endpoints(
        regions={**default.regions, **options.get(CONF_HOSTS, {})},
        sign_in=tuple(options.get(CONF_SIGN_IN, default.sign_in)),
        unrelated=tuple(options.get(CONF_UNRELATED, default.unrelated)),
    )
