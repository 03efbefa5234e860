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

from .home import HomeUnderTest
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
def calls(home: HomeUnderTest) -> list[ServiceCall]:
    """Record the calls of the actions of automations."""
    return async_mock_service(home.hass, "test", "own")


@pytest.fixture
async def configured_entry(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, tmp_path: Path
) -> MockConfigEntry:
    """Use a temporary folder for blueprints and automations."""
    home.hass.config.config_dir = str(tmp_path)
    (tmp_path / "configuration.yaml").write_text(
        "automation: !include automations.yaml\n"
    )
    (tmp_path / "automations.yaml").write_text("[]\n")
    for domain in ("automation", "config"):
        assert await async_setup_component(home.hass, domain, {})
    entry = with_key_places(home, compatible_entry, Ada="wallet", Cy="home")
    return await home.set_up_operational(entry)


async def save(
    home: HomeUnderTest, hass_client: ClientSessionGenerator, name: str, **inputs: Any
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
    await home.time_control.settle()


async def test_title_and_text_are_relayed_once(
    home: HomeUnderTest,
    configured_entry: MockConfigEntry,
    calls: list[ServiceCall],
    hass_client: ClientSessionGenerator,
) -> None:
    await save(home, hass_client, "take_your_keycard")
    await save(home, hass_client, "early_warning")
    titles = [
        ("early_warning", "Tesla's cloud is down in another region"),
        ("take_your_keycard", "Take your keycard and key fob"),
        ("take_your_keycard", "All clear: Tesla's cloud is back"),
    ]
    for number, conditions in enumerate((NA_DOWN, {**NA_UP, **DOWN}, UP), start=1):
        home.simulator.apply(conditions)
        await home.run(900)
        texts = [(call.data["by"], call.data["title"]) for call in calls]
        assert texts == titles[:number]
    assert calls[1].data["text"].startswith("Take the keycard for Ada")
    assert len(calls) == len(titles)


async def test_one_more_region_is_another_warning(
    home: HomeUnderTest,
    configured_entry: MockConfigEntry,
    calls: list[ServiceCall],
    hass_client: ClientSessionGenerator,
) -> None:
    await save(home, hass_client, "early_warning")
    for conditions, region in ((NA_DOWN, "North America"), (CN_DOWN, "China")):
        home.simulator.apply(conditions)
        await home.run(900)
        assert region in calls.pop().data["text"]
        assert calls == []


async def test_cars_are_locked_after_the_wait(
    home: HomeUnderTest,
    configured_entry: MockConfigEntry,
    calls: list[ServiceCall],
    hass_client: ClientSessionGenerator,
) -> None:
    cars = home.simulator.cars
    for car in cars.values():
        car.locked = False
    cars["Cy"].doors["df"] = True
    await home.run(900)
    devices = [device_id(home, name) for name in ("Ada", "Cy")]
    await save(home, hass_client, "lock_up", cars=devices, wait={"minutes": 20})
    home.simulator.apply(SIGN_IN_DOWN)
    await home.run(900)
    assert (calls, cars["Ada"].locked) == ([], False)
    await home.run(900)
    assert (cars["Ada"].locked, cars["Cy"].locked) == (True, False)
    (call,) = calls
    assert call.data["title"] == "Check whether all cars are locked"
    assert call.data["text"].splitlines() == [
        "Ada was locked.",
        "Cy was not locked because a door or trunk is open.",
    ]


async def test_locked_cars_are_not_reported(
    home: HomeUnderTest,
    configured_entry: MockConfigEntry,
    calls: list[ServiceCall],
    hass_client: ClientSessionGenerator,
) -> None:
    await save(home, hass_client, "lock_up", cars=[device_id(home, "Ada")])
    home.simulator.apply(SIGN_IN_DOWN)
    await home.run(900)
    assert calls == []
    assert home.simulator.cars["Ada"].executed["door_lock"] == 0


async def test_a_drill_rehearses_each_of_them(
    home: HomeUnderTest,
    configured_entry: MockConfigEntry,
    calls: list[ServiceCall],
    hass_client: ClientSessionGenerator,
) -> None:
    home.simulator.cars["Ada"].locked = False
    await home.run(300)
    await save(home, hass_client, "lock_up", cars=[device_id(home, "Ada")])
    await save(home, hass_client, "take_your_keycard")
    await act(home, "start_drill")
    await home.run(30)
    assert sorted((call.data["by"], call.data["title"]) for call in calls) == [
        ("lock_up", "Drill: Check whether all cars are locked"),
        ("take_your_keycard", "Drill: Take your keycard and key fob"),
    ]
    assert home.simulator.cars["Ada"].executed["door_lock"] == 0
