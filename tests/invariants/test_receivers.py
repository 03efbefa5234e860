"""Receivers of notifications: their phones, persons, languages and settings."""

import asyncio
from collections.abc import Awaitable, Callable
import json
from typing import Any

from homeassistant.components import persistent_notification
from homeassistant.components.frontend.storage import async_user_store
from homeassistant.config_entries import SOURCE_USER
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser

from custom_components.keycard.const import DOMAIN
from custom_components.keycard.flows.receivers import phones_of_persons
from harness.phone import Phone
from simulator import Simulator
from tests.repository_files import KEYCARD

from .home import LOCK, HomeUnderTest, status_of
from .receivers import receiver, settled_with
from .test_notifications import DOWN, ORDER, UP
from .test_told_once import OTHERS, watcher_in

type NewPhone = Callable[..., Awaitable[Phone]]

LANGUAGES = {"ben": "de", "cleo": "fr"}


def order_in(language: str) -> str:
    """Return the first line of the notice in a language."""
    path = KEYCARD / "translations" / f"{language}.json"
    text: str = json.loads(path.read_text())["common"]["order_both"]
    return f"{text.format(card_cars='Ada', fob_cars='Cy')}."


async def test_the_phones_of_persons_are_proposed(
    home: HomeUnderTest, new_phone: NewPhone
) -> None:
    hass = home.hass
    phones = {
        model: await new_phone(f"phone {number}", overrides={"model": model})
        for number, model in enumerate(
            ("Pixel 12", "iPad16,2", "Pixel Tablet", "SM-X920", "Galaxy Tab S13")
        )
    }
    await new_phone("guest")
    hass.states.async_set(
        "person.anne",
        "home",
        {"device_trackers": [f"device_tracker.phone_{number}" for number in range(5)]},
    )
    hass.states.async_set("person.nobody", "home", {"device_trackers": ["a.b"]})
    assert phones_of_persons(hass) == {phones["Pixel 12"].device_id: "person.anne"}
    flows = hass.config_entries.flow
    result: Any = await flows.async_init(DOMAIN, context={"source": SOURCE_USER})
    steps: list[dict[str, Any]] = [
        {"next_step_id": "connect"},
        {"next_step_id": "watch_only"},
        {"region": "eu"},
        {"name": "Ada", "model": "model3", "year": 2021, "another": False},
        {},
    ]
    for step in steps:
        result = await flows.async_configure(result["flow_id"], step)
    # One click on Submit is enough.
    assert result["type"] == "create_entry"
    proposed = [dict(one.data) for one in result["result"].subentries.values()]
    assert proposed == [
        {
            "kind": "phone",
            "target": phones["Pixel 12"].device_id,
            "when": "at_once",
            "person": "person.anne",
        },
        {"kind": "bell"},
    ]


async def test_ten_phones_and_three_languages(
    home: HomeUnderTest, watching_entry: MockConfigEntry, new_phone: NewPhone
) -> None:
    hass = home.hass
    # Its storage is all that counts here.
    hass.config.components.add("frontend")
    for person in ("anne", *LANGUAGES):
        user = MockUser(name=person).add_to_hass(hass)
        if person in LANGUAGES:
            store = await async_user_store(hass, user.id)
            await store.async_set_item("language", {"language": LANGUAGES[person]})
        attributes = {"user_id": user.id, "device_trackers": []}
        hass.states.async_set(f"person.{person}", "home", attributes)
    phones = [await new_phone(f"phone {number}") for number in range(10)]
    persons: list[str | None] = ["anne", "ben", "cleo", None] * 3
    await settled_with(
        home,
        watching_entry,
        *(
            receiver(
                "phone",
                phone.device_id,
                phone.name,
                **({} if person is None else {"person": f"person.{person}"}),
            )
            for phone, person in zip(phones, persons, strict=False)
        ),
    )
    home.simulator.apply(DOWN)
    await home.run(240)
    orders: dict[str | None, str] = {"anne": ORDER, None: ORDER}
    for speaker, spoken in LANGUAGES.items():
        orders[speaker] = order_in(spoken)
    for phone, owner in zip(phones, persons, strict=False):
        (notice,) = phone.notifications
        assert notice["message"].split("\n")[0] == orders[owner], owner
    assert len({one.notifications[0]["data"]["keycard_token"] for one in phones}) == 10
    home.simulator.apply(UP)
    await home.run(1200)
    assert [len(phone.notifications) for phone in phones] == [2] * 10


async def test_two_entries_share_a_phone_and_at_once_wins(
    home: HomeUnderTest,
    watching_entry: MockConfigEntry,
    simulator: Simulator,
    phone: Phone,
) -> None:
    home.hass.states.async_set("person.anne", "home", {"device_trackers": []})
    leaving = receiver("phone", phone.device_id, person="person.anne", when="leaving")
    at_once = receiver("phone", phone.device_id, person="person.anne", when="at_once")
    other = watcher_in(simulator, "eu", OTHERS)
    await settled_with(home, watching_entry, leaving)
    entry = await settled_with(home, other, at_once)
    home.simulator.apply(DOWN)
    await home.run(240)
    (notice,) = phone.notifications
    for car in ("Ada", "Cy", "Dot"):
        assert car in notice["message"].split("\n")[0]
    home.simulator.apply(UP)
    await home.run(1200)
    assert len(phone.notifications) == 2
    # Without the other entry, it waits until Anne leaves home.
    assert await home.hass.config_entries.async_remove(entry.entry_id)
    home.simulator.apply(DOWN)
    await home.run(240)
    assert len(phone.notifications) == 2
    home.hass.states.async_set("person.anne", "not_home", {"device_trackers": []})
    await home.run(5)
    assert len(phone.notifications) == 3


async def test_an_iphone_gets_levels_instead_of_channels(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, new_phone: NewPhone
) -> None:
    iphone = await new_phone("iPhone", system="ios")
    older = await new_phone("older", system="ios", live_activities=False)
    android = await new_phone("older Android", overrides={"os_version": "15"})
    phones = (iphone, older, android)
    await settled_with(
        home,
        compatible_entry,
        *(receiver("phone", one.device_id, one.name) for one in phones),
    )
    home.simulator.apply(DOWN)
    await home.run(240)
    data = iphone.notifications[0]["data"]
    assert data["push"] == {"interruption-level": "time-sensitive"}
    assert data["url"].startswith("/config/devices/device/")
    assert not data.keys() & {"channel", "importance", "chronometer", "visibility"}
    # Commands work again, and the data stands still: the usual key is enough.
    home.simulator.apply({"eu.api": "ok", "eu.status": "ok", "eu.data": "stale"})
    await home.run(1500)
    level = {"interruption-level": "passive"}
    assert [one["data"]["push"] for one in iphone.notifications[1:]] == [level]
    quiet = android.notifications[1]["data"]
    assert (quiet["channel"], quiet["importance"], quiet["alert_once"]) == (
        *("Tesla outages, silent", "low", True),
    )
    home.simulator.apply({"eu.data": "ok"})
    await home.run(1800)
    level = {"interruption-level": "active"}
    assert [one["data"]["push"] for one in iphone.notifications[2:]] == [level]
    # A live activity is started by its token, and ended by that of its own.
    live = [one for one in iphone.pushed if one not in iphone.notifications]
    assert [(one["live_activity_token"], one["data"]["event"]) for one in live] == [
        ("start token", "start"),
        ("activity keycard_eu_live", "end"),
    ]
    # Others would show it as an ordinary notification.
    assert (older.live, android.live) == ([], [])


async def test_the_state_of_a_car_stays_off_locked_screens(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, new_phone: NewPhone
) -> None:
    home.simulator.cars["Ada"].locked = False
    iphone = await new_phone("iPhone", system="ios", live_activities=False)
    android = await new_phone("Android")
    await settled_with(
        home,
        compatible_entry,
        *(receiver("phone", one.device_id, one.name) for one in (iphone, android)),
    )
    home.simulator.apply(DOWN)
    await home.run(240)
    (private,), (reduced,) = android.notifications, iphone.notifications
    assert private["message"].endswith("\nUnlocked when last seen: Ada.")
    assert private["data"]["visibility"] == "private"
    assert "nlocked when" not in str(iphone.pushed)
    assert reduced["message"] == private["message"].rpartition("\n")[0]
    assert "nlocked when" not in str(android.live)


async def test_a_phone_that_returns_is_notified(
    home: HomeUnderTest, watching_entry: MockConfigEntry, new_phone: NewPhone
) -> None:
    """It takes local pushes only, and is not connected."""
    hass = home.hass
    local = await new_phone(
        "local", overrides={"app_data": {"push_websocket_channel": True}}
    )
    await settled_with(
        home,
        watching_entry,
        receiver("phone", local.device_id, "local"),
        receiver("bell"),
    )
    home.simulator.apply(DOWN)
    await home.run(240)
    bells = persistent_notification._async_get_or_create_notifications(hass)
    assert bells["keycard_eu"]["title"] == "Take your keycard and key fob"
    await home.run(4000)
    issue = (DOMAIN, f"receiver_unreachable_phone:{local.device_id}")
    assert issue in ir.async_get(hass).issues
    assert local.pushed == []
    changed = {
        "app_data": {"push_token": "token", "push_url": local.push_url},
        "app_version": "1",
        "device_name": "local",
        "manufacturer": "Google",
        "model": "Pixel 12",
        "os_version": "17",
    }
    await local.send("update_registration", changed)
    await home.run(1900)
    assert local.titles == ["Take your keycard and key fob"]
    assert issue not in ir.async_get(hass).issues


async def test_a_renamed_phone_is_notified_by_its_new_action(
    home: HomeUnderTest, watching_entry: MockConfigEntry, new_phone: NewPhone
) -> None:
    phone = await new_phone("old name")
    await settled_with(
        home, watching_entry, receiver("phone", phone.device_id, phone.name)
    )
    actions = home.hass.services.async_services_for_domain
    assert "mobile_app_old_name" in actions("notify")
    home.simulator.apply(DOWN)
    await home.run(240)
    changed = {
        "app_data": {"push_token": "token", "push_url": phone.push_url},
        "app_version": "1",
        "device_name": "new name",
        "manufacturer": "Google",
        "model": "Pixel 12",
        "os_version": "15",
    }
    await phone.send("update_registration", changed)
    await home.run(1)
    assert "mobile_app_new_name" in actions("notify")
    assert "mobile_app_old_name" not in actions("notify")
    home.simulator.apply(UP)
    await home.run(1200)
    assert phone.titles == [
        "Take your keycard and key fob",
        "All clear: Tesla's cloud is back",
    ]


async def test_changed_receivers_and_settings_interrupt_nothing(
    home: HomeUnderTest, compatible_entry: MockConfigEntry, phone: Phone
) -> None:
    hass = home.hass
    hass.states.async_set("person.anne", "home", {"device_trackers": []})
    one = receiver("phone", phone.device_id, person="person.anne", when="leaving")
    entry = await settled_with(home, compatible_entry, one)
    coordinator = entry.runtime_data.coordinator
    # A suspicion has begun, and a command is under way.
    home.simulator.apply({**DOWN, "eu.commands": "slow:15"})
    home.simulator.apply({"eu.api": "ok"})
    command = asyncio.create_task(home.perform("lock", LOCK))
    await home.run(3)
    flows = hass.config_entries.options
    result = await flows.async_init(entry.entry_id)
    for step in ({"next_step_id": "notifications"}, {"reminder": 30}):
        result = await flows.async_configure(result["flow_id"], step)
    assert result["type"] == "create_entry"
    hass.config_entries.async_update_subentry(
        entry, one, data={**one.data, "when": "at_once"}
    )
    await home.run(2)
    assert not command.done()
    assert entry.runtime_data.coordinator is coordinator
    assert await command is None
    assert home.simulator.cars["Ada"].executed["door_lock"] == 1
    home.simulator.apply(DOWN)
    await home.run(240)
    assert status_of(entry) == "outage"
    assert entry.runtime_data.coordinator is coordinator
    assert len(phone.notifications) == 1
    await home.run(1800)
    assert len(phone.notifications) == 2
