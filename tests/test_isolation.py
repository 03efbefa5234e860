"""An error of one listener, entry or vehicle does not affect others."""

import asyncio
from collections.abc import Callable
import logging
from typing import Any

import pytest

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.const import DOMAIN
from custom_components.keycard.cost.pricing import Charge
from custom_components.keycard.notifications.publisher import OutageEventPublisher
from simulator import Simulator

from .config_entries import hosts_options, server_entry
from .conftest import SetUp, assessment_status, car_of, until

VIN = "LRW3E7EK4NC123456"


def fail(*_: Any, **__: Any) -> None:
    """Raise an error that contains a VIN."""
    raise KeyError(VIN)


def assert_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Check that the error was logged without the VIN."""
    messages = [
        record
        for record in caplog.records
        if record.levelno == logging.ERROR and record.name.endswith(".isolation")
    ]
    assert messages
    assert all("KeyError" in record.getMessage() for record in messages)
    assert VIN not in caplog.text


async def test_an_entry_that_fails_blinds_no_other(
    hass: HomeAssistant,
    simulator: Simulator,
    set_up: SetUp,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    one = await set_up(server_entry(simulator))
    watcher = one.runtime_data.host_poller
    other = await set_up(
        MockConfigEntry(
            domain=DOMAIN,
            data={"provider": "watch_only", "region": "eu"},
            options=hosts_options(simulator),
        )
    )
    assert other.runtime_data.host_poller is watcher
    watcher._subscribers[one.entry_id] = fail
    watcher._listeners.insert(0, fail)
    received: list[int] = []
    watcher.async_add_listener(lambda: received.append(1))
    await watcher.async_check()
    await until(hass, lambda: assessment_status(other) == "operational")
    assert received
    assert_logged(caplog)


async def test_a_vehicle_that_fails_hides_no_other(
    hass: HomeAssistant,
    account: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = account.runtime_data
    ada, cy = car_of(account, "Ada"), car_of(account, "Cy")
    assert list(data.vehicles.values()).index(ada) == 0
    shown: list[str] = []
    monkeypatch.setattr(ada, "async_update_assessment", fail)
    monkeypatch.setattr(
        cy, "async_update_assessment", lambda *_, **__: shown.append("cy")
    )
    data.coordinator._async_update_vehicles()
    assert shown == ["cy"]
    assert_logged(caplog)


async def test_an_entity_that_fails_hides_no_other(
    account: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    received: list[str] = []
    for coordinator in (account.runtime_data.coordinator, car_of(account, "Ada")):
        first = coordinator.async_add_listener(fail)
        second = coordinator.async_add_listener(lambda: received.append("entity"))
        coordinator.async_update_listeners()
        first()
        second()
    assert received == ["entity", "entity"]
    assert_logged(caplog)


async def test_a_listener_of_the_bill_fails_for_itself(
    account: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    received: list[str] = []
    usage = account.runtime_data.usage
    usage.async_add_listener(fail)
    usage.async_add_listener(lambda: received.append("bill"))
    usage.async_count(Charge.DATA)
    assert received == ["bill"]
    assert_logged(caplog)


async def test_a_listener_of_the_notices_fails_for_itself(
    hass: HomeAssistant, account: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    received: list[object] = []
    publisher: OutageEventPublisher = account.runtime_data.publisher
    publisher.listeners[:] = [fail, received.append]
    account.runtime_data.drill._publish_end("over", None, notified=False)
    assert len(received) == 1
    assert_logged(caplog)


async def test_a_platform_that_fails_keeps_no_vehicle_away(
    account: MockConfigEntry,
    simulator: Simulator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    manager, added = account.runtime_data.vehicle_manager, list[str]()
    manager._listeners.insert(0, fail)
    manager._listeners.append(lambda cars: added.extend(car.vehicle.id for car in cars))
    manager._discover({"vin": VIN}, dt_util.utcnow())
    assert added == [VIN]
    assert_logged(caplog)


async def test_a_failing_stop_of_bluetooth_does_not_prevent_storing(
    account: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        async def async_stop(self) -> None:
            await asyncio.sleep(0)
            fail()

    car = car_of(account, "Ada")
    local: Callable[[], object] = Broken
    object.__setattr__(car, "bluetooth", local())
    await account.runtime_data.vehicle_manager.async_stop()
    car.bluetooth = None
    assert_logged(caplog)
