"""The generated dashboard contains the enabled entities only."""

from collections.abc import Iterable
from typing import Any

import pytest

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.template import Template
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from .conftest import SetUp

GREEN, RED, GREY = "#43a047", "#e53935", "#9e9e9e"
CLOUD = "tesla_cloud_europe"


async def dashboard(hass: HomeAssistant, **given: Any) -> dict[str, Any]:
    """Ask for the dashboard."""
    answer = await hass.services.async_call(
        "keycard", "get_dashboard", given, blocking=True, return_response=True
    )
    assert answer is not None
    return dict(answer)


def entities(found: object) -> Iterable[str]:
    """Return every entity that cards and their conditions name."""
    if isinstance(found, dict):
        if isinstance(entity_id := found.get("entity"), str):
            yield entity_id
        for value in found.values():
            yield from entities(value)
    elif isinstance(found, list):
        for value in found:
            yield from entities(value)


def headings(view: dict[str, Any]) -> list[str]:
    """Return the headings of the sections; the notice has none."""
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


async def test_a_home_with_an_account(
    hass: HomeAssistant, account: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    """Home Assistant takes it as it is, and each of its entities is there."""
    found = await dashboard(hass)
    (view,) = found["views"]
    assert headings(view) == ["Tesla cloud (test)", "Ada", "Cy", "History"]
    assert kinds(view) == {
        "heading",
        "history-graph",
        "markdown",
        "statistics-graph",
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
    for asked in (
        {"type": "lovelace/dashboards/create", "url_path": "the-wall", "title": "Wall"},
        {"type": "lovelace/config/save", "url_path": "the-wall", "config": found},
        {"type": "lovelace/config", "url_path": "the-wall"},
    ):
        await socket.send_json_auto_id(asked)
        answer = await socket.receive_json()
        assert answer["success"], answer
        kept = answer["result"]
    assert kept == found


async def test_names_that_a_user_chose(
    hass: HomeAssistant, watch: MockConfigEntry
) -> None:
    """Entities are found by what they are; what is switched off is left out."""
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
    # Without the event there is no notice to show.
    (regions,) = markdown(view)
    assert "sensor.zustand" in regions


async def test_only_what_is_left(hass: HomeAssistant, watch: MockConfigEntry) -> None:
    registry = er.async_get(hass)
    for entity in er.async_entries_for_config_entry(registry, watch.entry_id):
        if "ada" not in entity.entity_id:
            registry.async_update_entity(
                entity.entity_id, disabled_by=er.RegistryEntryDisabler.USER
            )
    (view,) = (await dashboard(hass))["views"]
    assert headings(view) == ["Ada"]
    assert set(entities(view)) == {"sensor.ada_key_to_take"}


async def test_a_view_of_each_entry(
    hass: HomeAssistant,
    watch: MockConfigEntry,
    compatible_entry: MockConfigEntry,
    set_up: SetUp,
) -> None:
    await set_up(compatible_entry)
    titles = [view["title"] for view in (await dashboard(hass))["views"]]
    assert titles == ["Tesla cloud (Europe)", "Tesla cloud (test)"]
    paths = {view["path"] for view in (await dashboard(hass))["views"]}
    assert len(paths) == 2
    (view,) = (await dashboard(hass, config_entry_id=watch.entry_id))["views"]
    assert view["title"] == "Tesla cloud (Europe)"
    with pytest.raises(ServiceValidationError):
        await dashboard(hass, config_entry_id="unknown")


@pytest.mark.parametrize(
    ("status", "elsewhere", "outage", "colours"),
    [
        ("operational", [], "off", [GREEN, GREEN, GREEN]),
        ("operational", ["na"], "off", [GREEN, RED, GREEN]),
        ("outage", ["na", "cn"], "on", [RED, RED, RED]),
        ("outage", [], "on", [RED, GREEN, GREEN]),
        ("internet_down", [], "off", [GREY, GREY, GREY]),
        ("undetermined", [], "on", [RED, GREY, GREY]),
    ],
)
async def test_which_regions_fail(
    hass: HomeAssistant,
    watch: MockConfigEntry,
    *,
    status: str,
    elsewhere: list[str],
    outage: str,
    colours: list[str],
) -> None:
    """The own region comes first."""
    (view,) = (await dashboard(hass))["views"]
    _, regions = markdown(view)
    hass.states.async_set(f"sensor.{CLOUD}_status", status, {"elsewhere": elsewhere})
    hass.states.async_set(f"binary_sensor.{CLOUD}_outage", outage)
    lines = Template(regions, hass).async_render().strip().split("\n\n")
    names = ("**Europe", "North America", "China")
    for line, name, colour in zip(lines, names, colours, strict=True):
        assert name in line
        assert colour in line


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
    # Escaped: names in it are words of others.
    assert "One line\\.\n\nAnother\\." in shown


async def test_in_german(hass: HomeAssistant, watch: MockConfigEntry) -> None:
    hass.config.language = "de"
    (view,) = (await dashboard(hass))["views"]
    assert headings(view)[-1] == "Verlauf"
    assert "Nordamerika" in markdown(view)[1]
