"""Client of Home Assistant's HTTP API: sign-in, settings and wall view."""

from datetime import datetime, timedelta
from functools import partial
import os
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import aiohttp

from homeassistant.auth.const import GROUP_ID_ADMIN
from homeassistant.core import HomeAssistant

from .ports import HOST
from .time_control import HarnessError
from .user_client import FlowClient, Result

DASHBOARD = "keycard-demo"
USER_NAME = "Owner"
TOKEN_LIFETIME = timedelta(days=1)
EXTRA_INTEGRATIONS = ("history", "logbook", "mobile_app")
# Sign in without a password on this machine.
AUTH_PROVIDERS = [
    {
        "type": "trusted_networks",
        "trusted_networks": [f"{HOST}/32"],
        "allow_bypass_login": True,
    }
]
LOCAL_TIME = Path("/etc/localtime")
WALL_VIEW = {"strategy": {"type": "custom:keycard"}}


def local_time_zone() -> str:
    """Return the time zone of this machine, where the browser runs, too."""
    for name in (os.environ.get("TZ", "").lstrip(":"), _linked_time_zone()):
        if name and name in available_timezones():
            return name
    offset = datetime.now().astimezone().utcoffset()
    hours = round((offset or timedelta()) / timedelta(hours=1))
    # The sign in these names is contrary to that of the offset.
    return f"Etc/GMT{-hours:+d}" if hours else "UTC"


def _linked_time_zone() -> str:
    """Return the time zone that the system's link names, empty if there is none."""
    _, _, name = str(LOCAL_TIME.resolve()).partition("zoneinfo/")
    return name


def keep_signed_in(hass: HomeAssistant) -> None:
    """Make new sign-ins last, as the clock runs fast."""
    create_refresh_token = partial(
        hass.auth.async_create_refresh_token, access_token_expiration=TOKEN_LIFETIME
    )
    setattr(hass.auth, "async_create_refresh_token", create_refresh_token)  # noqa: B010 - a method


async def complete_onboarding(hass: HomeAssistant) -> str:
    """Create the user and return an access token."""
    keep_signed_in(hass)
    user = await hass.auth.async_create_user(USER_NAME, group_ids=[GROUP_ID_ADMIN])
    token = await hass.auth.async_create_refresh_token(
        user, client_name="Demo", client_id=f"http://{HOST}/"
    )
    return hass.auth.async_create_access_token(token)


class FrontendClient:
    """Changes settings over HTTP and WebSocket, as the frontend does."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str) -> None:
        self._session = session
        self._url = url
        self._token = token
        self.flow_client: FlowClient = self

    async def _post(self, path: str, data: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {self._token}"}
        async with self._session.post(
            f"{self._url}/api/{path}", json=data, headers=headers
        ) as response:
            if response.status >= 300:
                text = await response.text()
                raise HarnessError(f"{path}: {response.status} {text[:500]}")
            return await response.json()

    async def start(self, handler: str) -> Result:
        """Start a flow and return its first result."""
        result: Result = await self._post(
            "config/config_entries/flow", {"handler": handler}
        )
        return result

    async def submit(self, flow_id: str, user_input: dict[str, Any]) -> Result:
        """Submit a step and return the next result."""
        result: Result = await self._post(
            f"config/config_entries/flow/{flow_id}", user_input
        )
        return result

    def fields(self, result: Result) -> frozenset[str]:
        """Return the names of a step's fields."""
        return frozenset(field["name"] for field in result.get("data_schema") or ())

    async def save_wall_view(self) -> None:
        """Save the wall view as a dashboard and make it the default."""
        create = {
            "type": "lovelace/dashboards/create",
            "url_path": DASHBOARD,
            "title": "Keycard",
            "icon": "mdi:card-account-details-outline",
        }
        save = {
            "type": "lovelace/config/save",
            "url_path": DASHBOARD,
            "config": WALL_VIEW,
        }
        set_default = {
            "type": "frontend/set_system_data",
            "key": "core",
            "value": {"default_panel": DASHBOARD},
        }
        messages: list[dict[str, Any]] = [create, save, set_default]
        async with self._session.ws_connect(f"{self._url}/api/websocket") as socket:
            await socket.receive_json()
            await socket.send_json({"type": "auth", "access_token": self._token})
            await socket.receive_json()
            for number, message in enumerate(messages, start=1):
                await socket.send_json({"id": number, **message})
                answer = await socket.receive_json()
                if not answer.get("success"):
                    raise HarnessError(f"{message['type']}: {answer.get('error')}")
