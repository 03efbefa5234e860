"""An independent client with a simulated car."""

import asyncio
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import pytest

from simulator import Simulator
from simulator.bluetooth import LinkConditions, device_address
from simulator.protocol import Confirmation, PairingState, Role, VehicleComputers
from simulator.vehicle.car import Car

from ..simulator.conftest import HOME
from .client import TIMEOUT, ForeignClient

# The client's own timeout is much longer than the simulated car needs.
pytestmark = pytest.mark.usefixtures("fast_waking")
NOT_PAIRED = "not on whitelist"


@pytest.fixture
def fast_waking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.vehicle.car.WAKE_SECONDS", 0.05)


@pytest.fixture
async def world() -> AsyncIterator[Simulator]:
    simulator = Simulator(HOME)
    simulator.bluetooth.set_link_conditions(LinkConditions(latency=0.0, connect=0.0))
    simulator.bluetooth.random = Random(1)
    yield simulator
    simulator.bluetooth.close()
    await asyncio.sleep(0)


@pytest.fixture
def ada(world: Simulator) -> Car:
    ada = world.cars["Ada"]
    ada.in_range = True
    return ada


@pytest.fixture
def computers(world: Simulator) -> VehicleComputers:
    """Return the computers of a car that confirms with its status.

    The client does not accept an empty payload and sends the command again.
    """
    computers = world.computers["Ada"]
    computers.confirmation = Confirmation.STATUS
    return computers


@pytest.fixture
async def client(
    world: Simulator, ada: Car, computers: VehicleComputers
) -> AsyncIterator[ForeignClient]:
    line = await world.bluetooth.connect(device_address(ada.vin))
    client = await ForeignClient.start(line, ada.vin)
    assert await client.call("regenerate_key") is None
    yield client
    await client.stop()


@pytest.fixture
def requested(
    computers: VehicleComputers, monkeypatch: pytest.MonkeyPatch
) -> asyncio.Event:
    """Return whether the car waits for a keycard."""
    requested = asyncio.Event()
    original_request = computers.whitelist.request_add

    def ask_and_tell(*args: Any) -> None:
        original_request(*args)
        requested.set()

    monkeypatch.setattr(computers.whitelist, "request_add", ask_and_tell)
    return requested


@pytest.fixture
async def paired(
    client: ForeignClient, computers: VehicleComputers, requested: asyncio.Event
) -> ForeignClient:
    """Return a client whose key was added with a keycard."""
    pairing = client.start_call("pair", "role.DRIVER")
    async with asyncio.timeout(TIMEOUT):
        await requested.wait()
        assert computers.whitelist.tap_card() is PairingState.ADDED
        assert await pairing is None
    return client


async def test_it_is_refused_without_a_key(client: ForeignClient, ada: Car) -> None:
    for call, args in (("unlock", ()), ("set_climate", (True,))):
        error = await client.call(call, *args)
        assert error is not None
        assert NOT_PAIRED in error
    assert not ada.executed


async def test_it_pairs_and_commands(
    paired: ForeignClient, computers: VehicleComputers, ada: Car
) -> None:
    [entry] = computers.whitelist.entries
    assert entry.role is Role.DRIVER
    ada.plug()
    done: dict[str, tuple[tuple[object, ...], Callable[[], bool]]] = {
        "unlock": ((), lambda: not ada.locked),
        "lock": ((), lambda: ada.locked),
        "open_charge_port": ((), lambda: ada.charge_port_open),
        "set_climate": ((True,), lambda: ada.climate_on),
        "set_climate_temp": ((21.5,), lambda: ada.driver_temp == 21.5),
        "set_charging_limit": ((70,), lambda: ada.charge_limit == 70),
        "set_charging_amps": ((8,), lambda: ada.charge_amps == 8),
        "set_sentry_mode": ((True,), lambda: ada.sentry_mode),
        "vent_windows": ((), lambda: set(ada.windows.values()) == {1}),
        "set_seat_heater": (("seat.FRONT_LEFT", 2), lambda: ada.seat_heaters[0] == 2),
        "flash_lights": ((), lambda: True),
    }
    for call, (args, outcome) in done.items():
        assert await paired.call(call, *args) is None, call
        assert outcome(), call
    # Each ran once: none was sent again.
    assert set(ada.executed.values()) == {1}
    assert len(ada.executed) == len(done)


async def test_it_polls_every_state(
    paired: ForeignClient, computers: VehicleComputers, ada: Car
) -> None:
    ada.doors["df"] = True
    polls = {
        "vcsec_poll": "vehicle_status",
        "charge_state_poll": "charge_state",
        "climate_state_poll": "climate_state",
        "drive_state_poll": "drive_state",
        "closures_state_poll": "closures_state",
        "tire_pressure_poll": "tire_pressure_state",
        "software_update_poll": "software_update_state",
        "media_state_poll": "media_state",
    }
    for poll, state in polls.items():
        paired.send(poll)
        await paired.wait_for_state(state)
    assert all(success for _, success in paired.polls)
    read_states = paired.states
    assert read_states["vehicle_status"]["locked"] is True
    assert read_states["vehicle_status"]["closures"]["front_driver_door"] == "open"
    assert read_states["charge_state"]["battery_level"] == round(ada.battery_level)
    assert read_states["climate_state"]["is_climate_on"] is False
    assert read_states["drive_state"]["shift_state"] == "P"
    assert read_states["closures_state"]["door_open_driver_front"] is True
    assert read_states["media_state"]["remote_control_enabled"] is True
    assert read_states["tire_pressure_state"]["tpms_pressure_fl"] == pytest.approx(
        2.775
    )


async def test_it_recovers_a_session(
    paired: ForeignClient, computers: VehicleComputers, ada: Car
) -> None:
    assert await paired.call("unlock") is None
    assert await paired.call("set_climate", True) is None
    computers.restart()
    assert await paired.call("lock") is None
    assert await paired.call("set_climate", False) is None
    assert set(ada.executed.values()) == {1}


async def test_it_wakes_the_car(
    paired: ForeignClient, computers: VehicleComputers, ada: Car
) -> None:
    ada.set_connectivity("asleep")
    assert await paired.call("unlock") is None
    assert ada.connectivity == "asleep"
    assert await paired.call("set_climate", True) is None
    assert ada.executed["auto_conditioning_start"] == 1
