"""Fixtures of a Bluetooth environment without open ports, and a client."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

from cryptography.hazmat.primitives.asymmetric import ec
import pytest

from simulator import Simulator
from simulator.bluetooth import BluetoothEnvironment
from simulator.protocol import Role
from simulator.vehicle.car import Car

from ..conftest import HOME
from ..signing_client import generate_key
from .library_client import LibraryClient


class ManualSleep:
    """A sleep that ends once other tasks have run, or when it is woken."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.awake = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        if seconds < 1:
            await asyncio.sleep(0)
        else:
            await self.awake.wait()


async def run_until_idle() -> None:
    """Run the event loop until it is idle."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def sleep() -> ManualSleep:
    return ManualSleep()


@pytest.fixture
async def world(sleep: ManualSleep) -> AsyncIterator[Simulator]:
    simulator = Simulator(HOME)
    simulator.bluetooth.sleep = sleep
    simulator.bluetooth.random = Random(1)
    yield simulator
    simulator.bluetooth.close()
    await asyncio.sleep(0)


@pytest.fixture
def air(world: Simulator) -> BluetoothEnvironment:
    return world.bluetooth


@pytest.fixture
def ada(world: Simulator) -> Car:
    ada = world.cars["Ada"]
    ada.in_range = True
    return ada


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return generate_key()


@pytest.fixture
def stranger(
    air: BluetoothEnvironment, ada: Car, key: ec.EllipticCurvePrivateKey
) -> LibraryClient:
    return LibraryClient(air, ada, key)


@pytest.fixture
def driver(
    world: Simulator, stranger: LibraryClient, key: ec.EllipticCurvePrivateKey
) -> LibraryClient:
    world.pair("Ada", key, Role.DRIVER)
    return stranger
