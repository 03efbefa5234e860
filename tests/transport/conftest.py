"""Fixtures of a server and a client for it."""

from collections.abc import AsyncGenerator

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
import pytest

from custom_components.keycard.transport.cloud import FleetClient
from custom_components.keycard.transport.http import RecordingMiddleware

from .cloud import Cloud, token


@pytest.fixture
async def cloud() -> AsyncGenerator[Cloud]:
    found = Cloud()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.handle)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server(shutdown_timeout=0.1)
    found.url = str(server.make_url("")).rstrip("/")
    yield found
    await server.close()


@pytest.fixture
async def session() -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(middlewares=(RecordingMiddleware(),)) as session:
        yield session


@pytest.fixture
def link(cloud: Cloud, session: aiohttp.ClientSession) -> FleetClient:
    return FleetClient(session, cloud.url, token)
