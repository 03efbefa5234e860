"""Which entry has a car, and a car that was named by hand and is now paired."""

from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_MODEL, CONF_NAME
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er

from .const import (
    CONF_CARS,
    CONF_KEY,
    CONF_PROVIDER,
    CONF_WAS,
    CONF_YEAR,
    DOMAIN,
    NO_ACCOUNT,
    SUBENTRY_BLUETOOTH_KEY,
)
from .coordinator import KeycardCoordinator
from .ledger import LEDGER
from .memory import async_rename
from .vehicle.keys import UNKNOWN_MODEL, default_key, describe_vin


@callback
def entry_of_car(hass: HomeAssistant, vin: str) -> ConfigEntry | None:
    """Return the entry that has a car already."""
    for entry in hass.config_entries.async_entries(DOMAIN):
        coordinator = getattr(entry, "runtime_data", None)
        paired = entry.get_subentries_of_type(SUBENTRY_BLUETOOTH_KEY)
        if (
            (
                isinstance(coordinator, KeycardCoordinator)
                and vin in coordinator.garage.vins
            )
            or vin in named_cars(entry)
            or any(subentry.unique_id == vin for subentry in paired)
        ):
            return entry
    return None


def named_cars(entry: ConfigEntry) -> dict[str, dict[str, Any]]:
    """Return the cars that an owner named where no account tells of them."""
    if entry.data[CONF_PROVIDER] in NO_ACCOUNT:
        return dict(entry.options.get(CONF_CARS, {}))
    return {}


def car_of_vin(vin: str, name: str) -> dict[str, Any]:
    """Return a car for the options of which the owner has told the VIN."""
    model, year = describe_vin(vin)
    return {
        CONF_NAME: name,
        CONF_MODEL: model,
        CONF_YEAR: year,
        CONF_KEY: default_key(model, year, vin).value,
    }


async def async_take_over(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Let each car that was named by hand and is now paired go on under its VIN.

    Its device and its entities stay, with their names and their history, and so does
    what was said of it.
    """
    if entry.data[CONF_PROVIDER] not in NO_ACCOUNT:
        return
    cars, names = named_cars(entry), dict[str, str]()
    for subentry in entry.get_subentries_of_type(SUBENTRY_BLUETOOTH_KEY):
        vin, was = subentry.unique_id, subentry.data.get(CONF_WAS)
        if vin is None or vin in cars:
            continue
        if was in cars:
            names[was] = vin
            cars = {names.get(one, one): car for one, car in cars.items()}
            cars[vin] |= _model_of(vin)
        else:
            cars[vin] = car_of_vin(vin, subentry.title)
    if cars == named_cars(entry):
        return
    for was, vin in names.items():
        _rename_device(hass, entry, was, vin)
    await async_rename(hass, entry.entry_id, names)
    hass.data[LEDGER].async_rename(names)
    hass.config_entries.async_update_entry(
        entry, options={**entry.options, CONF_CARS: cars}
    )


def _model_of(vin: str) -> dict[str, Any]:
    """Return what a VIN tells better than its owner."""
    model, year = describe_vin(vin)
    return {} if model == UNKNOWN_MODEL else {CONF_MODEL: model, CONF_YEAR: year}


@callback
def _rename_device(hass: HomeAssistant, entry: ConfigEntry, was: str, vin: str) -> None:
    devices, entities = dr.async_get(hass), er.async_get(hass)
    device = devices.async_get_device_by_identifier((DOMAIN, was), entry.entry_id)
    if device is None:
        return
    for entity in er.async_entries_for_device(
        entities, device.id, include_disabled_entities=True
    ):
        if entity.platform == DOMAIN and entity.unique_id.startswith(f"{was}_"):
            kind = entity.unique_id.removeprefix(f"{was}_")
            entities.async_update_entity(
                entity.entity_id, new_unique_id=f"{vin}_{kind}"
            )
    devices.async_update_device(device.id, new_identifiers={(DOMAIN, vin)})
