"""Request routing: apply the conditions of the subjects, then answer."""

from collections.abc import AsyncIterator, Mapping
import json

from aiohttp import web

from ..cloud.fleet_api import ApiRequest, FleetApi, Route, find_route
from ..cloud.oauth import PREFIX, TeslaSignIn
from ..cloud.partner_apps import PartnerApps
from ..cloud.services import (
    CachedRequest,
    CacheRefresh,
    EventStream,
    ForwardedRequest,
    Service,
    TeslaProxy,
    Tessie,
)
from ..cloud.services.service import json_object
from ..cloud.services.teslemetry_stream import INTERVAL, KEEP_ALIVE
from ..scenarios.conditions import (
    ANSWER_DAMAGED,
    AUTH,
    DNS,
    DOMAIN,
    MODELS,
    PROXY,
    TESLA_PROXY,
    ConditionKind,
)
from ..vehicle.car import Car
from ..vehicle.payloads import vehicle_summary
from .fault_injection import Fault, FaultInjector
from .request import HostRequest, read_request
from .server import Reply, failure, json_reply
from .usage import Usage

EVENT_STREAM = "text/event-stream"
_CONTROL_REPLIES = {
    "/generate_204": Reply(status=204),
    "/success.txt": Reply(body="success\n"),
    "/hotspot-detect.html": Reply(
        body="<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>",
        content_type="text/html",
    ),
}


class HostRouter:
    """Answers for the regions, sign-in, control hosts, proxies and third parties."""

    def __init__(
        self,
        *,
        faults: FaultInjector,
        api: FleetApi,
        apps: PartnerApps,
        sign_in: TeslaSignIn,
        services: Mapping[str, Service],
        tesla_proxy: TeslaProxy,
        usage: Usage,
        cars: Mapping[str, Car],
        default_region: str,
    ) -> None:
        self._faults = faults
        self._api = api
        self._apps = apps
        self._sign_in = sign_in
        self._services = services
        self._tesla_proxy = tesla_proxy
        self._usage = usage
        self._cars = cars
        self._default_region = default_region

    async def region(self, region: str, request: web.BaseRequest) -> Reply:
        """Answer as the Fleet API of a region."""
        parsed = await read_request(request)
        return await self._request_region(region, parsed, (DNS,), remote=False)

    async def proxy(self, request: web.BaseRequest) -> Reply:
        """Answer as a third party that forwards calls to its region."""
        route = find_route(request.method, request.path)
        endpoint = f"proxy.{route.endpoint}"
        fault = await self._find_fault(endpoint, (PROXY,))
        reply = Reply(body="ok")
        passes = fault.condition.kind in {ConditionKind.OK, *ANSWER_DAMAGED}
        if passes and route.subsystem != "status":
            reply = await self._forward_to_region(await read_request(request), fault)
        return self._record(endpoint, self._faults.apply_fault(fault, lambda: reply))

    async def tesla_proxy(self, request: web.BaseRequest) -> Reply:
        """Answer as `tesla-http-proxy`, which forwards the client's token."""
        parsed = await read_request(request)
        endpoint = f"tesla_proxy.{find_route(parsed.method, parsed.path).endpoint}"
        fault = await self._find_fault(endpoint, (TESLA_PROXY,))
        region = self._api.region_of(parsed.token) or self._default_region

        async def send(request_to_tesla: HostRequest) -> Reply:
            return await self._request_region(
                region,
                request_to_tesla,
                (),
                remote=True,
                signed_by_proxy=False,
                hidden=fault.hidden_models,
            )

        reply = Reply()
        if fault.condition.kind in {ConditionKind.OK, *ANSWER_DAMAGED}:
            reply = await self._tesla_proxy.answer(parsed, send)
        return self._record(endpoint, self._faults.apply_fault(fault, lambda: reply))

    async def auth(self, request: web.BaseRequest) -> Reply:
        """Answer as the sign-in host."""
        token = request.path == f"{PREFIX}/token"
        endpoint = f"auth.{request.path.rpartition('/')[2]}"
        fault = await self._find_fault(endpoint, (DNS, AUTH[0] if token else AUTH[1]))
        parsed = await read_request(request)
        reply = self._faults.apply_fault(
            fault,
            lambda: self._sign_in.answer(
                parsed.method, parsed.path, parsed.query, parsed.form
            ),
        )
        return self._record(endpoint, reply)

    async def unrelated(self, name: str, request: web.BaseRequest) -> Reply:
        """Answer as a control host unrelated to Tesla."""
        endpoint = f"{name}.{request.path.strip('/')}"
        if "Authorization" in request.headers:
            self._usage.leaked_tokens[name] += 1
        fault = await self._find_fault(endpoint, (name,))
        reply = _CONTROL_REPLIES.get(request.path, Reply(status=404, body="not found"))
        return self._record(endpoint, self._faults.apply_fault(fault, lambda: reply))

    async def domain(self, request: web.BaseRequest) -> Reply:
        """Answer as the host of an app's public key."""
        endpoint = "domain.key"
        fault = await self._find_fault(endpoint, (DOMAIN,))
        reply = self._apps.answer_domain(request.path, request.host)
        return self._record(endpoint, self._faults.apply_fault(fault, lambda: reply))

    async def _domain_fault(self) -> Reply | None:
        """Return the faulty reply Tesla gets from an app's domain, None if it works."""
        fault = await self._faults.find_fault((DOMAIN,), remote=True)
        if fault.condition.kind is ConditionKind.OK:
            return None
        return self._faults.apply_fault(fault, lambda: Reply(cut="middle"))

    async def service(self, name: str, request: web.BaseRequest) -> Reply:
        """Answer as a third party with its own tokens and endpoints."""
        service, parsed = self._services[name], await read_request(request)
        endpoint = f"{name}.{service.endpoint(parsed)}"
        fault = await self._find_fault(endpoint, (f"{name}.api",))
        reply = Reply()
        if fault.condition.kind in {ConditionKind.OK, *ANSWER_DAMAGED}:
            match answer := service.answer(parsed):
                case ForwardedRequest():
                    reply = await self._forward(answer, fault)
                case CachedRequest():
                    reply = await self._serve_cached(service, answer, fault)
                case CacheRefresh():
                    if isinstance(service, Tessie):
                        await self._refresh_cache(service, answer, stale=fault.stale)
                    reply = answer.answer()
                case EventStream():
                    events = self._events(service, answer, f"{name}.api")
                    reply = Reply(content_type=EVENT_STREAM, events=events)
                case _:
                    reply = answer
        return self._record(endpoint, self._faults.apply_fault(fault, lambda: reply))

    async def _events(
        self, service: Service, stream: EventStream, subject: str
    ) -> AsyncIterator[str]:
        """Yield the events of a stream until the third party fails."""
        while True:
            match self._faults.condition((subject,)).kind:
                case ConditionKind.TIMEOUT:
                    pass  # silence
                case ConditionKind.STALE:
                    yield KEEP_ALIVE
                case ConditionKind.OK | ConditionKind.SLOW:
                    for car in stream.cars:
                        await self._update_stream(service, stream, car)
                    yield stream.read() or KEEP_ALIVE
                case _:
                    return
            await self._faults.pause(INTERVAL)

    async def _update_stream(
        self, service: Service, stream: EventStream, car: Car
    ) -> None:
        region = stream.account.region
        route = Route(endpoint="vehicle", car=car.vin)
        condition = self._faults.condition(_subjects(region, route, car), remote=True)
        readable = condition.kind is ConditionKind.OK
        if readable and (polled := stream.polled(car)):
            await self._serve_cached(service, polled, Fault())
        stream.update(car, readable)

    async def _forward(self, forwarded: ForwardedRequest, fault: Fault) -> Reply:
        reply = Reply()
        for request in forwarded.requests:
            reply = await self._request_region(
                forwarded.account.region,
                request,
                (),
                remote=True,
                hidden=fault.hidden_models,
            )
            if reply.cut:
                return failure(502, "bad gateway: no answer from Tesla")
            if reply.status != 200:
                return reply
            if forwarded.wakes is not None:
                forwarded.wakes.finish_waking()
        return forwarded.transform(reply)

    async def _serve_cached(
        self, service: Service, cached: CachedRequest, fault: Fault
    ) -> Reply:
        """Answer from a third party's cache; a forced refresh costs credits."""
        cache, cached_reply, region = (
            cached.cache,
            cached.cache.reply,
            cached.account.region,
        )
        stale = fault.stale and cached_reply is not None
        if cached.forced or cached_reply is None or (cached.due and not stale):
            reply = await self._request_region(
                region,
                cached.request,
                (),
                remote=True,
                hidden=fault.hidden_models,
                billed=cached.forced,
            )
            if reply.cut:
                reply = failure(502, "bad gateway: no answer from Tesla")
            if reply.status == 200 and not reply.cut:
                cached.cache.reply, cache.at = reply, service.timestamp
                if cached.forced:
                    cached.on_refreshed()
            if cached.forced or cached_reply is None:
                return reply
            cached_reply = cache.reply if cached.refresh_first else cached_reply
        return await self._with_connectivity(
            cached_reply or Reply(), region, cached.car
        )

    async def _with_connectivity(self, reply: Reply, region: str, car: Car) -> Reply:
        """Return cached data with the current connectivity, if it can be read."""
        route = Route(endpoint="vehicle", car=car.vin)
        fault = await self._faults.find_fault(
            _subjects(region, route, car), remote=True
        )
        data = json_object(reply).get("response")
        if fault.condition.kind is not ConditionKind.OK or not isinstance(data, dict):
            return reply
        car.advance()
        return json_reply({"response": data | {"state": vehicle_summary(car)["state"]}})

    async def _refresh_cache(
        self, service: Tessie, refresh: CacheRefresh, *, stale: bool
    ) -> None:
        region = refresh.account.region
        for car in refresh.cars:
            readable: dict[str, bool] = {}
            for subsystem in ("api", "data"):
                route = Route(endpoint="vehicle", subsystem=subsystem, car=car.vin)
                fault = await self._faults.find_fault(
                    _subjects(region, route, car), remote=True
                )
                is_readable = (
                    fault.condition.kind is ConditionKind.OK and not fault.stale
                )
                readable[subsystem] = is_readable and not stale
            service.refresh_cache(
                car, connectivity=readable["api"], data=readable["data"]
            )

    async def _forward_to_region(self, request: HostRequest, fault: Fault) -> Reply:
        region = self._api.region_of(request.token) or self._default_region
        reply = await self._request_region(
            region, request, (), remote=True, hidden=fault.hidden_models
        )
        is_vehicle_error = reply.status >= 500 and "vehicle" in reply.body
        if reply.cut or not (
            is_vehicle_error or (reply.status < 500 and _is_json(reply))
        ):
            return failure(502, "bad gateway: no usable answer from Tesla")
        return reply

    async def _request_region(
        self,
        region: str,
        request: HostRequest,
        local_subjects: tuple[str, ...],
        *,
        remote: bool,
        signed_by_proxy: bool | None = None,
        hidden: frozenset[str] = frozenset(),
        billed: bool = True,
    ) -> Reply:
        route = find_route(request.method, request.path)
        endpoint = f"{region}.{route.endpoint}"
        car = self._find_car(route)
        fault = await self._find_fault(
            endpoint,
            local_subjects + _subjects(region, route, car),
            list_subjects=tuple(f"{region}.api@{model}" for model in MODELS),
            remote=remote,
        )
        api_request = ApiRequest(
            region=region,
            route=route,
            token=request.token,
            query=request.query,
            body=request.body or {},
            hidden_models=fault.hidden_models | hidden,
            stale=fault.stale,
            signed_by_proxy=remote if signed_by_proxy is None else signed_by_proxy,
            domain_reply=await self._domain_fault()
            if route.endpoint == "register"
            else None,
        )

        def make_reply() -> Reply:
            if request.body is None:
                return failure(400, "invalid_request")
            return self._api.answer(api_request)

        if fault.delay:
            reply = await self._faults.delay_reply(fault.delay, make_reply)
        else:
            reply = self._faults.apply_fault(fault, make_reply)
        # A request answered by a captive portal never reached Tesla.
        billable = (
            billed
            and route.billable
            and fault.condition.kind is not ConditionKind.PORTAL
        )
        return self._record(endpoint, reply, billable=billable)

    async def _find_fault(
        self,
        endpoint: str,
        subjects: tuple[str, ...],
        *,
        list_subjects: tuple[str, ...] = (),
        remote: bool = False,
    ) -> Fault:
        self._usage.record_request(endpoint)
        return await self._faults.find_fault(
            subjects, list_subjects=list_subjects, remote=remote
        )

    def _record(self, endpoint: str, reply: Reply, *, billable: bool = False) -> Reply:
        status = None if reply.cut == "before" else reply.status
        self._usage.record_reply(endpoint, status, billable=billable)
        return reply

    def _find_car(self, route: Route) -> Car | None:
        names = {route.car}
        return next(
            (car for car in self._cars.values() if names & {car.vin, str(car.id)}),
            None,
        )


def _subjects(region: str, route: Route, car: Car | None) -> tuple[str, ...]:
    if route.subsystem == "status":
        return (f"{region}.status",)
    if car is None:
        return (f"{region}.api",)
    return (
        *(
            f"{region}.{subsystem}{model}"
            for subsystem in dict.fromkeys(("api", route.subsystem))
            for model in ("", f"@{car.model}")
        ),
        f"car.{car.name}",
    )


def _is_json(reply: Reply) -> bool:
    try:
        json.loads(reply.body)
    except ValueError:
        return False
    return True
