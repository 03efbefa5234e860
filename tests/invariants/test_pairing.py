"""Pairing: requested at the vehicle, confirmed with a key card."""

from collections.abc import AsyncIterator, Callable, Iterator
from random import Random

from bluetooth_data_tools import monotonic_time_coarse
from habluetooth import BaseHaRemoteScanner
import pytest

from homeassistant.components import bluetooth
from homeassistant.components.bluetooth import async_register_scanner
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.auth.keys import async_get_bluetooth_key
from harness.bluetooth_proxy import BluetoothProxy, async_add_proxy
from simulator import Simulator
from simulator.bluetooth import Connection, DeviceNotFoundError, LinkConditions
from simulator.bluetooth.environment import device_address, local_name
from simulator.protocol import Role
from simulator.vehicle.car import Car
from tests.flow_steps import open_options, submit_options

from .home import LOCK, HomeUnderTest
from .paired_vehicle import assert_paired, with_paired_vehicle
from .pairing_page import PairingPage, add_key, pair_again


@pytest.fixture
async def proxy(
    hass: HomeAssistant, enable_bluetooth: None, simulator: Simulator
) -> AsyncIterator[BluetoothProxy]:
    """Add a proxy where a car may come into range."""
    proxy = async_add_proxy(hass, simulator.bluetooth)
    yield proxy
    proxy.remove()


@pytest.fixture
async def page(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, proxy: BluetoothProxy
) -> AsyncIterator[PairingPage]:
    """Open the form with instructions for pairing."""
    await home.set_up(compatible_entry)
    await home.run(10)
    home.simulator.set("car.Ada", "near")
    page = await add_key(home, compatible_entry)
    await page.fill(car=ada(home).vin)
    assert page.shows("pair")
    yield page
    # A newly paired car may be read before the connection is released.
    await home.until(
        lambda: home.simulator.bluetooth.statistics(ada(home)).open == 0, 60
    )


def ada(home: HomeUnderTest) -> Car:
    return home.simulator.cars["Ada"]


def key_of(entry: MockConfigEntry) -> ConfigSubentry:
    (subentry,) = entry.subentries.values()
    return subentry


# The user is at the car


async def test_a_car_is_paired_and_then_opens_over_bluetooth(
    home: HomeUnderTest, page: PairingPage, compatible_entry: MockConfigEntry
) -> None:
    await page.fill()
    assert page.progress == "asking"
    await page.wait_for_card_request("Ada")
    assert page.progress == "tapping"
    await home.run(10)
    page.computers("Ada").whitelist.tap_card()
    await page.wait_until_done()
    assert page.result["type"] is FlowResultType.CREATE_ENTRY
    subentry = key_of(compatible_entry)
    assert (subentry.unique_id, subentry.title) == (ada(home).vin, "Ada")
    assert_paired(ada(home), subentry.data)
    (entry,) = page.computers("Ada").whitelist.entries
    assert entry.role is Role.DRIVER
    await home.run(60)
    assert home.states()["sensor.ada_connection"] == "both"
    assert await home.perform("unlock", LOCK) is None
    assert home.simulator.usage.count("door_unlock") == 0
    assert not ada(home).locked


async def test_a_car_with_the_key_needs_no_pairing_request(
    home: HomeUnderTest, page: PairingPage, compatible_entry: MockConfigEntry
) -> None:
    key = await async_get_bluetooth_key(home.hass)
    home.simulator.pair("Ada", key, Role.DRIVER)
    await page.fill()
    await page.wait_until_done()
    assert page.result["type"] is FlowResultType.CREATE_ENTRY
    assert page.computers("Ada").whitelist.pairing == "idle"
    assert key_of(compatible_entry).unique_id == ada(home).vin


async def test_lost_messages_do_not_matter(
    home: HomeUnderTest, page: PairingPage, compatible_entry: MockConfigEntry
) -> None:
    home.simulator.bluetooth.random = Random(3)
    home.simulator.bluetooth.set_link_conditions(LinkConditions(lose_to_phone=0.3))
    await page.fill()
    await page.wait_for_card_request("Ada")
    page.computers("Ada").whitelist.tap_card()
    await page.wait_until_done()
    assert page.result["type"] is FlowResultType.CREATE_ENTRY
    assert home.simulator.bluetooth.statistics(ada(home)).lost
    assert key_of(compatible_entry).unique_id == ada(home).vin
    # Requests of the new entry have ended.
    home.simulator.bluetooth.set_link_conditions(LinkConditions())
    await home.run(30)


def in_valet_mode(page: PairingPage, _proxy: BluetoothProxy) -> None:
    page.car("Ada").valet_mode = True


def with_a_full_list(page: PairingPage, _proxy: BluetoothProxy) -> None:
    page.computers("Ada").whitelist.slots = 0


def just_left(page: PairingPage, _proxy: BluetoothProxy) -> None:
    page.home.simulator.set("car.Ada", "gone")


def without_a_slot(_page: PairingPage, proxy: BluetoothProxy) -> None:
    proxy.slots = 0


def with_link_conditions(
    weather: LinkConditions,
) -> Callable[[PairingPage, BluetoothProxy], None]:
    return lambda page, _proxy: page.home.simulator.bluetooth.set_link_conditions(
        weather
    )


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (in_valet_mode, "valet_mode"),
        (with_a_full_list, "keychain_full"),
        (just_left, "out_of_range"),
        (without_a_slot, "no_slot"),
        (with_link_conditions(LinkConditions(refuse=1.0)), "no_connection"),
        (with_link_conditions(LinkConditions(lose_to_car=1.0)), "no_answer"),
    ],
)
async def test_pairing_errors_are_shown_and_a_second_try_works(
    home: HomeUnderTest,
    page: PairingPage,
    proxy: BluetoothProxy,
    trouble: Callable[[PairingPage, BluetoothProxy], None],
    error: str,
) -> None:
    trouble(page, proxy)
    await page.fill()
    await page.wait_until_done()
    assert page.shows("pair", error)
    page.car("Ada").valet_mode = False
    page.computers("Ada").whitelist.slots = 20
    proxy.slots = 3
    home.simulator.bluetooth.set_link_conditions(LinkConditions())
    home.simulator.set("car.Ada", "near")
    await page.fill()
    await page.wait_for_card_request("Ada")
    page.computers("Ada").whitelist.tap_card()
    await page.wait_until_done()
    assert page.result["type"] is FlowResultType.CREATE_ENTRY


async def test_a_car_that_leaves_while_connecting(
    home: HomeUnderTest, page: PairingPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def connect(_address: str) -> Connection:
        raise DeviceNotFoundError

    monkeypatch.setattr(home.simulator.bluetooth, "connect", connect)
    await page.fill()
    await page.wait_until_done()
    assert page.shows("pair", "no_connection")


async def test_a_car_that_arrives_during_the_search_is_found(
    home: HomeUnderTest, page: PairingPage, compatible_entry: MockConfigEntry
) -> None:
    home.simulator.set("car.Ada", "gone")
    await page.fill()
    await home.run(5)
    home.simulator.set("car.Ada", "near")
    await page.wait_for_card_request("Ada")
    page.computers("Ada").whitelist.tap_card()
    await page.wait_until_done()
    assert page.result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize("tells_wait", [False, True], ids=["newer", "older"])
@pytest.mark.parametrize(
    ("refuses", "error"), [(True, "refused"), (False, "not_tapped")]
)
async def test_pairing_that_is_canceled_or_times_out(
    home: HomeUnderTest, page: PairingPage, refuses: bool, error: str, tells_wait: bool
) -> None:
    page.computers("Ada").reports_wait = tells_wait
    await page.fill()
    await page.wait_for_card_request("Ada")
    await home.run(10)
    assert home.simulator.bluetooth.statistics(ada(home)).connections == 1
    if refuses:
        page.computers("Ada").whitelist.cancel_pairing()
    began = home.clock.monotonic()
    await page.wait_until_done()
    assert page.shows("pair", error)
    assert page.computers("Ada").whitelist.entries == ()
    if refuses:
        assert home.clock.monotonic() - began < 5


async def test_an_older_car_is_paired(home: HomeUnderTest, page: PairingPage) -> None:
    page.computers("Ada").reports_wait = True
    await page.fill()
    await page.wait_for_card_request("Ada")
    assert page.progress == "tapping"
    page.computers("Ada").whitelist.tap_card()
    await page.wait_until_done()
    assert page.result["type"] is FlowResultType.CREATE_ENTRY


async def test_a_connection_that_is_lost_meanwhile_is_no_end(
    home: HomeUnderTest, page: PairingPage
) -> None:
    """A tapped card shows when the key is used."""
    await page.fill()
    await page.wait_for_card_request("Ada")
    for line in tuple(home.simulator.bluetooth.connections):
        line.drop()
    page.computers("Ada").whitelist.tap_card()
    await page.wait_until_done()
    assert page.result["type"] is FlowResultType.CREATE_ENTRY


# The page is closed


@pytest.mark.parametrize("requested", [False, True])
async def test_a_cancelled_flow_disconnects_from_the_car(
    home: HomeUnderTest,
    page: PairingPage,
    compatible_entry: MockConfigEntry,
    requested: bool,
) -> None:
    await page.fill()
    if requested:
        await page.wait_for_card_request("Ada")
        assert home.simulator.bluetooth.statistics(ada(home)).open == 1
    page.manager.async_abort(page.flow_id)
    await home.run(3)
    assert home.simulator.bluetooth.statistics(ada(home)).open == 0
    again = await add_key(home, compatible_entry)
    await again.fill(car=ada(home).vin)
    await again.fill()
    await again.wait_for_card_request("Ada")
    page.computers("Ada").whitelist.tap_card()
    await again.wait_until_done()
    assert again.result["type"] is FlowResultType.CREATE_ENTRY


async def test_a_new_flow_ends_an_abandoned_pairing(
    home: HomeUnderTest, page: PairingPage, compatible_entry: MockConfigEntry
) -> None:
    await page.fill()
    await page.wait_for_card_request("Ada")
    again = await add_key(home, compatible_entry)
    await again.fill(car=ada(home).vin)
    await again.fill()
    await home.run(6)
    await again.refresh()
    assert again.progress == "tapping"
    assert home.simulator.bluetooth.statistics(ada(home)).open == 1
    page.computers("Ada").whitelist.tap_card()
    await again.wait_until_done()
    assert again.result["type"] is FlowResultType.CREATE_ENTRY
    await page.refresh()
    assert page.shows("pair")


# What can be paired


class PassiveScanner(BaseHaRemoteScanner):
    """A scanner that cannot connect."""

    def receive(self, car: Car) -> None:
        self._async_on_advertisement(
            device_address(car.vin),
            -60,
            local_name(car.vin),
            [],
            {},
            {},
            None,
            {},
            monotonic_time_coarse(),
        )


@pytest.fixture
def listener(hass: HomeAssistant, enable_bluetooth: None) -> Iterator[PassiveScanner]:
    scanner = PassiveScanner("listener", "listener", None, False)
    cancel = async_register_scanner(hass, scanner)
    yield scanner
    cancel()


async def test_a_car_that_only_listeners_hear_is_not_out_of_range(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    proxy: BluetoothProxy,
    listener: PassiveScanner,
) -> None:
    await home.set_up(compatible_entry)
    await home.run(10)
    page = await add_key(home, compatible_entry)
    await page.fill(car=ada(home).vin)
    await page.fill()
    listener.receive(ada(home))
    await page.wait_until_done()
    assert page.shows("pair", "listens_only")


@pytest.mark.parametrize("listens", [False, True])
async def test_pairing_does_not_start_without_a_connectable_adapter(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    listens: bool,
) -> None:
    def scanners(_hass: HomeAssistant, connectable: bool = True) -> int:
        return int(listens and not connectable)

    monkeypatch.setattr(bluetooth, "async_scanner_count", scanners)
    await home.set_up(compatible_entry)
    page = await add_key(home, compatible_entry)
    assert page.aborts("listens_only" if listens else "no_adapter")


async def test_a_car_that_is_too_old_is_refused_with_the_reason(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, proxy: BluetoothProxy
) -> None:
    await home.set_up(compatible_entry)
    await home.run(10)
    page = await add_key(home, compatible_entry)
    await page.fill(car=page.car("Cy").vin)
    assert page.shows("user", "too_old")
    await page.fill(car=ada(home).vin)
    assert page.shows("pair")


async def test_an_account_without_known_vehicles_asks_for_the_vin(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, proxy: BluetoothProxy
) -> None:
    home.simulator.apply({"all.api": "timeout"})
    await home.set_up(compatible_entry)
    home.simulator.set("car.Ada", "near")
    page = await add_key(home, compatible_entry)
    assert page.shows("vin")
    await page.fill(vin="5YJ3E7EB9", name="Ada")
    assert page.shows("vin", "invalid_vin")
    await page.fill(vin=page.car("Cy").vin, name="Cy")
    assert page.shows("vin", "too_old")
    await page.fill(vin=ada(home).vin, name=" ")
    assert page.shows("vin", "no_name")
    await page.fill(vin=f" {ada(home).vin.lower()} ", name="Ada")
    assert page.shows("pair")
    await page.fill()
    await page.wait_for_card_request("Ada")
    page.computers("Ada").whitelist.tap_card()
    await page.wait_until_done()
    await home.run(60)
    assert await home.perform("unlock", LOCK) is None
    assert not ada(home).locked


async def test_paired_and_unloaded_cars_are_not_offered(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, proxy: BluetoothProxy
) -> None:
    entry = with_paired_vehicle(compatible_entry, ada(home))
    await home.set_up(entry)
    await home.run(10)
    page = await add_key(home, entry)
    assert page.choices("car") == [page.car("Cy").vin]
    entry.runtime_data.vehicle_manager.async_remove(page.car("Cy").vin)
    assert (await add_key(home, entry)).aborts("all_paired")
    await home.hass.config_entries.async_unload(entry.entry_id)
    assert (await add_key(home, entry)).aborts("not_loaded")


# A car that has lost the key


async def test_a_car_is_paired_again(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, proxy: BluetoothProxy
) -> None:
    entry = with_paired_vehicle(compatible_entry, ada(home))
    await home.set_up_operational(entry)
    home.simulator.set("car.Ada", "near")
    await home.run(5)
    assert await home.perform("unlock", LOCK) is None
    await home.run(90)
    page = await pair_again(home, entry)
    assert page.shows("pair")
    await page.fill()
    await page.wait_for_card_request("Ada")
    assert home.simulator.bluetooth.statistics(ada(home)).open == 1
    page.computers("Ada").whitelist.tap_card()
    await page.wait_until_done()
    assert page.aborts("paired_again")
    await home.run(60)
    assert_paired(ada(home), key_of(entry).data)
    calls = home.simulator.usage.count("door_lock")
    assert await home.perform("lock", LOCK) is None
    assert ada(home).locked
    assert home.simulator.usage.count("door_lock") == calls


async def test_the_user_chooses_which_link_serves(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, proxy: BluetoothProxy
) -> None:
    key = await async_get_bluetooth_key(home.hass)
    home.simulator.pair("Ada", key, Role.DRIVER)
    home.simulator.set("car.Ada", "near")
    entry = await home.set_up_operational(
        with_paired_vehicle(compatible_entry, ada(home))
    )
    form = await open_options(home.hass, entry, "link")
    await submit_options(home.hass, form, link="cloud")
    assert entry.options["link"] == "cloud"
    assert entry.options["hosts"]
    await home.run(60)
    assert await home.perform("unlock", LOCK) is None
    assert home.simulator.usage.count("door_unlock") == 1
    form = await open_options(home.hass, entry, "link")
    await submit_options(home.hass, form, link="cheapest")
    await home.run(60)
    assert await home.perform("lock", LOCK) is None
    assert home.simulator.usage.count("door_lock") == 0
    assert ada(home).locked


async def test_a_choice_of_links_is_offered_only_where_there_are_two(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    watching_entry: MockConfigEntry,
    proxy: BluetoothProxy,
) -> None:
    for entry in (compatible_entry, with_paired_vehicle(watching_entry, ada(home))):
        entry.add_to_hass(home.hass)
        menu = await home.hass.config_entries.options.async_init(entry.entry_id)
        assert "link" not in menu["menu_options"]
