"""Tests of the recording middleware with local servers."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
import json
import time
from typing import Any

import aiohttp
import pytest

from custom_components.keycard.transport.http import (
    Failure,
    RecordingMiddleware,
    RequestFailedError,
    recording,
)

from ..raw_server import Serve, http, sending, serving
from ..request_timeouts import ManualTimeouts

pytestmark = pytest.mark.usefixtures("socket_enabled")


@asynccontextmanager
async def recorded(
    serve: Serve, **kwargs: Any
) -> AsyncGenerator[tuple[aiohttp.ClientSession, str]]:
    """Return a recording session and the URL of a server."""
    async with (
        serving(serve) as port,
        aiohttp.ClientSession(middlewares=(RecordingMiddleware(**kwargs),)) as session,
    ):
        yield session, f"http://127.0.0.1:{port}/"


async def test_answer_is_passed_on() -> None:
    body = b'{"response": [1, 2, 3]}'
    answer = http("200 OK", body, "Content-Type: application/json")
    async with recorded(sending(answer[:60], answer[60:], pause=0.05)) as (
        session,
        url,
    ):
        with recording(timeout=60) as record:
            async with session.get(url) as response:
                assert await response.json() == {"response": [1, 2, 3]}
                assert await response.read() == body
    assert record.answer is not None
    assert record.answer.body == body.decode()
    assert (record.answer.status, record.answer.failure) == (200, None)


@pytest.mark.parametrize("charset", ["punycode", "utf-16", "hex", "klingon"])
async def test_body_is_passed_on_as_utf_8_with_any_charset(charset: str) -> None:
    body = json.dumps({"name": "Zoë", "long": "a" * 900_000}, ensure_ascii=False)
    kind = f"Content-Type: application/json; charset={charset}"
    serve = sending(http("200 OK", body.encode(), kind))
    async with recorded(serve) as (session, url):
        began = time.process_time()
        async with session.get(url) as response:
            assert (await response.json())["name"] == "Zoë"
            assert await response.text() == body
        assert time.process_time() - began < 2


async def test_long_body_is_recorded_in_part_and_passed_on_whole() -> None:
    body = b"x" * 300_000
    async with recorded(sending(http("200 OK", body))) as (session, url):
        with recording(timeout=60) as record:
            async with session.get(url) as response:
                assert await response.read() == body
    assert record.answer is not None
    assert record.answer.truncated
    assert len(record.answer.body) == 4096


async def test_requests_work_without_recording() -> None:
    async with (
        recorded(sending(http("200 OK", b"ok"))) as (session, url),
        session.get(url) as response,
    ):
        assert await response.text() == "ok"


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (http("200 OK", b"x" * 2000), Failure.TOO_LARGE),
        (http("302 Found", b"", "Location: /elsewhere"), None),
        (http("307 Again", b"", "Location: http://127.0.0.1:1/"), None),
        (http("200 OK", b"ok")[:-1], Failure.RESET),
        (b"", Failure.RESET),
    ],
)
async def test_failed_request_is_not_repeated(
    answer: bytes, failure: Failure | None
) -> None:
    asks = 0

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asks
        asks += 1
        writer.write(answer)
        await writer.drain()

    async with recorded(serve, max_size=1000) as (session, url):
        with recording(timeout=60) as record, pytest.raises(RequestFailedError):
            async with session.get(url):
                pass
    assert asks == 1
    assert record.answer is not None
    assert record.answer.failure is failure


async def test_request_is_bounded_in_time(deadlines: ManualTimeouts) -> None:
    serve = sending(hang=True, arrived=deadlines.expire)
    async with recorded(serve, timeout=60) as (session, url):
        with recording(timeout=7.0) as record, pytest.raises(RequestFailedError):
            async with session.get(url):
                pass
    assert deadlines.delays[0] == 7.0
    assert record.answer is not None
    assert record.answer.failure is Failure.TIMEOUT


async def test_concurrent_records_are_separate() -> None:
    together = asyncio.Barrier(8)

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await together.wait()
        writer.write(http("200 OK", str(writer.get_extra_info("peername")[1]).encode()))
        await writer.drain()

    async with recorded(serve) as (session, url):

        async def one() -> bool:
            with recording(timeout=60) as record:
                async with session.get(url) as response:
                    text = await response.text()
            return record.answer is not None and record.answer.body == text

        assert all(await asyncio.gather(*(one() for _ in range(8))))
