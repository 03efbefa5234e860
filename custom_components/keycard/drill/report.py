"""Readiness report of a drill."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from homeassistant.util import dt as dt_util

from ..notifications.markdown import escape_markdown
from ..notifications.text import Translations
from ..vehicle.keys import PhysicalKey


@dataclass(frozen=True, kw_only=True)
class AutomationResult:
    """Automation that a drill triggered, or could have."""

    entity_id: str
    name: str
    triggered: bool
    disabled: bool


@dataclass(frozen=True, kw_only=True)
class NotificationResult:
    """Automations and message receivers of a drill."""

    automations: tuple[AutomationResult, ...] = ()
    receivers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CarReadiness:
    """Keys of a vehicle; `key_tried` is in UTC."""

    name: str
    key: PhysicalKey
    named: bool
    """Whether the user said which key it has."""

    key_tried: datetime | None
    pin_to_drive: bool | None
    """Whether it asks for a PIN, None if unknown."""

    bluetooth: bool | None
    """Whether Bluetooth reaches it now, None if it has no Bluetooth key."""


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """Readiness of a household."""

    notifications: NotificationResult
    cars: tuple[CarReadiness, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the list for an action's answer and a sensor's attribute."""
        return {
            "automations": [
                {
                    "entity_id": automation.entity_id,
                    "name": automation.name,
                    "ran": automation.triggered,
                    "on": not automation.disabled,
                }
                for automation in self.notifications.automations
            ],
            "receivers": list(self.notifications.receivers),
            "cars": [
                {
                    "name": car.name,
                    "key": car.key.value,
                    "key_named_by_owner": car.named,
                    "key_tried": car.key_tried and car.key_tried.isoformat(),
                    "pin_to_drive": car.pin_to_drive,
                    "bluetooth": car.bluetooth,
                }
                for car in self.cars
            ],
        }

    def as_markdown(self, words: Translations) -> str:
        """Return the report as Markdown."""
        told = [*_told(words, self.notifications)]
        parts = [_part(words.format("ready_told"), told)]
        parts += [
            _part(escape_markdown(car.name), _of_car(words, car)) for car in self.cars
        ]
        return "\n\n".join(parts)


def _part(head: str, lines: Iterable[str]) -> str:
    return "\n".join([f"**{head}**", "", *(f"- {line}" for line in lines)])


def _told(words: Translations, told: NotificationResult) -> Iterator[str]:
    for automation in told.automations:
        name = escape_markdown(automation.name)
        if automation.triggered:
            yield words.format("ready_ran", name=name)
        elif automation.disabled:
            yield words.format("ready_off", name=name)
        else:
            yield words.format("ready_did_not_run", name=name)
    if not told.automations:
        yield words.format("ready_no_automation")
    if told.receivers:
        receivers = ", ".join(map(escape_markdown, told.receivers))
        yield words.format("ready_sent", receivers=receivers)
    elif told.automations:
        yield words.format("ready_not_sent")


def _of_car(words: Translations, car: CarReadiness) -> Iterator[str]:
    key = words.format(f"ready_key_{car.key}")
    yield words.format("ready_key_named" if car.named else "ready_key_guessed", key=key)
    if car.key_tried is None:
        yield words.format("ready_never_tried", key=key)
    else:
        day = dt_util.as_local(car.key_tried)
        yield words.format("ready_tried", key=key, day=f"{day:%Y-%m-%d}")
    if car.pin_to_drive is not None:
        pin = "ready_pin_on" if car.pin_to_drive else "ready_pin_off"
        yield words.format(pin, key=key)
    yield words.format(_BLUETOOTH[car.bluetooth])


_BLUETOOTH = {
    None: "ready_bluetooth_none",
    True: "ready_bluetooth_near",
    False: "ready_bluetooth_away",
}
