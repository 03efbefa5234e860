"""A long vehicle list does not block the loop; one that is too long is refused."""

import asyncio
from itertools import groupby
from typing import Any
from unittest.mock import patch

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er, issue_registry as ir
from homeassistant.helpers.entity_platform import EntityPlatform
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from custom_components.keycard.flows.server_check import _check_products
from custom_components.keycard.transport.http import HttpResult
from custom_components.keycard.transport.result import ApiCall
from custom_components.keycard.vehicle.product_list import MAX_VEHICLES

from .conftest import WATCHED_CARS, SetUp

COUNT = 16


def product_list(entry: MockConfigEntry, count: int) -> ApiCall:
    """Return a product list with this many additional vehicles."""
    vins = [*entry.runtime_data.vehicles, *(f"LRW3E7EK4NC{n:06}" for n in range(count))]
    body: dict[str, Any] = {"response": [{"vin": vin, "state": "x"} for vin in vins]}
    answer = HttpResult(sent_at=0.0, elapsed=0.1, status=200)
    return ApiCall(answer=answer, body=body)


def with_vehicles(entry: MockConfigEntry, count: int) -> MockConfigEntry:
    """Return an entry like another one, with this many vehicles."""
    cars = {
        f"car_{n}": {**WATCHED_CARS["ada"], "name": f"Car {n}"} for n in range(count)
    }
    return MockConfigEntry(
        domain="keycard",
        unique_id=entry.unique_id,
        data=dict(entry.data),
        options={**entry.options, "cars": cars},
    )


async def test_vehicles_are_added_one_in_each_turn_of_the_loop(
    hass: HomeAssistant, account: MockConfigEntry
) -> None:
    manager = account.runtime_data.vehicle_manager
    before = len(manager.vehicles)
    added: list[tuple[int, str]] = []
    turn = 0
    add = EntityPlatform.async_add_entities

    async def adding(
        platform: EntityPlatform, new_entities: list[Any], *args: Any, **more: Any
    ) -> None:
        added.extend((turn, one.coordinator.vehicle.id) for one in new_entities)
        await add(platform, new_entities, *args, **more)

    with patch.object(EntityPlatform, "async_add_entities", adding):
        manager.async_update_products(product_list(account, COUNT))
        counts = [len(manager.vehicles) - before]
        assert counts == [0]
        while manager._steps_task is not None:
            await asyncio.sleep(0)
            turn += 1
            counts.append(len(manager.vehicles) - before)
            assert counts[-1] - counts[-2] <= 1
    assert counts[-1] == COUNT
    await hass.async_block_till_done()
    assert sum("key_to_take" in one for one in hass.states.async_entity_ids()) == (
        before + COUNT
    )
    # No two vehicles in one turn, and one after the other with all their entities.
    vins = dict.fromkeys(vin for _, vin in added)
    assert len(vins) == COUNT
    assert [vin for vin, _ in groupby(vin for _, vin in added)] == list(vins)
    assert len(dict(added)) == len(set(added)) > 2 * COUNT


async def test_an_entry_is_set_up_with_all_entities(
    hass: HomeAssistant, watching_entry: MockConfigEntry, set_up: SetUp
) -> None:
    entry = with_vehicles(watching_entry, COUNT)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    entities = hass.states.async_entity_ids()
    assert sum("key_to_take" in one for one in entities) == COUNT


async def test_unloading_stops_adding(
    hass: HomeAssistant, account: MockConfigEntry
) -> None:
    manager = account.runtime_data.vehicle_manager
    before = len(manager.vehicles)
    manager.async_update_products(product_list(account, COUNT))
    await asyncio.sleep(0)
    assert await hass.config_entries.async_unload(account.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert before <= len(manager.vehicles) <= before + 1


async def test_entities_that_are_added_later_are_not_removed(
    hass: HomeAssistant, watching_entry: MockConfigEntry, set_up: SetUp
) -> None:
    entry = with_vehicles(watching_entry, COUNT)
    await set_up(entry)
    await hass.async_block_till_done(wait_background_tasks=True)
    changes = async_capture_events(hass, er.EVENT_ENTITY_REGISTRY_UPDATED)
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert [one.data for one in changes if one.data["action"] == "remove"] == []
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    assert sum("key_to_take" in one.unique_id for one in entities) == COUNT


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
