"""Invariant "proven over Bluetooth": other devices are not believed."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tesla_protocol.command.vcsec_pb2 import FromVCSECMessage, UnsignedMessage

from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser

from custom_components.keycard.auth.keys import async_get_signing_key
from custom_components.keycard.vehicle.computer_keys import KeySource
from simulator import Simulator
from simulator.bluetooth import (
    LinkConditions,
    RecordingRelay,
    ReplayingDevice,
    SpoofedDevice,
    broadcasting_device,
    rejecting_device,
    spoofed_vehicle,
)
from simulator.protocol import Whitelist, public_keys, vcsec
from simulator.vehicle.car import Car
from tests.conftest import car_of

from .home import HomeUnderTest, assert_explained, status_of
from .paired_vehicle import NearVehicle, add_near_vehicle, with_paired_vehicle
from .pairing_page import pair_again
from .repairs import assert_only_repair, repairs
from .test_bluetooth_in_an_outage import lock_of
from .test_repairs import registered

type Kind = Callable[[Car, Callable[[], float]], SpoofedDevice]

STRANGERS: dict[str, Kind] = {
    "broadcasts": broadcasting_device,
    "own key pair": spoofed_vehicle,
    "not on the list": rejecting_device,
}


@pytest.fixture
async def near(
    hass: HomeAssistant,
    enable_bluetooth: None,
    simulator: Simulator,
    home: HomeUnderTest,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[NearVehicle]:
    # Times of advertisements use the movable clock, too.
    for name in (
        "custom_components.keycard.bluetooth.scanner.MONOTONIC_TIME",
        "harness.bluetooth_proxy.monotonic_time_coarse",
    ):
        monkeypatch.setattr(name, home.clock.monotonic)
    simulator.bluetooth.set_link_conditions(LinkConditions(latency=0.0, connect=0.0))
    near = await add_near_vehicle(hass, simulator)
    near.proxy.connect_timeout = 5.0
    yield near
    near.proxy.remove()


async def replace_car(
    home: HomeUnderTest, near: NearVehicle, kind: Kind
) -> SpoofedDevice:
    """Replace the unlocked car by a spoofed device that claims to be locked."""
    near.car.locked = False
    stranger = kind(near.car, home.clock.time)
    stranger.car.locked = True
    home.simulator.set("car.Ada", "gone")
    await home.run(130)
    home.simulator.bluetooth.add_spoofed_device(stranger)
    return stranger


@pytest.mark.parametrize("kind", STRANGERS.values(), ids=STRANGERS)
async def test_a_stranger_changes_no_state_and_confirms_no_command(
    home: HomeUnderTest, near: NearVehicle, watching_entry: MockConfigEntry, kind: Kind
) -> None:
    near.car.locked = False
    entry = await home.set_up_operational(with_paired_vehicle(watching_entry, near.car))
    lock = lock_of(home, entry)
    assert home.states()[lock] == "unlocked"
    stranger = await replace_car(home, near, kind)
    for _ in range(3):
        await home.run(130)
        assert home.states()[lock] in {"unlocked", "unknown"}
        error = await home.perform("lock", lock)
        assert error is not None
        assert_explained(error)
        assert home.states()[lock] in {"unlocked", "unknown"}
    assert stranger.car.executed["door_lock"] == 0


@pytest.mark.parametrize("kind", STRANGERS.values(), ids=STRANGERS)
async def test_a_stranger_leaves_the_lock_to_the_cloud(
    home: HomeUnderTest,
    near: NearVehicle,
    compatible_entry: MockConfigEntry,
    kind: Kind,
) -> None:
    """While the cloud works, Bluetooth comes first, too."""
    entry = await home.set_up_operational(
        with_paired_vehicle(compatible_entry, near.car)
    )
    assert status_of(entry) == "operational"
    await replace_car(home, near, kind)
    await home.run(10)
    assert await home.perform("lock") is None
    assert near.car.locked
    assert near.car.executed["door_lock"] == 1
    assert home.simulator.usage.count("door_lock") == 1


async def test_a_single_fault_of_a_spoofed_device_does_not_disable_bluetooth(
    home: HomeUnderTest, near: NearVehicle, watching_entry: MockConfigEntry
) -> None:
    """The fault "not on the whitelist" cannot be sealed: it only ends the attempt."""
    entry = await home.set_up_operational(with_paired_vehicle(watching_entry, near.car))
    await replace_car(home, near, rejecting_device)
    error = await home.perform("lock", lock_of(home, entry))
    assert error is not None
    assert error.translation_key == "bluetooth_key_not_paired"
    # Nor do a few within minutes.
    await home.run(400)
    assert repairs(home) == {}
    home.simulator.bluetooth.spoofed_devices.clear()
    home.simulator.set("car.Ada", "near")
    await home.run(130)
    assert await home.perform("lock", lock_of(home, entry)) is None
    assert near.car.locked


# What is said of it


async def test_a_repair_says_that_something_pretends_to_be_the_car(
    home: HomeUnderTest, near: NearVehicle, watching_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(with_paired_vehicle(watching_entry, near.car))
    lock = lock_of(home, entry)
    await replace_car(home, near, spoofed_vehicle)
    error = await home.perform("lock", lock)
    assert error is not None
    assert error.translation_key == "bluetooth_stranger"
    await home.until(lambda: "bluetooth_stranger" in repairs(home), 130)
    assert_only_repair(home, entry, "bluetooth_stranger")
    # The repair is deleted an hour after the car has authenticated again.
    home.simulator.bluetooth.spoofed_devices.clear()
    home.simulator.set("car.Ada", "near")
    await home.run(130)
    assert await home.perform("lock", lock) is None
    await home.run(60)
    assert "bluetooth_stranger" in repairs(home)
    await home.until(lambda: not repairs(home), 3700)


async def test_a_stranger_next_to_the_car_is_passed_over(
    home: HomeUnderTest, near: NearVehicle, watching_entry: MockConfigEntry
) -> None:
    """Both advertise the name; the spoofed device is nearer and received first."""
    stranger = spoofed_vehicle(near.car, home.clock.time)
    stranger.car.locked = False
    home.simulator.set("car.Ada", "gone")
    home.simulator.bluetooth.add_spoofed_device(stranger)
    entry = await home.set_up_operational(
        with_paired_vehicle(watching_entry, near.car, address=None)
    )
    lock = lock_of(home, entry)
    assert home.states()[lock] == "unknown"
    home.simulator.set("car.Ada", "near")
    await home.until(lambda: home.states()[lock] == "locked", 300)
    assert await home.perform("unlock", lock) is None
    assert near.car.executed["door_unlock"] == 1
    assert stranger.car.executed["door_unlock"] == 0
    # A device that appears later does not replace the car, either.
    later = spoofed_vehicle(near.car, home.clock.time)
    later.address = "C0:FF:EE:00:00:02"
    home.simulator.bluetooth.add_spoofed_device(later)
    await home.run(10)
    assert await home.perform("lock", lock) is None
    assert near.car.executed["door_lock"] == 1
    assert later.car.executed["door_lock"] == 0


async def test_old_answers_are_no_answers(
    home: HomeUnderTest, near: NearVehicle, watching_entry: MockConfigEntry
) -> None:
    car = near.car
    recorder = RecordingRelay(home.simulator.computers["Ada"])
    home.simulator.bluetooth.relays["Ada"] = recorder
    entry = await home.set_up_operational(with_paired_vehicle(watching_entry, car))
    lock = lock_of(home, entry)
    assert await home.perform("unlock", lock) is None
    assert await home.perform("lock", lock) is None
    broadcast = home.simulator.computers["Ada"].broadcast()
    assert await home.perform("unlock", lock) is None
    replayer = ReplayingDevice(
        recorder.recorded, lambda: broadcast, Whitelist(home.clock.time)
    )
    home.simulator.bluetooth.relays["Ada"] = replayer
    executed = car.executed["door_lock"]
    for _ in range(2):
        error = await home.perform("lock", lock)
        assert error is not None
        assert_explained(error)
        await home.run(130)
        assert home.states()[lock] == "unlocked"
    assert replayer.replayed
    assert car.executed["door_lock"] == executed


# Open and sealed answers


async def test_an_open_status_of_a_car_that_never_seals_counts(
    home: HomeUnderTest, near: NearVehicle, watching_entry: MockConfigEntry
) -> None:
    computers = home.simulator.computers["Ada"]
    computers.seals_status = False
    entry = await home.set_up_operational(with_paired_vehicle(watching_entry, near.car))
    lock = lock_of(home, entry)
    assert home.states()[lock] == "locked"
    assert await home.perform("unlock", lock) is None
    assert home.states()[lock] == "unlocked"
    assert repairs(home) == {}


async def test_a_car_that_stops_to_seal_is_said_so_and_paired_again(
    home: HomeUnderTest, near: NearVehicle, watching_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(with_paired_vehicle(watching_entry, near.car))
    lock = lock_of(home, entry)
    assert home.states()[lock] == "locked"
    home.simulator.computers["Ada"].seals_status = False
    near.car.locked = False
    await home.until(lambda: "bluetooth_unsealed" in repairs(home), 600)
    assert_only_repair(home, entry, "bluetooth_unsealed")
    assert home.states()[lock] in {"locked", "unknown"}
    # The sealed confirmation of a command still counts.
    assert await home.perform("unlock", lock) is None
    page = await pair_again(home, entry)
    await page.fill()
    await page.wait_until_done()
    assert page.aborts("paired_again")
    await home.run(130)
    assert repairs(home) == {}
    near.car.locked = True
    await home.until(lambda: home.states()[lock] == "locked", 300)


def limit_of(home: HomeUnderTest, entry: MockConfigEntry) -> str:
    """Return the charge limit of a car without an account."""
    [limit] = [
        one.entity_id
        for one in er.async_entries_for_config_entry(
            er.async_get(home.hass), entry.entry_id
        )
        if one.domain == "number" and one.unique_id.endswith("_charge_limit")
    ]
    return limit


async def test_open_answers_of_an_infotainment_that_never_seals_count(
    home: HomeUnderTest, near: NearVehicle, watching_entry: MockConfigEntry
) -> None:
    home.simulator.computers["Ada"].seals_infotainment = False
    near.car.charge_limit = 70
    entry = await home.set_up_operational(with_paired_vehicle(watching_entry, near.car))
    limit = limit_of(home, entry)
    assert home.states()[limit] == "70"
    error = await home.perform("set_value", limit, value=60)
    assert error is None
    assert near.car.charge_limit == 60
    assert home.states()[limit] == "60"
    assert repairs(home) == {}


async def test_an_infotainment_that_stops_to_seal_is_said_so_and_paired_again(
    home: HomeUnderTest, near: NearVehicle, watching_entry: MockConfigEntry
) -> None:
    near.car.charge_limit = 70
    entry = await home.set_up_operational(with_paired_vehicle(watching_entry, near.car))
    lock, limit = lock_of(home, entry), limit_of(home, entry)
    assert home.states()[limit] == "70"
    home.simulator.computers["Ada"].seals_infotainment = False
    near.car.charge_limit, near.car.locked = 60, False
    await home.until(lambda: "bluetooth_unsealed" in repairs(home), 1800)
    assert_only_repair(home, entry, "bluetooth_unsealed")
    # The locks' computer seals as before, and is believed.
    assert home.states()[lock] == "unlocked"
    assert home.states()[limit] in {"70", "unknown"}
    error = await home.perform("set_value", limit, value=80)
    assert error is not None
    assert_explained(error)
    assert home.states()[limit] in {"70", "unknown"}
    page = await pair_again(home, entry)
    await page.fill()
    await page.wait_until_done()
    assert page.aborts("paired_again")
    await home.until(lambda: repairs(home) == {}, 300)
    shown = f"{near.car.charge_limit:.0f}"
    await home.until(lambda: home.states()[limit] == shown, 1800)


# Provisional


def unconfirmed(entry: MockConfigEntry, car: Car) -> MockConfigEntry:
    """Return an entry with a car paired before keys of cars were stored."""
    return with_paired_vehicle(entry, car, computers=None)


async def press(
    home: HomeUnderTest, action: str, entity_id: str, person: MockUser
) -> HomeAssistantError | None:
    """Perform an action as a signed-in user."""
    call = home.hass.services.async_call(
        "lock",
        action,
        {"entity_id": entity_id},
        blocking=True,
        context=Context(user_id=person.id),
    )
    try:
        await home.run_task(call)
    except HomeAssistantError as err:
        return err
    return None


async def test_first_seen_keys_are_provisional_until_paired_again(
    home: HomeUnderTest,
    near: NearVehicle,
    watching_entry: MockConfigEntry,
    hass_admin_user: MockUser,
) -> None:
    entry = await home.set_up_operational(unconfirmed(watching_entry, near.car))
    lock = lock_of(home, entry)

    def is_provisional() -> bool:
        state = home.hass.states.get(lock)
        assert state is not None
        return bool(state.attributes.get("provisional"))

    assert home.states()[lock] == "locked"
    assert is_provisional()
    assert_only_repair(home, entry, "bluetooth_provisional")
    error = await home.perform("unlock", lock)
    assert error is not None
    assert error.translation_key == "bluetooth_provisional"
    assert_explained(error)
    assert near.car.executed["door_unlock"] == 0
    assert await press(home, "unlock", lock, hass_admin_user) is None
    assert near.car.executed["door_unlock"] == 1
    # The first key is kept: a device with another key is rejected.
    await home.restart(entry)
    await replace_car(home, near, spoofed_vehicle)
    error = await press(home, "lock", lock, hass_admin_user)
    assert error is not None
    assert error.translation_key == "bluetooth_stranger"
    home.simulator.bluetooth.spoofed_devices.clear()
    home.simulator.set("car.Ada", "near")
    await home.run(130)
    page = await pair_again(home, entry)
    await page.fill()
    await page.wait_until_done()
    assert page.aborts("paired_again")
    await home.run(130)
    assert not is_provisional()
    assert repairs(home) == {}
    assert await home.perform("lock", lock) is None
    assert near.car.locked


async def test_session_info_through_the_cloud_settles_and_contradicts(
    home: HomeUnderTest,
    near: NearVehicle,
) -> None:
    signing = await registered(home)
    for name in home.simulator.cars:
        home.simulator.set_signing(name, "required")
    home.simulator.pair("Ada", await async_get_signing_key(home.hass))
    entry = await home.set_up_operational(unconfirmed(signing, near.car))
    trust = car_of(entry, "Ada").vehicle.trust
    home.simulator.set("car.Ada", "gone")
    await home.run(130)
    assert await home.perform("unlock") is None
    assert home.simulator.usage.count("signed_command")
    key = trust.keys.vehicle_security
    assert key is not None
    assert key.point == public_keys(near.car.vin)["vehicle_security"]
    assert key.source is KeySource.CLOUD
    await home.restart(entry)
    assert car_of(entry, "Ada").vehicle.trust.keys.vehicle_security == key
    home.simulator.bluetooth.add_spoofed_device(
        spoofed_vehicle(near.car, home.clock.time)
    )
    page = await pair_again(home, entry)
    await page.fill()
    await page.wait_until_done()
    assert page.shows("pair", "stranger")


# No passive key


async def test_requests_for_authentication_are_not_answered(
    home: HomeUnderTest,
    near: NearVehicle,
    watching_entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Home Assistant never becomes a passive key, however often the car asks."""
    said: list[str] = []
    answer = vcsec.answer

    def listen(*args: Any, **kwargs: Any) -> bytes:
        said.append(str(UnsignedMessage.FromString(args[2]).WhichOneof("sub_message")))
        return answer(*args, **kwargs)

    monkeypatch.setattr(vcsec, "answer", listen)
    recorder = RecordingRelay(home.simulator.computers["Ada"])
    home.simulator.bluetooth.relays["Ada"] = recorder
    reads = [
        FromVCSECMessage.FromString(payload).HasField("authenticationRequest")
        for payload in vcsec.UNSOLICITED_PAYLOADS
    ]
    assert any(reads)
    entry = await home.set_up_operational(with_paired_vehicle(watching_entry, near.car))
    assert await home.perform("unlock", lock_of(home, entry)) is None
    await home.run(600)
    assert set(said) == {"InformationRequest", "RKEAction"}
    assert recorder.unsigned == {"session_info_request"}
