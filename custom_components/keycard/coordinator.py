"""Ties the judge and the cars to Home Assistant's clock."""

from collections.abc import Iterable, Iterator, Mapping
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
from .const import CONF_LOCATION_AWAY, CONF_PROVIDER, DOMAIN
from .cost.budget import StoredSpending
from .cost.middleware import UsageMiddleware
from .cost.pricing import Charge, tariff_of
from .drill.runner import DrillRunner
from .external.observer import ExternalStateObserver
from .notifications.publisher import OutageEventPublisher
from .outage.detector import OutageDetector, StoredDetector
from .outage.evidence import Evidence, Subject
from .outage.health import Health
from .outage.models import Status
from .outage.outage_log import OutageEvent
from .outage.stored_values import LONGEST_GAP, Skipped, check_type, parse_stored_time
from .providers import hosts_of, provider_of
from .runtime.call_handler import ApiCallHandler
from .runtime.commands import CloudCommandSender
from .runtime.connection import cloud_connection
from .runtime.host_poller import async_get_host_poller
from .runtime.isolation import IsolatedCoordinator, isolated
from .runtime.storage import (
    DATA_STORE,
    EntryStore,
    StoredEntry,
    StoredEvent,
    StoredRehearsal,
)
from .runtime.usage_tracker import UsageTracker
from .runtime.vehicle_coordinator import VehicleCoordinator
from .runtime.vehicle_poller import VehiclePoller
from .runtime.vehicles import VehicleManager
from .runtime.views import CloudData, key_to_take, keys_by_name
from .transport.http import deadline_trace_config
from .vehicle.keys import PhysicalKey
from .vehicle.vehicle import Vehicle

__all__ = [
    "KeycardConfigEntry",
    "KeycardCoordinator",
    "VehicleCoordinator",
    "async_report",
]

_LOGGER = logging.getLogger(__name__)

_UNREACHABLE = frozenset({Status.OUTAGE, Status.INTERNET_DOWN, Status.PROVIDER_DOWN})

type KeycardConfigEntry = ConfigEntry[KeycardCoordinator]


class KeycardCoordinator(IsolatedCoordinator[CloudData]):
    """Judge the cloud for one entry, and keep its cars."""

    config_entry: KeycardConfigEntry

    def __init__(
        self, hass: HomeAssistant, entry: KeycardConfigEntry, entrance: Credentials
    ) -> None:
        """Prepare an entry; nothing is asked before it starts."""
        super().__init__(hass, _LOGGER, config_entry=entry, name=entry.title)
        self.hosts = hosts = hosts_of(entry.data, entry.options)
        cached = tariff_of(entry.data[CONF_PROVIDER], third_party=True).cached
        self.provider = provider = provider_of(
            entry.data,
            entry.options,
            lambda recorder: async_create_clientsession(
                hass,
                middlewares=(
                    recorder,
                    UsageMiddleware(self._async_billed, cached=cached),
                ),
                trace_configs=[deadline_trace_config()],
            ),
            entrance.provider_credentials,
        )
        self.region = provider.region
        self.watcher = async_get_host_poller(hass, hosts)
        in_between = provider.third_party(hosts)
        self.judge = OutageDetector(
            self.watcher.watch,
            region=self.region,
            in_between=in_between,
            now=time.monotonic(),
        )
        self._memory = EntryStore(hass, entry.entry_id, self._dump)
        self.garage = VehicleManager(
            hass,
            entry,
            provider,
            self.judge,
            lambda: {vin for other in self._others() for vin in other.garage.vins},
            key=entrance.bluetooth_key,
            save=self._async_save_now,
            keep=self._memory.async_save_soon,
        )
        self.cars = self.judge.account.vehicle_ids = self.garage.cars
        self.witnesses = ExternalStateObserver(
            hass, self.judge.stale_data, entry.options
        )
        tariff = tariff_of(entry.data[CONF_PROVIDER], third_party=in_between)
        self.bill = UsageTracker(entry.options, tariff)
        self.bulletin = OutageEventPublisher(
            hass, seen=self.garage.stale_vehicles, near=self.garage.bluetooth_reachable
        )
        self._ledger = hass.data[DATA_STORE]
        self.rehearsal = DrillRunner(
            hass=hass,
            entry_id=entry.entry_id,
            detector=self.judge,
            cars=self.cars,
            publisher=self.bulletin,
            show=self._async_publish,
            update=self.async_update_listeners,
            schedule_save=self._memory.async_save_soon,
        )
        self.last_event: StoredEvent | None = None
        """What was told last."""

        self._kept: StoredDetector | None = None
        self._poller: VehiclePoller | None = None
        self._unsubs: list[CALLBACK_TYPE] = []
        self._entrance = entrance
        intake = ApiCallHandler(
            hass=hass,
            entry=entry,
            hosts=hosts,
            detector=self.judge,
            vehicles=self.garage,
            sign_in=entrance.session,
            record_evidence=self._async_handle_evidence,
            renewed=self._async_renewed,
            schedule_save=self._memory.async_save_later,
        )
        if entrance.session is not None:
            entrance.session.on_refresh = intake.async_renewed
        if provider.link is not None:
            self._poller = VehiclePoller(
                hass=hass,
                link=provider.link,
                judge=self.judge,
                car=lambda car: self.cars[car].vehicle,
                on_call=intake.async_handle_call,
                interval_factor=self.bill.interval_factor,
                random=Random(),
            )
            self.garage.poller = self._poller
            self.garage.sender = CloudCommandSender(
                client=provider.link,
                detector=self.judge,
                record_evidence=self._async_handle_evidence,
                request_refresh=self._poller.async_request_data,
                location_allowed=self._location_allowed,
            )

    def _location_allowed(self, latitude: float, longitude: float) -> bool:
        """Return whether a car's place may be told as the user's."""
        if self.config_entry.options.get(CONF_LOCATION_AWAY, False):
            return True
        home = self.hass.config
        away = distance(latitude, longitude, home.latitude, home.longitude)
        return away is not None and away <= home.radius

    # Start and stop

    async def async_restore(self) -> None:
        """Restore assessment, vehicles and keys from storage."""
        cars, keys = self.provider.vehicles(), dict[str, PhysicalKey]()
        rehearsed: StoredRehearsal | None = None
        if (stored := await self._memory.async_load()) is not None:
            skipped = Skipped()
            cars = self._restore_cars(stored, skipped)
            with skipped.part("judge"):
                keys = self._restore_judgement(stored, skipped)
            with skipped.part("spending"):
                if (spending := stored.get("spending")) is not None:
                    check_type(spending, StoredSpending)
                    self.bill.async_restore(spending)
            with skipped.part("event"):
                if (event := stored.get("event")) is not None:
                    check_type(event, StoredEvent)
                    parse_stored_time(event["at"])
                    self.last_event = event
            rehearsed = stored.get("rehearsal")
            if skipped:
                _LOGGER.warning(
                    "%s: what was kept cannot be read: %s", self.name, skipped
                )
        known = {car.id for car in cars}
        cars += [
            self.provider.vehicle_from_vin(vin, subentry.title)
            for vin, subentry in self.garage.paired_subentries.items()
            if vin not in known
        ]
        self.garage.async_restore(cars, keys)
        self.data = self.real_view()
        await self.bulletin.async_load_translations()
        if rehearsed is not None:
            self.rehearsal.restore(rehearsed)

    def _restore_cars(
        self, stored: Mapping[str, Any], skipped: Skipped
    ) -> list[Vehicle]:
        """Return the cars that were kept, and those that are known without it."""
        cars: dict[str, Vehicle] = {}
        local = self.garage.paired_subentries
        with skipped.part("cars"):
            for car_id, kept in stored["cars"].items():
                if self.provider.cars_from_account or car_id in local:
                    with skipped.part("a car"):
                        check_type(kept, dict[str, object])
                        cars[car_id] = self.provider.restore(kept)
        named = [car for car in self.provider.vehicles() if car.id not in cars]
        return [*named, *cars.values()]

    def _restore_judgement(
        self, stored: Mapping[str, Any], skipped: Skipped
    ) -> dict[str, PhysicalKey]:
        """Take up what was judged, and return the keys that were named last."""
        away = dt_util.utcnow() - parse_stored_time(stored["saved"])
        self.judge.restore_state(
            stored["judge"], now=time.monotonic(), away=away.total_seconds()
        )
        self._ledger.journal.restore_last(
            self.config_entry.entry_id, self.judge.assessment
        )
        keys: dict[str, PhysicalKey] = {}
        with skipped.part("keys"):
            if away <= LONGEST_GAP:
                keys = {
                    car_id: PhysicalKey(key) for car_id, key in stored["keys"].items()
                }
        return keys

    @callback
    def async_keep_event(self, event: StoredEvent) -> None:
        """Keep what was told last: Home Assistant itself writes it much later."""
        self.last_event = event
        self._memory.async_save_soon()

    @callback
    def async_start(self) -> None:
        """Begin to watch and to call."""
        self._unsubs = [
            self.watcher.async_subscribe(
                self.config_entry.entry_id, self.region, self._async_assess
            ),
            self.hass.bus.async_listen(
                EVENT_CORE_CONFIG_UPDATE, self._async_config_updated
            ),
            self.hass.bus.async_listen(
                EVENT_HOMEASSISTANT_STOP, self._async_save_at_stop
            ),
            self.witnesses.async_start(),
        ]
        if self._entrance.reauth_required:
            self.config_entry.async_start_reauth_if_available(self.hass)
        self.garage.async_start()
        if self._poller is not None:
            self._unsubs += [
                self._poller.async_stop,
                self.bill.async_add_listener(self._poller.async_schedule),
            ]
            self._poller.async_start(
                {
                    car_id: car.vehicle.data_age(dt_util.utcnow())
                    for car_id, car in self.cars.items()
                }
            )
        self.garage.async_ask()

    async def async_stop(self) -> None:
        """Watch and call no more, and write down what is to be kept."""
        while self._unsubs:
            self._unsubs.pop()()
        self.rehearsal.async_detach()
        await self.garage.async_stop()
        await self._memory.async_save()

    @callback
    def _async_save_at_stop(self, _event: Event) -> None:
        # The store writes it at the end, beside what it had planned to write.
        self._memory.async_save_soon()

    @callback
    def _async_save_now(self) -> None:
        self.config_entry.async_create_task(
            self.hass, self._memory.async_save(), f"{DOMAIN} saves"
        )

    def _dump(self) -> StoredEntry:
        left_out = self.garage.left_out
        stored = StoredEntry(
            saved=dt_util.utcnow().isoformat(),
            judge=self.judge.dump_state(time.monotonic()),
            cars={
                **{car_id: car.to_json() for car_id, car in left_out.items()},
                **{car_id: car.vehicle.to_json() for car_id, car in self.cars.items()},
            },
            keys={car_id: car.actual.key_to_take for car_id, car in self.cars.items()},
            spending=self.bill.spending.dump(),
            rehearsal=self.rehearsal.dump(),
        )
        if self.last_event is not None:
            stored["event"] = self.last_event
        return stored

    async def _async_config_updated(self, _event: Event) -> None:
        await self.bulletin.async_load_translations()

    # Cars

    def _others(self) -> Iterator[KeycardCoordinator]:
        return (found for found in _coordinators(self.hass) if found is not self)

    # Evidence

    @callback
    def _async_renewed(self) -> None:
        """Judge anew, for the sign-in was renewed, or could not be."""
        if not self._unsubs:
            return
        self.watcher.async_schedule()
        self._async_assess()

    @callback
    def _async_handle_evidence(self, found: Evidence) -> None:
        if not self._unsubs or not (found.car is None or found.car in self.cars):
            # The entry was unloaded, or the car left the account, meanwhile.
            return
        if found.car is not None:
            self.cars[found.car].async_record_evidence(found)
        done = found.good and found.classification.subject is Subject.COMMANDS
        if self._poller is not None and found.car and done:
            self._poller.async_expect_change(found.car)
        self.judge.observe_call(found)
        self.watcher.async_schedule()
        self._async_assess()

    @callback
    def _async_billed(self, charge: Charge) -> None:
        self.bill.async_count(charge)
        if self._unsubs:
            self._memory.async_save_later()

    # Judgement

    @callback
    def _async_assess(self) -> None:
        """Judge anew, and show and report what changed."""
        self.bill.async_roll_month()
        before = self.judge.assessment.status
        judgement = self.judge.assess(time.monotonic(), dt_util.utcnow())
        if self._poller is not None:
            # A doubt about the hosts is one about the calls, too.
            self._poller.async_schedule()
        self.rehearsal.async_check(judgement)
        now = time.monotonic()
        keys = {
            car_id: key_to_take(
                judgement,
                car_id,
                owned=car.vehicle.physical_key,
                before=car.actual.key_to_take,
            )
            for car_id, car in self.cars.items()
        }
        happenings = self._ledger.journal.report(
            self.config_entry.entry_id,
            self.region,
            judgement,
            wanted=frozenset(
                car_id
                for car_id, (_, key) in self._keys_of_region(keys).items()
                if key is not PhysicalKey.NONE
            ),
            wall=dt_util.utcnow(),
            now=now,
        )
        for car_id, car in self.cars.items():
            with isolated("a vehicle that is shown"):
                calls_work = self.judge.calls_work(car_id, now)
                connection = cloud_connection(
                    judgement,
                    car_id,
                    car.vehicle.state,
                    calls_work=calls_work,
                    mobile_access=car.mobile_access,
                    refused=self.judge.account.refusal_of(car_id),
                )
                car.async_update_presentation(
                    keys[car_id], connection, cloud_link=calls_work
                )
        self._async_publish()
        if happenings:
            self._ledger.async_save()
        async_report(self.hass, happenings)
        if judgement.status is not before:
            _LOGGER.info("%s: %s", self.name, judgement.status)
        if (kept := self.judge.dump_state(0.0)) != self._kept:
            self._kept = kept
            self._memory.async_save_soon()
        if self.judge.auth_invalid:
            self.config_entry.async_start_reauth_if_available(self.hass)

    @callback
    def _async_publish(self) -> None:
        if (view := self.rehearsal.apply(self.real_view())) != self.data:
            self.async_set_updated_data(view)

    def real_view(self) -> CloudData:
        """Return what is known of the cloud, whatever a drill shows."""
        judgement = self.judge.assessment
        health = self.watcher.watch.health(self.region, time.monotonic())
        linked = any(car.actual.cloud_link for car in self.cars.values())
        return CloudData(
            assessment=judgement,
            api_reachable=judgement.status not in _UNREACHABLE
            and (health is Health.UP or linked),
        )

    @callback
    def async_report(self, happening: OutageEvent) -> None:
        """Report a happening through the event entity."""
        own = {car_id: car.actual.key_to_take for car_id, car in self.cars.items()}
        keys = keys_by_name(self._keys_of_region(own).values())
        self.bulletin.async_publish(happening, self.judge.assessment, keys)

    def _keys_of_region(
        self, own: Mapping[str, PhysicalKey]
    ) -> dict[str, tuple[str, PhysicalKey]]:
        """Return name and key to take of each car, those of other entries included.

        An outage is told once, by whoever sees it first; the others are about to.
        """
        keys = {
            car_id: (
                car.vehicle.title,
                key_to_take(
                    self.judge.assessment,
                    car_id,
                    owned=car.vehicle.physical_key,
                    before=car.actual.key_to_take,
                )
                if car.actual.key_to_take is PhysicalKey.NONE
                else car.actual.key_to_take,
            )
            for coordinator in self._others()
            if coordinator.region == self.region
            for car_id, car in coordinator.cars.items()
        }
        return keys | {
            car_id: (self.cars[car_id].vehicle.title, key)
            for car_id, key in own.items()
        }


@callback
def async_report(hass: HomeAssistant, happenings: Iterable[OutageEvent]) -> None:
    """Hand each happening to the entry that is to report it."""
    coordinators = {
        coordinator.config_entry.entry_id: coordinator
        for coordinator in _coordinators(hass)
    }
    for happening in happenings:
        if (coordinator := coordinators.get(happening.entry_id)) is not None:
            with isolated("an entry that reports an outage"):
                coordinator.async_report(happening)


def _coordinators(hass: HomeAssistant) -> Iterator[KeycardCoordinator]:
    """Return what runs, or is about to."""
    for entry in hass.config_entries.async_entries(DOMAIN):
        coordinator = getattr(entry, "runtime_data", None)
        if isinstance(coordinator, KeycardCoordinator):
            yield coordinator
