"""Scopes and claims of Tesla's access tokens."""

from dataclasses import dataclass

import jwt

from ..outage.endpoints import REGIONS
from ..vehicle.parsing import parse_text

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
