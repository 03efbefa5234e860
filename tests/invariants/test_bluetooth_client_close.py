"""A closed Bluetooth client releases its connection, whatever is in progress."""

import asyncio

import pytest

from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.transport.bluetooth import BluetoothClient
from custom_components.keycard.transport.result import BluetoothError
from custom_components.keycard.vehicle.commands import Command, command_call
from simulator.bluetooth import LinkConditions
from tests.conftest import car_of

from .home import HomeUnderTest, assert_explained
from .paired_vehicle import NearVehicle, with_paired_vehicle
from .pairing_page import pair_again


@pytest.fixture
async def link(
    home: HomeUnderTest, watching_entry: MockConfigEntry, near: NearVehicle
) -> BluetoothClient:
    entry = await home.set_up_operational(with_paired_vehicle(watching_entry, near.car))
    local = entry.runtime_data.vehicles[near.car.vin].bluetooth
    assert local is not None
    link: BluetoothClient = local.client
    return link


def lines(near: NearVehicle) -> int:
    return near.simulator.bluetooth.statistics(near.car).open


async def close(link: BluetoothClient, near: NearVehicle) -> int:
    """Close a client and return the number of connections of the car."""
    await link.close()
    return lines(near)


async def until_connected(home: HomeUnderTest, near: NearVehicle) -> None:
    await home.until(lambda: lines(near) == 1, 30)


@pytest.mark.parametrize("slow", [0.2, 60.0])
async def test_a_look_under_way(
    home: HomeUnderTest, link: BluetoothClient, near: NearVehicle, slow: float
) -> None:
    near.simulator.bluetooth.set_link_conditions(LinkConditions(slow=slow))
    look = asyncio.create_task(link.poll(lambda _values: True))
    await until_connected(home, near)
    assert await home.run_task(close(link, near)) == 0
    assert near.proxy.free == near.proxy.slots
    assert (await look).dropped


async def test_a_command_that_ends_in_a_moment_ends(
    home: HomeUnderTest, link: BluetoothClient, near: NearVehicle
) -> None:
    near.simulator.bluetooth.set_link_conditions(LinkConditions(slow=0.2))
    command = asyncio.create_task(link.command(command_call(Command.UNLOCK)))
    await until_connected(home, near)
    assert await home.run_task(close(link, near)) == 0
    assert (await command).done
    assert near.car.executed["door_unlock"] == 1


async def test_a_command_that_would_last(
    home: HomeUnderTest, link: BluetoothClient, near: NearVehicle
) -> None:
    near.simulator.bluetooth.set_link_conditions(LinkConditions(slow=60.0))
    commands = [
        asyncio.create_task(link.command(command_call(Command.UNLOCK)))
        for _ in range(3)
    ]
    await until_connected(home, near)
    began = home.clock.monotonic()
    await home.run_task(link.close())
    assert home.clock.monotonic() - began < 10
    assert lines(near) == 0
    await home.run(120)
    assert lines(near) == 0
    outcomes = [await one for one in commands]
    assert not any(outcome.done for outcome in outcomes)
    assert outcomes[-1].error is BluetoothError.NO_CONNECTION


async def test_nothing_connects_afterwards(
    home: HomeUnderTest, link: BluetoothClient, near: NearVehicle
) -> None:
    await home.run_task(link.close())
    before = near.simulator.bluetooth.statistics(near.car).connections
    outcome = await home.run_task(link.command(command_call(Command.UNLOCK)))
    assert outcome.error is BluetoothError.NO_CONNECTION
    polled = await home.run_task(link.poll(lambda _values: True))
    assert polled.error is BluetoothError.NO_CONNECTION
    assert near.simulator.bluetooth.statistics(near.car).connections == before


async def test_a_car_that_is_being_paired(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, near: NearVehicle
) -> None:
    """The cloud takes the commands; Bluetooth reports why it cannot."""
    entry = await home.set_up_operational(
        with_paired_vehicle(compatible_entry, near.car)
    )
    whitelist = near.simulator.computers["Ada"].whitelist
    whitelist.remove(whitelist.entries[0].point)
    near.simulator.computers["Ada"].restart()
    page = await pair_again(home, entry)
    await page.fill()
    await page.wait_for_card_request("Ada")
    began = home.clock.monotonic()
    assert await home.perform("unlock") is None
    assert home.clock.monotonic() - began < 2
    assert home.simulator.usage.count("door_unlock") == 1
    local = car_of(entry, "Ada").bluetooth
    assert local is not None
    outcome = await local.client.command(command_call(Command.LOCK))
    assert outcome.error is BluetoothError.PAIRING
    assert await home.run_task(close(local.client, near)) == 0
    await page.wait_until_done()
    assert page.shows("pair")


async def test_a_command_during_pairing_explains_its_failure(
    home: HomeUnderTest, watching_entry: MockConfigEntry, near: NearVehicle
) -> None:
    entry = await home.set_up_operational(with_paired_vehicle(watching_entry, near.car))
    local = entry.runtime_data.vehicles[near.car.vin].bluetooth
    assert local is not None
    async with local.client.connection() as trouble:
        assert trouble is None
        locks = [one for one in home.states() if one.startswith("lock.")]
        (lock,) = (one for one in locks if "cable" not in one)
        error = await home.perform("unlock", lock)
    assert error is not None
    assert error.translation_key == "bluetooth_pairing"
    assert_explained(error)
