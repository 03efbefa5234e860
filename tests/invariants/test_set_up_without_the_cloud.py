"""Invariants "set-up without the cloud", "outage entities never unavailable"."""

from collections.abc import Callable, Mapping
from copy import deepcopy
import json
from pathlib import Path
from typing import Any, cast

import pytest

from homeassistant.const import (
    EVENT_HOMEASSISTANT_FINAL_WRITE,
    EVENT_HOMEASSISTANT_STOP,
    EVENT_STATE_CHANGED,
)
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from custom_components.keycard.outage.detector import StoredDetector
from custom_components.keycard.runtime.storage import STORE_KEY, EntryStore, StoredEntry
from tests.conftest import HOME

from .home import (
    LOCK,
    HomeUnderTest,
    assert_available,
    assert_no_errors,
    entity_ids,
    states_of,
    status_of,
)

OUTAGE = "binary_sensor.tesla_cloud_outage"
STATUS = "sensor.tesla_cloud_status"
TRACKER = "device_tracker.ada_location"
ALL_FAIL = {
    "hang": {"all.api": "timeout", "all.status": "timeout"},
    "refuse": {"all.api": "refuse", "all.status": "refuse"},
    "answer with errors": {"all.api": "503 down", "all.status": "503 down"},
    "cannot sign in": {
        "all.api": '401 {"error":"token expired (401)"}',
        "auth.token": "503 down",
        "auth.authorize": "503 down",
    },
    "lie behind a dead line": {
        "all.api": "timeout",
        "all.status": "timeout",
        "auth.token": "timeout",
        "auth.authorize": "timeout",
        "controls": "timeout",
    },
}
each_failure = pytest.mark.parametrize("failing", ALL_FAIL.values(), ids=list(ALL_FAIL))

type Failing = Mapping[str, str]


@each_failure
async def test_all_entities_are_available_at_once_during_any_failure(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    failing: Failing,
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    before = home.states()
    assert await home.hass.config_entries.async_unload(entry.entry_id)
    home.simulator.apply(failing)
    changes = async_capture_events(home.hass, EVENT_STATE_CHANGED)
    began = home.clock.monotonic()
    await home.set_up(entry)
    await home.hass.async_block_till_done()
    assert home.clock.monotonic() - began < 5
    assert set(home.states()) == set(before)
    assert_available(home)
    for car in ("ada", "cy"):
        contact = f"sensor.{car}_last_contact"
        assert home.states()[contact] == before[contact] != "unknown"
    assert home.states()[LOCK] == before[LOCK] == "locked"
    assert home.states()[TRACKER] == before[TRACKER] != "unknown"

    await home.run(600)
    assert_available(home)
    assert_no_errors(caplog)
    assert home.reauths() == 0
    # No car moved or was unlocked: no change may be shown.
    assert states_of(changes, LOCK) == ["locked"]
    assert states_of(changes, TRACKER) == [before[TRACKER]]
    await home.run(1800)
    # After half an hour without contact the old state is not claimed any more.
    assert states_of(changes, LOCK) == ["locked", "unknown"]
    assert_available(home)


@each_failure
async def test_a_first_start_while_no_call_is_answered(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    failing: Failing,
) -> None:
    home.simulator.apply(failing)
    await home.set_up(compatible_entry)
    await home.run(300)
    assert home.states()[OUTAGE] == "off"
    assert home.reauths() == 0
    assert_available(home)
    assert_no_errors(caplog)
    home.simulator.apply(dict.fromkeys(failing, "ok"))
    await home.run(130)
    assert home.states()[LOCK] == "locked"
    assert status_of(compatible_entry) == "operational"
    assert_no_errors(caplog)


@pytest.mark.parametrize(
    ("answer", "within", "calls"),
    [
        ("503 down", 400, 3),
        ("garbage", 400, 3),
        # What is refused is not requested again before its pause ends.
        ('403 {"error":"x"}', 2000, 2),
        ('408 {"error":"vehicle unavailable"}', 2000, 2),
    ],
)
async def test_data_that_failed_at_the_first_set_up_are_read_soon(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    answer: str,
    within: int,
    calls: int,
) -> None:
    home.simulator.set("eu.data", answer)
    await home.set_up(compatible_entry)
    await home.run(100)
    assert home.states()[LOCK] == "unknown"
    home.simulator.set("eu.data", "ok")
    before = home.simulator.usage.billed
    await home.until(lambda: home.states()[LOCK] == "locked", within=within)
    assert home.simulator.usage.billed - before <= calls


@pytest.mark.parametrize(
    ("failing", "shown"),
    [({}, "operational"), ({"eu.api": "503 down", "eu.status": "503 down"}, "outage")],
    ids=["well", "down"],
)
async def test_the_first_state_after_a_restart_is_the_last_one_before(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, failing: Failing, shown: str
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.apply(failing)
    await home.run(180)
    assert status_of(entry) == shown
    before = home.states()
    assert await home.hass.config_entries.async_unload(entry.entry_id)
    changes = async_capture_events(home.hass, EVENT_STATE_CHANGED)
    await home.set_up(entry)
    await home.run(180)
    for entity_id in entity_ids(home.hass):
        first = states_of(changes, entity_id)[0]
        assert first != "unavailable"
        if "tesla_cloud" in entity_id and "reachable" not in entity_id:
            assert first == before[entity_id], entity_id
        if "key_to_take" in entity_id:
            assert first == before[entity_id], entity_id
    on = "on" if shown == "outage" else "off"
    assert states_of(changes, OUTAGE) == [on]
    assert states_of(changes, STATUS) == [shown]


async def test_the_first_state_is_not_unknown(
    home: HomeUnderTest, watching_entry: MockConfigEntry
) -> None:
    changes = async_capture_events(home.hass, EVENT_STATE_CHANGED)
    await home.set_up(watching_entry)
    await home.run(5)
    cloud = "tesla_cloud"
    assert states_of(changes, f"sensor.{cloud}_status") == [
        "undetermined",
        "operational",
    ]
    assert states_of(changes, f"binary_sensor.{cloud}_outage") == ["off"]
    assert states_of(changes, f"binary_sensor.{cloud}_early_warning") == ["off"]


async def test_data_of_a_sleeping_car_survive_a_stop(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.set("car.Ada", "asleep")
    await home.skip(4 * 3600)
    hass_storage.clear()
    assert home.states()[LOCK] == "locked"
    # Home Assistant stops without unloading entries.
    for event in (EVENT_HOMEASSISTANT_STOP, EVENT_HOMEASSISTANT_FINAL_WRITE):
        home.hass.bus.async_fire(event)
        await home.time_control.settle()
    written = deepcopy(hass_storage[f"keycard.{entry.entry_id}"])
    assert await home.hass.config_entries.async_unload(entry.entry_id)
    hass_storage[f"keycard.{entry.entry_id}"] = written
    await home.set_up(entry)
    assert home.states()[LOCK] == "locked"
    await home.run(300)
    assert home.states()[LOCK] == "locked"


@pytest.mark.parametrize("order", [("soon", "later"), ("later", "soon"), ("soon",)])
async def test_an_early_save_is_not_postponed(
    home: HomeUnderTest, hass_storage: dict[str, Any], order: tuple[str, ...]
) -> None:
    stored_entry = StoredEntry(
        saved="now", judge=cast(StoredDetector, {}), cars={}, keys={}
    )
    memory = EntryStore(home.hass, "entry", lambda: stored_entry)
    for round_ in range(2):
        for when in order:
            getattr(memory, f"async_save_{when}")()
        await home.run(1.5)
        assert hass_storage.pop("keycard.entry", None) is not None, round_
        memory.async_save_later()
        await home.run(30)
        assert "keycard.entry" not in hass_storage
        await home.run(31)
        assert hass_storage.pop("keycard.entry", None) is not None, round_


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.clear(),
        lambda data: data.update(cars=[]),
        lambda data: data.update(cars={"x": {}}),
        lambda data: data.update(keys={"x": "skateboard"}),
        lambda data: data["judge"].update(status="lunch"),
        lambda data: data["judge"].update(since="noon"),
        lambda data: data["judge"].clear(),
    ],
    ids=["empty", "list", "no id", "key", "status", "since", "no judgement"],
)
async def test_unreadable_storage_is_replaced_by_new_data(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    hass_storage: dict[str, Any],
    spoil: Callable[[dict[str, Any]], None],
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    assert await home.hass.config_entries.async_unload(entry.entry_id)
    spoil(hass_storage[f"keycard.{entry.entry_id}"]["data"])
    await home.set_up(entry)
    assert caplog.text.count(": Ignoring invalid storage data") == 1
    await home.run(700)
    assert status_of(entry) == "operational"
    assert len(entry.runtime_data.vehicles) == len(HOME.cars)
    assert_available(home)
    assert_no_errors(caplog)


@pytest.mark.parametrize(
    "spoilt",
    [
        {},
        {"outages": [{}], "hosts": {}},
        {"outages": [], "hosts": ["down"]},
        {"outages": [], "hosts": {"http://127.0.0.1:1/status": {}}},
    ],
)
async def test_an_unreadable_outage_log_is_replaced(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    hass_storage: dict[str, Any],
    spoilt: dict[str, Any],
) -> None:
    hass_storage[STORE_KEY] = {"version": 1, "data": spoilt}
    await home.set_up_operational(watching_entry)
    assert caplog.text.count("Ignoring invalid storage data of outages") == 1
    assert_no_errors(caplog)


async def test_storage_files_are_private(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    hass_storage: dict[str, Any],
    tmp_path: Path,
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    home.hass.config.config_dir = str(tmp_path)
    store = entry.runtime_data.store._store
    await home.hass.async_add_executor_job(store._write_data, {"data": {}})
    file = await home.hass.async_add_executor_job(Path(store.path).stat)
    assert file.st_mode & 0o777 == 0o600
    # Readable files contain no car's name or key.
    vins = [car.vin for car in home.simulator.cars.values()]
    ledger = json.dumps(hass_storage[STORE_KEY])
    assert not any(secret in ledger for secret in (*vins, home.simulator.token))
