"""The lock of a vehicle: states and commands."""

from dataclasses import replace

import pytest

from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import Event, EventStateChangedData, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from simulator import Simulator

from .conftest import SetUp, car_of, show_state, state_of

LOCK = "lock.ada_lock"


async def send(hass: HomeAssistant, action: str) -> None:
    await hass.services.async_call("lock", action, {"entity_id": LOCK}, blocking=True)


def shown(changes: list[Event[EventStateChangedData]]) -> list[str]:
    """Return the states of the lock in order."""
    return [
        state.state
        for event in changes
        if event.data["entity_id"] == LOCK and (state := event.data["new_state"])
    ]


@pytest.mark.parametrize(
    ("before", "action", "on_the_way", "after"),
    [
        (False, "lock", "locking", "locked"),
        (True, "unlock", "unlocking", "unlocked"),
    ],
)
async def test_commands(
    hass: HomeAssistant,
    *,
    simulator: Simulator,
    account: MockConfigEntry,
    before: bool,
    action: str,
    on_the_way: str,
    after: str,
) -> None:
    simulator.cars["Ada"].locked = before
    show_state(car_of(account, "Ada"), locked=before)
    changes = async_capture_events(hass, EVENT_STATE_CHANGED)
    await send(hass, action)
    await hass.async_block_till_done()
    assert shown(changes) == [on_the_way, after]
    assert simulator.cars["Ada"].locked is (after == "locked")
    assert simulator.cars["Ada"].executed[f"door_{action}"] == 1


async def test_a_failed_command_raises_and_claims_nothing(
    hass: HomeAssistant, simulator: Simulator, account: MockConfigEntry
) -> None:
    show_state(car_of(account, "Ada"), locked=True)
    simulator.set("eu.commands", "503 upstream connect error")
    with pytest.raises(HomeAssistantError) as error:
        await send(hass, "unlock")
    assert error.value.translation_domain == "keycard"
    assert "Ada" in str(error.value)
    # It may have been executed all the same.
    assert state_of(hass, LOCK).state == "unknown"
    assert simulator.cars["Ada"].executed.get("door_unlock", 0) == 0


async def test_an_expired_state_is_unknown_but_takes_commands(
    hass: HomeAssistant, simulator: Simulator, account: MockConfigEntry
) -> None:
    car = car_of(account, "Ada")
    car.async_set_updated_data(replace(car.data, is_current=False))
    assert state_of(hass, LOCK).state == "unknown"
    await send(hass, "lock")
    assert simulator.cars["Ada"].executed["door_lock"] == 1


async def test_a_restart_in_an_outage_changes_no_lock(
    hass: HomeAssistant,
    simulator: Simulator,
    account: MockConfigEntry,
    set_up: SetUp,
) -> None:
    before = state_of(hass, LOCK)
    assert before.state in {"locked", "unlocked"}
    simulator.set("eu.api", "503 upstream connect error")
    changes = async_capture_events(hass, EVENT_STATE_CHANGED)
    assert await hass.config_entries.async_reload(account.entry_id)
    await hass.async_block_till_done()
    assert shown(changes) == ["unavailable", before.state]
