"""Entries of earlier versions keep working."""

from datetime import UTC, datetime, timedelta
import json
from pathlib import Path
import re
from typing import Any

import pytest

from pytest_homeassistant_custom_component.common import MockConfigEntry

from tests.config_entries import hosts_options

from .home import LOCK, HomeUnderTest, assert_available, assert_no_errors, status_of

KEPT = Path(__file__).parents[1] / "fixtures" / "entries"


def with_recent_times(text: str, now: datetime) -> str:
    """Return stored data with times of a minute ago.

    Older data say nothing about a current outage.
    """
    saved = datetime.fromisoformat(json.loads(text)["memory"]["data"]["saved"])
    later = now - timedelta(minutes=1) - saved

    def move(found: re.Match[str]) -> str:
        return (datetime.fromisoformat(found[0]) + later).isoformat()

    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", move, text)


@pytest.mark.parametrize("version", ["0.1.0"])
async def test_an_entry_of_an_earlier_version_in_the_middle_of_an_outage(
    home: HomeUnderTest,
    hass_storage: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    version: str,
) -> None:
    text = (KEPT / f"{version}.json").read_text()
    for name, url in home.simulator.urls.items():
        text = text.replace(f"http://{name}.invalid", url)
    kept = json.loads(
        with_recent_times(text.replace("ENTRY", "the-entry"), home.clock.now(UTC))
    )
    entry = MockConfigEntry(
        domain="keycard",
        entry_id="the-entry",
        title="Tesla cloud (test)",
        version=1,
        minor_version=1,
        unique_id="owner",
        data={
            **kept["entry"]["data"],
            "base_url": home.simulator.urls["eu"],
            "token": home.simulator.token,
        },
        options={**kept["entry"]["options"], **hosts_options(home.simulator)},
    )
    hass_storage["keycard.the-entry"] = kept["memory"]
    hass_storage["keycard.ledger"] = kept["ledger"]
    failing = {"eu.api": "503 down", "eu.status": "503 down"}
    home.simulator.apply(failing)
    await home.set_up(entry)
    await home.hass.async_block_till_done()
    since = entry.runtime_data.detector.assessment.since
    assert status_of(entry) == "outage"
    assert since.isoformat() == kept["memory"]["data"]["judge"]["since"]
    assert {car.vehicle.name for car in entry.runtime_data.vehicles.values()} == {
        "Ada",
        "Cy",
    }
    assert home.states()["sensor.ada_key_to_take"] == "keycard"
    assert home.states()["sensor.cy_key_to_take"] == "fob"
    assert_available(home)

    home.simulator.apply(dict.fromkeys(failing, "ok"))
    await home.run(900)
    assert status_of(entry) == "operational"
    assert home.states()[LOCK] == "locked"
    assert home.reauths() == 0
    assert_available(home)
    assert_no_errors(caplog)
    # One outage, one all-clear: nothing was sent twice.
    journal = hass_storage["keycard.ledger"]["data"]["outages"]
    assert len(journal) == 1
