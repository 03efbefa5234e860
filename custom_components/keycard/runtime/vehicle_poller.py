"""Poll the vehicles of an account."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from math import inf
from random import Random
import time
from typing import Any

from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from ..const import DOMAIN
from ..helpers.timer import Timer
from ..outage.account import AccountStatus, Category
from ..outage.classifier import classify
from ..outage.detector import OutageDetector
from ..outage.evidence import Classification, Reason, RequestType, Subject, Verdict
from ..outage.host_monitor import GOOD_WITHIN
from ..outage.models import Subsystem
from ..transport.cloud import FleetClient
from ..transport.result import ApiCall
from ..vehicle.poll_schedule import (
    MAX_SINGLE_SUMMARIES,
    PRODUCTS_INTERVAL,
    SUMMARY_INTERVAL,
    DataPollSchedule,
    Pace,
    next_turns,
    turn_due_at,
)
from ..vehicle.product_list import parse_products
from ..vehicle.state import (
    ConnectivityState,
    JsonObject,
    VehicleState,
    has_data,
    unwrap_response,
)
from ..vehicle.third_party_cache import ThirdPartyCache
from ..vehicle.vehicle import Vehicle

JITTER = 0.05
SOON = 2.0

# Seconds between the first requests for two vehicles.
START_GAP = 0.05

# Longest time (s) until the polls of a vehicle are looked at again while the budget
# lengthens their intervals, by a factor that changes with time.
LONGEST_TIMER = 3 * SUMMARY_INTERVAL

# The product list is overdue after so many seconds, and a random part of an interval.
OVERDUE_AFTER = 1.5 * SUMMARY_INTERVAL


class CallType(StrEnum):
    """Type of an API call."""

    PRODUCTS = "products"
    SUMMARY = "summary"
    DATA = "data"
    REFRESH = "refresh"
    """Data that a third party requests from the vehicle, instead of cached ones."""

    @property
    def kind(self) -> RequestType:
        """Return the request type by which answers are classified."""
        return RequestType.DATA if self in _DATA_CALLS else RequestType.CALL


_MAYBE_ONLINE = frozenset({ConnectivityState.ONLINE, ConnectivityState.UNKNOWN})
_DATA_CALLS = frozenset({CallType.DATA, CallType.REFRESH})


def classify_call(
    call_type: CallType, call: ApiCall, *, third_party: bool = False
) -> Classification:
    """Classify an API call; a 2xx without the requested content is not good."""
    if call_type is CallType.REFRESH and call.answer.status == 402:
        # Cached data are served without credits.
        return _NO_CREDITS
    readable = None
    if 200 <= (call.answer.status or 0) < 300:
        readable = call.body is not None and _HAS_CONTENT[call_type](call.body)
    return classify(
        call_type.kind, call.answer, readable=readable, third_party=third_party
    )


def _is_worth_a_retry(meaning: Classification) -> bool:
    """Return whether data failed for a reason that may soon be over.

    What the vehicle or the account refuse, it refuses again.
    """
    if meaning.verdict is not Verdict.BAD:
        return False
    refused = meaning.subject in (Subject.CAR, Subject.ACCOUNT)
    return not refused or meaning.reason is Reason.RATE_LIMITED


_NO_CREDITS = Classification(
    subject=Subject.THIRD_PARTY, verdict=Verdict.BAD, reason=Reason.PAYMENT
)
_HAS_CONTENT: Mapping[CallType, Callable[[JsonObject], bool]] = {
    CallType.PRODUCTS: lambda body: parse_products(body) is not None,
    CallType.SUMMARY: lambda body: "state" in unwrap_response(body),
    CallType.DATA: has_data,
    CallType.REFRESH: has_data,
}


@dataclass(kw_only=True)
class FreePoll:
    """Regular poll that is not billed; times are monotonic seconds."""

    interval: float
    next_at: float
    running: bool = False
    started_at: float = -inf

    def start(self, monotonic: float, random: Random) -> None:
        """Start a poll and plan the next one.

        The first interval gives it a random phase: homes that start together must not
        poll together.
        """
        is_first = self.started_at == -inf
        jitter = random.random() if is_first else 1 + random.uniform(0, JITTER)
        self.running, self.started_at = True, monotonic
        self.next_at = monotonic + self.interval * jitter

    def due_at(self, paused_until: float) -> float:
        """Return when the next poll is due."""
        return inf if self.running else max(self.next_at, paused_until)


@dataclass(kw_only=True)
class VehiclePolls:
    """Polls of one vehicle, with the timer of the next one."""

    timer: Timer
    summary: FreePoll
    schedule: DataPollSchedule
    cache: ThirdPartyCache = field(default_factory=ThirdPartyCache)
    requested_at: float = -inf
    """Time of the last request for this vehicle alone."""

    data_due_at: float = inf
    """Time at which the data are due, as of the last look at the polls."""

    data_running: bool = False
    listed: bool = False
    """The summary is due only if the product list is overdue."""

    scheduled_state: VehicleState | None = None
    """The state of the vehicle for which the timer was last set."""


class VehiclePoller:
    """Poll the vehicles of an account.

    The summary of each vehicle is free and polled every minute; its data are billed,
    and polled at intervals that depend on its state and on the budget. A suspicion of
    the detector makes calls due at once. Nothing is polled while calls are paused.

    The product list has the summaries of many vehicles of an account in one call. While
    it is answered, only a few of the vehicles are also polled one by one, in turn.

    Data that a third party caches are read, which is free, and refreshed, which is
    billed, only if they do not change by themselves.

    Each vehicle has its own timer. While calls are paused or the budget lengthens
    intervals, it expires so often that it need not follow each change of these. The
    summaries of listed vehicles share one timer, as each list postpones them.
    """

    def __init__(
        self,
        *,
        hass: HomeAssistant,
        client: FleetClient,
        detector: OutageDetector,
        account: AccountStatus,
        get_vehicle: Callable[[str], Vehicle],
        on_call: Callable[[CallType, str | None, ApiCall], None],
        on_slow_call: Callable[[], None],
        pace: Callable[[], Pace],
        interval_factor: Callable[[], float],
        random: Random,
    ) -> None:
        """Initialize without a call.

        `on_slow_call` is called when a poll that is not billed gets no answer in time.
        `pace` is the pace of billed polls, `interval_factor` by how much the budget
        lengthens their intervals.
        """
        self._hass = hass
        self._client = client
        self._detector = detector
        self._account = account
        self._get_vehicle = get_vehicle
        self._on_call = on_call
        self._on_slow_call = on_slow_call
        self._pace = pace
        self._interval_factor = interval_factor
        self._random = random
        self._vehicles: dict[str, VehiclePolls] = {}
        self._products = FreePoll(interval=PRODUCTS_INTERVAL, next_at=-inf)
        self._turns: dict[str, float] = {}
        """When the vehicles whose turn it is are polled one by one."""

        self._timer = Timer(hass, self._async_poll_account)
        self._listed_timer = Timer(hass, self._async_check_listed)
        self._used_pace = pace()
        self._tasks: set[asyncio.Task[object]] = set()
        self._stopped = True

    @callback
    def async_start(self, data_ages: Mapping[str, float | None]) -> None:
        """Start polling; `data_ages` holds the age (s) of each vehicle's data.

        Data from before a restart count, so that a restart costs nothing.
        """
        self._stopped = False
        self._used_pace = self._pace()
        monotonic = time.monotonic()
        for vin, age in data_ages.items():
            polled_at = -inf if age is None or age < 0 else monotonic - age
            self.async_add_vehicle(vin, polled_at)
        self.async_schedule()

    @callback
    def async_stop(self) -> None:
        """Cancel all calls."""
        self._stopped = True
        self._timer.async_cancel()
        self._listed_timer.async_cancel()
        for polls in self._vehicles.values():
            polls.timer.async_cancel()
        for task in self._tasks:
            task.cancel()

    @callback
    def async_add_vehicle(self, vin: str, polled_at: float = -inf) -> None:
        """Add a vehicle whose data were polled before (monotonic) or never."""
        first_at = time.monotonic() + START_GAP * len(self._vehicles)
        polls = self._vehicles[vin] = VehiclePolls(
            timer=Timer(self._hass, lambda: self._async_poll_vehicle(vin)),
            summary=FreePoll(interval=SUMMARY_INTERVAL, next_at=first_at),
            schedule=DataPollSchedule(polled_at=polled_at),
        )
        self._schedule_vehicle(vin, polls)
        if self._lists_summaries and self._products.next_at > (
            list_at := first_at + SUMMARY_INTERVAL
        ):
            self._products.next_at = list_at
            self.async_schedule()

    @callback
    def async_remove_vehicle(self, vin: str) -> None:
        """Remove a vehicle."""
        if (polls := self._vehicles.pop(vin, None)) is not None:
            polls.timer.async_cancel()

    @callback
    def async_request_data(self, vin: str) -> None:
        """Request the data of a vehicle soon, as after a command of unknown result."""
        if (polls := self._vehicles.get(vin)) is not None:
            polls.schedule.request(time.monotonic() + SOON)
            self._schedule_vehicle(vin, polls)

    @callback
    def async_expect_change(self, vin: str) -> None:
        """Poll the data of a vehicle early after an executed command."""
        if (polls := self._vehicles.get(vin)) is not None:
            polls.schedule.expect_change(time.monotonic())
            self._schedule_vehicle(vin, polls)

    @callback
    def async_handle_listed(self, vin: str) -> None:
        """Postpone the next summary of a vehicle that the product list included.

        Unless the next list is overdue, or it is the turn of the vehicle. Calls that do
        not just work are not replaced by the list.
        """
        polls = self._vehicles.get(vin)
        if polls is None or not self._lists_summaries:
            return
        turn = self._turns.pop(vin, None)
        was_listed, polls.listed = polls.listed, False
        if turn is not None:
            polls.summary.next_at = min(polls.summary.next_at, turn)
        elif self._detector.calls_steady(vin):
            polls.listed = True
            overdue = OVERDUE_AFTER + SUMMARY_INTERVAL * self._random.random()
            polls.summary.next_at = time.monotonic() + overdue
            if not self._listed_timer.is_scheduled:
                self._listed_timer.async_schedule(OVERDUE_AFTER)
        changed = self._get_vehicle(vin).state is not polls.scheduled_state
        if turn is not None or changed or (was_listed and not polls.listed):
            self._schedule_vehicle(vin, polls)

    @callback
    def _async_check_listed(self) -> None:
        """Schedule the summaries of listed vehicles whose list is overdue."""
        monotonic, next_at = time.monotonic(), inf
        for vin, polls in self._vehicles.items():
            if polls.listed and polls.summary.next_at <= monotonic:
                polls.listed = False
                self._schedule_vehicle(vin, polls)
            elif polls.listed:
                next_at = min(next_at, polls.summary.next_at)
        if next_at < inf:
            self._listed_timer.async_schedule(next_at - monotonic)

    @property
    def _lists_summaries(self) -> bool:
        """Return whether the product list is polled for the summaries.

        A third party may have answered it from a cache.
        """
        many = len(self._vehicles) > MAX_SINGLE_SUMMARIES
        return many and not self._detector.third_party

    @callback
    def async_schedule(self) -> None:
        """Schedule the next call that the account or the detector needs."""
        if self._stopped:
            return
        monotonic = time.monotonic()
        delay = -monotonic + min(
            max(self._detector.next_call(), self._account.paused_until),
            self._products.due_at(self._paused_until(Category.CALLS, None)),
        )
        if delay < SUMMARY_INTERVAL:
            self._timer.async_schedule(delay)
        elif not self._timer.is_scheduled:
            self._timer.async_schedule(SUMMARY_INTERVAL)

    @callback
    def async_schedule_vehicle(self, vin: str) -> None:
        """Schedule the next call for a vehicle, as after a change of its state."""
        if (polls := self._vehicles.get(vin)) is not None:
            self._schedule_vehicle(vin, polls)

    @callback
    def async_schedule_vehicles(self) -> None:
        """Schedule the next call for each vehicle, as after a change of the budget."""
        for vin, polls in self._vehicles.items():
            self._schedule_vehicle(vin, polls)

    def _schedule_vehicle(self, vin: str, polls: VehiclePolls) -> None:
        if self._stopped or self._vehicles.get(vin) is not polls:
            return
        monotonic = time.monotonic()
        polls.scheduled_state = self._get_vehicle(vin).state
        self._set_timer(polls, self._due_at(vin, polls, monotonic), monotonic)

    def _set_timer(
        self, polls: VehiclePolls, due_at: tuple[float, float], monotonic: float
    ) -> None:
        """Set the timer of a vehicle whose summary and data are due at some times."""
        delay = (due_at[1] if polls.listed else min(due_at)) - monotonic
        if self._account.refuses:
            delay = min(delay, SUMMARY_INTERVAL)
        elif self._interval_factor() > 1:
            delay = min(delay, LONGEST_TIMER)
        if delay < inf:
            polls.timer.async_schedule(delay)
        else:
            polls.timer.async_cancel()

    def _due_at(
        self, vin: str, polls: VehiclePolls, monotonic: float
    ) -> tuple[float, float]:
        """Return when the summary and the data of a vehicle are due."""
        polls.data_due_at = self._data_due_at(vin, polls, monotonic)
        summary_due_at = polls.summary.due_at(self._paused_until(Category.CALLS, vin))
        return summary_due_at, polls.data_due_at

    def _paused_until(self, category: Category, vin: str | None) -> float:
        return self._account.pause(category, vin)[0]

    def _data_due_at(self, vin: str, polls: VehiclePolls, monotonic: float) -> float:
        """Return when the data of a vehicle are due."""
        if polls.data_running:
            return inf
        vehicle = self._get_vehicle(vin)
        polls.cache.update_online(online=vehicle.online, monotonic=monotonic)
        billed = not self._client.supports_refresh or polls.cache.is_stale
        due_at = polls.schedule.next_poll_at(
            vehicle.state,
            pace=self._used_pace if billed else Pace.FRESHER,
            year=vehicle.year,
            interval_factor=self._interval_factor() if billed else 1.0,
            monotonic=monotonic,
        )
        return max(due_at, self._paused_until(Category.DATA, vin))

    @callback
    def _async_poll_account(self) -> None:
        """Make the calls that the account or the detector needs."""
        monotonic = time.monotonic()
        if (pace := self._pace()) is not self._used_pace:
            self._used_pace = pace
            self.async_schedule_vehicles()
        if monotonic >= self._account.paused_until and (
            due := self._detector.calls_due(monotonic)
        ):
            self._async_create_task(self._async_settle_all(due, monotonic))
        if self._products.due_at(self._paused_until(Category.CALLS, None)) <= monotonic:
            self._products.interval = PRODUCTS_INTERVAL
            if self._lists_summaries:
                self._products.interval = SUMMARY_INTERVAL
                self._plan_turns(monotonic)
            self._products.start(monotonic, self._random)
            self._async_create_task(self._async_poll_products())
        self.async_schedule()

    @callback
    def _async_poll_vehicle(self, vin: str) -> None:
        """Make the calls for a vehicle that are due."""
        polls, monotonic = self._vehicles[vin], time.monotonic()
        summary_at, data_at = self._due_at(vin, polls, monotonic)
        if min(summary_at, data_at) > monotonic:
            # It was postponed.
            self._set_timer(polls, (summary_at, data_at), monotonic)
            return
        polls.requested_at = monotonic
        if summary_at <= monotonic:
            polls.listed = False
            polls.summary.start(monotonic, self._random)
            self._async_create_task(self._async_poll_summary(vin, polls))
        if data_at > monotonic:
            # The timer is set again when the summary has come.
            return
        schedule = polls.schedule
        requested = schedule.is_requested(monotonic) or (
            schedule.expects_change and self._interval_factor() < inf
        )
        polls.data_running = True
        schedule.record_poll(monotonic, jitter=self._jitter())
        self._async_create_task(self._async_poll_data(vin, polls, requested=requested))
        self._schedule_vehicle(vin, polls)

    def _plan_turns(self, monotonic: float) -> None:
        """Plan which vehicles to poll one by one until the next product list."""
        vins = next_turns(
            {vin: self._get_vehicle(vin).model for vin in self._vehicles},
            {
                vin: turn_due_at(polls.requested_at, polls.data_due_at)
                for vin, polls in self._vehicles.items()
            },
            monotonic,
        )
        gap = SUMMARY_INTERVAL / len(vins)
        self._turns = {
            vin: monotonic + gap * (index + 0.5) for index, vin in enumerate(vins)
        }

    async def _async_settle_all(
        self, due: Iterable[tuple[str | None, Subsystem]], monotonic: float
    ) -> None:
        """Make the extra calls that settle suspicions, one in each loop turn."""
        for vin, subsystem in due:
            self._async_settle(vin, subsystem, monotonic)
            await asyncio.sleep(0)

    @callback
    def _async_settle(
        self, vin: str | None, subsystem: Subsystem, monotonic: float
    ) -> None:
        """Make an extra call that settles a suspicion."""
        if vin is None:
            self._async_create_task(self._async_call(CallType.PRODUCTS, None))
        elif subsystem is Subsystem.API:
            self._async_create_task(self._async_confirm_summary(vin))
        elif (polls := self._vehicles.get(vin)) is not None:
            state = self._get_vehicle(vin).state
            # After a restart it is not yet known whether the vehicle is online.
            if state is not None and state.presence in _MAYBE_ONLINE:
                polls.schedule.request(monotonic)
                self._schedule_vehicle(vin, polls)

    def _jitter(self) -> float:
        return 1 + self._random.uniform(0, JITTER)

    def _async_create_task(self, call: Coroutine[Any, Any, object]) -> None:
        task = self._hass.async_create_background_task(call, f"{DOMAIN} API call")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _async_poll_products(self) -> None:
        try:
            call = await self._async_call(CallType.PRODUCTS, None)
            if not self._vehicles and parse_products(call.body) is None:
                # Without vehicles, nothing else shows when the cloud works again.
                soon = time.monotonic() + SUMMARY_INTERVAL
                self._products.next_at = min(self._products.next_at, soon)
        finally:
            self._products.running = False
            self.async_schedule()

    async def _async_poll_summary(self, vin: str, polls: VehiclePolls) -> None:
        try:
            await self._async_call(CallType.SUMMARY, vin)
        finally:
            polls.summary.running = False
            self._schedule_vehicle(vin, polls)

    async def _async_confirm_summary(self, vin: str) -> None:
        if (polls := self._vehicles.get(vin)) is not None:
            polls.requested_at = time.monotonic()
        await self._async_call(CallType.SUMMARY, vin)
        if (polls := self._vehicles.get(vin)) is not None:
            self._schedule_vehicle(vin, polls)

    async def _async_poll_data(
        self, vin: str, polls: VehiclePolls, *, requested: bool
    ) -> None:
        vehicle = self._get_vehicle(vin)
        before, answered, failed = vehicle.data_at, False, False
        try:
            call = await self._async_call(CallType.DATA, vin)
            meaning = classify_call(
                CallType.DATA, call, third_party=self._detector.third_party
            )
            answered = call.sent and meaning.verdict is Verdict.GOOD
            failed = not call.sent or _is_worth_a_retry(meaning)
            if self._client.supports_refresh and self._vehicles.get(vin) is polls:
                await self._async_refresh(
                    vehicle, polls.cache, before, requested=requested
                )
        finally:
            polls.data_running = False
            is_new = vehicle.data_at != before
            polls.schedule.record_result(
                is_new=is_new if is_new or answered else None,
                failed=failed and not is_new,
                requested=requested,
            )
            self._schedule_vehicle(vin, polls)

    async def _async_refresh(
        self,
        vehicle: Vehicle,
        cache: ThirdPartyCache,
        before: datetime | None,
        *,
        requested: bool,
    ) -> None:
        """Refresh data that a third party caches, if they do not change themselves."""
        if self._stopped:
            return
        monotonic = time.monotonic()
        is_new = vehicle.data_at != before
        cache.record_data(
            is_new=is_new,
            is_first=is_new and before is None,
            age=vehicle.data_age(dt_util.utcnow()),
            monotonic=monotonic,
        )
        should_refresh = cache.should_refresh(
            monotonic,
            is_new=is_new,
            requested=requested,
            budget_spent=self._interval_factor() == inf,
        )
        if not (vehicle.online and should_refresh):
            return
        call = await self._async_call(CallType.REFRESH, vehicle.id)
        if call.answer.status == 402:
            cache.record_no_credits(time.monotonic())
        elif call.body is not None and not has_data(call.body):
            # The answer may only confirm the refresh.
            await self._async_call(CallType.DATA, vehicle.id)

    async def _async_call(self, call_type: CallType, vin: str | None) -> ApiCall:
        if vin is None:
            call = await self._async_call_free(self._client.products())
        elif call_type is CallType.SUMMARY:
            call = await self._async_call_free(self._client.vehicle(vin))
        elif call_type is CallType.DATA:
            call = await self._client.vehicle_data(vin)
        else:
            call = await self._client.refresh(vin)
        if not self._stopped:
            self._on_call(call_type, vin, call)
        return call

    async def _async_call_free(self, call: Awaitable[ApiCall]) -> ApiCall:
        """Make a call that is answered soon, unless something fails."""
        slow = self._hass.loop.call_later(GOOD_WITHIN, self._on_slow_call)
        try:
            return await call
        finally:
            slow.cancel()
