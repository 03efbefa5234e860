"""Tesla's `tesla-http-proxy`, modeled on its published source.

It holds no account: the client's token is forwarded to Tesla. Known commands are
translated, signed with the proxy's key and sent end to end; everything else is
forwarded. Statuses and bodies are those of the original, and so are its flaws: each
error has the content type text/plain, the body of a Tesla error is dropped, and the
first command to a car without support for signed commands arrives without its body.
"""

import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
import json
from typing import Any, ClassVar, Literal, override

from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.message import DecodeError
from tesla_fleet_api.exceptions import NotOnWhitelistFault, TeslaFleetMessageFault
from tesla_fleet_api.tesla.tesla import Tesla
from tesla_fleet_api.tesla.vehicle.commands import Commands
from tesla_protocol.command.car_server_pb2 import (
    Action,
    HvacSeatCoolerActions,
    SetCopTempAction,
    VehicleAction,
)
from tesla_protocol.command.universal_message_pb2 import (
    Domain,
    MessageFault_E,
    RoutableMessage,
)

from ...http.request import HostRequest
from ...http.server import Reply

type SendRequest = Callable[[HostRequest], Awaitable[Reply]]
type Params = Mapping[str, object]
type CommandRunner = Callable[["_Client"], Awaitable[object]]

ASLEEP = "vehicle unavailable: vehicle is offline or asleep"
NOT_PAIRED = (
    "vehicle rejected request: your public key has not been paired with the vehicle"
)
BUSY = "vehicle busy or finishing wake-up"
UNREADABLE = "unable to parse response from vehicle"
TIMED_OUT = "context deadline exceeded"
PIN = "PIN codes must be four digits"
REFUSED = "car could not execute command: "

_VIN_LENGTH = 17
_SUCCESS = '{"response":{"result":true,"reason":""}}\n'

# The proxy retries these until its timeout.
_RETRIED_FAULTS = frozenset(
    {
        MessageFault_E.MESSAGEFAULT_ERROR_BUSY,
        MessageFault_E.MESSAGEFAULT_ERROR_TIMEOUT,
        MessageFault_E.MESSAGEFAULT_ERROR_INTERNAL,
    }
)
_REST_COMMANDS = frozenset(
    {
        "navigation_request",
        "set_managed_charge_current_request",
        "set_managed_charger_location",
        "set_managed_scheduled_charging_time",
    }
)


class TeslaProxy:
    """The proxy, with a key of its own that can be paired with cars.

    With `uses_2026_status_codes` it answers as versions of 2026: 408 for a car that is
    asleep and 412 for a key that is not paired, both 500 before.
    """

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.uses_2026_status_codes = False
        self._clients: dict[str, _Client] = {}
        self._unsupported: set[str] = set()

    def restart(self) -> None:
        """Drop the sessions and the list of cars without signed commands."""
        self._clients.clear()
        self._unsupported.clear()

    async def answer(self, request: HostRequest, send: SendRequest) -> Reply:
        """Answer a request; `send` sends one to Tesla."""
        if not request.token:
            return _error(403, "client did not provide an OAuth token")
        if not _is_jwt(request.token):
            return _error(403, "client provided malformed OAuth token")
        path = request.path.split("/")
        if request.path.startswith("/api/1/vehicles/") and path[5:6] == ["command"]:
            vin, command = path[4], "".join(path[6:])
            if len(vin) != _VIN_LENGTH:
                message = "expected 17-character VIN in path (do not user Fleet API ID)"
                return _error(404, message)
            if vin not in self._unsupported:
                return await self._command(vin, command, request, send)
        return await _forward(request, send)

    async def _command(
        self, vin: str, command: str, request: HostRequest, send: SendRequest
    ) -> Reply:
        if request.method != "POST":
            return _error(405, HTTPStatus(405).phrase)
        if request.body is None:
            message = "error occurred while parsing request parameters"
            return Reply(status=400, body=f"{message}\n")
        try:
            runner = _translate(command, request.body)
        except _BadParameterError as err:
            return _refusal(400, str(err))
        except _UnknownCommandError:
            return _error(400, "invalid_command")
        client = self._clients.setdefault(vin, _Client(vin, self.key))
        client.post = lambda message: _post(vin, message, request, send)
        try:
            await client.start()
            if command in _REST_COMMANDS:
                return await _forward(request, send)
            result = await runner(client)
        except _UnsupportedError:
            self._unsupported.add(vin)
            # The body was consumed before: the forwarded request has none.
            return await _forward(replace(request, body={}), send)
        except _TeslaError as err:
            return err.reply
        except _ProxyError as err:
            return _error(500, str(err))
        except DecodeError:
            return _error(500, UNREADABLE)
        except _AsleepError:
            return _error(408 if self.uses_2026_status_codes else 500, ASLEEP)
        except NotOnWhitelistFault:
            return _error(412 if self.uses_2026_status_codes else 500, NOT_PAIRED)
        except TeslaFleetMessageFault as err:
            return self._fault_reply(getattr(err, "code", None) or 0)
        except TimeoutError, ValueError:
            # The library computes the expiry by the wall clock, which may be set back.
            return _error(500, TIMED_OUT)
        return _result(result)

    def _fault_reply(self, code: int) -> Reply:
        if code == MessageFault_E.MESSAGEFAULT_ERROR_UNKNOWN_KEY_ID:
            return _error(412 if self.uses_2026_status_codes else 500, NOT_PAIRED)
        if code in _RETRIED_FAULTS:
            return _error(500, TIMED_OUT)
        return _error(500, str(MessageFault_E.Name(code)))


class _AsleepError(Exception):
    """Tesla reports the car as asleep or offline."""


class _UnsupportedError(Exception):
    """Tesla reports that the car does not support signed commands."""


class _ProxyError(Exception):
    """The proxy rejects the command when building the message."""


class _UnknownCommandError(Exception):
    """The proxy does not know the command."""


class _BadParameterError(Exception):
    """A parameter is missing or has a wrong type."""


class _TeslaError(Exception):
    """An error of Tesla that is passed on."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply


class _Client(Commands[Tesla]):
    """Command client with the sessions of one car."""

    _auth_method: ClassVar[Literal["hmac", "aes"]] = "hmac"
    _transport_name = "proxy"

    post: Callable[[bytes], Awaitable[bytes]]

    def __init__(self, vin: str, key: ec.EllipticCurvePrivateKey) -> None:
        super().__init__(Tesla(), vin, key)

    async def start(self) -> None:
        """Open sessions with both computers unless they are open."""
        for domain in (Domain.DOMAIN_VEHICLE_SECURITY, Domain.DOMAIN_INFOTAINMENT):
            if not self._sessions[domain].ready:
                await self._handshake(domain)

    async def send_action(self, action: VehicleAction) -> object:
        """Send an action to infotainment."""
        return await self._sendInfotainment(Action(vehicleAction=action))

    @override
    async def _send(
        self,
        msg: RoutableMessage,
        requires: str,
        expects_data: bool = True,
        *,
        confirm_broadcast: Callable[[Any], bool] | None = None,
    ) -> RoutableMessage:
        answer = await self.post(msg.SerializeToString())
        reply: RoutableMessage = RoutableMessage.FromString(answer)
        self.validate_msg(reply, msg.uuid)
        return reply


async def _post(
    vin: str, message: bytes, request: HostRequest, send: SendRequest
) -> bytes:
    body = {"routable_message": base64.b64encode(message).decode()}
    path = f"/api/1/vehicles/{vin}/signed_command"
    reply = await send(
        HostRequest(method="POST", path=path, body=body, token=request.token)
    )
    if reply.cut:
        raise TimeoutError
    match reply.status:
        case 200:
            try:
                return base64.b64decode(json.loads(reply.body)["response"])
            except (ValueError, TypeError, KeyError) as err:
                raise _ProxyError(UNREADABLE) from err
        case 422:
            raise _UnsupportedError
        case 503:
            raise _AsleepError
        case 408 if "vehicle is offline" in reply.body:
            raise _AsleepError
        case 408 | 421 | 504:
            raise TimeoutError
        case status:
            body_text = reply.body or _phrase(status)
            raise _TeslaError(Reply(status=status, body=f"{body_text}\n"))


async def _forward(request: HostRequest, send: SendRequest) -> Reply:
    """Forward a request to Tesla; the body of an error is dropped."""
    reply = await send(request)
    if reply.cut:
        return _error(502, "EOF")
    if reply.status == 200:
        return reply
    return _error(reply.status, _phrase(reply.status))


def _phrase(status: int) -> str:
    """Return the text of a status, empty if it has none, as in Go."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _result(result: object) -> Reply:
    body = result.get("response") if isinstance(result, dict) else None
    if not isinstance(body, dict) or body.get("result") is True:
        return Reply(body=_SUCCESS, content_type="application/json")
    reason = str(body.get("reason") or "unspecified error")
    if reason == "Too many retries":
        return _error(500, BUSY)
    return _refusal(200, f"{REFUSED}{reason}")


def _error(status: int, message: str) -> Reply:
    return _text_reply(
        status, {"response": None, "error": message, "error_description": ""}
    )


def _refusal(status: int, reason: str) -> Reply:
    response = {"result": False, "reason": reason}
    return _text_reply(
        status, {"response": response, "error": "", "error_description": ""}
    )


def _text_reply(status: int, body: Mapping[str, object]) -> Reply:
    # The proxy sets its content type too late: clients receive text/plain.
    return Reply(status=status, body=json.dumps(body, separators=(",", ":")) + "\n")


def _is_jwt(token: str) -> bool:
    parts = token.split(".")
    if len(parts) != 3:
        return False
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        return isinstance(json.loads(base64.urlsafe_b64decode(padded)), dict)
    except ValueError:
        return False


# Translation of commands


def _number(params: Params, name: str, *, required: bool = True) -> float:
    value = params.get(name)
    if name not in params:
        if required:
            raise _BadParameterError(f"missing {name} param")
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _BadParameterError(f"invalid {name} param")
    return float(value)


def _flag(params: Params, name: str, *, required: bool = True) -> bool:
    value = params.get(name)
    if name not in params:
        if required:
            raise _BadParameterError(f"missing {name} param")
        return False
    if not isinstance(value, bool):
        raise _BadParameterError(f"invalid {name} param")
    return value


def _text(params: Params, name: str, *, required: bool = True) -> str:
    value = params.get(name)
    if name not in params:
        if required:
            raise _BadParameterError(f"missing {name} param")
        return ""
    if not isinstance(value, str):
        raise _BadParameterError(f"invalid {name} param")
    return value


def _translate(command: str, params: Params) -> CommandRunner:
    """Return the runner of a command; raise an error for invalid parameters."""
    if command in _REST_COMMANDS:
        return lambda car: car.ping()
    if command in _COMMANDS_WITHOUT_PARAMETERS:
        return _COMMANDS_WITHOUT_PARAMETERS[command]
    if (translate := _COMMANDS.get(command)) is None:
        raise _UnknownCommandError
    return translate(params)


def _heat_seat(params: Params) -> CommandRunner:
    seat, level = _number(params, "seat_position"), _number(params, "level")
    if not 0 <= int(seat) <= 8:
        raise _BadParameterError("invalid seat position")
    return lambda car: car.remote_seat_heater_request(int(seat), int(level))


def _cool_seat(params: Params) -> CommandRunner:
    """Use the protocol's number of a level, in which 1 is off."""
    seat = int(_number(params, "seat_position"))
    level = int(_number(params, "seat_cooler_level"))

    async def run(car: _Client) -> object:
        if seat not in {1, 2}:
            raise _ProxyError("invalid seat position")
        action = HvacSeatCoolerActions.HvacSeatCoolerAction(
            seat_cooler_level=_enum(level), seat_position=_enum(seat)
        )
        actions = HvacSeatCoolerActions(hvacSeatCoolerAction=[action])
        return await car.send_action(VehicleAction(hvacSeatCoolerActions=actions))

    return run


def _auto_seat(params: Params) -> CommandRunner:
    seat = int(_number(params, "auto_seat_position"))
    on = _flag(params, "auto_climate_on")
    return lambda car: car.remote_auto_seat_climate_request(seat, on)


def _overheat_level(params: Params) -> CommandRunner:
    """Use the protocol's number of a temperature, in which 1 is 30 °C."""
    level = int(_number(params, "cop_temp"))
    action = SetCopTempAction(copActivationTemp=_enum(level))
    return lambda car: car.send_action(VehicleAction(setCopTempAction=action))


def _overheat(params: Params) -> CommandRunner:
    on, fan_only = _flag(params, "on"), _flag(params, "fan_only", required=False)
    return lambda car: car.set_cabin_overheat_protection(on=on, fan_only=fan_only)


def _keeper(params: Params) -> CommandRunner:
    mode = int(_number(params, "climate_keeper_mode"))
    _flag(params, "manual_override", required=False)
    return lambda car: car.set_climate_keeper_mode(mode)


def _temperatures(params: Params) -> CommandRunner:
    driver = _number(params, "driver_temp", required=False)
    passenger = _number(params, "passenger_temp", required=False)
    return lambda car: car.set_temps(driver_temp=driver, passenger_temp=passenger)


def _defrost(params: Params) -> CommandRunner:
    on = _flag(params, "on")
    override_ = _flag(params, "manual_override", required=False)
    return lambda car: car.set_preconditioning_max(on=on, manual_override=override_)


def _bioweapon(params: Params) -> CommandRunner:
    on, by_hand = _flag(params, "on"), _flag(params, "manual_override")
    return lambda car: car.set_bioweapon_mode(on=on, manual_override=by_hand)


def _trunk(params: Params) -> CommandRunner:
    which = _text(params, "which_trunk", required=False) or "rear"
    if which not in {"front", "rear"}:
        raise _BadParameterError("invalid_value")
    return lambda car: car.actuate_trunk(which)


def _valet(params: Params) -> CommandRunner:
    on, pin = _flag(params, "on"), _text(params, "password", required=False)

    async def run(car: _Client) -> object:
        if on and not (len(pin) == 4 and pin.isascii() and pin.isdecimal()):
            raise _ProxyError(PIN)
        return await car.set_valet_mode(on=on, password=pin)

    return run


def _drive_pin(params: Params) -> CommandRunner:
    on, pin = _flag(params, "on"), _text(params, "password", required=False)
    return lambda car: car.set_pin_to_drive(on=on, password=pin)


def _homelink(params: Params) -> CommandRunner:
    lat, lon = _number(params, "lat"), _number(params, "lon")
    return lambda car: car.trigger_homelink(lat=lat, lon=lon)


def _windows(params: Params) -> CommandRunner:
    command = _text(params, "command")
    if command not in {"vent", "close"}:
        raise _BadParameterError("command must be 'vent' or 'close'")
    return lambda car: car.window_control(command)


def _enum(number: int) -> Any:
    # Any number goes into the message, known to the protocol or not.
    return number


_COMMANDS_WITHOUT_PARAMETERS: Mapping[str, CommandRunner] = {
    "auto_conditioning_start": lambda car: car.auto_conditioning_start(),
    "auto_conditioning_stop": lambda car: car.auto_conditioning_stop(),
    "cancel_software_update": lambda car: car.cancel_software_update(),
    "charge_port_door_close": lambda car: car.charge_port_door_close(),
    "charge_port_door_open": lambda car: car.charge_port_door_open(),
    "charge_start": lambda car: car.charge_start(),
    "charge_stop": lambda car: car.charge_stop(),
    "door_lock": lambda car: car.door_lock(),
    "door_unlock": lambda car: car.door_unlock(),
    "flash_lights": lambda car: car.flash_lights(),
    "honk_horn": lambda car: car.honk_horn(),
    "remote_start_drive": lambda car: car.remote_start_drive(),
    "reset_pin_to_drive_pin": lambda car: car.reset_pin_to_drive_pin(),
    "reset_valet_pin": lambda car: car.reset_valet_pin(),
}
_COMMANDS: Mapping[str, Callable[[Params], CommandRunner]] = {
    "actuate_trunk": _trunk,
    "guest_mode": lambda params: _run_command(
        "guest_mode", enable=_flag(params, "enable")
    ),
    "remote_auto_seat_climate_request": _auto_seat,
    "remote_seat_cooler_request": _cool_seat,
    "remote_seat_heater_request": _heat_seat,
    "remote_steering_wheel_heater_request": lambda params: _run_command(
        "remote_steering_wheel_heater_request", on=_flag(params, "on")
    ),
    "schedule_software_update": lambda params: _run_command(
        "schedule_software_update", offset_sec=int(_number(params, "offset_sec"))
    ),
    "set_bioweapon_mode": _bioweapon,
    "set_cabin_overheat_protection": _overheat,
    "set_charge_limit": lambda params: _run_command(
        "set_charge_limit", percent=int(_number(params, "percent"))
    ),
    "set_charging_amps": lambda params: _run_command(
        "set_charging_amps", charging_amps=int(_number(params, "charging_amps"))
    ),
    "set_climate_keeper_mode": _keeper,
    "set_cop_temp": _overheat_level,
    "set_pin_to_drive": _drive_pin,
    "set_preconditioning_max": _defrost,
    "set_sentry_mode": lambda params: _run_command(
        "set_sentry_mode", on=_flag(params, "on")
    ),
    "set_temps": _temperatures,
    "set_valet_mode": _valet,
    "trigger_homelink": _homelink,
    "window_control": _windows,
}


def _run_command(name: str, **values: object) -> CommandRunner:
    async def run(car: _Client) -> object:
        return await getattr(car, name)(**values)

    return run
