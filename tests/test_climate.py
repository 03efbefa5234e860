"""Climate entities: states and commands."""

from dataclasses import replace
from typing import Any

import pytest

from homeassistant.components.climate import HVACAction
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.climate import get_hvac_action, get_preset_mode
from custom_components.keycard.vehicle.commands import Command, CommandCall
from custom_components.keycard.vehicle.state import VehicleState
from simulator import Simulator

from .conftest import car_of, show_state, state_of

CLIMATE = "climate.ada_climate"


async def send(hass: HomeAssistant, action: str, **data: Any) -> None:
    await hass.services.async_call(
        "climate", action, {"entity_id": CLIMATE, **data}, blocking=True
    )


def state(**known: Any) -> VehicleState:
    return VehicleState(vin="LRW3F7EK4NC700000", **known)


def running(**known: Any) -> VehicleState:
    return state(climate_on=True, fan_status=3, **known)


@pytest.mark.parametrize(
    ("car", "action"),
    [
        (state(), None),
        (state(climate_on=False, fan_status=3), HVACAction.OFF),
        (state(climate_on=True, preconditioning=True), HVACAction.DEFROSTING),
        (state(climate_on=True, fan_status=0), HVACAction.IDLE),
        (running(inside_temp=15.0, target_temp=21.0), HVACAction.HEATING),
        (running(inside_temp=29.0, target_temp=21.0), HVACAction.COOLING),
        (running(inside_temp=20.7, target_temp=21.0), HVACAction.FAN),
        (running(inside_temp=20.7), None),
    ],
)
def test_action(car: VehicleState, action: HVACAction | None) -> None:
    assert get_hvac_action(car) is action


@pytest.mark.parametrize(
    ("car", "preset"),
    [
        (state(), None),
        (state(keeper_mode="off"), "none"),
        (state(keeper_mode="dog"), "dog"),
        (state(keeper_mode="off", preconditioning=True), "defrost"),
    ],
)
def test_preset(car: VehicleState, preset: str | None) -> None:
    assert get_preset_mode(car) == preset


async def test_shown(hass: HomeAssistant, account: MockConfigEntry) -> None:
    car = car_of(account, "Ada")
    show_state(
        car,
        climate_on=True,
        inside_temp=18.0,
        target_temp=21.5,
        min_temp=15.0,
        max_temp=28.0,
        fan_status=4,
        keeper_mode="camp",
        preconditioning=False,
    )
    climate = state_of(hass, CLIMATE)
    assert climate.state == "heat_cool"
    assert climate.attributes["current_temperature"] == 18.0
    assert climate.attributes["temperature"] == 21.5
    assert climate.attributes["min_temp"] == 15.0
    assert climate.attributes["max_temp"] == 28.0
    assert climate.attributes["hvac_action"] == "heating"
    assert climate.attributes["preset_mode"] == "camp"
    assert climate.attributes["preset_modes"] == [
        "none",
        "keep",
        "dog",
        "camp",
        "defrost",
    ]
    show_state(car, climate_on=False, min_temp=None, max_temp=None)
    climate = state_of(hass, CLIMATE)
    assert climate.state == "off"
    assert climate.attributes["min_temp"] == 15.0
    assert climate.attributes["max_temp"] == 28.0

    car.async_set_updated_data(replace(car.data, is_current=False))
    climate = state_of(hass, CLIMATE)
    assert climate.state == "unknown"
    assert climate.attributes["current_temperature"] is None
    assert climate.attributes["preset_mode"] is None


async def test_on_and_off(
    hass: HomeAssistant, simulator: Simulator, account: MockConfigEntry
) -> None:
    executed = simulator.cars["Ada"].executed
    await send(hass, "turn_on")
    assert executed["auto_conditioning_start"] == 1
    assert state_of(hass, CLIMATE).state == "heat_cool"
    await send(hass, "turn_off")
    assert executed["auto_conditioning_stop"] == 1
    assert state_of(hass, CLIMATE).state == "off"
    await send(hass, "set_hvac_mode", hvac_mode="heat_cool")
    assert executed["auto_conditioning_start"] == 2
    await send(hass, "set_hvac_mode", hvac_mode="off")
    assert executed["auto_conditioning_stop"] == 2


async def test_temperature(
    hass: HomeAssistant, simulator: Simulator, account: MockConfigEntry
) -> None:
    executed = simulator.cars["Ada"].executed
    await send(hass, "set_temperature", temperature=23.5)
    assert executed["set_temps"] == 1
    assert state_of(hass, CLIMATE).attributes["temperature"] == 23.5
    await send(hass, "set_temperature", temperature=20, hvac_mode="heat_cool")
    assert executed["set_temps"] == 2
    assert executed["auto_conditioning_start"] == 1


async def test_presets(hass: HomeAssistant, account: MockConfigEntry) -> None:
    """Each preset only sends the necessary commands."""
    car = car_of(account, "Ada")
    sent: list[tuple[Command, dict[str, object]]] = []

    async def note(*calls: CommandCall) -> None:
        sent.extend((call.command, dict(call.params)) for call in calls)

    car.async_execute = note  # type: ignore[method-assign] # watched, not sent
    show_state(car, climate_on=True, keeper_mode="off", preconditioning=False)
    await send(hass, "set_preset_mode", preset_mode="dog")
    await send(hass, "set_preset_mode", preset_mode="none")
    await send(hass, "set_preset_mode", preset_mode="defrost")
    show_state(car, preconditioning=True)
    await send(hass, "set_preset_mode", preset_mode="none")
    await send(hass, "set_preset_mode", preset_mode="camp")
    assert sent == [
        (Command.KEEPER, {"mode": "dog"}),
        (Command.KEEPER, {"mode": "off"}),
        (Command.PRECONDITION_MAX, {"on": True}),
        (Command.PRECONDITION_MAX, {"on": False}),
        (Command.PRECONDITION_MAX, {"on": False}),
        (Command.KEEPER, {"mode": "camp"}),
    ]


async def test_presets_reach_the_car(
    hass: HomeAssistant, simulator: Simulator, account: MockConfigEntry
) -> None:
    executed = simulator.cars["Ada"].executed
    for preset in ("keep", "defrost", "none"):
        await send(hass, "set_preset_mode", preset_mode=preset)
        assert state_of(hass, CLIMATE).attributes["preset_mode"] in {preset, "keep"}
    assert executed["set_climate_keeper_mode"] == 1
    assert executed["set_preconditioning_max"] == 2
