"""Sends a command to a car, once, and says what came of it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain, repeat
import math
import time

from homeassistant.exceptions import HomeAssistantError
from homeassistant.util import dt as dt_util

from ..bluetooth.vehicle_link import BluetoothVehicle
from ..const import DOMAIN
from ..outage.account import Category
from ..outage.classifier import classify
from ..outage.detector import OutageDetector
from ..outage.evidence import (
    Classification,
    Evidence,
    Reason,
    RequestType,
    Subject,
    make_evidence,
)
from ..transport.cloud import ApiCall, CloudOutcome, Command, FleetClient, wake_and_wait
from ..transport.result import BluetoothError, BluetoothResult, CommandRejection
from ..transport.routing import CloudHealth, Preference, transport_order
from ..vehicle.command_queue import CommandQueue, NotSent, PendingCommand
from ..vehicle.commands import COMMANDS, OPENING, CommandCall
from ..vehicle.state import Transport, VehicleState, has_data
from ..vehicle.vehicle import Vehicle
from .caller import is_automatic

WAKE_DEADLINE = 60.0

# Models that check for some plain commands whether their user is near.
BEFORE_MODEL_3 = frozenset({"models", "modelx"})

# How old (s) the place of a car may be that is told as its user's.
PLACE_AGE = 120.0

# When (s) the car's data are read after a command that a server says was done.
_CHECK_DELAYS = (1.0, 2.0, 3.0)
# A wake is given up so much sooner (s) than the command that waits for it: what it
# says is more to the point.
_SOONER = 0.05

# What may be answered of a car that just sleeps on.
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
    """The car has surely not got the command: another link may bring it."""


@dataclass(kw_only=True)
class _Wake:
    """A wake that is under way for all commands that wait for it."""

    task: asyncio.Task[HomeAssistantError | None] = field(init=False)
    meaning: Classification | None = None
    """The worst that the calls for it have brought so far."""


@dataclass(frozen=True, kw_only=True)
class CloudCommandSender:
    """Send the commands of an owner over the cloud.

    `observe` takes the evidence of every call, `doubt` the id of a car that may not be
    as it is known: it did what it was told, or not, or would not.
    """

    link: FleetClient
    judge: OutageDetector
    record_evidence: Callable[[Evidence], None]
    request_refresh: Callable[[str], None]
    location_allowed: Callable[[float, float], bool] = lambda *_: False
    """Whether a command may tell a place, in degrees, as that of its user."""

    _wakes: dict[str, _Wake] = field(default_factory=dict, init=False)

    async def async_send(self, car: Vehicle, pending: PendingCommand) -> None:
        """Send a command once; raise a translated error unless the car did it."""
        self._check_pause(car)
        if car.mobile_access_disabled:
            # It would wake up, and refuse.
            raise self._refusal(Reason.MOBILE_ACCESS, car)
        if not car.online and not self._may_only_try(car, pending.order.command):
            await self._async_wake(car, pending)
            if pending.order.command is Command.WAKE:
                return
        place: Mapping[str, float] = {}
        if _wants_user_near(car, pending):
            place = await self._async_locate(car)
        outcome, meaning = await self._async_try(car, pending, place)
        if _never_reached(outcome, meaning):
            # It fell asleep since it was last asked: the command got nowhere.
            pending.note_not_sent()
            await self._async_wake(car, pending)
            outcome, meaning = await self._async_try(car, pending, place)
        if outcome.call.withheld and outcome.confirmed:
            raise _not_delivered("command_too_late", car)
        if outcome.done and outcome.confirmed:
            act = COMMANDS[pending.order.command]
            if self.link.commands_through_server and act.check_data:
                await self._async_check_data(car, pending)
            return
        if not outcome.confirmed:
            self.request_refresh(car.id)
            raise command_error("command_unconfirmed", car)
        if outcome.reason:
            # What is known of the car may be why it was asked for the wrong thing.
            self.request_refresh(car.id)
            raise command_error("command_failed", car, reason=outcome.reason)
        if outcome.refusal is not None:
            raise _not_delivered(outcome.refusal.value, car)
        if outcome.call.without_token:
            raise _not_delivered("sign_in_fails", car)
        raise self._failure(car, meaning)

    async def _async_locate(self, car: Vehicle) -> Mapping[str, float]:
        """Return the car's own place as the user's, if it may be told as that."""
        if not _place_known(car):
            call = await self.link.vehicle_data(car.id)
            if call.sent:
                self._observe(car, RequestType.DATA, call)
            if call.body is not None and has_data(call.body):
                car.apply_data(call.body, dt_util.utcnow())
        state = car.state
        if (
            not _place_known(car)
            or state is None
            or state.latitude is None
            or state.longitude is None
        ):
            raise command_error("place_not_known", car)
        if not self.location_allowed(state.latitude, state.longitude):
            raise command_error("not_at_home", car)
        return {"latitude": state.latitude, "longitude": state.longitude}

    async def _async_try(
        self, car: Vehicle, pending: PendingCommand, place: Mapping[str, float]
    ) -> tuple[CloudOutcome, Classification | None]:
        order = pending.order
        outcome = await self.link.command(
            car.id,
            order.command,
            signed=car.needs_signing,
            pending=pending,
            **{**order.params, **place},
        )
        if outcome.key_known is not None:
            car.unpaired = not outcome.key_known
        if not outcome.call.sent:
            return outcome, None
        if self.link.commands_through_server and outcome.refusal is not None:
            # The server's own word on the car, the key or the command.
            return outcome, None
        return outcome, self._observe(car, RequestType.COMMAND, outcome.call)

    async def _async_check_data(self, car: Vehicle, pending: PendingCommand) -> None:
        """Raise an error unless the car's own data show that a command was done."""
        before = car.state or VehicleState(vin=car.id)
        order = pending.order
        expected = COMMANDS[order.command].effect(order.params, before)
        for delay in _CHECK_DELAYS:
            await asyncio.sleep(delay)
            call = await self.link.vehicle_data(car.id)
            if call.sent:
                self._observe(car, RequestType.DATA, call)
            if call.body is None or not has_data(call.body):
                continue
            state = VehicleState.from_data(call.body)
            if all(getattr(state, name) == value for name, value in expected.items()):
                return
        self.request_refresh(car.id)
        raise command_error("command_not_seen", car)

    def _check_pause(
        self, car: Vehicle, category: Category = Category.COMMANDS
    ) -> None:
        """Refuse what the account may not send now; other limits refuse nothing."""
        reason = self.judge.account.pause(category, car.id)[1]
        if reason is not None and self._pause(car, category) > 0:
            raise self._refusal(reason, car, category)

    def _may_only_try(self, car: Vehicle, command: Command) -> bool:
        """Tell whether a command goes out without a wake: those are limited now."""
        limited = self._pause(car, Category.WAKES) > 0
        return limited and command is not Command.WAKE

    def _pause(self, car: Vehicle, category: Category) -> float:
        """Return for how many seconds calls of a category may not be made."""
        until, _ = self.judge.account.pause(category, car.id)
        return max(0.0, until - time.monotonic())

    async def _async_wake(self, car: Vehicle, pending: PendingCommand) -> None:
        """Wake a car for all that wait for it; raise an error if it sleeps on."""
        pending.allow_wake()
        if (wake := self._wakes.get(car.id)) is None:
            self._check_pause(car, Category.WAKES)
            wake = self._wakes[car.id] = _Wake()
            wake.task = asyncio.create_task(self._async_wake_once(car, wake))
            wake.task.add_done_callback(lambda _: self._wakes.pop(car.id, None))
        # It goes on for those that can wait longer, and for what it tells.
        left = pending.deadline - time.monotonic() - _SOONER
        await asyncio.wait({wake.task}, timeout=max(0.0, left))
        if wake.task.cancelled():
            raise _not_delivered("command_stopped", car)
        if not wake.task.done():
            asleep = wake.meaning is not None and wake.meaning.reason in _ASLEEP
            raise _not_delivered("car_asleep" if asleep else "command_too_late", car)
        if (error := wake.task.result()) is not None:
            raise error

    async def async_stop(self) -> None:
        """Wake no car any more."""
        tasks = [wake.task for wake in self._wakes.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _async_wake_once(
        self, car: Vehicle, wake: _Wake
    ) -> HomeAssistantError | None:
        kinds = chain([RequestType.WAKE], repeat(RequestType.CALL))

        def observe(call: ApiCall) -> None:
            kind = next(kinds)
            if call.body is not None:
                car.apply_summary(call.body, dt_util.utcnow())
            if call.sent:
                seen = self._observe(car, kind, call)
                if wake.meaning is None or wake.meaning.reason in _ASLEEP:
                    wake.meaning = seen

        woken = await wake_and_wait(
            self.link,
            car.id,
            sleep=asyncio.sleep,
            deadline=WAKE_DEADLINE,
            observe=observe,
        )
        if woken.online:
            return None
        if woken.calls[0].without_token:
            return _not_delivered("sign_in_fails", car)
        if wake.meaning is None or wake.meaning.reason in _ASLEEP:
            return _not_delivered("car_asleep", car)
        return self._failure(car, wake.meaning, Category.WAKES)

    def _observe(
        self, car: Vehicle, kind: RequestType, call: ApiCall
    ) -> Classification:
        server = kind is RequestType.COMMAND and self.link.only_commands_through_server
        meaning = classify(
            kind,
            call.answer,
            data_works=car.online,
            readable=None if call.body is None else True,
            third_party=self.judge.third_party or server,
        )
        found = make_evidence(
            meaning, call.answer, car=car.id, model=car.model, kind=kind
        )
        # Tesla answers the other calls itself: what fails here may be the server's.
        if not server or found.good or meaning.subject is Subject.CAR:
            self.record_evidence(found)
        return meaning

    def _failure(
        self,
        car: Vehicle,
        meaning: Classification | None,
        category: Category = Category.COMMANDS,
    ) -> HomeAssistantError:
        """Say why a command was not done, and whose fault that is."""
        if meaning is None:
            return _not_delivered("cloud_unreachable", car)
        untrusted = meaning.reason is Reason.CERTIFICATE
        if untrusted and self.link.commands_through_server:
            return _not_delivered("server_certificate", car)
        if meaning.subject is Subject.NETWORK:
            return _not_delivered("network_in_the_way", car)
        return self._refusal(meaning.reason, car, category)

    def _refusal(
        self, reason: Reason, car: Vehicle, category: Category = Category.COMMANDS
    ) -> HomeAssistantError:
        minutes = str(math.ceil(self._pause(car, category) / 60))
        return _not_delivered(_ERRORS.get(reason, "cloud_fails"), car, minutes=minutes)


def _wants_user_near(car: Vehicle, pending: PendingCommand) -> bool:
    """Tell whether a car does a command only for a user who is near it."""
    order = pending.order
    plain = not car.needs_signing and car.model in BEFORE_MODEL_3
    return plain and COMMANDS[order.command].near(order.params)


def _place_known(car: Vehicle) -> bool:
    """Tell whether a car's place is known, and of now."""
    age = car.data_age(dt_util.utcnow())
    known = car.state is not None and car.state.latitude is not None
    return known and age is not None and abs(age) < PLACE_AGE


def _never_reached(outcome: CloudOutcome, meaning: Classification | None) -> bool:
    """Tell whether a command surely did not get to a car that sleeps."""
    return (
        outcome.confirmed
        and not outcome.done
        and meaning is not None
        and meaning.reason is Reason.ASLEEP
    )


def command_error(
    key: str,
    car: Vehicle,
    kind: type[HomeAssistantError] = HomeAssistantError,
    **placeholders: str,
) -> HomeAssistantError:
    """Return an error of one kind that says what happened to a car."""
    return kind(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders={"car": car.title, **placeholders},
    )


def _not_delivered(key: str, car: Vehicle, **placeholders: str) -> HomeAssistantError:
    return command_error(key, car, CommandNotDeliveredError, **placeholders)


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
# What an owner can do something about is said, whatever else fails.
_ADVICE = frozenset({"bluetooth_no_session", "bluetooth_provisional"})
# The key is not the car's last word: that of another link may do.
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
    """A command that waits or is under way, and how many callers await its result."""

    pending: PendingCommand
    task: asyncio.Task[HomeAssistantError | None] = field(init=False)
    callers: int = 0
    interrupted: bool = False
    """Whether its caller has gone, or the car is let go, after it was sent."""

    automatic: bool = True
    """Whether no person is among its callers."""


@dataclass(frozen=True, kw_only=True)
class CommandRouter:
    """Send the commands of an owner to one car, each in time or not at all.

    `sender` sends over the cloud, `local` over Bluetooth, if there are such links.
    `sent`, `done` and `ended` are called with a command when it may have been sent,
    when the car has done it, and when it is over; `interrupted` when nobody waits for
    the result any more of one that may have been sent.
    """

    car: Vehicle
    cloud: CloudCommandSender | None
    bluetooth: BluetoothVehicle | None
    preference: Preference
    cloud_health: Callable[[], CloudHealth]
    sent: Callable[[PendingCommand], None]
    done: Callable[[CommandCall], None]
    ended: Callable[[PendingCommand], None]
    interrupted: Callable[[CommandCall], None]
    _queue: CommandQueue = field(default_factory=CommandQueue, init=False)
    _runs: dict[PendingCommand, _Run] = field(default_factory=dict, init=False)

    async def async_send(
        self, order: CommandCall, *, pressed_at: float, wakes: bool = False
    ) -> bool:
        """Send a command; raise a translated error unless the car did it.

        A command goes on when its caller is cancelled after it may have been sent.
        `wakes` tells whether the press has woken the car before; so does the result.
        """
        if self.cloud is None and self.bluetooth is None:
            raise RuntimeError("The car takes no commands")
        run = self._press(order, pressed_at, wakes=wakes)
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
            raise self._not_done(run)
        if (error := run.task.result()) is not None:
            raise error
        return run.pending.wakes

    def _press(self, order: CommandCall, pressed_at: float, *, wakes: bool) -> _Run:
        press = self._queue.press(
            order, time.monotonic(), pressed_at=pressed_at, wakes=wakes
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
        ahead = [self._runs[one].task for one in self._queue.ahead_of(press.pending)]
        run.task = asyncio.create_task(self._async_run(run, ahead))
        return run

    def _abandon(self, run: _Run) -> None:
        """Go on without a caller: drop what waits, and ask what became of the rest."""
        if run.task.done():
            return
        if run.pending.sent:
            run.interrupted = True
            self.interrupted(run.pending.order)
            return
        run.pending.withdraw(NotSent.STOPPED)
        run.task.cancel()

    async def async_stop(self) -> None:
        """Send nothing any more, and let go of what is under way."""
        runs = list(self._runs.values())
        for run in runs:
            run.pending.withdraw(NotSent.STOPPED)
            run.task.cancel()
        await asyncio.gather(*(run.task for run in runs), return_exceptions=True)
        for run in runs:
            if run.pending.sent and run.task.cancelled():
                self.interrupted(run.pending.order)

    def _not_done(self, run: _Run) -> HomeAssistantError:
        """Say what became of a command that was cut off."""
        if run.pending.withdrawn is None:
            return command_error("command_unconfirmed", self.car)
        return command_error(_NOT_SENT[run.pending.withdrawn], self.car)

    # One command

    async def _async_run(
        self, run: _Run, ahead: list[asyncio.Task[HomeAssistantError | None]]
    ) -> HomeAssistantError | None:
        pending = run.pending
        try:
            error = await self._async_try(pending, ahead)
        finally:
            pending.on_change = _nothing
            self._queue.remove(pending)
            del self._runs[pending]
            self.ended(pending)
        if error is None:
            self.done(pending.order)
        elif run.interrupted:
            self.interrupted(pending.order)
        return error

    async def _async_try(
        self,
        pending: PendingCommand,
        ahead: list[asyncio.Task[HomeAssistantError | None]],
    ) -> HomeAssistantError | None:
        """Send a command when it is its turn; return why it was not done."""
        left = pending.deadline - time.monotonic()
        if ahead:
            _, unfinished = await asyncio.wait(ahead, timeout=max(0.0, left))
            if unfinished:
                return command_error("command_too_late", self.car)
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._watch(pending, limit)
                await self._async_send_over_ways(pending)
        except TimeoutError:
            if not limit.expired():
                raise
            return command_error("command_too_late", self.car)
        except HomeAssistantError as err:
            return err
        return None

    def _watch(self, pending: PendingCommand, limit: asyncio.Timeout) -> None:
        """End a command at its deadline, as long as it was not sent."""
        loop = asyncio.get_running_loop()

        def set_limit() -> None:
            if limit.expired():
                return
            if pending.sent:
                limit.reschedule(None)
                self.sent(pending)
            else:
                left = pending.deadline - time.monotonic()
                limit.reschedule(loop.time() + left)

        pending.on_change = set_limit
        set_limit()

    async def _async_send_over_ways(self, pending: PendingCommand) -> None:
        """Send a command; another link serves only if the car has surely not got it."""
        cloud = self.cloud_health() if self.cloud else CloudHealth.NONE
        first: CommandNotDeliveredError | None = None
        for way in self._transports(cloud):
            try:
                await self._async_send_by(way, pending)
            except CommandNotDeliveredError as err:
                pending.note_not_sent()
                if first is not None and first.translation_key in _ADVICE:
                    raise first from err
                if first is not None and cloud is CloudHealth.FAILS:
                    raise command_error("nothing_reaches", self.car) from err
                first = err
            else:
                return
        # Nobody is left who would bring it: the car has forgotten the key.
        raise first or command_error("bluetooth_key_not_paired", self.car)

    def _transports(self, cloud: CloudHealth) -> tuple[Transport, ...]:
        if self.bluetooth is None:
            return (Transport.CLOUD,) if self.cloud else ()
        return transport_order(cloud, self.bluetooth.reach, self.preference)

    async def _async_send_by(self, way: Transport, pending: PendingCommand) -> None:
        if way is Transport.CLOUD and self.cloud is not None:
            await self.cloud.async_send(self.car, pending)
        elif way is Transport.BLUETOOTH and self.bluetooth is not None:
            if not self._may_go(pending):
                raise command_error(
                    "bluetooth_provisional", self.car, CommandNotDeliveredError
                )
            outcome = await self.bluetooth.client.command(
                pending.order.command,
                known=self.car.state,
                pending=pending,
                **pending.order.params,
            )
            self._note(self.bluetooth, outcome)
            if (error := _error(outcome, self.car)) is not None:
                raise error

    def _may_go(self, pending: PendingCommand) -> bool:
        """Return whether a command may go over Bluetooth.

        What opens or locks wants a person, or a computer whose key is known for sure.
        """
        computer = OPENING.get(pending.order.command)
        if computer is None or not self._runs[pending].automatic:
            return True
        return self.car.trust.keys.settled(computer)

    def _note(self, local: BluetoothVehicle, outcome: BluetoothResult) -> None:
        if outcome.trouble is None and not outcome.withheld:
            local.async_request_update()


def _nothing() -> None:
    pass


def _error(outcome: BluetoothResult, car: Vehicle) -> HomeAssistantError | None:
    """Say why a command was not done, None if it was."""
    if outcome.done and outcome.confirmed:
        return None
    if outcome.withheld:
        return command_error("command_too_late", car, CommandNotDeliveredError)
    if not outcome.confirmed:
        return command_error("command_unconfirmed", car)
    if outcome.reason:
        return command_error("command_failed", car, reason=outcome.reason)
    if outcome.trouble is not None:
        return command_error(
            _BLUETOOTH_ERRORS[outcome.trouble], car, CommandNotDeliveredError
        )
    refusal = outcome.refusal or CommandRejection.OTHER
    if (key := _KEY_ERRORS.get(refusal)) is not None:
        return command_error(key, car, CommandNotDeliveredError)
    return command_error(refusal.value, car)
