"""The infotainment computer, which sleeps when the car does."""

from collections.abc import Sequence

from google.protobuf.timestamp_pb2 import Timestamp
from tesla_protocol.command.car_server_pb2 import (
    Action,
    ActionStatus,
    OperationStatus_E,
    Ping,
    Response,
    ResultReason,
)

from ..vehicle.car import Car
from .command_decoder import DecodedCommand
from .vehicle_data import vehicle_data


def answer(
    car: Car, payload: bytes, commands: Sequence[DecodedCommand], timestamp: float
) -> bytes:
    """Execute commands or answer a request for data."""
    action = Action.FromString(payload).vehicleAction
    match action.WhichOneof("vehicle_action_msg"):
        case "getVehicleData":
            data = vehicle_data(car, action.getVehicleData, timestamp)
            reply = Response(actionStatus=_SUCCESS, vehicleData=data)
        case "ping":
            ping = Ping(
                ping_id=action.ping.ping_id,
                local_timestamp=Timestamp(seconds=int(timestamp)),
            )
            reply = Response(actionStatus=_SUCCESS, ping=ping)
        case _:
            reply = Response(actionStatus=_execute(car, commands))
    return bytes(reply.SerializeToString())


_SUCCESS = ActionStatus(result=OperationStatus_E.OPERATIONSTATUS_OK)


def _execute(car: Car, commands: Sequence[DecodedCommand]) -> ActionStatus:
    for command in commands:
        done, reason = car.execute(command.name, command.body)
        if not done:
            return ActionStatus(
                result=OperationStatus_E.OPERATIONSTATUS_ERROR,
                result_reason=ResultReason(plain_text=reason),
            )
    return _SUCCESS
