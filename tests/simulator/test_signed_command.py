"""Signed commands over the cloud, sent by the library's client."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
import pytest
from tesla_fleet_api import TeslaFleetApi
from tesla_fleet_api.exceptions import (
    Forbidden,
    GatewayTimeout,
    InvalidCommand,
    InvalidResource,
    NotOnWhitelistFault,
    TeslaFleetError,
    TeslaFleetMessageFaultInsufficientPrivileges,
    VehicleOffline,
)
from tesla_fleet_api.tesla import VehicleFleet
from tesla_fleet_api.tesla.vehicle.signed import VehicleSigned

from simulator import Simulator
from simulator.http.control_api import ControlApi
from simulator.protocol import Role
from simulator.scenarios.conditions import ConditionError
from simulator.scenarios.scenario import CarSpec

from .conftest import Clock
from .signing_client import generate_key


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return generate_key()


def signing_client(
    sim: Simulator,
    session: aiohttp.ClientSession,
    key: ec.EllipticCurvePrivateKey,
    token: str | None = None,
    car: str = "Ada",
) -> VehicleSigned[TeslaFleetApi]:
    api = TeslaFleetApi(session, token or sim.token, server=sim.urls["na"])
    api.private_key = key
    return api.vehicles.createSigned(sim.cars[car].vin)


def error(caught: pytest.ExceptionInfo[TeslaFleetError]) -> str:
    data = caught.value.data
    assert isinstance(data, dict)
    return str(data["error"])


@pytest.fixture
def signed(
    sim: Simulator, session: aiohttp.ClientSession, key: ec.EllipticCurvePrivateKey
) -> VehicleSigned[TeslaFleetApi]:
    sim.pair("Ada", key)
    return signing_client(sim, session, key)


async def test_signed_commands(
    sim: Simulator, signed: VehicleSigned[TeslaFleetApi]
) -> None:
    sim.set_signing("Ada", "required")
    ada = sim.cars["Ada"]
    assert (await signed.door_unlock())["response"] == {"result": True, "reason": ""}
    await signed.auto_conditioning_start()
    assert (ada.locked, ada.climate_on) == (False, True)
    assert ada.executed == {"door_unlock": 1, "auto_conditioning_start": 1}
    # Each of the two computers needs a handshake, which Tesla bills, too.
    assert sim.usage.count("na.signed_command") == 4
    assert sim.usage.billed == 4


async def test_a_car_that_requires_signed_commands(
    sim: Simulator, ada: VehicleFleet[TeslaFleetApi]
) -> None:
    sim.set_signing("Ada", "required")
    with pytest.raises(Forbidden) as caught:
        await ada.door_unlock()
    assert "Tesla Vehicle Command Protocol required, please refer to" in error(caught)
    assert not sim.cars["Ada"].executed
    await ada.wake_up()
    assert (await ada.vehicle_data())["response"]["state"] == "online"


async def test_a_car_that_knows_none(
    sim: Simulator,
    ada: VehicleFleet[TeslaFleetApi],
    signed: VehicleSigned[TeslaFleetApi],
) -> None:
    sim.set_signing("Ada", "off")
    with pytest.raises(InvalidResource) as caught:
        await signed.door_unlock()
    assert error(caught) == "vehicle does not support signed commands"
    await ada.door_unlock()
    assert sim.cars["Ada"].executed == {"door_unlock": 1}


async def test_one_command_is_always_signed(
    ada: VehicleFleet[TeslaFleetApi], signed: VehicleSigned[TeslaFleetApi]
) -> None:
    with pytest.raises(Forbidden):
        await ada.reset_pin_to_drive_pin()
    assert (await signed.reset_pin_to_drive_pin())["response"]["result"]


async def test_a_third_party_signs(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    sim.set_signing("Ada", "required")
    api = TeslaFleetApi(session, sim.token, server=sim.urls["proxy"])
    await api.vehicles.createFleet(sim.cars["Ada"].vin).door_unlock()
    assert sim.cars["Ada"].executed == {"door_unlock": 1}


async def test_a_stranger(
    sim: Simulator, session: aiohttp.ClientSession, key: ec.EllipticCurvePrivateKey
) -> None:
    with pytest.raises(NotOnWhitelistFault):
        await signing_client(sim, session, key).door_unlock()
    sim.pair("Ada", key, Role.CHARGING_MANAGER)
    with pytest.raises(TeslaFleetMessageFaultInsufficientPrivileges):
        await signing_client(sim, session, key).door_unlock()
    assert not sim.cars["Ada"].executed


async def test_asleep(sim: Simulator, signed: VehicleSigned[TeslaFleetApi]) -> None:
    sim.set("car.Ada", "asleep")
    with pytest.raises(VehicleOffline):
        await signed.door_unlock()
    assert not sim.cars["Ada"].executed


async def test_the_clock_of_a_car_that_slept(
    sim: Simulator, signed: VehicleSigned[TeslaFleetApi], clock: Clock
) -> None:
    await signed.door_unlock()
    clock.pass_minutes(-3)  # the client's clock is now ahead
    await signed.door_lock()
    assert sim.cars["Ada"].executed == {"door_unlock": 1, "door_lock": 1}


@pytest.mark.parametrize(("mishap", "executed"), [("lost", 0), ("lost-done", 1)])
async def test_an_answer_that_never_comes(
    sim: Simulator,
    signed: VehicleSigned[TeslaFleetApi],
    mishap: str,
    executed: int,
) -> None:
    sim.inject_fault("Ada", mishap)
    with pytest.raises(GatewayTimeout):
        await signed.honk_horn()
    assert sim.cars["Ada"].executed["honk_horn"] == executed


async def test_conditions_apply_to_signed_commands(
    sim: Simulator, signed: VehicleSigned[TeslaFleetApi]
) -> None:
    sim.set("na.commands", "503 upstream connect error")
    with pytest.raises(TeslaFleetError):
        await signed.honk_horn()
    sim.set("na.commands", "ok")
    await signed.honk_horn()
    sim.set("car.Ada", "reset")  # the answer is cut after the command has run
    with pytest.raises(aiohttp.ClientError):
        await signed.honk_horn()
    assert sim.cars["Ada"].executed == {"honk_horn": 2}


async def test_scopes(
    sim: Simulator, session: aiohttp.ClientSession, key: ec.EllipticCurvePrivateKey
) -> None:
    sim.pair("Ada", key)
    token = sim.access_token("vehicle_device_data")
    with pytest.raises(Forbidden):
        await signing_client(sim, session, key, token).honk_horn()
    token = sim.access_token("vehicle_device_data", "vehicle_charging_cmds")
    client = signing_client(sim, session, key, token)
    await client.set_charge_limit(70)
    await client.charge_port_door_open()
    with pytest.raises(Forbidden):
        await client.honk_horn()
    with pytest.raises(Forbidden):
        await client.door_unlock()
    executed = {"set_charge_limit": 1, "charge_port_door_open": 1}
    assert sim.cars["Ada"].executed == executed


async def test_messages_rejected_by_the_cloud(
    sim: Simulator,
    ada: VehicleFleet[TeslaFleetApi],
    signed: VehicleSigned[TeslaFleetApi],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for nonsense in ("%%%", "////"):
        with pytest.raises(InvalidCommand):
            await ada.signed_command(nonsense)
    monkeypatch.setattr(VehicleSigned, "_auth_method", "aes")
    with pytest.raises(TeslaFleetError):
        await signed.honk_horn()
    assert not sim.cars["Ada"].executed


async def test_vehicle_settings_are_validated(sim: Simulator) -> None:
    assert [car.signing for car in sim.cars.values()] == ["allowed", "allowed", "off"]
    spec = CarSpec(name="Di", model="modelx", year=2017, signing="required")
    assert sim.add_car(spec).signing == "required"
    sim.remove_car("Di")
    with pytest.raises(ConditionError):
        sim.set_signing("Ada", "perhaps")
    with pytest.raises(ConditionError):
        sim.set_signing("Di", "off")
    with pytest.raises(ConditionError):
        sim.inject_fault("Ada", "rain")
    with pytest.raises(ConditionError):
        sim.pair("Ada", "no key")


# Control API


@pytest.fixture
async def control(sim: Simulator) -> AsyncIterator[ControlApi]:
    control = ControlApi(sim)
    await control.start()
    yield control
    await control.stop()


async def post(
    session: aiohttp.ClientSession, control: ControlApi, path: str, **body: Any
) -> tuple[int, Any]:
    async with session.post(control.url + path, json=body) as response:
        return response.status, await response.json()


async def test_over_the_control_port(
    sim: Simulator,
    session: aiohttp.ClientSession,
    control: ControlApi,
    key: ec.EllipticCurvePrivateKey,
) -> None:
    status, answer = await post(
        session, control, "/signing", car="Ada", signing="required"
    )
    assert (status, answer["signing"]) == (200, "required")
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    status, answer = await post(
        session, control, "/keys", car="Ada", pem=pem.decode(), role="DRIVER"
    )
    assert (status, list(answer.values())) == (200, ["DRIVER"])
    status, _ = await post(session, control, "/mishap", car="Ada", mishap="lost-done")
    assert status == 200
    client = signing_client(sim, session, key)
    with pytest.raises(GatewayTimeout):
        await client.honk_horn()
    await client.honk_horn()
    assert sim.cars["Ada"].executed == {"honk_horn": 2}
    sim.inject_fault("Ada", "lost", 3)
    sim.reset()
    await client.honk_horn()
    spec = {"name": "Di", "model": "modely", "year": 2024, "signing": "required"}
    status, answer = await post(session, control, "/cars", **spec)
    assert (status, answer["signing"]) == (200, "required")
    async with session.get(control.url) as response:
        text = await response.text()
    assert "mishap is one of wait, wait-done" in text
    assert "role is one of NONE, SERVICE, OWNER" in text


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/signing", {"car": "Ada", "signing": "perhaps"}, "required, allowed, off"),
        ("/signing", {"car": "Zoe", "signing": "off"}, "Ada, Bo, Cy"),
        ("/keys", {"car": "Ada", "pem": "nothing"}, "no public key"),
        ("/keys", {"car": "Ada", "pem": "", "role": "KING"}, "OWNER"),
        ("/mishap", {"car": "Ada", "mishap": "rain"}, "lost-done"),
        ("/mishap", {"car": "Ada", "mishap": "lost", "times": 0}, "1 to 999"),
        ("/cars", {"name": "Di", "model": "modely", "year": 2024, "signing": 1},
         "may have signing"),
    ],
)  # fmt: skip
async def test_mistakes(
    session: aiohttp.ClientSession,
    control: ControlApi,
    path: str,
    body: Any,
    words: str,
) -> None:
    status, answer = await post(session, control, path, **body)
    assert status == 400
    assert words in answer["error"]
