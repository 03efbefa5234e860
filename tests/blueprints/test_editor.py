"""Automations created from the blueprints by the editor."""

from pathlib import Path
from typing import Any

import pytest

from homeassistant.components.automation.config import AUTOMATION_BLUEPRINT_SCHEMA
from homeassistant.components.blueprint.models import Blueprint
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml.loader import load_yaml_dict
from pytest_homeassistant_custom_component.test_util.aiohttp import AiohttpClientMocker
from pytest_homeassistant_custom_component.typing import (
    ClientSessionGenerator,
    WebSocketGenerator,
)

from custom_components.keycard.blueprint_installer import BUNDLED_BLUEPRINTS

from .blueprint_automation import EVENT, install

REPOSITORY = "keycard-ha/keycard"
FOLDER = "main/custom_components/keycard/blueprints/automation"
LEAST: dict[str, dict[str, Any]] = {
    "it_has_begun_elsewhere.yaml": {
        "outage_event": EVENT,
        "early_warning": "binary_sensor.tesla_cloud_europe_early_warning",
    },
    "lock_up_in_an_outage.yaml": {"outage_event": EVENT, "locks": ["lock.ada_lock"]},
    "take_your_keycard.yaml": {"outage_event": EVENT},
}
NAMES = {
    "it_has_begun_elsewhere.yaml": "Tesla outage: early warning from another region",
    "lock_up_in_an_outage.yaml": "Tesla outage: lock the cars",
    "take_your_keycard.yaml": "Take your keycard",
}


async def test_an_automation_from_each(
    hass: HomeAssistant,
    tmp_path: Path,
    hass_client: ClientSessionGenerator,
    hass_ws_client: WebSocketGenerator,
) -> None:
    """Only inputs without a default are required."""
    (tmp_path / "configuration.yaml").write_text(
        "automation: !include automations.yaml\n"
    )
    (tmp_path / "automations.yaml").write_text("[]\n")
    for domain in ("keycard", "automation", "config"):
        assert await async_setup_component(hass, domain, {})
    await install(hass)
    socket = await hass_ws_client(hass)
    await socket.send_json_auto_id({"type": "blueprint/list", "domain": "automation"})
    listed = (await socket.receive_json())["result"]
    client = await hass_client()
    for name, inputs in LEAST.items():
        path = f"keycard/{name}"
        assert listed[path]["metadata"]["name"] == NAMES[name]
        settings = {"alias": name, "use_blueprint": {"path": path, "input": inputs}}
        url = f"/api/config/automation/config/{name.removesuffix('.yaml')}"
        answer = await client.post(url, json=settings)
        assert answer.status == 200, await answer.text()
    await hass.async_block_till_done()
    states = hass.states.async_all("automation")
    assert [state.state for state in states] == ["on"] * len(LEAST)


@pytest.mark.parametrize("name", LEAST)
async def test_each_can_be_imported_from_the_repository(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    aioclient_mock: AiohttpClientMocker,
    name: str,
) -> None:
    text = (BUNDLED_BLUEPRINTS / name).read_text()
    aioclient_mock.get(  # type: ignore[no-untyped-call]  # it is not ours
        f"https://raw.githubusercontent.com/{REPOSITORY}/{FOLDER}/{name}", text=text
    )
    for domain in ("keycard", "automation"):
        assert await async_setup_component(hass, domain, {})
    socket = await hass_ws_client(hass)
    await socket.send_json_auto_id(
        {
            "type": "blueprint/import",
            "url": f"https://github.com/{REPOSITORY}/blob/{FOLDER}/{name}",
        }
    )
    result = (await socket.receive_json())["result"]
    assert result["validation_errors"] is None
    assert result["suggested_filename"] == f"keycard-ha/{name.removesuffix('.yaml')}"
    assert result["blueprint"]["metadata"]["name"] == NAMES[name]


def test_automations_from_the_first_version_go_on() -> None:
    """Inputs of earlier versions exist, and their defaults mean the same."""
    given = Blueprint(
        load_yaml_dict(BUNDLED_BLUEPRINTS / "take_your_keycard.yaml"),
        expected_domain="automation",
        schema=AUTOMATION_BLUEPRINT_SCHEMA,
    ).inputs
    first: dict[str, Any] = {
        "phones": [],
        "notify_entities": [],
        "wait": {"minutes": 0},
        "warnings": False,
        "own_actions": [],
        "rehearsal_title": "Take your keycard (rehearsal)",
    }
    assert {name: given[name]["default"] for name in first} == first
    assert given.keys() >= {"outage_event", "rehearsal_message"}
    # New inputs do nothing by default.
    new = {"when": "at_once", "reminder": {"minutes": 0}, "quiet_hours": False}
    assert {name: given[name]["default"] for name in new} == new
    asked = {name for name, field in given.items() if "default" not in field}
    assert asked == {"outage_event"}


def test_all_that_is_shipped_is_tried() -> None:
    assert {path.name for path in BUNDLED_BLUEPRINTS.iterdir()} == set(LEAST)
