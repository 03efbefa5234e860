"""A vehicle over Bluetooth that is believed only as far as its keys prove it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from tesla_protocol.command.car_server_pb2 import Action, Response
from tesla_protocol.command.signatures_pb2 import Session_Info_Status, SessionInfo
from tesla_protocol.command.universal_message_pb2 import Domain, RoutableMessage
from tesla_protocol.command.vcsec_pb2 import (
    FromVCSECMessage,
    UnsignedMessage,
    VehicleStatus,
)
from tesla_protocol.command.vehicle_pb2 import VehicleData

from ..vehicle.computer_keys import COMPUTERS, Computer, ComputerTrust

_LOGGER = logging.getLogger(__name__)

_NOT_LISTED = Session_Info_Status.SESSION_INFO_STATUS_KEY_NOT_ON_WHITELIST

# How often a connection may be lost between its proof and the message.
_RECONNECTS = 3


class StrangerError(Exception):
    """The device that answered is not the vehicle."""


class UnsealedError(Exception):
    """A computer that seals its answers sent an open one."""


class UnprovenError(Exception):
    """A signed message was about to be sent on a connection without a proof."""


class ProvenVehicle(VehicleBluetooth[TeslaBluetooth]):
    """A vehicle whose sessions are compared with the known keys of its computers.

    The library keeps its sessions over connections and takes any device that
    completes a handshake, any broadcast for a confirmation and any open answer for
    the vehicle's. Here each connection is proven by a handshake of its own before
    something signed is sent, broadcasts confirm nothing, and an open answer is taken on
    a proven connection only, from a computer that was never seen to seal one.
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
        self._discarded: set[Computer] = set()

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
                reply = await super()._command(
                    domain, command, attempt, expects_data=expects_data
                )
            except UnprovenError:
                _LOGGER.debug("The connection was lost before anything was sent")
                continue
            if self._sealed and domain == Domain.DOMAIN_INFOTAINMENT:
                # Unlike the security computer, it seals all of its answers or none.
                self._trust.record_answer(Computer.INFOTAINMENT, sealed=True)
            return reply
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
        self._sealed = False
        self._discarded.clear()
        reply = await super()._send(
            msg, requires, expects_data, timeout=timeout, optimistic=optimistic
        )
        self._sealed = is_sealed(reply)
        return reply

    @override
    async def _getVehicleSecurity(self, command: UnsignedMessage) -> VehicleStatus:
        with self._explain_discarded(Computer.VEHICLE_SECURITY):
            status = await super()._getVehicleSecurity(command)
        if self._sealed:
            self._trust.record_answer(Computer.VEHICLE_SECURITY, sealed=True)
        return status

    @override
    async def _getInfotainment(self, command: Action) -> VehicleData:
        with self._explain_discarded(Computer.INFOTAINMENT):
            return await super()._getInfotainment(command)

    @contextmanager
    def _explain_discarded(self, computer: Computer) -> Iterator[None]:
        """Raise an UnsealedError if the only answer was one that had to be sealed."""
        try:
            yield
        except BluetoothTimeout:
            if computer not in self._discarded:
                raise
            self._trust.record_answer(computer, sealed=False)
            raise UnsealedError from None

    # Answers

    @override
    def _authenticate_session_info(
        self, msg: RoutableMessage, request_uuid: bytes
    ) -> None:
        """Compare the public key before anything of a session is believed."""
        computer = COMPUTERS[msg.from_destination.domain]
        info = SessionInfo.FromString(msg.session_info)
        point = info.publicKey
        now = asyncio.get_running_loop().time()
        if info.status == _NOT_LISTED and not msg.signature_data.session_info_tag.tag:
            # It cannot be sealed. The library reads it only without a public key, and
            # some vehicles send theirs.
            self._trust.record_refusal(now)
            raise NotOnWhitelistFault
        if point and not self._trust.accept_session(computer, point, now):
            raise StrangerError
        try:
            super()._authenticate_session_info(msg, request_uuid)
        except NotOnWhitelistFault:
            self._trust.record_refusal(now)
            raise
        self._trust.record_session(computer, point, now)
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
        try:
            if domain == Domain.DOMAIN_INFOTAINMENT:
                Response.FromString(msg.protobuf_message_as_bytes)
                return bool(msg.request_uuid) and self._may_be_open(domain)
            told = FromVCSECMessage.FromString(msg.protobuf_message_as_bytes)
        except DecodeError:
            return False
        return not told.HasField("vehicleStatus") or self._may_be_open(domain)

    def _may_be_open(self, domain: Domain) -> bool:
        """Return whether an open answer of a computer is to be read, and note if not.

        What it says of a command confirms nothing; what it says of a state is taken.
        """
        computer = COMPUTERS.get(domain)
        if computer is None or not self.is_proven(domain):
            return False
        if self._trust.keys.has_sealed(computer):
            self._discarded.add(computer)
            return False
        return True


def is_sealed(msg: RoutableMessage) -> bool:
    """Return whether the payload of a message is encrypted and authenticated."""
    return bool(msg.signature_data.HasField("AES_GCM_Response_data"))
