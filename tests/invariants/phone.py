"""A phone with the Home Assistant app, registered over its HTTP API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr

PHONE_TOKEN = "push token"


@dataclass(kw_only=True)
class Phone:
    """A phone that shows what is pushed to it."""

    client: TestClient[Any, Any]
    name: str
    manufacturer: str = "Google"
    pushed: list[dict[str, Any]] = field(default_factory=list)
    status: int = 201
    webhook_id: str = ""
    device_id: str = ""

    async def register(self, hass: HomeAssistant, push_url: str) -> None:
        """Register as the app does."""
        registration = {
            "app_data": {"push_token": PHONE_TOKEN, "push_url": push_url},
            "app_id": "io.homeassistant.companion.android",
            "app_name": "Home Assistant",
            "app_version": "2026.11.1",
            "device_id": f"id of {self.name}",
            "device_name": self.name,
            "manufacturer": self.manufacturer,
            "model": "Pixel 12",
            "os_name": "Android",
            "os_version": "17",
            "supports_encryption": False,
        }
        response = await self.client.post(
            "/api/mobile_app/registrations", json=registration
        )
        assert response.status == 201
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
        if self.status == 201:
            self.pushed.append(await request.json())
        return web.json_response({}, status=self.status)

    @property
    def titles(self) -> list[str]:
        """Return the titles of what was pushed, or its message without one."""
        return [one.get("title", one["message"]) for one in self.pushed]

    async def fire(self, event: str, **data: Any) -> None:
        """Send an event as the app does."""
        message = {
            "type": "fire_event",
            "data": {"event_type": event, "event_data": data},
        }
        response = await self.client.post(
            f"/api/webhook/{self.webhook_id}", json=message
        )
        assert response.status == 200

    async def press(self, title: str) -> None:
        """Press a button of the last notification."""
        (action,) = [
            one["action"]
            for one in self.pushed[-1]["data"]["actions"]
            if one["title"] == title
        ]
        await self.fire("mobile_app_notification_action", action=action)


@asynccontextmanager
async def registered(
    hass: HomeAssistant, client: TestClient[Any, Any], name: str
) -> AsyncIterator[Phone]:
    """Register a phone whose pushes come to a server on loopback."""
    phone = Phone(client=client, name=name)
    app = web.Application()
    app.router.add_post("/push", phone.push)
    async with TestServer(app) as server:
        await phone.register(hass, str(server.make_url("/push")))
        yield phone


def receiver(
    kind: str, target: str = "", name: str = "", **data: Any
) -> ConfigSubentry:
    """Return the subentry of a receiver."""
    return ConfigSubentry(
        data=MappingProxyType(
            {"kind": kind, "target": target, **data} if target else {"kind": kind}
        ),
        subentry_type="receiver",
        title=name or kind,
        unique_id=f"{kind}:{target}" if target else kind,
    )
