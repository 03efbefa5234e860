"""Polls that are not billed: their phase, and those without an answer in time."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from unittest.mock import Mock

import pytest

from homeassistant.core import HomeAssistant

from custom_components.keycard.outage.account import AccountStatus
from custom_components.keycard.outage.detector import OutageDetector
from custom_components.keycard.runtime import vehicle_poller
from custom_components.keycard.runtime.vehicle_poller import (
    CallType,
    FreePoll,
    VehiclePoller,
)
from custom_components.keycard.transport.cloud import FleetClient
from custom_components.keycard.transport.result import ApiCall
from custom_components.keycard.vehicle.poll_schedule import DEFAULT_PACE


def make_poller(
    hass: HomeAssistant, vehicle: Callable[[str], Awaitable[ApiCall]], slow: Mock
) -> VehiclePoller:
    client = Mock(spec=FleetClient)
    client.vehicle = vehicle
    return VehiclePoller(
        hass=hass,
        client=client,
        detector=Mock(spec=OutageDetector),
        account=AccountStatus(),
        get_vehicle=Mock(),
        on_call=Mock(),
        on_slow_call=slow,
        pace=lambda: DEFAULT_PACE,
        interval_factor=lambda: 1.0,
        random=Random(1),
    )


async def test_a_poll_without_an_answer_in_time_is_reported(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vehicle_poller, "GOOD_WITHIN", 0.0)
    reported, answer = asyncio.Event(), Mock(spec=ApiCall)
    slow = Mock(side_effect=reported.set)

    async def call(vin: str) -> ApiCall:
        await reported.wait()
        return answer

    poller = make_poller(hass, call, slow)
    async with asyncio.timeout(60):
        assert await poller._async_call(CallType.SUMMARY, "VIN") is answer
    slow.assert_called_once_with()


async def test_an_answer_or_a_cancellation_ends_the_wait(hass: HomeAssistant) -> None:
    answer, slow = Mock(spec=ApiCall), Mock()

    async def call(vin: str) -> ApiCall:
        return answer

    async def hang(vin: str) -> ApiCall:
        await asyncio.Event().wait()
        return answer

    # A timer that is left fails the test in its teardown.
    poller = make_poller(hass, call, slow)
    assert await poller._async_call(CallType.SUMMARY, "VIN") is answer
    task = asyncio.create_task(
        make_poller(hass, hang, slow)._async_call(CallType.SUMMARY, "VIN")
    )
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    slow.assert_not_called()


def test_the_first_interval_is_a_random_phase() -> None:
    random, phases = Random(1), []
    for _ in range(200):
        poll = FreePoll(interval=60.0, next_at=0.0)
        poll.start(0.0, random)
        phases.append(poll.next_at)
        poll.start(100.0, random)
        assert 160.0 <= poll.next_at <= 163.0

    assert min(phases) < 5.0
    assert max(phases) > 55.0
    assert 25.0 < sum(phases) / len(phases) < 35.0
