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

from ..bluetooth.vehicle_link import BluetoothVehicle
from ..outage.evidence import Evidence
from ..outage.models import Assessment
from ..transport.routing import CloudHealth, Preference
from ..vehicle.command_queue import PendingCommand
from ..vehicle.commands import (
    CHARGING_STATES,
    MIN_SINGLE_COMMAND_AMPS,
    Command,
    CommandCall,
    command_call,
)
from ..vehicle.keys import PhysicalKey
from ..vehicle.vehicle import Vehicle
from .commands import CloudCommandSender, CommandRouter, command_error
from .connection import (
    Connection,
    cloud_health,
    count_payment_errors,
    mobile_access_enabled,
    overall_connection,
    reachable,
)
from .isolation import IsolatedCoordinator
from .views import VehicleData, apply_vehicle_drill

# Seconds: a garage may be without coverage for a while, and an adapter be off.
UNREACHABLE_DURATION = 6 * 3600.0

# Metres around the home within which a car counts as parked there.
NEARBY = 200.0

_SILENT = frozenset({Connection.OFFLINE, Connection.POWER_LOW})


def is_unreachable_at_home(view: VehicleData, home: tuple[float, float]) -> bool:
    """Return whether a car that can be heard at home answers on no link.

    It must have been heard over Bluetooth before, so that its silence says something,
    and be known to stand near the `home` (latitude, longitude).
    """
    near = view.bluetooth
    if near is None or near.in_range or near.last_seen is None:
        return False
    if view.cloud not in _SILENT or view.state is None:
        return False
    latitude, longitude = view.state.latitude, view.state.longitude
    if latitude is None or longitude is None:
        return False
    apart = distance(*home, latitude, longitude)
    return apart is not None and apart <= NEARBY


@dataclass(kw_only=True)
class UnreachableTimer:
    """For how long a car has been silent; times are monotonic seconds."""

    _since: float = field(default=math.inf, init=False)

    def note(self, *, silent: bool, now: float) -> None:
        """Note whether the car is silent."""
        self._since = min(self._since, now) if silent else math.inf

    def expired(self, now: float) -> bool:
        """Return whether it has been for so long that its owner should look."""
        return now - self._since >= UNREACHABLE_DURATION


_LOGGER = logging.getLogger(__name__)

# Seconds in which the car proves a low current, of one look at what is known, and
# between two asks.
_PROOF_TIME = 60
_PROOF_STEP = 2
_PROOF_PACE = 14


class VehicleCoordinator(IsolatedCoordinator[VehicleData]):
    """Hold what is known of one car, and send what its owner wants."""

    supports_signing: bool = False
    """Whether the commands of the car are signed."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        car: Vehicle,
        sender: CloudCommandSender | None,
        key: PhysicalKey,
        *,
        local: BluetoothVehicle | None = None,
        preference: Preference = Preference.CHEAPEST,
        save: Callable[[], None] = lambda: None,
    ) -> None:
        """Take up a car with the key that was last named for it.

        `sender` sends over the cloud, `local` over Bluetooth, if there is such a way.
        `save` writes down what is known of the car at once: a command is under way.
        """
        # The name goes to the log, where a car's own has no business.
        super().__init__(hass, _LOGGER, config_entry=entry, name="a car")
        self.vehicle = car
        self._lets_in = True

        self.key_tried: datetime | None = None
        """When its owner last tried card or fob."""

        self.drill_assessment: Assessment | None = None
        """What a drill has entities show, if one is on."""

        self.unreachable_timer = UnreachableTimer()
        """For how long the car has answered on no link."""

        self._unpaid = 0
        self._entry = entry
        self._logged: tuple[bool | None, bool | None] = (None, None)
        """Whether the car was reached, and heard over Bluetooth, as the log has it."""

        self.bluetooth = local
        self._cloud: Connection | None = Connection.UNDETERMINED if sender else None
        self._sender = sender
        self._router = CommandRouter(
            vehicle=car,
            cloud=sender,
            bluetooth=local,
            preference=preference,
            cloud_health=lambda: cloud_health(self._cloud),
            on_sent=self._async_sent,
            on_done=self._async_done,
            on_ended=self._async_ended,
            on_interrupted=self._async_interrupted,
        )
        self._save = save
        self._reachable: bool | None = None
        self.actual = self._view(key, cloud_link=False)
        """What is known, whatever a drill shows."""

        self.data = self.actual

    @property
    def commandable(self) -> bool:
        """Tell whether the car takes commands; one that is only watched does not."""
        return self._sender is not None or self.bluetooth is not None

    @property
    def mobile_access(self) -> bool:
        """Return whether the car lets the cloud in."""
        return self._lets_in and not self.vehicle.mobile_access_disabled

    @property
    def cloud_unavailable(self) -> bool:
        """Tell whether no cloud tells of the car now."""
        return cloud_health(self._cloud) is not CloudHealth.WORKING

    @property
    def subscription_active(self) -> bool:
        """Tell whether a service in between is paid for the car; it may err once."""
        return self._unpaid < 2

    def _view(self, key: PhysicalKey, *, cloud_link: bool) -> VehicleData:
        bluetooth = None if self.bluetooth is None else self.bluetooth.status()
        connection = Connection.UNDETERMINED
        if self.commandable:
            near = None if bluetooth is None else bluetooth.usable
            connection = overall_connection(self._cloud, near=near)
        self._reachable = reachable(connection, before=self._reachable)
        now = dt_util.utcnow()
        return VehicleData(
            state=self.vehicle.state,
            is_current=self.vehicle.is_current(now),
            restored=self.vehicle.restored,
            fresh_fields=self.vehicle.fresh_fields(now),
            presence_told=self.vehicle.is_connectivity_known(now),
            last_contact=self.vehicle.last_contact,
            data_source=self.vehicle.data_source,
            cloud_link=cloud_link,
            connection=connection,
            cloud=self._cloud,
            reachable=self._reachable,
            key_to_take=key,
            bluetooth=bluetooth,
            key_tried=self.key_tried,
        )

    @callback
    def async_record_evidence(self, found: Evidence) -> None:
        """Take in what came of a call for the car."""
        self._lets_in = mobile_access_enabled(found, before=self._lets_in)
        if mobile_access_enabled(found, before=False):
            self.vehicle.mobile_access_disabled = False
        self._unpaid = count_payment_errors(found, before=self._unpaid)

    @callback
    def async_update_presentation(
        self, key: PhysicalKey, cloud: Connection, *, cloud_link: bool
    ) -> None:
        """Show what is known now, if that is news; `cloud` is how the cloud does."""
        if self._sender is not None:
            self._cloud = cloud
        self._publish(key, cloud_link=cloud_link)

    @callback
    def async_publish(self) -> None:
        """Show what is known of the cloud still, and of the car now."""
        self._publish(self.actual.key_to_take, cloud_link=self.actual.cloud_link)

    def _publish(self, key: PhysicalKey, *, cloud_link: bool) -> None:
        self.actual = view = self._view(key, cloud_link=cloud_link)
        self._log_reach(view)
        home = self.hass.config.latitude, self.hass.config.longitude
        self.unreachable_timer.note(
            silent=is_unreachable_at_home(view, home), now=time.monotonic()
        )
        if self.drill_assessment is not None:
            view = apply_vehicle_drill(
                view,
                self.drill_assessment,
                self.vehicle.id,
                owned=self.vehicle.physical_key,
            )
        if view != self.data:
            self.async_set_updated_data(view)

    def _log_reach(self, view: VehicleData) -> None:
        """Log once that the car is out of reach, and once that it is back."""
        was_reached, was_near = self._logged
        near = None if view.bluetooth is None else view.bluetooth.in_range
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
    def async_request_update(self) -> None:
        """Ask the car for its state, as its owner wants it; this wakes nothing."""
        if self._sender is not None and self.vehicle.online:
            self._sender.request_refresh(self.vehicle.id)
        if self.bluetooth is not None:
            self.bluetooth.async_request_update(data=True)

    # Commands

    @callback
    def async_start(self) -> None:
        """Ask the car what a command has left unknown before a restart."""
        if unsettled := self.vehicle.uncertain_fields:
            self.vehicle.mark_uncertain(unsettled, dt_util.utcnow())
            self._async_ask()

    async def async_stop(self) -> None:
        """Send no command any more."""
        await self._router.async_stop()

    async def async_execute(self, *calls: CommandCall) -> None:
        """Execute the commands of one press in turn; raise an error if one fails."""
        pressed_at, wakes = time.monotonic(), False
        for call in calls:
            wakes = await self._router.async_send(
                call, pressed_at=pressed_at, wakes=wakes
            )

    async def async_set_charge_current(self, amps: int) -> None:
        """Set the current to charge with, in A.

        Below 5 A a car that charges takes 5 first, and shows in its setting no more
        than that: it is asked twice, and what it draws is the proof.
        """
        wanted = command_call(Command.CHARGE_AMPS, amps=amps)
        self.vehicle.low_charge_amps = None
        state = self.vehicle.state
        if (
            amps >= MIN_SINGLE_COMMAND_AMPS
            or state is None
            or state.charging_state not in CHARGING_STATES
        ):
            await self.async_execute(wanted)
            return
        await self.async_execute(wanted, wanted)
        since = dt_util.utcnow()
        for seconds in range(0, _PROOF_TIME, _PROOF_STEP):
            if seconds % _PROOF_PACE == 0:
                self._async_ask()
            await asyncio.sleep(_PROOF_STEP)
            if self.vehicle.has_charged_with(amps, since):
                self.vehicle.set_low_charge_amps(amps)
                self.async_publish()
                return
        raise command_error("current_unconfirmed", self.vehicle)

    @callback
    def _async_sent(self, pending: PendingCommand) -> None:
        order = pending.call
        self.vehicle.pending_changes[pending] = self.vehicle.changed_fields(
            order.command, order.params
        )
        self._save()

    @callback
    def _async_ended(self, pending: PendingCommand) -> None:
        self.vehicle.pending_changes.pop(pending, None)

    @callback
    def _async_done(self, order: CommandCall) -> None:
        self.vehicle.apply_command(order.command, order.params, dt_util.utcnow())
        self.async_publish()

    @callback
    def _async_interrupted(self, order: CommandCall) -> None:
        """Know no more what a command was to change, and ask the car."""
        names = self.vehicle.changed_fields(order.command, order.params)
        self.vehicle.mark_uncertain(names, dt_util.utcnow())
        self.async_publish()
        self._async_ask()

    @callback
    def _async_ask(self) -> None:
        """Ask the car over whichever link serves; this wakes nothing."""
        if self._sender is not None:
            self._sender.request_refresh(self.vehicle.id)
        if self.bluetooth is not None:
            self.bluetooth.async_request_update(data=True)
