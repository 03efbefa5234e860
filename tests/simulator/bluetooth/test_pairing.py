"""Pairing over Bluetooth: the car waits for a keycard and sends the result."""

import asyncio

from cryptography.hazmat.primitives.asymmetric import ec
import pytest
from tesla_protocol.command.keys_pb2 import Role as RoleNumber
from tesla_protocol.command.universal_message_pb2 import (
    Destination,
    Domain,
    MessageFault_E,
    RoutableMessage,
)
from tesla_protocol.command.vcsec_pb2 import (
    FromVCSECMessage,
    InformationRequest,
    InformationRequestType,
    OperationStatus_E,
    PermissionChange,
    PublicKey,
    RKEAction_E,
    UnsignedMessage,
    VehicleLockState_E,
    WhitelistOperation,
    WhitelistOperation_information_E as Information,
)

from simulator import Simulator
from simulator.bluetooth import BluetoothEnvironment, Connection, device_address
from simulator.bluetooth.framing import FrameDecoder, split_message
from simulator.protocol import CARD_TIMEOUT, PairingState, Role, Transport, public_point
from simulator.vehicle.car import Car

from ..conftest import HOME
from ..signing_client import generate_key
from .conftest import ManualSleep, run_until_idle
from .library_client import LibraryClient

DRIVER = RoleNumber.ROLE_DRIVER
WAIT = (OperationStatus_E.OPERATIONSTATUS_WAIT, "NONE")
ADDED = (OperationStatus_E.OPERATIONSTATUS_OK, "NONE")
ME = b"somebody at home"


def failed(word: str) -> tuple[int, str]:
    return (OperationStatus_E.OPERATIONSTATUS_ERROR, word)


class KeylessClient:
    """A client without a key."""

    def __init__(self, line: Connection) -> None:
        self.line = line
        self.received: list[RoutableMessage] = []
        frames = FrameDecoder()

        def receive(chunk: bytes) -> None:
            messages = map(RoutableMessage.FromString, frames.feed(chunk))
            self.received += [
                it for it in messages if it.to_destination.routing_address == ME
            ]

        line.on_chunk = receive

    async def send(self, unsigned: UnsignedMessage) -> None:
        message = RoutableMessage(
            to_destination=Destination(domain=Domain.DOMAIN_VEHICLE_SECURITY),
            from_destination=Destination(routing_address=ME),
            protobuf_message_as_bytes=unsigned.SerializeToString(),
            uuid=b"0123456789abcdef",
        )
        for chunk in split_message(message.SerializeToString()):
            await self.line.write(chunk)
        await run_until_idle()

    async def request_pairing(self, point: bytes, role: Role = Role.DRIVER) -> None:
        change = PermissionChange(
            key=PublicKey(PublicKeyRaw=point),
            keyRole=RoleNumber.ValueType(role),
        )
        operation = WhitelistOperation(addKeyToWhitelistAndAddPermissions=change)
        await self.send(UnsignedMessage(WhitelistOperation=operation))

    @property
    def answers(self) -> list[tuple[int, str]]:
        """Return the results sent by the car."""
        return [_outcome(message) for message in self.received]


def _outcome(message: RoutableMessage) -> tuple[int, str]:
    assert not message.signature_data.WhichOneof("sig_type")
    status = FromVCSECMessage.FromString(message.protobuf_message_as_bytes)
    outcome = status.commandStatus
    name = Information.Name(
        outcome.whitelistOperationStatus.whitelistOperationInformation
    )
    word = name.removeprefix("WHITELISTOPERATION_INFORMATION_")
    return (outcome.operationStatus, word)


@pytest.fixture
async def asker(world: Simulator, air: BluetoothEnvironment, ada: Car) -> KeylessClient:
    """Return a client of a car that reports that it waits, as older ones do."""
    world.computers["Ada"].reports_wait = True
    return KeylessClient(await air.connect(device_address(ada.vin)))


@pytest.fixture
def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return public_point(key)


async def test_the_car_waits_for_the_card_and_then_says_yes(
    world: Simulator, asker: KeylessClient, point: bytes
) -> None:
    await asker.request_pairing(point)
    assert asker.answers == [WAIT]
    assert world.computers["Ada"].whitelist.role_of(point) is None
    assert world.tap_card("Ada") is PairingState.ADDED
    await run_until_idle()
    assert asker.answers == [WAIT, ADDED]
    assert world.computers["Ada"].whitelist.role_of(point) is Role.DRIVER


@pytest.mark.parametrize("refuses", [True, False])
async def test_a_newer_car_sends_nothing_before_the_keycard_is_tapped(
    world: Simulator, asker: KeylessClient, point: bytes, refuses: bool
) -> None:
    assert not Simulator(HOME).computers["Ada"].reports_wait
    world.computers["Ada"].reports_wait = False
    await asker.request_pairing(point)
    assert asker.answers == []
    if refuses:
        world.cancel_pairing("Ada")
    else:
        world.tap_card("Ada")
    await run_until_idle()
    refused = failed("LOCAL_ENTITY_AUTH_FAILED_UI_DENIED")
    assert asker.answers == [refused if refuses else ADDED]


async def test_a_malformed_request_is_ignored(
    world: Simulator, asker: KeylessClient, point: bytes
) -> None:
    await asker.request_pairing(b"")
    await asker.request_pairing(b"no key at all")
    await asker.request_pairing(b"", Role.NONE)
    assert asker.answers == []
    assert world.computers["Ada"].whitelist.pairing is PairingState.IDLE


async def test_pairing_can_be_refused_in_the_car(
    world: Simulator, asker: KeylessClient, point: bytes
) -> None:
    await asker.request_pairing(point)
    assert world.cancel_pairing("Ada") is PairingState.REFUSED
    await run_until_idle()
    assert asker.answers == [WAIT, failed("LOCAL_ENTITY_AUTH_FAILED_UI_DENIED")]
    assert world.computers["Ada"].whitelist.role_of(point) is None


async def test_the_car_does_not_wait_for_ever(
    world: Simulator, asker: KeylessClient, point: bytes, sleep: ManualSleep
) -> None:
    await asker.request_pairing(point)
    assert CARD_TIMEOUT in sleep.slept
    sleep.awake.set()
    await run_until_idle()
    word = "LOCAL_ENTITY_AUTH_FAILED_TIMED_OUT_WAITING_FOR_TAP"
    assert asker.answers == [WAIT, failed(word)]
    assert world.tap_card("Ada") is PairingState.TIMED_OUT


async def test_the_time_of_one_key_does_not_end_that_of_the_next(
    world: Simulator, asker: KeylessClient, point: bytes, sleep: ManualSleep
) -> None:
    await asker.request_pairing(point)
    world.cancel_pairing("Ada")
    first, sleep.awake = sleep.awake, asyncio.Event()
    await asker.request_pairing(point)
    first.set()
    await run_until_idle()
    assert world.tap_card("Ada") is PairingState.ADDED


async def test_a_closed_connection_gets_no_result(
    world: Simulator,
    air: BluetoothEnvironment,
    ada: Car,
    asker: KeylessClient,
    point: bytes,
) -> None:
    await asker.request_pairing(point)
    await asker.line.close()
    other = KeylessClient(await air.connect(device_address(ada.vin)))
    assert world.tap_card("Ada") is PairingState.ADDED
    await run_until_idle()
    assert (asker.answers, other.answers) == ([WAIT], [])
    assert world.computers["Ada"].whitelist.role_of(point) is Role.DRIVER


@pytest.mark.parametrize(
    ("role", "word"),
    [
        (Role.NONE, "ATTEMPTING_TO_ADD_KEY_WITHOUT_ROLE"),
        (Role.SERVICE, "ATTEMPTING_TO_ADD_KEY_WITH_SERVICE_ROLE"),
    ],
)
async def test_some_roles_are_refused(
    world: Simulator, asker: KeylessClient, point: bytes, role: Role, word: str
) -> None:
    await asker.request_pairing(point, role)
    assert asker.answers == [failed(word)]
    assert world.computers["Ada"].whitelist.pairing is PairingState.IDLE


async def test_a_key_that_is_on_the_list_is_not_added_again(
    world: Simulator, asker: KeylessClient, point: bytes
) -> None:
    world.pair("Ada", point, Role.OWNER)
    await asker.request_pairing(point)
    word = "ATTEMPTING_TO_ADD_KEY_THAT_IS_ALREADY_ON_THE_WHITELIST"
    assert asker.answers == [failed(word)]
    assert world.computers["Ada"].whitelist.role_of(point) is Role.OWNER


async def test_a_full_list_and_valet_mode(
    world: Simulator, ada: Car, asker: KeylessClient, point: bytes
) -> None:
    ada.valet_mode = True
    await asker.request_pairing(point)
    world.computers["Ada"].whitelist.slots = 1
    world.pair("Ada", generate_key())
    await asker.request_pairing(point)
    assert asker.answers == [
        failed("LOCAL_ENTITY_AUTH_FAILED_VALET_MODE"),
        failed("WHITELIST_FULL"),
    ]
    assert world.computers["Ada"].whitelist.pairing is PairingState.IDLE


async def test_the_status_can_be_requested_without_a_key(
    asker: KeylessClient, ada: Car
) -> None:
    status = InformationRequestType.INFORMATION_REQUEST_TYPE_GET_STATUS
    request = InformationRequest(informationRequestType=status)
    ada.set_connectivity("asleep")
    await asker.send(UnsignedMessage(InformationRequest=request))
    [message] = asker.received
    answers = FromVCSECMessage.FromString(message.protobuf_message_as_bytes)
    locked = VehicleLockState_E.VEHICLELOCKSTATE_LOCKED
    assert answers.vehicleStatus.vehicleLockState == locked
    assert ada.connectivity == "asleep"


UNLOCK = UnsignedMessage(RKEAction=RKEAction_E.RKE_ACTION_UNLOCK)
REMOVAL = UnsignedMessage(
    WhitelistOperation=WhitelistOperation(
        removePublicKeyFromWhitelist=PublicKey(PublicKeyRaw=b"a key")
    )
)


@pytest.mark.parametrize("unsigned", [UNLOCK, REMOVAL])
async def test_all_else_needs_a_key(
    ada: Car, asker: KeylessClient, unsigned: UnsignedMessage
) -> None:
    await asker.send(unsigned)
    [message] = asker.received
    fault = message.signedMessageStatus.signed_message_fault
    assert fault == MessageFault_E.MESSAGEFAULT_ERROR_BAD_PARAMETER
    assert ada.locked


async def test_no_key_comes_in_through_the_cloud(
    world: Simulator, ada: Car, point: bytes
) -> None:
    change = PermissionChange(
        key=PublicKey(PublicKeyRaw=point), keyRole=RoleNumber.ROLE_DRIVER
    )
    operation = WhitelistOperation(addKeyToWhitelistAndAddPermissions=change)
    unsigned = UnsignedMessage(WhitelistOperation=operation)
    message = RoutableMessage(
        to_destination=Destination(domain=Domain.DOMAIN_VEHICLE_SECURITY),
        protobuf_message_as_bytes=unsigned.SerializeToString(),
    ).SerializeToString()
    computers = world.computers["Ada"]
    answer = computers.answer(message, Transport.CLOUD)
    assert answer is not None
    status = RoutableMessage.FromString(answer).signedMessageStatus
    fault = MessageFault_E.MESSAGEFAULT_ERROR_BAD_PARAMETER
    assert status.signed_message_fault == fault
    assert computers.whitelist.pairing is PairingState.IDLE


async def test_the_library_takes_the_wait_for_a_yes(
    world: Simulator, stranger: LibraryClient, key: ec.EllipticCurvePrivateKey
) -> None:
    world.computers["Ada"].reports_wait = True
    await stranger.pair(DRIVER)
    assert world.computers["Ada"].whitelist.role_of(key) is None
    assert world.tap_card("Ada") is PairingState.ADDED
    await stranger.door_unlock()
    assert not world.cars["Ada"].locked


async def test_the_library_pairs_with_a_car_that_does_not_report_waiting(
    world: Simulator, stranger: LibraryClient, key: ec.EllipticCurvePrivateKey
) -> None:
    computers = world.computers["Ada"]
    pairing = asyncio.create_task(stranger.pair(DRIVER))
    await run_until_idle()
    assert computers.whitelist.pairing is PairingState.WAITING
    assert not pairing.done()
    world.tap_card("Ada")
    await pairing
    assert computers.whitelist.role_of(key) is Role.DRIVER
