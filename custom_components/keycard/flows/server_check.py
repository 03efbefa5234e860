"""Connection checks of the config flow."""

from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
import json
import re

from aiohttp import ClientMiddlewareType, ClientSession
import voluptuous as vol
from yarl import URL

from homeassistant.const import CONF_TOKEN
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import (
    async_create_clientsession,
    async_get_clientsession,
)

from ..auth.keys import PUBLIC_KEY_PATH
from ..auth.oauth import TeslaOAuthImplementation, TokenRequestFailedError
from ..const import CONF_BASE_URL, CONF_SERVER
from ..outage.classifier import classify
from ..outage.endpoints import REGIONS
from ..outage.evidence import Reason, RequestType
from ..providers import create_token_client
from ..transport.cloud import FleetClient
from ..transport.http import Failure, HttpResult, RecordingMiddleware, request
from ..transport.key_pair import PrivateKey, matches_public_key, public_key_hex
from ..transport.pinning import CertificatePin, pin_session
from ..transport.proxy_answers import rejects_token
from ..transport.result import ApiCall
from ..vehicle.parsing import parse_text
from ..vehicle.product_list import MAX_VEHICLES, parse_products, parse_unpaired
from ..vehicle.state import unwrap_response

BASE = "base"

_TIMEOUT = 10.0
_MAX_MESSAGE = 200

_URL = re.compile(r"https?://[a-z0-9][a-z0-9.-]*[a-z0-9](?::\d+)?", re.IGNORECASE)
_DOMAIN = re.compile(
    r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
)


@dataclass(frozen=True, kw_only=True)
class ConnectionCheck:
    """Result of a check against a server, a domain or Tesla's registration.

    `error` is an error key of the translations, None on success, and `error_field` the
    form field it belongs to. `can_override` is set if the input may be valid despite
    the error. `message` is the host's own error message. `account` is the Tesla user
    ID, if a vehicle reports it; `names` are by VIN. `right_url` is the URL that a wrong
    region response names.
    """

    error: str | None = None
    error_field: str = BASE
    can_override: bool = False
    message: str = ""
    account: str | None = None
    vins: frozenset[str] = frozenset()
    names: Mapping[str, str | None] = field(default_factory=dict)
    right_url: str | None = None

    def form_errors(self, schema: vol.Schema) -> dict[str, str]:
        """Return the errors of a form, at its base if the field is not part of it."""
        if self.error is None:
            return {}
        field = self.error_field if self.error_field in schema.schema else BASE
        return {field: self.error}


_FAILURES = {
    Failure.TIMEOUT: ConnectionCheck(error="timeout", can_override=True),
    Failure.REFUSED: ConnectionCheck(error="cannot_connect", can_override=True),
    Failure.RESET: ConnectionCheck(error="cut_off", can_override=True),
}
_REASONS = {
    Reason.NAME: ConnectionCheck(error="name_not_found", error_field=CONF_BASE_URL),
    Reason.ADDRESS: ConnectionCheck(error="blocked_name", error_field=CONF_BASE_URL),
    Reason.CERTIFICATE: ConnectionCheck(error="certificate", error_field=CONF_BASE_URL),
    Reason.PORTAL: ConnectionCheck(error="web_page", error_field=CONF_BASE_URL),
    Reason.BLOCKED: ConnectionCheck(error="blocked"),
    Reason.MALFORMED: ConnectionCheck(error="not_fleet_api", error_field=CONF_BASE_URL),
    Reason.NOT_FOUND: ConnectionCheck(error="not_fleet_api", error_field=CONF_BASE_URL),
    Reason.REFUSED: ConnectionCheck(error="not_fleet_api", error_field=CONF_BASE_URL),
    Reason.SIGN_IN: ConnectionCheck(error="invalid_auth", error_field=CONF_TOKEN),
    Reason.UNAUTHORIZED: ConnectionCheck(error="invalid_auth", error_field=CONF_TOKEN),
    Reason.MOBILE_ACCESS: ConnectionCheck(
        error="mobile_access_disabled", can_override=True
    ),
    Reason.BILLING_LIMIT: ConnectionCheck(error="limit", can_override=True),
    Reason.PAYMENT: ConnectionCheck(error="payment", can_override=True),
    Reason.FORBIDDEN: ConnectionCheck(error="policy"),
    Reason.NOT_REGISTERED: ConnectionCheck(error="not_registered"),
    Reason.RATE_LIMITED: ConnectionCheck(error="rate_limited", can_override=True),
}
_TOO_MANY_VEHICLES = ConnectionCheck(error="too_many_vehicles", error_field=CONF_TOKEN)
_WRONG_REGION = ConnectionCheck(error="wrong_region", error_field=CONF_BASE_URL)
_UNREACHABLE = ConnectionCheck(error="name_not_found", error_field=CONF_BASE_URL)
_SERVER_ERROR = ConnectionCheck(error="server_error", can_override=True)


@asynccontextmanager
async def _open_session(
    hass: HomeAssistant,
    pin: CertificatePin | None,
    middlewares: tuple[ClientMiddlewareType, ...],
) -> AsyncGenerator[ClientSession]:
    """Open a session that pins the certificate of the server, if any."""
    session = async_create_clientsession(
        hass, auto_cleanup=False, middlewares=middlewares
    )
    try:
        yield pin_session(session, pin)
    finally:
        # The connector belongs to Home Assistant.
        session.detach()


@asynccontextmanager
async def _open_client(
    hass: HomeAssistant,
    base_url: str,
    token: str,
    pin: CertificatePin | None = None,
    *,
    own_server: bool = False,
) -> AsyncGenerator[FleetClient]:
    """Open a client of the Fleet API."""
    recorder = RecordingMiddleware(own_host=URL(base_url).host if own_server else None)
    async with _open_session(hass, pin, (recorder,)) as session:
        yield create_token_client(session, base_url, token)


async def check_server(
    hass: HomeAssistant,
    base_url: str,
    token: str,
    pin: CertificatePin | None = None,
    *,
    own_server: bool = False,
) -> ConnectionCheck:
    """Request the vehicles of the account."""
    async with _open_client(
        hass, base_url, token, pin, own_server=own_server
    ) as client:
        return _check_products(await client.products(), base_url)


async def check_proxy(
    hass: HomeAssistant, base_url: str, pin: CertificatePin | None
) -> ConnectionCheck:
    """Check whether a command proxy responds, without sending it a token."""
    async with _open_session(hass, pin, ()) as session:
        answer = await request(
            session,
            "GET",
            f"{base_url}/api/1/products",
            timeout=_TIMEOUT,
            own_server=True,
        )
    if answer.failure is Failure.CERTIFICATE:
        check = _REASONS[Reason.CERTIFICATE]
    elif answer.failure is not None:
        check = _FAILURES.get(answer.failure, _UNREACHABLE)
    elif not 200 <= (answer.status or 0) < 500 or answer.content_type == "text/html":
        check = _REASONS[Reason.MALFORMED]
    else:
        return ConnectionCheck()
    if check.error_field == CONF_BASE_URL:
        return replace(check, error_field=CONF_SERVER)
    return check


async def find_region(hass: HomeAssistant, base_url: str, token: str) -> str | None:
    """Return the region of the account, None if it is not reported."""
    async with _open_client(hass, base_url, token) as client:
        call = await client.region()
    region = None if call.body is None else unwrap_response(call.body).get("region")
    return region if isinstance(region, str) and region in REGIONS else None


async def find_unpaired(
    hass: HomeAssistant, base_url: str, token: str, vins: Collection[str]
) -> tuple[str, ...]:
    """Return the vehicles that require signed commands and lack the user's key."""
    if not vins:
        return ()
    async with _open_client(hass, base_url, token) as client:
        call = await client.fleet_status(sorted(vins))
    return tuple(parse_unpaired(call.body, vins) or ())


def _check_products(call: ApiCall, base_url: str) -> ConnectionCheck:
    """Check the response of the products endpoint."""
    answer = call.answer
    readable = None if call.body is None else True
    reason = classify(RequestType.CALL, answer, url=base_url, readable=readable).reason
    if reason is Reason.OK:
        if (vehicles := parse_products(call.body)) is None:
            return _REASONS[Reason.MALFORMED]
        if len(vehicles) > MAX_VEHICLES:
            return _TOO_MANY_VEHICLES
        accounts = [
            str(vehicle["user_id"])
            for vehicle in vehicles.values()
            if vehicle.get("user_id")
        ]
        return ConnectionCheck(
            account=accounts[0] if accounts else None,
            vins=frozenset(vehicles),
            names={
                vin: parse_text(vehicle.get("display_name"))
                for vin, vehicle in vehicles.items()
            },
        )
    if rejects_token(answer):
        return _REASONS[Reason.UNAUTHORIZED]
    if reason is Reason.WRONG_REGION:
        return replace(_WRONG_REGION, right_url=_find_url(answer.body))
    if reason is Reason.NO_ANSWER and answer.failure is not None:
        return _FAILURES.get(answer.failure, _REASONS[Reason.MALFORMED])
    return _REASONS.get(reason, _SERVER_ERROR)


def _find_url(text: str) -> str | None:
    """Return the first URL in an error message."""
    match = _URL.search(text)
    return match[0] if match else None


_DOMAIN_FAILURES = {
    Failure.NAME: ConnectionCheck(error="domain_not_found"),
    Failure.CERTIFICATE: ConnectionCheck(error="domain_certificate"),
}

_REGISTRATION_REASONS = {
    Reason.SIGN_IN: ConnectionCheck(error="application_refused"),
    Reason.UNAUTHORIZED: ConnectionCheck(error="application_refused"),
    Reason.FORBIDDEN: ConnectionCheck(error="application_not_allowed"),
    Reason.BILLING_LIMIT: ConnectionCheck(error="limit", can_override=True),
    Reason.RATE_LIMITED: ConnectionCheck(error="rate_limited", can_override=True),
}


def parse_domain(text: str) -> str | None:
    """Return a normalized domain, None if it is invalid."""
    bare = text.strip().lower().removeprefix("https://").split("/")[0]
    return bare if _DOMAIN.fullmatch(bare) else None


def public_key_url(domain: str) -> str:
    """Return the URL at which Tesla expects the public key of an application."""
    return f"https://{domain}{PUBLIC_KEY_PATH}"


async def check_key(
    hass: HomeAssistant, domain: str, key: PrivateKey
) -> ConnectionCheck:
    """Check whether the domain serves the public key.

    A network that does not reach its own domain from inside may still be correct.
    """
    answer = await request(
        async_get_clientsession(hass),
        "GET",
        public_key_url(domain),
        timeout=_TIMEOUT,
        max_size=8192,
    )
    if answer.failure is not None:
        return _DOMAIN_FAILURES.get(
            answer.failure,
            ConnectionCheck(error="domain_unreachable", can_override=True),
        )
    if answer.status != 200:
        return ConnectionCheck(
            error="key_not_shown", can_override=True, message=str(answer.status)
        )
    match matches_public_key(answer.body, key):
        case True:
            return ConnectionCheck()
        case False:
            return ConnectionCheck(error="key_of_another")
        case _:
            return ConnectionCheck(error="key_not_pem")


async def check_registration(
    hass: HomeAssistant,
    sign_in: TeslaOAuthImplementation,
    base_url: str,
    domain: str,
    key: PrivateKey,
) -> ConnectionCheck:
    """Register the application in a region; registering again is harmless."""
    try:
        token = await sign_in.async_application_token(base_url)
    except TokenRequestFailedError as err:
        return _check_token_error(err.answer)
    async with _open_client(hass, base_url, token) as client:
        return _check_registration(await client.register_partner(domain), key)


def _check_token_error(answer: HttpResult) -> ConnectionCheck:
    """Check the response to a failed token request of the application."""
    rejected = answer.failure is None and answer.status in {400, 401}
    if rejected and isinstance(_parse_json(answer), dict):
        return ConnectionCheck(error="application_refused")
    return ConnectionCheck(error="sign_in_disturbed", can_override=True)


def _check_registration(call: ApiCall, key: PrivateKey) -> ConnectionCheck:
    """Check the response to a registration."""
    if call.body is not None:
        registered = str(unwrap_response(call.body).get("public_key") or "")
        if registered.lower() == public_key_hex(key):
            return ConnectionCheck()
        return ConnectionCheck(error="registered_with_another_key")
    if call.answer.status is None and call.answer.failure is not None:
        check = _FAILURES.get(call.answer.failure, _SERVER_ERROR)
        return replace(check, can_override=True)
    reason = classify(RequestType.CALL, call.answer).reason
    if reason in _REGISTRATION_REASONS:
        return _REGISTRATION_REASONS[reason]
    message = _error_message(call.answer)
    if "public key" in message.lower():
        return ConnectionCheck(error="key_not_found", message=message)
    if 400 <= (call.answer.status or 0) < 500:
        return ConnectionCheck(error="registration_refused", message=message)
    return ConnectionCheck(
        error="registration_failed", can_override=True, message=message
    )


def _error_message(answer: HttpResult) -> str:
    """Return the error message of a response, or its status code."""
    body = _parse_json(answer)
    error = body.get("error") if isinstance(body, dict) else None
    message = parse_text(error)
    return message[:_MAX_MESSAGE] if message else str(answer.status or "")


def _parse_json(answer: HttpResult) -> object:
    try:
        return json.loads(answer.body)
    except ValueError, RecursionError:
        return None
