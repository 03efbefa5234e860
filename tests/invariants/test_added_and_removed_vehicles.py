"""Vehicles are added and removed without a restart."""

import asyncio
from collections.abc import Callable
import json
from typing import Any

import pytest

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.const import DOMAIN
from custom_components.keycard.vehicle.commands import Command, command_call
from simulator.scenarios.scenario import CarSpec

from .home import LOCK, HomeUnderTest, assert_available, assert_no_errors, status_of

BO = CarSpec(name="Bo", model="modely", year=2022)


def device_names(hass: HomeAssistant, entry: MockConfigEntry) -> set[str | None]:
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return {device.name for device in devices}


def kept(storage: dict[str, Any], entry: MockConfigEntry) -> set[str]:
    return set(storage[f"keycard.{entry.entry_id}"]["data"]["cars"])


async def test_a_car_comes(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    hass_storage: dict[str, Any],
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.add_car(BO)
    await home.run(660)
    assert home.states()["lock.bo_lock"] == "locked"
    assert home.states()["sensor.bo_key_to_take"] == "usual"
    assert await home.perform("unlock", "lock.bo_lock") is None
    assert home.simulator.cars["Bo"].executed["door_unlock"] == 1
    # It exists after a restart in an outage, too.
    home.simulator.set("eu.api", "503 down")
    assert home.simulator.cars["Bo"].vin in kept(hass_storage, entry)
    await home.restart(entry)
    assert home.states()["lock.bo_lock"] == "unlocked"
    await home.run(180)
    assert home.states()["sensor.bo_key_to_take"] == "keycard"
    assert_no_errors(caplog)


async def test_a_car_is_removed_after_a_day_without_it(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    hass_storage: dict[str, Any],
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    assert "Cy" in device_names(home.hass, entry)
    home.simulator.remove_car("Cy")
    await home.skip(23 * 3600)
    assert "Cy" in device_names(home.hass, entry)
    await home.skip(3 * 3600)
    assert "Cy" not in device_names(home.hass, entry)
    assert "lock.cy_lock" not in home.states()
    assert home.hass.states.get("lock.cy_lock") is None
    assert status_of(entry) == "operational"
    assert home.states()[LOCK] == "locked"
    # It is not polled any more, and a restart does not add it.
    assert len(kept(hass_storage, entry)) == 1
    missing = home.simulator.usage.by_status.copy()
    await home.restart(entry)
    await home.run(1200)
    assert "Cy" not in device_names(home.hass, entry)
    new = home.simulator.usage.by_status - missing
    assert not [line for line in new if line.endswith(" 404")]
    assert_no_errors(caplog)


async def test_a_clock_set_forward_removes_no_car(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.set("eu.api", "empty")
    await home.run(700)
    home.clock.shift_wall_clock(2 * 24 * 3600)
    try:
        await home.run(2400)
        assert {"Ada", "Cy"} <= device_names(home.hass, entry)
        assert_available(home)
    finally:
        home.clock.shift_wall_clock(-2 * 24 * 3600)


async def test_a_poll_of_a_car_removed_meanwhile_is_ignored(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    data = entry.runtime_data
    car = next(car for car in data.vehicles.values() if car.vehicle.name == "Cy")
    home.simulator.set("eu.api@models", "timeout")
    await home.until(lambda: home.simulator.held > 0, 130)
    data.vehicle_manager.async_remove(car.vehicle.id)
    assert home.simulator.held > 0
    home.simulator.set("eu.api@models", "503 down")
    await home.run(120)
    assert status_of(entry) == "operational"
    assert car.vehicle.id not in data.detector.dump_state(0.0)["cars"]


async def test_a_command_to_a_car_removed_meanwhile_is_ignored(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    data = entry.runtime_data
    car = next(car for car in data.vehicles.values() if car.vehicle.name == "Cy")
    home.simulator.set("eu.commands", "slow:5")
    command = asyncio.create_task(car.async_execute(command_call(Command.LOCK)))
    await home.time_control.settle()
    assert home.simulator.held == 1
    data.vehicle_manager.async_remove(car.vehicle.id)
    await home.run(10)
    await command
    assert car.vehicle.id not in data.detector.dump_state(0.0)["cars"]


@pytest.mark.parametrize(
    "answer",
    [
        "empty",
        '200 {"response":[]}',
        '200 {"response":null}',
        '200 {"response":{"0":"car"}}',
        '200 {"response":[{"vin":12},{"vin":""},{"vin":["x"]},"car",null,{}]}',
        '200 {"count":2}',
        "200 [[[[",
        "portal",
    ],
)
async def test_odd_lists_of_products_take_no_car_away(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    answer: str,
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    before = set(home.states())
    home.simulator.set("eu.api", answer)
    await home.skip(3600)
    assert set(home.states()) == before
    assert device_names(home.hass, entry) >= {"Ada", "Cy"}
    assert_available(home)
    assert_no_errors(caplog)
    home.simulator.set("eu.api", "ok")
    await home.run(1300)
    assert status_of(entry) == "operational"
    assert home.states()[LOCK] == "locked"


async def test_products_that_are_no_cars_are_passed_over(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    products: list[dict[str, object]] = [
        {"energy_site_id": 7, "resource_type": "battery"},
        {"vin": None},
        {"vin": {"a": 1}},
        {"vin": ""},
        {"vin": "../../users/me"},
    ]
    for product in products:
        home.simulator.add_product(product)
    entry = await home.set_up_operational(compatible_entry)
    assert {car.vehicle.name for car in entry.runtime_data.vehicles.values()} == {
        "Ada",
        "Cy",
    }
    assert_no_errors(caplog)


def deep(depth: int) -> str:
    return '{"response":' + '{"a":' * depth + "1" + "}" * depth + "}"


@pytest.mark.parametrize(
    "body",
    [
        lambda: json.dumps({"response": {"state": "online", "a": "x" * (2 << 20)}}),
        lambda: deep(100_000),
        lambda: json.dumps({"response": {"state": 7, "charge_state": [1]}}),
        lambda: json.dumps(
            {
                "response": {
                    "state": "online",
                    "display_name": ["Ada"],
                    "vehicle_state": {"locked": "yes", "timestamp": "late"},
                    "climate_state": {"driver_temp_setting": True, "timestamp": 1e300},
                    "drive_state": {"latitude": "north", "longitude": None},
                    "charge_state": {"battery_level": 1e9},
                }
            }
        ),
        lambda: '{"response":{"state":"online","vehicle_state":{"locked":tr',
        lambda: '{"response":{"vin":"WRONG","state":"online"}}',
    ],
    ids=["huge", "deep", "state", "types", "cut", "other car"],
)
async def test_odd_data_are_not_believed(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    body: Callable[[], str],
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.set("eu.data", f"200 {body()}")
    await home.skip(1500)
    shown = home.states()[LOCK]
    assert shown in {"locked", "unknown"}
    assert status_of(entry) in {"operational", "degraded"}
    assert_available(home)
    assert_no_errors(caplog)
    home.simulator.set("eu.data", "ok")
    await home.run(1500)
    assert home.states()[LOCK] == "locked"
    assert status_of(entry) == "operational"


async def test_devices_that_are_there_cannot_be_removed(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    from custom_components.keycard import async_remove_config_entry_device

    entry = await home.set_up_operational(compatible_entry)
    registry = dr.async_get(home.hass)
    for device in dr.async_entries_for_config_entry(registry, entry.entry_id):
        assert not await async_remove_config_entry_device(home.hass, entry, device)
    old = registry.async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={(DOMAIN, "sold")}
    )
    assert await async_remove_config_entry_device(home.hass, entry, old)
