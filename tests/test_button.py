"""The button that wakes a car."""

import pytest

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry

from simulator import Simulator


async def press(hass: HomeAssistant) -> None:
    await hass.services.async_call(
        "button", "press", {"entity_id": "button.ada_wake"}, blocking=True
    )


async def test_wake(
    hass: HomeAssistant, simulator: Simulator, account: MockConfigEntry
) -> None:
    await press(hass)
    assert simulator.cars["Ada"].executed["wake_up"] == 1


async def test_nothing_reaches_the_car(
    hass: HomeAssistant, simulator: Simulator, account: MockConfigEntry
) -> None:
    simulator.set("eu.api", "refuse")
    with pytest.raises(HomeAssistantError):
        await press(hass)
