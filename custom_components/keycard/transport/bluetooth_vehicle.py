"""The library's Bluetooth vehicle, proven, with commands that are sent once."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
import logging
import time
from typing import Any, override

from bleak.exc import BleakCharacteristicNotFoundError, BleakError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.message import DecodeError
from tesla_fleet_api.const import BluetoothVehicleData
from tesla_fleet_api.exceptions import (
    WHITELIST_OPERATION_STATUS,
    BluetoothCommandFailed,
    BluetoothTimeout,
    BluetoothTransportError,
    SessionInfoAuthenticationFault,
    SignedCommandResponseReplayed,
    WhitelistOperationStatus,
)
from tesla_fleet_api.tesla import TeslaBluetooth
from tesla_fleet_api.tesla.vehicle.bluetooth import (
    WRITE_UUID,
    VehicleBluetooth,
    VerifyPlan,
    prependLength,
)
from tesla_protocol.command.car_server_pb2 import Action
from tesla_protocol.command.keys_pb2 import Role
from tesla_protocol.command.signatures_pb2 import SessionInfo
from tesla_protocol.command.universal_message_pb2 import Domain, RoutableMessage
from tesla_protocol.command.vcsec_pb2 import (
    FromVCSECMessage,
    KeyFormFactor,
    KeyMetadata,
    PermissionChange,
    PublicKey,
    RKEAction_E,
    SignatureType,
    SignedMessage,
    ToVCSECMessage,
    UnsignedMessage,
    VehicleSleepStatus_E,
    VehicleStatus,
    WhitelistOperation,
)
from tesla_protocol.command.vehicle_pb2 import VehicleData

from ..vehicle.command_queue import NotSentError, PendingCommand
from ..vehicle.computer_keys import ComputerTrust
from .proven_vehicle import ProvenVehicle, UnprovenError, is_sealed
from .result import CommandRejection
from .signing import SendOnceMixin

_LOGGER = logging.getLogger(__name__)

# Seconds. An awake computer replies to a short request in a third of a second.
_REPLY_TIMEOUT = 2.0
_DATA_REPLY_TIMEOUT = 5.0
_HANDSHAKE_ATTEMPTS = 4
_SILENT_HANDSHAKE_ATTEMPTS = 2

# Seconds. Vehicle security does not identify the request that it replies to, so a late
# reply is taken for one to the next request, which cannot decrypt it.
_LATE_REPLY_TIME = 1.0
_LATE_REPLY_ERRORS = (InvalidTag, SignedCommandResponseReplayed)

# Seconds for waking until infotainment responds, between two checks of it, and until a
# vehicle that still sleeps is woken again.
_WAKE_TIMEOUT = 40.0
_WAKE_INTERVAL = 1.0
_WAKE_RETRY_AFTER = 20.0


class NoSessionError(BluetoothTimeout):
    """Raised when only the infotainment of an awake vehicle does not respond."""


@dataclass(frozen=True, kw_only=True)
class _UsedCounter:
    """Counter of the signature of the last command."""

    domain: Domain
    epoch: bytes
    counter: int


# The library's base classes differ in the signatures of some methods.
class BluetoothVehicleClient(SendOnceMixin[TeslaBluetooth], ProvenVehicle):
    """Vehicle in range of a Bluetooth adapter.

    `on_broadcast` is called with each status broadcast on a connection, which proves
    nothing.
    """

    _default_timeout = _REPLY_TIMEOUT

    def __init__(
        self,
        vin: str,
        key: ec.EllipticCurvePrivateKey,
        trust: ComputerTrust,
        on_broadcast: Callable[[VehicleStatus], None],
    ) -> None:
        super().__init__(vin, key, trust)
        self._use_expiring_sessions()
        self.command_timeout: asyncio.Timeout | None = None
        """Timeout of the current command, extended for waking the vehicle."""

        self.key_error: type[WhitelistOperationStatus] | None = None
        """Error that the vehicle reported for adding a key."""

        self._pairing_reply = asyncio.Event()
        self.closed_by_vehicle = False
        """Whether the vehicle closed the connection instead of replying."""

        self.infotainment_responds: bool | None = None
        """Whether infotainment responded to the last request."""

        self._is_query = self._is_command = False
        self._used_counter: _UsedCounter | None = None
        self._session_infos: dict[int, SessionInfo] = {}
        self._on_broadcast = on_broadcast

    @override
    def reset(
        self, pending: PendingCommand | None = None, expires: float | None = None
    ) -> None:
        """Prepare for the next command."""
        super().reset(pending, expires)
        self._used_counter = None

    # Sending

    @override
    async def _send(
        self,
        msg: RoutableMessage,
        *args: Any,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> RoutableMessage:
        is_handshake = msg.HasField("session_info_request")
        self._is_command = is_command = not (is_handshake or self._is_query)
        if is_handshake and timeout is None:
            # A handshake is short.
            timeout = _REPLY_TIMEOUT
        if is_command:
            self._mark_sent()
            self._record_counter(msg)
        try:
            reply = await super()._send(msg, *args, timeout=timeout, **kwargs)
        except BluetoothTransportError, NotSentError, UnprovenError:
            if is_command:
                # Nothing was sent.
                self.delivered = False
            raise
        except BluetoothTimeout:
            self.closed_by_vehicle = (
                self.client is not None and not self.client.is_connected
            )
            raise
        finally:
            self._is_command = False
        self.closed_by_vehicle = False
        if reply.from_destination.domain == Domain.DOMAIN_INFOTAINMENT:
            self.infotainment_responds = True
        if is_handshake and reply.session_info:
            domain = reply.from_destination.domain
            self._session_infos[domain] = SessionInfo.FromString(reply.session_info)
        elif is_command:
            self._record_reply(msg, reply)
            # An unsealed reply may come from another device.
            self.answered = self.answered and is_sealed(reply)
        return reply

    @override
    async def connect_if_needed(self, *args: Any, **kwargs: Any) -> None:
        """Connect, then check the deadline of the command again."""
        await super().connect_if_needed(*args, **kwargs)
        if self._is_command:
            self._check_deadline()

    @override
    def _expiry(self) -> float | None:
        # A query may be repeated.
        return None if self._is_query else self.expires

    def _record_counter(self, msg: RoutableMessage) -> None:
        if not msg.signature_data.HasField("AES_GCM_Personalized_data"):
            return
        data = msg.signature_data.AES_GCM_Personalized_data
        self._used_counter = _UsedCounter(
            domain=msg.to_destination.domain,
            epoch=data.epoch,
            counter=data.counter,
        )

    @contextmanager
    def _query(self) -> Iterator[None]:
        """Send messages in this context as queries, which may be repeated."""
        previous, self._is_query = self._is_query, True
        try:
            yield
        finally:
            self._is_query = previous

    @override
    async def _getVehicleSecurity(self, command: UnsignedMessage) -> VehicleStatus:
        with self._query():
            return await super()._getVehicleSecurity(command)

    @override
    async def _getInfotainment(self, command: Action) -> VehicleData:
        with self._query():
            return await super()._getInfotainment(command)

    @override
    async def _sendInfotainment(
        self, command: Action, *, mutating: bool = True
    ) -> dict[str, Any]:
        """Wake the vehicle, then send to infotainment."""
        await self.ensure_awake()
        return await super()._sendInfotainment(command, mutating=mutating)

    @override
    async def charge_port_door_open(self) -> dict[str, Any]:
        """Open the port like any closure, even of a sleeping vehicle.

        Newer versions of the library reject that or query infotainment first.
        """
        return await super(VehicleBluetooth, self).charge_port_door_open()

    @override
    async def _ensure_handshake(self, domain: Domain) -> None:
        """Repeat the handshake until the vehicle replies, as one may get lost.

        Raises NoSessionError if only infotainment does not respond; it gets fewer
        attempts until it responds again.
        """
        infotainment = domain == Domain.DOMAIN_INFOTAINMENT
        silent = infotainment and self.infotainment_responds is False
        for left in reversed(
            range(_SILENT_HANDSHAKE_ATTEMPTS if silent else _HANDSHAKE_ATTEMPTS)
        ):
            if self.is_proven(domain) and not silent:
                return
            try:
                await self._handshake(domain)
            except BluetoothTimeout as err:
                if left:
                    continue
                if infotainment:
                    await self._raise_if_only_infotainment_silent(err)
                raise
            silent = False

    async def _raise_if_only_infotainment_silent(self, err: BluetoothTimeout) -> None:
        """Raise a NoSessionError if the vehicle is awake."""
        if not _is_asleep(await self.status()):
            self.infotainment_responds = False
            raise NoSessionError from err

    # Results

    @override
    async def _resolve_timeout(
        self, plan: VerifyPlan | None, timeout: BluetoothTimeout
    ) -> dict[str, Any] | None:
        """Return no result; a query would use up the counter that serves as proof."""
        return None

    async def was_accepted(self) -> bool | None:
        """Return whether the vehicle accepted the last command, None if unknown.

        In a handshake a vehicle reports the highest counter that it has accepted from a
        key. A command with a higher one was not accepted, and will not be after the
        handshake. This holds only if nothing was sent since the command.
        """
        used = self._used_counter
        if used is None:
            return None
        self._session_infos.pop(used.domain, None)
        try:
            await self._handshake(used.domain)
        except BluetoothTimeout:
            if used.domain == Domain.DOMAIN_INFOTAINMENT:
                self.infotainment_responds = False
            raise
        info = self._session_infos.get(used.domain)
        if info is None or info.epoch != used.epoch:
            return None
        if info.counter >= used.counter:
            return True
        # A resent command uses the same counter: if the first copy is only late, the
        # vehicle accepts one of the two.
        self._sessions[used.domain].counter = used.counter - 1
        return False

    @override
    def rejection(self, error: BaseException | None) -> CommandRejection | None:
        """Return why the vehicle did not execute the last command.

        Session info that is not authentic proves nothing.
        """
        if isinstance(error, SessionInfoAuthenticationFault):
            return None
        return super().rejection(error)

    # Pairing

    async def request_key(self, role: Role) -> None:
        """Request once that the key is added; `key_error` is set if it is rejected.

        The request has the format of Tesla's own client, the only one that every
        vehicle accepts. It names no sender, so the reply has no recipient. Newer
        vehicles reply only once the card was tapped; the library disconnects before
        and misses a cancellation.
        """
        self.key_error = None
        self._pairing_reply.clear()
        change = PermissionChange(
            key=PublicKey(PublicKeyRaw=self._public_key), keyRole=role
        )
        metadata = KeyMetadata(keyFormFactor=KeyFormFactor.KEY_FORM_FACTOR_CLOUD_KEY)
        request = UnsignedMessage(
            WhitelistOperation=WhitelistOperation(
                addKeyToWhitelistAndAddPermissions=change, metadataForKey=metadata
            )
        )
        envelope = ToVCSECMessage(
            signedMessage=SignedMessage(
                protobufMessageAsBytes=request.SerializeToString(),
                signatureType=SignatureType.SIGNATURE_TYPE_PRESENT_KEY,
            )
        )
        await self.connect_if_needed()
        if self.client is None:
            raise BluetoothTransportError
        frame = prependLength(envelope.SerializeToString())
        try:
            await self.client.write_gatt_char(WRITE_UUID, frame, response=True)
        except BleakCharacteristicNotFoundError as err:
            raise BluetoothTransportError from err
        except BleakError, TimeoutError:
            # The vehicle may have received it and must not be asked twice.
            _LOGGER.debug("The key request may not have been received")
        with suppress(TimeoutError):
            async with asyncio.timeout(_REPLY_TIMEOUT):
                await self._pairing_reply.wait()

    # Queries

    async def status(self) -> VehicleStatus:
        """Query vehicle security, which never sleeps; raises the library's errors."""
        domain = Domain.DOMAIN_VEHICLE_SECURITY
        for left in reversed(range(_HANDSHAKE_ATTEMPTS)):
            try:
                await self._ensure_handshake(domain)
                reply: object = await self.vehicle_state()
            except BluetoothTimeout:
                if not left:
                    raise
            except _LATE_REPLY_ERRORS:
                await self._discard_late_replies(domain)
            else:
                # Anything else only acknowledges the request.
                if isinstance(reply, VehicleStatus):
                    return reply
        raise BluetoothTimeout

    async def data(self, part: BluetoothVehicleData) -> VehicleData:
        """Query a part of infotainment's data; raises the library's errors."""
        for _ in range(_HANDSHAKE_ATTEMPTS):
            await self._ensure_handshake(Domain.DOMAIN_INFOTAINMENT)
            try:
                reply: object = await self.vehicle_data([part])
            except BluetoothTimeout as err:
                await self._raise_if_only_infotainment_silent(err)
                raise
            except _LATE_REPLY_ERRORS:
                await self._discard_late_replies(Domain.DOMAIN_INFOTAINMENT)
            else:
                if isinstance(reply, VehicleData):
                    return reply
        raise BluetoothTimeout

    async def _discard_late_replies(self, domain: Domain) -> None:
        """Discard late replies, which do not belong to the next request."""
        await asyncio.sleep(_LATE_REPLY_TIME)
        queue = self._queues[domain]
        while not queue.empty():
            queue.get_nowait()

    @contextmanager
    def extended_timeout(self) -> Iterator[None]:
        """Wait longer for each reply, as data arrive in many fragments."""
        self._default_timeout = _DATA_REPLY_TIMEOUT
        try:
            yield
        finally:
            self._default_timeout = _REPLY_TIMEOUT

    # Waking

    async def ensure_awake(self) -> None:
        """Wake the vehicle if it sleeps, until infotainment responds."""
        status = await self.status()
        if _is_asleep(status):
            loop = asyncio.get_running_loop()
            if self.command_timeout is not None:
                self.command_timeout.reschedule(loop.time() + self._extend_for_wake())
            await self._wake(loop)
        await self._ensure_handshake(Domain.DOMAIN_INFOTAINMENT)

    def _extend_for_wake(self) -> float:
        """Extend the deadline for waking; return the seconds left."""
        monotonic, seconds = time.monotonic(), _WAKE_TIMEOUT
        if self.pending is not None:
            self.pending.allow_wake()
            seconds = min(seconds, self.pending.deadline - monotonic)
        self.expires = monotonic + seconds
        return seconds

    async def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        deadline = loop.time() + _WAKE_TIMEOUT
        woken_at = None
        while loop.time() < deadline:
            is_asleep = woken_at is None or _is_asleep(await self.status())
            if is_asleep and (
                woken_at is None or loop.time() - woken_at > _WAKE_RETRY_AFTER
            ):
                woken_at = loop.time()
                # The next status shows whether it was received.
                with self._query(), suppress(BluetoothTimeout, BluetoothCommandFailed):
                    await self._sendVehicleSecurity(_WAKE_UP)
            try:
                await self._handshake(Domain.DOMAIN_INFOTAINMENT)
            except BluetoothTimeout:
                await asyncio.sleep(_WAKE_INTERVAL)
            else:
                return

    # Listening

    @override
    def _on_message(self, msg: RoutableMessage) -> None:
        if msg.from_destination.domain == Domain.DOMAIN_VEHICLE_SECURITY:
            self._handle_broadcast(msg)
        super()._on_message(msg)

    def _handle_broadcast(self, msg: RoutableMessage) -> None:
        """Handle unsealed messages of vehicle security that are not requested.

        The library handles sealed ones.
        """
        broadcast = msg.to_destination.routing_address != self._from_destination
        if not msg.protobuf_message_as_bytes or msg.HasField("signature_data"):
            return
        try:
            message = FromVCSECMessage.FromString(msg.protobuf_message_as_bytes)
        except DecodeError:
            return
        if message.HasField("vehicleStatus"):
            if broadcast:
                self._on_broadcast(message.vehicleStatus)
            return
        if message.HasField("commandStatus"):
            self._pairing_reply.set()
        if message.commandStatus.HasField("whitelistOperationStatus"):
            status = message.commandStatus.whitelistOperationStatus
            number = status.whitelistOperationInformation
            if number:
                known = number < len(WHITELIST_OPERATION_STATUS)
                error = WHITELIST_OPERATION_STATUS[number] if known else None
                self.key_error = error or WhitelistOperationStatus


_WAKE_UP = UnsignedMessage(RKEAction=RKEAction_E.RKE_ACTION_WAKE_VEHICLE)


def _is_asleep(status: VehicleStatus) -> bool:
    sleeping = VehicleSleepStatus_E.VEHICLE_SLEEP_STATUS_ASLEEP
    return bool(status.vehicleSleepStatus == sleeping)
