"""Tests of token responses."""

import base64
import json
from typing import Any

import pytest

from custom_components.keycard.auth.oauth import classify_token_response
from custom_components.keycard.providers.scopes import parse_claims
from custom_components.keycard.transport.http import Failure, HttpResult

HOUR = 3600
GOOD = {"access_token": "a.b.c", "refresh_token": "EU_1", "token_type": "Bearer"}


def answer(
    body: object, status: int = 200, failure: Failure | None = None
) -> HttpResult:
    text = body if isinstance(body, str) else json.dumps(body)
    return HttpResult(
        sent_at=0.0, elapsed=0.1, status=status, body=text, failure=failure
    )


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        (28800, 28800),
        (28800.5, 28800),
        ("28800", 28800),
        (60, 60),
        (90 * 24 * HOUR, 90 * 24 * HOUR),
        (10 * 365 * 24 * HOUR, 90 * 24 * HOUR),
        (1e308, 90 * 24 * HOUR),
        (0, HOUR),
        (-100, HOUR),
        (5, HOUR),
        (59.9, HOUR),
        (None, HOUR),
        (True, HOUR),
        ("soon", HOUR),
        ([], HOUR),
        ({}, HOUR),
        (float("nan"), HOUR),
        (float("inf"), HOUR),
        (float("-inf"), HOUR),
        (10**400, HOUR),
    ],
)
def test_lifetime_is_bounded(value: object, taken: int) -> None:
    assert classify_token_response(answer({**GOOD, "expires_in": value})) == {
        **GOOD,
        "expires_in": taken,
    }


def test_lifetime_of_thousands_of_digits_is_an_hour() -> None:
    body = json.dumps({**GOOD, "expires_in": 7}).replace("7", "9" * 5000)
    assert classify_token_response(answer(body)) == {**GOOD, "expires_in": HOUR}


def test_missing_lifetime_is_an_hour() -> None:
    assert classify_token_response(answer(GOOD)) == {**GOOD, "expires_in": HOUR}


@pytest.mark.parametrize(
    "more",
    [
        {"nested": {"deep": [1, 2, {"x": None}]}},
        {"id_token": "ey"},
        {"scope": 5, "expires_at": 5, "created_at": "\ud800"},
    ],
)
def test_only_known_fields_are_stored(more: dict[str, Any]) -> None:
    found = classify_token_response(answer({**GOOD, "expires_in": HOUR, **more}))
    assert found == {**GOOD, "expires_in": HOUR}


@pytest.mark.parametrize("field", ["refresh_token", "token_type"])
@pytest.mark.parametrize("value", ["", "a\r\nb", "a b", "\ud800", None, 5, ["a"], "ä"])
def test_invalid_field_is_ignored(field: str, value: object) -> None:
    found = classify_token_response(answer({**GOOD, "expires_in": HOUR, field: value}))
    assert found is not None
    assert field not in found
    assert found["access_token"] == GOOD["access_token"]


@pytest.mark.parametrize(
    "token",
    [None, "", "a\r\nHost: evil", "a\x00b", "a\tb", ["a"], {}, 5, True, "\udcff", "ä"],
)
def test_token_with_invalid_characters_is_ignored(token: object) -> None:
    assert (
        classify_token_response(
            answer({**GOOD, "expires_in": HOUR, "access_token": token})
        )
        is None
    )


@pytest.mark.parametrize(
    ("body", "status", "failure"),
    [
        (GOOD, 201, None),
        (GOOD, 400, None),
        (GOOD, 200, Failure.RESET),
        ("", 200, None),
        pytest.param("[" * 20_000, 200, None, id="deep"),
        ("[]", 200, None),
        ("null", 200, None),
    ],
)
def test_no_token(body: object, status: int, failure: Failure | None) -> None:
    assert classify_token_response(answer(body, status, failure)) is None


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param("[" * 20_000, id="deep"),
        pytest.param("9" * 5000, id="long"),
        "null",
        '{"sub": "\\ud800"}',
    ],
)
def test_invalid_claims_are_empty(claims: str) -> None:
    def part(text: str) -> str:
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    head = part('{"alg": "none"}')
    assert parse_claims(f"{head}.{part(claims)}.").account is None
