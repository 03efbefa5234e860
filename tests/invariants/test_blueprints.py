"""Automations from the blueprints, against the simulated cloud."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_mock_service,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from tests.conftest import state_of

from .story import LOCK, Story

OUTAGE = "event.tesla_cloud_test_outage_notice"
WARNING = "binary_sensor.tesla_cloud_test_early_warning"
LOCKS = [LOCK, "lock.cy_lock"]
DOWN = {"eu.api": "503 down", "eu.status": "503 down"}
UP = dict.fromkeys(DOWN, "ok")
# Sign-in fails; existing sessions continue.
SIGN_IN_DOWN = {"auth.token": "503 down", "auth.authorize": "503 down"}
NA_DOWN = {"na.api": "503 down", "na.status": "503 down"}
NA_UP = dict.fromkeys(NA_DOWN, "ok")
CN_DOWN = {"cn.api": "503 down", "cn.status": "503 down"}
CN_UP = dict.fromkeys(CN_DOWN, "ok")
# The user's internet is down.
ALL_DOWN = dict.fromkeys(
    (*DOWN, *NA_DOWN, *CN_DOWN, *SIGN_IN_DOWN, "controls"), "refuse"
)
ALL_UP = dict.fromkeys(ALL_DOWN, "ok")


@pytest.fixture
def own(hass: HomeAssistant) -> list[ServiceCall]:
    """Record the calls of an own action."""
    return async_mock_service(hass, "test", "own")


@pytest.fixture
def mail(hass: HomeAssistant) -> list[ServiceCall]:
    return async_mock_service(hass, "notify", "send_message")


@pytest.fixture
async def home(
    story: Story, compatible_entry: MockConfigEntry, tmp_path: Path
) -> MockConfigEntry:
    """Use a temporary folder for blueprints."""
    story.hass.config.config_dir = str(tmp_path)
    assert await async_setup_component(story.hass, "automation", {})
    return compatible_entry


async def add_automation(
    story: Story, path: str, variables: tuple[str, ...], **inputs: Any
) -> None:
    """Add an automation that records these variables in its own action."""
    own = {
        "action": "test.own",
        "data": {name: f"{{{{ {name} }}}}" for name in variables},
    }
    use = {
        "path": f"keycard/{path}.yaml",
        "input": {
            "outage_event": OUTAGE,
            "notify_entities": ["notify.mail"],
            "own_actions": [own],
            **inputs,
        },
    }
    with patch(
        "homeassistant.config.async_hass_config_yaml",
        return_value={"automation": [{"alias": "Tell", "use_blueprint": use}]},
    ):
        await story.hass.services.async_call("automation", "reload", blocking=True)
    (state,) = story.hass.states.async_all("automation")
    assert state.state == "on"
    await story.pace.settle()


# Lock up in an outage


async def lock_up(story: Story, **inputs: Any) -> None:
    await add_automation(
        story,
        "lock_up_in_an_outage",
        ("title", "message", "locked", "in_use", "failed", "unknown"),
        **{"locks": LOCKS, **inputs},
    )


def locked(story: Story) -> list[str]:
    """Return the cars that were locked."""
    return [
        name
        for name, car in sorted(story.simulator.cars.items())
        if car.executed["door_lock"]
    ]


async def notified_after(
    story: Story,
    own: list[ServiceCall],
    conditions: dict[str, str],
    minutes: float = 5,
) -> dict[str, Any]:
    """Fail the cloud and return the cars of the notice."""
    own.clear()
    story.simulator.apply(conditions)
    await story.go(minutes * 60)
    if not own:
        return {}
    (call,) = own
    return {
        name: call.data[name]
        for name in ("locked", "in_use", "failed", "unknown")
        if call.data[name]
    }


@pytest.mark.parametrize(
    ("cars", "conditions", "told", "commanded"),
    [
        ({}, SIGN_IN_DOWN, {}, []),
        ({"Ada": {"locked": False}}, SIGN_IN_DOWN, {"locked": ["Ada"]}, ["Ada"]),
        (
            {"Ada": {"locked": False}, "Cy": {"locked": False}},
            SIGN_IN_DOWN,
            {"locked": ["Ada", "Cy"]},
            ["Ada", "Cy"],
        ),
        (
            {
                "Ada": {"locked": False, "user_present": True},
                "Cy": {"locked": False},
            },
            SIGN_IN_DOWN,
            {"in_use": ["Ada"], "locked": ["Cy"]},
            ["Cy"],
        ),
        # No transport works.
        ({"Ada": {"locked": False}}, DOWN, {"failed": ["Ada"]}, []),
    ],
)
async def test_what_is_locked(
    story: Story,
    home: MockConfigEntry,
    own: list[ServiceCall],
    mail: list[ServiceCall],
    *,
    cars: dict[str, dict[str, bool]],
    conditions: dict[str, str],
    told: dict[str, list[str]],
    commanded: list[str],
) -> None:
    for name, state in cars.items():
        for field, value in state.items():
            setattr(story.simulator.cars[name], field, value)
    await story.settled(home)
    await lock_up(story)
    assert await notified_after(story, own, conditions, minutes=15) == told
    assert locked(story) == commanded
    assert len(mail) == bool(told)
    if told:
        assert mail[0].data["title"] == "Cars locked during an outage"
        lines = mail[0].data["message"].splitlines()
        assert len(lines) == len(told)
        for names in told.values():
            assert any(line.endswith(": " + ", ".join(names)) for line in lines)


async def test_a_car_with_an_unknown_lock(
    story: Story, home: MockConfigEntry, own: list[ServiceCall]
) -> None:
    await story.settled(home)
    story.simulator.cars["Ada"].set_connectivity("offline")
    await story.go(2400)
    await lock_up(story)
    assert await notified_after(story, own, DOWN) == {"unknown": ["Ada"]}


async def test_only_selected_cars_after_the_wait(
    story: Story, home: MockConfigEntry, own: list[ServiceCall]
) -> None:
    for car in story.simulator.cars.values():
        car.locked = False
    await story.settled(home)
    await lock_up(story, locks=["lock.cy_lock"], wait={"minutes": 20})
    assert await notified_after(story, own, SIGN_IN_DOWN, minutes=15) == {}
    assert await notified_after(story, own, SIGN_IN_DOWN, minutes=15) == {
        "locked": ["Cy"]
    }
    assert locked(story) == ["Cy"]


async def test_a_drill_touches_no_car(
    story: Story, home: MockConfigEntry, own: list[ServiceCall]
) -> None:
    story.simulator.cars["Ada"].locked = False
    await story.settled(home)
    await lock_up(story)
    state = state_of(story.hass, OUTAGE)
    event = {"event_type": "started", "since": story.clock.now().isoformat()}
    for number, drill in enumerate((True, False)):
        moment = story.clock.now() + timedelta(seconds=number)
        story.hass.states.async_set(
            OUTAGE, moment.isoformat(), {**state.attributes, **event, "drill": drill}
        )
        await story.go(30)
        assert locked(story) == ["Ada"] * number


# An outage of another region


async def warn(story: Story, **inputs: Any) -> None:
    await add_automation(
        story,
        "it_has_begun_elsewhere",
        ("notice", "title", "message"),
        **{"early_warning": WARNING, **inputs},
    )


def said(calls: list[ServiceCall]) -> list[str]:
    return [call.data["notice"] for call in calls]


@pytest.mark.parametrize(
    ("inputs", "steps", "told"),
    [
        # It is over, and the next one is new.
        ({}, [NA_DOWN, NA_UP, NA_DOWN], ["warning", "over", "warning"]),
        # Another affected region belongs to the same outage.
        (
            {},
            [NA_DOWN, CN_DOWN, {**NA_UP, **CN_UP}],
            ["warning", "over"],
        ),
        # It reaches the user's region; the others are no longer reported.
        ({}, [NA_DOWN, DOWN, UP, NA_UP], ["warning", "reached"]),
        ({"tell_reached": False}, [NA_DOWN, DOWN], ["warning"]),
        # An outage of the user's region is none of another region.
        ({}, [DOWN, UP], []),
        # Nothing is known for a while; then it is over or not.
        ({}, [NA_DOWN, ALL_DOWN, ALL_UP], ["warning", "over"]),
        ({}, [NA_DOWN, ALL_DOWN, {**ALL_UP, **NA_DOWN}, NA_UP], ["warning", "over"]),
    ],
)
async def test_notices_of_outages_in_other_regions(
    story: Story,
    home: MockConfigEntry,
    own: list[ServiceCall],
    mail: list[ServiceCall],
    *,
    inputs: dict[str, Any],
    steps: list[dict[str, str]],
    told: list[str],
) -> None:
    await story.settled(home)
    await warn(story, **inputs)
    for conditions in steps:
        story.simulator.apply(conditions)
        await story.go(1200)
    assert said(own) == told
    assert [(call.data["title"], call.data["message"]) for call in mail] == [
        (call.data["title"], call.data["message"]) for call in own
    ]
    texts = {call.data["notice"]: call.data for call in own}
    if "reached" in told:
        assert "Take the keycard for Ada" in texts["reached"]["message"]
    if "over" in told:
        assert texts["over"]["title"] == "Over in the other region"


async def test_a_restart_repeats_no_early_warning(
    story: Story, home: MockConfigEntry, own: list[ServiceCall]
) -> None:
    await story.settled(home)
    await warn(story)
    story.simulator.apply(NA_DOWN)
    await story.go(600)
    await story.restart(home)
    await story.go(600)
    assert said(own) == ["warning"]
    story.simulator.apply(NA_UP)
    await story.go(900)
    assert said(own) == ["warning", "over"]


# Automations as saved by the editor


async def test_each_blueprint_works_as_saved_by_the_editor(
    story: Story,
    home: MockConfigEntry,
    own: list[ServiceCall],
    tmp_path: Path,
    hass_client: ClientSessionGenerator,
) -> None:
    (tmp_path / "configuration.yaml").write_text(
        "automation: !include automations.yaml\n"
    )
    (tmp_path / "automations.yaml").write_text("[]\n")
    assert await async_setup_component(story.hass, "config", {})
    story.simulator.cars["Ada"].locked = False
    await story.settled(home)
    client = await hass_client()
    made: dict[str, dict[str, Any]] = {
        "it_has_begun_elsewhere": {"early_warning": WARNING},
        "lock_up_in_an_outage": {"locks": LOCKS},
        "take_your_keycard": {},
    }
    for name, inputs in made.items():
        action = {"action": "test.own", "data": {"by": name}}
        use = {
            "path": f"keycard/{name}.yaml",
            "input": {"outage_event": OUTAGE, "own_actions": [action], **inputs},
        }
        answer = await client.post(
            f"/api/config/automation/config/{name}",
            json={"alias": name, "use_blueprint": use},
        )
        assert answer.status == 200, await answer.text()
    await story.pace.settle()
    story.simulator.apply(NA_DOWN)
    await story.go(900)
    assert [call.data["by"] for call in own] == ["it_has_begun_elsewhere"]
    story.simulator.apply({**NA_UP, **SIGN_IN_DOWN})
    await story.go(900)
    by = [call.data["by"] for call in own]
    assert by.count("take_your_keycard") == 1
    assert by.count("lock_up_in_an_outage") == 1
    assert locked(story) == ["Ada"]
    await story.hass.services.async_call(
        "automation", "turn_off", {"entity_id": "all"}, blocking=True
    )
