"""Providers of a config entry's vehicles."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import ClientMiddlewareType
from yarl import URL

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
from .fleet import create_fleet_provider
from .provider import (
    Provider,
    create_compatible_provider,
    create_token_client,
    create_watch_only_provider,
    server_certificate,
    static_token,
)
from .services import TESLEMETRY, TESSIE, Service, create_service_provider

__all__ = [
    "SERVICES",
    "OpenSession",
    "Provider",
    "ProviderCredentials",
    "Service",
    "create_provider",
    "create_token_client",
    "endpoints_from_config",
]

type OpenSession = Callable[[Sequence[ClientMiddlewareType]], aiohttp.ClientSession]
"""Open a session with middlewares, the outermost first."""

SERVICES: Mapping[str, Service] = {
    PROVIDER_TESLEMETRY: TESLEMETRY,
    PROVIDER_TESSIE: TESSIE,
}


@dataclass(frozen=True, kw_only=True)
class ProviderCredentials:
    """Token and signing key of a config entry."""

    token: TokenSource | None = None
    private_key: PrivateKey | None = None


def create_provider(
    data: Mapping[str, Any],
    options: Mapping[str, Any],
    open_session: OpenSession,
    credentials: ProviderCredentials | None = None,
) -> Provider:
    """Create the provider of an entry without making a request."""
    name = data[CONF_PROVIDER]
    if name in NO_ACCOUNT:
        return create_watch_only_provider(data, options)
    if name not in {PROVIDER_COMPATIBLE, PROVIDER_FLEET, *SERVICES}:
        raise ValueError(f"Unknown provider {name!r}")
    hosts = endpoints_from_config(data, options)
    certificate = server_certificate(data, hosts)
    own_host = None if certificate is None else URL(certificate.url).host
    middlewares: list[ClientMiddlewareType] = [RecordingMiddleware(own_host=own_host)]
    if certificate is not None:
        middlewares.append(certificate)
    session = open_session(middlewares)
    if name == PROVIDER_COMPATIBLE:
        return create_compatible_provider(data, options, session, hosts, certificate)
    credentials = credentials or ProviderCredentials()
    token = credentials.token or static_token(str(data[CONF_TOKEN]))
    if name in SERVICES:
        refreshes = SERVICES[name].supports_refresh
        return create_service_provider(
            data, options, session, token, supports_refresh=refreshes
        )
    return create_fleet_provider(
        data,
        options,
        session,
        token=token,
        private_key=credentials.private_key,
        certificate=certificate,
    )


def endpoints_from_config(
    data: Mapping[str, Any], options: Mapping[str, Any]
) -> Endpoints:
    """Return the hosts of an entry, with defaults for missing options."""
    default = default_hosts(data[CONF_REGION])
    return Endpoints(
        regions={**default.regions, **options.get(CONF_HOSTS, {})},
        sign_in=tuple(options.get(CONF_SIGN_IN, default.sign_in)),
        unrelated=tuple(options.get(CONF_UNRELATED, default.unrelated)),
    )
