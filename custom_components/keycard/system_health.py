"""System health for Keycard."""

from collections.abc import Iterator
from itertools import count
import time
from typing import Any

from homeassistant.components.system_health import SystemHealthRegistration
from homeassistant.core import HomeAssistant, callback
from homeassistant.loader import async_get_integration

from .const import DOMAIN
from .coordinator import KeycardData
from .notifications.text import Translations, async_load_translations
from .outage.endpoints import Endpoint
from .outage.evidence import Evidence, Reason, RequestType
from .runtime.host_poller import HOST_POLLERS

_NAMES = {
    RequestType.TOKEN: "sign_in_token",
    RequestType.AUTHORIZE: "sign_in_page",
    RequestType.UNRELATED: "unrelated",
}

# Translation keys of the reasons of a bad answer; all others are errors.
_REASONS = {
    Reason.NO_ANSWER: "answer_none",
    Reason.NAME: "answer_name",
    Reason.ADDRESS: "answer_address",
    Reason.CERTIFICATE: "answer_certificate",
    Reason.PORTAL: "answer_portal",
    Reason.BLOCKED: "answer_blocked",
}


@callback
def async_register(_hass: HomeAssistant, register: SystemHealthRegistration) -> None:
    """Register the system health callback."""
    register.async_register_info(async_info, "/config/integrations/integration/keycard")


async def async_info(hass: HomeAssistant) -> dict[str, Any]:
    """Return version, number of vehicles, and the last answer of each host.

    Hosts are named by their purpose: an address may be the user's own.
    """
    integration = await async_get_integration(hass, DOMAIN)
    translations = await async_load_translations(hass)
    vehicles = {
        vehicle_id
        for entry in hass.config_entries.async_loaded_entries(DOMAIN)
        if isinstance(data := entry.runtime_data, KeycardData)
        for vehicle_id in data.vehicles
    }
    return {
        "version": str(integration.version),
        "cars": len(vehicles),
        **{
            name: _describe(translations, answer, time.monotonic())
            for name, answer in _hosts(hass)
        },
    }


def _hosts(hass: HomeAssistant) -> Iterator[tuple[str, Evidence | None]]:
    """Yield name and last answer of each host."""
    numbers: dict[str, count[int]] = {}
    for poller in hass.data.get(HOST_POLLERS, {}).values():
        for endpoint in poller.endpoints:
            name = _name(endpoint)
            number = next(numbers.setdefault(name, count(1)))
            numbered = name if number == 1 else f"{name}_{number}"
            yield numbered, poller.answers.get(endpoint)


def _name(endpoint: Endpoint) -> str:
    """Return the translation key of an endpoint."""
    return _NAMES.get(endpoint.kind) or f"region_{endpoint.region}"


def _describe(
    translations: Translations, answer: Evidence | None, monotonic: float
) -> str:
    """Return latency or error of an answer, and the age of its request."""
    if answer is None:
        return translations.format("answer_not_asked")
    ago = str(round(monotonic - answer.sent_at))
    if answer.good:
        latency = str(round((answer.at - answer.sent_at) * 1000))
        return translations.format("answer_good", latency=latency, ago=ago)
    reason = translations.format(
        _REASONS.get(answer.classification.reason, "answer_error")
    )
    return translations.format("answer_bad", what=reason, ago=ago)
