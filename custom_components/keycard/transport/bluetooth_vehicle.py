"""A car as the library meets it over Bluetooth: proven, and each command sent once."""

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

# Seconds. A computer that is awake answers a short question in a third of one.
_ANSWER = 2.0
_ANSWER_OF_DATA = 5.0
_HANDSHAKE_ATTEMPTS = 4
_GREETINGS_IN_VAIN = 2

# Seconds. The locks' computer does not name the question that it answers: its late
# answer to one is taken for that to the next, which does not open it.
_LATE = 1.0
_LATE_ANSWERS = (InvalidTag, SignedCommandResponseReplayed)

# How long a car may take until its infotainment computer can be talked to, and the
# pace of looking after it. A car that sleeps on after so long is woken once more.
_WAKE = 40.0
_WAKE_PACE = 1.0
_WAKE_AGAIN = 20.0


class NoSessionError(BluetoothTimeout):
    """The infotainment of a car that is awake does not answer, while its locks do."""


@dataclass(frozen=True, kw_only=True)
class _UsedCounter:
    """The counter that the last command was signed with."""

    domain: Domain
    epoch: bytes
    counter: int


# The library's own bases differ in how a thing or two is called.
class BluetoothVehicleClient(SendOnceMixin[TeslaBluetooth], ProvenVehicle):
    """A car in range of an adapter.

    `heard` takes each status that is broadcast on a connection; it proves nothing.
    """

    _default_timeout = _ANSWER

    def __init__(
        self,
        vin: str,
        key: ec.EllipticCurvePrivateKey,
        trust: ComputerTrust,
        heard: Callable[[VehicleStatus], None],
    ) -> None:
        super().__init__(vin, key, trust)
        self._let_expire()
        self.limit: asyncio.Timeout | None = None
        """What ends the command at hand; waking the car takes longer."""

        self.key_change: type[WhitelistOperationStatus] | None = None
        """Why the car did not take a new key, as far as it said."""

        self._pairing_answered = asyncio.Event()
        self.hung_up = False
        """Whether the car ended the connection instead of answering."""

        self.infotainment_answers: bool | None = None
        """Whether infotainment answered when it was last talked to."""

        self._asking = self._acting = False
        self._used: _UsedCounter | None = None
        self._told: dict[int, SessionInfo] = {}
        self._heard = heard

    @override
    def reset(
        self, pending: PendingCommand | None = None, expires: float | None = None
    ) -> None:
        """Forget the last command, and take up the next one."""
        super().reset(pending, expires)
        self._used = None

    # The way out

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
        greets = msg.HasField("session_info_request")
        self._acting = acts = not (greets or self._asking)
        if greets and timeout is None:
            # A greeting is short, whatever follows it.
            timeout = _ANSWER
        if acts:
            self._sending()
            self._note_counter(msg)
        try:
            reply = await super()._send(
                msg,
                requires,
                expects_data,
                timeout=timeout,
                optimistic=optimistic,
            )
        except BluetoothTransportError, NotSentError, UnprovenError:
            if acts:
                # It failed before the first byte.
                self.delivered = False
            raise
        except BluetoothTimeout:
            self.hung_up = self.client is not None and not self.client.is_connected
            raise
        finally:
            self._acting = False
        self.hung_up = False
        if reply.from_destination.domain == Domain.DOMAIN_INFOTAINMENT:
            self.infotainment_answers = True
        if greets and reply.session_info:
            domain = reply.from_destination.domain
            self._told[domain] = SessionInfo.FromString(reply.session_info)
        elif acts:
            self._note_answer(msg, reply)
            # What is not sealed may come from anybody.
            self.answered = self.answered and is_sealed(reply)
        return reply

    @override
    async def connect_if_needed(self, *args: Any, **kwargs: Any) -> None:
        """Connect, and check once more whether it is not too late for the command."""
        await super().connect_if_needed(*args, **kwargs)
        if self._acting:
            self._check_time()

    @override
    def _expiry(self) -> float | None:
        # A question may be asked again.
        return None if self._asking else self.expires

    def _note_counter(self, msg: RoutableMessage) -> None:
        if not msg.signature_data.HasField("AES_GCM_Personalized_data"):
            return
        signature = msg.signature_data.AES_GCM_Personalized_data
        self._used = _UsedCounter(
            domain=msg.to_destination.domain,
            epoch=signature.epoch,
            counter=signature.counter,
        )

    @contextmanager
    def _ask(self) -> Iterator[None]:
        """Let what is sent meanwhile be a question, which may be asked again."""
        before, self._asking = self._asking, True
        try:
            yield
        finally:
            self._asking = before

    @override
    async def _getVehicleSecurity(self, command: UnsignedMessage) -> VehicleStatus:
        with self._ask():
            return await super()._getVehicleSecurity(command)

    @override
    async def _getInfotainment(self, command: Action) -> VehicleData:
        with self._ask():
            return await super()._getInfotainment(command)

    @override
    async def _sendInfotainment(
        self, command: Action, *, mutating: bool = True
    ) -> dict[str, Any]:
        """Send to a computer that sleeps with the car, and wakes with it."""
        await self.ensure_awake()
        return await super()._sendInfotainment(command, mutating=mutating)

    @override
    async def charge_port_door_open(self) -> dict[str, Any]:
        """Open the port like any closure, also of a car that sleeps.

        Newer versions of the library refuse that, or ask infotainment first.
        """
        return await super(VehicleBluetooth, self).charge_port_door_open()

    @override
    async def _ensure_handshake(self, domain: Domain) -> None:
        """Greet until the car answers: a greeting may get lost.

        Raises NoSessionError where only infotainment is silent. It is then greeted
        less often, until it answers.
        """
        infotainment = domain == Domain.DOMAIN_INFOTAINMENT
        silent = infotainment and self.infotainment_answers is False
        for left in reversed(
            range(_GREETINGS_IN_VAIN if silent else _HANDSHAKE_ATTEMPTS)
        ):
            if self.is_proven(domain) and not silent:
                return
            try:
                await self._handshake(domain)
            except BluetoothTimeout as err:
                if left:
                    continue
                if infotainment:
                    await self._explain_silence(err)
                raise
            silent = False

    async def _explain_silence(self, err: BluetoothTimeout) -> None:
        """Raise a NoSessionError if only infotainment is silent, though awake."""
        if not _asleep(await self.status()):
            self.infotainment_answers = False
            raise NoSessionError from err

    # What came of it

    @override
    async def _resolve_timeout(
        self, plan: VerifyPlan | None, timeout: BluetoothTimeout
    ) -> dict[str, Any] | None:
        """Leave it open: a question now would use up the counter that is the proof."""
        return None

    async def was_accepted(self) -> bool | None:
        """Tell whether the car took the last command, None if that cannot be known.

        A car tells the highest counter that it has taken from a key; a command with a
        higher one has not been taken, and behind the greeting it will not be any more.
        That holds as long as nothing was asked since the command.
        """
        used = self._used
        if used is None:
            return None
        self._told.pop(used.domain, None)
        try:
            await self._handshake(used.domain)
        except BluetoothTimeout:
            if used.domain == Domain.DOMAIN_INFOTAINMENT:
                self.infotainment_answers = False
            raise
        told = self._told.get(used.domain)
        if told is None or told.epoch != used.epoch:
            return None
        if told.counter >= used.counter:
            return True
        # What is sent instead bears the same counter: if the first copy is only late,
        # the car takes one of the two.
        self._sessions[used.domain].counter = used.counter - 1
        return False

    @override
    def rejection(self, error: BaseException | None) -> CommandRejection | None:
        """Return why the car says that it did not do the last command.

        A session info that is not authentic is no word of the car.
        """
        if isinstance(error, SessionInfoAuthenticationFault):
            return None
        return super().rejection(error)

    # Asking for the key to be taken

    async def ask_for_key(self, role: Role) -> None:
        """Ask once for the key to be added; `key_change` notes why it was not.

        The request has the form of Tesla's own client, the only one that every car
        takes: it names no sender, so the car's answer is addressed to nobody. A newer
        car says nothing before somebody has tapped the card: whoever hangs up
        meanwhile, as the library does, never hears that it was canceled.
        """
        self.key_change = None
        self._pairing_answered.clear()
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
            # The car may have got it all the same, and must not be asked twice.
            _LOGGER.debug("Whether the car was asked for the key is not known")
        with suppress(TimeoutError):
            async with asyncio.timeout(_ANSWER):
                await self._pairing_answered.wait()

    # Asking

    async def status(self) -> VehicleStatus:
        """Ask the computer of the locks, which never sleeps; raises as the library."""
        domain = Domain.DOMAIN_VEHICLE_SECURITY
        for left in reversed(range(_HANDSHAKE_ATTEMPTS)):
            try:
                await self._ensure_handshake(domain)
                told: object = await self.vehicle_state()
            except BluetoothTimeout:
                if not left:
                    raise
            except _LATE_ANSWERS:
                await self._let_pass(domain)
            else:
                # Anything else acknowledges the question, and does not answer it.
                if isinstance(told, VehicleStatus):
                    return told
        raise BluetoothTimeout

    async def data(self, part: BluetoothVehicleData) -> VehicleData:
        """Ask infotainment for a part of its data; raises as the library."""
        for _ in range(_HANDSHAKE_ATTEMPTS):
            await self._ensure_handshake(Domain.DOMAIN_INFOTAINMENT)
            try:
                told: object = await self.vehicle_data([part])
            except BluetoothTimeout as err:
                await self._explain_silence(err)
                raise
            except _LATE_ANSWERS:
                await self._let_pass(Domain.DOMAIN_INFOTAINMENT)
            else:
                if isinstance(told, VehicleData):
                    return told
        raise BluetoothTimeout

    async def _let_pass(self, domain: Domain) -> None:
        """Drop answers that come late: to the next question they would be wrong."""
        await asyncio.sleep(_LATE)
        queue = self._queues[domain]
        while not queue.empty():
            queue.get_nowait()

    @contextmanager
    def extended_timeout(self) -> Iterator[None]:
        """Wait longer for each answer: data come in many pieces."""
        self._default_timeout = _ANSWER_OF_DATA
        try:
            yield
        finally:
            self._default_timeout = _ANSWER

    # Waking

    async def ensure_awake(self) -> None:
        """Wake the car if it sleeps, until its infotainment computer answers."""
        status = await self.status()
        if _asleep(status):
            loop = asyncio.get_running_loop()
            if self.limit is not None:
                self.limit.reschedule(loop.time() + self._allow_wake())
            await self._wake(loop)
        await self._ensure_handshake(Domain.DOMAIN_INFOTAINMENT)

    def _allow_wake(self) -> float:
        """Return for how many seconds the car may be woken and told what to do."""
        now, seconds = time.monotonic(), _WAKE
        if self.pending is not None:
            self.pending.allow_wake()
            seconds = min(seconds, self.pending.deadline - now)
        self.expires = now + seconds
        return seconds

    async def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        end = loop.time() + _WAKE
        woken_at = None
        while loop.time() < end:
            sleeps = woken_at is None or _asleep(await self.status())
            if sleeps and (woken_at is None or loop.time() - woken_at > _WAKE_AGAIN):
                woken_at = loop.time()
                # Whether it was heard shows in what follows.
                with self._ask(), suppress(BluetoothTimeout, BluetoothCommandFailed):
                    await self._sendVehicleSecurity(_WAKE_UP)
            try:
                await self._handshake(Domain.DOMAIN_INFOTAINMENT)
            except BluetoothTimeout:
                await asyncio.sleep(_WAKE_PACE)
            else:
                return

    # Listening

    @override
    def _on_message(self, msg: RoutableMessage) -> None:
        if msg.from_destination.domain == Domain.DOMAIN_VEHICLE_SECURITY:
            self._handle_broadcast(msg)
        super()._on_message(msg)

    def _handle_broadcast(self, msg: RoutableMessage) -> None:
        """Note what the computer of the locks tells without being asked.

        Only what is not sealed can be read here; of the rest, the library takes care.
        """
        broadcast = msg.to_destination.routing_address != self._from_destination
        if not msg.protobuf_message_as_bytes or msg.HasField("signature_data"):
            return
        try:
            told = FromVCSECMessage.FromString(msg.protobuf_message_as_bytes)
        except DecodeError:
            return
        if told.HasField("vehicleStatus"):
            if broadcast:
                self._heard(told.vehicleStatus)
            return
        if told.HasField("commandStatus"):
            self._pairing_answered.set()
        if told.commandStatus.HasField("whitelistOperationStatus"):
            change = told.commandStatus.whitelistOperationStatus
            number = change.whitelistOperationInformation
            if number:
                known = number < len(WHITELIST_OPERATION_STATUS)
                found = WHITELIST_OPERATION_STATUS[number] if known else None
                self.key_change = found or WhitelistOperationStatus


_WAKE_UP = UnsignedMessage(RKEAction=RKEAction_E.RKE_ACTION_WAKE_VEHICLE)


def _asleep(status: VehicleStatus) -> bool:
    asleep = VehicleSleepStatus_E.VEHICLE_SLEEP_STATUS_ASLEEP
    return bool(status.vehicleSleepStatus == asleep)
