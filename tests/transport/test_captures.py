"""Frames of real vehicles and answers of Tesla's proxy, as recorded."""

from datetime import UTC, datetime
import json
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric import ec
import pytest
from tesla_protocol.command.universal_message_pb2 import Domain, RoutableMessage
from tesla_protocol.command.vcsec_pb2 import FromVCSECMessage, VehicleStatus

from custom_components.keycard.transport.bluetooth_messages import parse_status
from custom_components.keycard.transport.bluetooth_vehicle import BluetoothVehicleClient
from custom_components.keycard.transport.cloud import FleetClient
from custom_components.keycard.vehicle.commands import Command, command_call
from custom_components.keycard.vehicle.computer_keys import ComputerTrust
from custom_components.keycard.vehicle.product_list import parse_products
from custom_components.keycard.vehicle.vehicle import Vehicle
from simulator import Simulator

from ..vehicle.recorded import VIN, recorded_message
from .cloud import Cloud, replying, token

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CAPTURED: dict[str, Any] = recorded_message("bluetooth")
ANSWERS: list[dict[str, Any]] = recorded_message("tesla-proxy-answers")


def open_closures(status: VehicleStatus) -> list[str]:
    state = parse_status(status)
    closures = {name: state[name] for name in state if name.endswith("_open")}
    assert len(closures) == 7
    return [name for name, is_open in closures.items() if is_open]


def test_an_answer_without_closures_and_gear() -> None:
    captured = CAPTURED["answer"]
    frame = RoutableMessage.FromString(bytes.fromhex(captured["bytes"]))
    assert frame.from_destination.domain == Domain.DOMAIN_VEHICLE_SECURITY
    status = FromVCSECMessage.FromString(frame.protobuf_message_as_bytes).vehicleStatus
    right = dict(captured["right"])
    assert open_closures(status) == right.pop("closures")
    state = parse_status(status)
    assert {name: state[name] for name in right} == right


def test_a_door_that_is_open_and_then_shut() -> None:
    for captured in CAPTURED["statuses"]:
        status = VehicleStatus.FromString(bytes.fromhex(captured["bytes"]))
        assert open_closures(status) == captured["open"]


@pytest.mark.parametrize("captured", CAPTURED["broadcasts"], ids=lambda it: it["what"])
async def test_broadcasts_without_a_status(
    captured: dict[str, str],
) -> None:
    received: list[VehicleStatus] = []
    key = ec.generate_private_key(ec.SECP256R1())
    client = BluetoothVehicleClient(VIN, key, ComputerTrust(), received.append)
    client._on_message(RoutableMessage.FromString(bytes.fromhex(captured["bytes"])))
    assert received == []
    assert all(queue.empty() for queue in client._queues.values())
    assert client.key_error is None


def test_the_simulated_car_sends_the_same_bytes() -> None:
    simulator = Simulator()
    car, computers = simulator.cars["Ada"], simulator.computers["Ada"]
    captured = [bytes.fromhex(one["bytes"]) for one in CAPTURED["broadcasts"]]
    said = computers.unsolicited_messages()[1:]
    # The id of the key is made up on both sides.
    assert said[1:] == captured[1:]
    assert (said[0][:16], said[0][36:]) == (captured[0][:16], captured[0][36:])
    car.locked, car.user_present = True, False
    assert not car.reports_gear
    status = RoutableMessage.FromString(computers.broadcast()).protobuf_message_as_bytes
    frame = RoutableMessage.FromString(bytes.fromhex(CAPTURED["answer"]["bytes"]))
    assert status == frame.protobuf_message_as_bytes


@pytest.mark.usefixtures("socket_enabled")
@pytest.mark.parametrize("answer", ANSWERS, ids=lambda it: json.dumps(it["body"]))
async def test_answers_of_teslas_proxy(
    session: aiohttp.ClientSession, cloud: Cloud, answer: dict[str, Any]
) -> None:
    cloud.handler = replying(answer["status"], json.dumps(answer["body"]))
    link = FleetClient(session, cloud.url, token, through_server=True)
    result = await link.command(VIN, command_call(Command.LOCK))
    assert result.rejection == answer["rejection"]
    assert result.known is answer["confirmed"]
    assert result.done is answer.get("done", False)


def test_mobile_access_that_is_off_in_the_list() -> None:
    recorded = recorded_message("mobile-access-in-the-list")
    products = parse_products(recorded["play"]["GET products"])
    assert products is not None
    [(vin, product)] = products.items()
    vehicle = Vehicle.from_vin(vin)
    vehicle.apply_product(product, NOW)
    assert vehicle.mobile_access_disabled
    assert not vehicle.online
