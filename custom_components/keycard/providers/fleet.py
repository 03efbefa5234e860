"""Provider for the Tesla Fleet API."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt

from homeassistant.const import CONF_REGION

from ..const import CONF_ALL_CALLS, CONF_BASE_URL, CONF_SERVER
from ..outage.endpoints import REGIONS
from ..transport.cloud import CommandServer, FleetClient, TokenSource
from ..transport.key_pair import PrivateKey
from ..transport.pinning import pin_from_data, pin_session
from ..vehicle.parsing import parse_text
from .provider import Provider, configured_keys

# Scopes requested at the sign-in; each is needed by an entity.
SCOPE_OFFLINE = "offline_access"
SCOPE_DATA = "vehicle_device_data"
SCOPE_LOCATION = "vehicle_location"
SCOPE_COMMANDS = "vehicle_cmds"
SCOPE_CHARGING = "vehicle_charging_cmds"
SCOPES = (
    "openid",
    SCOPE_OFFLINE,
    SCOPE_DATA,
    SCOPE_LOCATION,
    SCOPE_COMMANDS,
    SCOPE_CHARGING,
)

# Without these there are no data, or only for a few hours.
REQUIRED_SCOPES = (SCOPE_OFFLINE, SCOPE_DATA)
OPTIONAL_SCOPES = (SCOPE_LOCATION, SCOPE_COMMANDS, SCOPE_CHARGING)


@dataclass(frozen=True, kw_only=True)
class TokenClaims:
    """Claims of a Tesla access token.

    `account` is the user's ID, `region` that of the vehicles if it is known.
    """

    account: str | None = None
    region: str | None = None
    scopes: frozenset[str] = frozenset()

    @property
    def missing_scopes(self) -> tuple[str, ...]:
        """Return the scopes that the user did not grant."""
        return tuple(
            scope
            for scope in (*REQUIRED_SCOPES, *OPTIONAL_SCOPES)
            if scope not in self.scopes
        )


def parse_claims(token: object) -> TokenClaims:
    """Parse the claims of an access token; an invalid one has none."""
    try:
        claims = jwt.decode(str(token), options={"verify_signature": False})
    except jwt.InvalidTokenError, RecursionError, ValueError:
        return TokenClaims()
    region = str(claims.get("ou_code") or "").lower()
    scopes = claims.get("scp")
    return TokenClaims(
        account=parse_text(claims.get("sub")),
        region=region if region in REGIONS else None,
        scopes=frozenset(map(str, scopes)) if isinstance(scopes, list) else frozenset(),
    )


def create_fleet_provider(
    data: Mapping[str, Any],
    options: Mapping[str, Any],
    session: aiohttp.ClientSession,
    *,
    token: TokenSource,
    private_key: PrivateKey | None,
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
    pin = pin_from_data(data)
    if data.get(CONF_ALL_CALLS):
        client = FleetClient(
            pin_session(session, pin),
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
            command_server=CommandServer(
                session=pin_session(session, pin), base_url=server
            ),
        )
    return Provider(region=region, client=client, keys=keys, pin=pin)


def _access_token(data: Mapping[str, Any]) -> object:
    token = data.get("token")
    return token.get("access_token") if isinstance(token, Mapping) else None
