"""The blueprint in a real automation, and how it gets into Home Assistant."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest

from homeassistant.components import automation
from homeassistant.components.automation.helpers import async_get_blueprints
from homeassistant.core import CoreState, HomeAssistant, ServiceCall, State
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
    async_mock_service,
    mock_restore_cache,
)

from custom_components.keycard.blueprints import STORE_KEY, async_install_blueprints

PATH = "keycard/take_your_keycard.yaml"
EVENT = "event.tesla_cloud_europe_outage"
NOON = datetime(2026, 11, 23, 12, tzinfo=dt_util.UTC)

type Tell = Callable[..., None]


@pytest.fixture(autouse=True)
def blueprint_folder(hass: HomeAssistant, tmp_path: Path) -> Path:
    """Give the test a configuration folder of its own."""
    hass.config.config_dir = str(tmp_path)
    return tmp_path / "blueprints" / "automation"


async def install(hass: HomeAssistant) -> None:
    await async_install_blueprints(hass)
    await hass.async_block_till_done()


async def add_automation(hass: HomeAssistant, **inputs: Any) -> None:
    """Build an automation from the installed blueprint."""
    assert await async_setup_component(hass, automation.DOMAIN, {})
    await install(hass)
    use = {
        "path": PATH,
        "input": {
            "outage_event": EVENT,
            "own_actions": [
                {
                    "action": "test.own",
                    "data": {
                        "title": "{{ title }}",
                        "message": "{{ message }}",
                        "notice": "{{ notice }}",
                        "keys": "{{ keys }}",
                    },
                }
            ],
            **inputs,
        },
    }
    config = {"id": "told", "alias": "Told", "use_blueprint": use}
    with patch(
        "homeassistant.config.async_hass_config_yaml",
        return_value={"automation": [config]},
    ):
        await hass.services.async_call("automation", "reload", blocking=True)
    automations = hass.states.async_all("automation")
    assert [state.state for state in automations] == ["on"]


@pytest.fixture
def own(hass: HomeAssistant) -> list[ServiceCall]:
    """Record what the owner's own action is called with."""
    return async_mock_service(hass, "test", "own")


@pytest.fixture
def tell(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> Tell:
    """Let the event entity carry a notice."""
    freezer.move_to(NOON)
    told_since: list[str] = []

    def say(kind: str, notice: str, text: str = "Text") -> None:
        now = dt_util.utcnow().isoformat(timespec="milliseconds")
        if notice == "take" and not told_since:
            told_since.append(now)
        hass.states.async_set(
            EVENT,
            now,
            {
                "event_type": kind,
                "notice": notice,
                "title": f"Title {kind}",
                "text": text,
                "keys": {"Ada": "keycard"},
                "told_since": told_since[0] if told_since else None,
            },
        )
        if notice == "all_clear":
            told_since.clear()

    return say


async def settle() -> None:
    """Let everything run that is due."""
    for _ in range(200):
        await asyncio.sleep(0)


async def wait(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, minutes: float
) -> None:
    """Let time pass; who waits in an automation is not waited for."""
    await settle()
    freezer.tick(timedelta(minutes=minutes))
    async_fire_time_changed(hass)
    await settle()


def notices(calls: list[ServiceCall]) -> list[str]:
    return [call.data["notice"] for call in calls]


async def test_the_first_event_and_the_all_clear_are_relayed(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    tell: Tell,
    own: list[ServiceCall],
) -> None:
    hass.states.async_set(EVENT, "unknown")
    await add_automation(hass)
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


async def test_what_is_restored_is_told_once(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    tell: Tell,
    own: list[ServiceCall],
) -> None:
    hass.states.async_set(EVENT, "unknown")
    await add_automation(hass)
    tell("started", "take")
    await wait(hass, freezer, 1)
    state = hass.states.get(EVENT)
    assert state is not None
    hass.states.async_set(EVENT, "unavailable")
    await wait(hass, freezer, 1)
    hass.states.async_set(EVENT, state.state, state.attributes)
    await wait(hass, freezer, 1)
    assert notices(own) == ["take"]


async def test_an_outage_that_ends_within_the_wait_is_not_told(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    tell: Tell,
    own: list[ServiceCall],
) -> None:
    hass.states.async_set(EVENT, "unknown")
    await add_automation(hass, wait={"minutes": 5})
    tell("started", "take")
    await wait(hass, freezer, 3)
    tell("ended", "all_clear")
    await wait(hass, freezer, 10)
    assert own == []


async def test_a_longer_outage_is_told_after_the_wait(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    tell: Tell,
    own: list[ServiceCall],
) -> None:
    hass.states.async_set(EVENT, "unknown")
    await add_automation(hass, wait={"minutes": 5})
    tell("started", "take", "First")
    await wait(hass, freezer, 3)
    # A newer text takes the place of the first, and the wait goes on from there.
    tell("changed", "take", "Second")
    await wait(hass, freezer, 1)
    assert own == []
    await wait(hass, freezer, 1.1)
    assert [call.data["message"] for call in own] == ["Second"]
    # Who was told once is told more at once.
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
    await add_automation(hass, warnings=wanted)
    tell("warning", "none")
    await wait(hass, freezer, 1)
    assert notices(own) == told


async def test_rehearsal(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, own: list[ServiceCall]
) -> None:
    freezer.move_to(NOON)
    hass.states.async_set(EVENT, "unknown")
    await add_automation(hass, wait={"minutes": 5})
    await hass.services.async_call(
        "automation", "trigger", {"entity_id": "automation.told"}, blocking=True
    )
    await hass.async_block_till_done()
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
    await add_automation(hass, wait={"minutes": 5})
    tell("started", "take")
    await wait(hass, freezer, 1)
    await hass.services.async_call(
        "automation", "trigger", {"entity_id": "automation.told"}
    )
    await wait(hass, freezer, 5)
    assert notices(own) == ["take"]


@pytest.mark.parametrize(
    ("minutes_ago", "last_run_minutes_ago", "wait_minutes", "told"),
    [
        # It came before automations ran.
        (1, None, 0, ["take"]),
        (1, 60, 0, ["take"]),
        # It was told before the restart.
        (1, 1, 0, []),
        # It is an old story.
        (60, None, 0, []),
        # The wait went on while Home Assistant was restarted, or ended just then.
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
    await add_automation(hass, wait={"minutes": wait_minutes})
    await hass.async_start()
    await wait(hass, freezer, wait_minutes)
    assert notices(own) == told


async def test_receivers(
    hass: HomeAssistant,
    *,
    freezer: FrozenDateTimeFactory,
    tell: Tell,
    own: list[ServiceCall],
    device_registry: dr.DeviceRegistry,
    entity_registry: er.EntityRegistry,
) -> None:
    """Whoever cannot be reached keeps nobody else from being told."""
    app = MockConfigEntry(domain="mobile_app")
    app.add_to_hass(hass)
    phones: list[str] = []
    for name in ("Pixel", "Old phone", "iPhone"):
        device = device_registry.async_get_or_create(
            config_entry_id=app.entry_id, identifiers={("mobile_app", name)}, name=name
        )
        phones.append(device.id)
        if name != "Old phone":
            entity_registry.async_get_or_create(
                "notify", "mobile_app", name, device_id=device.id, config_entry=app
            )
    async_mock_service(
        hass,
        "notify",
        "mobile_app_pixel",
        raise_exception=HomeAssistantError("no way to the phone"),
    )
    phone = async_mock_service(hass, "notify", "mobile_app_iphone")
    others = async_mock_service(hass, "notify", "send_message")
    hass.states.async_set(EVENT, "unknown")
    await add_automation(
        hass, phones=phones, notify_entities=["notify.mail", "notify.chat"]
    )
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


# Installing


async def test_installed_beside_the_examples(
    hass: HomeAssistant, hass_storage: dict[str, Any]
) -> None:
    # Nothing can be installed before automations are there.
    await install(hass)
    assert STORE_KEY not in hass_storage
    assert await async_setup_component(hass, automation.DOMAIN, {})
    await hass.async_block_till_done()
    blueprints = await async_get_blueprints(hass).async_get_blueprints()
    assert PATH in blueprints
    assert "homeassistant/motion_light.yaml" in blueprints
    assert getattr(blueprints[PATH], "name", None) == "Take your keycard"
    assert list(hass_storage[STORE_KEY]["data"]) == [PATH]


async def test_an_edited_blueprint_stays(
    hass: HomeAssistant, blueprint_folder: Path
) -> None:
    assert await async_setup_component(hass, automation.DOMAIN, {})
    await install(hass)
    file = blueprint_folder / PATH
    edited = file.read_text().replace("Take your keycard", "Mine")
    file.write_text(edited)
    await install(hass)
    assert file.read_text() == edited


async def test_a_deleted_blueprint_stays_away(
    hass: HomeAssistant, blueprint_folder: Path
) -> None:
    assert await async_setup_component(hass, automation.DOMAIN, {})
    await install(hass)
    (blueprint_folder / PATH).unlink()
    await install(hass)
    assert not (blueprint_folder / PATH).exists()


async def test_a_blueprint_of_an_older_version_is_replaced(
    hass: HomeAssistant, blueprint_folder: Path, tmp_path: Path
) -> None:
    assert await async_setup_component(hass, automation.DOMAIN, {})
    await install(hass)
    file = blueprint_folder / PATH
    now = file.read_text()
    newer = tmp_path / "shipped"
    newer.mkdir()
    (newer / file.name).write_text(now.replace("author: Keycard", "author: Newer"))
    with patch("custom_components.keycard.blueprints.SHIPPED", newer):
        await install(hass)
    assert "author: Newer" in file.read_text()
    await install(hass)
    assert file.read_text() == now


async def test_a_blueprint_that_is_there_already_is_known(
    hass: HomeAssistant, blueprint_folder: Path, hass_storage: dict[str, Any]
) -> None:
    assert await async_setup_component(hass, automation.DOMAIN, {})
    await install(hass)
    kept = hass_storage.pop(STORE_KEY)
    await install(hass)
    assert hass_storage[STORE_KEY]["data"] == kept["data"]


async def test_a_full_disk_is_no_reason_to_fail(
    hass: HomeAssistant, blueprint_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert await async_setup_component(hass, automation.DOMAIN, {})
    with patch("pathlib.Path.write_text", side_effect=OSError("disk full")):
        await install(hass)
    assert "disk full" in caplog.text
    assert not (blueprint_folder / PATH).exists()
    await install(hass)
    assert (blueprint_folder / PATH).exists()
