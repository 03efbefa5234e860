"""The simulated car works with a client that behaves like Tesla's own."""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec
import pytest
from tesla_protocol.command.car_server_pb2 import (
    Action,
    GetVehicleData,
    HvacAutoAction,
    VehicleAction,
    VehicleControlFlashLightsAction,
)
from tesla_protocol.command.keys_pb2 import Role as RoleNumber
from tesla_protocol.command.universal_message_pb2 import (
    Domain,
    MessageFault_E,
    RoutableMessage,
)
from tesla_protocol.command.vcsec_pb2 import (
    InformationRequestType as Ask,
    KeyFormFactor,
    PermissionChange,
    PublicKey,
    RKEAction_E,
    UnsignedMessage,
    WhitelistOperation,
)

from simulator.protocol import (
    Confirmation,
    PairingState,
    Role,
    Transport,
    VehicleComputers,
    public_point,
)
from simulator.scenarios.scenario import CarSpec
from simulator.vehicle.car import Car

from .conftest import Clock
from .signing_client import generate_key
from .tesla_client import (
    INFOTAINMENT,
    SECURITY,
    RefusedError,
    SilenceError,
    TeslaClient,
)

type MakeClient = Callable[[ec.EllipticCurvePrivateKey], TeslaClient]


@pytest.fixture
def car(clock: Clock) -> Car:
    spec = CarSpec(name="Ada", model="model3", year=2019)
    return Car(spec, region="na", get_time=clock)


@pytest.fixture
def computers(car: Car, clock: Clock) -> VehicleComputers:
    return VehicleComputers(car, clock)


@pytest.fixture
def make(car: Car, computers: VehicleComputers, clock: Clock) -> MakeClient:
    def make_client(key: ec.EllipticCurvePrivateKey) -> TeslaClient:
        def exchange(message: bytes) -> list[bytes]:
            later: list[bytes] = []
            answer = computers.answer(message, Transport.BLUETOOTH, later.append)
            return [one for one in (answer, *later) if one is not None]

        return TeslaClient(exchange, car.vin, key, clock)

    return make_client


@pytest.fixture(params=[True, False], ids=["sealed", "signed"])
def client(
    request: pytest.FixtureRequest, make: MakeClient, computers: VehicleComputers
) -> TeslaClient:
    key = generate_key()
    computers.whitelist.add(key)
    client = make(key)
    client.encrypts = request.param
    return client


def fault_of(answer: bytes) -> str:
    message = RoutableMessage.FromString(answer)
    fault = message.signedMessageStatus.signed_message_fault
    return str(MessageFault_E.Name(fault)).removeprefix("MESSAGEFAULT_ERROR_")


@pytest.mark.parametrize("domain", [SECURITY, INFOTAINMENT])
def test_session_info_names_the_request(client: TeslaClient, domain: int) -> None:
    """Tesla's client uses the UUID of the reply as challenge of the tag."""
    client.start(domain)
    assert not client.dropped


@pytest.mark.parametrize("confirmation", Confirmation)
def test_locking_ends_with_an_answer_without_a_command_status(
    client: TeslaClient,
    computers: VehicleComputers,
    car: Car,
    confirmation: Confirmation,
) -> None:
    computers.confirmation = confirmation
    client.start(SECURITY)
    client.unlock()
    unlocked = not car.locked
    client.lock()
    assert (unlocked, car.locked) == (True, True)
    # One answer ended each command: none was sent twice.
    assert car.executed == {"door_unlock": 1, "door_lock": 1}
    assert not client.dropped


def test_infotainment_obeys(client: TeslaClient, car: Car) -> None:
    client.start(INFOTAINMENT)
    on = HvacAutoAction(power_on=True)
    client.act(Action(vehicleAction=VehicleAction(hvacAutoAction=on)))
    assert car.climate_on


# The kinds of state that Tesla's client can read, and what the simulated car tells of.
STATES = {
    "getChargeState": "charge_state",
    "getClimateState": "climate_state",
    "getDriveState": "drive_state",
    "getLocationState": "location_state",
    "getClosuresState": "closures_state",
    "getChargeScheduleState": None,
    "getPreconditioningScheduleState": None,
    "getTirePressureState": "tire_pressure_state",
    "getMediaState": "media_state",
    "getMediaDetailState": None,
    "getSoftwareUpdateState": "software_update_state",
    "getParentalControlsState": None,
}


@pytest.mark.parametrize(("ask", "expected"), STATES.items(), ids=STATES)
def test_every_kind_of_state_is_read(
    client: TeslaClient, ask: str, expected: str | None
) -> None:
    client.start(INFOTAINMENT)
    request = GetVehicleData()
    getattr(request, ask).SetInParent()
    reply = client.act(Action(vehicleAction=VehicleAction(getVehicleData=request)))
    parts = [field.name for field, _ in reply.vehicleData.ListFields()]
    assert parts == ([] if expected is None else [expected])
    assert not client.dropped


@pytest.mark.parametrize("domain", [SECURITY, INFOTAINMENT])
def test_a_forged_tag_is_refused(client: TeslaClient, car: Car, domain: int) -> None:
    client.start(domain)
    unlock = UnsignedMessage(RKEAction=RKEAction_E.RKE_ACTION_UNLOCK)
    message = client.message(domain, unlock.SerializeToString())
    client.sign(message)
    data = message.signature_data
    signature = (
        data.AES_GCM_Personalized_data
        if data.HasField("AES_GCM_Personalized_data")
        else data.HMAC_Personalized_data
    )
    signature.tag = bytes((signature.tag[0] ^ 1,)) + signature.tag[1:]
    (answer,) = client.send(message).answers
    assert fault_of(answer.SerializeToString()) == "INVALID_SIGNATURE"
    assert not car.executed


@pytest.mark.parametrize("domain", [SECURITY, INFOTAINMENT])
def test_an_unknown_key_begins_no_session(make: MakeClient, domain: int) -> None:
    stranger = make(generate_key())
    with pytest.raises(RefusedError, match="UNKNOWN_KEY_ID"):
        stranger.start(domain)
    assert not stranger.sessions


@pytest.mark.parametrize("domain", [SECURITY, INFOTAINMENT])
def test_a_refusal_corrects_the_session(
    client: TeslaClient, computers: VehicleComputers, car: Car, domain: int
) -> None:
    """A restart begins an epoch; the fault contains it, so the command is resent."""
    client.start(domain)
    computers.restart()
    if domain == SECURITY:
        client.unlock()
        assert car.executed == {"door_unlock": 1}
    else:
        on = HvacAutoAction(power_on=True)
        client.act(Action(vehicleAction=VehicleAction(hvacAutoAction=on)))
        assert car.executed == {"auto_conditioning_start": 1}
    assert not client.dropped
    assert len(client.sent) == 3


def test_a_replayed_command_is_refused(client: TeslaClient, car: Car) -> None:
    client.start(SECURITY)
    client.unlock()
    (answer,) = client.exchange(client.sent[-1])
    assert fault_of(answer) == "INVALID_TOKEN_OR_COUNTER"
    assert car.executed == {"door_unlock": 1}


def test_a_sleeping_infotainment_does_not_answer(client: TeslaClient, car: Car) -> None:
    car.set_connectivity("asleep")
    with pytest.raises(SilenceError):
        client.start(INFOTAINMENT)
    client.start(SECURITY)
    client.unlock()
    assert not car.locked


# Keys


def captured_request(client: TeslaClient) -> bytes:
    """Return a captured request of Tesla's client with another key.

    The order of its fields differs, which does not matter.
    """
    head = bytes.fromhex("0a54125082014d320208092a470a430a41")
    return head + client.public + bytes.fromhex("20031802")


def made_request(client: TeslaClient) -> bytes:
    return client.key_request(Role.DRIVER, KeyFormFactor.KEY_FORM_FACTOR_CLOUD_KEY)


@pytest.mark.parametrize("request_of", [captured_request, made_request])
def test_teslas_own_form_of_the_key_request(
    make: MakeClient,
    computers: VehicleComputers,
    request_of: Callable[[TeslaClient], bytes],
) -> None:
    client = make(generate_key())
    request = request_of(client)
    assert len(request) == 86
    client.exchange(request)
    assert computers.whitelist.pairing is PairingState.WAITING
    with pytest.raises(RefusedError, match="UNKNOWN_KEY_ID"):
        client.start(SECURITY)
    assert computers.whitelist.tap_card() is PairingState.ADDED
    assert computers.whitelist.role_of(client.public) is Role.DRIVER
    client.start(SECURITY)
    client.unlock()


def test_the_key_request_wants_a_radio(
    make: MakeClient, computers: VehicleComputers
) -> None:
    request = made_request(make(generate_key()))
    answer = computers.answer(request, Transport.CLOUD)
    assert answer is not None
    assert fault_of(answer) == "INVALID_DOMAINS"
    assert computers.whitelist.pairing is PairingState.IDLE


def test_the_whitelist_can_be_requested_unsigned(
    make: MakeClient, computers: VehicleComputers
) -> None:
    entry = computers.whitelist.add(generate_key(), Role.DRIVER)
    stranger = make(generate_key())
    info = stranger.ask(Ask.INFORMATION_REQUEST_TYPE_GET_WHITELIST_INFO).whitelistInfo
    assert (info.numberOfEntries, info.slotMask) == (1, 1)
    one = Ask.INFORMATION_REQUEST_TYPE_GET_WHITELIST_ENTRY_INFO
    expected = stranger.ask(one, slot=0).whitelistEntryInfo
    assert expected.publicKey.PublicKeyRaw == entry.point
    assert expected.keyRole == RoleNumber.ROLE_DRIVER
    with pytest.raises(RefusedError):
        stranger.ask(one, slot=1)
    status = stranger.ask(Ask.INFORMATION_REQUEST_TYPE_GET_STATUS)
    assert status.HasField("vehicleStatus")


def test_a_key_with_the_owner_role_changes_the_whitelist(
    client: TeslaClient, computers: VehicleComputers
) -> None:
    point = public_point(generate_key())
    client.start(SECURITY)
    change = PermissionChange(
        key=PublicKey(PublicKeyRaw=point), keyRole=RoleNumber.ROLE_DRIVER
    )
    client.change_keys(WhitelistOperation(addKeyToWhitelistAndAddPermissions=change))
    assert computers.whitelist.role_of(point) is Role.DRIVER
    gone = PublicKey(PublicKeyRaw=point)
    client.change_keys(WhitelistOperation(removePublicKeyFromWhitelist=gone))
    assert computers.whitelist.role_of(point) is None


# Counters, expiry, domains


def flash(
    client: TeslaClient, *, counter: int | None = None, expires_at: int | None = None
) -> str:
    """Flash the lights with a message signed as given, and return the result."""
    action = Action(
        vehicleAction=VehicleAction(
            vehicleControlFlashLightsAction=VehicleControlFlashLightsAction()
        )
    )
    message = client.message(INFOTAINMENT, action.SerializeToString())
    signed = client.sign(message, counter=counter, expires_at=expires_at)
    (answer,) = client.send(signed).answers
    return fault_of(answer.SerializeToString())


def seconds(client: TeslaClient) -> int:
    """Return the time of infotainment's clock."""
    return int(client.now() + client.sessions[INFOTAINMENT].offset)


def test_a_message_without_expiry_counts_while_its_counter_is_in_order(
    client: TeslaClient, car: Car
) -> None:
    client.start(INFOTAINMENT)
    assert flash(client, expires_at=0) == "NONE"
    assert car.executed == {"flash_lights": 1}
    client.sessions[INFOTAINMENT].counter += 5
    assert flash(client, expires_at=0) == "NONE"
    late = client.sessions[INFOTAINMENT].counter - 3
    assert flash(client, counter=late, expires_at=0) == "TIME_TO_LIVE_TOO_LONG"
    assert car.executed == {"flash_lights": 2}


def test_a_message_without_a_counter_counts_for_a_short_time(
    client: TeslaClient, car: Car
) -> None:
    client.start(INFOTAINMENT)
    now = seconds(client)
    assert flash(client, counter=0, expires_at=now + 20) == "NONE"
    assert flash(client, counter=0, expires_at=now + 20) == "NONE"
    assert flash(client, counter=0, expires_at=now + 40) == "TIME_TO_LIVE_TOO_LONG"
    assert flash(client, counter=0, expires_at=0) == "TIME_TO_LIVE_TOO_LONG"
    assert flash(client, counter=0, expires_at=now - 1) == "TIME_EXPIRED"
    assert car.executed == {"flash_lights": 2}
    # It uses no counter.
    assert client.sessions[INFOTAINMENT].counter == 0
    assert flash(client) == "NONE"


def test_an_expiry_beyond_the_epoch_is_no_parameter(
    client: TeslaClient, car: Car
) -> None:
    client.start(INFOTAINMENT)
    assert flash(client, expires_at=(1 << 30) + 1) == "BAD_PARAMETER"
    assert not car.executed


def test_the_epoch_may_be_left_out_but_not_be_another(
    client: TeslaClient, car: Car
) -> None:
    client.start(SECURITY)
    unlock = UnsignedMessage(RKEAction=RKEAction_E.RKE_ACTION_UNLOCK)
    for epoch, fault in ((b"", "NONE"), (bytes(16), "INCORRECT_EPOCH")):
        message = client.message(SECURITY, unlock.SerializeToString())
        (answer,) = client.send(client.sign(message, epoch=epoch)).answers
        assert fault_of(answer.SerializeToString()) == fault
    assert car.executed == {"door_unlock": 1}


def test_an_unknown_domain_is_reported_to_the_client(client: TeslaClient) -> None:
    with pytest.raises(RefusedError, match="INVALID_DOMAINS"):
        client.start(Domain.DOMAIN_AUTHD)
    assert not client.dropped


def test_a_message_for_one_computer_is_none_for_the_other(
    client: TeslaClient, car: Car
) -> None:
    client.start(SECURITY)
    unlock = UnsignedMessage(RKEAction=RKEAction_E.RKE_ACTION_UNLOCK)
    message = client.sign(client.message(SECURITY, unlock.SerializeToString()))
    message.to_destination.domain = INFOTAINMENT
    (answer,) = client.send(message).answers
    assert fault_of(answer.SerializeToString()) == "INCORRECT_EPOCH"
    assert not car.executed
