"""Helpers for automations from the blueprints."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory

from homeassistant.components import automation
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.keycard.blueprint_installer import async_install_blueprints

TAKE = "keycard/take_your_keycard.yaml"
EVENT = "event.tesla_cloud_europe_outage_notice"
NOON = datetime(2026, 11, 23, 12, tzinfo=dt_util.UTC)

type Tell = Callable[..., None]


async def install(hass: HomeAssistant) -> None:
    """Install the blueprints."""
    await async_install_blueprints(hass)
    await hass.async_block_till_done()


async def add_automation(hass: HomeAssistant, path: str, **inputs: Any) -> None:
    """Add an automation from an installed blueprint."""
    assert await async_setup_component(hass, automation.DOMAIN, {})
    if not hass.states.async_all("automation"):
        await install(hass)
    use = {"path": path, "input": inputs}
    config = {"id": "told", "alias": "Told", "use_blueprint": use}
    with patch(
        "homeassistant.config.async_hass_config_yaml",
        return_value={"automation": [config]},
    ):
        await hass.services.async_call("automation", "reload", blocking=True)
    automations = hass.states.async_all("automation")
    assert [state.state for state in automations] == ["on"]


async def relay(hass: HomeAssistant, **inputs: Any) -> None:
    """Add an automation from *Take your keycard*."""
    own = {
        "action": "test.own",
        "data": {
            name: f"{{{{ {name} }}}}" for name in ("title", "message", "notice", "keys")
        },
    }
    await add_automation(
        hass, TAKE, **{"outage_event": EVENT, "own_actions": [own], **inputs}
    )


async def rehearse(hass: HomeAssistant) -> None:
    """Choose *Run actions* in the menu of the automation."""
    await hass.services.async_call(
        "automation", "trigger", {"entity_id": "automation.told"}
    )


async def settle() -> None:
    """Run the event loop until it is idle."""
    for _ in range(200):
        await asyncio.sleep(0)


async def wait(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, minutes: float
) -> None:
    """Let time pass without waiting for running automations."""
    await settle()
    freezer.tick(timedelta(minutes=minutes))
    async_fire_time_changed(hass)
    await settle()


def notices(calls: Sequence[ServiceCall]) -> list[str]:
    """Return the notices passed to an own action."""
    return [call.data["notice"] for call in calls]


def add_phone(hass: HomeAssistant, name: str, *, pushes: bool = True) -> str:
    """Add a phone with the app, and return its device id."""
    app = MockConfigEntry(domain="mobile_app", title=name)
    app.add_to_hass(hass)
    device = dr.async_get(hass).async_get_or_create(
        config_entry_id=app.entry_id, identifiers={("mobile_app", name)}, name=name
    )
    for domain in ("device_tracker", *(["notify"] if pushes else [])):
        er.async_get(hass).async_get_or_create(
            domain,
            "mobile_app",
            name,
            device_id=device.id,
            config_entry=app,
            suggested_object_id=name.lower(),
        )
    return device.id


def place(hass: HomeAssistant, where: str, **phones: str) -> None:
    """Set the location of persons with their phones."""
    for person, phone in phones.items():
        hass.states.async_set(
            f"person.{person}",
            where,
            {"device_trackers": [f"device_tracker.{one}" for one in phone.split()]},
        )
    at_home = [
        state.entity_id
        for state in hass.states.async_all("person")
        if state.state == "home"
    ]
    hass.states.async_set("zone.home", str(len(at_home)), {"persons": at_home})
