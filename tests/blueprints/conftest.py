"""Fixtures of blueprints: a configuration folder."""

from pathlib import Path

import pytest

from homeassistant.core import HomeAssistant


@pytest.fixture(autouse=True)
def blueprint_folder(hass: HomeAssistant, tmp_path: Path) -> Path:
    """Use a temporary configuration folder."""
    hass.config.config_dir = str(tmp_path)
    return tmp_path / "blueprints" / "automation"
