"""Random answers of hosts: nothing is raised, and nothing blocks.

`KEYCARD_FUZZ=deep` tries many more answers, `KEYCARD_FUZZ_SEED` those of another run.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from datetime import UTC, datetime, timedelta
import json
import os
from random import Random, SystemRandom
import time
from typing import Any
from unittest.mock import AsyncMock

import aiohttp
from hypothesis import HealthCheck, given, seed, settings, strategies as st
import pytest

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.aiohttp_client import HassClientResponse
from homeassistant.helpers.json import json_bytes

from custom_components.keycard.auth.oauth import classify_token_response
from custom_components.keycard.flows.server_check import _check_products, _find_url
from custom_components.keycard.outage.classifier import classify
from custom_components.keycard.outage.detector import OutageDetector, StoredDetector
from custom_components.keycard.outage.endpoints import default_hosts
from custom_components.keycard.outage.evidence import RequestType, make_evidence
from custom_components.keycard.outage.host_monitor import HostMonitor
from custom_components.keycard.outage.stored_values import (
    INVALID_DATA_ERRORS,
    check_type,
)
from custom_components.keycard.providers.scopes import parse_claims
from custom_components.keycard.runtime.vehicle_poller import CallType, classify_call
from custom_components.keycard.transport.cloud import FleetClient
from custom_components.keycard.transport.http import (
    Failure,
    HttpResult,
    RecordingMiddleware,
    request,
)
from custom_components.keycard.transport.log_filter import redact
from custom_components.keycard.transport.result import ApiCall
from custom_components.keycard.vehicle.commands import Command, command_call
from custom_components.keycard.vehicle.product_list import (
    parse_products,
    parse_unpaired,
)
from custom_components.keycard.vehicle.vehicle import Vehicle

from .flow_steps import choose_provider, submit
from .raw_server import serving
from .repository_files import keys_at, translations

DEEP = os.environ.get("KEYCARD_FUZZ") == "deep"
SEED = int(os.environ.get("KEYCARD_FUZZ_SEED") or SystemRandom().randrange(1 << 32))
VIN = "LRW3E7EK4NC123456"
NOW = datetime(2026, 11, 27, tzinfo=UTC)

# Seconds of CPU time on this thread.
BLOCKED = 2.0


def fuzz(examples: int) -> Callable[[Any], Any]:
    """Configure the number of examples, many more in a deep run, and print the seed."""

    def decorate(test: Any) -> Any:
        bounded = settings(
            max_examples=examples * (50 if DEEP else 1),
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        )
        return seed(SEED)(bounded(test))

    return decorate


@pytest.fixture(autouse=True)
def seed_is_printed() -> None:
    print(f"KEYCARD_FUZZ_SEED={SEED}")


# Answers

NAMES = st.sampled_from(
    """
    response vin state id id_s user_id vehicle_id display_name access_token timestamp
    refresh_token expires_in token_type error error_description result reason
    charge_state climate_state drive_state vehicle_state vehicle_config gui_settings
    location_data latitude longitude battery_level battery_range charging_state
    inside_temp locked odometer car_version shift_state speed sentry_mode
    software_update vehicle_name option_codes status version unpaired_vins vehicle_info
    vehicle_command_protocol_required region fleet_api_base_url tokens granular_access
    tpms_pressure_fl charge_limit_soc is_climate_on df dr pf pr ft rt
    """.split()
)
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -1, 0, 2**63, 1_795_000_000_000]),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        [VIN, "online", "asleep", "\ud800", "a\r\nb", "a" * 300, "<invalid>"]
    ),
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(NAMES, st.text(max_size=5)), inner, max_size=6),
    ),
    max_leaves=25,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=8)
JSON_VALUES = st.one_of(
    OBJECTS,
    OBJECTS.map(lambda value: {"response": value}),
    st.lists(OBJECTS, max_size=3).map(lambda value: {"response": value}),
    OBJECTS.map(lambda value: {"response": {**value, "vin": VIN, "state": "online"}}),
    VALUES,
)
WORDS = st.sampled_from(
    [
        "ok",
        "vehicle is not available",
        '{"error":"login_required"}',
        "<html>503 Server Maintenance</html>",
        '{"error":"user out of region, use base URL: https://[::1, see"}',
        "[" * 30_000,
        '{"a":' * 30_000,
        '{"expires_in": ' + "9" * 5000 + "}",
        "x" * 70_000,
    ]
)


def written(value: object) -> bytes:
    return json.dumps(value).encode()


BODIES = st.one_of(
    JSON_VALUES.map(written),
    JSON_VALUES.map(written),
    WORDS.map(str.encode),
    st.binary(max_size=60),
)
TEXTS = st.text(max_size=30).map(lambda text: text.encode("utf-8", "replace"))
STATUS_LINES = st.one_of(
    st.sampled_from(
        [200, 200, 204, 302, 400, 401, 402, 403, 404, 408, 412, 421, 429, 500]
    ).map(lambda status: f"HTTP/1.1 {status} Said".encode()),
    st.integers(0, 9999).map(lambda status: f"HTTP/1.1 {status}".encode()),
    st.binary(max_size=30),
)
CHARSETS = (
    "utf-8 utf-16 punycode idna hex klingon undefined unicode_escape utf-7".split()
)
HEADERS = st.one_of(
    st.sampled_from(CHARSETS).map(
        lambda charset: f"Content-Type: application/json; charset={charset}".encode()
    ),
    st.sampled_from(
        [
            b"Content-Type: text/html",
            b"Content-Type: ;;;=",
            b"Location: http://[::1",
            b"Location: https://portal]/",
            b"Location: http://\xe2\x84\x80.example/",
            b"Content-Encoding: gzip",
            b"Content-Encoding: br",
            b"Transfer-Encoding: chunked",
            b"Retry-After: Mon, 99 Nov 99999 99:99:99 +9999",
            b"RateLimit-Reset: 1e400",
            b"Set-Cookie: =;=;",
            b"Connection: upgrade",
        ]
    ),
    st.tuples(
        st.sampled_from(
            [b"Content-Type", b"Location", b"Retry-After", b"RateLimit-Reset", b"Date",
             b"Set-Cookie", b"Content-Length", b"Content-Encoding", b"X-Txid", b"Link"]
        ),
        st.one_of(TEXTS, st.integers(-(10**12), 10**40).map(lambda n: str(n).encode())),
    ).map(b": ".join),
)  # fmt: skip


@st.composite
def raw_answers(draw: st.DrawFn) -> bytes:
    """Build an HTTP answer, mostly valid."""
    body = draw(BODIES)
    head = [draw(STATUS_LINES), *draw(st.lists(HEADERS, max_size=4))]
    if draw(st.integers(0, 3)):
        head.append(b"Content-Length: " + str(len(body)).encode())
    return b"\r\n".join(head) + b"\r\n\r\n" + body


@st.composite
def answers(draw: st.DrawFn) -> HttpResult:
    """Return a parsed answer."""
    return HttpResult(
        sent_at=draw(st.floats(0, 1e6)),
        elapsed=draw(st.floats(0, 30)),
        status=draw(st.one_of(st.none(), st.integers(0, 999), st.just(200))),
        content_type=draw(st.sampled_from(["", "text/html", "application/json"])),
        body=draw(BODIES).decode(errors="replace")[:4096],
        truncated=draw(st.booleans()),
        location=draw(st.one_of(st.none(), st.text(max_size=30))),
        retry_after=draw(st.one_of(st.none(), st.floats(0, 1e6))),
        failure=draw(st.one_of(st.none(), st.none(), st.sampled_from(Failure))),
    )


def storable(value: object) -> None:
    """Check that Home Assistant can store a value."""
    json_bytes(value)


# Handling


@pytest.fixture
def host(socket_enabled: None) -> Iterator[Callable[[bytes, Any], Any]]:
    """Serve raw bytes as the answer to every request."""
    now = b""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(now)
        await writer.drain()

    with asyncio.Runner() as runner:
        stack = _opened(serve)
        sessions, url = runner.run(anext(stack))

        def run(raw: bytes, asking: Any) -> Any:
            nonlocal now
            now = raw
            began = time.thread_time()
            got = runner.run(asking(sessions, url))
            assert time.thread_time() - began < BLOCKED
            return got

        yield run
        runner.run(stack.aclose())


async def _opened(serve: Any) -> AsyncGenerator[tuple[Any, str]]:
    async with (
        serving(serve) as port,
        aiohttp.ClientSession() as plain,
        aiohttp.ClientSession(
            middlewares=(RecordingMiddleware(),), response_class=HassClientResponse
        ) as recorded,
    ):
        yield (plain, recorded), f"http://127.0.0.1:{port}"


def test_probes_and_token_answers(host: Any) -> None:
    async def asking(sessions: Any, url: str) -> HttpResult:
        return await request(sessions[0], "POST", url, timeout=60.0, max_body=32 * 1024)

    @fuzz(40)
    @given(raw_answers())
    def probe(raw: bytes) -> None:
        answer = host(raw, asking)
        for kind in RequestType:
            make_evidence(classify(kind, answer, url="https://host.example/x"), answer)
        storable(classify_token_response(answer))

    probe()


def test_calls_and_the_set_up(host: Any) -> None:
    async def token() -> str:
        return "token"

    async def asking(sessions: Any, url: str) -> list[ApiCall]:
        link = FleetClient(sessions[1], url, token)
        outcome = await link.command(VIN, command_call(Command.UNLOCK))
        assert outcome.call is not None
        return [
            await link.products(),
            await link.vehicle(VIN),
            await link.vehicle_data(VIN),
            await link.region(),
            await link.fleet_status([VIN]),
            outcome.call,
        ]

    @fuzz(40)
    @given(raw_answers())
    def calls(raw: bytes) -> None:
        for call in host(raw, asking):
            for what in CallType:
                classify_call(what, call)
            check = _check_products(call, "https://host.example")
            assert check.error or check.vins is not None
            _find_url(call.answer.body)
            apply_answer(call.body)

    calls()


@pytest.fixture
async def any_answer(socket_enabled: None) -> AsyncGenerator[tuple[str, list[bytes]]]:
    """Serve the last of a list of raw answers to every request."""
    answer = [b""]

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer[-1])
        await writer.drain()

    async with serving(serve) as port:
        yield f"http://127.0.0.1:{port}", answer


@fuzz(20)
@given(raw=raw_answers())
async def test_steps_of_the_set_up(
    hass: HomeAssistant,
    set_up_entry: AsyncMock,
    any_answer: tuple[str, list[bytes]],
    raw: bytes,
) -> None:
    url, answer = any_answer
    answer[:] = [raw]
    form = await choose_provider(hass, "compatible")
    began = time.thread_time()

    result = await submit(hass, form, base_url=url, token="secret", region="eu")

    assert time.thread_time() - began < BLOCKED
    errors = set((result.get("errors") or {}).values())
    assert errors <= keys_at(translations("en"), "config", "error")
    if result["type"] is FlowResultType.CREATE_ENTRY:
        await hass.config_entries.async_remove(result["result"].entry_id)
    elif result["type"] is not FlowResultType.ABORT:
        hass.config_entries.flow.async_abort(result["flow_id"])


def apply_answer(body: Any) -> None:
    """Update a vehicle from an answer."""
    if not isinstance(body, dict):
        # The client accepts nothing else.
        return
    listed = parse_products(body) or {}
    parse_unpaired(body, [VIN])
    car = Vehicle.from_vin(VIN, name="Ada")
    for summary in (*listed.values(), body):
        car.apply_summary(summary, NOW)
    if not car.is_stale(body):
        car.apply_data(body, NOW)
    storable(car.to_json())
    Vehicle.from_json(json.loads(json_bytes(car.to_json())))


@fuzz(150)
@given(JSON_VALUES)
def test_vehicles(body: Any) -> None:
    # Through JSON, as in a real answer.
    text = json.dumps(body)
    try:
        read_back = json.loads(json_bytes(json.loads(text)))
    except TypeError, ValueError:
        return
    apply_answer(read_back)


@fuzz(60)
@given(st.one_of(answers(), JSON_VALUES.map(lambda content: HttpResult(
    sent_at=0.0, elapsed=0.1, status=200, body=json.dumps(content)
))))  # fmt: skip
def test_tokens(answer: HttpResult) -> None:
    token = classify_token_response(answer)
    if token is None:
        return
    storable(token)
    assert token["access_token"].isascii()
    assert token["access_token"].isprintable()
    assert 60 <= token["expires_in"] <= 90 * 24 * 3600
    parse_claims(token["access_token"])


@fuzz(20)
@given(st.lists(st.tuples(st.sampled_from(RequestType), answers()), max_size=12))
def test_assessment(results: list[tuple[RequestType, HttpResult]]) -> None:
    monitor = HostMonitor(default_hosts("eu"), random=Random(1), monotonic=0.0)
    detector = OutageDetector(monitor, region="eu", third_party=False, monotonic=0.0)
    for at, (kind, answer) in enumerate(results):
        classification = classify(kind, answer, url="https://host.example/x")
        found = make_evidence(classification, answer, vehicle_id=VIN, model="model3")
        if kind is RequestType.TOKEN:
            detector.observe_token_refresh(found)
        else:
            detector.observe_call(found)
        detector.assess(answer.sent_at + at, NOW + timedelta(seconds=at))
    stored = json.loads(json_bytes(detector.dump_state(0.0)))
    OutageDetector(
        monitor, region="eu", third_party=False, monotonic=0.0
    ).restore_state(stored, monotonic=0.0, away=0.0)


@fuzz(80)
@given(VALUES)
def test_stored_assessments(stored: Any) -> None:
    monitor = HostMonitor(default_hosts("eu"), random=Random(1), monotonic=0.0)
    detector = OutageDetector(monitor, region="eu", third_party=False, monotonic=0.0)
    before = detector.dump_state(0.0)
    mixed: Any = {**before, **stored} if isinstance(stored, dict) else stored
    for one in (stored, mixed):
        try:
            check_type(one, StoredDetector)
            detector.restore_state(one, monotonic=0.0, away=0.0)
        except INVALID_DATA_ERRORS:
            assert detector.dump_state(0.0) == before


@fuzz(50)
@given(st.one_of(st.text(max_size=300), JSON_VALUES.map(json.dumps)))
def test_redaction(text: str) -> None:
    assert VIN not in redact(text)
    assert VIN.lower() not in redact(f"{text} {VIN.lower()} {text}")
