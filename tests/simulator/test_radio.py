"""Cars on the air: who is heard, who gets through, and what goes wrong."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

from cryptography.hazmat.primitives.asymmetric import ec
import pytest
from tesla_protocol.command.keys_pb2 import Role as RoleNumber

from simulator import Simulator
from simulator.cars import Car
from simulator.protocol import PairingState, Role
from simulator.radio import Air

from .aired import Aired
from .conftest import HOME
from .signing import a_key

DRIVER = RoleNumber.ROLE_DRIVER


class Sleeper:
    """Sleeps no longer than it takes to let others run, or until it is woken."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.awake = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        if seconds < 1:
            await asyncio.sleep(0)
        else:
            await self.awake.wait()


async def a_moment() -> None:
    """Let everything come to rest that waits for nothing."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def sleep() -> Sleeper:
    return Sleeper()


@pytest.fixture
async def world(sleep: Sleeper) -> AsyncIterator[Simulator]:
    """Return a world whose ports stay shut."""
    simulator = Simulator(HOME)
    simulator.air.sleep = sleep
    simulator.air.chance = Random(1)
    yield simulator
    simulator.air.close()
    await asyncio.sleep(0)


@pytest.fixture
def air(world: Simulator) -> Air:
    return world.air


@pytest.fixture
def ada(world: Simulator) -> Car:
    ada = world.cars["Ada"]
    ada.near = True
    return ada


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return a_key()


@pytest.fixture
def stranger(air: Air, ada: Car, key: ec.EllipticCurvePrivateKey) -> Aired:
    return Aired(air, ada, key)


@pytest.fixture
def driver(world: Simulator, stranger: Aired, key: ec.EllipticCurvePrivateKey) -> Aired:
    world.pair("Ada", key, Role.DRIVER)
    return stranger


async def test_pairing_waits_for_the_card(
    world: Simulator, stranger: Aired, key: ec.EllipticCurvePrivateKey
) -> None:
    await stranger.pair(DRIVER)
    # The library takes the car's "wait" for a yes.
    assert world.computers["Ada"].whitelist.role_of(key) is None
    assert world.tap("Ada") is PairingState.ADDED
    await stranger.door_unlock()
    assert not world.cars["Ada"].locked


async def test_the_library_pairs_with_a_car_that_does_not_tell_that_it_waits(
    world: Simulator, stranger: Aired, key: ec.EllipticCurvePrivateKey
) -> None:
    computers = world.computers["Ada"]
    computers.tells_wait = False
    pairing = asyncio.create_task(stranger.pair(DRIVER))
    await a_moment()
    assert computers.whitelist.pairing is PairingState.WAITING
    assert not pairing.done()
    world.tap("Ada")
    await pairing
    assert computers.whitelist.role_of(key) is Role.DRIVER
