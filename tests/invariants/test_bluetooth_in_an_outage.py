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

from .home import LOCK, HomeUnderTest, assert_explained, status_of
from .paired_vehicle import NearVehicle, with_paired_vehicle

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
    home: HomeUnderTest, compatible_entry: MockConfigEntry, near: NearVehicle
) -> MockConfigEntry:
    """Set up an account with a paired car in range."""
    return await home.set_up_operational(
        with_paired_vehicle(compatible_entry, near.car)
    )


async def fail_cloud(home: HomeUnderTest, entry: MockConfigEntry) -> None:
    """Fail the cloud until an outage is confirmed."""
    home.simulator.apply(DOWN)
    await home.until(lambda: status_of(entry) == "outage", 120)


def open_connections(home: HomeUnderTest) -> float:
    """Return the number of connections between car and home."""
    return home.simulator.bluetooth.statistics(home.simulator.cars["Ada"]).open


# Order of transports


async def test_a_car_opens_in_an_outage(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle
) -> None:
    assert home.states()[CONNECTION] == "both"
    await fail_cloud(home, entry)
    assert home.states()[CONNECTION] == "bluetooth"
    state = home.hass.states.get(CONNECTION)
    assert state is not None
    assert (state.attributes["reachable"], state.attributes["cloud"]) == (
        True,
        "maker_down",
    )
    began = home.clock.monotonic()
    assert await home.perform("unlock") is None
    # No command waited for the cloud.
    assert home.clock.monotonic() - began < 1
    assert home.states()[LOCK] == "unlocked"
    assert not near.car.locked
    assert near.car.executed["door_unlock"] == 1
    assert home.simulator.usage.count("door_unlock") == 0
    assert open_connections(home) == 0


@pytest.mark.parametrize("confirmation", Confirmation)
async def test_cars_confirm_in_more_than_one_form(
    home: HomeUnderTest,
    entry: MockConfigEntry,
    near: NearVehicle,
    confirmation: Confirmation,
) -> None:
    near.simulator.computers["Ada"].confirmation = confirmation
    for action, command in (("unlock", "door_unlock"), ("lock", "door_lock")):
        assert await home.perform(action) is None
        assert home.states()[LOCK] == f"{action}ed"
        assert near.car.executed[command] == 1


@pytest.mark.parametrize(
    ("link", "calls"), [("cheapest", 0), ("cloud", 1)], ids=["cheapest", "cloud"]
)
async def test_the_user_chooses_the_link_where_both_serve(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    near: NearVehicle,
    link: str,
    calls: int,
) -> None:
    entry = with_paired_vehicle(compatible_entry, near.car)
    entry.add_to_hass(home.hass)
    home.hass.config_entries.async_update_entry(
        entry, options={**entry.options, "link": link}
    )
    await home.set_up_operational(entry)
    assert await home.perform("unlock") is None
    assert near.car.executed["door_unlock"] == 1
    assert home.simulator.usage.count("door_unlock") == calls


async def test_the_cloud_takes_commands_that_bluetooth_surely_did_not_deliver(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle
) -> None:
    near.simulator.bluetooth.set_link_conditions(LinkConditions(refuse=1.0))
    assert await home.perform("unlock") is None
    assert near.car.executed["door_unlock"] == 1
    assert home.simulator.usage.count("door_unlock") == 1


async def test_nothing_reaches_a_car_that_is_away_in_an_outage(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle
) -> None:
    await fail_cloud(home, entry)
    near.simulator.set("car.Ada", "gone")
    error = await home.perform("lock")
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
    home: HomeUnderTest,
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
    entry = await home.set_up_operational(with_paired_vehicle(watching_entry, near.car))
    error = await home.perform("unlock", lock_of(home, entry))
    assert error is not None
    assert error.translation_key == key
    assert_explained(error)
    assert near.car.executed["door_unlock"] == 0


def lock_of(home: HomeUnderTest, entry: MockConfigEntry) -> str:
    """Return the lock of a car without an account."""
    locks = [
        one.entity_id
        for one in er.async_entries_for_config_entry(
            er.async_get(home.hass), entry.entry_id
        )
        if one.domain == "lock" and one.unique_id.endswith("_lock")
    ]
    assert len(locks) == 1
    return locks[0]


async def test_without_an_adapter(
    home: HomeUnderTest, near: NearVehicle, watching_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(with_paired_vehicle(watching_entry, near.car))
    near.proxy.remove()
    error = await home.perform("unlock", lock_of(home, entry))
    assert error is not None
    assert error.translation_key in {"bluetooth_no_adapter", "bluetooth_out_of_range"}
    assert_explained(error)


async def test_a_car_without_the_key_is_polled_no_more(
    home: HomeUnderTest, near: NearVehicle, watching_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(with_paired_vehicle(watching_entry, near.car))
    whitelist = near.simulator.computers["Ada"].whitelist
    whitelist.remove(whitelist.entries[0].point)
    near.simulator.computers["Ada"].restart()
    for _ in range(2):
        error = await home.perform("unlock", lock_of(home, entry))
        assert error is not None
        assert error.translation_key == "bluetooth_key_not_paired"
        assert_explained(error)
    assert near.car.executed["door_unlock"] == 0


async def test_a_key_without_privileges_leaves_commands_to_the_cloud(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, near: NearVehicle
) -> None:
    key = near.simulator.computers["Ada"].whitelist.entries[0].point
    near.simulator.pair("Ada", key, Role.VEHICLE_MONITOR)
    await home.set_up_operational(with_paired_vehicle(compatible_entry, near.car))
    assert await home.perform("unlock") is None
    assert near.car.executed["door_unlock"] == 1
    assert home.simulator.usage.count("door_unlock") == 1


# Restart in an outage


async def test_after_a_restart_in_an_outage_the_lock_works_at_once(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle
) -> None:
    await fail_cloud(home, entry)
    assert await home.hass.config_entries.async_unload(entry.entry_id)
    near.proxy.remove()
    await home.run(60)
    began = home.clock.monotonic()
    proxy = async_add_proxy(home.hass, home.simulator.bluetooth)
    await home.set_up(entry)
    assert await home.perform("unlock") is None
    assert home.clock.monotonic() - began < 15
    assert near.car.executed["door_unlock"] == 1
    assert home.simulator.usage.count("door_unlock") == 0
    proxy.remove()


# Sleep


async def test_a_command_wakes_a_car_that_sleeps(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle
) -> None:
    await fail_cloud(home, entry)
    near.car.set_connectivity("asleep")
    assert await home.perform("turn_on", CLIMATE) is None
    assert near.car.climate_on
    assert near.car.executed["auto_conditioning_start"] == 1
    assert near.car.executed["wake_up"] == 1
    assert near.car.connectivity == "online"
    # Locks need no wake.
    near.car.set_connectivity("asleep")
    assert await home.perform("unlock") is None
    assert near.car.executed["wake_up"] == 1


async def test_wake(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle
) -> None:
    await fail_cloud(home, entry)
    near.car.set_connectivity("asleep")
    assert await home.perform("press", WAKE) is None
    assert near.car.executed["wake_up"] == 1


# The state


async def test_entities_live_on_in_an_outage(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle
) -> None:
    # Both sources are read at the start; the cloud continues.
    await home.until(lambda: home.states()[SOURCE] == "cloud", 1500)
    assert home.states()[LINK] == "on"
    await fail_cloud(home, entry)
    near.car.locked = False
    near.car.climate_on = True
    await home.until(lambda: home.states()[LOCK] == "unlocked", 300)
    assert home.states()[SOURCE] == "bluetooth"
    await home.until(lambda: home.states()[CLIMATE] != "off", 1500)
    # The other car has no source; this one is read over Bluetooth.
    await home.run(3600)
    assert home.states()["lock.cy_lock"] == "unknown"
    assert home.states()[LOCK] == "unlocked"
    assert open_connections(home) == 0


async def test_polling_over_bluetooth_neither_wakes_a_car_nor_keeps_it_awake(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle
) -> None:
    await fail_cloud(home, entry)
    near.car.set_connectivity("asleep")
    await home.run(3600)
    assert near.car.connectivity == "asleep"
    assert near.car.executed["wake_up"] == 0
    assert home.states()[LOCK] == "locked"
    tally = home.simulator.bluetooth.statistics(near.car)
    # Every two minutes, for a moment each.
    assert tally.connections <= 40
    assert tally.longest < 5


async def test_bluetooth_is_not_polled_while_the_cloud_has_data(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle
) -> None:
    before = home.simulator.bluetooth.statistics(near.car).connections
    await home.run(3600)
    assert home.simulator.bluetooth.statistics(near.car).connections == before


async def test_a_car_that_refuses_connections_is_polled_ever_more_rarely(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle
) -> None:
    await fail_cloud(home, entry)
    near.simulator.bluetooth.phones[near.car.vin] = 3
    await home.run(600)
    before = home.simulator.bluetooth.statistics(near.car).connections
    await home.skip(4 * 3600)
    assert home.simulator.bluetooth.statistics(near.car).connections == before
    near.simulator.bluetooth.phones[near.car.vin] = 0
    await home.until(
        lambda: home.simulator.bluetooth.statistics(near.car).connections > before,
        3600,
    )


async def test_older_cloud_data_do_not_replace_bluetooth_data(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle
) -> None:
    near.simulator.set("eu.data", "stale")
    assert await home.perform("unlock") is None
    car_of(entry, "Ada")
    await home.run(1500)
    assert home.states()[LOCK] == "unlocked"


async def test_a_broadcast_makes_keycard_ask(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle
) -> None:
    """Invariant "proven over Bluetooth": a broadcast alone changes no state."""
    local = car_of(entry, "Ada").bluetooth
    assert local is not None
    async with local.client.connection() as trouble:
        assert trouble is None
        await local.client.vehicle.connect_if_needed()
        near.car.locked = False
        home.simulator.bluetooth.broadcast(near.car)
        await home.run(1)
        assert home.states()[LOCK] == "locked"
    before = home.simulator.bluetooth.statistics(near.car).connections
    await home.until(lambda: home.states()[LOCK] == "unlocked", 5)
    assert home.simulator.bluetooth.statistics(near.car).connections == before + 1
    assert open_connections(home) == 0


async def test_a_user_asks_for_the_state(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle
) -> None:
    """Without an outage, Bluetooth is only polled on request."""
    assert await async_setup_component(home.hass, "homeassistant", {})
    calls = home.simulator.usage.count("vehicle_data")
    near.simulator.set("eu.data", "503 upstream")
    near.car.climate_on = True
    await home.run_task(
        home.hass.services.async_call(
            "homeassistant", "update_entity", {"entity_id": CLIMATE}, blocking=True
        )
    )
    await home.until(lambda: home.states()[CLIMATE] != "off", 30)
    assert home.simulator.usage.count("vehicle_data") <= calls + 2
    assert home.states()[SOURCE] == "bluetooth"


# Adapters


async def test_another_adapter_serves_when_one_is_gone(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle
) -> None:
    await fail_cloud(home, entry)
    other = async_add_proxy(
        home.hass, home.simulator.bluetooth, source="AA:BB:CC:00:00:02"
    )
    near.proxy.remove()
    assert await home.perform("unlock") is None
    assert near.car.executed["door_unlock"] == 1
    other.remove()


@pytest.mark.parametrize("moment", [0.0, 0.005, 0.02, 0.06])
async def test_an_adapter_that_vanishes_in_the_middle(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle, moment: float
) -> None:
    """Another adapter reads the result; nothing is executed twice."""
    await fail_cloud(home, entry)
    other = async_add_proxy(
        home.hass, home.simulator.bluetooth, source="AA:BB:CC:00:00:02"
    )
    near.simulator.bluetooth.set_link_conditions(
        LinkConditions(latency=0.01, connect=0.01)
    )
    home.hass.loop.call_later(moment, near.proxy.remove)
    error = await home.perform("unlock")
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


async def test_an_automation_is_triggered_when_only_bluetooth_is_left(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle
) -> None:
    ran = async_mock_service(home.hass, "test", "ran")
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
        home.hass, "automation", {"automation": automation}
    )
    await home.run(60)
    assert ran == []
    await fail_cloud(home, entry)
    assert len(ran) == 1
    # Changes in between do not matter.
    near.simulator.apply({"car.Ada": "gone", **dict.fromkeys(DOWN, "ok")})
    await home.until(lambda: status_of(entry) == "operational", 900)
    assert len(ran) == 1


# Range and removal


async def test_removing_a_key_keeps_the_data_of_the_car(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle
) -> None:
    """The device belongs to the entry; removing a subentry would remove its devices."""
    devices, entities = dr.async_get(home.hass), er.async_get(home.hass)
    area = ar.async_get(home.hass).async_create("Garage")
    found = devices.async_get_device_by_identifier(
        (DOMAIN, near.car.vin), entry.entry_id
    )
    assert found is not None
    devices.async_update_device(found.id, area_id=area.id, name_by_user="Family car")
    entities.async_update_entity(LOCK, new_entity_id="lock.family", name="The lock")
    await home.run(5)

    def kept() -> set[tuple[str, str, str | None, str | None]]:
        return {
            (one.entity_id, one.unique_id, one.name, one.config_subentry_id)
            for one in er.async_entries_for_device(
                entities, found.id, include_disabled_entities=True
            )
        }

    before = kept()
    (subentry_id,) = entry.subentries
    assert home.hass.config_entries.async_remove_subentry(entry, subentry_id)
    await home.run(10)
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
    assert home.states()["lock.family"] == "locked"


async def test_a_car_that_comes_and_goes_is_logged_once(
    home: HomeUnderTest,
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
        monkeypatch.setattr(name, home.clock.monotonic)
    await home.run(120)
    caplog.set_level("INFO", "custom_components.keycard")
    for times in (1, 2):
        home.simulator.set("car.Ada", "gone")
        await home.run(600)
        assert caplog.text.count("A vehicle is out of range of Bluetooth") == times
        assert caplog.text.count("A vehicle is in range of Bluetooth") == times - 1
        home.simulator.set("car.Ada", "near")
        await home.run(600)
        assert caplog.text.count("A vehicle is out of range of Bluetooth") == times
        assert caplog.text.count("A vehicle is in range of Bluetooth") == times


async def test_bluetooth_entities_are_removed_with_the_key(
    home: HomeUnderTest, entry: MockConfigEntry, near: NearVehicle
) -> None:
    assert LINK in home.states()
    (subentry_id,) = entry.subentries
    assert home.hass.config_entries.async_remove_subentry(entry, subentry_id)
    await home.run(10)
    assert er.async_get(home.hass).async_get(LINK) is None
    assert home.states()[CONNECTION] == "cloud"
    assert await home.perform("unlock") is None
    assert home.simulator.usage.count("door_unlock") == 1
