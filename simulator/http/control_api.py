"""Control API: conditions, cars and counters over HTTP."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any

from aiohttp import web

from ..bluetooth import MAX_CONNECTIONS, LinkConditions, local_name
from ..protocol import CommandFault, Role
from ..scenarios.conditions import MODELS, ConditionError
from ..scenarios.scenario import CONFIRMATIONS, SIGNING, CarSpec
from ..simulator import PortTakenError, Simulator
from ..vehicle.car import Car
from ..vehicle.schedule import parse_days
from .server import HOST

HELP = """Control API of the simulator. Content-Type: application/json.

POST /set     {"na.api": "503 upstream connect error", "car.Ada": "asleep"}
POST /reset   {}   resets conditions and cars to the start of a case
POST /do      {"car": "Ada", "do": "drive"}; ACTIONS
POST /app     {"credentials": {"id": "secret"}, "must_register": true, "pem": "..."}
POST /token   {"state": "expired"} or {"state": "ok"}
POST /cars    {"name": "Di", "model": "modely", "year": 2024}; also signing and
              confirmation
POST /days    {"car": "Ada", "days": [{"drives": [{"at": "7:30", "minutes": 30}],
              "plug": "18:00"}], "midnight": 1763942400}; the days repeat from
              midnight (Unix time) on, by default from now
POST /signing {"car": "Ada", "signing": "required"}; or allowed, off
POST /keys    {"car": "Ada", "pem": "-----BEGIN PUBLIC...", "role": "DRIVER"}; ROLES
POST /mishap  {"car": "Ada", "mishap": "lost-done", "times": 1}; MISHAPS
POST /pair    {"car": "Ada", "do": "tap"}: taps a keycard on the console to add the key
              requested over Bluetooth; or refuse
POST /car     {"car": "Ada", "screen_hangs": true, "tells_wait": false,
              "acknowledges": false, "confirmation": "status"}: infotainment does not
              answer over Bluetooth; the car reports that it waits for a keycard; it
              acknowledges each message; its locks confirm a command with their status,
              or with a response without content (empty)
POST /air     {"car": "Ada", "phones": 2, "rssi": -80, "weather": {"lose_to_car": 0.1}}:
              connections of other phones and link conditions ({} resets them), of all
              cars if none is named; WEATHERS
DELETE /cars/Di
GET  /state   conditions, cars, addresses
GET  /calls   counters, billed and unbilled
"""


def _enter_service(car: Car) -> None:
    car.in_service = True


def _leave_service(car: Car) -> None:
    car.in_service = False


def _enter_car(car: Car) -> None:
    car.set_connectivity("online")
    car.user_present = True
    car.locked = False


def _leave_car(car: Car) -> None:
    car.user_present = False
    car.locked = True


def _open_door(car: Car) -> None:
    car.doors["df"] = True


# Manual actions of a person at the car.
ACTIONS: dict[str, Callable[[Car], None]] = {
    "drive": Car.drive,
    "plug": Car.plug,
    "unplug": Car.unplug,
    "get_in": _enter_car,
    "leave": _leave_car,
    "open_door": _open_door,
    "close": Car.close,
    "sleep": lambda car: car.set_connectivity("asleep"),
    "enter_service": _enter_service,
    "leave_service": _leave_service,
}


# JSON keys of /car, mapped to attributes of VehicleComputers.
_COMPUTER_OPTIONS = {
    "screen_hangs": "infotainment_hangs",
    "tells_wait": "reports_wait",
    "acknowledges": "sends_acknowledgments",
}


class ControlApi:
    """HTTP server of the control API."""

    def __init__(self, simulator: Simulator, port: int = 0) -> None:
        self._simulator = simulator
        self._port = port
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Return the base URL."""
        return f"http://{HOST}:{self._port}"

    async def start(self) -> None:
        """Open the port; raise PortTakenError if it is in use."""
        app = web.Application(middlewares=[_handle_errors])
        app.add_routes(
            [
                web.get("/", self._help),
                web.post("/set", self._set),
                web.post("/reset", self._reset),
                web.post("/do", self._do),
                web.post("/token", self._token),
                web.post("/cars", self._add_car),
                web.post("/app", self._app),
                web.post("/days", self._days),
                web.post("/signing", self._signing),
                web.post("/keys", self._keys),
                web.post("/mishap", self._inject_fault),
                web.post("/pair", self._pair),
                web.post("/car", self._car),
                web.post("/air", self._air),
                web.delete("/cars/{name}", self._remove_car),
                web.get("/state", self._state),
                web.get("/calls", self._calls),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self._port)
        try:
            await site.start()
        except OSError as err:
            await self.stop()
            message = f"port {self._port} for control is taken"
            raise PortTakenError(message) from err
        self._port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _help(self, _request: web.Request) -> web.Response:
        text = HELP
        for word, one_of in {
            "ACTIONS": ("do", ACTIONS),
            "ROLES": ("role", Role.__members__),
            "MISHAPS": ("mishap", CommandFault),
            "WEATHERS": ("weather", LinkConditions.names()),
        }.items():
            text = text.replace(word, f"{one_of[0]} is one of {', '.join(one_of[1])}")
        return web.Response(text=text)

    async def _set(self, request: web.Request) -> web.Response:
        body = await _body(request)
        self._simulator.apply(
            {
                # The condition `null` is null in YAML and None in JSON.
                subject: "null" if condition is None else str(condition)
                for subject, condition in body.items()
            }
        )
        return web.json_response(self._simulator.conditions)

    async def _reset(self, _request: web.Request) -> web.Response:
        self._simulator.reset()
        return web.json_response({})

    async def _do(self, request: web.Request) -> web.Response:
        body = await _body(request)
        name, action = str(body.get("car")), str(body.get("do"))
        if name not in self._simulator.cars or action not in ACTIONS:
            message = (
                f'needs {{"car": ..., "do": ...}}; cars: '
                f"{', '.join(self._simulator.cars)}; do: {', '.join(ACTIONS)}"
            )
            raise ConditionError(message)
        car = self._simulator.cars[name]
        ACTIONS[action](car)
        self._simulator.bluetooth.update_car(car)
        return web.json_response(describe(car))

    async def _token(self, request: web.Request) -> web.Response:
        body = await _body(request)
        self._simulator.set_token(str(body.get("state")))
        return web.json_response(body)

    async def _add_car(self, request: web.Request) -> web.Response:
        match await _body(request):
            case {
                "name": str(name),
                "model": str(model),
                "year": int(year),
                **rest,
            } if (
                name
                and model in MODELS
                and 2010 <= year < 2040
                and rest.get("signing") in {None, *SIGNING}
                and rest.get("confirmation", CONFIRMATIONS[0]) in CONFIRMATIONS
            ):
                spec = CarSpec(
                    name=name,
                    model=model,
                    year=year,
                    signing=rest.get("signing"),
                    confirmation=rest.get("confirmation", CONFIRMATIONS[0]),
                )
                return web.json_response(describe(self._simulator.add_car(spec)))
            case _:
                message = (
                    f"needs name, model ({', '.join(MODELS)}) and year;"
                    f" may have signing ({', '.join(SIGNING)})"
                    f" and confirmation ({', '.join(CONFIRMATIONS)})"
                )
                raise ConditionError(message)

    async def _app(self, request: web.Request) -> web.Response:
        body = await _body(request)
        apps = self._simulator.apps
        credentials, must_register = body.get("credentials"), body.get("must_register")
        if isinstance(credentials, dict):
            apps.credentials = {str(key): str(it) for key, it in credentials.items()}
        if isinstance(must_register, bool):
            apps.must_register = must_register
        if "pem" in body:
            apps.host(str(body["pem"]), str(body.get("domain", "")))
        return web.json_response(
            {
                "credentials": list(apps.credentials),
                "must_register": apps.must_register,
                "hosted": apps.hosted,
                "registered": [
                    {"client": client, "region": region, "domain": one.domain}
                    for (client, region), one in apps.registered.items()
                ],
            }
        )

    async def _days(self, request: web.Request) -> web.Response:
        body = await _body(request)
        car, midnight = self._simulator.car(str(body.get("car"))), body.get("midnight")
        if midnight is not None and not isinstance(midnight, int | float):
            message = "midnight must be a number: Unix time in seconds"
            raise ConditionError(message)
        car.set_schedule(parse_days(body.get("days")), midnight)
        return web.json_response(describe(car))

    async def _signing(self, request: web.Request) -> web.Response:
        body = await _body(request)
        name = str(body.get("car"))
        self._simulator.set_signing(name, str(body.get("signing")))
        return web.json_response(describe(self._simulator.cars[name]))

    async def _keys(self, request: web.Request) -> web.Response:
        body = await _body(request)
        name, role = str(body.get("car")), str(body.get("role", "FLEET_MANAGER"))
        if role not in Role.__members__:
            message = f"unknown role {role!r}; allowed: {', '.join(Role.__members__)}"
            raise ConditionError(message)
        self._simulator.pair(name, str(body.get("pem")), Role[role])
        return web.json_response(self._keys_of(name))

    async def _inject_fault(self, request: web.Request) -> web.Response:
        body = await _body(request)
        times = _integer({"times": 1, **body}, "times", 1, 999)
        self._simulator.inject_fault(
            str(body.get("car")), str(body.get("mishap")), times
        )
        return web.json_response(body)

    async def _pair(self, request: web.Request) -> web.Response:
        body = await _body(request)
        name, action = str(body.get("car")), body.get("do")
        if action not in {"tap", "refuse"}:
            message = f"unknown answer {action!r} to a key; allowed: tap, refuse"
            raise ConditionError(message)
        if action == "tap":
            pairing = self._simulator.tap_card(name)
        else:
            pairing = self._simulator.cancel_pairing(name)
        return web.json_response({"pairing": pairing, "keys": self._keys_of(name)})

    async def _car(self, request: web.Request) -> web.Response:
        body = await _body(request)
        car = self._simulator.car(str(body.pop("car", None)))
        computers = self._simulator.computers[car.name]
        confirmation = body.pop("confirmation", computers.confirmation.value)
        for name, value in body.items():
            if name not in _COMPUTER_OPTIONS or not isinstance(value, bool):
                message = (
                    f"{name!r}: {value!r}; allowed: {', '.join(_COMPUTER_OPTIONS)}"
                )
                raise ConditionError(f"{message}, true or false; or confirmation")
        self._simulator.set_confirmation(car.name, str(confirmation))
        for name, value in body.items():
            setattr(computers, _COMPUTER_OPTIONS[name], value)
        return web.json_response(self._computers_of(car.name))

    async def _air(self, request: web.Request) -> web.Response:
        body = await _body(request)
        environment, name = self._simulator.bluetooth, body.get("car")
        car = None if name is None else self._simulator.car(str(name))
        if car is not None:
            if "phones" in body:
                environment.phones[car.vin] = _integer(
                    body, "phones", 0, MAX_CONNECTIONS
                )
            if "rssi" in body:
                environment.rssi[car.vin] = _integer(body, "rssi", -127, 20)
        if "weather" in body:
            if not isinstance(body["weather"], dict):
                message = "weather must be an object"
                raise ConditionError(message)
            conditions = LinkConditions.from_dict(body["weather"])
            environment.set_link_conditions(
                conditions, None if car is None else car.name
            )
        names = self._simulator.cars if car is None else (car.name,)
        return web.json_response({name: self._bluetooth_state(name) for name in names})

    def _computers_of(self, name: str) -> dict[str, object]:
        computers = self._simulator.computers[name]
        return {
            **{
                option: getattr(computers, attribute)
                for option, attribute in _COMPUTER_OPTIONS.items()
            },
            "confirmation": computers.confirmation.value,
        }

    def _keys_of(self, name: str) -> dict[str, str]:
        entries = self._simulator.computers[name].whitelist.entries
        return {one.point.hex(): one.role.name for one in entries}

    def _bluetooth_state(self, name: str) -> dict[str, object]:
        environment, car = self._simulator.bluetooth, self._simulator.cars[name]
        advertisements = {
            advertisement.name: advertisement
            for advertisement in environment.advertisements()
        }
        advertisement = advertisements.get(local_name(car.vin))
        return {
            "heard": None if advertisement is None else asdict(advertisement),
            "phones": environment.phones[car.vin],
            "weather": asdict(environment.link_conditions_of(car)),
            **asdict(environment.statistics(car)),
        }

    async def _remove_car(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._simulator.cars:
            message = f"unknown car; the cars are: {', '.join(self._simulator.cars)}"
            raise ConditionError(message)
        return web.json_response(describe(self._simulator.remove_car(name)))

    async def _state(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "conditions": self._simulator.conditions,
                "cars": {
                    name: {
                        **describe(car),
                        "pairing": self._simulator.computers[name].whitelist.pairing,
                        "computers": self._computers_of(name),
                        "keys": self._keys_of(name),
                        "air": self._bluetooth_state(name),
                    }
                    for name, car in self._simulator.cars.items()
                },
                "urls": self._simulator.urls,
            }
        )

    async def _calls(self, _request: web.Request) -> web.Response:
        return web.json_response(self._simulator.usage.as_dict())


def describe(car: Car) -> dict[str, object]:
    """Return the visible state of a car."""
    car.advance()
    return {
        "vin": car.vin,
        "model": car.model,
        "year": car.year,
        "signing": car.signing,
        "presence": "waking" if car.waking else car.connectivity,
        "near": car.in_range,
        "locked": car.locked,
        "climate_on": car.climate_on,
        "inside": round(car.inside_temp, 1),
        "battery": round(car.battery_level, 2),
        "charging": car.charging,
        "speed": car.speed,
        "in_service": car.in_service,
        "executed": dict(car.executed),
    }


def _integer(body: Mapping[str, object], name: str, minimum: int, maximum: int) -> int:
    value = body.get(name)
    if (
        isinstance(value, int)
        and not isinstance(value, bool)
        and minimum <= value <= maximum
    ):
        return value
    message = f"{name} must be a whole number from {minimum} to {maximum}"
    raise ConditionError(message)


async def _body(request: web.Request) -> dict[str, Any]:
    # Browsers cannot send this content type cross-origin without a preflight.
    if request.content_type != "application/json":
        message = "the body must be JSON, with Content-Type: application/json"
        raise ConditionError(message)
    try:
        body = await request.json()
    except ValueError as err:
        message = f"the body is no JSON: {err}"
        raise ConditionError(message) from err
    if not isinstance(body, dict):
        message = "the body must be a JSON object"
        raise ConditionError(message)
    return body


@web.middleware
async def _handle_errors(
    request: web.Request,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    try:
        return await handler(request)
    except ConditionError as err:
        return web.json_response({"error": str(err)}, status=400)
