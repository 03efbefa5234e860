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

from .paired_vehicle import NearVehicle, with_paired_vehicle
from .story import Story, status_of
from .test_repairs import assert_only_repair, repairs


async def test_a_car_that_has_lost_the_bluetooth_key(
    story: Story, watching_entry: MockConfigEntry, near: NearVehicle
) -> None:
    whitelist = story.simulator.computers["Ada"].whitelist
    entry = await story.settled(with_paired_vehicle(watching_entry, near.car))
    assert repairs(story) == {}
    key = whitelist.entries[0].point
    whitelist.remove(key)
    removed_at = story.clock.monotonic()
    # An outage of the cloud does not change the keys of a car.
    story.simulator.apply(dict.fromkeys(("all.status", "all.api"), "timeout"))
    await story.until(lambda: status_of(entry) == "outage", 120)
    # Anyone could send it: it takes three times over an hour.
    await story.until(lambda: bool(repairs(story)), 3 * 3600)
    assert story.clock.monotonic() - removed_at > 3600
    names = assert_only_repair(story, entry, "bluetooth_key_not_paired")
    assert (names["entry"], names["cars"]) == (entry.title, "Ada")
    assert repairs(story)["bluetooth_key_not_paired"].severity is IssueSeverity.WARNING
    whitelist.add(key, Role.DRIVER)
    await story.until(lambda: not repairs(story), 3700)


async def test_a_bluetooth_key_that_cannot_be_used(
    story: Story, watching_entry: MockConfigEntry, tmp_path: Path
) -> None:
    (tmp_path / "keycard_bluetooth.key").write_text("nonsense")
    entry = with_paired_vehicle(watching_entry, story.simulator.cars["Ada"])
    await story.set_up(entry)
    assert_only_repair(story, entry, "bluetooth_key_file")
    assert story.states()["sensor.ada_key_to_take"] == "usual"
    (tmp_path / "keycard_bluetooth.key").unlink()
    await story.restart(entry)
    assert repairs(story) == {}


async def test_a_library_without_required_members_disables_bluetooth(
    story: Story, watching_entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bluetooth is disabled at the start, instead of failing later."""
    with monkeypatch.context() as patched:
        patched.delattr(VehicleBluetooth, "_resolve_timeout")
        entry = with_paired_vehicle(watching_entry, story.simulator.cars["Ada"])
        await story.set_up(entry)
        names = assert_only_repair(story, entry, "bluetooth_library")
        assert names["version"] == tesla_fleet_api.__version__
        assert await async_check_requirements(story.hass) == "bluetooth_library"
    await story.restart(entry)
    assert repairs(story) == {}


async def test_a_car_at_home_that_answers_on_no_link(
    story: Story,
    compatible_entry: MockConfigEntry,
    near: NearVehicle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Home Assistant expires advertisements by the machine's clock.
    monkeypatch.setattr(
        "custom_components.keycard.bluetooth.scanner.MONOTONIC_TIME",
        story.clock.monotonic,
    )
    entry = await story.settled(with_paired_vehicle(compatible_entry, near.car))
    car = car_of(entry, "Ada")
    state = car.vehicle.state
    assert state is not None
    await story.hass.config.async_update(
        latitude=state.latitude, longitude=state.longitude
    )
    story.simulator.apply({"car.Ada": "gone"})
    near.proxy.remove()
    await story.go(8 * 3600)
    # The cloud still reaches it.
    assert repairs(story) == {}
    story.simulator.apply({"car.Ada": "offline"})
    await story.go(5.5 * 3600)
    assert repairs(story) == {}
    await story.go(3600)
    names = assert_only_repair(story, entry, "no_power")
    assert names["cars"] == "Ada"
    story.simulator.apply({"car.Ada": "online"})
    await story.until(lambda: not repairs(story), 300)


@pytest.mark.parametrize("apart", [0.0, 0.01, None])
@pytest.mark.parametrize("cloud", [*Connection, None])
@pytest.mark.parametrize("heard", ["never", "now", "before"])
def test_which_silence_counts(
    apart: float | None, cloud: Connection | None, heard: str
) -> None:
    latitude = None if apart is None else 52.5 + apart
    longitude = None if apart is None else 13.4
    at = None if heard == "never" else datetime(2026, 11, 24, tzinfo=UTC)
    view = VehicleData(
        state=VehicleState(vin="A", latitude=latitude, longitude=longitude),
        is_current=True,
        restored=False,
        cloud_works=False,
        connection=Connection.OFFLINE,
        cloud=cloud,
        reachable=False,
        key_to_take=PhysicalKey.NONE,
        bluetooth=BluetoothStatus(in_range=heard == "now", last_seen=at),
    )
    silent = cloud in {Connection.OFFLINE, Connection.POWER_LOW}
    expected = silent and heard == "before" and apart == 0.0
    assert is_unreachable_at_home(view, (52.5, 13.4)) is expected
