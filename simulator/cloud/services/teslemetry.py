"""Teslemetry: the Fleet API by subscription, with its own sign-in.

It serves `vehicle_data` from a cache, also for a car that is asleep. It refreshes the
cache about every 15 minutes for a car that does not stream, about every 90 seconds for
one with discounted data (a Model S or X before 2021, which cannot stream), and not at
all for a car that streams. `api/refresh/VIN` refreshes it at once for 2 credits,
0.1 for a discounted car; a command costs 1, a wake 20 (Teslemetry's articles on caching
and on credits, and Home Assistant's documentation of `teslemetry` of September 2026).
What streams is in `teslemetry_stream`.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from math import inf
import secrets
from typing import override

from ...http.request import HostRequest
from ...http.server import Reply, json_reply
from ...vehicle.car import Car
from ..accounts import SCOPES, Account, Tokens
from ..fleet_api import Route, find_route
from ..oauth import SignIn
from ..partner_apps import PartnerApps
from .service import (
    Answer,
    CachedRequest,
    EventStream,
    ForwardedRequest,
    Service,
    ServiceTokens,
)
from .teslemetry_stream import TOPICS, EventFeed, Telemetry

CONNECT = "/connect"
REFRESH = "/api/refresh/"
CONFIG = "/api/config/"
STREAM = "/sse"
LIFETIME = 8 * 3600.0
KNOWN_CLIENT = "homeassistant"
POLLING_SECONDS = 900.0
DISCOUNTED_POLLING_SECONDS = 90.0
_ENDPOINTS = {
    ("GET", "/api/ping"): "ping",
    ("GET", "/api/test"): "test",
    ("GET", "/api/metadata"): "metadata",
    ("GET", CONNECT): "connect",
    ("POST", "/oauth/token"): "token",
    ("POST", "/oauth/register"): "register_client",
}


class Teslemetry(Service):
    """Teslemetry without faults.

    `without_access` names the cars without a subscription, `non_streaming` those that
    could stream and do not. `credits` is the remaining balance, None for unlimited.
    """

    def __init__(
        self,
        accounts: Collection[Account],
        tokens: Tokens,
        get_time: Callable[[], float],
    ) -> None:
        service_tokens = ServiceTokens("tm_", get_time)
        super().__init__(accounts, tokens, get_time, service_tokens)
        self.clients = {KNOWN_CLIENT}
        self.without_access: set[str] = set()
        self.non_streaming: set[str] = set()
        self.credits: float | None = None
        self._telemetry: dict[str, Telemetry] = {}  # by VIN
        self._sign_in = SignIn(
            accounts,
            service_tokens,
            get_time,
            PartnerApps(),
            page=CONNECT,
            lifetime=LIFETIME,
        )

    def refresh_token(self, account: Account) -> str:
        """Return a refresh token, as issued by a sign-in."""
        return self._sign_in.refresh_token(account, client=KNOWN_CLIENT)

    @override
    def endpoint(self, request: HostRequest) -> str:
        name = _ENDPOINTS.get((request.method, request.path))
        if request.method == "GET" and request.path.startswith(REFRESH):
            name = "refresh"
        if request.path.startswith(CONFIG):
            name = "config"
        if request.path == STREAM or request.path.startswith(f"{STREAM}/"):
            name = "sse"
        return name or find_route(request.method, request.path).endpoint

    @override
    def answer(self, request: HostRequest) -> Answer:
        endpoint = self.endpoint(request)
        if endpoint == "ping":
            return json_reply({"response": True})
        if endpoint == "connect":
            return self._connect(request)
        if endpoint == "token":
            return self._token(request)
        if endpoint == "register_client":
            return self._register(request)
        if not request.token:
            return json_reply({"error": "missing_token"}, 401)
        if (account := self.tokens.account(request.token)) is None:
            return json_reply({"error": "invalid_token"}, 401)
        if endpoint == "test":
            return json_reply({"response": True})
        if endpoint == "metadata":
            return json_reply(self._metadata(account))
        if endpoint == "config":
            return self._config(account, request)
        if endpoint == "sse":
            return self._stream(account, request)
        return self._answer_fleet_api(account, request)

    def _answer_fleet_api(self, account: Account, request: HostRequest) -> Answer:
        refresh = request.path.startswith(REFRESH)
        if refresh:
            vin = request.path.removeprefix(REFRESH)
            path = f"/api/1/vehicles/{vin}/vehicle_data"
            request = replace(request, path=path, query=_ALL_SECTIONS)
        route = find_route(request.method, request.path)
        if route.endpoint == "unknown":
            return json_reply({"error": "not_found"}, 404)
        car = account.car(route.car) if route.car is not None else None
        if car is not None and car.name in self.without_access:
            return json_reply({"error": "vehicle_subscription_required"}, 402)
        cost = self._cost(route, car, refresh=refresh)
        if self.credits is not None and self.credits < cost:
            return json_reply({"error": "insufficient_credits"}, 402)

        def pay() -> None:
            if self.credits is not None:
                self.credits -= cost

        if car is not None and route.subsystem == "data":
            cache = self.cache(car)
            return CachedRequest(
                account=account,
                car=car,
                request=self.forward(account, request),
                cache=cache,
                forced=refresh,
                due=self._get_time() - cache.at >= self._refresh_interval(car),
                on_refreshed=pay,
            )
        pay()
        return ForwardedRequest(
            account=account, requests=(self.forward(account, request),)
        )

    def _cost(self, route: Route, car: Car | None, *, refresh: bool) -> float:
        if refresh and car is not None:
            return 0.1 if is_discounted(car) else 2.0
        if route.endpoint == "wake_up":
            return 20.0
        return 1.0 if route.subsystem == "commands" else 0.0

    def _refresh_interval(self, car: Car) -> float:
        if is_discounted(car):
            return DISCOUNTED_POLLING_SECONDS
        return POLLING_SECONDS if car.name in self.non_streaming else inf

    def telemetry(self, car: Car) -> Telemetry:
        """Return what is stored of a car for the stream."""
        return self._telemetry.setdefault(car.vin, Telemetry())

    def report_error(self, car: Car, name: str) -> None:
        """Receive an error that a car reports of itself."""
        error: dict[str, object] = {"name": name, "tags": {}}
        self.telemetry(car).errors.append(error)

    def _config(self, account: Account, request: HostRequest) -> Reply:
        car = account.car(request.path.removeprefix(CONFIG))
        if car is None or car.name in self.without_access:
            return json_reply({"error": "vehicle_subscription_required"}, 402)
        telemetry = self.telemetry(car)
        if request.method == "GET":
            if telemetry.config is None:
                return json_reply({"response": None, "error": "not_found"}, 404)
            return json_reply({"fields": telemetry.config})
        fields = (request.body or {}).get("fields")
        if request.method != "PATCH" or not isinstance(fields, dict):
            error = {"response": None, "error": "fst_err_validation"}
            return json_reply(error, 400)
        configured = {name: options or {} for name, options in fields.items()}
        telemetry.config = (telemetry.config or {}) | configured
        return json_reply({"updated_vehicles": 1})

    def _stream(self, account: Account, request: HostRequest) -> Answer:
        wanted = request.query.get("topics")
        topics = TOPICS if wanted is None else frozenset(wanted.split(","))
        vin = request.path.removeprefix(STREAM).removeprefix("/")
        if not topics <= TOPICS:
            return json_reply({"error": "fst_err_validation"}, 400)
        cars = tuple(
            car
            for car in account.cars
            if car.name not in self.without_access and vin in {"", car.vin}
        )
        telemetry = {car.vin: self.telemetry(car) for car in cars}
        feed = EventFeed(telemetry, topics, self._get_time)
        is_first = True

        def update(car: Car, readable: bool) -> None:
            streams = self._refresh_interval(car) == inf
            telemetry[car.vin].update(car, readable=readable, streaming=streams)
            if not streams and (reply := self.cache(car).reply) is not None:
                telemetry[car.vin].store_data(reply)

        def read() -> str:
            nonlocal is_first
            events = "".join(feed.read(cached=is_first))
            is_first = False
            return events

        return EventStream(
            account=account,
            cars=cars,
            update=update,
            read=read,
            polled=lambda car: self._polled(account, car),
        )

    def _polled(self, account: Account, car: Car) -> CachedRequest | None:
        """Return the request that refreshes a car if it is polled and that is due."""
        cache, interval = self.cache(car), self._refresh_interval(car)
        if interval == inf or self._get_time() - cache.at < interval:
            return None
        path = f"/api/1/vehicles/{car.vin}/vehicle_data"
        request = HostRequest(method="GET", path=path, query=_ALL_SECTIONS)
        return CachedRequest(
            account=account,
            car=car,
            request=self.forward(account, request),
            cache=cache,
            due=True,
        )

    def _connect(self, request: HostRequest) -> Reply:
        if request.query.get("client_id") not in self.clients:
            return _refusal(400, "invalid_client")
        if request.query.get("code_challenge_method") != "S256":
            return _refusal(400, "invalid_request")
        return self._sign_in.authorize(request.query)

    def _token(self, request: HostRequest) -> Reply:
        form = request.form
        if form.get("client_id") not in self.clients:
            return _refusal(400, "invalid_client")
        match form.get("grant_type"):
            case "authorization_code" if not form.get("code_verifier"):
                return _refusal(400, "invalid_grant")
            case "migrate":
                account = self.tokens.account(form.get("access_token", ""))
                if account is None:
                    return json_reply({"error": "invalid_token"}, 401)
                return self._sign_in.issue_tokens(account, SCOPES, form["client_id"])
            case "authorization_code" | "refresh_token":
                return self._sign_in.token(form)
            case _:
                return _refusal(400, "unsupported_grant_type")

    def _register(self, request: HostRequest) -> Reply:
        form = request.form
        if not form.get("client_name"):
            return _refusal(400, "invalid_client_metadata")
        client = f"dyn_{secrets.token_hex(8)}"
        self.clients.add(client)
        return json_reply({**form, "client_id": client}, 201)

    def _metadata(self, account: Account) -> dict[str, object]:
        return {
            "uid": account.subject,
            "region": account.region.upper(),
            "scopes": list(SCOPES),
            "vehicles": {
                car.vin: {
                    "name": car.name,
                    "access": car.name not in self.without_access,
                    "proxy": car.signing != "off",
                    "polling": self._refresh_interval(car) < inf,
                    "firmware": car.software_version,
                    "discounted": is_discounted(car),
                    "fleet_telemetry": "1.1.0",
                }
                for car in account.cars
            },
            "energy_sites": {},
        }


def is_discounted(car: Car) -> bool:
    """Return whether Tesla bills a car at a discount because it cannot stream."""
    return car.model in {"models", "modelx"} and car.year < 2021


_ALL_SECTIONS = {
    "endpoints": "charge_state;climate_state;drive_state;location_data;vehicle_config;"
    "vehicle_state"
}


def _refusal(status: int, error: str) -> Reply:
    return json_reply({"error": error, "error_description": error}, status)
