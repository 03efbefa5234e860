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

from .home import HomeUnderTest

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
def calls(home: HomeUnderTest) -> list[ServiceCall]:
    return async_mock_service(home.hass, "notify", "send_message")


@pytest.fixture
def lamp(home: HomeUnderTest) -> list[ServiceCall]:
    async_mock_service(home.hass, "light", "turn_off")
    return async_mock_service(home.hass, "light", "turn_on")


@pytest.fixture
async def prepared_home(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> AsyncIterator[HomeUnderTest]:
    """Set up the cloud and the cars named in the page."""
    compatible_entry.add_to_hass(home.hass)
    home.hass.config_entries.async_update_entry(
        compatible_entry, title="Tesla cloud (Europe)"
    )
    await home.set_up_operational(compatible_entry)
    yield home
    # Nothing is scheduled beyond the test.
    await home.hass.services.async_call(
        "automation", "turn_off", {"entity_id": "all"}, blocking=True
    )


async def automate(home: HomeUnderTest, alias: str) -> None:
    """Set up an example."""
    assert await async_setup_component(
        home.hass, "automation", {"automation": EXAMPLES[alias]}
    )
    await home.time_control.settle()
    (automation,) = home.hass.states.async_all("automation")
    assert automation.state == "on"


async def run(home: HomeUnderTest) -> None:
    """Run the actions of an example."""
    (automation,) = home.hass.states.async_all("automation")
    await home.run_task(
        home.hass.services.async_call(
            "automation", "trigger", {"entity_id": automation.entity_id}, blocking=True
        )
    )
    await home.time_control.settle()


def test_every_example_is_tried() -> None:
    assert set(EXAMPLES) == {
        "Red lamp at the door",
        "Tell the kitchen",
        "Warm the car",
        "Ask before I leave",
        "Outages of the week",
    }


async def test_red_lamp(prepared_home: HomeUnderTest, lamp: list[ServiceCall]) -> None:
    off = async_mock_service(prepared_home.hass, "light", "turn_off")
    await automate(prepared_home, "Red lamp at the door")
    prepared_home.simulator.apply(DOWN)
    await prepared_home.run(300)
    assert [call.data for call in lamp] == [
        {"entity_id": ["light.door"], "color_name": "red"}
    ]
    assert off == []
    prepared_home.simulator.apply(UP)
    await prepared_home.run(600)
    assert (len(lamp), len(off)) == (1, 1)


async def test_tell_the_kitchen(
    prepared_home: HomeUnderTest, calls: list[ServiceCall]
) -> None:
    await automate(prepared_home, "Tell the kitchen")
    prepared_home.simulator.apply(DOWN)
    await prepared_home.run(590)
    assert calls == []
    await prepared_home.run(100)
    assert [call.data["title"] for call in calls] == ["Take your keycard and key fob"]
    assert "Take the keycard for Ada" in calls[0].data["message"]


async def test_warm_the_car(
    prepared_home: HomeUnderTest, calls: list[ServiceCall]
) -> None:
    await automate(prepared_home, "Warm the car")
    await run(prepared_home)
    assert prepared_home.simulator.cars["Ada"].executed["auto_conditioning_start"] == 1
    assert calls == []
    prepared_home.simulator.apply(DOWN)
    await prepared_home.run(300)
    await run(prepared_home)
    assert prepared_home.simulator.cars["Ada"].executed["auto_conditioning_start"] == 1
    (call,) = calls
    assert call.data["message"].startswith("Ada was not warmed: maker_down.")
    assert "Take the keycard for" in call.data["message"]


async def test_ask_before_i_leave(
    prepared_home: HomeUnderTest, calls: list[ServiceCall]
) -> None:
    prepared_home.hass.states.async_set("input_button.leaving", "unknown")
    await automate(prepared_home, "Ask before I leave")
    for moment, conditions, said in (
        ("1", {}, "No outage is known."),
        ("2", DOWN, "Take the keycard for Ada"),
    ):
        prepared_home.simulator.apply(conditions)
        for again in ("", "again"):
            prepared_home.hass.states.async_set("input_button.leaving", moment + again)
            await prepared_home.until(lambda: bool(calls), within=60)
            assert said in calls.pop().data["message"]
        await prepared_home.run(70)


async def test_outages_of_the_week(
    prepared_home: HomeUnderTest, calls: list[ServiceCall]
) -> None:
    await automate(prepared_home, "Outages of the week")
    prepared_home.simulator.apply(DOWN)
    await prepared_home.run(600)
    prepared_home.simulator.apply(UP)
    await prepared_home.run(900)
    calls.clear()
    await run(prepared_home)
    (call,) = calls
    found = re.fullmatch(r"1 outages, (\d+) minutes in all\.", call.data["message"])
    assert found is not None
    assert 10 <= int(found[1]) <= 15
