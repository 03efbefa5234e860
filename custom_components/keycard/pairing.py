"""Asks which cars do not know the key of this home, until all of them do."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
import time

from homeassistant.core import CALLBACK_TYPE, HassJob, callback
from homeassistant.helpers.event import async_call_later

from .const import DOMAIN
from .coordinator import KeycardCoordinator
from .outage.words import Status
from .vehicle.roster import unpaired_in

# The first look is for what a set-up left undone. None of them is billed.
FIRST = 120.0
PACE = 3600.0


@dataclass(kw_only=True)
class Pairing:
    """Know which cars of an entry that signs do not take its key.

    A refused command tells it at once; this looks whether that is still so, and calls
    `found` after each answer.
    """

    coordinator: KeycardCoordinator
    found: Callable[[], None]
    _settled: frozenset[str] = field(default=frozenset(), init=False)
    _unsub: CALLBACK_TYPE | None = field(default=None, init=False)

    @callback
    def async_start(self) -> CALLBACK_TYPE:
        """Look soon, and then from time to time."""
        self._schedule(FIRST)

        @callback
        def stop() -> None:
            if self._unsub is not None:
                self._unsub()

        return stop

    def _schedule(self, delay: float) -> None:
        job = HassJob(self._async_look, cancel_on_shutdown=True)
        self._unsub = async_call_later(self.coordinator.hass, delay, job)

    @callback
    def _async_look(self, _now: datetime) -> None:
        self._schedule(PACE)
        if self._wanted():
            self.coordinator.config_entry.async_create_background_task(
                self.coordinator.hass, self._async_ask(), f"{DOMAIN} asks for its key"
            )

    def _wanted(self) -> bool:
        """Tell whether there is a doubt, and somebody who may be asked."""
        cars, judge = self.coordinator.cars, self.coordinator.judge
        if judge.judgement.status is not Status.OPERATIONAL:
            return False
        if time.monotonic() < judge.account.paused_until:
            return False
        return any(car.car.unpaired for car in cars.values()) or (
            not self._settled >= set(cars)
        )

    async def _async_ask(self) -> None:
        link = self.coordinator.provider.link
        if link is None or not link.signs:
            return
        asked = frozenset(self.coordinator.cars)
        call = await link.fleet_status(sorted(asked))
        unpaired = unpaired_in(call.body, asked)
        if unpaired is None:
            return
        self._settled = asked
        for vin in asked & self.coordinator.cars.keys():
            self.coordinator.cars[vin].car.unpaired = vin in unpaired
        self.found()
