"""The Fleet API, called by the real client."""

from collections.abc import Mapping
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tesla_fleet_api import TeslaFleetApi
from tesla_fleet_api.exceptions import (
    InvalidRegion,
    InvalidRequest,
    MobileAccessDisabled,
    NotAllowed,
    NotFound,
    VehicleOffline,
)
from tesla_fleet_api.tesla import VehicleFleet

from simulator import Simulator
from simulator.scenarios.scenario import CarSpec, Home
from simulator.vehicle.car import WINDOWS, Car
from simulator.vehicle.commands import REQUIRED_PARAMETERS
from simulator.vehicle.payloads import vehicle_config

from .conftest import Clock

type Vehicle = VehicleFleet[TeslaFleetApi]

FIXTURES = Path(__file__).parent.parent / "fixtures" / "fleet_api"
DONE = {"response": {"result": True, "reason": ""}}


async def test_products_and_vehicles(sim: Simulator, fleet: TeslaFleetApi) -> None:
    assert await fleet.status() == "ok"
    products = await fleet.products()
    assert products["count"] == 3
    assert [one["display_name"] for one in products["response"]] == ["Ada", "Bo", "Cy"]
    assert {one["state"] for one in products["response"]} == {"online"}
    signing = [one["command_signing"] for one in products["response"]]
    assert signing == ["allowed", "allowed", "off"]  # the last is of 2018
    vehicles = await fleet.vehicles.createFleet("").list()
    assert [one["vin"] for one in vehicles["response"]] == [
        car.vin for car in sim.cars.values()
    ]


async def test_a_vehicle_goes_by_vin_and_by_id(
    sim: Simulator, fleet: TeslaFleetApi
) -> None:
    car = sim.cars["Bo"]
    for name in (car.vin, str(car.id)):
        answer = await fleet.vehicles.createFleet(name).vehicle()
        assert answer["response"]["vin"] == car.vin
    with pytest.raises(NotFound):
        await fleet.vehicles.createFleet("5YJ3E1E5XMF000000").vehicle()


@pytest.mark.parametrize(
    ("name", "model", "pre2021"),
    [("Ada", "Model 3", False), ("Bo", "Model Y", False), ("Cy", "Model S", True)],
)
async def test_vins_tell_model_and_year(
    sim: Simulator, fleet: TeslaFleetApi, name: str, model: str, pre2021: bool
) -> None:
    vehicle = fleet.vehicles.createFleet(sim.cars[name].vin)
    assert (vehicle.model, vehicle.pre2021) == (model, pre2021)


async def test_places_come_only_with_location_data(ada: Vehicle) -> None:
    plain = (await ada.vehicle_data())["response"]
    assert plain["drive_state"]["shift_state"] is None
    assert "latitude" not in plain["drive_state"]
    asked = (await ada.vehicle_data(["drive_state", "location_data"]))["response"]
    assert asked["drive_state"]["latitude"] == pytest.approx(37.49, abs=0.01)
    assert "charge_state" not in asked
    only = (await ada.vehicle_data(["location_data"]))["response"]
    assert "heading" in only["drive_state"]
    combo = (await ada.vehicle_data(["vehicle_data_combo"]))["response"]
    assert {"closures_state", "charge_schedule_data", "gui_settings"} <= set(combo)
    with pytest.raises(InvalidRequest):
        await ada.vehicle_data(["drive_state", "wheel_state"])


def keys_of(data: Mapping[str, Any]) -> set[str]:
    return set(data) | {
        f"{section}.{key}"
        for section, value in data.items()
        if isinstance(value, dict)
        for key in value
    }


async def test_data_have_every_key_of_the_recorded_answers(
    sim: Simulator, fleet: TeslaFleetApi, ada: Vehicle
) -> None:
    recorded = json.loads((FIXTURES / "vehicle_data_model3.json").read_text())
    sections = [
        key for key, value in recorded["response"].items() if key.endswith("_state")
    ]
    asked = [*sections, "gui_settings", "vehicle_config", "location_data"]
    data = (await ada.vehicle_data(asked))["response"]
    assert keys_of(recorded["response"]) == keys_of(data)

    product = json.loads((FIXTURES / "products.json").read_text())["response"][0]
    assert keys_of(product) == keys_of((await fleet.products())["response"][0])


COMMANDS: list[tuple[str, dict[str, object], dict[str, object]]] = [
    ("door_unlock", {}, {"locked": False}),
    ("door_lock", {}, {"locked": True}),
    ("auto_conditioning_start", {}, {"climate_on": True}),
    ("auto_conditioning_stop", {}, {"climate_on": False}),
    (
        "set_temps",
        {"driver_temp": 23.5, "passenger_temp": 22},
        {"driver_temp": 23.5, "passenger_temp": 22.0},
    ),
    (
        "set_climate_keeper_mode",
        {"climate_keeper_mode": 2},
        {"climate_keeper": 2, "climate_on": True},
    ),
    (
        "set_preconditioning_max",
        {"on": True, "manual_override": False},
        {"defrost": True, "climate_on": True},
    ),
    ("charge_port_door_open", {}, {"charge_port_open": True}),
    ("charge_port_door_close", {}, {"charge_port_open": False}),
    ("set_charge_limit", {"percent": 90}, {"charge_limit": 90}),
    ("set_charging_amps", {"charging_amps": 8}, {"charge_amps": 8}),
    (
        "set_cabin_overheat_protection",
        {"on": True, "fan_only": False},
        {"overheat_protection": "On"},
    ),
    (
        "set_cabin_overheat_protection",
        {"on": True, "fan_only": True},
        {"overheat_protection": "FanOnly"},
    ),
    ("set_cop_temp", {"cop_temp": 0}, {"overheat_level": 0}),
    (
        "remote_auto_seat_climate_request",
        {"auto_seat_position": 2, "auto_climate_on": False},
        {"auto_seats": {1: True, 2: False}},
    ),
    (
        "remote_auto_steering_wheel_heat_climate_request",
        {"on": True},
        {"auto_steering_wheel": True},
    ),
    (
        "window_control",
        {"command": "vent"},
        {"windows": dict.fromkeys(WINDOWS, 1)},
    ),
    ("actuate_trunk", {"which_trunk": "front"}, {"front_trunk": True}),
    ("actuate_trunk", {"which_trunk": "rear"}, {"rear_trunk": True}),
    ("set_sentry_mode", {"on": True}, {"sentry_mode": True}),
    ("set_valet_mode", {"on": True, "password": 1234}, {"valet_mode": True}),
    ("flash_lights", {}, {}),
    ("honk_horn", {}, {}),
    ("remote_start_drive", {}, {}),
]


@pytest.mark.parametrize(("command", "arguments", "state"), COMMANDS)
async def test_commands_change_the_state_of_the_car(
    sim: Simulator,
    ada: Vehicle,
    command: str,
    arguments: dict[str, object],
    state: dict[str, object],
) -> None:
    assert await getattr(ada, command)(**arguments) == DONE
    car = sim.cars["Ada"]
    assert {key: getattr(car, key) for key in state} == state
    assert car.executed == {command: 1}
    assert sim.usage.count(f"na.{command}") == 1
    assert (sim.usage.billed, sim.usage.unbilled) == (1, 0)
    others = [one for one in sim.cars.values() if one is not car]
    assert not any(one.executed for one in others)


async def test_a_liftgate_toggles(sim: Simulator, ada: Vehicle) -> None:
    car = sim.cars["Ada"]
    for is_open in (True, False, True):
        assert await ada.actuate_trunk("rear") == DONE
        assert car.rear_trunk is is_open
    car.config["plg"] = False
    assert await ada.actuate_trunk("rear") == DONE
    assert car.rear_trunk


async def test_heaters_want_the_climate_on(sim: Simulator, ada: Vehicle) -> None:
    car = sim.cars["Ada"]
    for answer in (
        await ada.remote_seat_heater_request(4, 2),
        await ada.remote_steering_wheel_heat_level_request(3),
    ):
        assert answer["response"]["result"] is False
    assert await ada.auto_conditioning_start() == DONE
    assert await ada.remote_seat_heater_request(4, 2) == DONE
    assert await ada.remote_steering_wheel_heat_level_request(3) == DONE
    assert (car.seat_heaters[4], car.steering_wheel_heater) == (2, 3)


async def test_opening_the_charge_port_releases_the_cable(
    sim: Simulator, ada: Vehicle
) -> None:
    car = sim.cars["Ada"]
    car.plug()
    assert (car.cable_latched, car.charging) == (True, True)
    assert await ada.charge_port_door_open() == DONE
    assert (car.cable_connected, car.cable_latched, car.charging) == (
        True,
        False,
        False,
    )
    assert await ada.charge_start() == DONE
    assert car.cable_latched


async def test_an_older_model_s_has_a_sun_roof(
    fleet: TeslaFleetApi, sim: Simulator
) -> None:
    cy = sim.cars["Cy"]
    vehicle = fleet.vehicles.createFleet(cy.vin)
    assert await vehicle.sun_roof_control("vent") == DONE
    assert cy.sun_roof == "vent"
    assert await vehicle.sun_roof_control("close") == DONE
    assert cy.sun_roof == "closed"


async def test_charging_starts_and_stops(sim: Simulator, ada: Vehicle) -> None:
    async def reason(answer: dict[str, Any]) -> tuple[bool, str]:
        return answer["response"]["result"], answer["response"]["reason"]

    car = sim.cars["Ada"]
    assert await reason(await ada.charge_start()) == (False, "disconnected")
    assert await reason(await ada.charge_stop()) == (False, "not_charging")
    car.plug()
    assert await reason(await ada.charge_start()) == (False, "is_charging")
    assert await reason(await ada.charge_port_door_close()) == (
        False,
        "cable connected",
    )
    assert await reason(await ada.charge_stop()) == (True, "")
    assert await reason(await ada.charge_start()) == (True, "")
    assert await reason(await ada.set_charge_limit(80)) == (False, "already_set")
    assert car.executed == {"charge_start": 1, "charge_stop": 1}


@pytest.mark.parametrize(
    ("command", "body"),
    [("window_control", {"command": "close"}), ("trigger_homelink", {})],
)
async def test_older_cars_require_a_user_nearby_for_some_commands(
    session: aiohttp.ClientSession, command: str, body: dict[str, object]
) -> None:
    old, new = (
        CarSpec(name="Cy", model="models", year=2018),
        CarSpec(name="Ada", model="model3", year=2021),
    )
    async with Simulator(Home(region="na", cars=(old, new))) as sim:

        async def tell(name: str, **place: float) -> object:
            url = f"{sim.urls['na']}/api/1/vehicles/{sim.cars[name].vin}"
            async with session.post(
                f"{url}/command/{command}",
                headers={"Authorization": f"Bearer {sim.token}"},
                json={**body, **place},
            ) as response:
                answer = (await response.json())["response"]
            return answer["result"] or answer["reason"]

        latitude, longitude = sim.cars["Cy"].home_position
        assert await tell("Cy") == "too_far_from_vehicle"
        assert await tell("Cy", lat=0.0, lon=0.0) == "too_far_from_vehicle"
        assert await tell("Cy", lat=latitude, lon=longitude) is True
        assert await tell("Ada") is True


@pytest.mark.parametrize(
    ("command", "body"),
    [
        ("actuate_trunk", {"which_trunk": "side"}),
        ("remote_auto_seat_climate_request", {"auto_seat_position": 9}),
        ("remote_seat_heater_request", {"heater": 0, "level": 9}),
        ("remote_steering_wheel_heat_level_request", {"level": 2}),
        ("schedule_software_update", {"offset_sec": 0}),
        ("schedule_software_update", {"offset_sec": -1}),
        ("set_cop_temp", {"cop_temp": 9}),
        ("sun_roof_control", {"state": "vent"}),
        ("window_control", {"command": "smash"}),
        ("set_temps", {"driver_temp": 40}),
        ("set_temps", {"driver_temp": "warm"}),
        ("set_climate_keeper_mode", {"climate_keeper_mode": 7}),
        ("set_charge_limit", {"percent": 101}),
        ("set_charging_amps", {"charging_amps": 99}),
    ],
)
async def test_cars_refuse_nonsense(
    sim: Simulator,
    session: aiohttp.ClientSession,
    command: str,
    body: dict[str, object],
) -> None:
    car = sim.cars["Ada"]
    async with session.post(
        f"{sim.urls['na']}/api/1/vehicles/{car.vin}/command/{command}",
        headers={"Authorization": f"Bearer {sim.token}"},
        json=body,
    ) as response:
        answer = await response.json()
    assert answer["response"]["result"] is False
    assert answer["response"]["reason"]


@pytest.mark.parametrize("command", REQUIRED_PARAMETERS)
async def test_a_command_without_its_parameter_is_refused(
    sim: Simulator, session: aiohttp.ClientSession, command: str
) -> None:
    car = sim.cars["Ada"]
    async with session.post(
        f"{sim.urls['na']}/api/1/vehicles/{car.vin}/command/{command}",
        headers={"Authorization": f"Bearer {sim.token}"},
    ) as response:
        assert response.status == 400
    assert not car.executed
    assert not car.executed


@pytest.mark.parametrize("body", ["{", "[]", "1"])
async def test_a_body_that_is_no_object_is_refused(
    sim: Simulator, session: aiohttp.ClientSession, body: str
) -> None:
    url = f"{sim.urls['na']}/api/1/vehicles/{sim.cars['Ada'].vin}/command/set_temps"
    headers = {"Authorization": f"Bearer {sim.token}"}
    async with session.post(url, headers=headers, data=body) as response:
        assert response.status == 400


@pytest.mark.parametrize("presence", ["asleep", "offline"])
async def test_a_car_out_of_reach_takes_neither_questions_nor_commands(
    sim: Simulator, ada: Vehicle, presence: str
) -> None:
    sim.set("car.Ada", presence)
    for call in (ada.vehicle_data, ada.door_unlock):
        with pytest.raises(VehicleOffline) as caught:
            await call()
        assert caught.value.data == {
            "response": None,
            "error": "vehicle unavailable: vehicle is offline or asleep",
            "error_description": "",
        }
    assert (await ada.vehicle())["response"]["state"] == presence
    assert sim.cars["Ada"].locked
    assert not sim.cars["Ada"].executed


async def test_a_car_wakes_slowly(sim: Simulator, ada: Vehicle, clock: Clock) -> None:
    sim.set("car.Ada", "asleep")
    assert (await ada.wake_up())["response"]["state"] == "waking"
    assert (await ada.vehicle())["response"]["state"] == "offline"
    clock.pass_minutes(0.1)
    assert (await ada.vehicle())["response"]["state"] == "offline"
    clock.pass_minutes(0.2)
    assert (await ada.vehicle())["response"]["state"] == "online"
    assert (await ada.door_unlock()) == DONE
    sim.set("car.Ada", "offline")
    assert (await ada.wake_up())["response"]["state"] == "offline"
    clock.pass_minutes(1)
    assert (await ada.vehicle())["response"]["state"] == "offline"
    assert sim.cars["Ada"].executed["wake_up"] == 2


async def test_a_car_in_service_takes_no_commands(sim: Simulator, ada: Vehicle) -> None:
    sim.cars["Ada"].in_service = True
    assert (await ada.vehicle())["response"]["in_service"] is True
    with pytest.raises(NotAllowed):
        await ada.door_lock()


async def test_mobile_access_can_be_switched_off(sim: Simulator, ada: Vehicle) -> None:
    assert (await ada.mobile_enabled())["response"]["result"] is True
    sim.set_mobile_access(False)
    assert (await ada.mobile_enabled())["response"]["result"] is False
    with pytest.raises(MobileAccessDisabled):
        await ada.vehicle_data()


async def test_an_account_belongs_to_one_region(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    other_region_client = TeslaFleetApi(session, sim.token, server=sim.urls["eu"])
    with pytest.raises(InvalidRegion) as caught:
        await other_region_client.products()
    assert sim.urls["na"] in str(caught.value.data)
    assert (await other_region_client.user.region())["response"] == {
        "region": "na",
        "fleet_api_base_url": sim.urls["na"],
    }


async def test_the_rest_of_the_account(fleet: TeslaFleetApi, ada: Vehicle) -> None:
    assert (await fleet.user.me())["response"]["full_name"] == "home"
    assert (await fleet.user.orders())["response"] == []
    assert (await fleet.user.feature_config())["response"]["signaling"]["enabled"]
    status = (await ada.fleet_status([ada.vin]))["response"]
    assert status["vehicle_info"][ada.vin]["vehicle_command_protocol_required"] is False
    with pytest.raises(NotFound):
        await ada.remote_boombox(1)


async def test_europe_has_its_own_plugs(clock: Clock) -> None:
    spec = CarSpec(name="Ada", model="models", year=2021)
    configs = [
        vehicle_config(Car(spec, region=region, get_time=clock), clock())
        for region in ("na", "eu")
    ]
    assert [one["charge_port_type"] for one in configs] == ["US", "CCS"]
    assert [one["car_type"] for one in configs] == ["models", "models"]


def test_the_same_car_has_the_same_vin(clock: Clock) -> None:
    spec = CarSpec(name="Ada", model="model3", year=2021)
    vins = {Car(spec, region="na", get_time=clock).vin for _ in range(2)}
    assert vins == {"5YJ3E1E56MF553848"}
