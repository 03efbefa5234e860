"""Keep the device and entity registries in line with an entry and its subentries.

The device of a vehicle belongs to the entry, not to the subentry of its Bluetooth key:
Home Assistant removes the devices and entities of a subentry together with it, but the
vehicle remains without its key.
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
    CONF_BEFORE,
    CONF_CARS,
    CONF_ENABLED,
    CONF_KEY,
    CONF_NOTIFICATIONS,
    CONF_PREVIOUS_ID,
    CONF_PROVIDER,
    CONF_YEAR,
    DOMAIN,
    NO_ACCOUNT,
    SUBENTRY_BLUETOOTH_KEY,
    SUBENTRY_RECEIVER,
)
from .coordinator import KeycardConfigEntry, KeycardData
from .entity import cloud_device
from .notifications.notifier import DATA_NOTIFIER
from .notifications.receivers import Receiver, ReceiverKind
from .notifications.subentries import BELL_NAME, async_add_receiver, receiver_subentry
from .runtime.storage import DATA_STORE, async_rename
from .sensor import VEHICLE_SENSORS
from .vehicle.keys import UNKNOWN_MODEL, decode_vin

_BLUETOOTH_KEYS = frozenset(
    description.key
    for description in (*BINARY_SENSORS, *VEHICLE_SENSORS)
    if description.bluetooth_only
)


@callback
def async_add_default_receiver(
    hass: HomeAssistant, entry: ConfigEntry, *, enabled: bool
) -> None:
    """Notify in Home Assistant for an entry from before there were receivers."""
    if CONF_NOTIFICATIONS in entry.options:
        return
    if not entry.get_subentries_of_type(SUBENTRY_RECEIVER):
        bell = Receiver(kind=ReceiverKind.BELL, name=BELL_NAME)
        async_add_receiver(hass, entry, receiver_subentry(bell))
    notifications = {CONF_BEFORE: True, CONF_ENABLED: enabled}
    hass.config_entries.async_update_entry(
        entry, options={**entry.options, CONF_NOTIFICATIONS: notifications}
    )


@callback
def async_track_subentries(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Reload an entry when a Bluetooth key is added or removed, and apply receivers."""
    paired = _paired(entry)

    @callback
    def changed(change: ConfigEntryChange, changed_entry: ConfigEntry) -> None:
        if (
            changed_entry.entry_id != entry.entry_id
            or change is not ConfigEntryChange.UPDATED
            or changed_entry.state is not ConfigEntryState.LOADED
        ):
            return
        if _paired(changed_entry) != paired:
            hass.config_entries.async_schedule_reload(entry.entry_id)
        hass.data[DATA_NOTIFIER].async_apply_receivers()

    entry.async_on_unload(
        async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, changed)
    )


def _paired(entry: ConfigEntry) -> frozenset[str]:
    """Return the IDs of the subentries of Bluetooth keys."""
    return frozenset(
        subentry.subentry_id
        for subentry in entry.get_subentries_of_type(SUBENTRY_BLUETOOTH_KEY)
    )


@callback
def async_track_devices(hass: HomeAssistant, entry: KeycardConfigEntry) -> None:
    """Apply names of devices and entries, and reload for a disabled or enabled one."""
    devices = dr.async_get(hass)

    @callback
    def changed(event: Event[dr.EventDeviceRegistryUpdatedData]) -> None:
        if event.data["action"] != "update":
            return
        device = devices.async_get(event.data["device_id"])
        if device is None or device.config_entry_id != entry.entry_id:
            return
        changes = event.data["changes"]
        if "name_by_user" in changes:
            entry.runtime_data.vehicle_manager.async_update_names()
        if "disabled_by" in changes and entry.state is ConfigEntryState.LOADED:
            left_out = entry.runtime_data.vehicle_manager.left_out
            disabled = device.disabled_by is dr.DeviceEntryDisabler.USER
            vins = {name for domain, name in device.identifiers if domain == DOMAIN}
            if vins & (entry.runtime_data.vehicles if disabled else left_out).keys():
                hass.config_entries.async_schedule_reload(entry.entry_id)

    @callback
    def entries_changed(_change: ConfigEntryChange, changed_entry: ConfigEntry) -> None:
        if changed_entry.domain == DOMAIN:
            # Another entry changes the name of the cloud's device.
            devices.async_get_or_create(
                config_entry_id=entry.entry_id, **cloud_device(hass, entry)
            )

    entry.async_on_unload(
        hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, changed)
    )
    entry.async_on_unload(
        async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, entries_changed)
    )


@callback
def async_remove_stale_entities(hass: HomeAssistant, entry: KeycardConfigEntry) -> None:
    """Remove the devices and entities of transports that are no longer set up.

    The platforms must have added all entities.
    """
    devices, entities = dr.async_get(hass), er.async_get(hass)
    data = entry.runtime_data
    for device in dr.async_entries_for_config_entry(devices, entry.entry_id):
        vehicle_id = next(
            name for domain, name in device.identifiers if domain == DOMAIN
        )
        coordinator = data.vehicles.get(vehicle_id)
        if vehicle_id in data.vehicle_manager.left_out:
            continue
        if coordinator is None:
            if vehicle_id != entry.entry_id and not data.provider.has_account:
                # The vehicle was only set up for its Bluetooth key.
                devices.async_remove_device(device.id)
        elif coordinator.bluetooth is None:
            bluetooth_ids = {f"{vehicle_id}_{key}" for key in _BLUETOOTH_KEYS}
            for entity in er.async_entries_for_device(
                entities, device.id, include_disabled_entities=True
            ):
                over_bluetooth = entity.unique_id in bluetooth_ids
                if entity.disabled_by is not None and not over_bluetooth:
                    continue
                provided = coordinator.commandable and not over_bluetooth
                if not provided and _is_orphaned(hass, entity):
                    entities.async_remove(entity.entity_id)


def _is_orphaned(hass: HomeAssistant, entity: er.RegistryEntry) -> bool:
    """Return whether no platform has added the entity since the start."""
    if entity.disabled_by is er.RegistryEntryDisabler.USER:
        # No platform adds it, as the user disabled it.
        return False
    state = hass.states.get(entity.entity_id)
    return state is None or bool(state.attributes.get(ATTR_RESTORED))


@callback
def entry_of_vehicle(hass: HomeAssistant, vin: str) -> ConfigEntry | None:
    """Return the entry that has a vehicle already."""
    for entry in hass.config_entries.async_entries(DOMAIN):
        data = getattr(entry, "runtime_data", None)
        paired = entry.get_subentries_of_type(SUBENTRY_BLUETOOTH_KEY)
        if (
            (isinstance(data, KeycardData) and vin in data.vehicle_manager.vins)
            or vin in configured_vehicle_options(entry)
            or any(subentry.unique_id == vin for subentry in paired)
        ):
            return entry
    return None


def configured_vehicle_options(entry: ConfigEntry) -> dict[str, dict[str, Any]]:
    """Return the vehicles that the user added to an entry without an account."""
    if entry.data[CONF_PROVIDER] in NO_ACCOUNT:
        return dict(entry.options.get(CONF_CARS, {}))
    return {}


def vehicle_options(
    *, name: str, model: str, year: int | None, key: str | None = None
) -> dict[str, Any]:
    """Return the options of a vehicle; without `key`, that follows from the model."""
    named = {} if key is None else {CONF_KEY: key}
    return {CONF_NAME: name, CONF_MODEL: model, CONF_YEAR: year, **named}


def vehicle_options_from_vin(vin: str, name: str) -> dict[str, Any]:
    """Return the options of a vehicle with a known VIN."""
    model, year = decode_vin(vin)
    return vehicle_options(name=name, model=model, year=year)


async def async_migrate_to_vin(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Migrate each paired vehicle that the user added by name to its VIN.

    Its device and entities keep their names and history, and its notices are kept.
    """
    if entry.data[CONF_PROVIDER] not in NO_ACCOUNT:
        return
    vehicles, new_ids = configured_vehicle_options(entry), dict[str, str]()
    for subentry in entry.get_subentries_of_type(SUBENTRY_BLUETOOTH_KEY):
        vin, previous_id = subentry.unique_id, subentry.data.get(CONF_PREVIOUS_ID)
        if vin is None or vin in vehicles:
            continue
        if previous_id in vehicles:
            new_ids[previous_id] = vin
            vehicles = {
                new_ids.get(vehicle_id, vehicle_id): vehicle_options
                for vehicle_id, vehicle_options in vehicles.items()
            }
            vehicles[vin] |= _model_options(vin)
        else:
            vehicles[vin] = vehicle_options_from_vin(vin, subentry.title)
    if vehicles == configured_vehicle_options(entry):
        return
    for previous_id, vin in new_ids.items():
        _rename_device(hass, entry, previous_id, vin)
    await async_rename(hass, entry.entry_id, new_ids)
    hass.data[DATA_STORE].async_rename(new_ids)
    hass.config_entries.async_update_entry(
        entry, options={**entry.options, CONF_CARS: vehicles}
    )


def _model_options(vin: str) -> dict[str, Any]:
    """Return the model and year of a VIN, which override those of the user."""
    model, year = decode_vin(vin)
    return {} if model == UNKNOWN_MODEL else {CONF_MODEL: model, CONF_YEAR: year}


@callback
def _rename_device(
    hass: HomeAssistant, entry: ConfigEntry, previous_id: str, vin: str
) -> None:
    """Give a device and its entities the VIN as their ID."""
    devices, entities = dr.async_get(hass), er.async_get(hass)
    device = devices.async_get_device_by_identifier(
        (DOMAIN, previous_id), entry.entry_id
    )
    if device is None:
        return
    for entity in er.async_entries_for_device(
        entities, device.id, include_disabled_entities=True
    ):
        if entity.platform == DOMAIN and entity.unique_id.startswith(f"{previous_id}_"):
            key = entity.unique_id.removeprefix(f"{previous_id}_")
            entities.async_update_entity(entity.entity_id, new_unique_id=f"{vin}_{key}")
    devices.async_update_device(device.id, new_identifiers={(DOMAIN, vin)})
