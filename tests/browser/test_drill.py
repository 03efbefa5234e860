"""A drill that a user starts on the page of the device."""

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry

from tests.conftest import state_of, until

from .conftest import WALL, Frontend

KEY = "sensor.ada_key_to_take"


async def test_drill(
    hass: HomeAssistant, frontend: Frontend, watch: MockConfigEntry, wall: None
) -> None:
    device = dr.async_get(hass).async_get_device_by_identifier(
        ("keycard", watch.entry_id), watch.entry_id
    )
    assert device is not None
    await frontend.open(f"/config/devices/device/{device.id}")
    await frontend.press("Start a drill")
    # A page that is left may not have sent everything.
    await until(hass, lambda: state_of(hass, KEY).state == "keycard")
    await frontend.open(WALL)
    await frontend.find("Take the keycard")
    await frontend.find("Take the key fob")
    await frontend.page.until("return withText('Drill').length === 2")
    await frontend.open(f"/config/devices/device/{device.id}")
    await frontend.press("End the drill")
    await until(hass, lambda: state_of(hass, KEY).state == "usual")
    await frontend.open(WALL)
    await frontend.page.until("return withText('Usual key').length === 2")
