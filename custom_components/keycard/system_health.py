"""What Home Assistant's page of system information tells of Keycard."""

from collections.abc import Iterator
from itertools import count
import time
from typing import Any

from homeassistant.components.system_health import SystemHealthRegistration
from homeassistant.core import HomeAssistant, callback
from homeassistant.loader import async_get_integration

from .const import DOMAIN
from .coordinator import KeycardCoordinator
from .notifications.text import Translations, async_load_translations
from .outage.endpoints import Endpoint
from .outage.evidence import Evidence, Reason, RequestType
from .runtime.host_poller import HOST_POLLERS

_NAMES = {
    RequestType.TOKEN: "sign_in_token",
    RequestType.AUTHORIZE: "sign_in_page",
    RequestType.UNRELATED: "unrelated",
}

# What a host's answer is called; whatever else it was, it was an error.
_ANSWERS = {
    Reason.NO_ANSWER: "answer_none",
    Reason.NAME: "answer_name",
    Reason.ADDRESS: "answer_address",
    Reason.CERTIFICATE: "answer_certificate",
    Reason.PORTAL: "answer_portal",
    Reason.BLOCKED: "answer_blocked",
}


@callback
def async_register(_hass: HomeAssistant, register: SystemHealthRegistration) -> None:
    """Tell who is to be asked."""
    register.async_register_info(async_info, "/config/integrations/integration/keycard")


async def async_info(hass: HomeAssistant) -> dict[str, Any]:
    """Return version, cars, and how each host did; nobody is asked for it.

    Hosts are named by what they are for: their addresses may be the owner's own.
    """
    integration = await async_get_integration(hass, DOMAIN)
    words = await async_load_translations(hass)
    cars = {
        car_id
        for entry in hass.config_entries.async_loaded_entries(DOMAIN)
        if isinstance(coordinator := entry.runtime_data, KeycardCoordinator)
        for car_id in coordinator.cars
    }
    return {
        "version": str(integration.version),
        "cars": len(cars),
        **{
            name: _describe(words, answer, time.monotonic())
            for name, answer in _hosts(hass)
        },
    }


def _hosts(hass: HomeAssistant) -> Iterator[tuple[str, Evidence | None]]:
    """Name each host that is asked, with what it answered last."""
    numbers: dict[str, count[int]] = {}
    for watcher in hass.data.get(HOST_POLLERS, {}).values():
        for target in watcher.targets:
            name = _name(target)
            number = next(numbers.setdefault(name, count(1)))
            numbered = name if number == 1 else f"{name}_{number}"
            yield numbered, watcher.answers.get(target)


def _name(target: Endpoint) -> str:
    return _NAMES.get(target.kind) or f"region_{target.region}"


def _describe(words: Translations, answer: Evidence | None, now: float) -> str:
    """Tell how long a host took or what kept it, and when it was asked."""
    if answer is None:
        return words.format("answer_not_asked")
    ago = str(round(now - answer.sent_at))
    if answer.good:
        latency = str(round((answer.at - answer.sent_at) * 1000))
        return words.format("answer_good", latency=latency, ago=ago)
    what = words.format(_ANSWERS.get(answer.classification.reason, "answer_error"))
    return words.format("answer_bad", what=what, ago=ago)
