"""Invariant "secrets stay": no secrets, VINs or locations in the log."""

from collections.abc import AsyncIterator, Mapping
import json
import logging

import pytest

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.keycard.auth.keys import async_get_signing_key
from custom_components.keycard.runtime.storage import DATA_STORE
from custom_components.keycard.vehicle import product_list
from simulator import Simulator
from simulator.bluetooth import LinkConditions
from simulator.scenarios.scenario import CarSpec
from tests.config_entries import fleet_entry, provider_entry

from .home import HomeUnderTest, assert_no_errors, status_of
from .paired_vehicle import NearVehicle, add_near_vehicle, with_paired_vehicle

CONDITIONS = (
    ("eu.api", '500 {"error":"upstream internal error"}'),
    ("eu.api", '401 {"error":"login_required"}'),
    ("eu.api", "garbage"),
    ("eu.api", "reset"),
    ("eu.api", "302 http://portal.invalid/"),
    ("eu.data", "503 down"),
    ("eu.commands", '503 {"error":"vehicle is not available"}'),
    ("car.Ada", "asleep"),
)


@pytest.mark.parametrize("provider", ["compatible", "fleet", "teslemetry"])
async def test_the_log_of_all_features_contains_no_secrets(
    home: HomeUnderTest,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    provider: str,
) -> None:
    # A car that is gone is removed, and a sign-in renewed, within two hours.
    monkeypatch.setattr(product_list, "REMOVE_AFTER", 1800.0)
    simulator = home.simulator
    if provider != "compatible":
        simulator.set_signing("Ada", "required")
    simulator.pair("Ada", await async_get_signing_key(home.hass))
    nameless = simulator.add_car(CarSpec(name="Nameless", model="model3", year=2022))
    nameless.name = ""
    loggers = ("custom_components.keycard", "tesla_fleet_api", "aiohttp")
    # Home Assistant's own debug log contains every state.
    for logger in ("", "homeassistant"):
        caplog.set_level(logging.INFO, logger)
    for logger in loggers:
        caplog.set_level(logging.DEBUG, logger)
    entry = await home.set_up_operational(
        await fleet_entry(home.hass, simulator, left=5400)
        if provider == "fleet"
        else await provider_entry(home.hass, simulator, provider)
    )
    token = entry.data["token"]
    for subject, condition in CONDITIONS:
        simulator.set(subject, condition)
        await home.run(65)
        await home.perform("unlock")
        simulator.set(subject, "ok")
    simulator.cars["Ada"].drive()
    await home.run(1300)
    simulator.remove_car("Cy")
    await home.skip(2 * 3600)
    assert "lock.cy_lock" not in home.states()
    assert (entry.data["token"] != token) is (provider == "fleet")
    await home.restart(entry)
    await home.run(60)
    assert_no_errors(caplog)

    private = {simulator.token.lower()}
    private |= _secrets(token) | _secrets(entry.data["token"])
    for car in (*simulator.cars.values(), nameless):
        private |= {car.vin.lower(), str(car.id)}
        private |= {f"{car.home_position[0]:.3f}", f"{car.home_position[1]:.3f}"}
    assert home.states()["lock.model_3_lock"] != "unavailable"
    logged = [(record.name, record.getMessage()) for record in caplog.records]
    messages = [
        (name, message)
        for name, message in logged
        for lower in [message.lower()]
        if any(secret in lower for secret in private)
    ]
    assert any(record.name.startswith(loggers[0]) for record in caplog.records)
    assert any(record.name.startswith(loggers[1]) for record in caplog.records)
    assert messages == []


def _secrets(token: str | Mapping[str, object]) -> set[str]:
    """Return the secrets that only the sign-in host and the cloud may receive."""
    if isinstance(token, str):
        return {token.lower()}
    return {str(token[name]).lower() for name in ("access_token", "refresh_token")}


MAIL = "marker.owner@mail.example.org"
OPAQUE = "mk7f3a1c9d7b2e4f60a1b2c3"
PIN = "8642"
PLACE = "Markerstrasse"
LEFT = "LRW3E7EK4NC999999"
LOGGERS = ("custom_components.keycard", "tesla_fleet_api", "bleak_retry_connector")


@pytest.fixture
async def near(
    hass: HomeAssistant, enable_bluetooth: None, simulator: Simulator
) -> AsyncIterator[NearVehicle]:
    simulator.bluetooth.set_link_conditions(LinkConditions(latency=0.0, connect=0.0))
    near = await add_near_vehicle(hass, simulator)
    yield near
    near.proxy.remove()


async def test_no_marker_comes_out_anywhere_over_either_transport(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    near: NearVehicle,
    caplog: pytest.LogCaptureFixture,
    hass_client: ClientSessionGenerator,
) -> None:
    simulator, car = home.simulator, near.car
    for logger in ("", "homeassistant", *LOGGERS, "aiohttp"):
        caplog.set_level(logging.DEBUG, logger)
    entry = await home.set_up_operational(with_paired_vehicle(compatible_entry, car))
    said = f"token {OPAQUE} of {MAIL} for {car.vin.lower()}, PIN {PIN}, at {PLACE}"
    said += f" {car.home_position[0]:.5f}, {car.home_position[1]:.5f}"
    bodies = (
        json.dumps({"error": said.replace(f" at {PLACE}", "")}),
        json.dumps(
            {"error": "x", "latitude": car.home_position[0], "destination": PLACE}
        ),
        f'vehicle_name: "{PLACE}" latitude: {car.home_position[0]} pin: {PIN}',
    )
    for subject in ("eu.api", "eu.data", "eu.commands"):
        for status in (200, 401, 403, 500):
            for body in bodies:
                simulator.set(subject, f"{status} {body}")
                await home.run(5)
        await home.run(61)
        await home.perform("unlock")
        simulator.set(subject, "ok")
    # Over Bluetooth alone, with all data of the car.
    simulator.apply(dict.fromkeys(("all.status", "all.api"), "timeout"))
    await home.until(lambda: status_of(entry) == "outage", 180)
    car.drive()
    await home.run(600)
    assert await home.perform("lock") is None
    await home.run(60)
    records = [one for one in caplog.records if one.name.startswith(LOGGERS)]
    words = [one.getMessage() + (one.exc_text or "") for one in records]
    assert any("latitude: " in one for one in words)
    assert any("Received" in one for one in words)

    private = {car.vin.lower(), OPAQUE, MAIL, f" {PIN}", PLACE.lower()}
    private |= {str(car.id), simulator.token.lower(), LEFT.lower()}
    private |= {f"{car.home_position[0]:.3f}", f"{car.home_position[1]:.3f}"}

    def found(text: str) -> list[str]:
        return [marker for marker in private if marker in text.lower()]

    assert [one for one in words if found(one)] == []
    # Diagnostics, with outages that name a car of another entry.
    outage = home.hass.data[DATA_STORE].outage_log.outages[-1]
    outage.notified_vehicles.add(LEFT)
    assert await async_setup_component(home.hass, "diagnostics", {})
    messages = json.dumps(
        await get_diagnostics_for_config_entry(home.hass, hass_client, entry)
    )
    assert "other_car_1" in messages
    assert found(messages) == []
    for issue in ir.async_get(home.hass).issues.values():
        assert found(issue.issue_id) == []
