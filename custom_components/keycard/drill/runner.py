"""Run the drills of a config entry."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
import logging
import time
from typing import TYPE_CHECKING, Any

from homeassistant.components import persistent_notification
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util

from ..const import DOMAIN
from ..helpers.timer import Timer
from ..notifications.notifier import notifications_enabled
from ..notifications.publisher import OutageEventPublisher
from ..notifications.receivers import ReceiverKind
from ..notifications.record import Button, drill_id
from ..notifications.store import DATA_RECORD
from ..notifications.subentries import receivers_of
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
from ..vehicle.keys import PhysicalKey, is_pre_refresh
from .listeners import DrillListeners
from .report import NotificationResult, Readiness, VehicleReadiness
from .scenario import (
    Drill,
    DrillRequest,
    EndReason,
    InvalidDrillError,
    create_drill,
    outage_active,
)

_LOGGER = logging.getLogger(__name__)

# Seconds after the end in which a drill may still trigger automations.
GRACE_PERIOD = 1.0


@dataclass(kw_only=True)
class DrillRunner:
    """Runner of the drill of one entry, with the report of the last one.

    `publish_cloud` publishes the cloud's data, `update_listeners` updates the other
    entities. A drill never changes the detector, the outage log or vehicle commands.
    """

    hass: HomeAssistant
    entry_id: str
    detector: OutageDetector
    vehicles: Mapping[str, VehicleCoordinator]
    publisher: OutageEventPublisher
    publish_cloud: Callable[[], None]
    update_listeners: Callable[[], None]
    schedule_save: Callable[[], None]
    drill: Drill | None = field(default=None, init=False)
    last_completed: datetime | None = field(default=None, init=False)
    early_end_text: str | None = field(default=None, init=False)
    """Key of the text with the reason why the last drill ended early."""

    readiness: dict[str, Any] | None = field(default=None, init=False)
    _notified: bool = field(default=False, init=False)
    _detached: bool = field(default=False, init=False)
    _listeners: DrillListeners | None = field(default=None, init=False)
    _timer: Timer = field(init=False)

    def __post_init__(self) -> None:
        """Create the timer."""
        self._timer = Timer(self.hass, self._async_handle_timeout)

    # Presentation

    @property
    def assessment(self) -> Assessment | None:
        """Return the assessment of the running drill, None without one."""
        return None if self.drill is None else self.drill.assessment

    def apply(self, actual: CloudData) -> CloudData:
        """Return the cloud data with the drill applied."""
        if self.assessment is None:
            return actual
        return apply_cloud_drill(actual, self.assessment)

    @callback
    def async_check(self, actual: Assessment) -> bool:
        """End the drill if the real assessment interrupts it; return whether it did.

        The vehicles are not published then: the assessment is about to be.
        """
        if self.drill is None or not (
            self.drill.interrupted_by(actual) or self._has_open_outage()
        ):
            return False
        self._end(EndReason.INTERRUPTED).async_stop()
        self._apply_to_vehicles()
        return True

    def _apply_to_vehicles(self) -> None:
        for coordinator in self.vehicles.values():
            self.async_apply(coordinator)

    @callback
    def async_apply(self, coordinator: VehicleCoordinator) -> None:
        """Apply the drill to the next publication of a vehicle."""
        coordinator.async_set_drill(self.assessment)

    def _has_open_outage(self) -> bool:
        """Return whether the outage log has an open outage of the region."""
        outage_log = self.hass.data[DATA_STORE].outage_log
        return outage_log.open_outage(self.detector.region) is not None

    @callback
    def _async_publish(self) -> None:
        self._apply_to_vehicles()
        for coordinator in self.vehicles.values():
            coordinator.async_publish()
        self.publish_cloud()

    # Start and end

    @callback
    def async_start(self, request: DrillRequest) -> None:
        """Start a drill; raise a ServiceValidationError if none is possible."""
        if self.drill is not None:
            raise _validation_error("drill_is_on")
        if outage_active(self.detector.assessment) or self._has_open_outage():
            raise _validation_error("outage_is_on")
        others = frozenset(self.detector.host_monitor.regions) - {self.detector.region}
        try:
            drill = create_drill(
                request,
                region=self.detector.region,
                others=others,
                models={
                    vehicle_id: coordinator.vehicle.model
                    for vehicle_id, coordinator in self.vehicles.items()
                },
                actual=self.detector.assessment,
                utcnow=dt_util.utcnow(),
                monotonic=time.monotonic(),
            )
        except InvalidDrillError as err:
            raise _validation_error(err.reason.value) from err
        self.drill = drill
        self._listeners = DrillListeners(self.hass, self.entry_id)
        self._timer.async_schedule(request.duration.total_seconds())
        persistent_notification.async_dismiss(self.hass, self._notification_id)
        self._async_publish()
        keys = keys_by_name(
            (coordinator.vehicle.title, coordinator.data.key_to_take)
            for coordinator in self.vehicles.values()
        )
        self._notified = any(key is not PhysicalKey.NONE for key in keys.values())
        self.publisher.async_publish(
            OutageEvent(
                entry_id=self.entry_id,
                kind=EventType.STARTED,
                notice=NoticeType.TAKE if self._notified else NoticeType.NONE,
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
        return await self._async_complete(EndReason.STOPPED)

    @callback
    def _async_handle_timeout(self) -> None:
        self.hass.async_create_task(
            self._async_complete(EndReason.COMPLETED), f"{DOMAIN} drill end"
        )

    async def _async_complete(self, reason: EndReason) -> Readiness:
        """End a drill that was not interrupted, and show its readiness report."""
        since = self.drill.assessment.since if self.drill is not None else None
        listeners = self._end(reason)
        # Automations triggered by the end count as well.
        await asyncio.sleep(GRACE_PERIOD)
        listeners.async_stop()
        readiness = Readiness(
            notifications=self._with_receivers(listeners.async_result(), since),
            vehicles=tuple(
                _readiness(coordinator) for coordinator in self.vehicles.values()
            ),
        )
        translations = self.publisher.words
        persistent_notification.async_create(
            self.hass,
            readiness.as_markdown(translations),
            translations.format("ready_title"),
            self._notification_id,
        )
        if not self._detached:
            self.last_completed, self.readiness = dt_util.utcnow(), readiness.as_dict()
            self.schedule_save()
            self.update_listeners()
        return readiness

    def _with_receivers(
        self, result: NotificationResult, since: datetime | None
    ) -> NotificationResult:
        """Add Keycard's own receivers to the result of a drill."""
        record = self.hass.data[DATA_RECORD].record
        situation = record.situations.get(drill_id(self.entry_id, since))
        states = () if situation is None else situation.receivers.values()
        entry = self.hass.config_entries.async_get_known_entry(self.entry_id)
        return replace(
            result,
            enabled=notifications_enabled(entry),
            sent=tuple(state.name for state in states if state.notified),
            received=tuple(state.name for state in states if state.received),
            failed=tuple(
                state.name for state in states if state.failures and not state.notified
            ),
            # The other phones of a person were not pressed.
            acknowledged=tuple(
                state.name
                for state in states
                if any(button is Button.GOT_IT for button, _ in state.presses)
            ),
            persons_without_phone=tuple(self._persons_without_phone()),
        )

    def _persons_without_phone(self) -> Iterator[str]:
        """Yield the names of persons without a phone among the receivers."""
        entities = er.async_get(self.hass)
        phones = [
            receiver
            for entry in self.hass.config_entries.async_entries(DOMAIN)
            for receiver in receivers_of(entry)
            if receiver.kind is ReceiverKind.PHONE
        ]
        devices = {phone.target for phone in phones}
        persons = {
            er.async_resolve_entity_id(entities, phone.person)
            for phone in phones
            if phone.person is not None
        }
        for person in self.hass.states.async_all("person"):
            trackers = person.attributes.get("device_trackers", [])
            carried = {
                entity.device_id
                for tracker in trackers
                if (entity := entities.async_get(tracker)) is not None
            }
            if person.entity_id not in persons and not carried & devices:
                yield person.name

    def _end(self, reason: EndReason) -> DrillListeners:
        """End the drill and return its listeners."""
        if TYPE_CHECKING:
            assert self.drill is not None
            assert self._listeners is not None
        drill, self.drill = self.drill, None
        self._timer.async_cancel()
        if reason is not EndReason.INTERRUPTED:
            # After an interruption, the caller publishes the real data.
            self._async_publish()
        length = drill.length(time.monotonic())
        self._publish_end(
            reason, drill.assessment.since, length=length, notified=self._notified
        )
        self.schedule_save()
        return self._listeners

    def _publish_end(
        self,
        reason: EndReason,
        start: datetime | None,
        *,
        notified: bool,
        length: timedelta | None = None,
    ) -> None:
        self.early_end_text = _EARLY_END_TEXTS.get(reason)
        self.publisher.async_publish(
            OutageEvent(
                entry_id=self.entry_id,
                kind=EventType.ENDED,
                notice=NoticeType.ALL_CLEAR if notified else NoticeType.NONE,
                start=start,
                length=length,
            ),
            self.detector.assessment,
            keys_by_name(
                (coordinator.vehicle.title, coordinator.actual.key_to_take)
                for coordinator in self.vehicles.values()
            ),
            drill=True,
            early=self.early_end_text,
        )

    @callback
    def async_detach(self) -> None:
        """Cancel timer and listeners; a running drill ends at the next start."""
        self._detached = True
        self._timer.async_cancel()
        if self._listeners is not None:
            self._listeners.async_stop()

    @property
    def _notification_id(self) -> str:
        return f"{DOMAIN}_drill_{self.entry_id}"

    # Physical key

    @callback
    def async_mark_key_tried(self, coordinator: VehicleCoordinator) -> None:
        """Record that the user tried the key of a vehicle."""
        coordinator.async_set_key_tried(dt_util.utcnow())
        self.schedule_save()

    # Storage

    def dump_drill(self) -> StoredDrill:
        """Return the data to store."""
        stored = StoredDrill(
            tried={
                vehicle_id: coordinator.key_tried.isoformat()
                for vehicle_id, coordinator in self.vehicles.items()
                if coordinator.key_tried is not None
            }
        )
        if self.drill is not None and self.drill.assessment.since is not None:
            stored["on_since"] = self.drill.assessment.since.isoformat()
            stored["told"] = self._notified
        if self.last_completed is not None and self.readiness is not None:
            stored["last"] = self.last_completed.isoformat()
            stored["readiness"] = self.readiness
        return stored

    def restore_drill(self, stored: StoredDrill) -> None:
        """Restore stored data, once the vehicles are restored."""
        try:
            check_type(stored, StoredDrill)
            tried_at = {
                vehicle_id: parse_stored_time(at)
                for vehicle_id, at in stored["tried"].items()
            }
            last = parse_stored_time(stored["last"]) if "last" in stored else None
            readiness = dict(stored["readiness"]) if last is not None else None
            since = (
                parse_stored_time(stored["on_since"]) if "on_since" in stored else None
            )
            notified = stored["told"] if since is not None else False
        except INVALID_DATA_ERRORS as err:
            reason = describe_error(err)
            _LOGGER.warning("Ignoring invalid storage data of drills: %s", reason)
            return
        if last is not None:
            self.last_completed, self.readiness = last, readiness
        if since is not None:
            self._publish_end(EndReason.RESTARTED, since, notified=notified)
        for vehicle_id, at in tried_at.items():
            if (coordinator := self.vehicles.get(vehicle_id)) is not None:
                coordinator.async_set_key_tried(at)


_EARLY_END_TEXTS = {
    EndReason.INTERRUPTED: "drill_broken",
    EndReason.RESTARTED: "drill_restarted",
}


def _readiness(coordinator: VehicleCoordinator) -> VehicleReadiness:
    state = coordinator.actual.state
    return VehicleReadiness(
        name=coordinator.vehicle.title,
        key=coordinator.vehicle.physical_key,
        key_configured=coordinator.vehicle.configured_key is not None,
        key_tried=coordinator.key_tried,
        pin_to_drive=state.pin_to_drive if state else None,
        bluetooth=coordinator.actual.bluetooth.usable
        if coordinator.actual.bluetooth
        else None,
        takes_bluetooth_key=is_pre_refresh(
            coordinator.vehicle.model, coordinator.vehicle.year, coordinator.vehicle.id
        )
        is False,
        key_place=coordinator.vehicle.key_place,
    )


def _validation_error(key: str) -> ServiceValidationError:
    return ServiceValidationError(translation_domain=DOMAIN, translation_key=key)
