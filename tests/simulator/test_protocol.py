"""The vehicle protocol of a simulated car, tested with the library's client."""

from collections.abc import Callable
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
import pytest
from tesla_fleet_api.const import CabinOverheatProtectionTemp, Trunk
from tesla_fleet_api.exceptions import (
    NotOnWhitelistFault,
    TeslaFleetError,
    TeslaFleetMessageFaultBusy,
    TeslaFleetMessageFaultDecoding,
    TeslaFleetMessageFaultInsufficientPrivileges,
    TeslaFleetMessageFaultInvalidCommand,
    TeslaFleetMessageFaultInvalidSignature,
    TeslaFleetMessageFaultRemoteServiceAccessDisabled,
    TeslaFleetMessageFaultTimeExpired,
    TeslaFleetMessageFaultUnknownKeyId,
)
from tesla_fleet_api.tesla.vehicle import commands as library
from tesla_protocol.command.car_server_pb2 import (
    Action,
    GetChargeState,
    GetClimateState,
    GetClosuresState,
    GetDriveState,
    GetLegacyVehicleState,
    GetLocationState,
    GetSoftwareUpdateState,
    GetTirePressureState,
    GetVehicleConfig,
    GetVehicleData,
    VehicleAction,
)
from tesla_protocol.command.keys_pb2 import Role as RoleNumber
from tesla_protocol.command.universal_message_pb2 import (
    Domain,
    MessageFault_E,
    RoutableMessage,
)
from tesla_protocol.command.vcsec_pb2 import (
    FromVCSECMessage,
    InformationRequest,
    InformationRequestType,
    PermissionChange,
    PublicKey,
    RKEAction_E,
    UnsignedMessage,
    VehicleLockState_E,
    VehicleSleepStatus_E,
    WhitelistOperation,
)

from simulator.protocol import (
    CommandFault,
    PairingState,
    Role,
    Transport,
    VehicleComputers,
    Whitelist,
    WhitelistError,
    public_point,
)
from simulator.scenarios.scenario import CarSpec
from simulator.vehicle.car import Car

from .conftest import Clock
from .signing_client import EncryptingClient, SigningClient, generate_key

SECURITY = Domain.DOMAIN_VEHICLE_SECURITY
INFOTAINMENT = Domain.DOMAIN_INFOTAINMENT


@pytest.fixture(autouse=True)
def same_time(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the car's clock for the client."""
    monkeypatch.setattr("tesla_fleet_api.tesla.vehicle.commands.time.time", clock)


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_: float) -> None:
        return

    monkeypatch.setattr(library, "sleep", at_once)


@pytest.fixture
def car(clock: Clock) -> Car:
    spec = CarSpec(name="Ada", model="models", year=2016)
    return Car(spec, region="na", get_time=clock)


@pytest.fixture
def computers(car: Car, clock: Clock) -> VehicleComputers:
    return VehicleComputers(car, clock)


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return generate_key()


@pytest.fixture(params=[SigningClient, EncryptingClient])
def client(
    request: pytest.FixtureRequest,
    computers: VehicleComputers,
    car: Car,
    key: ec.EllipticCurvePrivateKey,
) -> SigningClient:
    computers.whitelist.add(key)
    kind = cast(type[SigningClient], request.param)
    return kind(computers, car, key, Transport.BLUETOOTH)


async def test_it_locks_and_unlocks(client: SigningClient, car: Car) -> None:
    await client.door_unlock()
    unlocked = not car.locked
    await client.door_lock()
    assert (unlocked, car.locked) == (True, True)
    assert car.executed == {"door_unlock": 1, "door_lock": 1}
    # One handshake serves all commands.
    assert len(client.sent) == 3
    sealed = client.received[-1].signature_data.HasField("AES_GCM_Response_data")
    assert sealed is isinstance(client, EncryptingClient)


type Ask = Callable[[SigningClient], Any]
DEEDS: list[tuple[Ask, str, Callable[[Car], bool]]] = [
    (lambda it: it.auto_conditioning_start(), "auto_conditioning_start",
     lambda car: car.climate_on),
    (lambda it: it.auto_conditioning_stop(), "auto_conditioning_stop",
     lambda car: not car.climate_on),
    (lambda it: it.set_temps(21.1, 19.5), "set_temps",
     lambda car: (car.driver_temp, car.passenger_temp) == (21.1, 19.5)),
    (lambda it: it.set_climate_keeper_mode(2), "set_climate_keeper_mode",
     lambda car: car.climate_keeper == 2),
    (lambda it: it.set_preconditioning_max(True, False), "set_preconditioning_max",
     lambda car: car.defrost),
    (lambda it: it.set_bioweapon_mode(True, False), "set_bioweapon_mode",
     lambda car: car.bioweapon_mode),
    (lambda it: it.remote_seat_heater_request(4, 2), "remote_seat_heater_request",
     lambda car: car.seat_heaters[4] == 2),
    (lambda it: it.remote_steering_wheel_heat_level_request(1),
     "remote_steering_wheel_heat_level_request",
     lambda car: car.steering_wheel_heater == 1),
    (lambda it: it.remote_steering_wheel_heater_request(True),
     "remote_steering_wheel_heater_request",
     lambda car: car.steering_wheel_heater == 3),
    (lambda it: it.remote_auto_seat_climate_request(2, False),
     "remote_auto_seat_climate_request", lambda car: not car.auto_seats[2]),
    (lambda it: it.remote_auto_steering_wheel_heat_climate_request(True),
     "remote_auto_steering_wheel_heat_climate_request",
     lambda car: car.auto_steering_wheel),
    (lambda it: it.set_cabin_overheat_protection(True, True),
     "set_cabin_overheat_protection", lambda car: car.overheat_protection == "FanOnly"),
    (lambda it: it.set_cop_temp(CabinOverheatProtectionTemp.LOW), "set_cop_temp",
     lambda car: car.overheat_level == 0),
    (lambda it: it.window_control("vent"), "window_control",
     lambda car: set(car.windows.values()) == {1}),
    (lambda it: it.sun_roof_control("vent"), "sun_roof_control",
     lambda car: car.sun_roof == "vent"),
    (lambda it: it.charge_start(), "charge_start", lambda car: car.charging),
    (lambda it: it.charge_stop(), "charge_stop", lambda car: not car.charging),
    (lambda it: it.set_charge_limit(70), "set_charge_limit",
     lambda car: car.charge_limit == 70),
    (lambda it: it.set_charging_amps(8), "set_charging_amps",
     lambda car: car.charge_amps == 8),
    (lambda it: it.charge_port_door_open(), "charge_port_door_open",
     lambda car: car.charge_port_open),
    (lambda it: it.set_sentry_mode(True), "set_sentry_mode",
     lambda car: car.sentry_mode),
    (lambda it: it.set_valet_mode(True, "1234"), "set_valet_mode",
     lambda car: car.valet_mode),
    (lambda it: it.reset_valet_pin(), "reset_valet_pin",
     lambda car: not car.valet_pin_set),
    (lambda it: it.set_pin_to_drive(True, "1234"), "set_pin_to_drive",
     lambda car: (car.pin_to_drive, car.drive_pin) == (True, "1234")),
    (lambda it: it.reset_pin_to_drive_pin(), "reset_pin_to_drive_pin",
     lambda car: car.drive_pin is None),
    (lambda it: it.clear_pin_to_drive_admin(), "clear_pin_to_drive_admin",
     lambda car: not car.pin_to_drive),
    (lambda it: it.guest_mode(True), "guest_mode", lambda car: car.guest_mode),
    (lambda it: it.schedule_software_update(0), "schedule_software_update",
     lambda car: car.update_status == "scheduled"),
    (lambda it: it.actuate_trunk(Trunk.FRONT), "actuate_trunk",
     lambda car: car.front_trunk),
    (lambda it: it.actuate_trunk(Trunk.REAR), "actuate_trunk",
     lambda car: car.rear_trunk),
    (lambda it: it.remote_start_drive(), "remote_start_drive",
     lambda car: car.keyless_driving_until > 0),
    (lambda it: it.flash_lights(), "flash_lights", lambda _: True),
    (lambda it: it.honk_horn(), "honk_horn", lambda _: True),
    (lambda it: it.trigger_homelink(lat=1.0, lon=2.0), "trigger_homelink",
     lambda _: True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("ask", "command", "outcome"),
    DEEDS,
    ids=[f"{n}-{one[1]}" for n, one in enumerate(DEEDS)],
)
async def test_commands_are_executed(
    client: SigningClient,
    car: Car,
    ask: Ask,
    command: str,
    outcome: Callable[[Car], bool],
) -> None:
    car.plug()
    car.charging = command == "charge_stop"
    car.climate_on = command.startswith("remote_")
    car.available_update = "2026.40.1"
    answer = await ask(client)
    assert answer["response"] == {"result": True, "reason": ""}
    assert outcome(car)
    assert car.executed == {command: 1}


async def test_an_update_is_called_off(client: SigningClient, car: Car) -> None:
    car.available_update = "2026.40.1"
    await client.schedule_software_update(600)
    await client.cancel_software_update()
    assert car.update_status == "available"


async def test_unsupported_commands_return_a_reason(
    client: SigningClient, car: Car
) -> None:
    answer = await client.charge_start()
    assert answer["response"] == {"result": False, "reason": "disconnected"}
    car.plug()
    answer = await client.charge_port_door_close()
    assert answer["response"]["result"] is False
    answer = await client.remote_seat_cooler_request(1, 2)
    assert answer["response"]["reason"] == "seat cooling not supported"
    assert not car.executed
    with pytest.raises(TeslaFleetMessageFaultInvalidCommand):
        await client.open_tonneau()
    with pytest.raises(TeslaFleetMessageFaultInvalidCommand):
        await client.media_next_track()


async def test_its_data(client: SigningClient, car: Car, clock: Clock) -> None:
    car.plug()
    car.sentry_mode = True
    car.windows["fd_window"] = 1
    wanted = GetVehicleData(
        getChargeState=GetChargeState(),
        getClimateState=GetClimateState(),
        getClosuresState=GetClosuresState(),
        getDriveState=GetDriveState(),
        getLocationState=GetLocationState(),
        getTirePressureState=GetTirePressureState(),
        getSoftwareUpdateState=GetSoftwareUpdateState(),
        getVehicleConfig=GetVehicleConfig(),
        getLegacyVehicleState=GetLegacyVehicleState(),
    )
    data = await client._getInfotainment(
        Action(vehicleAction=VehicleAction(getVehicleData=wanted))
    )
    assert data.charge_state.battery_level == 64
    assert data.charge_state.charge_limit_soc == 80
    assert data.charge_state.charging_state.HasField("Charging")
    assert data.charge_state.timestamp.seconds == int(clock.now)
    assert data.climate_state.inside_temp_celsius == pytest.approx(15.0)
    assert data.climate_state.climate_keeper_mode.HasField("Off")
    assert data.closures_state.locked
    assert data.closures_state.window_open_driver_front
    assert not data.closures_state.window_open_passenger_front
    assert data.closures_state.sentry_mode_state.HasField("Armed")
    assert data.closures_state.sun_roof_state.HasField("Closed")
    assert data.drive_state.shift_state.HasField("P")
    assert data.drive_state.odometer_in_hundredths_of_a_mile == 1234560
    assert data.location_state.latitude == pytest.approx(37.4919, abs=1e-4)
    assert data.tire_pressure_state.tpms_pressure_fl == pytest.approx(2.775)
    assert data.software_update_state.status.HasField("Unknown")
    assert data.vehicle_config.can_actuate_trunks
    assert not data.legacy_vehicle_state.pin_to_drive_enabled
    assert data.legacy_vehicle_state.vehicle_name == "Ada"
    assert not data.HasField("gui_settings")
    assert (await client.ping())["response"]["reason"].seconds == int(clock.now)


@pytest.mark.parametrize(("year", "has_levels"), [(2018, False), (2024, True)])
async def test_older_wheels_know_no_levels(
    clock: Clock, year: int, has_levels: bool
) -> None:
    car = Car(
        CarSpec(name="Cy", model="models", year=year), region="na", get_time=clock
    )
    car.steering_wheel_heater = 3
    computers, key = VehicleComputers(car, clock), generate_key()
    computers.whitelist.add(key)
    wanted = GetVehicleData(getClimateState=GetClimateState())
    data = await SigningClient(computers, car, key)._getInfotainment(
        Action(vehicleAction=VehicleAction(getVehicleData=wanted))
    )
    assert data.climate_state.steering_wheel_heater
    is_set = data.climate_state.HasField("steering_wheel_heat_level")
    assert is_set is has_levels


async def status(client: SigningClient) -> Any:
    request = InformationRequest(
        informationRequestType=InformationRequestType.INFORMATION_REQUEST_TYPE_GET_STATUS
    )
    return await client._getVehicleSecurity(UnsignedMessage(InformationRequest=request))


async def test_vehicle_security_answers_while_the_car_sleeps(
    client: SigningClient, car: Car
) -> None:
    car.set_connectivity("asleep")
    found = await status(client)
    assert found.vehicleLockState == VehicleLockState_E.VEHICLELOCKSTATE_LOCKED
    asleep = VehicleSleepStatus_E.VEHICLE_SLEEP_STATUS_ASLEEP
    assert found.vehicleSleepStatus == asleep
    await client.door_unlock()
    assert not car.locked
    with pytest.raises(TimeoutError):
        await client.auto_conditioning_start()
    assert car.connectivity == "asleep"


async def test_it_wakes(client: SigningClient, car: Car, clock: Clock) -> None:
    car.set_connectivity("asleep")
    wake = UnsignedMessage(RKEAction=RKEAction_E.RKE_ACTION_WAKE_VEHICLE)
    await client._sendVehicleSecurity(wake)
    clock.pass_minutes(1)
    await client.auto_conditioning_start()
    assert car.climate_on
    assert car.executed == {"wake_up": 1, "auto_conditioning_start": 1}


# Rejected messages


def fault_of(answer: bytes | None) -> str:
    assert answer is not None
    message = RoutableMessage.FromString(answer)
    fault = message.signedMessageStatus.signed_message_fault
    return str(MessageFault_E.Name(fault)).removeprefix("MESSAGEFAULT_ERROR_")


async def test_an_unknown_key_is_rejected(client: SigningClient, car: Car) -> None:
    client.computers.whitelist.remove(client._public_key)
    with pytest.raises(NotOnWhitelistFault):
        await client.door_unlock()
    assert car.locked


async def test_a_key_that_was_removed(
    client: SigningClient, computers: VehicleComputers, car: Car
) -> None:
    await client.door_lock()
    computers.whitelist.remove(client._public_key)
    with pytest.raises(TeslaFleetMessageFaultUnknownKeyId):
        await client.door_unlock()
    assert car.locked
    # An unknown key gets no session info.
    assert not client.received[-1].session_info


async def test_another_key_under_a_known_name(
    client: SigningClient, computers: VehicleComputers, car: Car
) -> None:
    thief = type(client)(computers, car, generate_key(), client.transport)
    thief._public_key = client._public_key
    with pytest.raises(TeslaFleetError):
        await thief.door_unlock()
    await client.door_lock()
    session, own_session = thief._sessions[SECURITY], client._sessions[SECURITY]
    session.epoch, session.delta, session.counter = (
        own_session.epoch,
        own_session.delta,
        50,
    )
    session.sharedKey, session.hmac = bytes(16), bytes(32)
    with pytest.raises(TeslaFleetError):
        await thief.door_unlock()
    assert fault_of(computers.answer(thief.sent[-1])) == "INVALID_SIGNATURE"
    assert car.locked


@pytest.mark.parametrize("domain", [SECURITY, INFOTAINMENT])
async def test_a_replay(
    client: SigningClient, computers: VehicleComputers, car: Car, domain: int
) -> None:
    if domain == SECURITY:
        await client.door_unlock()
    else:
        await client.honk_horn()
    before = dict(car.executed)
    for _ in range(3):
        again = computers.answer(client.sent[-1], client.transport)
        assert fault_of(again) == "INVALID_TOKEN_OR_COUNTER"
    assert car.executed == before


async def test_counters_that_come_late(
    client: SigningClient, computers: VehicleComputers, car: Car
) -> None:
    await client.door_lock()
    await client.honk_horn()
    # Delayed: each message is overtaken by another.
    late: list[bytes] = []
    for ask in (client.door_unlock, client.flash_lights):
        client.disconnected = True
        with pytest.raises(TimeoutError):
            await ask()
        client.disconnected = False
        late.append(client.sent[-1])
    await client.door_lock()
    await client.honk_horn()
    assert fault_of(computers.answer(late[0])) == "INVALID_TOKEN_OR_COUNTER"
    assert fault_of(computers.answer(late[1])) == "NONE"
    assert fault_of(computers.answer(late[1])) == "INVALID_TOKEN_OR_COUNTER"
    assert car.executed == {"door_lock": 2, "honk_horn": 2, "flash_lights": 1}


async def test_a_counter_far_behind(
    client: SigningClient, computers: VehicleComputers
) -> None:
    await client.honk_horn()
    client._sessions[INFOTAINMENT].counter += 100
    await client.honk_horn()
    client._sessions[INFOTAINMENT].counter -= 60
    client.alter = lambda message: None
    counter = client._sessions[INFOTAINMENT].counter
    await client.honk_horn()  # rejected, session updated, and sent once more
    assert client._sessions[INFOTAINMENT].counter > counter + 50
    assert fault_of(computers.answer(client.sent[-2])) == "INVALID_TOKEN_OR_COUNTER"


async def test_an_expired_message(
    client: SigningClient, computers: VehicleComputers, car: Car, clock: Clock
) -> None:
    await client.door_lock()
    client.alter = lambda message: clock.pass_minutes(1)
    with pytest.raises(TeslaFleetMessageFaultTimeExpired):
        await client.door_unlock()
    assert car.locked
    # The session info of the fault corrects the client's clock.
    client.alter = lambda message: None
    await client.door_unlock()
    assert not car.locked


async def test_a_restart_begins_an_epoch_that_the_client_learns(
    client: SigningClient, computers: VehicleComputers, car: Car
) -> None:
    await client.door_lock()
    epoch = client._sessions[SECURITY].epoch
    computers.restart()
    assert fault_of(computers.answer(client.sent[-1])) == "INCORRECT_EPOCH"
    await client.door_unlock()
    assert client._sessions[SECURITY].epoch != epoch
    assert client.received[-2].session_info
    assert (car.locked, car.executed["door_unlock"]) == (False, 1)


async def test_a_changed_message(client: SigningClient, car: Car) -> None:
    await client.door_lock()

    def spoil(message: RoutableMessage) -> None:
        body = bytearray(message.protobuf_message_as_bytes)
        body[-1] ^= 1
        message.protobuf_message_as_bytes = bytes(body)

    client.alter = spoil
    with pytest.raises(TeslaFleetMessageFaultInvalidSignature):
        await client.door_lock()
    assert car.executed["door_lock"] == 1


async def test_a_message_to_another_car(
    client: SigningClient,
    computers: VehicleComputers,
    key: ec.EllipticCurvePrivateKey,
    clock: Clock,
) -> None:
    other = Car(
        CarSpec(name="Bo", model="modely", year=2022), region="na", get_time=clock
    )
    computers.restart()
    wrong = type(client)(computers, other, key, client.transport)
    with pytest.raises(TeslaFleetError):
        await wrong.door_unlock()
    assert not other.executed


async def test_a_longer_life_is_signed_for(client: SigningClient, car: Car) -> None:
    await client.door_lock()

    def stretch(message: RoutableMessage) -> None:
        kind = message.signature_data.WhichOneof("sig_type")
        assert kind is not None
        getattr(message.signature_data, kind).expires_at += 3600

    client.alter = stretch
    with pytest.raises(TeslaFleetMessageFaultInvalidSignature):
        await client.door_unlock()
    assert car.locked


async def test_invalid_messages(
    computers: VehicleComputers, client: SigningClient
) -> None:
    assert fault_of(computers.answer(b"\xff\xff")) == "DECODING"
    routed_message = RoutableMessage()
    routed_message.to_destination.domain = Domain.DOMAIN_AUTOPILOT
    answer = computers.answer(routed_message.SerializeToString())
    assert fault_of(answer) == "INVALID_DOMAINS"
    routed_message.to_destination.domain = SECURITY
    assert (
        fault_of(computers.answer(routed_message.SerializeToString()))
        == "BAD_PARAMETER"
    )
    routed_message.protobuf_message_as_bytes = b"\x10\x00"
    assert (
        fault_of(computers.answer(routed_message.SerializeToString()))
        == "BAD_PARAMETER"
    )
    with pytest.raises(TeslaFleetMessageFaultDecoding):
        await client._command(SECURITY, b"\xff\xff")


LESS = TeslaFleetMessageFaultInsufficientPrivileges
NOT_REMOTE = TeslaFleetMessageFaultRemoteServiceAccessDisabled
ROLES: list[tuple[Role, Ask, type[TeslaFleetError] | None]] = [
    (Role.OWNER, lambda it: it.set_pin_to_drive(True, "1234"), None),
    (Role.OWNER, lambda it: it.door_unlock(), None),
    (Role.DRIVER, lambda it: it.door_unlock(), None),
    (Role.DRIVER, lambda it: it.auto_conditioning_start(), None),
    (Role.DRIVER, lambda it: it.set_charge_limit(70), None),
    (Role.DRIVER, lambda it: it.set_pin_to_drive(True, "1234"), LESS),
    (Role.DRIVER, lambda it: it.reset_valet_pin(), LESS),
    (Role.GUEST, lambda it: it.door_unlock(), None),
    (Role.CHARGING_MANAGER, lambda it: it.set_charge_limit(70), None),
    (Role.CHARGING_MANAGER, lambda it: it.charge_port_door_open(), None),
    (Role.CHARGING_MANAGER, lambda it: it.ping(), None),
    (Role.CHARGING_MANAGER, lambda it: it.door_unlock(), LESS),
    (Role.CHARGING_MANAGER, lambda it: it.auto_conditioning_start(), LESS),
    (Role.VEHICLE_MONITOR, lambda it: it.ping(), None),
    (Role.VEHICLE_MONITOR, lambda it: it.set_charge_limit(70), LESS),
    (Role.FLEET_MANAGER, lambda it: it.door_unlock(), None),
    (Role.SERVICE, lambda it: it.door_unlock(), None),
    (Role.SERVICE, lambda it: it.auto_conditioning_start(), NOT_REMOTE),
    (Role.NONE, lambda it: it.door_unlock(), LESS),
]


@pytest.mark.parametrize(("role", "ask", "refusal"), ROLES)
async def test_roles(
    computers: VehicleComputers,
    car: Car,
    role: Role,
    ask: Ask,
    refusal: type[TeslaFleetError] | None,
) -> None:
    key = generate_key()
    computers.whitelist.add(key, role)
    client = SigningClient(computers, car, key)
    if refusal is None:
        assert (await ask(client))["response"]["result"]
        return
    with pytest.raises(refusal):
        await ask(client)
    assert not car.executed


async def test_a_cloud_key_is_none_for_bluetooth(
    computers: VehicleComputers, car: Car
) -> None:
    key = generate_key()
    computers.whitelist.add(key, Role.FLEET_MANAGER)
    with pytest.raises(TeslaFleetMessageFaultInsufficientPrivileges):
        await EncryptingClient(computers, car, key, Transport.BLUETOOTH).door_unlock()
    await SigningClient(computers, car, key, Transport.CLOUD).door_unlock()
    assert car.executed == {"door_unlock": 1}


# Injected faults


@pytest.mark.parametrize(
    ("mishap", "executed"),
    [
        (CommandFault.BUSY, 0),
        (CommandFault.BUSY_DONE, 1),
        (CommandFault.LOST, 0),
        (CommandFault.LOST_DONE, 1),
    ],
)
async def test_a_mishap(
    client: SigningClient,
    computers: VehicleComputers,
    car: Car,
    mishap: CommandFault,
    executed: int,
) -> None:
    computers.inject_fault(mishap)
    error = TimeoutError if "lost" in mishap else TeslaFleetMessageFaultBusy
    with pytest.raises(error):
        await client.honk_horn()
    assert car.executed["honk_horn"] == executed
    await client.honk_horn()
    assert car.executed["honk_horn"] == executed + 1


@pytest.mark.parametrize(("mishap", "executed"), [("wait", 1), ("wait-done", 3)])
async def test_a_client_that_sends_again_runs_twice(
    client: SigningClient,
    computers: VehicleComputers,
    car: Car,
    mishap: str,
    executed: int,
) -> None:
    """The library retries by itself: hence the invariant "at most once"."""
    for command in ("honk_horn", "door_unlock"):
        computers.inject_fault(mishap, 2)
        assert (await getattr(client, command)())["response"]["result"]
        assert car.executed[command] == executed


async def test_questions_meet_no_mishap(
    client: SigningClient, computers: VehicleComputers
) -> None:
    computers.inject_fault(CommandFault.LOST)
    await client.ping()
    computers.faults.clear()
    await client.honk_horn()


# Keys


def test_the_list_of_keys(clock: Clock, key: ec.EllipticCurvePrivateKey) -> None:
    keys = Whitelist(clock, slots=2)
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    keys.add(pem.decode(), Role.DRIVER)
    assert keys.role_of(key) is Role.DRIVER
    keys.add(key.public_key(), Role.OWNER)
    assert keys.role_of(public_point(key)) is Role.OWNER
    assert len(keys.entries) == 1
    keys.add(generate_key())
    with pytest.raises(WhitelistError, match="all 2 slots"):
        keys.add(generate_key())
    keys.remove(key)
    assert keys.role_of(key) is None
    with pytest.raises(WhitelistError, match="not on the list"):
        keys.remove(key)


@pytest.mark.parametrize(
    "wrong", [b"no", "no", ec.generate_private_key(ec.SECP384R1())]
)
def test_invalid_keys(wrong: Any) -> None:
    with pytest.raises(WhitelistError):
        public_point(wrong)


def state(keys: Whitelist) -> PairingState:
    return keys.pairing


def test_a_card_lets_a_key_in(clock: Clock) -> None:
    keys = Whitelist(clock, slots=1)
    assert keys.tap_card() is PairingState.IDLE
    first, second = generate_key(), generate_key()
    keys.request_add(first, Role.DRIVER)
    assert state(keys) is PairingState.WAITING
    assert keys.role_of(first) is None
    assert keys.cancel_pairing() is PairingState.REFUSED
    assert keys.tap_card() is PairingState.REFUSED
    assert keys.role_of(first) is None
    keys.request_add(first, Role.DRIVER)
    clock.pass_minutes(1)
    assert state(keys) is PairingState.TIMED_OUT
    assert keys.tap_card() is PairingState.TIMED_OUT
    assert keys.role_of(first) is None
    keys.request_add(first, Role.DRIVER)
    assert keys.tap_card() is PairingState.ADDED
    assert keys.role_of(first) is Role.DRIVER
    keys.request_add(second, Role.DRIVER)
    assert keys.tap_card() is PairingState.REFUSED  # no slot is left


async def change(client: SigningClient, operation: WhitelistOperation) -> Any:
    command = UnsignedMessage(WhitelistOperation=operation)
    return await client._sendVehicleSecurity(command)


async def test_a_key_with_the_owner_role_adds_and_removes_keys(
    client: SigningClient, computers: VehicleComputers
) -> None:
    point = public_point(generate_key())
    request = PermissionChange(
        key=PublicKey(PublicKeyRaw=point), keyRole=RoleNumber.ROLE_DRIVER
    )
    add = WhitelistOperation(addKeyToWhitelistAndAddPermissions=request)
    await change(client, add)
    assert computers.whitelist.role_of(point) is Role.DRIVER
    with pytest.raises(TeslaFleetError, match="already on the whitelist"):
        await change(client, add)
    info = InformationRequestType.INFORMATION_REQUEST_TYPE_GET_WHITELIST_INFO
    request_message = UnsignedMessage(
        InformationRequest=InformationRequest(informationRequestType=info)
    )
    await client._command(SECURITY, request_message.SerializeToString())
    if type(client) is SigningClient:
        body = client.received[-1].protobuf_message_as_bytes
        answer = FromVCSECMessage.FromString(body)
        assert answer.whitelistInfo.numberOfEntries == 2
    remove = WhitelistOperation(
        removePublicKeyFromWhitelist=PublicKey(PublicKeyRaw=point)
    )
    await change(client, remove)
    assert computers.whitelist.role_of(point) is None
    with pytest.raises(TeslaFleetError, match="not on whitelist"):
        await change(client, remove)
    own_key = PublicKey(PublicKeyRaw=client._public_key)
    with pytest.raises(TeslaFleetError, match="oneself"):
        await change(client, WhitelistOperation(removePublicKeyFromWhitelist=own_key))


async def test_a_driver_manages_no_keys(computers: VehicleComputers, car: Car) -> None:
    key = generate_key()
    computers.whitelist.add(key, Role.DRIVER)
    public = PublicKey(PublicKeyRaw=public_point(generate_key()))
    request = PermissionChange(key=public, keyRole=RoleNumber.ROLE_OWNER)
    operation = WhitelistOperation(addKeyToWhitelistAndAddPermissions=request)
    with pytest.raises(TeslaFleetMessageFaultInsufficientPrivileges):
        await change(SigningClient(computers, car, key), operation)
    assert len(computers.whitelist.entries) == 1
