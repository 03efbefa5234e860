"""Many vehicles: their summaries come with the product list, and some one by one."""

from collections import Counter
from collections.abc import Callable, Coroutine
from math import ceil, inf
from random import Random
from typing import Any
from unittest.mock import Mock

import pytest

from homeassistant.core import HomeAssistant

from custom_components.keycard.outage.account import AccountStatus
from custom_components.keycard.outage.detector import OutageDetector
from custom_components.keycard.runtime import vehicle_poller
from custom_components.keycard.runtime.vehicle_poller import (
    JITTER,
    CallType,
    VehiclePoller,
)
from custom_components.keycard.transport.cloud import FleetClient
from custom_components.keycard.transport.http import HttpResult
from custom_components.keycard.transport.result import ApiCall
from custom_components.keycard.vehicle.poll_schedule import (
    DEFAULT_PACE,
    INTERVALS,
    SUMMARY_INTERVAL,
    TURN_INTERVAL,
    DataPollSchedule,
    Pace,
    next_turns,
    turn_due_at,
)
from custom_components.keycard.vehicle.state import ConnectivityState, VehicleState
from custom_components.keycard.vehicle.vehicle import Vehicle

HOUR = 3600


def fleet(number: int) -> list[str]:
    return [f"LRW3E7EK4NC{index:06}" for index in range(number)]


@pytest.mark.parametrize("number", [6, 10, 50, 100, 200])
def test_every_vehicle_has_a_turn_and_every_model_one_a_minute(number: int) -> None:
    models = dict.fromkeys(fleet(number), "model3")
    models[fleet(number)[-1]] = "models"
    requested_at = dict.fromkeys(models, 0.0)
    most = 0
    for minute in range(1, 60):
        due_at = {vin: turn_due_at(at, inf) for vin, at in requested_at.items()}
        turns = next_turns(models, due_at, minute * SUMMARY_INTERVAL)
        most = max(most, len(turns))
        assert len(set(turns)) == len(turns)
        assert {models[vin] for vin in turns} == {"model3", "models"}
        for vin in turns:
            requested_at[vin] = minute * SUMMARY_INTERVAL
        if minute * SUMMARY_INTERVAL > TURN_INTERVAL:
            oldest = minute * SUMMARY_INTERVAL - min(requested_at.values())
            assert oldest <= TURN_INTERVAL + SUMMARY_INTERVAL
    assert most <= number * SUMMARY_INTERVAL / TURN_INTERVAL + 2


def test_data_that_are_due_replace_a_turn() -> None:
    assert turn_due_at(100.0, 100.0 + TURN_INTERVAL) == 100.0 + 2 * TURN_INTERVAL
    assert turn_due_at(100.0, 101.0 + TURN_INTERVAL) == 100.0 + TURN_INTERVAL
    assert turn_due_at(100.0, inf) == 100.0 + TURN_INTERVAL


class ManualTimer:
    """Timer of a poller that expires when a test says so."""

    def __init__(self, polls: Polls, action: Callable[[], None]) -> None:
        self._polls = polls
        self._action = action
        self.expires_at = inf

    @property
    def is_scheduled(self) -> bool:
        return self.expires_at < inf

    def async_schedule(self, delay: float) -> None:
        self.expires_at = self._polls.monotonic + max(0.0, delay)

    def async_cancel(self) -> None:
        self.expires_at = inf

    def expire(self) -> None:
        self.expires_at = inf
        self._action()


class Polls:
    """A poller of many vehicles whose requests are only counted."""

    def __init__(
        self,
        hass: HomeAssistant,
        monkeypatch: pytest.MonkeyPatch,
        number: int,
        *,
        third_party: bool = False,
    ) -> None:
        self.monotonic = 1000.0
        self.timers: list[ManualTimer] = []
        self.vehicles = {vin: Vehicle.from_vin(vin) for vin in fleet(number)}
        self.requests: Counter[str] = Counter()
        self.by_vehicle: Counter[str | None] = Counter()
        self.unsteady: set[str] = set()
        self.expired = 0
        """Number of timers that expired."""

        self.pace = DEFAULT_PACE
        self.list_works = True
        detector = Mock(spec=OutageDetector, third_party=third_party)
        detector.calls_steady = lambda vin: vin not in self.unsteady
        detector.next_call.return_value = float("inf")
        detector.calls_due.return_value = []
        clock = Mock(monotonic=lambda: self.monotonic)
        monkeypatch.setattr(vehicle_poller, "time", clock)
        monkeypatch.setattr(vehicle_poller, "Timer", self._make_timer)
        self.poller = VehiclePoller(
            hass=hass,
            client=Mock(spec=FleetClient, supports_refresh=False),
            detector=detector,
            account=AccountStatus(),
            get_vehicle=self.vehicles.__getitem__,
            on_call=Mock(),
            on_slow_call=Mock(),
            pace=lambda: self.pace,
            interval_factor=lambda: 1.0,
            random=Random(1),
        )
        monkeypatch.setattr(self.poller, "_async_create_task", self._finish)
        monkeypatch.setattr(self.poller, "_async_call", self._call)
        self.poller.async_start(dict.fromkeys(self.vehicles))

    def _make_timer(self, _: HomeAssistant, action: Callable[[], None]) -> ManualTimer:
        timer = ManualTimer(self, action)
        self.timers.append(timer)
        return timer

    def _finish(self, call: Coroutine[Any, Any, object]) -> None:
        """Run a request to its end, which waits for nothing."""
        with pytest.raises(StopIteration):
            call.send(None)

    async def _call(self, call_type: CallType, vin: str | None) -> ApiCall:
        self.requests[call_type] += 1
        self.by_vehicle[vin] += 1
        if call_type is CallType.PRODUCTS and self.list_works:
            for listed in self.vehicles:
                self.poller.async_handle_listed(listed)
        return ApiCall(
            answer=HttpResult(sent_at=self.monotonic, elapsed=0.1, status=200),
            body={"response": {"charge_state": {"battery_level": 50}}},
        )

    def run(self, seconds: int) -> None:
        """Let time pass, and count the requests anew."""
        self.requests.clear()
        self.by_vehicle.clear()
        self.expired = 0
        end = self.monotonic + seconds
        while True:
            timer = min(self.timers, key=lambda timer: timer.expires_at)
            if timer.expires_at > end:
                break
            self.monotonic = max(self.monotonic, timer.expires_at)
            timer.expire()
            self.expired += 1
        self.monotonic = end


@pytest.mark.parametrize(("number", "most"), [(10, 2), (100, 14)])
def test_few_requests_for_many_vehicles(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, number: int, most: int
) -> None:
    polls = Polls(hass, monkeypatch, number)
    polls.run(600)
    polls.run(HOUR)
    assert 57 <= polls.requests[CallType.PRODUCTS] <= 60
    assert polls.requests[CallType.SUMMARY] <= 60 * most
    # The good answer of a call for a vehicle counts for ten minutes.
    assert min(polls.by_vehicle[vin] for vin in polls.vehicles) >= 7
    # A list postpones the summaries of its vehicles without a timer of each.
    assert polls.expired <= 2 * polls.requests.total() + 120


def test_requests_for_data_count_as_turns(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls = Polls(hass, monkeypatch, 100)
    for vin, vehicle in polls.vehicles.items():
        vehicle.state = VehicleState(
            vin=vin, year=2022, presence=ConnectivityState.ONLINE, locked=True
        )
    polls.run(1200)
    polls.run(HOUR)
    assert 280 <= polls.requests[CallType.DATA] <= 320
    # Fewer than 14 in each minute, though the data of all come at the same time.
    assert polls.requests[CallType.SUMMARY] <= 790
    assert min(polls.by_vehicle[vin] for vin in polls.vehicles) >= 7


def test_another_pace_takes_effect_within_a_minute(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls = Polls(hass, monkeypatch, 10)
    # Otherwise the intervals would grow, as the data stay the same.
    monkeypatch.setattr(DataPollSchedule, "record_result", Mock())
    for vin, vehicle in polls.vehicles.items():
        vehicle.state = VehicleState(
            vin=vin, year=2022, presence=ConnectivityState.ONLINE, shift_state="d"
        )
    polls.run(3 * HOUR)
    driving = INTERVALS[polls.pace].driving
    assert polls.requests[CallType.DATA] <= 10 * 3 * HOUR / driving
    fresher = INTERVALS[Pace.FRESHER].driving * (1 + JITTER)
    while polls.requests[CallType.DATA]:
        polls.run(ceil(fresher))
    polls.pace = Pace.FRESHER
    polls.run(60)
    assert polls.requests[CallType.DATA] == 10


@pytest.mark.parametrize("number", [1, 5])
def test_few_vehicles_are_polled_one_by_one(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    polls = Polls(hass, monkeypatch, number)
    polls.run(HOUR)
    assert polls.requests[CallType.PRODUCTS] <= 7
    assert polls.requests[CallType.SUMMARY] >= 57 * number


def test_a_third_party_is_asked_for_each_vehicle(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls = Polls(hass, monkeypatch, 10, third_party=True)
    polls.run(HOUR)
    assert polls.requests[CallType.PRODUCTS] <= 7
    assert polls.requests[CallType.SUMMARY] >= 570


def test_the_list_does_not_replace_calls_that_fail(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls = Polls(hass, monkeypatch, 10)
    failing, *others = polls.vehicles
    polls.unsteady = {failing}
    polls.run(HOUR)
    assert polls.by_vehicle[failing] >= 57
    assert max(polls.by_vehicle[vin] for vin in others) < 20


def test_without_a_list_each_vehicle_is_polled(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls = Polls(hass, monkeypatch, 10)
    polls.run(600)
    polls.list_works = False
    polls.run(240)
    assert min(polls.by_vehicle[vin] for vin in polls.vehicles) >= 2
    polls.run(HOUR)
    assert min(polls.by_vehicle[vin] for vin in polls.vehicles) >= 57
