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
from ..providers import SERVICES, hosts_of
from ..providers.fleet import SCOPES
from ..transport.http import HttpResult, request

# The answer holds two or three tokens of a kilobyte or two each.
_TOKENS_KEPT = 32 * 1024
_TIMEOUT = 10.0

# How long a sign-in is left alone after it was renewed, or could not be.
_RETRY_DELAY = 60.0
# A token that is refused while it should be good is renewed at most so often.
_INVALIDATE_INTERVAL = 600.0

# Seconds that a token may last, and what one is taken to last that says nothing sane.
_SHORTEST = 60.0
_LONGEST = 90 * 24 * 3600.0
_USUAL = 3600

TESLEMETRY_SIGN_IN = "teslemetry"

# All that is stored of an answer of the sign-in host, with `expires_in`.
_TEXTS = ("access_token", "refresh_token", "token_type")
_KNOWN = frozenset({*_TEXTS, "expires_in", "expires_at"})
# What can stand in a header, and in a file: no space, no control, no lone surrogate.
_TOKEN = re.compile(r"[!-~]+")


class TokenRequestFailedError(OAuth2TokenRequestConnectionError):
    """The sign-in host gave no token; the answer tells why."""

    def __init__(self, answer: HttpResult) -> None:
        """Keep the answer."""
        super().__init__(domain=DOMAIN)
        self.answer = answer


class _RecordingImplementation(LocalOAuth2Implementation):
    """A sign-in whose answers are read before anybody is held for refused."""

    @override
    async def _token_request(self, data: dict[str, Any]) -> dict[str, Any]:
        secret = {"client_secret": self.client_secret} if self.client_secret else {}
        answer = await request(
            async_get_clientsession(self.hass),
            "POST",
            self.token_url,
            timeout=_TIMEOUT,
            data={**data, "client_id": self.client_id, **secret},
            max_body=_TOKENS_KEPT,
        )
        token = classify_token_response(answer)
        if token is None:
            raise TokenRequestFailedError(answer)
        return token


class TeslaSignIn(_RecordingImplementation):
    """The sign-in of the maker, with the application of the owner."""

    def __init__(
        self,
        hass: HomeAssistant,
        auth_domain: str,
        credential: ClientCredential,
        *,
        region: str,
    ) -> None:
        """Sign in where the cars of a region belong."""
        super().__init__(
            hass,
            auth_domain,
            credential.client_id,
            credential.client_secret,
            authorize_url(region),
            token_url(region),
        )

        self._credential = credential

    def in_region(self, region: str) -> TeslaSignIn:
        """Return the same sign-in for the cars of another region."""
        return TeslaSignIn(self.hass, self.domain, self._credential, region=region)

    async def async_application_token(self, base_url: str) -> str:
        """Return a token of the application's own, for the API of a region.

        Raises SignInFailedError.
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
        """Return what the owner calls the application."""
        return self._credential.name or self.client_id

    @property
    @override
    def extra_authorize_data(self) -> dict[str, Any]:
        """Ask for what the entities need, and again for what was refused before."""
        return {
            "scope": " ".join(SCOPES),
            "prompt_missing_scopes": "true",
            "require_requested_scopes": "false",
            "show_keypair_step": "false",
        }


class TeslemetrySignIn(_RecordingImplementation, LocalOAuth2ImplementationWithPkce):
    """The sign-in of Teslemetry, with a client that was registered for this home."""

    def __init__(self, hass: HomeAssistant, client_id: str) -> None:
        """Sign in as a client that the service knows."""
        service = SERVICES[PROVIDER_TESLEMETRY]
        LocalOAuth2ImplementationWithPkce.__init__(
            self,
            hass,
            TESLEMETRY_SIGN_IN,
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
        """Name this home."""
        return {"name": self.hass.config.location_name, **super().extra_authorize_data}

    @property
    @override
    def extra_token_resolve_data(self) -> dict[str, Any]:
        """Name this home."""
        return {
            "name": self.hass.config.location_name,
            **super().extra_token_resolve_data,
        }


async def async_implementation(
    hass: HomeAssistant, entry: ConfigEntry
) -> _RecordingImplementation | None:
    """Return how the owner of an entry signed in, None if that is no longer known."""
    if entry.data[CONF_IMPLEMENTATION] == TESLEMETRY_SIGN_IN:
        return TeslemetrySignIn(hass, entry.data[CONF_CLIENT_ID])
    try:
        known = await async_get_config_entry_implementation(hass, entry)
    except ImplementationUnavailableError, UnknownImplementationError:
        return None
    if not isinstance(known, TeslaSignIn):
        return None
    implementation = known.in_region(entry.data[CONF_REGION])
    if (own := hosts_of(entry.data, entry.options).token_url) is not None:
        implementation.token_url = own
    return implementation


class OAuthSession(OAuth2Session):
    """The sign-in of an entry: renewed when it ends, kept while it cannot be.

    It never starts a reauth. `observe` takes the answer of each renewal that failed,
    and None after a good one: the judge says when the credentials are bad.
    """

    implementation: _RecordingImplementation

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        implementation: _RecordingImplementation,
    ) -> None:
        """Take the sign-in of an entry."""
        super().__init__(hass, entry, implementation)
        self.observe: Callable[[HttpResult | None], None] = lambda _: None
        self._refused = False
        self._refused_at = float("-inf")
        self._retry_at = float("-inf")

    async def async_token(self) -> str | None:
        """Return a token that should be good, None while there is none."""
        try:
            await self.async_ensure_token_valid()
        except OAuth2TokenRequestBaseError:
            return None
        token = self.token.get("access_token")
        return token if isinstance(token, str) else None

    def async_invalidate(self) -> None:
        """Renew the token before it is used again: it was refused."""
        now = time.monotonic()
        if now - self._refused_at > _INVALIDATE_INTERVAL:
            self._refused, self._refused_at = True, now

    @property
    @override
    def token(self) -> dict[str, Any]:
        """Return the token, empty if the entry holds none that makes sense."""
        token = self.config_entry.data.get(CONF_TOKEN)
        if not isinstance(token, Mapping):
            return {}
        return {name: value for name, value in token.items() if name in _KNOWN}

    @property
    @override
    def valid_token(self) -> bool:
        """Return whether the token has time left."""
        expires = self.token.get("expires_at")
        return isinstance(expires, int | float) and expires > time.time() + _TIMEOUT

    @override
    async def async_ensure_token_valid(self) -> None:
        """Renew the token if it ends; raise if there is none that could be good."""
        async with self._token_lock:
            if self.valid_token and not self._refused:
                return
            try:
                await self._async_renew()
            except OAuth2TokenRequestBaseError:
                if not self.valid_token:
                    raise

    async def _async_renew(self) -> None:
        now = time.monotonic()
        if now < self._retry_at or not self.token.get("refresh_token"):
            raise OAuth2TokenRequestConnectionError(domain=DOMAIN)
        self._retry_at = now + _RETRY_DELAY
        try:
            token = await self.implementation.async_refresh_token(self.token)
        except TokenRequestFailedError as err:
            self._keep_refresh_token(err.answer)
            self.observe(err.answer)
            raise
        self._refused = False
        self._keep(token)
        self.observe(None)

    def _keep_refresh_token(self, answer: HttpResult) -> None:
        """Keep what came to renew with next, though the token beside it is unusable."""
        refresh_token = _texts(_read(answer)).get("refresh_token")
        if refresh_token is not None:
            self._keep({**self.token, "refresh_token": refresh_token})

    def _keep(self, token: dict[str, Any]) -> None:
        self.hass.config_entries.async_update_entry(
            self.config_entry, data={**self.config_entry.data, CONF_TOKEN: token}
        )


def classify_token_response(answer: HttpResult) -> dict[str, Any] | None:
    """Return the token in an answer, None if it holds none that can be used.

    Only known fields are taken, as text that can be sent and stored, and a lifetime
    (seconds) within bounds.
    """
    told = _read(answer)
    token: dict[str, Any] = _texts(told)
    if "access_token" not in token:
        return None
    return {**token, "expires_in": _lifetime(told.get("expires_in"))}


def _read(answer: HttpResult) -> Mapping[str, object]:
    """Return what a good answer tells, empty for any other."""
    if answer.failure is not None or answer.status != 200:
        return {}
    try:
        # As floats: an integer of thousands of digits is an error of its own.
        told = json.loads(answer.body, parse_int=float)
    except ValueError, RecursionError:
        return {}
    return told if isinstance(told, dict) else {}


def _texts(told: Mapping[str, object]) -> dict[str, str]:
    return {
        name: value
        for name in _TEXTS
        if isinstance(value := told.get(name), str) and _TOKEN.fullmatch(value)
    }


def _lifetime(told: object) -> int:
    """Return how many seconds a token is taken to last."""
    if isinstance(told, bool) or not isinstance(told, int | float | str):
        return _USUAL
    try:
        seconds = float(told)
    except ValueError, OverflowError:
        return _USUAL
    if not math.isfinite(seconds) or seconds < _SHORTEST:
        return _USUAL
    return int(min(seconds, _LONGEST))
