"""Helpers for automations from the blueprints."""

from homeassistant.core import HomeAssistant

from custom_components.keycard.blueprint_installer import async_install_blueprints

TAKE = "keycard/tesla_outage_take_your_keycard.yaml"
EVENT = "event.tesla_cloud_outage_notice"


async def install(hass: HomeAssistant) -> None:
    """Install the blueprints."""
    await async_install_blueprints(hass)
    await hass.async_block_till_done()
