"""Invariant "bills are the user's": no call and no state write without a reason."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from homeassistant.const import EVENT_STATE_CHANGED, EVENT_STATE_REPORTED
from homeassistant.core import EventStateReportedData, callback
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from custom_components.keycard.auth.keys import async_get_signing_key
from custom_components.keycard.vehicle.poll_schedule import INTERVALS, Pace
from simulator.vehicle.schedule import Day
from tests.config_entries import PROVIDERS, fleet_entry, provider_entry

from .home import LOCK, HomeUnderTest, entity_ids, status_of

HOUR = 3600.0
COST = "sensor.tesla_cloud_estimated_cost_this_month"
CREDIT = "sensor.tesla_cloud_monthly_credit_used"


async def test_an_idle_car_that_is_online_is_polled_rarely_but_in_time(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    home.simulator.set("car.Cy", "asleep")
    await home.set_up_operational(compatible_entry)
    calls = home.simulator.usage
    for _ in range(4):
        before, billed = calls.count("vehicle_data"), calls.billed
        for _ in range(60):
            await home.run(60)
            assert home.states()[LOCK] == "locked"
        assert 2 <= calls.count("vehicle_data") - before <= 3
        assert calls.billed - billed == calls.count("vehicle_data") - before


async def test_a_car_that_sleeps_costs_nothing(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    home.simulator.apply({"car.Ada": "asleep", "car.Cy": "asleep"})
    await home.set_up(compatible_entry)
    await home.run(4 * HOUR)
    assert home.simulator.usage.billed == 0
    assert home.simulator.usage.count("wake_up") == 0
    assert status_of(compatible_entry) == "operational"


async def test_a_driving_car_is_polled_often_and_a_parked_one_once_more(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    home.simulator.apply({"car.Ada": "asleep", "car.Cy": "asleep"})
    await home.set_up_operational(with_options(compatible_entry, pace="fresher"))
    calls, ada = home.simulator.usage, home.simulator.cars["Ada"]
    assert calls.billed == 0
    ada.drive()
    await home.until(lambda: calls.count("vehicle_data") == 1, 65)
    for _ in range(6):
        before = calls.count("vehicle_data")
        await home.run(130)
        assert calls.count("vehicle_data") - before in {1, 2}
    await home.until(lambda: ada.speed is None, 300)
    await home.run(130)
    parked = calls.count("vehicle_data")
    assert 8 <= parked <= 10
    await home.run(1100)
    assert calls.count("vehicle_data") == parked + 1


async def test_the_pace_of_data_changes_while_a_car_drives(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    home.simulator.set("car.Cy", "asleep")
    entry = await home.set_up_operational(compatible_entry)
    calls, ada = home.simulator.usage, home.simulator.cars["Ada"]
    home.simulator.set("car.Ada", "asleep")
    await home.run(660)
    ada.navigates = False
    ada.drive()
    assert ada.route is not None
    ada.route = replace(ada.route, duration=2 * HOUR)
    assert await seconds_until_poll(home) < 65
    # It has just departed.
    assert 350 < await seconds_until_poll(home) < 400
    for _ in range(2):
        assert 530 < await seconds_until_poll(home) < 600
    requests = calls.count("products") + calls.count("vehicle")
    form = await home.hass.config_entries.options.async_init(entry.entry_id)
    form = await home.hass.config_entries.options.async_configure(
        form["flow_id"], {"next_step_id": "pace"}
    )
    await home.hass.config_entries.options.async_configure(
        form["flow_id"], {"pace": "fresher"}
    )
    # The minute's call of the state applies it; nothing is asked anew.
    await home.run(1)
    assert calls.count("products") + calls.count("vehicle") - requests <= 1
    assert await seconds_until_poll(home) < 130
    for _ in range(2):
        assert 115 < await seconds_until_poll(home) < 130


async def test_an_old_car_is_let_fall_asleep(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    home.simulator.set("car.Ada", "asleep")
    cy = home.simulator.cars["Cy"]
    assert cy.year < 2021
    await home.set_up_operational(compatible_entry)
    cy.set_schedule([Day()])
    cy.drive()
    await home.until(lambda: cy.speed is None, 1000)
    # It parks, is polled once more, and sleeps a quarter of an hour later.
    took = await home.until(lambda: cy.connectivity == "asleep", HOUR)
    assert took < 1500
    before = home.simulator.usage.billed
    await home.run(2 * HOUR)
    assert home.simulator.usage.billed == before
    assert home.simulator.usage.count("wake_up") == 0


async def test_a_command_is_looked_after_once(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(compatible_entry)
    calls = home.simulator.usage
    before = calls.count("vehicle_data")
    for action in ("unlock", "lock"):
        assert await home.perform(action) is None
    await home.run(95)
    assert calls.count("vehicle_data") == before + 1
    await home.run(600)
    assert calls.count("vehicle_data") == before + 1


async def test_billed_requests_are_counted_and_stored(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    home.simulator.set("car.Ada", "asleep")
    entry = await home.set_up_operational(compatible_entry)
    calls = home.simulator.usage
    assert await home.perform("unlock") is None
    # A status below 500 is billed.
    home.simulator.set("eu.commands", '403 {"error":"forbidden"}')
    assert await home.perform("lock") is not None
    home.simulator.set("eu.commands", "503 down")
    assert await home.perform("lock") is not None
    home.simulator.set("eu.commands", "ok")
    await home.run(120)
    counts = {
        "data": calls.count("vehicle_data"),
        "commands": 2,
        "wakes": calls.count("wake_up"),
    }
    assert calls.billed == sum(counts.values())
    assert counts["wakes"] == 1
    cost = counts["data"] / 500 + counts["commands"] / 1000 + counts["wakes"] / 50

    def check() -> None:
        state = home.hass.states.get(COST)
        assert state is not None
        assert float(state.state) == pytest.approx(cost)
        assert {name: state.attributes[name] for name in counts} == counts
        assert state.attributes["unit_of_measurement"] == "USD"
        assert state.attributes["state_class"] == "total"
        assert state.attributes["device_class"] == "monetary"
        month = dt_util.start_of_local_day().replace(day=1)
        assert state.attributes["last_reset"] == month.isoformat()
        assert state.attributes["free"] == 10
        assert state.attributes["budget"] is None
        assert state.attributes["pace"] == "usual"
        credit = home.hass.states.get(CREDIT)
        assert credit is not None
        assert float(credit.state) == pytest.approx(cost * 10)
        assert credit.attributes["unit_of_measurement"] == "%"

    check()
    await home.restart(entry)
    check()
    await home.run(130)
    assert calls.billed == sum(counts.values())
    check()


async def test_each_request_of_a_signed_command_is_counted(home: HomeUnderTest) -> None:
    home.simulator.set("car.Cy", "asleep")
    entry = await fleet_entry(home.hass, home.simulator)
    await home.set_up_operational(entry)
    key = await async_get_signing_key(home.hass)
    home.simulator.pair("Ada", key)
    home.simulator.set_signing("Ada", "required")
    await home.run(660)
    calls = home.simulator.usage
    assert await home.perform("unlock") is None
    assert home.simulator.cars["Ada"].executed["door_unlock"] == 1
    state = home.hass.states.get(COST)
    assert state is not None
    # A session is opened before the first one.
    assert state.attributes["commands"] == calls.count("signed_command") > 1
    assert calls.billed == state.attributes["commands"] + state.attributes["data"]
    assert state.attributes["billing"] == "by_call"


@pytest.mark.parametrize(
    ("answer", "pause"),
    [
        ('403 {"error":"account disabled: EXCEEDED_LIMIT"}', 900),
        ("429 slow down", 60),
    ],
)
async def test_a_refusal_pauses_the_calls_for_a_car_that_drives_too(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, answer: str, pause: float
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.cars["Ada"].drive()
    home.simulator.set("eu.api", answer)
    await home.until(lambda: status_of(entry) == "account_problem", 130)
    calls = home.simulator.usage
    before = calls.by_endpoint.copy()
    await home.run(pause - 10)
    requests = calls.by_endpoint - before
    # Calls in progress were sent before the refusal.
    assert sum(requests[f"eu.{name}"] for name in ("products", "vehicle")) <= 1
    assert requests["eu.vehicle_data"] == 0


OFFLINE = (
    '200 {"response":{"state":"offline","charge_state":null,"climate_state":null,'
    '"drive_state":null,"vehicle_state":null}}'
)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_car_with_data_that_report_it_offline_is_polled_rarely(
    home: HomeUnderTest, provider: str
) -> None:
    entry = await provider_entry(home.hass, home.simulator, provider)
    await home.set_up_operational(entry)
    home.simulator.set("car.Ada", "asleep")
    home.simulator.set("eu.data@models", OFFLINE)
    await home.run(1500)
    billed = home.simulator.usage.billed
    await home.run(HOUR)
    assert status_of(entry) == "operational"
    assert home.simulator.usage.billed - billed <= 6


@contextmanager
def wall_clock_at(home: HomeUnderTest, moment: datetime) -> Iterator[None]:
    """Return the wall clock time of the home."""
    ahead = (moment - dt_util.now()).total_seconds()
    home.clock.shift_wall_clock(ahead)
    try:
        yield
    finally:
        home.clock.shift_wall_clock(-ahead)


def with_options(entry: MockConfigEntry, **options: object) -> MockConfigEntry:
    """Return an entry with further options."""
    return MockConfigEntry(
        domain=entry.domain,
        title=entry.title,
        unique_id=entry.unique_id,
        data=entry.data,
        options={**entry.options, **options},
    )


async def test_a_month_begins_with_nothing_spent(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    month = dt_util.now().replace(day=1) + timedelta(days=32)
    turn = dt_util.start_of_local_day(month.replace(day=1))
    calls = home.simulator.usage
    with wall_clock_at(home, turn - timedelta(minutes=30)):
        # The first poll of both cars spends it.
        await home.set_up_operational(with_options(compatible_entry, budget=0.004))
        assert shown_cost(home) == (0.004, "stopped")
        before = calls.count("vehicle_data")
        await home.run(24 * 60)
        assert calls.count("vehicle_data") == before == 2
        await home.run(6 * 60)
        # The cars are polled again.
        assert calls.count("vehicle_data") == before + 2
        assert shown_cost(home) == (0.004, "stopped")
        state = home.hass.states.get(COST)
        assert state is not None
        assert state.attributes["last_reset"] == turn.isoformat()


async def test_a_budget_slows_and_stops_polling(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    home.simulator.set("car.Cy", "asleep")
    calls, ada = home.simulator.usage, home.simulator.cars["Ada"]
    with wall_clock_at(home, dt_util.now().replace(day=10)):
        # Ten calls, one of which is made already.
        entry = await home.set_up_operational(
            with_options(compatible_entry, budget=0.02, pace="fresher")
        )
        assert shown_cost(home) == (0.002, "usual")
        ada.drive()
        assert ada.route is not None
        ada.route = replace(ada.route, duration=30 * 24 * HOUR)
        paces: list[str] = []
        gaps: list[float] = []
        while calls.count("vehicle_data") < 10:
            gaps.append(await seconds_until_poll(home))
            paces.append(shown_cost(home)[1])
        assert paces == sorted(paces, key=["usual", "slowed", "stopped"].index)
        assert set(paces) == {"usual", "slowed", "stopped"}
        interval = INTERVALS[Pace.FRESHER].driving
        assert gaps[1] < 1.1 * interval
        assert gaps[-1] > 3 * interval
        # Commands of a user are sent, and whether the car is online is polled.
        await home.run(6 * HOUR)
        assert await home.perform("unlock") is None
        await home.run(300)
        assert calls.count("vehicle_data") == 10
        assert calls.count("vehicle") > 300
        # Unknown states must be requested.
        home.simulator.set("eu.commands", "reset")
        assert await home.perform("lock") is not None
        await home.run(30)
        assert calls.count("vehicle_data") == 11
        assert status_of(entry) == "operational"


def shown_cost(home: HomeUnderTest) -> tuple[float, str]:
    """Return the shown cost and interval factor."""
    state = home.hass.states.get(COST)
    assert state is not None
    return float(state.state), state.attributes["pace"]


async def seconds_until_poll(home: HomeUnderTest) -> float:
    """Advance until a car's data are requested; return the seconds."""
    calls = home.simulator.usage
    before = calls.count("vehicle_data")
    return await home.until(lambda: calls.count("vehicle_data") > before, 24 * HOUR)


async def test_monitoring_is_free_and_polls_rarely(
    home: HomeUnderTest, watching_entry: MockConfigEntry
) -> None:
    await home.set_up_operational(watching_entry)
    await home.run(600)
    calls = home.simulator.usage
    before = calls.by_endpoint.copy()
    await home.run(HOUR)
    requests = calls.by_endpoint - before
    assert calls.billed == 0
    assert 54 <= requests["eu.status"] <= 67
    for other in ("na.status", "cn.status", "auth.token"):
        assert 10 <= requests[other] <= 14
    # Control hosts are not probed while nothing fails.
    assert not [endpoint for endpoint in requests if endpoint.startswith("controls")]


@pytest.mark.parametrize(
    ("presence", "may_change"),
    [
        ("asleep", set[str]()),
        (
            "online",
            {"sensor.ada_last_contact", "sensor.cy_last_contact", COST, CREDIT},
        ),
    ],
)
async def test_idle_minutes_write_nothing(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    presence: str,
    may_change: set[str],
) -> None:
    await home.set_up_operational(compatible_entry)
    home.simulator.apply({"car.Ada": presence, "car.Cy": presence})
    await home.run(2 * HOUR)
    changes = async_capture_events(home.hass, EVENT_STATE_CHANGED)
    reported: list[str] = []

    @callback
    def note(data: EventStateReportedData) -> bool:
        reported.append(data["entity_id"])
        return False

    unsub = home.hass.bus.async_listen(
        EVENT_STATE_REPORTED, lambda _: None, event_filter=note
    )
    requests = home.simulator.usage.count("vehicle_data")
    await home.run(1560)
    requests = home.simulator.usage.count("vehicle_data") - requests
    unsub()
    ours = set(entity_ids(home.hass))
    assert {event.data["entity_id"] for event in changes} & ours == may_change
    for entity_id in may_change:
        count = sum(event.data["entity_id"] == entity_id for event in changes)
        assert count <= (requests if entity_id in {COST, CREDIT} else 2)
    # Other entities of the vehicle are updated once each.
    assert len([entity_id for entity_id in reported if entity_id in ours]) <= (
        2 * len(ours) if may_change else 0
    )


async def test_a_pause_that_tesla_asks_for_is_kept(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    home.simulator.set("eu.api", "retry-after:50400")
    await home.run(90)
    assert status_of(entry) == "account_problem"
    calls = home.simulator.usage
    requests = {
        name: calls.count(name) for name in ("products", "vehicle", "vehicle_data")
    }
    await home.skip(6 * HOUR)
    error = await home.perform("unlock")
    assert error is not None
    assert error.translation_key == "rate_limited"
    assert error.translation_placeholders is not None
    # 14 hours less six, and a minute and a half.
    assert 475 <= int(error.translation_placeholders["minutes"]) <= 480
    assert str(int(error.translation_placeholders["minutes"])) in str(error)
    # A restart does not end the pause.
    await home.restart(entry)
    await home.skip(7.5 * HOUR)
    assert requests == {name: calls.count(name) for name in requests}
    await home.run(HOUR)
    assert status_of(entry) == "operational"
    assert calls.count("vehicle_data") > requests["vehicle_data"]
