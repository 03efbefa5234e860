"""A third party's cache, gateway and limits are no evidence against Tesla."""

from collections.abc import Callable

import pytest

from tests.config_entries import provider_entry

from .story import LOCK, Story, assert_no_errors, status_of

HOUR = 3600.0
COST = "sensor.tesla_cloud_estimated_cost_this_month"


def stream(story: Story) -> None:
    """Disable refreshes of the cache."""
    del story


def poll(story: Story) -> None:
    """Refresh the cache every quarter of an hour."""
    story.simulator.teslemetry.non_streaming |= {"Ada", "Cy"}


@pytest.mark.parametrize(
    ("provider", "prepare"),
    [("teslemetry", stream), ("teslemetry", poll), ("tessie", stream)],
    ids=["streaming", "polled", "tessie"],
)
async def test_a_cache_that_stands_still_is_no_outage(
    story: Story,
    caplog: pytest.LogCaptureFixture,
    provider: str,
    prepare: Callable[[Story], None],
) -> None:
    prepare(story)
    entry = await provider_entry(story.hass, story.simulator, provider)
    await story.settled(entry)
    ada = story.simulator.cars["Ada"]
    story.simulator.set("car.Cy", "asleep")
    seen = set()
    for turn in range(5):
        if turn == 1:
            ada.drive()
        if turn == 4:
            story.simulator.set("car.Ada", "asleep")
        for _ in range(6):
            await story.go(300)
            seen.add(status_of(entry))
    assert seen == {"operational"}
    assert story.states()["event.tesla_cloud_outage_notice"] == "unknown"
    assert_no_errors(caplog)


async def test_a_streaming_car_is_refreshed_at_a_price(story: Story) -> None:
    simulator = story.simulator
    entry = await provider_entry(story.hass, simulator, "teslemetry")
    simulator.set("car.Cy", "asleep")
    await story.settled(entry)
    ada = simulator.cars["Ada"]
    ada.locked = False
    await story.go(HOUR)
    assert story.states()[LOCK] == "unlocked"
    refreshed = simulator.usage.count("teslemetry.refresh")
    assert 1 <= refreshed <= 5
    # Cached data are free, requested refreshes are not.
    assert simulator.usage.billed == refreshed
    assert entry.runtime_data.usage.monthly_usage.cost == pytest.approx(refreshed / 400)


async def test_without_credits_cached_data_are_shown(
    story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    simulator = story.simulator
    simulator.teslemetry.credits = 0
    entry = await provider_entry(story.hass, simulator, "teslemetry")
    await story.settled(entry)
    await story.go(4 * HOUR)
    assert status_of(entry) == "operational"
    # Once an hour it is checked whether there are credits again.
    assert 2 <= simulator.usage.count("teslemetry.refresh") <= 12
    assert simulator.usage.billed == 0
    assert_no_errors(caplog)
    simulator.teslemetry.credits = 100
    simulator.cars["Ada"].locked = False
    await story.go(1.5 * HOUR)
    assert story.states()[LOCK] == "unlocked"


async def test_a_cache_hides_no_outage_and_ends_with_newer_data(story: Story) -> None:
    simulator = story.simulator
    entry = await provider_entry(story.hass, simulator, "teslemetry")
    await story.settled(entry)
    simulator.apply({"eu.status": "503 busy", "eu.api": "503 busy"})
    await story.until(lambda: status_of(entry) == "outage", 180)
    await story.go(HOUR)
    assert status_of(entry) == "outage"
    simulator.apply({"eu.status": "ok", "eu.api": "ok", "eu.data": "stale"})
    await story.until(lambda: status_of(entry) == "degraded", 1500)
    await story.go(HOUR)
    assert status_of(entry) == "degraded"
    simulator.set("eu.data", "ok")
    await story.until(lambda: status_of(entry) == "operational", 1500)


@pytest.mark.parametrize("provider", ["teslemetry", "tessie"])
async def test_commands_that_fail_through_a_third_party_are_not_tesla_s(
    story: Story, provider: str
) -> None:
    entry = await provider_entry(story.hass, story.simulator, provider)
    await story.settled(entry)
    for answer in (
        '500 {"response":null,"error":"PIN codes must be four digits"}',
        '500 {"response":null,"error":"context deadline exceeded"}',
        '500 {"error":"MESSAGEFAULT_ERROR_INSUFFICIENT_PRIVILEGES"}',
        "502 <html>bad gateway</html>",
        "503 upstream connect error",
        '500 {"error":"upstream internal error"}',
    ):
        story.simulator.set("eu.commands", answer)
        for _ in range(3):
            assert await story.act("unlock") is not None
        await story.go(30)
        assert status_of(entry) == "operational"
