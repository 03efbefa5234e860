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
from ..vehicle.commands import REPERTOIRE, Command, read_result
from ..vehicle.computer_keys import ComputerTrust
from ..vehicle.state import CarState, Presence
from .bluetooth_messages import PARTS, read_data, read_status, time_of
from .bluetooth_vehicle import BluetoothCar, NoSessionError
from .key_pair import PrivateKey
from .log_filter import redact_library_log
from .proven_vehicle import StrangerError, UnsealedError
from .result import RadioOutcome, Refusal, Trouble

_LOGGER = logging.getLogger(__name__)

type _Ask = Callable[[], Coroutine[Any, Any, Told]]
type Finder = Callable[[], BLEDevice | Trouble]

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
class Told:
    """What a car told over Bluetooth: fields of its state, and when it took them.

    Nothing is told if there was `trouble`, a `refusal`, or if the question was dropped
    for a command.
    """

    values: Mapping[str, Any]
    taken: datetime | None = None
    trouble: Trouble | None = None
    refusal: Refusal | None = None
    dropped: bool = False


class BluetoothLink:
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
        self.car = BluetoothCar(vin, key, trust, self._overhear)
        # A car does one thing after another, as its owner asked.
        self._gate = asyncio.Lock()
        self._waiting = 0
        self._holder: asyncio.Task[Any] | None = None
        self._closed = False
        self._question: asyncio.Task[Told] | None = None
        self._leaving: asyncio.Task[None] | None = None

    # Commands

    async def command(
        self,
        command: Command,
        *,
        known: CarState | None = None,
        pending: PendingCommand | None = None,
        **params: object,
    ) -> RadioOutcome:
        """Have a car do something once; the repertoire says which parameters it takes.

        It is sent again only if the car has proven that it never took it. `pending`
        tells until when it may be sent, and is told when it is.
        """
        if self._holder is not None:
            # Pairing takes longer than a command may wait.
            return _not_sent(Trouble.PAIRING)
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
            self._let_go()

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
        known: CarState | None,
        pending: PendingCommand | None,
        expires: float,
    ) -> RadioOutcome:
        car = self.car
        outcome: RadioOutcome | None = None
        try:
            async with asyncio.timeout(expires - time.monotonic()) as car.limit:
                while outcome is None:
                    car.begin(pending, expires)
                    outcome = await self._try(command, params, known)
                    # Waking the car may have taken longer.
                    expires = car.expires or expires
        except TimeoutError:
            if car.delivered:
                return RadioOutcome(done=False, confirmed=False)
            return _not_sent(self._silence())
        finally:
            car.limit = car.pending = car.expires = None
        return outcome

    async def _try(
        self,
        command: Command,
        params: Mapping[str, object],
        known: CarState | None,
    ) -> RadioOutcome | None:
        """Send a command; return what came of it, None if it surely got nowhere."""
        car = self.car
        if (trouble := await self._aim()) is not None:
            return _not_sent(trouble)
        try:
            reply = await REPERTOIRE[command].send(car, params)
        except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - each is told apart
            if isinstance(err, NotSentError):
                return _withheld()
            refusal = car.refusal(err)
            if not car.delivered:
                if isinstance(err, StrangerError) and await self._find_another():
                    return None
                if refusal is not None:
                    return RadioOutcome(done=False, confirmed=True, refusal=refusal)
                return _not_sent(self.trouble_of(err))
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
        known: CarState | None,
        refusal: Refusal | None,
    ) -> RadioOutcome | None:
        """Find out what came of a command; None if the car never took it.

        A `refusal` is never sealed: it counts if the car proves that it never took the
        command, or if its state goes on to show that nothing was done.
        """
        refused = None
        if refusal is not None:
            refused = RadioOutcome(done=False, confirmed=True, refusal=refusal)
        state = known or CarState(vin=self.vin)
        wanted = REPERTOIRE[command].effect(params, state)
        if command is Command.WAKE:
            wanted = {"presence": Presence.ONLINE}
        loop = asyncio.get_running_loop()
        until: float | None = None
        while until is None or loop.time() < until:
            try:
                taken = await self.car.was_taken()
                if taken is False:
                    return refused
                if taken is None or not wanted:
                    break
                until = until or loop.time() + _AT_WORK
                told = await self._look(wanted)
            except StrangerError, UnsealedError, NotOnWhitelistFault:
                # Whoever is there now cannot tell what the car did.
                break
            except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - asked again
                _LOGGER.debug("Asking what came of it: %s", type(err).__name__)
                if await self._aim() is not None:
                    break
                continue
            if not wanted.keys() <= told.keys():
                break
            if all(told[name] == value for name, value in wanted.items()):
                return RadioOutcome(done=True, confirmed=True)
            await asyncio.sleep(_LOOK_PACE)
        else:
            if refused is not None:
                return refused
        return RadioOutcome(done=False, confirmed=False)

    async def _look(self, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask for what a command was to change."""
        told = dict(read_status(await self.car.status()))
        for part, names in PARTS.items():
            if names & (wanted.keys() - told.keys()):
                told |= read_data(await self.car.data(part))
        return told

    # Questions

    async def look(self, wants_data: Callable[[Mapping[str, Any]], bool]) -> Told:
        """Ask for lock, closures and whether the car sleeps: this wakes nothing.

        A car that is awake is asked for all else, too, if that is wanted in the light
        of what it told.
        """
        return await self._ask(partial(self._look_at_all, wants_data))

    async def _look_at_all(
        self, wants_data: Callable[[Mapping[str, Any]], bool]
    ) -> Told:
        values = dict(read_status(await self.car.status()))
        if values.get("presence") is not Presence.ONLINE or not wants_data(values):
            return Told(values=values)
        data = VehicleData()
        with self.car.patiently():
            for part in PARTS:
                try:
                    data.MergeFrom(await self.car.data(part))
                except TeslaFleetMessageFault:
                    # What one car does not tell is no reason not to ask for the rest.
                    continue
                except BluetoothTimeout:
                    # What the locks' computer has told is true all the same.
                    break
        # What the locks' computer tells of itself is newer, and at first hand.
        return Told(values={**read_data(data), **values}, taken=time_of(data))

    async def _ask(self, ask: _Ask) -> Told:
        if self._waiting or self._question is not None:
            return Told(values={}, dropped=True)
        task: asyncio.Task[Told] = asyncio.create_task(self._question_of(ask))
        self._question = task
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            return Told(values={}, dropped=True)
        finally:
            self._question = None
            self._let_go()

    async def _question_of(self, ask: _Ask) -> Told:
        async with self._gate:
            self.car.begin()
            try:
                async with asyncio.timeout(_QUESTION_DEADLINE):
                    if (trouble := await self._aim()) is not None:
                        return Told(values={}, trouble=trouble)
                    return await ask()
            except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - told apart
                if isinstance(err, StrangerError):
                    await self._find_another()
                refusal = self.car.refusal(err)
                trouble = None if refusal else self.trouble_of(err)
                return Told(values={}, trouble=trouble, refusal=refusal)

    def _overhear(self, status: VehicleStatus) -> None:
        if self._heard is not None:
            self._heard(read_status(status, answered=False))

    # The connection

    @asynccontextmanager
    async def held(self) -> AsyncIterator[Trouble | None]:
        """Have the car for something longer; yields what is in the way, if any.

        Commands do not wait for its end. A link that is closed meanwhile cancels it.
        """
        self._waiting += 1
        self._holder = asyncio.current_task()
        try:
            if self._question is not None:
                self._question.cancel()
            async with self._gate:
                yield await self._aim()
        finally:
            self._holder = None
            self._waiting -= 1
            self._let_go()

    async def _aim(self) -> Trouble | None:
        """Take the adapter that hears the car best; return why there is none."""
        if self._leaving is not None:
            await self._leaving
        if self._closed:
            return Trouble.NO_CONNECTION
        found = self._find()
        if isinstance(found, Trouble):
            # While it is connected, a car need not be heard.
            return None if self._connected else found
        self.car.set_device(found)
        return None

    def trouble_of(self, err: BaseException) -> Trouble:
        """Tell what kept a message from the car."""
        if isinstance(err, TimeoutError):
            return self._silence()
        trouble = trouble_of(err)
        if trouble is Trouble.NO_ANSWER and self.car.hung_up:
            return Trouble.NO_CONNECTION
        if trouble is Trouble.OUT_OF_RANGE and not isinstance(self._find(), Trouble):
            # It is heard, and takes no connection.
            return Trouble.NO_CONNECTION
        return trouble

    async def _find_another(self) -> bool:
        """Leave a device that is not the car; return whether another one may be."""
        device = self.car.get_device()
        await self._leave()
        if device is None:
            return False
        self._shun(device.address)
        found = self._find()
        return not isinstance(found, Trouble) and found.address != device.address

    def _silence(self) -> Trouble:
        """Tell what there was no answer to: the question, or the wish to connect."""
        return Trouble.NO_ANSWER if self._connected else Trouble.NO_CONNECTION

    @property
    def _connected(self) -> bool:
        client = self.car.client
        return client is not None and client.is_connected

    def _let_go(self) -> None:
        """Disconnect, unless somebody waits for the car."""
        waited_for = self._waiting and not self._closed
        if waited_for or self._gate.locked() or self._leaving is not None:
            return
        if self.car.client is not None:
            self._leaving = asyncio.create_task(self._leave())

    async def _leave(self) -> None:
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
        self._let_go()
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


def _not_sent(trouble: Trouble) -> RadioOutcome:
    return RadioOutcome(done=False, confirmed=True, trouble=trouble)


def _withheld() -> RadioOutcome:
    return RadioOutcome(done=False, confirmed=True, withheld=True)


def _read_reply(command: Command, reply: object) -> RadioOutcome | None:
    """Read what the library made of a car's answer, None if it tells nothing."""
    told = reply.get("response") if isinstance(reply, Mapping) else None
    if not isinstance(told, Mapping):
        return None
    if (result := read_result(command, told)) is None:
        return None
    return RadioOutcome(done=result.done, confirmed=True, reason=result.reason)


def trouble_of(err: BaseException) -> Trouble:
    """Tell what kept a message from a car."""
    if isinstance(err, StrangerError):
        return Trouble.STRANGER
    if isinstance(err, UnsealedError):
        return Trouble.UNSEALED
    cause = err.__cause__ if isinstance(err, BluetoothTransportError) else err
    if isinstance(cause, BleakOutOfConnectionSlotsError):
        return Trouble.NO_SLOT
    if isinstance(cause, BleakNotFoundError):
        return Trouble.OUT_OF_RANGE
    if isinstance(err, BluetoothTransportError):
        return Trouble.NO_CONNECTION
    if isinstance(err, NoSessionError):
        return Trouble.NO_SESSION
    return Trouble.NO_ANSWER
