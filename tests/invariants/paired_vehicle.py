"""A vehicle with the home's Bluetooth key, in range of a proxy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.auth.keys import async_get_bluetooth_key
from harness.bluetooth_proxy import BluetoothProxy, async_add_proxy
from simulator import Simulator
from simulator.bluetooth.environment import device_address
from simulator.protocol import Role, public_keys
from simulator.vehicle.car import Car


@dataclass(frozen=True, kw_only=True)
class NearVehicle:
    """A vehicle, the proxy in range of it, and the simulator of both."""

    car: Car
    proxy: BluetoothProxy
    simulator: Simulator


def assert_paired(car: Car, data: Mapping[str, Any]) -> None:
    """Check that a pairing stored the address and the keys of both computers."""
    assert data["address"] == device_address(car.vin)
    computers = dict(data["computers"])
    assert computers.pop("paired_at")
    points = public_keys(car.vin)
    assert computers == {name: point.hex() for name, point in points.items()}


def key_subentry(car: Car, **data: Any) -> ConfigSubentryData:
    """Return the subentry of a paired vehicle."""
    keys = {computer: key.hex() for computer, key in public_keys(car.vin).items()}
    computers = {"paired_at": "2026-11-20T12:00:00+00:00", **keys}
    return ConfigSubentryData(
        data={"address": device_address(car.vin), "computers": computers, **data},
        subentry_type="bluetooth_key",
        title=car.name,
        unique_id=car.vin,
    )


def with_paired_vehicle(
    entry: MockConfigEntry, car: Car, **data: Any
) -> MockConfigEntry:
    """Return an entry with a paired vehicle."""
    return MockConfigEntry(
        domain=entry.domain,
        title=entry.title,
        unique_id=entry.unique_id,
        data=dict(entry.data),
        options=dict(entry.options),
        subentries_data=[key_subentry(car, **data)],
    )


async def add_near_vehicle(
    hass: HomeAssistant,
    simulator: Simulator,
    name: str = "Ada",
    role: Role = Role.DRIVER,
) -> NearVehicle:
    """Pair a car with the home's key and add a proxy in range of it."""
    simulator.pair(name, await async_get_bluetooth_key(hass), role)
    simulator.set(f"car.{name}", "near")
    proxy = async_add_proxy(hass, simulator.bluetooth)
    return NearVehicle(car=simulator.cars[name], proxy=proxy, simulator=simulator)
