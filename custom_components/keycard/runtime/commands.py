"""Route commands over the cloud or Bluetooth."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
import math
import time

from homeassistant.exceptions import HomeAssistantError
from homeassistant.util import dt as dt_util

from ..bluetooth.vehicle_link import BluetoothVehicle
from ..const import DOMAIN
from ..outage.account import AccountStatus, Category
from ..outage.classifier import classify
from ..outage.evidence import (
    Classification,
    Evidence,
    Reason,
    RequestType,
    Subject,
    make_evidence,
)
from ..transport.cloud import FleetClient, wake_and_wait
from ..transport.proxy_answers import may_be_unknown
from ..transport.result import ApiCall, BluetoothError, CommandRejection, CommandResult
from ..transport.routing import CloudHealth, Preference, transport_order
from ..vehicle.command_queue import CommandQueue, NotSent, PendingCommand
from ..vehicle.commands import ACCESS_COMMANDS, COMMANDS, Command, CommandCall
from ..vehicle.state import Transport, VehicleState, has_data
from ..vehicle.vehicle import Vehicle
from .caller import is_automatic

WAKE_DEADLINE = 60.0

# Models that execute some unsigned commands only for a user who is near.
BEFORE_MODEL_3 = frozenset({"models", "modelx"})

# Maximum age (s) of a vehicle location that is sent as the user's.
MAX_LOCATION_AGE = 120.0

# Delays (s) of the requests for data that confirm a command of a proxy.
_CHECK_DELAYS = (1.0, 2.0, 3.0)
# A wake times out this much earlier (s) than the command that waits for it, so that its
# error is the one that is raised.
_WAKE_MARGIN = 0.05

# Reasons in the answers for a vehicle that stays asleep.
_ASLEEP = frozenset({Reason.OK, Reason.ASLEEP})

_ERRORS = {
    Reason.ASLEEP: "car_asleep",
    Reason.IN_SERVICE: "in_service",
    Reason.SIGN_IN: "sign_in_needed",
    Reason.UNAUTHORIZED: "sign_in_needed",
    Reason.MOBILE_ACCESS: "mobile_access_disabled",
    Reason.BILLING_LIMIT: "billing_limit",
    Reason.PAYMENT: "payment_needed",
    Reason.FORBIDDEN: "cloud_refused",
    Reason.NOT_REGISTERED: "not_registered",
    Reason.WRONG_REGION: "wrong_region",
    Reason.RATE_LIMITED: "rate_limited",
    Reason.NOT_FOUND: "not_supported",
    Reason.REFUSED: "cloud_refused",
    Reason.SCOPE: "scope_missing",
    Reason.UNSIGNED: "must_be_signed",
    Reason.NO_ANSWER: "cloud_unreachable",
    Reason.CLOUD_FAILS: "cloud_fails",
    Reason.COMMANDS_FAIL: "cloud_fails",
    Reason.MALFORMED: "cloud_fails",
}


class CommandNotDeliveredError(HomeAssistantError):
    """The command did not reach the vehicle: another transport may be tried."""


class CommandUnconfirmedError(HomeAssistantError):
    """It is unknown whether the vehicle executed the command."""


@dataclass(kw_only=True)
class _Wake:
    """A wake that commands wait for."""

    task: asyncio.Task[HomeAssistantError | None] = field(init=False)
    classification: Classification | None = None
    """The worst classification of its calls so far."""


@dataclass(frozen=True, kw_only=True)
class CloudCommandSender:
    """Send commands over the cloud.

    `record_evidence` is called with the evidence of every API call, `request_refresh`
    with the id of a vehicle whose state may have changed.
    """

    client: FleetClient
    account: AccountStatus
    third_party: bool
    record_evidence: Callable[[Evidence], None]
    request_refresh: Callable[[str], None]
    location_allowed: Callable[[float, float], bool] = lambda *_: False
    """Return whether a location (degrees) may be sent as the user's."""

    _wakes: dict[str, _Wake] = field(default_factory=dict, init=False)

    async def async_deliver(self, vehicle: Vehicle, pending: PendingCommand) -> None:
        """Send a command once; raise a translated error unless it was executed."""
        self._check_pause(vehicle)
        if vehicle.mobile_access_disabled:
            # The vehicle would wake up, and refuse the command.
            raise self._reason_error(Reason.MOBILE_ACCESS, vehicle)
        if rejection := await self.client.server_rejection(pending.call):
            raise _not_delivered(rejection.value, vehicle)
        if not vehicle.online and not self._skips_wake(vehicle, pending.call):
            await self._async_wake(vehicle, pending)
            if pending.call.command is Command.WAKE:
                return
        call = pending.call
        if _requires_location(vehicle, call):
            location = await self._async_locate(vehicle)
            call = replace(call, params={**call.params, **location})
        result, classification = await self._async_call(vehicle, call, pending)
        if _is_asleep(result, classification):
            # It fell asleep after its last update: the command did not reach it.
            pending.mark_not_sent()
            await self._async_wake(vehicle, pending)
            result, classification = await self._async_call(vehicle, call, pending)
        if result.withheld and result.known:
            raise _not_delivered("command_too_late", vehicle)
        if result.done and result.known:
            spec = COMMANDS[call.command]
            if self.client.commands_through_server and spec.check_data:
                await self._async_check_data(vehicle, call)
            return
        if not result.known:
            raise _unconfirmed(vehicle)
        if result.reason:
            # The command may have been based on an outdated state.
            self.request_refresh(vehicle.id)
            raise command_error("command_failed", vehicle, reason=result.reason)
        if result.rejection is not None:
            raise _not_delivered(result.rejection.value, vehicle)
        if result.call is not None and result.call.without_token:
            raise _not_delivered("sign_in_fails", vehicle)
        raise self._call_error(vehicle, classification)

    async def _async_locate(self, vehicle: Vehicle) -> Mapping[str, float]:
        """Return the location of the vehicle if it may be sent as the user's."""
        if not _is_location_known(vehicle):
            call = await self.client.vehicle_data(vehicle.id)
            if call.sent:
                self._classify(vehicle, RequestType.DATA, call)
            if call.body is not None and has_data(call.body):
                vehicle.apply_data(call.body, dt_util.utcnow())
        state = vehicle.state
        if (
            not _is_location_known(vehicle)
            or state is None
            or state.latitude is None
            or state.longitude is None
        ):
            raise command_error("place_not_known", vehicle)
        if not self.location_allowed(state.latitude, state.longitude):
            raise command_error("not_at_home", vehicle)
        return {"latitude": state.latitude, "longitude": state.longitude}

    async def _async_call(
        self, vehicle: Vehicle, call: CommandCall, pending: PendingCommand
    ) -> tuple[CommandResult, Classification | None]:
        """Send a command, and classify the answer if it may be Tesla's."""
        result = await self.client.command(
            vehicle.id, call, signed=vehicle.needs_signing, pending=pending
        )
        if result.key_paired is not None:
            vehicle.update_pairing(paired=result.key_paired)
        if result.call is None or not result.call.sent:
            return result, None
        if self.client.commands_through_server and result.rejection is not None:
            # The server rejected it, not Tesla.
            return result, None
        return result, self._classify(vehicle, RequestType.COMMAND, result.call)

    async def _async_check_data(self, vehicle: Vehicle, call: CommandCall) -> None:
        """Raise an error unless the data of a vehicle show the effect of a command."""
        before = vehicle.state or VehicleState(vin=vehicle.id)
        expected = COMMANDS[call.command].effect(call.params, before)
        for delay in _CHECK_DELAYS:
            await asyncio.sleep(delay)
            data = await self.client.vehicle_data(vehicle.id)
            if data.sent:
                self._classify(vehicle, RequestType.DATA, data)
            if data.body is None or not has_data(data.body):
                continue
            if VehicleState.from_data(data.body).has_values(expected):
                return
        self.request_refresh(vehicle.id)
        raise command_error("command_not_seen", vehicle)

    def _check_pause(
        self, vehicle: Vehicle, category: Category = Category.COMMANDS
    ) -> None:
        """Raise an error while calls of a category are paused for the account."""
        reason = self.account.pause(category, vehicle.id)[1]
        if reason is not None and self._pause(vehicle, category) > 0:
            raise self._reason_error(reason, vehicle, category)

    def _skips_wake(self, vehicle: Vehicle, call: CommandCall) -> bool:
        """Return whether a command is sent to a vehicle that may be asleep.

        That is while wakes are paused, and if a server may not know the command: a wake
        is billed.
        """
        if call.command is Command.WAKE:
            return False
        if self.client.commands_through_server and may_be_unknown(call.command):
            return True
        return self._pause(vehicle, Category.WAKES) > 0

    def _pause(self, vehicle: Vehicle, category: Category) -> float:
        """Return for how many seconds calls of a category are paused."""
        until, _ = self.account.pause(category, vehicle.id)
        return max(0.0, until - time.monotonic())

    async def _async_wake(self, vehicle: Vehicle, pending: PendingCommand) -> None:
        """Wait for a wake shared by all commands; raise an error if it stays asleep."""
        pending.allow_wake()
        if (wake := self._wakes.get(vehicle.id)) is None:
            self._check_pause(vehicle, Category.WAKES)
            wake = self._wakes[vehicle.id] = _Wake()
            wake.task = asyncio.create_task(self._async_wake_once(vehicle, wake))
            wake.task.add_done_callback(lambda _: self._wakes.pop(vehicle.id, None))
        # The wake continues for commands with a later deadline.
        left = pending.deadline - time.monotonic() - _WAKE_MARGIN
        await asyncio.wait({wake.task}, timeout=max(0.0, left))
        if wake.task.cancelled():
            raise _not_delivered("command_stopped", vehicle)
        if not wake.task.done():
            seen = wake.classification
            asleep = seen is not None and seen.reason in _ASLEEP
            raise _not_delivered(
                "car_asleep" if asleep else "command_too_late", vehicle
            )
        if (error := wake.task.result()) is not None:
            raise error

    async def async_stop(self) -> None:
        """Cancel the wakes."""
        tasks = [wake.task for wake in self._wakes.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _async_wake_once(
        self, vehicle: Vehicle, wake: _Wake
    ) -> HomeAssistantError | None:
        request_types = chain([RequestType.WAKE], repeat(RequestType.CALL))

        def on_call(call: ApiCall) -> None:
            request_type = next(request_types)
            if call.body is not None:
                vehicle.apply_summary(call.body, dt_util.utcnow())
            if call.sent:
                seen = self._classify(vehicle, request_type, call)
                worst = wake.classification
                if worst is None or worst.reason in _ASLEEP:
                    wake.classification = seen

        result = await wake_and_wait(
            self.client,
            vehicle.id,
            sleep=asyncio.sleep,
            deadline=WAKE_DEADLINE,
            on_call=on_call,
        )
        if result.online:
            return None
        if result.calls[0].without_token:
            return _not_delivered("sign_in_fails", vehicle)
        if result.calls[0].withheld:
            return _not_delivered("command_too_late", vehicle)
        if wake.classification is None or wake.classification.reason in _ASLEEP:
            return _not_delivered("car_asleep", vehicle)
        return self._call_error(vehicle, wake.classification, Category.WAKES)

    def _classify(
        self, vehicle: Vehicle, request_type: RequestType, call: ApiCall
    ) -> Classification:
        """Classify the answer of a call, and record its evidence."""
        is_command = request_type is RequestType.COMMAND
        from_server = is_command and self.client.only_commands_through_server
        classification = classify(
            request_type,
            call.answer,
            data_works=vehicle.online,
            readable=None if call.body is None else True,
            third_party=self.third_party or from_server,
        )
        evidence = make_evidence(
            classification,
            call.answer,
            vehicle_id=vehicle.id,
            model=vehicle.model,
            kind=request_type,
        )
        # Other calls go to Tesla directly: a failure here may be that of the server.
        if not from_server or evidence.good or classification.subject is Subject.CAR:
            self.record_evidence(evidence)
        return classification

    def _call_error(
        self,
        vehicle: Vehicle,
        classification: Classification | None,
        category: Category = Category.COMMANDS,
    ) -> HomeAssistantError:
        """Return the error for a failed API call."""
        if classification is None:
            return _not_delivered("cloud_unreachable", vehicle)
        through_server = self.client.commands_through_server and not (
            category is Category.WAKES and self.client.only_commands_through_server
        )
        if through_server and classification.reason is Reason.CERTIFICATE:
            return _not_delivered("server_certificate", vehicle)
        if classification.subject is Subject.NETWORK:
            return _not_delivered("network_in_the_way", vehicle)
        return self._reason_error(classification.reason, vehicle, category)

    def _reason_error(
        self, reason: Reason, vehicle: Vehicle, category: Category = Category.COMMANDS
    ) -> HomeAssistantError:
        minutes = str(math.ceil(self._pause(vehicle, category) / 60))
        return _not_delivered(
            _ERRORS.get(reason, "cloud_fails"), vehicle, minutes=minutes
        )


def _requires_location(vehicle: Vehicle, call: CommandCall) -> bool:
    """Return whether a vehicle executes a command only for a user who is near."""
    unsigned = not vehicle.needs_signing and vehicle.model in BEFORE_MODEL_3
    return unsigned and COMMANDS[call.command].needs_location(call.params)


def _is_location_known(vehicle: Vehicle) -> bool:
    """Return whether the current location of a vehicle is known."""
    age = vehicle.data_age(dt_util.utcnow())
    known = vehicle.state is not None and vehicle.state.latitude is not None
    return known and age is not None and abs(age) < MAX_LOCATION_AGE


def _is_asleep(result: CommandResult, classification: Classification | None) -> bool:
    """Return whether a command did not reach a vehicle because it is asleep."""
    return (
        result.known
        and not result.done
        and classification is not None
        and classification.reason is Reason.ASLEEP
    )


def command_error(
    key: str,
    vehicle: Vehicle,
    kind: type[HomeAssistantError] = HomeAssistantError,
    **placeholders: str,
) -> HomeAssistantError:
    """Return a translated error that names the vehicle."""
    return kind(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders={"car": vehicle.title, **placeholders},
    )


def _not_delivered(
    key: str, vehicle: Vehicle, **placeholders: str
) -> HomeAssistantError:
    return command_error(key, vehicle, CommandNotDeliveredError, **placeholders)


def _unconfirmed(vehicle: Vehicle) -> HomeAssistantError:
    return command_error("command_unconfirmed", vehicle, CommandUnconfirmedError)


_BLUETOOTH_ERRORS: Mapping[BluetoothError, str] = {
    BluetoothError.NO_ADAPTER: "bluetooth_no_adapter",
    BluetoothError.OUT_OF_RANGE: "bluetooth_out_of_range",
    BluetoothError.NO_SLOT: "bluetooth_no_slot",
    BluetoothError.NO_CONNECTION: "bluetooth_no_connection",
    BluetoothError.NO_ANSWER: "bluetooth_no_answer",
    BluetoothError.NO_SESSION: "bluetooth_no_session",
    BluetoothError.PAIRING: "bluetooth_pairing",
    BluetoothError.STRANGER: "bluetooth_stranger",
    BluetoothError.UNSEALED: "bluetooth_unsealed",
}
# Errors that the user can resolve are raised even if the other transport fails, too.
_ACTIONABLE = frozenset({"bluetooth_no_session", "bluetooth_provisional"})
# The other transport signs with another key.
_KEY_ERRORS: Mapping[CommandRejection, str] = {
    CommandRejection.KEY_NOT_PAIRED: "bluetooth_key_not_paired",
    CommandRejection.KEY_NOT_ALLOWED: "bluetooth_key_not_allowed",
}
_NOT_SENT: Mapping[NotSent, str] = {
    NotSent.LATE: "command_too_late",
    NotSent.REPLACED: "command_replaced",
    NotSent.STOPPED: "command_stopped",
}


@dataclass(kw_only=True, eq=False)
class _Run:
    """A command that is queued or being sent, and the number of its callers."""

    pending: PendingCommand
    task: asyncio.Task[HomeAssistantError | None] = field(init=False)
    callers: int = 0
    interrupted: bool = False
    """True if the last caller was canceled after the command was sent."""

    automatic: bool = True
    """True if no caller is a user."""

    skipped: bool = False
    """True if the command was not sent because its effect already held."""


@dataclass(frozen=True, kw_only=True)
class CommandRouter:
    """Route commands to one vehicle, each within its deadline.

    `on_sent`, `on_done` and `on_ended` are called when a command may have been sent,
    was executed, and has ended; `on_unconfirmed` when it is unknown whether it was
    executed, or a command that may have been sent has no caller any more;
    `on_failed` when no transport delivered it, or it is unconfirmed.
    """

    vehicle: Vehicle
    cloud: CloudCommandSender | None
    bluetooth: BluetoothVehicle | None
    preference: Preference
    cloud_health: Callable[[], CloudHealth]
    usable_state: Callable[[], VehicleState | None]
    on_sent: Callable[[PendingCommand], None]
    on_done: Callable[[CommandCall], None]
    on_ended: Callable[[PendingCommand], None]
    on_unconfirmed: Callable[[CommandCall], None]
    on_failed: Callable[[CommandCall], None]
    _queue: CommandQueue = field(default_factory=CommandQueue, init=False)
    _runs: dict[PendingCommand, _Run] = field(default_factory=dict, init=False)

    async def async_send(
        self, call: CommandCall, *, pressed_at: float, wakes: bool = False
    ) -> bool:
        """Send a command; raise a translated error unless it was executed.

        A command continues if its caller is cancelled after it may have been sent.
        `wakes` and the result are whether the press has woken the vehicle.
        """
        if self.cloud is None and self.bluetooth is None:
            raise RuntimeError("The vehicle has no transport")
        run = self._queue_command(call, pressed_at, wakes=wakes)
        run.callers += 1
        try:
            await asyncio.wait({run.task})
        except asyncio.CancelledError:
            if run.callers == 1:
                self._abandon(run)
            raise
        finally:
            run.callers -= 1
        if run.task.cancelled():
            raise self._cancelled_error(run)
        if (error := run.task.result()) is not None:
            raise error
        return run.pending.needs_wake

    def _queue_command(
        self, call: CommandCall, pressed_at: float, *, wakes: bool
    ) -> _Run:
        press = self._queue.add(
            call, time.monotonic(), pressed_at=pressed_at, needs_wake=wakes
        )
        for one in press.replaced:
            self._runs[one].task.cancel()
        if press.joined:
            run = self._runs[press.pending]
            run.automatic = run.automatic and is_automatic()
            return run
        run = self._runs[press.pending] = _Run(
            pending=press.pending, automatic=is_automatic()
        )
        ahead = [self._runs[one].task for one in self._queue.preceding(press.pending)]
        run.task = asyncio.create_task(self._async_run(run, ahead))
        return run

    def _abandon(self, run: _Run) -> None:
        """Cancel a command without callers, unless it may have been sent."""
        if run.task.done():
            return
        if run.pending.sent:
            run.interrupted = True
            self.on_unconfirmed(run.pending.call)
            return
        run.pending.withdraw(NotSent.STOPPED)
        run.task.cancel()

    async def async_stop(self) -> None:
        """Cancel all commands."""
        runs = list(self._runs.values())
        for run in runs:
            run.pending.withdraw(NotSent.STOPPED)
            run.task.cancel()
        await asyncio.gather(*(run.task for run in runs), return_exceptions=True)
        for run in runs:
            if run.pending.sent and run.task.cancelled():
                self.on_unconfirmed(run.pending.call)

    def _cancelled_error(self, run: _Run) -> HomeAssistantError:
        """Return the error for a cancelled command."""
        if run.pending.withdrawn is None:
            return _unconfirmed(self.vehicle)
        return command_error(_NOT_SENT[run.pending.withdrawn], self.vehicle)

    async def _async_run(
        self, run: _Run, ahead: list[asyncio.Task[HomeAssistantError | None]]
    ) -> HomeAssistantError | None:
        pending = run.pending
        try:
            error = await self._async_send_in_turn(pending, ahead)
        finally:
            pending.on_change = _ignore_change
            self._queue.remove(pending)
            del self._runs[pending]
            self.on_ended(pending)
        if error is None and not run.skipped:
            self.on_done(pending.call)
        elif run.interrupted or isinstance(error, CommandUnconfirmedError):
            self.on_unconfirmed(pending.call)
        if isinstance(error, CommandNotDeliveredError | CommandUnconfirmedError):
            self.on_failed(pending.call)
        return error

    async def _async_send_in_turn(
        self,
        pending: PendingCommand,
        ahead: list[asyncio.Task[HomeAssistantError | None]],
    ) -> HomeAssistantError | None:
        """Send a command after those ahead of it; return an error if it failed."""
        left = pending.deadline - time.monotonic()
        if ahead:
            _, unfinished = await asyncio.wait(ahead, timeout=max(0.0, left))
            if unfinished:
                return _not_delivered("command_too_late", self.vehicle)
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._set_deadline(pending, limit)
                if self._skips_toggle(pending.call):
                    self._runs[pending].skipped = True
                else:
                    await self._async_try_transports(pending)
        except TimeoutError:
            if not limit.expired():
                raise
            return _not_delivered("command_too_late", self.vehicle)
        except HomeAssistantError as err:
            return err
        return None

    def _skips_toggle(self, call: CommandCall) -> bool:
        """Return whether a command is not sent as it would reverse its effect.

        Raise an error if that is unknown. Commands ahead of it may have changed it.
        """
        spec, state = COMMANDS[call.command], self.usable_state()
        if not spec.toggles(None if state is None else state.equipment):
            return False
        known = state or VehicleState(vin=self.vehicle.id)
        expected = spec.effect(call.params, known)
        values = {name: getattr(known, name) for name in expected}
        if None in values.values():
            raise command_error("trunk_not_known", self.vehicle)
        return values == expected

    def _set_deadline(self, pending: PendingCommand, limit: asyncio.Timeout) -> None:
        """Cancel a command at its deadline, unless it was sent."""
        loop = asyncio.get_running_loop()

        def set_limit() -> None:
            if limit.expired():
                return
            if pending.sent:
                limit.reschedule(None)
                self.on_sent(pending)
            else:
                left = pending.deadline - time.monotonic()
                limit.reschedule(loop.time() + left)

        pending.on_change = set_limit
        set_limit()

    async def _async_try_transports(self, pending: PendingCommand) -> None:
        """Send a command; try the next transport only if it was not delivered."""
        cloud = self.cloud_health() if self.cloud else CloudHealth.NONE
        first: CommandNotDeliveredError | None = None
        for transport in self._transports(cloud):
            try:
                await self._async_send_over(transport, pending)
            except CommandNotDeliveredError as err:
                pending.mark_not_sent()
                if first is not None and first.translation_key in _ACTIONABLE:
                    raise first from err
                if first is not None and cloud is CloudHealth.FAILING:
                    raise _not_delivered("nothing_reaches", self.vehicle) from err
                first = err
            else:
                return
        # No transport is left: the Bluetooth key was removed from the vehicle.
        raise first or command_error("bluetooth_key_not_paired", self.vehicle)

    def _transports(self, cloud: CloudHealth) -> tuple[Transport, ...]:
        if self.bluetooth is None:
            return (Transport.CLOUD,) if self.cloud else ()
        return transport_order(cloud, self.bluetooth.reach, self.preference)

    async def _async_send_over(
        self, transport: Transport, pending: PendingCommand
    ) -> None:
        if transport is Transport.CLOUD and self.cloud is not None:
            await self.cloud.async_deliver(self.vehicle, pending)
        elif transport is Transport.BLUETOOTH and self.bluetooth is not None:
            if not self._bluetooth_allowed(pending):
                raise _not_delivered("bluetooth_provisional", self.vehicle)
            result = await self.bluetooth.client.command(
                pending.call, state=self.vehicle.state, pending=pending
            )
            if result.error is None and not result.withheld:
                self.bluetooth.async_request_update()
            if (error := _bluetooth_error(result, self.vehicle)) is not None:
                raise error

    def _bluetooth_allowed(self, pending: PendingCommand) -> bool:
        """Return whether a command may be sent over Bluetooth.

        Opening and locking require a user, or a computer whose key is confirmed.
        """
        computer = ACCESS_COMMANDS.get(pending.call.command)
        if computer is None or not self._runs[pending].automatic:
            return True
        return self.vehicle.trust.keys.is_verified(computer)


def _ignore_change() -> None:
    pass


def _bluetooth_error(
    result: CommandResult, vehicle: Vehicle
) -> HomeAssistantError | None:
    """Return the error for a command over Bluetooth, None if it was executed."""
    if result.done and result.known:
        return None
    if result.withheld:
        return _not_delivered("command_too_late", vehicle)
    if not result.known:
        return _unconfirmed(vehicle)
    if result.reason:
        return command_error("command_failed", vehicle, reason=result.reason)
    if result.error is not None:
        return _not_delivered(_BLUETOOTH_ERRORS[result.error], vehicle)
    rejection = result.rejection or CommandRejection.OTHER
    if (key := _KEY_ERRORS.get(rejection)) is not None:
        return _not_delivered(key, vehicle)
    return command_error(rejection.value, vehicle)
