"""Keycard's actions."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
import math
from typing import Any

import voluptuous as vol

from homeassistant.components.event import DOMAIN as EVENT_DOMAIN
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
    entity_registry as er,
    service,
)
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .coordinator import KeycardConfigEntry, KeycardCoordinator
from .dashboard import async_get_dashboard
from .drill.scenario import DURATION, SCOPES, DrillRequest
from .outage.endpoints import REGIONS
from .outage.models import OUTAGES, Scope, Status
from .outage.outage_log import EventType, Outage
from .runtime.storage import DATA_STORE
from .runtime.views import BluetoothStatus
from .vehicle.fields import PARKED, WINDOWS
from .vehicle.state import VehicleState

DOG_MODE = "dog"


class UrgentCondition(StrEnum):
    """What cannot wait when nobody can reach a car."""

    DOG_MODE = "dog_mode"
    UNLOCKED = "unlocked"
    WINDOW_OPEN = "window_open"


def in_use(state: VehicleState | None) -> bool | None:
    """Return whether somebody was in the car or drove it, None if nobody told."""
    if state is None:
        return None
    if state.shift_state not in (None, PARKED):
        return True
    return state.user_present


def urgent_conditions(state: VehicleState | None) -> list[UrgentCondition]:
    """List what cannot wait, as the car was last seen.

    A car that is in use is not left, so it is nobody's worry.
    """
    if state is None or in_use(state):
        return []
    windows = (getattr(state, f"{place}_window_open") for place in WINDOWS)
    found = {
        UrgentCondition.DOG_MODE: state.keeper_mode == DOG_MODE,
        UrgentCondition.UNLOCKED: state.locked is False,
        UrgentCondition.WINDOW_OPEN: any(windows),
    }
    return [matter for matter, holds in found.items() if holds]


def build_status(coordinator: KeycardCoordinator) -> dict[str, Any]:
    """Return what is known of the cloud of an entry, and of its cars."""
    judgement = coordinator.data.assessment
    title, text = _notice(coordinator)
    return {
        "region": coordinator.region,
        "drill": coordinator.data.drill,
        "status": judgement.status.value,
        "scope": judgement.scope.value,
        "planes": [plane.value for plane in judgement.subsystems],
        "elsewhere": list(judgement.other_regions),
        "models": list(judgement.models),
        "missing": [missing.value for missing in judgement.missing_evidence],
        "since": judgement.since and judgement.since.isoformat(),
        "affected_cars": [
            car.vehicle.title
            for car_id, car in coordinator.cars.items()
            if judgement.affected is None or car_id in judgement.affected
        ],
        "cars": [
            {
                "name": car.vehicle.title,
                "device_id": _device_id(coordinator, car_id),
                "connection": car.data.connection.value if car.commandable else None,
                "cloud": car.data.cloud and car.data.cloud.value,
                "bluetooth": _bluetooth(car.data.bluetooth),
                "key_to_take": car.data.key_to_take.value,
                "in_use": in_use(car.data.state),
                "cannot_wait": [
                    matter.value for matter in urgent_conditions(car.data.state)
                ],
            }
            for car_id, car in coordinator.cars.items()
        ],
        "title": title,
        "text": text,
    }


def _bluetooth(view: BluetoothStatus | None) -> dict[str, Any] | None:
    """Tell how a car is heard over Bluetooth, None without a key for it."""
    if view is None:
        return None
    return {
        "in_range": view.in_range,
        "signal": view.signal,
        "last_heard": view.last_seen and view.last_seen.isoformat(),
    }


def _device_id(coordinator: KeycardCoordinator, car_id: str) -> str | None:
    """Return the device of a car, None before it has one."""
    device = dr.async_get(coordinator.hass).async_get_device_by_identifier(
        (DOMAIN, car_id), coordinator.config_entry.entry_id
    )
    return device.id if device else None


def _notice(coordinator: KeycardCoordinator) -> tuple[str | None, str | None]:
    """Return title and text of what there is to tell now, None without it."""
    judgement = coordinator.data.assessment
    if judgement.status not in OUTAGES and judgement.since is not None:
        # Nobody sees more of the outage now, so what was told of it holds.
        return _data_origin(coordinator)
    if judgement.status not in OUTAGES and not judgement.warning:
        return None, None
    cars = coordinator.cars
    return coordinator.bulletin.render(
        EventType.WARNING if judgement.warning else EventType.CHANGED,
        judgement,
        {car.vehicle.title: car.data.key_to_take for car in cars.values()},
        start=judgement.since,
        drill=coordinator.data.drill,
    )


def _data_origin(coordinator: KeycardCoordinator) -> tuple[str | None, str | None]:
    """Return title and text of the last event."""
    hass, entry = coordinator.hass, coordinator.config_entry
    entity_id = er.async_get(hass).async_get_entity_id(
        EVENT_DOMAIN, DOMAIN, f"{entry.entry_id}_outage"
    )
    state = hass.states.get(entity_id) if entity_id else None
    if state is None:
        return None, None
    return state.attributes.get("title"), state.attributes.get("text")


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
    return build_status(_coordinator(hass, call))


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
            _outage_response(outage)
            for outage in hass.data[DATA_STORE].journal.outages
            if outage.region == region and _between(outage, start, end, now)
        ]
    }


def _between(outage: Outage, start: datetime, end: datetime, now: datetime) -> bool:
    """Tell whether an outage was on between two times."""
    if outage.end is None:
        # It is on now, even if the clock was set to before its start.
        return end >= now or outage.start < end
    return outage.start < end and outage.end >= start


def _outage_response(outage: Outage) -> dict[str, Any]:
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
    if seconds := math.ceil(coordinator.watcher.check_cooldown):
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="checked_just_now",
            translation_placeholders={"seconds": str(seconds)},
        )
    await coordinator.watcher.async_check()
    return build_status(coordinator) if call.return_response else None


async def _async_start_drill(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    """Begin a drill, and tell what is shown."""
    coordinator = _coordinator(hass, call)
    coordinator.rehearsal.async_start(
        DrillRequest(
            status=call.data[ATTR_STATUS],
            scope=call.data.get(ATTR_SCOPE),
            elsewhere=frozenset(call.data[ATTR_ELSEWHERE]),
            cars=frozenset(_cars(hass, coordinator, call.data[ATTR_CARS])),
            duration=call.data[ATTR_DURATION],
        )
    )
    return build_status(coordinator) if call.return_response else None


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
