"""Coordinator for Keycard."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
import logging
from random import Random
import time
from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EVENT_CORE_CONFIG_UPDATE, EVENT_HOMEASSISTANT_STOP
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_create_clientsession
from homeassistant.util import dt as dt_util
from homeassistant.util.location import distance

from .auth.credentials import Credentials
from .const import CONF_LOCATION_AWAY, CONF_PACE, CONF_PROVIDER, DOMAIN
from .cost.budget import StoredUsage
from .cost.middleware import UsageMiddleware
from .cost.pricing import Charge, tariff_of
from .drill.runner import DrillRunner
from .external.discovery import DIRECT_INTEGRATIONS
from .external.observer import ExternalStateObserver
from .helpers.isolation import IsolatedCoordinator, RepeatedIsolation, isolated
from .helpers.timer import Timer
from .notifications.publisher import OutageEventPublisher
from .notifications.text import NoticeVehicle, describe_vehicle
from .outage.detector import OutageDetector, StoredDetector
from .outage.endpoints import Endpoints
from .outage.evidence import Evidence, Reason, Subject
from .outage.external_data import StaleDataDetector
from .outage.models import OUTAGES, Assessment, Status
from .outage.outage_log import OutageEvent
from .outage.stored_values import LONGEST_GAP, Skipped, check_type, parse_stored_time
from .providers import Provider, create_provider, endpoints_from_config
from .runtime.call_handler import ApiCallHandler
from .runtime.commands import CloudCommandSender
from .runtime.host_poller import HostPoller, async_get_host_poller
from .runtime.presentation import CloudData, keys_by_name, present_cloud
from .runtime.storage import (
    DATA_STORE,
    EntryStore,
    StoredDrill,
    StoredEntry,
    StoredEvent,
)
from .runtime.usage_tracker import UsageTracker
from .runtime.vehicle_coordinator import VehicleCoordinator
from .runtime.vehicle_poller import VehiclePoller
from .runtime.vehicles import VehicleManager
from .transport.http import DeadlineRequest
from .vehicle.keys import PhysicalKey
from .vehicle.poll_schedule import DEFAULT_PACE, Pace
from .vehicle.vehicle import Vehicle

__all__ = [
    "KeycardConfigEntry",
    "KeycardCoordinator",
    "KeycardData",
    "VehicleCoordinator",
    "async_report",
]

_LOGGER = logging.getLogger(__name__)

# Seconds between updates of values that change with time alone.
REFRESH_INTERVAL = 60.0

type KeycardConfigEntry = ConfigEntry[KeycardData]


@dataclass(frozen=True, kw_only=True)
class KeycardData:
    """Runtime data of a config entry.

    `vehicles` are those of `vehicle_manager`, by VIN or by the id of a vehicle that is
    not known by its VIN. Entries without an account have no `vehicle_poller` and no
    `command_sender`.
    """

    coordinator: KeycardCoordinator
    provider: Provider
    endpoints: Endpoints
    detector: OutageDetector
    host_poller: HostPoller
    vehicle_manager: VehicleManager
    vehicles: Mapping[str, VehicleCoordinator]
    vehicle_poller: VehiclePoller | None
    command_sender: CloudCommandSender | None
    external_observer: ExternalStateObserver
    usage: UsageTracker
    publisher: OutageEventPublisher
    drill: DrillRunner
    store: EntryStore

    @property
    def region(self) -> str:
        """Return the region of the entry's vehicles."""
        return self.provider.region


class KeycardCoordinator(IsolatedCoordinator[CloudData]):
    """Coordinator of the cloud's assessment for one entry.

    It builds the runtime data of the entry: their callbacks are its methods.
    """

    config_entry: KeycardConfigEntry

    def __init__(
        self, hass: HomeAssistant, entry: KeycardConfigEntry, credentials: Credentials
    ) -> None:
        """Initialize without making a request."""
        super().__init__(hass, _LOGGER, config_entry=entry, name=entry.title)
        endpoints = endpoints_from_config(entry.data, entry.options)
        cached = tariff_of(entry.data[CONF_PROVIDER], third_party=True).cached
        self._provider = provider = create_provider(
            entry.data,
            entry.options,
            lambda middlewares: async_create_clientsession(
                hass,
                middlewares=(
                    *middlewares,
                    UsageMiddleware(self._async_count_charge, cached=cached),
                ),
                request_class=DeadlineRequest,
            ),
            credentials.provider_credentials,
        )
        third_party = provider.third_party(endpoints)
        self._credentials = credentials
        self._region = provider.region
        self._host_poller = async_get_host_poller(hass, endpoints)
        self._home_store = hass.data[DATA_STORE]
        self._store = EntryStore(hass, entry.entry_id, self._dump)
        self._usage = UsageTracker(
            entry.options,
            tariff_of(entry.data[CONF_PROVIDER], third_party=third_party),
        )
        vehicles: dict[str, VehicleCoordinator] = {}
        self._vehicles: Mapping[str, VehicleCoordinator] = vehicles
        self._detector = OutageDetector(
            self._host_poller.host_monitor,
            region=self._region,
            third_party=third_party,
            issues_tokens=provider.issues_tokens,
            renews_tokens=credentials.session is not None,
            monotonic=time.monotonic(),
            vehicle_ids=vehicles.keys(),
            stale_data=StaleDataDetector(direct=DIRECT_INTEGRATIONS),
        )
        self._external_observer = ExternalStateObserver(
            hass, self._detector.stale_data, entry.options
        )
        client = provider.client
        command_sender = None
        if client is not None:
            command_sender = CloudCommandSender(
                client=client,
                account=self._detector.account,
                third_party=third_party,
                record_evidence=self._async_record_command_evidence,
                request_refresh=self._async_request_data,
                location_allowed=self._is_location_allowed,
            )
        self._vehicle_manager = VehicleManager(
            hass=hass,
            entry=entry,
            provider=provider,
            detector=self._detector,
            vehicles=vehicles,
            other_vins=self._other_vins,
            command_sender=command_sender,
            bluetooth_key=credentials.bluetooth_key,
            on_added=self._async_vehicle_added,
            on_removed=self._async_vehicle_removed,
            on_listed=self._async_vehicle_listed,
            on_bluetooth_update=self._async_bluetooth_updated,
            save=self._async_save_now,
            schedule_save=self._store.async_save_soon,
        )
        call_handler = ApiCallHandler(
            hass=hass,
            entry=entry,
            hosts=endpoints,
            detector=self._detector,
            vehicles=self._vehicle_manager,
            sign_in=credentials.session,
            record_evidence=self._async_record_poll_evidence,
            on_token_refresh=self._async_handle_token_refresh,
            schedule_save=self._store.async_save_later,
        )
        if credentials.session is not None:
            credentials.session.add_refresh_listener(
                call_handler.async_handle_token_refresh
            )
        self._vehicle_poller: VehiclePoller | None = None
        if client is not None:
            self._vehicle_poller = VehiclePoller(
                hass=hass,
                client=client,
                detector=self._detector,
                account=self._detector.account,
                get_vehicle=lambda vin: vehicles[vin].vehicle,
                on_call=call_handler.async_handle_call,
                on_slow_call=self._async_handle_slow_call,
                pace=self._pace,
                interval_factor=self._usage.interval_factor,
                random=Random(),
            )
        self._publisher = OutageEventPublisher(
            hass,
            get_stale_vehicles=self._vehicle_manager.stale_vehicles,
            describe_vehicles=self._describe,
        )
        self._drill = DrillRunner(
            hass=hass,
            entry_id=entry.entry_id,
            detector=self._detector,
            vehicles=vehicles,
            publisher=self._publisher,
            publish_cloud=self._async_publish,
            update_listeners=self.async_update_listeners,
            schedule_save=self._store.async_save_soon,
        )
        self.last_event: StoredEvent | None = None
        """The last event, which Home Assistant stores much later."""

        self._refresh_timer = Timer(hass, self._async_update_aging)
        self._detection = RepeatedIsolation("the detector")
        self._published: tuple[Assessment, Reason | None] | None = None
        """The assessment and the account's refusal that vehicles were updated with."""

        self._vehicles_with_working_calls: set[str] = set()
        self._vehicles_needing_key: frozenset[str] = frozenset()
        """The vehicles of the region that need another key in an outage."""

        self._stored_detector: StoredDetector | None = None
        self._unsubs: list[CALLBACK_TYPE] = []
        self.runtime_data = KeycardData(
            coordinator=self,
            provider=provider,
            endpoints=endpoints,
            detector=self._detector,
            host_poller=self._host_poller,
            vehicle_manager=self._vehicle_manager,
            vehicles=vehicles,
            vehicle_poller=self._vehicle_poller,
            command_sender=command_sender,
            external_observer=self._external_observer,
            usage=self._usage,
            publisher=self._publisher,
            drill=self._drill,
            store=self._store,
        )

    def _pace(self) -> Pace:
        """Return the pace of data polls; a change of it applies without a reload."""
        if not self._usage.monthly_usage.tariff.bills_calls:
            return Pace.FRESHER
        try:
            return Pace(self.config_entry.options.get(CONF_PACE, DEFAULT_PACE))
        except ValueError:
            return DEFAULT_PACE

    def _is_location_allowed(self, latitude: float, longitude: float) -> bool:
        """Return whether the location of a vehicle may be sent as the user's."""
        if self.config_entry.options.get(CONF_LOCATION_AWAY, False):
            return True
        home = self.hass.config
        away = distance(latitude, longitude, home.latitude, home.longitude)
        return away is not None and away <= home.radius

    def _others(self) -> Iterator[KeycardData]:
        """Yield the runtime data of the other entries."""
        return (data for data in _runtime_data(self.hass) if data.coordinator != self)

    def _other_vins(self) -> set[str]:
        """Return the VINs of the other entries."""
        return {vin for other in self._others() for vin in other.vehicle_manager.vins}

    # Start and stop

    async def async_restore_entry(self) -> None:
        """Restore assessment, vehicles and keys from storage."""
        vehicles, keys = self._provider.vehicles(), dict[str, PhysicalKey]()
        drill: StoredDrill | None = None
        if (stored := await self._store.async_load()) is not None:
            skipped = Skipped()
            vehicles = self._read_vehicles(stored, skipped)
            with skipped.part("judge"):
                keys = self._restore_assessment(stored, skipped)
            with skipped.part("spending"):
                if (spending := stored.get("spending")) is not None:
                    check_type(spending, StoredUsage)
                    self._usage.async_restore_usage(spending)
            with skipped.part("event"):
                if (event := stored.get("event")) is not None:
                    check_type(event, StoredEvent)
                    parse_stored_time(event["at"])
                    self.last_event = event
            drill = stored.get("rehearsal")
            if skipped:
                _LOGGER.warning(
                    "%s: Ignoring invalid storage data: %s", self.name, skipped
                )
        known = {vehicle.id for vehicle in vehicles}
        vehicles += [
            self._provider.vehicle_from_vin(vin, name)
            for vin, name in self._vehicle_manager.registered_names.items()
            if vin not in known
        ]
        self._vehicle_manager.async_restore_vehicles(vehicles, keys)
        self.data = self.actual_data()
        await self._publisher.async_load_translations()
        if drill is not None:
            self._drill.restore_drill(drill)

    def _read_vehicles(
        self, stored: Mapping[str, Any], skipped: Skipped
    ) -> list[Vehicle]:
        """Return the stored vehicles, and those that are known without storage."""
        vehicles: dict[str, Vehicle] = {}
        paired = self._vehicle_manager.paired_subentries
        with skipped.part("cars"):
            for vehicle_id, stored_vehicle in stored["cars"].items():
                if self._provider.has_account or vehicle_id in paired:
                    with skipped.part("a car"):
                        check_type(stored_vehicle, dict[str, object])
                        vehicles[vehicle_id] = self._provider.restore_vehicle(
                            stored_vehicle
                        )
        configured = [
            vehicle
            for vehicle in self._provider.vehicles()
            if vehicle.id not in vehicles
        ]
        return [*configured, *vehicles.values()]

    def _restore_assessment(
        self, stored: Mapping[str, Any], skipped: Skipped
    ) -> dict[str, PhysicalKey]:
        """Restore the detector, and return the keys to take that were shown last."""
        away = dt_util.utcnow() - parse_stored_time(stored["saved"])
        self._detector.restore_state(
            stored["judge"], monotonic=time.monotonic(), away=away.total_seconds()
        )
        self._home_store.outage_log.restore_last(
            self.config_entry.entry_id, self._detector.assessment
        )
        keys: dict[str, PhysicalKey] = {}
        with skipped.part("keys"):
            if away <= LONGEST_GAP:
                keys = {
                    vehicle_id: PhysicalKey(key)
                    for vehicle_id, key in stored["keys"].items()
                }
        return keys

    @callback
    def async_store_event(self, event: StoredEvent) -> None:
        """Store the last event; Home Assistant itself does so much later."""
        self.last_event = event
        self._store.async_save_soon()

    @callback
    def async_start(self) -> None:
        """Start probing and polling."""
        self._unsubs = [
            self._host_poller.async_subscribe(
                self.config_entry.entry_id, self._region, self._async_assess
            ),
            self.hass.bus.async_listen(
                EVENT_CORE_CONFIG_UPDATE, self._async_config_updated
            ),
            self.hass.bus.async_listen(
                EVENT_HOMEASSISTANT_STOP, self._async_save_at_stop
            ),
            self._external_observer.async_start(),
            self._refresh_timer.async_cancel,
        ]
        if self._credentials.reauth_required:
            self.config_entry.async_start_reauth_if_available(self.hass)
        self._vehicle_manager.async_start()
        self._refresh_timer.async_schedule(REFRESH_INTERVAL)
        if self._vehicle_poller is not None:
            self._unsubs.append(self._vehicle_poller.async_stop)
            self._vehicle_poller.async_start(
                {
                    vehicle_id: coordinator.vehicle.data_age(dt_util.utcnow())
                    for vehicle_id, coordinator in self._vehicles.items()
                }
            )
        self._vehicle_manager.async_request_unsettled()

    async def async_stop(self) -> None:
        """Stop probing, polling and commands, and store the data."""
        while self._unsubs:
            self._unsubs.pop()()
        self._drill.async_detach()
        await self._vehicle_manager.async_stop()
        await self._store.async_save()

    @callback
    def _async_save_at_stop(self, _event: Event) -> None:
        # The store writes this together with its own delayed writes.
        self._store.async_save_soon()

    @callback
    def _async_save_now(self) -> None:
        self.config_entry.async_create_task(
            self.hass, self._store.async_save(), f"{DOMAIN} save"
        )

    def _dump(self) -> StoredEntry:
        """Return the data to store."""
        left_out = self._vehicle_manager.left_out
        stored = StoredEntry(
            saved=dt_util.utcnow().isoformat(),
            judge=self._detector.dump_state(time.monotonic()),
            cars={
                **{vin: vehicle.to_json() for vin, vehicle in left_out.items()},
                **{
                    vehicle_id: coordinator.vehicle.to_json()
                    for vehicle_id, coordinator in self._vehicles.items()
                },
            },
            keys={
                vehicle_id: coordinator.actual.key_to_take
                for vehicle_id, coordinator in self._vehicles.items()
            },
            spending=self._usage.monthly_usage.dump_usage(),
            rehearsal=self._drill.dump_drill(),
        )
        if self.last_event is not None:
            stored["event"] = self.last_event
        return stored

    async def _async_config_updated(self, _event: Event) -> None:
        await self._publisher.async_load_translations()

    # Vehicles

    @callback
    def _async_vehicle_added(self, coordinator: VehicleCoordinator) -> None:
        """Poll and update a new vehicle of the account."""
        if self._vehicle_poller is not None:
            self._vehicle_poller.async_add_vehicle(coordinator.vehicle.id)
        self._drill.async_apply(coordinator)
        self._async_update_assessments([coordinator])
        self._update_needed_keys()

    @callback
    def _async_vehicle_removed(self, vin: str) -> None:
        if self._vehicle_poller is not None:
            self._vehicle_poller.async_remove_vehicle(vin)
        self._vehicles_with_working_calls.discard(vin)

    @callback
    def _async_vehicle_listed(self, vin: str) -> None:
        if self._vehicle_poller is not None:
            self._vehicle_poller.async_handle_listed(vin)

    @callback
    def _async_bluetooth_updated(self, vin: str) -> None:
        """Apply the state of a vehicle to the interval of its polls."""
        if self._vehicle_poller is not None:
            self._vehicle_poller.async_schedule_vehicle(vin)

    @callback
    def _async_request_data(self, vin: str) -> None:
        if self._vehicle_poller is not None:
            self._vehicle_poller.async_request_data(vin)

    # Evidence

    @callback
    def _async_handle_token_refresh(self) -> None:
        """Reassess after a token refresh."""
        if not self._unsubs:
            return
        self._host_poller.async_schedule()
        self._async_assess()

    @callback
    def _async_record_poll_evidence(self, evidence: Evidence) -> None:
        """Update the detector from a poll; its vehicle is updated already."""
        if not self._unsubs:
            return
        coordinator = self._vehicles.get(evidence.vehicle_id or "")
        with self._detection:
            if coordinator is not None and not coordinator.vehicle.online:
                self._detector.waive_recovery_proof(coordinator.vehicle.id)
            self._observe_call(evidence)

    @callback
    def _async_record_command_evidence(self, evidence: Evidence) -> None:
        """Update vehicle and detector from a call of a command."""
        coordinator = self._vehicles.get(evidence.vehicle_id or "")
        if not self._unsubs or coordinator is None:
            # Meanwhile the entry was unloaded, or the vehicle left the account.
            return
        coordinator.async_record_evidence(evidence)
        executed = evidence.good and evidence.classification.subject is Subject.COMMANDS
        if self._vehicle_poller is not None and executed:
            self._vehicle_poller.async_expect_change(coordinator.vehicle.id)
        with self._detection:
            self._observe_call(evidence)

    @callback
    def _async_handle_slow_call(self) -> None:
        """Probe the region of a call that has no answer yet."""
        self._detector.observe_slow_call(time.monotonic())
        self._host_poller.async_schedule()

    def _observe_call(self, evidence: Evidence) -> None:
        self._detector.observe_call(evidence)
        self._host_poller.async_schedule()
        self._reassess(evidence.vehicle_id)

    @callback
    def _async_count_charge(self, charge: Charge) -> None:
        self._usage.async_count(charge)
        if self._unsubs:
            self._store.async_save_later()

    # Assessment

    @callback
    def _async_assess(self) -> None:
        """Reassess, and publish the changes."""
        with self._detection:
            self._reassess()

    def _reassess(self, vehicle_id: str | None = None) -> None:
        """Reassess; without a change only the vehicle of the call is updated."""
        new_month = self._usage.async_roll_month()
        before = self._detector.assessment.status
        assessment = self._detector.assess(time.monotonic(), dt_util.utcnow())
        if self._vehicle_poller is not None:
            # Suspected hosts make calls due.
            self._vehicle_poller.async_schedule()
            if new_month:
                self._vehicle_poller.async_schedule_vehicles()
        drill_ended = self._drill.async_check(assessment)
        changed = self._published != self._assessment_and_refusal()
        if changed or drill_ended:
            self._async_update_vehicles()
        elif (coordinator := self._vehicles.get(vehicle_id or "")) is not None:
            self._async_update_assessments([coordinator])
        if changed or drill_ended or assessment.status is not Status.OPERATIONAL:
            self._async_publish_assessment(changed=changed)
        else:
            # Nothing is to be reported.
            self._async_publish()
        if assessment.status is not before:
            _LOGGER.info("%s: %s", self.name, assessment.status)

    @callback
    def _async_update_aging(self) -> None:
        """Update values that change with time alone."""
        self._refresh_timer.async_schedule(REFRESH_INTERVAL)
        with self._detection:
            if self._published == self._assessment_and_refusal():
                self._async_update_assessments(self._vehicles_with_changed_calls())
            else:
                self._async_update_vehicles()
            self._async_publish_assessment(changed=True)
        utcnow = dt_util.utcnow()
        self._vehicle_manager.async_update_each(
            lambda coordinator: coordinator.async_update_aging(utcnow),
            self._vehicles.values(),
        )

    def _vehicles_with_changed_calls(self) -> list[VehicleCoordinator]:
        """Return the vehicles whose calls work, or no longer do, with time alone."""
        working = self._detector.vehicles_with_working_calls(time.monotonic())
        changed = working ^ self._vehicles_with_working_calls
        return [one for vin, one in self._vehicles.items() if vin in changed]

    def _assessment_and_refusal(self) -> tuple[Assessment, Reason | None]:
        return self._detector.assessment, self._detector.account_refusal

    @callback
    def _async_update_vehicles(self) -> None:
        """Update all vehicles with the assessment."""
        self._published = self._assessment_and_refusal()
        self._async_update_assessments(self._vehicles.values())
        self._update_needed_keys()

    @callback
    def _async_update_assessments(
        self, coordinators: Iterable[VehicleCoordinator]
    ) -> None:
        """Update vehicles with the assessment, and publish those that changed."""
        changed: list[VehicleCoordinator] = []
        monotonic = time.monotonic()
        for coordinator in coordinators:
            vehicle_id = coordinator.vehicle.id
            calls_work = self._detector.calls_work(vehicle_id, monotonic)
            refusal = self._detector.refusal_of(vehicle_id)
            if calls_work:
                self._vehicles_with_working_calls.add(vehicle_id)
            else:
                self._vehicles_with_working_calls.discard(vehicle_id)
            with isolated("a vehicle that is updated"):
                if coordinator.async_update_assessment(
                    self._detector.assessment, calls_work=calls_work, refusal=refusal
                ):
                    changed.append(coordinator)
        self._vehicle_manager.async_update_each(
            VehicleCoordinator.async_publish, changed
        )

    def _update_needed_keys(self) -> None:
        needing = frozenset[str]()
        if self._detector.assessment.status in OUTAGES:
            needing = frozenset(
                vehicle_id
                for vehicle_id, (_, key) in self._region_keys().items()
                if key is not PhysicalKey.NONE
            )
        self._vehicles_needing_key = needing

    @callback
    def _async_publish_assessment(self, *, changed: bool) -> None:
        """Publish the assessment, report outage events and store the detector."""
        events = self._home_store.outage_log.report(
            self.config_entry.entry_id,
            self._region,
            self._detector.assessment,
            wanted=self._vehicles_needing_key,
            utcnow=dt_util.utcnow(),
            monotonic=time.monotonic(),
        )
        self._async_publish()
        if events:
            self._home_store.async_save()
        async_report(self.hass, events)
        if changed and (
            (stored := self._detector.dump_state(0.0)) != self._stored_detector
        ):
            self._stored_detector = stored
            self._store.async_save_soon()
        if self._detector.auth_invalid:
            self.config_entry.async_start_reauth_if_available(self.hass)

    @callback
    def _async_publish(self) -> None:
        if (data := self._drill.apply(self.actual_data())) != self.data:
            self.async_set_updated_data(data)

    def actual_data(self) -> CloudData:
        """Return the data of the cloud without a drill."""
        return present_cloud(
            self._detector.assessment,
            host=self._host_poller.health(self._region),
            calls_work=bool(self._vehicles_with_working_calls),
        )

    @callback
    def async_report_event(self, event: OutageEvent) -> None:
        """Publish an outage event."""
        self._publisher.async_publish(
            event,
            self._detector.assessment,
            keys_by_name(self._region_keys().values()),
        )

    def _describe(self, keys: Mapping[str, PhysicalKey]) -> list[NoticeVehicle]:
        """Return the vehicles of keys by name, those of other entries included."""
        vehicles = {
            coordinator.vehicle.title: coordinator
            for found in (*self._others(), self.runtime_data)
            for coordinator in found.vehicles.values()
        }
        return [
            describe_vehicle(vehicles[name], key)
            if name in vehicles
            else NoticeVehicle(name=name, key=key)
            for name, key in keys.items()
        ]

    def _region_keys(self) -> dict[str, tuple[str, PhysicalKey]]:
        """Return name and key to take of each vehicle of the region.

        The vehicles of other entries are included: the first entry that sees an outage
        reports it for all.
        """
        others = {
            vehicle_id: (
                coordinator.vehicle.title,
                coordinator.key_to_take(self._detector.assessment)
                if coordinator.actual.key_to_take is PhysicalKey.NONE
                else coordinator.actual.key_to_take,
            )
            for other in self._others()
            if other.region == self._region
            for vehicle_id, coordinator in other.vehicles.items()
        }
        return others | {
            vehicle_id: (coordinator.vehicle.title, coordinator.actual.key_to_take)
            for vehicle_id, coordinator in self._vehicles.items()
        }


@callback
def async_report(hass: HomeAssistant, events: Collection[OutageEvent]) -> None:
    """Publish each event by the entry that is to report it."""
    if not events:
        return
    coordinators = {
        data.coordinator.config_entry.entry_id: data.coordinator
        for data in _runtime_data(hass)
    }
    for event in events:
        if (coordinator := coordinators.get(event.entry_id)) is not None:
            with isolated("an entry that reports an outage"):
                coordinator.async_report_event(event)


def _runtime_data(hass: HomeAssistant) -> Iterator[KeycardData]:
    """Yield the runtime data of the entries that are set up or about to be."""
    for entry in hass.config_entries.async_entries(DOMAIN):
        if isinstance(data := getattr(entry, "runtime_data", None), KeycardData):
            yield data
