"""Automations from blueprints that Keycard no longer ships go on after an update."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from hashlib import sha256
from pathlib import Path
import shutil
from typing import Any

import pytest

from homeassistant.components import persistent_notification
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers import entity_registry as er, issue_registry as ir
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_mock_service,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.keycard.blueprint_installer import BUNDLED_BLUEPRINTS, STORE_KEY
from custom_components.keycard.const import DOMAIN
from custom_components.keycard.repairs import SwitchToKeycard, async_create_fix_flow
from harness.phone import Phone, registered

from .home import LOCK, HomeUnderTest, assert_no_errors

OLD = Path(__file__).parents[1] / "fixtures" / "blueprints"
RELAY = "take_your_keycard.yaml"
LOCK_UP = "lock_up_in_an_outage.yaml"
WARN = "it_has_begun_elsewhere.yaml"
OUTAGE = "event.tesla_cloud_outage_notice"
DOWN = {"eu.status": "503 down", "eu.api": "503 down"}
UP = dict.fromkeys(DOWN, "ok")
NA_DOWN = {"na.api": "503 down", "na.status": "503 down"}
NA_UP = dict.fromkeys(NA_DOWN, "ok")
SIGN_IN_DOWN = {"auth.token": "503 down", "auth.authorize": "503 down"}


@pytest.fixture
async def phone(
    hass: HomeAssistant,
    home: HomeUnderTest,
    tmp_path: Path,
    hass_client: ClientSessionGenerator,
) -> AsyncIterator[Phone]:
    """Register a phone that belongs to no person."""
    hass.config.config_dir = str(tmp_path)
    assert await async_setup_component(hass, "mobile_app", {})
    # Its views must be registered before the first request.
    assert await async_setup_component(hass, DOMAIN, {})
    await hass.async_block_till_done()
    async with AsyncExitStack() as stack:
        phone = Phone(client=await hass_client(), name="Anne's phone")
        yield await stack.enter_async_context(registered(hass, phone))


@pytest.fixture
def mail(hass: HomeAssistant) -> list[ServiceCall]:
    return async_mock_service(hass, "test", "own")


def installed(home: HomeUnderTest) -> Path:
    """Return the folder of the installed blueprints."""
    return Path(home.hass.config.config_dir, "blueprints", "automation", DOMAIN)


async def updated_home(
    home: HomeUnderTest,
    entry: MockConfigEntry,
    hass_storage: dict[str, Any],
    version: str,
    *automations: dict[str, Any],
) -> MockConfigEntry:
    """Set up a home that has the files of a version and automations made from them."""
    folder = installed(home)
    shutil.copytree(OLD / version, folder)
    hass_storage[STORE_KEY] = {
        "version": 1,
        "minor_version": 1,
        "key": STORE_KEY,
        "data": {
            f"{DOMAIN}/{path.name}": sha256(path.read_bytes()).hexdigest()
            for path in folder.iterdir()
        },
    }
    assert await async_setup_component(
        home.hass, "automation", {"automation": list(automations)}
    )
    await home.time_control.settle()
    entry.add_to_hass(home.hass)
    options = {
        name: value for name, value in entry.options.items() if name != "notifications"
    }
    home.hass.config_entries.async_update_entry(entry, options=options)
    # The automations had the entities before.
    er.async_get(home.hass).async_get_or_create(
        "event", DOMAIN, f"{entry.entry_id}_outage", suggested_object_id=OUTAGE[6:]
    )
    await home.set_up_operational(entry)
    states = home.hass.states.async_all("automation")
    assert [state.state for state in states] == ["on"] * len(automations)
    return entry


def relay(phone: Phone, **inputs: Any) -> dict[str, Any]:
    """Return an automation that notifies a phone."""
    given = {"outage_event": OUTAGE, "phones": [phone.device_id], **inputs}
    use = {"path": f"{DOMAIN}/{RELAY}", "input": given}
    return {"id": "relay", "alias": "Relay", "use_blueprint": use}


async def turn_off(home: HomeUnderTest) -> None:
    await home.hass.services.async_call(
        "automation", "turn_off", {"entity_id": "all"}, blocking=True
    )


@pytest.mark.parametrize("version", ["0.1.0", "after_0.1.0"])
async def test_each_phone_is_notified_once(
    *,
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    phone: Phone,
    hass_storage: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    version: str,
) -> None:
    entry = await updated_home(
        home, compatible_entry, hass_storage, version, relay(phone)
    )
    home.simulator.apply(DOWN)
    await home.run(300)
    assert phone.titles == ["Take your keycard and key fob"]
    bells = persistent_notification._async_get_or_create_notifications(home.hass)
    assert not [tag for tag in bells if tag.startswith("keycard_")]
    await home.restart(entry)
    home.simulator.apply(UP)
    await home.run(1200)
    assert phone.titles[1:] == ["All clear: Tesla's cloud is back"]
    assert not [tag for tag in bells if tag.startswith("keycard_")]
    # What was installed stays as it was, beside what is shipped now.
    files = {path.name: path for path in installed(home).iterdir()}
    for path in (OLD / version).iterdir():
        assert files.pop(path.name).read_bytes() == path.read_bytes()
    assert set(files) == {path.name for path in BUNDLED_BLUEPRINTS.iterdir()}
    await turn_off(home)
    assert_no_errors(caplog)


async def test_the_switch_takes_the_recipients_over(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    phone: Phone,
    hass_storage: dict[str, Any],
) -> None:
    quiet = {"quiet_hours": True, "quiet_from": "01:00:00", "quiet_to": "01:30:00"}
    automation = relay(
        phone, wait={"minutes": 2}, notify_entities=["notify.mail"], **quiet
    )
    entry = await updated_home(
        home, compatible_entry, hass_storage, "after_0.1.0", automation
    )
    silent = {"notifications": {"before": True, "enabled": False}}
    other = MockConfigEntry(domain=DOMAIN, options=silent)
    other.add_to_hass(home.hass)
    issue = ir.async_get(home.hass).async_get_issue(
        DOMAIN, f"old_relay_{entry.entry_id}"
    )
    assert issue is not None
    flow = await async_create_fix_flow(home.hass, issue.issue_id, issue.data)
    assert isinstance(flow, SwitchToKeycard)
    flow.hass = home.hass
    await home.run_task(flow.async_step_confirm({}))
    assert [one.unique_id for one in entry.subentries.values()] == [
        "bell",
        f"phone:{phone.device_id}",
        "entity:notify.mail",
    ]
    assert entry.options["notifications"] == {
        "before": True,
        "enabled": True,
        "wait": 2,
        "quiet": True,
        "quiet_from": "01:00:00",
        "quiet_to": "01:30:00",
    }
    # The same automations may have notified for it.
    assert other.options == {"notifications": entry.options["notifications"]}
    assert [one.unique_id for one in other.subentries.values()] == [
        f"phone:{phone.device_id}",
        "entity:notify.mail",
    ]
    home.simulator.apply(DOWN)
    await home.run(600)
    home.simulator.apply(UP)
    await home.run(1200)
    assert phone.titles == [
        "Take your keycard and key fob",
        "All clear: Tesla's cloud is back",
    ]


async def test_disabled_automations_send_no_notifications(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    phone: Phone,
    hass_storage: dict[str, Any],
) -> None:
    """So Keycard does so by itself."""
    off = {**relay(phone), "initial_state": False}
    folder = installed(home)
    shutil.copytree(OLD / "after_0.1.0", folder)
    assert await async_setup_component(home.hass, "automation", {"automation": [off]})
    options = {
        name: value
        for name, value in compatible_entry.options.items()
        if name != "notifications"
    }
    compatible_entry.add_to_hass(home.hass)
    home.hass.config_entries.async_update_entry(compatible_entry, options=options)
    entry = await home.set_up_operational(compatible_entry)
    assert entry.options["notifications"] == {"before": True, "enabled": True}
    home.simulator.apply(DOWN)
    await home.run(300)
    bells = persistent_notification._async_get_or_create_notifications(home.hass)
    assert "keycard_eu" in bells


async def test_the_other_two_go_on(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    phone: Phone,
    mail: list[ServiceCall],
    hass_storage: dict[str, Any],
) -> None:
    own = {"action": "test.own", "data": {"title": "{{ title }}"}}
    given = {"outage_event": OUTAGE, "own_actions": [own]}
    lock_up = {
        "alias": "Lock",
        "use_blueprint": {
            "path": f"{DOMAIN}/{LOCK_UP}",
            "input": {**given, "locks": [LOCK]},
        },
    }
    warning = "binary_sensor.tesla_cloud_early_warning"
    warn = {
        "alias": "Warn",
        "use_blueprint": {
            "path": f"{DOMAIN}/{WARN}",
            "input": {**given, "early_warning": warning},
        },
    }
    home.simulator.cars["Ada"].locked = False
    await updated_home(
        home, compatible_entry, hass_storage, "after_0.1.0", lock_up, warn
    )
    home.simulator.apply(NA_DOWN)
    await home.run(1200)
    home.simulator.apply(NA_UP)
    await home.run(1200)
    home.simulator.apply(SIGN_IN_DOWN)
    await home.run(900)
    assert [call.data["title"] for call in mail] == [
        "Tesla's cloud is down in another region",
        "Over in the other region",
        "Cars locked during an outage",
    ]
    assert home.simulator.cars["Ada"].locked
    await turn_off(home)
