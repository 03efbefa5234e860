"""Law 8: no billed call without a reason, and no state is written for nothing."""

import pytest

from homeassistant.const import EVENT_STATE_CHANGED, EVENT_STATE_REPORTED
from homeassistant.core import EventStateReportedData, callback
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from .story import LOCK, Story, entity_ids, status_of

HOUR = 3600.0


async def test_a_car_that_is_online_is_asked_every_ten_minutes(
    story: Story, compatible_entry: MockConfigEntry
) -> None:
    story.simulator.set("car.Cy", "asleep")
    await story.settled(compatible_entry)
    calls = story.simulator.calls
    for _ in range(4):
        before, billed = calls.count("vehicle_data"), calls.billed
        await story.go(HOUR)
        assert 5 <= calls.count("vehicle_data") - before <= 6
        assert calls.billed - billed == calls.count("vehicle_data") - before
        assert story.states()[LOCK] == "locked"


async def test_a_car_that_sleeps_costs_nothing(
    story: Story, compatible_entry: MockConfigEntry
) -> None:
    story.simulator.apply({"car.Ada": "asleep", "car.Cy": "asleep"})
    await story.set_up(compatible_entry)
    await story.go(4 * HOUR)
    assert story.simulator.calls.billed == 0
    assert story.simulator.calls.count("wake_up") == 0
    assert status_of(compatible_entry) == "operational"


async def test_watching_costs_nothing_and_asks_rarely(
    story: Story, watching_entry: MockConfigEntry
) -> None:
    await story.settled(watching_entry)
    await story.go(600)
    calls = story.simulator.calls
    before = calls.by_endpoint.copy()
    await story.go(HOUR)
    asked = calls.by_endpoint - before
    assert calls.billed == 0
    assert 54 <= asked["eu.status"] <= 67
    for other in ("na.status", "cn.status", "auth.token"):
        assert 10 <= asked[other] <= 14
    # Whoever is unrelated is left alone while nothing fails.
    assert not [endpoint for endpoint in asked if endpoint.startswith("controls")]


@pytest.mark.parametrize(
    ("presence", "may_change"),
    [
        ("asleep", set[str]()),
        ("online", {"sensor.ada_last_contact", "sensor.cy_last_contact"}),
    ],
)
async def test_idle_minutes_write_nothing(
    story: Story,
    compatible_entry: MockConfigEntry,
    presence: str,
    may_change: set[str],
) -> None:
    await story.settled(compatible_entry)
    story.simulator.apply({"car.Ada": presence, "car.Cy": presence})
    await story.go(2 * HOUR)
    changes = async_capture_events(story.hass, EVENT_STATE_CHANGED)
    reported: list[str] = []

    @callback
    def note(data: EventStateReportedData) -> bool:
        reported.append(data["entity_id"])
        return False

    unsub = story.hass.bus.async_listen(
        EVENT_STATE_REPORTED, lambda _: None, event_filter=note
    )
    await story.go(660)
    unsub()
    ours = set(entity_ids(story.hass))
    assert {event.data["entity_id"] for event in changes} & ours == may_change
    for entity_id in may_change:
        count = sum(event.data["entity_id"] == entity_id for event in changes)
        assert count <= 2
    # Beside the one that changed, the others of its car are looked at once each.
    assert len([entity_id for entity_id in reported if entity_id in ours]) <= (
        2 * len(ours) if may_change else 0
    )


async def test_a_pause_that_the_maker_asks_for_is_kept(
    story: Story, compatible_entry: MockConfigEntry
) -> None:
    entry = await story.settled(compatible_entry)
    story.simulator.set("eu.api", "retry-after:50400")
    await story.go(90)
    assert status_of(entry) == "account_problem"
    calls = story.simulator.calls
    asked = {
        name: calls.count(name) for name in ("products", "vehicle", "vehicle_data")
    }
    await story.go(6 * HOUR)
    error = await story.act("unlock")
    assert error is not None
    assert error.translation_key == "rate_limited"
    assert error.translation_placeholders is not None
    # 14 hours less six, and a minute and a half.
    assert 475 <= int(error.translation_placeholders["minutes"]) <= 480
    assert str(int(error.translation_placeholders["minutes"])) in str(error)
    # A restart is no way around it.
    await story.restart(entry)
    await story.go(7.5 * HOUR)
    assert asked == {name: calls.count(name) for name in asked}
    await story.go(HOUR)
    assert status_of(entry) == "operational"
    assert calls.count("vehicle_data") > asked["vehicle_data"]
