"""Tests of the main functions with each provider."""

from collections.abc import Awaitable, Callable

import pytest

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.auth.keys import async_get_signing_key
from simulator import Simulator
from tests.config_entries import PROVIDERS, provider_entry
from tests.conftest import SetUp, assessment_status, car_of, state_of, until

LOCK = "lock.ada_lock"
CLIMATE = "climate.ada_climate"

type Act = Callable[..., Awaitable[None]]

each_provider = pytest.mark.parametrize("provider", PROVIDERS)


@pytest.fixture
def act(hass: HomeAssistant) -> Act:
    """Call an action as a user does."""

    async def take(action: str, entity_id: str, **data: object) -> None:
        await hass.services.async_call(
            entity_id.partition(".")[0],
            action,
            {"entity_id": entity_id, **data},
            blocking=True,
        )

    return take


async def opened(
    hass: HomeAssistant, simulator: Simulator, provider: str, set_up: SetUp
) -> MockConfigEntry:
    """Set up an entry and wait for its vehicles."""
    entry = await provider_entry(hass, simulator, provider)
    await set_up(entry)

    def known() -> bool:
        cars = entry.runtime_data.vehicles.values()
        return len(cars) == 2 and all(car.data.is_current for car in cars)

    await until(hass, known)
    await until(hass, lambda: assessment_status(entry) == "operational")
    await hass.async_block_till_done()
    return entry


@pytest.mark.parametrize(
    ("provider", "signing"),
    [
        *((provider, "allowed") for provider in PROVIDERS),
        # A bare token at Tesla's own address signs nothing.
        *((provider, "required") for provider in PROVIDERS if provider != "compatible"),
    ],
)
async def test_set_up_poll_lock_unlock_climate(
    hass: HomeAssistant,
    simulator: Simulator,
    set_up: SetUp,
    act: Act,
    monkeypatch: pytest.MonkeyPatch,
    *,
    provider: str,
    signing: str,
) -> None:
    # Tessie's data are up to 15 s old, which nobody waits for here.
    monkeypatch.setattr("simulator.cloud.services.tessie.CACHE_SECONDS", 0.0)
    simulator.set_signing("Ada", signing)
    simulator.pair("Ada", await async_get_signing_key(hass))
    entry = await opened(hass, simulator, provider, set_up)
    ada = simulator.cars["Ada"]
    assert state_of(hass, LOCK).state == "locked"
    assert state_of(hass, "sensor.ada_battery").state == "64"
    assert state_of(hass, "device_tracker.ada_location").state == "not_home"
    assert state_of(hass, "sensor.ada_connection").state == "cloud"

    await act("unlock", LOCK)
    assert (ada.locked, state_of(hass, LOCK).state) == (False, "unlocked")
    await act("lock", LOCK)
    assert (ada.locked, state_of(hass, LOCK).state) == (True, "locked")
    await act("turn_on", CLIMATE)
    await act("set_temperature", CLIMATE, temperature=23.5)
    assert (ada.climate_on, ada.driver_temp) == (True, 23.5)
    assert state_of(hass, CLIMATE).state == "heat_cool"
    await act("turn_off", CLIMATE)
    assert (ada.climate_on, state_of(hass, CLIMATE).state) == (False, "off")
    assert ada.executed == {
        "door_unlock": 1,
        "door_lock": 1,
        "auto_conditioning_start": 1,
        "set_temps": 1,
        "auto_conditioning_stop": 1,
    }

    # The car's own doing is seen with the next data.
    ada.locked = False
    entry.runtime_data.vehicle_poller.async_request_data(ada.vin)
    await until(hass, lambda: state_of(hass, LOCK).state == "unlocked")


@each_provider
async def test_sleeping_vehicle_is_woken_only_for_a_command(
    hass: HomeAssistant,
    simulator: Simulator,
    set_up: SetUp,
    act: Act,
    monkeypatch: pytest.MonkeyPatch,
    *,
    provider: str,
) -> None:
    monkeypatch.setattr("simulator.vehicle.car.WAKE_SECONDS", 0.5)
    monkeypatch.setattr(
        "custom_components.keycard.transport.cloud._WAKE_POLL_INTERVAL", 0.2
    )
    entry = await opened(hass, simulator, provider, set_up)
    ada = simulator.cars["Ada"]
    simulator.set("car.Ada", "asleep")
    await act("unlock", LOCK)
    assert ada.executed["wake_up"] == 1
    assert ada.executed["door_unlock"] == 1
    assert car_of(entry, "Ada").vehicle.online


async def test_unpaired_key_is_reported(
    hass: HomeAssistant, simulator: Simulator, set_up: SetUp, act: Act
) -> None:
    simulator.set_signing("Ada", "required")
    await opened(hass, simulator, "fleet", set_up)
    with pytest.raises(HomeAssistantError) as caught:
        await act("unlock", LOCK)
    assert caught.value.translation_key == "key_not_paired"
    assert state_of(hass, LOCK).state == "locked"
    # Nobody but this car is to blame: the cloud is judged as before.
    simulator.pair("Ada", await async_get_signing_key(hass))
    await act("unlock", LOCK)
    assert simulator.cars["Ada"].executed["door_unlock"] == 1


async def test_token_without_key_rejects_signed_commands(
    hass: HomeAssistant, simulator: Simulator, set_up: SetUp, act: Act
) -> None:
    simulator.set_signing("Ada", "required")
    entry = await opened(hass, simulator, "compatible", set_up)
    with pytest.raises(HomeAssistantError) as caught:
        await act("unlock", LOCK)
    assert caught.value.translation_key == "must_be_signed"
    assert assessment_status(entry) == "operational"
    # Other cars, and the data of this one, go on.
    await act("unlock", "lock.cy_lock")
    assert simulator.cars["Cy"].executed["door_unlock"] == 1


async def test_missing_scope_stops_only_its_commands(
    hass: HomeAssistant, simulator: Simulator, set_up: SetUp, act: Act
) -> None:
    entry = await provider_entry(hass, simulator, "fleet")
    token = simulator.access_token("openid", "vehicle_device_data")
    entry_data = {**entry.data, "token": {**entry.data["token"], "access_token": token}}
    narrow = MockConfigEntry(
        domain=entry.domain,
        title=entry.title,
        unique_id=entry.unique_id,
        data=entry_data,
        options=dict(entry.options),
    )
    await set_up(narrow)
    await until(hass, lambda: len(narrow.runtime_data.vehicles) == 2)
    await until(hass, lambda: hass.states.get(LOCK) is not None)
    await until(hass, lambda: state_of(hass, LOCK).state == "locked")
    # It was not asked where the car is: that would have been refused.
    assert state_of(hass, "device_tracker.ada_location").state == "unknown"
    with pytest.raises(HomeAssistantError) as caught:
        await act("unlock", LOCK)
    assert caught.value.translation_key == "scope_missing"
    assert assessment_status(narrow) == "operational"


@pytest.mark.usefixtures("every_entity")
@each_provider
async def test_signed_entities_exist_only_with_a_signing_key(
    hass: HomeAssistant, simulator: Simulator, set_up: SetUp, act: Act, provider: str
) -> None:
    simulator.pair("Ada", await async_get_signing_key(hass))
    await opened(hass, simulator, provider, set_up)
    await hass.async_block_till_done()
    simulator.cars["Ada"].drive_pin = "1234"
    switch = "switch.ada_pin_to_drive"
    if provider == "compatible":
        # Nobody signs at Tesla's own address with a bare token.
        assert hass.states.get(switch) is None
        return
    await act("turn_on", switch)
    assert simulator.cars["Ada"].executed["set_pin_to_drive"] == 1
