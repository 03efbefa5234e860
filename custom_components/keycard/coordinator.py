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

from .auth.credentials import Entrance
from .const import CONF_LOCATION_AWAY, CONF_PROVIDER, DOMAIN
from .cost.budget import StoredSpending
from .cost.middleware import Meter
from .cost.pricing import Charge, tariff_of
from .drill.runner import Rehearsal
from .external.observer import Witnesses
from .notifications.publisher import Bulletin
from .outage.detector import Judge, StoredJudge
from .outage.evidence import Evidence, Subject
from .outage.health import Health
from .outage.models import Status
from .outage.outage_log import Happening
from .outage.stored_values import LONGEST_GAP, Skipped, check_form, read_time
from .providers import hosts_of, provider_of
from .runtime.call_handler import Intake
from .runtime.commands import Sender
from .runtime.connection import over_cloud
from .runtime.host_poller import async_get_watcher
from .runtime.isolation import IsolatedCoordinator, isolated
from .runtime.storage import LEDGER, Memory, StoredEntry, StoredEvent, StoredRehearsal
from .runtime.usage_tracker import Bill
from .runtime.vehicle_coordinator import CarCoordinator
from .runtime.vehicle_poller import Poller
from .runtime.vehicles import Garage
from .runtime.views import CloudView, key_to_take, keys_by_name
from .transport.http import connection_check
from .vehicle.keys import Key
from .vehicle.vehicle import Car

__all__ = ["CarCoordinator", "KeycardConfigEntry", "KeycardCoordinator", "async_report"]

_LOGGER = logging.getLogger(__name__)

_UNREACHABLE = frozenset({Status.OUTAGE, Status.INTERNET_DOWN, Status.PROVIDER_DOWN})

type KeycardConfigEntry = ConfigEntry[KeycardCoordinator]


class KeycardCoordinator(IsolatedCoordinator[CloudView]):
    """Judge the cloud for one entry, and keep its cars."""

    config_entry: KeycardConfigEntry

    def __init__(
        self, hass: HomeAssistant, entry: KeycardConfigEntry, entrance: Entrance
    ) -> None:
        """Prepare an entry; nothing is asked before it starts."""
        super().__init__(hass, _LOGGER, config_entry=entry, name=entry.title)
        self.hosts = hosts = hosts_of(entry.data, entry.options)
        cached = tariff_of(entry.data[CONF_PROVIDER], in_between=True).cached
        self.provider = provider = provider_of(
            entry.data,
            entry.options,
            lambda recorder: async_create_clientsession(
                hass,
                middlewares=(recorder, Meter(self._async_billed, cached=cached)),
                trace_configs=[connection_check()],
            ),
            entrance.access,
        )
        self.region = provider.region
        self.watcher = async_get_watcher(hass, hosts)
        in_between = provider.in_between(hosts)
        self.judge = Judge(
            self.watcher.watch,
            region=self.region,
            in_between=in_between,
            now=time.monotonic(),
        )
        self._memory = Memory(hass, entry.entry_id, self._dump)
        self.garage = Garage(
            hass,
            entry,
            provider,
            self.judge,
            lambda: {vin for other in self._others() for vin in other.garage.vins},
            key=entrance.bluetooth_key,
            save=self._async_save_now,
            keep=self._memory.async_save_soon,
        )
        self.cars = self.judge.account.cars = self.garage.cars
        self.witnesses = Witnesses(hass, self.judge.beside, entry.options)
        tariff = tariff_of(entry.data[CONF_PROVIDER], in_between=in_between)
        self.bill = Bill(entry.options, tariff)
        self.bulletin = Bulletin(hass, seen=self.garage.seen, near=self.garage.near)
        self._ledger = hass.data[LEDGER]
        self.rehearsal = Rehearsal(
            hass=hass,
            entry_id=entry.entry_id,
            judge=self.judge,
            cars=self.cars,
            bulletin=self.bulletin,
            show=self._async_show,
            update=self.async_update_listeners,
            keep=self._memory.async_save_soon,
        )
        self.last_event: StoredEvent | None = None
        """What was told last."""

        self._kept: StoredJudge | None = None
        self._poller: Poller | None = None
        self._unsubs: list[CALLBACK_TYPE] = []
        self._entrance = entrance
        intake = Intake(
            hass=hass,
            entry=entry,
            hosts=hosts,
            judge=self.judge,
            garage=self.garage,
            sign_in=entrance.sign_in,
            observe=self._async_take_in,
            renewed=self._async_renewed,
            learnt=self._memory.async_save_later,
        )
        if entrance.sign_in is not None:
            entrance.sign_in.observe = intake.async_renewed
        if provider.link is not None:
            self._poller = Poller(
                hass=hass,
                link=provider.link,
                judge=self.judge,
                car=lambda car: self.cars[car].car,
                answered=intake.async_answered,
                slower=self.bill.slower,
                random=Random(),
            )
            self.garage.poller = self._poller
            self.garage.sender = Sender(
                link=provider.link,
                judge=self.judge,
                observe=self._async_take_in,
                doubt=self._poller.async_want_data,
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
        """Take up what was kept: the judgement, the cars, the keys (laws 1 and 2)."""
        cars, keys = self.provider.cars(), dict[str, Key]()
        rehearsed: StoredRehearsal | None = None
        if (stored := await self._memory.async_load()) is not None:
            skipped = Skipped()
            cars = self._restore_cars(stored, skipped)
            with skipped.part("judge"):
                keys = self._restore_judgement(stored, skipped)
            with skipped.part("spending"):
                if (spending := stored.get("spending")) is not None:
                    check_form(spending, StoredSpending)
                    self.bill.async_restore(spending)
            with skipped.part("event"):
                if (event := stored.get("event")) is not None:
                    check_form(event, StoredEvent)
                    read_time(event["at"])
                    self.last_event = event
            rehearsed = stored.get("rehearsal")
            if skipped:
                _LOGGER.warning(
                    "%s: what was kept cannot be read: %s", self.name, skipped
                )
        known = {car.id for car in cars}
        cars += [
            self.provider.introduce(vin, subentry.title)
            for vin, subentry in self.garage.paired.items()
            if vin not in known
        ]
        self.garage.async_fill(cars, keys)
        self.data = self.real_view()
        await self.bulletin.async_load_words()
        if rehearsed is not None:
            self.rehearsal.restore(rehearsed)

    def _restore_cars(self, stored: Mapping[str, Any], skipped: Skipped) -> list[Car]:
        """Return the cars that were kept, and those that are known without it."""
        cars: dict[str, Car] = {}
        local = self.garage.paired
        with skipped.part("cars"):
            for car_id, kept in stored["cars"].items():
                if self.provider.cars_from_account or car_id in local:
                    with skipped.part("a car"):
                        check_form(kept, dict[str, object])
                        cars[car_id] = self.provider.restore(kept)
        named = [car for car in self.provider.cars() if car.id not in cars]
        return [*named, *cars.values()]

    def _restore_judgement(
        self, stored: Mapping[str, Any], skipped: Skipped
    ) -> dict[str, Key]:
        """Take up what was judged, and return the keys that were named last."""
        away = dt_util.utcnow() - read_time(stored["saved"])
        self.judge.restore(
            stored["judge"], now=time.monotonic(), away=away.total_seconds()
        )
        self._ledger.journal.resume(self.config_entry.entry_id, self.judge.judgement)
        keys: dict[str, Key] = {}
        with skipped.part("keys"):
            if away <= LONGEST_GAP:
                keys = {car_id: Key(key) for car_id, key in stored["keys"].items()}
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
            self.watcher.async_follow(
                self.config_entry.entry_id, self.region, self._async_judge
            ),
            self.hass.bus.async_listen(
                EVENT_CORE_CONFIG_UPDATE, self._async_config_updated
            ),
            self.hass.bus.async_listen(
                EVENT_HOMEASSISTANT_STOP, self._async_save_at_stop
            ),
            self.witnesses.async_start(),
        ]
        if self._entrance.lost:
            self.config_entry.async_start_reauth_if_available(self.hass)
        self.garage.async_start()
        if self._poller is not None:
            self._unsubs += [
                self._poller.async_stop,
                self.bill.async_add_listener(self._poller.async_schedule),
            ]
            self._poller.async_start(
                {
                    car_id: car.car.data_age(dt_util.utcnow())
                    for car_id, car in self.cars.items()
                }
            )
        self.garage.async_ask()

    async def async_stop(self) -> None:
        """Watch and call no more, and write down what is to be kept."""
        while self._unsubs:
            self._unsubs.pop()()
        self.rehearsal.async_leave()
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
            judge=self.judge.dump(time.monotonic()),
            cars={
                **{car_id: car.to_json() for car_id, car in left_out.items()},
                **{car_id: car.car.to_json() for car_id, car in self.cars.items()},
            },
            keys={car_id: car.real.key_to_take for car_id, car in self.cars.items()},
            spending=self.bill.spending.dump(),
            rehearsal=self.rehearsal.dump(),
        )
        if self.last_event is not None:
            stored["event"] = self.last_event
        return stored

    async def _async_config_updated(self, _event: Event) -> None:
        await self.bulletin.async_load_words()

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
        self._async_judge()

    @callback
    def _async_take_in(self, found: Evidence) -> None:
        if not self._unsubs or not (found.car is None or found.car in self.cars):
            # The entry was unloaded, or the car left the account, meanwhile.
            return
        if found.car is not None:
            self.cars[found.car].async_observe(found)
        done = found.good and found.meaning.subject is Subject.COMMANDS
        if self._poller is not None and found.car and done:
            self._poller.async_stir(found.car)
        self.judge.observe(found)
        self.watcher.async_schedule()
        self._async_judge()

    @callback
    def _async_billed(self, charge: Charge) -> None:
        self.bill.async_count(charge)
        if self._unsubs:
            self._memory.async_save_later()

    # Judgement

    @callback
    def _async_judge(self) -> None:
        """Judge anew, and show and report what changed."""
        self.bill.async_look_at_clock()
        before = self.judge.judgement.status
        judgement = self.judge.judge(time.monotonic(), dt_util.utcnow())
        if self._poller is not None:
            # A doubt about the hosts is one about the calls, too.
            self._poller.async_schedule()
        self.rehearsal.async_look(judgement)
        now = time.monotonic()
        keys = {
            car_id: key_to_take(
                judgement,
                car_id,
                owned=car.car.key,
                before=car.real.key_to_take,
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
                if key is not Key.USUAL
            ),
            wall=dt_util.utcnow(),
            now=now,
        )
        for car_id, car in self.cars.items():
            with isolated("a vehicle that is shown"):
                calls_work = self.judge.calls_work(car_id, now)
                connection = over_cloud(
                    judgement,
                    car_id,
                    car.car.state,
                    calls_work=calls_work,
                    mobile_access=car.mobile_access,
                    refused=self.judge.account.refuses(car_id),
                )
                car.async_refresh_view(keys[car_id], connection, cloud_link=calls_work)
        self._async_show()
        if happenings:
            self._ledger.async_save()
        async_report(self.hass, happenings)
        if judgement.status is not before:
            _LOGGER.info("%s: %s", self.name, judgement.status)
        if (kept := self.judge.dump(0.0)) != self._kept:
            self._kept = kept
            self._memory.async_save_soon()
        if self.judge.sign_in_proven_bad:
            self.config_entry.async_start_reauth_if_available(self.hass)

    @callback
    def _async_show(self) -> None:
        if (view := self.rehearsal.shown(self.real_view())) != self.data:
            self.async_set_updated_data(view)

    def real_view(self) -> CloudView:
        """Return what is known of the cloud, whatever a drill shows."""
        judgement = self.judge.judgement
        health = self.watcher.watch.health(self.region, time.monotonic())
        linked = any(car.real.cloud_link for car in self.cars.values())
        return CloudView(
            judgement=judgement,
            api_reachable=judgement.status not in _UNREACHABLE
            and (health is Health.UP or linked),
        )

    @callback
    def async_report(self, happening: Happening) -> None:
        """Report a happening through the event entity."""
        own = {car_id: car.real.key_to_take for car_id, car in self.cars.items()}
        keys = keys_by_name(self._keys_of_region(own).values())
        self.bulletin.async_tell(happening, self.judge.judgement, keys)

    def _keys_of_region(self, own: Mapping[str, Key]) -> dict[str, tuple[str, Key]]:
        """Return name and key to take of each car, those of other entries included.

        An outage is told once, by whoever sees it first; the others are about to.
        """
        keys = {
            car_id: (
                car.car.title,
                key_to_take(
                    self.judge.judgement,
                    car_id,
                    owned=car.car.key,
                    before=car.real.key_to_take,
                )
                if car.real.key_to_take is Key.USUAL
                else car.real.key_to_take,
            )
            for coordinator in self._others()
            if coordinator.region == self.region
            for car_id, car in coordinator.cars.items()
        }
        return keys | {
            car_id: (self.cars[car_id].car.title, key) for car_id, key in own.items()
        }


@callback
def async_report(hass: HomeAssistant, happenings: Iterable[Happening]) -> None:
    """Hand each happening to the entry that is to report it."""
    coordinators = {
        coordinator.config_entry.entry_id: coordinator
        for coordinator in _coordinators(hass)
    }
    for happening in happenings:
        if (coordinator := coordinators.get(happening.reporter)) is not None:
            with isolated("an entry that reports an outage"):
                coordinator.async_report(happening)


def _coordinators(hass: HomeAssistant) -> Iterator[KeycardCoordinator]:
    """Return what runs, or is about to."""
    for entry in hass.config_entries.async_entries(DOMAIN):
        coordinator = getattr(entry, "runtime_data", None)
        if isinstance(coordinator, KeycardCoordinator):
            yield coordinator
