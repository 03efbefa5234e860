"""The readiness list: what a drill has shown of a household, and what to do."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from homeassistant.util import dt as dt_util

from ..notifications.markdown import escape_markdown
from ..notifications.text import Words
from ..vehicle.keys import Key


@dataclass(frozen=True, kw_only=True)
class Listener:
    """An automation that a drill set off, or could have."""

    entity_id: str
    name: str
    ran: bool
    off: bool


@dataclass(frozen=True, kw_only=True)
class Told:
    """Who heard of a drill; `receivers` are those to whom a message was sent."""

    automations: tuple[Listener, ...] = ()
    receivers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CarReadiness:
    """What is known of the keys of a car; `key_tried` is in UTC."""

    name: str
    key: Key
    named: bool
    """Whether its owner said which key it has."""

    key_tried: datetime | None
    pin_to_drive: bool | None
    """Whether it asks for a PIN, None if nobody knows."""

    bluetooth: bool | None
    """Whether Bluetooth reaches it now, None if it has no Bluetooth key."""


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """How ready a household is."""

    told: Told
    cars: tuple[CarReadiness, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the list for an action's answer and a sensor's attribute."""
        return {
            "automations": [
                {
                    "entity_id": automation.entity_id,
                    "name": automation.name,
                    "ran": automation.ran,
                    "on": not automation.off,
                }
                for automation in self.told.automations
            ],
            "receivers": list(self.told.receivers),
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

    def in_words(self, words: Words) -> str:
        """Write the list for the household, in Markdown."""
        told = [*_told(words, self.told)]
        parts = [_part(words.say("ready_told"), told)]
        parts += [
            _part(escape_markdown(car.name), _of_car(words, car)) for car in self.cars
        ]
        return "\n\n".join(parts)


def _part(head: str, lines: Iterable[str]) -> str:
    return "\n".join([f"**{head}**", "", *(f"- {line}" for line in lines)])


def _told(words: Words, told: Told) -> Iterator[str]:
    for automation in told.automations:
        name = escape_markdown(automation.name)
        if automation.ran:
            yield words.say("ready_ran", name=name)
        elif automation.off:
            yield words.say("ready_off", name=name)
        else:
            yield words.say("ready_did_not_run", name=name)
    if not told.automations:
        yield words.say("ready_no_automation")
    if told.receivers:
        receivers = ", ".join(map(escape_markdown, told.receivers))
        yield words.say("ready_sent", receivers=receivers)
    elif told.automations:
        yield words.say("ready_not_sent")


def _of_car(words: Words, car: CarReadiness) -> Iterator[str]:
    key = words.say(f"ready_key_{car.key}")
    yield words.say("ready_key_named" if car.named else "ready_key_guessed", key=key)
    if car.key_tried is None:
        yield words.say("ready_never_tried", key=key)
    else:
        day = dt_util.as_local(car.key_tried)
        yield words.say("ready_tried", key=key, day=f"{day:%Y-%m-%d}")
    if car.pin_to_drive is not None:
        pin = "ready_pin_on" if car.pin_to_drive else "ready_pin_off"
        yield words.say(pin, key=key)
    yield words.say(_BLUETOOTH[car.bluetooth])


_BLUETOOTH = {
    None: "ready_bluetooth_none",
    True: "ready_bluetooth_near",
    False: "ready_bluetooth_away",
}
