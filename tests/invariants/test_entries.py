"""Entries share their probes and leave nothing behind."""

import asyncio
import re
from typing import Any

import pytest

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.const import DOMAIN
from custom_components.keycard.runtime.host_poller import HOST_POLLERS, HostPoller
from simulator import Simulator
from simulator.scenarios.scenario import CarSpec
from tests.config_entries import hosts_options

from .home import LOCK, HomeUnderTest, assert_available, assert_no_errors, status_of

# Not the name alone: the folder of the environment may contain it.
_PACKAGE = re.compile(r"custom_components[./]keycard")


def running_tasks(hass: HomeAssistant) -> list[str]:
    """Return Keycard's running tasks and timers."""
    timers = [
        str(handle)
        for handle in vars(hass.loop)["_scheduled"]
        if not handle.cancelled() and _PACKAGE.search(str(handle))
    ]
    tasks = [
        task.get_name()
        for task in asyncio.all_tasks()
        if DOMAIN in task.get_name().lower() and not task.cancelling()
    ]
    return timers + tasks


async def test_two_entries_ask_each_host_once(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    watching_entry: MockConfigEntry,
) -> None:
    for entry in (compatible_entry, watching_entry):
        entry.add_to_hass(home.hass)
    done = await asyncio.gather(
        *(
            home.hass.config_entries.async_setup(entry.entry_id)
            for entry in (compatible_entry, watching_entry)
        )
    )
    assert all(done)
    assert len(home.hass.data[HOST_POLLERS]) == 1
    assert (
        compatible_entry.runtime_data.host_poller
        is watching_entry.runtime_data.host_poller
    )
    await home.run(600)
    before = home.simulator.usage.by_endpoint.copy()
    await home.run(3600)
    requests = home.simulator.usage.by_endpoint - before
    assert requests["eu.status"] <= 67
    assert requests["na.status"] <= 14


async def test_an_entry_that_is_set_up_while_another_leaves_shares_with_the_next(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    watching_entry: MockConfigEntry,
) -> None:
    await home.set_up_operational(watching_entry)
    compatible_entry.add_to_hass(home.hass)
    await asyncio.gather(
        home.hass.config_entries.async_setup(compatible_entry.entry_id),
        home.hass.config_entries.async_reload(watching_entry.entry_id),
    )
    await home.run(60)
    watchers = {
        entry.runtime_data.host_poller for entry in (compatible_entry, watching_entry)
    }
    assert len(home.hass.data[HOST_POLLERS]) == 1
    assert watchers == set(home.hass.data[HOST_POLLERS].values())


async def test_a_watcher_without_followers_takes_only_itself_away(
    home: HomeUnderTest, watching_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(watching_entry)
    old = entry.runtime_data.host_poller
    home.hass.data[HOST_POLLERS].clear()
    unfollow = old.async_subscribe("second", "eu", lambda: None)
    assert list(home.hass.data[HOST_POLLERS].values()) == [old]
    new = HostPoller(home.hass, entry.runtime_data.endpoints)
    for targets in home.hass.data[HOST_POLLERS]:
        home.hass.data[HOST_POLLERS][targets] = new
    unfollow()
    assert await home.hass.config_entries.async_unload(entry.entry_id)
    assert list(home.hass.data[HOST_POLLERS].values()) == [new]


@pytest.mark.parametrize("condition", ["ok", "timeout", "503 down"])
async def test_nothing_is_left_of_an_entry(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    hass_storage: dict[str, Any],
    condition: str,
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.apply({"eu.api": condition, "eu.status": condition})
    await home.run(75)
    data = entry.runtime_data
    assert await home.hass.config_entries.async_unload(entry.entry_id)
    await home.time_control.settle()
    # Only delayed writes may be left.
    assert [one for one in running_tasks(home.hass) if "store" not in one.lower()] == []
    assert not home.hass.data[HOST_POLLERS]
    before = home.simulator.usage.by_endpoint.copy()
    await home.run(1200)
    assert not home.simulator.usage.by_endpoint - before
    assert running_tasks(home.hass) == []

    await home.set_up(entry)
    await home.run(300)
    assert entry.runtime_data is not data
    assert await home.hass.config_entries.async_remove(entry.entry_id)
    await home.run(300)
    assert running_tasks(home.hass) == []
    assert home.states() == {}
    assert f"keycard.{entry.entry_id}" not in hass_storage
    assert_no_errors(caplog)


@pytest.mark.parametrize(
    ("condition", "executed"),
    [
        ("slow:5", 0),
        # The cloud may execute what it has accepted, although its client is gone.
        ("late:5", 1),
    ],
)
async def test_a_command_that_outlives_its_entry_leaves_nothing(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    hass_storage: dict[str, Any],
    *,
    condition: str,
    executed: int,
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.set("eu.commands", condition)
    command = asyncio.create_task(
        home.hass.services.async_call(
            "lock", "unlock", {"entity_id": LOCK}, blocking=True
        )
    )
    await home.time_control.settle()
    assert home.simulator.held == 1
    assert await home.hass.config_entries.async_remove(entry.entry_id)
    # The command ends with the entry, and nobody is left to confirm it.
    await home.time_control.settle()
    assert command.done()
    error = command.exception()
    assert isinstance(error, HomeAssistantError)
    assert error.translation_key == "command_unconfirmed"
    await home.run(120)
    assert home.simulator.usage.count("door_unlock") == 1
    assert home.simulator.cars["Ada"].executed["door_unlock"] == executed
    assert f"keycard.{entry.entry_id}" not in hass_storage
    assert running_tasks(home.hass) == []
    assert_no_errors(caplog)


async def test_reauth_starts_once_and_ends_with_a_new_token(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.set_token("expired")
    await home.run(1800)
    assert home.reauths() == 1
    assert status_of(entry) == "account_problem"
    home.hass.config_entries.async_update_entry(
        entry, data={**entry.data, "token": home.simulator.access_token("openid")}
    )
    token = home.simulator.access_token(
        "openid", "vehicle_device_data", "vehicle_location", "vehicle_cmds"
    )
    home.hass.config_entries.async_update_entry(
        entry, data={**entry.data, "token": token}
    )
    assert await home.hass.config_entries.async_reload(entry.entry_id)
    await home.run(120)
    assert status_of(entry) == "operational"


async def test_a_bad_day_of_the_sign_in_host_is_no_reason_to_sign_in_again(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.set("auth.token", "503 down")
    home.simulator.set("auth.authorize", "503 down")
    home.simulator.set_token("expired")
    await home.run(3600)
    assert home.reauths() == 0
    assert status_of(entry) == "sign_in_outage"
    home.simulator.set("auth.token", "ok")
    home.simulator.set("auth.authorize", "ok")
    home.simulator.set_token("ok")
    await home.run(1800)
    assert home.reauths() == 0
    assert status_of(entry) == "operational"


async def test_a_car_of_two_accounts_is_there_once(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    proxy = MockConfigEntry(
        domain=DOMAIN,
        title="Proxy",
        data={**compatible_entry.data, "base_url": home.simulator.urls["proxy"]},
        options=hosts_options(home.simulator),
    )
    await home.set_up_operational(compatible_entry)
    home.simulator.add_car(CarSpec(name="Bo", model="modely", year=2022))
    await home.set_up(proxy)
    await home.run(60)
    assert {car.vehicle.name for car in proxy.runtime_data.vehicles.values()} == {"Bo"}
    await home.run(700)
    assert status_of(proxy) == "operational"
    assert len(compatible_entry.runtime_data.vehicles) == 2
    # It moves to the other entry when the first one is removed.
    await home.hass.config_entries.async_remove(compatible_entry.entry_id)
    await home.run(700)
    assert len(proxy.runtime_data.vehicles) == 3
    assert home.states()[LOCK] == "locked"
    assert_available(home)
    assert_no_errors(caplog)


async def test_entries_without_common_hosts_share_no_poller(
    home: HomeUnderTest, watching_entry: MockConfigEntry, simulator: Simulator
) -> None:
    options = {**hosts_options(simulator), "unrelated": [], "cars": {}}
    other = MockConfigEntry(
        domain=DOMAIN,
        title="Other",
        data={"provider": "watch_only", "region": "na"},
        options=options,
    )
    await home.set_up_operational(watching_entry)
    await home.set_up(other)
    await home.run(60)
    assert len(home.hass.data[HOST_POLLERS]) == 2
    assert status_of(other) == "operational"
