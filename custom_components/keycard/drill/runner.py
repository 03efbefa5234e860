"""Runs the drills of one entry: shows them, ends them, and says who is ready."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
import logging
import time
from typing import TYPE_CHECKING, Any

from homeassistant.components import persistent_notification
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers.event import async_call_later
from homeassistant.util import dt as dt_util

from ..const import DOMAIN
from ..notifications.publisher import Bulletin
from ..outage.detector import Judge
from ..outage.models import Judgement
from ..outage.outage_log import Happening, Kind, Notice
from ..outage.stored_values import UNREADABLE, check_form, describe_error, read_time
from ..runtime.storage import LEDGER, StoredRehearsal
from ..runtime.vehicle_coordinator import CarCoordinator
from ..runtime.views import CloudView, keys_by_name, rehearsed_cloud
from ..vehicle.keys import Key
from .listeners import Audience
from .report import CarReadiness, Readiness
from .scenario import Drill, Ending, Plan, UnfitError, on, rehearse

_LOGGER = logging.getLogger(__name__)

# How long after its end a drill may still set off something.
GRACE = 1.0


@dataclass(kw_only=True)
class Rehearsal:
    """The drill of one entry, over what is really judged, and what came of the last.

    `show` shows the cloud anew, `update` all that stands beside it, `keep` has it
    written down. Nothing here reaches the judge, the journal or a car's commands.
    """

    hass: HomeAssistant
    entry_id: str
    judge: Judge
    cars: Mapping[str, CarCoordinator]
    bulletin: Bulletin
    show: Callable[[], None]
    update: Callable[[], None]
    keep: Callable[[], None]
    drill: Drill | None = field(default=None, init=False)
    last: datetime | None = field(default=None, init=False)
    readiness: dict[str, Any] | None = field(default=None, init=False)
    _told: bool = field(default=False, init=False)
    _left: bool = field(default=False, init=False)
    _audience: Audience | None = field(default=None, init=False)
    _timer: CALLBACK_TYPE | None = field(default=None, init=False)

    # Showing

    def shown(self, real: CloudView) -> CloudView:
        """Return what is to be shown of the cloud."""
        if self.drill is None:
            return real
        return rehearsed_cloud(real, self.drill.judgement)

    @callback
    def async_look(self, real: Judgement) -> None:
        """End the drill if something real has happened; what is left is shown later."""
        if self.drill is not None and (
            self.drill.broken_by(real) or self._outage_is_known()
        ):
            self._end(Ending.BROKEN).async_stop()
        self._tell_cars()

    def _tell_cars(self) -> None:
        for car in self.cars.values():
            car.rehearsed = None if self.drill is None else self.drill.judgement

    def _outage_is_known(self) -> bool:
        """Tell whether any entry sees an outage of the region."""
        journal = self.hass.data[LEDGER].journal
        return journal.open_outage(self.judge.region) is not None

    @callback
    def _async_show(self) -> None:
        self._tell_cars()
        for car in self.cars.values():
            car.async_show()
        self.show()

    # Beginning and ending

    @callback
    def async_start(self, plan: Plan) -> None:
        """Begin a drill; raise a translated error if there can be none now."""
        if self.drill is not None:
            raise _refusal("drill_is_on")
        if on(self.judge.judgement) or self._outage_is_known():
            raise _refusal("outage_is_on")
        others = frozenset(self.judge.watch.regions) - {self.judge.region}
        try:
            drill = rehearse(
                plan,
                region=self.judge.region,
                others=others,
                models={car_id: car.car.model for car_id, car in self.cars.items()},
                real=self.judge.judgement,
                wall=dt_util.utcnow(),
                now=time.monotonic(),
            )
        except UnfitError as err:
            raise _refusal(err.why.value) from err
        self.drill = drill
        self._audience = Audience(self.hass, self.entry_id)
        self._timer = async_call_later(self.hass, plan.duration, self._async_over)
        persistent_notification.async_dismiss(self.hass, self._notification)
        self._async_show()
        keys = keys_by_name(
            (car.car.title, car.data.key_to_take) for car in self.cars.values()
        )
        self._told = any(key is not Key.USUAL for key in keys.values())
        self.bulletin.async_tell(
            Happening(
                reporter=self.entry_id,
                kind=Kind.STARTED,
                notice=Notice.TAKE if self._told else Notice.NONE,
                start=drill.judgement.since,
            ),
            drill.judgement,
            keys,
            drill=True,
        )
        self.keep()

    async def async_stop(self) -> Readiness:
        """End the drill, and say who is ready; raise if there is none."""
        if self.drill is None:
            raise _refusal("no_drill_is_on")
        return await self._async_finish(Ending.STOPPED)

    async def _async_over(self, _now: datetime) -> None:
        self._timer = None
        await self._async_finish(Ending.OVER)

    async def _async_finish(self, ending: Ending) -> Readiness:
        """End a drill that came to its end, and tell the household how ready it is."""
        audience = self._end(ending)
        # Whoever listens for the end is heard, too.
        await asyncio.sleep(GRACE)
        audience.async_stop()
        readiness = Readiness(
            told=audience.async_told(),
            cars=tuple(_readiness(car) for car in self.cars.values()),
        )
        words = self.bulletin.words
        persistent_notification.async_create(
            self.hass,
            readiness.in_words(words),
            words.say("ready_title"),
            self._notification,
        )
        if not self._left:
            self.last, self.readiness = dt_util.utcnow(), readiness.as_dict()
            self.keep()
            self.update()
        return readiness

    def _end(self, ending: Ending) -> Audience:
        """End the drill, and return who listened."""
        if TYPE_CHECKING:
            assert self.drill is not None
            assert self._audience is not None
        drill, self.drill = self.drill, None
        self._cancel_timer()
        if ending is not Ending.BROKEN:
            # What broke it is about to be shown.
            self._async_show()
        length = drill.length(time.monotonic())
        self._tell_end(ending, drill.judgement.since, length=length, told=self._told)
        self.keep()
        return self._audience

    def _tell_end(
        self,
        ending: Ending,
        start: datetime | None,
        *,
        told: bool,
        length: timedelta | None = None,
    ) -> None:
        self.bulletin.async_tell(
            Happening(
                reporter=self.entry_id,
                kind=Kind.ENDED,
                notice=Notice.ALL_CLEAR if told else Notice.NONE,
                start=start,
                length=length,
            ),
            self.judge.judgement,
            keys_by_name(
                (car.car.title, car.real.key_to_take) for car in self.cars.values()
            ),
            drill=True,
            early=_EARLY.get(ending),
        )

    @callback
    def async_leave(self) -> None:
        """Let go of everything; a drill that is on is ended at the next start."""
        self._left = True
        self._cancel_timer()
        if self._audience is not None:
            self._audience.async_stop()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer()
            self._timer = None

    @property
    def _notification(self) -> str:
        return f"{DOMAIN}_drill_{self.entry_id}"

    # The tick

    @callback
    def async_tick(self, car: CarCoordinator) -> None:
        """Note that the owner has tried card or fob of a car."""
        car.key_tried = dt_util.utcnow()
        car.async_show()
        self.keep()

    # Keeping

    def dump(self) -> StoredRehearsal:
        """Return what is to be kept over a restart."""
        stored = StoredRehearsal(
            tried={
                car_id: car.key_tried.isoformat()
                for car_id, car in self.cars.items()
                if car.key_tried is not None
            }
        )
        if self.drill is not None and self.drill.judgement.since is not None:
            stored["on_since"] = self.drill.judgement.since.isoformat()
            stored["told"] = self._told
        if self.last is not None and self.readiness is not None:
            stored["last"] = self.last.isoformat()
            stored["readiness"] = self.readiness
        return stored

    def restore(self, stored: StoredRehearsal) -> None:
        """Take up what was kept, once the cars are there again."""
        try:
            check_form(stored, StoredRehearsal)
            tried = {car_id: read_time(at) for car_id, at in stored["tried"].items()}
            last = read_time(stored["last"]) if "last" in stored else None
            readiness = dict(stored["readiness"]) if last is not None else None
            since = read_time(stored["on_since"]) if "on_since" in stored else None
            told = stored["told"] if since is not None else False
        except UNREADABLE as err:
            reason = describe_error(err)
            _LOGGER.warning("What was kept of drills cannot be read: %s", reason)
            return
        if last is not None:
            self.last, self.readiness = last, readiness
        if since is not None:
            self._tell_end(Ending.RESTARTED, since, told=told)
        for car_id, at in tried.items():
            if (car := self.cars.get(car_id)) is not None:
                car.key_tried = at
                car.async_show()


_EARLY = {Ending.BROKEN: "drill_broken", Ending.RESTARTED: "drill_restarted"}


def _readiness(car: CarCoordinator) -> CarReadiness:
    state = car.real.state
    return CarReadiness(
        name=car.car.title,
        key=car.car.key,
        named=car.car.owners_key is not None,
        key_tried=car.key_tried,
        pin_to_drive=state.pin_to_drive if state else None,
        bluetooth=car.real.bluetooth.usable if car.real.bluetooth else None,
    )


def _refusal(key: str) -> ServiceValidationError:
    return ServiceValidationError(translation_domain=DOMAIN, translation_key=key)
