"""Tests of the provider of a config entry."""

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp import ClientMiddlewareType, web
from aiohttp.test_utils import TestServer
import jwt
import pytest

from homeassistant.components.application_credentials import ClientCredential
from homeassistant.core import HomeAssistant

from custom_components.keycard.auth.oauth import TeslaOAuthImplementation
from custom_components.keycard.outage.endpoints import default_hosts
from custom_components.keycard.providers import (
    Provider,
    create_provider,
    endpoints_from_config,
)
from custom_components.keycard.providers.provider import server_certificate
from custom_components.keycard.providers.scopes import parse_claims
from custom_components.keycard.transport.http import RecordingMiddleware
from custom_components.keycard.transport.pinning import ServerCertificate
from custom_components.keycard.vehicle.keys import PhysicalKey
from custom_components.keycard.vehicle.state import ConnectivityState
from custom_components.keycard.vehicle.vehicle import Vehicle

NOW = datetime(2026, 11, 23, tzinfo=UTC)
VIN = "LRW3F7EK4NC700000"
WATCH_ONLY = {"provider": "watch_only", "region": "na"}
COMPATIBLE = {
    "provider": "compatible",
    "region": "eu",
    "base_url": "http://127.0.0.1:4430",
    "token": "a-token",
}


def no_session(_: Sequence[ClientMiddlewareType]) -> aiohttp.ClientSession:
    raise AssertionError("Nobody is called")


@pytest.fixture
async def session() -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def compatible(
    session: aiohttp.ClientSession, base_url: str, options: dict[str, Any] | None = None
) -> Provider:
    data = COMPATIBLE | {"base_url": base_url}
    return create_provider(data, options or {}, lambda _: session)


def test_watch_only() -> None:
    cars = {
        "ada": {"name": "Ada", "model": "models", "year": 2016, "key": "keycard"},
        "cy": {"name": "Cy", "model": "modelx", "year": None},
    }
    provider = create_provider(WATCH_ONLY, {"cars": cars}, no_session)
    assert (provider.region, provider.client) == ("na", None)
    assert not provider.has_account
    assert not provider.third_party(default_hosts("na"))
    assert provider.vehicles() == [
        Vehicle(
            id="ada",
            name="Ada",
            model="models",
            year=2016,
            configured_key=PhysicalKey.KEYCARD,
        ),
        Vehicle(id="cy", name="Cy", model="modelx"),
    ]
    assert [car.physical_key for car in provider.vehicles()] == [
        PhysicalKey.KEYCARD,
        PhysicalKey.FOB,
    ]


def test_watch_only_without_vehicles() -> None:
    assert create_provider(WATCH_ONLY, {}, no_session).vehicles() == []


async def test_compatible(session: aiohttp.ClientSession) -> None:
    options = {"cars": {VIN: {"key": "fob"}, "other": {}}}
    provider = compatible(session, "http://127.0.0.1:4430", options)
    assert provider.region == "eu"
    assert provider.has_account
    assert provider.vehicles() == []
    car = provider.vehicle_from_product(
        {"vin": VIN, "state": "asleep", "display_name": "Bo"}, NOW
    )
    assert (car.id, car.name, car.model, car.physical_key) == (
        VIN,
        "Bo",
        "model3",
        PhysicalKey.FOB,
    )
    assert car.state is not None
    assert car.state.presence is ConnectivityState.ASLEEP
    restored = provider.restore_vehicle(car.to_json())
    assert (restored.name, restored.physical_key, restored.restored) == (
        "Bo",
        PhysicalKey.FOB,
        True,
    )


async def test_session_has_a_recording_middleware(
    session: aiohttp.ClientSession,
) -> None:
    opened: list[list[type]] = []

    def open_session(
        middlewares: Sequence[ClientMiddlewareType],
    ) -> aiohttp.ClientSession:
        opened.append([type(middleware) for middleware in middlewares])
        return session

    create_provider(COMPATIBLE, {}, open_session)
    assert opened == [[RecordingMiddleware]]
    https = {**COMPATIBLE, "base_url": "https://127.0.0.1:4430"}
    create_provider(https, {}, open_session)
    assert opened[1] == [RecordingMiddleware, ServerCertificate]


TESLA = "https://fleet-api.prd.eu.vn.cloud.tesla.com"


@pytest.mark.parametrize(
    ("data", "url"),
    [
        ({"provider": "compatible", "base_url": "https://a.lan"}, "https://a.lan"),
        ({"provider": "compatible", "base_url": "http://a.lan"}, None),
        ({"provider": "compatible", "base_url": TESLA}, None),
        ({"provider": "compatible", "base_url": "https://eu.test"}, None),
        ({"provider": "teslemetry", "base_url": "https://a.lan"}, None),
        ({"provider": "fleet", "base_url": TESLA}, None),
        (
            {"provider": "fleet", "base_url": TESLA, "server": "https://b.lan:4443"},
            "https://b.lan:4443",
        ),
        ({"provider": "watch_only"}, None),
    ],
)
def test_only_the_users_own_server_has_a_certificate_to_trust(
    data: dict[str, Any], url: str | None
) -> None:
    hosts = endpoints_from_config(
        {"region": "eu"}, {"hosts": {"eu": "https://eu.test"}}
    )
    certificate = server_certificate(data, hosts)
    assert (certificate and certificate.url) == url


@pytest.mark.usefixtures("socket_enabled")
async def test_static_token() -> None:
    shown: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        shown.append(request.headers["Authorization"])
        return web.json_response({"response": []})

    app = web.Application()
    app.router.add_get("/api/1/products", handle)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    async with aiohttp.ClientSession(middlewares=(RecordingMiddleware(),)) as session:
        provider = compatible(session, str(server.make_url("")).rstrip("/"))
        assert provider.client is not None
        assert (await provider.client.products()).body == {"response": []}
    await server.close()
    assert shown == ["Bearer a-token"]


@pytest.mark.parametrize(
    ("base_url", "third_party"),
    [
        ("https://fleet-api.prd.eu.vn.cloud.tesla.com", False),
        ("https://FLEET-API.prd.na.vn.cloud.tesla.com:443", False),
        ("https://fleet-api.prd.eu.vn.cloud.tesla.com:444", True),
        ("http://fleet-api.prd.eu.vn.cloud.tesla.com", True),
        ("https://proxy.example", True),
        ("http://127.0.0.1:4430", True),
    ],
)
async def test_third_party(
    session: aiohttp.ClientSession, base_url: str, *, third_party: bool
) -> None:
    provider = compatible(session, base_url)
    assert provider.third_party(default_hosts("eu")) is third_party


async def test_proxy_configured_as_host_is_no_third_party(
    session: aiohttp.ClientSession,
) -> None:
    hosts = endpoints_from_config(
        COMPATIBLE, {"hosts": {"eu": "http://127.0.0.1:4430/"}}
    )
    assert not compatible(session, "http://127.0.0.1:4430").third_party(hosts)


def test_unknown_provider() -> None:
    with pytest.raises(ValueError, match="Unknown provider 'fax'"):
        create_provider({"provider": "fax", "region": "na"}, {}, no_session)


@pytest.mark.parametrize("region", ["na", "eu", "cn"])
def test_default_hosts(region: str) -> None:
    assert endpoints_from_config({"region": region}, {}) == default_hosts(region)


def test_configured_hosts() -> None:
    default = default_hosts("na")
    hosts = endpoints_from_config(
        {"region": "na"},
        {
            "hosts": {"na": "http://127.0.0.1:1"},
            "sign_in": ["http://127.0.0.1:2/oauth2/v3/token"],
            "unrelated": [],
        },
    )
    assert hosts.regions == {**default.regions, "na": "http://127.0.0.1:1"}
    assert hosts.sign_in == ("http://127.0.0.1:2/oauth2/v3/token",)
    assert hosts.unrelated == ()


def test_china_has_its_own_hosts(hass: HomeAssistant) -> None:
    credential = ClientCredential("client-id", "client-secret")
    sign_in = TeslaOAuthImplementation(hass, "application", credential, region="eu")
    assert sign_in.authorize_url == "https://auth.tesla.com/oauth2/v3/authorize"
    china = sign_in.in_region("cn")
    assert china.authorize_url == "https://auth.tesla.cn/oauth2/v3/authorize"
    assert china.token_url == "https://auth.tesla.cn/oauth2/v3/token"
    assert (china.client_id, china.client_secret) == ("client-id", "client-secret")
    assert default_hosts("cn").regions["cn"].endswith(".tesla.cn")


def test_token_claims() -> None:
    claims = {"sub": "owner", "ou_code": "EU", "scp": ["openid", "vehicle_cmds"]}
    grant = parse_claims(jwt.encode(claims, "a" * 32))
    assert (grant.account, grant.region) == ("owner", "eu")
    assert grant.missing_scopes == (
        "offline_access",
        "vehicle_device_data",
        "vehicle_location",
        "vehicle_charging_cmds",
    )
    odd = {"sub": 5, "ou_code": "MARS", "scp": "all"}
    for token in (None, "", "no token", jwt.encode(odd, "a" * 32)):
        grant = parse_claims(token)
        assert (grant.account, grant.region, grant.scopes) == (None, None, frozenset())
