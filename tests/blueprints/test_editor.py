"""Automations created from the blueprints by the editor."""

from pathlib import Path
from typing import Any

import pytest

from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.test_util.aiohttp import AiohttpClientMocker
from pytest_homeassistant_custom_component.typing import (
    ClientSessionGenerator,
    WebSocketGenerator,
)

from custom_components.keycard.blueprint_installer import BUNDLED_BLUEPRINTS
from tests.repository_files import ROOT

from .blueprint_automation import EVENT, install

REPOSITORY = "keycard-ha/keycard"
FOLDER = "main/custom_components/keycard/blueprints/automation"
MAX_LINES = 80
ACTIONS = [{"action": "light.turn_on", "target": {"entity_id": "light.door"}}]
LEAST: dict[str, dict[str, Any]] = {
    "tesla_outage_early_warning.yaml": {"outage_event": EVENT, "actions": ACTIONS},
    "tesla_outage_lock_up.yaml": {"outage_event": EVENT, "cars": ["0" * 32]},
    "tesla_outage_take_your_keycard.yaml": {"outage_event": EVENT, "actions": ACTIONS},
}
NAMES = {
    "tesla_outage_early_warning.yaml": (
        "Tesla outage: early warning from another region"
    ),
    "tesla_outage_lock_up.yaml": "Tesla outage: lock up",
    "tesla_outage_take_your_keycard.yaml": "Tesla outage: take your keycard",
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


def test_each_is_short_enough_to_be_read() -> None:
    for path in BUNDLED_BLUEPRINTS.iterdir():
        assert len(path.read_text().splitlines()) <= MAX_LINES, path.name


def test_an_old_file_is_never_installed_again() -> None:
    """Homes that have it would get another blueprint under its name."""
    old = {path.name for path in (ROOT / "tests/fixtures/blueprints").rglob("*.yaml")}
    assert not old & {path.name for path in BUNDLED_BLUEPRINTS.iterdir()}


def test_all_that_is_shipped_is_tried() -> None:
    assert {path.name for path in BUNDLED_BLUEPRINTS.iterdir()} == set(LEAST)
