"""Teslemetry and Tessie, called by the library's clients."""

import base64
from collections.abc import Callable
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from tesla_fleet_api import Teslemetry, Tessie
from tesla_fleet_api.const import Method
from tesla_fleet_api.exceptions import (
    BadGateway,
    InsufficientCredits,
    InternalServerError,
    InvalidRequest,
    InvalidTeslemetryToken,
    InvalidTessieToken,
    MissingTeslemetryToken,
    MissingTessieToken,
    NotFound,
    OAuthExpired,
    RateLimited,
    ServiceUnavailable,
    SubscriptionRequired,
    TeslaFleetError,
    VehicleOffline,
    VehicleSubscriptionRequired,
)
from tesla_fleet_api.teslemetry import teslemetry as library

from simulator import Simulator
from simulator.cloud.services.tessie import COMMANDS
from simulator.vehicle.car import Car

from .conftest import Clock

REDIRECT = "https://home.invalid/auth/external/callback"


def challenge_of(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@pytest.fixture
def teslemetry(sim: Simulator, session: aiohttp.ClientSession) -> Teslemetry:
    return Teslemetry(session, sim.teslemetry_token(), sim.urls["teslemetry"])


@pytest.fixture
def tessie(sim: Simulator, session: aiohttp.ClientSession) -> Tessie:
    client = Tessie(session, sim.tessie_token())
    client.server = sim.urls["tessie"]
    return client


# Teslemetry


async def test_teslemetry_ping_and_metadata(
    sim: Simulator, teslemetry: Teslemetry
) -> None:
    assert await teslemetry.ping() == {"response": True}
    assert await teslemetry.test() == {"response": True}
    metadata = await teslemetry.metadata(update_region=False)
    assert metadata["region"] == "NA"
    assert metadata["uid"]
    assert "vehicle_cmds" in metadata["scopes"]
    ada = metadata["vehicles"][sim.cars["Ada"].vin]
    assert (ada["name"], ada["access"], ada["proxy"]) == ("Ada", True, True)
    assert metadata["vehicles"][sim.cars["Cy"].vin]["proxy"] is False
    assert sim.usage.count("teslemetry.metadata") == 1
    assert sim.usage.billed == 0


async def test_teslemetry_passes_on(sim: Simulator, teslemetry: Teslemetry) -> None:
    sim.set_signing("Ada", "required")
    ada = teslemetry.vehicles.create(sim.cars["Ada"].vin)
    products = (await teslemetry.products())["response"]
    assert [one["display_name"] for one in products] == ["Ada", "Bo", "Cy"]
    assert (await ada.vehicle_data())["response"]["charge_state"]["battery_level"] == 64
    # The third party signs the commands.
    assert (await ada.door_unlock())["response"]["result"]
    assert sim.cars["Ada"].executed == {"door_unlock": 1}
    assert sim.usage.count("teslemetry.door_unlock") == 1
    assert sim.usage.count("na.door_unlock") == 1
    # Data come from a cache at its own expense.
    assert sim.usage.billed == 1
    sim.set("car.Ada", "asleep")
    data = (await ada.vehicle_data())["response"]
    assert (data["state"], data["charge_state"]["battery_level"]) == ("asleep", 64)
    with pytest.raises(VehicleOffline):
        await ada.data_refresh()
    with pytest.raises(NotFound):
        await teslemetry._request(Method.GET, "api/nothing")


async def cached_at(car: Any) -> int:
    data = await car.vehicle_data()
    taken: int = data["response"]["charge_state"]["timestamp"]
    return taken // 1000


@pytest.mark.parametrize(
    ("car", "polled", "every"),
    [("Ada", False, None), ("Ada", True, 900.0), ("Cy", False, 90.0)],
)
async def test_teslemetry_renews_its_cache_at_its_own_pace(
    sim: Simulator,
    clock: Clock,
    teslemetry: Teslemetry,
    car: str,
    *,
    polled: bool,
    every: float | None,
) -> None:
    if polled:
        sim.teslemetry.non_streaming.add(car)
    cached_vehicle = teslemetry.vehicles.create(sim.cars[car].vin)
    first = await cached_at(cached_vehicle)
    clock.now += (every or 86400.0) - 1
    assert await cached_at(cached_vehicle) == first
    clock.now += 1
    # The first request gets the cached data, the next one the refreshed data.
    assert await cached_at(cached_vehicle) == first
    second = await cached_at(cached_vehicle)
    assert (second > first) is (every is not None)
    assert sim.usage.billed == 0
    metadata = await teslemetry.metadata(update_region=False)
    vehicle_metadata = metadata["vehicles"][sim.cars[car].vin]
    assert (vehicle_metadata["polling"], vehicle_metadata["discounted"]) == (
        every is not None,
        every == 90.0,
    )


async def test_teslemetry_renews_on_demand_for_credits(
    sim: Simulator, clock: Clock, teslemetry: Teslemetry
) -> None:
    sim.teslemetry.credits = 4.05
    ada = teslemetry.vehicles.create(sim.cars["Ada"].vin)
    cy = teslemetry.vehicles.create(sim.cars["Cy"].vin)
    first = await cached_at(ada)
    clock.now += 60
    renewed = (await ada.data_refresh())["response"]["charge_state"]["timestamp"]
    assert renewed // 1000 - first >= 60
    assert await cached_at(ada) == renewed // 1000
    assert sim.teslemetry.credits == pytest.approx(2.05)
    await cy.data_refresh()
    assert sim.teslemetry.credits == pytest.approx(1.95)
    assert sim.usage.billed == 2
    with pytest.raises(InsufficientCredits):
        await ada.data_refresh()
    # Cached data are free, commands are not.
    await ada.vehicle_data()
    assert (await ada.door_unlock())["response"]["result"]
    with pytest.raises(InsufficientCredits):
        await ada.door_lock()


async def test_a_cache_is_served_while_tesla_fails(
    sim: Simulator, clock: Clock, teslemetry: Teslemetry, tessie: Tessie
) -> None:
    for service in (teslemetry, tessie):
        cy = service.vehicles.create(sim.cars["Cy"].vin)
        first = await cached_at(cy)
        sim.set("na.api", "503 upstream connect error")
        clock.now += 200
        assert await cached_at(cy) == await cached_at(cy) == first
        sim.set("na.api", "ok")


async def test_tessie_keeps_the_data_of_a_car_that_falls_asleep(
    sim: Simulator, clock: Clock, tessie: Tessie
) -> None:
    ada = tessie.vehicles.create(sim.cars["Ada"].vin)
    first = await cached_at(ada)
    clock.now += 14
    assert await cached_at(ada) == first
    clock.now += 1
    second = await cached_at(ada)
    assert second - first >= 15
    sim.set("car.Ada", "asleep")
    clock.now += 3600
    assert await cached_at(ada) == second
    assert (await ada.vehicle_data())["response"]["state"] == "asleep"


async def test_teslemetrys_refusals(
    sim: Simulator, teslemetry: Teslemetry, session: aiohttp.ClientSession
) -> None:
    url = sim.urls["teslemetry"]
    for wrong, refusal in {
        "": MissingTeslemetryToken,
        "nonsense": InvalidTeslemetryToken,
        sim.token: InvalidTeslemetryToken,
        sim.tessie_token(): InvalidTeslemetryToken,
    }.items():
        with pytest.raises(refusal):
            await Teslemetry(session, wrong, url).products()
    sim.set_token("expired")
    with pytest.raises(InvalidTeslemetryToken):
        await teslemetry.products()
    sim.set_token("ok")
    await teslemetry.products()
    sim.teslemetry.without_access.add("Ada")
    ada = teslemetry.vehicles.create(sim.cars["Ada"].vin)
    with pytest.raises(VehicleSubscriptionRequired):
        await ada.door_unlock()
    metadata = await teslemetry.metadata(update_region=False)
    assert metadata["vehicles"][ada.vin]["access"] is False
    sim.set("teslemetry.api", '402 {"error":"subscription_required"}')
    with pytest.raises(SubscriptionRequired):
        await teslemetry.products()
    assert not sim.cars["Ada"].executed


FAILURES: list[tuple[str, type[BaseException]]] = [
    ('500 {"error":"upstream internal error"}', InternalServerError),
    ("503 upstream connect error", ServiceUnavailable),
    ("retry-after:60", RateLimited),
    ("401 no", OAuthExpired),
    ("refuse", BadGateway),
    ("timeout", BadGateway),
    ("reset", BadGateway),
]


@pytest.mark.parametrize(("condition", "error"), FAILURES)
async def test_third_parties_pass_on_errors_of_tesla(
    sim: Simulator,
    teslemetry: Teslemetry,
    tessie: Tessie,
    condition: str,
    error: type[BaseException],
) -> None:
    sim.set("na.api", condition)
    vin = sim.cars["Ada"].vin
    with pytest.raises(error):
        await teslemetry.products()
    with pytest.raises(error):
        await tessie.products()
    with pytest.raises(error):
        await tessie.vehicles.create(vin).lock()
    # Cached data are available nevertheless.
    assert (await tessie.vehicles.create(vin).state())["vin"] == vin
    assert (await teslemetry.metadata(update_region=False))["region"] == "NA"


async def test_they_fail_on_their_own(
    sim: Simulator, teslemetry: Teslemetry, tessie: Tessie
) -> None:
    sim.set("teslemetry.api", "502 <html>bad gateway</html>")
    sim.set("tessie.api", "refuse")
    with pytest.raises(BadGateway):
        await teslemetry.products()
    with pytest.raises(aiohttp.ClientError):
        await tessie.list_vehicles()
    assert sim.usage.count("na.products") == 0
    # Faults of the user's network do not affect third parties.
    sim.reset()
    sim.set("dns.tesla", "dns")
    assert (await teslemetry.products())["count"] == 3
    assert (await tessie.products())["count"] == 3


async def test_an_answer_of_theirs_is_cut_after_the_deed(
    sim: Simulator, teslemetry: Teslemetry, tessie: Tessie
) -> None:
    vin = sim.cars["Ada"].vin
    sim.set("teslemetry.api", "reset")
    with pytest.raises(aiohttp.ClientError):
        await teslemetry.vehicles.create(vin).door_unlock()
    sim.set("tessie.api", "garbage")
    with pytest.raises(ValueError, match="Expecting"):
        await tessie.vehicles.create(vin).lock()
    assert sim.cars["Ada"].executed == {"door_unlock": 1, "door_lock": 1}


async def connect(
    sim: Simulator, session: aiohttp.ClientSession, client: str, **more: str
) -> tuple[int, str]:
    async with session.get(
        f"{sim.urls['teslemetry']}/connect",
        params={
            "response_type": "code",
            "client_id": client,
            "redirect_uri": REDIRECT,
            "code_challenge_method": "S256",
            "code_challenge": challenge_of("verifier"),
            "state": "state",
            "consent": "allow",
            **more,
        },
        allow_redirects=False,
    ) as response:
        query = parse_qs(urlsplit(response.headers.get("Location", "")).query)
        return response.status, query.get("code", [""])[0]


async def exchange(
    sim: Simulator, session: aiohttp.ClientSession, **form: str
) -> tuple[int, Any]:
    url = f"{sim.urls['teslemetry']}/oauth/token"
    async with session.post(url, data=form) as response:
        return response.status, await response.json()


async def test_signing_in_to_teslemetry(
    sim: Simulator, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{sim.urls['teslemetry']}/oauth/register"
    monkeypatch.setattr(library, "REGISTER_URL", url)
    registered = await library.register_client(session, "Keycard", "keycard", "1.0")
    client = registered.client_id
    assert registered.raw["software_id"] == "keycard"
    assert (await connect(sim, session, "nobody"))[0] == 400
    assert (await connect(sim, session, client, code_challenge_method=""))[0] == 400
    status, code = await connect(sim, session, client)
    assert (status, bool(code)) == (302, True)
    form = {
        "grant_type": "authorization_code",
        "client_id": client,
        "redirect_uri": REDIRECT,
    }
    status, answer = await exchange(sim, session, code=code, **form)
    assert (status, answer["error"]) == (400, "invalid_grant")
    status, answer = await exchange(
        sim, session, code=code, code_verifier="another", **form
    )
    assert (status, answer["error"]) == (400, "invalid_grant")
    _, code = await connect(sim, session, client)
    status, answer = await exchange(
        sim, session, code=code, code_verifier="verifier", **form
    )
    assert (status, answer["token_type"], answer["expires_in"]) == (
        200,
        "Bearer",
        28800,
    )
    api = Teslemetry(session, answer["access_token"], sim.urls["teslemetry"])
    assert await api.scopes()
    refresh = {"grant_type": "refresh_token", "client_id": client}
    status, answer = await exchange(
        sim, session, refresh_token=answer["refresh_token"], **refresh
    )
    assert status == 200
    status, answer = await exchange(sim, session, refresh_token="old", **refresh)
    assert (status, answer["error"]) == (401, "login_required")
    status, answer = await exchange(
        sim, session, grant_type="refresh_token", client_id="nobody"
    )
    assert (status, answer["error"]) == (400, "invalid_client")
    status, _ = await exchange(sim, session, grant_type="magic", client_id=client)
    assert status == 400
    # Tokens of the third party are invalid at Tesla.
    async with session.get(
        f"{sim.urls['na']}/api/1/products",
        headers={"Authorization": f"Bearer {api._access_token}"},
    ) as response:
        assert response.status == 401


async def test_a_token_moves_to_a_sign_in(
    sim: Simulator, teslemetry: Teslemetry, session: aiohttp.ClientSession
) -> None:
    token = await teslemetry.migrate_to_oauth(name="Home")
    assert token["refresh_token"]
    await Teslemetry(session, token["access_token"], sim.urls["teslemetry"]).test()
    stranger = Teslemetry(session, "nonsense", sim.urls["teslemetry"])
    with pytest.raises(InvalidTeslemetryToken):
        await stranger.migrate_to_oauth()


async def test_its_tokens_end(
    sim: Simulator, session: aiohttp.ClientSession, clock: Clock
) -> None:
    refresh = sim.teslemetry_refresh_token()
    form = {"grant_type": "refresh_token", "client_id": "homeassistant"}
    _, answer = await exchange(sim, session, refresh_token=refresh, **form)
    api = Teslemetry(session, answer["access_token"], sim.urls["teslemetry"])
    await api.test()
    clock.pass_minutes(9 * 60)
    with pytest.raises(InvalidTeslemetryToken):
        await api.test()


# Tessie


async def test_tessie_lists_and_keeps(
    sim: Simulator, tessie: Tessie, clock: Clock
) -> None:
    listed = (await tessie.list_vehicles(only_active=True))["results"]
    assert [one["vin"] for one in listed] == [car.vin for car in sim.cars.values()]
    state = listed[0]["last_state"]
    assert (state["display_name"], state["state"]) == ("Ada", "online")
    assert state["vehicle_config"]["car_type"] == "model3"
    assert state["vehicle_state"]["car_version"].startswith("2026.32.6")
    assert "vehicle_cmds" in await tessie.scopes()
    car, ada = sim.cars["Ada"], tessie.vehicles.create(sim.cars["Ada"].vin)
    assert await ada.vehicle_status() == {"status": "awake"}

    car.locked = False
    assert (await ada.state())["vehicle_state"]["locked"] is False
    sim.set("na.data", "503 upstream connect error")
    car.locked = True
    clock.pass_minutes(5)
    state = await ada.state()  # cached, and reported as online
    assert (state["vehicle_state"]["locked"], state["state"]) == (False, "online")
    assert state["vehicle_state"]["timestamp"] < clock.now * 1000
    with pytest.raises(ServiceUnavailable):
        await ada.state(use_cache=False)
    sim.set("na.data", "ok")
    assert (await ada.state())["vehicle_state"]["locked"] is True
    assert (await ada.state(use_cache=False))["display_name"] == "Ada"

    sim.set("tessie.api", "stale")
    car.locked = False
    assert (await ada.state())["vehicle_state"]["locked"] is True
    sim.set("tessie.api", "ok")

    car.locked = True
    sim.set("car.Ada", "asleep")
    car.locked = False
    state = await ada.state()
    assert (state["vehicle_state"]["locked"], state["state"]) == (True, "asleep")
    assert await ada.vehicle_status() == {"status": "asleep"}
    # Refreshing the cache is not billed to the user.
    assert sim.usage.count("na.vehicle_data") == 2
    assert sim.usage.billed == 1


async def test_tessie_loads_a_car_without_cached_data_even_while_stale(
    sim: Simulator, tessie: Tessie
) -> None:
    sim.set("tessie.api", "stale")
    ada = tessie.vehicles.create(sim.cars["Ada"].vin)
    assert (await ada.state())["display_name"] == "Ada"
    sim.cars["Ada"].locked = False
    assert (await ada.state())["vehicle_state"]["locked"] is True
    assert await ada.vehicle_status() == {"status": "awake"}


TESSIE: list[tuple[Callable[[Any], Any], str, Callable[[Car], bool]]] = [
    (lambda it: it.unlock(), "door_unlock", lambda car: not car.locked),
    (lambda it: it.lock(), "door_lock", lambda car: car.locked),
    (lambda it: it.activate_front_trunk(), "actuate_trunk",
     lambda car: car.front_trunk),
    (lambda it: it.activate_rear_trunk(), "actuate_trunk", lambda car: car.rear_trunk),
    (lambda it: it.vent_windows(), "window_control",
     lambda car: set(car.windows.values()) == {1}),
    (lambda it: it.close_windows(), "window_control",
     lambda car: set(car.windows.values()) == {0}),
    (lambda it: it.start_climate(), "auto_conditioning_start",
     lambda car: car.climate_on),
    (lambda it: it.stop_climate(), "auto_conditioning_stop",
     lambda car: not car.climate_on),
    (lambda it: it.set_temperatures(23.5), "set_temps",
     lambda car: car.driver_temp == car.passenger_temp == 23.5),
    (lambda it: it.set_seat_heat("rear_center", 2), "remote_seat_heater_request",
     lambda car: car.seat_heaters[4] == 2),
    (lambda it: it.start_steering_wheel_heater(),
     "remote_steering_wheel_heater_request",
     lambda car: car.steering_wheel_heater == 3),
    (lambda it: it.start_max_defrost(), "set_preconditioning_max",
     lambda car: car.defrost),
    (lambda it: it.tessie_set_cabin_overheat_protection(True, True),
     "set_cabin_overheat_protection", lambda car: car.overheat_protection == "FanOnly"),
    (lambda it: it.tessie_set_cop_temp(0), "set_cop_temp",
     lambda car: car.overheat_level == 0),
    (lambda it: it.tessie_set_climate_keeper_mode(3), "set_climate_keeper_mode",
     lambda car: car.climate_keeper == 3),
    (lambda it: it.tessie_set_bioweapon_mode(True), "set_bioweapon_mode",
     lambda car: car.bioweapon_mode),
    (lambda it: it.set_charge_limit(70), "set_charge_limit",
     lambda car: car.charge_limit == 70),
    (lambda it: it.tessie_set_charging_amps(8), "set_charging_amps",
     lambda car: car.charge_amps == 8),
    (lambda it: it.open_charge_port(), "charge_port_door_open",
     lambda car: car.charge_port_open),
    (lambda it: it.enable_sentry(), "set_sentry_mode", lambda car: car.sentry_mode),
    (lambda it: it.enable_valet(), "set_valet_mode", lambda car: car.valet_mode),
    (lambda it: it.enable_guest(), "guest_mode", lambda car: car.guest_mode),
    (lambda it: it.tessie_schedule_software_update(300), "schedule_software_update",
     lambda car: car.update_status == "scheduled"),
    (lambda it: it.remote_start(), "remote_start_drive",
     lambda car: car.keyless_driving_until > 0),
    (lambda it: it.flash(), "flash_lights", lambda _: True),
    (lambda it: it.honk(), "honk_horn", lambda _: True),
    (lambda it: it.tessie_trigger_homelink(), "trigger_homelink", lambda _: True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("ask", "command", "outcome"), TESSIE, ids=[f"{one[1]}" for one in TESSIE]
)
async def test_tessies_commands(
    sim: Simulator,
    tessie: Tessie,
    ask: Callable[[Any], Any],
    command: str,
    outcome: Callable[[Car], bool],
) -> None:
    car = sim.cars["Ada"]
    car.climate_on = command.startswith("remote_s")
    car.available_update = "2026.40.1"
    answer = await ask(tessie.vehicles.create(car.vin))
    assert answer == {"result": True, "woke": False}
    assert outcome(car)
    assert car.executed == {command: 1}


async def test_tessie_wakes_a_car_for_a_command(sim: Simulator, tessie: Tessie) -> None:
    car = sim.cars["Ada"]
    ada = tessie.vehicles.create(car.vin)
    sim.set("car.Ada", "asleep")
    assert await ada.unlock() == {"result": True, "woke": True}
    assert (car.connectivity, car.locked) == ("online", False)
    assert car.executed == {"wake_up": 1, "door_unlock": 1}
    sim.set("car.Ada", "asleep")
    assert await ada.wake() == {"result": True}
    sim.set("car.Ada", "offline")
    assert await ada.wake() == {"result": False}
    with pytest.raises(VehicleOffline):
        await ada.unlock()


async def test_tessies_refusals(
    sim: Simulator, tessie: Tessie, session: aiohttp.ClientSession
) -> None:
    ada = tessie.vehicles.create(sim.cars["Ada"].vin)
    answer = await ada.start_charging()
    assert answer == {"result": False, "woke": False, "reason": "disconnected"}
    with pytest.raises(InvalidRequest):
        await ada.set_seat_heat("roof", 2)
    with pytest.raises(NotFound):
        await ada.set_speed_limit(60)
    with pytest.raises(NotFound):
        await ada.weather()
    with pytest.raises(NotFound):
        await tessie.vehicles.create("5YJ3E1EA1KF000000").state()
    wrong: dict[str, type[TeslaFleetError]] = {
        "": MissingTessieToken,
        "nonsense": InvalidTessieToken,
        sim.token: InvalidTessieToken,
    }
    for token, refusal in wrong.items():
        client = Tessie(session, token)
        client.server = sim.urls["tessie"]
        with pytest.raises(refusal):
            await client.list_vehicles()
    sim.set_token("expired")
    with pytest.raises(InvalidTessieToken):
        await ada.state()
    assert sim.cars["Ada"].executed == {}


async def test_a_token_in_the_address(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    url = f"{sim.urls['tessie']}/api/1/products"
    async with session.get(url, params={"access_token": sim.tessie_token()}) as answer:
        assert (await answer.json())["count"] == 3


async def test_every_command_of_tessie_is_a_fleet_api_command(sim: Simulator) -> None:
    from simulator.vehicle.commands import COMMANDS as MAKERS

    query = {
        "seat": "front_left",
        **dict.fromkeys(
            ("level", "percent", "amps", "mode", "cop_temp", "in_seconds"), "1"
        ),
        "temperature": "20",
    }
    assert {read(query)[0] for read in COMMANDS.values()} <= MAKERS.keys()
