"""The screen of the house: signing in, settings over HTTP, and a dashboard."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import partial
import json
from pathlib import Path
from typing import Any

import aiohttp

from homeassistant.auth.const import GROUP_ID_ADMIN
from homeassistant.components.http.config import HTTP_STORAGE_SCHEMA
from homeassistant.core import HomeAssistant

from .owner_client import FlowClient, Result
from .time_control import HarnessError

HOST = "127.0.0.1"
DASHBOARD = "keycard-demo"
OWNER = "Owner"
STAY = timedelta(days=1)
PARTS = ("history", "logbook")
# Whoever sits at this machine is the owner, without a password.
SIGN_IN = [
    {
        "type": "trusted_networks",
        "trusted_networks": [f"{HOST}/32"],
        "allow_bypass_login": True,
    }
]
_CLOUD_TILES = (
    ("sensor", "status"),
    ("sensor", "scope"),
    ("binary_sensor", "outage"),
    ("sensor", "outage_since"),
    ("binary_sensor", "early_warning"),
    ("binary_sensor", "api_reachable"),
)
_CAR_TILES = (
    ("sensor", "key_to_take"),
    ("lock", "lock"),
    ("climate", "climate"),
    ("sensor", "connection"),
    ("sensor", "battery_level"),
    ("sensor", "last_contact"),
)

type Entities = Mapping[tuple[str, str], str]


def seed(folder: Path, port: int) -> None:
    """Prepare a folder: where to listen, and nothing left to be asked at first."""
    storage = folder / ".storage"
    storage.mkdir()
    http = {
        "stable": HTTP_STORAGE_SCHEMA({"server_host": [HOST], "server_port": port}),
        "pending": None,
        "yaml_migration_done": True,
    }
    done = ["user", "core_config", "analytics", "integration"]
    for key, version, minor, data in (
        ("http", 2, 2, http),
        ("onboarding", 4, 1, {"done": done}),
    ):
        stored = {"key": key, "version": version, "minor_version": minor, "data": data}
        (storage / key).write_text(json.dumps(stored))


async def complete_onboarding(hass: HomeAssistant) -> str:
    """Let the owner live here; returns an access token of theirs."""
    # The story takes hours in minutes: who is signed in stays so.
    lasting = partial(
        hass.auth.async_create_refresh_token, access_token_expiration=STAY
    )
    setattr(hass.auth, "async_create_refresh_token", lasting)  # noqa: B010 - a method
    owner = await hass.auth.async_create_user(OWNER, group_ids=[GROUP_ID_ADMIN])
    token = await hass.auth.async_create_refresh_token(
        owner, client_name="Demo", client_id=f"http://{HOST}/"
    )
    return hass.auth.async_create_access_token(token)


class FrontendClient:
    """Change settings over HTTP and the web socket, as the frontend does."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str) -> None:
        self._session = session
        self._url = url
        self._token = token
        self._shown = False
        self.desk: FlowClient = self

    async def _post(self, path: str, data: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {self._token}"}
        async with self._session.post(
            f"{self._url}/api/{path}", json=data, headers=headers
        ) as response:
            if response.status >= 300:
                text = await response.text()
                raise HarnessError(f"{path}: {response.status} {text[:500]}")
            return await response.json()

    async def begin(self, handler: str) -> Result:
        """Begin a flow; returns its first result."""
        result: Result = await self._post(
            "config/config_entries/flow", {"handler": handler}
        )
        return result

    async def answer(self, flow_id: str, answers: dict[str, Any]) -> Result:
        """Answer a step; returns the next result."""
        result: Result = await self._post(
            f"config/config_entries/flow/{flow_id}", answers
        )
        return result

    def fields(self, result: Result) -> frozenset[str]:
        """Return the names of the fields that a step asks for."""
        return frozenset(field["name"] for field in result.get("data_schema") or ())

    async def save_automation(self, automation: dict[str, Any]) -> None:
        """Save an automation and load it."""
        settings = {name: value for name, value in automation.items() if name != "id"}
        await self._post(f"config/automation/config/{automation['id']}", settings)

    async def save_dashboard(self, config: dict[str, Any]) -> None:
        """Save the dashboard and make it the one that opens first."""
        create = {
            "type": "lovelace/dashboards/create",
            "url_path": DASHBOARD,
            "title": "Keycard",
            "icon": "mdi:card-account-details-outline",
        }
        saved = {
            "type": "lovelace/config/save",
            "url_path": DASHBOARD,
            "config": config,
        }
        first = {
            "type": "frontend/set_system_data",
            "key": "core",
            "value": {"default_panel": DASHBOARD},
        }
        messages: list[dict[str, Any]] = (
            [saved] if self._shown else [create, saved, first]
        )
        self._shown = True
        async with self._session.ws_connect(f"{self._url}/api/websocket") as socket:
            await socket.receive_json()
            await socket.send_json({"type": "auth", "access_token": self._token})
            await socket.receive_json()
            for number, message in enumerate(messages, start=1):
                await socket.send_json({"id": number, **message})
                answer = await socket.receive_json()
                if not answer.get("success"):
                    raise HarnessError(f"{message['type']}: {answer.get('error')}")


def dashboard(homes: Iterable[Mapping[str, Entities]]) -> dict[str, Any]:
    """Describe a dashboard of standard cards: a view for each home, by its devices."""
    return {"views": [_view(devices) for devices in homes]}


def _view(devices: Mapping[str, Entities]) -> dict[str, Any]:
    title, cloud = next(
        (name, entities)
        for name, entities in devices.items()
        if ("event", "outage") in entities
    )
    sections = [
        _section("The maker's cloud", _tiles(cloud, _CLOUD_TILES)),
        _section("Notices", _notices(cloud)),
    ]
    sections.extend(
        _section(name, _tiles(entities, _CAR_TILES))
        for name, entities in sorted(devices.items())
        if entities is not cloud
    )
    return {"title": title, "type": "sections", "sections": sections}


def _notices(cloud: Entities) -> list[dict[str, Any]]:
    event = cloud["event", "outage"]
    content = (
        f"**{{{{ state_attr('{event}', 'title') or 'None so far' }}}}**\n\n"
        f"{{{{ state_attr('{event}', 'text') or '' }}}}"
    )
    return [
        {"type": "markdown", "title": "Last notice", "content": content},
        {
            "type": "history-graph",
            "title": "The story",
            "hours_to_show": 7,
            "entities": [
                {"entity": cloud["sensor", "status"], "name": "Status"},
                {"entity": cloud["sensor", "scope"], "name": "Affected"},
            ],
        },
    ]


def _section(heading: str, cards: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "grid", "cards": [{"type": "heading", "heading": heading}, *cards]}


def _tiles(
    entities: Entities, wanted: Iterable[tuple[str, str]]
) -> list[dict[str, Any]]:
    return [
        {"type": "tile", "entity": entities[one], "name": {"type": "entity"}}
        for one in wanted
        if one in entities
    ]
