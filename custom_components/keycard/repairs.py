"""Repair flows for Keycard."""

from typing import Any, override

from homeassistant.components.repairs import ConfirmRepairFlow, RepairsFlow
from homeassistant.components.repairs.models import RepairsFlowResult
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import ATTR_ENTITY_ID, SERVICE_TURN_OFF
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from .blueprint_installer import old_relay_inputs, old_relays
from .const import (
    CONF_BEFORE,
    CONF_ENABLED,
    CONF_FINGERPRINT,
    CONF_NOTIFICATIONS,
    DOMAIN,
)
from .coordinator import KeycardConfigEntry
from .flows.certificate import CONF_TRUST, TRUST_SCHEMA, describe_certificate
from .flows.receivers import phone_subentries, relay_settings, relay_subentries
from .issues import CERTIFICATE_ISSUES
from .notifications.notifier import notifications_enabled
from .notifications.subentries import async_add_receiver
from .transport.pinning import (
    Certificate,
    ServerCertificate,
    async_fetch_certificate,
    async_is_accepted,
)


class SwitchToKeycard(ConfirmRepairFlow):
    """Replace the automations of the old blueprint by Keycard's notifications."""

    def __init__(self, entry_id: str) -> None:
        """Initialize the flow for an entry."""
        super().__init__()
        self._entry_id = entry_id

    @override
    async def async_step_confirm(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Turn the automations off, and Keycard's own notifications on."""
        entry = self.hass.config_entries.async_get_entry(self._entry_id)
        if user_input is None or entry is None:
            return await super().async_step_confirm(user_input)
        inputs = old_relay_inputs(self.hass)
        if automations := old_relays(self.hass):
            await self.hass.services.async_call(
                "automation",
                SERVICE_TURN_OFF,
                {ATTR_ENTITY_ID: automations},
                blocking=True,
            )
        receivers = [
            *relay_subentries(self.hass, inputs),
            *phone_subentries(self.hass),
        ]
        # The automations that are now off may have notified for other entries, too.
        for one in self.hass.config_entries.async_entries(DOMAIN):
            known = one.options.get(CONF_NOTIFICATIONS, {})
            waits = known.get(CONF_BEFORE) and not notifications_enabled(one)
            if one is not entry and not waits:
                continue
            for receiver in receivers:
                async_add_receiver(self.hass, one, receiver)
            notifications = {
                **known,
                **(relay_settings(inputs[0]) if inputs else {}),
                CONF_ENABLED: True,
            }
            self.hass.config_entries.async_update_entry(
                one, options={**one.options, CONF_NOTIFICATIONS: notifications}
            )
        return await super().async_step_confirm(user_input)


class TrustCertificate(RepairsFlow):
    """Pin the certificate that the user's own server presents.

    Nothing is sent to a server while its certificate is not accepted.
    """

    _url: str
    _presented: Certificate
    _trusted: str | None

    def __init__(self, entry_id: str) -> None:
        """Initialize the flow for an entry."""
        super().__init__()
        self._entry_id = entry_id

    async def async_step_init(
        self, _user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Show the certificate, if it is one that must be trusted."""
        entry, session = self._entry, async_get_clientsession(self.hass)
        server = _server_of(entry)
        if entry is None or server is None:
            return self.async_abort(reason="no_certificate")
        trusted = entry.data.get(CONF_FINGERPRINT)
        presented = await async_fetch_certificate(session, server.url)
        if presented is None or presented.fingerprint == trusted:
            return self.async_abort(reason="no_certificate")
        if trusted is None and await async_is_accepted(session, server.url):
            return self.async_abort(reason="no_certificate")
        self._url, self._presented, self._trusted = server.url, presented, trusted
        return await self.async_step_confirm()

    async def async_step_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Ask whether to trust the certificate, and pin it."""
        errors: dict[str, str] = {}
        if user_input is not None:
            if user_input[CONF_TRUST]:
                return await self._async_trust()
            errors[CONF_TRUST] = "not_trusted"
        issue = ir.async_get(self.hass).async_get_issue(self.handler, self.issue_id)
        return self.async_show_form(
            step_id="confirm",
            data_schema=TRUST_SCHEMA,
            errors=errors,
            description_placeholders={
                **((issue and issue.translation_placeholders) or {}),
                **describe_certificate(self._url, self._presented, self._trusted),
            },
        )

    async def _async_trust(self) -> RepairsFlowResult:
        """Pin the certificate, unless Home Assistant accepts it by itself."""
        session = async_get_clientsession(self.hass)
        accepted = await async_is_accepted(session, self._url)
        entry = self._entry
        server = _server_of(entry)
        if entry is None or server is None or server.url != self._url:
            return self.async_abort(reason="no_certificate")
        data = {**entry.data, CONF_FINGERPRINT: self._presented.fingerprint}
        if accepted:
            del data[CONF_FINGERPRINT]
        self.hass.config_entries.async_update_entry(entry, data=data)
        self.hass.config_entries.async_schedule_reload(entry.entry_id)
        return self.async_create_entry(data={})

    @property
    def _entry(self) -> KeycardConfigEntry | None:
        """Return the entry, None if it is not loaded."""
        entry = self.hass.config_entries.async_get_entry(self._entry_id)
        loaded = entry is not None and entry.state is ConfigEntryState.LOADED
        return entry if loaded else None


def _server_of(entry: KeycardConfigEntry | None) -> ServerCertificate | None:
    return None if entry is None else entry.runtime_data.provider.certificate


async def async_create_fix_flow(
    _hass: HomeAssistant, _issue_id: str, data: dict[str, Any] | None
) -> RepairsFlow:
    """Return the flow that fixes an issue."""
    data = data or {}
    entry_id = str(data.get("entry_id", ""))
    if data.get("issue") in CERTIFICATE_ISSUES:
        return TrustCertificate(entry_id)
    return SwitchToKeycard(entry_id)
