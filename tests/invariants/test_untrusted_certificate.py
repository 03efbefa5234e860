"""The user's own server has a certificate that Keycard was never told to trust."""

import asyncio

import pytest

from homeassistant.components.repairs import DOMAIN as REPAIRS
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.issue_registry import IssueSeverity
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.keycard.transport.pinning import format_fingerprint
from tests.config_entries import fleet_entry, tesla_proxy_entry
from tests.flow_steps import assert_texts_fit, open_repair, submit_repair

from .home import HomeUnderTest, assert_no_errors, status_of
from .repairs import repairs

# A server of the user's own for all calls, or for commands only.
SERVERS = ("compatible", "all calls", "commands only")


@pytest.fixture(autouse=True)
async def refusing_is_no_error() -> None:
    """Disable debug mode, in which a rejected handshake is an error."""
    asyncio.get_running_loop().set_debug(False)


async def unpinned_entry(home: HomeUnderTest, server: str) -> MockConfigEntry:
    """Return an entry whose server did not answer during set-up."""
    simulator = home.simulator
    simulator.pair("Ada", simulator.tesla_proxy.key)
    if server == "compatible":
        entry = tesla_proxy_entry(simulator)
    else:
        entry = await fleet_entry(home.hass, simulator)
    data = {key: value for key, value in entry.data.items() if key != "fingerprint"}
    if server != "compatible":
        data |= {
            "server": simulator.urls["tesla_proxy"],
            "all_calls": server == "all calls",
        }
        del data["domain"]
    entry.add_to_hass(home.hass)
    home.hass.config_entries.async_update_entry(entry, data=data)
    assert await async_setup_component(home.hass, REPAIRS, {})
    return entry


@pytest.mark.parametrize("server", SERVERS)
async def test_a_server_that_was_off_during_set_up_is_trusted_in_a_repair(
    home: HomeUnderTest, caplog: pytest.LogCaptureFixture, server: str
) -> None:
    hass, simulator = home.hass, home.simulator
    simulator.set("tesla_proxy.api", "refuse")
    entry = await unpinned_entry(home, server)
    await home.set_up(entry)
    await home.run(600)
    # A server that is merely down is not in question.
    assert repairs(home) == {}

    simulator.set("tesla_proxy.api", "ok")
    await home.until(lambda: "certificate_untrusted" in repairs(home), 3700)
    await home.run(600)
    (issue,) = repairs(home).values()
    assert issue.issue_id == f"{entry.entry_id}_certificate_untrusted"
    assert issue.severity is IssueSeverity.ERROR
    assert issue.is_fixable
    # Nobody but the server is at fault.
    assert status_of(entry) in ("operational", "undetermined")
    assert home.states()["binary_sensor.tesla_cloud_outage"] == "off"
    assert not simulator.usage.count("tesla_proxy.door_unlock")
    commands_only = server == "commands only"
    assert bool(entry.runtime_data.vehicles) is commands_only
    if commands_only:
        error = await home.perform("unlock")
        assert error is not None
        assert error.translation_key == "server_certificate"

    form = await open_repair(hass, issue)
    assert form["type"] is FlowResultType.FORM
    assert_texts_fit(form, issue)
    shown = dict(form["description_placeholders"] or {})
    fingerprint = simulator.tesla_proxy_certificate.fingerprint
    assert shown["fingerprint"] == format_fingerprint(fingerprint)
    assert "before" not in shown
    form = await submit_repair(hass, form, trust=False)
    assert form["errors"] == {"trust": "not_trusted"}
    assert "fingerprint" not in entry.data
    # What the user compared is what is pinned, whatever is presented now.
    simulator.renew_certificate()
    done = await submit_repair(hass, form, trust=True)
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert entry.data["fingerprint"] == fingerprint
    await home.until(lambda: "certificate_changed" in repairs(home), 3700)
    (issue,) = repairs(home).values()
    form = await open_repair(hass, issue)
    await submit_repair(hass, form, trust=True)

    await home.until(lambda: len(entry.runtime_data.vehicles) == 2, 900)
    assert repairs(home) == {}
    assert await home.perform("unlock") is None
    assert simulator.usage.count("tesla_proxy.door_unlock") == 1
    await home.run(300)
    assert status_of(entry) == "operational"
    assert_no_errors(caplog)


async def test_a_wake_that_goes_to_tesla_blames_no_server(home: HomeUnderTest) -> None:
    simulator = home.simulator
    entry = await unpinned_entry(home, "commands only")
    # Any server in the place of Tesla's.
    elsewhere = {**entry.data, "base_url": simulator.urls["tesla_proxy"]}
    elsewhere["server"] = simulator.urls["proxy"]
    await home.set_up_operational(entry)
    simulator.set("car.Ada", "asleep")
    await home.until(lambda: home.states()["sensor.ada_connection"] == "asleep", 300)
    assert await home.hass.config_entries.async_unload(entry.entry_id)
    home.hass.config_entries.async_update_entry(entry, data=elsewhere)
    await home.set_up(entry)
    error = await home.perform("unlock")
    assert error is not None
    assert error.translation_key == "network_in_the_way"


async def test_where_tesla_seems_to_be_another_as_well_the_network_is_at_fault(
    home: HomeUnderTest,
) -> None:
    entry = await unpinned_entry(home, "compatible")
    home.simulator.apply({"eu.status": "portal", "eu.api": "portal"})
    await home.set_up(entry)
    await home.run(900)
    assert entry.runtime_data.provider.certificate.rejected
    assert repairs(home) == {}
    home.simulator.apply({"eu.status": "ok", "eu.api": "ok"})
    await home.run(130)
    assert set(repairs(home)) == {"certificate_untrusted"}


async def test_the_repair_ends_once_the_certificate_is_accepted(
    home: HomeUnderTest,
) -> None:
    entry = await unpinned_entry(home, "compatible")
    await home.set_up(entry)
    await home.until(lambda: "certificate_untrusted" in repairs(home), 300)
    home.hass.config_entries.async_update_entry(
        entry,
        data={
            **entry.data,
            "fingerprint": home.simulator.tesla_proxy_certificate.fingerprint,
        },
    )
    (issue,) = repairs(home).values()
    form = await open_repair(home.hass, issue)
    assert (form["type"], form["reason"]) == (FlowResultType.ABORT, "no_certificate")
    await home.restart(entry)
    await home.run(300)
    assert repairs(home) == {}
