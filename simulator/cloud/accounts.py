"""Accounts and their access tokens: JWTs in the format of Tesla's."""

import base64
from collections.abc import Callable, Collection
from dataclasses import dataclass
import hashlib
import hmac
import json
import secrets
import uuid

from ..scenarios.scenario import Home
from ..vehicle.car import Car

SCOPES = (
    "openid",
    "offline_access",
    "user_data",
    "vehicle_device_data",
    "vehicle_location",
    "vehicle_cmds",
    "vehicle_charging_cmds",
)
AUDIENCE = (
    "https://fleet-api.prd.na.vn.cloud.tesla.com",
    "https://fleet-api.prd.eu.vn.cloud.tesla.com",
    "https://fleet-auth.tesla.com/oauth2/v3/userinfo",
)
CLIENT = "simulator"  # client of the tokens issued at the start
_PARTNER = "partner:"
LIFETIME = 8 * 3600  # of tokens from a sign-in
LONG_LIFETIME = 20 * 365 * 24 * 3600  # of the tokens issued at the start


def user_id(home: Home) -> int:
    """Return the number of a home's account, which its cars report."""
    return 1_000_000 + _identifier(home).int % 1_000_000


def _identifier(home: Home) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_DNS, f"{home.name}.invalid")


class Account:
    """Account of one home: region, cars and tokens."""

    def __init__(self, home: Home, cars: list[Car]) -> None:
        self.home = home
        self.region = home.region
        self.cars = cars
        self.other_products: list[dict[str, object]] = []
        self.subject = str(_identifier(home))
        self.issued: set[str] = set()  # token ids
        self.expired: set[str] = set()
        self.mobile_access = True

    def expire_tokens(self) -> None:
        """Expire all tokens issued so far."""
        self.expired |= self.issued

    def car(self, name: str) -> Car | None:
        """Return a car by VIN or id."""
        return next((car for car in self.cars if name in {car.vin, str(car.id)}), None)


@dataclass(frozen=True, kw_only=True)
class TokenGrant:
    """Account, scopes and client of a valid token."""

    account: Account
    scopes: frozenset[str]
    client: str


@dataclass(frozen=True, kw_only=True)
class Partner:
    """An app authenticated with client credentials."""

    client: str


class Tokens:
    """Issues and validates access tokens."""

    def __init__(self, get_time: Callable[[], float]) -> None:
        self._get_time = get_time
        self._secret = secrets.token_bytes(32)

    def issue(
        self,
        account: Account,
        *,
        scopes: Collection[str] = SCOPES,
        lifetime: float = LIFETIME,
        client: str = CLIENT,
    ) -> str:
        """Return an access token."""
        token_id = secrets.token_hex(8)
        account.issued.add(token_id)
        personal_claims: dict[str, object] = {
            "scp": list(scopes),
            "amr": ["pwd", "mfa", "otp"],
            "ou_code": account.region.upper(),
            "locale": "en-US",
            "account_type": "person",
            "jti": token_id,
        }
        claims = self._claims(account.subject, client, lifetime) | personal_claims
        return self._sign(claims)

    def issue_partner(self, client: str) -> str:
        """Return a partner token of an app."""
        claims = self._claims(f"{_PARTNER}{client}", client, LIFETIME)
        return self._sign(claims | {"gty": "client-credentials", "scp": ["openid"]})

    def partner(self, token: str) -> Partner | None:
        """Return the app of a valid partner token."""
        claims = self._read(token) or {}
        client, expires = claims.get("azp"), claims.get("exp")
        if not isinstance(client, str) or claims.get("sub") != f"{_PARTNER}{client}":
            return None
        if not isinstance(expires, int) or expires <= self._get_time():
            return None
        return Partner(client=client)

    def check(self, token: str, accounts: Collection[Account]) -> TokenGrant | str:
        """Return the grant of a token, or Tesla's error message if it is invalid."""
        if (claims := self._read(token)) is None:
            return "invalid bearer token"
        account = next(
            (one for one in accounts if one.subject == claims.get("sub")), None
        )
        if account is None:
            return "invalid bearer token"
        expires, scopes = claims.get("exp"), claims.get("scp")
        if not isinstance(expires, int) or not isinstance(scopes, list):
            return "invalid bearer token"
        if expires <= self._get_time() or claims.get("jti") in account.expired:
            return "token expired (401)"
        client = str(claims.get("azp"))
        return TokenGrant(account=account, scopes=frozenset(scopes), client=client)

    def _claims(self, subject: str, client: str, lifetime: float) -> dict[str, object]:
        timestamp = self._get_time()
        return {
            "iss": "https://fleet-auth.tesla.com/oauth2/v3/nts",
            "azp": client,
            "sub": subject,
            "aud": list(AUDIENCE),
            "exp": int(timestamp + lifetime),
            "iat": int(timestamp),
        }

    def _sign(self, claims: dict[str, object]) -> str:
        head = _encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        body = f"{head}.{_encode(json.dumps(claims).encode())}"
        return f"{body}.{_encode(self._mac(body))}"

    def _read(self, token: str) -> dict[str, object] | None:
        body, _, signature = token.rpartition(".")
        good = _encode(self._mac(body)).encode()
        if not hmac.compare_digest(good, signature.encode()):
            return None
        part = body.partition(".")[2]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return claims if isinstance(claims, dict) else None

    def _mac(self, text: str) -> bytes:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).digest()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
