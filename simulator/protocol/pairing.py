"""Unsigned requests to the vehicle security computer."""

from collections.abc import Callable

from tesla_protocol.command.vcsec_pb2 import (
    PermissionChange,
    UnsignedMessage,
    WhitelistOperation_information_E as Information,
)

from ..vehicle.car import Car
from . import vcsec
from .command_decoder import INFORMATION_REQUESTS
from .whitelist import PairingState, Role, Whitelist, WhitelistError, public_point

_RESULTS = {
    PairingState.ADDED: "NONE",
    PairingState.REFUSED: "LOCAL_ENTITY_AUTH_FAILED_UI_DENIED",
    PairingState.TIMED_OUT: "LOCAL_ENTITY_AUTH_FAILED_TIMED_OUT_WAITING_FOR_TAP",
}


class SignatureRequiredError(Exception):
    """The request needs a signature."""


def answer(
    car: Car,
    whitelist: Whitelist,
    payload: bytes,
    send_later: Callable[[bytes], None],
) -> bytes | None:
    """Answer a request for information, or wait for a keycard to add a key.

    Tesla's client requests the status and the list of keys unsigned. The result of
    adding a key is sent once a keycard is tapped or not. Return None for a malformed
    request: users report that firmware of 2026 ignores one without a key.
    """
    message = UnsignedMessage.FromString(payload)
    match message.WhichOneof("sub_message"):
        case "InformationRequest" if (
            message.InformationRequest.informationRequestType in INFORMATION_REQUESTS
        ):
            return vcsec.answer_information_request(
                car, whitelist, message.InformationRequest
            )
        case "WhitelistOperation" if message.WhitelistOperation.HasField(
            "addKeyToWhitelistAndAddPermissions"
        ):
            operation = message.WhitelistOperation
            change = operation.addKeyToWhitelistAndAddPermissions
        case _:
            raise SignatureRequiredError
    try:
        rejection = _rejection_reason(car, whitelist, change)
    except WhitelistError:
        return None
    if rejection != vcsec.information_value("NONE"):
        return bytes(vcsec.operation_result(rejection).SerializeToString())

    def send_result(state: PairingState) -> None:
        reply = vcsec.operation_result(vcsec.information_value(_RESULTS[state]))
        send_later(bytes(reply.SerializeToString()))

    whitelist.request_add(
        change.key.PublicKeyRaw,
        Role(change.keyRole),
        operation.metadataForKey.keyFormFactor,
        send_result,
    )
    return vcsec.wait_reply()


def _rejection_reason(
    car: Car, whitelist: Whitelist, change: PermissionChange
) -> Information:
    public_point(change.key.PublicKeyRaw)
    rejection_reason = vcsec.rejection_reason(whitelist, change)
    if rejection_reason == vcsec.information_value("NONE") and car.valet_mode:
        return vcsec.information_value("LOCAL_ENTITY_AUTH_FAILED_VALET_MODE")
    return rejection_reason
