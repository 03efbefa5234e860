"""Asks a server for the owner's cars, and says what is wrong in words of the flow."""

from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
import json
import re

from homeassistant.const import CONF_TOKEN
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import (
    async_create_clientsession,
    async_get_clientsession,
)

from ..auth.keys import PUBLIC_KEY_PATH
from ..auth.oauth import TeslaSignIn, TokenRequestFailedError
from ..const import CONF_BASE_URL, CONF_SERVER
from ..outage.classifier import classify
from ..outage.endpoints import REGIONS
from ..outage.evidence import Reason, RequestType
from ..providers import token_link
from ..transport.cloud import ApiCall, FleetClient
from ..transport.http import Failure, HttpResult, Recorder, request
from ..transport.key_pair import PrivateKey, matches_public_key, public_key_hex
from ..transport.pinning import Pin, pinned
from ..transport.proxy_answers import refuses_token
from ..vehicle.parsing import read_text
from ..vehicle.product_list import MOST_VEHICLES, parse_products, parse_unpaired
from ..vehicle.state import unwrapped

BASE = "base"

_ADDRESS = re.compile(r"https?://[a-z0-9][a-z0-9.-]*[a-z0-9](?::\d+)?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class ConnectionCheck:
    """What asking a server brought.

    `error` is a key of the flow's texts, None when the server answered with cars;
    `where` is the field that it is about. `may_pass` tells that address and token can
    be right all the same. `account` is the owner's number, where a car tells it;
    `names` are those of the cars, by VIN.
    `right_url` is where a refusal sends the owner.
    """

    error: str | None = None
    error_field: str = BASE
    can_override: bool = False
    account: str | None = None
    vins: frozenset[str] = frozenset()
    names: Mapping[str, str | None] = field(default_factory=dict)
    right_url: str | None = None


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
_TOO_MANY = ConnectionCheck(error="too_many_vehicles", error_field=CONF_TOKEN)
_WRONG_REGION = ConnectionCheck(error="wrong_region", error_field=CONF_BASE_URL)
_UNREACHABLE = ConnectionCheck(error="name_not_found", error_field=CONF_BASE_URL)
_TIMEOUT = 10.0
_CLOUD_FAILS = ConnectionCheck(error="server_error", can_override=True)


@asynccontextmanager
async def open_link(
    hass: HomeAssistant, base_url: str, token: str, pin: Pin | None = None
) -> AsyncGenerator[FleetClient]:
    """Open a link for a moment."""
    session = async_create_clientsession(
        hass, auto_cleanup=False, middlewares=(Recorder(),)
    )
    try:
        yield token_link(pinned(session, pin), base_url, token)
    finally:
        # Its connections belong to Home Assistant.
        session.detach()


async def check_server(
    hass: HomeAssistant, base_url: str, token: str, pin: Pin | None = None
) -> ConnectionCheck:
    """Ask a server for the owner's cars."""
    async with open_link(hass, base_url, token, pin) as link:
        return _check_of(await link.products(), base_url)


async def check_proxy(
    hass: HomeAssistant, base_url: str, pin: Pin | None
) -> ConnectionCheck:
    """Ask a server whether it is there; no token is shown to it."""
    session = async_create_clientsession(hass, auto_cleanup=False)
    try:
        answer = await request(
            pinned(session, pin), "GET", f"{base_url}/api/1/products", timeout=_TIMEOUT
        )
    finally:
        # Its connections belong to Home Assistant.
        session.detach()
    if answer.failure is Failure.CERTIFICATE:
        check = _REASONS[Reason.CERTIFICATE]
    elif answer.failure is not None:
        check = _FAILURES.get(answer.failure, _UNREACHABLE)
    elif not 200 <= (answer.status or 0) < 500 or answer.content_type == "text/html":
        check = _REASONS[Reason.MALFORMED]
    else:
        return ConnectionCheck()
    where = CONF_SERVER if check.error_field == CONF_BASE_URL else check.error_field
    return replace(check, error_field=where)


async def find_region(hass: HomeAssistant, base_url: str, token: str) -> str | None:
    """Ask which region the account belongs to, None if that is not told."""
    async with open_link(hass, base_url, token) as link:
        call = await link.region()
    region = None if call.body is None else unwrapped(call.body).get("region")
    return region if isinstance(region, str) and region in REGIONS else None


async def find_unpaired(
    hass: HomeAssistant, base_url: str, token: str, vins: Collection[str]
) -> tuple[str, ...]:
    """Ask which cars take only signed commands and do not know the owner's key yet."""
    if not vins:
        return ()
    async with open_link(hass, base_url, token) as link:
        call = await link.fleet_status(sorted(vins))
    return tuple(parse_unpaired(call.body, vins) or ())


def _check_of(call: ApiCall, base_url: str) -> ConnectionCheck:
    """Tell what a list of cars, or its absence, means for a set-up."""
    answer = call.answer
    readable = None if call.body is None else True
    reason = classify(RequestType.CALL, answer, url=base_url, readable=readable).reason
    if reason is Reason.OK:
        if (cars := parse_products(call.body)) is None:
            return _REASONS[Reason.MALFORMED]
        if len(cars) > MOST_VEHICLES:
            return _TOO_MANY
        accounts = [str(car["user_id"]) for car in cars.values() if car.get("user_id")]
        return ConnectionCheck(
            account=accounts[0] if accounts else None,
            vins=frozenset(cars),
            names={
                vin: read_text(car.get("display_name")) for vin, car in cars.items()
            },
        )
    if refuses_token(answer):
        return _REASONS[Reason.UNAUTHORIZED]
    if reason is Reason.WRONG_REGION:
        return replace(_WRONG_REGION, right_url=_url_in(answer.body))
    if reason is Reason.NO_ANSWER and answer.failure is not None:
        return _FAILURES.get(answer.failure, _REASONS[Reason.MALFORMED])
    return _REASONS.get(reason, _CLOUD_FAILS)


def _url_in(text: str) -> str | None:
    """Return the address that a refusal names instead."""
    found = _ADDRESS.search(text)
    return found[0] if found else None


_LOOK_TIMEOUT = 10.0
_LONGEST_WORD = 200

_DOMAIN = re.compile(
    r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check found wrong: a key of the flow's texts, None if it found nothing.

    `may_pass` tells that it may be right all the same; `said` is the host's own word.
    """

    error: str | None = None
    can_override: bool = False
    said: str = ""


_UNSEEN = {
    Failure.NAME: Finding(error="domain_not_found"),
    Failure.CERTIFICATE: Finding(error="domain_certificate"),
}

_REGISTRATION = {
    Reason.SIGN_IN: Finding(error="application_refused"),
    Reason.UNAUTHORIZED: Finding(error="application_refused"),
    Reason.FORBIDDEN: Finding(error="application_not_allowed"),
    Reason.BILLING_LIMIT: Finding(error="limit", can_override=True),
    Reason.RATE_LIMITED: Finding(error="rate_limited", can_override=True),
}


def read_domain(text: str) -> str | None:
    """Return a domain in its one form, None if it is none."""
    bare = text.strip().lower().removeprefix("https://").split("/")[0]
    return bare if _DOMAIN.fullmatch(bare) else None


def public_key_url(domain: str) -> str:
    """Return where the maker looks for the public key of an application."""
    return f"https://{domain}{PUBLIC_KEY_PATH}"


async def check_key(hass: HomeAssistant, domain: str, key: PrivateKey) -> Finding:
    """Look whether the public key is shown at its domain.

    A home that does not reach its own domain from inside may be right all the same.
    """
    answer = await request(
        async_get_clientsession(hass),
        "GET",
        public_key_url(domain),
        timeout=_LOOK_TIMEOUT,
        limit=8192,
    )
    if answer.failure is not None:
        return _UNSEEN.get(
            answer.failure, Finding(error="domain_unreachable", can_override=True)
        )
    if answer.status != 200:
        said = str(answer.status)
        return Finding(error="key_not_shown", can_override=True, said=said)
    match matches_public_key(answer.body, key):
        case True:
            return Finding()
        case False:
            return Finding(error="key_of_another")
        case _:
            return Finding(error="key_not_pem")


async def check_registration(
    hass: HomeAssistant,
    sign_in: TeslaSignIn,
    base_url: str,
    domain: str,
    key: PrivateKey,
) -> Finding:
    """Register the application in a region; to do that again changes nothing."""
    try:
        token = await sign_in.async_application_token(base_url)
    except TokenRequestFailedError as err:
        return _of_application(err.answer)
    async with open_link(hass, base_url, token) as link:
        return _of_registration(await link.register_partner(domain), key)


def _of_application(answer: HttpResult) -> Finding:
    """Tell what it means that the application got no token of its own."""
    if answer.failure is None and answer.status in {400, 401} and _is_json(answer):
        return Finding(error="application_refused")
    return Finding(error="sign_in_disturbed", can_override=True)


def _of_registration(call: ApiCall, key: PrivateKey) -> Finding:
    """Tell what the answer to a registration means."""
    if call.body is not None:
        shown = str(unwrapped(call.body).get("public_key") or "")
        if shown.lower() == public_key_hex(key):
            return Finding()
        return Finding(error="registered_with_another_key")
    reason = classify(RequestType.CALL, call.answer).reason
    if reason in _REGISTRATION:
        return _REGISTRATION[reason]
    said = _word_of(call.answer)
    if "public key" in said.lower():
        return Finding(error="key_not_found", said=said)
    if 400 <= (call.answer.status or 0) < 500:
        return Finding(error="registration_refused", said=said)
    return Finding(error="registration_failed", can_override=True, said=said)


def _is_json(answer: HttpResult) -> bool:
    return isinstance(_read(answer), dict)


def _word_of(answer: HttpResult) -> str:
    """Return why a host refuses, in its own word, or the number of its answer."""
    told = _read(answer)
    error = told.get("error") if isinstance(told, dict) else None
    word = read_text(error)
    return word[:_LONGEST_WORD] if word else str(answer.status or "")


def _read(answer: HttpResult) -> object:
    try:
        return json.loads(answer.body)
    except ValueError, RecursionError:
        return None
