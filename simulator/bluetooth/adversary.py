"""A relay between a home and a car that drops, delays, replays and injects messages.

It has a key pair of its own and has recorded all messages. It has neither the car's
private keys nor the home's, so it can forge unauthenticated messages and nothing that
is sealed.
"""

from collections.abc import Callable
from random import Random
from typing import override

from cryptography.hazmat.primitives.asymmetric import ec
from tesla_protocol.command.car_server_pb2 import (
    ActionStatus,
    GetChargeState,
    GetClimateState,
    GetVehicleData,
    OperationStatus_E as ActionStatus_E,
    Response,
)
from tesla_protocol.command.signatures_pb2 import (
    AES_GCM_Response_Signature_Data,
    Session_Info_Status,
    SessionInfo,
    SignatureData,
)
from tesla_protocol.command.universal_message_pb2 import (
    Destination,
    Domain,
    MessageFault_E,
    MessageStatus,
    OperationStatus_E,
    RoutableMessage,
)
from tesla_protocol.command.vcsec_pb2 import (
    CommandStatus,
    FromVCSECMessage,
    OperationStatus_E as CommandStatus_E,
)

from ..protocol import Role, SendLater, VehicleComputers
from ..protocol.vcsec import status_message
from ..protocol.vehicle_data import vehicle_data
from ..vehicle.car import Car
from .spoofed_devices import Relay, copy_car

_FAULTS = (
    MessageFault_E.MESSAGEFAULT_ERROR_UNKNOWN_KEY_ID,
    MessageFault_E.MESSAGEFAULT_ERROR_INSUFFICIENT_PRIVILEGES,
    MessageFault_E.MESSAGEFAULT_ERROR_BUSY,
    MessageFault_E.MESSAGEFAULT_ERROR_TIME_EXPIRED,
    MessageFault_E.MESSAGEFAULT_ERROR_INVALID_TOKEN_OR_COUNTER,
)
_MAX_RECORDED = 200  # messages


class Adversary(Relay):
    """Relay that attacks messages of a car at random.

    `attack_rate` is the probability of an attack on a message. Without `forges_status`
    it injects no unsealed status addressed to the client, and without `forges_data` no
    unsealed answer of infotainment, neither its own nor a recorded one.
    """

    def __init__(
        self,
        computers: VehicleComputers,
        car: Car,
        random: Random,
        get_time: Callable[[], float],
        *,
        attack_rate: float = 0.3,
        forges_status: bool = True,
        forges_data: bool = True,
    ) -> None:
        super().__init__(computers)
        self.attacks: dict[str, int] = {}
        """How often it did what."""

        self._car = car
        self._random = random
        self._get_time = get_time
        self._attack_rate = attack_rate
        self._forges = {
            Domain.DOMAIN_VEHICLE_SECURITY: forges_status,
            Domain.DOMAIN_INFOTAINMENT: forges_data,
        }
        self._own_computers = VehicleComputers(
            copy_car(car),
            get_time,
            keys=lambda _vin, _domain: ec.generate_private_key(ec.SECP256R1()),
        )
        self._sent: list[bytes] = []
        self._received: list[bytes] = []
        self._delayed: list[bytes] = []
        # Forgeries in answer to a session request, and to a signed message.
        self._session_forgeries = [
            self._forge_denial,
            self._forge_session,
            self._forge_fault,
        ]
        self._answer_forgeries = [
            self._forge_confirmation,
            self._forge_fault,
            self._forge_sealed,
            self._forge_broadcast,
        ]

    @override
    def answer_bluetooth(self, data: bytes, send_later: SendLater) -> bytes | None:
        """Relay a message and its answers, or attack them."""
        message = RoutableMessage.FromString(data)
        if self._choose_attack("swallow", "pass on", "pass on") == "swallow":
            # The car receives nothing, the client a forgery.
            for forged in self._forge(message):
                send_later(forged)
            return None
        answers = [
            answer
            for one in self._outbound(data)
            if (answer := super().answer_bluetooth(one, send_later)) is not None
        ]
        for answer in self._inbound(message, answers):
            send_later(answer)
        return None

    @override
    def broadcast(self) -> bytes:
        """Return the broadcast of the car, or one with a false status."""
        if self._random.random() < self._attack_rate:
            return self._forge_broadcast(RoutableMessage())
        return super().broadcast()

    def _choose_attack(self, *attacks: str) -> str:
        if self._random.random() >= self._attack_rate:
            return ""
        attack = self._random.choice(attacks)
        self.attacks[attack] = self.attacks.get(attack, 0) + 1
        return attack

    def _outbound(self, data: bytes) -> list[bytes]:
        """Return the messages that reach the car."""
        delayed, self._delayed = self._delayed, []
        self._sent = [*self._sent[1 - _MAX_RECORDED :], data]
        match self._choose_attack("drop", "delay", "double", "replay to the car"):
            case "drop":
                return delayed
            case "delay":
                self._delayed = [data]
                return delayed
            case "double":
                return [*delayed, data, data]
            case "replay to the car":
                return [*delayed, self._random.choice(self._sent), data]
            case _:
                return [data, *delayed]

    def _inbound(self, message: RoutableMessage, answers: list[bytes]) -> list[bytes]:
        """Return the messages that reach the client."""
        records_unsealed = self._forges.get(message.to_destination.domain, False)
        recorded = [one for one in answers if records_unsealed or not _is_unsealed(one)]
        self._received = [*self._received, *recorded][-_MAX_RECORDED:]
        match self._choose_attack("lose", "replay", "inject", "inject instead"):
            case "lose":
                return []
            case "replay" if self._received:
                return [self._random.choice(self._received), *answers]
            case "inject":
                return [*self._forge(message), *answers]
            case "inject instead":
                return self._forge(message)
            case _:
                return answers

    def _forge(self, message: RoutableMessage) -> list[bytes]:
        is_session_request = message.HasField("session_info_request")
        choices = (
            self._session_forgeries if is_session_request else self._answer_forgeries
        )
        if not is_session_request and self._forges.get(message.to_destination.domain):
            choices = [*choices, *[self._forge_state] * 4]
        return [self._random.choice(choices)(message)]

    def _reply(self, message: RoutableMessage) -> RoutableMessage:
        return RoutableMessage(
            to_destination=message.from_destination,
            from_destination=message.to_destination,
            request_uuid=self._random.choice((b"", message.uuid)),
        )

    def _false_status(self) -> bytes:
        """Return the status of the car with the opposite lock state."""
        copied = copy_car(self._car)
        copied.locked = not self._car.locked
        return status_message(copied)

    def _false_data(self) -> bytes:
        """Return data with another charge limit and the opposite climate state."""
        copied = copy_car(self._car)
        copied.charge_limit = 150 - self._car.charge_limit
        copied.climate_on = not self._car.climate_on
        request = GetVehicleData(
            getChargeState=GetChargeState(), getClimateState=GetClimateState()
        )
        done = ActionStatus(result=ActionStatus_E.OPERATIONSTATUS_OK)
        data = vehicle_data(copied, request, self._get_time())
        return bytes(Response(actionStatus=done, vehicleData=data).SerializeToString())

    def _forge_state(self, message: RoutableMessage) -> bytes:
        reply = self._reply(message)
        security = message.to_destination.domain == Domain.DOMAIN_VEHICLE_SECURITY
        reply.protobuf_message_as_bytes = (
            self._false_status() if security else self._false_data()
        )
        return bytes(reply.SerializeToString())

    def _forge_broadcast(self, _message: RoutableMessage) -> bytes:
        return bytes(
            RoutableMessage(
                to_destination=Destination(domain=Domain.DOMAIN_BROADCAST),
                from_destination=Destination(domain=Domain.DOMAIN_VEHICLE_SECURITY),
                protobuf_message_as_bytes=self._false_status(),
            ).SerializeToString()
        )

    def _forge_confirmation(self, message: RoutableMessage) -> bytes:
        reply = self._reply(message)
        status = CommandStatus(operationStatus=CommandStatus_E.OPERATIONSTATUS_OK)
        payload = self._random.choice((FromVCSECMessage(commandStatus=status), None))
        reply.protobuf_message_as_bytes = (
            b"" if payload is None else payload.SerializeToString()
        )
        return bytes(reply.SerializeToString())

    def _forge_fault(self, message: RoutableMessage) -> bytes:
        reply = self._reply(message)
        reply.signedMessageStatus.CopyFrom(
            MessageStatus(
                operation_status=OperationStatus_E.OPERATIONSTATUS_ERROR,
                signed_message_fault=self._random.choice(_FAULTS),
            )
        )
        return bytes(reply.SerializeToString())

    def _forge_denial(self, message: RoutableMessage) -> bytes:
        reply = self._reply(message)
        reply.session_info = SessionInfo(
            status=Session_Info_Status.SESSION_INFO_STATUS_KEY_NOT_ON_WHITELIST
        ).SerializeToString()
        return bytes(reply.SerializeToString())

    def _forge_session(self, message: RoutableMessage) -> bytes:
        """Answer a session request with a key pair of its own."""
        self._own_computers.whitelist.add(
            message.session_info_request.public_key, Role.DRIVER
        )
        return self._own_computers.answer(message.SerializeToString()) or b""

    def _forge_sealed(self, message: RoutableMessage) -> bytes:
        """Answer with random bytes in the format of a sealed payload."""
        reply = self._reply(message)
        reply.protobuf_message_as_bytes = self._random.randbytes(8)
        reply.signature_data.CopyFrom(
            SignatureData(
                AES_GCM_Response_data=AES_GCM_Response_Signature_Data(
                    nonce=self._random.randbytes(12),
                    counter=1,
                    tag=self._random.randbytes(16),
                )
            )
        )
        return bytes(reply.SerializeToString())


def _is_unsealed(data: bytes) -> bool:
    """Return whether a message has an unsealed payload."""
    message = RoutableMessage.FromString(data)
    sealed = message.signature_data.HasField("AES_GCM_Response_data")
    return message.HasField("protobuf_message_as_bytes") and not sealed
