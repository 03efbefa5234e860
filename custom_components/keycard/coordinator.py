"""Ties the judge and the cars to Home Assistant's clock."""

from collections.abc import Callable, Iterable, Iterator, Mapping
import logging
from random import Random
import time

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import (
    CONF_REGION,
    EVENT_CORE_CONFIG_UPDATE,
    EVENT_HOMEASSISTANT_STOP,
)
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.aiohttp_client import async_create_clientsession
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator
from homeassistant.util import dt as dt_util

from .access import Entrance
from .answer import Answer
from .bill import Bill
from .bulletin import Bulletin
from .car import CarCoordinator
from .commands import Sender
from .connection import over_cloud
from .const import CONF_BASE_URL, CONF_PROVIDER, DOMAIN
from .ledger import LEDGER
from .memory import UNREADABLE, Memory, StoredEntry
from .meter import Meter
from .outage.evidence import (
    RENEWED,
    STALE,
    Evidence,
    Kind,
    Reason,
    Subject,
    Verdict,
    evidence,
    read,
)
from .outage.journal import Happening
from .outage.judge import Judge, StoredJudge
from .outage.track import Health
from .outage.words import Status
from .polling import Ask, Poller, meaning_of
from .providers import hosts_of, provider_of
from .providers.prices import Charge, tariff_of
from .vehicle.keys import Key
from .vehicle.links import Call
from .vehicle.roster import Roster, cars_in
from .vehicle.vehicle import Car
from .views import CloudView, key_to_take
from .watcher import async_get_watcher
from .witnesses import Witnesses

__all__ = ["CarCoordinator", "KeycardConfigEntry", "KeycardCoordinator", "async_report"]

_LOGGER = logging.getLogger(__name__)

_UNREACHABLE = frozenset({Status.OUTAGE, Status.INTERNET_DOWN, Status.PROVIDER_DOWN})

type KeycardConfigEntry = ConfigEntry[KeycardCoordinator]


class KeycardCoordinator(DataUpdateCoordinator[CloudView]):
    """Judge the cloud for one entry, and keep its cars."""

    config_entry: KeycardConfigEntry

    def __init__(
        self, hass: HomeAssistant, entry: KeycardConfigEntry, entrance: Entrance
    ) -> None:
        """Prepare an entry; nothing is asked before it starts."""
        super().__init__(hass, _LOGGER, config_entry=entry, name=entry.title)
        self.hosts = hosts = hosts_of(entry.data, entry.options)
        meter = Meter(self._async_billed)
        self.provider = provider = provider_of(
            entry.data,
            entry.options,
            lambda recorder: async_create_clientsession(
                hass, middlewares=(recorder, meter)
            ),
            entrance.access,
        )
        self.region = provider.region
        self.cars: dict[str, CarCoordinator] = {}
        self.watcher = async_get_watcher(hass, hosts)
        in_between = provider.in_between(hosts)
        self.judge = Judge(
            self.watcher.watch,
            region=self.region,
            in_between=in_between,
            now=time.monotonic(),
        )
        self.witnesses = Witnesses(hass, self.judge.beside, entry.options)
        tariff = tariff_of(entry.data[CONF_PROVIDER], in_between=in_between)
        self.bill = Bill(entry.options, tariff)
        self.bulletin = Bulletin(hass)
        self._ledger = hass.data[LEDGER]
        self._memory = Memory(hass, entry.entry_id, self._dump)
        self._kept: StoredJudge | None = None
        self._roster = Roster()
        self._car_listeners: list[Callable[[list[CarCoordinator]], None]] = []
        self._sender: Sender | None = None
        self._poller: Poller | None = None
        self._unsubs: list[CALLBACK_TYPE] = []
        self._entrance = entrance
        if entrance.sign_in is not None:
            entrance.sign_in.observe = self._async_renewed
        if provider.link is not None:
            self._poller = Poller(
                hass=hass,
                link=provider.link,
                judge=self.judge,
                car=lambda car: self.cars[car].car,
                answered=self._async_answered,
                slower=self.bill.slower,
                random=Random(),
            )
            self._sender = Sender(
                link=provider.link,
                judge=self.judge,
                observe=self._async_take_in,
                doubt=self._poller.async_want_data,
            )

    # Start and stop

    async def async_restore(self) -> None:
        """Take up what was kept: the judgement, the cars, the keys (laws 1 and 2)."""
        cars, keys = self.provider.cars(), dict[str, Key]()
        if (stored := await self._memory.async_load()) is not None:
            try:
                if self.provider.cars_from_account:
                    cars = [*map(self.provider.restore, stored["cars"].values())]
                keys = {car_id: Key(key) for car_id, key in stored["keys"].items()}
                self._restore_judgement(stored)
                if (spending := stored.get("spending")) is not None:
                    self.bill.async_restore(spending)
            except UNREADABLE:
                _LOGGER.warning("%s: what was kept cannot be read", self.name)
        for car in cars:
            self._add_car(car, keys.get(car.id, Key.USUAL))
        self._roster = Roster(known=set(self.cars))
        self.data = self._view()
        await self.bulletin.async_load_words()

    def _restore_judgement(self, stored: StoredEntry) -> None:
        now = dt_util.utcnow()
        saved = dt_util.parse_datetime(stored["saved"]) or now
        self.judge.restore(
            stored["judge"], now=time.monotonic(), away=(now - saved).total_seconds()
        )
        self._ledger.journal.resume(self.config_entry.entry_id, self.judge.judgement)

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

    async def async_stop(self) -> None:
        """Watch and call no more, and write down what is to be kept."""
        while self._unsubs:
            self._unsubs.pop()()
        await self._memory.async_save()

    @callback
    def _async_save_at_stop(self, _event: Event) -> None:
        # The store writes it at the end, beside what it had planned to write.
        self._memory.async_save_soon()

    def _dump(self) -> StoredEntry:
        return StoredEntry(
            saved=dt_util.utcnow().isoformat(),
            judge=self.judge.dump(time.monotonic()),
            cars={car_id: car.car.to_json() for car_id, car in self.cars.items()},
            keys={car_id: car.data.key_to_take for car_id, car in self.cars.items()},
            spending=self.bill.spending.dump(),
        )

    async def _async_config_updated(self, _event: Event) -> None:
        await self.bulletin.async_load_words()

    # Cars

    @property
    def signs(self) -> bool:
        """Tell whether somebody signs commands: the link, or a service in between."""
        link = self.provider.link
        return link is not None and (link.signs or self.judge.in_between)

    def _add_car(self, car: Car, key: Key) -> CarCoordinator:
        coordinator = CarCoordinator(
            self.hass, self.config_entry, car, self._sender, key
        )
        coordinator.signs = self.signs
        self.cars[car.id] = coordinator
        return coordinator

    @callback
    def async_add_cars_listener(
        self, listener: Callable[[list[CarCoordinator]], None]
    ) -> CALLBACK_TYPE:
        """Call back with the cars that are there, and with each that comes."""
        self._car_listeners.append(listener)
        listener(list(self.cars.values()))
        return lambda: self._car_listeners.remove(listener)

    @callback
    def _async_follow_roster(self, call: Call) -> None:
        listed = cars_in(call.body)
        if listed is None or self._poller is None:
            return
        now = dt_util.utcnow()
        # A car that two accounts share is the entry's that had it first.
        elsewhere = {vin for other in self._others() for vin in other.cars}
        change = self._roster.observe(set(listed) - elsewhere, now)
        for vin, summary in listed.items():
            if vin in self.cars:
                self.cars[vin].car.apply_summary(summary, now)
        if change.came:
            new = [
                self._add_car(self.provider.discover(listed[vin], now), Key.USUAL)
                for vin in change.came
            ]
            for car in new:
                self._poller.async_add_car(car.car.id)
            for listener in self._car_listeners:
                listener(new)
        for vin in change.gone:
            self._remove_car(vin)

    def _others(self) -> Iterator[KeycardCoordinator]:
        return (found for found in _coordinators(self.hass) if found is not self)

    @callback
    def _remove_car(self, vin: str) -> None:
        _LOGGER.info("%s: a car has left the account", self.name)
        del self.cars[vin]
        self.judge.forget(vin)
        if self.provider.link is not None:
            self.provider.link.forget(vin)
        if self._poller is not None:
            self._poller.async_remove_car(vin)
        registry = dr.async_get(self.hass)
        device = registry.async_get_device_by_identifier(
            (DOMAIN, vin), self.config_entry.entry_id
        )
        if device is not None:
            registry.async_remove_device(device.id)

    # Evidence

    @callback
    def _async_answered(self, ask: Ask, vin: str | None, call: Call) -> None:
        """Take in what a call brought."""
        if not call.sent or not (vin is None or vin in self.cars):
            return
        meaning = meaning_of(ask, call)
        car = None if vin is None else self.cars[vin].car
        if meaning.verdict is Verdict.GOOD and call.body is not None:
            now = dt_util.utcnow()
            if ask is Ask.PRODUCTS:
                self._async_follow_roster(call)
            elif car is not None and ask is Ask.SUMMARY:
                car.apply_summary(call.body, now)
            elif car is not None and car.stale(call.body):
                meaning = STALE
                car.apply_summary(call.body, now)
            elif car is not None:
                car.apply_data(call.body, now)
                self._memory.async_save_later()
        if meaning.reason is Reason.WRONG_REGION:
            self._async_move(call.answer.body)
        if meaning.reason is Reason.UNAUTHORIZED and self._entrance.sign_in is not None:
            self._entrance.sign_in.doubt()
        if vin is not None and not self.cars[vin].car.online:
            self.judge.excuse(vin)
        self._async_take_in(
            evidence(meaning, call.answer, car=vin, model=car.model if car else None)
        )

    @callback
    def _async_move(self, refusal: str) -> None:
        """Use and keep the host that the maker names for this account.

        It must be one of the maker's: a token is shown to nobody else.
        """
        entry = self.config_entry
        if self.judge.in_between:
            return
        for region, base_url in self.hosts.regions.items():
            if base_url in refusal and base_url != entry.data[CONF_BASE_URL]:
                _LOGGER.info("%s: the account belongs to region %s", self.name, region)
                self.hass.config_entries.async_update_entry(
                    entry,
                    data={**entry.data, CONF_BASE_URL: base_url, CONF_REGION: region},
                )
                self.hass.config_entries.async_schedule_reload(entry.entry_id)
                return

    @callback
    def _async_renewed(self, answer: Answer | None) -> None:
        """Take in how renewing the sign-in went; None is that it went well."""
        if not self._unsubs:
            return
        if answer is None:
            now = time.monotonic()
            found = Evidence(meaning=RENEWED, asked_at=now, at=now)
        else:
            found = evidence(read(Kind.TOKEN, answer), answer)
        if not self.judge.in_between:
            self.judge.observe_renewal(found)
        elif not found.good:
            # A service in between renews its own sign-ins.
            self.judge.observe(found.of_calls())
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
        now = time.monotonic()
        keys = {
            car_id: key_to_take(
                judgement,
                car_id,
                owned=car.car.key,
                before=car.data.key_to_take,
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
        )
        for car_id, car in self.cars.items():
            calls_work = self.judge.calls_work(car_id, now)
            connection = over_cloud(
                judgement,
                car_id,
                car.car.state,
                calls_work=calls_work,
                mobile_access=car.mobile_access,
                refused=self.judge.account.reason,
            )
            car.async_refresh_view(keys[car_id], connection, cloud_link=calls_work)
        if (view := self._view()) != self.data:
            self.async_set_updated_data(view)
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

    def _view(self) -> CloudView:
        judgement = self.judge.judgement
        health = self.watcher.watch.health(self.region, time.monotonic())
        linked = any(car.data.cloud_link for car in self.cars.values())
        return CloudView(
            judgement=judgement,
            api_reachable=judgement.status not in _UNREACHABLE
            and (health is Health.UP or linked),
        )

    @callback
    def async_report(self, happening: Happening) -> None:
        """Report a happening through the event entity."""
        own = {car_id: car.data.key_to_take for car_id, car in self.cars.items()}
        keys: dict[str, Key] = {}
        for name, key in self._keys_of_region(own).values():
            # Of two cars with one name, the one that wants a key counts.
            if keys.get(name, Key.USUAL) is Key.USUAL:
                keys[name] = key
        judgement = self.judge.judgement
        seen = [car.car.name for one, car in self.cars.items() if one in judgement.seen]
        self.bulletin.async_tell(happening, judgement, keys, seen)

    def _keys_of_region(self, own: Mapping[str, Key]) -> dict[str, tuple[str, Key]]:
        """Return name and key to take of each car, those of other entries included.

        An outage is told once, by whoever sees it first; the others are about to.
        """
        keys = {
            car_id: (
                car.car.name,
                key_to_take(
                    self.judge.judgement,
                    car_id,
                    owned=car.car.key,
                    before=car.data.key_to_take,
                )
                if car.data.key_to_take is Key.USUAL
                else car.data.key_to_take,
            )
            for coordinator in self._others()
            if coordinator.region == self.region
            for car_id, car in coordinator.cars.items()
        }
        return keys | {
            car_id: (self.cars[car_id].car.name, key) for car_id, key in own.items()
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
            coordinator.async_report(happening)


def _coordinators(hass: HomeAssistant) -> Iterator[KeycardCoordinator]:
    """Return what runs, or is about to."""
    for entry in hass.config_entries.async_entries(DOMAIN):
        coordinator = getattr(entry, "runtime_data", None)
        if isinstance(coordinator, KeycardCoordinator):
            yield coordinator
