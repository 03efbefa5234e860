"""Links to a car: the one place where `tesla-fleet-api` is called."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
import logging
import time
from typing import cast

import aiohttp
from tesla_fleet_api.exceptions import TeslaFleetError
from tesla_fleet_api.tesla import TeslaFleetApi, VehicleFleet

from ..answer import Answer, Failure, recording
from .reading import JsonObject
from .redaction import redact_library_log
from .repertoire import REPERTOIRE, Command, LibraryVehicle
from .state import Presence, unwrapped

__all__ = [
    "Call",
    "CloudLink",
    "Command",
    "Outcome",
    "TokenSource",
    "Waking",
    "is_online",
    "wake_and_wait",
]

_LOGGER = logging.getLogger(__name__)

type TokenSource = Callable[[], Awaitable[str | None]]

_READ_TIMEOUT = 10.0
_COMMAND_TIMEOUT = 30.0

_LONGEST_REASON = 255

# Seconds between two looks at a car that wakes up.
_WAKE_PACE = 3.0

_ENDPOINTS = (
    "charge_state",
    "climate_state",
    "drive_state",
    "location_data",
    "vehicle_config",
    "vehicle_state",
)

# The request did not get out, or not to the cloud.
_NEVER_SENT = frozenset(
    {Failure.REFUSED, Failure.NAME, Failure.ADDRESS, Failure.CERTIFICATE}
)

# What errors say, whatever their code, when the car did not do it.
_NOT_DONE = (
    "vehicle is offline or asleep",
    "vehicle is not available",
    "vehicle unavailable",
    "vehicle rejected request",
)


@dataclass(frozen=True, kw_only=True)
class Call:
    """What one call brought; a body only where a 2xx held a JSON object."""

    answer: Answer
    body: JsonObject | None = None
    sent: bool = True
    """False where no request was made: no token, or nothing that makes sense."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a command.

    Without `confirmed` nobody knows whether the car did it. `reason` is the car's own
    word for refusing.
    """

    done: bool
    confirmed: bool
    call: Call
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Waking:
    """Whether a car woke up in time, and the calls that were made for it."""

    online: bool
    calls: tuple[Call, ...]


class CloudLink:
    """The cars of one account, reached through a cloud.

    Its session has a `Recorder` among its middlewares. Nothing but being cancelled
    raises: what went wrong stands in the answer.
    """

    def __init__(
        self, session: aiohttp.ClientSession, base_url: str, token_source: TokenSource
    ) -> None:
        redact_library_log()
        self.base_url = base_url
        self._api = TeslaFleetApi(session, token_source, server=base_url)
        # A car does one thing after another, as its owner asked.
        self._gates: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def products(self) -> Call:
        """List what the account has: cars and other things."""
        return await _call(self._api.products, _READ_TIMEOUT)

    async def region(self) -> Call:
        """Ask which region's host serves the account."""
        return await _call(self._api.user.region, _READ_TIMEOUT)

    async def vehicle(self, vin: str) -> Call:
        """Ask whether a car is online; this costs nothing and wakes nothing."""
        return await _call(self._vehicle(vin).vehicle, _READ_TIMEOUT)

    async def vehicle_data(self, vin: str) -> Call:
        """Ask an online car for all its data; this is billed."""
        vehicle = self._vehicle(vin)
        return await _call(
            lambda: vehicle.vehicle_data(list(_ENDPOINTS)), _READ_TIMEOUT
        )

    async def command(self, vin: str, command: Command, **params: object) -> Outcome:
        """Send a command once; the repertoire says which parameters it takes."""
        vehicle = self._vehicle(vin)
        async with self._gates[vin]:
            call = await _call(
                lambda: REPERTOIRE[command].send(vehicle, params), _COMMAND_TIMEOUT
            )
        return _outcome(command, call)

    def _vehicle(self, vin: str) -> LibraryVehicle:
        # A new one for each call: the library's would outlive a car that was sold.
        return VehicleFleet(self._api, vin)


async def wake_and_wait(
    link: CloudLink,
    vin: str,
    *,
    deadline: float,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Waking:
    """Wake a car once, and look for it until it is online or `deadline` (s) is over."""
    began = time.monotonic()
    outcome = await link.command(vin, Command.WAKE)
    calls = [outcome.call]
    online = is_online(outcome.call)
    while not online and (outcome.done or not outcome.confirmed):
        if time.monotonic() - began + _WAKE_PACE > deadline:
            break
        await sleep(_WAKE_PACE)
        calls.append(await link.vehicle(vin))
        online = is_online(calls[-1])
    return Waking(online=online, calls=tuple(calls))


def is_online(call: Call) -> bool:
    """Return whether a call says that its car is online."""
    return (
        call.body is not None
        and unwrapped(call.body).get("state") == Presence.ONLINE.value
    )


async def _call(send: Callable[[], Awaitable[object]], timeout: float) -> Call:
    """Let the library make one request, and return what came of it."""
    began = time.monotonic()
    body: object = None
    with recording(timeout=timeout) as record:
        try:
            body = await send()
        except (Exception, TeslaFleetError) as err:  # noqa: BLE001 - the answer tells
            if record.answer is None:
                _LOGGER.debug("No request was made: %s", type(err).__name__)
    if record.answer is None:
        elapsed = time.monotonic() - began
        nothing = Answer(asked_at=began, elapsed=elapsed, failure=Failure.OTHER)
        return Call(answer=nothing, sent=False)
    if not isinstance(body, Mapping):
        return Call(answer=record.answer)
    return Call(answer=record.answer, body=cast(JsonObject, body))


def _outcome(command: Command, call: Call) -> Outcome:
    """Tell what came of a command, and whether anybody can know."""
    if call.body is None:
        confirmed = not call.sent or _surely_not_done(call.answer)
        return Outcome(done=False, confirmed=confirmed, call=call)
    told = unwrapped(call.body)
    if command is Command.WAKE and "state" in told:
        return Outcome(done=True, confirmed=True, call=call)
    match told.get("result"):
        case True:
            return Outcome(done=True, confirmed=True, call=call)
        case False:
            reason = str(told.get("reason") or "")[:_LONGEST_REASON] or None
            done = reason in REPERTOIRE[command].already
            return Outcome(done=done, confirmed=True, reason=reason, call=call)
        case _:
            return Outcome(done=False, confirmed=False, call=call)


def _surely_not_done(answer: Answer) -> bool:
    """Return whether a failed command cannot have got into the car."""
    if answer.failure is not None:
        return answer.failure in _NEVER_SENT
    if answer.status is None or answer.status < 300:
        return False
    if any(words in answer.body.lower() for words in _NOT_DONE):
        return True
    return answer.status < 500 and answer.status != 408
