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

from .story import Story, assert_available, assert_no_errors, status_of
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
async def fleet(story: Story, ada: PolledVehicle) -> AsyncIterator[OtherIntegration]:
    """Set up another integration that polls Tesla every ten minutes."""
    async with OtherIntegration(
        story.hass, ada, domain="tesla_fleet", interval=POLL
    ) as other:
        yield other


@pytest.fixture
def beside_entry(story: Story, fleet: OtherIntegration) -> MockConfigEntry:
    """Return an entry for vehicles of another integration, as the flow creates it."""
    return entry_beside(story.hass, story.simulator)


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


async def set_up_and_learn(story: Story, entry: MockConfigEntry) -> MockConfigEntry:
    """Set up the entry and let it learn the update interval of the data."""
    await story.settled(entry)
    await story.go(LEARNS)
    assert source_status(entry)["interval"] == pytest.approx(POLL, abs=2)
    assert status_of(entry) == "operational"
    return entry


async def test_the_third_act_of_2021(
    story: Story,
    ada: PolledVehicle,
    beside_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The hosts answer again, and the data of a charging car do not change."""
    for logger in ("", "homeassistant", "custom_components.keycard"):
        caplog.set_level(logging.DEBUG, logger)
    entry = await set_up_and_learn(story, beside_entry)
    notices = ReceivedNotices(story.hass)
    calls = story.simulator.usage
    assert not calls.billed

    ada.stale = True
    await story.go(50 * MINUTE)
    assert status_of(entry) == "operational"
    await story.until(lambda: status_of(entry) == "degraded", within=30 * MINUTE)

    state = story.hass.states.get(STATUS)
    assert state is not None
    assert state.attributes["planes"] == ["data"]
    assert story.states()[KEY] == "usual"
    (event,) = notices.events
    assert event["event_type"] == "started"
    assert event["notice"] == "none"
    assert "Ada" in event["text"]
    assert "Seen only through another integration" in event["text"]

    ada.stale = False
    await story.until(lambda: status_of(entry) == "operational", within=30 * MINUTE)
    assert [event["event_type"] for event in notices.events] == ["started", "ended"]
    assert not calls.billed
    asked = {one.partition(".")[2] for one in calls.by_endpoint if one[2] == "."}
    assert asked == {"status"}
    assert_available(story)
    assert_no_errors(caplog)
    assert ADA_VIN not in caplog.text


async def reload(story: Story, fleet: OtherIntegration) -> None:
    await story.hass.config_entries.async_reload(fleet.entry.entry_id)


async def unload(story: Story, fleet: OtherIntegration) -> None:
    await story.hass.config_entries.async_unload(fleet.entry.entry_id)


async def disable(story: Story, fleet: OtherIntegration) -> None:
    await story.hass.config_entries.async_set_disabled_by(
        fleet.entry.entry_id, ConfigEntryDisabler.USER
    )


async def remove(story: Story, fleet: OtherIntegration) -> None:
    await story.hass.config_entries.async_remove(fleet.entry.entry_id)


async def remove_device(story: Story, fleet: OtherIntegration) -> None:
    dr.async_get(story.hass).async_remove_device(fleet.device(fleet.cars[0]).id)


async def fail(story: Story, fleet: OtherIntegration) -> None:
    fleet.cars[0].fails = True


async def sleep(story: Story, fleet: OtherIntegration) -> None:
    fleet.cars[0].online = False


async def charge_to_the_end(story: Story, fleet: OtherIntegration) -> None:
    fleet.cars[0].charging = False


async def draw_nothing(story: Story, fleet: OtherIntegration) -> None:
    fleet.cars[0].power = 0.0
    fleet.cars[0].stale = True


async def hide_what_moves(story: Story, fleet: OtherIntegration) -> None:
    er.async_get(story.hass).async_update_entity(
        "sensor.ada_battery_level", disabled_by=er.RegistryEntryDisabler.USER
    )


async def hide_whether_it_is_online(story: Story, fleet: OtherIntegration) -> None:
    fleet.cars[0].stale = True
    er.async_get(story.hass).async_update_entity(
        "binary_sensor.ada_state", disabled_by=er.RegistryEntryDisabler.USER
    )


async def stop_polling(story: Story, fleet: OtherIntegration) -> None:
    story.hass.config_entries.async_update_entry(fleet.entry, pref_disable_polling=True)
    await story.hass.config_entries.async_reload(fleet.entry.entry_id)


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
    story: Story,
    fleet: OtherIntegration,
    beside_entry: MockConfigEntry,
    happens: Callable[[Story, OtherIntegration], Awaitable[None]],
) -> None:
    entry = await set_up_and_learn(story, beside_entry)
    notices = ReceivedNotices(story.hass)
    await happens(story, fleet)
    await story.go(5 * HOUR)
    assert status_of(entry) == "operational"
    assert notices.events == []
    assert_available(story)
    # A removed source does not remove others.
    assert story.states()[KEY] == "usual"


async def test_what_was_away_begins_anew(
    story: Story, ada: PolledVehicle, beside_entry: MockConfigEntry
) -> None:
    entry = await set_up_and_learn(story, beside_entry)
    notices = ReceivedNotices(story.hass)
    ada.stale = True
    for _ in range(5):
        await story.go(40 * MINUTE)
        ada.fails = True
        await story.go(POLL + MINUTE)
        ada.fails = False
    assert notices.events == []
    assert status_of(entry) == "operational"


async def test_a_third_party_is_not_believed_alone(story: Story) -> None:
    ada = PolledVehicle()
    async with OtherIntegration(story.hass, ada, domain="tessie", interval=30.0):
        entry = await story.settled(entry_beside(story.hass, story.simulator))
        await story.go(HOUR)
        assert source_status(entry)["interval"] is not None
        ada.stale = True
        await story.go(3 * HOUR)
        assert status_of(entry) == "operational"


async def test_a_restart_keeps_learned_intervals_and_notices(
    story: Story, ada: PolledVehicle, beside_entry: MockConfigEntry
) -> None:
    entry = await set_up_and_learn(story, beside_entry)
    ada.stale = True
    await story.until(lambda: status_of(entry) == "degraded", within=2 * HOUR)
    notices = ReceivedNotices(story.hass)
    since = entry.runtime_data.detector.assessment.since
    await story.restart(entry)
    await story.go(50 * MINUTE)
    assert status_of(entry) == "degraded"
    assert entry.runtime_data.detector.assessment.since == since
    assert source_status(entry)["interval"] == pytest.approx(POLL, abs=60)
    assert notices.events == []
    ada.stale = False
    await story.until(lambda: status_of(entry) == "operational", within=30 * MINUTE)


async def test_a_failing_host_is_reported_as_usual(
    story: Story,
    fleet: OtherIntegration,
    ada: PolledVehicle,
    beside_entry: MockConfigEntry,
) -> None:
    entry = await set_up_and_learn(story, beside_entry)
    notices = ReceivedNotices(story.hass)
    story.simulator.set("eu.status", "503 down")
    took = await story.until(lambda: status_of(entry) == "outage", within=120)
    assert took < 90
    assert story.states()[KEY] == "keycard"
    assert "Take the keycard for Ada" in notices.only("take")["text"]


async def test_a_device_that_comes_back_is_followed_again(
    story: Story,
    fleet: OtherIntegration,
    ada: PolledVehicle,
    beside_entry: MockConfigEntry,
) -> None:
    entry = await set_up_and_learn(story, beside_entry)
    await remove_device(story, fleet)
    await story.go(MINUTE)
    assert source_status(entry)["found"] is False
    await reload(story, fleet)
    await story.go(2 * POLL)
    assert source_status(entry)["found"] is True
    assert source_status(entry)["active"] is True


async def test_diagnostics_name_no_car(
    story: Story, beside_entry: MockConfigEntry
) -> None:
    assert await async_setup_component(story.hass, "diagnostics", {})
    entry = await set_up_and_learn(story, beside_entry)
    diagnostics = await async_get_config_entry_diagnostics(story.hass, entry)
    (seen,) = diagnostics["cars"]["car_1"]["beside"]
    assert seen["integration"] == "tesla_fleet"
    assert seen["calls_tesla"] is True
    assert seen["found"] is True
    assert seen["measurements"] == 3
    assert seen["active"] is True
    assert ADA_VIN not in str(diagnostics)
    assert "Ada" not in str(diagnostics)
