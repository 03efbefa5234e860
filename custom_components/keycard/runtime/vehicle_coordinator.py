"""Coordinator for one vehicle."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
import logging
import math
import time

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from ..bluetooth.vehicle_link import BluetoothVehicle
from ..helpers.isolation import IsolatedCoordinator, isolated
from ..helpers.timer import Timer
from ..outage.evidence import Evidence, Reason
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
from .presentation import (
    CloudAccess,
    Connection,
    VehicleData,
    apply_vehicle_drill,
    cloud_connection,
    cloud_health,
    count_payment_errors,
    is_unreachable_at_home,
    key_to_take,
    mobile_access_enabled,
    present_vehicle,
)

_LOGGER = logging.getLogger(__name__)

# A command, and whether it was executed; otherwise it is not known to be.
type CommandListener = Callable[[Command, bool], None]

# Seconds: a garage may be without coverage for a while, and an adapter be off.
UNREACHABLE_DURATION = 6 * 3600.0

# Seconds in which a vehicle proves a low current, between two looks at its state, and
# between two requests for it.
_PROOF_TIME = 60
_PROOF_STEP = 2
_PROOF_INTERVAL = 14

# Seconds between the looks whether the cloud has delivered an unconfirmed command after
# all. Signed commands expire in the vehicle instead.
_LATE_CHECKS = (60.0, 270.0)

# A service that refuses one call as unpaid may err.
_MAX_PAYMENT_ERRORS = 1


@dataclass(kw_only=True)
class UnreachableTimer:
    """Duration for which a vehicle has been unreachable, in monotonic seconds."""

    _since: float = field(default=math.inf, init=False)

    def update(self, *, unreachable: bool, monotonic: float) -> None:
        """Start the timer, or stop it if the vehicle is reachable."""
        self._since = min(self._since, monotonic) if unreachable else math.inf

    def expired(self, monotonic: float) -> bool:
        """Return whether the vehicle has been unreachable for too long."""
        return monotonic - self._since >= UNREACHABLE_DURATION


class VehicleCoordinator(IsolatedCoordinator[VehicleData]):
    """Coordinator of the data and commands of one vehicle."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        vehicle: Vehicle,
        *,
        command_sender: CloudCommandSender | None,
        key_to_take: PhysicalKey,
        supports_signing: bool = False,
        bluetooth: BluetoothVehicle | None = None,
        preference: Preference = Preference.CHEAPEST,
        save: Callable[[], None] = lambda: None,
    ) -> None:
        """Initialize with the last key to take.

        `save` stores the vehicle at once: a command is about to be sent.
        """
        # The name is logged, where that of the vehicle has no place.
        super().__init__(hass, _LOGGER, config_entry=entry, name="a vehicle")
        self.vehicle = vehicle
        self.bluetooth = bluetooth
        self.supports_signing = supports_signing
        self.unreachable_timer = UnreachableTimer()
        self._entry = entry
        self._command_sender = command_sender
        self._router = CommandRouter(
            vehicle=vehicle,
            cloud=command_sender,
            bluetooth=bluetooth,
            preference=preference,
            cloud_health=lambda: cloud_health(self._cloud),
            usable_state=lambda: self.data.usable_state,
            on_sent=self._async_command_sent,
            on_done=self._async_command_done,
            on_ended=self._async_command_ended,
            on_unconfirmed=self._async_command_unconfirmed,
            on_failed=self._async_command_failed,
        )
        self._save = save
        self._late_command: CommandCall | None = None
        self._late_checks: Iterator[float] = iter(())
        self._late_timer = Timer(hass, self._async_check_late_command)
        self._command_listeners: list[CommandListener] = []
        self._access = CloudAccess()
        self._assessment: Assessment | None = None
        self._payment_errors = 0
        self._key_to_take = key_to_take
        self._key_tried: datetime | None = None
        self._drill_assessment: Assessment | None = None
        self._drill_changed = False
        """The drill has changed since the data were published."""

        self._reachable: bool | None = None
        self._logged: tuple[bool | None, bool | None] = (None, None)
        """Whether the vehicle was reachable and in range when last logged."""

        self._cloud: Connection | None = None
        self.actual = self._present()
        """The data without a drill."""

        self.data = self.actual

    @property
    def commandable(self) -> bool:
        """Return whether the vehicle takes commands."""
        return self._command_sender is not None or self.bluetooth is not None

    @property
    def cloud_unavailable(self) -> bool:
        """Return whether the cloud has no current data of the vehicle."""
        return cloud_health(self._cloud) is not CloudHealth.WORKING

    @property
    def subscription_active(self) -> bool:
        """Return whether the vehicle is paid for at a service."""
        return self._payment_errors <= _MAX_PAYMENT_ERRORS

    @property
    def key_tried(self) -> datetime | None:
        """Return when the user last tried the key card or fob (UTC)."""
        return self._key_tried

    def key_to_take(self, assessment: Assessment) -> PhysicalKey:
        """Return the key to take for an assessment."""
        return key_to_take(
            assessment,
            self.vehicle.id,
            owned=self.vehicle.physical_key,
            before=self._key_to_take,
        )

    # Data

    @callback
    def async_record_evidence(self, evidence: Evidence) -> None:
        """Update from a call for the vehicle, and publish its data."""
        before = self._access.mobile_access
        mobile_access = mobile_access_enabled(evidence, before=before)
        if mobile_access is not before:
            self._access = replace(self._access, mobile_access=mobile_access)
        if mobile_access_enabled(evidence, before=False):
            self.vehicle.mobile_access_disabled = False
        self._payment_errors = count_payment_errors(
            evidence, before=self._payment_errors
        )
        self.async_publish()

    @callback
    def async_update_assessment(
        self, assessment: Assessment, *, calls_work: bool, refusal: Reason | None
    ) -> bool:
        """Update from an assessment of the cloud; return whether anything changed.

        `refusal` is the reason why calls for the vehicle are refused. The data change
        at once, and are to be published.
        """
        access = self._access
        if (access.calls_work, access.refusal) != (calls_work, refusal):
            access = replace(access, calls_work=calls_work, refusal=refusal)
        elif assessment == self._assessment and not self._drill_changed:
            return False
        self._access = access
        self._key_to_take = self.key_to_take(assessment)
        self._assessment = assessment
        self.actual = self._present()
        return True

    @callback
    def async_set_drill(self, assessment: Assessment | None) -> None:
        """Set the assessment of a drill, None without one, for the next publication."""
        self._drill_assessment = assessment
        self._drill_changed = True

    @callback
    def async_set_key_tried(self, utcnow: datetime) -> None:
        """Set when the user last tried the key card or fob."""
        self._key_tried = utcnow
        self.async_publish()

    @callback
    def async_publish(self) -> None:
        """Publish the data of the vehicle if they changed."""
        self.actual = data = self._present()
        self._drill_changed = False
        self._log_changes(data)
        home = self.hass.config.latitude, self.hass.config.longitude
        self.unreachable_timer.update(
            unreachable=is_unreachable_at_home(data, home), monotonic=time.monotonic()
        )
        if self._drill_assessment is not None:
            data = apply_vehicle_drill(
                data,
                self._drill_assessment,
                self.vehicle.id,
                owned=self.vehicle.physical_key,
            )
        if data != self.data:
            self.async_set_updated_data(data)

    @callback
    def async_update_aging(self, utcnow: datetime) -> None:
        """Publish the data if they have changed with time alone."""
        vehicle, actual = self.vehicle, self.actual
        if (
            self.bluetooth is not None
            or vehicle.state is not actual.state
            or vehicle.is_current(utcnow) is not actual.is_current
            or vehicle.is_connectivity_known(utcnow) is not actual.connectivity_known
            or vehicle.fresh_fields(utcnow) != actual.fresh_fields
        ):
            self.async_publish()

    def _cloud_connection(self) -> Connection | None:
        if self._command_sender is None:
            return None
        if self._assessment is None:
            return Connection.UNDETERMINED
        access = self._access
        if access.mobile_access and self.vehicle.mobile_access_disabled:
            access = replace(access, mobile_access=False)
        return cloud_connection(
            self._assessment, self.vehicle.id, self.vehicle.state, access
        )

    def _present(self) -> VehicleData:
        self._cloud = self._cloud_connection()
        data = present_vehicle(
            self.vehicle,
            dt_util.utcnow(),
            cloud=self._cloud,
            cloud_works=self._access.calls_work,
            key_to_take=self._key_to_take,
            reachable_before=self._reachable,
            bluetooth=None if self.bluetooth is None else self.bluetooth.status(),
            key_tried=self._key_tried,
        )
        self._reachable = data.reachable
        return data

    def _log_changes(self, data: VehicleData) -> None:
        """Log once that the vehicle is out of reach, and once that it is back."""
        was_reachable, was_in_range = self._logged
        in_range = None if data.bluetooth is None else data.bluetooth.in_range
        self._logged = data.reachable, in_range
        title = self._entry.title
        if data.reachable is False and was_reachable is not False:
            _LOGGER.info("%s: A vehicle is out of reach: %s", title, data.connection)
        elif data.reachable and was_reachable is False:
            _LOGGER.info("%s: A vehicle is reachable again: %s", title, data.connection)
        if in_range is False and was_in_range:
            _LOGGER.info("%s: A vehicle is out of range of Bluetooth", title)
        elif in_range and was_in_range is False:
            _LOGGER.info("%s: A vehicle is in range of Bluetooth", title)

    @callback
    def async_request_update(self) -> None:
        """Request new data without waking the vehicle."""
        if self._command_sender is not None and self.vehicle.online:
            self._command_sender.request_refresh(self.vehicle.id)
        if self.bluetooth is not None:
            self.bluetooth.async_request_update(data=True)

    # Commands

    @callback
    def async_request_unsettled(self) -> None:
        """Request the fields that a command before a restart left unknown."""
        if unsettled := self.vehicle.uncertain_fields:
            self.vehicle.mark_uncertain(unsettled, dt_util.utcnow())
            self._async_request_state()

    async def async_stop(self) -> None:
        """Cancel all commands."""
        await self._router.async_stop()
        self._late_timer.async_cancel()

    async def async_execute(self, *calls: CommandCall) -> None:
        """Execute the commands of one press in turn; raise an error if one fails."""
        pressed_at, wakes = time.monotonic(), False
        for call in calls:
            wakes = await self._router.async_send(
                call, pressed_at=pressed_at, wakes=wakes
            )

    async def async_set_charge_current(self, amps: int) -> None:
        """Set the charge current (A).

        Below 5 A, a charging vehicle takes 5 A first and reports no lower setting. So
        it is sent twice, and the current that it draws is the proof.
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
            if seconds % _PROOF_INTERVAL == 0:
                self._async_request_state()
            await asyncio.sleep(_PROOF_STEP)
            if self.vehicle.has_charged_with(amps, since):
                self.vehicle.set_low_charge_amps(amps)
                self.async_publish()
                return
        raise command_error("current_unconfirmed", self.vehicle)

    @callback
    def _async_command_sent(self, pending: PendingCommand) -> None:
        call = pending.call
        self.vehicle.pending_changes[pending] = self.vehicle.changed_fields(
            call.command, call.params
        )
        self._save()

    @callback
    def _async_command_ended(self, pending: PendingCommand) -> None:
        self.vehicle.pending_changes.pop(pending, None)

    @callback
    def _async_command_done(self, call: CommandCall) -> None:
        self.vehicle.apply_command(call.command, call.params, dt_util.utcnow())
        self._async_report_command(call, done=True)
        self.async_publish()

    @callback
    def _async_command_unconfirmed(self, call: CommandCall) -> None:
        """Set fields that a command may have changed to unknown, and request them."""
        names = self.vehicle.changed_fields(call.command, call.params)
        self.vehicle.mark_uncertain(names, dt_util.utcnow())
        self.async_publish()
        self._async_request_state()
        if self._command_sender is not None and not self.vehicle.needs_signing:
            self._late_command, self._late_checks = call, iter(_LATE_CHECKS)
            self._async_schedule_late_check()

    @callback
    def _async_schedule_late_check(self) -> None:
        if (delay := next(self._late_checks, None)) is not None:
            self._late_timer.async_schedule(delay)

    @callback
    def _async_check_late_command(self) -> None:
        """Request the state again unless it shows the effect of the late command."""
        call = self._late_command
        if call is None or self.vehicle.shows_effect(call.command, call.params):
            return
        self._async_request_state()
        self._async_schedule_late_check()

    @callback
    def _async_command_failed(self, call: CommandCall) -> None:
        self._async_report_command(call, done=False)

    @callback
    def async_add_command_listener(self, listener: CommandListener) -> None:
        """Call a listener when a command was executed, or failed to be."""
        self._command_listeners.append(listener)

    def _async_report_command(self, call: CommandCall, *, done: bool) -> None:
        for listener in self._command_listeners:
            with isolated("a listener of the commands"):
                listener(call.command, done)

    @callback
    def _async_request_state(self) -> None:
        """Request the state over all transports, without waking the vehicle."""
        if self._command_sender is not None:
            self._command_sender.request_refresh(self.vehicle.id)
        if self.bluetooth is not None:
            self.bluetooth.async_request_update(data=True)
