"""*Connection* shows the reason of an error while it lasts."""

import pytest

from homeassistant.const import EVENT_STATE_CHANGED
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from .home import (
    HomeUnderTest,
    assert_available,
    assert_explained,
    assert_no_errors,
    states_of,
)

ADA = "sensor.ada_connection"
CY = "sensor.cy_connection"

ALL = {
    f"{region}.{subsystem}": "refuse"
    for region in ("na", "eu", "cn")
    for subsystem in ("api", "status")
} | {"auth.token": "refuse", "auth.authorize": "refuse", "controls": "refuse"}


@pytest.mark.parametrize(
    ("conditions", "shown", "others"),
    [
        ({"car.Ada": "asleep"}, "asleep", "cloud"),
        ({"car.Ada": "offline"}, "offline", "cloud"),
        ({"eu.api": "503 down", "eu.status": "503 down"}, "maker_down", "maker_down"),
        ({"eu.api@models": "503 down"}, "cloud", "maker_down"),
        (ALL, "internet_down", "internet_down"),
        ({"eu.api": '412 {"error":"must be registered"}'}, "account", "account"),
    ],
)
async def test_reason(
    home: HomeUnderTest,
    *,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    conditions: dict[str, str],
    shown: str,
    others: str,
) -> None:
    await home.set_up_operational(compatible_entry)
    assert home.states()[ADA] == home.states()[CY] == "cloud"
    home.simulator.apply(conditions)
    await home.until(
        lambda: (home.states()[ADA], home.states()[CY]) == (shown, others),
        within=300,
    )
    assert_available(home)

    home.simulator.apply(dict.fromkeys(conditions, "ok") | {"car.Ada": "online"})
    await home.until(
        lambda: home.states()[ADA] == home.states()[CY] == "cloud", within=1800
    )
    assert_no_errors(caplog)


async def test_in_service(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await home.set_up_operational(compatible_entry)
    home.simulator.cars["Ada"].in_service = True
    await home.until(lambda: home.states()[ADA] == "in_service", within=120)
    assert home.states()[CY] == "cloud"
    home.simulator.cars["Ada"].in_service = False
    await home.until(lambda: home.states()[ADA] == "cloud", within=120)
    assert_no_errors(caplog)


async def test_power_low(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    home.simulator.cars["Ada"].battery_level = 3.0
    await home.set_up_operational(compatible_entry)
    assert home.states()[ADA] == "cloud"
    home.simulator.set("car.Ada", "offline")
    await home.until(lambda: home.states()[ADA] == "power_low", within=120)
    assert_no_errors(caplog)


async def test_mobile_access_that_is_off_in_the_list_of_a_car_that_sleeps(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(compatible_entry)
    home.simulator.set("car.Ada", "asleep")
    home.simulator.set_mobile_access(False)
    await home.until(lambda: home.states()[ADA] == "mobile_access_off", 700)
    state = home.hass.states.get(ADA)
    assert state is not None
    assert state.attributes["reachable"] is False
    before = home.clock.monotonic()
    error = await home.perform("unlock")
    assert error is not None
    assert error.translation_key == "mobile_access_disabled"
    assert_explained(error)
    assert home.clock.monotonic() - before < 1
    assert home.simulator.usage.count("wake_up") == 0
    home.simulator.set_mobile_access(True)
    await home.until(lambda: home.states()[ADA] == "asleep", 700)
    assert await home.perform("unlock") is None


async def test_mobile_access_is_off_until_data_come(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await home.set_up_operational(compatible_entry)
    home.simulator.set("car.Ada", '401 {"error":"mobile_access_disabled"}')
    error = await home.perform("unlock")
    assert error is not None
    assert error.translation_key == "mobile_access_disabled"
    assert home.states()[ADA] == "mobile_access_off"
    assert home.states()[CY] == "cloud"
    await home.run(300)
    assert home.states()[ADA] == "mobile_access_off"
    assert home.states()[CY] == "cloud"
    home.simulator.set("car.Ada", "ok")
    await home.until(lambda: home.states()[ADA] == "cloud", within=1300)
    assert_no_errors(caplog)


@pytest.mark.parametrize("failing", ["reset", "refuse", "timeout"])
async def test_the_return_of_the_internet_is_no_outage(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, failing: str
) -> None:
    await home.set_up_operational(compatible_entry)
    changes = async_capture_events(home.hass, EVENT_STATE_CHANGED)
    subjects = ("all.api", "all.status", "auth.token", "auth.authorize", "controls")
    home.simulator.apply(dict.fromkeys(subjects, failing))
    await home.run(300)
    home.simulator.apply(dict.fromkeys(subjects, "ok"))
    await home.run(400)
    shown = states_of(changes, "sensor.tesla_cloud_status")
    assert "outage" not in shown
    assert shown[0] == "internet_down"
    assert shown[-1] == "operational"
