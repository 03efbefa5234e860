"""The blueprint *Take your keycard*."""

from datetime import timedelta

from freezegun.api import FrozenDateTimeFactory
import pytest

from homeassistant.core import CoreState, HomeAssistant, ServiceCall, State
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    async_mock_service,
    mock_restore_cache,
)

from .blueprint_automation import (
    EVENT,
    NOON,
    Tell,
    add_phone,
    notices,
    rehearse,
    relay,
    wait,
)


async def test_the_first_event_and_the_all_clear_are_relayed(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    tell: Tell,
    own: list[ServiceCall],
) -> None:
    hass.states.async_set(EVENT, "unknown")
    await relay(hass)
    tell("started", "take")
    await wait(hass, freezer, 1)
    assert own[0].data == {
        "title": "Title started",
        "message": "Text",
        "notice": "take",
        "keys": {"Ada": "keycard"},
    }
    tell("changed", "none")
    await wait(hass, freezer, 1)
    tell("warning", "none")
    await wait(hass, freezer, 1)
    tell("ended", "all_clear")
    await wait(hass, freezer, 1)
    assert notices(own) == ["take", "all_clear"]


async def test_a_restored_event_is_sent_once(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    tell: Tell,
    own: list[ServiceCall],
) -> None:
    hass.states.async_set(EVENT, "unknown")
    await relay(hass)
    tell("started", "take")
    await wait(hass, freezer, 1)
    state = hass.states.get(EVENT)
    assert state is not None
    hass.states.async_set(EVENT, "unavailable")
    await wait(hass, freezer, 1)
    hass.states.async_set(EVENT, state.state, state.attributes)
    await wait(hass, freezer, 1)
    assert notices(own) == ["take"]


async def test_an_outage_that_ends_within_the_wait_is_not_sent(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    tell: Tell,
    own: list[ServiceCall],
) -> None:
    hass.states.async_set(EVENT, "unknown")
    await relay(hass, wait={"minutes": 5})
    tell("started", "take")
    await wait(hass, freezer, 3)
    tell("ended", "all_clear")
    await wait(hass, freezer, 10)
    assert own == []


async def test_a_longer_outage_is_sent_after_the_wait(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    tell: Tell,
    own: list[ServiceCall],
) -> None:
    hass.states.async_set(EVENT, "unknown")
    await relay(hass, wait={"minutes": 5})
    tell("started", "take", "First")
    await wait(hass, freezer, 3)
    # A newer notice replaces the first, and the wait continues.
    tell("changed", "take", "Second")
    await wait(hass, freezer, 1)
    assert own == []
    await wait(hass, freezer, 1.1)
    assert [call.data["message"] for call in own] == ["Second"]
    # After the first notice, others follow at once.
    tell("changed", "take", "Third")
    await wait(hass, freezer, 0.1)
    tell("ended", "all_clear")
    await wait(hass, freezer, 0.1)
    assert notices(own) == ["take", "take", "all_clear"]


@pytest.mark.parametrize(("wanted", "told"), [(True, ["warning"]), (False, [])])
async def test_early_warnings(
    hass: HomeAssistant,
    *,
    freezer: FrozenDateTimeFactory,
    tell: Tell,
    own: list[ServiceCall],
    wanted: bool,
    told: list[str],
) -> None:
    hass.states.async_set(EVENT, "unknown")
    await relay(hass, warnings=wanted)
    tell("warning", "none")
    await wait(hass, freezer, 1)
    assert notices(own) == told


async def test_rehearsal(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, own: list[ServiceCall]
) -> None:
    freezer.move_to(NOON)
    hass.states.async_set(EVENT, "unknown")
    await relay(hass, wait={"minutes": 5})
    await rehearse(hass)
    await wait(hass, freezer, 0)
    assert notices(own) == ["rehearsal"]
    assert "rehearsal" in own[0].data["title"]
    assert "Nothing has failed" in own[0].data["message"]


async def test_a_rehearsal_ends_no_notice_that_waits(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    tell: Tell,
    own: list[ServiceCall],
) -> None:
    freezer.move_to(NOON)
    hass.states.async_set(EVENT, "unknown")
    await relay(hass, wait={"minutes": 5})
    tell("started", "take")
    await wait(hass, freezer, 1)
    await rehearse(hass)
    await wait(hass, freezer, 5)
    assert notices(own) == ["take"]


@pytest.mark.parametrize(
    ("minutes_ago", "last_run_minutes_ago", "wait_minutes", "told"),
    [
        # The event was before automations started.
        (1, None, 0, ["take"]),
        (1, 60, 0, ["take"]),
        # The notice was sent before the restart.
        (1, 1, 0, []),
        # The event is old.
        (60, None, 0, []),
        # The wait continued during the restart, or ended in it.
        (3, 3, 5, ["take"]),
        (7, 7, 5, ["take"]),
        (20, 20, 5, []),
    ],
)
async def test_a_start_of_home_assistant(
    hass: HomeAssistant,
    *,
    freezer: FrozenDateTimeFactory,
    tell: Tell,
    own: list[ServiceCall],
    minutes_ago: float,
    last_run_minutes_ago: float | None,
    wait_minutes: float,
    told: list[str],
) -> None:
    tell("started", "take")
    freezer.tick(timedelta(minutes=minutes_ago))
    if last_run_minutes_ago is not None:
        last_run = dt_util.utcnow() - timedelta(minutes=last_run_minutes_ago)
        mock_restore_cache(
            hass,
            [
                State(
                    "automation.told",
                    "on",
                    {"last_triggered": last_run + timedelta(milliseconds=5)},
                )
            ],
        )
    hass.set_state(CoreState.not_running)
    await relay(hass, wait={"minutes": wait_minutes})
    await hass.async_start()
    await wait(hass, freezer, wait_minutes)
    assert notices(own) == told


async def test_receivers(
    hass: HomeAssistant,
    *,
    freezer: FrozenDateTimeFactory,
    tell: Tell,
    own: list[ServiceCall],
) -> None:
    """A receiver that cannot be reached does not affect others."""
    phones = [
        add_phone(hass, name, pushes=name != "Old phone")
        for name in ("Pixel", "Old phone", "iPhone")
    ]
    async_mock_service(
        hass,
        "notify",
        "mobile_app_pixel",
        raise_exception=HomeAssistantError("no way to the phone"),
    )
    phone = async_mock_service(hass, "notify", "mobile_app_iphone")
    others = async_mock_service(hass, "notify", "send_message")
    hass.states.async_set(EVENT, "unknown")
    await relay(hass, phones=phones, notify_entities=["notify.mail", "notify.chat"])
    tell("started", "take")
    await wait(hass, freezer, 1)
    assert [call.data for call in phone] == [
        {
            "title": "Title started",
            "message": "Text",
            "data": {
                "tag": f"keycard_{EVENT}",
                "ttl": 0,
                "priority": "high",
                "push": {"interruption-level": "time-sensitive"},
            },
        }
    ]
    assert [call.data for call in others] == [
        {"entity_id": [entity], "title": "Title started", "message": "Text"}
        for entity in ("notify.mail", "notify.chat")
    ]
    assert notices(own) == ["take"]

    tell("ended", "all_clear")
    await wait(hass, freezer, 1)
    assert phone[1].data["data"]["tag"] == phone[0].data["data"]["tag"]
