"""*Connection* shows the reason of an error while it lasts."""

import pytest

from pytest_homeassistant_custom_component.common import MockConfigEntry

from .story import Story, assert_available, assert_explained, assert_no_errors

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
    story: Story,
    *,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    conditions: dict[str, str],
    shown: str,
    others: str,
) -> None:
    await story.settled(compatible_entry)
    assert story.states()[ADA] == story.states()[CY] == "cloud"
    story.simulator.apply(conditions)
    await story.until(
        lambda: (story.states()[ADA], story.states()[CY]) == (shown, others),
        within=300,
    )
    assert_available(story)

    story.simulator.apply(dict.fromkeys(conditions, "ok") | {"car.Ada": "online"})
    await story.until(
        lambda: story.states()[ADA] == story.states()[CY] == "cloud", within=1800
    )
    assert_no_errors(caplog)


async def test_in_service(
    story: Story, compatible_entry: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    await story.settled(compatible_entry)
    story.simulator.cars["Ada"].in_service = True
    await story.until(lambda: story.states()[ADA] == "in_service", within=120)
    assert story.states()[CY] == "cloud"
    story.simulator.cars["Ada"].in_service = False
    await story.until(lambda: story.states()[ADA] == "cloud", within=120)
    assert_no_errors(caplog)


async def test_power_low(
    story: Story, compatible_entry: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    story.simulator.cars["Ada"].battery_level = 3.0
    await story.settled(compatible_entry)
    assert story.states()[ADA] == "cloud"
    story.simulator.set("car.Ada", "offline")
    await story.until(lambda: story.states()[ADA] == "power_low", within=120)
    assert_no_errors(caplog)


async def test_mobile_access_that_is_off_in_the_list_of_a_car_that_sleeps(
    story: Story, compatible_entry: MockConfigEntry
) -> None:
    await story.settled(compatible_entry)
    story.simulator.set("car.Ada", "asleep")
    story.simulator.set_mobile_access(False)
    await story.until(lambda: story.states()[ADA] == "mobile_access_off", 700)
    state = story.hass.states.get(ADA)
    assert state is not None
    assert state.attributes["reachable"] is False
    before = story.clock.monotonic()
    error = await story.act("unlock")
    assert error is not None
    assert error.translation_key == "mobile_access_disabled"
    assert_explained(error)
    assert story.clock.monotonic() - before < 1
    assert story.simulator.usage.count("wake_up") == 0
    story.simulator.set_mobile_access(True)
    await story.until(lambda: story.states()[ADA] == "asleep", 700)
    assert await story.act("unlock") is None


async def test_mobile_access_is_off_until_data_come(
    story: Story, compatible_entry: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    await story.settled(compatible_entry)
    story.simulator.set("car.Ada", '401 {"error":"mobile_access_disabled"}')
    error = await story.act("unlock")
    assert error is not None
    assert error.translation_key == "mobile_access_disabled"
    assert story.states()[ADA] == "mobile_access_off"
    assert story.states()[CY] == "cloud"
    await story.go(300)
    assert story.states()[ADA] == "mobile_access_off"
    assert story.states()[CY] == "cloud"
    story.simulator.set("car.Ada", "ok")
    await story.until(lambda: story.states()[ADA] == "cloud", within=1300)
    assert_no_errors(caplog)
