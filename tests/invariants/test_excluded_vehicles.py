"""Names of vehicles, and vehicles that are left out."""

from collections import Counter
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest

from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from custom_components.keycard.const import DOMAIN
from custom_components.keycard.transport.cloud import FleetClient
from custom_components.keycard.transport.result import ApiCall
from simulator.scenarios.scenario import CarSpec
from tests.flow_steps import open_options, submit_options

from .home import LOCK, HomeUnderTest, assert_no_errors

DOWN = {"eu.api": "503 down", "eu.status": "503 down"}
EVENT = "event.tesla_cloud_outage_notice"
CY_LOCK = "lock.cy_lock"


@pytest.fixture
def requests() -> Iterator[Counter[str]]:
    """Count the requests for each car."""
    counter: Counter[str] = Counter()
    data, summary = FleetClient.vehicle_data, FleetClient.vehicle

    async def vehicle_data(link: FleetClient, vin: str) -> ApiCall:
        counter[vin] += 1
        return await data(link, vin)

    async def vehicle(link: FleetClient, vin: str) -> ApiCall:
        counter[vin] += 1
        return await summary(link, vin)

    with (
        patch.object(FleetClient, "vehicle_data", vehicle_data),
        patch.object(FleetClient, "vehicle", vehicle),
    ):
        yield counter


def device_of(home: HomeUnderTest, entry: MockConfigEntry, name: str) -> dr.DeviceEntry:
    vin = home.simulator.cars[name].vin
    device = dr.async_get(home.hass).async_get_device_by_identifier(
        (DOMAIN, vin), entry.entry_id
    )
    assert device is not None
    return device


async def set_device(
    home: HomeUnderTest, device: dr.DeviceEntry, **changes: Any
) -> None:
    dr.async_get(home.hass).async_update_device(device.id, **changes)
    await home.run(35)


def kept(storage: dict[str, Any], entry: MockConfigEntry) -> set[str]:
    return set(storage[f"keycard.{entry.entry_id}"]["data"]["cars"])


def notices(hass: HomeAssistant) -> list[dict[str, Any]]:
    state = hass.states.get(EVENT)
    assert state is not None
    return [dict(state.attributes)]


async def test_a_disabled_device_is_left_alone_and_comes_back(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    requests: Counter[str],
    caplog: pytest.LogCaptureFixture,
    hass_storage: dict[str, Any],
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    cy = home.simulator.cars["Cy"]
    device = device_of(home, entry, "Cy")
    assert requests[cy.vin]
    before = {one for one in home.states() if ".cy_" in one}
    await set_device(home, device, disabled_by=dr.DeviceEntryDisabler.USER)
    requests.clear()
    await home.run(3000)
    assert requests[cy.vin] == 0
    assert requests[home.simulator.cars["Ada"].vin]
    # A restart changes nothing, and its state is kept.
    await home.restart(entry)
    await home.run(120)
    assert requests[cy.vin] == 0
    assert cy.vin in kept(hass_storage, entry)
    home.simulator.apply(DOWN)
    await home.run(300)
    (notice,) = notices(home.hass)
    assert notice["keys"] == {"Ada": "keycard"}
    assert "Cy" not in notice["text"]
    # It is added again in an outage, too.
    again = device_of(home, entry, "Cy")
    assert again.id == device.id
    await set_device(home, again, disabled_by=None)
    assert {one for one in home.states() if ".cy_" in one} == before
    assert home.states()["sensor.cy_battery"] != "unknown"
    assert home.states()["sensor.cy_key_to_take"] == "fob"
    home.simulator.apply(dict.fromkeys(DOWN, "ok"))
    await home.run(900)
    assert requests[cy.vin]
    assert home.states()[CY_LOCK] == "locked"
    assert_no_errors(caplog)


async def test_the_options_leave_a_car_out(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    requests: Counter[str],
    hass_storage: dict[str, Any],
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    hass, cy = home.hass, home.simulator.cars["Cy"]
    form = await open_options(hass, entry, "leave_out")
    await submit_options(hass, form, left_out=[cy.vin])
    await home.run(130)
    requests.clear()
    await home.run(1300)
    assert requests[cy.vin] == 0
    assert not [one for one in home.states() if ".cy_" in one]
    assert cy.vin in kept(hass_storage, entry)
    form = await open_options(hass, entry, "leave_out")
    await submit_options(hass, form, left_out=[])
    await home.run(130)
    assert home.states()[CY_LOCK] == "locked"
    assert requests[cy.vin]


async def test_a_car_that_is_left_out_leaves_the_account(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    device = device_of(home, entry, "Cy")
    await set_device(home, device, disabled_by=dr.DeviceEntryDisabler.USER)
    home.simulator.remove_car("Cy")
    await home.skip(26 * 3600)
    assert dr.async_get(home.hass).async_get(device.id) is None
    assert entry.runtime_data.vehicle_manager.left_out == {}


async def test_notices_use_the_users_own_name(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    await set_device(home, device_of(home, entry, "Ada"), name_by_user="Family car")
    home.simulator.apply(DOWN)
    await home.run(300)
    (notice,) = notices(home.hass)
    assert notice["keys"] == {"Family car": "keycard", "Cy": "fob"}
    assert "Ada" not in notice["text"]
    await home.restart(entry)
    error = await home.perform("lock")
    assert "Family car" in str(error)


async def test_cars_of_one_name_have_unique_labels(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    cars = home.simulator.cars
    first, second = cars["Ada"], cars["Cy"]
    home.simulator.add_car(CarSpec(name="Bo", model="model3", year=2023))
    third = cars["Bo"]
    for car in (first, second, third):
        car.name = "" if car is not second else "Cy"
    entry = await home.set_up_operational(compatible_entry)
    await home.run(700)
    names = {
        vin: coordinator.vehicle.title
        for vin, coordinator in entry.runtime_data.vehicles.items()
    }
    assert names == {
        first.vin: f"Model 3 ({first.vin[-6:]})",
        second.vin: "Cy",
        third.vin: f"Model 3 ({third.vin[-6:]})",
    }
    devices = dr.async_entries_for_config_entry(dr.async_get(home.hass), entry.entry_id)
    assert set(names.values()) <= {device.name for device in devices}
    home.simulator.apply(DOWN)
    await home.run(300)
    (notice,) = notices(home.hass)
    assert set(notice["keys"]) == set(names.values())


async def test_a_device_follows_the_name_and_the_software(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    ada = home.simulator.cars["Ada"]
    device = device_of(home, entry, "Ada")
    entity = er.async_get(home.hass).async_get(LOCK)
    changes = async_capture_events(home.hass, EVENT_STATE_CHANGED)
    ada.name = "Lovelace 👩‍🔬"
    ada.software_version = "2026.44.1"
    await home.run(1500)
    after = device_of(home, entry, "Ada")
    assert (after.id, after.name) == (device.id, "Lovelace 👩‍🔬")
    assert after.sw_version == "2026.44.1"
    assert er.async_get(home.hass).async_get(LOCK) == entity
    assert LOCK in home.states()
    assert not [one for one in changes if one.data["new_state"] is None]
    assert entry.runtime_data.vehicles[ada.vin].vehicle.title == "Lovelace 👩‍🔬"
