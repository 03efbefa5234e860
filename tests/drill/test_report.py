"""Tests of the readiness report in every language."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from homeassistant.core import HomeAssistant

from custom_components.keycard.drill.report import (
    AutomationResult,
    NotificationResult,
    Readiness,
    VehicleReadiness,
)
from custom_components.keycard.notifications.text import (
    Translations,
    async_load_translations,
)
from custom_components.keycard.vehicle.keys import KeyPlace, PhysicalKey

ADA = VehicleReadiness(
    name="Ada",
    key=PhysicalKey.KEYCARD,
    key_configured=True,
    key_tried=None,
    pin_to_drive=None,
    bluetooth=None,
)
CY = VehicleReadiness(
    name="Cy",
    key=PhysicalKey.FOB,
    key_configured=False,
    key_tried=datetime(2026, 11, 3, 23, 30, tzinfo=UTC),
    pin_to_drive=None,
    bluetooth=True,
    key_place=KeyPlace.CAR,
)
RAN = AutomationResult(
    entity_id="automation.tell", name="Tell", triggered=True, disabled=False
)


@pytest.fixture(params=["en", "de"])
async def words(hass: HomeAssistant, request: pytest.FixtureRequest) -> Translations:
    await hass.config.async_update(language=request.param, time_zone="Europe/Berlin")
    return await async_load_translations(hass)


def in_words(
    words: Translations, results: NotificationResult, *cars: VehicleReadiness
) -> list[str]:
    return (
        Readiness(notifications=results, vehicles=cars).as_markdown(words).split("\n")
    )


@pytest.mark.parametrize(
    ("results", "said"),
    [
        (NotificationResult(), [("ready_no_automation", {})]),
        (
            NotificationResult(automations=(RAN,), receivers=("Phone", "Kitchen")),
            [
                ("ready_ran", {"name": "Tell"}),
                ("ready_sent", {"receivers": "Phone, Kitchen"}),
            ],
        ),
        (
            NotificationResult(
                automations=(
                    replace(RAN, name="Lamp", triggered=False),
                    replace(RAN, name="Old", triggered=False, disabled=True),
                )
            ),
            [
                ("ready_did_not_run", {"name": "Lamp"}),
                ("ready_off", {"name": "Old"}),
                ("ready_not_sent", {}),
            ],
        ),
        (NotificationResult(enabled=False), [("ready_disabled", {})]),
        (
            NotificationResult(failed=("Old phone",)),
            [("ready_failed", {"receivers": "Old phone"})],
        ),
        (
            NotificationResult(
                sent=("Anne's phone", "Home Assistant"),
                received=("Anne's phone",),
                acknowledged=("Anne's phone",),
                persons_without_phone=("Ben",),
            ),
            [
                (
                    "ready_receivers",
                    {"receivers": r"Anne\'s phone, Home Assistant"},
                ),
                ("ready_received", {"receivers": r"Anne\'s phone"}),
                ("ready_pressed", {"receivers": r"Anne\'s phone"}),
                ("ready_no_phone", {"persons": "Ben"}),
            ],
        ),
    ],
)
async def test_notification_lines(
    words: Translations,
    results: NotificationResult,
    said: list[tuple[str, dict[str, str]]],
) -> None:
    assert in_words(words, results) == [
        f"**{words.format('ready_told')}**",
        "",
        *(f"- {words.format(key, **values)}" for key, values in said),
    ]


async def test_key_lines_of_each_vehicle(words: Translations) -> None:
    keycard, fob = words.format("ready_key_keycard"), words.format("ready_key_fob")
    lines = in_words(words, NotificationResult(), replace(ADA, pin_to_drive=True), CY)
    assert lines[lines.index("**Ada**") :] == [
        "**Ada**",
        "",
        f"- {words.format('ready_key_named', key=keycard)}",
        f"- {words.format('ready_place_unknown', key=keycard)}",
        f"- {words.format('ready_never_tried', key=keycard)}",
        f"- {words.format('ready_pin_on', key=keycard)}",
        f"- {words.format('ready_bluetooth_none')}",
        "",
        "**Cy**",
        "",
        f"- {words.format('ready_key_guessed', key=fob)}",
        f"- {words.format('ready_place_car', key=fob)}",
        # It was past midnight where the owner lives.
        f"- {words.format('ready_tried', key=fob, day='2026-11-04')}",
        f"- {words.format('ready_bluetooth_near')}",
    ]
    away = replace(ADA, pin_to_drive=False, bluetooth=False)
    assert in_words(words, NotificationResult(), away)[-2:] == [
        f"- {words.format('ready_pin_off', key=keycard)}",
        f"- {words.format('ready_bluetooth_away')}",
    ]


async def test_no_bluetooth_key_is_advised_where_none_can_be(
    words: Translations,
) -> None:
    old = replace(ADA, takes_bluetooth_key=False)
    text = "\n".join(in_words(words, NotificationResult(), old))
    assert words.format("ready_bluetooth_none") not in text
