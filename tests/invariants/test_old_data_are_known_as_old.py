"""Invariant "old data are known as old", and what keeps its value."""

from typing import Any

import pytest

from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
    async_mock_service,
)

from .home import LOCK, HomeUnderTest, assert_no_errors, states_of

ONLINE = "binary_sensor.ada_online"
CLIMATE = "climate.ada_climate"
CHARGING = "switch.ada_charging"
DOORS = "binary_sensor.ada_front_driver_door"
TRACKER = "device_tracker.ada_location"
LASTING = (
    "device_tracker.ada_location",
    "number.ada_charge_limit",
    "sensor.ada_battery",
    "sensor.ada_last_contact",
    "sensor.ada_odometer",
    "sensor.ada_range",
    "update.ada_software",
)
DOWN = {"eu.api": "503 down", "eu.status": "503 down"}
ALL_WELL = dict.fromkeys(DOWN, "ok")
NO_INTERNET = dict.fromkeys(("all.api", "all.status", "controls"), "timeout")


def lasting(home: HomeUnderTest) -> dict[str, str]:
    states = home.states()
    found = {entity_id: states[entity_id] for entity_id in LASTING}
    assert "unknown" not in found.values()
    return found


@pytest.mark.usefixtures("every_entity")
@pytest.mark.parametrize("gap", ["outage", "own internet", "off", "offline"])
async def test_a_sleeping_car_stays_known_after_a_gap(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    gap: str,
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.set("car.Ada", "asleep")
    await home.run(600)
    before = lasting(home)
    assert home.states()[LOCK] == "locked"
    assert home.states()[DOORS] == "off"
    changes = async_capture_events(home.hass, EVENT_STATE_CHANGED)
    if gap == "off":
        assert await home.hass.config_entries.async_unload(entry.entry_id)
        await home.run(2400)
        await home.set_up(entry)
    elif gap == "offline":
        home.simulator.set("car.Ada", "offline")
        await home.run(2400)
        assert home.states()[ONLINE] == "off"
        home.simulator.set("car.Ada", "asleep")
    else:
        failing = DOWN if gap == "outage" else NO_INTERNET
        home.simulator.apply(failing)
        await home.run(2400)
        assert home.states()[ONLINE] == "unknown"
        home.simulator.apply(dict.fromkeys(failing, "ok"))
    assert lasting(home) == before
    for seconds in (300, 2400):
        await home.run(seconds)
        assert home.states()[ONLINE] == "off"
        assert lasting(home) == before
        # Someone may have used the card, but no climate runs in a sleeping car.
        assert home.states()[LOCK] == "unknown"
        assert home.states()[DOORS] == "unknown"
        assert home.states()[CLIMATE] == "off"
        assert home.states()[CHARGING] == "off"
    home.simulator.set("car.Ada", "online")
    await home.run(120)
    assert home.states()[LOCK] == "locked"
    # No car moved: its location stays.
    assert set(states_of(changes, TRACKER)) <= {before[TRACKER], "unavailable"}
    assert_no_errors(caplog)


@pytest.mark.parametrize(
    ("presence", "shown"), [("offline", "off"), ("asleep", "off"), ("online", "on")]
)
async def test_online_follows_the_cloud(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, presence: str, shown: str
) -> None:
    await home.set_up_operational(compatible_entry)
    home.simulator.set("car.Ada", presence)
    # The age of the data is kept.
    home.simulator.set("eu.data", "stale")
    changes = async_capture_events(home.hass, EVENT_STATE_CHANGED)
    await home.run(3600)
    assert home.states()[ONLINE] == shown
    assert set(states_of(changes, ONLINE)) <= {shown}


async def test_restored_data_trigger_no_automation(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.set("car.Ada", "asleep")
    await home.run(600)
    config = home.hass.config
    calls = async_mock_service(home.hass, "test", "run")
    place = {"latitude": config.latitude, "longitude": config.longitude, "radius": 1e7}
    assert await async_setup_component(
        home.hass, "zone", {"zone": {"name": "Earth", **place}}
    )
    triggers = [
        {"trigger": f"{domain}.{event}", "target": {"entity_id": entity_id}}
        for domain, event, entity_id in (
            ("lock", "locked", LOCK),
            ("lock", "unlocked", LOCK),
            ("climate", "turned_off", CLIMATE),
            ("keycard", "car_became_reachable", "sensor.ada_connection"),
            ("keycard", "car_became_unreachable", "sensor.ada_connection"),
        )
    ]
    triggers += [
        {
            "trigger": "zone",
            "entity_id": TRACKER,
            "zone": "zone.earth",
            "event": event,
        }
        for event in ("enter", "leave")
    ]
    assert await async_setup_component(
        home.hass,
        "automation",
        {
            "automation": {
                "alias": "Hear",
                "triggers": triggers,
                "actions": {"action": "test.run"},
            }
        },
    )
    for away in (60, 2400):
        assert await home.hass.config_entries.async_unload(entry.entry_id)
        await home.run(away)
        await home.set_up(entry)
        await home.run(300)
        assert home.states()[TRACKER] != "unknown"
        assert home.states()[LOCK] == ("locked" if away == 60 else "unknown")
        assert home.states()[CLIMATE] == "off"
    home.simulator.set("car.Ada", "online")
    await home.run(120)
    assert home.states()[LOCK] == "locked"
    assert calls == []
    assert await home.perform("unlock") is None
    await home.hass.async_block_till_done()
    assert len(calls) == 1
