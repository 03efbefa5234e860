"""The calls for an account: rarely, and never without a reason."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from math import inf
from random import Random
import time
from typing import Any

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.util import dt as dt_util

from ..const import DOMAIN
from ..outage.account import AccountStatus, Category
from ..outage.classifier import classify
from ..outage.detector import OutageDetector
from ..outage.evidence import Classification, Reason, RequestType, Subject, Verdict
from ..outage.models import Subsystem
from ..transport.cloud import FleetClient
from ..transport.result import ApiCall
from ..vehicle.poll_schedule import (
    PRODUCTS_INTERVAL,
    SUMMARY_INTERVAL,
    DataPollSchedule,
)
from ..vehicle.product_list import parse_products
from ..vehicle.state import JsonObject, has_data, unwrap_response
from ..vehicle.third_party_cache import ThirdPartyCache
from ..vehicle.vehicle import Vehicle

JITTER = 0.05
SOON = 2.0


class CallType(StrEnum):
    """What is called for."""

    PRODUCTS = "products"
    SUMMARY = "summary"
    DATA = "data"
    REFRESH = "refresh"
    """Data that a server has to ask the car for, instead of serving what it keeps."""

    @property
    def kind(self) -> RequestType:
        """Return as what an answer is judged."""
        return RequestType.DATA if self in _OF_DATA else RequestType.CALL


_OF_DATA = frozenset({CallType.DATA, CallType.REFRESH})


def classify_call(
    ask: CallType, call: ApiCall, *, third_party: bool = False
) -> Classification:
    """Read what a call brought; a 2xx without what is due says nothing good."""
    if ask is CallType.REFRESH and call.answer.status == 402:
        # Everything else is served without credits, too.
        return _NO_CREDITS
    readable = None
    if 200 <= (call.answer.status or 0) < 300:
        readable = call.body is not None and _HELD_BACK[ask](call.body)
    return classify(ask.kind, call.answer, readable=readable, third_party=third_party)


_NO_CREDITS = Classification(
    subject=Subject.THIRD_PARTY, verdict=Verdict.BAD, reason=Reason.PAYMENT
)
_HELD_BACK: Mapping[CallType, Callable[[JsonObject], bool]] = {
    CallType.PRODUCTS: lambda body: parse_products(body) is not None,
    CallType.SUMMARY: lambda body: "state" in unwrap_response(body),
    CallType.DATA: has_data,
    CallType.REFRESH: has_data,
}


@dataclass(kw_only=True)
class PollTask:
    """When one kind of free call for one car comes next; one at a time."""

    call_type: CallType
    car: str | None
    interval: float
    next_at: float
    running: bool = False


@dataclass(kw_only=True)
class VehiclePoller:
    """Call for the cars of one account.

    The state of each car costs nothing and is asked for every minute; its data are
    billed, and asked for at the pace of what goes on with it. A suspicion of the judge,
    or an outage that seems over, asks sooner. While the account is paused, nothing is.

    A server that keeps data is asked for what it keeps, which is free, and has them
    renewed, which is billed, where they do not move by themselves.
    """

    hass: HomeAssistant
    client: FleetClient
    detector: OutageDetector
    account: AccountStatus
    get_vehicle: Callable[[str], Vehicle]
    on_call: Callable[[CallType, str | None, ApiCall], None]
    interval_factor: Callable[[], float]
    """How much slower money makes it; 1 is not at all."""

    random: Random
    _tasks_due: dict[tuple[CallType, str | None], PollTask] = field(
        default_factory=dict
    )
    _schedules: dict[str, DataPollSchedule] = field(default_factory=dict)
    _caches: dict[str, ThirdPartyCache] = field(default_factory=dict)
    _asking: set[str] = field(default_factory=set)
    """The cars whose data are being asked for."""

    _tasks: set[asyncio.Task[object]] = field(default_factory=set)
    _unsub: CALLBACK_TYPE | None = None
    _stopped: bool = True

    @callback
    def async_start(self, cars: Mapping[str, float | None]) -> None:
        """Begin calling for cars whose data are so many seconds old, if there are any.

        An answer of before a restart counts, so that a restart costs nothing.
        """
        self._stopped = False
        now = time.monotonic()
        self._add(CallType.PRODUCTS, None, PRODUCTS_INTERVAL, now)
        for car, age in cars.items():
            self.async_add_vehicle(car, -inf if age is None or age < 0 else now - age)
        self.async_schedule()

    @callback
    def async_stop(self) -> None:
        """Stop calling, at once: the link goes with the entry."""
        self._stopped = True
        self._cancel_timer()
        for task in self._tasks:
            task.cancel()

    @callback
    def async_add_vehicle(self, car: str, asked_at: float = -inf) -> None:
        """Call for one more car, whose data were asked for before or never."""
        self._add(CallType.SUMMARY, car, SUMMARY_INTERVAL, time.monotonic())
        self._schedules[car] = DataPollSchedule(polled_at=asked_at)
        self._caches[car] = ThirdPartyCache()

    def _add(self, ask: CallType, car: str | None, pace: float, next_at: float) -> None:
        self._tasks_due[ask, car] = PollTask(
            call_type=ask, car=car, interval=pace, next_at=next_at
        )

    @callback
    def async_remove_vehicle(self, car: str) -> None:
        """Call for a car no more."""
        self._tasks_due.pop((CallType.SUMMARY, car), None)
        self._schedules.pop(car, None)
        self._caches.pop(car, None)

    @callback
    def async_request_data(self, car: str) -> None:
        """Ask for a car's data soon: the outcome of a command is not known."""
        if (rhythm := self._schedules.get(car)) is not None:
            rhythm.request(time.monotonic() + SOON)
            self.async_schedule()

    @callback
    def async_expect_change(self, car: str) -> None:
        """Look after a car that has just done what it was told."""
        if (rhythm := self._schedules.get(car)) is not None:
            rhythm.expect_change(time.monotonic())

    @callback
    def async_schedule(self) -> None:
        """Set the timer for the next call."""
        self._cancel_timer()
        if self._stopped:
            return
        now = time.monotonic()
        next_at = min(now + SUMMARY_INTERVAL, *self._next_times(now))
        self._unsub = async_call_later(
            self.hass, max(0.0, next_at - now), self._async_tick
        )

    def _next_times(self, now: float) -> Iterator[float]:
        yield max(self.detector.next_call(), self.account.paused_until)
        yield from (self._due(item) for item in self._tasks_due.values())
        yield from (at for _, at in self._data_due(now))

    def _due(self, item: PollTask) -> float:
        """Return when a free call is due, and allowed."""
        if item.running:
            return inf
        paused, _ = self.account.pause(Category.CALLS, item.car)
        return max(item.next_at, paused)

    def _data_due(self, now: float) -> Iterator[tuple[str, float]]:
        """Say when the data of each car are due that are not being asked for."""
        for name, rhythm in self._schedules.items():
            if name not in self._asking:
                car = self.get_vehicle(name)
                self._caches[name].update_online(online=car.online, monotonic=now)
                billed = not self.client.supports_refresh or self._caches[name].is_stale
                slower = self.interval_factor() if billed else 1.0
                due = rhythm.next_poll_at(
                    car.state, year=car.year, interval_factor=slower, monotonic=now
                )
                paused, _ = self.account.pause(Category.DATA, name)
                yield name, max(due, paused)

    def _cancel_timer(self) -> None:
        if self._unsub is not None:
            self._unsub()
            self._unsub = None

    @callback
    def _async_tick(self, _now: datetime) -> None:
        """Make the calls that are due."""
        self._unsub = None
        now = time.monotonic()
        if now >= self.account.paused_until:
            for car, plane in self.detector.calls_due(now):
                self._async_settle(car, plane, now)
        for item in list(self._tasks_due.values()):
            if self._due(item) <= now:
                self._async_run(item, now)
        for car, at in list(self._data_due(now)):
            if at <= now:
                self._async_ask_data(car, now)
        self.async_schedule()

    @callback
    def _async_settle(self, car: str | None, plane: Subsystem, now: float) -> None:
        """Ask again beside the rounds, to settle a suspicion."""
        if car is None:
            self._async_task(self._async_call(CallType.PRODUCTS, None))
        elif plane is Subsystem.API:
            self._async_task(self._async_call(CallType.SUMMARY, car))
        elif (rhythm := self._schedules.get(car)) and self.get_vehicle(car).online:
            rhythm.request(now)

    @callback
    def _async_run(self, item: PollTask, now: float) -> None:
        item.running = True
        item.next_at = now + item.interval * self._jitter()
        self._async_task(self._async_round(item))

    @callback
    def _async_ask_data(self, car: str, now: float) -> None:
        self._asking.add(car)
        rhythm = self._schedules[car]
        wanted = rhythm.is_requested(now) or (
            rhythm.expects_change and self.interval_factor() < inf
        )
        rhythm.record_poll(now, jitter=self._jitter())
        self._async_task(self._async_data(car, wanted=wanted))

    def _jitter(self) -> float:
        return 1 + self.random.uniform(0, JITTER)

    def _async_task(self, call: Coroutine[Any, Any, object]) -> None:
        task = self.hass.async_create_background_task(call, f"{DOMAIN} calls")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _async_round(self, item: PollTask) -> None:
        try:
            await self._async_call(item.call_type, item.car)
        finally:
            item.running = False
            self.async_schedule()

    async def _async_data(self, car: str, *, wanted: bool) -> None:
        before = self.get_vehicle(car).data_at
        try:
            await self._async_call(CallType.DATA, car)
            if self.client.supports_refresh:
                await self._async_refresh(car, before, wanted=wanted)
        finally:
            self._asking.discard(car)
            if (rhythm := self._schedules.get(car)) is not None:
                rhythm.record_result(is_new=self.get_vehicle(car).data_at != before)
            self.async_schedule()

    async def _async_refresh(
        self, name: str, before: datetime | None, *, wanted: bool
    ) -> None:
        """Have data renewed that a server keeps, if they do not move by themselves."""
        cache, now = self._caches.get(name), time.monotonic()
        if self._stopped or cache is None:
            return
        car = self.get_vehicle(name)
        news = car.data_at != before
        cache.record_data(
            is_new=news, age=car.data_age(dt_util.utcnow()), monotonic=now
        )
        spent = self.interval_factor() == inf
        wants = cache.should_refresh(
            now, is_new=news, requested=wanted, budget_spent=spent
        )
        if not (car.online and wants):
            return
        call = await self._async_call(CallType.REFRESH, name)
        if call.answer.status == 402:
            cache.record_no_credits(time.monotonic())
        elif call.body is not None and not has_data(call.body):
            # It may tell no more than that it has done so.
            await self._async_call(CallType.DATA, name)

    async def _async_call(self, ask: CallType, car: str | None) -> ApiCall:
        if car is None:
            call = await self.client.products()
        elif ask is CallType.SUMMARY:
            call = await self.client.vehicle(car)
        elif ask is CallType.DATA:
            call = await self.client.vehicle_data(car)
        else:
            call = await self.client.refresh(car)
        if not self._stopped:
            self.on_call(ask, car, call)
        return call
