"""Keycard's actions."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
import math
from typing import Any

import voluptuous as vol

from homeassistant.const import ATTR_CONFIG_ENTRY_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import (
    config_validation as cv,
    device_registry as dr,
    service,
)
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .coordinator import KeycardConfigEntry, KeycardCoordinator
from .dashboard import async_get_dashboard
from .ledger import LEDGER
from .outage.drill import DURATION, SCOPES, Plan
from .outage.hosts import REGIONS
from .outage.journal import Outage
from .outage.words import Scope, Status
from .standing import standing

ATTR_START = "start_time"
ATTR_END = "end_time"
ATTR_DURATION = "duration"
ATTR_STATUS = "status"
ATTR_SCOPE = "scope"
ATTR_ELSEWHERE = "elsewhere"
ATTR_CARS = "cars"

# How far back the outages are told of when nobody says.
HISTORY = timedelta(days=30)

_ENTRY_SCHEMA = vol.Schema({vol.Optional(ATTR_CONFIG_ENTRY_ID): cv.string})
_HISTORY_SCHEMA = _ENTRY_SCHEMA.extend(
    {vol.Optional(ATTR_START): cv.datetime, vol.Optional(ATTR_END): cv.datetime}
)
_DRILL_SCHEMA = _ENTRY_SCHEMA.extend(
    {
        vol.Optional(ATTR_DURATION, default=DURATION): cv.time_period,
        vol.Optional(ATTR_STATUS, default=Status.OUTAGE): vol.All(
            vol.In(list(SCOPES)), vol.Coerce(Status)
        ),
        vol.Optional(ATTR_SCOPE): vol.All(
            vol.In({scope for scopes in SCOPES.values() for scope in scopes}),
            vol.Coerce(Scope),
        ),
        vol.Optional(ATTR_ELSEWHERE, default=list): vol.All(
            cv.ensure_list, [vol.In(REGIONS)]
        ),
        vol.Optional(ATTR_CARS, default=list): vol.All(cv.ensure_list, [cv.string]),
    }
)


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions."""
    for name, handle, schema, response in (
        ("get_status", _async_get_status, _ENTRY_SCHEMA, SupportsResponse.ONLY),
        ("get_history", _async_get_history, _HISTORY_SCHEMA, SupportsResponse.ONLY),
        ("get_dashboard", _async_get_dashboard, _ENTRY_SCHEMA, SupportsResponse.ONLY),
        ("check_now", _async_check_now, _ENTRY_SCHEMA, SupportsResponse.OPTIONAL),
        ("start_drill", _async_start_drill, _DRILL_SCHEMA, SupportsResponse.OPTIONAL),
        ("stop_drill", _async_stop_drill, _ENTRY_SCHEMA, SupportsResponse.OPTIONAL),
    ):
        hass.services.async_register(
            DOMAIN, name, partial(handle, hass), schema, supports_response=response
        )


def _coordinator(hass: HomeAssistant, call: ServiceCall) -> KeycardCoordinator:
    """Return what judges for the entry that was chosen, or for the only one."""
    entry: KeycardConfigEntry = service.async_get_config_entry(
        hass, DOMAIN, call.data.get(ATTR_CONFIG_ENTRY_ID)
    )
    return entry.runtime_data


async def _async_get_status(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    """Tell what is known now."""
    return standing(_coordinator(hass, call))


async def _async_get_history(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    """Tell of the outages between two times."""
    region = _coordinator(hass, call).region
    now = dt_util.utcnow()
    end = dt_util.as_utc(call.data.get(ATTR_END, now))
    start = dt_util.as_utc(call.data.get(ATTR_START, end - HISTORY))
    if start >= end:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="history_ends_first"
        )
    return {
        "outages": [
            _told(outage)
            for outage in hass.data[LEDGER].journal.outages
            if outage.region == region and _between(outage, start, end, now)
        ]
    }


def _between(outage: Outage, start: datetime, end: datetime, now: datetime) -> bool:
    """Tell whether an outage was on between two times."""
    if outage.end is None:
        # It is on now, even if the clock was set to before its start.
        return end >= now or outage.start < end
    return outage.start < end and outage.end >= start


def _told(outage: Outage) -> dict[str, Any]:
    return {
        "start": outage.start.isoformat(),
        "end": outage.end and outage.end.isoformat(),
        "duration": round(outage.length.total_seconds()),
        "status": outage.status.value,
        "scope": outage.scope.value,
    }


async def _async_get_dashboard(
    hass: HomeAssistant, call: ServiceCall
) -> ServiceResponse:
    """Return a dashboard for the entry that was chosen, or for all of them."""
    if ATTR_CONFIG_ENTRY_ID in call.data:
        return await async_get_dashboard(hass, [_coordinator(hass, call)])
    entries: list[KeycardConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    return await async_get_dashboard(hass, [entry.runtime_data for entry in entries])


async def _async_check_now(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    """Ask the hosts at once, and tell what is known then."""
    coordinator = _coordinator(hass, call)
    if seconds := math.ceil(coordinator.watcher.checks_in):
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="checked_just_now",
            translation_placeholders={"seconds": str(seconds)},
        )
    await coordinator.watcher.async_check()
    return standing(coordinator) if call.return_response else None


async def _async_start_drill(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    """Begin a drill, and tell what is shown."""
    coordinator = _coordinator(hass, call)
    coordinator.rehearsal.async_start(
        Plan(
            status=call.data[ATTR_STATUS],
            scope=call.data.get(ATTR_SCOPE),
            elsewhere=frozenset(call.data[ATTR_ELSEWHERE]),
            cars=frozenset(_cars(hass, coordinator, call.data[ATTR_CARS])),
            duration=call.data[ATTR_DURATION],
        )
    )
    return standing(coordinator) if call.return_response else None


def _cars(
    hass: HomeAssistant, coordinator: KeycardCoordinator, device_ids: list[str]
) -> Iterator[str]:
    """Return the ids of the cars that devices are."""
    for device_id in device_ids:
        device = dr.async_get(hass).async_get(device_id)
        named = {name for _, name in device.identifiers} if device else set()
        if not (found := named & coordinator.cars.keys()):
            raise ServiceValidationError(
                translation_domain=DOMAIN, translation_key="drill_not_a_car"
            )
        yield from found


async def _async_stop_drill(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    """End a drill, and tell who is ready."""
    readiness = await _coordinator(hass, call).rehearsal.async_stop()
    return readiness.as_dict() if call.return_response else None
