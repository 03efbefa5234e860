"""Bluetooth vehicle whose sessions must be proven by known public keys."""

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

# Connections that may be lost between handshake and message.
_MAX_RECONNECTS = 3


class StrangerError(Exception):
    """Raised when the device that answered is not the vehicle."""


class UnsealedError(Exception):
    """Raised when a computer that seals its replies sent an unsealed one."""


class UnprovenError(Exception):
    """Raised when a signed message would be sent on an unproven connection."""


class ProvenVehicle(VehicleBluetooth[TeslaBluetooth]):
    """Bluetooth vehicle that compares sessions with the known keys of its computers.

    The library reuses sessions on new connections and accepts any device that
    completes a handshake, any broadcast as a confirmation and any unsealed reply. Here
    each connection needs its own handshake before a signed message is sent, broadcasts
    confirm nothing, and unsealed replies are accepted only on a proven connection from
    a computer that has never sealed one.
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
        self._reply_sealed = False
        self._discarded_unsealed: set[Computer] = set()

    @property
    def trust(self) -> ComputerTrust:
        """Return the trust that decides which device is the vehicle."""
        return self._trust

    @trust.setter
    def trust(self, trust: ComputerTrust) -> None:
        self._trust = trust
        self._proven.clear()

    def is_proven(self, domain: Domain) -> bool:
        """Return whether a computer has proven its key on this connection."""
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
        """Prove the connection by a handshake, then sign and send a message."""
        for _ in range(_MAX_RECONNECTS):
            await self.connect_if_needed()
            await self._ensure_handshake(domain)
            try:
                reply = await super()._command(
                    domain, command, attempt, expects_data=expects_data
                )
            except UnprovenError:
                _LOGGER.debug("Reconnecting: the connection was lost before sending")
                continue
            if self._reply_sealed and domain == Domain.DOMAIN_INFOTAINMENT:
                # Unlike vehicle security, infotainment seals all replies or none.
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
        """Send a message; never accept a broadcast as its confirmation."""
        domain = msg.to_destination.domain
        if msg.HasField("signature_data") and not self.is_proven(domain):
            raise UnprovenError
        self._requests[domain] = msg.uuid
        self._reply_sealed = False
        self._discarded_unsealed.clear()
        reply = await super()._send(
            msg, requires, expects_data, timeout=timeout, optimistic=optimistic
        )
        self._reply_sealed = is_sealed(reply)
        return reply

    @override
    async def _getVehicleSecurity(self, command: UnsignedMessage) -> VehicleStatus:
        with self._raise_if_discarded(Computer.VEHICLE_SECURITY):
            status = await super()._getVehicleSecurity(command)
        if self._reply_sealed:
            self._trust.record_answer(Computer.VEHICLE_SECURITY, sealed=True)
        return status

    @override
    async def _getInfotainment(self, command: Action) -> VehicleData:
        with self._raise_if_discarded(Computer.INFOTAINMENT):
            return await super()._getInfotainment(command)

    @contextmanager
    def _raise_if_discarded(self, computer: Computer) -> Iterator[None]:
        """Raise an UnsealedError if the only reply was discarded as unsealed."""
        try:
            yield
        except BluetoothTimeout:
            if computer not in self._discarded_unsealed:
                raise
            self._trust.record_answer(computer, sealed=False)
            raise UnsealedError from None

    # Replies

    @override
    def _authenticate_session_info(
        self, msg: RoutableMessage, request_uuid: bytes
    ) -> None:
        """Compare the public key before accepting a session."""
        computer = COMPUTERS[msg.from_destination.domain]
        info = SessionInfo.FromString(msg.session_info)
        point = info.publicKey
        monotonic = asyncio.get_running_loop().time()
        if info.status == _NOT_LISTED and not msg.signature_data.session_info_tag.tag:
            # It is never sealed. The library reads it only without a public key, but
            # some vehicles send theirs.
            self._trust.record_refusal(monotonic)
            raise NotOnWhitelistFault
        if point and not self._trust.accept_session(computer, point, monotonic):
            raise StrangerError
        try:
            super()._authenticate_session_info(msg, request_uuid)
        except NotOnWhitelistFault:
            self._trust.record_refusal(monotonic)
            raise
        self._trust.record_session(computer, point, monotonic)
        self._proven.add(computer)

    @override
    def _on_message(self, msg: RoutableMessage) -> None:
        """Pass a message on to the library if it is acceptable."""
        addressed = msg.to_destination.routing_address == self._from_destination
        if addressed and not self._is_acceptable(msg):
            _LOGGER.debug("Discarding an unacceptable reply")
            return
        super()._on_message(msg)

    def _is_acceptable(self, msg: RoutableMessage) -> bool:
        domain = msg.from_destination.domain
        if msg.request_uuid and msg.request_uuid != self._requests.get(domain):
            return False
        if is_sealed(msg):
            if not msg.HasField("protobuf_message_as_bytes"):
                # The sealed payload is empty; the library would wait for one.
                msg.protobuf_message_as_bytes = b""
            return True
        if not msg.HasField("protobuf_message_as_bytes"):
            return True
        try:
            if domain == Domain.DOMAIN_INFOTAINMENT:
                Response.FromString(msg.protobuf_message_as_bytes)
                return bool(msg.request_uuid) and self._accepts_unsealed(domain)
            message = FromVCSECMessage.FromString(msg.protobuf_message_as_bytes)
        except DecodeError:
            return False
        return not message.HasField("vehicleStatus") or self._accepts_unsealed(domain)

    def _accepts_unsealed(self, domain: Domain) -> bool:
        """Return whether to read an unsealed reply of a computer; record if not.

        It may report a state, but never confirms a command.
        """
        computer = COMPUTERS.get(domain)
        if computer is None or not self.is_proven(domain):
            return False
        if self._trust.keys.has_sealed(computer):
            self._discarded_unsealed.add(computer)
            return False
        return True


def is_sealed(msg: RoutableMessage) -> bool:
    """Return whether the payload of a message is encrypted and authenticated."""
    return bool(msg.signature_data.HasField("AES_GCM_Response_data"))
