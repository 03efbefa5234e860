"""Fixtures of a Home Assistant that Chromium shows."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
import json
from pathlib import Path
import shutil
import socket
from typing import Any

import aiohttp
from aiohttp.test_utils import TestClient
import pytest
from pytest_socket import enable_socket

from homeassistant.auth.models import Credentials, RefreshToken
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockUser
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.keycard import dashboard
from custom_components.keycard.const import DOMAIN
from custom_components.keycard.outage import endpoints
from harness.browser import Page, find_browser, open_page, start_browser
from simulator import Simulator

COMPONENTS = ("frontend", "automation", DOMAIN)
ONBOARDED = ["user", "core_config", "analytics", "integration"]
WALL = "/keycard-wall"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip these tests where no browser is installed."""
    if find_browser() is not None:
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="Chromium is not installed"))


@dataclass(frozen=True, kw_only=True)
class Frontend:
    """The frontend of a Home Assistant, as one user sees it."""

    hass: HomeAssistant
    page: Page
    url: str

    async def open(self, path: str, width: int = 1280, height: int = 800) -> None:
        """Open a path on a screen of a size."""
        await self.page.resize(width, height, mobile=width < 600)
        await self.page.open(self.url + path)

    async def find(self, text: str) -> None:
        """Wait until a text or a label is visible."""
        await self.page.text(text)

    async def click(self, *texts: str) -> None:
        """Click elements with these texts or labels, one after the other."""
        for text in texts:
            await self.page.click(text)

    async def press(self, name: str) -> None:
        """Press the button of an entity in a list of entities."""
        text = json.dumps(name)
        await self.page.click_element(
            "withText('Press').find((button) => everything(button.getRootNode())"
            f".some((part) => ownText(part) === {text}))"
        )


@pytest.fixture(autouse=True)
def tesla(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the simulator for Tesla's endpoints."""
    urls = simulator.urls
    regions = {region: urls[region] for region in endpoints.REGIONS}
    sign_in = f"{urls['auth']}/oauth2/v3/token"
    monkeypatch.setattr(endpoints, "_REGION_HOSTS", regions)
    monkeypatch.setattr(endpoints, "_SIGN_IN", (sign_in,))
    monkeypatch.setattr(endpoints, "_SIGN_IN_CN", (sign_in,))


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Serve a copy of the module, which a test may change."""
    folder = tmp_path / "frontend"
    shutil.copytree(dashboard.FRONTEND_FOLDER, folder)
    monkeypatch.setattr(dashboard, "FRONTEND_FOLDER", folder)
    return folder / "keycard.js"


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run one browser for all tests; each gets a page without anything stored."""
    program = find_browser()
    assert program is not None
    with start_browser(program, tmp_path_factory.mktemp("browser")) as address:
        yield address


@pytest.fixture(scope="session")
def listener() -> Iterator[socket.socket]:
    """Use one address for all tests: the browser downloads the frontend once."""
    enable_socket()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        yield listening


@pytest.fixture
async def page(browser: str, socket_enabled: None) -> AsyncIterator[Page]:
    """Open a page."""
    async with aiohttp.ClientSession() as session, open_page(browser, session) as page:
        yield page


@pytest.fixture
async def url(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    aiohttp_client: Callable[..., Awaitable[TestClient[Any, Any]]],
    listener: socket.socket,
    module: Path,
) -> str:
    """Serve the frontend of an onboarded Home Assistant and return its address."""
    hass_storage["onboarding"] = {
        "version": 4,
        "minor_version": 1,
        "key": "onboarding",
        "data": {"done": ONBOARDED},
    }
    for component in COMPONENTS:
        assert await async_setup_component(hass, component, {})
    await hass.async_block_till_done()
    client = await aiohttp_client(
        hass.http.app, server_kwargs={"socket_factory": lambda *_: listener.dup()}
    )
    return str(client.make_url("")).rstrip("/")


@pytest.fixture
async def frontend(
    hass: HomeAssistant,
    url: str,
    page: Page,
    hass_admin_user: MockUser,
    hass_admin_credential: Credentials,
) -> Frontend:
    """Show the frontend to a user who has signed in."""
    await hass.auth.async_link_user(hass_admin_user, hass_admin_credential)
    token = await hass.auth.async_create_refresh_token(
        hass_admin_user, f"{url}/", credential=hass_admin_credential
    )
    await page.clear(url)
    await sign_in(hass, page, url, token)
    return Frontend(hass=hass, page=page, url=url)


async def sign_in(
    hass: HomeAssistant, page: Page, url: str, token: RefreshToken
) -> None:
    """Store the tokens of a user in the page, as the login page does."""
    tokens = {
        "access_token": hass.auth.async_create_access_token(token),
        "token_type": "Bearer",
        "refresh_token": token.token,
        "expires_in": 1800,
        "expires": 9e15,
        "hassUrl": url,
        "clientId": f"{url}/",
    }
    # The service worker would download the whole frontend while a test runs.
    source = f"""
        localStorage.hassTokens = {json.dumps(json.dumps(tokens))};
        delete Navigator.prototype.serviceWorker;
    """
    await page.call("Page.enable", {})
    await page.call("Page.addScriptToEvaluateOnNewDocument", {"source": source})


@pytest.fixture
async def wall(
    hass: HomeAssistant, url: str, hass_ws_client: WebSocketGenerator
) -> None:
    """Add a dashboard with the strategy."""
    socket = await hass_ws_client(hass)
    strategy = {"strategy": {"type": "custom:keycard"}}
    for asked in (
        {"type": "lovelace/dashboards/create", "url_path": WALL[1:], "title": "Wall"},
        {"type": "lovelace/config/save", "url_path": WALL[1:], "config": strategy},
    ):
        await socket.send_json_auto_id(asked)
        answer = await socket.receive_json()
        assert answer["success"], answer
