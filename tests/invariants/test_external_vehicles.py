"""Vehicles of other integrations: their data are weak evidence, shown as such."""

from collections.abc import AsyncIterator, Awaitable, Callable
import logging
from typing import Any

import pytest

from homeassistant.config_entries import ConfigEntryDisabler
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.const import DOMAIN
from custom_components.keycard.diagnostics import async_get_config_entry_diagnostics
from custom_components.keycard.external.discovery import async_discover_vehicles
from simulator import Simulator
from tests.config_entries import hosts_options
from tests.other_integrations import ADA_VIN, OtherIntegration, PolledVehicle

from .home import HomeUnderTest, assert_available, assert_no_errors, status_of
from .test_told_once import ReceivedNotices

MINUTE = 60.0
HOUR = 3600.0
POLL = 600.0
LEARNS = 14 * POLL
STATUS = "sensor.tesla_cloud_status"
KEY = "sensor.ada_key_to_take"


@pytest.fixture
def ada() -> PolledVehicle:
    return PolledVehicle()


@pytest.fixture
async def fleet(
    home: HomeUnderTest, ada: PolledVehicle
) -> AsyncIterator[OtherIntegration]:
    """Set up another integration that polls Tesla every ten minutes."""
    async with OtherIntegration(
        home.hass, ada, domain="tesla_fleet", interval=POLL
    ) as other:
        yield other


@pytest.fixture
def beside_entry(home: HomeUnderTest, fleet: OtherIntegration) -> MockConfigEntry:
    """Return an entry for vehicles of another integration, as the flow creates it."""
    return entry_beside(home.hass, home.simulator)


def entry_beside(hass: HomeAssistant, simulator: Simulator) -> MockConfigEntry:
    found = async_discover_vehicles(hass)
    return MockConfigEntry(
        domain=DOMAIN,
        title="Tesla cloud (Europe)",
        unique_id="watch_eu",
        data={"provider": "watch_only", "region": "eu"},
        options={
            **hosts_options(simulator),
            "cars": {
                car.name.lower(): {
                    "name": car.name,
                    "model": car.model,
                    "year": car.year,
                    "key": car.key.value,
                    "beside": [device.to_option() for device in car.devices],
                }
                for car in found
            },
        },
    )


def source_status(entry: MockConfigEntry) -> dict[str, Any]:
    """Return the status of the other integration as a source."""
    (source,) = entry.runtime_data.external_observer.describe()["ada"]
    return dict(source)


async def set_up_and_learn(
    home: HomeUnderTest, entry: MockConfigEntry
) -> MockConfigEntry:
    """Set up the entry and let it learn the update interval of the data."""
    await home.set_up_operational(entry)
    await home.run(LEARNS)
    assert source_status(entry)["interval"] == pytest.approx(POLL, abs=2)
    assert status_of(entry) == "operational"
    return entry


async def test_the_third_act_of_2021(
    home: HomeUnderTest,
    ada: PolledVehicle,
    beside_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The hosts answer again, and the data of a charging car do not change."""
    for logger in ("", "homeassistant", "custom_components.keycard"):
        caplog.set_level(logging.DEBUG, logger)
    entry = await set_up_and_learn(home, beside_entry)
    notices = ReceivedNotices(home.hass)
    calls = home.simulator.usage
    assert not calls.billed

    ada.stale = True
    await home.run(50 * MINUTE)
    assert status_of(entry) == "operational"
    await home.until(lambda: status_of(entry) == "degraded", within=30 * MINUTE)

    state = home.hass.states.get(STATUS)
    assert state is not None
    assert state.attributes["planes"] == ["data"]
    assert home.states()[KEY] == "usual"
    (event,) = notices.events
    assert event["event_type"] == "started"
    assert event["notice"] == "none"
    assert "Ada" in event["text"]
    assert "Seen only through another integration" in event["text"]

    ada.stale = False
    await home.until(lambda: status_of(entry) == "operational", within=30 * MINUTE)
    assert [event["event_type"] for event in notices.events] == ["started", "ended"]
    assert not calls.billed
    endpoints = {one.partition(".")[2] for one in calls.by_endpoint if one[2] == "."}
    assert endpoints == {"status"}
    assert_available(home)
    assert_no_errors(caplog)
    assert ADA_VIN not in caplog.text


async def reload(home: HomeUnderTest, fleet: OtherIntegration) -> None:
    await home.hass.config_entries.async_reload(fleet.entry.entry_id)


async def unload(home: HomeUnderTest, fleet: OtherIntegration) -> None:
    await home.hass.config_entries.async_unload(fleet.entry.entry_id)


async def disable(home: HomeUnderTest, fleet: OtherIntegration) -> None:
    await home.hass.config_entries.async_set_disabled_by(
        fleet.entry.entry_id, ConfigEntryDisabler.USER
    )


async def remove(home: HomeUnderTest, fleet: OtherIntegration) -> None:
    await home.hass.config_entries.async_remove(fleet.entry.entry_id)


async def remove_device(home: HomeUnderTest, fleet: OtherIntegration) -> None:
    dr.async_get(home.hass).async_remove_device(fleet.device(fleet.cars[0]).id)


async def fail(home: HomeUnderTest, fleet: OtherIntegration) -> None:
    fleet.cars[0].fails = True


async def sleep(home: HomeUnderTest, fleet: OtherIntegration) -> None:
    fleet.cars[0].online = False


async def charge_to_the_end(home: HomeUnderTest, fleet: OtherIntegration) -> None:
    fleet.cars[0].charging = False


async def draw_nothing(home: HomeUnderTest, fleet: OtherIntegration) -> None:
    fleet.cars[0].power = 0.0
    fleet.cars[0].stale = True


async def hide_what_moves(home: HomeUnderTest, fleet: OtherIntegration) -> None:
    er.async_get(home.hass).async_update_entity(
        "sensor.ada_battery_level", disabled_by=er.RegistryEntryDisabler.USER
    )


async def hide_whether_it_is_online(
    home: HomeUnderTest, fleet: OtherIntegration
) -> None:
    fleet.cars[0].stale = True
    er.async_get(home.hass).async_update_entity(
        "binary_sensor.ada_state", disabled_by=er.RegistryEntryDisabler.USER
    )


async def stop_polling(home: HomeUnderTest, fleet: OtherIntegration) -> None:
    home.hass.config_entries.async_update_entry(fleet.entry, pref_disable_polling=True)
    await home.hass.config_entries.async_reload(fleet.entry.entry_id)


@pytest.mark.parametrize(
    "happens",
    [
        reload,
        unload,
        disable,
        remove,
        remove_device,
        fail,
        sleep,
        charge_to_the_end,
        draw_nothing,
        hide_what_moves,
        hide_whether_it_is_online,
        stop_polling,
    ],
)
async def test_ordinary_use_is_no_evidence(
    *,
    home: HomeUnderTest,
    fleet: OtherIntegration,
    beside_entry: MockConfigEntry,
    happens: Callable[[HomeUnderTest, OtherIntegration], Awaitable[None]],
) -> None:
    entry = await set_up_and_learn(home, beside_entry)
    notices = ReceivedNotices(home.hass)
    await happens(home, fleet)
    # Evidence would count within two hours.
    await home.run(3 * HOUR)
    assert status_of(entry) == "operational"
    assert notices.events == []
    assert_available(home)
    # A removed source does not remove others.
    assert home.states()[KEY] == "usual"


async def test_returned_entities_start_again(
    home: HomeUnderTest, ada: PolledVehicle, beside_entry: MockConfigEntry
) -> None:
    entry = await set_up_and_learn(home, beside_entry)
    notices = ReceivedNotices(home.hass)
    ada.stale = True
    for _ in range(5):
        await home.run(40 * MINUTE)
        ada.fails = True
        await home.run(POLL + MINUTE)
        ada.fails = False
    assert notices.events == []
    assert status_of(entry) == "operational"


async def test_a_third_party_is_not_believed_alone(home: HomeUnderTest) -> None:
    ada = PolledVehicle()
    async with OtherIntegration(home.hass, ada, domain="tessie", interval=30.0):
        entry = await home.set_up_operational(entry_beside(home.hass, home.simulator))
        await home.run(HOUR)
        assert source_status(entry)["interval"] is not None
        ada.stale = True
        await home.run(3 * HOUR)
        assert status_of(entry) == "operational"


async def test_a_restart_keeps_learned_intervals_and_notices(
    home: HomeUnderTest, ada: PolledVehicle, beside_entry: MockConfigEntry
) -> None:
    entry = await set_up_and_learn(home, beside_entry)
    ada.stale = True
    await home.until(lambda: status_of(entry) == "degraded", within=2 * HOUR)
    notices = ReceivedNotices(home.hass)
    since = entry.runtime_data.detector.assessment.since
    await home.restart(entry)
    await home.run(50 * MINUTE)
    assert status_of(entry) == "degraded"
    assert entry.runtime_data.detector.assessment.since == since
    assert source_status(entry)["interval"] == pytest.approx(POLL, abs=60)
    assert notices.events == []
    ada.stale = False
    await home.until(lambda: status_of(entry) == "operational", within=30 * MINUTE)


async def test_a_failing_host_is_reported_as_usual(
    home: HomeUnderTest,
    fleet: OtherIntegration,
    ada: PolledVehicle,
    beside_entry: MockConfigEntry,
) -> None:
    entry = await set_up_and_learn(home, beside_entry)
    notices = ReceivedNotices(home.hass)
    home.simulator.set("eu.status", "503 down")
    took = await home.until(lambda: status_of(entry) == "outage", within=120)
    assert took < 90
    assert home.states()[KEY] == "keycard"
    assert "Take the keycard for Ada" in notices.only("take")["text"]


async def test_a_device_that_comes_back_is_followed_again(
    home: HomeUnderTest,
    fleet: OtherIntegration,
    ada: PolledVehicle,
    beside_entry: MockConfigEntry,
) -> None:
    entry = await set_up_and_learn(home, beside_entry)
    await remove_device(home, fleet)
    await home.run(MINUTE)
    assert source_status(entry)["found"] is False
    await reload(home, fleet)
    await home.run(2 * POLL)
    assert source_status(entry)["found"] is True
    assert source_status(entry)["active"] is True


async def test_diagnostics_name_no_car(
    home: HomeUnderTest, beside_entry: MockConfigEntry
) -> None:
    assert await async_setup_component(home.hass, "diagnostics", {})
    entry = await set_up_and_learn(home, beside_entry)
    diagnostics = await async_get_config_entry_diagnostics(home.hass, entry)
    (seen,) = diagnostics["cars"]["car_1"]["beside"]
    assert seen["integration"] == "tesla_fleet"
    assert seen["calls_tesla"] is True
    assert seen["found"] is True
    assert seen["measurements"] == 3
    assert seen["active"] is True
    assert ADA_VIN not in str(diagnostics)
    assert "Ada" not in str(diagnostics)
