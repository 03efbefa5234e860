"""Bluetooth client that connects on demand and disconnects at once."""

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
from .bluetooth_messages import DATA_REQUESTS, data_timestamp, parse_data, parse_status
from .bluetooth_vehicle import BluetoothVehicleClient, NoSessionError
from .key_pair import PrivateKey
from .library_commands import call_library
from .log_filter import redact_library_log
from .proven_vehicle import StrangerError, UnsealedError
from .result import BluetoothError, CommandRejection, CommandResult, parse_result

_LOGGER = logging.getLogger(__name__)

type _Poll = Callable[[], Coroutine[Any, Any, PollResult]]
type DeviceFinder = Callable[[], BLEDevice | BluetoothError]

# Seconds for a command (extended for a sleeping vehicle), a poll and disconnecting.
_COMMAND_TIMEOUT = 12.0
_POLL_TIMEOUT = 40.0
_DISCONNECT_TIMEOUT = 5.0
# Seconds for the current command to end when the client is closed.
_CLOSE_TIMEOUT = 5.0

# Seconds for verifying a command by the state, and between two checks.
_VERIFY_TIMEOUT = 4.0
_VERIFY_INTERVAL = 0.5


@dataclass(frozen=True, kw_only=True)
class PollResult:
    """Result of a poll: fields of the state, and the timestamp of the data.

    `values` is empty after an `error` or `rejection`, or if the poll was dropped for a
    command.
    """

    values: Mapping[str, Any]
    data_at: datetime | None = None
    error: BluetoothError | None = None
    rejection: CommandRejection | None = None
    dropped: bool = False


class BluetoothClient:
    """Bluetooth client for one vehicle over all adapters.

    `find` returns the device of the vehicle, or why there is none. `trust` decides
    which device is the vehicle; `exclude_device` is called with the address of one that
    is not. `on_broadcast` is called with values broadcast on a connection; they are
    unproven and only trigger a poll. Only cancellation raises: errors are in the
    results.
    """

    def __init__(
        self,
        vin: str,
        key: PrivateKey,
        find: DeviceFinder,
        trust: ComputerTrust,
        *,
        exclude_device: Callable[[str], None] = lambda address: None,
        on_broadcast: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        redact_library_log()
        self.vin = vin
        self._find = find
        self._exclude_device = exclude_device
        self._on_broadcast = on_broadcast
        self.vehicle = BluetoothVehicleClient(vin, key, trust, self._handle_broadcast)
        # A vehicle executes commands one after another.
        self._lock = asyncio.Lock()
        self._waiting_count = 0
        self._connection_task: asyncio.Task[Any] | None = None
        self._closed = False
        self._poll_task: asyncio.Task[PollResult] | None = None
        self._disconnect_task: asyncio.Task[None] | None = None

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
        if self._connection_task is not None:
            # Pairing takes longer than a command may wait.
            return _not_sent(BluetoothError.PAIRING)
        expires = time.monotonic() + _COMMAND_TIMEOUT
        if pending is not None:
            expires = min(expires, pending.deadline)
        self._waiting_count += 1
        try:
            if self._poll_task is not None:
                # A poll can be repeated, a command cannot wait.
                self._poll_task.cancel()
            if not await self._acquire_lock(expires):
                return _withheld()
            try:
                return await self._execute(call, state, pending, expires)
            finally:
                self._lock.release()
        finally:
            self._waiting_count -= 1
            self._release()

    async def _acquire_lock(self, until: float) -> bool:
        """Acquire the lock until a monotonic time; return whether it is held."""
        try:
            async with asyncio.timeout(until - time.monotonic()):
                await self._lock.acquire()
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
        vehicle = self.vehicle
        result: CommandResult | None = None
        try:
            async with asyncio.timeout(
                expires - time.monotonic()
            ) as vehicle.command_timeout:
                while result is None:
                    vehicle.reset(pending, expires)
                    result = await self._send(call, state)
                    # Waking the vehicle extends the deadline.
                    expires = vehicle.expires or expires
        except TimeoutError:
            if vehicle.delivered:
                return CommandResult(done=False, known=False)
            return _not_sent(self._timeout_error())
        finally:
            vehicle.command_timeout = vehicle.pending = vehicle.expires = None
        return result

    async def _send(
        self, call: CommandCall, state: VehicleState | None
    ) -> CommandResult | None:
        """Send a command; return its result, None if it has to be sent again."""
        vehicle = self.vehicle
        if (error := await self._select_device()) is not None:
            return _not_sent(error)
        try:
            reply = await call_library(vehicle, call)
        except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - classified below
            if isinstance(err, NotSentError):
                return _withheld()
            rejection = vehicle.rejection(err)
            if not vehicle.delivered:
                if isinstance(err, StrangerError) and await self._switch_device():
                    return None
                if rejection is not None:
                    return _rejected(rejection)
                return _not_sent(self.bluetooth_error(err))
            _LOGGER.debug("Result of a command is unknown: %s", type(err).__name__)
        else:
            rejection = None
            if vehicle.answered and (result := _parse_reply(call.command, reply)):
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
        expected = COMMANDS[call.command].effect(call.params, before)
        if call.command is Command.WAKE:
            expected = {"presence": ConnectivityState.ONLINE}
        loop = asyncio.get_running_loop()
        until: float | None = None
        while until is None or loop.time() < until:
            try:
                accepted = await self.vehicle.was_accepted()
                if accepted is False:
                    return rejected
                if accepted is None or not expected:
                    break
                until = until or loop.time() + _VERIFY_TIMEOUT
                values = await self._read_effect(expected)
            except StrangerError, UnsealedError, NotOnWhitelistFault:
                # The device that is connected now cannot prove the vehicle's state.
                break
            except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - retried
                _LOGGER.debug("Retrying to verify a command: %s", type(err).__name__)
                if await self._select_device() is not None:
                    break
                continue
            if not expected.keys() <= values.keys():
                break
            if all(values[name] == value for name, value in expected.items()):
                return CommandResult(done=True, known=True)
            await asyncio.sleep(_VERIFY_INTERVAL)
        else:
            if rejected is not None:
                return rejected
        return CommandResult(done=False, known=False)

    async def _read_effect(self, expected: Mapping[str, Any]) -> Mapping[str, Any]:
        """Read the fields that a command changes."""
        values = dict(parse_status(await self.vehicle.status()))
        for part, names in DATA_REQUESTS.items():
            if names & (expected.keys() - values.keys()):
                values |= parse_data(await self.vehicle.data(part))
        return values

    # Polls

    async def poll(
        self, should_read_data: Callable[[Mapping[str, Any]], bool]
    ) -> PollResult:
        """Poll lock, closures and sleep status; this wakes nothing.

        The data of an awake vehicle are polled, too, if `should_read_data` returns True
        for these values.
        """
        return await self._run_poll(partial(self._poll_all, should_read_data))

    async def _poll_all(
        self, should_read_data: Callable[[Mapping[str, Any]], bool]
    ) -> PollResult:
        values = dict(parse_status(await self.vehicle.status()))
        if values.get(
            "presence"
        ) is not ConnectivityState.ONLINE or not should_read_data(values):
            return PollResult(values=values)
        data = VehicleData()
        with self.vehicle.extended_timeout():
            for part in DATA_REQUESTS:
                try:
                    data.MergeFrom(await self.vehicle.data(part))
                except TeslaFleetMessageFault:
                    # Not every vehicle supports every request.
                    continue
                except BluetoothTimeout, UnsealedError:
                    # The status is valid nevertheless.
                    break
        # The status comes first-hand from vehicle security and is newer.
        return PollResult(
            values={**parse_data(data), **values}, data_at=data_timestamp(data)
        )

    async def _run_poll(self, poll: _Poll) -> PollResult:
        if self._waiting_count or self._poll_task is not None:
            return PollResult(values={}, dropped=True)
        task: asyncio.Task[PollResult] = asyncio.create_task(self._poll_with_lock(poll))
        self._poll_task = task
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            return PollResult(values={}, dropped=True)
        finally:
            self._poll_task = None
            self._release()

    async def _poll_with_lock(self, poll: _Poll) -> PollResult:
        async with self._lock:
            self.vehicle.reset()
            try:
                async with asyncio.timeout(_POLL_TIMEOUT):
                    if (error := await self._select_device()) is not None:
                        return PollResult(values={}, error=error)
                    return await poll()
            except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - classified below
                if isinstance(err, StrangerError):
                    await self._switch_device()
                rejection = self.vehicle.rejection(err)
                error = None if rejection else self.bluetooth_error(err)
                return PollResult(values={}, error=error, rejection=rejection)

    def _handle_broadcast(self, status: VehicleStatus) -> None:
        if self._on_broadcast is not None:
            self._on_broadcast(parse_status(status, is_reply=False))

    # The connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[BluetoothError | None]:
        """Reserve the connection for a longer exchange; yields an error, if any.

        Commands fail meanwhile instead of waiting. Closing the client cancels it.
        """
        self._waiting_count += 1
        self._connection_task = asyncio.current_task()
        try:
            if self._poll_task is not None:
                self._poll_task.cancel()
            async with self._lock:
                yield await self._select_device()
        finally:
            self._connection_task = None
            self._waiting_count -= 1
            self._release()

    async def _select_device(self) -> BluetoothError | None:
        """Select the device of the vehicle; return an error if there is none."""
        if self._disconnect_task is not None:
            await self._disconnect_task
        if self._closed:
            return BluetoothError.NO_CONNECTION
        device = self._find()
        if isinstance(device, BluetoothError):
            # A connected vehicle need not advertise.
            return None if self._connected else device
        self.vehicle.set_device(device)
        return None

    def bluetooth_error(self, err: BaseException) -> BluetoothError:
        """Return the Bluetooth error for an exception."""
        if isinstance(err, TimeoutError):
            return self._timeout_error()
        error = bluetooth_error(err)
        if error is BluetoothError.NO_ANSWER and self.vehicle.closed_by_vehicle:
            return BluetoothError.NO_CONNECTION
        if error is BluetoothError.OUT_OF_RANGE and not isinstance(
            self._find(), BluetoothError
        ):
            # It advertises, but accepts no connection.
            return BluetoothError.NO_CONNECTION
        return error

    async def _switch_device(self) -> bool:
        """Exclude a device that is not the vehicle; return whether there is another."""
        device = self.vehicle.get_device()
        await self._disconnect()
        if device is None:
            return False
        self._exclude_device(device.address)
        other = self._find()
        return not isinstance(other, BluetoothError) and other.address != device.address

    def _timeout_error(self) -> BluetoothError:
        """Return whether a timeout occurred while connected or connecting."""
        return (
            BluetoothError.NO_ANSWER
            if self._connected
            else BluetoothError.NO_CONNECTION
        )

    @property
    def _connected(self) -> bool:
        client = self.vehicle.client
        return client is not None and client.is_connected

    def _release(self) -> None:
        """Disconnect unless the connection is in use or awaited."""
        has_waiting = self._waiting_count and not self._closed
        if has_waiting or self._lock.locked() or self._disconnect_task is not None:
            return
        if self.vehicle.client is not None:
            self._disconnect_task = asyncio.create_task(self._disconnect())

    async def _disconnect(self) -> None:
        try:
            async with asyncio.timeout(_DISCONNECT_TIMEOUT):
                await self.vehicle.disconnect()
        except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - the client is discarded anyway
            _LOGGER.debug("Disconnecting failed: %s", type(err).__name__)
        finally:
            self.vehicle.client = None
            self._disconnect_task = None

    async def close(self) -> None:
        """Close the client; a command under way gets a few seconds to end."""
        self._closed = True
        for task in (self._poll_task, self._connection_task):
            if task is not None:
                task.cancel()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self._lock.acquire()
        except TimeoutError:
            self._cancel_command()
            await self._lock.acquire()
        self._lock.release()
        self._release()
        if self._disconnect_task is not None:
            await self._disconnect_task

    def _cancel_command(self) -> None:
        """Cancel the command that is under way; its result is unknown."""
        if self.vehicle.command_timeout is not None:
            # The timeout may already have ended.
            with suppress(RuntimeError):
                self.vehicle.command_timeout.reschedule(
                    asyncio.get_running_loop().time()
                )


def advertised_name_prefix(vin: str) -> str:
    """Return the beginning of a vehicle's advertised name."""
    # The last character depends on the state of the vehicle.
    return TeslaBluetooth().get_name(vin)[:-1]


def _not_sent(error: BluetoothError) -> CommandResult:
    return CommandResult(done=False, known=True, error=error)


def _withheld() -> CommandResult:
    return CommandResult(done=False, known=True, withheld=True)


def _rejected(rejection: CommandRejection) -> CommandResult:
    return CommandResult(done=False, known=True, rejection=rejection)


def _parse_reply(command: Command, reply: object) -> CommandResult | None:
    """Parse the library's reply to a command, None if it is inconclusive."""
    response = reply.get("response") if isinstance(reply, Mapping) else None
    if not isinstance(response, Mapping):
        return None
    return parse_result(command, response)


def bluetooth_error(err: BaseException) -> BluetoothError:
    """Return the Bluetooth error for an exception."""
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
