"""Tessie: its own command endpoints, and cached data.

Its `vehicle_data` in the format of the Fleet API are less than 15 seconds old while
the car is awake, and those of falling asleep otherwise.
"""

from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
import re
from typing import override

from ...http.request import HostRequest
from ...http.server import Reply, json_reply
from ...vehicle.car import Car
from ...vehicle.payloads import Json, vehicle_data
from ..accounts import SCOPES, Account, Tokens
from ..fleet_api import find_route
from .service import (
    Answer,
    CachedRequest,
    CacheRefresh,
    ForwardedRequest,
    Service,
    ServiceTokens,
    json_object,
)

CACHE_SECONDS = 15.0

_SEATS = {
    "front_left": 0,
    "front_right": 1,
    "rear_left": 2,
    "rear_center": 4,
    "rear_right": 5,
    "third_row_left": 7,
    "third_row_right": 8,
}
_COOLED_SEATS = {"front_left": 1, "front_right": 2}


class _InvalidParameterError(ValueError):
    """A parameter is invalid."""


type Query = Mapping[str, str]
type FleetCommand = tuple[str, dict[str, object]]


def _number(query: Query, key: str) -> float:
    try:
        return float(query.get(key, ""))
    except ValueError as err:
        raise _InvalidParameterError(key) from err


def _flag(query: Query, key: str) -> bool:
    return query.get(key) == "true"


def _seat(query: Query, seats: Mapping[str, int]) -> int:
    if (seat := query.get("seat", "")) not in seats:
        raise _InvalidParameterError(seat)
    return seats[seat]


def _fixed(command: str, /, **body: object) -> Callable[[Query], FleetCommand]:
    return lambda _: (command, body)


# Tessie's commands, mapped to commands of the Fleet API.
COMMANDS: dict[str, Callable[[Query], FleetCommand]] = {
    "activate_front_trunk": _fixed("actuate_trunk", which_trunk="front"),
    "activate_rear_trunk": _fixed("actuate_trunk", which_trunk="rear"),
    "cancel_software_update": _fixed("cancel_software_update"),
    "close_charge_port": _fixed("charge_port_door_close"),
    "close_sunroof": _fixed("sun_roof_control", state="close"),
    "close_windows": _fixed("window_control", command="close"),
    "disable_guest": _fixed("guest_mode", enable=False),
    "disable_sentry": _fixed("set_sentry_mode", on=False),
    "disable_valet": lambda query: (
        "set_valet_mode",
        {"on": False, "password": query.get("pin")},
    ),
    "enable_guest": _fixed("guest_mode", enable=True),
    "enable_sentry": _fixed("set_sentry_mode", on=True),
    "enable_valet": lambda query: (
        "set_valet_mode",
        {"on": True, "password": query.get("pin")},
    ),
    "flash": _fixed("flash_lights"),
    "honk": _fixed("honk_horn"),
    "lock": _fixed("door_lock"),
    "open_charge_port": _fixed("charge_port_door_open"),
    "remote_start": _fixed("remote_start_drive"),
    "schedule_software_update": lambda query: (
        "schedule_software_update",
        {"offset_sec": _number(query, "in_seconds")},
    ),
    "set_bioweapon_mode": lambda query: (
        "set_bioweapon_mode",
        {"on": _flag(query, "on"), "manual_override": True},
    ),
    "set_cabin_overheat_protection": lambda query: (
        "set_cabin_overheat_protection",
        {"on": _flag(query, "on"), "fan_only": _flag(query, "fan_only")},
    ),
    "set_charge_limit": lambda query: (
        "set_charge_limit",
        {"percent": _number(query, "percent")},
    ),
    "set_charging_amps": lambda query: (
        "set_charging_amps",
        {"charging_amps": _number(query, "amps")},
    ),
    "set_climate_keeper_mode": lambda query: (
        "set_climate_keeper_mode",
        {"climate_keeper_mode": _number(query, "mode")},
    ),
    "set_cop_temp": lambda query: (
        "set_cop_temp",
        {"cop_temp": _number(query, "cop_temp")},
    ),
    "set_seat_cool": lambda query: (
        "remote_seat_cooler_request",
        {
            "seat_position": _seat(query, _COOLED_SEATS),
            "seat_cooler_level": _number(query, "level"),
        },
    ),
    "set_seat_heat": lambda query: (
        "remote_seat_heater_request",
        {"heater": _seat(query, _SEATS), "level": _number(query, "level")},
    ),
    "set_temperatures": lambda query: (
        "set_temps",
        {
            "driver_temp": _number(query, "temperature"),
            "passenger_temp": _number(query, "temperature"),
        },
    ),
    "start_charging": _fixed("charge_start"),
    "start_climate": _fixed("auto_conditioning_start"),
    "start_max_defrost": _fixed("set_preconditioning_max", on=True),
    "start_steering_wheel_heater": _fixed(
        "remote_steering_wheel_heater_request", on=True
    ),
    "stop_charging": _fixed("charge_stop"),
    "stop_climate": _fixed("auto_conditioning_stop"),
    "stop_max_defrost": _fixed("set_preconditioning_max", on=False),
    "stop_steering_wheel_heater": _fixed(
        "remote_steering_wheel_heater_request", on=False
    ),
    "trigger_homelink": _fixed("trigger_homelink"),
    "unlock": _fixed("door_unlock"),
    "vent_sunroof": _fixed("sun_roof_control", state="vent"),
    "vent_windows": _fixed("window_control", command="vent"),
}


class Tessie(Service):
    """Tessie without faults."""

    def __init__(
        self,
        accounts: Collection[Account],
        tokens: Tokens,
        get_time: Callable[[], float],
    ) -> None:
        super().__init__(accounts, tokens, get_time, ServiceTokens("ts_", get_time))
        self._cached_data: dict[str, Json] = {}  # by VIN

    @override
    def endpoint(self, request: HostRequest) -> str:
        if request.path in {"/vehicles", "/auth/tesla_scopes"}:
            return request.path.rpartition("/")[2]
        if re.fullmatch(r"/\w{17}/.+", request.path):
            return request.path.rpartition("/")[2]
        return find_route(request.method, request.path).endpoint

    @override
    def answer(self, request: HostRequest) -> Answer:
        token = request.token or request.query.get("access_token", "")
        if not token:
            return json_reply({"error": "Access token is required"}, 401)
        if (account := self.tokens.account(token)) is None:
            return json_reply({"error": "Invalid access token"}, 401)
        if (request.method, request.path) == ("GET", "/vehicles"):
            return CacheRefresh(
                account=account,
                cars=tuple(account.cars),
                answer=lambda: self._list(account),
            )
        if (request.method, request.path) == ("GET", "/auth/tesla_scopes"):
            return json_reply({"scopes": list(SCOPES)})
        route = find_route(request.method, request.path)
        car = account.car(route.car) if route.car is not None else None
        if car is not None and route.subsystem == "data":
            cache = self.cache(car)
            car.advance()
            stale = self._get_time() - cache.at >= CACHE_SECONDS
            return CachedRequest(
                account=account,
                car=car,
                request=self.forward(account, request),
                cache=cache,
                due=car.connectivity == "online" and stale,
                refresh_first=True,
            )
        if request.path.startswith("/api/1/"):
            return ForwardedRequest(
                account=account, requests=(self.forward(account, request),)
            )
        if match := re.fullmatch(r"/(\w{17})/(.+)", request.path):
            if (car := account.car(match[1])) is None:
                return json_reply({"error": "Vehicle not found"}, 404)
            return self._answer_vehicle(account, car, match[2], request)
        return json_reply({"error": "Not found"}, 404)

    def refresh_cache(self, car: Car, *, connectivity: bool, data: bool) -> None:
        """Refresh the cached connectivity, data or both of a car."""
        car.advance()
        if car.vin not in self._cached_data or (data and car.connectivity == "online"):
            self._cached_data[car.vin] = self._fresh_data(car)
        if connectivity:
            self._cached_data[car.vin]["state"] = _state(car)

    def _fresh_data(self, car: Car) -> Json:
        return vehicle_data(car, self._get_time()) | {"display_name": car.name}

    def _list(self, account: Account) -> Reply:
        results = [
            {
                "vin": car.vin,
                "is_active": True,
                "is_archived_manually": False,
                "is_archived_automatically": None,
                "last_state": deepcopy(self._cached_data[car.vin]),
            }
            for car in account.cars
        ]
        return json_reply({"results": results})

    def _answer_vehicle(
        self, account: Account, car: Car, endpoint: str, request: HostRequest
    ) -> Answer:
        match request.method, endpoint:
            case "GET", "state" if request.query.get("use_cache") == "false":
                path = f"/api/1/vehicles/{car.vin}/vehicle_data"
                query = {"endpoints": "location_data;vehicle_state;charge_state"}
                query["endpoints"] += ";climate_state;drive_state;vehicle_config"
                data_request = HostRequest(method="GET", path=path, query=query)
                return ForwardedRequest(
                    account=account,
                    requests=(self.forward(account, data_request),),
                    transform=lambda reply: _state_reply(reply, car),
                )
            case "GET", "state":
                return self._cached_reply(
                    account, car, lambda: self._cached_data[car.vin]
                )
            case "GET", "status":
                return self._cached_reply(account, car, lambda: self._status(car))
            case "POST", "wake":
                return ForwardedRequest(
                    account=account,
                    requests=(self._wake(account, car),),
                    wakes=car,
                    transform=lambda reply: _wake_reply(reply, car),
                )
            case "POST", command if command.startswith("command/"):
                return self._command(account, car, command[8:], request.query)
            case _:
                return json_reply({"error": "Not found"}, 404)

    def _cached_reply(
        self, account: Account, car: Car, make_body: Callable[[], object]
    ) -> CacheRefresh:
        return CacheRefresh(
            account=account,
            cars=(car,),
            answer=lambda: json_reply(make_body()),
        )

    def _status(self, car: Car) -> Json:
        statuses = {"online": "awake", "asleep": "asleep"}
        return {
            "status": statuses.get(str(self._cached_data[car.vin]["state"]), "asleep")
        }

    def _wake(self, account: Account, car: Car) -> HostRequest:
        path = f"/api/1/vehicles/{car.vin}/wake_up"
        return self.forward(account, HostRequest(method="POST", path=path))

    def _command(self, account: Account, car: Car, name: str, query: Query) -> Answer:
        if name not in COMMANDS:
            return json_reply({"error": "Not found"}, 404)
        try:
            command, body = COMMANDS[name](query)
        except _InvalidParameterError as err:
            return json_reply({"error": f"Invalid value: {err}"}, 400)
        path = f"/api/1/vehicles/{car.vin}/command/{command}"
        command_request = self.forward(
            account, HostRequest(method="POST", path=path, body=body)
        )
        car.advance()
        is_asleep = car.connectivity == "asleep"
        return ForwardedRequest(
            account=account,
            requests=(self._wake(account, car), command_request)
            if is_asleep
            else (command_request,),
            wakes=car if is_asleep else None,
            transform=lambda reply: _command_reply(reply, woke=is_asleep),
        )


def _state(car: Car) -> str:
    return "offline" if car.waking else car.connectivity


def _state_reply(reply: Reply, car: Car) -> Reply:
    data = json_object(reply).get("response")
    if reply.status != 200 or not isinstance(data, dict):
        return reply
    return json_reply(data | {"display_name": car.name})


def _wake_reply(reply: Reply, car: Car) -> Reply:
    if reply.status != 200:
        return reply
    return json_reply({"result": car.connectivity == "online"})


def _command_reply(reply: Reply, *, woke: bool) -> Reply:
    result = json_object(reply).get("response")
    if reply.status != 200 or not isinstance(result, dict):
        return reply
    if result.get("result") is True:
        return json_reply({"result": True, "woke": woke})
    return json_reply({"result": False, "woke": woke, "reason": result.get("reason")})
