"""The library's signing client, connected to a simulated car without a network."""

from collections.abc import Callable
from typing import Any, ClassVar, Literal, override

from cryptography.hazmat.primitives.asymmetric import ec
from tesla_fleet_api.tesla.tesla import Tesla
from tesla_fleet_api.tesla.vehicle.commands import Commands
from tesla_protocol.command.universal_message_pb2 import RoutableMessage

from simulator.protocol import Transport, VehicleComputers
from simulator.vehicle.car import Car


def generate_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


class SigningClient(Commands[Tesla]):
    """The library's client; it records sent and received messages."""

    _auth_method: ClassVar[Literal["hmac", "aes"]] = "hmac"
    _transport_name = "wire"

    def __init__(
        self,
        computers: VehicleComputers,
        car: Car,
        key: ec.EllipticCurvePrivateKey,
        transport: Transport = Transport.CLOUD,
    ) -> None:
        super().__init__(Tesla(), car.vin, key)
        self.computers = computers
        self.transport = transport
        self.sent: list[bytes] = []
        self.received: list[RoutableMessage] = []
        self.disconnected = False  # messages do not reach the car
        self.alter: Callable[[RoutableMessage], None] = lambda message: None

    @override
    async def _send(
        self,
        msg: RoutableMessage,
        requires: str,
        expects_data: bool = True,
        *,
        confirm_broadcast: Callable[[Any], bool] | None = None,
    ) -> RoutableMessage:
        self.alter(msg)
        self.sent.append(msg.SerializeToString())
        if self.disconnected:
            raise TimeoutError
        answer = self.computers.answer(self.sent[-1], self.transport)
        if answer is None:
            raise TimeoutError
        reply: RoutableMessage = RoutableMessage.FromString(answer)
        self.received.append(RoutableMessage.FromString(answer))
        self.validate_msg(reply, msg.uuid)
        return reply


class EncryptingClient(SigningClient):
    """The same client with encryption in both directions, as over Bluetooth."""

    _auth_method = "aes"
