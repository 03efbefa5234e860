"""A vehicle over Bluetooth that is believed only as far as its keys prove it."""

import asyncio
from collections.abc import Callable
import logging
from typing import Any, override

from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.message import DecodeError
from tesla_fleet_api.exceptions import (
    BluetoothTimeout,
    BluetoothTransportError,
    NotOnWhitelistFault,
)
from tesla_fleet_api.tesla import TeslaBluetooth
from tesla_fleet_api.tesla.vehicle.bluetooth import VehicleBluetooth
from tesla_protocol.command.car_server_pb2 import Action
from tesla_protocol.command.signatures_pb2 import SessionInfo
from tesla_protocol.command.universal_message_pb2 import Domain, RoutableMessage
from tesla_protocol.command.vcsec_pb2 import (
    FromVCSECMessage,
    UnsignedMessage,
    VehicleStatus,
)
from tesla_protocol.command.vehicle_pb2 import VehicleData

from ..vehicle.computer_keys import COMPUTERS, Computer, ComputerTrust

_LOGGER = logging.getLogger(__name__)

# How often a connection may be lost between its proof and the message.
_RECONNECTS = 3


class StrangerError(Exception):
    """The device that answered is not the vehicle."""


class UnsealedError(Exception):
    """A vehicle that seals its status answered with an open one."""


class UnprovenError(Exception):
    """A signed message was about to be sent on a connection without a proof."""


class ProvenVehicle(VehicleBluetooth[TeslaBluetooth]):
    """A vehicle whose sessions are compared with the known keys of its computers.

    The library keeps its sessions over connections and takes any device that
    completes a handshake, any broadcast for a confirmation and any open answer for
    the vehicle's. Here each connection is proven by a handshake of its own before
    something signed is sent, broadcasts confirm nothing, and of open answers only the
    status is taken: on a proven connection, of a vehicle that never sealed it.
    """

    def __init__(
        self, vin: str, key: ec.EllipticCurvePrivateKey, trust: ComputerTrust
    ) -> None:
        super().__init__(
            TeslaBluetooth(),
            vin,
            key,
            confirmation="verify",
            keepalive_interval=None,
            raise_unconfirmed=True,
            wake_if_asleep=False,
        )
        self._trust = trust
        self._proven: set[Computer] = set()
        self._requests: dict[int, bytes] = {}
        self._sealed = False
        self._discarded_status = False

    @property
    def trust(self) -> ComputerTrust:
        """Return what decides which device is the vehicle."""
        return self._trust

    @trust.setter
    def trust(self, trust: ComputerTrust) -> None:
        self._trust = trust
        self._proven.clear()

    def is_proven(self, domain: Domain) -> bool:
        """Return whether a computer has proven itself on this connection."""
        return (
            self.client is not None
            and self.client.is_connected
            and COMPUTERS.get(domain) in self._proven
        )

    @override
    async def connect(self, max_attempts: int = 3) -> None:
        self._proven.clear()
        await super().connect(max_attempts)

    # Requests

    @override
    async def _command(
        self,
        domain: Domain,
        command: bytes,
        attempt: int = 0,
        expects_data: bool = True,
        confirm_broadcast: Callable[[VehicleStatus], bool] | None = None,
    ) -> dict[str, Any]:
        """Prove the connection, then sign and send a message on it."""
        for _ in range(_RECONNECTS):
            await self.connect_if_needed()
            await self._ensure_handshake(domain)
            try:
                return await super()._command(
                    domain, command, attempt, expects_data=expects_data
                )
            except UnprovenError:
                _LOGGER.debug("The connection was lost before anything was sent")
        raise BluetoothTransportError

    @override
    async def _send(
        self,
        msg: RoutableMessage,
        requires: str,
        expects_data: bool = True,
        *,
        timeout: float | None = None,
        optimistic: bool = False,
        confirm_broadcast: Callable[[VehicleStatus], bool] | None = None,
    ) -> RoutableMessage:
        """Send a message; a broadcast confirms none, whatever the library asks."""
        domain = msg.to_destination.domain
        if msg.HasField("signature_data") and not self.is_proven(domain):
            raise UnprovenError
        self._requests[domain] = msg.uuid
        self._sealed = self._discarded_status = False
        reply = await super()._send(
            msg, requires, expects_data, timeout=timeout, optimistic=optimistic
        )
        self._sealed = is_sealed(reply)
        return reply

    @override
    async def _getVehicleSecurity(self, command: UnsignedMessage) -> VehicleStatus:
        try:
            status = await super()._getVehicleSecurity(command)
        except BluetoothTimeout:
            if not self._discarded_status:
                raise
            self._trust.answer_status(sealed=False)
            raise UnsealedError from None
        if self._sealed:
            self._trust.answer_status(sealed=True)
        return status

    @override
    async def _getInfotainment(self, command: Action) -> VehicleData:
        data = await super()._getInfotainment(command)
        if isinstance(data, VehicleData) and not self._sealed:
            raise BluetoothTimeout
        return data

    # Answers

    @override
    def _authenticate_session_info(
        self, msg: RoutableMessage, request_uuid: bytes
    ) -> None:
        """Compare the public key before anything of a session is believed."""
        computer = COMPUTERS[msg.from_destination.domain]
        point = SessionInfo.FromString(msg.session_info).publicKey
        now = asyncio.get_running_loop().time()
        if point and not self._trust.admits(computer, point, now):
            raise StrangerError
        try:
            super()._authenticate_session_info(msg, request_uuid)
        except NotOnWhitelistFault:
            self._trust.refuse(now)
            raise
        self._trust.prove(computer, point, now)
        self._proven.add(computer)

    @override
    def _on_message(self, msg: RoutableMessage) -> None:
        """Pass a message on to the library, unless nothing may follow from it."""
        addressed = msg.to_destination.routing_address == self._from_destination
        if addressed and not self._may_answer(msg):
            _LOGGER.debug("Discarding a message that answers nothing")
            return
        super()._on_message(msg)

    def _may_answer(self, msg: RoutableMessage) -> bool:
        domain = msg.from_destination.domain
        if msg.request_uuid and msg.request_uuid != self._requests.get(domain):
            return False
        if is_sealed(msg):
            if not msg.HasField("protobuf_message_as_bytes"):
                # An empty payload that was sealed; the library would wait for one.
                msg.protobuf_message_as_bytes = b""
            return True
        if not msg.HasField("protobuf_message_as_bytes"):
            return True
        if domain != Domain.DOMAIN_VEHICLE_SECURITY:
            return False
        return self._may_be_open(msg.protobuf_message_as_bytes)

    def _may_be_open(self, payload: bytes) -> bool:
        """Return whether an open answer of the security computer is to be read."""
        try:
            told = FromVCSECMessage.FromString(payload)
        except DecodeError:
            return False
        if not told.HasField("vehicleStatus"):
            return True
        if self._trust.keys.seals_status:
            self._discarded_status = True
            return False
        return self.is_proven(Domain.DOMAIN_VEHICLE_SECURITY)


def is_sealed(msg: RoutableMessage) -> bool:
    """Return whether the payload of a message is encrypted and authenticated."""
    return bool(msg.signature_data.HasField("AES_GCM_Response_data"))
