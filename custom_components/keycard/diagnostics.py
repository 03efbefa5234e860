"""What an owner can hand to somebody who helps, without secrets and places."""

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

# The maker's hosts and the unrelated ones that everybody asks: no secrets.
_PUBLIC = frozenset(
    target.url for region in REGIONS for target in list_endpoints(default_hosts(region))
)


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: KeycardConfigEntry
) -> dict[str, Any]:
    """Return what an entry knows."""
    coordinator = entry.runtime_data
    return _veiled(
        coordinator,
        {
            "entry": {"data": dict(entry.data), "options": dict(entry.options)},
            "cloud": _cloud(coordinator),
            "asked": _hosts(coordinator),
            "outages": hass.data[DATA_STORE].journal.dump(),
            "cars": {car_id: _car(coordinator, car_id) for car_id in coordinator.cars},
        },
    )


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: KeycardConfigEntry, device: DeviceEntry
) -> dict[str, Any]:
    """Return what is known of a car, or of the cloud."""
    coordinator = entry.runtime_data
    for car_id in coordinator.cars:
        if (DOMAIN, car_id) in device.identifiers:
            return _veiled(coordinator, {"car": _car(coordinator, car_id)})
    return _veiled(
        coordinator, {"cloud": _cloud(coordinator), "asked": _hosts(coordinator)}
    )


def _cloud(coordinator: KeycardCoordinator) -> dict[str, Any]:
    """Tell what is judged of the cloud, and what the judge remembers."""
    link = coordinator.provider.link
    return {
        "region": coordinator.region,
        "service_in_between": coordinator.provider.third_party(coordinator.hosts),
        "commands_through_server": link is not None and link.commands_through_server,
        "view": asdict(coordinator.real_view()),
        "drill": coordinator.data.drill,
        "judge": coordinator.judge.dump(time.monotonic()),
        "spending": coordinator.bill.spending.dump(),
    }


def _hosts(coordinator: KeycardCoordinator) -> list[dict[str, Any]]:
    """Tell how the hosts do that are asked; those of the owner's own stay unnamed."""
    known = coordinator.watcher.watch.dump()
    return [
        {
            "kind": target.kind.value,
            "region": target.region,
            "url": target.url if target.url in _PUBLIC else REDACTED,
            **known[target.url],
        }
        for target in list_endpoints(coordinator.hosts)
    ]


def _car(entry: KeycardCoordinator, car_id: str) -> dict[str, Any]:
    """Tell what is known of a car, and how others do that show it, too."""
    coordinator = entry.cars[car_id]
    car = coordinator.vehicle
    return {
        "model": car.model,
        "year": car.year,
        "key": car.physical_key.value,
        "commandable": coordinator.commandable,
        "confirmed_at": car.confirmed_at,
        "view": asdict(coordinator.actual),
        "beside": entry.witnesses.describe().get(car_id, []),
    }


def _veiled(coordinator: KeycardCoordinator, data: dict[str, Any]) -> dict[str, Any]:
    """Replace secrets and places, and number the cars instead of naming them."""
    options = coordinator.config_entry.options
    ids = dict.fromkeys(
        [
            *coordinator.cars,
            *coordinator.garage.left_out,
            *options.get(CONF_CARS, {}),
            *options.get(CONF_LEFT_OUT, ()),
        ]
    )
    aliases = {car_id: f"car_{number}" for number, car_id in enumerate(ids, 1)}
    # Those of other entries, and those that have left: they were told of once.
    outages = coordinator.hass.data[DATA_STORE].journal.outages
    told = {car_id for outage in outages for car_id in outage.notified_vehicles}
    for number, car_id in enumerate(sorted(told - ids.keys()), 1):
        aliases[car_id] = f"other_car_{number}"

    def veil(value: object) -> object:
        if isinstance(value, Mapping):
            return {veil(key): veil(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [veil(item) for item in value]
        if isinstance(value, str):
            return aliases.get(value) or redact_vins(value)
        return value

    redacted = async_redact_data(data, TO_REDACT)
    return {key: veil(value) for key, value in redacted.items()}
