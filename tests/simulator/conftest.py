"""Fixtures of a simulator with a manual clock, and its clients."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
from tesla_fleet_api import TeslaFleetApi
from tesla_fleet_api.tesla import VehicleFleet

from simulator import Simulator
from simulator.scenarios.scenario import CarSpec, Home

HOME = Home(
    region="na",
    cars=(
        CarSpec(name="Ada", model="model3", year=2021),
        CarSpec(name="Bo", model="modely", year=2022),
        CarSpec(name="Cy", model="models", year=2018),
    ),
)


@dataclass
class Clock:
    """A wall clock that only moves by `pass_minutes`."""

    now: float = 1_637_350_200.0

    def __call__(self) -> float:
        return self.now

    def pass_minutes(self, minutes: float) -> None:
        self.now += minutes * 60


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def sim(socket_enabled: None, clock: Clock) -> AsyncIterator[Simulator]:
    async with Simulator(HOME, get_time=clock) as simulator:
        yield simulator


@pytest.fixture
async def session(socket_enabled: None) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=timeout) as client:
        yield client


@pytest.fixture
def fleet(sim: Simulator, session: aiohttp.ClientSession) -> TeslaFleetApi:
    return TeslaFleetApi(session, sim.token, server=sim.urls["na"])


@pytest.fixture
def ada(sim: Simulator, fleet: TeslaFleetApi) -> VehicleFleet[TeslaFleetApi]:
    return fleet.vehicles.createFleet(sim.cars["Ada"].vin)
