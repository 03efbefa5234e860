"""The cars of one entry: those that are there, that come, and that go."""

from collections.abc import Callable, Iterable
import logging

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.util import dt as dt_util

from .car import CarCoordinator
from .commands import Sender
from .const import DOMAIN
from .outage.judge import Judge
from .polling import Poller
from .providers import Provider
from .vehicle.keys import Key
from .vehicle.links import Call
from .vehicle.roster import Roster, cars_in
from .vehicle.vehicle import Car

_LOGGER = logging.getLogger(__name__)


class Garage:
    """Keep the cars of an entry, and follow the account that tells of them.

    `sender` and `poller` are those of the account, if there is one. `elsewhere` names
    the cars of other entries: what two accounts share is the entry's that had it first.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        provider: Provider,
        judge: Judge,
        elsewhere: Callable[[], set[str]],
    ) -> None:
        """Start without a car."""
        self.cars: dict[str, CarCoordinator] = {}
        self.sender: Sender | None = None
        self.poller: Poller | None = None
        self._hass = hass
        self._entry = entry
        self._provider = provider
        self._judge = judge
        self._elsewhere = elsewhere
        self._roster = Roster()
        self._listeners: list[Callable[[list[CarCoordinator]], None]] = []

    @property
    def signs(self) -> bool:
        """Tell whether somebody signs commands: the link, or a service in between."""
        link = self._provider.link
        return link is not None and (link.signs or self._judge.in_between)

    @callback
    def async_fill(self, cars: Iterable[Car], keys: dict[str, Key]) -> None:
        """Put the cars in that are known from before, with the keys named last."""
        for car in cars:
            self._add(car, keys.get(car.id, Key.USUAL))
        self._roster = Roster(known=set(self.cars))

    def _add(self, car: Car, key: Key) -> CarCoordinator:
        coordinator = CarCoordinator(self._hass, self._entry, car, self.sender, key)
        coordinator.signs = self.signs
        self.cars[car.id] = coordinator
        return coordinator

    @callback
    def async_add_listener(
        self, listener: Callable[[list[CarCoordinator]], None]
    ) -> CALLBACK_TYPE:
        """Call back with the cars that are there, and with each that comes."""
        self._listeners.append(listener)
        listener(list(self.cars.values()))
        return lambda: self._listeners.remove(listener)

    @callback
    def async_follow(self, call: Call) -> None:
        """Follow what the account lists."""
        listed = cars_in(call.body)
        if listed is None or self.poller is None:
            return
        now = dt_util.utcnow()
        change = self._roster.observe(set(listed) - self._elsewhere(), now)
        for vin, summary in listed.items():
            if vin in self.cars:
                self.cars[vin].car.apply_summary(summary, now)
        if change.came:
            new = [
                self._add(self._provider.discover(listed[vin], now), Key.USUAL)
                for vin in change.came
            ]
            for car in new:
                self.poller.async_add_car(car.car.id)
            for listener in self._listeners:
                listener(new)
        for vin in change.gone:
            self.async_remove(vin)

    @callback
    def async_remove(self, vin: str) -> None:
        """Let a car go, with all that is known of it."""
        _LOGGER.info("%s: a car has left the account", self._entry.title)
        del self.cars[vin]
        self._judge.forget(vin)
        if self._provider.link is not None:
            self._provider.link.forget(vin)
        if self.poller is not None:
            self.poller.async_remove_car(vin)
        registry = dr.async_get(self._hass)
        device = registry.async_get_device_by_identifier(
            (DOMAIN, vin), self._entry.entry_id
        )
        if device is not None:
            registry.async_remove_device(device.id)
