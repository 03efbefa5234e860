"""Repairs of the Bluetooth key, which no cloud has a say in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from homeassistant.core import HomeAssistant
from homeassistant.helpers.issue_registry import IssueSeverity
from pytest_homeassistant_custom_component.common import MockConfigEntry

from simulator import Simulator
from simulator.protocol import Role

from .local import Near, bring_near, paired
from .story import Story, status_of
from .test_repairs import assert_told, repairs


@pytest.fixture
async def near(
    hass: HomeAssistant, enable_bluetooth: None, simulator: Simulator
) -> AsyncIterator[Near]:
    near = await bring_near(hass, simulator)
    yield near
    near.proxy.remove()


async def test_a_car_that_has_lost_the_bluetooth_key(
    story: Story, watching_entry: MockConfigEntry, near: Near
) -> None:
    whitelist = story.simulator.computers["Ada"].whitelist
    entry = await story.settled(paired(watching_entry, near.car))
    assert repairs(story) == {}
    key = whitelist.entries[0].point
    whitelist.remove(key)
    # An outage of the cloud has no say in what a car holds.
    story.simulator.apply(dict.fromkeys(("all.status", "all.api"), "timeout"))
    await story.until(lambda: status_of(entry) == "outage", 120)
    await story.until(lambda: bool(repairs(story)), 3700)
    names = assert_told(story, entry, "bluetooth_key_not_paired")
    assert names == {"entry": entry.title, "cars": "Ada"}
    assert repairs(story)["bluetooth_key_not_paired"].severity is IssueSeverity.WARNING
    whitelist.add(key, Role.DRIVER)
    await story.until(lambda: not repairs(story), 3700)


async def test_a_bluetooth_key_that_cannot_be_used(
    story: Story, watching_entry: MockConfigEntry, tmp_path: Path
) -> None:
    (tmp_path / "keycard_bluetooth.key").write_text("nonsense")
    entry = paired(watching_entry, story.simulator.cars["Ada"])
    await story.set_up(entry)
    assert_told(story, entry, "bluetooth_key_file")
    assert story.states()["sensor.ada_key_to_take"] == "usual"
    (tmp_path / "keycard_bluetooth.key").unlink()
    await story.restart(entry)
    assert repairs(story) == {}
