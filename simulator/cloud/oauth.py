"""OAuth endpoints: authorize, token and the OpenID configuration."""

import base64
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
import hashlib
from html import escape
import secrets
from typing import Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ..http.server import Reply, json_reply
from .accounts import CLIENT, LIFETIME, SCOPES, Account
from .partner_apps import PartnerApps

PREFIX = "/oauth2/v3"
_UNKNOWN_CLIENT = (
    "We don't recognize this client_id. Please use the client_id found in your app"
    " details."
)
_WRONG_SECRET = "We don't recognize this client_id and client_secret combination"
_CODE_LIFETIME = 300.0
_REFRESH_OVERLAP = 24 * 3600.0  # a replaced refresh token stays valid for a day


@dataclass(frozen=True, kw_only=True)
class _AuthorizationCode:
    account: Account
    client: str
    scopes: tuple[str, ...]
    redirect_uri: str
    challenge: str | None
    expires_at: float


@dataclass(kw_only=True)
class _RefreshToken:
    account: Account
    client: str
    scopes: tuple[str, ...]
    expires_at: float | None = None


class TokenIssuer(Protocol):
    """Issues the access tokens of a sign-in."""

    def issue(
        self,
        account: Account,
        *,
        scopes: Collection[str] = SCOPES,
        lifetime: float = LIFETIME,
        client: str = CLIENT,
    ) -> str:
        """Return an access token."""


class TeslaTokenIssuer(TokenIssuer, Protocol):
    """Token issuer that also issues partner tokens."""

    def issue_partner(self, client: str) -> str:
        """Return a partner token of an app."""


class SignIn:
    """OAuth endpoints without faults: consent, codes and tokens.

    `page` is the path of the consent page; `lifetime` is that of access tokens.
    """

    def __init__(
        self,
        accounts: Collection[Account],
        tokens: TokenIssuer,
        get_time: Callable[[], float],
        apps: PartnerApps,
        *,
        page: str = f"{PREFIX}/authorize",
        lifetime: float = LIFETIME,
    ) -> None:
        self._page = page
        self._lifetime = lifetime
        self._apps = apps
        self._accounts = accounts
        self._tokens = tokens
        self._get_time = get_time
        self._codes: dict[str, _AuthorizationCode] = {}
        self._refreshes: dict[str, _RefreshToken] = {}

    def refresh_token(
        self,
        account: Account,
        scopes: Collection[str] = SCOPES,
        client: str = CLIENT,
    ) -> str:
        """Return a refresh token for an account."""
        token = f"{account.region.upper()}_{secrets.token_hex(20)}"
        self._refreshes[token] = _RefreshToken(
            account=account, client=client, scopes=tuple(scopes)
        )
        return token

    def authorize(self, query: Mapping[str, str]) -> Reply:
        """Show the consent page, or redirect with a code or an error."""
        redirect = query.get("redirect_uri", "")
        if urlsplit(redirect).scheme not in {"http", "https"}:
            return _error(400, "invalid_request", "redirect_uri is missing")
        if query.get("response_type") != "code" or not query.get("client_id"):
            return _error(400, "invalid_request", "response_type or client_id is wrong")
        if not self._apps.is_known(query["client_id"], None):
            return _error(400, "unauthorized_client", _UNKNOWN_CLIENT)
        consent = query.get("consent")
        if consent is None:
            names = [one.home.name for one in self._accounts]
            return _consent_page(self._page, query, names)
        account = next(
            (
                one
                for one in self._accounts
                if one.home.name == query.get("account", one.home.name)
            ),
            None,
        )
        if consent != "allow" or account is None:
            return _redirect(redirect, query, error="access_denied")
        code = f"{account.region.upper()}_{secrets.token_hex(16)}"
        scopes = query.get("scope", " ".join(SCOPES)).split()
        self._codes[code] = _AuthorizationCode(
            account=account,
            client=query["client_id"],
            scopes=tuple(one for one in scopes if one in SCOPES),
            redirect_uri=redirect,
            challenge=query.get("code_challenge"),
            expires_at=self._get_time() + _CODE_LIFETIME,
        )
        return _redirect(redirect, query, code=code)

    def token(self, form: Mapping[str, str]) -> Reply:
        """Exchange a code or a refresh token for tokens."""
        client, secret = form.get("client_id", ""), form.get("client_secret", "")
        match form.get("grant_type"):
            case None:
                return _error(400, "invalid_request", "grant_type is missing")
            case "authorization_code":
                if self._apps.credentials and not self._apps.is_known(client, secret):
                    return _error(400, "unauthorized_client", _WRONG_SECRET)
                return self._exchange(form)
            case "refresh_token":
                if self._apps.credentials and not self._apps.is_known(client, None):
                    return _error(400, "unauthorized_client", _UNKNOWN_CLIENT)
                return self._refresh(form)
            case _:
                return _error(400, "unsupported_grant_type", "grant_type is unknown")

    def issue_tokens(
        self, account: Account, scopes: Collection[str], client: str
    ) -> Reply:
        """Return a token reply for an account."""
        token = self._tokens.issue(
            account, scopes=scopes, client=client, lifetime=self._lifetime
        )
        body = _token_body(token, self._lifetime)
        if "offline_access" in scopes:
            body["refresh_token"] = self.refresh_token(account, scopes, client)
        return json_reply(body)

    def _exchange(self, form: Mapping[str, str]) -> Reply:
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.expires_at < self._get_time():
            return _error(400, "invalid_auth_code", "the code is unknown or too old")
        if form.get("redirect_uri", code.redirect_uri) != code.redirect_uri:
            return _error(400, "invalid_redirect_url", "redirect_uri differs")
        verifier = form.get("code_verifier")
        if code.challenge and verifier and _challenge(verifier) != code.challenge:
            return _error(400, "invalid_grant", "code_verifier does not fit")
        return self.issue_tokens(code.account, code.scopes, code.client)

    def _refresh(self, form: Mapping[str, str]) -> Reply:
        refresh = self._refreshes.get(form.get("refresh_token", ""))
        timestamp = self._get_time()
        if refresh is None or (
            refresh.expires_at is not None and refresh.expires_at < timestamp
        ):
            description = "The refresh_token is invalid. Generate a new one."
            return _error(401, "login_required", description)
        if refresh.expires_at is None:
            refresh.expires_at = timestamp + _REFRESH_OVERLAP
        client = form.get("client_id") or refresh.client
        return self.issue_tokens(refresh.account, refresh.scopes, client)


class TeslaSignIn(SignIn):
    """Tesla's sign-in host, with OpenID configuration and partner tokens."""

    def __init__(
        self,
        accounts: Collection[Account],
        tokens: TeslaTokenIssuer,
        get_time: Callable[[], float],
        apps: PartnerApps,
    ) -> None:
        super().__init__(accounts, tokens, get_time, apps)
        self._tesla_tokens = tokens

    def answer(
        self, method: str, path: str, query: Mapping[str, str], form: Mapping[str, str]
    ) -> Reply:
        """Answer a request."""
        match method, path.removeprefix(PREFIX):
            case "GET", "/.well-known/openid-configuration":
                return json_reply(_configuration())
            case "GET", "/authorize":
                return self.authorize(query)
            case "POST", "/token" if form.get("grant_type") == "client_credentials":
                return self._partner(form)
            case "POST", "/token":
                return self.token(form)
            case _:
                return json_reply({"error": "not_found"}, 404)

    def _partner(self, form: Mapping[str, str]) -> Reply:
        client, secret = form.get("client_id", ""), form.get("client_secret", "")
        if not self._apps.is_known(client, secret):
            return _error(400, "unauthorized_client", _WRONG_SECRET)
        return json_reply(
            _token_body(self._tesla_tokens.issue_partner(client), LIFETIME)
        )


def _token_body(token: str, lifetime: float) -> dict[str, object]:
    return {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": int(lifetime),
    }


def _configuration() -> dict[str, object]:
    issuer = f"https://fleet-auth.tesla.com{PREFIX}"
    return {
        "issuer": f"{issuer}/nts",
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": list(SCOPES),
    }


def _error(status: int, error: str, description: str) -> Reply:
    return json_reply({"error": error, "error_description": description}, status)


def _redirect(uri: str, query: Mapping[str, str], **parameters: str) -> Reply:
    parts = urlsplit(uri)
    state = {"state": query["state"]} if "state" in query else {}
    query_string = urlencode(
        [*parse_qsl(parts.query), *parameters.items(), *state.items()]
    )
    location = urlunsplit(parts._replace(query=query_string))
    return Reply(status=302, headers={"Location": location})


def _consent_page(page: str, query: Mapping[str, str], homes: list[str]) -> Reply:
    def link(text: str, **parameters: str) -> str:
        query_string = escape(urlencode({**query, **parameters}))
        return f'<p><a href="{page}?{query_string}">{escape(text)}</a></p>'

    allowed = "".join(
        link(f"Allow: {home}", consent="allow", account=home) for home in homes
    )
    body = (
        "<!doctype html><title>Simulated sign-in</title><h1>Simulated sign-in</h1>"
        f"<p>{escape(query['client_id'])} asks for: {escape(query.get('scope', ''))}"
        f"</p>{allowed}{link('Deny', consent='deny')}"
    )
    return Reply(body=body, content_type="text/html")


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
