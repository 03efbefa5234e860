"""The readiness list in words, in every language."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from homeassistant.core import HomeAssistant

from custom_components.keycard.drill.report import (
    CarReadiness,
    Listener,
    Readiness,
    Told,
)
from custom_components.keycard.notifications.text import Words, async_get_words
from custom_components.keycard.vehicle.keys import Key

ADA = CarReadiness(
    name="Ada",
    key=Key.KEYCARD,
    named=True,
    key_tried=None,
    pin_to_drive=None,
    bluetooth=None,
)
CY = CarReadiness(
    name="Cy",
    key=Key.FOB,
    named=False,
    key_tried=datetime(2026, 11, 3, 23, 30, tzinfo=UTC),
    pin_to_drive=None,
    bluetooth=True,
)
RAN = Listener(entity_id="automation.tell", name="Tell", ran=True, off=False)


@pytest.fixture(params=["en", "de"])
async def words(hass: HomeAssistant, request: pytest.FixtureRequest) -> Words:
    await hass.config.async_update(language=request.param, time_zone="Europe/Berlin")
    return await async_get_words(hass)


def in_words(words: Words, told: Told, *cars: CarReadiness) -> list[str]:
    return Readiness(told=told, cars=cars).in_words(words).split("\n")


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (Told(), [("ready_no_automation", {})]),
        (
            Told(automations=(RAN,), receivers=("Phone", "Kitchen")),
            [
                ("ready_ran", {"name": "Tell"}),
                ("ready_sent", {"receivers": "Phone, Kitchen"}),
            ],
        ),
        (
            Told(
                automations=(
                    replace(RAN, name="Lamp", ran=False),
                    replace(RAN, name="Old", ran=False, off=True),
                )
            ),
            [
                ("ready_did_not_run", {"name": "Lamp"}),
                ("ready_off", {"name": "Old"}),
                ("ready_not_sent", {}),
            ],
        ),
    ],
)
async def test_who_was_told(
    words: Words, told: Told, said: list[tuple[str, dict[str, str]]]
) -> None:
    assert in_words(words, told) == [
        f"**{words.say('ready_told')}**",
        "",
        *(f"- {words.say(key, **values)}" for key, values in said),
    ]


async def test_the_keys_of_each_car(words: Words) -> None:
    keycard, fob = words.say("ready_key_keycard"), words.say("ready_key_fob")
    lines = in_words(words, Told(), replace(ADA, pin_to_drive=True), CY)
    assert lines[lines.index("**Ada**") :] == [
        "**Ada**",
        "",
        f"- {words.say('ready_key_named', key=keycard)}",
        f"- {words.say('ready_never_tried', key=keycard)}",
        f"- {words.say('ready_pin_on', key=keycard)}",
        f"- {words.say('ready_bluetooth_none')}",
        "",
        "**Cy**",
        "",
        f"- {words.say('ready_key_guessed', key=fob)}",
        # It was past midnight where the owner lives.
        f"- {words.say('ready_tried', key=fob, day='2026-11-04')}",
        f"- {words.say('ready_bluetooth_near')}",
    ]
    away = replace(ADA, pin_to_drive=False, bluetooth=False)
    assert in_words(words, Told(), away)[-2:] == [
        f"- {words.say('ready_pin_off', key=keycard)}",
        f"- {words.say('ready_bluetooth_away')}",
    ]
