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

# What is asked of the user at the sign-in: nothing that no entity needs.
OFFLINE = "offline_access"
DATA = "vehicle_device_data"
LOCATION = "vehicle_location"
COMMANDS = "vehicle_cmds"
CHARGING = "vehicle_charging_cmds"
SCOPES = ("openid", OFFLINE, DATA, LOCATION, COMMANDS, CHARGING)

# Without these there is nothing to show, or only for a few hours.
NEEDED = (OFFLINE, DATA)
WANTED = (LOCATION, COMMANDS, CHARGING)


@dataclass(frozen=True, kw_only=True)
class TokenClaims:
    """Claims of a Tesla access token.

    `account` names the user, `region` where the cars are, if it is a known one.
    """

    account: str | None = None
    region: str | None = None
    scopes: frozenset[str] = frozenset()

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the scopes that the user did not grant."""
        return tuple(scope for scope in (*NEEDED, *WANTED) if scope not in self.scopes)


def read_claims(token: object) -> TokenClaims:
    """Read the claims of an access token; an invalid one has none."""
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


def fleet(
    data: Mapping[str, Any],
    options: Mapping[str, Any],
    session: aiohttp.ClientSession,
    *,
    token: TokenSource,
    private_key: PrivateKey | None,
) -> Provider:
    """Return the provider of an entry whose user signed in with Tesla.

    A server of the user's own may stand before Tesla, and sign the commands.
    """
    location = LOCATION in read_claims(_access_token(data)).scopes
    region, keys = data[CONF_REGION], configured_keys(options)
    if (server := data.get(CONF_SERVER)) is None:
        link = FleetClient(
            session,
            data[CONF_BASE_URL],
            token,
            private_key=private_key,
            location=location,
        )
        return Provider(region=region, link=link, keys=keys)
    pin = pin_from_data(data)
    if data.get(CONF_ALL_CALLS):
        link = FleetClient(
            pin_session(session, pin),
            server,
            token,
            location=location,
            through_server=True,
        )
    else:
        link = FleetClient(
            session,
            data[CONF_BASE_URL],
            token,
            location=location,
            command_server=CommandServer(
                session=pin_session(session, pin), base_url=server
            ),
        )
    return Provider(region=region, link=link, keys=keys, pin=pin)


def _access_token(data: Mapping[str, Any]) -> object:
    token = data.get("token")
    return token.get("access_token") if isinstance(token, Mapping) else None
