"""Client for Tesla's Fleet API and compatible servers, based on `tesla-fleet-api`."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
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
from ..vehicle.computer_keys import Computer
from ..vehicle.parsing import JsonObject
from ..vehicle.state import ConnectivityState, unwrap_response
from .http import Failure, HttpResult, recording, request
from .key_pair import PrivateKey
from .library_commands import call_library
from .log_filter import redact_library_log
from .proxy_answers import (
    has_lost_parameters,
    is_tesla_proxy,
    parse_object,
    parse_rejection,
    requires_pin,
)
from .rest_vehicle import RestVehicle
from .result import ApiCall, CommandRejection, CommandResult, parse_result
from .signing import SessionCallback, SignedVehicle

_LOGGER = logging.getLogger(__name__)

type TokenSource = Callable[[], Awaitable[str | None]]

_READ_TIMEOUT = 10.0
_COMMAND_TIMEOUT = 30.0
_COMMAND_DEADLINE = 60.0  # of a signed command, including its handshake
_ANSWER_TIMEOUT = 10.0  # of a command sent just before its deadline

# Commands whose parameters differ on Tesla's proxy.
_PROXY_SPECIFIC_COMMANDS = frozenset(
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

# The request was not sent, or not to the cloud.
_NOT_SENT_FAILURES = frozenset(
    {Failure.REFUSED, Failure.NAME, Failure.ADDRESS, Failure.CERTIFICATE}
)

# Keys beside a response that make its result inconclusive.
_INCONCLUSIVE = frozenset({"error", "queued"})

# Error texts of commands that were not executed, with any status code.
_NOT_EXECUTED = (
    "vehicle is offline or asleep",
    "vehicle is not available",
    "vehicle unavailable",
    "vehicle rejected request",
)


@dataclass(frozen=True, kw_only=True)
class WakeResult:
    """Result of a wake, and the API calls made."""

    online: bool
    calls: tuple[ApiCall, ...]


@dataclass(frozen=True, kw_only=True)
class CommandServer:
    """A self-hosted server that signs commands and forwards them to Tesla."""

    session: aiohttp.ClientSession
    base_url: str


class FleetClient:
    """Client for the vehicles of one account.

    The session needs a `RecordingMiddleware`. Only cancellation raises: errors are in
    the returned calls. Commands that must be signed are signed with `private_key`.
    `location` is whether the token may read the location, `supports_refresh` whether
    the server caches data and can refresh them, `through_server` whether a self-hosted
    server forwards all requests. A `command_server` receives only the commands, except
    for waking a vehicle.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        token_source: TokenSource,
        *,
        private_key: PrivateKey | None = None,
        location: bool = True,
        supports_refresh: bool = False,
        through_server: bool = False,
        command_server: CommandServer | None = None,
    ) -> None:
        redact_library_log()
        self.base_url = base_url
        self._api = TeslaFleetApi(session, token_source, server=base_url)
        self._api.private_key = private_key
        self._teslemetry = (
            Teslemetry(session, token_source, server=base_url)
            if supports_refresh
            else None
        )
        self.only_commands_through_server = command_server is not None
        self.commands_through_server = through_server or command_server is not None
        server = command_server or CommandServer(session=session, base_url=base_url)
        self._command_server = server
        self._command_api = TeslaFleetApi(
            server.session, token_source, server=server.base_url
        )
        self._endpoints = [*_ENDPOINTS, *([_LOCATION] if location else [])]
        self._refused_vins: set[str] = set()
        # Each computer of a vehicle has its own sessions and executes its commands in
        # order, so that locking does not wait for infotainment, nor a wake for either.
        self._signed_vehicles: dict[tuple[str, bool], SignedVehicle] = {}
        self._session_listeners: list[SessionCallback] = []
        self._locks: defaultdict[tuple[str, bool | None], asyncio.Lock]
        self._locks = defaultdict(asyncio.Lock)

    def add_session_listener(self, listener: SessionCallback) -> None:
        """Call a listener with the computer's public key after a signed handshake."""
        self._session_listeners.append(listener)

    def _notify_session(self, vin: str, computer: Computer, point: bytes) -> None:
        for listener in self._session_listeners:
            listener(vin, computer, point)

    async def products(self) -> ApiCall:
        """Request the product list of the account."""
        return await _send_request(self._api.products, _READ_TIMEOUT)

    async def region(self) -> ApiCall:
        """Request the region that serves the account."""
        return await _send_request(self._api.user.region, _READ_TIMEOUT)

    async def vehicle(self, vin: str) -> ApiCall:
        """Request whether a vehicle is online; not billed, wakes nothing."""
        return await _send_request(self._vehicle(vin).vehicle, _READ_TIMEOUT)

    async def vehicle_data(self, vin: str) -> ApiCall:
        """Request all data of an online vehicle; billed.

        If the token lacks the location scope, request everything else.
        """
        vehicle = self._vehicle(vin)

        async def request_data() -> object:
            return await vehicle.vehicle_data(self._endpoints)

        call = await _send_request(request_data, _READ_TIMEOUT)
        if _LOCATION in self._endpoints and self._may_lack_location(vin, call.answer):
            self._endpoints.remove(_LOCATION)
            call = await _send_request(request_data, _READ_TIMEOUT)
            if call.body is None:
                self._endpoints.append(_LOCATION)
            else:
                _LOGGER.info("Polling without the location: the token lacks the scope")
        return call

    def _may_lack_location(self, vin: str, answer: HttpResult) -> bool:
        """Return whether data may be refused because of the location.

        Some servers drop the body that names the scope: for these, it is tried once for
        each vehicle.
        """
        if _lacks_scope(answer):
            return True
        if not _is_refused_without_reason(answer) or vin in self._refused_vins:
            return False
        self._refused_vins.add(vin)
        return True

    @property
    def supports_refresh(self) -> bool:
        """Return whether the server caches data and can refresh them."""
        return self._teslemetry is not None

    async def refresh(self, vin: str) -> ApiCall:
        """Have the server refresh its cached data of an online vehicle; billed."""
        if (teslemetry := self._teslemetry) is None:
            raise RuntimeError("This server does not cache data")
        return await _send_request(
            lambda: teslemetry.vehicle_data_refresh(vin), _COMMAND_TIMEOUT
        )

    async def fleet_status(self, vins: Sequence[str]) -> ApiCall:
        """Request which vehicles have the public key of the application."""
        return await _send_request(
            lambda: self._api.vehicles.Fleet(self._api, "").fleet_status(list(vins)),
            _READ_TIMEOUT,
        )

    async def register_partner(self, domain: str) -> ApiCall:
        """Register an application with its domain in the region."""
        return await _send_request(
            lambda: self._api.partner.register(domain), _COMMAND_TIMEOUT
        )

    @property
    def can_sign(self) -> bool:
        """Return whether the client signs commands itself."""
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
        computer = None if command is Command.WAKE else spec.vehicle_security
        async with self._locks[vin, computer]:
            if signed and self.can_sign:
                return await self._signed_command(vin, call, pending)
            vehicle = await self._rest_vehicle(vin, command)

            async def send() -> object:
                if pending is not None:
                    pending.mark_sent(time.monotonic())
                return await call_library(vehicle, call)

            api_call = await _send_request(send, _COMMAND_TIMEOUT, pending)
            retry = self.commands_through_server and bool(call.params)
            if retry and has_lost_parameters(api_call.answer):
                api_call = await _send_request(send, _COMMAND_TIMEOUT, pending)
        if not self.commands_through_server:
            return _command_result(command, api_call)
        return _proxied_command_result(command, api_call)

    async def server_rejection(self, call: CommandCall) -> CommandRejection | None:
        """Return why the server would reject a command, None if that is not known."""
        if not self.commands_through_server or not requires_pin(call):
            return None
        proxy = await self._is_tesla_proxy()
        return CommandRejection.SERVER_WANTS_PIN if proxy else None

    async def _signed_command(
        self, vin: str, call: CommandCall, pending: PendingCommand | None
    ) -> CommandResult:
        computer = vin, COMMANDS[call.command].vehicle_security
        if computer not in self._signed_vehicles:
            self._signed_vehicles[computer] = SignedVehicle(
                self._api, vin, self._notify_session
            )
        vehicle = self._signed_vehicles[computer]
        # The next command is sent only once this one was answered or has expired.
        expires_at = None if pending is None else time.monotonic() + _COMMAND_TIMEOUT
        if pending is not None and expires_at is not None:
            expires_at = min(expires_at, pending.deadline)
        vehicle.reset(pending, expires_at)

        async def send() -> object:
            async with asyncio.timeout(_COMMAND_DEADLINE):
                return await call_library(vehicle, call)

        api_call = await _send_request(send, _COMMAND_TIMEOUT, pending)
        if api_call.body is not None and not vehicle.answered:
            api_call = replace(api_call, body=None)
        result = replace(_command_result(call.command, api_call), signed=True)
        if api_call.body is not None:
            return result
        rejection = vehicle.rejection(api_call.error)
        answered = api_call.sent and result.known
        known = not vehicle.delivered or rejection is not None or answered
        return replace(result, known=known, rejection=rejection)

    def remove_vehicle(self, vin: str) -> None:
        """Discard the sessions of a vehicle that left the account."""
        for security in (False, True):
            self._signed_vehicles.pop((vin, security), None)

    async def _rest_vehicle(self, vin: str, command: Command) -> RestVehicle:
        """Return a vehicle that sends a command in the format of the server."""
        if command is Command.WAKE:
            return RestVehicle(self._api, vin)
        differs = self.commands_through_server and command in _PROXY_SPECIFIC_COMMANDS
        tesla_proxy = differs and await self._is_tesla_proxy()
        return RestVehicle(self._command_api, vin, tesla_proxy=tesla_proxy)

    async def _is_tesla_proxy(self) -> bool:
        """Return whether the server that takes the commands is Tesla's proxy.

        Without a token it identifies itself, and does not forward the request.
        """
        return is_tesla_proxy(await self.contact_command_server())

    async def contact_command_server(self) -> HttpResult:
        """Make a request without a token to the server that takes the commands."""
        return await request(
            self._command_server.session,
            "GET",
            f"{self._command_server.base_url}/api/1/products",
            timeout=_PROBE_TIMEOUT,
        )

    def _vehicle(self, vin: str) -> VehicleFleet[TeslaFleetApi]:
        # New for each call: the library keeps its vehicles forever.
        return VehicleFleet(self._api, vin)


async def register_at_teslemetry(
    session: aiohttp.ClientSession,
    *,
    name: str,
    software_id: str,
    software_version: str,
) -> str | None:
    """Register this Home Assistant at Teslemetry; return the client ID or None."""
    try:
        registration = await register_client(
            session, name, software_id, software_version
        )
    except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - every error means failed
        _LOGGER.debug("Registration at Teslemetry failed: %s", type(err).__name__)
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
    """Wake a vehicle once and poll until it is online, at most `deadline` seconds.

    The wake is billed: like any command it is not sent after its own deadline.
    `on_call` is called with each API call.
    """
    started = time.monotonic()
    wake = command_call(Command.WAKE)
    pending = PendingCommand(call=wake, pressed_at=started)
    result = await client.command(vin, wake, pending=pending)
    calls: list[ApiCall] = []

    def add(call: ApiCall) -> bool:
        calls.append(call)
        on_call(call)
        return is_online(call)

    online = result.call is not None and add(result.call)
    while not online and (result.done or not result.known):
        if time.monotonic() - started + _WAKE_POLL_INTERVAL > deadline:
            break
        await sleep(_WAKE_POLL_INTERVAL)
        online = add(await client.vehicle(vin))
    return WakeResult(online=online, calls=tuple(calls))


def is_online(call: ApiCall) -> bool:
    """Return whether an API call reports its vehicle as online."""
    return (
        call.body is not None
        and unwrap_response(call.body).get("state") == ConnectivityState.ONLINE.value
    )


async def _send_request(
    send: Callable[[], Awaitable[object]],
    timeout: float,
    pending: PendingCommand | None = None,
) -> ApiCall:
    """Make one request through the library and return the API call."""
    started = time.monotonic()
    body: object = None
    error: BaseException | None = None

    def may_send() -> bool:
        return pending is None or time.monotonic() < pending.deadline

    def seconds() -> float:
        if pending is None:
            return timeout
        remaining = pending.deadline - time.monotonic()
        return min(timeout, max(remaining, _ANSWER_TIMEOUT))

    with recording(timeout=seconds, may_send=may_send) as record:
        try:
            body = await send()
        except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - recorded in the call
            error = err
            if record.answer is None:
                _LOGGER.debug("Request was not sent: %s", type(err).__name__)
    if record.answer is None:
        elapsed = time.monotonic() - started
        no_answer = HttpResult(sent_at=started, elapsed=elapsed, failure=Failure.OTHER)
        return ApiCall(answer=no_answer, sent=False, error=error)
    if not isinstance(body, dict):
        return ApiCall(answer=record.answer, error=error)
    return ApiCall(answer=record.answer, body=cast(JsonObject, body))


def _lacks_scope(answer: HttpResult) -> bool:
    """Return whether an answer reports a missing scope of the token."""
    return answer.status == 403 and "scope" in answer.body.lower()


def _is_refused_without_reason(answer: HttpResult) -> bool:
    """Return whether an answer repeats its status as the error, as proxies do."""
    return answer.status == 403 and '"forbidden"' in answer.body.lower()


def _command_result(command: Command, call: ApiCall) -> CommandResult:
    """Return the result of a command from its API call."""
    if call.body is None:
        return CommandResult(
            done=False,
            known=not call.sent or _definitely_not_executed(call.answer),
            withheld=call.withheld,
            call=call,
        )
    response = unwrap_response(call.body)
    if command is Command.WAKE and "state" in response:
        return CommandResult(done=True, known=True, call=call)
    if any(call.body.get(name) for name in _INCONCLUSIVE):
        response = {**response, "queued": True}
    if (result := parse_result(command, response)) is None:
        return CommandResult(done=False, known=False, call=call)
    return replace(result, call=call)


def _proxied_command_result(command: Command, call: ApiCall) -> CommandResult:
    """Return the result of a command sent to a self-hosted server."""
    if call.body is None:
        # The library does not parse JSON that is sent as plain text.
        call = replace(call, body=parse_object(call.answer))
    result = _command_result(command, call)
    if call.body is not None or (rejection := parse_rejection(call.answer)) is None:
        return result
    return replace(result, known=True, rejection=rejection)


def _definitely_not_executed(answer: HttpResult) -> bool:
    """Return whether a failed command cannot have reached the vehicle."""
    if answer.failure is not None:
        return answer.failure in _NOT_SENT_FAILURES
    if answer.status is None or answer.status < 300:
        return False
    if any(words in answer.body.lower() for words in _NOT_EXECUTED):
        return True
    return answer.status < 500 and answer.status != 408
