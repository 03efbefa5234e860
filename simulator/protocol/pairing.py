"""What the computer of the locks answers to those who have no key yet."""

from collections.abc import Callable

from tesla_protocol.command.vcsec_pb2 import (
    PermissionChange,
    UnsignedMessage,
    WhitelistOperation_information_E as Information,
)

from ..vehicle.car import Car
from . import vcsec
from .command_decoder import QUESTIONS
from .whitelist import PairingState, Role, Whitelist, WhitelistError, point_of

_ENDS = {
    PairingState.ADDED: "NONE",
    PairingState.REFUSED: "LOCAL_ENTITY_AUTH_FAILED_UI_DENIED",
    PairingState.TIMED_OUT: "LOCAL_ENTITY_AUTH_FAILED_TIMED_OUT_WAITING_FOR_TAP",
}


class NeedsKeyError(Exception):
    """Only who has a key may ask for it."""


def answer(
    car: Car,
    whitelist: Whitelist,
    payload: bytes,
    tell_later: Callable[[bytes], None],
) -> bytes | None:
    """Tell the status or the list of keys, or wait for a card that lets a new key in.

    Tesla's own client asks for the status and for the list of keys unsigned.
    What becomes of the key is told later, when somebody has tapped the card or not.
    None: firmware of 2026 ignores a request that is malformed, as owners report of one
    that left out the key.
    """
    message = UnsignedMessage.FromString(payload)
    match message.WhichOneof("sub_message"):
        case "InformationRequest" if (
            message.InformationRequest.informationRequestType in QUESTIONS
        ):
            return vcsec.inform(car, whitelist, message.InformationRequest)
        case "WhitelistOperation" if message.WhitelistOperation.HasField(
            "addKeyToWhitelistAndAddPermissions"
        ):
            operation = message.WhitelistOperation
            change = operation.addKeyToWhitelistAndAddPermissions
        case _:
            raise NeedsKeyError
    try:
        objection = _objection(car, whitelist, change)
    except WhitelistError:
        return None
    if objection != vcsec.said("NONE"):
        return bytes(vcsec.outcome(objection).SerializeToString())

    def then(state: PairingState) -> None:
        reply = vcsec.outcome(vcsec.said(_ENDS[state]))
        tell_later(bytes(reply.SerializeToString()))

    whitelist.ask(
        change.key.PublicKeyRaw,
        Role(change.keyRole),
        operation.metadataForKey.keyFormFactor,
        then,
    )
    return vcsec.waits()


def _objection(car: Car, whitelist: Whitelist, change: PermissionChange) -> Information:
    point_of(change.key.PublicKeyRaw)
    objection = vcsec.objection(whitelist, change)
    if objection == vcsec.said("NONE") and car.valet:
        return vcsec.said("LOCAL_ENTITY_AUTH_FAILED_VALET_MODE")
    return objection
