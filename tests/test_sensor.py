"""Sensors of the cloud and of the vehicles."""

from dataclasses import replace
from datetime import UTC, datetime

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.outage.models import (
    Assessment,
    MissingEvidence,
    Scope,
    Status,
    Subsystem,
)
from custom_components.keycard.runtime.presentation import CloudData
from custom_components.keycard.vehicle.keys import PhysicalKey
from simulator import Simulator
from simulator.scenarios.scenario import CarSpec

from .conftest import car_of, show_state, state_of, until

CLOUD = "sensor.tesla_cloud"


async def test_assessment(hass: HomeAssistant, watch: MockConfigEntry) -> None:
    assert state_of(hass, f"{CLOUD}_status").state == "operational"
    assert state_of(hass, f"{CLOUD}_affected").state == "none"
    assert state_of(hass, f"{CLOUD}_outage_since").state == "unknown"

    watch.runtime_data.coordinator.async_set_updated_data(
        CloudData(
            assessment=Assessment(
                status=Status.DEGRADED,
                scope=Scope.MODEL,
                subsystems=(Subsystem.COMMANDS,),
                other_regions=("na",),
                models=("model3",),
                missing_evidence=(MissingEvidence.NAME,),
                since=datetime(2021, 11, 19, 21, 40, tzinfo=UTC),
            ),
            api_reachable=True,
        )
    )
    status = state_of(hass, f"{CLOUD}_status")
    assert status.state == "degraded"
    assert status.attributes["options"] == [status.value for status in Status]
    assert status.attributes["planes"] == ["commands"]
    assert status.attributes["elsewhere"] == ["na"]
    assert status.attributes["models"] == ["model3"]
    assert status.attributes["missing"] == ["name"]
    scope = state_of(hass, f"{CLOUD}_affected")
    assert scope.state == "model"
    assert scope.attributes["options"] == [scope.value for scope in Scope]
    assert state_of(hass, f"{CLOUD}_outage_since").state == "2021-11-19T21:40:00+00:00"


async def test_latency_is_off_by_default(
    hass: HomeAssistant, watch: MockConfigEntry, entity_registry: er.EntityRegistry
) -> None:
    entry = entity_registry.async_get(f"{CLOUD}_api_latency")
    assert entry is not None
    assert entry.disabled_by is er.RegistryEntryDisabler.INTEGRATION
    entity_registry.async_update_entity(entry.entity_id, disabled_by=None)
    assert await hass.config_entries.async_reload(watch.entry_id)
    latency = f"{CLOUD}_api_latency"
    await until(hass, lambda: state_of(hass, latency).state != "unknown")
    shown = state_of(hass, latency)
    assert 0 <= float(shown.state) < 3000
    assert shown.attributes["unit_of_measurement"] == "ms"


async def test_car(
    hass: HomeAssistant, simulator: Simulator, account: MockConfigEntry
) -> None:
    car = car_of(account, "Ada")
    show_state(car, battery_level=77, battery_range=100.0)
    assert state_of(hass, "sensor.ada_battery").state == "77"
    distance = state_of(hass, "sensor.ada_range")
    assert distance.attributes["device_class"] == "distance"
    assert float(distance.state) == 160.9344
    assert state_of(hass, "sensor.ada_key_to_take").state == "usual"
    state = car.data.state
    assert state is not None
    assert state.data_at is not None
    contact = datetime.fromisoformat(state_of(hass, "sensor.ada_last_contact").state)
    assert contact == state.data_at.replace(microsecond=0)

    car.async_set_updated_data(
        replace(car.data, is_current=False, key_to_take=PhysicalKey.KEYCARD)
    )
    assert state_of(hass, "sensor.ada_battery").state == "77"
    assert float(state_of(hass, "sensor.ada_range").state) == 160.9344
    assert state_of(hass, "sensor.ada_key_to_take").state == "keycard"
    last = datetime.fromisoformat(state_of(hass, "sensor.ada_last_contact").state)
    assert last == contact


async def test_a_car_without_data(
    hass: HomeAssistant, account: MockConfigEntry
) -> None:
    car = car_of(account, "Ada")
    car.async_set_updated_data(replace(car.data, state=None, last_contact=None))
    for entity_id in ("sensor.ada_battery", "sensor.ada_last_contact"):
        assert state_of(hass, entity_id).state == "unknown"
    assert state_of(hass, "binary_sensor.ada_online").state == "unknown"
    assert state_of(hass, "lock.ada_lock").state == "unknown"
    assert state_of(hass, "climate.ada_climate").state == "unknown"
    assert state_of(hass, "device_tracker.ada_location").state == "unknown"


async def test_a_watched_car_has_a_key_that_can_be_tried_and_nothing_else(
    hass: HomeAssistant, watch: MockConfigEntry, entity_registry: er.EntityRegistry
) -> None:
    entries = er.async_entries_for_config_entry(entity_registry, watch.entry_id)
    cars = {
        entry.entity_id
        for entry in entries
        if not entry.unique_id.startswith(watch.entry_id)
    }
    assert cars == {
        entity_id
        for name in ("ada", "cy")
        for entity_id in (
            f"button.{name}_i_tried_the_card_or_fob",
            f"sensor.{name}_card_or_fob_last_tried",
            f"sensor.{name}_key_to_take",
        )
    }
    assert state_of(hass, "sensor.cy_key_to_take").state == "usual"


async def test_a_car_that_comes_later(
    hass: HomeAssistant, simulator: Simulator, account: MockConfigEntry
) -> None:
    assert hass.states.get("sensor.bo_key_to_take") is None
    simulator.add_car(CarSpec(name="Bo", model="modely", year=2022))
    data = account.runtime_data
    answer = await data.provider.client.products()
    data.vehicle_manager.async_update_products(answer)
    await hass.async_block_till_done()
    for entity_id in (
        "binary_sensor.bo_online",
        "button.bo_wake",
        "climate.bo_climate",
        "device_tracker.bo_location",
        "lock.bo_lock",
        "sensor.bo_key_to_take",
    ):
        assert hass.states.get(entity_id) is not None


async def test_monitoring_without_an_account_has_no_cost_sensors(
    hass: HomeAssistant, watch: MockConfigEntry, entity_registry: er.EntityRegistry
) -> None:
    ours = er.async_entries_for_config_entry(entity_registry, watch.entry_id)
    assert not [one for one in ours if one.unique_id.endswith("_estimated_cost")]
