"""Forms that ask whether to trust the certificate of the user's own server."""

from collections.abc import Awaitable, Callable
from typing import Any

import voluptuous as vol
from yarl import URL

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.selector import BooleanSelector

from ..notifications.markdown import escape_markdown
from ..outage.endpoints import region_of_host
from ..transport.pinning import (
    Certificate,
    CertificatePin,
    async_fetch_certificate,
    create_pin,
    format_fingerprint,
)
from .base import KeycardFlow
from .server_check import ConnectionCheck

CONF_TRUST = "trust"
CERTIFICATE = "certificate"

TRUST_SCHEMA = vol.Schema({vol.Required(CONF_TRUST, default=False): BooleanSelector()})

type Step = Callable[[dict[str, Any]], Awaitable[ConfigFlowResult]]
type PinnedCheck = Callable[[CertificatePin | None], Awaitable[ConnectionCheck]]


class CertificateSteps(KeycardFlow):
    """Steps that ask the user to compare and trust a certificate."""

    def __init__(self) -> None:
        """Initialize the flow."""
        super().__init__()
        self._trusted: dict[str, str] = {}
        self._known_fingerprint: str | None = None
        self._certificate: Certificate | None = None
        self._certificate_url = ""
        self._next_step: Step | None = None
        self._user_input: dict[str, Any] = {}

    async def async_check_pinned(
        self, base_url: str, known_fingerprint: str | None, check_pinned: PinnedCheck
    ) -> tuple[ConnectionCheck, str | None]:
        """Check a server, and return the fingerprint that is pinned for it, if any.

        `known_fingerprint` is that of the entry that this flow changes. A certificate
        of a trusted authority needs no pin.
        """
        self._known_fingerprint = known_fingerprint
        check = ConnectionCheck(error=CERTIFICATE)
        fingerprint = self._trusted.get(base_url, known_fingerprint)
        if fingerprint is not None:
            check = await check_pinned(create_pin(fingerprint))
        if check.error != CERTIFICATE:
            return check, fingerprint
        return await check_pinned(None), None

    async def async_confirm_certificate(
        self, base_url: str, user_input: dict[str, Any], next_step: Step
    ) -> ConfigFlowResult | None:
        """Show the certificate of a server, None if it has none to trust.

        `next_step` gets the user input again once the certificate is trusted.
        """
        if URL(base_url).scheme != "https" or region_of_host(base_url) is not None:
            return None
        session = async_get_clientsession(self.hass)
        self._certificate = await async_fetch_certificate(session, base_url)
        if self._certificate is None:
            return None
        self._certificate_url, self._user_input = base_url, user_input
        self._next_step = next_step
        return await self._async_ask_for_trust(None)

    async def async_step_certificate(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask whether to trust the certificate of a new server."""
        return await self._async_ask_for_trust(user_input)

    async def async_step_certificate_changed(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask whether to trust the new certificate of a server."""
        return await self._async_ask_for_trust(user_input)

    async def _async_ask_for_trust(
        self, user_input: dict[str, Any] | None
    ) -> ConfigFlowResult:
        certificate, next_step = self._certificate, self._next_step
        if certificate is None or next_step is None:
            raise RuntimeError("The step was reached without a certificate")
        errors: dict[str, str] = {}
        if user_input is not None:
            if user_input[CONF_TRUST]:
                self._trusted[self._certificate_url] = certificate.fingerprint
                return await next_step(self._user_input)
            errors[CONF_TRUST] = "not_trusted"
        before = self._known_fingerprint
        return self.async_show_form(
            step_id=CERTIFICATE if before is None else "certificate_changed",
            data_schema=TRUST_SCHEMA,
            errors=errors,
            description_placeholders=describe_certificate(
                self._certificate_url, certificate, before
            ),
        )


def describe_certificate(
    url: str, certificate: Certificate, before: str | None
) -> dict[str, str]:
    """Return the placeholders of a form; `before` is the fingerprint trusted so far."""
    expires = certificate.expires
    described = {
        "host": escape_markdown(URL(url).authority),
        "fingerprint": format_fingerprint(certificate.fingerprint),
        "subject": escape_markdown(certificate.subject[:200]) or "-",
        "expires": expires.date().isoformat() if expires else "-",
    }
    if before is not None:
        described["before"] = format_fingerprint(before)
    return described
