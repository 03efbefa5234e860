"""Invariants "at most once", "commands always reachable", "no unproven state"."""

import asyncio

import pytest

from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from custom_components.keycard.vehicle.commands import Command, command_call

from .home import (
    LOCK,
    HomeUnderTest,
    assert_available,
    assert_explained,
    assert_no_errors,
    states_of,
    status_of,
)

CLIMATE = "climate.ada_climate"
WAKE = "button.ada_wake"


@pytest.mark.parametrize("cut", ["reset", "garbage"])
async def test_the_true_state_is_shown_soon_after_an_unknown_outcome(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, cut: str
) -> None:
    await home.set_up_operational(compatible_entry)
    calls = home.simulator.usage
    before = calls.count("vehicle_data")
    home.simulator.set("eu.commands", cut)
    error = await home.perform("unlock")
    assert error is not None
    assert error.translation_key == "command_unconfirmed"
    assert_explained(error)
    # Nothing says that it is still locked.
    assert home.states()[LOCK] == "unknown"
    assert home.simulator.cars["Ada"].executed["door_unlock"] == 1
    took = await home.until(lambda: home.states()[LOCK] == "unlocked", 10)
    assert took < 5
    # Once, and then at the regular interval again.
    await home.run(300)
    assert calls.count("vehicle_data") == before + 1
    assert home.simulator.cars["Ada"].executed["door_unlock"] == 1


@pytest.mark.parametrize("late", [45, 300])
async def test_a_command_that_the_cloud_delivers_late_is_seen(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, late: int
) -> None:
    await home.set_up_operational(compatible_entry)
    car, calls = home.simulator.cars["Ada"], home.simulator.usage
    home.simulator.set("eu.commands", f"late:{late}")
    error = await home.perform("unlock")
    assert error is not None
    assert error.translation_key == "command_unconfirmed"
    # Nothing was executed yet.
    assert await home.until(lambda: home.states()[LOCK] == "locked", 10) < 5
    read = calls.count("vehicle_data")
    await home.until(lambda: not car.locked, late + 10)
    assert await home.until(lambda: home.states()[LOCK] == "unlocked", 90) < 60
    await home.run(400)
    assert calls.count("vehicle_data") == read + (1 if late == 45 else 2)
    assert car.executed["door_unlock"] == 1


async def test_a_sleeping_car_is_woken_and_gets_the_command_once(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await home.set_up_operational(compatible_entry)
    home.simulator.set("car.Ada", "asleep")
    await home.run(120)
    car = home.simulator.cars["Ada"]
    data = home.simulator.usage.count("vehicle_data")
    assert await home.perform("unlock") is None
    assert car.executed["wake_up"] == 1
    assert car.executed["door_unlock"] == 1
    assert home.states()[LOCK] == "unlocked"
    # It is online now: its data are polled when due.
    await home.run(30)
    assert home.states()["binary_sensor.ada_online"] == "on"
    assert home.simulator.usage.count("vehicle_data") <= data + 1
    assert_no_errors(caplog)


async def test_a_car_that_fell_asleep_unnoticed_gets_the_command_once(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(compatible_entry)
    home.simulator.set("car.Ada", "asleep")
    car = home.simulator.cars["Ada"]
    assert await home.perform("unlock") is None
    assert car.executed["wake_up"] == 1
    assert car.executed["door_unlock"] == 1


async def test_a_car_without_a_connection_does_not_wake(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(compatible_entry)
    home.simulator.set("car.Ada", "offline")
    await home.run(120)
    for entity_id, action in ((LOCK, "unlock"), (WAKE, "press")):
        error = await home.perform(action, entity_id)
        assert error is not None
        assert error.translation_key == "car_asleep"
        assert_explained(error)
    assert home.simulator.cars["Ada"].executed["door_unlock"] == 0
    assert home.states()[LOCK] == "locked"


async def test_waking(home: HomeUnderTest, compatible_entry: MockConfigEntry) -> None:
    await home.set_up_operational(compatible_entry)
    car = home.simulator.cars["Ada"]
    assert await home.perform("press", WAKE) is None
    assert car.executed["wake_up"] == 1
    home.simulator.set("car.Ada", "asleep")
    await home.run(120)
    assert home.states()["binary_sensor.ada_online"] == "off"
    assert await home.perform("press", WAKE) is None
    assert car.executed["wake_up"] == 2
    assert home.states()["binary_sensor.ada_online"] == "on"
    home.simulator.set("eu.commands", "503 down")
    home.simulator.set("car.Ada", "asleep")
    await home.run(120)
    error = await home.perform("press", WAKE)
    assert error is not None
    assert error.translation_key == "cloud_fails"


async def test_a_car_that_refuses_says_why(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(compatible_entry)
    home.simulator.set(
        "eu.commands", '200 {"response":{"result":false,"reason":"doors {open}"}}'
    )
    error = await home.perform("lock")
    assert error is not None
    assert error.translation_key == "command_failed"
    assert "doors {open}" in str(error)
    assert_explained(error)
    home.simulator.set("eu.commands", '200 {"response":{"result":false,"reason":null}}')
    error = await home.perform("lock")
    assert error is not None
    assert_explained(error)


async def test_commands_that_fail_alone_are_a_failure_of_their_subsystem(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.set("eu.commands", '503 {"error":"vehicle is not available"}')
    for _ in range(2):
        error = await home.perform("unlock")
        assert error is not None
        assert error.translation_key == "cloud_fails"
    assert status_of(entry) == "degraded"
    assert home.states()["sensor.ada_key_to_take"] == "keycard"
    assert home.states()["sensor.cy_key_to_take"] == "usual"
    home.simulator.set("eu.commands", "ok")
    assert await home.perform("unlock") is None
    assert status_of(entry) == "operational"
    assert home.states()["sensor.ada_key_to_take"] == "usual"


async def test_of_two_taps_at_once_the_last_one_holds(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(compatible_entry)
    changes = async_capture_events(home.hass, EVENT_STATE_CHANGED)
    first, last = await home.run_task(both(home))
    assert isinstance(first, HomeAssistantError)
    assert first.translation_key == "command_replaced"
    assert_explained(first)
    assert last is None
    car = home.simulator.cars["Ada"]
    assert (car.executed["door_lock"], car.executed["door_unlock"]) == (1, 0)
    assert states_of(changes, LOCK)[-1] == "locked"


async def both(home: HomeUnderTest) -> list[object]:
    """Unlock and lock at the same time."""
    return list(
        await asyncio.gather(
            *(
                home.hass.services.async_call(
                    "lock", action, {"entity_id": LOCK}, blocking=True
                )
                for action in ("unlock", "lock")
            ),
            return_exceptions=True,
        )
    )


CLIMATE_COMMANDS: tuple[tuple[str, dict[str, object], str], ...] = (
    ("set_temperature", {"temperature": 23.5}, "set_temps"),
    ("turn_on", {}, "auto_conditioning_start"),
    ("turn_off", {}, "auto_conditioning_stop"),
    ("set_preset_mode", {"preset_mode": "dog"}, "set_climate_keeper_mode"),
    ("set_preset_mode", {"preset_mode": "defrost"}, "set_preconditioning_max"),
)


async def test_command_entities_are_available_in_an_outage_and_raise(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    executed = home.simulator.cars["Ada"].executed
    home.simulator.apply({"eu.api": "503 down", "eu.status": "503 down"})
    await home.run(3600)
    assert status_of(entry) == "outage"
    assert home.states()[CLIMATE] == "unknown"
    assert_available(home)
    for action, data, command in CLIMATE_COMMANDS:
        error = await home.perform(action, CLIMATE, **data)
        assert error is not None, command
        assert_explained(error)
        assert executed[command] == 0, command
    home.simulator.apply({"eu.api": "ok", "eu.status": "ok"})
    await home.run(300)
    for action, data, command in CLIMATE_COMMANDS:
        before = executed.copy()
        assert await home.perform(action, CLIMATE, **data) is None, command
        assert executed - before == {command: 1}


async def test_invalid_values_are_not_sent(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    (car, *_) = entry.runtime_data.vehicles.values()
    with pytest.raises(HomeAssistantError) as error:
        await car.async_execute(
            command_call(Command.SET_TEMPS, driver_temp="warm", passenger_temp=20.0)
        )
    assert_explained(error.value)
    assert home.simulator.usage.count("set_temps") == 0
    assert status_of(entry) == "operational"


async def test_a_car_that_is_only_watched_takes_no_commands(
    home: HomeUnderTest, watching_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(watching_entry)
    (car, *_) = entry.runtime_data.vehicles.values()
    assert not car.commandable
    with pytest.raises(RuntimeError):
        await car.async_execute(command_call(Command.LOCK))
    assert home.simulator.usage.count("door_lock") == 0
