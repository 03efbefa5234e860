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
from ..auth.oauth import SignInFailedError, TeslaSignIn
from ..const import CONF_BASE_URL, CONF_SERVER
from ..outage.endpoints import REGIONS
from ..outage.evidence import Kind, Reason, read
from ..providers import token_link
from ..transport.cloud import Call, CloudLink
from ..transport.http import Answer, Failure, Recorder, ask
from ..transport.key_pair import PrivateKey, is_public_half, public_point
from ..transport.pinning import Pin, pinned
from ..transport.proxy_answers import refuses_token
from ..vehicle.parsing import read_text
from ..vehicle.product_list import MOST_VEHICLES, cars_in, unpaired_in
from ..vehicle.state import unwrapped

BASE = "base"

_ADDRESS = re.compile(r"https?://[a-z0-9][a-z0-9.-]*[a-z0-9](?::\d+)?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Check:
    """What asking a server brought.

    `error` is a key of the flow's texts, None when the server answered with cars;
    `where` is the field that it is about. `may_pass` tells that address and token can
    be right all the same. `account` is the owner's number, where a car tells it;
    `names` are those of the cars, by VIN.
    `right_url` is where a refusal sends the owner.
    """

    error: str | None = None
    where: str = BASE
    may_pass: bool = False
    account: str | None = None
    vins: frozenset[str] = frozenset()
    names: Mapping[str, str | None] = field(default_factory=dict)
    right_url: str | None = None


_FAILURES = {
    Failure.TIMEOUT: Check(error="timeout", may_pass=True),
    Failure.REFUSED: Check(error="cannot_connect", may_pass=True),
    Failure.RESET: Check(error="cut_off", may_pass=True),
}
_REASONS = {
    Reason.NAME: Check(error="name_not_found", where=CONF_BASE_URL),
    Reason.ADDRESS: Check(error="blocked_name", where=CONF_BASE_URL),
    Reason.CERTIFICATE: Check(error="certificate", where=CONF_BASE_URL),
    Reason.PORTAL: Check(error="web_page", where=CONF_BASE_URL),
    Reason.BLOCKED: Check(error="blocked"),
    Reason.MALFORMED: Check(error="not_fleet_api", where=CONF_BASE_URL),
    Reason.NOT_FOUND: Check(error="not_fleet_api", where=CONF_BASE_URL),
    Reason.REFUSED: Check(error="not_fleet_api", where=CONF_BASE_URL),
    Reason.SIGN_IN: Check(error="invalid_auth", where=CONF_TOKEN),
    Reason.UNAUTHORIZED: Check(error="invalid_auth", where=CONF_TOKEN),
    Reason.MOBILE_ACCESS: Check(error="mobile_access_disabled", may_pass=True),
    Reason.LIMIT: Check(error="limit", may_pass=True),
    Reason.PAYMENT: Check(error="payment", may_pass=True),
    Reason.POLICY: Check(error="policy"),
    Reason.NOT_REGISTERED: Check(error="not_registered"),
    Reason.RATE_LIMITED: Check(error="rate_limited", may_pass=True),
}
_TOO_MANY = Check(error="too_many_vehicles", where=CONF_TOKEN)
_WRONG_REGION = Check(error="wrong_region", where=CONF_BASE_URL)
_UNREACHABLE = Check(error="name_not_found", where=CONF_BASE_URL)
_TIMEOUT = 10.0
_CLOUD_FAILS = Check(error="server_error", may_pass=True)


@asynccontextmanager
async def open_link(
    hass: HomeAssistant, base_url: str, token: str, pin: Pin | None = None
) -> AsyncGenerator[CloudLink]:
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
) -> Check:
    """Ask a server for the owner's cars."""
    async with open_link(hass, base_url, token, pin) as link:
        return _judge(await link.products(), base_url)


async def check_proxy(hass: HomeAssistant, base_url: str, pin: Pin | None) -> Check:
    """Ask a server whether it is there; no token is shown to it."""
    session = async_create_clientsession(hass, auto_cleanup=False)
    try:
        answer = await ask(
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
        return Check()
    where = CONF_SERVER if check.where == CONF_BASE_URL else check.where
    return replace(check, where=where)


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
    return tuple(unpaired_in(call.body, vins) or ())


def _judge(call: Call, base_url: str) -> Check:
    """Tell what a list of cars, or its absence, means for a set-up."""
    answer = call.answer
    readable = None if call.body is None else True
    reason = read(Kind.CALL, answer, url=base_url, readable=readable).reason
    if reason is Reason.OK:
        if (cars := cars_in(call.body)) is None:
            return _REASONS[Reason.MALFORMED]
        if len(cars) > MOST_VEHICLES:
            return _TOO_MANY
        accounts = [str(car["user_id"]) for car in cars.values() if car.get("user_id")]
        return Check(
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
    may_pass: bool = False
    said: str = ""


_UNSEEN = {
    Failure.NAME: Finding(error="domain_not_found"),
    Failure.CERTIFICATE: Finding(error="domain_certificate"),
}

_REGISTRATION = {
    Reason.SIGN_IN: Finding(error="application_refused"),
    Reason.UNAUTHORIZED: Finding(error="application_refused"),
    Reason.POLICY: Finding(error="application_not_allowed"),
    Reason.LIMIT: Finding(error="limit", may_pass=True),
    Reason.RATE_LIMITED: Finding(error="rate_limited", may_pass=True),
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
    answer = await ask(
        async_get_clientsession(hass),
        "GET",
        public_key_url(domain),
        timeout=_LOOK_TIMEOUT,
        limit=8192,
    )
    if answer.failure is not None:
        return _UNSEEN.get(
            answer.failure, Finding(error="domain_unreachable", may_pass=True)
        )
    if answer.status != 200:
        said = str(answer.status)
        return Finding(error="key_not_shown", may_pass=True, said=said)
    match is_public_half(answer.body, key):
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
    except SignInFailedError as err:
        return _of_application(err.answer)
    async with open_link(hass, base_url, token) as link:
        return _of_registration(await link.register(domain), key)


def _of_application(answer: Answer) -> Finding:
    """Tell what it means that the application got no token of its own."""
    if answer.failure is None and answer.status in {400, 401} and _is_json(answer):
        return Finding(error="application_refused")
    return Finding(error="sign_in_disturbed", may_pass=True)


def _of_registration(call: Call, key: PrivateKey) -> Finding:
    """Tell what the answer to a registration means."""
    if call.body is not None:
        shown = str(unwrapped(call.body).get("public_key") or "")
        if shown.lower() == public_point(key):
            return Finding()
        return Finding(error="registered_with_another_key")
    reason = read(Kind.CALL, call.answer).reason
    if reason in _REGISTRATION:
        return _REGISTRATION[reason]
    said = _word_of(call.answer)
    if "public key" in said.lower():
        return Finding(error="key_not_found", said=said)
    if 400 <= (call.answer.status or 0) < 500:
        return Finding(error="registration_refused", said=said)
    return Finding(error="registration_failed", may_pass=True, said=said)


def _is_json(answer: Answer) -> bool:
    return isinstance(_read(answer), dict)


def _word_of(answer: Answer) -> str:
    """Return why a host refuses, in its own word, or the number of its answer."""
    told = _read(answer)
    error = told.get("error") if isinstance(told, dict) else None
    word = read_text(error)
    return word[:_LONGEST_WORD] if word else str(answer.status or "")


def _read(answer: Answer) -> object:
    try:
        return json.loads(answer.body)
    except ValueError, RecursionError:
        return None
