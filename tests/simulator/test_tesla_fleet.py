"""Home Assistant's tesla_fleet integration works with the simulator."""

from datetime import timedelta
from pathlib import Path

import pytest
from tesla_fleet_api.const import SERVERS
from tesla_fleet_api.tesla import TeslaBluetooth

from homeassistant.components.application_credentials import (
    DOMAIN as CREDENTIALS_DOMAIN,
    ClientCredential,
    async_import_client_credential,
)
from homeassistant.components.tesla_fleet import oauth
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.keycard.external.discovery import async_discover_vehicles
from custom_components.keycard.external.observer import ExternalStateObserver
from custom_components.keycard.outage.external_data import StaleDataDetector
from simulator import Simulator

LOCK = "lock.ada_lock"
CLIMATE = "climate.ada_climate"


@pytest.fixture
async def entry(
    hass: HomeAssistant, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> MockConfigEntry:
    """Return an entry that is signed in."""
    for region in ("na", "eu", "cn"):
        monkeypatch.setitem(SERVERS, region, sim.urls[region])
    url = f"{sim.urls['auth']}/oauth2/v3"
    monkeypatch.setattr(oauth, "TOKEN_URL", f"{url}/token")
    monkeypatch.setattr(oauth, "AUTHORIZE_URL", f"{url}/authorize")
    assert await async_setup_component(hass, CREDENTIALS_DOMAIN, {})
    await async_import_client_credential(
        hass, "tesla_fleet", ClientCredential("me", "secret", "Simulated"), "simulated"
    )
    entry = MockConfigEntry(
        domain="tesla_fleet",
        data={
            "auth_implementation": "simulated",
            "token": {
                "access_token": "long gone",
                "refresh_token": sim.refresh_token(),
                "expires_at": 0,
                "expires_in": 28800,
                "token_type": "Bearer",
            },
        },
    )
    entry.add_to_hass(hass)
    return entry


async def poll(hass: HomeAssistant) -> None:
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=605))
    await hass.async_block_till_done(wait_background_tasks=True)


async def test_it_sets_up_polls_and_locks(
    hass: HomeAssistant, sim: Simulator, entry: MockConfigEntry
) -> None:
    async def call(service: str, entity_id: str = LOCK, **data: object) -> None:
        await hass.services.async_call(
            entity_id.partition(".")[0],
            service,
            {"entity_id": entity_id, **data},
            blocking=True,
        )

    def state(entity_id: str) -> str:
        found = hass.states.get(entity_id)
        assert found is not None, hass.states.async_entity_ids()
        return found.state

    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    assert sim.usage.count("auth.token") == 1
    assert sim.usage.count("na.products") == 1
    assert state(LOCK) == "locked"
    assert state("sensor.ada_battery_level") == "64"
    assert state("climate.bo_climate") == "off"
    assert state("device_tracker.cy_location") == "not_home"

    ada = sim.cars["Ada"]
    await call("unlock")
    assert (ada.locked, state(LOCK)) == (False, "unlocked")
    await call("lock")
    assert (ada.locked, state(LOCK)) == (True, "locked")
    assert ada.executed == {"door_unlock": 1, "door_lock": 1}

    await call("turn_on", CLIMATE)
    await call("set_temperature", CLIMATE, temperature=23.5)
    assert (ada.climate_on, ada.driver_temp) == (True, 23.5)
    assert state(CLIMATE) == "heat_cool"
    await call("turn_off", CLIMATE)
    assert (ada.climate_on, state(CLIMATE)) == (False, "off")

    ada.locked = False
    await poll(hass)
    assert state(LOCK) == "unlocked"

    sim.set("na.api", '500 {"error":"upstream internal error"}')
    await poll(hass)
    assert state(LOCK) == "unavailable"
    sim.set("na.api", "ok")
    await poll(hass)
    assert state(LOCK) == "unlocked"

    sim.set("na.commands", "503 upstream connect error")
    with pytest.raises(HomeAssistantError):
        await call("lock")
    assert not ada.locked
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_commands_are_signed_where_a_car_requires_it(
    hass: HomeAssistant,
    sim: Simulator,
    entry: MockConfigEntry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hass.config, "config_dir", str(tmp_path))
    key = await TeslaBluetooth().get_private_key(str(tmp_path / "tesla_fleet.key"))
    sim.pair("Ada", key)
    sim.set_signing("Ada", "required")
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    await hass.services.async_call("lock", "unlock", {"entity_id": LOCK}, blocking=True)
    assert sim.cars["Ada"].executed == {"door_unlock": 1}
    assert sim.usage.count("na.door_unlock") == 0


async def test_keycard_discovers_and_reads_its_vehicles(
    hass: HomeAssistant, sim: Simulator, entry: MockConfigEntry
) -> None:
    ada = sim.cars["Ada"]
    ada.cable_connected = ada.charging = True
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    cars = {car.name: car for car in async_discover_vehicles(hass)}
    assert {name: (car.vin, car.model) for name, car in cars.items()} == {
        name: (car.vin, car.model) for name, car in sim.cars.items()
    }

    beside = StaleDataDetector()
    named = [device.to_option() for device in cars["Ada"].devices]
    witnesses = ExternalStateObserver(
        hass, beside, {"cars": {"ada": {"beside": named}}}
    )
    stop = witnesses.async_start()
    await poll(hass)
    (source,) = witnesses.describe()["ada"]
    assert source["found"]
    assert source["calls_tesla"]
    assert source["reports_online"]
    assert source["measurements"] >= 5
    assert source["active"]

    ada.charging = False
    await poll(hass)
    (source,) = witnesses.describe()["ada"]
    assert not source["active"]
    stop()
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_a_refused_sign_in_asks_for_a_new_one(
    hass: HomeAssistant, sim: Simulator, entry: MockConfigEntry
) -> None:
    sim.set("auth.token", '401 {"error":"login_required"}')
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert [
        flow["context"]["source"] for flow in hass.config_entries.flow.async_progress()
    ] == ["reauth"]
