"""Tesla's own proxy: statuses and bodies of the original."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
import hashlib
import json
from typing import Any

import aiohttp
import pytest

from simulator import Simulator
from simulator.vehicle.car import Car

type Send = Callable[..., Awaitable[tuple[int, str, dict[str, Any]]]]

SEAT = {"seat_position": 0, "level": 2}


@pytest.fixture
async def ada(sim: Simulator) -> Car:
    """Return a car that requires signed commands and knows the proxy's key."""
    sim.set_signing("Ada", "required")
    sim.pair("Ada", sim.tesla_proxy.key)
    car = sim.cars["Ada"]
    car.config["has_seat_cooling"] = True
    car.climate_on = True
    return car


@pytest.fixture
async def send(sim: Simulator) -> AsyncIterator[Send]:
    """Return a function that sends a request to the proxy with a pinned certificate."""
    pin = aiohttp.Fingerprint(bytes.fromhex(sim.tesla_proxy_certificate.fingerprint))
    async with aiohttp.ClientSession() as session:

        async def go(
            path: str, body: object = None, *, token: str | None = sim.token
        ) -> tuple[int, str, dict[str, Any]]:
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            async with session.request(
                "GET" if body is None else "POST",
                f"{sim.urls['tesla_proxy']}/api/1/{path}",
                json=body,
                headers=headers,
                ssl=pin,
            ) as answer:
                content = json.loads(await answer.text())
                return answer.status, answer.content_type, content

        yield go


def an_error(words: str) -> Mapping[str, object]:
    return {"response": None, "error": words, "error_description": ""}


def a_refusal(words: str) -> Mapping[str, object]:
    response = {"result": False, "reason": words}
    return {"response": response, "error": "", "error_description": ""}


async def test_requests_other_than_commands_are_forwarded(
    sim: Simulator, ada: Car, send: Send
) -> None:
    status, kind, body = await send("products")
    assert (status, kind, body["count"]) == (200, "application/json", 3)
    assert sim.usage.count("na.products") == 1
    sim.set("na.api", '500 {"error":"upstream internal error"}')
    # Only the status of an error is passed on, not Tesla's message.
    assert await send("products") == (
        500,
        "text/plain",
        an_error("Internal Server Error"),
    )


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (None, "client did not provide an OAuth token"),
        ("opaque", "client provided malformed OAuth token"),
    ],
)
async def test_it_wants_a_token_of_teslas(
    send: Send, token: str | None, words: str
) -> None:
    assert await send("products", token=token) == (403, "text/plain", an_error(words))


async def test_it_signs_end_to_end(sim: Simulator, ada: Car, send: Send) -> None:
    path = f"vehicles/{ada.vin}/command"
    done = (200, "application/json", {"response": {"result": True, "reason": ""}})
    assert await send(f"{path}/door_unlock", {}) == done
    assert await send(f"{path}/remote_seat_heater_request", SEAT) == done
    assert (ada.locked, ada.seat_heaters[0]) == (False, 2)
    assert sim.usage.count("na.door_unlock") == 0
    assert sim.usage.count("na.signed_command") == 4
    refused = f"{path}/charge_stop"
    words = "car could not execute command: not_charging"
    assert await send(refused, {}) == (200, "text/plain", a_refusal(words))


@pytest.mark.parametrize(
    ("command", "body", "status", "expected"),
    [
        ("sun_roof_control", {"state": "vent"}, 400, an_error("invalid_command")),
        (
            "remote_seat_heater_request",
            {"heater": 0, "level": 2},
            400,
            a_refusal("missing seat_position param"),
        ),
        ("set_bioweapon_mode", {}, 400, a_refusal("missing on param")),
        ("set_sentry_mode", {"on": 1}, 400, a_refusal("invalid on param")),
        (
            "set_valet_mode",
            {"on": True},
            500,
            an_error("PIN codes must be four digits"),
        ),
    ],
)
async def test_errors_of_the_proxy_itself(
    *,
    sim: Simulator,
    ada: Car,
    send: Send,
    command: str,
    body: object,
    status: int,
    expected: object,
) -> None:
    answered = await send(f"vehicles/{ada.vin}/command/{command}", body)
    assert answered == (status, "text/plain", expected)
    assert not ada.executed


async def test_it_counts_coolers_and_temperatures_from_one(
    ada: Car, send: Send
) -> None:
    path = f"vehicles/{ada.vin}/command"
    cooler = f"{path}/remote_seat_cooler_request"
    ada.overheat_level = 2
    for level, felt in ((2, 1), (1, 0)):
        body = {"seat_position": 1, "seat_cooler_level": level}
        assert (await send(cooler, body))[2]["response"]["result"] is True
        assert ada.seat_coolers[1] == felt
    assert (await send(f"{path}/set_cop_temp", {"cop_temp": 1}))[0] == 200
    assert ada.overheat_level == 0


@pytest.mark.parametrize(
    ("newer", "unpaired", "asleep"), [(False, 500, 500), (True, 412, 408)]
)
async def test_refusals_of_the_car_and_of_the_cloud(
    *, sim: Simulator, ada: Car, send: Send, newer: bool, unpaired: int, asleep: int
) -> None:
    sim.tesla_proxy.uses_2026_status_codes = newer
    path = f"vehicles/{ada.vin}/command/door_unlock"
    sim.inject_fault("Ada", "busy")
    assert await send(path, {}) == (
        500,
        "text/plain",
        an_error("context deadline exceeded"),
    )
    sim.set("car.Ada", "asleep")
    words = "vehicle unavailable: vehicle is offline or asleep"
    assert await send(path, {}) == (asleep, "text/plain", an_error(words))
    sim.set("car.Ada", "online")
    sim.computers["Ada"].whitelist.remove(sim.tesla_proxy.key)
    sim.tesla_proxy.restart()
    words = (
        "vehicle rejected request: your public key has not been paired with the vehicle"
    )
    assert await send(path, {}) == (unpaired, "text/plain", an_error(words))
    assert not ada.executed


async def test_the_first_body_for_an_old_car_is_lost(
    sim: Simulator, send: Send
) -> None:
    cy = sim.cars["Cy"]
    path, body = f"vehicles/{cy.vin}/command/set_sentry_mode", {"on": True}
    assert await send(path, body) == (400, "text/plain", an_error("Bad Request"))
    assert not cy.executed
    assert (await send(path, body))[0] == 200
    assert cy.sentry_mode


async def test_its_certificate_is_self_signed(sim: Simulator, send: Send) -> None:
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        async with aiohttp.ClientSession() as session:
            await session.get(sim.urls["tesla_proxy"])
    assert (await send("products"))[0] == 200
    before = sim.tesla_proxy_certificate.fingerprint
    sim.renew_certificate()
    assert sim.tesla_proxy_certificate.fingerprint != before
    with pytest.raises(aiohttp.ServerFingerprintMismatch) as changed:
        await send("products")
    assert changed.value.got.hex() == sim.tesla_proxy_certificate.fingerprint
    assert len(changed.value.got) == hashlib.sha256().digest_size
