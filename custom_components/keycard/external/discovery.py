"""Discover vehicles of other integrations."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
import re
from typing import Any, Self

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_DEVICE_ID, CONF_DOMAIN, Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.device_registry import DeviceEntry, DeviceEntryType
from homeassistant.loader import IntegrationNotFound, async_get_integration

from ..const import CONF_CARS, CONF_EXTERNAL, CONF_IDENTIFIERS, DOMAIN, MANUFACTURER
from ..vehicle.keys import UNKNOWN_MODEL, PhysicalKey, decode_vin, default_key, is_vin

# Integrations that call Tesla's API directly. Others use a third party.
DIRECT_INTEGRATIONS = frozenset({"tesla_fleet", "tesla_custom"})

# Integrations that identify vehicles, unlike energy sites, by their VIN.
_INTEGRATIONS_WITH_VIN = frozenset({"tesla_fleet", "teslemetry", "tessie"})
_VEHICLE_PLATFORMS = frozenset(
    {Platform.CLIMATE, Platform.DEVICE_TRACKER, Platform.LOCK}
)
_MQTT = "mqtt"
# Identifiers of TeslaMate, and of the tools used before it had MQTT discovery.
_TESLAMATE_IDENTIFIER = re.compile(r"teslamate_car_\d+|teslamate(/[^/]+)?/cars/\d+")
_TESLAMATE_NAME = "TeslaMate"

# Unique IDs of most integrations start with the VIN.
_VIN_PREFIX = re.compile(r"([0-9A-Za-z]{17})[-_]")
_MODEL_NAME = re.compile(r"(?:\bmodel ?|^)([3SXY])(?:\b|$)", re.IGNORECASE)
_CYBERTRUCK = "cybertruck"


@dataclass(frozen=True, kw_only=True)
class DeviceRef:
    """Reference to a device of another integration."""

    domain: str
    device_id: str
    identifiers: tuple[tuple[str, str], ...]

    @classmethod
    def from_device(cls, domain: str, device: DeviceEntry) -> Self:
        """Create a reference to a device."""
        return cls(
            domain=domain,
            device_id=device.id,
            identifiers=tuple(sorted(device.identifiers, key=str)),
        )

    @classmethod
    def from_option(cls, option: Mapping[str, Any]) -> Self:
        """Create a reference from the options."""
        return cls(
            domain=option[CONF_DOMAIN],
            device_id=option[CONF_DEVICE_ID],
            identifiers=tuple((kind, name) for kind, name in option[CONF_IDENTIFIERS]),
        )

    def to_option(self) -> dict[str, Any]:
        """Return the reference for the options."""
        return {
            CONF_DOMAIN: self.domain,
            CONF_DEVICE_ID: self.device_id,
            CONF_IDENTIFIERS: [list(identifier) for identifier in self.identifiers],
        }

    @callback
    def async_find(self, hass: HomeAssistant) -> DeviceEntry | None:
        """Return the device, also if it was removed and added again."""
        registry = dr.async_get(hass)
        device = registry.async_get(
            self.device_id, include_child_devices=False, include_composite_devices=False
        )
        if device is not None:
            return device
        devices = registry.async_get_devices(identifiers=set(self.identifiers))
        return next(
            (
                device
                for device in devices
                if integration_domain(hass, device) == self.domain
            ),
            None,
        )


@dataclass(frozen=True, kw_only=True)
class DiscoveredVehicle:
    """Vehicle that other integrations provide."""

    name: str
    model: str
    year: int | None
    vin: str
    devices: tuple[DeviceRef, ...]

    @property
    def id(self) -> str:
        """Return the ID of its first device."""
        return self.devices[0].device_id

    @property
    def key(self) -> PhysicalKey:
        """Return the most likely key."""
        return default_key(self.model, self.year, self.vin)

    def is_same_vehicle(self, other: DiscoveredVehicle) -> bool:
        """Return whether another integration's vehicle is the same."""
        domains = {device.domain for device in self.devices}
        if any(device.domain in domains for device in other.devices):
            return False
        if self.vin and other.vin:
            return self.vin == other.vin
        models = {self.model, other.model} - {UNKNOWN_MODEL}
        return self.name.casefold() == other.name.casefold() and len(models) < 2

    def merge(self, other: DiscoveredVehicle) -> DiscoveredVehicle:
        """Return the vehicle with the details and devices of both."""
        best = self if self.vin or not other.vin else other
        return DiscoveredVehicle(
            name=self.name,
            model=best.model if best.model != UNKNOWN_MODEL else other.model,
            year=best.year,
            vin=best.vin,
            devices=(*self.devices, *other.devices),
        )


def device_refs(vehicle_options: Mapping[str, Any]) -> tuple[DeviceRef, ...]:
    """Return the external devices in a vehicle's options."""
    return tuple(map(DeviceRef.from_option, vehicle_options.get(CONF_EXTERNAL, ())))


@callback
def integration_domain(hass: HomeAssistant, device: DeviceEntry) -> str:
    """Return the integration that provides a device."""
    entry = hass.config_entries.async_get_entry(device.config_entry_id)
    return entry.domain if entry else ""


@callback
def async_device_entities(
    hass: HomeAssistant, device: DeviceEntry
) -> list[er.RegistryEntry]:
    """Return the entities of a device's own integration."""
    return [
        entity
        for entity in er.async_entries_for_device(er.async_get(hass), device.id)
        if entity.config_entry_id == device.config_entry_id
    ]


@callback
def async_discover_vehicles(hass: HomeAssistant) -> list[DiscoveredVehicle]:
    """Return vehicles of other integrations that no entry of Keycard has yet."""
    selected = set(_selected_devices(hass))
    vins = set(_account_vins(hass))
    vehicles: list[DiscoveredVehicle] = []
    for device in _devices(hass):
        if not _is_vehicle(hass, device):
            continue
        vehicle = async_describe_vehicle(hass, device)
        if vehicle.vin in vins or selected & {
            vehicle.id,
            *vehicle.devices[0].identifiers,
        }:
            continue
        for index, other in enumerate(vehicles):
            if other.is_same_vehicle(vehicle):
                vehicles[index] = other.merge(vehicle)
                break
        else:
            vehicles.append(vehicle)
    return vehicles


@callback
def async_describe_vehicle(
    hass: HomeAssistant, device: DeviceEntry
) -> DiscoveredVehicle:
    """Describe the vehicle of a device."""
    vin = _vin_of(hass, device)
    model, year = decode_vin(vin)
    if model == UNKNOWN_MODEL:
        model = model_from_text(device.model or "")
    return DiscoveredVehicle(
        name=device.name_by_user or device.name or MANUFACTURER,
        model=model,
        year=year,
        vin=vin,
        devices=(DeviceRef.from_device(integration_domain(hass, device), device),),
    )


async def async_integration_name(hass: HomeAssistant, device: DeviceRef) -> str:
    """Return the name of a device's integration."""
    if _is_teslamate(device.domain, device.identifiers):
        return _TESLAMATE_NAME
    try:
        return (await async_get_integration(hass, device.domain)).name
    except IntegrationNotFound:
        return device.domain


def model_from_text(text: str) -> str:
    """Return the model named in a text."""
    if _CYBERTRUCK in text.casefold():
        return _CYBERTRUCK
    match = _MODEL_NAME.search(text.strip())
    return f"model{match[1].lower()}" if match else UNKNOWN_MODEL


def _devices(hass: HomeAssistant) -> Iterator[DeviceEntry]:
    registry = dr.async_get(hass)
    for entry in _other_entries(hass):
        for device in dr.async_entries_for_config_entry(registry, entry.entry_id):
            if not device.disabled and device.entry_type != DeviceEntryType.SERVICE:
                yield device


def _other_entries(hass: HomeAssistant) -> Iterable[ConfigEntry]:
    entries = hass.config_entries.async_entries(
        include_ignore=False, include_disabled=False
    )
    return (entry for entry in entries if entry.domain != DOMAIN)


def _is_vehicle(hass: HomeAssistant, device: DeviceEntry) -> bool:
    domain = integration_domain(hass, device)
    if domain in _INTEGRATIONS_WITH_VIN:
        return bool(_vin_of(hass, device))
    if _is_teslamate(domain, device.identifiers):
        return True
    manufacturer = (device.manufacturer or "").casefold()
    return manufacturer.startswith(MANUFACTURER.casefold()) and any(
        entity.domain in _VEHICLE_PLATFORMS and not entity.disabled
        for entity in async_device_entities(hass, device)
    )


def _is_teslamate(domain: str, identifiers: Iterable[tuple[str, str]]) -> bool:
    return domain == _MQTT and any(
        _TESLAMATE_IDENTIFIER.fullmatch(str(name)) for _, name in identifiers
    )


def _vin_of(hass: HomeAssistant, device: DeviceEntry) -> str:
    """Return the VIN of a device or its entities, empty without one."""
    texts = [device.serial_number or "", *(str(name) for _, name in device.identifiers)]
    texts += [
        match[1].upper()
        for entity in async_device_entities(hass, device)
        if (match := _VIN_PREFIX.match(entity.unique_id))
    ]
    return next((text for text in texts if is_vin(text)), "")


def _selected_devices(hass: HomeAssistant) -> Iterator[str | tuple[str, str]]:
    for entry in hass.config_entries.async_entries(DOMAIN):
        for vehicle_options in entry.options.get(CONF_CARS, {}).values():
            for device in device_refs(vehicle_options):
                yield device.device_id
                yield from device.identifiers


def _account_vins(hass: HomeAssistant) -> Iterator[str]:
    registry = dr.async_get(hass)
    for entry in hass.config_entries.async_entries(DOMAIN):
        for device in dr.async_entries_for_config_entry(registry, entry.entry_id):
            yield from (name for _, name in device.identifiers if is_vin(name))
