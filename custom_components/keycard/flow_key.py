"""Checks what must stand before an owner signs in with an application of theirs."""

from dataclasses import dataclass
import json
import re

from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from .answer import Answer, Failure, ask
from .flow_check import open_link
from .outage.evidence import Kind, Reason, read
from .sign_in import SignInFailedError, TeslaSignIn
from .signing_key import PUBLIC_KEY_PATH
from .vehicle.key_pair import PrivateKey, is_public_half, public_point
from .vehicle.links import Call
from .vehicle.reading import read_text
from .vehicle.state import unwrapped

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
