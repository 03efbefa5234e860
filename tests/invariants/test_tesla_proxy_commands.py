"""Every command through Tesla's own proxy, signed end to end."""

from collections.abc import Iterator
from dataclasses import replace
from unittest.mock import patch

import pytest
from pytest import Subtests  # noqa: PT013 - the fixture's type has no other home

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.vehicle.state import ConnectivityState
from simulator import Simulator
from simulator.cloud.services.tesla_proxy import _COMMANDS, CommandRunner
from simulator.http.server import json_reply
from tests.command_table import CASES, Case, act, named, shown
from tests.config_entries import tesla_proxy_entry
from tests.conftest import SetUp, assessment_status, car_of, state_of, until

from .home import HomeUnderTest
from .test_every_command import ExpectedResult, ResettableVehicles

pytestmark = pytest.mark.usefixtures("every_entity", "everything_fitted", "quick")

# Commands that the proxy does not know or that need a PIN.
REFUSED = {
    "cover.cy_sun_roof open_cover": "server_lacks_command",
    "cover.cy_sun_roof close_cover": "server_lacks_command",
    "switch.ada_automatic_steering_wheel_heater turn_on": "server_lacks_command",
    "switch.ada_automatic_steering_wheel_heater turn_off": "server_lacks_command",
    "select.ada_steering_wheel_heater select_option high": "server_lacks_command",
    "switch.ada_valet_mode turn_on": "server_wants_pin",
}


@pytest.fixture
def quick() -> Iterator[None]:
    """Read data and settle unconfirmed commands at once."""
    with (
        patch("custom_components.keycard.runtime.commands._CHECK_DELAYS", (0.0, 0.0)),
        patch("custom_components.keycard.runtime.vehicle_poller.SOON", 0.0),
    ):
        yield


@pytest.fixture
async def proxied(
    hass: HomeAssistant, simulator: Simulator, set_up: SetUp
) -> MockConfigEntry:
    """Set up the account with a proxy whose key the car knows."""
    simulator.set_signing("Ada", "required")
    simulator.pair("Ada", simulator.tesla_proxy.key)
    entry = tesla_proxy_entry(simulator)
    await set_up(entry)

    def known() -> bool:
        cars = entry.runtime_data.vehicles.values()
        return len(cars) == 2 and all(car.data.is_current for car in cars)

    await until(hass, known)
    await hass.async_block_till_done()
    return entry


def request_key(item: Case) -> str:
    option = item.data.get("option")
    words = [item.entity, item.action, *([option] if option else [])]
    return " ".join(words)


async def test_every_command(
    home: HomeUnderTest,
    *,
    proxied: MockConfigEntry,
    subtests: Subtests,
) -> None:
    # Older cars close windows and open a garage only for a user nearby.
    config = home.hass.config
    config.latitude, config.longitude = home.simulator.cars["Cy"].home_position
    resettable = ResettableVehicles(home=home, account=proxied)
    for item in CASES:
        with subtests.test(named(item)):
            await check(resettable, item)
    assert assessment_status(proxied) == "operational"


async def check(resettable: ResettableVehicles, item: Case) -> None:
    home = resettable.home
    hass = home.hass
    car = await resettable.put(item, ExpectedResult())
    before = shown(hass, item.entity, item.attribute)
    error = REFUSED.get(request_key(item))
    if error is None:
        await home.run_task(act(hass, item.entity, item.action, item.data))
        assert item.done(car) == item.result
        assert sum(car.executed.values()) == 1
    else:
        with pytest.raises(HomeAssistantError) as caught:
            await home.run_task(act(hass, item.entity, item.action, item.data))
        assert caught.value.translation_key == error
        assert not car.executed
    now = shown(hass, item.entity, item.attribute)
    assert now == (item.shown if error is None else before)
    await resettable.look(item.of)
    assert shown(hass, item.entity, item.attribute) == now


async def test_a_yes_that_the_data_do_not_show(
    hass: HomeAssistant, simulator: Simulator, proxied: MockConfigEntry
) -> None:
    simulator.cars["Ada"].climate_on = True
    yes = json_reply({"response": {"result": True, "reason": ""}})
    with (
        patch.object(simulator.tesla_proxy, "_command", return_value=yes),
        pytest.raises(HomeAssistantError) as caught,
    ):
        await act(
            hass,
            "select.ada_seat_cooler_front_left",
            "select_option",
            {"option": "low"},
        )
    assert caught.value.translation_key == "command_not_seen"
    assert state_of(hass, "select.ada_seat_cooler_front_left").state == "off"


@pytest.mark.parametrize("newer", [False, True])
async def test_a_key_that_the_car_does_not_know(
    hass: HomeAssistant, simulator: Simulator, proxied: MockConfigEntry, *, newer: bool
) -> None:
    simulator.tesla_proxy.uses_2026_status_codes = newer
    simulator.computers["Ada"].whitelist.remove(simulator.tesla_proxy.key)
    for _ in range(3):
        with pytest.raises(HomeAssistantError) as caught:
            await act(hass, "lock.ada_lock", "unlock", {})
        assert caught.value.translation_key == "server_key_not_paired"
    assert assessment_status(proxied) == "operational"
    assert state_of(hass, "lock.ada_lock").state == "locked"


@pytest.mark.parametrize(
    ("car", "entity", "action", "error"),
    [
        ("Ada", "switch.ada_valet_mode", "turn_on", "server_wants_pin"),
        ("Cy", "cover.cy_sun_roof", "open_cover", "server_lacks_command"),
    ],
)
async def test_commands_refused_by_the_proxy_wake_no_car(
    hass: HomeAssistant,
    simulator: Simulator,
    proxied: MockConfigEntry,
    *,
    car: str,
    entity: str,
    action: str,
    error: str,
) -> None:
    await sleeping(hass, simulator, proxied, car)
    with pytest.raises(HomeAssistantError) as caught:
        await act(hass, entity, action)
    assert caught.value.translation_key == error
    assert simulator.usage.count("wake_up") == 0
    assert not simulator.cars[car].executed


async def test_commands_supported_by_another_server_wake_the_car(
    hass: HomeAssistant, simulator: Simulator, proxied: MockConfigEntry
) -> None:
    ada = simulator.cars["Ada"]
    await sleeping(hass, simulator, proxied, "Ada")

    def take(_params: object) -> CommandRunner:
        return lambda vehicle: vehicle.set_valet_mode(on=True, password="")

    with (
        patch.dict(_COMMANDS, {"set_valet_mode": take}),
        patch("simulator.vehicle.car.WAKE_SECONDS", 0.05),
        patch("custom_components.keycard.transport.cloud._WAKE_POLL_INTERVAL", 0.06),
        patch(
            "custom_components.keycard.transport.cloud.is_tesla_proxy",
            return_value=False,
        ),
    ):
        await act(hass, "switch.ada_valet_mode", "turn_on")
    assert ada.executed == {"wake_up": 1, "set_valet_mode": 1}
    assert ada.valet_mode


async def sleeping(
    hass: HomeAssistant, simulator: Simulator, account: MockConfigEntry, name: str
) -> None:
    """Let a car fall asleep, and be known to sleep."""
    simulator.set(f"car.{name}", "asleep")
    known = car_of(account, name).vehicle
    assert known.state is not None
    known.state = replace(known.state, presence=ConnectivityState.ASLEEP)


async def test_possibly_executed_commands_are_not_reported_as_failed(
    hass: HomeAssistant, simulator: Simulator, proxied: MockConfigEntry
) -> None:
    simulator.inject_fault("Ada", "lost-done")
    with pytest.raises(HomeAssistantError) as caught:
        await act(hass, "lock.ada_lock", "unlock", {})
    assert caught.value.translation_key == "command_unconfirmed"
    await until(hass, lambda: state_of(hass, "lock.ada_lock").state == "unlocked")
    assert simulator.cars["Ada"].executed == {"door_unlock": 1}


async def test_commands_whose_effect_is_present_succeed(
    hass: HomeAssistant, simulator: Simulator, proxied: MockConfigEntry
) -> None:
    simulator.cars["Ada"].charge_limit = 85
    await act(hass, "number.ada_charge_limit", "set_value", {"value": 85})
    assert state_of(hass, "number.ada_charge_limit").state == "85"


async def test_refusals_of_the_proxy_are_not_attributed_to_tesla(
    hass: HomeAssistant, simulator: Simulator, proxied: MockConfigEntry
) -> None:
    await until(hass, lambda: assessment_status(proxied) == "operational")
    for _ in range(5):
        with pytest.raises(HomeAssistantError):
            await act(hass, "switch.ada_valet_mode", "turn_on")
        with pytest.raises(HomeAssistantError):
            await act(hass, "cover.cy_sun_roof", "open_cover")
        await hass.async_block_till_done()
    assert assessment_status(proxied) == "operational"
    assert state_of(hass, "sensor.ada_key_to_take").state == "usual"


@pytest.mark.parametrize("newer", [False, True])
async def test_a_car_that_fell_asleep_is_woken_once(
    hass: HomeAssistant, simulator: Simulator, proxied: MockConfigEntry, *, newer: bool
) -> None:
    simulator.tesla_proxy.uses_2026_status_codes = newer
    simulator.set("car.Ada", "asleep")
    with (
        patch("simulator.vehicle.car.WAKE_SECONDS", 0.05),
        patch("custom_components.keycard.transport.cloud._WAKE_POLL_INTERVAL", 0.06),
    ):
        await act(hass, "lock.ada_lock", "unlock", {})
    assert simulator.cars["Ada"].executed == {"wake_up": 1, "door_unlock": 1}
    assert state_of(hass, "lock.ada_lock").state == "unlocked"


async def test_an_unknown_server_is_checked_without_a_token(
    hass: HomeAssistant, simulator: Simulator, proxied: MockConfigEntry
) -> None:
    simulator.cars["Ada"].climate_on = True
    forwarded = simulator.usage.count("eu.products")
    asked_before = simulator.usage.by_status["tesla_proxy.products 403"]
    await act(
        hass,
        "select.ada_seat_cooler_front_left",
        "select_option",
        {"option": "low"},
    )
    assert simulator.usage.by_status["tesla_proxy.products 403"] == asked_before + 1
    assert simulator.usage.count("eu.products") == forwarded
