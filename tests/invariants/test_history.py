"""Outage log and uptime over restarts and clock changes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from homeassistant.core import State
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.runtime.storage import DATA_STORE, STORE_KEY, HomeStore
from tests.conftest import state_of

from .home import HomeUnderTest, assert_available, status_of

CLOUD = "sensor.tesla_cloud"
DOWN = {"eu.api": "503 down", "eu.status": "503 down"}
UP = dict.fromkeys(DOWN, "ok")
HOUR = 3600.0


def uptime(home: HomeUnderTest, days: int = 30) -> State:
    return state_of(home.hass, f"{CLOUD}_uptime_{days}_days")


def last_outage(home: HomeUnderTest) -> tuple[State, float | None]:
    """Return the last outage and its duration in minutes."""
    length = state_of(home.hass, f"{CLOUD}_last_outage_length").state
    last = state_of(home.hass, f"{CLOUD}_last_outage")
    return last, None if length == "unknown" else float(length) * 60


async def restart(home: HomeUnderTest, entry: MockConfigEntry, away: float) -> None:
    """Restart with the stored data."""
    hass = home.hass
    assert await hass.config_entries.async_unload(entry.entry_id)
    await hass.data[DATA_STORE]._writer.async_save()
    home.clock.jump(away)
    hass.data[DATA_STORE] = HomeStore(hass)
    await hass.data[DATA_STORE].async_load()
    await home.set_up(entry)


@pytest.mark.parametrize("step", [0.0, -3 * HOUR, 30 * HOUR], ids=str)
async def test_the_duration_of_an_outage_ignores_clock_changes(
    home: HomeUnderTest, watching_entry: MockConfigEntry, step: float
) -> None:
    entry = await home.set_up_operational(watching_entry)
    assert last_outage(home)[0].state == "unknown"
    home.simulator.apply(DOWN)
    began = home.clock.time()
    try:
        await home.run(20 * 60)
        home.clock.shift_wall_clock(step)
        await home.run(20 * 60)
        assert status_of(entry) == "outage"
        assert last_outage(home)[0].state == "unknown"
        home.simulator.apply(UP)
        await home.run(300)
        last, minutes = last_outage(home)
        assert minutes == pytest.approx(42, abs=3)
        start = datetime.fromisoformat(last.state).timestamp()
        assert start == pytest.approx(began, abs=90)
        ended = last.attributes["ended"].timestamp()
        assert (ended - start) / 60 == pytest.approx(minutes, abs=0.1)
        assert last.attributes["status"] == "outage"
        assert last.attributes["scope"] == "region"
        assert_available(home)
    finally:
        home.clock.shift_wall_clock(-step)


async def test_uptime_counts_watched_time(
    home: HomeUnderTest, watching_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(watching_entry)
    assert uptime(home).state == "unknown"
    await home.run(2 * HOUR - 125)
    shown = uptime(home)
    assert float(shown.state) == 100
    assert shown.attributes["state_class"] == "measurement"
    assert shown.attributes["unit_of_measurement"] == "%"
    home.simulator.apply(DOWN)
    await home.run(HOUR)
    home.simulator.apply(UP)
    await home.run(HOUR)
    assert float(uptime(home).state) == pytest.approx(75, abs=2)
    assert uptime(home).attributes["outage"] == pytest.approx(25, abs=2)
    # The internet is down: the state of the cloud is unknown meanwhile.
    everything = dict.fromkeys(
        ("all.api", "all.status", "auth.token", "auth.authorize", "controls"), "timeout"
    )
    home.simulator.apply(everything)
    await home.skip(6 * HOUR)
    assert status_of(entry) == "internet_down"
    home.simulator.apply(dict.fromkeys(everything, "ok"))
    await home.run(600)
    assert status_of(entry) == "operational"
    assert float(uptime(home).state) == pytest.approx(75, abs=2)
    watched = uptime(home).attributes["watched"]
    today = home.clock.now().hour + home.clock.now().minute / 60
    assert watched == round(100 * 4.2 / (29 * 24 + today)) == 1


async def test_a_restart_keeps_the_uptime_and_counts_downtime_as_unknown(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    hass_storage: Mapping[str, Any],
) -> None:
    entry = await home.set_up_operational(watching_entry)
    await home.run(HOUR)
    home.simulator.apply(DOWN)
    await home.run(HOUR)
    await restart(home, entry, 9 * HOUR)
    assert hass_storage[STORE_KEY]["data"]["days"]["eu"]
    assert float(uptime(home).state) == pytest.approx(50, abs=3)
    await home.run(HOUR)
    assert status_of(entry) == "outage"
    assert float(uptime(home).state) == pytest.approx(33, abs=3)
    home.simulator.apply(UP)
    await home.run(600)
    # It counts for the outage, which was active before and after.
    assert last_outage(home)[1] == pytest.approx(11 * 60, abs=5)


async def test_uptime_is_stored_periodically(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    hass_storage: Mapping[str, Any],
) -> None:
    await home.set_up_operational(watching_entry)
    for minutes in (20, 40, 60):
        await home.run(1200)
        days = hass_storage[STORE_KEY]["data"]["days"]["eu"]
        counted = sum(seconds for day in days.values() for seconds in day.values())
        assert counted == pytest.approx(minutes * 60, abs=1000), minutes
        assert counted > (minutes - 17) * 60, minutes


async def test_the_uptime_of_a_year_is_disabled_by_default(
    home: HomeUnderTest, watching_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(watching_entry)
    registry = er.async_get(home.hass)
    year = registry.async_get(f"{CLOUD}_uptime_365_days")
    assert year is not None
    assert year.disabled_by is er.RegistryEntryDisabler.INTEGRATION
    registry.async_update_entity(year.entity_id, disabled_by=None)
    await home.restart(entry)
    await home.run(1.2 * HOUR)
    assert float(uptime(home, 365).state) == 100
    assert uptime(home, 365).attributes["watched"] == 0
