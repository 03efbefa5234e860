"""The calls for an account: rarely, and never without a reason."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from math import inf
from random import Random
import time

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later

from .const import DOMAIN
from .outage.evidence import Kind, Meaning, read
from .outage.judge import Judge
from .outage.words import Plane
from .vehicle.links import Call, CloudLink
from .vehicle.pace import Rhythm
from .vehicle.roster import cars_in
from .vehicle.state import JsonObject, has_data, unwrapped
from .vehicle.vehicle import Car

PRODUCTS_PACE = 600.0
SUMMARY_PACE = 60.0
JITTER = 0.05
SOON = 2.0


class Ask(StrEnum):
    """What is called for."""

    PRODUCTS = "products"
    SUMMARY = "summary"
    DATA = "data"


def meaning_of(ask: Ask, call: Call) -> Meaning:
    """Read what a call brought; a 2xx without what is due says nothing good."""
    kind = Kind.DATA if ask is Ask.DATA else Kind.CALL
    readable = None
    if 200 <= (call.answer.status or 0) < 300:
        readable = call.body is not None and _HOLDS[ask](call.body)
    return read(kind, call.answer, readable=readable)


_HOLDS: Mapping[Ask, Callable[[JsonObject], bool]] = {
    Ask.PRODUCTS: lambda body: cars_in(body) is not None,
    Ask.SUMMARY: lambda body: "state" in unwrapped(body),
    Ask.DATA: has_data,
}


@dataclass(kw_only=True)
class Round:
    """When one kind of free call for one car comes next; one at a time."""

    ask: Ask
    car: str | None
    pace: float
    next_at: float
    running: bool = False


@dataclass(kw_only=True)
class Poller:
    """Call for the cars of one account.

    The state of each car costs nothing and is asked for every minute; its data are
    billed, and asked for at the pace of what goes on with it. A suspicion of the judge,
    or an outage that seems over, asks sooner. While the account is paused, nothing is.
    """

    hass: HomeAssistant
    link: CloudLink
    judge: Judge
    car: Callable[[str], Car]
    answered: Callable[[Ask, str | None, Call], None]
    slower: Callable[[], float]
    """How much slower money makes it; 1 is not at all."""

    random: Random
    _rounds: dict[tuple[Ask, str | None], Round] = field(default_factory=dict)
    _rhythms: dict[str, Rhythm] = field(default_factory=dict)
    _asking: set[str] = field(default_factory=set)
    """The cars whose data are being asked for."""

    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _unsub: CALLBACK_TYPE | None = None
    _stopped: bool = True

    @callback
    def async_start(self, cars: Mapping[str, float | None]) -> None:
        """Begin calling for cars whose data are so many seconds old, if there are any.

        An answer of before a restart counts, so that a restart costs nothing.
        """
        self._stopped = False
        now = time.monotonic()
        self._add(Ask.PRODUCTS, None, PRODUCTS_PACE, now)
        for car, age in cars.items():
            self.async_add_car(car, -inf if age is None or age < 0 else now - age)
        self.async_schedule()

    @callback
    def async_stop(self) -> None:
        """Stop calling, at once: the link goes with the entry."""
        self._stopped = True
        self._cancel_timer()
        for task in self._tasks:
            task.cancel()

    @callback
    def async_add_car(self, car: str, asked_at: float = -inf) -> None:
        """Call for one more car, whose data were asked for before or never."""
        self._add(Ask.SUMMARY, car, SUMMARY_PACE, time.monotonic())
        self._rhythms[car] = Rhythm(asked_at=asked_at)

    def _add(self, ask: Ask, car: str | None, pace: float, next_at: float) -> None:
        self._rounds[ask, car] = Round(ask=ask, car=car, pace=pace, next_at=next_at)

    @callback
    def async_remove_car(self, car: str) -> None:
        """Call for a car no more."""
        self._rounds.pop((Ask.SUMMARY, car), None)
        self._rhythms.pop(car, None)

    @callback
    def async_want_data(self, car: str) -> None:
        """Ask for a car's data soon: the outcome of a command is not known."""
        if (rhythm := self._rhythms.get(car)) is not None:
            rhythm.want(time.monotonic() + SOON)
            self.async_schedule()

    @callback
    def async_stir(self, car: str) -> None:
        """Look after a car that has just done what it was told."""
        if (rhythm := self._rhythms.get(car)) is not None:
            rhythm.stir(time.monotonic())

    @callback
    def async_schedule(self) -> None:
        """Set the timer for the next call."""
        self._cancel_timer()
        if self._stopped:
            return
        now = time.monotonic()
        next_at = min(now + SUMMARY_PACE, *self._next_times(now))
        next_at = max(next_at, self.judge.account.paused_until)
        self._unsub = async_call_later(
            self.hass, max(0.0, next_at - now), self._async_tick
        )

    def _next_times(self, now: float) -> Iterator[float]:
        yield self.judge.next_call()
        yield from (item.next_at for item in self._rounds.values() if not item.running)
        yield from (at for _, at in self._data_due(now))

    def _data_due(self, now: float) -> Iterator[tuple[str, float]]:
        """Say when the data of each car are due that are not being asked for."""
        slower = self.slower()
        for name, rhythm in self._rhythms.items():
            if name not in self._asking:
                car = self.car(name)
                yield (
                    name,
                    rhythm.due(car.state, year=car.year, slower=slower, now=now),
                )

    def _cancel_timer(self) -> None:
        if self._unsub is not None:
            self._unsub()
            self._unsub = None

    @callback
    def _async_tick(self, _now: datetime) -> None:
        """Make the calls that are due."""
        self._unsub = None
        now = time.monotonic()
        if now >= self.judge.account.paused_until:
            for car, plane in self.judge.calls_due(now):
                self._async_settle(car, plane, now)
            for item in list(self._rounds.values()):
                if not item.running and item.next_at <= now:
                    self._async_run(item, now)
            for car, at in list(self._data_due(now)):
                if at <= now:
                    self._async_ask_data(car, now)
        self.async_schedule()

    @callback
    def _async_settle(self, car: str | None, plane: Plane, now: float) -> None:
        """Ask again beside the rounds, to settle a suspicion."""
        if car is None:
            self._async_task(self._async_call(Ask.PRODUCTS, None))
        elif plane is Plane.API:
            self._async_task(self._async_call(Ask.SUMMARY, car))
        elif (rhythm := self._rhythms.get(car)) and self.car(car).online:
            rhythm.want(now)

    @callback
    def _async_run(self, item: Round, now: float) -> None:
        item.running = True
        item.next_at = now + item.pace * self._late()
        self._async_task(self._async_round(item))

    @callback
    def _async_ask_data(self, car: str, now: float) -> None:
        self._asking.add(car)
        self._rhythms[car].asked(now, late=self._late())
        self._async_task(self._async_data(car))

    def _late(self) -> float:
        return 1 + self.random.uniform(0, JITTER)

    def _async_task(self, call: Coroutine[None, None, None]) -> None:
        task = self.hass.async_create_background_task(call, f"{DOMAIN} calls")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _async_round(self, item: Round) -> None:
        try:
            await self._async_call(item.ask, item.car)
        finally:
            item.running = False
            self.async_schedule()

    async def _async_data(self, car: str) -> None:
        before = self.car(car).data_at
        try:
            await self._async_call(Ask.DATA, car)
        finally:
            self._asking.discard(car)
            if (rhythm := self._rhythms.get(car)) is not None:
                rhythm.brought(news=self.car(car).data_at != before)
            self.async_schedule()

    async def _async_call(self, ask: Ask, car: str | None) -> None:
        if car is None:
            call = await self.link.products()
        elif ask is Ask.SUMMARY:
            call = await self.link.vehicle(car)
        else:
            call = await self.link.vehicle_data(car)
        if not self._stopped:
            self.answered(ask, car, call)
