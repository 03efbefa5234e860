"""Times of notices: on leaving home, repeated, and no longer."""

from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest

from homeassistant.core import CoreState, HomeAssistant, ServiceCall
from pytest_homeassistant_custom_component.common import async_mock_service

from tests.conftest import state_of

from .blueprint_automation import (
    EVENT,
    Tell,
    add_phone,
    notices,
    place,
    rehearse,
    relay,
    wait,
)

HOURLY = {"reminder": {"hours": 1}}
LEAVING = {"when": "leaving"}


class Household:
    """Ann with two phones, Bob with one, a phone without a person, and a mailbox."""

    def __init__(self, hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
        """Set up the household with everyone at home."""
        self.hass = hass
        self._freezer = freezer
        self.phones = {
            name: add_phone(hass, name) for name in ("ann", "work", "bob", "tablet")
        }
        self.calls = {
            name: async_mock_service(hass, "notify", f"mobile_app_{name}")
            for name in self.phones
        }
        self.mail = async_mock_service(hass, "notify", "send_message")
        place(hass, "home", ann="ann work", bob="bob")
        hass.states.async_set(EVENT, "unknown")

    async def relay(self, **inputs: Any) -> None:
        """Add an automation with all receivers."""
        await relay(
            self.hass,
            phones=list(self.phones.values()),
            notify_entities=["notify.mail"],
            **inputs,
        )

    async def go(self, minutes: float) -> dict[str, int]:
        """Let time pass, and return the number of notices for each receiver."""
        await wait(self.hass, self._freezer, minutes)
        found = {name: len(calls) for name, calls in self.calls.items() if calls}
        if self.mail:
            found["mail"] = len(self.mail)
        self.last = {name: calls[-1] for name, calls in self.calls.items() if calls}
        for calls in (*self.calls.values(), self.mail):
            calls.clear()
        return found

    async def move(self, where: str, **phones: str) -> dict[str, int]:
        """Move a person."""
        place(self.hass, where, **phones)
        return await self.go(0.1)

    async def press(self, phone: str, button: int) -> None:
        """Press a button of the last notice on a phone."""
        action = self.last[phone].data["data"]["actions"][button]["action"]
        self.hass.bus.async_fire(
            "mobile_app_notification_action", {"action": action, "tag": "any"}
        )
        await self.go(0.1)


@pytest.fixture
def household(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> Household:
    return Household(hass, freezer)


EVERYBODY = {"ann": 1, "work": 1, "bob": 1, "tablet": 1, "mail": 1}


async def test_each_person_gets_the_notice_when_leaving(
    household: Household, tell: Tell, own: list[ServiceCall]
) -> None:
    await household.relay(**LEAVING)
    tell("started", "take")
    # A receiver without a known location gets it at once.
    assert await household.go(1) == {"tablet": 1, "mail": 1}
    assert notices(own) == ["take"]
    assert await household.move("not_home", ann="ann work") == {"ann": 1, "work": 1}
    assert await household.move("work", ann="ann work") == {}
    # The next receiver gets the newer text.
    tell("changed", "none", "Newer")
    assert await household.go(30) == {}
    assert await household.move("not_home", bob="bob") == {"bob": 1}
    assert household.last["bob"].data["message"] == "Newer"
    # After coming home, the next departure repeats it.
    assert await household.move("home", ann="ann work") == {}
    assert await household.move("not_home", ann="ann work") == {"ann": 1, "work": 1}
    tell("ended", "all_clear")
    assert await household.go(1) == EVERYBODY
    assert notices(own) == ["take", "all_clear"]
    assert await household.move("home", ann="ann work") == {}
    assert await household.move("not_home", ann="ann work") == {}


async def test_without_a_notice_there_is_no_all_clear(
    household: Household, tell: Tell
) -> None:
    place(household.hass, "not_home", ann="ann work")
    await household.relay(**LEAVING)
    tell("started", "take")
    assert await household.go(1) == {"ann": 1, "work": 1, "tablet": 1, "mail": 1}
    tell("ended", "all_clear")
    assert await household.go(1) == {"ann": 1, "work": 1, "tablet": 1, "mail": 1}


async def test_another_key_is_sent_to_receivers_of_the_first(
    household: Household, tell: Tell
) -> None:
    await household.relay()
    tell("started", "take")
    assert await household.go(1) == EVERYBODY
    tell("changed", "take", "Another key")
    assert await household.go(1) == EVERYBODY
    assert household.last["ann"].data["message"] == "Another key"


async def test_reminders(
    household: Household, tell: Tell, own: list[ServiceCall]
) -> None:
    await household.relay(**HOURLY)
    tell("started", "take")
    assert await household.go(1) == EVERYBODY
    assert await household.go(58) == {}
    assert await household.go(2) == EVERYBODY
    assert household.last["ann"].data["data"]["tag"] == f"keycard_{EVENT}"
    assert await household.go(61) == EVERYBODY
    tell("ended", "all_clear")
    assert await household.go(1) == EVERYBODY
    assert await household.go(200) == {}
    assert notices(own) == ["take", "reminder", "reminder", "all_clear"]


async def test_acknowledged_notices_are_not_repeated(
    household: Household, tell: Tell
) -> None:
    """It applies to all phones of a person, for this notice."""
    await household.relay(**HOURLY)
    tell("started", "take")
    await household.go(1)
    await household.press("work", 0)
    others = {"bob": 1, "tablet": 1, "mail": 1}
    assert await household.go(60) == others
    await household.press("tablet", 0)
    assert await household.go(60) == {"bob": 1, "mail": 1}
    tell("changed", "take")
    assert await household.go(1) == EVERYBODY
    tell("ended", "all_clear")
    assert await household.go(1) == EVERYBODY


async def test_stop_reminding(
    household: Household, tell: Tell, own: list[ServiceCall]
) -> None:
    await household.relay(**HOURLY, **LEAVING)
    place(household.hass, "not_home", bob="bob")
    tell("started", "take")
    assert await household.go(1) == {"bob": 1, "tablet": 1, "mail": 1}
    await household.press("bob", 1)
    assert await household.go(61) == {}
    assert await household.move("not_home", ann="ann work") == {}
    tell("ended", "all_clear")
    assert await household.go(1) == {"bob": 1, "tablet": 1, "mail": 1}
    assert notices(own) == ["take", "all_clear"]


async def test_acknowledging_at_home(household: Household, tell: Tell) -> None:
    await household.relay(**LEAVING)
    tell("started", "take")
    await household.go(1)
    assert await household.move("not_home", bob="bob") == {"bob": 1}
    await household.press("bob", 0)
    assert await household.move("home", bob="bob") == {}
    assert await household.move("not_home", bob="bob") == {}


@pytest.mark.parametrize("pressed", ["keycard_stop_of_another", "else", ""])
async def test_buttons_of_other_notifications_are_ignored(
    household: Household, tell: Tell, hass: HomeAssistant, pressed: str
) -> None:
    await household.relay(**HOURLY)
    tell("started", "take")
    await household.go(1)
    hass.bus.async_fire("mobile_app_notification_action", {"action": pressed})
    assert await household.go(60) == EVERYBODY


@pytest.mark.parametrize(
    ("inputs", "buttons"),
    [
        ({}, None),
        (HOURLY, ["Got it", "Stop reminding"]),
        (LEAVING, ["Got it", "Stop reminding"]),
        (
            {**HOURLY, "got_it": "Hab ich", "stop_reminding": "Schluß, 'Ende'"},
            ["Hab ich", "Schluß, 'Ende'"],
        ),
    ],
)
async def test_which_buttons_are_shown(
    household: Household,
    tell: Tell,
    inputs: dict[str, Any],
    buttons: list[str] | None,
) -> None:
    """Buttons appear if they have an effect, in the chosen language."""

    def shown() -> list[str] | None:
        actions = household.last["ann"].data["data"].get("actions")
        return actions and [action["title"] for action in actions]

    await household.relay(**inputs)
    place(household.hass, "not_home", ann="ann work")
    await rehearse(household.hass)
    assert await household.go(1) == EVERYBODY
    assert shown() == buttons
    tell("started", "take")
    assert "ann" in await household.go(1)
    assert shown() == buttons
    tell("ended", "all_clear")
    assert "ann" in await household.go(1)
    assert shown() is None


async def test_a_drill_is_sent_like_an_outage(
    household: Household, tell: Tell, own: list[ServiceCall]
) -> None:
    await household.relay()
    tell("started", "take", "This is a drill.", drill=True)
    assert await household.go(1) == EVERYBODY
    assert household.last["ann"].data["message"] == "This is a drill."
    tell("ended", "all_clear", "The drill is over.", drill=True)
    assert await household.go(1) == EVERYBODY
    assert notices(own) == ["take", "all_clear"]


async def test_a_rehearsal_in_an_outage(
    household: Household, tell: Tell, own: list[ServiceCall]
) -> None:
    """It is sent besides the outage, which continues."""
    await household.relay(**HOURLY)
    tell("started", "take")
    await household.go(30)
    await rehearse(household.hass)
    assert await household.go(1) == EVERYBODY
    assert household.last["ann"].data["data"]["tag"] == f"keycard_{EVENT}_rehearsal"
    assert await household.go(30) == EVERYBODY
    tell("ended", "all_clear")
    assert await household.go(1) == EVERYBODY
    assert notices(own) == ["take", "rehearsal", "reminder", "all_clear"]


async def test_an_automation_that_is_saved_in_an_outage(
    household: Household, tell: Tell, own: list[ServiceCall]
) -> None:
    """Its state is lost: nothing is sent again but the end."""
    await household.relay()
    tell("started", "take")
    await household.go(1)
    await household.relay(wait={"minutes": 1})
    await rehearse(household.hass)
    await household.go(1)
    assert await household.go(60) == {}
    tell("ended", "all_clear")
    assert await household.go(1) == EVERYBODY
    assert notices(own) == ["take", "rehearsal", "all_clear"]


async def test_an_end_without_an_all_clear(
    household: Household, tell: Tell, own: list[ServiceCall]
) -> None:
    await household.relay(**HOURLY)
    tell("started", "take")
    await household.go(1)
    tell("ended", "none")
    await household.go(120)
    assert notices(own) == ["take"]
    tell("started", "take")
    await household.go(1)
    assert notices(own) == ["take", "take"]


async def test_leaving_and_reminders_go_on_after_a_restart(
    hass: HomeAssistant, household: Household, tell: Tell, own: list[ServiceCall]
) -> None:
    place(hass, "not_home", bob="bob")
    tell("started", "take")
    await household.go(60)
    hass.set_state(CoreState.not_running)
    await household.relay(**HOURLY, **LEAVING)
    await hass.async_start()
    # They got it before.
    assert await household.go(10) == {}
    assert await household.move("not_home", ann="ann work") == {"ann": 1, "work": 1}
    assert await household.go(51) == {"bob": 1, "tablet": 1, "mail": 1}
    tell("ended", "all_clear")
    assert await household.go(1) == EVERYBODY
    assert notices(own) == ["reminder", "all_clear"]


async def test_a_reload_of_keycard_in_an_outage(
    household: Household, tell: Tell, own: list[ServiceCall]
) -> None:
    await household.relay(**HOURLY, **LEAVING)
    tell("started", "take")
    await household.go(30)
    state = state_of(household.hass, EVENT)
    household.hass.states.async_set(EVENT, "unavailable")
    assert await household.go(10) == {}
    household.hass.states.async_set(EVENT, state.state, state.attributes)
    assert await household.move("not_home", bob="bob") == {"bob": 1}
    assert await household.go(21) == {"tablet": 1, "mail": 1}
    tell("ended", "all_clear")
    assert await household.go(1) == {"bob": 1, "tablet": 1, "mail": 1}


@pytest.mark.parametrize(
    "action",
    [
        {"delay": {"hours": 3}},
        {"wait_template": "{{ false }}"},
        {"action": "test.unknown"},
        {"condition": "template", "value_template": "{{ false }}"},
        {"stop": "Enough"},
    ],
)
async def test_own_actions_do_not_delay_notices(
    household: Household, tell: Tell, own: list[ServiceCall], action: dict[str, Any]
) -> None:
    first = {"action": "test.own", "data": {"notice": "{{ notice }}"}}
    await household.relay(**HOURLY, own_actions=[first, action])
    tell("started", "take")
    assert await household.go(1) == EVERYBODY
    assert await household.go(60) == EVERYBODY
    tell("ended", "all_clear")
    assert await household.go(1) == EVERYBODY
    await household.go(1)
    # A running own action hides no new outage.
    tell("started", "take")
    found: dict[str, int] = {}
    for _ in range(25):
        found |= await household.go(0.1)
    assert found == EVERYBODY
    assert notices(own) == ["take", "reminder", "all_clear", "take"]
