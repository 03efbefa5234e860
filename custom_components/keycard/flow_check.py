"""Asks a server for the owner's cars, and says what is wrong in words of the flow."""

from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
import re

from homeassistant.const import CONF_TOKEN
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_create_clientsession

from .answer import Failure, Recorder, ask
from .const import CONF_BASE_URL, CONF_SERVER
from .outage.evidence import Kind, Reason, read
from .outage.hosts import REGIONS
from .pinning import Pin, pinned
from .providers import token_link
from .vehicle.links import Call, CloudLink
from .vehicle.proxy_answers import refuses_token
from .vehicle.reading import read_text
from .vehicle.roster import MOST_VEHICLES, cars_in, unpaired_in
from .vehicle.state import unwrapped

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
