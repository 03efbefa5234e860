"""The local way in: Bluetooth keeps a car its owner's while the cloud is down."""

from collections.abc import AsyncIterator

import pytest

from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from simulator import Simulator

from .local import Near, bring_near, paired
from .story import LOCK, Story, status_of

CONNECTION = "sensor.ada_connection"


@pytest.fixture
async def near(
    hass: HomeAssistant, enable_bluetooth: None, simulator: Simulator
) -> AsyncIterator[Near]:
    near = await bring_near(hass, simulator)
    yield near
    near.proxy.remove()


async def test_a_car_opens_in_an_outage(
    story: Story, compatible_entry: MockConfigEntry, near: Near
) -> None:
    entry = await story.settled(paired(compatible_entry, near.car))
    assert story.states()[CONNECTION] == "both"
    story.simulator.apply(dict.fromkeys(("all.status", "all.api"), "timeout"))
    await story.until(lambda: status_of(entry) == "outage", 120)
    assert story.states()[CONNECTION] == "bluetooth"
    calls = story.simulator.calls.count("door_unlock")
    assert await story.act("unlock") is None
    assert story.states()[LOCK] == "unlocked"
    assert not near.car.locked
    assert near.car.executed["door_unlock"] == 1
    assert story.simulator.calls.count("door_unlock") == calls
