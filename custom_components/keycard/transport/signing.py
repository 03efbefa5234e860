"""Signed commands that are sent once and expire in the vehicle."""

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

type SessionCallback = Callable[[str, Computer, bytes], None]
"""Called with a VIN, and a computer and its public key after a handshake."""

_REJECTIONS: dict[type[BaseException], CommandRejection] = {
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

# After these the command may have been executed, or an earlier copy of it.
_INCONCLUSIVE_FAULTS = (
    TeslaFleetMessageFaultBusy,
    TeslaFleetMessageFaultTimeout,
    TeslaFleetMessageFaultInternal,
    TeslaFleetMessageFaultInvalidTokenOrCounter,
    TeslaFleetMessageFaultRepeatedCounter,
    TeslaFleetMessageFaultResponseSizeExceedsMTU,
)


class DuplicateSendError(Exception):
    """Raised when the library would resend a command that may have been executed."""


class ExpiringSession[ParentT: Tesla](Session[ParentT]):
    """Session whose commands expire in the vehicle at their deadline.

    `expires` returns the monotonic time at which the current command expires, None for
    the library's default.
    """

    def __init__(
        self,
        parent: Commands[ParentT],
        domain: Domain,
        expires: Callable[[], float | None],
    ) -> None:
        super().__init__(parent, domain)
        self._expires = expires
        self._clock_offset = 0.0  # vehicle's clock minus the monotonic one, at least

    @override
    def commit(
        self,
        session_info: SessionInfo,
        shared_key: bytes,
        hmac_key: bytes,
        session_info_key: bytes,
    ) -> bool:
        """Update the session and the clock offset from session info."""
        accepted = super().commit(session_info, shared_key, hmac_key, session_info_key)
        if accepted:
            self._clock_offset = session_info.clock_time - time.monotonic()
        return accepted

    @override
    def hmac_personalized(self) -> HMAC_Personalized_Signature_Data:
        """Return the HMAC signature data with an expiry."""
        signature = super().hmac_personalized()
        signature.expires_at = self._expiry(signature.expires_at)
        return signature

    @override
    def aes_gcm_personalized(self) -> AES_GCM_Personalized_Signature_Data:
        """Return the AES-GCM signature data with an expiry."""
        signature = super().aes_gcm_personalized()
        signature.expires_at = self._expiry(signature.expires_at)
        return signature

    def _expiry(self, default: int) -> int:
        if (expires_at := self._expires()) is None:
            return default
        # A vehicle counts whole seconds and accepts until the end of the second.
        return max(1, floor(self._clock_offset + expires_at) - 1)


class SendOnceMixin[ParentT: Tesla](Commands[ParentT]):
    """Vehicle that sends each command once; sessions are reused between commands.

    The library resends commands after timeouts and faults. Here it may do so only
    after the vehicle has proven that the command was not executed: with an incorrect
    epoch, that of a session from before its last restart.
    """

    delivered = False
    """Whether the command was sent, not only its handshake."""

    answered = False
    """Whether the addressed computer has answered."""

    pending: PendingCommand | None = None
    """The current command."""

    expires: float | None = None
    """Monotonic time at which the current command expires."""

    _not_executed = False

    def reset(
        self, pending: PendingCommand | None = None, expires: float | None = None
    ) -> None:
        """Prepare for the next command."""
        self.delivered = self.answered = self._not_executed = False
        self.pending, self.expires = pending, expires

    def _use_expiring_sessions(self) -> None:
        """Replace the library's sessions; called once at construction."""
        self._sessions = {
            domain: ExpiringSession(self, Domain.ValueType(domain), self._expiry)
            for domain in self._sessions
        }

    def _expiry(self) -> float | None:
        return self.expires

    def _check_deadline(self) -> None:
        """Raise a NotSentError if the command may no longer be sent."""
        monotonic = time.monotonic()
        if self.expires is not None and monotonic >= self.expires:
            raise NotSentError(NotSent.LATE)
        if self.pending is not None:
            self.pending.check(monotonic)

    def _mark_sent(self) -> None:
        """Mark the command as sent; raise if it may already have been executed."""
        if self.delivered and not self._not_executed:
            raise DuplicateSendError
        self._check_deadline()
        if self.pending is not None:
            self.pending.mark_sent(time.monotonic())
        self.delivered, self._not_executed = True, False

    def _record_reply(self, msg: RoutableMessage, reply: RoutableMessage) -> None:
        domain = msg.to_destination.domain
        self.answered = reply.from_destination.domain == domain and (
            # Vehicle security confirms with an empty reply.
            domain == Domain.DOMAIN_VEHICLE_SECURITY
            or reply.HasField("protobuf_message_as_bytes")
        )

    @override
    def validate_msg(self, msg: RoutableMessage, request_uuid: bytes) -> None:
        """Validate a reply, and note whether it proves that nothing was executed."""
        try:
            super().validate_msg(msg, request_uuid)
        except TeslaFleetMessageFaultIncorrectEpoch:
            # The session info was authenticated, so the vehicle itself answered.
            self._not_executed = bool(msg.session_info)
            raise

    def rejection(self, error: BaseException | None) -> CommandRejection | None:
        """Return why the last command was not executed, None if it may have been.

        If no command was sent, the error of the handshake counts.
        """
        if error is None or isinstance(error, _INCONCLUSIVE_FAULTS):
            return None
        if isinstance(error, SessionInfoAuthenticationFault):
            return None if self.delivered else CommandRejection.OTHER
        if isinstance(error, (TeslaFleetMessageFault, NotOnWhitelistFault)):
            return _REJECTIONS.get(type(error), CommandRejection.OTHER)
        return None


# The library's base classes differ in the signatures of two navigation commands.
class SignedVehicle(SendOnceMixin[TeslaFleetApi], VehicleSigned[TeslaFleetApi]):  # type: ignore[misc]
    """Vehicle that receives signed commands over the cloud.

    `on_session` is called with the public key of each authenticated session.
    """

    def __init__(
        self, parent: TeslaFleetApi, vin: str, on_session: SessionCallback
    ) -> None:
        super().__init__(parent, vin)
        self._use_expiring_sessions()
        self._on_session = on_session

    @override
    def _authenticate_session_info(
        self, msg: RoutableMessage, request_uuid: bytes
    ) -> None:
        super()._authenticate_session_info(msg, request_uuid)
        domain = msg.from_destination.domain
        if point := self._sessions[domain].publicKey:
            self._on_session(self.vin, COMPUTERS[domain], point)

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
        self._mark_sent()
        reply = await super()._send(msg, requires, expects_data)
        self._record_reply(msg, reply)
        return reply
