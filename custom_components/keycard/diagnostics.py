"""Diagnostics support for Keycard."""

from collections.abc import Mapping
from dataclasses import asdict
import time
from typing import Any

from homeassistant.const import (
    ATTR_LATITUDE,
    ATTR_LONGITUDE,
    CONF_CLIENT_ID,
    CONF_DOMAIN,
    CONF_HOSTS,
    CONF_NAME,
    CONF_TOKEN,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.helpers.redact import REDACTED, async_redact_data

from .const import (
    CONF_BASE_URL,
    CONF_CARS,
    CONF_FINGERPRINT,
    CONF_IDENTIFIERS,
    CONF_LEFT_OUT,
    CONF_SERVER,
    CONF_SIGN_IN,
    CONF_UNRELATED,
    DOMAIN,
)
from .coordinator import KeycardConfigEntry, KeycardCoordinator
from .outage.endpoints import REGIONS, default_hosts, list_endpoints
from .runtime.storage import DATA_STORE
from .transport.log_filter import redact_vins

TO_REDACT = {
    ATTR_LATITUDE,
    ATTR_LONGITUDE,
    CONF_BASE_URL,
    CONF_CLIENT_ID,
    CONF_DOMAIN,
    CONF_FINGERPRINT,
    CONF_HOSTS,
    CONF_IDENTIFIERS,
    CONF_NAME,
    CONF_SERVER,
    CONF_SIGN_IN,
    CONF_TOKEN,
    CONF_UNRELATED,
    "heading",
    "route_destination",
    "route_latitude",
    "route_longitude",
    "vin",
}

# The default hosts are no secrets.
_PUBLIC_URLS = frozenset(
    endpoint.url
    for region in REGIONS
    for endpoint in list_endpoints(default_hosts(region))
)


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: KeycardConfigEntry
) -> dict[str, Any]:
    """Return diagnostics for a config entry."""
    coordinator = entry.runtime_data
    return _redact(
        coordinator,
        {
            "entry": {"data": dict(entry.data), "options": dict(entry.options)},
            "cloud": _cloud(coordinator),
            "asked": _hosts(coordinator),
            "outages": hass.data[DATA_STORE].journal.dump_outages(),
            "cars": {
                vehicle_id: _vehicle(coordinator, vehicle_id)
                for vehicle_id in coordinator.cars
            },
        },
    )


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: KeycardConfigEntry, device: DeviceEntry
) -> dict[str, Any]:
    """Return diagnostics for a vehicle or for the cloud."""
    coordinator = entry.runtime_data
    for vehicle_id in coordinator.cars:
        if (DOMAIN, vehicle_id) in device.identifiers:
            return _redact(coordinator, {"car": _vehicle(coordinator, vehicle_id)})
    return _redact(
        coordinator, {"cloud": _cloud(coordinator), "asked": _hosts(coordinator)}
    )


def _cloud(coordinator: KeycardCoordinator) -> dict[str, Any]:
    """Return the assessment of the cloud and the state of the detector."""
    link = coordinator.provider.link
    return {
        "region": coordinator.region,
        "service_in_between": coordinator.provider.third_party(coordinator.hosts),
        "commands_through_server": link is not None and link.commands_through_server,
        "view": asdict(coordinator.real_view()),
        "drill": coordinator.data.drill,
        "judge": coordinator.judge.dump_state(time.monotonic()),
        "spending": coordinator.bill.spending.dump(),
    }


def _hosts(coordinator: KeycardCoordinator) -> list[dict[str, Any]]:
    """Return the state of each host; the addresses of the user's own are redacted."""
    states = coordinator.watcher.watch.dump_hosts()
    return [
        {
            "kind": endpoint.kind.value,
            "region": endpoint.region,
            "url": endpoint.url if endpoint.url in _PUBLIC_URLS else REDACTED,
            **states[endpoint.url],
        }
        for endpoint in list_endpoints(coordinator.hosts)
    ]


def _vehicle(entry: KeycardCoordinator, vehicle_id: str) -> dict[str, Any]:
    """Return the state of a vehicle and of its other integrations."""
    coordinator = entry.cars[vehicle_id]
    vehicle = coordinator.vehicle
    return {
        "model": vehicle.model,
        "year": vehicle.year,
        "key": vehicle.physical_key.value,
        "commandable": coordinator.commandable,
        "confirmed_at": vehicle.confirmed_at,
        "view": asdict(coordinator.actual),
        "beside": entry.witnesses.describe().get(vehicle_id, []),
    }


def _redact(coordinator: KeycardCoordinator, data: dict[str, Any]) -> dict[str, Any]:
    """Redact secrets and locations, and replace vehicle ids by numbers."""
    options = coordinator.config_entry.options
    vehicle_ids = dict.fromkeys(
        [
            *coordinator.cars,
            *coordinator.garage.left_out,
            *options.get(CONF_CARS, {}),
            *options.get(CONF_LEFT_OUT, ()),
        ]
    )
    aliases = {
        vehicle_id: f"car_{number}" for number, vehicle_id in enumerate(vehicle_ids, 1)
    }
    # The outage log also holds vehicles of other entries and removed ones.
    outages = coordinator.hass.data[DATA_STORE].journal.outages
    logged = {
        vehicle_id for outage in outages for vehicle_id in outage.notified_vehicles
    }
    for number, vehicle_id in enumerate(sorted(logged - vehicle_ids.keys()), 1):
        aliases[vehicle_id] = f"other_car_{number}"

    def anonymize(value: object) -> object:
        if isinstance(value, Mapping):
            return {anonymize(key): anonymize(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [anonymize(item) for item in value]
        if isinstance(value, str):
            return aliases.get(value) or redact_vins(value)
        return value

    redacted = async_redact_data(data, TO_REDACT)
    return {key: anonymize(value) for key, value in redacted.items()}
