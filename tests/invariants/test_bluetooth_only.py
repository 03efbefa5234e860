"""Bluetooth for vehicles without an account or with another integration."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from homeassistant.components import bluetooth
from homeassistant.config_entries import SOURCE_RECONFIGURE, ConfigEntry
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr, entity_registry as er
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from custom_components.keycard.const import DOMAIN
from harness.bluetooth_proxy import BluetoothProxy, async_add_proxy
from simulator import Simulator
from simulator.vehicle.car import Car
from tests.config_entries import hosts_options
from tests.flow_steps import assert_leads_to_device, open_options, submit_options

from .home import LOCK, HomeUnderTest, assert_available, states_of
from .paired_vehicle import assert_paired, key_subentry, with_paired_vehicle
from .pairing_page import PairingPage, add_key, pair_again, set_up_without_account
from .test_told_once import ReceivedNotices

KEY = "sensor.ada_key_to_take"


@pytest.fixture
async def proxy(
    hass: HomeAssistant,
    enable_bluetooth: None,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[BluetoothProxy]:
    """Add a proxy in range of a car; only the simulator is asked for the cloud."""
    simulator.set("car.Ada", "near")
    proxy = async_add_proxy(hass, simulator.bluetooth)
    yield proxy
    proxy.remove()


@pytest.fixture
def notices(hass: HomeAssistant) -> ReceivedNotices:
    return ReceivedNotices(hass)


def ada(home: HomeUnderTest) -> Car:
    return home.simulator.cars["Ada"]


def alone(home: HomeUnderTest, *, key: bool) -> MockConfigEntry:
    """Return an entry as created by the flow."""
    car = ada(home)
    named = {"name": "Ada", "model": "model3", "year": 2021}
    return MockConfigEntry(
        domain=DOMAIN,
        title="Ada",
        unique_id=car.vin,
        data={"provider": "bluetooth_only", "region": "eu"},
        options={**hosts_options(home.simulator), "cars": {car.vin: named}},
        subentries_data=[key_subentry(car)] if key else [],
    )


async def pair(page: PairingPage) -> None:
    """Pair Ada, from the form with instructions."""
    assert page.shows("pair")
    await page.fill()
    await page.wait_for_card_request("Ada")
    page.computers("Ada").whitelist.tap_card()
    await page.wait_until_done()


def count_devices(home: HomeUnderTest, entry: ConfigEntry) -> int:
    """Return the number of devices of an entry, including the cloud's."""
    registry = dr.async_get(home.hass)
    return len(dr.async_entries_for_config_entry(registry, entry.entry_id))


def the_entry(hass: HomeAssistant) -> ConfigEntry:
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    return entry


async def test_a_car_is_set_up_without_an_account(
    home: HomeUnderTest, proxy: BluetoothProxy, set_up_entry: object
) -> None:
    page = await set_up_without_account(home)
    assert page.shows("bluetooth_only")
    vin = ada(home).vin
    await page.fill(vin="5YJ3", name="Ada", region="eu")
    assert page.shows("bluetooth_only", "invalid_vin")
    await page.fill(vin=page.car("Cy").vin, name="Cy", region="eu")
    assert page.shows("bluetooth_only", "too_old")
    await page.fill(vin=vin.lower(), name="Ada", region="eu")
    assert page.shows("pair")
    await page.fill(later=False)
    assert page.progress == "asking"
    await page.wait_for_card_request("Ada")
    assert page.progress == "tapping"
    page.computers("Ada").whitelist.cancel_pairing()
    await page.wait_until_done()
    assert page.shows("pair", "refused")
    await page.fill(later=False)
    await page.wait_for_card_request("Ada")
    page.computers("Ada").whitelist.tap_card()
    await page.wait_until_done()
    assert_leads_to_device(home.hass, page.result)
    entry = the_entry(home.hass)
    wanted = alone(home, key=True)
    assert (entry.title, entry.unique_id) == ("Ada", vin)
    assert dict(entry.data) == dict(wanted.data)
    assert entry.options == {"cars": wanted.options["cars"], "notifications": {}}
    (made,), (expected,) = entry.subentries.values(), wanted.subentries.values()
    assert_paired(ada(home), made.data)
    assert (made.unique_id, made.title, made.subentry_type) == (
        expected.unique_id,
        expected.title,
        expected.subentry_type,
    )


async def test_a_car_that_is_away_is_paired_later(
    home: HomeUnderTest, proxy: BluetoothProxy, set_up_entry: object
) -> None:
    page = await set_up_without_account(home)
    await page.fill(vin=ada(home).vin, name="Ada", region="na")
    await page.fill(later=True)
    assert page.result["type"] is FlowResultType.CREATE_ENTRY
    entry = the_entry(home.hass)
    assert entry.subentries == {}
    assert entry.data["region"] == "na"
    again = await set_up_without_account(home)
    await again.fill(vin=ada(home).vin, name="Ada", region="na")
    assert again.shows("bluetooth_only", "known_car")
    assert again.result["description_placeholders"] == {"entry": "Ada"}


async def test_an_abandoned_flow_does_not_block_a_new_one(
    home: HomeUnderTest, proxy: BluetoothProxy, set_up_entry: object
) -> None:
    for _ in range(2):
        page = await set_up_without_account(home)
        await page.fill(vin=ada(home).vin, name="Ada", region="eu")
        assert page.shows("pair")


async def test_a_car_lives_without_an_account(
    home: HomeUnderTest, proxy: BluetoothProxy
) -> None:
    entry = await home.set_up_operational(alone(home, key=False))
    assert home.states()[KEY] == "usual"
    assert LOCK not in home.states()
    page = await add_key(home, entry)
    assert page.choices("car") == [ada(home).vin]
    await page.fill(car=ada(home).vin)
    await pair(page)
    await home.run(60)
    assert_available(home)
    assert home.states()["sensor.ada_connection"] == "bluetooth"
    assert await home.perform("unlock", LOCK) is None
    assert not ada(home).locked
    assert (await add_key(home, entry)).aborts("all_paired")
    await home.restart(entry)
    await home.run(30)
    assert await home.perform("lock", LOCK) is None
    assert ada(home).locked
    assert count_devices(home, entry) == 2
    (subentry_id,) = entry.subentries
    home.hass.config_entries.async_remove_subentry(entry, subentry_id)
    await home.run(60)
    assert_available(home)
    assert home.states()[KEY] == "usual"
    assert LOCK not in home.states()
    assert ada(home).vin in entry.runtime_data.vehicles


async def test_a_cancelled_flow_disconnects_from_the_car(
    home: HomeUnderTest, proxy: BluetoothProxy
) -> None:
    page = await set_up_without_account(home)
    await page.fill(vin=ada(home).vin, name="Ada", region="eu")
    await page.fill(later=False)
    await page.wait_for_card_request("Ada")
    assert home.simulator.bluetooth.statistics(ada(home)).open == 1
    page.manager.async_abort(page.flow_id)
    await home.run(3)
    assert home.simulator.bluetooth.statistics(ada(home)).open == 0


@pytest.fixture(params=["no_adapter", "listens_only", "bluetooth_key_file"])
def cause_bluetooth_problem(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> str:
    """Cause a local Bluetooth problem, independent of the car."""
    found: str = request.param

    def scanners(_hass: HomeAssistant, connectable: bool = True) -> int:
        return int(found == "listens_only" and not connectable)

    if found == "bluetooth_key_file":
        (tmp_path / "keycard_bluetooth.key").write_text("nonsense")
    else:
        monkeypatch.setattr(bluetooth, "async_scanner_count", scanners)
    return found


async def test_local_obstacles_are_shown_before_progress(
    home: HomeUnderTest,
    proxy: BluetoothProxy,
    set_up_entry: object,
    cause_bluetooth_problem: str,
) -> None:
    """A page shown after its progress has ended would stay forever."""
    page = await set_up_without_account(home)
    await page.fill(vin=ada(home).vin, name="Ada", region="eu")
    await page.fill(later=False)
    assert page.shows("pair", cause_bluetooth_problem)
    await page.fill(later=True)
    assert page.result["type"] is FlowResultType.CREATE_ENTRY


async def test_local_obstacles_are_shown_when_pairing_again(
    home: HomeUnderTest, proxy: BluetoothProxy, cause_bluetooth_problem: str
) -> None:
    entry = await home.set_up(alone(home, key=True))
    page = await pair_again(home, entry)
    await page.fill()
    assert page.shows("pair", cause_bluetooth_problem)


async def test_region_and_key_of_a_car_without_an_account(
    home: HomeUnderTest, proxy: BluetoothProxy
) -> None:
    entry = await home.set_up(alone(home, key=True))
    hass = home.hass
    form = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_RECONFIGURE, "entry_id": entry.entry_id}
    )
    done = await hass.config_entries.flow.async_configure(
        form["flow_id"], {"region": "na"}
    )
    assert done["reason"] == "reconfigure_successful"
    await home.time_control.settle()
    assert entry.data["region"] == entry.runtime_data.region == "na"
    form = await open_options(hass, entry, "keys")
    done = await submit_options(hass, form, Ada="fob")
    assert done["type"] is FlowResultType.CREATE_ENTRY
    await home.time_control.settle()
    vin = ada(home).vin
    assert entry.options["cars"][vin]["name"] == "Ada"
    assert entry.runtime_data.vehicles[vin].vehicle.physical_key == "fob"


# A car entered by hand


async def test_a_car_that_was_named_by_hand_stays_the_same_one(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    proxy: BluetoothProxy,
    notices: ReceivedNotices,
) -> None:
    entry = await home.set_up_operational(watching_entry)
    hass, vin = home.hass, ada(home).vin
    registry, devices = er.async_get(hass), dr.async_get(hass)
    registry.async_update_entity(KEY, name="What to take")
    before = devices.async_get_device_by_identifier((DOMAIN, "ada"), entry.entry_id)
    assert before is not None
    home.simulator.apply(dict.fromkeys(("all.status", "all.api"), "timeout"))
    await home.until(lambda: home.states()[KEY] == "keycard", 120)
    assert notices.notices == {"take": 1}
    events = async_capture_events(hass, EVENT_STATE_CHANGED)
    page = await add_key(home, entry)
    assert page.choices("car") == ["ada", "cy", "another-car"]
    await page.fill(car="ada")
    assert page.shows("vin_of_car")
    assert page.result["description_placeholders"]["car"] == "Ada"
    await page.fill(vin="5YJ3")
    assert page.shows("vin_of_car", "invalid_vin")
    await page.fill(vin=vin)
    await pair(page)
    assert page.result["type"] is FlowResultType.CREATE_ENTRY
    await home.run(60)
    assert list(entry.options["cars"]) == [vin, "cy"]
    assert entry.options["cars"][vin] == {
        "name": "Ada",
        "model": "model3",
        "year": 2021,
        "key": "keycard",
    }
    assert set(entry.runtime_data.vehicles) == {vin, "cy"}
    after = devices.async_get_device_by_identifier((DOMAIN, vin), entry.entry_id)
    assert after is not None
    assert after.id == before.id
    assert count_devices(home, entry) == 3
    key = registry.async_get(KEY)
    assert key is not None
    assert (key.unique_id, key.name) == (f"{vin}_key_to_take", "What to take")
    assert home.states()[KEY] == "keycard"
    assert notices.notices == {"take": 1}
    assert "usual" not in states_of(events, KEY)
    assert_available(home)
    assert await home.perform("unlock", LOCK) is None
    assert not ada(home).locked


async def test_another_car_joins_those_that_are_watched(
    home: HomeUnderTest, watching_entry: MockConfigEntry, proxy: BluetoothProxy
) -> None:
    hass = home.hass
    cars = {"cy": watching_entry.options["cars"]["cy"]}
    entry = MockConfigEntry(
        domain=DOMAIN,
        title=watching_entry.title,
        unique_id=watching_entry.unique_id,
        data=dict(watching_entry.data),
        options={**watching_entry.options, "cars": cars},
    )
    await home.set_up(entry)
    page = await add_key(home, entry)
    await page.fill(car="another-car")
    assert page.shows("vin")
    await page.fill(vin=ada(home).vin, name="Ada")
    await pair(page)
    await home.run(60)
    vin = ada(home).vin
    assert list(entry.options["cars"]) == ["cy", vin]
    assert await home.perform("unlock", LOCK) is None
    form = await open_options(hass, entry, "change_car")
    form = await submit_options(hass, form, car=vin)
    await submit_options(hass, form, name="Ada", model="model3", remove=True)
    await home.time_control.settle()
    assert entry.subentries == {}
    assert set(entry.runtime_data.vehicles) == {"cy"}
    assert (
        len(dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)) == 2
    )


async def test_a_car_of_another_entry_is_paired_there(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    compatible_entry: MockConfigEntry,
    proxy: BluetoothProxy,
) -> None:
    await home.set_up(with_paired_vehicle(compatible_entry, ada(home)))
    await home.set_up(watching_entry)
    page = await add_key(home, watching_entry)
    await page.fill(car="another-car")
    await page.fill(vin=ada(home).vin, name="Ada")
    assert page.shows("vin", "known_car")
    assert page.result["description_placeholders"]["entry"] == compatible_entry.title
