"""The event entity with the notices."""

from datetime import UTC, datetime, timedelta

from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import CoreState, HomeAssistant, State
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
    mock_restore_cache_with_extra_data,
)

from custom_components.keycard.notifications.publisher import OutageNotice
from custom_components.keycard.outage.models import Assessment, Scope, Status
from custom_components.keycard.outage.outage_log import (
    EventType,
    NoticeType,
    OutageEvent,
)
from custom_components.keycard.vehicle.keys import PhysicalKey

from .conftest import SetUp, state_of

EVENT = "event.tesla_cloud_outage_notice"
SINCE = datetime(2021, 11, 19, 21, 40, tzinfo=UTC)


def report(entry: MockConfigEntry, kind: str, notice: str) -> None:
    """Report an event with the coordinator."""
    event = OutageNotice(
        kind=kind,
        notice=notice,
        title=f"Title {kind}",
        text=f"Text {kind}",
        assessment=Assessment(status=Status.OUTAGE, scope=Scope.REGION, since=SINCE),
        keys={"Ada": PhysicalKey.KEYCARD},
    )
    for listener in list(entry.runtime_data.publisher.listeners):
        listener(event)


async def test_event(hass: HomeAssistant, watch: MockConfigEntry) -> None:
    assert state_of(hass, EVENT).state == "unknown"
    before = dt_util.utcnow()
    report(watch, "started", "take")
    event = state_of(hass, EVENT)
    at = dt_util.parse_datetime(event.state)
    assert at is not None
    assert before - timedelta(milliseconds=1) <= at <= dt_util.utcnow()
    told_since = event.attributes["told_since"]
    assert dt_util.parse_datetime(told_since) is not None
    assert {
        key: event.attributes[key]
        for key in (
            "event_type",
            "notice",
            "title",
            "text",
            "status",
            "scope",
            "keys",
            "since",
        )
    } == {
        "event_type": "started",
        "notice": "take",
        "title": "Title started",
        "text": "Text started",
        "status": "outage",
        "scope": "region",
        "keys": {"Ada": "keycard"},
        "since": SINCE.isoformat(),
    }

    # The first notice is kept until the all-clear.
    report(watch, "changed", "none")
    report(watch, "changed", "take")
    assert state_of(hass, EVENT).attributes["told_since"] == told_since
    report(watch, "ended", "all_clear")
    assert state_of(hass, EVENT).attributes["told_since"] == told_since
    report(watch, "warning", "none")
    assert state_of(hass, EVENT).attributes["told_since"] is None


async def test_news_of_the_cloud_are_no_event(
    hass: HomeAssistant, watch: MockConfigEntry
) -> None:
    report(watch, "started", "take")
    state = state_of(hass, EVENT)
    watch.runtime_data.coordinator.async_update_listeners()
    assert state_of(hass, EVENT) is state


async def test_notified_state_survives_a_restart(
    hass: HomeAssistant, watching_entry: MockConfigEntry, set_up: SetUp
) -> None:
    at = "2021-11-19T21:41:00.000+00:00"
    mock_restore_cache_with_extra_data(
        hass,
        [
            (
                State(EVENT, at),
                {
                    "last_event_type": "started",
                    "last_event_attributes": {"notice": "take", "told_since": at},
                },
            )
        ],
    )
    await set_up(watching_entry)
    assert state_of(hass, EVENT).state == at
    report(watching_entry, "changed", "take")
    restored_at = dt_util.parse_datetime(state_of(hass, EVENT).attributes["told_since"])
    assert restored_at == dt_util.parse_datetime(at)


async def test_a_drill_that_a_restart_ended_is_not_continued(
    hass: HomeAssistant, watching_entry: MockConfigEntry, set_up: SetUp
) -> None:
    at = "2021-11-19T21:41:00.000+00:00"
    attributes = {"notice": "take", "told_since": at, "drill": True}
    mock_restore_cache_with_extra_data(
        hass,
        [
            (
                State(EVENT, at),
                {"last_event_type": "started", "last_event_attributes": attributes},
            )
        ],
    )
    await set_up(watching_entry)
    assert state_of(hass, EVENT).state == "unknown"
    # Even if the pending end is unknown.
    report(watching_entry, "started", "take")
    assert state_of(hass, EVENT).attributes["told_since"] > "2022"


async def test_an_outage_that_is_over_is_not_continued(
    hass: HomeAssistant, watching_entry: MockConfigEntry, set_up: SetUp
) -> None:
    at = "2021-11-19T21:41:00.000+00:00"
    mock_restore_cache_with_extra_data(
        hass,
        [
            (
                State(EVENT, at),
                {
                    "last_event_type": "ended",
                    "last_event_attributes": {"notice": "all_clear", "told_since": at},
                },
            )
        ],
    )
    await set_up(watching_entry)
    report(watching_entry, "started", "take")
    assert state_of(hass, EVENT).attributes["told_since"] > "2022"


async def test_events_during_a_start_are_sent_after_it(
    hass: HomeAssistant, watching_entry: MockConfigEntry, set_up: SetUp
) -> None:
    hass.set_state(CoreState.not_running)
    await set_up(watching_entry)
    bulletin = watching_entry.runtime_data.publisher
    for kind in (EventType.STARTED, EventType.CHANGED):
        happening = OutageEvent(entry_id="", kind=kind, notice=NoticeType.NONE)
        bulletin.async_publish(happening, Assessment(status=Status.OUTAGE), {})
    assert state_of(hass, EVENT).state == "unknown"
    states = async_capture_events(hass, EVENT_STATE_CHANGED)
    await hass.async_start()
    await hass.async_block_till_done()
    assert [
        event.data["new_state"].attributes["event_type"]
        for event in states
        if event.data["entity_id"] == EVENT and event.data["new_state"] is not None
    ] == ["started", "changed"]
