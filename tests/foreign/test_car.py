"""Keycard's Bluetooth, with a car that others wrote.

Its answers are open, as those of cars with firmware before 2024.38 are, and it
confirms commands with its status.
"""

from collections.abc import AsyncIterator, Iterator

from bleak.backends.device import BLEDevice
from cryptography.hazmat.primitives.asymmetric import ec
import pytest

from custom_components.keycard.transport.bluetooth import BluetoothClient
from custom_components.keycard.vehicle.commands import Command, command_call
from custom_components.keycard.vehicle.computer_keys import ComputerTrust
from custom_components.keycard.vehicle.state import ConnectivityState
from simulator import Simulator
from simulator.bluetooth import LinkConditions, device_address

from ..simulator.conftest import HOME
from ..transport.bluetooth import connector
from .car import ForeignCar


@pytest.fixture
def world() -> Iterator[Simulator]:
    world = Simulator(HOME)
    world.bluetooth.set_link_conditions(LinkConditions(latency=0.0, connect=0.0))
    world.cars["Ada"].in_range = True
    yield world
    world.bluetooth.close()


@pytest.fixture
def car(world: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForeignCar]:
    car = ForeignCar(world.cars["Ada"].vin)
    monkeypatch.setitem(world.computers, "Ada", car)
    yield car
    car.stop()


@pytest.fixture
async def link(
    world: Simulator, car: ForeignCar, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[BluetoothClient]:
    monkeypatch.setattr(
        "tesla_fleet_api.tesla.vehicle.bluetooth.establish_connection",
        connector(world.bluetooth),
    )
    vin = world.cars["Ada"].vin
    device = BLEDevice(device_address(vin), None, None)
    key = ec.generate_private_key(ec.SECP256R1())
    link = BluetoothClient(vin, key, lambda: device, ComputerTrust())
    yield link
    await link.close()


@pytest.mark.parametrize(
    ("command", "locked"), [(Command.UNLOCK, False), (Command.LOCK, True)]
)
async def test_it_is_locked_and_unlocked(
    link: BluetoothClient, car: ForeignCar, command: Command, locked: bool
) -> None:
    car.set("locked", not locked)
    outcome = await link.command(command_call(command))
    assert (outcome.done, outcome.confirmed) == (True, True)
    told = await link.poll(lambda values: False)
    assert told.values["locked"] is locked


async def test_its_status_is_read(link: BluetoothClient, car: ForeignCar) -> None:
    car.set("door_open", "front_driver", True)
    car.set("sleeping", True)
    told = await link.poll(lambda values: True)
    assert told.error is None
    assert told.values["locked"] is True
    assert told.values["presence"] is ConnectivityState.ASLEEP
