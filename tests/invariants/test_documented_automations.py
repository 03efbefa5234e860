"""The automations of docs/automations.md work as documented."""

from collections.abc import AsyncIterator
import re
from typing import Any

import pytest
import yaml

from homeassistant.core import ServiceCall
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_mock_service,
)

from tests.repository_files import ROOT

from .story import Story

DOWN = {"eu.api": "503 down", "eu.status": "503 down"}
UP = dict.fromkeys(DOWN, "ok")

EXAMPLES: dict[str, dict[str, Any]] = {
    automation["alias"]: automation
    for block in re.findall(
        r"^```yaml\n(.*?)^```$",
        (ROOT / "docs" / "automations.md").read_text(),
        re.DOTALL | re.MULTILINE,
    )
    for automation in [yaml.safe_load(block)]
}


@pytest.fixture
def calls(story: Story) -> list[ServiceCall]:
    return async_mock_service(story.hass, "notify", "send_message")


@pytest.fixture
def lamp(story: Story) -> list[ServiceCall]:
    async_mock_service(story.hass, "light", "turn_off")
    return async_mock_service(story.hass, "light", "turn_on")


@pytest.fixture
async def home(story: Story, compatible_entry: MockConfigEntry) -> AsyncIterator[Story]:
    """Set up the cloud and the cars named in the page."""
    compatible_entry.add_to_hass(story.hass)
    story.hass.config_entries.async_update_entry(
        compatible_entry, title="Tesla cloud (Europe)"
    )
    await story.settled(compatible_entry)
    yield story
    # Nothing is scheduled beyond the test.
    await story.hass.services.async_call(
        "automation", "turn_off", {"entity_id": "all"}, blocking=True
    )


async def automate(story: Story, alias: str) -> None:
    """Set up an example."""
    assert await async_setup_component(
        story.hass, "automation", {"automation": EXAMPLES[alias]}
    )
    await story.pace.settle()
    (automation,) = story.hass.states.async_all("automation")
    assert automation.state == "on"


async def run(story: Story) -> None:
    """Run the actions of an example."""
    (automation,) = story.hass.states.async_all("automation")
    await story.drive(
        story.hass.services.async_call(
            "automation", "trigger", {"entity_id": automation.entity_id}, blocking=True
        )
    )
    await story.pace.settle()


def test_every_example_is_tried() -> None:
    assert set(EXAMPLES) == {
        "Red lamp at the door",
        "Tell the kitchen",
        "Warm the car",
        "Ask before I leave",
        "Outages of the week",
    }


async def test_red_lamp(home: Story, lamp: list[ServiceCall]) -> None:
    off = async_mock_service(home.hass, "light", "turn_off")
    await automate(home, "Red lamp at the door")
    home.simulator.apply(DOWN)
    await home.go(300)
    assert [call.data for call in lamp] == [
        {"entity_id": ["light.door"], "color_name": "red"}
    ]
    assert off == []
    home.simulator.apply(UP)
    await home.go(600)
    assert (len(lamp), len(off)) == (1, 1)


async def test_tell_the_kitchen(home: Story, calls: list[ServiceCall]) -> None:
    await automate(home, "Tell the kitchen")
    home.simulator.apply(DOWN)
    await home.go(590)
    assert calls == []
    await home.go(100)
    assert [call.data["title"] for call in calls] == ["Take your keycard and key fob"]
    assert "Take the keycard for Ada" in calls[0].data["message"]


async def test_warm_the_car(home: Story, calls: list[ServiceCall]) -> None:
    await automate(home, "Warm the car")
    await run(home)
    assert home.simulator.cars["Ada"].executed["auto_conditioning_start"] == 1
    assert calls == []
    home.simulator.apply(DOWN)
    await home.go(300)
    await run(home)
    assert home.simulator.cars["Ada"].executed["auto_conditioning_start"] == 1
    (call,) = calls
    assert call.data["message"].startswith("Ada was not warmed: maker_down.")
    assert "Take the keycard for" in call.data["message"]


async def test_ask_before_i_leave(home: Story, calls: list[ServiceCall]) -> None:
    home.hass.states.async_set("input_button.leaving", "unknown")
    await automate(home, "Ask before I leave")
    for moment, conditions, said in (
        ("1", {}, "No outage is known."),
        ("2", DOWN, "Take the keycard for Ada"),
    ):
        home.simulator.apply(conditions)
        for again in ("", "again"):
            home.hass.states.async_set("input_button.leaving", moment + again)
            await home.until(lambda: bool(calls), within=60)
            assert said in calls.pop().data["message"]
        await home.go(70)


async def test_outages_of_the_week(home: Story, calls: list[ServiceCall]) -> None:
    await automate(home, "Outages of the week")
    home.simulator.apply(DOWN)
    await home.go(600)
    home.simulator.apply(UP)
    await home.go(900)
    calls.clear()
    await run(home)
    (call,) = calls
    found = re.fullmatch(r"1 outages, (\d+) minutes in all\.", call.data["message"])
    assert found is not None
    assert 10 <= int(found[1]) <= 15
