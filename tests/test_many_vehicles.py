"""A long vehicle list does not block the loop; one that is too long is refused."""

import asyncio
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er, issue_registry as ir
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from custom_components.keycard.flows.server_check import _check_products
from custom_components.keycard.runtime.vehicle_coordinator import VehicleCoordinator
from custom_components.keycard.runtime.vehicles import BATCH_SIZE
from custom_components.keycard.transport.http import HttpResult
from custom_components.keycard.transport.result import ApiCall
from custom_components.keycard.vehicle.product_list import MAX_VEHICLES

from .conftest import WATCHED_CARS, SetUp, until

COUNT = 16


def product_list(entry: MockConfigEntry, count: int) -> ApiCall:
    """Return a product list with this many additional vehicles."""
    vins = [*entry.runtime_data.vehicles, *(f"LRW3E7EK4NC{n:06}" for n in range(count))]
    body: dict[str, Any] = {"response": [{"vin": vin, "state": "x"} for vin in vins]}
    answer = HttpResult(sent_at=0.0, elapsed=0.1, status=200)
    return ApiCall(answer=answer, body=body)


async def test_vehicles_are_added_one_in_each_turn_of_the_loop(
    hass: HomeAssistant, account: MockConfigEntry
) -> None:
    manager = account.runtime_data.vehicle_manager
    before = len(manager.vehicles)
    manager.async_update_products(product_list(account, COUNT))
    counts = [len(manager.vehicles) - before]
    assert counts == [BATCH_SIZE]
    while counts[-1] < COUNT:
        await asyncio.sleep(0)
        counts.append(len(manager.vehicles) - before)
        assert counts[-1] - counts[-2] <= 1
    await hass.async_block_till_done()
    assert sum("key_to_take" in one for one in hass.states.async_entity_ids()) == (
        before + COUNT
    )

    # A platform that starts with all of them adds them in steps, too.
    got: list[list[VehicleCoordinator]] = []
    manager.async_add_new_vehicle_listener(got.append)
    assert [len(cars) for cars in got] == [BATCH_SIZE]
    steps = before + COUNT - BATCH_SIZE
    await until(hass, lambda: len(got) == 1 + steps)
    assert [len(cars) for cars in got[1:]] == [1] * steps


async def test_entities_that_are_added_later_are_not_removed(
    hass: HomeAssistant, watching_entry: MockConfigEntry, set_up: SetUp
) -> None:
    cars = {f"car_{n}": {**WATCHED_CARS["ada"], "name": f"Car {n}"} for n in range(16)}
    entry = MockConfigEntry(
        domain="keycard",
        unique_id=watching_entry.unique_id,
        data=dict(watching_entry.data),
        options={**watching_entry.options, "cars": cars},
    )
    await set_up(entry)
    await hass.async_block_till_done(wait_background_tasks=True)
    changes = async_capture_events(hass, er.EVENT_ENTITY_REGISTRY_UPDATED)
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert [one.data for one in changes if one.data["action"] == "remove"] == []
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    assert sum("key_to_take" in one.unique_id for one in entities) == len(cars)


async def test_a_list_above_the_limit_is_rejected(
    hass: HomeAssistant, account: MockConfigEntry
) -> None:
    data = account.runtime_data
    known = dict(data.vehicles)
    data.vehicle_manager.async_update_products(product_list(account, MAX_VEHICLES - 1))
    assert data.vehicles == known
    await data.host_poller.async_check()
    name = f"{account.entry_id}_too_many_vehicles"
    issue = ir.async_get(hass).async_get_issue("keycard", name)
    assert issue is not None
    assert (issue.translation_placeholders or {})["count"] == str(MAX_VEHICLES + 1)

    data.vehicle_manager.async_update_products(product_list(account, 0))
    data.host_poller._checked_at = float("-inf")
    await data.host_poller.async_check()
    assert ir.async_get(hass).async_get_issue("keycard", name) is None
    assert data.vehicles == known


async def test_a_list_that_is_too_long_is_refused_by_the_flow(
    account: MockConfigEntry,
) -> None:
    assert _check_products(product_list(account, MAX_VEHICLES - 2), "").error is None
    assert (
        _check_products(product_list(account, MAX_VEHICLES - 1), "").error
        == "too_many_vehicles"
    )
