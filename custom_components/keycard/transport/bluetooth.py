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
from ..vehicle.commands import COMMANDS, Command, read_result
from ..vehicle.computer_keys import ComputerTrust
from ..vehicle.state import ConnectivityState, VehicleState
from .bluetooth_messages import DATA_REQUESTS, read_data, read_status, time_of
from .bluetooth_vehicle import BluetoothVehicleClient, NoSessionError
from .key_pair import PrivateKey
from .log_filter import redact_library_log
from .proven_vehicle import StrangerError, UnsealedError
from .result import BluetoothError, BluetoothResult, CommandRejection

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
    """What a car told over Bluetooth: fields of its state, and when it took them.

    Nothing is told if there was `trouble`, a `refusal`, or if the question was dropped
    for a command.
    """

    values: Mapping[str, Any]
    taken: datetime | None = None
    trouble: BluetoothError | None = None
    refusal: CommandRejection | None = None
    dropped: bool = False


class BluetoothClient:
    """One car, reached through whatever adapter hears it.

    `find` returns the car as an adapter hears it now, or why none does. `trust` decides
    which device is the car, and `shun` takes the address of one that is not. `heard`
    takes what is broadcast on a connection, a reason to ask and no more. Nothing but
    being cancelled raises: what went wrong stands in the outcome.
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
        command: Command,
        *,
        known: VehicleState | None = None,
        pending: PendingCommand | None = None,
        **params: object,
    ) -> BluetoothResult:
        """Have a car do something once; the repertoire says which parameters it takes.

        It is sent again only if the car has proven that it never took it. `pending`
        tells until when it may be sent, and is told when it is.
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
                return await self._carry_out(command, params, known, pending, expires)
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

    async def _carry_out(
        self,
        command: Command,
        params: Mapping[str, object],
        known: VehicleState | None,
        pending: PendingCommand | None,
        expires: float,
    ) -> BluetoothResult:
        car = self.car
        outcome: BluetoothResult | None = None
        try:
            async with asyncio.timeout(expires - time.monotonic()) as car.limit:
                while outcome is None:
                    car.reset(pending, expires)
                    outcome = await self._try(command, params, known)
                    # Waking the car may have taken longer.
                    expires = car.expires or expires
        except TimeoutError:
            if car.delivered:
                return BluetoothResult(done=False, confirmed=False)
            return _not_sent(self._timeout_error())
        finally:
            car.limit = car.pending = car.expires = None
        return outcome

    async def _try(
        self,
        command: Command,
        params: Mapping[str, object],
        known: VehicleState | None,
    ) -> BluetoothResult | None:
        """Send a command; return what came of it, None if it surely got nowhere."""
        car = self.car
        if (trouble := await self._select_device()) is not None:
            return _not_sent(trouble)
        try:
            reply = await COMMANDS[command].send(car, params)
        except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - each is told apart
            if isinstance(err, NotSentError):
                return _withheld()
            refusal = car.refusal(err)
            if not car.delivered:
                if isinstance(err, StrangerError) and await self._find_another():
                    return None
                if refusal is not None:
                    return BluetoothResult(done=False, confirmed=True, refusal=refusal)
                return _not_sent(self.bluetooth_error(err))
            _LOGGER.debug("What came of a command is not known: %s", type(err).__name__)
        else:
            refusal = None
            if car.answered and (outcome := _read_reply(command, reply)) is not None:
                return outcome
        return await self._settle(command, params, known, refusal)

    async def _settle(
        self,
        command: Command,
        params: Mapping[str, object],
        known: VehicleState | None,
        refusal: CommandRejection | None,
    ) -> BluetoothResult | None:
        """Find out what came of a command; None if the car never took it.

        A `refusal` is never sealed: it counts if the car proves that it never took the
        command, or if its state goes on to show that nothing was done.
        """
        refused = None
        if refusal is not None:
            refused = BluetoothResult(done=False, confirmed=True, refusal=refusal)
        state = known or VehicleState(vin=self.vin)
        wanted = COMMANDS[command].effect(params, state)
        if command is Command.WAKE:
            wanted = {"presence": ConnectivityState.ONLINE}
        loop = asyncio.get_running_loop()
        until: float | None = None
        while until is None or loop.time() < until:
            try:
                taken = await self.car.was_accepted()
                if taken is False:
                    return refused
                if taken is None or not wanted:
                    break
                until = until or loop.time() + _AT_WORK
                told = await self._read_effect(wanted)
            except StrangerError, UnsealedError, NotOnWhitelistFault:
                # Whoever is there now cannot tell what the car did.
                break
            except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - asked again
                _LOGGER.debug("Asking what came of it: %s", type(err).__name__)
                if await self._select_device() is not None:
                    break
                continue
            if not wanted.keys() <= told.keys():
                break
            if all(told[name] == value for name, value in wanted.items()):
                return BluetoothResult(done=True, confirmed=True)
            await asyncio.sleep(_LOOK_PACE)
        else:
            if refused is not None:
                return refused
        return BluetoothResult(done=False, confirmed=False)

    async def _read_effect(self, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask for what a command was to change."""
        told = dict(read_status(await self.car.status()))
        for part, names in DATA_REQUESTS.items():
            if names & (wanted.keys() - told.keys()):
                told |= read_data(await self.car.data(part))
        return told

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
                    if (trouble := await self._select_device()) is not None:
                        return PollResult(values={}, trouble=trouble)
                    return await ask()
            except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - told apart
                if isinstance(err, StrangerError):
                    await self._find_another()
                refusal = self.car.refusal(err)
                trouble = None if refusal else self.bluetooth_error(err)
                return PollResult(values={}, trouble=trouble, refusal=refusal)

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
        trouble = bluetooth_error(err)
        if trouble is BluetoothError.NO_ANSWER and self.car.hung_up:
            return BluetoothError.NO_CONNECTION
        if trouble is BluetoothError.OUT_OF_RANGE and not isinstance(
            self._find(), BluetoothError
        ):
            # It is heard, and takes no connection.
            return BluetoothError.NO_CONNECTION
        return trouble

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


def _not_sent(trouble: BluetoothError) -> BluetoothResult:
    return BluetoothResult(done=False, confirmed=True, trouble=trouble)


def _withheld() -> BluetoothResult:
    return BluetoothResult(done=False, confirmed=True, withheld=True)


def _read_reply(command: Command, reply: object) -> BluetoothResult | None:
    """Read what the library made of a car's answer, None if it tells nothing."""
    told = reply.get("response") if isinstance(reply, Mapping) else None
    if not isinstance(told, Mapping):
        return None
    if (result := read_result(command, told)) is None:
        return None
    return BluetoothResult(done=result.done, confirmed=True, reason=result.reason)


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
