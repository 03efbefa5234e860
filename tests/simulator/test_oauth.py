"""The sign-in host: consent, tokens and errors."""

import base64
import hashlib
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from simulator import Simulator

from .conftest import Clock

REDIRECT = "https://home.invalid/auth/external/callback?kept=1"


async def post(
    session: aiohttp.ClientSession, sim: Simulator, **form: str
) -> tuple[int, dict[str, Any]]:
    url = f"{sim.urls['auth']}/oauth2/v3/token"
    async with session.post(url, data=form or None) as response:
        return response.status, await response.json()


async def authorize(
    session: aiohttp.ClientSession, sim: Simulator, **more: str
) -> dict[str, list[str]]:
    query = {
        "response_type": "code",
        "client_id": "me",
        "redirect_uri": REDIRECT,
        "scope": "openid offline_access vehicle_device_data energy_cmds",
        "state": "s t&a=te",
        "consent": "allow",
        **more,
    }
    async with session.get(
        f"{sim.urls['auth']}/oauth2/v3/authorize", params=query, allow_redirects=False
    ) as response:
        assert response.status == 302
        location = urlsplit(response.headers["Location"])
    assert f"{location.scheme}://{location.netloc}{location.path}" in REDIRECT
    return parse_qs(location.query)


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    decoded = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert isinstance(decoded, dict)
    return decoded


async def test_signing_in(
    sim: Simulator, session: aiohttp.ClientSession, clock: Clock
) -> None:
    answer = await authorize(session, sim)
    assert answer["state"] == ["s t&a=te"]
    assert answer["kept"] == ["1"]
    code = answer["code"][0]
    form = {"grant_type": "authorization_code", "client_id": "me", "code": code}
    status, tokens = await post(session, sim, redirect_uri=REDIRECT, **form)
    assert status == 200
    assert tokens["expires_in"] == 28800
    said = claims(tokens["access_token"])
    assert said["scp"] == ["openid", "offline_access", "vehicle_device_data"]
    assert (said["ou_code"], said["exp"]) == ("NA", clock.now + 28800)
    assert said["aud"][0].startswith("https://fleet-api.prd.na.")
    assert said["sub"]

    assert await post(session, sim, **form) == (
        400,
        {
            "error": "invalid_auth_code",
            "error_description": "the code is unknown or too old",
        },
    )

    refresh = {"grant_type": "refresh_token", "client_id": "me"}
    old = tokens["refresh_token"]
    status, again = await post(session, sim, refresh_token=old, **refresh)
    assert status == 200
    assert again["refresh_token"] != old
    assert again["access_token"] != tokens["access_token"]
    # The answer may have been lost: a refresh token still works for a day.
    assert (await post(session, sim, refresh_token=old, **refresh))[0] == 200
    clock.pass_minutes(25 * 60)
    status, refused = await post(session, sim, refresh_token=old, **refresh)
    assert (status, refused["error"]) == (401, "login_required")


async def test_consent_can_be_refused(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    url = f"{sim.urls['auth']}/oauth2/v3/authorize"
    query = {"response_type": "code", "client_id": "<me>", "redirect_uri": REDIRECT}
    async with session.get(url, params=query) as response:
        page = await response.text()
    assert "Allow: home" in page
    assert "&lt;me&gt;" in page
    refused = await authorize(session, sim, consent="deny")
    assert refused["error"] == ["access_denied"]
    assert refused["state"] == ["s t&a=te"]


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"response_type": "code", "client_id": "me", "redirect_uri": "javascript:1"},
        {"response_type": "code", "redirect_uri": REDIRECT},
        {"response_type": "token", "client_id": "me", "redirect_uri": REDIRECT},
    ],
)
async def test_invalid_requests_are_not_redirected(
    sim: Simulator, session: aiohttp.ClientSession, query: dict[str, str]
) -> None:
    url = f"{sim.urls['auth']}/oauth2/v3/authorize"
    async with session.get(url, params=query, allow_redirects=False) as response:
        assert response.status == 400


@pytest.mark.parametrize(("verifier", "status"), [("right" * 10, 200), ("wrong", 400)])
async def test_pkce(
    sim: Simulator, session: aiohttp.ClientSession, verifier: str, status: int
) -> None:
    digest = hashlib.sha256(("right" * 10).encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    answer = await authorize(
        session, sim, code_challenge=challenge, code_challenge_method="S256"
    )
    form = {"grant_type": "authorization_code", "code": answer["code"][0]}
    assert (await post(session, sim, code_verifier=verifier, **form))[0] == status


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, 400, "invalid_auth_code"),
        ({"grant_type": "refresh_token"}, 401, "login_required"),
        ({"grant_type": "client_credentials"}, 400, "unauthorized_client"),
    ],
)
async def test_refusals(
    sim: Simulator,
    session: aiohttp.ClientSession,
    form: dict[str, str],
    status: int,
    error: str,
) -> None:
    seen, answer = await post(session, sim, **form)
    assert (seen, answer["error"]) == (status, error)


async def test_a_code_is_for_its_own_address_and_short(
    sim: Simulator, session: aiohttp.ClientSession, clock: Clock
) -> None:
    form = {"grant_type": "authorization_code"}
    code = (await authorize(session, sim))["code"][0]
    status, answer = await post(
        session, sim, code=code, redirect_uri="https://other.invalid", **form
    )
    assert (status, answer["error"]) == (400, "invalid_redirect_url")
    code = (await authorize(session, sim))["code"][0]
    clock.pass_minutes(6)
    assert (await post(session, sim, code=code, **form))[0] == 400


async def test_partners_and_the_description(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    status, answer = await post(
        session, sim, grant_type="client_credentials", client_id="me"
    )
    assert status == 200
    assert "refresh_token" not in answer
    url = f"{sim.urls['auth']}/oauth2/v3/.well-known/openid-configuration"
    async with session.get(url) as response:
        assert (await response.json())["issuer"]
    async with session.get(f"{sim.urls['auth']}/elsewhere") as response:
        assert response.status == 404


async def test_a_refresh_token_can_be_handed_out(
    sim: Simulator, session: aiohttp.ClientSession
) -> None:
    token = sim.refresh_token()
    sim.set_token("expired")
    status, answer = await post(
        session, sim, grant_type="refresh_token", refresh_token=token
    )
    assert status == 200
    async with session.get(
        f"{sim.urls['na']}/api/1/products",
        headers={"Authorization": f"Bearer {answer['access_token']}"},
    ) as response:
        assert response.status == 200
