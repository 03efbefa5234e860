"""Notify the receivers of all entries of outages, early warnings and drills."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
import logging
import secrets
from typing import Any, Protocol

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr, issue_registry as ir
from homeassistant.helpers.issue_registry import IssueSeverity
from homeassistant.helpers.start import async_at_started
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

from ..const import CONF_BEFORE, CONF_ENABLED, CONF_NOTIFICATIONS, DOMAIN
from ..helpers.isolation import IsolatedCoordinator, isolated
from ..helpers.timer import Timer
from ..outage.detector import OutageDetector
from ..outage.models import INCONCLUSIVE, OUTAGES, Assessment
from ..outage.outage_log import EventType, Outage
from ..runtime.presentation import CloudData, key_to_take
from ..runtime.storage import DATA_STORE
from ..runtime.vehicle_coordinator import VehicleCoordinator
from ..runtime.vehicles import VehicleManager
from ..vehicle.commands import Command
from ..vehicle.keys import PhysicalKey
from ..vehicle.urgent_conditions import urgent_conditions
from ..vehicle.vehicle import Vehicle
from .delivery import ATTR_TOKEN, Delivery, DeliveryError, Message
from .markdown import escape_markdown
from .policy import (
    Decision,
    DueNotification,
    NotificationPolicy,
    Reason,
    Situation,
    open_situations,
)
from .receivers import EntryReceivers, Receiver, ReceiverKind, merge_receivers
from .record import Button, FailedCommand, SituationKind, drill_id
from .store import DATA_RECORD, RecordStore
from .subentries import receivers_of, settings_of
from .text import (
    NoticeVehicle,
    Translations,
    describe_vehicle,
    mark_as_drill,
    render_notice,
    render_state,
)

_LOGGER = logging.getLogger(__name__)

EVENT_PRESSED = "mobile_app_notification_action"
EVENT_RECEIVED = "mobile_app_notification_received"

# Entries that share hosts see an outage within this time.
_TOGETHER = timedelta(minutes=2)

# A live update shows the first lines: which key to take, why and since when.
_LIVE_LINES = 2

# Entries of other regions see the end of an outage within this time.
_JUST_ENDED = timedelta(minutes=15)

# The system clock may be set, so the next decision is never planned further ahead.
_LONGEST_WAIT = timedelta(minutes=15)

_KINDS = {
    Reason.ALL_CLEAR: EventType.ENDED,
    Reason.WARNING: EventType.WARNING,
}


class DrillStatus(Protocol):
    """Drill of an entry."""

    @property
    def assessment(self) -> Assessment | None:
        """Return the assessment of the running drill, None without one."""

    @property
    def early_end_text(self) -> str | None:
        """Return the text with the reason why the last drill ended early."""


@dataclass(frozen=True, kw_only=True)
class TrackedEntry:
    """Loaded entry with the runtime data that its notifications depend on."""

    entry: ConfigEntry
    region: str
    detector: OutageDetector
    coordinator: IsolatedCoordinator[CloudData]
    vehicle_manager: VehicleManager
    vehicles: Mapping[str, VehicleCoordinator]
    drill: DrillStatus


class OutageNotifier:
    """Notifier of all entries of a home."""

    def __init__(self, hass: HomeAssistant, store: RecordStore) -> None:
        """Initialize without entries."""
        self._hass = hass
        self._store = store
        self._record = store.record
        self._policy = NotificationPolicy(self._record)
        self._delivery = Delivery(hass)
        self._entries: dict[str, TrackedEntry] = {}
        self._busy: set[str] = set()
        self._timer = Timer(hass, self._async_decide)
        self._scheduled = False
        self._issues: set[str] = set()
        self._warnings: dict[str, str] = {}
        hass.bus.async_listen(
            EVENT_STATE_CHANGED,
            self._async_person_changed,
            event_filter=_is_person,
        )
        hass.bus.async_listen(EVENT_PRESSED, self._async_pressed)
        hass.bus.async_listen(EVENT_RECEIVED, self._async_received)
        async_at_started(hass, self._async_started)

    @callback
    def _async_started(self, _hass: HomeAssistant) -> None:
        self.async_schedule()

    # Entries

    @callback
    def async_track(self, tracked: TrackedEntry) -> None:
        """Notify the receivers of an entry while it is loaded."""
        entry = tracked.entry
        self._entries[entry.entry_id] = tracked

        @callback
        def follow(coordinators: list[VehicleCoordinator]) -> None:
            for coordinator in coordinators:
                self._async_follow(coordinator)
                coordinator.async_add_command_listener(
                    partial(
                        self._async_command_ended, tracked.region, coordinator.vehicle
                    )
                )
            self.async_schedule()

        @callback
        def forget() -> None:
            self._entries.pop(entry.entry_id, None)
            self.async_schedule()

        entry.async_on_unload(forget)
        entry.async_on_unload(
            tracked.coordinator.async_add_listener(self.async_schedule)
        )
        entry.async_on_unload(
            tracked.vehicle_manager.async_add_new_vehicle_listener(follow)
        )
        self.async_schedule()

    @callback
    def _async_follow(self, coordinator: VehicleCoordinator) -> None:
        """Decide again when the needs of a vehicle change, not at each update."""
        needs = _needs(coordinator)

        @callback
        def updated() -> None:
            nonlocal needs
            if (current := _needs(coordinator)) != needs:
                needs = current
                self.async_schedule()

        coordinator.async_add_listener(updated)

    @callback
    def _async_command_ended(
        self, region: str, vehicle: Vehicle, command: Command, done: bool
    ) -> None:
        """Record a command that failed in an outage, for the all-clear."""
        outage = self._hass.data[DATA_STORE].outage_log.open_outage(region)
        if outage is None:
            return
        situation_id = _outage_id(outage)
        if done:
            self._record.remove_failed(situation_id, vehicle.title, command.value)
        else:
            failed = FailedCommand(
                at=dt_util.utcnow(), vehicle=vehicle.title, command=command.value
            )
            self._record.add_failed(situation_id, failed)
        self._store.async_save_soon()

    @callback
    def async_apply_receivers(self) -> None:
        """Apply added, changed and removed receivers and their settings."""
        known = {
            receiver.id
            for entry in self._hass.config_entries.async_entries(DOMAIN)
            for receiver in receivers_of(entry)
        }
        for situation_id, receiver_id, state in self._record.forget_receivers(known):
            if state.shown:
                tag = _tag(situation_id, self._record.situations[situation_id].kind)
                tags = [tag] if state.live is None else [tag, _live_tag(tag)]
                self._hass.async_create_background_task(
                    self._async_clear(Receiver.from_id(receiver_id), tags),
                    f"{DOMAIN} notification",
                )
        self._store.async_save_soon()
        self.async_schedule()

    async def _async_clear(self, receiver: Receiver, tags: Iterable[str]) -> None:
        """Remove the notifications of a removed receiver."""
        for tag in tags:
            try:
                await self._delivery.async_clear(receiver, tag)
            except DeliveryError as err:
                _LOGGER.debug("Cannot remove a notification: %s", err)

    @callback
    def async_forget_entry(self, entry_id: str) -> None:
        """Forget the receivers and delete the repair issues of a removed entry."""
        self.async_apply_receivers()
        for key in ("no_phone", "old_relay"):
            ir.async_delete_issue(self._hass, DOMAIN, f"{key}_{entry_id}")

    def _tracked(self, region: str | None = None) -> list[TrackedEntry]:
        """Return the entries, or those of a region."""
        return [
            tracked
            for tracked in self._entries.values()
            if region in (None, tracked.region)
        ]

    def _receivers(self, entry_ids: Iterable[str]) -> list[EntryReceivers]:
        found = []
        for entry_id in entry_ids:
            tracked = self._entries.get(entry_id)
            if tracked is not None and notifications_enabled(tracked.entry):
                found.append(
                    EntryReceivers(
                        settings=settings_of(tracked.entry),
                        receivers=receivers_of(tracked.entry),
                    )
                )
        return found

    # Situations

    def _situations(self, utcnow: datetime) -> Iterator[Situation]:
        """Yield the active situations, and ended ones without an all-clear so far."""
        current: set[str] = set()
        regions = dict.fromkeys(tracked.region for tracked in self._tracked())
        outages = {
            region: outage
            for region in regions
            if (outage := self._outage(region, utcnow)) is not None
        }
        warnings = (self._warning(region, outages, utcnow) for region in regions)
        for situation in chain(outages.values(), warnings):
            if situation is not None:
                current.add(situation.id)
                yield situation
        for entry_id, tracked in self._entries.items():
            if (assessment := tracked.drill.assessment) is not None:
                situation = self._drill(entry_id, assessment)
                current.add(situation.id)
                yield situation
        for situation_id, kind in list(open_situations(self._record)):
            if situation_id not in current:
                over = self._over(situation_id, kind)
                if over is not None:
                    yield over

    def _outage(self, region: str, utcnow: datetime) -> Situation | None:
        outage = self._hass.data[DATA_STORE].outage_log.open_outage(region)
        if outage is None:
            return None
        situation_id = _outage_id(outage)
        known = self._record.situations.get(situation_id)
        together = known is None or utcnow - known.seen < _TOGETHER
        keys: dict[str, PhysicalKey] = {}
        urgent = set()
        entry_ids = set(outage.entry_ids)
        assessment = self._assessment(region)
        for tracked in self._tracked(region):
            for vehicle_id, coordinator in tracked.vehicles.items():
                key = coordinator.actual.key_to_take
                if key is PhysicalKey.NONE and together:
                    # Other entries of the region are about to see the outage.
                    key = key_to_take(
                        assessment,
                        vehicle_id,
                        owned=coordinator.vehicle.physical_key,
                        before=key,
                    )
                if key is not PhysicalKey.NONE:
                    keys[vehicle_id] = key
                    urgent.update(urgent_conditions(coordinator.vehicle.state))
                    entry_ids.add(tracked.entry.entry_id)
        return Situation(
            id=situation_id,
            kind=SituationKind.OUTAGE,
            receivers=merge_receivers(self._receivers(sorted(entry_ids))),
            keys=keys,
            urgent=frozenset(urgent),
        )

    def _assessment(self, region: str) -> Assessment:
        """Return an assessment of the outage of a region, else any of the region."""
        found = [tracked.detector.assessment for tracked in self._tracked(region)]
        for assessment in found:
            if assessment.status in OUTAGES:
                return assessment
        return found[0] if found else Assessment()

    def _warning(
        self, region: str, outages: Mapping[str, Situation], utcnow: datetime
    ) -> Situation | None:
        failing: set[str] = set()
        entry_ids: set[str] = set()
        for tracked in self._tracked(region):
            if tracked.detector.assessment.warning:
                failing.update(tracked.detector.assessment.other_regions)
                entry_ids.add(tracked.entry.entry_id)
        if not failing:
            self._warnings.pop(region, None)
            return None
        prefix = f"warning|{region}|"
        notified = [
            known
            for known, kind in open_situations(self._record)
            if kind is SituationKind.WARNING and known.startswith(prefix)
        ]
        situation_id = self._warnings.setdefault(
            region, notified[-1] if notified else f"{prefix}{utcnow.isoformat()}"
        )
        return Situation(
            id=situation_id,
            kind=SituationKind.WARNING,
            receivers=[
                one
                for one in merge_receivers(self._receivers(sorted(entry_ids)))
                if not all(
                    self._knows(one.receiver.id, outages.get(other), other, utcnow)
                    for other in failing
                )
            ],
            regions=frozenset(failing),
        )

    def _knows(
        self, receiver_id: str, outage: Situation | None, region: str, utcnow: datetime
    ) -> bool:
        """Return whether a receiver was just notified, or is during an outage."""
        if outage is not None:
            return any(one.receiver.id == receiver_id for one in outage.receivers)
        return any(
            situation.kind is SituationKind.OUTAGE
            and _split_id(situation_id)[0] == region
            and (state := situation.receivers.get(receiver_id)) is not None
            and state.at is not None
            and (not state.closed or utcnow - state.at < _JUST_ENDED)
            for situation_id, situation in self._record.situations.items()
        )

    def _drill(self, entry_id: str, assessment: Assessment) -> Situation:
        since = assessment.since
        return Situation(
            id=drill_id(entry_id, since),
            kind=SituationKind.DRILL,
            receivers=merge_receivers(self._receivers([entry_id])),
            keys={
                vehicle_id: coordinator.data.key_to_take
                for vehicle_id, coordinator in self._entries[entry_id].vehicles.items()
                if coordinator.data.key_to_take is not PhysicalKey.NONE
            },
        )

    def _over(self, situation_id: str, kind: SituationKind) -> Situation | None:
        """Return a situation that is over, None while that is not known."""
        place, _ = _split_id(situation_id)
        if kind is SituationKind.DRILL:
            if place not in self._entries:
                return None
            return Situation(
                id=situation_id,
                kind=kind,
                receivers=merge_receivers(self._receivers([place])),
                over=True,
            )
        entries = [
            entry_id
            for entry_id, tracked in self._entries.items()
            if tracked.region == place
        ]
        if not entries:
            return None
        log = self._hass.data[DATA_STORE].outage_log
        following = log.open_outage(place)
        statuses = {
            tracked.detector.assessment.status for tracked in self._tracked(place)
        }
        if (
            kind is SituationKind.WARNING
            and following is None
            and statuses <= INCONCLUSIVE
        ):
            return None
        return Situation(
            id=situation_id,
            kind=kind,
            receivers=merge_receivers(self._receivers(entries)),
            over=True,
            superseded_by=None if following is None else _outage_id(following),
        )

    def _outage_of(self, situation_id: str) -> Outage | None:
        region, start = _split_id(situation_id)
        return next(
            (
                outage
                for outage in self._hass.data[DATA_STORE].outage_log.outages
                if outage.region == region and outage.start.isoformat() == start
            ),
            None,
        )

    # Decisions

    @callback
    def async_schedule(self) -> None:
        """Check for due notifications at the end of this event loop iteration."""
        if not self._scheduled:
            self._scheduled = True
            self._hass.loop.call_soon(self._async_decide)

    @callback
    def _async_decide(self) -> None:
        self._scheduled = False
        if not self._hass.is_running or self._hass.is_stopping:
            return
        self._timer.async_cancel()
        with isolated("the notifications"):
            utcnow = dt_util.utcnow()
            situations = list(self._situations(utcnow))
            decision = self._policy.decide(
                situations,
                places=self._places(situations),
                utcnow=utcnow,
                time_zone=dt_util.get_default_time_zone(),
                busy=self._busy,
                live={
                    one.receiver.id
                    for situation in situations
                    for one in situation.receivers
                    if self._delivery.supports_live_update(one.receiver)
                },
            )
            for due in decision.due:
                self._async_start_delivery(due)
            self._plan(decision, utcnow)
            self._async_update_issues(utcnow, {one.id for one in situations})
            if situations:
                self._store.async_save_soon()

    def _places(self, situations: Iterable[Situation]) -> dict[str, bool | None]:
        return {
            one.receiver.person: self._delivery.home_of(one.receiver)
            for situation in situations
            for one in situation.receivers
            if one.receiver.person is not None
        }

    def _plan(self, decision: Decision, utcnow: datetime) -> None:
        if decision.next_at is not None:
            delay = min(decision.next_at - utcnow, _LONGEST_WAIT)
            self._timer.async_schedule(delay.total_seconds())

    @callback
    def _async_start_delivery(self, due: DueNotification) -> None:
        receiver_id = due.receiver.receiver.id
        if receiver_id in self._busy:
            # A receiver gets one notification after the other.
            return
        self._busy.add(receiver_id)
        self._hass.async_create_background_task(
            self._async_deliver(due), f"{DOMAIN} notification"
        )

    async def _async_deliver(self, due: DueNotification) -> None:
        receiver = due.receiver.receiver
        try:
            await self._async_send(due)
        except DeliveryError as err:
            _LOGGER.debug("Cannot hand over a notification: %s", err)
            self._policy.mark_failed(due, dt_util.utcnow())
        except Exception as err:  # noqa: BLE001 - other receivers must not wait
            _LOGGER.error("Error in a notification: %s", type(err).__name__)  # noqa: TRY400 - without the text, which may hold a name
            self._policy.mark_failed(due, dt_util.utcnow())
        else:
            self._policy.mark_sent(
                due,
                utcnow=dt_util.utcnow(),
                time_zone=dt_util.get_default_time_zone(),
            )
        finally:
            self._busy.discard(receiver.id)
            self._store.async_save_soon()
            self.async_schedule()

    async def _async_send(self, due: DueNotification) -> None:
        receiver, situation = due.receiver.receiver, due.situation
        tag = _tag(situation.id, situation.kind)
        if due.reason is Reason.CLEAR:
            await self._delivery.async_clear(receiver, tag)
            return
        if due.reason is Reason.LIVE_END:
            await self._delivery.async_clear(receiver, _live_tag(tag))
            return
        words = await self._delivery.async_words(receiver)
        link = self._link(situation)
        if due.reason is Reason.SUMMARY:
            message = Message(
                title=words.format("limit_title"),
                text=words.format("limit_text"),
                tag=f"{DOMAIN}_limit",
                link=link,
                urgent=False,
            )
        elif due.reason is Reason.LIVE:
            message = self._live_message(due, words, tag=_live_tag(tag), link=link)
        else:
            message = self._message(due, words, tag=tag, link=link)
        await self._delivery.async_send(receiver, message, words)

    def _message(
        self, due: DueNotification, words: Translations, *, tag: str, link: str
    ) -> Message:
        situation, receiver = due.situation, due.receiver.receiver
        title, text = self._render(due, words, escape=False)
        if receiver.kind is ReceiverKind.BELL:
            # It is rendered as Markdown.
            _, text = self._render(due, words, escape=True)
            text = "\n\n".join(text.split("\n"))
        on = due.reason not in (Reason.ALL_CLEAR, Reason.WARNING)
        private = ""
        if on and self._delivery.shows_private(receiver):
            vehicles = self._vehicles(
                situation, escape=receiver.kind is ReceiverKind.BELL
            )
            private = "\n".join(render_state(words, vehicles))
        token = None
        if on and situation.keys:
            record = self._record.situations[situation.id]
            token = record.receivers[receiver.id].token
        since = None
        if on and situation.kind is SituationKind.OUTAGE:
            outage = self._outage_of(situation.id)
            since = outage.start if outage is not None else None
        return Message(
            title=title,
            text=f"{text}\n{private}" if private else text,
            tag=tag,
            link=link,
            token=token,
            since=since,
            quiet=due.reason is Reason.CALMER,
            urgent=on,
            private=private,
        )

    def _live_message(
        self, due: DueNotification, words: Translations, *, tag: str, link: str
    ) -> Message:
        """Return a live update: which key to take, why and since when."""
        situation = due.situation
        title = words.format("notice_title_other")
        if situation.kind is SituationKind.DRILL:
            title = words.format("drill_title", title=title)
        _, text = self._render(due, words, escape=False)
        outage = self._outage_of(situation.id)
        return Message(
            # On iOS, the title of a live activity cannot be changed.
            title=title,
            text="\n".join(text.split("\n")[:_LIVE_LINES]),
            tag=tag,
            link=link,
            since=outage.start if outage is not None else None,
            quiet=True,
            live=True,
        )

    def _render(
        self, due: DueNotification, words: Translations, *, escape: bool
    ) -> tuple[str, str]:
        situation = due.situation
        kind = _KINDS.get(due.reason, EventType.CHANGED)
        place, _ = _split_id(situation.id)
        if situation.kind is SituationKind.DRILL:
            return self._render_drill(due, words, kind, escape=escape)
        if situation.kind is SituationKind.WARNING:
            if kind is EventType.ENDED:
                return words.format("warning_over_title"), words.format("warning_over")
            assessment = replace(
                self._assessment(place), other_regions=tuple(sorted(situation.regions))
            )
            return render_notice(
                words,
                kind=kind,
                assessment=assessment,
                vehicles=(),
                start=None,
                utcnow=dt_util.utcnow(),
            )
        outage = self._outage_of(situation.id)
        failed = self._record.situations[situation.id].failed
        return render_notice(
            words,
            kind=kind,
            assessment=self._assessment(place),
            vehicles=self._vehicles(situation, escape=escape),
            start=outage.start if outage is not None else None,
            length=outage.length if outage is not None else None,
            utcnow=dt_util.utcnow(),
            failed=[
                replace(one, vehicle=escape_markdown(one.vehicle)) if escape else one
                for one in failed
            ],
        )

    def _render_drill(
        self,
        due: DueNotification,
        words: Translations,
        kind: EventType,
        *,
        escape: bool,
    ) -> tuple[str, str]:
        entry_id, start = _split_id(due.situation.id)
        drill = self._entries[entry_id].drill
        since = datetime.fromisoformat(start)
        utcnow = dt_util.utcnow()
        notice = render_notice(
            words,
            kind=kind,
            assessment=drill.assessment or Assessment(),
            vehicles=self._vehicles(due.situation, escape=escape),
            start=since,
            length=max(utcnow - since, timedelta()),
            utcnow=utcnow,
            drill=True,
        )
        early = drill.early_end_text if kind is EventType.ENDED else None
        return mark_as_drill(words, kind, notice, early=early)

    def _vehicles(self, situation: Situation, *, escape: bool) -> list[NoticeVehicle]:
        coordinators = {
            vehicle_id: coordinator
            for tracked in self._tracked()
            for vehicle_id, coordinator in tracked.vehicles.items()
        }
        found = [
            describe_vehicle(coordinators[vehicle_id], key)
            for vehicle_id, key in situation.keys.items()
            if vehicle_id in coordinators
        ]
        if not escape:
            return found
        return [replace(one, name=escape_markdown(one.name)) for one in found]

    def _link(self, situation: Situation | None = None) -> str:
        """Return the page of the cloud's device."""
        place = _split_id(situation.id)[0] if situation else None
        for entry_id, tracked in self._entries.items():
            if place in (None, entry_id, tracked.region):
                device = dr.async_get(self._hass).async_get_device_by_identifier(
                    (DOMAIN, entry_id), entry_id
                )
                if device is not None:
                    return f"/config/devices/device/{device.id}"
        return f"/config/integrations/integration/{DOMAIN}"

    # Answers of phones

    @callback
    def _async_pressed(self, event: Event[Mapping[str, Any]]) -> None:
        action = str(event.data.get("action", ""))
        for button in Button:
            token = action.removeprefix(f"{DOMAIN}_").removesuffix(f"_{button}")
            if action != f"{DOMAIN}_{token}_{button}":
                continue
            if (found := self._find(token, event)) is None:
                return
            situation_id, receiver = found
            self._policy.press(
                button,
                situation_id,
                receiver.id,
                same_person=[
                    one.id for one in self._all() if one.limit_id == receiver.limit_id
                ],
                utcnow=dt_util.utcnow(),
            )
            self._store.async_save_soon()
            self.async_schedule()

    @callback
    def _async_received(self, event: Event[Mapping[str, Any]]) -> None:
        token = str(event.data.get(ATTR_TOKEN, ""))
        if (found := self._find(token, event)) is None:
            return
        situation_id, receiver = found
        record = self._record.situations[situation_id]
        record.receivers[receiver.id].received = dt_util.utcnow()
        self._store.async_save_soon()

    def _find(
        self, token: str, event: Event[Mapping[str, Any]]
    ) -> tuple[str, Receiver] | None:
        """Return situation and receiver of a token, if its own user sent it."""
        if not token or (found := self._record.find_token(token)) is None:
            return None
        situation_id, receiver_id, _ = found
        for receiver in self._all():
            if receiver.id == receiver_id and self._delivery.may_press(
                receiver, event.context
            ):
                return situation_id, receiver
        return None

    def _all(self) -> list[Receiver]:
        return [one.receiver for one in merge_receivers(self._receivers(self._entries))]

    @callback
    def _async_person_changed(self, _event: Event[EventStateChangedData]) -> None:
        if self._record.situations:
            self.async_schedule()

    # Test and repairs

    async def async_send_test(self, entry: ConfigEntry) -> None:
        """Send a test to the receivers of an entry; raise an error if one fails."""
        receivers = receivers_of(entry)
        if not receivers:
            raise HomeAssistantError(
                translation_domain=DOMAIN, translation_key="no_receivers"
            )
        failed = []
        for receiver in receivers:
            words = await self._delivery.async_words(receiver)
            message = Message(
                title=words.format("test_title"),
                text=words.format("test_text"),
                tag=f"{DOMAIN}_test",
                link=self._link(),
                urgent=False,
            )
            try:
                await self._delivery.async_send(receiver, message, words)
            except DeliveryError:
                failed.append(receiver.name)
        if failed:
            raise HomeAssistantError(
                translation_domain=DOMAIN,
                translation_key="test_failed",
                translation_placeholders={"receivers": ", ".join(failed)},
            )

    @callback
    def _async_update_issues(self, utcnow: datetime, situations: set[str]) -> None:
        """Create and delete the repair issues of receivers."""
        found: dict[str, tuple[str, dict[str, str]]] = {}
        known = {receiver.id for receiver in self._all()}
        for situation_id in situations:
            record = self._record.situations[situation_id]
            for receiver_id, state in record.receivers.items():
                if receiver_id in known and state.unreachable(utcnow):
                    found[f"receiver_unreachable_{receiver_id}"] = (
                        "receiver_unreachable",
                        _placeholders("name", state.name),
                    )
        # A reload must not recreate an issue that the user has ignored.
        for entry in self._hass.config_entries.async_entries(
            DOMAIN, include_disabled=False
        ):
            options = entry.options.get(CONF_NOTIFICATIONS, {})
            kinds = {receiver.kind for receiver in receivers_of(entry)}
            if options.get(CONF_BEFORE) and kinds <= {ReceiverKind.BELL}:
                key = "no_phone" if notifications_enabled(entry) else "old_relay"
                placeholders = _placeholders("entry", entry.title)
                found[f"{key}_{entry.entry_id}"] = key, placeholders
        for issue_id in self._issues - found.keys():
            ir.async_delete_issue(self._hass, DOMAIN, issue_id)
        for issue_id, (key, placeholders) in found.items():
            if issue_id not in self._issues:
                ir.async_create_issue(
                    self._hass,
                    DOMAIN,
                    issue_id,
                    is_fixable=key == "old_relay",
                    severity=IssueSeverity.WARNING,
                    translation_key=key,
                    translation_placeholders=placeholders,
                    data={"entry_id": issue_id.removeprefix(f"{key}_")},
                )
        self._issues = set(found)


def _outage_id(outage: Outage) -> str:
    """Return the ID of an outage, which it has over restarts."""
    return f"outage|{outage.region}|{outage.start.isoformat()}"


def _tag(situation_id: str, kind: SituationKind) -> str:
    """Return the tag by which each notification replaces the last one."""
    place, _ = _split_id(situation_id)
    drill = kind is SituationKind.DRILL
    return f"{DOMAIN}_rehearsal_{place}" if drill else f"{DOMAIN}_{place}"


def _live_tag(tag: str) -> str:
    """Return the tag of the live update beside a notification."""
    return f"{tag}_live"


def _split_id(situation_id: str) -> tuple[str, str]:
    """Return the region, or the entry of a drill, and the start of a situation."""
    _, place, start = situation_id.split("|", 2)
    return place, start


def _needs(coordinator: VehicleCoordinator) -> tuple[object, ...]:
    """Return the data of a vehicle that notifications depend on."""
    return (
        coordinator.actual.key_to_take,
        coordinator.data.key_to_take,
        urgent_conditions(coordinator.vehicle.state),
    )


def _placeholders(key: str, name: str) -> dict[str, str]:
    """Return a name for a title, which is plain text, and for a description."""
    return {key: name, f"{key}_escaped": escape_markdown(name)}


@callback
def _is_person(data: EventStateChangedData) -> bool:
    return data["entity_id"].startswith("person.")


def notifications_enabled(entry: ConfigEntry) -> bool:
    """Return whether Keycard itself notifies the receivers of an entry."""
    options = entry.options.get(CONF_NOTIFICATIONS, {})
    return bool(options.get(CONF_ENABLED, True))


async def async_setup_notifier(hass: HomeAssistant) -> None:
    """Load the record and set up the notifier."""
    store = RecordStore(hass, lambda: secrets.token_urlsafe(12).replace("_", "-"))
    await store.async_load()
    hass.data[DATA_RECORD] = store
    hass.data[DATA_NOTIFIER] = OutageNotifier(hass, store)


DATA_NOTIFIER: HassKey[OutageNotifier] = HassKey(f"{DOMAIN}.notifier")
