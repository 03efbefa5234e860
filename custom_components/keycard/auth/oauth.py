"""OAuth2 session that keeps its tokens while the sign-in host fails."""

from collections.abc import Callable, Mapping
import json
import math
import re
import time
from typing import Any, override

from homeassistant.components.application_credentials import ClientCredential
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_CLIENT_ID, CONF_REGION, CONF_TOKEN
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import (
    ImplementationUnavailableError,
    OAuth2TokenRequestBaseError,
    OAuth2TokenRequestConnectionError,
    UnknownImplementationError,
)
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.config_entry_oauth2_flow import (
    LocalOAuth2Implementation,
    LocalOAuth2ImplementationWithPkce,
    OAuth2Session,
    async_get_config_entry_implementation,
)

from ..const import CONF_IMPLEMENTATION, DOMAIN, PROVIDER_TESLEMETRY
from ..outage.endpoints import authorize_url, token_url
from ..providers import SERVICES, endpoints_from_config
from ..providers.scopes import SCOPES
from ..transport.http import HttpResult, request

# A response contains two or three tokens of up to 2 KB each.
_MAX_BODY = 32 * 1024
_TIMEOUT = 10.0

# Seconds between two refreshes, successful or not.
_RETRY_DELAY = 60.0
# Seconds between two refreshes of a token that was rejected before its expiry.
_INVALIDATE_INTERVAL = 600.0

# Bounds of a token's lifetime in seconds, and the default for an invalid one.
_MIN_LIFETIME = 60.0
_MAX_LIFETIME = 90 * 24 * 3600.0
_DEFAULT_LIFETIME = 3600

TESLEMETRY_IMPLEMENTATION = "teslemetry"

# Fields of a token response that are stored in addition to `expires_in`.
_TEXT_FIELDS = ("access_token", "refresh_token", "token_type")
_STORED_FIELDS = frozenset({*_TEXT_FIELDS, "expires_in", "expires_at"})
# Characters that are valid in a header and in a file.
_TOKEN = re.compile(r"[!-~]+")


class TokenRequestFailedError(OAuth2TokenRequestConnectionError):
    """Raised when the sign-in host returned no usable token."""

    def __init__(self, answer: HttpResult) -> None:
        """Initialize with the answer of the host."""
        super().__init__(domain=DOMAIN)
        self.answer = answer


class _RecordingImplementation(LocalOAuth2Implementation):
    """OAuth implementation that keeps the answer of a failed token request."""

    @override
    async def _token_request(self, data: dict[str, Any]) -> dict[str, Any]:
        client_secret = (
            {"client_secret": self.client_secret} if self.client_secret else {}
        )
        answer = await request(
            async_get_clientsession(self.hass),
            "POST",
            self.token_url,
            timeout=_TIMEOUT,
            data={**data, "client_id": self.client_id, **client_secret},
            max_body=_MAX_BODY,
        )
        token = classify_token_response(answer)
        if token is None:
            raise TokenRequestFailedError(answer)
        return token


class TeslaOAuthImplementation(_RecordingImplementation):
    """Tesla's OAuth implementation with the user's application."""

    def __init__(
        self,
        hass: HomeAssistant,
        auth_domain: str,
        credential: ClientCredential,
        *,
        region: str,
    ) -> None:
        """Initialize for the sign-in host of a region."""
        super().__init__(
            hass,
            auth_domain,
            credential.client_id,
            credential.client_secret,
            authorize_url(region),
            token_url(region),
        )

        self._credential = credential

    def in_region(self, region: str) -> TeslaOAuthImplementation:
        """Return the implementation for another region."""
        return TeslaOAuthImplementation(
            self.hass, self.domain, self._credential, region=region
        )

    async def async_application_token(self, base_url: str) -> str:
        """Return a token of the application for the API of a region.

        Raises TokenRequestFailedError.
        """
        token = await self._token_request(
            {
                "grant_type": "client_credentials",
                "audience": base_url,
                "scope": "openid vehicle_device_data vehicle_cmds",
            }
        )
        return str(token["access_token"])

    @property
    @override
    def name(self) -> str:
        """Return the name of the application."""
        return self._credential.name or self.client_id

    @property
    @override
    def extra_authorize_data(self) -> dict[str, Any]:
        """Request the needed scopes, prompting again for those denied before."""
        return {
            "scope": " ".join(SCOPES),
            "prompt_missing_scopes": "true",
            "require_requested_scopes": "false",
            "show_keypair_step": "false",
        }


class TeslemetryOAuthImplementation(
    _RecordingImplementation, LocalOAuth2ImplementationWithPkce
):
    """Teslemetry's OAuth implementation with the client registered by Keycard."""

    def __init__(self, hass: HomeAssistant, client_id: str) -> None:
        """Initialize with a registered client ID."""
        service = SERVICES[PROVIDER_TESLEMETRY]
        LocalOAuth2ImplementationWithPkce.__init__(
            self,
            hass,
            TESLEMETRY_IMPLEMENTATION,
            client_id,
            service.authorize_url or "",
            service.exchange_url or "",
        )

    @property
    @override
    def name(self) -> str:
        """Return the name of the service."""
        return SERVICES[PROVIDER_TESLEMETRY].name

    @property
    @override
    def extra_authorize_data(self) -> dict[str, Any]:
        """Add the name of the home."""
        return {"name": self.hass.config.location_name, **super().extra_authorize_data}

    @property
    @override
    def extra_token_resolve_data(self) -> dict[str, Any]:
        """Add the name of the home."""
        return {
            "name": self.hass.config.location_name,
            **super().extra_token_resolve_data,
        }


async def async_implementation(
    hass: HomeAssistant, entry: ConfigEntry
) -> _RecordingImplementation | None:
    """Return the OAuth implementation of an entry, None if it is not available."""
    if entry.data[CONF_IMPLEMENTATION] == TESLEMETRY_IMPLEMENTATION:
        return TeslemetryOAuthImplementation(hass, entry.data[CONF_CLIENT_ID])
    try:
        found = await async_get_config_entry_implementation(hass, entry)
    except ImplementationUnavailableError, UnknownImplementationError:
        return None
    if not isinstance(found, TeslaOAuthImplementation):
        return None
    implementation = found.in_region(entry.data[CONF_REGION])
    if (
        own_token_url := endpoints_from_config(entry.data, entry.options).token_url
    ) is not None:
        implementation.token_url = own_token_url
    return implementation


type RefreshListener = Callable[[HttpResult | None], None]


class OAuthSession(OAuth2Session):
    """OAuth session of an entry that keeps its token while it cannot be refreshed.

    It never starts a reauth; the detector decides when credentials are invalid.
    Listeners get the answer of each failed refresh, and None after a successful one.
    """

    implementation: _RecordingImplementation

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        implementation: _RecordingImplementation,
    ) -> None:
        """Initialize the session."""
        super().__init__(hass, entry, implementation)
        self._refresh_listeners: list[RefreshListener] = []
        self._invalidated = False
        self._invalidated_at = float("-inf")
        self._retry_at = float("-inf")

    async def async_token(self) -> str | None:
        """Return a valid token, None without one."""
        try:
            await self.async_ensure_token_valid()
        except OAuth2TokenRequestBaseError:
            return None
        token = self.token.get("access_token")
        return token if isinstance(token, str) else None

    def add_refresh_listener(self, listener: RefreshListener) -> None:
        """Call a listener after each token refresh."""
        self._refresh_listeners.append(listener)

    def async_invalidate(self) -> None:
        """Have a rejected token refreshed before it is used again."""
        monotonic = time.monotonic()
        if monotonic - self._invalidated_at > _INVALIDATE_INTERVAL:
            self._invalidated, self._invalidated_at = True, monotonic

    @property
    @override
    def token(self) -> dict[str, Any]:
        """Return the known fields of the token, empty if the entry has none."""
        token = self.config_entry.data.get(CONF_TOKEN)
        if not isinstance(token, Mapping):
            return {}
        return {name: value for name, value in token.items() if name in _STORED_FIELDS}

    @property
    @override
    def valid_token(self) -> bool:
        """Return whether the token has not expired."""
        expires_at = self.token.get("expires_at")
        return (
            isinstance(expires_at, int | float) and expires_at > time.time() + _TIMEOUT
        )

    @override
    async def async_ensure_token_valid(self) -> None:
        """Refresh the token if needed; raise if there is no valid one."""
        async with self._token_lock:
            if self.valid_token and not self._invalidated:
                return
            try:
                await self._async_refresh()
            except OAuth2TokenRequestBaseError:
                if not self.valid_token:
                    raise

    async def _async_refresh(self) -> None:
        monotonic = time.monotonic()
        if monotonic < self._retry_at or not self.token.get("refresh_token"):
            raise OAuth2TokenRequestConnectionError(domain=DOMAIN)
        self._retry_at = monotonic + _RETRY_DELAY
        try:
            token = await self.implementation.async_refresh_token(self.token)
        except TokenRequestFailedError as err:
            self._store_refresh_token(err.answer)
            self._notify(err.answer)
            raise
        self._invalidated = False
        self._store_token(token)
        self._notify(None)

    def _notify(self, failure: HttpResult | None) -> None:
        for listener in self._refresh_listeners:
            listener(failure)

    def _store_refresh_token(self, answer: HttpResult) -> None:
        """Store a new refresh token although the access token is unusable."""
        refresh_token = _text_fields(_parse_response(answer)).get("refresh_token")
        if refresh_token is not None:
            self._store_token({**self.token, "refresh_token": refresh_token})

    def _store_token(self, token: dict[str, Any]) -> None:
        self.hass.config_entries.async_update_entry(
            self.config_entry, data={**self.config_entry.data, CONF_TOKEN: token}
        )


def classify_token_response(answer: HttpResult) -> dict[str, Any] | None:
    """Return the token of a response, None without a usable one.

    It contains only known fields with valid characters, and a lifetime in seconds
    within bounds.
    """
    response = _parse_response(answer)
    token: dict[str, Any] = _text_fields(response)
    if "access_token" not in token:
        return None
    return {**token, "expires_in": _lifetime(response.get("expires_in"))}


def _parse_response(answer: HttpResult) -> Mapping[str, object]:
    """Return the JSON object of a successful answer, empty for any other."""
    if answer.failure is not None or answer.status != 200:
        return {}
    try:
        # As floats, since an integer of thousands of digits raises an error.
        response = json.loads(answer.body, parse_int=float)
    except ValueError, RecursionError:
        return {}
    return response if isinstance(response, dict) else {}


def _text_fields(response: Mapping[str, object]) -> dict[str, str]:
    return {
        name: value
        for name in _TEXT_FIELDS
        if isinstance(value := response.get(name), str) and _TOKEN.fullmatch(value)
    }


def _lifetime(value: object) -> int:
    """Return the lifetime of a token in seconds, within bounds."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return _DEFAULT_LIFETIME
    try:
        seconds = float(value)
    except ValueError, OverflowError:
        return _DEFAULT_LIFETIME
    if not math.isfinite(seconds) or seconds < _MIN_LIFETIME:
        return _DEFAULT_LIFETIME
    return int(min(seconds, _MAX_LIFETIME))
