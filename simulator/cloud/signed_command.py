"""The `signed_command` endpoint of the Fleet API."""

import base64
import binascii
from collections.abc import Collection, Mapping

from google.protobuf.message import DecodeError
from tesla_protocol.command.universal_message_pb2 import RoutableMessage

from ..http.server import Reply, failure, json_reply
from ..protocol import (
    DecodedCommand,
    UnknownCommandError,
    VehicleComputers,
    decode_commands,
)
from ..vehicle.commands import CHARGING_COMMANDS


def answer_signed(
    computers: VehicleComputers, scopes: Collection[str], body: Mapping[str, object]
) -> Reply:
    """Pass a message to an online car and return its answer."""
    try:
        data = base64.b64decode(str(body.get("routable_message", "")), validate=True)
        message = RoutableMessage.FromString(data)
    except binascii.Error, DecodeError:
        return failure(400, "invalid_command")
    if message.signature_data.HasField("AES_GCM_Personalized_data"):
        # The cloud only forwards messages that it can check against the token's scopes.
        return failure(400, "invalid_command")
    if not _is_permitted(scopes, message):
        return failure(403, "Unauthorized missing scopes")
    if (answer := computers.answer(data)) is None:
        return failure(504, "timeout: vehicle did not respond")
    return json_reply({"response": base64.b64encode(answer).decode()})


def _is_permitted(scopes: Collection[str], message: RoutableMessage) -> bool:
    if "vehicle_cmds" in scopes:
        return True
    if "vehicle_charging_cmds" not in scopes:
        return False
    if message.HasField("session_info_request"):
        return True
    try:
        commands = decode_commands(message)
    except DecodeError, UnknownCommandError:
        return False
    return all(_is_charging_command(command) for command in commands)


def _is_charging_command(command: DecodedCommand) -> bool:
    return command.name in CHARGING_COMMANDS
