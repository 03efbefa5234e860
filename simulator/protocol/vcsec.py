"""The vehicle security computer (VCSEC), which never sleeps."""

from collections.abc import Sequence
from enum import StrEnum
import hashlib

from tesla_protocol.command.errors_pb2 import GenericError_E, NominalError
from tesla_protocol.command.keys_pb2 import Role as RoleNumber
from tesla_protocol.command.vcsec_pb2 import (
    ClosureState_E,
    ClosureStatuses,
    CommandStatus,
    FromVCSECMessage,
    Gear_E,
    InformationRequest,
    InformationRequestType,
    KeyFormFactor,
    KeyIdentifier,
    KeyMetadata,
    OperationStatus_E,
    PermissionChange,
    PublicKey,
    UnsignedMessage,
    UserPresence_E,
    VehicleLockState_E,
    VehicleSleepStatus_E,
    VehicleStatus,
    WhitelistEntryInfo,
    WhitelistInfo,
    WhitelistOperation,
    WhitelistOperation_information_E as Information,
    WhitelistOperation_status,
)

from ..vehicle.car import Car
from .command_decoder import DecodedCommand
from .whitelist import Entry, Role, Whitelist, WhitelistError, WhitelistFullError


class Confirmation(StrEnum):
    """How the vehicle security computer confirms a command.

    Real cars use both: a Model 3 of 2019 with firmware of 2026 sends an empty payload,
    others their status in a reply with a `request_uuid`. No car sends a command status:
    Tesla's client would keep waiting after it.
    """

    EMPTY = "empty"
    STATUS = "status"


_ALREADY_ON_WHITELIST = "ATTEMPTING_TO_ADD_KEY_THAT_IS_ALREADY_ON_THE_WHITELIST"
# Messages to every connection, as in public captures: a request to authenticate a
# key (20 bytes are the key's id), about once a second until one has, and a field that
# is in none of Tesla's definitions.
UNSOLICITED_PAYLOADS = (
    bytes.fromhex("1a1d12160a14") + bytes(range(20)) + bytes.fromhex("1802220101"),
    bytes.fromhex("e00201"),
    bytes.fromhex("e00202"),
)
_UNPUBLISHED_FIELD = bytes.fromhex("42020802")
_CLOSURES = {
    "df": "frontDriverDoor",
    "pf": "frontPassengerDoor",
    "dr": "rearDriverDoor",
    "pr": "rearPassengerDoor",
    "rear_trunk": "rearTrunk",
    "front_trunk": "frontTrunk",
    "port": "chargePort",
}
_NOT_SUPPORTED = frozenset({"cannot actuate trunks", "no motorized charge port"})


def answer(
    car: Car,
    whitelist: Whitelist,
    payload: bytes,
    commands: Sequence[DecodedCommand],
    *,
    signer: bytes,
    confirmation: Confirmation,
) -> bytes:
    """Execute commands or answer a request for information."""
    message = UnsignedMessage.FromString(payload)
    match message.WhichOneof("sub_message"):
        case "InformationRequest":
            reply = _information(car, whitelist, message.InformationRequest)
        case "WhitelistOperation":
            reply = _change_whitelist(whitelist, message.WhitelistOperation, signer)
        case _:
            reply = _execute(car, commands, confirmation)
    return bytes(reply.SerializeToString())


def wait_reply() -> bytes:
    """Return the answer of a computer that is busy or waits for a keycard."""
    status = CommandStatus(operationStatus=OperationStatus_E.OPERATIONSTATUS_WAIT)
    return bytes(FromVCSECMessage(commandStatus=status).SerializeToString())


def status_message(car: Car) -> bytes:
    """Return the status that is broadcast."""
    return bytes(
        FromVCSECMessage(vehicleStatus=vehicle_status(car)).SerializeToString()
    )


def vehicle_status(car: Car) -> VehicleStatus:
    """Return the status, which is available without waking the car.

    As in public captures of 2025 and 2026: closures are omitted while all are closed,
    the gear once the car has been parked for a while, and a field is appended that is
    in none of Tesla's published definitions.
    """
    car.advance()
    closures = ClosureStatuses(
        **{
            closure: ClosureState_E.CLOSURESTATE_OPEN
            for name, closure in _CLOSURES.items()
            if name in car.reported_open_closures
        }
    )
    status = VehicleStatus(
        closureStatuses=closures if closures.ListFields() else None,
        vehicleLockState=VehicleLockState_E.VEHICLELOCKSTATE_LOCKED
        if car.locked
        else VehicleLockState_E.VEHICLELOCKSTATE_UNLOCKED,
        vehicleSleepStatus=VehicleSleepStatus_E.VEHICLE_SLEEP_STATUS_ASLEEP
        if car.connectivity == "asleep"
        else VehicleSleepStatus_E.VEHICLE_SLEEP_STATUS_AWAKE,
        userPresence=UserPresence_E.VEHICLE_USER_PRESENCE_PRESENT
        if car.user_present
        else UserPresence_E.VEHICLE_USER_PRESENCE_NOT_PRESENT,
    )
    if car.reports_gear:
        status.gear = Gear_E.GEAR_PARK if car.speed is None else Gear_E.GEAR_DRIVE
    status.MergeFromString(_UNPUBLISHED_FIELD)
    return status


def _execute(
    car: Car, commands: Sequence[DecodedCommand], confirmation: Confirmation
) -> FromVCSECMessage:
    for command in commands:
        if command.name == "wake_up":
            car.wake()
            continue
        done, reason = car.execute(command.name, command.body)
        if not done:
            error = (
                GenericError_E.GENERICERROR_NOT_SUPPORTED
                if reason in _NOT_SUPPORTED
                else GenericError_E.GENERICERROR_DISABLED_FOR_USER_COMMAND
            )
            return FromVCSECMessage(nominalError=NominalError(genericError=error))
    if confirmation is Confirmation.STATUS:
        return FromVCSECMessage(vehicleStatus=vehicle_status(car))
    return FromVCSECMessage()


def answer_information_request(
    car: Car, whitelist: Whitelist, request: InformationRequest
) -> bytes:
    """Answer a request for information."""
    return bytes(_information(car, whitelist, request).SerializeToString())


def _information(
    car: Car, whitelist: Whitelist, request: InformationRequest
) -> FromVCSECMessage:
    match request.informationRequestType:
        case InformationRequestType.INFORMATION_REQUEST_TYPE_GET_WHITELIST_INFO:
            entries = whitelist.entries
            info = WhitelistInfo(
                numberOfEntries=len(entries),
                whitelistEntries=[_identifier(one) for one in entries],
                slotMask=(1 << len(entries)) - 1,
            )
            return FromVCSECMessage(whitelistInfo=info)
        case InformationRequestType.INFORMATION_REQUEST_TYPE_GET_WHITELIST_ENTRY_INFO:
            return _entry_information(whitelist, request)
        case _:
            return FromVCSECMessage(vehicleStatus=vehicle_status(car))


def _entry_information(
    whitelist: Whitelist, request: InformationRequest
) -> FromVCSECMessage:
    for slot, entry in enumerate(whitelist.entries):
        match request.WhichOneof("key"):
            case "publicKey":
                matches = request.publicKey == entry.point
            case "keyId":
                matches = request.keyId == _identifier(entry)
            case _:
                matches = request.slot == slot
        if matches:
            info = WhitelistEntryInfo(
                keyId=_identifier(entry),
                publicKey=PublicKey(PublicKeyRaw=entry.point),
                metadataForKey=KeyMetadata(
                    keyFormFactor=KeyFormFactor.ValueType(entry.form_factor)
                ),
                slot=slot,
                keyRole=RoleNumber.ValueType(entry.role),
            )
            return FromVCSECMessage(whitelistEntryInfo=info)
    error = NominalError(genericError=GenericError_E.GENERICERROR_KEY_NOT_FOUND)
    return FromVCSECMessage(nominalError=error)


def _identifier(entry: Entry) -> KeyIdentifier:
    # Four bytes identify a key of one car.
    digest = hashlib.sha1(entry.point, usedforsecurity=False).digest()
    return KeyIdentifier(publicKeySHA1=digest[:4])


def _change_whitelist(
    whitelist: Whitelist, operation: WhitelistOperation, signer: bytes
) -> FromVCSECMessage:
    information = information_value("NONE")
    form_factor = operation.metadataForKey.keyFormFactor
    try:
        match operation.WhichOneof("sub_message"):
            case "addKeyToWhitelistAndAddPermissions":
                change = operation.addKeyToWhitelistAndAddPermissions
                information = _add_key(whitelist, change, form_factor)
            case "updateKeyAndPermissions":
                change = operation.updateKeyAndPermissions
                whitelist.add(
                    change.key.PublicKeyRaw, Role(change.keyRole), form_factor
                )
            case "removePublicKeyFromWhitelist":
                point = operation.removePublicKeyFromWhitelist.PublicKeyRaw
                information = _remove_key(whitelist, point, signer)
            case _:
                information = information_value("UNDOCUMENTED_ERROR")
    except WhitelistFullError:
        information = information_value("WHITELIST_FULL")
    except WhitelistError:
        information = information_value("INVALID_PUBLIC_KEY")
    return operation_result(information)


def operation_result(information: Information) -> FromVCSECMessage:
    """Return the result of a change to the whitelist."""
    failed = information != information_value("NONE")
    status = (
        OperationStatus_E.OPERATIONSTATUS_ERROR
        if failed
        else OperationStatus_E.OPERATIONSTATUS_OK
    )
    return FromVCSECMessage(
        commandStatus=CommandStatus(
            operationStatus=status,
            whitelistOperationStatus=WhitelistOperation_status(
                whitelistOperationInformation=information, operationStatus=status
            ),
        )
    )


def information_value(suffix: str) -> Information:
    """Return a value of the enum by the end of its name."""
    name = f"WHITELISTOPERATION_INFORMATION_{suffix}"
    number: Information = Information.Value(name)
    return number


def rejection_reason(whitelist: Whitelist, change: PermissionChange) -> Information:
    """Return the reason to reject a new key, NONE if it is acceptable."""
    role = Role(change.keyRole)
    if role is Role.NONE:
        return information_value("ATTEMPTING_TO_ADD_KEY_WITHOUT_ROLE")
    if role is Role.SERVICE:
        return information_value("ATTEMPTING_TO_ADD_KEY_WITH_SERVICE_ROLE")
    if whitelist.role_of(change.key.PublicKeyRaw) is not None:
        return information_value(_ALREADY_ON_WHITELIST)
    if whitelist.is_full:
        return information_value("WHITELIST_FULL")
    return information_value("NONE")


def _add_key(
    whitelist: Whitelist, change: PermissionChange, form_factor: int
) -> Information:
    information = rejection_reason(whitelist, change)
    if information == information_value("NONE"):
        whitelist.add(change.key.PublicKeyRaw, Role(change.keyRole), form_factor)
    return information


def _remove_key(whitelist: Whitelist, point: bytes, signer: bytes) -> Information:
    if point == signer:
        return information_value("NO_PERMISSION_TO_REMOVE_ONESELF")
    if whitelist.role_of(point) is None:
        return information_value("PUBLIC_KEY_NOT_ON_WHITELIST")
    whitelist.remove(point)
    return information_value("NONE")
