"""The Fleet API of all regions, without faults."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import re

from ..http.server import Reply, failure, json_reply
from ..protocol import VehicleComputers
from ..vehicle.car import Car
from ..vehicle.commands import (
    CHARGING_COMMANDS,
    COMMANDS,
    REQUIRED_PARAMETERS,
    SIGNED_COMMANDS,
    is_user_near,
    requires_proximity,
)
from ..vehicle.payloads import (
    SECTIONS,
    Json,
    filter_sections,
    product,
    vehicle_data,
    vehicle_summary,
)
from .accounts import Account, TokenGrant, Tokens
from .partner_apps import PartnerApps, not_registered
from .signed_command import answer_signed

ASLEEP = "vehicle unavailable: vehicle is offline or asleep"
MISSING_SCOPES = "Unauthorized missing scopes"
SIGNED_ONLY = (
    "Tesla Vehicle Command Protocol required, please refer to the documentation here:"
    " https://developer.tesla.com/docs/fleet-api"
    "#2023-10-09-rest-api-vehicle-commands-endpoint-deprecation-warning"
)


@dataclass(frozen=True, kw_only=True)
class Route:
    """The endpoint of a path."""

    endpoint: str
    subsystem: str = "api"  # status, api, data or commands
    car: str | None = None  # VIN or id
    scope: str | None = None

    @property
    def billable(self) -> bool:
        """Return whether Tesla bills the endpoint."""
        return self.subsystem in {"data", "commands"}


@dataclass(frozen=True, kw_only=True)
class ApiRequest:
    """A request that reached the API."""

    region: str
    route: Route
    token: str
    query: Mapping[str, str]
    body: Mapping[str, object]
    hidden_models: frozenset[str] = frozenset()  # models missing from product lists
    stale: bool = False
    signed_by_proxy: bool = False  # a proxy signs the commands
    domain_reply: Reply | None = None  # faulty reply of an app's domain


_ACCOUNT_SCOPES = {
    ("GET", "users/region"): None,
    ("GET", "users/me"): "user_data",
    ("GET", "users/orders"): "user_data",
    ("GET", "users/feature_config"): None,
    ("GET", "products"): "vehicle_device_data",
    ("GET", "vehicles"): "vehicle_device_data",
    ("POST", "vehicles/fleet_status"): "vehicle_device_data",
}
_PARTNER_ENDPOINTS = {
    ("POST", "partner_accounts"): "register",
    ("GET", "partner_accounts/public_key"): "public_key",
}
_VEHICLE_ENDPOINTS = {
    ("GET", ""): ("vehicle", "api", "vehicle_device_data"),
    ("GET", "/vehicle_data"): ("vehicle_data", "data", "vehicle_device_data"),
    ("GET", "/mobile_enabled"): ("mobile_enabled", "api", "vehicle_device_data"),
    ("POST", "/wake_up"): ("wake_up", "commands", "vehicle_device_data"),
    # The required scope depends on the signed command.
    ("POST", "/signed_command"): ("signed_command", "commands", None),
}


def find_route(method: str, path: str) -> Route:
    """Return the route of a request."""
    if path == "/status":
        return Route(endpoint="status", subsystem="status")
    rest = path.removeprefix("/api/1/")
    if (method, rest) in _PARTNER_ENDPOINTS:
        return Route(endpoint=_PARTNER_ENDPOINTS[method, rest])
    if (method, rest) in _ACCOUNT_SCOPES:
        scope = _ACCOUNT_SCOPES[method, rest]
        return Route(endpoint=rest.rpartition("/")[2], scope=scope)
    if match := re.fullmatch(r"vehicles/([^/]+)(/.+)?", rest):
        car, tail = match[1], match[2] or ""
        if (method, tail) in _VEHICLE_ENDPOINTS:
            endpoint, subsystem, scope = _VEHICLE_ENDPOINTS[method, tail]
            return Route(endpoint=endpoint, subsystem=subsystem, car=car, scope=scope)
        command = tail.removeprefix("/command/")
        if method == "POST" and command in COMMANDS:
            charging = command in CHARGING_COMMANDS
            scope = "vehicle_charging_cmds" if charging else "vehicle_cmds"
            return Route(endpoint=command, subsystem="commands", car=car, scope=scope)
    return Route(endpoint="unknown")


class FleetApi:
    """Answers API requests for all accounts; each account belongs to one region."""

    def __init__(
        self,
        accounts: list[Account],
        tokens: Tokens,
        base_url: Callable[[str], str],
        get_time: Callable[[], float],
        *,
        apps: PartnerApps,
        computers: Mapping[str, VehicleComputers],
    ) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._apps = apps
        self._computers = computers
        self._base_url = base_url
        self._get_time = get_time
        self._served: dict[str, Json] = {}
        self._frozen: dict[str, Json] | None = None

    def freeze_data(self) -> None:
        """Keep the last served data of each car for stale replies."""
        if self._frozen is not None:
            return
        self._frozen = {
            car.vin: self._served.get(car.vin) or self._snapshot(car)
            for account in self._accounts
            for car in account.cars
        }

    def unfreeze_data(self) -> None:
        """Drop the data kept for stale replies."""
        self._frozen = None

    def answer(self, request: ApiRequest) -> Reply:
        """Answer a request."""
        if request.route.subsystem == "status":
            return Reply(body="ok")
        if request.route.endpoint in _PARTNER_ENDPOINTS.values():
            return self._answer_partner(request)
        grant = self._tokens.check(request.token, self._accounts)
        if isinstance(grant, str):
            if self._tokens.partner(request.token) is not None:
                return failure(403, MISSING_SCOPES)
            return failure(401, grant)
        if not self._is_registered(grant.client, request.region):
            return not_registered(grant.client, self._base_url(request.region))
        if request.route.endpoint == "unknown":
            return json_reply({"error": "not_found"}, 404)
        if request.route.scope is not None and request.route.scope not in grant.scopes:
            return failure(403, MISSING_SCOPES)
        account = grant.account
        if request.route.endpoint == "region":
            return json_reply({"response": self._region(account)})
        if account.region != request.region:
            url = self._base_url(account.region)
            message = f"user out of region, use base URL: {url}, see {url}"
            return failure(421, message)
        if request.route.car is None:
            return self._answer_account(account, grant, request)
        if (car := account.car(request.route.car)) is None:
            return failure(404, "not_found")
        car.advance()
        return self._answer_car(car, account, grant, request)

    def region_of(self, token: str) -> str | None:
        """Return the region of the account of a token."""
        grant = self._tokens.check(token, self._accounts)
        return None if isinstance(grant, str) else grant.account.region

    def _is_registered(self, client: str, region: str) -> bool:
        apps = self._apps
        return not apps.must_register or apps.registration(client, region) is not None

    def _answer_partner(self, request: ApiRequest) -> Reply:
        partner = self._tokens.partner(request.token)
        if partner is None:
            grant = self._tokens.check(request.token, self._accounts)
            if isinstance(grant, str):
                return failure(401, grant)
            return failure(403, "Expected partner account")
        if request.route.endpoint == "register":
            domain = request.body.get("domain")
            return self._apps.answer_register(
                partner.client, request.region, domain, request.domain_reply
            )
        return self._apps.answer_public_key(
            request.region, request.query.get("domain", "")
        )

    def _region(self, account: Account) -> Json:
        return {
            "region": account.region,
            "fleet_api_base_url": self._base_url(account.region),
        }

    def _answer_account(
        self, account: Account, grant: TokenGrant, request: ApiRequest
    ) -> Reply:
        timestamp = self._get_time()
        cars = [car for car in account.cars if car.model not in request.hidden_models]
        for car in cars:
            car.advance()
        match request.route.endpoint:
            case "products":
                off = not account.mobile_access
                access: Json = {"mobile_access_disabled": True} if off else {}
                items = [product(car, timestamp) | access for car in cars]
                items += account.other_products
                return json_reply({"response": items, "count": len(items)})
            case "vehicles":
                items = [vehicle_summary(car) for car in cars]
                return json_reply(
                    {
                        "response": items,
                        "pagination": {
                            "previous": None,
                            "next": None,
                            "current": 1,
                            "per_page": 100,
                            "count": len(items),
                            "pages": 1,
                        },
                        "count": len(items),
                    }
                )
            case "fleet_status":
                vins = request.body.get("vins")
                if isinstance(vins, list):
                    cars = [car for car in cars if car.vin in vins]
                return json_reply({"response": self._fleet_status(cars, grant)})
            case "feature_config":
                config = {"signaling": {"enabled": True, "subscribe_connectivity": 0}}
                return json_reply({"response": config})
            case "orders":
                return json_reply({"response": [], "count": 0})
            case _:
                me = {
                    "email": "owner@example.invalid",
                    "full_name": account.home.name,
                    "profile_image_url": "https://example.invalid/none.png",
                    "vault_uuid": account.subject,
                }
                return json_reply({"response": me})

    def _answer_car(
        self, car: Car, account: Account, grant: TokenGrant, request: ApiRequest
    ) -> Reply:
        endpoint = request.route.endpoint
        if endpoint == "vehicle":
            return json_reply({"response": vehicle_summary(car)})
        if endpoint == "mobile_enabled":
            body: Json = {"result": account.mobile_access, "reason": ""}
            return json_reply({"response": body})
        if endpoint == "wake_up":
            car.wake()
            state: Json = {"state": "waking"} if car.waking else {}
            return json_reply({"response": vehicle_summary(car) | state})
        if not account.mobile_access:
            return failure(401, "mobile_access_disabled")
        if request.route.subsystem == "commands" and (
            error := _signing_error(car, request)
        ):
            return error
        if car.connectivity != "online":
            return failure(408, ASLEEP)
        if car.in_service and request.route.subsystem == "commands":
            return failure(405, "vehicle is currently in service")
        if request.route.subsystem == "data":
            car.record_data_read()
            return self._data(car, grant, request)
        if endpoint == "signed_command":
            return answer_signed(self._computers_of(car), grant.scopes, request.body)
        parameter = REQUIRED_PARAMETERS.get(endpoint)
        if parameter is not None and parameter not in request.body:
            return failure(400, f"invalid_request: missing {parameter}")
        unsigned = car.signing == "off"
        if (
            unsigned
            and requires_proximity(endpoint, request.body)
            and not is_user_near(car, request.body)
        ):
            body = {"result": False, "reason": "too_far_from_vehicle"}
            return json_reply({"response": body})
        result, reason = car.execute(endpoint, request.body)
        return json_reply({"response": {"result": result, "reason": reason}})

    def _data(self, car: Car, grant: TokenGrant, request: ApiRequest) -> Reply:
        sections = [one for one in request.query.get("endpoints", "").split(";") if one]
        if invalid := [one for one in sections if one not in SECTIONS]:
            return failure(400, f"invalid endpoints: {', '.join(invalid)}")
        if "location_data" in sections and "vehicle_location" not in grant.scopes:
            return failure(403, MISSING_SCOPES)
        if request.stale and self._frozen is not None:
            data = self._frozen.setdefault(car.vin, self._snapshot(car))
        else:
            data = self._served[car.vin] = self._snapshot(car)
        return json_reply({"response": filter_sections(data, sections)})

    def _snapshot(self, car: Car) -> Json:
        car.advance()
        return vehicle_data(car, self._get_time())

    def _computers_of(self, car: Car) -> VehicleComputers:
        # A user can rename a car; the VIN stays.
        return next(one for one in self._computers.values() if one.vin == car.vin)

    def _fleet_status(self, cars: list[Car], grant: TokenGrant) -> Json:
        keys = {car.vin: self._computers_of(car).whitelist for car in cars}
        paired = [
            vin
            for vin, whitelist in keys.items()
            if self._apps.is_paired(whitelist, grant.client, grant.account.region)
        ]
        return {
            "key_paired_vins": paired,
            "unpaired_vins": [car.vin for car in cars if car.vin not in paired],
            "vehicle_info": {
                car.vin: {
                    "firmware_version": car.software_version,
                    "vehicle_command_protocol_required": car.signing == "required",
                    "discounted_device_data": False,
                    "fleet_telemetry_version": "1.0.0",
                    "total_number_of_keys": len(keys[car.vin].entries),
                }
                for car in cars
            },
        }


def _signing_error(car: Car, request: ApiRequest) -> Reply | None:
    endpoint = request.route.endpoint
    if endpoint == "signed_command":
        if car.signing == "off":
            return failure(422, "vehicle does not support signed commands")
        return None
    if request.signed_by_proxy or endpoint == "wake_up":
        return None
    if car.signing == "required" or endpoint in SIGNED_COMMANDS:
        return failure(403, SIGNED_ONLY)
    return None
