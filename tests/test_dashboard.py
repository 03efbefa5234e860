"""The generated dashboard contains the enabled entities only."""

from collections.abc import Iterable
from datetime import timedelta
import re
from typing import Any

import pytest

from homeassistant.components.frontend import DATA_EXTRA_MODULE_URL
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.template import Template
from homeassistant.loader import async_get_integration
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import (
    ClientSessionGenerator,
    WebSocketGenerator,
)

from custom_components.keycard.runtime.storage import DATA_STORE

from .conftest import SetUp

WORKS, FAILS, UNKNOWN = "mdi:check-circle", "mdi:alert-circle", "mdi:help-circle"
CLOUD = "tesla_cloud"


async def dashboard(hass: HomeAssistant, **given: Any) -> dict[str, Any]:
    """Return the generated dashboard."""
    answer = await hass.services.async_call(
        "keycard", "get_dashboard", given, blocking=True, return_response=True
    )
    assert answer is not None
    return dict(answer)


def entities(found: object) -> Iterable[str]:
    """Return every entity used by cards and their conditions."""
    if isinstance(found, dict):
        if isinstance(entity_id := found.get("entity"), str):
            yield entity_id
        for value in found.values():
            yield from entities(value)
    elif isinstance(found, list):
        for value in found:
            yield from entities(value)


def headings(view: dict[str, Any]) -> list[str]:
    """Return the headings of the sections; the keys and the notice have none."""
    return [
        section["cards"][0]["heading"]
        for section in view["sections"]
        if section["cards"][0]["type"] == "heading"
    ]


def kinds(view: dict[str, Any]) -> set[str]:
    return {card["type"] for section in view["sections"] for card in section["cards"]}


def markdown(view: dict[str, Any]) -> list[str]:
    return [
        card["content"]
        for section in view["sections"]
        for card in section["cards"]
        if card["type"] == "markdown"
    ]


def banners(view: dict[str, Any]) -> list[str]:
    """Return the entities of the banners."""
    return [
        card["entity"]
        for section in view["sections"]
        for card in section["cards"]
        if card["type"] == "custom:keycard-key-card"
    ]


async def test_a_home_with_an_account(
    hass: HomeAssistant, account: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    """Home Assistant accepts it, and all its entities exist."""
    found = await dashboard(hass)
    (view,) = found["views"]
    assert headings(view) == ["Tesla cloud", "Ada", "Cy", "History"]
    assert kinds(view) == {
        "custom:keycard-key-card",
        "custom:keycard-uptime-card",
        "heading",
        "history-graph",
        "markdown",
        "tile",
    }
    shown = set(entities(view))
    assert {"sensor.ada_connection", "lock.ada_lock", "lock.cy_lock"} <= shown
    assert {entity_id for entity_id in shown if hass.states.get(entity_id) is None} == (
        set()
    )
    assert await async_setup_component(hass, "lovelace", {})
    socket = await hass_ws_client(hass)
    kept = None
    for command in (
        {"type": "lovelace/dashboards/create", "url_path": "the-wall", "title": "Wall"},
        {"type": "lovelace/config/save", "url_path": "the-wall", "config": found},
        {"type": "lovelace/config", "url_path": "the-wall"},
    ):
        await socket.send_json_auto_id(command)
        answer = await socket.receive_json()
        assert answer["success"], answer
        kept = answer["result"]
    assert kept == found


async def test_names_that_a_user_chose(
    hass: HomeAssistant, watch: MockConfigEntry
) -> None:
    """Entities are found by their keys; disabled ones are omitted."""
    registry = er.async_get(hass)
    registry.async_update_entity(
        f"sensor.{CLOUD}_status", new_entity_id="sensor.zustand"
    )
    registry.async_update_entity(
        f"sensor.{CLOUD}_last_outage", disabled_by=er.RegistryEntryDisabler.USER
    )
    registry.async_update_entity(
        f"event.{CLOUD}_outage_notice", disabled_by=er.RegistryEntryDisabler.USER
    )
    await hass.async_block_till_done()
    (view,) = (await dashboard(hass))["views"]
    shown = set(entities(view))
    assert "sensor.zustand" in shown
    assert f"sensor.{CLOUD}_last_outage" not in shown
    # Without the event entity there is no notice.
    (regions,) = markdown(view)
    assert "sensor.zustand" in regions


async def test_disabled_entities_are_omitted(
    hass: HomeAssistant, watch: MockConfigEntry
) -> None:
    registry = er.async_get(hass)
    for entity in er.async_entries_for_config_entry(registry, watch.entry_id):
        if "ada" not in entity.entity_id:
            registry.async_update_entity(
                entity.entity_id, disabled_by=er.RegistryEntryDisabler.USER
            )
    (view,) = (await dashboard(hass))["views"]
    assert headings(view) == []
    assert banners(view) == ["sensor.ada_key_to_take"]
    assert set(entities(view)) == {"sensor.ada_key_to_take"}


async def test_a_view_of_each_entry(
    hass: HomeAssistant,
    watch: MockConfigEntry,
    compatible_entry: MockConfigEntry,
    set_up: SetUp,
) -> None:
    await set_up(compatible_entry)
    views = (await dashboard(hass))["views"]
    titles = [view["title"] for view in views]
    assert titles == ["All cars", "Tesla cloud (Europe)", "Tesla cloud (test)"]
    assert len({view["path"] for view in views}) == 3
    # The first one holds the keys of all.
    assert set(banners(views[0])) == {
        entity_id for view in views[1:] for entity_id in banners(view)
    }
    (view,) = (await dashboard(hass, config_entry_id=watch.entry_id))["views"]
    assert view["title"] == "Tesla cloud (Europe)"
    with pytest.raises(ServiceValidationError):
        await dashboard(hass, config_entry_id="unknown")


@pytest.mark.parametrize(
    ("status", "elsewhere", "outage", "icons"),
    [
        ("operational", [], "off", [WORKS, WORKS, WORKS]),
        ("operational", ["na"], "off", [WORKS, FAILS, WORKS]),
        ("outage", ["na", "cn"], "on", [FAILS, FAILS, FAILS]),
        ("outage", [], "on", [FAILS, WORKS, WORKS]),
        ("internet_down", [], "off", [UNKNOWN, UNKNOWN, UNKNOWN]),
        ("undetermined", [], "on", [FAILS, UNKNOWN, UNKNOWN]),
    ],
)
async def test_which_regions_fail(
    hass: HomeAssistant,
    watch: MockConfigEntry,
    *,
    status: str,
    elsewhere: list[str],
    outage: str,
    icons: list[str],
) -> None:
    """The user's region comes first."""
    (view,) = (await dashboard(hass))["views"]
    _, regions = markdown(view)
    hass.states.async_set(f"sensor.{CLOUD}_status", status, {"elsewhere": elsewhere})
    hass.states.async_set(f"binary_sensor.{CLOUD}_outage", outage)
    lines = Template(regions, hass).async_render().strip().split("\n\n")
    names = ("**Europe", "North America", "China")
    for line, name, icon in zip(lines, names, icons, strict=True):
        assert name in line
        assert icon in line


async def test_the_notice_that_is_shown(
    hass: HomeAssistant, watch: MockConfigEntry
) -> None:
    (view,) = (await dashboard(hass))["views"]
    notice, _ = markdown(view)
    hass.states.async_set(
        f"event.{CLOUD}_outage_notice",
        "2026-11-23T12:00:00+00:00",
        {"title": "Take your keycard", "text": "One line.\nAnother."},
    )
    shown = Template(notice, hass).async_render()
    assert 'title="Take your keycard"' in shown
    # Names from outside are escaped.
    assert "One line\\.\n\nAnother\\." in shown


async def test_in_german(hass: HomeAssistant, watch: MockConfigEntry) -> None:
    hass.config.language = "de"
    (view,) = (await dashboard(hass))["views"]
    assert headings(view)[-1] == "Verlauf"
    assert "Nordamerika" in markdown(view)[1]


async def test_keys_come_first_sorted_by_name(
    hass: HomeAssistant, account: MockConfigEntry
) -> None:
    (view,) = (await dashboard(hass))["views"]
    assert banners(view) == ["sensor.ada_key_to_take", "sensor.cy_key_to_take"]
    (first, *_) = view["sections"]
    assert [card["type"] for card in first["cards"]] == ["custom:keycard-key-card"] * 2
    assert first["cards"][0]["labels"] == {
        "usual": "Usual key",
        "keycard": "Take the keycard",
        "fob": "Take the key fob",
        "drill": "Drill",
    }


async def test_one_tap_locks_and_unlocking_asks(
    hass: HomeAssistant, account: MockConfigEntry
) -> None:
    (view,) = (await dashboard(hass))["views"]
    tiles = [
        card
        for section in view["sections"]
        for card in section["cards"]
        if card.get("entity") == "lock.ada_lock"
    ]
    assert all("features" not in tile for tile in tiles)
    actions = {
        tile["icon_tap_action"]["perform_action"]: tile["icon_tap_action"]
        for tile in tiles
    }
    assert actions["lock.unlock"]["confirmation"] == {"text": "Unlock Ada?"}
    assert "confirmation" not in actions["lock.lock"]


async def test_cards_are_served_under_an_address_of_the_version(
    hass: HomeAssistant,
    watching_entry: MockConfigEntry,
    set_up: SetUp,
    hass_client: ClientSessionGenerator,
) -> None:
    assert await async_setup_component(hass, "frontend", {})
    await set_up(watching_entry)
    (url,) = (
        url for url in hass.data[DATA_EXTRA_MODULE_URL].urls if "/keycard/" in url
    )
    integration = await async_get_integration(hass, "keycard")
    assert re.search(rf"\?v={integration.version}-[0-9a-f]{{8}}$", url)
    client = await hass_client()
    response = await client.get(url)
    assert response.status == 200
    text = await response.text()
    for name in ("keycard-key-card", "keycard-uptime-card", "ll-strategy-dashboard"):
        assert name in text


async def test_strategy_is_answered_in_the_language_of_the_user(
    hass: HomeAssistant, watch: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    socket = await hass_ws_client(hass)
    for entry_id, count in ((watch.entry_id, 1), ("unknown", 0)):
        await socket.send_json_auto_id(
            {
                "type": "keycard/dashboard",
                "language": "de",
                "config_entry_id": entry_id,
            }
        )
        views = (await socket.receive_json())["result"]["views"]
        assert [headings(view)[-1] for view in views] == ["Verlauf"] * count


async def test_uptime_of_each_day(
    hass: HomeAssistant, watch: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    today = dt_util.utcnow().date()
    bad = today - timedelta(days=3)
    hass.data[DATA_STORE].outage_log.uptime.restore_days(
        {
            "eu": {
                bad.isoformat(): {"outage": 900.0, "operational": 2700.0},
                today.isoformat(): {"operational": 7200.0, "degraded": 1800.0},
            }
        }
    )
    socket = await hass_ws_client(hass)
    await socket.send_json_auto_id(
        {"type": "keycard/uptime", "config_entry_id": watch.entry_id}
    )
    answer = await socket.receive_json()
    days = answer["result"]["days"]
    assert len(days) == 30
    assert days[-4] == {"date": bad.isoformat(), "uptime": 75.0, "watched_hours": 1.0}
    assert days[-1]["uptime"] == 100.0
    assert days[-1]["watched_hours"] == 2.5
    assert days[0]["uptime"] is None
    await socket.send_json_auto_id(
        {"type": "keycard/uptime", "config_entry_id": "unknown"}
    )
    answer = await socket.receive_json()
    assert answer["error"]["code"] == "not_found"
