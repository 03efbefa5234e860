"""The simulated car serves a client that follows the rules of Tesla's own."""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec
import pytest
from tesla_protocol.command.car_server_pb2 import Action, HvacAutoAction, VehicleAction
from tesla_protocol.command.universal_message_pb2 import MessageFault_E, RoutableMessage

from simulator.cars import Car
from simulator.cases import CarSpec
from simulator.protocol import Computers, Confirmation, Transport

from .conftest import Clock
from .signing import a_key
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
    return Car(spec, region="na", now=clock)


@pytest.fixture
def computers(car: Car, clock: Clock) -> Computers:
    return Computers(car, clock)


@pytest.fixture
def make(car: Car, computers: Computers, clock: Clock) -> MakeClient:
    def make_client(key: ec.EllipticCurvePrivateKey) -> TeslaClient:
        def exchange(message: bytes) -> list[bytes]:
            later: list[bytes] = []
            answer = computers.answer(message, Transport.BLUETOOTH, later.append)
            return [one for one in (answer, *later) if one is not None]

        return TeslaClient(exchange, car.vin, key, clock)

    return make_client


@pytest.fixture(params=[True, False], ids=["sealed", "signed"])
def client(
    request: pytest.FixtureRequest, make: MakeClient, computers: Computers
) -> TeslaClient:
    key = a_key()
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
    """Tesla's client takes the UUID in the reply for the challenge of the tag."""
    client.start(domain)
    assert not client.dropped


@pytest.mark.parametrize("confirmation", Confirmation)
def test_locking_ends_with_an_answer_without_a_command_status(
    client: TeslaClient, computers: Computers, car: Car, confirmation: Confirmation
) -> None:
    computers.confirmation = confirmation
    client.start(SECURITY)
    client.unlock()
    unlocked = not car.locked
    client.lock()
    assert (unlocked, car.locked) == (True, True)
    # The one answer ended each: neither was sent twice.
    assert car.executed == {"door_unlock": 1, "door_lock": 1}
    assert not client.dropped


def test_infotainment_obeys(client: TeslaClient, car: Car) -> None:
    client.start(INFOTAINMENT)
    on = HvacAutoAction(power_on=True)
    client.act(Action(vehicleAction=VehicleAction(hvacAutoAction=on)))
    assert car.climate_on


@pytest.mark.parametrize("domain", [SECURITY, INFOTAINMENT])
def test_an_unknown_key_begins_no_session(make: MakeClient, domain: int) -> None:
    stranger = make(a_key())
    with pytest.raises(RefusedError, match="UNKNOWN_KEY_ID"):
        stranger.start(domain)
    assert not stranger.sessions


@pytest.mark.parametrize("domain", [SECURITY, INFOTAINMENT])
def test_a_refusal_corrects_the_session(
    client: TeslaClient, computers: Computers, car: Car, domain: int
) -> None:
    """A restart begins an epoch; the refusal tells it, and the command goes again."""
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


def test_a_sleeping_infotainment_says_nothing(client: TeslaClient, car: Car) -> None:
    car.set_presence("asleep")
    with pytest.raises(SilenceError):
        client.start(INFOTAINMENT)
    client.start(SECURITY)
    client.unlock()
    assert not car.locked
