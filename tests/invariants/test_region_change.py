"""An account of another region: Tesla's host names the right one."""

import pytest

from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.common import MockConfigEntry

from .home import HomeUnderTest, assert_no_errors, status_of


async def test_the_named_host_is_used_and_kept(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    urls = home.simulator.urls
    compatible_entry.add_to_hass(home.hass)
    home.hass.config_entries.async_update_entry(
        compatible_entry,
        data={**compatible_entry.data, "base_url": urls["na"], "region": "na"},
    )
    await home.set_up(compatible_entry)
    await home.run(125)

    assert compatible_entry.data["base_url"] == urls["eu"]
    assert compatible_entry.data["region"] == "eu"
    assert status_of(compatible_entry) == "operational"
    assert len(compatible_entry.runtime_data.vehicles) == len(home.simulator.cars)
    assert_no_errors(caplog)


async def test_regions_that_redirect_to_each_other_cause_no_loop(
    home: HomeUnderTest,
    compatible_entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    urls, hass = home.simulator.urls, home.hass
    entry = await home.set_up_operational(compatible_entry)
    reloads = []
    schedule = hass.config_entries.async_schedule_reload

    def count(entry_id: str) -> None:
        reloads.append(entry_id)
        schedule(entry_id)

    monkeypatch.setattr(hass.config_entries, "async_schedule_reload", count)
    home.simulator.apply(
        {
            "eu.api": f'421 {{"error":"use base URL: {urls["na"]}, see {urls["na"]}"}}',
            "na.api": f'421 {{"error":"use base URL: {urls["eu"]}, see {urls["eu"]}"}}',
        }
    )
    await home.run(1.5 * 3600)
    assert len(reloads) == 1
    assert entry.data["base_url"] == urls["na"]
    assert status_of(entry) == "account_problem"
    issue_id = f"{entry.entry_id}_wrong_region"
    assert ir.async_get(hass).async_get_issue("keycard", issue_id)
    assert_no_errors(caplog)


async def test_no_other_host_is_shown_the_token(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    entry = await home.set_up_operational(compatible_entry)
    data = dict(entry.data)
    home.simulator.set("eu.api", '421 {"error":"use base URL: https://example.org"}')
    await home.run(125)

    assert entry.data == data
    assert status_of(entry) == "account_problem"
