"""Keycard is set up from the menu of integrations to the page of its device."""

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr

from custom_components.keycard.const import DOMAIN

from .conftest import Frontend

ADD = f"/config/integrations/dashboard/add?domain={DOMAIN}"
# The search field of the page behind has a placeholder.
NAME = "visible('input').find((input) => !input.placeholder)"


async def open_menu(frontend: Frontend) -> None:
    """Start the set-up and answer that no car is in Home Assistant."""
    await frontend.open(ADD)
    await frontend.click("OK")
    await frontend.find("Is your Tesla in Home Assistant already?")
    await frontend.click("No")
    await frontend.find("How should Keycard reach it?")


async def test_watch_the_cloud(hass: HomeAssistant, frontend: Frontend) -> None:
    await open_menu(frontend)
    await frontend.click("Watch the cloud only")
    await frontend.find("Watch Tesla's cloud")
    await frontend.click("Submit")
    await frontend.find("Your cars")
    await frontend.page.click_element(NAME)
    await frontend.page.type("Ada")
    await frontend.click("Submit")
    await frontend.find("Who should be notified?")
    await frontend.click("Submit", "its device")
    await frontend.find("Start a drill")
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    assert [car["name"] for car in entry.options["cars"].values()] == ["Ada"]
    device = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, entry.entry_id), entry.entry_id
    )
    assert device is not None
    path = await frontend.page.evaluate("return location.pathname")
    assert path == f"/config/devices/device/{device.id}"


async def test_credentials_are_entered_on_the_way(
    hass: HomeAssistant, frontend: Frontend
) -> None:
    """After them, Tesla is not chosen a second time."""
    await open_menu(frontend)
    await frontend.click("Tesla")
    for name, text in (
        ("name", "My application"),
        ("clientId", "client-id"),
        ("clientSecret", "client-secret"),
    ):
        await frontend.page.click_element(
            f"visible('input').find((input) => input.name === '{name}')"
        )
        await frontend.page.type(text)
    await frontend.click("Add")
    await frontend.find("Sign in with Tesla")
