"""Invariant "told once": one notice and one all-clear, over restarts and reloads."""

from collections import Counter
from typing import Any

import pytest

from homeassistant.config_entries import ConfigEntryDisabler
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import Event, HomeAssistant
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from custom_components.keycard.const import DOMAIN
from custom_components.keycard.runtime.storage import DATA_STORE
from simulator import Simulator
from tests.config_entries import hosts_options

from .home import HomeUnderTest, assert_no_errors, status_of

DOWN = {"eu.api": "503 down", "eu.status": "503 down"}
UP = dict.fromkeys(DOWN, "ok")
OTHERS = {"dot": {"name": "Dot", "model": "modelx", "year": 2017, "key": "fob"}}


class ReceivedNotices:
    """Notices sent to the user, by entry."""

    def __init__(self, hass: HomeAssistant) -> None:
        self._events = async_capture_events(hass, EVENT_STATE_CHANGED)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [
            dict(event.data["new_state"].attributes)
            for event in self._events
            if event.data["entity_id"].startswith("event.")
            and event.data["new_state"] is not None
            and event.data["new_state"].state not in {"unknown", "unavailable"}
            and _is_new(event)
        ]

    @property
    def notices(self) -> Counter[str]:
        return Counter(
            event["notice"] for event in self.events if event["notice"] != "none"
        )

    def only(self, notice: str) -> dict[str, Any]:
        (event,) = [event for event in self.events if event["notice"] == notice]
        return event


def _is_new(event: Event[Any]) -> bool:
    old, new = event.data["old_state"], event.data["new_state"]
    return old is not None and old.state not in {"unavailable", new.state}


@pytest.fixture
def notices(hass: HomeAssistant) -> ReceivedNotices:
    return ReceivedNotices(hass)


def watcher_in(
    simulator: Simulator, region: str, cars: dict[str, Any], title: str = "Other"
) -> MockConfigEntry:
    return MockConfigEntry(
        domain=DOMAIN,
        title=title,
        unique_id=f"watch_{title}",
        data={"provider": "watch_only", "region": region},
        options={**hosts_options(simulator), "cars": cars},
    )


async def test_once_over_restarts(
    home: HomeUnderTest, watching_entry: MockConfigEntry, notices: ReceivedNotices
) -> None:
    entry = await home.set_up_operational(watching_entry)
    began = home.clock.now()
    home.simulator.apply(DOWN)
    for _ in range(3):
        await home.run(180)
        assert notices.notices == {"take": 1}
        await home.restart(entry)
    text = notices.only("take")["text"]
    assert "Take the keycard for Ada" in text
    assert "the key fob for Cy." in text
    assert notices.only("take")["keys"] == {"Ada": "keycard", "Cy": "fob"}
    since = entry.runtime_data.detector.assessment.since
    assert since is not None
    assert abs((since - began).total_seconds()) < 70

    home.simulator.apply(UP)
    await home.run(60)
    await home.restart(entry)
    await home.run(300)
    await home.restart(entry)
    await home.run(300)
    assert notices.notices == {"take": 1, "all_clear": 1}
    assert notices.only("all_clear")["event_type"] == "ended"


async def test_a_reload_keeps_the_outage(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, notices: ReceivedNotices
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.apply(DOWN)
    await home.run(180)
    since = entry.runtime_data.detector.assessment.since
    before = home.states()
    assert await home.hass.config_entries.async_reload(entry.entry_id)
    assert entry.runtime_data.detector.assessment.since == since
    assert status_of(entry) == "outage"
    for entity_id, state in before.items():
        if "key_to_take" in entity_id or "tesla_cloud" in entity_id:
            assert home.states()[entity_id] == state, entity_id
    await home.run(600)
    assert entry.runtime_data.detector.assessment.since == since
    assert notices.notices == {"take": 1}


async def test_two_entries_of_one_region_send_one_notice(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, notices: ReceivedNotices
) -> None:
    other = watcher_in(home.simulator, "eu", OTHERS)
    await home.set_up_operational(compatible_entry)
    await home.set_up_operational(other)
    home.simulator.apply(DOWN)
    await home.run(240)
    assert notices.notices == {"take": 1}
    # One entry sends the notice for all cars.
    assert notices.only("take")["keys"] == {
        "Ada": "keycard",
        "Cy": "fob",
        "Dot": "fob",
    }
    assert home.states()["sensor.dot_key_to_take"] == "fob"
    home.simulator.apply(UP)
    await home.run(1200)
    assert notices.notices == {"take": 1, "all_clear": 1}


async def test_two_regions_have_separate_notices(
    home: HomeUnderTest, watching_entry: MockConfigEntry, notices: ReceivedNotices
) -> None:
    other = watcher_in(home.simulator, "na", OTHERS)
    await home.set_up_operational(watching_entry)
    await home.set_up_operational(other)
    home.simulator.apply(DOWN)
    await home.run(700)
    assert notices.notices == {"take": 1}
    assert [event["event_type"] for event in notices.events] == ["started", "warning"]
    assert "Europe" in notices.events[1]["text"]
    assert status_of(other) == "operational"
    assert home.states()["sensor.dot_key_to_take"] == "usual"
    home.simulator.apply({"na.status": "503 down"})
    await home.run(240)
    assert notices.notices == {"take": 2}
    assert [event["keys"] for event in notices.events if event["notice"] == "take"] == [
        {"Ada": "keycard", "Cy": "fob"},
        {"Dot": "fob"},
    ]
    home.simulator.apply(UP)
    await home.run(600)
    assert notices.notices == {"take": 2, "all_clear": 1}
    home.simulator.apply({"na.status": "ok"})
    await home.run(600)
    assert notices.notices == {"take": 2, "all_clear": 2}


@pytest.mark.parametrize("leaves", ["removed", "disabled"])
@pytest.mark.parametrize("teller", [True, False], ids=["teller", "other"])
async def test_an_entry_that_goes_takes_no_all_clear_along(
    *,
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    watching_entry: MockConfigEntry,
    notices: ReceivedNotices,
    leaves: str,
    teller: bool,
) -> None:
    hass = home.hass
    await home.set_up_operational(watching_entry)
    await home.set_up_operational(compatible_entry)
    home.simulator.apply(DOWN)
    await home.run(240)
    assert notices.notices == {"take": 1}
    (outage,) = hass.data[DATA_STORE].outage_log.outages
    notified_by_account = outage.notified_by == compatible_entry.entry_id
    goes = compatible_entry if notified_by_account is teller else watching_entry
    if leaves == "removed":
        await hass.config_entries.async_remove(goes.entry_id)
    else:
        await hass.config_entries.async_set_disabled_by(
            goes.entry_id, ConfigEntryDisabler.USER
        )
    await home.run(180)
    assert notices.notices == {"take": 1}
    home.simulator.apply(UP)
    await home.run(1200)
    assert notices.notices == {"take": 1, "all_clear": 1}
    assert outage.end is not None


async def test_the_last_entry_in_an_outage_leaves_the_all_clear_to_its_notifier(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    watching_entry: MockConfigEntry,
    notices: ReceivedNotices,
) -> None:
    await home.set_up_operational(watching_entry)
    await home.set_up_operational(compatible_entry)
    home.simulator.apply(DOWN)
    await home.run(240)
    (outage,) = home.hass.data[DATA_STORE].outage_log.outages
    assert outage.notified_by == watching_entry.entry_id
    home.simulator.set("eu.status", "ok")
    await home.run(600)
    assert status_of(watching_entry) == "operational"
    assert status_of(compatible_entry) == "outage"
    assert notices.notices == {"take": 1}
    await home.hass.config_entries.async_remove(compatible_entry.entry_id)
    await home.run(10)
    assert notices.notices == {"take": 1, "all_clear": 1}


async def test_the_last_entry_in_an_outage_is_removed(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    watching_entry: MockConfigEntry,
    notices: ReceivedNotices,
) -> None:
    # Calls of the account fail although the host answers.
    await home.set_up_operational(watching_entry)
    await home.set_up_operational(compatible_entry)
    home.simulator.set("eu.api", "503 down")
    await home.run(240)
    assert notices.notices == {"take": 1}
    await home.hass.config_entries.async_remove(compatible_entry.entry_id)
    await home.run(60)
    (outage,) = home.hass.data[DATA_STORE].outage_log.outages
    assert outage.end is not None
    assert home.hass.config_entries.async_entries(DOMAIN) == [watching_entry]


async def test_an_event_without_listeners_is_sent_later(
    home: HomeUnderTest, watching_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(watching_entry)
    data = entry.runtime_data
    listeners, data.publisher.listeners = data.publisher.listeners, []
    home.simulator.apply(DOWN)
    await home.run(180)
    received: list[Any] = []
    unsub = data.publisher.async_add_listener(received.append)
    assert [(event.kind, event.notice) for event in received] == [("started", "take")]
    unsub()
    again: list[Any] = []
    data.publisher.async_add_listener(again.append)()
    assert again == []
    data.publisher.listeners = listeners


async def test_a_single_failure_sends_no_notice(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    notices: ReceivedNotices,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await home.set_up_operational(compatible_entry)
    for condition in ("503 down", "reset", "timeout", "garbage", "500"):
        home.simulator.apply({"eu.api": condition, "eu.status": condition})
        await home.run(10)
        home.simulator.apply(UP)
        await home.run(600)
    assert notices.events == []
    assert_no_errors(caplog)


async def test_texts_follow_the_language(
    home: HomeUnderTest, watching_entry: MockConfigEntry, notices: ReceivedNotices
) -> None:
    await home.set_up_operational(watching_entry)
    await home.hass.config.async_update(language="de")
    home.simulator.apply(DOWN)
    await home.run(180)
    assert notices.only("take")["title"] == "Nimm Karte und Funkschlüssel mit"
    assert "den Funkschlüssel für Cy mit." in notices.only("take")["text"]


async def test_a_restart_while_data_recover_ends_soon(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.set("eu.data", "500 busy")
    await home.until(lambda: status_of(entry) == "degraded", 1800)
    home.simulator.set("eu.data", "ok")
    data = home.simulator.usage.count("vehicle_data")
    await home.until(lambda: home.simulator.usage.count("vehicle_data") > data, 1800)
    await home.restart(entry)
    assert await home.until(lambda: status_of(entry) == "operational", 600) < 300
