"""Commands with special requirements: low currents, and a user nearby."""

from collections.abc import Iterator
import json

import pytest

from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from simulator import Simulator
from simulator.vehicle.car import Car
from tests.vehicle.recorded import recorded_message

from .home import HomeUnderTest, assert_explained

AMPS = "number.ada_charge_current"
WINDOWS = "cover.cy_windows"
HOMELINK = "button.cy_homelink"

pytestmark = pytest.mark.usefixtures("every_entity")


# Currents below 5 A


@pytest.fixture
def ada(simulator: Simulator) -> Car:
    """Return a car that charges with 16 A."""
    car = simulator.cars["Ada"]
    car.battery_level = 40.0
    car.plug()
    return car


async def test_a_low_current_is_shown_once_active(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, ada: Car
) -> None:
    await home.set_up_operational(compatible_entry)
    assert home.states()[AMPS] == "16"
    [sent] = recorded_message("amps-below-five")["sent"]
    assert sent == {"charging_amps": 3}
    assert await home.perform("set_value", AMPS, value=sent["charging_amps"]) is None
    assert (ada.charge_amps, ada.charging_current) == (5, 3)
    assert ada.executed["set_charging_amps"] == 2
    assert home.states()[AMPS] == "3"
    # The car's setting shows 5 A all the time.
    await home.run(1800)
    assert home.states()[AMPS] == "3"
    # A new charge starts with the setting.
    ada.unplug()
    await home.run(1800)
    ada.plug()
    await home.run(1800)
    assert ada.charging_current == 5
    assert home.states()[AMPS] == "5"


async def test_a_low_current_that_does_not_flow_is_not_claimed(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    ada: Car,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await home.set_up_operational(compatible_entry)
    # The car accepts the command and ignores it.
    monkeypatch.setattr(ada, "set_amps", lambda _: None)
    began = home.clock.monotonic()
    error = await home.perform("set_value", AMPS, value=3)
    assert error is not None
    assert error.translation_key == "current_unconfirmed"
    assert_explained(error)
    assert home.clock.monotonic() - began <= 65
    await home.run(60)
    assert home.states()[AMPS] == "16"


@pytest.mark.parametrize(("amps", "charges"), [(8, True), (3, False)])
async def test_any_other_current_is_sent_once(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    ada: Car,
    *,
    amps: int,
    charges: bool,
) -> None:
    if not charges:
        ada.unplug()
    await home.set_up_operational(compatible_entry)
    assert await home.perform("set_value", AMPS, value=amps) is None
    assert ada.executed["set_charging_amps"] == 1
    assert home.states()[AMPS] == str(amps)


# User nearby


@pytest.fixture
def cy(hass: HomeAssistant, simulator: Simulator) -> Iterator[Car]:
    """Return a car with unsigned commands in the home zone, with open windows."""
    car = simulator.cars["Cy"]
    car.windows = dict.fromkeys(car.windows, 1)
    config = hass.config
    before = config.latitude, config.longitude
    config.latitude, config.longitude = car.home_position
    yield car
    config.latitude, config.longitude = before


async def test_windows_close_at_home(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, cy: Car
) -> None:
    await home.set_up_operational(compatible_entry)
    # Its known location is old: it is requested.
    await home.run(600)
    assert await home.perform("close_cover", WINDOWS) is None
    assert set(cy.windows.values()) == {0}
    assert await home.perform("press", HOMELINK) is None


async def test_windows_of_a_car_that_sleeps(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, cy: Car
) -> None:
    await home.set_up_operational(compatible_entry)
    home.simulator.set("car.Cy", "asleep")
    await home.run(300)
    assert await home.perform("close_cover", WINDOWS) is None
    assert set(cy.windows.values()) == {0}


@pytest.mark.parametrize("allowed", [False, True])
async def test_windows_close_elsewhere_only_if_that_is_allowed(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, cy: Car, *, allowed: bool
) -> None:
    compatible_entry.add_to_hass(home.hass)
    if allowed:
        home.hass.config_entries.async_update_entry(
            compatible_entry,
            options={**compatible_entry.options, "location_away": True},
        )
    cy.latitude, cy.longitude = cy.work_position
    await home.set_up_operational(compatible_entry)
    # It has driven off since the last poll.
    error = await home.perform("close_cover", WINDOWS)
    if allowed:
        assert error is None
        assert set(cy.windows.values()) == {0}
        return
    assert error is not None
    assert error.translation_key == "not_at_home"
    assert_explained(error)
    assert set(cy.windows.values()) == {1}
    assert home.simulator.usage.count("window_control") == 0
    # Venting needs nobody nearby, nor does a newer car.
    assert await home.perform("open_cover", WINDOWS) is None
    ada = home.simulator.cars["Ada"]
    ada.windows = dict.fromkeys(ada.windows, 1)
    ada.latitude, ada.longitude = ada.work_position
    assert await home.perform("close_cover", "cover.ada_windows") is None


async def test_windows_of_a_car_that_finds_its_user_too_far_away(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, cy: Car
) -> None:
    await home.set_up_operational(compatible_entry)
    answer = recorded_message("close-windows-old-s-x")["car"]
    home.simulator.set("eu.commands", f"200 {json.dumps(answer)}")
    error = await home.perform("close_cover", WINDOWS)
    assert error is not None
    assert error.translation_key == "command_failed"
    assert error.translation_placeholders is not None
    assert error.translation_placeholders["reason"] == answer["response"]["reason"]
    assert home.states()[WINDOWS] == "open"


async def test_windows_of_a_car_with_an_unknown_location(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, cy: Car
) -> None:
    await home.set_up_operational(compatible_entry)
    await home.run(600)
    home.simulator.set("eu.data", "503 down")
    error = await home.perform("close_cover", WINDOWS)
    assert error is not None
    assert error.translation_key == "place_not_known"
    assert home.simulator.usage.count("window_control") == 0
