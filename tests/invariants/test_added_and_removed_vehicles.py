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

from .story import LOCK, Story, assert_available, assert_no_errors, status_of

BO = CarSpec(name="Bo", model="modely", year=2022)


def device_names(hass: HomeAssistant, entry: MockConfigEntry) -> set[str | None]:
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return {device.name for device in devices}


def kept(storage: dict[str, Any], entry: MockConfigEntry) -> set[str]:
    return set(storage[f"keycard.{entry.entry_id}"]["data"]["cars"])


async def test_a_car_comes(
    story: Story,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    hass_storage: dict[str, Any],
) -> None:
    entry = await story.settled(compatible_entry)
    story.simulator.add_car(BO)
    await story.go(660)
    assert story.states()["lock.bo_lock"] == "locked"
    assert story.states()["sensor.bo_key_to_take"] == "usual"
    assert await story.act("unlock", "lock.bo_lock") is None
    assert story.simulator.cars["Bo"].executed["door_unlock"] == 1
    # It exists after a restart in an outage, too.
    story.simulator.set("eu.api", "503 down")
    assert story.simulator.cars["Bo"].vin in kept(hass_storage, entry)
    await story.restart(entry)
    assert story.states()["lock.bo_lock"] == "unlocked"
    await story.go(180)
    assert story.states()["sensor.bo_key_to_take"] == "keycard"
    assert_no_errors(caplog)


async def test_a_car_is_removed_after_a_day_without_it(
    story: Story,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    hass_storage: dict[str, Any],
) -> None:
    entry = await story.settled(compatible_entry)
    assert "Cy" in device_names(story.hass, entry)
    story.simulator.remove_car("Cy")
    await story.go(23 * 3600)
    assert "Cy" in device_names(story.hass, entry)
    await story.go(3 * 3600)
    assert "Cy" not in device_names(story.hass, entry)
    assert "lock.cy_lock" not in story.states()
    assert story.hass.states.get("lock.cy_lock") is None
    assert status_of(entry) == "operational"
    assert story.states()[LOCK] == "locked"
    # It is not polled any more, and a restart does not add it.
    assert len(kept(hass_storage, entry)) == 1
    missing = story.simulator.usage.by_status.copy()
    await story.restart(entry)
    await story.go(1200)
    assert "Cy" not in device_names(story.hass, entry)
    new = story.simulator.usage.by_status - missing
    assert not [line for line in new if line.endswith(" 404")]
    assert_no_errors(caplog)


async def test_a_poll_of_a_car_removed_meanwhile_is_ignored(
    story: Story, compatible_entry: MockConfigEntry
) -> None:
    entry = await story.settled(compatible_entry)
    data = entry.runtime_data
    car = next(car for car in data.vehicles.values() if car.vehicle.name == "Cy")
    story.simulator.set("eu.api@models", "timeout")
    await story.go(65)
    data.vehicle_manager.async_remove(car.vehicle.id)
    assert story.simulator.held > 0
    story.simulator.set("eu.api@models", "503 down")
    await story.go(120)
    assert status_of(entry) == "operational"
    assert car.vehicle.id not in data.detector.dump_state(0.0)["cars"]


async def test_a_command_to_a_car_removed_meanwhile_is_ignored(
    story: Story, compatible_entry: MockConfigEntry
) -> None:
    entry = await story.settled(compatible_entry)
    data = entry.runtime_data
    car = next(car for car in data.vehicles.values() if car.vehicle.name == "Cy")
    story.simulator.set("eu.commands", "slow:5")
    command = asyncio.create_task(car.async_execute(command_call(Command.LOCK)))
    await story.pace.settle()
    assert story.simulator.held == 1
    data.vehicle_manager.async_remove(car.vehicle.id)
    await story.go(10)
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
    story: Story,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    answer: str,
) -> None:
    entry = await story.settled(compatible_entry)
    before = set(story.states())
    story.simulator.set("eu.api", answer)
    await story.go(3600)
    assert set(story.states()) == before
    assert device_names(story.hass, entry) >= {"Ada", "Cy"}
    assert_available(story)
    assert_no_errors(caplog)
    story.simulator.set("eu.api", "ok")
    await story.go(1300)
    assert status_of(entry) == "operational"
    assert story.states()[LOCK] == "locked"


async def test_products_that_are_no_cars_are_passed_over(
    story: Story, compatible_entry: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    products: list[dict[str, object]] = [
        {"energy_site_id": 7, "resource_type": "battery"},
        {"vin": None},
        {"vin": {"a": 1}},
        {"vin": ""},
        {"vin": "../../users/me"},
    ]
    for product in products:
        story.simulator.add_product(product)
    entry = await story.settled(compatible_entry)
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
    story: Story,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    body: Callable[[], str],
) -> None:
    entry = await story.settled(compatible_entry)
    story.simulator.set("eu.data", f"200 {body()}")
    await story.go(1500)
    shown = story.states()[LOCK]
    assert shown in {"locked", "unknown"}
    assert status_of(entry) in {"operational", "degraded"}
    assert_available(story)
    assert_no_errors(caplog)
    story.simulator.set("eu.data", "ok")
    await story.go(1500)
    assert story.states()[LOCK] == "locked"
    assert status_of(entry) == "operational"


async def test_devices_that_are_there_cannot_be_removed(
    story: Story, compatible_entry: MockConfigEntry
) -> None:
    from custom_components.keycard import async_remove_config_entry_device

    entry = await story.settled(compatible_entry)
    registry = dr.async_get(story.hass)
    for device in dr.async_entries_for_config_entry(registry, entry.entry_id):
        assert not await async_remove_config_entry_device(story.hass, entry, device)
    old = registry.async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={(DOMAIN, "sold")}
    )
    assert await async_remove_config_entry_device(story.hass, entry, old)
