"""Keycard's actions: status, history, dashboard, check and drill."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.const import DOMAIN
from custom_components.keycard.runtime.host_poller import CHECK_INTERVAL, CHECK_TIMEOUT
from tests.conftest import state_of
from tests.wait import wait_until

from .home import HomeUnderTest, assert_explained

DOWN = {"eu.api": "503 down", "eu.status": "503 down"}
UP = dict.fromkeys(DOWN, "ok")
ALL_DOWN = {
    f"{region}.{subsystem}": "refuse"
    for region in ("na", "eu", "cn")
    for subsystem in ("api", "status")
} | {"auth.token": "refuse", "auth.authorize": "refuse", "controls": "refuse"}


async def act(home: HomeUnderTest, action: str, **given: Any) -> dict[str, Any]:
    """Perform an action and return its response."""
    answer = await home.run_task(
        home.hass.services.async_call(
            DOMAIN, action, given, blocking=True, return_response=True
        )
    )
    assert answer is not None
    return dict(answer)


def device_id(home: HomeUnderTest, name: str) -> str:
    """Return the device id of a car."""
    (device,) = [
        device for device in dr.async_get(home.hass).devices if device.name == name
    ]
    return device.id


async def refusal(
    home: HomeUnderTest, action: str, **given: Any
) -> ServiceValidationError:
    """Perform an action and return the translation key of its error."""
    with pytest.raises(ServiceValidationError) as caught:
        await act(home, action, **given)
    return caught.value


async def test_status_of_a_good_day(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(compatible_entry)
    assert await act(home, "get_status") == {
        "region": "eu",
        "drill": False,
        "status": "operational",
        "scope": "none",
        "planes": [],
        "elsewhere": [],
        "models": [],
        "missing": [],
        "since": None,
        "affected_cars": [],
        "cars": [
            {
                "name": name,
                "device_id": device_id(home, name),
                "connection": "cloud",
                "cloud": "cloud",
                "bluetooth": None,
                "key_to_take": "usual",
                "in_use": False,
                "cannot_wait": [],
            }
            for name in ("Ada", "Cy")
        ],
        "title": None,
        "text": None,
    }


async def test_status_in_an_outage(
    home: HomeUnderTest, watching_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(watching_entry)
    began = home.clock.now()
    home.simulator.apply(DOWN)
    await home.run(180)
    found = await act(home, "get_status", config_entry_id=entry.entry_id)
    assert (found["status"], found["scope"], found["planes"]) == (
        "outage",
        "region",
        ["status"],
    )
    assert abs(datetime.fromisoformat(found["since"]) - began) < timedelta(seconds=70)
    assert found["affected_cars"] == ["Ada", "Cy"]
    assert found["cars"] == [
        {
            "name": name,
            "device_id": device_id(home, name),
            "connection": None,
            "cloud": None,
            "bluetooth": None,
            "key_to_take": key,
            "in_use": None,
            "cannot_wait": [],
        }
        for name, key in (("Ada", "keycard"), ("Cy", "fob"))
    ]
    event = home.hass.states.get("event.tesla_cloud_outage_notice")
    assert event is not None
    assert (found["title"], found["text"]) == (
        event.attributes["title"],
        event.attributes["text"],
    )
    # A notice stays valid while nothing new is known, also after a restart.
    home.simulator.apply(ALL_DOWN)
    await home.run(300)
    await home.restart(entry)
    await home.run(300)
    now = await act(home, "get_status")
    assert now["status"] == "internet_down"
    assert (now["title"], now["text"], now["since"]) == (
        found["title"],
        found["text"],
        found["since"],
    )


async def test_urgent_conditions_expire_later_than_the_lock(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    """In an outage the last known state counts."""
    home.simulator.cars["Ada"].locked = False
    await home.set_up_operational(compatible_entry)
    home.simulator.apply(DOWN)
    await home.run(2400)
    assert state_of(home.hass, "lock.ada_lock").state == "unknown"
    cars = (await act(home, "get_status"))["cars"]
    assert [car["cannot_wait"] for car in cars] == [["unlocked"], []]


async def test_status_of_some_models_and_of_a_warning(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(compatible_entry)
    home.simulator.set("eu.api@models", "503 down")
    await home.run(300)
    found = await act(home, "get_status")
    assert (found["status"], found["models"], found["affected_cars"]) == (
        "degraded",
        ["models"],
        ["Cy"],
    )
    assert [(car["connection"], car["key_to_take"]) for car in found["cars"]] == [
        ("cloud", "usual"),
        ("maker_down", "fob"),
    ]
    assert "Model S" in found["text"]
    home.simulator.set("eu.api@models", "ok")
    home.simulator.apply({"na.api": "503 down", "na.status": "503 down"})
    await home.run(900)
    found = await act(home, "get_status")
    assert (found["status"], found["elsewhere"]) == ("operational", ["na"])
    assert "North America" in found["text"]


async def test_history(home: HomeUnderTest, watching_entry: MockConfigEntry) -> None:
    await home.set_up_operational(watching_entry)
    assert await act(home, "get_history") == {"outages": []}
    began = home.clock.now()
    home.simulator.apply(DOWN)
    await home.run(600)
    (outage,) = (await act(home, "get_history"))["outages"]
    assert (outage["status"], outage["scope"], outage["end"]) == (
        "outage",
        "region",
        None,
    )
    # Its duration ends when the hosts were last probed.
    assert 460 < outage["duration"] <= 600
    home.simulator.apply(UP)
    await home.run(600)
    ended = home.clock.now()
    await home.run(3600)
    (outage,) = (await act(home, "get_history"))["outages"]
    start, end = (datetime.fromisoformat(outage[key]) for key in ("start", "end"))
    assert began < start < end < ended
    assert outage["duration"] == round((end - start).total_seconds())
    minute = timedelta(minutes=1)
    for given, expected in (
        ({"start_time": start - minute, "end_time": start}, 0),
        ({"start_time": start - minute, "end_time": start + minute}, 1),
        ({"start_time": start + minute, "end_time": end - minute}, 1),
        ({"start_time": end - minute}, 1),
        ({"start_time": end + minute}, 0),
        ({"end_time": start - minute}, 0),
        ({"end_time": end + timedelta(days=31)}, 0),
        # A time without a zone is local time.
        ({"start_time": dt_util.as_local(end - minute).replace(tzinfo=None)}, 1),
        ({"start_time": dt_util.as_local(end + minute).replace(tzinfo=None)}, 0),
    ):
        outages = (await act(home, "get_history", **given))["outages"]
        assert len(outages) == expected, given


async def test_a_clock_that_is_set_makes_no_outage_longer(
    home: HomeUnderTest, watching_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(watching_entry)
    home.simulator.apply(DOWN)
    await home.run(300)
    for hours in (5, -10):
        home.clock.shift_wall_clock(hours * 3600)
        await home.run(120)
        start = home.clock.now() - timedelta(days=1)
        (outage,) = (await act(home, "get_history", start_time=start))["outages"]
        assert outage["duration"] < 600
    home.clock.shift_wall_clock(5 * 3600)


async def test_history_omits_outages_of_other_regions(
    home: HomeUnderTest, watching_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(watching_entry)
    other = MockConfigEntry(
        domain=DOMAIN,
        unique_id="watch_na",
        data={"provider": "watch_only", "region": "na"},
        options=entry.options,
    )
    await home.set_up_operational(other)
    home.simulator.apply(DOWN)
    await home.run(300)
    for one, expected in ((entry, 1), (other, 0)):
        found = await act(home, "get_history", config_entry_id=one.entry_id)
        assert len(found["outages"]) == expected


async def test_bad_arguments(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    compatible_entry: MockConfigEntry,
) -> None:
    entry = await home.set_up_operational(watching_entry)
    now = home.clock.now()
    error = await refusal(
        home, "get_history", start_time=now, end_time=now - timedelta(hours=1)
    )
    assert error.translation_key == "history_ends_first"
    assert_explained(error)
    for action in ("get_status", "get_history", "check_now"):
        error = await refusal(home, action, config_entry_id="nobody")
        assert error.translation_key == "service_config_entry_not_found"
    await home.set_up_operational(compatible_entry)
    error = await refusal(home, "get_status")
    assert error.translation_key == "service_found_multiple_config_entry_for_domain"
    assert (await act(home, "get_status", config_entry_id=entry.entry_id))["cars"]
    assert await home.hass.config_entries.async_unload(compatible_entry.entry_id)
    error = await refusal(home, "get_status", config_entry_id=compatible_entry.entry_id)
    assert error.translation_key == "service_config_entry_not_loaded"


async def test_check_now_on_a_good_day(
    home: HomeUnderTest, watching_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(watching_entry)
    before = home.simulator.usage.by_status.total()
    began = home.clock.monotonic()
    found = await act(home, "check_now")
    assert found["status"] == "operational"
    assert home.clock.monotonic() - began < 5
    # Three regions, two sign-in hosts, two control hosts.
    assert home.simulator.usage.by_status.total() - before == 7


async def test_check_now_is_not_to_be_abused(
    home: HomeUnderTest, watching_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(watching_entry)
    await act(home, "check_now")
    before = home.simulator.usage.by_status.total()
    for _ in range(50):
        error = await refusal(home, "check_now")
        assert error.translation_key == "checked_just_now"
        assert_explained(error)
    assert home.simulator.usage.by_status.total() == before
    await home.run(CHECK_INTERVAL)
    await act(home, "check_now")


async def test_check_now_waits_until_a_suspicion_is_settled(
    home: HomeUnderTest, watching_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(watching_entry)
    home.simulator.apply(DOWN)
    began = home.clock.monotonic()
    found = await act(home, "check_now")
    assert found["status"] == "outage"
    assert home.clock.monotonic() - began < 35


@pytest.mark.parametrize("condition", ["timeout", "refuse"])
async def test_check_now_ends_without_answers(
    home: HomeUnderTest, watching_entry: MockConfigEntry, condition: str
) -> None:
    await home.set_up_operational(watching_entry)
    home.simulator.apply(dict.fromkeys(ALL_DOWN, condition))
    began = home.clock.monotonic()
    found = await act(home, "check_now")
    assert home.clock.monotonic() - began <= CHECK_TIMEOUT + 1
    assert found["status"] in {"internet_down", "undetermined"}


async def test_an_entry_that_is_unloaded_keeps_no_check_waiting_for_ever(
    home: HomeUnderTest, watching_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(watching_entry)
    home.simulator.apply(dict.fromkeys(DOWN, "timeout"))
    check = asyncio.create_task(
        home.hass.services.async_call(DOMAIN, "check_now", {}, blocking=True)
    )
    # The check is in progress while hosts that do not answer are probed.
    await wait_until(lambda: home.simulator.held > 0)
    await home.restart(entry)
    await home.time_control.run_task(check, CHECK_TIMEOUT + 1)


async def test_check_now_need_not_answer(
    home: HomeUnderTest, watching_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(watching_entry)
    await home.run_task(
        home.hass.services.async_call(DOMAIN, "check_now", {}, blocking=True)
    )


async def test_a_user_may_ask_for_any_entity(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(compatible_entry)
    assert await async_setup_component(home.hass, "homeassistant", {})
    calls = home.simulator.usage
    hosts, data = calls.count("status"), calls.count("vehicle_data")
    await home.run_task(
        home.hass.services.async_call(
            "homeassistant",
            "update_entity",
            {"entity_id": list(home.states())},
            blocking=True,
        )
    )
    await home.run(30)
    # Each host and each online car is asked once for all entities.
    assert calls.count("status") > hosts
    assert calls.count("vehicle_data") == data + 2
