"""Signed commands: each is sent once, and what came of it is not taken on trust."""

from collections.abc import Callable
from math import floor
import time
from typing import override

from tesla_fleet_api.exceptions import (
    NotOnWhitelistFault,
    SessionInfoAuthenticationFault,
    TeslaFleetMessageFault,
    TeslaFleetMessageFaultBusy,
    TeslaFleetMessageFaultCommandRequiresAccountCredentials,
    TeslaFleetMessageFaultInactiveKey,
    TeslaFleetMessageFaultIncorrectEpoch,
    TeslaFleetMessageFaultInsufficientPrivileges,
    TeslaFleetMessageFaultInternal,
    TeslaFleetMessageFaultInvalidSignature,
    TeslaFleetMessageFaultInvalidTokenOrCounter,
    TeslaFleetMessageFaultRemoteAccessDisabled,
    TeslaFleetMessageFaultRemoteServiceAccessDisabled,
    TeslaFleetMessageFaultRepeatedCounter,
    TeslaFleetMessageFaultResponseSizeExceedsMTU,
    TeslaFleetMessageFaultTimeExpired,
    TeslaFleetMessageFaultTimeout,
    TeslaFleetMessageFaultUnknownKeyId,
)
from tesla_fleet_api.tesla import TeslaFleetApi, VehicleSigned
from tesla_fleet_api.tesla.tesla import Tesla
from tesla_fleet_api.tesla.vehicle.commands import Commands, Session
from tesla_protocol.command.signatures_pb2 import (
    AES_GCM_Personalized_Signature_Data,
    HMAC_Personalized_Signature_Data,
    SessionInfo,
)
from tesla_protocol.command.universal_message_pb2 import Domain, RoutableMessage
from tesla_protocol.command.vcsec_pb2 import VehicleStatus

from ..vehicle.command_queue import NotSent, NotSentError, PendingCommand
from ..vehicle.computer_keys import COMPUTERS, Computer
from .result import CommandRejection

type SessionMade = Callable[[str, Computer, bytes], None]
"""Takes a VIN, and the public key of a computer that made a session."""

_REFUSALS: dict[type[BaseException], CommandRejection] = {
    NotOnWhitelistFault: CommandRejection.KEY_NOT_PAIRED,
    TeslaFleetMessageFaultUnknownKeyId: CommandRejection.KEY_NOT_PAIRED,
    TeslaFleetMessageFaultInactiveKey: CommandRejection.KEY_NOT_PAIRED,
    TeslaFleetMessageFaultInvalidSignature: CommandRejection.KEY_NOT_PAIRED,
    TeslaFleetMessageFaultInsufficientPrivileges: CommandRejection.KEY_NOT_ALLOWED,
    TeslaFleetMessageFaultCommandRequiresAccountCredentials: (
        CommandRejection.KEY_NOT_ALLOWED
    ),
    TeslaFleetMessageFaultRemoteAccessDisabled: CommandRejection.REMOTE_ACCESS_OFF,
    TeslaFleetMessageFaultRemoteServiceAccessDisabled: (
        CommandRejection.REMOTE_ACCESS_OFF
    ),
    TeslaFleetMessageFaultTimeExpired: CommandRejection.CLOCK,
}

# A car that says this may have done it, now or with an earlier copy of the message.
_UNSURE = (
    TeslaFleetMessageFaultBusy,
    TeslaFleetMessageFaultTimeout,
    TeslaFleetMessageFaultInternal,
    TeslaFleetMessageFaultInvalidTokenOrCounter,
    TeslaFleetMessageFaultRepeatedCounter,
    TeslaFleetMessageFaultResponseSizeExceedsMTU,
)


class DuplicateSendError(Exception):
    """The library was about to send a command that may have been done."""


class ExpiringSession[ParentT: Tesla](Session[ParentT]):
    """A session whose commands expire in the vehicle when their time is over.

    `expires` returns the monotonic time at which the command at hand expires, None
    where the time that the library gives it will do.
    """

    def __init__(
        self,
        parent: Commands[ParentT],
        domain: Domain,
        expires: Callable[[], float | None],
    ) -> None:
        super().__init__(parent, domain)
        self._expires = expires
        self._ahead = 0.0  # of the vehicle's clock to the monotonic one, at least

    @override
    def commit(
        self,
        session_info: SessionInfo,
        shared_key: bytes,
        hmac_key: bytes,
        session_info_key: bytes,
    ) -> bool:
        """Take in session info, and what time it is for the vehicle."""
        taken = super().commit(session_info, shared_key, hmac_key, session_info_key)
        if taken:
            self._ahead = session_info.clock_time - time.monotonic()
        return taken

    @override
    def hmac_personalized(self) -> HMAC_Personalized_Signature_Data:
        """Return what a command is signed with."""
        signature = super().hmac_personalized()
        signature.expires_at = self._expiry(signature.expires_at)
        return signature

    @override
    def aes_gcm_personalized(self) -> AES_GCM_Personalized_Signature_Data:
        """Return what a command is sealed with."""
        signature = super().aes_gcm_personalized()
        signature.expires_at = self._expiry(signature.expires_at)
        return signature

    def _expiry(self, usual: int) -> int:
        if (expires := self._expires()) is None:
            return usual
        # A vehicle counts whole seconds, and takes what expires in the one at hand.
        return max(1, floor(self._ahead + expires) - 1)


class SendOnceMixin[ParentT: Tesla](Commands[ParentT]):
    """What a car is sent once; its sessions last from one command to the next.

    The library signs and sends again what a car lets wait or finds fault with. Here
    that happens only when the car has proven that it was not done: it knows the message
    as one from before its last start.
    """

    delivered = False
    """Whether the command itself, and not only the greeting, was sent."""

    answered = False
    """Whether the car's part that was asked has answered."""

    pending: PendingCommand | None = None
    """The command at hand."""

    expires: float | None = None
    """The monotonic time from which on the command at hand may not be done."""

    _undone = False

    def reset(
        self, pending: PendingCommand | None = None, expires: float | None = None
    ) -> None:
        """Forget the last command, and take up the next one."""
        self.delivered = self.answered = self._undone = False
        self.pending, self.expires = pending, expires

    def _let_expire(self) -> None:
        """Have sessions whose commands expire; called once, before the first one."""
        self._sessions = {
            domain: ExpiringSession(self, Domain.ValueType(domain), self._expiry)
            for domain in self._sessions
        }

    def _expiry(self) -> float | None:
        return self.expires

    def _check_time(self) -> None:
        """Raise a NotSentError if the command may not be sent any more."""
        now = time.monotonic()
        if self.expires is not None and now >= self.expires:
            raise NotSentError(NotSent.LATE)
        if self.pending is not None:
            self.pending.check(now)

    def _sending(self) -> None:
        """Note that the command leaves, unless it may have been done before."""
        if self.delivered and not self._undone:
            raise DuplicateSendError
        self._check_time()
        if self.pending is not None:
            self.pending.mark_sent(time.monotonic())
        self.delivered, self._undone = True, False

    def _note_answer(self, msg: RoutableMessage, reply: RoutableMessage) -> None:
        domain = msg.to_destination.domain
        self.answered = reply.from_destination.domain == domain and (
            # Locks and closures confirm without a word, all else reports.
            domain == Domain.DOMAIN_VEHICLE_SECURITY
            or reply.HasField("protobuf_message_as_bytes")
        )

    @override
    def validate_msg(self, msg: RoutableMessage, request_uuid: bytes) -> None:
        """Check a reply, and note whether the car proves that nothing was done."""
        try:
            super().validate_msg(msg, request_uuid)
        except TeslaFleetMessageFaultIncorrectEpoch:
            # Its session info was checked before: it is the car's own answer to this.
            self._undone = bool(msg.session_info)
            raise

    def rejection(self, error: BaseException | None) -> CommandRejection | None:
        """Return why the car surely did not do the last command, None if it may have.

        Without a command that was sent, what kept the greeting from succeeding counts.
        """
        if error is None or isinstance(error, _UNSURE):
            return None
        if isinstance(error, SessionInfoAuthenticationFault):
            return None if self.delivered else CommandRejection.OTHER
        if isinstance(error, (TeslaFleetMessageFault, NotOnWhitelistFault)):
            return _REFUSALS.get(type(error), CommandRejection.OTHER)
        return None


# The library's own bases differ in how two commands of navigation are called.
class SignedVehicle(SendOnceMixin[TeslaFleetApi], VehicleSigned[TeslaFleetApi]):  # type: ignore[misc]
    """A car that takes signed commands over the cloud.

    `session_made` takes the public key of each session, once it is authenticated.
    """

    def __init__(
        self, parent: TeslaFleetApi, vin: str, session_made: SessionMade
    ) -> None:
        super().__init__(parent, vin)
        self._let_expire()
        self._session_made = session_made

    @override
    def _authenticate_session_info(
        self, msg: RoutableMessage, request_uuid: bytes
    ) -> None:
        super()._authenticate_session_info(msg, request_uuid)
        domain = msg.from_destination.domain
        if point := self._sessions[domain].publicKey:
            self._session_made(self.vin, COMPUTERS[domain], point)

    @override
    async def _send(
        self,
        msg: RoutableMessage,
        requires: str,
        expects_data: bool = True,
        *,
        confirm_broadcast: Callable[[VehicleStatus], bool] | None = None,
    ) -> RoutableMessage:
        if msg.HasField("session_info_request"):
            return await super()._send(msg, requires, expects_data)
        self._sending()
        reply = await super()._send(msg, requires, expects_data)
        self._note_answer(msg, reply)
        return reply
