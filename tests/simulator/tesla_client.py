"""A client with the behavior of Tesla's own.

Tesla publishes its client in Go as vehicle-command. What it accepts as an answer,
ignores, reports as an error or retries is reproduced here, so that a simulated car that
Tesla's client could not use fails a test.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
import hashlib
import hmac
import secrets
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tesla_protocol.command.car_server_pb2 import (
    Action,
    OperationStatus_E as ActionResult,
    Response,
)
from tesla_protocol.command.signatures_pb2 import (
    AES_GCM_Personalized_Signature_Data,
    HMAC_Personalized_Signature_Data,
    KeyIdentity,
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
    OperationStatus_E,
    RoutableMessage,
    SessionInfoRequest,
)
from tesla_protocol.command.vcsec_pb2 import (
    FromVCSECMessage,
    InformationRequest,
    InformationRequestType,
    KeyFormFactor,
    KeyMetadata,
    OperationStatus_E as SecurityStatus,
    PermissionChange,
    PublicKey,
    RKEAction_E,
    SignatureType as EnvelopeType,
    SignedMessage,
    ToVCSECMessage,
    UnsignedMessage,
    WhitelistOperation,
)

SECURITY = Domain.DOMAIN_VEHICLE_SECURITY
INFOTAINMENT = Domain.DOMAIN_INFOTAINMENT

# Faults after which Tesla's client signs and sends the command again.
_AGAIN = {
    "BUSY",
    "TIMEOUT",
    "INVALID_SIGNATURE",
    "INVALID_TOKEN_OR_COUNTER",
    "INTERNAL",
    "INCORRECT_EPOCH",
    "TIME_EXPIRED",
    "TIME_TO_LIVE_TOO_LONG",
}
_LENGTH = 16  # of addresses and UUIDs

type Exchange = Callable[[bytes], list[bytes]]


class RefusedError(Exception):
    """The car rejected the command or could not execute it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SilenceError(Exception):
    """No valid answer arrived: Tesla's client waits until its timeout."""


@dataclass(kw_only=True)
class Session:
    """Session with a computer, as known to the client."""

    key: bytes
    public: bytes
    epoch: bytes
    counter: int
    offset: float  # the computer's clock minus the client's
    clock_time: int


@dataclass(kw_only=True)
class Handler:
    """A request waiting for its answers."""

    address: bytes
    uuid: bytes
    domain: int
    request_id: bytes = b""
    counters: set[int] = field(default_factory=set)
    answers: list[RoutableMessage] = field(default_factory=list)


class TeslaClient:
    """A client of a car; `exchange` sends a message and returns the answers."""

    def __init__(
        self,
        exchange: Exchange,
        vin: str,
        key: ec.EllipticCurvePrivateKey,
        now: Callable[[], float],
    ) -> None:
        self.exchange = exchange
        self.vin = vin.encode()
        self.key = key
        self.public = key.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )
        self.now = now
        self.lifetime = 5.0
        self.encrypts = True
        """Whether commands are sealed, as over Bluetooth, or signed in the clear."""

        self.attempts = 3
        self.sessions: dict[int, Session] = {}
        self.sent: list[bytes] = []
        self.dropped: list[str] = []
        """Why answers of the car were dropped."""

        self._address = secrets.token_bytes(_LENGTH)

    # Requests

    def start(self, domain: int) -> None:
        """Open a session with a computer; raise SilenceError without an answer."""
        message = RoutableMessage(
            to_destination=Destination(domain=Domain.ValueType(domain)),
            session_info_request=SessionInfoRequest(public_key=self.public),
        )
        handler = self.send(message)
        for answer in handler.answers:
            _raise_error(answer)
        if domain not in self.sessions:
            raise SilenceError(self.dropped)

    def lock(self) -> None:
        """Lock the car."""
        self.rke(RKEAction_E.RKE_ACTION_LOCK)

    def unlock(self) -> None:
        """Unlock the car."""
        self.rke(RKEAction_E.RKE_ACTION_UNLOCK)

    def rke(self, action: RKEAction_E) -> None:
        """Send a remote keyless entry action to the vehicle security computer."""
        self.order(UnsignedMessage(RKEAction=action))

    def order(self, command: UnsignedMessage) -> FromVCSECMessage:
        """Send a command that ends without a command status."""
        return self.security(command, lambda it: not it.HasField("commandStatus"))

    def change_keys(self, operation: WhitelistOperation) -> None:
        """Change the whitelist."""
        self.security(
            UnsignedMessage(WhitelistOperation=operation),
            lambda it: it.commandStatus.HasField("whitelistOperationStatus"),
        )

    def ask(
        self, kind: InformationRequestType, slot: int | None = None
    ) -> FromVCSECMessage:
        """Send an unsigned information request to the vehicle security computer."""
        request = InformationRequest(informationRequestType=kind)
        if slot is not None:
            request.slot = slot
        return self.security(
            UnsignedMessage(InformationRequest=request), lambda _: True, signed=False
        )

    def act(self, action: Action) -> Response:
        """Send an action or a request for data to infotainment."""
        answer = self._repeat(
            lambda: self._command(INFOTAINMENT, action.SerializeToString(), signed=True)
        )
        payload = answer.answers[0].protobuf_message_as_bytes
        response: Response = Response.FromString(payload)
        if response.actionStatus.result == ActionResult.OPERATIONSTATUS_ERROR:
            raise RefusedError(response.actionStatus.result_reason.plain_text)
        return response

    def key_request(self, role: int, form: KeyFormFactor) -> bytes:
        """Return Tesla's form of the request to add the key with a keycard.

        It is no routable message: the older envelope contains it, with a signature type
        for presenting a keycard.
        """
        change = PermissionChange(
            key=PublicKey(PublicKeyRaw=self.public),
            keyRole=role,  # type: ignore[arg-type]  # a number of the protocol
        )
        operation = WhitelistOperation(
            addKeyToWhitelistAndAddPermissions=change,
            metadataForKey=KeyMetadata(keyFormFactor=form),
        )
        payload = UnsignedMessage(WhitelistOperation=operation).SerializeToString()
        signed = SignedMessage(
            protobufMessageAsBytes=payload,
            signatureType=EnvelopeType.SIGNATURE_TYPE_PRESENT_KEY,
        )
        return bytes(ToVCSECMessage(signedMessage=signed).SerializeToString())

    def security(
        self,
        command: UnsignedMessage,
        done: Callable[[FromVCSECMessage], bool],
        *,
        signed: bool = True,
    ) -> FromVCSECMessage:
        """Send to the vehicle security computer and read until the final answer."""

        def once() -> FromVCSECMessage:
            payload = command.SerializeToString()
            handler = self._command(SECURITY, payload, signed=signed)
            for answer in handler.answers:
                read = _read_security(answer)
                if done(read):
                    return read
            raise SilenceError(handler.answers)

        return self._repeat(once)

    # Messages and sessions

    def send(self, message: RoutableMessage) -> Handler:
        """Send a message and process the answers."""
        domain = message.to_destination.domain
        secures = domain == SECURITY
        handler = Handler(
            address=secrets.token_bytes(_LENGTH) if secures else self._address,
            uuid=secrets.token_bytes(_LENGTH),
            domain=domain,
        )
        message.uuid = handler.uuid
        message.from_destination.routing_address = handler.address
        handler.request_id = _request_id(message)
        self.sent.append(message.SerializeToString())
        for data in self.exchange(self.sent[-1]):
            self._process(RoutableMessage.FromString(data), handler)
        return handler

    def sign(
        self,
        message: RoutableMessage,
        *,
        counter: int | None = None,
        expires_at: int | None = None,
        epoch: bytes | None = None,
    ) -> RoutableMessage:
        """Sign a message, and encrypt it if the client does."""
        session = self.sessions[message.to_destination.domain]
        if counter is None:
            session.counter += 1
            counter = session.counter
        if expires_at is None:
            expires_at = int(self.now() + session.offset + self.lifetime)
        if self.encrypts:
            kind = SignatureType.SIGNATURE_TYPE_AES_GCM_PERSONALIZED
        else:
            kind = SignatureType.SIGNATURE_TYPE_HMAC_PERSONALIZED
        values: dict[int, bytes | int] = {
            Tag.TAG_SIGNATURE_TYPE: bytes((kind,)),
            Tag.TAG_DOMAIN: bytes((message.to_destination.domain,)),
            Tag.TAG_PERSONALIZATION: self.vin,
            Tag.TAG_EPOCH: session.epoch,
            Tag.TAG_EXPIRES_AT: expires_at,
            Tag.TAG_COUNTER: counter,
        }
        if message.flags:
            values[Tag.TAG_FLAGS] = message.flags
        about = _metadata(values)
        data = SignatureData(signer_identity=KeyIdentity(public_key=self.public))
        sent_epoch = session.epoch if epoch is None else epoch
        plain = message.protobuf_message_as_bytes
        if self.encrypts:
            nonce = secrets.token_bytes(12)
            digest = hashlib.sha256(about).digest()
            sealed = AESGCM(session.key).encrypt(nonce, plain, digest)
            message.protobuf_message_as_bytes = sealed[:-16]
            data.AES_GCM_Personalized_data.CopyFrom(
                AES_GCM_Personalized_Signature_Data(
                    epoch=sent_epoch,
                    nonce=nonce,
                    counter=counter,
                    expires_at=expires_at,
                    tag=sealed[-16:],
                )
            )
        else:
            data.HMAC_Personalized_data.CopyFrom(
                HMAC_Personalized_Signature_Data(
                    epoch=sent_epoch,
                    counter=counter,
                    expires_at=expires_at,
                    tag=_tag(session.key, b"authenticated command", about + plain),
                )
            )
        message.signature_data.CopyFrom(data)
        return message

    def message(self, domain: int, payload: bytes) -> RoutableMessage:
        """Return an unsigned message."""
        return RoutableMessage(
            to_destination=Destination(domain=Domain.ValueType(domain)),
            protobuf_message_as_bytes=payload,
            flags=1 << Flags.FLAG_ENCRYPT_RESPONSE,
        )

    def _command(self, domain: int, payload: bytes, *, signed: bool) -> Handler:
        message = self.message(domain, payload)
        if signed:
            if domain not in self.sessions:
                raise RefusedError("no session")
            self.sign(message)
        handler = self.send(message)
        if not handler.answers:
            raise SilenceError(self.dropped)
        for answer in handler.answers:
            _raise_error(answer)
        return handler

    def _repeat[AnswerT](self, once: Callable[[], AnswerT]) -> AnswerT:
        for left in reversed(range(self.attempts)):
            try:
                return once()
            except RefusedError as err:
                if err.reason not in _AGAIN or not left:
                    raise
        raise SilenceError

    def _process(self, message: RoutableMessage, handler: Handler) -> None:
        domain = message.from_destination.domain
        uuid, to = message.request_uuid, message.to_destination
        if not message.HasField("from_destination"):
            self.dropped.append("no source")
        elif len(uuid) not in {0, _LENGTH}:
            self.dropped.append("length of the request's UUID")
        elif to.WhichOneof("sub_destination") != "routing_address":
            self.dropped.append("not to this client")
        elif (to.routing_address, domain) != (handler.address, handler.domain) or (
            domain != SECURITY and uuid != handler.uuid
        ):
            self.dropped.append("no such request")
        else:
            if message.HasField("session_info"):
                self._update(message, domain)
            if self._open(message, handler):
                handler.answers.append(message)

    def _update(self, message: RoutableMessage, domain: int) -> None:
        """Open or update a session if the session info is signed by the car."""
        tag = message.signature_data.session_info_tag.tag
        if not tag:
            self.dropped.append("session info without a tag")
            return
        info = SessionInfo.FromString(message.session_info)
        key = self._shared(info.publicKey)
        about = _metadata(
            {
                Tag.TAG_SIGNATURE_TYPE: bytes((SignatureType.SIGNATURE_TYPE_HMAC,)),
                Tag.TAG_PERSONALIZATION: self.vin,
                # The challenge is the request UUID of the answer.
                Tag.TAG_CHALLENGE: message.request_uuid,
            }
        )
        expected = _tag(key, b"session info", about + message.session_info)
        if not hmac.compare_digest(expected, tag):
            self.dropped.append("session info hmac invalid")
            return
        session = self.sessions.get(domain)
        fresh = Session(
            key=key,
            public=info.publicKey,
            epoch=info.epoch,
            counter=info.counter,
            offset=info.clock_time - self.now(),
            clock_time=info.clock_time,
        )
        if session is None:
            self.sessions[domain] = fresh
        elif session.public != info.publicKey:
            self.dropped.append("another public key")
        elif session.epoch != info.epoch or session.clock_time <= info.clock_time:
            fresh.counter = max(session.counter, info.counter)
            self.sessions[domain] = fresh

    def _open(self, message: RoutableMessage, handler: Handler) -> bool:
        """Decrypt a message; return whether it is valid."""
        if not message.signature_data.HasField("AES_GCM_Response_data"):
            return True
        if (session := self.sessions.get(handler.domain)) is None:
            self.dropped.append("sealed without a session")
            return False
        sealed = message.signature_data.AES_GCM_Response_data
        about = _metadata(
            {
                Tag.TAG_SIGNATURE_TYPE: bytes(
                    (SignatureType.SIGNATURE_TYPE_AES_GCM_RESPONSE,)
                ),
                Tag.TAG_DOMAIN: bytes((message.from_destination.domain,)),
                Tag.TAG_PERSONALIZATION: self.vin,
                Tag.TAG_COUNTER: sealed.counter,
                Tag.TAG_FLAGS: message.flags,
                Tag.TAG_REQUEST_HASH: handler.request_id,
                Tag.TAG_FAULT: message.signedMessageStatus.signed_message_fault,
            }
        )
        try:
            message.protobuf_message_as_bytes = AESGCM(session.key).decrypt(
                sealed.nonce,
                message.protobuf_message_as_bytes + sealed.tag,
                hashlib.sha256(about).digest(),
            )
        except InvalidTag:
            self.dropped.append("cannot be opened")
            return False
        if sealed.counter in handler.counters:
            self.dropped.append("answered twice")
            return False
        handler.counters.add(sealed.counter)
        return True

    def _shared(self, public: bytes) -> bytes:
        other = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
        exchanged = self.key.exchange(ec.ECDH(), other)
        return hashlib.sha1(exchanged, usedforsecurity=False).digest()[:16]


def _metadata(values: dict[int, bytes | int]) -> bytes:
    parts = bytearray()
    for tag, value in sorted(values.items()):
        packed = struct.pack(">I", value) if isinstance(value, int) else value
        parts += bytes((tag, len(packed))) + packed
    return bytes(parts) + bytes((Tag.TAG_END,))


def _tag(key: bytes, purpose: bytes, signed: bytes) -> bytes:
    derived = hmac.new(key, purpose, hashlib.sha256).digest()
    return hmac.new(derived, signed, hashlib.sha256).digest()


def _request_id(message: RoutableMessage) -> bytes:
    data = message.signature_data
    if data.HasField("AES_GCM_Personalized_data"):
        kind = SignatureType.SIGNATURE_TYPE_AES_GCM_PERSONALIZED
        return bytes((kind,)) + data.AES_GCM_Personalized_data.tag
    if not data.HasField("HMAC_Personalized_data"):
        return b""
    tag = data.HMAC_Personalized_data.tag
    if message.to_destination.domain == SECURITY:
        tag = tag[:16]
    return bytes((SignatureType.SIGNATURE_TYPE_HMAC_PERSONALIZED,)) + tag


def _raise_error(message: RoutableMessage) -> None:
    status = message.signedMessageStatus
    if fault := status.signed_message_fault:
        name = MessageFault_E.Name(fault)
        raise RefusedError(name.removeprefix("MESSAGEFAULT_ERROR_"))
    if message.HasField("session_info"):
        info = SessionInfo.FromString(message.session_info)
        if info.status != Session_Info_Status.SESSION_INFO_STATUS_OK:
            raise RefusedError("UNKNOWN_KEY_ID")
    if status.operation_status == OperationStatus_E.OPERATIONSTATUS_WAIT:
        raise RefusedError("BUSY")


def _read_security(message: RoutableMessage) -> FromVCSECMessage:
    _raise_error(message)
    if message.WhichOneof("payload") is None:
        return FromVCSECMessage()
    if not message.HasField("protobuf_message_as_bytes"):
        raise RefusedError("payload missing")
    read: FromVCSECMessage = FromVCSECMessage.FromString(
        message.protobuf_message_as_bytes
    )
    if read.HasField("nominalError"):
        raise RefusedError(str(read.nominalError.genericError))
    status = read.commandStatus
    if status.operationStatus == SecurityStatus.OPERATIONSTATUS_WAIT:
        raise RefusedError("BUSY")
    if status.operationStatus == SecurityStatus.OPERATIONSTATUS_ERROR:
        code = status.whitelistOperationStatus.whitelistOperationInformation
        if code or not status.HasField("signedMessageStatus"):
            raise RefusedError(f"keychain {code}")
    return read
