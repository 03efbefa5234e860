"""The Bluetooth proxy, used by the library's client in Home Assistant."""

from collections.abc import AsyncIterator
from datetime import timedelta
from unittest.mock import patch

from bleak.backends.device import BLEDevice
from bleak_retry_connector import (
    BleakAbortedError,
    BleakNotFoundError,
    BleakOutOfConnectionSlotsError,
)
from cryptography.hazmat.primitives.asymmetric import ec
import pytest
from tesla_fleet_api.exceptions import (
    BluetoothTransportError,
    BluetoothUnconfirmedCommand,
)
from tesla_fleet_api.tesla.tesla import Tesla
from tesla_fleet_api.tesla.vehicle.bluetooth import VehicleBluetooth

from homeassistant.components.bluetooth import (
    async_ble_device_from_address,
    async_last_service_info,
    async_scanner_count,
    async_scanner_devices_by_address,
)
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from harness.bluetooth_proxy import BluetoothProxy, async_add_proxy
from simulator import Simulator
from simulator.bluetooth import BluetoothEnvironment, LinkConditions, device_address
from simulator.protocol import Role
from simulator.vehicle.car import Car

type Vehicle = VehicleBluetooth[Tesla]

NEAREST = "AA:BB:CC:00:00:02"


@pytest.fixture(autouse=True)
async def bluetooth(hass: HomeAssistant) -> AsyncIterator[None]:
    """Set Bluetooth up without pauses between connection attempts."""
    assert await async_setup_component(hass, "bluetooth", {})
    with patch("bleak_retry_connector.calculate_backoff_time", return_value=0.0):
        yield


@pytest.fixture
def air(simulator: Simulator) -> BluetoothEnvironment:
    return simulator.bluetooth


@pytest.fixture
def ada(simulator: Simulator) -> Car:
    simulator.set("car.Ada", "near")
    return simulator.cars["Ada"]


@pytest.fixture
async def proxy(
    hass: HomeAssistant, air: BluetoothEnvironment, ada: Car
) -> AsyncIterator[BluetoothProxy]:
    proxy = async_add_proxy(hass, air)
    proxy.connect_timeout = 0.0
    yield proxy
    proxy.remove()


def device_of(hass: HomeAssistant, car: Car) -> BLEDevice | None:
    return async_ble_device_from_address(
        hass, device_address(car.vin), connectable=True
    )


@pytest.fixture
def vehicle(
    hass: HomeAssistant, simulator: Simulator, proxy: BluetoothProxy, ada: Car
) -> Vehicle:
    key = ec.generate_private_key(ec.SECP256R1())
    simulator.pair("Ada", key, Role.DRIVER)
    return VehicleBluetooth(
        Tesla(),
        ada.vin,
        key,
        device_of(hass, ada),
        confirmation="verify",
        keepalive_interval=None,
        raise_unconfirmed=True,
    )


async def test_it_locks_and_unlocks(
    air: BluetoothEnvironment, proxy: BluetoothProxy, vehicle: Vehicle, ada: Car
) -> None:
    assert vehicle.device is not None
    assert vehicle.device.name == vehicle.ble_name
    await vehicle.door_unlock()
    unlocked = not ada.locked
    assert proxy.free == 2
    await vehicle.door_lock()
    assert (unlocked, ada.locked) == (True, True)
    assert ada.executed == {"door_unlock": 1, "door_lock": 1}
    assert await vehicle.query_display_name() == "Ada"
    assert await vehicle.query_version() == 1
    await vehicle.disconnect()
    tally = air.statistics(ada)
    assert (tally.connections, tally.open, tally.lost) == (1, 0, 0)
    assert proxy.free == 3


async def connection_error(vehicle: Vehicle) -> BaseException | None:
    """Return the error of a connection attempt."""
    with pytest.raises(BluetoothTransportError) as raised:
        await vehicle.connect(max_attempts=1)
    return raised.value.__cause__


async def test_a_proxy_without_a_free_slot(
    proxy: BluetoothProxy, vehicle: Vehicle
) -> None:
    proxy.slots = 0
    assert isinstance(await connection_error(vehicle), BleakOutOfConnectionSlotsError)
    proxy.slots = 1
    await vehicle.connect()
    assert proxy.free == 0
    await vehicle.disconnect()


async def test_a_car_with_three_connections(
    air: BluetoothEnvironment, proxy: BluetoothProxy, vehicle: Vehicle, ada: Car
) -> None:
    air.phones[ada.vin] = 3
    assert isinstance(await connection_error(vehicle), BleakAbortedError)
    assert proxy.free == 3


async def test_a_car_that_has_just_left(
    hass: HomeAssistant, proxy: BluetoothProxy, vehicle: Vehicle, ada: Car
) -> None:
    ada.in_range = False
    # Home Assistant is not told that the car has left.
    assert device_of(hass, ada) is not None
    assert isinstance(await connection_error(vehicle), BleakNotFoundError)
    assert proxy.free == 3


async def test_a_car_that_leaves_cuts_the_line(
    proxy: BluetoothProxy, vehicle: Vehicle, ada: Car
) -> None:
    seen: list[bool] = []
    vehicle.listen_connection_status(seen.append)
    await vehicle.door_unlock()
    ada.in_range = False
    assert seen == [True, False]
    assert proxy.free == 3


async def test_a_lost_connection_leaves_the_result_of_the_command_open(
    air: BluetoothEnvironment, vehicle: Vehicle, ada: Car
) -> None:
    await vehicle.connect()
    await vehicle.handshakeVehicleSecurity()
    air.set_link_conditions(LinkConditions(cut_after=1.0, latency=0.0))
    with (
        patch.object(vehicle, "_actuation_timeout", 0.05),
        patch.object(vehicle, "_default_timeout", 0.05),
        pytest.raises(BluetoothUnconfirmedCommand),
    ):
        await vehicle.door_unlock()
    assert ada.executed == {"door_unlock": 1}


async def test_the_proxy_with_the_best_ear_that_has_a_slot_connects(
    hass: HomeAssistant,
    air: BluetoothEnvironment,
    proxy: BluetoothProxy,
    vehicle: Vehicle,
) -> None:
    nearest = async_add_proxy(
        hass, air, source=NEAREST, slots=1, rssi_of=lambda advert: advert.rssi + 20
    )
    await vehicle.connect()
    assert (proxy.free, nearest.free) == (3, 0)
    await vehicle.disconnect()
    nearest.slots = 0
    await vehicle.connect()
    assert proxy.free == 2
    nearest.remove()


async def test_a_proxy_that_vanishes_takes_its_lines_along(
    hass: HomeAssistant,
    air: BluetoothEnvironment,
    proxy: BluetoothProxy,
    vehicle: Vehicle,
    ada: Car,
) -> None:
    seen: list[bool] = []
    vehicle.listen_connection_status(seen.append)
    await vehicle.connect()
    before = async_scanner_count(hass, connectable=True)
    proxy.remove()
    assert seen == [True, False]
    assert air.statistics(ada).open == 0
    assert async_scanner_count(hass, connectable=True) == before - 1
    # The car is still known, but no scanner reaches it.
    assert device_of(hass, ada) is not None
    assert not async_scanner_devices_by_address(hass, device_address(ada.vin), True)


async def test_a_proxy_out_of_range_receives_no_advertisement(
    hass: HomeAssistant, air: BluetoothEnvironment, ada: Car
) -> None:
    far = async_add_proxy(hass, air, rssi_of=lambda advert: None)
    assert device_of(hass, ada) is None
    far.remove()


async def test_advertisements_of_a_car_are_received_repeatedly(
    hass: HomeAssistant, proxy: BluetoothProxy, ada: Car
) -> None:
    def heard_at() -> float:
        info = async_last_service_info(hass, device_address(ada.vin), connectable=True)
        assert info is not None
        return info.time

    first = heard_at()
    with patch("harness.bluetooth_proxy.monotonic_time_coarse", return_value=first + 2):
        async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=3))
    assert heard_at() == first + 2


@pytest.mark.parametrize(("seconds", "there"), [(190, True), (230, False)])
async def test_home_assistant_forgets_a_car_by_its_own_rules(
    hass: HomeAssistant, proxy: BluetoothProxy, ada: Car, seconds: float, there: bool
) -> None:
    info = async_last_service_info(hass, device_address(ada.vin), connectable=True)
    assert info is not None
    ada.in_range = False
    later = info.time + seconds
    with (
        patch("habluetooth.base_scanner.monotonic_time_coarse", return_value=later),
        patch("habluetooth.manager.monotonic_time_coarse", return_value=later),
    ):
        # The scanner checks every 30 s, the manager every five minutes.
        for wait in (31, 301):
            async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=wait))
    assert (device_of(hass, ada) is not None) is there


async def test_it_ends_with_home_assistant(
    hass: HomeAssistant,
    air: BluetoothEnvironment,
    proxy: BluetoothProxy,
    vehicle: Vehicle,
    ada: Car,
) -> None:
    await vehicle.connect()
    await hass.async_stop(force=True)
    assert air.statistics(ada).open == 0
