"""Device trackers of a vehicle."""

from dataclasses import replace

import pytest

from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from .conftest import car_of, show_state, state_of

TRACKER = "device_tracker.ada_location"


async def test_place(hass: HomeAssistant, account: MockConfigEntry) -> None:
    car = car_of(account, "Ada")
    show_state(car, latitude=1.5, longitude=2.5, heading=90)
    tracker = state_of(hass, TRACKER)
    assert tracker.state == "not_home"
    assert tracker.attributes["latitude"] == 1.5
    assert tracker.attributes["longitude"] == 2.5
    assert tracker.attributes["heading"] == 90

    show_state(car, latitude=hass.config.latitude, longitude=hass.config.longitude)
    assert state_of(hass, TRACKER).state == "home"


async def test_a_place_is_no_detail(
    account: MockConfigEntry, entity_registry: er.EntityRegistry
) -> None:
    assert car_of(account, "Ada").data.is_current
    entry = entity_registry.async_get(TRACKER)
    assert entry is not None
    assert entry.entity_category is None


@pytest.mark.usefixtures("every_entity")
async def test_destination(hass: HomeAssistant, account: MockConfigEntry) -> None:
    tracker = "device_tracker.ada_destination_location"
    assert state_of(hass, tracker).state == "unknown"
    show_state(
        car_of(account, "Ada"),
        route_destination="Home",
        route_latitude=hass.config.latitude,
        route_longitude=hass.config.longitude,
    )
    assert state_of(hass, tracker).state == "home"
    assert state_of(hass, tracker).attributes["destination"] == "Home"


@pytest.mark.usefixtures("every_entity")
async def test_an_old_place_is_the_last_one_and_no_destination(
    hass: HomeAssistant, account: MockConfigEntry
) -> None:
    car = car_of(account, "Ada")
    show_state(
        car,
        latitude=1.5,
        longitude=2.5,
        heading=90,
        route_destination="Home",
        route_latitude=1.0,
        route_longitude=2.0,
    )
    car.async_set_updated_data(replace(car.data, is_current=False))
    tracker = state_of(hass, TRACKER)
    assert tracker.state == "not_home"
    assert (tracker.attributes["latitude"], tracker.attributes["heading"]) == (1.5, 90)
    assert state_of(hass, "device_tracker.ada_destination_location").state == "unknown"


async def test_an_unchanged_place_is_not_written(
    hass: HomeAssistant, account: MockConfigEntry
) -> None:
    car = car_of(account, "Ada")
    changes = async_capture_events(hass, EVENT_STATE_CHANGED)
    car.async_set_updated_data(replace(car.data))
    await hass.async_block_till_done()
    assert changes == []
