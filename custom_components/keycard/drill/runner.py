"""Run the drills of a config entry."""

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
from ..notifications.publisher import OutageEventPublisher
from ..outage.detector import OutageDetector
from ..outage.models import Assessment
from ..outage.outage_log import EventType, NoticeType, OutageEvent
from ..outage.stored_values import (
    INVALID_DATA_ERRORS,
    check_type,
    describe_error,
    parse_stored_time,
)
from ..runtime.presentation import CloudData, apply_cloud_drill, keys_by_name
from ..runtime.storage import DATA_STORE, StoredDrill
from ..runtime.vehicle_coordinator import VehicleCoordinator
from ..vehicle.keys import PhysicalKey
from .listeners import DrillListeners
from .report import CarReadiness, Readiness
from .scenario import (
    Drill,
    DrillRequest,
    EndReason,
    InvalidDrillError,
    create_drill,
    outage_active,
)

_LOGGER = logging.getLogger(__name__)

# How long after its end a drill may still set off something.
GRACE = 1.0


@dataclass(kw_only=True)
class DrillRunner:
    """The drill of one entry and the result of its last one.

    `show` publishes the cloud's data, `update` the other entities. A drill never
    touches the detector, the outage log or a vehicle's commands.
    """

    hass: HomeAssistant
    entry_id: str
    detector: OutageDetector
    vehicles: Mapping[str, VehicleCoordinator]
    publisher: OutageEventPublisher
    show: Callable[[], None]
    update: Callable[[], None]
    schedule_save: Callable[[], None]
    drill: Drill | None = field(default=None, init=False)
    last: datetime | None = field(default=None, init=False)
    readiness: dict[str, Any] | None = field(default=None, init=False)
    _told: bool = field(default=False, init=False)
    _detached: bool = field(default=False, init=False)
    _listeners: DrillListeners | None = field(default=None, init=False)
    _timer: CALLBACK_TYPE | None = field(default=None, init=False)

    # Showing

    def apply(self, real: CloudData) -> CloudData:
        """Return the cloud data, with the drill applied."""
        if self.drill is None:
            return real
        return apply_cloud_drill(real, self.drill.assessment)

    @callback
    def async_check(self, real: Assessment) -> None:
        """End the drill if something real has happened."""
        if self.drill is not None and (
            self.drill.interrupted_by(real) or self._outage_is_known()
        ):
            self._end(EndReason.BROKEN).async_stop()
        self._tell_cars()

    def _tell_cars(self) -> None:
        assessment = None if self.drill is None else self.drill.assessment
        for coordinator in self.vehicles.values():
            coordinator.async_set_drill(assessment)

    def _outage_is_known(self) -> bool:
        """Return whether any entry sees an outage of the region."""
        journal = self.hass.data[DATA_STORE].outage_log
        return journal.open_outage(self.detector.region) is not None

    @callback
    def _async_show(self) -> None:
        self._tell_cars()
        for car in self.vehicles.values():
            car.async_publish()
        self.show()

    # Beginning and ending

    @callback
    def async_start(self, plan: DrillRequest) -> None:
        """Start a drill; raise a ServiceValidationError if none is possible."""
        if self.drill is not None:
            raise _validation_error("drill_is_on")
        if outage_active(self.detector.assessment) or self._outage_is_known():
            raise _validation_error("outage_is_on")
        others = frozenset(self.detector.host_monitor.regions) - {self.detector.region}
        try:
            drill = create_drill(
                plan,
                region=self.detector.region,
                others=others,
                models={
                    car_id: car.vehicle.model for car_id, car in self.vehicles.items()
                },
                real=self.detector.assessment,
                wall=dt_util.utcnow(),
                now=time.monotonic(),
            )
        except InvalidDrillError as err:
            raise _validation_error(err.why.value) from err
        self.drill = drill
        self._listeners = DrillListeners(self.hass, self.entry_id)
        self._timer = async_call_later(self.hass, plan.duration, self._async_over)
        persistent_notification.async_dismiss(self.hass, self._notification)
        self._async_show()
        keys = keys_by_name(
            (car.vehicle.title, car.data.key_to_take) for car in self.vehicles.values()
        )
        self._told = any(key is not PhysicalKey.NONE for key in keys.values())
        self.publisher.async_publish(
            OutageEvent(
                entry_id=self.entry_id,
                kind=EventType.STARTED,
                notice=NoticeType.TAKE if self._told else NoticeType.NONE,
                start=drill.assessment.since,
            ),
            drill.assessment,
            keys,
            drill=True,
        )
        self.schedule_save()

    async def async_stop(self) -> Readiness:
        """End the drill and return the readiness; raise without a drill."""
        if self.drill is None:
            raise _validation_error("no_drill_is_on")
        return await self._async_finish(EndReason.STOPPED)

    async def _async_over(self, _now: datetime) -> None:
        self._timer = None
        await self._async_finish(EndReason.OVER)

    async def _async_finish(self, ending: EndReason) -> Readiness:
        """End a drill that came to its end, and tell the household how ready it is."""
        audience = self._end(ending)
        # Whoever listens for the end is heard, too.
        await asyncio.sleep(GRACE)
        audience.async_stop()
        readiness = Readiness(
            notifications=audience.async_result(),
            cars=tuple(_readiness(car) for car in self.vehicles.values()),
        )
        words = self.publisher.words
        persistent_notification.async_create(
            self.hass,
            readiness.as_markdown(words),
            words.format("ready_title"),
            self._notification,
        )
        if not self._detached:
            self.last, self.readiness = dt_util.utcnow(), readiness.as_dict()
            self.schedule_save()
            self.update()
        return readiness

    def _end(self, ending: EndReason) -> DrillListeners:
        """End the drill and return its listeners."""
        if TYPE_CHECKING:
            assert self.drill is not None
            assert self._listeners is not None
        drill, self.drill = self.drill, None
        self._cancel_timer()
        if ending is not EndReason.BROKEN:
            # What broke it is about to be shown.
            self._async_show()
        length = drill.length(time.monotonic())
        self._tell_end(ending, drill.assessment.since, length=length, told=self._told)
        self.schedule_save()
        return self._listeners

    def _tell_end(
        self,
        ending: EndReason,
        start: datetime | None,
        *,
        told: bool,
        length: timedelta | None = None,
    ) -> None:
        self.publisher.async_publish(
            OutageEvent(
                entry_id=self.entry_id,
                kind=EventType.ENDED,
                notice=NoticeType.ALL_CLEAR if told else NoticeType.NONE,
                start=start,
                length=length,
            ),
            self.detector.assessment,
            keys_by_name(
                (car.vehicle.title, car.actual.key_to_take)
                for car in self.vehicles.values()
            ),
            drill=True,
            early=_EARLY.get(ending),
        )

    @callback
    def async_detach(self) -> None:
        """Cancel timer and listeners; a running drill ends at the next start."""
        self._detached = True
        self._cancel_timer()
        if self._listeners is not None:
            self._listeners.async_stop()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer()
            self._timer = None

    @property
    def _notification(self) -> str:
        return f"{DOMAIN}_drill_{self.entry_id}"

    # The tick

    @callback
    def async_mark_key_tried(self, car: VehicleCoordinator) -> None:
        """Record that the user tried the key of a vehicle."""
        car.async_set_key_tried(dt_util.utcnow())
        self.schedule_save()

    # Keeping

    def dump(self) -> StoredDrill:
        """Return the data to store."""
        stored = StoredDrill(
            tried={
                car_id: car.key_tried.isoformat()
                for car_id, car in self.vehicles.items()
                if car.key_tried is not None
            }
        )
        if self.drill is not None and self.drill.assessment.since is not None:
            stored["on_since"] = self.drill.assessment.since.isoformat()
            stored["told"] = self._told
        if self.last is not None and self.readiness is not None:
            stored["last"] = self.last.isoformat()
            stored["readiness"] = self.readiness
        return stored

    def restore(self, stored: StoredDrill) -> None:
        """Restore stored data, once the vehicles are restored."""
        try:
            check_type(stored, StoredDrill)
            tried = {
                car_id: parse_stored_time(at) for car_id, at in stored["tried"].items()
            }
            last = parse_stored_time(stored["last"]) if "last" in stored else None
            readiness = dict(stored["readiness"]) if last is not None else None
            since = (
                parse_stored_time(stored["on_since"]) if "on_since" in stored else None
            )
            told = stored["told"] if since is not None else False
        except INVALID_DATA_ERRORS as err:
            reason = describe_error(err)
            _LOGGER.warning("Ignoring invalid storage data of drills: %s", reason)
            return
        if last is not None:
            self.last, self.readiness = last, readiness
        if since is not None:
            self._tell_end(EndReason.RESTARTED, since, told=told)
        for car_id, at in tried.items():
            if (car := self.vehicles.get(car_id)) is not None:
                car.async_set_key_tried(at)


_EARLY = {EndReason.BROKEN: "drill_broken", EndReason.RESTARTED: "drill_restarted"}


def _readiness(car: VehicleCoordinator) -> CarReadiness:
    state = car.actual.state
    return CarReadiness(
        name=car.vehicle.title,
        key=car.vehicle.physical_key,
        named=car.vehicle.configured_key is not None,
        key_tried=car.key_tried,
        pin_to_drive=state.pin_to_drive if state else None,
        bluetooth=car.actual.bluetooth.usable if car.actual.bluetooth else None,
    )


def _validation_error(key: str) -> ServiceValidationError:
    return ServiceValidationError(translation_domain=DOMAIN, translation_key=key)
