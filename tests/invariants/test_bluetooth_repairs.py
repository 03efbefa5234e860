"""Repair issues of the Bluetooth key."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import tesla_fleet_api
from tesla_fleet_api.tesla.vehicle.bluetooth import VehicleBluetooth

from homeassistant.helpers.issue_registry import IssueSeverity
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.bluetooth.pairing_attempt import async_check_requirements
from custom_components.keycard.bluetooth.vehicle_link import BluetoothStatus
from custom_components.keycard.runtime.presentation import (
    Connection,
    VehicleData,
    is_unreachable_at_home,
)
from custom_components.keycard.vehicle.keys import PhysicalKey
from custom_components.keycard.vehicle.state import VehicleState
from simulator.protocol import Role
from tests.conftest import car_of

from .home import HomeUnderTest, status_of
from .paired_vehicle import NearVehicle, with_paired_vehicle
from .repairs import assert_only_repair, repairs


async def test_a_car_that_has_lost_the_bluetooth_key(
    home: HomeUnderTest, watching_entry: MockConfigEntry, near: NearVehicle
) -> None:
    whitelist = home.simulator.computers["Ada"].whitelist
    entry = await home.set_up_operational(with_paired_vehicle(watching_entry, near.car))
    assert repairs(home) == {}
    key = whitelist.entries[0].point
    whitelist.remove(key)
    removed_at = home.clock.monotonic()
    # An outage of the cloud does not change the keys of a car.
    home.simulator.apply(dict.fromkeys(("all.status", "all.api"), "timeout"))
    await home.until(lambda: status_of(entry) == "outage", 120)
    # Anyone could send it: it takes three times over an hour.
    await home.until(lambda: bool(repairs(home)), 3 * 3600)
    assert home.clock.monotonic() - removed_at > 3600
    names = assert_only_repair(home, entry, "bluetooth_key_not_paired")
    assert (names["entry"], names["cars"]) == (entry.title, "Ada")
    assert repairs(home)["bluetooth_key_not_paired"].severity is IssueSeverity.WARNING
    whitelist.add(key, Role.DRIVER)
    await home.until(lambda: not repairs(home), 3700)


async def test_a_bluetooth_key_that_cannot_be_used(
    home: HomeUnderTest, watching_entry: MockConfigEntry, tmp_path: Path
) -> None:
    (tmp_path / "keycard_bluetooth.key").write_text("nonsense")
    entry = with_paired_vehicle(watching_entry, home.simulator.cars["Ada"])
    await home.set_up(entry)
    assert_only_repair(home, entry, "bluetooth_key_file")
    assert home.states()["sensor.ada_key_to_take"] == "usual"
    (tmp_path / "keycard_bluetooth.key").unlink()
    await home.restart(entry)
    assert repairs(home) == {}


async def test_a_library_without_required_members_disables_bluetooth(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bluetooth is disabled at the start, instead of failing later."""
    with monkeypatch.context() as patched:
        patched.delattr(VehicleBluetooth, "_resolve_timeout")
        entry = with_paired_vehicle(watching_entry, home.simulator.cars["Ada"])
        await home.set_up(entry)
        names = assert_only_repair(home, entry, "bluetooth_library")
        assert names["version"] == tesla_fleet_api.__version__
        assert await async_check_requirements(home.hass) == "bluetooth_library"
    await home.restart(entry)
    assert repairs(home) == {}


async def test_a_car_at_home_that_answers_on_no_link(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    near: NearVehicle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Home Assistant expires advertisements by the machine's clock.
    monkeypatch.setattr(
        "custom_components.keycard.bluetooth.scanner.MONOTONIC_TIME",
        home.clock.monotonic,
    )
    entry = await home.set_up_operational(
        with_paired_vehicle(compatible_entry, near.car)
    )
    car = car_of(entry, "Ada")
    state = car.vehicle.state
    assert state is not None
    await home.hass.config.async_update(
        latitude=state.latitude, longitude=state.longitude
    )
    home.simulator.apply({"car.Ada": "gone"})
    near.proxy.remove()
    await home.skip(8 * 3600)
    # The cloud still reaches it.
    assert repairs(home) == {}
    home.simulator.apply({"car.Ada": "offline"})
    await home.skip(5.5 * 3600)
    assert repairs(home) == {}
    await home.run(3600)
    names = assert_only_repair(home, entry, "no_power")
    assert names["cars"] == "Ada"
    home.simulator.apply({"car.Ada": "online"})
    await home.until(lambda: not repairs(home), 300)


@pytest.mark.parametrize("apart", [0.0, 0.01, None])
@pytest.mark.parametrize("cloud", [*Connection, None])
@pytest.mark.parametrize("seen", ["never", "now", "before"])
def test_which_silence_counts(
    apart: float | None, cloud: Connection | None, seen: str
) -> None:
    latitude = None if apart is None else 52.5 + apart
    longitude = None if apart is None else 13.4
    at = None if seen == "never" else datetime(2026, 11, 24, tzinfo=UTC)
    view = VehicleData(
        state=VehicleState(vin="A", latitude=latitude, longitude=longitude),
        is_current=True,
        restored=False,
        cloud_works=False,
        connection=Connection.OFFLINE,
        cloud=cloud,
        reachable=False,
        key_to_take=PhysicalKey.NONE,
        bluetooth=BluetoothStatus(in_range=seen == "now", last_seen=at),
    )
    silent = cloud in {Connection.OFFLINE, Connection.POWER_LOW}
    expected = silent and seen == "before" and apart == 0.0
    assert is_unreachable_at_home(view, (52.5, 13.4)) is expected
