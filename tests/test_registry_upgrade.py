"""Entity IDs, enabled states and names after an upgrade."""

import json
from pathlib import Path
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from .conftest import HOME, assessment_status, until

STORED = Path(__file__).parent / "fixtures" / "entries" / "0.1.0-registries.json"

type Chosen = dict[str, tuple[str, er.RegistryEntryDisabler | None, str | None]]


async def load_registries(
    hass: HomeAssistant, hass_storage: dict[str, Any], entry: MockConfigEntry, home: str
) -> None:
    """Load the registries that version 0.1.0 has stored for an entry."""
    stored = json.loads(STORED.read_text().replace("ENTRY", entry.entry_id))[home]
    for kind, items, others in (
        ("device", "devices", {"child_devices": [], "deleted_devices": []}),
        (
            "entity",
            "entities",
            {"deleted_entities": [], "settings": {"entity_id_parts": None}},
        ),
    ):
        key = f"core.{kind}_registry"
        # Values that most items have in common stand there once.
        rows = [{**stored[kind]["common"], **row} for row in stored[kind]["items"]]
        hass_storage[key] = {
            "version": stored[kind]["version"],
            "minor_version": stored[kind]["minor_version"],
            "key": key,
            "data": {items: rows, **others},
        }
    entry.add_to_hass(hass)
    del hass.data[er.DATA_REGISTRY], hass.data[dr.DATA_REGISTRY]
    dr.async_setup(hass)
    await dr.async_load(hass)
    await er.async_load(hass)


def chosen(hass: HomeAssistant, entry: MockConfigEntry) -> Chosen:
    """Return id, enabled state and name of each entity, by its unique id."""
    return {
        f"{entity.domain}.{entity.unique_id}": (
            entity.entity_id,
            entity.disabled_by,
            entity.name,
        )
        for entity in er.async_entries_for_config_entry(
            er.async_get(hass), entry.entry_id
        )
    }


def device_names(hass: HomeAssistant, entry: MockConfigEntry) -> set[str | None]:
    """Return the names that the user gave to devices."""
    return {
        device.name_by_user
        for device in dr.async_entries_for_config_entry(
            dr.async_get(hass), entry.entry_id
        )
    }


async def test_an_account_of_0_1(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    compatible_entry: MockConfigEntry,
) -> None:
    await load_registries(hass, hass_storage, compatible_entry, "account")
    before = chosen(hass, compatible_entry)
    assert len(before) > 100
    assert before["sensor.5YJ3E1E56MF553848_key_to_take"] == (
        "sensor.welcher_schluessel",
        None,
        "Which key?",
    )
    assert await hass.config_entries.async_setup(compatible_entry.entry_id)

    def known() -> bool:
        cars = compatible_entry.runtime_data.vehicles.values()
        return len(cars) == len(HOME.cars) and all(car.data.is_current for car in cars)

    await until(hass, known)
    after = chosen(hass, compatible_entry)
    assert {unique_id: after.get(unique_id) for unique_id in before} == before
    assert device_names(hass, compatible_entry) == {None, "The old one"}


async def test_a_watched_cloud_of_0_1(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    watching_entry: MockConfigEntry,
) -> None:
    await load_registries(hass, hass_storage, watching_entry, "watch")
    before = chosen(hass, watching_entry)
    assert await hass.config_entries.async_setup(watching_entry.entry_id)
    await until(hass, lambda: assessment_status(watching_entry) == "operational")
    after = chosen(hass, watching_entry)
    assert {unique_id: after.get(unique_id) for unique_id in before} == before
    assert hass.states.get("binary_sensor.tesla_cloud_europe_outage") is not None
