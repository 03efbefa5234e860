"""The work for one answer does not grow with the number of vehicles."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
import time
from typing import Any
from unittest.mock import patch

import pytest

from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.coordinator import KeycardData
from custom_components.keycard.notifications.notifier import OutageNotifier
from custom_components.keycard.outage.detector import OutageDetector
from custom_components.keycard.outage.models import Assessment, Scope, Status
from custom_components.keycard.outage.vehicle_calls import VehicleCallHealth
from custom_components.keycard.runtime.host_poller import HostPoller
from custom_components.keycard.runtime.vehicle_coordinator import VehicleCoordinator
from custom_components.keycard.runtime.vehicle_poller import CallType, VehiclePoller
from custom_components.keycard.transport.http import HttpResult
from custom_components.keycard.transport.result import ApiCall
from custom_components.keycard.vehicle.keys import PhysicalKey
from custom_components.keycard.vehicle.state import VehicleState
from simulator import Simulator
from tests.conftest import SetUp, state_of, until

BATTERY = "sensor.ada_battery"
VIN = "LRW3E7EK4NC123456"
OUTAGE = Assessment(status=Status.OUTAGE, scope=Scope.REGION, affected=None)


def fail(*_: Any, **__: Any) -> None:
    """Fail as broken code does, with a VIN in the text."""
    raise KeyError(VIN)


def answer(body: dict[str, Any] | list[Any], status: int = 200) -> ApiCall:
    """Return the answer of a call that was sent just now."""
    http = HttpResult(sent_at=time.monotonic(), elapsed=0.0, status=status)
    return ApiCall(answer=http, body={"response": body} if status == 200 else None)


def summary(data: KeycardData, vin: str, state: str = "online") -> None:
    """Let the answer to a summary call for a vehicle arrive."""
    assert data.vehicle_poller is not None
    data.vehicle_poller._on_call(
        CallType.SUMMARY, vin, answer({"vin": vin, "state": state})
    )


def count_calls(
    stack: ExitStack, counted: Counter[str], class_: type, name: str
) -> None:
    """Count the calls of a method."""
    method = getattr(class_, name)

    def counting(*args: Any, **kwargs: Any) -> Any:
        counted[name] += 1
        return method(*args, **kwargs)

    stack.enter_context(patch.object(class_, name, counting))


@pytest.fixture
def without_requests() -> Iterator[None]:
    """Keep the entry from adding entities and from making requests."""
    with (
        patch("custom_components.keycard.PLATFORMS", []),
        patch.object(VehiclePoller, "_schedule_vehicle"),
        patch.object(VehiclePoller, "async_schedule"),
        patch.object(HostPoller, "async_schedule"),
    ):
        yield


async def work_per_answer(
    hass: HomeAssistant, entry: MockConfigEntry, number: int
) -> Counter[str]:
    """Return the work for one answer of one of so many vehicles."""
    data: KeycardData = entry.runtime_data
    vins = [f"LRW3E7EK4NC{index:06}" for index in range(number)]
    listed = [{"vin": vin, "state": "online"} for vin in vins]
    assert data.vehicle_poller is not None
    data.vehicle_poller._on_call(CallType.PRODUCTS, None, answer(listed))
    await until(hass, lambda: len(data.vehicles) == number)
    for vin in vins:
        summary(data, vin)
    counted: Counter[str] = Counter()
    for coordinator in data.vehicles.values():
        coordinator.async_add_listener(lambda: counted.update(["vehicle listeners"]))
    data.coordinator.async_add_listener(lambda: counted.update(["cloud listeners"]))
    with ExitStack() as stack:
        count_calls(stack, counted, OutageDetector, "assess")
        count_calls(stack, counted, VehicleCoordinator, "async_publish")
        for name in ("confirm", "expire_commands", "is_working", "next_at"):
            count_calls(stack, counted, VehicleCallHealth, name)
        summary(data, vins[0], "asleep")
    return counted


@pytest.mark.usefixtures("without_requests")
@pytest.mark.parametrize("number", [1, 10, 100])
async def test_one_answer(
    hass: HomeAssistant,
    compatible_entry: MockConfigEntry,
    set_up: SetUp,
    number: int,
) -> None:
    await set_up(compatible_entry)
    counted = await work_per_answer(hass, compatible_entry, number)
    assert counted == {
        "vehicle listeners": 1,
        "assess": 1,
        "async_publish": 1,
        # Of the vehicle, and of the account.
        "expire_commands": 2,
        "is_working": 1,
        "next_at": 1,
    }


@pytest.mark.usefixtures("without_requests")
async def test_a_list_without_a_change(
    hass: HomeAssistant, compatible_entry: MockConfigEntry, set_up: SetUp
) -> None:
    await set_up(compatible_entry)
    await work_per_answer(hass, compatible_entry, 10)
    data: KeycardData = compatible_entry.runtime_data
    poller = data.vehicle_poller
    assert poller is not None
    counted: Counter[str] = Counter()

    async def listed(state: str, at: int) -> Counter[str]:
        """Return the work for a list, and for the update a minute later."""
        counted.clear()
        config = {"can_actuate_trunks": True, "timestamp": at}
        products = [
            {"vin": vin, "state": state, "vehicle_config": config}
            for vin in data.vehicles
        ]
        poller._on_call(CallType.PRODUCTS, None, answer(products))
        data.coordinator._async_update_aging()
        await data.vehicle_manager.async_wait_until_added()
        return +counted

    with ExitStack() as stack:
        count_calls(stack, counted, VehicleCoordinator, "async_publish")
        count_calls(stack, counted, VehicleState, "with_summary")
        await listed("online", 1)
        assert not await listed("online", 2)
        assert await listed("asleep", 3) == {"async_publish": 10, "with_summary": 10}


@pytest.mark.usefixtures("without_requests")
async def test_a_changed_assessment_updates_all_vehicles(
    hass: HomeAssistant, compatible_entry: MockConfigEntry, set_up: SetUp
) -> None:
    await set_up(compatible_entry)
    await work_per_answer(hass, compatible_entry, 3)
    data: KeycardData = compatible_entry.runtime_data
    updated: list[str] = []
    for vin, coordinator in data.vehicles.items():
        coordinator.async_add_listener(partial(updated.append, vin))
    host = data.detector.host_monitor.tracker(data.region)
    host.verified = host.down = True
    with patch.object(OutageDetector, "assess", return_value=OUTAGE) as assess:
        data.detector.assessment = OUTAGE
        summary(data, next(iter(data.vehicles)))
        assert assess.call_count == 1
    assert sorted(set(updated)) == sorted(data.vehicles)
    keys = {one.data.key_to_take for one in data.vehicles.values()}
    assert keys == {PhysicalKey.KEYCARD}


@pytest.mark.usefixtures("without_requests")
async def test_many_vehicles_are_updated_in_several_turns(
    hass: HomeAssistant, compatible_entry: MockConfigEntry, set_up: SetUp
) -> None:
    await set_up(compatible_entry)
    await work_per_answer(hass, compatible_entry, 50)
    data: KeycardData = compatible_entry.runtime_data
    turn = 0
    updated: list[tuple[int, str]] = []
    for vin, coordinator in data.vehicles.items():
        coordinator.async_add_listener(
            partial(lambda vin: updated.append((turn, vin)), vin)
        )
    with patch.object(OutageDetector, "assess", return_value=OUTAGE):
        data.detector.assessment = OUTAGE
        summary(data, next(iter(data.vehicles)), "asleep")
        # The keys are known at once.
        assert {one.actual.key_to_take for one in data.vehicles.values()} == {
            PhysicalKey.KEYCARD
        }
        while data.vehicle_manager._steps_task is not None:
            await asyncio.sleep(0)
            turn += 1
    assert [vin for _, vin in updated] == list(data.vehicles)
    assert max(Counter(turn for turn, _ in updated).values()) == 20


@pytest.mark.usefixtures("without_requests")
async def test_notifications_in_an_outage(
    hass: HomeAssistant, compatible_entry: MockConfigEntry, set_up: SetUp
) -> None:
    await set_up(compatible_entry)
    await work_per_answer(hass, compatible_entry, 3)
    data: KeycardData = compatible_entry.runtime_data
    vins = list(data.vehicles)
    counted: Counter[str] = Counter()

    async def answered(vin: str, state: str) -> int:
        """Return how often the notifier decides after an answer."""
        counted.clear()
        summary(data, vin, state)
        for _ in range(3):
            await asyncio.sleep(0)
        return counted["_situations"]

    with (
        ExitStack() as stack,
        patch.object(OutageDetector, "assess", return_value=OUTAGE),
    ):
        count_calls(stack, counted, OutageNotifier, "_situations")
        data.detector.assessment = OUTAGE
        assert await answered(vins[0], "online") == 1
        for state in ("asleep", "online", "offline"):
            assert await answered(vins[0], state) == 0
        vehicle = data.vehicles[vins[1]].vehicle
        vehicle.state = replace(
            vehicle.state or VehicleState(vin=vins[1]), locked=False
        )
        assert await answered(vins[1], "online") == 1


async def test_states_that_do_not_change_are_not_written(
    hass: HomeAssistant, account: MockConfigEntry
) -> None:
    data: KeycardData = account.runtime_data
    coordinator = next(
        one for one in data.vehicles.values() if one.vehicle.name == "Ada"
    )
    vehicle, distance = coordinator.vehicle, "sensor.ada_range"

    def drive(**changed: Any) -> None:
        assert vehicle.state is not None
        vehicle.state = replace(vehicle.state, **changed)
        coordinator.async_publish()

    drive(battery_level=50)
    before = state_of(hass, BATTERY), state_of(hass, distance)
    drive(battery_range=123.0)
    assert state_of(hass, BATTERY).last_reported == before[0].last_reported
    assert state_of(hass, distance).state != before[1].state
    drive(battery_level=49)
    assert state_of(hass, BATTERY).state == "49"


async def test_data_are_shown_though_the_detector_fails(
    hass: HomeAssistant,
    simulator: Simulator,
    account: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    data: KeycardData = account.runtime_data
    ada = simulator.cars["Ada"]
    assert data.vehicle_poller is not None
    monkeypatch.setattr("custom_components.keycard.runtime.vehicle_poller.SOON", 0.0)

    def is_shown(level: int) -> bool:
        return state_of(hass, BATTERY).state == str(level)

    for name in (
        *("assess", "observe_call", "waive_recovery_proof"),
        *("calls_work", "vehicles_with_working_calls"),
    ):
        monkeypatch.setattr(data.detector, name, fail)
    for level in (41.0, 42.0, 43.0):
        ada.battery_level = level
        data.vehicle_poller.async_request_data(ada.vin)
        await until(hass, partial(is_shown, round(level)))
        data.coordinator._async_assess()
        data.coordinator._async_update_aging()
    errors = [one for one in caplog.messages if "Error in the detector" in one]
    assert len(errors) == 1
    assert VIN not in caplog.text

    # It is logged again once the detector has worked in between.
    monkeypatch.undo()
    data.coordinator._async_assess()
    monkeypatch.setattr(data.detector, "assess", fail)
    data.coordinator._async_assess()
    errors = [one for one in caplog.messages if "Error in the detector" in one]
    assert len(errors) == 2
