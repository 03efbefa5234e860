"""The calls for an account: rarely, and never without a reason."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from random import Random
import time

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later

from .const import DOMAIN
from .outage.evidence import Kind, Meaning, read
from .outage.judge import Judge
from .outage.words import Plane
from .vehicle.links import Call, CloudLink
from .vehicle.roster import cars_in
from .vehicle.state import JsonObject, has_data, unwrapped

PRODUCTS_PACE = 600.0
SUMMARY_PACE = 60.0
DATA_PACE = 600.0
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
    """When one kind of call for one car comes next; one at a time."""

    ask: Ask
    car: str | None
    pace: float
    next_at: float
    running: bool = False


@dataclass(kw_only=True)
class Poller:
    """Call for the cars of one account.

    The state of each car costs nothing and is asked for every minute; its data are
    billed and asked for every ten minutes while it is online. A suspicion of the judge,
    or an outage that seems over, asks sooner. While the account is paused, nothing is.
    """

    hass: HomeAssistant
    link: CloudLink
    judge: Judge
    online: Callable[[str], bool]
    answered: Callable[[Ask, str | None, Call], None]
    random: Random
    _rounds: dict[tuple[Ask, str | None], Round] = field(default_factory=dict)
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
            fresh = DATA_PACE if age is None or age < 0 else age
            self.async_add_car(car, max(0.0, DATA_PACE - fresh))
        self.async_schedule()

    @callback
    def async_stop(self) -> None:
        """Stop calling, at once: the link goes with the entry."""
        self._stopped = True
        self._cancel_timer()
        for task in self._tasks:
            task.cancel()

    @callback
    def async_add_car(self, car: str, data_in: float = 0.0) -> None:
        """Call for one more car."""
        now = time.monotonic()
        self._add(Ask.SUMMARY, car, SUMMARY_PACE, now)
        self._add(Ask.DATA, car, DATA_PACE, now + data_in)

    def _add(self, ask: Ask, car: str | None, pace: float, next_at: float) -> None:
        self._rounds[ask, car] = Round(ask=ask, car=car, pace=pace, next_at=next_at)

    @callback
    def async_remove_car(self, car: str) -> None:
        """Call for a car no more."""
        for ask in (Ask.SUMMARY, Ask.DATA):
            self._rounds.pop((ask, car), None)

    @callback
    def async_want_data(self, car: str) -> None:
        """Ask for a car's data soon: the outcome of a command is not known."""
        if (item := self._rounds.get((Ask.DATA, car))) is not None:
            item.next_at = time.monotonic() + SOON
            self.async_schedule()

    @callback
    def async_schedule(self) -> None:
        """Set the timer for the next call."""
        self._cancel_timer()
        if self._stopped:
            return
        now = time.monotonic()
        next_at = min(self._next_times(), default=now + SUMMARY_PACE)
        next_at = max(next_at, self.judge.account.paused_until)
        self._unsub = async_call_later(
            self.hass, max(0.0, next_at - now), self._async_tick
        )

    def _next_times(self) -> Iterable[float]:
        yield self.judge.next_call()
        for item in self._rounds.values():
            if not item.running and self._wanted(item):
                yield item.next_at

    def _wanted(self, item: Round) -> bool:
        """Tell whether a round makes sense: data are asked of a car that is online."""
        return item.ask is not Ask.DATA or item.car is None or self.online(item.car)

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
                if not item.running and item.next_at <= now and self._wanted(item):
                    self._async_run(item, now)
        self.async_schedule()

    @callback
    def _async_settle(self, car: str | None, plane: Plane, now: float) -> None:
        """Ask again beside the rounds, to settle a suspicion."""
        if car is None:
            self._async_task(self._async_call(Ask.PRODUCTS, None))
        elif plane is Plane.API:
            self._async_task(self._async_call(Ask.SUMMARY, car))
        elif (item := self._rounds.get((Ask.DATA, car))) and self.online(car):
            item.next_at = min(item.next_at, now)

    @callback
    def _async_run(self, item: Round, now: float) -> None:
        item.running = True
        item.next_at = now + item.pace * (1 + self.random.uniform(0, JITTER))
        self._async_task(self._async_round(item))

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

    async def _async_call(self, ask: Ask, car: str | None) -> None:
        if car is None:
            call = await self.link.products()
        elif ask is Ask.SUMMARY:
            call = await self.link.vehicle(car)
        else:
            call = await self.link.vehicle_data(car)
        if not self._stopped:
            self.answered(ask, car, call)
