"""Tests of Bluetooth messages, compared with the data of the cloud."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
import math
from random import Random
from typing import Any, get_type_hints

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
import pytest
from tesla_fleet_api.const import BluetoothVehicleData
from tesla_protocol.command.car_server_pb2 import GetVehicleData, Response
from tesla_protocol.command.signatures_pb2 import (
    AES_GCM_Response_Signature_Data,
    SignatureData,
)
from tesla_protocol.command.universal_message_pb2 import (
    Destination,
    Domain,
    RoutableMessage,
)
from tesla_protocol.command.vcsec_pb2 import ClosureStatuses, VehicleStatus
from tesla_protocol.command.vehicle_pb2 import VehicleData

from custom_components.keycard.transport.bluetooth_messages import (
    DATA_REQUESTS,
    data_timestamp,
    parse_data,
    parse_status,
)
from custom_components.keycard.vehicle.api_field import DOORS
from custom_components.keycard.vehicle.state import (
    FIELDS,
    ConnectivityState,
    VehicleState,
)
from simulator.protocol.vcsec import vehicle_status
from simulator.protocol.vehicle_data import vehicle_data
from simulator.scenarios.scenario import CarSpec
from simulator.vehicle import payloads
from simulator.vehicle.car import Car

NOW = 1767225600.5  # 1 January 2026
FRAME = 1024  # what the library takes

# What the simulated cars tell one way only; docs/bluetooth.md has the same list.
ONLY_CLOUD = {
    "battery_heater",
    "battery_temp_max",
    "battery_temp_min",
    "energy_remaining",
    "lifetime_energy",
    "off_peak_charging",
}
ONLY_BLUETOOTH = {"pin_to_drive"}


class Clock:
    """Manually advanced clock."""

    now = NOW

    def __call__(self) -> float:
        return self.now


def a_car(clock: Clock, model: str = "model3", year: int = 2023) -> Car:
    spec = CarSpec(name="Ada", model=model, year=year)
    return Car(spec, region="na", get_time=clock)


def request_for(*parts: BluetoothVehicleData) -> GetVehicleData:
    message = GetVehicleData()
    for part in parts:
        getattr(message, part[0].lower() + part[1:]).SetInParent()
    return message


def from_cloud(car: Car, clock: Clock) -> VehicleState:
    car.advance()
    return VehicleState.from_data(payloads.vehicle_data(car, clock()))


def over_bluetooth(car: Car, clock: Clock) -> VehicleData:
    return vehicle_data(car, request_for(*DATA_REQUESTS), clock())


def _set(**values: object) -> Callable[[Car], None]:
    def change(car: Car) -> None:
        for name, value in values.items():
            setattr(car, name, value)

    return change


def _open_up(car: Car) -> None:
    car.doors.update(df=True, pr=True)
    car.windows.update(fd_window=1, rp_window=2)
    car.front_trunk = car.rear_trunk = True
    car.locked = False


def _warm_up(car: Car) -> None:
    car.seat_heaters.update(dict.fromkeys(car.seat_heaters, 2))
    car.seat_coolers.update({1: 1, 2: 3})
    car.steering_wheel_heater = 3
    car.auto_seats[1] = False
    car.auto_steering_wheel = car.climate_on = car.defrost = True
    car.inside_temp, car.outside_temp, car.driver_temp = 21.64, -7.3, 20.5


def _charged(car: Car) -> None:
    car.battery_level = 80.0
    car.plug()


def _updating(car: Car) -> None:
    car.available_update = "2026.40.1"
    car.schedule_update(0)


DEEDS: dict[str, Callable[[Car], None]] = {
    "parked": lambda car: None,
    "driving": Car.drive,
    "charging": Car.plug,
    "charged": _charged,
    "asleep": lambda car: car.set_connectivity("asleep"),
    "open": _open_up,
    "warm": _warm_up,
    "warm wheel": _set(steering_wheel_heater=1),
    "kept": _set(climate_keeper=1, climate_on=True),
    "dog mode": _set(climate_keeper=2, climate_on=True),
    "camping": _set(climate_keeper=3, climate_on=True, user_present=True),
    "too hot": _set(overheat_protection="On", overheat_level=0, inside_temp=45.0),
    "ventilated": _set(
        overheat_protection="FanOnly", overheat_level=1, inside_temp=45.0
    ),
    "guarded": _set(
        sentry_mode=True, valet_mode=True, pin_to_drive=True, bioweapon_mode=True
    ),
    "lent out": lambda car: car.enable_keyless_driving(120),
    "sun roof": _set(sun_roof="vent"),
    "update": _set(available_update="2026.40.1"),
    "update soon": _updating,
}


@pytest.fixture(params=[("model3", 2023), ("modelx", 2024), ("models", 2018)])
def clock_and_car(request: pytest.FixtureRequest) -> tuple[Clock, Car]:
    clock = Clock()
    return clock, a_car(clock, *request.param)


@pytest.mark.parametrize("action", DEEDS)
def test_cloud_and_bluetooth_data_are_equal(
    clock_and_car: tuple[Clock, Car], action: str
) -> None:
    clock, car = clock_and_car
    DEEDS[action](car)
    clock.now += 150
    cloud = from_cloud(car, clock)
    data = over_bluetooth(car, clock)
    values = parse_data(data)
    both = {name: value for name, value in values.items() if name not in ONLY_BLUETOOTH}
    assert both == pytest.approx({name: getattr(cloud, name) for name in both})
    for name, value in both.items():
        assert type(value) is type(getattr(cloud, name))
    assert {
        name
        for name in FIELDS
        if name not in values and getattr(cloud, name) is not None
    } == ONLY_CLOUD
    assert values["pin_to_drive"] is car.pin_to_drive
    assert values["name"] == "Ada"
    assert data_timestamp(data) == cloud.data_at


@pytest.mark.parametrize("action", DEEDS)
def test_cloud_data_and_bluetooth_status_are_equal(
    clock_and_car: tuple[Clock, Car], action: str
) -> None:
    clock, car = clock_and_car
    DEEDS[action](car)
    cloud = from_cloud(car, clock)
    values = parse_status(vehicle_status(car))
    assert values == {name: getattr(cloud, name) for name in values}
    closures = {name for name in FIELDS if name.endswith(("door_open", "trunk_open"))}
    seen = {"locked", "presence", "user_present"}
    if car.connectivity != "asleep":
        seen |= closures | {"port_open"}
    if not car.user_present:
        seen |= {"shift_state", "speed"}
    elif cloud.speed:
        seen |= {"shift_state"}
    assert set(values) == seen


def test_ended_activities_are_cleared() -> None:
    clock = Clock()
    car = a_car(clock)
    car.drive()
    driving = from_cloud(car, clock)
    assert (driving.speed, driving.route_destination) == (31, "Home")
    clock.now += 3600
    parked = from_cloud(car, clock)
    values = parse_data(over_bluetooth(car, clock))
    for name in ("speed", "shift_state", *(n for n in FIELDS if n.startswith("route"))):
        assert values[name] == getattr(parked, name)
    # The locks say as much.
    assert replace(driving, **parse_status(vehicle_status(car))).speed is None


@pytest.mark.parametrize("part", DATA_REQUESTS)
def test_each_request_reports_fields_and_fits_into_a_frame(
    part: BluetoothVehicleData,
) -> None:
    clock = Clock()
    assert parse_data(vehicle_data(a_car(clock), request_for(part), NOW))
    data = VehicleData()
    name = f"{part[3].lower()}{part[4:]}"
    name = "".join(f"_{one.lower()}" if one.isupper() else one for one in name)
    fill(getattr(data, name))
    answer = RoutableMessage(
        to_destination=Destination(routing_address=bytes(16)),
        from_destination=Destination(domain=Domain.DOMAIN_INFOTAINMENT),
        protobuf_message_as_bytes=Response(vehicleData=data).SerializeToString(),
        signature_data=SignatureData(
            AES_GCM_Response_data=AES_GCM_Response_Signature_Data(
                nonce=bytes(12), counter=2**32 - 1, tag=bytes(16)
            )
        ),
        uuid=bytes(16),
        request_uuid=bytes(16),
    )
    assert data.ByteSize() > 60
    assert DATA_REQUESTS[part] <= parse_data(data).keys()
    assert 2 + answer.ByteSize() <= FRAME


def test_each_field_is_requested_once() -> None:
    fields = [name for names in DATA_REQUESTS.values() for name in names]
    assert sorted(fields) == sorted(set(FIELDS) - ONLY_CLOUD)


def fill(message: Message) -> None:
    """Set all known fields of a message."""
    for field in message.DESCRIPTOR.fields:
        if field.is_repeated:
            continue
        if field.message_type is not None:
            getattr(message, field.name).SetInParent()
            fill(getattr(message, field.name))
        elif field.enum_type is not None:
            setattr(message, field.name, field.enum_type.values[-1].number)
        elif field.type == FieldDescriptor.TYPE_STRING:
            setattr(message, field.name, "twenty letters of it")
        elif field.cpp_type in WIDE:
            setattr(message, field.name, 1_800_000_000)
        else:
            setattr(message, field.name, 100)


WIDE = (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)

OPEN = {
    "CLOSED": False,
    "OPEN": True,
    "AJAR": True,
    "UNKNOWN": None,
    "FAILED_UNLATCH": None,
    "OPENING": True,
    "CLOSING": True,
}


@pytest.mark.parametrize("word", OPEN)
@pytest.mark.parametrize(
    ("closure", "name"),
    [
        ("frontDriverDoor", "front_driver_door_open"),
        ("frontPassengerDoor", "front_passenger_door_open"),
        ("rearDriverDoor", "rear_driver_door_open"),
        ("rearPassengerDoor", "rear_passenger_door_open"),
        ("frontTrunk", "front_trunk_open"),
        ("rearTrunk", "rear_trunk_open"),
        ("chargePort", "port_open"),
    ],
)
def test_closures(closure: str, name: str, word: str) -> None:
    closures: dict[str, Any] = {closure: f"CLOSURESTATE_{word}"}
    message = VehicleStatus(closureStatuses=ClosureStatuses(**closures))
    values = parse_status(message)
    assert values.get(name) is OPEN[word]
    others = {key: value for key, value in values.items() if key.endswith("_open")}
    others.pop(name, None)
    assert list(others.values()) == [False] * 6


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {}),
        # Unlocked is a zero, which is told as soon as anything is.
        (
            {"vehicleSleepStatus": 1},
            {"locked": False, "presence": ConnectivityState.ONLINE},
        ),
        (
            {"vehicleSleepStatus": 2},
            {"locked": False, "presence": ConnectivityState.ASLEEP},
        ),
        ({"vehicleLockState": 1}, {"locked": True}),
        ({"vehicleLockState": 2}, {"locked": True}),
        ({"vehicleLockState": 3}, {"locked": False}),
        ({"vehicleLockState": 1, "userPresence": 1}, {"user_present": False}),
        ({"vehicleLockState": 1, "userPresence": 2}, {"user_present": True}),
        ({"vehicleLockState": 1, "gear": 1}, {"shift_state": "p", "speed": None}),
        ({"vehicleLockState": 1, "gear": 2}, {"shift_state": "d"}),
        ({"vehicleLockState": 1, "gear": 3}, {"shift_state": "r"}),
        ({"vehicleLockState": 1, "gear": 4}, {"shift_state": "n"}),
        # Numbers of a newer car
        ({"vehicleLockState": 99}, {}),
        (
            {
                "vehicleLockState": 1,
                "vehicleSleepStatus": 99,
                "userPresence": 99,
                "gear": 99,
            },
            {"locked": True},
        ),
    ],
)
def test_status(values: dict[str, Any], expected: dict[str, Any]) -> None:
    """Fields that a broadcast omits are unknown."""
    if values.get("vehicleLockState") == 1:
        expected = {"locked": True} | expected
    assert parse_status(VehicleStatus(**values), is_reply=False) == expected


def parsed(status: str) -> VehicleStatus:
    """Return a status from the bytes of a public capture."""
    found = VehicleStatus()
    found.ParseFromString(bytes.fromhex(status))
    return found


def closures_in(values: Mapping[str, Any]) -> dict[str, bool]:
    return {name: value for name, value in values.items() if name.endswith("_open")}


SHUT = dict.fromkeys(
    (
        *(f"{place}_door_open" for place in DOORS),
        "front_trunk_open",
        "rear_trunk_open",
        "port_open",
    ),
    False,
)


def test_closures_omitted_in_a_reply_are_closed() -> None:
    """Recorded bytes: first the driver's door is open, then nothing."""
    values = parse_status(parsed("0a02080118012002"))
    assert closures_in(values) == SHUT | {"front_driver_door_open": True}
    # Somebody sits in it: whether it stands in park is not told.
    assert "shift_state" not in values
    values = parse_status(parsed("10011801200142020802"))
    assert closures_in(values) == SHUT
    assert (values["locked"], values["presence"], values["user_present"]) == (
        True,
        ConnectivityState.ONLINE,
        False,
    )
    assert (values["shift_state"], values["speed"]) == ("p", None)


def test_fields_omitted_in_a_broadcast_are_unknown() -> None:
    values = parse_status(parsed("10011801200142020802"), is_reply=False)
    assert values == {
        "locked": True,
        "presence": ConnectivityState.ONLINE,
        "user_present": False,
    }


def test_only_open_closures_of_a_sleeping_vehicle_count() -> None:
    values = parse_status(parsed("100118022001"))
    assert (values["locked"], values["presence"], values["shift_state"]) == (
        True,
        ConnectivityState.ASLEEP,
        "p",
    )
    assert closures_in(values) == {}
    closures: dict[str, Any] = {
        "rearTrunk": "CLOSURESTATE_OPEN",
        "chargePort": "CLOSURESTATE_OPEN",
    }
    for answered in (True, False):
        sleeping = VehicleStatus(
            vehicleSleepStatus="VEHICLE_SLEEP_STATUS_ASLEEP",
            closureStatuses=ClosureStatuses(**closures),
        )
        values = parse_status(sleeping, is_reply=answered)
        assert closures_in(values) == {"rear_trunk_open": True}


def test_unknown_values_of_newer_vehicles_are_ignored() -> None:
    odd: dict[str, Any] = {"vehicleLockState": 1, "vehicleSleepStatus": 99}
    assert parse_status(VehicleStatus(**odd)) == {"locked": True}
    newer = VehicleStatus(closureStatuses=ClosureStatuses(frontTrunk=99))  # type: ignore[arg-type]
    values = parse_status(newer)
    assert "front_trunk_open" not in values
    assert values["rear_trunk_open"] is False
    # Nothing but a field that nobody knows is no status.
    assert parse_status(parsed("42020802")) == {}


def scramble(random: Random, message: Message, depth: int = 0) -> None:
    """Set random values in a message."""
    for field in message.DESCRIPTOR.fields:
        if field.is_repeated or random.random() < 0.3:
            continue
        if field.message_type is not None:
            getattr(message, field.name).SetInParent()
            if depth < 3:
                scramble(random, getattr(message, field.name), depth + 1)
        elif field.type == FieldDescriptor.TYPE_STRING:
            setattr(message, field.name, random.choice(("", "\0", "Ada" * 200)))
        elif field.type != FieldDescriptor.TYPE_BYTES:
            setattr(message, field.name, random.choice(ANYTHING[field.cpp_type]))


_ODD_NUMBERS = (0.0, -1.0, 50.0, 1e38, math.nan, math.inf, -math.inf)
ANYTHING: dict[int, tuple[object, ...]] = {
    FieldDescriptor.CPPTYPE_BOOL: (True, False),
    FieldDescriptor.CPPTYPE_ENUM: (0, 1, 2, 3, 99),
    FieldDescriptor.CPPTYPE_INT32: (0, 1, -1, 50, 2**31 - 1, -(2**31)),
    FieldDescriptor.CPPTYPE_UINT32: (0, 1, 50, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (0, 1, -1, 1767225600, 2**63 - 1, -(2**63)),
    FieldDescriptor.CPPTYPE_UINT64: (0, 1, 1767225600, 2**64 - 1),
    FieldDescriptor.CPPTYPE_FLOAT: _ODD_NUMBERS,
    FieldDescriptor.CPPTYPE_DOUBLE: _ODD_NUMBERS,
}


@pytest.mark.parametrize("seed", range(10))
def test_random_messages_raise_nothing(seed: int) -> None:
    random = Random(seed)
    kinds = get_type_hints(VehicleState)
    values: dict[str, Any] = {}
    for _ in range(20):
        data, locks = VehicleData(), VehicleStatus()
        scramble(random, data)
        scramble(random, locks)
        changes = {**parse_status(locks), **parse_data(data)}
        assert all(isinstance(value, kinds[name]) for name, value in changes.items())
        for one, other in (("latitude", "longitude"), ("min_temp", "max_temp")):
            assert (changes.get(one) is None) is (changes.get(other) is None)
        data_timestamp(data)
        state = replace(VehicleState(vin="", data_at=datetime.now(UTC)), **changes)
        assert VehicleState.from_json(state.to_json()) == state
        values |= changes
    assert not set(FIELDS) - set(values) - ONLY_CLOUD
