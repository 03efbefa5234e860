"""A simulated phone with the Home Assistant app.

It registers over the HTTP API of the app, and its pushes arrive at a server on
loopback.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
import time
from typing import Any

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from homeassistant.components.person import async_create_person
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr

from simulator.scenarios.scenario import PhoneSpec

from .scenario_runner import ReceivedNotice
from .time_control import HarnessError

PERSON = "Anne"
PUSH_TOKEN = "push token"

_CLEAR = "clear_notification"
_ACTIVITY_SECONDS = 8 * 3600

# What the app tells of itself, by operating system.
_ANDROID = {
    "app_id": "io.homeassistant.companion.android",
    "manufacturer": "Google",
    "model": "Pixel 12",
    "os_name": "Android",
    "os_version": "17",
}
_IOS = {
    "app_id": "io.robbie.HomeAssistant",
    "manufacturer": "Apple",
    "model": "iPhone19,1",
    "os_name": "iOS",
    "os_version": "27.1",
}
SYSTEMS = {"android": _ANDROID, "ios": _IOS}


@dataclass(kw_only=True)
class Phone:
    """A phone that records what is pushed to it.

    `client` sends requests to Home Assistant, signed in as the owner of the phone.
    `overrides` replace what the app tells of itself.
    """

    client: ClientSession | TestClient[Any, Any]
    name: str
    system: str = "android"
    overrides: Mapping[str, Any] = field(default_factory=dict)
    monotonic: Callable[[], float] = time.monotonic
    live_activities: bool = True
    """Whether the app on iOS has a token that starts live activities."""

    pushed: list[dict[str, Any]] = field(default_factory=list)
    pushed_at: list[float] = field(default_factory=list)
    status: int = 201
    """HTTP status of the push service."""

    push_url: str = ""
    webhook_id: str = ""
    device_id: str = ""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    async def register(self, hass: HomeAssistant, push_url: str) -> None:
        """Register as the app does."""
        self.push_url = push_url
        app_data = {"push_token": PUSH_TOKEN, "push_url": push_url}
        if self.system == "ios" and self.live_activities:
            app_data["start_live_activity_token"] = "start token"
        registration = {
            "app_data": app_data,
            "app_name": "Home Assistant",
            "app_version": "2026.11.1",
            "device_id": f"id of {self.name}",
            "device_name": self.name,
            "supports_encryption": False,
            **SYSTEMS[self.system],
            **self.overrides,
        }
        async with self.client.post(
            "/api/mobile_app/registrations", json=registration
        ) as response:
            if response.status != web.HTTPCreated.status_code:
                raise HarnessError(f"the phone is not registered: {response.status}")
            self.webhook_id = (await response.json())["webhook_id"]
        await hass.async_block_till_done()
        (entry,) = [
            entry
            for entry in hass.config_entries.async_entries("mobile_app")
            if entry.data["webhook_id"] == self.webhook_id
        ]
        (device,) = dr.async_entries_for_config_entry(
            dr.async_get(hass), entry.entry_id
        )
        self.device_id = device.id

    async def push(self, request: web.Request) -> web.Response:
        """Take a push."""
        if self.status == web.HTTPCreated.status_code:
            self.pushed.append(await request.json())
            self.pushed_at.append(self.monotonic())
            self._start_activity(self.pushed[-1].get("data", {}))
        return web.json_response({}, status=self.status)

    def _start_activity(self, data: Mapping[str, Any]) -> None:
        """Tell the token of a live activity that a push has started."""
        if data.get("event") != "start":
            return
        token = {
            "tag": data["tag"],
            "push_token": f"activity {data['tag']}",
            "expires_at": time.time() + _ACTIVITY_SECONDS,
        }
        task = asyncio.create_task(self.send("live_activity_token", token))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def titles(self) -> list[str]:
        """Return the titles of its notifications."""
        return [one["title"] for one in self.notifications]

    @property
    def notifications(self) -> list[dict[str, Any]]:
        """Return what was pushed as an ordinary notification."""
        return [
            one
            for one in self.pushed
            if _kind(one["message"], one["data"]) in ("alert", "quiet")
        ]

    @property
    def live(self) -> list[tuple[str, str]]:
        """Return the texts and ends of live updates, with their tags."""
        return [
            (one["data"]["tag"], one["message"])
            for one in self.pushed
            if _kind(one["message"], one["data"]) in ("live", "clear")
        ]

    def received(self, start: float) -> list[ReceivedNotice]:
        """Return what has been pushed since a monotonic time."""
        return [
            ReceivedNotice(
                at=at - start,
                kind=_kind(one["message"], one.get("data", {})),
                tag=one.get("data", {}).get("tag", ""),
                title=one.get("title", ""),
                text=one["message"],
                buttons=tuple(
                    button["title"] for button in one.get("data", {}).get("actions", ())
                ),
            )
            for at, one in zip(self.pushed_at, self.pushed, strict=True)
            if at >= start
        ]

    async def fire(self, event: str, **data: Any) -> None:
        """Send an event as the app does."""
        await self.send("fire_event", {"event_type": event, "event_data": data})

    async def send(self, kind: str, data: Mapping[str, Any]) -> None:
        """Send a message of the app."""
        async with self.client.post(
            f"/api/webhook/{self.webhook_id}", json={"type": kind, "data": data}
        ) as response:
            if response.status != web.HTTPOk.status_code:
                raise HarnessError(f"{kind} of the phone failed: {response.status}")

    async def press(self, title: str) -> None:
        """Press a button of the last notification that has it."""
        for one in reversed(self.pushed):
            for button in one.get("data", {}).get("actions", ()):
                if button["title"] == title:
                    await self.fire(
                        "mobile_app_notification_action", action=button["action"]
                    )
                    return
        raise HarnessError(f"no notification has the button {title}")


def _kind(message: str, data: Mapping[str, Any]) -> str:
    """Return how the phone shows a push."""
    if message == _CLEAR:
        return "clear"
    if data.get("live_update"):
        return "live"
    level = data.get("push", {}).get("interruption-level")
    quiet = level == "passive" or data.get("importance") == "low"
    return "quiet" if quiet else "alert"


@asynccontextmanager
async def registered(hass: HomeAssistant, phone: Phone) -> AsyncIterator[Phone]:
    """Register a phone whose pushes come to a server on loopback."""
    app = web.Application()
    app.router.add_post("/push", phone.push)
    async with TestServer(app) as server:
        await phone.register(hass, str(server.make_url("/push")))
        yield phone


@asynccontextmanager
async def user_phone(
    hass: HomeAssistant,
    spec: PhoneSpec,
    *,
    url: str,
    token: str,
    monotonic: Callable[[], float],
) -> AsyncIterator[Phone]:
    """Register the phone of the owner, who is a person of this home.

    `url` is that of Home Assistant, `token` an access token of the owner.
    """
    (owner,) = [user for user in await hass.auth.async_get_users() if user.is_owner]
    await async_create_person(hass, PERSON, user_id=owner.id)
    headers = {"Authorization": f"Bearer {token}"}
    async with ClientSession(url, headers=headers) as session:
        phone = Phone(
            client=session,
            name=f"{PERSON}'s phone",
            system=spec.system,
            monotonic=monotonic,
        )
        async with registered(hass, phone):
            yield phone
