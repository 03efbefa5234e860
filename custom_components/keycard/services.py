"""Actions of Keycard."""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
import math
from typing import Any, Final

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
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import (
    config_validation as cv,
    device_registry as dr,
    entity_registry as er,
    service,
)
from homeassistant.util import dt as dt_util

from .bluetooth.vehicle_link import BluetoothStatus
from .const import DOMAIN
from .coordinator import KeycardConfigEntry, VehicleCoordinator
from .dashboard import async_get_dashboard
from .drill.scenario import DEFAULT_DURATION, SCOPES, DrillRequest
from .notifications.lock_up_report import LockUpReport, LockUpVehicle, not_locked
from .outage.endpoints import REGIONS
from .outage.models import OUTAGES, Scope, Status
from .outage.outage_log import EventType, Outage
from .runtime.caller import async_note_caller
from .runtime.lock_up import async_lock_up
from .runtime.storage import DATA_STORE
from .vehicle.urgent_conditions import in_use, urgent_conditions

ATTR_START: Final = "start_time"
ATTR_END: Final = "end_time"
ATTR_DURATION: Final = "duration"
ATTR_STATUS: Final = "status"
ATTR_SCOPE: Final = "scope"
ATTR_ELSEWHERE: Final = "elsewhere"
ATTR_CARS: Final = "cars"

DEFAULT_HISTORY = timedelta(days=30)

_ENTRY_SCHEMA = vol.Schema({vol.Optional(ATTR_CONFIG_ENTRY_ID): cv.string})
_HISTORY_SCHEMA = _ENTRY_SCHEMA.extend(
    {vol.Optional(ATTR_START): cv.datetime, vol.Optional(ATTR_END): cv.datetime}
)
_DRILL_SCHEMA = _ENTRY_SCHEMA.extend(
    {
        vol.Optional(ATTR_DURATION, default=DEFAULT_DURATION): cv.time_period,
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
_LOCK_UP_SCHEMA = _ENTRY_SCHEMA.extend(
    {vol.Optional(ATTR_CARS, default=list): vol.All(cv.ensure_list, [cv.string])}
)


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Set up the actions."""
    for name, handle, schema, response in (
        ("get_status", _async_get_status, _ENTRY_SCHEMA, SupportsResponse.ONLY),
        ("get_history", _async_get_history, _HISTORY_SCHEMA, SupportsResponse.ONLY),
        ("get_dashboard", _async_get_dashboard, _ENTRY_SCHEMA, SupportsResponse.ONLY),
        ("check_now", _async_check_now, _ENTRY_SCHEMA, SupportsResponse.OPTIONAL),
        ("lock_up", _async_lock_up, _LOCK_UP_SCHEMA, SupportsResponse.OPTIONAL),
        ("start_drill", _async_start_drill, _DRILL_SCHEMA, SupportsResponse.OPTIONAL),
        ("stop_drill", _async_stop_drill, _ENTRY_SCHEMA, SupportsResponse.OPTIONAL),
    ):
        hass.services.async_register(
            DOMAIN, name, partial(handle, hass), schema, supports_response=response
        )


def _get_entry(hass: HomeAssistant, call: ServiceCall) -> KeycardConfigEntry:
    """Return the entry in a call, or the only entry."""
    entry: KeycardConfigEntry = service.async_get_config_entry(
        hass, DOMAIN, call.data.get(ATTR_CONFIG_ENTRY_ID)
    )
    return entry


async def _async_get_status(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    """Return the status of the cloud and of the vehicles."""
    return build_status(hass, _get_entry(hass, call))


async def _async_get_history(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    """Return the outages between two times."""
    region = _get_entry(hass, call).runtime_data.region
    utcnow = dt_util.utcnow()
    end = dt_util.as_utc(call.data.get(ATTR_END, utcnow))
    start = dt_util.as_utc(call.data.get(ATTR_START, end - DEFAULT_HISTORY))
    if start >= end:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="history_ends_first"
        )
    return {
        "outages": [
            _outage_response(outage)
            for outage in hass.data[DATA_STORE].outage_log.outages
            if outage.region == region and _overlaps(outage, start, end, utcnow)
        ]
    }


def _overlaps(outage: Outage, start: datetime, end: datetime, utcnow: datetime) -> bool:
    """Return whether an outage overlaps an interval."""
    if outage.end is None:
        # An open outage is active now, even if the clock was set to before its start.
        return end >= utcnow or outage.start < end
    return outage.start < end and outage.end >= start


def _outage_response(outage: Outage) -> dict[str, Any]:
    """Return an outage as response data."""
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
    """Return a dashboard for the entry in a call, or for all entries."""
    if ATTR_CONFIG_ENTRY_ID in call.data:
        return await async_get_dashboard(hass, [_get_entry(hass, call)])
    entries: list[KeycardConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    return await async_get_dashboard(hass, entries)


async def _async_check_now(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    """Probe the hosts now."""
    entry = _get_entry(hass, call)
    poller = entry.runtime_data.host_poller
    if seconds := math.ceil(poller.check_cooldown):
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="checked_just_now",
            translation_placeholders={"seconds": str(seconds)},
        )
    await poller.async_check()
    return build_status(hass, entry) if call.return_response else None


async def _async_start_drill(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    """Start a drill."""
    entry = _get_entry(hass, call)
    entry.runtime_data.drill.async_start(
        DrillRequest(
            status=call.data[ATTR_STATUS],
            scope=call.data.get(ATTR_SCOPE),
            other_regions=frozenset(call.data[ATTR_ELSEWHERE]),
            vehicles=frozenset(_vehicle_ids(hass, entry, call.data[ATTR_CARS])),
            duration=call.data[ATTR_DURATION],
        )
    )
    return build_status(hass, entry) if call.return_response else None


def _vehicle_ids(
    hass: HomeAssistant, entry: KeycardConfigEntry, device_ids: list[str]
) -> Iterator[str]:
    """Yield the ids of the vehicles of devices."""
    for device_id in device_ids:
        device = dr.async_get(hass).async_get(device_id)
        identifiers = {name for _, name in device.identifiers} if device else set()
        if not (vehicle_ids := identifiers & entry.runtime_data.vehicles.keys()):
            raise ServiceValidationError(
                translation_domain=DOMAIN, translation_key="drill_not_a_car"
            )
        yield from vehicle_ids


async def _async_stop_drill(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    """Stop a drill and return its report."""
    report = await _get_entry(hass, call).runtime_data.drill.async_stop()
    return report.as_dict() if call.return_response else None


async def _async_lock_up(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    """Lock the vehicles whose status allows it; return a report or raise an error."""
    async_note_caller(call.context)
    vehicles = await asyncio.gather(
        *(
            _async_lock_up_vehicle(hass, entry, coordinator)
            for entry, coordinator in _lockable_vehicles(hass, call)
        )
    )
    if call.return_response:
        return (await LockUpReport.async_create(hass, vehicles)).as_dict()
    if names := not_locked(vehicles):
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="lock_up_not_all",
            translation_placeholders={"cars": ", ".join(names)},
        )
    return None


async def _async_lock_up_vehicle(
    hass: HomeAssistant, entry: KeycardConfigEntry, coordinator: VehicleCoordinator
) -> LockUpVehicle:
    """Lock a vehicle if its status allows it."""
    vehicle = coordinator.vehicle
    drill = entry.runtime_data.drill.drill is not None
    return LockUpVehicle(
        name=vehicle.title,
        device_id=_device_id(hass, entry, vehicle.id),
        result=await async_lock_up(coordinator, drill=drill),
    )


def _lockable_vehicles(
    hass: HomeAssistant, call: ServiceCall
) -> list[tuple[KeycardConfigEntry, VehicleCoordinator]]:
    """Return the vehicles in a call, by default all of an entry that take commands."""
    device_ids = list(dict.fromkeys(call.data[ATTR_CARS]))
    entries: list[KeycardConfigEntry] = (
        hass.config_entries.async_loaded_entries(DOMAIN)
        if device_ids
        else [_get_entry(hass, call)]
    )
    by_device = {
        _device_id(hass, entry, vehicle_id): (entry, coordinator)
        for entry in entries
        for vehicle_id, coordinator in entry.runtime_data.vehicles.items()
        if coordinator.commandable
    }
    found = [by_device.get(one) for one in device_ids] or [*by_device.values()]
    vehicles = [one for one in found if one is not None]
    if not vehicles or len(vehicles) < len(found):
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="lock_up_not_a_car"
        )
    return vehicles


def build_status(hass: HomeAssistant, entry: KeycardConfigEntry) -> dict[str, Any]:
    """Return the status of the cloud of an entry, and of its vehicles."""
    data = entry.runtime_data
    cloud = data.coordinator.data
    assessment = cloud.assessment
    title, text = _current_notice(hass, entry)
    return {
        "region": data.region,
        "drill": cloud.drill,
        "status": assessment.status.value,
        "scope": assessment.scope.value,
        **assessment.details(),
        "since": assessment.since and assessment.since.isoformat(),
        "affected_cars": [
            vehicle.vehicle.title
            for vehicle_id, vehicle in data.vehicles.items()
            if assessment.affected is None or vehicle_id in assessment.affected
        ],
        "cars": [
            {
                "name": vehicle.vehicle.title,
                "device_id": _device_id(hass, entry, vehicle_id),
                "connection": (
                    vehicle.data.connection.value if vehicle.commandable else None
                ),
                "cloud": vehicle.data.cloud and vehicle.data.cloud.value,
                "bluetooth": _bluetooth_response(vehicle.data.bluetooth),
                "key_to_take": vehicle.data.key_to_take.value,
                "in_use": in_use(vehicle.data.state),
                "cannot_wait": [
                    condition.value
                    for condition in urgent_conditions(vehicle.data.state)
                ],
            }
            for vehicle_id, vehicle in data.vehicles.items()
        ],
        "title": title,
        "text": text,
    }


def _bluetooth_response(status: BluetoothStatus | None) -> dict[str, Any] | None:
    """Return the Bluetooth status as response data, None without a Bluetooth key."""
    if status is None:
        return None
    return {
        "in_range": status.in_range,
        "signal": status.signal,
        "last_heard": status.last_seen and status.last_seen.isoformat(),
    }


def _device_id(
    hass: HomeAssistant, entry: KeycardConfigEntry, vehicle_id: str
) -> str | None:
    """Return the device id of a vehicle, None before it is registered."""
    device = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, vehicle_id), entry.entry_id
    )
    return device.id if device else None


def _current_notice(
    hass: HomeAssistant, entry: KeycardConfigEntry
) -> tuple[str | None, str | None]:
    """Return title and text of the current notice, None without one."""
    data = entry.runtime_data
    assessment = data.coordinator.data.assessment
    if assessment.status not in OUTAGES and assessment.since is not None:
        # The evidence is inconclusive, so the last notice of the outage still holds.
        return _last_notice(hass, entry)
    if assessment.status not in OUTAGES and not assessment.warning:
        return None, None
    vehicles = data.vehicles.values()
    return data.publisher.render(
        EventType.WARNING if assessment.warning else EventType.CHANGED,
        assessment,
        {vehicle.vehicle.title: vehicle.data.key_to_take for vehicle in vehicles},
        start=assessment.since,
        drill=data.coordinator.data.drill,
    )


def _last_notice(
    hass: HomeAssistant, entry: KeycardConfigEntry
) -> tuple[str | None, str | None]:
    """Return title and text of the last event of the event entity."""
    entity_id = er.async_get(hass).async_get_entity_id(
        EVENT_DOMAIN, DOMAIN, f"{entry.entry_id}_outage"
    )
    state = hass.states.get(entity_id) if entity_id else None
    if state is None:
        return None, None
    return state.attributes.get("title"), state.attributes.get("text")
