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
from .coordinator import KeycardConfigEntry, KeycardData
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
    data = entry.runtime_data
    return _redact(
        hass,
        entry,
        {
            "entry": {"data": dict(entry.data), "options": dict(entry.options)},
            "cloud": _cloud(data),
            "asked": _hosts(data),
            "outages": hass.data[DATA_STORE].outage_log.dump_outages(),
            "cars": {
                vehicle_id: _vehicle(data, vehicle_id) for vehicle_id in data.vehicles
            },
        },
    )


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: KeycardConfigEntry, device: DeviceEntry
) -> dict[str, Any]:
    """Return diagnostics for a vehicle or for the cloud."""
    data = entry.runtime_data
    for vehicle_id in data.vehicles:
        if (DOMAIN, vehicle_id) in device.identifiers:
            return _redact(hass, entry, {"car": _vehicle(data, vehicle_id)})
    return _redact(hass, entry, {"cloud": _cloud(data), "asked": _hosts(data)})


def _cloud(data: KeycardData) -> dict[str, Any]:
    """Return the assessment of the cloud and the state of the detector."""
    client = data.provider.client
    return {
        "region": data.region,
        "third_party": data.detector.third_party,
        "commands_through_server": (
            client is not None and client.commands_through_server
        ),
        "view": asdict(data.coordinator.actual_data()),
        "drill": data.coordinator.data.drill,
        "judge": data.detector.dump_state(time.monotonic()),
        "spending": data.usage.monthly_usage.dump_usage(),
    }


def _hosts(data: KeycardData) -> list[dict[str, Any]]:
    """Return the state of each host; the addresses of the user's own are redacted."""
    states = data.host_poller.host_monitor.dump_hosts()
    return [
        {
            "kind": endpoint.kind.value,
            "region": endpoint.region,
            "url": endpoint.url if endpoint.url in _PUBLIC_URLS else REDACTED,
            **states[endpoint.url],
        }
        for endpoint in list_endpoints(data.endpoints)
    ]


def _vehicle(data: KeycardData, vehicle_id: str) -> dict[str, Any]:
    """Return the state of a vehicle and of its other integrations."""
    coordinator = data.vehicles[vehicle_id]
    vehicle = coordinator.vehicle
    return {
        "model": vehicle.model,
        "year": vehicle.year,
        "key": vehicle.physical_key.value,
        "commandable": coordinator.commandable,
        "confirmed_at": vehicle.confirmed_at,
        "view": asdict(coordinator.actual),
        "beside": data.external_observer.describe().get(vehicle_id, []),
    }


def _redact(
    hass: HomeAssistant, entry: KeycardConfigEntry, data: dict[str, Any]
) -> dict[str, Any]:
    """Redact secrets and locations, and replace vehicle ids by numbers."""
    options = entry.options
    vehicle_ids = dict.fromkeys(
        [
            *entry.runtime_data.vehicles,
            *entry.runtime_data.vehicle_manager.left_out,
            *options.get(CONF_CARS, {}),
            *options.get(CONF_LEFT_OUT, ()),
        ]
    )
    aliases = {
        vehicle_id: f"car_{number}" for number, vehicle_id in enumerate(vehicle_ids, 1)
    }
    # The outage log also holds vehicles of other entries and removed ones.
    outages = hass.data[DATA_STORE].outage_log.outages
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
