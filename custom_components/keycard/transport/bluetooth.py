"""The Bluetooth link to a car: it connects on demand, and lets go at once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
import logging
import time
from typing import Any

from bleak.backends.device import BLEDevice
from bleak_retry_connector import BleakNotFoundError, BleakOutOfConnectionSlotsError
from tesla_fleet_api.exceptions import (
    BluetoothTimeout,
    BluetoothTransportError,
    NotOnWhitelistFault,
    TeslaFleetError,
    TeslaFleetMessageFault,
)
from tesla_fleet_api.tesla import TeslaBluetooth
from tesla_protocol.command.vcsec_pb2 import VehicleStatus
from tesla_protocol.command.vehicle_pb2 import VehicleData

from ..vehicle.command_queue import NotSentError, PendingCommand
from ..vehicle.commands import COMMANDS, Command, CommandCall
from ..vehicle.computer_keys import ComputerTrust
from ..vehicle.state import ConnectivityState, VehicleState
from .bluetooth_messages import DATA_REQUESTS, read_data, read_status, time_of
from .bluetooth_vehicle import BluetoothVehicleClient, NoSessionError
from .key_pair import PrivateKey
from .library_commands import call_library
from .log_filter import redact_library_log
from .proven_vehicle import StrangerError, UnsealedError
from .result import BluetoothError, CommandRejection, CommandResult, parse_result

_LOGGER = logging.getLogger(__name__)

type _Ask = Callable[[], Coroutine[Any, Any, PollResult]]
type Finder = Callable[[], BLEDevice | BluetoothError]

# Seconds that a command may take; a car that sleeps is given more.
_DEADLINE = 12.0
_QUESTION_DEADLINE = 40.0
_LEAVING = 5.0
# For so long a command goes on whose link is closed.
_CLOSING = 5.0

# How long the car is looked after whose answer left open whether it is still at work.
_AT_WORK = 4.0
_LOOK_PACE = 0.5


@dataclass(frozen=True, kw_only=True)
class PollResult:
    """Result of polling a vehicle: fields of its state, and when it measured them.

    `values` is empty after an `error` or `rejection`, or if the poll was dropped for a
    command.
    """

    values: Mapping[str, Any]
    taken: datetime | None = None
    error: BluetoothError | None = None
    rejection: CommandRejection | None = None
    dropped: bool = False


class BluetoothClient:
    """One car, reached through whatever adapter hears it.

    `find` returns the car as an adapter hears it now, or why none does. `trust` decides
    which device is the car, and `shun` takes the address of one that is not. `heard`
    takes what is broadcast on a connection, a reason to ask and no more. Nothing but
    being cancelled raises: errors are in the result.
    """

    def __init__(
        self,
        vin: str,
        key: PrivateKey,
        find: Finder,
        trust: ComputerTrust,
        *,
        shun: Callable[[str], None] = lambda address: None,
        heard: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        redact_library_log()
        self.vin = vin
        self._find = find
        self._shun = shun
        self._heard = heard
        self.car = BluetoothVehicleClient(vin, key, trust, self._handle_broadcast)
        # A car does one thing after another, as its owner asked.
        self._gate = asyncio.Lock()
        self._waiting = 0
        self._holder: asyncio.Task[Any] | None = None
        self._closed = False
        self._question: asyncio.Task[PollResult] | None = None
        self._leaving: asyncio.Task[None] | None = None

    # Commands

    async def command(
        self,
        call: CommandCall,
        *,
        state: VehicleState | None = None,
        pending: PendingCommand | None = None,
    ) -> CommandResult:
        """Send a command to a vehicle in `state`, and return its result.

        It is sent again only if the vehicle has proven that it did not accept it.
        `pending` holds its deadline, and is notified when it is sent.
        """
        if self._holder is not None:
            # Pairing takes longer than a command may wait.
            return _not_sent(BluetoothError.PAIRING)
        expires = time.monotonic() + _DEADLINE
        if pending is not None:
            expires = min(expires, pending.deadline)
        self._waiting += 1
        try:
            if self._question is not None:
                # Whoever asks for the state can ask again, a command cannot wait.
                self._question.cancel()
            if not await self._enter(expires):
                return _withheld()
            try:
                return await self._execute(call, state, pending, expires)
            finally:
                self._gate.release()
        finally:
            self._waiting -= 1
            self._release()

    async def _enter(self, until: float) -> bool:
        """Wait for the gate until a monotonic time; return whether it is held."""
        try:
            async with asyncio.timeout(until - time.monotonic()):
                await self._gate.acquire()
        except TimeoutError:
            return False
        return True

    async def _execute(
        self,
        call: CommandCall,
        state: VehicleState | None,
        pending: PendingCommand | None,
        expires: float,
    ) -> CommandResult:
        car = self.car
        result: CommandResult | None = None
        try:
            async with asyncio.timeout(expires - time.monotonic()) as car.limit:
                while result is None:
                    car.reset(pending, expires)
                    result = await self._try(call, state)
                    # Waking the car may have taken longer.
                    expires = car.expires or expires
        except TimeoutError:
            if car.delivered:
                return CommandResult(done=False, confirmed=False)
            return _not_sent(self._timeout_error())
        finally:
            car.limit = car.pending = car.expires = None
        return result

    async def _try(
        self, call: CommandCall, state: VehicleState | None
    ) -> CommandResult | None:
        """Send a command; return its result, None if it has to be sent again."""
        car = self.car
        if (error := await self._select_device()) is not None:
            return _not_sent(error)
        try:
            reply = await call_library(car, call)
        except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - each is told apart
            if isinstance(err, NotSentError):
                return _withheld()
            rejection = car.rejection(err)
            if not car.delivered:
                if isinstance(err, StrangerError) and await self._find_another():
                    return None
                if rejection is not None:
                    return _rejected(rejection)
                return _not_sent(self.bluetooth_error(err))
            _LOGGER.debug("Result of a command is unknown: %s", type(err).__name__)
        else:
            rejection = None
            if car.answered and (result := _parse_reply(call.command, reply)):
                return result
        return await self._verify(call, state, rejection)

    async def _verify(
        self,
        call: CommandCall,
        state: VehicleState | None,
        rejection: CommandRejection | None,
    ) -> CommandResult | None:
        """Verify by its state whether a vehicle has executed a command.

        Return None if the vehicle did not accept it. A `rejection` is never sealed: it
        counts if the vehicle proves that it did not accept the command, or if its state
        continues to show no effect.
        """
        rejected = None if rejection is None else _rejected(rejection)
        before = state or VehicleState(vin=self.vin)
        wanted = COMMANDS[call.command].effect(call.params, before)
        if call.command is Command.WAKE:
            wanted = {"presence": ConnectivityState.ONLINE}
        loop = asyncio.get_running_loop()
        until: float | None = None
        while until is None or loop.time() < until:
            try:
                taken = await self.car.was_accepted()
                if taken is False:
                    return rejected
                if taken is None or not wanted:
                    break
                until = until or loop.time() + _AT_WORK
                values = await self._read_effect(wanted)
            except StrangerError, UnsealedError, NotOnWhitelistFault:
                # The device that is connected now cannot prove the vehicle's state.
                break
            except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - asked again
                _LOGGER.debug("Retrying to verify a command: %s", type(err).__name__)
                if await self._select_device() is not None:
                    break
                continue
            if not wanted.keys() <= values.keys():
                break
            if all(values[name] == value for name, value in wanted.items()):
                return CommandResult(done=True, confirmed=True)
            await asyncio.sleep(_LOOK_PACE)
        else:
            if rejected is not None:
                return rejected
        return CommandResult(done=False, confirmed=False)

    async def _read_effect(self, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        """Read the fields that a command changes."""
        values = dict(read_status(await self.car.status()))
        for part, names in DATA_REQUESTS.items():
            if names & (wanted.keys() - values.keys()):
                values |= read_data(await self.car.data(part))
        return values

    # Questions

    async def poll(self, wants_data: Callable[[Mapping[str, Any]], bool]) -> PollResult:
        """Ask for lock, closures and whether the car sleeps: this wakes nothing.

        A car that is awake is asked for all else, too, if that is wanted in the light
        of what it told.
        """
        return await self._ask(partial(self._poll_all, wants_data))

    async def _poll_all(
        self, wants_data: Callable[[Mapping[str, Any]], bool]
    ) -> PollResult:
        values = dict(read_status(await self.car.status()))
        if values.get("presence") is not ConnectivityState.ONLINE or not wants_data(
            values
        ):
            return PollResult(values=values)
        data = VehicleData()
        with self.car.extended_timeout():
            for part in DATA_REQUESTS:
                try:
                    data.MergeFrom(await self.car.data(part))
                except TeslaFleetMessageFault:
                    # What one car does not tell is no reason not to ask for the rest.
                    continue
                except BluetoothTimeout, UnsealedError:
                    # What the locks' computer has told is true all the same.
                    break
        # What the locks' computer tells of itself is newer, and at first hand.
        return PollResult(values={**read_data(data), **values}, taken=time_of(data))

    async def _ask(self, ask: _Ask) -> PollResult:
        if self._waiting or self._question is not None:
            return PollResult(values={}, dropped=True)
        task: asyncio.Task[PollResult] = asyncio.create_task(self._question_of(ask))
        self._question = task
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            return PollResult(values={}, dropped=True)
        finally:
            self._question = None
            self._release()

    async def _question_of(self, ask: _Ask) -> PollResult:
        async with self._gate:
            self.car.reset()
            try:
                async with asyncio.timeout(_QUESTION_DEADLINE):
                    if (error := await self._select_device()) is not None:
                        return PollResult(values={}, error=error)
                    return await ask()
            except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - told apart
                if isinstance(err, StrangerError):
                    await self._find_another()
                rejection = self.car.rejection(err)
                error = None if rejection else self.bluetooth_error(err)
                return PollResult(values={}, error=error, rejection=rejection)

    def _handle_broadcast(self, status: VehicleStatus) -> None:
        if self._heard is not None:
            self._heard(read_status(status, answered=False))

    # The connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[BluetoothError | None]:
        """Have the car for something longer; yields what is in the way, if any.

        Commands do not wait for its end. A link that is closed meanwhile cancels it.
        """
        self._waiting += 1
        self._holder = asyncio.current_task()
        try:
            if self._question is not None:
                self._question.cancel()
            async with self._gate:
                yield await self._select_device()
        finally:
            self._holder = None
            self._waiting -= 1
            self._release()

    async def _select_device(self) -> BluetoothError | None:
        """Take the adapter that hears the car best; return why there is none."""
        if self._leaving is not None:
            await self._leaving
        if self._closed:
            return BluetoothError.NO_CONNECTION
        found = self._find()
        if isinstance(found, BluetoothError):
            # While it is connected, a car need not be heard.
            return None if self._connected else found
        self.car.set_device(found)
        return None

    def bluetooth_error(self, err: BaseException) -> BluetoothError:
        """Tell what kept a message from the car."""
        if isinstance(err, TimeoutError):
            return self._timeout_error()
        error = bluetooth_error(err)
        if error is BluetoothError.NO_ANSWER and self.car.hung_up:
            return BluetoothError.NO_CONNECTION
        if error is BluetoothError.OUT_OF_RANGE and not isinstance(
            self._find(), BluetoothError
        ):
            # It is heard, and takes no connection.
            return BluetoothError.NO_CONNECTION
        return error

    async def _find_another(self) -> bool:
        """Leave a device that is not the car; return whether another one may be."""
        device = self.car.get_device()
        await self._disconnect()
        if device is None:
            return False
        self._shun(device.address)
        found = self._find()
        return not isinstance(found, BluetoothError) and found.address != device.address

    def _timeout_error(self) -> BluetoothError:
        """Tell what there was no answer to: the question, or the wish to connect."""
        return (
            BluetoothError.NO_ANSWER
            if self._connected
            else BluetoothError.NO_CONNECTION
        )

    @property
    def _connected(self) -> bool:
        client = self.car.client
        return client is not None and client.is_connected

    def _release(self) -> None:
        """Disconnect, unless somebody waits for the car."""
        waited_for = self._waiting and not self._closed
        if waited_for or self._gate.locked() or self._leaving is not None:
            return
        if self.car.client is not None:
            self._leaving = asyncio.create_task(self._disconnect())

    async def _disconnect(self) -> None:
        try:
            async with asyncio.timeout(_LEAVING):
                await self.car.disconnect()
        except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - it is gone anyhow
            _LOGGER.debug("Letting go of a car: %s", type(err).__name__)
        finally:
            self.car.client = None
            self._leaving = None

    async def close(self) -> None:
        """Let go of the car for good; a command under way has a moment to end."""
        self._closed = True
        for task in (self._question, self._holder):
            if task is not None:
                task.cancel()
        try:
            async with asyncio.timeout(_CLOSING):
                await self._gate.acquire()
        except TimeoutError:
            self._give_up()
            await self._gate.acquire()
        self._gate.release()
        self._release()
        if self._leaving is not None:
            await self._leaving

    def _give_up(self) -> None:
        """End the command that is under way: what comes of it stays open."""
        if self.car.limit is not None:
            # It may be about to end anyway.
            with suppress(RuntimeError):
                self.car.limit.reschedule(asyncio.get_running_loop().time())


def advertised_name(vin: str) -> str:
    """Return how the name begins under which a car can be heard."""
    # The letter behind it tells what the car does at the moment.
    return TeslaBluetooth().get_name(vin)[:-1]


def _not_sent(error: BluetoothError) -> CommandResult:
    return CommandResult(done=False, confirmed=True, error=error)


def _withheld() -> CommandResult:
    return CommandResult(done=False, confirmed=True, withheld=True)


def _rejected(rejection: CommandRejection) -> CommandResult:
    return CommandResult(done=False, confirmed=True, rejection=rejection)


def _parse_reply(command: Command, reply: object) -> CommandResult | None:
    """Parse the library's reply to a command, None if it is inconclusive."""
    response = reply.get("response") if isinstance(reply, Mapping) else None
    if not isinstance(response, Mapping):
        return None
    return parse_result(command, response)


def bluetooth_error(err: BaseException) -> BluetoothError:
    """Tell what kept a message from a car."""
    if isinstance(err, StrangerError):
        return BluetoothError.STRANGER
    if isinstance(err, UnsealedError):
        return BluetoothError.UNSEALED
    cause = err.__cause__ if isinstance(err, BluetoothTransportError) else err
    if isinstance(cause, BleakOutOfConnectionSlotsError):
        return BluetoothError.NO_SLOT
    if isinstance(cause, BleakNotFoundError):
        return BluetoothError.OUT_OF_RANGE
    if isinstance(err, BluetoothTransportError):
        return BluetoothError.NO_CONNECTION
    if isinstance(err, NoSessionError):
        return BluetoothError.NO_SESSION
    return BluetoothError.NO_ANSWER
