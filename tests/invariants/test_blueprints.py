"""Automations from the blueprints, against the simulated cloud."""

from pathlib import Path
from typing import Any

import pytest

from homeassistant.core import ServiceCall
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_mock_service,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from .story import Story
from .test_actions import act, device_id
from .test_lock_up import with_key_places

OUTAGE = "event.tesla_cloud_outage_notice"
DOWN = {"eu.api": "503 down", "eu.status": "503 down"}
UP = dict.fromkeys(DOWN, "ok")
# Sign-in fails; existing sessions continue.
SIGN_IN_DOWN = {"auth.token": "503 down", "auth.authorize": "503 down"}
NA_DOWN = {"na.api": "503 down", "na.status": "503 down"}
NA_UP = dict.fromkeys(NA_DOWN, "ok")
CN_DOWN = {"cn.api": "503 down", "cn.status": "503 down"}


@pytest.fixture
def own(story: Story) -> list[ServiceCall]:
    """Record the calls of the actions of automations."""
    return async_mock_service(story.hass, "test", "own")


@pytest.fixture
async def home(
    story: Story, compatible_entry: MockConfigEntry, tmp_path: Path
) -> MockConfigEntry:
    """Use a temporary folder for blueprints and automations."""
    story.hass.config.config_dir = str(tmp_path)
    (tmp_path / "configuration.yaml").write_text(
        "automation: !include automations.yaml\n"
    )
    (tmp_path / "automations.yaml").write_text("[]\n")
    for domain in ("automation", "config"):
        assert await async_setup_component(story.hass, domain, {})
    entry = with_key_places(story, compatible_entry, Ada="wallet", Cy="home")
    return await story.settled(entry)


async def save(
    story: Story, hass_client: ClientSessionGenerator, name: str, **inputs: Any
) -> None:
    """Save an automation as the editor does."""
    action = {
        "action": "test.own",
        "data": {"by": name, "title": "{{ title }}", "text": "{{ text }}"},
    }
    use = {
        "path": f"keycard/tesla_outage_{name}.yaml",
        "input": {"outage_event": OUTAGE, "actions": [action], **inputs},
    }
    answer = await (await hass_client()).post(
        f"/api/config/automation/config/{name}",
        json={"alias": name, "use_blueprint": use},
    )
    assert answer.status == 200, await answer.text()
    await story.pace.settle()


async def test_title_and_text_are_relayed_once(
    story: Story,
    home: MockConfigEntry,
    own: list[ServiceCall],
    hass_client: ClientSessionGenerator,
) -> None:
    await save(story, hass_client, "take_your_keycard")
    await save(story, hass_client, "early_warning")
    titles = [
        ("early_warning", "Tesla's cloud is down in another region"),
        ("take_your_keycard", "Take your keycard and key fob"),
        ("take_your_keycard", "All clear: Tesla's cloud is back"),
    ]
    for number, conditions in enumerate((NA_DOWN, {**NA_UP, **DOWN}, UP), start=1):
        story.simulator.apply(conditions)
        await story.go(900)
        told = [(call.data["by"], call.data["title"]) for call in own]
        assert told == titles[:number]
    assert own[1].data["text"].startswith("Take the keycard for Ada")
    assert len(own) == len(titles)


async def test_one_more_region_is_another_warning(
    story: Story,
    home: MockConfigEntry,
    own: list[ServiceCall],
    hass_client: ClientSessionGenerator,
) -> None:
    await save(story, hass_client, "early_warning")
    for conditions, region in ((NA_DOWN, "North America"), (CN_DOWN, "China")):
        story.simulator.apply(conditions)
        await story.go(900)
        assert region in own.pop().data["text"]
        assert own == []


async def test_cars_are_locked_after_the_wait(
    story: Story,
    home: MockConfigEntry,
    own: list[ServiceCall],
    hass_client: ClientSessionGenerator,
) -> None:
    cars = story.simulator.cars
    for car in cars.values():
        car.locked = False
    cars["Cy"].doors["df"] = True
    await story.go(900)
    devices = [device_id(story, name) for name in ("Ada", "Cy")]
    await save(story, hass_client, "lock_up", cars=devices, wait={"minutes": 20})
    story.simulator.apply(SIGN_IN_DOWN)
    await story.go(900)
    assert (own, cars["Ada"].locked) == ([], False)
    await story.go(900)
    assert (cars["Ada"].locked, cars["Cy"].locked) == (True, False)
    (call,) = own
    assert call.data["title"] == "Check whether all cars are locked"
    assert call.data["text"].splitlines() == [
        "Ada was locked.",
        "Cy was not locked because a door or trunk is open.",
    ]


async def test_nothing_is_said_of_cars_that_were_locked(
    story: Story,
    home: MockConfigEntry,
    own: list[ServiceCall],
    hass_client: ClientSessionGenerator,
) -> None:
    await save(story, hass_client, "lock_up", cars=[device_id(story, "Ada")])
    story.simulator.apply(SIGN_IN_DOWN)
    await story.go(900)
    assert own == []
    assert story.simulator.cars["Ada"].executed["door_lock"] == 0


async def test_a_drill_rehearses_each_of_them(
    story: Story,
    home: MockConfigEntry,
    own: list[ServiceCall],
    hass_client: ClientSessionGenerator,
) -> None:
    story.simulator.cars["Ada"].locked = False
    await story.go(300)
    await save(story, hass_client, "lock_up", cars=[device_id(story, "Ada")])
    await save(story, hass_client, "take_your_keycard")
    await act(story, "start_drill")
    await story.go(30)
    assert sorted((call.data["by"], call.data["title"]) for call in own) == [
        ("lock_up", "Drill: Check whether all cars are locked"),
        ("take_your_keycard", "Drill: Take your keycard and key fob"),
    ]
    assert story.simulator.cars["Ada"].executed["door_lock"] == 0
