"""Links to a car: the one place where `tesla-fleet-api` is called."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
import logging
import time
from typing import cast

import aiohttp
from tesla_fleet_api.exceptions import TeslaFleetError
from tesla_fleet_api.tesla import TeslaFleetApi, VehicleFleet
from tesla_fleet_api.teslemetry.teslemetry import Teslemetry, register_client

from ..vehicle.command_queue import PendingCommand
from ..vehicle.commands import COMMANDS, Command, CommandCall, command_call
from ..vehicle.parsing import JsonObject
from ..vehicle.state import ConnectivityState, unwrap_response
from .http import Failure, HttpResult, recording, request
from .key_pair import PrivateKey
from .library_commands import call_library
from .log_filter import redact_library_log
from .proxy_answers import is_tesla_proxy, lost_parameters, read_object, read_rejection
from .rest_vehicle import RestVehicle
from .result import ApiCall, CommandResult, parse_result
from .signing import SessionMade, SignedVehicle

_LOGGER = logging.getLogger(__name__)

type TokenSource = Callable[[], Awaitable[str | None]]

_READ_TIMEOUT = 10.0
_COMMAND_TIMEOUT = 30.0
_COMMAND_DEADLINE = 60.0  # of a signed command, which may need a greeting before it
_ANSWER_TIMEOUT = 10.0  # of a command that was sent just before its deadline

# What servers that are not Tesla's number or know otherwise.
_DIFFERENT = frozenset(
    {Command.SEAT_COOLER, Command.OVERHEAT_TEMP, Command.WHEEL_HEATER}
)
_PROBE_TIMEOUT = 5.0

# Seconds between two polls of a vehicle that wakes up.
_WAKE_POLL_INTERVAL = 3.0

_ENDPOINTS = (
    "charge_state",
    "climate_state",
    "drive_state",
    "vehicle_config",
    "vehicle_state",
)
_LOCATION = "location_data"

# The request did not get out, or not to the cloud.
_NEVER_SENT = frozenset(
    {Failure.REFUSED, Failure.NAME, Failure.ADDRESS, Failure.CERTIFICATE}
)

# Keys beside a response that make its result inconclusive.
_INCONCLUSIVE = frozenset({"error", "queued"})

# What errors say, whatever their code, when the car did not do it.
_NOT_EXECUTED = (
    "vehicle is offline or asleep",
    "vehicle is not available",
    "vehicle unavailable",
    "vehicle rejected request",
)


@dataclass(frozen=True, kw_only=True)
class WakeResult:
    """Whether a car woke up in time, and the calls that were made for it."""

    online: bool
    calls: tuple[ApiCall, ...]


@dataclass(frozen=True, kw_only=True)
class CommandServer:
    """A server between here and Tesla that takes the commands, and signs them."""

    session: aiohttp.ClientSession
    base_url: str


class FleetClient:
    """The cars of one account, reached through a cloud.

    Its session has a `Recorder` among its middlewares. Nothing but being cancelled
    raises: what went wrong stands in the answer. With a `private_key` it signs the
    commands of cars that require it. `location` tells whether the account lets it ask
    where the cars are, `refreshes` whether the server keeps data and renews them when
    told to, `through_server` whether a server of the user's own stands before Tesla. A
    `command_server` takes the commands only, but for waking a car.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        token_source: TokenSource,
        *,
        private_key: PrivateKey | None = None,
        location: bool = True,
        refreshes: bool = False,
        through_server: bool = False,
        command_server: CommandServer | None = None,
    ) -> None:
        redact_library_log()
        self.base_url = base_url
        self._api = TeslaFleetApi(session, token_source, server=base_url)
        self._api.private_key = private_key
        self._keeper = (
            Teslemetry(session, token_source, server=base_url) if refreshes else None
        )
        self.only_commands_through_server = command_server is not None
        self.commands_through_server = through_server or command_server is not None
        server = command_server or CommandServer(session=session, base_url=base_url)
        self._command_server = server
        self._command_api = TeslaFleetApi(
            server.session, token_source, server=server.base_url
        )
        self._endpoints = [*_ENDPOINTS, *([_LOCATION] if location else [])]
        # Each computer of a car has sessions of its own, and does one thing after
        # another, as its owner asked: the locks wait for nothing else.
        self._signed: dict[tuple[str, bool], SignedVehicle] = {}
        self.session_made: SessionMade = lambda vin, computer, point: None
        """Takes the public keys that computers of cars have in signed sessions."""

        self._locks: defaultdict[tuple[str, bool], asyncio.Lock]
        self._locks = defaultdict(asyncio.Lock)

    async def products(self) -> ApiCall:
        """List what the account has: cars and other things."""
        return await _call(self._api.products, _READ_TIMEOUT)

    async def region(self) -> ApiCall:
        """Ask which region's host serves the account."""
        return await _call(self._api.user.region, _READ_TIMEOUT)

    async def vehicle(self, vin: str) -> ApiCall:
        """Ask whether a car is online; this costs nothing and wakes nothing."""
        return await _call(self._vehicle(vin).vehicle, _READ_TIMEOUT)

    async def vehicle_data(self, vin: str) -> ApiCall:
        """Ask an online car for all its data; this is billed.

        A token that may not see the location gets everything else.
        """
        vehicle = self._vehicle(vin)

        async def ask() -> object:
            return await vehicle.vehicle_data(self._endpoints)

        call = await _call(ask, _READ_TIMEOUT)
        if _LOCATION in self._endpoints and _lacks_scope(call.answer):
            self._endpoints.remove(_LOCATION)
            call = await _call(ask, _READ_TIMEOUT)
            if call.body is None:
                self._endpoints.append(_LOCATION)
            else:
                _LOGGER.info("The account does not show where its cars are")
        return call

    @property
    def refreshes(self) -> bool:
        """Tell whether the server keeps data and renews them when told to."""
        return self._keeper is not None

    async def refresh(self, vin: str) -> ApiCall:
        """Have a server that keeps data ask an online car for them; this is billed."""
        if (keeper := self._keeper) is None:
            raise RuntimeError("This server keeps no data")
        return await _call(lambda: keeper.vehicle_data_refresh(vin), _COMMAND_TIMEOUT)

    async def fleet_status(self, vins: Sequence[str]) -> ApiCall:
        """Ask which cars hold the public key of the application."""
        return await _call(
            lambda: self._api.vehicles.Fleet(self._api, "").fleet_status(list(vins)),
            _READ_TIMEOUT,
        )

    async def register_partner(self, domain: str) -> ApiCall:
        """Register an application in the region, under the domain of its key."""
        return await _call(lambda: self._api.partner.register(domain), _COMMAND_TIMEOUT)

    @property
    def can_sign(self) -> bool:
        """Tell whether it can sign commands itself."""
        return self._api.private_key is not None

    async def command(
        self,
        vin: str,
        call: CommandCall,
        *,
        signed: bool = False,
        pending: PendingCommand | None = None,
    ) -> CommandResult:
        """Send a command once.

        `pending` holds its deadline, and is notified when it is sent.
        """
        command, spec = call.command, COMMANDS[call.command]
        signed = (signed or spec.requires_signing) and command is not Command.WAKE
        async with self._locks[vin, spec.vehicle_security]:
            if signed and self.can_sign:
                return await self._signed_command(vin, call, pending)
            vehicle = await self._rest_vehicle(vin, command)

            async def send() -> object:
                if pending is not None:
                    pending.mark_sent(time.monotonic())
                return await call_library(vehicle, call)

            api_call = await _call(send, _COMMAND_TIMEOUT, pending)
            retry = self.commands_through_server and bool(call.params)
            if retry and lost_parameters(api_call.answer):
                api_call = await _call(send, _COMMAND_TIMEOUT, pending)
        if not self.commands_through_server:
            return _command_result(command, api_call)
        return _proxied_command_result(command, api_call)

    async def _signed_command(
        self, vin: str, call: CommandCall, pending: PendingCommand | None
    ) -> CommandResult:
        computer = vin, COMMANDS[call.command].vehicle_security
        if computer not in self._signed:
            self._signed[computer] = SignedVehicle(self._api, vin, self.session_made)
        vehicle = self._signed[computer]
        # The next command is sent only when this one has expired, or was answered.
        expires = None if pending is None else time.monotonic() + _COMMAND_TIMEOUT
        if pending is not None and expires is not None:
            expires = min(expires, pending.deadline)
        vehicle.reset(pending, expires)

        async def send() -> object:
            async with asyncio.timeout(_COMMAND_DEADLINE):
                return await call_library(vehicle, call)

        api_call = await _call(send, _COMMAND_TIMEOUT, pending)
        if api_call.body is not None and not vehicle.answered:
            api_call = replace(api_call, body=None)
        result = replace(_command_result(call.command, api_call), signed=True)
        if api_call.body is not None:
            return result
        rejection = vehicle.rejection(api_call.error)
        answered = api_call.sent and result.confirmed
        confirmed = not vehicle.delivered or rejection is not None or answered
        return replace(result, confirmed=confirmed, rejection=rejection)

    def forget(self, vin: str) -> None:
        """Forget the sessions of a car that left the account."""
        for security in (False, True):
            self._signed.pop((vin, security), None)

    async def _rest_vehicle(self, vin: str, command: Command) -> RestVehicle:
        """Return a vehicle that sends a command in the form that the server expects."""
        if command is Command.WAKE:
            return RestVehicle(self._api, vin)
        tesla_proxy = False
        if self.commands_through_server and command in _DIFFERENT:
            # Without a token it identifies itself, and does not forward the request.
            answer = await request(
                self._command_server.session,
                "GET",
                f"{self._command_server.base_url}/api/1/products",
                timeout=_PROBE_TIMEOUT,
            )
            tesla_proxy = is_tesla_proxy(answer)
        return RestVehicle(self._command_api, vin, tesla_proxy=tesla_proxy)

    def _vehicle(self, vin: str) -> VehicleFleet[TeslaFleetApi]:
        # A new one for each call: the library's would outlive a car that was sold.
        return VehicleFleet(self._api, vin)


async def register_at_teslemetry(
    session: aiohttp.ClientSession,
    *,
    name: str,
    software_id: str,
    software_version: str,
) -> str | None:
    """Have a service know this home; return its client id, None if that failed."""
    try:
        registration = await register_client(
            session, name, software_id, software_version
        )
    except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - each way is a failure
        _LOGGER.debug("Not registered: %s", type(err).__name__)
        return None
    return registration.client_id


async def wake_and_wait(
    client: FleetClient,
    vin: str,
    *,
    deadline: float,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    on_call: Callable[[ApiCall], None] = lambda _: None,
) -> WakeResult:
    """Wake a vehicle once, and poll it until it is online or `deadline` (s) is over.

    `on_call` is called with each call when it has been answered.
    """
    started = time.monotonic()
    result = await client.command(vin, command_call(Command.WAKE))
    calls: list[ApiCall] = []

    def add(call: ApiCall) -> bool:
        calls.append(call)
        on_call(call)
        return is_online(call)

    online = result.call is not None and add(result.call)
    while not online and (result.done or not result.confirmed):
        if time.monotonic() - started + _WAKE_POLL_INTERVAL > deadline:
            break
        await sleep(_WAKE_POLL_INTERVAL)
        online = add(await client.vehicle(vin))
    return WakeResult(online=online, calls=tuple(calls))


def is_online(call: ApiCall) -> bool:
    """Return whether a call says that its car is online."""
    return (
        call.body is not None
        and unwrap_response(call.body).get("state") == ConnectivityState.ONLINE.value
    )


async def _call(
    send: Callable[[], Awaitable[object]],
    timeout: float,
    pending: PendingCommand | None = None,
) -> ApiCall:
    """Let the library make one request, and return what came of it."""
    began = time.monotonic()
    body: object = None
    error: BaseException | None = None

    def may_send() -> bool:
        return pending is None or time.monotonic() < pending.deadline

    def seconds() -> float:
        if pending is None:
            return timeout
        left = pending.deadline - time.monotonic()
        return min(timeout, max(left, _ANSWER_TIMEOUT))

    with recording(timeout=seconds, may_send=may_send) as record:
        try:
            body = await send()
        except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - the answer tells
            error = err
            if record.answer is None:
                _LOGGER.debug("No request was made: %s", type(err).__name__)
    if record.answer is None:
        elapsed = time.monotonic() - began
        nothing = HttpResult(sent_at=began, elapsed=elapsed, failure=Failure.OTHER)
        return ApiCall(answer=nothing, sent=False, error=error)
    if not isinstance(body, Mapping):
        return ApiCall(answer=record.answer, error=error)
    return ApiCall(answer=record.answer, body=cast(JsonObject, body))


def _lacks_scope(answer: HttpResult) -> bool:
    """Tell whether an answer says that the token may not see what was asked for."""
    return answer.status == 403 and "scope" in answer.body.lower()


def _command_result(command: Command, call: ApiCall) -> CommandResult:
    """Return the result of a command from its API call."""
    if call.body is None:
        return CommandResult(
            done=False,
            confirmed=not call.sent or _definitely_not_executed(call.answer),
            withheld=call.withheld,
            call=call,
        )
    response = unwrap_response(call.body)
    if command is Command.WAKE and "state" in response:
        return CommandResult(done=True, confirmed=True, call=call)
    if any(call.body.get(name) for name in _INCONCLUSIVE):
        response = {**response, "queued": True}
    if (result := parse_result(command, response)) is None:
        return CommandResult(done=False, confirmed=False, call=call)
    return replace(result, call=call)


def _proxied_command_result(command: Command, call: ApiCall) -> CommandResult:
    """Return the result of a command that a server before Tesla accepted."""
    if call.body is None:
        # The library does not parse JSON that is sent as plain text.
        call = replace(call, body=read_object(call.answer))
    result = _command_result(command, call)
    if call.body is not None or (rejection := read_rejection(call.answer)) is None:
        return result
    return replace(result, confirmed=True, rejection=rejection)


def _definitely_not_executed(answer: HttpResult) -> bool:
    """Return whether a failed command cannot have got into the car."""
    if answer.failure is not None:
        return answer.failure in _NEVER_SENT
    if answer.status is None or answer.status < 300:
        return False
    if any(words in answer.body.lower() for words in _NOT_EXECUTED):
        return True
    return answer.status < 500 and answer.status != 408
