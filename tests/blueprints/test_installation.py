"""Installation of the blueprints."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from homeassistant.components import automation
from homeassistant.components.automation.helpers import async_get_blueprints
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component

from custom_components.keycard.blueprint_installer import BUNDLED_BLUEPRINTS, STORE_KEY

from .blueprint_automation import TAKE as PATH, install


async def test_installed_beside_the_examples(
    hass: HomeAssistant, hass_storage: dict[str, Any]
) -> None:
    # Blueprints can only be installed after automations are set up.
    await install(hass)
    assert STORE_KEY not in hass_storage
    assert await async_setup_component(hass, automation.DOMAIN, {})
    await hass.async_block_till_done()
    blueprints = await async_get_blueprints(hass).async_get_blueprints()
    assert "homeassistant/motion_light.yaml" in blueprints
    shipped = [f"keycard/{path.name}" for path in sorted(BUNDLED_BLUEPRINTS.iterdir())]
    assert PATH in shipped
    assert set(shipped) <= set(blueprints)
    assert getattr(blueprints[PATH], "name", None) == "Tesla outage: take your keycard"
    assert list(hass_storage[STORE_KEY]["data"]) == shipped


async def test_an_edited_blueprint_stays(
    hass: HomeAssistant, blueprint_folder: Path
) -> None:
    assert await async_setup_component(hass, automation.DOMAIN, {})
    await install(hass)
    file = blueprint_folder / PATH
    edited = file.read_text().replace("take your keycard", "mine")
    file.write_text(edited)
    await install(hass)
    assert file.read_text() == edited


async def test_a_deleted_blueprint_stays_away(
    hass: HomeAssistant, blueprint_folder: Path
) -> None:
    assert await async_setup_component(hass, automation.DOMAIN, {})
    await install(hass)
    (blueprint_folder / PATH).unlink()
    await install(hass)
    assert not (blueprint_folder / PATH).exists()


async def test_a_blueprint_of_an_older_version_is_replaced(
    hass: HomeAssistant, blueprint_folder: Path, tmp_path: Path
) -> None:
    assert await async_setup_component(hass, automation.DOMAIN, {})
    await install(hass)
    file = blueprint_folder / PATH
    now = file.read_text()
    newer = tmp_path / "shipped"
    newer.mkdir()
    (newer / file.name).write_text(now.replace("author: Keycard", "author: Newer"))
    with patch(
        "custom_components.keycard.blueprint_installer.BUNDLED_BLUEPRINTS", newer
    ):
        await install(hass)
    assert "author: Newer" in file.read_text()
    await install(hass)
    assert file.read_text() == now


async def test_a_blueprint_that_is_there_already_is_known(
    hass: HomeAssistant, blueprint_folder: Path, hass_storage: dict[str, Any]
) -> None:
    assert await async_setup_component(hass, automation.DOMAIN, {})
    await install(hass)
    kept = hass_storage.pop(STORE_KEY)
    await install(hass)
    assert hass_storage[STORE_KEY]["data"] == kept["data"]


async def test_a_full_disk_is_no_reason_to_fail(
    hass: HomeAssistant, blueprint_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert await async_setup_component(hass, automation.DOMAIN, {})
    with patch("pathlib.Path.write_text", side_effect=OSError("disk full")):
        await install(hass)
    assert "disk full" in caplog.text
    assert not (blueprint_folder / PATH).exists()
    await install(hass)
    assert (blueprint_folder / PATH).exists()
