"""A drill that a user starts on the page of the device."""

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry

from .conftest import WALL, Frontend

# Buttons are in alphabetical order: end, send a test, start.
PRESS = "withText('Press')"


async def test_drill(
    hass: HomeAssistant, frontend: Frontend, watch: MockConfigEntry, wall: None
) -> None:
    device = dr.async_get(hass).async_get_device_by_identifier(
        ("keycard", watch.entry_id), watch.entry_id
    )
    assert device is not None
    await frontend.open(f"/config/devices/device/{device.id}")
    await frontend.page.click_element(f"{PRESS}.length === 3 && {PRESS}[2]")
    await frontend.open(WALL)
    await frontend.find("Take the keycard")
    await frontend.find("Take the key fob")
    await frontend.page.until("return withText('Drill').length === 2")
    await frontend.open(f"/config/devices/device/{device.id}")
    await frontend.page.click_element(f"{PRESS}.length === 3 && {PRESS}[0]")
    await frontend.open(WALL)
    await frontend.page.until("return withText('Usual key').length === 2")
