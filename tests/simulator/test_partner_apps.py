"""Partner apps: credentials, hosted key and registration in a region."""

from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
import pytest
from tesla_fleet_api import TeslaFleetApi
from tesla_fleet_api.exceptions import (
    Forbidden,
    InvalidRequest,
    InvalidResource,
    InvalidResponse,
    NotFound,
    OAuthExpired,
    PreconditionFailed,
    TeslaFleetError,
)

from simulator import Simulator
from simulator.cloud.partner_apps import KEY_PATH
from simulator.http.control_api import ControlApi
from simulator.protocol import Role
from simulator.scenarios.conditions import ConditionError

from .signing_client import generate_key
from .test_oauth import authorize, post

DOMAIN = "home.example.org"


def pem_of(key: ec.EllipticCurvePrivateKey) -> str:
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def words(caught: pytest.ExceptionInfo[TeslaFleetError]) -> str:
    data = caught.value.data
    assert isinstance(data, dict)
    return str(data["error"])


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return generate_key()


async def partner(
    sim: Simulator,
    session: aiohttp.ClientSession,
    client: str = "me",
    region: str = "na",
) -> TeslaFleetApi:
    _, answer = await post(
        session, sim, grant_type="client_credentials", client_id=client
    )
    return TeslaFleetApi(session, answer["access_token"], server=sim.urls[region])


async def test_credentials(sim: Simulator, session: aiohttp.ClientSession) -> None:
    sim.apps.credentials["me"] = "secret"
    grant = {"grant_type": "client_credentials", "client_id": "me"}
    assert (await post(session, sim, client_secret="secret", **grant))[0] == 200
    for secret in ({}, {"client_secret": "wrong"}):
        status, answer = await post(session, sim, **grant, **secret)
        assert (status, answer["error"]) == (400, "unauthorized_client")
    code = (await authorize(session, sim))["code"][0]
    exchange = {"grant_type": "authorization_code", "client_id": "me", "code": code}
    status, answer = await post(session, sim, client_secret="wrong", **exchange)
    assert (status, answer["error"]) == (400, "unauthorized_client")
    status, answer = await post(session, sim, client_secret="secret", **exchange)
    assert status == 200
    refresh = {
        "grant_type": "refresh_token",
        "refresh_token": answer["refresh_token"],
    }
    assert (await post(session, sim, client_id="you", **refresh))[0] == 400
    assert (await post(session, sim, client_id="me", **refresh))[0] == 200
    async with session.get(
        f"{sim.urls['auth']}/oauth2/v3/authorize",
        params={
            "client_id": "you",
            "response_type": "code",
            "redirect_uri": "https://home.invalid",
        },
    ) as response:
        assert response.status == 400
        assert (await response.json())["error"] == "unauthorized_client"


async def test_a_domain_holds_a_key(
    sim: Simulator, session: aiohttp.ClientSession, key: ec.EllipticCurvePrivateKey
) -> None:
    url = sim.urls["domain"] + KEY_PATH
    async with session.get(url) as response:
        assert response.status == 404
    sim.apps.host(pem_of(key), DOMAIN)
    async with session.get(url) as response:
        assert response.status == 404
    async with session.get(url, headers={"Host": DOMAIN}) as response:
        assert await response.text() == pem_of(key)
    async with session.get(sim.urls["domain"], headers={"Host": DOMAIN}) as response:
        assert response.status == 404
    sim.set("domain.key", "403 <html>no robots</html>")
    async with session.get(url, headers={"Host": DOMAIN}) as response:
        assert response.status == 403
    sim.set("domain.key", "refuse")
    with pytest.raises(aiohttp.ClientError):
        await session.get(url)


async def test_registration(
    sim: Simulator, session: aiohttp.ClientSession, key: ec.EllipticCurvePrivateKey
) -> None:
    sim.apps.must_register = True
    sim.apps.host(pem_of(key))
    token = sim.access_token("vehicle_device_data", client="me")
    user_client = TeslaFleetApi(session, token, server=sim.urls["na"])
    with pytest.raises(PreconditionFailed) as caught:
        await user_client.products()
    assert words(caught).startswith(
        f"Account me must be registered in the current region {sim.urls['na']}"
    )
    api = await partner(sim, session)
    with pytest.raises(NotFound):
        await api.partner.public_key(DOMAIN)
    answer = await api.partner.register(DOMAIN)
    point = sim.apps.registered["me", "na"].point.hex()
    assert answer["response"]["public_key"] == point
    assert answer["response"]["client_id"] == "me"
    shown = await api.partner.public_key(DOMAIN)
    assert shown == {"response": {"public_key": point}}
    assert len((await user_client.products())["response"]) == 3
    # Each region requires it.
    with pytest.raises(NotFound):
        await (await partner(sim, session, region="eu")).partner.public_key(DOMAIN)
    assert (await api.partner.register(DOMAIN))["response"]["domain"] == DOMAIN


async def test_a_car_obeys_keys_of_paired_applications(
    sim: Simulator, session: aiohttp.ClientSession, key: ec.EllipticCurvePrivateKey
) -> None:
    vin = sim.cars["Ada"].vin
    token = sim.access_token("vehicle_device_data", client="me")
    user_client = TeslaFleetApi(session, token, server=sim.urls["na"])

    async def fleet_status() -> Any:
        ada = user_client.vehicles.createFleet(vin)
        return (await ada.fleet_status([vin]))["response"]

    assert (await fleet_status())["unpaired_vins"] == [vin]
    with pytest.raises(ConditionError):
        sim.pair_app("Ada", "me")
    sim.apps.host(pem_of(key))
    sim.apps.register(DOMAIN, "na", client="me")
    sim.pair_app("Ada", "me")
    sim.set_signing("Ada", "required")
    assert sim.computers["Ada"].whitelist.role_of(key) is Role.FLEET_MANAGER
    found = await fleet_status()
    assert (found["key_paired_vins"], found["unpaired_vins"]) == ([vin], [])
    info = found["vehicle_info"][vin]
    assert info["vehicle_command_protocol_required"] is True
    assert info["total_number_of_keys"] == 1


async def test_a_key_that_cannot_be_read(
    sim: Simulator, session: aiohttp.ClientSession, key: ec.EllipticCurvePrivateKey
) -> None:
    api = await partner(sim, session)
    url = f"https://{DOMAIN}{KEY_PATH}"

    async def refusal(kind: type[TeslaFleetError]) -> str:
        with pytest.raises(kind) as caught:
            await api.partner.register(DOMAIN)
        return words(caught)

    said = await refusal(InvalidResponse)
    assert said == f"Public key download failed for {url}, error: 404"
    sim.apps.host(pem_of(key))
    for condition, why in {
        "refuse": "connection refused",
        "timeout": "connection refused",
        "reset": "connection reset",
        "403 <html>no robots</html>": "403",
        "garbage": "",
    }.items():
        sim.set("domain.key", condition)
        kind = InvalidResponse if why else InvalidResource
        assert why in await refusal(kind)
    # Faults of the user's network do not affect Tesla.
    sim.set("domain.key", "dns")
    await api.partner.register(DOMAIN)
    sim.set("domain.key", "ok")
    sim.apps.host("x" * 5000)
    assert "too large" in await refusal(InvalidResponse)
    sim.apps.host("no key")
    assert "Public key is invalid" in await refusal(InvalidResource)


async def test_other_refusals(
    sim: Simulator, session: aiohttp.ClientSession, key: ec.EllipticCurvePrivateKey
) -> None:
    sim.apps.host(pem_of(key))
    await (await partner(sim, session, "first")).partner.register(DOMAIN)
    api = await partner(sim, session, "second")
    with pytest.raises(InvalidResource) as caught:
        await api.partner.register(DOMAIN)
    assert words(caught).endswith("Public key hash has already been taken")
    for wrong in (f"https://{DOMAIN}", "Home.example.org", "home"):
        with pytest.raises(InvalidRequest) as invalid:
            await api.partner.register(wrong)
        assert "starts without https://" in words(invalid)
    user_client = TeslaFleetApi(session, sim.token, server=sim.urls["na"])
    with pytest.raises(Forbidden) as forbidden:
        await user_client.partner.register(DOMAIN)
    assert words(forbidden) == "Expected partner account"
    with pytest.raises(Forbidden):
        await api.products()
    unauthenticated = TeslaFleetApi(session, "nonsense", server=sim.urls["na"])
    with pytest.raises(OAuthExpired):
        await unauthenticated.partner.register(DOMAIN)


async def test_over_the_control_port(
    sim: Simulator, session: aiohttp.ClientSession, key: ec.EllipticCurvePrivateKey
) -> None:
    control = ControlApi(sim)
    await control.start()
    body = {
        "credentials": {"me": "secret"},
        "must_register": True,
        "pem": pem_of(key),
        "domain": DOMAIN,
    }
    async with session.post(f"{control.url}/app", json=body) as response:
        answer = await response.json()
    await control.stop()
    assert answer["credentials"] == ["me"]
    assert sim.apps.must_register
    assert sim.apps.hosted_at(DOMAIN) == pem_of(key)
    assert sim.apps.hosted_at("elsewhere.example.org") is None
