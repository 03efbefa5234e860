"""Triggers and conditions in the automation editor."""

from typing import Any

import pytest

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.common import (
    TargetSupport,
    assert_conditions_target_support,
    assert_triggers_target_support,
)
from pytest_homeassistant_custom_component.typing import (
    MockHAClientWebSocket,
    WebSocketGenerator,
)

from custom_components.keycard.condition import CONDITIONS
from custom_components.keycard.const import DOMAIN
from custom_components.keycard.trigger import TRIGGERS

from .repository_files import has_path, keys_at, translations

OF_EVENT = {"early_warning_started", "outage_changed", "outage_ended", "outage_started"}
OF_WORDS = set(TRIGGERS) - OF_EVENT
KINDS = [("trigger", set(TRIGGERS)), ("condition", set(CONDITIONS))]


@pytest.fixture
async def editor(
    hass: HomeAssistant, watch: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> MockHAClientWebSocket:
    """Open the automation editor."""
    assert await async_setup_component(hass, "frontend", {})
    assert await async_setup_component(hass, "automation", {})
    return await hass_ws_client(hass)


async def send_command(editor: MockHAClientWebSocket, what: str, **given: Any) -> Any:
    """Send a WebSocket command of the editor."""
    await editor.send_json_auto_id({"type": what, **given})
    answer = await editor.receive_json()
    assert answer["success"], answer
    return answer["result"]


@pytest.mark.parametrize(("kind", "keys"), KINDS)
async def test_all_are_described(
    editor: MockHAClientWebSocket, kind: str, keys: set[str]
) -> None:
    await send_command(editor, f"{kind}_platforms/subscribe")
    described: dict[str, Any] = {}
    while not keys <= {name.removeprefix(f"{DOMAIN}.") for name in described}:
        described |= (await editor.receive_json())["event"]
    texts_of = translations("en")
    for key in keys:
        description = described[f"{DOMAIN}.{key}"]
        (target,) = description["target"]["entity"]
        assert target["integration"] == DOMAIN
        for field in description["fields"]:
            assert has_path(texts_of, f"{kind}s", key, "fields", field, "name")


@pytest.mark.parametrize(("kind", "keys"), KINDS)
@pytest.mark.parametrize("language", ["en", "de"])
async def test_names_and_icons(
    editor: MockHAClientWebSocket, kind: str, keys: set[str], language: str
) -> None:
    names = (
        await send_command(
            editor,
            "frontend/get_translations",
            language=language,
            category=f"{kind}s",
            integration=DOMAIN,
        )
    )["resources"]
    for key in keys:
        for part in ("name", "description"):
            path = f"component.{DOMAIN}.{kind}s.{key}.{part}"
            assert names[path] == translations(language)[f"{kind}s"][key][part]  # type: ignore[index, call-overload]  # it is a JSON object
    icons = await send_command(
        editor, "frontend/get_icons", category=f"{kind}s", integration=DOMAIN
    )
    assert keys_at(icons, "resources", DOMAIN) == keys


async def offered(editor: MockHAClientWebSocket, kind: str, **target: Any) -> set[str]:
    """Return Keycard's triggers or conditions that the editor offers for a target."""
    found = await send_command(editor, f"get_{kind}s_for_target", target=target)
    return {
        name.removeprefix(f"{DOMAIN}.")
        for name in found
        if name.startswith(f"{DOMAIN}.")
    }


async def test_offers_for_an_entity(editor: MockHAClientWebSocket) -> None:
    event = "event.tesla_cloud_outage_notice"
    assert await offered(editor, "trigger", entity_id=[event]) == OF_EVENT
    assert await offered(editor, "condition", entity_id=[event]) == set()
    key = "sensor.ada_key_to_take"
    assert await offered(editor, "trigger", entity_id=[key]) == OF_WORDS
    outage = "binary_sensor.tesla_cloud_outage"
    assert await offered(editor, "trigger", entity_id=[outage]) == set()
    assert await offered(editor, "condition", entity_id=[outage]) == {"is_outage_on"}
    reachable = "binary_sensor.tesla_cloud_api_reachable"
    assert await offered(editor, "condition", entity_id=[reachable]) == set()


async def test_offers_for_a_device(
    hass: HomeAssistant, watch: MockConfigEntry, editor: MockHAClientWebSocket
) -> None:
    devices = {
        device.name: device.id
        for device in dr.async_entries_for_config_entry(
            dr.async_get(hass), watch.entry_id
        )
    }
    cloud, ada = devices["Tesla cloud"], devices["Ada"]
    assert await offered(editor, "trigger", device_id=[cloud]) == set(TRIGGERS)
    assert await offered(editor, "condition", device_id=[cloud]) == set(CONDITIONS)
    assert await offered(editor, "trigger", device_id=[ada]) == OF_WORDS


@pytest.mark.parametrize(
    ("kind", "given", "error"),
    [
        ("trigger", {"trigger": "outage_started", "options": {"for": 300}}, None),
        ("trigger", {"trigger": "key_to_take_changed"}, None),
        (
            "trigger",
            {"trigger": "key_to_take_changed", "options": {"key": ["fob"]}},
            None,
        ),
        (
            "trigger",
            {"trigger": "key_to_take_changed", "options": {"key": ["crowbar"]}},
            "key",
        ),
        ("trigger", {"trigger": "key_to_take_changed", "options": {"key": []}}, "key"),
        ("trigger", {"trigger": "outage_ended", "options": {"for": 300}}, "for"),
        ("condition", {"condition": "is_key_to_take", "options": {"key": "fob"}}, None),
        ("condition", {"condition": "is_key_to_take"}, "key"),
        ("condition", {"condition": "is_outage_on", "options": {"for": "soon"}}, "for"),
    ],
)
async def test_choices_of_the_editor(
    editor: MockHAClientWebSocket,
    kind: str,
    given: dict[str, Any],
    error: str | None,
) -> None:
    config = {
        **given,
        kind: f"{DOMAIN}.{given[kind]}",
        "target": {"entity_id": "sensor.ada_key_to_take"},
    }
    verdict = (await send_command(editor, "validate_config", **{f"{kind}s": [config]}))[
        f"{kind}s"
    ]
    assert verdict["valid"] is (error is None), verdict
    assert error is None or error in verdict["error"]


def test_targets_are_resolved_as_home_assistant_does() -> None:
    assert_triggers_target_support(
        TRIGGERS,
        {
            **dict.fromkeys(TRIGGERS, TargetSupport.STANDARD),
            # It waits by itself.
            "outage_started": TargetSupport.CUSTOM,
        },
    )
    assert_conditions_target_support(
        CONDITIONS, dict.fromkeys(CONDITIONS, TargetSupport.STANDARD)
    )
