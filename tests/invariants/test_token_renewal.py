"""Invariant "reauth on proof only": tokens are renewed, or kept if they cannot be."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
import json
from pathlib import Path
import stat

import pytest

from homeassistant.helpers.json import json_bytes
from pytest_homeassistant_custom_component.common import MockConfigEntry

from simulator.http.server import Reply, json_reply
from tests.config_entries import fleet_entry, teslemetry_entry

from .home import (
    LOCK,
    HomeUnderTest,
    assert_available,
    assert_explained,
    assert_no_errors,
    status_of,
)

SOON = 200.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """An answer of the sign-in host, and its consequences.

    `status` is the assessment after the token could not be renewed for ten minutes.
    """

    answer: str
    status: str
    subjects: tuple[str, ...] = ("auth.token",)


CASES = {
    "500": Case(answer='500 {"error":"server_error"}', status="sign_in_outage"),
    "503 html": Case(answer="503 <html>Maintenance</html>", status="sign_in_outage"),
    "403": Case(answer='403 {"error":"forbidden"}', status="sign_in_outage"),
    "403 html": Case(answer="403 <html>denied</html>", status="sign_in_outage"),
    "404": Case(answer='404 {"error":"not_found"}', status="sign_in_outage"),
    "408": Case(answer="408 timeout", status="sign_in_outage"),
    "timeout": Case(answer="timeout", status="sign_in_outage"),
    "reset": Case(answer="reset", status="sign_in_outage"),
    "refuse": Case(
        answer="refuse",
        status="sign_in_outage",
        subjects=("auth.token", "auth.authorize"),
    ),
    "portal": Case(answer="portal", status="operational"),
    "302": Case(answer="302 http://portal.invalid/", status="operational"),
}
each_case = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))


def token_of(entry: MockConfigEntry) -> str:
    return str(entry.data["token"]["access_token"])


async def test_a_token_is_renewed_before_it_expires(
    home: HomeUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    entry = await fleet_entry(home.hass, home.simulator, left=SOON)
    before = dict(entry.data["token"])
    await home.set_up_operational(entry)
    assert entry.data["token"] == before
    await home.run(SOON)
    after = entry.data["token"]
    assert after["access_token"] != before["access_token"]
    assert after["refresh_token"] != before["refresh_token"]
    assert after["expires_at"] > before["expires_at"]
    assert home.simulator.usage.by_status["auth.token 200"] == 1
    assert status_of(entry) == "operational"
    assert await home.perform("unlock") is None
    assert_available(home)
    assert_no_errors(caplog)


@each_case
async def test_a_token_that_cannot_be_renewed_is_kept(
    home: HomeUnderTest, caplog: pytest.LogCaptureFixture, case: Case
) -> None:
    entry = await fleet_entry(home.hass, home.simulator, left=SOON)
    before = dict(entry.data["token"])
    await home.set_up_operational(entry)
    home.simulator.apply(dict.fromkeys(case.subjects, case.answer))
    await home.run(SOON + 600)
    assert entry.data["token"] == before
    assert status_of(entry) == case.status
    assert home.reauths() == 0
    assert_available(home)

    error = await home.perform("unlock")
    assert error is not None
    assert error.translation_key == "sign_in_fails"
    assert_explained(error)
    assert home.simulator.cars["Ada"].executed["door_unlock"] == 0

    # A restart changes none of this.
    await home.restart(entry)
    await home.run(120)
    assert entry.data["token"] == before
    assert home.reauths() == 0
    assert_available(home)
    assert home.states()[LOCK] in {"locked", "unknown"}

    home.simulator.apply(dict.fromkeys(case.subjects, "ok"))
    await home.run(600)
    assert token_of(entry) != before["access_token"]
    assert status_of(entry) == "operational"
    assert home.reauths() == 0
    assert await home.perform("unlock") is None
    assert_no_errors(caplog)


async def test_some_sign_ins_are_not_renewed_while_the_host_seems_well(
    home: HomeUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await fleet_entry(home.hass, home.simulator, left=SOON)
    await home.set_up_operational(entry)
    sign_in = home.simulator._sign_in
    answered = sign_in.answer

    def answer(
        method: str, path: str, query: Mapping[str, str], form: Mapping[str, str]
    ) -> Reply:
        if form.get("grant_type") == "refresh_token":
            return json_reply({"error": "server_error"}, 500)
        return answered(method, path, query, form)

    monkeypatch.setattr(sign_in, "answer", answer)
    await home.run(SOON + 420)
    assert status_of(entry) == "sign_in_outage"
    assert home.reauths() == 0
    await home.restart(entry)
    await home.run(30)
    assert status_of(entry) == "sign_in_outage"
    monkeypatch.undo()
    await home.run(300)
    assert status_of(entry) == "operational"


def renewing(
    home: HomeUnderTest, monkeypatch: pytest.MonkeyPatch, **changes: object
) -> list[float]:
    """Answer each renewal with changes; return the times of the requests."""
    sign_in, renewals = home.simulator._sign_in, list[float]()
    answered = sign_in.answer

    def answer(
        method: str, path: str, query: Mapping[str, str], form: Mapping[str, str]
    ) -> Reply:
        reply = answered(method, path, query, form)
        if form.get("grant_type") != "refresh_token":
            return reply
        renewals.append(home.clock.monotonic())
        return json_reply({**json.loads(reply.body), **changes})

    monkeypatch.setattr(sign_in, "answer", answer)
    return renewals


@pytest.mark.parametrize("lifetime", [0, None, 1e308])
async def test_an_odd_lifetime_renews_no_more_often(
    home: HomeUnderTest, monkeypatch: pytest.MonkeyPatch, lifetime: object
) -> None:
    entry = await fleet_entry(home.hass, home.simulator, left=SOON)
    entry.add_to_hass(home.hass)
    # An earlier version stored all fields of an answer.
    token = {**entry.data["token"], "stored_before": {"a": [1]}}
    home.hass.config_entries.async_update_entry(
        entry, data={**entry.data, "token": token}
    )
    await home.set_up_operational(entry)
    renewals = renewing(
        home, monkeypatch, expires_in=lifetime, nested={"a": ["\ud800"]}
    )
    await home.run(SOON + 600)
    assert len(renewals) == 1
    kept = entry.data["token"]
    assert set(kept) == {
        "access_token",
        "refresh_token",
        "token_type",
        "expires_in",
        "expires_at",
    }
    json_bytes(dict(entry.data))
    assert status_of(entry) == "operational"


async def test_a_sign_in_is_renewed_at_most_once_a_minute(
    home: HomeUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await fleet_entry(home.hass, home.simulator, left=SOON)
    await home.set_up_operational(entry)
    renewals = renewing(home, monkeypatch, expires_in=60)
    await home.run(SOON + 600)
    assert len(renewals) > 2
    assert min(later - one for one, later in pairwise(renewals)) >= 60
    assert status_of(entry) == "operational"


@pytest.mark.parametrize("token", [None, "a\r\nb", "\ud800"])
async def test_the_refresh_token_is_stored_beside_an_unusable_access_token(
    home: HomeUnderTest, monkeypatch: pytest.MonkeyPatch, token: object
) -> None:
    entry = await fleet_entry(home.hass, home.simulator, left=SOON)
    before = dict(entry.data["token"])
    await home.set_up_operational(entry)
    renewing(home, monkeypatch, access_token=token, refresh_token="EU_rotated")
    await home.run(SOON)
    assert entry.data["token"] == {**before, "refresh_token": "EU_rotated"}
    json_bytes(dict(entry.data))
    assert home.reauths() == 0


async def test_answers_without_a_usable_token_are_the_sign_in_hosts_fault(
    home: HomeUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await fleet_entry(home.hass, home.simulator, left=SOON)
    await home.set_up_operational(entry)
    refresh = entry.data["token"]["refresh_token"]
    renewing(home, monkeypatch, access_token=None, refresh_token=refresh)
    await home.run(SOON + 600)
    assert status_of(entry) == "sign_in_outage"
    assert home.reauths() == 0
    monkeypatch.undo()
    await home.run(300)
    assert status_of(entry) == "operational"


async def test_a_revoked_sign_in_starts_reauth(
    home: HomeUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    entry = await fleet_entry(home.hass, home.simulator, left=SOON)
    home.simulator._sign_in._refreshes.clear()
    await home.set_up_operational(entry)
    await home.run(SOON + 120)
    assert home.reauths() == 1
    assert status_of(entry) == "account_problem"
    await home.run(3600)
    assert home.reauths() == 1
    assert_available(home)
    assert_no_errors(caplog)


async def test_a_refused_sign_in_is_no_proof_in_an_outage_of_the_sign_in(
    home: HomeUnderTest,
) -> None:
    entry = await fleet_entry(home.hass, home.simulator, left=SOON)
    await home.set_up_operational(entry)
    # The token endpoint rejects while the other endpoint of the host is down.
    home.simulator.apply(
        {
            "auth.token": '401 {"error":"login_required"}',
            "auth.authorize": "503 <html>Maintenance</html>",
        }
    )
    await home.run(SOON + 900)
    assert home.reauths() == 0
    home.simulator.apply({"auth.token": "ok", "auth.authorize": "ok"})
    await home.run(900)
    assert status_of(entry) == "operational"
    assert home.reauths() == 0


async def test_a_token_that_ended_too_soon_is_renewed(home: HomeUnderTest) -> None:
    entry = await fleet_entry(home.hass, home.simulator)
    await home.set_up_operational(entry)
    before = token_of(entry)
    home.simulator.set_token("expired")
    await home.run(180)
    assert token_of(entry) != before
    assert status_of(entry) == "operational"
    assert home.reauths() == 0
    assert await home.perform("unlock") is None


async def test_a_flood_of_401_does_not_use_up_the_sign_in(home: HomeUnderTest) -> None:
    entry = await fleet_entry(home.hass, home.simulator)
    await home.set_up_operational(entry)
    home.simulator.set("eu.api", '401 {"error":"token expired (401)"}')
    await home.run(3600)
    assert home.simulator.usage.by_status["auth.token 200"] <= 7


async def test_deleted_credentials_start_reauth(home: HomeUnderTest) -> None:
    entry = await fleet_entry(home.hass, home.simulator)
    await home.set_up_operational(entry)
    home.hass.config_entries.async_update_entry(
        entry, data={**entry.data, "auth_implementation": "gone"}
    )
    await home.restart(entry)
    await home.run(60)
    assert home.reauths() == 1
    assert status_of(entry) == "operational"
    assert_available(home)


async def test_the_key_is_made_once_and_goes_with_the_last_entry(
    home: HomeUnderTest, key_file: Path
) -> None:
    entry = await fleet_entry(home.hass, home.simulator)
    await home.set_up_operational(entry)
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    made = key_file.read_bytes()
    await home.restart(entry)
    assert key_file.read_bytes() == made
    await home.hass.config_entries.async_remove(entry.entry_id)
    assert not key_file.exists()


async def test_a_broken_key_is_not_replaced(
    home: HomeUnderTest, caplog: pytest.LogCaptureFixture, key_file: Path
) -> None:
    key_file.write_text("not a key")
    entry = await fleet_entry(home.hass, home.simulator)
    await home.set_up_operational(entry)
    assert key_file.read_text() == "not a key"
    assert "Cannot sign commands" in caplog.text
    assert_available(home)


# Sign-ins of a third party are renewed by it


SERVICE_ANSWERS = {
    "500": '500 {"error":"server_error"}',
    "503 html": "503 <html>Maintenance</html>",
    "403": '403 {"error":"forbidden"}',
    "404": '404 {"error":"not_found"}',
    "408": "408 timeout",
    "timeout": "timeout",
    "refuse": "refuse",
    "garbage": "garbage",
}


@pytest.mark.parametrize("answer", SERVICE_ANSWERS.values(), ids=list(SERVICE_ANSWERS))
async def test_a_service_that_cannot_renew_is_to_blame_and_the_token_is_kept(
    home: HomeUnderTest, caplog: pytest.LogCaptureFixture, answer: str
) -> None:
    entry = teslemetry_entry(home.simulator)
    await home.set_up_operational(entry)
    # The token has expired when the third party begins to fail.
    before = {**entry.data["token"], "expires_at": home.clock.time() - 1}
    home.simulator.set("teslemetry.api", answer)
    home.hass.config_entries.async_update_entry(
        entry, data={**entry.data, "token": before}
    )
    await home.run(600)
    assert entry.data["token"] == before
    assert status_of(entry) == "provider_down"
    assert home.reauths() == 0
    assert home.states()["sensor.ada_key_to_take"] == "usual"
    error = await home.perform("unlock")
    assert error is not None
    assert_explained(error)
    await home.restart(entry)
    await home.run(120)
    assert entry.data["token"] == before
    assert_available(home)

    home.simulator.set("teslemetry.api", "ok")
    await home.run(900)
    assert token_of(entry) != before["access_token"]
    assert status_of(entry) == "operational"
    assert home.reauths() == 0
    assert await home.perform("unlock") is None
    assert_no_errors(caplog)


async def test_a_service_that_took_the_sign_in_back(home: HomeUnderTest) -> None:
    entry = teslemetry_entry(home.simulator, left=SOON)
    await home.set_up_operational(entry)
    home.simulator.teslemetry._sign_in._refreshes.clear()
    await home.run(SOON + 180)
    assert home.reauths() == 1
    assert status_of(entry) == "account_problem"


@pytest.mark.parametrize(
    "answer", ['200 {"response":null}', "200 [1]", "types", "portal", "retry-after:120"]
)
async def test_an_expired_token_that_cannot_be_renewed_proves_nothing(
    home: HomeUnderTest, answer: str
) -> None:
    entry = await fleet_entry(home.hass, home.simulator)
    await home.set_up_operational(entry)
    subjects = ("auth.token", "auth.authorize")
    home.simulator.apply(dict.fromkeys(subjects, answer))
    await home.run(20)
    home.simulator.set_token("expired")
    await home.run(300)
    assert status_of(entry) != "account_problem"
    home.simulator.apply(dict.fromkeys(subjects, "ok"))
    await home.run(300)
    assert status_of(entry) == "operational"
    assert home.reauths() == 0
