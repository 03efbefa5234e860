"""Repair flows for Keycard."""

from typing import Any, override

from homeassistant.components.repairs import ConfirmRepairFlow, RepairsFlow
from homeassistant.components.repairs.models import RepairsFlowResult
from homeassistant.const import ATTR_ENTITY_ID, SERVICE_TURN_OFF
from homeassistant.core import HomeAssistant

from .blueprint_installer import old_relay_inputs, old_relays
from .const import CONF_BEFORE, CONF_ENABLED, CONF_NOTIFICATIONS, DOMAIN
from .flows.receivers import phone_subentries, relay_settings, relay_subentries
from .notifications.notifier import notifications_enabled
from .notifications.subentries import async_add_receiver


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


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, Any] | None
) -> RepairsFlow:
    """Return the flow that fixes an issue."""
    return SwitchToKeycard(str((data or {}).get("entry_id", "")))
