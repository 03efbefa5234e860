"""Keycard's Bluetooth client with an independent car.

Its answers are unsealed, as those of firmware before 2024.38, and it confirms commands
with its status.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from bleak.backends.device import BLEDevice
from cryptography.hazmat.primitives.asymmetric import ec
import pytest

from custom_components.keycard.transport.bluetooth import BluetoothClient
from custom_components.keycard.transport.bluetooth_pairing import PairingResult, pair
from custom_components.keycard.transport.result import CommandRejection
from custom_components.keycard.vehicle.commands import Command, command_call
from custom_components.keycard.vehicle.computer_keys import Computer, ComputerTrust
from custom_components.keycard.vehicle.state import ConnectivityState
from simulator import Simulator
from simulator.bluetooth import LinkConditions, device_address

from ..simulator.conftest import HOME
from ..transport.bluetooth import connector
from .car import ForeignCar
from .conftest import Drive

DATA = {
    "battery_level": 42,
    "charge_limit": 75,
    "climate_on": True,
    "front_driver_window_open": True,
}


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
    link: BluetoothClient, drive: Drive, car: ForeignCar, command: Command, locked: bool
) -> None:
    car.set("locked", not locked)
    outcome = await drive(link.command(command_call(command)))
    assert (outcome.done, outcome.known) == (True, True)
    polled = await drive(link.poll(lambda values: False))
    assert polled.values["locked"] is locked


async def test_its_status_is_read(
    link: BluetoothClient, drive: Drive, car: ForeignCar
) -> None:
    car.set("door_open", "front_driver", True)
    car.set("sleeping", True)
    polled = await drive(link.poll(lambda values: True))
    assert polled.error is None
    assert polled.values["locked"] is True
    assert polled.values["presence"] is ConnectivityState.ASLEEP


async def test_it_is_paired_and_then_opens(
    link: BluetoothClient, drive: Drive, car: ForeignCar
) -> None:
    """The car adds the key without a keycard."""
    car.set("paired", False)
    car.set("locked", True)
    outcome = await drive(link.command(command_call(Command.UNLOCK)))
    assert outcome.rejection is CommandRejection.KEY_NOT_PAIRED
    confirmations: list[bool] = []
    trust = ComputerTrust()
    paired = await drive(pair(link, lambda: confirmations.append(True), trust))
    assert paired is PairingResult.PAIRED
    assert confirmations == [True]
    assert all(trust.keys.get(computer) for computer in Computer)
    # The first command is confirmed like any other.
    outcome = await drive(link.command(command_call(Command.UNLOCK)))
    assert (outcome.done, outcome.known) == (True, True)
    paired = await drive(pair(link, lambda: confirmations.append(True), trust))
    assert paired is PairingResult.PAIRED
    assert confirmations == [True]


@pytest.mark.parametrize(
    ("command", "params", "wanted"),
    [
        (Command.CLIMATE_ON, {}, {"climate_on": True}),
        (
            Command.SET_TEMPS,
            {"driver_temp": 21.5, "passenger_temp": 21.5},
            {"target_temp": 21.5},
        ),
        (Command.CHARGE_LIMIT, {"percent": 70}, {"charge_limit": 70}),
        (Command.PORT, {"open": True}, {"port_open": True}),
        (Command.SENTRY, {"on": True}, {"sentry_mode": True}),
    ],
)
async def test_commands_are_executed_and_confirmed(
    link: BluetoothClient,
    drive: Drive,
    command: Command,
    params: Mapping[str, Any],
    wanted: Mapping[str, Any],
) -> None:
    """The unsealed answer confirms no command: the state requested afterwards does."""
    before = await drive(link.poll(lambda values: True))
    assert all(before.values.get(name) != value for name, value in wanted.items())
    outcome = await drive(link.command(command_call(command, **params)))
    assert (outcome.done, outcome.known) == (True, True)
    polled = await drive(link.poll(lambda values: True))
    assert {name: polled.values[name] for name in wanted} == wanted


async def test_its_data_are_read(
    link: BluetoothClient, drive: Drive, car: ForeignCar
) -> None:
    car.set("battery_level", 42)
    car.set("charge_limit", 75)
    car.set("climate_on", True)
    car.set("window_open", "driver_front", True)
    polled = await drive(link.poll(lambda values: True))
    assert polled.error is None
    found = {name: polled.values.get(name) for name in DATA}
    assert found == DATA


async def test_unsealed_data_are_ignored_after_sealed_ones(
    link: BluetoothClient, drive: Drive, car: ForeignCar
) -> None:
    car.set("battery_level", 42)
    link.vehicle.trust.record_answer(Computer.INFOTAINMENT, sealed=True)
    polled = await drive(link.poll(lambda values: True))
    assert polled.values["locked"] is True
    assert "battery_level" not in polled.values
    assert link.vehicle.trust.history.has_unsealed_answer
    outcome = await drive(link.command(command_call(Command.CHARGE_LIMIT, percent=70)))
    assert not outcome.known
