"""Repair issues: created once a problem is certain, deleted once it is solved."""

from pathlib import Path

import pytest

from homeassistant.config_entries import ConfigEntryState
from homeassistant.helpers.issue_registry import IssueSeverity
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.auth.keys import async_get_signing_key
from custom_components.keycard.transport.key_pair import public_pem
from simulator import Simulator
from tests.config_entries import fleet_entry, provider_entry, tesla_proxy_entry
from tests.repository_files import keys_at, translations

from .home import HomeUnderTest, assert_no_errors, status_of
from .repairs import assert_only_repair, repairs
from .test_table_of_answers import CASES

# By name of the case.
REPAIRS = {name: case.repair for name, case in CASES.items() if case.repair}
DOWN = {"eu.api": "503 down", "eu.status": "503 down"}
PAUSE = 960.0


@pytest.mark.parametrize("name", [name for name in REPAIRS if name != "402 for a car"])
async def test_an_outage_raises_none_and_solves_none(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, name: str
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    # A refusal does not count while its host is down.
    home.simulator.apply({"eu.status": "503 down", "eu.api": CASES[name].answer})
    for _ in range(12):
        await home.run(240)
        assert repairs(home) == {}
    home.simulator.set("eu.status", "ok")
    await home.run(2 * PAUSE)
    assert status_of(entry) == "account_problem"
    assert set(repairs(home)) == {REPAIRS[name]}
    home.simulator.apply(DOWN)
    await home.run(2 * PAUSE)
    assert status_of(entry) == "outage"
    assert set(repairs(home)) == {REPAIRS[name]}
    home.simulator.apply(dict.fromkeys(DOWN, "ok"))
    await home.run(2 * PAUSE)
    assert repairs(home) == {}


async def test_an_unloaded_entry_has_no_issues(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.set("eu.api", CASES["403 limit"].answer)
    await home.run(2 * PAUSE)
    assert_only_repair(home, entry, "billing_limit")
    await home.restart(entry)
    assert repairs(home) == {}
    await home.run(2 * PAUSE)
    assert_only_repair(home, entry, "billing_limit")
    assert await home.hass.config_entries.async_remove(entry.entry_id)
    assert repairs(home) == {}


async def test_a_car_without_a_subscription_is_named(home: HomeUnderTest) -> None:
    entry = await provider_entry(home.hass, home.simulator, "teslemetry")
    await home.set_up_operational(entry)
    home.simulator.teslemetry.without_access.add("Ada")
    await home.run(300)
    assert assert_only_repair(home, entry, "car_payment_needed")["cars"] == "Ada"
    assert repairs(home)["car_payment_needed"].learn_more_url == (
        "https://teslemetry.com/console"
    )
    home.simulator.teslemetry.without_access.clear()
    await home.run(900)
    assert repairs(home) == {}


async def registered(home: HomeUnderTest) -> MockConfigEntry:
    """Return a signing entry whose application hosts its key."""
    home.simulator.apps.host(public_pem(await async_get_signing_key(home.hass)))
    home.simulator.apps.register("home.example.org", "eu")
    return await fleet_entry(home.hass, home.simulator)


async def paired(home: HomeUnderTest, *names: str) -> MockConfigEntry:
    """Set up a signing entry with cars that know its key."""
    entry = await registered(home)
    for name in home.simulator.cars:
        home.simulator.set_signing(name, "required")
    for name in names:
        home.simulator.pair(name, await async_get_signing_key(home.hass))
    return await home.set_up_operational(entry)


def link(simulator: Simulator, name: str) -> str:
    vin = simulator.cars[name].vin
    return f"- [{name}](https://tesla.com/_ak/home.example.org?vin={vin})"


async def test_a_refused_command_names_car_and_link(home: HomeUnderTest) -> None:
    entry = await paired(home, "Ada", "Cy")
    await home.run(7200)
    assert repairs(home) == {}
    key = await async_get_signing_key(home.hass)
    home.simulator.computers["Ada"].whitelist.remove(key)
    error = await home.perform("unlock")
    assert error is not None
    assert error.translation_key == "key_not_paired"
    await home.run(70)
    names = assert_only_repair(home, entry, "key_not_paired")
    assert names["links"] == link(home.simulator, "Ada")
    assert repairs(home)["key_not_paired"].severity is IssueSeverity.WARNING
    # A command without a signature settles nothing.
    assert await home.perform("press", "button.ada_wake") is None
    await home.run(70)
    assert set(repairs(home)) == {"key_not_paired"}
    home.simulator.pair("Ada", key)
    assert await home.perform("unlock") is None
    await home.run(70)
    assert repairs(home) == {}


async def test_cars_left_unpaired_at_set_up_are_found_and_followed(
    home: HomeUnderTest,
) -> None:
    entry = await paired(home)
    await home.run(60)
    names = assert_only_repair(home, entry, "key_not_paired")
    both = sorted(link(home.simulator, name) for name in ("Ada", "Cy"))
    assert names["links"].split("\n") == both
    key = await async_get_signing_key(home.hass)
    home.simulator.pair("Cy", key)
    await home.run(3700)
    names = assert_only_repair(home, entry, "key_not_paired")
    assert names["links"] == link(home.simulator, "Ada")
    # In an outage nothing is asked, and the result stays.
    home.simulator.apply(DOWN)
    await home.run(3700)
    assert set(repairs(home)) == {"key_not_paired"}
    home.simulator.apply(dict.fromkeys(DOWN, "ok"))
    home.simulator.pair("Ada", key)
    await home.run(3900)
    assert repairs(home) == {}


async def test_a_car_that_takes_plain_commands_needs_no_key(
    home: HomeUnderTest,
) -> None:
    await home.set_up_operational(await registered(home))
    await home.run(3700)
    assert repairs(home) == {}


async def test_a_key_file_that_cannot_be_used(
    home: HomeUnderTest, key_file: Path
) -> None:
    await home.hass.async_add_executor_job(key_file.write_text, "no key")
    entry = await fleet_entry(home.hass, home.simulator)
    await home.set_up(entry)
    assert_only_repair(home, entry, "key_file")
    await home.run(130)
    assert status_of(entry) == "operational"
    await home.hass.async_add_executor_job(key_file.unlink)
    await home.restart(entry)
    assert repairs(home) == {}


def test_every_repair_has_a_case() -> None:
    bluetooth = {
        "bluetooth_key_not_paired",
        "bluetooth_key_file",
        "bluetooth_library",
        "no_power",
    }
    proven = ("library", "stranger", "unsealed", "provisional")
    bluetooth |= {f"bluetooth_{name}" for name in proven}
    others = {"car_refused", "owner_api_closed"}
    others |= {"certificate_changed", "certificate_untrusted"}
    others |= {"store_unreadable", "too_many_vehicles"}
    # In the tests of notifications
    others |= {"receiver_unreachable", "no_phone", "old_relay"}
    expected = {*REPAIRS.values(), "key_not_paired", "key_file", *bluetooth, *others}
    assert keys_at(translations("en"), "issues") == expected


async def test_one_car_that_is_refused_is_named_and_hits_no_other(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    simulator = home.simulator
    entry = await home.set_up_operational(compatible_entry)
    refused = '403 {"response":null,"error":"forbidden","error_description":""}'
    simulator.set("eu.data@models", refused)
    for _ in range(16):
        await home.run(300)
        assert status_of(entry) == "operational"
    assert assert_only_repair(home, entry, "car_refused")["cars"] == "Cy"
    assert await home.perform("unlock") is None
    assert await home.perform("unlock", "lock.cy_lock") is None
    assert home.states()["sensor.cy_connection"] == "cloud"
    # Refused calls are repeated rarely.
    assert 1 < simulator.usage.by_status["eu.vehicle_data 403"] <= 8
    simulator.set("eu.data@models", "ok")
    await home.run(2 * PAUSE)
    assert repairs(home) == {}
    assert_no_errors(caplog)


# Tesla's proxy drops the body of the refusal.
@pytest.mark.parametrize("provider", ["compatible", "tesla_proxy"])
async def test_a_token_that_may_not_see_the_location_shows_all_else(
    home: HomeUnderTest, caplog: pytest.LogCaptureFixture, provider: str
) -> None:
    simulator = home.simulator
    entry = (
        tesla_proxy_entry(simulator)
        if provider == "tesla_proxy"
        else await provider_entry(home.hass, simulator, provider)
    )
    scopes = ("vehicle_device_data", "vehicle_cmds", "vehicle_charging_cmds")
    entry.add_to_hass(home.hass)
    home.hass.config_entries.async_update_entry(
        entry, data={**entry.data, "token": simulator.access_token(*scopes)}
    )
    await home.set_up_operational(entry)
    await home.run(3600)
    assert status_of(entry) == "operational"
    assert home.states()["sensor.ada_battery"] == "64"
    assert home.states()["device_tracker.ada_location"] == "unknown"
    # Each car may have been asked before the first answer arrived.
    assert simulator.usage.by_status["eu.vehicle_data 403"] <= 2
    assert repairs(home) == {}
    assert_no_errors(caplog)


@pytest.mark.parametrize(
    ("data", "state", "expected"),
    [
        ({}, ConfigEntryState.SETUP_ERROR, True),
        ({"api_proxy_url": "https://proxy"}, ConfigEntryState.SETUP_ERROR, False),
        ({}, ConfigEntryState.LOADED, False),
    ],
)
async def test_integrations_that_use_the_closed_api_are_named(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    data: dict[str, str],
    state: ConfigEntryState,
    expected: bool,
) -> None:
    other = MockConfigEntry(domain="tesla_custom", data=data, title="owner@example.org")
    other.add_to_hass(home.hass)
    other.mock_state(home.hass, state)
    entry = await home.set_up_operational(compatible_entry)
    assert repairs(home) == {}
    await home.run(2 * PAUSE)
    if not expected:
        assert repairs(home) == {}
        return
    names = assert_only_repair(home, entry, "owner_api_closed")
    assert names["integration"] == "Tesla Custom Integration"
    assert status_of(entry) == "operational"
    other.mock_state(home.hass, ConfigEntryState.LOADED)
    await home.run(120)
    assert repairs(home) == {}


async def test_no_closed_api_repair_during_an_outage(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    other = MockConfigEntry(domain="tesla_custom", data={})
    other.add_to_hass(home.hass)
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.apply(DOWN)
    other.mock_state(home.hass, ConfigEntryState.SETUP_RETRY)
    await home.run(3 * PAUSE)
    assert status_of(entry) == "outage"
    assert repairs(home) == {}
