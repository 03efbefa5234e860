"""Tests of every command over both transports, to awake and sleeping vehicles."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any, override

import aiohttp
from bleak.backends.device import BLEDevice
from cryptography.hazmat.primitives.asymmetric import ec
import pytest
from pytest import Subtests  # noqa: PT013 - the fixture's type has no other home

from custom_components.keycard.transport.bluetooth import BluetoothClient
from custom_components.keycard.transport.cloud import FleetClient
from custom_components.keycard.transport.http import RecordingMiddleware
from custom_components.keycard.transport.key_pair import PrivateKey
from custom_components.keycard.vehicle.commands import COMMANDS, Command, command_call
from custom_components.keycard.vehicle.computer_keys import ComputerTrust
from simulator import Simulator
from simulator.bluetooth import LinkConditions, device_address
from simulator.protocol import Confirmation, Role
from simulator.scenarios.scenario import CarSpec, Home
from simulator.vehicle.car import Car

from .bluetooth import connector

HOME = Home(region="eu", cars=(CarSpec(name="Ada", model="models", year=2023),))

pytestmark = pytest.mark.usefixtures("socket_enabled", "fast_waking")


@dataclass(frozen=True, kw_only=True)
class Case:
    """Command with its parameters, and the command that the vehicle executes."""

    command: Command
    params: dict[str, Any]
    executed: str

    @override
    def __str__(self) -> str:
        """Return the name of the test."""
        return "-".join([self.command, *(str(one) for one in self.params.values())])


def case(command: Command, executed: str, **params: Any) -> Case:
    return Case(command=command, params=params, executed=executed)


DEEDS = [
    case(Command.LOCK, "door_lock"),
    case(Command.UNLOCK, "door_unlock"),
    case(Command.CLIMATE_ON, "auto_conditioning_start"),
    case(Command.CLIMATE_OFF, "auto_conditioning_stop"),
    case(Command.SET_TEMPS, "set_temps", driver_temp=21.0, passenger_temp=20.5),
    case(Command.KEEPER, "set_climate_keeper_mode", mode="dog"),
    case(Command.PRECONDITION_MAX, "set_preconditioning_max", on=True),
    case(Command.OVERHEAT, "set_cabin_overheat_protection", mode="fan_only"),
    case(Command.OVERHEAT_TEMP, "set_cop_temp", temp=35.0),
    case(Command.SEAT_HEATER, "remote_seat_heater_request", seat="left", level=2),
    case(Command.SEAT_COOLER, "remote_seat_cooler_request", seat="left", level=2),
    case(Command.WHEEL_HEATER, "remote_steering_wheel_heat_level_request", level=3),
    case(Command.WHEEL_HEATER_ON, "remote_steering_wheel_heater_request", on=True),
    case(Command.AUTO_SEAT, "remote_auto_seat_climate_request", seat="left", on=True),
    case(
        Command.AUTO_WHEEL,
        "remote_auto_steering_wheel_heat_climate_request",
        on=True,
    ),
    case(Command.BIOWEAPON, "set_bioweapon_mode", on=True),
    case(Command.WINDOWS, "window_control", open=True),
    case(Command.SUN_ROOF, "sun_roof_control", open=True),
    case(Command.FRONT_TRUNK, "actuate_trunk"),
    case(Command.REAR_TRUNK, "actuate_trunk", open=True),
    case(Command.PORT, "charge_port_door_open", open=True),
    case(Command.PORT, "charge_port_door_close", open=False),
    case(Command.CHARGE, "charge_start", on=True),
    case(Command.CHARGE, "charge_stop", on=False),
    case(Command.CHARGE_LIMIT, "set_charge_limit", percent=85.0),
    case(Command.CHARGE_AMPS, "set_charging_amps", amps=8.0),
    case(Command.SENTRY, "set_sentry_mode", on=True),
    case(Command.VALET, "set_valet_mode", on=True),
    case(Command.GUEST, "guest_mode", on=True),
    case(Command.PIN_TO_DRIVE, "set_pin_to_drive", on=True),
    case(Command.INSTALL_UPDATE, "schedule_software_update"),
    case(Command.FLASH, "flash_lights"),
    case(Command.HONK, "honk_horn"),
    case(Command.KEYLESS_DRIVING, "remote_start_drive"),
    case(Command.HOMELINK, "trigger_homelink", latitude=52.0, longitude=13.0),
    case(Command.WAKE, "wake_up"),
]


def test_every_command_is_tested() -> None:
    assert {one.command for one in DEEDS} == set(Command)


@pytest.fixture
def fast_waking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a vehicle wake at once, since a silent one costs time."""
    monkeypatch.setattr("simulator.vehicle.car.WAKE_SECONDS", 0.0)


@pytest.fixture
def key() -> PrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
async def world(key: PrivateKey) -> AsyncIterator[Simulator]:
    """Return a simulator whose ports are not opened."""
    world = Simulator(HOME)
    world.bluetooth.set_link_conditions(LinkConditions(latency=0.0, connect=0.0))
    world.pair("Ada", key, Role.OWNER)
    world.cars["Ada"].in_range = True
    yield world
    world.bluetooth.close()
    await asyncio.sleep(0)


@pytest.fixture
def ada(world: Simulator) -> Car:
    return world.cars["Ada"]


@pytest.fixture
async def bluetooth(
    world: Simulator, ada: Car, key: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[BluetoothClient]:
    monkeypatch.setattr(
        "tesla_fleet_api.tesla.vehicle.bluetooth.establish_connection",
        connector(world.bluetooth),
    )
    device = BLEDevice(device_address(ada.vin), None, None)
    link = BluetoothClient(ada.vin, key, lambda: device, ComputerTrust())
    yield link
    await link.close()


@pytest.fixture
async def cloud(world: Simulator, key: PrivateKey) -> AsyncIterator[FleetClient]:
    async with (
        world,
        aiohttp.ClientSession(middlewares=(RecordingMiddleware(),)) as session,
    ):

        async def token() -> str:
            return world.token

        yield FleetClient(session, world.urls["eu"], token, private_key=key)


def prepare(car: Car, command: Command, params: dict[str, Any]) -> None:
    """Prepare the car so that each command changes its state."""
    car.set_connectivity("online")
    car.executed.clear()
    car.climate_on = "heater" in command or "cooler" in command or "auto" in command
    car.available_update, car.drive_pin, car.sun_roof = "2026.40.1", "1234", "closed"
    car.config["has_seat_cooling"] = True
    if command is Command.CHARGE:
        car.plug()
        car.charging = not params["on"]
    elif command is Command.PORT:
        car.charge_port_open = not params["open"]


@pytest.mark.parametrize("asleep", [False, True], ids=["awake", "asleep"])
async def test_over_bluetooth(
    bluetooth: BluetoothClient, ada: Car, subtests: Subtests, asleep: bool
) -> None:
    for case in DEEDS:
        with subtests.test(case=str(case)):
            prepare(ada, case.command, case.params)
            if asleep:
                ada.set_connectivity("asleep")
            outcome = await bluetooth.command(command_call(case.command, **case.params))
            assert (outcome.done, outcome.known) == (True, True)
            assert ada.executed[case.executed] == 1


@pytest.mark.parametrize("asleep", [False, True], ids=["awake", "asleep"])
@pytest.mark.parametrize("signed", [False, True], ids=["plain", "signed"])
async def test_over_the_cloud(
    cloud: FleetClient, ada: Car, subtests: Subtests, signed: bool, asleep: bool
) -> None:
    for case in DEEDS:
        with subtests.test(case=str(case)):
            prepare(ada, case.command, case.params)
            send = partial(
                cloud.command,
                ada.vin,
                command_call(case.command, **case.params),
                signed=signed,
            )
            if asleep and case.command is not Command.WAKE:
                ada.set_connectivity("asleep")
                outcome = await send()
                assert (outcome.done, outcome.known) == (False, True)
                assert not ada.executed[case.executed]
                assert (await cloud.command(ada.vin, command_call(Command.WAKE))).done
            outcome = await send()
            assert (outcome.done, outcome.known) == (True, True)
            assert ada.executed[case.executed] == 1


@pytest.mark.parametrize("confirmation", Confirmation)
@pytest.mark.parametrize("over", ["cloud", "bluetooth"])
async def test_both_confirmations_of_the_locks(
    *,
    world: Simulator,
    cloud: FleetClient,
    bluetooth: BluetoothClient,
    ada: Car,
    subtests: Subtests,
    over: str,
    confirmation: Confirmation,
) -> None:
    world.computers["Ada"].confirmation = confirmation
    for case in DEEDS:
        if not COMMANDS[case.command].vehicle_security:
            continue
        with subtests.test(case=str(case)):
            prepare(ada, case.command, case.params)
            call = command_call(case.command, **case.params)
            outcome = await (
                cloud.command(ada.vin, call, signed=True)
                if over == "cloud"
                else bluetooth.command(call)
            )
            assert (outcome.done, outcome.known) == (True, True)
            assert ada.executed[case.executed] == 1
