"""A computer of a car: opens sessions and verifies signed messages."""

from collections.abc import Callable
from dataclasses import dataclass
import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric import ec
from tesla_protocol.command.signatures_pb2 import (
    AES_GCM_Personalized_Signature_Data,
    AES_GCM_Response_Signature_Data,
    HMAC_Personalized_Signature_Data,
    HMAC_Signature_Data,
    Session_Info_Status,
    SessionInfo,
    SignatureData,
    SignatureType,
    Tag,
)
from tesla_protocol.command.universal_message_pb2 import (
    Destination,
    Domain,
    Flags,
    MessageFault_E,
    MessageStatus,
    OperationStatus_E,
    RoutableMessage,
)

from .sessions import EPOCH_LENGTH, MAX_LATE_SECONDS, Clock, ReplayCounter
from .signatures import SharedSecret, metadata
from .whitelist import Role, Whitelist, WhitelistError, public_point

type Signature = AES_GCM_Personalized_Signature_Data | HMAC_Personalized_Signature_Data

_ENCRYPT = 1 << Flags.FLAG_ENCRYPT_RESPONSE


class MessageFaultError(Exception):
    """Error raised for a rejected message; a given session is sent in the reply."""

    def __init__(self, fault: MessageFault_E, session: Session | None = None) -> None:
        super().__init__(MessageFault_E.Name(fault))
        self.fault = fault
        self.session = session


class Session:
    """Shared state of a computer and a key."""

    def __init__(
        self, point: bytes, secret: SharedSecret, counter: ReplayCounter
    ) -> None:
        self.point = point
        self.secret = secret
        self.counter = counter


@dataclass(frozen=True, kw_only=True)
class VerifiedMessage:
    """The content of a verified message, with session and role of its key."""

    session: Session
    role: Role
    payload: bytes
    request_hash: bytes


def computer_key(vin: str, domain: Domain) -> ec.EllipticCurvePrivateKey:
    """Return the key pair of a computer of a simulated car, derived from its VIN."""
    digest = hashlib.sha256(f"{vin} {Domain.Name(domain)}".encode()).digest()
    # Any number below the order of the curve is a valid key.
    return ec.derive_private_key(int.from_bytes(digest) >> 1, ec.SECP256R1())


class Computer:
    """A computer with its key, clock and sessions."""

    def __init__(
        self,
        domain: Domain,
        vin: str,
        whitelist: Whitelist,
        get_time: Callable[[], float],
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> None:
        self.domain = domain
        self.clock = Clock(get_time)
        self._vin = vin
        self._whitelist = whitelist
        self._key = key or computer_key(vin, domain)
        self._sessions: dict[bytes, Session] = {}

    @property
    def is_vehicle_security(self) -> bool:
        """Return whether this is the vehicle security computer, short of memory."""
        return self.domain == int(Domain.DOMAIN_VEHICLE_SECURITY)

    def restart(self) -> None:
        """Restart: drop all sessions and begin a new epoch."""
        self._sessions.clear()
        self.clock.restart()

    def open_session(self, message: RoutableMessage) -> RoutableMessage:
        """Answer a session info request."""
        try:
            point = public_point(message.session_info_request.public_key)
        except WhitelistError:
            return self.fault(message, MessageFault_E.MESSAGEFAULT_ERROR_BAD_PARAMETER)
        if self._whitelist.role_of(point) is None:
            reply = self._reply(message)
            reply.request_uuid = message.uuid
            reply.session_info = SessionInfo(
                status=Session_Info_Status.SESSION_INFO_STATUS_KEY_NOT_ON_WHITELIST
            ).SerializeToString()
            return reply
        return self._attach_session_info(
            self._reply(message), message, self._session(point)
        )

    def verify(self, message: RoutableMessage) -> VerifiedMessage:
        """Verify a signed message; raise MessageFaultError if it is rejected.

        The rules for counters and expiry are those of the verifier that Tesla publishes
        with its client.
        """
        data = message.signature_data
        kind = data.WhichOneof("sig_type")
        if kind == "HMAC_Personalized_data":
            signature: Signature = data.HMAC_Personalized_data
        elif kind == "AES_GCM_Personalized_data":
            signature = data.AES_GCM_Personalized_data
        else:
            raise MessageFaultError(MessageFault_E.MESSAGEFAULT_ERROR_BAD_PARAMETER)
        try:
            point = public_point(data.signer_identity.public_key)
        except WhitelistError as err:
            fault = MessageFault_E.MESSAGEFAULT_ERROR_UNKNOWN_KEY_ID
            raise MessageFaultError(fault) from err
        if (role := self._whitelist.role_of(point)) is None:
            raise MessageFaultError(MessageFault_E.MESSAGEFAULT_ERROR_UNKNOWN_KEY_ID)
        session = self._session(point)
        self._check_time(signature, session)
        payload = self._check_signature(message, signature, session)
        # A message without a counter is accepted in any order, and repeatedly.
        if signature.counter and not session.counter.use(signature.counter):
            raise MessageFaultError(
                MessageFault_E.MESSAGEFAULT_ERROR_INVALID_TOKEN_OR_COUNTER, session
            )
        return VerifiedMessage(
            session=session,
            role=role,
            payload=payload,
            request_hash=self._request_hash(signature),
        )

    def answer(
        self,
        message: RoutableMessage,
        verified: VerifiedMessage,
        payload: bytes,
        *,
        with_request_uuid: bool = False,
    ) -> RoutableMessage:
        """Return an answer, sealed if the client requested encryption.

        With `with_request_uuid`, it has the UUID of the request.
        """
        reply = self._reply(message)
        if with_request_uuid:
            reply.request_uuid = message.uuid
        if not message.flags & _ENCRYPT:
            reply.protobuf_message_as_bytes = payload
            return reply
        counter = 1  # of the answers to this request
        signed_metadata = metadata(
            {
                Tag.TAG_SIGNATURE_TYPE: bytes(
                    (SignatureType.SIGNATURE_TYPE_AES_GCM_RESPONSE,)
                ),
                Tag.TAG_DOMAIN: bytes((self.domain,)),
                Tag.TAG_PERSONALIZATION: self._vin.encode(),
                Tag.TAG_COUNTER: counter,
                Tag.TAG_FLAGS: reply.flags,
                Tag.TAG_REQUEST_HASH: verified.request_hash,
                Tag.TAG_FAULT: reply.signedMessageStatus.signed_message_fault,
            }
        )
        sealed, nonce, tag = verified.session.secret.encrypt(payload, signed_metadata)
        reply.protobuf_message_as_bytes = sealed
        reply.signature_data.CopyFrom(
            SignatureData(
                AES_GCM_Response_data=AES_GCM_Response_Signature_Data(
                    nonce=nonce, counter=counter, tag=tag
                )
            )
        )
        return reply

    def plain_reply(self, message: RoutableMessage, payload: bytes) -> RoutableMessage:
        """Return an answer that is neither signed nor sealed."""
        reply = self._reply(message)
        reply.protobuf_message_as_bytes = payload
        return reply

    def acknowledge(self, message: RoutableMessage) -> RoutableMessage:
        """Return an acknowledgment of a message."""
        reply = self._reply(message)
        reply.request_uuid = message.uuid
        return reply

    def status(
        self,
        message: RoutableMessage,
        status: OperationStatus_E,
        fault: MessageFault_E = MessageFault_E.MESSAGEFAULT_ERROR_NONE,
    ) -> RoutableMessage:
        """Return an answer with an operation status only."""
        reply = self._reply(message)
        reply.signedMessageStatus.CopyFrom(
            MessageStatus(operation_status=status, signed_message_fault=fault)
        )
        return reply

    def fault(
        self,
        message: RoutableMessage,
        fault: MessageFault_E,
        session: Session | None = None,
    ) -> RoutableMessage:
        """Return an answer with a fault."""
        reply = self.status(message, OperationStatus_E.OPERATIONSTATUS_ERROR, fault)
        return (
            reply
            if session is None
            else self._attach_session_info(reply, message, session)
        )

    def _session(self, point: bytes) -> Session:
        if point not in self._sessions:
            self._sessions[point] = Session(
                point,
                SharedSecret(self._key, point),
                ReplayCounter(ordered=self.is_vehicle_security),
            )
        return self._sessions[point]

    def _reply(self, message: RoutableMessage) -> RoutableMessage:
        return RoutableMessage(
            to_destination=message.from_destination,
            from_destination=Destination(domain=self.domain),
            request_uuid=b"" if self.is_vehicle_security else message.uuid,
        )

    def _attach_session_info(
        self, reply: RoutableMessage, message: RoutableMessage, session: Session
    ) -> RoutableMessage:
        info = SessionInfo(
            counter=session.counter.highest,
            publicKey=public_point(self._key),
            epoch=self.clock.epoch,
            clock_time=self.clock.time,
        ).SerializeToString()
        signed_metadata = metadata(
            {
                Tag.TAG_SIGNATURE_TYPE: bytes((SignatureType.SIGNATURE_TYPE_HMAC,)),
                Tag.TAG_PERSONALIZATION: self._vin.encode(),
                Tag.TAG_CHALLENGE: message.uuid,
            }
        )
        # Clients use the UUID of the reply as challenge of the tag: the vehicle
        # security computer includes it here, too.
        reply.request_uuid = message.uuid
        reply.session_info = info
        reply.signature_data.CopyFrom(
            SignatureData(
                session_info_tag=HMAC_Signature_Data(
                    tag=session.secret.session_tag(signed_metadata + info)
                )
            )
        )
        return reply

    def _check_time(self, signature: Signature, session: Session) -> None:
        if signature.epoch and signature.epoch != self.clock.epoch:
            raise MessageFaultError(
                MessageFault_E.MESSAGEFAULT_ERROR_INCORRECT_EPOCH, session
            )
        expires_at, counter = signature.expires_at, signature.counter
        remaining = expires_at - self.clock.time
        # Without an expiry the counter alone decides.
        if expires_at and remaining < 0:
            raise MessageFaultError(
                MessageFault_E.MESSAGEFAULT_ERROR_TIME_EXPIRED, session
            )
        if expires_at > EPOCH_LENGTH:
            raise MessageFaultError(
                MessageFault_E.MESSAGEFAULT_ERROR_BAD_PARAMETER, session
            )
        out_of_order = not counter or session.counter.is_late(counter)
        if out_of_order and (not expires_at or remaining > MAX_LATE_SECONDS):
            raise MessageFaultError(
                MessageFault_E.MESSAGEFAULT_ERROR_TIME_TO_LIVE_TOO_LONG, session
            )

    def _check_signature(
        self, message: RoutableMessage, signature: Signature, session: Session
    ) -> bytes:
        is_sealed = isinstance(signature, AES_GCM_Personalized_Signature_Data)
        kind = (
            SignatureType.SIGNATURE_TYPE_AES_GCM_PERSONALIZED
            if is_sealed
            else SignatureType.SIGNATURE_TYPE_HMAC_PERSONALIZED
        )
        values: dict[int, bytes | int] = {
            Tag.TAG_SIGNATURE_TYPE: bytes((kind,)),
            Tag.TAG_DOMAIN: bytes((self.domain,)),
            Tag.TAG_PERSONALIZATION: self._vin.encode(),
            # A client may omit the epoch, but always signs it.
            Tag.TAG_EPOCH: self.clock.epoch,
            Tag.TAG_EXPIRES_AT: signature.expires_at,
            Tag.TAG_COUNTER: signature.counter,
        }
        if message.flags:
            values[Tag.TAG_FLAGS] = message.flags
        signed_metadata = metadata(values)
        payload: bytes | None = message.protobuf_message_as_bytes
        if isinstance(signature, AES_GCM_Personalized_Signature_Data):
            payload = session.secret.decrypt(
                message.protobuf_message_as_bytes,
                signature.nonce,
                signature.tag,
                signed_metadata,
            )
        elif not hmac.compare_digest(
            session.secret.command_tag(
                signed_metadata + message.protobuf_message_as_bytes
            ),
            signature.tag,
        ):
            payload = None
        if payload is None:
            raise MessageFaultError(
                MessageFault_E.MESSAGEFAULT_ERROR_INVALID_SIGNATURE, session
            )
        return payload

    def _request_hash(self, signature: Signature) -> bytes:
        if isinstance(signature, AES_GCM_Personalized_Signature_Data):
            kind = SignatureType.SIGNATURE_TYPE_AES_GCM_PERSONALIZED
        else:
            kind = SignatureType.SIGNATURE_TYPE_HMAC_PERSONALIZED
        request_hash = bytes((kind,)) + signature.tag
        return request_hash[:17] if self.is_vehicle_security else request_hash
