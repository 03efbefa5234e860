"""The simulated radio in Home Assistant: its own client on its own Bluetooth."""

from collections.abc import AsyncIterator

from cryptography.hazmat.primitives.asymmetric import ec
import pytest
from tesla_fleet_api.tesla.tesla import Tesla
from tesla_fleet_api.tesla.vehicle.bluetooth import VehicleBluetooth

from homeassistant.components.bluetooth import async_ble_device_from_address
from homeassistant.core import HomeAssistant

from script.stage.proxy import Proxy, async_place_proxy
from simulator import Simulator
from simulator.cars import Car
from simulator.protocol import Role
from simulator.radio.air import address_of

type Vehicle = VehicleBluetooth[Tesla]


@pytest.fixture
def ada(simulator: Simulator) -> Car:
    simulator.set("car.Ada", "near")
    return simulator.cars["Ada"]


@pytest.fixture
async def proxy(
    hass: HomeAssistant, enable_bluetooth: None, simulator: Simulator, ada: Car
) -> AsyncIterator[Proxy]:
    proxy = async_place_proxy(hass, simulator.air)
    proxy.patience = 0.0
    yield proxy
    proxy.remove()


@pytest.fixture
def vehicle(
    hass: HomeAssistant, simulator: Simulator, proxy: Proxy, ada: Car
) -> Vehicle:
    key = ec.generate_private_key(ec.SECP256R1())
    simulator.pair("Ada", key, Role.DRIVER)
    address = address_of(ada.vin)
    device = async_ble_device_from_address(hass, address, connectable=True)
    assert device is not None
    return VehicleBluetooth(
        Tesla(),
        ada.vin,
        key,
        device,
        confirmation="verify",
        keepalive_interval=None,
        raise_unconfirmed=True,
    )


async def test_it_locks_and_unlocks(
    simulator: Simulator, proxy: Proxy, vehicle: Vehicle, ada: Car
) -> None:
    assert vehicle.device is not None
    assert vehicle.device.name == vehicle.ble_name
    await vehicle.door_unlock()
    unlocked = not ada.locked
    assert proxy.free == 2
    await vehicle.door_lock()
    assert (unlocked, ada.locked) == (True, True)
    assert await vehicle.query_display_name() == "Ada"
    assert await vehicle.query_version() == 1
    await vehicle.disconnect()
    tally = simulator.air.tally(ada)
    assert (tally.connections, tally.open, tally.lost) == (1, 0, 0)
    assert proxy.free == 3
