"""System health: the last answer of each host, without a request or a secret."""

from collections.abc import Callable
import re
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.keycard.const import DOMAIN
from simulator import Simulator

from .config_entries import hosts_options
from .conftest import SetUp, until
from .repository_files import keys_at, translations

HOSTS = {
    *("region_na", "region_eu", "region_cn", "sign_in_token", "sign_in_page"),
    *("unrelated", "unrelated_2"),
}


async def health(hass: HomeAssistant, ws: WebSocketGenerator) -> dict[str, Any]:
    """Return Keycard's system health information."""
    assert await async_setup_component(hass, "system_health", {})
    client = await ws(hass)
    await client.send_json_auto_id({"type": "system_health/info"})
    assert (await client.receive_json())["success"]
    shown: dict[str, Any] = {}
    while (event := (await client.receive_json())["event"])["type"] != "finish":
        if event["type"] == "initial":
            shown = event["data"][DOMAIN]["info"]
    await client.close()
    return shown


def asked_all(entry: MockConfigEntry) -> Callable[[], bool]:
    """Return whether every host has answered once."""
    poller = entry.runtime_data.host_poller
    return lambda: set(poller.endpoints) == set(poller.answers)


async def test_each_host_is_there(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    simulator: Simulator,
    account: MockConfigEntry,
) -> None:
    await until(hass, asked_all(account))
    requests = simulator.usage.by_endpoint["cn.status"]
    shown = await health(hass, hass_ws_client)
    assert shown.pop("version") == "0.1.0"
    assert shown.pop("cars") == 2
    assert set(shown) == HOSTS
    for name, shown_text in shown.items():
        assert re.fullmatch(r"\d+ ms, checked \d+ s ago", shown_text), name
    assert simulator.usage.by_endpoint["cn.status"] == requests == 1
    text = str(shown)
    vins = [car.vin for car in simulator.cars.values()]
    for secret in (simulator.token, *simulator.urls.values(), *vins, "Ada"):
        assert secret not in text


async def test_the_last_answer_of_a_host_is_described(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    simulator: Simulator,
    watching_entry: MockConfigEntry,
    set_up: SetUp,
) -> None:
    await hass.config.async_update(language="de")
    simulator.apply(
        {
            "na.status": "refuse",
            "eu.status": "503 down",
            "cn.status": "302 http://portal.invalid/",
        }
    )
    entry = await set_up(watching_entry)
    shown = await health(hass, hass_ws_client)
    assert set(shown) == HOSTS | {"version", "cars"}
    await until(hass, asked_all(entry))
    shown = await health(hass, hass_ws_client)
    shown_text = {name: str(shown[name]).partition(",")[0] for name in HOSTS}
    assert shown_text["region_na"] == "keine Antwort"
    assert shown_text["region_eu"] == "hat mit einem Fehler geantwortet"
    assert shown_text["region_cn"] == "eine Anmeldeseite des Netzwerks hat geantwortet"
    assert re.fullmatch(r"\d+ ms", shown_text["sign_in_page"])


async def test_before_the_first_probe(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    watch: MockConfigEntry,
) -> None:
    # Otherwise an answer may come after they are cleared.
    await until(hass, asked_all(watch))
    watch.runtime_data.host_poller.answers.clear()
    shown = await health(hass, hass_ws_client)
    assert {shown[name] for name in HOSTS} == {"not checked yet"}


async def test_two_entries_with_other_hosts(
    hass: HomeAssistant,
    hass_ws_client: WebSocketGenerator,
    simulator: Simulator,
    watch: MockConfigEntry,
    set_up: SetUp,
) -> None:
    options = hosts_options(simulator)
    other = MockConfigEntry(
        domain=DOMAIN,
        title="Other",
        unique_id="watch_na",
        data={"provider": "watch_only", "region": "na"},
        options={**options, "unrelated": options["unrelated"][:1], "cars": {}},
    )
    await set_up(other)
    shown = await health(hass, hass_ws_client)
    numbered = {f"{name}_2" for name in HOSTS - {"unrelated", "unrelated_2"}}
    assert set(shown) == HOSTS | numbered | {"unrelated_3", "version", "cars"}


async def test_nothing_is_set_up(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator
) -> None:
    assert await async_setup_component(hass, DOMAIN, {})
    shown = await health(hass, hass_ws_client)
    assert shown == {"version": "0.1.0", "cars": 0}


def test_every_value_has_a_name() -> None:
    names = keys_at(translations("en"), "system_health", "info")
    assert names == HOSTS | {"version", "cars"}
