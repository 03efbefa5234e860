"""Links to a car: the one place where `tesla-fleet-api` is called."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
import logging
import time
from typing import cast

import aiohttp
from tesla_fleet_api.exceptions import MissingToken, TeslaFleetError
from tesla_fleet_api.tesla import TeslaFleetApi, VehicleFleet
from tesla_fleet_api.teslemetry.teslemetry import Teslemetry, register_client

from ..vehicle.command_queue import NotSentError, PendingCommand
from ..vehicle.commands import COMMANDS, Command, read_result
from ..vehicle.parsing import JsonObject
from ..vehicle.state import ConnectivityState, unwrapped
from .http import Failure, HttpResult, RequestWithheldError, recording, request
from .key_pair import PrivateKey
from .log_filter import redact_library_log
from .proxy_answers import is_tesla_proxy, lost_parameters, read_object, read_refusal
from .rest_vehicle import RestVehicle
from .result import CommandRejection, CommandResult
from .signing import SessionMade, SignedVehicle

__all__ = [
    "ApiCall",
    "CloudOutcome",
    "Command",
    "CommandRejection",
    "CommandResult",
    "FleetClient",
    "PrivateKey",
    "TokenSource",
    "WakeResult",
    "is_online",
    "wake_and_wait",
]

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

# Seconds between two looks at a car that wakes up.
_WAKE_PACE = 3.0

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

# What may stand beside a response, and takes back its yes.
_BESIDE = frozenset({"error", "queued"})

# What errors say, whatever their code, when the car did not do it.
_NOT_EXECUTED = (
    "vehicle is offline or asleep",
    "vehicle is not available",
    "vehicle unavailable",
    "vehicle rejected request",
)


@dataclass(frozen=True, kw_only=True)
class ApiCall:
    """What one call brought; a body only where a 2xx held a JSON object."""

    answer: HttpResult
    body: JsonObject | None = None
    sent: bool = True
    """False where no request was made: no token, or nothing that makes sense."""

    error: BaseException | None = None
    """What the library made of it, if it made nothing good."""

    @property
    def without_token(self) -> bool:
        """Tell whether it was not made because nobody is signed in."""
        return isinstance(self.error, MissingToken)

    @property
    def withheld(self) -> bool:
        """Tell whether it was too late to make it."""
        return isinstance(self.error, NotSentError | RequestWithheldError)


@dataclass(frozen=True, kw_only=True)
class CloudOutcome(CommandResult):
    """What came of a command that was sent over the cloud."""

    call: ApiCall
    signed: bool = False

    @property
    def key_known(self) -> bool | None:
        """Return whether the car knows the key that signed, None if it did not say."""
        if self.refusal is CommandRejection.KEY_NOT_PAIRED:
            return False
        return True if self.signed and self.done else None


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

        self._gates: defaultdict[tuple[str, bool], asyncio.Lock]
        self._gates = defaultdict(asyncio.Lock)

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
        command: Command,
        *,
        signed: bool = False,
        pending: PendingCommand | None = None,
        **params: object,
    ) -> CloudOutcome:
        """Send a command once; the repertoire says which parameters it takes.

        `pending` tells until when it may be sent, and is told when it is.
        """
        act = COMMANDS[command]
        async with self._gates[vin, act.security]:
            if (signed or act.signed) and self.can_sign and command is not Command.WAKE:
                return await self._command_signed(vin, command, params, pending)
            vehicle = await self._rest_vehicle(vin, command)

            async def send() -> object:
                if pending is not None:
                    pending.start_sending(time.monotonic())
                return await act.send(vehicle, params)

            call = await _call(send, _COMMAND_TIMEOUT, pending)
            if self.commands_through_server and params and lost_parameters(call.answer):
                call = await _call(send, _COMMAND_TIMEOUT, pending)
        if not self.commands_through_server:
            return _outcome(command, call)
        return _server_outcome(command, call)

    async def _command_signed(
        self,
        vin: str,
        command: Command,
        params: Mapping[str, object],
        pending: PendingCommand | None,
    ) -> CloudOutcome:
        place = vin, COMMANDS[command].security
        if place not in self._signed:
            self._signed[place] = SignedVehicle(self._api, vin, self.session_made)
        car = self._signed[place]
        # The next command is sent only when this one has expired, or was answered.
        expires = None if pending is None else time.monotonic() + _COMMAND_TIMEOUT
        if pending is not None and expires is not None:
            expires = min(expires, pending.deadline)
        car.reset(pending, expires)

        async def send() -> object:
            async with asyncio.timeout(_COMMAND_DEADLINE):
                return await COMMANDS[command].send(car, params)

        call = await _call(send, _COMMAND_TIMEOUT, pending)
        if call.body is not None and not car.answered:
            call = replace(call, body=None)
        outcome = replace(_outcome(command, call), signed=True)
        if call.body is not None:
            return outcome
        refusal = car.refusal(call.error)
        told = call.sent and outcome.confirmed
        undone = not car.delivered or refusal is not None or told
        return replace(outcome, confirmed=undone, refusal=refusal)

    def forget(self, vin: str) -> None:
        """Forget the sessions of a car that left the account."""
        for security in (False, True):
            self._signed.pop((vin, security), None)

    async def _rest_vehicle(self, vin: str, command: Command) -> RestVehicle:
        """Return a vehicle that takes a command as whoever answers wants it."""
        if command is Command.WAKE:
            return RestVehicle(self._api, vin)
        tesla_proxy = False
        if self.commands_through_server and command in _DIFFERENT:
            # Without a token it tells what it is, and asks nothing of Tesla.
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
    link: FleetClient,
    vin: str,
    *,
    deadline: float,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    observe: Callable[[ApiCall], None] = lambda _: None,
) -> WakeResult:
    """Wake a car once, and look for it until it is online or `deadline` (s) is over.

    `observe` takes each call as it is answered.
    """
    began = time.monotonic()
    outcome = await link.command(vin, Command.WAKE)
    calls = [outcome.call]
    observe(outcome.call)
    online = is_online(outcome.call)
    while not online and (outcome.done or not outcome.confirmed):
        if time.monotonic() - began + _WAKE_PACE > deadline:
            break
        await sleep(_WAKE_PACE)
        calls.append(await link.vehicle(vin))
        observe(calls[-1])
        online = is_online(calls[-1])
    return WakeResult(online=online, calls=tuple(calls))


def is_online(call: ApiCall) -> bool:
    """Return whether a call says that its car is online."""
    return (
        call.body is not None
        and unwrapped(call.body).get("state") == ConnectivityState.ONLINE.value
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


def _outcome(command: Command, call: ApiCall) -> CloudOutcome:
    """Tell what came of a command, and whether anybody can know."""
    if call.body is None:
        confirmed = not call.sent or _definitely_not_executed(call.answer)
        return CloudOutcome(done=False, confirmed=confirmed, call=call)
    told = unwrapped(call.body)
    if command is Command.WAKE and "state" in told:
        return CloudOutcome(done=True, confirmed=True, call=call)
    if any(call.body.get(name) for name in _BESIDE):
        told = {**told, "queued": True}
    if (result := read_result(command, told)) is None:
        return CloudOutcome(done=False, confirmed=False, call=call)
    return CloudOutcome(
        done=result.done, confirmed=True, reason=result.reason, call=call
    )


def _server_outcome(command: Command, call: ApiCall) -> CloudOutcome:
    """Tell what came of a command that a server between here and Tesla took."""
    if call.body is None:
        # The library reads no object that comes under the name of plain text.
        call = replace(call, body=read_object(call.answer))
    outcome = _outcome(command, call)
    if call.body is not None or (refusal := read_refusal(call.answer)) is None:
        return outcome
    return replace(outcome, confirmed=True, refusal=refusal)


def _definitely_not_executed(answer: HttpResult) -> bool:
    """Return whether a failed command cannot have got into the car."""
    if answer.failure is not None:
        return answer.failure in _NEVER_SENT
    if answer.status is None or answer.status < 300:
        return False
    if any(words in answer.body.lower() for words in _NOT_EXECUTED):
        return True
    return answer.status < 500 and answer.status != 408
