"""The computers of a car behind one interface: bytes in, bytes out."""

from collections import Counter
from collections.abc import Callable
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.message import DecodeError
from tesla_protocol.command.universal_message_pb2 import (
    Destination,
    Domain,
    MessageFault_E,
    MessageStatus,
    OperationStatus_E,
    RoutableMessage,
)
from tesla_protocol.command.vcsec_pb2 import SignatureType, ToVCSECMessage

from ..vehicle.car import Car
from . import infotainment, pairing, vcsec
from .command_decoder import DecodedCommand, UnknownCommandError, decode_commands
from .computer import Computer, MessageFaultError, VerifiedMessage, computer_key
from .faults import CommandFault, CommandFaults
from .whitelist import PRIVILEGES, Role, Whitelist, public_point

type SendLater = Callable[[bytes], None]


class Transport(StrEnum):
    """Transport of a message."""

    CLOUD = "cloud"
    BLUETOOTH = "bluetooth"


class VehicleComputers:
    """The computers of a car, its whitelist and its faults."""

    def __init__(
        self,
        car: Car,
        get_time: Callable[[], float],
        *,
        whitelist: Whitelist | None = None,
        keys: Callable[[str, Domain], ec.EllipticCurvePrivateKey] = computer_key,
    ) -> None:
        self.whitelist = whitelist or Whitelist(get_time)
        self.faults = CommandFaults()
        self.bluetooth_executed: Counter[str] = Counter()
        """Number of executions of each command received over Bluetooth."""

        self.confirmation = vcsec.Confirmation.EMPTY
        """How the vehicle security computer confirms a command."""

        self.reports_wait = False
        """Whether it reports that it waits for a keycard: newer cars do not."""

        self.infotainment_hangs = False
        """Whether infotainment does not answer over Bluetooth until a restart.

        Users report this of firmware of 2026; the vehicle security computer answers.
        """

        self.sends_acknowledgments = False
        """Whether an acknowledgment precedes each answer over Bluetooth."""

        self.seals_status = True
        """Whether the vehicle security computer seals its status.

        Both exist: Tesla's client requests the status unsigned and accepts an unsealed
        answer.
        """

        self.seals_infotainment = True
        """Whether infotainment seals its answers: not before firmware 2024.38."""

        self.vin = car.vin
        self._car = car
        self._get_time = get_time
        self._computers = {
            domain: Computer(
                domain, car.vin, self.whitelist, get_time, keys(car.vin, domain)
            )
            for domain in (Domain.DOMAIN_VEHICLE_SECURITY, Domain.DOMAIN_INFOTAINMENT)
        }

    def inject_fault(self, fault: CommandFault | str, times: int = 1) -> None:
        """Inject a fault into the next commands."""
        self.faults.inject_fault(CommandFault(fault), times)

    def restart(self) -> None:
        """Restart all computers, which drops every session."""
        self.infotainment_hangs = False
        for computer in self._computers.values():
            computer.restart()

    def answer(
        self,
        data: bytes,
        transport: Transport = Transport.CLOUD,
        send_later: SendLater = lambda message: None,
    ) -> bytes | None:
        """Return the answer to a message, None if the computer sleeps or hangs.

        `send_later` receives messages sent besides the answer, such as the result of
        pairing.
        """
        try:
            message = RoutableMessage.FromString(data)
        except DecodeError:
            return _encoded(_undecodable())
        if transport is Transport.BLUETOOTH:
            message = _key_request(data) or message
        domain = message.to_destination.domain
        if (computer := self._computers.get(domain)) is None:
            return _encoded(_unknown_domain(message))
        self._car.advance()
        asleep = self._car.connectivity == "asleep"
        is_hanging = self.infotainment_hangs and transport is Transport.BLUETOOTH
        if not computer.is_vehicle_security and (asleep or is_hanging):
            return None
        if not computer.is_vehicle_security and transport is Transport.BLUETOOTH:
            self._car.record_bluetooth_read()
        match message.WhichOneof("payload"):
            case "session_info_request":
                reply: RoutableMessage | None = computer.open_session(message)
            case "protobuf_message_as_bytes" if (
                transport is Transport.BLUETOOTH and _is_unsigned(computer, message)
            ):
                reply = self._answer_unsigned(computer, message, send_later)
            case "protobuf_message_as_bytes":
                reply = self._answer_command(computer, message, transport)
            case _:
                fault = MessageFault_E.MESSAGEFAULT_ERROR_BAD_PARAMETER
                reply = computer.fault(message, fault)
        if reply is None:
            return None
        if self.sends_acknowledgments:
            send_later(_encoded(computer.acknowledge(message)))
        return _encoded(reply)

    def answer_bluetooth(self, data: bytes, send_later: SendLater) -> bytes | None:
        """Return the answer to a message received over Bluetooth."""
        return self.answer(data, Transport.BLUETOOTH, send_later)

    def broadcast(self) -> bytes:
        """Return the status broadcast to all connections."""
        return self._broadcast_message(vcsec.status_message(self._car))

    def unsolicited_messages(self) -> list[bytes]:
        """Return the messages sent to a connection until a key has authenticated.

        One of them is not wrapped in a RoutableMessage.
        """
        bare = vcsec.UNSOLICITED_PAYLOADS[0]
        return [bare, *map(self._broadcast_message, vcsec.UNSOLICITED_PAYLOADS)]

    def _broadcast_message(self, payload: bytes) -> bytes:
        return _encoded(
            RoutableMessage(
                to_destination=Destination(domain=Domain.DOMAIN_BROADCAST),
                from_destination=Destination(domain=Domain.DOMAIN_VEHICLE_SECURITY),
                protobuf_message_as_bytes=payload,
            )
        )

    def response_too_long(self, data: bytes) -> bytes:
        """Return the fault for an answer that exceeds the MTU."""
        message = RoutableMessage.FromString(data)
        computer = self._computers[message.to_destination.domain]
        fault = MessageFault_E.MESSAGEFAULT_ERROR_RESPONSE_MTU_EXCEEDED
        return _encoded(computer.fault(message, fault))

    def _answer_unsigned(
        self,
        computer: Computer,
        message: RoutableMessage,
        send_later: SendLater,
    ) -> RoutableMessage | None:
        def send(payload: bytes) -> None:
            send_later(_encoded(computer.plain_reply(message, payload)))

        payload = message.protobuf_message_as_bytes
        try:
            reply = pairing.answer(self._car, self.whitelist, payload, send)
        except DecodeError:
            fault = MessageFault_E.MESSAGEFAULT_ERROR_DECODING
            return computer.fault(message, fault)
        except pairing.SignatureRequiredError:
            fault = MessageFault_E.MESSAGEFAULT_ERROR_BAD_PARAMETER
            return computer.fault(message, fault)
        if reply is None or (reply == vcsec.wait_reply() and not self.reports_wait):
            return None
        return computer.plain_reply(message, reply)

    def _answer_command(
        self, computer: Computer, message: RoutableMessage, transport: Transport
    ) -> RoutableMessage | None:
        injected = None
        try:
            verified = computer.verify(message)
            commands = _permitted_commands(message, verified, transport)
            injected = self.faults.next_fault() if _has_command(commands) else None
            if injected is None or injected.executes:
                before = Counter(self._car.executed)
                payload = self._execute(computer, verified, commands)
                if transport is Transport.BLUETOOTH:
                    self.bluetooth_executed += self._car.executed - before
            else:
                payload = b""
        except MessageFaultError as err:
            return computer.fault(message, err.fault, err.session)
        if (
            computer.is_vehicle_security
            and not self.seals_status
            and not _has_command(commands)
        ):
            return computer.plain_reply(message, payload)
        if injected is None:
            if not (computer.is_vehicle_security or self.seals_infotainment):
                return computer.plain_reply(message, payload)
            names_request = (
                computer.is_vehicle_security
                and _has_command(commands)
                and self.confirmation is vcsec.Confirmation.STATUS
            )
            return computer.answer(
                message, verified, payload, with_request_uuid=names_request
            )
        if injected in {CommandFault.LOST, CommandFault.LOST_DONE}:
            return None
        if injected in {CommandFault.BUSY, CommandFault.BUSY_DONE}:
            return computer.fault(message, MessageFault_E.MESSAGEFAULT_ERROR_BUSY)
        if computer.is_vehicle_security:
            return computer.answer(message, verified, vcsec.wait_reply())
        return computer.status(message, OperationStatus_E.OPERATIONSTATUS_WAIT)

    def _execute(
        self,
        computer: Computer,
        verified: VerifiedMessage,
        commands: list[DecodedCommand],
    ) -> bytes:
        if not computer.is_vehicle_security:
            return infotainment.answer(
                self._car, verified.payload, commands, self._get_time()
            )
        return vcsec.answer(
            self._car,
            self.whitelist,
            verified.payload,
            commands,
            signer=verified.session.point,
            confirmation=self.confirmation,
        )


def public_keys(vin: str) -> dict[str, bytes]:
    """Return the public keys of a simulated car's computers as points of P-256."""
    return {
        "vehicle_security": public_point(
            computer_key(vin, Domain.DOMAIN_VEHICLE_SECURITY)
        ),
        "infotainment": public_point(computer_key(vin, Domain.DOMAIN_INFOTAINMENT)),
    }


def _permitted_commands(
    message: RoutableMessage, verified: VerifiedMessage, transport: Transport
) -> list[DecodedCommand]:
    try:
        commands = decode_commands(message, verified.payload)
    except DecodeError as err:
        raise MessageFaultError(MessageFault_E.MESSAGEFAULT_ERROR_DECODING) from err
    except UnknownCommandError as err:
        raise MessageFaultError(
            MessageFault_E.MESSAGEFAULT_ERROR_INVALID_COMMAND
        ) from err
    if verified.role is Role.FLEET_MANAGER and transport is Transport.BLUETOOTH:
        raise MessageFaultError(
            MessageFault_E.MESSAGEFAULT_ERROR_INSUFFICIENT_PRIVILEGES
        )
    if any(command.privilege not in PRIVILEGES[verified.role] for command in commands):
        raise MessageFaultError(
            MessageFault_E.MESSAGEFAULT_ERROR_REMOTE_SERVICE_ACCESS_DISABLED
            if verified.role in {Role.SERVICE, Role.SERVICE_TECH}
            else MessageFault_E.MESSAGEFAULT_ERROR_INSUFFICIENT_PRIVILEGES
        )
    return commands


def _is_unsigned(computer: Computer, message: RoutableMessage) -> bool:
    return (
        computer.is_vehicle_security
        and message.signature_data.WhichOneof("sig_type") is None
    )


def _has_command(commands: list[DecodedCommand]) -> bool:
    return any(command.name for command in commands)


def _key_request(data: bytes) -> RoutableMessage | None:
    """Return the request of Tesla's client to add a key, None for other messages.

    Tesla's client uses the older envelope, which has no sender: answers are broadcast.
    """
    try:
        envelope = ToVCSECMessage.FromString(data)
    except DecodeError:
        return None
    signed = envelope.signedMessage
    if signed.signatureType != SignatureType.SIGNATURE_TYPE_PRESENT_KEY:
        return None
    return RoutableMessage(
        to_destination=Destination(domain=Domain.DOMAIN_VEHICLE_SECURITY),
        from_destination=Destination(domain=Domain.DOMAIN_BROADCAST),
        protobuf_message_as_bytes=signed.protobufMessageAsBytes,
    )


def _unknown_domain(message: RoutableMessage) -> RoutableMessage:
    """Return the fault for a domain that the car does not have.

    It has the domain and the UUID of the request, as clients ignore it otherwise.
    """
    reply = _undecodable(MessageFault_E.MESSAGEFAULT_ERROR_INVALID_DOMAINS)
    reply.to_destination.CopyFrom(message.from_destination)
    reply.from_destination.domain = message.to_destination.domain
    reply.request_uuid = message.uuid
    return reply


def _encoded(message: RoutableMessage) -> bytes:
    return bytes(message.SerializeToString())


def _undecodable(
    fault: MessageFault_E = MessageFault_E.MESSAGEFAULT_ERROR_DECODING,
) -> RoutableMessage:
    return RoutableMessage(
        from_destination=Destination(domain=Domain.DOMAIN_BROADCAST),
        signedMessageStatus=MessageStatus(
            operation_status=OperationStatus_E.OPERATIONSTATUS_ERROR,
            signed_message_fault=fault,
        ),
    )
