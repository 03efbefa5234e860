"""Drills are shown as such and touch nothing real."""

from copy import deepcopy
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from homeassistant.components.persistent_notification import (
    _async_get_or_create_notifications as notifications,
)
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import ServiceCall, State
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.diagnostics import async_get_config_entry_diagnostics
from custom_components.keycard.runtime.storage import DATA_STORE
from tests.conftest import state_of

from .home import HomeUnderTest, assert_available, assert_explained, status_of
from .test_actions import act, refusal
from .test_automations import (
    ALL_DOWN,
    CLOUD,
    OUTAGE,
    RecordedRuns,
    automate,
    condition_config,
    start,
    stop,
    trigger_config,
)
from .test_told_once import OTHERS, ReceivedNotices, watcher_in

DOWN = {"eu.api": "503 down", "eu.status": "503 down"}
UP = dict.fromkeys(DOWN, "ok")
ALL = {
    "binary_sensor.{}_outage": ("off", "on"),
    "binary_sensor.{}_api_reachable": ("on", "off"),
    "binary_sensor.{}_drill": ("off", "on"),
    "sensor.{}_status": ("operational", "outage"),
    "sensor.{}_affected": ("none", "region"),
    "sensor.ada_key_to_take": ("usual", "keycard"),
    "sensor.cy_key_to_take": ("usual", "fob"),
}


@pytest.fixture
def ran(home: HomeUnderTest) -> RecordedRuns:
    return RecordedRuns(home.hass)


@pytest.fixture
def notices(home: HomeUnderTest) -> ReceivedNotices:
    return ReceivedNotices(home.hass)


def shown(home: HomeUnderTest, cloud: str = CLOUD) -> dict[str, State]:
    """Return the states that a drill changes."""
    return {key: state_of(home.hass, key.format(cloud)) for key in ALL}


def assert_shown(home: HomeUnderTest, *, drill: bool, cloud: str = CLOUD) -> None:
    """Check that a drill is shown and marked as one, or that there is none."""
    for key, state in shown(home, cloud).items():
        assert state.state == ALL[key][drill], key
        assert state.attributes["drill"] is drill, key


def real_state(home: HomeUnderTest) -> dict[str, Any]:
    """Return all that a drill must not change."""
    journal = home.hass.data[DATA_STORE].outage_log
    return deepcopy(
        {
            "outages": journal.dump_outages(),
            "seen": journal._assessments,
            "last": home.states()[f"sensor.{CLOUD}_last_outage"],
            "uptime": journal.uptime.stats("eu", 30, home.clock.now()).uptime,
        }
    )


async def press_button(home: HomeUnderTest, name: str, of: str = CLOUD) -> str | None:
    """Press a button and return the translation key of its error."""
    button = f"button.{of}_{name}"
    state_of(home.hass, button)
    error = await home.perform("press", button)
    if error is None:
        return None
    assert_explained(error)
    return error.translation_key


def shown_results(home: HomeUnderTest, entry: MockConfigEntry) -> str | None:
    """Return the list of results of a drill."""
    found = notifications(home.hass).get(f"keycard_drill_{entry.entry_id}")
    return None if found is None else f"{found['title']}\n{found['message']}"


async def test_a_drill_from_the_button_to_its_end(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    notices: ReceivedNotices,
    ran: RecordedRuns,
) -> None:
    entry = await home.set_up_operational(watching_entry)
    await automate(
        home,
        trigger_config("outage_started", OUTAGE),
        {**trigger_config("outage_started", OUTAGE, **{"for": 240}), "id": "lasted"},
        trigger_config("outage_ended", OUTAGE),
        trigger_config("key_to_take_changed", "sensor.ada_key_to_take"),
        conditions=({"condition": "template", "value_template": "{{ DRILLS }}"},),
        variables={
            "DRILLS": "{{ trigger.to_state.attributes.drill"
            " or trigger.from_state.attributes.drill }}"
        },
    )
    before = real_state(home)
    assert_shown(home, drill=False)
    began = home.clock.now()
    assert await press_button(home, "start_a_drill") is None
    assert_shown(home, drill=True)
    assert_available(home)
    (event,) = notices.events
    assert event["drill"] is True
    assert (event["event_type"], event["notice"]) == ("started", "take")
    assert event["title"] == "Drill: Take your keycard and key fob"
    assert event["text"].endswith("\nThis is a drill. Nothing has failed.")
    assert "the key fob for Cy." in event["text"]
    since = datetime.fromisoformat(event["since"])
    assert abs(since - began) < timedelta(seconds=2)
    assert state_of(home.hass, f"sensor.{CLOUD}_outage_since").attributes["drill"]

    await home.run(599)
    assert_shown(home, drill=True)
    assert status_of(entry) == "operational"
    found = await async_get_config_entry_diagnostics(home.hass, entry)
    assert found["cloud"]["view"]["assessment"]["status"] == "operational"
    assert found["cloud"]["drill"] is True
    assert shown_results(home, entry) is None

    await home.run(3)
    assert_shown(home, drill=False)
    assert sorted(ran.by) == [
        "key_to_take_changed",
        "key_to_take_changed",
        "lasted",
        "outage_ended",
        "outage_started",
    ]
    _, event = notices.events
    assert event["drill"] is True
    assert (event["event_type"], event["notice"]) == ("ended", "all_clear")
    assert event["title"] == "Drill: All clear"
    assert "lasted 10 min" in event["text"]
    assert "Tell ran." in str(shown_results(home, entry))
    last = state_of(home.hass, f"sensor.{CLOUD}_last_drill")
    assert last.attributes["readiness"]["automations"][0]["ran"] is True
    assert real_state(home) == before

    # Later events are real, and reported as such.
    home.simulator.apply(DOWN)
    await home.run(180)
    assert notices.events[2]["event_type"] == "started"
    assert notices.events[2]["drill"] is False
    assert notices.events[2]["title"] == "Take your keycard and key fob"
    assert state_of(home.hass, f"binary_sensor.{CLOUD}_outage").attributes == {
        "drill": False,
        "device_class": "problem",
        "friendly_name": "Tesla cloud Outage",
    }


@pytest.mark.parametrize(
    ("arguments", "status", "scope", "keys", "title"),
    [
        (
            {"scope": "regions", "elsewhere": ["na"]},
            "outage",
            "regions",
            {"Ada": "keycard", "Cy": "fob"},
            "Drill: Take your keycard and key fob",
        ),
        (
            {"status": "sign_in_outage", "duration": {"hours": 2}},
            "sign_in_outage",
            "worldwide",
            {"Ada": "keycard", "Cy": "fob"},
            "Drill: Take your keycard and key fob",
        ),
        (
            {"status": "degraded", "scope": "model", "cars": ["Ada"]},
            "degraded",
            "model",
            {"Ada": "keycard", "Cy": "usual"},
            "Drill: Take the keycard for Ada",
        ),
    ],
)
async def test_a_drill_follows_its_request(
    *,
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    notices: ReceivedNotices,
    arguments: dict[str, Any],
    status: str,
    scope: str,
    keys: dict[str, str],
    title: str,
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    devices = {
        device.name: device.id
        for device in dr.async_entries_for_config_entry(
            dr.async_get(home.hass), entry.entry_id
        )
    }
    if "cars" in arguments:
        arguments = {**arguments, "cars": [devices[name] for name in arguments["cars"]]}
    found = await act(home, "start_drill", **arguments)
    assert found == await act(home, "get_status")
    assert found["drill"] is True
    assert (found["status"], found["scope"]) == (status, scope)
    assert {car["name"]: car["key_to_take"] for car in found["cars"]} == keys
    assert found["title"] == title
    assert found["title"] == notices.only("take")["title"]
    assert found["text"] == notices.only("take")["text"]
    hit = status != "sign_in_outage"
    ada = state_of(home.hass, "sensor.ada_connection")
    assert ada.state == ("maker_down" if hit else "cloud")
    assert (ada.attributes["reachable"], ada.attributes["drill"]) == (not hit, True)
    await act(home, "stop_drill")
    assert state_of(home.hass, "sensor.ada_connection").state == "cloud"


async def test_a_command_during_a_drill_goes_the_usual_way(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(compatible_entry)
    await act(home, "start_drill")
    assert state_of(home.hass, "sensor.ada_connection").state == "maker_down"
    assert await home.perform("unlock") is None
    assert home.simulator.cars["Ada"].executed["door_unlock"] == 1
    assert home.states()["lock.ada_lock"] == "unlocked"
    # The car is polled as usual, and its data are shown.
    home.simulator.cars["Ada"].locked = True
    await home.run(240)
    assert home.states()["lock.ada_lock"] == "locked"
    assert state_of(home.hass, "sensor.ada_connection").state == "maker_down"


async def test_bad_arguments(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    compatible_entry: MockConfigEntry,
) -> None:
    watching = await home.set_up_operational(watching_entry)
    other = await home.set_up_operational(compatible_entry)
    entry = {"config_entry_id": watching.entry_id}
    (car, *_) = [
        device.id
        for device in dr.async_entries_for_config_entry(
            dr.async_get(home.hass), other.entry_id
        )
        if device.name == "Ada"
    ]
    for arguments, key in (
        ({"duration": {"seconds": 59}}, "drill_duration"),
        ({"duration": {"hours": 24, "seconds": 1}}, "drill_duration"),
        ({"scope": "model"}, "drill_scope"),
        ({"status": "degraded", "scope": "worldwide"}, "drill_scope"),
        ({"status": "sign_in_outage", "scope": "region"}, "drill_scope"),
        ({"scope": "regions"}, "drill_elsewhere_missing"),
        ({"scope": "regions", "elsewhere": "eu"}, "drill_elsewhere_own"),
        ({"scope": "regions", "elsewhere": ["na", "cn"]}, "drill_elsewhere_all"),
        ({"elsewhere": ["na"]}, "drill_elsewhere_unused"),
        ({"cars": [car]}, "drill_not_a_car"),
        ({"cars": ["nothing"]}, "drill_not_a_car"),
    ):
        error = await refusal(home, "start_drill", **entry, **arguments)
        assert error.translation_key == key, arguments
        assert_explained(error)
    error = await refusal(home, "start_drill")
    assert error.translation_key == "service_found_multiple_config_entry_for_domain"
    error = await refusal(home, "stop_drill", **entry)
    assert error.translation_key == "no_drill_is_on"
    assert await press_button(home, "end_the_drill") == "no_drill_is_on"
    assert_shown(home, drill=False)
    await act(home, "start_drill", **entry)
    error = await refusal(home, "start_drill", **entry)
    assert error.translation_key == "drill_is_on"
    assert_explained(error)


async def test_a_drill_concerns_one_entry(
    home: HomeUnderTest, watching_entry: MockConfigEntry, notices: ReceivedNotices
) -> None:
    await home.set_up_operational(watching_entry)
    other = watcher_in(home.simulator, "eu", OTHERS)
    await home.set_up_operational(other)
    await act(home, "start_drill", config_entry_id=watching_entry.entry_id)
    assert_shown(home, drill=True)
    assert home.states()["sensor.dot_key_to_take"] == "usual"
    assert home.states()["binary_sensor.other_outage"] == "off"
    assert notices.only("take")["keys"] == {"Ada": "keycard", "Cy": "fob"}
    # The real outage is reported for all entries by the first that sees it.
    home.simulator.apply(DOWN)
    await home.run(180)
    real = [event for event in notices.events if not event["drill"]]
    assert [event["notice"] for event in real].count("take") == 1
    assert real[0]["keys"] == {"Ada": "keycard", "Cy": "fob", "Dot": "fob"}
    home.simulator.apply(UP)
    await home.run(600)
    assert notices.notices == {"take": 2, "all_clear": 2}


async def test_an_outage_of_another_entry_is_real_too(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, notices: ReceivedNotices
) -> None:
    """The real keys are reported for all entries, and no drill continues."""
    await home.set_up_operational(compatible_entry)
    watching = watcher_in(home.simulator, "eu", OTHERS)
    await home.set_up_operational(watching)
    mine = {"config_entry_id": watching.entry_id}
    await act(home, "start_drill", **mine, duration={"hours": 1})
    assert home.states()["sensor.dot_key_to_take"] == "fob"
    home.simulator.set("eu.api@models", "503 down")
    await home.run(300)
    started = next(event for event in notices.events if not event["drill"])
    assert started["status"] == "degraded"
    assert started["keys"] == {"Ada": "usual", "Cy": "fob", "Dot": "usual"}
    assert home.states()["sensor.dot_key_to_take"] == "usual"
    assert status_of(watching) == "operational"
    assert notices.only("all_clear")["title"] == "Drill: Ended early"
    error = await refusal(home, "start_drill", **mine)
    assert error.translation_key == "outage_is_on"


@pytest.mark.parametrize(
    ("fails", "status", "events"),
    [
        (DOWN, "outage", [("started", "take")]),
        (
            {"auth.token": "503 down", "auth.authorize": "503 down"},
            "sign_in_outage",
            [("started", "take")],
        ),
        (ALL_DOWN, "internet_down", []),
        (
            {"na.api": "503 down", "na.status": "503 down"},
            "operational",
            [("warning", "none")],
        ),
    ],
    ids=["outage", "sign-in outage", "own internet", "early warning"],
)
async def test_a_real_outage_ends_a_drill(
    *,
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    notices: ReceivedNotices,
    fails: dict[str, str],
    status: str,
    events: list[tuple[str, str]],
) -> None:
    entry = await home.set_up_operational(watching_entry)
    await act(home, "start_drill", duration={"hours": 1})
    home.simulator.apply(fails)
    await home.until(lambda: len(notices.events) == 2 + len(events), within=700)
    await home.time_control.settle()
    _, ended, *real = notices.events
    assert (ended["event_type"], ended["notice"]) == ("ended", "all_clear")
    assert ended["drill"] is True
    assert ended["title"] == "Drill: Ended early"
    assert [(event["event_type"], event["notice"]) for event in real] == events
    assert [event["drill"] for event in real] == [False] * len(events)
    assert status_of(entry) == status
    state = state_of(home.hass, f"sensor.{CLOUD}_status")
    assert (state.state, state.attributes["drill"]) == (status, False)
    await home.run(3600)
    assert not any(event["drill"] for event in notices.events[2:])
    assert shown_results(home, entry) is None
    if not events:
        # The drill's keys are not frozen with the status.
        assert home.states()["sensor.ada_key_to_take"] == "usual"
    if "take" in dict(events).values():
        assert await press_button(home, "start_a_drill") == "outage_is_on"


async def test_a_real_key_to_take_stays_when_it_ends_a_drill(
    home: HomeUnderTest, watching_entry: MockConfigEntry, ran: RecordedRuns
) -> None:
    await home.set_up_operational(watching_entry)
    await automate(
        home, trigger_config("key_to_take_changed", "sensor.ada_key_to_take")
    )
    await act(home, "start_drill", duration={"hours": 1})
    home.simulator.apply(DOWN)
    await home.run(300)
    assert ran.by == ["key_to_take_changed"]
    ada = state_of(home.hass, "sensor.ada_key_to_take")
    assert (ada.state, ada.attributes["drill"]) == ("keycard", False)


@pytest.mark.parametrize("how", ["reload", "stop", "crash"])
async def test_a_restart_ends_a_drill(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    notices: ReceivedNotices,
    hass_storage: dict[str, Any],
    how: str,
) -> None:
    entry = await home.set_up_operational(watching_entry)
    key = f"keycard.{entry.entry_id}"
    before = real_state(home)
    await act(home, "start_drill")
    await home.run(2)
    written = deepcopy(hass_storage[key])
    if how == "stop":
        home.hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
        await home.time_control.settle()
    assert await home.hass.config_entries.async_unload(entry.entry_id)
    if how == "crash":
        hass_storage[key] = written
    await home.set_up(entry)
    assert home.states()[f"binary_sensor.{CLOUD}_outage"] == "off"
    assert home.states()["sensor.ada_key_to_take"] == "usual"
    await home.run(5)
    assert_shown(home, drill=False)
    assert status_of(entry) == "operational"
    assert notices.notices == {"take": 1, "all_clear": 1}
    ended = notices.only("all_clear")
    assert (ended["event_type"], ended["drill"]) == ("ended", True)
    assert ended["title"] == "Drill: Ended early"
    await home.run(900)
    await home.restart(entry)
    await home.run(60)
    assert notices.notices == {"take": 1, "all_clear": 1}
    assert real_state(home)["outages"] == before["outages"] == []
    # A real notice is not counted as one of the drill.
    home.simulator.apply(DOWN)
    await home.run(180)
    event = state_of(home.hass, OUTAGE)
    since = datetime.fromisoformat(event.attributes["told_since"])
    assert abs(since - datetime.fromisoformat(event.state)) < timedelta(seconds=2)


async def test_a_wait_for_a_drill_ends_with_a_restart(
    home: HomeUnderTest, watching_entry: MockConfigEntry, ran: RecordedRuns
) -> None:
    entry = await home.set_up_operational(watching_entry)
    await automate(
        home,
        {**trigger_config("outage_started", OUTAGE, **{"for": 300}), "id": "lasted"},
    )
    await act(home, "start_drill", duration={"hours": 1})
    await home.run(60)
    await stop(home, entry)
    home.clock.jump(600)
    await start(home, entry, takes=60)
    await home.run(900)
    assert ran.by == []


async def test_unreadable_stored_drills(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    hass_storage: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    entry = await home.set_up_operational(watching_entry)
    for spoilt in ({}, {"tried": {"ada": "noon"}}, {"tried": {}, "last": "noon"}):
        assert await home.hass.config_entries.async_unload(entry.entry_id)
        hass_storage[f"keycard.{entry.entry_id}"]["data"]["rehearsal"] = spoilt
        await home.set_up(entry)
        assert "Ignoring invalid storage data of drills" in caplog.text
        caplog.clear()
    assert status_of(entry) == "operational"
    assert_available(home)


async def test_readiness_report(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    hass = home.hass
    sent: list[ServiceCall] = []
    for name in ("family", "neighbours", "stranger"):
        hass.services.async_register("notify", name, sent.append)
    entry = await home.set_up_operational(compatible_entry)
    cy = next(
        car_id
        for car_id, car in entry.runtime_data.vehicles.items()
        if car.vehicle.name == "Cy"
    )
    hass.config_entries.async_update_entry(
        entry,
        options={
            **entry.options,
            "cars": {cy: {"key": "keycard", "key_place": "car"}},
        },
    )
    await home.restart(entry)
    await home.run(60)
    cloud = "tesla_cloud"
    event = f"event.{cloud}_outage_notice"
    family = {"action": "notify.family", "data": {"message": "Take it"}}
    farewell = {"action": "notify.neighbours", "data": {"message": "All clear"}}
    other = {"action": "notify.stranger", "data": {"message": "Hello"}}
    script = {"family": {"sequence": [family]}}
    assert await async_setup_component(hass, "script", {"script": script})
    automations = [
        {
            "alias": "By script",
            "triggers": [trigger_config("outage_started", event)],
            "actions": [{"action": "script.family"}],
        },
        {
            "alias": "At the end",
            "triggers": [trigger_config("outage_ended", event)],
            "actions": [{"delay": 0.5}, farewell],
        },
        {
            "alias": "By a state",
            "triggers": [
                {
                    "trigger": "state",
                    "entity_id": f"binary_sensor.{cloud}_outage",
                    "to": "on",
                    "for": 30,
                }
            ],
            "actions": [],
        },
        {
            "alias": "Held back",
            "triggers": [trigger_config("outage_started", event)],
            "conditions": [condition_config("is_maker_fine", f"sensor.{cloud}_status")],
            "actions": [family],
        },
        {
            "alias": "Switched off",
            "triggers": [trigger_config("outage_started", event)],
            "actions": [family],
            "initial_state": False,
        },
        # An unrelated automation that runs meanwhile.
        {
            "alias": "Something else",
            "triggers": [{"trigger": "event", "event_type": "ask"}],
            "actions": [other],
        },
    ]
    assert await async_setup_component(hass, "automation", {"automation": automations})
    await home.time_control.settle()
    assert await press_button(home, "i_tried_the_card_or_fob", "cy") is None
    day = home.clock.now()
    await act(home, "start_drill")
    await home.run(40)
    hass.bus.async_fire("ask")
    await home.run(5)
    assert len(sent) == 2
    found = await act(home, "stop_drill")
    assert [
        (automation["name"], automation["ran"], automation["on"])
        for automation in found["automations"]
    ] == [
        ("At the end", True, True),
        ("By a state", True, True),
        ("By script", True, True),
        ("Held back", False, True),
        ("Switched off", False, False),
    ]
    assert found["receivers"] == ["notify.family", "notify.neighbours"]
    ada, second = found["cars"]
    # The cloud does not report the PIN of a car.
    assert ada == {
        "name": "Ada",
        "key": "keycard",
        "key_named_by_owner": False,
        "key_place": None,
        "key_tried": None,
        "pin_to_drive": None,
        "bluetooth": None,
    }
    assert (second["key"], second["key_named_by_owner"]) == ("keycard", True)
    assert second["key_place"] == "car"
    tried = datetime.fromisoformat(second["key_tried"])
    assert abs(tried - day) < timedelta(seconds=2)
    shown = shown_results(home, entry)
    assert shown is not None
    assert "Drill results" in shown
    assert "- By script ran." in shown
    assert "- Held back did not run." in shown
    assert "- Switched off is turned off." in shown
    assert r"- A message was sent to notify\.family, notify\.neighbours." in shown
    assert "Never tried" in shown
    assert "Where is the keycard kept?" in shown
    assert "Warning: the keycard is kept in the car." in shown
    assert "The keycard was last tried on 20" in shown
    # A new drill deletes the results of the last one.
    await act(home, "start_drill")
    assert shown_results(home, entry) is None


async def test_a_drill_reports_missing_automations(
    home: HomeUnderTest, watching_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(watching_entry)
    await act(home, "start_drill")
    found = await act(home, "stop_drill")
    assert (found["automations"], found["receivers"]) == ([], [])
    assert "Choose *Add recipient*" in str(shown_results(home, entry))


async def test_that_a_key_was_tried_is_kept(
    home: HomeUnderTest, watching_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(watching_entry)
    sensor = "sensor.ada_card_or_fob_last_tried"
    assert home.states()[sensor] == "unknown"
    assert await press_button(home, "i_tried_the_card_or_fob", "ada") is None
    at = home.states()[sensor]
    assert abs(datetime.fromisoformat(at) - home.clock.now()) < timedelta(seconds=2)
    await act(home, "start_drill")
    found = await act(home, "stop_drill")
    await home.restart(entry)
    assert home.states()[sensor] == at
    last = state_of(home.hass, f"sensor.{CLOUD}_last_drill")
    assert last.attributes["readiness"] == found


async def test_the_blueprint_relays_a_drill_as_one(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    ran: RecordedRuns,
    tmp_path: Path,
) -> None:
    home.hass.config.config_dir = str(tmp_path)
    assert await async_setup_component(home.hass, "automation", {})
    entry = await home.set_up_operational(watching_entry)
    use = {
        "path": "keycard/tesla_outage_take_your_keycard.yaml",
        "input": {
            "outage_event": OUTAGE,
            "actions": [
                {"event": "ran", "event_data": {"by": "{{ notice }} {{ title }}"}}
            ],
        },
    }
    with patch(
        "homeassistant.config.async_hass_config_yaml",
        return_value={"automation": [{"alias": "Tell", "use_blueprint": use}]},
    ):
        await home.hass.services.async_call("automation", "reload", blocking=True)
    await act(home, "start_drill")
    await act(home, "stop_drill")
    assert ran.by == [
        "take Drill: Take your keycard and key fob",
        "all_clear Drill: All clear",
    ]
    await act(home, "start_drill")
    home.simulator.apply(DOWN)
    await home.run(180)
    assert ran.by[-1] == "take Take your keycard and key fob"
    assert entry.state.recoverable
