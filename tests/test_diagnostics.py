"""Diagnostics contain no secrets, VINs or locations."""

import json
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
    get_diagnostics_for_device,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.keycard.const import DOMAIN
from simulator import Simulator

from .config_entries import fleet_entry
from .conftest import SetUp, car_of, show_state

PRIVATE_URL = "https://proxy.example.org/secret-path"


async def test_entry(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    simulator: Simulator,
    account: MockConfigEntry,
) -> None:
    assert await async_setup_component(hass, "diagnostics", {})
    car = car_of(account, "Ada")
    show_state(
        car,
        latitude=12.3456,
        longitude=65.4321,
        route_destination="Somewhere",
        route_latitude=21.6543,
        route_longitude=56.1234,
        battery_level=77,
    )
    hass.config_entries.async_update_entry(
        account,
        options={
            **account.options,
            "unrelated": [PRIVATE_URL],
            "cars": {
                car.vehicle.id: {"key": "fob"},
                "LRWXF7EK4KC700000": {"key": "fob"},
            },
        },
    )
    diagnostics: dict[str, Any] = dict(
        await get_diagnostics_for_config_entry(hass, hass_client, account)
    )
    text = json.dumps(diagnostics)
    for secret in (
        simulator.token,
        simulator.urls["eu"],
        PRIVATE_URL,
        car.vehicle.id,
        car_of(account, "Cy").vehicle.id,
        "LRWXF7EK4KC700000",
        '"Ada"',
        '"Cy"',
        "12.3456",
        "65.4321",
        "Somewhere",
        "21.6543",
        "56.1234",
    ):
        assert secret not in text

    assert diagnostics["entry"]["data"]["region"] == "eu"
    assert set(diagnostics["entry"]["options"]["cars"]) == {"car_1", "car_3"}
    assert diagnostics["cloud"]["view"]["assessment"]["status"] == "operational"
    assert diagnostics["cloud"]["third_party"] is False
    assert {host["kind"] for host in diagnostics["asked"]} == {
        "status",
        "token",
        "authorize",
        "unrelated",
    }
    assert diagnostics["outages"] == []
    assert set(diagnostics["cars"]) == {"car_1", "car_2"}
    assert diagnostics["cars"]["car_1"]["model"] == "model3"
    assert diagnostics["cars"]["car_1"]["view"]["state"]["battery_level"] == 77


async def test_a_sign_in(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    simulator: Simulator,
    set_up: SetUp,
) -> None:
    assert await async_setup_component(hass, "diagnostics", {})
    entry = await fleet_entry(hass, simulator)
    await set_up(entry)
    diagnostics = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    text = json.dumps(diagnostics)
    for secret in (
        entry.data["token"]["access_token"],
        entry.data["token"]["refresh_token"],
        entry.data["domain"],
        "client-id",
        "client-secret",
    ):
        assert secret not in text


async def test_devices(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    device_registry: dr.DeviceRegistry,
    watch: MockConfigEntry,
) -> None:
    assert await async_setup_component(hass, "diagnostics", {})
    diagnostics: dict[str, Any] = {}
    for name in (watch.entry_id, "cy"):
        device = device_registry.async_get_device_by_identifier(
            (DOMAIN, name), watch.entry_id
        )
        assert device is not None
        diagnostics[name] = await get_diagnostics_for_device(
            hass, hass_client, watch, device
        )
    assert set(diagnostics[watch.entry_id]) == {"cloud", "asked"}
    assert set(diagnostics["cy"]) == {"car"}
    assert diagnostics["cy"]["car"]["model"] == "models"
    assert diagnostics["cy"]["car"]["key"] == "fob"
