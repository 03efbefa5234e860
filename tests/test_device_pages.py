"""Entities on the pages of devices."""

from collections import defaultdict

from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from .conftest import SetUp


def device_of(hass: HomeAssistant, entry: MockConfigEntry) -> dr.DeviceEntry:
    """Return the device of the cloud of an entry."""
    device = dr.async_get(hass).async_get_device_by_identifier(
        ("keycard", entry.entry_id), entry.entry_id
    )
    assert device is not None
    return device


def page(hass: HomeAssistant, device_id: str) -> dict[EntityCategory | None, set[str]]:
    """Return the keys of the enabled entities of a device, by category."""
    shown: defaultdict[EntityCategory | None, set[str]] = defaultdict(set)
    for entity in er.async_entries_for_device(er.async_get(hass), device_id):
        key = entity.translation_key or entity.original_device_class
        shown[entity.entity_category].add(f"{entity.domain}.{key}")
    return dict(shown)


async def test_page_of_the_cloud(hass: HomeAssistant, watch: MockConfigEntry) -> None:
    """Status and notice come first; drills and history are below."""
    assert page(hass, device_of(hass, watch).id) == {
        None: {
            "binary_sensor.early_warning",
            "binary_sensor.outage",
            "event.outage",
            "sensor.outage_since",
            "sensor.scope",
            "sensor.status",
        },
        EntityCategory.CONFIG: {
            "button.send_test",
            "button.start_drill",
            "button.stop_drill",
        },
        EntityCategory.DIAGNOSTIC: {
            "binary_sensor.api_reachable",
            "binary_sensor.drill",
            "sensor.last_drill",
            "sensor.last_outage",
            "sensor.last_outage_length",
            "sensor.uptime_30_days",
        },
    }


async def test_page_of_a_vehicle(hass: HomeAssistant, account: MockConfigEntry) -> None:
    device = dr.async_get(hass).async_get_device_by_identifier(
        ("keycard", "5YJ3E1E56MF553848"), account.entry_id
    )
    assert device is not None
    assert page(hass, device.id) == {
        None: {
            "button.wake",
            "climate.climate",
            "cover.charge_port",
            "cover.front_trunk",
            "cover.rear_trunk",
            "device_tracker.location",
            "lock.lock",
            "number.charge_limit",
            "sensor.battery",
            "sensor.battery_range",
            "sensor.connection",
            "sensor.inside_temp",
            "sensor.key_to_take",
            "switch.charging",
            "switch.sentry_mode",
        },
        EntityCategory.CONFIG: {"button.key_tried", "update.software"},
        EntityCategory.DIAGNOSTIC: {
            "binary_sensor.online",
            "sensor.key_tried",
            "sensor.last_contact",
        },
    }


async def test_name_of_the_cloud(
    hass: HomeAssistant,
    watch: MockConfigEntry,
    compatible_entry: MockConfigEntry,
    set_up: SetUp,
) -> None:
    """Only several entries need their titles to be told apart."""
    device = device_of(hass, watch)
    assert device.name == "Tesla cloud"
    assert device.model == "Europe, Middle East and Africa"
    await set_up(compatible_entry)
    assert device_of(hass, watch).name == "Tesla cloud (Europe)"
    assert device_of(hass, compatible_entry).name == "Tesla cloud (test)"
    hass.config_entries.async_update_entry(watch, title="Home")
    await hass.async_block_till_done()
    assert device_of(hass, watch).name == "Home"
    # Entity ids stay.
    assert hass.states.get("sensor.tesla_cloud_status") is not None
    await hass.config_entries.async_remove(compatible_entry.entry_id)
    await hass.async_block_till_done()
    assert device_of(hass, watch).name == "Tesla cloud"


async def test_name_of_the_cloud_in_german(
    hass: HomeAssistant, watching_entry: MockConfigEntry, set_up: SetUp
) -> None:
    await hass.config.async_update(language="de")
    await hass.async_block_till_done()
    await set_up(watching_entry)
    device = device_of(hass, watching_entry)
    assert device.name == "Tesla-Cloud"
    assert device.model == "Europa, Naher Osten und Afrika"
