"""Tests of the Fleet API client, with the real library and real HTTP."""

import asyncio
import logging
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
import pytest

from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_create_clientsession

from custom_components.keycard.transport.cloud import FleetClient
from custom_components.keycard.transport.http import Failure, RecordingMiddleware
from custom_components.keycard.vehicle.commands import Command, command_call
from custom_components.keycard.vehicle.state import VehicleState
from tests.request_timeouts import ManualTimeouts

from ..vehicle.recorded import MODEL_3, PRODUCTS, VIN, recorded
from .cloud import (
    DONE,
    TOKEN,
    Cloud,
    Handler,
    cut,
    drop,
    hang,
    redirecting,
    replying,
    saying,
    token,
)

pytestmark = pytest.mark.usefixtures("socket_enabled")


@pytest.fixture
def hurry(socket_enabled: None, cloud: Cloud, deadlines: ManualTimeouts) -> None:
    """Start a request that is never answered, and wait until it has arrived."""
    cloud.late = deadlines.expire


async def test_recorded_data(cloud: Cloud, link: FleetClient) -> None:
    cloud.handler = saying(recorded(MODEL_3))
    call = await link.vehicle_data(VIN)
    assert (call.answer.status, call.answer.failure, call.sent) == (200, None, True)
    assert call.body == recorded(MODEL_3)
    state = VehicleState.from_data(call.body or {})
    assert (state.locked, state.climate_on, state.battery_level) == (False, True, 77)
    assert (state.latitude, state.longitude) == (-30.222626, -97.6236871)


async def test_body_is_decoded_as_utf_8_with_any_charset(
    cloud: Cloud, link: FleetClient
) -> None:
    cloud.handler = replying(200, '{"name": "Zoë"}', "application/json; charset=utf-16")
    assert (await link.products()).body == {"name": "Zoë"}


async def test_recorded_products(cloud: Cloud, link: FleetClient) -> None:
    cloud.handler = saying(recorded(PRODUCTS))
    assert (await link.products()).body == recorded(PRODUCTS)


async def test_the_session_of_home_assistant(hass: HomeAssistant, cloud: Cloud) -> None:
    session = async_create_clientsession(hass, middlewares=(RecordingMiddleware(),))
    link = FleetClient(session, cloud.url, token)
    cloud.handler = saying(recorded(MODEL_3))
    assert (await link.vehicle_data(VIN)).body == recorded(MODEL_3)
    cloud.handler = redirecting
    assert (await link.vehicle_data(VIN)).answer.status == 307
    cloud.handler = replying(503, "upstream connect error", "text/plain")
    call = await link.vehicle_data(VIN)
    assert (call.answer.status, call.answer.body) == (503, "upstream connect error")


async def test_requests(cloud: Cloud, link: FleetClient) -> None:
    async def handle(request: web.Request) -> web.Response:
        if request.path.endswith("/vehicle_data"):
            assert set(request.query["endpoints"].split(";")) == {
                "charge_state",
                "climate_state",
                "drive_state",
                "location_data",
                "vehicle_config",
                "vehicle_state",
            }
        return web.json_response(DONE)

    cloud.handler = handle
    assert (await link.products()).body == DONE
    assert (await link.region()).body == DONE
    assert (await link.vehicle(VIN)).body == DONE
    assert (await link.vehicle_data(VIN)).body == DONE
    assert [(method, path) for method, path, _ in cloud.seen] == [
        ("GET", "/api/1/products"),
        ("GET", "/api/1/users/region"),
        ("GET", f"/api/1/vehicles/{VIN}"),
        ("GET", f"/api/1/vehicles/{VIN}/vehicle_data"),
    ]


@pytest.mark.parametrize(
    ("command", "params", "path", "body"),
    [
        (Command.LOCK, {}, "command/door_lock", {}),
        (Command.UNLOCK, {}, "command/door_unlock", {}),
        (Command.CLIMATE_ON, {}, "command/auto_conditioning_start", {}),
        (Command.CLIMATE_OFF, {}, "command/auto_conditioning_stop", {}),
        (
            Command.SET_TEMPS,
            {"driver_temp": 21, "passenger_temp": 20.5},
            "command/set_temps",
            {"driver_temp": 21.0, "passenger_temp": 20.5},
        ),
        (
            Command.KEEPER,
            {"mode": "dog"},
            "command/set_climate_keeper_mode",
            {"climate_keeper_mode": 2},
        ),
        (
            Command.PRECONDITION_MAX,
            {"on": True},
            "command/set_preconditioning_max",
            {"on": True, "manual_override": False},
        ),
        (
            Command.OVERHEAT,
            {"mode": "off"},
            "command/set_cabin_overheat_protection",
            {"on": False, "fan_only": False},
        ),
        (
            Command.OVERHEAT,
            {"mode": "fan_only"},
            "command/set_cabin_overheat_protection",
            {"on": True, "fan_only": True},
        ),
        (
            Command.OVERHEAT_TEMP,
            {"temp": 35.0},
            "command/set_cop_temp",
            {"cop_temp": 1},
        ),
        (
            Command.SEAT_HEATER,
            {"seat": "rear_center", "level": 2},
            "command/remote_seat_heater_request",
            {"heater": 4, "seat_position": 4, "level": 2},
        ),
        (
            Command.WHEEL_HEATER,
            {"level": 3},
            "command/remote_steering_wheel_heat_level_request",
            {"level": 3},
        ),
        (
            Command.AUTO_SEAT,
            {"seat": "right", "on": True},
            "command/remote_auto_seat_climate_request",
            {"auto_seat_position": 2, "auto_climate_on": True},
        ),
        (
            Command.AUTO_WHEEL,
            {"on": False},
            "command/remote_auto_steering_wheel_heat_climate_request",
            {"on": False},
        ),
        (
            Command.WINDOWS,
            {"open": True},
            "command/window_control",
            {"command": "vent"},
        ),
        (
            Command.SUN_ROOF,
            {"open": False},
            "command/sun_roof_control",
            {"state": "close"},
        ),
        (
            Command.FRONT_TRUNK,
            {},
            "command/actuate_trunk",
            {"which_trunk": "front"},
        ),
        (
            Command.REAR_TRUNK,
            {"open": True},
            "command/actuate_trunk",
            {"which_trunk": "rear"},
        ),
        (Command.PORT, {"open": True}, "command/charge_port_door_open", {}),
        (Command.PORT, {"open": False}, "command/charge_port_door_close", {}),
        (Command.CHARGE, {"on": True}, "command/charge_start", {}),
        (Command.CHARGE, {"on": False}, "command/charge_stop", {}),
        (
            Command.CHARGE_LIMIT,
            {"percent": 85.0},
            "command/set_charge_limit",
            {"percent": 85},
        ),
        (
            Command.CHARGE_AMPS,
            {"amps": 8.0},
            "command/set_charging_amps",
            {"charging_amps": 8},
        ),
        (Command.SENTRY, {"on": True}, "command/set_sentry_mode", {"on": True}),
        (Command.VALET, {"on": True}, "command/set_valet_mode", {"on": True}),
        (
            Command.INSTALL_UPDATE,
            {},
            "command/schedule_software_update",
            {"offset_sec": 0},
        ),
        (Command.FLASH, {}, "command/flash_lights", {}),
        (Command.HONK, {}, "command/honk_horn", {}),
        (Command.KEYLESS_DRIVING, {}, "command/remote_start_drive", {}),
        (Command.WAKE, {}, "wake_up", {}),
    ],
)
async def test_commands(
    *,
    cloud: Cloud,
    link: FleetClient,
    command: Command,
    params: dict[str, Any],
    path: str,
    body: dict[str, Any],
) -> None:
    cloud.handler = saying(DONE)
    outcome = await link.command(VIN, command_call(command, **params))
    assert (outcome.done, outcome.known, outcome.reason) == (True, True, None)
    assert cloud.seen == [("POST", f"/api/1/vehicles/{VIN}/{path}", body)]


@pytest.mark.parametrize(
    ("handler", "status", "failure"),
    [
        (saying({"error": "login_required"}, 401), 401, None),
        (replying(401, "nobody knows", "text/plain"), 401, None),
        (saying({"response": None, "error": "token expired (401)"}, 401), 401, None),
        (saying(["not", "a dict"], 401), 401, None),
        (saying({"error": "account disabled: EXCEEDED_LIMIT"}, 403), 403, None),
        (replying(403, "<html>blocked</html>", "text/html"), 403, None),
        (saying({"error": "vehicle unavailable"}, 408), 408, None),
        (saying(None, 412), 412, None),
        (saying("user out of region, use https://eu", 421), 421, None),
        (replying(429, "slow down", "text/plain"), 429, None),
        (replying(500, "upstream internal error", "text/plain"), 500, None),
        (replying(502, "<html>", "text/html"), 502, None),
        (saying({"error": "vehicle is not available"}, 503), 503, None),
        (replying(503, '{"error": ', "application/json"), 503, None),
        (replying(520, "?", "text/plain"), 520, None),
        (saying({"error": "unexpected"}, 540), 540, None),
        (replying(503, "x" * 2_000_000, "application/json"), 503, None),
        (replying(200, "<html>portal</html>", "text/html"), 200, None),
        (replying(200, '{"response": ', "application/json"), 200, None),
        (replying(200, "[" * 100_000, "application/json"), 200, None),
        (replying(200, "[1]", "application/json"), 200, None),
        (replying(200, "null", "application/json"), 200, None),
        (replying(200, "x" * 2_000_000, "application/json"), 200, Failure.TOO_LARGE),
        (redirecting, 307, None),
        (hang, None, Failure.TIMEOUT),
        (drop, None, Failure.RESET),
        (cut, 200, Failure.RESET),
    ],
)
@pytest.mark.usefixtures("hurry")
async def test_errors(
    cloud: Cloud,
    link: FleetClient,
    handler: Handler,
    status: int | None,
    failure: Failure | None,
) -> None:
    cloud.handler = handler
    for call in (await link.products(), await link.vehicle_data(VIN)):
        assert (call.answer.status, call.answer.failure) == (status, failure)
        assert call.body is None
    outcome = await link.command(VIN, command_call(Command.UNLOCK))
    assert not outcome.done
    assert outcome.call is not None
    assert outcome.call.body is None
    # Nothing was asked twice, neither by the library nor by what lies under it.
    assert len(cloud.seen) == 3


@pytest.mark.parametrize(
    ("handler", "done", "confirmed", "reason"),
    [
        (saying(DONE), True, True, None),
        (
            saying({"response": {"result": False, "reason": "user_present"}}),
            False,
            True,
            "user_present",
        ),
        (saying({"response": {"result": False, "reason": ""}}), False, True, None),
        (
            saying({"response": {"result": False, "reason": "already_set"}}),
            True,
            True,
            "already_set",
        ),
        (
            saying({"response": {"result": False, "reason": ["x" * 999]}}),
            False,
            True,
            "['" + "x" * 253,
        ),
        (saying({"response": {"result": 1}}), False, False, None),
        (saying({**DONE, "error": "could not wake"}), False, False, None),
        (saying({**DONE, "error": "", "queued": False}), True, True, None),
        (saying({**DONE, "queued": True}), False, False, None),
        (
            saying({"response": {"result": True, "error": "failed to reach"}}),
            False,
            False,
            None,
        ),
        (saying({"response": {"result": True, "queued": True}}), False, False, None),
        (
            saying(
                {
                    "response": {
                        "result": False,
                        "reason": "car could not execute command: user_present",
                    }
                }
            ),
            False,
            True,
            "user_present",
        ),
        (saying({"response": {}}), False, False, None),
        (saying({"response": None}), False, False, None),
        (saying({}), False, False, None),
        (replying(200, "<html>", "text/html"), False, False, None),
        (redirecting, False, True, None),
        (saying({"error": "login_required"}, 401), False, True, None),
        (saying({"error": "forbidden"}, 403), False, True, None),
        (saying({"error": "vehicle is offline or asleep"}, 408), False, True, None),
        (replying(408, "Request Timeout", "text/plain"), False, False, None),
        (replying(429, "", "text/plain"), False, True, None),
        (replying(500, "upstream internal error"), False, False, None),
        (replying(500, "Vehicle is offline or asleep"), False, True, None),
        (
            saying({"error": "vehicle rejected request: no such key"}, 500),
            False,
            True,
            None,
        ),
        (saying({"error": "vehicle is not available"}, 503), False, True, None),
        (replying(503, "Server Maintenance"), False, False, None),
        (replying(504, ""), False, False, None),
        (saying({"error": "unexpected response"}, 540), False, False, None),
        (hang, False, False, None),
        (drop, False, False, None),
        (cut, False, False, None),
    ],
)
@pytest.mark.usefixtures("hurry")
async def test_command_results(
    *,
    cloud: Cloud,
    link: FleetClient,
    handler: Handler,
    done: bool,
    confirmed: bool,
    reason: str | None,
) -> None:
    cloud.handler = handler
    outcome = await link.command(VIN, command_call(Command.UNLOCK))
    assert (outcome.done, outcome.known) == (done, confirmed)
    assert outcome.reason == reason
    assert len(cloud.seen) == 1


@pytest.mark.parametrize(
    ("command", "params", "reason", "done"),
    [
        (Command.CHARGE, {"on": False}, "not_charging", True),
        (Command.CHARGE, {"on": True}, "is_charging", True),
        (Command.CHARGE, {"on": True}, "disconnected", False),
        (Command.CHARGE_LIMIT, {"percent": 80}, "already_set", True),
        (Command.LOCK, {}, "not_charging", False),
    ],
)
async def test_rejection_of_an_effect_already_in_place_is_success(
    *,
    cloud: Cloud,
    link: FleetClient,
    command: Command,
    params: dict[str, Any],
    reason: str,
    done: bool,
) -> None:
    # Tesla's proxy says the same with more words.
    for prefix in ("", "car could not execute command: "):
        cloud.handler = saying(
            {"response": {"result": False, "reason": f"{prefix}{reason}"}}
        )
        outcome = await link.command(VIN, command_call(command, **params))
        assert (outcome.done, outcome.known) == (done, True)
        assert outcome.reason == reason


async def test_dead_server(session: aiohttp.ClientSession, cloud: Cloud) -> None:
    server = TestServer(web.Application(), host="127.0.0.1")
    await server.start_server()
    link = FleetClient(session, str(server.make_url("")).rstrip("/"), token)
    await server.close()
    outcome = await link.command(VIN, command_call(Command.LOCK))
    assert (outcome.done, outcome.known) == (False, True)
    assert outcome.call is not None
    assert outcome.call.answer.failure is Failure.REFUSED


@pytest.mark.parametrize(
    ("command", "params"),
    [
        (Command.SET_TEMPS, {}),
        (Command.SET_TEMPS, {"driver_temp": "21", "passenger_temp": 21}),
        (Command.KEEPER, {"mode": "party"}),
        (Command.OVERHEAT, {"mode": "party"}),
        (Command.OVERHEAT_TEMP, {"temp": 32}),
        (Command.SEAT_HEATER, {"seat": "roof", "level": 1}),
        (Command.CHARGE_LIMIT, {"percent": True}),
        (Command.SENTRY, {"on": "yes"}),
    ],
)
async def test_invalid_parameters_are_not_sent(
    cloud: Cloud, link: FleetClient, command: Command, params: dict[str, Any]
) -> None:
    outcome = await link.command(VIN, command_call(command, **params))
    assert outcome.call is not None
    assert (outcome.done, outcome.known, outcome.call.sent) == (False, True, False)
    assert cloud.seen == []


@pytest.mark.parametrize("err", [None, OSError("no token"), aiohttp.ClientError()])
async def test_no_token(
    cloud: Cloud, session: aiohttp.ClientSession, err: Exception | None
) -> None:
    async def no_token() -> str | None:
        if err is not None:
            raise err
        return None

    call = await FleetClient(session, cloud.url, no_token).products()
    assert (call.answer.failure, call.answer.status) == (Failure.OTHER, None)
    assert (call.sent, call.body) == (False, None)
    assert cloud.seen == []


async def test_one_command_at_a_time_per_vehicle(
    cloud: Cloud, link: FleetClient
) -> None:
    async def slowly(request: web.Request) -> web.Response:
        # Who could come in between has the time to.
        for _ in range(20):
            await asyncio.sleep(0)
        return web.json_response(DONE)

    cloud.handler = slowly
    outcomes = await asyncio.gather(
        link.command(VIN, command_call(Command.UNLOCK)),
        link.command(VIN, command_call(Command.LOCK)),
        link.command(VIN, command_call(Command.UNLOCK)),
    )
    assert all(outcome.done for outcome in outcomes)
    assert cloud.most_at_once == 1
    assert [path.rsplit("/", 1)[-1] for _, path, _ in cloud.seen] == [
        "door_unlock",
        "door_lock",
        "door_unlock",
    ]


async def test_vehicles_do_not_wait_for_each_other(
    cloud: Cloud, link: FleetClient
) -> None:
    both = asyncio.Barrier(2)

    async def together(_: web.Request) -> web.Response:
        await asyncio.wait_for(both.wait(), 60)
        return web.json_response(DONE)

    cloud.handler = together
    outcomes = await asyncio.gather(
        link.command(VIN, command_call(Command.LOCK)),
        link.command(VIN[::-1], command_call(Command.LOCK)),
    )
    assert all(outcome.done for outcome in outcomes)


async def test_cancellation_propagates_and_releases_the_vehicle(
    cloud: Cloud, link: FleetClient
) -> None:
    arrived = asyncio.Event()

    async def hold(request: web.Request) -> web.StreamResponse:
        arrived.set()
        return await hang(request)

    cloud.handler = hold
    task = asyncio.create_task(link.command(VIN, command_call(Command.LOCK)))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    cloud.handler = saying(DONE)
    assert (await link.command(VIN, command_call(Command.LOCK))).done


async def test_log_is_redacted(
    cloud: Cloud, link: FleetClient, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.handler = saying(recorded(MODEL_3))
    with caplog.at_level(logging.DEBUG, "tesla_fleet_api"):
        await link.vehicle_data(VIN)
    library = [item for item in caplog.records if item.name == "tesla_fleet_api"]
    assert any("Response JSON" in item.getMessage() for item in library)
    for item in library:
        assert VIN not in item.getMessage()
        assert TOKEN not in item.getMessage()
        assert "-30.2226" not in item.getMessage()
