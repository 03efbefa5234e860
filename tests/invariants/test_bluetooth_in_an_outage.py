"""Bluetooth during an outage: data, commands and restarts."""

from typing import Any

import pytest

from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
)
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_mock_service,
)

from custom_components.keycard.const import DOMAIN
from harness.bluetooth_proxy import async_add_proxy
from simulator.bluetooth import LinkConditions
from simulator.protocol import Confirmation, Role
from tests.conftest import car_of

from .paired_vehicle import NearVehicle, with_paired_vehicle
from .story import LOCK, Story, assert_explained, status_of

CONNECTION = "sensor.ada_connection"
CLIMATE = "climate.ada_climate"
WAKE = "button.ada_wake"
SOURCE = "sensor.ada_data_source"
LINK = "binary_sensor.ada_bluetooth_link"
DOWN = dict.fromkeys(("all.status", "all.api"), "timeout")


@pytest.fixture
def near(near_without_latency: NearVehicle) -> NearVehicle:
    return near_without_latency


@pytest.fixture
async def entry(
    story: Story, compatible_entry: MockConfigEntry, near: NearVehicle
) -> MockConfigEntry:
    """Set up an account with a paired car in range."""
    return await story.settled(with_paired_vehicle(compatible_entry, near.car))


async def fail_cloud(story: Story, entry: MockConfigEntry) -> None:
    """Fail the cloud until an outage is confirmed."""
    story.simulator.apply(DOWN)
    await story.until(lambda: status_of(entry) == "outage", 120)


def open_connections(story: Story) -> float:
    """Return the number of connections between car and home."""
    return story.simulator.bluetooth.statistics(story.simulator.cars["Ada"]).open


# Order of transports


async def test_a_car_opens_in_an_outage(
    story: Story, entry: MockConfigEntry, near: NearVehicle
) -> None:
    assert story.states()[CONNECTION] == "both"
    await fail_cloud(story, entry)
    assert story.states()[CONNECTION] == "bluetooth"
    state = story.hass.states.get(CONNECTION)
    assert state is not None
    assert (state.attributes["reachable"], state.attributes["cloud"]) == (
        True,
        "maker_down",
    )
    began = story.clock.monotonic()
    assert await story.act("unlock") is None
    # No command waited for the cloud.
    assert story.clock.monotonic() - began < 1
    assert story.states()[LOCK] == "unlocked"
    assert not near.car.locked
    assert near.car.executed["door_unlock"] == 1
    assert story.simulator.usage.count("door_unlock") == 0
    assert open_connections(story) == 0


@pytest.mark.parametrize("confirmation", Confirmation)
async def test_cars_confirm_in_more_than_one_form(
    story: Story, entry: MockConfigEntry, near: NearVehicle, confirmation: Confirmation
) -> None:
    near.simulator.computers["Ada"].confirmation = confirmation
    for action, command in (("unlock", "door_unlock"), ("lock", "door_lock")):
        assert await story.act(action) is None
        assert story.states()[LOCK] == f"{action}ed"
        assert near.car.executed[command] == 1


@pytest.mark.parametrize(
    ("link", "calls"), [("cheapest", 0), ("cloud", 1)], ids=["cheapest", "cloud"]
)
async def test_the_user_chooses_the_link_where_both_serve(
    story: Story,
    compatible_entry: MockConfigEntry,
    near: NearVehicle,
    link: str,
    calls: int,
) -> None:
    entry = with_paired_vehicle(compatible_entry, near.car)
    entry.add_to_hass(story.hass)
    story.hass.config_entries.async_update_entry(
        entry, options={**entry.options, "link": link}
    )
    await story.settled(entry)
    assert await story.act("unlock") is None
    assert near.car.executed["door_unlock"] == 1
    assert story.simulator.usage.count("door_unlock") == calls


async def test_the_cloud_serves_where_bluetooth_surely_brought_nothing(
    story: Story, entry: MockConfigEntry, near: NearVehicle
) -> None:
    near.simulator.bluetooth.set_link_conditions(LinkConditions(refuse=1.0))
    assert await story.act("unlock") is None
    assert near.car.executed["door_unlock"] == 1
    assert story.simulator.usage.count("door_unlock") == 1


async def test_nothing_reaches_a_car_that_is_away_in_an_outage(
    story: Story, entry: MockConfigEntry, near: NearVehicle
) -> None:
    await fail_cloud(story, entry)
    near.simulator.set("car.Ada", "gone")
    error = await story.act("lock")
    assert error is not None
    assert error.translation_key in {"nothing_reaches", "command_unconfirmed"}
    assert_explained(error)
    assert near.car.executed["door_lock"] == 0


@pytest.mark.parametrize(
    ("weather", "slots", "key"),
    [
        (LinkConditions(refuse=1.0), 3, "bluetooth_no_connection"),
        (LinkConditions(lose_to_car=1.0), 3, "bluetooth_no_answer"),
        (LinkConditions(), 0, "bluetooth_no_slot"),
    ],
    ids=["refused", "silent", "no slot"],
)
async def test_errors_name_the_bluetooth_problem(
    story: Story,
    near: NearVehicle,
    watching_entry: MockConfigEntry,
    *,
    weather: LinkConditions,
    slots: int,
    key: str,
) -> None:
    """A car without an account has no other transport."""
    near.simulator.bluetooth.set_link_conditions(weather)
    near.proxy.slots = slots
    entry = await story.settled(with_paired_vehicle(watching_entry, near.car))
    error = await story.act("unlock", lock_of(story, entry))
    assert error is not None
    assert error.translation_key == key
    assert_explained(error)
    assert near.car.executed["door_unlock"] == 0


def lock_of(story: Story, entry: MockConfigEntry) -> str:
    """Return the lock of a car without an account."""
    locks = [
        one.entity_id
        for one in er.async_entries_for_config_entry(
            er.async_get(story.hass), entry.entry_id
        )
        if one.domain == "lock" and one.unique_id.endswith("_lock")
    ]
    assert len(locks) == 1
    return locks[0]


async def test_without_an_adapter(
    story: Story, near: NearVehicle, watching_entry: MockConfigEntry
) -> None:
    entry = await story.settled(with_paired_vehicle(watching_entry, near.car))
    near.proxy.remove()
    error = await story.act("unlock", lock_of(story, entry))
    assert error is not None
    assert error.translation_key in {"bluetooth_no_adapter", "bluetooth_out_of_range"}
    assert_explained(error)


async def test_a_car_that_has_forgotten_the_key_is_asked_no_more(
    story: Story, near: NearVehicle, watching_entry: MockConfigEntry
) -> None:
    entry = await story.settled(with_paired_vehicle(watching_entry, near.car))
    whitelist = near.simulator.computers["Ada"].whitelist
    whitelist.remove(whitelist.entries[0].point)
    near.simulator.computers["Ada"].restart()
    for _ in range(2):
        error = await story.act("unlock", lock_of(story, entry))
        assert error is not None
        assert error.translation_key == "bluetooth_key_not_paired"
        assert_explained(error)
    assert near.car.executed["door_unlock"] == 0


async def test_a_key_without_privileges_leaves_commands_to_the_cloud(
    story: Story, compatible_entry: MockConfigEntry, near: NearVehicle
) -> None:
    key = near.simulator.computers["Ada"].whitelist.entries[0].point
    near.simulator.pair("Ada", key, Role.VEHICLE_MONITOR)
    await story.settled(with_paired_vehicle(compatible_entry, near.car))
    assert await story.act("unlock") is None
    assert near.car.executed["door_unlock"] == 1
    assert story.simulator.usage.count("door_unlock") == 1


# Restart in an outage


async def test_after_a_restart_in_an_outage_the_lock_works_at_once(
    story: Story, entry: MockConfigEntry, near: NearVehicle
) -> None:
    await fail_cloud(story, entry)
    assert await story.hass.config_entries.async_unload(entry.entry_id)
    near.proxy.remove()
    await story.go(60)
    began = story.clock.monotonic()
    proxy = async_add_proxy(story.hass, story.simulator.bluetooth)
    await story.set_up(entry)
    assert await story.act("unlock") is None
    assert story.clock.monotonic() - began < 15
    assert near.car.executed["door_unlock"] == 1
    assert story.simulator.usage.count("door_unlock") == 0
    proxy.remove()


# Sleep


async def test_a_command_wakes_a_car_that_sleeps(
    story: Story, entry: MockConfigEntry, near: NearVehicle
) -> None:
    await fail_cloud(story, entry)
    near.car.set_connectivity("asleep")
    assert await story.act("turn_on", CLIMATE) is None
    assert near.car.climate_on
    assert near.car.executed["auto_conditioning_start"] == 1
    assert near.car.executed["wake_up"] == 1
    assert near.car.connectivity == "online"
    # Locks need no wake.
    near.car.set_connectivity("asleep")
    assert await story.act("unlock") is None
    assert near.car.executed["wake_up"] == 1


async def test_wake(story: Story, entry: MockConfigEntry, near: NearVehicle) -> None:
    await fail_cloud(story, entry)
    near.car.set_connectivity("asleep")
    assert await story.act("press", WAKE) is None
    assert near.car.executed["wake_up"] == 1


# The state


async def test_entities_live_on_in_an_outage(
    story: Story, entry: MockConfigEntry, near: NearVehicle
) -> None:
    # Both sources are read at the start; the cloud continues.
    await story.until(lambda: story.states()[SOURCE] == "cloud", 1500)
    assert story.states()[LINK] == "on"
    await fail_cloud(story, entry)
    near.car.locked = False
    near.car.climate_on = True
    await story.until(lambda: story.states()[LOCK] == "unlocked", 300)
    assert story.states()[SOURCE] == "bluetooth"
    await story.until(lambda: story.states()[CLIMATE] != "off", 1500)
    # The other car has no source; this one is read over Bluetooth.
    await story.go(3600)
    assert story.states()["lock.cy_lock"] == "unknown"
    assert story.states()[LOCK] == "unlocked"
    assert open_connections(story) == 0


async def test_polling_over_bluetooth_neither_wakes_a_car_nor_keeps_it_awake(
    story: Story, entry: MockConfigEntry, near: NearVehicle
) -> None:
    await fail_cloud(story, entry)
    near.car.set_connectivity("asleep")
    await story.go(3600)
    assert near.car.connectivity == "asleep"
    assert near.car.executed["wake_up"] == 0
    assert story.states()[LOCK] == "locked"
    tally = story.simulator.bluetooth.statistics(near.car)
    # Every two minutes, for a moment each.
    assert tally.connections <= 40
    assert tally.longest < 5


async def test_bluetooth_is_not_polled_while_the_cloud_has_data(
    story: Story, entry: MockConfigEntry, near: NearVehicle
) -> None:
    before = story.simulator.bluetooth.statistics(near.car).connections
    await story.go(3600)
    assert story.simulator.bluetooth.statistics(near.car).connections == before


async def test_a_car_that_takes_no_connection_is_asked_ever_more_rarely(
    story: Story, entry: MockConfigEntry, near: NearVehicle
) -> None:
    await fail_cloud(story, entry)
    near.simulator.bluetooth.phones[near.car.vin] = 3
    await story.go(600)
    before = story.simulator.bluetooth.statistics(near.car).connections
    await story.go(4 * 3600)
    assert story.simulator.bluetooth.statistics(near.car).connections == before
    near.simulator.bluetooth.phones[near.car.vin] = 0
    await story.until(
        lambda: story.simulator.bluetooth.statistics(near.car).connections > before,
        3600,
    )


async def test_older_cloud_data_do_not_replace_bluetooth_data(
    story: Story, entry: MockConfigEntry, near: NearVehicle
) -> None:
    near.simulator.set("eu.data", "stale")
    assert await story.act("unlock") is None
    car_of(entry, "Ada")
    await story.go(1500)
    assert story.states()[LOCK] == "unlocked"


async def test_a_broadcast_makes_keycard_ask(
    story: Story, entry: MockConfigEntry, near: NearVehicle
) -> None:
    """Invariant "proven over Bluetooth": a broadcast alone changes no state."""
    local = car_of(entry, "Ada").bluetooth
    assert local is not None
    async with local.client.connection() as trouble:
        assert trouble is None
        await local.client.vehicle.connect_if_needed()
        near.car.locked = False
        story.simulator.bluetooth.broadcast(near.car)
        await story.go(1)
        assert story.states()[LOCK] == "locked"
    before = story.simulator.bluetooth.statistics(near.car).connections
    await story.until(lambda: story.states()[LOCK] == "unlocked", 5)
    assert story.simulator.bluetooth.statistics(near.car).connections == before + 1
    assert open_connections(story) == 0


async def test_a_user_asks_for_the_state(
    story: Story, entry: MockConfigEntry, near: NearVehicle
) -> None:
    """Without an outage, Bluetooth is only polled on request."""
    assert await async_setup_component(story.hass, "homeassistant", {})
    calls = story.simulator.usage.count("vehicle_data")
    near.simulator.set("eu.data", "503 upstream")
    near.car.climate_on = True
    await story.drive(
        story.hass.services.async_call(
            "homeassistant", "update_entity", {"entity_id": CLIMATE}, blocking=True
        )
    )
    await story.until(lambda: story.states()[CLIMATE] != "off", 30)
    assert story.simulator.usage.count("vehicle_data") <= calls + 2
    assert story.states()[SOURCE] == "bluetooth"


# Adapters


async def test_another_adapter_serves_when_one_is_gone(
    story: Story, entry: MockConfigEntry, near: NearVehicle
) -> None:
    await fail_cloud(story, entry)
    other = async_add_proxy(
        story.hass, story.simulator.bluetooth, source="AA:BB:CC:00:00:02"
    )
    near.proxy.remove()
    assert await story.act("unlock") is None
    assert near.car.executed["door_unlock"] == 1
    other.remove()


@pytest.mark.parametrize("moment", [0.0, 0.005, 0.02, 0.06])
async def test_an_adapter_that_vanishes_in_the_middle(
    story: Story, entry: MockConfigEntry, near: NearVehicle, moment: float
) -> None:
    """Another adapter reads the result; nothing is executed twice."""
    await fail_cloud(story, entry)
    other = async_add_proxy(
        story.hass, story.simulator.bluetooth, source="AA:BB:CC:00:00:02"
    )
    near.simulator.bluetooth.set_link_conditions(
        LinkConditions(latency=0.01, connect=0.01)
    )
    story.hass.loop.call_later(moment, near.proxy.remove)
    error = await story.act("unlock")
    assert near.car.executed["door_unlock"] == 1
    assert not near.car.locked
    assert error is None
    other.remove()


# Automations


def reachable_by(link: str) -> dict[str, Any]:
    """Return a condition of the automation editor."""
    return {
        "condition": "keycard.is_car_reachable",
        "target": {"entity_id": CONNECTION},
        "options": {"link": link},
    }


async def test_an_automation_hears_that_bluetooth_is_the_only_way_in(
    story: Story, entry: MockConfigEntry, near: NearVehicle
) -> None:
    ran = async_mock_service(story.hass, "test", "ran")
    automation = {
        "triggers": [
            {
                "trigger": "keycard.bluetooth_became_only_way",
                "target": {"entity_id": CONNECTION},
            }
        ],
        "conditions": [
            reachable_by("any"),
            reachable_by("bluetooth"),
            {"condition": "not", "conditions": [reachable_by("cloud")]},
        ],
        "actions": [{"action": "test.ran"}],
    }
    assert await async_setup_component(
        story.hass, "automation", {"automation": automation}
    )
    await story.go(60)
    assert ran == []
    await fail_cloud(story, entry)
    assert len(ran) == 1
    # Changes in between do not matter.
    near.simulator.apply({"car.Ada": "gone", **dict.fromkeys(DOWN, "ok")})
    await story.until(lambda: status_of(entry) == "operational", 900)
    assert len(ran) == 1


# Range and removal


async def test_a_key_that_is_removed_takes_nothing_of_the_car_along(
    story: Story, entry: MockConfigEntry, near: NearVehicle
) -> None:
    """The device belongs to the entry; removing a subentry would remove its devices."""
    devices, entities = dr.async_get(story.hass), er.async_get(story.hass)
    area = ar.async_get(story.hass).async_create("Garage")
    found = devices.async_get_device_by_identifier(
        (DOMAIN, near.car.vin), entry.entry_id
    )
    assert found is not None
    devices.async_update_device(found.id, area_id=area.id, name_by_user="Family car")
    entities.async_update_entity(LOCK, new_entity_id="lock.family", name="The lock")
    await story.go(5)

    def kept() -> set[tuple[str, str, str | None, str | None]]:
        return {
            (one.entity_id, one.unique_id, one.name, one.config_subentry_id)
            for one in er.async_entries_for_device(
                entities, found.id, include_disabled_entities=True
            )
        }

    before = kept()
    (subentry_id,) = entry.subentries
    assert story.hass.config_entries.async_remove_subentry(entry, subentry_id)
    await story.go(10)
    after = devices.async_get(found.id)
    assert after is not None
    assert (after.area_id, after.name_by_user) == (area.id, "Family car")
    assert after.identifiers == found.identifiers
    gone = before - kept()
    assert kept() <= before
    assert {unique_id.partition("_")[2] for _, unique_id, _, _ in gone} == {
        "bluetooth_heard",
        "bluetooth_link",
        "bluetooth_signal",
        "data_source",
    }
    assert story.states()["lock.family"] == "locked"


async def test_a_car_that_comes_and_goes_is_logged_once(
    story: Story,
    entry: MockConfigEntry,
    near: NearVehicle,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Times of advertisements use the movable clock, too.
    for name in (
        "custom_components.keycard.bluetooth.scanner.MONOTONIC_TIME",
        "harness.bluetooth_proxy.monotonic_time_coarse",
    ):
        monkeypatch.setattr(name, story.clock.monotonic)
    await story.go(120)
    caplog.set_level("INFO", "custom_components.keycard")
    for times in (1, 2):
        story.simulator.set("car.Ada", "gone")
        await story.go(600)
        assert caplog.text.count("A vehicle is out of range of Bluetooth") == times
        assert caplog.text.count("A vehicle is in range of Bluetooth") == times - 1
        story.simulator.set("car.Ada", "near")
        await story.go(600)
        assert caplog.text.count("A vehicle is out of range of Bluetooth") == times
        assert caplog.text.count("A vehicle is in range of Bluetooth") == times


async def test_bluetooth_entities_are_removed_with_the_key(
    story: Story, entry: MockConfigEntry, near: NearVehicle
) -> None:
    assert LINK in story.states()
    (subentry_id,) = entry.subentries
    assert story.hass.config_entries.async_remove_subentry(entry, subentry_id)
    await story.go(10)
    assert er.async_get(story.hass).async_get(LINK) is None
    assert story.states()[CONNECTION] == "cloud"
    assert await story.act("unlock") is None
    assert story.simulator.usage.count("door_unlock") == 1
