"""Follows what becomes of an entry when a car gets a Bluetooth key, or loses it.

The device of a car belongs to the entry, and the subentry of a key owns none: Home
Assistant removes the devices and entities of a subentry with it, and a car is still
there without its key.
"""

from typing import Any

from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
    ConfigEntryState,
)
from homeassistant.const import ATTR_RESTORED, CONF_MODEL, CONF_NAME
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.dispatcher import async_dispatcher_connect

from .binary_sensor import VEHICLE_SENSORS as BINARY_SENSORS
from .const import (
    CONF_CARS,
    CONF_KEY,
    CONF_PREVIOUS_ID,
    CONF_PROVIDER,
    CONF_YEAR,
    DOMAIN,
    NO_ACCOUNT,
    SUBENTRY_BLUETOOTH_KEY,
)
from .coordinator import KeycardConfigEntry, KeycardCoordinator
from .runtime.storage import DATA_STORE, async_rename
from .sensor import VEHICLE_SENSORS
from .vehicle.keys import UNKNOWN_MODEL, decode_vin, default_key

_BLUETOOTH_KEYS = frozenset(
    description.key
    for description in (*BINARY_SENSORS, *VEHICLE_SENSORS)
    if description.bluetooth_only
)


@callback
def async_track_subentries(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Load an entry anew whenever it has other subentries than now."""
    before = frozenset(entry.subentries)

    @callback
    def changed(change: ConfigEntryChange, of: ConfigEntry) -> None:
        if (
            of.entry_id == entry.entry_id
            and change is ConfigEntryChange.UPDATED
            and of.state is ConfigEntryState.LOADED
            and frozenset(of.subentries) != before
        ):
            hass.config_entries.async_schedule_reload(entry.entry_id)

    entry.async_on_unload(
        async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, changed)
    )


@callback
def async_follow_devices(hass: HomeAssistant, entry: KeycardConfigEntry) -> None:
    """Take the names that the owner gives the devices, and leave out disabled ones."""
    devices = dr.async_get(hass)

    @callback
    def changed(event: Event[dr.EventDeviceRegistryUpdatedData]) -> None:
        if event.data["action"] != "update":
            return
        device = devices.async_get(event.data["device_id"])
        if device is None or entry.entry_id not in device.config_entries:
            return
        changes = event.data["changes"]
        if "name_by_user" in changes:
            entry.runtime_data.garage.async_name()
        if "disabled_by" in changes and entry.state is ConfigEntryState.LOADED:
            left_out = entry.runtime_data.garage.left_out
            disabled = device.disabled_by is dr.DeviceEntryDisabler.USER
            vins = {name for domain, name in device.identifiers if domain == DOMAIN}
            if vins & (entry.runtime_data.cars if disabled else left_out).keys():
                hass.config_entries.async_schedule_reload(entry.entry_id)

    entry.async_on_unload(
        hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, changed)
    )


@callback
def async_remove_stale_entities(hass: HomeAssistant, entry: KeycardConfigEntry) -> None:
    """Remove what there is of links that are no more."""
    devices, entities = dr.async_get(hass), er.async_get(hass)
    coordinator = entry.runtime_data
    for device in dr.async_entries_for_config_entry(devices, entry.entry_id):
        car_id = next(name for domain, name in device.identifiers if domain == DOMAIN)
        car = coordinator.cars.get(car_id)
        if car_id in coordinator.garage.left_out:
            continue
        if car is None:
            if car_id != entry.entry_id and not coordinator.provider.cars_from_account:
                # It was there for its key only.
                devices.async_remove_device(device.id)
        elif car.bluetooth is None:
            of_links = {f"{car_id}_{key}" for key in _BLUETOOTH_KEYS}
            for entity in er.async_entries_for_device(
                entities, device.id, include_disabled_entities=True
            ):
                is_of_link = entity.unique_id in of_links
                if entity.disabled_by is not None and not is_of_link:
                    continue
                served = car.commandable and not is_of_link
                if not served and _is_orphaned(hass, entity):
                    entities.async_remove(entity.entity_id)


def _is_orphaned(hass: HomeAssistant, entity: er.RegistryEntry) -> bool:
    """Tell whether nobody has added an entity since the start."""
    if entity.disabled_by is er.RegistryEntryDisabler.USER:
        # Nobody adds it, and its owner wants it so.
        return False
    state = hass.states.get(entity.entity_id)
    return state is None or bool(state.attributes.get(ATTR_RESTORED))


@callback
def entry_of_vehicle(hass: HomeAssistant, vin: str) -> ConfigEntry | None:
    """Return the entry that has a car already."""
    for entry in hass.config_entries.async_entries(DOMAIN):
        coordinator = getattr(entry, "runtime_data", None)
        paired = entry.get_subentries_of_type(SUBENTRY_BLUETOOTH_KEY)
        if (
            (
                isinstance(coordinator, KeycardCoordinator)
                and vin in coordinator.garage.vins
            )
            or vin in vehicle_names(entry)
            or any(subentry.unique_id == vin for subentry in paired)
        ):
            return entry
    return None


def vehicle_names(entry: ConfigEntry) -> dict[str, dict[str, Any]]:
    """Return the cars that an owner named where no account tells of them."""
    if entry.data[CONF_PROVIDER] in NO_ACCOUNT:
        return dict(entry.options.get(CONF_CARS, {}))
    return {}


def vehicle_options(
    *, name: str, model: str, year: int | None, key: str | None = None, vin: str = ""
) -> dict[str, Any]:
    """Return the options of a vehicle, with the key that it came with by default."""
    return {
        CONF_NAME: name,
        CONF_MODEL: model,
        CONF_YEAR: year,
        CONF_KEY: key or default_key(model, year, vin).value,
    }


def vehicle_options_from_vin(vin: str, name: str) -> dict[str, Any]:
    """Return the options of a vehicle with a known VIN."""
    model, year = decode_vin(vin)
    return vehicle_options(name=name, model=model, year=year, vin=vin)


async def async_migrate_to_vin(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Let each car that was named by hand and is now paired go on under its VIN.

    Its device and its entities stay, with their names and their history, and so does
    what was said of it.
    """
    if entry.data[CONF_PROVIDER] not in NO_ACCOUNT:
        return
    cars, names = vehicle_names(entry), dict[str, str]()
    for subentry in entry.get_subentries_of_type(SUBENTRY_BLUETOOTH_KEY):
        vin, was = subentry.unique_id, subentry.data.get(CONF_PREVIOUS_ID)
        if vin is None or vin in cars:
            continue
        if was in cars:
            names[was] = vin
            cars = {names.get(one, one): car for one, car in cars.items()}
            cars[vin] |= _model_of(vin)
        else:
            cars[vin] = vehicle_options_from_vin(vin, subentry.title)
    if cars == vehicle_names(entry):
        return
    for was, vin in names.items():
        _rename_device(hass, entry, was, vin)
    await async_rename(hass, entry.entry_id, names)
    hass.data[DATA_STORE].async_rename(names)
    hass.config_entries.async_update_entry(
        entry, options={**entry.options, CONF_CARS: cars}
    )


def _model_of(vin: str) -> dict[str, Any]:
    """Return what a VIN tells better than its owner."""
    model, year = decode_vin(vin)
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
