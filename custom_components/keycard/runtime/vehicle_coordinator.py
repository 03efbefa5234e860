"""One car for Home Assistant: what is known of it, and what it is told."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
import logging
import math
import time

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util
from homeassistant.util.location import distance

from ..bluetooth.vehicle_link import LocalLink
from ..outage.evidence import Evidence
from ..outage.models import Judgement
from ..transport.cloud import Command
from ..transport.routing import CloudHealth, Preference
from ..vehicle.command_queue import PendingCommand
from ..vehicle.commands import CHARGING, LEAST_AMPS, Order, order
from ..vehicle.keys import Key
from ..vehicle.vehicle import Car
from .commands import Dispatcher, Sender, error_of
from .connection import (
    Connection,
    cloud_health,
    count_unpaid,
    lets_in,
    over_all,
    reachable,
)
from .isolation import IsolatedCoordinator
from .views import CarView, rehearsed_car

# Seconds: a garage may be without coverage for a while, and an adapter be off.
LASTING = 6 * 3600.0

# Metres around the home within which a car counts as parked there.
NEARBY = 200.0

_SILENT = frozenset({Connection.OFFLINE, Connection.POWER_LOW})


def is_silent(view: CarView, home: tuple[float, float]) -> bool:
    """Return whether a car that can be heard at home answers on no link.

    It must have been heard over Bluetooth before, so that its silence says something,
    and be known to stand near the `home` (latitude, longitude).
    """
    near = view.bluetooth
    if near is None or near.near or near.heard_at is None:
        return False
    if view.cloud not in _SILENT or view.state is None:
        return False
    latitude, longitude = view.state.latitude, view.state.longitude
    if latitude is None or longitude is None:
        return False
    apart = distance(*home, latitude, longitude)
    return apart is not None and apart <= NEARBY


@dataclass(kw_only=True)
class Silence:
    """For how long a car has been silent; times are monotonic seconds."""

    _since: float = field(default=math.inf, init=False)

    def note(self, *, silent: bool, now: float) -> None:
        """Note whether the car is silent."""
        self._since = min(self._since, now) if silent else math.inf

    def lasts(self, now: float) -> bool:
        """Return whether it has been for so long that its owner should look."""
        return now - self._since >= LASTING


_LOGGER = logging.getLogger(__name__)

# Seconds in which the car proves a low current, of one look at what is known, and
# between two asks.
_PROOF_TIME = 60
_PROOF_STEP = 2
_PROOF_PACE = 14


class CarCoordinator(IsolatedCoordinator[CarView]):
    """Hold what is known of one car, and send what its owner wants."""

    signs: bool = False
    """Whether the commands of the car are signed."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        car: Car,
        sender: Sender | None,
        key: Key,
        *,
        local: LocalLink | None = None,
        preference: Preference = Preference.CHEAPEST,
        save: Callable[[], None] = lambda: None,
    ) -> None:
        """Take up a car with the key that was last named for it.

        `sender` sends over the cloud, `local` over Bluetooth, if there is such a way.
        `save` writes down what is known of the car at once: a command is under way.
        """
        # The name goes to the log, where a car's own has no business.
        super().__init__(hass, _LOGGER, config_entry=entry, name="a car")
        self.car = car
        self._lets_in = True

        self.key_tried: datetime | None = None
        """When its owner last tried card or fob."""

        self.rehearsed: Judgement | None = None
        """What a drill has entities show, if one is on."""

        self.silence = Silence()
        """For how long the car has answered on no link."""

        self._unpaid = 0
        self._entry = entry
        self._logged: tuple[bool | None, bool | None] = (None, None)
        """Whether the car was reached, and heard over Bluetooth, as the log has it."""

        self.local = local
        self._cloud: Connection | None = Connection.UNDETERMINED if sender else None
        self._sender = sender
        self._dispatcher = Dispatcher(
            car=car,
            sender=sender,
            local=local,
            preference=preference,
            cloud_health=lambda: cloud_health(self._cloud),
            sent=self._async_sent,
            done=self._async_done,
            ended=self._async_ended,
            interrupted=self._async_interrupted,
        )
        self._save = save
        self._reachable: bool | None = None
        self.real = self._view(key, cloud_link=False)
        """What is known, whatever a drill shows."""

        self.data = self.real

    @property
    def commandable(self) -> bool:
        """Tell whether the car takes commands; one that is only watched does not."""
        return self._sender is not None or self.local is not None

    @property
    def mobile_access(self) -> bool:
        """Return whether the car lets the cloud in."""
        return self._lets_in and not self.car.mobile_access_disabled

    @property
    def alone(self) -> bool:
        """Tell whether no cloud tells of the car now."""
        return cloud_health(self._cloud) is not CloudHealth.WORKS

    @property
    def paid_for(self) -> bool:
        """Tell whether a service in between is paid for the car; it may err once."""
        return self._unpaid < 2

    def _view(self, key: Key, *, cloud_link: bool) -> CarView:
        bluetooth = None if self.local is None else self.local.view()
        connection = Connection.UNDETERMINED
        if self.commandable:
            near = None if bluetooth is None else bluetooth.usable
            connection = over_all(self._cloud, near=near)
        self._reachable = reachable(connection, before=self._reachable)
        now = dt_util.utcnow()
        return CarView(
            state=self.car.state,
            trusted=self.car.trusted(now),
            restored=self.car.restored,
            fresh=self.car.fresh(now),
            presence_told=self.car.presence_told(now),
            told_at=self.car.told_at,
            source=self.car.source,
            cloud_link=cloud_link,
            connection=connection,
            cloud=self._cloud,
            reachable=self._reachable,
            key_to_take=key,
            bluetooth=bluetooth,
            key_tried=self.key_tried,
        )

    @callback
    def async_observe(self, found: Evidence) -> None:
        """Take in what came of a call for the car."""
        self._lets_in = lets_in(found, before=self._lets_in)
        if lets_in(found, before=False):
            self.car.mobile_access_disabled = False
        self._unpaid = count_unpaid(found, before=self._unpaid)

    @callback
    def async_refresh_view(
        self, key: Key, cloud: Connection, *, cloud_link: bool
    ) -> None:
        """Show what is known now, if that is news; `cloud` is how the cloud does."""
        if self._sender is not None:
            self._cloud = cloud
        self._show(key, cloud_link=cloud_link)

    @callback
    def async_show(self) -> None:
        """Show what is known of the cloud still, and of the car now."""
        self._show(self.real.key_to_take, cloud_link=self.real.cloud_link)

    def _show(self, key: Key, *, cloud_link: bool) -> None:
        self.real = view = self._view(key, cloud_link=cloud_link)
        self._log_reach(view)
        home = self.hass.config.latitude, self.hass.config.longitude
        self.silence.note(silent=is_silent(view, home), now=time.monotonic())
        if self.rehearsed is not None:
            view = rehearsed_car(view, self.rehearsed, self.car.id, owned=self.car.key)
        if view != self.data:
            self.async_set_updated_data(view)

    def _log_reach(self, view: CarView) -> None:
        """Log once that the car is out of reach, and once that it is back."""
        was_reached, was_near = self._logged
        near = None if view.bluetooth is None else view.bluetooth.near
        self._logged = view.reachable, near
        title = self._entry.title
        if view.reachable is False and was_reached is not False:
            _LOGGER.info("%s: a car is out of reach: %s", title, view.connection)
        elif view.reachable and was_reached is False:
            _LOGGER.info("%s: a car is in reach again: %s", title, view.connection)
        if near is False and was_near:
            _LOGGER.info("%s: a car is not heard over Bluetooth any more", title)
        elif near and was_near is False:
            _LOGGER.info("%s: a car is heard over Bluetooth", title)

    @callback
    def async_look(self) -> None:
        """Ask the car for its state, as its owner wants it; this wakes nothing."""
        if self._sender is not None and self.car.online:
            self._sender.doubt(self.car.id)
        if self.local is not None:
            self.local.async_want(data=True)

    # Commands

    @callback
    def async_start(self) -> None:
        """Ask the car what a command has left unknown before a restart."""
        if unsettled := self.car.unsettled:
            self.car.unsettle(unsettled, dt_util.utcnow())
            self._async_ask()

    async def async_stop(self) -> None:
        """Send no command any more."""
        await self._dispatcher.async_stop()

    async def async_send(self, command: Command, **params: object) -> None:
        """Send a command; raise a translated error unless the car did it."""
        await self.async_send_all(order(command, **params))

    async def async_send_all(self, *orders: Order) -> None:
        """Send what one press asks for, in turn, as long as each is done."""
        pressed_at, wakes = time.monotonic(), False
        for one in orders:
            wakes = await self._dispatcher.async_send(
                one, pressed_at=pressed_at, wakes=wakes
            )

    async def async_set_charge_current(self, amps: int) -> None:
        """Set the current to charge with, in A.

        Below 5 A a car that charges takes 5 first, and shows in its setting no more
        than that: it is asked twice, and what it draws is the proof.
        """
        wanted = order(Command.CHARGE_AMPS, amps=amps)
        self.car.low_amps = None
        state = self.car.state
        if amps >= LEAST_AMPS or state is None or state.charging_state not in CHARGING:
            await self.async_send_all(wanted)
            return
        await self.async_send_all(wanted, wanted)
        since = dt_util.utcnow()
        for seconds in range(0, _PROOF_TIME, _PROOF_STEP):
            if seconds % _PROOF_PACE == 0:
                self._async_ask()
            await asyncio.sleep(_PROOF_STEP)
            if self.car.draws(amps, since):
                self.car.hold_low_amps(amps)
                self.async_show()
                return
        raise error_of("current_unconfirmed", self.car)

    @callback
    def _async_sent(self, pending: PendingCommand) -> None:
        order = pending.order
        self.car.sending[pending] = self.car.changed_by(order.command, order.params)
        self._save()

    @callback
    def _async_ended(self, pending: PendingCommand) -> None:
        self.car.sending.pop(pending, None)

    @callback
    def _async_done(self, order: Order) -> None:
        self.car.apply_command(order.command, order.params, dt_util.utcnow())
        self.async_show()

    @callback
    def _async_interrupted(self, order: Order) -> None:
        """Know no more what a command was to change, and ask the car."""
        names = self.car.changed_by(order.command, order.params)
        self.car.unsettle(names, dt_util.utcnow())
        self.async_show()
        self._async_ask()

    @callback
    def _async_ask(self) -> None:
        """Ask the car over whichever link serves; this wakes nothing."""
        if self._sender is not None:
            self._sender.doubt(self.car.id)
        if self.local is not None:
            self.local.async_want(data=True)
