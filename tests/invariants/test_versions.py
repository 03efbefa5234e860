"""Data of other versions of Keycard are migrated or left alone."""

from typing import Any

import pytest

from homeassistant.config_entries import ConfigEntryState
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.runtime.storage import STORE_KEY

from .home import LOCK, HomeUnderTest, status_of


@pytest.mark.parametrize(("version", "minor"), [(1, None), (1, 1), (1, 7), (2, 1)])
async def test_stores_of_other_versions(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    hass_storage: dict[str, Any],
    version: int,
    minor: int | None,
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    assert await home.hass.config_entries.async_unload(entry.entry_id)
    store = hass_storage[f"keycard.{entry.entry_id}"]
    assert (store["version"], store["minor_version"]) == (1, 1)
    store |= {"version": version, "minor_version": minor}
    if minor is None:
        # Format of an early version.
        del store["minor_version"]
    # Additions of a later version.
    store["data"]["added"] = {"later": True}
    for car in store["data"]["cars"].values():
        car["added"] = [1]
    home.simulator.apply({"eu.api": "503 down", "eu.status": "503 down"})
    await home.set_up(entry)
    # Without a readable store, their devices tell which vehicles there are.
    assert len(entry.runtime_data.vehicles) == 2
    assert home.states()[LOCK] == ("locked" if version == 1 else "unknown")


@pytest.mark.parametrize("minor", [1, 7])
async def test_a_ledger_of_a_later_minor_version(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    hass_storage: dict[str, Any],
    minor: int,
) -> None:
    hass_storage[STORE_KEY] = {
        "version": 1,
        "minor_version": minor,
        "key": STORE_KEY,
        "data": {
            "hosts": {home.simulator.urls["eu"]: {"verified": True, "down": False}},
            "outages": [],
            "added": 5,
        },
    }
    await home.set_up_operational(watching_entry)
    assert not [key for key in hass_storage if "unreadable" in key]


@pytest.mark.parametrize(
    ("version", "minor", "state"),
    [
        (1, 1, ConfigEntryState.LOADED),
        (1, 7, ConfigEntryState.LOADED),
        (2, 1, ConfigEntryState.MIGRATION_ERROR),
    ],
)
async def test_entries_of_other_versions(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    version: int,
    minor: int,
    state: ConfigEntryState,
) -> None:
    old = watching_entry
    entry = MockConfigEntry(
        domain=old.domain,
        title=old.title,
        unique_id=old.unique_id,
        data=dict(old.data),
        options={**old.options, "added": True},
        version=version,
        minor_version=minor,
    )
    entry.add_to_hass(home.hass)
    await home.hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is state
    # Nothing is lost for the version that wrote it.
    assert (entry.version, entry.minor_version) == (version, minor)
    assert entry.options["added"] is True
    if state is ConfigEntryState.LOADED:
        await home.run(30)
        assert status_of(entry) == "operational"


async def test_a_car_out_of_reach_is_logged_once(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for logger in ("homeassistant", "custom_components.keycard"):
        caplog.set_level("INFO", logger)
    await home.set_up_operational(compatible_entry)

    def logged(words: str) -> int:
        return caplog.text.count(words)

    for times in (1, 2):
        home.simulator.set("car.Ada", "offline")
        await home.run(900)
        assert logged("A vehicle is out of reach: offline") == times
        assert logged("A vehicle is reachable again") == times - 1
        home.simulator.set("car.Ada", "online")
        await home.run(900)
        assert logged("A vehicle is out of reach: offline") == times
        assert logged("A vehicle is reachable again: cloud") == times
    assert "Ada" not in caplog.text
