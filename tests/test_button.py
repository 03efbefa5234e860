"""The wake button of a vehicle."""

import pytest

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry

from simulator import Simulator

from .conftest import car_of, show_state


async def press(hass: HomeAssistant, entity: str = "button.ada_wake") -> None:
    await hass.services.async_call(
        "button", "press", {"entity_id": entity}, blocking=True
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


@pytest.mark.usefixtures("every_entity")
async def test_homelink_wants_to_know_where_the_car_is(
    hass: HomeAssistant, simulator: Simulator, account: MockConfigEntry
) -> None:
    show_state(car_of(account, "Cy"), latitude=None, longitude=None)
    with pytest.raises(HomeAssistantError) as error:
        await press(hass, "button.cy_homelink")
    assert error.value.translation_key == "place_not_known"
    assert not simulator.cars["Cy"].executed
    # A car without HomeLink has no such button.
    assert hass.states.get("button.ada_homelink") is None
