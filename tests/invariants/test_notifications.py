"""Notifications on phones, from the outage to the all-clear."""

import asyncio
from typing import Any

import pytest

from homeassistant.components import persistent_notification
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.helpers import entity_registry as er, issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_mock_service,
)
from pytest_homeassistant_custom_component.typing import (
    ClientSessionGenerator,
    WebSocketGenerator,
)

from custom_components.keycard.const import DOMAIN
from custom_components.keycard.notifications import delivery
from custom_components.keycard.repairs import SwitchToKeycard, async_create_fix_flow
from harness.phone import Phone
from simulator import Simulator

from .home import HomeUnderTest, assert_no_errors
from .receivers import receiver, settled_with
from .test_told_once import OTHERS, watcher_in

DOWN = {"eu.status": "503 down", "eu.api": "503 down"}
UP = {"eu.status": "ok", "eu.api": "ok"}
ORDER = "Take the keycard for Ada and the key fob for Cy."


async def test_a_phone_is_notified_from_the_outage_to_the_all_clear(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    phone: Phone,
    caplog: pytest.LogCaptureFixture,
) -> None:
    entry = await settled_with(
        home,
        watching_entry,
        receiver("phone", phone.device_id, "Anne's phone"),
        receiver("bell"),
    )
    home.simulator.apply(DOWN)
    await home.run(240)
    (push,) = phone.notifications
    assert push["title"] == "Take your keycard and key fob"
    order, cause, *_ = push["message"].split("\n")
    assert order == ORDER
    data = push["data"]
    assert data["tag"] == "keycard_eu"
    assert (data["importance"], data["channel"]) == ("high", "Tesla outages")
    assert data["chronometer"] is True
    assert data["confirmation"] is True
    assert data["visibility"] == "public"
    assert data["clickAction"].startswith("/config/devices/device/")
    assert [one["title"] for one in data["actions"]] == ["Got it", "Remind me in 1 h"]
    assert len({one["action"] for one in data["actions"]}) == 2
    bells = persistent_notification._async_get_or_create_notifications(home.hass)
    assert bells["keycard_eu"]["title"] == push["title"]

    await home.restart(entry)
    await home.run(600)
    assert len(phone.notifications) == 1

    await phone.press("Remind me in 1 h")
    await home.run(3550)
    assert len(phone.notifications) == 1
    await home.run(100)
    assert len(phone.notifications) == 2
    assert phone.live == [("keycard_eu_live", f"{ORDER}\n{cause}")]
    await phone.press("Got it")
    await home.run(7200)
    assert len(phone.notifications) == 2
    assert phone.live[1:] == [("keycard_eu_live", "clear_notification")]

    home.simulator.apply(UP)
    await home.run(1200)
    assert phone.titles[2:] == ["All clear: Tesla's cloud is back"]
    assert phone.notifications[-1]["data"]["tag"] == "keycard_eu"
    assert "actions" not in phone.notifications[-1]["data"]
    assert bells["keycard_eu"]["title"] == phone.titles[-1]
    assert_no_errors(caplog)


async def test_only_its_own_user_presses_its_buttons(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    phone: Phone,
    hass_client: ClientSessionGenerator,
) -> None:
    await settled_with(
        home, watching_entry, receiver("phone", phone.device_id, "Anne's phone")
    )
    home.simulator.apply(DOWN)
    await home.run(240)
    record = home.hass.data["keycard.notifications"].record
    (situation,) = record.situations.values()
    (state,) = situation.receivers.values()
    action = phone.notifications[0]["data"]["actions"][0]["action"]
    home.hass.bus.async_fire("mobile_app_notification_action", {"action": action})
    home.hass.bus.async_fire("mobile_app_notification_action", {"action": "keycard_"})
    home.hass.bus.async_fire("mobile_app_notification_action", {})
    await home.run(1)
    assert (state.got_it, state.received) == (False, None)
    await phone.fire(
        "mobile_app_notification_received", **phone.notifications[0]["data"]
    )
    assert len(state.as_stored()["received"] or "") > 0
    assert state.presses == []
    await phone.press("Got it")
    assert [button for button, _ in state.presses] == ["got_it"]


async def test_one_that_cannot_be_reached_keeps_no_other_waiting(
    home: HomeUnderTest, watching_entry: MockConfigEntry, phone: Phone
) -> None:
    gone = receiver("phone", "0" * 32, "Old *phone*")
    await settled_with(
        home,
        watching_entry,
        gone,
        receiver("phone", phone.device_id, "Anne's phone"),
        receiver("entity", "notify.nowhere", "Nowhere"),
    )
    home.simulator.apply(DOWN)
    await home.run(240)
    assert len(phone.notifications) == 1
    issues = ir.async_get(home.hass).issues
    assert not [one for _, one in issues if one.startswith("receiver_unreachable")]
    await home.run(4000)
    (issue,) = [
        issue
        for (domain, name), issue in issues.items()
        if domain == DOMAIN and name.endswith(f"phone:{gone.data['target']}")
    ]
    assert issue.translation_placeholders == {
        "name": "Old *phone*",
        "name_escaped": r"Old \*phone\*",
    }
    assert len(phone.notifications) == 1


async def test_receivers_apply_without_a_reload(
    home: HomeUnderTest, watching_entry: MockConfigEntry, phone: Phone
) -> None:
    hass = home.hass
    entry = await settled_with(home, watching_entry)
    coordinator = entry.runtime_data.coordinator
    home.simulator.apply(DOWN)
    await home.run(240)
    one = receiver("phone", phone.device_id, "Anne's phone")
    hass.config_entries.async_add_subentry(entry, one)
    await home.run(5)
    assert len(phone.notifications) == 1
    hass.config_entries.async_remove_subentry(entry, one.subentry_id)
    await home.run(5)
    assert phone.live[1:] == [
        ("keycard_eu", "clear_notification"),
        ("keycard_eu_live", "clear_notification"),
    ]
    home.simulator.apply(UP)
    await home.run(1200)
    assert len(phone.notifications) == 1
    assert entry.runtime_data.coordinator is coordinator


async def test_a_removed_entry_takes_its_notice_along(
    home: HomeUnderTest, watching_entry: MockConfigEntry, phone: Phone
) -> None:
    entry = await settled_with(
        home,
        watching_entry,
        receiver("phone", phone.device_id, "Anne's phone"),
        receiver("bell"),
    )
    home.simulator.apply(DOWN)
    await home.run(240)
    bells = persistent_notification._async_get_or_create_notifications(home.hass)
    assert "keycard_eu" in bells
    await home.hass.config_entries.async_remove(entry.entry_id)
    await home.run(5)
    assert "keycard_eu" not in bells
    assert phone.live[1:] == [
        ("keycard_eu", "clear_notification"),
        ("keycard_eu_live", "clear_notification"),
    ]


async def test_an_action_that_never_returns_is_given_up(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery, "_TIMEOUT", 0)
    calls: list[ServiceCall] = []

    async def hang(call: ServiceCall) -> None:
        calls.append(call)
        await asyncio.Event().wait()

    home.hass.services.async_register("notify", "send_message", hang)
    home.hass.states.async_set("notify.anne", "unknown")
    await settled_with(home, watching_entry, receiver("entity", "notify.anne", "Anne"))
    home.simulator.apply(DOWN)
    await home.run(600)
    assert len(calls) > 1


@pytest.fixture
async def dashboards(hass: HomeAssistant) -> None:
    """Set up dashboards, which must come before the first request of a client."""
    assert await async_setup_component(hass, "lovelace", {})


async def test_a_tap_opens_the_wall_view_that_everyone_may_open(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    dashboards: None,
    phone: Phone,
    hass_ws_client: WebSocketGenerator,
) -> None:
    socket = await hass_ws_client(home.hass)
    strategy = {"strategy": {"type": "custom:keycard"}}
    plain: dict[str, Any] = {"views": []}
    for path, admin, config in (
        ("for-admins", True, strategy),
        ("plain-view", False, plain),
        ("empty-view", False, None),
        ("wall-view", False, strategy),
    ):
        created = {"url_path": path, "title": path, "require_admin": admin}
        await socket.send_json_auto_id(
            {"type": "lovelace/dashboards/create", **created}
        )
        assert (await socket.receive_json())["success"]
        if config is not None:
            await socket.send_json_auto_id(
                {"type": "lovelace/config/save", "url_path": path, "config": config}
            )
            assert (await socket.receive_json())["success"]
    await settled_with(
        home, watching_entry, receiver("phone", phone.device_id, "Anne's phone")
    )
    home.simulator.apply(DOWN)
    await home.run(240)
    assert phone.notifications[0]["data"]["clickAction"] == "/wall-view"


async def test_a_drill_notifies_the_same_receivers(
    home: HomeUnderTest, watching_entry: MockConfigEntry, phone: Phone
) -> None:
    entry = await settled_with(
        home, watching_entry, receiver("phone", phone.device_id, "Anne's phone")
    )
    await home.perform("press", f"button.{_cloud(home)}_start_a_drill")
    await home.run(5)
    assert phone.titles == ["Drill: Take your keycard and key fob"]
    assert phone.notifications[0]["message"].endswith(
        "This is a drill. Nothing has failed."
    )
    assert "chronometer" not in phone.notifications[0]["data"]
    await phone.press("Got it")
    await home.run(700)
    assert phone.titles[1:] == ["Drill: All clear"]
    report = entry.runtime_data.drill.readiness
    assert report is not None
    assert (report["sent"], report["got_it"]) == (["Anne's phone"], ["Anne's phone"])


async def test_receivers_of_an_outage_notice_get_no_early_warning_of_it(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    simulator: Simulator,
    phone: Phone,
) -> None:
    one = receiver("phone", phone.device_id, "Anne's phone")
    other = watcher_in(simulator, "na", OTHERS)
    await settled_with(home, watching_entry, one)
    await settled_with(
        home,
        other,
        receiver("phone", phone.device_id, "Anne's phone"),
        receiver("bell"),
    )
    home.simulator.apply(DOWN)
    await home.run(700)
    assert other.runtime_data.detector.assessment.warning
    assert phone.titles == ["Take your keycard and key fob"]
    bells = persistent_notification._async_get_or_create_notifications(home.hass)
    assert bells["keycard_na"]["title"] == "Tesla's cloud is down in another region"
    home.simulator.apply(UP)
    await home.run(1200)
    assert phone.titles[1:] == ["All clear: Tesla's cloud is back"]


@pytest.mark.parametrize("person", [{}, {"person": "person.anne"}])
async def test_a_drill_reports_the_notified_receivers(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    phone: Phone,
    person: dict[str, str],
) -> None:
    """Only what happened is reported: a phone that was not pressed is not named."""
    hass = home.hass
    app = hass.config_entries.async_entries("mobile_app")[0]
    tracker = er.async_get(hass).async_get_or_create(
        "device_tracker", "mobile_app", "1", device_id=phone.device_id, config_entry=app
    )
    trackers = {"device_trackers": [tracker.entity_id]}
    for name, attributes in (("Anne", trackers), ("Ben", {}), ("Cleo", {})):
        hass.states.async_set(
            f"person.{name.lower()}", "home", {"friendly_name": name, **attributes}
        )
    entry = await settled_with(
        home,
        watching_entry,
        receiver("phone", phone.device_id, "Anne's phone", **person),
        receiver("phone", "1" * 32, "Anne's old phone", **person),
        receiver("phone", "0" * 32, "Cleo's phone", person="person.cleo"),
        receiver("bell"),
    )
    await home.perform("press", f"button.{_cloud(home)}_start_a_drill")
    await home.run(5)
    received = phone.notifications[0]["data"]
    await phone.fire("mobile_app_notification_received", **received)
    await phone.press("Got it")
    await home.perform("press", f"button.{_cloud(home)}_end_the_drill")
    report = entry.runtime_data.drill.readiness
    assert report is not None
    assert {
        name: sorted(report[name]) for name in ("sent", "received", "failed", "got_it")
    } == {
        "sent": ["Anne's phone", "bell"],
        "received": ["Anne's phone"],
        "failed": ["Anne's old phone", "Cleo's phone"],
        "got_it": ["Anne's phone"],
    }
    assert report["without_phone"] == ["Ben"]


async def test_the_test_button_sends_a_test(
    home: HomeUnderTest, watching_entry: MockConfigEntry, phone: Phone
) -> None:
    await settled_with(
        home, watching_entry, receiver("phone", phone.device_id, "Anne's phone")
    )
    button = f"button.{_cloud(home)}_send_a_test_notification"
    assert await home.perform("press", button) is None
    assert phone.titles == ["Keycard test notification"]


async def test_the_all_clear_lists_what_failed_meanwhile(
    home: HomeUnderTest, compatible_entry: MockConfigEntry
) -> None:
    entry = await settled_with(home, compatible_entry, receiver("bell"))
    home.simulator.apply(DOWN)
    await home.run(240)
    at: list[str] = []
    for action, entity_id in (
        ("lock", "lock.ada_lock"),
        ("turn_on", "climate.ada_climate"),
        ("lock", "lock.ada_lock"),
    ):
        at.append(f"{dt_util.now():%H:%M}")
        assert await home.perform(action, entity_id) is not None
        await home.run(120)
    await home.restart(entry)
    # What is done later has not failed.
    home.simulator.apply({"eu.api": "ok"})
    assert await home.perform("turn_on", "climate.ada_climate") is None
    home.simulator.apply(UP)
    await home.run(1200)
    bells = persistent_notification._async_get_or_create_notifications(home.hass)
    assert bells["keycard_eu"]["message"].endswith(
        f"Not confirmed during the outage and not repeated: Ada: lock, {at[2]}."
    )


async def test_entries_from_before_get_the_bell_and_a_hint(
    home: HomeUnderTest, watching_entry: MockConfigEntry
) -> None:
    hass = home.hass
    watching_entry.add_to_hass(hass)
    options = dict(watching_entry.options)
    del options["notifications"]
    hass.config_entries.async_update_entry(watching_entry, options=options)
    entry = await home.set_up_operational(watching_entry)
    assert [one.unique_id for one in entry.subentries.values()] == ["bell"]
    issues = ir.async_get(hass)
    assert issues.async_get_issue(DOMAIN, f"no_phone_{entry.entry_id}") is not None
    issues.async_ignore(DOMAIN, f"no_phone_{entry.entry_id}", True)
    await home.restart(entry)
    assert len(entry.subentries) == 1
    issue = issues.async_get_issue(DOMAIN, f"no_phone_{entry.entry_id}")
    assert issue is not None
    assert issue.dismissed_version is not None
    hass.config_entries.async_add_subentry(entry, receiver("phone", "0" * 32, "Any"))
    await home.run(1)
    assert issues.async_get_issue(DOMAIN, f"no_phone_{entry.entry_id}") is None


async def set_up_from_before(
    home: HomeUnderTest, entry: MockConfigEntry
) -> MockConfigEntry:
    """Set up an entry that was made before Keycard sent notifications."""
    entry.add_to_hass(home.hass)
    home.hass.config_entries.async_update_entry(
        entry, options={**entry.options, "notifications": {"before": True}}
    )
    return await home.set_up_operational(entry)


async def test_notifications_that_the_user_turns_off_need_no_hint(
    home: HomeUnderTest, watching_entry: MockConfigEntry
) -> None:
    hass = home.hass
    entry = await set_up_from_before(home, watching_entry)
    hints = {f"no_phone_{entry.entry_id}", f"old_relay_{entry.entry_id}"}
    issues = ir.async_get(hass)
    assert hints & {issue for _, issue in issues.issues}
    flows = hass.config_entries.options
    result = await flows.async_init(entry.entry_id)
    for step in ({"next_step_id": "notifications"}, {"enabled": False}):
        result = await flows.async_configure(result["flow_id"], step)
    await home.run(1)
    assert not hints & {issue for _, issue in issues.issues}


async def test_an_entry_that_is_removed_takes_its_hint_along(
    home: HomeUnderTest, watching_entry: MockConfigEntry
) -> None:
    hass = home.hass
    entry = await set_up_from_before(home, watching_entry)
    issues = ir.async_get(hass)
    assert issues.async_get_issue(DOMAIN, f"no_phone_{entry.entry_id}") is not None
    await home.run_task(hass.config_entries.async_remove(entry.entry_id))
    await home.run(1)
    assert issues.async_get_issue(DOMAIN, f"no_phone_{entry.entry_id}") is None


async def test_where_the_old_blueprint_notifies_keycard_is_silent_until_it_switches(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hass = home.hass
    for module in ("custom_components.keycard", "custom_components.keycard.repairs"):
        monkeypatch.setattr(f"{module}.old_relays", lambda _hass: ["automation.tell"])
    monkeypatch.setattr(
        "custom_components.keycard.repairs.old_relay_inputs", lambda _hass: []
    )
    turned_off = async_mock_service(hass, "automation", "turn_off")
    watching_entry.add_to_hass(hass)
    options = dict(watching_entry.options)
    del options["notifications"]
    hass.config_entries.async_update_entry(watching_entry, options=options)
    entry = await home.set_up_operational(watching_entry)
    home.simulator.apply(DOWN)
    await home.run(240)
    bells = persistent_notification._async_get_or_create_notifications(hass)
    assert "keycard_eu" not in bells
    issues = ir.async_get(hass)
    issue = issues.async_get_issue(DOMAIN, f"old_relay_{entry.entry_id}")
    assert issue is not None
    assert issue.is_fixable
    flow = await async_create_fix_flow(hass, issue.issue_id, issue.data)
    assert isinstance(flow, SwitchToKeycard)
    flow.hass = hass
    await flow.async_step_confirm({})
    await home.run(5)
    assert [call.data["entity_id"] for call in turned_off] == [["automation.tell"]]
    assert bells["keycard_eu"]["title"] == "Take your keycard and key fob"
    assert issues.async_get_issue(DOMAIN, issue.issue_id) is None


def _cloud(home: HomeUnderTest) -> str:
    return "tesla_cloud"
