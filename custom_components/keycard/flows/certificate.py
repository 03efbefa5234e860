"""Asks whether to trust the certificate of a server that nobody vouches for."""

from collections.abc import Awaitable, Callable
from typing import Any

import voluptuous as vol
from yarl import URL

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.selector import BooleanSelector

from ..const import CONF_FINGERPRINT
from ..notifications.markdown import escape_markdown
from ..outage.endpoints import region_of_host
from ..transport.pinning import (
    Certificate,
    Pin,
    async_read_certificate,
    pin_of,
    spell_fingerprint,
)
from .base import KeycardFlow
from .server_check import ConnectionCheck

CONF_TRUST = "trust"
CERTIFICATE = "certificate"

_SCHEMA = vol.Schema({vol.Required(CONF_TRUST, default=False): BooleanSelector()})

type Step = Callable[[dict[str, Any]], Awaitable[ConfigFlowResult]]
type TryServer = Callable[[Pin | None], Awaitable[ConnectionCheck]]


class CertificateSteps(KeycardFlow):
    """Has the user compare a certificate, and pins it if it is the right one."""

    def __init__(self) -> None:
        """Trust nothing yet."""
        super().__init__()
        self._trusted: dict[str, str] = {}
        self._certificate: Certificate | None = None
        self._asked_for = ""
        self._then: Step | None = None
        self._answers: dict[str, Any] = {}

    async def async_try_pinned(
        self, base_url: str, known: str | None, try_server: TryServer
    ) -> tuple[ConnectionCheck, str | None]:
        """Try a server, and return the fingerprint that was pinned for it, if any.

        `known` is the fingerprint of an entry that this flow changes. A certificate
        that somebody vouches for needs no pin.
        """
        check = ConnectionCheck(error=CERTIFICATE)
        fingerprint = self._trusted.get(base_url, known)
        if fingerprint is not None:
            check = await try_server(pin_of(fingerprint))
        if check.error != CERTIFICATE:
            return check, fingerprint
        return await try_server(None), None

    async def async_ask_for_trust(
        self, base_url: str, user_input: dict[str, Any], then: Step
    ) -> ConfigFlowResult | None:
        """Show the certificate of a server; None if there is none to be trusted.

        `then` takes the user's answers again once it is trusted.
        """
        if URL(base_url).scheme != "https" or region_of_host(base_url) is not None:
            return None
        session = async_get_clientsession(self.hass)
        self._certificate = await async_read_certificate(session, base_url)
        if self._certificate is None:
            return None
        self._asked_for, self._answers, self._then = base_url, user_input, then
        return await self.async_step_certificate()

    async def async_step_certificate(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask whether the certificate is that of the user's own server."""
        certificate, then = self._certificate, self._then
        if certificate is None or then is None:
            raise RuntimeError("No certificate was read")
        errors: dict[str, str] = {}
        if user_input is not None:
            if user_input[CONF_TRUST]:
                self._trusted[self._asked_for] = certificate.fingerprint
                return await then(self._answers)
            errors[CONF_TRUST] = "not_trusted"
        entry = self.changed_entry
        before = entry.data.get(CONF_FINGERPRINT) if entry else None
        expires = certificate.expires
        return self.async_show_form(
            step_id="certificate",
            data_schema=_SCHEMA,
            errors=errors,
            description_placeholders={
                "host": escape_markdown(URL(self._asked_for).authority),
                "fingerprint": spell_fingerprint(certificate.fingerprint),
                "before": spell_fingerprint(before) if before else "-",
                "subject": escape_markdown(certificate.subject[:200]) or "-",
                "expires": expires.date().isoformat() if expires else "-",
            },
        )
