"""Provider for the Tesla Fleet API."""

from collections.abc import Mapping
from typing import Any

import aiohttp

from homeassistant.const import CONF_REGION

from ..const import CONF_ALL_CALLS, CONF_BASE_URL, CONF_SERVER
from ..transport.cloud import CommandServer, FleetClient, TokenSource
from ..transport.key_pair import PrivateKey
from ..transport.pinning import ServerCertificate, pin_session
from .provider import Provider, configured_keys
from .scopes import SCOPE_LOCATION, parse_claims


def create_fleet_provider(
    data: Mapping[str, Any],
    options: Mapping[str, Any],
    session: aiohttp.ClientSession,
    *,
    token: TokenSource,
    private_key: PrivateKey | None,
    certificate: ServerCertificate | None,
) -> Provider:
    """Create the provider of an entry that uses Tesla's OAuth.

    A self-hosted proxy may sign the commands or forward all calls.
    """
    location = SCOPE_LOCATION in parse_claims(_access_token(data)).scopes
    region, keys = data[CONF_REGION], configured_keys(options)
    if (server := data.get(CONF_SERVER)) is None:
        client = FleetClient(
            session,
            data[CONF_BASE_URL],
            token,
            private_key=private_key,
            location=location,
        )
        return Provider(region=region, client=client, keys=keys)
    server_session = pin_session(session, certificate.pin if certificate else None)
    if data.get(CONF_ALL_CALLS):
        client = FleetClient(
            server_session,
            server,
            token,
            location=location,
            through_server=True,
        )
    else:
        client = FleetClient(
            session,
            data[CONF_BASE_URL],
            token,
            location=location,
            command_server=CommandServer(session=server_session, base_url=server),
        )
    return Provider(region=region, client=client, keys=keys, certificate=certificate)


def _access_token(data: Mapping[str, Any]) -> object:
    token = data.get("token")
    return token.get("access_token") if isinstance(token, Mapping) else None
