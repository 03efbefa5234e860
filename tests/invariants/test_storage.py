"""Invariant "nothing that is stored stops the watch", and one log of outages."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
import json
from pathlib import Path
import re
from typing import Any

import pytest

from homeassistant.config_entries import ConfigEntryDisabler
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.restore_state import async_get
from homeassistant.helpers.storage import Store, get_internal_store_manager
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.const import DOMAIN
from custom_components.keycard.runtime.storage import DATA_STORE, STORE_KEY, HomeStore

from .home import HomeUnderTest, assert_available, assert_no_errors, status_of

DOWN = {"eu.api": "503 down", "eu.status": "503 down"}
UP = dict.fromkeys(DOWN, "ok")
# The tests' Home Assistant replaces these with a storage in memory.
ON_DISK = {
    name: getattr(Store, name)
    for name in ("_async_load", "_async_write_data", "async_remove")
}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00")


def folder(path: Path) -> None:
    path.mkdir()


def loop(path: Path) -> None:
    """Create a link that points to itself, which is unreadable for any user."""
    path.symlink_to(path)


def writing(content: object) -> Callable[[Path], None]:
    text = content if isinstance(content, str) else json.dumps(content)

    def write(path: Path) -> None:
        path.write_text(text)

    return write


BROKEN: dict[str, Callable[[Path], None]] = {
    "newer version": writing({"version": 99, "minor_version": 1, "data": {}}),
    "older version": writing({"version": 0, "minor_version": 1, "data": {}}),
    "folder": folder,
    "not to be read": loop,
    "a list": writing([1, 2]),
    "a list within": writing({"version": 1, "minor_version": 1, "data": [1]}),
    "no data": writing({"version": 1}),
    "bytes": writing("\x00\ufffd"),
}


@pytest.fixture
def storage(home: HomeUnderTest, tmp_path: Path) -> Iterator[Path]:
    """Use storage in files of a temporary folder."""
    home.hass.config.config_dir = str(tmp_path)
    path = tmp_path / ".storage"
    path.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for method, real in ON_DISK.items():
            patch.setattr(Store, method, real)
        yield path


@pytest.mark.parametrize("broken", BROKEN)
async def test_stores_that_cannot_be_read_are_set_aside(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    storage: Path,
    broken: str,
) -> None:
    names = (STORE_KEY, f"keycard.{compatible_entry.entry_id}")
    for name in names:
        BROKEN[broken](storage / name)
        # It has looked for files before.
        get_internal_store_manager(home.hass).async_invalidate(name)
    entry = await home.set_up_operational(compatible_entry)
    assert len(entry.runtime_data.vehicles) == 2
    assert_available(home)
    issues = ir.async_get(home.hass)
    for name in names:
        # Home Assistant itself sets invalid JSON aside and reports it.
        corrupt = list(storage.glob(f"{name}.corrupt.*"))
        aside = storage / f"{name}.unreadable.1"
        assert corrupt or aside.exists() or aside.is_symlink()
        issue = issues.async_get_issue(DOMAIN, f"{name}_unreadable")
        if not corrupt:
            assert issue is not None
            placeholders = {"file": name, "aside": aside.name}
            assert issue.translation_placeholders == placeholders
            messages = [
                f"unreadable storage file {name}" in one for one in caplog.messages
            ]
            assert sum(messages) == 1
    assert await home.hass.config_entries.async_remove(entry.entry_id)
    assert issues.async_get_issue(DOMAIN, f"{names[1]}_unreadable") is None


@pytest.mark.parametrize("write", [None, BROKEN["a list"]], ids=["lost", "broken"])
async def test_vehicles_that_are_not_stored_keep_their_entities_in_an_outage(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    storage: Path,
    write: Callable[[Path], None] | None,
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    before = set(home.states())
    home.simulator.apply(DOWN)
    await home.run(120)
    assert await home.hass.config_entries.async_unload(entry.entry_id)
    stored = storage / f"keycard.{entry.entry_id}"
    stored.unlink()
    if write is not None:
        write(stored)
    await home.set_up(entry)
    assert set(home.states()) == before
    assert_available(home)
    await home.run(120)
    assert_available(home)
    assert home.states()["sensor.ada_key_to_take"] == "keycard"
    assert home.states()["lock.ada_lock"] == "unknown"
    assert (await home.perform("unlock")) is not None
    home.simulator.apply(UP)
    await home.run(300)
    assert home.states()["lock.ada_lock"] == "locked"
    assert set(home.states()) == before
    assert_no_errors(caplog)


BAD_PARTS: dict[str, tuple[Callable[[dict[str, Any]], Any], str, str]] = {
    "a car": (
        lambda data: data["cars"].update(x={"id": 5}),
        "a car (",
        "outage",
    ),
    "a car of the judge": (
        lambda data: data["judge"]["cars"].update(x={"down": ["moon"]}),
        "judge (",
        "undetermined",
    ),
    "a time without a zone": (
        lambda data: data["judge"].update(since="2026-01-01T00:00:00"),
        "judge (a time has an invalid format)",
        "undetermined",
    ),
    "a model": (
        lambda data: data["judge"].update(models=[5]),
        "judge (an item of models has an invalid format)",
        "undetermined",
    ),
    "spending": (
        lambda data: data.update(spending={"month": "x", "counts": {}}),
        "spending (",
        "outage",
    ),
}


@pytest.mark.parametrize("part", BAD_PARTS.values(), ids=list(BAD_PARTS))
async def test_an_unreadable_part_is_skipped_and_reported_once(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    hass_storage: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    part: tuple[Callable[[dict[str, Any]], Any], str, str],
) -> None:
    spoil, messages, status = part
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.apply(DOWN)
    await home.run(120)
    assert status_of(entry) == "outage"
    assert await home.hass.config_entries.async_unload(entry.entry_id)
    spoil(hass_storage[f"keycard.{entry.entry_id}"]["data"])
    await home.set_up(entry)
    assert entry.runtime_data.detector.assessment.status == status
    detector = entry.runtime_data.detector
    assert (detector.assessment.since is None) is (status != "outage")
    assert len(entry.runtime_data.vehicles) == 2
    (line,) = [one for one in caplog.messages if "Ignoring invalid storage data" in one]
    assert messages in line
    await home.run(120)
    assert status_of(entry) == "outage"
    assert_available(home)
    assert_no_errors(caplog)


async def test_an_outage_that_cannot_be_read_hides_no_other(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    hass_storage: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    good = {
        "region": "eu",
        "start": "2026-01-01T00:00:00+00:00",
        "end": "2026-01-01T01:00:00+00:00",
        "length": 3600.0,
        "seen": "2026-01-01T01:00:00+00:00",
        "status": "outage",
        "scope": "region",
        "told_by": None,
        "told": [],
        "reporters": [],
    }
    bad = [
        {**good, "length": 1e11},
        {**good, "length": -1},
        {**good, "start": "2026-01-01"},
        {**good, "told": "ada"},
        {**good, "status": "lunch"},
        [],
    ]
    data = {"outages": [bad[0], good, *bad[1:]], "hosts": {}, "days": {"eu": []}}
    hass_storage[STORE_KEY] = {"version": 1, "minor_version": 1, "data": data}
    entry = await home.set_up_operational(watching_entry)
    assert len(entry.runtime_data.coordinator._home_store.outage_log.outages) == 1
    messages = [
        one for one in caplog.messages if "invalid storage data of outages" in one
    ]
    assert len(messages) == 1
    assert "an outage (" in messages[0]
    assert "uptime (" in messages[0]
    assert_no_errors(caplog)


def with_shifted_times(stored: object, by: timedelta) -> Any:
    """Return stored data with other times."""

    def move(found: re.Match[str]) -> str:
        return (datetime.fromisoformat(found[0]) + by).isoformat()

    return json.loads(MOMENT.sub(move, json.dumps(stored)))


async def test_a_backup_of_long_ago_is_no_outage_since_then(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    hass_storage: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.apply(DOWN)
    await home.run(600)
    assert home.states()["sensor.ada_key_to_take"] == "keycard"
    ledger = home.hass.data[DATA_STORE]
    (outage,) = ledger.outage_log.outages
    assert await home.hass.config_entries.async_unload(entry.entry_id)
    name = f"keycard.{entry.entry_id}"
    hass_storage[name] = with_shifted_times(hass_storage[name], -timedelta(days=60))
    outage.start -= timedelta(days=60)
    outage.last_seen -= timedelta(days=60)
    outage._extended_at = None
    for one in ledger._hosts.values():
        one["down"] = False
    home.simulator.apply(UP)
    await home.set_up(entry)
    assert status_of(entry) == "undetermined"
    assert home.states()["sensor.ada_key_to_take"] == "usual"
    await home.run(300)
    assert status_of(entry) == "operational"
    assert outage.end is not None
    assert outage.length < timedelta(minutes=15)
    # A current outage is a new one.
    home.simulator.apply(DOWN)
    await home.run(120)
    assert len(ledger.outage_log.outages) == 2
    assert_no_errors(caplog)


async def test_hosts_of_a_ledger_of_long_ago_are_not_down(
    home: HomeUnderTest, watching_entry: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    url = f"{home.simulator.urls['eu']}/status"
    now = home.clock.now(UTC)
    for age, status in ((timedelta(days=60), "undetermined"), (timedelta(), "outage")):
        saved = (now - age).isoformat()
        data = {
            "outages": [],
            "hosts": {url: {"verified": True, "down": True}},
            "saved": saved,
        }
        hass_storage[STORE_KEY] = {"version": 1, "minor_version": 1, "data": data}
        ledger = HomeStore(home.hass)
        await ledger.async_load()
        assert ledger._hosts[url] == {"verified": True, "down": status == "outage"}


async def test_a_kill_in_an_outage_is_as_a_restart(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    hass_storage: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.apply(DOWN)
    await home.run(120)
    (event,) = [one for one in home.states() if one.startswith("event.")]
    before = home.hass.states.get(event)
    assert before is not None
    assert before.attributes["notice"] is not None
    name = f"keycard.{entry.entry_id}"
    written = deepcopy(hass_storage[name])
    assert await home.hass.config_entries.async_unload(entry.entry_id)
    # After a kill only written data are left.
    hass_storage[name] = written
    async_get(home.hass).last_states.pop(event, None)
    await home.set_up(entry)
    after = home.hass.states.get(event)
    assert after is not None
    assert (after.state, after.attributes) == (before.state, before.attributes)
    # Automations still measure from the first notice.
    home.simulator.apply(UP)
    await home.run(600)
    ended = home.hass.states.get(event)
    assert ended is not None
    assert ended.attributes["notice"] == "all_clear"
    assert ended.attributes["told_since"] == before.attributes["told_since"]
    assert_no_errors(caplog)


async def test_disabling_and_enabling_in_an_outage_logs_one_outage(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.apply(DOWN)
    await home.run(300)
    manager = home.hass.config_entries
    await manager.async_set_disabled_by(entry.entry_id, ConfigEntryDisabler.USER)
    await home.run(300)
    await manager.async_set_disabled_by(entry.entry_id, None)
    await home.run(300)
    assert status_of(entry) == "outage"
    (outage,) = entry.runtime_data.coordinator._home_store.outage_log.outages
    assert outage.end is None
    home.simulator.apply(UP)
    await home.run(600)
    (outage,) = entry.runtime_data.coordinator._home_store.outage_log.outages
    assert outage.end is not None
    assert timedelta(minutes=15) < outage.length < timedelta(minutes=25)
    await home.run(5)
    (kept,) = hass_storage[STORE_KEY]["data"]["outages"]
    assert kept["left"] is False


async def test_an_entry_disabled_in_an_outage_keeps_no_other_from_its_all_clear(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    watching_entry: MockConfigEntry,
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    other = await home.set_up_operational(watching_entry)
    home.simulator.apply(DOWN)
    await home.run(300)
    assert status_of(entry) == status_of(other) == "outage"
    await home.hass.config_entries.async_set_disabled_by(
        entry.entry_id, ConfigEntryDisabler.USER
    )
    home.simulator.apply(UP)
    await home.run(900)
    assert status_of(other) == "operational"
    (outage,) = home.hass.data[DATA_STORE].outage_log.outages
    assert outage.end is not None
    events = [one for one in home.states() if one.startswith("event.")]
    shown = [home.hass.states.get(one) for one in events]
    assert "all_clear" in {one.attributes.get("notice") for one in shown if one}
