"""Fixtures of blueprints: a configuration folder and notices."""

from pathlib import Path

from freezegun.api import FrozenDateTimeFactory
import pytest

from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import async_mock_service

from .blueprint_automation import EVENT, NOON, Tell


@pytest.fixture(autouse=True)
def blueprint_folder(hass: HomeAssistant, tmp_path: Path) -> Path:
    """Use a temporary configuration folder."""
    hass.config.config_dir = str(tmp_path)
    return tmp_path / "blueprints" / "automation"


@pytest.fixture
def own(hass: HomeAssistant) -> list[ServiceCall]:
    """Record the calls of the user's own action."""
    return async_mock_service(hass, "test", "own")


@pytest.fixture
def tell(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> Tell:
    """Return a function that makes the event entity report a notice."""
    freezer.move_to(NOON)
    told_since: list[str] = []

    def say(kind: str, notice: str, text: str = "Text", **attributes: object) -> None:
        now = dt_util.utcnow().isoformat(timespec="milliseconds")
        if notice == "take" and not told_since:
            told_since.append(now)
        hass.states.async_set(
            EVENT,
            now,
            {
                "event_type": kind,
                "notice": notice,
                "title": f"Title {kind}",
                "text": text,
                "keys": {"Ada": "keycard"},
                "told_since": told_since[0] if told_since else None,
                **attributes,
            },
        )
        if notice == "all_clear":
            told_since.clear()

    return say
