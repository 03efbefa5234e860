"""Triggers and conditions in automations, over time and restarts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from homeassistant.core import CoreState, Event, HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from custom_components.keycard.trigger import TRIGGERS
from tests.conftest import state_of

from .home import HomeUnderTest

CLOUD = "tesla_cloud"
OUTAGE = f"event.{CLOUD}_outage_notice"
DOWN = {"eu.api": "503 down", "eu.status": "503 down"}
UP = dict.fromkeys(DOWN, "ok")
ALL_DOWN = {
    f"{region}.{subsystem}": "refuse"
    for region in ("na", "eu", "cn")
    for subsystem in ("api", "status")
} | {"auth.token": "refuse", "auth.authorize": "refuse", "controls": "refuse"}
LIMIT = '403 {"error":"account disabled: EXCEEDED_LIMIT"}'


class RecordedRuns:
    """Runs of automations and their triggers."""

    def __init__(self, hass: HomeAssistant) -> None:
        self._events: list[Event[Mapping[str, Any]]] = async_capture_events(hass, "ran")

    @property
    def by(self) -> list[str]:
        return [event.data["by"] for event in self._events]

    def data(self, by: str) -> list[Mapping[str, Any]]:
        return [event.data for event in self._events if event.data["by"] == by]


@pytest.fixture
def ran(hass: HomeAssistant) -> RecordedRuns:
    return RecordedRuns(hass)


def trigger_config(name: str, entity_id: str, **options: Any) -> dict[str, Any]:
    """Return a trigger whose id is its key."""
    return {
        "id": name,
        "trigger": f"keycard.{name}",
        "target": {"entity_id": entity_id},
        **({"options": options} if options else {}),
    }


def condition_config(
    name: str, entity_id: str | list[str], **options: Any
) -> dict[str, Any]:
    """Return a condition."""
    return {
        "condition": f"keycard.{name}",
        "target": {"entity_id": entity_id},
        "options": options,
    }


async def automate(
    home: HomeUnderTest,
    *triggers: dict[str, Any],
    conditions: tuple[dict[str, Any], ...] = (),
    **more: Any,
) -> None:
    """Set up an automation that records its triggers."""
    action = {
        "event": "ran",
        "event_data": {
            "by": "{{ trigger.id }}",
            "entity": "{{ trigger.entity_id }}",
            "state": "{{ trigger.to_state.state }}",
            "text": "{{ trigger.to_state.attributes.text }}",
        },
    }
    automation = {
        "alias": "Tell",
        "mode": "queued",
        "triggers": list(triggers),
        "conditions": list(conditions),
        "actions": [action],
        **more,
    }
    assert await async_setup_component(
        home.hass, "automation", {"automation": automation}
    )
    await home.time_control.settle()


async def switch_automation(home: HomeUnderTest, service: str) -> None:
    """Switch the automation on or off."""
    await home.hass.services.async_call(
        "automation", service, {"entity_id": "automation.tell"}, blocking=True
    )


async def stop(home: HomeUnderTest, entry: MockConfigEntry) -> None:
    """Stop Home Assistant, as seen by automations and entries."""
    await switch_automation(home, "turn_off")
    assert await home.hass.config_entries.async_unload(entry.entry_id)
    home.hass.set_state(CoreState.not_running)


async def start(
    home: HomeUnderTest, entry: MockConfigEntry, takes: float = 0.0
) -> None:
    """Start Home Assistant, with a long start-up after the entry."""
    await home.set_up(entry)
    await switch_automation(home, "turn_on")
    await home.run(takes)
    await home.run_task(home.hass.async_start())
    assert home.hass.state is CoreState.running
    await home.time_control.settle()


OF_OUTAGES = tuple(
    trigger_config(key, OUTAGE)
    for key in ("outage_started", "outage_changed", "outage_ended")
)


async def test_an_outage_that_grows_and_ends(
    home: HomeUnderTest, watching_entry: MockConfigEntry, ran: RecordedRuns
) -> None:
    await home.set_up_operational(watching_entry)
    await automate(
        home,
        *OF_OUTAGES,
        trigger_config("key_to_take_changed", "sensor.ada_key_to_take"),
        trigger_config("early_warning_started", OUTAGE),
    )
    home.simulator.apply(DOWN)
    await home.run(180)
    assert sorted(ran.by) == ["key_to_take_changed", "outage_started"]
    assert "Take the keycard for Ada" in ran.data("outage_started")[0]["text"]
    assert ran.data("key_to_take_changed")[0]["state"] == "keycard"
    home.simulator.apply({"na.api": "503 down", "na.status": "503 down"})
    await home.run(600)
    assert ran.by[2:] == ["outage_changed"]
    home.simulator.apply({**UP, "na.api": "ok", "na.status": "ok"})
    await home.run(600)
    assert sorted(ran.by[3:]) == ["key_to_take_changed", "outage_ended"]
    assert ran.data("key_to_take_changed")[1]["state"] == "usual"


async def test_devices_as_targets(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, ran: RecordedRuns
) -> None:
    """Only the matching entity of a device counts."""
    entry = await home.set_up_operational(compatible_entry)
    devices = {
        device.name: device.id
        for device in dr.async_entries_for_config_entry(
            dr.async_get(home.hass), entry.entry_id
        )
    }
    await automate(
        home,
        *(
            {
                "id": name,
                "trigger": f"keycard.{name}",
                "target": {"device_id": [devices["Tesla cloud"], devices["Ada"]]},
            }
            for name in TRIGGERS
        ),
    )
    home.simulator.apply(DOWN)
    await home.run(300)
    # Host and calls do not fail at the same moment.
    assert sorted(by for by in ran.by if by != "outage_changed") == [
        "car_became_unreachable",
        "key_to_take_changed",
        "outage_started",
    ]


@pytest.mark.parametrize(
    ("keys", "expected"), [(["keycard"], ["keycard"]), (["usual", "fob"], ["usual"])]
)
async def test_a_key_that_is_waited_for(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    ran: RecordedRuns,
    *,
    keys: list[str],
    expected: list[str],
) -> None:
    await home.set_up_operational(watching_entry)
    await automate(
        home, trigger_config("key_to_take_changed", "sensor.ada_key_to_take", key=keys)
    )
    home.simulator.apply(DOWN)
    await home.run(300)
    home.simulator.apply(UP)
    await home.run(600)
    assert [data["state"] for data in ran.data("key_to_take_changed")] == expected


async def test_an_early_warning(
    home: HomeUnderTest, watching_entry: MockConfigEntry, ran: RecordedRuns
) -> None:
    await home.set_up_operational(watching_entry)
    await automate(home, *OF_OUTAGES, trigger_config("early_warning_started", OUTAGE))
    home.simulator.apply({"na.api": "503 down", "na.status": "503 down"})
    await home.run(600)
    assert ran.by == ["early_warning_started"]


@pytest.mark.parametrize(
    ("minutes", "down_for", "expected"), [(5, 420, True), (10, 240, False)]
)
async def test_an_outage_that_lasts(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    ran: RecordedRuns,
    *,
    minutes: int,
    down_for: float,
    expected: bool,
) -> None:
    await home.set_up_operational(watching_entry)
    await automate(
        home, trigger_config("outage_started", OUTAGE, **{"for": {"minutes": minutes}})
    )
    began = home.clock.monotonic()
    home.simulator.apply(DOWN)
    # Other changes do not restart the wait.
    await home.run(120)
    home.simulator.apply({"na.api": "503 down", "na.status": "503 down"})
    if expected:
        await home.until(lambda: bool(ran.by), within=down_for - 120)
        waited = home.clock.monotonic() - began
        # It counts from the first failed answer, within a minute.
        assert minutes * 60 <= waited < minutes * 60 + 70
    else:
        await home.run(down_for - 120)
    home.simulator.apply({**UP, "na.api": "ok", "na.status": "ok"})
    await home.run(900)
    assert ran.by == ["outage_started"] * expected


@pytest.mark.parametrize("hours", [-2, 2])
async def test_an_outage_that_lasts_while_the_clock_is_set(
    home: HomeUnderTest, watching_entry: MockConfigEntry, ran: RecordedRuns, hours: int
) -> None:
    await home.set_up_operational(watching_entry)
    await automate(home, trigger_config("outage_started", OUTAGE, **{"for": 300}))
    began = home.clock.monotonic()
    home.simulator.apply(DOWN)
    await home.run(120)
    home.clock.shift_wall_clock(hours * 3600)
    try:
        # A change of the outage's scope.
        home.simulator.apply({"na.api": "503 down", "na.status": "503 down"})
        await home.until(lambda: bool(ran.by), within=300)
    finally:
        home.clock.shift_wall_clock(-hours * 3600)
    assert 300 <= home.clock.monotonic() - began < 370


async def test_a_reload_repeats_and_loses_no_event(
    home: HomeUnderTest, watching_entry: MockConfigEntry, ran: RecordedRuns
) -> None:
    entry = await home.set_up_operational(watching_entry)
    await automate(
        home,
        *OF_OUTAGES,
        {**trigger_config("outage_started", OUTAGE, **{"for": 600}), "id": "lasted"},
        trigger_config("key_to_take_changed", "sensor.ada_key_to_take"),
    )
    home.simulator.apply(DOWN)
    await home.run(180)
    for _ in range(3):
        await home.restart(entry)
        await home.run(60)
    assert sorted(ran.by) == ["key_to_take_changed", "outage_started"]
    await home.run(600)
    assert sorted(ran.by) == ["key_to_take_changed", "lasted", "outage_started"]
    await home.restart(entry)
    await home.run(60)
    assert len(ran.by) == 3
    home.simulator.apply(UP)
    await home.run(600)
    assert sorted(ran.by[3:]) == ["key_to_take_changed", "outage_ended"]


async def test_an_automation_edited_in_an_outage_repeats_nothing(
    home: HomeUnderTest, watching_entry: MockConfigEntry, ran: RecordedRuns
) -> None:
    await home.set_up_operational(watching_entry)
    await automate(
        home,
        {**trigger_config("outage_started", OUTAGE, **{"for": 300}), "id": "lasted"},
    )
    home.simulator.apply(DOWN)
    await home.run(600)
    assert ran.by == ["lasted"]
    await switch_automation(home, "turn_off")
    await switch_automation(home, "turn_on")
    await home.run(600)
    assert ran.by == ["lasted"]


async def test_an_outage_that_lasted_before_the_automation_existed(
    home: HomeUnderTest, watching_entry: MockConfigEntry, ran: RecordedRuns
) -> None:
    """It counts from the start of the outage, before the automation was added."""
    entry = await home.set_up_operational(watching_entry)
    home.simulator.apply(DOWN)
    await home.until(
        lambda: entry.runtime_data.host_poller.host_monitor.tracker("eu").failing,
        within=70,
    )
    await home.run(5)
    await automate(
        home,
        {**trigger_config("outage_started", OUTAGE, **{"for": 2}), "id": "lasted"},
    )
    assert ran.by == []
    await home.run(60)
    assert ran.by == ["lasted"]


async def test_a_start_in_the_middle_of_an_outage(
    home: HomeUnderTest, watching_entry: MockConfigEntry, ran: RecordedRuns
) -> None:
    """Events before automations are ready are sent afterwards."""
    entry = await home.set_up_operational(watching_entry)
    await automate(
        home,
        *OF_OUTAGES,
        trigger_config("key_to_take_changed", "sensor.ada_key_to_take"),
    )
    await stop(home, entry)
    home.simulator.apply(DOWN)
    await home.run(300)
    await start(home, entry, takes=240)
    assert state_of(home.hass, "binary_sensor.tesla_cloud_outage").state == "on"
    assert ran.by == ["outage_started"]
    assert "Take the keycard for Ada" in ran.data("outage_started")[0]["text"]
    await home.run(300)
    assert ran.by == ["outage_started"]
    # The notice was sent before: another start sends none.
    await stop(home, entry)
    await home.run(60)
    await start(home, entry, takes=120)
    await home.run(300)
    assert ran.by == ["outage_started"]
    # The end can occur during a start, too.
    await stop(home, entry)
    home.simulator.apply(UP)
    await home.run(60)
    await start(home, entry, takes=400)
    await home.run(60)
    assert ran.by == ["outage_started", "outage_ended"]


async def test_a_short_outage_during_a_start_is_reported_completely(
    home: HomeUnderTest, watching_entry: MockConfigEntry, ran: RecordedRuns
) -> None:
    entry = await home.set_up_operational(watching_entry)
    await automate(home, *OF_OUTAGES)
    await stop(home, entry)
    await home.set_up(entry)
    await switch_automation(home, "turn_on")
    await home.run(70)
    home.simulator.apply(DOWN)
    await home.run(240)
    home.simulator.apply(UP)
    await home.run(400)
    assert ran.by == []
    await home.run_task(home.hass.async_start())
    await home.time_control.settle()
    assert ran.by == ["outage_started", "outage_ended"]


async def test_the_blueprint_sends_events_during_a_start_once(
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
            "actions": [{"event": "ran", "event_data": {"by": "{{ notice }}"}}],
        },
    }
    with patch(
        "homeassistant.config.async_hass_config_yaml",
        return_value={"automation": [{"alias": "Tell", "use_blueprint": use}]},
    ):
        await home.hass.services.async_call("automation", "reload", blocking=True)
    await stop(home, entry)
    home.simulator.apply(DOWN)
    await start(home, entry, takes=240)
    await home.run(300)
    assert ran.by == ["take"]
    await stop(home, entry)
    home.simulator.apply(UP)
    await start(home, entry, takes=400)
    await home.run(300)
    assert ran.by == ["take", "all_clear"]


@pytest.mark.parametrize(
    ("stops_at", "down_for", "takes", "expected"),
    [
        # The wait continues over the restart, ends in it, or was over before.
        (300, 60, 60, 1),
        (300, 400, 60, 1),
        (300, 200, 240, 1),
        (900, 60, 60, 0),
    ],
)
async def test_a_start_during_the_wait_for_a_lasting_outage(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    ran: RecordedRuns,
    *,
    stops_at: float,
    down_for: float,
    takes: float,
    expected: int,
) -> None:
    entry = await home.set_up_operational(watching_entry)
    await automate(
        home,
        {**trigger_config("outage_started", OUTAGE, **{"for": 600}), "id": "lasted"},
    )
    home.simulator.apply(DOWN)
    await home.run(stops_at)
    before = len(ran.by)
    assert before == 1 - expected
    await stop(home, entry)
    await home.run(down_for)
    await start(home, entry, takes=takes)
    await home.run(600)
    assert len(ran.by) - before == expected


async def test_conditions_in_an_outage(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, ran: RecordedRuns
) -> None:
    await home.set_up_operational(compatible_entry)
    cloud = "tesla_cloud"
    holds = {
        "outage": condition_config("is_outage_on", f"binary_sensor.{cloud}_outage"),
        "lasting": condition_config(
            "is_outage_on", f"binary_sensor.{cloud}_outage", **{"for": 900}
        ),
        "fine": condition_config("is_maker_fine", f"sensor.{cloud}_status"),
        "reached": condition_config("is_car_reachable", "sensor.ada_connection"),
        "card": condition_config(
            "is_key_to_take", "sensor.ada_key_to_take", key="keycard"
        ),
        "either": condition_config(
            "is_key_to_take",
            ["sensor.ada_key_to_take", "sensor.cy_key_to_take"],
            key=["keycard", "fob"],
            behavior="all",
        ),
    }
    automations = [
        {
            "alias": name,
            "triggers": {"trigger": "event", "event_type": "ask", "id": name},
            "conditions": condition,
            "actions": {"event": "ran", "event_data": {"by": name}},
        }
        for name, condition in holds.items()
    ]
    assert await async_setup_component(
        home.hass, "automation", {"automation": automations}
    )

    async def passing() -> set[str]:
        seen = len(ran.by)
        home.hass.bus.async_fire("ask")
        await home.time_control.settle()
        return set(ran.by[seen:])

    assert await passing() == {"fine", "reached"}
    home.simulator.apply(DOWN)
    await home.run(300)
    assert await passing() == {"outage", "card", "either"}
    # The end cannot be seen: outage and keys stay.
    home.simulator.apply(ALL_DOWN)
    await home.run(900)
    assert state_of(home.hass, f"sensor.{cloud}_status").state == "internet_down"
    assert await passing() == {"outage", "lasting", "card", "either"}
    home.simulator.apply(dict.fromkeys(ALL_DOWN, "ok"))
    await home.run(900)
    assert await passing() == {"fine", "reached"}
    # An account problem is the user's: Tesla works.
    home.simulator.set("eu.api", LIMIT)
    await home.run(300)
    assert await passing() == {"fine"}


async def test_cars_that_can_be_reached_or_not(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, ran: RecordedRuns
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    sensor = "sensor.ada_connection"
    await automate(
        home,
        trigger_config("car_became_reachable", sensor),
        trigger_config("car_became_unreachable", sensor),
        {
            **trigger_config("car_became_unreachable", sensor, **{"for": 900}),
            "id": "for_long",
        },
    )
    # A sleeping car can be woken.
    home.simulator.set("car.Ada", "asleep")
    await home.until(lambda: state_of(home.hass, sensor).state == "asleep", 300)
    assert ran.by == []
    home.simulator.apply(DOWN)
    await home.run(300)
    assert ran.by == ["car_became_unreachable"]
    # After a start the state is unknown, which is no change.
    await home.restart(entry)
    assert state_of(home.hass, sensor).state == "undetermined"
    await home.run(120)
    assert state_of(home.hass, sensor).state == "maker_down"
    assert ran.by == ["car_became_unreachable"]
    await home.run(900)
    assert ran.by == ["car_became_unreachable"]
    home.simulator.apply(UP)
    await home.run(600)
    assert ran.by == ["car_became_unreachable", "car_became_reachable"]
    assert state_of(home.hass, sensor).state in {"asleep", "cloud"}


async def test_an_account_that_is_refused(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, ran: RecordedRuns
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    status = "sensor.tesla_cloud_status"
    await automate(home, trigger_config("account_needs_attention", status))
    home.simulator.set("eu.api", LIMIT)
    await home.run(300)
    assert state_of(home.hass, status).state == "account_problem"
    assert ran.by == ["account_needs_attention"]
    await home.restart(entry)
    await home.run(300)
    assert ran.by == ["account_needs_attention"]
