"""Tests of signed commands to simulated vehicles."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
import stat
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric import ec
import pytest

from custom_components.keycard.transport.cloud import FleetClient
from custom_components.keycard.transport.http import RecordingMiddleware
from custom_components.keycard.transport.key_pair import (
    PrivateKey,
    UnusableKeyError,
    load_or_create_key,
    matches_public_key,
    public_key_hex,
    public_pem,
)
from custom_components.keycard.transport.result import CommandRejection
from custom_components.keycard.vehicle.commands import Command, command_call
from simulator import Simulator
from simulator.protocol import Role
from simulator.scenarios.scenario import CarSpec, Home

HOME = Home(
    region="eu",
    cars=(CarSpec(name="Ada", model="models", year=2018, signing="required"),),
)

pytestmark = pytest.mark.usefixtures("socket_enabled")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Vehicle that accepts only signed commands, and a client with a key."""

    simulator: Simulator
    link: FleetClient

    @property
    def vin(self) -> str:
        return self.simulator.cars["Ada"].vin

    def executed(self, command: str = "door_unlock") -> int:
        return self.simulator.cars["Ada"].executed[command]


@pytest.fixture
def key() -> PrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
async def scene(key: PrivateKey) -> AsyncIterator[Scene]:
    async with (
        Simulator(HOME) as simulator,
        aiohttp.ClientSession(middlewares=(RecordingMiddleware(),)) as session,
    ):
        simulator.pair("Ada", key)

        async def token() -> str:
            return simulator.token

        link = FleetClient(session, simulator.urls["eu"], token, private_key=key)
        yield Scene(simulator=simulator, link=link)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the delays before the library resends."""

    async def sleep(_seconds: float) -> None:
        return

    monkeypatch.setattr("tesla_fleet_api.tesla.vehicle.commands.sleep", sleep)


# How a command is signed, its parameters, and what the car counts it as
COMMANDS: list[tuple[Command, dict[str, Any], str]] = [
    (Command.LOCK, {}, "door_lock"),
    (Command.UNLOCK, {}, "door_unlock"),
    (Command.CLIMATE_ON, {}, "auto_conditioning_start"),
    (Command.CLIMATE_OFF, {}, "auto_conditioning_stop"),
    (Command.SET_TEMPS, {"driver_temp": 21, "passenger_temp": 20.5}, "set_temps"),
    (Command.KEEPER, {"mode": "dog"}, "set_climate_keeper_mode"),
    (Command.PRECONDITION_MAX, {"on": True}, "set_preconditioning_max"),
    (Command.OVERHEAT, {"mode": "fan_only"}, "set_cabin_overheat_protection"),
    (Command.OVERHEAT_TEMP, {"temp": 35.0}, "set_cop_temp"),
    (
        Command.SEAT_HEATER,
        {"seat": "rear_center", "level": 2},
        "remote_seat_heater_request",
    ),
    (Command.WHEEL_HEATER, {"level": 3}, "remote_steering_wheel_heat_level_request"),
    (
        Command.AUTO_SEAT,
        {"seat": "left", "on": True},
        "remote_auto_seat_climate_request",
    ),
    (
        Command.AUTO_WHEEL,
        {"on": True},
        "remote_auto_steering_wheel_heat_climate_request",
    ),
    (Command.WINDOWS, {"open": True}, "window_control"),
    (Command.SUN_ROOF, {"open": True}, "sun_roof_control"),
    (Command.FRONT_TRUNK, {}, "actuate_trunk"),
    (Command.REAR_TRUNK, {"open": True}, "actuate_trunk"),
    (Command.PORT, {"open": True}, "charge_port_door_open"),
    (Command.CHARGE_LIMIT, {"percent": 85.0}, "set_charge_limit"),
    (Command.CHARGE_AMPS, {"amps": 8.0}, "set_charging_amps"),
    (Command.SENTRY, {"on": True}, "set_sentry_mode"),
    (Command.VALET, {"on": True}, "set_valet_mode"),
    (Command.FLASH, {}, "flash_lights"),
    (Command.HONK, {}, "honk_horn"),
    (Command.KEYLESS_DRIVING, {}, "remote_start_drive"),
]


@pytest.mark.parametrize(("command", "params", "counted"), COMMANDS)
async def test_commands(
    scene: Scene, command: Command, params: dict[str, Any], counted: str
) -> None:
    # Seats heat only while the climate is on.
    scene.simulator.cars["Ada"].climate_on = True
    outcome = await scene.link.command(
        scene.vin, command_call(command, **params), signed=True
    )
    assert (outcome.done, outcome.known) == (True, True)
    assert scene.executed(counted) == 1
    # Unsigned, the same is refused.
    plain = await scene.link.command(scene.vin, command_call(command, **params))
    assert (plain.done, plain.known) == (False, True)
    assert scene.executed(counted) == 1


async def test_wake_is_never_signed(scene: Scene) -> None:
    outcome = await scene.link.command(
        scene.vin, command_call(Command.WAKE), signed=True
    )
    assert outcome.done
    assert scene.simulator.usage.count("eu.signed_command") == 0


async def test_session_is_reused_between_commands(scene: Scene) -> None:
    for _ in range(3):
        await scene.link.command(scene.vin, command_call(Command.UNLOCK), signed=True)
    # One greeting, and three commands.
    assert scene.simulator.usage.count("eu.signed_command") == 4
    assert scene.executed() == 3


@dataclass(frozen=True, kw_only=True)
class Mishap:
    """Fault of the vehicle and the expected result."""

    name: str
    executed: int
    known: bool = False


MISHAPS = [
    Mishap(name="wait", executed=0),
    Mishap(name="wait-done", executed=1),
    Mishap(name="busy", executed=0),
    Mishap(name="busy-done", executed=1),
    Mishap(name="lost", executed=0),
    Mishap(name="lost-done", executed=1),
]


@pytest.mark.parametrize("command", [Command.UNLOCK, Command.CLIMATE_ON])
@pytest.mark.parametrize("mishap", MISHAPS, ids=lambda mishap: mishap.name)
async def test_no_command_is_sent_twice(
    scene: Scene, mishap: Mishap, command: Command
) -> None:
    counted = {Command.UNLOCK: "door_unlock"}.get(command, "auto_conditioning_start")
    scene.simulator.inject_fault("Ada", mishap.name)
    outcome = await scene.link.command(scene.vin, command_call(command), signed=True)
    assert not outcome.done
    assert outcome.known is mishap.known
    assert scene.executed(counted) == mishap.executed
    assert scene.simulator.usage.count("eu.signed_command") == 2

    # The next one is none the worse for it.
    outcome = await scene.link.command(scene.vin, command_call(command), signed=True)
    assert (outcome.done, outcome.known) == (True, True)
    assert scene.executed(counted) == mishap.executed + 1


async def test_restarted_vehicle_gets_a_new_handshake(scene: Scene) -> None:
    assert (
        await scene.link.command(scene.vin, command_call(Command.UNLOCK), signed=True)
    ).done
    scene.simulator.computers["Ada"].restart()
    outcome = await scene.link.command(
        scene.vin, command_call(Command.UNLOCK), signed=True
    )
    assert outcome.done
    assert scene.executed() == 2


async def test_unauthenticated_incorrect_epoch_is_not_trusted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (
        await scene.link.command(scene.vin, command_call(Command.UNLOCK), signed=True)
    ).done
    computers = scene.simulator.computers["Ada"]
    answer = computers.answer

    def forged(data: bytes, *over: Any) -> bytes | None:
        """Do it, and say that it was not done: as an old answer of the car would."""
        from tesla_protocol.command.universal_message_pb2 import (
            Destination,
            MessageFault_E,
            MessageStatus,
            RoutableMessage,
        )

        answer(data, *over)
        domain = RoutableMessage.FromString(data).to_destination.domain
        fault = MessageFault_E.MESSAGEFAULT_ERROR_INCORRECT_EPOCH
        reply = RoutableMessage(
            from_destination=Destination(domain=domain),
            signedMessageStatus=MessageStatus(signed_message_fault=fault),
        )
        return bytes(reply.SerializeToString())

    monkeypatch.setattr(computers, "answer", forged)
    outcome = await scene.link.command(
        scene.vin, command_call(Command.UNLOCK), signed=True
    )
    assert not outcome.done
    assert not outcome.known
    assert scene.executed() == 2


async def test_empty_reply_is_no_success(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (
        await scene.link.command(
            scene.vin, command_call(Command.CLIMATE_ON), signed=True
        )
    ).done
    computers = scene.simulator.computers["Ada"]
    monkeypatch.setattr(computers, "answer", lambda *_: b"")
    for command in (Command.CLIMATE_OFF, Command.UNLOCK):
        scene.link.remove_vehicle(scene.vin)
        outcome = await scene.link.command(
            scene.vin, command_call(command), signed=True
        )
        assert not outcome.done


async def test_unpaired_key_is_rejected(scene: Scene, key: PrivateKey) -> None:
    scene.simulator.computers["Ada"].whitelist.remove(key)
    outcome = await scene.link.command(
        scene.vin, command_call(Command.UNLOCK), signed=True
    )
    assert (outcome.done, outcome.known) == (False, True)
    assert outcome.rejection is CommandRejection.KEY_NOT_PAIRED
    assert outcome.key_paired is False
    assert scene.executed() == 0


async def test_only_a_signed_command_proves_that_the_key_is_paired(
    scene: Scene,
) -> None:
    signed = await scene.link.command(
        scene.vin, command_call(Command.UNLOCK), signed=True
    )
    assert (signed.done, signed.key_paired) == (True, True)
    scene.simulator.set_signing("Ada", "allowed")
    plain = await scene.link.command(scene.vin, command_call(Command.LOCK))
    assert (plain.done, plain.key_paired) == (True, None)


async def test_removed_key_is_rejected(scene: Scene, key: PrivateKey) -> None:
    assert (
        await scene.link.command(scene.vin, command_call(Command.UNLOCK), signed=True)
    ).done
    scene.simulator.computers["Ada"].whitelist.remove(key)
    outcome = await scene.link.command(
        scene.vin, command_call(Command.UNLOCK), signed=True
    )
    assert (outcome.done, outcome.known) == (False, True)
    assert outcome.rejection is CommandRejection.KEY_NOT_PAIRED
    assert scene.executed() == 1


async def test_key_without_permission_is_rejected(
    scene: Scene, key: PrivateKey
) -> None:
    scene.simulator.computers["Ada"].whitelist.remove(key)
    scene.simulator.pair("Ada", key, Role.CHARGING_MANAGER)
    outcome = await scene.link.command(
        scene.vin, command_call(Command.UNLOCK), signed=True
    )
    assert (outcome.done, outcome.known) == (False, True)
    assert outcome.rejection is CommandRejection.KEY_NOT_ALLOWED
    assert scene.executed() == 0


@pytest.mark.parametrize(
    ("answer", "known"),
    [
        ('500 {"error":"upstream internal error"}', False),
        ("503 Server Maintenance", False),
        ("garbage", False),
        ("portal", False),
        ('401 {"error":"login_required"}', True),
        ('408 {"error":"vehicle unavailable"}', True),
        ("retry-after:60", True),
    ],
)
async def test_failing_cloud(scene: Scene, answer: str, known: bool) -> None:
    # Before the greeting nothing can have been done.
    scene.simulator.set("eu.api", answer)
    outcome = await scene.link.command(
        scene.vin, command_call(Command.UNLOCK), signed=True
    )
    assert (outcome.done, outcome.known) == (False, True)
    scene.simulator.set("eu.api", "ok")
    assert (
        await scene.link.command(scene.vin, command_call(Command.UNLOCK), signed=True)
    ).done
    executed = scene.executed()

    scene.simulator.set("eu.api", answer)
    outcome = await scene.link.command(
        scene.vin, command_call(Command.UNLOCK), signed=True
    )
    assert (outcome.done, outcome.known) == (False, known)
    assert scene.executed() - executed <= 1


async def test_sleeping_vehicle(scene: Scene) -> None:
    scene.simulator.set("car.Ada", "asleep")
    outcome = await scene.link.command(
        scene.vin, command_call(Command.UNLOCK), signed=True
    )
    assert (outcome.done, outcome.known) == (False, True)
    assert outcome.call is not None
    assert outcome.call.answer.status == 408


async def test_nothing_is_signed_without_a_key(scene: Scene) -> None:
    async def token() -> str:
        return scene.simulator.token

    async with aiohttp.ClientSession(middlewares=(RecordingMiddleware(),)) as session:
        link = FleetClient(session, scene.simulator.urls["eu"], token)
        outcome = await link.command(
            scene.vin, command_call(Command.UNLOCK), signed=True
        )
    assert (outcome.done, outcome.known) == (False, True)
    assert scene.simulator.usage.count("eu.signed_command") == 0


# The key


async def test_key_is_created_once(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    key = await load_or_create_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert public_pem(await load_or_create_key(path)) == public_pem(key)


@pytest.mark.parametrize("content", ["not a key", "-----BEGIN PRIVATE KEY-----"])
async def test_file_with_other_content_is_not_replaced(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "a.key"
    path.write_text(content)
    with pytest.raises(UnusableKeyError):
        await load_or_create_key(path)
    assert path.read_text() == content


def test_public_key_formats(key: PrivateKey) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    assert matches_public_key(public_pem(key), key) is True
    assert matches_public_key(public_pem(other), key) is False
    assert matches_public_key("<html>", key) is None
    assert public_key_hex(key).startswith("04")
    assert len(public_key_hex(key)) == 130
