"""Quiet hours and their exceptions."""

from datetime import datetime, timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest

from homeassistant.core import CoreState, HomeAssistant, ServiceCall, SupportsResponse
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import async_mock_service

from .blueprint_automation import (
    EVENT,
    Tell,
    add_phone,
    notices,
    place,
    rehearse,
    relay,
    wait,
)

QUIET = {"quiet_hours": True}
NIGHT = datetime(2026, 11, 23, 3, tzinfo=dt_util.UTC)
CAR = {"name": "Ada", "cannot_wait": [], "in_use": False}


@pytest.fixture(autouse=True)
async def night(
    hass: HomeAssistant, tell: Tell, freezer: FrozenDateTimeFactory
) -> None:
    """Set the time to three in the morning."""
    await hass.config.async_set_time_zone("UTC")
    freezer.move_to(NIGHT)
    hass.states.async_set(EVENT, "unknown")


@pytest.fixture(autouse=True)
def standing(hass: HomeAssistant) -> dict[str, Any]:
    """Report no urgent conditions."""
    standing: dict[str, Any] = {"cars": [CAR], "elsewhere": ["na"]}
    async_mock_service(
        hass,
        "keycard",
        "get_status",
        response=standing,
        supports_response=SupportsResponse.ONLY,
    )
    return standing


async def test_notices_still_valid_are_sent_in_the_morning(
    hass: HomeAssistant,
    tell: Tell,
    own: list[ServiceCall],
    freezer: FrozenDateTimeFactory,
) -> None:
    await relay(hass, **QUIET)
    tell("started", "take", "First")
    await wait(hass, freezer, 120)
    tell("changed", "none", "Newer")
    await wait(hass, freezer, 119)
    assert own == []
    await wait(hass, freezer, 1.1)
    assert [call.data["message"] for call in own] == ["Newer"]
    tell("ended", "all_clear")
    await wait(hass, freezer, 1)
    assert notices(own) == ["take", "all_clear"]


async def test_notices_over_by_morning_are_not_sent(
    hass: HomeAssistant,
    tell: Tell,
    own: list[ServiceCall],
    freezer: FrozenDateTimeFactory,
) -> None:
    await relay(hass, **QUIET)
    tell("started", "take")
    await wait(hass, freezer, 60)
    tell("ended", "all_clear")
    await wait(hass, freezer, 300)
    assert own == []


async def test_an_all_clear_waits_too(
    hass: HomeAssistant,
    tell: Tell,
    own: list[ServiceCall],
    freezer: FrozenDateTimeFactory,
) -> None:
    freezer.move_to(NIGHT - timedelta(hours=6))
    await relay(hass, **QUIET, reminder={"minutes": 45})
    tell("started", "take")
    await wait(hass, freezer, 59)
    assert notices(own) == ["take", "reminder"]
    # No reminders at night.
    await wait(hass, freezer, 300)
    tell("ended", "all_clear")
    await wait(hass, freezer, 180)
    assert notices(own) == ["take", "reminder"]
    await wait(hass, freezer, 62)
    assert notices(own) == ["take", "reminder", "all_clear"]


async def test_an_outage_that_resumes_before_its_all_clear_is_sent(
    hass: HomeAssistant,
    tell: Tell,
    own: list[ServiceCall],
    freezer: FrozenDateTimeFactory,
) -> None:
    freezer.move_to(NIGHT - timedelta(hours=6))
    await relay(hass, **QUIET)
    tell("started", "take")
    await wait(hass, freezer, 120)
    tell("ended", "all_clear")
    await wait(hass, freezer, 120)
    tell("started", "take", "Again")
    await wait(hass, freezer, 360.1)
    assert [call.data["message"] for call in own] == ["Text", "Again"]


@pytest.mark.parametrize(("elsewhere", "told"), [(["na"], ["warning"]), ([], [])])
async def test_a_warning_that_still_holds(
    hass: HomeAssistant,
    *,
    tell: Tell,
    own: list[ServiceCall],
    freezer: FrozenDateTimeFactory,
    standing: dict[str, Any],
    elsewhere: list[str],
    told: list[str],
) -> None:
    await relay(hass, **QUIET, warnings=True)
    tell("warning", "none")
    standing["elsewhere"] = elsewhere
    await wait(hass, freezer, 239)
    assert own == []
    await wait(hass, freezer, 1.1)
    assert notices(own) == told


@pytest.mark.parametrize(
    ("now", "quiet_from", "quiet_to", "quiet"),
    [
        ("03:00", "22:00:00", "07:00:00", True),
        ("21:59", "22:00:00", "07:00:00", False),
        ("22:00", "22:00:00", "07:00:00", True),
        ("07:00", "22:00:00", "07:00:00", False),
        ("13:00", "12:30:00", "14:00:00", True),
        ("14:00", "12:30:00", "14:00:00", False),
        ("03:00", "12:30:00", "14:00:00", False),
        ("07:00", "07:00:00", "07:00:00", False),
    ],
)
async def test_which_hours_are_quiet(
    hass: HomeAssistant,
    *,
    tell: Tell,
    own: list[ServiceCall],
    freezer: FrozenDateTimeFactory,
    now: str,
    quiet_from: str,
    quiet_to: str,
    quiet: bool,
) -> None:
    freezer.move_to(datetime.fromisoformat(f"2026-11-23T{now}:00+00:00"))
    await relay(hass, **QUIET, quiet_from=quiet_from, quiet_to=quiet_to)
    tell("started", "take")
    await wait(hass, freezer, 0.1)
    assert (own == []) is quiet
    # A rehearsal does not wait for the morning.
    await rehearse(hass)
    await wait(hass, freezer, 0.1)
    assert "rehearsal" in notices(own)


@pytest.mark.parametrize(
    ("entity", "state", "attributes", "breaks"),
    [
        (None, None, {}, False),
        ("lock.car", "unlocked", {}, True),
        ("lock.car", "locked", {}, False),
        ("lock.car", "unknown", {}, False),
        ("climate.car", "off", {"preset_mode": "dog"}, True),
        ("climate.car", "on", {"preset_mode": "keep"}, False),
        ("cover.car", "open", {}, True),
        ("cover.car", "closed", {}, False),
        ("binary_sensor.car", "on", {}, True),
        ("binary_sensor.car", "off", {}, False),
    ],
)
async def test_what_cannot_wait_by_entities(
    hass: HomeAssistant,
    *,
    tell: Tell,
    own: list[ServiceCall],
    freezer: FrozenDateTimeFactory,
    entity: str | None,
    state: str,
    attributes: dict[str, str],
    breaks: bool,
) -> None:
    await relay(hass, **QUIET, car_entities=[entity] if entity else [])
    tell("started", "take")
    await wait(hass, freezer, 1)
    assert own == []
    if entity:
        hass.states.async_set(entity, state, attributes)
        await wait(hass, freezer, 0.1)
    assert notices(own) == ["take"] * breaks


@pytest.mark.parametrize(
    ("matters", "wanted", "told"),
    [
        (["dog_mode"], True, ["take"]),
        (["unlocked", "window_open"], True, ["take"]),
        ([], True, []),
        (["dog_mode"], False, []),
    ],
)
async def test_what_cannot_wait_by_keycards_knowledge(
    hass: HomeAssistant,
    *,
    tell: Tell,
    own: list[ServiceCall],
    freezer: FrozenDateTimeFactory,
    standing: dict[str, Any],
    matters: list[str],
    wanted: bool,
    told: list[str],
) -> None:
    await relay(hass, **QUIET, cannot_wait=wanted)
    tell("started", "take")
    await wait(hass, freezer, 1)
    assert own == []
    # It is detected within a few minutes.
    standing["cars"] = [CAR, {**CAR, "cannot_wait": matters}]
    await wait(hass, freezer, 5.1)
    assert notices(own) == told


@pytest.mark.parametrize("when", ["at_once", "leaving"])
async def test_a_person_leaving_at_night_gets_the_notice(
    hass: HomeAssistant, tell: Tell, freezer: FrozenDateTimeFactory, when: str
) -> None:
    phones = [add_phone(hass, name) for name in ("ann", "bob", "tablet")]
    calls = {
        name: async_mock_service(hass, "notify", f"mobile_app_{name}")
        for name in ("ann", "bob", "tablet")
    }
    place(hass, "home", ann="ann")
    # A user who is away may sleep there.
    place(hass, "not_home", bob="bob")
    await relay(hass, **QUIET, phones=phones, when=when)
    tell("started", "take")
    await wait(hass, freezer, 60)
    assert not any(calls.values())
    place(hass, "not_home", ann="ann")
    await wait(hass, freezer, 0.1)
    assert [len(calls[name]) for name in calls] == [1, 0, 0]
    await wait(hass, freezer, 180)
    assert [len(calls[name]) for name in calls] == [1, 1, 1]


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        # Delayed notices are sent although Home Assistant restarted.
        ([("started", "take")], ["take"]),
        # No notice was sent, so no all-clear is.
        ([("started", "take"), ("ended", "all_clear")], []),
    ],
)
async def test_a_restart_in_quiet_hours(
    hass: HomeAssistant,
    *,
    tell: Tell,
    own: list[ServiceCall],
    freezer: FrozenDateTimeFactory,
    steps: list[tuple[str, str]],
    told: list[str],
) -> None:
    for kind, notice in steps:
        tell(kind, notice)
        freezer.tick(timedelta(hours=1))
    hass.set_state(CoreState.not_running)
    await relay(hass, **QUIET)
    await hass.async_start()
    await wait(hass, freezer, 60)
    assert own == []
    await wait(hass, freezer, 121)
    assert notices(own) == told


async def test_an_all_clear_that_waits_over_a_restart(
    hass: HomeAssistant,
    tell: Tell,
    own: list[ServiceCall],
    freezer: FrozenDateTimeFactory,
) -> None:
    freezer.move_to(NIGHT - timedelta(hours=12))
    tell("started", "take")
    freezer.move_to(NIGHT)
    tell("ended", "all_clear")
    freezer.tick(timedelta(hours=1))
    hass.set_state(CoreState.not_running)
    await relay(hass, **QUIET)
    await hass.async_start()
    await wait(hass, freezer, 60)
    assert own == []
    await wait(hass, freezer, 121)
    assert notices(own) == ["all_clear"]
