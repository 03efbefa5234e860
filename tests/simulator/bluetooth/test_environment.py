"""Bluetooth environment: advertisements, connections and link conditions."""

from dataclasses import asdict
import hashlib
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from tesla_fleet_api.const import BluetoothVehicleData
from tesla_fleet_api.exceptions import (
    BluetoothTransportError,
    BluetoothUnconfirmedCommand,
    TeslaFleetMessageFaultResponseSizeExceedsMTU,
)
from tesla_protocol.command.universal_message_pb2 import Domain, RoutableMessage
from tesla_protocol.command.vcsec_pb2 import FromVCSECMessage, VehicleLockState_E

from simulator import Simulator
from simulator.bluetooth import (
    MAX_CONNECTIONS,
    BluetoothEnvironment,
    Connection,
    ConnectionLostError,
    ConnectionRejectedError,
    ConnectionSlotsFullError,
    DeviceNotFoundError,
    LinkConditions,
    LinkConditionsError,
    device_address,
)
from simulator.bluetooth.framing import MAX_MESSAGE_BYTES, FrameDecoder, split_message
from simulator.scenarios.scenario import CarSpec
from simulator.vehicle.car import Car

from .conftest import ManualSleep, run_until_idle
from .library_client import LibraryClient

LOCKED = VehicleLockState_E.VEHICLELOCKSTATE_LOCKED
UNLOCKED = VehicleLockState_E.VEHICLELOCKSTATE_UNLOCKED


def is_broadcast(message: RoutableMessage) -> bool:
    """Return whether a message is a broadcast: its domain is zero."""
    to = message.to_destination
    return (
        to.WhichOneof("sub_destination") == "domain"
        and to.domain == Domain.DOMAIN_BROADCAST
    )


def broadcasts(client: LibraryClient) -> list[int]:
    """Return the lock states that the car broadcast."""
    counts = [
        FromVCSECMessage.FromString(message.protobuf_message_as_bytes)
        for message in client.received
        if is_broadcast(message)
    ]
    return [
        one.vehicleStatus.vehicleLockState
        for one in counts
        if one.HasField("vehicleStatus")
    ]


async def test_a_car_in_range_advertises(air: BluetoothEnvironment, ada: Car) -> None:
    [advert] = air.advertisements()
    digest = hashlib.sha1(ada.vin.encode(), usedforsecurity=False).hexdigest()
    assert advert.name == f"S{digest[:16]}C"
    assert advert.address == device_address(ada.vin)
    # A random static address of Bluetooth.
    assert int(advert.address[:2], 16) >= 0xC0
    assert advert.connectable
    ada.in_range = False
    assert air.advertisements() == []


async def test_listeners_are_called_when_a_car_enters_or_leaves(
    world: Simulator, air: BluetoothEnvironment, ada: Car
) -> None:
    counts: list[int] = []
    cancel = air.subscribe(lambda: counts.append(len(air.advertisements())))
    world.set("car.Bo", "near")
    world.set("car.Bo", "near")
    ada.in_range = False
    cancel()
    world.set("car.Bo", "gone")
    assert counts == [2, 1]


async def test_older_model_s_and_x_have_no_such_radio(
    world: Simulator, air: BluetoothEnvironment
) -> None:
    world.set("car.Cy", "near")
    assert air.advertisements() == []
    with pytest.raises(DeviceNotFoundError):
        await air.connect(device_address(world.cars["Cy"].vin))
    newer = world.add_car(CarSpec(name="Di", model="modelx", year=2021))
    newer.in_range = True
    assert [it.address for it in air.advertisements()] == [device_address(newer.vin)]


async def test_a_car_takes_three_connections(
    air: BluetoothEnvironment, ada: Car
) -> None:
    air.phones[ada.vin] = 2
    line = await air.connect(device_address(ada.vin))
    [advert] = air.advertisements()
    assert not advert.connectable
    with pytest.raises(ConnectionSlotsFullError, match=str(MAX_CONNECTIONS)):
        await air.connect(device_address(ada.vin))
    await line.close()
    await (await air.connect(device_address(ada.vin))).close()


async def test_a_car_that_leaves_cannot_be_connected_to(
    air: BluetoothEnvironment, ada: Car, sleep: ManualSleep
) -> None:
    async def leave(_seconds: float) -> None:
        ada.in_range = False

    air.sleep = leave
    with pytest.raises(DeviceNotFoundError):
        await air.connect(device_address(ada.vin))
    assert air.statistics(ada).connections == 0


async def test_a_car_that_leaves_cuts_its_lines(
    air: BluetoothEnvironment, ada: Car
) -> None:
    line = await air.connect(device_address(ada.vin))
    cuts: list[bool] = []
    line.on_disconnect = lambda: cuts.append(line.is_open)
    ada.in_range = False
    assert cuts == [False]
    with pytest.raises(ConnectionLostError):
        await line.write(b"anything")
    # A disconnect by the client calls no callback.
    ada.in_range = True
    line = await air.connect(device_address(ada.vin))
    line.on_disconnect = lambda: cuts.append(line.is_open)
    await line.close()
    assert cuts == [False]


async def test_a_car_that_is_removed_cuts_its_lines(
    world: Simulator, air: BluetoothEnvironment, ada: Car
) -> None:
    line = await air.connect(device_address(ada.vin))
    world.remove_car("Ada")
    assert not line.is_open


async def test_the_car_broadcasts_changes_to_all_connections(
    world: Simulator, air: BluetoothEnvironment, ada: Car, driver: LibraryClient
) -> None:
    phone = LibraryClient(air, ada, driver.private_key)  # type: ignore[arg-type]
    await phone.connect()
    await run_until_idle()
    assert broadcasts(phone) == [LOCKED]
    await driver.door_unlock()
    await run_until_idle()
    assert broadcasts(phone) == [LOCKED, UNLOCKED]
    assert broadcasts(driver) == [LOCKED, UNLOCKED]
    # Changes over the cloud are broadcast as well, and so is sleep.
    ada.execute("door_lock", {})
    ada.set_connectivity("asleep")
    await run_until_idle()
    assert broadcasts(phone)[-2:] == [LOCKED, LOCKED]


async def test_the_answer_precedes_the_broadcast(
    driver: LibraryClient,
) -> None:
    await driver.door_unlock()
    await run_until_idle()
    assert [is_broadcast(message) for message in driver.received[-2:]] == [False, True]


def test_messages_come_in_chunks() -> None:
    frames, messages = FrameDecoder(), [bytes(400), b"short", bytes(MAX_MESSAGE_BYTES)]
    stream = b"".join(chunk for one in messages for chunk in split_message(one))
    received = [it for byte in stream for it in frames.feed(bytes((byte,)))]
    assert received == messages
    assert frames.feed(stream) == messages
    # A message above the maximum length is discarded.
    assert frames.feed(b"\xff\xff noise") == []
    assert frames.feed(b"\x00\x01!") == [b"!"]


async def test_an_answer_that_is_too_long_is_not_sent(driver: LibraryClient) -> None:
    everything = list(BluetoothVehicleData)
    data = await driver.vehicle_data(everything)
    assert data.HasField("charge_state")
    # A car with more data than the others.
    with (
        patch("simulator.bluetooth.framing.MAX_MESSAGE_BYTES", 500),
        pytest.raises(TeslaFleetMessageFaultResponseSizeExceedsMTU),
    ):
        await driver.vehicle_data(everything)


async def greeted(driver: LibraryClient) -> Connection:
    """Return a connection without pending messages."""
    await driver.connect()
    await driver.handshakeVehicleSecurity()
    await run_until_idle()
    assert driver.line is not None
    return driver.line


# Conditions, whether the car executes, whether the connection is lost, and counters.
FAULTS: list[tuple[dict[str, Any], bool, bool, int]] = [
    ({"lose_to_car": 1.0}, False, False, 1),
    # Neither the answer nor the broadcast arrives.
    ({"lose_to_phone": 1.0}, True, False, 2),
    ({"cut_before": 1.0}, False, True, 0),
    ({"cut_after": 1.0}, True, True, 0),
    ({"slow": 60.0}, True, False, 0),
]


@pytest.mark.parametrize("fault", FAULTS)
async def test_failures_leave_the_result_unknown(
    air: BluetoothEnvironment,
    ada: Car,
    driver: LibraryClient,
    fault: tuple[dict[str, Any], bool, bool, int],
) -> None:
    weather, obeyed, cut, lost = fault
    line = await greeted(driver)
    air.set_link_conditions(LinkConditions(**weather))
    driver.confirmation = "ack"
    with (
        patch.object(driver, "_actuation_timeout", 0.01),
        pytest.raises(BluetoothUnconfirmedCommand),
    ):
        await driver.door_unlock()
    assert ada.executed == ({"door_unlock": 1} if obeyed else {})
    assert line.is_open is not cut
    assert air.statistics(ada).lost == lost


async def test_a_slow_car_answers_all_the_same(
    air: BluetoothEnvironment, ada: Car, driver: LibraryClient, sleep: ManualSleep
) -> None:
    await greeted(driver)
    air.set_link_conditions(LinkConditions(slow=60.0, latency=0.5))
    sleep.slept.clear()
    sleep.awake.set()
    await driver.door_unlock()
    assert sleep.slept[:3] == [0.5, 60.0, 0.5]
    assert not ada.locked


async def test_no_message_is_slow_with_a_rate_of_zero(
    air: BluetoothEnvironment, driver: LibraryClient, sleep: ManualSleep
) -> None:
    await greeted(driver)
    air.set_link_conditions(LinkConditions(slow=60.0, slow_rate=0.0))
    await driver.door_unlock()
    assert 60.0 not in sleep.slept


async def test_a_connection_can_be_refused_and_takes_time(
    air: BluetoothEnvironment, ada: Car, driver: LibraryClient, sleep: ManualSleep
) -> None:
    air.set_link_conditions(LinkConditions(refuse=1.0, connect=0.7))
    with pytest.raises(ConnectionRejectedError):
        await air.connect(device_address(ada.vin))
    assert sleep.slept == [0.7]
    with pytest.raises(BluetoothTransportError):
        await driver.door_unlock()
    assert air.statistics(ada).connections == 0


async def test_one_car_can_have_weather_of_its_own(
    world: Simulator, air: BluetoothEnvironment, ada: Car
) -> None:
    world.cars["Bo"].in_range = True
    air.set_link_conditions(LinkConditions(refuse=1.0), "Bo")
    assert (await air.connect(device_address(ada.vin))).is_open
    with pytest.raises(ConnectionRejectedError):
        await air.connect(device_address(world.cars["Bo"].vin))
    world.reset()
    assert air.link_conditions_of(world.cars["Bo"]) == LinkConditions()


async def test_failures_can_be_replayed(air: BluetoothEnvironment, ada: Car) -> None:
    async def played() -> list[bool]:
        air.random = Random(7)
        before = air.statistics(ada).lost
        line = await air.connect(device_address(ada.vin))
        fates: list[bool] = []
        for _ in range(20):
            await line.write(b"\x00\x01?")
            fates.append(air.statistics(ada).lost > before + sum(fates))
        await line.close()
        return fates

    air.set_link_conditions(LinkConditions(lose_to_car=0.5))
    first = await played()
    assert first == await played()
    assert 0 < sum(first) < len(first)


async def test_statistics_count_connections_and_lost_messages(
    ada: Car, air: BluetoothEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(air, "_get_time", lambda: now)
    first = await air.connect(device_address(ada.vin))
    now = 9.0
    await first.close()
    second = await air.connect(device_address(ada.vin))
    now = 12.0
    assert asdict(air.statistics(ada)) == {
        "connections": 2,
        "longest": 9.0,
        "open": 1,
        "lost": 0,
    }
    now = 30.0
    assert air.statistics(ada).longest == 21.0
    await second.close()
    assert air.statistics(ada).open == 0


async def test_a_message_under_way_is_a_timer_and_no_work(
    world: Simulator, air: BluetoothEnvironment, ada: Car, sleep: ManualSleep
) -> None:
    busy: list[int] = []

    async def look(_seconds: float) -> None:
        busy.append(world.busy)

    air.sleep = look
    await (await air.connect(device_address(ada.vin))).close()
    assert busy == [0]


def test_there_is_no_other_weather() -> None:
    assert LinkConditions.from_dict({"slow": 3, "refuse": 1}) == LinkConditions(
        slow=3.0, refuse=1.0
    )
    for wrong in (
        {"lose_to_car": 1.1},
        {"slow": -1},
        {"snow": 0.5},
        {"refuse": True},
        {"latency": "long"},
    ):
        with pytest.raises(LinkConditionsError, match="allowed: connect, cut_after"):
            LinkConditions.from_dict(wrong)
