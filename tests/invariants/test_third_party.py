"""A third party's cache, gateway and limits are no evidence against Tesla."""

from collections.abc import Callable

import pytest

from tests.config_entries import provider_entry

from .home import LOCK, HomeUnderTest, assert_no_errors, status_of

HOUR = 3600.0
CREDIT = "sensor.tesla_cloud_monthly_credit_used"
COST = "sensor.tesla_cloud_estimated_cost_this_month"


def stream(home: HomeUnderTest) -> None:
    """Disable refreshes of the cache."""
    del home


def poll(home: HomeUnderTest) -> None:
    """Refresh the cache every quarter of an hour."""
    home.simulator.teslemetry.non_streaming |= {"Ada", "Cy"}


@pytest.mark.parametrize(
    ("provider", "prepare"),
    [("teslemetry", stream), ("teslemetry", poll), ("tessie", stream)],
    ids=["streaming", "polled", "tessie"],
)
async def test_a_cache_that_stands_still_is_no_outage(
    home: HomeUnderTest,
    caplog: pytest.LogCaptureFixture,
    provider: str,
    prepare: Callable[[HomeUnderTest], None],
) -> None:
    prepare(home)
    entry = await provider_entry(home.hass, home.simulator, provider)
    await home.set_up_operational(entry)
    ada = home.simulator.cars["Ada"]
    home.simulator.set("car.Cy", "asleep")
    seen = set()
    for turn in range(5):
        if turn == 1:
            ada.drive()
        if turn == 4:
            home.simulator.set("car.Ada", "asleep")
        for _ in range(6):
            await home.run(300)
            seen.add(status_of(entry))
    assert seen == {"operational"}
    assert home.states()["event.tesla_cloud_outage_notice"] == "unknown"
    assert_no_errors(caplog)


async def test_a_streaming_car_is_refreshed_at_a_price(home: HomeUnderTest) -> None:
    simulator = home.simulator
    entry = await provider_entry(home.hass, simulator, "teslemetry")
    simulator.set("car.Cy", "asleep")
    await home.set_up_operational(entry)
    ada = simulator.cars["Ada"]
    ada.locked = False
    await home.run(HOUR)
    assert home.states()[LOCK] == "unlocked"
    refreshed = simulator.usage.count("teslemetry.refresh")
    assert 1 <= refreshed <= 5
    # Cached data are free, requested refreshes are not.
    assert simulator.usage.billed == refreshed
    assert entry.runtime_data.usage.monthly_usage.cost == pytest.approx(refreshed / 400)
    # Tesla's credit is not for calls of a third party.
    assert home.hass.states.get(COST) is not None
    assert home.hass.states.get(CREDIT) is None


async def test_an_old_cache_is_refreshed_at_the_first_set_up(
    home: HomeUnderTest,
) -> None:
    simulator = home.simulator
    old = await provider_entry(home.hass, simulator, "teslemetry")
    await home.set_up_operational(old)
    await home.hass.config_entries.async_remove(old.entry_id)
    simulator.cars["Ada"].locked = False
    await home.run(HOUR)
    refreshed = simulator.usage.count("teslemetry.refresh")
    await home.set_up(await provider_entry(home.hass, simulator, "teslemetry"))
    assert await home.until(lambda: home.states().get(LOCK) == "unlocked", 120) < 60
    assert simulator.usage.count("teslemetry.refresh") - refreshed == 2


async def test_a_broken_answer_in_the_cache_is_refreshed(home: HomeUnderTest) -> None:
    home.simulator.set("eu.data", "garbage")
    await home.set_up(await provider_entry(home.hass, home.simulator, "teslemetry"))
    await home.run(60)
    home.simulator.set("eu.data", "ok")
    assert await home.until(lambda: home.states()[LOCK] == "locked", 1700) < 1600


async def test_without_credits_cached_data_are_shown(
    home: HomeUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    simulator = home.simulator
    simulator.teslemetry.credits = 0
    entry = await provider_entry(home.hass, simulator, "teslemetry")
    await home.set_up_operational(entry)
    await home.skip(4 * HOUR)
    assert status_of(entry) == "operational"
    # Once an hour it is checked whether there are credits again.
    assert 2 <= simulator.usage.count("teslemetry.refresh") <= 12
    assert simulator.usage.billed == 0
    assert_no_errors(caplog)
    simulator.teslemetry.credits = 100
    simulator.cars["Ada"].locked = False
    await home.run(1.5 * HOUR)
    assert home.states()[LOCK] == "unlocked"


async def test_a_cache_hides_no_outage_and_ends_with_newer_data(
    home: HomeUnderTest,
) -> None:
    simulator = home.simulator
    entry = await provider_entry(home.hass, simulator, "teslemetry")
    await home.set_up_operational(entry)
    simulator.apply({"eu.status": "503 busy", "eu.api": "503 busy"})
    await home.until(lambda: status_of(entry) == "outage", 180)
    await home.run(HOUR)
    assert status_of(entry) == "outage"
    simulator.apply({"eu.status": "ok", "eu.api": "ok", "eu.data": "stale"})
    await home.until(lambda: status_of(entry) == "degraded", 1500)
    await home.run(HOUR)
    assert status_of(entry) == "degraded"
    simulator.set("eu.data", "ok")
    await home.until(lambda: status_of(entry) == "operational", 1500)


@pytest.mark.parametrize("provider", ["teslemetry", "tessie"])
async def test_commands_that_fail_through_a_third_party_are_not_tesla_s(
    home: HomeUnderTest, provider: str
) -> None:
    entry = await provider_entry(home.hass, home.simulator, provider)
    await home.set_up_operational(entry)
    for answer in (
        '500 {"response":null,"error":"PIN codes must be four digits"}',
        '500 {"response":null,"error":"context deadline exceeded"}',
        '500 {"error":"MESSAGEFAULT_ERROR_INSUFFICIENT_PRIVILEGES"}',
        "502 <html>bad gateway</html>",
        "503 upstream connect error",
        '500 {"error":"upstream internal error"}',
    ):
        home.simulator.set("eu.commands", answer)
        for _ in range(3):
            assert await home.perform("unlock") is not None
        await home.run(30)
        assert status_of(entry) == "operational"
