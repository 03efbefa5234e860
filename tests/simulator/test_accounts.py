"""Accounts: scopes, tokens, billing, and added or removed cars."""

from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from tesla_fleet_api import TeslaFleetApi
from tesla_fleet_api.exceptions import (
    Forbidden,
    NotFound,
    OAuthExpired,
    TeslaFleetError,
)
from tesla_fleet_api.tesla import VehicleFleet

from simulator import Simulator
from simulator.scenarios.scenario import CarSpec, Home

from .conftest import HOME, Clock

type Vehicle = VehicleFleet[TeslaFleetApi]

SCOPED: list[tuple[str, tuple[Any, ...], tuple[str, ...]]] = [
    ("vehicle", (), ("vehicle_cmds",)),
    ("vehicle_data", (), ("vehicle_cmds",)),
    ("vehicle_data", (["location_data"],), ("vehicle_device_data",)),
    ("door_lock", (), ("vehicle_device_data", "vehicle_charging_cmds")),
    ("charge_stop", (), ("vehicle_device_data", "vehicle_cmds")),
]


@pytest.mark.parametrize(("call", "arguments", "scopes"), SCOPED)
async def test_scopes_are_enforced(
    sim: Simulator,
    session: aiohttp.ClientSession,
    call: str,
    arguments: tuple[Any, ...],
    scopes: tuple[str, ...],
) -> None:
    token = sim.access_token(*scopes)
    fleet = TeslaFleetApi(session, token, server=sim.urls["na"])
    vehicle = fleet.vehicles.createFleet(sim.cars["Ada"].vin)
    with pytest.raises(Forbidden) as caught:
        await getattr(vehicle, call)(*arguments)
    assert isinstance(caught.value.data, dict)
    assert caught.value.data["error"] == "Unauthorized missing scopes"


async def test_tokens_expire_and_come_back(
    sim: Simulator, session: aiohttp.ClientSession, clock: Clock
) -> None:
    async def works(token: str) -> bool:
        try:
            await TeslaFleetApi(session, token, server=sim.urls["na"]).products()
        except OAuthExpired:
            return False
        return True

    short = sim.access_token("vehicle_device_data", lifetime=600)
    assert await works(short)
    clock.pass_minutes(11)
    assert not await works(short)
    assert await works(sim.token)
    sim.set_token("expired")
    assert not await works(sim.token)
    assert await works(sim.access_token("vehicle_device_data"))
    sim.set_token("ok")
    assert await works(sim.token)
    forged = [f"{sim.token}x", "a.b.c", "", "ä", sim.token.rpartition(".")[0]]
    assert [await works(token) for token in forged] == [False] * 5


async def test_billed_requests(
    sim: Simulator, fleet: TeslaFleetApi, ada: Vehicle, session: aiohttp.ClientSession
) -> None:
    async def billed(call: Any, condition: str = "ok") -> int:
        before = sim.usage.billed
        sim.set("na.api", condition)
        with suppress(aiohttp.ClientError, TeslaFleetError):
            await call()
        sim.set("na.api", "ok")
        return sim.usage.billed - before

    assert await billed(ada.vehicle_data) == 1
    assert await billed(ada.door_lock) == 1
    assert await billed(ada.wake_up) == 1
    assert await billed(ada.vehicle_data, "retry-after:60") == 1
    assert await billed(ada.vehicle_data, "503 x") == 0
    assert await billed(ada.door_lock, "refuse") == 0
    assert await billed(ada.vehicle_data, "portal") == 0
    for free in (fleet.status, fleet.products, ada.vehicle, fleet.user.region):
        assert await billed(free) == 0
    sim.set("car.Ada", "asleep")
    assert await billed(ada.vehicle_data) == 1
    assert sim.usage.count("vehicle_data") == 5
    assert sim.usage.count("na.products") == 1
    assert sim.usage.by_status["na.vehicle_data 408"] == 1
    assert sim.usage.billed + sim.usage.unbilled == sum(sim.usage.by_endpoint.values())


async def test_cars_come_and_go(sim: Simulator, fleet: TeslaFleetApi) -> None:
    async def names() -> list[str]:
        products = await fleet.products()
        return [one["display_name"] for one in products["response"]]

    added = sim.add_car(CarSpec(name="Di", model="cybertruck", year=2024))
    assert fleet.vehicles.createFleet(added.vin).model == "Cybertruck"
    assert await names() == ["Ada", "Bo", "Cy", "Di"]
    sim.remove_car("Bo")
    assert await names() == ["Ada", "Cy", "Di"]
    sim.add_product({"energy_site_id": 123, "display_name": "Roof"})
    assert await names() == ["Ada", "Cy", "Di", "Roof"]


async def test_two_homes_have_two_accounts(
    socket_enabled: None, session: aiohttp.ClientSession, clock: Clock
) -> None:
    there = Home(
        name="there",
        region="eu",
        cars=(CarSpec(name="Di", model="modelx", year=2018),),
        provider="proxy",
    )
    async with Simulator([HOME, there], get_time=clock) as sim:
        users = set()
        for home, region in (("home", "na"), ("there", "eu")):
            token = sim.tokens[home]
            client = TeslaFleetApi(session, token, server=sim.urls[region])
            through = TeslaFleetApi(session, token, server=sim.urls["proxy"])
            products = await client.products()
            assert products == await through.products()
            users |= {product["user_id"] for product in products["response"]}
        assert len(users) == 2
        sim.set_token("expired", "there")
        with pytest.raises(OAuthExpired):
            await TeslaFleetApi(
                session, sim.tokens["there"], server=sim.urls["eu"]
            ).products()
        here = TeslaFleetApi(session, sim.token, server=sim.urls["na"])
        assert (await here.products())["count"] == 3
        vin = sim.cars["Di"].vin
        with pytest.raises(NotFound):
            await here.vehicles.createFleet(vin).vehicle()
