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

# They call Tesla's API themselves. Others are third parties.
DIRECT = frozenset({"tesla_fleet", "tesla_custom"})

# Their cars go by their VIN; energy sites and wall connectors do not.
_BY_VIN = frozenset({"tesla_fleet", "teslemetry", "tessie"})
_CONTROLS = frozenset({Platform.CLIMATE, Platform.DEVICE_TRACKER, Platform.LOCK})
_MQTT = "mqtt"
# As TeslaMate itself names its cars, and as the tools do that went before.
_TESLAMATE = re.compile(r"teslamate_car_\d+|teslamate(/[^/]+)?/cars/\d+")
_TESLAMATE_NAME = "TeslaMate"

# As most of them name their entities.
_VIN_AHEAD = re.compile(r"([0-9A-Za-z]{17})[-_]")
_MODEL_WORDS = re.compile(r"(?:\bmodel ?|^)([3SXY])(?:\b|$)", re.IGNORECASE)
_CYBERTRUCK = "cybertruck"


@dataclass(frozen=True, kw_only=True)
class DeviceRef:
    """Reference to a device of another integration."""

    domain: str
    device_id: str
    identifiers: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, domain: str, device: DeviceEntry) -> Self:
        """Name a device."""
        return cls(
            domain=domain,
            device_id=device.id,
            identifiers=tuple(sorted(device.identifiers, key=str)),
        )

    @classmethod
    def from_option(cls, option: Mapping[str, Any]) -> Self:
        """Read a device from the options."""
        return cls(
            domain=option[CONF_DOMAIN],
            device_id=option[CONF_DEVICE_ID],
            identifiers=tuple((kind, name) for kind, name in option[CONF_IDENTIFIERS]),
        )

    def as_option(self) -> dict[str, Any]:
        """Return what the options hold."""
        return {
            CONF_DOMAIN: self.domain,
            CONF_DEVICE_ID: self.device_id,
            CONF_IDENTIFIERS: [list(identifier) for identifier in self.identifiers],
        }

    @callback
    def async_find(self, hass: HomeAssistant) -> DeviceEntry | None:
        """Return the device, if it is still there or there again."""
        registry = dr.async_get(hass)
        device = registry.async_get(
            self.device_id, include_child_devices=False, include_composite_devices=False
        )
        if device is not None:
            return device
        found = registry.async_get_devices(identifiers=set(self.identifiers))
        return next(
            (device for device in found if domain_of(hass, device) == self.domain), None
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
        """Return what tells it from other cars that were found."""
        return self.devices[0].device_id

    @property
    def key(self) -> PhysicalKey:
        """Return the key that it most likely has."""
        return default_key(self.model, self.year, self.vin)

    def is_same_vehicle(self, other: DiscoveredVehicle) -> bool:
        """Return whether another integration's car is this one."""
        domains = {device.domain for device in self.devices}
        if any(device.domain in domains for device in other.devices):
            return False
        if self.vin and other.vin:
            return self.vin == other.vin
        models = {self.model, other.model} - {UNKNOWN_MODEL}
        return self.name.casefold() == other.name.casefold() and len(models) < 2

    def merge(self, other: DiscoveredVehicle) -> DiscoveredVehicle:
        """Return the car with what both tell of it."""
        best = self if self.vin or not other.vin else other
        return DiscoveredVehicle(
            name=self.name,
            model=best.model if best.model != UNKNOWN_MODEL else other.model,
            year=best.year,
            vin=best.vin,
            devices=(*self.devices, *other.devices),
        )


def device_refs(car: Mapping[str, Any]) -> tuple[DeviceRef, ...]:
    """Return the devices that a car of the options names."""
    return tuple(map(DeviceRef.from_option, car.get(CONF_EXTERNAL, ())))


@callback
def domain_of(hass: HomeAssistant, device: DeviceEntry) -> str:
    """Return the integration that made a device."""
    entry = hass.config_entries.async_get_entry(device.config_entry_id)
    return entry.domain if entry else ""


@callback
def async_entities_of(
    hass: HomeAssistant, device: DeviceEntry
) -> list[er.RegistryEntry]:
    """Return the entities of a device that its own integration made."""
    return [
        entity
        for entity in er.async_entries_for_device(er.async_get(hass), device.id)
        if entity.config_entry_id == device.config_entry_id
    ]


@callback
def async_discover_vehicles(hass: HomeAssistant) -> list[DiscoveredVehicle]:
    """Return the cars of other integrations that no entry of Keycard has yet."""
    known = set(_named_by_entries(hass))
    vins = set(_vins_of_accounts(hass))
    cars: list[DiscoveredVehicle] = []
    for device in _devices(hass):
        if not _is_car(hass, device):
            continue
        car = async_describe(hass, device)
        if car.vin in vins or known & {car.id, *car.devices[0].identifiers}:
            continue
        for index, other in enumerate(cars):
            if other.is_same_vehicle(car):
                cars[index] = other.merge(car)
                break
        else:
            cars.append(car)
    return cars


@callback
def async_describe(hass: HomeAssistant, device: DeviceEntry) -> DiscoveredVehicle:
    """Tell what is known of a car by its device."""
    vin = _vin_of(hass, device)
    model, year = decode_vin(vin)
    if model == UNKNOWN_MODEL:
        model = model_in(device.model or "")
    return DiscoveredVehicle(
        name=device.name_by_user or device.name or MANUFACTURER,
        model=model,
        year=year,
        vin=vin,
        devices=(DeviceRef.of(domain_of(hass, device), device),),
    )


async def async_integration_name(hass: HomeAssistant, device: DeviceRef) -> str:
    """Return the name of a device's integration."""
    if _is_teslamate(device.domain, device.identifiers):
        return _TESLAMATE_NAME
    try:
        return (await async_get_integration(hass, device.domain)).name
    except IntegrationNotFound:
        return device.domain


def model_in(text: str) -> str:
    """Return the model that a text names."""
    if _CYBERTRUCK in text.casefold():
        return _CYBERTRUCK
    match = _MODEL_WORDS.search(text.strip())
    return f"model{match[1].lower()}" if match else UNKNOWN_MODEL


def _devices(hass: HomeAssistant) -> Iterator[DeviceEntry]:
    registry = dr.async_get(hass)
    for entry in _others(hass):
        for device in dr.async_entries_for_config_entry(registry, entry.entry_id):
            if not device.disabled and device.entry_type != DeviceEntryType.SERVICE:
                yield device


def _others(hass: HomeAssistant) -> Iterable[ConfigEntry]:
    entries = hass.config_entries.async_entries(
        include_ignore=False, include_disabled=False
    )
    return (entry for entry in entries if entry.domain != DOMAIN)


def _is_car(hass: HomeAssistant, device: DeviceEntry) -> bool:
    domain = domain_of(hass, device)
    if domain in _BY_VIN:
        return bool(_vin_of(hass, device))
    if _is_teslamate(domain, device.identifiers):
        return True
    maker = (device.manufacturer or "").casefold()
    return maker.startswith(MANUFACTURER.casefold()) and any(
        entity.domain in _CONTROLS and not entity.disabled
        for entity in async_entities_of(hass, device)
    )


def _is_teslamate(domain: str, identifiers: Iterable[tuple[str, str]]) -> bool:
    return domain == _MQTT and any(
        _TESLAMATE.fullmatch(str(name)) for _, name in identifiers
    )


def _vin_of(hass: HomeAssistant, device: DeviceEntry) -> str:
    """Return the VIN that a device or its entities are known by."""
    texts = [device.serial_number or "", *(str(name) for _, name in device.identifiers)]
    texts += [
        match[1].upper()
        for entity in async_entities_of(hass, device)
        if (match := _VIN_AHEAD.match(entity.unique_id))
    ]
    return next((text for text in texts if is_vin(text)), "")


def _named_by_entries(hass: HomeAssistant) -> Iterator[str | tuple[str, str]]:
    for entry in hass.config_entries.async_entries(DOMAIN):
        for car in entry.options.get(CONF_CARS, {}).values():
            for device in device_refs(car):
                yield device.device_id
                yield from device.identifiers


def _vins_of_accounts(hass: HomeAssistant) -> Iterator[str]:
    registry = dr.async_get(hass)
    for entry in hass.config_entries.async_entries(DOMAIN):
        for device in dr.async_entries_for_config_entry(registry, entry.entry_id):
            yield from (name for _, name in device.identifiers if is_vin(name))
